"""The one door to SymPy."""

from __future__ import annotations

from functools import cache
from typing import Any

from ..graph import expr as ex
from ..graph.expr import Expr, arg, call, const, make


@cache
def primitive(name: str) -> tuple[Expr, ...]:
    """The derivative of an elementary function for each operand, over ``arg(k)`` and ``OUT``."""
    import sympy  # type: ignore[import-untyped]

    x, z = sympy.symbols("x0 x1", real=True)
    table: dict[str, Any] = {
        "exp": sympy.exp(x), "log": sympy.log(x), "log1p": sympy.log(1 + x), "expm1": sympy.exp(x) - 1,
        "sqrt": sympy.sqrt(x), "square": x**2, "sin": sympy.sin(x), "cos": sympy.cos(x), "tan": sympy.tan(x),
        "tanh": sympy.tanh(x), "sinh": sympy.sinh(x), "cosh": sympy.cosh(x), "asin": sympy.asin(x),
        "acos": sympy.acos(x), "atan": sympy.atan(x), "atan2": sympy.atan2(x, z), "erf": sympy.erf(x),
        "sigmoid": 1 / (1 + sympy.exp(-x)), "softplus": sympy.log(1 + sympy.exp(x)),
    }  # fmt: skip
    f = table[name]
    symbols = (x, z)[: len(f.free_symbols)]
    return tuple(_convert(sympy.diff(f, s)) for s in symbols)


def _convert(e: Any) -> Expr:
    import sympy

    if e.is_Rational:
        return const(f"{e.p}/{e.q}")
    if e.is_Symbol:
        return arg(int(e.name[1:]))
    if e is sympy.pi:
        return ex.PI
    if e is sympy.E:
        return call("exp", ex.ONE)
    parts = [_convert(a) for a in sorted(e.args, key=sympy.default_sort_key)] if e.is_Add or e.is_Mul else [_convert(a) for a in e.args]
    if e.is_Add or e.is_Mul:
        total = parts[0]
        for part in parts[1:]:
            total = total + part if e.is_Add else total * part
        return total
    if e.is_Pow:
        a, b = parts
        if b.number is not None and b.number < 0:
            return ex.ONE / ex.power(a, const(-b.number))
        if b.number == const("1/2").number:
            return call("sqrt", a)
        return ex.power(a, b)
    return make(e.func.__name__, *parts)
