"""The promises of the language about numbers, from a model's text to its compiled module, against 50 digits.

Naive formulas in their usual spellings: the value is right to a few ulp, the gradient to a few eps * max(1, |f'|), both finite
far into the tails, also through a transpose, a reshape and a mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import mpmath
import numpy as np
import pytest
from gradwright.compiler import driver
from numpy.typing import NDArray

Array = NDArray[Any]
EPS = float(np.finfo(np.float64).eps)
BACKENDS = ["cython", "numpy"]
POINTS = np.array(
    [0, 1e-300, 1e-17, 1e-8, 1e-5, 1e-3, 0.1, 0.5, 1, 2.5, 5, 12, 20, 30, 36, 37, 40, 100, 300, 700, 709, 710, 745, 750, 1e3]
)
POINTS = np.concatenate([-POINTS[:0:-1], POINTS])
mp: Any = mpmath.mp


def sigmoid(z: Any) -> Any:
    return 1 / (1 + mpmath.exp(-z))


def softplus(z: Any) -> Any:
    return mpmath.log(1 + mpmath.exp(z))


# spelling in x, exact value, exact derivative
SIGMOIDS = ["1 / (1 + exp(-x))", "exp(x) / (1 + exp(x))", "0.5 * (1 + tanh(x / 2))", "1 - 1 / (1 + exp(x))", "sigmoid(x)"]
FORMULAS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    **{text: (sigmoid, lambda z: sigmoid(z) * sigmoid(-z)) for text in SIGMOIDS},
    "log(1 + exp(x))": (softplus, sigmoid),
    "log(exp(x) + 1)": (softplus, sigmoid),
    "log(sigmoid(x))": (lambda z: -softplus(-z), lambda z: sigmoid(-z)),
    "log(1 / (1 + exp(-x)))": (lambda z: -softplus(-z), lambda z: sigmoid(-z)),
    "-log(exp(x) / (1 + exp(x)))": (lambda z: softplus(-z), lambda z: -sigmoid(-z)),
    "log(1 - sigmoid(x))": (lambda z: -softplus(z), lambda z: -sigmoid(z)),
    "log(1 - 1 / (1 + exp(-x)))": (lambda z: -softplus(z), lambda z: -sigmoid(z)),
    "max(x, 0) - x * 0.25 + log(1 + exp(-abs(x)))": (lambda z: softplus(z) - z / 4, lambda z: sigmoid(z) - mpmath.mpf(1) / 4),
    "-(0.25 * log(sigmoid(x)) + 0.75 * log(1 - sigmoid(x)))": (
        lambda z: softplus(z) - z / 4,
        lambda z: sigmoid(z) - mpmath.mpf(1) / 4,
    ),
    "binary_cross_entropy(sigmoid(x), 0.25)": (lambda z: softplus(z) - z / 4, lambda z: sigmoid(z) - mpmath.mpf(1) / 4),
    "binary_cross_entropy(1 / (1 + exp(-x)), 0)": (softplus, sigmoid),
    "(exp(x) - exp(-x)) / (exp(x) + exp(-x))": (mpmath.tanh, lambda z: mpmath.sech(z) ** 2),
}
BOUNDED = {  # whose values leave the range of doubles: up to 700
    "exp(x) - 1": (mpmath.expm1, mpmath.exp),
}


@pytest.fixture(scope="module", params=BACKENDS)
def scalars(request: pytest.FixtureRequest) -> ModuleType:
    lines = ["size N", "input x[N]"]
    lines += [f"output f{k} = {text}" for k, text in enumerate([*FORMULAS, *BOUNDED])]
    return driver.load("\n".join([*lines, ""]), backend=request.param, optimize=1, name="scalars")


@pytest.mark.parametrize("text", [*FORMULAS, *BOUNDED])
def test_naive_formulas_of_a_number(text: str, scalars: ModuleType) -> None:
    name = f"f{[*FORMULAS, *BOUNDED].index(text)}"
    points = POINTS if text in FORMULAS else POINTS[np.abs(POINTS) <= 700]
    model = scalars.Model()
    ones = {f"f{k}": np.ones(len(points)) for k in range(len(FORMULAS) + len(BOUNDED))}
    out, g = model.value_and_grad(ones, x=points)
    exact, slope = {**FORMULAS, **BOUNDED}[text]
    with mp.workdps(400):  # 1 + exp(-1000) wants that many
        values = [exact(mpmath.mpf(z)) for z in points]
        slopes = [slope(mpmath.mpf(z)) for z in points]
        for z, found, value, grad, wanted in zip(points, out[name], values, g[name].x, slopes, strict=True):
            assert np.isfinite(found) and np.isfinite(grad), (z, found, grad)
            # what a difference of gates cancels is lost before: an absolute error of the largest part is all there can be
            room = 8 * EPS * max(abs(value), 1e-300) if "tanh" not in text and "- 1 /" not in text else 8 * EPS
            assert abs(mpmath.mpf(float(found)) - value) <= room + mpmath.mpf(5e-324) * 4, (z, found, float(value))
            assert abs(mpmath.mpf(float(grad)) - wanted) <= 8 * EPS * max(1, abs(wanted)), (z, grad, float(wanted))


SURE = {
    "binary_cross_entropy(x, y, with_logits=True)": "",
    "binary_cross_entropy(sigmoid(x), y)": "",
    "-(y * log(p) + (1 - y) * log(1 - p))": "p = 1 / (1 + exp(-x))\n",
    "y * softplus(-x) + (1 - y) * softplus(x)": "",
}


@pytest.mark.parametrize("text", SURE)
def test_the_loss_of_a_sure_and_right_answer_has_all_its_digits(text: str) -> None:
    """log(1 + exp(40)) - 40 would be 0."""
    module = driver.load(f"size N\ninput x[N], y[N]\n{SURE[text]}output f = {text}\n", backend="numpy", name="sure")
    targets = (POINTS > 0) * 1.0
    out, g = module.Model().value_and_grad(np.ones(len(POINTS)), x=POINTS, y=targets)
    with mp.workdps(400):
        for z, y, found, grad in zip(POINTS, targets, out.f, g.x, strict=True):
            value, slope = softplus(-abs(mpmath.mpf(z))), sigmoid(mpmath.mpf(z)) - y
            assert abs(mpmath.mpf(float(found)) - value) <= 8 * EPS * value + mpmath.mpf(2e-323), z
            assert abs(mpmath.mpf(float(grad)) - slope) <= 8 * EPS, z


# ---------------------------------------------------------------- rows

CROSS_ENTROPIES = {
    "spelled out": "p = exp(f) / sum(exp(f), axis=1, keepdims=True)\nminimize mean(-sum(t * log(p), axis=1))",
    "of softmax": "minimize mean(-sum(t * log(softmax(f)), axis=1))",
    "with a logarithm of a sum": "minimize mean(log(sum(exp(f), axis=1)) - sum(t * f, axis=1))",
    "shifted by hand": "g = f - max(f, axis=1, keepdims=True)\nminimize mean(-sum(t * (g - log(sum(exp(g), axis=1, keepdims=True))), axis=1))",  # noqa: E501
    "through a transpose": "q = (exp(f.T) / sum(exp(f.T), axis=0, keepdims=True)).T\nminimize mean(-sum(t * log(q), axis=1))",
    "through a reshape": "p = exp(f) / sum(exp(f), axis=1, keepdims=True)\nminimize -sum(reshape(t, -1) * log(reshape(p, -1))) / N",  # noqa: E501
    "with a mean over all": "p = softmax(f)\nminimize -mean(t * log(p)) * 4",
    "transposed and reshaped": "p = exp(f) / sum(exp(f), axis=1, keepdims=True)\nminimize -mean(reshape(t.T, 4 * N) * log(reshape(p.T, 4 * N))) * 4",  # noqa: E501
    "in two bindings": "e = exp(f)\ns = sum(e, axis=-1, keepdims=True)\nlp = log(e / s)\nminimize -sum(t * lp) / N",
    "the library's": "minimize mean(softmax_cross_entropy(f, t))",
}


@pytest.fixture(scope="module")
def cross_entropies() -> dict[tuple[str, str], Any]:
    found: dict[tuple[str, str], Any] = {}
    for backend in BACKENDS:
        for name, body in CROSS_ENTROPIES.items():
            text = f"size N\ninput f[N, 4], t[N, 4]\n{body}\ngradient loss wrt f\n"
            if backend == "numpy" or name in ("spelled out", "through a transpose", "transposed and reshaped"):
                found[name, backend] = driver.load(text, backend=backend, optimize=1, name="rows")  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("scale", [1.0, 30.0, 1e3, 1e4])
@pytest.mark.parametrize("name", CROSS_ENTROPIES)
def test_the_cross_entropy_of_a_softmax_in_any_spelling(
    name: str, scale: float, cross_entropies: dict[tuple[str, str], Any]
) -> None:
    rng = np.random.default_rng(4)
    f = rng.normal(size=(5, 4)) * scale
    f[0] = [scale, -scale, 0, scale]
    t = np.eye(4)[[0, 1, 2, 3, 1]]
    with mp.workdps(50):
        value, slopes = mpmath.mpf(0), np.zeros((5, 4))
        for n in range(5):
            row = [mpmath.mpf(v) for v in f[n]]
            top = max(row)
            total = sum(mpmath.exp(v - top) for v in row)
            value += (top + mpmath.log(total) - sum(mpmath.mpf(a) * b for a, b in zip(t[n], row, strict=True))) / 5
            for k in range(4):
                slopes[n, k] = float((mpmath.exp(row[k] - top) / total - mpmath.mpf(t[n, k])) / 5)
        wanted = float(value)
    for backend in BACKENDS:
        module = cross_entropies.get((name, backend))
        if module is None:
            continue
        out, g = module.Model().value_and_grad(f=f, t=t)
        assert abs(out.loss - wanted) <= 40 * EPS * max(np.abs(f).max(), 1)
        np.testing.assert_allclose(g.f, slopes, rtol=0, atol=8 * EPS + 4 * EPS * np.abs(f).max() * 0.2)


def test_variances_of_numbers_far_from_zero() -> None:
    """By moments or by differences: no digits are lost to the mean."""
    text = """size N
input x[N]
output a = mean(x**2) - mean(x)**2
output b = mean((x - mean(x))**2)
output c = sum(x * x) / N - (sum(x) / N)**2
"""
    x = 1e7 + np.random.default_rng(0).normal(size=64)
    with mp.workdps(60):
        exact = [mpmath.mpf(float(v)) for v in x]
        mean = sum(exact) / 64
        variance = float(sum((v - mean) ** 2 for v in exact) / 64)
        slopes = np.array([float(2 * (v - mean) / 64) for v in exact])
    for backend in BACKENDS:
        module = driver.load(text, backend=backend, optimize=1, name="variances")  # type: ignore[arg-type]
        out, g = module.Model().value_and_grad(x=x)
        for name in ("a", "b", "c"):
            assert abs(out[name] - variance) < 1e-7 * variance, (backend, name)  # eps times 1e7 is what the mean itself has lost
            np.testing.assert_allclose(g[name].x, slopes, rtol=0, atol=1e-9)


# ---------------------------------------------------------------- branches, kinks, removable singularities

SAFE = """size N
input x[N], y[N]
output a = where(x > 0, log(x), x)
output b = where(x == 0, 1, sin(x) / x)
output c = where(x > 0, sqrt(x), 0)
output e = clip(x, 0.5, 2)**0.5
output f = where(x <= 1, 0, 1 / (x - 1))
output g = sqrt(relu(x))
output h = abs(x)
output i = max(x, y)
output j = min(x, y)
output k = relu(x)
output l = max(x, 0) - x * y + log(1 + exp(-abs(x)))
output m = abs(x)**1.5
output n = where(x > 0, 1 / x, exp(x))
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_branches_are_safe_and_kinks_are_as_written(backend: str) -> None:
    module = driver.load(SAFE, backend=backend, optimize=1, name="safe")  # type: ignore[arg-type]
    x = np.array([-2.0, -0.0, 0.0, 1.0, 3.0])
    y = np.array([1.0, 0.0, 0.0, 1.0, -1.0])
    names = "abcefghijklmn"
    _, g = module.Model().value_and_grad({name: np.ones(5) for name in names}, x=x, y=y)
    bad = {name: g[name].x for name in names if not np.isfinite(g[name].x).all()}
    assert not bad
    for name in names:
        assert np.isfinite(g[name].y).all(), (name, g[name].y)
    assert np.array_equal(g.a.x, [1, 1, 1, 1, 1 / 3])
    assert np.array_equal(g.h.x, [-1, 0, 0, 1, 1])  # abs'(0) = 0
    assert np.array_equal(g.k.x, [0, 0, 0, 1, 1])  # relu'(0) = 0
    assert np.array_equal(g.i.x, [0, 0.5, 0.5, 0.5, 1])  # a tie gives each side half
    assert np.array_equal(g.i.y, [1, 0.5, 0.5, 0.5, 0])
    assert np.array_equal(g.j.x, [1, 0.5, 0.5, 0.5, 0])
    np.testing.assert_allclose(g.l.x[1:3], 0.5 - y[1:3], atol=2 * EPS)  # kinks that cancel give the true slope


@pytest.mark.parametrize("backend", BACKENDS)
def test_removable_singularities(backend: str) -> None:
    text = """size N, D = 3
input x[N, D]
output a = sqrt(sum(x**2, axis=1))**2
output b = sum(sqrt(sum(x**2, axis=1)))
"""
    x = np.array([[0.0, 0, 0], [3, 4, 0], [1e-150, 0, 0]])
    out, g = driver.load(text, backend=backend, optimize=1, name="norms").Model().value_and_grad({"a": np.ones(3)}, x=x)  # type: ignore[arg-type]
    np.testing.assert_allclose(g.a.x, 2 * x, rtol=4 * EPS)
    assert np.isfinite(g.b.x).all() and np.array_equal(g.b.x[0], [0, 0, 0])
    np.testing.assert_allclose(g.b.x[1], [0.6, 0.8, 0], rtol=4 * EPS)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_length_of_what_is_divided_by_a_root_keeps_its_range(backend: str) -> None:
    """The scale that a length is taken in goes under the square together with what it scales."""
    text = "input x[2], v\noutput a = norm(x / sqrt(v**2 + 0.1))\n"
    m = driver.load(text, backend=backend, optimize=1, name="scaled_norms").Model()  # type: ignore[arg-type]
    for x, v in ((0.0, 1.0), (1e-200, 1.0), (1e200, 1e20), (1e-170, 1e-160)):
        np.testing.assert_allclose(m.predict(x=[x, x], v=v).a, np.sqrt(2) * x / np.sqrt(v * v + 0.1), rtol=8 * EPS)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_first_of_equals_gets_the_gradient_of_a_maximum(backend: str) -> None:
    text = "size N\ninput x[N, 4]\noutput a = max(x, axis=1)\noutput b = min(x, axis=1)\n"
    x = np.array([[1.0, 3, 3, 0], [2, 2, 2, 2]])
    _, g = (
        driver.load(text, backend=backend, optimize=1, name="firsts")
        .Model()
        .value_and_grad({"a": np.ones(2), "b": np.ones(2)}, x=x)
    )  # type: ignore[arg-type]
    assert np.array_equal(g.a.x, [[0, 1, 0, 0], [1, 0, 0, 0]])
    assert np.array_equal(g.b.x, [[0, 0, 0, 1], [1, 0, 0, 0]])


# ---------------------------------------------------------------- what stands in the generated text

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("spelling", SIGMOIDS)
def test_a_sigmoid_in_any_spelling_is_one_gate(spelling: str) -> None:
    argument = "(w[0] * x[0] + w[1] * x[1] + w[2])"
    text = re.sub(r"\bx\b", "@", spelling).replace("@", argument)
    result = driver.compile_model(f"input x[2]\nparam w[3]\noutput f = {text}\n", name="neuron", stop_after="cython")
    kernels = (
        result.text.partition("cdef void forward")[2].partition("# What follows is the same")[0].partition("cdef void sgd")[0]
    )
    code = "\n".join(line.partition("#")[0] for line in kernels.splitlines())
    assert code.count("sigmoid(") == 2  # in forward, and in the kernel of value and gradient
    assert "exp(" not in code and "tanh(" not in code
    assert re.search(r"(\w+(?:\[0\])?) ?\* ?\(1 - \1\)", code)  # f * (1 - f)


def test_the_cross_entropy_of_a_sigmoid_cancels_to_p_minus_y() -> None:
    text = driver.compile_model(ROOT / "examples" / "xor.gw", stop_after="cython").text
    backward = text.partition("cdef void backward")[2].partition("cdef void")[0]
    code = "\n".join(line.partition("#")[0] for line in backward.splitlines())
    assert "(p[n] - y[n])" in code
    assert "exp(" not in code and "log(" not in code and "sigmoid(" not in code


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_logarithm_of_an_empty_sum_is_minus_infinity_also_after_normalising(backend: str) -> None:
    text = """size N, M
input x[N, M]
own = x - log(sum(exp(x), axis=1, keepdims=True))
output first = log(sum(exp(x), axis=1))
output again = log(sum(exp(own), axis=1))
output named = logsumexp(log_softmax(x), axis=1)
"""
    model = driver.load(text, backend=backend, name=f"empty_rows_{backend}").Model()
    for value in model.forward(x=np.zeros((2, 0)))._asdict().values():
        np.testing.assert_array_equal(value, [-np.inf, -np.inf])
    out = model.forward(x=np.array([[800.0, 801.0], [-900.0, 0.0]]))
    np.testing.assert_allclose(out.first, [801 + np.log1p(np.exp(-1)), 0], rtol=1e-15)
    np.testing.assert_allclose(out.again, [0, 0], atol=801 * EPS)  # half an ulp of x - log(sum) at 801
    np.testing.assert_allclose(out.named, [0, 0], atol=801 * EPS)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_logarithm_of_an_empty_sum_of_centred_terms(backend: str) -> None:
    """The mean of an empty row is NaN, and is never added to a sum of nothing."""
    text = """size N, M
input x[N, M]
c = (x - mean(x, axis=1, keepdims=True)) / sqrt(mean((x - mean(x, axis=1, keepdims=True))**2, axis=1, keepdims=True) + 0.1)
output y = log(sum(exp(c), axis=1))
"""
    model = driver.load(text, backend=backend, name=f"empty_centred_{backend}").Model()
    np.testing.assert_array_equal(model.forward(x=np.zeros((2, 0))).y, [-np.inf, -np.inf])
    x = np.array([[0.5, -1.0, 900.0], [1, 2, 3]])
    c = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 0.1)
    np.testing.assert_allclose(model.forward(x=x).y, np.log(np.exp(c).sum(1)), rtol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", ["cython", "numpy"])
def test_the_gradient_of_a_length_is_a_unit_vector_at_every_size(backend: str, dtype: str) -> None:
    """Also where its square is near the end of what the type holds, from both sides of where the numbers are scaled."""
    text = f"dtype {dtype}\nsize N, D\ninput x[N, D]\noutput f = norm(x, axis=1)\n"
    model = driver.load(text, backend=backend, name="length").Model()  # type: ignore[arg-type]
    sizes = 10.0 ** np.arange(-36 if dtype == "float32" else -300, 37 if dtype == "float32" else 300, 1)
    x = sizes[:, None] * np.array([0.6, -0.8, 0.0])
    out, g = model.value_and_grad({"f": np.ones(len(sizes))}, x=x)
    np.testing.assert_allclose(out.f, sizes, rtol=1e-6)
    np.testing.assert_allclose(g.x, np.tile([0.6, -0.8, 0.0], (len(sizes), 1)), rtol=1e-5)
