"""What runs expressions: a stack of its own, how errors are reported, and how equations are made.

Nothing here recurses along the user's text: :meth:`Evaluator.run` keeps its own stack of generators, each of which yields
the piece it wants evaluated and is sent its value. Thousands of nested calls are no deeper for Python than one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Mapping
from typing import TypeVar

from ..graph.ir import Kind, Origin
from ..graph.shapes import Dim
from ..language import syntax
from ..language.diagnostics import Label
from ..language.source import Span
from ..ops.declare import Misfit, Op, Step, table
from .files import Files
from .scope import Entry, Env
from .values import POISON, ConstDraft, Draft, Layer, Literal, Poison, Scalar, ScanDraft, Several, Text, Val, Value, describe

Wanted = tuple[syntax.Expression, Env]  # a piece to be evaluated, and where it stands
Task = Generator[Wanted, Value, Value]
Result = TypeVar("Result")


class NotElementwise(Exception):
    """This function cannot be one elementwise body (or has an error that the plain road will report)."""


class Evaluator(ABC):
    """What the expressions of one model share: its names so far, its equations so far, its errors so far.

    The classes that derive from it know arithmetic, expressions, index notation, calls, layers and loops.
    """

    def __init__(self, files: Files) -> None:
        self.bag, self.missing = files.bag, files.missing
        self.sources, self.library = files.sources, files.library
        self.entries: dict[str, Entry] = {}
        self.later: dict[str, Span] = {}  # names that the model declares somewhere
        self.drafts: list[Draft | ScanDraft | ConstDraft] = []
        self.logits: list[tuple[Span, Value, str, str]] = []  # arguments that should not be probabilities
        self.crossed: list[tuple[Span, str, tuple[tuple[Span, str, Val], ...]]] = []  # losses of all pairs of elements
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

    @abstractmethod
    def task(self, node: syntax.Expression, env: Env) -> Task:
        """What evaluates an expression: expressions.py."""

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

    def silent(self, name: str) -> bool:
        """An unknown name that was reported, or whose line has a syntax error."""
        return self.missing.covers(name)

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


def _go_on(task: Generator[Wanted, Value, object], sent: Value | None) -> Wanted:
    """What a generator wants next, which has been given what it wanted before (None: it begins)."""
    return next(task) if sent is None else task.send(sent)


def called(part: syntax.Node) -> str:
    """What messages call a piece of text: by its name, if it is one."""
    return part.id if isinstance(part, syntax.Ref) else "this"


def _inside(inner: Span, outer: Span) -> bool:
    return (
        inner.file == outer.file
        and (outer.line, outer.column) <= (inner.line, inner.column)
        and (inner.end_line, inner.end_column) <= (outer.end_line, outer.end_column)
    )
