"""Checkpoints: a model's parameters, and all that its training needs to go on, in one safetensors file.

    model.save("xor.safetensors");  model = xor.Model.load("xor.safetensors")
    model.fit(data, ..., callbacks=Checkpoint("xor.safetensors", every=10));  model.fit(data, ..., resume="xor.safetensors")

The tensors are the parameters and states by name, the optimiser's as `optimizer:m:W1`, and arrays that callbacks remember as
`callback:EarlyStopping:theta`; any tool that reads safetensors reads them. The rest is JSON in the metadata.

A file is written aside, as `.NAME.PROCESS.*.part` beside its target, and renamed, so that there is never half of one. What a
process that was killed left aside is removed by the next save to the same file. Nothing is locked. The content is verified by
hash before anything of it is used.
"""
from __future__ import annotations

import glob
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from .arguments import _real
from .engine import _lined
from .errors import ArgumentError, CheckpointError, CheckpointWriteError, MissingError, RangeError
from .history import History, State

if TYPE_CHECKING:
    from .callbacks import Info
    from .model import Model

Array = np.ndarray[Any, np.dtype[Any]]
AnyModel = TypeVar("AnyModel", bound="Model")

_FORMAT = 1
_STALE = 3600.0         # seconds after which what lies aside is nobody's, whoever has its process number now
_writing: set[str] = set()      # what this process writes aside


class Run(NamedTuple):
    """What a checkpoint knows of the run that wrote it."""

    history: History | None
    schedule: dict[str, Any]
    callbacks: dict[str, dict[str, Any]]


def _library() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise MissingError(f"checkpoints need safetensors: pip install 'gradwright[checkpoints]' ({error})") from error
    return safetensors


def _digest(tensors: Mapping[str, Array], about: Mapping[str, Any]) -> str:
    """The hash of all that is in the file; `about` as JSON gives it back."""
    rest = {key: value for key, value in about.items() if key != "digest"}
    digest = hashlib.sha256(json.dumps(rest, sort_keys=True).encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def save(model: Model, path: str | os.PathLike[str], *, notes: Mapping[str, Any] | None = None) -> None:
    """Write the model's parameters and hyper-parameters, its optimiser's state, and the history of its last fit with what its
    callbacks remember. `notes` is anything of one's own that JSON can hold; `read_notes` gives it back.

    A CheckpointWriteError (an OSError, too) says that the file could not be written; what was there before is then untouched."""
    library, engine = _library(), model.engine
    history, schedule, *more = model._run
    with model._lock:
        tensors = {name: view.copy() for name, view in engine.views(model._theta, model._frozen).items()}
        tensors |= {name: view.copy() for name, view in engine.state_views(model._state).items()}
        state = model.optimizer_state
        about: dict[str, Any] = {
            "format": _FORMAT, "model": engine.name, "hash": engine.spec["hash"], "dtype": engine.spec["dtype"],
            "hypers": {name: model.hyper[name] for name in engine.hypers}, "notes": dict(notes or {}),
            "classes": {name: list(names) for name, names in model.classes.items()},
        }
        if engine.lasting:
            about["generator"] = model._random.tolist()
        if isinstance(state, State):
            about["optimizer"] = {"update": state.update, "step": state.step, "epoch": state.epoch,
                                  "rng": state.rng.bit_generator.state, "states": list(state.arrays)}
            for key, array in state.arrays.items():
                for name, view in engine.views(array, model._frozen).items():
                    if not any(p["name"] == name for p in engine.frozen):
                        tensors[f"optimizer:{key}:{name}"] = view.copy()
    if history is not None:
        about["history"] = {"columns": history.columns, "steps": history.steps, "seconds": history.seconds}
        if history._begun is not None:
            about["history"]["begun"] = history._begun
    if schedule is not None:
        about["schedule"] = {key: value for key, value in vars(schedule).items() if key.startswith("_")}
    for key, remembered in _states(more[0] if more else ()).items():
        for name in [name for name, value in remembered.items() if isinstance(value, np.ndarray)]:
            tensors[f"callback:{key}:{name}"] = np.array(remembered.pop(name), order="C")
        about.setdefault("callbacks", {})[key] = remembered
    try:
        about = json.loads(json.dumps(about, default=_plain))
        about["digest"] = _digest(tensors, about)
        data = library.numpy.save(tensors, {"gradwright": json.dumps(about)})
    except (TypeError, ValueError, KeyError, library.SafetensorError) as error:
        raise CheckpointError(f"{os.fspath(path)}: not saved: notes or a callback's state_dict hold what is neither JSON nor an "
                              f"array of numbers ({error})") from error
    with _told(path):
        _write(Path(path), data)


def probe(path: str | os.PathLike[str]) -> None:
    """Make the folder of a checkpoint, and see that it can be written to, which is better known before a long run than after."""
    _library()
    with _told(path):
        _write(Path(path), None)


@contextmanager
def _told(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        failed = CheckpointWriteError(f"{os.fspath(path)}: the checkpoint cannot be written: {why}")
        failed.errno = error.errno
        raise failed from error


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__}")


def _named(listeners: Sequence[Any]) -> dict[str, Any]:
    """Callbacks by the names of their classes; the second of a name is `Name 2`."""
    named: dict[str, Any] = {}
    for listener in listeners:
        name = type(listener).__name__
        count = 1 + sum(type(other).__name__ == name for other in named.values())
        named[name if count == 1 else f"{name} {count}"] = listener
    return named


def _states(listeners: Any) -> dict[str, dict[str, Any]]:
    """What callbacks remember, or what was read of it."""
    if isinstance(listeners, Mapping):
        return {key: dict(state) for key, state in listeners.items()}
    return {key: dict(one.state_dict()) for key, one in _named(listeners).items() if hasattr(one, "state_dict")}


def recall(listeners: Sequence[Any], states: Mapping[str, Mapping[str, Any]], history: History) -> None:
    """Give callbacks what they knew. One that had ended the run ends it again."""
    for key, listener in _named(listeners).items():
        if key in states and hasattr(listener, "load_state_dict"):
            listener.load_state_dict(dict(states[key]))
            history.stopped = history.stopped or getattr(listener, "stopped", None)


def _write(target: Path, data: bytes | None) -> None:
    """Without data, all but the file itself."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        raise IsADirectoryError(21, "a folder has this name")
    _sweep(target)
    handle, aside = tempfile.mkstemp(prefix=f".{target.name}.{os.getpid()}.", suffix=".part", dir=target.parent)
    _writing.add(os.path.basename(aside))
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data or b"")
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(aside, 0o666 & ~mask)      # as any file of the user's; a temporary one is private
        if data is None:
            os.unlink(aside)
        else:
            os.replace(aside, target)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
    finally:
        _writing.discard(os.path.basename(aside))


def _sweep(target: Path) -> None:
    """Remove what processes that were killed left beside the target."""
    for part in target.parent.glob(f".{glob.escape(target.name)}.*.part"):
        owner = part.name[len(target.name) + 2:].partition(".")[0]
        if owner.isdigit() and part.name not in _writing:
            with suppress(OSError):         # somebody else's, or gone already
                if int(owner) == os.getpid() or not _alive(int(owner)) or time.time() - part.stat().st_mtime > _STALE:
                    part.unlink()


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass        # somebody else's
    return True


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, Any]]:
    library = _library()
    shown = os.fspath(path)
    if os.path.isdir(path):
        raise CheckpointError(f"{shown}: this is a folder and no checkpoint")
    if not os.path.exists(path):
        raise CheckpointError(f"{shown}: there is no such checkpoint")
    try:
        with open(path, "rb"):
            pass        # the library takes a file that may not be read for one that is not there
        with library.safe_open(shown, "numpy") as file:
            metadata = file.metadata() or {}
            about = json.loads(metadata.get("gradwright", "null"))
            tensors = {name: file.get_tensor(name) for name in list(file.keys())}
        if about is None and any(value.startswith('{"format": ') for value in metadata.values()):
            raise ValueError("its metadata have another name")
        if about is not None and not isinstance(about, dict):
            raise ValueError("its metadata are not what they should be")
    except (library.SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{shown}: this is no checkpoint, or it is damaged ({error})") from error
    if about is not None:
        if about.get("format") != _FORMAT:
            raise CheckpointError(f"{shown}: written by another version of gradwright (format {about.get('format')})")
        if about.get("digest") != _digest(tensors, about):
            raise CheckpointError(f"{shown}: damaged: its content is not what was written")
    return tensors, about or {}


def read_notes(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What `save(notes=...)` was given."""
    return dict(_read(path)[1].get("notes", {}))


def read_classes(path: str | os.PathLike[str]) -> dict[str, tuple[str, ...]]:
    """The names of classes (`model.classes`) in a checkpoint."""
    return {name: tuple(names) for name, names in _read(path)[1].get("classes", {}).items()}


def load(model: type[AnyModel], path: str | os.PathLike[str], *, strict: bool = True) -> AnyModel:
    """A new model from a checkpoint, with its optimiser's state. `strict=False` loads what fits, and leaves the rest as the
    model declares it. Files of other programs serve too, if their tensors have the parameters' names and shapes."""
    made = model()
    restore(made, path, strict=strict)
    return made


def restore(model: Model, path: str | os.PathLike[str], *, strict: bool = True) -> Run:
    """Put a checkpoint into a model. Nothing of the model changes when the checkpoint does not fit."""
    tensors, about = _read(path)
    engine = model.engine
    given = {name: array for name, array in tensors.items() if not name.startswith(("optimizer:", "callback:"))}
    shapes = {**engine.shapes, **engine.state_shapes}
    wrong = [f"{name} is missing" for name in shapes if name not in given]
    wrong += [f"{name} is not in the model" for name in given if name not in shapes]
    wrong += [f"{name} is {given[name].shape} and should be {tuple(shape)}" for name, shape in shapes.items()
              if name in given and given[name].shape != tuple(shape)]
    wrong += [f"{name} holds {array.dtype}" for name, array in given.items() if array.dtype.kind not in "fiub"]
    fitting: dict[str, Array] = {}
    for name, shape in shapes.items():
        if name in given and given[name].shape == tuple(shape) and given[name].dtype.kind in "fiub":
            try:
                fitting[name] = _real(name, given[name], engine.real)
            except RangeError as error:
                wrong.append(str(error))
    if wrong and strict:
        other = f" of {about['model']}" if about.get("model", engine.name) != engine.name else ""
        raise CheckpointError(f"{os.fspath(path)}: this checkpoint{other} does not fit {engine.name}: {'; '.join(wrong)}. "
                              "strict=False loads what fits")
    with model._lock:
        for name, view in {**engine.views(model._theta, model._frozen), **engine.state_views(model._state)}.items():
            if name in fitting:
                view[...] = fitting[name]
        if "generator" in about and engine.lasting:
            model._random[...] = about["generator"]
        model._last = model._grad = model._stepper = None
    model.classes = {name: tuple(names) for name, names in about.get("classes", {}).items()} or model.classes
    for name, value in about.get("hypers", {}).items():
        if name in engine.hypers:
            model.hyper[name] = value
    found = about.get("optimizer")
    model.optimizer_state = None
    if found is not None and not wrong:
        rng = np.random.Generator(np.random.PCG64(0))
        rng.bit_generator.state = found["rng"]
        arrays = {}
        for key in found["states"]:
            arrays[key] = _lined(engine.count, engine.real)
            for name, view in engine.views(arrays[key], np.zeros_like(model._frozen)).items():
                if f"optimizer:{key}:{name}" in tensors:
                    view[...] = tensors[f"optimizer:{key}:{name}"]
        model.optimizer_state = State(found["update"], arrays, found["step"], found["epoch"], rng)
    history = None
    if "history" in about:
        history = History()
        history.columns = {name: list(values) for name, values in about["history"]["columns"].items()}
        history.steps, history.seconds = about["history"]["steps"], about["history"]["seconds"]
        history._begun = about["history"].get("begun")
    callbacks = {key: dict(remembered) for key, remembered in about.get("callbacks", {}).items()}
    for name, array in tensors.items():
        kind, _, rest = name.partition(":")
        key, _, label = rest.partition(":")
        if kind == "callback" and key in callbacks:
            callbacks[key][label] = array
    schedule = about.get("schedule", {})
    if not wrong:       # so that another save loses nothing of the run
        model._run = history, SimpleNamespace(**schedule) if "schedule" in about else None, callbacks
    return Run(history, schedule, callbacks)


class Checkpoint:
    """A callback that saves the model after every so many epochs, after the last one, and where Ctrl-C ends the run; `best=True`
    only when `monitor` (val_loss, or without validation loss) is lower than at any save before.

    It is called after all other callbacks, so that what they remember is in the file. Of a run that Ctrl-C ended the file holds
    the last whole step; `fit(resume=...)` goes on with the next one. A folder that cannot be written to is an error before the
    first epoch. Later, a file that cannot be written ends the run with a CheckpointWriteError: the model holds the parameters
    of the epoch, `error.history` the history, and the file that was there before is whole."""

    last = True

    def __init__(self, path: str | os.PathLike[str], every: int = 1, *, best: bool = False, monitor: str | None = None) -> None:
        if not (isinstance(every, int | np.integer) and every >= 1):
            raise ArgumentError(f"Checkpoint: every is a number of epochs from 1 up, got {every!r}")
        self.path, self.every, self.best, self.monitor = path, every, best, monitor
        self.lowest = float("inf")

    def state_dict(self) -> dict[str, Any]:
        return {"lowest": self.lowest}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.lowest = float(state["lowest"])

    def begin(self, model: Model) -> None:
        probe(self.path)

    def __call__(self, info: Info) -> None:
        if (info.epoch + 1) % self.every and info.epoch + 1 != info.epochs and info.history.stopped is None:
            return
        before = self.lowest
        if self.best:
            name = self.monitor or ("val_loss" if "val_loss" in info.values else "loss")
            if name not in info.values:
                raise ArgumentError(f"Checkpoint: there is no {name!r} to monitor; there is {', '.join(info.values)}")
            if not info.values[name] < self.lowest:
                return
            self.lowest = info.values[name]
        try:
            save(info.model, self.path)
        except BaseException:
            self.lowest = before
            raise

    def interrupted(self, model: Model) -> None:
        if not self.best:
            save(model, self.path)
