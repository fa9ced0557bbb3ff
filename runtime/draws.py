"""Random numbers as a function of their place: the value at (seed, counter, stream, position) is always the same, on any number
of threads and in every backend. include/gradwright/random.h does the same in C, to the last bit.

The bits are those of Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011) with the
constants published there. Its key is the seed; its four counter words are the position (64 bits), the low 32 bits of the counter,
and the stream (16 bits) above the next 16 bits of the counter. The upper 52 of its first 64 bits make u = (k + 1/2) / 2**52,
which is never 0 or 1. A normal number is the quantile of u: algorithm AS 241 (Wichura, 1988), with a logarithm written out as in
fdlibm, so that there is nothing but + - * / and square roots, each of which rounds in one way only.
"""
from __future__ import annotations

from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_MULTIPLIERS: Final = (0xD2511F53, 0xCD9E8D57)
_WEYL: Final = (0x9E3779B9, 0xBB67AE85)
_LOW: Final = np.uint64(0xFFFFFFFF)
_HALF: Final = np.uint64(32)

_NEAR: Final = (
    (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457, 13731.693765509461125,
     1971.5909503065514427, 133.14166789178437745, 3.387132872796366608),
    (5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867, 5394.1960214247511077,
     687.1870074920579083, 42.313330701600911252, 1.0),
)  # fmt: skip
_MIDDLE: Final = (
    (7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
     3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734),
    (1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
     0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0),
)  # fmt: skip
_FAR: Final = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093,
     0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772),
    (2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
     0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1.0),
)  # fmt: skip
_LOG: Final = (6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01,
               1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01)
_LN2: Final = (6.93147180369123816490e-01, 1.90821492927058770002e-10)


def philox(counter: tuple[Any, Any, Any, Any], key: tuple[Any, Any]) -> tuple[Array, Array, Array, Array]:
    """Philox4x32-10: four words of 32 bits (as uint64 arrays) for four counter words and two key words."""
    a, b, c, d = (np.asarray(word, np.uint64) for word in counter)
    k, m = (np.asarray(word, np.uint64) for word in key)
    first, second = (np.uint64(x) for x in _MULTIPLIERS)
    for _ in range(10):
        left, right = first * a, second * c
        a, b, c, d = (right >> _HALF) ^ b ^ k, right & _LOW, (left >> _HALF) ^ d ^ m, left & _LOW
        k, m = (k + np.uint64(_WEYL[0])) & _LOW, (m + np.uint64(_WEYL[1])) & _LOW
    return a, b, c, d


def unit(seed: Any, counter: Any, stream: Any, position: Any) -> Array:
    """u between 0 and 1, neither of them: float64, in the shape of the arguments together. All are whole numbers from 0 up."""
    given = (seed, counter, stream, position)
    seed, counter, stream, position = (np.asarray(x).astype(np.int64).astype(np.uint64) for x in given)
    high = (stream & np.uint64(0xFFFF)) << np.uint64(16) | (counter >> _HALF) & np.uint64(0xFFFF)
    words = philox((position & _LOW, position >> _HALF, counter & _LOW, high), (seed & _LOW, seed >> _HALF))
    bits = words[0] << _HALF | words[1]
    return ((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def _ratio(r: Array, polynomials: tuple[tuple[float, ...], tuple[float, ...]]) -> Array:
    above, below = np.full_like(r, polynomials[0][0]), np.full_like(r, polynomials[1][0])
    for a, b in zip(polynomials[0][1:], polynomials[1][1:], strict=True):
        above, below = above * r + a, below * r + b
    return above / below


def _log(x: Array) -> Array:
    """The logarithm of positive numbers."""
    f, k = np.frexp(x)
    small = f < 0.70710678118654752
    f, k = np.where(small, 2 * f, f) - 1, np.where(small, k - 1, k).astype(np.float64)
    s = f / (2 + f)
    z = s * s
    w = z * z
    odd = w * (_LOG[1] + w * (_LOG[3] + w * _LOG[5]))
    even = z * (_LOG[0] + w * (_LOG[2] + w * (_LOG[4] + w * _LOG[6])))
    half = 0.5 * (f * f)
    return np.asarray(k * _LN2[0] - ((half - (s * (half + (odd + even)) + k * _LN2[1])) - f))


def quantile(p: Any) -> Array:
    """The standard normal quantile of 0 < p < 1."""
    p = np.asarray(p, np.float64)
    q = p - 0.5
    r = np.sqrt(-_log(np.where(q < 0, p, 1 - p)))
    tail = np.where(r <= 5, _ratio(r - 1.6, _MIDDLE), _ratio(r - 5, _FAR))
    return np.where(np.abs(q) <= 0.425, q * _ratio(0.180625 - q * q, _NEAR), np.where(q < 0, -tail, tail))


def draw_uniform(seed: Any, counter: Any, stream: Any, position: Any, low: Any, high: Any, dtype: Any = np.float64) -> Array:
    """Between low and high, below high, in the real type `dtype`."""
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    value = np.asarray(low + (high - low) * unit(seed, counter, stream, position)).astype(dtype)
    top = high.astype(dtype)
    return np.asarray(np.where((value >= top) & (high > low), np.nextafter(top, np.dtype(dtype).type(-np.inf)), value))


def draw_normal(seed: Any, counter: Any, stream: Any, position: Any, mean: Any, std: Any, dtype: Any = np.float64) -> Array:
    """Normally distributed, as the quantile of what is uniform."""
    mean, std = np.asarray(mean, np.float64), np.asarray(std, np.float64)
    return np.asarray(mean + std * quantile(unit(seed, counter, stream, position))).astype(dtype)


def draw_bernoulli(seed: Any, counter: Any, stream: Any, position: Any, p: Any, dtype: Any = np.float64) -> Array:
    """1 with probability p, else 0."""
    return (unit(seed, counter, stream, position) < np.asarray(p, np.float64)).astype(dtype)
