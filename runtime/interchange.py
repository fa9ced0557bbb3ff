"""Weights from elsewhere: a PyTorch ``state_dict`` into the library's layers of the same name."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import ArgumentError, ShapeError
from .model import Model

Array = NDArray[Any]
_Source = tuple[tuple[str, ...], Callable[..., Array]]    # PyTorch's names, and what becomes of their arrays


def _same(*arrays: Array) -> Array:
    return arrays[0]


def _turned(*arrays: Array) -> Array:
    return arrays[0].T


def _sum(*arrays: Array) -> Array:
    return np.asarray(arrays[0] + arrays[1])


_DENSE: dict[str, _Source] = {"W": (("weight",), _turned), "b": (("bias",), _same)}
_KERNEL: dict[str, _Source] = {"W": (("weight",), _same), "b": (("bias",), _same)}
_NORM: dict[str, _Source] = {"gain": (("weight",), _same), "bias": (("bias",), _same)}
_RECURRENT: dict[str, _Source] = {
    "W": (("weight_ih_l0",), _turned), "U": (("weight_hh_l0",), _turned), "b": (("bias_ih_l0", "bias_hh_l0"), _sum),
}
_ATTENTION: dict[str, _Source] = {
    "qkv.W": (("in_proj_weight",), _turned), "qkv.b": (("in_proj_bias",), _same),
    "out.W": (("out_proj.weight",), _turned), "out.b": (("out_proj.bias",), _same),
}
_BLOCK: dict[str, _Source] = {
    **{f"norm_{k}.{own}": ((f"norm{k}.{there}",), _same)
       for k in (1, 2) for own, there in (("gain", "weight"), ("bias", "bias"))},
    **{f"attention.{own}": (tuple(f"self_attn.{n}" for n in names), how) for own, (names, how) in _ATTENTION.items()},
    **{f"{own}.{w}": ((f"{there}.{name}",), how) for own, there in (("hidden", "linear1"), ("out", "linear2"))
       for w, name, how in (("W", "weight", _turned), ("b", "bias", _same))},
}
# by the library's layers: their values, and PyTorch's
LAYERS: dict[str, dict[str, _Source]] = {
    "dense": _DENSE, "conv1d": _KERNEL, "conv2d": _KERNEL, "embedding": {"W": (("weight",), _same)},
    "layer_norm": _NORM, "group_norm": _NORM, "rms_norm": {"gain": (("weight",), _same)},
    "batch_norm": {**_NORM, **{name: ((name,), _same) for name in ("running_mean", "running_var")}},
    "rnn": _RECURRENT, "lstm": _RECURRENT,
    "gru": {**_RECURRENT, "b": (("bias_ih_l0",), _same), "c": (("bias_hh_l0",), _same)},
    "attention": _ATTENTION, "transformer_block": _BLOCK,
}


def load_state_dict(model: Model, state: Mapping[str, Any], *, strict: bool = True) -> list[str]:
    """Take the weights of a PyTorch module (its `state_dict()`, or arrays by such names) into `model`.

        loaded = load_state_dict(model, torch_module.state_dict())

    A layer of the library takes what PyTorch's layer of the same name in the module has, in its own layout: `head = dense(...)`
    takes `head.weight` (transposed) and `head.bias`; `lstm` adds PyTorch's two biases; an `attention` takes `in_proj_weight`... A
    parameter that belongs to no layer takes the array of its own name. Nothing is changed if anything does not fit.

    Returns the names of the parameters and states that were loaded. ArgumentError names what is missing on either side, unless
    `strict` is False, which loads what there is; ShapeError names an array of another shape.
    """
    spec = model.engine.spec
    given = {name: _array(name, value) for name, value in state.items()}
    kinds: Mapping[str, str] = spec.get("layers", {})
    taken: dict[str, Array] = {}
    used: set[str] = set()
    lacking: list[str] = []
    for name, kept in _wanted(model).items():
        names, how = _source(name, kinds)
        present = [n for n in names if n in given]
        if len(present) < len(names) and not (how is _sum and present):
            lacking.append(f"{name} (from {' and '.join(names)})" if (name,) != names else name)
            continue
        value = how(*(given[n] for n in present)) if len(present) == len(names) else given[present[0]]
        if value.shape != kept:
            raise ShapeError(f"{name} is {list(kept)}, and {' and '.join(present)} would make it {list(value.shape)}")
        used.update(present)
        taken[name] = value
    idle = [n for n in given if n not in used and not n.endswith("num_batches_tracked")]
    if strict and (lacking or idle):
        parts = [f"missing: {', '.join(lacking)}"] if lacking else []
        parts += [f"not wanted: {', '.join(idle)}"] if idle else []
        raise ArgumentError(f"this state_dict does not fit {spec['name']}; {'; '.join(parts)} (strict=False loads what fits)")
    before = {name: np.array(_place(model, name)[name]) for name in taken}
    try:
        for name, value in taken.items():
            _place(model, name)[name] = value
    except BaseException:
        for name, value in before.items():
            _place(model, name)[name] = value
        raise
    return list(taken)


def _array(name: str, value: Any) -> Array:
    """An array of a tensor, which may want a gradient or be elsewhere than in the main memory."""
    for step in ("detach", "cpu", "numpy"):
        if hasattr(value, step):
            value = getattr(value, step)()
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise ArgumentError(f"{name}: expected an array of numbers, got {array.dtype}")
    return array


def _wanted(model: Model) -> dict[str, tuple[int, ...]]:
    """The shapes of parameters and states by name."""
    found: dict[str, tuple[int, ...]] = {p["name"]: tuple(p["shape"]) for p in model.engine.spec["params"]}
    found |= {s["name"]: tuple(s["shape"]) for s in model.engine.spec.get("states", ())}
    return found


def _place(model: Model, name: str) -> Any:
    return model.params if name in model.params else model.state


def _source(name: str, kinds: Mapping[str, str]) -> _Source:
    """Where PyTorch has this: by the outermost layer that knows it."""
    parts = name.split(".")
    for k in range(1, len(parts)):
        path, inner = ".".join(parts[:k]), ".".join(parts[k:])
        found = LAYERS.get(kinds.get(path, ""), {}).get(inner)
        if found is not None:
            return tuple(f"{path}.{n}" for n in found[0]), found[1]
    return (name,), _same
