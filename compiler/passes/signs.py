"""Ask what is there for a sign: where y = relu(x), y is above 0 just where x is, and x need not be kept for its sake."""

from __future__ import annotations

from dataclasses import replace

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Access, Eqn, Graph, Scan
from ..graph.rewrite import normalise


def run(graph: Graph) -> Graph:
    made: dict[str, Eqn] = {}  # by what they are made of
    eqns: list[Eqn | Scan] = []
    for eqn in graph.eqns:
        if isinstance(eqn, Eqn):
            eqn = _use(eqn, made)
            if _keeps_sign(eqn):
                made.setdefault(eqn.args[0].value, eqn)
        eqns.append(eqn)
    same = all(a is b for a, b in zip(eqns, graph.eqns, strict=True))
    return graph if same else graph.with_eqns(tuple(eqns))


def _keeps_sign(eqn: Eqn) -> bool:
    """Is it x where x is above 0, and not above 0 elsewhere; NaN where x is? Every element of x has its place in it."""
    x, body = E.arg(0), eqn.body
    if eqn.reduce or eqn.plain_out is None or len(eqn.args) != 1 or eqn.args[0].fill is not None or body.op != "where":
        return False
    (access,) = eqn.args
    if {ix.plain for ix in access.index} != {*eqn.plain_out} or len(access.index) != len(eqn.plain_out):
        return False
    condition, yes, no = body.args
    if condition is E.make("gt", x, E.ZERO):
        yes, no = no, yes
    elif condition is not E.make("le", x, E.ZERO):
        return False
    return no is x and (yes is E.ZERO or _shrunk(yes, x))


def _shrunk(node: Expr, x: Expr) -> bool:
    """A positive multiple of x."""
    if node.op != "mul" or x not in node.args:
        return False
    (factor,) = [a for a in node.args if a is not x] or [x]
    return factor.number is not None and factor.number > 0


def _use(eqn: Eqn, made: dict[str, Eqn]) -> Eqn:
    args = list(eqn.args)
    notes: list[str] = []
    for k, access in enumerate(eqn.args):
        other = made.get(access.value)
        if other is None or access.fill is not None or not _asks_sign(eqn.body, E.arg(k)):
            continue
        assert other.plain_out is not None
        place = {ix.plain: here for ix, here in zip(other.args[0].index, access.index, strict=True)}
        args[k] = Access(other.out.name, tuple(place[name] for name in other.plain_out))
        notes.append(f"{other.out.name} is above 0 where {access.value} is")
    if not notes:
        return eqn
    note = "; ".join(([eqn.origin.note] if eqn.origin.note else []) + notes)
    return normalise(replace(eqn, args=tuple(args), origin=replace(eqn.origin, note=note)))


def _asks_sign(body: Expr, x: Expr) -> bool:
    """Is x read only to be compared with 0, and so that 0 itself counts as below?"""
    asked = {E.make("le", x, E.ZERO), E.make("gt", x, E.ZERO)}
    found = False
    for node in E.walk(body):
        if x in node.args:
            if node not in asked:
                return False
            found = True
    return found
