"""Random models, each computed in every way there is: see support/compare.py for what is compared with what.

40 models in each run, 200 with ``pytest -m "slow or not slow"`` (``make test-all``), thousands with ``python tests/long_run.py``,
which takes ``--wide`` for sizes at which products and convolutions have their kernels.
Below them is what such runs found.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from gradwright.compiler import driver
from gradwright.compiler.graph.ir import outs
from gradwright.compiler.graph.shapes import Dim
from gradwright.compiler.passes.kernels import plan
from gradwright.runtime import load
from hypothesis import HealthCheck, given, settings
from support.compare import Tally, compare
from support.examine import examine
from support.models import build, elaborated, errors
from support.modules import Modules, numpy_module
from support.programs import Program, programs, random_program
from support.settings import little


def batch(first: int, count: int, folder: Path, single: bool = False) -> None:
    labelled = [(f"random_{k}", random_program(Random(k))) for k in range(first, first + count)]
    report = examine(labelled, folder, single)
    assert not report.wrong, report.shown()
    assert sum(report.comparisons.values()) > 30 * count  # it does compare


@pytest.mark.torch
@pytest.mark.parametrize("first", [0, pytest.param(20, marks=pytest.mark.slow)])
def test_random_models(first: int, tmp_path: Path) -> None:
    batch(first, 20, tmp_path)


@pytest.mark.torch
def test_random_models_in_float32(tmp_path: Path) -> None:
    batch(40, 20, tmp_path, single=True)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(60, 200, 20))
def test_more_random_models(first: int, tmp_path: Path) -> None:
    batch(first, 20, tmp_path, single=first == 180)


@pytest.mark.slow
@pytest.mark.parametrize(("first", "single"), [(500, False), (506, True)])
def test_random_models_of_large_sizes(first: int, single: bool, tmp_path: Path) -> None:
    """At these the products and the convolutions take their kernels, at the C compiler's level of what users build."""
    labelled = [(f"wide_{k}", random_program(Random(k), wide=True)) for k in range(first, first + 6)]
    report = examine(labelled, tmp_path, single, (0, 1, 3, 9), level=3, wide=True)
    assert not report.wrong, report.shown()
    assert sum(report.comparisons.values()) > 500


def test_random_models_as_modules_of_their_own() -> None:
    """The whole road of a user: the module that is written, built and imported, with its own fast calls."""
    tally, count = Tally(), 0
    for k in range(300, 400):
        program = random_program(Random(k), steps=12)
        if program.files or "float32" in program.text or "minimize" not in program.text:
            continue
        model = build(program.text)
        whole = driver.load(program.text, name=f"whole_{k}", optimize=little())
        made = plan(model)
        for n in (7, 0, 64, 1):
            sizes = {name: n if j == 0 else 2 for j, name in enumerate(model.free)}
            compare(model, Modules(made, whole, numpy_module(made, {}, f"_whole_{k}")), sizes, n, tally)
        assert not tally.wrong, f"{program}\n{tally.wrong[:5]}"
        count += 1
        if count == 3:
            break
    assert count == 3 and sum(tally.comparisons.values()) > 200


@settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(programs())
def test_the_generator_writes_legal_models(program: Program) -> None:
    model, _, shown = elaborated(program.text, files=dict(program.files))
    assert model is not None, shown


# ---------------------------------------------------------------- what random models found


def modules(text: str) -> list[Any]:
    """The model on both backends."""
    return [driver.load(text, name="found", backend="numpy"), driver.load(text, name="found", optimize=little())]


def test_a_constant_read_with_a_step_is_planned_in_no_time() -> None:
    """A part of a formula without axes, read at 3*i: it was remembered at 9*i, 27*i... without end."""
    plan(build("input y\nparam w = 0.5\nz = stack(sin(w) / 3, axis=0)[::3]\nz2 = z * 2\noutput p = log(softmax(z2)) * exp(y)"))


def test_a_binding_that_is_another_name_has_a_gradient() -> None:
    text = "size N\ninput x[N]\nparam w[2] = 0.5\nh = x\nv = w\noutput f = sum(exp(h)) + sum(v**3)\ngradient f wrt h, v, x, w\n"
    x = np.array([0.5, -1.0, 2.0])
    for module in modules(text):
        g = module.Model().value_and_grad(x=x)[1]
        for name in ("h", "x"):
            np.testing.assert_allclose(g[name], np.exp(x), rtol=1e-15)
        for name in ("v", "w"):
            np.testing.assert_allclose(g[name], [0.75, 0.75], rtol=1e-15)


def test_an_output_that_does_not_depend_on_what_is_asked_takes_an_upstream() -> None:
    text = "input x[2, 2]\nparam w[3] = 0.25 frozen\noutput p = w / 2\noutput q = sum(x)\ngradient p wrt x\n"
    for module in modules(text):
        g = module.Model().value_and_grad({"p": np.ones(3), "q": 2.0}, x=np.ones((2, 2)))[1]
        assert np.array_equal(g.p.x, np.zeros((2, 2)))
        assert np.array_equal(g.q.x, np.full((2, 2), 2.0))


def test_the_logsumexp_of_a_constant_over_a_free_axis() -> None:
    """NumPy has no infinity among integers to start the maximum with."""
    text = "size N\ninput x[N]\noutput a = logsumexp(ones(N, 3), axis=0) + sum(x)\n"
    for module in modules(text):
        for n in (0, 1, 5):
            wanted = 1 + np.log(n) if n else -np.inf
            np.testing.assert_allclose(module.Model().forward(x=np.zeros(n)).a, np.full(3, wanted), rtol=1e-15)


def test_a_size_prints_as_it_is_read_again() -> None:
    """`2*(N + 1)//(2)` would be read as (2*(N + 1))//2, which is N + 1."""
    n = Dim.of("N")
    sizes = [
        ((n + 1) // 2) * 2 + n,
        ((n + 1) % 3) * n,
        n * n - (n // 2),
        (n // 2) * (n // 3) - 1,
        (n // 2) // 3 * 4,
        -(n // 2) + 1,
    ]
    for k, size in enumerate(sizes):
        text = f"size N\nsize L = {size}\ninput x[N], y[{size}]\noutput f = sum(x) + sum(y)\n"
        model = build(text)
        assert model.inputs[1].value.shape == (size,), k


def test_two_gradients_of_one_name_are_an_error() -> None:
    """g.a would be the gradient of the loss for a, and hold the gradients of a as well."""
    head = "size N\ninput x[N]\nparam w = 1.0\na = x * w\noutput a\nminimize mean(a**2)\n"
    build(head + "gradient loss wrt a\n")
    build(head + "gradient a wrt x\n")
    found = errors(head + "gradient loss wrt a\ngradient a wrt x\n")
    assert [(code, line) for code, line, _ in found] == [("E267", 8)]


def test_a_gather_from_a_slice_of_one() -> None:
    plan(build("size H = 2\ninput a[H]\nindex y[H] < 1\np, q = split(a, 2, axis=0)\noutput f = sum(sqrt(q[y]**2)) + sum(p)\n"))


def test_what_is_only_equal_to_a_binding_does_not_depend_on_it() -> None:
    text = "input x\nh = x / 2\noutput f = tanh(x / 2)\ngradient f wrt h, x\n"
    model = driver.load(text, backend="numpy", name="equal").Model()
    g = model.value_and_grad(x=0.5)[1]
    assert g.h == 0 and g.x > 0.4


@pytest.mark.parametrize("sizes", ["N", "N = 3"])
def test_the_place_of_the_largest_of_a_flattened_matrix(sizes: str) -> None:
    text = f"size {sizes}\ninput x[N, N]\noutput at = argmax(reshape(x / 5, N*N))\noutput least = min(reshape(x, -1)) * 2\n"
    model = load(text, backend="numpy", name="flat").Model()
    x = np.array([[3.0, 1, 4], [1, 5, 9], [2, 6, 5]])
    out = model.forward(x=x)
    assert out.at == 5 and out.least == 2
    first = np.zeros((3, 3))
    first[0, 1] = 2
    np.testing.assert_array_equal(model.backward(upstream={"least": 1.0}).x, first)


def test_what_cancels_in_a_sum_is_not_read_outside_of_it() -> None:
    text = "size N\ninput x[N]\nh = x[::9]\noutput o = exp(huber(h, h)) / sum(exp(huber(h, h)))\n"
    out = load(text, backend="numpy", name="cancels").Model().forward(x=np.arange(30.0))
    np.testing.assert_allclose(out.o, np.full(4, 0.25), rtol=1e-15)


@pytest.mark.slow
def test_no_composition_of_functions_makes_a_number_of_nan() -> None:
    """gcc 12 makes 1 of sin(atan(NaN)) when it knows what the two are."""
    names = ("sin", "cos", "tan", "sinh", "cosh", "tanh", "asin", "acos", "atan", "erf", "exp", "log", "sqrt")
    pairs = [(f, g) for f in names for g in names]
    text = "size N\ninput x[N]\n" + "".join(f"output {f}_of_{g} = {f}({g}(x))\n" for f, g in pairs)
    out = load(text, name="composed", optimize=3).Model().forward(x=np.array([np.nan, 0.5]))
    assert [n for n, v in out._asdict().items() if not np.isnan(v[0])] == []
    with np.errstate(invalid="ignore"):
        wanted = {f"{f}_of_{g}": reference(f)(reference(g)(0.5)) for f, g in pairs}
    for n, v in out._asdict().items():
        np.testing.assert_allclose(v[1], wanted[n], rtol=1e-14)


def reference(name: str) -> Any:
    import math

    return math.erf if name == "erf" else getattr(np, {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}.get(name, name))


def test_rows_counted_backwards_in_a_flattened_slice() -> None:
    text = "size N, H = 3\nsize L = 3*N + 2\ninput x[L, H]\noutput y = reshape(reshape((x * 2)[:], H, L)[::-1, :], -1)\n"
    x = np.arange(15.0).reshape(5, 3)
    out = load(text, backend="numpy", name="backwards").Model().forward(x=x)
    np.testing.assert_array_equal(out.y, (2 * x).reshape(3, 5)[::-1].ravel())


def test_the_gradient_of_a_binding_on_which_no_output_depends() -> None:
    """It was a KeyError: nothing kept the binding. Nor is it computed where only its gradient is wanted."""
    text = "size N\ninput x[N]\nparam w = 2.0\nh = sin(x) * w\noutput o = x * 2\nminimize w**2\ngradient h wrt x, w\n"
    made = plan(build(text))
    kernels = {kernel.name: kernel.graph for kernel in made.kernels}
    assert "h" not in {o.name for e in kernels["forward"].eqns for o in outs(e)}
    for module in modules(text):
        g = module.Model().value_and_grad({"h": np.array([1.0, -2.0])}, x=np.array([0.0, 1.0]))[1]
        np.testing.assert_allclose(g.h.x, 2 * np.array([1.0, -2.0]) * np.cos([0.0, 1.0]), rtol=1e-14)
        np.testing.assert_allclose(g.h.w, -2 * np.sin(1.0), rtol=1e-14)
        np.testing.assert_allclose(g.w, 4.0)


def test_the_gradient_of_a_binding_that_a_rule_looks_through() -> None:
    text = "size N\ninput x[N]\nh = exp(x)\noutput o = log(h)\ngradient h wrt x\n"
    for module in modules(text):
        x = np.array([0.5, -1.0])
        out, g = module.Model().value_and_grad({"h": np.ones(2), "o": np.ones(2)}, x=x)
        np.testing.assert_allclose(out.o, x, rtol=1e-15)
        np.testing.assert_allclose(g.h.x, np.exp(x), rtol=1e-15)
        np.testing.assert_allclose(g.o.x, 1.0, rtol=1e-15)


def test_a_flattened_array_of_which_one_side_is_a_half() -> None:
    """Where (N + 1)//2 is 0 there is nothing to flatten: it was taken for a division by 0, and an internal error."""
    text = "size N\nsize L = 3*N + 2\ninput x[N, L]\nn[j, i] = x[2*i, j]\nz = reshape(n, -1)\noutput y = z * 2\n"
    for module in modules(text):
        for n in (0, 1, 5):
            x = np.arange(n * (3 * n + 2.0)).reshape(n, -1) if n else np.zeros((0, 2))
            np.testing.assert_array_equal(module.Model().forward(x=x).y, 2 * x[::2].T.ravel())
