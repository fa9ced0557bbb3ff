"""Write formulas out as they are evaluated: log-sum-exp with the maximum taken away, so that nothing overflows, and the
cross-entropy of a sigmoid so that nothing cancels."""

from __future__ import annotations

from dataclasses import replace

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Access, Axis, Eqn, Graph, Scan, Value, at
from ..graph.rewrite import Namer, normalise


def run(graph: Graph) -> Graph:
    name = Namer(graph.values())
    eqns: list[Eqn | Scan] = []
    for eqn in graph.eqns:
        if isinstance(eqn, Eqn) and eqn.reduce == "lse":
            eqns.extend(expand_lse(eqn, name))
        elif isinstance(eqn, Eqn) and (body := _cross_entropy(eqn.body)) is not eqn.body:
            eqns.append(replace(eqn, body=body))
        else:
            eqns.append(eqn)
    return graph.with_eqns(tuple(eqns))


def expand_lse(eqn: Eqn, name: Namer) -> list[Eqn]:
    """The largest, what is taken away, the sum of the terms that are left, and the logarithm."""
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


def _cross_entropy(body: Expr) -> Expr:
    """``softplus(z) - y*z`` as ``softplus(-abs(z)) + (max(z, 0) - y*z)``: where z is large and y is 1, the small loss that is
    left has all its digits, since what stands in the parentheses is exactly 0."""
    found: dict[Expr, Expr] = {}
    for node in E.walk(body):
        if node.op != "sub":
            continue
        a, b = node.args
        gate, product = (a, b) if a.op == "softplus" else (b, a)
        if gate.op == "softplus" and product.op == "mul" and (z := gate.args[0]) in product.args:
            small, whole = E.call("softplus", E.make("neg", E.call("abs", z))), E.make("max", z, E.ZERO)
            if gate is a:
                found[node] = E.make("add", small, E.make("sub", whole, product))
            else:
                found[node] = E.make("sub", E.make("sub", product, whole), small)
    return E.substitute(body, found) if found else body
