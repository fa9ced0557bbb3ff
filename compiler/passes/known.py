"""What is known of a call when its kernel is made, as that ``training`` is True, is written into the equations that read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Eqn, Graph, Scan
from ..graph.rewrite import normalise


def settle(graph: Graph, numbers: Mapping[str, Expr]) -> Graph:
    """The graph with the scalar inputs ``numbers`` replaced by what they are. A loop still reads them as they come in."""
    eqns: list[Eqn | Scan] = []
    for eqn in graph.eqns:
        if isinstance(eqn, Eqn) and any(a.value in numbers for a in eqn.args):
            mapping = {E.arg(k): numbers[a.value] for k, a in enumerate(eqn.args) if a.value in numbers}
            eqn = normalise(replace(eqn, body=_fold(eqn.body, mapping)))
        eqns.append(eqn)
    return graph.with_eqns(tuple(eqns))


def _fold(body: Expr, mapping: Mapping[Expr, Expr]) -> Expr:
    """``body`` with known operands; what then decides a choice takes its branch."""
    done: dict[Expr, Expr] = {}
    for node in E.walk(body):
        args = tuple(done[a] for a in node.args)
        new = mapping.get(node, node) if not args else E.rebuild(node, args)
        if node.op == "where" and args[0].number is not None:
            new = args[1] if args[0].number else args[2]
        elif node.op == "not" and args[0].number is not None:
            new = E.const(int(not args[0].number))
        elif node.op in ("and", "or") and (decided := _decided(node.op, args)) is not None:
            new = decided
        elif node.op in ("mul", "add", "sub", "neg") and args != node.args:
            new = E.fold_node(node, args)
        done[node] = new
    return done[body]


def _decided(op: str, args: tuple[Expr, ...]) -> Expr | None:
    for one, other in (args, args[::-1]):
        if one.number is not None and bool(one.number) == (op == "or"):
            return E.const(int(op == "or"))
        if one.number is not None and other.op in (*E.COMPARISONS, *E.LOGIC):
            return other
    return None
