"""What `fit` calls after every epoch. A callback is any function of an Info; one that returns True (or the reason, as text)
ends the run. An object may also have `begin(model)` and `end(model)`."""
from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import ArgumentError

if TYPE_CHECKING:
    from .model import Model
    from .training import History


@dataclass(frozen=True)
class Info:
    """An epoch that has ended: `info.epoch` from 0, `info.values["val_loss"]` or `info.val_loss`, `info.model`."""

    model: Model
    epoch: int
    epochs: int
    values: Mapping[str, float]
    history: History

    def __getattr__(self, name: str) -> float:
        values = self.__dict__.get("values", {})
        if name in values:
            return float(values[name])
        raise AttributeError(f"this run has no {name!r}; it has {', '.join(values)}")


class EarlyStopping:
    """End the run when `monitor` (val_loss, or without validation loss) was no better for `patience` epochs. The parameters of
    the best epoch are put back at the end, unless restore_best=False. `mode` is "min" or "max" for what is better."""

    def __init__(self, patience: int = 10, monitor: str | None = None, *, mode: str = "min", threshold: float = 0.0,
                 restore_best: bool = True) -> None:
        if patience < 0 or mode not in ("min", "max"):
            raise ArgumentError(f"EarlyStopping: patience from 0 up and mode 'min' or 'max', got {patience!r} and {mode!r}")
        self.patience, self.monitor, self.mode = patience, monitor, mode
        self.threshold, self.restore_best = threshold, restore_best
        self.begin(None)

    def begin(self, model: Any) -> None:
        self.best, self.best_epoch = math.inf, -1
        self._theta: Any = None

    def __call__(self, info: Info) -> str | None:
        name = self.monitor or ("val_loss" if "val_loss" in info.values else "loss")
        if name not in info.values:
            raise ArgumentError(f"EarlyStopping: there is no {name!r} to monitor; there is {', '.join(info.values)}")
        value = info.values[name] if self.mode == "min" else -info.values[name]
        if value < self.best - self.threshold:
            self.best, self.best_epoch = value, info.epoch
            if self.restore_best:
                self._theta = info.model.theta.copy()
        elif info.epoch - self.best_epoch > self.patience:
            return f"{name} no better since epoch {self.best_epoch + 1}"
        return None

    def end(self, model: Model) -> None:
        if self.restore_best and self._theta is not None:
            model.theta = self._theta


class Every:
    """Call a function with the Info after every so many epochs: Every(10, lambda info: print(info.loss))."""

    def __init__(self, epochs: int, function: Callable[[Info], Any]) -> None:
        if epochs < 1:
            raise ArgumentError(f"Every: expected epochs from 1 up, got {epochs!r}")
        self.epochs, self.function = epochs, function

    def __call__(self, info: Info) -> Any:
        return self.function(info) if (info.epoch + 1) % self.epochs == 0 else None
