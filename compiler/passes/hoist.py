"""What no step of a loop waits for. What is the same at every step and there already outside is read from there, and a product
of it is taken once, before the loop. A product of what a step is given, as x[:, t] @ W, is taken for all steps at once, and each
step reads its own: where it takes longer than to be written and read (``costs``)."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from ..graph import expr as E
from ..graph.ir import Eqn, Graph, Scan, Value
from ..graph.rewrite import Namer
from ..graph.shapes import Shape
from . import costs
from .cse import key
from .names import is_sealed, rename_reads
from .steps import ancestors, carried, for_all, whole

Known = dict[Hashable, dict[Shape, str]]  # what is computed, by shape


def run(graph: Graph) -> Graph:
    if not any(isinstance(eqn, Scan) for eqn in graph.eqns):
        return graph
    name = Namer(graph.values())
    known: Known = {}
    eqns: list[Eqn | Scan] = []
    changed = False
    for eqn in graph.eqns:
        if isinstance(eqn, Scan):
            inner = run(eqn.body)
            taken, after = _out_of(eqn if inner is eqn.body else replace(eqn, body=inner), known, name)
            given, after = _for_all_steps(after, name)
            changed = changed or after is not eqn
            eqns += [*taken, *given]
            eqn = after
        elif not is_sealed(eqn.out.name):
            known.setdefault(key(eqn), {}).setdefault(eqn.out.shape, eqn.out.name)
        eqns.append(eqn)
    return graph.with_eqns(tuple(eqns)) if changed else graph


def _out_of(scan: Scan, known: Known, name: Namer) -> tuple[list[Eqn], Scan]:
    """The equations that now stand before the loop, and the loop without them."""
    body = scan.body
    first = len(scan.initial) + len(scan.slices)
    outside = {v.name: outer for v, outer in zip(body.inputs[first:], scan.captured, strict=True)}
    taken: list[Eqn] = []
    gone: dict[str, Value] = {}
    for eqn in body.eqns:
        if not isinstance(eqn, Eqn) or eqn.out.name in body.outputs or not eqn.args or E.is_drawn(eqn.body):
            continue
        if any(read not in outside for read in eqn.reads()):
            continue
        moved = rename_reads(eqn, outside)
        assert isinstance(moved, Eqn)
        same = known.setdefault(key(moved), {})
        there = same.get(eqn.out.shape)
        if there is None and _is_product(eqn):
            there = same[eqn.out.shape] = name(eqn.out.name)
            taken.append(replace(moved, out=replace(eqn.out, name=there)))
        if there is not None:
            outside[eqn.out.name], gone[eqn.out.name] = there, eqn.out
    if not gone:
        return [], scan
    body = replace(body, inputs=(*body.inputs, *gone.values()),
                   eqns=tuple(e for e in body.eqns if not isinstance(e, Eqn) or e.out.name not in gone))  # fmt: skip
    return taken, replace(scan, body=body, captured=(*scan.captured, *(outside[n] for n in gone)))


def _is_product(eqn: Eqn) -> bool:
    """A sum of products of reads that are inside wherever the indices point: it may be taken also where no step is."""
    factors = eqn.body.op == "mul" and all(a.op == "arg" for a in eqn.body.args)
    return eqn.reduce == "+" and factors and eqn.plain_out is not None and not any(g for a in eqn.args for i in a.index
                                                                                  for g in i.gathers())  # fmt: skip


def _for_all_steps(scan: Scan, name: Namer) -> tuple[list[Eqn], Scan]:
    """The products that wait for no step, and what they are made of: now before the loop, with the steps as an axis. And the
    loop that is given them."""
    if not whole(scan):
        return [], scan
    body, first, last = scan.body, len(scan.initial), len(scan.initial) + len(scan.slices)
    waiting = carried(scan, body)
    free = [e for e in body.eqns if isinstance(e, Eqn) and e.out.name not in waiting]
    varying = {v.name: outer for v, outer in zip(body.inputs[first:last], scan.slices, strict=False)}
    names = {v.name: outer for v, outer in zip(body.inputs[last:], scan.captured, strict=True)}
    products: list[Eqn] = []
    moves = set(varying)
    for eqn in free:
        if not moves.isdisjoint(eqn.reads()):
            moves.add(eqn.out.name)
            if costs.is_product(eqn) and eqn.out.name not in body.outputs:
                products.append(eqn)
    needed = ancestors(free, (e.out.name for e in products))
    if not products:
        return [], scan
    taken: list[Eqn] = []
    for eqn in free:
        inner = eqn.out
        if inner.name not in needed:
            continue
        outer = name(inner.name)
        if inner.name in moves:
            taken.append(for_all(eqn, scan.axis, varying, names, Value(outer, (scan.axis.extent, *inner.shape), inner.kind)))
            varying[inner.name] = outer
        else:
            moved = rename_reads(eqn, names)
            assert isinstance(moved, Eqn)
            taken.append(replace(moved, out=replace(inner, name=outer)))
            names[inner.name] = outer
    read = {n for e in body.eqns if e not in products for n in e.reads()}
    given = [e.out for e in products if e.out.name in read]
    gone = {v.name for v in given}
    body = replace(body, inputs=(*body.inputs[:last], *given, *body.inputs[last:]),
                   eqns=tuple(e for e in body.eqns if not isinstance(e, Eqn) or e.out.name not in gone))  # fmt: skip
    return taken, replace(scan, body=body, slices=(*scan.slices, *(varying[v.name] for v in given)))
