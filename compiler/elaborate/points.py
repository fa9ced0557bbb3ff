"""What is known of one statement of index notation: its variables, its reads, and what depends on what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field
from fractions import Fraction
from typing import Final

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Gather, Ix, Kind, Reduce, at
from ..graph.rewrite import substitute_ix
from ..graph.shapes import Dim
from ..language import syntax
from ..language.source import Span
from ..records import dataclass
from .scope import Env, Lifter
from .values import Elem, Val

ZERO: Final = Dim.of(0)


@dataclass(eq=False, slots=True)
class Variable:
    """An index variable. ``axis`` is its name in the equations; ``low`` and ``stop`` its given range, which may depend on outer
    variables (then ``guarded``: the axis takes in all values, and a condition leaves out what is not in the range)."""

    name: str
    span: Span
    env: Env
    axis: str
    left: bool = False
    low: Ix | None = None
    stop: Ix | None = None
    range_span: Span | None = None
    guarded: bool = False
    inferred: bool = False  # from affine uses alone: every read with it stays inside
    start: Dim = ZERO
    extent: Dim | None = None
    origin: bool = False  # it is answered where it stands, and so its axis starts at 0

    @property
    def size(self) -> Dim:
        """Its extent, when it has its range."""
        assert self.extent is not None
        return self.extent


@dataclass(eq=False, slots=True)
class Total:
    """A comprehension: one equation to be."""

    op: str
    reduce: Reduce
    body: Expr
    condition: Expr | None
    variables: tuple[Variable, ...]
    span: Span
    made: Val | None = None
    outer: tuple[str, ...] = ()  # the axes of ``made``


@dataclass(eq=False, slots=True)
class Reading:
    """``source[index]``; gathers in the index name another reading as ``#k``. ``pad`` where zeros were declared outside it;
    ``fill`` is what the equation gives outside."""

    source: Val | Total
    index: tuple[Ix, ...]
    spans: tuple[Span, ...]
    name: str
    span: Span
    env: Env
    pad: bool = False
    fill: Fraction | str | None = None

    @property
    def kind(self) -> Kind:
        if isinstance(self.source, Val):
            return self.source.kind
        return "int" if self.source.reduce in ("argmax", "argmin") else "real"

    def extent(self, k: int) -> Dim:
        """The size of the axis that the index ``k`` is for."""
        assert isinstance(self.source, Val)
        return self.source.shape[k]

    def below(self) -> Dim | None:
        """The integers that are read are below this."""
        return self.source.below if isinstance(self.source, Val) else self.source.variables[0].extent


@dataclass(eq=False, slots=True)
class Points(Lifter):
    """What is known of one statement of index notation while its body is read: ``arg(k)`` is ``reads[k]``."""

    reads: list[Reading] = field(default_factory=list)
    variables: dict[str, Variable] = field(default_factory=dict)  # by axis, outer ones first
    late: dict[Expr, Callable[[], Expr]] = field(default_factory=dict)  # numbers that are known with the ranges
    places: dict[tuple[object, ...], int] = field(default_factory=dict)
    failed: bool = False

    def read(self, reading: Reading) -> Elem:
        key = (id(reading.source), reading.index, reading.pad, reading.fill)
        k = self.places.setdefault(key, len(self.reads))
        if k == len(self.reads):
            self.reads.append(reading)
        return Elem(E.arg(k), reading.kind)

    def reading(self, leaf: Expr) -> Reading:
        return self.reads[leaf.place]

    def chooser(self, gather: Gather) -> Reading:
        """The reading whose integers a gather takes as indices."""
        return self.reads[int(gather.value[1:])]

    def variable(self, name: syntax.Name, env: Env, left: bool = False) -> Variable:
        axis, k = name.id, 1
        while axis in self.variables:
            k += 1
            axis = f"{name.id}_{k}"
        made = self.variables[axis] = Variable(name.id, name.span, env, axis, left)
        return made

    # ------------------------------------------------------------ what depends on what

    def axes(self, ix: Ix) -> Iterator[str]:
        """The axes that an index depends on, through its gathers as well."""
        yield from ix.axes()
        for gather in ix.gathers():
            yield from self.read_axes(self.chooser(gather))

    def read_axes(self, reading: Reading) -> Iterator[str]:
        for ix in reading.index:
            yield from self.axes(ix)
        if isinstance(reading.source, Total):
            yield from self.outer(reading.source)

    def used(self, *exprs: Expr) -> set[str]:
        found: set[str] = set()
        for leaf in E.walk(*exprs):
            if leaf.op == "idx":
                found.add(str(leaf.value))
            elif leaf.op == "arg":
                found.update(self.read_axes(self.reading(leaf)))
        return found

    def outer(self, total: Total) -> tuple[str, ...]:
        """The outer variables that a comprehension depends on, in their order."""
        if not total.outer:
            used = self.used(total.body, *(() if total.condition is None else (total.condition,)))
            used -= {v.axis for v in total.variables}
            total.outer = tuple(a for a in self.variables if a in used)
        return total.outer

    # ------------------------------------------------------------ when the ranges are there

    @property
    def extents(self) -> dict[str, Dim]:
        """The extents of the axes that have one."""
        return {a: v.extent for a, v in self.variables.items() if v.extent is not None}

    def moved(self, ix: Ix) -> Ix:
        """The index over axes that start at 0."""
        shifted = {a: at(a) + Ix((), v.start) for a, v in self.variables.items() if v.start.terms}
        return substitute_ix(ix, shifted, self.extents)

    def ready(self, expr: Expr) -> Expr:
        """The expression with the numbers that were not known while it was read."""
        known = {node: make() for node, make in self.late.items()}
        for a, v in self.variables.items():
            if v.start.terms:
                known[E.idx(a)] = E.add(E.idx(a), E.dim(v.start))
        return E.substitute(expr, known) if known else expr
