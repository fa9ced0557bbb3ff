"""From text to the graph: shapes, names, statements, functions, optimisers, errors and lints."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradwright.compiler.elaborate import elaborate
from gradwright.compiler.graph.expr import Expr, evaluate
from gradwright.compiler.graph.ir import Eqn, Init
from gradwright.compiler.graph.shapes import shape_of
from gradwright.compiler.language import syntax
from gradwright.compiler.language.source import Source, Span
from gradwright.compiler.library import definitions, functions
from gradwright.compiler.ops.words import is_temporary
from scipy import special
from support.models import build, elaborated, errors, values, warnings

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.gw"))
rng = np.random.default_rng(0)
arr = rng.normal(size=(5, 4, 3))


def names(text: str) -> list[str]:
    return [e.out.name for e in build(text).graph.eqns if isinstance(e, Eqn)]


def ops(text: str) -> list[str]:
    return [e.op for e in build(text).graph.eqns if isinstance(e, Eqn)]


# ---------------------------------------------------------------- expressions, against NumPy


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("x[:, 1:3]", arr[:, 1:3]),
        ("x[:, ::-1, 0]", arr[:, ::-1, 0]),
        ("x[:, 3:0:-2]", arr[:, 3:0:-2]),
        ("x[:, -2:]", arr[:, -2:]),
        ("x[:, 1:100]", arr[:, 1:100]),
        ("x[::2]", arr[::2]),
        ("x[1::2]", arr[1::2]),
        ("x[1:]", arr[1:]),
        ("x[:-1]", arr[:-1]),
        ("x[1:-1]", arr[1:-1]),
        ("x[::-1]", arr[::-1]),
        ("x[::-2]", arr[::-2]),
        ("x[0]", arr[0]),
        ("x[-1]", arr[-1]),
        ("x[N - 2, -1, D - 1]", arr[3, -1, 2]),
        ("x[:, None, 1:3]", arr[:, None, 1:3]),
        ("x[None, 0, None, :, 1, None]", arr[None, 0, None, :, 1, None]),
        ("x[:, None] - x[None]", arr[:, None] - arr[None]),
        ("x[argmax(x[:, 0, 0], keepdims=True), None, 2]", arr[[arr[:, 0, 0].argmax()], None, 2]),
        ("sum(x)[None]", arr.sum()[None]),
        ("x[..., 0]", arr[..., 0]),
        ("x[1, ...]", arr[1]),
        ("x[..., None, 1:, 0]", arr[..., None, 1:, 0]),
        ("x[:, ..., :, 1]", arr[:, :, 1]),
        ("x[argmax(x[:, 0, 0]), ..., 2]", arr[arr[:, 0, 0].argmax(), ..., 2]),
        ("sum(x)[...]", arr.sum()),
        ("x[argmax(x[:, 0, 0])]", arr[arr[:, 0, 0].argmax()]),
        ("pick(x, argmax(x, axis=2))", arr.max(2)),
        ("pick(x, argmax(x, axis=2), keepdims=True)", arr.max(2, keepdims=True)),
        ("one_hot(argmax(x, axis=2), D)", arr == arr.max(2, keepdims=True)),
        ("reshape(x, N, -1)", arr.reshape(5, -1)),
        ("reshape(x, -1)", arr.reshape(-1)),
        ("reshape(x, N, 2, 6)", arr.reshape(5, 2, 6)),
        ("reshape(x, N*2, 6)", arr.reshape(10, 6)),
        ("reshape(x, N, 3, 4)", arr.reshape(5, 3, 4)),
        ("reshape(x, 12, N)", arr.reshape(12, 5)),
        ("reshape(x, 2, N, 6)", arr.reshape(2, 5, 6)),
        ("reshape(x, 1, N, 12, 1)", arr.reshape(1, 5, 12, 1)),
        ("reshape(reshape(x, N, 12), N, 4, 3)", arr),
        ("x.T", arr.T),
        ("transpose(x, 1, 0, 2)", arr.transpose(1, 0, 2)),
        ("transpose(x, 0, -1, 1)", arr.transpose(0, 2, 1)),
        ("sum(x)", arr.sum()),
        ("sum(x, axis=[0, 2])", arr.sum((0, 2))),
        ("mean(x, axis=-1, keepdims=True)", arr.mean(-1, keepdims=True)),
        ("mean(x[0, 0, 0])", arr[0, 0, 0]),
        ("prod(x, axis=1)", arr.prod(1)),
        ("max(x)", arr.max()),
        ("min(x, axis=0)", arr.min(0)),
        ("argmax(x)", arr.argmax()),
        ("argmin(x, axis=2)", arr.argmin(2)),
        ("argmax(x, axis=0, keepdims=True)", arr.argmax(0, keepdims=True)),
        ("logsumexp(x, axis=1)", special.logsumexp(arr, 1)),
        ("softmax(x)", special.softmax(arr, -1)),
        ("concat(x, 2*x, x[:, :1], axis=1)", np.concatenate([arr, 2 * arr, arr[:, :1]], 1)),
        ("concat(x, x)", np.concatenate([arr, arr])),
        ("stack(x, x + 1, axis=-1)", np.stack([arr, arr + 1], -1)),
        ("stack(1, 2)", np.array([1.0, 2.0])),
        ("split(x, 2, axis=1)[1]", np.split(arr, 2, 1)[1]),
        ("x @ eye(3)", arr),
        ("x @ transpose(x, 0, 2, 1)", arr @ arr.transpose(0, 2, 1)),
        ("x[:, 0] @ [1, 2, 3]", arr[:, 0] @ [1, 2, 3]),
        ("[1, 2, 3, 4] @ x", np.array([1, 2, 3, 4]) @ arr),
        ("[1, 2] @ [3, 4]", 11.0),
        ("max(x, 0, 0.5)", np.maximum(np.maximum(arr, 0), 0.5)),
        ("0 < x < 1", (arr > 0) & (arr < 1)),
        ("not x > 0 or x < -1", ~(arr > 0) | (arr < -1)),
        ("where(x > 0, x, -1)", np.where(arr > 0, arr, -1)),
        ("where(x, 1, 0) * True", np.ones_like(arr)),
        ("sum(x > 0)", (arr > 0).sum()),
        ("x**2 / N + 2*pi", arr**2 / 5 + 2 * np.pi),
        ("-inf < x", arr > -np.inf),
        ("-x**2", -(arr**2)),
        ("zeros(N, 2) + ones(2)", np.ones((5, 2))),
        ("x |> abs |> sum(axis=0)", np.abs(arr).sum(0)),
        ("[[1, 2], [3, D*D]]", np.array([[1.0, 2], [3, 9]])),
        ("3", 3.0),
        ("x", arr),
    ],
)
def test_expressions_are_numpys(text: str, want: Any) -> None:
    got = values(f"size N, D = 3\ninput x[N, 4, D]\noutput o = {text}", x=arr)["o"]
    assert got.shape == np.shape(want)
    np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_one_graph_serves_every_size(n: int) -> None:
    x, y = rng.normal(size=(n, 4)), rng.normal(size=(4,))
    program = """size N
input x[N, 4], y[4]
output a = reshape(x, N, 2, 2)
output b = x @ y
output c = mean(x)
output d = concat(x, x[::2])
"""
    got = values(program, x=x, y=y)
    assert np.array_equal(got["a"], x.reshape(n, 2, 2)) and np.allclose(got["b"], x @ y, rtol=1e-14)
    assert np.isnan(got["c"]) if n == 0 else np.isclose(got["c"], x.mean(), rtol=1e-13)
    assert np.array_equal(got["d"], np.concatenate([x, x[::2]]))


@pytest.mark.parametrize("a", [(), (3,), (2, 3), (1, 3), (2, 1), (4, 1, 3), (4, 2, 1)])
@pytest.mark.parametrize("b", [(), (3,), (2, 3), (1, 1), (4, 1, 1), (5,)])
def test_broadcasting_is_numpys(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    def declare(name: str, shape: tuple[int, ...]) -> str:
        return f"{name}[{', '.join(map(str, shape))}]" if shape else name

    program = f"input {declare('a', a)}, {declare('b', b)}\noutput o = a - b"
    u, v = rng.normal(size=a), rng.normal(size=b)
    try:
        want = u - v
    except ValueError:
        assert [e[0] for e in errors(program)] == ["E203"]
        return
    assert np.array_equal(values(program, a=u, b=v)["o"], want)


def test_reshape_between_all_shapes_of_24_elements() -> None:
    shapes = [s for n in (1, 2, 3, 4) for s in itertools.product((1, 2, 3, 4, 6, 8, 12, 24), repeat=n) if math.prod(s) == 24]
    chosen = [shapes[k] for k in rng.permutation(len(shapes))[:24]]
    x = np.arange(24.0)
    lines = [
        f"input x{k}{list(s)}\noutput o{k} = reshape(x{k}, {str(list(chosen[k - 1])).strip('[]')})" for k, s in enumerate(chosen)
    ]
    got = values("\n".join(lines), **{f"x{k}": x.reshape(s) for k, s in enumerate(chosen)})
    for k in range(len(chosen)):
        assert np.array_equal(got[f"o{k}"], x.reshape(chosen[k - 1])), chosen[k]


# ---------------------------------------------------------------- the graph as it is promised


def test_names_are_the_users() -> None:
    assert names("input x\nh_add1 = 2 * x\nh = (x + h_add1) * 3\nh = h * h\nh_2 = x * 5\noutput h, h_2\nminimize (x + 1)**2") == [
        "h_add1", "h_add2", "h", "h_3", "h_2", "loss_add1", "loss"]  # fmt: skip


def test_what_has_no_name_is_called_after_what_makes_it() -> None:
    text = """\
size N
input x[N, 4], y[N, 2]
param W[4, 2]
param b[2]
def wide(a) = a - mean(a)
def bent(a) = a / (1 + a)
z = log2(bent(wide(relu(x @ W + b))) ** 2) * 3
minimize mean(binary_cross_entropy(softmax(z), y))
"""
    assert names(text) == [
        "z_matmul1", "z_add1", "z_relu1", "z_sum1", "z_mean1", "z_sub1", "z_t1", "z_pow1", "z_log2_1", "z",
        "loss_lse1", "loss_sub1", "loss_softmax1", "loss_bce1", "loss_sum1", "loss"]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "made"),
    [("h_add1", True), ("h_log2_1", True), ("d_h_matmul1", True), ("d_W_part2", True), ("c_2_mul1", True), ("h_add1_2", True),
     ("h_t1", True), ("h", False), ("h_2", False), ("W1", False), ("x_in1", False), ("add1", False), ("c_start", False),
     ("h_add1_max", False)],
)  # fmt: skip
def test_such_names_are_told_from_the_users(name: str, made: bool) -> None:
    assert is_temporary(name) is made


def test_names_are_unique_whatever_the_user_writes() -> None:
    text = (
        "input loss_sum1\n"
        "a, b = split(stack(loss_sum1, 1), 2)\n"
        "output c = a + b\n"
        "c_mul1 = c\n"
        "c = c * 2 + c_mul1\n"
        "output d = c\n"
        "minimize sum(a * b) * 2"
    )
    found = names(text)
    assert len(set(found)) == len(found) and "loss_sum1" not in found and "c_2_mul1" in found


def test_an_elementwise_function_is_one_equation() -> None:
    graph = build(
        "size N\ninput x[N, 2], s\ndef f(a, b, k=2):\n    c = tanh(a) * k\n    return c + relu(b) * c\noutput o = f(x, s)"
    ).graph
    (eqn,) = graph.eqns
    assert isinstance(eqn, Eqn) and eqn.op == "f" and [a.value for a in eqn.args] == ["x", "s"]
    assert repr(eqn.body) == "tanh($0) * 2 + where($1 <= 0, 0, $1) * (tanh($0) * 2)"


def test_a_function_with_a_reduction_is_expanded() -> None:
    graph = build("input x[3]\ndef center(a) = a - mean(a)\noutput o = center(x) * 2").graph
    assert [e.op for e in graph.eqns if isinstance(e, Eqn)] == ["sum", "mean", "sub", "mul"]
    assert [e.origin.note for e in graph.eqns] == ["in center", "in center", "in center", ""]
    assert {e.origin.spans[0].line for e in graph.eqns} == {3}


def test_origins_are_the_smallest_pieces() -> None:
    eqns = build("input x\noutput f = (x + 1) * exp(x)").graph.eqns
    assert [(e.origin.spans[0].column, e.origin.spans[0].end_column) for e in eqns] == [(12, 19), (22, 28), (12, 28)]
    assert {e.origin.rule for e in eqns} == {"source"}


def test_xor_is_the_graph_that_it_should_be() -> None:
    (path,) = [p for p in EXAMPLES if p.name == "xor.gw"]
    model = build(path.read_text(encoding="utf-8"), name="examples/xor.gw")
    assert model.name == "xor" and model.source == "examples/xor.gw" and model.free == ("N",) and model.fixed == (("H", 8),)
    assert [e.out.name for e in model.graph.eqns if isinstance(e, Eqn)] == [
        "h_matmul1", "h_add1", "h", "p_matmul1", "p_add1", "p", "loss_bce1", "loss_sum1", "loss"]  # fmt: skip
    assert model.graph.outputs == ("p", "loss") and model.loss == "loss"
    assert [v.name for v in model.graph.inputs] == ["x", "y", "W1", "b1", "W2", "b2"]
    assert model.params[0].init == Init("glorot_uniform") and model.params[1].init == Init("values", (Fraction(0),))
    (target,) = model.targets
    assert target.wrt == (("W1", "W1"), ("b1", "b1"), ("W2", "W2"), ("b2", "b2")) and not target.declared


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_examples_are_models_without_warnings(path: Path) -> None:
    model, diagnostics, shown = elaborated(path.read_text(encoding="utf-8"), name=path.name)
    assert model is not None and not diagnostics, shown


def test_the_same_graph_under_every_hash_seed() -> None:
    code = (
        "import sys; from support.models import build; from pathlib import Path\n"
        "for p in sorted(Path('../examples').glob('*.gw')): print(repr(build(p.read_text())))"
    )
    seen = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=Path(__file__).parent,
                       env={"PYTHONHASHSEED": seed, "PATH": ""}).stdout
        for seed in ("0", "1")
    }  # fmt: skip
    assert len(seen) == 1


# ---------------------------------------------------------------- statements


def test_sizes_are_computed_and_overridden() -> None:
    text = "size N, H = 2*3, T = N // 2, K = H % 4\ninput x[N, H]\noutput f = sum(x) * K / T"
    model = build(text)
    assert model.free == ("N",) and dict(model.fixed) == {"H": 6, "K": 2}
    changed = build(text, sizes={"H": 7, "N": 4})
    assert changed.free == () and dict(changed.fixed) == {"N": 4, "H": 7, "T": 2, "K": 3}
    assert changed.inputs[0].value.shape == shape_of(4, 7)
    assert values(text, x=np.ones((5, 6)))["f"] == 30 * 2 / 2
    assert errors(text, sizes={"h": 1}) == [("E266", 0, "sizes: there is no size h to set")]
    assert errors(text, sizes={"H": -1})[0][0] == "E266"


def test_dtype() -> None:
    assert build("input x\noutput f = x").dtype == "float64"
    assert build("dtype float32\ninput x\noutput f = x").dtype == "float32"
    assert build("dtype float32\ninput x\noutput f = x", dtype="float64").dtype == "float64"
    assert errors("dtype float16\ninput x\noutput f = x")[0][0] == "E243"
    assert errors("input x\noutput f = x", dtype="int32")[0][0] == "E243"


@pytest.mark.parametrize(
    ("shape", "init", "want"),
    [
        ("[H]", "0", [0]),
        ("[H]", "1e-3 * H", [Fraction(3, 1000)]),
        ("", "-1/3", [Fraction(-1, 3)]),
        ("[3]", "[1, 2, 3]", [1, 2, 3]),
        ("[2, 3]", "[1, 2, 3] / 2", [Fraction(1, 2), 1, Fraction(3, 2)] * 2),
        ("[2, 2]", "2*eye(2) - ones(2, 1)", [1, -1, -1, 1]),
        ("[2, 2]", "[[1, 0], [0, 1]]", [1, 0, 0, 1]),
        ("[2]", "sqrt([4, 9])", [2, 3]),
        ("[H]", "zeros(H)", [0]),
    ],
)
def test_initial_values(shape: str, init: str, want: list[Any]) -> None:
    (param,) = build(f"size H = 3\nparam w{shape} = {init}\noutput f = w * 2").params
    assert param.init == Init("values", tuple(Fraction(v) for v in want))


def test_distributions() -> None:
    model = build(
        "size D = 8\n"
        "param a[D, 2] ~ normal(0, sqrt(2 / D))\n"
        "param b[3] ~ uniform(-0.1, high=0.1) frozen\n"
        "param c[2, 2] ~ orthogonal\n"
        "output f = sum(a) + sum(b) + sum(c)"
    )
    assert [p.init for p in model.params] == [
        Init("normal", (Fraction(0), Fraction(1, 2))),
        Init("uniform", (Fraction(-1, 10), Fraction(1, 10))),
        Init("orthogonal"),
    ]
    assert [p.frozen for p in model.params] == [False, True, False]
    assert model.targets[0].wrt == (("a", "a"), ("c", "c"))


def test_a_binding_captures_values() -> None:
    got = values("input x\nh = x + 1\noutput a = h\nh = h * 10\noutput h\ng = h\nh = 0\noutput g", x=2.0)
    assert (got["a"], got["h"], got["g"]) == (3, 30, 30)


def test_every_output_is_a_value_of_its_own() -> None:
    model = build("input x\nparam w = 1\nq = x * w\noutput q, x\noutput r = q\noutput s = 3\nminimize q")
    assert [o.name for o in model.outputs] == ["q", "x", "r", "s", "loss"]
    made = {e.out.name for e in model.graph.eqns if isinstance(e, Eqn)}
    assert len(set(model.graph.outputs)) == 5 and set(model.graph.outputs) <= made


def test_targets_without_a_loss_are_every_output_for_every_real_input_and_param() -> None:
    model = build(
        """size C = 3
input x[C], z
index y < C
param w = 1
param v = 2 frozen
f = x * w
output f
output g = z * v + x[y]
output k = argmax(f)
"""
    )
    assert [(t.name, t.wrt) for t in model.targets] == [(n, (("x", "x"), ("z", "z"), ("w", "w"))) for n in ("f", "g")]


def test_declared_gradients_join_the_default() -> None:
    model = build(
        "input x, y\n"
        "param w = 1\n"
        "param v = 2 frozen\n"
        "q = x * w\n"
        "output p = q * y + v\n"
        "minimize p**2\n"
        "gradient loss wrt x, v\n"
        "gradient p wrt q\n"
        "q2 = q"
    )
    assert [(t.name, t.value, t.wrt, t.declared) for t in model.targets] == [
        ("loss", "loss", (("w", "w"), ("x", "x"), ("v", "v")), True), ("p", "p", (("q", "q"),), True)]  # fmt: skip


def test_optimizer() -> None:
    assert build("input x\nparam w = 1\nminimize (w - x)**2 with adam(lr=1e-2, eps=1e-9)").optimizer == (
        "adam", (("lr", Fraction(1, 100)), ("eps", Fraction(1, 10**9))))  # fmt: skip
    assert build(
        "input x\nparam w = 1\nminimize (w - x)**2 with mine\nupdate mine(lr=1) of w with g:\n    w = w - lr*g"
    ).optimizer == ("mine", ())


def test_used_files() -> None:
    files = {
        "mine.gw": 'use "more.gw"\ninput z\ndef twice(x) = double(x)\nupdate half() of w with g:\n    w = w / 2\n',
        "more.gw": "def double(x) = 2 * x\n",
    }
    model = build('use "mine.gw"\nuse losses\ninput x\noutput f = twice(x)', files=files)
    assert model.inputs[0].value.name == "x" and len(model.inputs) == 1 and model.updates[-1].name == "half"
    assert errors('use "no.gw"\ninput x\noutput f = x') == [("E227", 1, 'there is no file "no.gw"')]


def test_a_function_of_the_users_comes_first() -> None:
    assert (
        values(
            "input x\n"
            "def relu(x) = x * 100\n"
            "def sigmoid(x) = 7 * x\n"
            "output f = relu(x)\n"
            "output g = sigmoid(x)\n"
            "output h = silu(0 * x + 0)",
            x=2.0,
        )["f"]
        == 200
    )
    # and the library keeps its own
    assert values("input x\ndef sigmoid(x) = 7 * x\noutput h = silu(x)", x=0.0)["h"] == 0


def test_functions_see_declarations_and_not_bindings() -> None:
    program = "size D = 4\nhyper c = 2\nparam w = 3\ninput x\nk = 5\ndef f(a) = a * c * w / D\n"
    assert values(program + "output o = f(x)", x=2.0, c=2.0, w=3.0)["o"] == 3
    assert [e[:2] for e in errors(program + "def g(a) = a * k\noutput o = g(x)")] == [("E224", 7)]


def test_integers_and_booleans_are_numbers() -> None:
    got = values(
        "size N, C = 4\nindex y[N] < C\noutput a = y * 2 + (y > 1)\noutput b = mean(y == 2)\noutput c = sqrt(y)", y=[0, 2, 3]
    )
    assert np.array_equal(got["a"], [0, 5, 7]) and got["b"] == 1 / 3 and np.allclose(got["c"], np.sqrt([0, 2, 3]), rtol=1e-15)


# ---------------------------------------------------------------- optimisers, against hand-written ones


def step(name: str, settings: dict[str, float], gradients: list[float], w: float) -> list[float]:
    """The rule of the library, evaluated from its expressions."""
    (update,) = [u for u in build("input x\noutput f = x").updates if u.name == name]
    table = {k: float(v) for k, v in update.hypers} | settings
    state = {k: float(v) for k, v in update.states}
    functions: dict[str, Any] = {
        "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
        "pow": lambda a, b: a**b, "sqrt": math.sqrt, "ne": lambda a, b: float(a != b), "where": lambda c, a, b: a if c else b,
    }  # fmt: skip
    seen = []
    for t, g in enumerate(gradients, 1):
        now = table | state | {update.weight: w, update.gradient: g, "t": float(t)}

        def leaf(node: Expr, now: dict[str, float] = now) -> float:
            return now[str(node.value)] if node.op == "sym" else float(node.number or 0)

        w, *rest = (evaluate(e, leaf, functions) for e in update.results)
        state = dict(zip(state, rest, strict=True))
        seen.append(w)
    return seen


G = [0.5, -1.0, 0.25, 2.0, -0.125]


def test_sgd() -> None:
    for nesterov, momentum in ((0, 0.0), (0, 0.9), (1, 0.9)):
        w, buf, want = 1.0, None, []
        for g in G:
            d = g + 0.1 * w
            buf = d if buf is None else momentum * buf + d
            w -= 0.2 * (d + momentum * buf if nesterov else buf)
            want.append(w)
        got = step("sgd", {"lr": 0.2, "momentum": momentum, "nesterov": nesterov, "weight_decay": 0.1}, G, 1.0)
        assert got == pytest.approx(want, rel=1e-14)


def test_adagrad() -> None:
    w, total, want = 1.0, 0.0, []
    for t, g in enumerate(G):
        total += g * g
        w -= 0.2 / (1 + t * 0.3) * g / (math.sqrt(total) + 1e-10)
        want.append(w)
    assert step("adagrad", {"lr": 0.2, "lr_decay": 0.3}, G, 1.0) == pytest.approx(want, rel=1e-14)


def test_rmsprop() -> None:
    w, s, buf, want = 1.0, 0.0, 0.0, []
    for g in G:
        s = 0.99 * s + 0.01 * g * g
        buf = 0.5 * buf + g / (math.sqrt(s) + 1e-8)
        w -= 0.01 * buf
        want.append(w)
    assert step("rmsprop", {"momentum": 0.5}, G, 1.0) == pytest.approx(want, rel=1e-14)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adam(name: str) -> None:
    w, m, v, want = 1.0, 0.0, 0.0, []
    for t, g in enumerate(G, 1):
        if name == "adamw":
            w -= 0.1 * 0.2 * w
        else:
            g += 0.2 * w
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        w -= 0.1 / (1 - 0.9**t) * m / (math.sqrt(v) / math.sqrt(1 - 0.999**t) + 1e-8)
        want.append(w)
    assert step(name, {"lr": 0.1, "weight_decay": 0.2}, G, 1.0) == pytest.approx(want, rel=1e-12)


# ---------------------------------------------------------------- errors and lints


def test_all_errors_of_a_file_in_one_run_and_none_that_follows() -> None:
    text = """size N
input x[N, 2]
param W[3, 4] ~ normal
h = x @ W
g = tanh(h) + h * 2
output p = sgmoid(g) + missing
output q = missing * 2 + g
minimize mean(p, q)
gradient p wrt nothing
"""
    assert [e[:2] for e in errors(text)] == [("E204", 4), ("E222", 6), ("E220", 6), ("E280", 8), ("E220", 9)]


def test_the_matrix_product_message_is_the_one_promised() -> None:
    text = """# xor.gw
size   N, H = 8
input  x[N, 2], y[N, 1]
param  W1[3, H] ~ glorot_uniform
param  b1[H]    = 0
param  W2[H, 1] ~ glorot_uniform
param  b2[1]    = 0

h = tanh(x @ W1 + b1)
output p = sigmoid(h @ W2 + b2)
minimize mean(binary_cross_entropy(p, y))
"""
    _, _, shown = elaborated(text, name="examples/xor.gw")
    assert (
        shown
        == """error[E204]: the shapes in this matrix product do not fit
  --> examples/xor.gw:9:10
   |
 9 | h = tanh(x @ W1 + b1)
   |          ^   ^^ W1 is [3, 8]
   |          |
   |          x is [N, 2]
   = the last axis of the left side, 2, must equal the first axis of the right side, 3
   = help: declare W1[2, H]"""
    )


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("output o = x + z", "E203"),
        ("output o = x + u", "E203"),
        ("output o = x[:3]", "E210"),
        ("output o = x[:-N]", "E210"),
        ("output o = x[:, 7]", "E206"),
        ("output o = x[None, :, 7]", "E206"),
        ("output o = x[None, 0, None, 1, 1]", "E206"),
        ("output o = x + None", "E220"),
        ("output o = x[..., 7]", "E206"),
        ("output o = x[0, 1, 1, ...]", "E206"),
        ("output o = x[..., 0, ...]", "E206"),
        ("o[n] = x[n, ...]\noutput o", "E234"),
        ("output o = x[x]", "E241"),
        ("output o = softmax_cross_entropy(x, k)", "E214"),
        ("output o = reshape(x, 3, -1)", "E207"),
        ("output o = concat(x, z, axis=1)", "E208"),
        ("output o = split(x, 3, axis=1)", "E209"),
        ("a, b, c = split(x, 2, axis=1)\noutput a, b, c", "E284"),
        ("output o = sum(x, 0)", "E280"),
        ("output o = sum(x, axis=2)", "E205"),
        ("output o = sum(x, axes=1)", "E282"),
        ("output o = sum(x, axis=u)", "E285"),
        ("output o = zeros(N, 0.5)", "E213"),
        ("output o = x // 2", "E246"),
        ("output o = x(3)", "E223"),
        ("output o = max(zeros(0))", "E215"),
        ('output o = gelu(x, approximate="no")', "E286"),
        ("output o = split(x, 2, axis=1) + 1", "E287"),
        ("def f(a) = g(a)\ndef g(a) = f(a)\noutput o = f(x)", "E283"),
        ("minimize x > 0", "E240"),
        ("minimize argmax(x)", "E240"),
        ("minimize x", "E212"),
        ("minimize sum(x)\nminimize sum(z)", "E260"),
        ("minimize sum(x) with adm", "E268"),
        ("param q[N] = 0\noutput q", "E211"),
        ("param q[3] ~ nrmal\noutput q", "E261"),
        ("param q[3] ~ normal(0, -1)\noutput q", "E262"),
        ("param q[3] = [1, 2]\noutput q", "E263"),
        ("param q[3] = x\noutput q", "E244"),
        ("input x\noutput x", "E221"),
        ("output o = x\ngradient o wrt k", "E245"),
        ("h = x\nh = z\noutput h\ngradient h wrt h", "E267"),
        ("update f(lr) of w with g:\n    w = w - lr*g\noutput x", "E269"),
        ("update f(lr=1) of w with g:\n    w = w - lr*sum(g)\noutput x", "E288"),
        ("use opt\noutput x", "E226"),
        ("index j[N]\noutput x", "E270"),
        ("output x\noutput x", "E265"),
        ("output loss = x\nminimize sum(x)", "E265"),
        ("", "E264"),
    ],
)
def test_errors(line: str, code: str) -> None:
    found = errors(f"size N, M, C = 5\ninput x[N, 2], z[M, 2], u[1, 3]\nindex k[N] < C\n{line}\n")
    assert [e[0] for e in found] == [code]


def test_lints() -> None:
    base = "size N, D = 3, C = 2\ninput x[N, D], y[N, C]\nparam W[D, C] ~ normal\nparam V[C, C] ~ normal\n"
    assert warnings(base + "minimize mean((x @ W - y)**2)") == [("W301", 4, "the loss does not depend on V")]
    assert [w[:2] for w in warnings(base + "input u\nk = x * 2\nminimize mean((tanh(x @ W) @ V - y)**2)")] == [
        ("W303", 5),
        ("W305", 6),
    ]
    assert [w[:2] for w in warnings(base + "h = x @ W + 1\nminimize mean((h @ V - y)**2)")] == [("W302", 6)]
    assert [w[:2] for w in warnings(base + "h = relu(x @ W)\nminimize mean((h @ V - y)**2)")] == []
    assert [w[:2] for w in warnings(base + "minimize mean(softmax_cross_entropy(softmax(tanh(x @ W) @ V), y))")] == [("W304", 5)]
    assert [
        w[:2]
        for w in warnings(base + "p = sigmoid(tanh(x @ W) @ V)\nminimize mean(binary_cross_entropy(p, y, with_logits=True))")
    ] == [("W304", 6)]


@pytest.mark.parametrize(
    "line, warns",
    [
        ("minimize mse(x @ W, y)", True),
        ("minimize mean(huber(y, x @ W))", True),
        ("minimize mean((x @ W - y)**2)", True),
        ("minimize mean(binary_cross_entropy(sigmoid(x @ W), y))", True),
        ("minimize mse((x @ W)[:, 0], y)", False),
        ("minimize mse(x @ W, y[:, None])", False),
        ("minimize mse(x @ W, 0)", False),
        ("minimize mean(huber((x @ W)[:, :, None], y[None, None, :]))", False),
        ("minimize mean((y[:, None] - y) * (x @ W))", False),
        ("minimize mean((x - mean(x, axis=0)) @ W) + mean(y)", False),
        ("minimize mean(((x @ W) - z)**2) + mean(y)", False),  # all pairs of two sorts of things
    ],
)
def test_a_column_beside_a_vector_is_hardly_meant(line: str, warns: bool) -> None:
    text = "size N, M\ninput x[N, 3], y[N], z[M]\nparam W[3, 1] ~ normal(0, 1)\n" + line
    assert [w[:2] for w in warnings(text) if w[0] != "W303"] == ([("W307", 4)] if warns else [])


@pytest.mark.parametrize("between, warns", [(2, False), (3, True), (9, True)])
@pytest.mark.parametrize("formula", ["x @ A @ B", "(B.T @ (A.T @ x.T)).T", "2 * (x @ A) @ B + 1"])
def test_a_factorisation_of_low_rank_is_meant(formula: str, between: int, warns: bool) -> None:
    """The product of the two is no matrix at will, as with an adapter or where a linear autoencoder finds components."""
    text = (f"size N, D = 4, R = {between}\ninput x[N, D], y[N, 3]\nparam A[D, R] ~ normal\nparam B[R, 3] ~ normal\n"
            f"minimize mean(({formula} - y)**2)")  # fmt: skip
    assert [w[0] for w in warnings(text)] == (["W302"] if warns else [])


# ---------------------------------------------------------------- no recursion

SPAN = Span("deep.gw", 1, 1, 1, 2)


def deep(node: syntax.Expression) -> syntax.Module:
    declared = syntax.InputDecl((syntax.Declared(syntax.Name("x", span=SPAN), (), span=SPAN),), span=SPAN)
    return syntax.Module(Source("deep.gw", ""), (declared, syntax.OutputDecl((syntax.Name("f", span=SPAN),), node, span=SPAN)))


@pytest.mark.parametrize("function", ["tanh", "relu"])
def test_1200_nested_calls(function: str) -> None:
    node: syntax.Expression = syntax.Ref("x", span=SPAN)
    for _ in range(1200):
        node = syntax.Call(syntax.Name(function, span=SPAN), (node,), (), span=SPAN)
    model, diagnostics = elaborate(deep(node))
    assert model is not None and not diagnostics and len(model.graph.eqns) == 1200


def test_a_sum_of_5000_terms() -> None:
    assert len(build("input x\noutput f = " + " + ".join(["x"] * 5000)).graph.eqns) == 4999


def test_a_line_with_a_syntax_error_silences_what_follows_from_it() -> None:
    from gradwright.compiler.language.parser import parse

    tree, found = parse(Source("m.gw", "input x\nh = x + * 2\ndef f(a = a\noutput y = h + f(x) + wrong\n"))
    assert tree is not None and found
    model, diagnostics = elaborate(tree)
    assert model is None and [(d.code, d.span.line) for d in diagnostics] == [("E220", 4)]


def test_errors_in_a_used_file_are_shown_there_and_only_there() -> None:
    _, found, _ = elaborated('use "a.gw"\ninput x\noutput f = g(x)', files={"a.gw": "def g(a = 2 * a\n"})
    assert [(d.code, d.span.file) for d in found] == [("E102", "a.gw")]


def test_a_loss_without_params_has_a_gradient_only_where_one_is_declared() -> None:
    assert build("input x\nminimize x**2").targets == ()
    assert [t.wrt for t in build("input x\nminimize x**2\ngradient loss wrt x").targets] == [(("x", "x"),)]


def test_a_used_file_does_not_see_the_models_functions() -> None:
    files = {"a.gw": "def g(a) = relu(a) + 1\n", "b.gw": "def g(a) = a\n"}
    text = 'use "a.gw"\ndef relu(x) = 100 * x\ninput x\noutput f = g(x)\noutput r = relu(x)'
    model = build(text, files=files)
    assert [repr(e.body) for e in model.graph.eqns if isinstance(e, Eqn)] == ["where($0 <= 0, 0, $0) + 1", "100 * $0"]
    assert errors('use "a.gw"\nuse "b.gw"\ninput x\noutput f = g(x)', files=files)[0][:2] == ("E221", 2)


def test_functions_of_the_library_are_found_without_parsing_it() -> None:
    assert functions() == {name: file for file in ("functions", "activations", "losses") for name in definitions(file)}


@pytest.mark.parametrize(
    "line, warns",
    [("y = conv2d(x, 2, kernel=5)", True), ("y = max_pool2d(x, 5)", True), ("y = x[:, :, 2:2]", True),
     ("y = conv2d(x, 2, kernel=5, pad=1)", False), ("y = concat(zeros(0), x[0, 0, 0])", False)],
)  # fmt: skip
def test_an_array_without_elements_is_hardly_meant(line: str, warns: bool) -> None:
    text = f"use layers\nsize N\ninput x[N, 1, 4, 4]\n{line}\noutput s = sum(y)\n"
    assert [w[:2] for w in warnings(text)] == ([("W308", 4)] if warns else [])


def test_what_has_elements_in_other_rounds_of_a_for_may_have_none_in_one() -> None:
    text = "input x[4]\ns = 0\nfor k in range(4):\n    s = s + sum(x[k + 1:])\noutput s\n"
    assert warnings(text) == []
    assert [w[:2] for w in warnings(text.replace("x[k + 1:]", "x[k + 4:]"))] == [("W308", 4)]
