"""Data that comes in batches, from files that are mapped into memory, or in pieces of one step."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradwright.runtime import SGD, Adam, ArgumentError, Cosine, RangeError, ShapeError, load, streams
from gradwright.runtime.streams import Mapped

pytestmark = pytest.mark.unoptimised

TEXT = "size N\ninput x[N, 3], y[N]\nparam w[3] = 0\nparam b = 0\noutput p = x @ w + b\nminimize mse(p, y)\n"
WEIGHTED = "size N\ninput x[N, 3], y[N], weight[N]\nparam w[3] = 0\nparam b = 0\noutput p = x @ w + b\n" \
           "minimize sum(weight * (p - y)**2) / sum(weight)\n"  # fmt: skip
RNG = np.random.default_rng(0)
X = RNG.normal(size=(37, 3))
Y = X @ [1.0, -2.0, 3.0] + 0.5


@pytest.fixture(scope="module", params=["numpy", "cython"])
def module(request: pytest.FixtureRequest) -> Any:
    return load(TEXT, backend=request.param, name="streamed")


def batches(size: int = 8) -> Iterator[dict[str, Any]]:
    for start in range(0, len(X), size):
        yield {"x": X[start:start + size], "y": Y[start:start + size]}


@pytest.mark.parametrize("ahead", [0, 1, 4])
def test_batches_of_an_iterable_are_those_of_arrays(module: Any, ahead: int) -> None:
    streamed, whole = module.Model(), module.Model()
    found = streamed.fit(batches, Adam(lr=1e-2), epochs=5, progress=False, ahead=ahead)
    held = whole.fit({"x": X, "y": Y}, Adam(lr=1e-2), epochs=5, batch_size=8, shuffle=False, progress=False)
    assert streamed.theta.tobytes() == whole.theta.tobytes()
    assert found.steps == held.steps == 25 and found.epochs == 5
    np.testing.assert_allclose(found.loss, held.loss, rtol=1e-13)
    assert streamed.optimizer_state.epoch == 5 and streamed.optimizer_state.step == 25


def test_a_list_of_batches_with_a_schedule(module: Any) -> None:
    streamed, whole = module.Model(), module.Model()
    found = streamed.fit(list(batches()), SGD(lr=Cosine(1e-2)), epochs=4, progress=False, validation={"x": X, "y": Y})
    held = whole.fit({"x": X, "y": Y}, SGD(lr=Cosine(1e-2)), epochs=4, batch_size=8, shuffle=False, progress=False)
    assert streamed.theta.tobytes() == whole.theta.tobytes()
    np.testing.assert_array_equal(found.lr, held.lr)
    assert len(found.val_loss) == 4


def test_the_queue_is_bounded(module: Any) -> None:
    made = 0
    seen: list[int] = []
    before = threading.active_count()

    def endless() -> Iterator[dict[str, Any]]:
        nonlocal made
        while True:
            made += 1
            seen.append(model.optimizer_state.step if model.optimizer_state else 0)
            yield next(batches())

    def first() -> Iterator[dict[str, Any]]:
        for k, batch in enumerate(endless()):
            if k == 50:
                raise OSError("the disk is gone")
            yield batch

    model = module.Model()
    with pytest.raises(OSError, match="the disk is gone"):
        model.fit(first, SGD(lr=1e-3), progress=False, ahead=2)
    assert model.optimizer_state.step == 50
    assert all(k - step <= 2 + 2 for k, step in enumerate(seen))
    assert threading.active_count() == before


def test_what_a_stream_cannot(module: Any) -> None:
    model = module.Model()
    with pytest.raises(ArgumentError, match="lasts for one epoch"):
        model.fit(batches(), "sgd", epochs=2)
    with pytest.raises(ArgumentError, match="held out"):
        model.fit(batches, "sgd", validation=0.2)
    with pytest.raises(ArgumentError, match="give validation"):
        model.fit(batches, "sgd", metrics="r2")
    with pytest.raises(ArgumentError, match="no batch came"):
        model.fit([], "sgd", progress=False)
    with pytest.raises(ArgumentError, match="a batch is a dict"):
        model.fit([X], "sgd", progress=False)
    with pytest.raises(ArgumentError, match="got ndarray"):
        model.fit(X, "sgd")
    with pytest.raises(ShapeError, match=r"x: expected x\[N, 3\]"):
        model.fit([{"x": X.T, "y": Y}], "sgd", progress=False)
    assert model.fit(batches(), "sgd", progress=False).steps == 5


def test_several_batches_are_one_step(module: Any) -> None:
    one, several = module.Model(), module.Model()
    options: dict[str, Any] = {"epochs": 6, "seed": 3, "progress": False}
    held = one.fit({"x": X, "y": Y}, Adam(lr=1e-2), batch_size=16, **options)
    found = several.fit({"x": X, "y": Y}, Adam(lr=1e-2), batch_size=4, accumulate=4, **options)
    np.testing.assert_allclose(several.theta, one.theta, rtol=1e-12)    # the same order of rows, and rows weighted alike
    np.testing.assert_allclose(found.loss, held.loss, rtol=1e-12)
    assert found.steps == held.steps == 18


@pytest.mark.parametrize("kind", ["<f4", ">f8", "<i2"])
def test_mapped_files_of_another_type_are_read_by_batches(module: Any, tmp_path: Path, kind: str,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    data = (X * 10).astype(kind)
    np.save(tmp_path / "x.npy", data)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    options: dict[str, Any] = {"epochs": 3, "batch_size": 8, "seed": 1, "progress": False}
    held, found = module.Model(), module.Model()
    held.fit({"x": data.astype(float), "y": Y}, Adam(lr=1e-2), **options)
    taken: list[int] = []
    rows = Mapped.__getitem__

    def watched(self: Mapped, which: Any) -> Any:
        found = rows(self, which)
        taken.append(len(found))
        return found

    monkeypatch.setattr(Mapped, "__getitem__", watched)
    found.fit({"x": mapped, "y": Y}, Adam(lr=1e-2), **options)
    assert found.theta.tobytes() == held.theta.tobytes()
    assert max(taken) == 8 and sum(taken) == 3 * len(X)


@pytest.mark.parametrize("share", [False, True])
def test_mapped_validation_data_is_converted_by_batches(module: Any, tmp_path: Path, share: bool,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(3).normal(size=(10_000, X.shape[1])).astype(np.float32)
    y = x.sum(axis=1)
    for name, array in (("x", x), ("y", y)):
        np.save(tmp_path / f"{name}.npy", array)
    mapped = {name: np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "xy"}
    plain = {"x": x.astype(float), "y": y.astype(float)}
    taken: list[int] = []
    real = streams._real

    def watched(name: str, value: Any, dtype: Any) -> Any:
        taken.append(len(value))
        return real(name, value, dtype)

    monkeypatch.setattr(streams, "_real", watched)
    options: dict[str, Any] = {"epochs": 2, "batch_size": 1000, "seed": 1, "progress": False}
    runs = []
    for data in (plain, mapped):
        model = module.Model()
        if share:
            history = model.fit(data, Adam(lr=1e-2), validation=0.5, **options)
        else:
            history = model.fit({"x": X, "y": Y}, Adam(lr=1e-2), validation=data, **options)
        runs.append((history.loss.tobytes(), history.val_loss.tobytes(), model.theta.tobytes()))
    assert runs[0] == runs[1]
    assert 0 < max(taken) <= 4096


def test_wrong_numbers_in_a_mapped_file_are_found_with_their_row(tmp_path: Path) -> None:
    text = "dtype float32\nsize N\ninput x[N]\nindex k[N] < 3\nparam w[3] = 0\nminimize sum((w[k] - x)**2)\n"
    model = load(text, backend="numpy", name="picked").Model()
    x, k = np.arange(100.0), np.arange(100, dtype=np.int16) % 3
    x[71], k[83] = 1e300, 3
    for name, array in (("x", x), ("k", k), ("right", np.zeros(100)), ("good", np.zeros(100, np.int16))):
        np.save(tmp_path / f"{name}.npy", array)
    held = {name: np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("x", "k", "right", "good")}
    with pytest.raises(RangeError, match=r"^k: expected k\[N\], integers from 0 to 2; k\[83\] is 3$"):
        model.fit({"x": held["right"], "k": held["k"]}, "sgd", progress=False)
    with pytest.raises(RangeError, match=r"^x\[71\] is 1e\+300, which is beyond float32$"):
        model.fit({"x": held["x"], "k": held["good"]}, "sgd", progress=False)


def test_mapped_files_of_the_models_type_are_used_as_they_are(module: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    held, found = module.Model(), module.Model()
    assert streams.mapped(found, {"x": mapped, "y": Y})["x"] is mapped
    (array, _), _, _ = found.engine.take(found.engine.full, found.engine.forward, {"x": mapped, "y": Y}, found._hyper_vector)
    assert np.shares_memory(array, mapped)
    for model, x in ((held, X), (found, mapped)):
        model.fit({"x": x, "y": Y}, Adam(lr=1e-2), epochs=3, batch_size=8, seed=1, progress=False)
    assert found.theta.tobytes() == held.theta.tobytes()


def test_weights_of_samples_are_an_input() -> None:
    weight = RNG.integers(0, 4, len(X)).astype(float)
    model = load(WEIGHTED, backend="numpy", name="weighted").Model()
    out, g = model.value_and_grad(x=X, y=Y, weight=weight)
    plain = load(TEXT, backend="numpy", name="streamed").Model()
    many = np.repeat(np.arange(len(X)), weight.astype(int))     # a sample of weight 3 is one that stands there thrice
    other, h = plain.value_and_grad(x=X[many], y=Y[many])
    np.testing.assert_allclose(out.loss, other.loss, rtol=1e-12)
    np.testing.assert_allclose(g.w, h.w, rtol=1e-12)
    assert model.fit({"x": X, "y": Y, "weight": weight}, "adam", epochs=2, batch_size=16, progress=False).steps == 6
