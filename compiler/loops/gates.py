"""Gates that stand together: sigmoid, tanh and softplus of z are all made of exp(-abs(z)). Where a loop has several of them, it
takes the forms that have this exponential in common, and the C compiler computes it once. Alone, each is cheaper in a form of its
own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Access
from .ir import ArgBest, Assign, Loop, Node

SHARED: Final = {"sigmoid": "sigmoid_shared", "tanh": "tanh_shared", "softplus": "softplus"}
"""What each gate is called where it has its exponential in common with others."""


def together(body: Sequence[Node]) -> tuple[Node, ...]:
    """The nodes with the gates of each loop in the forms that share."""
    numbers: dict[Access, Expr] = {}  # an operand has one name in all statements
    found: dict[Expr, set[tuple[str, Expr]]] = {}  # the gates that are made of the exponential of what
    for node in body:
        if isinstance(node, Assign | ArgBest):
            for gate, z in _gates(node, numbers):
                found.setdefault(_size_of(z), set()).add((gate.op, z))
    several = {z for z, gates in found.items() if len(gates) > 1}
    return tuple(_with_shared(node, numbers, several) for node in body)


def _with_shared(node: Node, numbers: dict[Access, Expr], several: set[Expr]) -> Node:
    if isinstance(node, Loop):
        return replace(node, body=together(node.body))
    if not isinstance(node, Assign | ArgBest):
        return node
    chosen = {gate for gate, z in _gates(node, numbers) if _size_of(z) in several}
    if not chosen:
        return node
    done: dict[Expr, Expr] = {}
    for each in E.walk(node.body):  # one may stand in the argument of another
        args = tuple(done[a] for a in each.args)
        done[each] = E.call(SHARED[each.op], *args) if each in chosen else E.rebuild(each, args)
    return replace(node, body=done[node.body])


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
