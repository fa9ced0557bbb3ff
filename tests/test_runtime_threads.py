"""Threads, processes and copies."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
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


LONG = "size N, D = 1500\ninput x[N, D]\nparam W[D, D] ~ normal(0, 1)\noutput p = tanh(x @ W)\nminimize mean(p**2)\n"


@pytest.mark.parametrize(
    "what", ["predict", "step", *(pytest.param(what, marks=pytest.mark.slow) for what in ("forward", "backward", "fit"))]
)
def test_a_kernel_does_not_hold_the_interpreter(what: str) -> None:
    """While it runs, Python goes on in another thread. No time is measured: the interpreter is told never to switch by itself,
    so that the other thread turns so often only while the global lock is let go of for long."""
    model = load(LONG, name="long", threads=1).Model()
    x = np.random.default_rng(0).normal(size=(1500, 1500))
    call = {"predict": lambda: model.predict(x=x), "forward": lambda: model.forward(x=x), "backward": model.backward,
            "step": lambda: model.step("sgd", x=x),
            "fit": lambda: model.fit({"x": x}, "sgd", batch_size=None, progress=False)}[what]  # fmt: skip
    model.step("sgd", x=x)
    model.forward(x=x)
    turns, over = [0], threading.Event()

    def turn() -> None:
        while not over.is_set():
            turns[0] += 1
            time.sleep(0)       # lets go, and asks for it again

    interval = sys.getswitchinterval()
    thread = threading.Thread(target=turn)
    thread.start()
    try:
        sys.setswitchinterval(1000)
        made = []
        for _ in range(20):     # the machine may have nothing left for the other thread, now and then
            before = turns[0]
            call()
            made.append(turns[0] - before)
            if made[-1] > 600:
                break
            model.forward(x=x)
        assert made[-1] > 600, made
    finally:
        sys.setswitchinterval(interval)
        over.set()
        thread.join()


def test_a_lock_of_one_model_does_not_stop_another(module: Any) -> None:
    """Nothing is shared between models, of one module or of two, that could make one wait for the other."""
    first, second = module.Model(), module.Model()
    other = load(TEXT.replace("60", "61"), name="threaded", backend="numpy").Model()
    done = []

    def work() -> None:
        for model in (second, other):
            model.fit({"x": X, "y": Y}, "adam", epochs=2, progress=False)
            model.step("adam", x=X, y=Y)
            model.predict(x=X)
        module.value_and_grad(second, x=X, y=Y)
        done.append(True)

    with first._lock, first._training:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(60)
    assert done


def test_models_that_train_at_once_get_the_bits_they_get_alone(module: Any) -> None:
    def train(seed: int) -> bytes:
        model = module.Model(seed=seed)
        model.fit({"x": X, "y": Y}, "adam", epochs=40, batch_size=8, seed=seed, progress=False)
        theta: bytes = model.theta.tobytes()
        return theta

    alone = [train(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(train, range(4))) == alone


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


# ---- processes: what a user would write, in files of his own

TRAIN = """
import multiprocessing, sys
import numpy as np
from gradwright.runtime import Adam, load
from built import net                   # compiled into a folder by the parent before

X = np.random.default_rng(0).normal(size=(400, 300))
Y = X[:, :1]


def train(model):
    history = model.fit({"x": X, "y": Y}, Adam(lr=1e-3), epochs=4, batch_size=200, seed=3, progress=False)
    return model.theta.tobytes(), history.loss.tolist(), model


def by_path(path):
    return train(load(path).Model(seed=1))[0]


if __name__ == "__main__":
    alone = train(net.Model(seed=1))    # with threads, which a child must not wait for
    loaded = load("net.gw").Model(seed=1)
    for method in sys.argv[1:]:
        with multiprocessing.get_context(method).Pool(2) as pool:
            for models in ([net.Model(seed=1)] * 3, [loaded.copy() for _ in range(3)]):
                for theta, losses, model in pool.map(train, models):
                    assert (theta, losses) == alone[:2]
                    assert model.theta.tobytes() == theta and type(model) is type(models[0])
                    assert model.step("adam", x=X, y=Y) < losses[0]
            assert pool.map(by_path, ["net.gw"] * 3) == [alone[0]] * 3
        print(method)
"""

FORK = """
import os, signal, sys, threading
import numpy as np
from gradwright.runtime import load
from built import net

X = np.random.default_rng(0).normal(size=(600, 300))
Y = X[:, :1]


def train(model):
    model.fit({"x": X, "y": Y}, "adam", epochs=4, batch_size=None, progress=False)
    return model.theta.tobytes()


expected, busy, over = train(net.Model(seed=1)), net.Model(seed=2), threading.Event()


def keep_busy():
    while not over.is_set():
        busy.step("adam", x=X, y=Y)     # on several threads, if the machine has them


thread = threading.Thread(target=keep_busy)
thread.start()
for k in range(int(sys.argv[1])):
    child = os.fork()
    if child == 0:
        signal.alarm(60)        # one that waits for ever ends
        right = train(net.Model(seed=1)) == expected
        [busy.step("adam", x=X, y=Y) for _ in range(3)]  # the very model that another thread ran when this one was made
        right &= bool(np.isfinite(busy.theta).all())
        right &= train(load("other.gw").Model(seed=1)) == expected      # a module that this process alone has loaded
        os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0
over.set()
thread.join()
print("children", k + 1)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder, with a model compiled into it that is large enough to use threads."""
    from gradwright.compiler import driver

    path = tmp_path_factory.mktemp("processes")
    (path / "net.gw").write_text(TEXT.replace("40", "300").replace("60", "256"))
    (path / "other.gw").write_text((path / "net.gw").read_text())
    driver.compile_model(path / "net.gw", out=path / "built")
    driver.compile_model(path / "other.gw")     # into the cache, not into this process
    for name, text in (("train.py", TRAIN), ("forked.py", FORK)):
        (path / name).write_text(textwrap.dedent(text))
    return path


def script(folder: Path, *words: str) -> str:
    command = [sys.executable, "-W", "ignore", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_multiprocessing_trains_to_the_same_bits(folder: Path, method: str) -> None:
    """Models go to the workers and come back: of a module that is imported, and of one that was loaded."""
    assert script(folder, "train.py", method) == f"{method}\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_while_another_thread_is_in_a_kernel(folder: Path) -> None:
    assert script(folder, "forked.py", "12") == "children 12\n"


def test_results_are_pickled(module: Any) -> None:
    model = module.Model(seed=3)
    out, g = model.value_and_grad(x=X, y=Y)
    for one in (out, g, model.params):
        again = pickle.loads(pickle.dumps(one))
        assert again.keys() == one.keys() and len(again) == len(one) and repr(again) == repr(one)
        for name, value in one._asdict().items():
            assert np.array_equal(again[name], value) and not np.shares_memory(again[name], value)
        twin = copy.deepcopy(one)
        assert type(twin) is type(one) and repr(twin) == repr(one)
    assert pickle.loads(pickle.dumps(model.hyper))._asdict() == model.hyper._asdict()


def test_a_loaded_model_is_unpickled_where_it_was_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradwright.compiler.build import cache
    from gradwright.runtime.errors import GradwrightError

    model = load(TEXT, name="pickled", backend="numpy").Model(seed=4)
    model.step("adam", x=X, y=Y)
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
    program = "import pickle, sys; m = pickle.load(open('model.pickle', 'rb')); sys.stdout.write(m.theta.tobytes().hex())"
    assert script(tmp_path, "-c", program) == model.theta.tobytes().hex()
    for name in [name for name in sys.modules if name.startswith("gradwright.loaded.") and name.endswith(".pickled")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(cache, "find", lambda key: None)
    with pytest.raises(GradwrightError, match="not in the cache"):
        pickle.loads((tmp_path / "model.pickle").read_bytes())
