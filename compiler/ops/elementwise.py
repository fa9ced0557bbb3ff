"""Operations that work point by point: arithmetic, comparisons, choices, and the primitive functions.

Everything else that is elementwise (relu, gelu, clip, the losses...) is written in the language: library/*.gw.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from ..graph.expr import HALF, ONE, ZERO, Expr, make
from ..graph.ir import Kind
from .declare import Op, define

WIDE = (-3.0, 3.0)
EDGES = (-0.0, 0.0, 1.0, -1.0)


def _binary(
    name: str,
    symbol: str,
    doc: str,
    numpy: Callable[..., Any],
    kind: Kind = "real",
    samples: tuple[tuple[float, float], ...] = (WIDE, WIDE),
) -> Op:
    return define(
        name,
        "a[...], b[...] -> c[...]",
        doc=doc,
        family="arithmetic" if kind == "real" else "comparison",
        body=lambda a, b: make(name, a, b),
        numpy=numpy,
        kind=kind,
        samples=samples,
        edges=EDGES,
        symbol=symbol,
    )


add = _binary("add", "+", "Sum.", lambda np, a, b: np.add(a, b))
sub = _binary("sub", "-", "Difference.", lambda np, a, b: np.subtract(a, b))
mul = _binary("mul", "*", "Product.", lambda np, a, b: np.multiply(a, b))
div = _binary("div", "/", "Quotient.", lambda np, a, b: np.true_divide(a, b))
pow = _binary("pow", "**", "Power.", lambda np, a, b: np.float_power(a, b), samples=((0.1, 3.0), WIDE))
neg = define(
    "neg",
    "a[...] -> b[...]",
    doc="Negative.",
    family="arithmetic",
    body=lambda a: make("neg", a),
    numpy=lambda np, a: np.negative(a),
    samples=(WIDE,),
    edges=EDGES,
    symbol="-",
)

lt = _binary("lt", "<", "Less.", lambda np, a, b: np.less(a, b), "bool")
le = _binary("le", "<=", "Less or equal.", lambda np, a, b: np.less_equal(a, b), "bool")
gt = _binary("gt", ">", "Greater.", lambda np, a, b: np.greater(a, b), "bool")
ge = _binary("ge", ">=", "Greater or equal.", lambda np, a, b: np.greater_equal(a, b), "bool")
eq = _binary("eq", "==", "Equal.", lambda np, a, b: np.equal(a, b), "bool")
ne = _binary("ne", "!=", "Different.", lambda np, a, b: np.not_equal(a, b), "bool")
and_ = _binary("and", "and", "Both.", lambda np, a, b: np.logical_and(a, b), "bool")
or_ = _binary("or", "or", "One or both.", lambda np, a, b: np.logical_or(a, b), "bool")
not_ = define(
    "not",
    "a[...] -> b[...]",
    doc="Not.",
    family="comparison",
    body=lambda a: make("not", a),
    kind="bool",
    numpy=lambda np, a: np.logical_not(a),
    samples=(WIDE,),
    edges=EDGES,
    symbol="not",
)

where = define(
    "where",
    "c[...], a[...], b[...] -> d[...]",
    family="choice",
    doc="a where c holds, b elsewhere. A condition known when the module is compiled picks its branch there and then.",
    body=lambda c, a, b: make("where", c, a, b),
    numpy=lambda np, c, a, b: np.where(np.asarray(c) != 0, a, b),
    samples=(WIDE, WIDE, WIDE),
    edges=EDGES,
)
maximum = define(
    "maximum",
    "a[...], b[...] -> c[...]",
    family="choice",
    doc="The larger of two, point by point; at a tie each side gets half of the gradient.",
    body=lambda a, b: make("max", a, b),
    numpy=lambda np, a, b: np.maximum(a, b),
    samples=(WIDE, WIDE),
    edges=EDGES,
)
minimum = define(
    "minimum",
    "a[...], b[...] -> c[...]",
    family="choice",
    doc="The smaller of two, point by point; at a tie each side gets half of the gradient.",
    body=lambda a, b: make("min", a, b),
    numpy=lambda np, a, b: np.minimum(a, b),
    samples=(WIDE, WIDE),
    edges=EDGES,
)
power = define(
    "power",
    "a[...], b[...] -> c[...]",
    family="arithmetic",
    doc="a ** b.",
    body=lambda a, b: make("pow", a, b),
    numpy=lambda np, a, b: np.float_power(a, b),
    samples=((0.1, 3.0), WIDE),
    edges=(1.0, 0.0),
)


def _ceil(x: Expr) -> Expr:
    return make("neg", make("floor", make("neg", x)))


def _round(x: Expr) -> Expr:
    """Up from a half on; at a half exactly whichever is even."""
    low = make("floor", x)
    rest = make("sub", x, low)
    half = make("mul", HALF, low)
    even = make("eq", make("floor", half), half)
    high = make("add", low, ONE)
    return make("where", make("lt", rest, HALF), low, make("where", make("gt", rest, HALF), high, make("where", even, low, high)))


# these are made of floor
_ROUNDED: Final[dict[str, Callable[[Expr], Expr]]] = {
    "ceil": _ceil,
    "trunc": lambda x: make("where", make("lt", x, ZERO), _ceil(x), make("floor", x)),
    "round": _round,
}


def _function(
    name: str,
    doc: str,
    numpy: Callable[..., Any],
    low: float,
    high: float,
    *edges: float,
    definition: Callable[..., Expr] | None = None,
) -> Op:
    return define(
        name,
        "x[...] -> y[...]",
        doc=doc,
        family="elementwise",
        body=_ROUNDED.get(name, lambda x: make(name, x)),
        definition=definition,
        numpy=numpy,
        samples=((low, high),),
        edges=edges,
    )


exp = _function("exp", "e to the power x.", lambda np, x: np.exp(x), -20, 20, -800, -0.0, 0, 709)
log = _function("log", "Natural logarithm.", lambda np, x: np.log(x), 1e-3, 50, 1, 1e-300)
log1p = _function(
    "log1p",
    "log(1 + x), accurate near 0.",
    lambda np, x: np.log1p(x),
    -0.9,
    50,
    -1e-300,
    0,
    1e-17,
    definition=lambda x: make("log", make("add", ONE, x)),
)
expm1 = _function(
    "expm1",
    "exp(x) - 1, accurate near 0.",
    lambda np, x: np.expm1(x),
    -20,
    20,
    -800,
    0,
    1e-17,
    definition=lambda x: make("sub", make("exp", x), ONE),
)
sqrt = _function("sqrt", "Square root.", lambda np, x: np.sqrt(x), 1e-3, 50, 0, 1)
square = _function("square", "x * x.", lambda np, x: np.square(x), -20, 20, 0, 1e200, definition=lambda x: make("mul", x, x))
abs = _function("abs", "Absolute value; its gradient at 0 is 0.", lambda np, x: np.absolute(x), -20, 20, 0)
sign = _function("sign", "-1, 0 or 1; its gradient is 0.", lambda np, x: np.sign(x), -20, 20, 0)
floor = _function(
    "floor", "The largest integer that is not above x; its gradient is 0.", lambda np, x: np.floor(x), -20, 20, 0, 1.0, -0.5
)
sin = _function("sin", "Sine.", lambda np, x: np.sin(x), -20, 20, 0)
cos = _function("cos", "Cosine.", lambda np, x: np.cos(x), -20, 20, 0)
tan = _function("tan", "Tangent.", lambda np, x: np.tan(x), -1.5, 1.5, 0)
tanh = _function("tanh", "Hyperbolic tangent.", lambda np, x: np.tanh(x), -20, 20, -800, 0, 800)
sinh = _function("sinh", "Hyperbolic sine.", lambda np, x: np.sinh(x), -20, 20, 0)
cosh = _function("cosh", "Hyperbolic cosine.", lambda np, x: np.cosh(x), -20, 20, 0)
asin = _function("asin", "Inverse sine.", lambda np, x: np.arcsin(x), -0.99, 0.99, 0)
acos = _function("acos", "Inverse cosine.", lambda np, x: np.arccos(x), -0.99, 0.99, 0)
atan = _function("atan", "Inverse tangent.", lambda np, x: np.arctan(x), -20, 20, 0, 1e300)
atan2 = define(
    "atan2",
    "y[...], x[...] -> a[...]",
    family="elementwise",
    doc="The angle of the point (x, y).",
    body=lambda y, x: make("atan2", y, x),
    numpy=lambda np, y, x: np.arctan2(y, x),
    samples=(WIDE, WIDE),
    edges=(1.0, -1.0),
)
erf = _function("erf", "Error function.", lambda np, x: np.vectorize(math.erf, otypes=[float])(x), -6, 6, 0, 30)
lgamma = _function(
    "lgamma",
    "Logarithm of the absolute value of the gamma function: lgamma(n + 1) is log(n!).",
    lambda np, x: np.vectorize(math.lgamma, otypes=[float])(x),
    0.1,
    50,
    0.5,
    170,
)


def _digamma_numpy(np: Any, x: Any) -> Any:
    """By differences of the reference for lgamma in longer arithmetic there is none: the series itself."""
    x = np.asarray(x, np.longdouble)
    total = np.zeros_like(x)
    for _ in range(60):
        total, x = total - 1 / x, x + 1
    z = 1 / (x * x)
    return np.asarray(total + np.log(x) - 0.5 / x - z * (1 / 12 - z * (1 / 120 - z * (1 / 252 - z / 240))), float)


def _polygamma_numpy(np: Any, n: Any, x: Any) -> Any:
    n, x = np.broadcast_arrays(np.asarray(n), np.asarray(x, np.longdouble))
    total, s = np.zeros_like(x), n + 1
    for _ in range(60):
        total, x = total + x ** -s.astype(np.longdouble), x + 1
    power = x ** -n.astype(np.longdouble)
    tail = power / n + power / x / 2 + power * n * (s / 12 / (x * x) - s * (s + 1) * (s + 2) / 720 / x**4) / n
    tail = tail + power * s * (s + 1) * (s + 2) * (s + 3) * (s + 4) / 30240 / x**6
    factorial = np.vectorize(lambda k: math.factorial(int(k)), otypes=[float])(n)
    return np.asarray(np.where(n % 2 == 1, 1, -1) * factorial * (total + tail), float)


digamma = _function("digamma", "Derivative of lgamma.", _digamma_numpy, 0.1, 50, 0.5, 170)
polygamma = define(
    "polygamma",
    "n[...], x[...] -> y[...]",
    family="elementwise",
    doc="The n-th derivative of digamma, for a whole number n; there is no derivative for n.",
    body=lambda n, x: make("polygamma", n, x),
    numpy=lambda np, n, x: _polygamma_numpy(np, np.round(np.asarray(n)), x),
    samples=((1.0, 1.0), (0.2, 30.0)),
    edges=(1.0, 2.0),
)
ceil = _function(
    "ceil", "The least integer that is not below x; its gradient is 0.", lambda np, x: np.ceil(x), -20, 20, 0, 1.0, -0.5
)
trunc = _function("trunc", "x without its fraction; its gradient is 0.", lambda np, x: np.trunc(x), -20, 20, 0, 1.0, -0.5)
round = _function(
    "round",
    "The nearest integer, of two the even one; its gradient is 0.",
    lambda np, x: np.round(x),
    -20,
    20,
    0,
    0.5,
    1.5,
    -0.5,
    2.5,
    4503599627370497.0,
    0.49999999999999994,
)
sigmoid = _function(
    "sigmoid",
    "Logistic gate, values in (0, 1).",
    lambda np, x: 0.5 * (1 + np.tanh(np.asarray(x) / 2)),
    -30,
    30,
    -800,
    0,
    800,
    definition=lambda x: make("div", ONE, make("add", ONE, make("exp", make("neg", x)))),
)
softplus = _function(
    "softplus",
    "log(1 + exp(x)), a smooth relu.",
    lambda np, x: np.logaddexp(0, x),
    -30,
    30,
    -800,
    0,
    800,
    definition=lambda x: make("log", make("add", ONE, make("exp", x))),
)
