"""Looking through equations without losing names.

The *formula* of a value is what it computes, written over what cannot be looked through: inputs, reductions, matrix
products, integers. Formulas of different equations share their parts: axes have canonical names (``@0``, ``@1`` for those of
the value, ``#0`` for reduced ones), reads are numbered over the whole graph, and expressions are interned, so that a chain of
a thousand equations costs a thousand steps. While formulas are put together, the view remembers which named value each
piece is; after a rule has rewritten a formula, :meth:`View.equation` puts those names back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ..derive.catalogue import Rewriter
from ..graph import expr as E
from ..graph.bounds import read_inside
from ..graph.expr import Expr
from ..graph.ir import Access, Atom, Axis, Eqn, Gather, Graph, Ix, Origin, Quot, Rem, Scan, Value, at, fixed
from ..graph.patterns import ranking
from ..graph.rewrite import substitute_access
from ..graph.shapes import Dim
from ..language.source import Span
from ..ops.words import is_temporary

DEEP = 40  # formulas deeper than this are not read through other indices than their own


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a formula is this value, read at this index; it fits where the axes have these extents."""

    access: Access
    extents: tuple[tuple[str, Dim], ...]


class View:
    """Formulas of values, built equation by equation in the graph's order."""

    def __init__(self, graph: Graph) -> None:
        self.values: dict[str, Value] = graph.values()
        self.reads: list[Access] = []
        self._place: dict[Access, int] = {}
        self.formulas: dict[str, Expr] = {}
        self.producers: dict[str, Eqn] = {}
        self.written: dict[str, tuple[Span, ...]] = {e.out.name: e.origin.spans for e in graph.eqns if isinstance(e, Eqn)}
        self.pieces: dict[Expr, list[Piece]] = {}

    # ------------------------------------------------------------ from equations to formulas

    def leaf(self, access: Access) -> Expr:
        """The one leaf for this read."""
        number = self._place.setdefault(access, len(self.reads))
        if number == len(self.reads):
            self.reads.append(access)
        return E.arg(number)

    def access(self, leaf: Expr) -> Access:
        return self.reads[leaf.place]

    def formula(self, eqn: Eqn) -> Expr | None:
        """The body of ``eqn`` as a formula over canonical axes; None where its output is not written plainly."""
        names = canonical(eqn)
        if names is None or E.is_drawn(eqn.body):
            return None
        mapping = {old: at(new) for old, new in names.items()}
        extents = {names[a.name]: a.extent for a in eqn.axes}
        replacement: dict[Expr, Expr] = {}
        for k in E.arguments(eqn.body):
            replacement[E.arg(k)] = self.expand(substitute_access(eqn.args[k], mapping, extents), extents)
        for leaf in E.leaves(eqn.body, "idx"):
            replacement[leaf] = E.idx(names[str(leaf.value)])
        return E.substitute(eqn.body, replacement)

    def expand(self, access: Access, extents: dict[str, Dim]) -> Expr:
        """What is read, as a formula: that of the value, at this index."""
        access = self._settled(access)
        formula = self.formulas.get(access.value)
        if formula is None or access.fill is not None:
            return self.leaf(access)
        if access == self.own(access.value) and self._fits(access.value, extents):
            return formula
        if formula.depth > DEEP:
            return self.leaf(access)
        return self._moved(formula, access, extents) or self.leaf(access)

    def _fits(self, name: str, extents: Mapping[str, Dim]) -> bool:
        return all(extents.get(f"@{k}") == d for k, d in enumerate(self.values[name].shape))

    def _settled(self, access: Access) -> Access:
        """The read in the one form in which equal reads are equal: where there is only one place, its index is 0."""
        shape = self.values[access.value].shape
        index = (fixed(0) if d.is_one() else _ordered(ix) for ix, d in zip(access.index, shape, strict=True))
        return replace(access, index=tuple(index) if access.fill is None else tuple(map(_ordered, access.index)))

    def own(self, name: str) -> Access:
        """The read of a value at its own canonical axes."""
        return self._settled(Access(name, tuple(at(f"@{k}") for k in range(len(self.values[name].shape)))))

    def _moved(self, formula: Expr, access: Access, extents: dict[str, Dim]) -> Expr | None:
        """The formula of a value read at another index, every named piece of it moved as well."""
        mapping = {f"@{k}": ix for k, ix in enumerate(access.index)}
        own = {f"@{k}": d for k, d in enumerate(self.values[access.value].shape)}
        done: dict[Expr, Expr] = {}
        for node in E.walk(formula):
            if node.op == "arg":
                done[node] = self.leaf(self._shift(self.access(node), mapping, extents))
            elif node.op == "idx":
                number = index_number(mapping.get(str(node.value)))
                if number is None:
                    return None
                done[node] = number
            else:
                done[node] = E.rebuild(node, tuple(done[a] for a in node.args)) if node.args else node
            for piece in tuple(self.pieces.get(node, ())):  # a part without axes moves onto itself
                if all(own.get(a) == d for a, d in piece.extents):
                    self._remember(done[node], self._shift(piece.access, mapping, extents), extents)
        return done[formula]

    def _shift(self, access: Access, mapping: Mapping[str, Ix], extents: dict[str, Dim]) -> Access:
        return self._settled(substitute_access(access, mapping, extents))

    def _remember(self, node: Expr, access: Access, extents: Mapping[str, Dim]) -> None:
        if node.op in E.LEAVES:
            return
        axes = dict.fromkeys(a for ix in access.index for a in ix.axes())
        piece = Piece(access, tuple((a, extents[a]) for a in axes if a in extents))
        known = self.pieces.setdefault(node, [])
        if piece not in known:
            known.append(piece)

    def add(self, eqn: Eqn, formula: Expr | None) -> None:
        """Take in an equation; with a ``formula``, later ones look through it."""
        name = eqn.out.name
        self.values[name] = eqn.out
        self.producers[name] = eqn
        self.written.setdefault(name, eqn.origin.spans)
        if formula is None or eqn.reduce or eqn.drop or eqn.out.kind != "real" or eqn.plain_out is None:
            return
        self.formulas[name] = formula
        extents = {f"@{k}": d for k, d in enumerate(eqn.out.shape)}
        self._remember(formula, self.own(name), extents)

    # ------------------------------------------------------------ from formulas to equations

    def equation(self, eqn: Eqn, formula: Expr, origin: Origin) -> Eqn:
        """``eqn`` computing ``formula`` instead, with every piece that has a name read by its name."""
        names = canonical(eqn)
        assert names is not None
        extents = {names[a.name]: a.extent for a in eqn.axes}
        back = {new: at(old) for old, new in names.items()}
        old_extents = eqn.extents
        place: dict[Access, int] = {}
        done: dict[Expr, Expr] = {}
        stack = [(formula, False)]
        while stack:
            node, ready = stack.pop()
            if node in done:
                continue
            found = self.access(node) if node.op == "arg" else self.named(node, extents)
            if found is not None:
                access = self._placed(substitute_access(found, back, old_extents), eqn)
                done[node] = E.arg(place.setdefault(access, len(place)))
            elif node.op == "idx":
                done[node] = E.idx({new: old for old, new in names.items()}[str(node.value)])
            elif ready or not node.args:
                done[node] = E.rebuild(node, tuple(done[a] for a in node.args)) if node.args else node
            else:
                stack.append((node, True))
                stack.extend((a, False) for a in reversed(node.args))
        body = done[formula]
        return replace(eqn, args=tuple(place), body=body, op=eqn.op if body.op in E.LEAVES else body.op, origin=origin)

    def _placed(self, access: Access, eqn: Eqn) -> Access:
        """The read with the equation's own axis of extent 1 where it has one, instead of 0."""
        shape, plain = self.values[access.value].shape, eqn.plain_out
        if plain is None or len(plain) != len(shape) or access.fill is not None:
            return access
        one = [d.is_one() and e.is_one() for d, e in zip(shape, eqn.out.shape, strict=True)]
        index = (at(name) if o and not ix.terms else ix for ix, name, o in zip(access.index, plain, one, strict=True))
        return replace(access, index=tuple(index))

    def named(self, node: Expr, extents: Mapping[str, Dim], only: Callable[[str], bool] | None = None) -> Access | None:
        """The value that ``node`` is, where one fits."""
        for piece in self.pieces.get(node, ()):
            if all(extents.get(a) == d for a, d in piece.extents) and (only is None or only(piece.access.value)):
                return piece.access
        return None

    def spoken(self, node: Expr) -> bool:
        """Whether the user gave this formula a name."""
        return any(not is_temporary(p.access.value) for p in self.pieces.get(node, ()))

    def text(self, formula: Expr, eqn: Eqn, only: Callable[[str], bool]) -> str:
        """The formula for a reader: values by name, also those that are looked through where ``only`` allows it; "" where
        that is too long to read."""
        names = canonical(eqn) or {}
        extents = {names[a.name]: a.extent for a in eqn.axes}
        back = {new: at(old) for old, new in names.items()}
        done: dict[Expr, Expr] = {}
        length: dict[Expr, int] = {}  # of the text, about: shared parts are written as often as they are used
        stack = [(formula, False)]
        for _ in range(200):
            if not stack:
                return E.show(done[formula])
            node, ready = stack.pop()
            if node in done:
                continue
            access = self.access(node) if node.op == "arg" else None
            if access is None and node is not formula:
                access = self.named(node, extents, only)
            if access is not None:
                shape = self.values[access.value].shape
                plain = all(ix.plain is not None or d.is_one() for ix, d in zip(access.index, shape, strict=True))
                done[node] = E.sym(access.value if plain else str(substitute_access(access, back, eqn.extents)))
                length[node] = 1
            elif ready or not node.args:
                done[node] = E.rebuild(node, tuple(done[a] for a in node.args)) if node.args else node
                length[node] = 1 + sum(length[a] for a in node.args)
                if length[node] > 60:
                    return ""
            else:
                stack.append((node, True))
                stack.extend((a, False) for a in reversed(node.args))
        return ""

    def reach(self, eqn: Eqn, new: Eqn) -> tuple[str, ...]:
        """The values that ``eqn`` looked through to become ``new``: those between it and what ``new`` reads."""
        stop = set(new.reads())
        found: dict[str, None] = {}
        queue = [n for n in eqn.reads() if n not in stop]
        while queue and len(found) < 24:
            name = queue.pop(0)
            producer = self.producers.get(name)
            if producer is None or name in found or name not in self.formulas:
                continue
            found[name] = None
            queue += [n for n in producer.reads() if n not in stop]
        return tuple(found)


def canonical(eqn: Eqn) -> dict[str, str] | None:
    """Canonical names for the axes of an equation."""
    plain = eqn.plain_out
    if plain is None:
        return None
    names = {axis: f"@{k}" for k, axis in enumerate(plain)}
    for axis in eqn.axes:
        if axis.name not in names:
            names[axis.name] = f"#{len(names) - len(plain)}"
    return names


def axes_of(access: Access) -> tuple[str, ...]:
    return tuple(dict.fromkeys(a for ix in access.index for a in ix.axes()))


def canonical_axes(eqn: Eqn) -> tuple[Axis, ...]:
    names = canonical(eqn)
    assert names is not None
    return tuple(Axis(names[a.name], a.extent) for a in eqn.axes)


def index_number(ix: Ix | None) -> Expr | None:
    """An index as a number in a body; None where it gathers or divides."""
    if ix is None:
        return None
    total: Expr = E.dim(ix.const)
    for atom, factor in ix.terms:
        if not isinstance(atom, str):
            return None
        total = E.add(total, E.mul(E.dim(factor), E.idx(atom)))
    return total


def _ordered(ix: Ix) -> Ix:
    """The index with its terms in one order, so that equal indices are equal."""
    terms = [(_inner(a), f) for a, f in ix.terms]
    return Ix(tuple(sorted(terms, key=lambda t: (not isinstance(t[0], str), str(t[0])))), ix.const)


def _inner(atom: Atom) -> Atom:
    if isinstance(atom, Gather):
        return Gather(atom.value, tuple(map(_ordered, atom.index)))
    if isinstance(atom, Quot):
        return Quot(_ordered(atom.a), atom.b)
    return Rem(_ordered(atom.a), atom.b) if isinstance(atom, Rem) else atom


# ---------------------------------------------------------------- rewriting every formula of a graph


class LookThrough:
    """Runs a rewriter over the formulas of a graph; an equation changes only where a rule fired in its own formula."""

    def __init__(self, graph: Graph, rewriter: Rewriter, view: View, rule: str, again: Callable[[Graph], Graph]) -> None:
        """``again`` is the pass itself, for the bodies of loops."""
        self.graph, self.rewriter, self.view, self.rule, self.again = graph, rewriter, view, rule, again
        self.eqns: list[Eqn | Scan] = []
        rewriter.kept = view.spoken

    def before(self, eqn: Eqn, formula: Expr) -> None:
        """Called with every equation before it is rewritten."""

    def emitted(self, eqn: Eqn) -> None:
        """Called before a changed equation is appended: what it needs may go first."""

    def run(self) -> Graph:
        changed = False
        for eqn in self.graph.eqns:
            if isinstance(eqn, Scan):
                body = self.again(eqn.body)
                changed = changed or body is not eqn.body
                self.eqns.append(eqn if body is eqn.body else replace(eqn, body=body))
                continue
            # two readings of one value, computed in two ways, would not rank equals consistently
            formula = None if ranking(eqn) is not None else self.view.formula(eqn)
            if formula is None:
                self.view.add(eqn, None)
                self.eqns.append(eqn)
                continue
            self.before(eqn, formula)
            after = formula if _is_product(eqn) else self.rewriter(formula)
            if after is not formula and not self._stands(after, eqn):
                after = formula
            new = eqn
            if after is not formula:
                new = self._changed(eqn, formula, after)
                changed = True
                self.emitted(new)
            self.eqns.append(new)
            self.view.add(new, after)
        return self.graph.with_eqns(tuple(self.eqns)) if changed else self.graph

    def _stands(self, formula: Expr, eqn: Eqn) -> bool:
        """Whether a formula uses only the axes of ``eqn``, and reads what is proved to be there. Equal formulas may differ in
        what cancels in them, as in ``abs(u - u)``, and so one that was met before may come from elsewhere."""
        names = canonical(eqn) or {}
        extents = {names[a.name]: a.extent for a in eqn.axes if a.name in names}
        for leaf in E.walk(formula):
            if leaf.op == "arg":
                access = self.view.access(leaf)
                if not extents.keys() >= {a for ix in access.index for a in ix.axes()}:
                    return False
                if not read_inside(access, self.view.values[access.value].shape, extents):
                    return False
            if leaf.op == "idx" and str(leaf.value) not in extents:
                return False
        return True

    def _changed(self, eqn: Eqn, formula: Expr, after: Expr) -> Eqn:
        new = self.view.equation(eqn, after, eqn.origin)

        reads = new.reads()

        def spoken(name: str) -> bool:
            return not is_temporary(name) and (name in reads or self.rule == "stabilise")

        def read(name: str) -> bool:
            return name in reads

        texts = (self.view.text(formula, eqn, spoken), self.view.text(after, eqn, read))
        note = ""
        if 0 < len(texts[1]) <= 100:
            note = f"{texts[0]} is {texts[1]}" if 0 < len(texts[0]) <= 100 else f"equal to {texts[1]}"
        spans = dict.fromkeys(eqn.origin.spans)
        for name in self.view.reach(eqn, new):
            spans.update(dict.fromkeys(self.view.written.get(name, ())))
        return new.with_origin(Origin(tuple(spans), self.rule, note))


def _is_product(eqn: Eqn) -> bool:
    """A matrix product stays one."""
    return eqn.reduce == "+" and eqn.body.op == "mul" and all(a.op == "arg" for a in eqn.body.args)
