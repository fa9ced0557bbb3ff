"""Compute equal things once: equations that are equal up to the names of their axes become one."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from ..graph import expr as E
from ..graph.ir import Access, Eqn, Graph, Scan
from ..graph.rewrite import prune, rename_axes
from .names import is_sealed, is_temporary, rename_reads

_COMMUTATIVE = ("add", "mul", "max", "min", "eq", "ne", "and", "or")


def key(eqn: Eqn) -> Hashable:
    """What the equation computes, whatever its axes and its result are called."""
    order = {a.name: f"a{k}" for k, a in enumerate(eqn.axes)}
    eqn = prune(rename_axes(eqn, order.__getitem__))
    args, body = eqn.args, eqn.body
    if body.op in _COMMUTATIVE and body.args == (E.arg(0), E.arg(1)) and _rank(args[1]) < _rank(args[0]):
        args = (args[1], args[0])
    return (eqn.axes, eqn.out_index, eqn.out.shape, eqn.out.kind, eqn.reduce, args, body, eqn.drop)


def _rank(access: Access) -> str:
    return str(access)


def run(graph: Graph) -> Graph:
    seen: dict[Hashable, str] = {}
    place: dict[str, int] = {}
    same: dict[str, str] = {}  # what is read instead
    shown: dict[str, str] = {}  # the name that a first equation took over from a later one
    outputs = set(graph.outputs)
    eqns: list[Eqn | Scan] = []
    for eqn in graph.eqns:
        eqn = rename_reads(eqn, same)
        if not isinstance(eqn, Eqn):
            eqns.append(eqn)
            continue
        if is_sealed(eqn.out.name):  # what is only equal to it does not depend on it
            eqns.append(eqn)
            continue
        found = key(eqn)
        first = seen.get(found)
        name = eqn.out.name
        if first is None:
            seen[found], place[name] = name, len(eqns)
            eqns.append(eqn)
            continue
        same[name] = first
        if is_temporary(first) and first not in shown and not is_temporary(name) and first not in outputs:
            # the reader looks for the user's name: the first equation takes it over
            k = place[first]
            old = eqns[k]
            assert isinstance(old, Eqn)
            eqns[k] = replace(old, out=eqn.out, origin=old.origin.merge(eqn.origin))
            shown[first] = name
        elif name in outputs:
            eqns.append(eqn)
    return graph.with_eqns(tuple(rename_reads(eqn, shown) for eqn in eqns) if shown else tuple(eqns))
