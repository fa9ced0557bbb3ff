"""A scalar formula and what is said to be its derivative, compared at points drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..graph.expr import Expr, evaluate
from .interpret import FUNCTIONS

POINTS = 256


def deviation(
    value: Expr, slope: Expr, place: int, known: Sequence[float | None]
) -> tuple[tuple[float, ...], float, float] | None:
    """Where ``slope`` differs most from the derivative of ``value`` by ``arg(place)``: the point, the derivative by central
    differences, and what ``slope`` gives; None where they agree but at a few points, such as kinks.

    ``known`` has the values of the other arguments, None for any positive number. Points where two steps of the differences
    do not agree, or where the formula is no number, do not count.
    """
    points = np.random.default_rng(0).uniform(-3, 3, (len(known), POINTS))
    points[:, POINTS // 2 :] = np.abs(points[:, POINTS // 2 :])  # functions of positive numbers alone
    for k, number in enumerate(known):
        if k != place:
            points[k] = number if number is not None else np.abs(points[k])

    def at(expr: Expr, shift: float) -> np.ndarray[Any, np.dtype[np.float64]]:
        moved = points.copy()
        moved[place] += shift

        def leaf(e: Expr) -> Any:
            if e.op == "arg" and isinstance(e.value, int):
                return moved[e.value]
            return np.float64({"pi": np.pi, "inf": np.inf, "nan": np.nan}[str(e.value)] if e.op == "named" else e.number)

        return np.broadcast_to(np.asarray(evaluate(expr, leaf, FUNCTIONS), np.float64), (POINTS,))

    with np.errstate(all="ignore"):
        near = (at(value, 1e-5) - at(value, -1e-5)) / 2e-5
        far = (at(value, 2e-5) - at(value, -2e-5)) / 4e-5
        claimed = at(slope, 0.0)
        settled = np.abs(near - far) <= 1e-5 * (1 + np.abs(near))
        off = np.where(settled, np.abs(near - claimed) / (1 + np.abs(near)), 0)
        off = np.where(settled & ~np.isfinite(claimed), np.inf, off)
    if np.count_nonzero(off > 1e-4) * 20 <= np.count_nonzero(settled):
        return None
    worst = int(np.argmax(off))
    return tuple(points[:, worst].tolist()), float(near[worst]), float(claimed[worst])
