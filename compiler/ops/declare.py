"""How an operation is declared: one value that says what it means, from which everything else follows.

A declaration holds the index form (as text for readers, as ``plan`` for the elaborator), the scalar body, an independent
NumPy reference and the points at which tests try it. Importing the declarations imports neither NumPy nor SymPy: a
reference is handed NumPy when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from fractions import Fraction
from typing import Any, Final, Literal

from ..graph.expr import Expr, arg
from ..graph.ir import Axis, Gather, Ix, Kind, Reduce, at, fixed
from ..graph.rewrite import shape_axes
from ..graph.shapes import Dim, Shape
from ..records import dataclass

OptionKind = Literal["axis", "axes", "flag", "size", "sizes", "number", "numbers", "text"]


@dataclass(frozen=True)
class Option:
    """An argument that is not an array: an axis, a size, a flag... ``sizes`` takes all that are left, a required ``text``
    comes before the arrays, ``numbers`` is a literal array as its shape and its data. ``default`` None
    means that it may be missing; ``required`` that it may not. ``positional`` is False where only a name will do."""

    name: str
    kind: OptionKind
    default: int | bool | None = None
    required: bool = False
    positional: bool = True


@dataclass(frozen=True)
class Operand:
    """What a plan may know of an array that it is given. ``below``: integers in it are 0 .. below-1."""

    shape: Shape
    kind: Kind = "real"
    below: Dim | None = None


@dataclass(frozen=True)
class Read:
    """A read of operand ``operand``; numbers past the last operand mean the results of earlier steps."""

    operand: int
    index: tuple[Ix, ...]
    fill: Fraction | str | None = None


@dataclass(frozen=True)
class Step:
    """One equation to be: everything but names. A gather in an index names its operand as ``$k``."""

    op: str
    shape: Shape
    axes: tuple[Axis, ...]
    out_index: tuple[Ix, ...]
    reads: tuple[Read, ...]
    body: Expr
    reduce: Reduce = ""
    kind: Kind = "real"
    below: Dim | None = None
    drop: bool = False  # what is written outside vanishes


@dataclass(frozen=True)
class Plan:
    """The equations of one call, in order. The call gives back the value of the last step, or with ``several`` a tuple of
    all; without any step it gives back the first operand as it is."""

    steps: tuple[Step, ...]
    several: bool = False


@dataclass(frozen=True)
class Wish:
    """What would mend a misfit: axis ``axis`` of operand ``operand`` being ``dim``."""

    operand: int
    axis: int
    dim: Dim


class Misfit(Exception):
    """The operands do not fit. In texts, ``{0}`` stands for the first operand as the user calls it.

    ``labels`` are operands to point at; each is shown with its shape. ``labels=None`` points at the whole call.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        labels: tuple[int, ...] = (),
        notes: tuple[str, ...] = (),
        help: tuple[str, ...] = (),
        wish: Wish | None = None,
        at: str = "",
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.labels, self.notes = code, message, labels, notes
        self.help, self.wish, self.at = help, wish, at


Planner = Callable[[tuple[Operand, ...], Mapping[str, Any]], Plan]
Reference = Callable[..., Any]


@dataclass(frozen=True)
class Op:
    """One operation of the language."""

    name: str
    signature: str
    doc: str
    family: str
    arrays: tuple[str, ...]  # the operands' names; ("*xs",) for any number
    options: tuple[Option, ...] = ()
    kind: Kind = "real"
    body: Expr | None = None  # elementwise: over arg(0), arg(1)...
    definition: Expr | None = None  # for primitives: what the name means in simpler terms
    reduce: Reduce = ""
    plan: Planner | None = field(default=None, compare=False)
    reference: Reference | None = field(default=None, compare=False)
    samples: tuple[tuple[float, float], ...] = ()  # for each operand, where tests draw from
    edges: tuple[float, ...] = ()
    symbol: str = ""  # for infix and prefix operators
    hidden: bool = False  # reached by syntax alone, not by name

    def numpy(self, *arrays: Any, **options: Any) -> Any:
        """The value by a second road, independent of how it is compiled."""
        import numpy

        assert self.reference is not None
        return self.reference(numpy, *arrays, **options)


_table: dict[str, Op] = {}


def define(
    name: str,
    signature: str,
    *,
    doc: str,
    family: str,
    numpy: Reference,
    body: Callable[..., Expr] | None = None,
    definition: Callable[..., Expr] | None = None,
    arrays: tuple[str, ...] | None = None,
    options: tuple[Option, ...] = (),
    reduce: Reduce = "",
    plan: Planner | None = None,
    kind: Kind = "real",
    samples: tuple[tuple[float, float], ...] = (),
    edges: tuple[float, ...] = (),
    symbol: str = "",
    hidden: bool = False,
) -> Op:
    """Declare an operation. For an elementwise one the operands' names are read off the signature."""
    if arrays is None:
        left = signature.split("->")[0]
        arrays = tuple(part.split("[")[0].strip() for part in left.split("],"))
    operands = tuple(arg(k) for k in range(len(arrays)))
    op = Op(
        name,
        signature,
        doc,
        family,
        arrays,
        options,
        kind,
        body(*operands) if body else None,
        definition(*operands) if definition else None,
        reduce,
        plan,
        numpy,
        samples,
        edges,
        symbol,
        hidden,
    )
    if name in _table:
        raise ValueError(f"operation {name} is declared twice")
    _table[name] = op
    return op


def table() -> Mapping[str, Op]:
    """All operations by name, in order of declaration."""
    from . import arranging, elementwise, indexing, linear, ordering, reductions, running  # noqa: F401

    return _table


# ---------------------------------------------------------------- what plans are made of


def plain(axes: tuple[Axis, ...]) -> tuple[Ix, ...]:
    """The indices that are just these axes."""
    return tuple(at(a.name) for a in axes)


def operand_gather(operand: int, index: tuple[Ix, ...]) -> Ix:
    """The index ``operand[index]``."""
    return Ix(((Gather(f"${operand}", index), Dim.of(1)),))


class Clash(Exception):
    """Operands ``first`` and ``second`` do not broadcast at the axis that is ``back`` from the end."""

    def __init__(self, first: int, second: int, back: int) -> None:
        super().__init__(first, second, back)
        self.first, self.second, self.back = first, second, back


def broadcast_shapes(shapes: tuple[Shape, ...]) -> Shape:
    """The common shape as NumPy has it; raises Clash where there is none.

    Only an axis whose extent is 1 when the module is compiled stretches: a free size that happens to be 1 does not.
    """
    rank = max((len(s) for s in shapes), default=0)
    result: list[Dim] = []
    for back in range(rank, 0, -1):
        chosen: tuple[int, Dim] | None = None
        for k, shape in enumerate(shapes):
            if len(shape) < back:
                continue
            extent = shape[-back]
            if chosen is None or chosen[1].is_one():
                chosen = (k, extent)
            elif not extent.is_one() and extent != chosen[1]:
                raise Clash(chosen[0], k, back)
        assert chosen is not None
        result.append(chosen[1])
    return tuple(result)


def broadcast_index(shape: Shape, axes: tuple[Axis, ...]) -> tuple[Ix, ...]:
    """How an operand of ``shape`` is read in an output over ``axes``."""
    lead = len(axes) - len(shape)
    return tuple(
        fixed(0) if d.is_one() and not axes[lead + k].extent.is_one() else at(axes[lead + k].name) for k, d in enumerate(shape)
    )


def elementwise_plan(name: str, body: Expr, kind: Kind, operands: tuple[Operand, ...]) -> Plan:
    """One equation over the broadcast of all operands."""
    try:
        shape = broadcast_shapes(tuple(o.shape for o in operands))
    except Clash as clash:
        raise misfit_broadcast(operands, clash) from None
    axes = shape_axes(shape)
    reads = tuple(Read(k, broadcast_index(o.shape, axes)) for k, o in enumerate(operands))
    return Plan((Step(name, shape, axes, plain(axes), reads, body, kind=kind),))


def misfit_broadcast(operands: tuple[Operand, ...], clash: Clash) -> Misfit:
    """What is said when two shapes do not broadcast."""
    first, second, back = clash.first, clash.second, clash.back
    a, b = operands[first].shape[-back], operands[second].shape[-back]
    place = {1: "last axis", 2: "last axis but one"}.get(back, f"{back}th axis from the end")
    if a.value is None and b.value is None:
        note = f"{a} and {b} are different sizes, and different sizes never broadcast"
    else:
        note = f"the {place} is {a} in one and {b} in the other; they must be equal, or one of them 1"
    # the one with fewer axes is the likelier culprit: a bias, a weight
    culprit, wanted = (second, a) if len(operands[second].shape) <= len(operands[first].shape) else (first, b)
    wish = Wish(culprit, len(operands[culprit].shape) - back, wanted)
    return Misfit("E203", "the shapes here do not broadcast", labels=(first, second), notes=(note,), wish=wish)


INFIX: Final[dict[str, str]] = {
    "+": "add",
    "-": "sub",
    "*": "mul",
    "/": "div",
    "**": "pow",
    "<": "lt",
    "<=": "le",
    ">": "gt",
    ">=": "ge",
    "==": "eq",
    "!=": "ne",
    "and": "and",
    "or": "or",
}


def public() -> Iterator[Op]:
    """The operations that can be called by name."""
    return (op for op in table().values() if not op.hidden and not op.symbol)
