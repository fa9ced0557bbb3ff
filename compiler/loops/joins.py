"""Which equations share a loop: those that run over the same axis, where what one hands to another is handed over at one point
of it, and where none of them keeps the others from being vectorised."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice
from math import prod

from ..graph import expr as E
from ..graph.ir import Access
from ..graph.patterns import special
from ..graph.shapes import size
from ..passes.products import classify, guess, step
from .items import UNROLLED, Item, gate, innermost
from .nest import FEW, Nest

BLOCKED = 64  # a sum that long is taken in blocks
WIDE = 8  # elements of a row that are worth a loop of its own
FUSED = 128  # operations of the equations that share one loop: registers ran out long before, and gcc's time goes with the square



@dataclass
class Group:
    barrier: bool
    axis: str | None
    members: dict[int, tuple[Item, str | None]] = field(default_factory=dict)  # by the items' numbers
    kinds: set[bool] = field(default_factory=set)  # of those for which this is the innermost loop: do they sum along it
    gates: bool = False  # is one of these a sum of gates
    points: int = 0  # of the largest member
    weight: int = 0  # of all members

    def take(self, item: Item, axis: str | None, points: int) -> None:
        self.members[item.serial] = item, axis
        self.points = max(self.points, points)
        self.weight += item.weight

    def axis_of(self, item: Item) -> str:
        axis = self.members[item.serial][1]
        assert axis is not None
        return axis


class Groups:
    """The groups in their order, and those of one kind of axis, so that nobody need look at all of them."""

    def __init__(self) -> None:
        self.all: list[Group] = []
        self._open: dict[object, list[int]] = {}

    def add(self, group: Group, kind: object) -> None:
        """``kind``: of the axis; None where there is no loop."""
        if not group.barrier:
            self._open.setdefault(kind, []).append(len(self.all))
        self.all.append(group)

    def next(self, kind: object, lowest: int) -> int | None:
        """The first group of a kind from ``lowest`` on."""
        found = self._open.get(kind, [])
        k = bisect_left(found, lowest)
        return found[k] if k < len(found) else None

    def close(self, index: int, kind: object) -> None:
        """Nobody looks at this group again."""
        found = self._open[kind]
        k = bisect_left(found, index)
        if k < len(found) and found[k] == index:
            del found[k]

    def candidates(self, kinds: Iterable[object], lowest: int) -> Iterable[int]:
        """The groups of several kinds from ``lowest`` on."""
        lists = [self._open.get(kind, []) for kind in dict.fromkeys(kinds)]
        return merge(*(islice(found, bisect_left(found, lowest), None) for found in lists))


def searches(item: Item) -> bool:
    """Whether it finds where something is largest or smallest: too much for the C compiler to write out, however short the loop.
    Of columns of which one element follows another in memory, many are searched at a time."""
    return item.eqn.reduce in ("argmax", "argmin")


def _scatters(item: Item) -> bool:
    """Whether where it writes is found at run time: a loop of such is not vectorised."""
    return any(True for ix in item.eqn.out_index for _ in ix.gathers())


class Joins:
    """Finds the group that an item may join. ``rounds``: the kinds of axes that products are computed along, image by image."""

    def __init__(self, nest: Nest, rounds: set[object]) -> None:
        self.nest = nest
        self.rounds = rounds

    def barrier(self, item: Item) -> bool:
        if item.scan is not None or (item.alone and item.left):
            return True
        if item.when is not None and item.left:
            return True
        if special(item.eqn):
            return bool(item.left)
        product = classify(item.eqn)
        if product is None or item.round in item.left:
            return False
        return all(a.name in item.left or a.name == item.round for a in (*product.m, *product.n, *product.k))

    def find(self, item: Item, producers: list[Item], groups: Groups, where: dict[int, int], lowest: int,
              along: str | None) -> tuple[int, str | None] | None:  # fmt: skip
        if not item.left:  # statements one after the other
            index = groups.next(None, lowest)
            return None if index is None else (index, None)
        first = along or (item.round if item.round in item.left else self.first_axis(item))
        alone = along is None and self.nest.kind(first) in self.rounds  # over images: never along another axis of theirs
        kinds = {axis: self.nest.kind(axis) for axis in ([along] if along is not None else (first,) if alone else item.left)}
        inside: dict[int, list[Item]] = {}
        for p in producers:
            inside.setdefault(where[p.serial], []).append(p)
        full: list[tuple[int, object]] = []
        found = self._place(item, kinds, first, groups, lowest, inside, full)
        for index, kind in full:
            groups.close(index, kind)
        return found

    def _place(self, item: Item, kinds: Mapping[str, object], first: str, groups: Groups, lowest: int,
               inside: Mapping[int, Sequence[Item]], full: list[tuple[int, object]]) -> tuple[int, str] | None:  # fmt: skip
        """The first group that can take the item, and the axis along which; ``full`` gets those that it is too much for."""
        weight = item.weight
        for index in groups.candidates(kinds.values(), lowest):
            group = groups.all[index]
            kind = self.nest.kind(str(group.axis))
            if group.weight + weight > FUSED:
                full.append((index, kind))
                continue
            for axis in kinds:
                if kinds[axis] != kind or self._mixes(item, axis, group) or self._slows(item, axis, group):
                    continue
                if axis != first and (self.nest.points(item) > group.points or self._across(item, axis, first)):
                    continue  # in the order of these loops it would jump about in memory
                if all(self._aligned(p, group.axis_of(p), item, axis) or self._adds_beside(p, item, axis)
                       for p in inside.get(index, ())):  # fmt: skip
                    return index, axis
        return None

    def _mixes(self, item: Item, axis: str, group: Group) -> bool:
        """Would a running sum join an innermost loop of independent elements, or the reverse? Such a loop is not vectorised;
        where it is long, or sums gates, its sums are taken in blocks, and where it is very short nothing is lost."""
        extent = self.nest.length(axis)
        if axis in self.nest.down:
            return False  # the loop around it is vectorised
        if extent is None or extent >= BLOCKED or extent < 4 or self.nest.deep(item, axis):
            return False
        if not innermost(item) and not any(gate(m) for m, _ in group.members.values()):
            return False
        if group.gates or self.sums_gates(item, axis):
            return False
        return (not self.nest.runs(item, axis)) in group.kinds

    def _across(self, item: Item, axis: str, first: str) -> bool:
        """Would a loop along memory be the outer one, around one that is too much for the C compiler to write out? A short sum is
        not, but a search is, a sum of gates, and what is computed of each element."""
        if searches(item):
            return self.nest.runs(item, first)
        if gate(item) and self.nest.runs(item, first) and self._row(axis):
            return True
        long = (self.nest.length(axis) or WIDE) >= WIDE and axis not in self.nest.strip
        return not item.eqn.reduced and long and axis == self._contiguous(item) and self.nest.deep(item, axis)

    def _row(self, axis: str) -> bool:
        """Whether so many elements lie along it that each has a lane of a vector to itself, and waits for nothing."""
        extent = self.nest.extent[axis].value
        return extent is None or extent >= WIDE

    def _chain(self, item: Item, reduced: Sequence[str]) -> bool:
        """Whether it looks for the largest or smallest of more than the C compiler writes out."""
        count = prod(self.nest.extent[n].value or WIDE for n in reduced if n not in item.short)
        return item.eqn.reduce in ("max", "min") and count > WIDE

    def sums_gates(self, item: Item, axis: str) -> bool:
        return item.eqn.reduce == "+" and innermost(item) and self.nest.runs(item, axis) and gate(item)

    def _slows(self, item: Item, axis: str, group: Group) -> bool:
        """Would a gate be computed one number at a time, in a loop with loops inside, or wait for sums along each row? Where all
        is small it has a loop of its own, which is vectorised."""
        extent = self.nest.length(axis)
        if extent is None or not 4 <= extent < BLOCKED or not self.nest.little(item):
            return False
        members = group.members.values()
        if not self.nest.deep(item, axis):
            if gate(item):
                return any(_scatters(m) or (self.nest.deep(m, a) and self.nest.little(m)) for m, a in members)
            return _scatters(item) and any(gate(m) and not self.nest.deep(m, a) for m, a in members)
        sums = any((self.nest.extent[a].value or 0) > FEW and self.nest.runs(item, a) for a in item.left if a != axis)
        return any(gate(m) and (sums or not self.nest.deep(m, a)) for m, a in members)

    def _aligned(self, producer: Item, its_axis: str, item: Item, axis: str) -> bool:
        """Everything that ``item`` needs from ``producer`` at a point of the loop is there at that point."""
        dims = [d for d, ix in enumerate(producer.eqn.out_index) if ix.plain == its_axis]
        if not dims:
            return False
        (d,) = dims[:1]
        reads = item.reads().get(producer.target, [])
        if item.accumulates and item.target == producer.target:
            reads = [*reads, item.eqn.out_index]
        return all(index is not None and index[d].plain == axis for index in reads)

    def _adds_beside(self, producer: Item, item: Item, axis: str) -> bool:
        """Both add to the same array, where one of them sums along the loop into the same place, or it is there before the
        loop; and nothing asks for what one of them has so far."""
        if not item.accumulates or item.target != producer.target or not item.adds or not producer.adds:
            return False
        return item.target not in item.eqn.reads() and (producer.accumulates or self.nest.runs(item, axis))

    def first_axis(self, item: Item) -> str:
        """The outermost loop of a new nest: output axes first, the one that is contiguous in memory last."""
        eqn = item.eqn
        out = [n for n in item.left if any(n in ix.axes() for ix in eqn.out_index)]
        reduced = [n for n in item.left if n not in out]
        if reduced and out:
            unrolled = {*reduced, *(n for n in out if n in item.short)}
            short = (size(tuple(self.nest.extent[n] for n in unrolled)).value or UNROLLED + 1) <= UNROLLED
            fastest = self._contiguous(item)
            short = short and not (self._row(fastest) and (gate(item) or self._chain(item, reduced)))
            if fastest in out and (searches(item) or (not short and eqn.reduce in ("+", "max", "min", "*"))):
                order = [n for n in out if n != fastest] + reduced + [fastest]
                return next((n for n in order if n not in item.short), order[0])
        order = self._along_source(item) or out + reduced
        return next((n for n in order if n not in item.short), order[0])

    def _along_source(self, item: Item) -> list[str]:
        """The loops of a copy that turns rows into columns: innermost the one along which it writes, before it those that make
        the shortest steps in what it reads, as a line of the cache that was read for one element holds the next ones."""
        eqn = item.eqn
        last = eqn.out_index[-1].plain if eqn.out_index else None
        if eqn.body is not E.arg(0) or eqn.reduce or eqn.plain_out is None or len(eqn.args) != 1 or last not in item.left:
            return []
        source, shape = eqn.args[0], self.nest.values[eqn.args[0].value].shape
        steps = {n: abs(guess(step(source, n, shape))) for n in item.left}
        if source.fill is not None or steps[last] <= 1 or (self.nest.extent[last].value or UNROLLED) < UNROLLED:
            return []
        return [*sorted((n for n in item.left if n != last), key=lambda n: -steps[n]), last]

    def _contiguous(self, item: Item) -> str:
        """The axis along which most is next to one another; what has more axes has more elements."""
        votes = dict.fromkeys(item.left, 0)
        for access in (*item.eqn.args, Access(item.target, item.eqn.out_index)):
            if access.index and access.index[-1].plain in votes:
                votes[str(access.index[-1].plain)] += sum(1 for ix in access.index if ix.terms)
        return max(item.left, key=lambda n: votes[n])
