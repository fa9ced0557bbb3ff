"""Gradwright: the models of models/, compiled."""

from __future__ import annotations

from typing import Any, Literal

from gradwright.runtime import load, optimizers

from ..workloads import Data, Workload
from . import Program, number, numbers

Backend = Literal["cython", "numpy"]


def make(w: Workload, name: str = "gradwright", threads: int = 1, backend: Backend = "cython") -> Program:
    module: Any = load(w.path, dtype=w.dtype, sizes=dict(w.sizes), threads=threads, backend=backend)
    data = w.data()
    model = module.Model(seed=0)
    for key, value in data.params.items():
        model.params[key] = value
    program = {"train": _train, "gradient": _gradient, "predict": _predict}[w.kind](w, model, data)
    return Program(program.run, program.found, program.ways, {"header": module.__doc__, "sizes": _sizes(model, data)})


def _sizes(model: Any, data: Data) -> dict[str, int]:
    """The free sizes, as the inputs have them."""
    found: dict[str, int] = {}
    for spec in model.engine.spec["inputs"]:
        for dim, extent in zip(spec["shape"], data.inputs[spec["name"]].shape, strict=True):
            if isinstance(dim, str):
                found[dim] = extent
    return found


def _train(w: Workload, model: Any, data: Data) -> Program:
    inputs = data.inputs
    name, hypers = w.optimizer
    optimizer = optimizers.Optimizer(name, **hypers)
    last = 0.0
    rows = len(next(iter(inputs.values())))

    def run(calls: int) -> None:
        nonlocal last
        if w.loop == 1:
            for _ in range(calls):
                last = model.step(optimizer, **inputs)
        else:
            for _ in range(calls):
                history = model.fit(inputs, optimizer, epochs=w.loop, batch_size=rows, shuffle=False, progress=False)
                last = history.loss[-1]

    return Program(run, lambda: number(last), _ways(model, inputs))


def _gradient(w: Workload, model: Any, data: Data) -> Program:
    inputs = data.inputs
    out: Any = None
    gradients: Any = None

    def run(calls: int) -> None:
        nonlocal out, gradients
        for _ in range(calls):
            out, gradients = model.value_and_grad(**inputs)

    def found() -> Any:
        names = [name for name in (*data.inputs, *data.params) if name in gradients]
        value = out["f"] if "f" in out else out["loss"]
        return numbers(value, *(gradients[name] for name in names))

    return Program(run, found, _ways(model, inputs))


def _ways(model: Any, inputs: Any) -> dict[str, Any]:
    def forward(calls: int) -> None:
        for _ in range(calls):
            model.forward(**inputs)

    def gradient(calls: int) -> None:
        for _ in range(calls):
            model.value_and_grad(**inputs)

    return {"forward": forward, "gradient": gradient}


def _predict(w: Workload, model: Any, data: Data) -> Program:
    x = data.inputs["x"]
    out: Any = None

    def run(calls: int) -> None:
        nonlocal out
        for _ in range(calls):
            out = model.predict(x=x)

    return Program(run, lambda: numbers(next(iter(out))))
