"""A product over a concatenation of what the steps of a loop hand on and what they do not: (x, h) @ W = x @ W[:D] + h @ W[D:].
The part that waits for no step can then be taken for all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..graph import expr as E
from ..graph.bounds import read_inside
from ..graph.expr import Expr
from ..graph.ir import Access, Axis, Eqn, Graph, Ix, Scan, Value, at
from ..graph.rewrite import Namer, prune, shape_axes, substitute_access
from ..graph.shapes import Dim, Shape
from ..records import dataclass
from .costs import is_product
from .steps import carried, whole


def run(graph: Graph) -> Graph:
    eqns = tuple(_in_loop(e) if isinstance(e, Scan) else e for e in graph.eqns)
    return graph.with_eqns(eqns) if any(a is not b for a, b in zip(eqns, graph.eqns, strict=True)) else graph


def _in_loop(scan: Scan) -> Scan:
    body = run(scan.body)
    if whole(scan):
        split = _Splitter(body, carried(scan, body))
        eqns = tuple(new for eqn in body.eqns for new in split(eqn))
        body = body if len(eqns) == len(body.eqns) else body.with_eqns(eqns)
    return scan if body is scan.body else replace(scan, body=body)


@dataclass(frozen=True, slots=True)
class _Piece:
    """From ``low`` up to ``high`` a concatenation is ``body``."""

    low: Dim
    high: Dim
    body: Expr
    waits: bool


class _Splitter:
    def __init__(self, body: Graph, waiting: set[str]) -> None:
        self.waiting = waiting
        self.shapes: dict[str, Shape] = {name: value.shape for name, value in body.values().items()}
        self.name = Namer(self.shapes)
        self.made = {e.out.name: e for e in body.eqns if isinstance(e, Eqn)}

    def __call__(self, eqn: Eqn | Scan) -> list[Eqn | Scan]:
        if isinstance(eqn, Scan) or not is_product(eqn) or eqn.plain_out is None:
            return [eqn]
        reduced = {a.name: a.extent for a in eqn.reduced}
        for k, access in enumerate(eqn.args):
            joined = self.made.get(access.value)
            if joined is None or joined.reduce or joined.plain_out is None or access.fill is not None:
                continue
            for d, ix in enumerate(access.index):
                axis = ix.plain
                if axis is not None and reduced.get(axis) == joined.out.shape[d]:
                    pieces = self._pieces(joined, joined.plain_out[d])
                    if len(pieces) > 1 and sum(axis in i.axes() for i in access.index) == 1:
                        return self._parts(eqn, k, axis, joined, d, pieces)
        return [eqn]

    def _pieces(self, joined: Eqn, along: str) -> list[_Piece]:
        """The pieces along an axis; neighbours that both wait for a step, or both do not, are one."""
        pieces: list[_Piece] = []
        low, rest = Dim.of(0), joined.body
        while True:
            test = rest.args[0] if rest.op == "where" else rest
            cut = test.args[1] if test.op == "lt" and test.args[0] is E.idx(along) else None
            high, piece = joined.extents[along], rest
            if cut is not None:
                if cut.number is None and not isinstance(cut.value, Dim):
                    return []
                high = cut.value if isinstance(cut.value, Dim) else Dim.of(int(cut.number or 0))
                piece = rest.args[1]
            reads = {joined.args[leaf.value].value for leaf in E.leaves(piece, "arg") if isinstance(leaf.value, int)}
            waits = not self.waiting.isdisjoint(reads)
            if pieces and pieces[-1].waits == waits:
                pieces[-1] = _Piece(pieces[-1].low, high, joined.body, waits)  # a concatenation still
            else:
                pieces.append(_Piece(low, high, piece, waits))
            if cut is None:
                return pieces
            low, rest = high, rest.args[2]

    def _parts(self, eqn: Eqn, k: int, axis: str, joined: Eqn, d: int, pieces: Sequence[_Piece]) -> list[Eqn | Scan]:
        made: list[Eqn | Scan] = []
        parts: list[Eqn] = []
        for number, piece in enumerate(pieces, 1):
            here = at(axis) + Ix((), piece.low)
            extents = eqn.extents | {axis: piece.high - piece.low}
            args: list[Access] = []
            for n, access in enumerate(eqn.args):
                if n == k:
                    access = self._piece(joined, d, piece, access, made, number)
                elif axis in {name for ix in access.index for name in ix.axes()}:
                    slice_ = self._slice(access, axis, piece, eqn, made, number)
                    access = slice_ or substitute_access(access, {axis: here}, extents)
                args.append(access)
            out = replace(eqn.out, name=self.name(f"{eqn.out.name}_part{number}"))
            axes = tuple(Axis(a.name, extents[a.name]) for a in eqn.axes)
            parts.append(replace(eqn, out=out, axes=axes, args=tuple(args)))
        axes = shape_axes(eqn.out.shape)
        index = tuple(at(a.name) for a in axes)
        total = E.arg(0)
        for n in range(1, len(parts)):
            total = E.make("add", total, E.arg(n))
        reads = tuple(Access(p.out.name, index) for p in parts)
        note = "in parts, of which not all wait for the step before"
        return [*made, *parts, Eqn(eqn.out, axes, index, "", reads, total, "add", replace(eqn.origin, note=note))]

    def _piece(self, joined: Eqn, d: int, piece: _Piece, access: Access, made: list[Eqn | Scan], n: int) -> Access:
        """What ``access`` reads of the concatenation inside one piece of it."""
        plain = joined.plain_out
        assert plain is not None
        along, extent = plain[d], piece.high - piece.low
        extents = joined.extents | {along: extent}
        moved = {along: at(along) + Ix((), piece.low)}
        args: list[Access] = []
        for read in joined.args:
            read = substitute_access(read, moved, extents)
            bare = replace(read, fill=None)
            args.append(bare if read_inside(bare, self.shapes[read.value], extents) else read)
        if piece.body.op == "arg" and isinstance(piece.body.value, int) and args[piece.body.value].fill is None:
            return substitute_access(args[piece.body.value], dict(zip(plain, access.index, strict=True)), extents)
        shape = (*joined.out.shape[:d], extent, *joined.out.shape[d + 1 :])
        out = Value(self.name(f"{joined.out.name}_part{n}"), shape, joined.out.kind)
        axes = tuple(Axis(a.name, extents[a.name]) for a in joined.axes)
        body = E.substitute(piece.body, {E.idx(along): E.add(E.idx(along), E.dim(piece.low))})
        made.append(prune(replace(joined, out=out, axes=axes, args=tuple(args), body=body)))
        return Access(out.name, access.index)

    def _slice(self, access: Access, axis: str, piece: _Piece, eqn: Eqn, made: list[Eqn | Scan], n: int) -> Access | None:
        """The same read of a slice that is a value of its own: so that its adjoint is one product, too."""
        shape, extent = self.shapes[access.value], piece.high - piece.low
        places = [d for d, ix in enumerate(access.index) if axis in ix.axes()]
        d = places[0]
        if access.fill is not None or len(places) > 1 or access.index[d].plain != axis:
            return None
        inner = (*shape[:d], extent, *shape[d + 1 :])
        axes = shape_axes(inner)
        index = tuple(at(a.name) for a in axes)
        read = Access(access.value, (*index[:d], index[d] + Ix((), piece.low), *index[d + 1 :]))
        if not read_inside(read, shape, {a.name: a.extent for a in axes}):
            return None
        out = Value(self.name(f"{access.value}_part{n}"), inner)
        made.append(Eqn(out, axes, index, "", (read,), E.arg(0), "slice", replace(eqn.origin, note="")))
        return Access(out.name, access.index)
