"""An axis that is read through // and %, as in flattening an image, becomes loops over its digits: nothing is divided."""

from __future__ import annotations

from dataclasses import replace

from ..graph.ir import Eqn, Graph, Quot, Rem
from ..graph.patterns import written_all
from ..graph.rewrite import split_axis


def run(graph: Graph) -> Graph:
    eqns = tuple(_split(e) if isinstance(e, Eqn) else e for e in graph.eqns)
    return graph.with_eqns(eqns) if any(a is not b for a, b in zip(eqns, graph.eqns, strict=True)) else graph


def _split(eqn: Eqn) -> Eqn:
    if eqn.reduce != "" or eqn.plain_out is None or eqn.out.kind != "real":
        return eqn
    after = eqn
    while True:
        found = next(((a, atom.b) for access in after.args for ix in access.index for atom, _ in ix.terms
                      if isinstance(atom, Quot | Rem) and atom.a.plain is not None
                      for a in after.axes if a.name == atom.a.plain), None)  # fmt: skip
        if found is None:
            break
        axis, low = found
        high = axis.extent.divide_exactly(low)
        if high is None:
            return eqn
        after = split_axis(after, axis, high, low)
    if after is eqn:
        return eqn
    after = replace(after, reduce="+")  # as one says of what is not written plainly
    return after if written_all(after) else eqn
