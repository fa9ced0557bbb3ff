"""Loop nests: when things are computed and where they live. The last form before text, still without spelling."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..graph.expr import Expr
from ..graph.ir import Access, Ix, Origin, Value
from ..graph.shapes import Dim
from ..passes.kernels import Kernel
from ..passes.products import Level
from .filters import Filtered

Store = Literal["=", "+=", "*=", "max=", "min="]


@dataclass(frozen=True, slots=True)
class Assign:
    """``target[index] = body`` or ``+=``, ``*=``, ``max=``, ``min=``; ``args`` are read at loop variables. ``drop``: only
    where the index is inside."""

    target: str
    index: tuple[Ix, ...]
    op: Store
    body: Expr
    args: tuple[Access, ...]
    origin: Origin = field(compare=False)
    drop: bool = False


@dataclass(frozen=True, slots=True)
class ArgBest:
    """At one place of the axis: keep in ``target[index]`` the first position of the largest (smallest) body."""

    target: str
    index: tuple[Ix, ...]
    best: str  # the scalar that holds the best value so far
    largest: bool
    place: Ix  # where along the axis this is: the loop's variable, or a number where the loop is written out
    body: Expr
    args: tuple[Access, ...]
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True)
class Product:
    """``c = alpha * a @ b + beta * c`` left to the matrix kernel: loops over rows and over depth, from the outside in, and over
    columns, each with its step in the three arrays. What the accesses say is where they start.

    The epilogue of an SGD step on parameters (also in a packed layout, by its strides) is ``alpha = -lr, beta = 1 - lr*decay``,
    over the scalars in ``args``. With ``onto`` it is added to that instead of c, as to a bias, and with ``relu``, what is not
    above 0 is stored as 0 (NaN is stored as it is). Where ``guard`` is "a" or "b", a zero of that one wins, whatever it is
    multiplied by. Where it is ``filtered``, it is a convolution, or its weights' gradient, by Winograd's algorithm. With
    ``moves``, c is the gradient of that parameter, which moves by it, some rows at a time: c as a whole is
    never there.
    """

    rows: tuple[Level, ...]
    depth: tuple[Level, ...]
    columns: Level
    a: Access
    b: Access
    c: Access
    alpha: Expr
    beta: Expr
    origin: Origin = field(compare=False)
    args: tuple[Access, ...] = ()
    guard: Literal["", "a", "b"] = ""
    moves: str = ""
    onto: Access | None = None
    relu: bool = False
    filtered: Filtered = ""

    @property
    def ended(self) -> bool:
        """Whether more is done before it is stored than to scale and to add."""
        return self.onto is not None or self.relu

    @property
    def levels(self) -> tuple[Level, ...]:
        return (*self.rows, *self.depth, self.columns)


@dataclass(frozen=True, slots=True)
class Rank:
    """``target = how many elements of source come before each``, along one axis of ``count`` elements left to a kernel: where
    they start, with the distance between neighbours. ``scratch`` is a vector of 2*count elements."""

    count: Dim
    source: Access
    source_stride: Ix
    target: Access
    target_stride: Ix
    scratch: str
    descending: bool
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True)
class Loop:
    """``for variable in range(extent)``. With ``sums``, the loop runs in blocks and the scalars named there are summed, or the
    largest or smallest found, block by block: fast, and far more exact than one running sum (pairwise summation, Higham 1993).
    With ``when``, over the scalars in ``args``, it runs only where that holds.

    With ``first`` or ``end``, it begins and ends there, which is within its extent.

    With ``strip``, it takes so many rounds at a time, and nothing but loops are in it, each over these rounds, or over columns
    with such loops inside: they have the variable of this one in ``of``, and their own is the number of the round."""

    variable: str
    extent: Dim
    body: tuple[Node, ...]
    reverse: bool = False
    sums: tuple[str, ...] = ()
    when: Expr | None = None
    args: tuple[Access, ...] = ()
    strip: int = 0
    of: str = ""
    first: Ix = Ix()
    end: Ix | None = None

    @property
    def times(self) -> Dim:
        """How often its body is run; that of a strip counts in the loops that are in it."""
        return Dim.of(1) if self.strip else self.extent


@dataclass(frozen=True, slots=True)
class Leave:
    """``if body: break`` in the loop around it, or with ``again`` on to its next round."""

    body: Expr
    args: tuple[Access, ...]
    origin: Origin = field(compare=False)
    again: bool = False


@dataclass(frozen=True, slots=True)
class Zero:
    """``slot[start : start + count] = 0``: what several sums start from."""

    slot: str
    start: Dim
    count: Dim
    origin: Origin = field(compare=False)


@dataclass(frozen=True, slots=True)
class Move:
    """The rule moves ``parameter``, of so many elements, by its ``gradient``, which nothing needs any more."""

    parameter: str
    gradient: str
    count: Dim
    origin: Origin = field(compare=False)


Node = Assign | ArgBest | Product | Rank | Loop | Leave | Zero | Move


@dataclass(frozen=True, slots=True)
class Storage:
    """Where a value lives. ``kind``: "slot" (an argument of the kernel), "scalar" (a C variable), "stack" (a small C
    array), "work" (the scratch vector, at ``offset``). ``dims`` are the value's dimensions that are stored; in a packed
    layout, ``pitch`` is how many elements its last one takes in memory. Of dimension ``along``, only the ``strip`` rounds of
    one strip are stored."""

    value: Value
    kind: Literal["slot", "scalar", "stack", "work"]
    dims: tuple[int, ...]
    slot: str = ""
    offset: Dim = Dim(())
    pitch: Dim | None = None
    along: int = -1
    strip: int = 0

    @property
    def extents(self) -> tuple[Dim, ...]:
        """How far each dimension reaches in memory."""
        extents = tuple(Dim.of(self.strip) if d == self.along else self.value.shape[d] for d in self.dims)
        return extents if self.pitch is None else (*extents[:-1], self.pitch)


@dataclass(frozen=True)
class Nest:
    """A kernel as loops. ``work`` is the number of reals of scratch that it needs."""

    kernel: Kernel
    body: tuple[Node, ...]
    storage: tuple[Storage, ...]
    work: Dim
