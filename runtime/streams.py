"""Batches that come one after the other: from an iterable, from a function, or from arrays that are too big to be converted."""
from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from .arguments import _index, _real, _same
from .errors import ArgumentError, RangeError, ShapeError
from .model import Model

Array = np.ndarray[Any, np.dtype[Any]]
Batch: TypeAlias = Mapping[str, Any]

_SCANNED = 1 << 16      # rows of a memory-mapped array whose indices are checked at a time


class Stream:
    """Batches made anew for each epoch, by a thread that is at most `ahead` batches ahead."""

    def __init__(self, data: Any, ahead: int) -> None:
        self.function: Callable[[], Iterable[Batch]] | None = data if callable(data) else None
        self.data, self.ahead = data, ahead
        self.once = self.function is None and iter(data) is data        # a generator begins only once
        self.steps: int | None = len(data) if hasattr(data, "__len__") else None

    def epoch(self, rng: Any) -> Iterator[Batch]:
        batches = self.data if self.function is None else self.function()
        if not hasattr(batches, "__iter__"):
            raise ArgumentError(f"data: the function returned a {type(batches).__name__}; it must return an iterable of batches")
        return ahead(batches, self.ahead)


class Mapped:
    """Rows of a memory-mapped array that is not as the model takes it: only those of a batch are ever converted."""

    def __init__(self, spec: Mapping[str, Any], array: Array, real: Any, rows: Array | None = None) -> None:
        self.name, self.index, self.array, self.real = spec["name"], spec["kind"] == "index", array, real
        self.rows = rows
        self.shape: tuple[int, ...] = array.shape if rows is None else (len(rows), *array.shape[1:])
        self.ndim = array.ndim
        self._taken(array[:0])      # says so if these are no numbers

    def _taken(self, part: Any, name: str | None = None) -> Array:
        return _index(name or self.name, part) if self.index else _real(name or self.name, part, self.real)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, which: Any) -> Array:
        """The rows of a slice, or with these numbers, in the model's type."""
        part = np.asarray(self.array[which if self.rows is None else self.rows[which]])
        try:
            return self._taken(part)
        except RangeError:
            numbers = np.arange(len(self))[which] if self.rows is None else self.rows[which]
            for number, row in zip(numbers.tolist(), part, strict=True):
                self._taken(row, f"{self.name}[{number}]")
            raise

    def beyond(self, below: int) -> tuple[int, Array]:
        """The number of a row, and rows from there on that hold an index that is not from 0 to below; no rows if none does."""
        for start in range(0, len(self), _SCANNED):
            part = self[start:start + _SCANNED]
            if part.size and not 0 <= int(part.min()) <= int(part.max()) < below:
                return start, part
        return 0, np.zeros(0, np.int64)


def mapped(model: Model, data: Batch, large: int | None = None) -> dict[str, Any]:
    """The data, with `Mapped` rows in place of memory-mapped arrays that would be converted whole (and of those above so many
    bytes, which may not be copied either)."""
    engine = model.engine
    name = engine.sizes[0] if engine.sizes else None
    specs = {s["name"]: s for s in engine.spec["inputs"] if s["shape"] and s["shape"][0] == name}
    found = {}
    for key in list(data.keys()):
        value = data[key]
        spec = specs.get(_same(key, specs))
        if spec is not None and isinstance(value, np.memmap) and value.ndim:
            kind = np.dtype(np.int64) if spec["kind"] == "index" else engine.real
            if value.dtype != kind or not value.flags.c_contiguous or (large is not None and value.nbytes > large):
                value = Mapped(spec, value, engine.real)
        found[key] = value
    return found


def selected(array: Any, rows: Array) -> Any:
    """These rows of an array, or of a `Mapped` one."""
    if not isinstance(array, Mapped):
        return array[rows]
    spec = {"name": array.name, "kind": "index" if array.index else "real"}
    return Mapped(spec, array.array, array.real, rows if array.rows is None else array.rows[rows])


class Rows:
    """Batches of the rows of arrays; of memory-mapped ones, only the rows of a batch are ever converted."""

    def __init__(self, model: Model, data: Batch, batch_size: int | None, shuffle: bool) -> None:
        engine = model.engine
        name = engine.sizes[0] if engine.sizes else None
        arrays, sizes, _ = engine.take(engine.full, engine.plans["train"], dict(data), model._hyper_vector)
        given = dict(zip(engine.full.names, arrays, strict=True))
        self.data = {key: value for key, value in data.items() if _same(key, given) not in given and key != name} | given
        self.cut = {s["name"]: given[s["name"]] for s in engine.spec["inputs"] if s["shape"] and s["shape"][0] == name}
        self.shuffle, self.rows = shuffle, sizes[0] if self.cut else 0
        if self.rows == 0:
            raise ShapeError(f"there are no rows to train on: {name} is 0" if self.cut else "data: there are no rows to train on")
        if batch_size is not None and not (isinstance(batch_size, int | np.integer) and batch_size >= 1):
            raise ArgumentError(f"batch_size: expected a whole number from 1 up, or None for all rows, got {batch_size!r}")
        self.size = min(int(batch_size or self.rows), self.rows)
        self.once, self.steps = False, -(-self.rows // self.size)

    def epoch(self, rng: Any) -> Iterator[Batch]:
        order: Array | None = None
        if self.shuffle and self.size < self.rows:
            order = np.arange(self.rows, dtype=np.int64).reshape(1, -1)
            rng.permuted(order, axis=1, out=order)
        for start in range(0, self.rows, self.size):
            chosen: Any = slice(start, start + self.size)
            if order is not None:
                chosen = order[0, chosen]
            yield {**self.data, **{name: array[chosen] for name, array in self.cut.items()}}


_END = object()


def ahead(batches: Iterable[Batch], room: int) -> Iterator[Batch]:
    """The same batches, made by a thread of their own with at most `room` waiting. Its errors come out here."""
    if room == 0:
        yield from batches
        return
    waiting: queue.Queue[Any] = queue.Queue(room)
    leave = threading.Event()

    def put(item: Any) -> bool:
        while not leave.is_set():
            try:
                waiting.put(item, timeout=0.05)
                return True
            except queue.Full:
                pass
        return False

    def work() -> None:
        error: BaseException | None = None
        try:
            for batch in batches:
                if not put((batch, None)):
                    return
        except BaseException as caught:     # whatever it is, it is the caller's to see
            error = caught
        put((_END, error))

    thread = threading.Thread(target=work, name="gradwright-batches", daemon=True)
    thread.start()
    try:
        while True:
            batch, error = waiting.get()
            if error is not None:
                raise error
            if batch is _END:
                return
            yield batch
    finally:
        leave.set()
        thread.join(timeout=1.0)
