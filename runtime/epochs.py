"""A fit on its way: its epochs, one after the other or several in one call; what is measured after each, and who hears of it."""
from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from itertools import islice
from typing import Any, TypeAlias

import numpy as np

from .callbacks import Info
from .errors import ArgumentError, ShapeError
from .evaluation import _Evaluation
from .history import History
from .interrupts import _Gate
from .logs import DEBUG, INFO, tell
from .model import Model
from .progress import _Bar
from .streams import Rows, Stream
from .trainer import _Trainer

Array = np.ndarray[Any, np.dtype[Any]]
Callback: TypeAlias = Callable[[Info], Any]
_ORDER = 1_000_000      # row numbers of shuffled epochs that are drawn ahead


class _Run:
    """A fit on its way: its epochs, what is measured after each, and who hears of it."""

    def __init__(self, model: Model, trainer: _Trainer, source: Stream | Rows | None, history: History,
                 evaluations: list[tuple[_Evaluation, str]], listeners: list[Callback], epochs: int, shuffle: bool,
                 clips: tuple[float, float], accumulate: int, bar: _Bar) -> None:
        self.model, self.trainer, self.source, self.history = model, trainer, source, history
        self.evaluations, self.listeners, self.epochs, self.clips = evaluations, listeners, epochs, clips
        self.accumulate, self.bar = accumulate, bar
        self.schedule = trainer.optimizer.schedule
        # whether something looks at each epoch
        self.every = bool(source or listeners or evaluations or (self.schedule is not None and self.schedule.adaptive))
        self.shuffled = shuffle and 0 < trainer.batch < trainer.rows
        self.kind = [trainer.rows, trainer.batch] if source is None else [accumulate]
        if isinstance(source, Rows):
            self.kind += [source.rows, source.size]
        self.pace = 0.0         # seconds an epoch took
        self.gate = trainer.gate = _Gate()

    def go(self) -> None:
        model, history = self.model, self.history
        begun = time.perf_counter() - history.seconds
        self.gate.begin()
        tell(INFO, "fit", "%s: epochs %d to %d with %r", model.engine.name, history.epochs, self.epochs, self.trainer.optimizer)
        outcome = ""            # which of the callbacks' functions is called
        try:
            while history.epochs < self.epochs and history.stopped is None:
                self.some_epochs()
            outcome = "finished"
        except KeyboardInterrupt:
            outcome, history.interrupted = "interrupted", True
        except Exception as error:
            _give(error, history)
            raise
        finally:
            self.gate.end()
            history.interrupted |= self.gate.waiting
            history.seconds = time.perf_counter() - begun
            self.bar.close()
            self.leave(outcome)
        tell(INFO, "fit", "%s: %r", model.engine.name, history)

    def some_epochs(self) -> None:
        """The next epoch, or as many as nobody needs to look at."""
        history = self.history
        part, history._begun = history._begun, None
        if part is not None and part["kind"] != self.kind:
            part = None     # of other data
        count = self.count(part)
        since = time.perf_counter()
        epoch = _Epochs(self.trainer, self.source, history, count, self.epochs, part, self.kind, self.shuffled)
        try:
            if self.source is not None:
                epoch.stream(self.accumulate, self.clips)
            else:
                epoch.run(self.clips)
            values = self.measured()
        except BaseException:
            epoch.break_off(self.every)
            raise
        self.pace = (time.perf_counter() - since) / count
        epoch.commit(count)
        for name, value in values.items():
            history.columns.setdefault(name, []).append(value)
        tell(DEBUG, "fit", "%s: %r", self.model.engine.name, history)
        if self.every:
            last = {name: numbers[-1] for name, numbers in history.columns.items() if numbers}
            if self.schedule is not None:
                self.schedule.epoch_end(last.get("val_loss", last["loss"]))
            _call_all(self.listeners, Info(self.model, history.epochs - 1, self.epochs, last, history), self.gate)
        self.bar.update(history)

    def count(self, part: dict[str, Any] | None) -> int:
        """How many epochs one call may take. ``part``: what is there of an epoch that goes on."""
        if self.every or part:
            return 1
        count = self.epochs - self.history.epochs
        if self.bar.shown:
            count = min(count, max(1, int(0.1 / self.pace)) if self.pace else 1)
        if self.shuffled:
            count = min(count, max(1, _ORDER // self.trainer.rows))
        if self.schedule is not None:
            count = min(count, max(1, _ORDER // self.trainer.steps_per_epoch))
        return count

    def measured(self) -> dict[str, float]:
        """The loss and the metrics of the validation data, or the metrics of the training data."""
        values: dict[str, float] = {}
        for evaluation, prefix in self.evaluations:
            with self.gate:
                found = evaluation()
            if not prefix:
                del found["loss"]       # an epoch's own is there
            values |= {name if name != "loss" else prefix + name: value for name, value in found.items()}
        return values

    def leave(self, outcome: str) -> None:
        """Tell the callbacks how the run ended, and that it did."""
        try:
            for listener in self.listeners:
                if hasattr(listener, outcome):
                    getattr(listener, outcome)(self.model)
        except Exception as error:
            _give(error, self.history)
            raise
        finally:
            for listener in self.listeners:
                if hasattr(listener, "end"):
                    listener.end(self.model)


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
