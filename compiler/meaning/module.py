"""The kernels of a module run by the interpreter: what a module of the NumPy backend has in place of compiled code.

Such a module holds the graphs of its kernels as text. ``run`` and ``train`` do what ``_run`` and ``_train`` of a compiled
module do, argument by argument, slowly.
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

    def train(
        self, kernel: int, update: int, slots: tuple[Array, ...], sizes: tuple[int, ...], batches: tuple[Any, ...],
        rule: tuple[Any, ...],
    ) -> int:  # fmt: skip
        """A run of training steps; see ``_train`` in module.pxi for what the arguments are."""
        rowbytes, _, order, epochs, rows, batch, loss, losses, progress = batches
        theta, grad, states, hypers, groups, rate, rates, clip_norm, clip_value, t = rule
        steps = 0
        if batch == 0:
            rows = 1
        for epoch in range(epochs):
            total, start = 0.0, 0
            while start < rows:
                size = min(batch, rows - start) if batch else 1
                given, extents = slots, sizes
                if batch:
                    taken = slice(start, start + size) if order is None else order[epoch, start : start + size]
                    given = tuple(a[taken] if n else a for a, n in zip(slots, rowbytes, strict=True))
                    extents = (size, *sizes[1:])
                self.run(kernel, given, extents)
                total += float(loss) * size
                if clip_value > 0:
                    np.clip(grad, -clip_value, clip_value, out=grad)
                if clip_norm > 0:
                    norm = float(np.sqrt(np.sum(np.square(grad, dtype=np.float64))))
                    if norm > clip_norm:
                        grad *= clip_norm / norm
                t += 1
                for (first, length), own in zip(groups.tolist(), hypers.tolist(), strict=True):
                    if rates is not None:
                        own[rate] *= float(rates[steps])
                    part = slice(first, first + length)
                    self.updates[update](theta[part], grad[part], [s[part] for s in states], own, t)
                steps, start = steps + 1, start + size
                progress[1] = steps
            losses[epoch] = total / rows if rows else float("nan")
            progress[0] = epoch + 1
        return steps


def _dim(dim: Any, sizes: Mapping[str, int]) -> int:
    if isinstance(dim, tuple):
        op, a, b = dim[0], _dim(dim[1], sizes), _dim(dim[2], sizes)
        return {"+": a + b, "-": a - b, "*": a * b}[op] if op in "+-*" else a // b if op == "//" else a % b
    return sizes[dim] if isinstance(dim, str) else int(dim)


def _view(slot: Array, offset: int, shape: Shape, sizes: Mapping[str, int]) -> Array:
    extents = tuple(d.evaluate(sizes) for d in shape)
    return slot.reshape(-1)[offset : offset + int(np.prod(extents, dtype=np.int64))].reshape(extents)
