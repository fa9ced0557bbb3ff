"""Training: `fit`, `step` and `bind`. The epochs of a fit are in `epochs.py`.

A run is cut into calls of the module's `_train`, which does many mini-batches in one go; Python is asked only where it is
needed: after every epoch if there is validation data, a metric or a callback, else every now and then for the progress bar.
However it is cut, the numbers are the same.
"""
from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from .arguments import _number
from .epochs import Callback, _Run
from .errors import ArgumentError, GradwrightError, StateError
from .evaluation import _Evaluation, split
from .history import History
from .metrics import named_metrics
from .model import Model
from .named import Named
from .progress import _Bar
from .streams import Mapped, Rows, Stream, mapped
from .trainer import _state, _Trainer, _whole

if TYPE_CHECKING:
    from .checkpoints import Run

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def _alone(function: Callable[Concatenate[Model, Arguments], Result]) -> Callable[Concatenate[Model, Arguments], Result]:
    """Only one thread at a time trains a model: a step waits for another's, and nothing waits for a fit."""
    @wraps(function)
    def call(model: Model, /, *arguments: Arguments.args, **options: Arguments.kwargs) -> Result:
        free = model._training.acquire(blocking=False)
        if not free and model._fitting is None and function.__name__ != "fit":
            free = model._training.acquire()
        if not free:
            raise StateError(f"another thread is training this {model.engine.name}; wait for it, or take model.copy()")
        before = model._fitting
        try:
            if function.__name__ == "fit":
                model._fitting, model._bound = True, None
            return function(model, *arguments, **options)
        finally:
            model._fitting = before
            model._training.release()
    return call


def _bounds(clip_norm: Any, clip_value: Any) -> tuple[float, float]:
    return _bound("clip_norm", clip_norm), _bound("clip_value", clip_value)


def _bound(name: str, value: Any) -> float:
    number = _number(name, value)
    if not number >= 0:
        raise ArgumentError(f"{name}: expected a number from 0 up, got {value!r}")
    return number


@_alone
def step(model: Model, optimizer: Any, inputs: Mapping[str, Any], *, clip_norm: float = 0.0, clip_value: float = 0.0) -> float:
    """One training step on these inputs as they are: arrays by name in their declared shapes, and sizes or hyper-parameters by
    name. Returns the loss before it. `clip_norm` and `clip_value` are bounds as in `fit`.

    ShapeError, DtypeError, RangeError or ArgumentError says what does not fit, before anything is changed; StateError that
    another thread is training this model."""
    clip_norm, clip_value = _bounds(clip_norm, clip_value)
    trainer = model._stepper
    if trainer is None or not trainer.fits(model, optimizer):
        trainer = model._stepper = _Trainer(model, optimizer, inputs, None)
    trainer.feed(inputs, whole=True)
    losses, done = np.zeros(1), np.zeros(3, np.int64)
    rates = None
    if trainer.optimizer.schedule is not None:
        rates = trainer.optimizer.schedule.factors(trainer.state.step, 1, 1, sys.maxsize)
    trainer.run(1, None, rates, clip_norm, clip_value, losses, done)
    return float(losses[0])


def bind(model: Model, optimizer: Any, inputs: Mapping[str, Any], *, clip_norm: float = 0.0, clip_value: float = 0.0) -> Any:
    """A training step on these arrays as a function: `run()` does one step, `run(1000)` a thousand in one call. It returns the
    loss before the last of them.

    An array of the model's type is bound itself: what is written into it later is what later steps read. Of anything else a copy
    is bound, which is in `run.inputs`. The optimiser's numbers are those that it has now; a schedule goes on with the steps.
    Errors are those of `step`."""
    return _Binding(model, optimizer, inputs, _bounds(clip_norm, clip_value)).run


class _Binding:
    """What stands behind a bound step, and is asked whenever that cannot go straight on."""

    def __init__(self, model: Model, optimizer: Any, inputs: Mapping[str, Any], clips: tuple[float, float]) -> None:
        self.model = model
        self.clip_norm, self.clip_value = clips
        self.trainer = _Trainer(model, optimizer, None, None)
        engine = model.engine
        arrays, sizes, hyper = engine.take(engine.full, self.trainer.plan, dict(inputs), model._hyper_vector)
        self.fixed = arrays, sizes, None if hyper is model._hyper_vector else hyper
        self.losses, self.done = np.zeros(1), np.zeros(3, np.int64)
        self.held: Any = None
        self.run: Any = None
        if "_bind" not in engine.module:
            self.run = Bound(self.again)
        self._hold()
        self.run.inputs, self.run.optimizer = Named(dict(zip(engine.full.names, arrays, strict=True))), self.trainer.optimizer

    def _hold(self) -> None:
        """Bind to what the model has now: its parameters and states may be another's, its optimiser's state may be new."""
        model, engine, trainer = self.model, self.model.engine, self.trainer
        held = model._theta, model._frozen, model._state, model._random, model._lock, model.optimizer_state
        if self.held is not None and all(map(operator.is_, held, self.held)):
            return
        trainer.state = _state(model, trainer.optimizer)
        self.held = *held[:-1], trainer.state
        arrays, sizes, hyper = self.fixed
        trainer.place(arrays, sizes, model._hyper_vector if hyper is None else hyper)
        if "_bind" in engine.module:
            arguments = trainer.arguments(1, None, None, self.clip_norm, self.clip_value, self.losses, self.done)
            self.run = engine.module["_bind"](self.run, arguments, model, trainer.state, model._lock.locked,
                                              trainer.state.counter, self.again)

    def again(self, count: int = 1) -> float:
        """Any number of steps, with all that must be looked at before."""
        return bound_steps(self.model, self, count)


@_alone
def bound_steps(model: Model, binding: _Binding, count: int) -> float:
    if not (_whole(count) and count >= 1):
        raise ArgumentError(f"a bound step takes the number of steps, a whole number from 1 up, got {count!r}")
    binding._hold()
    trainer, schedule = binding.trainer, binding.trainer.optimizer.schedule
    state, steps = trainer.state, model.engine.module.get("_steps")
    rates = None if schedule is None else np.ascontiguousarray(schedule.factors(state.step, int(count), 1, sys.maxsize))
    if steps is not None:
        with model._lock:
            model._last = model._grad = None
            with trainer._in_training():
                loss: float = steps(binding.run, int(count), rates)
        if model._fitting is None:
            model._bound = state
        return loss
    for k in range(int(count)):
        binding.done[:] = 0
        here = None if rates is None else rates[k:]
        trainer.run(1, None, here, binding.clip_norm, binding.clip_value, binding.losses, binding.done)
        state.epoch -= 1
    return float(binding.losses[0])


class Bound:
    """Training steps on arrays that are bound: `run()` does one and `run(1000)` a thousand; the loss before the last of them."""

    def __init__(self, again: Callable[[int], float]) -> None:
        self._again = again
        self.inputs: Any = None
        self.optimizer: Any = None

    def __call__(self, count: int = 1, /) -> float:
        return self._again(count)


def _tell_lost(history: History) -> None:
    """Warn of a run that ended without a number for its loss, where the caller stands."""
    losses = history.loss
    if not losses.size or np.isfinite(losses[-1]):
        return
    import warnings
    first = int(np.flatnonzero(np.isfinite(losses))[-1]) + 1 if np.isfinite(losses).any() else 0
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith("gradwright."):
        level, frame = level + 1, frame.f_back
    warnings.warn(f"the loss is {losses[-1]} since epoch {first + 1}: the learning rate may be too large, or the data hold NaN; "
                  "the error of a module that is compiled as checked names the line where it begins", RuntimeWarning, level)


def _listeners(callbacks: Any) -> list[Callback]:
    """The callbacks of a run, before it begins."""
    try:
        found = [callbacks] if callable(callbacks) else list(callbacks)
    except TypeError:
        raise ArgumentError(f"callbacks: expected functions of an Info, got {callbacks!r}") from None
    for one in found:
        if isinstance(one, type):
            raise ArgumentError(f"callbacks: {one.__name__} is a class; give an object of it: {one.__name__}(...)")
        if not callable(one):
            raise ArgumentError(f"callbacks: expected functions of an Info, got {one!r}")
    return found


@_alone
def fit(model: Model, data: Any, optimizer: Any = None, *, epochs: int = 1, batch_size: int | None = 32, shuffle: bool = True,
        seed: int | None = None, progress: bool | None = None, validation: Any = None, metrics: Any = None,
        callbacks: Callback | Sequence[Callback] = (), clip_norm: float = 0.0, clip_value: float = 0.0,
        resume: Any = None, accumulate: int = 1, ahead: int = 4) -> History:
    """Train a model on `data`, a dict of arrays by input name (sizes and hyper-parameters by name may stand there too), or an
    iterable of such dicts, each of which is a batch. A function that returns one is called for each epoch.

    optimizer   Adam(lr=1e-2), "adam", or None for the one that the model was compiled with
    batch_size  rows a step; the last batch of an epoch may be smaller; None takes all rows at once. Inputs that have not the
                batch size (the first free size) as their first axis are passed whole
    shuffle     a new order of the rows in each epoch, from `seed`; without a seed the model's stream goes on (from 0 at first)
    progress    a bar: True, False, or None for one on a terminal
    validation  data of the same kind, evaluated after every epoch; or a fraction of the data, drawn at random and held out
    metrics     "accuracy", a function of (outputs, data), or a list or dict of them: of the validation data, or if there is
                none, of the training data
    callbacks   functions of an Info, called after every epoch; one that returns True ends the run
    clip_norm, clip_value  bounds for the norm and for the elements of the gradient; 0 is none
    resume      a checkpoint of such a run: it goes on after the last step there, to the same bits as if it had never stopped
                (`epochs` counts from the run's start); callbacks know again what they knew, if they have `state_dict`
    accumulate  batches whose gradients are averaged (by their rows) for one step
    ahead       batches of an iterable that a thread of its own may make ahead; 0 makes each when it is wanted

    Memory-mapped arrays are read batch by batch; a schedule on an iterable without a length moves once an epoch.

    An epoch's loss is the mean over its samples. The same seed gives the same bits.

    Ctrl-C ends the run after the last whole step and returns the history so far, in which `interrupted` is True; a Checkpoint
    among the callbacks then writes its file, from which `resume` goes on within the epoch. An error that ends the run leaves the
    parameters of the last whole step, too, and carries the history so far as `error.history`; so does the NotFiniteError of a
    checked module, which comes in the very step that meets the first NaN or infinity.
    """
    clips = _bounds(clip_norm, clip_value)
    _check_counts(epochs, seed, accumulate, ahead)
    source: Stream | Rows | None = None
    if hasattr(data, "keys"):
        data = mapped(model, data)
    else:
        source = _stream(data, epochs, ahead, validation, metrics)
    if isinstance(validation, float | np.floating):
        data, validation = split(model, data, float(validation), 0 if seed is None else seed)
    before = None
    if resume is not None:
        from .checkpoints import restore
        before = restore(model, resume)
    piecewise = source is None and (accumulate > 1 or any(isinstance(value, Mapped) for value in data.values()))
    if piecewise and "train" in model.engine.plans:
        source = Rows(model, data, batch_size, shuffle)
    trainer = _Trainer(model, optimizer, data if source is None else None, batch_size)
    model._stepper = None
    evaluations = _evaluations(model, data, validation, metrics)
    listeners = _listeners(callbacks)
    listeners.sort(key=lambda listener: bool(getattr(listener, "last", False)))
    history = _begin(trainer, before, seed)
    model._run = history, trainer.optimizer.schedule, listeners
    for listener in listeners:
        if hasattr(listener, "begin"):
            listener.begin(model)
    if before is not None:
        from .checkpoints import recall
        recall(listeners, before.callbacks, history)
    bar = _Bar(progress, int(epochs))
    _Run(model, trainer, source, history, evaluations, listeners, int(epochs), shuffle, clips, accumulate, bar).go()
    _tell_lost(history)
    return history


def _check_counts(epochs: int, seed: int | None, accumulate: int, ahead: int) -> None:
    if not (_whole(epochs) and epochs >= 0):
        raise ArgumentError(f"epochs: expected a whole number from 0 up, got {epochs!r}")
    if seed is not None and not (_whole(seed) and seed >= 0):
        raise ArgumentError(f"seed: expected a whole number from 0 up, or None, got {seed!r}")
    if not (_whole(accumulate) and accumulate >= 1 and _whole(ahead) and ahead >= 0):
        raise ArgumentError(f"accumulate: a whole number from 1 up, ahead: from 0 up, got {accumulate!r} and {ahead!r}")


def _stream(data: Any, epochs: int, ahead: int, validation: Any, metrics: Any) -> Stream:
    """Batches as they come. They are gone when an epoch ends: what would need them again is an error."""
    if not callable(data) and (not hasattr(data, "__iter__") or isinstance(data, str | bytes | np.ndarray)):
        raise ArgumentError("data: expected a dict of arrays by input name, or an iterable of such dicts, "
                            f"got {type(data).__name__}")
    stream = Stream(data, ahead)
    if stream.once and epochs > 1:
        raise ArgumentError("data: a generator lasts for one epoch; give a function that returns a new one for each")
    if isinstance(validation, float | np.floating):
        raise ArgumentError("validation: a fraction can be held out of arrays only, not of streamed batches")
    if metrics is not None and validation is None:
        raise ArgumentError("metrics: streamed batches are gone when an epoch ends; give validation=")
    return stream


def _evaluations(model: Model, data: Any, validation: Any, metrics: Any) -> list[tuple[_Evaluation, str]]:
    """What is measured after each epoch, with what stands before the name of its loss."""
    judges = named_metrics(model, metrics)
    if validation is None:
        return [(_Evaluation(model, data, judges), "")] if judges else []
    try:
        return [(_Evaluation(model, validation, judges), "val_")]
    except GradwrightError as error:
        raise error if str(error).startswith("validation") else type(error)(f"validation: {error}") from error


def _begin(trainer: _Trainer, before: Run | None, seed: int | None) -> History:
    """The history of a run, and the schedule and the order of the rows as they are where it begins or goes on."""
    schedule = trainer.optimizer.schedule
    if schedule is not None:
        schedule.begin()
    history = History()
    if before is not None:
        history = History() if before.history is None else before.history     # which is empty within the first epoch
        if schedule is not None:
            vars(schedule).update(before.schedule)
    elif seed is not None:
        trainer.state.rng = np.random.Generator(np.random.PCG64(seed))
    if schedule is not None:
        history.columns.setdefault("lr", [])
    return history
