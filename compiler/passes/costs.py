"""What work costs beside memory: a rule of thumb by counts alone, the same on every machine."""

from __future__ import annotations

from typing import Final

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Eqn
from ..graph.shapes import Shape, size
from .products import guess

ELEMENT: Final = 16
"""Additions that take as long as writing one element and reading it again: eight bytes of float32, two additions a byte."""

_FREE: Final = frozenset((*E.LEAVES, "stop", "given", "place"))
_DEAR: Final = {"div": 4, "sqrt": 4, "pow": 30}
_CHEAP: Final = frozenset(("add", "sub", "mul", "neg", *E.COMPARISONS, *E.LOGIC, *E.CHOICES, "abs", "sign", "square", "floor"))
_FUNCTION: Final = 20  # exp, tanh and their like


def elements(shape: Shape) -> int:
    return guess(size(shape))


def operations(eqn: Eqn) -> int:
    """About how many additions take as long as the equation, its reads and writes apart."""
    return (weight(eqn.body) + (eqn.reduce != "")) * elements(tuple(a.extent for a in eqn.axes))


def weight(body: Expr) -> int:
    """The same for one point."""
    return sum(0 if n.op in _FREE else 1 if n.op in _CHEAP else _DEAR.get(n.op, _FUNCTION) for n in E.walk(body))


def few_products(node: Expr) -> bool:
    """A power that is written with products and a root."""
    exponent = node.args[1].number if node.op == "pow" else None
    return exponent is not None and exponent.denominator <= 2 and abs(exponent) <= 4


def function(node: Expr) -> bool:
    """Whether this takes so long that it is better written down and read again: no arithmetic, nor a power that is a few products
    or a root."""
    return not few_products(node) and node.op not in _FREE and node.op not in _CHEAP and node.op not in ("div", "sqrt")


def multiplies(eqn: Eqn) -> bool:
    """A sum of products of what it reads; a zero of one of them may win over the other, as behind a branch not taken."""
    body = eqn.body
    if body.op == "where" and body.args[1] is E.ZERO and body.args[0].op == "eq" and body.args[0].args[1] is E.ZERO:
        body = body.args[2]
    return eqn.reduce == "+" and body.op == "mul" and all(a.op == "arg" for a in body.args)


def is_product(eqn: Eqn) -> bool:
    """The same, of which each element takes longer than to be written and read."""
    return multiplies(eqn) and operations(eqn) >= ELEMENT * elements(eqn.out.shape)
