"""Drop the equations that no output needs."""

from __future__ import annotations

from ..graph.ir import Eqn, Graph, Scan, outs


def run(graph: Graph) -> Graph:
    needed = set(graph.outputs)
    kept: list[Eqn | Scan] = []
    for eqn in reversed(graph.eqns):
        if any(out.name in needed for out in outs(eqn)):
            needed.update(eqn.reads())
            kept.append(eqn)
    return graph.with_eqns(tuple(reversed(kept)))
