"""The backward pass, against finite differences on random graphs, and by hand where the language promises something: ties,
kinks, branches that are not taken, zeros, what the loss does not depend on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gradwright.compiler.derive.reverse import Backward, Seed, differentiate, differentiate_all
from gradwright.compiler.graph.expr import arg, make
from gradwright.compiler.graph.ir import Access, Eqn, Graph, Origin, Scan, Value, at
from gradwright.compiler.graph.patterns import running
from gradwright.compiler.graph.rewrite import shape_axes
from gradwright.compiler.graph.text import parse_graph
from gradwright.compiler.meaning.interpret import run
from gradwright.compiler.meaning.verify import verify, verify_gradients
from gradwright.compiler.passes import AFTER, apply, routes
from hypothesis import given
from numpy.typing import NDArray
from support.graphs import Case, graphs
from support.settings import thoroughly

Array = NDArray[Any]
STEPS = (1e-3, 1e-4, 1e-5)  # one of them is right: too long a step sees the curve, too short a one rounding


def backward(graph: Graph, target: str, wrt: Sequence[str], seed: Seed | None = None) -> Backward:
    """The verified backward pass; each adjoint has its variable's own shape."""
    graph = routes.run(graph)
    result = differentiate(graph, target, wrt, seed or Seed(None))
    verify(result.graph, "reverse")
    verify_gradients(result.graph, zip(wrt, result.adjoints, strict=True))
    return result


def gradients(text: str, wrt: Sequence[str], target: str = "loss", seed: Array | None = None, **inputs: Any) -> list[Array]:
    """The gradients of a graph given as text; the optimised graph must give the same."""
    graph = parse_graph(f"graph test\n{text.strip()}\n\noutput {target}\n")
    arrays = {name: np.asarray(x) if np.asarray(x).dtype.kind == "i" else np.asarray(x, float) for name, x in inputs.items()}
    if seed is not None:
        graph = replace(graph, inputs=(*graph.inputs, Value("upstream", graph.values()[target].shape)))
        arrays["upstream"] = np.asarray(seed, float)
    result = backward(graph, target, wrt, None if seed is None else Seed("upstream"))
    kept = replace(result.graph, outputs=(*graph.outputs, *dict.fromkeys(result.adjoints)))
    found, after = run(result.graph, arrays), run(apply(AFTER, kept), arrays)
    for name in result.adjoints:
        if " lse " in text:  # read off the sum, a softmax does not carry the rounding of t - logsumexp(t) any more
            np.testing.assert_allclose(found[name], after[name], rtol=1e-13, atol=0)
        else:
            np.testing.assert_array_equal(found[name], after[name])
    return [found[name] for name in result.adjoints]


def slope(value: Any, h: float) -> Any:
    """The derivative of ``value(step)`` at 0, to fourth order."""
    return (8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h)


# ---------------------------------------------------------------- random graphs


def moved(case: Case, inputs: Mapping[str, Array], direction: Mapping[str, Array], step: float) -> dict[str, Array]:
    return {name: x + step * direction[name] if name in direction else x for name, x in inputs.items()}


def directions(case: Case, inputs: Mapping[str, Array]) -> dict[str, Array]:
    rng = np.random.default_rng(case.seed + 100)
    return {name: rng.normal(size=inputs[name].shape) for name in case.trained}


@given(graphs(loss=True, smooth=True, empty=False))
@thoroughly(60)
def test_gradients_of_random_graphs_are_their_slopes(case: Case) -> None:
    graph = replace(case.graph, outputs=("loss",))
    result = backward(graph, "loss", case.trained)
    inputs = case.inputs()
    direction = directions(case, inputs)
    found = run(result.graph, inputs, case.sizes)
    ours = sum(np.sum(found[a] * direction[name]) for name, a in zip(case.trained, result.adjoints, strict=True))
    slopes = [slope(lambda s: run(graph, moved(case, inputs, direction, s), case.sizes)["loss"], h) for h in STEPS]
    # what rounding of the loss and of the terms of the sum allows
    terms = [np.abs(found[a] * direction[name]).sum() for name, a in zip(case.trained, result.adjoints, strict=True)]
    scale = sum(terms) + abs(float(found["loss"])) * 1e-2 + 1e-2
    assert min(abs(s - ours) for s in slopes) <= 1e-8 * scale


@given(graphs(loss=True, smooth=True, empty=False, steps=5))
@thoroughly(30)
def test_second_derivatives_of_random_graphs_are_the_slopes_of_their_gradients(case: Case) -> None:
    """The Hessian times a vector u, as the gradient of u·gradient."""
    first = backward(replace(case.graph, outputs=("loss",)), "loss", case.trained)
    values = first.graph.values()
    inputs, eqns, dots = list(first.graph.inputs), list(first.graph.eqns), []
    for name, adjoint in zip(case.trained, first.adjoints, strict=True):
        shape, axes = values[name].shape, shape_axes(values[name].shape)
        index = tuple(at(a.name) for a in axes)
        inputs.append(Value(f"u {name}", shape))
        dots.append(Access(f"dot {name}", ()))
        reads = (Access(adjoint, index), Access(f"u {name}", index))
        eqns.append(Eqn(Value(f"dot {name}", ()), axes, (), "+" if axes else "", reads, make("mul", arg(0), arg(1)), "dot",
                        Origin((), "test")))  # fmt: skip
    total = arg(0)
    for k in range(1, len(dots)):
        total = make("add", total, arg(k))
    eqns.append(Eqn(Value("directional", ()), (), (), "", tuple(dots), total, "add", Origin((), "test")))
    again = replace(first.graph, inputs=tuple(inputs), eqns=tuple(eqns), outputs=("directional",))
    second = backward(again, "directional", case.trained)
    point = case.inputs()
    direction = directions(case, point)
    found = run(second.graph, point | {f"u {name}": d for name, d in direction.items()}, case.sizes)

    def gradient(step: float) -> Array:
        there = run(first.graph, moved(case, point, direction, step), case.sizes)
        return np.concatenate([np.ravel(there[a]) for a in first.adjoints])

    ours = np.concatenate([np.ravel(found[a]) for a in second.adjoints])
    scale = np.abs(ours).max(initial=0) + np.abs(gradient(0)).max(initial=0) + 1e-2
    assert min(np.abs(slope(gradient, h) - ours).max(initial=0) for h in STEPS) <= 1e-7 * scale


@given(graphs(loss=True))
@thoroughly(60)
def test_gradients_of_random_graphs_are_finite_where_values_are(case: Case) -> None:
    """Kinks, ties, branches, empty arrays: no NaN, and always the variable's own shape."""
    result = backward(replace(case.graph, outputs=("loss",)), "loss", case.trained)
    found = run(result.graph, case.inputs(), case.sizes)
    if all(np.isfinite(found[v]).all() for v in case.graph.values()):
        for name, adjoint in zip(case.trained, result.adjoints, strict=True):
            assert found[adjoint].shape == found[name].shape
            assert np.isfinite(found[adjoint]).all(), name


# ---------------------------------------------------------------- reductions

X = [2.0, -1.0, 3.0, 3.0]


@pytest.mark.parametrize("reduce, value, expected", [
    ("sum", X, [1, 1, 1, 1]),
    ("max", X, [0, 0, 1, 0]),  # the first of equals
    ("min", [2, -1, 3, -1], [0, 1, 0, 0]),
    ("max", [5, 5, 5], [1, 0, 0]),
    ("prod", X, [-9, 18, -6, -6]),
    ("prod", [2, 0, 3], [0, 6, 0]),
    ("prod", [0, 0, 3], [0, 0, 0]),
    ("lse", [0, 0], [0.5, 0.5]),
    ("lse", [1000, 1000], [0.5, 0.5]),  # and never an overflow
    ("lse", [-1000, 0], [0, 1]),
    ("lse", [3], [1]),
])  # fmt: skip
def test_reductions(reduce: str, value: list[float], expected: list[float]) -> None:
    (found,) = gradients(f"input x[N]\nloss = {reduce} r: x[r]  for r < N", ["x"], x=value)
    # exp(t - lse) carries the rounding of lse: an ulp of 1000 for logits around 1000
    np.testing.assert_allclose(found, expected, rtol=2e-13 if reduce == "lse" else 0)


def test_positions_have_no_slope() -> None:
    (found,) = gradients("input x[N]\nk = argmax r: x[r]  for r < N as int\nloss = 2 * k", ["x"], x=X)
    np.testing.assert_array_equal(found, np.zeros(4))


@pytest.mark.parametrize("axis, expected", [("r < 2", [[1, 1], [0, 0]]), ("r < 2, s < 2", [[1, 0], [0, 0]])])
def test_a_maximum_gives_all_to_the_first_in_row_major_order(axis: str, expected: list[list[float]]) -> None:
    if "s" in axis:
        text = f"input x[2, 2]\nloss = max r, s: x[r, s]  for {axis}"
    else:
        text = f"input x[2, 2]\nm[i] = max r: x[r, i]  for i < 2, {axis}\nloss = sum i: m[i]  for i < 2"
    (found,) = gradients(text, ["x"], x=np.ones((2, 2)))
    np.testing.assert_array_equal(found, expected)


def test_a_maximum_in_disguise_still_goes_to_the_first_in_row_major_order() -> None:
    (found,) = gradients("input x[2, 3]\nloss = max r, s: square(x[r, s])  for r < 2, s < 3", ["x"], x=[[1, 2, -3], [3, -3, 0]])
    np.testing.assert_array_equal(found, [[0, 0, -6], [0, 0, 0]])


def test_a_product_over_two_axes_with_zeros_to_second_order() -> None:
    """The product of x over all: its second derivative is the product of the others than two."""
    text = "input x[2, 2]\nloss = prod r, s: x[r, s]  for r < 2, s < 2"
    x = np.array([[2.0, 0.0], [0.0, 5.0]])
    graph = parse_graph(f"graph test\n{text}\noutput loss\n")
    first = backward(graph, "loss", ["x"])
    np.testing.assert_array_equal(run(first.graph, {"x": x})[first.adjoints[0]], np.zeros((2, 2)))
    (d_x,) = first.adjoints
    seeded = replace(first.graph, inputs=(*first.graph.inputs, Value("u", graph.inputs[0].shape)))
    second = backward(seeded, d_x, ["x"], Seed("u"))
    for i, j in np.ndindex(2, 2):
        u = np.zeros((2, 2))
        u[i, j] = 1
        found = run(second.graph, {"x": x, "u": u})[second.adjoints[0]]
        expected = np.zeros((2, 2))
        for k, m in np.ndindex(2, 2):
            if (k, m) != (i, j):
                expected[k, m] = np.prod([x[p] for p in np.ndindex(2, 2) if p not in ((i, j), (k, m))])
        np.testing.assert_array_equal(found, expected)


PRODUCTS = {
    "rows": "input x[3, 4]\nl[i] = prod r: x[i, r]  for i < 3, r < 4\nloss = sum i: l[i] * (i + 1)  for i < 3",
    "columns": "input x[3, 4]\nl[i] = prod r: x[r, i]  for i < 4, r < 3\nloss = sum i: l[i] * (i + 1)  for i < 4",
    "all": "input x[3, 4]\nloss = prod r, s: x[r, s]  for r < 3, s < 4",
    "body": "input x[3, 4]\nl[i] = prod r: x[i, r] * x[0, r] + r - 1  for i < 3, r < 4\nloss = sum i: l[i]  for i < 3",
    "running": "input x[3, 4]\nl[i, j] = prod r: where(r <= j, x[i, r], 1)  for i < 3, j < 4, r < 4\n"
               "loss = sum i, j: l[i, j] * (j + 2)  for i < 3, j < 4",
    "up": "input x[3, 4]\nl = prod r: x[k[r], r]  for r < 4\nloss = square(l)\n",
}  # fmt: skip


def torch_product(name: str) -> Callable[[Any], Any]:
    import torch

    ranks = [torch.arange(n, dtype=torch.float64) for n in (3, 4)]
    return {
        "rows": lambda x: (x.prod(1) * (ranks[0] + 1)).sum(),
        "columns": lambda x: (x.prod(0) * (ranks[1] + 1)).sum(),
        "all": lambda x: x.prod(),
        "body": lambda x: (x * x[0] + ranks[1] - 1).prod(1).sum(),
        "running": lambda x: sum((j + 2) * x[:, : j + 1].prod(1).sum() for j in range(4)),
        "up": lambda x: x[torch.tensor([0, 2, 1, 0]), torch.arange(4)].prod() ** 2,
    }[name]


@pytest.mark.torch
@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_with_zeros_to_second_order(name: str, zeros: int) -> None:
    """The gradient, and its derivatives again, against PyTorch, with so many zeros in each row."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(zeros)
    x = rng.uniform(0.5, 2, (3, 4)) * rng.choice([-1, 1], (3, 4))
    for row in x:
        row[rng.permutation(4)[:zeros]] = 0
    arrays: dict[str, Any] = {"x": x} | ({"k": np.array([0, 2, 1, 0])} if name == "up" else {})
    text = PRODUCTS[name].replace("\n", "\ninput k[4] int\n", 1) if name == "up" else PRODUCTS[name]
    graph = parse_graph(f"graph test\n{text}\noutput loss\n")
    first = backward(graph, "loss", ["x"])
    leaf = torch.tensor(x, requires_grad=True)
    (wanted,) = torch.autograd.grad(torch_product(name)(leaf), leaf, create_graph=True)
    np.testing.assert_allclose(run(first.graph, arrays)[first.adjoints[0]], wanted.detach(), rtol=1e-12, atol=1e-14)
    seeded = replace(first.graph, inputs=(*first.graph.inputs, Value("u", graph.inputs[0].shape)))
    second = backward(seeded, first.adjoints[0], ["x"], Seed("u"))
    u = rng.normal(size=(3, 4))
    (wanted,) = torch.autograd.grad(wanted, leaf, torch.tensor(u)) if wanted.requires_grad else (torch.zeros(3, 4),)
    found = run(second.graph, {**arrays, "u": u})[second.adjoints[0]]
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-13)


def test_the_adjoint_of_a_product_takes_running_products_only() -> None:
    """Work in proportion to the factors, and not to the pairs of them, also in the second derivative."""
    graph = parse_graph("graph test\ninput x[N, M]\nl[i] = prod r: x[i, r]  for i < N, r < M\nloss = sum i: l[i]  for i < N\n"
                        "output loss\n")  # fmt: skip
    first = backward(graph, "loss", ["x"])
    products = [e for e in first.graph.eqns if isinstance(e, Eqn) and e.reduce == "*" and e.out.name != "l"]
    assert len(products) == 2 and all(running(e) for e in products)
    assert max(len(e.out.shape) for e in first.graph.eqns if isinstance(e, Eqn)) == 2
    second = backward(first.graph, first.adjoints[0], ["x"], Seed("x"))
    eqns = [e for g in (second.graph, *(e.body for e in second.graph.eqns if isinstance(e, Scan))) for e in g.eqns]
    assert sum(isinstance(e, Scan) for e in eqns) == 2  # one for each of the running products
    assert all(len(e.axes) <= 2 or running(e) for e in eqns if isinstance(e, Eqn))
    assert max(len(e.out.shape) for e in eqns if isinstance(e, Eqn)) == 2


# ---------------------------------------------------------------- reads and writes are each other's adjoint


@pytest.mark.parametrize("text, x, upstream, expected", [
    ("y[i] = x[3 - i]  for i < 4", [1, 2, 3, 4], [1, 2, 3, 4], [4, 3, 2, 1]),
    ("y[i] = x[2*i]  for i < 2", [1, 2, 3, 4], [5, 7], [5, 0, 7, 0]),
    ("y[i] = pad(x[i - 1], 9)  for i < 3", [1, 2, 3, 4], [5, 7, 9], [7, 9, 0, 0]),  # the fill is a constant
    ("y[i - 1] += x[i]  for i < 4 into [3] drop", [1, 2, 3, 4], [5, 7, 9], [0, 5, 7, 9]),
    ("y[i] = x[k[i]]  for i < 3", [1, 2, 3, 4], [5, 7, 9], [7, 0, 14, 0]),
    ("y[k[i]] += x[i]  for i < 3 into [4]", [1, 2, 3], [5, 7, 9, 11], [9, 5, 9]),
    ("y[i, j] = x[2*i + j]  for i < 2, j < 2", [1, 2, 3, 4], [[5, 7], [9, 11]], [5, 7, 9, 11]),
    ("y[i] = x[0]  for i < 3", [1, 2, 3, 4], [5, 7, 9], [21, 0, 0, 0]),
])  # fmt: skip
def test_data_movement(text: str, x: list[float], upstream: Any, expected: list[float]) -> None:
    up = np.asarray(upstream, float)
    (found,) = gradients(f"input x[{len(x)}]\ninput k[3] int\n{text}", ["x"], "y", seed=up, x=x, k=[2, 0, 2])
    np.testing.assert_array_equal(found, expected)


def test_the_adjoint_of_a_pad_is_a_drop_and_the_other_way_round() -> None:
    graph = parse_graph("graph test\ninput x[N]\ninput u[N]\ny[i] = pad(x[i - 1], 0)  for i < N\noutput y\n")
    first = backward(graph, "y", ["x"], Seed("u"))
    scatter = first.graph.eqns[-1]
    assert isinstance(scatter, Eqn) and scatter.drop and scatter.plain_out is None
    twice = replace(first.graph, inputs=(*first.graph.inputs, Value("v", graph.inputs[0].shape)))
    second = backward(twice, first.adjoints[0], ["u"], Seed("v"))
    read = second.graph.eqns[-1]
    assert isinstance(read, Eqn) and not read.drop and read.args[0].fill == 0
    found = run(second.graph, {"x": np.zeros(3), "u": np.zeros(3), "v": np.array([5.0, 7, 9])})
    np.testing.assert_array_equal(found[second.adjoints[0]], [0, 5, 7])


def test_broadcasting_sums_to_the_variables_own_shape() -> None:
    text = "input a[3, 1]\ninput b[4]\ninput c\ny[i, j] = a[i, 0] * b[j] + c  for i < 3, j < 4"
    up = np.arange(12.0).reshape(3, 4)
    a, b = np.array([[1.0], [2], [3]]), np.array([1.0, 0, -1, 2])
    d_a, d_b, d_c = gradients(text, ["a", "b", "c"], "y", seed=up, a=a, b=b, c=1)
    np.testing.assert_array_equal(d_a, (up @ b)[:, None])
    np.testing.assert_array_equal(d_b, up.T @ a[:, 0])
    assert d_c.shape == () and d_c == up.sum()


# ---------------------------------------------------------------- what flows where


def test_fan_out_adds() -> None:
    (found,) = gradients("input x\na = sin(x)\nb = a * a\nc = a + b\nloss = a * c", ["x"], x=0.3)
    s = np.sin(0.3)
    assert found == pytest.approx((2 * s + 3 * s**2) * np.cos(0.3), rel=1e-15)


def test_the_same_value_twice_in_one_equation() -> None:
    text = "input x[2, 2]\ny[i, j] = x[i, j] * x[j, i]  for i < 2, j < 2\nloss = sum i, j: y[i, j]  for i < 2, j < 2"
    (found,) = gradients(text, ["x"], x=[[1, 2], [3, 4]])
    np.testing.assert_array_equal(found, [[2, 6], [4, 8]])


def test_what_the_loss_does_not_depend_on_has_zeros_of_its_own_shape() -> None:
    found = gradients("input x\ninput unused[3, N]\nstray[i] = sin(unused[0, i])  for i < N\nloss = x * x",
                      ["x", "unused", "stray"], x=2.0, unused=np.ones((3, 5)))  # fmt: skip
    assert found[0] == 4
    np.testing.assert_array_equal(found[1], np.zeros((3, 5)))
    np.testing.assert_array_equal(found[2], np.zeros(5))


def test_a_loss_that_is_constant() -> None:
    (found,) = gradients("input x[3]\nloss = 7", ["x"], x=[1, 2, 3])
    np.testing.assert_array_equal(found, np.zeros(3))


def test_the_gradient_with_respect_to_a_value_on_the_way() -> None:
    """f = (x + y) z: df/dq = z, and what lies behind q still gets its own."""
    d_q, d_x, d_f = gradients("input x\ninput y\ninput z\nq = x + y\nloss = q * z", ["q", "x", "loss"], x=-2, y=5, z=-4)
    assert (d_q, d_x, d_f) == (-4, -4, 1)


def test_the_target_itself() -> None:
    (found,) = gradients("input x[3]", ["x"], "x", seed=np.array([1.0, 2, 3]), x=[7, 8, 9])
    np.testing.assert_array_equal(found, [1, 2, 3])


def test_several_seeds_add() -> None:
    graph = parse_graph("graph test\ninput x\ninput u\na = x * x\nb = sin(a)\noutput a, b\n")
    result = differentiate_all(graph, [("a", Seed("u")), ("b", Seed(None)), ("a", Seed(None))], ["x"])
    verify(result.graph)
    found = run(result.graph, {"x": np.array(0.5), "u": np.array(3.0)})[result.adjoints[0]]
    assert found == pytest.approx(2 * 0.5 * (3 + 1 + np.cos(0.25)), rel=1e-15)


def test_every_new_equation_says_where_it_comes_from() -> None:
    graph = parse_graph("graph test\ninput x[N]\n"
                        "y[i] = sin(x[i])  for i < N  # sin  m.gw:3:5-11\n"
                        "loss = sum r: y[r]  for r < N  # sum  m.gw:4:1-7\noutput loss\n")  # fmt: skip
    result = backward(graph, "loss", ["x"])
    (new,) = [e for e in result.graph.eqns if e not in graph.eqns and e.origin.rule == "vjp sin"]
    assert [(s.file, s.line) for s in new.origin.spans] == [("m.gw", 3)]
    assert "cos(x)" in new.origin.note


# ---------------------------------------------------------------- kinks, as the language says

SUM = "\nloss = sum r: y[r]  for r < N"


@pytest.mark.parametrize("body, x, expected", [
    ("where(x[i] > 0, x[i], 0)", [-1, 0, 2], [0, 0, 1]),  # relu
    ("abs(x[i])", [-1, 0, 2], [-1, 0, 1]),
    ("sign(x[i])", [-1, 0, 2], [0, 0, 0]),
    ("floor(x[i])", [-1, 0, 2], [0, 0, 0]),
    ("max(x[i], 0)", [-1, 0, 2], [0, 0.5, 1]),  # a tie: half each
    ("max(0, x[i])", [-1, 0, 2], [0, 0.5, 1]),
    ("min(x[i], 1)", [0, 1, 2], [1, 0.5, 0]),
    ("min(max(x[i], -1), 1)", [-2, 0, 2], [0, 1, 0]),
    ("max(x[i], x[i])", [-1, 0, 2], [1, 1, 1]),
    ("max(x[i], -x[i])", [-1, 0, 2], [-1, 0, 1]),
    ("where(x[i] >= 0, x[i], 2 * x[i])", [-1, 0, 2], [2, 1, 1]),
])  # fmt: skip
def test_kinks(body: str, x: list[float], expected: list[float]) -> None:
    (found,) = gradients(f"input x[N]\ny[i] = {body}  for i < N{SUM}", ["x"], x=x)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("y", [0.0, 0.25, 1.0])
def test_kinks_that_cancel(y: float) -> None:
    """The cross-entropy of a sigmoid, written the stable way: at z = 0 the slope is 1/2 - y, in one equation or several."""
    one = "input z\ninput y\nloss = max(z, 0) - z * y + log(1 + exp(-abs(z)))"
    steps = """input z
input y
a = max(z, 0)
b = z * y
c = abs(z)
d = exp(-c)
e = log(1 + d)
f = a - b
loss = f + e"""
    for text in (one, steps):
        assert gradients(text, ["z"], z=0.0, y=y) == [0.5 - y]
        for z in (-3.0, 1.5):
            (found,) = gradients(text, ["z"], z=z, y=y)
            assert found == pytest.approx(1 / (1 + np.exp(-z)) - y, rel=1e-14)


# ---------------------------------------------------------------- branches are safe

SAFE: dict[str, tuple[tuple[str, ...], list[float], list[float]]] = {  # the steps for y[i], x, the gradient of their sum
    "log behind a where": (("y = where(x > 0, log(x), 0)",), [-1, 0, 4], [0, 0, 0.25]),
    "log and where apart": (("a = log(x)", "y = where(x > 0, a, 0)"), [-1, 0, 4], [0, 0, 0.25]),
    "x/x over several equations": (("a = x / x", "b = a * a", "y = where(x > 0, b, 0)"), [-1, 0, 4], [0, 0, 0]),
    "exp that overflows": (("a = exp(x)", "b = a * a", "y = where(x < 1, b, 0)"), [0, 800, 1000], [2, 0, 0]),
    "exp behind a mask": (("a = exp(x)", "m = where(x < 1, 1, 0)", "b = where(m > 0, a, 0)", "y = b * m"), [0, 800], [1, 0]),
    "root behind a where": (("a = sqrt(x)", "y = where(x > 0, a, 0)"), [-1, 0, 4], [0, 0, 0.25]),
    "root of a relu": (("a = where(x > 0, x, 0)", "y = sqrt(a)"), [-1, 0, 4], [0, 0, 0.25]),
    "power behind a where": (("a = x ** -2", "y = where(x > 1, a, 1)"), [-1, 0, 2], [0, 0, -0.25]),
    "a maximum that hides a pole": (("a = -1 / x", "y = max(a, -1)"), [0.25, 0.5, 2], [0, 0, 0.25]),
    "a minimum that hides a pole": (("a = 1 / square(x)", "y = min(a, 1)"), [0, 0.5, 2], [0, 0, -0.25]),
    "a root at 0 squared": (("a = sqrt(x)", "y = a * a"), [4, 1, 9], [1, 1, 1]),
    "clip after a logarithm": (("a = log(x)", "y = min(max(a, -1), 1)"), [0, 1, 10], [0, 1, 0]),
    "abs of a root": (("a = sqrt(x)", "y = abs(a)"), [0, 1, 4], [0, 0.5, 0.25]),
}  # fmt: skip


@pytest.mark.parametrize("name", SAFE)
def test_the_branch_not_taken_puts_no_nan_into_a_gradient(name: str) -> None:
    steps, x, expected = SAFE[name]
    lines = [re.sub(r"\b([abmxy])\b", r"\1[i]", step) + "  for i < N" for step in steps]
    with np.errstate(all="ignore"):
        (found,) = gradients("\n".join(["input x[N]", *lines]) + SUM, ["x"], x=x)
    np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_what_is_not_picked_puts_no_nan_into_a_gradient() -> None:
    text = "input x[3]\ninput k[1] int\na[i] = log(x[i])  for i < 3\ny[i] = a[k[i]]  for i < 1\nloss = y[0]"
    with np.errstate(all="ignore"):
        (found,) = gradients(text, ["x"], x=[0, -1, 4], k=[2])
    np.testing.assert_array_equal(found, [0, 0, 0.25])


def test_the_norm_at_0() -> None:
    norm = "input x[N]\ns = sum r: square(x[r])  for r < N\nn = sqrt(s)"
    with np.errstate(all="ignore"):
        for loss in ("n", "n * n", "square(n)", "sin(n)", "n ** 3"):
            (found,) = gradients(f"{norm}\nloss = {loss}", ["x"], x=np.zeros(3))
            np.testing.assert_array_equal(found, np.zeros(3), err_msg=loss)
        (found,) = gradients(f"{norm}\nloss = n", ["x"], x=[3, 0, 4])
    np.testing.assert_allclose(found, [0.6, 0, 0.8], rtol=1e-15)


def test_norms_of_rows_one_of_them_0() -> None:
    text = """input x[N, M]
s[n] = sum j: square(x[n, j])  for n < N, j < M
r[n] = sqrt(s[n])  for n < N
loss = sum n: r[n]  for n < N"""
    with np.errstate(all="ignore"):
        (found,) = gradients(text, ["x"], x=[[3, 4], [0, 0]])
    np.testing.assert_allclose(found, [[0.6, 0.8], [0, 0]], rtol=1e-15)


# ---------------------------------------------------------------- loops over time


def test_a_branch_outside_of_a_loop_keeps_the_loop_safe() -> None:
    """The loop takes logarithms of everything; the where outside uses only the good ones."""
    text = """input x[3]
input h0
scan t < 3 in body: last, logs[3]
    carry h = h0
    slice v = x
    g = h + v
    l = log(v)
    next g
    emit l
y[i] = where(x[i] > 0, logs[i], 0)  for i < 3
loss = sum i: y[i]  for i < 3"""
    with np.errstate(all="ignore"):
        (found,) = gradients(text, ["x"], x=[0, -1, 4], h0=1)
    np.testing.assert_array_equal(found, [0, 0, 0.25])


@pytest.mark.parametrize("steps", [0, 1, 4])
def test_a_loop_of_any_number_of_steps(steps: int) -> None:
    """h <- w h, from h0: the gradients are those of w^T h0."""
    text = """input h0
input w
input x[T]
scan t < T in body: last
    carry h = h0
    slice v = x
    keep k = w
    g = h * k + v
    next g
loss = last * last"""
    h0, w, x = 2.0, 0.5, np.arange(1.0, steps + 1)
    d_h0, d_w, d_x = gradients(text, ["h0", "w", "x"], h0=h0, w=w, x=x)
    last, powers = h0, [w**k for k in range(steps + 1)]
    hs = [h0]
    for v in x:
        last = last * w + v
        hs.append(last)
    assert d_h0 == pytest.approx(2 * last * powers[steps])
    assert d_w == pytest.approx(2 * last * sum(powers[steps - 1 - t] * hs[t] for t in range(steps)))
    np.testing.assert_allclose(d_x, [2 * last * powers[steps - 1 - t] for t in range(steps)])


def test_a_maximum_over_two_axes_inside_of_a_loop() -> None:
    text = """input x[2, 2, 2]
input h0
scan t < 2 in body: last
    carry h = h0
    slice v[2, 2] = x
    m = max r, s: v[r, s]  for r < 2, s < 2
    g = h * m
    next g
loss = last"""
    d_x, d_h0 = gradients(text, ["x", "h0"], x=[[[1, 3], [3, 2]], [[5, 5], [1, 5]]], h0=2)
    assert d_h0 == 15
    np.testing.assert_array_equal(d_x, [[[0, 10], [0, 0]], [[6, 0], [0, 0]]])


@pytest.mark.parametrize("x", [0.0, -1.0])
def test_a_zero_wins_at_a_vertical_tangent_of_another_equation(x: float) -> None:
    """m * sqrt(m) with m = max(x, 0): at 0 the upstream of the root is 0 and its slope infinite."""
    graph = parse_graph(
        "graph root\ninput x\nm = max(x, 0)\nr = sqrt(m)\nloss = m * r\noutput loss\n"
    )
    backward = differentiate(graph, "loss", ["x"], Seed(None))
    assert run(backward.graph, {"x": np.array(x)})[backward.adjoints[0]] == 0
