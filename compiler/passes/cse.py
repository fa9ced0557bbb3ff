"""Compute equal things once: equations that are equal up to the names of their axes become one. Where one of two has axes of
extent 1 besides (``keepdims``), it reads what the other has computed."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace

from ..graph import expr as E
from ..graph.ir import Access, Axis, Eqn, Graph, Ix, Scan, Value, at
from ..graph.rewrite import canonical, prune, substitute_access
from ..graph.shapes import Shape
from ..ops.words import is_temporary
from .names import is_sealed, rename, rename_reads


def key(eqn: Eqn) -> Hashable:
    """What the equation computes, whatever its axes and its result are called, and without axes of extent 1."""
    found: Hashable = eqn.known.get("key")
    if found is None:  # which several passes ask, and several kernels have the equation
        same = canonical(_squeezed(eqn))
        found = (same.axes, same.out_index, same.out.shape, same.out.kind, same.reduce, same.args, same.body, same.drop)
        eqn.known["key"] = found
    return found


def run(graph: Graph) -> Graph:
    seen: dict[Hashable, dict[Shape, str]] = {}
    place: dict[str, int] = {}
    same: dict[str, str] = {}  # what is read instead
    shown: dict[str, str] = {}  # the name that a first equation took over from a later one
    views: dict[str, tuple[Value, Value]] = {}  # what only has other axes of extent 1 than the second
    values: dict[str, Value] = {}
    outputs = set(graph.outputs)
    eqns: list[Eqn | Scan] = []
    for eqn in graph.eqns:
        eqn = rename_reads(eqn, same)
        if not isinstance(eqn, Eqn):
            eqns.append(_given_once(eqn))
            continue
        eqn = _looked_through(eqn, views)
        if is_sealed(eqn.out.name):  # what is only equal to it does not depend on it
            eqns.append(eqn)
            continue
        if eqn.out.name not in outputs and is_temporary(eqn.out.name) and _copies(eqn, values):
            same[eqn.out.name] = eqn.args[0].value  # a reader follows what was derived, not who hands it on
            continue
        group = seen.setdefault(key(eqn), {})
        name, shape = eqn.out.name, eqn.out.shape
        if group and shape not in group and _works(eqn):
            source = values[next(iter(group.values()))]
            views[name] = eqn.out, source
            eqn = _view(eqn, source)
            group[shape] = name
            group = seen.setdefault(key(eqn), {})
        first = group.get(shape)
        if first is None:
            group[shape], place[name], values[name] = name, len(eqns), eqn.out
            eqns.append(eqn)
            continue
        same[name] = first
        if is_temporary(first) and first not in shown and not is_temporary(name) and first not in outputs:
            # the reader looks for the user's name: the first equation takes it over
            k = place[first]
            old = eqns[k]
            assert isinstance(old, Eqn)
            eqns[k] = replace(old, out=eqn.out, origin=old.origin.merge(eqn.origin))
            shown[first] = name
        elif name in outputs:
            eqns.append(_view(eqn, views[first][1]) if first in views else eqn)
    return graph.with_eqns(tuple(rename_reads(eqn, shown) for eqn in eqns) if shown else tuple(eqns))


def _copies(eqn: Eqn, values: Mapping[str, Value]) -> bool:
    """Is it another name for a value that an equation before it made?"""
    if eqn.reduce or eqn.body is not E.arg(0) or len(eqn.args) != 1 or eqn.drop or eqn.plain_out is None:
        return False
    access, source = eqn.args[0], values.get(eqn.args[0].value)
    return source is not None and (source.shape, source.kind) == (eqn.out.shape, eqn.out.kind) and access.index == eqn.out_index \
        and access.fill is None  # fmt: skip


def _given_once(scan: Scan) -> Scan:
    """The loop given each of its slices and of what it captures once."""
    carries, sliced = len(scan.initial), len(scan.initial) + len(scan.slices)
    given = (*scan.initial, *scan.slices, *scan.captured)
    first: dict[tuple[str, bool], str] = {}
    same: dict[str, str] = {}
    kept = list(range(carries))
    for k in range(carries, len(given)):
        inner = scan.body.inputs[k].name
        known = first.setdefault((given[k], k < sliced), inner)
        if known == inner:
            kept.append(k)
        else:
            same[inner] = known
    if not same:
        return scan
    body = rename(scan.body, same)
    return replace(scan, slices=tuple(given[k] for k in kept if carries <= k < sliced),
                   captured=tuple(given[k] for k in kept if k >= sliced),
                   body=replace(body, inputs=tuple(body.inputs[k] for k in kept)))  # fmt: skip


# ---------------------------------------------------------------- axes of extent 1


def _squeezed(eqn: Eqn) -> Eqn:
    """The equation without its axes of extent 1, of which nothing but the shape of its result depends."""
    plain = eqn.plain_out
    unit = {a.name for a in eqn.axes if a.extent.is_one()}
    if eqn.reduce in ("argmax", "argmin"):
        unit -= {a.name for a in eqn.reduced}
    if plain is None or not unit:
        return eqn
    zero, extents = dict.fromkeys(unit, Ix()), eqn.extents
    kept = tuple(n for n in plain if n not in unit)
    return replace(
        eqn,
        out=replace(eqn.out, shape=tuple(extents[n] for n in kept)),
        axes=tuple(a for a in eqn.axes if a.name not in unit),
        out_index=tuple(at(n) for n in kept),
        args=tuple(substitute_access(a, zero, extents) for a in eqn.args),
        body=E.substitute(eqn.body, {E.idx(n): E.ZERO for n in unit}),
    )


def _works(eqn: Eqn) -> bool:
    """There is something to save: a number everywhere, or what is only moved, is as cheap again."""
    return bool(eqn.args) and (eqn.reduce != "" or eqn.body is not E.arg(0))


def _view(eqn: Eqn, source: Value) -> Eqn:
    """What ``eqn`` computes, read from an equal value whose shape has other ones."""
    extents = eqn.extents
    axes = tuple(Axis(n, extents[n]) for n in eqn.plain_out or ())
    read = Access(source.name, _indices(eqn.out_index, eqn.out.shape, source.shape))
    return Eqn(eqn.out, axes, eqn.out_index, "", (read,), E.arg(0), "reshape", eqn.origin)


def _indices(index: tuple[Ix, ...], shape: Shape, other: Shape) -> tuple[Ix, ...]:
    """The index into an array of ``other`` for one into an array of ``shape``, which differ in ones."""
    rest = (ix for ix, d in zip(index, shape, strict=True) if not d.is_one())
    return tuple(Ix() if d.is_one() else next(rest) for d in other)


def _looked_through(eqn: Eqn, views: Mapping[str, tuple[Value, Value]]) -> Eqn:
    """``eqn`` reading what ``views`` only show with other ones in their shapes."""
    args = list(eqn.args)
    extents = eqn.extents
    for k, access in enumerate(args):
        if access.value not in views or access.fill is not None:
            continue
        shown, source = views[access.value]
        idle = [ix for ix, d in zip(access.index, shown.shape, strict=True) if d.is_one()]
        if all((not ix.terms) or (ix.plain is not None and extents[ix.plain].is_one()) for ix in idle):
            args[k] = Access(source.name, _indices(access.index, shown.shape, source.shape))
    return eqn if tuple(args) == eqn.args else prune(replace(eqn, args=tuple(args)))
