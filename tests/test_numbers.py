"""Numbers that every course on backpropagation works out on the blackboard: they must come out, on both backends.

Each expected value is worked out here by hand, with plain floats or with 50 digits, never by the compiler's own parts."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import mpmath
import numpy as np
import pytest
from gradwright.runtime import load

Load = Callable[[str, str], ModuleType]


@pytest.fixture(params=["cython", "numpy"])
def model(request: pytest.FixtureRequest) -> Load:
    """``model(name, text)``: the module."""
    return lambda name, text: load(text, name=name, backend=request.param)


def test_the_first_circuit(model: Load) -> None:
    """f = (x + y) z at (-2, 5, -4)."""
    net = model("first", "input x, y, z\nq = x + y\noutput f = q * z\n").Model()
    assert net.forward(x=-2, y=5, z=-4).f == -12
    g = net.backward()
    assert (g.x, g.y, g.z) == (-4, -4, 3)


def test_a_circuit_with_a_truth_to_reach(model: Load) -> None:
    """f = (ax + by) cz is 12 where the truth is 15: |f - 15| falls when f rises."""
    text = "input x, y, z\nparam a = 2\nparam b = 5\nparam c = 1\noutput f = (a*x + b*y) * (c*z)\nminimize abs(f - 15)\n"
    out, g = model("truth", text).Model().value_and_grad(x=1, y=2, z=1)
    assert (out.f, out.loss) == (12, 3)
    assert (g.a, g.b, g.c) == (-1, -2, -12)


NEURON = {"w0": 2.0, "x0": -1.0, "w1": -3.0, "x1": -2.0, "w2": -3.0}


def test_a_neuron(model: Load) -> None:
    text = "input w0, x0, w1, x1, w2\noutput f = 1 / (1 + exp(-(w0*x0 + w1*x1 + w2)))\n"
    net = model("neuron", text).Model()
    f = net.forward(**NEURON).f
    assert f == pytest.approx(0.731059, abs=5e-7)
    g = net.backward()
    slope = f * (1 - f)
    assert slope == pytest.approx(0.196612, abs=5e-7)
    expected = {"w0": -0.196612, "x0": 0.393224, "w1": -0.393224, "x1": -0.589836, "w2": 0.196612}
    exact = {"w0": -slope, "x0": 2 * slope, "w1": -2 * slope, "x1": -3 * slope, "w2": slope}
    for name in NEURON:
        assert g[name] == pytest.approx(expected[name], abs=5e-7)
        assert g[name] == pytest.approx(exact[name], rel=1e-15)


def test_a_neuron_gate_by_gate(model: Load) -> None:
    """The gates *, *, +, +, *-1, exp, +1, 1/x; each value and each gradient as it stands on the blackboard."""
    text = """input w0, x0, w1, x1, w2
a = w0 * x0
b = w1 * x1
s = a + b
z = s + w2
m = z * -1
e = exp(m)
q = e + 1
f = 1 / q
output a, b, s, z, m, e, q, f
gradient f wrt w0, x0, w1, x1, w2, a, b, s, z, m, e, q
"""
    net = model("gates", text).Model()
    out = net.forward(**NEURON)
    board = {"a": -2.0, "b": 6.0, "s": 4.0, "z": 1.0, "m": -1.0, "e": 0.37, "q": 1.37, "f": 0.73}
    for name, number in board.items():
        assert out[name] == pytest.approx(number, abs=5e-3)
    assert out.q == pytest.approx(1.3679, abs=5e-5)
    q, e = 1 + np.exp(-1.0), np.exp(-1.0)
    d_q = -1 / q**2  # through 1/x
    d_e = d_q  # through +1
    d_m = d_e * e  # through exp
    d_z = -d_m  # through *-1
    g = net.backward().f
    assert g.q == pytest.approx(-0.5344, abs=5e-5)
    exact = {"q": d_q, "e": d_e, "m": d_m, "z": d_z, "s": d_z, "w2": d_z, "a": d_z, "b": d_z,
             "w0": -1 * d_z, "x0": 2 * d_z, "w1": -2 * d_z, "x1": -3 * d_z}  # fmt: skip
    for name, number in exact.items():
        assert g[name] == pytest.approx(number, rel=1e-15), name


def test_a_staged_computation_against_50_digits(model: Load) -> None:
    """f = (x + σ(y)) / (σ(x) + (x + y)²) at (3, -4)."""
    text = "def σ(t) = 1 / (1 + exp(-t))\ninput x, y\noutput f = (x + σ(y)) / (σ(x) + (x + y)**2)\n"
    net = model("staged", text).Model()
    f = net.forward(x=3, y=-4).f
    g = net.backward()
    with mpmath.workdps(50):
        x, y = mpmath.mpf(3), mpmath.mpf(-4)

        def sigma(t: Any) -> Any:
            return 1 / (1 + mpmath.exp(-t))

        numerator, denominator = x + sigma(y), sigma(x) + (x + y) ** 2
        rise_x, rise_y = sigma(x) * (1 - sigma(x)), sigma(y) * (1 - sigma(y))
        exact = numerator / denominator
        d_x = (1 - exact * (rise_x + 2 * (x + y))) / denominator
        d_y = (rise_y - exact * 2 * (x + y)) / denominator
        assert exact == pytest.approx(1.5456448841066441)  # and what the course's notes print
    assert f == pytest.approx(float(exact), rel=4e-16)
    assert g.x == pytest.approx(float(d_x), rel=1e-15)
    assert g.y == pytest.approx(float(d_y), rel=1e-15)
    assert (float(d_x), float(d_y)) == pytest.approx((2.0595697955721652, 1.5922327514838093))


def test_the_squared_length_of_a_product(model: Load) -> None:
    """‖Wx‖²: dW = 2 (Wx) xᵀ and dx = 2 Wᵀ(Wx)."""
    text = "input x[2]\nparam W[2, 2] = [[0.1, 0.5], [-0.3, 0.8]]\nq = W @ x\noutput f = sum(q**2)\ngradient f wrt W, x\n"
    net = model("length", text).Model()
    out = net.forward(x=[0.2, 0.4])
    g = net.backward()
    assert out.f == pytest.approx(0.116, rel=1e-15)
    np.testing.assert_allclose(g.W, [[0.088, 0.176], [0.104, 0.208]], rtol=1e-14)
    np.testing.assert_allclose(g.x, [-0.112, 0.636], rtol=1e-14)


TOY = """size N, D = 4, H = 10, C = 3
hyper reg = 0.05
input X[N, D]
index y[N] < C
param W1[D, H] ~ normal(0, 0.1)
param b1[H] = 0
param W2[H, C] ~ normal(0, 0.1)
param b2[C] = 0
h = max(0, X @ W1 + b1)
output scores = h @ W2 + b2
minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
"""


def toy_data() -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the data of the course's first assignment."""
    np.random.seed(0)  # noqa: NPY002
    W1, W2 = 0.1 * np.random.randn(4, 10), 0.1 * np.random.randn(10, 3)  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    X = 10 * np.random.randn(5, 4)  # noqa: NPY002
    return {"W1": W1, "b1": np.zeros(10), "W2": W2, "b2": np.zeros(3)}, {"X": X, "y": np.array([0, 1, 2, 2, 1])}


def toy_loss(W1: Any, b1: Any, W2: Any, b2: Any, X: Any, y: Any) -> Any:
    scores = np.maximum(0, X @ W1 + b1) @ W2 + b2
    shifted = scores - scores.max(axis=1, keepdims=True)
    each = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(y)), y]
    return each.mean() + 0.05 * ((W1**2).sum() + (W2**2).sum())


def test_the_toy_network_of_the_first_assignment(model: Load) -> None:
    params, data = toy_data()
    net = model("toy", TOY).Model()
    for name, value in params.items():
        net.params[name][...] = value
    out, g = net.value_and_grad(**data)
    assert out.loss == pytest.approx(1.30378789133, abs=5e-12)
    assert out.loss == pytest.approx(toy_loss(**params, **data), rel=1e-15)
    scores = [[-0.81233741, -1.27654624, -0.70335995], [-0.17129677, -1.18803311, -0.47310444],
              [-0.51590475, -1.01354314, -0.8504215], [-0.15419291, -0.48629638, -0.52901952],
              [-0.00618733, -0.12435261, -0.15226949]]  # fmt: skip
    np.testing.assert_allclose(out.scores, scores, atol=5e-9)
    h = 1e-5
    for name, value in params.items():
        slopes = np.zeros_like(value)
        for k in np.ndindex(value.shape):
            up, down = value.copy(), value.copy()
            up[k], down[k] = up[k] + h, down[k] - h
            slopes[k] = (toy_loss(**params | {name: up}, **data) - toy_loss(**params | {name: down}, **data)) / (2 * h)
        np.testing.assert_allclose(g[name], slopes, rtol=0, atol=1e-9)


def test_a_sum_of_nothing_is_0_whatever_would_be_summed(model: Load) -> None:
    text = "size N\ninput x[N]\nm = mean(x)\noutput s = sum(m**2 for k in range(N))\noutput t = sum(zeros(N) + m)\n"
    net = model("nothing", text).Model()
    assert tuple(net.predict(x=np.zeros(0))) == (0, 0)
    assert tuple(net.predict(x=np.array([1.0, 3.0]))) == (8, 4)
