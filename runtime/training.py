"""Training: `fit`, `step`, and the history of a run.

A run is cut into calls of the module's `_train`, which does many mini-batches in one go; Python is asked only where it is
needed: after every epoch if there is validation data, a metric or a callback, else every now and then for the progress bar.
However it is cut, the numbers are the same.
"""
from __future__ import annotations

import operator
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import wraps
from itertools import islice
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar

import numpy as np

from .arguments import _number
from .callbacks import Info
from .errors import ArgumentError, GradwrightError, ShapeError, StateError
from .evaluation import _Evaluation, split
from .history import History
from .interrupts import _Gate
from .logs import DEBUG, INFO, tell
from .metrics import named_metrics
from .model import Model
from .named import Named
from .streams import Mapped, Rows, Stream, mapped
from .trainer import _state, _Trainer, _whole

Array = np.ndarray[Any, np.dtype[Any]]
Callback: TypeAlias = Callable[[Info], Any]
_ORDER = 1_000_000      # row numbers of shuffled epochs that are drawn ahead


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


def _bounds(*values: Any) -> tuple[float, ...]:
    found = []
    for name, value in zip(("clip_norm", "clip_value"), values, strict=True):
        found.append(_number(name, value))
        if not found[-1] >= 0:
            raise ArgumentError(f"{name}: expected a number from 0 up, got {value!r}")
    return tuple(found)


@_alone
def step(model: Model, optimizer: Any, inputs: Mapping[str, Any], *, clip_norm: float = 0.0, clip_value: float = 0.0) -> float:
    """One training step on these inputs as they are. Returns the loss before it."""
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
    is bound, which is in `run.inputs`. The optimiser's numbers are those that it has now; a schedule goes on with the steps."""
    return _Binding(model, optimizer, inputs, _bounds(clip_norm, clip_value)).run


class _Binding:
    """What stands behind a bound step, and is asked whenever that cannot go straight on."""

    def __init__(self, model: Model, optimizer: Any, inputs: Mapping[str, Any], clips: tuple[float, ...]) -> None:
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
    if not (_whole(epochs) and epochs >= 0):
        raise ArgumentError(f"epochs: expected a whole number from 0 up, got {epochs!r}")
    clip_norm, clip_value = _bounds(clip_norm, clip_value)
    if seed is not None and not (_whole(seed) and seed >= 0):
        raise ArgumentError(f"seed: expected a whole number from 0 up, or None, got {seed!r}")
    if not (_whole(accumulate) and accumulate >= 1 and _whole(ahead) and ahead >= 0):
        raise ArgumentError(f"accumulate: a whole number from 1 up, ahead: from 0 up, got {accumulate!r} and {ahead!r}")
    source: Stream | Rows | None = None
    if not hasattr(data, "keys"):
        if not callable(data) and (not hasattr(data, "__iter__") or isinstance(data, str | bytes | np.ndarray)):
            raise ArgumentError("data: expected a dict of arrays by input name, or an iterable of such dicts, "
                                f"got {type(data).__name__}")
        source = Stream(data, ahead)
        if source.once and epochs > 1:
            raise ArgumentError("data: a generator lasts for one epoch; give a function that returns a new one for each")
        if isinstance(validation, float | np.floating):
            raise ArgumentError("validation: a fraction can be held out of arrays only, not of streamed batches")
        if metrics is not None and validation is None:
            raise ArgumentError("metrics: streamed batches are gone when an epoch ends; give validation=")
    else:
        data = mapped(model, data)
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
    judges = named_metrics(model, metrics)
    watched = None
    if validation is not None:
        try:
            watched = _Evaluation(model, validation, judges)
        except GradwrightError as error:
            raise error if str(error).startswith("validation") else type(error)(f"validation: {error}") from error
    on_training = _Evaluation(model, data, judges) if judges and watched is None else None
    listeners: list[Callback] = [callbacks] if callable(callbacks) else list(callbacks)
    listeners.sort(key=lambda listener: bool(getattr(listener, "last", False)))
    state, schedule = trainer.state, trainer.optimizer.schedule
    if schedule is not None:
        schedule.begin()
    history = History()
    if before is not None:
        history = History() if before.history is None else before.history     # which is empty within the first epoch
        if schedule is not None:
            vars(schedule).update(before.schedule)
    elif seed is not None:
        state.rng = np.random.Generator(np.random.PCG64(seed))
    if schedule is not None:
        history.columns.setdefault("lr", [])
    model._run = history, schedule, listeners
    for listener in listeners:
        if hasattr(listener, "begin"):
            listener.begin(model)
    if before is not None:
        from .checkpoints import recall
        recall(listeners, before.callbacks, history)
    every = bool(source or listeners or watched or on_training or (schedule is not None and schedule.adaptive))
    shuffled = shuffle and 0 < trainer.batch < trainer.rows
    steps = trainer.steps_per_epoch
    kind = [trainer.rows, trainer.batch] if source is None else [accumulate]
    if isinstance(source, Rows):
        kind += [source.rows, source.size]
    begun = time.perf_counter() - history.seconds
    bar = _Bar(progress, int(epochs))
    gate = trainer.gate = _Gate()
    gate.begin()
    tell(INFO, "fit", "%s: epochs %d to %d with %r", model.engine.name, history.epochs, epochs, trainer.optimizer)
    pace, outcome = 0.0, ""          # seconds an epoch took; which of the callbacks' functions is called
    try:
        while history.epochs < epochs and history.stopped is None:
            part, history._begun = history._begun, None
            if part is not None and part["kind"] != kind:
                part = None     # of other data
            count = 1 if every or part else int(epochs) - history.epochs
            if bar.shown and not every:
                count = min(count, max(1, int(0.1 / pace)) if pace else 1)
            if shuffled:
                count = min(count, max(1, _ORDER // trainer.rows))
            if schedule is not None:
                count = min(count, max(1, _ORDER // steps))
            since = time.perf_counter()
            epoch = _Epochs(trainer, source, history, count, int(epochs), part, kind, shuffled)
            try:
                if source is not None:
                    epoch.stream(accumulate, (clip_norm, clip_value))
                else:
                    epoch.run((clip_norm, clip_value))
                values: dict[str, float] = {}
                for evaluation, prefix in ((watched, "val_"), (on_training, "")):
                    if evaluation is not None:
                        with gate:
                            found = evaluation()
                        if not prefix:
                            del found["loss"]       # an epoch's own is there
                        values |= {name if name != "loss" else prefix + name: value for name, value in found.items()}
            except BaseException:
                epoch.break_off(every)
                raise
            pace = (time.perf_counter() - since) / count
            epoch.commit(count)
            for name, value in values.items():
                history.columns.setdefault(name, []).append(value)
            tell(DEBUG, "fit", "%s: %r", model.engine.name, history)
            if every:
                last = {name: numbers[-1] for name, numbers in history.columns.items() if numbers}
                if schedule is not None:
                    schedule.epoch_end(last.get("val_loss", last["loss"]))
                _call_all(listeners, Info(model, history.epochs - 1, int(epochs), last, history), gate)
            bar.update(history)
        outcome = "finished"
    except KeyboardInterrupt:
        outcome, history.interrupted = "interrupted", True
    except Exception as error:
        _give(error, history)
        raise
    finally:
        gate.end()
        history.interrupted |= gate.waiting
        history.seconds = time.perf_counter() - begun
        bar.close()
        try:
            for listener in listeners:
                if hasattr(listener, outcome):
                    getattr(listener, outcome)(model)
        except Exception as error:
            _give(error, history)
            raise
        finally:
            for listener in listeners:
                if hasattr(listener, "end"):
                    listener.end(model)
    tell(INFO, "fit", "%s: %r", model.engine.name, history)
    return history


def _give(error: Exception, history: History) -> None:
    with suppress(AttributeError):      # of an error with slots
        error.history = history     # type: ignore[attr-defined]


def _call_all(listeners: Sequence[Callback], info: Info, gate: _Gate) -> None:
    """Call the callbacks. When Ctrl-C comes within one, those that remember something still hear of the epoch."""
    late: KeyboardInterrupt | None = None
    for listener in listeners:
        remembers = hasattr(listener, "load_state_dict")
        if late is not None and not remembers:
            continue
        try:
            with nullcontext() if remembers else gate:
                reason = listener(info)
        except KeyboardInterrupt as error:
            if remembers:
                raise
            late = error
            continue
        if reason is True or isinstance(reason, str):
            name = getattr(listener, "__name__", type(listener).__name__)
            info.history.stopped = reason if isinstance(reason, str) else name
    if late is not None:
        raise late


class _Epochs:
    """One epoch, or several in one call, that may break off and may go on where such a one did.

    What is kept of an epoch that breaks off (`History._begun`, and so in a checkpoint): `kind`, of which data it is; `steps`
    and `rows`, how far it came; `total`, the sum of the losses, or the loss where `whole` says that all steps are done and only
    the evaluation is missing. The generator of the order of the rows then stands where it stood before the epoch."""

    def __init__(self, trainer: _Trainer, source: Stream | Rows | None, history: History, count: int, epochs: int,
                 part: dict[str, Any] | None, kind: list[int], shuffled: bool) -> None:
        self.trainer, self.source, self.history = trainer, source, history
        self.count, self.epochs, self.kind, self.shuffled = count, epochs, kind, shuffled
        self.part = part or {"steps": 0, "rows": 0, "total": 0.0, "whole": False}
        self.steps = int(self.part["steps"])        # of the first epoch, before this call
        self.drawn = trainer.state.rng.bit_generator.state
        self.losses, self.done = np.zeros(count), np.zeros(3, np.int64)
        self.losses[0] = self.part["total"]
        self.lr: list[float] = []
        self.whole = bool(self.part["whole"])       # the steps are all done

    def run(self, clips: tuple[float, float]) -> None:
        trainer, schedule, steps = self.trainer, self.trainer.optimizer.schedule, self.trainer.steps_per_epoch
        first, order, rates = self.history.epochs * steps, None, None
        if self.whole:
            if schedule is not None:
                self.lr = [schedule.lr * float(schedule.factors(first + steps - 1, 1, steps, self.epochs)[0])]
            return
        if self.shuffled:
            order = self._order(self.count)
        if schedule is not None:
            rates = schedule.factors(first + self.steps, self.count * steps - self.steps, steps, self.epochs)
            self.lr = (schedule.lr * rates[steps - 1 - self.steps::steps]).tolist()
        self.done[2] = self.part["rows"]
        try:
            trainer.run(self.count, order, rates, *clips, self.losses, self.done)
        finally:
            self.history.steps += int(self.done[1])
        self.whole = True

    def _order(self, count: int) -> Array:
        order = np.tile(np.arange(self.trainer.rows, dtype=np.int64), (count, 1))
        self.trainer.state.rng.permuted(order, axis=1, out=order)
        return order

    def stream(self, accumulate: int, clips: tuple[float, float]) -> None:
        """One epoch of batches as they come."""
        trainer, source, history, part = self.trainer, self.source, self.history, self.part
        assert source is not None
        schedule, epoch = trainer.optimizer.schedule, history.epochs
        steps = None if source.steps is None else -(-source.steps // accumulate)

        def rates(number: int) -> Array | None:
            if schedule is None:
                return None
            first = (epoch, 1, 1) if steps is None else (epoch * steps + min(number, steps - 1), 1, steps)
            return schedule.factors(*first, self.epochs)

        number, total, rows = int(part["steps"]), float(part["total"]), int(part["rows"])
        if not self.whole:
            batches = source.epoch(trainer.state.rng)
            try:
                with trainer.gate:
                    for _ in islice(batches, number * accumulate):
                        pass        # of an epoch that goes on
                while True:
                    with trainer.gate:
                        chunk = list(islice(batches, accumulate))
                    if not chunk:
                        break
                    for batch in chunk:
                        if not hasattr(batch, "keys"):
                            raise ArgumentError(f"data: a batch is a dict of arrays by input name, got a {type(batch).__name__}")
                    losses, done = np.zeros(1), np.zeros(3, np.int64)
                    try:
                        if accumulate > 1:
                            trainer.pile(chunk, rates(number), *clips, losses, done)
                        else:
                            trainer.feed(chunk[0], whole=True)
                            if trainer.samples == 0:
                                raise ShapeError("data: a batch without rows came")
                            trainer.run(1, None, rates(number), *clips, losses, done)
                    finally:
                        if done[1]:
                            size = trainer.samples
                            history.steps += 1
                            trainer.state.epoch -= 1
                            total, rows, number = total + float(losses[0]) * size, rows + size, number + 1
                            self.part = {"steps": number, "rows": rows, "total": total, "whole": False}
            finally:
                batches.close() if hasattr(batches, "close") else None
            if number == 0:
                again = f" in epoch {epoch + 1}; give a function that returns new ones" if epoch else ""
                raise ArgumentError(f"data: no batch came{again}")
            trainer.state.epoch += 1
            self.losses[0] = total / max(rows, 1)
            self.part, self.whole = {"steps": number, "rows": rows}, True
        factors = rates(max(number - 1, 0))
        if schedule is not None and factors is not None:
            self.lr = [schedule.lr * float(factors[0])]

    def break_off(self, every: bool) -> None:
        """Leave the history, and the order of the rows that are to come, so that the run can go on here."""
        trainer, history, epochs = self.trainer, self.history, int(self.done[0])
        if self.source is None and not every:
            self.commit(epochs)
        if self.whole or (self.source is None and every and epochs == 1):
            steps, loss = self.part["steps"], float(self.losses[0])
            history._begun = {"kind": self.kind, "steps": steps, "rows": 0, "total": loss, "whole": True}
            return
        part = self.part
        if self.source is None:
            number = self.steps + int(self.done[1]) - epochs * trainer.steps_per_epoch
            total = float(self.losses[epochs]) if number and epochs < self.count else 0.0
            part = {"steps": number, "rows": number * trainer.batch, "total": total, "whole": False}
        if part["steps"]:
            history._begun = {"kind": self.kind, **part}
        if self.source is None or isinstance(self.source, Rows):
            trainer.state.rng.bit_generator.state = self.drawn
            if epochs and self.shuffled:
                self._order(epochs)

    def commit(self, epochs: int) -> None:
        """Put so many epochs into the history."""
        if self.lr:
            self.history.columns["lr"] += self.lr[:epochs]
        self.history.columns["loss"] += self.losses[:epochs].tolist()


class _Bar:
    """A line of progress on the terminal; rich is imported when one is shown."""

    def __init__(self, wanted: bool | None, epochs: int) -> None:
        self.shown = bool(wanted) if wanted is not None else bool(getattr(sys.stderr, "isatty", bool)())
        self.bar: Any = None
        if self.shown:
            try:
                from rich.console import Console
                from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
            except ImportError:
                self.shown = False
                return
            self.bar = Progress(TextColumn("epoch"), MofNCompleteColumn(), BarColumn(), TextColumn("{task.description}"),
                                TimeRemainingColumn(), console=Console(stderr=True))
            self.task = self.bar.add_task("", total=epochs)
            self.bar.start()

    def update(self, history: History) -> None:
        if self.bar is not None:
            words = [f"{name} {values[-1]:.4g}" for name, values in history.columns.items() if values and name != "lr"]
            self.bar.update(self.task, completed=history.epochs, description="  ".join(words))

    def close(self) -> None:
        if self.bar is not None:
            self.bar.stop()
