"""Loops that end, or begin, where the index of a loop around them says so: half of all pairs, ``j > i``, is half of the rounds.

A sum over ``j if j > i`` is in the graph one over all j of ``where(j > i, ..., 0)``. Where nothing that a loop over j does is of
any use unless such a comparison holds, it runs over these j alone, and does not ask. A product with what is 0 elsewhere is of no
use in a gradient, where a branch that is not taken never puts a NaN; forward it is one, of 0 and an infinity.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Ix, at
from ..graph.shapes import Dim
from .ir import ArgBest, Assign, Loop, Node, Storage
from .nodes import touched, walk

SHORT = 16  # rounds up to which the C compiler writes a loop out, which it can if their number is known
_BEYOND = {"gt": 1, "ge": 0}  # j > i, j >= i: from which j on
_BELOW = {"lt": 0, "le": 1}  # j < i, j <= i: up to which j
_TURNED = {"gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}


def cut(nodes: Sequence[Node], storage: Iterable[Storage]) -> tuple[Node, ...]:
    """The nodes with each loop cut that may be."""
    nodes = tuple(nodes)
    if not any(isinstance(n, Assign) and _compares(n.body) for n in walk(nodes)):
        return nodes
    scalars = {s.value.name for s in storage if s.kind == "scalar"}
    times: dict[str, int] = {}
    for node in walk(nodes):
        if not isinstance(node, Loop):
            for name in {name for name, _ in touched(node)}:
                times[name] = times.get(name, 0) + 1
    return _within(nodes, {}, scalars, times)


def _compares(body: Expr) -> bool:
    return any(n.op in _TURNED and len(E.leaves(n, "idx")) > 1 for n in E.walk(body))


def _within(nodes: Sequence[Node], around: Mapping[str, Dim], scalars: set[str], times: Mapping[str, int]) -> tuple[Node, ...]:
    done: list[Node] = []
    for node in nodes:
        if isinstance(node, Loop):
            node = _cut(node, around, scalars, times)
            node = replace(node, body=_within(node.body, {**around, node.variable: node.extent}, scalars, times))
        done.append(node)
    return tuple(done)


def _cut(loop: Loop, around: Mapping[str, Dim], scalars: set[str], times: Mapping[str, int]) -> Loop:
    length = loop.extent.value
    if loop.first != Ix() or loop.end is not None:
        return loop
    if loop.reverse or loop.strip or loop.of or loop.when is not None or not around or (length is not None and length <= SHORT):
        return loop
    inside = [n for n in walk(loop.body) if not isinstance(n, Loop)]
    if not all(isinstance(n, Assign) for n in inside) or any(n.strip or n.of for n in walk(loop.body) if isinstance(n, Loop)):
        return loop
    here: dict[str, int] = {}
    for node in inside:
        for name in {name for name, _ in touched(node)}:
            here[name] = here.get(name, 0) + 1
    needed: dict[str, frozenset[Expr] | None] = {}  # of what lives in one round: without which it is 0; None: it is 0
    wanted: frozenset[Expr] | None = None
    for node in inside:
        assert isinstance(node, Assign)
        own = node.target in scalars and here[node.target] == times[node.target] and (node.op == "=" or node.target in needed)
        given = {k: needed[a.value] for k, a in enumerate(node.args) if a.value in needed}
        found = _needs(node.body, given, node.origin.rule.startswith(("vjp", "fan-out", "seed")))
        if own:
            needed[node.target] = _both(found, needed[node.target]) if node.target in needed else found
        elif node.op == "+=":
            wanted = _both(wanted, found)
        else:
            return loop
    for condition in sorted(wanted or (), key=E.show):
        bounds = _bounds(condition, loop, around)
        if bounds is None:
            continue
        first, end = bounds
        if (first is not None and loop.first.terms) or (end is not None and loop.end is not None):
            continue
        body = tuple(_knowing(n, condition) for n in loop.body)
        loop = replace(loop, body=body, first=loop.first if first is None else first, end=loop.end if end is None else end)
    return loop


def _both(a: frozenset[Expr] | None, b: frozenset[Expr] | None) -> frozenset[Expr] | None:
    """Without which both are 0."""
    return b if a is None else a if b is None else a & b


def _needs(body: Expr, args: Mapping[int, frozenset[Expr] | None], backward: bool) -> frozenset[Expr] | None:
    """The conditions without any of which the body is 0; None where it always is. ``backward``: 0 wins over what it is multiplied
    with."""
    done: dict[Expr, frozenset[Expr] | None] = {}
    for node in E.walk(body):
        found: frozenset[Expr] | None = frozenset()
        if node is E.ZERO:
            found = None
        elif node.op == "arg" and isinstance(node.value, int) and node.value in args:
            found = args[node.value]
        elif node.op == "where":
            holds, other = done[node.args[1]], done[node.args[2]]
            found = _both(holds, other)
            if other is None and holds is not None:
                found = holds | frozenset(_all_of(node.args[0]))
        elif node.op in ("add", "sub"):
            found = _both(done[node.args[0]], done[node.args[1]])
        elif node.op == "mul" and backward:
            a, b = (done[side] for side in node.args)
            found = None if a is None or b is None else a | b
        elif node.op == "neg" or (node.op == "div" and backward):
            found = done[node.args[0]]
        elif node.op == "mul" and any(side.number is not None for side in node.args):
            found = done[node.args[0] if node.args[1].number is not None else node.args[1]]
        done[node] = found
    return done[body]


def _all_of(condition: Expr) -> list[Expr]:
    return [c for side in condition.args for c in _all_of(side)] if condition.op == "and" else [condition]


def _bounds(condition: Expr, loop: Loop, around: Mapping[str, Dim]) -> tuple[Ix | None, Ix | None] | None:
    """Where the loop begins, or ends, if it runs where the condition holds: at the index of a loop around it, or a few places
    beside it, so that this is inside of its own range."""
    if condition.op not in _TURNED:
        return None
    left, right = (_affine(side) for side in condition.args)
    if left is None or right is None:
        return None
    how, apart = condition.op, left + right.scale(Dim.of(-1))
    terms = dict(apart.terms)
    mine = terms.pop(loop.variable, Dim.of(0)).value
    if mine not in (1, -1) or len(terms) != 1:
        return None
    if mine == -1:
        how, apart = _TURNED[how], apart.scale(Dim.of(-1))
    ((other, factor),) = ((atom, factor) for atom, factor in apart.terms if atom != loop.variable)
    if not isinstance(other, str) or factor.value != -1 or around.get(other) != loop.extent or apart.const.value is None:
        return None
    shift = -apart.const.value + (_BEYOND[how] if how in _BEYOND else _BELOW[how])
    place = at(other) + Ix((), Dim.of(shift))
    if how in _BEYOND:
        return (place, None) if shift >= 0 else None
    return (None, place) if shift <= 1 else None


def _affine(side: Expr) -> Ix | None:
    """A sum of indices and numbers as an index."""
    if side.op == "idx":
        return at(str(side.value))
    if side.op in ("add", "sub"):
        left, right = (_affine(each) for each in side.args)
        if left is None or right is None:
            return None
        return left + (right if side.op == "add" else right.scale(Dim.of(-1)))
    if side.op == "neg":
        inside = _affine(side.args[0])
        return None if inside is None else inside.scale(Dim.of(-1))
    number = side.number
    return Ix((), Dim.of(int(number))) if number is not None and number.denominator == 1 else None


def _knowing(node: Node, condition: Expr) -> Node:
    """The node where the condition holds."""
    if isinstance(node, Loop):
        return replace(node, body=tuple(_knowing(n, condition) for n in node.body))
    assert isinstance(node, Assign | ArgBest)
    done: dict[Expr, Expr] = {}
    for each in E.walk(node.body):
        args = tuple(done[a] for a in each.args)
        if each.op == "where" and each.args[0] is condition:
            done[each] = args[1]
        elif each.op == "and" and condition in each.args:
            done[each] = args[1] if each.args[0] is condition else args[0]
        else:
            done[each] = E.rebuild(each, args) if args else each
    return replace(node, body=done[node.body])
