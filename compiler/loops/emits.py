"""What a loop over time emits, written where it is wanted: a stack of steps that is only copied to have sequences first is not
made."""

from __future__ import annotations

from dataclasses import replace

from ..graph import expr as E
from ..graph.ir import Access, Eqn, Graph, Ix, Scan
from ..graph.patterns import special
from ..passes.products import classify

Placed = dict[str, int]  # of an emit: the dimension along which the steps lie


def place(graph: Graph) -> tuple[Graph, Placed]:
    """The graph whose loops emit into the values that stacks were copied to; what else read a stack reads these."""
    stacks = {e.outs[k].name: (e, k) for e in graph.eqns if isinstance(e, Scan) for k in e.emits}
    instead: dict[str, tuple[Eqn, int]] = {}
    for eqn in graph.eqns:
        source = eqn.args[0].value if isinstance(eqn, Eqn) and len(eqn.args) == 1 else ""
        if isinstance(eqn, Eqn) and source in stacks and source not in instead and source not in graph.outputs:
            dimension = _turned(eqn, graph)
            if dimension is not None and _apart(*stacks[source]) and _reads_plainly(graph, source):
                instead[source] = eqn, dimension
    if not instead:
        return graph, {}
    gone = {eqn.out.name for eqn, _ in instead.values()}
    eqns: list[Eqn | Scan] = []
    for each in graph.eqns:
        if isinstance(each, Scan):
            results = tuple(instead[o.name][0].out if o.name in instead else o for o in each.outs)
            eqns.append(replace(each, outs=results))
        elif each.out.name not in gone:
            args = tuple(_reread(a, instead) for a in each.args)
            eqns.append(each if args == each.args else replace(each, args=args))
    return replace(graph, eqns=tuple(eqns)), {eqn.out.name: d for eqn, d in instead.values()}


def _turned(eqn: Eqn, graph: Graph) -> int | None:
    """The dimension to which a copy moves the first one of a stack, all others staying in their order; None if it is no such
    copy, or the steps would lie side by side."""
    if eqn.body is not E.arg(0) or eqn.reduce or eqn.plain_out is None or eqn.drop or eqn.args[0].fill is not None:
        return None
    (read,), out = eqn.args, eqn.plain_out
    index = [ix.plain for ix in read.index]
    if len(out) != len(index) or any(n is None for n in index) or len(set(index)) != len(index):
        return None
    shape = graph.values()[read.value].shape
    if any(eqn.extents[str(n)] != extent for n, extent in zip(index, shape, strict=True)) or index[0] not in out:
        return None
    d = out.index(str(index[0]))
    rest = [n for n in out if n != index[0]]
    return d if rest == index[1:] and d < len(out) - 1 else None


def _apart(scan: Scan, k: int) -> bool:
    """Whether no kernel in the loop touches what it emits there: a kernel knows one distance from row to row."""
    name = scan.body.outputs[k]
    if scan.body.outputs.index(name) < k:
        return True  # a copy is emitted
    for eqn in scan.body.eqns:
        if isinstance(eqn, Scan):
            if name in eqn.reads() or name in {o.name for o in eqn.outs}:
                return False
        elif (classify(eqn) is not None or special(eqn)) and (eqn.out.name == name or name in eqn.reads()):
            return False
    return True


def _reads_plainly(graph: Graph, name: str) -> bool:
    """Is it read by equations only, and not as an index?"""
    for eqn in graph.eqns:
        if isinstance(eqn, Scan):
            if name in eqn.reads():
                return False
            continue
        indices = (*(ix for a in eqn.args for ix in a.index), *eqn.out_index)
        if any(g.value == name for ix in indices for g in ix.gathers()):
            return False
    return True


def _reread(access: Access, instead: dict[str, tuple[Eqn, int]]) -> Access:
    if access.value not in instead:
        return access
    eqn, d = instead[access.value]
    return Access(eqn.out.name, step_of(access.index[1:], access.index[0], d), access.fill)


def step_of(index: tuple[Ix, ...], now: Ix, d: int) -> tuple[Ix, ...]:
    """The index of a stack's element at a step."""
    return (*index[:d], now, *index[d:])
