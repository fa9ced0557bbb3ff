"""How the learning rate goes over a run: `Adam(lr=Cosine(1e-2, warmup=5))`. Epochs are counted from the start of the fit.
Numbers are finite and not negative, or an ArgumentError says which is not."""
from __future__ import annotations

import math
from inspect import signature
from typing import Any

import numpy as np

from .arguments import _meant, _number
from .errors import ArgumentError, GradwrightError

Array = np.ndarray[Any, np.dtype[np.float64]]


class Schedule:
    """A rate that changes with the epochs, which are fractions within an epoch. Subclasses say `factor`: what lr is multiplied
    with, for an array of epochs. `warmup` epochs of a straight rise from 0 come first, and count as part of the run."""

    def __init__(self, lr: float, *, warmup: float = 0.0) -> None:
        self.lr, self.warmup = self._number("lr", lr), self._number("warmup", warmup)

    def _number(self, name: str, value: Any) -> float:
        try:
            number = _number(name, value)
        except GradwrightError:
            number = math.nan
        if not (math.isfinite(number) and number >= 0):
            raise ArgumentError(f"{type(self).__name__}: {name} is {value!r}; it must be a finite number and not negative")
        return number

    def factor(self, epoch: Array, epochs: float) -> Array:
        """For these epochs of a run of so many (both without the warm-up): float64, one factor for each epoch."""
        return np.ones_like(epoch)

    def factors(self, first: int, count: int, steps_per_epoch: int, epochs: int) -> Array:
        """For `count` steps from step `first` of the run on."""
        epoch = np.arange(first, first + count) / steps_per_epoch
        after = np.maximum(epoch - self.warmup, 0.0)
        factor = self.factor(after, max(epochs - self.warmup, 1.0 / steps_per_epoch))
        if self.warmup:
            rise = (np.arange(first, first + count) + 1) / (self.warmup * steps_per_epoch)
            factor = np.where(epoch < self.warmup, np.minimum(rise, 1.0), factor)
        return np.ascontiguousarray(factor, dtype=np.float64)

    adaptive = False        # whether it looks at the losses

    def begin(self) -> None:
        """Called when a fit begins."""

    def epoch_end(self, value: float) -> None:
        """Called with the loss (the validation loss, where there is one) after each epoch, if `adaptive`."""

    def __repr__(self) -> str:
        words = [f"{key}={value:g}" for key, value in vars(self).items() if not key.startswith("_") and key != "lr"]
        return f"{type(self).__name__}({', '.join([f'{self.lr:g}', *words])})"


class Constant(Schedule):
    """The same rate throughout (after a warm-up, if there is one)."""


class Step(Schedule):
    """Times `gamma` after every so many epochs."""

    def __init__(self, lr: float, every: float, gamma: float = 0.1, *, warmup: float = 0.0) -> None:
        super().__init__(lr, warmup=warmup)
        self.every, self.gamma = self._number("every", every), self._number("gamma", gamma)
        if not self.every > 0:
            raise ArgumentError(f"Step: every is {every!r}; it must be above 0")

    def factor(self, epoch: Array, epochs: float) -> Array:
        # a step that starts an epoch must not fall short of it by rounding
        return np.asarray(self.gamma ** np.floor(epoch / self.every + 1e-9))


class Exponential(Schedule):
    """Times `gamma` with every epoch, smoothly."""

    def __init__(self, lr: float, gamma: float, *, warmup: float = 0.0) -> None:
        super().__init__(lr, warmup=warmup)
        self.gamma = self._number("gamma", gamma)

    def factor(self, epoch: Array, epochs: float) -> Array:
        return np.asarray(self.gamma ** epoch)


class Cosine(Schedule):
    """Half a cosine from lr down to `final`·lr over the run (Loshchilov and Hutter, 2017)."""

    def __init__(self, lr: float, final: float = 0.0, *, warmup: float = 0.0) -> None:
        super().__init__(lr, warmup=warmup)
        self.final = self._number("final", final)

    def factor(self, epoch: Array, epochs: float) -> Array:
        return self.final + (1 - self.final) * 0.5 * (1 + np.cos(np.pi * np.minimum(epoch / epochs, 1.0)))


class OneCycle(Schedule):
    """Up by half a cosine from lr/`start` to lr in the first `rise` of the run, then down to lr/`end` (Smith and Topin, 2019)."""

    def __init__(self, lr: float, rise: float = 0.3, start: float = 25.0, end: float = 1e4) -> None:
        super().__init__(lr)
        self.rise, self.start, self.end = self._number("rise", rise), self._number("start", start), self._number("end", end)
        if not 0 < self.rise < 1:
            raise ArgumentError(f"OneCycle: rise is {rise!r}; it must be between 0 and 1")
        if not (self.start > 0 and self.end > 0):
            raise ArgumentError(f"OneCycle: start is {start!r} and end is {end!r}; both must be above 0")

    def factor(self, epoch: Array, epochs: float) -> Array:
        part = np.minimum(epoch / epochs, 1.0)
        up, down = part / self.rise, (part - self.rise) / (1 - self.rise)
        low, last = 1 / self.start, 1 / self.end
        rising = low + (1 - low) * 0.5 * (1 - np.cos(np.pi * up))
        falling = last + (1 - last) * 0.5 * (1 + np.cos(np.pi * down))
        return np.where(part < self.rise, rising, falling)


class ReduceOnPlateau(Schedule):
    """Times `gamma` when the validation loss (the training loss without validation) was no better for `patience` epochs."""

    adaptive = True

    def __init__(self, lr: float, gamma: float = 0.1, patience: int = 10, *, threshold: float = 1e-4,
                 warmup: float = 0.0) -> None:
        super().__init__(lr, warmup=warmup)
        self.gamma, self.threshold = self._number("gamma", gamma), self._number("threshold", threshold)
        self.patience = int(self._number("patience", patience))
        self.begin()

    def begin(self) -> None:
        self._best, self._bad, self._now = math.inf, 0, 1.0

    def factor(self, epoch: Array, epochs: float) -> Array:
        return np.full_like(epoch, self._now)

    def epoch_end(self, value: float) -> None:
        if value < self._best - self.threshold * abs(self._best if math.isfinite(self._best) else 0.0):
            self._best, self._bad = value, 0
        else:
            self._bad += 1
            if self._bad > self.patience:
                self._now, self._bad = self._now * self.gamma, 0


# what they are called where there are no classes, as in `gradwright train --schedule cosine:warmup=5`
BY_NAME: dict[str, type[Schedule]] = {
    "constant": Constant, "step": Step, "exponential": Exponential, "cosine": Cosine, "one-cycle": OneCycle,
    "plateau": ReduceOnPlateau,
}


def by_name(name: str, lr: float, **numbers: float) -> Schedule:
    """`by_name("step", 0.1, every=30)` is `Step(0.1, every=30)`."""
    if name not in BY_NAME:
        hint = ("; a warm-up is a number of any schedule but one-cycle, as in constant:warmup=5" if name == "warmup"
                else _meant(name, BY_NAME))
        raise ArgumentError(f"there is no schedule {name!r}{hint}")
    options = {key: option for key, option in signature(BY_NAME[name]).parameters.items() if key != "lr"}
    for key in numbers:
        if key not in options:
            raise ArgumentError(f"the schedule {name} has no {key!r}{_meant(key, options)}")
    lacking = [key for key, option in options.items() if option.default is option.empty and key not in numbers]
    if lacking:
        number = "30" if name == "step" else "0.95"
        raise ArgumentError(f"the schedule {name} needs {lacking[0]}, as in {name}:{lacking[0]}={number}")
    made: Any = BY_NAME[name]
    schedule: Schedule = made(lr, **numbers)
    return schedule
