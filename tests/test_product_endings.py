"""What follows a matrix product before it is stored: a row that is added, what is above 0, a place among zeros."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradwright.compiler.graph import expr as E
from gradwright.compiler.loops.buffers import lower
from gradwright.compiler.loops.ir import Assign, Node, Product
from gradwright.compiler.loops.nodes import walk
from gradwright.compiler.passes.kernels import plan
from gradwright.runtime import SGD, NotFiniteError, load
from support.models import build

pytestmark = pytest.mark.unoptimised

DENSE = """\
size   N, D = 40, H = 33
input  x[N, D]
param  W[D, H] ~ he_normal
param  b[H] ~ normal
"""
IMAGES = """\
use    layers
size   N, Y, X
input  x[N, 3, Y, X]
"""
# a model, what is added to each of its products, and whether what is above 0 is taken there; None: it is not asked
MODELS = {
    "row": (DENSE + "output h = relu(x @ W + b)\n", ["b"], [True]),
    "in front": (DENSE + "output h = relu(b + x @ W)\n", ["b"], [True]),
    "spelled as the larger": (DENSE + "output h = max(0, x @ W + b)\n", ["b"], [True]),
    "nothing added": (DENSE + "output h = relu(x @ W)\n", [""], [True]),
    "no relu": (DENSE + "output h = x @ W + b\n", ["b"], [False]),
    "a column": (DENSE + "input c[N]\nh[n, j] = sum(x[n, i] * W[i, j] for i) + c[n]\noutput h\n", [""], [False]),
    "named": (DENSE + "z = x @ W + b\noutput h = relu(z)\n", ["b"], [True]),
    "columns first": (
        DENSE + "input c[N]\nz[j, n] = sum(x[n, i] * W[i, j] for i) + c[n]\noutput h = relu(z)\n", ["c"], [True],
    ),
    "one number": (DENSE + "param c = 0.3\noutput h = relu(x @ W + c)\n", [""], [False]),
    "heads": (
        "size N, T\ninput x[N, T, 12]\nparam W[3, 12, 20] ~ normal\nparam b[3, 20] ~ normal\n"
        "h[n, k, t, j] = relu(sum(x[n, t, i] * W[k, i, j] for i) + b[k, j])\noutput h\n", ["b"], [True],
    ),
    "two layers": (
        DENSE + "param V[H, 17] ~ normal\nparam c[17] ~ normal\noutput h = relu(relu(x @ W + b) @ V + c)\n",
        ["b", "c"], [True, True],
    ),
    "into a frame": (IMAGES + "output h = x |> conv2d(16, kernel=3) |> relu |> conv2d(8, kernel=3, pad=2)\n",
                     None, [True, False]),
    "a frame alone": (
        IMAGES + "output h = x |> conv2d(16, kernel=3, bias=False) |> conv2d(8, kernel=3, pad=1, bias=False)\n", None, None,
    ),
    "with a stride": (IMAGES + "output h = x |> conv2d(16, kernel=3, stride=2) |> relu |> conv2d(8, kernel=3, pad=1)\n",
                      None, [True, False]),
}  # fmt: skip


def predicting(text: str) -> list[Node]:
    (found,) = [k for k in plan(build(text + "minimize mean(h**2)\n")).kernels if k.name == "predict"]
    return [*walk(lower(found).body)]


def products(text: str) -> list[Product]:
    return [node for node in predicting(text) if isinstance(node, Product)]


def numbers(text: str, sizes: dict[str, int], seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    shapes = {i.value.name: [d.evaluate(sizes) for d in i.value.shape] for i in build(text).inputs}
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


@pytest.mark.parametrize("name", MODELS)
def test_the_product_takes_it(name: str) -> None:
    text, added, cut = MODELS[name]
    found = products(text)
    if added is not None:
        assert [p.onto.value if p.onto else "" for p in found] == added
    if cut is not None:
        assert [p.relu for p in found] == cut


@pytest.mark.parametrize("dtype", [pytest.param("float64", marks=pytest.mark.slow), "float32"])
@pytest.mark.parametrize("name", MODELS)
def test_it_is_what_it_says(name: str, dtype: str) -> None:
    """Beside NumPy, where sizes are 0, 1, and no multiple of anything; a NaN stays one, and what is infinite counts."""
    text = MODELS[name][0]
    whole = f"dtype {dtype}\n{text}minimize mean(h**2)\n"
    fast, plain = (load(whole, name="ended", backend=backend).Model(seed=1) for backend in ("cython", "numpy"))
    images = "Y" in text
    for n, y, x in ((0, 5, 5), (1, 5, 5), (2, 9, 6), (1, 3, 3), (3, 17, 20)) if images else ((0, 1, 1), (1, 1, 2), (19, 5, 7)):
        given = numbers(text, {"N": n, "T": y, "Y": y, "X": x})
        for value in (None, np.nan, -np.inf):
            if value is not None and given["x"].size:
                given["x"].flat[-1] = value
            with np.errstate(invalid="ignore"):
                found, wanted = fast.predict(**given)["h"], plain.predict(**given)["h"]
            tolerance = 1e-12 if dtype == "float64" else 1e-4
            np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)
            assert not np.any(np.signbit(found) & (found == 0)) or "relu" not in text


def test_a_training_step_is_the_same() -> None:
    """Of a net whose convolutions end in a frame and whose images are computed one by one, and of a small one."""
    for text, given in (
        ("use layers\nsize N\ninput x[N, 4, 18, 20]\nindex y[N] < 5\n"
         "h = x |> conv2d(32, kernel=3, pad=1) |> relu |> conv2d(32, kernel=3, pad=1) |> relu |> max_pool2d(2)\n"
         "output scores = h |> flatten |> dense(5)\nminimize mean(softmax_cross_entropy(scores, y))\n", (3, 4, 18, 20)),
        (DENSE + "param V[H, 5] ~ normal\nparam c[5] = 0\nindex y[N] < 5\noutput scores = relu(x @ W + b) @ V + c\n"
         "minimize mean(softmax_cross_entropy(scores, y))\n", (9, 40)),
    ):  # fmt: skip
        rng = np.random.default_rng(0)
        x, y = rng.standard_normal(given), rng.integers(0, 5, given[0])
        models = [load(text, name="steps", backend=backend).Model(seed=2) for backend in ("cython", "numpy")]
        losses = [[m.step(SGD(lr=0.05), x=x, y=y) for _ in range(4)] for m in models]
        np.testing.assert_allclose(*losses, rtol=1e-9)
        np.testing.assert_allclose(models[0].theta, models[1].theta, rtol=1e-8, atol=1e-10)


def test_what_is_read_elsewhere_stays() -> None:
    """A product that something else reads, one that is shown, and what is as large as it: the kernel has the product alone."""
    for more in ("t = x @ W\noutput h = relu(t + b) * t\n", "output t = x @ W\noutput h = relu(t + b)\n",
                 "input c[N, H]\noutput h = relu(x @ W + c)\n"):  # fmt: skip
        text = DENSE + more
        assert not any(p.ended for p in products(text))
        given, whole = numbers(text, {"N": 6}), f"{text}minimize mean(h**2)\n"
        found, wanted = (load(whole, name="read", backend=b).Model(seed=3).predict(**given) for b in ("cython", "numpy"))
        np.testing.assert_allclose(found["h"], wanted["h"], rtol=1e-12, atol=1e-12)


def test_into_a_frame_nothing_is_copied() -> None:
    text, _, _ = MODELS["into a frame"]
    nodes = predicting(text)
    (inside,) = [n for n in nodes if isinstance(n, Product) and n.c.value.endswith("_pad")]
    assert inside.relu and [ix.const.value for ix in inside.c.index[1:3]] == [2, 2]
    assert all(n.body is E.ZERO for n in nodes if isinstance(n, Assign) and n.target == inside.c.value)


def test_a_checked_module_looks_before_it_cuts() -> None:
    """-inf would be 0 behind a relu."""
    text = "size N, D = 40, H = 33\ninput x[N, D]\nparam W[D, H] = 1\nparam b[H] = 0\nh = relu(x @ W + b)\nminimize mean(h)\n"
    model = load(text, name="looked_at", checked=True).Model()
    x = np.full((4, 40), -1e307)
    with pytest.raises(NotFiniteError, match="is -infinite"):
        model.value_and_grad(x=x)
    plain = load(text, name="not_looked_at").Model()
    assert plain.value_and_grad(x=x)[0].loss == 0


def test_in_a_loop_over_time_what_is_handed_on_is_no_ending() -> None:
    """Emitted and handed on, in the order that is wanted; what only the step reads is one."""
    text = """\
size   N, T, H = 24
input  x[N, T, H]
param  U[H, H] ~ normal(0, 0.2)
param  V[H, H] ~ normal(0, 0.2)
param  b[H] = 0.1
scan t in range(T):
    carry h = zeros(N, H)
    z = relu((h + x[:, t]) @ V + b)
    h = relu(z @ U + b)
    emit es = h
ys[n, t, j] = es[t, n, j]
output ys
minimize mean(ys**2)
"""
    (found,) = [k for k in plan(build(text)).kernels if k.name == "predict"]
    ended = [n.relu for n in walk(lower(found).body) if isinstance(n, Product)]
    assert ended == [True, False]
    models = [load(text, name="emitted", backend=backend).Model(seed=4) for backend in ("cython", "numpy")]
    for n, t in ((3, 5), (1, 1), (20, 2)):
        x = np.random.default_rng(0).standard_normal((n, t, 24))
        np.testing.assert_allclose(*(m.predict(x=x)["ys"] for m in models), rtol=1e-12, atol=1e-12)
        ours, theirs = (m.value_and_grad(x=x) for m in models)
        np.testing.assert_allclose(ours[1].U, theirs[1].U, rtol=1e-9, atol=1e-12)
