"""A loop around a ring, as of ``roll``, is cut where an index comes round: nothing is divided, and each piece reads along
memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Final

from ..graph import expr as E
from ..graph.ir import Gather, Ix, Quot, Rem, at, fixed
from ..graph.patterns import places_after
from ..graph.rewrite import substitute_ix
from ..graph.shapes import Dim
from .ir import Assign, Loop, Node
from .nodes import number

PIECES: Final = 4  # into which a loop is cut at most
MOST: Final = 8  # statements that are written once for each of them
WRITTEN: Final = 64  # statements of all pieces of a loop whose length is not known


def unrolled(loop: Loop, fresh: Callable[[str, Dim], str]) -> list[Node]:
    """The pieces of a loop in which every index ``(i + c) % n`` is ``i`` plus a number; the loop itself where there are none, or
    too many, or something is summed along it."""
    length = loop.extent.value
    statements = [n for n in loop.body if isinstance(n, Assign)]
    if length is None:
        return _ends_apart(loop, statements)
    if len(statements) < len(loop.body) or len(statements) > MOST:
        return [loop]
    if loop.sums or loop.reverse or loop.of or loop.strip or loop.when is not None:
        return [loop]
    cuts = {0, length}
    for node in statements:
        if not any(loop.variable in ix.axes() for ix in node.index):
            return [loop]
        for ix in _indices(node):
            for atom, _ in ix.terms:
                if isinstance(atom, str) or loop.variable not in Ix(((atom, Dim.of(1)),)).axes():
                    continue
                shift = _shift(atom, loop) if isinstance(atom, Rem) else None
                if shift is None:
                    return [loop]
                cuts.add((length - shift) % length)
    ends = sorted(cuts)
    if not 3 <= len(ends) <= PIECES + 1:
        return [loop]
    nodes: list[Node] = []
    for start, end in pairwise(ends):
        variable = "" if end - start == 1 else fresh(loop.variable, Dim.of(end - start))
        here = (at(variable) if variable else Ix()) + fixed(start)
        body = tuple(_moved(node, loop, here, start) for node in statements)
        nodes += [Loop(variable, Dim.of(end - start), body)] if variable else body
    return nodes


def _ends_apart(loop: Loop, statements: list[Assign]) -> list[Node]:
    """A loop whose length is not known as its first and last rounds, each where there is one, and what is between them, where
    no index comes round."""
    if loop.reverse or loop.of or loop.strip or loop.when is not None or len(statements) < len(loop.body):
        return [loop]
    low = high = 0  # how many rounds at each end
    for node in statements:
        for ix in _indices(node):
            for atom, _ in ix.terms:
                if isinstance(atom, str) or loop.variable not in Ix(((atom, Dim.of(1)),)).axes():
                    continue
                back = _back(atom, loop)
                if back is None:
                    return [loop]
                low, high = max(low, back), max(high, -back)
    if not low + high or low + high > PIECES or len(statements) * (low + high + 1) > WRITTEN:
        return [loop]
    length, one = loop.extent, replace(loop, sums=())

    def alone(k: Dim, more: int) -> Loop:
        """The round k, in a ring of more places than so many."""
        return replace(one, first=Ix((), k), end=Ix((), k + 1), when=E.make("gt", E.dim(length), E.const(more)))

    between = tuple(_between(node, loop) for node in statements)
    return [*(alone(Dim.of(k), k) for k in range(low)),
            replace(loop, body=between, first=fixed(low), end=Ix((), length - high)),
            *(alone(length - k, low + k - 1) for k in range(high, 0, -1))]  # fmt: skip


def _back(atom: Gather | Quot | Rem, loop: Loop) -> int | None:
    """How far before its own place (after it, if negative) the index ``(i + c) % n`` around all of the loop is."""
    if not isinstance(atom, Rem) or atom.a.terms != at(loop.variable).terms:
        return None
    after = places_after(atom, loop.extent)
    return None if after is None else -after


def _between(node: Assign, loop: Loop) -> Assign:
    """The statement where no index comes round."""

    def moved(ix: Ix) -> Ix:
        found = Ix((), ix.const)
        for atom, factor in ix.terms:
            back = None if isinstance(atom, str) else _back(atom, loop)
            term = Ix(((atom, Dim.of(1)),)) if back is None else at(loop.variable) + fixed(-back)
            found = found + term.scale(factor)
        return found

    args = tuple(replace(a, index=tuple(map(moved, a.index))) for a in node.args)
    return replace(node, index=tuple(map(moved, node.index)), args=args)


def _shift(atom: Rem | Quot, loop: Loop) -> int | None:
    """The c of an index ``(i + c) % n`` around all of the loop."""
    inner, shift = atom.a, atom.a.const.value
    around = isinstance(atom, Rem) and atom.b == loop.extent and inner.terms == at(loop.variable).terms
    return shift if around and shift is not None and shift >= 0 else None


def _indices(node: Assign) -> Iterator[Ix]:
    yield from node.index
    for access in node.args:
        yield from access.index


def _moved(node: Assign, loop: Loop, here: Ix, start: int) -> Assign:
    """The statement of a piece that begins at ``start``, with the loop's variable as ``here``."""
    length = loop.extent.value or 1

    def moved(ix: Ix) -> Ix:
        found = Ix((), ix.const)
        for atom, factor in ix.terms:
            term = Ix(((atom, Dim.of(1)),))
            shift = _shift(atom, loop) if isinstance(atom, Rem) else None
            if shift is not None:
                term = here + fixed(shift - (start + shift) // length * length)
            elif loop.variable in term.axes():
                term = substitute_ix(term, {loop.variable: here}, {})
            found = found + term.scale(factor)
        return found

    args = tuple(replace(a, index=tuple(map(moved, a.index))) for a in node.args)
    body = E.substitute(node.body, {E.idx(loop.variable): number(here)})
    return replace(node, index=tuple(map(moved, node.index)), args=args, body=body)
