"""Bound steps: `model.bind(...)` is `model.step(...)` over and over, and knows when something came between."""

from __future__ import annotations

import gc
import signal
import threading
import time
import weakref
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from gradwright.compiler import driver
from gradwright.runtime import SGD, Adam, Cosine
from gradwright.runtime.errors import ArgumentError, NotFiniteError, ShapeError, StateError
from support.build_handmade import X, Y, backends

pytestmark = pytest.mark.unoptimised

xor = backends()


def twins(xor: ModuleType) -> tuple[Any, Any]:
    return xor.Model(seed=1), xor.Model(seed=1)


@pytest.mark.parametrize("optimizer", ["adam", Adam(lr=0.05), SGD(lr=0.1, momentum=0.9, groups={"b*": {"lr": 0.01}})])
def test_a_bound_step_is_a_step(xor: ModuleType, optimizer: Any) -> None:
    bound, plain = twins(xor)
    run = bound.bind(optimizer, x=X, y=Y)
    for _ in range(20):
        assert run() == plain.step(optimizer, x=X, y=Y)
    assert run(30) == [plain.step(optimizer, x=X, y=Y) for _ in range(30)][-1]
    assert bound.theta.tobytes() == plain.theta.tobytes()
    assert bound.optimizer_state.step == plain.optimizer_state.step == 50
    for name, array in plain.optimizer_state.arrays.items():
        assert np.array_equal(bound.optimizer_state.arrays[name], array)


def test_a_step_of_one_rule_is_that_of_any_with_the_same_numbers(xor: ModuleType) -> None:
    """Groups and clipping are looked for in a step only where there are some."""
    one, other = twins(xor)
    parted = Adam(lr=0.05, groups={"b*": {"lr": 0.05}})
    steps = one.bind(Adam(lr=0.05), x=X, y=Y), other.bind(parted, x=X, y=Y)
    for count in (1, 1, 70, 1, 3):
        assert steps[0](count) == steps[1](count)
    assert one.theta.tobytes() == other.theta.tobytes()
    for more in ({}, {"clip_norm": 1e30}, {"clip_value": 1e30}):
        pairs = (one, Adam(lr=0.05), {}), (other, Adam(lr=0.05) if more else parted, more)
        fits = [m.fit({"x": X, "y": Y}, optimizer, epochs=3, batch_size=2, seed=0, **kind) for m, optimizer, kind in pairs]
        assert np.array_equal(fits[0].loss, fits[1].loss) and one.theta.tobytes() == other.theta.tobytes()


def test_a_model_of_a_derived_class_is_bound_too(xor: ModuleType) -> None:
    """Also where the class has something else in the place of what a bound step looks at."""

    class Named(xor.Model):  # type: ignore[name-defined, misc]
        name = "mine"

    class Shadowed(xor.Model):  # type: ignore[name-defined, misc]
        _bound = None

    for kind in (Named, Shadowed):
        model, plain = kind(seed=1), xor.Model(seed=1)
        run = model.bind("adam", x=X, y=Y)
        assert [run() for _ in range(5)] == [plain.step("adam", x=X, y=Y) for _ in range(5)]
        model.theta = plain.theta = np.linspace(-1, 1, 33)
        assert [run() for _ in range(5)] == [plain.step("adam", x=X, y=Y) for _ in range(5)]
        assert model.theta.tobytes() == plain.theta.tobytes() and run(3) == [plain.step("adam", x=X, y=Y) for _ in range(3)][-1]


def test_a_schedule_goes_on_with_the_steps(xor: ModuleType) -> None:
    bound, plain = twins(xor)
    run = bound.bind(Adam(lr=Cosine(0.1, warmup=3)), x=X, y=Y)
    optimizer = Adam(lr=Cosine(0.1, warmup=3))
    for count in (1, 5, 1, 1, 20):
        assert run(count) == [plain.step(optimizer, x=X, y=Y) for _ in range(count)][-1]
    assert bound.theta.tobytes() == plain.theta.tobytes()


def test_an_array_of_the_models_type_is_bound_itself_and_a_copy_of_another(xor: ModuleType) -> None:
    bound, plain = twins(xor)
    x, y = X.copy(), Y.astype(int).tolist()
    run = bound.bind("adam", x=x, y=y)
    assert np.shares_memory(run.inputs.x, x)
    run()
    plain.step("adam", x=X, y=Y)
    x[...] = 1 - X
    run.inputs.y[...] = 1 - Y
    assert run() == plain.step("adam", x=1 - X, y=1 - Y)


def test_other_calls_may_come_between(xor: ModuleType) -> None:
    bound, plain = twins(xor)
    optimizer = Adam(lr=0.05)
    run = bound.bind(optimizer, x=X, y=Y)

    def both(call: Any) -> None:
        for model in (bound, plain):
            call(model)
        for _ in range(3):
            assert run() == plain.step(optimizer, x=X, y=Y)
        assert bound.theta.tobytes() == plain.theta.tobytes()

    for _ in range(5):
        both(lambda m: m.value_and_grad(x=X[:2], y=Y[:2]))
        both(lambda m: m.forward(x=X, y=Y))
        both(lambda m: m.predict(x=X[:3]))
    both(lambda m: m.step(optimizer, x=X[:3], y=Y[:3]))
    both(lambda m: m.fit({"x": X, "y": Y}, optimizer, epochs=3, batch_size=2, seed=0))
    both(lambda m: setattr(m, "theta", m.theta * 0.5))
    both(lambda m: setattr(m, "optimizer_state", None))
    both(lambda m: m.optimizer_state.arrays["m"].fill(0.25))
    both(lambda m: m.hyper.__setattr__("reg", 0.1))
    both(lambda m: m.step("sgd", x=X, y=Y))     # of another kind: Adam starts anew


def test_two_bound_steps_of_one_model_share_its_optimisers_state(xor: ModuleType) -> None:
    bound, plain = twins(xor)
    first, second = (bound.bind(Adam(lr=0.05), x=x, y=y) for x, y in ((X[:2], Y[:2]), (X[2:], Y[2:])))
    for _ in range(10):
        assert first() == plain.step(Adam(lr=0.05), x=X[:2], y=Y[:2])
        assert second() == plain.step(Adam(lr=0.05), x=X[2:], y=Y[2:])
    assert bound.theta.tobytes() == plain.theta.tobytes() and bound.optimizer_state.step == 20


def test_no_gradient_and_no_forward_is_left_from_before(xor: ModuleType) -> None:
    model = xor.Model(seed=1)
    run = model.bind("adam", x=X, y=Y)
    for _ in range(3):
        model.forward(x=X, y=Y)
        model.backward()
        assert model.grad.any()
        run()
        with pytest.raises(StateError, match="no gradient is kept"):
            _ = model.grad
        with pytest.raises(StateError, match="forward"):
            model.backward()


def test_parameters_that_become_anothers(xor: ModuleType) -> None:
    model, other = xor.Model(seed=1), xor.Model(seed=2)
    run = model.bind(SGD(lr=0.1), x=X, y=Y)
    for _ in range(3):
        run()
    model.share(other)
    expected = xor.Model(params=other.params)
    assert run() == expected.step(SGD(lr=0.1), x=X, y=Y)
    assert np.array_equal(other.theta, expected.theta)


@pytest.mark.parametrize("wrong", [0, -1, 1.0, "2", None, True])
def test_it_takes_a_number_of_steps(xor: ModuleType, wrong: Any) -> None:
    model = xor.Model(seed=1)
    run = model.bind("adam", x=X, y=Y)
    before = model.theta.copy()
    with pytest.raises(ArgumentError, match="number of steps"):
        run(wrong)
    with pytest.raises(TypeError):
        run(1, 2)
    assert np.array_equal(model.theta, before)


def test_what_cannot_be_bound_says_so_at_once(xor: ModuleType) -> None:
    with pytest.raises(ShapeError, match="x: expected"):
        xor.Model().bind("adam", x=X[:, :1], y=Y)
    with pytest.raises(ArgumentError, match="missing input"):
        xor.Model().bind("adam", x=X)
    with pytest.raises(ArgumentError, match="no update called"):
        xor.Model().bind("adamm", x=X, y=Y)


def test_while_another_thread_trains_it_does_not(xor: ModuleType) -> None:
    model = xor.Model(seed=1)
    run = model.bind("adam", x=X, y=Y)
    run(), run()
    inside, leave = threading.Event(), threading.Event()

    def wait(info: Any) -> None:
        inside.set()
        leave.wait(20)

    thread = threading.Thread(target=lambda: model.fit({"x": X, "y": Y}, "adam", epochs=1, callbacks=wait, progress=False))
    thread.start()
    assert inside.wait(20)
    with pytest.raises(StateError, match="another thread is training"):
        run()
    leave.set()
    thread.join()
    run()


def test_a_callback_of_fit_may_step(xor: ModuleType) -> None:
    model = xor.Model(seed=1)
    run = model.bind("adam", x=X, y=Y)
    model.fit({"x": X, "y": Y}, "adam", epochs=3, batch_size=None, callbacks=lambda info: run() and None, progress=False)
    assert model.optimizer_state.step == 6


def test_two_threads_lose_no_step(xor: ModuleType) -> None:
    model, plain = twins(xor)
    run = model.bind("adam", x=X, y=Y)
    threads = [threading.Thread(target=lambda: [run() for _ in range(300)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    plain.fit({"x": X, "y": Y}, "adam", epochs=1200, batch_size=None, progress=False)
    assert model.optimizer_state.step == 1200 and model.theta.tobytes() == plain.theta.tobytes()


def test_a_signal_ends_a_long_run_after_a_whole_step(interruptible: None) -> None:
    module = driver.load("examples/xor.gw")
    model = module.Model(seed=1)
    run = model.bind(SGD(lr=1e-3), x=X, y=Y)
    timer = threading.Timer(0.2, signal.raise_signal, (signal.SIGINT,))
    timer.start()
    began = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        run(10**12)
    assert time.perf_counter() - began < 20
    done = model.optimizer_state.step
    plain = module.Model(seed=1)
    plain.bind(SGD(lr=1e-3), x=X, y=Y)(done)
    assert model.theta.tobytes() == plain.theta.tobytes()


def test_nothing_stays_behind(xor: ModuleType) -> None:
    model = xor.Model(seed=1)
    run = model.bind("adam", x=X, y=Y)
    run(), run(), run(10)
    gone = weakref.ref(model), weakref.ref(run)
    del model, run
    gc.collect()
    assert [ref() for ref in gone] == [None, None]


@pytest.mark.parametrize("backend", ["cython", "numpy"])
def test_states_and_random_values_move_on(backend: Any) -> None:
    text = "size N\ninput x[N]\nparam w = 1\nstate m = 0\nnext m = 0.9*m + 0.1*mean(x)\nrandom e[N] ~ normal(0, 1)\n"
    text += "output y = where(training, w*x + e, w*x - m)\nminimize mean(y**2)\n"
    module = driver.load(text, backend=backend, name="drift")
    bound, plain = module.Model(seed=3), module.Model(seed=3)
    x = np.arange(4.0)
    run = bound.bind("sgd", x=x)
    for count in (1, 1, 1, 10):
        assert run(count) == [plain.step("sgd", x=x) for _ in range(count)][-1]
    assert bound.generator.counter == 13 and bound.state.m == plain.state.m


def test_a_checked_module_stops_at_the_first_that_is_not_finite() -> None:
    module = driver.load("size N\ninput x[N]\nparam w = 1\nminimize mean(log(w * x))\n", checked=True, name="checked")
    model, x = module.Model(), np.ones(3)
    run = model.bind(SGD(lr=0.1), x=x)
    run(), run()
    before = model.theta.copy()
    x[1] = 0.0
    with pytest.raises(NotFiniteError):
        run()
    assert np.array_equal(model.theta, before) and model.optimizer_state.step == 2
    x[1] = 1.0
    run()
