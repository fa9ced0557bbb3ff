"""``jacobian r wrt b``, ``hessian f wrt x`` and their like as statements (compiler/elaborate/jacobians.py)."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from gradwright.compiler.driver import check_model, compile_model
from gradwright.compiler.language.diagnostics import ModelError
from gradwright.runtime import GradwrightError, gradcheck, load
from support.models import build, elaborated, errors

pytestmark = pytest.mark.unoptimised

Array = np.ndarray[Any, np.dtype[Any]]
BACKENDS = ("cython", "numpy")
rng = np.random.default_rng(7)

THURBER = """\
size  N
input x[N], y[N]
param b[7] = [1.3, 1.5, 0.6, 0.1, 1.0, 0.4, 0.05]
r = y - (b[0] + b[1]*x + b[2]*x**2 + b[3]*x**3) / (1 + b[4]*x + b[5]*x**2 + b[6]*x**3)
output r
jacobian r wrt b
"""
NET = """\
size  N
input x[N, 3], t[N, 2]
param W[3, 2] ~ normal(0, 1)
param c = 0.3
h = tanh(x @ W) * c
output s = softmax(h)
minimize mean((s - t)**2)
jacobian h wrt x, W, c
jacobian s wrt W
jacobian s wrt x each n
hessian loss wrt c, W
hessian diagonal loss wrt W
"""


def central(f: Callable[[Array], Array], x: Array, step: float = 1e-5) -> Array:
    """The derivative of each element of f for each of x."""
    found = np.zeros((*np.shape(f(x)), *x.shape))
    for place in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[place] += step
        down[place] -= step
        found[(..., *place)] = (f(up) - f(down)) / (2 * step)
    return found


@pytest.mark.parametrize("backend", BACKENDS)
def test_residuals_and_their_jacobian(backend: Any) -> None:
    """NIST's model of the electron mobility of silicon (Thurber, 1979)."""
    model = load(THURBER, backend=backend, name="thurber").Model()
    data = {"x": rng.uniform(-1, 1, 9), "y": rng.normal(size=9)}
    J = model.jacobian(**data).b
    assert J.shape == (9, 7)

    def residuals(b: Array) -> Array:
        return np.asarray(load(THURBER, backend=backend, name="thurber").predict({"b": b}, **data).r)

    assert np.allclose(J, central(residuals, model.params.b.copy()), rtol=1e-8, atol=1e-9)


@pytest.fixture(scope="module", params=BACKENDS)
def net(request: pytest.FixtureRequest) -> ModuleType:
    return load(NET, backend=request.param, name="net")


def net_in_numpy(x: Array, W: Array, c: Array) -> tuple[Array, Array]:
    h = np.tanh(x @ W) * c
    e = np.exp(h - h.max(axis=1, keepdims=True))
    return h, e / e.sum(axis=1, keepdims=True)


def test_all_that_a_net_declares(net: ModuleType) -> None:
    model = net.Model(seed=3)
    x, t = rng.normal(size=(4, 3)), rng.random((4, 2))
    W, c = model.params.W.copy(), np.array(0.3)
    J = model.jacobian(x=x)  # no t: what is needed is told by what is declared
    near = {"rtol": 1e-8, "atol": 1e-9}
    assert np.allclose(J.h.x, central(lambda x: net_in_numpy(x, W, c)[0], x), **near)
    assert np.allclose(J.h.W, central(lambda W: net_in_numpy(x, W, c)[0], W), **near)
    assert np.allclose(J.h.c, central(lambda c: net_in_numpy(x, W, c)[0], c), **near)
    assert np.allclose(J.s.W, central(lambda W: net_in_numpy(x, W, c)[1], W), **near)
    whole = central(lambda x: net_in_numpy(x, W, c)[1], x)
    assert J.s.x.shape == (4, 2, 3) and np.allclose(J.s.x, whole[np.arange(4), :, np.arange(4)], **near)

    def loss(W: Array, c: Array) -> Array:
        return np.asarray(((net_in_numpy(x, W, c)[1] - t) ** 2).mean())

    H, D = model.hessian(x=x, t=t), model.hessian_diagonal(x=x, t=t)
    by_W = central(lambda W: central(lambda W: loss(W, c), W, 1e-4), W, 1e-4)
    assert np.allclose(H.W, by_W, atol=2e-6) and np.allclose(H.W, H.W.transpose(2, 3, 0, 1), atol=1e-12)
    assert np.allclose(H.c, central(lambda c: central(lambda c: loss(W, c), c, 1e-4), c, 1e-4), atol=2e-6)
    assert D.W.shape == (3, 2) and np.allclose(D.W, np.einsum("ijij->ij", H.W), rtol=1e-12, atol=1e-14)


def test_calls_are_pure_and_fill_what_is_handed_in(net: ModuleType) -> None:
    model = net.Model(seed=3)
    x = rng.normal(size=(4, 3))
    J = model.jacobian(x=x)
    again = net.jacobian({"W": model.params.W, "c": 0.3}, x=x)
    for name in J.keys():  # noqa: SIM118  to iterate gives the values
        assert np.array_equal(J[name], again[name]), name
    room = np.full((4, 2, 3), np.nan)
    filled = model.jacobian(x=x, out={"s.x": room})
    assert filled.s.x is room and np.array_equal(room, J.s.x)
    assert model.jacobian(x=2 * x, out=J)["h.W"] is J["h.W"]
    copied = pickle.loads(pickle.dumps(J))
    assert np.array_equal(copied["h.W"], J["h.W"])
    for n in (0, 1):
        assert model.jacobian(x=x[:n]).h.W.shape == (n, 2, 3, 2)


def test_gradcheck_compares_them(net: ModuleType) -> None:
    report = gradcheck(net.Model(seed=3))
    assert report, report
    assert [(c.target, c.name) for c in report.checks][2:] == [
        ("jacobian s", "W"), ("jacobian s", "x"), ("hessian loss", "c"), ("hessian loss", "W"), ("hessian diagonal loss", "W"),
    ]  # fmt: skip
    assert report.skipped == tuple(f"jacobian h wrt {name} is not compared: h is no output" for name in "xWc")


@pytest.mark.filterwarnings("ignore:.*W30")
def test_gradcheck_finds_a_wrong_one() -> None:
    """By a derivative that is given by hand, and wrong; what nothing tells is said to be left out."""
    text = (
        "input x[3], z\ndef cube(a) = a**3\nderivative cube(a) wrt a = 3 * a\ny = cube(x)\nh = 2 * z\noutput y\n"
        "output f = sum(y) + h**2\njacobian y wrt x\njacobian f wrt h\nhessian f wrt x, h\nhessian diagonal f wrt z\n"
    )
    report = gradcheck(load(text, backend="numpy", name="by_hand").Model(), x=np.array([0.5, 1.2, -0.7]), z=0.3)
    wrong = {f"{c.target}: {c.name}" for c in report.checks if not c.right}
    assert wrong == {"y: x", "f: x", "jacobian y: x"}  # the Hessian is that of the gradient as it is given
    assert report.skipped == (
        "jacobian f wrt h is not compared: h is computed, and cannot be varied by itself",
        "hessian f wrt h is not compared: h is computed, and cannot be varied by itself",
    )
    alone = gradcheck(load("input x\nf = x**2\noutput f\nminimize x\nhessian f wrt x\n", backend="numpy", name="alone").Model())
    assert not alone.checks and alone.skipped == ("hessian f wrt x is not compared: `gradient f wrt x` would say what with",)


def test_they_do_not_disturb_a_forward_pass(net: ModuleType) -> None:
    model = net.Model(seed=3)
    given = {"x": rng.normal(size=(4, 3)), "t": rng.random((4, 2))}
    _, wanted = model.value_and_grad(**given)
    model.forward(**given)
    model.jacobian(x=2 * given["x"])
    model.hessian(**given)
    assert np.array_equal(model.backward().W, wanted.W)


def test_the_names_are_short_where_one_thing_is_differentiated() -> None:
    assert [d.name for d in build(THURBER).derived] == ["b"]
    assert [d.name for d in build(NET).derived] == ["h.x", "h.W", "h.c", "s.W", "s.x", "c", "W", "W"]


def test_no_other_kernel_computes_them() -> None:
    """Nor is a gradient of theirs there, as there would be of an output."""
    plain = THURBER.replace("jacobian r wrt b\n", "")
    plans = [compile_model(text, stop_after="loops").value[0] for text in (THURBER, plain)]
    kernels = [{k.name: k for k in found.kernels} for found in plans]
    assert {*kernels[0]} - {*kernels[1]} == {"jacobian"}
    for name, kernel in kernels[1].items():
        assert len(kernels[0][name].graph.eqns) == len(kernel.graph.eqns) and kernels[0][name].slots == kernel.slots
    assert kernels[0]["jacobian"].slots == ("in:x", "theta", "out:b")  # y is not read
    assert [t.name for t in build(THURBER).targets] == ["r"]


def test_a_binding_a_line_later_and_a_penalty_count() -> None:
    """``r`` is what it is at the line of the statement; the loss has its penalties wherever they are declared."""
    text = "input x[3]\nparam w[3] = 2 with ridge(1)\nr = x*w\njacobian r wrt x\nhessian loss wrt w\nr = 5*r\noutput r\n"
    text += "minimize sum(x*w**2)\ndef ridge(w, k) = k * sum(w**2)\n"
    model = load(text, backend="numpy", name="later").Model()
    assert np.array_equal(model.jacobian(x=np.ones(3)).x, 2 * np.eye(3))
    assert np.array_equal(model.hessian(x=np.ones(3)).w, 4 * np.eye(3))


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("jacobian r wrt y", [("E220", 5, "there is no y here")]),
        ("jacobian q wrt x", [("E220", 5, "there is no q here")]),
        ("jacobian x wrt x", [("E245", 5, "x is an input and has no gradient")]),
        ("jacobian r wrt k", [("E245", 5, "k is an index, and there is no gradient for integers")]),
        ("jacobian r wrt z", [("E267", 5, "r does not depend on z")]),
        ("jacobian r wrt x\njacobian r wrt x each n", [("E221", 6, "this jacobian is declared already")]),
        ("jacobian r wrt w each n", [("E203", 5, "a block for each n wants r and w to have the same first axis")]),
        ("hessian r wrt x", [("E285", 5, "hessian wants a number")]),
        ("hessian diagonal r wrt x", [("E285", 5, "hessian wants a number")]),
        ("hessian loss wrt x", [("E267", 5, "there is no loss")]),
    ],
)  # fmt: skip
def test_what_cannot_be_declared(statement: str, found: list[tuple[str, int, str]]) -> None:
    text = "input x[3], z\nindex k[3] < 2\nparam w[4]\noutput r = x**2 * sum(w) + k\n" + statement + "\noutput v = z\n"
    assert errors(text) == found


def test_an_error_says_what_to_write() -> None:
    text = "input x[3], w[4]\noutput r = x * sum(w)\njacobian r wrt w each n\nhessian r wrt x\n"
    assert elaborated(text)[2] == """\
error[E203]: a block for each n wants r and w to have the same first axis
  --> model.gw:3:23
   |
 3 | jacobian r wrt w each n
   |          ^     ^      ^
   |          |     |
   |          |     w is [4]
   |          r is [3]
   = help: for all pairs of their elements: jacobian r wrt w

error[E285]: hessian wants a number
  --> model.gw:4:9
   |
 4 | hessian r wrt x
   |         ^ r is [3]
   = help: jacobian r wrt x has the first derivatives of all its elements"""


def test_a_block_for_each_row_wants_rows_that_are_independent() -> None:
    """Else the blocks would not be the Jacobian, and nothing would say so."""
    text = "size N\ninput x[N, 2]\nr = x - mean(x, axis=0)\noutput r\njacobian r wrt x each n\n"
    with pytest.raises(ModelError) as caught:
        check_model(text)
    assert str(caught.value) == """\
error[E274]: r is not made of x point by point
  --> model.gw:5:1
   |
 3 | r = x - mean(x, axis=0)
   |         ^^^^^^^^^^^^^^^ this is made of all places along the axis
 4 | output r
 5 | jacobian r wrt x each n
   | ^^^^^^^^^^^^^^^^^^^^^^^ this takes each place along axis 0 of x by itself
   = help: for all pairs of their elements: jacobian r wrt x"""
    check_model(text.replace("r = x - mean(x, axis=0)", "r = x - mean(x, axis=1, keepdims=True)"))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_call_that_is_not_declared(backend: Any) -> None:
    module = load("input x[3]\noutput f = sum(x**2)\n", backend=backend, name="undeclared")
    wanted: Mapping[str, str] = {
        "jacobian": "undeclared declares no jacobian: write `jacobian r wrt b` in the model",
        "hessian": "undeclared declares no hessian: write `hessian f wrt x` in the model",
        "hessian_diagonal": "undeclared declares no hessian diagonal: write `hessian diagonal f wrt x` in the model",
    }
    for call, message in wanted.items():
        with pytest.raises(GradwrightError) as caught:
            getattr(module.Model(), call)(x=np.ones(3))
        assert str(caught.value) == message
        assert not hasattr(module, call)


def test_wrong_inputs_are_named(net: ModuleType) -> None:
    model = net.Model()
    with pytest.raises(GradwrightError, match="x: expected"):
        model.jacobian(x=np.ones((4, 2)))
    with pytest.raises(GradwrightError, match="x"):
        model.jacobian()
