"""What a run of training leaves: its history, and what the optimiser goes on with."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


class History:
    """What happened, epoch by epoch, as arrays: `history.loss`, and where there was such, `history.val_loss`, `history.lr` and
    each metric by its name. `interrupted` says that Ctrl-C ended the run, `stopped` why it ended before its last epoch."""

    def __init__(self) -> None:
        self.columns: dict[str, list[float]] = {"loss": []}
        self.steps = 0
        self.seconds = 0.0
        self.interrupted = False
        self.stopped: str | None = None
        self._begun: dict[str, Any] | None = None       # the epoch that the run broke off in: see _Epochs in epochs.py

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
