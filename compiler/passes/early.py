"""What the backward pass knows before any loop comes before the first one: numbers made of what is handed in, as the seed over N.
Between the loop of a loss and that of its gradient they would keep these from being one."""

from __future__ import annotations

from ..graph.ir import Eqn, Graph, Scan
from .factors import backward


def run(graph: Graph) -> Graph:
    first: list[Eqn | Scan] = []  # up to the first loop
    rest: list[Eqn | Scan] = []
    known = {v.name for v in graph.inputs} | {c.value.name for c in graph.consts}
    for eqn in graph.eqns:
        number = isinstance(eqn, Eqn) and not eqn.axes and not eqn.out.shape
        moves = not rest or (backward(eqn.origin) and known.issuperset(eqn.reads()))
        if isinstance(eqn, Eqn) and number and moves:
            known.add(eqn.out.name)
            first.append(eqn)
        else:
            rest.append(eqn)
    eqns = (*first, *rest)
    return graph if eqns == graph.eqns else graph.with_eqns(eqns)
