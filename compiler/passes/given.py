"""A function with a hand-made derivative, and what no gradient goes through, are only their values once the derivatives are
taken: ``given(value, x, slope...)`` is ``value``, ``stop(x)`` is ``x``."""

from __future__ import annotations

from dataclasses import replace

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Eqn, Graph, Scan
from ..graph.rewrite import prune


def run(graph: Graph) -> Graph:
    eqns: list[Eqn | Scan] = []
    changed = False
    for eqn in graph.eqns:
        if isinstance(eqn, Scan):
            inner = run(eqn.body)
            new: Eqn | Scan = eqn if inner is eqn.body else replace(eqn, body=inner)
        else:
            body = plain(eqn.body)
            new = eqn if body is eqn.body else prune(replace(eqn, body=body))
        changed |= new is not eqn
        eqns.append(new)
    return graph.with_eqns(tuple(eqns)) if changed else graph


def plain(body: Expr) -> Expr:
    """The body without ``given`` and ``stop``."""
    done: dict[Expr, Expr] = {}
    for node in E.walk(body):
        if node.op in ("given", "stop"):
            done[node] = done[node.args[0]]
        else:
            args = tuple(done[a] for a in node.args)
            done[node] = node if args == node.args else E.rebuild(node, args)
    return done[body]
