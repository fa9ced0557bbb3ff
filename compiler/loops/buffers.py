"""Where values live: an argument of the kernel, a C variable, a small C array, or a piece of one scratch vector.

A value that is made and used up inside a loop needs no dimension for it (array contraction). What is left of the
larger ones shares the scratch vector by liveness: a piece is free again after the last nest that reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush

from ..graph import expr as E
from ..graph.ir import Graph, Ix, Origin, Value, outs
from ..graph.shapes import Dim, size
from ..passes import MEMORY, apply
from ..passes.kernels import Kernel, Place
from .ir import ArgBest, Assign, Leave, Loop, Nest, Node, Product, Rank, Storage, Zero
from .schedule import best_name, schedule, walk

ON_STACK = 256  # elements of one value
STACK = 1 << 15  # elements of all values


@dataclass
class _Uses:
    paths: list[tuple[str, ...]] = field(default_factory=list)
    indices: list[tuple[Ix, ...] | None] = field(default_factory=list)  # None: as a whole
    first: int = -1
    last: int = -1


def lower(kernel: Kernel) -> Nest:
    """The kernel as loop nests with a place for every value."""
    graph = apply(MEMORY, kernel.graph)
    kernel = replace(kernel, graph=graph)
    slots = {p.value: p for p in kernel.places}
    nodes, inner = schedule(graph)
    body = _zero_together(nodes, slots, graph)
    uses = _collect(body)
    room = STACK
    storage: list[Storage] = []
    pieces = _Pieces()
    pending: list[tuple[int, _Uses, Value, tuple[int, ...]]] = []
    consts = {c.value.name for c in graph.consts}
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
            if not dims:
                storage.append(Storage(value, "scalar", ()))
            elif extent.value is not None and extent.value <= min(ON_STACK, room):
                storage.append(Storage(value, "stack", dims))
                room -= extent.value
            else:
                pending.append((use.first, use, value, dims))
    for _, use, value, dims in sorted(pending, key=lambda p: p[0]):
        offset = pieces.take(size(tuple(value.shape[d] for d in dims)), use.first, use.last)
        storage.append(Storage(value, "work", dims, offset=offset))
    return Nest(kernel, body, tuple(storage), pieces.end)


class _Pieces:
    """The pieces of the scratch vector. They are asked for in the order of their first use; the earliest that is free again and
    large enough is taken."""

    def __init__(self) -> None:
        self.end = Dim.of(0)
        self._offsets: list[Dim] = []
        self._extents: list[Dim] = []
        self._busy: list[tuple[int, int]] = []  # (last use, piece), a heap
        self._free: dict[Dim, list[int]] = {}  # by extent, each a heap

    def take(self, extent: Dim, first: int, last: int) -> Dim:
        """The offset of a piece that is used from ``first`` to ``last``."""
        while self._busy and self._busy[0][0] < first:
            piece = heappop(self._busy)[1]
            heappush(self._free.setdefault(self._extents[piece], []), piece)
        wanted = extent.value
        fits = [have for have, free in self._free.items()
                if free and (have == extent or (have.value or -1) >= (wanted or 1 << 62))]  # fmt: skip
        if fits:
            piece = heappop(min((self._free[have] for have in fits), key=lambda free: free[0]))
        else:
            piece = len(self._extents)
            self._extents.append(extent)
            self._offsets.append(self.end)
            self.end = self.end + extent
        heappush(self._busy, (last, piece))
        return self._offsets[piece]


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
            origin = Origin(tuple(dict.fromkeys(spans)), "zero")
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
            for inner in node.body:
                visit(inner, (*path, node.variable), top)
            return
        if isinstance(node, Product):
            for access in (node.a, node.b, node.c):
                see(access.value, path, None, top)
            for access in node.args:
                see(access.value, path, access.index, top)
            return
        if isinstance(node, Rank):
            for name in (node.source.value, node.target.value, node.scratch):
                see(name, path, None, top)
            return
        if isinstance(node, Zero):
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


def _common(paths: list[tuple[str, ...]]) -> tuple[str, ...]:
    prefix = paths[0]
    for path in paths[1:]:
        k = 0
        while k < min(len(prefix), len(path)) and prefix[k] == path[k]:
            k += 1
        prefix = prefix[:k]
    return prefix
