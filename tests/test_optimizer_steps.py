"""Steps of momentum, RMSProp and Adam (at t = 5), as the course's second assignment checks them, against NumPy.

The arrays are those of the assignment: w from -0.4 to 0.6, its gradient from -0.6 to 0.4, the states from 0.6 to 0.9 and, for
Adam's second moment, from 0.7 to 0.5, each 4 by 5."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradwright.runtime import SGD, Adam, Optimizer, RMSProp, load

# The loss has the gradient g whatever w is; weight decay and groups are tested on a second parameter.
TEXT = "input g[4, 5]\nparam w[4, 5] = 0\nminimize sum(g * w)\n"
GROUPS = "input g[3]\nparam W[3] = 1\nparam b[3] = 1\nminimize sum(g * W) + sum(g * b)\n"
W = np.linspace(-0.4, 0.6, 20).reshape(4, 5)
G = np.linspace(-0.6, 0.4, 20).reshape(4, 5)
V = np.linspace(0.6, 0.9, 20).reshape(4, 5)
SQUARES = np.linspace(0.7, 0.5, 20).reshape(4, 5)


@pytest.fixture(scope="module", params=["numpy", "cython"])
def module(request: pytest.FixtureRequest) -> Any:
    return load(TEXT, backend=request.param, name="steps")


def stepped(module: Any, optimizer: Optimizer, t: int, **states: Any) -> Any:
    """The model after step t from W and these states."""
    model = module.Model(params={"w": W})
    model.step(optimizer, g=np.zeros((4, 5)))           # makes the states
    model.params.w = W
    model.optimizer_state.step = t - 1
    for name, value in states.items():
        model.optimizer_state.arrays[name][...] = value.ravel()
    model.step(optimizer, g=G)
    assert model.optimizer_state.step == t
    return model


def test_momentum(module: Any) -> None:
    """The assignment writes v = 0.9 v - lr g and w = w + v: its v is -lr times that of the rule here."""
    lr = 1e-3
    model = stepped(module, SGD(lr=lr, momentum=0.9), 1, v=-V / lr)
    v = 0.9 * V - lr * G
    np.testing.assert_allclose(model.params.w, W + v, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(-lr * model.optimizer_state.arrays["v"].reshape(4, 5), v, rtol=1e-13, atol=1e-15)
    assert f"{model.params.w[0, 0]:.7f}" == "0.1406000"


def test_rmsprop(module: Any) -> None:
    model = stepped(module, RMSProp(lr=1e-2, alpha=0.99), 1, s=V)
    cache = 0.99 * V + 0.01 * G * G
    np.testing.assert_allclose(model.params.w, W - 1e-2 * G / (np.sqrt(cache) + 1e-8), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(model.optimizer_state.arrays["s"].reshape(4, 5), cache, rtol=1e-13)


def test_adam_at_its_fifth_step(module: Any) -> None:
    model = stepped(module, Adam(lr=1e-3), 5, m=V, v=SQUARES)
    m = 0.9 * V + 0.1 * G
    v = 0.999 * SQUARES + 0.001 * G**2
    w = W - 1e-3 * (m / (1 - 0.9**5)) / (np.sqrt(v / (1 - 0.999**5)) + 1e-8)
    np.testing.assert_allclose(model.params.w, w, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(model.optimizer_state.arrays["m"].reshape(4, 5), m, rtol=1e-13)
    np.testing.assert_allclose(model.optimizer_state.arrays["v"].reshape(4, 5), v, rtol=1e-13)


@pytest.mark.parametrize("backend", ["numpy", "cython"])
def test_weight_decay_is_off_for_biases(backend: str) -> None:
    model = load(GROUPS, backend=backend, name="groups").Model()
    g = np.array([0.1, 0.2, 0.3])
    model.step(SGD(lr=0.5, weight_decay=0.2, groups={"b*": {"weight_decay": 0}}), g=g)
    np.testing.assert_allclose(model.params.W, 1 - 0.5 * (g + 0.2), rtol=1e-14)
    np.testing.assert_allclose(model.params.b, 1 - 0.5 * g, rtol=1e-14)
