"""One model, one optimiser, one set of arrays: the arguments of the module's training call."""
from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from .engine import _lined
from .errors import ArgumentError, ShapeError, StateError
from .history import State
from .interrupts import _deferred_interrupt
from .model import Model
from .optimizers import Optimizer, resolve, stretches

Array = np.ndarray[Any, np.dtype[Any]]


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
        self.results = [_lined(math.prod(shape), np.dtype(dtype)).reshape(shape)
                        for shape, dtype in plan.layout((0,) * len(engine.sizes), engine.sizes)]
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
        arrays = {name: _lined(model.engine.count, model.engine.real) for name, _ in update["states"]}
        for name, value in update["states"]:
            arrays[name].fill(value)
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
