"""The small functions that a module brings along where NumPy has none: the text of each, by its name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ...graph import expr as E

HELPERS: Final = {
    "_sigmoid": '''\
def _sigmoid(x):
    """1 / (1 + exp(-x)), without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)
''',
    "_softplus": '''\
def _softplus(x):
    """log(1 + exp(x)), without overflow."""
    return np.logaddexp(real(0), x)
''',
    "_erf": '''\
def _erf(x):
    return np.array([math.erf(v) for v in np.ravel(x)], real).reshape(np.shape(x))
''',
    "_lgamma": '''\
def _lgamma(x):
    return special.over(special.lgamma, np.asarray(x, real))
''',
    "_digamma": '''\
def _digamma(x):
    return special.over(special.digamma, np.asarray(x, real))
''',
    "_polygamma": '''\
def _polygamma(n, x):
    return special.over(special.polygamma, n, np.asarray(x, real))
''',
    "_logsumexp": '''\
def _logsumexp(x, axis=None, keepdims=False):
    """log(sum(exp(x))), without overflow; of nothing, -inf."""
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    total = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return total if keepdims else np.squeeze(total, axis)
''',
    "_rank": '''\
def _rank(x, axis, descending=False):
    """How many elements come before each along an axis; NaN is the largest, and equal ones keep their order."""
    back = np.flip(x, axis) if descending else x
    order = np.argsort(back, axis, kind="stable")
    if descending:
        order = np.flip(x.shape[axis] - 1 - order, axis)
    places = np.expand_dims(np.arange(x.shape[axis]), tuple(k for k in range(x.ndim) if k != axis))
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.broadcast_to(places, x.shape), axis)
    return rank
''',
    "_read": '''\
def _read(array, fill, *index):
    """array[index], and ``fill`` where that is outside."""
    good = np.True_
    for i, n in zip(index, array.shape):
        good = good & (i >= 0) & (i < n)
    if array.size == 0:
        return np.full(np.shape(good), fill, array.dtype)
    near = tuple(np.clip(i, 0, n - 1) for i, n in zip(index, array.shape))
    return np.where(good, array[near], array.dtype.type(fill))
''',
    "_add_inside": '''\
def _add_inside(array, index, values):
    """array[index] += values, where that is inside."""
    good = np.True_
    for i, n in zip(index, array.shape):
        good = good & (i >= 0) & (i < n)
    shape = np.broadcast_shapes(np.shape(good), np.shape(values))
    good, values = np.broadcast_to(good, shape), np.broadcast_to(values, shape)
    np.add.at(array, tuple(np.broadcast_to(i, shape)[good] for i in index), values[good])
''',
}


def imports(used: Iterable[str]) -> list[str]:
    """The imports from the runtime that functions of these names need."""
    asked = frozenset(used)
    draws = [name for name in E.DRAWS if name in asked]
    lines = [f"from gradwright.runtime.draws import {', '.join(draws)}"] if draws else []
    if asked & {"_lgamma", "_digamma", "_polygamma"}:
        lines.append("from gradwright.runtime import special")
    return lines
