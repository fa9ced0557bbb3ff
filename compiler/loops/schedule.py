"""Which loops are shared. Large matrix products are chosen first; the rest is fused around them. They stay whole, but for those
that are as fast image by image: these share the loop over images with what they read and what reads them.

Equations join a loop when they run over the same axis and everything that one hands to another is handed over at the
same point of that axis. Inside the loop the same is done again with the axes that are left.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from heapq import merge
from itertools import islice
from math import prod

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Access, Atom, Axis, Eqn, Gather, Graph, Ix, Origin, Scan, Value, at, fixed, outs
from ..graph.patterns import ranking, running, special, written_all, written_once
from ..graph.rewrite import Namer, prune, rename_axes, shape_axes, substitute_access, substitute_ix
from ..graph.shapes import Dim, size
from ..language.source import Span
from ..passes import KERNEL, MEMORY, apply
from ..passes.descent import scatters, split
from ..passes.names import rename
from ..passes.products import arrange, classify, guess, step
from ..passes.unroll import windows
from .ir import ArgBest, Assign, Leave, Loop, Move, Node, Product, Rank, Zero

UNROLLED = 16  # a reduction that short stays innermost: the C compiler unrolls it
BLOCKED = 64  # a sum that long is taken in blocks
FUSED = 128  # operations of the equations that share one loop: registers ran out long before, and gcc's time goes with the square
GATE = 4  # operations that a gate counts for: it is written out where it stands
SMALL = 256  # points of an equation, whose value is worth no pass over memory saved
ROUND_ROWS = 256  # rows that a matrix product has in each round of a loop, so that nothing is lost by its being in one
ROUND = 1 << 19  # multiply-adds of it
STRIP = 8  # rounds of a loop over small rows that are taken together
_GATES = frozenset("exp log log1p expm1 sin cos tan tanh sinh cosh asin acos atan atan2 erf sigmoid softplus pow".split())

_INITIAL = {"+": E.ZERO, "*": E.ONE, "max": E.neg(E.INF), "min": E.INF}
_STEP = {"": "=", "+": "+=", "*": "*=", "max": "max=", "min": "min="}


@dataclass(frozen=True)
class Scale:
    """``target = alpha * product + beta * target``, over the scalars in ``args``."""

    alpha: Expr
    beta: Expr
    args: tuple[Access, ...]


@dataclass
class Item:
    """An equation on its way into the nest; its axes have names of their own. A loop over time is one item."""

    eqn: Eqn
    target: str  # what it writes: its own value, or the one that it is accumulated into
    accumulates: bool  # adds to what an earlier item wrote
    serial: int
    left: list[str]
    scan: Scan | None = None
    ready: bool = False  # the accumulator holds its first value
    bound: dict[str, Ix] = field(default_factory=dict)
    short: frozenset[str] = frozenset()  # axes of windows that are written out: no loop
    tile: bool = False  # writes a part of its target that nothing else writes
    scale: Scale | None = None  # of a matrix product: what it is multiplied by, and what was there before
    when: Expr | None = None  # over the arguments of ``eqn``, scalars: where it does not hold nothing is to be done
    round: str = ""  # of a matrix product: the axis of a loop that it may stand in, with what it reads and what reads it

    _reads: dict[str, list[tuple[Ix, ...] | None]] | None = None

    def reads(self) -> dict[str, list[tuple[Ix, ...] | None]]:
        """The indices at which each value is read; None where outside of it something else is read."""
        if self._reads is None:
            self._reads = {}
            for a in (*self.eqn.args, *(self.scale.args if self.scale is not None else ())):
                self._reads.setdefault(a.value, []).append(a.index if a.fill is None else None)
            for ix in (*(i for a in self.eqn.args for i in a.index), *self.eqn.out_index):
                for g in ix.gathers():
                    self._reads.setdefault(g.value, []).append(g.index)
        return self._reads

    @cached_property
    def adds(self) -> bool:
        """Whether it is a sum that loops add up, and no kernel."""
        plain = self.scan is None and self.scale is None and self.when is None and self.eqn.reduce == "+"
        return plain and classify(self.eqn) is None

    @property
    def weight(self) -> int:
        return 1 if self.scan is not None else operations(self.eqn.body)

    @property
    def starts(self) -> bool:
        """Needs a first value: reductions and scatters of their own."""
        if self.accumulates or self.tile or (self.eqn.plain_out is None and written_all(self.eqn)):
            return False
        return self.eqn.reduce != "" or self.eqn.plain_out is None


@lru_cache(maxsize=1 << 12)
def operations(body: Expr) -> int:
    """How much a body is for the C compiler: one at least, and a gate for several."""
    return max(1, sum(GATE if node.op in _GATES else 1 for node in E.walk(body) if node.args))


class Classes:
    """Axes that run along the same dimension of some value, by union-find."""

    def __init__(self) -> None:
        self._parent: dict[object, object] = {}

    def find(self, x: object) -> object:
        parent = self._parent.setdefault(x, x)
        while parent != x:
            self._parent[x] = self._parent[parent]
            x, parent = parent, self._parent[parent]
        return x

    def join(self, a: object, b: object) -> None:
        self._parent[self.find(a)] = self.find(b)


def schedule(graph: Graph, over: Mapping[str, str] | None = None) -> tuple[tuple[Node, ...], tuple[Value, ...]]:
    """The loop nest of a kernel's graph, and the values inside of its loops over time. ``over``: outputs that are written over
    inputs, once nothing else reads these."""
    scheduler = _Scheduler(graph, graph.values(), set())
    scheduler.over = dict(over or {})
    if over:
        scheduler.settle()
    nodes = scheduler.run()
    return nodes, tuple(scheduler.inner)


class _Scheduler:
    def __init__(self, graph: Graph, values: dict[str, Value], taken: set[str], stem: str = "e") -> None:
        self.stem = stem
        self.graph = graph
        self.values = values
        self.inner: list[Value] = []
        self.classes = Classes()
        self.extent: dict[str, Dim] = {}
        self.taken = taken
        self.grows: dict[str, str] = {}  # what is only added to: the value before, in whose place it is
        self.over: dict[str, str] = {}
        self.strip: dict[str, str] = {}  # axes that are taken in strips, with the variable of these
        self.rounds: set[object] = set()  # the kinds of axes that products are computed along, image by image

    def run(self) -> tuple[Node, ...]:
        items = self._items()
        for item in items:
            self._classify(item)
            item.round = self._round(item)
        self.rounds = {self._kind(item.round) for item in items if item.round}
        return tuple(self._fuse(self._early(items), ()))

    def settle(self) -> None:
        """What is written over inputs comes last, each after what still reads its input; of those that read each other's, some
        are computed into places of their own and copied."""
        waiting = {e.out.name: e for e in self.graph.eqns if isinstance(e, Eqn) and e.out.name in self.over}
        eqns: list[Eqn | Scan] = [e for e in self.graph.eqns if not isinstance(e, Eqn) or e.out.name not in waiting]
        last: list[Eqn] = []
        while waiting:
            needed = {name for e in waiting.values() for name in e.reads() if name != self.over[e.out.name]}
            ready = next((name for name in waiting if self.over[name] not in needed), None)
            if ready is not None:
                last.append(waiting.pop(ready))
                continue
            name, eqn = next(iter(waiting.items()))
            value = replace(eqn.out, name=Namer(self.values)(f"{name}_t1"))
            self.values[value.name] = value
            self.inner.append(value)
            eqns.append(replace(eqn, out=value))
            axes = shape_axes(value.shape)
            index = tuple(at(a.name) for a in axes)
            waiting[name] = replace(eqn, axes=axes, out_index=index, args=(Access(value.name, index),), body=E.arg(0))
        self.graph = replace(self.graph, eqns=(*eqns, *last))

    # ------------------------------------------------------------ items

    def _items(self) -> list[Item]:
        into, first = self._accumulations()
        self.grows = {new: old for new, old in self.grows.items() if new in first and first[new].body is E.arg(0)
                      and first[new].args[0].value == old}  # fmt: skip
        scales = self._scales()
        items: list[Item] = []
        waiting: dict[str, list[Eqn]] = {}
        moved = {part.out.name for _, added in scales.values() for part, _ in added}
        for eqn in self.graph.eqns:
            if isinstance(eqn, Eqn) and eqn.out.name in scales:
                rest, added = scales[eqn.out.name]
                if rest is not None:
                    items.append(self._item(rest, eqn.out.name, False, len(items)))
                for part, scale in added:
                    if classify(part) is not None:
                        items.append(self._item(part, eqn.out.name, scale.beta is E.ONE, len(items)))
                        items[-1].scale = scale
                        continue
                    if scale.beta is not E.ONE:
                        decayed = _multiplied(eqn, self.over[eqn.out.name], scale)
                        items.append(self._item(decayed, eqn.out.name, False, len(items)))
                        items[-1].when = E.make("ne", items[-1].eqn.body.args[0], E.ONE)
                    items.append(self._item(_scaled(part, scale), eqn.out.name, True, len(items)))
                continue
            if isinstance(eqn, Eqn) and eqn.out.name in moved:
                continue
            if isinstance(eqn, Scan):
                items.append(Item(_placeholder(eqn), eqn.outs[0].name, False, len(items), [], eqn))
                continue
            if eqn.out.name in into:
                waiting.setdefault(into[eqn.out.name], []).append(eqn)
                continue
            if eqn.out.name in first:
                target, parts = self.grows.get(eqn.out.name, eqn.out.name), waiting[eqn.out.name]
                tiled = first[eqn.out.name].body is E.ZERO and _tiles(parts, eqn.out)
                if target == eqn.out.name and not tiled:
                    items.append(self._item(first[eqn.out.name], target, False, len(items)))
                for part in parts:
                    items.append(replace(self._item(part, target, not tiled, len(items)), tile=tiled))
                continue
            items.append(self._item(eqn, eqn.out.name, False, len(items)))
        return items

    def _accumulations(self) -> tuple[dict[str, str], dict[str, Eqn]]:
        """Sums of several contributions, of which some are reductions or scatters: these add straight into the sum."""
        uses: dict[str, int] = dict.fromkeys(self.graph.outputs, 2)
        made: dict[str, Eqn] = {}
        for eqn in self.graph.eqns:
            if isinstance(eqn, Scan):
                for name in eqn.reads():
                    uses[name] = uses.get(name, 0) + 2
                continue
            made[eqn.out.name] = eqn
            for access in eqn.args:
                uses[access.value] = uses.get(access.value, 0) + 1
            for name in eqn.reads():
                if name not in {a.value for a in eqn.args}:
                    uses[name] = uses.get(name, 0) + 2
        into: dict[str, str] = {}
        first: dict[str, Eqn] = {}
        outputs = frozenset(self.graph.outputs)
        for eqn in made.values():
            if eqn.reduce or eqn.plain_out is None or eqn.body.op != "add" or eqn.out.name in self.over:
                continue
            terms = _terms(eqn.body)
            readers: dict[Expr, int] = {}  # how many of the terms read each operand
            for term in terms:
                for leaf in E.leaves(term, "arg"):
                    readers[leaf] = readers.get(leaf, 0) + 1
            parts: dict[Expr, str] = {}
            for term in terms:
                if term.op != "arg" or not isinstance(term.value, int):
                    continue
                if readers[term] != 1:
                    continue  # another term reads it as well: it must be whole before the sum begins
                access = eqn.args[term.value]
                part = made.get(access.value)
                if part is None or uses[access.value] != 1 or part.out.name in into or part.out.name in first:
                    continue
                if classify(part) is not None and eqn.out.name not in outputs:
                    continue  # added on the way to the next operation: one pass over memory less
                whole = tuple(ix.plain for ix in access.index) == eqn.plain_out and part.out.shape == eqn.out.shape
                if whole and access.fill is None and (part.plain_out is None or part.reduce == "+") and not special(part):
                    parts[term] = access.value
            if not parts or len(parts) != len({*parts.values()}):
                continue
            rest: Expr | None = None
            for term in terms:
                if term not in parts:
                    rest = term if rest is None else E.make("add", rest, term)
            into.update(dict.fromkeys(parts.values(), eqn.out.name))
            first[eqn.out.name] = prune(replace(eqn, body=rest if rest is not None else E.ZERO))
        return into, first

    def _scales(self) -> dict[str, tuple[Eqn | None, list[tuple[Eqn, Scale]]]]:
        """What is written over an input w as ``c * w + d * g``, or as more than that, where g is a matrix product or a scatter:
        what comes first, if it is no multiple of w by a number, and the parts that then add straight to it. A scatter touches
        only its own places: of an embedding, the rows that occur."""
        uses: dict[str, int] = dict.fromkeys(self.graph.outputs, 2)
        for each in self.graph.eqns:
            for name in each.reads() if isinstance(each, Scan) else [a.value for a in each.args]:
                uses[name] = uses.get(name, 0) + (2 if isinstance(each, Scan) else 1)
        made: dict[str, Eqn] = {e.out.name: e for e in self.graph.eqns if isinstance(e, Eqn)}
        found: dict[str, tuple[Eqn | None, list[tuple[Eqn, Scale]]]] = {}
        for name, old in self.over.items():
            eqn = made.get(name)
            if eqn is None or eqn.reduce or eqn.plain_out is None:
                continue
            body = eqn.body
            scattered = {a.value for a in eqn.args if a.value in made and scatters(made[a.value])}  # last: a product scales w
            parts: list[tuple[Eqn, Expr]] = []
            for k, access in sorted(enumerate(eqn.args), key=lambda each: each[1].value in scattered):
                part = made.get(access.value)
                whole = tuple(ix.plain for ix in access.index) == eqn.plain_out and access.fill is None
                if part is None or not whole or part.out.shape != eqn.out.shape or uses[access.value] != 1:
                    continue
                if not self._adds(part):
                    continue
                pair = split(body, E.arg(k))
                if pair is not None and pair[0] is not E.ZERO and _scalar(pair[0], eqn):
                    parts.append((replace(part, origin=eqn.origin), pair[0]))
                    body = pair[1]
            if not parts:
                continue
            here = Access(old, eqn.out_index)
            pair = split(body, E.arg(eqn.args.index(here))) if here in eqn.args else None
            beta, rest = E.ONE, None
            if pair is not None and pair[1] is E.ZERO and _scalar(pair[0], eqn):
                beta = pair[0]
            else:
                rest = prune(replace(eqn, body=body))
            found[name] = rest, []
            for part, alpha in parts:
                found[name][1].append((part, _scale(alpha, beta, eqn)))
                beta = E.ONE
        return found

    def _adds(self, part: Eqn) -> bool:
        """Whether this is a matrix product or a scatter that may be computed last of all, into what is there."""
        if any(name in self.over.values() for name in part.reads()):
            return False
        if scatters(part):
            return True
        return classify(part) is not None and not arrange(part, lambda name: self.values[name].shape).around

    def _item(self, eqn: Eqn, target: str, accumulates: bool, serial: int) -> Item:
        eqn = rename_axes(eqn, lambda name: f"{self.stem}{serial}.{name}")
        for axis in eqn.axes:
            self.extent[axis.name] = axis.extent
        bound = {a.name: Ix() for a in eqn.axes if a.extent.is_one()}
        left = [a.name for a in eqn.axes if a.name not in bound]
        return Item(eqn, target, accumulates, serial, left, bound=bound, short=self._short(eqn))

    def _short(self, eqn: Eqn) -> frozenset[str]:
        """The axes of windows of a few elements. They come last and are written out, so that the loop around them, along what
        lies together in memory, is the innermost one."""
        few = {n: self.extent[n].value or UNROLLED for n in windows(eqn)}
        short: set[str] = set()
        count = 1
        for n in sorted(few, key=lambda n: (few[n], n)):
            if count * few[n] <= UNROLLED:
                short.add(n)
                count *= few[n]
        return frozenset(short)

    def _classify(self, item: Item) -> None:
        for access in (*item.eqn.args, Access(item.target, item.eqn.out_index)):
            shape = self.values[access.value].shape
            for d, ix in enumerate(access.index):
                if ix.plain is not None and self.extent[ix.plain] == shape[d]:
                    self.classes.join(ix.plain, (access.value, d))

    def _round(self, item: Item) -> str:
        """A large product over images (or sequences) of which each has many rows may be computed image by image: what it reads
        and writes then stays in the cache, in a loop with what is computed from it. Its outermost axis, or nothing."""
        eqn = item.eqn
        product = None if item.scan is not None or item.scale is not None or item.accumulates or special(eqn) else classify(eqn)
        if product is None or product.guard is not None or item.target in self.over or self.stem != "e":
            return ""
        axis = eqn.out_index[0].plain
        rows = [a for a in (*product.batch, *product.m) if a.name != axis]
        count = size(tuple(a.extent for a in rows)).value or 0
        whole = size(tuple(a.extent for a in (*rows, *product.n, *product.k))).value or 0
        if axis is None or len(rows) == len(product.batch) + len(product.m) or axis not in item.left:
            return ""
        return axis if count >= ROUND_ROWS and whole >= ROUND and self.extent[axis] == eqn.out.shape[0] else ""

    def _early(self, items: list[Item]) -> list[Item]:
        """With what only parameters and the like are needed for before all else, where it would stand between a product and
        what is in one loop with it."""
        if not self.rounds:
            return items
        made = {name for item in items for name in self._makes(item)}

        def late(item: Item) -> bool:
            if item.scan is not None or item.accumulates or item.target in self.over or classify(item.eqn) is not None:
                return True
            return not made.isdisjoint(item.eqn.reads()) or any(self._kind(axis) in self.rounds for axis in item.left)

        return sorted(items, key=late)

    # ------------------------------------------------------------ fusion

    def _fuse(self, items: Sequence[Item], outer: tuple[str, ...], along: Mapping[int, str] = {}) -> list[Node]:
        """``along``: the axis of each item's loop, where that is decided."""
        groups = _Groups()
        where: dict[int, int] = {}
        makers: dict[str, list[Item]] = {}
        for item in items:
            for name in self._makes(item):
                makers.setdefault(name, []).append(item)
        for item in items:
            needs = dict.fromkeys(item.scan.reads() if item.scan is not None else item.eqn.reads())
            if item.accumulates:
                needs[item.target] = None
            found = {p.serial: p for name in needs for p in makers.get(name, ()) if p.serial < item.serial}
            producers = [found[serial] for serial in sorted(found)]
            barrier = self._barrier(item)
            lowest = 0
            for p in producers:
                lowest = max(lowest, where[p.serial])
            if item.target in self.over:  # what is there is read before
                old = self.over[item.target]
                for p in items:
                    if p.serial < item.serial and p.target != item.target:
                        if old in (p.scan.reads() if p.scan is not None else p.reads()):
                            lowest = max(lowest, where[p.serial] + 1)
            place = None if barrier else self._join(item, producers, groups, where, lowest, along.get(item.serial))
            if place is None:
                axis = None if barrier or not item.left else along.get(item.serial) or item.round or self._first_axis(item)
                groups.add(_Group(barrier, axis), None if axis is None else self._kind(axis))
                place = len(groups.all) - 1, axis
            index, axis = place
            group = groups.all[index]
            group.take(item, axis, self._points(item))
            if axis is not None and self._flat(item, axis):
                group.kinds.add(self._runs(item, axis))
                group.gates = group.gates or self._sums_gates(item, axis)
            where[item.serial] = index
        nodes: list[Node] = []
        for group in groups.all:
            nodes.extend(self._emit(group, outer))
        return nodes

    def _makes(self, item: Item) -> list[str]:
        return [o.name for o in item.scan.outs] if item.scan is not None else [item.target]

    def _barrier(self, item: Item) -> bool:
        if item.scan is not None:
            return True
        if item.when is not None and item.left:
            return True
        if special(item.eqn):
            return bool(item.left)
        product = classify(item.eqn)
        if product is None or item.round in item.left:
            return False
        return all(a.name in item.left or a.name == item.round for a in (*product.m, *product.n, *product.k))

    def _kind(self, axis: str) -> object:
        """Loops over axes of one kind can be shared."""
        return self.classes.find(axis), self.extent[axis]

    def _join(self, item: Item, producers: list[Item], groups: _Groups, where: dict[int, int], lowest: int,
              along: str | None) -> tuple[int, str | None] | None:  # fmt: skip
        if not item.left:  # statements one after the other
            index = groups.next(None, lowest)
            return None if index is None else (index, None)
        first = along or (item.round if item.round in item.left else self._first_axis(item))
        alone = along is None and self._kind(first) in self.rounds  # over images: never along another axis of theirs
        kinds = {axis: self._kind(axis) for axis in ([along] if along is not None else (first,) if alone else item.left)}
        inside: dict[int, list[Item]] = {}
        for p in producers:
            inside.setdefault(where[p.serial], []).append(p)
        full: list[tuple[int, object]] = []
        found = self._place(item, kinds, first, groups, lowest, inside, full)
        for index, kind in full:
            groups.close(index, kind)
        return found

    def _place(self, item: Item, kinds: Mapping[str, object], first: str, groups: _Groups, lowest: int,
               inside: Mapping[int, Sequence[Item]], full: list[tuple[int, object]]) -> tuple[int, str] | None:  # fmt: skip
        """The first group that can take the item, and the axis along which; ``full`` gets those that it is too much for."""
        weight = item.weight
        for index in groups.candidates(kinds.values(), lowest):
            group = groups.all[index]
            kind = self._kind(str(group.axis))
            if group.weight + weight > FUSED:
                full.append((index, kind))
                continue
            for axis in kinds:
                if kinds[axis] != kind or self._mixes(item, axis, group) or self._slows(item, axis, group):
                    continue
                if axis != first and self._points(item) > group.points:
                    continue  # these are the loops of something smaller: in their order this one would jump about in memory
                if all(self._aligned(p, group.axis_of(p), item, axis) or self._adds_beside(p, item, axis)
                       for p in inside.get(index, ())):  # fmt: skip
                    return index, axis
        return None

    def _mixes(self, item: Item, axis: str, group: _Group) -> bool:
        """Would a running sum join an innermost loop of independent elements, or the reverse? Such a loop is not vectorised;
        where it is long, or sums gates, its sums are taken in blocks, and where it is very short nothing is lost."""
        extent = self._length(axis)
        if extent is None or extent >= BLOCKED or extent < 4 or not self._flat(item, axis):
            return False
        if not _innermost(item) and not any(_gate(m) for m, _ in group.members.values()):
            return False
        if group.gates or self._sums_gates(item, axis):
            return False
        return (not self._runs(item, axis)) in group.kinds

    def _sums_gates(self, item: Item, axis: str) -> bool:
        return item.eqn.reduce == "+" and _innermost(item) and self._runs(item, axis) and _gate(item)

    def _slows(self, item: Item, axis: str, group: _Group) -> bool:
        """Would a gate be computed one number at a time, in a loop with loops inside, or wait for sums along each row? Where all
        is small it has a loop of its own, which is vectorised."""
        extent = self._length(axis)
        if extent is None or not 4 <= extent < BLOCKED or not self._little(item):
            return False
        if _innermost(item):
            return _gate(item) and any(self._deep(m, a) and self._little(m) for m, a in group.members.values())
        sums = any((self.extent[a].value or 0) > 4 and self._runs(item, a) for a in item.left if a != axis)
        return self._deep(item, axis) and any(_gate(m) and (sums or _innermost(m)) for m, _ in group.members.values())

    def _flat(self, item: Item, axis: str) -> bool:
        """Has it no loop inside, or short ones that the C compiler unrolls before anything else?"""
        return not self._deep(item, axis)

    def _deep(self, item: Item, axis: str | None) -> bool:
        """Has it a loop inside, longer than what the C compiler unrolls before anything else?"""
        return any((self.extent[a].value or UNROLLED) > 4 for a in item.left if a != axis)

    def _small(self, item: Item) -> bool:
        points = 1
        for axis in item.eqn.axes:
            points *= self._length(axis.name) or SMALL + 1
        return points <= SMALL

    def _little(self, item: Item) -> bool:
        """The same within the loops around it."""
        return prod(self._length(axis) or SMALL + 1 for axis in item.left) <= SMALL

    def _length(self, axis: str) -> int | None:
        """How long a loop along the axis is, as far as that is known."""
        return STRIP if axis in self.strip else self.extent[axis].value

    def _points(self, item: Item) -> int:
        """In how many points it is still to be computed, where free sizes are usual ones."""
        return prod(guess(self.extent[a]) for a in item.left)

    def _runs(self, item: Item, axis: str) -> bool:
        """A reduction along ``axis`` into one place."""
        return not any(axis in ix.axes() for ix in item.eqn.out_index)

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
        """Both sum along the loop into the same place, and nothing asks for what one of them has so far."""
        if not item.accumulates or item.target != producer.target or not item.adds or not producer.adds:
            return False
        return item.target not in item.eqn.reads() and self._runs(item, axis)

    def _first_axis(self, item: Item) -> str:
        """The outermost loop of a new nest: output axes first, the one that is contiguous in memory last."""
        eqn = item.eqn
        out = [n for n in item.left if any(n in ix.axes() for ix in eqn.out_index)]
        reduced = [n for n in item.left if n not in out]
        if reduced and out:
            unrolled = {*reduced, *(n for n in out if n in item.short)}
            short = (size(tuple(self.extent[n] for n in unrolled)).value or UNROLLED + 1) <= UNROLLED
            fastest = self._contiguous(item)
            if not short and fastest in out and eqn.reduce in ("+", "max", "min", "*"):
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
        source, shape = eqn.args[0], self.values[eqn.args[0].value].shape
        steps = {n: abs(guess(step(source, n, shape))) for n in item.left}
        if source.fill is not None or steps[last] <= 1 or (self.extent[last].value or UNROLLED) < UNROLLED:
            return []
        return [*sorted((n for n in item.left if n != last), key=lambda n: -steps[n]), last]

    def _contiguous(self, item: Item) -> str:
        """The axis along which most is next to one another; what has more axes has more elements."""
        votes = dict.fromkeys(item.left, 0)
        for access in (*item.eqn.args, Access(item.target, item.eqn.out_index)):
            if access.index and access.index[-1].plain in votes:
                votes[str(access.index[-1].plain)] += sum(1 for ix in access.index if ix.terms)
        return max(item.left, key=lambda n: votes[n])

    # ------------------------------------------------------------ nodes

    def _emit(self, group: _Group, outer: tuple[str, ...]) -> list[Node]:
        of = self.strip.get(group.axis or "", "")
        if group.barrier:
            (item, _), = group.members.values()
            if item.scan is not None:
                return self._scan(item.scan)
            if item.when is not None:
                return self._where(item, outer)
            return self._special(item) or self._product(item)
        if group.axis is None:
            nodes: list[Node] = []
            for item, _ in group.members.values():
                nodes.extend(self._statement(item, outer))
            return nodes
        if len(group.members) == 1:
            ((item, axis),) = group.members.values()
            if item.round and item.round == axis:
                item.round = ""  # nothing shares the loop
                return self._product(item)
        before: list[Node] = []
        for item, axis in group.members.values():
            assert axis is not None
            if item.starts and not item.ready and not self._covers(item, axis):
                before.extend(self._start(item))
        if not of and not outer and self._strips(group):
            return [*before, self._in_strips(group)]
        variable = self._variable(group.axis, outer)
        members: list[Item] = []
        for item, axis in group.members.values():
            assert axis is not None
            item.bound[axis] = at(variable)
            item.left.remove(axis)
            members.append(item)
        body = self._fuse(members, (*outer, variable))
        extent = self.extent[group.axis]
        short = any(axis in item.short for item, axis in group.members.values())
        if short and all(isinstance(n, Assign | ArgBest) for n in body):
            return [*before, *(_written_at(n, variable, k) for k in range(extent.value or 0) for n in body)]
        return [*before, self._loop(variable, extent, body, of)]

    def _strips(self, group: _Group) -> bool:
        """Are its rows so short, and their number free, that a gate of each, between sums along the row, is better taken of some
        rows at once? Then the loop goes in strips, and within one the same is decided as where all sizes are known."""
        axes = {axis: "" for item, axis in group.members.values() if axis is not None}
        if any(self.extent[axis].value is not None for axis in axes):
            return False
        self.strip.update(axes)
        members = [item for item, _ in group.members.values()]
        small = all(item.scan is None and self._small(item) for item in members)
        deep = any(self._deep(item, axis) for item, axis in group.members.values())
        gates = any(_gate(item) and _innermost(item) for item in members)
        for axis in axes:
            del self.strip[axis]
        return small and deep and gates

    def _in_strips(self, group: _Group) -> Loop:
        along = {serial: str(axis) for serial, (_, axis) in group.members.items()}
        extent = self.extent[str(group.axis)]
        strip = self._fresh("", extent)
        self.strip.update(dict.fromkeys(along.values(), strip))
        body = self._fuse([item for item, _ in group.members.values()], (strip,), along)
        for axis in set(along.values()):
            del self.strip[axis]
        return Loop(strip, extent, tuple(body), strip=STRIP)

    def _covers(self, item: Item, axis: str) -> bool:
        """The axis runs over a whole dimension of the output and no other, so that each point starts by itself."""
        shape = item.eqn.out.shape
        whole = any(ix.plain == axis and self.extent[axis] == shape[d] for d, ix in enumerate(item.eqn.out_index))
        return whole and sum(axis in ix.axes() for ix in item.eqn.out_index) == 1  # a diagonal starts as a whole

    def _loop(self, variable: str, extent: Dim, body: list[Node], of: str = "") -> Loop:
        """A loop; where it is innermost, long, and sums into scalars, these sums are taken in blocks, and so is what is largest
        or smallest, of which the C compiler would look at one after the other; and so are sums of gates, however short."""
        body = _added_together(body)
        sums: list[str] = []
        length = STRIP if of else extent.value
        gates = (length or 0) >= 4 and any(isinstance(n, Assign) and n.op == "+=" and _takes_gate(n.body) for n in body)
        long = length is None or length >= BLOCKED or gates
        search = length is None or length > UNROLLED or gates
        if search and all(isinstance(n, Assign) for n in body):
            read = {a.value for n in body if isinstance(n, Assign) for a in n.args}
            for n in body:
                assert isinstance(n, Assign)
                still = not any(variable in ix.axes() for ix in n.index)
                fits = long if n.op == "+=" else n.op in ("max=", "min=") and self.values[n.target].kind == "real"
                if still and fits and n.target not in read and not n.drop:
                    sums.append(n.target)
                elif still:
                    sums = []
                    break
            if len(sums) != len({*sums}):
                sums = []
        return Loop(variable, extent, tuple(body), sums=tuple(sums), of=of)

    def _start(self, item: Item) -> list[Node]:
        """Give an accumulator its first value, over the dimensions of the output that are not bound yet."""
        item.ready = True
        eqn = item.eqn
        origin = replace(eqn.origin, note="")
        first = _INITIAL.get(eqn.reduce, E.ZERO)
        shape = eqn.out.shape
        index: list[Ix] = []
        loops: list[tuple[str, Dim]] = []
        for d, ix in enumerate(eqn.out_index):
            name = ix.plain
            if name is not None and name in item.bound and self.extent[name] == shape[d]:
                index.append(item.bound[name])
                continue
            if shape[d].is_one():
                index.append(Ix())
                continue
            variable = self._fresh(name or f"e{item.serial}.z{d}", shape[d])
            loops.append((variable, shape[d]))
            index.append(at(variable))
        if eqn.reduce in ("argmax", "argmin"):
            first = E.ZERO
        nodes: list[Node] = [Assign(item.target, tuple(index), "=", first, (), origin)]
        if eqn.reduce in ("argmax", "argmin"):
            best = E.neg(E.INF) if eqn.reduce == "argmax" else E.INF
            nodes.append(Assign(best_name(eqn.out.name), tuple(index), "=", best, (), origin))
        for variable, extent in reversed(loops):
            nodes = [Loop(variable, extent, tuple(nodes))]
        return nodes

    def _statement(self, item: Item, outer: tuple[str, ...]) -> list[Node]:
        eqn = item.eqn
        nodes = self._start(item) if item.starts and not item.ready else []
        mapping = item.bound
        extents: dict[str, Dim] = {v: self.extent[v] for v in outer if v in self.extent}
        args = tuple(substitute_access(a, mapping, extents) for a in eqn.args)
        index = tuple(substitute_ix(ix, mapping, extents) for ix in eqn.out_index)
        body = E.substitute(eqn.body, {E.idx(n): _number(ix) for n, ix in mapping.items()})
        if eqn.reduce in ("argmax", "argmin"):
            (axis,) = eqn.reduced
            place = mapping[axis.name]
            if place.plain is None:  # over an axis of extent 1: the first
                return [*nodes, Assign(item.target, index, "=", E.ZERO, (), eqn.origin)]
            nodes.append(ArgBest(item.target, index, best_name(eqn.out.name), eqn.reduce == "argmax", place, body, args,
                                 eqn.origin))  # fmt: skip
            return nodes
        op = _STEP[eqn.reduce]
        if item.accumulates or eqn.plain_out is None:
            op = "+=" if item.accumulates or not (item.tile or written_once(eqn)) else "="
        nodes.append(Assign(item.target, index, op, body, args, eqn.origin, eqn.drop))  # type: ignore[arg-type]
        return nodes

    def _special(self, item: Item) -> list[Node]:
        """A running sum, where each place adds to the one before; or ranks, which a kernel finds."""
        eqn = item.eqn
        runs, ranks = running(eqn), ranking(eqn)
        if runs is None and ranks is None:
            return []
        along = runs.axis if runs is not None else ranks.axis  # type: ignore[union-attr]
        mapping: dict[str, Ix] = dict(item.bound)
        loops: list[tuple[str, Dim]] = []
        for axis in eqn.axes:
            if axis.name in item.left and axis not in eqn.reduced and (runs is not None or axis != along):
                variable = self._fresh(axis.name, axis.extent)
                loops.append((variable, axis.extent))
                mapping[axis.name] = at(variable)
        extents: dict[str, Dim] = dict(loops)
        node: Node
        if runs is not None:
            here = mapping[along.name]
            last = Ix((), along.extent - 1)
            mapping[along.name] = mapping[runs.over.name] = last + here.scale(Dim.of(-1)) if runs.reverse else here
            beside = mapping | {along.name: mapping[along.name] + Ix((), Dim.of(1 if runs.reverse else -1))}
            neutral = (E.ONE if eqn.reduce == "*" else E.ZERO).number
            index = tuple(substitute_ix(ix, mapping, extents) for ix in eqn.out_index)
            previous = Access(item.target, tuple(substitute_ix(ix, beside, extents) for ix in eqn.out_index), neutral)
            args = (*(substitute_access(a, mapping, extents) for a in eqn.args), previous)
            inner = E.substitute(runs.inner, {E.idx(n): _number(ix) for n, ix in mapping.items()})
            step = prune(replace(eqn, args=args, body=E.make("mul" if eqn.reduce == "*" else "add", E.arg(len(args) - 1), inner)))
            node = Assign(item.target, index, "=", step.body, step.args, eqn.origin)
            if loops and loops[-1][0] == here.plain:  # along memory the sum so far stays in a register
                return self._along(item, index, prune(replace(eqn, args=args[:-1], body=inner)), loops)
        else:
            assert ranks is not None
            mapping[along.name] = Ix()
            source = substitute_access(ranks.source, mapping, extents)
            target = Access(item.target, tuple(substitute_ix(ix, mapping, extents) for ix in eqn.out_index))
            scratch = Value(f"{item.target} order", (along.extent * 2,))
            self.values[scratch.name] = scratch
            self.inner.append(scratch)
            steps = self._stride(ranks.source, along), self._stride(Access(item.target, eqn.out_index), along)
            node = Rank(along.extent, source, steps[0], target, steps[1], scratch.name, ranks.descending, eqn.origin)
        for variable, extent in reversed(loops):
            node = Loop(variable, extent, (node,))
        return [node]

    def _along(self, item: Item, index: tuple[Ix, ...], term: Eqn, loops: Sequence[tuple[str, Dim]]) -> list[Node]:
        """A running sum (or product) of which each place is what has been added so far."""
        total = Value(f"{item.target} so far", ())
        self.values[total.name] = total
        self.inner.append(total)
        origin = term.origin
        (variable, extent), outer = loops[-1], loops[:-1]
        step = Assign(total.name, (), "*=" if term.reduce == "*" else "+=", term.body, term.args, origin)
        place = Assign(item.target, index, "=", E.arg(0), (Access(total.name, ()),), origin)
        start = Assign(total.name, (), "=", E.ONE if term.reduce == "*" else E.ZERO, (), origin)
        nodes: list[Node] = [start, Loop(variable, extent, (step, place))]
        for name, size_ in reversed(outer):
            nodes = [Loop(name, size_, tuple(nodes))]
        return nodes

    def _product(self, item: Item) -> list[Node]:
        """A call of the matrix kernel, in loops over what the kernel does not run over itself."""
        eqn = item.eqn
        way = arrange(eqn, lambda name: self.values[name].shape, item.bound)
        zero: dict[str, Ix] = {a.name: Ix() for lv in (*way.rows, *way.depth, way.columns) for a in lv.axes} | item.bound
        loops: list[tuple[str, Dim]] = []
        for axis in way.outer:
            variable = self._fresh(axis.name, axis.extent)
            loops.append((variable, axis.extent))
            zero[axis.name] = at(variable)
        before = self._start(item) if way.around and not item.accumulates and not item.ready else []
        a, b, c = (substitute_access(x, zero, dict(loops))
                   for x in (eqn.args[way.a], eqn.args[1 - way.a], Access(item.target, eqn.out_index)))  # fmt: skip
        scale = item.scale or Scale(E.ONE, E.ONE if item.accumulates or way.around else E.ZERO, ())
        nodes: list[Node] = [Product(way.rows, way.depth, way.columns, a, b, c, scale.alpha, scale.beta, eqn.origin, scale.args,
                                     way.guard)]  # fmt: skip
        for variable, extent in reversed(loops):
            nodes = [Loop(variable, extent, tuple(nodes))]
        return [*before, *nodes]

    def _where(self, item: Item, outer: tuple[str, ...]) -> list[Node]:
        """Loops that run only where the item's condition holds."""
        args = tuple(a for a in item.eqn.args if not a.index)
        placed = {E.arg(k): E.arg(args.index(a)) for k, a in enumerate(item.eqn.args) if not a.index}
        when = E.substitute(item.when, placed) if item.when is not None else None
        item.when = None
        return [replace(n, when=when, args=args) if isinstance(n, Loop) else n for n in self._fuse([item], outer)]

    def _scan(self, scan: Scan) -> list[Node]:
        """A loop over time: the carries in place, the body scheduled for itself, its slices and emits read and written at t."""
        prefix = scan.outs[0].name
        count, sliced = len(scan.initial), len(scan.slices)
        step = self._fresh("", scan.axis.extent)
        now = at(step)
        if scan.reverse:
            now = Ix(((step, Dim.of(-1)),), scan.axis.extent - 1)
        body = apply((*KERNEL, *MEMORY), with_own_results(scan.body, scan.origin.spans))
        inner = body.values()
        names = {name: f"{prefix}.{name}" if name in self.values else name for name in inner}
        for name, value in inner.items():
            self.values[names[name]] = replace(value, name=names[name])
        carried = [names[v.name] for v in scan.body.inputs[:count]]
        slices = {names[v.name]: outer for v, outer in zip(scan.body.inputs[count : count + sliced], scan.slices, strict=True)}
        captured = {names[v.name]: outer for v, outer in zip(scan.body.inputs[count + sliced :], scan.captured, strict=True)}
        nested = _Scheduler(rename(replace(body, inputs=()), names), self.values, self.taken, f"{step}.e")
        nested.extent = self.extent
        nested.grows = _growing(body, names, carried)
        results = [names[name] for name in body.outputs]
        stacks = slices | {results[k]: scan.outs[k].name for k in scan.emits}  # emitted where they are computed
        inside = [_at_step(node, stacks, captured, now) for node in nested.run()]
        before: list[Node] = []
        for k in scan.emits:
            if scan.until or scan.limit:  # the emits of steps not taken
                before += self._fill(scan.outs[k].name, scan.origin)
        pairs = [(new, old) for new, old in zip(results, carried, strict=False) if new not in nested.grows]
        placed = {new: old for new, old in pairs if _may_replace(inside, old, new)}
        inside = [n for node in inside for n in _in_place(node, placed)]
        inside += [n for new, old in pairs if new not in placed for n in self._copy(new, old, scan.origin)]
        if scan.limit:
            t, limit = _number(now), (Access(scan.limit, ()),)
            last = E.make("lt", E.add(t, E.arg(0)), E.dim(scan.axis.extent)) if scan.high else E.make("ge", t, E.arg(0))
            inside.insert(0, Leave(last, limit, scan.origin, again=True))
        if scan.until:
            taken = scan.outs[-1].name
            before.append(Assign(taken, (), "=", E.ZERO, (), scan.origin))
            inside.append(Assign(taken, (), "=", E.add(E.idx(step), E.ONE), (), scan.origin))
            inside.append(Leave(E.make("ne", E.arg(0), E.ZERO), (Access(results[-1], ()),), scan.origin))
        self.inner += [self.values[n] for n in names.values() if n not in slices and n not in captured]
        self.inner += [v for v in nested.inner if v not in self.inner]
        before += [n for k in range(count) for n in self._copy(scan.initial[k], carried[k], scan.origin)]
        read = {*self.graph.outputs, *(name for eqn in self.graph.eqns for name in eqn.reads())}
        after = [n for old, out in zip(carried, scan.outs, strict=False) if out.name in read
                 for n in self._copy(old, out.name, scan.origin)]  # fmt: skip
        return [*before, Loop(step, scan.axis.extent, tuple(inside)), *after]

    def _copy(self, source: str, target: str, origin: Origin, before: tuple[Ix, ...] = (),
              into: tuple[Ix, ...] = ()) -> list[Node]:  # fmt: skip
        shape = self.values[source].shape
        variables = [self._fresh("", d) for d in shape]
        index = tuple(at(v) for v in variables)
        nodes: list[Node] = [Assign(target, into + index, "=", E.arg(0), (Access(source, before + index),), origin)]
        for variable, extent in zip(reversed(variables), reversed(shape), strict=True):
            nodes = [Loop(variable, extent, tuple(nodes))]
        return nodes

    def _fill(self, target: str, origin: Origin) -> list[Node]:
        """Zeros everywhere."""
        shape = self.values[target].shape
        variables = [self._fresh("", d) for d in shape]
        nodes: list[Node] = [Assign(target, tuple(at(v) for v in variables), "=", E.ZERO, (), origin)]
        for variable, extent in zip(reversed(variables), reversed(shape), strict=True):
            nodes = [Loop(variable, extent, tuple(nodes))]
        return nodes

    def _stride(self, access: Access, axis: Axis) -> Ix:
        """How many elements lie between neighbours along ``axis`` (a size, as an index without axes)."""
        return Ix((), step(access, axis.name, self.values[access.value].shape))

    # ------------------------------------------------------------ names of loop variables

    def _variable(self, axis: str, outer: tuple[str, ...]) -> str:
        return self._fresh(axis, self.extent[axis])

    def _fresh(self, axis: str, extent: Dim) -> str:
        variable = f"v{len(self.taken)}"
        self.taken.add(variable)
        self.extent[variable] = extent
        return variable


@dataclass
class _Group:
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


class _Groups:
    """The groups in their order, and those of one kind of axis, so that nobody need look at all of them."""

    def __init__(self) -> None:
        self.all: list[_Group] = []
        self._open: dict[object, list[int]] = {}

    def add(self, group: _Group, kind: object) -> None:
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


def _added_together(body: list[Node]) -> list[Node]:
    """The statements with what is added to one place added by one of them, the last: its terms are summed up first."""
    found: list[Node] = []
    last: dict[tuple[str, tuple[Ix, ...]], int] = {}  # where in ``found`` something is added to a place
    for node in body:
        if not isinstance(node, Assign) or node.op != "+=" or node.drop:
            found.append(node)
            continue
        place = node.target, node.index
        k = last.get(place)
        before = None if k is None else found[k]
        if k is not None and isinstance(before, Assign) and _may_wait(before, found[k + 1 :]):
            del found[k]
            last = {p: j - (j > k) for p, j in last.items()}
            node = _sum_of(before, node)
        last[place] = len(found)
        found.append(node)
    return found


def _may_wait(node: Assign, after: Sequence[Node]) -> bool:
    """Whether the statement may come behind these: none of them reads what it adds to, or writes what it reads."""
    mine = {name for name, _ in _touched(node)}
    return all(isinstance(other, Assign) and other.target not in mine and all(name != node.target for name, _ in _touched(other))
               for other in after)  # fmt: skip


def _sum_of(first: Assign, second: Assign) -> Assign:
    """``+=`` of both terms."""
    moved = {E.arg(k): E.arg(len(first.args) + k) for k in range(len(second.args))}
    term = E.substitute(second.body, moved)
    body = E.make("sub", first.body, term.args[0]) if term.op == "neg" else E.make("add", first.body, term)
    return replace(second, body=body, args=(*first.args, *second.args), origin=first.origin.merge(second.origin))


def _written_at(node: Node, variable: str, k: int) -> Node:
    """The statement where the loop's variable is k."""
    assert isinstance(node, Assign | ArgBest)
    here, number = {variable: fixed(k)}, {E.idx(variable): E.dim(Dim.of(k))}
    node = replace(node, index=tuple(substitute_ix(ix, here, {}) for ix in node.index), body=E.substitute(node.body, number),
                   args=tuple(substitute_access(a, here, {}) for a in node.args))  # fmt: skip
    return replace(node, place=substitute_ix(node.place, here, {})) if isinstance(node, ArgBest) else node


def _innermost(item: Item) -> bool:
    return len(item.left) <= 1


def _scalar(body: Expr, eqn: Eqn) -> bool:
    """Whether it is the same at all points of the equation."""
    return not E.leaves(body, "idx") and all(not eqn.args[k].index for k in E.arguments(body))


def _scale(alpha: Expr, beta: Expr, eqn: Eqn) -> Scale:
    used = list(dict.fromkeys((*E.arguments(alpha), *E.arguments(beta))))
    renumbered = {E.arg(k): E.arg(place) for place, k in enumerate(used)}
    return Scale(E.substitute(alpha, renumbered), E.substitute(beta, renumbered), tuple(eqn.args[k] for k in used))


def _multiplied(eqn: Eqn, old: str, scale: Scale) -> Eqn:
    """``beta * w``, to be written over w."""
    return replace(eqn, args=(*scale.args, Access(old, eqn.out_index)), body=E.make("mul", scale.beta, E.arg(len(scale.args))))


def _scaled(part: Eqn, scale: Scale) -> Eqn:
    """``alpha * part``."""
    names = {E.arg(k): E.arg(len(part.args) + k) for k in range(len(scale.args))}
    body = E.make("mul", E.substitute(scale.alpha, names), part.body)
    return prune(replace(part, args=(*part.args, *scale.args), body=body, reduce="+"))


def _gate(item: Item) -> bool:
    """Does it take a function that costs as much as many operations, and is vectorised?"""
    return _takes_gate(item.eqn.body)


def _takes_gate(body: Expr) -> bool:
    return any(node.op in _GATES and not _written_as_products(node) for node in E.walk(body))


def _written_as_products(node: Expr) -> bool:
    """A power that is written with products and a root."""
    exponent = node.args[1].number if node.op == "pow" else None
    return exponent is not None and exponent.denominator <= 2 and abs(exponent) <= 4


def best_name(target: str) -> str:
    """The running extremum that belongs to an argmax; no value of a graph can be called that."""
    return f"{target} best"


def _placeholder(scan: Scan) -> Eqn:
    return Eqn(scan.outs[0], (), (), "", (), E.ZERO, "scan", scan.origin)


def with_own_results(body: Graph, spans: tuple[Span, ...] = ()) -> Graph:
    """A body whose results are values of its own: what goes straight through, or out twice, is copied."""
    made = {o.name for e in body.eqns for o in outs(e)}
    values = body.values()
    fresh = Namer(values)
    first: list[Eqn | Scan] = []  # what comes in: as long as it is there
    eqns = list(body.eqns)
    results: list[str] = []
    for name in body.outputs:
        if name not in made or name in results:
            value = values[name]
            axes = shape_axes(value.shape)
            index = tuple(at(a.name) for a in axes)
            copy = Value(fresh(f"{name}_copy"), value.shape, value.kind)
            origin = Origin(spans, "copy", f"{copy.name} is {name}")
            eqn = Eqn(copy, axes, index, "", (Access(name, index),), E.arg(0), "copy", origin)
            (eqns if name in made else first).append(eqn)
            name = copy.name
        results.append(name)
    return replace(body, eqns=(*first, *eqns), outputs=tuple(results))


def _at_step(node: Node, slices: dict[str, str], captured: dict[str, str], now: Ix) -> Node:
    """The node with what is sliced read, and what is emitted written, at the step; and what is captured read where it is."""

    def place(value: str, index: tuple[Ix, ...]) -> tuple[str, tuple[Ix, ...]]:
        index = tuple(within(ix) for ix in index)
        return (slices[value], (now, *index)) if value in slices else (captured.get(value, value), index)

    def within(ix: Ix) -> Ix:
        return Ix(tuple((moved(atom), factor) for atom, factor in ix.terms), ix.const) if any(True for _ in ix.gathers()) else ix

    def moved(atom: Atom) -> Atom:
        if isinstance(atom, str):
            return atom
        if isinstance(atom, Gather):
            return Gather(*place(atom.value, atom.index))
        return replace(atom, a=within(atom.a))

    def read(access: Access) -> Access:
        value, index = place(access.value, access.index)
        return Access(value, index, access.fill)

    if isinstance(node, Loop):
        sums = tuple(slices.get(name, name) for name in node.sums)
        return replace(node, body=tuple(_at_step(n, slices, captured, now) for n in node.body), sums=sums)
    if isinstance(node, Zero | Move):
        return node
    if isinstance(node, Rank):
        return replace(node, source=read(node.source), target=read(node.target))
    if isinstance(node, Product):
        return replace(node, a=read(node.a), b=read(node.b), c=read(node.c), args=tuple(read(a) for a in node.args))
    if isinstance(node, Leave):
        return replace(node, args=tuple(read(a) for a in node.args))
    target, index = place(node.target, node.index)
    return replace(node, target=target, index=index, args=tuple(read(a) for a in node.args))


def _tiles(parts: Sequence[Eqn], out: Value) -> bool:
    """Whether the parts lie one after the other along one dimension and fill it: each place is written once, needs no zero."""
    along: set[int] = set()
    ends: list[tuple[Dim, Dim]] = []
    for part in parts:
        axes = [n for ix in part.out_index for n in ix.axes()]
        if part.drop or part.reduced or len(axes) != len(set(axes)) or len(axes) != len(part.axes):
            return False
        for d, (ix, extent) in enumerate(zip(part.out_index, out.shape, strict=True)):
            if len(ix.terms) != 1 or not isinstance(ix.terms[0][0], str) or not ix.terms[0][1].is_one():
                return False
            reach = part.extents[ix.terms[0][0]]
            if reach != extent:
                along.add(d)
                ends.append((ix.const, ix.const + reach))
    if len(along) != 1 or len(ends) != len(parts):
        return False
    place = Dim.of(0)
    while ends:  # the next one begins where the last one ended
        following = [end for start, end in ends if start == place]
        if len(following) != 1 or following[0] == place:
            return False
        ends.remove((place, following[0]))
        place = following[0]
    return place == out.shape[along.pop()]


def _growing(body: Graph, names: dict[str, str], carried: Sequence[str]) -> dict[str, str]:
    """The next value of each carry that nothing but the next value reads, and the other way round."""
    reads = Counter(name for eqn in body.eqns for name in eqn.reads())
    outputs = set(body.outputs)
    return {names[new]: old for new, inner, old in zip(body.outputs, body.inputs, carried, strict=False)
            if reads[inner.name] == 1 and new not in reads and inner.name not in outputs}  # fmt: skip


def _may_replace(nodes: Sequence[Node], old: str, new: str) -> bool:
    """Whether ``new`` may be computed where ``old`` lies: each element of that has been read for the last time when the one that
    takes its place is written."""
    reads = [k for k, node in enumerate(nodes) if any(name == old for name, _ in _touched(node))]
    writes = [k for k, node in enumerate(nodes) if any(name == new for name, _ in _touched(node))]
    if not reads or not writes or reads[-1] < writes[0]:
        return True
    if reads[-1] > writes[0]:
        return False
    node = nodes[writes[0]]
    places = [index for name, index in _touched(node) if name in (old, new)]
    if isinstance(node, Assign):
        return node.op == "=" and all(index == node.index for index in places)
    if not isinstance(node, Loop) or None in places:
        return False
    here = at(node.variable)  # each round has a part of both that is its own
    own = any(all(index is not None and index[d] == here for index in places) for d in range(len(places[0] or ())))
    return own and _may_replace(node.body, old, new)


def _touched(node: Node) -> Iterable[tuple[str, tuple[Ix, ...] | None]]:
    """What a node reads and writes, and where; None for several places at once."""
    if isinstance(node, Loop):
        for inner in node.body:
            yield from _touched(inner)
        return
    indices: list[Ix] = []
    if isinstance(node, Product):
        for access in (node.a, node.b, node.c):
            yield access.value, None
            indices += access.index
    elif isinstance(node, Rank):
        for access in (node.source, node.target):
            yield access.value, None
            indices += access.index
    elif isinstance(node, Assign | ArgBest):
        yield node.target, node.index
        indices += node.index
    if not isinstance(node, Rank | Zero | Move):
        for access in node.args:
            yield access.value, access.index
            indices += access.index
    for ix in indices:
        for gather in ix.gathers():
            yield gather.value, None


def _in_place(node: Node, placed: dict[str, str]) -> list[Node]:
    """The node with each key of ``placed`` where its value lies; nothing is left of a copy of the one to the other."""
    if isinstance(node, Loop):
        body = tuple(n for inner in node.body for n in _in_place(inner, placed))
        return [replace(node, body=body, sums=tuple(placed.get(s, s) for s in node.sums))] if body else []
    node = _at_step(node, {}, placed, Ix())
    if isinstance(node, Assign) and node.op == "=" and node.body is E.arg(0):
        return [] if node.args[0] == Access(node.target, node.index) else [node]
    return [node]


def _terms(body: Expr) -> list[Expr]:
    terms: list[Expr] = []
    stack = [body]
    while stack:
        node = stack.pop()
        if node.op == "add":
            stack.extend(reversed(node.args))
        else:
            terms.append(node)
    return terms


def _number(ix: Ix) -> Expr:
    total: Expr = E.dim(ix.const)
    for atom, factor in ix.terms:
        assert isinstance(atom, str)
        total = E.add(total, E.mul(E.dim(factor), E.idx(atom)))
    return total


def walk(nodes: Iterable[Node]) -> Iterable[Node]:
    for node in nodes:
        yield node
        if isinstance(node, Loop):
            yield from walk(node.body)
