"""Checkpoints: a model's parameters, and all that its training needs to go on, in one safetensors file.

    model.save("xor.safetensors");  model = xor.Model.load("xor.safetensors")
    model.fit(data, ..., callbacks=Checkpoint("xor.safetensors", every=10));  model.fit(data, ..., resume="xor.safetensors")

The tensors are the parameters by name, and the optimiser's states as `optimizer:m:W1`; any tool that reads safetensors reads
them. The rest is JSON in the metadata. A file is written aside and renamed, so that there is never half of one; its content is
verified by hash before anything of it is used.
"""
from __future__ import annotations

import glob
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .errors import CheckpointError, MissingError
from .training import History, State

if TYPE_CHECKING:
    from .callbacks import Info
    from .model import Model

Array = np.ndarray[Any, np.dtype[Any]]
AnyModel = TypeVar("AnyModel", bound="Model")

_FORMAT = 1


def _library() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise MissingError(f"checkpoints need safetensors: pip install 'gradwright[checkpoints]' ({error})") from error
    return safetensors


def _digest(tensors: Mapping[str, Array]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def save(model: Model, path: str | os.PathLike[str], *, notes: Mapping[str, Any] | None = None) -> None:
    """Write the model's parameters and hyper-parameters, its optimiser's state and the history of its last fit. `notes` is
    anything of one's own that JSON can hold; `read_notes` gives it back."""
    library, engine, target = _library(), model.engine, Path(path)
    with model._lock:
        tensors = {name: view.copy() for name, view in engine.views(model._theta, model._frozen).items()}
        state = model.optimizer_state
        about: dict[str, Any] = {
            "format": _FORMAT, "model": engine.name, "hash": engine.spec["hash"], "dtype": engine.spec["dtype"],
            "hypers": {name: model.hyper[name] for name in engine.hypers}, "notes": dict(notes or {}),
        }
        if isinstance(state, State):
            about["optimizer"] = {"update": state.update, "step": state.step, "epoch": state.epoch,
                                  "rng": state.rng.bit_generator.state, "states": list(state.arrays)}
            for key, array in state.arrays.items():
                for name, view in engine.views(array, model._frozen).items():
                    if not any(p["name"] == name for p in engine.frozen):
                        tensors[f"optimizer:{key}:{name}"] = view.copy()
    history, schedule = model._run
    if history is not None:
        about["history"] = {"columns": history.columns, "steps": history.steps, "seconds": history.seconds}
    if schedule is not None:
        about["schedule"] = {key: value for key, value in vars(schedule).items() if key.startswith("_")}
    about["digest"] = _digest(tensors)
    data = library.numpy.save(tensors, {"gradwright": json.dumps(about)})
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    handle, aside = tempfile.mkstemp(prefix=f".{target.name}.{os.getpid()}.", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(aside, 0o666 & ~mask)      # as any file of the user's; a temporary one is private
        os.replace(aside, target)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def _sweep(target: Path) -> None:
    """Remove what processes that were killed left beside the target."""
    for part in target.parent.glob(f".{glob.escape(target.name)}.*.part"):
        owner = part.name[len(target.name) + 2:].partition(".")[0]
        if owner.isdigit() and int(owner) != os.getpid():
            try:
                os.kill(int(owner), 0)
            except ProcessLookupError:
                part.unlink(missing_ok=True)
            except OSError:
                pass        # somebody else's, and alive


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, Any]]:
    library = _library()
    if not Path(path).is_file():
        raise CheckpointError(f"{os.fspath(path)}: there is no such checkpoint")
    try:
        with library.safe_open(os.fspath(path), "numpy") as file:
            about = json.loads((file.metadata() or {}).get("gradwright", "null"))
            tensors = {name: file.get_tensor(name) for name in list(file.keys())}
    except (library.SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{os.fspath(path)}: this is no checkpoint, or it is damaged ({error})") from error
    if about is not None:
        if about.get("format") != _FORMAT:
            raise CheckpointError(f"{os.fspath(path)}: written by another version of gradwright (format {about.get('format')})")
        if about.get("digest") != _digest(tensors):
            raise CheckpointError(f"{os.fspath(path)}: damaged: its content is not what was written")
    return tensors, about or {}


def read_notes(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What `save(notes=...)` was given."""
    return dict(_read(path)[1].get("notes", {}))


def load(model: type[AnyModel], path: str | os.PathLike[str], *, strict: bool = True) -> AnyModel:
    """A new model from a checkpoint, with its optimiser's state. `strict=False` loads what fits, and leaves the rest as the
    model declares it. Files of other programs serve too, if their tensors have the parameters' names and shapes."""
    made = model()
    restore(made, path, strict=strict)
    return made


def restore(model: Model, path: str | os.PathLike[str], *, strict: bool = True) -> tuple[History | None, dict[str, Any]]:
    """Put a checkpoint into a model. Nothing of the model changes when the checkpoint does not fit."""
    tensors, about = _read(path)
    engine = model.engine
    given = {name: array for name, array in tensors.items() if not name.startswith("optimizer:")}
    wrong = [f"{name} is missing" for name in engine.shapes if name not in given]
    wrong += [f"{name} is not in the model" for name in given if name not in engine.shapes]
    wrong += [f"{name} is {given[name].shape} and should be {tuple(shape)}" for name, shape in engine.shapes.items()
              if name in given and given[name].shape != tuple(shape)]
    wrong += [f"{name} holds {array.dtype}" for name, array in given.items() if array.dtype.kind not in "fiub"]
    if wrong and strict:
        other = f" of {about['model']}" if about.get("model", engine.name) != engine.name else ""
        raise CheckpointError(f"{os.fspath(path)}: this checkpoint{other} does not fit {engine.name}: {'; '.join(wrong)}. "
                              "strict=False loads what fits")
    fitting = {name for name, shape in engine.shapes.items()
               if name in given and given[name].shape == tuple(shape) and given[name].dtype.kind in "fiub"}
    with model._lock:
        for name, view in engine.views(model._theta, model._frozen).items():
            if name in fitting:
                view[...] = given[name]
        model._last = model._grad = model._stepper = None
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
            arrays[key] = np.zeros(engine.count, engine.real)
            for name, view in engine.views(arrays[key], np.zeros_like(model._frozen)).items():
                if f"optimizer:{key}:{name}" in tensors:
                    view[...] = tensors[f"optimizer:{key}:{name}"]
        model.optimizer_state = State(found["update"], arrays, found["step"], found["epoch"], rng)
    history = None
    if "history" in about:
        history = History()
        history.columns = {name: list(values) for name, values in about["history"]["columns"].items()}
        history.steps, history.seconds = about["history"]["steps"], about["history"]["seconds"]
    return history, about.get("schedule", {})


class Checkpoint:
    """A callback that saves the model after every so many epochs; `best=True` only when `monitor` (val_loss, or without
    validation loss) is lower than at any save before."""

    def __init__(self, path: str | os.PathLike[str], every: int = 1, *, best: bool = False, monitor: str | None = None) -> None:
        self.path, self.every, self.best, self.monitor = path, every, best, monitor
        self.lowest = float("inf")

    def __call__(self, info: Info) -> None:
        if (info.epoch + 1) % self.every and info.epoch + 1 != info.epochs:
            return
        if self.best:
            name = self.monitor or ("val_loss" if "val_loss" in info.values else "loss")
            if not info.values[name] < self.lowest:
                return
            self.lowest = info.values[name]
        save(info.model, self.path)
