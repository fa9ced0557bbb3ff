"""Layers and unrolled loops: who owns which parameters, what they are called, and that the values are those of plain formulas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradwright.compiler.graph.ir import Model
from gradwright.compiler.graph.text import parse_graph, show_graph
from gradwright.runtime import Adam, gradcheck, load
from support.models import build, elaborated, numbered

pytestmark = pytest.mark.unoptimised

X = np.random.default_rng(0).normal(size=(9, 3))
Y = np.arange(9) % 4
NET = """use layers
size N
input x[N, 3]
index y[N] < 4
layer block(q[..., D], units):
    for k in range(2):
        q = relu(dense(q, units))
    z = dense(q, units, bias=False) as out
    return z + q
h = block(x, 5) as first
enc = dense(5)
h = enc(h) + enc(h * 2)
for u in [6, 7]:
    h = h |> dense(u) |> tanh
output s = dense(h, 4) as head
minimize mean(softmax_cross_entropy(s, y)) + 0.1 * sum(head.W**2) + sum(first.out.W**2)
"""
NAMES = [
    "first.dense_1.W", "first.dense_1.b", "first.dense_2.W", "first.dense_2.b", "first.out.W", "enc.W", "enc.b",
    "dense_1.W", "dense_1.b", "dense_2.W", "dense_2.b", "head.W", "head.b",
]  # fmt: skip


def names(text: str) -> list[str]:
    return [p.value.name for p in build(text).params]


def test_every_call_owns_its_parameters_and_they_are_named_after_it() -> None:
    assert names(NET) == NAMES


@pytest.mark.parametrize("backend", ["numpy", "cython"])
def test_layers_are_the_formulas_they_stand_for(backend: str) -> None:
    model = load(NET, backend=backend, name="net").Model(seed=1)
    out, g = model.value_and_grad(x=X, y=Y)
    p: Any = model.params
    relu = lambda z: np.maximum(z, 0)  # noqa: E731
    h = relu(relu(X @ p.first.dense_1.W + p.first.dense_1.b) @ p.first.dense_2.W + p.first.dense_2.b)
    h = h @ p.first.out.W + h
    h = (h @ p.enc.W + p.enc.b) + (2 * h @ p.enc.W + p.enc.b)
    for k in (1, 2):
        h = np.tanh(h @ p[f"dense_{k}.W"] + p[f"dense_{k}.b"])
    s = h @ p.head.W + p.head.b
    np.testing.assert_allclose(out.s, s, rtol=1e-12, atol=1e-14)
    own = np.log(np.exp(s).sum(1)) - s[np.arange(9), Y]
    loss = own.mean() + 0.1 * (p.head.W**2).sum() + (p.first.out.W**2).sum()
    np.testing.assert_allclose(out.loss, loss, rtol=1e-12)
    assert g.head.W.shape == (7, 4) and g["first.out.W"] is not None and list(g.keys()) == NAMES
    assert gradcheck(model, x=X, y=Y)
    history = model.fit({"x": X, "y": Y}, epochs=200, optimizer=Adam(lr=1e-2), progress=False)
    assert history.loss[-1] < 0.8 * history.loss[0]


def test_parameters_of_layers_by_their_parts() -> None:
    model = load(NET, backend="numpy", name="net").Model(seed=1)
    model.params.head.W = np.ones((7, 4))
    assert (model.params["head.W"] == 1).all() and (model.params.head["W"] == 1).all()
    model.params.first.out.W[0, 0] = 7
    assert model.params["first.out.W"][0, 0] == 7
    assert model.params.first.keys() == ["dense_1.W", "dense_1.b", "dense_2.W", "dense_2.b", "out.W"]
    assert list(model.params.head._asdict()) == ["W", "b"] and "W: float64[7, 4]" in repr(model.params.head)
    with pytest.raises(AttributeError, match="no 'V' here; there is W, b"):
        _ = model.params.head.V
    with pytest.raises(AttributeError, match="no 'haed' here"):
        _ = model.params.haed


@pytest.mark.parametrize("backend", ["numpy", "cython"])
def test_what_the_body_of_a_layer_binds_can_be_read(backend: str) -> None:
    text = """use layers
size N, T
input x[N, T, 4]
y = transformer_block(x, 2, causal=True) as block
looks = block.attention.weights
output y, looks
scan t in range(2):
    carry h = x
    h = attention(h, 1) as att
    emit ws = att.weights
output ws
minimize sum(looks**2)
"""
    model = load(text, backend=backend, optimize=0, name="looking").Model(seed=1)
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    out, g = model.value_and_grad(x=x)
    assert out.looks.shape == (2, 2, 3, 3) and out.ws.shape == (2, 2, 1, 3, 3)
    np.testing.assert_allclose(out.looks.sum(3), 1, rtol=1e-12)
    np.testing.assert_array_equal(np.triu(out.looks, 1), 0)
    norm = (x - x.mean(2, keepdims=True)) / np.sqrt(x.var(2, keepdims=True) + 1e-5)
    q, k, _ = np.split(norm @ np.array(model.params.block.attention.qkv.W), 3, axis=2)
    s = np.einsum("ntad,nsad->nats", q.reshape(2, 3, 2, 2), k.reshape(2, 3, 2, 2)) / np.sqrt(2)
    s = np.where(np.tri(3, dtype=bool), np.exp(s), 0)
    np.testing.assert_allclose(out.looks, s / s.sum(3, keepdims=True), rtol=1e-12)
    assert np.abs(g["block.attention.qkv.W"]).max() > 0 and not np.any(g["block.hidden.W"])


def test_a_layer_has_the_graph_of_its_formula() -> None:
    """What stands in a layer becomes the equations that the same text makes at the top level."""
    layered = build("use layers\nsize N\ninput x[N, 3]\noutput s = tanh(dense(x, 4) as d)\n")
    plain = build("size N\ninput x[N, 3]\nparam W[3, 4] ~ glorot_uniform\nparam b[4] = 0\noutput s = tanh(x @ W + b)\n")
    def shown(model: Model) -> list[str]:
        lines = [" ".join(line.partition(" # ")[0].replace("d.", "").split()) for line in show_graph(model.graph).splitlines()]
        return numbered("\n".join(lines)).split("\n")

    assert shown(layered) == shown(plain)
    assert parse_graph(show_graph(layered.graph)) == layered.graph


def test_parameters_that_nothing_reads_are_not_made() -> None:
    assert names("use layers\nsize N\ninput x[N, 3]\noutput s = dense(x, 4, bias=False)\n") == ["dense_1.W"]


def test_layers_of_a_used_file(tmp_path: Path) -> None:
    (tmp_path / "mine.gw").write_text("use layers\nlayer two(x[N, D], units=D):\n    return dense(dense(x, 6), 2)\n")
    (tmp_path / "m.gw").write_text('use "mine.gw"\nsize N\ninput x[N, 3]\noutput s = two(x, 1) as pair\n')
    model = load(tmp_path / "m.gw", backend="numpy").Model()
    assert model.params.keys() == ["pair.dense_1.W", "pair.dense_1.b", "pair.dense_2.W", "pair.dense_2.b"]
    assert model.forward(x=np.ones((2, 3))).s.shape == (2, 2)


def test_a_shared_layer_shares_what_is_in_it() -> None:
    text = NET.replace("enc = dense(5)", "enc = block(5)")
    assert [n for n in names(text) if n.startswith("enc")] == [
        "enc.dense_1.W", "enc.dense_1.b", "enc.dense_2.W", "enc.dense_2.b", "enc.out.W",
    ]  # fmt: skip


def test_a_loop_sees_numbers_and_sizes() -> None:
    text = """size H = 3
input x[H]
p = x
for k in range(H):
    p = p * x[k] + k
for k in reversed(range(1, 8, 3)):
    p = p - k
for a in [0.5, 2]:
    for b in range(2):
        p = p + a * b
def powers(z, n):
    total = z * 0
    for k in range(n):
        total = total + z**k
    return total
output p
output q = powers(x, 4)
"""
    x = np.array([0.5, -1.5, 2.0])
    p = x.copy()
    for k in range(3):
        p = p * x[k] + k
    p = p - 7 - 4 - 1 + 0.5 + 2
    for backend in ("numpy", "cython"):
        out = load(text, backend=backend, name="looped").Model().forward(x=x)
        np.testing.assert_allclose(out.p, p, rtol=1e-14)
        np.testing.assert_allclose(out.q, 1 + x + x**2 + x**3, rtol=1e-14)


WRONG = [
    ("output s = densee(x, 4)", "E222", "there is no function densee", "did you mean dense?"),
    ("output s = dense(x.T, 4)", "E211", "dense: the shape of a param must be fixed, and N is free", None),
    ("output s = dense(z, 4)", "E276", "dense wants x[..., D], which has 1 axis or more", None),
    ("enc = dense(4)\na = enc(x)\noutput s = enc(a)", "E276",
     "dense: enc.W is [3, 4], and for this call it would have to be [4, 4]", None),
    ("h = dense(x, 4) as a\noutput s = dense(h, 4) as a", "E275", "there is a layer a already", "give them different names"),
    ("for k in range(3):\n    x = dense(x, 4) as a\noutput x", "E275", "there is a layer a already",
     "in a loop, leave out `as`: the layers are numbered"),
    ("output s = relu(x) as a", "E275", "relu is a function and has no parameters to be named",
     "`as` names a layer where it is made"),
    ("h = dense(x, 4) as a\noutput s = sum(a.V) * h", "E220", "the layer a has no V", None),
    ("h = dense(x, 4) as head\noutput s = sum(haed.W) * h", "E220", "there is no layer haed here", "did you mean head?"),
    ("enc = dense(4)\noutput s = sum(enc.W) + x", "E220", "enc has no parameters before it is called", None),
    ("layer a(q[N, D]):\n    w = 2 * q\n    return w\nb = a()\noutput s = b(x) + b(x) + sum(b.w)", "E220",
     "b is called 2 times, and each call has a w of its own", "make a layer for each call, or let the layer return w"),
    ("layer a(q[N, D]):\n    w = 2 * q\n    return w\nscan t in range(2):\n    carry h = x\n    h = a(h) as b\n"
     "output s = h + b.w", "E254", "b.w is made anew at each step of the loop over t",
     "keep it in the loop: emit every_w = b.w"),
    ("output s = residual(x, 3)", "E223", "residual: inner is a value, and not a layer or a function", None),
    ("def f(a, b) = b(a)\noutput s = f(x, x)", "E223", "b is a value, and not a layer or a function", None),
    ("output s = residual(x, dense)", "E223", "dense is the definition of a layer and not a value", "make one: dense(...)"),
    ("enc = dense(4)\noutput s = enc + x", "E287", "this is a layer, and an array is wanted", "call it: enc(x)"),
    ("output s = sum(x.W)", "E113", "there is no attribute or method `.W`", "functions are called as `W(x)`"),
    ("layer a(q[N]):\n    return a(q)\noutput s = a(z * x[:, 0])", "E283", "a calls itself", None),
    ("layer a(q[N, 2]):\n    return q\noutput s = a(x)", "E276", "a wants q[N, 2], with 2 where this array has 3", None),
    ("layer a(q[D, D]):\n    return q\noutput s = a(x)", "E276", "a wants q[D, D], with D = N where this array has 3", None),
    ("for k in range(N):\n    x = x * 2\noutput x", "E277",
     "a `for` is unrolled when the module is compiled, and N is a free size", "a loop over a free size is a `scan`"),
    ("for k in range(-2):\n    x = x * 2\noutput x", "E277", "a `for` cannot run -2 times", None),
    ("for k in range(20000):\n    x = x * 2\noutput x", "E277",
     "this `for` would be unrolled 20000 times, and 10000 is the most", "a `scan` is a loop that stays a loop"),
    ("for k in x:\n    y = x * 2\noutput y", "E244", "x is not known when the module is compiled", None),
    ("for k in 3:\n    y = x * 2\noutput y", "E277", "a `for` runs over `range(...)` or a literal array of numbers",
     "for k in range(4):"),
    ("for z in range(2):\n    y = x * 2\noutput x", "E221", "z is an input already", None),
    ("for k in range(2):\n    k = x\noutput x", "E221", "k is a loop variable and cannot be bound again", None),
    ("for k in range(3):\n    y = x + q\noutput y", "E220", "there is no q here", None),
]  # fmt: skip


@pytest.mark.parametrize("text,code,message,help", WRONG, ids=[w[2] for w in WRONG])
def test_what_cannot_be(text: str, code: str, message: str, help: str | None) -> None:
    _, found, _ = elaborated("use layers\nsize N\ninput x[N, 3], z\n" + text + "\n")
    assert [(d.code, d.message, d.help) for d in found if d.is_error] == [(code, message, help)]


def test_a_thousand_layers_are_named_in_no_time() -> None:
    text = "use layers\nsize N\ninput x[N, 4]\nfor k in range(1000):\n    x = tanh(dense(x, 4))\noutput x\n"
    found = names(text)
    assert len(found) == 2000 and found[-1] == "dense_1000.b"


@pytest.mark.parametrize("backend", ["numpy", "cython"])
def test_penalties_of_parameters_are_part_of_the_loss(backend: str) -> None:
    text = """size N
hyper c = 0.5
input x[N, 3], y[N, 2]
def ridge(w, c=1) = c * sum(w**2)
layer d(x[..., D], u, b=False):
    param W[D, u] ~ glorot_uniform with ridge(c=2)
    param q[u] = 1 with ridge
    return where(b, x @ W + q, x @ W)
param V[2, 2] ~ glorot_uniform with ridge(c)
param unused[2] = 3 with ridge
V2 = V @ V
minimize mse(d(x, 2) @ V2, y)
param later[2] = [1, 2] with ridge(0.25)
output p = x[:, :2] + later
"""
    model = load(text, backend=backend, name="penalised").Model(seed=1)
    assert model.params.keys() == ["V", "unused", "d_1.W", "later"]  # q is not read, and so is not there
    y = np.random.default_rng(1).normal(size=(9, 2))
    out, g = model.value_and_grad(x=X, y=y)
    p: Any = model.params
    wanted = ((X @ p["d_1.W"] @ p.V @ p.V - y) ** 2).mean() + 2 * (p["d_1.W"] ** 2).sum() + 0.5 * (p.V**2).sum() + 18 + 1.25
    np.testing.assert_allclose(out.loss, wanted, rtol=1e-13)
    np.testing.assert_allclose(g.later, [0.5, 1.0], rtol=1e-14)
    assert gradcheck(model, x=X, y=y)


def test_a_penalty_without_a_loss() -> None:
    _, found, _ = elaborated("input x[3]\ndef sq(w) = sum(w**2)\nparam w[3] = 1 with sq\noutput y = x * w\n")
    assert [(d.code, d.message, d.span.line) for d in found] == [("E278", "w has a penalty, and nothing is minimized", 3)]
