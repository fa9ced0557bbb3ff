"""Plain Python: at one point there is nothing to vectorise."""

from __future__ import annotations

from math import exp
from typing import Any

from ..workloads import Workload
from . import Program, numbers


def product(x: float, y: float, z: float) -> tuple[float, float, float, float]:
    q = x + y
    return q * z, z, z, q


def neuron(x0: float, x1: float, w0: float, w1: float, w2: float) -> tuple[float, float, float, float, float, float]:
    s = 1 / (1 + exp(-(w0 * x0 + w1 * x1 + w2)))
    d = s * (1 - s)
    return s, d * w0, d * w1, d * x0, d * x1, d


def at_a_point(w: Workload) -> tuple[Any, tuple[float, ...]]:
    """The function of the workload and the point where it is called."""
    data = w.data()
    if w.model == "product":
        return product, tuple(float(data.inputs[n]) for n in "xyz")
    return neuron, tuple(map(float, (*data.inputs["x"], *data.params["w"])))


def called(w: Workload, function: Any, point: tuple[float, ...]) -> Program:
    last: Any = None

    def run(calls: int) -> None:
        nonlocal last
        if len(point) == 3:
            x, y, z = point
            for _ in range(calls):
                last = function(x, y, z)
        else:
            a, b, c, d, e = point
            for _ in range(calls):
                last = function(a, b, c, d, e)

    def found() -> Any:
        value = tuple(map(float, last))
        return numbers(*value) if len(value) == 4 else numbers(value[0], value[1:3], value[3:])

    return Program(run, found)


def make(w: Workload, name: str = "python", threads: int = 1) -> Program:
    return called(w, *at_a_point(w))
