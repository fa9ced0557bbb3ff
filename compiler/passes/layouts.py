"""In which order the dimensions of values lie in memory, where contractions over windows (convolutions) decide it.

The kernel for contractions is fastest where its columns lie together in what it reads and writes, and where the depth that it
runs along lies together in what it reads by rows: for a convolution that is channels last. Inputs, parameters and outputs stay
as the user knows them, so those are copied; every other value is simply laid out so, and what is computed from it follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..graph import expr as E
from ..graph.ir import Access, Axis, Eqn, Gather, Graph, Ix, Scan, Value, at
from ..graph.rewrite import Namer
from ..graph.shapes import Dim, Shape
from .products import apart, channelwise, classify, guess

Order = tuple[int, ...]  # which dimension comes first, second...


def run(graph: Graph) -> Graph:
    return graph if not any(isinstance(e, Eqn) and _window(e) is not None for e in graph.eqns) else _Layouts(graph).run()


class _Layouts:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.shapes = {name: v.shape for name, v in graph.values().items()}
        self.name = Namer(self.shapes)
        self.fixed = _fixed(graph)
        self.orders: dict[str, Order] = {}
        self.copies: dict[tuple[str, tuple[object, ...]], str] = {}

    def run(self) -> Graph:
        eqns: list[Eqn | Scan] = []
        for eqn in self.graph.eqns:
            eqns.extend(self._wished(eqn) if isinstance(eqn, Eqn) else (eqn,))
        for eqn in eqns:
            if isinstance(eqn, Eqn):
                self._follow(eqn)
        self._lead([e for e in eqns if isinstance(e, Eqn)])
        return self.graph.with_eqns(tuple(self._laid(e) if isinstance(e, Eqn) else e for e in eqns))

    # ------------------------------------------------------------ what a contraction wants

    def _wished(self, eqn: Eqn) -> list[Eqn]:
        """A contraction over windows, with copies of what cannot be laid out as it wants; any other equation as it is."""
        found = _window(eqn)
        if found is None:
            return [eqn]
        a, channels = found
        rows, other = eqn.args[a], eqn.args[1 - a]
        wanted = sorted(range(len(rows.index)), key=lambda d: (d in channels, len(rows.index[d].terms) > 1))
        place = {n: k for k, d in enumerate(wanted) for n in rows.index[d].axes()}
        before: list[Eqn] = []
        args = list(eqn.args)
        if not self._lay(rows.value, tuple(wanted)):
            copy = self._copied(rows.value, tuple(wanted), eqn)
            before += copy
            name = self.copies[rows.value, tuple(wanted)]
            args[a] = Access(name, tuple(rows.index[d] for d in wanted))
        extents = eqn.extents
        order = sorted(range(len(other.index)), key=lambda d: place.get(next(other.index[d].axes(), ""), len(place)))
        plain = all(ix.plain is not None and extents[ix.plain] == d
                    for ix, d in zip(other.index, self.shapes[other.value], strict=True))  # fmt: skip
        if not plain or not self._lay(other.value, tuple(order)):
            made = self._read(other, eqn, place)
            if made is not None:
                copies, args[1 - a] = made
                before += copies
        eqn = replace(eqn, args=tuple(args))
        out_order = sorted(range(len(eqn.out_index)), key=lambda d: place.get(str(eqn.out_index[d].plain), len(place)))
        if self._lay(eqn.out.name, tuple(out_order)):
            return [*before, eqn]
        own = Value(self.name(f"{eqn.out.name}_laid"), eqn.out.shape)
        self.shapes[own.name] = own.shape
        self.orders[own.name] = tuple(out_order)
        index = tuple(at(f"i{k}") for k in range(len(own.shape)))
        axes = tuple(Axis(f"i{k}", d) for k, d in enumerate(own.shape))
        back = Eqn(eqn.out, axes, index, "", (Access(own.name, index),), E.arg(0), "layout", replace(eqn.origin, note=""))
        return [*before, replace(eqn, out=own), back]

    def _lay(self, value: str, order: Order) -> bool:
        """Whether ``value`` is or can be laid out in this order."""
        if _trivial(order, self.shapes[value]):
            return True
        if value in self.fixed:
            return False
        return self.orders.setdefault(value, order) == order

    def _copied(self, value: str, order: Order, eqn: Eqn) -> list[Eqn]:
        key = (value, order)
        if key in self.copies:
            return []
        shape = self.shapes[value]
        axes = tuple(Axis(f"i{k}", shape[d]) for k, d in enumerate(order))
        place = {d: k for k, d in enumerate(order)}
        read = Access(value, tuple(at(f"i{place[d]}") for d in range(len(shape))))
        return [self._new(key, axes, read, eqn)]

    def _read(self, access: Access, eqn: Eqn, place: dict[str, int]) -> tuple[list[Eqn], Access] | None:
        """A copy of what ``eqn`` reads here, over the axes that it reads it by."""
        extents = eqn.extents
        names = sorted({n for ix in access.index for n in ix.axes()}, key=lambda n: (place.get(n, len(place)), n))
        count = Dim.of(1)
        for n in names:
            count = count * extents[n]
        there = Dim.of(1)
        for d in self.shapes[access.value]:
            there = there * d
        if count != there:  # read more than once, or not all of it
            return None
        axes = tuple(Axis(f"i{k}", extents[n]) for k, n in enumerate(names))
        mapping = {n: at(f"i{k}") for k, n in enumerate(names)}
        index = tuple(_renamed(ix, mapping) for ix in access.index)
        key = (access.value, index)
        copies = [] if key in self.copies else [self._new(key, axes, Access(access.value, index), eqn)]
        return copies, Access(self.copies[key], tuple(at(n) for n in names))

    def _new(self, key: tuple[str, tuple[object, ...]], axes: tuple[Axis, ...], read: Access, eqn: Eqn) -> Eqn:
        value = Value(self.name(f"{read.value}_laid"), tuple(a.extent for a in axes))
        self.copies[key] = value.name
        self.shapes[value.name] = value.shape
        origin = replace(eqn.origin, note=f"{read.value} as the kernel reads it")
        return Eqn(value, axes, tuple(at(a.name) for a in axes), "", (read,), E.arg(0), "layout", origin)

    # ------------------------------------------------------------ what follows

    def _follow(self, eqn: Eqn) -> None:
        """What is computed from a value that is laid out in another order is laid out alike."""
        if eqn.out.name in self.orders or eqn.out.name in self.fixed or len(eqn.out.shape) < 2:
            return
        leading = [a for a in eqn.args if a.value in self.orders]
        if not leading:
            return
        first = max(leading, key=lambda a: len(a.index))
        place: dict[str, int] = {}
        for d in self.orders[first.value]:
            for n in _by_step(first.index[d]):
                place.setdefault(n, len(place))
        late = len(place)
        order = tuple(sorted(range(len(eqn.out.shape)), key=lambda d: place.get(next(eqn.out_index[d].axes(), ""), late)))
        if not _trivial(order, eqn.out.shape):
            self.orders[eqn.out.name] = order

    def _lead(self, eqns: Sequence[Eqn]) -> None:
        """What is computed element by element, and read only where all is laid out in another order, is laid out alike."""
        readers: dict[str, list[Order | None]] = {}  # the orders that those who read a value want it in
        for eqn in reversed(eqns):
            wanted = readers.get(eqn.out.name, [])
            if eqn.out.name not in self.orders and eqn.out.name not in self.fixed and wanted and wanted[0] is not None:
                whole = eqn.reduce == "" and eqn.plain_out is not None
                if whole and all(order == wanted[0] for order in wanted) and not _trivial(wanted[0], eqn.out.shape):
                    self.orders[eqn.out.name] = wanted[0]
            order = self.orders.get(eqn.out.name)
            place = {n: k for k, d in enumerate(order or ()) for n in eqn.out_index[d].axes()}
            for access in eqn.args:
                here = [ix.plain for ix in access.index]
                known = order is not None and all(n in place for n in here)
                readers.setdefault(access.value, []).append(
                    tuple(sorted(range(len(here)), key=lambda d: place[str(here[d])])) if known else None)

    def _laid(self, eqn: Eqn) -> Eqn:
        def moved(value: str, parts: tuple[Ix, ...]) -> tuple[Ix, ...]:
            order = self.orders.get(value)
            return parts if order is None else tuple(parts[d] for d in order)

        args = tuple(replace(a, index=moved(a.value, a.index)) for a in eqn.args)
        order = self.orders.get(eqn.out.name)
        if order is None:
            return eqn if args == eqn.args else replace(eqn, args=args)
        shape = tuple(eqn.out.shape[d] for d in order)
        index = moved(eqn.out.name, eqn.out_index)
        places = {n: k for k, n in enumerate(dict.fromkeys(n for ix in index for n in ix.axes()))}
        axes = tuple(sorted(eqn.axes, key=lambda a: places.get(a.name, len(places))))
        return replace(eqn, out=replace(eqn.out, shape=shape), out_index=index, axes=axes, args=args)


def _window(eqn: Eqn) -> tuple[int, tuple[int, ...]] | None:
    """Of a contraction over windows: the operand that is read through windows, and which of its dimensions are channels: those
    along the axes of the window itself, which are the shorter ones, or those that it keeps apart."""
    alone = channelwise(eqn) and apart(eqn)
    if classify(eqn) is None and not alone:
        return None
    out = {n for ix in eqn.out_index for n in ix.axes()}
    extents = eqn.extents
    for k, access in enumerate(eqn.args):
        shared = {n for j in eqn.args[1 - k].index for n in j.axes()} & out  # a batch, or groups
        for ix in access.index:
            names = [n for n in ix.axes() if not extents[n].is_one()]
            if len(names) != 2 or (names[0] in out) == (names[1] in out) or not shared.isdisjoint(names):
                continue
            written = min(names, key=lambda n: guess(extents[n])) in out  # on this side the window lies
            channels = tuple(d for d, i in enumerate(access.index)
                             if i.plain is not None and (i.plain in out) == written and i.plain not in shared)  # fmt: skip
            if alone:
                channels = tuple(d for d, i in enumerate(access.index) if not shared.isdisjoint(i.axes()))
            return (k, channels) if channels or not alone else None
    return None


def _by_step(ix: Ix) -> list[str]:
    """The axes of an index, the one with the widest step first."""
    wide = sorted(ix.terms, key=lambda t: -abs(guess(t[1])))
    return [n for atom, _ in wide for n in Ix(((atom, Dim.of(1)),)).axes()]


def _fixed(graph: Graph) -> set[str]:
    """The values whose layout others know."""
    fixed = {v.name for v in graph.inputs} | {c.value.name for c in graph.consts} | set(graph.outputs)
    for eqn in graph.eqns:
        if isinstance(eqn, Scan):
            fixed.update(eqn.reads())
            fixed.update(o.name for o in eqn.outs)
        else:
            fixed.update(g.value for g in _gathers(eqn))
    return fixed


def _gathers(eqn: Eqn) -> Iterable[Gather]:
    for ix in (*(i for a in eqn.args for i in a.index), *eqn.out_index):
        yield from ix.gathers()


def _trivial(order: Order, shape: Shape) -> bool:
    """The same elements one after the other, as dimensions of extent 1 may stand anywhere."""
    real = [d for d in order if not shape[d].is_one()]
    return real == sorted(real)


def _renamed(ix: Ix, mapping: dict[str, Ix]) -> Ix:
    total = Ix((), ix.const)
    for atom, factor in ix.terms:
        assert isinstance(atom, str)
        total = total + mapping[atom].scale(factor)
    return total
