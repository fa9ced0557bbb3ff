"""Threads, processes and copies."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from gradwright.runtime import SGD, StateError, load

TEXT = "size N, D = 40, H = 60\ninput x[N, D], y[N, 1]\nparam W[D, H] ~ glorot_uniform\nparam V[H, 1] ~ glorot_uniform\n" \
       "output p = tanh(x @ W) @ V\nminimize mse(p, y)\n"  # fmt: skip
X = np.random.default_rng(0).normal(size=(64, 40))
Y = X[:, :1]


@pytest.fixture(scope="module", params=["numpy", "cython"])
def module(request: pytest.FixtureRequest) -> Any:
    return load(TEXT, backend=request.param, name="threaded")


def test_threads_that_call_one_model_get_what_they_asked_for(module: Any) -> None:
    model = module.Model()
    sizes = [3 + k for k in range(32)]
    right = {n: (model.predict(x=X[:n]).p, model.value_and_grad(x=X[:n], y=Y[:n])[1].W) for n in sizes}

    def work(n: int) -> bool:
        for _ in range(20):
            if not np.array_equal(model.predict(x=X[:n]).p, right[n][0]):
                return False
            if not np.array_equal(model.value_and_grad(x=X[:n], y=Y[:n])[1].W, right[n][1]):
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, sizes))


def test_a_backward_of_another_threads_forward_is_an_error_or_right(module: Any) -> None:
    model = module.Model()
    right = {n: module.Model().value_and_grad(x=X[:n], y=Y[:n])[1].W for n in (5, 6, 7, 8)}

    def work(n: int) -> bool:
        for _ in range(50):
            try:
                model.forward(x=X[:n], y=Y[:n])
                if not np.array_equal(model.backward().W, right[n]):
                    return False
            except StateError:
                pass
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, right))


def test_steps_of_several_threads_are_all_made(module: Any) -> None:
    model = module.Model()

    def work(k: int) -> None:
        for _ in range(25):
            model.step(SGD(lr=1e-3), x=X[k:k + 8], y=Y[k:k + 8])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert np.isfinite(model.theta).all()
    alone = module.Model()
    same = module.Model()
    with ThreadPoolExecutor(4) as pool:     # steps on one batch are the same in whatever order
        list(pool.map(lambda _: same.step(SGD(lr=1e-3), x=X, y=Y), range(40)))
    for _ in range(40):
        alone.step(SGD(lr=1e-3), x=X, y=Y)
    assert same.optimizer_state is not None and alone.theta.tobytes() == same.theta.tobytes()


def test_two_fits_of_one_model_at_once_are_an_error(module: Any) -> None:
    model = module.Model()
    entered, leave = threading.Event(), threading.Event()

    def wait(info: Any) -> None:
        entered.set()
        leave.wait(10)

    def train() -> None:
        model.fit({"x": X, "y": Y}, "sgd", epochs=1, progress=False, callbacks=wait)

    thread = threading.Thread(target=train)
    thread.start()
    try:
        assert entered.wait(10)
        with pytest.raises(StateError, match="another thread is training"):
            model.fit({"x": X, "y": Y}, "sgd", progress=False)
        with pytest.raises(StateError, match="another thread is training"):
            model.step("sgd", x=X, y=Y)
        assert np.isfinite(model.predict(x=X).p).all()
    finally:
        leave.set()
        thread.join()
    model.fit({"x": X, "y": Y}, "sgd", progress=False)


def test_a_fit_does_not_hold_the_interpreter() -> None:
    """While a compiled run goes on, Python goes on: this thread counts on as it would alone, or nearly."""
    model = load(TEXT, name="threaded").Model()
    done = threading.Event()

    def train() -> None:
        model.fit({"x": X, "y": Y}, "sgd", epochs=3000, batch_size=8, progress=False)
        done.set()

    thread = threading.Thread(target=train)
    thread.start()
    pauses = [0.0]
    last = time.perf_counter()
    while not done.is_set():
        time.sleep(0.001)
        now = time.perf_counter()
        pauses.append(now - last)
        last = now
    thread.join()
    assert len(pauses) > 5      # a run that held the interpreter would have let this loop turn once or twice


def _in_child(module: Any, model: Any, theta: bytes, send: Any) -> None:
    model.step(SGD(lr=0.1), x=X, y=Y)
    send.send(model.theta.tobytes() == theta)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_trains(module: Any) -> None:
    model = module.Model()
    model.step(SGD(lr=0.1), x=X, y=Y)
    expected = model.copy()
    expected.step(SGD(lr=0.1), x=X, y=Y)
    receive, send = multiprocessing.Pipe(False)
    with model._lock:       # as if another thread were running it when the process forks
        process = multiprocessing.get_context("fork").Process(
            target=_in_child, args=(module, model, expected.theta.tobytes(), send))  # fmt: skip
        process.start()
    assert receive.poll(30) and receive.recv()
    process.join(10)
    assert process.exitcode == 0


def test_pickling(module: Any) -> None:
    sys.modules[module.__name__] = module       # as an imported one is
    try:
        model = module.Model(seed=3)
        model.step("adam", x=X, y=Y)
        again = pickle.loads(pickle.dumps(model))
        assert again.theta.tobytes() == model.theta.tobytes()
        assert again.step("adam", x=X, y=Y) == model.step("adam", x=X, y=Y)
        assert again.theta.tobytes() == model.theta.tobytes() and not np.shares_memory(again.theta, model.theta)
    finally:
        del sys.modules[module.__name__]
