"""Gradwright: the examples of the repository, compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gradwright import runtime
from gradwright.runtime import SGD, Adam

from ..workloads import EXAMPLES, Workload


def make(w: Workload) -> Callable[[int], float]:
    if w.name == "chain":
        return _chain(w)
    if w.name == "xor":
        module: Any = runtime.load(EXAMPLES / "xor.gw")
        optimizer: Any = Adam(lr=1e-4)
    else:
        hidden = w.data["W1"].shape[1]
        sizes = {"D": w.data["W1"].shape[0], "H": hidden}
        text = (EXAMPLES / "cifar_two_layer.gw").read_text(encoding="utf-8")
        if not w.data["reg"]:
            text = text.replace(" + reg * (sum(W1**2) + sum(W2**2))", "").replace("hyper  reg", "# hyper  reg")
        module = runtime.load(text, sizes=sizes, name=w.name)
        optimizer = SGD(lr=1e-3)
    model = module.Model(seed=0)
    for name in ("W1", "b1", "W2", "b2"):
        setattr(model.params, name, w.data[name])
    data = {"x": w.data["x"], "y": w.data["y"]}
    batch = len(w.data["x"])

    def run(steps: int) -> float:
        history = model.fit(data, optimizer=optimizer, epochs=steps, batch_size=batch, shuffle=False, progress=False)
        return float(history.loss[-1])

    return run


def _chain(w: Workload) -> Callable[[int], float]:
    module: Any = runtime.load(EXAMPLES / "expression.gw", dtype="float32")
    model = module.Model()
    x = w.data["x"]

    def run(steps: int) -> float:
        total = 0.0
        for _ in range(steps):
            out, g = model.value_and_grad(x=x)
            total = float(out.f) + float(np.asarray(g.x)[0])
        return total

    return run
