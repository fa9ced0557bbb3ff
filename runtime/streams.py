"""Batches that come one after the other: from an iterable, from a function, or from arrays that are too big to be converted."""
from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from .errors import ArgumentError, ShapeError
from .model import Model

Array = np.ndarray[Any, np.dtype[Any]]
Batch: TypeAlias = Mapping[str, Any]


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


class Rows:
    """Batches of the rows of arrays; only the rows of a batch are ever converted."""

    def __init__(self, model: Model, data: Batch, batch_size: int | None, shuffle: bool) -> None:
        engine = model.engine
        name = engine.sizes[0] if engine.sizes else None
        self.data, self.shuffle = data, shuffle
        self.cut = {s["name"]: np.asanyarray(data[s["name"]]) for s in engine.spec["inputs"]
                    if s["shape"] and s["shape"][0] == name and s["name"] in data}
        lengths = {key: array.shape[:1] for key, array in self.cut.items()}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{key} has {length[0] if length else 'no'} rows" for key, length in lengths.items())
            raise ShapeError(f"data: {told}")
        self.rows = next(iter(self.cut.values())).shape[0] if lengths and () not in lengths.values() else 0
        if self.rows == 0:
            raise ShapeError("data: there are no rows to train on")
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
            yield {**self.data, **{name: np.asarray(array[chosen]) for name, array in self.cut.items()}}


def big(model: Model, data: Batch) -> bool:
    """Whether there is a memory-mapped array of another type than the model's, which would be converted whole."""
    kinds = {spec["name"]: np.dtype(np.int64) if spec["kind"] == "index" else model.engine.real
             for spec in model.engine.spec["inputs"]}
    return any(isinstance(array, np.memmap) and name in kinds and (array.dtype != kinds[name] or not array.flags.c_contiguous)
               for name, array in data.items())


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
