"""exp(t - logsumexp(t)) is exp(t - shift) / sum: the terms and the sum that log-sum-exp takes are there already.

One exponential an element instead of two, and none in the backward pass; and the quotient is right to a few ulp however
large t is, where the difference t - logsumexp(t) carries the rounding of t.
"""

from __future__ import annotations

from dataclasses import replace

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Access, Axis, Eqn, Graph, Scan, Value, at
from ..graph.rewrite import Namer, normalise
from .expand import expand_lse


def run(graph: Graph) -> Graph:
    wanted = _wanted(graph)
    if not wanted:
        return graph
    name = Namer(graph.values())
    parts: dict[str, tuple[str, str]] = {}
    eqns: list[Eqn | Scan] = []
    for eqn in graph.eqns:
        if isinstance(eqn, Eqn) and eqn.reduce == "lse" and eqn.out.name in wanted:
            largest, shift, total, last = expand_lse(eqn, name)
            terms = _terms(eqn, shift.out.name, name(f"{eqn.out.name}_exp"))
            order = tuple(at(a.name) for a in terms.axes)
            total = replace(total, reduce="+", axes=terms.axes, out_index=order[: len(total.out.shape)], body=E.arg(0),
                            args=(Access(terms.out.name, order),))  # fmt: skip
            eqns += [largest, shift, terms, normalise(total), last]
            parts[eqn.out.name] = shift.out.name, total.out.name
        elif isinstance(eqn, Eqn):
            eqns.append(_use(eqn, parts))
        else:
            eqns.append(eqn)
    return graph.with_eqns(tuple(eqns))


def _shares(eqn: Eqn) -> list[tuple[Expr, Access]]:
    """The nodes exp(t - v) with v read plainly, and what v reads."""
    found: list[tuple[Expr, Access]] = []
    for node in E.walk(eqn.body):
        if node.op == "exp" and node.args[0].op == "sub" and node.args[0].args[1].op == "arg":
            k = node.args[0].args[1].value
            assert isinstance(k, int)
            if eqn.args[k].fill is None:
                found.append((node, eqn.args[k]))
    return found


def _wanted(graph: Graph) -> set[str]:
    sums = {e.out.name for e in graph.eqns if isinstance(e, Eqn) and e.reduce == "lse" and e.plain_out is not None}
    return {a.value for e in graph.eqns if isinstance(e, Eqn) for _, a in _shares(e) if a.value in sums}


def _terms(eqn: Eqn, shift: str, name: str) -> Eqn:
    """The terms of the sum, each at most 1."""
    extents = eqn.extents
    axes = (*(Axis(n, extents[n]) for n in eqn.plain_out or ()), *eqn.reduced)
    index = tuple(at(a.name) for a in axes)
    body = E.call("exp", E.make("sub", eqn.body, E.arg(len(eqn.args))))
    args = (*eqn.args, Access(shift, eqn.out_index))
    value = Value(name, tuple(a.extent for a in axes))
    return Eqn(value, axes, index, "", args, body, "exp", replace(eqn.origin, note="at most 1 each"))


def _use(eqn: Eqn, parts: dict[str, tuple[str, str]]) -> Eqn:
    args = list(eqn.args)
    found: dict[Expr, Expr] = {}
    for node, access in _shares(eqn):
        if access.value in parts:
            shift, total = parts[access.value]
            k = len(args)
            args += [replace(access, value=shift), replace(access, value=total)]
            found[node] = E.make("div", E.call("exp", E.make("sub", node.args[0].args[0], E.arg(k))), E.arg(k + 1))
    if not found:
        return eqn
    body = _one_quotient(E.substitute(eqn.body, found))
    return normalise(replace(eqn, args=tuple(args), body=body))


def _one_quotient(body: Expr) -> Expr:
    """(e / sum) / n as e / (sum * n)."""
    if body.op == "div" and body.args[0].op == "div":
        inner = body.args[0]
        return E.make("div", inner.args[0], E.make("mul", inner.args[1], body.args[1]))
    return body
