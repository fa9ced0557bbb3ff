"""Training kernels that are compiled for a few rows by themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gradwright.compiler.build.few import apart, cases
from gradwright.compiler.driver import compile_model
from gradwright.runtime import SGD, load

XOR = """\
size   N, H = 8
input  x[N, 2], y[N, 1]
param  W1[2, H] ~ glorot_uniform
param  b1[H] = 0
param  W2[H, 1] ~ glorot_uniform
param  b2[1] = 0
h = tanh(x @ W1 + b1)
output p = sigmoid(h @ W2 + b2)
minimize mean(binary_cross_entropy(p, y))
"""
CLASSES = """\
size   N
input  x[N, 4]
index  y[N] < 3
param  W1[4, 16] ~ glorot_uniform
param  b1[16] = 0
param  W2[16, 3] ~ glorot_uniform
param  b2[3] = 0
output scores = tanh(x @ W1 + b1) @ W2 + b2
minimize mean(softmax_cross_entropy(scores, y))
"""
DEEP = """\
size   N
input  x[N, 2], y[N, 1]
param  U[2, 4] ~ glorot_uniform
param  V[4, 4] ~ glorot_uniform
param  W[4, 1] ~ glorot_uniform
output p = sigmoid(tanh(sigmoid(x @ U) @ V) @ W)
minimize sum((p - y)**2)
"""
MODELS = {"xor": XOR, "classes": CLASSES, "deep": DEEP}


def function(storage: str, first: str) -> str:
    return f"""\
{storage} void __pyx_f_1m_before(double *__pyx_v_a) {{
  (__pyx_v_a[0]) = 0.0;
}}
{storage} void __pyx_f_1m_f(gw_read_f64 __pyx_v_x, double *__pyx_v_a, Py_ssize_t __pyx_v_N, Py_ssize_t __pyx_v_T) {{
  Py_ssize_t __pyx_v_n;
{first}  for (__pyx_v_n = 0; __pyx_v_n < __pyx_v_N; __pyx_v_n+=1) {{
    (__pyx_v_a[__pyx_v_n]) = (__pyx_v_x[__pyx_v_n]);
  }}
}}
"""


@pytest.mark.parametrize("storage", ["static", "GW_APART"])
def test_each_number_of_rows_has_a_function(storage: str) -> None:
    before, body = function(storage, "  gw_few(__pyx_v_N, 1, 4);\n").split(f"{storage} void __pyx_f_1m_f")
    found = apart(before + f"{storage} void __pyx_f_1m_f" + body)
    formals, rest = body.split(") {\n", 1)
    given = "__pyx_v_x, __pyx_v_a, {}, __pyx_v_T"
    every = (("1", "1", "case 1"), ("4", "4", "case 4"), ("more", "__pyx_v_N", "default"))
    assert found == before + (
        f"static inline __attribute__((always_inline)) void __pyx_any_1m_f{formals}) {{\n{rest}"
        + "".join(f"static __attribute__((noinline)) void __pyx_any_1m_f_{end}{formals}) {{ "
                  f"__pyx_any_1m_f({given.format(rows)}); }}\n" for end, rows, _ in every)
        + f"{storage} void __pyx_f_1m_f{formals}) {{\n  switch (__pyx_v_N) {{\n"
        + "".join(f"  {case}: __pyx_any_1m_f_{end}({given.format('__pyx_v_N')}); return;\n" for end, _, case in every)
        + "  }\n}\n"
    )  # fmt: skip
    assert cases(body) == 2


def test_other_functions_stay_as_they_are() -> None:
    text = function("static", "")
    assert apart(text) == text and cases(text) == 0


def kernels(source: str) -> dict[str, str]:
    """The text of each kernel."""
    text = str(compile_model(source, stop_after="cython").text)
    pieces = text.split("\ncdef void ")[1:]
    return {piece.partition("(")[0]: piece.partition("# What follows")[0] for piece in pieces}


def test_only_small_training_kernels_are_compiled_so() -> None:
    found = {name: {k for k, text in kernels(source).items() if "    few(" in text} for name, source in MODELS.items()}
    assert found == {"xor": {"train"}, "classes": {"train", "step"}, "deep": {"train"}}
    assert "    few(N, 1, 4, 8)\n" in kernels(XOR)["train"] and "    few(N, 1)\n" in kernels(CLASSES)["train"]
    large = CLASSES.replace("16", "64")
    assert not any("few(" in text for text in kernels(large).values())
    assert not any("few(" in text for text in kernels(XOR.replace("size   N", "size   N = 4")).values())


@pytest.mark.parametrize("sizes", ["N, M", "M, N"])
def test_a_product_over_another_free_size_is_of_two_sizes(sizes: str) -> None:
    """All loops are over M; N is nowhere but within the product."""
    source = f"size {sizes}\ninput a[M, N], x[N, 4]\nparam w = 0.5\nminimize sum((w * (a @ x))**2)\n"
    assert not any("    few(" in text for text in kernels(source).values())
    a, x = np.arange(6.0).reshape(2, 3), np.ones((3, 4))
    out, gradients = load(source, name="two").Model().value_and_grad(a=a, x=x)
    assert out["loss"] == pytest.approx(0.25 * np.sum((a @ x) ** 2)) and gradients["w"] == pytest.approx(np.sum((a @ x) ** 2))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", MODELS)
def test_any_number_of_rows_gives_the_same(name: str, dtype: str) -> None:
    """Twice a strip and a row: those that have functions of their own, and all the others."""
    module, other = (load(MODELS[name], name=name, dtype=dtype, backend=backend) for backend in ("cython", "numpy"))
    model, reference = module.Model(seed=1), other.Model(seed=1)
    rng = np.random.default_rng(0)
    close = {"rtol": 1e-12, "atol": 1e-13} if dtype == "float64" else {"rtol": 2e-5, "atol": 1e-6}
    for rows in (*range(1, 18), 4, 1, 8):
        y = rng.integers(0, 3, rows) if name == "classes" else rng.integers(0, 2, (rows, 1)).astype(dtype)
        data = {"x": rng.normal(size=(rows, 4 if name == "classes" else 2)).astype(dtype), "y": y}
        (out, gradients), (wanted, theirs) = (m.value_and_grad(**data) for m in (model, reference))
        np.testing.assert_allclose(out["loss"], wanted["loss"], **close)
        for key in (spec["name"] for spec in model.engine.spec["params"]):
            np.testing.assert_allclose(gradients[key], theirs[key], err_msg=f"{rows} rows: {key}", **close)
        for optimizer in (SGD(lr=0.1), SGD(lr=0.1, momentum=0.5)):
            np.testing.assert_allclose(model.bind(optimizer, **data)(3), reference.bind(optimizer, **data)(3), **close)
            np.testing.assert_allclose(model.theta, reference.theta, err_msg=f"{rows} rows", **close)
            model.theta = reference.theta
    assert math.isfinite(float(model.theta.sum()))


def test_a_model_may_call_something_few() -> None:
    model = load(DEEP.replace("x[", "few[").replace("(x ", "(few "), name="named").Model(seed=1)
    data = {"few": np.ones((4, 2)), "y": np.ones((4, 1))}
    assert model.bind(SGD(lr=0.1), **data)(2) < model.value_and_grad(few=np.ones((4, 2)), y=np.zeros((4, 1)))[0]["loss"]


def test_of_no_rows_a_sum_and_its_gradient_are_nothing() -> None:
    out, gradients = load(DEEP, name="deep").Model(seed=1).value_and_grad(x=np.zeros((0, 2)), y=np.zeros((0, 1)))
    assert out["loss"] == 0 and not any(gradients[key].any() for key in "UVW")
