"""Which equations are contractions (matrix products, batched products, convolutions), and how they lie in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Literal

from ..graph import expr as E
from ..graph.ir import Access, Axis, Eqn
from ..graph.shapes import Dim, Shape
from ..records import dataclass

LARGE = 512  # products from which a register-blocked kernel beats a loop in place
FEW = 8  # what a free size of rows, columns or depth counts as there, where the others are at least (with a vector: SOME)
DEEP = 5  # from this depth on: what is shallower is written out in place (unroll.FEW)
SOME = 16  # and what each of two or three that are free counts as
LEVELS = 3  # how many loops over rows, and over depth, the kernel has itself
USUAL = 64  # what a free size is taken for where two ways are compared


def is_product(eqn: Eqn) -> bool:
    """A sum of products of two reads, large enough to be left to a matrix kernel; its reads may be filled with zeros outside,
    and it may be scattered."""
    return roles(eqn) is not None


@dataclass(frozen=True, slots=True)
class Product:
    """c[batch, m, n] = sum over k of a[batch, m, k] * b[batch, k, n]; each a tuple of axes, possibly none."""

    batch: tuple[Axis, ...]
    m: tuple[Axis, ...]
    n: tuple[Axis, ...]
    k: tuple[Axis, ...]
    swapped: bool  # the equation's first operand is b
    guard: int | None = None  # the operand whose zeros win, whatever the other one is


def classify(eqn: Eqn, least: int = LARGE) -> Product | None:
    """The roles of the axes where a kernel can take the equation as it stands: written plainly, nothing read outside."""
    if eqn.plain_out is None or any(a.fill is not None for a in eqn.args):
        return None
    return roles(eqn, least)


def roles(eqn: Eqn, least: int = LARGE) -> Product | None:
    """The roles of the axes, or None where this is no contraction of at least so many products."""
    found = _roles(eqn)
    if found is None or ((not found.m or not found.n) and not _over_windows(eqn, found) and not _along(eqn, found)):
        return None
    extents = [[a.extent.value for a in axes] for axes in (found.m, found.n, found.k)]
    known = [prod(e for e in group if e is not None) for group in extents]
    free = sum(None in group for group in extents)
    shallow = None not in extents[2] and known[2] < DEEP
    if shallow and free == 1 and least == LARGE and len(found.m) == len(found.n) == 1 and not found.batch:
        return None  # a few multiples of rows: written out, they join the loops around them
    vector = not found.m or not found.n
    usual = 1 if free == 0 or (free == 1 and shallow) else FEW if free == 1 and not vector else SOME**free
    return found if prod(known) * usual >= least else None


def _over_windows(eqn: Eqn, found: Product) -> bool:
    """Whether a matrix times a vector is a convolution with one channel on one side, which reads through windows. Any other is
    a loop over what lies together, or sums of it, as it stands."""
    if found.batch or found.guard is not None or eqn.plain_out is None:
        return False
    extents = eqn.extents
    return any(sum(not extents[n].is_one() for n in ix.axes()) > 1 for a in eqn.args for ix in a.index)


def _along(eqn: Eqn, found: Product) -> bool:
    """Whether a matrix times a vector is inner products of rows that lie together. Eight at once take half the time of a loop
    that adds up one after the other, and a loop may be joined with what walks down columns."""
    if found.batch or found.guard is not None or eqn.plain_out is None or not (found.m or found.n):
        return False
    depth = {a.name for a in found.k}
    rows = {a.name for a in (*found.m, *found.n)}
    (matrix,) = [a for a in eqn.args if any(not rows.isdisjoint(ix.axes()) for ix in a.index)]
    return all(a.fill is None for a in eqn.args) and all(bool(a.index) and a.index[-1].plain in depth for a in eqn.args) and (
        rows.isdisjoint(matrix.index[-1].axes()))


def channelwise(eqn: Eqn) -> bool:
    """Whether one operand of a sum of products has no axis of its own, as in a convolution that keeps its channels apart, or has
    only those that its result is scattered by."""
    found = _roles(eqn)
    if found is None or not found.batch:
        return False
    return eqn.plain_out is None or bool(found.m) != bool(found.n)


def apart(eqn: Eqn) -> bool:
    """Whether this is a contraction of channels each by itself, in the form that loops over many channels at a time compute:
    written plainly, nothing read outside."""
    if eqn.plain_out is None or any(a.fill is not None for a in eqn.args):
        return False
    return channelwise(eqn) or all(a.name in eqn.plain_out for a in eqn.axes)  # or a place of the window by itself


def _roles(eqn: Eqn) -> Product | None:
    if eqn.reduce != "+" or len(eqn.args) != 2:
        return None
    body, guard = eqn.body, None
    if body.op == "where" and body.args[1] is E.ZERO:  # the gradient behind a branch not taken
        guard = next((g for g in (0, 1) if body.args[0] == E.make("eq", E.arg(g), E.ZERO)), None)
        body = body.args[2] if guard is not None else body
    if body.op != "mul" or {*body.args} != {E.arg(0), E.arg(1)}:
        return None
    if any(a.fill not in (None, 0) for a in eqn.args):
        return None
    left, right = _axes(eqn.args[0]), _axes(eqn.args[1])
    out = _axes(Access(eqn.out.name, eqn.out_index))
    if left is None or right is None or out is None:
        return None
    axes = [a for a in eqn.axes if not a.extent.is_one()]
    if any(a.name not in left and a.name not in right for a in axes):
        return None
    scattered = eqn.plain_out is None  # then an axis of the output may be one that is summed over as well
    batch = tuple(a for a in axes if a.name in out and a.name in left and a.name in right)
    m = tuple(a for a in axes if a.name in out and a.name in left and a.name not in right)
    n = tuple(a for a in axes if a.name in out and a.name in right and a.name not in left)
    k = tuple(a for a in axes if a.name not in out)
    if (not k and not scattered) or any(a.name not in left or a.name not in right for a in k):
        return None
    if not m or not n:
        return Product(batch, m, n, k, False, guard)
    first = [n_ for ix in eqn.out_index for n_ in ix.axes()]
    if first.index(n[0].name) < first.index(m[0].name):
        return Product(batch, n, m, k, True, guard)
    return Product(batch, m, n, k, False, guard)


def _axes(access: Access) -> set[str] | None:
    """The axes of an affine index; None where it is anything else."""
    names: set[str] = set()
    for ix in access.index:
        for atom, _ in ix.terms:
            if not isinstance(atom, str):
                return None
            names.add(atom)
    return names


# ---------------------------------------------------------------- how it lies in memory


@dataclass(frozen=True, slots=True)
class Level:
    """A loop of the kernel, over one axis or over several that follow each other evenly: how many, and the step in each array."""

    axes: tuple[Axis, ...]  # from the outside in
    extent: Dim
    a: Dim
    b: Dim
    c: Dim
    d: Dim = Dim(())  # in what is added to the product


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The loops of the kernel, and those around it. ``a`` is the number of the operand that is read by rows."""

    a: int
    outer: tuple[Axis, ...]
    rows: tuple[Level, ...]  # each of these from the outside in
    depth: tuple[Level, ...]
    columns: Level
    around: tuple[Axis, ...]  # of ``outer``, those that are summed over
    guard: Literal["", "a", "b"]  # the one whose zeros win


def step(access: Access, axis: str, shape: Shape) -> Dim:
    """How many elements lie between neighbours along ``axis``."""
    total, here = Dim.of(0), Dim.of(1)
    for ix, extent in zip(reversed(access.index), reversed(shape), strict=True):
        for atom, factor in ix.terms:
            if atom == axis:
                total = total + factor * here
        here = here * extent
    return total


def guess(dim: Dim) -> int:
    """The size where free sizes are usual ones."""
    return dim.value if dim.value is not None else dim.evaluate(dict.fromkeys(dim.free(), USUAL))


def arrange(eqn: Eqn, shape: Callable[[str], Shape], within: Mapping[str, object] = {}, c: Access | None = None,
            d: Access | None = None) -> Arrangement:  # fmt: skip
    """The better of the two ways to read the equation as rows times columns. Axes that are in ``within`` are loops already. The
    result lies at ``c``, if that is not the equation's own; ``d`` is added to it."""
    product = classify(eqn)
    assert product is not None
    c = c or Access(eqn.out.name, eqn.out_index)
    ways = [_arranged(eqn, product, shape, within, swapped, c, d) for swapped in (product.swapped, not product.swapped)]
    return max(ways, key=_quality)  # the first of equals


def _arranged(eqn: Eqn, product: Product, shape: Callable[[str], Shape], within: Mapping[str, object],
              swapped: bool, c: Access, d: Access | None) -> Arrangement:  # fmt: skip
    a, b = (eqn.args[1], eqn.args[0]) if swapped else (eqn.args[0], eqn.args[1])
    m, n = (product.m, product.n) if swapped == product.swapped else (product.n, product.m)

    def level(axis: Axis) -> Level:
        return Level((axis,), axis.extent, *(step(x, axis.name, shape(x.value)) for x in (a, b, c, *((d,) if d else ()))))

    columns = _merged([level(x) for x in n if x.name not in within], "c") or [_ONE]
    rows = _merged([level(x) for x in m if x.name not in within], "c")
    depth = _merged([level(x) for x in product.k if x.name not in within], "a")
    rows = rows or [_ONE]
    # the columns are those that lie together, in the result and then in b; of several, the most
    chosen = max(columns, key=lambda lv: (lv.c.is_one(), lv.b.is_one(), guess(lv.extent)))
    spare = [*(lv for lv in columns if lv is not chosen), *rows[: max(0, len(rows) - LEVELS)]]
    around = [x for lv in depth[: max(0, len(depth) - LEVELS)] for x in lv.axes]
    outer = [*(x for x in product.batch if x.name not in within), *(x for lv in spare for x in lv.axes), *around]
    guard: Literal["", "a", "b"] = "" if product.guard is None else "a" if product.guard == swapped else "b"
    return Arrangement(1 if swapped else 0, tuple(outer), tuple(rows[-LEVELS:]), tuple(depth[-LEVELS:]), chosen,
                       tuple(around), guard)  # fmt: skip


def _merged(levels: Sequence[Level], order: str) -> list[Level]:
    """The levels by their steps in one array, the widest first, with those as one that follow each other evenly everywhere."""
    merged: list[Level] = []
    for lv in sorted(levels, key=lambda lv: -abs(guess(getattr(lv, order)))):
        last = merged[-1] if merged else None
        if last is not None and all(getattr(last, x) == lv.extent * getattr(lv, x) for x in "abcd"):
            merged[-1] = Level((*last.axes, *lv.axes), last.extent * lv.extent, lv.a, lv.b, lv.c, lv.d)
        else:
            merged.append(lv)
    return merged


LONG = 16  # steps of the depth that lie together from which on inner products are taken along it


def _quality(way: Arrangement) -> tuple[bool, bool, bool, bool, int]:
    """Of a vector, inner products of long stretches; columns that lie together, more than one, few calls."""
    last = way.depth[-1] if way.depth else _ONE
    along = way.columns.extent.is_one() and last.a.is_one() and last.b.is_one() and guess(last.extent) >= LONG
    calls = 1
    for axis in way.outer:
        calls *= guess(axis.extent)
    return along, way.columns.c.is_one(), way.columns.b.is_one(), not way.columns.extent.is_one(), -calls


_ONE = Level((), Dim.of(1), Dim.of(1), Dim.of(1), Dim.of(1))  # rows or columns of a vector

