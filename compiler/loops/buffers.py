"""Where values live: an argument of the kernel, a C variable, a small C array, or a piece of one scratch vector.

A value that is made and used up inside a loop needs no dimension for it (array contraction). What is left of the
larger ones shares the scratch vector by liveness: a piece is free again after the last nest that reads it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from heapq import heappop, heappush
from math import gcd
from typing import Final

from ..graph import expr as E
from ..graph.ir import Graph, Ix, Origin, Value, outs
from ..graph.shapes import Dim, size
from ..passes.kernels import Kernel, Place
from ..passes.pair import laid_out
from .cuts import cut
from .ir import ArgBest, Assign, Leave, Loop, Move, Nest, Node, Product, Rank, Storage, Zero
from .nodes import best_name, walk
from .schedule import schedule

ON_STACK = 256  # elements of one value
STACK = 1 << 15  # elements of all values
LINE = 16  # elements of a line of the cache, or of two
MANY = 300  # up to so many values of one kind of size are laid out in two ways


@dataclass
class _Uses:
    paths: list[tuple[str, ...]] = field(default_factory=list)
    indices: list[tuple[Ix, ...] | None] = field(default_factory=list)  # None: as a whole
    first: int = -1
    last: int = -1


def lower_all(kernels: Sequence[Kernel]) -> tuple[Nest, ...]:
    """The kernels of a module as loop nests with a place for every value."""
    return tuple(_lower(kernel) for kernel in laid_out(kernels))


def lower(kernel: Kernel) -> Nest:
    """One kernel, as it is by itself."""
    return _lower(*laid_out((kernel,)))


def _lower(kernel: Kernel) -> Nest:
    graph = kernel.graph
    slots = {p.value: p for p in kernel.places}
    nodes, inner = schedule(graph, kernel.over)
    body = _moving(_zero_together(nodes, slots, graph), kernel)
    uses = _collect(body)
    moved = {gradient for _, gradient in kernel.moves}
    room = STACK
    storage: list[Storage] = []
    pending: list[tuple[int, _Uses, Value, tuple[int, ...]]] = []
    consts = {c.value.name for c in graph.consts}
    strips = {n.variable: n for n in walk(body) if isinstance(n, Loop) and n.strip}
    within = {n.variable: strips[n.of] for n in walk(body) if isinstance(n, Loop) and n.of}
    bests = [Value(best_name(v.name), v.shape) for v in inner if v.kind == "int"]
    for value in (*_all_values(graph), *inner, *bests):
        if value.name in slots:
            place = slots[value.name]
            dims = tuple(range(len(value.shape)))
            storage.append(Storage(value, "slot", dims, place.slot, place.offset))
        elif value.name in consts:
            storage.append(Storage(value, "slot", tuple(range(len(value.shape))), "const"))
        elif value.name in uses:
            use = uses[value.name]
            dims = _stored(value, use)
            extent = size(tuple(value.shape[d] for d in dims))
            along, strip = _along(use, dims, within)
            local = size((Dim.of(strip), *(value.shape[d] for d in dims if d != along))).value if strip else None
            if not dims and value.name in moved:  # a rule takes where it is
                storage.append(Storage(value, "stack", ()))
            elif not dims:
                storage.append(Storage(value, "scalar", ()))
            elif local is not None and local <= min(ON_STACK, room):
                storage.append(Storage(value, "stack", dims, along=along, strip=strip))
                room -= local
            elif extent.value is not None and extent.value <= min(ON_STACK, room):
                storage.append(Storage(value, "stack", dims))
                room -= extent.value
            else:
                pending.append((use.first, use, value, dims))
    pending.sort(key=lambda p: p[0])
    wanted = [(_whole_lines(size(tuple(value.shape[d] for d in dims))), use.first, use.last) for _, use, value, dims in pending]
    offsets, work = lay_out(wanted)
    storage += [Storage(value, "work", dims, offset=at) for (_, _, value, dims), at in zip(pending, offsets, strict=True)]
    return Nest(kernel, cut(body, storage), tuple(storage), work)


def _whole_lines(extent: Dim) -> Dim:
    """What takes several lines of the cache takes whole ones, so that what lies behind it begins on one, too."""
    return Dim(tuple((m, c if c < 4 * LINE else -(-c // LINE) * LINE) for m, c in extent.terms))


Span = tuple[int, int, int]  # how much, and the first and the last node that uses it


def lay_out(wanted: Sequence[tuple[Dim, int, int]]) -> tuple[list[Dim], Dim]:
    """Where each of the extents starts in the scratch vector, and how long that is: those used at the same time (from a first
    node to a last) lie side by side. Extents that are multiples of the same size (64*N and 10*N) share a region of the vector;
    which region is larger is not known before the sizes are. So a region begins, for those of its extents that are in use
    together, behind what is then in use of the regions before."""
    regions: dict[Dim, list[int]] = {}
    spans: list[Span] = []
    for k, (extent, first, last) in enumerate(wanted):
        units = gcd(*(c for _, c in extent.terms)) if extent.terms else 0
        regions.setdefault(Dim(tuple((m, c // units) for m, c in extent.terms)) if units else Dim.of(1), []).append(k)
        spans.append((units, first, last))
    offsets = [Dim.of(0)] * len(spans)
    placed: list[tuple[int, int, dict[Dim, int]]] = []  # of what is done: its first and last use, and its end in each unit
    for unit, members in sorted(regions.items(), key=lambda region: not region[0].is_one()):  # what has a fixed size comes first
        lines = LINE if unit.is_one() and len(regions) > 1 else 1
        now: list[tuple[int, int, dict[Dim, int]]] = []
        for together in _together(members, spans):
            mine = [spans[k] for k in together]
            first, last = min(span[1] for span in mine), max(span[2] for span in mine)
            base: dict[Dim, int] = {}
            for other_first, other_last, end in placed:
                if other_first <= last and first <= other_last:
                    base |= {u: max(c, base.get(u, 0)) for u, c in end.items()}
            ways = [_in_turn(mine)]
            if len(mine) <= MANY:
                ways += [_in_gaps(mine, order) for order in _ORDERS]
            starts, length = min(ways, key=lambda way: way[1])
            for k, start in zip(together, starts, strict=True):
                offsets[k] = _sum(base) + unit * start
                now.append((spans[k][1], spans[k][2], base | {unit: -(-(start + spans[k][0]) // lines) * lines}))
        placed += now
    ends: list[Dim] = []
    for *_, there in placed:
        total = _sum(there)
        if all(known.largest(total) != known for known in ends):
            ends = [*(known for known in ends if total.largest(known) != total), total]
    return offsets, reduce(Dim.largest, ends, Dim.of(0))


def _sum(units: Mapping[Dim, int]) -> Dim:
    total = Dim.of(0)
    for unit, count in units.items():
        total = total + unit * count
    return total


def _together(members: Sequence[int], spans: Sequence[Span]) -> list[list[int]]:
    """The members in runs over time: no member of one is in use together with one of another."""
    runs: list[list[int]] = []
    until = -1
    for k in sorted(members, key=lambda k: spans[k][1]):
        if spans[k][1] > until:
            runs.append([])
        runs[-1].append(k)
        until = max(until, spans[k][2])
    return runs


# Which are placed first: the largest, the longest in use, those that are much of both (Pisarchyk and Lee, 2020).
_ORDERS: Final[tuple[Callable[[Span], int], ...]] = (
    lambda span: span[0], lambda span: span[2] - span[1], lambda span: span[0] * (span[2] - span[1] + 1),
)  # fmt: skip


def _in_gaps(spans: Sequence[Span], weight: Callable[[Span], int]) -> tuple[list[int], int]:
    """The heaviest first, each in the smallest gap between those that are in use with it."""
    starts = [0] * len(spans)
    done: list[int] = []
    for k in sorted(range(len(spans)), key=lambda k: (-weight(spans[k]), -spans[k][0], k)):
        units, first, last = spans[k]
        beside = sorted((starts[j], spans[j][0]) for j in done if spans[j][1] <= last and first <= spans[j][2])
        best, room, at = -1, 0, 0
        for start, taken in beside:
            if start - at >= units and (best < 0 or start - at < room):
                best, room = at, start - at
            at = max(at, start + taken)
        starts[k] = best if best >= 0 else at
        done.append(k)
    return starts, max((starts[k] + spans[k][0] for k in done), default=0)


def _in_turn(spans: Sequence[Span]) -> tuple[list[int], int]:
    """In the order of their first use: what is free again is given away, the smallest gap that is large enough first."""
    region, starts = _Region(), [0] * len(spans)
    for k in sorted(range(len(spans)), key=lambda k: spans[k][1]):
        starts[k] = region.take(*spans[k])
    return starts, region.end


class _Region:
    """A vector with gaps."""

    def __init__(self) -> None:
        self.end = 0
        self._busy: list[tuple[int, int, int]] = []  # (last use, start, units), a heap
        self._starts: list[int] = []  # of the gaps, in order
        self._gaps: dict[int, int] = {}  # start to units

    def take(self, units: int, first: int, last: int) -> int:
        while self._busy and self._busy[0][0] < first:
            _, start, gap = heappop(self._busy)
            self._free(start, gap)
        fits = [start for start in self._starts if self._gaps[start] >= units]
        if fits:
            start = min(fits, key=lambda s: (self._gaps[s], s))
            left = self._gaps.pop(start) - units
            self._starts.remove(start)
            if left:
                self._free(start + units, left)
        else:
            start = self.end
            if self._starts and self._starts[-1] + self._gaps[self._starts[-1]] == self.end:  # a gap at the end grows
                start = self._starts.pop()
                del self._gaps[start]
            self.end = start + units
        heappush(self._busy, (last, start, units))
        return start

    def _free(self, start: int, units: int) -> None:
        if not units:
            return
        k = bisect_left(self._starts, start)
        if k < len(self._starts) and start + units == self._starts[k]:
            units += self._gaps.pop(self._starts.pop(k))
        if k and self._starts[k - 1] + self._gaps[self._starts[k - 1]] == start:
            self._gaps[self._starts[k - 1]] += units
            return
        self._starts.insert(k, start)
        self._gaps[start] = units


def _moving(body: tuple[Node, ...], kernel: Kernel) -> tuple[Node, ...]:
    """Each parameter moves as soon as its gradient is there and nothing reads either of them any more."""
    if not kernel.moves:
        return body
    values = kernel.graph.values()
    origins = {o.name: e.origin for e in kernel.graph.eqns for o in outs(e)}
    touched = [used([node]) for node in body]
    after: dict[int, list[Node]] = {}
    made: dict[int, Node] = {}
    for parameter, gradient in kernel.moves:
        last = max((k for k, names in enumerate(touched) if parameter in names or gradient in names), default=-1)
        origin = replace(origins[gradient], note=f"{parameter} moves by its gradient")
        node = body[last] if last >= 0 else None
        if isinstance(node, Product) and _is_whole(node, gradient, parameter):
            made[last] = replace(node, moves=parameter, origin=origin)
            continue
        after.setdefault(last, []).append(Move(parameter, gradient, size(values[parameter].shape), origin))
    return (*after.get(-1, ()), *(n for k, node in enumerate(body) for n in (made.get(k, node), *after.get(k, ()))))


def _is_whole(node: Product, gradient: str, parameter: str) -> bool:
    """Whether the product writes the gradient and nothing else, row by row, and reads nothing of the parameter."""
    plain = len(node.rows) == len(node.depth) == 1 and node.columns.c.is_one() and not node.guard
    whole = node.alpha is E.ONE and node.beta is E.ZERO and not node.ended and node.rows[0].c == node.columns.extent
    return plain and whole and node.c.value == gradient and parameter not in (node.a.value, node.b.value)


def _zero_together(body: tuple[Node, ...], slots: dict[str, Place], graph: Graph) -> tuple[Node, ...]:
    """Gradients that start from zero lie side by side: one loop sets them all."""
    values = graph.values()
    found: list[tuple[int, int, str, Node]] = []  # start, count, slot
    for node in body:
        target = _zeroed(node)
        if target is None or target not in slots or not slots[target].slot.startswith("grad:"):
            continue
        start, count = slots[target].offset.value, size(values[target].shape).value
        if start is not None and count is not None:
            found.append((start, count, slots[target].slot, node))
    found.sort(key=lambda f: (f[2], f[0]))
    runs: list[tuple[int, int, str, list[Node]]] = []
    for start, count, slot, node in found:
        if runs and runs[-1][2] == slot and runs[-1][0] + runs[-1][1] == start:
            first, length, _, nodes = runs[-1]
            runs[-1] = (first, length + count, slot, [*nodes, node])
        else:
            runs.append((start, count, slot, [node]))
    zeros: list[Node] = []
    gone: set[int] = set()
    for start, count, slot, nodes in runs:
        if len(nodes) > 1:
            spans = (s for n in nodes for leaf in walk([n]) if isinstance(leaf, Assign) for s in leaf.origin.spans)
            *most, last = [str(_zeroed(n)) for n in nodes]
            origin = Origin(tuple(dict.fromkeys(spans)), "zero", f"{', '.join(most)} and {last} are added up from 0")
            zeros.append(Zero(slot, Dim.of(start), Dim.of(count), origin))
            gone.update(map(id, nodes))
    return (*zeros, *(n for n in body if id(n) not in gone))


def _zeroed(node: Node) -> str | None:
    """The value that this node sets to zero, if it does only that."""
    while isinstance(node, Loop):
        if len(node.body) != 1:
            return None
        node = node.body[0]
    return node.target if isinstance(node, Assign) and node.op == "=" and node.body is E.ZERO else None


def _all_values(graph: Graph) -> Iterator[Value]:
    yield from graph.inputs
    for const in graph.consts:
        yield const.value
    for eqn in graph.eqns:
        for out in outs(eqn):
            yield out
            if out.kind == "int":
                yield Value(best_name(out.name), out.shape)


def used(nodes: Sequence[Node]) -> dict[str, None]:
    """The values that nodes read or write."""
    return dict.fromkeys(_collect(nodes))


def _collect(body: Sequence[Node]) -> dict[str, _Uses]:
    uses: dict[str, _Uses] = {}

    def see(name: str, path: tuple[str, ...], index: tuple[Ix, ...] | None, top: int) -> None:
        use = uses.setdefault(name, _Uses())
        use.paths.append(path)
        use.indices.append(index)
        use.first = top if use.first < 0 else use.first
        use.last = top

    def visit(node: Node, path: tuple[str, ...], top: int) -> None:
        if isinstance(node, Loop):
            for access in node.args:
                see(access.value, path, access.index, top)
            for inner in node.body:
                visit(inner, (*path, node.variable), top)
            return
        if isinstance(node, Product):
            for access in (node.a, node.b, node.c, *((node.onto,) if node.onto else ())):
                see(access.value, path, _outermost(access.index), top)
            for name in (node.moves, node.c.value) if node.moves else ():
                see(name, path, None, top)
            for access in node.args:
                see(access.value, path, access.index, top)
            return
        if isinstance(node, Rank):
            for name in (node.source.value, node.target.value, node.scratch):
                see(name, path, None, top)
            return
        if isinstance(node, Zero):
            return
        if isinstance(node, Move):
            see(node.parameter, path, None, top)
            see(node.gradient, path, None, top)
            return
        indices: list[Ix] = []
        if not isinstance(node, Leave):
            see(node.target, path, node.index, top)
            indices += node.index
        if isinstance(node, ArgBest):
            see(node.best, path, node.index, top)
        for access in node.args:
            see(access.value, path, access.index, top)
            indices.extend(access.index)
        for ix in indices:
            for gather in ix.gathers():
                see(gather.value, path, gather.index, top)

    for top, node in enumerate(body):
        visit(node, (), top)
    return uses


def _outermost(index: tuple[Ix, ...]) -> tuple[Ix, ...]:
    """Where a matrix product reads. Its steps are those of the whole value: only dimensions before all that it moves along may be
    left out."""
    moved = next((d for d, ix in enumerate(index) if ix.plain is None), len(index))
    return (*index[:moved], *(Ix() for _ in index[moved:]))


def _stored(value: Value, use: _Uses) -> tuple[int, ...]:
    """The dimensions that need memory."""
    common = _common(use.paths)
    kept: list[int] = []
    for d, extent in enumerate(value.shape):
        indices = [None if index is None else index[d] for index in use.indices]
        if extent.is_one() and None not in use.indices:
            continue
        variables = {None if ix is None else ix.plain for ix in indices}
        if len(variables) == 1:
            (variable,) = variables
            if variable is not None and variable in common:
                continue
        kept.append(d)
    return tuple(kept)


def _along(use: _Uses, dims: tuple[int, ...], within: Mapping[str, Loop]) -> tuple[int, int]:
    """The dimension of which only what belongs to one strip is ever in use, and its length; -1 and 0 where there is none."""
    common = _common(use.paths)
    for d in dims:
        plain = {None if index is None else index[d].plain for index in use.indices}
        strips = {within[v].variable if v is not None and v in within else None for v in plain}
        if len(strips) == 1 and None not in strips and strips <= {*common}:
            return d, within[next(v for v in plain if v is not None)].strip
    return -1, 0


def _common(paths: list[tuple[str, ...]]) -> tuple[str, ...]:
    prefix = paths[0]
    for path in paths[1:]:
        k = 0
        while k < min(len(prefix), len(path)) and prefix[k] == path[k]:
            k += 1
        prefix = prefix[:k]
    return prefix
