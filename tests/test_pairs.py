"""Sums over all pairs and half of them: what is computed once for each pair, in one loop, and what comes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gradwright.compiler.emit.costs import operations
from gradwright.compiler.loops.buffers import lower
from gradwright.compiler.loops.ir import Assign, Loop, Nest
from gradwright.compiler.loops.nodes import walk
from gradwright.compiler.passes.kernels import plan
from gradwright.runtime import load
from numpy.typing import NDArray
from support.models import build

pytestmark = pytest.mark.unoptimised

Array = NDArray[Any]

LENNARD_JONES = """\
size N, D = 3
input x[N, D]
r[i, j] = sum((x[i, d] - x[j, d])**2 for d)
output f = sum(r[i, j]**-6 - r[i, j]**-3 for i, j if j > i)
"""
CHARGES = """\
size N, D = 3
hyper eps = 0.01
input x[N, D], q[N]
output f = sum(q[i] * q[j] / sqrt(sum((x[i, d] - x[j, d])**2 for d) + eps) for i for j in range(i))
"""
KERNEL = """\
size N, M, D = 2
input x[N, D], z[M, D], a[N], b[M]
output f = sum(a[i] * exp(-sum((x[i, d] - z[j, d])**2 for d)) * b[j] for i, j)
"""
WIDE = """\
size N, D = 9
input x[N, D]
output f = sum(exp(-sum((x[i, d] - x[j, d])**2 for d)) for i, j if i < j)
"""
LINE = """\
size N
input x[N]
r[i, j] = exp(x[i] - x[j])
output f = sum(r[i, j] * log(1 + r[i, j]**2) for i, j if j >= i)
"""


def nest(text: str, kernel: str = "value_and_grad") -> Nest:
    (found,) = [k for k in plan(build(text)).kernels if k.name == kernel]
    return lower(found)


def inner(found: Nest) -> list[Loop]:
    """The loops inside of others."""
    return [n for loop in walk(found.body) if isinstance(loop, Loop) for n in loop.body if isinstance(n, Loop)]


@pytest.mark.parametrize("text", [LENNARD_JONES, CHARGES, KERNEL, LINE])
def test_nothing_of_a_pair_is_kept(text: str) -> None:
    """Both sides' gradients are added up in the loop that computes the pair, which is the innermost."""
    found = nest(text)
    assert found.work.value == 0
    loop = max(inner(found), key=lambda n: len(n.body))
    assert all(isinstance(n, Assign) for n in loop.body)
    assert sum(isinstance(n, Loop) and n.variable != loop.variable and loop in n.body for n in walk(found.body)) == 1


@pytest.mark.parametrize(("condition", "first", "end"), [
    ("j > i", 1, None), ("i < j", 1, None), ("j >= i", 0, None), ("j > i + 2", 3, None), ("j - i > 1", 2, None),
    ("j < i", None, 0), ("j <= i", None, 1), ("j + 3 < i", None, -3), ("i > j and x[j] > 0", None, 0),
    ("j != i", None, None),  # all but one
    ("j > i - 2", None, None), ("j < i + 2", None, None),  # might begin before the first, or end behind the last
    ("j > 2 * i", None, None), ("x[j] > x[i]", None, None), ("j > i or x[i] > 0", None, None),
])  # fmt: skip
def test_a_loop_is_cut_where_an_index_says_so(condition: str, first: int | None, end: int | None) -> None:
    found = nest(f"size N\ninput x[N]\noutput f = sum(x[i] * x[j] for i, j if {condition})\n", "forward")
    (loop,) = inner(found)
    (outer,) = [n for n in walk(found.body) if isinstance(n, Loop) and loop in n.body]
    at_outer = {outer.variable: 1}
    assert (loop.first.const.value if loop.first.terms else None) == first
    assert (None if loop.end is None else loop.end.const.value) == end
    for place in (loop.first, loop.end):
        assert place is None or {atom: factor.value for atom, factor in place.terms} in ({}, at_outer)
    asks = any(node.op in ("gt", "lt") for n in loop.body if isinstance(n, Assign) for node in _nodes(n))
    assert asks == ((first is end is None and condition != "j != i") or "and" in condition)


def _nodes(node: Assign) -> list[Any]:
    seen, todo = [], [node.body]
    while todo:
        seen.append(todo.pop())
        todo += seen[-1].args
    return seen


def test_what_is_stored_for_all_pairs_is_not_cut() -> None:
    """Each place of the output is written, also where it is 0."""
    found = nest("size N\ninput x[N]\ng[i, j] = where(j > i, x[i] * x[j], 0)\noutput g\n", "forward")
    (loop,) = inner(found)
    assert not loop.first.terms and loop.end is None


def differences(x: Array, z: Array) -> Array:
    return ((x[:, None] - z[None]) ** 2).sum(axis=2)


def half(r: Array, k: int) -> Array:
    return np.triu(np.ones_like(r), k) > 0


def lennard_jones(x: Array) -> Array:
    r = differences(x, x)
    return np.where(half(r, 1), np.where(half(r, 1), r, 1.0) ** -6 - np.where(half(r, 1), r, 1.0) ** -3, 0).sum()


def charges(x: Array, q: Array) -> Array:
    return np.where(half(differences(x, x), 1), q[:, None] * q / np.sqrt(differences(x, x) + 0.01), 0).sum()


def kernel(x: Array, z: Array, a: Array, b: Array) -> Array:
    return (a[:, None] * np.exp(-differences(x, z)) * b).sum()


def wide(x: Array) -> Array:
    return np.where(half(differences(x, x), 1), np.exp(-differences(x, x)), 0).sum()


def line(x: Array) -> Array:
    r = np.exp(x[:, None] - x)
    return np.where(half(r, 0), r * np.log(1 + r**2), 0).sum()


def slopes(f: Callable[..., Array], given: dict[str, Array]) -> dict[str, Array]:
    """The gradients by steps along the imaginary axis, which lose nothing."""
    found: dict[str, Array] = {}
    for name, array in given.items():
        found[name] = np.zeros_like(array)
        for place in np.ndindex(array.shape):
            moved = {n: a.astype(complex) for n, a in given.items()}
            moved[name][place] += 1e-30j
            found[name][place] = f(**moved).imag / 1e-30
    return found


@pytest.mark.parametrize(("text", "f", "dims"), [
    (LENNARD_JONES, lennard_jones, {"x": 3}), (CHARGES, charges, {"x": 3, "q": 0}), (WIDE, wide, {"x": 9}),
    (LINE, line, {"x": 0}), (KERNEL, kernel, {"x": 2, "z": 2, "a": 0, "b": 0}),
])  # fmt: skip
@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
def test_values_and_gradients(text: str, f: Callable[..., Array], dims: dict[str, int], dtype: str) -> None:
    model = load(text, dtype=dtype).Model()
    for n in (0, 1, 2, 5, 33):
        r = np.random.default_rng(n)
        given = {}
        for name, d in dims.items():
            count = n + 2 if name in ("z", "b") else n
            given[name] = (r.normal(size=(count, d) if d else count) + (np.arange(count)[:, None] if d else 0)).astype(dtype)
        out, gradients = model.value_and_grad(**given)
        exact = {name: array.astype("float64") for name, array in given.items()}
        eps = float(np.finfo(dtype).eps)
        np.testing.assert_allclose(out.f, f(**exact), rtol=200 * eps, atol=200 * eps)
        for name, slope in slopes(f, exact).items():
            scale = max(1.0, float(np.abs(slope).max(initial=0)))
            np.testing.assert_allclose(getattr(gradients, name), slope, rtol=0, atol=400 * eps * scale, err_msg=f"{name}, N={n}")


def test_the_backward_kernel_has_the_same_gradients() -> None:
    """Behind a sum that something else reads, forward and backward are two kernels."""
    text = LENNARD_JONES.replace("output f", "e") + "param k = 2\nminimize log(1 + e**2) * k\ngradient loss wrt x\n"
    model = load(text).Model()
    x = np.random.default_rng(1).normal(size=(12, 3)) + np.arange(12)[:, None]
    e = lennard_jones(x)
    _, gradients = model.value_and_grad(x=x)
    expected = slopes(lennard_jones, {"x": x})["x"] * 2 * 2 * e / (1 + e**2)
    np.testing.assert_allclose(gradients.x, expected, rtol=1e-11, atol=1e-13)


POLYNOMIAL = """\
size N, K = 7
input x[N], c[K]
f[n] = sum(c[k] * x[n]**k for k)
output f
"""


def test_powers_of_a_known_number_are_written_beside_each_other() -> None:
    """One loop over the points for the value, one for each gradient, and in none of them a power that is not known."""
    for kernel in ("forward", "value_and_grad"):
        found = nest(POLYNOMIAL, kernel)
        assert found.work.value == 0 and not inner(found)
        powers = [node for n in walk(found.body) if isinstance(n, Assign) for node in _nodes(n) if node.op == "pow"]
        assert powers and all(node.args[1].number is not None for node in powers)


@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
@pytest.mark.parametrize("count", [2, 7, 16, 20])
def test_polynomials(count: int, dtype: str) -> None:
    model = load(POLYNOMIAL, dtype=dtype, sizes={"K": count}).Model()
    r = np.random.default_rng(count)
    c = r.normal(size=count).astype(dtype)
    x = np.concatenate([[0.0, -0.0, 1.0, -1.0], r.uniform(-1.5, 1.5, size=60)]).astype(dtype)
    up = r.normal(size=x.size).astype(dtype)
    up[5] = 0
    out, gradients = model.value_and_grad({"f": up}, x=x, c=c)
    k = np.arange(count)
    wide, weights, ups = x.astype("longdouble"), c.astype("longdouble"), up.astype("longdouble")
    powers = wide[:, None] ** k
    slope = np.where(k == 0, 0, k * wide[:, None] ** np.where(k == 0, 0, k - 1)) * weights
    eps = (count + 4) * float(np.finfo(dtype).eps)
    assert (np.abs(out.f - powers @ weights) <= eps * np.abs(powers * weights).sum(axis=1)).all()
    assert (np.abs(gradients.x - slope.sum(axis=1) * ups) <= eps * np.abs(slope).sum(axis=1) * np.abs(ups)).all()
    assert (np.abs(gradients.c - ups @ powers) <= eps * (np.abs(ups) @ np.abs(powers))).all()


@pytest.mark.parametrize("count", [7, 20])
def test_powers_of_what_is_not_finite(count: int) -> None:
    """As each power by itself: anything to the power 0 is 1, and a NaN or an infinity is seen elsewhere."""
    model = load(POLYNOMIAL, sizes={"K": count}).Model()
    x = np.array([np.nan, np.inf, -np.inf, 0.0])
    for k in range(3):
        c = np.zeros(count)
        c[k] = 2.0
        with np.errstate(invalid="ignore"):
            expected = (c * x[:, None] ** np.arange(count)).sum(axis=1)
        np.testing.assert_array_equal(model.predict(x=x, c=c).f, expected)
    up = np.array([0.0, 0.0, 0.0, 1.0])
    _, gradients = model.value_and_grad({"f": up}, x=x, c=np.ones(count))
    np.testing.assert_array_equal(gradients.x, [0, 0, 0, 1])
    np.testing.assert_array_equal(gradients.c, [1.0] + [0.0] * (count - 1))


def kernels(text: str) -> list[str]:
    return [k.name for k in plan(build(text)).kernels]


def test_a_prediction_keeps_nothing() -> None:
    """Where a gradient needs more than the outputs hold, a prediction has a kernel that does not write it down; else it is
    the forward pass."""
    assert kernels(LENNARD_JONES)[0] == "predict"
    assert kernels(LENNARD_JONES.replace("output f =", "minimize")) == ["forward"]  # no gradients, nothing kept
    text = LENNARD_JONES.replace("input x[N, D]", "param x[40, D] ~ normal(0, 1)").replace("size N, D", "size D")
    assert kernels(text.replace("output f =", "minimize"))[0] == "predict"
    (found,) = [k for k in plan(build(LENNARD_JONES)).kernels if k.name == "predict"]
    assert {p.slot for p in found.places} == {"in:x", "out:f"} and lower(found).work.value == 0
    for same in ("size N\ninput x[N]\noutput y = exp(x)\n", "input x[3]\noutput y = exp(sum(x**2))\n"):
        assert "predict" not in kernels(same)


@pytest.mark.parametrize("backend", ["cython", "numpy"])
def test_a_prediction_is_what_a_forward_pass_gives(backend: Any) -> None:
    text = LENNARD_JONES.replace("output f =", "e =") + "param k = 2\n"
    x = np.random.default_rng(3).normal(size=(9, 3)) + np.arange(9)[:, None]
    for name, last in (("f", "output f = k * e**2\n"), ("loss", "minimize k * e**2\n")):
        model = load(text + last, backend=backend).Model()
        value = model.forward(x=x)[name]
        assert value == pytest.approx(2 * lennard_jones(x) ** 2, rel=1e-12)
        assert model.predict(x=x)[name] == pytest.approx(value, rel=1e-14)
        before = model.backward()
        model.forward(x=x)
        model.predict(x=x + 1)  # which does not disturb it
        np.testing.assert_array_equal(model.backward()["k"], before["k"])


def test_half_of_all_pairs_cost_half() -> None:
    texts = [LENNARD_JONES, LENNARD_JONES.replace(" if j > i", " if j != i")]
    half, whole = (operations(nest(text, "predict").body)[0].evaluate({"N": 100}) for text in texts)
    assert 0.4 < half / whole < 0.6


WAVES = """\
size N
input x[N], w[N]
v[i] = sum({0}(x[j] - x[i]) for j)
output f = sum(w * v)
"""


@pytest.mark.parametrize(("gate", "slope"), [
    ("sin", np.cos), ("cos", lambda t: -np.sin(t)), ("tanh", lambda t: 1 - np.tanh(t) ** 2), ("exp", np.exp),
])  # fmt: skip
def test_what_two_of_a_pair_do_to_each_other(gate: str, slope: Callable[[Array], Array]) -> None:
    """A sine or cosine of a - b and of b - a is computed once."""
    text = WAVES.format(gate)
    for kernel in ("forward", "backward"):
        for node in walk(nest(text, kernel).body):
            gates = {each for each in _nodes(node) if each.op in ("sin", "cos")} if isinstance(node, Assign) else set()
            assert len(gates) <= 1
    model = load(text).Model()
    for n in (0, 1, 2, 7, 70):
        r = np.random.default_rng(n)
        x, w = r.normal(size=n), r.normal(size=n)
        out, gradients = model.value_and_grad(x=x, w=w)
        t = x[None] - x[:, None]
        value = getattr(np, gate)(t)
        assert out.f == pytest.approx(w @ value.sum(axis=1), rel=1e-12, abs=1e-12)
        np.testing.assert_allclose(gradients.x, w @ slope(t) - w * slope(t).sum(axis=1), rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(gradients.w, value.sum(axis=1), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("backend", ["cython", "numpy"])
def test_zero_times_infinity_is_not_cut_away(backend: Any) -> None:
    """As in NumPy, where what a condition leaves out is multiplied; not where the sum leaves it out, nor in a gradient."""
    text = """\
size N
input x[N], z[N]
y[i] = sum(where(j > i, 1, 0) * x[j] * z[i] for j)
v[i] = sum(x[j] * z[i] for j if j > i)
output y, v
"""
    model = load(text, backend=backend, name="left_out").Model()
    x, z = np.arange(40.0), np.ones(40)
    x[0] = np.inf
    x[5] = np.nan
    out = model.predict(x=x, z=z)
    with np.errstate(invalid="ignore"):
        mask = np.where(np.arange(40) > np.arange(40)[:, None], 1.0, 0.0)
        np.testing.assert_array_equal(out.y, (mask * x).sum(axis=1))
    np.testing.assert_array_equal(out.v[5:], [x[i + 1 :].sum() for i in range(5, 40)])
    assert np.isnan(out.v[:5]).all()
    g = model.value_and_grad({"y": np.ones(40), "v": np.ones(40)}, x=x, z=z)[1]
    np.testing.assert_array_equal(g.v.z, out.v)
    np.testing.assert_array_equal(g.v.x, np.arange(40.0))
