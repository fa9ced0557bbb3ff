"""Models as modules, many of them in one C file: the runtime's own face over kernels that were built together."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from gradwright.compiler.emit.numpy import emit_numpy
from gradwright.compiler.emit.spec import spec
from gradwright.compiler.graph.ir import Model
from gradwright.compiler.language.source import Source
from gradwright.compiler.loops.buffers import lower_all
from gradwright.compiler.loops.ir import Nest
from gradwright.compiler.passes.kernels import Plan, plan
from gradwright.runtime.model import install

from . import settings
from .kernels import load_nests


@dataclass(frozen=True)
class Modules:
    plan: Plan
    compiled: Any  # namespaces with Model, forward, value_and_grad...
    numpy: Any


class Namespace:
    def __init__(self, values: Mapping[str, Any]) -> None:
        self.__dict__.update(values)


def numpy_module(made: Plan, sources: Mapping[str, Source], name: str) -> Any:
    """The NumPy backend's module of a plan."""
    texts = emit_numpy(made, sources, version="0", digest="0" * 64, command="gradwright")
    module = ModuleType(name)
    sys.modules[name] = module
    code = compile(texts[f"{made.model.name}.py"], f"{name}.py", "exec")
    exec(code, module.__dict__)  # what the compiler wrote, not what a user did
    return module


def build_modules(
    models: Sequence[Model | Plan], sources: Sequence[Mapping[str, Source]], folder: Path, single: bool = False,
    level: int | None = None,
) -> list[Modules]:
    """All ``models`` (of one real type; some may be planned already) with their kernels in one C file."""
    level = settings.little() if level is None else level
    plans = [m if isinstance(m, Plan) else plan(m) for m in models]
    nests: list[Nest] = []
    frees: list[tuple[str, ...]] = []
    spans: list[range] = []
    for made in plans:
        start = len(nests)
        for nest in lower_all(made.kernels):
            nests.append(replace(nest, kernel=replace(nest.kernel, name=f"k{len(nests)}")))
            frees.append(made.model.free)
        spans.append(range(start, len(nests)))
    run: Callable[[int, list[Any], list[int]], None] = load_nests(nests, frees, folder, single, level).run
    found: list[Modules] = []
    for made, span, known in zip(plans, spans, sources, strict=True):
        own = [replace(nests[k].kernel, name=kernel.name) for k, kernel in zip(span, made.kernels, strict=True)]
        table = spec(made.model, own, [nests[k].work for k in span], version="0", digest="0" * 64, backend="cython")

        def call(kernel: int, arrays: Any, sizes: Any, first: int = span.start) -> None:
            run(first + kernel, list(arrays), list(sizes))

        namespace: dict[str, Any] = {"_SPEC": table, "_run": call, "__name__": made.model.name}
        install(namespace)
        found.append(Modules(made, Namespace(namespace), numpy_module(made, known, f"_numpy_{made.model.name}")))
    return found


def drawn(
    made: Modules, sizes: Mapping[str, int], rng: np.random.Generator, between: tuple[float, float] | None = None
) -> dict[str, Any]:  # fmt: skip
    """Inputs of a model: real numbers between two, or else normal ones."""
    found: dict[str, Any] = {}
    for declared in made.plan.model.inputs:
        shape = tuple(d.evaluate(sizes) for d in declared.value.shape)
        if declared.below is not None:
            found[declared.value.name] = rng.integers(0, declared.below.evaluate(sizes), shape)
        else:
            found[declared.value.name] = rng.normal(size=shape) if between is None else rng.uniform(*between, shape)
    return found


def load_file(name: str, path: Path) -> ModuleType:
    made = importlib.util.spec_from_file_location(name, path)
    assert made is not None and made.loader is not None
    module = importlib.util.module_from_spec(made)
    made.loader.exec_module(module)
    return module
