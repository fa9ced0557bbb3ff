"""Arithmetic on what is known when the module is compiled: exact where it can be."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.shapes import Dim
from ..ops.declare import broadcast_shapes
from .values import Literal, Scalar

_LIMIT = 4096  # bits; beyond that an exact number is left unevaluated


def _small(value: Fraction) -> bool:
    return value.numerator.bit_length() + value.denominator.bit_length() < _LIMIT


def fold(op: str, args: tuple[Expr, ...]) -> Expr | None:
    """The exact value of an operator over numbers, where there is one."""
    values = [a.number for a in args]
    if op == "not" and values[0] is not None:
        return E.const(int(values[0] == 0))
    if op == "neg" and values[0] is not None:
        return E.const(-values[0])
    if len(values) != 2 or values[0] is None or values[1] is None:
        return None
    a, b = values[0], values[1]
    result: Fraction | bool | None = None
    match op:
        case "add":
            result = a + b
        case "sub":
            result = a - b
        case "mul":
            result = a * b
        case "div":
            result = a / b if b else None
        case "pow":
            result = a ** int(b) if b.denominator == 1 and abs(b) <= 64 and (a or b >= 0) else None
        case "max":
            result = max(a, b)
        case "min":
            result = min(a, b)
        case "lt":
            result = a < b
        case "le":
            result = a <= b
        case "gt":
            result = a > b
        case "ge":
            result = a >= b
        case "eq":
            result = a == b
        case "ne":
            result = a != b
        case "and":
            result = bool(a) and bool(b)
        case "or":
            result = bool(a) or bool(b)
    if result is None or (isinstance(result, Fraction) and not _small(result)):
        return None
    return E.const(Fraction(result))


def fold_dim(op: str, a: Dim | None, b: Dim | None) -> Dim | None:
    """Sizes stay sizes under + - * // % and small powers. Raises ZeroDivisionError."""
    if a is None or b is None:
        return None
    match op:
        case "add":
            return a + b
        case "sub":
            return a - b
        case "mul":
            return a * b
        case "//" | "%":
            if b.value == 0:
                raise ZeroDivisionError
            return a // b if op == "//" else a % b
        case "pow":
            if b.value is not None and 0 <= b.value <= (8 if a.value is None else 64):
                result = Dim.of(1)
                for _ in range(b.value):
                    result = result * a
                return result
    return None


def _erf(x: float) -> float:
    return math.erf(x)


_FUNCTIONS: dict[str, Callable[..., float]] = {
    name: getattr(math, name)
    for name in (
        "exp",
        "log",
        "log1p",
        "expm1",
        "sqrt",
        "sin",
        "cos",
        "tan",
        "tanh",
        "sinh",
        "cosh",
        "asin",
        "acos",
        "atan",
        "atan2",
        "erf",
        "lgamma",
    )
} | {
    "square": lambda x: x * x,
    "abs": abs,
    "sign": lambda x: (x > 0) - (x < 0),
    "floor": lambda x: math.floor(x),
    "sigmoid": lambda x: 0.5 * (1 + math.tanh(x / 2)),
    "softplus": lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x))),
    "pow": lambda a, b: math.pow(a, b),
    "where": lambda c, a, b: a if c else b,
    "div": lambda a, b: a / b,
}


def numeric(root: Expr, arguments: tuple[Fraction, ...] = ()) -> Fraction | None:
    """The number that an expression comes to: exact for arithmetic, rounded to double otherwise; None where it is none."""
    done: dict[Expr, Fraction] = {}
    for node in E.walk(root):
        if node.number is not None:
            done[node] = node.number
        elif node.op == "named" and node.value == "pi":
            done[node] = Fraction(math.pi)
        elif node.op == "arg" and isinstance(node.value, int):
            done[node] = arguments[node.value]
        elif node.op in E.LEAVES:
            return None
        else:
            values = tuple(done[a] for a in node.args)
            exact = fold(node.op, tuple(E.const(v) for v in values))
            if exact is not None and exact.number is not None:
                done[node] = exact.number
                continue
            function = _FUNCTIONS.get(node.op)
            if function is None:
                return None
            try:
                result = float(function(*(float(v) for v in values)))
                done[node] = Fraction(result)
            except (ValueError, OverflowError, ZeroDivisionError):
                return None
    return done[root]


def exact_number(scalar: Scalar) -> Fraction | None:
    """The number that a scalar is exactly, if it is one."""
    return numeric(scalar.expr)


def strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """How far apart elements are along each dimension, the last one being dense."""
    steps: list[int] = []
    step = 1
    for extent in reversed(shape):
        steps.append(step)
        step *= extent
    return tuple(reversed(steps))


def broadcast_data(shape: tuple[int, ...], data: tuple[Fraction, ...], to: tuple[int, ...]) -> tuple[Fraction, ...]:
    """Row-major data stretched to a shape that it broadcasts to."""
    if shape == to:
        return data
    own = strides(shape)
    lead = len(to) - len(shape)
    positions = [0]
    for k, extent in enumerate(to):
        step = 0 if k < lead or shape[k - lead] == 1 else own[k - lead]
        positions = [p + step * i for p in positions for i in range(extent)]
    return tuple(data[p] for p in positions)


def map_literals(body: Expr, operands: tuple[Literal | Scalar, ...], span: object) -> Literal | None:
    """An elementwise operation on literal arrays. Raises Clash where the shapes do not broadcast."""
    shapes = tuple(tuple(Dim.of(d) for d in o.shape) if isinstance(o, Literal) else () for o in operands)
    shape = tuple(int(d.value or 0) for d in broadcast_shapes(shapes))
    columns: list[tuple[Fraction, ...]] = []
    for operand in operands:
        if isinstance(operand, Literal):
            columns.append(broadcast_data(operand.shape, operand.data, shape))
        else:
            value = exact_number(operand)
            if value is None:
                return None
            columns.append(broadcast_data((), (value,), shape))
    found = [numeric(body, row) for row in zip(*columns, strict=True)]
    if any(v is None for v in found):
        return None
    literal = next(o for o in operands if isinstance(o, Literal))
    return Literal(shape, tuple(v for v in found if v is not None), literal.span)
