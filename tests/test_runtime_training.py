"""fit and step, against loops written out in NumPy; and what a run leaves behind however it ends."""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np
import pytest
from gradwright.runtime import (
    SGD,
    Adam,
    Constant,
    Cosine,
    EarlyStopping,
    Every,
    Exponential,
    History,
    Info,
    OneCycle,
    Optimizer,
    ReduceOnPlateau,
    Step,
    load,
    metrics,
)
from gradwright.runtime.errors import ArgumentError, ShapeError, StateError
from support import handmade, handmade_net
from support.build_handmade import X, Y, backends, shared_object

pytestmark = pytest.mark.unoptimised

xor = backends()

DATA = {"x": X, "y": Y}


def blobs(rows: int, seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, 2))
    return {"x": x, "y": (x[:, :1] * x[:, 1:] > 0).astype(float)}


def by_hand(theta: Any, data: Any, epochs: int, batch: int, update: Any, seed: int | None = None) -> tuple[Any, list[float]]:
    """The plain loop: a new order for each epoch, all batches, the last one smaller; the mean loss over the samples."""
    model, rng, losses, t = handmade.Model(params=theta), np.random.Generator(np.random.PCG64(seed or 0)), [], 0
    rows = len(data["x"])
    for _ in range(epochs):
        order = rng.permutation(rows) if batch < rows and seed is not None else np.arange(rows)
        total = 0.0
        for start in range(0, rows, batch):
            chosen = order[start:start + batch]
            out, _ = model.value_and_grad(x=data["x"][chosen], y=data["y"][chosen])
            total += out.loss * len(chosen)
            t += 1
            model.theta = update(model.theta, model.grad, t)
        losses.append(total / rows)
    return model.theta, losses


def adam(lr: float) -> Any:
    m = s = 0.0

    def update(w: Any, g: Any, t: int) -> Any:
        nonlocal m, s
        m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g * g
        return w - lr * (m / (1 - 0.9**t)) / (np.sqrt(s / (1 - 0.999**t)) + 1e-8)

    return update


@pytest.mark.parametrize(("rows", "batch"), [(4, 4), (4, 3), (50, 8), (50, 50), (50, 99), (7, 1)])
def test_fit_is_the_plain_loop(xor: ModuleType, rows: int, batch: int) -> None:
    data = blobs(rows)
    model = xor.Model(seed=1)
    theta, losses = by_hand(model.theta.copy(), data, 5, batch, adam(0.01), seed=3)
    history = model.fit(data, Adam(lr=0.01), epochs=5, batch_size=batch, seed=3)
    np.testing.assert_allclose(model.theta, theta, rtol=1e-10)
    np.testing.assert_allclose(history.loss, losses, rtol=1e-12)
    assert history.epochs == len(history) == 5 and history.steps == 5 * -(-rows // batch)
    assert not history.interrupted and history.stopped is None and history.seconds > 0


def test_no_shuffle_no_batches(xor: ModuleType) -> None:
    data = blobs(10)
    model = xor.Model(seed=1)
    theta, losses = by_hand(model.theta.copy(), data, 3, 4, lambda w, g, t: w - 0.1 * g)
    history = model.fit(data, SGD(lr=0.1), epochs=3, batch_size=4, shuffle=False)
    np.testing.assert_allclose(model.theta, theta, rtol=1e-12)
    np.testing.assert_allclose(history.loss, losses, rtol=1e-13)
    whole = xor.Model(seed=1)
    theta, losses = by_hand(whole.theta.copy(), data, 3, 10, lambda w, g, t: w - 0.1 * g)
    whole.fit(data, SGD(lr=0.1), epochs=3, batch_size=None)
    np.testing.assert_allclose(whole.theta, theta, rtol=1e-12)


def test_steps_are_what_fit_does(xor: ModuleType) -> None:
    one, other = xor.Model(seed=1), xor.Model(seed=1)
    optimizer = Adam(lr=0.02)
    losses = [one.step(optimizer, **DATA) for _ in range(20)]
    history = other.fit(DATA, Adam(lr=0.02), epochs=20, batch_size=4)
    assert np.array_equal(one.theta, other.theta) and losses == history.loss.tolist()
    one.value_and_grad(x=X[:1], y=Y[:1])
    optimizer.hypers["lr"] = 0.0        # numbers may be changed between steps
    before = one.theta.copy()
    one.step(optimizer, **DATA)
    one.step(optimizer, x=X[:2], y=Y[:2])
    assert np.array_equal(one.theta, before)
    assert one.step("adam", x=X.tolist(), y=Y.tolist()) == pytest.approx(one.engine and losses[-1], rel=0.1)


def test_the_same_seed_gives_the_same_bits_however_the_run_is_cut(xor: ModuleType) -> None:
    data = blobs(37)
    runs = []
    for callbacks, validation in (((), None), ((lambda info: None), None), ((), blobs(5, 1))):
        model = xor.Model(seed=1)
        history = model.fit(data, Adam(), epochs=6, batch_size=8, seed=5, callbacks=callbacks, validation=validation)
        runs.append((model.theta.tobytes(), history.loss.tobytes()))
    model = xor.Model(seed=1)
    first = model.fit(data, Adam(), epochs=2, batch_size=8, seed=5)
    second = model.fit(data, Adam(), epochs=4, batch_size=8)     # goes on: the optimiser's state and the stream of orders
    runs.append((model.theta.tobytes(), np.concatenate([first.loss, second.loss]).tobytes()))
    assert len(set(runs)) == 1
    other = xor.Model(seed=1)
    other.fit(data, Adam(), epochs=6, batch_size=8, seed=6)
    assert other.theta.tobytes() != runs[0][0]


def test_the_state_of_the_optimiser_stays_with_the_model(xor: ModuleType) -> None:
    model = xor.Model(seed=1)
    assert model.optimizer_state is None
    model.fit(DATA, "adam", epochs=3)
    assert model.optimizer_state.update == "adam" and model.optimizer_state.step == 3 and model.optimizer_state.epoch == 3
    model.fit(DATA, "sgd", epochs=1)
    assert model.optimizer_state.update == "sgd" and model.optimizer_state.step == 1


def test_gradients_and_states_begin_on_a_line_of_the_cache(xor: ModuleType, tmp_path: Path) -> None:
    for name in ("adam", "sgd") * 3:
        model = xor.Model(seed=1)
        model.step(name, x=X, y=Y)
        model.save(tmp_path / "there.safetensors")
        for state in (model.optimizer_state, xor.Model.load(tmp_path / "there.safetensors").optimizer_state):
            for vector in (*state.arrays.values(), model._stepper.grad):
                assert vector.ctypes.data % 64 == 0 and vector.shape == (33,)


def test_the_optimisers_by_name(xor: ModuleType) -> None:
    ends = []
    for optimizer in (Adam, "adam", "Adam", Adam(), Optimizer("adam"), Optimizer("adam", lr=0.001)):
        model = xor.Model(seed=1)
        model.fit(DATA, optimizer, epochs=2)
        ends.append(model.theta.tobytes())
    assert len(set(ends)) == 1
    wrong = {
        "adamm": "^xor has no update called 'adamm'; did you mean adam",
        Optimizer("adam", beta3=1): "^adam takes no 'beta3'; did you mean beta",
        3: "^optimizer: expected Adam",
        None: "^xor was compiled without an optimiser",
        Adam(groups={"c*": {"lr": 1}}): r"^groups: no parameter is called 'c\*'",
    }
    for given, text in wrong.items():
        with pytest.raises(ArgumentError, match=text):
            xor.Model().fit(DATA, given, epochs=1)
    for bad in (dict(lr=-1), dict(lr="fast"), dict(beta1=1.5), dict(eps=math.nan)):
        with pytest.raises(ArgumentError):
            Adam(**bad)
    assert repr(Adam(lr=0.5)) == "Adam(lr=0.5, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0)"
    assert repr(Optimizer("mine", lr=1)) == "Optimizer('mine', lr=1)"


def test_an_optimiser_that_is_compiled_in() -> None:
    spec = {**handmade._SPEC, "optimizer": ("sgd", {"lr": 0.5})}
    module: dict[str, Any] = {"_SPEC": spec, "_run": handmade._run, "_UPDATES": handmade._UPDATES}
    from gradwright.runtime.model import install
    install(module)
    one, other = module["Model"](seed=1), handmade.Model(seed=1)
    one.fit(DATA, epochs=3)
    other.fit(DATA, SGD(lr=0.5), epochs=3)
    assert np.array_equal(one.theta, other.theta)


def test_groups_have_their_own_numbers(xor: ModuleType) -> None:
    model = xor.Model(seed=1)
    before = model.theta.copy()
    _, g = model.value_and_grad(**DATA)
    grad = model.grad.copy()
    model.step(SGD(lr=0.1, groups={"b2": {"lr": 0.0}, "b*": {"lr": 0.5}}), **DATA)
    lr = np.concatenate([np.full(16, 0.1), np.full(8, 0.5), np.full(8, 0.1), [0.0]])
    np.testing.assert_allclose(model.theta, before - lr * grad, rtol=1e-15)


def test_gradients_are_clipped(xor: ModuleType) -> None:
    for options, clip in ((dict(clip_norm=0.01), lambda g: g * min(1, 0.01 / np.linalg.norm(g))),
                          (dict(clip_value=0.003), lambda g: np.clip(g, -0.003, 0.003)),
                          (dict(clip_norm=1e9, clip_value=1e9), lambda g: g)):
        model = xor.Model(seed=1)
        theta, _ = by_hand(model.theta.copy(), DATA, 4, 4, lambda w, g, t, clip=clip: w - 0.1 * clip(g))
        model.fit(DATA, SGD(lr=0.1), epochs=4, **options)
        np.testing.assert_allclose(model.theta, theta, rtol=1e-13)
    with pytest.raises(ArgumentError, match="^clip_norm: expected a number from 0 up, got -1"):
        xor.Model().fit(DATA, "sgd", clip_norm=-1)


# ---- schedules


def test_schedules_have_the_shapes_they_promise() -> None:
    def rates(schedule: Any, epochs: int = 10, steps: int = 4) -> Any:
        return schedule.lr * schedule.factors(0, epochs * steps, steps, epochs)

    assert set(rates(Constant(0.5))) == {0.5}
    np.testing.assert_allclose(rates(Constant(0.5, warmup=2))[:8], 0.5 * np.arange(1, 9) / 8)
    np.testing.assert_allclose(rates(Step(1.0, every=3, gamma=0.5))[::4], [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125])
    np.testing.assert_allclose(rates(Exponential(1.0, 0.5))[::4], 0.5 ** np.arange(10.0))
    cosine = rates(Cosine(2.0, final=0.1))
    assert cosine[0] == 2 and cosine[20] == pytest.approx(1.1) and cosine[-1] > 0.2 and np.all(np.diff(cosine) < 0)
    cycle = rates(OneCycle(1.0), 100)
    assert cycle[0] == pytest.approx(1 / 25) and cycle.max() == pytest.approx(1) and cycle.argmax() == 120 and cycle[-1] < 1e-2
    whole = Cosine(1.0, warmup=3).factors(0, 40, 4, 10)
    parts = np.concatenate([Cosine(1.0, warmup=3).factors(k, 5, 4, 10) for k in range(0, 40, 5)])
    assert np.array_equal(whole, parts)
    for bad in (lambda: Step(1.0, every=0), lambda: Constant(-1), lambda: OneCycle(1, rise=2), lambda: Cosine(1, warmup=-1)):
        with pytest.raises(ArgumentError):
            bad()


def test_a_schedule_drives_the_steps(xor: ModuleType) -> None:
    data = blobs(8)
    model = xor.Model(seed=1)
    factors = Cosine(0.1).factors(0, 6, 2, 3)
    theta, _ = by_hand(model.theta.copy(), data, 3, 4, lambda w, g, t: w - 0.1 * factors[t - 1] * g)
    history = model.fit(data, SGD(lr=Cosine(0.1)), epochs=3, batch_size=4, shuffle=False)
    np.testing.assert_allclose(model.theta, theta, rtol=1e-13)
    np.testing.assert_allclose(history.lr, 0.1 * factors[1::2])


def test_reduce_on_plateau(xor: ModuleType) -> None:
    schedule = ReduceOnPlateau(0.0, gamma=0.5, patience=2)       # a rate of 0 gets nowhere
    model = xor.Model(seed=1)
    model.fit(DATA, SGD(lr=schedule), epochs=8)
    assert schedule._now == 0.25
    model.fit(DATA, SGD(lr=schedule), epochs=1)
    assert schedule._now == 1.0


# ---- what is watched


def test_validation_and_metrics(xor: ModuleType) -> None:
    train, held = blobs(20), blobs(9000, 1)
    model = xor.Model(seed=1)
    seen: list[Info] = []
    history = model.fit(train, Adam(0.01), epochs=3, validation=held, callbacks=seen.append,
                        metrics={"accuracy": "accuracy", "mean": lambda out, data: out.p.mean()})
    out = model.forward(**held)
    assert history.val_loss[-1] == pytest.approx(out.loss, rel=1e-12)
    assert history.accuracy[-1] == np.mean((out.p > 0.5) == (held["y"] > 0.5))
    assert history.mean[-1] == pytest.approx(out.p.mean())
    assert history.keys() == ["loss", "val_loss", "accuracy", "mean"] and [len(history[k]) for k in history] == [3] * 4
    assert [info.epoch for info in seen] == [0, 1, 2] and seen[1].val_loss == history.val_loss[1]
    assert seen[0].model is model and seen[0].epochs == 3
    with pytest.raises(AttributeError, match="this run has no 'val'"):
        _ = seen[0].val
    with pytest.raises(AttributeError, match="the history has no 'accurracy'"):
        _ = history.accurracy


def test_a_fraction_is_held_out(xor: ModuleType) -> None:
    data = blobs(100)
    model = xor.Model(seed=1)
    history = model.fit(data, "sgd", epochs=1, batch_size=10, validation=0.25)
    assert history.steps == 8 and len(history.val_loss) == 1
    for bad in (0.0, 1.0, 1e-9, 2.5):
        with pytest.raises(ArgumentError, match="^validation: "):
            model.fit(data, "sgd", validation=bad)


def test_metrics_of_the_training_data_without_validation(xor: ModuleType) -> None:
    model = xor.Model(seed=1)
    history = model.fit(DATA, Adam(0.05), epochs=200, metrics=["accuracy", metrics.mse])
    assert history.accuracy[-1] == 1 and history.mse[-1] < 0.01
    with pytest.raises(ArgumentError, match="^metrics: there is no 'acuracy'; did you mean accuracy"):
        model.fit(DATA, "sgd", metrics="acuracy")


def test_metrics_are_what_they_are_called() -> None:
    scores, labels = np.array([[1, 2, 3], [3, 2, 1], [1, 3, 2.0]]), np.array([2, 1, 1])
    assert metrics.accuracy(scores, labels) == pytest.approx(2 / 3)
    assert metrics.top_k(scores, labels, 2) == 1 and metrics.top_k(scores, labels, 1) == pytest.approx(2 / 3)
    assert metrics.top_k(scores, labels, 9) == 1
    rng = np.random.default_rng(0)
    s, t = rng.integers(0, 6, 200).astype(float), rng.integers(0, 2, 200).astype(float)
    pairs = [(a > b) + 0.5 * (a == b) for a in s[t == 1] for b in s[t == 0]]
    assert metrics.auc(s, t) == pytest.approx(np.mean(pairs), rel=1e-12)
    assert math.isnan(metrics.auc(s, np.ones(200)))
    assert metrics.r2([1, 2, 3.0], [1, 2, 3]) == 1 and metrics.r2([2, 2, 2.0], [1, 2, 3]) == 0
    assert metrics.mse([1, 2.0], [1, 4]) == 2 and metrics.mae([1, 2.0], [1, 4]) == 1
    with pytest.raises(ShapeError):
        metrics.accuracy(scores, scores[:2])


def test_a_run_that_loses_its_numbers_is_told_where_it_was_begun(xor: ModuleType) -> None:
    with pytest.warns(RuntimeWarning, match="the loss is nan since epoch 1: ") as found:
        xor.Model(seed=1).fit({"x": DATA["x"] * math.nan, "y": DATA["y"]}, Adam(), epochs=2)
    assert [w.filename for w in found] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        xor.Model(seed=1).fit(DATA, Adam(), epochs=2)


def test_accuracy_of_probabilities_scores_and_one_hot_rows() -> None:
    draw = np.random.default_rng(3)
    logits, labels = draw.normal(size=200), draw.integers(0, 2, 200)
    right = float(np.mean((logits > 0) == labels))
    assert metrics.accuracy(1 / (1 + np.exp(-logits)), labels) == right
    assert metrics.accuracy(logits, labels) == right
    assert metrics.accuracy(logits, 2 * labels - 1) == right  # as a binary hinge has it
    assert metrics.accuracy(np.tanh(logits) / 2, 2 * labels - 1) == right
    scores, classes = draw.normal(size=(60, 5)), draw.integers(0, 5, 60)
    assert metrics.accuracy(scores, np.eye(5)[classes]) == metrics.accuracy(scores, classes) < 0.5
    several = draw.integers(0, 2, (60, 5))  # of which many may be right at once
    p = draw.uniform(size=(60, 5))
    assert metrics.accuracy(p, several) == np.mean((p > 0.5) == several)


def test_a_misspelt_number_of_an_optimiser_is_an_error_whatever_it_is() -> None:
    model = load("size N\ninput x[N], y[N]\nparam b = 0\nminimize mse(b*x, y)\n", name="misspelt", backend="numpy").Model()
    data = {"x": np.ones(4), "y": np.ones(4)}
    wrong: list[tuple[Any, str]] = [
        (lambda: Adam(groups={"b*": {"weight_dacay": 0}}),
         "groups: b*: adam takes no 'weight_dacay'; did you mean weight_decay?"),
        (lambda: Adam(groups={"b*": cast(Any, 0)}), "groups: b*: expected numbers by name, as {'weight_decay': 0}, got 0"),
        (lambda: Optimizer("adamw", weight_dacay=0), "adamw takes no 'weight_dacay'; did you mean weight_decay?"),
    ]  # fmt: skip
    for optimizer, text in wrong:
        with pytest.raises(ArgumentError, match=f"^{re.escape(text)}$"):
            model.fit(data, optimizer(), epochs=1)
    model.fit(data, Adam(groups={"b*": {"weight_decay": 0}}), epochs=1)


def test_a_wrong_callback_is_named_before_the_run(xor: ModuleType) -> None:
    model = xor.Model(seed=1)
    before = model.theta.copy()
    wrong: list[tuple[Any, str]] = [
        (3, "expected functions of an Info, got 3"),
        ([3], "expected functions of an Info, got 3"),
        ([EarlyStopping], "EarlyStopping is a class; give an object of it: EarlyStopping(...)"),
    ]
    for callbacks, text in wrong:
        with pytest.raises(ArgumentError, match=f"^callbacks: {re.escape(text)}$"):
            model.fit(DATA, Adam(), callbacks=callbacks)
    assert np.array_equal(model.theta, before)


def test_callbacks_may_end_the_run_and_change_the_model(xor: ModuleType) -> None:
    model = xor.Model(seed=1)
    seen: list[float] = []

    def stop(info: Info) -> bool:
        seen.append(info.loss)
        info.model.hyper.reg = 0.1
        info.model.predict(x=X)
        return info.epoch == 2

    history = model.fit(DATA, "sgd", epochs=10, callbacks=[stop, Every(2, lambda info: seen.append(-info.epoch))])
    assert history.epochs == 3 and history.stopped == "stop" and seen[2] == -1
    assert history.loss[1] > history.loss[0] + 0.1
    assert "stopped: stop" in repr(history)


def test_early_stopping_puts_the_best_parameters_back(xor: ModuleType) -> None:
    model = xor.Model(seed=1)
    train, held = blobs(16), {"x": X, "y": 1 - Y}       # the better at the one, the worse at the other
    best = EarlyStopping(patience=4)
    thetas: list[Any] = []
    keep = Every(1, lambda info: thetas.append(info.model.theta.copy()))
    history = model.fit(train, Adam(0.05), epochs=300, validation=held, callbacks=[best, keep])
    at = int(np.argmin(history.val_loss))
    assert history.epochs == min(at + 6, 300) < 300 and best.best_epoch == at
    assert np.array_equal(model.theta, thetas[at])
    assert history.stopped == f"val_loss no better since epoch {at + 1}"
    with pytest.raises(ArgumentError, match="^EarlyStopping: there is no 'acc' to monitor; there is loss"):
        model.fit(DATA, "sgd", callbacks=EarlyStopping(monitor="acc"))


# ---- the ends of a run


def interrupt_soon(seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    return timer


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_a_run_with_whole_steps(xor: ModuleType) -> None:
    model = xor.Model(seed=1)
    model.fit(DATA, Adam(), epochs=1, batch_size=3)
    model.optimizer_state = None
    model.theta = xor.Model(seed=1).theta
    timer = interrupt_soon(0.2)
    started = time.perf_counter()
    history = model.fit(DATA, Adam(), epochs=10**7, batch_size=3, seed=0)
    timer.join()
    assert time.perf_counter() - started < 5
    assert history.interrupted and 0 < history.epochs < 10**7 and "interrupted" in repr(history)
    assert history.steps in (2 * history.epochs, 2 * history.epochs + 1)
    assert model.optimizer_state.step == history.steps
    again = xor.Model(seed=1)
    again.fit(DATA, Adam(), epochs=history.epochs, batch_size=3, seed=0)
    if history.steps == 2 * history.epochs:
        assert np.array_equal(again.theta, model.theta)
    assert np.isfinite(model.theta).all()
    model.fit(DATA, Adam(), epochs=2)


def test_what_cannot_be_trained_says_so() -> None:
    with pytest.raises(StateError, match="^net cannot be trained, for it has not a loss: add `minimize`"):
        handmade_net.Model().fit({}, "sgd")
    model = handmade.Model()
    wrong: list[tuple[Any, dict[str, Any], str]] = [
        (DATA, dict(epochs=-1), "^epochs: expected a whole number from 0 up, got -1"),
        (DATA, dict(batch_size=0), "^batch_size: expected a whole number from 1 up, or None"),
        (DATA, dict(batch_size=2.5), "^batch_size: expected"),
        ([X, Y], {}, "^data: a batch is a dict of arrays by input name, got a ndarray"),
        (7, {}, "^data: expected a dict of arrays by input name, or an iterable of such dicts, got int"),
        ({"x": X[:0], "y": Y[:0]}, {}, "^there are no rows to train on: N is 0"),
        ({"x": X}, {}, r"^missing input y\[N, 1\]"),
        (DATA, dict(validation=[X]), "^validation: expected a dict"),
    ]
    for data, options, text in wrong:
        with pytest.raises((ArgumentError, ShapeError), match=text):
            model.fit(data, "sgd", **options)
    with pytest.raises(TypeError, match="epoch"):
        model.fit(DATA, "sgd", epoch=3)
    assert model.fit(DATA, "sgd", epochs=0).epochs == 0


def test_a_thousand_steps_take_a_millisecond_or_so() -> None:
    code = f"""
import sys, time, numpy as np
sys.path.insert(0, {str(shared_object().parent)!r})
import handmade_c
X = np.array([[0, 0], [0, 1], [1, 0], [1, 1.]]); Y = np.array([[0], [1], [1], [0.]])
model = handmade_c.Model(seed=1)
model.fit(dict(x=X, y=Y), 'adam', epochs=1)
def cpu(epochs):
    since = time.thread_time()
    model.fit(dict(x=X, y=Y), 'adam', epochs=epochs)
    return time.thread_time() - since
print(min(cpu(20000) for _ in range(5)) / 20000 * 1e6, min(cpu(1) for _ in range(50)) * 1e6)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    step, call = map(float, done.stdout.split())
    assert step < 20 and call < 5000        # microseconds; generous, since the machine may be busy


def test_a_bar_is_shown_when_asked_for(xor: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    model = xor.Model(seed=1)
    model.fit(DATA, "sgd", epochs=30, progress=True)
    assert "30/30" in capfd.readouterr().err
    model.fit(DATA, "sgd", epochs=3)
    model.fit(DATA, "sgd", epochs=3, progress=False)
    captured = capfd.readouterr()
    assert captured.err == "" and captured.out == ""


def test_histories() -> None:
    history = History()
    assert history.epochs == 0 and "0 epochs" in repr(history)
    model = handmade.Model()
    history = model.fit(DATA, "sgd", epochs=2)
    assert repr(history).startswith("History(2 epochs, 2 steps, loss ")
    assert history["loss"].dtype == np.float64 and len(history) == 2
    with pytest.raises(KeyError, match="the history has no 'x'; it has loss"):
        history["x"]


def test_metrics_of_the_training_data_take_no_epoch_from_the_run(xor: ModuleType) -> None:
    plain, measured = xor.Model(seed=1), xor.Model(seed=1)
    options: dict[str, Any] = {"epochs": 6, "batch_size": 2, "seed": 1, "progress": False}
    want = plain.fit(DATA, "sgd", **options)
    found = measured.fit(DATA, "sgd", metrics="accuracy", **options)
    assert found.steps == want.steps == 12 and found.epochs == len(found.accuracy) == 6
    assert np.array_equal(found.loss, want.loss) and np.array_equal(measured.theta, plain.theta)
