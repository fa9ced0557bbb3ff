"""Training in bad company: killed at any moment, full disks, folders that may not be written to, Ctrl-C everywhere."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from gradwright.runtime import (
    Adam,
    Checkpoint,
    CheckpointError,
    CheckpointWriteError,
    Cosine,
    EarlyStopping,
    Every,
    GradwrightError,
    Info,
    ReduceOnPlateau,
)
from gradwright.runtime.checkpoints import restore
from support import handmade
from support.build_handmade import backends, shared_object

pytest.importorskip("safetensors")
xor = backends()

RNG = np.random.default_rng(7)
DATA = {"x": RNG.standard_normal((64, 2)), "y": (RNG.random((64, 1)) < 0.5).astype(float)}
HELD = {"x": RNG.standard_normal((16, 2)), "y": (RNG.random((16, 1)) < 0.5).astype(float)}


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


# ---- killed

RUN = """
import sys
sys.path.insert(0, {folder!r})
import handmade_c, numpy as np, os
import gradwright.runtime.training      # before it is ready
from gradwright.runtime import Adam, Checkpoint, EarlyStopping, ReduceOnPlateau
path, epochs = sys.argv[1], int(sys.argv[2])
rng = np.random.default_rng(7)
data = {{"x": rng.standard_normal((64, 2)), "y": (rng.random((64, 1)) < 0.5).astype(float)}}
held = {{"x": rng.standard_normal((16, 2)), "y": (rng.random((16, 1)) < 0.5).astype(float)}}
model = handmade_c.Model(seed=1)
print("ready", flush=True)
history = model.fit(data, Adam(lr=ReduceOnPlateau(0.01, 0.9, patience=3)), epochs=epochs, batch_size=8, seed=5, validation=held,
                    callbacks=[Checkpoint(path, every=2), EarlyStopping(patience=10**6)],
                    resume=path if os.path.exists(path) else None)
print(history.epochs, model.theta.tobytes().hex(), *history.val_loss[-5:], *history.lr[-5:])
"""


def killed_at_random(count: int, epochs: int, tmp_path: Path, seed: int) -> None:
    program = RUN.format(folder=str(shared_object().parent))

    def begin(path: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", program, str(path), str(epochs)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    folder = tmp_path / "run"
    whole, path = begin(tmp_path / "whole.safetensors"), folder / "net.safetensors"
    assert whole.stdout is not None
    ready, since = whole.stdout.readline(), time.monotonic()
    answer = ready + whole.communicate(timeout=120)[0]
    assert whole.returncode == 0
    longest = max(0.1, (time.monotonic() - since) / count)      # on a busy machine it takes longer to come to a checkpoint
    rng, reached = random.Random(seed), 0
    for k in range(count):
        child = begin(path)
        assert child.stdout is not None
        if k % 5:       # else also while it starts
            child.stdout.readline()
        try:
            child.wait(rng.uniform(0, longest))
        except subprocess.TimeoutExpired:
            child.kill()
        child.communicate()
        if path.exists():
            found = restore(handmade.Model(seed=2), path).history       # whole, or this is an error
            assert found is not None and found.epochs >= reached and found.epochs % 2 == 0
            reached = found.epochs
        names = os.listdir(folder) if folder.exists() else []
        assert len([name for name in names if name.endswith(".part")]) <= 1, names
        assert set(names) - {"net.safetensors"} == {name for name in names if name.startswith(".net.safetensors.")}
    assert reached > 0
    last = begin(path)
    assert last.communicate(timeout=120)[0] == answer and last.returncode == 0
    assert os.listdir(folder) == ["net.safetensors"]


def test_killed_at_a_few_moments_a_run_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    killed_at_random(4, 150, tmp_path, 1)


@pytest.mark.slow
def test_killed_at_fifty_moments_a_run_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    killed_at_random(50, 2000, tmp_path, 2)


def test_what_killed_processes_left_aside_is_removed_and_nothing_else(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    mine, theirs = tmp_path / f".a.safetensors.{os.getpid()}.x.part", tmp_path / ".a.safetensors.1.y.part"
    for part in (mine, theirs, tmp_path / f".a.safetensors.{gone.pid}.z.part", tmp_path / ".b.safetensors.1.y.part"):
        part.write_bytes(b"half")
    handmade.Model().save(tmp_path / "a.safetensors")
    # a process of this number that is not this one lives; ours has nothing aside, so that it was another with the same number
    assert sorted(os.listdir(tmp_path)) == [theirs.name, ".b.safetensors.1.y.part", "a.safetensors"]
    os.utime(theirs, (0, 0))
    handmade.Model().save(tmp_path / "a.safetensors")
    assert sorted(os.listdir(tmp_path)) == [".b.safetensors.1.y.part", "a.safetensors"]


# ---- no room, no permission


def disk_is_full(model: Any, path: Path, full: Callable[[], None], room: Callable[[], None]) -> None:
    """A run whose disk is full from its fourth epoch on, and what can be done then."""

    def fill(info: Info) -> None:
        if info.epoch == 3:
            full()

    options: dict[str, Any] = dict(optimizer=Adam(lr=ReduceOnPlateau(0.01, patience=0)), batch_size=8, seed=3, validation=HELD)
    whole = type(model)(seed=1)
    expected = whole.fit(DATA, epochs=8, callbacks=EarlyStopping(100), **options)
    early = EarlyStopping(100)
    try:
        with pytest.raises(CheckpointWriteError) as caught:
            model.fit(DATA, epochs=8, callbacks=[Checkpoint(path), fill, early], **options)
    finally:
        room()
    error: Any = caught.value
    assert str(path) in str(error) and isinstance(error, OSError) and isinstance(error, GradwrightError)
    assert error.history.epochs == 4 and error.history.loss.tolist() == expected.loss[:4].tolist()
    assert os.listdir(path.parent) == [path.name]
    assert type(model).load(path).optimizer_state.epoch == 3       # the checkpoint before is whole
    again = type(model)(seed=1)
    again.fit(DATA, epochs=4, callbacks=EarlyStopping(100, restore_best=False), **options)
    assert np.array_equal(model.theta, again.theta)                 # the last whole epoch is in memory
    model.save(path)                                                # nor is anything of the run lost, once there is room
    more = again.fit(DATA, epochs=8, resume=path, callbacks=EarlyStopping(100), **options)
    assert np.array_equal(again.theta, whole.theta) and more.columns == expected.columns


def test_a_full_disk_ends_a_run_and_loses_nothing(xor: ModuleType, tmp_path: Path) -> None:
    """A limit for files does what a full disk does, and needs no root."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def limit(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    try:
        disk_is_full(xor.Model(seed=1), tmp_path / "a" / "net.safetensors", lambda: limit(700), lambda: limit(before[0]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="mounting needs root")
def test_a_small_file_system_that_fills_while_training(xor: ModuleType, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no tmpfs can be mounted here")
    stuff = small / "stuff"

    def full() -> None:
        with pytest.raises(OSError, match="space"), open(stuff, "wb", buffering=0) as file:
            while True:
                file.write(bytes(1024))

    try:
        (small / "a").mkdir()
        disk_is_full(xor.Model(seed=1), small / "a" / "net.safetensors", full, lambda: stuff.unlink(missing_ok=True))
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_where_nothing_can_be_written_a_run_does_not_begin(xor: ModuleType, tmp_path: Path) -> None:
    model = xor.Model(seed=1)
    theta = model.theta.copy()
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.safetensors").mkdir()
    for path in (tmp_path / "file" / "net.safetensors", tmp_path / "folder.safetensors"):
        with pytest.raises(CheckpointWriteError, match=str(path)):
            model.fit(DATA, "adam", callbacks=Checkpoint(path))
        with pytest.raises(CheckpointWriteError, match=str(path)):
            model.save(path)
        with pytest.raises(CheckpointError, match=str(path)):
            xor.Model.load(path)
    assert np.array_equal(model.theta, theta) and sorted(os.listdir(tmp_path)) == ["file", "folder.safetensors"]


def test_a_read_only_folder(xor: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "shut"
    folder.mkdir()
    path = folder / "net.safetensors"
    xor.Model(seed=1).save(path)
    data, model = path.read_bytes(), xor.Model(seed=2)
    above = {parent: parent.stat().st_mode for parent in (tmp_path, *tmp_path.parents)}
    above = {parent: mode for parent, mode in above.items() if mode & 0o005 != 0o005}     # which pytest shuts to others
    for parent in above:
        parent.chmod(0o755)
    folder.chmod(0o555)
    root = os.geteuid() == 0
    try:
        if root:        # whom no mode stops
            os.seteuid(65534)
        with pytest.raises(CheckpointWriteError, match=f"{path}: .*[Pp]ermission"):
            model.fit(DATA, "adam", callbacks=Checkpoint(path))
        with pytest.raises(CheckpointWriteError, match=f"{path}: .*[Pp]ermission"):
            model.save(path)
        xor.Model.load(path)
    finally:
        if root:
            os.seteuid(0)
        for parent, mode in {folder: 0o755, **above}.items():
            parent.chmod(mode)
    assert path.read_bytes() == data and os.listdir(folder) == ["net.safetensors"]


# ---- damaged


def test_no_damage_goes_unseen(tmp_path: Path) -> None:
    path = tmp_path / "xor.safetensors"
    model = handmade.Model(seed=1)
    model.fit(DATA, Adam(lr=ReduceOnPlateau(0.01)), epochs=3, batch_size=8, validation=HELD,
              callbacks=[EarlyStopping(5), Checkpoint(path)])
    data, target = path.read_bytes(), handmade.Model(seed=2)
    before = target.theta.copy()
    rng = np.random.default_rng(1)
    header = 8 + int.from_bytes(data[:8], "little")
    places = [*range(8), *rng.choice(np.arange(8, header), 800, replace=False).tolist(),      # of the names and metadata
              *rng.integers(header, len(data), 60).tolist(), *range(data.index(b"gradwright"), data.index(b"gradwright") + 60)]
    flipped = [data[:at] + bytes([data[at] ^ 1 << int(bit)]) + data[at + 1:]
               for at, bit in zip(places, rng.integers(0, 8, len(places)), strict=True)]
    cut = [data[:length] for length in range(0, len(data), 61)]
    garbage = [rng.bytes(int(n)) for n in (1, 7, 8, 9, 100, 5000)] + [len(data).to_bytes(8, "little") + rng.bytes(100)]
    for k, bad in enumerate([*flipped, *cut, *garbage]):
        path.write_bytes(bad)
        try:
            restore(target, path)
        except CheckpointError as error:
            assert str(error).startswith(f"{path}: ")
        else:
            raise AssertionError(f"{k}: {bad[max(k - 20, 0):k + 20]!r}")
        assert np.array_equal(target.theta, before) and target.optimizer_state is None
    path.write_bytes(data)
    target.fit(DATA, Adam(), epochs=0, resume=path)
    assert np.array_equal(target.optimizer_state.arrays["m"], model.optimizer_state.arrays["m"])


def test_strict_false_loads_what_fits_of_a_run_of_another_model(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    path = tmp_path / "other.safetensors"
    model = handmade.Model(seed=1)
    model.fit(DATA, Adam(), epochs=2, callbacks=[EarlyStopping(5), Checkpoint(path)])
    tensors = load_file(path)
    tensors["W1"] = np.ones((3, 8))
    save_file(tensors, path)
    with pytest.raises(CheckpointError, match=r"does not fit xor: W1 is \(3, 8\) and should be \(2, 8\)"):
        handmade.Model.load(path)
    fitting = handmade.Model.load(path, strict=False)
    assert np.array_equal(fitting.params.W2, tensors["W2"]) and np.array_equal(fitting.params.W1, handmade.Model().params.W1)
    assert fitting.optimizer_state is None


def test_what_is_loaded_and_saved_again_is_the_same_file(xor: ModuleType, tmp_path: Path) -> None:
    path, again = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    xor.Model(seed=1).fit(DATA, Adam(lr=ReduceOnPlateau(0.01)), epochs=4, validation=HELD,
                          callbacks=[EarlyStopping(5), Checkpoint(path), EarlyStopping(7, mode="max")])  # fmt: skip
    xor.Model.load(path).save(again)
    assert again.read_bytes() == path.read_bytes()


# ---- what callbacks remember


class Mine:
    """A user's callback that remembers numbers and arrays."""

    def __init__(self) -> None:
        self.seen: list[float] = []
        self.mean = np.zeros(33)

    def __call__(self, info: Info) -> bool:
        self.seen.append(info.loss)
        self.mean += info.model.theta / np.float32(3)
        return len(self.seen) >= 9

    @property
    def stopped(self) -> str | None:
        return "Mine" if len(self.seen) >= 9 else None

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen, "mean": self.mean, "count": np.int64(len(self.seen))}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        assert state["count"] == len(state["seen"])
        self.seen, self.mean = list(state["seen"]), state["mean"].copy()


@pytest.mark.parametrize("stopped_at", [0, 3, 6, 8])
def test_callbacks_know_again_what_they_knew(xor: ModuleType, tmp_path: Path, stopped_at: int) -> None:
    path = tmp_path / "run.safetensors"
    model = xor.Model(seed=1)
    size = model.theta.size

    def listeners() -> list[Any]:
        mine = Mine()
        mine.mean = np.zeros(size)
        return [Checkpoint(path), EarlyStopping(3, threshold=1e-3), Checkpoint(tmp_path / "best", best=True), mine,
                EarlyStopping(100, mode="max", restore_best=False)]

    def fit(model: Any, listeners: list[Any], **more: Any) -> Any:
        schedule = ReduceOnPlateau(0.3, 0.5, patience=0)
        return model.fit(DATA, Adam(lr=schedule), epochs=20, batch_size=16, seed=4, validation=HELD, callbacks=listeners, **more)

    whole = listeners()
    history = fit(model, whole)
    best = xor.Model.load(tmp_path / "best").theta
    path.unlink()

    def stop(info: Info) -> bool:
        return info.epoch == stopped_at

    fit(xor.Model(seed=1), [*listeners(), stop])
    (tmp_path / "best").unlink()
    second, again = xor.Model(seed=9), listeners()
    resumed = fit(second, again, resume=path)
    assert np.array_equal(second.theta, model.theta)
    assert resumed.columns == history.columns and resumed.stopped == history.stopped is not None
    assert again[3].seen == whole[3].seen and np.array_equal(again[3].mean, whole[3].mean)
    assert [vars(c)["best"] for c in (again[1], again[4])] == [vars(c)["best"] for c in (whole[1], whole[4])]
    if (tmp_path / "best").exists():        # a better one came after the resumption
        assert np.array_equal(xor.Model.load(tmp_path / "best").theta, best)


def test_a_run_that_was_stopped_early_stays_so(xor: ModuleType, tmp_path: Path) -> None:
    path, model = tmp_path / "run.safetensors", xor.Model(seed=1)

    def fit(model: Any, patience: int, **more: Any) -> Any:
        return model.fit(DATA, Adam(0.3), epochs=60, batch_size=16, seed=4, validation=HELD,
                         callbacks=[EarlyStopping(patience), Checkpoint(path, every=50)], **more)

    history = fit(model, 2)
    assert history.stopped and history.epochs < 50 and path.exists()      # the last epoch of a run is saved, whichever it is
    other = xor.Model(seed=2)
    again = fit(other, 2, resume=path)
    assert again.columns == history.columns and again.stopped == history.stopped
    assert np.array_equal(other.theta, model.theta)
    assert fit(other, 4, resume=path).epochs > history.epochs             # with more patience it goes on


def test_a_state_that_is_no_json_says_whose(tmp_path: Path) -> None:
    class Bad:
        def __call__(self, info: Info) -> None: ...

        def state_dict(self) -> dict[str, Any]:
            return {"x": object()}

    with pytest.raises(CheckpointError, match="net: not saved: .*state_dict"):
        handmade.Model().fit(DATA, "adam", callbacks=[Bad(), Checkpoint(tmp_path / "net")])
    with pytest.raises(CheckpointError, match="net: not saved: notes"):
        handmade.Model().save(tmp_path / "net", notes={"x": {1}})
    assert os.listdir(tmp_path) == []


# ---- Ctrl-C


def generator(after: int, act: Callable[[], None]) -> Callable[[], Iterator[dict[str, Any]]]:
    """Batches, of which one acts when it is made."""
    made = 0

    def batches() -> Iterator[dict[str, Any]]:
        nonlocal made
        for start in range(0, 64, 8):
            if made == after:
                act()
            made += 1
            yield {name: array[start:start + 8] for name, array in DATA.items()}

    return batches


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("kind", ["arrays", "one call", "stream", "slow stream", "piles", "rows"])
def test_after_ctrl_c_a_run_goes_on_within_the_epoch(xor: ModuleType, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "run.safetensors"
    options: dict[str, Any] = dict(epochs=6, seed=5, progress=False)
    data: Any = DATA
    if kind in ("arrays", "one call", "rows"):
        options["batch_size"] = 8
    if kind in ("piles", "rows"):
        options["accumulate"] = 3
    if kind != "one call":
        options["validation"] = HELD

    def act() -> None:
        time.sleep(0.05)
        ctrl_c()
        time.sleep(0.05)

    def optimizer() -> Any:
        return Adam(lr=Cosine(0.05, warmup=1))

    def plain() -> Any:
        return generator(-1, act) if kind in ("stream", "slow stream", "piles") else data

    whole = xor.Model(seed=1)
    expected = whole.fit(plain(), optimizer(), **options)
    model, before = xor.Model(seed=1), threading.active_count()
    keep: list[Any] = [] if kind == "one call" else [Checkpoint(path, every=100)]
    if kind in ("stream", "slow stream", "piles"):
        history = model.fit(generator(21, act), optimizer(), callbacks=keep, ahead=0 if kind == "stream" else 2, **options)
    else:
        steps = 0
        trainer = __import__("gradwright.runtime.trainer", fromlist=["x"])._Trainer
        train = trainer.run

        def run(self: Any, *args: Any, **more: Any) -> None:
            nonlocal steps
            steps += 1
            inner = self.train

            def broken(*arguments: Any) -> int:     # stops in the middle of the second epoch
                ctrl_c()
                return int(inner(*arguments))

            self.train = broken if steps == 2 or kind == "one call" else inner
            try:
                train(self, *args, **more)
            finally:
                self.train = inner

        trainer.run = run
        try:
            history = model.fit(data, optimizer(), callbacks=keep, **options)
        finally:
            trainer.run = train
    assert history.interrupted and history.epochs < 6 and history.steps < expected.steps
    assert {len(column) for column in history.columns.values()} == {history.epochs}
    assert history.loss.tolist() == expected.loss[:history.epochs].tolist()
    assert model.optimizer_state.step == history.steps
    for _ in range(100):
        if threading.active_count() > before:
            time.sleep(0.02)
    assert threading.active_count() == before
    if kind == "one call":
        model.save(path)
    again = xor.Model(seed=3)
    resumed = again.fit(plain(), optimizer(), resume=path, **options)
    assert np.array_equal(again.theta, whole.theta)
    assert resumed.columns == expected.columns and resumed.steps == expected.steps
    assert again.optimizer_state.step == whole.optimizer_state.step
    assert again.optimizer_state.epoch == whole.optimizer_state.epoch
    assert again.optimizer_state.rng.bit_generator.state == whole.optimizer_state.rng.bit_generator.state


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("streamed", [False, True])
def test_ctrl_c_while_validating(xor: ModuleType, tmp_path: Path, streamed: bool) -> None:
    path = tmp_path / "run.safetensors"
    calls = 0

    def metric(out: Any, data: Any) -> float:
        nonlocal calls
        calls += 1
        if calls == 3:
            ctrl_c()
        return float(np.mean(out.p))

    def fit(model: Any, **more: Any) -> Any:
        options: dict[str, Any] = {} if streamed else {"batch_size": 8}
        data: Any = generator(-1, ctrl_c) if streamed else DATA
        return model.fit(data, Adam(lr=ReduceOnPlateau(0.05, patience=0)), epochs=6, seed=5, validation=HELD,
                         metrics={"mean": metric}, progress=False, **options, **more)

    model, before = xor.Model(seed=1), threading.active_count()
    history = fit(model, callbacks=[EarlyStopping(50), Checkpoint(path, every=100)])
    assert history.interrupted and history.epochs == 2 and history.steps == 24
    assert {name: len(column) for name, column in history.columns.items()} == {"loss": 2, "lr": 2, "val_loss": 2, "mean": 2}
    assert model.optimizer_state.step == 24 and threading.active_count() == before
    three = xor.Model(seed=1)
    expected = fit(three, callbacks=EarlyStopping(50))
    again = xor.Model(seed=4)
    resumed = fit(again, resume=path, callbacks=EarlyStopping(50))
    assert np.array_equal(again.theta, three.theta) and resumed.columns == expected.columns
    assert again.optimizer_state.rng.bit_generator.state == three.optimizer_state.rng.bit_generator.state
    assert again.optimizer_state.epoch == three.optimizer_state.epoch == 6


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_at_random_moments_keeps_everything_of_one_step(xor: ModuleType, tmp_path: Path) -> None:
    """Wherever it comes: the columns are of one length, and a run that goes on ends in the same bits."""
    path, rng = tmp_path / "run.safetensors", random.Random(3)

    def fit(model: Any, **more: Any) -> Any:
        return model.fit(DATA, Adam(lr=ReduceOnPlateau(0.01, 0.9, patience=1)), epochs=300, batch_size=4, seed=5, validation=HELD,
                         callbacks=[EarlyStopping(10**6), Checkpoint(path, every=10**6)], **more)

    whole = xor.Model(seed=1)
    started = time.perf_counter()
    expected = fit(whole)
    seconds = time.perf_counter() - started
    path.unlink()
    model, again, cuts = xor.Model(seed=1), False, 0
    while True:
        timer = threading.Timer(rng.uniform(0.02, 0.3 * seconds), ctrl_c)
        timer.start()
        try:
            history = fit(model, **({"resume": path} if again else {}))
        except KeyboardInterrupt:       # before the run began, or after it ended
            continue
        finally:
            timer.cancel()
            timer.join()
        assert {len(column) for column in history.columns.values()} == {history.epochs}
        assert model.optimizer_state.step == history.steps
        if not history.interrupted:
            break
        again, cuts = True, cuts + 1
        model = xor.Model(seed=cuts)
    assert cuts and history.columns == expected.columns and np.array_equal(model.theta, whole.theta)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_in_a_callback(tmp_path: Path) -> None:
    """The epoch is whole, those that remember have heard of it, and a second Ctrl-C breaks through one that does not return."""
    path, early = tmp_path / "run.safetensors", EarlyStopping(50)

    def act(info: Info) -> None:
        if info.epoch == 2:
            ctrl_c()
            time.sleep(1)

    history = handmade.Model().fit(DATA, "adam", epochs=9, callbacks=[act, early, Checkpoint(path)])
    assert history.interrupted and history.epochs == 3
    other = EarlyStopping(50)
    handmade.Model().fit(DATA, "adam", epochs=3, resume=path, callbacks=other)
    assert other.state_dict()["since"] == early.state_dict()["since"] and other.best == early.best

    class Hangs:
        def __call__(self, info: Info) -> None:
            for _ in range(3):
                ctrl_c()
                time.sleep(0.01)
            raise AssertionError("was not interrupted")

        def load_state_dict(self, state: Any) -> None: ...

    assert handmade.Model().fit(DATA, "adam", epochs=9, callbacks=Hangs()).interrupted
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_in_a_fit_within_a_callback_is_that_ones(tmp_path: Path) -> None:
    inner: list[Any] = []

    class Within:
        def __call__(self, info: Info) -> bool:
            stop: Any = Every(4, lambda _: ctrl_c())
            inner.append(handmade.Model().fit(DATA, "adam", epochs=9, callbacks=stop, progress=False))
            return bool(inner[-1].interrupted)

        def load_state_dict(self, state: Any) -> None: ...

    outer = handmade.Model().fit(DATA, "adam", epochs=5, callbacks=Within(), progress=False)
    assert [h.epochs for h in inner] == [4] and outer.stopped == "Within" and not outer.interrupted
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_update_in_numpy_that_fails_leaves_the_step_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one does under np.seterr(all="raise"), here in the last group of the third step."""
    rule = Adam(lr=1e-2, groups={"b2": {"lr": 1e-3}})
    model, good, module = handmade.Model(seed=1), handmade.Model(seed=1), handmade.Model.engine.module
    number = [u["name"] for u in module["_SPEC"]["updates"]].index("adam")

    def fails(w: Any, g: Any, states: Any, hypers: Any, t: float) -> None:
        update(w, g, states, hypers, t)
        if t == 3 and w.size == 1:
            raise FloatingPointError("overflow encountered in multiply")

    updates = list(module["_UPDATES"])
    update, updates[number] = updates[number], fails
    with monkeypatch.context() as patch, pytest.raises(FloatingPointError) as caught:
        patch.setitem(module, "_UPDATES", updates)
        model.fit(DATA, rule, epochs=9, batch_size=32, seed=1, progress=False)
    assert caught.value.history.steps == 2 == model.optimizer_state.step      # type: ignore[attr-defined]
    good.fit(DATA, rule, epochs=1, batch_size=32, seed=1, progress=False)
    assert np.array_equal(model.theta, good.theta)
    assert all(np.array_equal(array, good.optimizer_state.arrays[name]) for name, array in model.optimizer_state.arrays.items())


def test_the_error_of_a_stream_carries_the_history(xor: ModuleType) -> None:
    def broken() -> None:
        raise OSError("the disk is gone")

    model, whole = xor.Model(seed=1), xor.Model(seed=1)
    with pytest.raises(OSError, match="the disk is gone") as caught:
        model.fit(generator(19, broken), Adam(), epochs=5, progress=False)
    history = caught.value.history      # type: ignore[attr-defined]
    assert history.epochs == 2 and history.steps == 19 == model.optimizer_state.step
    whole.fit(generator(-1, broken), Adam(), epochs=2, progress=False)
    assert history.loss.shape == (2,)


# ---- the command


MODEL = """size N, H = 8
input x[N, 2], y[N, 1]
param W[2, H] ~ glorot_uniform
param V[H, 1] ~ glorot_uniform
output p = sigmoid(tanh(x @ W) @ V)
minimize mean(binary_cross_entropy(p, y))
"""


def command_killed(count: int, epochs: int, folder: Path, seed: int) -> None:
    (folder / "net.gw").write_text(MODEL)
    np.savez(folder / "data.npz", **DATA)
    environment = dict(os.environ, GRADWRIGHT_CACHE=str(folder / "cache"))
    start = [sys.executable, "-m", "gradwright.compiler", "train", "net.gw", "--data", "data.npz", "--batch-size", "8",
             "--epochs", str(epochs), "--validation", "0.25", "--lr", "0.01", "--seed", "3", "-q", "--backend", "numpy"]

    def begin(name: str) -> subprocess.Popen[bytes]:
        command = [*start, "--checkpoint", f"{name}/net.safetensors", "--every", "2", "--resume"]
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    for name in ("first", "whole"):     # the first fills the cache
        began = time.monotonic()
        assert begin(name).wait(120) == 0
    whole, rng, path, seen = time.monotonic() - began, random.Random(seed), folder / "run" / "net.safetensors", 0
    for _ in range(count):
        child = begin("run")
        try:
            child.wait(rng.uniform(0, whole))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if path.exists():
            found = restore_any(path)
            assert found >= seen
            seen = found
    assert begin("run").wait(120) == 0 and restore_any(path) == epochs
    from safetensors.numpy import load_file
    a, b = load_file(path), load_file(folder / "whole" / "net.safetensors")
    assert a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)
    assert os.listdir(path.parent) == ["net.safetensors"]


def restore_any(path: Path) -> int:
    """The epochs in a checkpoint, which is whole."""
    from gradwright.runtime.checkpoints import _read
    return len(_read(path)[1]["history"]["columns"]["loss"])


def test_the_command_is_killed_at_a_few_moments_and_goes_on(tmp_path: Path) -> None:
    command_killed(3, 60, tmp_path, 1)


@pytest.mark.slow
def test_the_command_is_killed_at_fifty_moments_and_goes_on(tmp_path: Path) -> None:
    command_killed(50, 600, tmp_path, 2)


def test_ctrl_c_ends_the_command_and_it_goes_on(tmp_path: Path) -> None:
    (tmp_path / "net.gw").write_text(MODEL)
    np.savez(tmp_path / "data.npz", **DATA)
    environment = dict(os.environ, GRADWRIGHT_CACHE=str(tmp_path / "cache"))
    start = ["import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "     # also below a runner without it
             "import gradwright.compiler.cli as cli; cli.main(prog_name='gradwright')", "train", "net.gw", "--data", "data.npz",
             "--batch-size", "4", "--seed", "3", "--backend", "numpy", "--resume", "--epochs"]

    def begin(name: str, epochs: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", *start, str(epochs), "--checkpoint", f"{name}.safetensors"]
        return subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    began = time.monotonic()
    assert begin("other", 1).wait(120) == 0
    seconds = time.monotonic() - began
    child, path = begin("run", 10**6), tmp_path / "run.safetensors"
    while child.poll() is None:         # not before the training has begun
        time.sleep(1.2 * seconds)
        child.send_signal(signal.SIGINT)
        if child.wait(30) == 130:
            break
    err = child.communicate()[1]
    if not path.exists():
        pytest.skip("Ctrl-C came before the first step")
    assert child.returncode == 130 and "what was learnt up to there is kept" in err and "Traceback" not in err, err
    epochs = restore_any(path) + 3
    assert begin("run", epochs).wait(120) == 0 and begin("whole", epochs).wait(120) == 0
    from safetensors.numpy import load_file
    a, b = load_file(path), load_file(tmp_path / "whole.safetensors")
    assert a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_the_command_says_before_training_that_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner
    from gradwright.compiler import cli

    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.gw").write_text(MODEL)
    np.savez(tmp_path / "data.npz", **DATA)
    (tmp_path / "file").write_text("")
    began = time.monotonic()
    found = CliRunner().invoke(cli.main, ["train", "net.gw", "--data", "data.npz", "--backend", "numpy", "--epochs", "1000000",
                                          "--checkpoint", "file/net.safetensors"])
    assert found.exit_code == 2 and "file/net.safetensors: the checkpoint cannot be written: " in found.stderr, found.stderr
    assert time.monotonic() - began < 30 and "Traceback" not in found.stderr
