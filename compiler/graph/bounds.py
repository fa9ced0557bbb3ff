"""What can be proved about sizes and indices, whatever the free sizes are.

A free size is a whole number from 0 on. Where an index is used, the axes of its equation have at least one point each
(a grid without points reads nothing), which bounds the sizes from below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from .ir import Access, Gather, Ix, Quot
from .shapes import Dim, Monomial, Quotient, Shape

Floors = Mapping[str, int]  # the least value of each free size, where that is above 0

_ROUNDS: Final = 4


def floors(extents: Mapping[str, Dim]) -> dict[str, int]:
    """What is known of the free sizes where every axis has a point."""
    found: dict[str, int] = {}
    for extent in extents.values():
        _floor(extent, 1, found)
    return found


def _floor(dim: Dim, least: int, found: dict[str, int]) -> None:
    """Learn from ``dim >= least``."""
    linear = [(m, c) for m, c in dim.terms if m]
    constant = sum(c for m, c in dim.terms if not m)
    if linear and constant < least:  # a factor of every term cannot be 0
        for atom, _ in linear[0][0]:
            if isinstance(atom, str) and all(any(a == atom for a, _ in m) for m, _ in linear):
                found[atom] = max(found.get(atom, 0), 1)
    if len(linear) != 1 or linear[0][1] <= 0:
        return
    monomial, coefficient = linear[0]
    bound = -((constant - least) // coefficient)  # monomial >= ceil((least - constant) / coefficient)
    if bound <= 0:
        return
    for atom, power in monomial:
        # a product is at least 1 only where each factor is
        here = bound if len(monomial) == 1 and power == 1 else 1
        if isinstance(atom, Quotient):
            if atom.op == "//" and (divisor := atom.b.value) is not None and divisor > 0:
                _floor(atom.a, here * divisor, found)
        else:
            found[atom] = max(found.get(atom, 0), here)


def never_negative(dim: Dim, known: Floors | None = None) -> bool:
    """Whether ``dim >= 0`` is proved for all sizes that are at least ``known``."""
    return _never_negative(dim, known or {}, _ROUNDS)


def _never_negative(dim: Dim, known: Floors, rounds: int) -> bool:
    if all(c >= 0 for _, c in _shift(dim, known).terms):
        return True
    return rounds > 1 and any(_never_negative(weaker, known, rounds - 1) for weaker in _weaken(dim, known))


def never_zero(dim: Dim, extents: Mapping[str, Dim]) -> bool:
    """Whether ``dim >= 1`` is proved where every axis has a point."""
    if never_negative(dim - 1, floors(extents)):
        return True
    if not all(c >= 0 for _, c in dim.terms):
        return False
    # were it 0, so would be each of its terms, and an axis made of multiples of these would have no point
    zeros = [dict(m) for m, _ in dim.terms]

    def gone(monomial: Monomial) -> bool:
        powers = dict(monomial)
        return any(all(powers.get(atom, 0) >= power for atom, power in zero.items()) for zero in zeros)

    return any(all(gone(m) if m else c <= 0 for m, c in extent.terms) for extent in extents.values())


def below(a: Dim, b: Dim, known: Floors | None = None) -> bool:
    """Whether ``a < b`` is proved."""
    return never_negative(b - a - 1, known)


def _shift(dim: Dim, known: Floors) -> Dim:
    """``dim`` in terms of how far each size is above its least value; quotients count as atoms that are at least 0."""
    total = Dim.of(0)
    for monomial, coefficient in dim.terms:
        product = Dim.of(coefficient)
        for atom, power in monomial:
            part = Dim(((((atom, 1),), 1),))
            if isinstance(atom, str):
                part = part + known.get(atom, 0)
            elif atom.op == "root":
                part = part + 1
            for _ in range(power):
                product = product * part
        total = total + product
    return total


def _weaken(dim: Dim, known: Floors) -> Iterator[Dim]:
    """Lower bounds of ``dim`` with one quotient less: a//b is between (a-b+1)/b and a/b, and at least its value for the
    least sizes; a%b is at most b-1. What is taken away comes first: what it is taken from may be needed whole."""
    for monomial, coefficient in sorted(dim.terms, key=lambda term: term[1] > 0):
        for atom, power in monomial:
            if not isinstance(atom, Quotient) or atom.op not in ("//", "%") or power != 1:
                continue
            term = Dim(((monomial, coefficient),))
            rest = Dim(((tuple(p for p in monomial if p[0] != atom), coefficient),))
            if atom.op == "%":
                yield dim - term + (rest * (atom.b - 1) if coefficient < 0 else Dim.of(0))
                continue
            shares = rest.divide_exactly(atom.b)
            if shares is not None:
                yield dim - term + shares * (atom.a if coefficient < 0 else atom.a - atom.b + 1)
                continue
            least = _shift(atom.a, known)
            if coefficient > 0 and atom.b.value and atom.b.value > 0 and all(c >= 0 for _, c in least.terms):
                yield dim - term + rest * (sum(c for m, c in least.terms if not m) // atom.b.value)


def index_range(ix: Ix, extents: Mapping[str, Dim], known: Floors | None = None) -> tuple[Dim, Dim] | None:
    """The least and the greatest value of an index over its axes; None where it gathers or a sign cannot be told."""
    known = floors(extents) if known is None else known
    low = high = ix.const
    for atom, factor in ix.terms:
        if isinstance(atom, Gather):
            return None
        if isinstance(atom, str):
            if atom not in extents:
                return None
            bottom, top = Dim.of(0), extents[atom] - 1
        else:
            inner = index_range(atom.a, extents, known)
            if inner is None:
                return None
            bottom, top = (_quotient_range if isinstance(atom, Quot) else _remainder_range)(inner, atom.b, known)
        if never_negative(factor, known):
            low, high = low + factor * bottom, high + factor * top
        elif never_negative(-factor, known):
            low, high = low + factor * top, high + factor * bottom
        else:
            return None
    return low, high


def _quotient_range(inner: tuple[Dim, Dim], b: Dim, known: Floors) -> tuple[Dim, Dim]:
    def floor(a: Dim) -> Dim:
        """``a // b`` where the part of ``a`` that b does not divide stays between -b and b."""
        whole, rest = Dim.of(0), Dim.of(0)
        for monomial, coefficient in a.terms:
            term = Dim(((monomial, coefficient),))
            exact = term.divide_exactly(b)
            if exact is None:
                rest = rest + term
            else:
                whole = whole + exact
        if never_negative(rest, known) and below(rest, b, known):
            return whole
        if never_negative(-rest - 1, known) and never_negative(rest + b, known):
            return whole - 1
        return a // b

    low, high = inner
    bottom = floor(low)
    return (bottom if bottom.value is not None or not never_negative(low, known) else Dim.of(0)), floor(high)


def _remainder_range(inner: tuple[Dim, Dim], b: Dim, known: Floors) -> tuple[Dim, Dim]:
    low, high = inner
    if never_negative(low, known):
        return (low, high) if below(high, b, known) else (Dim.of(0), high if never_negative(b - 1 - high, known) else b - 1)
    return Dim.of(0), b - 1


def inside(ix: Ix, extent: Dim, extents: Mapping[str, Dim]) -> bool:
    """Whether ``0 <= ix < extent`` is proved at every point of the axes; never where it gathers."""
    if ix.plain is not None and extents.get(ix.plain) == extent:
        return True
    if len(ix.terms) == 1 and not ix.const.terms and ix.terms[0][1].is_one() and isinstance(ix.terms[0][0], Quot):
        quotient = ix.terms[0][0]  # a // b < d exactly where a < b*d
        if inside(quotient.a, quotient.b * extent, extents):
            return True
    known = floors(extents)
    found = index_range(ix, extents, known)
    return found is not None and never_negative(found[0], known) and below(found[1], extent, known)


def read_inside(access: Access, shape: Shape, extents: Mapping[str, Dim]) -> bool:
    """Whether every read is proved to be inside an array of ``shape``, or is filled, or gathers."""
    if access.fill is not None:
        return True
    return all(any(ix.gathers()) or inside(ix, dim, extents) for ix, dim in zip(access.index, shape, strict=True))


def outside(ix: Ix, extent: Dim, extents: Mapping[str, Dim]) -> bool:
    """Whether some point is proved to be outside wherever there are points at all."""
    known = floors(extents)
    found = index_range(ix, extents, known)
    return found is not None and (never_negative(-found[0] - 1, known) or never_negative(found[1] - extent, known))
