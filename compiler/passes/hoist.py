"""What a loop's body computes the same at every step: where it is there already outside, it is read from there, and a product of
values that the loop only captures is taken once, before the loop."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from ..graph import expr as E
from ..graph.ir import Eqn, Graph, Scan, Value
from ..graph.rewrite import Namer
from ..graph.shapes import Shape
from .cse import key
from .names import is_sealed, rename_reads

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
            changed = changed or after is not eqn
            eqns += taken
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
