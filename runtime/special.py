"""Functions that neither Python nor NumPy has: the derivatives of log gamma. In scalars, as the generated C computes them."""

from __future__ import annotations

import math
from typing import Any

# digamma(x) = (x - root) * P(x - 1.5) on [1, 2], P of degree 21 with an error of 2e-17
_ROOT = (1.4616321449683622, 9.549995429965697e-17)
_P = (-0.00017312261802727394, 0.00025968482126430747, -0.00015148586836773365, 0.0002272331660987376, -0.0004821990530566789,
      0.0007233266279287554, -0.0010376374098418604, 0.0015566317474486838, -0.002345267632540769, 0.003519006401502276,
      -0.005279964873257405, 0.007926944646403797, -0.011908218001568644, 0.0179072524394512, -0.02697579675613825,
      0.04076083381242074, -0.061922133273064534, 0.09498872445494122, -0.14840492305390884, 0.2405424842407742,
      -0.4236274212814605, 0.951055876031833)  # fmt: skip
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)


def _horner(c: tuple[float, ...], x: float) -> float:
    total = 0.0
    for a in c:
        total = total * x + a
    return total


def digamma(x: float) -> float:
    """The derivative of log gamma; NaN at 0, -1, -2..., and at -inf."""
    if math.isnan(x) or x == -math.inf or (x <= 0 and x == math.floor(x)):
        return math.nan
    total = 0.0
    if x < -1:  # pi cot(pi x), of the part that is left of the nearest integer
        rest = x - math.floor(x + 0.5)
        total = -math.pi / math.tan(math.pi * rest) if abs(rest) != 0.5 else 0.0
        x = 1 - x
    if x >= 10:
        z = 1 / (x * x)
        series = 0.0
        for k in range(8, 0, -1):
            series = (series + _BERNOULLI[k - 1] / (2 * k)) * z
        return total + (math.log(x) - 0.5 / x - series)
    while x > 2:
        x -= 1
        total += 1 / x
    while x < 1:
        total -= 1 / x
        x += 1
    return total + ((x - _ROOT[0]) - _ROOT[1]) * _horner(_P, x - 1.5)


def polygamma(n: float, x: float) -> float:
    """The n-th derivative of digamma, (-1)**(n+1) n! * the sum of 1/(x + k)**(n+1) over k from 0 on, for a whole n from 0 on;
    NaN at 0, -1, -2... and below -1e5."""
    if n == 0:
        return digamma(x)
    if math.isnan(x) or n < 0 or n != math.floor(n) or n > 100 or x < -1e5 or (x <= 0 and x == math.floor(x)):
        return math.nan
    order = int(n)
    factorial = float(math.factorial(order))
    sign = 1.0 if order % 2 else -1.0
    if x == math.inf:
        return sign * 0.0
    total, least = 0.0, 14.0 + order
    while x < least:
        total += _power(x, -(order + 1))
        x += 1
    # Euler and Maclaurin, from x on: x**-n / n + x**-(n+1) / 2 + sum of B(2k)/(2k)! * (n+1)...(n+2k-1) * x**-(n+2k)
    tail, factor, z = 0.0, 1.0, 1 / (x * x)
    terms = []
    for k in range(1, 11):
        factor *= (order + 2 * k - 1) / (2 * k) * (1.0 if k == 1 else (order + 2 * k - 2) / (2 * k - 1))
        if k == 1:
            factor = (order + 1) / 2
        terms.append(_BERNOULLI[k - 1] * factor * z**k)
    for term in reversed(terms):
        tail += term
    start = _power(x, -order)
    return sign * factorial * (total + (start / order + (start / x * 0.5 + start * tail)))


def _power(x: float, n: int) -> float:
    try:
        return float(x**n)
    except (OverflowError, ZeroDivisionError):
        return math.inf


def lgamma(x: float) -> float:
    """The logarithm of the absolute value of gamma; infinite at 0, -1, -2..."""
    try:
        return math.lgamma(x)
    except (OverflowError, ValueError):
        return math.inf


def over(function: Any, *arrays: Any) -> Any:
    """``function`` of every element, in the type of the last array."""
    import numpy as np

    parts = np.broadcast_arrays(*arrays)
    real = np.asarray(arrays[-1]).dtype
    found = [function(*map(float, v)) for v in zip(*(p.ravel() for p in parts), strict=True)]
    return np.array(found, real).reshape(parts[0].shape)
