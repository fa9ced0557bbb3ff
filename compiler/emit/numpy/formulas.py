"""Scalar expressions as NumPy's formulas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from ...graph import expr as E
from ...graph.expr import Expr
from .code import ATOM, Code, Tag, number

_LONG: Final = 88  # longer parts of a formula get a line of their own
_OPERATORS: Final = {"add": ("+", 6), "sub": ("-", 6), "mul": ("*", 7), "div": ("/", 7)}
_COMPARES: Final = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
_CALLS: Final = {"max": "np.maximum", "min": "np.minimum", "asin": "np.arcsin", "acos": "np.arccos", "atan": "np.arctan",
                 "atan2": "np.arctan2", "sigmoid": "_sigmoid", "erf": "_erf", "softplus": "_softplus",
                 "lgamma": "_lgamma", "digamma": "_digamma", "polygamma": "_polygamma"}  # fmt: skip


class Formulas:
    """Prints expressions; what is used twice or is long gets a name first."""

    def __init__(
        self, leaf: Callable[[Expr], Code], name: Callable[[Expr], str], emit: Callable[[str], None], used: set[str]
    ) -> None:
        self.leaf, self.name, self.emit, self.used = leaf, name, emit, used

    def codes(self, roots: Sequence[Expr]) -> list[Code]:
        done: dict[Expr, Code] = {}
        counts: dict[Expr, int] = {}
        for node in E.walk(*roots):
            for child in node.args:
                counts[child] = counts.get(child, 0) + 1
        for root in roots:
            counts[root] = counts.get(root, 0) + 1
        for node in E.walk(*roots):
            code = self.code(node, [done[a] for a in node.args])
            long = len(code.text) > _LONG and node not in roots
            if node.args and code.tag != "py" and (long or (counts[node] > 1 and len(code.text) > 6)):
                name = self.name(node)
                self.emit(f"{name} = {code.text}")
                code = Code(name, ATOM, code.tag, code.axes)
            done[node] = code
        return [done[root] for root in roots]

    def code(self, node: Expr, args: list[Code]) -> Code:
        """One operation."""
        op = node.op
        axes = frozenset[str]().union(*(a.axes for a in args))
        if op == "const":
            value = node.constant
            return Code(number(value), ATOM if value >= 0 else 8, "py")
        if op == "named":
            return Code(f"np.{node.value}", ATOM, "py")
        if op in E.LEAVES:
            return self.leaf(node)
        if op in _COMPARES:
            return Code(f"{args[0].tight(5)} {_COMPARES[op]} {args[1].tight(5)}", 4, "bool", axes)
        if op in E.LOGIC:
            return Code(f"np.logical_{op}({', '.join(a.text for a in args)})", ATOM, "bool", axes)
        if op == "where":
            first = _of_numpy(args[1]) if args[1].tag == args[2].tag == "py" else args[1].text
            tag: Tag = args[1].tag if args[1].tag == args[2].tag != "py" else "real"
            return Code(f"np.where({args[0].text}, {first}, {args[2].text})", ATOM, tag, axes)
        if op in ("max", "min") and args[0].tag == args[1].tag != "py":
            return Code(f"{_CALLS[op]}({args[0].text}, {args[1].text})", ATOM, args[0].tag, axes)
        if op == "place":
            return Code(f"{args[0].tight(7)}*{args[1].tight(8)} + {args[2].tight(6)}", 6, "int", axes)
        if op in E.DRAWS:
            return self.draw(node, args, axes)
        return self.arithmetic(op, [a.real() for a in args], axes)

    def draw(self, node: Expr, args: list[Code], axes: frozenset[str]) -> Code:
        """A random number, from the generator, the statement and the position, with the numbers of its distribution."""
        self.used.add(node.op)
        numbers = [repr(float(a.number)) if a.number is not None else c.text
                   for a, c in zip(node.args[4:], args[4:], strict=True)]  # fmt: skip
        return Code(f"{node.op}({', '.join([*(a.text for a in args[:4]), *numbers])}, real)", ATOM, "real", axes)

    def arithmetic(self, op: str, args: list[Code], axes: frozenset[str]) -> Code:
        """An operation on real numbers."""
        python = all(a.tag == "py" for a in args)
        if op in _OPERATORS:
            sign, level = _OPERATORS[op]
            right = _of_numpy(args[1]) if op == "div" and python else args[1].tight(level + 1)
            return Code(f"{args[0].tight(level)} {sign} {right}", level, "py" if python and op != "div" else "real", axes)
        if op == "neg":
            return Code(f"-{args[0].tight(8)}", 8, args[0].tag, axes)
        if op == "square":
            return Code(f"{args[0].tight(10)}**2", 9, args[0].tag, axes)
        if op == "pow":
            left = _of_numpy(args[0]) if args[0].tag == "py" else args[0].tight(10)
            return Code(f"{left}**{args[1].tight(9)}", 9, "real", axes)
        name = _CALLS.get(op, f"np.{op}")
        self.used.add(name)
        return Code(f"{name}({', '.join(a.text for a in args)})", ATOM, "real", axes)


def _of_numpy(code: Code) -> str:
    """A Python number as NumPy's, which divides by zero without complaint and does not count as an integer."""
    return f"real({code.text})"
