"""Each operation's declaration against its independent reference, at random points and at the edges."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from gradwright.compiler.graph.expr import arguments
from gradwright.compiler.ops import Op, table
from scipy import special
from support.models import values

OPS = table()
ELEMENTWISE = [op for op in OPS.values() if op.body is not None and op.plan is None]
SMALL = np.finfo(float).eps


def text_of(op: Op, names: list[str]) -> str:
    if not op.symbol:
        return f"{op.name}({', '.join(names)})"
    return f"{op.symbol} {names[0]}" if len(names) == 1 else f"{names[0]} {op.symbol} {names[1]}"


def points(op: Op) -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(7)
    drawn = [rng.uniform(low, high, 200) for low, high in op.samples]
    edges = list(itertools.product(op.edges, repeat=len(op.samples)))
    return [np.concatenate([d, [e[k] for e in edges]]) for k, d in enumerate(drawn)]


@pytest.mark.parametrize("op", ELEMENTWISE, ids=lambda op: op.name)
def test_elementwise_agrees_with_its_reference(op: Op) -> None:
    arrays = points(op)
    names = [f"a{k}" for k in range(len(arrays))]
    program = f"size N\ninput {', '.join(f'{n}[N]' for n in names)}\noutput out = {text_of(op, names)}"
    got = values(program, **dict(zip(names, arrays, strict=True)))["out"]
    with np.errstate(all="ignore"):
        want = op.numpy(*arrays)
    if op.kind == "bool":
        assert np.array_equal(got, want)
    else:  # a reference may lose a few digits of its own near 0: an absolute eps for values up to 1
        np.testing.assert_allclose(got, want, rtol=16 * SMALL, atol=4 * SMALL, equal_nan=True)


@pytest.mark.parametrize("op", [op for op in ELEMENTWISE if op.definition is not None], ids=lambda op: op.name)
def test_definition_means_the_same(op: Op) -> None:
    from gradwright.compiler.graph.expr import evaluate
    from mpmath import mp, mpf

    assert op.definition is not None
    functions: dict[str, Any] = {
        "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
        "neg": lambda a: -a, "exp": mp.exp, "log": mp.log,
    }  # fmt: skip
    with mp.workdps(50):
        for x in np.random.default_rng(1).uniform(*op.samples[0], 20):
            exact = evaluate(op.definition, lambda n, x=x: mpf(float(x)) if n.op == "arg" else mpf(int(n.value)), functions)
            assert abs(float(op.numpy(x)) - float(exact)) <= 8 * SMALL * max(1, abs(float(exact)))


def test_every_elementwise_function_of_the_language_is_reachable() -> None:
    names = "exp log log1p expm1 sqrt square abs sign sin cos tan tanh sinh cosh asin acos atan erf sigmoid softplus"
    names += " relu leaky_relu elu gelu silu floor softmax log_softmax logsumexp argmax"
    for name in names.split():
        values(f"input x[3]\noutput f = {name}(x)", x=[0.1, 0.2, 0.3])
    for call in ("atan2(x, y)", "maximum(x, y)", "minimum(x, y)", "max(x, y, 0)", "power(x, y)", "clip(x, 0, y)", "x / y ** 2"):
        values(f"input x[3], y[3]\noutput f = {call}", x=[0.1, 0.2, 0.3], y=[1, 2, 3])


def test_every_row_is_documented() -> None:
    for op in OPS.values():
        assert op.doc.endswith((".", "`")) and op.signature and op.reference is not None, op.name
        if op.body is not None:
            assert arguments(op.body) == tuple(range(len(op.arrays))), op.name


X = np.array([-800.0, -30.0, -3.0, -1e-9, -0.0, 0.0, 1e-9, 0.5, 3.0, 30.0, 800.0])


def gelu(x: Any) -> Any:
    return x * special.ndtr(x)


def gelu_tanh(x: Any) -> Any:
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * np.power(x, 3))))


@pytest.mark.parametrize(
    ("call", "reference"),
    [
        ("relu(x)", lambda x: np.maximum(x, 0)),
        ("leaky_relu(x)", lambda x: np.maximum(x, 0) + 0.01 * np.minimum(x, 0)),
        ("leaky_relu(x, slope=0.3)", lambda x: np.maximum(x, 0) + 0.3 * np.minimum(x, 0)),
        ("elu(x)", lambda x: np.maximum(x, 0) + np.expm1(np.minimum(x, 0))),
        ("elu(x, alpha=2)", lambda x: np.maximum(x, 0) + 2 * np.expm1(np.minimum(x, 0))),
        ("gelu(x)", gelu),
        ('gelu(x, approximate="tanh")', gelu_tanh),
        ("silu(x)", lambda x: x * special.expit(x)),
        ("clip(x, -1, 2)", lambda x: np.clip(x, -1, 2)),
        ("huber(x, 1)", lambda x: special.huber(1, x - 1)),
        ("huber(x, 1, delta=0.25)", lambda x: special.huber(0.25, x - 1)),
        ("mse(x, 2)", lambda x: np.average(np.square(x - 2))),
        ("mae(x, 2)", lambda x: np.average(np.absolute(x - 2))),
    ],
)
def test_library_functions(call: str, reference: Any) -> None:
    got = values(f"size N\ninput x[N]\noutput f = {call}", x=X)["f"]
    # at 1e-9 below 0 or far into the tail, 1 + erf loses digits relative to itself: the promise is absolute there
    np.testing.assert_allclose(got, reference(X), rtol=8 * SMALL, atol=32 * SMALL)


def test_library_functions_keep_nan() -> None:
    for call in ("relu(x)", "leaky_relu(x)", "elu(x)", "clip(x, 0, 1)", "max(x, 0)", "min(0, x)", "gelu(x)", "huber(x, 0)"):
        assert np.isnan(values(f"input x\noutput f = {call}", x=np.nan)["f"]), call


def test_losses_of_rows() -> None:
    rng = np.random.default_rng(3)
    s, y = rng.normal(size=(6, 4)) * 5, np.array([0, 3, 2, 1, 1, 0])
    program = "size N, C = 4\ninput s[N, C], q[N, C]\nindex y[N] < C\n"
    q = special.softmax(rng.normal(size=(6, 4)), axis=1)
    got = values(
        program + """output ce = softmax_cross_entropy(s, y)
output soft = softmax_cross_entropy(s, q)
output svm = hinge(s, y)
output wide = hinge(s, y, delta=3)
output p = softmax(s)
output lp = log_softmax(s, axis=0)
""",
        s=s, q=q, y=y,
    )  # fmt: skip
    logp = special.log_softmax(s, axis=1)
    np.testing.assert_allclose(got["ce"], [-logp[n, y[n]] for n in range(6)], rtol=1e-13, atol=16 * SMALL)
    np.testing.assert_allclose(got["soft"], [-np.dot(q[n], logp[n]) for n in range(6)], rtol=1e-13, atol=16 * SMALL)
    for name, delta in (("svm", 1), ("wide", 3)):
        want = [sum(max(0.0, s[n, j] - s[n, y[n]] + delta) for j in range(4) if j != y[n]) for n in range(6)]
        np.testing.assert_allclose(got[name], want, rtol=1e-13)
    np.testing.assert_allclose(got["p"], special.softmax(s, axis=1), rtol=1e-13)
    np.testing.assert_allclose(got["lp"], special.log_softmax(s, axis=0), rtol=1e-13, atol=32 * SMALL)


def test_binary_cross_entropy() -> None:
    z, y = np.linspace(-5, 5, 11), np.linspace(0, 1, 11)
    p = special.expit(z)
    want = -(special.xlogy(y, p) + special.xlog1py(1 - y, -p))
    program = "size N\ninput p[N], z[N], y[N]\n"
    got = values(
        program + "output a = binary_cross_entropy(p, y)\noutput b = binary_cross_entropy(z, y, with_logits=True)", p=p, z=z, y=y
    )
    np.testing.assert_allclose(got["a"], want, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(got["b"], want, rtol=1e-13, atol=1e-15)


def test_declarations_import_neither_numpy_nor_sympy() -> None:
    code = "import sys, gradwright.compiler.elaborate; print([m for m in ('numpy', 'sympy', 'lark') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
