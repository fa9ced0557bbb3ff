"""Which loops of a kernel may be run in parts, by several threads: those whose rounds touch nothing of one another.

Each round writes at its own place along a dimension, or into variables that only it uses; what it adds to a scalar, or to a small
array such as the gradient of a bias, is added up part by part. What a part holds depends on the number of rounds alone, so that
the bits are the same for any number of threads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ..graph import expr as E
from ..graph.ir import Ix
from ..graph.shapes import Dim, size
from ..passes.costs import few_products
from .buffers import used
from .ir import ArgBest, Assign, Loop, Nest, Node, Product, Storage

_LIGHT = frozenset((*E.LEAVES, *E.ARITHMETIC, *E.COMPARISONS, *E.LOGIC, *E.CHOICES, "abs", "sign", "square", "floor")) - {"pow"}
HEAVY = 12  # additions that an elementary function is worth
LEAST = 1 << 20  # additions from which on a team gains anything: 20 to 100 us of one core
LONG = 1 << 14  # additions of a long round: only such pay beside matrix products, which have their own threads, and for arrays
FEWEST = 16  # rounds of a loop whose number is known
SUMS = 16  # scalars that one loop may sum into
ROOM = 1024  # elements of arrays that one loop may add to
OWN = 1 << 18  # elements of arrays that live in one round


def light(node: E.Expr) -> bool:
    """Does it take no longer than a few additions?"""
    return node.op in _LIGHT or few_products(node)


@dataclass(frozen=True, slots=True)
class Share:
    """A loop at the top of a kernel that may be run in parts. ``sums``: the scalars outside of it that it adds to, ``arrays``:
    the small arrays; ``own``: arrays in the scratch vector that live in one round; ``reads``: other variables and small arrays
    outside of it that it reads. ``work``: what a round costs, in additions."""

    sums: tuple[str, ...]
    arrays: tuple[str, ...]
    own: tuple[str, ...]
    reads: tuple[str, ...]
    work: Dim


def shares(nest: Nest) -> dict[int, Share]:
    """The loops that may be run in parts, by their place in the nest's body."""
    storage = {s.value.name: s for s in nest.storage}
    products = any(isinstance(n, Product) for n in _walk(nest.body))
    touched = [set(used([node])) for node in nest.body]
    times = Counter(name for names in touched for name in names)
    found: dict[int, Share] = {}
    for k, node in enumerate(nest.body):
        if not isinstance(node, Loop) or node.reverse or node.first != Ix() or node.end is not None:
            continue
        if node.extent.value is not None and node.extent.value < FEWEST:
            continue
        work = _work(node.body)  # of one round
        if node.strip:
            work = _work(_one_round(node.body, node.variable))
        total = (work * node.extent).value
        if total is not None and total < LEAST:
            continue
        if products and work.value is not None and work.value < LONG:
            continue
        outside = {name for name in touched[k] if times[name] > 1}
        share = _share(node, storage, outside, work)
        if share is not None:
            found[k] = share
    return found


def _share(loop: Loop, storage: dict[str, Storage], outside: set[str], work: Dim) -> Share | None:
    variables = {loop.variable, *(n.variable for n in _walk(loop.body) if isinstance(n, Loop) and n.of == loop.variable)}
    writes: dict[str, list[Assign | ArgBest]] = {}
    reads: dict[str, list[tuple[Ix, ...] | None]] = {}
    for node in _walk([loop]):
        if isinstance(node, Loop):
            for access in node.args:
                reads.setdefault(access.value, []).append(access.index)
            continue
        if isinstance(node, ArgBest):
            if node.best in outside or storage[node.best].kind not in ("scalar", "stack"):
                return None
            writes.setdefault(node.target, []).append(node)
        elif isinstance(node, Assign):
            writes.setdefault(node.target, []).append(node)
        else:
            return None
        for access in node.args:
            reads.setdefault(access.value, []).append(access.index if access.fill is None else None)
        for ix in (*(i for a in node.args for i in a.index), *node.index):
            for gather in ix.gathers():
                reads.setdefault(gather.value, []).append(None)
    sums: list[str] = []
    arrays: list[str] = []
    own: list[str] = []
    for name, assigns in writes.items():
        s = storage[name]
        if s.kind in ("scalar", "stack") and name not in outside:
            continue  # of one round
        adds = all(isinstance(n, Assign) and n.op == "+=" and not n.drop for n in assigns)
        if s.kind == "scalar" and s.value.kind == "real" and name not in reads and adds:
            sums.append(name)
            continue
        along = [d for d in s.dims if all(n.index[d].plain in variables for n in assigns)]
        alone = any(all(index is not None and index[d].plain in variables for index in reads.get(name, ())) for d in along)
        if s.kind in ("slot", "work") and alone:
            continue
        if s.kind == "work" and name not in outside and size(s.extents).value is not None:
            own.append(name)
            continue
        if not adds or name in reads or s.value.kind != "real" or s.slot == "theta" or size(s.extents).value is None:
            return None
        arrays.append(name)
    if arrays and work.value is not None and work.value < LONG:
        return None
    if len(sums) > SUMS or sum(size(storage[name].extents).value or 0 for name in arrays) > ROOM:
        return None
    if sum(size(storage[name].extents).value or 0 for name in own) > OWN:
        return None
    given = [n for n in reads if n not in writes and n in storage and storage[n].kind in ("scalar", "stack") and n in outside]
    return Share(tuple(sums), tuple(arrays), tuple(own), tuple(given), work)


def _work(body: Sequence[Node]) -> Dim:
    total = Dim.of(0)
    for node in body:
        if isinstance(node, Loop):
            total = total + _work(node.body) * node.times
        elif isinstance(node, Assign | ArgBest):
            inner = [n for n in E.walk(node.body) if n.args]
            total = total + (1 + len(inner) + len(node.args) + HEAVY * sum(not light(n) for n in inner))
    return total


def _one_round(body: Sequence[Node], strip: str) -> list[Node]:
    """What is in a strip, for one of its rounds."""
    return [replace(n, extent=Dim.of(1) if n.of == strip else n.extent, body=tuple(_one_round(n.body, strip)))
            if isinstance(n, Loop) else n for n in body]  # fmt: skip


def _walk(nodes: Sequence[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        if isinstance(node, Loop):
            yield from _walk(node.body)


__all__ = ["Share", "shares"]
