"""Properties of the whole middle of the compiler over random graphs: no pass changes a value, and every gradient is the
slope of the function."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gradwright.compiler.derive.reverse import Seed, differentiate
from gradwright.compiler.graph.ir import Graph
from gradwright.compiler.meaning.interpret import run
from gradwright.compiler.meaning.verify import verify, verify_gradients
from gradwright.compiler.passes import AFTER, BEFORE, KERNEL, apply
from hypothesis import given, settings
from support.graphs import Case, graphs


def same(case: Case, graph: Graph, names: tuple[str, ...], wanted: dict[str, Any]) -> None:
    """The outputs of ``graph``, in order, are the values ``names`` of ``wanted``."""
    values = case.run(graph)
    for shown, name in zip(graph.outputs, names, strict=True):
        np.testing.assert_allclose(values[shown], wanted[name], rtol=1e-8, atol=1e-10, err_msg=f"{name} as {shown}")


@pytest.mark.parametrize("passes", [BEFORE, KERNEL], ids=["before", "kernel"])
def test_passes_change_no_value(passes: Any) -> None:
    @settings(max_examples=50, deadline=None)
    @given(graphs())
    def check(case: Case) -> None:
        same(case, apply(passes, case.graph), case.graph.outputs, case.run())

    check()


def backward(case: Case) -> tuple[Graph, tuple[str, ...]]:
    graph = apply(BEFORE, case.graph)
    found = differentiate(graph, "loss", case.trained, Seed(None))
    verify(found.graph, "reverse", tuple(case.sizes))
    verify_gradients(found.graph, zip(case.trained, found.adjoints, strict=True), "reverse")
    return replace(found.graph, outputs=tuple(dict.fromkeys((*graph.outputs, *found.adjoints)))), found.adjoints


@settings(max_examples=50, deadline=None)
@given(graphs(loss=True, scans=False))
def test_passes_change_no_gradient(case: Case) -> None:
    """Also where there are kinks, ties and empty axes, and there the gradients are numbers."""
    graph, adjoints = backward(case)
    wanted = case.run(graph)
    assert all(np.isfinite(wanted[name]).all() for name in adjoints)
    whole = apply(AFTER, graph)
    same(case, whole, graph.outputs, wanted)
    same(case, apply(KERNEL, whole), graph.outputs, wanted)


@settings(max_examples=50, deadline=None)
@given(graphs(smooth=True, loss=True, scans=False, empty=False))
def test_gradients_are_slopes(case: Case) -> None:
    graph, adjoints = backward(case)
    values, inputs = case.run(graph), case.inputs()
    rng = np.random.default_rng(0)
    directions = {name: rng.normal(size=inputs[name].shape) for name in case.trained}

    def loss(step: float) -> float:
        moved = {name: value + step * directions.get(name, 0) for name, value in inputs.items()}
        return float(run(case.graph, moved, case.sizes)["loss"])

    parts = [values[adjoint] * directions[name] for name, adjoint in zip(case.trained, adjoints, strict=True)]
    slope = sum(float(np.sum(p)) for p in parts)
    h = 1e-5
    wanted = (8 * (loss(h) - loss(-h)) - (loss(2 * h) - loss(-2 * h))) / (12 * h)
    scale = abs(loss(0)) + sum(float(np.sum(np.abs(p))) for p in parts)
    assert abs(slope - wanted) <= 1e-7 * (1 + scale)
