"""What is known of values before any number is: may it be NaN or infinite, is it at least zero, is it above zero?

Only cheap, sound-enough questions that decide where a product in a gradient needs a zero that wins (0 * inf = 0).
Inputs and parameters are taken to be finite.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Access, Eqn, Graph, Scan

_WILD = frozenset(
    ("exp", "log", "log1p", "expm1", "sqrt", "tan", "sinh", "cosh", "asin", "acos", "lgamma", "digamma", "polygamma")
)


class Facts:
    """Facts about the values of one graph."""

    def __init__(self, graph: Graph) -> None:
        self._prone: dict[str, bool] = {}
        self._sign: dict[str, int] = {}  # 2 above zero, 1 at least zero, 0 unknown
        self.rooted = False  # some equation has a square root that may be taken of 0
        for eqn in graph.eqns:
            self.add(eqn)

    def add(self, eqn: Eqn | Scan) -> None:
        """Take in an equation that comes after those that are known."""
        if not isinstance(eqn, Eqn):
            self.rooted = self.rooted or Facts(eqn.body).rooted
            for out in eqn.outs:
                self._prone[out.name] = True
            return
        self._prone[eqn.out.name] = eqn.reduce in ("*", "lse") or self.prone(eqn.body, eqn.args)
        self.rooted = self.rooted or self.root_singular(eqn.body, eqn.args)
        sign = self.sign(eqn.body, eqn.args)
        if eqn.reduce == "+" or eqn.plain_out is None:
            sign = min(sign, 1)  # an empty sum is 0
        self._sign[eqn.out.name] = sign if eqn.reduce in ("", "+", "*", "max", "min") else 0

    def prone(self, body: Expr, args: Sequence[Access]) -> bool:
        """May ``body`` be NaN or infinite although inputs and parameters are finite (overflow of + and * left aside)?"""
        for node in E.walk(body):
            if node.op == "arg" and isinstance(node.value, int) and self._prone.get(args[node.value].value, False):
                return True
            if node.op == "sqrt" and self.sign(node.args[0], args) > 0:
                continue
            if node.op in _WILD:
                return True
            if node.op == "div" and not self._nonzero(node.args[1], args):
                return True
            if node.op == "pow":
                exponent = node.args[1].number
                if exponent is None or exponent < 0 or exponent.denominator != 1:
                    return True
        return False

    def _nonzero(self, node: Expr, args: Sequence[Access]) -> bool:
        return (node.number is not None and node.number != 0) or node.op == "size" or self.sign(node, args) == 2

    def sign(self, body: Expr, args: Sequence[Access]) -> int:
        """2 where ``body`` is surely above zero, 1 where it is at least zero, otherwise 0."""
        done: dict[Expr, int] = {}
        for node in E.walk(body):
            done[node] = self._sign_of(node, [done[a] for a in node.args], args)
        return done[body]

    def _sign_of(self, node: Expr, below: list[int], args: Sequence[Access]) -> int:
        op = node.op
        if op == "const":
            assert node.number is not None
            return 2 if node.number > 0 else 1 if node.number == 0 else 0
        if op == "arg":
            return self._sign.get(args[node.place].value, 0)
        if op in ("size", "idx", "square", "abs"):
            return 1
        if op in ("exp", "sigmoid", "cosh", "softplus"):
            return 1 if op != "cosh" else 2  # they may underflow to 0
        if op == "sqrt":
            return below[0]
        if op == "mul":
            return 1 if node.args[0] is node.args[1] else min(below) if min(below) == 0 else 1
        if op == "pow":
            exponent = node.args[1].number
            return 1 if exponent is not None and exponent.denominator == 1 and exponent % 2 == 0 else min(below[0], 1)
        if op == "add":
            return 0 if min(below) == 0 else max(below)
        if op == "div":
            return 0 if min(below) == 0 else 1
        if op == "max":
            return max(below)
        if op == "min":
            return min(below)
        if op == "where":
            return min(below[1:])
        return 1 if op in E.COMPARISONS else 0

    def root_singular(self, body: Expr, args: Sequence[Access]) -> bool:
        """Does ``body`` hold a square root (or a power below 1) whose operand may be exactly 0?"""
        for node in E.walk(body):
            if node.op == "sqrt" and self.sign(node.args[0], args) < 2:
                return True
            if node.op == "pow":
                exponent = node.args[1].number
                if (exponent is None or exponent < 1) and node.args[0].number is None and exponent != -1:
                    if self.sign(node.args[0], args) < 2:
                        return True
        return False
