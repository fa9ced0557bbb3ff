"""Forms of gates for where they stand.

Sigmoid, tanh and softplus of z are all made of exp(-abs(z)). Where a loop has several of them, it takes the forms that have this
exponential in common, and the C compiler computes it once. Alone, each is cheaper in a form of its own. So is the exponential of
what is not above 0: it cannot overflow. A sigmoid's slope is y(1 - y) at its value y; where y is known to be one, it is the
difference y - y*y, rounded once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Access
from .ir import ArgBest, Assign, Loop, Node, Product, Rank
from .nodes import walk

SHARED: Final = {"sigmoid": "sigmoid_shared", "tanh": "tanh_shared", "softplus": "softplus"}
"""What each gate is called where it has its exponential in common with others."""

BELOW: Final = "exp_below"
SLOPE: Final = "sigmoid_slope"

Known = dict[str, tuple[Access, int]]

_POSITIVE: Final = frozenset(("square", "abs", "exp", "sigmoid", "softplus", "cosh", "size", "idx", *E.COMPARISONS))


def fitted(body: Sequence[Node]) -> tuple[Node, ...]:
    """The nodes with each gate in the form for where it stands."""
    return _fitted(body, _sigmoids(body))


def _fitted(body: Sequence[Node], sigmoids: frozenset[str]) -> tuple[Node, ...]:
    numbers: dict[Access, Expr] = {}  # an operand has one name in all statements
    found: dict[Expr, set[tuple[str, Expr]]] = {}  # the gates that are made of the exponential of what
    for node in body:
        if isinstance(node, Assign | ArgBest):
            for gate, z in _gates(node, numbers):
                found.setdefault(_size_of(z), set()).add((gate.op, z))
    several = {z for z, gates in found.items() if len(gates) > 1}
    known: Known = {}  # the sign of what has been computed here last of each value
    nodes: list[Node] = []
    for node in body:
        if isinstance(node, Loop):
            nodes.append(replace(node, body=_fitted(node.body, sigmoids)))
        elif isinstance(node, Assign | ArgBest):
            nodes.append(_with_forms(node, numbers, several, known, sigmoids))
        else:
            nodes.append(node)
        if not isinstance(node, Assign):
            known = {}
            continue
        tells = _signs(node, known)[node.body] if node.op == "=" and not node.drop else 0
        known[node.target] = Access(node.target, node.index), tells
    return tuple(nodes)


def _written(body: Sequence[Node]) -> dict[str, list[Node]]:
    """The nodes that write each value."""
    found: dict[str, list[Node]] = {}
    for node in walk(body):
        if isinstance(node, Assign | ArgBest):
            found.setdefault(node.target, []).append(node)
        elif isinstance(node, Product | Rank):
            found.setdefault(node.c.value if isinstance(node, Product) else node.target.value, []).append(node)
    return found


def _sigmoids(body: Sequence[Node]) -> frozenset[str]:
    """The values of which each element that is written is a sigmoid."""
    return frozenset(name for name, nodes in _written(body).items()
                     if all(isinstance(n, Assign) and n.op == "=" and n.body.op == "sigmoid" for n in nodes))  # fmt: skip


def _with_forms(node: Assign | ArgBest, numbers: dict[Access, Expr], several: set[Expr], known: Known,
                sigmoids: frozenset[str]) -> Node:  # fmt: skip
    chosen = {gate: SHARED[gate.op] for gate, z in _gates(node, numbers) if _size_of(z) in several}
    nodes = list(E.walk(node.body))
    if any(each.op == "exp" for each in nodes):
        signs = _signs(node, known)
        chosen |= {each: BELOW for each in signs if each.op == "exp" and signs[each.args[0]] < 0}
    gates = {each for each in nodes if each.op == "sigmoid"}
    gates |= {each for each in nodes if each.op == "arg" and node.args[each.place].value in sigmoids}
    slopes = {each: y for each in nodes if (y := _slope_at(each)) is not None and y in gates}
    if not chosen and not slopes:
        return node
    done: dict[Expr, Expr] = {}
    for each in nodes:  # one may stand in the argument of another
        args = tuple(done[a] for a in each.args)
        if each in slopes:
            done[each] = E.call(SLOPE, done[slopes[each]])
        else:
            done[each] = E.call(chosen[each], *args) if each in chosen else E.rebuild(each, args)
    return replace(node, body=done[node.body])


def _slope_at(node: Expr) -> Expr | None:
    """y of y(1 - y)."""
    if node.op != "mul":
        return None
    for y, rest in (node.args, reversed(node.args)):
        if rest.op == "sub" and rest.args[0] is E.ONE and rest.args[1] is y:
            return y
    return None


def _gates(node: Assign | ArgBest, numbers: dict[Access, Expr]) -> Iterator[tuple[Expr, Expr]]:
    """The gates of a statement, and what they are of, in which operands are called the same wherever they are read."""
    gates = [each for each in E.walk(node.body) if each.op in SHARED]
    if gates:
        names = {E.arg(k): numbers.setdefault(access, E.arg(len(numbers))) for k, access in enumerate(node.args)}
        for gate in gates:
            yield gate, E.substitute(gate.args[0], names)


def _size_of(z: Expr) -> Expr:
    """z but for its sign."""
    while z.op in ("neg", "abs"):
        z = z.args[0]
    return z


def _signs(node: Assign | ArgBest, known: Known) -> dict[Expr, int]:
    """Of each expression in a statement: 1 where it is at least 0 and 2 where it is not -0 either, -1 where it is at most 0, all
    but for NaN, and 0 where nothing tells."""
    signs: dict[Expr, int] = {}
    for each in E.walk(node.body):
        if each.op == "arg" and isinstance(each.value, int):
            access = node.args[each.value]
            there, tells = known.get(access.value, (access, 0))
            signs[each] = tells if there == access else 0
        else:
            signs[each] = _sign_of(each, [signs[a] for a in each.args])
    return signs


def _sign_of(node: Expr, below: list[int]) -> int:
    number, op = node.number, node.op
    if number is not None:
        return 2 if number >= 0 else -1
    if op in _POSITIVE or _squared(node):
        return 2
    if op == "neg":
        return _turned(below[0])
    if op == "mul" or (op == "div" and (below[1] == 2 or node.args[1].number)):  # 1/-0 is -inf
        return 2 if below == [2, 2] else max(-1, min(1, below[0] * below[1]))
    if op in ("add", "sub"):
        pair = [below[0], below[1] if op == "add" else _turned(below[1])]
        return max(pair) if min(pair) > 0 else -1 if max(pair) < 0 else 0
    if op == "max":
        return min(1, max(below))
    if op == "min":
        return -1 if E.ZERO in node.args else min(1, *below)
    return min(below[0], 1) if op == "sqrt" else 0


def _turned(sign: int) -> int:
    return -1 if sign > 0 else -sign


def _squared(node: Expr) -> bool:
    if node.op == "mul":
        return node.args[0] is node.args[1]
    exponent = node.args[1].number if node.op == "pow" else None
    return exponent is not None and exponent.denominator == 1 and exponent % 2 == 0
