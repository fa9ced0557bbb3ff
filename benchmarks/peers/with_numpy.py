"""NumPy, derivatives by hand, with whole arrays and in place where that is the way to be fast."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..workloads import Array, Data, Workload
from . import Found, Program, number, numbers

Step = Callable[[], Any]


def make(w: Workload, name: str = "numpy", threads: int = 1) -> Program:
    program = {
        "product": _product, "product_many": _product, "neuron": _neuron, "neuron_many": _neuron_many, "xor": _xor,
        "mlp": _mlp, "mlp_l2": _mlp, "mlp3": _mlp, "cnn": _cnn, "cnn3": _cnn, "batch_norm": _cnn, "lstm": _lstm, "gru": _gru,
        "expression": _expression, "gmm": _gmm, "bag": _bag,
    }[w.model]  # fmt: skip
    return program(w, w.data())


def _program(w: Workload, step: Step, found: Callable[[Any], Found]) -> Program:
    last: Any = None

    def run(calls: int) -> None:
        nonlocal last
        for _ in range(calls * w.loop):
            last = step()

    return Program(run, lambda: found(last))


def _all(last: Sequence[Any]) -> Found:
    return numbers(*last)


# ---------------------------------------------------------------- formulas


def _product(w: Workload, data: Data) -> Program:
    x, y, z = (data.inputs[n] for n in "xyz")

    def step() -> Any:
        q = x + y
        return q * z, z, z, q

    return _program(w, step, _all)


def _neuron(w: Workload, data: Data) -> Program:
    x, weights = data.inputs["x"], data.params["w"]

    def step() -> Any:
        s = 1 / (1 + np.exp(-(weights[:2] @ x + weights[2])))
        d = s * (1 - s)
        return s, d * weights[:2], np.append(d * x, d)

    return _program(w, step, _all)


def _neuron_many(w: Workload, data: Data) -> Program:
    x, weights = data.inputs["x"], data.params["w"]

    def step() -> Any:
        s = x @ weights[:2]
        s += weights[2]
        np.negative(s, out=s)
        np.exp(s, out=s)
        s += 1
        np.reciprocal(s, out=s)
        d = 1 - s
        d *= s
        return s, np.append(d @ x, d.sum())

    return _program(w, step, _all)


def _expression(w: Workload, data: Data) -> Program:
    x = data.inputs["x"]

    def step() -> Any:
        s = 1 / (1 + np.exp(-x))
        t = np.tanh(x)
        e = np.exp(-x * x)
        value = (s * t + e).sum(dtype=np.float64)
        return value, s * (1 - s) * t + s * (1 - t * t) - 2 * x * e

    return _program(w, step, _all)


# ---------------------------------------------------------------- networks


def _update(w: Workload, params: dict[str, Array]) -> Callable[[dict[str, Array]], None]:
    """The optimiser's step, in place."""
    lr = w.optimizer[1]["lr"]
    if w.optimizer[0] == "sgd":

        def sgd(gradients: dict[str, Array]) -> None:
            for name, g in gradients.items():
                g *= params[name].dtype.type(lr)
                params[name] -= g

        return sgd
    m, v = ({name: np.zeros_like(p) for name, p in params.items()} for _ in range(2))
    count = 0

    def adam(gradients: dict[str, Array]) -> None:
        nonlocal count
        count += 1
        for name, g in gradients.items():
            m[name] += 0.1 * (g - m[name])
            v[name] += 0.001 * (g * g - v[name])
            params[name] -= lr / (1 - 0.9**count) * m[name] / (np.sqrt(v[name] / (1 - 0.999**count)) + 1e-8)

    return adam


def _xor(w: Workload, data: Data) -> Program:
    x, y = data.inputs["x"], data.inputs["y"]
    p = {name: value.copy() for name, value in data.params.items()}
    update = _update(w, p)

    def step() -> float:
        h = np.tanh(x @ p["W1"] + p["b1"])
        s = 1 / (1 + np.exp(-(h @ p["W2"] + p["b2"])))
        loss = -(y * np.log(s) + (1 - y) * np.log(1 - s)).mean()
        dz = (s - y) / len(x)
        dh = dz @ p["W2"].T
        dh *= 1 - h * h
        update({"W1": x.T @ dh, "b1": dh.sum(0), "W2": h.T @ dz, "b2": dz.sum(0)})
        return float(loss)

    return _program(w, step, number)


def _cross_entropy(scores: Array, y: Array, rows: Array) -> tuple[float, Array]:
    """The mean loss, and its gradient, which takes the place of the scores."""
    scores -= scores.max(axis=1, keepdims=True)
    picked = scores[rows, y]
    np.exp(scores, out=scores)
    total = scores.sum(axis=1, keepdims=True)
    loss = float((np.log(total[:, 0]) - picked).mean())
    scores /= total
    scores[rows, y] -= 1
    scores /= len(y)
    return loss, scores


def _mlp(w: Workload, data: Data) -> Program:
    x, y = data.inputs["x"], data.inputs["y"]
    p = {name: value.copy() for name, value in data.params.items()}
    layers, rows = len(p) // 2, np.arange(len(y))
    reg = 1e-3 if w.model == "mlp_l2" else 0.0
    update = _update(w, p)

    def step() -> float:
        hs = [x]
        for k in range(1, layers + 1):
            h = hs[-1] @ p[f"W{k}"]
            h += p[f"b{k}"]
            hs.append(np.maximum(h, 0, out=h) if k < layers else h)
        loss, d = _cross_entropy(hs[-1], y, rows)
        gradients: dict[str, Array] = {}
        for k in range(layers, 0, -1):
            gradients |= {f"W{k}": hs[k - 1].T @ d, f"b{k}": d.sum(0)}
            if reg:
                matrix = p[f"W{k}"]
                loss += reg * float(np.vdot(matrix, matrix))
                gradients[f"W{k}"] += 2 * reg * matrix
            if k > 1:
                d = d @ p[f"W{k}"].T
                d *= hs[k - 1] > 0
        update(gradients)
        return loss

    return _program(w, step, number)


def _columns(x: Array, k: int) -> Array:
    """The k*k neighbours of every place of x[n, i, j, c], zeros outside, as a matrix."""
    pad = k // 2
    wide = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    windows = sliding_window_view(wide, (k, k), axis=(1, 2))  # n, i, j, c, u, v
    n, i, j, c = x.shape
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(n * i * j, k * k * c)


def _back(columns: Array, shape: tuple[int, ...], k: int) -> Array:
    """The transpose of _columns."""
    n, i, j, c = shape
    pad = k // 2
    wide = np.zeros((n, i + 2 * pad, j + 2 * pad, c), columns.dtype)
    pieces = columns.reshape(n, i, j, k, k, c)
    for u in range(k):
        for v in range(k):
            wide[:, u : u + i, v : v + j] += pieces[:, :, :, u, v]
    return wide[:, pad : pad + i, pad : pad + j]


def _pool(h: Array) -> tuple[Array, Array]:
    """2 by 2 maxima of h[n, i, j, c], and which of the four each is, the first of equals."""
    n, i, j, c = h.shape
    four = h.reshape(n, i // 2, 2, j // 2, 2, c).transpose(0, 1, 3, 5, 2, 4).reshape(n, i // 2, j // 2, c, 4)
    best = four.argmax(axis=-1)
    return np.take_along_axis(four, best[..., None], axis=-1)[..., 0], best


def _unpool(d: Array, best: Array) -> Array:
    n, i, j, c = d.shape
    four = np.zeros((n, i, j, c, 4), d.dtype)
    np.put_along_axis(four, best[..., None], d[..., None], axis=-1)
    return four.reshape(n, i, j, c, 2, 2).transpose(0, 1, 4, 2, 5, 3).reshape(n, 2 * i, 2 * j, c)


def _cnn(w: Workload, data: Data) -> Program:
    """Convolutions as matrix products over neighbours, channels last."""
    pools = {"cnn": (1, 2), "cnn3": (2, 3), "batch_norm": ()}[w.model]
    x, y = np.ascontiguousarray(data.inputs["x"].transpose(0, 2, 3, 1)), data.inputs["y"]
    rows = np.arange(len(y))
    count = sum(name.startswith("conv_") and name.endswith(".W") for name in data.params)
    kernels = [data.params[f"conv_{k}.W"].shape[-1] for k in range(1, count + 1)]
    p = {name: value.copy() for name, value in data.params.items()}
    for k in range(1, count + 1):  # filters, channels, u, v -> u, v, channels, filters
        matrix = p[f"conv_{k}.W"].transpose(2, 3, 1, 0)
        p[f"conv_{k}.W"] = np.ascontiguousarray(matrix.reshape(-1, matrix.shape[-1]))
    norm = w.model == "batch_norm"
    running = {k: (np.zeros_like(g), np.ones_like(g)) for k in range(1, count + 1) for g in (p[f"conv_{k}.W"][0],)}
    if not norm:  # the head's rows run over the channels first
        side = x.shape[1] // 4
        p["head.W"] = np.ascontiguousarray(p["head.W"].reshape(-1, side, side, 10).transpose(1, 2, 0, 3).reshape(-1, 10))
    update = _update(w, p)

    def step() -> float:
        h, saved = x, []
        for k, kernel in enumerate(kernels, 1):
            before, columns = h.shape, _columns(h, kernel)
            z = columns @ p[f"conv_{k}.W"]
            scale = centred = None
            if norm:
                mean = z.mean(axis=0)
                z -= mean
                variance = (z * z).mean(axis=0)
                for held, new in zip(running[k], (mean, variance * (len(z) / (len(z) - 1))), strict=True):
                    held *= 0.9
                    held += 0.1 * new
                scale = 1 / np.sqrt(variance + z.dtype.type(1e-5))
                centred = z * scale
                z = centred * p[f"norm_{k}.gain"] + p[f"norm_{k}.bias"]
            else:
                z += p[f"conv_{k}.b"]
            h = np.maximum(z, 0, out=z).reshape(*before[:3], -1)
            relu = h
            best = None
            if k in pools:
                h, best = _pool(h)
            saved.append((before, columns, relu, best, scale, centred))
        flat = h.mean(axis=(1, 2)) if norm else h.reshape(len(h), -1)
        loss, d = _cross_entropy(flat @ p["head.W"] + p["head.b"], y, rows)
        gradients = {"head.W": flat.T @ d, "head.b": d.sum(0)}
        d = d @ p["head.W"].T
        d = np.broadcast_to(d[:, None, None, :] / (h.shape[1] * h.shape[2]), h.shape) if norm else d.reshape(h.shape)
        for k in range(count, 0, -1):
            before, columns, relu, best, scale, centred = saved[k - 1]
            if best is not None:
                d = _unpool(d, best)
            d = (d * (relu > 0)).reshape(columns.shape[0], -1)
            if norm:
                gradients |= {f"norm_{k}.gain": (d * centred).sum(0), f"norm_{k}.bias": d.sum(0)}
                d = d * p[f"norm_{k}.gain"]
                d = scale * (d - d.mean(0) - centred * (d * centred).mean(0))
            else:
                gradients[f"conv_{k}.b"] = d.sum(0)
            gradients[f"conv_{k}.W"] = columns.T @ d
            if k > 1:
                d = _back(d @ p[f"conv_{k}.W"].T, before, kernels[k - 1])
        update(gradients)
        return loss

    return _program(w, step, number)


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _lstm(w: Workload, data: Data) -> Program:
    x = np.ascontiguousarray(data.inputs["x"].transpose(1, 0, 2))
    W, U, b = (data.params[f"cell.{n}"] for n in "WUb")
    steps, batch, units = len(x), x.shape[1], U.shape[0]

    def step() -> Any:
        inputs = (x.reshape(steps * batch, -1) @ W + b).reshape(steps, batch, -1)
        h, c = np.zeros((steps + 1, batch, units), x.dtype), np.zeros((steps + 1, batch, units), x.dtype)
        gates, tanhs = np.empty_like(inputs), np.empty_like(h)
        for t in range(steps):
            z = inputs[t] + h[t] @ U
            z[:, : 2 * units] = _sigmoid(z[:, : 2 * units])
            z[:, 2 * units : 3 * units] = np.tanh(z[:, 2 * units : 3 * units])
            z[:, 3 * units :] = _sigmoid(z[:, 3 * units :])
            i, f, g, o = np.split(z, 4, axis=1)
            c[t + 1] = f * c[t] + i * g
            tanhs[t] = np.tanh(c[t + 1])
            h[t + 1] = o * tanhs[t]
            gates[t] = z
        states = h[1:]
        loss = np.mean(states * states, dtype=np.float64)
        d_states = states * x.dtype.type(2 / states.size)
        dz = np.empty_like(gates)
        dh, dc = np.zeros_like(h[0]), np.zeros_like(h[0])
        for t in range(steps - 1, -1, -1):
            i, f, g, o = np.split(gates[t], 4, axis=1)
            dh += d_states[t]
            dc += dh * o * (1 - tanhs[t] ** 2)
            dz[t, :, :units] = dc * g * i * (1 - i)
            dz[t, :, units : 2 * units] = dc * c[t] * f * (1 - f)
            dz[t, :, 2 * units : 3 * units] = dc * i * (1 - g * g)
            dz[t, :, 3 * units :] = dh * tanhs[t] * o * (1 - o)
            dh = dz[t] @ U.T
            dc *= f
        flat = dz.reshape(steps * batch, -1)
        return loss, x.reshape(steps * batch, -1).T @ flat, h[:-1].reshape(steps * batch, -1).T @ flat, flat.sum(0)

    return _program(w, step, _all)


def _gru(w: Workload, data: Data) -> Program:
    x = np.ascontiguousarray(data.inputs["x"].transpose(1, 0, 2))
    W, U, b, c = (data.params[f"cell.{n}"] for n in "WUbc")
    steps, batch, units = len(x), x.shape[1], U.shape[0]

    def step() -> Any:
        inputs = (x.reshape(steps * batch, -1) @ W + b).reshape(steps, batch, -1)
        h = np.zeros((steps + 1, batch, units), x.dtype)
        rs, zs, ns, hns = (np.empty((steps, batch, units), x.dtype) for _ in range(4))
        for t in range(steps):
            hidden = h[t] @ U + c
            both = _sigmoid(inputs[t, :, : 2 * units] + hidden[:, : 2 * units])
            rs[t], zs[t] = both[:, :units], both[:, units:]
            hns[t] = hidden[:, 2 * units :]
            ns[t] = np.tanh(inputs[t, :, 2 * units :] + rs[t] * hns[t])
            h[t + 1] = ns[t] + zs[t] * (h[t] - ns[t])
        states = h[1:]
        loss = np.mean(states * states, dtype=np.float64)
        d_states = states * x.dtype.type(2 / states.size)
        d_inputs = np.empty_like(inputs)
        d_hidden = np.empty_like(inputs)
        dh = np.zeros_like(h[0])
        for t in range(steps - 1, -1, -1):
            dh += d_states[t]
            r, z, n = rs[t], zs[t], ns[t]
            dn = dh * (1 - z) * (1 - n * n)
            d_inputs[t, :, :units] = dn * hns[t] * r * (1 - r)
            d_inputs[t, :, units : 2 * units] = dh * (h[t] - n) * z * (1 - z)
            d_inputs[t, :, 2 * units :] = dn
            d_hidden[t] = d_inputs[t]
            d_hidden[t, :, 2 * units :] = dn * r
            dh = dh * z + d_hidden[t] @ U.T
        flat, inner = d_inputs.reshape(steps * batch, -1), d_hidden.reshape(steps * batch, -1)
        d_U = h[:-1].reshape(steps * batch, -1).T @ inner
        return loss, x.reshape(steps * batch, -1).T @ flat, d_U, flat.sum(0), inner.sum(0)

    return _program(w, step, _all)


def _bag(w: Workload, data: Data) -> Program:
    words, y = data.inputs["words"], data.inputs["y"]
    E, W, b = (data.params[n].copy() for n in ("E", "W", "b"))
    rows, length, lr = np.arange(len(y)), words.shape[1], E.dtype.type(w.optimizer[1]["lr"])

    def step() -> float:
        h = E[words].mean(axis=1)
        loss, d = _cross_entropy(h @ W + b, y, rows)
        d_rows = d @ W.T
        d_rows *= -lr / length
        W[...] -= lr * (h.T @ d)
        b[...] -= lr * d.sum(0)
        np.add.at(E, words, d_rows[:, None, :])
        return loss

    return _program(w, step, number)


# ---------------------------------------------------------------- Gaussian mixtures


def constant(n: int, d: int, k: int, gamma: float = 1.0, m: int = 0) -> float:
    """What in ADBench's objective depends on the sizes alone."""
    a = (d + m + 1) / 2
    log_gamma = d * (d - 1) / 4 * math.log(math.pi) + sum(math.lgamma(a - j / 2) for j in range(d))
    return -n * d / 2 * math.log(2 * math.pi) - k * ((d + m + 1) * d * math.log(gamma / math.sqrt(2)) - log_gamma)


def _gmm(w: Workload, data: Data) -> Program:
    x = data.inputs["x"]
    alphas, means, icf = (data.params[n] for n in ("alphas", "means", "icf"))
    (n, d), k = x.shape, len(alphas)
    lower = tuple(np.array([(j, i) for i in range(d) for j in range(i + 1, d)]).T)
    fixed = constant(n, d, k)

    def step() -> Any:
        q = np.exp(icf[:, :d])
        Q = np.zeros((k, d, d))
        Q[:, lower[0], lower[1]] = icf[:, d:]
        Q[:, range(d), range(d)] = q
        c = x[None] - means[:, None]  # k, n, d
        Qc = c @ Q.transpose(0, 2, 1)
        inner = (alphas + icf[:, :d].sum(1))[:, None] - 0.5 * np.einsum("knj,knj->kn", Qc, Qc)
        top = inner.max(axis=0)
        r = np.exp(inner - top)
        total = r.sum(axis=0)
        r /= total
        highest = alphas.max()
        e = np.exp(alphas - highest)
        value = (np.log(total) + top).sum() - n * (np.log(e.sum()) + highest) + 0.5 * ((q * q).sum() + (icf[:, d:] ** 2).sum())
        weights = r.sum(axis=1)
        rQc = r[:, :, None] * Qc
        d_Q = -(rQc.transpose(0, 2, 1) @ c)
        d_icf = np.empty_like(icf)
        d_icf[:, :d] = weights[:, None] + d_Q[:, range(d), range(d)] * q + q * q
        d_icf[:, d:] = d_Q[:, lower[0], lower[1]] + icf[:, d:]
        d_means = (rQc.sum(axis=1)[:, None] @ Q)[:, 0]
        return -(value + fixed), n * e / e.sum() - weights, -d_means, -d_icf

    return _program(w, step, _all)
