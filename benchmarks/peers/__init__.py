"""The same work done otherwise. A module a peer: ``make(workload)`` is its program, as its own documentation says to be fast.

A program is run many times within its process and asked afterwards for what it found, so that neither the clock nor the
checking counts. Peers are optional: what cannot be imported is left out, and the runner says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

# name on the command line: (name in tables, module, distributions whose versions are told)
PEERS: Final[Mapping[str, tuple[str, str, tuple[str, ...]]]] = {
    "gradwright": ("Gradwright", "with_gradwright", ("gradwright", "numpy")),
    "gradwright-model": ("Gradwright, by names", "with_gradwright", ("gradwright", "numpy")),
    "gradwright-native": ("Gradwright, native", "with_gradwright", ("gradwright", "numpy")),
    "numpy": ("NumPy", "with_numpy", ("numpy",)),
    "python": ("plain Python", "with_python", ()),
    "numba": ("numba", "with_numba", ("numba",)),
    "sympy": ("SymPy lambdify", "with_sympy", ("sympy",)),
    "casadi": ("CasADi", "with_casadi", ("casadi",)),
    "torch": ("PyTorch", "with_torch", ("torch",)),
    "torch.compile": ("torch.compile", "with_torch", ("torch",)),
    "jax": ("JAX", "with_jax", ("jax", "jaxlib")),
    "onnxruntime": ("ONNX Runtime", "with_onnxruntime", ("onnxruntime", "onnx")),
}
OURS: Final = "gradwright"

Found = list[tuple[float, float]]  # numbers with the size that their errors are measured against


_POINTS: Final = frozenset(("product", "neuron"))  # at a single point
# What a peer has programs for; the others have one for everything.
_DOES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "gradwright-model": lambda w: w.model in _POINTS | {"xor"},
    "gradwright-native": lambda w: w.march != "native",
    "numpy": lambda w: w.kind != "predict" and w.model != "transformer",
    "python": lambda w: w.model in _POINTS,
    "numba": lambda w: w.kind != "predict" and w.model in _POINTS | {"product_many", "neuron_many", "xor", "mlp", "mlp_l2",
                                                                     "expression", "gmm", "bag"},
    "sympy": lambda w: w.model in _POINTS,
    "casadi": lambda w: w.model in _POINTS,
    # cells and sparse gradients are not what it compiles, and of small work it is the overhead that is left
    "torch.compile": lambda w: w.kind != "predict" and w.model not in _POINTS | {"xor", "lstm", "gru", "bag"},
    "onnxruntime": lambda w: w.kind == "predict" and w.march == "native",  # it cannot be told
}  # fmt: skip


def does(peer: str, w: Any) -> bool:
    return peer not in _DOES or _DOES[peer](w)


class NotThere(Exception):
    """This peer has no program for this workload."""


@dataclass(frozen=True)
class Program:
    """``run(calls)`` does the work so many times. ``found()`` is what the last call found, in the order of ``numbers``."""

    run: Callable[[int], None]
    found: Callable[[], Found]
    ways: Mapping[str, Callable[[int], None]] = field(default_factory=dict)  # parts of it, to be measured by themselves
    about: Mapping[str, Any] = field(default_factory=dict)


def number(value: Any) -> Found:
    value = float(value)
    return [(value, abs(value) + 1e-3)]


def numbers(*arrays: Any) -> Found:
    """Of each array a sum of its elements with different signs and weights, so that no two elements may be exchanged."""
    found: Found = []
    for array in arrays:
        flat = np.asarray(array, np.float64).ravel()
        weights = np.cos(np.arange(flat.size) % 1009 * 0.7) + 0.1
        found.append((float(flat @ weights), float(np.sqrt(flat @ flat) * np.sqrt(weights @ weights)) + 1e-12))
    return found


def apart(found: Sequence[tuple[float, float]], reference: Sequence[tuple[float, float]]) -> float:
    """The largest difference, relative to the sizes; inf where they do not fit."""
    if len(found) != len(reference):
        return float("inf")
    apart = [abs(a - b) / size for (a, _), (b, size) in zip(found, reference, strict=True)]
    return max((float("inf") if not np.isfinite(x) else x for x in apart), default=0.0)
