"""JAX, each step jitted, on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ..workloads import Workload


def make(w: Workload) -> Callable[[int], float]:
    jax.config.update("jax_enable_x64", w.name == "xor")
    return _chain(w) if w.name == "chain" else _net(w)


def _net(w: Workload) -> Callable[[int], float]:
    x, y = jnp.asarray(w.data["x"]), jnp.asarray(w.data["y"])
    params: Any = tuple(jnp.asarray(w.data[n]) for n in ("W1", "b1", "W2", "b2"))
    adam = w.name == "xor"
    reg = 0.0 if adam else float(w.data["reg"])
    zeros = tuple(jnp.zeros_like(p) for p in params)
    state: Any = (params, zeros, zeros, jnp.asarray(0.0))

    def loss_of(p: Any, x: Any, y: Any) -> Any:
        W1, b1, W2, b2 = p
        if adam:
            z = jnp.tanh(x @ W1 + b1) @ W2 + b2
            return jnp.mean(jax.nn.softplus(z) - y * z)
        s = jax.nn.relu(x @ W1 + b1) @ W2 + b2
        loss = jnp.mean(jax.nn.logsumexp(s, axis=1) - jnp.take_along_axis(s, y[:, None], axis=1)[:, 0])
        return loss + reg * (jnp.sum(W1 * W1) + jnp.sum(W2 * W2)) if reg else loss

    @jax.jit
    def step(state: Any, x: Any, y: Any) -> Any:
        p, m, v, t = state
        loss, g = jax.value_and_grad(loss_of)(p, x, y)
        if not adam:
            return (tuple(a - 1e-3 * b for a, b in zip(p, g, strict=True)), m, v, t), loss
        t = t + 1
        m = tuple(0.9 * a + 0.1 * b for a, b in zip(m, g, strict=True))
        v = tuple(0.999 * a + 0.001 * b * b for a, b in zip(v, g, strict=True))
        p = tuple(a - 1e-4 * (b / (1 - 0.9**t)) / (jnp.sqrt(c / (1 - 0.999**t)) + 1e-8) for a, b, c in zip(p, m, v, strict=True))
        return (p, m, v, t), loss

    def run(steps: int) -> float:
        nonlocal state
        loss: Any = 0.0
        for _ in range(steps):
            state, loss = step(state, x, y)
        return float(loss)

    return run


def _chain(w: Workload) -> Callable[[int], float]:
    x = jnp.asarray(w.data["x"])

    @jax.jit
    def both(x: Any) -> Any:
        return jax.value_and_grad(lambda x: jnp.sum(jax.nn.sigmoid(x) * jnp.tanh(x) + jnp.exp(-x * x)))(x)

    def run(steps: int) -> float:
        total = 0.0
        for _ in range(steps):
            value, gradient = both(x)
            gradient.block_until_ready()
            total = float(value) + float(gradient[0])
        return total

    return run
