"""Gradients held against central differences, and inputs made up for a model that has no data at hand."""
from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arguments import _by_name, _meant, _number, _real, _same, _shaped
from .errors import ArgumentError, StateError
from .model import Model

Array = np.ndarray[Any, np.dtype[Any]]

TOLERANCE = {"float64": 1e-6, "float32": 2e-3}


# ---- inputs at random

def sample_inputs(model: Any, sizes: Mapping[str, int] | None = None, *, seed: int = 0, real: str = "normal") -> dict[str, Any]:
    """Random inputs of the declared shapes: reals normally distributed (`real="unit"`: between 0.05 and 0.95), integers within
    their bounds. `sizes` gives the free sizes; the first, which is the batch, is 4 and the others are 5 if not told.
    ArgumentError names a size that the model does not have."""
    engine = model.engine
    known = {name: 4 if k == 0 else 5 for k, name in enumerate(engine.sizes)}
    for name, value in (sizes or {}).items():
        if name not in known:
            raise ArgumentError(f"{engine.name} has no free size {name!r}; it has {', '.join(known) or 'none'}")
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
            raise ArgumentError(f"sizes: {name} is {value!r}; a size is a whole number from 0 up")
        known[name] = int(value)
    from .arguments import _dim
    rng = np.random.Generator(np.random.PCG64(seed))
    found: dict[str, Any] = {}
    told = {dim for spec in engine.spec["inputs"] for dim in spec["shape"] if isinstance(dim, str)}
    for spec in engine.spec["inputs"]:
        shape = tuple(_dim(dim, known) for dim in spec["shape"])
        if spec["kind"] == "index":
            below = 2 if spec["below"] is None else _dim(spec["below"], known)
            found[spec["name"]] = rng.integers(0, max(below, 1), shape)
        else:
            values = rng.standard_normal(shape) if real == "normal" else rng.uniform(0.05, 0.95, shape)
            found[spec["name"]] = np.asarray(values, engine.real)
    return found | {name: value for name, value in known.items() if name not in told}


def fitting_inputs(model: Any, sizes: Mapping[str, int] | None = None, *, seed: int = 0) -> dict[str, Any]:
    """Random inputs at which all outputs of the model are finite: normal ones, or else ones between 0 and 1."""
    for real in ("normal", "unit"):
        found = sample_inputs(model, sizes, seed=seed, real=real)
        with np.errstate(all="ignore"):
            out = model.copy().forward(**found)
        if all(np.isfinite(np.asarray(value)).all() for value in out):
            return found
    raise ArgumentError(f"{model.engine.name} gives values that are not finite for random inputs: give data")


# ---- the comparison

@dataclass(frozen=True)
class Check:
    """One gradient: of `target` with respect to `name`."""

    target: str
    name: str
    kind: str               # "param" or "input"
    shape: tuple[int, ...]
    error: float            # the largest relative error
    where: tuple[int, ...]  # the element that has it
    gradient: float         # what the model says there
    difference: float       # what the difference says there
    compared: int           # elements
    kinks: int              # elements left out, since the function has a corner there
    tolerance: float

    @property
    def right(self) -> bool:
        return self.error <= self.tolerance

    @property
    def element(self) -> str:
        """The worst one, as `W1[0, 3]`."""
        return f"{self.name}[{', '.join(map(str, self.where))}]" if self.where else self.name


@dataclass(frozen=True)
class Report:
    """What `gradcheck` found. It is true when every gradient is right."""

    model: str
    checks: tuple[Check, ...]
    skipped: tuple[str, ...]    # gradients that cannot be compared, and why

    @property
    def right(self) -> bool:
        return all(check.right for check in self.checks)

    def __bool__(self) -> bool:
        return self.right

    @property
    def worst(self) -> Check | None:
        return max(self.checks, key=lambda check: check.error / check.tolerance, default=None)

    @property
    def verdict(self) -> str:
        worst = self.worst
        if worst is None:
            return f"{self.model}: nothing could be compared"
        if self.right:
            return f"{self.model}: all gradients are right: the largest relative error is {worst.error:.1e}, in {worst.element}"
        wrong = ", ".join(dict.fromkeys(check.name for check in self.checks if not check.right))
        return (f"{self.model}: WRONG gradient of {wrong}: the worst is d {worst.target} / d {worst.element}, "
                f"{worst.gradient:.8g} where differences say {worst.difference:.8g}")

    def __str__(self) -> str:
        rows = [("", "kind", "shape", "elements", "relative error", "worst at", "gradient", "difference", "")]
        several = len({check.target for check in self.checks}) > 1
        for c in self.checks:
            name = f"{c.target}: {c.name}" if several else c.name
            size = f"{c.compared} of {math.prod(c.shape)}" if c.compared < math.prod(c.shape) else str(c.compared)
            note = ("ok" if c.right else "WRONG") + (f", {c.kinks} at corners left out" if c.kinks else "")
            rows.append((name, c.kind, str(list(c.shape)), size, f"{c.error:.1e}", c.element, f"{c.gradient:.6g}",
                         f"{c.difference:.6g}", note))
        widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([*(lines if self.checks else []), *self.skipped, self.verdict])


def gradcheck(model: Any, /, *, tolerance: float | None = None, elements: int = 64, seed: int = 0,
              reference: Model | None = None, upstream: Any = None, **inputs: Any) -> Report:
    """Compare the gradients of a model with central differences (of two widths, extrapolated after Richardson), at its parameters
    and these inputs.

        report = gradcheck(model, x=X, y=Y)
        assert report, report

    Without inputs they are drawn at random. Of arrays with more than `elements` elements so many are compared, drawn by `seed`.
    `reference`, the same model in float64, takes the differences of one in float32, which cannot well take its own. Elements
    where the function has a corner (relu at 0, a maximum where two are equal) are left out and counted. Gradients of what is no
    scalar are compared along a random direction, or along `upstream`. Differences go through `stop_gradient` and gradients do
    not: what is behind it is reported as wrong. Declared Jacobians are compared along a random direction of what is
    differentiated, and Hessians along one of what it is differentiated for, by differences of gradients where the model has
    these.

    `tolerance` is the relative error that is accepted: 1e-6, for float32 2e-3. The model is not changed. StateError says that it
    has no gradient; what does not fit is said as by `forward`.
    """
    engine = model.engine
    derived = engine.spec.get("derived", ())
    if not engine.targets and not derived:
        raise StateError(f"{engine.name} has no gradient: {engine.reason()}")
    if not inputs:
        inputs = fitting_inputs(model, seed=seed)
    judge = (reference or model).copy()
    if reference is not None:
        for name in engine.shapes:
            judge.params[name] = model.params[name]
        for name in engine.hypers:
            judge.hyper[name] = model.hyper[name]
    rough = judge.engine.real == np.float32
    tolerance = _number("tolerance", TOLERANCE[str(np.dtype(engine.real))] if tolerance is None else tolerance)
    if isinstance(elements, bool) or not isinstance(elements, int | np.integer) or elements < 1:
        raise ArgumentError(f"elements: expected a whole number from 1 up, got {elements!r}")
    out = model.copy().forward(**inputs)        # says what is wrong with the inputs
    kinds = {spec["name"]: spec["kind"] for spec in engine.spec["inputs"]}
    inputs = {_same(name, kinds): value for name, value in inputs.items()}
    given = {name: np.array(_real(name, value, judge.engine.real)) if kinds.get(name) == "real" else value
             for name, value in inputs.items()}
    rng = np.random.Generator(np.random.PCG64([seed, 7]))
    ups: dict[str, Any] = {}
    for target in engine.spec["targets"]:
        if target["shape"]:
            shape = np.shape(out[target["name"]]) if target["name"] in out else ()
            ups[target["name"]] = rng.uniform(0.5, 1.5, shape)
    if upstream is not None:
        if not _by_name(upstream):
            if len(ups) != 1:
                raise ArgumentError(f"upstream: {', '.join(ups) or 'no gradient'} wants one; give a dict by name")
            upstream = {next(iter(ups)): upstream}
        for key in list(upstream.keys()):
            if key not in ups:
                raise ArgumentError(f"upstream: no gradient of an array {key!r} is taken{_meant(key, ups)}")
            ups[key] = _shaped(f"upstream of {key}", upstream[key], ups[key].shape, judge.engine.real)
    worker = model.copy()
    gradients: Any = worker.value_and_grad(ups or None, **inputs)[1] if engine.targets else {}

    checks: list[Check] = []
    skipped: list[str] = []
    steepest = 0.0
    for target in engine.spec["targets"]:
        name = target["name"]
        mine = gradients if engine.top is not None and engine.top[0] == name else gradients[name]
        if name not in out:
            skipped.append(f"{name} is no output: its gradients are not compared")
            continue

        def value(_: Any, name: str = name) -> float:
            result = np.asarray(judge.forward(**given)[name], np.float64)
            return float(np.sum(result * ups[name])) if name in ups else float(result)

        sizes = [float(np.max(np.abs(mine[v]), initial=0.0)) for v, kind, *_ in target["wrt"] if kind != "value"]
        rounding = 8 * float(np.finfo(engine.real).eps) * max(sizes, default=0.0)
        steepest = max(steepest, rounding if math.isfinite(rounding) else 0.0)
        for variable, kind, *_ in target["wrt"]:
            if kind == "value":
                skipped.append(f"d {name} / d {variable}: {variable} is computed, and cannot be varied by itself")
                continue
            array = judge.params[variable] if kind == "param" else given[variable]
            gradient = np.asarray(mine[variable], np.float64)
            checks.append(_compare(value, array, gradient, rng, elements, rough, (name, variable, kind, tolerance),
                                   rounding if math.isfinite(rounding) else 0.0))
    for spec in derived:
        of, (variable, kind), what = spec["of"], spec["wrt"], spec["call"].replace("_", " ")
        slope = next((t for t in engine.spec["targets"] if t["name"] == of and variable in [w[0] for w in t["wrt"]]), None)
        why = f"{variable} is computed, and cannot be varied by itself" if kind == "value" else ""
        if not why and what == "jacobian" and of not in out:
            why = f"{of} is no output"
        if not why and what != "jacobian" and slope is None:
            why = f"`gradient {of} wrt {variable}` would say what with"
        if why:
            skipped.append(f"{what} {of} wrt {variable} is not compared: {why}")
            continue
        needed = engine.declared(spec["call"]).needs.names
        asked = {key: given_ for key, given_ in inputs.items() if key in needed or key not in kinds}
        found = np.asarray(getattr(worker, spec["call"])(**asked)[spec["name"]], np.float64)
        array = judge.params[variable] if kind == "param" else given[variable]
        direction = rng.uniform(0.5, 1.5, np.shape(out[of]) if what == "jacobian" else array.shape)
        if spec["each"]:        # the sum of the rows of a block, each so many times
            rows, axes = len(direction), array.shape[1:]
            mine = np.einsum("nk,nkd->nd", direction.reshape(rows, -1), found.reshape(rows, -1, math.prod(axes)))
            mine = mine.reshape(array.shape)
        else:
            mine = found if what == "hessian diagonal" else np.tensordot(direction, found, direction.ndim)

        def along(index: Any, of: str = of, what: str = what, variable: str = variable, direction: Array = direction) -> float:
            if what == "jacobian":
                return float(np.sum(np.asarray(judge.forward(**given)[of], np.float64) * direction))
            all_ = judge.value_and_grad(ups or None, **given)[1]
            here = np.asarray((all_ if engine.top is not None and engine.top[0] == of else all_[of])[variable], np.float64)
            return float(here[index] if what == "hessian diagonal" else np.sum(here * direction))

        about = f"{what} {of}", variable, kind, tolerance
        # second derivatives are differences of gradients, which are rounded
        rounding = 0.0 if what == "jacobian" else steepest / (2e-2 if rough else 1e-4)
        checks.append(_compare(along, array, mine, rng, elements, rough, about, rounding))
    return Report(engine.name, tuple(checks), tuple(skipped))


def _compare(value: Any, array: Array, gradient: Array, rng: Any, elements: int, rough: bool, about: Any,
             rounding: float) -> Check:
    """``rounding``: how far the model's own gradients may be off where large ones cancel, and the true one is 0."""
    target, name, kind, tolerance = about
    places = np.arange(array.size)
    if array.size > elements:
        places = np.sort(rng.choice(array.size, elements, replace=False))
    largest = float(np.max(np.abs(gradient), initial=0.0))
    worst: tuple[float, int, float, float] = (0.0, -1, 0.0, 0.0)
    kinks = 0
    for place in places.tolist():
        index = np.unravel_index(place, array.shape)
        mine = float(gradient[index])
        error, difference, corner = _difference(value, array, index, mine, largest, rough, tolerance, rounding)
        if corner:
            kinks += 1
        elif worst[1] < 0 or not error <= worst[0]:
            worst = (error if error == error else math.inf, place, mine, difference)
    where = tuple(int(k) for k in np.unravel_index(worst[1], array.shape)) if worst[1] >= 0 else ()
    error, _, mine, difference = worst
    return Check(target, name, kind, array.shape, error, where, mine, difference, len(places) - kinks, kinks, tolerance)


def _difference(value: Any, array: Array, index: Any, mine: float, largest: float, rough: bool,
                tolerance: float, rounding: float) -> tuple[float, float, bool]:
    """(relative error, the difference, whether there is a corner) at one element: with smaller steps where the first says no."""
    before = array[index]
    unit = max(1.0, abs(float(before)))
    eps = 1.2e-7 if rough else 2.3e-16
    best = (math.inf, math.nan)
    sides = (0.0, 0.0)
    centre = value(index)
    try:
        for step in ((2e-2, 5e-3, 1e-3) if rough else (1e-4, 1e-5, 1e-6)):
            estimates = []
            for h in (step * unit, step * unit / 2):
                array[index] = before + h
                up, high = float(array[index]), value(index)
                array[index] = before - h
                down, low = float(array[index]), value(index)
                estimates.append((high - low) / (up - down))
                sides = (high - centre) / (up - float(before)), (centre - low) / (float(before) - down)
            difference = (4 * estimates[1] - estimates[0]) / 3      # the error of second order cancels
            noise = 8 * eps * max(abs(high), abs(low)) / (step * unit)
            scale = max(abs(mine), abs(difference)) + 1e-4 * largest + (noise + rounding) / tolerance
            error = abs(mine - difference) / scale if scale else 0.0
            if not math.isfinite(difference) or not math.isfinite(mine):
                error = math.inf
            if error < best[0] or best[1] != best[1]:
                best = error, difference
            if error <= tolerance:
                break
    finally:
        array[index] = before
    if best[0] > tolerance:
        # At a corner the slopes of the two sides differ however small the step, and a gradient between them is right.
        gap, bound = abs(sides[0] - sides[1]), max(abs(sides[0]), abs(sides[1]), 1e-4 * largest)
        low, high = min(sides) - 1e-3 * bound, max(sides) + 1e-3 * bound
        if gap > 1e-2 * bound and low <= mine <= high:
            return 0.0, best[1], True
    return best[0], best[1], False


# ---- how long something takes

def best_time(call: Any, seconds: float = 0.2) -> float:
    """Seconds that one call takes: the best of the runs that fit into this time."""
    import time
    count, spent = 1, 0.0
    while True:
        start = time.perf_counter()
        for _ in range(count):
            call()
        spent = time.perf_counter() - start
        if spent > seconds / 10:
            break
        count *= 2
    best, end = spent / count, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(count):
            call()
        best = min(best, (time.perf_counter() - start) / count)
    return best
