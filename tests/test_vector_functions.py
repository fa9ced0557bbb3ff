"""What makes a loop over formulas fast: arithmetic in the model's own type, and functions that the C compiler vectorises."""

from __future__ import annotations

import ctypes
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from gradwright.compiler.build import toolchain
from gradwright.compiler.driver import compile_model
from gradwright.runtime import load
from test_headers import BUILDS, CC, EACH, FAST, INCLUDE, apply, compile_library, error_in_ulp, loop

NAMES = ("sin", "cos", "tan")
SOURCE = '#include "gradwright/circular.h"\n' + "".join(map(loop, NAMES))
ULP = {"sin": 1.5, "cos": 1.5, "tan": 2.0}


def text(model: str) -> str:
    return str(next(iter(compile_model(model, stop_after="cython", name="model").value.values())))


def test_whole_numbers_do_not_take_a_float_to_double() -> None:
    """C computes 1.0 - x of a float in double, and so half as many at a time."""
    model = "dtype float32\nsize N\ninput x[N]\noutput f = 1 - 2*x\noutput g = 1/x**2\noutput h = x**-0.5\n"
    code, double = text(model), text(model.replace("float32", "float64"))
    assert "f[n] = <real>1 - <real>2*x[n]" in code and "f[n] = 1 - 2*x[n]" in double
    assert "<real>1/(x[n]*sqrt(x[n]))" in code and "1/(x[n]*sqrt(x[n]))" in double
    assert "*(<real>2*x[n])" in code and "*(2*x[n])" in double


def test_a_cheap_choice_does_not_let_its_reads_wait() -> None:
    """Behind a branch they would: a loop whose reads wait for a condition may be scalar. What is dear waits."""
    model = "dtype float32\nsize N\ninput x[N]\noutput f = where(x > 0, log(x), x)\n"
    code = text(model)
    assert "choose(t1 == 0, <real>0, t1/x[n])" in code
    assert "f[n] = (log(x[n]) if f_gt1[n] != 0 else x[n])" in code


def test_what_a_row_has_once_is_read_before_the_loop_along_it() -> None:
    """It lies in the vector that the loop writes to: the C compiler would read it in every round, and take one at a time."""
    model = "use layers\nsize N\ninput x[N, 64]\noutput f = x |> layer_norm\n"
    code = text(model)
    read = re.search(r"( +)(\w+_here) = (\w+)\[n\]\n +for j in range\(64\):\n(?:.*\n)*? +.*/\2\n", code)
    assert read is not None
    x = np.random.default_rng(0).normal(size=(3, 64))
    module = load(model, name="still")
    for rows in (3, 1, 0):
        found = module.Model().forward(x=x[:rows])["f"]
        want = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
        np.testing.assert_allclose(found, want[:rows], rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_reads_in_steps_of_a_power_of_two_keep_no_loop_from_being_vectorised(dtype: str) -> None:
    """gcc 12 finds no vectors where such a step is a number: "no vectype for stmt"."""
    model = f"dtype {dtype}\nsize N\ninput x[N, 64, 32], y[N, 32, 64]\nf[n, i, j] = exp(x[n, j, i]) * y[n, i, j]\noutput f\n"
    code = text(model)
    assert "f[2048*n + 64*j + k] = exp(x[2048*n + stride_32*k + j])*y[2048*n + 64*j + k]" in code
    assert "stride_32 = stride(32)" in code
    assert "stride" not in text(re.sub(r"\b32\b", "33", model).replace("64, 33]", "65, 33]").replace("33, 64]", "33, 65]"))
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=shape).astype(dtype) for shape in ((3, 64, 32), (3, 32, 64)))
    found = load(model, name="steps").Model().forward(x=x, y=y)["f"]
    np.testing.assert_allclose(found, np.exp(x.transpose(0, 2, 1)) * y, rtol=1e-6 if dtype == "float32" else 1e-14)


@pytest.mark.parametrize("size", [3, 5, 6, 8, 12])
def test_rows_of_any_few_elements_are_taken_side_by_side(size: int) -> None:
    """gcc 12 takes 2, 3, 4 or 8 elements that lie together; of 5 it must not know. What is dear is computed once for each."""
    model = f"""size N, M = 30, D = {size}
input x[N, D], z[M, D], s[D]
K[n, m] = exp(-sum(((x[n, d] - z[m, d]) / exp(s[d]))**2 for d))
output f = sum(K)
gradient f wrt x, z, s
"""
    code = text(model)
    assert (f"stride_{size}*j + k]" in code) == (size in (5, 6, 12))
    assert "exp(s[k])" not in code and "exp(s[j])" in code
    rng = np.random.default_rng(size)
    inputs = {"x": rng.normal(size=(4, size)), "z": rng.normal(size=(30, size)), "s": rng.normal(size=size)}
    compiled, plain = (load(model, name="pairs", backend=b).Model() for b in ("cython", "numpy"))
    (out, found), (want, wanted) = (m.value_and_grad(**inputs) for m in (compiled, plain))
    np.testing.assert_allclose(out.f, want.f, rtol=1e-13)
    for name in inputs:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-11, atol=1e-14)


@pytest.mark.unoptimised  # the kernel is at its best all the same
@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
@pytest.mark.parametrize("sizes", ["64, 32", "37, 100", "N, 32", "16, N", "N, M"])
def test_rows_into_columns_by_the_kernel(dtype: str, sizes: str) -> None:
    n, m = sizes.split(", ")
    model = f"dtype {dtype}\nsize K, N, M\ninput x[K, {n}, {m}], y[N, M]\nf[k, i, j] = x[k, j, i]\ng = sum(y)\noutput f, g\n"
    code = text(model)
    assert len(re.findall(r"transpose\(", code)) >= 2 and f"transpose({n}, {m}, x + " in code
    module = load(model, name="turned")
    for rows in (0, 1, 33):
        shape = tuple({"N": 5 + rows, "M": 40}.get(s) or int(s) for s in (n, m))
        x = np.random.default_rng(rows).normal(size=(3, *shape)).astype(dtype)
        found = module.Model().forward(x=x, y=np.zeros((5 + rows if "N" in sizes else 2, 40), dtype))["f"]
        np.testing.assert_array_equal(found, x.transpose(0, 2, 1))


def test_it_is_read_before_a_loop_that_looks_for_the_largest_as_well() -> None:
    """The largest of the rows of a set that a mask leaves, and where they are."""
    model = """use layers
size N, S
input x[N, S, 5], mask[N, S]
h = x |> dense(32) |> relu |> dense(32) |> relu
w = softmax(where(mask > 0, dense(h, 1)[:, :, 0], -10))
left = where(mask[..., None] > 0, sin(h), -1)
best = max(left, axis=1)
minimize mean((einsum("ns,nsh->nh", w, h) - best)**2) + mean(left**2)
"""
    train = text(model).split("cdef void train(")[1]
    loops = re.finditer(r"( +)(\w+_here) = \w+\[s\]\n\1for j in range\(32\):\n((?:\1 .*\n)+)", train)
    assert any(f"if {loop[2]} != 0" in loop[3] and "= above(" in loop[3] for loop in loops)
    rng = np.random.default_rng(1)
    inputs = {"x": rng.normal(size=(3, 5, 5)), "mask": (rng.uniform(size=(3, 5)) < 0.6).astype(float)}
    compiled, plain = (load(model, name="set", backend=b).Model(seed=1) for b in ("cython", "numpy"))
    found, wanted = (m.value_and_grad(**inputs)[1] for m in (compiled, plain))
    for name in (spec["name"] for spec in plain.engine.spec["params"]):
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-11, atol=1e-13)


def test_gates_of_one_argument_have_their_exponential_in_common() -> None:
    """Whatever its sign, in whichever statement, one in another; and one that stands alone is the cheaper form."""
    code = text("dtype float32\nsize N\ninput x[N]\noutput f = sigmoid(x) + tanh(x)\n")
    assert "sigmoid_shared(x[n])" in code and "tanh_shared(x[n])" in code
    assert 'float sigmoid_shared "gw_sigmoid_sharedf"(float) noexcept' in code and '"gw_sigmoidf"' not in code
    code = text("size N\ninput z[N], y[N]\noutput p = sigmoid(z)\nminimize mean(softplus(z) - y*z)\n")
    assert "p[n] = sigmoid_shared(z[n])" in code and "softplus(-absolute(z[n]))" in code
    code = text("size N\ninput z[N], y[N]\noutput f = mean(softplus(z) - y*z)\n")  # the seed over N is there before the loop
    both = code.split("cdef void _value_and_grad_part1(")[1].split("\ncdef")[0]
    assert both.count("for ") == 2 and "sigmoid_shared(z[n])" in both and "softplus(-absolute(z[n]))" in both
    code = text("size N\ninput x[N]\noutput f = tanh(softplus(x)) * sigmoid(x)\noutput g = tanh(x)**2\n")
    assert all(f"= {gate}" in code for gate in ("tanh(softplus(x[n]))", "sigmoid_shared(x[n])", "tanh_shared(x[n])"))
    code = text("size N\ninput x[N], y[N]\noutput f = sigmoid(x) + tanh(y)\noutput g = sigmoid(x) * softplus(2*x)\n")
    forward = code.split("cdef void _forward_part1(")[1].split("\ncdef")[0]
    assert "_shared" not in forward and "sigmoid(x[n])" in forward and "tanh(y[n])" in forward


@pytest.mark.parametrize(("formula", "below"), [
    ("-x*x", True), ("-x**2/2", True), ("-abs(x) - y**4", True), ("-(x - y)**2/(2*N*y**2 + 1)", True), ("min(x, 0)", True),
    ("max(-abs(x), -y**2)", True), ("-3*abs(x)*cosh(y)", True), ("x*abs(y)", False), ("abs(x) - abs(y)", False),
    ("-x**3", False), ("-x**2*y", False), ("max(-x**2, y)", False), ("-abs(x)/sqrt(y)", False), ("x*x", False),
])  # fmt: skip
def test_the_exponential_of_what_is_not_above_0(formula: str, below: bool) -> None:
    """Where the formula shows it, and not where it does not: the quotient by -0 is infinite."""
    code = text(f"size N\ninput x[N], y[N]\noutput f = exp({formula})\n")
    forward = code.split("cdef void forward(")[0]
    assert ("] = exp_below(" in forward) == below and ("] = exp(" in forward) == (not below)
    x = np.array([0.0, -0.0, 1.5, -2.0, 700.0, -3e-200, np.inf, -np.inf, np.nan, 2.0])
    pairs = dict(zip("xy", (np.ascontiguousarray(v.ravel()) for v in np.meshgrid(x, x)), strict=True))
    model = f"size N\ninput x[N], y[N]\noutput f = exp({formula})\n"
    found, wanted = (load(model, backend=b, name="below").Model().predict(**pairs).f for b in ("cython", "numpy"))
    np.testing.assert_allclose(found, wanted, rtol=1e-13)


SLOPES = "size N\ninput x[N], y[N]\noutput f = sum(sigmoid(x)) + sum(y*(1 - y))\n"


def test_the_slope_of_a_sigmoid_is_rounded_once() -> None:
    """Of what is known to be a sigmoid's value: elsewhere y may be infinite, and y - y*y a NaN."""
    assert {*re.findall(r"= .*sigmoid_slope\((\w+)", text(SLOPES))} == {"f_sigmoid1"}
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=100) * 9, [0.0, 40.0, 800.0, -800.0, np.inf, -np.inf, np.nan]])
    ours, theirs = (load(SLOPES, backend=b, name="slopes").Model() for b in ("cython", "numpy"))
    found, wanted = (model.value_and_grad(x=x, y=np.zeros_like(x))[1].x for model in (ours, theirs))
    np.testing.assert_allclose(found, wanted, rtol=1e-13, atol=4e-16)
    infinite = ours.value_and_grad(x=np.zeros(1), y=np.array([np.inf]))
    assert infinite[0].f == -np.inf and infinite[1].x == 0.25


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gates_that_share_agree_with_numpy(dtype: str) -> None:
    model = f"dtype {dtype}\nsize N\ninput x[N]\noutput f = sum(sigmoid(x)*tanh(x) + softplus(-x) + x*tanh(softplus(x)))\n"
    x = np.concatenate([np.random.default_rng(0).normal(size=997) * 4, [0.0, -0.0, 1e-30, 95.0, -95.0]]).astype(dtype)
    out, gradient = load(model, name="gates").Model().value_and_grad(x=x)
    right, wanted = load(model, backend="numpy", name="gates").Model().value_and_grad(x=x)
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(gradient.x, wanted.x, rtol=0, atol=20 * eps)
    np.testing.assert_allclose(float(out.f), float(right.f), rtol=20 * eps)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="looks for x86 instructions")
@pytest.mark.parametrize("name", ["gcc", pytest.param("clang", marks=pytest.mark.slow)])
def test_the_c_compiler_computes_the_exponential_of_several_gates_once(name: str, tmp_path: Path) -> None:
    """Its power of two is a shift of each number's bits, by 23 or 52 of them."""
    if shutil.which(name) is None:
        pytest.skip(f"needs {name}")

    def shifts(real: str, body: str) -> int:
        source, listing = tmp_path / "gates.c", tmp_path / "gates.s"
        what = f"void f(const {real}* restrict x, {real}* restrict y, long n) {{ for (long i = 0; i < n; i++) y[i] = {body}; }}\n"
        source.write_text(f'#include "gradwright/scalar.h"\n{what}')
        unrolled = ["-fno-unroll-loops"] if name == "clang" else []
        command = [name, "-std=gnu11", *FAST, "-mavx2", "-mfma", *unrolled, f"-I{INCLUDE}", "-S", str(source), "-o", str(listing)]
        subprocess.run(command, check=True)
        return len(re.findall(r"vpsll[dq]\s+\$(?:23|52), %ymm", listing.read_text()))

    for real, f in (("float", "f"), ("double", "")):
        gates = [f"gw_{gate}{f}(x[i])" for gate in ("sigmoid_shared", "tanh_shared", "softplus")]
        alone = shifts(real, gates[2])
        assert alone and shifts(real, " * ".join(gates)) == alone
        assert shifts(real, f"{gates[0]} * gw_softplus{f}(-gw_abs{f}(x[i]))") == alone
        assert shifts(real, f"{gates[2]} * gw_sigmoid{f}(x[i])") > alone


PACKED = r"\bv?mulps\b" if platform.machine() == "x86_64" else r"\bfmul\s+v\d+\.4s"


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="looks for the instructions of these")
@pytest.mark.parametrize("name", ["gcc", pytest.param("clang", marks=pytest.mark.slow)])
def test_a_loop_over_many_arrays_is_vectorised(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Compilers ask before the loop which of the arrays overlap, and give up where these are many."""
    if shutil.which(name) is None:
        pytest.skip(f"needs {name}")
    monkeypatch.setenv("CC", name)
    tools = toolchain.toolchain()
    body = "".join(f"        y[{k}][i] = x[{k}][i] * x[{(k + 1) % 6}][i];\n" for k in range(6))
    arrays = ", ".join(f"float* {array}{k}" for array in "xy" for k in range(6))
    for k in range(6):
        body = body.replace(f"y[{k}]", f"y{k}").replace(f"x[{k}]", f"x{k}")
    source, listing = tmp_path / "loop.c", tmp_path / "loop.s"
    source.write_text(f"void f(long n, {arrays}) {{\n    for (long i = 0; i < n; i++) {{\n{body}    }}\n}}\n")
    subprocess.run([*tools.command, *tools.flags, "-S", str(source), "-o", str(listing)], check=True)
    assert re.search(PACKED, listing.read_text())


# ---- sin, cos and tan ----


@pytest.fixture(scope="module", params=[*EACH, "unoptimised"])
def circular(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    build = BUILDS.get(request.param, (CC, ["-O0"]))
    return compile_library(tmp_path_factory.mktemp("circular"), "circular", SOURCE, *build)


def points(dtype: Any, count: int) -> Any:
    """Small and large ones, far ones that go to libm, and those that lie closest to the multiples of pi/2."""
    rng = np.random.default_rng(5)
    multiples = np.arange(1, 60_000, 60_000 // count) * (np.pi / 2)
    scales = [rng.uniform(-r, r, count) for r in (1.0, 10.0, 5e3, 7e3, 1e5, 1.1e5, 1e30)]
    tiny = np.exp(rng.uniform(-87 if dtype == np.float32 else -700, 0, count))
    return np.concatenate([*scales, multiples, np.nextafter(multiples, 0), tiny, -tiny]).astype(dtype)


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="long double is no wider than double here")
@pytest.mark.parametrize("name", NAMES)
def test_float_circular_functions(circular: ctypes.CDLL, name: str) -> None:
    x = points(np.float32, 20_000)
    x = x[abs(x) < 1e15]  # NumPy's own reference knows no farther
    reference = getattr(np, name)(x.astype(np.longdouble))
    assert error_in_ulp(apply(circular, name, x), reference).max() <= ULP[name]


@pytest.mark.parametrize("name", NAMES)
def test_double_circular_functions(circular: ctypes.CDLL, name: str) -> None:
    x = points(np.float64, 300)
    worst = mpmath.mpf(0)
    with mpmath.workdps(80):
        for value, at in zip(apply(circular, name, x), x, strict=True):
            exact = getattr(mpmath, name)(mpmath.mpf(float(at)))
            worst = max(worst, abs(mpmath.mpf(float(value)) - exact) / mpmath.mpf(float(np.spacing(abs(float(exact))))))
    assert worst <= ULP[name]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_edges_of_circular_functions(circular: ctypes.CDLL, dtype: Any) -> None:
    x = np.repeat(np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, -1e-40], dtype), 19)  # vectors, and what is left
    with np.errstate(invalid="ignore"):
        for name in NAMES:
            y, wanted = apply(circular, name, x), getattr(np, name)(x)
            np.testing.assert_array_equal(y, wanted)
            assert np.array_equal(np.signbit(y[: 2 * 19]), np.signbit(wanted[: 2 * 19]))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_value_does_not_depend_on_its_place(circular: ctypes.CDLL, dtype: Any) -> None:
    """In a vector, in what is left of a loop, and beside one that goes to libm."""
    x = points(dtype, 50)
    for name in NAMES:
        whole = apply(circular, name, x)
        for start in range(1, 12):
            np.testing.assert_array_equal(apply(circular, name, x[start:].copy()), whole[start:])


@pytest.mark.skipif(platform.machine() != "x86_64" or platform.system() != "Linux", reason="looks for x86 instructions")
def test_loops_over_circular_functions_are_vectorised(tmp_path: Path) -> None:
    source, listing = tmp_path / "loop.c", tmp_path / "loop.s"
    source.write_text(SOURCE)
    assert CC is not None
    said = subprocess.run([CC, "-dM", "-E", "-xc", "/dev/null"], capture_output=True, text=True, check=True).stdout
    if "__clang__" in said:
        pytest.skip("clang cannot be told of variants for vectors: it calls libm")
    wide = ["-mavx512f", "-mprefer-vector-width=512"]
    for flags, label in (([], "_ZGVbN2v"), (["-mavx2", "-mfma"], "_ZGVdN4v"), (wide, "_ZGVeN8v")):
        subprocess.run([CC, "-std=gnu11", *FAST, *flags, f"-I{INCLUDE}", "-S", str(source), "-o", str(listing)], check=True)
        assert f"call\t{label}_gw_lanes_sind" in listing.read_text().replace("@PLT", "")
        assert f"call\t{label}_gw_lanes_tand" in listing.read_text().replace("@PLT", "")


def test_a_model_of_waves_agrees_with_numpy() -> None:
    model = "size N\ninput x[N]\noutput f = sum(sin(x) * cos(3*x))\n"
    x = np.random.default_rng(0).normal(size=1003) * 3
    x[[7, 1002]] = 1e6, -3e7  # far from 0
    for dtype in ("float64", "float32"):
        given = x.astype(dtype)
        out, gradient = load(model, dtype=dtype, name="waves").Model().value_and_grad(x=given)
        right, wanted = load(model, dtype=dtype, backend="numpy", name="waves").Model().value_and_grad(x=given)
        eps = float(np.finfo(dtype).eps)
        np.testing.assert_allclose(gradient.x, wanted.x, rtol=0, atol=30 * eps)
        assert abs(float(out.f) - float(right.f)) <= 2 * x.size * eps
