"""A model's outputs differentiated once and twice, by the interpreter, and the same by PyTorch's double backward."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from gradwright.compiler.derive.reverse import Seed, differentiate, differentiate_all
from gradwright.compiler.graph.ir import Graph, Model, Value
from gradwright.compiler.meaning.interpret import run
from gradwright.compiler.meaning.verify import verify
from gradwright.compiler.passes import BEFORE, apply

from .models import build

Arrays = dict[str, Any]


@cache
def twice(text: str) -> tuple[Model, Graph, str, tuple[str, ...], tuple[str, ...]]:
    """The model, a graph with both backward passes, its output, its gradients by input, its second derivatives by input.

    The graph has inputs ``up`` of the output's shape, and ``v.x`` of the shape of each real input and param x: the gradients are
    ``up``'s products with the Jacobian, the second derivatives those of the gradients' Jacobian with all ``v.x`` together.
    """
    model = build(text)
    graph = apply(BEFORE, model.graph)
    (output,) = (o.value for o in model.outputs)
    values = graph.values()
    names = moving(model)
    up = Value("up", values[output].shape)
    graph = replace(graph, inputs=(*graph.inputs, up))
    once = differentiate(graph, output, names, Seed("up"))
    directions = tuple(Value(f"v.{n}", values[n].shape) for n in names)
    joint = replace(once.graph, inputs=(*once.graph.inputs, *directions), outputs=(output, *once.adjoints))
    joint = apply([p for p in BEFORE if p.name == "routes"], joint)
    second = differentiate_all(joint, [(a, Seed(v.name)) for a, v in zip(once.adjoints, directions, strict=True)], names)
    whole = replace(second.graph, outputs=(output, *once.adjoints, *second.adjoints))
    verify(whole, "differentiated twice", model.free)
    return model, whole, output, once.adjoints, second.adjoints


def moving(model: Model) -> list[str]:
    """What there are derivatives for: the real inputs, then the params."""
    return [v.name for v in (*(i.value for i in model.inputs), *(p.value for p in model.params)) if v.kind == "real"]


def ours(text: str, inputs: Mapping[str, Any], sizes: Mapping[str, int], seed: int = 0) -> tuple[Any, Arrays, Arrays, Arrays]:
    """Value, gradients, second derivatives, and what was taken for the upstream and the directions."""
    model, graph, output, first, second = twice(text)
    rng = np.random.default_rng(seed)
    given: Arrays = dict(inputs)
    for value in graph.inputs:
        if value.name not in given:
            given[value.name] = rng.normal(size=tuple(d.evaluate(sizes) for d in value.shape))
    found = run(graph, given, sizes)
    names = moving(model)
    return (
        found[output],
        {n: found[a] for n, a in zip(names, first, strict=True)},
        {n: found[a] for n, a in zip(names, second, strict=True)},
        given,
    )


def torchs(function: Callable[..., Any], given: Mapping[str, Any], order: list[str]) -> tuple[Any, Arrays, Arrays]:
    """The same from PyTorch: ``function`` takes the inputs in ``order``; integers are handed on as they are."""
    import torch

    tensors = {n: torch.tensor(np.asarray(given[n])) for n in order}
    real = [n for n in order if tensors[n].dtype == torch.float64]
    for n in real:
        tensors[n].requires_grad_(True)
    wrt = [tensors[n] for n in real]
    out = function(*(tensors[n] for n in order))
    nothing = [torch.zeros_like(t) for t in wrt]

    def zeros(found: Any) -> list[Any]:
        return [z if g is None else g for g, z in zip(found, nothing, strict=True)]

    if not out.requires_grad:
        return out.numpy(), dict.fromkeys(real), dict.fromkeys(real)
    first = zeros(torch.autograd.grad(out, wrt, torch.tensor(np.asarray(given["up"])), create_graph=True, allow_unused=True))
    kept = [(g, torch.tensor(np.asarray(given[f"v.{n}"]))) for n, g in zip(real, first, strict=True) if g.requires_grad]
    second = nothing
    if kept:
        second = zeros(torch.autograd.grad([g for g, _ in kept], wrt, [v for _, v in kept], allow_unused=True))
    return (
        out.detach().numpy(),
        {n: g.detach().numpy(force=True) for n, g in zip(real, first, strict=True)},
        {n: g.detach().numpy(force=True) for n, g in zip(real, second, strict=True)},
    )
