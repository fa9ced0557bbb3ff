"""What scales every term of a gradient scales their sum: u*a + u*b is u*(a + b), and a/N - b/N is (a - b)/N.

Only in the backward pass, where every term is the seed times something, and only by sizes and by scalars that are handed in,
which are finite. What a user spells out may be scaled so that its terms stay in range."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Eqn, Graph, Origin, Scan
from ..graph.rewrite import normalise

_Scales = Counter[tuple[str, Expr]]  # "mul" or "div", and by what


def run(graph: Graph) -> Graph:
    given = {v.name for v in graph.inputs if not v.shape}
    eqns: list[Eqn | Scan] = []
    for eqn in graph.eqns:
        if isinstance(eqn, Eqn) and not eqn.reduce and backward(eqn.origin):
            scalars = {E.arg(k) for k, a in enumerate(eqn.args) if a.value in given}
            body = _factored(eqn.body, scalars)
            if body is not eqn.body:
                eqn = normalise(replace(eqn, body=body))
        eqns.append(eqn)
    same = all(a is b for a, b in zip(eqns, graph.eqns, strict=True))
    return graph if same else graph.with_eqns(tuple(eqns))


def backward(origin: Origin) -> bool:
    return origin.rule.startswith(("vjp", "fan-out", "seed"))


def _factored(body: Expr, scalars: set[Expr]) -> Expr:
    if body.op not in ("add", "sub"):
        return body
    common: _Scales | None = None
    stack = [body]
    while stack:
        node = stack.pop()
        if node.op in ("add", "sub"):
            stack.extend(node.args)
            continue
        scales = _scales(node, scalars)
        common = scales if common is None else common & scales
        if not common:
            return body
    assert common is not None
    left = _without_all(body, common)
    for (op, scale), count in sorted(common.items(), key=lambda each: (each[0][0], each[0][1].serial)):
        for _ in range(count):
            left = E.div(left, scale) if op == "div" else E.mul(scale, left)
    return left


def _scales(term: Expr, scalars: set[Expr]) -> _Scales:
    """What a product is multiplied and divided by, of scalars and sizes."""
    found: _Scales = Counter()
    stack = [(term, "mul")]
    while stack:
        node, op = stack.pop()
        if node.op == "neg":
            stack.append((node.args[0], op))
        elif node.op == "mul":
            stack.extend((a, op) for a in node.args)
        elif node.op == "div":
            stack.append((node.args[0], op))
            stack.append((node.args[1], "div" if op == "mul" else "mul"))
        elif node.op == "size" or node in scalars:
            found[op, node] += 1
    return found


def _without_all(body: Expr, scales: _Scales) -> Expr:
    """A sum, each of whose terms has these scales, without them."""
    if body.op in ("add", "sub"):
        a, b = (_without_all(each, scales) for each in body.args)
        return E.add(a, b) if body.op == "add" else E.sub(a, b)
    for (op, scale), count in scales.items():
        for _ in range(count):
            found = _without(body, op, scale)
            assert found is not None
            body = found
    return body


def _without(node: Expr, op: str, scale: Expr) -> Expr | None:
    """A product without one of its scales; None if this one is not among them."""
    if op == "mul" and node is scale:
        return E.ONE
    if node.op == "neg":
        inner = _without(node.args[0], op, scale)
        return None if inner is None else E.neg(inner)
    if node.op not in ("mul", "div"):
        return None
    a, b = node.args
    inner = _without(a, op, scale)
    if inner is not None:
        return E.mul(inner, b) if node.op == "mul" else E.div(inner, b)
    other = op if node.op == "mul" else "div" if op == "mul" else "mul"
    inner = _without(b, other, scale)
    if inner is None:
        return None
    return E.mul(a, inner) if node.op == "mul" else E.div(a, inner)
