"""Generated kernels against the interpreter: random graphs, any size, any name, numbers, integers, depth."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradwright.compiler.derive.reverse import Seed, differentiate
from gradwright.compiler.driver import compile_model
from gradwright.compiler.graph import expr as E
from gradwright.compiler.graph.expr import Expr, arg, const, make
from gradwright.compiler.graph.ir import Access, Axis, Eqn, Graph, Origin, Value, at
from gradwright.compiler.graph.shapes import Dim, shape_of
from gradwright.compiler.graph.text import parse_graph, show_graph
from gradwright.compiler.meaning.interpret import InterpretError, run
from gradwright.compiler.meaning.verify import verify
from gradwright.compiler.passes import AFTER, BEFORE, apply
from gradwright.compiler.passes.names import rename
from hypothesis import given
from numpy.typing import NDArray
from support import settings
from support.graphs import Case, graphs
from support.kernels import Runner, build_graphs
from support.settings import thoroughly

Array = NDArray[Any]
ORIGIN = Origin((), "test")
SIZES = (0, 1, 2, 7, 64)


# ---------------------------------------------------------------- random graphs


def cases(count: int, **options: Any) -> list[Case]:
    """So many random graphs, always the same."""
    found: list[Case] = []

    @given(graphs(**options))
    @thoroughly(count)
    def collect(case: Case) -> None:
        found.append(case)

    collect()
    return found


def with_temporaries(case: Case, rng: random.Random) -> Graph:
    """Some values get names that no user gave: those may be written where they are used."""
    outs = [e.out.name for e in case.graph.eqns if isinstance(e, Eqn) and e.out.name not in case.graph.outputs]
    graph = rename(case.graph, {name: f"{name}_t{k}" for k, name in enumerate(outs) if rng.random() < 0.7})
    verify(graph)
    return graph


def with_gradients(graph: Graph, case: Case) -> tuple[Graph, Graph]:
    """The loss and its gradients, as they are derived and as they are after the passes."""
    forward = apply(BEFORE, replace(graph, outputs=("loss",)))
    backward = differentiate(forward, "loss", case.trained, Seed(None))
    plain = replace(backward.graph, outputs=tuple(dict.fromkeys(("loss", *backward.adjoints))))
    return plain, apply(AFTER, plain)


@dataclass
class Built:
    case: Case
    plain: Graph
    kernel: Runner


def build(found: list[Case], folder: Path, gradients: bool, single: bool = False, level: int = settings.OPTIMISED) -> list[Built]:
    rng = random.Random(0)
    renamed = [with_temporaries(case, rng) for case in found]
    pairs = [with_gradients(g, case) if gradients else (g, g) for g, case in zip(renamed, found, strict=True)]
    runners = build_graphs([p[1] for p in pairs], folder, single, level)
    return [Built(case, plain, r) for case, (plain, _), r in zip(found, pairs, runners, strict=True)]


def check(built: Built, sizes: dict[str, int], tolerance: float) -> None:
    inputs = built.case.inputs(sizes)
    try:
        expected = run(built.plain, inputs, sizes)
    except InterpretError as error:  # the position of a maximum, taken as an index, may lie outside of a smaller array
        assert "outside" in str(error)
        return
    for name, found in built.kernel(inputs, sizes).items():
        right = np.asarray(expected[name], float)
        assert found.shape == right.shape
        scale = 1 + np.max(np.abs(right), initial=0, where=np.isfinite(right))
        assert np.allclose(found, right, rtol=tolerance, atol=tolerance * scale, equal_nan=True), (
            f"{name} at {sizes}: {found} and not {right}\n{show_graph(built.plain)}")  # fmt: skip


def shuffled(built: list[Built], tolerance: float, sizes: tuple[int, ...] = SIZES) -> None:
    """One process, one binary, sizes in any order."""
    rng = random.Random(1)
    todo = [(b, n, m) for b in built for n in sizes for m in rng.sample(sizes, 2)]
    rng.shuffle(todo)
    for b, n, m in todo:
        check(b, {"N": n, "M": m}, tolerance)


def test_random_graphs(tmp_path: Path) -> None:
    shuffled(build(cases(30), tmp_path, gradients=False), 1e-12)


def test_gradients_of_random_graphs(tmp_path: Path) -> None:
    shuffled(build(cases(25, loss=True), tmp_path, gradients=True, level=settings.level), 1e-10, (0, 1, 2, 7))


@pytest.mark.slow
def test_random_graphs_in_float32(tmp_path: Path) -> None:
    """Smooth graphs, since float32 may fall on the other side of a kink."""
    shuffled(build(cases(15, loss=True, smooth=True), tmp_path, gradients=True, single=True), 1e-4, (0, 1, 2, 7))


# ---------------------------------------------------------------- one graph after the other by hand


def values(name: str, *shape: int | str) -> Value:
    return Value(name, shape_of(*shape))


def pointwise(bodies: dict[str, Expr], inputs: tuple[str, ...] = ("x", "y"), name: str = "pointwise") -> Graph:
    """Every body over the inputs, which are all [N]; idx("i") is the position."""
    axis = Axis("i", Dim.of("N"))
    reads = tuple(Access(v, (at("i"),)) for v in inputs)
    eqns = tuple(Eqn(values(n, "N"), (axis,), (at("i"),), "", reads, body, n, ORIGIN) for n, body in bodies.items())
    return Graph(name, tuple(values(v, "N") for v in inputs), (), eqns, tuple(bodies))


X, Y, I = arg(0), arg(1), E.idx("i")  # noqa: E741
N = E.dim(Dim.of("N"))


def chain(op: str, depth: int, start: Expr) -> Expr:
    node = start
    for k in range(depth):
        node = make(op, node) if op == "tanh" else make(op, node, make("mul", const(Fraction(1, k + 2)), X))
    return node


def ladder(depth: int) -> Expr:
    node: Expr = X
    for k in range(depth):
        node = make("where", make("lt", Y, const(Fraction(k, depth))), make("add", X, const(k)), node)
    return node


def lt(a: Expr, b: Expr | int) -> Expr:
    return make("lt", a, E.lift(b))


NUMBERS = {
    "third": make("mul", X, const("1/3")), "tiny": make("add", X, const("1e-8")), "minus": make("sub", X, const("-2.5")),
    "huge": make("mul", X, const("1e300")), "billions": make("add", X, const(3 * 10**12)),
    "large": make("mul", X, const(2**62 + 1)),
    "larger": make("mul", X, const(10**30)), "least": make("mul", X, const("5e-324")),
    "long": make("mul", X, const("0.1234567890123456789")),
    "negative": make("pow", make("neg", X), const(2)), "powered": make("neg", make("pow", X, const(2))),
    "signs": make("sub", X, make("neg", make("neg", Y))), "minuses": make("sub", make("sub", X, Y), make("sub", Y, X)),
    "quotients": make("div", make("div", X, const(3)), make("div", const(3), X)), "nested": make("mul", X, make("div", Y, X)),
    "pi": make("mul", X, E.PI), "inf": make("min", X, E.INF), "minus inf": make("max", X, make("neg", E.INF)),
    "negative base": make("pow", const(-2), const(3)), "zero": make("mul", X, const(0)),
}  # fmt: skip

INTEGERS = {
    "half": make("div", const(1), const(2)), "part": make("div", I, N),
    "one part": make("div", const(1), make("add", N, const(1))),
    "position": make("div", make("add", I, const(1)), const(2)), "twice": make("mul", make("div", I, const(2)), const(2)),
    "difference": make("div", make("sub", I, N), make("add", I, const(2))), "negated": make("div", make("neg", I), const(4)),
    "power": make("pow", I, const(2)), "inverse power": make("pow", make("add", I, const(2)), const(-2)),
    "squared": make("square", make("sub", I, const(3))),
    "scaled": make("mul", X, make("div", const(1), make("add", N, const(3)))),
    "millions": make("mul", make("mul", make("add", N, const(3)), const(999999999)), const(999999999)),
    "cubed": make("mul", make("pow", make("add", N, const(10**6)), const(3)),
                  make("pow", make("add", I, const(10**6)), const(2))),
    "least": make("min", I, const(3)), "most": make("max", make("sub", I, const(2)), N), "root": make("sqrt", I),
    "choice": make("where", lt(I, 2), I, N), "mixed": make("where", lt(I, 2), I, X), "sum": make("add", make("add", I, N), X),
    "compared": make("where", lt(make("div", I, const(2)), 1), const(1), const(2)),
    "absolute": make("abs", make("sub", I, const(3))),
    "sign": make("sign", make("sub", I, const(1))), "floor": make("floor", make("div", I, const(2))),
}  # fmt: skip

POWERS = {
    f"power {c}": make("pow", make("add", make("abs", X), const("0.5")), const(c))
    for c in ("-3", "-2", "-1", "-0.5", "0", "0.5", "1", "1.5", "2", "3", "4", "5", "7", "20", "1/3")
} | {"both": make("pow", make("add", make("abs", X), const(1)), Y), "of negatives": make("pow", X, const(3)),
     "tower": make("pow", make("pow", X, const(2)), const(2)), "one to the": make("pow", const(1), Y)}  # fmt: skip

LOGIC = {
    "between": make("and", lt(const(-1), X), lt(X, 1)), "outside": make("or", lt(X, -1), make("gt", X, const(1))),
    "not": make("not", make("and", lt(X, Y), make("not", lt(Y, 0)))), "counted": make("add", lt(X, 0), lt(Y, 0)),
    "masked": make("mul", lt(X, 0), Y), "negated": make("neg", lt(X, 0)), "divided": make("div", lt(X, 0), const(2)),
    "compared": make("eq", lt(X, 0), lt(Y, 0)), "numbers are conditions": make("where", X, Y, const(2)),
    "and of numbers": make("and", X, Y), "chained": make("lt", lt(X, 0), Y), "largest": make("max", lt(X, 0), Y),
    "rooted": make("sqrt", lt(X, 0)), "either": make("where", lt(X, 0), lt(Y, 0), lt(Y, 1)),
    "three": make("where", lt(X, -1), const(1), make("where", lt(X, 0), Y, make("where", lt(X, 1), X, const(4)))),
    "in the condition": make("where", make("where", lt(X, 0), lt(Y, 0), lt(Y, 1)), X, Y),
    "powers": make("pow", lt(X, 0), const(2)),
    "unequal": make("ne", X, Y), "and or": make("and", make("or", lt(X, 0), lt(Y, 0)), make("or", lt(X, 1), lt(Y, -1))),
}  # fmt: skip

DEPTHS = {
    "tanhs": chain("tanh", 45, X), "sums": chain("add", 700, Y), "right": make("add", X, Y), "differences": chain("sub", 100, Y),
    "ladder": ladder(150), "products": chain("mul", 100, Y), "maxima": chain("max", 100, Y),
}  # fmt: skip
for _ in range(200):
    DEPTHS["right"] = make("sub", Y, make("mul", const("0.5"), DEPTHS["right"]))

WEIRD = (
    "if", "int", "I", "self", "_tmp0", "__init__", "NULL", "exp", "n", "j", "σ", "θ₁", "W1", "w1", "x.y", "x_y", "x", "N_", "t1",
    "k0",
    "theta", "work", "real", "read", "gw_exp", "__pyx_f", "PyObject", "double", "printf", "None", "lambda", "_", "__", "errno",
    "\ufb01", "fi", "\u00e9", "e\u0301", "ℝ", "a b", "class", "out", "block_sum", "gemm", "n_start", "h_best", "h",
    "\u00b5", "\u03bc",
)  # fmt: skip


def weird() -> Graph:
    """Inputs, values and sizes of all names that might break or reach into the generated text."""
    lines, previous = ["graph weird"], "x"
    for name in WEIRD[:8]:
        lines.append(f"input `{name}`[N, k]")
    for k, name in enumerate(WEIRD[8:]):
        a, b = WEIRD[k % 8], previous if k else WEIRD[1]
        lines.append(f"`{name}`[i, j] = exp(-square(`{a}`[i, j])) + 0.5 * tanh(`{b}`[i, j])  for i < N, j < k")
        previous = name
    lines.append("top[i] = argmax j: h[i, j]  for i < N, j < k as int")
    lines.append("top_best[i] = h[i, top[i]] + h_best[i, top[i]]  for i < N")
    lines.append("long = sum i, j: `\u00b5`[i, j] * `\u03bc`[i, j]  for i < N, j < k")
    return parse_graph("\n".join([*lines, "output top, top_best, long, `θ₁`, `x.y`, x_y, w1, W1, h, `_`, `__`, `a b`", ""]))


def many() -> Graph:
    """Equations in a row, each of which reads three before it."""
    count = 250
    names = ["x", "y", *(f"v{k}" for k in range(count))]
    axis, eqns = Axis("i", Dim.of("N")), []
    for k in range(count):
        reads = tuple(Access(names[j], (at("i"),)) for j in (k, k + 1, max(0, k - 40)))
        body = make("min", make("sub", make("add", arg(0), arg(1)), make("mul", const("0.5"), arg(2))), const(3))
        eqns.append(Eqn(values(f"v{k}", "N"), (axis,), (at("i"),), "", reads, body, "mix", ORIGIN))
    return Graph("many", (values("x", "N"), values("y", "N")), (), tuple(eqns), (f"v{count - 1}", "v100", "v7"))


GRAPHS: dict[str, Callable[[], Graph]] = {
    "numbers": lambda: pointwise(NUMBERS), "integers": lambda: pointwise(INTEGERS), "powers": lambda: pointwise(POWERS),
    "logic": lambda: pointwise(LOGIC), "depths": lambda: pointwise(DEPTHS), "weird": weird, "many": many,
}  # fmt: skip
Handmade = tuple[str, dict[str, tuple[Graph, Runner]]]  # the type of reals; graph and kernel by name
SLOW = ("depths", "many")  # to build: in float64 alone


@pytest.fixture(scope="module", params=["float64", "float32"])
def handmade(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Handmade:
    """One module of them all: optimised in float32, where those are left out that take the C compiler long."""
    made = {name: make_graph() for name, make_graph in GRAPHS.items() if request.param == "float64" or name not in SLOW}
    folder = tmp_path_factory.mktemp("handmade")
    single = request.param == "float32"
    runners = build_graphs(list(made.values()), folder, single, settings.OPTIMISED if single else settings.level)
    return request.param, {name: (g, r) for (name, g), r in zip(made.items(), runners, strict=True)}


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("n", [7, 0, 64, 1])
def test_by_hand(name: str, n: int, handmade: Handmade) -> None:
    dtype, built = handmade
    if name not in built:
        return
    graph, kernel = built[name]
    rng = np.random.default_rng(n)
    sizes = {"N": n, "k": 3}
    # multiples of 1/8 are the same in float32, and often 0
    inputs = {v.name: rng.integers(-12, 13, tuple(d.evaluate(sizes) for d in v.shape)) / 8 for v in graph.inputs}
    with np.errstate(all="ignore"):
        expected = run(graph, inputs, sizes, dtype)
        wide = run(graph, inputs, sizes)
    for value, found in kernel(inputs, sizes).items():
        tolerance = 1e-13 if dtype == "float64" else 2e-5
        right = np.asarray(wide[value], float)
        if dtype == "float32":  # what float32 cannot hold is infinite or 0 there
            limits = np.finfo(np.float32)
            right = np.where(np.abs(right) > limits.max, np.copysign(np.inf, right), right)
            right = np.where(np.abs(right) < limits.smallest_normal, np.asarray(expected[value], float), right)
        absolute = tolerance if name == "depths" else tolerance * 1e-3
        np.testing.assert_allclose(found, right, rtol=tolerance, atol=absolute, err_msg=value)


def test_no_name_of_a_user_reaches_into_the_generated_text() -> None:
    from gradwright.compiler.emit.names import RESERVED, Speller

    spell = Speller()
    spelled = [spell(name) for name in WEIRD]
    assert len(set(spelled)) == len(WEIRD)
    for name in spelled:
        assert name.isidentifier() and name not in RESERVED and not name.startswith("_")
    assert [spell(name) for name in ("h", "d_h", "W1", "w1", "σ")] == ["h", "d_h", "W1", "w1", "σ"]


# ---------------------------------------------------------------- whole modules

EXCHANGE = """size N
input x[N]
param a[2] = [1, 2]
param unused[3] = 4
update exchange(lr = 0.5) of w with g:
    state p = 1
    state q = 2
    old = p
    p = q + g
    q = old * 2
    w = w - lr * (old + w / t)
minimize a[0] * sum(x) + a[1]**2
"""


@pytest.mark.parametrize("backend", ["cython", "numpy"])
def test_an_update_computes_everything_from_the_old_values(backend: str) -> None:
    from gradwright.runtime import Optimizer, load

    model = load(EXCHANGE, name="exchange", backend=backend).Model()
    x = np.array([1.0, 2.0, 4.0])
    w, p, q = np.array([1.0, 2, 4, 4, 4]), np.full(5, 1.0), np.full(5, 2.0)
    for t in (1, 2, 3):
        g = np.array([7.0, 2 * w[1], 0, 0, 0])
        model.step(Optimizer("exchange", lr=0.5), x=x)
        p, q, w = q + g, p * 2, w - 0.5 * (p + w / t)
        np.testing.assert_allclose(model.theta, w, rtol=1e-15)


def test_gradients_that_are_all_zero_are_written() -> None:
    """No parameter matters: the kernels only set zeros."""
    from gradwright.runtime import load

    text = "size N\ninput x[N]\nparam a[3] = 1\nparam b[4] = 1\nminimize sum(x)\n"
    model = load(text, name="nothing").Model()
    for n in SIZES:
        out, g = model.value_and_grad(x=np.ones(n))
        assert out.loss == n
        assert g.a.tolist() == [0, 0, 0] and g.b.tolist() == [0, 0, 0, 0]


def test_a_part_of_a_sum_that_another_term_reads_is_not_added_in_place(tmp_path: Path) -> None:
    """``d = part + 2*part`` with a scattered ``part``: the second term needs all of it."""
    lines = ["graph shared", "input x[6]", "part[i // 3, i % 3] += x[i]  for i < 6 into [2, 3]",
             "total[i, j] = part[i, j] + 2 * part[i, j]  for i < 2, j < 3", "output total"]  # fmt: skip
    graph = parse_graph("\n".join(lines) + "\n")
    x = np.arange(6.0)
    (kernel,) = build_graphs([graph], tmp_path)
    np.testing.assert_array_equal(kernel({"x": x}, {})["total"], 3 * x.reshape(2, 3))


STRIPS = """\
size N
input x[N, 3], y[N]
param W[3, 6] ~ normal(0, 1)
param b[6] ~ normal(0, 1)
param v[6] ~ normal(0, 1)
h = tanh(x @ W + b)
z[n] = sum(h[n, j] * v[j] for j)
output p = sigmoid(z)
output first = argmax(h, axis=1)
output most = max(exp(-z**2))
minimize mean(binary_cross_entropy(p, y)) + sum(sqrt(1 + z**2)) / 10
"""


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_any_number_of_rows_in_strips(dtype: str) -> None:
    from gradwright.runtime import load

    ours, plain = (load(STRIPS, dtype=dtype, backend=b, name="strips").Model(seed=2) for b in ("cython", "numpy"))
    assert "n_start in range(0, N, 8)" in next(iter(compile_model(STRIPS, stop_after="cython", name="strips").value.values()))
    rng = np.random.default_rng(0)
    eps = float(np.finfo(dtype).eps)
    for n in (1, 2, 7, 8, 9, 16, 21, 1000):
        x, y = rng.normal(size=(n, 3)).astype(dtype), (rng.random(n) < 0.5).astype(dtype)
        (out, g), (wanted, right) = ours.value_and_grad(x=x, y=y), plain.value_and_grad(x=x, y=y)
        np.testing.assert_array_equal(out.first, wanted.first)
        for found, exact in ((out.p, wanted.p), (out.most, wanted.most), (out.loss, wanted.loss), (g.W, right.W), (g.v, right.v)):
            np.testing.assert_allclose(found, exact, rtol=0, atol=100 * eps * (1 + np.abs(exact).max()))
    x[[0, 7, 8]] = np.nan  # stays in its row
    np.testing.assert_array_equal(np.isnan(ours.predict(x=x).p), np.isnan(x[:, 0]))
