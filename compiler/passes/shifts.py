"""The gradient of a formula of neighbours reads neighbours, too: ``d_x[i - 1] += d[i]``, where what falls outside is lost, is
``d_x[i] = d[i + 1]`` with zeros outside. What several neighbours give is then one formula, and not one pass over memory for each.
So it is around a ring, as of ``roll``, where nothing is outside.
"""

from __future__ import annotations

from dataclasses import replace

from ..graph import expr as E
from ..graph.ir import Access, Axis, Eqn, Graph, Ix, Rem, at
from ..graph.patterns import places_after, special, turned
from ..graph.rewrite import substitute_access
from ..graph.shapes import Dim


def run(graph: Graph) -> Graph:
    shapes = {name: value.shape for name, value in graph.values().items()}
    eqns = tuple((_gathered(e, shapes) if e.drop else _around(e)) if isinstance(e, Eqn) else e for e in graph.eqns)
    return graph.with_eqns(eqns) if any(a is not b for a, b in zip(eqns, graph.eqns, strict=True)) else graph


def _gathered(eqn: Eqn, shapes: dict[str, tuple[Dim, ...]]) -> Eqn:
    if eqn.plain_out is not None or not eqn.drop or eqn.reduce not in ("", "+") or special(eqn) or not _product(eqn.body):
        return eqn
    extents, moved, names = eqn.extents, dict[str, Ix](), list[str]()
    for ix, extent in zip(eqn.out_index, eqn.out.shape, strict=True):
        if len(ix.terms) != 1 or not isinstance(ix.terms[0][0], str) or not ix.terms[0][1].is_one():
            return eqn
        name = ix.terms[0][0]
        if extents[name] != extent or name in names:
            return eqn
        names.append(name)
        if ix.plain is None:
            moved[name] = at(name) + Ix((), -ix.const)
    if set(names) != set(extents) or not all(_zero_outside(eqn, name, shapes) for name in moved):
        return eqn
    args = tuple(_moved(a, moved, extents) for a in eqn.args)
    axes = tuple(Axis(name, extents[name]) for name in names)
    return replace(eqn, axes=axes, out_index=tuple(at(name) for name in names), args=args, reduce="", drop=False)


def _around(eqn: Eqn) -> Eqn:
    """A scatter to other places of rings, which is one to each, as a read from there."""
    if eqn.plain_out is not None or eqn.reduce not in ("", "+") or special(eqn):
        return eqn
    extents, moved, names = eqn.extents, dict[str, Ix](), list[str]()
    for ix, extent in zip(eqn.out_index, eqn.out.shape, strict=True):
        atom = ix.terms[0][0] if len(ix.terms) == 1 and ix.terms[0][1].is_one() and not ix.const.terms else None
        name = ix.plain
        after = places_after(atom, extent) if isinstance(atom, Rem) else None
        if after is not None and isinstance(atom, Rem):
            inner = atom.a.terms[0][0]
            name = inner if isinstance(inner, str) else None
            if name is not None:
                moved[name] = turned(name, -after, extent)
        if name is None or extents[name] != extent or name in names:
            return eqn
        names.append(name)
    whole = set(names) == set(extents) and not any(True for a in eqn.args for ix in a.index for _ in ix.gathers())
    beside = [ix for a in eqn.args for ix in a.index if ix.plain is None and not moved.keys().isdisjoint(ix.axes())]
    if not moved or not whole or beside or not moved.keys().isdisjoint(leaf.value for leaf in E.leaves(eqn.body, "idx")):
        return eqn
    args = tuple(substitute_access(a, moved, extents) for a in eqn.args)
    axes = tuple(Axis(name, extents[name]) for name in names)
    return replace(eqn, axes=axes, out_index=tuple(at(name) for name in names), args=args, reduce="")


def _moved(access: Access, moved: dict[str, Ix], extents: dict[str, Dim]) -> Access:
    if not any(name in ix.axes() for ix in access.index for name in moved):
        return access
    return replace(substitute_access(access, moved, extents), fill=E.ZERO.number)


def _zero_outside(eqn: Eqn, name: str, shapes: dict[str, tuple[Dim, ...]]) -> bool:
    """Whether what is read by this axis stands along all of an array, one operand at least: beyond it there are zeros."""
    found = False
    for access in eqn.args:
        for ix, extent in zip(access.index, shapes[access.value], strict=True):
            if any(g.value for g in ix.gathers()) or access.fill not in (None, 0):
                return False
            if name in ix.axes():
                if ix.plain != name or extent != eqn.extents[name]:
                    return False
                found = True
    return found


def _product(body: E.Expr) -> bool:
    """Whether it is 0 where any one of its operands is."""
    return all(node.op in ("arg", "mul", "neg", "const") for node in E.walk(body)) and bool(E.leaves(body, "arg"))
