"""The equations of a kernel on their way into its loops: which of them are added up in one place, and which are written over an
input."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Access, Axis, Eqn, Graph, Ix, Scan, Value, at
from ..graph.patterns import special, written_all, written_box
from ..graph.rewrite import prune, rename_axes, shape_axes, substitute_access, substitute_ix
from ..graph.shapes import Dim
from ..passes.costs import few_products
from ..passes.descent import scatters, split
from ..passes.pairs import written_for_each
from ..passes.products import arrange, classify
from ..passes.unroll import windows

UNROLLED = 16  # a reduction that short stays innermost: the C compiler unrolls it
GATE = 4  # operations that a gate counts for: it is written out where it stands
_GATES = frozenset("exp log log1p expm1 sin cos tan tanh sinh cosh asin acos atan atan2 erf sigmoid softplus pow".split())



@dataclass(frozen=True)
class Scale:
    """``target = alpha * product + beta * target``, over the scalars in ``args``."""

    alpha: Expr
    beta: Expr
    args: tuple[Access, ...]


@dataclass(frozen=True)
class Ending:
    """What follows a matrix product before it is stored: ``onto`` is added, and with ``relu`` what is not above 0 becomes 0. It
    is stored at ``index`` of the target; where that is an array with zeros around it, ``frame`` is the copy that would put it
    there."""

    onto: Access | None
    relu: bool
    index: tuple[Ix, ...]
    frame: Eqn | None = None


@dataclass
class Item:
    """An equation on its way into the nest; its axes have names of their own. A loop over time is one item."""

    eqn: Eqn
    target: str  # what it writes: its own value, or the one that it is accumulated into
    accumulates: bool  # adds to what an earlier item wrote
    serial: int
    left: list[str]
    scan: Scan | None = None
    ready: bool = False  # the accumulator holds its first value
    bound: dict[str, Ix] = field(default_factory=dict)
    short: frozenset[str] = frozenset()  # axes of windows that are written out: no loop
    tile: bool = False  # writes a part of its target that nothing else writes
    scale: Scale | None = None  # of a matrix product: what it is multiplied by, and what was there before
    ending: Ending | None = None  # of a matrix product
    when: Expr | None = None  # over the arguments of ``eqn``, scalars: where it does not hold nothing is to be done
    round: str = ""  # of a matrix product: the axis of a loop that it may stand in, with what it reads and what reads it
    alone: bool = False  # shares no loop: zeros that are there before anything is added at several places of one round

    _reads: dict[str, list[tuple[Ix, ...] | None]] | None = None

    def reads(self) -> dict[str, list[tuple[Ix, ...] | None]]:
        """The indices at which each value is read; None where outside of it something else is read."""
        if self._reads is None:
            self._reads = {}
            onto = self.ending.onto if self.ending is not None else None
            for a in (*self.eqn.args, *(self.scale.args if self.scale is not None else ()), *((onto,) if onto else ())):
                self._reads.setdefault(a.value, []).append(a.index if a.fill is None else None)
            for ix in (*(i for a in self.eqn.args for i in a.index), *self.eqn.out_index):
                for g in ix.gathers():
                    self._reads.setdefault(g.value, []).append(g.index)
        return self._reads

    @cached_property
    def adds(self) -> bool:
        """Whether it is a sum that loops add up, and no kernel."""
        plain = self.scan is None and self.scale is None and self.when is None and self.eqn.reduce == "+"
        return plain and classify(self.eqn) is None

    @property
    def weight(self) -> int:
        return 1 if self.scan is not None else operations(self.eqn.body)

    @property
    def starts(self) -> bool:
        """Needs a first value: reductions and scatters of their own."""
        if self.accumulates or self.tile or (self.eqn.plain_out is None and written_all(self.eqn)):
            return False
        return self.eqn.reduce != "" or self.eqn.plain_out is None


@lru_cache(maxsize=1 << 12)
def operations(body: Expr) -> int:
    """How much a body is for the C compiler: one at least, and a gate for several."""
    return max(1, sum(GATE if node.op in _GATES else 1 for node in E.walk(body) if node.args))


class Items:
    """The items of a graph, in its order. ``over``: outputs that are written over inputs; ``grows``: what is only added to, with
    the value before, in whose place it is; ``extent`` gets that of each axis."""

    def __init__(self, graph: Graph, values: Mapping[str, Value], extent: dict[str, Dim], over: Mapping[str, str],
                 grows: Mapping[str, str], stem: str) -> None:  # fmt: skip
        self.graph = graph
        self.values = values
        self.extent = extent
        self.over = over
        self.grows = dict(grows)
        self.stem = stem

    def all(self) -> list[Item]:
        endings = self._endings()
        ended = {name for _, _, names in endings.values() for name in names}
        into, first = self._accumulations(endings)
        self.grows = {new: old for new, old in self.grows.items() if new in first and first[new].body is E.arg(0)
                      and first[new].args[0].value == old}  # fmt: skip
        scales = self._scales()
        items: list[Item] = []
        waiting: dict[str, list[Eqn]] = {}
        moved = {part.out.name for _, added in scales.values() for part, _ in added}
        crossed = self._crossed(into, first)
        for eqn in self.graph.eqns:
            if isinstance(eqn, Eqn) and eqn.out.name in crossed:
                axes = shape_axes(eqn.out.shape)
                zeros = Eqn(eqn.out, axes, tuple(at(a.name) for a in axes), "", (), E.ZERO, "zero", replace(eqn.origin, note=""))
                items.append(replace(self._item(zeros, eqn.out.name, False, len(items)), alone=True))
        for eqn in self.graph.eqns:
            if isinstance(eqn, Eqn) and eqn.out.name in scales:
                rest, added = scales[eqn.out.name]
                if rest is not None:
                    items.append(self._item(rest, eqn.out.name, False, len(items)))
                for part, scale in added:
                    if classify(part) is not None:
                        items.append(self._item(part, eqn.out.name, scale.beta is E.ONE, len(items)))
                        items[-1].scale = scale
                        continue
                    if scale.beta is not E.ONE:
                        decayed = _multiplied(eqn, self.over[eqn.out.name], scale)
                        items.append(self._item(decayed, eqn.out.name, False, len(items)))
                        items[-1].when = E.make("ne", items[-1].eqn.body.args[0], E.ONE)
                    items.append(self._item(_scaled(part, scale), eqn.out.name, True, len(items)))
                continue
            if isinstance(eqn, Eqn) and (eqn.out.name in moved or eqn.out.name in ended):
                continue
            if isinstance(eqn, Eqn) and eqn.out.name in endings:
                part, ending, _ = endings[eqn.out.name]
                items.append(self._ended(part, ending, eqn, len(items)))
                continue
            if isinstance(eqn, Scan):
                items.append(Item(_placeholder(eqn), eqn.outs[0].name, False, len(items), [], eqn))
                continue
            if eqn.out.name in into:
                waiting.setdefault(into[eqn.out.name], []).append(eqn)
                continue
            if eqn.out.name in first:
                target, parts = self.grows.get(eqn.out.name, eqn.out.name), waiting[eqn.out.name]
                tiled = first[eqn.out.name].body is E.ZERO and _tiles(parts, eqn.out)
                if eqn.out.name in crossed:
                    if first[eqn.out.name].body is not E.ZERO:
                        items.append(self._item(first[eqn.out.name], target, True, len(items)))
                elif target == eqn.out.name and not tiled:
                    items.append(self._item(first[eqn.out.name], target, False, len(items)))
                for part in parts:
                    items.append(replace(self._item(part, target, not tiled, len(items)), tile=tiled))
                continue
            items.append(self._item(eqn, eqn.out.name, False, len(items)))
        return items

    def _ended(self, part: Eqn, ending: Ending, last: Eqn, serial: int) -> Item:
        """The product with what follows it, which writes what the last equation does."""
        def rename(name: str) -> str:
            return f"{self.stem}{serial}.{name}"

        whole = replace(part, origin=part.origin.merge(last.origin))
        item = self._item(whole, last.out.name, False, serial)
        mapping = {a.name: at(rename(a.name)) for a in part.axes}
        extents = {rename(a.name): a.extent for a in part.axes}
        onto = None if ending.onto is None else substitute_access(ending.onto, mapping, extents)
        index = tuple(substitute_ix(ix, mapping, extents) for ix in ending.index)
        frame = None if ending.frame is None else rename_axes(ending.frame, rename)
        item.ending = replace(ending, onto=onto, index=index, frame=frame)
        return item

    def _endings(self) -> dict[str, tuple[Eqn, Ending, tuple[str, ...]]]:
        """Where a matrix product is used once, to add a row to all of its rows, to take what is above 0, or to stand in an array
        with zeros around it: by the value that comes of it, the product, what follows it, and what is then nowhere."""
        uses: dict[str, int] = dict.fromkeys(self.graph.outputs, 2)
        made: dict[str, Eqn] = {}
        for each in self.graph.eqns:
            if isinstance(each, Eqn):
                made[each.out.name] = each
            read = [] if isinstance(each, Scan) else [a.value for a in each.args]
            for name in (*read, *(name for name in each.reads() if name not in read for _ in range(2))):
                uses[name] = uses.get(name, 0) + 1
        found: dict[str, tuple[Eqn, Ending, tuple[str, ...]]] = {}
        # what a step of a loop hands on or emits lies where the loop says, which no kernel knows
        placed = {*self.over, *(self.graph.outputs if self.stem != "e" else ())}
        for eqn in made.values():
            if not placed.isdisjoint((eqn.out.name, *(a.value for a in eqn.args))):
                continue
            for k, access in enumerate(eqn.args):
                if uses.get(access.value) != 1 or tuple(ix.plain for ix in access.index) != tuple(a.name for a in eqn.axes):
                    continue  # another place reads it, or another part of it, too
                part = made.get(access.value)
                ending = None
                if part is not None and access.value in found:
                    part, ending, _ = found[access.value]
                    ending = self._framed(eqn, ending) or self._cut_off(eqn, ending)
                elif part is not None and access.fill is None and self._ends(part):
                    ending = self._ending(eqn, k, part)
                if part is not None and ending is not None:
                    _, _, gone = found.pop(access.value, (part, ending, ()))
                    found[eqn.out.name] = part, ending, (*gone, access.value)
                    break
        return found

    def _ends(self, part: Eqn) -> bool:
        """Whether this is a matrix product that one call computes, into an array of its own."""
        product = classify(part)
        if product is None or product.guard is not None or special(part) or part.out.name in self.over:
            return False
        return not arrange(part, lambda name: self.values[name].shape).around

    def _ending(self, eqn: Eqn, k: int, part: Eqn) -> Ending | None:
        """``eqn`` as what follows the product that is its argument k."""
        if eqn.reduce or eqn.plain_out is None or eqn.out.shape != part.out.shape or eqn.out.kind != "real":
            return None
        if eqn.plain_out != tuple(a.name for a in eqn.axes):
            return None
        body, relu = _above(eqn.body)
        product, onto = E.arg(k), None
        if body is not product:
            if body.op != "add" or product not in body.args or body.args[0] is body.args[1]:
                return None
            other = body.args[1] if body.args[0] is product else body.args[0]
            if other.op != "arg" or not isinstance(other.value, int):
                return None
            onto = eqn.args[other.value]
            axes = _affine(onto)
            if axes is None or onto.fill is not None or self.values[onto.value].kind != "real":
                return None
            if all(a.name in axes or a.extent.is_one() for a in eqn.axes):
                return None  # as large as the product: it is read with what is computed next
        elif not relu:
            return None
        mapping = dict(zip(eqn.plain_out, part.out_index, strict=True))
        extents = {a.name: a.extent for a in part.axes}
        if onto is not None:
            onto, shape = substitute_access(onto, mapping, extents), classify(part)
            assert shape is not None
            moving = {a.name for a in (*shape.m, *shape.n)} - {part.out_index[0].plain}
            if moving.isdisjoint(_affine(onto) or ()):
                return None  # in a loop over images it may be a number
        return Ending(onto, relu, part.out_index)

    def _cut_off(self, eqn: Eqn, ending: Ending) -> Ending | None:
        """``eqn`` as what takes of a product with what follows it that which is above 0."""
        plain = eqn.plain_out == tuple(a.name for a in eqn.axes) and not eqn.reduce and eqn.args[0].fill is None
        if not plain or ending.relu or ending.frame is not None or _above(eqn.body) != (E.arg(0), True):
            return None
        return replace(ending, relu=True)

    def _framed(self, eqn: Eqn, ending: Ending) -> Ending | None:
        """``eqn`` as what puts a product with what follows it into an array with zeros around it."""
        scatter = eqn.plain_out is None and eqn.reduce in ("", "+") and not eqn.drop
        if not scatter or eqn.body is not E.arg(0) or len(eqn.args) != 1 or ending.frame is not None:
            return None
        first = eqn.out_index[0].plain  # images stay with themselves: of each, all is there before it is read
        if eqn.args[0].fill is not None or first != eqn.axes[0].name or written_box(eqn) is None:
            return None
        if len(eqn.out_index) != len(eqn.axes) or eqn.out.shape[0] != eqn.axes[0].extent:
            return None
        mapping = {a.name: ix for a, ix in zip(eqn.axes, ending.index, strict=True)}
        extents = {str(ix.plain): a.extent for a, ix in zip(eqn.axes, ending.index, strict=True)}
        index = tuple(substitute_ix(ix, mapping, extents) for ix in eqn.out_index)
        axes = tuple(Axis(name, extent) for name, extent in extents.items())
        args = tuple(substitute_access(a, mapping, extents) for a in eqn.args)
        return replace(ending, index=index, frame=replace(eqn, axes=axes, out_index=index, args=args))

    def _accumulations(self, ended: Collection[str]) -> tuple[dict[str, str], dict[str, Eqn]]:
        """Sums of several contributions, of which some are reductions or scatters: these add straight into the sum."""
        uses: dict[str, int] = dict.fromkeys(self.graph.outputs, 2)
        made: dict[str, Eqn] = {}
        for eqn in self.graph.eqns:
            if isinstance(eqn, Scan):
                for name in eqn.reads():
                    uses[name] = uses.get(name, 0) + 2
                continue
            made[eqn.out.name] = eqn
            for access in eqn.args:
                uses[access.value] = uses.get(access.value, 0) + 1
            for name in eqn.reads():
                if name not in {a.value for a in eqn.args}:
                    uses[name] = uses.get(name, 0) + 2
        into: dict[str, str] = {}
        first: dict[str, Eqn] = {}
        outputs = frozenset(self.graph.outputs)
        for eqn in made.values():
            if eqn.reduce or eqn.plain_out is None or eqn.body.op != "add" or eqn.out.name in self.over or eqn.out.name in ended:
                continue
            terms = _terms(eqn.body)
            readers: dict[Expr, int] = {}  # how many of the terms read each operand
            for term in terms:
                for leaf in E.leaves(term, "arg"):
                    readers[leaf] = readers.get(leaf, 0) + 1
            parts: dict[Expr, str] = {}
            for term in terms:
                if term.op != "arg" or not isinstance(term.value, int):
                    continue
                if readers[term] != 1:
                    continue  # another term reads it as well: it must be whole before the sum begins
                access = eqn.args[term.value]
                part = made.get(access.value)
                if part is None or uses[access.value] != 1 or part.out.name in into or part.out.name in first:
                    continue
                if classify(part) is not None and eqn.out.name not in outputs:
                    continue  # added on the way to the next operation: one pass over memory less
                whole = tuple(ix.plain for ix in access.index) == eqn.plain_out and part.out.shape == eqn.out.shape
                if whole and access.fill is None and (part.plain_out is None or part.reduce == "+") and not special(part):
                    parts[term] = access.value
            if not parts or len(parts) != len({*parts.values()}):
                continue
            rest: Expr | None = None
            for term in terms:
                if term not in parts:
                    rest = term if rest is None else E.make("add", rest, term)
            into.update(dict.fromkeys(parts.values(), eqn.out.name))
            first[eqn.out.name] = prune(replace(eqn, body=rest if rest is not None else E.ZERO))
        return into, first

    def _crossed(self, into: Mapping[str, str], first: Mapping[str, Eqn]) -> set[str]:
        """What sums over both sides of pairs add to: in one loop over all pairs, each adds at the places of both."""
        made = {e.out.name: e for e in self.graph.eqns if isinstance(e, Eqn)}
        found: set[str] = set()
        seen: dict[str, set[tuple[str, int]]] = {}
        for name, target in into.items():
            if target in self.grows or target in self.over or not made[name].reduced or classify(made[name]) is not None:
                continue
            if written_for_each(made[name]):
                found.add(target)
            axes = {n for ix in made[name].out_index for n in ix.axes()}
            over = {a.name for a in made[name].reduced}
            for access in made[name].args:
                if not over.isdisjoint(n for ix in access.index for n in ix.axes()):
                    places = {(access.value, d) for d, ix in enumerate(access.index) if ix.plain in axes}
                    others = {(access.value, d) for d, ix in enumerate(access.index) if ix.plain in over}
                    if places and not others.isdisjoint(seen.get(target, ())):
                        found.add(target)
                    seen.setdefault(target, set()).update(places)
        return {name for name in found if name in first}

    def _scales(self) -> dict[str, tuple[Eqn | None, list[tuple[Eqn, Scale]]]]:
        """What is written over an input w as ``c * w + d * g``, or as more than that, where g is a matrix product or a scatter:
        what comes first, if it is no multiple of w by a number, and the parts that then add straight to it. A scatter touches
        only its own places: of an embedding, the rows that occur."""
        uses: dict[str, int] = dict.fromkeys(self.graph.outputs, 2)
        for each in self.graph.eqns:
            for name in each.reads() if isinstance(each, Scan) else [a.value for a in each.args]:
                uses[name] = uses.get(name, 0) + (2 if isinstance(each, Scan) else 1)
        made: dict[str, Eqn] = {e.out.name: e for e in self.graph.eqns if isinstance(e, Eqn)}
        found: dict[str, tuple[Eqn | None, list[tuple[Eqn, Scale]]]] = {}
        for name, old in self.over.items():
            eqn = made.get(name)
            if eqn is None or eqn.reduce or eqn.plain_out is None:
                continue
            body = eqn.body
            scattered = {a.value for a in eqn.args if a.value in made and scatters(made[a.value])}  # last: a product scales w
            parts: list[tuple[Eqn, Expr]] = []
            for k, access in sorted(enumerate(eqn.args), key=lambda each: each[1].value in scattered):
                part = made.get(access.value)
                whole = tuple(ix.plain for ix in access.index) == eqn.plain_out and access.fill is None
                if part is None or not whole or part.out.shape != eqn.out.shape or uses[access.value] != 1:
                    continue
                if not self._adds(part):
                    continue
                pair = split(body, E.arg(k))
                if pair is not None and pair[0] is not E.ZERO and _scalar(pair[0], eqn):
                    parts.append((replace(part, origin=eqn.origin), pair[0]))
                    body = pair[1]
            if not parts:
                continue
            here = Access(old, eqn.out_index)
            pair = split(body, E.arg(eqn.args.index(here))) if here in eqn.args else None
            beta, rest = E.ONE, None
            if pair is not None and pair[1] is E.ZERO and _scalar(pair[0], eqn):
                beta = pair[0]
            else:
                rest = prune(replace(eqn, body=body))
            found[name] = rest, []
            for part, alpha in parts:
                found[name][1].append((part, _scale(alpha, beta, eqn)))
                beta = E.ONE
        return found

    def _adds(self, part: Eqn) -> bool:
        """Whether this is a matrix product or a scatter that may be computed last of all, into what is there."""
        if any(name in self.over.values() for name in part.reads()):
            return False
        if scatters(part):
            return True
        return classify(part) is not None and not arrange(part, lambda name: self.values[name].shape).around

    def _item(self, eqn: Eqn, target: str, accumulates: bool, serial: int) -> Item:
        eqn = rename_axes(eqn, lambda name: f"{self.stem}{serial}.{name}")
        for axis in eqn.axes:
            self.extent[axis.name] = axis.extent
        bound = {a.name: Ix() for a in eqn.axes if a.extent.is_one()}
        left = [a.name for a in eqn.axes if a.name not in bound]
        return Item(eqn, target, accumulates, serial, left, bound=bound, short=self._short(eqn))

    def _short(self, eqn: Eqn) -> frozenset[str]:
        """The axes of windows of a few elements. They come last and are written out, so that the loop around them, along what
        lies together in memory, is the innermost one."""
        few = {n: self.extent[n].value or UNROLLED for n in windows(eqn)}
        short: set[str] = set()
        count = 1
        for n in sorted(few, key=lambda n: (few[n], n)):
            if count * few[n] <= UNROLLED:
                short.add(n)
                count *= few[n]
        return frozenset(short)


def innermost(item: Item) -> bool:
    return len(item.left) <= 1


def gate(item: Item) -> bool:
    """Does it take a function that costs as much as many operations, and is vectorised?"""
    return takes_gate(item.eqn.body)


def takes_gate(body: Expr) -> bool:
    return any(node.op in _GATES and not few_products(node) for node in E.walk(body))


def _scalar(body: Expr, eqn: Eqn) -> bool:
    """Whether it is the same at all points of the equation."""
    return not E.leaves(body, "idx") and all(not eqn.args[k].index for k in E.arguments(body))


def _scale(alpha: Expr, beta: Expr, eqn: Eqn) -> Scale:
    used = list(dict.fromkeys((*E.arguments(alpha), *E.arguments(beta))))
    renumbered = {E.arg(k): E.arg(place) for place, k in enumerate(used)}
    return Scale(E.substitute(alpha, renumbered), E.substitute(beta, renumbered), tuple(eqn.args[k] for k in used))


def _multiplied(eqn: Eqn, old: str, scale: Scale) -> Eqn:
    """``beta * w``, to be written over w."""
    return replace(eqn, args=(*scale.args, Access(old, eqn.out_index)), body=E.make("mul", scale.beta, E.arg(len(scale.args))))


def _scaled(part: Eqn, scale: Scale) -> Eqn:
    """``alpha * part``."""
    names = {E.arg(k): E.arg(len(part.args) + k) for k in range(len(scale.args))}
    body = E.make("mul", E.substitute(scale.alpha, names), part.body)
    return prune(replace(part, args=(*part.args, *scale.args), body=body, reduce="+"))


def _tiles(parts: Sequence[Eqn], out: Value) -> bool:
    """Whether the parts lie one after the other along one dimension and fill it: each place is written once, needs no zero."""
    along: set[int] = set()
    ends: list[tuple[Dim, Dim]] = []
    for part in parts:
        axes = [n for ix in part.out_index for n in ix.axes()]
        if part.drop or part.reduced or len(axes) != len(set(axes)) or len(axes) != len(part.axes):
            return False
        for d, (ix, extent) in enumerate(zip(part.out_index, out.shape, strict=True)):
            if len(ix.terms) != 1 or not isinstance(ix.terms[0][0], str) or not ix.terms[0][1].is_one():
                return False
            reach = part.extents[ix.terms[0][0]]
            if reach != extent:
                along.add(d)
                ends.append((ix.const, ix.const + reach))
    if len(along) != 1 or len(ends) != len(parts):
        return False
    place = Dim.of(0)
    while ends:  # the next one begins where the last one ended
        following = [end for start, end in ends if start == place]
        if len(following) != 1 or following[0] == place:
            return False
        ends.remove((place, following[0]))
        place = following[0]
    return place == out.shape[along.pop()]


def _above(body: Expr) -> tuple[Expr, bool]:
    """Of ``relu(x)`` and of ``max(0, x)`` the x, and whether it is one."""
    if body.op == "where" and body.args[1] is E.ZERO and body.args[0] == E.make("le", body.args[2], E.ZERO):
        return body.args[2], True
    if body.op == "max" and E.ZERO in body.args:
        return body.args[1] if body.args[0] is E.ZERO else body.args[0], True
    return body, False


def _affine(access: Access) -> set[str] | None:
    """The axes of a read at affine places; None of any other."""
    terms = [atom for ix in access.index for atom, _ in ix.terms]
    return {atom for atom in terms if isinstance(atom, str)} if all(isinstance(atom, str) for atom in terms) else None


def _placeholder(scan: Scan) -> Eqn:
    return Eqn(scan.outs[0], (), (), "", (), E.ZERO, "scan", scan.origin)


def _terms(body: Expr) -> list[Expr]:
    terms: list[Expr] = []
    stack = [body]
    while stack:
        node = stack.pop()
        if node.op == "add":
            stack.extend(reversed(node.args))
        else:
            terms.append(node)
    return terms
