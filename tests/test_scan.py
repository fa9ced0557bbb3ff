"""Loops at run time: values and gradients of a `scan` against PyTorch and against the same loop unrolled."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradwright.compiler.derive.reverse import Seed, differentiate_all
from gradwright.compiler.driver import compile_model
from gradwright.compiler.graph.ir import Eqn, Graph, Model, Scan, Value
from gradwright.compiler.graph.shapes import Dim
from gradwright.compiler.graph.text import parse_graph, show_graph
from gradwright.compiler.loops.buffers import lower
from gradwright.compiler.meaning.interpret import run
from gradwright.compiler.passes import AFTER, BEFORE, KERNEL, Pass, apply
from gradwright.compiler.passes.costs import multiplies
from gradwright.compiler.passes.kernels import plan
from gradwright.runtime import Adam, gradcheck, load
from hypothesis import example, given
from hypothesis import strategies as st
from support import settings
from support.kernels import build_graphs
from support.loops import random_loop
from support.models import build, elaborated, errors, values, warnings
from support.modules import Modules, build_modules, drawn
from support.settings import thoroughly

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


@dataclass(frozen=True)
class Case:
    text: str
    torch: Callable[..., dict[str, Any]]  # from tensors by name, and N and T, to outputs
    least: int = 0  # of N
    positive: bool = False


def zeros(*shape: int, like: Any) -> Any:
    return torch.zeros(shape, dtype=like.dtype)


def stacked(rows: list[Any], *shape: int, like: Any) -> Any:
    return torch.stack(rows) if rows else zeros(0, *shape, like=like)


def lstm(x: Any, W: Any, b: Any, N: int, T: int) -> dict[str, Any]:
    H = len(b) // 4
    h, c, hs = zeros(N, H, like=x), zeros(N, H, like=x), []
    for t in range(T):
        i, f, o, g = (torch.cat([x[:, t], h], 1) @ W + b).split(H, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        hs.append(h)
    return {"h": h, "c": c, "hs": stacked(hs, N, H, like=x)}


def gru(x: Any, Wz: Any, Wr: Any, Wn: Any, h0: Any, N: int, T: int) -> dict[str, Any]:
    h, hs = h0, []
    for t in range(T):
        both = torch.cat([x[t], h], 1)
        z, r = (both @ Wz).sigmoid(), (both @ Wr).sigmoid()
        n = (torch.cat([x[t], r * h], 1) @ Wn).tanh()
        h = (1 - z) * n + z * h
        hs.append(h)
    return {"h": h, "hs": stacked(hs, N, h0.shape[1], like=x)}


def rnn(x: Any, W: Any, U: Any, N: int, T: int) -> dict[str, Any]:
    H = len(U)
    forward, backward = zeros(N, H, like=x), zeros(N, H, like=x)
    fs, bs = [], [None] * T
    for t in range(T):
        forward = (x[:, t] @ W + forward @ U).tanh()
        fs.append(forward)
    for t in reversed(range(T)):
        backward = (x[:, t] @ W + backward @ U).tanh()
        bs[t] = backward
    both = torch.cat([stacked(fs, N, H, like=x), stacked(bs, N, H, like=x)], 2)
    return {"both": both, "back": backward}


def sums(x: Any, a: Any, N: int, T: int) -> dict[str, Any]:
    s, e, ss, es = zeros(like=x), zeros(like=x), [], []
    for t in range(T):
        s = s + x[t]
        e = (1 - a) * e + a * x[t] / (t + 1)
        ss.append(s)
        es.append(e + t)
    return {"s": s, "ss": stacked(ss, like=x), "es": stacked(es, like=x)}


def affine(x: Any, N: int, T: int) -> dict[str, Any]:
    a, b, seen = zeros(N, like=x), zeros(N, like=x), []
    for t in range(1, T + 1):
        a = 0.5 * a + x[:, 2 * t - 1] * x[:, 2 * T - 2 * t]
        seen.append(a * x[:, t - 1])
    for t in reversed(range(T)):
        b = b * x[:, t + T].sin() + t
    return {"a": a, "b": b, "seen": stacked(seen, N, like=x)}


def grid(x: Any, a: Any, N: int, T: int) -> dict[str, Any]:
    """Two loops, one in the other: each cell from its left and upper neighbours."""
    row, rows = zeros(N, like=x), []
    for t in range(T):
        cell, cells = zeros(like=x), []
        for k in range(N):
            cell = (a * cell + row[k] + x[t, k]).tanh()
            cells.append(cell)
        row = stacked(cells, like=x)
        rows.append(row)
    return {"row": row, "rows": stacked(rows, N, like=x)}


def newton(x: Any, N: int, T: int) -> dict[str, Any]:
    r, n, steps = x, 0, []
    for _ in range(T):
        r = 0.5 * (r + x / r)
        n += 1
        steps.append(r)
        if float((r**2 - x).abs().max().detach()) < 1e-3:
            break
    steps += [zeros(N, like=x)] * (T - len(steps))
    return {"r": r, "n": torch.tensor(float(n), dtype=x.dtype), "steps": stacked(steps, N, like=x)}


def last_until(x: Any, N: int, T: int) -> dict[str, Any]:
    """Backwards, and early out."""
    s, k, seen = zeros(N, like=x), 0, {}
    for t in reversed(range(T)):
        s = s * 0.5 + x[t]
        seen[t] = s * s
        k += 1  # noqa: SIM113
        if k >= 3:
            break
    return {"s": s, "seen": stacked([seen.get(t, zeros(N, like=x)) for t in range(T)], N, like=x)}


def tokens(words: Any, E: Any, W: Any, N: int, T: int) -> dict[str, Any]:
    h, best = zeros(N, 3, like=E), torch.zeros(N, dtype=torch.long)
    for t in range(T):
        h = (E[words[:, t]] + E[best] + h @ W).tanh()
        best = h.argmax(1)
    return {"h": h}


def layered(x: Any, **p: Any) -> dict[str, Any]:
    N, T = p["N"], p["T"]
    h = zeros(N, 3, like=x)
    for t in range(T):
        q = x[:, t]
        for k in (1, 2):
            q = (q @ p[f"mix_{k}.W"] + 0.5 * k).tanh()
        h = h + q - 0.1 * h**2
    return {"f": h * h, "g": (x.sum(1) if T else zeros(N, 3, like=x)) * 1.0}


def head(x: Any, W: Any, U: Any, V: Any, N: int, T: int) -> dict[str, Any]:
    h, ys, total = zeros(N, 12, like=x), [], zeros(like=x)
    for t in range(T):
        h = (x[t] @ W + h @ U).tanh()
        y = h @ V
        ys.append(y.sigmoid())
        total = total + (y**2).sum() / (t + 1)
    return {"ys": stacked(ys, N, 10, like=x), "total": total, "h": h}


def inner(x: Any, W: Any, U: Any, R: Any, N: int, T: int) -> dict[str, Any]:
    """A loop in a loop, with products of what the inner steps wait for, of what only the outer ones do, and of neither."""
    h, hs = zeros(N, 12, like=x), []
    for t in range(T):
        q = h
        for k in reversed(range(3)):
            q = (x[t] @ W + h @ R + q @ U * (k + 1) / 3).tanh()
        h = q + h / 2
        hs.append(h @ R)
    return {"h": h, "hs": stacked(hs, N, 12, like=x)}


def settling(x: Any, W: Any, U: Any, N: int, T: int) -> dict[str, Any]:
    h, hs = zeros(N, 12, like=x), []
    for t in range(min(T, 4)):
        h = (torch.cat([x[t], h], 1) @ torch.cat([W, U])).tanh()
        hs.append(h @ U)
    return {"h": h, "hs": stacked(hs + [zeros(N, 12, like=x)] * (T - len(hs)), N, 12, like=x)}


def read(words: Any, E: Any, W: Any, U: Any, N: int, T: int) -> dict[str, Any]:
    h = zeros(N, 12, like=E)
    for t in range(T):
        h = (E[words[:, t]] @ W + h @ U).tanh()
    return {"h": h}


# Cells; their sizes stand before.
LSTM = """input x[N, T, D]
param W[D + H, 4*H] ~ glorot_uniform
param b[4*H] ~ normal(0, 1)
scan t in range(T):
    carry h = zeros(N, H)
    carry c = zeros(N, H)
    i, f, o, g = split(concat(x[:, t], h, axis=1) @ W + b, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(c)
    emit hs = h
output h, c, hs
"""
GRU = """input x[T, N, D], h0[N, H]
param Wz[D + H, H] ~ glorot_uniform
param Wr[D + H, H] ~ glorot_uniform
param Wn[D + H, H] ~ glorot_uniform
scan t in range(T):
    carry h = h0
    both = concat(x[t], h, axis=1)
    z = sigmoid(both @ Wz)
    r = sigmoid(both @ Wr)
    n = tanh(concat(x[t], r * h, axis=1) @ Wn)
    h = (1 - z) * n + z * h
    emit hs = h
output h, hs
"""
BOTH_WAYS = """input x[N, T, D]
param W[D, H] ~ glorot_uniform
param U[H, H] ~ glorot_uniform
scan t in range(T):
    carry forth = zeros(N, H)
    forth = tanh(x[:, t] @ W + forth @ U)
    emit fs = forth
scan t in reversed(range(T)):
    carry back = zeros(N, H)
    back = tanh(x[:, t] @ W + back @ U)
    emit bs = back
output both = concat(fs, bs, axis=2)
output back
"""

CASES: dict[str, Case] = {
    "lstm": Case("size N, T, D = 3, H = 4\n" + LSTM, lstm),
    "gru": Case("size N, T, D = 3, H = 4\n" + GRU, gru),
    "both_ways": Case("size N, T, D = 3, H = 4\n" + BOTH_WAYS, rnn),
    "sums": Case(
        """size N, T
input x[T], n[N]
param a = 0.25
scan t in range(T):
    carry s = 0
    carry e = 0
    s = s + x[t]
    emit ss = s
    e = (1 - a) * e + a * x[t] / (t + 1)
    emit es = e + t
output s, ss, es
""", lambda x, a, n, N, T: sums(x, a, N, T)),
    "affine": Case(
        """size N, T
input x[N, 2*T]
scan t in range(1, T + 1):
    carry a = zeros(N)
    a = 0.5 * a + x[:, 2*t - 1] * x[:, 2*T - 2*t]
    emit seen = a * x[:, t - 1]
scan t in reversed(range(T)):
    carry b = zeros(N)
    b = b * sin(x[:, t + T]) + t
output a, b, seen
""", affine),
    "grid": Case(
        """size N, T
input x[T, N]
param a = 0.5
scan t in range(T):
    carry row = zeros(N)
    scan k in range(N):
        carry cell = 0
        cell = tanh(a * cell + row[k] + x[t, k])
        emit cells = cell
    row = cells
    emit rows = row
output row, rows
""", grid),
    "newton": Case(
        """size N, T
input x[N]
index time[T] < 2
scan k in range(T) until max(abs(r**2 - x)) < 1e-3:
    carry r = x
    carry n = 0
    r = 0.5 * (r + x / r)
    n = n + 1
    emit steps = r
output r, n, steps
""", lambda x, time, N, T: newton(x, N, T), least=1, positive=True),
    "last_until": Case(
        """size N, T
input x[T, N]
scan t in reversed(range(T)) until k >= 3:
    carry s = zeros(N)
    carry k = 0
    s = s * 0.5 + x[t]
    k = k + 1
    emit seen = s * s
output s, seen
""", last_until),
    "tokens": Case(
        """size N, T, V = 5, H = 3
index words[N, T] < V
index start[N] < H
param E[V, H] ~ normal(0, 1)
param W[H, H] ~ normal(0, 1)
scan t in range(T):
    carry h = zeros(N, H)
    carry best = 0 * start |> argmaxed
    h = tanh(E[words[:, t]] + E[best] + h @ W)
    best = argmax(h, axis=1)
output h
def argmaxed(z) = argmax(stack(z, z, z, axis=1), axis=1)
""", lambda words, start, E, W, N, T: tokens(words, E, W, N, T)),
    "layered": Case(
        """size N, T
input x[N, T, 3]
layer mix(q[..., D], k):
    param W[D, D] ~ normal(0, 1)
    return tanh(q @ W + 0.5 * k)
def total(z):
    scan t in range(extent(z, 1)):
        carry s = zeros(extent(z, 0), extent(z, 2))
        s = s + z[:, t]
    return s
scan t in range(T):
    carry h = zeros(N, 3)
    q = x[:, t]
    for k in [1, 2]:
        q = mix(q, k)
    h = h + q - 0.1 * h**2
output f = h * h
output g = total(x)
""", layered),
    # so wide that products leave the loop
    "wide_lstm": Case("size N, T, D = 8, H = 16\n" + LSTM, lstm),
    "wide_gru": Case("size N, T, D = 9, H = 10\n" + GRU, gru),
    "wide_both_ways": Case("size N, T, D = 20, H = 30\n" + BOTH_WAYS, rnn),
    "head": Case(
        """size N, T, D = 8, H = 12, C = 10
input x[T, N, D]
param W[D, H] ~ glorot_uniform
param U[H, H] ~ glorot_uniform
param V[H, C] ~ glorot_uniform
scan t in range(T):
    carry h = zeros(N, H)
    carry total = 0
    h = tanh(x[t] @ W + h @ U)
    y = h @ V
    emit ys = sigmoid(y)
    total = total + sum(y**2) / (t + 1)
output ys, total, h
""", head),
    "inner": Case(
        """size N, T, H = 12
input x[T, N, H]
param W[H, H] ~ glorot_uniform
param U[H, H] ~ glorot_uniform
param R[H, H] ~ glorot_uniform
scan t in range(T):
    carry h = zeros(N, H)
    scan k in reversed(range(3)):
        carry q = h
        q = tanh(x[t] @ W + h @ R + q @ U * (k + 1) / 3)
    h = q + h / 2
    emit hs = h @ R
output h, hs
""", inner),
    "settling": Case(
        """size N, T, H = 12
input x[T, N, H]
param W[H, H] ~ glorot_uniform
param U[H, H] ~ glorot_uniform
scan t in range(T) until k >= 4:
    carry h = zeros(N, H)
    carry k = 0
    h = tanh(concat(x[t], h, axis=1) @ concat(W, U, axis=0))
    emit hs = h @ U
    k = k + 1
output h, hs
""", settling),
    "read": Case(
        """size N, T, V = 5, H = 12
index words[N, T] < V
param E[V, H] ~ normal(0, 1)
param W[H, H] ~ normal(0, 1)
param U[H, H] ~ normal(0, 1)
scan t in range(T):
    carry h = zeros(N, H)
    h = tanh(E[words[:, t]] @ W + h @ U)
output h
""", read),
}  # fmt: skip


NARROW = ("lstm", "grid", "last_until", "tokens", "wide_lstm", "inner")  # in float32 as well


@pytest.fixture(scope="module", params=["float64", "float32"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[bool, dict[str, Modules]]:
    single = request.param == "float32"
    names = [name for name in CASES if not single or name in NARROW]
    models = [build(CASES[name].text, dtype=request.param, name=f"{name}.gw") for name in names]
    made = build_modules(models, [{}] * len(models), tmp_path_factory.mktemp(request.param), single, level=0)
    return single, dict(zip(names, made, strict=True))


def close(found: Any, wanted: Any, tolerance: float, what: str) -> None:
    found, wanted = np.asarray(found, float), np.asarray(wanted, float)
    assert found.shape == wanted.shape, what
    gap = np.linalg.norm(found - wanted) if found.size else 0.0
    assert gap <= tolerance * max(1, np.linalg.norm(wanted)), f"{what}: {gap}"


@pytest.mark.parametrize("steps", [0, 1, 2, 7])
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_those_of_pytorch(name: str, steps: int, built: tuple[bool, dict[str, Modules]]) -> None:
    single, made = built[0], built[1].get(name)
    if made is None:
        pytest.skip("in float64 alone")
    case, tolerance = CASES[name], 1e-4 if single else 1e-10
    for n in (0, 1, 3):
        if n < case.least:
            continue
        sizes = {"N": n, "T": steps}
        rng = np.random.default_rng(10 * steps + n)
        inputs = drawn(made, sizes, rng, (0.5, 3) if case.positive else None)
        for module in (made.compiled, made.numpy):
            model = module.Model(seed=3)
            tensors: dict[str, Any] = {}
            for key, value in {
                **inputs,
                **{p.value.name: np.array(model.params[p.value.name]) for p in made.plan.model.params},
            }.items():
                tensors[key] = torch.tensor(value)
                if tensors[key].is_floating_point():
                    tensors[key] = tensors[key].double().requires_grad_(True)
            wanted = case.torch(**tensors, **sizes)
            upstream = {k: rng.normal(size=v.shape) for k, v in wanted.items()}
            out, g = (
                model.value_and_grad(upstream, **inputs)
                if len(wanted) > 1
                else model.value_and_grad(next(iter(upstream.values())), **inputs)
            )
            for output, value in wanted.items():
                where = f"{name}.{output}, {sizes}"
                close(out[output], value.detach().numpy(), tolerance, where)
                mine = g[output] if len(wanted) > 1 else g
                for key, tensor in tensors.items():
                    if not tensor.is_floating_point():
                        continue
                    slope = None
                    if value.requires_grad:
                        (slope,) = torch.autograd.grad(value, tensor, torch.tensor(upstream[output]), retain_graph=True,
                                                       allow_unused=True)  # fmt: skip
                    whole = np.zeros(tuple(tensor.shape)) if slope is None else slope.numpy()
                    close(mine[key], whole, tolerance, f"d {where} / d {key}")


@pytest.mark.parametrize("name", CASES)
def test_the_graph_prints_as_it_reads(name: str) -> None:
    model = build(CASES[name].text)
    assert parse_graph(show_graph(model.graph)) == model.graph


@pytest.mark.parametrize("name", ["lstm", "grid", "last_until", "tokens"])
def test_the_interpreter_agrees(name: str, built: tuple[bool, dict[str, Modules]]) -> None:
    made = built[1][name]
    rng = np.random.default_rng(0)
    inputs = drawn(made, {"N": 3, "T": 5}, rng, (0.5, 3) if CASES[name].positive else None)
    model = made.numpy.Model(seed=1)
    out = model.forward(**inputs)
    params = {p.value.name: np.asarray(model.params[p.value.name]) for p in made.plan.model.params}
    for graph in (made.plan.model.graph, made.plan.forward):
        found = run(graph, inputs | params, {"N": 3, "T": 5})
        for o in made.plan.model.outputs:
            close(found[o.value], out[o.name], 1e-5 if built[0] else 1e-13, o.name)


# ---------------------------------------------------------------- where carries and emits lie

STEPS = {
    "each in its place": "    c = 0.5 * c + x[t]\n    d = d * c\n    emit e = c",
    "exchanged": "    was = c\n    c = d\n    d = was + x[t]\n    emit e = c",
    "what was": "    emit e = c\n    was = c\n    c = c + x[t]\n    d = d + was * c",
    "turned": "    n[i, j] = d[i, 2 - j] for i in range(N) for j in range(3)\n    d = n + x[t]\n    emit e = d",
    "moved on": "    c = concat(c[:, 1:], x[t, :, :1], axis=1)\n    emit e = c * d",
    "rows": "    c = c - mean(c, axis=1, keepdims=True) + x[t]\n    emit e = c",
    "columns": "    c = c - mean(c, axis=0) + x[t]\n    emit e = c",
    "added up": "    c = c + x[t] @ W\n    d[i, j] = d[i, j] + sum(x[t, k, i] * W[k, j] for k if k < N)"
                " for i in range(N) for j in range(3)\n    emit e = x[t]",
    "twice": "    c = c + x[t]\n    emit e = c\n    emit f = c\n    emit g = x[t]",
    "parts": "    p, q, r = split(c, 3, axis=1)\n    c = concat(r * x[t, :, :1], p, q, axis=1) + d\n    emit e = p",
    "early": "    c = c + x[t]\n    emit e = c",
}  # fmt: skip


@pytest.mark.parametrize("name", STEPS)
def test_no_carry_is_overwritten_before_it_is_read(name: str) -> None:
    """Generated code computes carries and emits where they lie as far as it may; the interpreter knows nothing of that."""
    until = " until c[0, 0] > 2" if name == "early" else ""
    text = f"""size N, T
input x[T, N, 3], c0[N, 3], d0[N, 3]
param W[3, 3] ~ normal(0, 1)
scan t in range(T){until}:
    carry c = c0
    carry d = d0
{STEPS[name]}
output c, d, e{", f, g" if name == "twice" else ""}
minimize sum(c * d) + sum(e**2)
"""
    if name == "added up":
        text = text.replace(" if k < N", "").replace("for k)", "for k in range(N))").replace("W[k, j]", "x[t, k, j]")
        text = text.replace("d0[N, 3]", "d0[3, 3]").replace("for i in range(N) for j", "for i in range(3) for j")
        text = text.replace("sum(c * d)", "sum(c) * sum(d)")
    model = load(text, backend="cython", optimize=settings.little(), name="places").Model(seed=1)
    graph = build(text).graph
    for steps in (0, 1, 4):
        rng = np.random.default_rng(steps)
        sizes = {"N": 2, "T": steps}
        inputs = {v.name: rng.normal(size=tuple(d.evaluate(sizes) for d in v.shape)) for v in graph.inputs}
        W = inputs.pop("W", None)
        if W is not None:
            model.params["W"] = W
        out, g = model.value_and_grad(**inputs)
        wanted = run(graph, inputs | ({} if W is None else {"W": W}), sizes)
        shown = {o.name: o.value for o in build(text).outputs}
        for key, value in shown.items():
            close(out[key], wanted[value], 1e-13, f"{name}: {key}")
        assert gradcheck(model, **inputs)


# ---------------------------------------------------------------- grids


def test_the_gradient_of_a_grid_is_that_of_differences() -> None:
    """Heat that flows to the neighbours, over some steps: no scatter is left, and the gradient is right."""
    text = """size T
input u0[6, 20]
param k[6, 20] = 0.1
scan t in range(T):
    carry u = u0
    flow[i, j] = u[i - 1, j] pad + u[i + 1, j] pad + u[i, j - 1] pad + u[i, j + 1] pad - 4 * u[i, j]
        for i in range(6) for j in range(20)
    u = u + k * flow
minimize mean(u**2)
"""
    model = compile_model(text, stop_after="cython", name="grid")
    kernels = str(next(iter(model.value.values()))).split("# What follows")[0]
    assert "flow_pad" in kernels and not re.search(r"\bif 0 <= [jkl]\b", kernels)
    report = gradcheck(load(text, name="grid").Model(), u0=np.random.default_rng(0).normal(size=(6, 20)), T=5)
    assert report, report


# ---------------------------------------------------------------- unrolled

STEP = """    both = concat(x[:, t], h, axis=1)
    c = sigmoid(both @ F) * c + sigmoid(both @ I) * tanh(both @ G)
    h = sigmoid(both @ O) * tanh(c)
"""
HEAD = "size N, T = 5\ninput x[N, T, 3], h0[N, 4], target[N, 4]\n" + "".join(
    f"param {n}[7, 4] ~ normal(0, 0.5)\n" for n in "FIGO"
)
LOSS = "output h\nminimize mean((h - target)**2) + 0.1 * mean(c**2)\ngradient loss wrt x, h0, F, I, G, O\n"
SCAN = f"{HEAD}scan t in range(T):\n    carry h = h0\n    carry c = zeros(N, 4)\n{STEP}{LOSS}"
UNROLLED = f"{HEAD}h = h0\nc = zeros(N, 4)\nfor t in range(T):\n{STEP}{LOSS}"


@pytest.mark.parametrize("backend", ["numpy", "cython"])
def test_a_loop_has_the_gradient_of_the_unrolled_one(backend: str) -> None:
    rng = np.random.default_rng(0)
    inputs = {"x": rng.normal(size=(6, 5, 3)), "h0": rng.normal(size=(6, 4)), "target": rng.normal(size=(6, 4))}
    loop = load(SCAN, backend=backend, name="loop", optimize=settings.little()).Model(seed=2)
    flat = load(UNROLLED, backend=backend, name="flat", optimize=settings.little()).Model(seed=2)
    (a, g), (b, wanted) = loop.value_and_grad(**inputs), flat.value_and_grad(**inputs)
    close(a.loss, b.loss, 1e-14, "loss")
    for name in ("x", "h0", "F", "I", "G", "O"):
        close(g[name], wanted[name], 1e-12, name)


def test_the_generated_code_does_not_grow_with_the_steps() -> None:
    def code(steps: int) -> list[str]:
        text = compile_model(SCAN, sizes={"T": steps}, stop_after="cython", name="loop").text
        lines = text[text.index("cdef void") : text.index("_SPEC")].split("\n")
        return [line for line in lines if not line.startswith("    cdef ")]  # these are wrapped where numbers are long

    few, many = code(100), code(10000)  # below that, a loop is too short to be shared out to threads
    assert len(few) == len(many) < 1200
    different = [(a, b) for a, b in zip(few, many, strict=True) if a != b]
    for a, b in different:
        assert re.sub(r"\d+", "#", a) == re.sub(r"\d+", "#", b), (a, b)


def test_what_is_kept_grows_as_steps_times_state(built: tuple[bool, dict[str, Modules]]) -> None:
    made = built[1]["lstm"]
    forward = next(k for k in made.plan.kernels if k.name == "forward")
    kept = [forward.kept.evaluate({"N": 8, "T": t}) for t in (10, 20, 30)]
    assert kept[2] - kept[1] == kept[1] - kept[0] <= 10 * 8 * (7 * 4 + 3)  # h, c, five gates and at most the slice of x


def products(graph: Graph) -> list[list[str]]:
    """The products in each loop of a graph, one in another among them."""
    found: list[list[str]] = []
    for eqn in graph.eqns:
        if isinstance(eqn, Scan):
            found.append([e.out.name for e in eqn.body.eqns if isinstance(e, Eqn) and multiplies(e)])
            found += products(eqn.body)
    return found


@pytest.mark.parametrize(
    ("name", "forward", "backward"),
    [
        ("wide_lstm", [1], [1]),  # h @ W[D:], and d_z @ W[D:].T: no weight's gradient, nothing that is taken of x
        ("wide_gru", [3], [3]),
        ("wide_both_ways", [1, 1], [1, 1]),
        ("head", [1], [1]),  # nothing of V, neither where it is emitted nor where it is only summed
        ("inner", [1, 1], [2, 1, 1]),  # h @ R in the outer loop, q @ U in the inner one, which is run again for its gradient
        ("settling", [2], [4]),  # it may end early: nothing is done ahead
        ("read", [1], [1]),
    ],
)
def test_only_products_that_wait_for_a_step_are_in_a_loop(name: str, forward: list[int], backward: list[int]) -> None:
    loss = {"head": "sum(ys**2) + total + sum(h**2)", "inner": "sum(h**2) + sum(hs**2)"}.get(name, "sum(h**2)")
    if name in ("wide_both_ways", "settling"):
        loss = "sum(both**2)" if name == "wide_both_ways" else "sum(h**2) + sum(hs**2)"
    made = plan(build(f"{CASES[name].text}minimize {loss}\n"))
    assert [len(p) for p in products(made.forward)] == forward
    assert [len(p) for p in products(made.whole)] == [*forward, *backward]


def gradients(model: Model, before: Sequence[Pass], after: Sequence[Pass]) -> tuple[Graph, dict[str, str]]:
    """The graph with the backward pass of the sum of all targets, and which of its values are whose gradients."""
    graph = apply(before, model.graph)
    values = graph.values()
    wanted = list(dict.fromkeys(t.value for t in model.targets))
    graph = replace(graph, inputs=(*graph.inputs, *(Value(f"up_{t}", values[t].shape) for t in wanted)))
    names = [v.name for v in model.graph.inputs]
    back = differentiate_all(graph, [(t, Seed(f"up_{t}")) for t in wanted], names)
    whole = replace(back.graph, outputs=tuple(dict.fromkeys((*graph.outputs, *back.adjoints))))
    return apply(after, whole), dict(zip(names, back.adjoints, strict=True))


def agree(model: Model, others: Sequence[Model], steps: Sequence[int], what: str) -> None:
    """Values and gradients of the graph as it stands, of what the passes make of it, and the same of others."""
    plain, adjoints = gradients(model, (), ())
    changed = [gradients(m, BEFORE, (*AFTER, *KERNEL)) for m in (model, *others)]
    for t in steps:
        rng = np.random.default_rng(t)
        sizes = {"N": 3, "T": t}
        inputs = {v.name: rng.normal(size=tuple(d.evaluate(sizes) for d in v.shape)) for v in plain.inputs}
        wanted = run(plain, inputs, sizes)
        for graph, names in changed:
            found = run(graph, inputs, sizes)
            for o in model.outputs:
                close(found[o.value], wanted[o.value], 1e-12, f"{what}, {t} steps: {o.name}")
            for name, adjoint in adjoints.items():
                close(found[names[name]], wanted[adjoint], 1e-12, f"{what}, {t} steps: d {name}")


@pytest.mark.parametrize("name", ["wide_lstm", "wide_gru", "head"])
def test_what_leaves_a_loop_leaves_its_values(name: str) -> None:
    """Also of a loop that saves memory."""
    agree(build(CASES[name].text), [build(again(CASES[name].text))], (0, 1, 2, 9), name)


@example(1009)  # what one product behind the loop reads is itself made behind it for another
@given(st.integers(0, 10**6))
@thoroughly(30)
def test_random_loops_keep_their_values(seed: int) -> None:
    text, _ = random_loop(seed)
    agree(build(text), [], (0, 1, 3), text)


def test_random_loops_compiled(tmp_path: Path) -> None:
    """What is generated is what the interpreter says of the graph that no pass has seen."""
    models = [build(random_loop(seed)[0]) for seed in range(8)]
    plain = [gradients(m, (), ()) for m in models]
    changed = [gradients(m, BEFORE, AFTER) for m in models]
    kernels = build_graphs([graph for graph, _ in changed], tmp_path, level=settings.level)
    for k, kernel in enumerate(kernels):
        for t in (0, 1, 4):
            rng = np.random.default_rng(t)
            sizes = {"N": 2, "T": t}
            inputs = {v.name: rng.normal(size=tuple(d.evaluate(sizes) for d in v.shape)) for v in plain[k][0].inputs}
            found, wanted = kernel(inputs, sizes), run(plain[k][0], inputs, sizes)
            for name, adjoint in plain[k][1].items():
                close(found[changed[k][1][name]], wanted[adjoint], 1e-11, f"{k}, {t} steps: d {name}")


def again(text: str) -> str:
    """With every loop run again for its gradient."""
    return re.sub(r"^(\s*scan .*):$", r"\1 recompute:", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", ["lstm", "both_ways", "last_until"])
def test_a_loop_that_is_run_again_gives_the_same_bits(name: str) -> None:
    plain = load(CASES[name].text, backend="numpy", name="plain").Model(seed=1)
    cut = load(again(CASES[name].text), backend="numpy", name="cut").Model(seed=1)
    made = build(CASES[name].text)
    for steps in (0, 1, 3, 4, 7, 30):
        rng = np.random.default_rng(steps)
        sizes = {"N": 2, "T": steps}
        inputs = {i.value.name: rng.normal(size=tuple(d.evaluate(sizes) for d in i.value.shape)) for i in made.inputs}
        out = plain.forward(**inputs)
        ups = {o.name: rng.normal(size=out[o.name].shape) for o in made.outputs}
        (a, g), (b, again_g) = plain.value_and_grad(ups, **inputs), cut.value_and_grad(ups, **inputs)
        for o in made.outputs:
            np.testing.assert_array_equal(a[o.name], b[o.name])
            for key in (*inputs, *(p.value.name for p in made.params)):
                np.testing.assert_array_equal(g[o.name][key], again_g[o.name][key])


def test_a_loop_that_is_run_again_keeps_the_root_of_its_steps() -> None:
    text = """size N, T, H = 4
input h0[N, H], x[T]
param U[H, H] ~ normal(0, 1)
scan t in range(T):
    carry h = h0
    h = tanh(h @ U + x[t])
minimize sum(h**2)
"""

    def memory(text: str, steps: int) -> int:
        (kernel,) = [k for k in plan(build(text)).kernels if k.name == "train"]
        return lower(kernel).work.evaluate({"N": 100, "T": steps}) // (100 * 4)  # in states

    assert memory(text, 10_000) - memory(text, 100) >= 9_900
    assert memory(again(text), 100) < 60 and memory(again(text), 10_000) < 300  # 2 * root(T), and the copies of x


def test_a_loop_in_segments_prints_as_it_reads() -> None:
    size = Dim.of("N") * 2 + 1
    assert [size.root().evaluate({"N": k}) for k in (0, 1, 4, 5)] == [1, 2, 3, 4]
    assert Dim.of(17).root() == Dim.of(5) and Dim.of(0).root() == Dim.of(1)
    graph = apply(BEFORE, build(again(CASES["last_until"].text)).graph)
    assert parse_graph(show_graph(graph)) == graph and "root(T)" in show_graph(graph)


def test_gradients_are_those_of_differences() -> None:
    model = load(CASES["grid"].text + "minimize sum(row**2)\n", backend="numpy", name="grid").Model(seed=0)
    assert gradcheck(model, x=np.random.default_rng(0).normal(size=(3, 4)))


def test_second_derivatives_through_a_loop() -> None:
    text = "size T\ninput x[T], v[T]\nscan t in range(T):\n    carry s = 0.5\n    s = sin(s) + x[t] * s\noutput s\n"
    from gradwright.compiler.derive.reverse import Seed, differentiate

    graph = build(text).graph
    first = differentiate(graph, "s", ["x"], Seed(None))
    from dataclasses import replace

    from gradwright.compiler.graph import expr as E
    from gradwright.compiler.graph.ir import Access, Axis, Eqn, Origin, Value, at
    from gradwright.compiler.graph.shapes import Dim

    dot = Eqn(Value("dot", ()), (Axis("i", Dim.of("T")),), (), "+", (Access(first.adjoints[0], (at("i"),)), Access("v", (at("i"),))),  # noqa: E501
              E.make("mul", E.arg(0), E.arg(1)), "dot", Origin((), "test"))  # fmt: skip
    second = differentiate(replace(first.graph, eqns=(*first.graph.eqns, dot)), "dot", ["x"], Seed(None))
    rng = np.random.default_rng(0)
    x, v = rng.normal(size=6), rng.normal(size=6)
    found = run(second.graph, {"x": x, "v": v})[second.adjoints[0]]
    tx = torch.tensor(x, requires_grad=True)
    s = torch.tensor(0.5, dtype=torch.float64)
    for t in range(6):
        s = s.sin() + tx[t] * s
    (g,) = torch.autograd.grad(s, tx, create_graph=True)
    (h,) = torch.autograd.grad((g * torch.tensor(v)).sum(), tx)
    close(found, h.numpy(), 1e-12, "H v")


# ---------------------------------------------------------------- what it means


def test_first_values_are_taken_once_and_statements_run_in_order() -> None:
    text = """size T
input x[T]
s = 2
scan t in range(T):
    carry s = s
    carry p = s
    emit before = s
    p = s
    s = s + x[t]
    emit after = s
    emit previous = p
output s, before, after, previous
"""
    found = values(text, x=np.array([1.0, 2, 3]))
    assert found["s"] == 8
    assert found["before"].tolist() == [2, 3, 5] == found["previous"].tolist()
    assert found["after"].tolist() == [3, 5, 8]


def test_what_a_body_binds_is_forgotten() -> None:
    text = "size T\ninput x[T]\nscan t in range(T):\n    carry s = 0\n    y = x[t]\n    s = s + y\noutput s, y\n"
    assert errors(text) == [("E220", 7, "there is no y here")]
    text = (
        "size T\ninput x[T]\ny = 5\nscan t in range(T):\n    carry s = 0\n    y = x[t]\n    s = s + y\noutput s\noutput z = y\n"
    )
    assert values(text, x=np.ones(3))["z"] == 5


def test_carries_of_integers_and_booleans() -> None:
    text = """size T
input x[T]
scan t in range(T):
    carry best = -inf
    carry where_ = argmax(zeros(3))
    carry any = False
    where_ = argmax(stack(best, x[t], 0))
    best = max(best, x[t])
    any = any or x[t] > 2
    emit anys = any
    emit places = where_
output best, anys, places
output last = where_
output seen = any
"""
    for backend in ("numpy", "cython"):
        out = load(text, backend=backend, name="kinds", optimize=settings.little()).Model().forward(x=np.array([-1.0, 3, 2]))
        assert out.best == 3 and out.seen and out.last == 0
        assert out.anys.tolist() == [False, True, True] and out.places.tolist() == [2, 1, 0]


def test_a_slice_of_what_comes_from_outside_is_made_before_the_loop() -> None:
    """The backward pass writes the gradient of each step into its own place."""
    text = "size N, T\ninput x[N, T]\nscan t in range(T):\n    carry s = zeros(N)\n    s = s + x[:, t]**2 * x[:, t]\noutput s\n"
    (turned, _), (loop,) = [e for e in build(text).graph.eqns if hasattr(e, "axes")], [
        e for e in build(text).graph.eqns if not hasattr(e, "axes")]  # fmt: skip
    assert loop.slices == (turned.out.name,) or loop.slices == ("x_by_t",)
    assert len(loop.slices) == 1  # both reads are the same slice


def test_names_in_the_body_of_a_loop_do_not_meet_those_outside() -> None:
    text = """size T
input x[T]
x_t = sum(x)
x_2 = 1
scan t in range(T):
    carry h = x_t
    x = x[t] * x_2
    x = x + x_t
    h = 0.5 * h + x
    emit x_3 = x
output h, x_3
"""
    assert [e[:2] for e in errors(text)] == [("E254", 7)]
    text = text.replace("    x = x[t] * x_2\n    x = x + x_t\n", "    y = x[t] * x_2\n    x_t2 = y + x_t\n    x_t3 = x_t2 * 1\n")
    text = text.replace("0.5 * h + x", "0.5 * h + x_t3").replace("= x\noutput", "= x_t3\noutput")
    x = np.array([1.0, -2, 3])
    h = x.sum()
    for v in x:
        h = 0.5 * h + v + x.sum()
    assert values(text, x=x)["h"] == pytest.approx(h)


# ---------------------------------------------------------------- bad input

LOOP = "size N, T, S\ninput x[N, T], w[S]\nhyper reg = 1\n"
BAD: dict[str, tuple[str, list[tuple[str, int, str]]]] = {
    "carry changes shape": ("scan t in range(T):\n    carry h = zeros(N)\n    h = stack(h, x[:, t])\noutput h\n",
                            [("E250", 6, "h changes its shape in the loop")]),
    "carry changes kind": ("scan t in range(T):\n    carry h = True\n    h = sum(x[:, t])\noutput h\n",
                           [("E250", 6, "h changes its kind in the loop")]),
    "carry grows": ("scan t in range(T):\n    carry k = argmax(zeros(2))\n    k = argmax(x[:, t])\noutput k\n",
                    [("E250", 6, "k changes its bound in the loop")]),
    "negative": ("scan t in range(-3):\n    carry s = 0\n    s = s + t\noutput s\n", [("E251", 4, "a loop cannot run -3 times")]),
    "absurd": ("scan t in range(1000000000000):\n    carry s = 0\n    s = s + t\noutput s\n",
               [("E251", 4, "this loop would run 1000000000000 times, and 2147483647 is the most")]),
    "with a step": ("scan t in range(0, T, 2):\n    carry s = 0\n    s = s + t\noutput s\n",
                    [("E251", 4, "the range of a `scan` has a start and an end, and no step")]),
    "over an array": ("scan v in w:\n    carry s = 0\n    s = s + v\noutput s\n", [("E251", 4, "a `scan` runs over `range(...)`")]),  # noqa: E501
    "over a number": ("scan t in range(reg):\n    carry s = 0\n    s = s + t\noutput s\n",
                      [("E251", 4, "the range of a `scan` is made of sizes and whole numbers")]),
    "shadows": ("t = 1\nscan t in range(T):\n    carry s = 0\n    s = s + t\noutput s\n", [("E221", 5, "t is a binding already")]),  # noqa: E501
    "shadows a size": ("scan N in range(T):\n    carry s = 0\n    s = s + N\noutput s\n", [("E221", 4, "N is a size already")]),
    "shadows in a loop": (
        "scan t in range(T):\n    carry s = 0\n    scan t in range(S):\n        carry r = 0\n        r = r + w[t]\n    s = s + r\noutput s\n",  # noqa: E501
        [("E221", 6, "t is something else already")]),
    "emitted twice": ("scan t in range(T):\n    emit a = x[:, t]\n    emit a = t\noutput a\n", [("E252", 6, "a is emitted twice")]),  # noqa: E501
    "emit of a carry's name": (
        "scan t in range(T):\n    carry s = 0\n    s = s + t\n    emit s\noutput s\n",
        [("E252", 7, "s is a carry: after the loop it is the last one, and cannot be all of them")]),
    "emit read inside": (
        "scan t in range(T):\n    carry s = 0\n    s = s + a\n    emit a = s\noutput s\n",
        [("E252", 6, "a is emitted, and is there only after the loop")]),
    "nothing comes out": ("scan t in range(T):\n    s = x[:, t]\noutput x\n", [("E252", 4, "nothing of this loop is there after it")]),  # noqa: E501
    "carried twice": ("scan t in range(T):\n    carry s = 0\n    carry s = 1\n    s = s + t\noutput s\n",
                      [("E253", 6, "s is carried twice")]),
    "no carry": ("s = 0\nscan t in range(T):\n    s = s + w[0]\n    emit a = s\noutput a\n",
                 [("E254", 6, "s does not last from step to step")]),
    "outside": ("scan t in range(T):\n    carry s = 0\n    s = s + w[t]\noutput s\n", [("E214", 6, "this index may be outside")]),
    "one before": ("scan t in range(T):\n    carry s = zeros(N)\n    s = s + x[:, t - 1]\noutput s\n",
                   [("E214", 6, "this index may be outside")]),
    "until an array": ("scan t in range(T) until s > 1:\n    carry s = zeros(N)\n    s = s + x[:, t]\noutput s\n",
                       [("E255", 4, "what ends a loop is one truth value")]),
    "until a number": ("scan t in range(T) until s:\n    carry s = 0\n    s = s + t\noutput s\n",
                       [("E255", 4, "what ends a loop is one truth value")]),
    "carry is a size": ("scan t in range(T):\n    carry N = 0\n    N = N + t\noutput x\n",
                        [("E221", 5, "N is a size and cannot be bound again")]),
    "an error inside is told once": ("scan t in range(T):\n    carry s = 0\n    s = s + q\n    emit ss = s\noutput s, ss\n",
                                     [("E220", 6, "there is no q here")]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_loops_are_explained(name: str) -> None:
    text, wanted = BAD[name]
    assert errors(LOOP + text) == wanted


def test_an_index_that_may_be_outside_names_the_range() -> None:
    shown = elaborated(LOOP + BAD["one before"][0])[2]
    assert "from -1 to T - 2" in shown and "the axis has T elements: 0 to T - 1" in shown


def test_a_carry_that_is_not_used_afterwards_is_no_warning_and_an_emit_is() -> None:
    text = "size T\ninput x[T]\nscan t in range(T):\n    carry s = 0\n    carry c = 1\n    c = c * 0.5\n    s = s + c * x[t]\n"
    assert warnings(text + "output s\n") == []
    assert warnings(text + "    emit cs = c\noutput s\n") == [("W305", 8, "cs is never used")]


# ---------------------------------------------------------------- the whole road


def test_an_lstm_learns_to_remember() -> None:
    """examples/lstm.gw on a small task: the first input, after six steps of noise."""
    from pathlib import Path

    text = (Path(__file__).parent.parent / "examples" / "lstm.gw").read_text()
    model = load(text, name="lstm", sizes={"D": 2, "H": 8}, optimize=settings.little()).Model(seed=0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 6, 2)) * 0.2
    x[:, 0] = rng.choice([-1.0, 1.0], size=(256, 2))
    target = np.repeat(x[:, 0], 4, axis=1) * 0.5
    first = model.forward(x=x, target=target).loss
    model.fit({"x": x, "target": target}, epochs=60, batch_size=64, optimizer=Adam(0.02))
    assert model.forward(x=x, target=target).loss < 0.1 * first


def test_a_checked_module_names_the_line_in_the_loop() -> None:
    text = "size T\ninput x[T]\nscan t in range(T):\n    carry s = 1\n    s = s * sqrt(x[t])\noutput s\n"
    model = load(text, name="checked", checked=True, optimize=1).Model()
    with pytest.raises(Exception, match="model.gw:5|checked.gw:5"):
        model.forward(x=np.array([4.0, -1.0, 4.0]))


def test_a_gradient_of_what_a_loop_emits_by_itself() -> None:
    """Nothing of the loop's backward pass is needed then."""
    text = "size N\ninput x[N, 2]\nscan t in range(N):\n    carry s = 0.5\n    emit e = 2 * x[t]\n    s = tanh(s + sum(x[t]))\n"
    model = load(text + "output e\noutput s\ngradient e wrt e\n", backend="numpy", name="itself").Model()
    x = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert (model.forward(x=x).e == 2 * x).all()
    g = model.backward(upstream={"e": np.ones((3, 2)), "s": 0.0})
    np.testing.assert_array_equal(g.e.e, np.ones((3, 2)))
    np.testing.assert_array_equal(g.e.x, 2 * np.ones((3, 2)))


def test_a_new_axis_beside_the_step_of_a_loop() -> None:
    text = "size N, T, D = 3\ninput X[N, T, D]\nscan t in range(T):\n    carry h = zeros(N, D)\n" \
           "    h = h + X[:, t, None, :][:, 0] + X[:, None, t, ...][..., 0, :]\n    emit hs = h\noutput hs\n"  # fmt: skip
    x = np.random.default_rng(0).normal(size=(4, 2, 3))
    found = load(text, name="fresh", backend="numpy").Model().predict(X=x).hs
    np.testing.assert_allclose(found, np.cumsum(2 * x.transpose(1, 0, 2), axis=0))


@pytest.mark.parametrize("backend", ["cython", "numpy"])
def test_what_only_a_simplification_does_without_need_not_be_kept(backend: Any) -> None:
    """The places of a sort are asked for until it is seen that a mean does not care: the loop has something else that is kept."""
    text = "size N\ninput x[N]\nscan t in range(3):\n    carry s = tanh(x)\n    s = tanh(s + x)\n"
    text += "h = sin(mean(sort(s)))\nminimize h**2\ngradient loss wrt x"
    model = load(text, name="sorted_carry", backend=backend).Model()
    x = np.array([0.3, -0.7, 1.1])

    def loss(x: Any) -> float:
        s = np.tanh(x)
        for _ in range(3):
            s = np.tanh(s + x)
        return float(np.sin(s.mean()) ** 2)

    gradient = model.value_and_grad(x=x)[1].x
    for k, step in enumerate(np.eye(3) * 1e-6):
        assert gradient[k] == pytest.approx((loss(x + step) - loss(x - step)) / 2e-6, rel=1e-7)
