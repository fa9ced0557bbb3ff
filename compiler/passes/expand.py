"""Write log-sum-exp out as it is evaluated: with the maximum taken away, so that nothing overflows."""

from __future__ import annotations

from dataclasses import replace

from ..graph import expr as E
from ..graph.ir import Access, Axis, Eqn, Graph, Scan, Value, at
from ..graph.rewrite import Namer, normalise


def run(graph: Graph) -> Graph:
    name = Namer(graph.values())
    eqns: list[Eqn | Scan] = []
    for eqn in graph.eqns:
        if isinstance(eqn, Eqn) and eqn.reduce == "lse":
            eqns.extend(_expand(eqn, name))
        else:
            eqns.append(eqn)
    return graph.with_eqns(tuple(eqns))


def _expand(eqn: Eqn, name: Namer) -> list[Eqn]:
    top = Value(name(f"{eqn.out.name}_max"), eqn.out.shape)
    shift = Value(name(f"{eqn.out.name}_shift"), eqn.out.shape)
    total = Value(name(f"{eqn.out.name}_sum"), eqn.out.shape)
    largest = replace(eqn, out=top, reduce="max", op="max", origin=replace(eqn.origin, note="the largest, taken away below"))
    extents = eqn.extents
    axes = tuple(Axis(name, extents[name]) for name in eqn.plain_out or ())
    index = tuple(at(a.name) for a in axes)
    # all -inf or a +inf: nothing is taken away, and the sum is 0 or inf as it should be
    finite = E.where(E.make("eq", E.call("abs", E.arg(0)), E.INF), E.ZERO, E.arg(0))
    moved = Eqn(shift, axes, index, "", (Access(top.name, index),), finite, "where", replace(eqn.origin, note=""))
    k = len(eqn.args)
    body = E.call("exp", E.make("sub", eqn.body, E.arg(k)))
    summed = replace(eqn, out=total, reduce="+", args=(*eqn.args, Access(shift.name, eqn.out_index)), body=body, op="sum",
                     origin=replace(eqn.origin, note="at most 1 each"))  # fmt: skip
    reads = (Access(shift.name, index), Access(total.name, index))
    last = Eqn(eqn.out, axes, index, "", reads, E.make("add", E.arg(0), E.call("log", E.arg(1))), "logsumexp", eqn.origin)
    return [largest, moved, normalise(summed), last]
