"""Kernels that are worth being compiled for a few rows by themselves."""

from __future__ import annotations

from typing import Final

from ..loops.ir import ArgBest, Assign, Loop, Nest, Product, Zero
from ..loops.nest import STRIP
from ..loops.nodes import walk
from .costs import operations

SMALL: Final = 1024  # operations on a row: of more, those that a length that is not known costs are a small share


def few(nest: Nest) -> tuple[str, tuple[int, ...]] | None:
    """The free size that all loops of a small training kernel are over, and the numbers of rows for which it is compiled as well:
    a single one; and where it goes in strips, as many rows as one has, or half of them."""
    slots = nest.kernel.slots
    if "kept" in slots or not any(slot == "rule" or slot.startswith(("grad:", "din:")) for slot in slots):
        return None
    every = list(walk(nest.body))
    count = operations(nest.body)[0]
    loops = [node for node in every if isinstance(node, Loop)]
    free = count.free().union(*(loop.extent.free() for loop in loops))  # a product has sizes without loops
    if len(free) != 1 or not all(isinstance(node, Loop | Assign | ArgBest | Product | Zero) for node in every):
        return None
    (rows,) = free
    outer = [node for node in nest.body if isinstance(node, Loop) and node.extent.value is None]
    if any(loop.extent.name != rows for loop in outer) or count.evaluate({rows: 1}) > SMALL:
        return None
    return rows, (1, STRIP // 2, STRIP) if any(loop.strip for loop in outer) else (1,)
