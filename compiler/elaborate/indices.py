"""The indices of index notation: which formulas are indices, and between which values they lie."""

from __future__ import annotations

from collections.abc import Mapping

from ..graph import expr as E
from ..graph.bounds import floors, index_range, never_negative
from ..graph.expr import Expr
from ..graph.ir import Gather, Ix, Quot, Rem, at, fixed
from ..graph.shapes import Dim
from .points import ZERO, Points, Variable


def affine(points: Points, root: Expr) -> Ix | None:
    """An expression over index variables as an index; None where it is none."""
    done: dict[Expr, Ix | None] = {}
    for node in E.walk(root):
        parts = [done[a] for a in node.args]
        found: Ix | None = None
        if node.op == "const":
            number = node.number
            found = fixed(int(number)) if number is not None and number.denominator == 1 else None
        elif node.op == "size" and isinstance(node.value, Dim):
            found = Ix((), node.value)
        elif node.op == "idx":
            found = at(str(node.value))
        elif node.op == "arg":
            reading = points.reading(node)
            if reading.kind == "int" and not reading.pad:
                found = Ix(((Gather(f"#{node.value}", ()), Dim.of(1)),))
        elif node.op == "floor":
            found = _quotient(points, node)
        elif any(p is None for p in parts):
            pass
        elif node.op == "neg":
            found = _known(parts[0]).scale(Dim.of(-1))
        elif node.op in ("add", "sub"):
            a, b = _known(parts[0]), _known(parts[1])
            found = a + (b if node.op == "add" else b.scale(Dim.of(-1)))
            if node.op == "sub" and (rest := _remainder(points, node)) is not None:
                found = rest
        elif node.op == "mul":
            a, b = _known(parts[0]), _known(parts[1])
            found = b.scale(a.const) if not a.terms else a.scale(b.const) if not b.terms else None
        done[node] = found
    return done[root]


def _quotient(points: Points, node: Expr) -> Ix | None:
    """``floor(a / b)`` with a fixed b, which is how ``a // b`` is written."""
    inner = node.args[0]
    number = inner.args[1].number if inner.op == "div" else None
    if number is None or number.denominator != 1 or number < 1:
        return None
    a = affine(points, inner.args[0])
    return None if a is None else Ix(((Quot(a, Dim.of(int(number))), Dim.of(1)),))


def _remainder(points: Points, node: Expr) -> Ix | None:
    """``a - b * floor(a / b)``, which is how ``a % b`` is written."""
    a, product = node.args
    if product.op != "mul" or product.args[1].op != "floor" or product.args[1].args[0] is not E.make("div", a, product.args[0]):
        return None
    inner, number = affine(points, a), product.args[0].number
    return None if inner is None or number is None else Ix(((Rem(inner, Dim.of(int(number))), Dim.of(1)),))


def _known(ix: Ix | None) -> Ix:
    assert ix is not None
    return ix


# ---------------------------------------------------------------- their values


def limits(points: Points, ix: Ix, exact: bool = True) -> tuple[Dim, Dim] | None:
    """The least and the greatest value of an index; None where that is not known (yet). ``exact`` minds ranges that depend
    on outer variables; without it every axis takes all its values."""
    extents = points.extents
    if any(a not in extents for a in ix.axes()):
        return None
    known = floors({a: extents[a] for a in ix.axes()})
    least, most = (_extreme(points, ix, top, exact, known) for top in (False, True))
    return None if least is None or most is None else (least, most)


def _extreme(points: Points, ix: Ix, top: bool, exact: bool, known: Mapping[str, int]) -> Dim | None:
    """The greatest value of an index (``top``), or the least."""
    const = ix.const
    own: dict[str, Dim] = {}
    for atom, factor in ix.terms:
        if not (never_negative(factor, known) or never_negative(-factor, known)):
            return None
        if isinstance(atom, str):
            own[atom] = factor
            continue
        ends = _ends(points, atom, known)
        if ends is None:
            return None
        const = const + (ends[1] if top == never_negative(factor, known) else ends[0]) * factor
    total = Ix(tuple(own.items()), const)
    for axis in reversed(points.variables):  # inner ones first: their ranges depend on outer ones
        factor = dict(total.terms).get(axis, ZERO)
        if not factor.terms:
            continue
        up = top == never_negative(factor, known)
        if not up and not never_negative(factor, known) and not never_negative(-factor, known):
            return None
        total = total + at(axis).scale(-factor) + _end(points.variables[axis], up, exact).scale(factor)
        if any(not isinstance(a, str) for a, _ in total.terms):
            found = limits(points, total, exact)
            if found is None:
                return None
            total = Ix((), found[int(top)])
    return total.const


def _ends(points: Points, atom: Gather | Quot | Rem, known: Mapping[str, int]) -> tuple[Dim, Dim] | None:
    """The least and the greatest value of what is no axis."""
    if isinstance(atom, Gather):
        below = points.chooser(atom).below()
        return None if below is None else (ZERO, below - 1)
    return index_range(points.moved(Ix(((atom, Dim.of(1)),))), points.extents, known)


def _end(v: Variable, up: bool, exact: bool) -> Ix:
    """The last value of a variable (``up``), or the first."""
    if exact and v.guarded and v.stop is not None and v.low is not None:
        return v.stop + fixed(-1) if up else v.low
    return Ix((), v.start + v.size - 1 if up else v.start)
