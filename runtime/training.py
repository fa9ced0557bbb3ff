"""Training: `fit`, `step`, and the history of a run.

A run is cut into calls of the module's `_train`, which does many mini-batches in one go; Python is asked only where it is
needed: after every epoch if there is validation data, a metric or a callback, else every now and then for the progress bar.
However it is cut, the numbers are the same.
"""
from __future__ import annotations

import math
import operator
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import wraps
from itertools import islice
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar

import numpy as np

from .arguments import _number, _same
from .callbacks import Info
from .errors import ArgumentError, GradwrightError, ShapeError, StateError
from .logs import DEBUG, INFO, tell
from .metrics import Metric, named_metrics
from .model import Model
from .named import Named
from .optimizers import Optimizer, resolve, stretches
from .streams import Mapped, Rows, Stream, mapped, selected

Array = np.ndarray[Any, np.dtype[Any]]
Callback: TypeAlias = Callable[[Info], Any]

_ORDER = 1_000_000      # row numbers of shuffled epochs that are drawn ahead
_EVALUATED = 4096       # rows of validation data that are evaluated at a time
_LARGE = 1 << 26        # bytes of a memory-mapped array of which no part is copied to hold rows out


# ---- what a run leaves

class History:
    """What happened, epoch by epoch, as arrays: `history.loss`, and where there was such, `history.val_loss`, `history.lr` and
    each metric by its name. `interrupted` says that Ctrl-C ended the run, `stopped` why it ended before its last epoch."""

    def __init__(self) -> None:
        self.columns: dict[str, list[float]] = {"loss": []}
        self.steps = 0
        self.seconds = 0.0
        self.interrupted = False
        self.stopped: str | None = None
        self._begun: dict[str, Any] | None = None       # the epoch that the run broke off in: see _Epochs

    @property
    def epochs(self) -> int:
        return len(self.columns["loss"])

    def __getattr__(self, name: str) -> Array:
        columns = self.__dict__.get("columns", {})
        if name in columns:
            return np.array(columns[name], np.float64)
        raise AttributeError(f"the history has no {name!r}; it has {', '.join(columns)}")

    def __getitem__(self, name: str) -> Array:
        if name not in self.columns:
            raise KeyError(f"the history has no {name!r}; it has {', '.join(self.columns)}")
        return np.array(self.columns[name], np.float64)

    def keys(self) -> list[str]:
        return list(self.columns)

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return self.epochs

    def __repr__(self) -> str:
        words = [f"{self.epochs} epoch{'s' * (self.epochs != 1)}", f"{self.steps} step{'s' * (self.steps != 1)}"]
        for name, values in self.columns.items():
            if values and name != "lr":
                words.append(f"{name} {values[0]:.4g} → {values[-1]:.4g}" if len(values) > 1 else f"{name} {values[0]:.4g}")
        words.append(f"{self.seconds:.3g} s")
        if self.interrupted:
            words.append("interrupted")
        if self.stopped:
            words.append(f"stopped: {self.stopped}")
        return f"History({', '.join(words)})"

    def plot(self, *names: str, ax: Any = None) -> Any:
        """Draw these columns (all losses, if none is named) against the epochs. Needs matplotlib."""
        from .pictures import plot_history
        return plot_history(self, names, ax)


class State:
    """What an optimiser knows beside the parameters. It stays in `model.optimizer_state`, so that the next `fit` or `step`
    with the same update goes on where the last one stopped (its numbers, like lr, may differ); another update starts anew.
    Set `model.optimizer_state = None` to start anew with the same."""

    def __init__(self, update: str, arrays: dict[str, Array], step: int = 0, epoch: int = 0,
                 rng: np.random.Generator | None = None) -> None:
        self.update, self.arrays, self.epoch = update, arrays, epoch
        self.rng = np.random.Generator(np.random.PCG64(0)) if rng is None else rng
        self.counter = np.array([step], np.int64)       # where bound steps count

    @property
    def step(self) -> int:
        """How many steps were done."""
        return int(self.counter[0])

    @step.setter
    def step(self, value: int) -> None:
        self.counter[0] = value

    def __repr__(self) -> str:
        return f"State({self.update!r}, {', '.join(self.arrays) or 'no arrays'}, step={self.step}, epoch={self.epoch})"


# ---- one model, one optimiser, one set of arrays

class _Trainer:
    """The arguments of the module's `_train`, made once for many calls."""

    def __init__(self, model: Model, optimizer: Any, data: Mapping[str, Any] | None, batch_size: int | None) -> None:
        engine = self.engine = model.engine
        self.model, self.wanted = model, optimizer
        plan = engine.plans.get("train")
        if plan is None:
            lacks = "a loss: add `minimize`" if engine.spec["loss"] is None else "a parameter to train"
            raise StateError(f"{engine.name} cannot be trained, for it has not {lacks}")
        self.plan = plan
        self.optimizer = resolve(engine.spec, optimizer)
        self.state = _state(model, self.optimizer)
        self.results = [np.zeros(shape, dtype) for shape, dtype in plan.layout((0,) * len(engine.sizes), engine.sizes)]
        slots = [slot for slot, _, _ in plan.results]
        loss = engine.spec["loss"]
        self.loss, self.grad = self.results[slots.index(f"out:{loss}")], self.results[slots.index(f"grad:{loss}")]
        self.next = self.results[slots.index("next")] if "next" in slots else np.zeros(0, engine.real)
        self.rows, self.batch, self.samples = 1, 0, 1
        self.sizes: tuple[int, ...] = ()
        self.slots: Any = ()
        self.bytes_of = self._row_bytes(plan, {})
        self.staging = np.empty(64, np.uint8)
        places, numbers = stretches(engine.spec, self.optimizer)
        self.fused = self._fused(numbers)
        if self.fused is not None:
            self.fused_bytes = self._row_bytes(self.fused, {})
        self.aliased = False        # an input lies in the parameters, which a fused step writes while it reads
        # where a fused step finds the rule's numbers, or all of the rule (move.h)
        whole = self.fused is not None and self.fused.name == "advance"
        self.cells = np.zeros(16, np.int64) if whole else np.zeros(len(numbers[0]) if numbers else 0, engine.real)
        if data is not None:
            self.feed(data, batch_size)
        self.groups = np.array(places, np.int64).reshape(-1, 2)
        self.hypers = np.array(numbers, np.float64).reshape(len(places), -1)
        update = next(u for u in engine.spec["updates"] if u["name"] == self.optimizer.name)
        self.update = engine.spec["updates"].index(update)
        known = [name for name, _ in update["hypers"]]
        self.rate = known.index("lr") if "lr" in known else 0
        self.train = engine.module.get("_train") or train_in_python(engine.module)
        self.known = self._numbers()
        self.gate: Any = nullcontext()      # what lets Ctrl-C through

    def feed(self, data: Mapping[str, Any], batch_size: int | None = None, whole: bool = False) -> None:
        """Take these arrays; `whole` takes them in one step, and looks for no batches in them."""
        engine, model = self.engine, self.model
        arrays, sizes, hyper = engine.take(engine.full, self.plan, dict(data), model._hyper_vector)
        if whole:
            self.place(arrays, sizes, hyper)
            return
        # an input that shares memory with the parameters would change as they do
        arrays = tuple([a.copy() if np.may_share_memory(a, model._theta) else a for a in arrays])
        rows, batch, rowbytes = self._cut(arrays, sizes, batch_size)
        self.place(arrays, sizes, hyper, rows, batch)
        self.bytes_of = self._row_bytes(self.plan, rowbytes)
        if self.fused is not None:
            self.fused_bytes = self._row_bytes(self.fused, rowbytes)
        room = sum((max(self.batch, 1) * b + 63) // 64 * 64 for b in self.bytes_of.tolist())
        self.staging = np.empty(room + 64, np.uint8)

    def _row_bytes(self, plan: Any, rowbytes: Mapping[str, int]) -> Array:
        """The bytes of a row by the kernel's slots; 0 where it is not cut into batches."""
        return np.array([rowbytes.get(slot, 0) for slot in self.engine.spec["kernels"][plan.number]["slots"]], np.int64)

    def place(self, arrays: Any, sizes: tuple[int, ...], hyper: Array, rows: int = 1, batch: int = 0) -> None:
        """Put these arrays, which are checked, into the kernel's slots."""
        engine, model = self.engine, self.model
        self.rows, self.batch = rows, batch
        self.sizes = (batch, *sizes[1:]) if batch else sizes
        self.samples = sizes[0] if self.has_rows else 1
        model._last = model._grad = None
        spaces = model._spaces
        if spaces.get("sizes") != self.sizes:
            engine.reserve(spaces, self.sizes)
        self.hyper = hyper
        lasting = (model._state, model._random) if engine.lasting else ()
        vectors = model._theta, model._frozen, hyper, *lasting, spaces["kept"], spaces["work"]
        self.slots = self.plan.pick((*arrays, *vectors, *self.results))
        if self.fused is not None:
            self.aliased = any(np.may_share_memory(array, model._theta) for array in arrays)
            own = {slot: result for (slot, _, _), result in zip(self.plan.results, self.results, strict=True)}
            results = [own[slot] for slot, _, _ in self.fused.results]
            self.fused_slots = self.fused.pick((*arrays, *vectors, *results, self.cells))

    def _fused(self, numbers: Sequence[Sequence[float]]) -> Any:
        """The kernel that holds the whole step, if it does what this optimiser asks for; clipping is not among it."""
        spec = self.engine.spec
        step = spec.get("step")
        if step is not None and step["update"] == self.optimizer.name and len(numbers) == 1:
            known = [name for name, _ in next(u for u in spec["updates"] if u["name"] == step["update"])["hypers"]]
            if not any(numbers[0][known.index(name)] for name in step["zero"]):
                return self.engine.plans["step"]
        return self.engine.plans.get("advance")

    def _numbers(self) -> Any:
        handle = self.optimizer
        return dict(handle.hypers), {key: dict(value) for key, value in handle.groups.items()}, handle.schedule

    def fits(self, model: Model, wanted: Any) -> bool:
        """Whether this trainer still does what this optimiser asks of this model."""
        return ((wanted is self.wanted or (isinstance(wanted, str) and wanted == self.wanted)) and model is self.model
                and model.optimizer_state is self.state and self.known == self._numbers())

    def _cut(self, arrays: Any, sizes: tuple[int, ...], batch_size: int | None) -> tuple[int, int, dict[str, int]]:
        """(rows, rows a batch, bytes of a row by slot); 0 rows a batch where the model has no batch axis."""
        if batch_size is not None and not (_whole(batch_size) and batch_size >= 1):
            raise ArgumentError(f"batch_size: expected a whole number from 1 up, or None for all rows, got {batch_size!r}")
        inputs = self.engine.spec["inputs"]
        name = self.engine.sizes[0] if self.engine.sizes else None
        batched = [spec["shape"] and spec["shape"][0] == name for spec in inputs]
        if name is None or not any(batched):
            return 1, 0, {}
        rows = sizes[0]
        if rows == 0:
            raise ShapeError(f"there are no rows to train on: {name} is 0")
        batch = rows if batch_size is None else min(int(batch_size), rows)
        for spec in inputs:
            if batch < rows and any(_uses(dim, name) for dim in spec["shape"][1 if spec["shape"][:1] == (name,) else 0:]):
                raise ArgumentError(f"batch_size: {spec['declared']} cannot be cut into batches of {name}; give batch_size=None")
        slots = [f"in:{spec['name']}" for spec in inputs]
        return rows, batch, {slot: a.nbytes // rows for slot, a, cut in zip(slots, arrays, batched, strict=True) if cut}

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.rows // self.batch) if self.batch else 1

    @property
    def has_rows(self) -> bool:
        name = self.engine.sizes[0] if self.engine.sizes else None
        return any(spec["shape"] and spec["shape"][0] == name for spec in self.engine.spec["inputs"])

    def pile(self, batches: Sequence[Mapping[str, Any]], rates: Array | None, clip_norm: float, clip_value: float, losses: Array,
             done: Array) -> None:
        """One step on several batches together, which never lie in memory at once as one; `samples` counts their rows."""
        total, rows, piled = 0.0, 0, np.zeros(self.grad.shape, np.float64)
        model = self.model
        before = model._state.copy(), model._random.copy()
        try:
            for batch in batches:       # each finds the states as the one before left them, and draws its own numbers
                self.feed(batch, whole=True)
                with model._lock, self._in_training():
                    self.engine.run(self.plan.number, self.slots, self.sizes)
                    model._state[...] = self.next
                    model._random[1] += 1
                total += float(self.loss[()]) * self.samples
                piled += self.grad.astype(np.float64) * self.samples
                rows += self.samples
            self.grad[...] = piled / max(rows, 1)
            self.loss[...] = total / max(rows, 1)
            self.samples = rows
            self.run(1, None, rates, clip_norm, clip_value, losses, done, kernel=-1)
        finally:
            if not done[1]:     # there was no such step
                model._state[...], model._random[...] = before

    @contextmanager
    def _in_training(self) -> Iterator[None]:
        """While a kernel runs, its hyper-parameters say that this is training; nobody else reads them then."""
        if not self.engine.training:
            yield
            return
        self.hyper[-1] = 1
        try:
            yield
        finally:
            self.hyper[-1] = 0

    def arguments(self, epochs: int, order: Array | None, rates: Array | None, clip_norm: float, clip_value: float,
                  losses: Array, done: Array, kernel: int | None = None) -> tuple[Any, ...]:
        """What the module's `_train` takes."""
        state = self.state
        fused = self.fused if kernel is None and not (clip_norm or clip_value or self.aliased) else None
        plan, slots, bytes_of = self.plan, self.slots, self.bytes_of
        if fused is not None:
            plan, slots, bytes_of = fused, self.fused_slots, self.fused_bytes
        batches = (bytes_of, self.staging, order, epochs, self.rows, self.batch, self.loss, losses, done)
        rule = (self.model._theta, self.grad, tuple(state.arrays.values()), self.hypers, self.groups, self.rate, rates,
                float(clip_norm), float(clip_value), float(state.step), self.model._state, self.next, self.model._random,
                None if fused is None else self.cells)
        return plan.number if kernel is None else kernel, self.update, slots, self.sizes, batches, rule

    def run(self, epochs: int, order: Array | None, rates: Array | None, clip_norm: float, clip_value: float,
            losses: Array, done: Array, kernel: int | None = None) -> None:
        """Train on what was fed. The kernel -1 takes the loss and the gradient as they are."""
        state = self.state
        arguments = self.arguments(epochs, order, rates, clip_norm, clip_value, losses, done, kernel)
        try:
            with self.model._lock:
                self.model._last = self.model._grad = None
                with self.gate, self._in_training():
                    self.train(*arguments)
        finally:
            state.step += int(done[1])
            state.epoch += int(done[0])


def _whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _uses(dim: Any, name: str) -> bool:
    return dim == name or (isinstance(dim, tuple) and any(_uses(part, name) for part in dim[1:]))


def _state(model: Model, optimizer: Optimizer) -> State:
    state = model.optimizer_state
    if not isinstance(state, State) or state.update != optimizer.name:
        update = next(u for u in model.engine.spec["updates"] if u["name"] == optimizer.name)
        arrays = {name: np.full(model.engine.count, value, model.engine.real) if value
                  else np.zeros(model.engine.count, model.engine.real) for name, value in update["states"]}
        rng = state.rng if isinstance(state, State) else None
        state = model.optimizer_state = State(optimizer.name, arrays)
        if rng is not None:
            state.rng = rng
    return state


def train_in_python(module: Mapping[str, Any]) -> Callable[..., int]:
    """`_train` of module.pxi for a module whose kernels and updates are Python functions."""
    run, updates = module["_run"], module["_UPDATES"]

    def train(kernel: int, update: int, slots: Any, sizes: Any, batches: Any, rule: Any) -> int:
        rowbytes, _, order, epochs, rows, batch, loss, losses, done = batches
        theta, grad, states, hypers, groups, rate, rates, clip_norm, clip_value, t, kept, following, random, _ = rule
        steps = 0
        with _deferred_interrupt() as interrupted:
            for epoch in range(epochs):
                start = 0 if epoch else int(done[2])
                total = float(losses[0]) if start else 0.0
                while start < (rows if batch else 1):
                    size, given, extents = 1, slots, sizes
                    if batch:
                        size = min(batch, rows - start)
                        chosen = slice(start, start + size) if order is None else order[epoch, start:start + size]
                        given = tuple([array[chosen] if b else array for array, b in zip(slots, rowbytes, strict=True)])
                        extents = (size, *sizes[1:])
                    if kernel >= 0:
                        run(kernel, given, extents)
                    total += float(loss[()]) * size
                    if clip_value > 0:
                        np.clip(grad, -clip_value, clip_value, out=grad)
                    if clip_norm > 0:
                        norm = math.sqrt(float(np.sum(np.square(grad, dtype=np.float64))))
                        if norm > clip_norm:
                            grad *= clip_norm / norm
                    t += 1
                    safe = [array.copy() for array in (theta, *states)]
                    try:
                        for (first, length), numbers in zip(groups.tolist(), hypers.tolist(), strict=True):
                            if rates is not None:
                                numbers[rate] *= float(rates[steps])
                            part = slice(first, first + length)
                            updates[update](theta[part], grad[part], tuple([s[part] for s in states]), tuple(numbers), t)
                    except BaseException:       # with np.seterr(all="raise"), say
                        for array, before in zip((theta, *states), safe, strict=True):
                            array[...] = before
                        raise
                    if kernel >= 0:
                        kept[...] = following
                        random[1] += 1
                    steps += 1
                    start += size
                    done[1], losses[epoch] = steps, total
                    if interrupted and start < rows and batch:
                        raise KeyboardInterrupt
                losses[epoch] = total / (rows if batch else 1)
                done[0] = epoch + 1
                if interrupted:
                    raise KeyboardInterrupt
        return steps

    return train


class _deferred_interrupt:
    """Ctrl-C within waits for the end of the step: an update in Python is no single piece."""

    def __enter__(self) -> list[int]:
        import signal
        self.seen: list[int] = []
        self.before: Any = None
        try:
            self.before = signal.getsignal(signal.SIGINT)
            if self.before is signal.default_int_handler or isinstance(getattr(self.before, "__self__", None), _Gate):
                signal.signal(signal.SIGINT, lambda number, frame: self.seen.append(number))
            else:
                self.before = None
        except ValueError:      # not the main thread, which alone gets signals
            self.before = None
        return self.seen

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if self.before is not None:
            import signal
            signal.signal(signal.SIGINT, self.before)
        if self.seen and kind is None:
            raise KeyboardInterrupt


class _Gate:
    """Ctrl-C during a fit. It comes through only `with gate:`, so that the history, the optimiser's state and the parameters
    are always of one and the same step; elsewhere it waits for the next time. A second one does not wait."""

    def __init__(self) -> None:
        self.open = self.waiting = False
        self.before: Any = None

    def begin(self) -> None:
        import signal
        try:
            before = signal.getsignal(signal.SIGINT)
            around = isinstance(getattr(before, "__self__", None), _Gate)       # of a fit whose callback this one is in
            if around or before is signal.default_int_handler:
                signal.signal(signal.SIGINT, self._hear)
                self.before = before
        except ValueError:      # not the main thread, which alone gets signals
            pass

    def end(self) -> None:
        if self.before is not None:
            import signal
            before, self.before = self.before, None
            signal.signal(signal.SIGINT, before)

    def _hear(self, number: int, frame: Any) -> None:
        if not (self.open or self.waiting):
            self.waiting = True
            return
        self.waiting = False
        raise KeyboardInterrupt

    def __enter__(self) -> None:
        if self.waiting:
            self.waiting = False
            raise KeyboardInterrupt
        self.open = True

    def __exit__(self, *error: object) -> None:
        self.open = False


# ---- fit and step

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
            self.run = engine.module["_bind"](self.run, arguments, model.__dict__, trainer.state, model._lock.locked,
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


def split(model: Model, data: Mapping[str, Any], fraction: float, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """(data without, and data of) a random fraction of the rows."""
    engine = model.engine
    name = engine.sizes[0] if engine.sizes else None
    cut = [s["name"] for s in engine.spec["inputs"] if s["shape"] and s["shape"][0] == name]
    if not 0 < fraction < 1 or not cut:
        raise ArgumentError(f"validation: expected data, or a fraction between 0 and 1 of data with rows, got {fraction!r}")
    data = mapped(model, data, _LARGE)
    found, sizes, _ = engine.take(engine.full, engine.forward, dict(data), model._hyper_vector)
    arrays = {key: array for key, array in zip(engine.full.names, found, strict=True) if key in cut}
    rows = sizes[0]
    held = round(rows * fraction)
    if not 0 < held < rows:
        raise ArgumentError(f"validation: {fraction:g} of {rows} rows leaves nothing to train on or nothing to hold out")
    order = np.random.Generator(np.random.PCG64([seed, 1])).permutation(rows)
    others = {key: value for key, value in data.items() if _same(key, cut) not in cut and key != name}
    return ({**others, **{key: selected(array, order[held:]) for key, array in arrays.items()}},
            {**others, **{key: selected(array, order[:held]) for key, array in arrays.items()}})


class _Given(Named):
    """Inputs by name, for a metric; memory-mapped ones of another type are converted when they are asked for."""

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        self.__dict__.update({key: value for key, value in arrays.items() if not isinstance(value, Mapped)})
        self.__dict__[" layout"] = arrays

    def __getattr__(self, name: str) -> Any:
        arrays = self.__dict__.get(" layout", {})
        return arrays[name][:] if name in arrays else Named.__getattr__(self, name)


class _Evaluation:
    """The loss and the metrics of some data, a few thousand rows at a time."""

    def __init__(self, model: Model, data: Any, metrics: Mapping[str, Metric]) -> None:
        if not hasattr(data, "keys"):
            raise ArgumentError(f"validation: expected a dict of arrays by input name, or a fraction, got {type(data).__name__}")
        self.model, self.metrics = model, metrics
        engine = model.engine
        given = mapped(model, data)
        self.arrays, self.sizes, self.hyper = engine.take(engine.full, engine.forward, given, model._hyper_vector)
        name = engine.sizes[0] if engine.sizes else None
        shapes = [spec["shape"] for spec in engine.spec["inputs"]]
        self.cut = [bool(shape) and shape[0] == name for shape in shapes]
        inner = name is None or any(_uses(dim, name) for shape, cut in zip(shapes, self.cut, strict=True)
                                    for dim in shape[int(cut):])
        self.rows = self.sizes[0] if any(self.cut) else 0
        self.most = self.rows if inner else _EVALUATED
        self.outer = {o["name"] for o in engine.spec["outputs"] if o["shape"] and o["shape"][0] == name}

    def __call__(self) -> dict[str, float]:
        model, engine = self.model, self.model.engine
        total, parts = 0.0, []
        for start in range(0, max(self.rows, 1), max(self.most, 1)):
            size = min(self.most, self.rows - start)
            arrays = tuple([a[start:start + size] if cut else a for a, cut in zip(self.arrays, self.cut, strict=True)])
            sizes = (size, *self.sizes[1:]) if self.rows else self.sizes
            lasting = (model._state, model._random) if engine.lasting else ()
            vectors = model._theta, model._frozen, self.hyper, *lasting
            with model._lock:
                parts.append(engine.evaluate(engine.forward, arrays, sizes, vectors, model._predicted))
            total += float(parts[-1][engine.spec["loss"]]) * (size if self.rows else 1)
        found = {"loss": total / max(self.rows, 1)}
        if self.metrics:
            out = parts[0]
            if len(parts) > 1:
                out = type(out)({key: np.concatenate([part[key] for part in parts]) if key in self.outer else parts[-1][key]
                                 for key in list(parts[0].keys())})
            given = _Given(dict(zip(engine.full.names, self.arrays, strict=True)))
            found |= {key: float(metric(out, given)) for key, metric in self.metrics.items()}
        return found


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

