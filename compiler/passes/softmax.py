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
from .inline import substitute
from .share import match


def run(graph: Graph) -> Graph:
    graph = _differences_inside(graph)
    wanted = _wanted(graph)
    if not wanted:
        return graph
    name = Namer(graph.values())
    parts: dict[str, tuple[str, str]] = {}
    whole: dict[str, list[Eqn]] = {}  # by their log-sum-exp, the equations that are a softmax and nothing more
    eqns: list[Eqn | Scan] = []
    for eqn in graph.eqns:
        if isinstance(eqn, Eqn) and eqn.reduce == "lse" and eqn.out.name in wanted:
            largest, shift, total, last = expand_lse(eqn, name)
            terms = _terms(eqn, shift.out.name, name(f"{eqn.out.name}_exp"))
            order = tuple(at(a.name) for a in terms.axes)
            axes = (*(a for a in eqn.axes if a not in eqn.reduced), *eqn.reduced)
            total = replace(total, reduce="+", axes=axes, out_index=eqn.out_index, body=E.arg(0),
                            args=(Access(terms.out.name, order),))  # fmt: skip
            eqns += [largest, shift, terms, normalise(total), last]
            parts[eqn.out.name] = shift.out.name, total.out.name
        elif isinstance(eqn, Eqn):
            shares = [(node, access) for node, access in _shares(eqn) if access.value in parts]
            eqns.append(_use(eqn, shares, parts, whole))
            if shares and shares[0][0] is eqn.body and eqn.reduce == "" and eqn.plain_out is not None:
                whole.setdefault(shares[0][1].value, []).append(eqn)
        else:
            eqns.append(eqn)
    return graph.with_eqns(tuple(eqns))


def _differences_inside(graph: Graph) -> Graph:
    """exp(d) with d = t - logsumexp(t) as exp(t - logsumexp(t)), wherever d was made."""
    sums = {e.out.name for e in graph.eqns if isinstance(e, Eqn) and e.reduce == "lse" and e.plain_out is not None}
    differences: dict[str, Eqn] = {}
    eqns: list[Eqn | Scan] = []
    for eqn in graph.eqns:
        if isinstance(eqn, Eqn):
            for k, access in enumerate(eqn.args):
                made = differences.get(access.value)
                plain = access.fill is None and eqn.plain_out == tuple(ix.plain for ix in access.index)
                if made is not None and plain and any(n.op == "exp" and n.args[0] is E.arg(k) for n in E.walk(eqn.body)):
                    eqn = substitute(eqn, k, made)
                    break
            if eqn.reduce == "" and eqn.plain_out is not None and eqn.body.op == "sub" and eqn.body.args[1].op == "arg":
                lse = eqn.body.args[1].value
                if isinstance(lse, int) and eqn.args[lse].value in sums and all(a.fill is None for a in eqn.args):
                    differences[eqn.out.name] = eqn
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
    """The terms of the sum, each at most 1, side by side as what they are made from lies."""
    extents = eqn.extents
    whole = max(eqn.args, key=lambda a: len({n for ix in a.index for n in ix.axes()}), default=None)
    lies = [n for ix in (whole.index if whole is not None else ()) for n in ix.axes()]
    names = (*(eqn.plain_out or ()), *(a.name for a in eqn.reduced))
    if all(extents[n].is_one() or n in lies for n in names):
        names = tuple(sorted(names, key=lambda n: lies.index(n) if n in lies else -1))
    axes = tuple(Axis(n, extents[n]) for n in names)
    index = tuple(at(a.name) for a in axes)
    body = E.call("exp", E.make("sub", eqn.body, E.arg(len(eqn.args))))
    args = (*eqn.args, Access(shift, eqn.out_index))
    value = Value(name, tuple(a.extent for a in axes))
    return Eqn(value, axes, index, "", args, body, "exp", replace(eqn.origin, note="at most 1 each"))


def _use(eqn: Eqn, shares: list[tuple[Expr, Access]], parts: dict[str, tuple[str, str]],
         whole: dict[str, list[Eqn]]) -> Eqn:  # fmt: skip
    args = list(eqn.args)
    found: dict[Expr, Expr] = {}
    for node, access in shares:
        there = ((made.out.name, index) for made in whole.get(access.value, ()) if (index := match(made, eqn, node)) is not None)
        softmax = next(there, None)
        k = len(args)
        if softmax is not None:
            args.append(Access(*softmax))
            found[node] = E.arg(k)
            continue
        shift, total = parts[access.value]
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
