"""What an expression is worth while a model is elaborated."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from ..graph.expr import Expr, const
from ..graph.expr import dim as dim_expr
from ..graph.ir import Access, Atom, Axis, Const, Eqn, Gather, Graph, Ix, Kind, Origin, Scan
from ..graph.ir import Value as GraphValue
from ..graph.shapes import Dim, Shape
from ..graph.shapes import show as show_shape
from ..language.source import Span
from ..ops.declare import Operand, Step
from ..ops.words import temporary, word

if TYPE_CHECKING:
    from .scope import LayerRule


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number that needs no array: a literal, a size, or in an ``update`` anything over its symbols.

    ``dim`` is set where it may serve as a size, ``boolean`` where it is a truth value.
    """

    expr: Expr
    dim: Dim | None = None
    boolean: bool = False

    @property
    def number(self) -> Fraction | None:
        return self.expr.number

    @property
    def truth(self) -> bool | None:
        """The truth value, where it is known."""
        return None if self.number is None else self.number != 0

    @staticmethod
    def of_dim(dim: Dim) -> Scalar:
        return Scalar(dim_expr(dim), dim)

    @staticmethod
    def of_bool(value: bool) -> Scalar:
        return Scalar(const(int(value)), None, True)


@dataclass(eq=False, slots=True)
class Val:
    """An array in the graph. Its name is settled at the end of its statement. ``maker`` is the equation behind it;
    ``function`` the function whose result it is; ``declared`` the word that declared it ("input", "param"...)."""

    shape: Shape
    kind: Kind = "real"
    below: Dim | None = None
    name: str = ""
    maker: Draft | ScanDraft | None = None
    function: str = ""
    declared: str = ""

    @property
    def graph_value(self) -> GraphValue:
        return GraphValue(self.name, self.shape, self.kind)


@dataclass(frozen=True, slots=True)
class Elem:
    """Inside a function that is tried as one elementwise body: an expression over the arrays lifted so far."""

    expr: Expr
    kind: Kind = "real"


@dataclass(eq=False, slots=True)
class Literal:
    """An array of constants; ``val`` once it is part of the graph."""

    shape: tuple[int, ...]
    data: tuple[Fraction, ...]
    span: Span
    val: Val | None = None


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Several:
    """The result of ``split``."""

    items: tuple[Value, ...]


@dataclass(eq=False, slots=True)
class Layer:
    """One layer: what it was made with, and what it owns once it has been called.

    ``path`` is its name from the outside, as in ``block.inner``. ``visits`` tells which layer a call in the body makes:
    the k-th visit of a call finds, at every call of the layer, the same inner layer.
    """

    rule: LayerRule
    arguments: dict[str, Value]
    span: Span
    path: str = ""
    owner: Layer | None = None
    extents: dict[str, Dim] = field(default_factory=dict)
    shapes: dict[str, tuple[Shape, Span]] = field(default_factory=dict)  # of the arrays at the first call
    values: dict[str, Value] = field(default_factory=dict)  # params by their names in the body
    inner: dict[str, Layer] = field(default_factory=dict)  # by their names
    children: dict[tuple[int, int], Layer] = field(default_factory=dict)
    visits: dict[int, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    bound: dict[str, Value] = field(default_factory=dict)  # what the body bound at the first call
    loops: tuple[str, ...] = ()  # the variables of the loops that it was called in

    @property
    def called(self) -> bool:
        return self.calls > 0


class Poison:
    """What an expression with an error is worth: whatever uses it stays silent."""


POISON: Final = Poison()

Value = Scalar | Val | Elem | Literal | Text | Several | Layer | Poison


@dataclass(eq=False, slots=True)
class Draft:
    """An equation whose names are not settled yet. ``operands`` are what ``step.reads`` counts."""

    out: Val
    step: Step
    operands: tuple[Val, ...]
    origin: Origin

    def finish(self) -> Eqn:
        def index(ixs: tuple[Ix, ...]) -> tuple[Ix, ...]:
            return tuple(settle(ix, self.operands) for ix in ixs)

        args = tuple(Access(self.operands[r.operand].name, index(r.index), r.fill) for r in self.step.reads)
        return Eqn(
            self.out.graph_value,
            self.step.axes,
            index(self.step.out_index),
            self.step.reduce,
            args,
            self.step.body,
            self.step.op,
            self.origin,
            self.step.drop,
        )


@dataclass(eq=False, slots=True)
class ScanDraft:
    """A loop over time whose names are not settled yet. ``given`` are pairs of an outer value and what the body knows it as:
    the carries, then the slices. ``results`` are the next carries, the emits and, with ``until``, the condition."""

    outs: tuple[Val, ...]
    axis: Axis
    reverse: bool
    carries: tuple[tuple[Val, Val], ...]
    slices: tuple[tuple[Val, Val], ...]
    captured: tuple[Val, ...]
    body: tuple[Draft | ScanDraft, ...]
    results: tuple[Val, ...]
    origin: Origin
    until: bool
    recompute: bool
    operands: tuple[Val, ...]

    @property
    def out(self) -> Val:
        return self.outs[0]

    def finish(self) -> Scan:
        """The loop, with its values named: those inside that have the name of a captured one get another."""
        known = {v.name for v in self.captured}
        inner = [*(v for _, v in (*self.carries, *self.slices)), *(v for d in self.body for v in made(d))]
        taken = known | {v.name for v in inner}
        for val in inner:
            if val.name in known or not val.name:
                stem, k = val.name or "v", 2
                while f"{stem}_{k}" in taken:
                    k += 1
                val.name = f"{stem}_{k}"
                taken.add(val.name)
            else:
                known.add(val.name)
        inputs = (*(v for _, v in (*self.carries, *self.slices)), *self.captured)
        eqns = tuple(d.finish() for d in self.body)
        results = tuple(v.name for v in self.results)
        body = Graph(f"each_{self.axis.name}", tuple(v.graph_value for v in inputs), (), eqns, results)
        return Scan(
            tuple(v.graph_value for v in self.outs),
            self.axis,
            self.reverse,
            tuple(v.name for v, _ in self.carries),
            tuple(v.name for v, _ in self.slices),
            tuple(v.name for v in self.captured),
            body,
            self.origin,
            self.until,
            recompute=self.recompute,
        )


def made(draft: Draft | ScanDraft | ConstDraft) -> tuple[Val, ...]:
    """What a draft gives."""
    return draft.outs if isinstance(draft, ScanDraft) else (draft.out,)


def name_steps(drafts: Iterable[Draft | ScanDraft | ConstDraft], base: str, taken: set[str], words: Container[str]) -> None:
    """Name what a statement made and the user did not name after what made it: ``base_matmul1``, ``base_add1``, ``base_add2``...,
    which are taken then. ``words``: other names that they must not have."""
    count: dict[str, int] = {}
    for draft in drafts:
        op = draft.step.op if isinstance(draft, Draft) else "scan" if isinstance(draft, ScanDraft) else "constant"
        for val in made(draft):
            if val.name:
                continue
            kind = word(op, val.function)
            while True:
                k = count[kind] = count.get(kind, 0) + 1
                name = temporary(base, kind, k)
                if name not in taken and name not in words:
                    break
            val.name = name
            taken.add(name)


@dataclass(eq=False, slots=True)
class ConstDraft:
    """A literal array whose name is not settled yet."""

    out: Val
    data: tuple[Fraction, ...]
    origin: Origin
    operands: tuple[Val, ...] = field(default=())

    def finish(self) -> Const:
        return Const(self.out.graph_value, self.data, self.origin)


def settle(ix: Ix, operands: tuple[Val, ...]) -> Ix:
    """The index with the names of the arrays in its gathers."""
    if all(isinstance(atom, str) for atom, _ in ix.terms):
        return ix
    terms: list[tuple[Atom, Dim]] = []
    for atom, factor in ix.terms:
        if isinstance(atom, Gather):
            atom = Gather(operands[int(atom.value[1:])].name, tuple(settle(i, operands) for i in atom.index))
        terms.append((atom, factor))
    return Ix(tuple(terms), ix.const)


# ---------------------------------------------------------------- what is asked of values


def operand(val: Val) -> Operand:
    """What an operation's plan is told of an array."""
    return Operand(val.shape, val.kind, val.below)


def is_bool(value: Value) -> bool:
    """Whether a value is a truth value, or holds such."""
    return (isinstance(value, Scalar) and value.boolean) or (isinstance(value, Val | Elem) and value.kind == "bool")


def shape_of_value(value: Value) -> Shape:
    """The shape of an array; of a number ()."""
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


def reached(roots: list[Val]) -> set[int]:
    """Everything that the roots depend on."""
    seen: set[int] = set()
    stack = list(roots)
    while stack:
        val = stack.pop()
        if id(val) not in seen:
            seen.add(id(val))
            if val.maker is not None:
                stack.extend(val.maker.operands)
    return seen
