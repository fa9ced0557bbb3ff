"""Write a step into the equation that uses it, where that costs no work: data movement always, a temporary used once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

from ..graph import expr as E
from ..graph.bounds import read_inside
from ..graph.expr import Expr
from ..graph.ir import Access, Eqn, Graph, Ix, Scan
from ..graph.patterns import read_once, special
from ..graph.rewrite import normalise, substitute_access
from ..graph.shapes import Shape
from ..ops.words import is_temporary
from .products import is_product

MAX_DEPTH = 24  # deeper expressions stay apart: a reader loses the thread there, and so does a C compiler
MAX_NODES = 80


def run(graph: Graph) -> Graph:
    uses = _uses(graph)
    shapes = {name: value.shape for name, value in graph.values().items()}
    outputs = frozenset(graph.outputs)
    available: dict[str, Eqn] = {}
    eqns: list[Eqn | Scan] = []
    for eqn in graph.eqns:
        if isinstance(eqn, Eqn):
            eqn = _absorb(eqn, available, shapes)
            if _movable(eqn, outputs) and (_moves_data(eqn) or (uses.get(eqn.out.name) == 1 and is_temporary(eqn.out.name))):
                available[eqn.out.name] = eqn
        eqns.append(eqn)
    return graph.with_eqns(tuple(_in_slices(eqns, outputs)))


def _in_slices(eqns: list[Eqn | Scan], outputs: frozenset[str]) -> list[Eqn | Scan]:
    """With what is only read in parts, each element of it once, written in each of the parts: the sum of a recurrent cell where
    its gates take their columns of it."""
    readers: dict[str, list[tuple[Eqn, Access] | None]] = {}
    for eqn in eqns:
        if isinstance(eqn, Scan):
            for name in eqn.reads():
                readers.setdefault(name, []).append(None)
            continue
        for access in eqn.args:
            readers.setdefault(access.value, []).append((eqn, access))
        for ix in (*(i for a in eqn.args for i in a.index), *eqn.out_index):
            for gather in ix.gathers():
                readers.setdefault(gather.value, []).append(None)
    apart: dict[str, Eqn] = {}
    after: list[Eqn | Scan] = []
    for eqn in eqns:
        if isinstance(eqn, Eqn):
            for k in reversed(range(len(eqn.args))):
                producer = apart.get(eqn.args[k].value)
                if producer is not None:
                    eqn = substitute(eqn, k, producer)
            name = eqn.out.name
            if _movable(eqn, outputs) and is_temporary(name) and _apart(eqn, readers.get(name, ())):
                apart[name] = eqn
        after.append(eqn)
    return after


def _apart(producer: Eqn, readers: Sequence[tuple[Eqn, Access] | None]) -> bool:
    """Do its readers share it out among them along one dimension?"""
    if len(readers) < 2 or len(producer.args) < 2:
        return False
    ends: list[tuple[int, int]] = []
    along: set[int] = set()
    for each in readers:
        if each is None or each[1].fill is not None or each[0].reduce or is_product(each[0]) or special(each[0]):
            return False
        eqn, access = each
        if _count(eqn.body) + _count(producer.body) > MAX_NODES or eqn.body.depth + producer.body.depth > MAX_DEPTH:
            return False
        names: list[str] = []
        for d, (ix, extent) in enumerate(zip(access.index, producer.out.shape, strict=True)):
            atom = ix.terms[0][0] if len(ix.terms) == 1 and ix.terms[0][1].is_one() else None
            if not isinstance(atom, str):
                return False
            names.append(atom)
            if eqn.extents[atom] == extent and not ix.const.terms:
                continue
            start, length = ix.const.value, eqn.extents[atom].value
            if start is None or length is None:
                return False
            along.add(d)
            ends.append((start, start + length))
        if len(set(names)) != len(names) or {a.name for a in eqn.axes if not a.extent.is_one()} - set(names):
            return False
    ends.sort()
    return len(along) == 1 and len(ends) == len(readers) and all(a[1] <= b[0] for a, b in pairwise(ends))


def _uses(graph: Graph) -> dict[str, int]:
    """How often a value is read; a value used as an index or by a loop counts as read twice: it must be there."""
    counts: dict[str, int] = {}
    for eqn in graph.eqns:
        if isinstance(eqn, Scan):
            for name in eqn.reads():
                counts[name] = counts.get(name, 0) + 2
            continue
        for access in eqn.args:
            counts[access.value] = counts.get(access.value, 0) + 1
        for ix in (*(i for a in eqn.args for i in a.index), *eqn.out_index):
            for gather in ix.gathers():
                counts[gather.value] = counts.get(gather.value, 0) + 2
    for name in graph.outputs:
        counts[name] = counts.get(name, 0) + 2
    return counts


def _movable(eqn: Eqn, outputs: frozenset[str]) -> bool:
    plain = eqn.reduce == "" and eqn.plain_out is not None and not eqn.drop
    return plain and eqn.out.kind != "int" and eqn.out.name not in outputs and not E.is_drawn(eqn.body)


def _moves_data(eqn: Eqn) -> bool:
    return is_temporary(eqn.out.name) and eqn.body is E.arg(0) and len(eqn.args) == 1


def _absorb(eqn: Eqn, available: dict[str, Eqn], shapes: dict[str, Shape]) -> Eqn:
    changed = True
    while changed:
        after = _moved(eqn, available, shapes)
        changed = after is not eqn
        eqn = after
        for k, access in enumerate(eqn.args):
            producer = available.get(access.value)
            if producer is None or _moves_data(producer) or not _may(eqn, access, producer, shapes):
                continue
            nodes = _count(eqn.body) + _count(producer.body)
            if nodes > MAX_NODES or eqn.body.depth + producer.body.depth > MAX_DEPTH:
                continue
            eqn, changed = substitute(eqn, k, producer), True
            break
    return eqn


def _moved(eqn: Eqn, available: dict[str, Eqn], shapes: dict[str, Shape]) -> Eqn:
    """``eqn`` with everything that only moves data read from where it comes from, all at once."""
    args = list(eqn.args)
    extents, product = eqn.extents, is_product(eqn)
    used: list[Eqn] = []
    for k, access in enumerate(eqn.args):
        producer = available.get(access.value)
        if producer is None or not _moves_data(producer) or not _may(eqn, access, producer, shapes):
            continue
        plain = producer.plain_out
        assert plain is not None
        moved = substitute_access(producer.args[0], dict(zip(plain, access.index, strict=True)), extents)
        if not read_inside(moved, shapes[moved.value], extents):  # right, and more than can be proved: a copy stays
            continue
        read = moved if access.fill is None else replace(moved, fill=access.fill)
        if product and not is_product(normalise(replace(eqn, args=(*args[:k], read, *args[k + 1 :])))):
            continue
        args[k] = read
        used.append(producer)
    if not used:
        return eqn
    return normalise(replace(eqn, args=tuple(args), origin=eqn.origin.merge_all(p.origin for p in used)))


@lru_cache(maxsize=4096)
def _count(body: Expr) -> int:
    return sum(1 for _ in E.walk(body))


def _may(eqn: Eqn, access: Access, producer: Eqn, shapes: dict[str, Shape]) -> bool:
    if access.fill is not None:
        # outside, the fill is read: only a whole permutation keeps inside and outside apart
        return _moves_data(producer) and _permutes(producer, shapes) and producer.args[0].fill is None
    if _moves_data(producer):
        return not is_product(eqn) or producer.args[0].fill is None
    if is_product(eqn) or special(eqn):
        return False
    if eqn.reduce in ("max", "min") and read_once(access, eqn.axes):
        return True  # a pool
    axes = {a.name for a in eqn.axes if not a.extent.is_one()}
    names = [ix.plain for ix in access.index]
    read = {n for n in names if n in axes}
    big = sum(1 for d in producer.out.shape if not d.is_one())
    return read == axes and big == len(read)


def _permutes(producer: Eqn, shapes: dict[str, Shape]) -> bool:
    """All of an array, its axes in another order; a slice is not all of it."""
    (access,) = producer.args
    extents = producer.extents
    whole = all(ix.plain is not None and extents[ix.plain] == d for ix, d in zip(access.index, shapes[access.value], strict=True))
    return whole and sorted(str(ix.plain) for ix in access.index) == sorted(extents)


def substitute(eqn: Eqn, k: int, producer: Eqn) -> Eqn:
    """``eqn`` with its k-th operand computed in place."""
    plain = producer.plain_out
    assert plain is not None
    access = eqn.args[k]
    extents = eqn.extents
    mapping = dict(zip(plain, access.index, strict=True))
    moved = [substitute_access(inner, mapping, extents) for inner in producer.args]
    if access.fill is not None:
        moved = [replace(inner, fill=access.fill) for inner in moved]
    args = (*eqn.args[:k], *moved, *eqn.args[k + 1 :])  # in the order in which they are read
    later = {E.arg(j): E.arg(j + len(moved) - 1) for j in range(k + 1, len(eqn.args))}
    replacement: dict[Expr, Expr] = {E.arg(j): E.arg(k + j) for j in range(len(moved))}
    for leaf in E.leaves(producer.body, "idx"):
        replacement[leaf] = _number(mapping, str(leaf.value))
    body = E.substitute(producer.body, replacement)
    origin = eqn.origin.merge(producer.origin)
    whole = E.substitute(eqn.body, {E.arg(k): body, **later})
    return normalise(replace(eqn, args=args, body=whole, origin=origin))


def _number(mapping: dict[str, Ix], axis: str) -> Expr:
    """The index that stands for an axis, as a number in a body."""
    ix = mapping[axis]
    total: Expr | None = None
    for atom, factor in ix.terms:
        if not isinstance(atom, str):
            return E.make("idx", value=axis)
        term = E.mul(E.dim(factor), E.idx(atom))
        total = term if total is None else E.add(total, term)
    constant = E.dim(ix.const)
    return constant if total is None else E.add(total, constant)
