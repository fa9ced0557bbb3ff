"""Long models: no recursion limit, work in proportion to the text, and kernels in pieces that compute what whole ones do."""

from __future__ import annotations

import cProfile
import gc
import pstats
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradwright.compiler import driver
from gradwright.compiler.emit import lines
from gradwright.compiler.loops import joins
from gradwright.runtime import Optimizer

from benchmarks.compile_time import FAMILIES, measure

pytestmark = pytest.mark.unoptimised


def work(text: str, stop: str = "cython") -> int:
    """How many calls of functions the compiler makes for a model."""
    profile = cProfile.Profile()
    profile.enable()
    measure(text, stop=stop)
    profile.disable()
    return sum(entry[1] for entry in pstats.Stats(profile).stats.values())  # type: ignore[attr-defined]


def emitted(family: str, n: int) -> dict[str, str]:
    """The texts of a model, by the names of their files."""
    result = driver.compile_model(FAMILIES[family](n), stop_after="cython", name="model")
    texts: dict[str, str] = result.value
    return texts


QUICK = ("units", "outputs")


@pytest.mark.parametrize("family", [f if f in QUICK else pytest.param(f, marks=pytest.mark.slow) for f in FAMILIES])
def test_twice_the_model_is_twice_the_work(family: str) -> None:
    make, n = FAMILIES[family], 40 if family in QUICK else 150
    measure(make(n))
    once, twice = work(make(n)), work(make(2 * n))
    assert twice <= 2.3 * once


@pytest.mark.parametrize(
    "family", ["right", *(pytest.param(f, marks=pytest.mark.slow) for f in ("left", "calls", "balanced", "lines", "wide"))]
)
def test_ten_thousand_operations_are_checked(family: str) -> None:
    assert driver.check_model(FAMILIES[family](10_000)).value.graph.eqns


@pytest.mark.parametrize(("family", "n"), [("right", 300), ("calls", 300), pytest.param("right", 3_000, marks=pytest.mark.slow)])
def test_deep_expressions_compile(family: str, n: int) -> None:
    model = driver.load(FAMILIES[family](n), backend="numpy", name=f"deep_{family}").Model()
    data = {"x": np.linspace(0, 1, 3), "upstream": np.ones(3)} | ({"t": 0.5} if family == "right" else {})
    out, grads = model.value_and_grad(**data)
    assert np.isfinite(out.y).all() and np.isfinite(grads.x).all()


@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
@pytest.mark.parametrize("family", ["lines", "dense", "wide"])
def test_a_kernel_in_pieces_computes_the_same(family: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = FAMILIES[family](48)
    shapes: dict[str, Any] = {
        "lines": {"x": (5,), "t": ()}, "units": {"x": (), "t": ()}, "dense": {"x": (5, 4)}, "gates": {"x": (5,)},
        "wide": {"x": ()},
    }  # fmt: skip
    data = {name: np.random.default_rng(3).normal(size=shape) for name, shape in shapes[family].items()}
    whole = driver.load(text, backend="numpy", dtype=dtype, name="whole").Model(seed=1)
    monkeypatch.setattr(lines, "PIECE", 5)
    monkeypatch.setattr(joins, "FUSED", 4)
    pieces = driver.load(text, dtype=dtype, optimize=0, name=f"pieces_{family}_{dtype}").Model(seed=1)
    upstream = {"upstream": np.ones(5)} if family in ("lines", "gates") else {}
    (a, ga), (b, gb) = whole.value_and_grad(**data, **upstream), pieces.value_and_grad(**data, **upstream)
    tolerance = 1e-12 if dtype == "float64" else 2e-5
    for left, right in ((a, b), (ga, gb)):
        for one, two in zip(map(np.asarray, left), map(np.asarray, right), strict=True):
            np.testing.assert_allclose(two, one, rtol=tolerance, atol=tolerance * max(1.0, float(np.abs(one).max(initial=0))))


@pytest.mark.parametrize("decay", [0, 0.1])
def test_a_step_in_pieces_takes_the_same_step(decay: float, monkeypatch: pytest.MonkeyPatch) -> None:
    heads = "".join(f"param W{k}[40, 24] ~ glorot_uniform\ng{k} = tanh(x @ W{k})\n" for k in range(8))
    total = " + ".join(f"mean(g{k}**2)" for k in range(8))
    text = f"size N\ninput x[N, 40]\n{heads}minimize {total} with sgd(lr=0.1)\n"
    data = {"x": np.random.default_rng(4).normal(size=(5, 40))}
    whole = driver.load(text, backend="numpy", name="whole").Model(seed=1)
    monkeypatch.setattr(lines, "PIECE", 5)
    pieces = driver.load(text, optimize=0, name="stepping_in_pieces").Model(seed=1)
    rule = Optimizer("sgd", lr=0.1, weight_decay=decay)
    for _ in range(3):
        assert whole.step(rule, **data) == pytest.approx(pieces.step(rule, **data), rel=1e-12)
    for one, two in zip(whole.params, pieces.params, strict=True):
        np.testing.assert_allclose(np.asarray(two), np.asarray(one), rtol=1e-12, atol=1e-14)


LONG = ("left", "balanced")  # the other families take two to four minutes each at this length


def _same_as_numpy(family: str, n: int) -> None:
    """The built module of a long model and the NumPy backend, which has no loops, buffers or pieces, compute the same."""
    text = FAMILIES[family](n)
    shape = () if family == "units" else (3,)
    data = {"x": np.linspace(0.1, 0.9, 3).reshape(3)[: 3 if shape else 1].reshape(shape), "upstream": np.ones(shape)}
    data |= {} if family == "calls" else {"t": np.array(0.5)}
    built = driver.load(text, optimize=0, name=f"long_{family}").Model()
    plain = driver.load(text, backend="numpy", name=f"plain_{family}").Model()
    (a, ga), (b, gb) = built.value_and_grad(**data), plain.value_and_grad(**data)
    for one, two in zip((*a, *ga), (*b, *gb), strict=True):
        two = np.asarray(two)
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-9 * max(1.0, float(np.abs(two).max())))
    assert any(np.abs(g).max() > 0 for g in map(np.asarray, ga))


@pytest.mark.parametrize("family", [pytest.param("right", marks=pytest.mark.slow), pytest.param("units", marks=pytest.mark.slow)])
def test_fifteen_hundred_operations_compute_what_numpy_does(family: str) -> None:
    _same_as_numpy(family, 1_500)


@pytest.mark.slow
@pytest.mark.parametrize("family", LONG)
def test_ten_thousand_operations_compute_what_numpy_does(family: str) -> None:
    _same_as_numpy(family, 10_000)


def test_no_function_or_line_grows_with_the_model() -> None:
    """One expression on one line: what the C compiler takes at a time, and what a comment shows, is bounded."""
    text = emitted("right", 700)["model.pyx"]
    lengths = [len(kernel.splitlines()) for kernel in re.split(r"\n(?=cdef void )", text.partition("What follows")[0])]
    assert len(lengths) > 20
    assert max(lengths) <= 2_000
    assert max(len(line) for line in text.splitlines() if line.lstrip().startswith("# model.gw:")) <= 300


def test_an_adjoint_of_many_uses_is_added_in_steps() -> None:
    """Of 200 contributions, no statement adds more than 64, and no more wait in memory."""
    body = " + ".join(f"tanh({k} * w)" for k in range(200))
    text = f"size N\ninput x[N]\nparam w = 1\noutput y = x * ({body})\n"
    model = driver.load(text, backend="numpy", name="many_uses").Model()
    model.theta[:] = 0.01
    _, grads = model.value_and_grad(x=np.ones(2), upstream=np.ones(2))
    k = np.arange(200)
    np.testing.assert_allclose(grads.w, 2 * np.sum(k / np.cosh(0.01 * k) ** 2), rtol=1e-12)
    whole = driver.compile_model(text, stop_after="gradients").value.whole
    added = [len(e.args) for e in whole.eqns if e.origin.rule == "fan-out"]
    assert len(added) > 2
    assert max(added) <= 64


def test_the_collector_rests_while_a_model_is_compiled() -> None:
    seen = []
    text = FAMILIES["lines"](4)
    job = driver.Job(driver.Source("model.gw", text), Path("."), "model", None, {}, "cython")
    job.when = {"graph": lambda _: seen.append(gc.isenabled())}
    assert gc.isenabled()
    driver._run(job, "graph")
    assert seen == [False]
    assert gc.isenabled()
