"""How long a model takes: `print(bench(model))`."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .checking import best_time, fitting_inputs
from .model import Model
from .optimizers import resolve

KINDS = ("predict", "forward", "forward + backward", "training step")


@dataclass(frozen=True)
class Timing:
    """Microseconds a call for one batch size, the best of several runs; None where the model has no such call."""

    batch: int | None       # None: the model has no free size
    predict: float
    forward: float
    forward_backward: float | None
    step: float | None


@dataclass(frozen=True)
class Timings:
    """What `bench` measured. Its text is a table."""

    model: str
    dtype: str
    parameters: int
    size: str       # the name of the batch's size, if there is one
    rows: tuple[Timing, ...]

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [(self.size, *KINDS)]
        for row in self.rows:
            times = (row.predict, row.forward, row.forward_backward, row.step)
            rows.append(("" if row.batch is None else str(row.batch), *("-" if t is None else f"{t:,.2f}" for t in times)))
        widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
        lines = ["  ".join([row[0].ljust(widths[0]), *(row[k].rjust(widths[k]) for k in range(1, len(row)))]) for row in rows]
        return "\n".join([*lines, f"microseconds a call; {self.dtype}, {self.parameters} parameters"])

    __repr__ = __str__


def bench(model: Any, batches: Sequence[int] = (1, 32, 256, 1024), *, sizes: Mapping[str, int] | None = None,
          optimizer: Any = None, seconds: float = 0.2, seed: int = 0) -> Timings:
    """Measure a model on random inputs, `seconds` for each kind of call and each batch size; it is not changed. `sizes` gives
    other free sizes. A training step is that of `optimizer`, else of the model's own, else Adam's. The times are microseconds a
    call. ArgumentError names a size that the model does not have."""
    engine, spec = model.engine, model.engine.spec
    first = engine.sizes[0] if engine.sizes else None
    rows = []
    for batch in batches if first else (None,):
        given = {**({first: int(batch)} if first and batch is not None else {}), **(sizes or {})}
        kinds = {i["name"]: engine.real if i["kind"] == "real" else np.dtype(np.int64) for i in spec["inputs"]}
        inputs = {name: np.ascontiguousarray(value, kinds[name]).reshape(np.shape(value)) if name in kinds else value
                  for name, value in fitting_inputs(model, given, seed=seed).items()}
        rows.append(Timing(batch, *_times(model.copy(), spec, inputs, optimizer, seconds)))
    return Timings(engine.name, spec["dtype"], engine.count, first or "", tuple(rows))


def _times(model: Model, spec: Mapping[str, Any], inputs: dict[str, Any], optimizer: Any,
           seconds: float) -> tuple[float, float, float | None, float | None]:
    engine = model.engine
    needed = {name: value for name, value in inputs.items() if name in engine.predict.needs.names or name in engine.sizes}
    predict = best_time(lambda: model.predict(**needed), seconds) * 1e6
    out = model.forward(**inputs)
    forward = best_time(lambda: model.forward(**inputs), seconds) * 1e6
    if not engine.targets:
        return predict, forward, None, None
    ups = {t["name"]: np.ones(np.shape(out[t["name"]])) for t in spec["targets"] if t["shape"] and t["name"] in out}
    both = best_time(lambda: model.value_and_grad(ups or None, **inputs), seconds) * 1e6
    if "train" not in engine.plans:
        return predict, forward, both, None
    rule = resolve(spec, optimizer or (None if spec["optimizer"] else "adam"))
    return predict, forward, both, best_time(lambda: model.step(rule, **inputs), seconds) * 1e6
