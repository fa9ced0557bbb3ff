"""Drop the equations that no output needs; of a loop also the carries, emits and operands that nothing needs."""

from __future__ import annotations

from dataclasses import replace

from ..graph.ir import Eqn, Graph, Scan, outs


def run(graph: Graph) -> Graph:
    needed = set(graph.outputs)
    kept: list[Eqn | Scan] = []
    changed = False
    for eqn in reversed(graph.eqns):
        if any(out.name in needed for out in outs(eqn)):
            if isinstance(eqn, Scan):
                before, eqn = eqn, _loop(eqn, needed)
                changed = changed or eqn is not before
            needed.update(eqn.reads())
            kept.append(eqn)
    changed = changed or len(kept) != len(graph.eqns)
    return graph.with_eqns(tuple(reversed(kept))) if changed else graph


def _loop(scan: Scan, needed: set[str]) -> Scan:
    body, count, last = scan.body, len(scan.initial), len(scan.outs) - 1
    wanted = {k for k, o in enumerate(scan.outs) if o.name in needed or (scan.until and k == last)}
    while True:  # a carry that reaches what is needed, at this step or the next
        read = _ancestors(body, {body.outputs[k] for k in wanted})
        more = {k for k in range(count) if body.inputs[k].name in read} - wanted
        if not more:
            break
        wanted |= more
    given = (*scan.initial, *scan.slices, *scan.captured)
    places = [k for k, v in enumerate(body.inputs) if (k in wanted if k < count else v.name in read)]
    sliced = count + len(scan.slices)
    results = [k for k in range(len(scan.outs)) if k in wanted]
    inner = replace(body, inputs=tuple(body.inputs[k] for k in places), outputs=tuple(body.outputs[k] for k in results),
                    consts=tuple(c for c in body.consts if c.value.name in read))  # fmt: skip
    inner = run(inner)
    if len(places) == len(body.inputs) and len(results) == len(body.outputs) and inner.eqns == body.eqns:
        return scan
    return replace(
        scan, outs=tuple(scan.outs[k] for k in results), body=inner, initial=tuple(given[k] for k in places if k < count),
        slices=tuple(given[k] for k in places if count <= k < sliced), captured=tuple(given[k] for k in places if k >= sliced),
    )  # fmt: skip


def _ancestors(body: Graph, names: set[str]) -> set[str]:
    read = set(names)
    for eqn in reversed(body.eqns):
        if any(o.name in read for o in outs(eqn)):
            read.update(eqn.reads())
    return read
