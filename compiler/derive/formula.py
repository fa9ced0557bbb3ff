"""Scalar formulas as text, the way :func:`gradwright.compiler.graph.expr.show` writes them, read back into expressions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

from ..graph.expr import INF, NAN, OUT, PI, Expr, arg, const, make, sym

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:e-?\d+)?)|(?P<over>(?<=\d)/(?=\d))|(?P<arg>\$\d+)|(?P<name>[^\W\d]\w*)"
    r"|(?P<sign>\*\*|<=|>=|==|!=|[-+*/<>(),]))"
)
_LEVEL = {"or": 1, "and": 2, "<": 4, "<=": 4, ">": 4, ">=": 4, "==": 4, "!=": 4, "+": 6, "-": 6, "*": 7, "/": 7, "**": 9}
_NAME = {"or": "or", "and": "and", "<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne",
         "+": "add", "-": "sub", "*": "mul", "/": "div", "**": "pow"}  # fmt: skip
_LEAF = {"pi": PI, "inf": INF, "nan": NAN, "out": OUT}


class FormulaError(ValueError):
    """The text is not a formula."""


def parse(text: str, names: Mapping[str, Expr] | None = None) -> Expr:
    """The expression that ``text`` spells; ``names`` says what its other names stand for (otherwise formal ones)."""
    tokens: list[tuple[str, str]] = []
    position = 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise FormulaError(f"cannot read {text[position:]!r}")
        tokens.append((match.lastgroup, match.group(match.lastgroup)))
        position = match.end()
    tokens.append(("end", ""))
    reader = _Reader(tokens, names or {})
    result = reader.expression(0)
    if reader.peek() != ("end", ""):
        raise FormulaError(f"something is left over: {reader.peek()[1]!r}")
    return result


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]], names: Mapping[str, Expr]) -> None:
        self.tokens, self.names, self.at = tokens, names, 0

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at]

    def take(self, wanted: str | None = None) -> tuple[str, str]:
        token = self.tokens[self.at]
        if wanted is not None and token[1] != wanted:
            raise FormulaError(f"{wanted!r} expected, not {token[1]!r}")
        self.at += 1
        return token

    def expression(self, level: int) -> Expr:
        left = self.prefix()
        while True:
            text = self.peek()[1]
            own = _LEVEL.get(text)
            if own is None or own < level or (own == level and own != 9):
                return left
            kind, _ = self.take()
            right = self.expression(8 if own == 9 else own)
            if kind == "over" and left.number is not None and right.number:  # 1/3 is a constant, 1 / 3 a quotient
                left = const(left.number / right.number)
            else:
                left = make(_NAME[text], left, right)

    def prefix(self) -> Expr:
        kind, text = self.take()
        if kind == "number":
            return const(Fraction(text))
        if kind == "arg":
            return arg(int(text[1:]))
        if text == "(":
            inner = self.expression(0)
            self.take(")")
            return inner
        if text == "-":
            operand = self.expression(8)
            return const(-operand.number) if operand.number is not None else make("neg", operand)
        if text == "not":
            return make("not", self.expression(3))
        if kind != "name":
            raise FormulaError(f"a formula expected, not {text!r}")
        if self.peek()[1] != "(":
            return self.names.get(text) or _LEAF.get(text) or sym(text)
        self.take("(")
        parts = [self.expression(0)]
        while self.peek()[1] == ",":
            self.take()
            parts.append(self.expression(0))
        self.take(")")
        return make(text, *parts)
