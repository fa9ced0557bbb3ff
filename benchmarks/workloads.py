"""What is measured: the same numbers for every peer, made here once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
Array = NDArray[Any]


@dataclass(frozen=True)
class Workload:
    """``flops`` and ``bytes``: the least arithmetic and memory traffic of one step, for the distance to the machine's limit."""

    name: str
    what: str
    steps: int  # in one measurement
    flops: float
    bytes: float
    data: dict[str, Array] = field(repr=False)


def xor() -> Workload:
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float64)
    y = np.array([[0], [1], [1], [0]], dtype=np.float64)
    rng = np.random.default_rng(0)
    data = {"x": x, "y": y, "W1": rng.uniform(-0.77, 0.77, (2, 8)), "b1": np.zeros(8), "W2": rng.uniform(-0.8, 0.8, (8, 1)),
            "b2": np.zeros(1)}  # fmt: skip
    return Workload("xor", "XOR 2-8-1, batch 4, Adam, float64, a step", 1000, 4 * 171 + 33 * 15, 0, data)


def mlp(inputs: int, hidden: int, batch: int, reg: float, steps: int) -> Workload:
    rng = np.random.default_rng(0)
    f = np.float32
    data = {"x": rng.normal(size=(batch, inputs)).astype(f), "y": rng.integers(0, 10, batch),
            "W1": (rng.normal(size=(inputs, hidden)) * 0.01).astype(f), "b1": np.zeros(hidden, f),
            "W2": (rng.normal(size=(hidden, 10)) * 0.01).astype(f), "b2": np.zeros(10, f), "reg": np.array(reg, f)}  # fmt: skip
    flops = 2.0 * batch * (2 * inputs * hidden + 3 * hidden * 10)
    moved = 4.0 * (2 * batch * inputs + 3 * inputs * hidden)
    with_l2 = " + L2" if reg else ""
    what = f"MLP {inputs}-{hidden}-10{with_l2}, batch {batch}, SGD, float32, a step"
    return Workload(f"mlp{inputs}", what, steps, flops, moved, data)


def chain(n: int = 10_000_000) -> Workload:
    x = np.random.default_rng(0).normal(size=n).astype(np.float32)
    what = f"sum(sigmoid(x)*tanh(x) + exp(-x*x)) and its gradient, {n // 1_000_000} million float32"
    return Workload("chain", what, 1, 60.0 * n, 8.0 * n, {"x": x})


def workloads() -> dict[str, Workload]:
    every = (xor(), mlp(784, 128, 64, 0.0, 20), mlp(3072, 100, 128, 1e-3, 10), chain())
    return {w.name: w for w in every}
