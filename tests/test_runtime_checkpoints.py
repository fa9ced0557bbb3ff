"""Checkpoints: what is saved comes back, a run goes on as if it had never stopped, and nothing broken is ever loaded."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from gradwright.runtime import Adam, Checkpoint, CheckpointError, Cosine, ReduceOnPlateau, load
from support import handmade, handmade_net
from support.build_handmade import X, Y, backends, shared_object

pytestmark = pytest.mark.unoptimised

safetensors = pytest.importorskip("safetensors")
xor = backends()

DATA = {"x": np.tile(X, (5, 1)), "y": np.tile(Y, (5, 1))}


def test_a_model_comes_back_whole(xor: ModuleType, tmp_path: Path) -> None:
    model = xor.Model(seed=1)
    model.hyper.reg = 0.25
    model.fit(DATA, Adam(), epochs=3, batch_size=8)
    model.save(tmp_path / "folder" / "xor.safetensors", notes={"why": "a test"})
    assert os.listdir(tmp_path / "folder") == ["xor.safetensors"]
    other = xor.Model.load(tmp_path / "folder" / "xor.safetensors")
    assert np.array_equal(other.theta, model.theta) and other.hyper.reg == 0.25
    for it in (model, other):
        it.fit(DATA, Adam(), epochs=2, batch_size=8)
    assert np.array_equal(other.theta, model.theta)
    from gradwright.runtime.checkpoints import read_notes
    assert read_notes(tmp_path / "folder" / "xor.safetensors") == {"why": "a test"}


def test_other_programs_read_it_and_are_read(xor: ModuleType, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file
    model = xor.Model(seed=1)
    model.save(tmp_path / "a.safetensors")
    tensors = load_file(tmp_path / "a.safetensors")
    assert set(tensors) == {"W1", "b1", "W2", "b2"} and np.array_equal(tensors["W1"], model.params.W1)
    save_file({name: array.astype(np.float32) for name, array in tensors.items()}, tmp_path / "b.safetensors")
    assert np.array_equal(xor.Model.load(tmp_path / "b.safetensors").theta, model.theta.astype(np.float32))


@pytest.mark.parametrize("schedule", [lambda: 0.01, lambda: Cosine(0.01, warmup=1), lambda: ReduceOnPlateau(0.5, patience=0)])
def test_a_resumed_run_ends_in_the_same_bits(xor: ModuleType, tmp_path: Path, schedule: Any) -> None:
    path = tmp_path / "run.safetensors"

    def options() -> dict[str, Any]:
        return dict(optimizer=Adam(lr=schedule()), epochs=9, batch_size=6, seed=4, validation={"x": X, "y": Y})

    whole = xor.Model(seed=1)
    history = whole.fit(DATA, **options())

    def stop(info: Any) -> bool:
        return info.epoch == 4

    first = xor.Model(seed=1)
    first.fit(DATA, callbacks=[Checkpoint(path), stop], **options())
    second = xor.Model(seed=77)
    resumed = second.fit(DATA, resume=path, **options())
    assert np.array_equal(whole.theta, second.theta)
    assert resumed.columns == history.columns and resumed.steps == history.steps


def test_checkpoints_of_the_best_epoch(xor: ModuleType, tmp_path: Path) -> None:
    model, seen = xor.Model(seed=1), []
    held = {"x": X, "y": 1 - Y}
    keep = Checkpoint(tmp_path / "best.safetensors", best=True)
    history = model.fit(DATA, Adam(0.05), epochs=30, validation=held,
                        callbacks=[keep, lambda info: seen.append(info.model.theta.copy())])
    best = xor.Model.load(tmp_path / "best.safetensors")
    assert np.array_equal(best.theta, seen[int(np.argmin(history.val_loss))])


def test_another_models_checkpoint_says_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    handmade_net.Model().save(path)
    with pytest.raises(CheckpointError) as caught:
        handmade.Model.load(path)
    text = str(caught.value)
    assert "this checkpoint of net does not fit xor: W1 is missing; b1 is missing" in text and "if is not in the model" in text
    from safetensors.numpy import save_file
    save_file({"W1": np.ones((2, 9)), "b1": np.ones(8)}, path)
    with pytest.raises(CheckpointError, match=r"W1 is \(2, 9\) and should be \(2, 8\)"):
        handmade.Model.load(path)
    model = handmade.Model.load(path, strict=False)
    assert model.params.b1.sum() == 8 and np.array_equal(model.params.W1, handmade.Model().params.W1)


def test_what_is_damaged_is_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "xor.safetensors"
    model = handmade.Model(seed=1)
    model.fit(DATA, Adam(), epochs=1)
    model.save(path)
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    broken = [b"", b"\0" * 100, data[:-1], data[:len(data) // 2], data + b"\0"]
    for place in rng.integers(len(data) // 2, len(data), 20):
        broken.append(data[:place] + bytes([data[place] ^ 1]) + data[place + 1:])
    target = handmade.Model(seed=2)
    before = target.theta.copy()
    for bad in broken:
        path.write_bytes(bad)
        with pytest.raises(CheckpointError, match=r"xor\.safetensors: "):
            target.fit(DATA, Adam(), resume=path)
        assert np.array_equal(target.theta, before)
    with pytest.raises(CheckpointError, match="there is no such checkpoint"):
        handmade.Model.load(tmp_path / "none")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "xor.safetensors"
    handmade.Model(seed=1).save(path)
    data = path.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        handmade.Model(seed=2).save(path)
    assert path.read_bytes() == data and os.listdir(tmp_path) == ["xor.safetensors"]


def test_models_are_pickled_and_copied(xor: ModuleType) -> None:
    model = xor.Model(seed=1)
    model.hyper.reg = 0.125
    model.fit(DATA, Adam(), epochs=2, batch_size=8)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert np.array_equal(other.theta, model.theta) and other.hyper.reg == 0.125
        twin = copy.deepcopy(model)
        assert other.fit(DATA, Adam(), epochs=1).loss == twin.fit(DATA, Adam(), epochs=1).loss
        assert np.array_equal(other.theta, twin.theta)


def test_killed_while_saving_there_is_always_a_whole_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "xor.safetensors"
    code = f"""
import sys
sys.path.insert(0, {str(shared_object().parent)!r})
import handmade_c, numpy as np
from gradwright.runtime import Checkpoint
print("ready", flush=True)
x = np.zeros((4, 2)); y = np.zeros((4, 1))
handmade_c.Model(seed=1).fit(dict(x=x, y=y), 'adam', epochs=10**6, callbacks=Checkpoint({str(path)!r}))
"""
    rng = np.random.default_rng(0)
    for _ in range(4):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            while not path.exists():
                pass
            try:
                child.wait(float(rng.uniform(0, 0.05)))
            except subprocess.TimeoutExpired:
                child.kill()
        handmade.Model.load(path)
    handmade.Model().save(path)
    assert os.listdir(tmp_path) == ["xor.safetensors"]


def test_numbers_beyond_the_models_type_are_not_loaded(tmp_path: Path) -> None:
    text = "size N\ninput x[N]\nparam w = 1\nparam v = 2\nminimize mse(w * x + v, x)\n"
    wide, narrow = (load(text, backend="numpy", dtype=real, name="wide") for real in ("float64", "float32"))
    wide.Model(params={"w": 1e300, "v": 3.0}).save(tmp_path / "w.safetensors")
    with pytest.raises(CheckpointError, match=r"does not fit wide: w is 1e\+300, which is beyond float32\. strict=False loads"):
        narrow.Model.load(tmp_path / "w.safetensors")
    assert narrow.Model.load(tmp_path / "w.safetensors", strict=False).theta.tolist() == [1.0, 3.0]
