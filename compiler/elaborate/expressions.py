"""Expressions: from syntax to equations.

Nothing here recurses along the user's text: :meth:`Evaluator.run` keeps its own stack of generators, each of which yields
the piece it wants evaluated and is sent its value. Thousands of nested calls are no deeper for Python than one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Kind, Origin
from ..graph.shapes import Dim, Shape
from ..graph.shapes import show as show_shape
from ..language import syntax
from ..language.diagnostics import Label, suggest
from ..language.source import Span
from ..ops.declare import (
    INFIX,
    Clash,
    Misfit,
    Op,
    Operand,
    Step,
    elementwise_plan,
    misfit_broadcast,
    table,
)
from ..ops.indexing import Piece
from .constants import exact_number, fold, fold_dim, map_literals
from .files import Files
from .scope import Entry, Env, Frame, Function, Lifter, article
from .values import POISON, ConstDraft, Draft, Elem, Layer, Literal, Poison, Scalar, ScanDraft, Several, Text, Val, Value

if TYPE_CHECKING:
    from .states import Keeper

Wanted = tuple[syntax.Expression, Env]  # a piece to be evaluated, and where it stands
Task = Generator[Wanted, Value, Value]
Build = Callable[[list[Expr]], Expr]
Result = TypeVar("Result")

NAMED: Final[dict[str, Scalar]] = {"pi": Scalar(E.PI), "inf": Scalar(E.INF)}
NUMBER_NAMES: Final = ("pi", "inf")


def _quotient(exprs: list[Expr]) -> Expr:
    return E.make("floor", E.make("div", *exprs))


def _remainder(exprs: list[Expr]) -> Expr:
    return E.make("sub", exprs[0], E.make("mul", exprs[1], _quotient(exprs)))


WHOLE: Final[dict[str, Build]] = {"//": _quotient, "%": _remainder}
# What is called like a function and is more than an operation: with its documentation.
SPECIAL: Final[dict[str, str]] = {
    "where": "A condition that is known when the module is compiled picks its branch there and then.",
    "max": "Of one array a reduction, of two or more the largest point by point.",
    "min": "Of one array a reduction, of two or more the smallest point by point.",
    "maximum": "The largest of two or more arrays, point by point.",
    "minimum": "The smallest of two or more arrays, point by point.",
    "stop_gradient": "stop_gradient(x): x, and no gradient goes through it.",
    "extent": "extent(x, axis): the size of one axis of x.",
    "rank": "rank(x): how many axes x has, known when the module is compiled; 0 for a number.",
    "is_index": "is_index(x): whether x holds integers, known when the module is compiled.",
    "fail": "fail(text): refuses the call of the function that it stands in, where it is reached.",
}


class NotElementwise(Exception):
    """This function cannot be one elementwise body (or has an error that the plain road will report)."""


class Evaluator(ABC):
    """What the expressions of one model share: its names so far, its equations so far, its errors so far.

    The classes that derive from it know calls, layers, index notation and loops.
    """

    keeper: Keeper  # states and random values

    def __init__(self, files: Files) -> None:
        self.bag, self.missing = files.bag, files.missing
        self.sources, self.library = files.sources, files.library
        self.entries: dict[str, Entry] = {}
        self.later: dict[str, Span] = {}  # names that the model declares somewhere
        self.drafts: list[Draft | ScanDraft | ConstDraft] = []
        self.logits: list[tuple[Span, Value, str, str]] = []  # arguments that should not be probabilities
        self.ops: Mapping[str, Op] = table()

    # ------------------------------------------------------------ running

    def run(self, node: syntax.Expression, env: Env) -> Value:
        """The value of an expression; POISON after an error."""
        stack: list[Task] = [self.task(node, env)]
        sent: Value | None = None
        thrown: NotElementwise | None = None
        while True:
            try:
                if thrown is not None:
                    error, thrown = thrown, None
                    wanted = stack[-1].throw(error)
                else:
                    wanted = _go_on(stack[-1], sent)
            except StopIteration as stop:
                stack.pop()
                if not stack:
                    result: Value = stop.value
                    return result
                sent = stop.value
            except NotElementwise as error:
                stack.pop()
                if not stack:
                    raise
                thrown = error
            else:
                stack.append(self.task(*wanted))
                sent = None

    def gather(self, task: Generator[Wanted, Value, Result]) -> Result:
        """What a generator of the evaluator's comes to."""
        sent: Value | None = None
        while True:
            try:
                wanted = _go_on(task, sent)
            except StopIteration as stop:
                result: Result = stop.value
                return result
            sent = self.run(*wanted)

    def task(self, node: syntax.Expression, env: Env) -> Task:
        match node:
            case syntax.Binary():
                return self.binary(node, env)
            case syntax.Call():
                return self.call(node, env)
            case syntax.Unary():
                return self.unary(node, env)
            case syntax.Compare():
                return self.compare(node, env)
            case syntax.Subscript():
                pointwise = env.elem is not None and not env.elem.quiet
                return self.read(node, env) if pointwise else self.subscript(node, env)
            case syntax.Padded():
                return self.padded(node, env)
            case syntax.Transpose():
                return self.transpose(node, env)
            case syntax.Array():
                return self.array(node, env)
            case syntax.Attribute():
                return self.attribute_task(node, env)
        return self.leaf(node, env)

    def attribute_task(self, node: syntax.Attribute, env: Env) -> Task:
        return self.attribute(node, env)
        yield  # a generator, as every task

    @abstractmethod
    def attribute(self, node: syntax.Attribute, env: Env) -> Value:
        """``layer.param``: layers.py."""

    # ------------------------------------------------------------ reporting

    def report(
        self,
        env: Env,
        code: str,
        message: str,
        span: Span,
        *,
        labels: Iterable[tuple[Span, str]] = (),
        notes: Iterable[str] = (),
        help: str | None = None,
    ) -> Poison:
        """An error. One inside a library function is shown at the user's call of it, with the arguments' shapes."""
        if env.elem is not None and env.elem.quiet:
            raise NotElementwise
        found = list(labels)
        site = env.site
        if env.frame.library and site is not None:
            while site.caller.library and site.outer is not None:
                site = site.outer
            message = f"{site.function.tree.name.id}: {message}"
            span, help = site.span, None
            found = [(where, f"{name} is {describe(value)}") for where, name, value in site.arguments if isinstance(value, Val)]
            site = site.outer
        while site is not None and site.caller.library:
            site = site.outer
        if site is not None:
            if all(where != span for where, _ in found) and not any(_inside(where, span) for where, _ in found):
                found.insert(0, (span, ""))
            found.append((site.span, f"in this call of {site.function.tree.name.id}"))
        self.bag.report(code, message, span, labels=[Label(*f) for f in found], notes=tuple(notes), help=help)
        return POISON

    def misfit(
        self,
        env: Env,
        error: Misfit,
        node: syntax.Expression,
        parts: list[syntax.Expression],
        values: list[Value],
        places: Mapping[str, Span] | None = None,
    ) -> Poison:
        """A plan's complaint, in the user's words."""
        names = [part.id if isinstance(part, syntax.Ref) else "this array" for part in parts]

        def words(text: str) -> str:
            for k, name in enumerate(names):
                text = text.replace(f"{{{k}}}", name)
            return text

        labels = [
            (parts[k].span, f"{part.id if isinstance(part := parts[k], syntax.Ref) else 'this'} is {describe(values[k])}")
            for k in dict.fromkeys(error.labels)
        ]
        span = node.span
        if error.at and places and error.at in places:
            span = places[error.at]
            labels = [label for label in labels if not _inside(span, label[0])] and [(span, "")] + labels
        help = words(error.help[0]) if error.help else None
        if help is None and error.wish is not None and len({names[k] for k in error.labels}) == len(error.labels):
            help = self.wish(parts[error.wish.operand], values[error.wish.operand], error.wish.axis, error.wish.dim)
        return self.report(env, error.code, words(error.message), span, labels=labels, notes=map(words, error.notes), help=help)

    def wish(self, part: syntax.Expression, value: Value, axis: int, dim: Dim) -> str | None:
        """The declaration that would have fitted."""
        entry = self.entries.get(part.id) if isinstance(part, syntax.Ref) else None
        if entry is None or entry.value is not value or axis >= len(entry.shape) or entry.what not in ("param", "input", "index"):
            return None
        if entry.what == "param" and dim.value is None:
            return None
        assert isinstance(part, syntax.Ref)
        texts = [self.text(e.span) for e in entry.shape]
        texts[axis] = str(dim)
        return f"declare {part.id}[{', '.join(texts)}]"

    def text(self, span: Span) -> str:
        """A piece of one line of the user's text."""
        source = self.sources.get(span.file)
        return source.line(span.line)[span.column - 1 : span.end_column - 1] if source else ""

    # ------------------------------------------------------------ making equations

    def origin(self, span: Span, env: Env) -> Origin:
        site = env.site
        if site is None:
            return Origin((span,), "source")
        site = site.outermost
        return Origin((site.span,), "source", f"in {site.function.tree.name.id}")

    def emit(self, step: Step, operands: tuple[Val, ...], span: Span, env: Env) -> Val:
        out = Val(step.shape, step.kind, step.below, function=step.op)
        draft = Draft(out, step, operands, self.origin(span, env))
        out.maker = draft
        self.drafts.append(draft)
        return out

    def materialise(self, value: Value, span: Span, env: Env) -> Val:
        """A constant as an array of the graph."""
        if isinstance(value, Val):
            return value
        if isinstance(value, Literal):
            if value.val is None:
                value.val = Val(tuple(Dim.of(d) for d in value.shape), function="constant")
                self.drafts.append(ConstDraft(value.val, value.data, self.origin(value.span, env)))
            return value.val
        assert isinstance(value, Scalar)
        kind: Kind = "bool" if value.boolean else "real"
        return self.emit(Step("constant", (), (), (), (), value.expr, kind=kind), (), span, env)

    def as_array(self, value: Value, part: syntax.Expression, env: Env) -> Val | None:
        """A value as an array of the graph; None after an error."""
        if isinstance(value, Poison):
            return None
        if isinstance(value, Several | Text | Layer):
            self.not_an_array(part, value, env)
            return None
        return self.materialise(value, part.span, env)

    def elementwise(
        self,
        name: str,
        build: Build,
        kind: Kind,
        parts: list[syntax.Expression],
        values: list[Value],
        node: syntax.Expression,
        env: Env,
    ) -> Value:
        """One elementwise operation: one equation, or a constant, or a piece of a body that is being tried."""
        for part, value in zip(parts, values, strict=True):
            if isinstance(value, Poison):
                return POISON
            if isinstance(value, Text | Several | Layer):
                return self.not_an_array(part, value, env)
        if all(isinstance(v, Scalar) for v in values):
            scalars = [v for v in values if isinstance(v, Scalar)]
            exprs = tuple(s.expr for s in scalars)
            dim = fold_dim(name, scalars[0].dim, scalars[1].dim) if len(scalars) == 2 else None
            if name == "neg" and scalars[0].dim is not None:
                dim = -scalars[0].dim
            if dim is not None:
                return Scalar.of_dim(dim)
            if len(scalars) == 2 and kind == "bool" and scalars[0].dim is not None and scalars[0].dim == scalars[1].dim:
                return Scalar.of_bool(name in ("eq", "le", "ge"))
            return Scalar(fold(name, exprs) or build(list(exprs)), None, kind == "bool")
        if env.constant and any(isinstance(v, Literal) for v in values):
            operands = [v for v in values if isinstance(v, Literal | Scalar)]
            body = build([E.arg(k) for k in range(len(operands))])
            try:
                made = map_literals(body, tuple(operands), node.span)
            except Clash as clash:
                described = tuple(Operand(shape_of_value(v)) for v in values)
                return self.misfit(env, misfit_broadcast(described, clash), node, parts, values)
            if made is None:
                return self.report(env, "E244", "this is not a number that is known when the module is compiled", node.span)
            return made
        if env.elem is not None and not env.elem.quiet:
            return self.at_points(name, build, kind, parts, values, node, env)
        if env.elem is not None:
            return Elem(build([self.lifted(v, env.elem) for v in values]), kind)
        arrays: list[Val] = []
        named: list[int] = []  # which part each array came from
        exprs_out: list[Expr] = []
        for k, (part, value) in enumerate(zip(parts, values, strict=True)):
            if isinstance(value, Scalar):
                exprs_out.append(value.expr)
                continue
            val = self.materialise(value, part.span, env)
            if val not in arrays:
                arrays.append(val)
                named.append(k)
            exprs_out.append(E.arg(arrays.index(val)))
        try:
            plan = elementwise_plan(name, build(exprs_out), kind, tuple(operand(a) for a in arrays))
        except Misfit as error:
            return self.misfit(env, error, node, [parts[k] for k in named], [values[k] for k in named])
        return self.emit(plan.steps[0], tuple(arrays), node.span, env)

    def lifted(self, value: Value, lifter: Lifter) -> Expr:
        if isinstance(value, Scalar | Elem):
            return value.expr
        if isinstance(value, Val):
            return lifter.lift(value).expr
        raise NotElementwise

    def not_an_array(self, part: syntax.Expression, value: Value, env: Env) -> Poison:
        if isinstance(value, Several):
            names = ", ".join("abcdefgh"[: len(value.items)])
            return self.report(
                env,
                "E287",
                f"these are {len(value.items)} arrays, and one is wanted",
                part.span,
                help=f"give them names: {names} = ...",
            )
        if isinstance(value, Layer):
            name = part.id if isinstance(part, syntax.Ref) else value.rule.tree.name.id
            return self.report(env, "E287", "this is a layer, and an array is wanted", part.span, help=f"call it: {name}(x)")
        return self.report(env, "E287", "a text cannot be calculated with", part.span)

    # ------------------------------------------------------------ leaves

    def leaf(self, node: syntax.Expression, env: Env) -> Task:
        return self.leaf_value(node, env)
        yield  # a generator, as every task

    def leaf_value(self, node: syntax.Expression, env: Env) -> Value:
        match node:
            case syntax.Number():
                return self.number(node)
            case syntax.Boolean():
                return Scalar.of_bool(node.value)
            case syntax.Text():
                return Text(node.value)
            case syntax.Ref():
                return self.lookup(node, env)
        return self.report(env, "E110", "this is not part of the language yet", node.span)

    def number(self, node: syntax.Number) -> Scalar:
        """A literal, exactly as it is written. (The lexer has refused what is too large for the machine.)"""
        text = node.text.replace("_", "")
        if text.isdigit():
            return Scalar(E.const(int(text)), Dim.of(int(text)))
        return Scalar(E.const(Fraction(text)) if float(text) else E.ZERO)

    def lookup(self, node: syntax.Ref, env: Env) -> Value:
        name = node.id
        if env.indices is not None and name in env.indices:
            return env.indices[name]
        if env.names is not None and name in env.names:
            return env.names[name]
        if env.frame.main and not env.rule:
            entry = self.entries.get(name)
            if entry is not None:
                if env.names is not None and entry.what == "binding":
                    return self.report(
                        env,
                        "E224",
                        f"a function does not see the binding {name}",
                        node.span,
                        notes=(f"{name} is bound on line {entry.span.line}; a binding may change its meaning from line to line",),
                        help=f"pass {name} as an argument",
                    )
                if env.constant and entry.what not in ("size",) and isinstance(entry.value, Val):
                    return self.report(
                        env,
                        "E244",
                        f"{name} is not known when the module is compiled",
                        node.span,
                        notes=(f"it is {article(entry.what)}",),
                    )
                entry.used = True
                return entry.value
        if name in NAMED:
            return NAMED[name]
        if name == "training" and not env.rule:
            return self.in_training(node, env)
        if env.frame.main and self.silent(name):
            return POISON
        return self.unknown(node, env)

    def in_training(self, node: syntax.Ref, env: Env) -> Value:
        """Whether this is a training call: a run-time truth value."""
        if env.constant:
            return self.report(env, "E244", "training is not known when the module is compiled", node.span)
        return self.keeper.is_training()

    def silent(self, name: str) -> bool:
        """An unknown name that was reported, or whose line has a syntax error."""
        return self.missing.covers(name)

    def unknown(self, node: syntax.Ref, env: Env) -> Poison:
        name = node.id
        if self.function(name, env.frame) is not None or name in self.ops or name in SPECIAL:
            return self.report(env, "E223", f"{name} is a function and not a value", node.span, help=f"call it: {name}(...)")
        if name in env.frame.layers:
            return self.report(
                env, "E223", f"{name} is the definition of a layer and not a value", node.span, help=f"make one: {name}(...)"
            )
        notes: tuple[str, ...] = ()
        known = list(env.names or ())
        if env.frame.main and not env.rule:
            known += list(self.entries)
            if name in self.later:
                notes = (f"it is declared later, on line {self.later[name].line}; a line sees only what stands above it",)
        meant = None if notes else suggest(name, [*known, *NUMBER_NAMES])
        help = f"did you mean {meant}?" if meant else None
        if env.indices is not None and not notes and meant is None:
            help = f"an index variable stands on the left, or is brought in, as by `sum(... for {name})`"
        poison = self.report(env, "E220", f"there is no {name} here", node.span, notes=notes, help=help)
        if env.frame.main and env.names is None:
            self.missing.add(name)
        return poison

    def function(self, name: str, frame: Frame) -> Function | None:
        """A function of this file, or else of the library; operations are looked up in between."""
        found = frame.functions.get(name)
        if found is not None or name in self.ops:
            return found
        return self.library(name)

    # ------------------------------------------------------------ operators

    def unary(self, node: syntax.Unary, env: Env) -> Task:
        value = yield node.operand, env
        if node.op == "+":
            return value
        name = "neg" if node.op == "-" else "not"
        return self.operator(name, [node.operand], [value], node, env)

    def binary(self, node: syntax.Binary, env: Env) -> Task:
        left = yield node.left, env
        right = yield node.right, env
        if isinstance(left, Poison) or isinstance(right, Poison):
            return POISON
        parts: list[syntax.Expression] = [node.left, node.right]
        values: list[Value] = [left, right]
        if node.op == "@":
            return self.planned(self.ops["matmul"], parts, values, {}, node, env, {})
        if node.op in ("//", "%"):
            if isinstance(left, Scalar) and isinstance(right, Scalar) and left.dim is not None and right.dim is not None:
                try:
                    dim = fold_dim(node.op, left.dim, right.dim)
                except ZeroDivisionError:
                    return self.report(env, "E213", "a size is divided by zero", node.span)
                assert dim is not None
                return Scalar.of_dim(dim)
            if env.elem is not None and not env.elem.quiet:
                return self.at_points(node.op, WHOLE[node.op], "real", parts, values, node, env)
            help = "write floor(a / b)" if node.op == "//" else "write a - b*floor(a / b)"
            return self.report(env, "E246", f"{node.op} is for sizes", node.span, help=help)
        return self.operator(INFIX[node.op], parts, values, node, env)

    def operator(
        self, name: str, parts: list[syntax.Expression], values: list[Value], node: syntax.Expression, env: Env
    ) -> Value:
        """An operator or elementwise operation of the tables. Where a condition is wanted, a number holds if it is not 0."""
        op = self.ops[name]
        assert op.body is not None
        body = op.body
        if all(isinstance(v, Text) for v in values) and name in ("eq", "ne"):
            texts = [v.text for v in values if isinstance(v, Text)]
            return Scalar.of_bool((texts[0] == texts[1]) == (name == "eq"))
        conditions = {"and": (0, 1), "or": (0, 1), "not": (0,), "where": (0,)}.get(name, ())
        for k in conditions:
            if not is_bool(values[k]):
                body = E.substitute(body, {E.arg(k): E.make("ne", E.arg(k), E.ZERO)})
        kind = op.kind
        if name in ("where", "maximum", "minimum") and all(is_bool(v) for v in values[1 if name == "where" else 0 :]):
            kind = "bool"
        return self.elementwise(name, builder(body), kind, parts, values, node, env)

    def compare(self, node: syntax.Compare, env: Env) -> Task:
        values: list[Value] = []
        for part in node.operands:
            values.append((yield part, env))
        result: Value | None = None
        for k, sign in enumerate(node.ops):
            one = self.operator(INFIX[sign], list(node.operands[k : k + 2]), values[k : k + 2], node, env)
            result = one if result is None else self.operator("and", [node, node], [result, one], node, env)
        assert result is not None
        return result

    def transpose(self, node: syntax.Transpose, env: Env) -> Task:
        value = yield node.value, env
        return self.planned(self.ops["transpose"], [node.value], [value], {"axes": ()}, node, env, {})

    # ------------------------------------------------------------ arrays and brackets

    def array(self, node: syntax.Array, env: Env) -> Task:
        shape: tuple[int, ...] | None = None
        data: list[Fraction] = []
        for item in node.items:
            value = yield item, replace(env, constant=True)
            if isinstance(value, Poison):
                return POISON
            own: tuple[int, ...] = ()
            numbers: tuple[Fraction, ...]
            if isinstance(value, Scalar):
                number = exact_number(value)
                if number is None:
                    return self.report(
                        env,
                        "E244",
                        "a literal array is made of numbers that are known when the module is compiled",
                        item.span,
                        help="stack(...) makes an array of other values",
                    )
                numbers = (number,)
            elif isinstance(value, Literal):
                own, numbers = value.shape, value.data
            else:
                return self.report(
                    env,
                    "E244",
                    "a literal array is made of numbers that are known when the module is compiled",
                    item.span,
                    help="stack(...) makes an array of other values",
                )
            if shape is not None and own != shape:
                return self.report(env, "E208", "the rows of this array have different lengths", item.span)
            shape = own
            data.extend(numbers)
        return Literal((len(node.items), *(shape or ())), tuple(data), node.span)

    def subscript(self, node: syntax.Subscript, env: Env) -> Task:
        value = yield node.value, env
        pieces: list[Piece] = []
        parts: list[syntax.Expression] = [node.value]
        values: list[Value] = [value]
        places: dict[str, Span] = {}
        failed = isinstance(value, Poison)
        for k, item in enumerate(node.items):
            places[f"item {k}"] = item.span
            if isinstance(item, syntax.Slice):
                bounds: list[Dim | None] = []
                for bound in (item.start, item.stop, item.step):
                    if bound is None:
                        bounds.append(None)
                        continue
                    found = yield bound, env
                    dim = self.as_dim(found, bound, env)
                    failed |= dim is None
                    bounds.append(dim)
                step = bounds[2] if bounds[2] is not None else Dim.of(1)
                if step.value is None or step.value == 0:
                    assert item.step is not None
                    self.report(env, "E206", "the step of a slice is a fixed number other than 0", item.step.span)
                    failed = True
                    continue
                pieces.append(Piece(bounds[0], bounds[1], step.value))
                continue
            found = yield item, env
            if isinstance(found, Val) and found.shape == () and found.kind != "int":
                self.report(env, "E241", "an index is a whole number", item.span, notes=("a run-time number cannot be an index",))
                failed = True
            elif isinstance(found, Val):
                pieces.append(Piece(None, gather=len(parts)))
                parts.append(item)
                values.append(found)
            else:
                dim = self.as_dim(found, item, env, "E241", "an index is a whole number")
                failed |= dim is None
                pieces.append(Piece(dim))
        if failed:
            return POISON
        if isinstance(value, Several):
            only = pieces[0].start if len(pieces) == 1 and pieces[0].step is None else None
            if only is None or only.value is None or not -len(value.items) <= only.value < len(value.items):
                return self.report(
                    env,
                    "E206",
                    f"these are {len(value.items)} arrays: one index from 0 to {len(value.items) - 1} chooses one",
                    node.span,
                )
            return value.items[only.value]
        return self.planned(self.ops["slice"], parts, values, {"pieces": tuple(pieces)}, node, env, places)

    def as_dim(
        self,
        value: Value,
        part: syntax.Expression,
        env: Env,
        code: str = "E213",
        message: str = "a whole number or a size is wanted here",
    ) -> Dim | None:
        """The value as a size; None after an error."""
        if isinstance(value, Poison):
            return None
        if isinstance(value, Scalar) and value.dim is not None:
            return value.dim
        note: tuple[str, ...] = ()
        if isinstance(value, Val) and value.declared == "hyper":
            note = ("a hyper is given at run time; a size with a value is fixed when the module is compiled",)
        elif isinstance(value, Scalar) and isinstance(part, syntax.Binary) and part.op == "/":
            note = ("/ gives a real number; // divides sizes",)
        self.report(env, code, message, part.span, notes=note)
        return None

    # ------------------------------------------------------------ operations with a plan

    def planned(
        self,
        op: Op,
        parts: list[syntax.Expression],
        values: list[Value],
        options: Mapping[str, Any],
        node: syntax.Expression,
        env: Env,
        places: Mapping[str, Span],
    ) -> Value:
        """A call of an operation that has a plan."""
        if any(isinstance(v, Poison) for v in values):
            return POISON
        if env.elem is not None and not env.elem.quiet:
            if any(isinstance(v, Elem) for v in values):
                return self.not_whole(op.name, parts, values, node, env)
            env = env.whole()
        if env.elem is not None:
            raise NotElementwise
        if env.rule:
            return self.report(
                env, "E288", "an update rule works on one element at a time", node.span, notes=(f"{op.name} needs a whole array",)
            )
        if env.constant and op.name in ("zeros", "ones", "eye"):
            return self.constant_array(op.name, options, node, env)
        if env.constant:
            return self.report(
                env,
                "E244",
                "this is not known when the module is compiled",
                node.span,
                notes=("numbers, literal arrays, zeros, ones, eye and arithmetic with them are",),
            )
        for part, value in zip(parts, values, strict=True):
            if isinstance(value, Text | Several | Layer):
                return self.not_an_array(part, value, env)
        operands = tuple(self.materialise(v, p.span, env) for p, v in zip(parts, values, strict=True))
        assert op.plan is not None
        try:
            plan = op.plan(tuple(operand(v) for v in operands), options)
        except Misfit as error:
            return self.misfit(env, error, node, parts, list(operands), places)
        if not plan.steps:
            return operands[0]
        made: list[Val] = []
        for step in plan.steps:
            made.append(self.emit(step, (*operands, *made), node.span, env))
        return Several(tuple(made)) if plan.several else made[-1]

    def constant_array(self, name: str, options: Mapping[str, Any], node: syntax.Expression, env: Env) -> Value:
        dims: tuple[Dim, ...] = options["shape"] if name != "eye" else (options["n"], options["n"])
        if any(d.value is None for d in dims):
            return self.report(env, "E244", "a free size is not known when the module is compiled", node.span)
        shape = tuple(int(d.value or 0) for d in dims)
        if any(d < 0 for d in shape):
            return self.report(env, "E213", "a size cannot be negative", node.span)
        count = 1
        for d in shape:
            count *= d
        if name == "eye":
            data = tuple(Fraction(int(i == j)) for i in range(shape[0]) for j in range(shape[0]))
        else:
            data = (Fraction(int(name == "ones")),) * count
        return Literal(shape, data, node.span)

    @abstractmethod
    def call(self, node: syntax.Call, env: Env) -> Task:
        """A call of whatever can be called: calls.py."""

    # ------------------------------------------------------------ index notation: reads.py

    @abstractmethod
    def read(self, node: syntax.Subscript, env: Env, pad: bool = False) -> Task:
        """One element of an array."""

    @abstractmethod
    def padded(self, node: syntax.Padded, env: Env) -> Task:
        """One element, and zero outside."""

    @abstractmethod
    def at_points(
        self, name: str, build: Build, kind: Kind, parts: list[syntax.Expression], values: list[Value],
        node: syntax.Expression, env: Env,
    ) -> Value:  # fmt: skip
        """An elementwise operation where something may be one number at a point."""

    @abstractmethod
    def not_whole(
        self, name: str, parts: Iterable[syntax.Expression], values: Iterable[Value], node: syntax.Expression, env: Env
    ) -> Poison:
        """An operation on whole arrays was given one number at a point."""


def _go_on(task: Generator[Wanted, Value, object], sent: Value | None) -> Wanted:
    """What a generator wants next, which has been given what it wanted before (None: it begins)."""
    return next(task) if sent is None else task.send(sent)


def builder(body: Expr) -> Build:
    """A body over arg(0), arg(1)... as a function of what stands for them."""

    def build(exprs: list[Expr]) -> Expr:
        if all(e is a for e, a in zip(exprs, body.args, strict=False)) and len(exprs) == len(body.args):
            return body
        return E.substitute(body, {E.arg(k): e for k, e in enumerate(exprs)})

    return build


def operand(val: Val) -> Operand:
    return Operand(val.shape, val.kind, val.below)


def is_bool(value: Value) -> bool:
    return (isinstance(value, Scalar) and value.boolean) or (isinstance(value, Val | Elem) and value.kind == "bool")


def shape_of_value(value: Value) -> Shape:
    if isinstance(value, Val):
        return value.shape
    return tuple(Dim.of(d) for d in value.shape) if isinstance(value, Literal) else ()


def describe(value: Value) -> str:
    """As labels say it: a shape, or what else it is."""
    if isinstance(value, Several):
        return f"{len(value.items)} arrays"
    if isinstance(value, Text | Layer):
        return "a text" if isinstance(value, Text) else "a layer"
    shape = shape_of_value(value)
    return show_shape(shape) if shape else "a scalar"


def _inside(inner: Span, outer: Span) -> bool:
    return (
        inner.file == outer.file
        and (outer.line, outer.column) <= (inner.line, inner.column)
        and (inner.end_line, inner.end_column) <= (outer.end_line, outer.end_column)
    )
