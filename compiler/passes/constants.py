"""Carry constants into what reads them and tidy the products that the backward pass made: (1/N) * x is x / N."""

from __future__ import annotations

from dataclasses import replace

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Eqn, Graph, Scan
from ..graph.rewrite import normalise


def tidy(body: Expr) -> Expr:
    """``body`` without products by 1, and with 1/a * b written b / a."""
    done: dict[Expr, Expr] = {}
    for node in E.walk(body):
        args = tuple(done[a] for a in node.args)
        new = E.fold_node(node, args) if node.op in ("mul", "div", "neg", "add", "sub") else E.rebuild(node, args)
        done[node] = _quotients(new)
    return done[body]


def _quotients(node: Expr) -> Expr:
    if node.op == "mul":
        a, b = node.args
        if a.op == "div" and a.args[0] is E.ONE:
            return E.div(b, a.args[1])
        if b.op == "div" and b.args[0] is E.ONE:
            return E.div(a, b.args[1])
    if node.op == "where" and node.args[0].op == "eq" and node.args[1] is E.ZERO:
        left, right = node.args[0].args
        if left.number is not None and right.number is not None:
            return E.ZERO if left is right else node.args[2]
        if right is E.ZERO and _scale(left):
            return node.args[2]
    return node


def _scale(node: Expr) -> bool:
    """Made of numbers and sizes, such as 1/N: where there is a point to compute, it is not 0."""
    if node.op in ("mul", "div", "neg"):
        return all(_scale(a) for a in node.args)
    return node.op == "size" or (node.number is not None and node.number != 0)


def _uniform(eqn: Eqn) -> bool:
    """The same number at every point, known before any array is."""
    return eqn.reduce == "" and not eqn.args and eqn.plain_out is not None and not E.leaves(eqn.body, "idx")


def run(graph: Graph) -> Graph:
    known: dict[str, Eqn] = {}
    eqns: list[Eqn | Scan] = []
    for eqn in graph.eqns:
        if not isinstance(eqn, Eqn):
            eqns.append(eqn)
            continue
        mapping = {E.arg(k): known[a.value].body for k, a in enumerate(eqn.args) if a.value in known and a.fill is None}
        if mapping:
            origin = eqn.origin.merge_all(known[a.value].origin for a in eqn.args if a.value in known)
            body = E.substitute(eqn.body, mapping)
            if eqn.origin.rule != "source":  # the user's own 0/N stays what it is
                body = tidy(body)
            eqn = normalise(replace(eqn, body=body, origin=replace(origin, rule=eqn.origin.rule)))
        elif eqn.origin.rule.startswith("vjp"):
            eqn = normalise(replace(eqn, body=tidy(eqn.body)))
        if _uniform(eqn):
            known[eqn.out.name] = eqn
        eqns.append(eqn)
    return graph.with_eqns(tuple(eqns))
