"""Which equations are matrix products, and how they lie in memory."""

from __future__ import annotations

from dataclasses import dataclass

from ..graph import expr as E
from ..graph.ir import Access, Axis, Eqn
from ..graph.shapes import Dim

LARGE = 512  # products of the known extents from which a register-blocked kernel beats a loop in place


def is_product(eqn: Eqn) -> bool:
    """A sum of products of two reads, large enough to be left to a matrix kernel."""
    return classify(eqn) is not None


@dataclass(frozen=True, slots=True)
class Product:
    """c[batch, m, n] = sum over k of a[batch, m, k] * b[batch, k, n]; each a tuple of axes, possibly none."""

    batch: tuple[Axis, ...]
    m: tuple[Axis, ...]
    n: tuple[Axis, ...]
    k: tuple[Axis, ...]
    swapped: bool  # the equation's first operand is b


def classify(eqn: Eqn) -> Product | None:
    """The roles of the axes, or None where this is no large matrix product."""
    if eqn.reduce != "+" or len(eqn.args) != 2 or eqn.plain_out is None or eqn.body.op != "mul":
        return None
    if {*eqn.body.args} != {E.arg(0), E.arg(1)} or any(a.fill is not None for a in eqn.args):
        return None
    left, right = _axes(eqn.args[0]), _axes(eqn.args[1])
    if left is None or right is None:
        return None
    out = set(eqn.plain_out)
    axes = [a for a in eqn.axes if not a.extent.is_one()]
    if any(a.name not in left and a.name not in right for a in axes):
        return None
    batch = tuple(a for a in axes if a.name in out and a.name in left and a.name in right)
    m = tuple(a for a in axes if a.name in out and a.name in left and a.name not in right)
    n = tuple(a for a in axes if a.name in out and a.name in right and a.name not in left)
    k = tuple(a for a in axes if a.name not in out)
    if not k or not m or not n or batch or any(a.name not in left or a.name not in right for a in k):
        return None
    if len(m) > 1 or len(n) > 1 or len(k) > 1:
        return None
    known = 1
    for a in (*m, *n, *k):
        known *= a.extent.value if a.extent.value is not None else 1
    if known < LARGE:
        return None
    first_n = eqn.plain_out.index(n[0].name)
    if first_n < eqn.plain_out.index(m[0].name):
        return Product(batch, n, m, k, True)
    return Product(batch, m, n, k, False)


def _axes(access: Access) -> set[str] | None:
    names: set[str] = set()
    for ix in access.index:
        if len(ix.terms) > 1:
            return None
        for atom, _ in ix.terms:
            if not isinstance(atom, str) or atom in names:
                return None
            names.add(atom)
    return names


def flops(eqn: Eqn) -> Dim:
    total = Dim.of(2)
    for a in eqn.axes:
        total = total * a.extent
    return total
