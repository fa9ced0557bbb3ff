"""The graph: a flat list of equations in single-assignment form, each an index expression with a scalar body.

One equation says, for every point of its axes,

    out[out_index] = reduce over the axes not in out_index of body(args[0][index], args[1][index], ...)

which covers elementwise operations, broadcasting, matrix products, convolutions, gathers, scatters and reductions. Its
adjoint is another equation of the same kind: differentiate the body, swap the indices (``derive/reverse.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final, Literal, TypeVar

from ..language.source import Span
from .expr import Expr
from .shapes import Dim, Shape

Real = Literal["float64", "float32"]
Kind = Literal["real", "int", "bool"]
Reduce = Literal["", "+", "*", "max", "min", "argmax", "argmin", "lse"]
T = TypeVar("T")


# ---------------------------------------------------------------- indices


@dataclass(frozen=True, slots=True)
class Gather:
    """An integer value used as an index: ``y[n]`` in ``s[n, y[n]]``."""

    value: str
    index: tuple[Ix, ...]


@dataclass(frozen=True, slots=True)
class Quot:
    """``a // b`` of an index, as in reading a matrix through its flattened view."""

    a: Ix
    b: Dim


@dataclass(frozen=True, slots=True)
class Rem:
    """``a % b`` of an index."""

    a: Ix
    b: Dim


Atom = str | Gather | Quot | Rem


@dataclass(frozen=True, slots=True)
class Ix:
    """An index: a constant plus integer multiples (whose factors may be sizes) of axes, gathers, quotients, remainders."""

    terms: tuple[tuple[Atom, Dim], ...] = ()
    const: Dim = Dim(())

    @property
    def plain(self) -> str | None:
        """The axis, where the index is just one."""
        if len(self.terms) == 1 and self.terms[0][1].is_one() and not self.const.terms:
            atom = self.terms[0][0]
            return atom if isinstance(atom, str) else None
        return None

    def __add__(self, other: Ix) -> Ix:
        if not self.terms and not self.const.terms:
            return other
        terms: dict[Atom, Dim] = dict(self.terms)
        for atom, factor in other.terms:
            terms[atom] = terms[atom] + factor if atom in terms else factor
        return Ix(tuple((a, f) for a, f in terms.items() if f.terms), self.const + other.const)

    def scale(self, factor: Dim) -> Ix:
        if factor.value == 1:
            return self
        return Ix(tuple((a, f * factor) for a, f in self.terms if factor.terms), self.const * factor)

    def axes(self) -> Iterator[str]:
        """Every axis that occurs in it, also inside gathers."""
        for atom, _ in self.terms:
            if isinstance(atom, str):
                yield atom
            elif isinstance(atom, Gather):
                for ix in atom.index:
                    yield from ix.axes()
            else:
                yield from atom.a.axes()

    def gathers(self) -> Iterator[Gather]:
        for atom, _ in self.terms:
            if isinstance(atom, Gather):
                for ix in atom.index:
                    yield from ix.gathers()
                yield atom
            elif not isinstance(atom, str):
                yield from atom.a.gathers()

    def __str__(self) -> str:
        parts: list[str] = []
        for atom, factor in self.terms:
            if isinstance(atom, str):
                text = atom
            elif isinstance(atom, Gather):
                text = f"{atom.value}[{', '.join(map(str, atom.index))}]"
            else:
                text = f"({atom.a}) {'//' if isinstance(atom, Quot) else '%'} ({atom.b})"
            if not factor.is_one():
                plain = len(factor.terms) == 1 and (factor.value is None or factor.value >= 0)
                text = f"{factor if plain else f'({factor})'}*{text if isinstance(atom, str | Gather) else f'({text})'}"
            elif isinstance(atom, Quot | Rem) and len(self.terms) + len(self.const.terms) > 1:
                text = f"({text})"
            parts.append(text)
        if self.const.terms or not parts:
            parts.append(str(self.const))
        return " + ".join(parts).replace("+ -", "- ")


def at(axis: str) -> Ix:
    """The index that is just one axis."""
    return Ix(((axis, Dim.of(1)),))


def fixed(value: Dim | int | str) -> Ix:
    """The index that is the same everywhere."""
    return Ix((), Dim.of(value))


def quotient(a: Ix, b: Dim, extents: dict[str, Dim]) -> Ix:
    """``a // b``, resolved where the axes' extents prove it."""
    high, low = _split(a, b, extents)
    if low is not None:
        return high
    high, low = _apart(a, b)  # (b*h + l) // b is h + l // b
    return high + (low if b.is_one() else Ix(((Quot(low, b), Dim.of(1)),)))


def remainder(a: Ix, b: Dim, extents: dict[str, Dim]) -> Ix:
    """``a % b``, resolved where the axes' extents prove it."""
    _, low = _split(a, b, extents)
    if low is not None:
        return low
    _, low = _apart(a, b)
    return fixed(0) if b.is_one() else Ix(((Rem(low, b), Dim.of(1)),))


def _apart(a: Ix, b: Dim) -> tuple[Ix, Ix]:
    """As :func:`_exact` where what is left is plainly not negative, of which C divides in another way than Python."""
    high, low = _exact(a, b)
    plain = all(c >= 0 for dim in (*(factor for _, factor in low.terms), low.const) for _, c in dim.terms)
    return (high, low) if plain else (Ix(), a)


def _exact(a: Ix, b: Dim) -> tuple[Ix, Ix]:
    """``a = b*high + low``, with all in ``high`` that is a multiple of b as it is written."""
    high, low = Ix(), Ix()
    for atom, factor in a.terms:
        exact = factor.divide_exactly(b)
        high, low = (high + Ix(((atom, exact),)), low) if exact is not None else (high, low + Ix(((atom, factor),)))
    exact = a.const.divide_exactly(b) if a.const.terms else Dim.of(0)
    return (high + Ix((), exact), low) if exact is not None else (high, low + Ix((), a.const))


def _split(a: Ix, b: Dim, extents: dict[str, Dim]) -> tuple[Ix, Ix | None]:
    """``a = b*high + low`` with 0 <= low < b, where that can be seen; otherwise (a, None)."""
    high, low = _exact(a, b)
    # low is at most the sum of factor*(extent-1): inside when that is below b
    if low.const.value is None or low.const.value < 0:
        return a, None
    top = low.const
    for atom, factor in low.terms:
        if not isinstance(atom, str) or atom not in extents or (factor.value is not None and factor.value < 0):
            return a, None
        top = top + factor * (extents[atom] - 1)
    room = b - top
    if room.value is not None:
        return (high, low) if room.value > 0 else (a, None)
    if room == Dim.of(1):
        return high, low
    # a polynomial in sizes that are at least 0: above zero when no coefficient is negative and the constant is positive
    positive = all(c >= 0 for _, c in room.terms) and any(m == () for m, _ in room.terms)
    return (high, low) if positive else (a, None)


# ---------------------------------------------------------------- values and equations


SPANS: Final = 128  # pieces of text from which on what is merged names no more


@dataclass(frozen=True, slots=True)
class Origin:
    """Which pieces of the user's text an equation answers to, and which rule made it.

    ``rule`` is "source", "vjp tanh", "stabilise", "cse"...; ``note`` says in a few words what was derived or
    simplified, as "1 - h**2 (from 1 - tanh(z)**2: h is already there)". It never counts for equality.
    """

    spans: tuple[Span, ...]
    rule: str
    note: str = ""

    def merge(self, other: Origin, rule: str | None = None) -> Origin:
        return self.merge_all((other,), rule)

    def merge_all(self, others: Iterable[Origin], rule: str | None = None) -> Origin:
        """Merged with one after the other. Of very many the first are kept: what a whole model is moved through answers to all of
        it, which no reader looks through and which would have to be copied at each step."""
        spans, note = dict.fromkeys(self.spans), self.note
        for other in others:
            if len(spans) >= SPANS:
                break
            spans.update(dict.fromkeys(other.spans[: SPANS - len(spans)]))
            if other.note and other.note != note:
                note = f"{note}; {other.note}" if note else other.note
        return Origin(tuple(spans), rule or self.rule, note)


@dataclass(frozen=True, slots=True)
class Value:
    """A named array: row-major, of the model's real type, of 64-bit integers, or of booleans (stored as reals)."""

    name: str
    shape: Shape
    kind: Kind = "real"


@dataclass(frozen=True, slots=True)
class Axis:
    """A name that indices may have, from 0 up to its extent."""

    name: str
    extent: Dim


@dataclass(frozen=True, slots=True)
class Access:
    """A read ``value[index]``. ``fill`` is None where every read is proved inside; otherwise what a read outside gives
    ("0", "-inf"...), as a Fraction or one of the words "inf", "-inf"."""

    value: str
    index: tuple[Ix, ...]
    fill: Fraction | str | None = None

    def __str__(self) -> str:
        text = self.value + (f"[{', '.join(map(str, self.index))}]" if self.index else "")
        return text if self.fill is None else f"pad({text}, {self.fill})"


class _Answer(Enum):
    """What stands where an answer will be remembered."""

    NOT_ASKED = "not asked yet"


@dataclass(frozen=True, slots=True)
class Eqn:
    """``out[out_index] = reduce body(args)`` over ``axes`` (see the module's text).

    - ``axes``: every axis once, those of the output first, then those that are reduced.
    - ``out_index``: plain axes that cover ``out`` exactly, or anything else for a scatter: then ``out`` starts at zero
      and ``reduce`` is "+"; with ``drop``, writes outside are dropped (the adjoint of a read with fill).
    - ``reduce``: "" where each point of out is written once; "argmax"/"argmin" give the position along the one reduced
      axis, the first of equals; "lse" is log(sum(exp(body))), evaluated safely.
    - ``body``: a scalar expression over ``arg(k)`` (the k-th access), ``idx(axis)`` and sizes.
    - ``op``: the declared operation or the user's function that it came from: a label that decides nothing but names.
    """

    out: Value
    axes: tuple[Axis, ...]
    out_index: tuple[Ix, ...]
    reduce: Reduce
    args: tuple[Access, ...]
    body: Expr
    op: str
    origin: Origin = field(compare=False)
    drop: bool = False
    _plain: tuple[str, ...] | _Answer | None = field(default=_Answer.NOT_ASKED, init=False, repr=False, compare=False)
    _reads: tuple[str, ...] | None = field(default=None, init=False, repr=False, compare=False)
    _known: dict[str, Any] | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def known(self) -> dict[str, Any]:
        """What passes have found out about this equation and nothing else, for the next one that asks."""
        if self._known is None:
            object.__setattr__(self, "_known", {})
        assert self._known is not None
        return self._known

    @property
    def plain_out(self) -> tuple[str, ...] | None:
        """The output's axes in order, where it is written plainly; None for a scatter."""
        if isinstance(self._plain, _Answer):  # every pass asks
            found = self._plainly()
            object.__setattr__(self, "_plain", found)
            return found
        return self._plain

    def _plainly(self) -> tuple[str, ...] | None:
        names = [ix.plain for ix in self.out_index]
        if None in names or len(set(names)) != len(names):
            return None
        extents = {a.name: a.extent for a in self.axes}
        if any(extents[n or ""] != d for n, d in zip(names, self.out.shape, strict=True)):
            return None
        return tuple(n for n in names if n is not None)

    @property
    def reduced(self) -> tuple[Axis, ...]:
        """The axes that the output's index does not mention."""
        used = {n for ix in self.out_index for n in ix.axes()}
        return tuple(a for a in self.axes if a.name not in used)

    @property
    def extents(self) -> dict[str, Dim]:
        return {a.name: a.extent for a in self.axes}

    def reads(self) -> tuple[str, ...]:
        """The names of all values read, also those used as indices, each once."""
        if self._reads is None:
            names: dict[str, None] = {}
            for access in self.args:
                names[access.value] = None
            for ix in (*(i for a in self.args for i in a.index), *self.out_index):
                for gather in ix.gathers():
                    names[gather.value] = None
            object.__setattr__(self, "_reads", tuple(names))
        assert self._reads is not None
        return self._reads

    def with_origin(self, origin: Origin) -> Eqn:
        return replace(self, origin=origin)


@dataclass(frozen=True, slots=True)
class Scan:
    """A loop that stays a loop: ``body`` runs for each t, carrying values along.

    ``body.inputs`` are, in order: one for each carry, one for each of ``slices`` (the value's element at t along axis
    0), one for each of ``captured`` (the same at every step). ``body.outputs`` are the next carries, then the emits.
    ``outs`` are the final carries, then the emits stacked along a new first axis.

    With ``until``, the last of ``body.outputs`` is a boolean scalar, and no step is taken after one that made it true; the
    last of ``outs`` is an integer scalar: how many steps were taken. The emits of steps not taken are zero.
    With ``limit``, an integer scalar of the outer graph, only that many values of t are visited: the lowest or, with
    ``high``, the highest. ``recompute``: the backward pass saves the carries of every so-manyth step only.
    """

    outs: tuple[Value, ...]
    axis: Axis
    reverse: bool
    initial: tuple[str, ...]
    slices: tuple[str, ...]
    captured: tuple[str, ...]
    body: Graph
    origin: Origin = field(compare=False)
    until: bool = False
    limit: str = ""
    high: bool = False
    recompute: bool = False

    def reads(self) -> tuple[str, ...]:
        limit = (self.limit,) if self.limit else ()
        return tuple(dict.fromkeys(self.initial + self.slices + self.captured + limit))

    @property
    def emits(self) -> range:
        """Which of ``outs`` are stacked."""
        return range(len(self.initial), len(self.outs) - self.until)


@dataclass(frozen=True, slots=True)
class Const:
    """A literal array, row-major."""

    value: Value
    data: tuple[Fraction, ...]
    origin: Origin = field(compare=False)


@dataclass(frozen=True)
class Graph:
    """Inputs, literal arrays, equations in order of evaluation, and the names of the values that go out."""

    name: str
    inputs: tuple[Value, ...]
    consts: tuple[Const, ...]
    eqns: tuple[Eqn | Scan, ...]
    outputs: tuple[str, ...]

    def values(self) -> dict[str, Value]:
        """Every value by name."""
        table = {v.name: v for v in self.inputs}
        table.update((c.value.name, c.value) for c in self.consts)
        for eqn in self.eqns:
            for out in outs(eqn):
                table[out.name] = out
        return table

    def with_eqns(self, eqns: tuple[Eqn | Scan, ...]) -> Graph:
        return replace(self, eqns=eqns)


def outs(eqn: Eqn | Scan) -> tuple[Value, ...]:
    """The values that an equation or a loop makes."""
    return (eqn.out,) if isinstance(eqn, Eqn) else eqn.outs


# ---------------------------------------------------------------- the model around the graph


@dataclass(frozen=True)
class Input:
    """What a call brings along: reals, or integers for an ``index``."""

    value: Value
    below: Dim | None  # for an ``index``: its values are 0 .. below-1
    doc: str
    span: Span = field(compare=False)


@dataclass(frozen=True)
class Init:
    """How a parameter starts. ``kind``: "values" (data, row-major: one for all or one each) or a distribution:
    normal(mean, std), uniform(low, high), glorot_uniform, glorot_normal, he_uniform, he_normal, orthogonal."""

    kind: str
    data: tuple[Fraction, ...] = ()


@dataclass(frozen=True)
class Param:
    """What is trained, unless it is frozen: reals that stay from call to call."""

    value: Value  # its shape is fixed
    init: Init
    frozen: bool
    doc: str
    span: Span = field(compare=False)


@dataclass(frozen=True)
class Hyper:
    """A real number that may be given at each call."""

    value: Value  # a scalar
    default: Fraction
    doc: str
    span: Span = field(compare=False)


@dataclass(frozen=True)
class State:
    """What is kept from call to call. ``next`` is the value in the graph that it takes after a training call."""

    value: Value  # its shape is fixed
    init: Init
    next: str
    doc: str
    span: Span = field(compare=False)


@dataclass(frozen=True)
class Output:
    """``name`` as the user sees it, ``value`` in the graph."""

    name: str
    value: str
    doc: str
    span: Span = field(compare=False)


@dataclass(frozen=True)
class Target:
    """What the module can differentiate: the value ``value`` (shown as ``name``) with respect to ``wrt``, each a pair of
    the user's name and the value's name in the graph. ``declared`` is False for the default gradient."""

    name: str
    value: str
    wrt: tuple[tuple[str, str], ...]
    declared: bool
    span: Span | None = field(compare=False)


@dataclass(frozen=True)
class Derived:
    """A value that no output is: what the call ``what`` ("jacobian", "hessian", "hessian_diagonal") returns as ``name``, which is
    that of what it is differentiated for, behind that of what is differentiated where these are several: ``b``, ``r.b``. ``wrt``
    is a pair of the user's name and the value's name in the graph; ``each``: only rows of the same number are paired."""

    what: str
    name: str
    value: str
    of: str
    wrt: tuple[str, str]
    each: bool
    span: Span = field(compare=False)


@dataclass(frozen=True)
class Update:
    """An optimiser's rule for one element: ``results`` are the new w, then the new states, as scalar expressions over
    ``sym`` leaves: "w", "g", the states, the hyper-parameters, and "t" (the number of this step, from 1)."""

    name: str
    weight: str
    gradient: str
    hypers: tuple[tuple[str, Fraction], ...]
    states: tuple[tuple[str, Fraction], ...]
    results: tuple[Expr, ...]
    doc: str
    origins: tuple[Origin, ...] = field(compare=False)  # one for each of results


def of_rule(function: Callable[[Update], T]) -> Callable[[Update], T]:
    """``function``, whose answers are remembered: the library's rules are the same in every model."""

    @lru_cache(64)
    def known(update: Update, origins: tuple[Origin, ...]) -> T:  # which do not count when two rules are compared
        return function(update)

    def call(update: Update) -> T:
        return known(update, update.origins)

    return call


@dataclass(frozen=True)
class Model:
    """A whole model: the graph and what stands around it. ``graph.inputs`` are the values of inputs, params, hypers, states,
    ``training`` and ``generator``, in this order; ``graph.outputs`` are the values of ``outputs`` (the loss among them, last),
    then the next values of the states."""

    name: str
    doc: str
    source: str  # the file's name as diagnostics show it
    dtype: Real
    free: tuple[str, ...]  # the free sizes, in order of declaration; the first is the batch
    fixed: tuple[tuple[str, int], ...]
    inputs: tuple[Input, ...]
    params: tuple[Param, ...]
    hypers: tuple[Hyper, ...]
    outputs: tuple[Output, ...]
    loss: str | None  # the value's name in the graph
    targets: tuple[Target, ...]
    updates: tuple[Update, ...]  # the optimisers that are compiled in
    optimizer: tuple[str, tuple[tuple[str, Fraction], ...]] | None  # ``minimize ... with``
    graph: Graph
    states: tuple[State, ...] = ()
    training: str | None = None  # the value that is True in training calls
    generator: str | None = None  # the integers (seed, counter) that random values are made of
    layers: tuple[tuple[str, str], ...] = ()  # where the library's layers are, and what they are called there
    derived: tuple[Derived, ...] = ()

    def with_graph(self, graph: Graph) -> Model:
        return replace(self, graph=graph)
