"""Derivatives that a user gives, and values that no gradient goes through."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradwright.compiler.driver import check_model
from gradwright.compiler.language.diagnostics import ModelError
from gradwright.runtime import load
from support.models import build, elaborated, values, warnings

pytestmark = pytest.mark.unoptimised

BACKENDS = ["numpy", "cython"]
HUBER = "def huber(e, d=1) = where(abs(e) < d, e**2 / 2, d * (abs(e) - d/2))\n"


@pytest.mark.parametrize("call", ["hypot(a, b)", "logaddexp(a, b)", "xlogy(a, b)", "mine(a, b)"])
def test_shapes_that_do_not_broadcast_are_told(call: str) -> None:
    own = "def mine(u, v) = u * v\nderivative mine(u, v) wrt u = v\n"
    with pytest.raises(ModelError) as caught:
        check_model(f"{own}size N\ninput a[N, 3], b[N, 4]\noutput f = {call}\n")
    assert [d.code for d in caught.value.diagnostics] == ["E203"] and " is [N, 3]" in str(caught.value)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_given_derivative_is_used(backend: str) -> None:
    text = f"""input x, y
{HUBER}derivative huber(u, v) wrt u = 10 * clip(u, -v, v)
def twice(z) = huber(2*z, z) + 1
output f = huber(x - y)
output g = twice(x)
gradient f wrt x, y
gradient g wrt x
"""
    model = load(text, backend=backend, name="given").Model()
    out, g = model.value_and_grad({"f": 1.0, "g": 1.0}, x=0.3, y=0.1)
    assert out.f == pytest.approx(0.02) and out.g == pytest.approx(1.135)  # the values are the function's
    assert (g.f.x, g.f.y) == (pytest.approx(2.0), pytest.approx(-2.0))
    assert g.g.x == pytest.approx(2 * 3 + 0.3)  # by e as given, by d the compiler's own: |e| - d


def test_a_given_derivative_of_an_array_of_numbers() -> None:
    text = "def wave(u) = sin(2 * u)\nderivative wave(u) wrt u = 2 * cos(2 * u)\noutput f = wave([[1, 0.5], [0, 2]])\n"
    np.testing.assert_allclose(values(text)["f"], np.sin([[2, 1], [0, 4]]), rtol=1e-15)


@pytest.mark.parametrize("backend", BACKENDS)
def test_straight_through_a_step(backend: str) -> None:
    """Bengio et al. 2013: the step's derivative is taken to be 1 within the unit interval."""
    text = """size N = 4
input x[N]
def step(u) = where(u > 0, 1, 0) + 0 * u
derivative step(u) wrt u = where(abs(u) < 1, 1, 0)
minimize sum(step(x) * [1, 2, 3, 4])
gradient loss wrt x
"""
    model = load(text, backend=backend, name="through").Model()
    out, g = model.value_and_grad(x=np.array([-2.0, -0.5, 0.5, 3.0]))
    assert out.loss == 7
    np.testing.assert_array_equal(g.x, [0, 2, 3, 0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_gradient_goes_through_what_is_stopped(backend: str) -> None:
    text = """size N
input x[N]
h = x**2
output y = stop_gradient(h) * x + sum(stop_gradient(x))
"""
    x = np.array([0.5, -2.0, 3.0])
    model = load(text, backend=backend, name="stopped").Model()
    np.testing.assert_allclose(model.forward(x=x).y, x**3 + x.sum(), rtol=1e-15)
    np.testing.assert_allclose(model.backward(upstream=np.ones(3)).x, x**2, rtol=1e-15)


def test_the_interpreter_and_the_graph_s_text_know_both() -> None:
    text = f"input x[2]\n{HUBER}derivative huber(e, d) wrt e = clip(e, -d, d)\noutput y = huber(x) + stop_gradient(x)\n"
    np.testing.assert_allclose(values(text, x=np.array([0.5, 2.0]))["y"], [0.625, 3.5])
    from gradwright.compiler.graph.text import parse_graph, show_graph

    graph = build(text).graph
    assert parse_graph(show_graph(graph)) == graph


def test_a_right_derivative_is_not_warned_about() -> None:
    for text in (
        f"input x\n{HUBER}derivative huber(e, d) wrt e = clip(e, -d, d)\noutput y = huber(x)\n",
        "input x\ndef f(u) = log(u) * u\nderivative f(u) wrt u = log(u) + 1\noutput y = f(x)\n",
        "input x\ndef f(u, s=2) = sqrt(u * s)\nderivative f(a, b) wrt b = 0.5 * sqrt(a / b)\noutput y = f(x)\n",
        "input x\ndef f(u) = abs(u)\nderivative f(u) wrt u = sign(u)\noutput y = f(x)\n",
    ):
        assert warnings(text) == []


WRONG: list[tuple[str, str, str]] = [
    ("derivative hubber(e) wrt e = 1\n" + HUBER, "E271", "there is no function hubber in this file"),
    ("derivative relu(e) wrt e = 1\n", "E271", "there is no function relu in this file"),
    (HUBER + "derivative huber(e) wrt e = 1\n", "E271", "huber has 2 arguments, and not 1"),
    (HUBER + "derivative huber(e, d) wrt q = 1\n", "E271", "q is none of the arguments"),
    (HUBER + "derivative huber(e, d) wrt e = 1\nderivative huber(a, b) wrt a = 1\n", "E221",
     "the derivative of huber is given twice"),
    ("def huber(e) = sum(e)\nderivative huber(e) wrt e = 1\n", "E271",
     "huber has a hand-made derivative, and does not work point by point"),
]  # fmt: skip


@pytest.mark.parametrize("text,code,message", WRONG, ids=[w[2] for w in WRONG])
def test_what_cannot_be(text: str, code: str, message: str) -> None:
    found: Any = elaborated("input x[3]\n" + text + ("" if "def huber" not in text else "output y = huber(x)\n"))[1]
    assert [(d.code, d.message) for d in found if d.is_error] == [(code, message)]
