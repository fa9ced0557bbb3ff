"""How long each part of a model takes: `print(model.profile(x=x, y=y))`."""
from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arguments import _dim
from .errors import ArgumentError, StateError
from .loading import peak
from .model import Model
from .optimizers import resolve

WARM = 3    # calls before the clock counts
SMALL = 0.001   # a share below which the table tells only how many parts there are


@dataclass(frozen=True)
class Part:
    """A loop nest or a matrix product of a kernel. Times are the least of all steps, as what else runs can only
    slow a part down; those of all runs of the part in a step add up."""

    kernel: str
    phase: str              # forward, backward, both, or update
    lines: tuple[tuple[str, int, str], ...]     # of the model: file, number, text; first the one that does most
    what: str               # the values that it computes; of a product also its rows, columns and depth
    product: bool
    times: int              # how often it runs in a step
    seconds: float
    share: float            # of all parts
    operations: int
    transcendental: int     # how many of the operations are exp, tanh, ...
    bytes: int              # of the arrays that it reads, and of those that it writes, each once a run
    of_flops: float | None      # its operations a second over what the profile's threads can do at most
    of_bandwidth: float | None  # its bytes a second over what they can read or copy of so many

    @property
    def flops(self) -> float:
        """Operations a second."""
        return self.operations / self.seconds if self.seconds else 0.0

    @property
    def bandwidth(self) -> float:
        """Bytes a second."""
        return self.bytes / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Profile:
    """What `profile` measured, the longest part first. Its text is a table."""

    model: str
    dtype: str
    call: str               # what a step is
    sizes: Mapping[str, int]
    steps: int
    threads: int            # how many may share a part
    seconds: float          # of a step: the least
    rest: float             # of it, what is outside of the parts
    parts: tuple[Part, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        parts = [{**vars(p), "lines": [list(line) for line in p.lines], "flops": p.flops, "bandwidth": p.bandwidth}
                 for p in self.parts]
        return {**vars(self), "sizes": dict(self.sizes), "parts": parts}

    def __str__(self) -> str:
        sizes = "".join(f", {name}={value}" for name, value in self.sizes.items())
        lines = [f"{self.model}, {self.dtype}{sizes}: {self.call} takes {_time(self.seconds)}, the best of {self.steps}"]
        known = any(p.of_flops is not None for p in self.parts)
        rows = [("share", "time", "GFLOP/s", *(["of peak"] * known), "GB/s", *(["of peak"] * known), "")]
        small = [p for p in self.parts if p.share < SMALL]
        for p in self.parts[: len(self.parts) - len(small)]:
            numbers = [f"{p.share:.1%}", _time(p.seconds), f"{p.flops / 1e9:.3g}", f"{p.bandwidth / 1e9:.3g}"]
            if known:
                numbers[3:3] = [_share(p.of_flops)]
                numbers.append(_share(p.of_bandwidth))
            rows.append((*numbers, _told(p)))
        empty = [""] * (len(rows[0]) - 3)
        if small:
            total = f"{sum(p.share for p in small):.1%}", _time(sum(p.seconds for p in small))
            rows.append((*total, *empty, f"{len(small)} parts of less than {SMALL:.1%} each"))
        rows.append(("", _time(self.rest), *empty, "the call, and what is around the parts"))
        widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]) - 1)]
        for *cells, last in rows:
            lines.append("  ".join([*(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)), last]).rstrip())
        team = "one thread" if self.threads == 1 else f"{self.threads} threads"
        return "\n".join([*lines, *([f"of peak: of what {team} of this machine can do"] if known else [])])

    __repr__ = __str__


def _told(part: Part) -> str:
    place = ""
    if part.lines:
        file, line, text = part.lines[0]
        more = f" and {len(part.lines) - 1} more" if len(part.lines) > 1 else ""
        place = f"{file}:{line}{more}   {text}"
    again = f", {part.times} times" if part.times != 1 else ""
    return f"{part.phase:<8} {part.what}{again}   {place}"


def _time(seconds: float) -> str:
    for limit, unit, scale in ((1e-6, "ns", 1e9), (1e-3, "µs", 1e6), (1.0, "ms", 1e3)):
        if seconds < limit:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds:.3g} s"


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def profile(model: Model, optimizer: Any = None, steps: int = 100, inputs: Mapping[str, Any] | None = None) -> Profile:
    """Measure so many training steps on `inputs` (of a model without a loss: values and gradients, or values alone). The
    model is not changed. Its module must have been made for it: `load(..., profiled=True)`."""
    engine, inputs = model.engine, dict(inputs or {})
    spent = engine.module.get("_spent")
    if spent is None:
        raise StateError(f"{engine.name} was not made to profile: load it with profiled=True, or use gradwright profile")
    if steps < 1:
        raise ArgumentError(f"steps is 1 or more, not {steps}")
    own: Model = model.copy()
    _, sizes, _ = engine.take(engine.full, engine.forward, inputs, own._hyper_vector)
    call, once = _call(own, optimizer, inputs)
    for _ in range(WARM):
        once()
    spent()
    times: list[float] = []
    parts: list[Sequence[int]] = []
    rests: list[float] = []
    for _ in range(steps):
        start = time.perf_counter()
        once()
        times.append(time.perf_counter() - start)
        parts.append(spent())
        rests.append(times[-1] - sum(parts[-1]) / 1e9)
    env = dict(zip(engine.sizes, sizes, strict=True))
    seconds = [min(column) / 1e9 for column in zip(*parts, strict=True)]
    threads = engine.module["_threads"]()
    found = _parts(engine.module["_PARTS"], seconds, env, engine.spec["dtype"], threads)
    return Profile(engine.name, engine.spec["dtype"], call, env, steps, threads, min(times), max(min(rests), 0.0), found)


def _call(model: Model, optimizer: Any, inputs: Mapping[str, Any]) -> tuple[str, Callable[[], Any]]:
    """What a step is, and a function that does one."""
    engine = model.engine
    if "train" in engine.plans and engine.spec["loss"] is not None:
        rule = resolve(engine.spec, optimizer or (None if engine.spec["optimizer"] else "adam"))
        return f"a training step with {rule.name}", lambda: model.step(rule, **inputs)
    if not engine.targets:
        return "a forward pass", lambda: model.forward(**inputs)
    out = model.forward(**inputs)
    ups = {t["name"]: np.ones(np.shape(out[t["name"]])) for t in engine.spec["targets"] if t["shape"] and t["name"] in out}
    return "a call of value_and_grad", lambda: model.value_and_grad(ups or None, **inputs)


def _parts(table: Sequence[Any], seconds: Sequence[float], env: Mapping[str, int], dtype: str,
           threads: int) -> tuple[Part, ...]:  # fmt: skip
    """Those that ran, the longest first."""
    limits = peak()
    total = sum(seconds)
    found = []
    for row, taken in zip(table, seconds, strict=True):
        kernel, phase, lines, what, product, times, operations, transcendental, arrays = row
        if not taken:
            continue

        def value(dim: Any) -> int:
            return _dim(dim, dict(env))

        runs = value(times)
        sizes = [(width * min(max(map(value, counts)), value(size)), both) for width, counts, size, both in arrays]
        touched, moved = sum(size for size, _ in sizes), sum(size * both for size, both in sizes)
        count = runs * value(operations)
        of_flops = of_bandwidth = None
        if limits is not None:
            team = min(threads, max(limits.flops[dtype]))  # more threads than processors do no more
            of_flops = count / taken / limits.flops[dtype][team]
            of_bandwidth = runs * moved / taken / limits.bandwidth(touched, team)
        found.append(Part(kernel, phase, lines, what, product, runs, taken, taken / total, count, runs * value(transcendental),
                          runs * moved, of_flops, of_bandwidth))
    return tuple(sorted(found, key=lambda part: -part.seconds))


__all__ = ["Part", "Profile", "profile"]
