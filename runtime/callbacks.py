"""What `fit` calls after every epoch. A callback is any function of an Info; one that returns True (or the reason, as text)
ends the run.

An object may have more, all of it optional:

    begin(model), end(model)    called before the first epoch, and when the run ends, however it ends
    finished(model)             called when the run ended by itself, before any `end`
    interrupted(model)          called when Ctrl-C ended the run, before any `end`
    state_dict()                what it remembers, a dict of JSON values and NumPy arrays by name, for every checkpoint
    load_state_dict(state)      called after `begin` when a run is resumed from a checkpoint with such a state: the same dict
    stopped                     a text after load_state_dict: the run had ended for this reason, and so it does again
    last = True                 called after all others, so that what it saves knows what they know

States in a checkpoint belong to callbacks by the name of their class, the first of that name to the first. An object with
`load_state_dict` hears of every epoch: Ctrl-C waits until it returns, and a second Ctrl-C does not."""
from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import ArgumentError

if TYPE_CHECKING:
    from .history import History
    from .model import Model


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
    the best epoch are put back at the end, unless restore_best=False. `mode` is "min" or "max" for what is better. All that it
    remembers is in checkpoints.

    After Ctrl-C or an error the model holds the parameters of the last whole step, so that the run can go on from there;
    `finished(model)` puts the best ones into it."""

    def __init__(self, patience: int = 10, monitor: str | None = None, *, mode: str = "min", threshold: float = 0.0,
                 restore_best: bool = True) -> None:
        if patience < 0 or mode not in ("min", "max"):
            raise ArgumentError(f"EarlyStopping: patience from 0 up and mode 'min' or 'max', got {patience!r} and {mode!r}")
        self.patience, self.monitor, self.mode = patience, monitor, mode
        self.threshold, self.restore_best = threshold, restore_best
        self.begin(None)

    def begin(self, model: Any) -> None:
        self.best, self.best_epoch = math.inf, -1
        self.stopped: str | None = None
        self._theta: Any = None
        self._states: Any = None
        self._since, self._name = 0, ""

    def state_dict(self) -> dict[str, Any]:
        """The best value (negated for mode "max"), its epoch, how many came since, and its parameters as a float array."""
        state = {"best": self.best, "best_epoch": self.best_epoch, "since": self._since, "name": self._name}
        state |= {} if self._theta is None else {"theta": self._theta}
        return state if self._states is None else {**state, "state": self._states}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.best, self.best_epoch = float(state["best"]), int(state["best_epoch"])
        self._since, self._name, self._theta = int(state["since"]), str(state["name"]), state.get("theta")
        self._states = state.get("state")
        self.stopped = self._reason()

    def _reason(self) -> str | None:
        return f"{self._name} no better since epoch {self.best_epoch + 1}" if self._since > self.patience else None

    def __call__(self, info: Info) -> str | None:
        name = self.monitor or ("val_loss" if "val_loss" in info.values else "loss")
        if name not in info.values:
            raise ArgumentError(f"EarlyStopping: there is no {name!r} to monitor; there is {', '.join(info.values)}")
        value = info.values[name] if self.mode == "min" else -info.values[name]
        if value < self.best - self.threshold:
            self.best, self.best_epoch = value, info.epoch
            if self.restore_best:
                self._theta = info.model.theta.copy()
                self._states = info.model._state.copy() if info.model._state.size else None
        self._since, self._name = info.epoch - self.best_epoch, name
        return self._reason()

    def finished(self, model: Model) -> None:
        if self.restore_best and self._theta is not None:
            model.theta = self._theta
            if self._states is not None:
                model._state[...] = self._states


class Every:
    """Call a function with the Info after every so many epochs: Every(10, lambda info: print(info.loss))."""

    def __init__(self, epochs: int, function: Callable[[Info], Any]) -> None:
        if epochs < 1:
            raise ArgumentError(f"Every: expected epochs from 1 up, got {epochs!r}")
        self.epochs, self.function = epochs, function

    def __call__(self, info: Info) -> Any:
        return self.function(info) if (info.epoch + 1) % self.epochs == 0 else None
