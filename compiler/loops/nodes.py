"""What the nodes of a loop nest touch, and how they are rewritten: placed elsewhere, at one step, added together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Access, Atom, Gather, Ix, at, fixed
from ..graph.rewrite import substitute_access, substitute_ix
from ..graph.shapes import Dim
from .emits import step_of
from .ir import ArgBest, Assign, Leave, Loop, Move, Node, Product, Rank, Zero


def best_name(target: str) -> str:
    """The running extremum that belongs to an argmax; no value of a graph can be called that."""
    return f"{target} best"


def walk(nodes: Iterable[Node]) -> Iterable[Node]:
    for node in nodes:
        yield node
        if isinstance(node, Loop):
            yield from walk(node.body)


def touched(node: Node) -> Iterable[tuple[str, tuple[Ix, ...] | None]]:
    """What a node reads and writes, and where; None for several places at once."""
    if isinstance(node, Loop):
        for inner in node.body:
            yield from touched(inner)
        return
    indices: list[Ix] = []
    if isinstance(node, Product):
        for access in (node.a, node.b, node.c, *((node.onto,) if node.onto else ())):
            yield access.value, None
            indices += access.index
    elif isinstance(node, Rank):
        for access in (node.source, node.target):
            yield access.value, None
            indices += access.index
    elif isinstance(node, Assign | ArgBest):
        yield node.target, node.index
        indices += node.index
    if not isinstance(node, Rank | Zero | Move):
        for access in node.args:
            yield access.value, access.index
            indices += access.index
    for ix in indices:
        for gather in ix.gathers():
            yield gather.value, None


def at_step(node: Node, slices: dict[str, str], captured: dict[str, str], now: Ix, placed: Mapping[str, int] = {}) -> Node:
    """The node with what is sliced read, and what is emitted written, at the step; and what is captured read where it is.
    ``placed``: the dimension of the steps, where it is not the first."""

    def place(value: str, index: tuple[Ix, ...]) -> tuple[str, tuple[Ix, ...]]:
        index = tuple(within(ix) for ix in index)
        if value not in slices:
            return captured.get(value, value), index
        return slices[value], step_of(index, now, placed.get(slices[value], 0))

    def within(ix: Ix) -> Ix:
        return Ix(tuple((moved(atom), factor) for atom, factor in ix.terms), ix.const) if any(True for _ in ix.gathers()) else ix

    def moved(atom: Atom) -> Atom:
        if isinstance(atom, str):
            return atom
        if isinstance(atom, Gather):
            return Gather(*place(atom.value, atom.index))
        return replace(atom, a=within(atom.a))

    def read(access: Access) -> Access:
        value, index = place(access.value, access.index)
        return Access(value, index, access.fill)

    if isinstance(node, Loop):
        sums = tuple(slices.get(name, name) for name in node.sums)
        return replace(node, body=tuple(at_step(n, slices, captured, now, placed) for n in node.body), sums=sums)
    if isinstance(node, Zero | Move):
        return node
    if isinstance(node, Rank | Product):  # kernels know one distance from row to row
        touched = (node.source, node.target) if isinstance(node, Rank) else (node.a, node.b, node.onto or node.c, node.c)
        assert not any(placed.get(slices.get(access.value, "")) for access in touched)
    if isinstance(node, Rank):
        return replace(node, source=read(node.source), target=read(node.target))
    if isinstance(node, Product):
        return replace(node, a=read(node.a), b=read(node.b), c=read(node.c), onto=read(node.onto) if node.onto else None,
                       args=tuple(read(a) for a in node.args))  # fmt: skip
    if isinstance(node, Leave):
        return replace(node, args=tuple(read(a) for a in node.args))
    target, index = place(node.target, node.index)
    return replace(node, target=target, index=index, args=tuple(read(a) for a in node.args))


def in_place(node: Node, placed: dict[str, str]) -> list[Node]:
    """The node with each key of ``placed`` where its value lies; nothing is left of a copy of the one to the other."""
    if isinstance(node, Loop):
        body = tuple(n for inner in node.body for n in in_place(inner, placed))
        return [replace(node, body=body, sums=tuple(placed.get(s, s) for s in node.sums))] if body else []
    node = at_step(node, {}, placed, Ix())
    if isinstance(node, Assign) and node.op == "=" and node.body is E.arg(0):
        return [] if node.args[0] == Access(node.target, node.index) else [node]
    return [node]


def may_replace(nodes: Sequence[Node], old: str, new: str) -> bool:
    """Whether ``new`` may be computed where ``old`` lies: each element of that has been read for the last time when the one that
    takes its place is written."""
    reads = [k for k, node in enumerate(nodes) if any(name == old for name, _ in touched(node))]
    writes = [k for k, node in enumerate(nodes) if any(name == new for name, _ in touched(node))]
    if not reads or not writes or reads[-1] < writes[0]:
        return True
    if reads[-1] > writes[0]:
        return False
    node = nodes[writes[0]]
    places = [index for name, index in touched(node) if name in (old, new)]
    if isinstance(node, Assign):
        return node.op == "=" and all(index == node.index for index in places)
    if not isinstance(node, Loop) or None in places:
        return False
    here = at(node.variable)  # each round has a part of both that is its own
    own = any(all(index is not None and index[d] == here for index in places) for d in range(len(places[0] or ())))
    return own and may_replace(node.body, old, new)


def written_at(node: Node, variable: str, k: int) -> Node:
    """The statement where the loop's variable is k."""
    assert isinstance(node, Assign | ArgBest)
    here, number = {variable: fixed(k)}, {E.idx(variable): E.dim(Dim.of(k))}
    body, args = _counted(E.substitute(node.body, number)), tuple(substitute_access(a, here, {}) for a in node.args)
    node = replace(node, index=tuple(substitute_ix(ix, here, {}) for ix in node.index), body=body, args=args)
    return replace(node, place=substitute_ix(node.place, here, {})) if isinstance(node, ArgBest) else node


def _counted(body: Expr) -> Expr:
    """The body with sums and products of numbers as the number that they are."""
    done: dict[Expr, Expr] = {}
    for node in E.walk(body):
        args = tuple(done[a] for a in node.args)
        plain = node.op in ("add", "mul") and all(a.number is not None for a in args)
        done[node] = E.fold_node(node, args) if plain else E.rebuild(node, args)
    return done[body]


def added_together(body: list[Node]) -> list[Node]:
    """The statements with what is added to one place added by one of them, the last: its terms are summed up first."""
    found: list[Node] = []
    last: dict[tuple[str, tuple[Ix, ...]], int] = {}  # where in ``found`` something is added to a place
    for node in body:
        if not isinstance(node, Assign) or node.op != "+=" or node.drop:
            found.append(node)
            continue
        place = node.target, node.index
        k = last.get(place)
        before = None if k is None else found[k]
        if k is not None and isinstance(before, Assign) and _may_wait(before, found[k + 1 :]):
            del found[k]
            last = {p: j - (j > k) for p, j in last.items()}
            node = _sum_of(before, node)
        last[place] = len(found)
        found.append(node)
    return found


def _may_wait(node: Assign, after: Sequence[Node]) -> bool:
    """Whether the statement may come behind these: none of them reads what it adds to, or writes what it reads."""
    mine = {name for name, _ in touched(node)}
    return all(isinstance(other, Assign) and other.target not in mine and all(name != node.target for name, _ in touched(other))
               for other in after)  # fmt: skip


def _sum_of(first: Assign, second: Assign) -> Assign:
    """``+=`` of both terms."""
    moved = {E.arg(k): E.arg(len(first.args) + k) for k in range(len(second.args))}
    term = E.substitute(second.body, moved)
    body = E.make("sub", first.body, term.args[0]) if term.op == "neg" else E.make("add", first.body, term)
    return replace(second, body=body, args=(*first.args, *second.args), origin=first.origin.merge(second.origin))


_EVEN = frozenset(("cos", "cosh"))
_ODD = frozenset(("sin", "tan", "sinh", "tanh", "asin", "atan", "erf"))


def one_way(node: Assign) -> Assign:
    """The statement with ``cos(b - a)`` as ``cos(a - b)`` and ``sin(b - a)`` as ``-sin(a - b)``, where both stand in it, as of
    what two of a pair do to each other: it is then computed once."""
    if not any(n.op in _EVEN or n.op in _ODD for n in E.walk(node.body)):
        return node
    place: dict[Access, int] = {}
    same = {E.arg(k): E.arg(place.setdefault(access, k)) for k, access in enumerate(node.args)}
    body = E.substitute(node.body, same)
    inside = dict.fromkeys(n.args[0] for n in E.walk(body) if (n.op in _EVEN or n.op in _ODD) and n.args[0].op == "sub")
    turned: dict[Expr, Expr] = {}
    for difference in inside:
        other = E.make("sub", difference.args[1], difference.args[0])
        if other in inside and other not in turned:
            turned[difference] = other
    if not turned:
        return node
    done: dict[Expr, Expr] = {}
    for each in E.walk(body):
        args = tuple(done[a] for a in each.args)
        if (each.op in _EVEN or each.op in _ODD) and each.args[0] in turned:
            other = E.make(each.op, done.get(turned[each.args[0]], turned[each.args[0]]))
            done[each] = other if each.op in _EVEN else E.neg(other)
        else:
            done[each] = E.neg(args[0]) if each.op == "neg" else E.rebuild(each, args) if args else each
    return replace(node, body=done[body])


def number(ix: Ix) -> Expr:
    total: Expr = E.dim(ix.const)
    for atom, factor in ix.terms:
        assert isinstance(atom, str)
        total = E.add(total, E.mul(E.dim(factor), E.idx(atom)))
    return total
