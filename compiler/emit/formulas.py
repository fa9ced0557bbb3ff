"""Scalar expressions as Cython: who is an integer, what needs parentheses, what is computed once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Literal

from ..graph import expr as E
from ..graph.expr import Expr
from ..records import dataclass

Type = Literal["real", "int", "bool"]

CALLS = {"abs": "absolute", "max": "maximum", "min": "minimum"}
"""Functions whose Cython name differs from the language's, because Python's builtin means something else."""

NESTED = 40  # operators inside one another, and characters, from which a piece gets a name of its own: Cython and C
LONG = 1000  # compilers recurse, and so do readers

_BINARY = {"add": ("+", 6), "sub": ("-", 6), "mul": ("*", 7), "div": ("/", 7)}
_COMPARE = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}

CHEAP = 8  # operations of a choice that are computed whether they are chosen or not
_ARITHMETIC = frozenset("add sub mul div neg square abs where".split()).union(_COMPARE)


@dataclass(frozen=True, slots=True)
class Code:
    """A piece of text, how tightly it binds, and the type it has in C."""

    text: str
    level: int
    type: Type

    def tight(self, level: int) -> str:
        return self.text if self.level >= level else f"({self.text})"


ATOM = 11


class Formulas:
    """Prints expressions; ``leaf`` gives the code of arguments, sizes, axes and symbols."""

    def __init__(self, leaf: Callable[[Expr], Code], single: bool, used: set[str]) -> None:
        self._leaf, self._single, self.used = leaf, single, used

    def lines(self, roots: Sequence[Expr], name: Callable[[Expr, Type], str],
              given: Mapping[Expr, Code] | None = None) -> tuple[list[tuple[str, str]], list[Code]]:  # fmt: skip
        """Assignments ``(name, text)`` for what is used more than once or nested too deeply, and the code of each root."""
        done: dict[Expr, Code] = dict(given or {})
        counts: dict[Expr, int] = {}
        for node in E.walk(*roots):
            for child in node.args:
                counts[child] = counts.get(child, 0) + (2 if _doubles(node, child) else 1)
        if len(roots) > 1:
            for root in roots:
                counts[root] = counts.get(root, 0) + 1
        before: list[tuple[str, str]] = []
        depth: dict[Expr, int] = {}
        for node in E.walk(*roots):
            if node in done:
                continue
            code = self._code(node, [done[a] for a in node.args])
            depth[node] = 1 + max((depth.get(a, 0) for a in node.args), default=-1)
            shared = counts.get(node, 0) > 1 and not _trivial(node)
            if node.args and (shared or ((depth[node] >= NESTED or len(code.text) >= LONG) and node not in roots)):
                spelled = name(node, code.type)
                before.append((spelled, code.text))
                code = Code(spelled, ATOM, code.type)
                depth[node] = 0
            done[node] = code
        return before, [done[root] for root in roots]

    # ------------------------------------------------------------

    def number(self, value: Fraction) -> Code:
        if value.denominator == 1 and abs(value) < 10**9:
            return Code(str(value), ATOM if value >= 0 else 8, "int")
        text = repr(float(value))
        if self._single:
            return Code(f"<real>{text}", 8, "real")
        return Code(text, ATOM if value >= 0 else 8, "real")

    def real(self, code: Code) -> Code:
        """The code with a floating-point type."""
        if code.type == "real":
            return code
        if code.type == "int" and code.text.lstrip("-").isdigit():
            return Code(f"{code.text}.0" if not self._single else f"<real>{code.text}", 8, "real")
        return Code(f"<real>{code.tight(9)}", 8, "real")

    def _literal(self, code: Code) -> Code:
        return self.real(code) if code.type == "int" and code.text.lstrip("-").isdigit() else code

    def whole(self, code: Code) -> Code:
        """The code as an integer: a whole number may live among the model's reals."""
        return code if code.type == "int" else Code(f"<long long>{code.tight(9)}", 8, "int")

    def condition(self, code: Code) -> Code:
        return code if code.type == "bool" else Code(f"{code.tight(5)} != 0", 4, "bool")

    def _function(self, name: str, *args: Code) -> Code:
        self.used.add(name)
        text = ", ".join(self.real(a).text if a.type == "bool" else a.text for a in args)
        return Code(f"{CALLS.get(name, name)}({text})", ATOM, "real")

    def _code(self, node: Expr, args: list[Code]) -> Code:
        op = node.op
        if op == "const":
            assert isinstance(node.value, Fraction)
            return self.number(node.value)
        if op == "named":
            self.used.add(str(node.value))
            return Code(str(node.value), ATOM, "real")
        if op in E.LEAVES:
            return self._leaf(node)
        if op == "place":  # a whole number, which float32 could not hold
            a, b, c = map(self.whole, args)
            return Code(f"{a.tight(7)}*{b.tight(8)} + {c.tight(6)}", 6, "int")
        if op in E.DRAWS:
            self.used.add(op)
            numbers = [repr(float(a.number)) if a.number is not None else c.text
                       for a, c in zip(node.args[4:], args[4:], strict=True)]  # fmt: skip
            return Code(f"{op}({', '.join([*(self.whole(a).text for a in args[:4]), *numbers])})", ATOM, "real")
        if op in _BINARY:
            sign, level = _BINARY[op]
            a, b = (self.real(x) if x.type == "bool" else x for x in args)
            if a.type == "int" and b.type == "int":
                a = self.real(a)
            elif self._single and a.type != b.type:  # Cython writes 1 beside a float as 1.0, and C goes on in double
                a, b = self._literal(a), self._literal(b)
            right = b.tight(level + 1 if op in ("sub", "div") else level)
            if op in ("add", "mul") and b.level == level:
                right = b.tight(level + 1)
            space = "*" if op == "mul" else "/" if op == "div" else f" {sign} "
            return Code(f"{a.tight(level)}{space}{right}", level, "real")
        if op == "neg":
            a = self.real(args[0]) if args[0].type == "bool" else args[0]
            inner = a.tight(8)
            return Code(f"-({inner})" if inner.startswith("-") else f"-{inner}", 8, a.type)
        if op == "square":
            return self._power(args[0], 2)
        if op == "pow":
            return self._pow(node, args)
        if op in ("above", "below"):
            self.used.add(op)
            return Code(f"{op}({self.real(args[0]).text}, {self.real(args[1]).text})", ATOM, "bool")
        if op in _COMPARE:
            return Code(f"{args[0].tight(5)} {_COMPARE[op]} {args[1].tight(5)}", 4, "bool")
        if op in ("and", "or"):
            a, b = map(self.condition, args)
            return Code(f"{a.tight(4)} {op} {b.tight(4)}", 2, "bool")
        if op == "not":
            return Code(f"not {self.condition(args[0]).tight(4)}", 3, "bool")
        if op == "where":
            c = self.condition(args[0])
            a, b = args[1], args[2]
            if a.type == b.type == "bool":
                return Code(f"({a.tight(3)} if {c.text} else {b.tight(3)})", ATOM, "bool")
            if _routes(node):
                self.used.add("pick")
                return Code(f"pick({c.text}, {self.real(a).text}, {self.real(b).text})", ATOM, "real")
            if _cheap(node):
                self.used.add("choose")
                return Code(f"choose({c.text}, {self.real(a).text}, {self.real(b).text})", ATOM, "real")
            return Code(f"({self._arm(a)} if {c.text} else {self._arm(b)})", ATOM, "real")
        return self._function(op, *args)

    def _arm(self, code: Code) -> str:
        return self.real(code).tight(3)

    def _pow(self, node: Expr, args: list[Code]) -> Code:
        exponent = node.args[1].number
        base = self.real(args[0])
        one = self.real(Code("1", ATOM, "int")).text if self._single else "1"
        if exponent is not None and exponent.denominator == 1 and 2 <= abs(exponent) <= 4:
            product = self._power(base, abs(int(exponent)))
            return product if exponent > 0 else Code(f"{one}/({product.text})", 7, "real")
        if exponent is not None and exponent == -1:
            return Code(f"{one}/{base.tight(8)}", 7, "real")
        if exponent is not None and exponent.denominator == 2 and abs(exponent) < 3:
            whole, root = abs(exponent) - Fraction(1, 2), self._function("sqrt", base)
            text = "*".join([base.tight(8)] * int(whole) + [root.text])
            if exponent < 0:
                return Code(f"{one}/({text})" if whole else f"{one}/{text}", 7, "real")
            return Code(text, 7 if whole else ATOM, "real")
        return self._function("pow", base, args[1])

    def _power(self, base: Code, n: int) -> Code:
        return Code("*".join([self.real(base).tight(8)] * n), 7, "real")


def _routes(node: Expr) -> bool:
    """A choice of a position, as in where a maximum is, or by one, as in its gradient. It takes no branch: loops over reads
    behind one are scalar."""
    condition, *arms = node.args
    if condition.op in ("above", "below"):
        return True
    if condition.op != "eq" or not any(_is_place(a) for a in condition.args):
        return False
    return all(a.op in E.LEAVES for a in arms) and any(a.op == "arg" for a in arms)


def _is_place(node: Expr) -> bool:
    """A number, a place along an axis, or one along several."""
    return node.op in ("const", "idx") or (node.op in ("add", "mul") and all(_is_place(a) for a in node.args))


def _cheap(node: Expr) -> bool:
    """A choice of something little that reads: both arms are computed, since a loop whose reads wait for a condition may be
    scalar (a processor without masks has no other way, and gcc knows none where the same place is read in each round)."""
    inside = [n for arm in node.args[1:] for n in E.walk(arm)]
    made = [n for n in inside if n.args]
    return any(n.op == "arg" for n in inside) and 0 < len(made) <= CHEAP and all(n.op in _ARITHMETIC for n in made)


def _doubles(node: Expr, child: Expr) -> bool:
    """Does the text of ``node`` hold that of ``child`` several times?"""
    if node.op == "square":
        return True
    if node.op == "pow" and node.args[0] is child:
        exponent = node.args[1].number
        if exponent is None:
            return False
        return (exponent.denominator == 1 and 2 <= abs(exponent) <= 4) or (exponent.denominator == 2 and 1 < abs(exponent) < 3)
    return False


def _trivial(node: Expr) -> bool:
    return node.op == "neg" and not node.args[0].args
