"""A maximum or minimum over several axes becomes one over each axis in turn, the last first.

Ties then go to the first element in row-major order, as the language promises.
"""

from __future__ import annotations

from dataclasses import replace

from ..graph import expr as E
from ..graph.ir import Access, Eqn, Graph, Scan, Value, at
from ..graph.rewrite import Namer


def run(graph: Graph) -> Graph:
    name = Namer(graph.values())
    eqns: list[Eqn | Scan] = []
    changed = False
    for eqn in graph.eqns:
        if isinstance(eqn, Scan):
            body = run(eqn.body)
            if body is not eqn.body:
                eqn, changed = replace(eqn, body=body), True
        while isinstance(eqn, Eqn) and eqn.reduce in ("max", "min") and len(eqn.reduced) > 1:
            changed = True
            last = eqn.reduced[-1]
            rest = tuple(a for a in eqn.axes if a is not last)
            index = tuple(at(a.name) for a in rest)
            part = Value(name(f"{eqn.out.name}_t1"), tuple(a.extent for a in rest))
            eqns.append(replace(eqn, out=part, axes=(*rest, last), out_index=index))
            eqn = replace(eqn, axes=rest, args=(Access(part.name, index),), body=E.arg(0))
        eqns.append(eqn)
    return graph.with_eqns(tuple(eqns)) if changed else graph
