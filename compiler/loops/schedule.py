"""Which loops are shared. Large matrix products are chosen first; the rest is fused around them. They stay whole, but for those
that are as fast image by image: these share the loop over images with what they read and what reads them.

Equations join a loop when they run over the same axis and everything that one hands to another is handed over at the
same point of that axis. Inside the loop the same is done again with the axes that are left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..graph import expr as E
from ..graph.ir import Access, Eqn, Graph, Ix, Origin, Scan, Value, at, outs
from ..graph.patterns import special
from ..graph.rewrite import Namer, shape_axes
from ..graph.shapes import Dim, size
from ..language.source import Span
from ..passes import KERNEL, MEMORY, apply
from ..passes.names import rename
from ..passes.products import Product, classify
from .emits import Placed, place
from .ir import ArgBest, Assign, Leave, Loop, Node
from .items import Item, Items, gate
from .joins import Group, Groups, Joins
from .nest import STRIP, Nest
from .nodes import at_step, in_place, may_replace, number, written_at
from .statements import Statements
from .wraps import unrolled

ROUND_ROWS = 256  # rows that a matrix product has in each round of a loop, so that nothing is lost by its being in one
ROUND = 1 << 19  # multiply-adds of it
ROUND_SUMS = 1 << 16  # elements of what such products are summed into: that much stays in the cache beside what they read


def schedule(graph: Graph, over: Mapping[str, str] | None = None) -> tuple[tuple[Node, ...], tuple[Value, ...]]:
    """The loop nest of a kernel's graph, and the values inside of its loops over time. ``over``: outputs that are written over
    inputs, once nothing else reads these."""
    scheduler = _Scheduler(graph, Nest(graph.values(), set(), {}))
    scheduler.over = dict(over or {})
    if over:
        scheduler.settle()
    nodes = scheduler.run()
    return nodes, tuple(scheduler.nest.inner)


class _Scheduler:
    def __init__(self, graph: Graph, nest: Nest, stem: str = "e") -> None:
        self.stem = stem
        self.graph = graph
        self.nest = nest
        self.grows: dict[str, str] = {}  # what is only added to: the value before, in whose place it is
        self.over: dict[str, str] = {}
        self.placed: Placed = {}
        self.joins = Joins(nest, set())
        self.write = Statements(nest)

    def run(self) -> tuple[Node, ...]:
        self.graph, self.placed = place(self.graph)
        gathered = Items(self.graph, self.nest.values, self.nest.extent, self.over, self.grows, self.stem)
        items = gathered.all()
        self.grows = gathered.grows
        for item in items:
            self.nest.classify(item)
            item.round = self._round(item)
        self.joins.rounds |= {self.nest.kind(item.round) for item in items if item.round}
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
            value = replace(eqn.out, name=Namer(self.nest.values)(f"{name}_t1"))
            self.nest.values[value.name] = value
            self.nest.inner.append(value)
            eqns.append(replace(eqn, out=value))
            axes = shape_axes(value.shape)
            index = tuple(at(a.name) for a in axes)
            waiting[name] = replace(eqn, axes=axes, out_index=index, args=(Access(value.name, index),), body=E.arg(0))
        self.graph = replace(self.graph, eqns=(*eqns, *last))

    def _round(self, item: Item) -> str:
        """A large product over images (or sequences) of which each has many rows may be computed image by image: what it reads
        and writes then stays in the cache, in a loop with what is computed from it. Its outermost axis, or nothing."""
        eqn = item.eqn
        product = None if item.scan is not None or item.scale is not None or item.accumulates or special(eqn) else classify(eqn)
        if product is None or item.target in self.over or self.stem != "e":
            return ""
        axis = eqn.out_index[0].plain
        rows = [a for a in (*product.batch, *product.m) if a.name != axis]
        count = size(tuple(a.extent for a in rows)).value or 0
        whole = size(tuple(a.extent for a in (*rows, *product.n, *product.k))).value or 0
        if axis is not None and axis in item.left and len(rows) < len(product.batch) + len(product.m):
            if count >= ROUND_ROWS and whole >= ROUND and self.nest.extent[axis] == eqn.out.shape[0]:
                return axis
        return self._summed_round(item, product)

    def _summed_round(self, item: Item, product: Product) -> str:
        """The same of a product that sums over images, as the gradient of a convolution's weights: what is computed of an image
        is read while it is in the cache, and the result, if it is small, is there all the time."""
        eqn = item.eqn
        first = {a.index[0].plain if a.index else None for a in eqn.args}
        axis = next((a.name for a in product.k if first == {a.name} and a.name in item.left), "")
        depth = [a for a in product.k if a.name != axis]
        count = size(tuple(a.extent for a in depth)).value or 0
        result = size(eqn.out.shape).value or 0
        if not axis or count < ROUND_ROWS or count * result < ROUND or result > ROUND_SUMS:
            return ""
        return axis if all(self.nest.extent[axis] == self.nest.values[a.value].shape[0] for a in eqn.args) else ""

    def _early(self, items: list[Item]) -> list[Item]:
        """With what only parameters and the like are needed for, or what is made of such, before all else, where it would stand
        between a product and what is in one loop with it."""
        if not self.joins.rounds:
            return items
        waits: set[str] = set()  # for what is not there before all else

        def late(item: Item) -> bool:
            if item.scan is not None or item.accumulates or item.target in self.over or classify(item.eqn) is not None:
                return True
            return not waits.isdisjoint(item.eqn.reads()) or any(self.nest.kind(axis) in self.joins.rounds for axis in item.left)

        when: dict[int, bool] = {}
        for item in items:
            when[item.serial] = late(item)
            if when[item.serial]:
                waits.update(self._makes(item))
        return sorted(items, key=lambda item: when[item.serial])

    def _fuse(self, items: Sequence[Item], outer: tuple[str, ...], along: Mapping[int, str] = {}) -> list[Node]:
        """``along``: the axis of each item's loop, where that is decided."""
        groups = Groups()
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
            barrier = self.joins.barrier(item)
            lowest = 0
            for p in producers:
                lowest = max(lowest, where[p.serial])
            if item.target in self.over:  # what is there is read before
                old = self.over[item.target]
                for p in items:
                    if p.serial < item.serial and p.target != item.target:
                        if old in (p.scan.reads() if p.scan is not None else p.reads()):
                            lowest = max(lowest, where[p.serial] + 1)
            place = None if barrier else self.joins.find(item, producers, groups, where, lowest, along.get(item.serial))
            if place is None:
                axis = None if barrier or not item.left else along.get(item.serial) or item.round or self.joins.first_axis(item)
                groups.add(Group(barrier, axis), None if axis is None else self.nest.kind(axis))
                place = len(groups.all) - 1, axis
            index, axis = place
            group = groups.all[index]
            group.take(item, axis, self.nest.points(item))
            if axis is not None and not self.nest.deep(item, axis):
                group.kinds.add(self.nest.runs(item, axis))
                group.gates = group.gates or self.joins.sums_gates(item, axis)
            where[item.serial] = index
        nodes: list[Node] = []
        for group in groups.all:
            nodes.extend(self._emit(group, outer))
        return nodes

    def _makes(self, item: Item) -> list[str]:
        return [o.name for o in item.scan.outs] if item.scan is not None else [item.target]

    def _emit(self, group: Group, outer: tuple[str, ...]) -> list[Node]:
        of = self.nest.strip.get(group.axis or "", "")
        if group.barrier:
            (item, _), = group.members.values()
            if item.scan is not None:
                return self._scan(item.scan)
            if item.when is not None:
                return self._where(item, outer)
            if item.alone:
                item.alone = False
                return self._fuse([item], outer)
            return self.write.special(item) or self.write.product(item)
        if group.axis is None:
            nodes: list[Node] = []
            for item, _ in group.members.values():
                nodes.extend(self.write.statement(item, outer))
            return nodes
        if len(group.members) == 1:
            ((item, axis),) = group.members.values()
            if item.round and item.round == axis:
                item.round = ""  # nothing shares the loop
                return self.write.product(item)
        before: list[Node] = []
        for item, axis in group.members.values():
            assert axis is not None
            if item.starts and not item.ready and not self.nest.covers(item, axis):
                before.extend(self.write.start(item))
        if not of and not outer and self._strips(group):
            return [*before, self._in_strips(group)]
        variable = self.nest.fresh(group.axis, self.nest.extent[group.axis])
        members: list[Item] = []
        for item, axis in group.members.values():
            assert axis is not None
            item.bound[axis] = at(variable)
            item.left.remove(axis)
            members.append(item)
        rows = {item.serial: axis for item in members for axis in item.left if axis in self.nest.strip}
        self.nest.down.update(rows.values())
        body = self._fuse(members, (*outer, variable), rows)
        extent = self.nest.extent[group.axis]
        short = any(axis in item.short for item, axis in group.members.values())
        if short and all(isinstance(n, Assign | ArgBest) for n in body):
            return [*before, *(written_at(n, variable, k) for k in range(extent.value or 0) for n in body)]
        first, body, last = self.write.in_variables(variable, extent, body, of)
        return [*before, *first, *unrolled(self.write.loop(variable, extent, body, of), self.nest.fresh), *last]

    def _strips(self, group: Group) -> bool:
        """Are its rows so short, and their number free, that a gate of each, between sums along the row, is better taken of some
        rows at once? Then the loop goes in strips, and within one the same is decided as where all sizes are known."""
        axes = {axis: "" for item, axis in group.members.values() if axis is not None}
        if any(self.nest.extent[axis].value is not None for axis in axes):
            return False
        self.nest.strip.update(axes)
        members = [item for item, _ in group.members.values()]
        small = all(item.scan is None and self.nest.small(item) for item in members)
        deep = any(self.nest.deep(item, axis) for item, axis in group.members.values())
        gates = any(gate(item) and not self.nest.deep(item, axis) for item, axis in group.members.values())
        for axis in axes:
            del self.nest.strip[axis]
        return small and deep and gates

    def _in_strips(self, group: Group) -> Loop:
        along = {serial: str(axis) for serial, (_, axis) in group.members.items()}
        extent = self.nest.extent[str(group.axis)]
        strip = self.nest.fresh("", extent)
        self.nest.strip.update(dict.fromkeys(along.values(), strip))
        items = [item for item, _ in group.members.values()]
        body = self._fuse(items, (strip,), along | self._columns(items, along))
        for axis in set(along.values()):
            del self.nest.strip[axis]
            self.nest.down.discard(axis)
        return Loop(strip, extent, tuple(body), strip=STRIP)

    def _columns(self, items: Sequence[Item], along: Mapping[int, str]) -> dict[int, str]:
        """Sums over the rows of a strip, one for each column, go column by column: each then stays in a register until all rows
        are added, and is stored once instead of once a row. What is computed for nothing but these goes with them. One sum alone
        does so only where the columns are whole vectors."""
        found: dict[int, str] = {}
        readers: dict[str, set[int]] = {}
        for item in items:
            for name in item.reads():
                readers.setdefault(name, set()).add(item.serial)
        mine = {item.eqn.out.name for item in items}
        others = [e for e in self.graph.eqns if not {o.name for o in outs(e)} <= mine]
        elsewhere = {*self.graph.outputs, *(name for e in others for name in e.reads())}
        for item in reversed(items):
            row, eqn = along[item.serial], item.eqn
            columns = [str(ix.plain) for ix in eqn.out_index if ix.plain in item.left and ix.plain != row]
            if not columns or eqn.plain_out is None or gate(item) or self.nest.left_over(columns[-1]) is None:
                continue
            if not self.nest.short([axis for axis in item.left if axis not in (row, columns[-1])]):
                continue
            if self.nest.runs(item, row):
                whole = item.adds
            else:
                used = readers.get(item.target, set())
                whole = not item.accumulates and item.target not in elsewhere and bool(used) and used <= found.keys()
            if whole:
                found[item.serial] = columns[-1]
        together = Counter(self.nest.kind(axis) for axis in found.values())
        return {k: axis for k, axis in found.items() if together[self.nest.kind(axis)] > 1 or not self.nest.left_over(axis)}

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
        step = self.nest.fresh("", scan.axis.extent)
        now = at(step)
        if scan.reverse:
            now = Ix(((step, Dim.of(-1)),), scan.axis.extent - 1)
        body = apply((*KERNEL, *MEMORY), with_own_results(scan.body, scan.origin.spans))
        inner = body.values()
        names = {name: f"{prefix}.{name}" if name in self.nest.values else name for name in inner}
        for name, value in inner.items():
            self.nest.values[names[name]] = replace(value, name=names[name])
        carried = [names[v.name] for v in scan.body.inputs[:count]]
        slices = {names[v.name]: outer for v, outer in zip(scan.body.inputs[count : count + sliced], scan.slices, strict=True)}
        captured = {names[v.name]: outer for v, outer in zip(scan.body.inputs[count + sliced :], scan.captured, strict=True)}
        within = Nest(self.nest.values, self.nest.taken, self.nest.extent)
        nested = _Scheduler(rename(replace(body, inputs=()), names), within, f"{step}.e")
        nested.grows = _growing(body, names, carried)
        results = [names[name] for name in body.outputs]
        stacks = slices | {results[k]: scan.outs[k].name for k in scan.emits}  # emitted where they are computed
        placed = {o.name: self.placed[o.name] for o in scan.outs if o.name in self.placed}
        inside = [at_step(node, stacks, captured, now, placed) for node in nested.run()]
        before: list[Node] = []
        for k in scan.emits:
            if scan.until or scan.limit:  # the emits of steps not taken
                before += self.write.fill(scan.outs[k].name, scan.origin)
        pairs = [(new, old) for new, old in zip(results, carried, strict=False) if new not in nested.grows]
        places = {new: old for new, old in pairs if may_replace(inside, old, new)}
        inside = [n for node in inside for n in in_place(node, places)]
        inside += [n for new, old in pairs if new not in places for n in self.write.copy(new, old, scan.origin)]
        if scan.limit:
            t, limit = number(now), (Access(scan.limit, ()),)
            last = E.make("lt", E.add(t, E.arg(0)), E.dim(scan.axis.extent)) if scan.high else E.make("ge", t, E.arg(0))
            inside.insert(0, Leave(last, limit, scan.origin, again=True))
        if scan.until:
            taken = scan.outs[-1].name
            before.append(Assign(taken, (), "=", E.ZERO, (), scan.origin))
            inside.append(Assign(taken, (), "=", E.add(E.idx(step), E.ONE), (), scan.origin))
            inside.append(Leave(E.make("ne", E.arg(0), E.ZERO), (Access(results[-1], ()),), scan.origin))
        self.nest.inner += [self.nest.values[n] for n in names.values() if n not in slices and n not in captured]
        self.nest.inner += [v for v in within.inner if v not in self.nest.inner]
        before += [n for k in range(count) for n in self.write.copy(scan.initial[k], carried[k], scan.origin)]
        read = {*self.graph.outputs, *(name for eqn in self.graph.eqns for name in eqn.reads())}
        after = [n for old, out in zip(carried, scan.outs, strict=False) if out.name in read
                 for n in self.write.copy(old, out.name, scan.origin)]  # fmt: skip
        return [*before, Loop(step, scan.axis.extent, tuple(inside)), *after]


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


def _growing(body: Graph, names: dict[str, str], carried: Sequence[str]) -> dict[str, str]:
    """The next value of each carry that nothing but the next value reads, and the other way round."""
    reads = Counter(name for eqn in body.eqns for name in eqn.reads())
    outputs = set(body.outputs)
    return {names[new]: old for new, inner, old in zip(body.outputs, body.inputs, carried, strict=False)
            if reads[inner.name] == 1 and new not in reads and inner.name not in outputs}  # fmt: skip
