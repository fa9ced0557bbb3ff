"""Intermediate values, the summary, and memory that two models share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradwright.runtime import SGD, ArgumentError, DtypeError, ShapeError, StateError, load

pytestmark = pytest.mark.unoptimised

ROOT = Path(__file__).resolve().parent.parent
TEXT = """size   N, H = 5
hyper  reg = 0.5
input  x[N, 3]
index  y[N] < 4
param  W[3, H] ~ glorot_uniform
param  b[H] = 0
param  V[H, 4] ~ glorot_uniform

h = tanh(x @ W + b)
unused = 2 * h + 1
output s = h @ V
output also = sum(unused)
minimize mean(softmax_cross_entropy(s, y)) + reg * sum(W**2)
"""
X = np.random.default_rng(0).normal(size=(7, 3))
Y = np.arange(7) % 4


@pytest.fixture(params=["numpy", "cython"])
def model(request: pytest.FixtureRequest) -> Any:
    return load(TEXT, backend=request.param, name="inner").Model()


def test_values_after_a_forward(model: Any) -> None:
    model.forward(x=X, y=Y)
    h = np.tanh(X @ model.params.W + model.params.b)
    np.testing.assert_allclose(model.values.h, h, rtol=1e-14)
    np.testing.assert_allclose(model.values["h"], h, rtol=1e-14)
    assert "h" in model.values and model.values.keys()[0] == "h"
    kept = model.values
    model.predict(x=X[:2])
    model.backward()
    np.testing.assert_allclose(kept.h, h, rtol=1e-14)
    again = model.values
    model.forward(x=X[:2], y=Y[:2])
    with pytest.raises(StateError, match="another call came after"):
        _ = again.h
    np.testing.assert_allclose(model.values.h, h[:2], rtol=1e-14)


def test_values_that_are_not_there(model: Any) -> None:
    with pytest.raises(StateError, match="call forward"):
        _ = model.values
    model.forward(x=X, y=Y)
    with pytest.raises(AttributeError, match="unused is not kept by a forward.*declare `output unused`"):
        _ = model.values.unused
    with pytest.raises(AttributeError, match="also is an output"):
        _ = model.values.also
    with pytest.raises(AttributeError, match="no 'hh' here"):
        _ = model.values.hh
    model.value_and_grad(x=X, y=Y)
    with pytest.raises(StateError, match="call forward"):
        _ = model.values


def test_values_are_copies(model: Any) -> None:
    model.forward(x=X, y=Y)
    expected = model.backward().W.copy()
    model.forward(x=X, y=Y)
    model.values.h[...] = 1e9
    np.testing.assert_array_equal(model.backward().W, expected)


def test_a_summary(model: Any) -> None:
    found = model.summary(N=7)
    lines = {line.name: line for line in found.lines}
    assert found.parameters == 3 * 5 + 5 + 5 * 4 == model.theta.size
    assert lines["x"].shape == (7, 3) and lines["x"].bytes == 7 * 3 * 8 and lines["x"].line == 3
    assert lines["y"].bytes == 7 * 8
    assert lines["W"].parameters == 15 and lines["W"].bytes == 120
    assert lines["h"].shape == (7, 5) and lines["h"].line == 9
    assert lines["h"].operations == 7 * 5 * (2 * 3 + 2)       # a product and a sum for each of 3, the offset, tanh
    assert lines["s"].operations == 7 * 4 * 2 * 5 and lines["s"].bytes == 7 * 4 * 8
    assert lines["loss"].line == 13
    assert found.operations == sum(int(line.operations) for line in found.lines)
    assert [line.line for line in found.lines] == sorted(line.line for line in found.lines)
    text = str(model.summary())
    assert "h[N, 5]" in text and "280·N" not in text and "40·N" in text and "40 float64 parameters" in text
    with pytest.raises(ArgumentError, match="no free size 'M'"):
        model.summary(M=3)


def test_shared_parameters_are_one_memory() -> None:
    studies = ROOT / "examples" / "studies"
    generator = load(studies / "generator.gw", backend="numpy").Model(seed=1)
    discriminator = load(studies / "discriminator.gw", backend="numpy").Model(seed=2)
    z, x = np.random.default_rng(0).normal(size=(2, 6, 2))
    generator.share(discriminator)
    assert np.shares_memory(generator.params.D1, discriminator.params.D1)
    for name in ("D1", "b1", "D2", "b2"):
        np.testing.assert_array_equal(generator.params[name], discriminator.params[name])
    before, own = float(generator.forward(z=z).loss), generator.theta.copy()
    discriminator.step(SGD(lr=0.1), x=x, label=np.ones((6, 1)))
    assert float(generator.forward(z=z).loss) != before
    np.testing.assert_array_equal(generator.theta, own)
    made = generator.predict(z=z).x
    by_hand = np.logaddexp(0, -np.log(p := discriminator.predict(x=made).p) + np.log1p(-p)).mean()
    np.testing.assert_allclose(generator.forward(z=z).loss, by_hand, rtol=1e-12)
    held = discriminator.theta.copy()
    generator.step(SGD(lr=0.1), z=z)        # its own only
    np.testing.assert_array_equal(discriminator.theta, held)
    assert not np.array_equal(generator.theta, own)
    assert not np.shares_memory(generator.copy().params.D1, discriminator.params.D1)


def test_what_cannot_be_shared() -> None:
    def made(params: str, dtype: str = "float64") -> Any:
        names = " + ".join(f"sum({line.split('[')[0]})" for line in params.split("; "))
        text = f"dtype {dtype}\ninput x\n" + "".join(f"param {p}\n" for p in params.split("; ")) + f"minimize x * ({names})\n"
        return load(text, backend="numpy", name="part").Model()

    base = made("a[2] = 0; b[3] = 0")
    made("b[3] = 1").share(base)
    made("b[3] = 1; c[3] = 1 frozen").share(base)
    with pytest.raises(ArgumentError, match="no parameter in common"):
        made("c[2] = 0").share(base)
    with pytest.raises(ArgumentError, match="has no c"):
        made("a[2] = 0; c[2] = 0").share(base)
    with pytest.raises(ArgumentError, match="in this order"):
        made("b[3] = 0; a[2] = 0").share(base)
    with pytest.raises(ShapeError, match=r"a has shape \(4,\)"):
        made("a[4] = 0").share(base)
    with pytest.raises(DtypeError, match="float32"):
        made("a[2] = 0", "float32").share(base)


@pytest.mark.parametrize("backend", ["numpy", "cython"])
def test_a_size_that_comes_out_negative(backend: str) -> None:
    text = "size N\ninput x[N]\ny = x[1:]\noutput y\noutput total = sum(y)\n"
    model = load(text, backend=backend, name="shorter").Model()
    assert model.forward(x=np.ones(1)).y.shape == (0,)
    with pytest.raises(ShapeError, match=r"^with N = 0, line 3 of the model makes an array of size -1$"):
        model.forward(x=np.ones(0))
    model = load("size N\ninput x[N]\noutput z = zeros((N - 4) // 2 + 1)\n", backend=backend, name="windows").Model()
    assert model.forward(x=np.ones(4)).z.shape == (1,)
    assert model.forward(x=np.ones(3)).z.shape == (0,)
    with pytest.raises(ShapeError, match=r"^with N = 1, line 3 of the model makes an array of size -1$"):
        model.forward(x=np.ones(1))


def test_positions_beyond_what_float32_counts() -> None:
    text = "size N\ninput x[N]\noutput p = argmax(x)\noutput q = 2 * argmax(stack(x, -x), axis=1)\n"
    model = load(text, backend="numpy", name="farthest", dtype="float32").Model()
    assert model.forward(x=np.array([1.0, 3.0, 2.0])).p == 1
    with pytest.raises(ShapeError, match="line 3 .* 16777217 elements.*float32 counts positions only up to 16777216.*float64"):
        model.forward(x=np.zeros((1 << 24) + 1, np.float32))


def test_a_loss_of_inputs_alone_says_how_to_get_its_gradient() -> None:
    model = load("size N\ninput x[N]\nminimize sum(x**2)\n", backend="numpy", name="alone").Model()
    with pytest.raises(StateError, match=r"no parameters; for that of an input, write `gradient loss wrt x` in the model$"):
        model.value_and_grad(x=np.ones(2))
