"""Gradwright: the models of models/, compiled. What is small is called as its documentation says for small models, by position
and with everything bound, and large results are handed in again to be filled; ``gradwright-model`` calls it by the names of the
model, with all checks; ``gradwright-native`` is compiled for this machine where the others are for an older one.
"""

from __future__ import annotations

from typing import Any, Literal

from gradwright.runtime import load, optimizers

from ..workloads import Data, Workload
from . import Program, number, numbers

LARGE = 1 << 18  # bytes of results that are worth the checks of handing them in
Backend = Literal["cython", "numpy"]


def make(w: Workload, name: str = "gradwright", threads: int = 1, backend: Backend = "cython") -> Program:
    march = "native" if name == "gradwright-native" else w.march
    module: Any = load(w.path, dtype=w.dtype, sizes=dict(w.sizes), threads=threads, backend=backend, march=march)
    data = w.data()
    model = module.Model(seed=0)
    for key, value in data.params.items():
        model.params[key] = value
    quick = name != "gradwright-model"
    if w.kind == "train":
        program = _train(w, model, data, quick)
    elif quick and w.model in ("product", "neuron") and hasattr(module, "value_and_grad_at"):
        program = _at_a_point(module, model, data)
    else:
        program = _gradient(model, data, quick) if w.kind == "gradient" else _predict(model, data)
    return Program(program.run, program.found, program.ways, {"header": module.__doc__, "sizes": _sizes(model, data)})


def _sizes(model: Any, data: Data) -> dict[str, int]:
    """The free sizes, as the inputs have them."""
    found: dict[str, int] = {}
    for spec in model.engine.spec["inputs"]:
        for dim, extent in zip(spec["shape"], data.inputs[spec["name"]].shape, strict=True):
            if isinstance(dim, str):
                found[dim] = extent
    return found


def _at_a_point(module: Any, model: Any, data: Data) -> Program:
    function = module.value_and_grad_at
    numbers_in = [array.item() if array.ndim == 0 else tuple(array.tolist()) for array in (data.inputs | data.params).values()]
    last: Any = None

    def run(calls: int) -> None:
        nonlocal last
        if len(numbers_in) == 3:
            x, y, z = numbers_in
            for _ in range(calls):
                last = function(x, y, z)
        else:
            x, w = numbers_in
            for _ in range(calls):
                last = function(x, w)

    return Program(run, lambda: numbers(*last), _ways(model, data.inputs))


def _train(w: Workload, model: Any, data: Data, bound: bool) -> Program:
    inputs = data.inputs
    name, hypers = w.optimizer
    optimizer = optimizers.Optimizer(name, **hypers)
    last = 0.0
    rows = len(next(iter(inputs.values())))
    steps = model.bind(optimizer, **inputs) if bound and hasattr(model, "bind") else None

    def run(calls: int) -> None:
        nonlocal last
        if steps is not None and w.loop == 1:
            for _ in range(calls):
                last = steps()
        elif steps is not None:
            for _ in range(calls):
                last = steps(w.loop)
        elif w.loop == 1:
            for _ in range(calls):
                last = model.step(optimizer, **inputs)
        else:
            for _ in range(calls):
                history = model.fit(inputs, optimizer, epochs=w.loop, batch_size=rows, shuffle=False, progress=False)
                last = history.loss[-1]

    return Program(run, lambda: number(last), _ways(model, inputs))


def _gradient(model: Any, data: Data, handed: bool) -> Program:
    inputs = data.inputs
    out, gradients = model.value_and_grad(**inputs)
    handed = handed and hasattr(model.engine, "handed") and _bytes(out) + _bytes(gradients) >= LARGE

    def run(calls: int) -> None:
        nonlocal out, gradients
        if handed:
            for _ in range(calls):
                out, gradients = model.value_and_grad(**inputs, out=(out, gradients))
        else:
            for _ in range(calls):
                out, gradients = model.value_and_grad(**inputs)

    def found() -> Any:
        names = [name for name in (*data.inputs, *data.params) if name in gradients]
        value = out["f"] if "f" in out else out["loss"]
        return numbers(value, *(gradients[name] for name in names))

    return Program(run, found, _ways(model, inputs))


def _bytes(results: Any) -> int:
    return sum(int(value.nbytes) for value in results)


def _ways(model: Any, inputs: Any) -> dict[str, Any]:
    def forward(calls: int) -> None:
        for _ in range(calls):
            model.forward(**inputs)

    def gradient(calls: int) -> None:
        for _ in range(calls):
            model.value_and_grad(**inputs)

    return {"forward": forward, "gradient": gradient}


def _predict(model: Any, data: Data) -> Program:
    x = data.inputs["x"]
    out: Any = None

    def run(calls: int) -> None:
        nonlocal out
        for _ in range(calls):
            out = model.predict(x=x)

    return Program(run, lambda: numbers(next(iter(out))))
