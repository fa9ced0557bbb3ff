"""PyTorch: eager with fused optimisers, channels last and its own recurrent layers; and torch.compile over a whole step."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..workloads import Data, Workload
from . import Program, number, numbers
from .with_numpy import constant

Tensors = dict[str, Any]


def make(w: Workload, name: str = "torch", threads: int = 1) -> Program:
    torch.set_num_threads(threads)
    compiled = name == "torch.compile"
    if compiled:
        os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
    make = {
        "product": _product, "product_many": _product, "neuron": _neuron, "neuron_many": _neuron_many, "xor": _xor,
        "mlp": _mlp, "mlp_l2": _mlp, "mlp3": _mlp, "cnn": _cnn, "cnn3": _cnn, "batch_norm": _batch_norm, "lstm": _recurrent,
        "gru": _recurrent, "expression": _expression, "gmm": _gmm, "bag": _bag, "transformer": _transformer,
    }[w.model]  # fmt: skip
    return make(w, w.data(), compiled)


def _torch(arrays: dict[str, Any]) -> Tensors:
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def _gradient(function: Callable[..., Any], variables: Tensors, others: Tensors, compiled: bool) -> Program:
    """``function(variables, others)`` gives the value, or (what the value sums, its sum)."""
    last: Any = None
    if compiled:

        def value(variables: Tensors, others: Tensors) -> Any:
            out = function(variables, others)
            return (out[1], out[0]) if isinstance(out, tuple) else (out, out)

        both = torch.compile(torch.func.grad(value, has_aux=True), dynamic=False)

        def run(calls: int) -> None:
            nonlocal last
            for _ in range(calls):
                gradients, out = both(variables, others)
                last = out, *gradients.values()

    else:
        for tensor in variables.values():
            tensor.requires_grad_()

        def run(calls: int) -> None:
            nonlocal last
            for _ in range(calls):
                out = function(variables, others)
                out, total = out if isinstance(out, tuple) else (out, out)
                last = out, *torch.autograd.grad(total, tuple(variables.values()))

    return Program(run, lambda: numbers(*(tensor.detach().numpy() for tensor in last)))


def _train(w: Workload, loss_of: Callable[..., Any], params: Tensors, inputs: Tensors, compiled: bool) -> Program:
    lr = w.optimizer[1]["lr"]
    last: Any = None
    if compiled:
        assert w.optimizer[0] == "sgd"

        @torch.compile(dynamic=False)
        def step(params: Tensors, inputs: Tensors) -> Any:
            gradients, loss = torch.func.grad_and_value(loss_of)(params, inputs)
            for name, gradient in gradients.items():
                params[name].sub_(gradient, alpha=lr)
            return loss

        def run(calls: int) -> None:
            nonlocal last
            for _ in range(calls):
                last = step(params, inputs)

        return Program(run, lambda: number(last))
    return _eager(w, loss_of, params, inputs)


def _eager(w: Workload, loss_of: Callable[..., Any], params: Tensors, inputs: Tensors) -> Program:
    last: Any = None
    for tensor in params.values():
        tensor.requires_grad_()
    rule = torch.optim.SGD if w.optimizer[0] == "sgd" else torch.optim.Adam
    optimizer: Any = rule(list(params.values()), lr=w.optimizer[1]["lr"], fused=True)

    def run(calls: int) -> None:
        nonlocal last
        for _ in range(calls * w.loop):
            optimizer.zero_grad()
            last = loss_of(params, inputs)
            last.backward()
            optimizer.step()

    return Program(run, lambda: number(last.detach()))


def _predict(function: Callable[..., Any], params: Tensors, inputs: Tensors) -> Program:
    last: Any = None

    def run(calls: int) -> None:
        nonlocal last
        with torch.inference_mode():
            for _ in range(calls):
                last = function(params, inputs)

    return Program(run, lambda: numbers(last.numpy()))


# ---------------------------------------------------------------- formulas


def _product(w: Workload, data: Data, compiled: bool) -> Program:
    def value(v: Tensors, _: Tensors) -> Any:
        f = (v["x"] + v["y"]) * v["z"]
        return f, f.sum()

    return _gradient(value, _torch(data.inputs), {}, compiled)


def _neuron(w: Workload, data: Data, compiled: bool) -> Program:
    def value(v: Tensors, _: Tensors) -> Any:
        return torch.sigmoid(torch.dot(v["w"][:2], v["x"]) + v["w"][2])

    return _gradient(value, _torch(data.inputs | data.params), {}, compiled)


def _neuron_many(w: Workload, data: Data, compiled: bool) -> Program:
    def value(v: Tensors, others: Tensors) -> Any:
        if compiled:  # elementwise, which it fuses; eager is faster with the product
            f = torch.sigmoid(others["x"][:, 0] * v["w"][0] + others["x"][:, 1] * v["w"][1] + v["w"][2])
        else:
            f = torch.sigmoid(others["x"] @ v["w"][:2] + v["w"][2])
        return f, f.sum()

    return _gradient(value, _torch(data.params), _torch(data.inputs), compiled)


def _expression(w: Workload, data: Data, compiled: bool) -> Program:
    def value(v: Tensors, _: Tensors) -> Any:
        x = v["x"]
        return (torch.sigmoid(x) * torch.tanh(x) + torch.exp(-x * x)).sum()

    return _gradient(value, _torch(data.inputs), {}, compiled)


def _gmm(w: Workload, data: Data, compiled: bool) -> Program:
    (n, d), k = data.inputs["x"].shape, len(data.params["alphas"])
    rows, columns = (torch.tensor(z) for z in zip(*((j, i) for i in range(d) for j in range(i + 1, d)), strict=True))
    fixed = constant(n, d, k)

    def value(v: Tensors, others: Tensors) -> Any:
        q = torch.exp(v["icf"][:, :d])
        below = torch.zeros(k, d, d, dtype=q.dtype).index_put((torch.arange(k)[:, None], rows, columns), v["icf"][:, d:])
        Q = below + torch.diag_embed(q)
        Qc = (others["x"] - v["means"][:, None]) @ Q.transpose(1, 2)  # k, n, d
        inner = v["alphas"][:, None] + v["icf"][:, :d].sum(1)[:, None] - 0.5 * (Qc * Qc).sum(-1)
        prior = 0.5 * ((q * q).sum() + (v["icf"][:, d:] ** 2).sum())
        return -(torch.logsumexp(inner, 0).sum() - n * torch.logsumexp(v["alphas"], 0) + prior + fixed)

    return _gradient(value, _torch(data.params), _torch(data.inputs), compiled)


# ---------------------------------------------------------------- networks


def _net(w: Workload, scores: Any, params: Tensors, data: Data, compiled: bool, x: Any = None) -> Program:
    inputs = _torch(data.inputs)
    inputs["x"] = inputs["x"] if x is None else x
    if w.kind == "predict":
        return _predict(scores, params, inputs)
    return _train(w, lambda p, i: F.cross_entropy(scores(p, i), i["y"]), params, inputs, compiled)


def _xor(w: Workload, data: Data, compiled: bool) -> Program:
    def loss(p: Tensors, i: Tensors) -> Any:
        z = torch.addmm(p["b2"], torch.tanh(torch.addmm(p["b1"], i["x"], p["W1"])), p["W2"])
        return F.binary_cross_entropy_with_logits(z, i["y"])

    return _train(w, loss, _torch(data.params), _torch(data.inputs), compiled)


def _mlp(w: Workload, data: Data, compiled: bool) -> Program:
    layers = len(data.params) // 2
    params = _torch({name: np.ascontiguousarray(array.T) for name, array in data.params.items()})  # as nn.Linear has it

    def scores(p: Tensors, i: Tensors) -> Any:
        x = i["x"]
        for k in range(1, layers + 1):
            x = F.linear(x, p[f"W{k}"], p[f"b{k}"])
            x = F.relu(x) if k < layers else x
        return x

    if w.model != "mlp_l2":
        return _net(w, scores, params, data, compiled)

    def loss(p: Tensors, i: Tensors) -> Any:
        return F.cross_entropy(scores(p, i), i["y"]) + 1e-3 * (p["W1"].square().sum() + p["W2"].square().sum())

    return _train(w, loss, params, _torch(data.inputs), compiled)


def _channels_last(data: Data) -> tuple[Tensors, Any]:
    params = _torch(data.params)
    params["head.W"] = params["head.W"].T.contiguous()
    for name, tensor in params.items():
        if tensor.ndim == 4:
            params[name] = tensor.contiguous(memory_format=torch.channels_last)
    x = torch.from_numpy(data.inputs["x"].copy())
    return params, x.contiguous(memory_format=torch.channels_last)


def _cnn(w: Workload, data: Data, compiled: bool) -> Program:
    pools = {"cnn": (1, 2), "cnn3": (2, 3)}[w.model]
    params, x = _channels_last(data)

    def scores(p: Tensors, i: Tensors) -> Any:
        h = i["x"]
        for k in range(1, max(pools) + 1):
            W = p[f"conv_{k}.W"]
            h = F.relu(F.conv2d(h, W, p[f"conv_{k}.b"], padding=W.shape[-1] // 2))
            h = F.max_pool2d(h, 2) if k in pools else h
        return F.linear(h.flatten(1), p["head.W"], p["head.b"])

    return _net(w, scores, params, data, compiled, x)


def _batch_norm(w: Workload, data: Data, compiled: bool) -> Program:
    params, x = _channels_last(data)
    running = {k: (torch.zeros_like(params[f"norm_{k}.gain"]), torch.ones_like(params[f"norm_{k}.gain"])) for k in (1, 2, 3)}

    def scores(p: Tensors, i: Tensors) -> Any:
        h = i["x"]
        for k in (1, 2, 3):
            h = F.conv2d(h, p[f"conv_{k}.W"], padding=1)
            h = F.relu(F.batch_norm(h, *running[k], p[f"norm_{k}.gain"], p[f"norm_{k}.bias"], training=True))
        return F.linear(h.mean(dim=(2, 3)), p["head.W"], p["head.b"])

    return _net(w, scores, params, data, compiled, x)


def _recurrent(w: Workload, data: Data, compiled: bool) -> Program:
    """nn.LSTM and nn.GRU, time first. Ours has one bias where nn.LSTM adds two."""
    x = torch.from_numpy(np.ascontiguousarray(data.inputs["x"].transpose(1, 0, 2)))
    kind = nn.LSTM if w.model == "lstm" else nn.GRU
    units = data.params["cell.U"].shape[0]
    layer: Any = kind(x.shape[2], units).to(x.dtype)
    second = data.params.get("cell.c", np.zeros_like(data.params["cell.b"]))
    own = (data.params["cell.W"].T, data.params["cell.U"].T, data.params["cell.b"], second)
    for tensor, array in zip(layer.parameters(), own, strict=True):
        tensor.data.copy_(torch.from_numpy(np.ascontiguousarray(array)))
    if w.kind == "predict":
        program = _predict(lambda _, i: layer(i["x"])[0], {}, {"x": x})
        return Program(program.run, lambda: numbers(layer(x)[0].detach().numpy().transpose(1, 0, 2)))
    last: Any = None

    def run(calls: int) -> None:
        nonlocal last
        for _ in range(calls):
            layer.zero_grad()
            last = layer(x)[0].square().mean()
            last.backward()

    def found() -> Any:
        W, U, b, c = (p.grad.numpy() for p in layer.parameters())
        return numbers(last.detach(), W.T, U.T, b, *((c,) if w.model == "gru" else ()))

    return Program(run, found)


def _bag(w: Workload, data: Data, compiled: bool) -> Program:
    """nn.EmbeddingBag with sparse gradients, and SGD on them; the fused SGD does not take sparse ones."""
    table = nn.EmbeddingBag.from_pretrained(torch.from_numpy(data.params["E"].copy()), freeze=False, mode="mean", sparse=True)
    head = {"W": torch.from_numpy(data.params["W"].T.copy()), "b": torch.from_numpy(data.params["b"].copy())}
    params = [p.requires_grad_() for p in head.values()]
    sparse = torch.optim.SGD(table.parameters(), lr=w.optimizer[1]["lr"])
    dense = torch.optim.SGD(params, lr=w.optimizer[1]["lr"], fused=True)
    words, y = torch.from_numpy(data.inputs["words"]), torch.from_numpy(data.inputs["y"])
    last: Any = None

    def run(calls: int) -> None:
        nonlocal last
        for _ in range(calls):
            sparse.zero_grad()
            dense.zero_grad()
            last = F.cross_entropy(F.linear(table(words), head["W"], head["b"]), y)
            last.backward()
            sparse.step()
            dense.step()

    return Program(run, lambda: number(last.detach()))


def _transformer(w: Workload, data: Data, compiled: bool) -> Program:
    heads = 4
    params = {name: tensor.T.contiguous() if name.endswith(".W") and name != "word.W" else tensor
              for name, tensor in _torch(data.params).items()}  # fmt: skip

    def norm(p: Tensors, name: str, x: Any) -> Any:
        return F.layer_norm(x, x.shape[-1:], p[f"{name}.gain"], p[f"{name}.bias"])

    def dense(p: Tensors, name: str, x: Any) -> Any:
        return F.linear(x, p[f"{name}.W"], p[f"{name}.b"])

    def loss(p: Tensors, i: Tensors) -> Any:
        h = F.embedding(i["tokens"], p["word.W"]) + p["place"]
        n, t, width = h.shape
        for block in ("block_1", "block_2"):
            qkv = dense(p, f"{block}.attention.qkv", norm(p, f"{block}.norm_1", h))
            q, k, v = qkv.view(n, t, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            h = h + dense(p, f"{block}.attention.out", mixed.transpose(1, 2).reshape(n, t, width))
            h = h + dense(p, f"{block}.out", F.gelu(dense(p, f"{block}.hidden", norm(p, f"{block}.norm_2", h))))
        scores = dense(p, "head", norm(p, "norm", h))
        return F.cross_entropy(scores.view(-1, scores.shape[-1]), i["next_tokens"].reshape(-1))

    return _train(w, loss, params, _torch(data.inputs), compiled)
