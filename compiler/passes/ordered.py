"""The largest of relus is the relu of the largest: what keeps order is computed once for a window, not for each element of it.

Only where a function is its argument or a number, as relu and relu6 are: elsewhere rounding may make equal what was not, and the
gradient would go to another winner. Where all of a window is flattened to that number, no winner's gradient gets through.
"""

from __future__ import annotations

from dataclasses import replace

from ..graph import expr as E
from ..graph.bounds import inside
from ..graph.expr import Expr
from ..graph.ir import Access, Eqn, Graph, Scan, Value, at, fixed
from ..graph.rewrite import Namer, substitute_access, substitute_ix
from ..ops.words import is_temporary

MOST = 16  # places of a window that are looked at


def run(graph: Graph) -> Graph:
    readers: dict[str, int] = dict.fromkeys(graph.outputs, 2)
    for each in graph.eqns:
        for read in each.reads():
            readers[read] = readers.get(read, 0) + (2 if isinstance(each, Scan) else 1)
    name = Namer(graph.values())
    waiting: dict[str, Eqn] = {}
    eqns: list[Eqn | Scan] = []
    for eqn in graph.eqns:
        if isinstance(eqn, Scan):
            eqns.append(eqn)
            continue
        source = waiting.get(eqn.args[0].value) if eqn.args else None
        if source is not None and _picks(eqn, source.out):
            eqns.remove(source)
            eqns += _exchanged(source, eqn, name(f"{eqn.out.name}_t1"))
            continue
        if readers.get(eqn.out.name) == 1 and is_temporary(eqn.out.name) and _maps(eqn):
            waiting[eqn.out.name] = eqn
        eqns.append(eqn)
    same = len(eqns) == len(graph.eqns) and all(a is b for a, b in zip(eqns, graph.eqns, strict=True))
    return graph if same else graph.with_eqns(tuple(eqns))


def _picks(eqn: Eqn, source: Value) -> bool:
    """Is it the largest or smallest of what it reads? What lies around that never is, or each window has something inside."""
    if eqn.reduce not in ("max", "min") or eqn.plain_out is None or eqn.body is not E.arg(0):
        return False
    if not all((a.extent.value or 0) >= 1 for a in eqn.reduced):  # of nothing there is no largest
        return False
    (read,) = eqn.args
    if read.fill is None:
        return True
    if read.fill != ("-inf" if eqn.reduce == "max" else "inf"):
        return False
    windows = {a.name: a.extent.value or 0 for a in eqn.reduced}
    extents = {a.name: a.extent for a in eqn.axes}
    seen: set[str] = set()
    for ix, extent in zip(read.index, source.shape, strict=True):
        here = [n for n in ix.axes() if n in windows]
        if any(ix.gathers()) or len(here) > 1 or not seen.isdisjoint(here):
            return False
        seen.update(here)
        places = [substitute_ix(ix, {n: fixed(k)}, {}) for n in here for k in range(min(windows[n], MOST))] or [ix]
        if not any(inside(place, extent, extents) for place in places):
            return False
    return True


def _maps(eqn: Eqn) -> bool:
    """Is each element made of one of its argument, by what keeps order?"""
    if eqn.reduce or eqn.plain_out is None or len(eqn.args) != 1 or eqn.args[0].fill is not None:
        return False
    index = eqn.args[0].index
    if len(index) != len(eqn.plain_out) or {ix.plain for ix in index} != {*eqn.plain_out}:
        return False
    return eqn.body.op == "where" and keeps_order(eqn.body, E.arg(0))


def keeps_order(body: Expr, x: Expr) -> bool:
    """``where(x <= c, d, rest)`` with d <= c, or ``where(x >= c, d, rest)`` with d >= c, and rest likewise or x itself: never
    falling, nowhere rounded, flat where it is a number (its ends included), and NaN where x is."""
    if body is x:
        return True
    if body.op != "where":
        return False
    condition, flat, rest = body.args
    if condition.op not in ("le", "ge") or condition.args[0] is not x:
        return False
    c, d = condition.args[1].number, flat.number
    if c is None or d is None or not (d <= c if condition.op == "le" else d >= c):
        return False
    if not keeps_order(rest, x):
        return False
    while rest is not x:  # the numbers further inside are on the right side of this one
        inner = rest.args[1].number
        if inner is None or not (inner >= d if condition.op == "le" else inner <= d):
            return False
        rest = rest.args[2]
    return True


def _exchanged(source: Eqn, reduction: Eqn, first: str) -> tuple[Eqn, Eqn]:
    (read,) = reduction.args
    assert source.plain_out is not None and reduction.plain_out is not None
    extents = {a.name: a.extent for a in reduction.axes}
    place = dict(zip(source.plain_out, read.index, strict=True))
    value = Value(first, reduction.out.shape)
    within = all(inside(ix, d, extents) for ix, d in zip(read.index, source.out.shape, strict=True))
    fill = None if within else read.fill
    picked = replace(reduction, out=value, args=(replace(substitute_access(source.args[0], place, extents), fill=fill),))
    axes = tuple(a for a in reduction.axes if a not in reduction.reduced)
    index = tuple(at(name) for name in reduction.plain_out)
    note = f"of the {'largest' if reduction.reduce == 'max' else 'smallest'}: it keeps order"
    mapped = replace(source, out=reduction.out, axes=axes, out_index=index, args=(Access(first, index),),
                     origin=replace(source.origin, note=note))  # fmt: skip
    return picked, mapped
