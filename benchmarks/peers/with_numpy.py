"""NumPy, as a student of the course would write it by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..workloads import Workload


def make(w: Workload) -> Callable[[int], float]:
    return {"xor": _xor, "chain": _chain}.get(w.name, _mlp)(w)


def _xor(w: Workload) -> Callable[[int], float]:
    x, y = w.data["x"], w.data["y"]
    params = [w.data[n].copy() for n in ("W1", "b1", "W2", "b2")]
    m = [np.zeros_like(p) for p in params]
    v = [np.zeros_like(p) for p in params]
    count = 0

    def run(steps: int) -> float:
        nonlocal count
        loss = 0.0
        for _ in range(steps):
            W1, b1, W2, b2 = params
            h = np.tanh(x @ W1 + b1)
            p = 1 / (1 + np.exp(-(h @ W2 + b2)))
            loss = float(np.mean(-(y * np.log(p) + (1 - y) * np.log(1 - p))))
            dz = (p - y) / len(x)
            dh = dz @ W2.T * (1 - h * h)
            count += 1
            for k, g in enumerate((x.T @ dh, dh.sum(0), h.T @ dz, dz.sum(0))):
                m[k] = 0.9 * m[k] + 0.1 * g
                v[k] = 0.999 * v[k] + 0.001 * g * g
                params[k] -= 1e-4 * (m[k] / (1 - 0.9**count)) / (np.sqrt(v[k] / (1 - 0.999**count)) + 1e-8)
        return loss

    return run


def _mlp(w: Workload) -> Callable[[int], float]:
    x, y, reg = w.data["x"], w.data["y"], w.data["reg"]
    W1, b1, W2, b2 = (w.data[n].copy() for n in ("W1", "b1", "W2", "b2"))
    lr, rows = np.float32(1e-3), np.arange(len(y))

    def run(steps: int) -> float:
        loss = 0.0
        for _ in range(steps):
            h = np.maximum(0, x @ W1 + b1)
            s = h @ W2 + b2
            e = np.exp(s - s.max(axis=1, keepdims=True))
            p = e / e.sum(axis=1, keepdims=True)
            loss = float(-np.log(p[rows, y]).mean())
            if reg:
                loss += float(reg * ((W1 * W1).sum() + (W2 * W2).sum()))
            ds = p
            ds[rows, y] -= 1
            ds /= len(y)
            dW2, db2, dh = h.T @ ds, ds.sum(0), ds @ W2.T
            dh[h <= 0] = 0
            dW1, db1 = x.T @ dh, dh.sum(0)
            if reg:
                dW1 += 2 * reg * W1
                dW2 += 2 * reg * W2
            for param, g in ((W1, dW1), (b1, db1), (W2, dW2), (b2, db2)):
                param -= lr * g
        return loss

    return run


def _chain(w: Workload) -> Callable[[int], float]:
    x = w.data["x"]

    def run(steps: int) -> float:
        total = 0.0
        for _ in range(steps):
            s, t, e = 1 / (1 + np.exp(-x)), np.tanh(x), np.exp(-x * x)
            total = float((s * t + e).sum())
            g = s * (1 - s) * t + s * (1 - t * t) - 2 * x * e
            total += float(g[0])
        return total

    return run
