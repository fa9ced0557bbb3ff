"""Derivatives inside a model: ``diff``, ``jacobian``, ``hessian`` and ``jvp`` beside central differences, and what they cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from gradwright.compiler.derive.reverse import Seed, differentiate
from gradwright.compiler.driver import derivations
from gradwright.compiler.graph import expr as E
from gradwright.compiler.graph.ir import Access, Axis, Eqn, Graph, Origin, Scan, Value, at, outs
from gradwright.compiler.graph.rewrite import shape_axes
from gradwright.compiler.meaning.interpret import run
from gradwright.compiler.meaning.verify import verify
from gradwright.compiler.passes import FORMULAS, apply, derivatives
from gradwright.compiler.passes.kernels import before, taken
from gradwright.runtime import load
from support.compare import inputs_of
from support.models import build, elaborated, errors
from support.programs import random_program

pytestmark = pytest.mark.unoptimised

Array = np.ndarray[Any, np.dtype[Any]]
BACKENDS = ("cython", "numpy")
ORIGIN = Origin((), "source")
rng = np.random.default_rng(11)

# What each output is: of which other output it is the Jacobian for which input, or the diagonal of that along so many axes.
CASES: dict[str, tuple[str, Mapping[str, Array], Mapping[str, tuple[str, str, int]]]] = {
    "curve": (
        """
        size N
        input x[N]
        output f = sin(x)*exp(-x**2)
        output df = diff(f, x)
        output ddf = diff(df, x)
        output J = jacobian(f, x)
        """,
        {"x": rng.normal(size=4)},
        {"df": ("f", "x", 1), "ddf": ("df", "x", 1), "J": ("f", "x", 0)},
    ),
    "numbers": (
        """
        input x, y
        output f = x**2*y + exp(y)
        output fx = diff(f, x)
        output fxy = diff(fx, y)
        """,
        {"x": np.array(0.7), "y": np.array(-0.4)},
        {"fx": ("f", "x", 0), "fxy": ("fx", "y", 0)},
    ),
    "rosenbrock": (
        """
        size D
        input x[D]
        output f = sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)
        output g = diff(f, x)
        output H = hessian(f, x)
        """,
        {"x": rng.normal(size=4)},
        {"g": ("f", "x", 0), "H": ("g", "x", 0)},
    ),
    "residuals": (
        """
        size N
        input t[N], b[3], a
        output r = b[0]*exp(b[1]*t) + a*b[2]
        output J = jacobian(r, b)
        output dt = diff(r, t)
        output da = diff(r, a)
        """,
        {"t": rng.normal(size=5), "b": rng.normal(size=3), "a": np.array(0.3)},
        {"J": ("r", "b", 0), "dt": ("r", "t", 1), "da": ("r", "a", 0)},
    ),
    "net": (
        """
        size N
        input x[N, 3], W[3, 2]
        h = tanh(x @ W)
        output s = softmax(h)
        output q = sum(s**3, axis=1)
        output J = jacobian(s, x)
        output JW = jacobian(s, W)
        output dq = diff(q, x)
        output H = jacobian(dq, x)
        """,
        {"x": rng.normal(size=(3, 3)), "W": rng.normal(size=(3, 2))},
        {"J": ("s", "x", 0), "JW": ("s", "W", 0), "dq": ("q", "x", 1), "H": ("dq", "x", 0)},
    ),
    "neighbours": (
        """
        size N
        input x[N], w
        h = x*w
        output s = roll(h, 1)*h + h - mean(h) + cumsum(h)
        output J = jacobian(s, x)
        output total = sum(s)
        output all = diff(total, x)
        output dw = diff(s, w)
        """,
        {"x": rng.normal(size=4), "w": np.array(0.7)},
        {"J": ("s", "x", 0), "all": ("total", "x", 0), "dw": ("s", "w", 0)},
    ),
    "reductions": (
        """
        size N
        input x[N]
        output f = logsumexp(x) + prod(x) + max(x)**2 + norm(x) + var(x) + sum(cumprod(x)**2) + sum(sort(x)[:-1]*x[1:])
        output g = diff(f, x)
        output H = hessian(f, x)
        """,
        {"x": rng.normal(size=4)},
        {"g": ("f", "x", 0), "H": ("g", "x", 0)},
    ),
    "pieces": (
        """
        size N
        input x[N]
        output f = where(x > 0, sqrt(x)*x, abs(x)**1.5) + max(x, 0.3*x) + relu(x)*x
        output df = diff(f, x)
        output ddf = diff(df, x)
        """,
        {"x": np.array([-2.0, -0.5, 0.5, 3.0])},
        {"df": ("f", "x", 1), "ddf": ("df", "x", 1)},
    ),
    "points": (
        """
        size N
        input r[N, 2]
        d[i, j] = sum((r[i, k] - r[j, k])**2 for k)
        output E = sum(1/d[i, j]**2 - 1/d[i, j] for i, j if i < j)
        output force = diff(E, r)
        output H = hessian(E, r)
        y[i] = 2*diff(E, r)[i, 0]
        output y
        """,
        {"r": rng.normal(size=(3, 2))},
        {"force": ("E", "r", 0), "H": ("force", "r", 0)},
    ),
    "loop": (
        """
        size T = 4
        input p[2], x[T], y0[2]
        scan t in range(T):
            carry y = y0
            y = y + 0.1*stack(p[0]*y[0] - y[0]*y[1] + x[t], y[0]*y[1] - p[1]*y[1])
            emit ys = y
        output end = y
        output ys
        output L = sum(ys**3)
        output J = jacobian(end, p)
        output Jy = jacobian(end, y0)
        output Js = jacobian(ys, p)
        output Jx = jacobian(ys, x)
        output g = diff(L, p)
        output H = hessian(L, p)
        """,
        {"p": np.array([1.0, 0.7]), "x": rng.normal(size=4), "y0": np.array([1.0, 0.4])},
        {"J": ("end", "p", 0), "Jy": ("end", "y0", 0), "Js": ("ys", "p", 0), "Jx": ("ys", "x", 0), "g": ("L", "p", 0),
         "H": ("g", "p", 0)},
    ),
    "newton": (
        """
        input a
        scan k in range(30) until abs(f) < 1e-13:
            carry x = a
            f = x**3 - a
            x = x - f/diff(f, x)
        output root = x
        output slope = diff(root, a)
        """,
        {"a": np.array(2.5)},
        {"slope": ("root", "a", 0)},
    ),
}  # fmt: skip


def text(name: str) -> str:
    return "\n".join(line[8:] for line in CASES[name][0].strip("\n").split("\n"))


def differences(function: Callable[[Array], Array], x: Array, h: float = 1e-5) -> Array:
    """All derivatives of ``function`` at ``x``, the axes of its value first."""
    found = []
    for k in range(x.size):
        step = (np.arange(x.size) == k).reshape(np.shape(x)) * h
        found.append((np.array(function(x + step)) - np.array(function(x - step))) / (2 * h))
    value = np.array(function(x))
    return np.stack(found, axis=-1).reshape((*value.shape, *x.shape))


def diagonal(whole: Array, axes: int, rank: int) -> Array:
    """What a Jacobian has where the first ``axes`` indices of its value, of that rank, are those of the argument."""
    for k in range(axes):
        whole = np.moveaxis(np.diagonal(whole, axis1=k, axis2=rank), -1, k)
    return whole


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", CASES)
def test_derivatives_are_those_of_differences(name: str, backend: Any) -> None:
    _, inputs, relations = CASES[name]
    model = load(text(name), name=f"derivatives_{name}", backend=backend).Model()
    out = model.predict(**inputs)
    for result, (of, wrt, axes) in relations.items():
        whole = differences(lambda x, of=of, wrt=wrt: model.predict(**(dict(inputs) | {wrt: x}))[of], np.asarray(inputs[wrt]))
        value = np.asarray(out[of])
        wanted = diagonal(whole, axes, value.ndim) if axes else whole
        np.testing.assert_allclose(out[result], wanted, rtol=1e-6, atol=1e-7, err_msg=f"{result} of {of} for {wrt}")


@pytest.mark.parametrize("backend", BACKENDS)
def test_training_goes_through_a_derivative(backend: Any) -> None:
    model = load(
        """
size   N, H = 5
input  x[N, 2]
param  W[2, H] ~ normal(0, 1)
param  b[H] = 0.1
param  v[H] ~ normal(0, 1)
u = tanh(x @ W + b) @ v
slope = diff(u, x)
bend = diff(slope[:, 0], x)
minimize mean((slope[:, 1] - bend[:, 0]/10 + u*slope[:, 0])**2)
""",
        name="derivatives_trained",
        backend=backend,
    ).Model(seed=3)
    x = rng.normal(size=(4, 2))

    def loss(theta: Array) -> Array:
        model.theta = theta
        return np.array(model.forward(x=x).loss)

    start = model.theta.copy()
    wanted = differences(loss, start)
    model.theta = start
    model.value_and_grad(x=x)
    np.testing.assert_allclose(model.grad, wanted, rtol=1e-6, atol=1e-8)


# What each output is: of which Jacobian the product with which direction.
DIRECTIONS: dict[str, tuple[str, dict[str, tuple[int, ...]], dict[str, tuple[str, str]]]] = {
    "net": (
        """
        size N
        input x[N, 3], W[3, 2], v[N, 3], V[3, 2]
        h = tanh(x @ W)
        output s = softmax(h)
        output J = jacobian(s, x)
        output JW = jacobian(s, W)
        output a = jvp(s, x, v)
        output b = jvp(s, W, V)
        """,
        {"x": (4, 3), "W": (3, 2), "v": (4, 3), "V": (3, 2)},
        {"a": ("J", "v"), "b": ("JW", "V")},
    ),
    "hessian": (
        """
        size D
        input x[D], v[D]
        output f = sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)
        output g = diff(f, x)
        output H = hessian(f, x)
        output Hv = jvp(g, x, v)
        output J = jacobian(Hv, x)
        output third = jvp(Hv, x, v)
        output df = jvp(f, x, v)
        """,
        {"x": (5,), "v": (5,)},
        {"Hv": ("H", "v"), "third": ("J", "v"), "df": ("g", "v")},
    ),
    "branches": (
        """
        size N
        input x[N], v[N], w[N, N]
        y = where(x > 0, sqrt(x), 0)
        output u = w @ y
        output J = jacobian(u, x)
        output a = jvp(u, x, v)
        """,
        {"x": (5,), "v": (5,), "w": (5, 5)},
        {"a": ("J", "v")},
    ),
    "numbers": (
        "input x, v\noutput f = exp(x)*sin(x)\noutput g = diff(f, x)\noutput d = jvp(f, x, v)",
        {"x": (), "v": ()},
        {"d": ("g", "v")},
    ),
    "loop": (
        """
        size T
        input x[T], y0, p[2], v[2], vx[T]
        scan t in range(T):
            carry y = y0
            y = y + 0.1*(p[0]*sin(y) + p[1]*x[t])
            emit ys = y
        output ys
        output J = jacobian(ys, p)
        output Jx = jacobian(ys, x)
        output a = jvp(ys, p, v)
        output b = jvp(ys, x, vx)
        """,
        {"x": (6,), "y0": (), "p": (2,), "v": (2,), "vx": (6,)},
        {"a": ("J", "v"), "b": ("Jx", "vx")},
    ),
}


@pytest.mark.parametrize(
    ("name", "backend"),
    [pytest.param(name, backend, marks=[pytest.mark.slow] if backend == "cython" and name != "loop" else [])
     for name in DIRECTIONS for backend in BACKENDS],
)  # fmt: skip
def test_a_derivative_along_a_direction_is_the_jacobian_times_it(name: str, backend: Any) -> None:
    text, shapes, relations = DIRECTIONS[name]
    draw = np.random.default_rng(5)
    inputs = {k: draw.normal(size=shape) for k, shape in shapes.items()}
    out = load(dedent(text), name=f"along_{name}", backend=backend).Model().predict(**inputs)
    for result, (of, along) in relations.items():
        wanted = np.tensordot(out[of], inputs[along], inputs[along].ndim)
        np.testing.assert_allclose(out[result], wanted, rtol=1e-12, atol=1e-14, err_msg=result)


def test_no_matrix_is_made_for_a_direction() -> None:
    text = "size N\ninput x[N], v[N]\nf = sum(x[1:]**2 * x[:-1]) + sum(x)**2\ng = diff(f, x)\noutput Hv = jvp(g, x, v)\n"
    out = load(text, name="along_rows", backend="numpy").Model().predict(x=np.ones(100_000), v=np.ones(100_000))
    assert out.Hv[1] == 2 * 1 + 2 * 1 + 2 * 1 + 2 * 100_000  # x[1]**2 x[0], x[2]**2 x[1], and the square of the sum


def test_stable_formulas_have_stable_derivatives() -> None:
    z = np.array([-800.0, -3.0, 0.0, 5.0, 800.0])
    out = load(
        """
size   N
input  z[N]
a = diff(log(1 + exp(z)), z)
output a
output b = diff(a, z)
output c = diff(log(sum(exp(z))), z)
p = sigmoid(z)
output d = diff(-log(p), p)
""",
        name="derivatives_stable",
        backend="numpy",
    ).Model().predict(z=z)  # fmt: skip
    p = 1 / (1 + np.exp(-np.clip(z, -700, 700)))
    np.testing.assert_allclose(out.a, p, rtol=1e-13, atol=1e-300)
    np.testing.assert_allclose(out.b, p * (1 - p), rtol=1e-13, atol=1e-300)
    assert np.isfinite(out.c).all() and out.c.sum() == pytest.approx(1)
    np.testing.assert_allclose(out.d[1:], -1 / p[1:], rtol=1e-13)  # the gate keeps to p, which was asked for


def test_a_zero_of_another_row_puts_no_nan_into_a_jacobian() -> None:
    text = "input x[2], w[2, 2]\nh = sqrt(x)\noutput u = h + w @ h\noutput J = jacobian(u, x)\n"
    out = load(text, name="derivatives_zeros", backend="numpy").Model().predict(x=[0.0, 4.0], w=np.zeros((2, 2)))
    np.testing.assert_array_equal(out.J[:, 1], [0, 0.25])
    assert out.J[1, 0] == 0 and not np.isnan(out.J[0, 0])


def shapes(name: str) -> set[tuple[str, ...]]:
    """The shapes of everything that the forward graph computes."""
    found: set[tuple[str, ...]] = set()
    graphs = [before(build(text(name)))]
    while graphs:
        graph = graphs.pop()
        graphs += [e.body for e in graph.eqns if isinstance(e, Scan)]
        found |= {tuple(str(d) for d in out.shape) for e in graph.eqns for out in outs(e)}
    return found


def test_rows_stay_rows() -> None:
    assert not any(shape.count("N") > 1 for shape in shapes("residuals"))
    text = "size N\ninput x[N, 2]\nu = sum(x**2, axis=1)\noutput d = diff(u, x)\n"
    many = np.ones((100_000, 2))  # whose pairs no memory would hold
    assert (load(text, name="derivatives_rows", backend="numpy").Model().predict(x=many).d == 2).all()


@pytest.mark.parametrize(
    ("model", "code", "line", "message"),
    [
        ("input x\noutput d = diff(x**2, 2*x)", "E267", 2, "a derivative is taken for what has a name"),
        ("input x[3]\nh = x**2\noutput d = diff(sum(x), h)", "E267", 3, "this does not depend on h"),
        ("input x\noutput d = diff(3, x)", "E267", 2, "this does not depend on x"),
        ("size N\ninput x[N, 3], W[3, 2]\noutput d = diff(x @ W, W)", "E203", 3,
         "diff wants one to have the first axes of the other"),
        ("index y[3] < 4\ninput x\noutput d = diff(x*sum(y), y)", "E245", 3,
         "y is an integer, and there is no derivative for it"),
        ("input x[3]\noutput d = jacobian(x > 0, x)", "E245", 2, "this is a truth value and has no derivative"),
        ("input x[3]\noutput d = hessian(x**2, x)", "E285", 2, "hessian wants a number"),
        ("input x[3]\ny[i] = diff(x[i]**2, x)\noutput y", "E235", 2, "diff works on whole arrays, and is given one number"),
        ("input x\noutput d = diff(x)", "E281", 2, "diff needs x"),
        ("input x[3], v[2]\noutput d = jvp(x**2, x, v)", "E203", 2,
         "a direction has the shape of what the derivative is taken for"),
        ("input x[3]\noutput d = jvp(x**2, 2*x, x)", "E267", 2, "a derivative is taken for what has a name"),
        ("input x[3], v[3]\noutput d = jvp(v, x, v)", "E267", 2, "v does not depend on x"),
        ("input x[3], v[3]\noutput d = jvp(x > 0, x, v)", "E245", 2, "this is a truth value and has no derivative"),
        ("input x[3], v[3]\ny[i] = jvp(x[i]**2, x, v)\noutput y", "E235", 2,
         "jvp works on whole arrays, and is given one number"),
        ("input x\noutput d = jvp(x, x)", "E281", 2, "jvp needs v"),
        ("input x[4]\nparam w = 1\nscan t in range(4):\n    carry h = 0\n    h = tanh(w*h + x[t])\n    emit d = diff(h, w)\n"
         "output d",
         "E267", 6, "in a loop a derivative is taken for a carry, or for a slice of an array"),
    ],
)  # fmt: skip
def test_what_has_no_derivative(model: str, code: str, line: int, message: str) -> None:
    assert errors(model + "\n") == [(code, line, message)]


def test_gates_of_a_differentiated_formula_are_explained() -> None:
    found = derivations("input x\noutput d = diff(tanh(x), x)\n").job.values["derivations"]
    assert [name for name, _, _ in found] == ["tanh"]


# ---------------------------------------------------------------- random models


def jacobian(graph: Graph, u: str, x: str) -> Graph:
    """The graph with the Jacobian of one of its values for another, taken."""
    values = graph.values()
    axes = shape_axes(values[u].shape)
    others = tuple(Axis(f"j{k}", d) for k, d in enumerate(values[x].shape))
    index, inner = tuple(at(a.name) for a in axes), tuple(at(a.name) for a in others)
    out = Value("jacobian", (*values[u].shape, *values[x].shape))
    body = E.make("diff", E.arg(0), E.arg(1))
    asked = Eqn(out, (*axes, *others), (*index, *inner), "", (Access(u, index), Access(x, inner)), body, "jacobian", ORIGIN)
    taken = derivatives.run(graph.with_eqns((*graph.eqns, asked)))
    verify(taken, "derivatives")
    return replace(taken, outputs=(*graph.outputs, out.name))


def along(graph: Graph, u: str, x: str) -> Graph:
    """The graph with the derivative of one of its values along a direction of another, taken."""
    values = graph.values()
    axes = shape_axes(values[u].shape)
    others = tuple(Axis(f"j{k}", d) for k, d in enumerate(values[x].shape))
    index, inner = tuple(at(a.name) for a in axes), tuple(at(a.name) for a in others)
    direction = Value("direction", values[x].shape)
    body = E.make("jvp", E.arg(0), E.arg(1), E.arg(2))
    reads = (Access(u, index), Access(x, inner), Access(direction.name, inner))
    out = Value("along", values[u].shape)
    asked = Eqn(out, (*axes, *others), index, "+" if others else "", reads, body, "jvp", ORIGIN)
    graph = replace(graph, inputs=(*graph.inputs, direction))
    taken = derivatives.run(graph.with_eqns((*graph.eqns, asked)))
    verify(taken, "derivatives")
    return replace(taken, outputs=(*graph.outputs, out.name))


def by_rows(graph: Graph, u: str, x: str, inputs: Mapping[str, Array], sizes: Mapping[str, int]) -> Array:
    """The Jacobian by a backward pass for each element of ``u``."""
    upstream = Value("upstream", graph.values()[u].shape)
    backward = differentiate(replace(graph, inputs=(*graph.inputs, upstream)), u, [x], Seed(upstream.name))
    value = run(graph, inputs, sizes)[u]
    rows = []
    for place in np.ndindex(value.shape):
        one = np.zeros(value.shape)
        one[place] = 1
        rows.append(run(backward.graph, {**inputs, "upstream": one}, sizes)[backward.adjoints[0]])
    shape = tuple(d.evaluate(sizes) for d in graph.values()[x].shape)
    return np.array(rows).reshape((*value.shape, *shape))


def small_inputs(graph: Graph, model: Any, sizes: Mapping[str, int], seed: int) -> dict[str, Array] | None:
    draw = np.random.default_rng(seed)
    inputs = inputs_of(model, sizes, draw)
    if inputs is None:
        return None
    kinds: dict[str, Callable[[tuple[int, ...]], Array]] = {
        "real": lambda shape: draw.uniform(-1, 1, shape),
        "int": lambda shape: np.ones(shape, int),
        "bool": lambda shape: np.zeros(shape, bool),
    }
    for value in graph.inputs:
        if value.name not in inputs:
            inputs[value.name] = kinds[value.kind](tuple(d.evaluate(sizes) for d in value.shape))
    return inputs


@pytest.mark.parametrize("first", [0, pytest.param(10, marks=pytest.mark.slow), pytest.param(30, marks=pytest.mark.slow)])
def test_jacobians_of_random_models_are_their_rows(first: int) -> None:
    compared = 0
    for k in range(first, first + (10 if first == 0 else 20)):
        program = random_program(Random(k))
        model, _, shown = elaborated(program.text, f"random_{k}.gw", dict(program.files))
        assert model is not None, shown
        graph = taken(model.graph) if derivatives.has(model.graph) else apply(FORMULAS, model.graph)
        sizes = dict.fromkeys(model.free, 1 + k % 3)
        inputs = small_inputs(graph, model, sizes, k)
        if inputs is None:
            continue
        values, given = graph.values(), {v.name for v in graph.inputs}
        count = {name: math.prod(d.evaluate(sizes) for d in value.shape) for name, value in values.items()}
        for u in [o for o in graph.outputs if values[o].kind == "real" and o not in given][:3]:
            for x in [v.name for v in graph.inputs if v.kind == "real" and count[u] * count[v.name] <= 200][:3]:
                found, wanted = run(jacobian(graph, u, x), inputs, sizes)["jacobian"], by_rows(graph, u, x, inputs, sizes)
                finite = np.isfinite(wanted)
                most = float(np.abs(wanted[finite]).max(initial=1))
                what = f"{u} for {x} of model {k}"
                np.testing.assert_allclose(found[finite], wanted[finite], rtol=1e-9, atol=1e-12 * most, err_msg=what)
                direction = np.random.default_rng(k).uniform(-1, 1, inputs[x].shape)
                found = run(along(graph, u, x), {**inputs, "direction": direction}, sizes)["along"]
                with np.errstate(invalid="ignore"):
                    wanted = np.tensordot(wanted, direction, direction.ndim)
                finite = np.isfinite(wanted)
                np.testing.assert_allclose(found[finite], wanted[finite], rtol=1e-8, atol=1e-11 * most, err_msg=what)
                compared += 1
    assert compared > 10
