"""JAX on the processor: whole steps jitted, parameters donated, convolutions with channels last, loops as scan and fori_loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..workloads import Array, Data, Workload
from . import Program, number, numbers
from .with_numpy import constant

Params = dict[str, Any]


def make(w: Workload, name: str = "jax", threads: int = 1) -> Program:
    jax.config.update("jax_enable_x64", w.dtype == "float64")
    prepare = {
        "product": _product, "product_many": _product_many, "neuron": _neuron, "neuron_many": _neuron_many, "xor": _xor,
        "mlp": _mlp, "mlp_l2": _mlp, "mlp3": _mlp, "cnn": _cnn, "cnn3": _cnn, "batch_norm": _batch_norm, "lstm": _lstm,
        "gru": _gru, "expression": _expression, "gmm": _gmm, "bag": _bag, "transformer": _transformer,
    }[w.model]  # fmt: skip
    return prepare(w, w.data())


def _jax(arrays: dict[str, Array]) -> Params:
    return {name: jnp.asarray(array) for name, array in arrays.items()}


def _gradient(function: Callable[..., Any], arguments: tuple[Any, ...], order: Callable[[Any, Any], Any]) -> Program:
    """``function`` gives value and gradient; ``order`` puts what it gave into that of the results."""
    both = jax.jit(function)
    last: Any = None

    def run(calls: int) -> None:
        nonlocal last
        for _ in range(calls):
            last = both(*arguments)
        jax.block_until_ready(last)

    return Program(run, lambda: numbers(*order(*last)))


def _train(w: Workload, loss_of: Callable[..., Any], params: Params, inputs: tuple[Any, ...],
           state: Any = None) -> Program:  # fmt: skip
    """Steps of the optimiser. With ``state``, ``loss_of(params, state, *inputs)`` gives the loss and what the state becomes."""
    lr = w.optimizer[1]["lr"]

    def sgd(p: Params, g: Params, _: Any) -> Any:
        return jax.tree.map(lambda a, b: a - lr * b, p, g), _

    def adam(p: Params, g: Params, memory: Any) -> Any:
        m, v, t = memory
        t = t + 1
        m = jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, m, g)
        v = jax.tree.map(lambda a, b: 0.999 * a + 0.001 * b * b, v, g)
        p = jax.tree.map(lambda a, b, c: a - lr * (b / (1 - 0.9**t)) / (jnp.sqrt(c / (1 - 0.999**t)) + 1e-8), p, m, v)
        return p, (m, v, t)

    update = sgd if w.optimizer[0] == "sgd" else adam
    zeros = jax.tree.map(jnp.zeros_like, params)
    memory: Any = (zeros, jax.tree.map(jnp.zeros_like, params), jnp.zeros(())) if update is adam else ()

    def once(carried: Any, *inputs: Any) -> Any:
        p, memory, state = carried
        if state is None:
            loss, g = jax.value_and_grad(loss_of)(p, *inputs)
        else:
            (loss, state), g = jax.value_and_grad(loss_of, has_aux=True)(p, state, *inputs)
        p, memory = update(p, g, memory)
        return (p, memory, state), loss

    def many(carried: Any, *inputs: Any) -> Any:
        first = jnp.zeros((), jax.tree.leaves(carried[0])[0].dtype)
        return lax.fori_loop(0, w.loop, lambda _, both: once(both[0], *inputs), (carried, first))

    step = jax.jit(once if w.loop == 1 else many, donate_argnums=0)
    carried: Any = (params, memory, state)
    loss: Any = None

    def run(calls: int) -> None:
        nonlocal carried, loss
        for _ in range(calls):
            carried, loss = step(carried, *inputs)
        jax.block_until_ready(carried)

    return Program(run, lambda: number(loss))


def _predict(function: Callable[..., Any], params: Params, x: Any) -> Program:
    step = jax.jit(function)
    last: Any = None

    def run(calls: int) -> None:
        nonlocal last
        for _ in range(calls):
            last = step(params, x)
        last.block_until_ready()

    return Program(run, lambda: numbers(last))


# ---------------------------------------------------------------- formulas


def _product(w: Workload, data: Data) -> Program:
    both = jax.value_and_grad(lambda x, y, z: (x + y) * z, (0, 1, 2))
    return _gradient(both, tuple(data.inputs[n] for n in "xyz"), lambda f, g: (f, *g))


def _product_many(w: Workload, data: Data) -> Program:
    both = jax.vmap(jax.value_and_grad(lambda x, y, z: (x + y) * z, (0, 1, 2)))
    return _gradient(both, tuple(jnp.asarray(data.inputs[n]) for n in "xyz"), lambda f, g: (f, *g))


def _neuron(w: Workload, data: Data) -> Program:
    def f(x: Any, w: Any) -> Any:
        return 1 / (1 + jnp.exp(-(w[0] * x[0] + w[1] * x[1] + w[2])))

    return _gradient(jax.value_and_grad(f, (0, 1)), (data.inputs["x"], data.params["w"]), lambda f, g: (f, *g))


def _neuron_many(w: Workload, data: Data) -> Program:
    def loss(w: Any, x: Any) -> Any:
        f = jax.nn.sigmoid(w[0] * x[:, 0] + w[1] * x[:, 1] + w[2])
        return jnp.sum(f), f

    both = jax.grad(loss, has_aux=True)
    return _gradient(both, (jnp.asarray(data.params["w"]), jnp.asarray(data.inputs["x"])), lambda g, f: (f, g))


def _expression(w: Workload, data: Data) -> Program:
    both = jax.value_and_grad(lambda x: jnp.sum(jax.nn.sigmoid(x) * jnp.tanh(x) + jnp.exp(-x * x)))
    return _gradient(both, (jnp.asarray(data.inputs["x"]),), lambda f, g: (f, g))


def _gmm(w: Workload, data: Data) -> Program:
    x = jnp.asarray(data.inputs["x"])
    n, d = x.shape
    k = len(data.params["alphas"])
    lower = np.array([(j, i) for i in range(d) for j in range(i + 1, d)]).T
    fixed = constant(n, d, k)

    def objective(p: Params, x: Any) -> Any:
        q = jnp.exp(p["icf"][:, :d])
        Q = jax.vmap(lambda row: jnp.zeros((d, d)).at[lower[0], lower[1]].set(row))(p["icf"][:, d:]) + jax.vmap(jnp.diag)(q)
        Qc = jnp.einsum("kji,nki->nkj", Q, x[:, None] - p["means"])
        inner = p["alphas"] + p["icf"][:, :d].sum(1) - 0.5 * (Qc * Qc).sum(-1)
        prior = 0.5 * (jnp.sum(q * q) + jnp.sum(p["icf"][:, d:] ** 2))
        return -(jnp.sum(jax.nn.logsumexp(inner, axis=1)) - n * jax.nn.logsumexp(p["alphas"]) + prior + fixed)

    return _gradient(jax.value_and_grad(objective), (_jax(data.params), x), lambda f, g: (f, *(g[name] for name in data.params)))


# ---------------------------------------------------------------- networks


def _cross_entropy(scores: Any, y: Any) -> Any:
    return jnp.mean(jax.nn.logsumexp(scores, axis=-1) - jnp.take_along_axis(scores, y[..., None], axis=-1)[..., 0])


def _xor(w: Workload, data: Data) -> Program:
    def loss(p: Params, x: Any, y: Any) -> Any:
        z = jnp.tanh(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
        return jnp.mean(jax.nn.softplus(z) - y * z)

    return _train(w, loss, _jax(data.params), (jnp.asarray(data.inputs["x"]), jnp.asarray(data.inputs["y"])))


def _mlp(w: Workload, data: Data) -> Program:
    layers = len(data.params) // 2

    def scores(p: Params, x: Any) -> Any:
        for k in range(1, layers + 1):
            x = x @ p[f"W{k}"] + p[f"b{k}"]
            x = jax.nn.relu(x) if k < layers else x
        return x

    def loss(p: Params, x: Any, y: Any) -> Any:
        value = _cross_entropy(scores(p, x), y)
        return value + 1e-3 * (jnp.sum(p["W1"] ** 2) + jnp.sum(p["W2"] ** 2)) if w.model == "mlp_l2" else value

    return _net(w, scores, loss, _jax(data.params), jnp.asarray(data.inputs["x"]), data)


def _net(w: Workload, scores: Any, loss: Any, params: Params, x: Any, data: Data) -> Program:
    if w.kind == "predict":
        return _predict(scores, params, x)
    return _train(w, loss, params, (x, jnp.asarray(data.inputs["y"])))


def _conv(x: Any, W: Any) -> Any:
    return lax.conv_general_dilated(x, W, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _pool(x: Any) -> Any:
    n, i, j, c = x.shape
    return x.reshape(n, i // 2, 2, j // 2, 2, c).max(axis=(2, 4))


def _channels_last(data: Data, head: bool) -> Params:
    params = {name: array.transpose(2, 3, 1, 0) if array.ndim == 4 else array for name, array in data.params.items()}
    if head:  # its rows run over the channels first
        side = data.inputs["x"].shape[2] // 4
        params["head.W"] = params["head.W"].reshape(-1, side, side, 10).transpose(1, 2, 0, 3).reshape(-1, 10)
    return {name: jnp.asarray(np.ascontiguousarray(array)) for name, array in params.items()}


def _cnn(w: Workload, data: Data) -> Program:
    pools = {"cnn": (1, 2), "cnn3": (2, 3)}[w.model]
    count = max(pools)

    def scores(p: Params, x: Any) -> Any:
        for k in range(1, count + 1):
            x = jax.nn.relu(_conv(x, p[f"conv_{k}.W"]) + p[f"conv_{k}.b"])
            x = _pool(x) if k in pools else x
        return x.reshape(len(x), -1) @ p["head.W"] + p["head.b"]

    def loss(p: Params, x: Any, y: Any) -> Any:
        return _cross_entropy(scores(p, x), y)

    x = jnp.asarray(np.ascontiguousarray(data.inputs["x"].transpose(0, 2, 3, 1)))
    return _net(w, scores, loss, _channels_last(data, head=True), x, data)


def _batch_norm(w: Workload, data: Data) -> Program:
    state = {k: (jnp.zeros_like(jnp.asarray(data.params[f"norm_{k}.gain"])), jnp.asarray(data.params[f"norm_{k}.gain"]))
             for k in (1, 2, 3)}  # fmt: skip

    def loss(p: Params, state: Any, x: Any, y: Any) -> Any:
        after = {}
        for k in (1, 2, 3):
            x = _conv(x, p[f"conv_{k}.W"])
            m, v = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
            count = x.size // x.shape[-1]
            mean, variance = state[k]
            after[k] = 0.9 * mean + 0.1 * m, 0.9 * variance + 0.1 * (count / (count - 1)) * v
            x = jax.nn.relu((x - m) * (p[f"norm_{k}.gain"] * lax.rsqrt(v + 1e-5)) + p[f"norm_{k}.bias"])
        return _cross_entropy(x.mean(axis=(1, 2)) @ p["head.W"] + p["head.b"], y), after

    x = jnp.asarray(np.ascontiguousarray(data.inputs["x"].transpose(0, 2, 3, 1)))
    return _train(w, loss, _channels_last(data, head=False), (x, jnp.asarray(data.inputs["y"])), state)


def _lstm(w: Workload, data: Data) -> Program:
    def states(p: Params, x: Any) -> Any:
        z = x @ p["cell.W"] + p["cell.b"]  # all steps in one product
        zeros = jnp.zeros((x.shape[1], p["cell.U"].shape[0]), x.dtype)

        def cell(carry: Any, z: Any) -> Any:
            h, c = carry
            i, f, g, o = jnp.split(z + h @ p["cell.U"], 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        return lax.scan(cell, (zeros, zeros), z)[1]

    return _recurrent(w, states, data)


def _gru(w: Workload, data: Data) -> Program:
    def states(p: Params, x: Any) -> Any:
        inputs = x @ p["cell.W"] + p["cell.b"]
        zeros = jnp.zeros((x.shape[1], p["cell.U"].shape[0]), x.dtype)

        def cell(h: Any, inputs: Any) -> Any:
            xr, xz, xn = jnp.split(inputs, 3, axis=1)
            hr, hz, hn = jnp.split(h @ p["cell.U"] + p["cell.c"], 3, axis=1)
            z = jax.nn.sigmoid(xz + hz)
            h = (1 - z) * jnp.tanh(xn + jax.nn.sigmoid(xr + hr) * hn) + z * h
            return h, h

        return lax.scan(cell, zeros, inputs)[1]

    return _recurrent(w, states, data)


def _recurrent(w: Workload, states: Any, data: Data) -> Program:
    """Time is the first axis."""
    x, params = jnp.asarray(np.ascontiguousarray(data.inputs["x"].transpose(1, 0, 2))), _jax(data.params)
    if w.kind == "predict":
        program = _predict(states, params, x)
        last = jax.jit(states)
        return Program(program.run, lambda: numbers(np.asarray(last(params, x)).transpose(1, 0, 2)))
    both = jax.value_and_grad(lambda p, x: jnp.mean(states(p, x) ** 2))
    return _gradient(both, (params, x), lambda f, g: (f, *(g[name] for name in data.params)))


def _bag(w: Workload, data: Data) -> Program:
    """The gradient of the rows that occur, added into the donated table."""
    words, y = jnp.asarray(data.inputs["words"]), jnp.asarray(data.inputs["y"])
    lr = w.optimizer[1]["lr"]

    def loss(rows: Any, W: Any, b: Any, y: Any) -> Any:
        return _cross_entropy(rows.mean(axis=1) @ W + b, y)

    def once(p: Params, words: Any, y: Any) -> Any:
        value, (d_rows, d_W, d_b) = jax.value_and_grad(loss, (0, 1, 2))(p["E"][words], p["W"], p["b"], y)
        return {"E": p["E"].at[words].add(-lr * d_rows), "W": p["W"] - lr * d_W, "b": p["b"] - lr * d_b}, value

    step = jax.jit(once, donate_argnums=0)
    params = _jax(data.params)
    last: Any = None

    def run(calls: int) -> None:
        nonlocal params, last
        for _ in range(calls):
            params, last = step(params, words, y)
        jax.block_until_ready(params)

    return Program(run, lambda: number(last))


def _transformer(w: Workload, data: Data) -> Program:
    heads = 4

    def norm(p: Params, name: str, x: Any) -> Any:
        c = x - x.mean(axis=-1, keepdims=True)
        return c * lax.rsqrt((c * c).mean(axis=-1, keepdims=True) + 1e-5) * p[f"{name}.gain"] + p[f"{name}.bias"]

    def dense(p: Params, name: str, x: Any) -> Any:
        return x @ p[f"{name}.W"] + p[f"{name}.b"]

    def loss(p: Params, tokens: Any, y: Any) -> Any:
        h = p["word.W"][tokens] + p["place"]
        n, t, width = h.shape
        for block in ("block_1", "block_2"):
            qkv = dense(p, f"{block}.attention.qkv", norm(p, f"{block}.norm_1", h)).reshape(n, t, 3, heads, width // heads)
            mixed = jax.nn.dot_product_attention(qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2], is_causal=True)
            h = h + dense(p, f"{block}.attention.out", mixed.reshape(n, t, width))
            hidden = jax.nn.gelu(dense(p, f"{block}.hidden", norm(p, f"{block}.norm_2", h)), approximate=False)
            h = h + dense(p, f"{block}.out", hidden)
        return _cross_entropy(dense(p, "head", norm(p, "norm", h)), y)

    inputs = jnp.asarray(data.inputs["tokens"]), jnp.asarray(data.inputs["next_tokens"])
    return _train(w, loss, _jax(data.params), inputs)
