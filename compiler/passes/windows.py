"""Contractions over windows (convolutions and their gradients) in the form that a matrix kernel takes: every result is written
once, and nothing is read outside.

- A read or a write that is proved to be inside needs no look.
- A scatter ``d_x[i + u - 1] += d[i] * w[u]`` becomes the gather ``d_x[p] = sum u: d[p - u + 1] * w[u]``, in which d is 0
  outside. With a stride, ``d_x[2*i + u] += ...``, there is one for each remainder, and they are interleaved.
- So does one that keeps channels apart, of which loops take many at a time.
- What a contraction reads outside, where zeros are meant, is read from a copy with zeros around it. The gradient of the weights
  reads the same copy.
- So is what a formula of neighbours reads, as a difference on a grid.
- What is scattered partly outside, and lost there, is scattered into an array with room for it around: there is no look at each
  place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from ..graph import expr as E
from ..graph.bounds import floors, index_range, inside, never_negative
from ..graph.ir import Access, Axis, Eqn, Graph, Ix, Scan, Value, at, fixed
from ..graph.patterns import special
from ..graph.rewrite import Namer, normalise, substitute_access, substitute_ix
from ..graph.shapes import Dim, Shape, size
from .products import apart, channelwise, classify, roles

Reach = tuple[tuple[Dim, Dim], ...]  # from where to where each dimension of an array goes, in places of another
STRIDE = 4  # up to this one, a scatter is taken apart by its remainders


def run(graph: Graph) -> Graph:
    windows = _Windows(graph)
    eqns: list[Eqn | Scan] = []
    for eqn in graph.eqns:
        eqns.extend(windows.rewrite(eqn) if isinstance(eqn, Eqn) else (eqn,))
    eqns = windows.shared(windows.widened(windows.direct(eqns)))
    same = len(eqns) == len(graph.eqns) and all(a is b for a, b in zip(eqns, graph.eqns, strict=True))
    return graph if same else graph.with_eqns(tuple(eqns))


def _is_stencil(eqn: Eqn) -> bool:
    """Whether a formula reads neighbours of a place along the rows, with zeros outside: from a copy with zeros around it the loop
    along the row reads without a look, and is vectorised."""
    if eqn.reduce or not eqn.plain_out or special(eqn):
        return False
    row = eqn.plain_out[-1]
    moved: dict[str, set[Dim]] = {}
    for access in eqn.args:
        if access.fill is not None and access.index:
            if access.fill != 0 or any(atom != row or not f.is_one() for atom, f in access.index[-1].terms):
                return False
            moved.setdefault(access.value, set()).add(access.index[-1].const)
    return bool(moved) and all(len(places) > 1 for places in moved.values())


class _Windows:
    def __init__(self, graph: Graph) -> None:
        self.shapes = {name: v.shape for name, v in graph.values().items()}
        self.name = Namer(self.shapes)
        self.padded: dict[tuple[str, Reach], str] = {}
        self.given = {*(v.name for v in graph.inputs), *(c.value.name for c in graph.consts), *graph.outputs}
        self.places: dict[str, tuple[tuple[Dim, Dim], ...]] = {}  # of the parts of a scatter: the step and the start of each

    def rewrite(self, eqn: Eqn) -> Iterator[Eqn]:
        eqn = self._inside(eqn)
        if _is_stencil(eqn):
            copies, eqn = self._filled(eqn, together=True)
            yield from (*copies, eqn)
            return
        if classify(eqn) is not None or (roles(eqn) is None and not channelwise(eqn)):
            yield eqn
            return
        parts = [eqn] if eqn.plain_out is not None else self._gathered(eqn)
        found: list[Eqn] = []
        for part in parts:
            copies, part = self._filled(part)
            if classify(part, 1) is None and not apart(part):  # a gather of a kind that nothing takes: the scatter stays
                yield eqn
                return
            found += [*copies, part]
        yield from found
        if len(parts) > 1 or parts[0].out != eqn.out:
            yield from self._interleaved(eqn, parts)

    def _inside(self, eqn: Eqn) -> Eqn:
        """Without looks at what is proved to be inside."""
        extents = eqn.extents

        def proved(index: tuple[Ix, ...], shape: Shape) -> bool:
            return all(not any(ix.gathers()) and inside(ix, d, extents) for ix, d in zip(index, shape, strict=True))

        args = tuple(replace(a, fill=None) if a.fill is not None and proved(a.index, self.shapes[a.value]) else a
                     for a in eqn.args)  # fmt: skip
        drop = eqn.drop and not proved(eqn.out_index, eqn.out.shape)
        return eqn if args == eqn.args and drop == eqn.drop else replace(eqn, args=args, drop=drop)

    # ------------------------------------------------------------ scatters

    def _gathered(self, eqn: Eqn) -> list[Eqn]:
        """The scatter as gathers; of several, each is dense and has its place noted in ``self.places``."""
        parts = [(eqn, tuple((Dim.of(1), Dim.of(0)) for _ in eqn.out.shape))]
        for d, ix in enumerate(eqn.out_index):
            if ix.plain is not None and eqn.extents[ix.plain] == eqn.out.shape[d]:
                continue
            after = []
            for part, places in parts:
                for made, place in self._along(part, d):
                    after.append((made, (*places[:d], place, *places[d + 1 :])))
            parts = after
        found: list[Eqn] = []
        self.places = {}
        for part, places in parts:
            if any(place != (Dim.of(1), Dim.of(0)) for place in places):
                part = replace(part, out=replace(part.out, name=self.name(f"{eqn.out.name}_part")))
                self.shapes[part.out.name] = part.out.shape
            found.append(normalise(part))
            self.places[part.out.name] = places
        return found

    def _along(self, eqn: Eqn, d: int) -> Iterator[tuple[Eqn, tuple[Dim, Dim]]]:
        """``eqn`` as gathers along one dimension of its result, each with the step and the start of what it is; or itself."""
        ix, extents = eqn.out_index[d], eqn.extents
        found = next((f for f in self._moving(eqn, d) if 1 <= (f[1].value or 0) <= STRIDE), None)
        if found is None:
            yield eqn, (Dim.of(1), Dim.of(0))
            return
        axis, factor, k, at_dim = found
        step = factor.value or 1
        rest = Ix(tuple(t for t in ix.terms if t[0] != axis), ix.const)  # ix = step*axis + rest
        other = next((t for t in rest.terms if t[1].is_one()), None) if step > 1 else None
        if step > 1 and (rest.const.value is None or other is None or len(rest.terms) != 1 or not isinstance(other[0], str)):
            yield eqn, (Dim.of(1), Dim.of(0))
            return
        for phase in range(step):
            part, before = eqn, rest
            place = Namer(extents)(f"p{d}")
            count = (eqn.out.shape[d] - phase + (step - 1)) // step
            if count.value == 0:
                continue
            if other is not None:  # the places p = step*place + phase are met by every step-th u only
                u = str(other[0])
                start = (phase - (rest.const.value or 0)) % step
                if any(a.name == u and a.extent.value is not None and a.extent.value <= start for a in eqn.axes):
                    continue  # no place of this kind is met: it stays 0
                moved = {u: at(u).scale(Dim.of(step)) + fixed(start)}
                axes = tuple(Axis(a.name, (a.extent - start + (step - 1)) // step) if a.name == u else a for a in eqn.axes)
                part = replace(eqn, axes=axes, args=tuple(substitute_access(a, moved, extents) for a in eqn.args))
                before = Ix(((u, Dim.of(1)),), Dim.of(((rest.const.value or 0) + start - phase) // step))
            # the window is walked backwards, so that what is read moves forwards
            elsewhere = {n for m, i in enumerate(eqn.out_index) if m != d for n in i.axes()}
            flipped = {str(t): Ix(((t, Dim.of(-1)),), a.extent - 1) for t, f in before.terms if (f.value or 0) > 0
                       for a in part.axes if a.name == t and t not in elsewhere}  # fmt: skip
            before = substitute_ix(before, flipped, {})
            part = replace(part, args=tuple(substitute_access(a, flipped, {}) for a in part.args))
            back = at(place) + before.scale(Dim.of(-1))
            args = []
            for j, a in enumerate(part.args):
                index = tuple(back if (j, m) == (k, at_dim) else i for m, i in enumerate(a.index))
                args.append(replace(a, index=index, fill=E.ZERO.number) if j == k else a)
            shape = (*part.out.shape[:d], count, *part.out.shape[d + 1 :])
            axes = (Axis(place, count), *(a for a in part.axes if a.name != axis))
            index = (*part.out_index[:d], at(place), *part.out_index[d + 1 :])
            written = {n for i in index for n in i.axes()}
            axes = (*(a for a in axes if a.name in written), *(a for a in axes if a.name not in written))
            yield (replace(part, out=replace(part.out, shape=shape), axes=axes, out_index=index, args=tuple(args)),
                   (Dim.of(step), Dim.of(phase)))  # fmt: skip

    def _moving(self, eqn: Eqn, d: int) -> Iterator[tuple[str, Dim, int, int]]:
        """The axes of one dimension of the result that can be solved for: each with its factor, and the operand and dimension
        in which it stands, alone and over all of it."""
        for axis, factor in eqn.out_index[d].terms:
            if not isinstance(axis, str) or any(axis in ix.axes() for m, ix in enumerate(eqn.out_index) if m != d):
                continue
            places = [(k, m) for k, a in enumerate(eqn.args) for m, ix in enumerate(a.index) if axis in ix.axes()]
            if len(places) != 1:
                continue
            ((k, m),) = places
            access = eqn.args[k]
            if access.index[m].plain == axis and eqn.extents[axis] == self.shapes[access.value][m] and access.fill in (None, 0):
                yield axis, factor, k, m

    def _interleaved(self, eqn: Eqn, parts: list[Eqn]) -> Iterator[Eqn]:
        """The result of the scatter, of which each part is every so-manyth place."""
        names: list[str] = []
        for part in parts:
            axes = tuple(Axis(f"i{k}", extent) for k, extent in enumerate(part.out.shape))
            index = tuple(at(a.name).scale(step) + Ix((), start)
                          for a, (step, start) in zip(axes, self.places[part.out.name], strict=True))  # fmt: skip
            value = Value(self.name(f"{part.out.name}_apart"), eqn.out.shape)
            read = Access(part.out.name, tuple(at(a.name) for a in axes))
            yield Eqn(value, axes, index, "+", (read,), E.arg(0), "interleave", replace(eqn.origin, note=""))
            names.append(value.name)
        axes = tuple(Axis(f"i{k}", extent) for k, extent in enumerate(eqn.out.shape))
        index = tuple(at(a.name) for a in axes)
        body = E.arg(0)
        for k in range(1, len(names)):
            body = E.make("add", body, E.arg(k))
        yield Eqn(eqn.out, axes, index, "", tuple(Access(n, index) for n in names), body, "add", replace(eqn.origin, note=""))

    # ------------------------------------------------------------ zeros around

    def _filled(self, eqn: Eqn, together: bool = False) -> tuple[list[Eqn], Eqn]:
        """``eqn`` reading from copies with zeros around them, and the copies that are new; ``together``: one for all reads of a
        value."""
        copies: list[Eqn] = []
        args = list(eqn.args)
        for k, access in enumerate(eqn.args):
            if access.fill is None:
                continue
            low_high = self._reach(access, eqn)
            if low_high is not None and together:
                low_high = self._around(access.value, low_high, eqn)
            if low_high is None:
                continue
            if all(not low.terms and high == d for (low, high), d in zip(low_high, self.shapes[access.value], strict=True)):
                args[k] = replace(access, fill=None)
                continue
            key = (access.value, low_high)
            name = self.padded.get(key)
            if name is None:
                copy = self._copy(access.value, low_high, eqn)
                name = self.padded[key] = copy.out.name
                self.shapes[name] = copy.out.shape
                copies.append(copy)
            index = tuple(ix + Ix((), -low) for ix, (low, _) in zip(access.index, low_high, strict=True))
            args[k] = Access(name, index)
        return copies, replace(eqn, args=tuple(args))

    def direct(self, eqns: list[Eqn | Scan]) -> list[Eqn | Scan]:
        """With what is scattered, and then copied to have zeros around it, scattered there, and read there by all."""
        copies: dict[str, list[tuple[str, Reach]]] = {}
        for (source, reach), name in self.padded.items():
            copies.setdefault(source, []).append((name, reach))
        made = {e.out.name: e for e in eqns if isinstance(e, Eqn)}
        moved: dict[str, tuple[str, Reach]] = {}
        for source, found in copies.items():
            producer = made.get(source)
            if producer is None or producer.plain_out is not None or producer.drop or source in self.given:
                continue
            if len(found) > 1 or not self._whole(source, found[0][1]) or producer.reduce not in ("", "+"):
                continue
            if _read_inside(source, eqns):
                moved[source] = found[0]
        after = self._written_there(eqns, {n: (made[name].out, reach) for n, (name, reach) in moved.items()})
        self.padded = {key: name for key, name in self.padded.items() if key[0] not in moved}
        return after

    def widened(self, eqns: list[Eqn | Scan]) -> list[Eqn | Scan]:
        """With what a scatter over windows drops outside of its array written beside it, into one that is larger, of which nobody
        reads the rest; but where it is a term of a sum, which it is scattered into."""
        moved: dict[str, tuple[Value, Reach]] = {}
        for eqn in eqns:
            if not isinstance(eqn, Eqn) or eqn.plain_out is not None or not eqn.drop or eqn.reduce not in ("", "+"):
                continue
            name, over_windows = eqn.out.name, any(len(ix.terms) > 1 for ix in eqn.out_index)
            if name in self.given or special(eqn) or not over_windows:
                continue
            reach = self._reach(Access(name, eqn.out_index), eqn)
            if reach is None or not self._whole(name, reach) or any(low.value is None for low, _ in reach):
                continue
            if _read_inside(name, eqns) and not any(_adds(e, name) for e in eqns):
                moved[name] = replace(eqn.out, shape=tuple(high - low for low, high in reach)), reach
        return self._written_there(eqns, moved)

    def _written_there(self, eqns: list[Eqn | Scan], moved: Mapping[str, tuple[Value, Reach]]) -> list[Eqn | Scan]:
        """With what is scattered written into other arrays, which reach beyond it, and read there by all. What was copied into
        one of them need not be."""
        behind = {name: (out.name, reach) for name, (out, reach) in moved.items()}
        copies = {out.name for out, _ in moved.values()} - moved.keys()
        after: list[Eqn | Scan] = []
        for eqn in eqns:
            if isinstance(eqn, Eqn):
                if eqn.out.name in copies:
                    continue
                if eqn.out.name in moved:
                    out, reach = moved[eqn.out.name]
                    index = tuple(ix + Ix((), -low) for ix, (low, _) in zip(eqn.out_index, reach, strict=True))
                    eqn = replace(eqn, out=out, out_index=index, drop=False)
                    self.shapes[out.name] = out.shape
                args = tuple(self._reread(a, behind) for a in eqn.args)
                eqn = eqn if args == eqn.args else replace(eqn, args=args)
            after.append(eqn)
        return after

    def _around(self, value: str, reach: Reach, eqn: Eqn) -> Reach | None:
        """From where to where all reads of a value go together that look outside of it; None where that cannot be told."""
        for access in eqn.args:
            if access.value != value or access.fill is None:
                continue
            other = self._reach(access, eqn)
            if other is None:
                return None
            wider = []
            for (low, high), (from_, to) in zip(reach, other, strict=True):
                less, more = (low - from_).value, (to - high).value
                if less is None or more is None:
                    return None
                wider.append((from_ if less > 0 else low, to if more > 0 else high))
            reach = tuple(wider)
        return reach

    def shared(self, eqns: list[Eqn | Scan]) -> list[Eqn | Scan]:
        """With what is read again behind a product over windows read from the copy with zeros around it, which that product needs
        in any case: itself it need not be kept. Before, where a loop has it at hand, it is read as it is."""
        copies = {name: (source, reach) for (source, reach), name in self.padded.items()
                  if source not in self.given and self._whole(source, reach)}  # fmt: skip
        behind: dict[str, tuple[str, Reach]] = {}
        after: list[Eqn | Scan] = []
        for eqn in eqns:
            if isinstance(eqn, Eqn) and eqn.op != "copy":  # which is for others to look at (pair.py)
                args = tuple(self._reread(a, behind) for a in eqn.args)
                behind |= {copies[a.value][0]: (a.value, copies[a.value][1]) for a in eqn.args
                           if a.value in copies and copies[a.value][0] not in behind}  # fmt: skip
                eqn = eqn if args == eqn.args else replace(eqn, args=args)
            after.append(eqn)
        return after

    def _whole(self, source: str, reach: Reach) -> bool:
        return all(never_negative(-low) and never_negative(high - extent)
                   for (low, high), extent in zip(reach, self.shapes[source], strict=True))  # fmt: skip

    def _reread(self, access: Access, behind: dict[str, tuple[str, Reach]]) -> Access:
        if access.value not in behind or access.fill is not None:
            return access
        name, reach = behind[access.value]
        return Access(name, tuple(ix + Ix((), -low) for ix, (low, _) in zip(access.index, reach, strict=True)))

    def _reach(self, access: Access, eqn: Eqn) -> Reach | None:
        """From where to where each dimension is read; None where that cannot be told, or is mostly zeros."""
        known = floors(eqn.extents)
        reach: list[tuple[Dim, Dim]] = []
        for ix, extent in zip(access.index, self.shapes[access.value], strict=True):
            found = index_range(ix, eqn.extents, known)
            if found is None:
                return None
            low, high = found
            within = never_negative(low, known) and never_negative(extent - 1 - high, known)
            reach.append((Dim.of(0), extent) if within else (low, high + 1))
        shape = self.shapes[access.value]
        whole, copy = size(shape).value, size(tuple(high - low for low, high in reach)).value
        if whole is not None and copy is not None and copy > 4 * whole + 4096:
            return None
        return tuple(reach)

    def _copy(self, source: str, reach: Reach, eqn: Eqn) -> Eqn:
        shape = self.shapes[source]
        axes = tuple(Axis(f"i{k}", extent) for k, extent in enumerate(shape))
        index = tuple(at(a.name) + Ix((), -low) for a, (low, _) in zip(axes, reach, strict=True))
        out = Value(self.name(f"{source}_pad"), tuple(high - low for low, high in reach))
        extents = {a.name: a.extent for a in axes}
        drop = not all(inside(ix, d, extents) for ix, d in zip(index, out.shape, strict=True))
        read = Access(source, tuple(at(a.name) for a in axes))
        origin = replace(eqn.origin, note=f"{source} with zeros around it")
        return normalise(Eqn(out, axes, tuple(substitute_ix(ix, {}, extents) for ix in index), "+", (read,), E.arg(0), "pad",
                             origin, drop))  # fmt: skip


def _adds(eqn: Eqn | Scan, name: str) -> bool:
    return isinstance(eqn, Eqn) and not eqn.reduce and eqn.body.op == "add" and name in eqn.reads()


def _read_inside(name: str, eqns: list[Eqn | Scan]) -> bool:
    """Whether all reads of a value are by equations, and none looks outside."""
    readers = (e for e in eqns if name in e.reads())
    return all(isinstance(e, Eqn) and all(a.fill is None for a in e.args if a.value == name)
               and not any(g.value == name for i in _indices(e) for g in i.gathers()) for e in readers)  # fmt: skip


def _indices(eqn: Eqn | Scan) -> Iterator[Ix]:
    if isinstance(eqn, Eqn):
        yield from (ix for a in eqn.args for ix in a.index)
        yield from eqn.out_index
