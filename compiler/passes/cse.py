"""Compute equal things once: equations that are equal up to the names of their axes become one."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from ..graph.ir import Eqn, Graph, Scan
from ..graph.rewrite import canonical
from .names import is_sealed, is_temporary, rename_reads


def key(eqn: Eqn) -> Hashable:
    """What the equation computes, whatever its axes and its result are called."""
    eqn = canonical(eqn)
    return (eqn.axes, eqn.out_index, eqn.out.shape, eqn.out.kind, eqn.reduce, eqn.args, eqn.body, eqn.drop)


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
