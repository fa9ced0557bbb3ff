"""The statements of equations, once it is decided which loops they stand in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Access, Eqn, Ix, Origin, Reduce, Value, at, fixed
from ..graph.patterns import Running, ranking, running, written_box, written_once
from ..graph.rewrite import Namer, prune, substitute_access, substitute_ix
from ..graph.shapes import Dim, size
from ..passes.products import arrange
from .filters import Filtered, filtered
from .ir import ArgBest, Assign, Loop, Node, Product, Rank, Store
from .items import UNROLLED, Item, Scale, takes_gate
from .joins import BLOCKED
from .nest import FEW, STRIP, Nest
from .nodes import added_together, best_name, number, one_way, walk

_INITIAL: Final[dict[Reduce, Expr]] = {"+": E.ZERO, "*": E.ONE, "max": E.neg(E.INF), "min": E.INF}
_STEP: Final[dict[Reduce, Store]] = {"": "=", "+": "+=", "*": "*=", "max": "max=", "min": "min="}


class Statements:
    """Writes items as nodes of a nest."""

    def __init__(self, nest: Nest) -> None:
        self.nest = nest

    def loop(self, variable: str, extent: Dim, body: list[Node], of: str = "") -> Loop:
        """A loop; where it is innermost, long, and sums into scalars, these sums are taken in blocks, and so is what is largest
        or smallest, of which the C compiler would look at one after the other; and so are sums of gates, however short. In
        a strip there may be loops of a few rounds inside, which the C compiler writes out."""
        body = [one_way(n) if isinstance(n, Assign) else n for n in added_together(body)]
        sums: list[str] = []
        length = STRIP if of else extent.value
        gates = (length or 0) >= 4 and any(isinstance(n, Assign) and n.op == "+=" and takes_gate(n.body) for n in body)
        long = length is None or length >= BLOCKED or gates
        search = length is None or length > UNROLLED or gates
        leaves = [n for n in walk(body) if not isinstance(n, Loop)]
        inside = [n for n in walk(body) if isinstance(n, Loop)]
        flat = not inside or (bool(of) and all((n.extent.value or UNROLLED) <= FEW for n in inside))
        if search and flat and all(isinstance(n, Assign) or (isinstance(n, ArgBest) and not inside) for n in leaves):
            read = {a.value for n in leaves if isinstance(n, Assign | ArgBest) for a in n.args}
            for n in leaves:
                assert isinstance(n, Assign | ArgBest)
                still = not any(variable in ix.axes() for ix in n.index)
                if isinstance(n, ArgBest):
                    fits = not of and n.place.plain == variable
                else:
                    extreme = n.op in ("max=", "min=") and self.nest.values[n.target].kind == "real"
                    fits = not n.drop and (long if n.op in ("+=", "*=") else extreme)
                if still and fits and n.target not in read and any(n is top for top in body):
                    sums.append(n.target)
                elif still:
                    sums = []
                    break
            # what is added to at several places is no sum
            written = [n for n in leaves if isinstance(n, Assign | ArgBest)]
            moving = {n.target for n in written if any(variable in ix.axes() for ix in n.index)}
            if len(sums) != len({*sums}) or not moving.isdisjoint(sums):
                sums = []
        return Loop(variable, extent, tuple(body), sums=tuple(sums), of=of)

    def in_variables(self, variable: str, extent: Dim, body: list[Node], of: str) -> tuple[list[Node], list[Node], list[Node]]:
        """What a long loop adds to several places of an array, of which some are the same in each round, is summed up for these
        in variables: what comes before the loop, its body, and what comes after it."""
        if of or (extent.value is not None and extent.value < BLOCKED) or not all(isinstance(n, Assign) for n in body):
            return [], body, []
        plain = [n for n in body if isinstance(n, Assign)]
        read = {a.value for n in plain for a in n.args} | {g.value for n in plain for ix in n.index for g in ix.gathers()}
        added = {n.target for n in plain if n.index and n.target not in read}
        added -= {n.target for n in plain if n.op != "+=" or n.drop}
        places = {name: {n.index for n in plain if n.target == name} for name in added}
        still = {(name, index) for name, found in places.items() if len(found) > 1
                 for index in found if not any(variable in ix.axes() for ix in index)}  # fmt: skip
        totals: dict[tuple[str, tuple[Ix, ...]], Value] = {}
        before: list[Node] = []
        after: list[Node] = []
        inside: list[Node] = []
        for node in plain:
            place = node.target, node.index
            if place not in still:
                inside.append(node)
                continue
            if place not in totals:
                total = totals[place] = Value(Namer(self.nest.values)(f"{node.target}_total"), ())
                self.nest.values[total.name] = total
                self.nest.inner.append(total)
                before.append(Assign(total.name, (), "=", E.ZERO, (), replace(node.origin, note="")))
                after.append(Assign(*place, "+=", E.arg(0), (Access(total.name, ()),), replace(node.origin, note="")))
            inside.append(replace(node, target=totals[place].name, index=()))
        return before, inside, after

    def start(self, item: Item) -> list[Node]:
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
            if name is not None and name in item.bound and self.nest.extent[name] == shape[d]:
                index.append(item.bound[name])
                continue
            if shape[d].is_one():
                index.append(Ix())
                continue
            variable = self.nest.fresh(name or f"e{item.serial}.z{d}", shape[d])
            loops.append((variable, shape[d]))
            index.append(at(variable))
        frame = self._frame(item, tuple(index), dict(loops), origin)
        if frame is not None:
            return frame
        if eqn.reduce in ("argmax", "argmin"):
            first = E.ZERO
        nodes: list[Node] = [Assign(item.target, tuple(index), "=", first, (), origin)]
        if eqn.reduce in ("argmax", "argmin"):
            best = E.neg(E.INF) if eqn.reduce == "argmax" else E.INF
            nodes.append(Assign(best_name(eqn.out.name), tuple(index), "=", best, (), origin))
        for variable, extent in reversed(loops):
            nodes = [Loop(variable, extent, tuple(nodes))]
        return nodes

    def _frame(self, item: Item, index: tuple[Ix, ...], loops: dict[str, Dim], origin: Origin) -> list[Node] | None:
        """Zeros around what the item writes, where that is a box of which each place is written once; None where it is not, or
        the lines at the sides are so short that zeros everywhere cost no more. ``loops``: those over all of the target."""
        box = None if item.accumulates or item.eqn.reduce not in ("", "+") else written_box(item.eqn)
        if box is None:
            return None
        shape = item.eqn.out.shape
        sides: list[tuple[int, int] | None] = []
        for (start, end), extent, ix in zip(box, shape, index, strict=True):
            low, high = start.value, (extent - end).value
            if low is None or high is None or low < 0 or high < 0:
                return None
            sides.append((low, high) if (low or high) and ix.plain in loops else None)
        last = max((d for d, side in enumerate(sides) if side is not None), default=-1)
        if last < 0 or (size(shape[last + 1 :]).value or 0) < UNROLLED:
            return None

        def around(d: int, here: tuple[Ix, ...], free: list[tuple[str, Dim]]) -> list[Node]:
            """Of dimensions from d on: at each end all of what follows, and between the ends the same again."""
            side = sides[d]
            if side is None:
                return around(d + 1, (*here, index[d]), [*free, *((n, e) for n, e in loops.items() if at(n) == index[d])])
            low, high = side
            rest = [(str(ix.plain), loops[str(ix.plain)]) for ix in index[d + 1 :] if ix.plain in loops]
            places = [fixed(k) for k in range(low)] + [Ix((), box[d][1] + k) for k in range(high)]
            ends: list[Node] = [Assign(item.target, (*here, place, *index[d + 1 :]), "=", E.ZERO, (), origin) for place in places]
            for variable, extent in reversed(rest):
                ends = [Loop(variable, extent, tuple(ends))]
            inside: list[Node] = []
            if d < last:
                variable = self.nest.fresh(f"e{item.serial}.z{d}", box[d][1] - box[d][0])
                length = self.nest.extent[variable]
                inside = [Loop(variable, length, tuple(around(d + 1, (*here, at(variable) + fixed(low)), [])))]
            nodes = [*ends, *inside]
            for name, extent in reversed(free):
                nodes = [Loop(name, extent, tuple(nodes))]
            return nodes

        return around(0, (), [])

    def statement(self, item: Item, outer: tuple[str, ...]) -> list[Node]:
        eqn = item.eqn
        nodes = self.start(item) if item.starts and not item.ready else []
        mapping = item.bound
        extents: dict[str, Dim] = {v: self.nest.extent[v] for v in outer if v in self.nest.extent}
        args = tuple(substitute_access(a, mapping, extents) for a in eqn.args)
        index = tuple(substitute_ix(ix, mapping, extents) for ix in eqn.out_index)
        body = E.substitute(eqn.body, {E.idx(n): number(ix) for n, ix in mapping.items()})
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
        nodes.append(Assign(item.target, index, op, body, args, eqn.origin, eqn.drop))
        return nodes

    def special(self, item: Item) -> list[Node]:
        """A running sum, where each place adds to the one before; or ranks, which a kernel finds."""
        eqn = item.eqn
        found = running(eqn) or ranking(eqn)
        if found is None:
            return []
        along = found.axis
        mapping: dict[str, Ix] = dict(item.bound)
        loops: list[tuple[str, Dim]] = []
        for axis in eqn.axes:
            if axis.name in item.left and axis not in eqn.reduced and (isinstance(found, Running) or axis != along):
                variable = self.nest.fresh(axis.name, axis.extent)
                loops.append((variable, axis.extent))
                mapping[axis.name] = at(variable)
        extents: dict[str, Dim] = dict(loops)
        node: Node
        if isinstance(found, Running):
            here = mapping[along.name]
            last = Ix((), along.extent - 1)
            mapping[along.name] = mapping[found.over.name] = last + here.scale(Dim.of(-1)) if found.reverse else here
            beside = mapping | {along.name: mapping[along.name] + Ix((), Dim.of(1 if found.reverse else -1))}
            neutral = (E.ONE if eqn.reduce == "*" else E.ZERO).number
            index = tuple(substitute_ix(ix, mapping, extents) for ix in eqn.out_index)
            previous = Access(item.target, tuple(substitute_ix(ix, beside, extents) for ix in eqn.out_index), neutral)
            args = (*(substitute_access(a, mapping, extents) for a in eqn.args), previous)
            inner = E.substitute(found.inner, {E.idx(n): number(ix) for n, ix in mapping.items()})
            step = prune(replace(eqn, args=args, body=E.make("mul" if eqn.reduce == "*" else "add", E.arg(len(args) - 1), inner)))
            node = Assign(item.target, index, "=", step.body, step.args, eqn.origin)
            if loops and loops[-1][0] == here.plain:  # along memory the sum so far stays in a register
                return self._along(item, index, prune(replace(eqn, args=args[:-1], body=inner)), loops)
        else:
            mapping[along.name] = Ix()
            source = substitute_access(found.source, mapping, extents)
            target = Access(item.target, tuple(substitute_ix(ix, mapping, extents) for ix in eqn.out_index))
            scratch = Value(f"{item.target} order", (along.extent * 2,))
            self.nest.values[scratch.name] = scratch
            self.nest.inner.append(scratch)
            steps = self.nest.stride(found.source, along), self.nest.stride(Access(item.target, eqn.out_index), along)
            node = Rank(along.extent, source, steps[0], target, steps[1], scratch.name, found.descending, eqn.origin)
        for variable, extent in reversed(loops):
            node = Loop(variable, extent, (node,))
        return [node]

    def _along(self, item: Item, index: tuple[Ix, ...], term: Eqn, loops: Sequence[tuple[str, Dim]]) -> list[Node]:
        """A running sum (or product) of which each place is what has been added so far."""
        total = Value(f"{item.target} so far", ())
        self.nest.values[total.name] = total
        self.nest.inner.append(total)
        origin = term.origin
        (variable, extent), outer = loops[-1], loops[:-1]
        step = Assign(total.name, (), "*=" if term.reduce == "*" else "+=", term.body, term.args, origin)
        place = Assign(item.target, index, "=", E.arg(0), (Access(total.name, ()),), origin)
        start = Assign(total.name, (), "=", E.ONE if term.reduce == "*" else E.ZERO, (), origin)
        nodes: list[Node] = [start, Loop(variable, extent, (step, place))]
        for name, size_ in reversed(outer):
            nodes = [Loop(name, size_, tuple(nodes))]
        return nodes

    def product(self, item: Item) -> list[Node]:
        """A call of the matrix kernel, in loops over what the kernel does not run over itself."""
        eqn, ending = item.eqn, item.ending
        c = Access(item.target, eqn.out_index if ending is None else ending.index)
        onto = None if ending is None else ending.onto
        way = arrange(eqn, lambda name: self.nest.values[name].shape, item.bound, c, onto)
        zero: dict[str, Ix] = {a.name: Ix() for lv in (*way.rows, *way.depth, way.columns) for a in lv.axes} | item.bound
        loops: list[tuple[str, Dim]] = []
        for axis in way.outer:
            variable = self.nest.fresh(axis.name, axis.extent)
            loops.append((variable, axis.extent))
            zero[axis.name] = at(variable)
        before = self.start(item) if way.around and not item.accumulates and not item.ready else []
        if ending is not None and ending.frame is not None:
            frame = Item(ending.frame, item.target, False, item.serial, [], bound=item.bound)
            before = self.start(frame) if frame.starts else []
        a, b, c = (substitute_access(x, zero, dict(loops)) for x in (eqn.args[way.a], eqn.args[1 - way.a], c))
        inside = any(a.name in item.bound and not a.extent.is_one() for a in eqn.reduced)  # of a loop that it is summed over
        adds = item.accumulates or bool(way.around) or inside or onto is not None
        scale = item.scale or Scale(E.ONE, E.ONE if adds else E.ZERO, ())
        relu = ending is not None and ending.relu
        added = scale.beta is not E.ZERO and onto is None
        form: Filtered = filtered(way.rows, way.depth, way.columns, onto is not None, added) if not way.guard else ""
        form = "" if form == "weights" and relu else form
        nodes: list[Node] = [Product(way.rows, way.depth, way.columns, a, b, c, scale.alpha, scale.beta, eqn.origin, scale.args,
                                     way.guard, onto=None if onto is None else substitute_access(onto, zero, dict(loops)),
                                     relu=relu, filtered=form)]  # fmt: skip
        for variable, extent in reversed(loops):
            nodes = [Loop(variable, extent, tuple(nodes))]
        return [*before, *nodes]

    def copy(self, source: str, target: str, origin: Origin, before: tuple[Ix, ...] = (),
              into: tuple[Ix, ...] = ()) -> list[Node]:  # fmt: skip
        shape = self.nest.values[source].shape
        variables = [self.nest.fresh("", d) for d in shape]
        index = tuple(at(v) for v in variables)
        nodes: list[Node] = [Assign(target, into + index, "=", E.arg(0), (Access(source, before + index),), origin)]
        for variable, extent in zip(reversed(variables), reversed(shape), strict=True):
            nodes = [Loop(variable, extent, tuple(nodes))]
        return nodes

    def fill(self, target: str, origin: Origin) -> list[Node]:
        """Zeros everywhere."""
        shape = self.nest.values[target].shape
        variables = [self.nest.fresh("", d) for d in shape]
        nodes: list[Node] = [Assign(target, tuple(at(v) for v in variables), "=", E.ZERO, (), origin)]
        for variable, extent in zip(reversed(variables), reversed(shape), strict=True):
            nodes = [Loop(variable, extent, tuple(nodes))]
        return nodes
