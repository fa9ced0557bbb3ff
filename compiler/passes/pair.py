"""What the forward kernel leaves for the backward kernel lies in memory as both of them want it.

The two are put together again, laid out as one graph, and cut again: what crosses may then be channels last, or a copy with zeros
around it that both of them read, and neither makes it from the user's layout. A view tells where the value that the user knows
is found in what is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ..graph import expr as E
from ..graph.ir import Access, Eqn, Graph, Origin, Scan, Value, at, outs
from ..graph.rewrite import Namer, shape_axes, substitute_ix
from ..graph.shapes import Dim, Shape, size
from ..meaning.verify import verify
from . import MEMORY, apply
from .kernels import Kernel, Place, View, ancestors, strides
from .names import rename
from .products import step


def laid_out(kernels: Sequence[Kernel]) -> tuple[Kernel, ...]:
    """The kernels after the passes for memory: ``forward`` and ``backward`` together, any other by itself."""
    of = {k.name: k for k in kernels}
    done: dict[str, Kernel] = {}
    if "forward" in of and "backward" in of:
        done = {k.name: k for k in _together(of["forward"], of["backward"])}
    return tuple(done[k.name] if k.name in done else replace(k, graph=apply(MEMORY, k.graph)) for k in kernels)


def _together(forward: Kernel, backward: Kernel) -> tuple[Kernel, Kernel]:
    left = _left(forward, backward)
    behind = _named(backward, left, forward)
    looks = _looks(forward, left, (*forward.graph.values(), *behind.graph.values()), backward.views)
    shown = tuple(p.value for p in forward.places if p.slot.startswith("out:"))
    inputs = {v.name: v for v in (*forward.graph.inputs, *behind.graph.inputs) if v.name not in left.values()}
    consts = {c.value.name: c for c in (*forward.graph.consts, *behind.graph.consts)}
    joint = Graph(forward.graph.name, tuple(inputs.values()), tuple(consts.values()),
                  (*forward.graph.eqns, *behind.graph.eqns, *looks.values()),
                  tuple(dict.fromkeys((*shown, *behind.graph.outputs, *(e.out.name for e in looks.values())))))  # fmt: skip
    laid = apply(MEMORY, joint)
    if laid is joint:
        return forward, backward

    names = {e.out.name: value for value, e in looks.items()}
    read = {names[e.out.name]: e.args[0] for e in laid.eqns if isinstance(e, Eqn) and e.out.name in names}
    eqns = [e for e in laid.eqns if outs(e)[0].name not in names]
    before = ancestors(eqns, (*shown, *left.values()))
    first, then = ([e for e in eqns if (outs(e)[0].name in before) == early] for early in (True, False))
    made = {o.name: o for e in first for o in outs(e)}
    crossing = {name for e in then for name in e.reads() if name in made}
    for value in read:
        read[value] = _copied(read[value], first, made, crossing)
        crossing.add(read[value].value)  # it is itself where no copy of it crosses
    offsets: dict[str, Dim] = {}
    end = Dim.of(0)
    for name in made:
        if name in crossing:
            offsets[name] = end
            end = end + size(made[name].shape)
    views: list[View] = []
    for view in backward.views:
        access = read[view.value]
        offset, steps = _place(access, view.shape, made[access.value].shape)
        views.append(replace(view, offset=offsets[access.value] + offset, steps=steps))
    kept = {name: Place(name, "kept", offset) for name, offset in offsets.items()}
    places = {p.value: p for p in (*forward.places, *behind.places) if p.slot != "kept"} | kept

    def cut(kernel: Kernel, part: Sequence[Eqn | Scan], given: Iterable[Value], results: Iterable[str]) -> Kernel:
        needed = ancestors(part, results)
        own = tuple(e for e in part if any(o.name in needed for o in outs(e)))
        reads = {name for e in own for name in e.reads()}
        graph = Graph(kernel.graph.name, tuple(v for v in given if v.name in reads),
                      tuple(c for c in laid.consts if c.value.name in reads), own, tuple(results))  # fmt: skip
        verify(graph, "pair")
        mine = tuple(places[name] for name in (*(v.name for v in graph.inputs), *graph.outputs))
        slots = tuple(slot for slot in dict.fromkeys((*kernel.slots, "kept")) if any(p.slot == slot for p in mine))
        return replace(kernel, graph=graph, places=mine, slots=slots, kept=end, views=tuple(views))

    return (cut(forward, first, laid.inputs, (*shown, *kept)),
            cut(backward, then, (*laid.inputs, *(made[name] for name in kept)), behind.graph.outputs))  # fmt: skip


def _left(forward: Kernel, backward: Kernel) -> dict[str, str]:
    """What the forward kernel calls each value that it leaves: a copy has another name, where the value goes out as well."""
    names = {p.value for p in forward.places if p.slot == "kept"}
    copies = {e.args[0].value: e.out.name for e in forward.graph.eqns if isinstance(e, Eqn) and e.out.name in names and e.args}
    return {p.value: p.value if p.value in names else copies[p.value] for p in backward.places if p.slot == "kept"}


def _named(backward: Kernel, left: Mapping[str, str], forward: Kernel) -> Kernel:
    """The backward kernel with the forward kernel's names for what that leaves, and with none of its others."""
    there = forward.graph.values()
    fresh = Namer((*there, *backward.graph.values()))
    own = {o.name: fresh(o.name) for e in backward.graph.eqns for o in outs(e) if o.name in there}
    names = {**left, **own}
    graph = rename(backward.graph, names)
    graph = replace(graph, inputs=tuple(replace(v, name=names.get(v.name, v.name)) for v in graph.inputs))
    return replace(backward, graph=graph, places=tuple(replace(p, value=names.get(p.value, p.value)) for p in backward.places))


def _looks(forward: Kernel, left: Mapping[str, str], taken: Iterable[str], views: Iterable[View]) -> dict[str, Eqn]:
    """Equations that read what is left as the user knows it: how they do so at last tells where it lies."""
    values, fresh = forward.graph.values(), Namer(taken)
    found: dict[str, Eqn] = {}
    for view in views:
        value, axes = values[left.get(view.value, view.value)], shape_axes(view.shape)
        index = tuple(at(a.name) for a in axes)
        out = replace(value, name=fresh(f"{view.value}_shown"))
        found[view.value] = Eqn(out, axes, index, "", (Access(value.name, index),), E.arg(0), "copy", Origin((), "copy"))
    return found


def _copied(access: Access, eqns: Iterable[Eqn | Scan], made: Mapping[str, Value], crossing: set[str]) -> Access:
    """The same read from a copy that crosses, if there is one that has all of it; else from the value itself."""
    if access.value in crossing:
        return access
    for eqn in eqns:
        if isinstance(eqn, Eqn) and [a.value for a in eqn.args] == [access.value] and _is_copy(eqn, made[access.value].shape):
            there = {str(ix.plain): known for ix, known in zip(eqn.args[0].index, access.index, strict=True)}
            copy = Access(eqn.out.name, tuple(substitute_ix(ix, there, {}) for ix in eqn.out_index))
            copy = _copied(copy, eqns, made, crossing)
            if copy.value in crossing:
                return copy
    return access


def _is_copy(eqn: Eqn, shape: Shape) -> bool:
    """Whether every element of what is read, of this shape, has a place of its own in what is written."""
    (access,) = eqn.args
    if eqn.body is not E.arg(0) or eqn.reduce not in ("", "+") or eqn.drop or access.fill is not None:
        return False
    read = [ix.plain for ix in access.index]
    whole = sorted(map(str, read)) == sorted(eqn.extents)
    if not whole or any(eqn.extents[str(axis)] != extent for axis, extent in zip(read, shape, strict=True)):
        return False
    written = [atom for ix in eqn.out_index for atom, _ in ix.terms]
    return all(len(ix.terms) <= 1 for ix in eqn.out_index) and len(written) == len(set(written)) and set(written) == set(read)


def _place(access: Access, shape: Shape, lies: Shape) -> tuple[Dim, tuple[Dim, ...]]:
    """Where the first element of a read of that shape lies, and how far it is to the next along each dimension."""
    offset = Dim.of(0)
    for ix, here in zip(access.index, strides(lies), strict=True):
        offset = offset + ix.const * here
    return offset, tuple(step(access, axis.name, lies) for axis in shape_axes(shape))
