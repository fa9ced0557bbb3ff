"""A matrix that every step of a loop multiplies with and reads across its rows is transposed once, in front of the loop: the
matrix kernel then reads it as it lies, and packs nothing."""

from __future__ import annotations

from dataclasses import replace

from ..graph import expr as E
from ..graph.ir import Access, Axis, Eqn, Graph, Scan, Value, at
from ..graph.rewrite import Namer
from .products import classify


def run(graph: Graph) -> Graph:
    if not any(isinstance(eqn, Scan) for eqn in graph.eqns):
        return graph
    name = Namer(graph.values())
    eqns: list[Eqn | Scan] = []
    for eqn in graph.eqns:
        if isinstance(eqn, Scan):
            body = run(eqn.body)
            taken, eqn = _transposed(eqn if body is eqn.body else replace(eqn, body=body), name)
            eqns += taken
        eqns.append(eqn)
    changed = len(eqns) != len(graph.eqns) or any(a is not b for a, b in zip(eqns, graph.eqns, strict=True))
    return graph.with_eqns(tuple(eqns)) if changed else graph


def _transposed(scan: Scan, name: Namer) -> tuple[list[Eqn], Scan]:
    body = scan.body
    first = len(scan.initial) + len(scan.slices)
    outside = {v.name: outer for v, outer in zip(body.inputs[first:], scan.captured, strict=True)}
    inner = Namer(body.values())
    taken: list[Eqn] = []
    more: list[Value] = []
    eqns: list[Eqn | Scan] = []
    for eqn in body.eqns:
        k = _across(eqn) if isinstance(eqn, Eqn) else None
        if k is not None and isinstance(eqn, Eqn) and eqn.args[k].value in outside:
            access, extents = eqn.args[k], eqn.extents
            names = [n for ix in access.index for n in ix.axes()]
            columns = next(n for n in reversed(eqn.plain_out or ()) if n in names)
            order = [*(n for n in names if n != columns), columns]
            shape = tuple(extents[n] for n in order)
            value = Value(name(f"{access.value}_T"), shape)
            axes = tuple(Axis(n, extents[n]) for n in order)
            index = tuple(at(n) for n in order)
            read = replace(access, value=outside[access.value])
            origin = replace(eqn.origin, note="transposed once for all steps")
            taken.append(Eqn(value, axes, index, "", (read,), E.arg(0), "transpose", origin))
            local = Value(inner(value.name), shape)
            more.append(local)
            outside[local.name] = value.name
            eqn = replace(eqn, args=(*eqn.args[:k], Access(local.name, index), *eqn.args[k + 1 :]))
        eqns.append(eqn)
    if not taken:
        return [], scan
    body = replace(body, inputs=(*body.inputs, *more), eqns=tuple(eqns))
    return taken, replace(scan, body=body, captured=(*scan.captured, *(outside[v.name] for v in more)))


def _across(eqn: Eqn) -> int | None:
    """The operand of a matrix product that has its columns, and not next to each other."""
    product = classify(eqn)
    if product is None or not eqn.plain_out:
        return None
    columns = eqn.plain_out[-1]
    for k, access in enumerate(eqn.args):
        names = [n for ix in access.index for n in ix.axes()]
        simple = len(names) == len(set(names)) and all(len(ix.terms) <= 1 for ix in access.index)
        if simple and columns in names and columns not in access.index[-1].axes():
            return k
    return None
