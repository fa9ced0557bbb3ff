"""numba: loops by hand, compiled with fastmath, in parallel where there are threads; matrix products are BLAS's."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import njit, prange

from ..workloads import Data, Workload
from . import Program, number, numbers
from .with_numpy import constant
from .with_python import at_a_point, called

Build = Callable[[Workload, Data, Callable[..., Any]], Program]


def make(w: Workload, name: str = "numba", threads: int = 1) -> Program:
    numba.set_num_threads(threads)
    if w.model in ("product", "neuron"):
        function, point = at_a_point(w)
        return called(w, njit(fastmath=True)(function), point)
    builds: dict[str, Build] = {
        "product_many": _product_many, "neuron_many": _neuron_many, "xor": _xor, "mlp": _mlp, "mlp_l2": _mlp,
        "expression": _expression, "gmm": _gmm, "bag": _bag,
    }  # fmt: skip
    return builds[w.model](w, w.data(), njit(fastmath=True, parallel=threads > 1))


def _gradient(step: Callable[[], Any]) -> Program:
    last: Any = None

    def run(calls: int) -> None:
        nonlocal last
        for _ in range(calls):
            last = step()

    return Program(run, lambda: numbers(*last))


def _product_many(w: Workload, data: Data, jit: Callable[..., Any]) -> Program:
    x, y, z = (data.inputs[n] for n in "xyz")
    outs = [np.empty_like(x) for _ in range(4)]

    @jit
    def both(x: Any, y: Any, z: Any, f: Any, dx: Any, dy: Any, dz: Any) -> None:
        for i in prange(len(x)):
            q = x[i] + y[i]
            f[i] = q * z[i]
            dx[i] = z[i]
            dy[i] = z[i]
            dz[i] = q

    def step() -> Any:
        both(x, y, z, *outs)
        return outs

    return _gradient(step)


def _neuron_many(w: Workload, data: Data, jit: Callable[..., Any]) -> Program:
    x, weights = data.inputs["x"], data.params["w"]
    f = np.empty(len(x), x.dtype)

    @jit
    def both(x: Any, w: Any, f: Any) -> Any:
        w0, w1, w2 = w[0], w[1], w[2]
        one = w.dtype.type(1)
        d0 = d1 = d2 = 0.0
        for i in prange(len(x)):
            s = one / (one + math.exp(-(w0 * x[i, 0] + w1 * x[i, 1] + w2)))
            f[i] = s
            d = s * (one - s)
            d0 += d * x[i, 0]
            d1 += d * x[i, 1]
            d2 += d
        return d0, d1, d2

    def step() -> Any:
        gradient = both(x, weights, f)
        return f, gradient

    return _gradient(step)


def _expression(w: Workload, data: Data, jit: Callable[..., Any]) -> Program:
    x = data.inputs["x"]
    g = np.empty_like(x)

    @jit
    def both(x: Any, g: Any) -> float:
        one = x.dtype.type(1)
        total = 0.0
        for i in prange(len(x)):
            v = x[i]
            s, t, e = one / (one + math.exp(-v)), math.tanh(v), math.exp(-v * v)
            total += s * t + e
            g[i] = s * (one - s) * t + s * (one - t * t) - (one + one) * v * e
        return total

    return _gradient(lambda: (both(x, g), g))


def _xor(w: Workload, data: Data, jit: Callable[..., Any]) -> Program:
    """The whole loop of training in one function; parallel would only cost here."""
    x, y = data.inputs["x"], data.inputs["y"][:, 0]
    theta = np.concatenate([data.params[n].ravel() for n in ("W1", "b1", "W2", "b2")])
    m, v, lr = np.zeros_like(theta), np.zeros_like(theta), w.optimizer[1]["lr"]

    @njit(fastmath=True)
    def train(steps: int, before: int, x: Any, y: Any, p: Any, m: Any, v: Any) -> float:
        loss = 0.0
        g, h = np.empty(33), np.empty(8)
        for step in range(before + 1, before + steps + 1):
            g[:] = 0
            loss = 0.0
            for n in range(4):
                z = p[32]
                for j in range(8):
                    h[j] = math.tanh(x[n, 0] * p[j] + x[n, 1] * p[8 + j] + p[16 + j])
                    z += h[j] * p[24 + j]
                e = math.exp(-abs(z))
                s = 1 / (1 + e) if z >= 0 else e / (1 + e)
                loss += max(z, 0.0) - z * y[n] + math.log1p(e)
                d = (s - y[n]) / 4
                g[32] += d
                for j in range(8):
                    dh = d * p[24 + j] * (1 - h[j] * h[j])
                    g[24 + j] += d * h[j]
                    g[j] += x[n, 0] * dh
                    g[8 + j] += x[n, 1] * dh
                    g[16 + j] += dh
            rate, root = lr / (1 - 0.9**step), 1 / (1 - 0.999**step)
            for j in range(33):
                m[j] = 0.9 * m[j] + 0.1 * g[j]
                v[j] = 0.999 * v[j] + 0.001 * g[j] * g[j]
                p[j] -= rate * m[j] / (math.sqrt(v[j] * root) + 1e-8)
        return loss / 4

    count, loss = 0, 0.0

    def run(calls: int) -> None:
        nonlocal count, loss
        for _ in range(calls):
            loss = train(w.loop, count, x, y, theta, m, v)
            count += w.loop

    return Program(run, lambda: number(loss))


def _mlp(w: Workload, data: Data, jit: Callable[..., Any]) -> Program:
    x, y = data.inputs["x"], data.inputs["y"]
    params = [data.params[n].copy() for n in ("W1", "b1", "W2", "b2")]
    f = x.dtype.type
    lr, reg = f(w.optimizer[1]["lr"]), f(1e-3 if w.model == "mlp_l2" else 0)

    @jit
    def descend(p: Any, g: Any, keep: Any, lr: Any) -> None:
        for i in prange(p.shape[0]):
            for j in range(p.shape[1]):
                p[i, j] = keep * p[i, j] - lr * g[i, j]

    @njit(fastmath=True)
    def step(x: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any, lr: Any, reg: Any) -> float:
        h = np.dot(x, W1)
        for n in range(h.shape[0]):
            for j in range(h.shape[1]):
                h[n, j] = max(h[n, j] + b1[j], lr * 0)
        s = np.dot(h, W2)
        loss = 0.0
        for n in range(len(s)):
            top = s[n, 0] + b2[0]
            for j in range(len(b2)):
                s[n, j] += b2[j]
                top = max(top, s[n, j])
            loss -= s[n, y[n]] - top
            total = lr * 0
            for j in range(len(b2)):
                s[n, j] = math.exp(s[n, j] - top)
                total += s[n, j]
            loss += math.log(total)
            for j in range(len(b2)):
                s[n, j] /= total * len(s)
            s[n, y[n]] -= b2.dtype.type(1 / len(s))
        loss /= len(s)
        if reg > 0:
            squares = lr * 0
            for i in range(W1.shape[0]):
                for j in range(W1.shape[1]):
                    squares += W1[i, j] * W1[i, j]
            for i in range(W2.shape[0]):
                for j in range(W2.shape[1]):
                    squares += W2[i, j] * W2[i, j]
            loss += reg * squares
        d = np.dot(s, W2.T)
        for n in range(h.shape[0]):
            for j in range(h.shape[1]):
                if h[n, j] <= 0:
                    d[n, j] = 0
        keep = b2.dtype.type(1 - 2 * lr * reg)
        descend(W2, np.dot(h.T, s), keep, lr)
        descend(W1, np.dot(x.T, d), keep, lr)
        b1 -= lr * d.sum(0)
        b2 -= lr * s.sum(0)
        return loss

    last = 0.0

    def run(calls: int) -> None:
        nonlocal last
        for _ in range(calls):
            last = step(x, y, *params, lr, reg)

    return Program(run, lambda: number(last))


def _gmm(w: Workload, data: Data, jit: Callable[..., Any]) -> Program:
    """One pass over the points, adjoints right behind the values."""
    x = data.inputs["x"]
    alphas, means, icf = (data.params[n] for n in ("alphas", "means", "icf"))
    (n, d), k = x.shape, len(alphas)
    fixed = constant(n, d, k)

    @njit(fastmath=True)
    def both(x: Any, alphas: Any, means: Any, icf: Any, d_alphas: Any, d_means: Any, d_icf: Any) -> float:
        n, d = x.shape
        k = len(alphas)
        d_alphas[:], d_means[:], d_icf[:] = 0, 0, 0
        q = np.exp(icf[:, :d])
        start = np.empty(k)
        value = 0.0
        for a in range(k):
            start[a] = alphas[a] + icf[a, :d].sum()
        c, Qc, inner = np.empty((k, d)), np.empty((k, d)), np.empty(k)
        back = np.empty(d)
        for point in range(n):
            top = -np.inf
            for a in range(k):
                for j in range(d):
                    c[a, j] = x[point, j] - means[a, j]
                    Qc[a, j] = q[a, j] * c[a, j]
                place = d
                for i in range(d):
                    for j in range(i + 1, d):
                        Qc[a, j] += icf[a, place] * c[a, i]
                        place += 1
                squares = 0.0
                for j in range(d):
                    squares += Qc[a, j] * Qc[a, j]
                inner[a] = start[a] - 0.5 * squares
                top = max(top, inner[a])
            total = 0.0
            for a in range(k):
                inner[a] = math.exp(inner[a] - top)
                total += inner[a]
            value += math.log(total) + top
            for a in range(k):
                r = inner[a] / total
                d_alphas[a] -= r
                place = d
                for j in range(d):
                    back[j] = q[a, j] * Qc[a, j]
                    d_icf[a, j] += r * (back[j] * c[a, j] - 1)
                for i in range(d):
                    for j in range(i + 1, d):
                        back[i] += icf[a, place] * Qc[a, j]
                        d_icf[a, place] += r * Qc[a, j] * c[a, i]
                        place += 1
                for j in range(d):
                    d_means[a, j] -= r * back[j]
        top = alphas.max()
        e = np.exp(alphas - top)
        value -= n * (math.log(e.sum()) + top)
        for a in range(k):
            d_alphas[a] += n * e[a] / e.sum()
            for j in range(icf.shape[1]):
                own = q[a, j] if j < d else icf[a, j]
                value += 0.5 * own * own
                d_icf[a, j] -= own * own if j < d else own
        return value

    outs = np.empty_like(alphas), np.empty_like(means), np.empty_like(icf)

    return _gradient(lambda: (-(both(x, alphas, means, icf, *outs) + fixed), *outs))


def _bag(w: Workload, data: Data, jit: Callable[..., Any]) -> Program:
    words, y = data.inputs["words"], data.inputs["y"]
    E, W, b = (data.params[n].copy() for n in ("E", "W", "b"))
    lr = E.dtype.type(w.optimizer[1]["lr"])

    @njit(fastmath=True)
    def step(words: Any, y: Any, E: Any, W: Any, b: Any, lr: Any) -> float:
        n, length = words.shape
        width, classes = W.shape
        share = E.dtype.type(1 / length)
        h = np.zeros((n, width), E.dtype)
        for i in range(n):
            for t in range(length):
                row = words[i, t]
                for j in range(width):
                    h[i, j] += E[row, j]
            for j in range(width):
                h[i, j] *= share
        s = np.dot(h, W)
        loss = 0.0
        for i in range(n):
            top = s[i, 0] + b[0]
            for j in range(classes):
                s[i, j] += b[j]
                top = max(top, s[i, j])
            loss -= s[i, y[i]] - top
            total = lr * 0
            for j in range(classes):
                s[i, j] = math.exp(s[i, j] - top)
                total += s[i, j]
            loss += math.log(total)
            for j in range(classes):
                s[i, j] /= total * n
            s[i, y[i]] -= b.dtype.type(1 / n)
        d = np.dot(s, W.T)
        scale = lr * share
        for i in range(n):
            for t in range(length):
                row = words[i, t]
                for j in range(width):
                    E[row, j] -= scale * d[i, j]
        W -= lr * np.dot(h.T, s)
        b -= lr * s.sum(0)
        return loss / n

    last = 0.0

    def run(calls: int) -> None:
        nonlocal last
        for _ in range(calls):
            last = step(words, y, E, W, b, lr)

    return Program(run, lambda: number(last))
