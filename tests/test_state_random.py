"""What lasts longer than a call: states, random values, and whether a call is training."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradwright.compiler.driver import compile_model
from gradwright.compiler.graph import text as graph_text
from gradwright.compiler.meaning.interpret import run
from gradwright.runtime import ArgumentError, EarlyStopping, NotFiniteError, ShapeError, StateError, draws, load
from support.models import build, errors, warnings

pytestmark = pytest.mark.unoptimised

rng = np.random.default_rng(5)

MEAN = """
size N, C = 3
input x[N, C]
param w[C] = 1
state m[C] = 0.5
state count = 0
random e[N, C] ~ normal(0, 0.1)
next m = 0.9*m + 0.1*mean(x*w, axis=0)
next count = count + 1
output h = where(training, x*w + e, x*w - m)
minimize mean((h - 1)**2)
"""
BACKENDS = ("cython", "numpy")
X = rng.normal(size=(10, 3))
_modules: dict[Any, Any] = {}


def module(text: str, backend: str = "numpy", **options: Any) -> Any:
    key = text, backend, tuple(options.items())
    if key not in _modules:
        optimize = {"optimize": 1} if backend == "cython" and text != DRAWN else {}  # which is quick to compile
        _modules[key] = load(text, backend=backend, **optimize, **options)
    return _modules[key]


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_answers(counter: Any, key: Any, words: Any) -> None:
    assert tuple(int(w) for w in draws.philox(counter, key)) == words


def test_the_normal_quantile() -> None:
    from scipy.special import ndtri

    p = np.concatenate([rng.random(200_000), 10.0 ** rng.uniform(-15.6, 0, 20_000), [2.0**-53, 1 - 2.0**-53, 0.5]])
    found, right = draws.quantile(p), ndtri(p)
    assert np.max(np.abs(found - right) / np.maximum(np.abs(right), 1e-3)) < 4e-15


def test_a_million_numbers_are_as_random_as_they_should_be() -> None:
    from scipy import stats

    count = 1_000_000
    u = draws.unit(11, 3, 0, np.arange(count))
    assert u.min() > 0 and u.max() < 1
    assert stats.kstest(u, "uniform").pvalue > 0.01
    assert stats.chisquare(np.bincount((u * 1000).astype(int), minlength=1000)).pvalue > 0.01
    pairs = (u[:-1:2] * 64).astype(int) * 64 + (u[1::2] * 64).astype(int)
    assert stats.chisquare(np.bincount(pairs, minlength=4096)).pvalue > 0.01
    assert stats.chisquare(np.bincount((u * 2**52).astype(np.int64) & 255, minlength=256)).pvalue > 0.01  # the lowest bits
    z = draws.draw_normal(11, 4, 1, np.arange(count), 0, 1)
    assert stats.kstest(z, "norm").pvalue > 0.01
    assert abs(z.mean()) < 4e-3 and abs(z.std() - 1) < 3e-3 and abs((z**4).mean() - 3) < 0.03
    b = draws.draw_bernoulli(11, 4, 2, np.arange(count), 0.25)
    assert abs(b.mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / count)


def test_neighbours_counters_seeds_and_streams_are_not_correlated() -> None:
    count = 200_000
    place = np.arange(count)
    base = draws.unit(7, 7, 0, place)
    others = [draws.unit(7, 7, 0, place + 1), draws.unit(7, 8, 0, place), draws.unit(8, 7, 0, place), draws.unit(7, 7, 1, place),
              draws.unit(7, place, 0, 7), draws.unit(place, 7, 0, 7), draws.unit(7 + 2**32, 7, 0, place),
              draws.unit(7, 7 + 2**32, 0, place), draws.unit(7, 7, 0, place + 2**32)]  # fmt: skip
    for other in others:
        assert abs(np.corrcoef(base, other)[0, 1]) < 4.5 / np.sqrt(count)
    along = draws.unit(7, place, 0, 7)
    assert abs(np.corrcoef(along[:-1], along[1:])[0, 1]) < 4.5 / np.sqrt(count)


DRAWN = """
size N, T
random a[N, 3] ~ normal(0.3, 1.7)
random b[T, N] ~ uniform(-1, 3)
random c[N] ~ bernoulli(0.3)
random d ~ uniform
random e[2, 3, 4] ~ uniform(0, 0.1)
output a, b, c, d, e
"""


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_both_backends_and_the_interpreter_draw_the_same_bits(dtype: str) -> None:
    sizes, seed, counter = {"N": 17, "T": 5}, 2**40 + 3, 2**33 + 1
    compiled = module(DRAWN, "cython", dtype=dtype).Model(seed=seed).forward(counter=counter, **sizes)
    plain = module(DRAWN, "numpy", dtype=dtype).Model(seed=seed).forward(counter=counter, **sizes)
    model = build(DRAWN)
    found = run(model.graph, {"generator": np.array([seed, counter])}, sizes, np.dtype(dtype))
    for output in model.outputs:
        one, two, three = compiled[output.name], plain[output.name], found[output.value]
        assert one.dtype == three.dtype and one.tobytes() == np.asarray(two).tobytes() == three.tobytes(), output.name
    assert compiled.c.dtype == np.bool_ and compiled.d.shape == ()
    right = draws.draw_normal(seed, counter, 0, np.arange(51), 0.3, 1.7, np.dtype(dtype)).reshape(17, 3)
    assert (compiled.a == right).all()
    if dtype == "float32":  # rounded from the very numbers of float64
        wide = module(DRAWN, "numpy").Model(seed=seed).forward(counter=counter, **sizes)
        assert (wide.a.astype(np.float32) == compiled.a).all()


def test_uniform_stays_below_high_in_float32() -> None:
    value = draws.draw_uniform(0, 0, 0, np.arange(10), 1, 1 + 1e-9, np.dtype(np.float32))
    assert (value < np.float32(1) + np.finfo(np.float32).eps).all()
    assert (draws.draw_uniform(0, 0, 0, np.arange(10), 2, 2) == 2).all()


def test_any_number_of_threads_draws_the_same() -> None:
    net = module(MEAN, "cython")
    params = net.Model().params

    def one(counter: int) -> bytes:
        return bytes(net.forward(params, x=X, training=True, seed=4, counter=counter).h.tobytes())

    alone = [one(k) for k in range(40)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(40))) == alone
    assert len(set(alone)) == 40


# ---------------------------------------------------------------- calls


@pytest.mark.parametrize("backend", BACKENDS)
def test_only_training_moves_states_and_the_counter(backend: str) -> None:
    model = module(MEAN, backend).Model(seed=3)
    before = model.state.m.copy(), model.theta.copy()
    for flag in (False, True):
        model.forward(x=X, training=flag)
        model.backward()
        model.value_and_grad(x=X, training=flag)
        model.predict(x=X, training=flag)
    assert (model.state.m == before[0]).all() and model.generator.counter == 0 and model.state.count == 0
    mean = (X * model.params.w).mean(0)
    loss = model.step("sgd", x=X)
    assert np.allclose(model.state.m, 0.9 * before[0] + 0.1 * mean, rtol=1e-14)
    assert model.generator.counter == 1 and model.generator.seed == 3 and model.state.count == 1
    e = draws.draw_normal(3, 0, 0, np.arange(30), 0, 0.1).reshape(10, 3)
    assert np.isclose(loss, np.mean((X * before[1] + e - 1) ** 2), rtol=1e-13)


@pytest.mark.parametrize("backend", BACKENDS)
def test_training_and_the_generator_are_arguments_of_a_call(backend: str) -> None:
    net = module(MEAN, backend)
    model = net.Model(seed=3)
    e = draws.draw_normal(3, 0, 0, np.arange(30), 0, 0.1).reshape(10, 3)
    later = draws.draw_normal(9, 5, 0, np.arange(30), 0, 0.1).reshape(10, 3)
    assert (model.forward(x=X).h == X - 0.5).all()
    assert (model.forward(x=X, training=False).h == X - 0.5).all()
    assert (model.forward(x=X, training=True).h == X + e).all()
    assert (model.predict(x=X, training=True).h == X + e).all()
    assert (model.predict(x=X, training=True, seed=9, counter=5).h == X + later).all()
    assert (model.value_and_grad(x=X, training=True, seed=9, counter=5)[0].h == X + later).all()
    assert (net.forward(model.params, x=X, training=True, seed=9, counter=5).h == X + later).all()
    assert (net.predict(model.params, x=X, state={"m": [1.0, 2, 3]}).h == X - [1.0, 2, 3]).all()
    model.generator.seed, model.generator.counter = 9, 5
    assert (model.forward(x=X, training=True).h == X + later).all()
    assert "counter=5" in repr(model.generator)
    model.state.m = [1.0, 2, 3]
    assert (net.predict(model, x=X).h == X - [1.0, 2, 3]).all()  # the model itself brings its states along
    assert (net.predict(model.params, x=X).h == X - 0.5).all()
    for wrong in ({"training": 1}, {"counter": -1}, {"counter": 1.5}, {"seed": "a"}):
        with pytest.raises(ArgumentError):
            model.forward(x=X, **wrong)
    with pytest.raises(ShapeError, match="m: expected shape"):
        model.state.m = [1.0]
    with pytest.raises(ArgumentError, match="no state"):
        model.state = {"n": 1.0}


def test_backward_is_of_the_forward_before_it() -> None:
    model = module(MEAN, "cython").Model(seed=3)
    model.forward(x=X, training=True)
    one = model.backward().w
    model.forward(x=X, training=True)
    model.generator.counter = 8  # the draws of that forward were made
    assert (model.backward().w == one).all()
    model.forward(x=X)
    model.state.m += 1
    with pytest.raises(StateError, match="the states: overwritten"):
        model.backward()


def test_every_model_takes_training() -> None:
    model = module("input x\nparam w = 2\noutput y = w*x\n").Model()
    assert model.predict(x=3.0, training=False).y == 6 == model.forward(x=3.0, training=True).y
    with pytest.raises(ArgumentError, match="no input 'counter'"):
        model.predict(x=3.0, counter=1)


def test_a_model_without_any_pays_nothing() -> None:
    text = "size N\ninput x[N], y[N]\nparam w = 2\noutput p = w*x\nminimize mean((p - y)**2)\n"
    emitted = compile_model(text, stop_after="cython").text
    for word in ("random.h", "draw_", "'next'", "'training'", "'random'", "'state'"):
        assert word not in emitted, word


def test_training_is_known_in_the_kernels_of_training_and_prediction() -> None:
    emitted = compile_model(MEAN, stop_after="cython").text
    cut = {part.split("(")[0]: part for part in emitted.split("\ncdef void ")[1:]}
    assert "training" not in cut["train"].split("noexcept")[0] and " if " not in cut["train"]
    whole = {name: "".join(text for part, text in cut.items() if part == name or part.startswith(f"_{name}_part"))
             for name in ("train", "predict", "predict_training")}  # fmt: skip
    assert "draw_normal" in whole["train"] and "draw_normal" not in whole["predict"]
    assert "draw_normal" in whole["predict_training"]
    assert "(h_" not in cut["predict"] and "hyper" not in cut["predict"]


def test_names_that_users_give() -> None:
    text = """
size N
input training[N], counter[N], seed[N], generator[N], state[N], random[N]
param next = 1
state hyper = 1
random kept[N] ~ uniform
next hyper = hyper + 1
output y = next*(training + counter + seed + generator + state + random) + hyper + kept
minimize sum(y)
"""
    given = {name: np.ones(2) for name in ("training", "counter", "seed", "generator", "state", "random")}
    one = module(text, "cython").Model(seed=1)
    assert np.allclose(one.forward(**given).y, 7 + draws.unit(1, 0, 0, np.arange(2)))
    one.step("sgd", **given)
    assert one.state.hyper == 2
    # what the library calls training is not what the user calls so
    model = module("size N\ninput training[N]\nuse layers\noutput y = dropout(training, 0.5)\n").Model()
    assert (model.forward(training=np.ones(3)).y == 1).all()


# ---------------------------------------------------------------- runs


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_run_of_batches_is_the_steps_one_by_one(backend: str) -> None:
    net = module(MEAN, backend)
    whole, single = net.Model(seed=1), net.Model(seed=1)
    losses = whole.fit({"x": X}, "adam", epochs=2, batch_size=4, shuffle=False, progress=False).loss
    found = []
    for _ in range(2):
        parts = [(single.step("adam", x=X[k : k + 4]), len(X[k : k + 4])) for k in (0, 4, 8)]
        found.append(sum(loss * n for loss, n in parts) / 10)
    assert whole.generator.counter == single.generator.counter == 6 and whole.state.count == 6
    assert (whole.theta == single.theta).all() and (whole.state.m == single.state.m).all()
    assert np.allclose(losses, found, rtol=1e-14)
    streamed = net.Model(seed=1)
    streamed.fit(lambda: ({"x": X[k : k + 4]} for k in (0, 4, 8)), "adam", epochs=2, progress=False, validation={"x": X})
    assert (streamed.theta == whole.theta).all() and (streamed.state.m == whole.state.m).all()
    assert streamed.generator.counter == 6


def test_both_backends_train_alike() -> None:
    one, two = (module(MEAN, b).Model(seed=1) for b in BACKENDS)
    for model in (one, two):
        model.fit({"x": X}, "adam", epochs=3, batch_size=4, seed=2, progress=False)
    assert np.allclose(one.theta, two.theta, rtol=1e-12) and np.allclose(one.state.m, two.state.m, rtol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_batches_that_accumulate_draw_one_by_one_and_move_the_states_in_turn(backend: str) -> None:
    model = module(MEAN, backend).Model(seed=1)
    m = model.state.m.copy()
    w = model.params.w.copy()
    model.fit({"x": X}, "sgd", epochs=1, batch_size=5, shuffle=False, accumulate=2, progress=False)
    for part in (X[:5], X[5:]):
        m = 0.9 * m + 0.1 * (part * w).mean(0)
    assert np.allclose(model.state.m, m, rtol=1e-14) and model.generator.counter == 2 and model.state.count == 2
    gradient = np.zeros(3)
    for k, part in enumerate((X[:5], X[5:])):
        e = draws.draw_normal(1, k, 0, np.arange(15), 0, 0.1).reshape(5, 3)
        gradient += (2 * (part * w + e - 1) * part).mean(0) / 3 / 2
    assert np.allclose(model.params.w, w - 0.01 * gradient, rtol=1e-12)

    def broken() -> Any:
        yield {"x": X[:5]}
        yield {"x": np.ones((2, 9))}

    before = model.state.m.copy()
    with pytest.raises(ShapeError):  # in the second batch of a step
        model.fit(broken, "sgd", accumulate=2, progress=False)
    assert (model.state.m == before).all() and model.generator.counter == 2


def test_a_checkpoint_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    net = module(MEAN, "cython")
    options: dict[str, Any] = {"batch_size": 4, "seed": 6, "progress": False}
    straight = net.Model(seed=2)
    straight.fit({"x": X}, "adam", epochs=6, **options)
    first = net.Model(seed=2)
    first.fit({"x": X}, "adam", epochs=2, **options)
    first.save(tmp_path / "a.safetensors")
    second = net.Model(seed=77)
    second.fit({"x": X}, "adam", epochs=6, resume=tmp_path / "a.safetensors", **options)
    assert second.theta.tobytes() == straight.theta.tobytes() and second.state.m.tobytes() == straight.state.m.tobytes()
    assert (second.generator.seed, second.generator.counter) == (2, 18)
    loaded = net.Model.load(tmp_path / "a.safetensors")
    assert (loaded.state.m == first.state.m).all() and loaded.state.count == 6 and loaded.generator.counter == 6
    from safetensors.numpy import load_file

    assert set(load_file(tmp_path / "a.safetensors")) >= {"w", "m", "count"}


def test_interrupted_within_an_epoch_and_resumed(tmp_path: Path) -> None:
    net = module(MEAN, "cython")
    straight = net.Model(seed=2)
    batches = [X[k : k + 2] for k in range(0, 10, 2)]
    straight.fit(lambda: ({"x": b} for b in batches), "adam", epochs=2, progress=False)
    model = net.Model(seed=2)
    calls = 0

    def some() -> Any:
        nonlocal calls
        for b in batches:
            calls += 1
            if calls == 8:
                raise KeyboardInterrupt
            yield {"x": b}

    history = model.fit(some, "adam", epochs=2, progress=False, ahead=0)
    assert history.interrupted and model.state.count == model.generator.counter == history.steps == 7
    model.save(tmp_path / "b.safetensors")
    again = net.Model()
    again.fit(lambda: ({"x": b} for b in batches), "adam", epochs=2, progress=False, resume=tmp_path / "b.safetensors")
    assert again.theta.tobytes() == straight.theta.tobytes() and again.state.m.tobytes() == straight.state.m.tobytes()


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_leaves_the_states_of_the_last_whole_step() -> None:
    import os
    import signal
    import threading

    model = module(MEAN, "cython").Model(seed=2)
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    history = model.fit({"x": X}, "sgd", epochs=10**6, batch_size=4, progress=False)
    timer.join()
    assert history.interrupted and history.steps > 100
    assert model.state.count == model.generator.counter == history.steps


def test_the_best_weights_come_with_their_states() -> None:
    model = module(MEAN, "cython").Model(seed=2)
    seen: list[tuple[float, Any]] = []

    def watch(info: Any) -> None:
        seen.append((info.val_loss, model.state.m.copy()))

    options: dict[str, Any] = {"batch_size": 4, "progress": False, "validation": {"x": X}}
    model.fit({"x": X}, "adam", epochs=30, callbacks=[watch, EarlyStopping(2)], **options)
    best = min(seen, key=lambda pair: pair[0])
    assert (model.state.m == best[1]).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_copies_pickles_and_shared_memory(backend: str) -> None:
    net = module(MEAN, backend)
    model = net.Model(seed=4)
    model.fit({"x": X}, "adam", epochs=1, batch_size=4, progress=False)
    for other in (model.copy(), pickle.loads(pickle.dumps(model)) if backend == "cython" else model.copy()):
        assert (other.state.m == model.state.m).all() and other.generator.counter == model.generator.counter == 3
        assert other.generator.seed == 4
        other.step("adam", x=X)
        assert model.generator.counter == 3 and (other.state.m != model.state.m).all()
    partner = module(MEAN.replace("output h", "output g = x\noutput h")).Model()
    partner.share(model)
    assert (partner.state.m == model.state.m).all()
    model.step("adam", x=X)
    assert (partner.state.m == model.state.m).all() and partner.state.count == 4


def test_a_state_without_a_param_of_the_same_name_stays_ones_own() -> None:
    text = "input x\nparam w[3] = 1\nstate s = 0\nnext s = s + 1\noutput y = w*x + s\n"
    one, two = module(text).Model(), module(MEAN).Model()
    one.share(two)
    one.state.s = 5.0
    assert two.state.m[0] == 0.5
    swapped = MEAN.replace("state m[C] = 0.5\nstate count = 0", "state count = 0\nstate m[C] = 0.5")
    with pytest.raises(ArgumentError, match="in this order"):
        module(swapped).Model().share(two)


def test_a_checked_module_leaves_the_states_of_the_last_whole_step() -> None:
    model = module(MEAN, "cython", checked=True).Model(seed=1)
    data = np.concatenate([X[:8], [[np.inf, 1, 1]], X[9:]])
    with pytest.raises(NotFiniteError):
        model.fit({"x": data}, "adam", batch_size=4, shuffle=False, progress=False)
    assert model.generator.counter == 2 == model.state.count and np.isfinite(model.state.m).all()


def test_seeds() -> None:
    net = module(MEAN)
    assert net.Model(seed=5).generator.seed == 5 and net.Model().generator.seed == 0
    assert net.Model(seed=None).generator.seed != net.Model(seed=None).generator.seed
    runs = [net.Model(seed=s) for s in (1, 1, 2)]
    for model in runs:
        model.params.w = 1.0 + np.zeros(3)
        model.fit({"x": X}, "adam", epochs=2, batch_size=4, seed=0, progress=False)
    assert (runs[0].theta == runs[1].theta).all() and (runs[0].theta != runs[2].theta).all()


# ---------------------------------------------------------------- meaning


def test_no_gradient_goes_to_a_state_or_through_its_next() -> None:
    text = """
size N
input x[N]
param w = 2
state m = 3
next m = m*w
output y = w*x*m
minimize sum(y)
"""
    model = module(text).Model()
    assert np.isclose(model.value_and_grad(x=np.array([1.0, 2]))[1].w, 9)
    model.step("sgd", x=np.array([1.0, 2]))
    assert model.state.m == 6


def test_a_name_is_the_state_that_the_call_found_also_below_its_next() -> None:
    model = module("input x\nparam w = 1\nstate m = 3\nnext m = m + 1\noutput y = m*x*w\nminimize y\n").Model()
    assert model.forward(x=2.0, training=True).y == 6


def test_what_the_next_is_may_be_anything_that_is_there_already() -> None:
    text = """
size N, C = 2
input x[N, C]
param w[C] = 1
state a[C] = 0
state b[C] = 0
state c = 0
state d[C] = 0
h = mean(x*w, axis=0)
next a = h
next b = h
loss = sum(h**2)
next c = loss
next d = w
output h
minimize loss
"""
    for backend in BACKENDS:
        model = module(text, backend).Model()
        loss = model.step("sgd", x=X[:, :2])
        mean = X[:, :2].mean(0)
        assert np.allclose([model.state.a, model.state.b], [mean, mean]) and np.isclose(model.state.c, loss)
        assert (model.state.d == 1).all()


def test_a_layer_that_is_used_twice_moves_its_states_twice() -> None:
    torch = pytest.importorskip("torch")
    text = "size N\ninput x[N, 3], z[N, 3]\nuse layers\nnorm = batch_norm()\n"
    text += "output a = norm(x)\noutput b = norm(z)\nminimize sum(a*b)\n"
    model = module(text).Model()
    right = torch.nn.BatchNorm1d(3).double()
    z = rng.normal(3, 2, X.shape)
    for _ in range(3):
        model.step("sgd", x=X, z=z)
        right(torch.tensor(X)), right(torch.tensor(z))
    assert np.allclose(model.state.norm.running_mean, right.running_mean.numpy(), rtol=1e-12)
    assert np.allclose(model.state["norm.running_var"], right.running_var.numpy(), rtol=1e-12)
    assert (model.predict(x=X, z=X).a == model.predict(x=X, z=X).b).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_random_values_of_a_loop_differ_from_step_to_step(backend: str) -> None:
    text = """
size N, T
input x[T, N]
param w[2] = 1
layer noise(x[N]):
    random e[shape(x)] ~ normal(0, 1)
    return x + where(training, e, 0)
layer twice(x[N]):
    a = noise(x)
    b = noise(x)
    return a + 2*b
scan t in range(T):
    carry h = zeros(N)
    h = h + twice(x[t])
    emit hs = h
output hs
minimize sum(hs)*sum(w**2)
"""
    model = module(text, backend).Model(seed=3)
    x = np.zeros((4, 6))
    a, b = (draws.draw_normal(3, 0, k, np.arange(24), 0, 1).reshape(4, 6) for k in (0, 1))
    right = np.cumsum(a + 2 * b, axis=0)
    assert np.allclose(model.forward(x=x, training=True).hs, right, rtol=1e-13)
    assert (model.predict(x=x).hs == 0).all()
    assert np.isclose(model.step("sgd", x=x), 2 * right.sum()) and np.allclose(model.params.w, 1 - 0.02 * right.sum())
    if backend == "numpy":
        state = "size N\ninput x[4, N]\nuse layers\nscan t in range(4):\n    carry h = zeros(N, 1)\n"
        found = errors(state + "    h = batch_norm(h + reshape(x[t], N, 1))\noutput h\n")
        assert ("E272", "batch_norm: a state cannot stand in a `scan`") in [(c, m) for c, _, m in found]


@pytest.mark.parametrize("backend", BACKENDS)
def test_random_values_that_a_loop_draws_itself(backend: str) -> None:
    text = """
size N, T
input x[T, N]
param w = 1
scan t in range(T):
    carry h = zeros(N)
    random e[N] ~ normal(0, 1)
    scan s in range(3):
        carry c = 0
        random keep[shape(h)] ~ bernoulli(0.5)
        c = c + sum(where(keep, 1, 0))
    h = w * h + e + x[t]
    emit hs = h
    emit kept = c
output hs, kept
minimize sum(hs)
"""
    model = module(text, backend).Model(seed=3)
    model.params.w = 0.5
    x = np.ones((4, 6))
    e = draws.draw_normal(3, 0, 0, np.arange(24), 0, 1).reshape(4, 6)
    kept = draws.draw_bernoulli(3, 0, 1, np.arange(72), 0.5).reshape(4, 3, 6).sum((1, 2))
    hs = [e[0] + 1]
    for row in e[1:]:
        hs.append(0.5 * hs[-1] + row + 1)
    out, g = model.value_and_grad(x=x, counter=0)
    assert np.allclose(out.hs, hs, rtol=1e-13) and (out.kept == kept).all()
    moved = (model.forward(x=x, counter=0).loss, setattr(model.params, "w", 0.5 + 1e-6), model.forward(x=x, counter=0).loss)
    assert np.isclose(g.w, (moved[2] - moved[0]) / 1e-6, rtol=1e-4)
    if backend == "numpy":
        loop = "size N\ninput x[4, N], e\nscan t in range(4):\n    carry h = zeros(N)\n    random {}[N] ~ uniform\n"
        loop += "    h = h + x[t]\noutput h\n"
        assert [(c, m) for c, _, m in errors(loop.format("e"))] == [("E221", "e is an input already")]
        assert [(c, m) for c, _, m in errors(loop.format("h"))] == [("E221", "h is declared twice")]


def test_the_stub_tells_of_states_and_of_what_a_call_may_be_told() -> None:
    from gradwright.compiler.emit.stub import stub

    text = stub(build(MEAN))
    assert "class States:" in text and "    state: States" in text and "def generator" in text
    (predict,) = [line for line in text.split("\n") if line.startswith("    def predict")]
    assert "training: bool = ..., seed: int = ..., counter: int = ..." in predict and "state" not in predict
    (pure,) = [line for line in text.split("\n") if line.startswith("def predict")]
    assert "state: States | Mapping[str, ArrayLike] = ..." in pure
    (step,) = [line for line in text.split("\n") if line.startswith("    def step")]
    assert "training" not in step and "training:" not in stub(build("input x\noutput y = x\n"))


def test_the_graph_as_text_and_back() -> None:
    model = build(MEAN)
    shown = graph_text.show_graph(model.graph)
    assert "place(i0, 3, i1)" in shown
    assert graph_text.parse_graph(shown) == model.graph


def test_no_pass_looks_through_a_random_value() -> None:
    text = "size N\nparam w = 1\nrandom u[N] ~ uniform\nv = log(exp(u*w))\noutput y = 1/(1 + exp(-v))\nminimize sum(y + log(y))\n"
    model = module(text, "cython").Model(seed=2)
    u = draws.unit(2, 0, 0, np.arange(6))
    y = 1 / (1 + np.exp(-u))
    out, g = model.value_and_grad(N=6)
    assert np.allclose(out.y, y, rtol=1e-14)
    assert np.isclose(g.w, np.sum(u * (y * (1 - y) + 1 - y)), rtol=1e-12)


# ---------------------------------------------------------------- the library


@pytest.mark.parametrize(
    ("shape", "backend"), [((5, 3), "numpy"), ((4, 3, 7), "numpy"), ((4, 3, 5, 2), "numpy"), ((4, 3, 5, 2), "cython")]
)
def test_batch_norm(shape: tuple[int, ...], backend: str) -> None:
    torch = pytest.importorskip("torch")
    axes = ", ".join(map(str, shape[1:]))
    text = f"size N\ninput x[N, {axes}], k[N, {axes}]\nuse layers\noutput y = x |> batch_norm() as norm\n"
    text += "minimize sum(k*y**2)\ngradient loss wrt x\n"
    model = module(text, backend).Model()
    right = (torch.nn.BatchNorm1d if len(shape) < 4 else torch.nn.BatchNorm2d)(3).double()
    gain, bias = rng.normal(size=3), rng.normal(size=3)
    with torch.no_grad():
        right.weight.copy_(torch.tensor(gain))
        right.bias.copy_(torch.tensor(bias))

    def compare(training: bool) -> None:
        x, k = rng.normal(2, 3, shape), rng.normal(size=shape)
        given = torch.tensor(x, requires_grad=True)
        out, g = model.value_and_grad(x=x, k=k, training=training)
        right.train(training)
        right.zero_grad()
        wanted = right(given)
        (torch.tensor(k) * wanted**2).sum().backward()
        found = [out.y, g.x, g["norm.gain"], g["norm.bias"]]
        for one, two in zip(found, [wanted.detach(), given.grad, right.weight.grad, right.bias.grad], strict=True):
            assert np.linalg.norm(one - two.numpy()) <= 1e-10 * (1 + np.linalg.norm(two.numpy()))
        if training:
            model.step("sgd", x=x, k=k)
        assert np.allclose(model.state.norm.running_mean, right.running_mean.numpy(), rtol=1e-12, atol=1e-14)
        assert np.allclose(model.state.norm.running_var, right.running_var.numpy(), rtol=1e-12)
        if not training:
            assert np.allclose(model.predict(x=x).y, wanted.detach().numpy(), rtol=1e-12)

    for training in (True, True, False, True, False):
        model.params.norm.gain, model.params.norm.bias = gain, bias
        compare(training)


@pytest.mark.parametrize("backend", BACKENDS)
def test_dropout(backend: str) -> None:
    text = "size N\ninput x[N, 1000]\nuse layers\noutput y = x |> dropout(0.25)\nminimize sum(y**2)/2\ngradient loss wrt x\n"
    model = module(text, backend).Model(seed=1)
    x = rng.normal(size=(200, 1000))
    out, g = model.value_and_grad(x=x, training=True)
    kept = out.y != 0
    assert abs(kept.mean() - 0.75) < 4 * np.sqrt(0.75 * 0.25 / x.size)
    assert np.allclose(out.y[kept], x[kept] / 0.75, rtol=1e-15)
    assert np.allclose(g.x, np.where(kept, out.y / 0.75, 0), rtol=1e-14)  # the same mask
    assert (model.predict(x=x).y == x).all() and (model.value_and_grad(x=x)[1].x == x).all()
    other = model.forward(x=x, training=True, counter=1).y != 0
    assert abs((kept == other).mean() - (0.75**2 + 0.25**2)) < 0.01
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    given = torch.tensor(np.ones(10))
    assert set(torch.nn.Dropout(0.25)(given).tolist()) <= {0.0, 4 / 3}
    assert set(np.unique(out.y[kept] / x[kept]).round(12)) == {round(4 / 3, 12)}


def test_layers_refuse_what_makes_no_sense() -> None:
    head = "size N\ninput x[N, 2]\nuse layers\n"
    assert errors(head + "output y = dropout(x, 1.5)\n")[0][0] == "E262"
    assert "rate is from 0 up" in errors(head + "output y = dropout(x, 1)\n")[0][2]
    assert errors("size N\ninput x[N]\nuse layers\noutput y = batch_norm(x)\n")[0][0] == "E276"
    images = "size N, H\ninput x[N, 4, H, 2]\nuse layers\n"
    assert "groups divides the channels" in errors(images + "output y = group_norm(x, 3)\n")[0][2]


AUTOENCODER = """
size   N, D = 8, H = 16, Z = 2
input  x[N, D]
use    layers
h = tanh(dense(x, H))
mu = dense(h, Z) as mean
logvar = dense(h, Z) as spread
random e[N, Z] ~ normal(0, 1)
z = mu + exp(logvar/2) * e
logits = z |> dense(H) |> tanh |> dense(D)
output p = sigmoid(logits)
kl = -sum(1 + logvar - mu**2 - exp(logvar)) / 2
minimize (sum(softplus(logits) - x*logits) + kl) / N
"""


def test_a_variational_autoencoder_learns() -> None:
    model = module(AUTOENCODER, "cython").Model(seed=0)
    kinds = np.random.default_rng(0).integers(0, 2, 300)
    x = np.where(np.arange(8) < 4, kinds[:, None], 1 - kinds[:, None]).astype(float)
    out, g = model.value_and_grad(x=x[:20], training=True)
    base = model.theta.copy()
    for k in rng.integers(0, base.size, 12):  # the draws are constants to differentiation
        values = []
        for step in (1e-6, -1e-6):
            model.theta = base
            model.theta[k] += step
            values.append(float(model.forward(x=x[:20]).loss))
        model.theta = base
        flat = model.value_and_grad(x=x[:20]) and model.grad
        assert np.isclose((values[0] - values[1]) / 2e-6, flat[k], rtol=1e-5, atol=1e-7)
    losses = model.fit({"x": x}, "adam", epochs=40, batch_size=50, seed=0, progress=False).loss
    assert losses[-1] < 0.5 * losses[0]
    assert ((model.predict(x=x).p > 0.5) == (x > 0.5)).mean() > 0.95


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("state m = 0\noutput y = x + m\n", "E272", "nothing ever changes the state m"),
        ("next m = x\noutput y = x\n", "E272", "there is no state m"),
        ("a = x\nnext a = x\noutput y = a\n", "E272", "a is a binding and no state"),
        ("state m = 0\nnext m = m + 1\nnext m = m + 2\noutput y = x + m\n", "E272", "m has a `next` already"),
        ("state m[2] = 0\nnext m = x\noutput y = x + m\n", "E272", "m is [2], and this is not"),
        ("state m = 0\nnext m = x > 0\noutput y = x + m\n", "E272", "m is a scalar, and this is not"),
        ("size K\nstate m[K] = 0\nnext m = m\noutput y = x\n", "E211", "the shape of a state must be fixed, and K is free"),
        ("state m = x\nnext m = x\noutput y = x + m\n", "E244", "x is not known when the module is compiled"),
        ("state m[2] = [1, 2, 3]\nnext m = m + 1\noutput y = x + m\n", "E263", "does not have the shape of the state"),
        ("state m = 0\nstate m = 1\nnext m = m\noutput y = x + m\n", "E221", "m is declared twice"),
        ("state m = 0\nm = x\nnext m = x\noutput y = m\n", "E221", "m is a state and cannot be bound again"),
        ("random e ~ cauchy(0, 1)\noutput y = x + e\n", "E261", "there is no distribution cauchy"),
        ("random e ~ he_normal\noutput y = x + e\n", "E261", "there is no distribution he_normal"),
        ("random e ~ normal(0, -1)\noutput y = x + e\n", "E262", "the standard deviation cannot be negative"),
        ("random e ~ uniform(2, 1)\noutput y = x + e\n", "E262", "low is above high"),
        ("random e ~ bernoulli(1.2)\noutput y = x*e\n", "E262", "p is a probability, from 0 to 1, and this is 1.2"),
        ("random e ~ normal(x, 1)\noutput y = x + e\n", "E244", "x is not known when the module is compiled"),
        ("random e ~ normal(0, 1)\nz = x*e\noutput y = z\ngradient y wrt e\n", "E273", "e is a random value, and is a constant"),
        ("state m = 0\nnext m = x\noutput y = x*m\ngradient y wrt m\n", "E273", "m is a state, and is a constant"),
        ("param w[2] = training\noutput y = x*sum(w)\n", "E244", "training is not known when the module is compiled"),
    ],
)  # fmt: skip
def test_mistakes(text: str, code: str, said: str) -> None:
    found = errors("input x\n" + text)
    assert [(c, said in message) for c, _, message in found] == [(code, True)], found


def test_a_random_value_that_nothing_reads() -> None:
    assert warnings("input x\nrandom e ~ normal(0, 1)\noutput y = x\n") == [("W303", 2, "the random value e is never used")]


def test_states_are_shown_and_random_values_have_nothing_to_derive() -> None:
    model = module(MEAN).Model()
    assert repr(model) == "model.Model(3 float64 parameters: w[3]; state m[3], count[])"
    assert [row.bytes for row in model.summary(N=2).lines if row.declared in ("m[3]", "count", "e[2, 3]")] == [24, 8, 48]
    from gradwright.compiler.driver import derivations

    assert "random" not in [name for name, _, _ in derivations(MEAN).job.values["derivations"]]


def test_the_model_knows_its_states() -> None:
    model = build(MEAN)
    (m, count) = model.states
    assert (m.value.name, m.init.data, m.next) == ("m", (Fraction(1, 2),), "m_next") and count.value.shape == ()
    assert (model.training, model.generator) == ("training", "generator")
    assert model.graph.outputs == ("h", model.loss, "m_next", "count_next")


def test_a_state_dict_brings_the_running_statistics() -> None:
    torch = pytest.importorskip("torch")
    from gradwright.runtime import load_state_dict

    theirs = torch.nn.ModuleDict({"norm": torch.nn.BatchNorm1d(3), "head": torch.nn.Linear(3, 2)}).double()
    theirs.train()
    theirs["norm"](torch.tensor(X))
    theirs.eval()
    model = module("size N\ninput x[N, 3]\nuse layers\nh = batch_norm(x) as norm\noutput y = dense(h, 2) as head\n").Model()
    loaded = load_state_dict(model, theirs.state_dict())
    assert {"norm.running_mean", "norm.running_var", "norm.gain", "head.W"} <= set(loaded)
    right = theirs["head"](theirs["norm"](torch.tensor(X))).detach().numpy()
    assert np.allclose(model.predict(x=X).y, right, rtol=1e-12)


def test_what_stands_behind_batch_norm_stays_a_matrix_product() -> None:
    """The square root of a variance is finite, and so no zero needs to win in the products of the backward pass."""
    text = "size N\ninput x[N, 64], y[N, 64]\nuse layers\nh = dense(x, 64) |> batch_norm() |> relu\n"
    text += "h = dense(h, 64) |> layer_norm() |> relu\nminimize mse(dense(h, 64), y)\n"
    train = compile_model(text, stop_after="loops").text.split("kernel train")[1]
    assert sum("d_dense_" in line and "@" in line for line in train.split("\n")) == 3
