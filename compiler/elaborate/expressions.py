"""Expressions: what each sort of text is worth, but for index notation, calls, layers and loops."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.shapes import Dim
from ..language import syntax
from ..language.diagnostics import suggest
from ..language.source import Span
from ..ops.declare import INFIX
from ..ops.indexing import Piece
from .arithmetic import Arithmetic, Build
from .constants import exact_number, fold_dim
from .evaluator import Task, called
from .scope import Env, Frame, Function, article
from .values import POISON, Draft, Literal, Poison, Scalar, Several, Text, Val, Value, shape_of_value

if TYPE_CHECKING:
    from .states import Keeper

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
    "diff": "diff(u, x): the derivative of u for x, of which one has the first axes of the other, or none: diff(u, x)[n, d] is "
    "that of u[n] for x[n, d].",
    "jacobian": "jacobian(u, x): the derivative of each element of u for each of x, the axes of u first.",
    "hessian": "hessian(u, x): the second derivatives of a number u for all pairs of elements of x.",
    "jvp": "jvp(u, x, v): the derivative of u along the direction v of x, in the shape of u: jacobian(u, x) times v.",
    "extent": "extent(x, axis): the size of one axis of x.",
    "rank": "rank(x): how many axes x has, known when the module is compiled; 0 for a number.",
    "is_index": "is_index(x): whether x holds integers, known when the module is compiled.",
    "fail": "fail(text): refuses the call of the function that it stands in, where it is reached.",
}


class Expressions(Arithmetic):
    """The evaluator with its expressions. ``keeper`` has the states and random values."""

    keeper: Keeper

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
        if node.op == "-" and not env.frame.library:
            self.check_pairs("", [(part.span, called(part), value) for part, value in zip(parts, values, strict=True)], node)
        return self.operator(INFIX[node.op], parts, values, node, env)

    def check_pairs(self, function: str, arguments: Sequence[tuple[Span, str, Value]], node: syntax.Expression) -> None:
        """Note two arrays of different rank of which broadcasting repeats both: a column beside a vector. Of differences (without
        the name of a function) those where both have the same size, and the column was not made for it."""
        pair = tuple((span, name, value) for span, name, value in arguments if isinstance(value, Val) and value.kind != "int")
        if len(pair) != 2:
            return
        short, long = sorted((value for _, _, value in pair), key=lambda v: len(v.shape))
        first, last = long.shape[: len(long.shape) - len(short.shape)], long.shape[len(long.shape) - len(short.shape) :]
        repeated = [b for a, b in zip(last, short.shape, strict=True) if a.is_one() and not b.is_one()]
        made = isinstance(long.maker, Draft) and long.maker.step.op in ("slice", "reshape")
        if function or (not made and any(dim in first for dim in repeated)):
            if repeated and any(not dim.is_one() for dim in first):
                self.crossed.append((node.span, function, pair))

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

    def spread(self, node: syntax.Subscript, value: Value) -> tuple[syntax.Item, ...]:
        """The items in brackets with slices of whole axes for the first `...`."""
        items = node.items
        place = next((k for k, item in enumerate(items) if isinstance(item, syntax.Dots)), None)
        if place is None:
            return items
        rank = len(shape_of_value(value))
        taking = sum(not syntax.is_new_axis(item) for item in items) - 1
        colon = syntax.Slice(None, None, None, span=items[place].span)
        return (*items[:place], *[colon] * (rank - taking), *items[place + 1 :])

    def subscript(self, node: syntax.Subscript, env: Env) -> Task:
        value = yield node.value, env
        pieces: list[Piece] = []
        parts: list[syntax.Expression] = [node.value]
        values: list[Value] = [value]
        places: dict[str, Span] = {}
        failed = isinstance(value, Poison)
        for k, item in enumerate(self.spread(node, value)):
            places[f"item {k}"] = item.span
            if isinstance(item, syntax.Dots):
                self.report(env, "E206", "there is one `...` in brackets at most", item.span)
                failed = True
                continue
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
            if syntax.is_new_axis(item):
                pieces.append(Piece(None, new=True))
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

    # ------------------------------------------------------------ elsewhere

    @abstractmethod
    def call(self, node: syntax.Call, env: Env) -> Task:
        """A call of whatever can be called: calls.py."""

    @abstractmethod
    def read(self, node: syntax.Subscript, env: Env, pad: bool = False) -> Task:
        """One element of an array."""

    @abstractmethod
    def padded(self, node: syntax.Padded, env: Env) -> Task:
        """One element, and zero outside."""
