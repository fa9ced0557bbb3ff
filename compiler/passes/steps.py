"""What the steps of a loop wait for, and what a value of theirs is for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..graph import expr as E
from ..graph.ir import Access, Axis, Eqn, Gather, Graph, Ix, Quot, Rem, Scan, Value, at, outs
from ..graph.rewrite import Namer


def whole(scan: Scan) -> bool:
    """Whether every step is taken and what they make may be kept: only then is anything done for all of them at once. A loop
    that may end early would do too much; what it reads at steps not taken is its own affair."""
    return not (scan.until or scan.limit or scan.recompute)


def carried(scan: Scan, body: Graph) -> set[str]:
    """The values of the body that wait for the step before, or may not be moved."""
    found = {v.name for v in (*body.inputs[: len(scan.initial)], *(c.value for c in body.consts))}
    for eqn in body.eqns:
        if isinstance(eqn, Scan) or E.is_drawn(eqn.body) or not found.isdisjoint(eqn.reads()):
            found.update(o.name for o in outs(eqn))
    return found


def ancestors(eqns: Iterable[Eqn | Scan], names: Iterable[str]) -> set[str]:
    """The values that ``names`` need, with themselves. ``eqns`` in order."""
    needed = set(names)
    for eqn in reversed(tuple(eqns)):
        if any(o.name in needed for o in outs(eqn)):
            needed.update(eqn.reads())
    return needed


def for_all(eqn: Eqn, axis: Axis, varying: Mapping[str, str], names: Mapping[str, str], out: Value, summed: bool = False) -> Eqn:
    """The equation of a step for all steps at once: ``varying`` are the values that have the steps as their first axis, ``names``
    those that are the same at each. With ``summed``, the sum over all steps."""
    t = Namer(a.name for a in eqn.axes)(axis.name)

    def index(ixs: tuple[Ix, ...]) -> tuple[Ix, ...]:
        return tuple(Ix(tuple((atom(a), f) for a, f in ix.terms), ix.const) for ix in ixs)

    def atom(a: str | Gather | Quot | Rem) -> str | Gather | Quot | Rem:
        if isinstance(a, str):
            return a
        if isinstance(a, Gather):
            return Gather(*place(a.value, a.index))
        return replace(a, a=index((a.a,))[0])

    def place(value: str, ixs: tuple[Ix, ...]) -> tuple[str, tuple[Ix, ...]]:
        if value in varying:
            return varying[value], (at(t), *index(ixs))
        return names.get(value, value), index(ixs)

    args = tuple(Access(*place(a.value, a.index), a.fill) for a in eqn.args)
    steps = Axis(t, axis.extent)
    note = "the sum over all steps at once" if summed else "for all steps at once"
    if note not in eqn.origin.note:
        eqn = eqn.with_origin(replace(eqn.origin, note=f"{eqn.origin.note}; {note}" if eqn.origin.note else note))
    if summed:
        reduced = {a.name for a in eqn.reduced}
        kept = tuple(a for a in eqn.axes if a.name not in reduced)
        axes = (*kept, steps, *(a for a in eqn.axes if a.name in reduced))
        return replace(eqn, out=out, axes=axes, out_index=index(eqn.out_index), reduce="+", args=args)
    return replace(eqn, out=out, axes=(steps, *eqn.axes), out_index=(at(t), *index(eqn.out_index)), args=args)
