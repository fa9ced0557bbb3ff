"""What the backward pass knows before any loop comes first: numbers made of what is handed in, as the seed over N. Between the
loop of a loss and that of its gradient they would keep these from being one."""

from __future__ import annotations

from ..graph.ir import Eqn, Graph, Scan
from .factors import backward


def run(graph: Graph) -> Graph:
    known = {v.name for v in graph.inputs} | {c.value.name for c in graph.consts}
    first: list[Eqn | Scan] = []
    rest: list[Eqn | Scan] = []
    for eqn in graph.eqns:
        number = isinstance(eqn, Eqn) and not eqn.axes and not eqn.out.shape and backward(eqn.origin)
        if isinstance(eqn, Eqn) and number and known.issuperset(eqn.reads()):
            known.add(eqn.out.name)
            first.append(eqn)
        else:
            rest.append(eqn)
    eqns = (*first, *rest)
    return graph if eqns == graph.eqns else graph.with_eqns(eqns)
