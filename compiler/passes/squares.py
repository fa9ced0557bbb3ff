"""``-x * x`` is ``-(x * x)``: minus a square, which is not above 0, and whose derivative is one term."""

from __future__ import annotations

from dataclasses import replace

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Access, Eqn, Graph, Scan
from ..graph.rewrite import normalise


def run(graph: Graph) -> Graph:
    negated: dict[str, str] = {}  # a value, and what it is minus of, place by place
    eqns: list[Eqn | Scan] = []
    for eqn in graph.eqns:
        if isinstance(eqn, Eqn):
            eqn = _square(eqn, negated)
            if eqn.body is E.make("neg", E.arg(0)) and not eqn.reduce and not eqn.drop and eqn.args[0].fill is None:
                if eqn.plain_out is not None and tuple(ix.plain for ix in eqn.args[0].index) == eqn.plain_out:
                    negated[eqn.out.name] = eqn.args[0].value
        eqns.append(eqn)
    same = all(a is b for a, b in zip(eqns, graph.eqns, strict=True))
    return graph if same else graph.with_eqns(tuple(eqns))


def _square(eqn: Eqn, negated: dict[str, str]) -> Eqn:
    if eqn.reduce:  # a product of arrays, which has kernels of its own
        return eqn
    mapping: dict[Expr, Expr] = {}
    for node in E.walk(eqn.body):
        if node.op == "mul":
            a, b = node.args
            for minus, plain in ((a, b), (b, a)):
                if minus is E.make("neg", plain) or _opposite(minus, plain, eqn, negated):
                    mapping[node] = E.make("neg", E.make("mul", plain, plain))
    return normalise(replace(eqn, body=E.substitute(eqn.body, mapping))) if mapping else eqn


def _opposite(minus: Expr, plain: Expr, eqn: Eqn, negated: dict[str, str]) -> bool:
    """Do they read a value and what it is minus of, at the same place?"""
    if minus.op != "arg" or plain.op != "arg":
        return False
    assert isinstance(minus.value, int) and isinstance(plain.value, int)
    a, b = eqn.args[minus.value], eqn.args[plain.value]
    return a.value in negated and Access(negated[a.value], a.index, a.fill) == b and a.fill is None
