"""What a model is worth on data that it is not trained on."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .arguments import _same
from .errors import ArgumentError
from .metrics import Metric
from .model import Model
from .named import Named
from .streams import Mapped, mapped, selected
from .trainer import _uses

_EVALUATED = 4096       # rows of validation data that are evaluated at a time
_LARGE = 1 << 26        # bytes of a memory-mapped array of which no part is copied to hold rows out


def split(model: Model, data: Mapping[str, Any], fraction: float, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """(data without, and data of) a random fraction of the rows."""
    engine = model.engine
    name = engine.sizes[0] if engine.sizes else None
    cut = [s["name"] for s in engine.spec["inputs"] if s["shape"] and s["shape"][0] == name]
    if not 0 < fraction < 1 or not cut:
        raise ArgumentError(f"validation: expected data, or a fraction between 0 and 1 of data with rows, got {fraction!r}")
    data = mapped(model, data, _LARGE)
    found, sizes, _ = engine.take(engine.full, engine.forward, dict(data), model._hyper_vector)
    arrays = {key: array for key, array in zip(engine.full.names, found, strict=True) if key in cut}
    rows = sizes[0]
    held = round(rows * fraction)
    if not 0 < held < rows:
        raise ArgumentError(f"validation: {fraction:g} of {rows} rows leaves nothing to train on or nothing to hold out")
    order = np.random.Generator(np.random.PCG64([seed, 1])).permutation(rows)
    others = {key: value for key, value in data.items() if _same(key, cut) not in cut and key != name}
    return ({**others, **{key: selected(array, order[held:]) for key, array in arrays.items()}},
            {**others, **{key: selected(array, order[:held]) for key, array in arrays.items()}})


class _Given(Named):
    """Inputs by name, for a metric; memory-mapped ones of another type are converted when they are asked for."""

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        self.__dict__.update({key: value for key, value in arrays.items() if not isinstance(value, Mapped)})
        self.__dict__[" layout"] = arrays

    def __getattr__(self, name: str) -> Any:
        arrays = self.__dict__.get(" layout", {})
        return arrays[name][:] if name in arrays else Named.__getattr__(self, name)


class _Evaluation:
    """The loss and the metrics of some data, a few thousand rows at a time."""

    def __init__(self, model: Model, data: Any, metrics: Mapping[str, Metric]) -> None:
        if not hasattr(data, "keys"):
            raise ArgumentError(f"validation: expected a dict of arrays by input name, or a fraction, got {type(data).__name__}")
        self.model, self.metrics = model, metrics
        engine = model.engine
        given = mapped(model, data)
        self.arrays, self.sizes, self.hyper = engine.take(engine.full, engine.forward, given, model._hyper_vector)
        name = engine.sizes[0] if engine.sizes else None
        shapes = [spec["shape"] for spec in engine.spec["inputs"]]
        self.cut = [bool(shape) and shape[0] == name for shape in shapes]
        inner = name is None or any(_uses(dim, name) for shape, cut in zip(shapes, self.cut, strict=True)
                                    for dim in shape[int(cut):])
        self.rows = self.sizes[0] if any(self.cut) else 0
        self.most = self.rows if inner else _EVALUATED
        self.outer = {o["name"] for o in engine.spec["outputs"] if o["shape"] and o["shape"][0] == name}

    def __call__(self) -> dict[str, float]:
        model, engine = self.model, self.model.engine
        total, parts = 0.0, []
        for start in range(0, max(self.rows, 1), max(self.most, 1)):
            size = min(self.most, self.rows - start)
            arrays = tuple([a[start:start + size] if cut else a for a, cut in zip(self.arrays, self.cut, strict=True)])
            sizes = (size, *self.sizes[1:]) if self.rows else self.sizes
            lasting = (model._state, model._random) if engine.lasting else ()
            vectors = model._theta, model._frozen, self.hyper, *lasting
            with model._lock:
                parts.append(engine.evaluate(engine.forward, arrays, sizes, vectors, model._predicted))
            total += float(parts[-1][engine.spec["loss"]]) * (size if self.rows else 1)
        found = {"loss": total / max(self.rows, 1)}
        if self.metrics:
            out = parts[0]
            if len(parts) > 1:
                out = type(out)({key: np.concatenate([part[key] for part in parts]) if key in self.outer else parts[-1][key]
                                 for key in list(parts[0].keys())})
            given = _Given(dict(zip(engine.full.names, self.arrays, strict=True)))
            found |= {key: float(metric(out, given)) for key, metric in self.metrics.items()}
        return found
