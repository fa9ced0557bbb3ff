"""Calls in every order: what belongs to which forward, what stays, and what a failed call leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradwright.runtime import GradwrightError, ShapeError, StateError, load

TEXT = """\
size   N, H = 4
hyper  reg = 0.5
input  x[N, 3], y[N]
param  W[3, H] ~ normal(0, 1)
param  v[H] ~ normal(0, 1)
param  c = 1 frozen
h = tanh(x @ W)
output p = h @ v + c
minimize mse(p, y) + reg * sum(W**2)
"""
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(6, 3)), RNG.normal(size=6)


@pytest.fixture(scope="module", params=["numpy", "cython"])
def module(request: pytest.FixtureRequest) -> Any:
    return load(TEXT, backend=request.param, name="sequence")


def gradient(module: Any, x: Any = X, y: Any = Y, **more: Any) -> Any:
    return module.gradient(module.Model(seed=1), x=x, y=y, **more)


def failing(model: Any) -> list[Any]:
    """Calls that fail, each in its own place."""
    return [
        lambda: model.forward(x=X, y=Y[:2]), lambda: model.forward(x=X), lambda: model.forward(x=X, y=Y, z=1),
        lambda: model.forward(x=X.astype(object), y=Y), lambda: model.forward(x=X, y=Y, reg="a"),
    ]  # fmt: skip


def test_a_forward_after_a_failed_one_is_as_any(module: Any) -> None:
    model = module.Model(seed=1)
    want = model.forward(x=X, y=Y)
    for call in failing(model):
        with pytest.raises(GradwrightError):
            call()
        out = model.forward(x=X, y=Y)
        assert out.loss == want.loss and np.array_equal(out.p, want.p)
        assert np.array_equal(model.backward().W, gradient(module).W)


def test_backward_needs_a_forward(module: Any) -> None:
    text = r"^backward\(\) needs a forward\(\) just before it \(only predict\(\) may come between\)$"
    model = module.Model(seed=1)
    with pytest.raises(StateError, match=text):
        model.backward()
    for call in failing(model):
        model.forward(x=X, y=Y)
        with pytest.raises(GradwrightError):
            call()
        with pytest.raises(StateError, match=text):     # and never the gradient of the forward before
            model.backward()
        with pytest.raises(StateError, match="^values: call forward"):
            _ = model.values
    for between in (lambda: model.step("sgd", x=X, y=Y), lambda: model.fit({"x": X, "y": Y}, "sgd", progress=False),
                    lambda: model.value_and_grad(x=X, y=Y)):  # fmt: skip
        model.forward(x=X, y=Y)
        between()
        with pytest.raises(StateError, match=text):
            model.backward()


def test_a_failed_backward_leaves_the_forward(module: Any) -> None:
    model = module.Model(seed=1)
    model.forward(x=X, y=Y)
    for wrong in ([1.0, 2.0], "a", {"q": 1.0}, 1j):
        with pytest.raises(GradwrightError, match="^upstream"):
            model.backward(wrong)
    assert np.array_equal(model.backward().W, gradient(module).W)
    with pytest.raises(ShapeError):
        model.value_and_grad(x=X, y=Y[:1])
    np.testing.assert_array_equal(model.grad, np.concatenate([gradient(module).W.ravel(), gradient(module).v]))


def test_backward_twice_and_with_another_upstream(module: Any) -> None:
    model = module.Model(seed=1)
    model.forward(x=X, y=Y)
    first = model.backward()
    held = first.W.copy()
    second, twice = model.backward(), model.backward(2.0)
    assert np.array_equal(second.W, held) and np.array_equal(twice.W, 2 * held)
    assert np.array_equal(first.W, held) and not np.shares_memory(first.W, second.W)
    first.W[...] = 0        # the user's own
    assert np.array_equal(model.backward().W, held)


def test_what_is_overwritten_between_forward_and_backward_is_an_error(module: Any) -> None:
    x, y = X.copy(), Y.copy()
    model = module.Model(seed=1)

    def other(name: str, array: Any, value: float) -> None:
        model.forward(x=x, y=y)
        before = array.flat[0]
        array.flat[0] = value
        text = rf"^{name}: overwritten between forward\(\) and backward\(\); call forward\(\) again$"
        with pytest.raises(StateError, match=text):
            model.backward()
        array.flat[0] = before
        assert np.array_equal(model.backward().W, gradient(module).W)      # it is as it was

    other("x", x, 5.0)
    other("y", y, 5.0)
    other("the parameters", model.params.W, 5.0)
    other("the parameters", model.theta, 5.0)
    other("the frozen parameters", model.params.c.reshape(1), 5.0)
    for write in (lambda: setattr(model, "theta", model.theta * 2), lambda: setattr(model.params, "W", model.params.W + 1),
                  lambda: setattr(model, "params", {"v": np.zeros(4)})):  # fmt: skip
        model.forward(x=x, y=y)
        write()
        with pytest.raises(StateError, match="^the parameters: overwritten"):
            model.backward()
        assert np.array_equal(model.forward(x=x, y=y).p, model.predict(x=x).p)
        model.backward()


def test_what_is_predicted_has_the_bits_of_the_forward_pass(module: Any) -> None:
    """Of few terms, too, whose products a C compiler fuses with one sum or with another."""
    model, rng = module.Model(seed=1), np.random.default_rng(3)
    for _ in range(300):
        model.theta = rng.normal(size=16) * 2
        np.testing.assert_array_equal(model.forward(x=X, y=Y).p, model.predict(x=X).p)


def test_what_was_converted_or_is_a_number_may_change(module: Any) -> None:
    """The model has its own copy of what it converted, and of the hyper-parameters: backward belongs to the forward's."""
    model = module.Model(seed=1)
    x, y = np.asfortranarray(X), Y.tolist()
    model.forward(x=x, y=y)
    x[...], y[0] = 9, 9
    model.hyper.reg = 0.0
    assert np.array_equal(model.backward().W, gradient(module).W)
    model.forward(x=X, y=Y)
    assert np.array_equal(model.backward().W, gradient(module, reg=0.0).W)
    model.forward(x=X, y=Y, reg=0.5)
    assert np.array_equal(model.backward().W, gradient(module).W)


def test_two_models_of_one_module_do_not_meet(module: Any) -> None:
    a, b = module.Model(seed=1), module.Model(seed=2)
    a.forward(x=X, y=Y)
    b.forward(x=X[:2], y=Y[:2])
    first = a.backward()
    module.value_and_grad(b, x=X[:3], y=Y[:3])
    b.step("sgd", x=X, y=Y)
    b.forward(x=X, y=Y)
    assert np.array_equal(first.W, gradient(module).W) and np.array_equal(a.backward().W, first.W)
    assert np.array_equal(a.values.h, np.asarray(a.values.h)) and not np.array_equal(a.values.h, b.values.h)
    with pytest.raises(StateError):
        module.Model(seed=1).backward()


def test_results_are_the_users_own(module: Any) -> None:
    model = module.Model(seed=1)
    kept: list[Any] = []
    for rows in (6, 6, 2, 0, 6, 1):
        out = model.forward(x=X[:rows], y=Y[:rows])
        found = [out.p, model.values.h, model.backward().W, model.grad, model.predict(x=X[:rows]).p]
        out, g = model.value_and_grad(x=X[:rows], y=Y[:rows])
        found += [out.p, g.W, g.v, model.grad]
        kept += [(array, array.copy()) for array in found]
    model.fit({"x": X, "y": Y}, "sgd", epochs=3, progress=False)
    model.theta = 0 * model.theta
    for array, copy in kept:
        np.testing.assert_array_equal(array, copy)


def test_sizes_may_change_from_call_to_call(module: Any) -> None:
    model = module.Model(seed=1)
    sizes = [1, 6, 0, 3, 5000, 2, 6, 5000, 1]
    x, y = RNG.normal(size=(5000, 3)), RNG.normal(size=5000)
    for rows in sizes:
        out = model.forward(x=x[:rows], y=y[:rows])
        g = model.backward()
        fresh = module.value_and_grad(module.Model(seed=1), x=x[:rows], y=y[:rows])
        np.testing.assert_array_equal(out.p, fresh[0].p)
        np.testing.assert_array_equal(g.W, fresh[1].W)
        assert model.values.h.shape == (rows, 4)


@pytest.mark.parametrize("backend", ["numpy", "cython"])
def test_a_call_that_memory_does_not_hold_leaves_the_model_whole(backend: str) -> None:
    x = np.linspace(0, 1, 50_000)
    text = "size N, M\ninput x[N]\nh = exp(x)\noutput s = h * 2\noutput far = zeros(M, N)\nminimize sum(h * h)\n"
    model = load(text, backend=backend, name="far").Model()
    want = model.forward(x=x, M=1)
    for far in (2**50, 2**58):
        with pytest.raises((MemoryError, ValueError), match="M"):
            model.forward(x=x[:2], M=far)
        with pytest.raises(StateError):
            model.backward()
        out = model.forward(x=x, M=1)
        assert np.array_equal(out.s, want.s)
    with pytest.raises(MemoryError, match="^x: "):
        model.forward(x=np.broadcast_to(1.0, 2**52), M=1)


def test_values_lists_what_the_model_names(module: Any) -> None:
    model = module.Model(seed=1)
    model.forward(x=X, y=Y)
    named = {line[1] for line in module._SPEC["lines"]}
    assert "h" in model.values and set(model.values.keys()) <= named
    assert list(model.values) and len(model.values) == len(model.values.keys())
    for name in model.engine.kept:      # temporaries are there by name, and not listed
        assert getattr(model.values, name).dtype == np.float64
