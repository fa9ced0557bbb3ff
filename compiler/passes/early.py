"""What the backward pass knows before any loop comes first: numbers made of what is handed in, as the seed over N. Between the
loop of a loss and that of its gradient they would keep these from being one."""

from __future__ import annotations

from ..graph.ir import Eqn, Graph, Scan
from .factors import backward


def run(graph: Graph) -> Graph:
    eqns = graph.eqns
    loop = next((k for k, eqn in enumerate(eqns) if isinstance(eqn, Scan) or eqn.axes), len(eqns))
    known = {v.name for v in graph.inputs} | {c.value.name for c in graph.consts}
    known.update(eqn.out.name for eqn in eqns[:loop] if isinstance(eqn, Eqn))
    first: list[Eqn | Scan] = []
    rest: list[Eqn | Scan] = []
    for eqn in eqns[loop:]:
        number = isinstance(eqn, Eqn) and not eqn.axes and not eqn.out.shape and backward(eqn.origin)
        if isinstance(eqn, Eqn) and number and known.issuperset(eqn.reads()):
            known.add(eqn.out.name)
            first.append(eqn)
        else:
            rest.append(eqn)
    return graph.with_eqns((*eqns[:loop], *first, *rest)) if first else graph
