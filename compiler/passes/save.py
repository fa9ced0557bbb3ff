"""What the backward loop needs of a step of the forward loop and what takes longer to compute again than to save: the forward
loop emits it, and the backward loop reads it. Gates after their activation, as a rule; and no product is taken twice."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from ..graph.ir import Eqn, Graph, Scan, Value, outs
from ..graph.rewrite import Namer
from ..graph.shapes import Shape
from . import costs
from .cse import key
from .names import rename_reads


def run(graph: Graph) -> Graph:
    if not any(isinstance(eqn, Scan) for eqn in graph.eqns):
        return graph
    name = Namer(graph.values())
    eqns: list[Eqn | Scan] = []
    made: dict[str, int] = {}  # by which loop
    for eqn in graph.eqns:
        if isinstance(eqn, Scan):
            body = run(eqn.body)
            eqn = eqn if body is eqn.body else replace(eqn, body=body)
            for place in dict.fromkeys(made[s] for s in eqn.slices if s in made):
                first = eqns[place]
                assert isinstance(first, Scan)
                eqns[place], eqn = _saved(first, eqn, name)
                made |= {o.name: place for o in outs(eqns[place])}
            made |= {o.name: len(eqns) for o in eqn.outs}
        eqns.append(eqn)
    changed = any(a is not b for a, b in zip(eqns, graph.eqns, strict=True))
    return graph.with_eqns(tuple(eqns)) if changed else graph


def _saved(first: Scan, second: Scan, name: Namer) -> tuple[Scan, Scan]:
    """Both loops, the second reading what the first has emitted."""
    if first.axis.extent != second.axis.extent or not _visits(first, second):
        return first, second
    there = _same(first, second)
    body = second.body
    known = [e for e in body.eqns if isinstance(e, Eqn) and e.out.name in there]
    if not known:
        return first, second
    mine = {e.out.name for e in known}
    emitted = {first.body.outputs[k]: first.outs[k].name for k in first.emits}
    needed = {r for e in body.eqns if not mine.issuperset(o.name for o in outs(e)) for r in e.reads()} | {*body.outputs}
    saved: set[str] = set()
    have: dict[str, int] = {}  # what each costs at least, what is saved in any case apart
    for eqn in known:
        value = eqn.out.name
        save = 0 if there[value] in emitted else costs.ELEMENT * costs.elements(eqn.out.shape)
        again = costs.operations(eqn) + sum(have[r] for r in eqn.reads() if r in mine)
        have[value] = min(save, again)
        if save < again:
            saved.add(value)
            if value in needed:
                have[value] = 0
    kept: list[Eqn] = []
    for eqn in reversed(known):
        if eqn.out.name in needed:
            if eqn.out.name in saved:
                kept.insert(0, eqn)
            else:
                needed.update(eqn.reads())
    if not kept:
        return first, second
    more: dict[str, Value] = {}
    for eqn in kept:
        value = there[eqn.out.name]
        if value not in emitted:
            out = eqn.out
            more[value] = Value(name(f"{value}_steps"), (first.axis.extent, *out.shape), out.kind)
            emitted[value] = more[value].name
    end = len(first.outs) - first.until
    outputs = first.body.outputs
    gone = {e.out.name for e in kept}
    sliced = len(second.initial) + len(second.slices)
    inner = replace(body, inputs=(*body.inputs[:sliced], *(e.out for e in kept), *body.inputs[sliced:]),
                    eqns=tuple(e for e in body.eqns if not isinstance(e, Eqn) or e.out.name not in gone))  # fmt: skip
    return (
        replace(first, outs=(*first.outs[:end], *more.values(), *first.outs[end:]),
                body=replace(first.body, outputs=(*outputs[:end], *more, *outputs[end:]))),
        replace(second, slices=(*second.slices, *(emitted[there[e.out.name]] for e in kept)), body=inner),
    )  # fmt: skip


def _visits(first: Scan, second: Scan) -> bool:
    """Whether the first loop may save something, and every step of the second is one that the first has taken: it emits zeros
    for all others. A loop with a limit is a segment of one that saves memory."""
    if first.until:
        return second.limit == first.outs[-1].name and second.high == first.reverse
    return not first.limit


def _same(first: Scan, second: Scan) -> dict[str, str]:
    """The values of a step of the second loop that the first one has too, at the same step, by name."""
    emitted = {first.outs[k].name: first.body.outputs[k] for k in first.emits}
    given = dict(zip((*first.slices, *first.captured), first.body.inputs[len(first.initial) :], strict=True))
    found: dict[str, str] = {}
    for inner, outer in zip(second.body.inputs[len(second.initial) :], (*second.slices, *second.captured), strict=True):
        if outer in emitted:
            found[inner.name] = emitted[outer]
        elif outer in given:
            found[inner.name] = given[outer].name
    consts = {c.value: c for c in first.body.consts}
    found |= {c.value.name: c.value.name for c in second.body.consts if consts.get(c.value) == c}
    table: dict[Hashable, dict[Shape, str]] = {}
    for eqn in first.body.eqns:
        if isinstance(eqn, Eqn):
            table.setdefault(key(eqn), {}).setdefault(eqn.out.shape, eqn.out.name)
    for eqn in second.body.eqns:
        if isinstance(eqn, Eqn) and all(read in found for read in eqn.reads()):
            moved = rename_reads(eqn, found)
            assert isinstance(moved, Eqn)
            there = table.get(key(moved), {}).get(eqn.out.shape)
            if there is not None:
                found[eqn.out.name] = there
    return found
