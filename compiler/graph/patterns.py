"""Equations whose meaning takes a pass over all pairs, and that are computed in far less: running sums and ranks.

Nothing but the loops and the NumPy backend needs to know: the meaning and the adjoint are those of any equation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from . import expr as E
from .expr import Expr
from .ir import Access, Axis, Eqn, Ix, Rem, at
from .shapes import Dim

_MIRRORED: Final = {"le": "ge", "lt": "gt", "ge": "le", "gt": "lt"}
_OPPOSITE: Final = {"le": "gt", "lt": "ge", "ge": "lt", "gt": "le"}
_NEUTRAL: Final = {"+": E.ZERO, "*": E.ONE}


# ---------------------------------------------------------------- scatters that add nothing up


def written_once(eqn: Eqn) -> bool:
    """Whether no element of the result is written by two points of the axes."""
    return not eqn.reduced and _digits(eqn.out_index, eqn.extents) is not None


def written_all(eqn: Eqn) -> bool:
    """Whether every element of the result is written by exactly one point of the axes."""
    digits = None if eqn.drop or eqn.reduced else _digits(eqn.out_index, eqn.extents)
    return digits is not None and all(start.value == 0 and dense and top == d
                                      for (start, dense, top), d in zip(digits, eqn.out.shape, strict=True))  # fmt: skip


def written_box(eqn: Eqn) -> list[tuple[Dim, Dim]] | None:
    """From where to where each dimension of the result is written, if each element between is, by one point of the axes."""
    digits = None if eqn.drop or eqn.reduced else _digits(eqn.out_index, eqn.extents)
    if digits is None or not all(dense for _, dense, _ in digits):
        return None
    return [(start, start + top) for start, _, top in digits]


def read_once(access: Access, axes: Sequence[Axis]) -> bool:
    """Whether no element is read at two points of the axes."""
    used = {n for ix in access.index for n in ix.axes()}
    extents = {a.name: a.extent for a in axes}
    return all(a.name in used or a.extent.is_one() for a in axes) and _digits(access.index, extents) is not None


def _digits(index: Sequence[Ix], extents: Mapping[str, Dim]) -> list[tuple[Dim, bool, Dim]] | None:
    """Where each index is a number whose digits are axes of their own: where it starts, whether no number is left out, and how
    many there would be."""
    seen = set[str]()
    found: list[tuple[Dim, bool, Dim]] = []
    for ix in index:
        top, dense = Dim.of(1), True
        for atom, factor in sorted(ix.terms, key=lambda t: (t[1].value is None, t[1].value or 0)):
            if not isinstance(atom, str) or atom in seen:
                return None
            seen.add(atom)
            if factor != top:
                if factor.value is None or top.value is None or factor.value < top.value:
                    return None
                dense = False
            top = factor * extents[atom]
        found.append((ix.const, dense, top))
    return found


# ---------------------------------------------------------------- running sums and products


@dataclass(frozen=True, slots=True)
class Running:
    """``out[i] = reduce over j <= i of inner[j]``, or with ``reverse`` over j >= i."""

    axis: Axis
    over: Axis
    inner: Expr
    reverse: bool


def running(eqn: Eqn) -> Running | None:
    """What runs along what, where the equation is a sum (or product) over all places up to one, or from one on."""
    if eqn.reduce not in _NEUTRAL or eqn.plain_out is None or len(eqn.reduced) != 1 or eqn.out.kind != "real":
        return None
    (over,) = eqn.reduced
    found = _unmasked(eqn.body, eqn.reduce, over.name, {a.name: a for a in eqn.axes if a.extent == over.extent})
    if found is None:
        return None
    axis, reverse, inner = found
    if any(leaf.value == axis.name for leaf in E.leaves(inner, "idx")):
        return None
    for k in E.arguments(inner):
        if any(axis.name in ix.axes() for ix in eqn.args[k].index):
            return None
    return Running(axis, over, inner, reverse)


def _unmasked(body: Expr, reduce: str, over: str, axes: dict[str, Axis]) -> tuple[Axis, bool, Expr] | None:
    """The body without the condition on places."""
    if body.op == "where":
        condition, a, b = body.args
        neutral = _NEUTRAL[reduce]
        if neutral in (a, b):
            inner = b if a is neutral else a
            order = _order(condition, over, axes, negated=a is neutral)
            if order is not None:
                return (*order, inner)
            found = _unmasked(inner, reduce, over, axes)
            if found is not None:
                rest = found[2]
                return found[0], found[1], E.make("where", condition, *((a, rest) if a is neutral else (rest, b)))
    if reduce == "+" and body.op in ("mul", "div", "neg"):
        for k, part in enumerate(body.args[:1] if body.op == "div" else body.args):
            found = _unmasked(part, reduce, over, axes)
            if found is not None:
                return found[0], found[1], E.fold_node(body, tuple(found[2] if j == k else a for j, a in enumerate(body.args)))
    return None


def _order(condition: Expr, over: str, axes: dict[str, Axis], negated: bool) -> tuple[Axis, bool] | None:
    if condition.op == "not":
        return _order(condition.args[0], over, axes, not negated)
    if condition.op not in _MIRRORED:
        return None
    (left, less), (right, more) = (_place(a) for a in condition.args)
    op = condition.op
    if right == over:
        left, right, less, more, op = right, left, more, less, _MIRRORED[op]
    if negated:
        op = _OPPOSITE[op]
    if left != over or right == over or right not in axes:
        return None
    ahead = more - less  # over op axis + ahead
    if (op == "le" and ahead == 0) or (op == "lt" and ahead == 1):
        return axes[right], False
    return (axes[right], True) if (op == "ge" and ahead == 0) or (op == "gt" and ahead == -1) else None


def _place(e: Expr) -> tuple[str, Fraction]:
    """An axis as a number plus a constant, as their pair; no name where it is anything else."""
    if e.op in ("add", "sub"):
        for a, b in (e.args, e.args[::-1])[: 1 if e.op == "sub" else 2]:
            if b.number is not None:
                name, constant = _place(a)
                return name, constant + (b.number if e.op == "add" else -b.number)
    return (str(e.value) if e.op == "idx" else ""), Fraction(0)


# ---------------------------------------------------------------- ranks


def before(a: Expr, b: Expr, descending: bool) -> Expr:
    """Whether a comes before b: a total order, in which NaN is the largest."""
    first, last = (b, a) if descending else (a, b)
    return E.make("or", E.make("lt", first, last), E.make("and", E.make("eq", first, first), E.make("ne", last, last)))


def counted(other: str, here: str, descending: bool, x: Expr, y: Expr) -> Expr:
    """Whether the element x at place ``other`` comes before y at place ``here``; the first of equals comes first."""
    earlier = E.make("lt", E.idx(other), E.idx(here))
    return E.make("or", before(x, y, descending), E.make("and", earlier, E.make("not", before(y, x, descending))))


@dataclass(frozen=True, slots=True)
class Ranking:
    """``out[i] = how many elements of source come before the one at i`` along ``axis``."""

    axis: Axis
    source: Access  # over ``axis``
    descending: bool


def ranking(eqn: Eqn) -> Ranking | None:
    """The array and the order, where the equation counts for each element those that come before it."""
    if eqn.reduce != "+" or eqn.out.kind != "int" or eqn.plain_out is None or len(eqn.reduced) != 1 or len(eqn.args) != 2:
        return None
    (over,) = eqn.reduced
    for k in (0, 1):
        here, there = eqn.args[k], eqn.args[1 - k]
        if here.value != there.value or here.fill is not None or there.fill is not None:
            continue
        for axis in eqn.axes:
            if axis is over or axis.extent != over.extent:
                continue
            if _swapped(here.index, axis.name, over.name) != there.index:
                continue
            for descending in (False, True):
                if eqn.body is counted(over.name, axis.name, descending, E.arg(1 - k), E.arg(k)):
                    return Ranking(axis, here, descending)
    return None


def _swapped(index: tuple[Ix, ...], old: str, new: str) -> tuple[Ix, ...]:
    return tuple(at(new) if ix.plain == old else ix for ix in index)


def special(eqn: Eqn) -> bool:
    """Whether the equation is computed as a whole, by a loop or a kernel of its own."""
    return running(eqn) is not None or ranking(eqn) is not None


def places_after(ix: Rem, extent: Dim) -> int | None:
    """How many places after i an index ``(i + c) % n`` around a ring of n places is (before it, if negative); None of others."""
    if ix.b != extent or len(ix.a.terms) != 1 or not ix.a.terms[0][1].is_one():
        return None
    const = ix.a.const
    if extent.value is not None and const.value is not None:
        after = const.value % max(extent.value, 1)
        return after if 2 * after <= extent.value else after - extent.value
    after = sum((c for m, c in const.terms if m == ()), 0)
    rest = const - after
    return after if not rest.terms or rest.divide_exactly(extent) is not None else None


def turned(name: str, after: int, extent: Dim) -> Ix:
    """The place so many after that of the axis, around a ring; what is divided is not negative, as C divides in another way."""
    ahead = Dim.of(after) if after >= 0 else Dim.of(after) - extent * after
    return Ix(((Rem(Ix(((name, Dim.of(1)),), ahead), extent), Dim.of(1)),))
