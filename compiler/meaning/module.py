"""The kernels of a module run by the interpreter: what a module of the NumPy backend has in place of compiled code.

Such a module holds the graphs of its kernels as text. ``run`` does what ``_run`` of a compiled module does, argument by
argument, slowly; ``updates`` are what ``fit`` calls between the runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..graph.ir import Graph
from ..graph.shapes import Shape
from ..graph.text import parse_graph
from .interpret import run as interpret

Array = np.ndarray[Any, np.dtype[Any]]


class _Kernel:
    """One kernel: its graph, and where in the slots each of its inputs and outputs lives, as (value, slot, offset)."""

    def __init__(self, text: str, places: Sequence[tuple[str, str, Any]], slots: Sequence[str]) -> None:
        self.text, self.places = text, [(value, slots.index(slot), offset) for value, slot, offset in places]

    @cached_property
    def graph(self) -> Graph:
        return parse_graph(self.text)

    def __call__(self, slots: Sequence[Array], sizes: Mapping[str, int], dtype: str) -> None:
        known = self.graph.values()
        asked = {v.name for v in self.graph.inputs}
        views = [(value, _view(slots[slot], _dim(at, sizes), known[value].shape, sizes)) for value, slot, at in self.places]
        found = interpret(self.graph, {value: view for value, view in views if value in asked}, sizes, dtype)
        for value, view in views:
            if value not in asked:
                view[...] = found[value]


class _Update:
    """One optimiser's rule: its graph over w, g, the states, the hyper-parameters and t, all of them inputs in this order."""

    def __init__(self, text: str, states: int) -> None:
        self.text, self.states = text, states

    @cached_property
    def graph(self) -> Graph:
        return parse_graph(self.text)

    def __call__(self, w: Array, g: Array, states: Sequence[Array], hypers: Sequence[float], t: float) -> None:
        names = [v.name for v in self.graph.inputs]
        found = interpret(self.graph, dict(zip(names, [w, g, *states, *hypers, t], strict=True)), {"n": w.size}, w.dtype)
        for array, value in zip([w, *states], self.graph.outputs, strict=True):
            array[...] = found[value]


class Kernels:
    """All kernels of a module. ``spec`` is the module's ``_SPEC``."""

    def __init__(
        self,
        spec: Mapping[str, Any],
        kernels: Mapping[str, tuple[str, Sequence[tuple[str, str, Any]]]],
        updates: Mapping[str, str],
    ) -> None:
        self.sizes, self.dtype = spec["sizes"], spec["dtype"]
        self.kernels = [_Kernel(*kernels[k["name"]], k["slots"]) for k in spec["kernels"]]
        self.updates = [_Update(updates[u["name"]], len(u["states"])) for u in spec["updates"]]

    def run(self, kernel: int, arrays: tuple[Array, ...], sizes: tuple[int, ...]) -> None:
        """Run one kernel on these arrays."""
        self.kernels[kernel](arrays, dict(zip(self.sizes, sizes, strict=True)), self.dtype)


def _dim(dim: Any, sizes: Mapping[str, int]) -> int:
    if isinstance(dim, tuple):
        op, a, b = dim[0], _dim(dim[1], sizes), _dim(dim[2], sizes)
        return {"+": a + b, "-": a - b, "*": a * b}[op] if op in "+-*" else a // b if op == "//" else a % b
    return sizes[dim] if isinstance(dim, str) else int(dim)


def _view(slot: Array, offset: int, shape: Shape, sizes: Mapping[str, int]) -> Array:
    extents = tuple(d.evaluate(sizes) for d in shape)
    return slot.reshape(-1)[offset : offset + int(np.prod(extents, dtype=np.int64))].reshape(extents)
