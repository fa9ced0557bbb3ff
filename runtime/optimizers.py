"""Optimisers by name. Their rules are in the model's module (from `optimizers.gw`, or the user's own `update`), compiled;
what is here are their names and numbers, which are checked against the module. A number that is not finite, negative, or above 1
where that makes no sense is an ArgumentError.

    model.fit(data, optimizer=Adam(lr=1e-2), ...)
    model.fit(data, optimizer=Adam(lr=1e-2, groups={"b*": {"weight_decay": 0}}), ...)    # other numbers for some parameters
    model.fit(data, optimizer=Optimizer("mine", lr=1e-4), ...)                          # the user's own rule, by its name
"""
from __future__ import annotations

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from .arguments import _meant, _number
from .errors import ArgumentError, GradwrightError
from .schedules import Schedule

Groups: TypeAlias = Mapping[str, Mapping[str, float]]
Rate: TypeAlias = "float | Schedule"


class Optimizer:
    """An update of the module by name, with its numbers. `lr` may be a Schedule. `groups` maps patterns of parameter names
    (`"b*"`, `"head.*"`) to numbers that differ there; the first pattern that fits a parameter counts."""

    def __init__(self, name: str, *, groups: Groups | None = None, **hypers: Any) -> None:
        self.name = name
        self.groups: dict[str, dict[str, float]] = {}
        self.schedule: Schedule | None = None
        if isinstance(hypers.get("lr"), Schedule):
            self.schedule = hypers["lr"]
            hypers["lr"] = self.schedule.lr
        self.hypers = {key: _checked(name, key, value) for key, value in hypers.items()}
        for pattern, numbers in (groups or {}).items():
            if not isinstance(numbers, Mapping):
                raise ArgumentError(f"groups: {pattern}: expected numbers by name, as {{'weight_decay': 0}}, got {numbers!r}")
            self.groups[pattern] = {key: _checked(name, key, value) for key, value in numbers.items()}

    def __repr__(self) -> str:
        words = [f"{key}={value:g}" for key, value in self.hypers.items()]
        if self.schedule is not None:
            words = [f"lr={self.schedule}" if word.startswith("lr=") else word for word in words]
        if self.groups:
            words.append(f"groups={self.groups}")
        own = type(self) is Optimizer
        return f"{type(self).__name__}({', '.join([repr(self.name)] * own + words)})"


def _checked(name: str, key: str, value: Any) -> float:
    try:
        number = _number(key, value)
    except GradwrightError:
        raise ArgumentError(f"{name}: {key} is {value!r}, which is no number") from None
    if not math.isfinite(number) or number < 0:
        raise ArgumentError(f"{name}: {key} is {value!r}; it must be finite and not negative")
    if key in ("beta1", "beta2", "momentum", "alpha", "rho") and number > 1:
        raise ArgumentError(f"{name}: {key} is {value!r}; it must be at most 1")
    return number


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum (v = momentum v + g) and Nesterov's if wanted (Sutskever et al., 2013)."""

    def __init__(self, lr: Rate = 0.01, momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0,
                 groups: Groups | None = None) -> None:
        super().__init__("sgd", lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay, groups=groups)


class AdaGrad(Optimizer):
    """Steps shrink with the root of the sum of all squared gradients so far (Duchi et al., 2011)."""

    def __init__(self, lr: Rate = 0.01, lr_decay: float = 0.0, eps: float = 1e-10, weight_decay: float = 0.0,
                 groups: Groups | None = None) -> None:
        super().__init__("adagrad", lr=lr, lr_decay=lr_decay, eps=eps, weight_decay=weight_decay, groups=groups)


class RMSProp(Optimizer):
    """Steps shrink with the root of a running mean of squared gradients (Tieleman and Hinton, 2012)."""

    def __init__(self, lr: Rate = 0.01, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0.0,
                 momentum: float = 0.0, groups: Groups | None = None) -> None:
        super().__init__("rmsprop", lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum, groups=groups)


class Adam(Optimizer):
    """Running means of the gradient and of its square, both corrected for their start at zero (Kingma and Ba, 2015)."""

    def __init__(self, lr: Rate = 1e-3, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8,
                 weight_decay: float = 0.0, groups: Groups | None = None) -> None:
        super().__init__("adam", lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay, groups=groups)


class AdamW(Optimizer):
    """Adam with weight decay that does not go through the running means (Loshchilov and Hutter, 2019)."""

    def __init__(self, lr: Rate = 1e-3, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8,
                 weight_decay: float = 0.01, groups: Groups | None = None) -> None:
        super().__init__("adamw", lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay, groups=groups)


class AdaDelta(Optimizer):
    """Steps as large as the running mean of earlier ones over that of the gradients (Zeiler, 2012): no rate needs to be found."""

    def __init__(self, lr: Rate = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0,
                 groups: Groups | None = None) -> None:
        super().__init__("adadelta", lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, groups=groups)


class Adamax(Optimizer):
    """Adam with the largest gradient so far, fading, in place of the mean square (Kingma and Ba, 2015)."""

    def __init__(self, lr: Rate = 2e-3, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8,
                 weight_decay: float = 0.0, groups: Groups | None = None) -> None:
        super().__init__("adamax", lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay, groups=groups)


class NAdam(Optimizer):
    """Adam with Nesterov's look ahead (Dozat, 2016)."""

    def __init__(self, lr: Rate = 2e-3, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8,
                 weight_decay: float = 0.0, momentum_decay: float = 4e-3, groups: Groups | None = None) -> None:
        super().__init__("nadam", lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay,
                         momentum_decay=momentum_decay, groups=groups)


class RAdam(Optimizer):
    """Adam that waits with the square until its variance is bounded (Liu et al., 2020)."""

    def __init__(self, lr: Rate = 1e-3, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8,
                 weight_decay: float = 0.0, groups: Groups | None = None) -> None:
        super().__init__("radam", lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay, groups=groups)


class Lion(Optimizer):
    """Steps of the sign of a running mean, with weight decay that does not go through it (Chen et al., 2023)."""

    def __init__(self, lr: Rate = 1e-4, beta1: float = 0.9, beta2: float = 0.99, weight_decay: float = 0.0,
                 groups: Groups | None = None) -> None:
        super().__init__("lion", lr=lr, beta1=beta1, beta2=beta2, weight_decay=weight_decay, groups=groups)


def resolve(spec: Mapping[str, Any], wanted: Any) -> Optimizer:
    """The optimiser that is meant by a handle, a name, or None (the one of `minimize ... with`), checked against the module."""
    updates = {update["name"]: update for update in spec["updates"]}
    if wanted is None:
        if spec["optimizer"] is None:
            raise ArgumentError(f"{spec['name']} was compiled without an optimiser: give one, as in optimizer=Adam(lr=1e-2), "
                                "or write `minimize ... with adam(lr=1e-2)`")
        name, hypers = spec["optimizer"]
        wanted = Optimizer(name, **hypers)
    elif isinstance(wanted, str):
        wanted = Optimizer(wanted if wanted in updates else wanted.lower())
    elif isinstance(wanted, type) and issubclass(wanted, Optimizer) and wanted is not Optimizer:
        handle: Any = wanted
        wanted = handle()
    if not isinstance(wanted, Optimizer):
        raise ArgumentError(f"optimizer: expected Adam(...), SGD(...), a name or None, got {wanted!r}")
    if wanted.name not in updates:
        raise ArgumentError(f"{spec['name']} has no update called {wanted.name!r}{_meant(wanted.name, updates)}")
    known = dict(updates[wanted.name]["hypers"])
    for key, value in wanted.hypers.items():
        # a rule of one's own that is called like a handle need not have what the handle leaves at 0
        if key not in known and (value != 0 or type(wanted) is Optimizer):
            raise ArgumentError(f"{wanted.name} takes no {key!r}{_meant(key, known)}")
    for pattern, group in wanted.groups.items():
        for key in group:
            if key not in known:
                raise ArgumentError(f"groups: {pattern}: {wanted.name} takes no {key!r}{_meant(key, known)}")
    if wanted.schedule is not None and "lr" not in known:
        raise ArgumentError(f"{wanted.name} has no lr that a schedule could change")
    for pattern in wanted.groups:
        if not any(fnmatchcase(p["name"], pattern) for p in spec["params"] if not p["frozen"]):
            names = [p["name"] for p in spec["params"] if not p["frozen"]]
            raise ArgumentError(f"groups: no parameter is called {pattern!r}{_meant(pattern, names)}")
    return wanted


def stretches(spec: Mapping[str, Any], optimizer: Optimizer) -> tuple[list[tuple[int, int]], list[list[float]]]:
    """Which stretches (start, length) of theta are updated with which numbers."""
    update = next(update for update in spec["updates"] if update["name"] == optimizer.name)
    known: dict[str, float] = dict(update["hypers"])
    base: dict[str, float] = {key: float(optimizer.hypers.get(key, value)) for key, value in known.items()}
    places: list[tuple[int, int]] = []
    numbers: list[list[float]] = []
    for param in spec["params"]:
        if param["frozen"]:
            continue
        fitting = [group for pattern, group in optimizer.groups.items() if fnmatchcase(param["name"], pattern)]
        own = fitting[0] if fitting else {}
        row = [own.get(key, base[key]) for key in known]
        length = math.prod(param["shape"])
        if numbers and numbers[-1] == row and sum(places[-1]) == param["offset"]:
            places[-1] = (places[-1][0], places[-1][1] + length)
        else:
            places.append((param["offset"], length))
            numbers.append(row)
    return places, numbers
