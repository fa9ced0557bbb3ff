"""The C headers that every generated module includes: elementary functions, sums and matrix products.

Each header is compiled into a small shared library as generated modules are (-O3 -march=native), plainly (-O2, which has
neither wide vectors nor fused multiply-adds), and with AVX2 and by clang where these exist; all are held to the same bounds.
"""

from __future__ import annotations

import ctypes
import functools
import math
import os
import platform
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

Array = np.ndarray[Any, np.dtype[Any]]

INCLUDE = Path(__file__).resolve().parents[1] / "runtime" / "include"
CC = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
BASE = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
FAST = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"]

pytestmark = pytest.mark.skipif(CC is None, reason="needs a C compiler")

# Largest error allowed in units in the last place: the table at the head of scalar.h, and of libm what glibc states.
ULP = {"exp": 1.0, "exp_below": 1.0, "expm1": 2.0, "log": 1.0, "log1p": 1.5, "tanh": 2.0, "tanh_shared": 2.0, "sigmoid": 2.0,
       "sigmoid_shared": 2.0, "softplus": 2.0, "erf": 1.5, "sinh": 2.0, "cosh": 1.5, "asin": 2.0, "acos": 1.5,
       "atan": 1.5}  # fmt: skip
POW = 1.0
WHOLE = (5, 6, 7, 11, 12, 13, 16, 23, 31, -5, -6, -12, -13, -31)  # exponents that the C compiler knows
LIBM = ("sin", "cos", "tan", "sqrt")
EXACT = ("abs", "sign", "floor", "square")
BINARY = ("max", "min", "pow", "atan2")


def loop(name: str, operands: str = "x") -> str:
    """A C function that applies gw_{name} along arrays, in each real type."""
    text = ""
    for s, suffix in (("f64", ""), ("f32", "f")):
        reads = ", ".join(f"gw_read_{s} {v}" for v in operands)
        call = ", ".join(f"{v}[i]" for v in operands)
        text += f"void {name}_{s}({reads}, gw_write_{s} out, ptrdiff_t n) {{\n"
        text += f"    for (ptrdiff_t i = 0; i < n; i++) out[i] = gw_{name}{suffix}({call});\n}}\n"
    return text


SOURCE_SCALAR = (
    '#include "gradwright/circular.h"\n#include "gradwright/power.h"\n'
    + "".join(loop(name) for name in (*ULP, *LIBM, *EXACT, "sigmoid_slope"))
    + "".join(loop(name, "xz") for name in BINARY)
    + "".join(
        f"void whole_pow{y}_{s}(gw_read_{s} x, gw_write_{s} out, ptrdiff_t n) {{\n".replace("-", "_")
        + f"    for (ptrdiff_t i = 0; i < n; i++) out[i] = gw_pow{f}(x[i], {y});\n}}\n"
        for s, f in (("f64", ""), ("f32", "f"))
        for y in WHOLE
    )
    + """
double step_power(double base, double step) { return gw_step_power(base, step); }
double powi_f64(double x, int n) { return gw_powi(x, n); }
float powi_f32(float x, int n) { return gw_powif(x, n); }
void gather(char* to, const char* from, const int64_t* rows, ptrdiff_t n, ptrdiff_t size) {
    gw_gather_rows(to, from, rows, n, size);
}
"""
)

SOURCE_ARRAYS = (
    '#include "gradwright/sum.h"\n#include "gradwright/gemm.h"\n'
    + "".join(
        f"""
{real} sum_{s}(const {real}* x, ptrdiff_t n) {{ return gw_sum_{s}(x, n); }}
{real} squares_{s}(const {real}* x, ptrdiff_t n) {{ return gw_squares_{s}(x, n); }}
{real} dot_{s}(const {real}* x, const {real}* y, ptrdiff_t n) {{ return gw_dot_{s}(x, y, n); }}
{real} absolutes_{s}(const {real}* x, ptrdiff_t n) {{ return gw_absolutes_{s}(x, n); }}
{real} short_absolutes_{s}(const {real}* x, ptrdiff_t n) {{ return gw_short_absolutes_{s}(x, n); }}
{real} product_{s}(const {real}* x, ptrdiff_t n) {{ return gw_product_{s}(x, n); }}
{real} short_sum_{s}(const {real}* x, ptrdiff_t n) {{ return gw_short_sum_{s}(x, n); }}
{real} short_squares_{s}(const {real}* x, ptrdiff_t n) {{ return gw_short_squares_{s}(x, n); }}
{real} short_dot_{s}(const {real}* x, const {real}* y, ptrdiff_t n) {{ return gw_short_dot_{s}(x, y, n); }}
{real} maximum_{s}(const {real}* x, ptrdiff_t n) {{ return gw_maximum_{s}(x, n); }}
{real} minimum_{s}(const {real}* x, ptrdiff_t n) {{ return gw_minimum_{s}(x, n); }}
{real} place_of_maximum_{s}(const {real}* x, ptrdiff_t n) {{ return gw_place_of_maximum_{s}(x, n); }}
{real} place_of_minimum_{s}(const {real}* x, ptrdiff_t n) {{ return gw_place_of_minimum_{s}(x, n); }}
void gemm_{s}(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, {real} alpha, const {real}* a, ptrdiff_t a_row, ptrdiff_t a_col,
              const {real}* b, ptrdiff_t b_row, ptrdiff_t b_col, {real} beta, {real}* c, ptrdiff_t c_row) {{
    gw_gemm_{s}(m, n, k, alpha, a, a_row, a_col, b, b_row, b_col, beta, c, c_row);
}}
void gemm_2x3x4_{s}(const {real}* a, const {real}* b, {real}* c) {{ gw_gemm_{s}(2, 3, 4, 1, a, 4, 1, b, 3, 1, 0, c, 3); }}
"""
        for real, s in (("double", "f64"), ("float", "f32"))
    )
    + "void threads(int n) { gw_threads = n; }\n"
)

BUILDS: dict[str, tuple[str | None, list[str]]] = {
    "native": (CC, [*FAST, "-march=native", "-mprefer-vector-width=512"] if platform.machine() == "x86_64" else FAST),
    "plain": (CC, ["-O2"]),
}
if platform.machine() == "x86_64" and "avx2" in (Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""):
    BUILDS["avx2"] = (CC, [*FAST, "-mavx2", "-mfma"])
if (_clang := shutil.which("clang")) and CC is not None and "clang" not in CC:
    BUILDS["clang"] = (_clang, FAST)


def compile_library(folder: Path, name: str, source: str, compiler: str | None, flags: list[str]) -> ctypes.CDLL:
    text, binary = folder / f"{name}.c", folder / f"{name}.so"
    text.write_text(source)
    assert compiler is not None
    command = [compiler, *BASE, *flags, f"-I{INCLUDE}", str(text), "-o", str(binary), "-lm", "-pthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(binary))


# another compiler of the same text, and narrower vectors than the machine's, are for those who ask for the slow tests
EACH = [pytest.param(name, marks=[pytest.mark.slow] if name in ("clang", "avx2") else []) for name in sorted(BUILDS)]


@pytest.fixture(scope="module", params=EACH)
def scalar(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return compile_library(tmp_path_factory.mktemp("scalar"), "scalar", SOURCE_SCALAR, *BUILDS[request.param])


@pytest.fixture(scope="module", params=EACH)
def arrays(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return compile_library(tmp_path_factory.mktemp("arrays"), "arrays", SOURCE_ARRAYS, *BUILDS[request.param])


def suffix(dtype: np.dtype[Any]) -> str:
    return "f64" if dtype == np.float64 else "f32"


def pointer(x: Array) -> ctypes.c_void_p:
    return ctypes.c_void_p(x.ctypes.data)


def apply(library: ctypes.CDLL, name: str, *operands: Array) -> Array:
    """A function of scalar.h over contiguous arrays of one type."""
    y = np.empty_like(operands[0])
    getattr(library, f"{name}_{suffix(y.dtype)}")(*(pointer(x) for x in operands), pointer(y), ctypes.c_ssize_t(y.size))
    return y


# ---- elementary functions ----


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + mpmath.exp(-x)) if x > -1000 else mpmath.exp(x)  # beyond, 50 digits do not tell them apart


def _softplus(x: Any) -> Any:
    return x if x > 1000 else mpmath.log1p(mpmath.exp(x)) if x > -100 else mpmath.exp(x)  # as above


EXACTLY: dict[str, Callable[[Any], Any]] = {
    "exp": mpmath.exp,
    "exp_below": lambda x: mpmath.exp(-abs(x)),
    "expm1": mpmath.expm1,
    "log": mpmath.log,
    "log1p": mpmath.log1p,
    "tanh": mpmath.tanh,
    "tanh_shared": mpmath.tanh,
    "sigmoid": _sigmoid,
    "sigmoid_shared": _sigmoid,
    "softplus": _softplus,
    "erf": mpmath.erf,
    "sinh": mpmath.sinh,
    "cosh": mpmath.cosh,
    "asin": mpmath.asin,
    "acos": mpmath.acos,
    "atan": mpmath.atan,
}


def _erf(x: Array) -> Array:
    """In more digits than double has, as the sum of two."""
    if x.dtype == np.float64:
        return np.array([math.erf(v) for v in x])
    with mpmath.workdps(25):
        exact = [mpmath.erf(mpmath.mpf(float(v))) for v in x]
        high = [float(v) for v in exact]
        low = [float(v - h) for v, h in zip(exact, high, strict=True)]
    return np.array(high, np.longdouble) + np.array(low, np.longdouble)


def _dense_sigmoid(x: Array) -> Array:
    e: Array = np.exp(-abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


DENSE: dict[str, Callable[[Array], Array]] = {
    "exp": np.exp,
    "exp_below": lambda x: np.exp(-abs(x)),
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "tanh_shared": np.tanh,
    "sigmoid": _dense_sigmoid,
    "sigmoid_shared": _dense_sigmoid,
    "softplus": lambda x: np.log1p(np.exp(-abs(x))) + np.maximum(x, 0),
    "erf": _erf,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
}


@functools.cache
def samples(name: str, dtype: Any, count: int) -> Array:
    """Points over the whole domain: every scale, the tails, and close to 0 and 1."""
    rng = np.random.default_rng(7)
    low, high = (-104.0, 89.0) if dtype == np.float32 else (-746.0, 710.0)  # of exp
    x = np.concatenate(
        [
            rng.uniform(-1, 1, count),
            rng.uniform(-45, 45, count),
            rng.uniform(low, high, count),
            rng.uniform(0.5, 2, count),
            rng.normal(1, 1e-3, count),
            np.exp(rng.uniform(low, high - 0.5, count)),
            -np.exp(rng.uniform(low, high - 0.5, count)),
        ]
    ).astype(dtype)
    if name == "log":
        x = abs(x[x != 0])
    elif name == "log1p":
        x = x[x > -1]
    elif name in ("asin", "acos"):
        x = x[abs(x) <= 1]
    x.flags.writeable = False
    return x


def error_in_ulp(y: Array, reference: Array) -> Array:
    """|y - reference| in units in the last place of the reference, which has more digits; overflow must be exact."""
    with np.errstate(over="ignore", under="ignore"):
        rounded = reference.astype(y.dtype)
    finite = np.isfinite(rounded)
    assert np.array_equal(y[~finite], rounded[~finite])
    unit = np.spacing(abs(rounded[finite])).astype(reference.dtype)
    result: Array = abs(y[finite].astype(reference.dtype) - reference[finite]) / unit
    return result


@functools.cache
def exact_values(name: str) -> tuple[Array, list[Any]]:
    x = samples(name, np.dtype(np.float64), 250)
    with mpmath.workdps(50):
        return x, [EXACTLY[name](mpmath.mpf(float(v))) for v in x]


@pytest.mark.parametrize("name", list(ULP))
def test_double_functions_against_fifty_digits(scalar: ctypes.CDLL, name: str) -> None:
    x, exact = exact_values(name)
    largest = float(np.finfo(np.float64).max)
    worst = mpmath.mpf(0)
    for value, reference in zip(apply(scalar, name, x), exact, strict=True):
        if abs(reference) > largest:
            assert value == (np.inf if reference > 0 else -np.inf)
            continue
        unit = np.spacing(abs(float(reference)))
        worst = max(worst, abs(mpmath.mpf(float(value)) - reference) / mpmath.mpf(float(unit)))
    assert worst <= ULP[name]


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="long double is no wider than double here")
@pytest.mark.parametrize("name", list(ULP))
def test_double_functions_densely(scalar: ctypes.CDLL, name: str) -> None:
    x = samples(name, np.dtype(np.float64), 20_000 if name != "erf" else 2_000)
    with np.errstate(all="ignore"):
        reference = DENSE[name](x.astype(np.longdouble))
    assert error_in_ulp(apply(scalar, name, x), reference).max() <= ULP[name]


@pytest.mark.parametrize("name", list(ULP))
def test_float_functions_densely(scalar: ctypes.CDLL, name: str) -> None:
    x = samples(name, np.dtype(np.float32), 50_000)
    with np.errstate(all="ignore"):
        reference = DENSE[name](x.astype(np.float64))
    assert error_in_ulp(apply(scalar, name, x), reference).max() <= ULP[name]


def test_tanh_of_floats_where_it_bends(scalar: ctypes.CDLL) -> None:
    """Every seventh float from 1/32 to 1: what is lost depends on how far each operation's result is above a power of two."""
    x = np.arange(*np.array([1 / 32, 1], np.float32).view(np.int32), 7, dtype=np.int32).view(np.float32)
    assert len(x) > 5_000_000
    assert error_in_ulp(apply(scalar, "tanh", x), np.tanh(x.astype(np.float64))).max() <= ULP["tanh"]


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="long double is no wider than double here")
@pytest.mark.parametrize("bounds", [(0.118, 0.1258), (0.17, 0.26), (0.36, 0.39), (0.505, 0.52)])
def test_tanh_of_doubles_where_it_bends(scalar: ctypes.CDLL, bounds: tuple[float, float]) -> None:
    """Where numerator and denominator are a little above powers of two and their quotient is below one, they lose the most."""
    x = np.random.default_rng(0).uniform(*bounds, 2_000_000)
    assert error_in_ulp(apply(scalar, "tanh", x), np.tanh(x.astype(np.longdouble))).max() <= ULP["tanh"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_slope_of_a_sigmoid(scalar: ctypes.CDLL, dtype: Any) -> None:
    """At every size of its value, next to 1 as well, where what is left of it counts."""
    rng = np.random.default_rng(3)
    eps, tiny = float(np.finfo(dtype).eps), float(np.finfo(dtype).tiny)
    near_one, small = 1 - rng.integers(1, 9999, 20_000) * (eps / 2), 2.0 ** rng.uniform(-120, 0, 20_000)
    y = np.concatenate([rng.uniform(0, 1, 20_000), near_one, small, [0.0, 0.5, 1.0, tiny, tiny / 4]]).astype(dtype)
    wide = y.astype(np.longdouble)
    assert error_in_ulp(apply(scalar, "sigmoid_slope", y), wide * (1 - wide)).max() <= 1.5
    assert np.isnan(apply(scalar, "sigmoid_slope", np.array([np.nan], dtype))).all()


INF, NAN = np.inf, np.nan
EDGES: dict[str, list[tuple[float, float]]] = {
    "exp": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (NAN, NAN), (1000.0, INF), (-1000.0, 0.0)],
    "exp_below": [(0.0, 1.0), (-0.0, 1.0), (-INF, 0.0), (NAN, NAN), (-1000.0, 0.0)],
    "expm1": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -1.0), (NAN, NAN), (1000.0, INF), (-1000.0, -1.0), (1e-40, 1e-40)],
    "log": [(1.0, 0.0), (0.0, -INF), (-0.0, -INF), (INF, INF), (-INF, NAN), (-1.0, NAN), (-1e-40, NAN), (NAN, NAN)],
    "log1p": [(0.0, 0.0), (-0.0, -0.0), (-1.0, -INF), (INF, INF), (-INF, NAN), (-1.5, NAN), (NAN, NAN), (-1e-40, -1e-40)],
    "tanh": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (NAN, NAN), (30.0, 1.0), (-30.0, -1.0), (1e-40, 1e-40)],
    "sigmoid": [(0.0, 0.5), (-0.0, 0.5), (INF, 1.0), (-INF, 0.0), (NAN, NAN), (800.0, 1.0), (-800.0, 0.0)],
    "softplus": [(INF, INF), (-INF, 0.0), (NAN, NAN), (800.0, 800.0), (-800.0, 0.0)],
    "erf": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (NAN, NAN), (7.0, 1.0), (-7.0, -1.0)],
    "sinh": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -INF), (NAN, NAN), (800.0, INF), (-800.0, -INF), (1e-40, 1e-40)],
    "cosh": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, INF), (NAN, NAN), (800.0, INF), (-800.0, INF), (1e-40, 1.0)],
    "asin": [(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-1.5, NAN), (NAN, NAN), (1e-40, 1e-40), (-1e-40, -1e-40)],
    "acos": [(1.0, 0.0), (INF, NAN), (-INF, NAN), (1.5, NAN), (-1.5, NAN), (NAN, NAN)],
    "atan": [(0.0, 0.0), (-0.0, -0.0), (NAN, NAN), (1e-40, 1e-40), (-1e-40, -1e-40)],
    "sqrt": [(4.0, 2.0), (-0.0, -0.0), (-1.0, NAN), (INF, INF), (NAN, NAN)],
    "abs": [(-3.0, 3.0), (-0.0, 0.0), (-INF, INF), (NAN, NAN)],
    "sign": [(-3.0, -1.0), (0.0, 0.0), (1e-40, 1.0), (-INF, -1.0), (NAN, NAN)],
    "floor": [(-0.5, -1.0), (2.7, 2.0), (-INF, -INF), (NAN, NAN)],
    "square": [(-3.0, 9.0), (NAN, NAN), (-INF, INF)],
}
EDGES |= {f"{name}_shared": EDGES[name] for name in ("tanh", "sigmoid")}


BASES = (0.9, 0.999, 0.5, 0.9999, 1.0, 0.0, 0.123456789, -0.7)


def _step_powers(scalar: ctypes.CDLL) -> Callable[[float, float], float]:
    scalar.step_power.restype, scalar.step_power.argtypes = ctypes.c_double, [ctypes.c_double, ctypes.c_double]
    power: Callable[[float, float], float] = scalar.step_power
    return power


@pytest.mark.parametrize("base", BASES)
def test_a_power_of_the_step_is_one_within_32_units(scalar: ctypes.CDLL, base: float) -> None:
    power = _step_powers(scalar)
    for step in (*range(1, 300), 10**6, 10**6 + 1, 123_456_789):
        with mpmath.workdps(50):
            exact = mpmath.mpf(base) ** step
            if abs(exact) > 1e-300:
                assert abs(power(base, step) - exact) <= 33 * np.spacing(abs(float(exact)))
            elif not exact:
                assert power(base, step) == 0


def test_a_power_of_the_step_does_not_depend_on_the_calls_before(scalar: ctypes.CDLL) -> None:
    """On a run, on one that begins anywhere, on steps asked for twice, and on more bases than are remembered."""
    power = _step_powers(scalar)
    run = {base: [power(base, t) for t in range(1, 200)] for base in BASES}
    together = list(zip(*([power(base, t) for t in range(1, 200)] for base in BASES), strict=True))
    assert [list(row) for row in zip(*run.values(), strict=True)] == [list(row) for row in together]
    rng = np.random.default_rng(0)
    for _ in range(2000):
        base, t = BASES[rng.integers(len(BASES))], int(rng.integers(1, 199))
        assert power(base, t) == run[base][t - 1]
        assert power(base, t + 1) == run[base][t]
        assert power(base, t + 1) == run[base][t]
    assert np.isnan(power(NAN, 3)) and power(INF, 3) == INF


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", list(EDGES))
def test_edges(scalar: ctypes.CDLL, name: str, dtype: Any) -> None:
    # 37 copies: the same answer is due from the vector body and from the scalar rest of a loop
    x = np.repeat(np.array([a for a, _ in EDGES[name]], dtype), 37)
    wanted = np.repeat(np.array([b for _, b in EDGES[name]], dtype), 37)
    y = apply(scalar, name, x)
    np.testing.assert_array_equal(y, wanted)
    real = ~np.isnan(wanted)
    assert np.array_equal(np.signbit(y[real]), np.signbit(wanted[real]))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_where_angles_end(scalar: ctypes.CDLL, dtype: Any) -> None:
    quarter, half = dtype(np.pi / 2), dtype(np.pi)
    for name, at, wanted in (("asin", [1, -1], [quarter, -quarter]), ("acos", [-1, 0], [half, quarter]),
                             ("atan", [INF, -INF, 1e30], [quarter, -quarter, quarter])):  # fmt: skip
        np.testing.assert_array_equal(apply(scalar, name, np.array(at, dtype)), np.array(wanted, dtype))


def test_double_range_ends(scalar: ctypes.CDLL) -> None:
    last, tiny = 709.782712893384, 5e-324
    x = np.array([last, 709.7827128933841, -745.13, -745.14, -708.5, -740.0])
    y = apply(scalar, "exp", x)
    assert np.isfinite(y[0]) and y[1] == INF and y[2] == tiny and y[3] == 0.0
    np.testing.assert_allclose(y[4], float(mpmath.exp(-708.5)), rtol=0, atol=tiny)
    np.testing.assert_allclose(y[5], float(mpmath.exp(-740)), rtol=0, atol=tiny)
    np.testing.assert_allclose(apply(scalar, "sigmoid", np.array([-700.0])), [float(mpmath.exp(-700))], rtol=5e-16)
    np.testing.assert_allclose(apply(scalar, "softplus", np.array([-50.0])), [float(mpmath.log1p(mpmath.exp(-50)))], rtol=5e-16)
    np.testing.assert_array_equal(apply(scalar, "tanh", np.array([tiny, -1e-300])), [tiny, -1e-300])
    logs = [float(mpmath.log(tiny)), float(mpmath.log(2.5e-310))]
    np.testing.assert_allclose(apply(scalar, "log", np.array([tiny, 2.5e-310])), logs, rtol=3e-16)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", LIBM)
def test_functions_of_libm(scalar: ctypes.CDLL, name: str, dtype: Any) -> None:
    rng = np.random.default_rng(3)
    x = rng.uniform(-1, 1, 200).astype(dtype) if name in ("asin", "acos") else rng.uniform(-4, 4, 200).astype(dtype)
    x = abs(x) if name == "sqrt" else x
    y = apply(scalar, name, x)
    exact = np.array([float(getattr(mpmath, name)(mpmath.mpf(float(v)))) for v in x])
    np.testing.assert_allclose(y, exact, rtol=3 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_functions_of_two(scalar: ctypes.CDLL, dtype: Any) -> None:
    special = np.array([0.0, -0.0, 1.0, -1.0, 2.5, -3.0, INF, -INF, NAN], dtype)
    a, b = (np.ascontiguousarray(v.ravel()) for v in np.meshgrid(special, special))
    np.testing.assert_array_equal(apply(scalar, "max", a, b), np.maximum(a, b))
    np.testing.assert_array_equal(apply(scalar, "min", a, b), np.minimum(a, b))
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(apply(scalar, "atan2", a, b), np.arctan2(a, b), rtol=2 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_powers(scalar: ctypes.CDLL, dtype: Any) -> None:
    """Of all sizes, near 1 with large exponents, with subnormal results and bases, and of negative bases."""
    rng = np.random.default_rng(5)
    reach, n = (700.0 if dtype == np.float64 else 85.0), 400
    base = np.exp(rng.uniform(-reach, reach, n))
    near = 1 + rng.uniform(-1e-3, 1e-3, n)
    pairs = [
        (rng.uniform(0, 10, n), rng.uniform(-40, 40, n)),
        (base, rng.uniform(-1, 1, n)),
        (near, rng.uniform(-reach, reach, n) / np.log(near)),
        (np.exp(rng.uniform(-reach * 1.05, -reach, n)), rng.uniform(0.9, 1.05, n)),
        (-rng.uniform(0, 10, n), rng.integers(-9, 10, n).astype(float)),
    ]
    x, y = (np.concatenate(part).astype(dtype) for part in zip(*pairs, strict=True))
    found = apply(scalar, "pow", x, y)
    largest, worst = float(np.finfo(dtype).max), 0.0
    with mpmath.workdps(50):
        for a, b, value in zip(x, y, found, strict=True):
            exact = mpmath.power(mpmath.mpf(float(a)), mpmath.mpf(float(b)))
            if abs(exact) > largest:
                assert abs(value) >= largest
            else:
                unit = float(np.spacing(dtype(abs(float(exact)))))
                worst = max(worst, float(abs(mpmath.mpf(float(value)) - exact) / unit))
    assert worst <= POW


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("exponent", WHOLE)
def test_powers_whose_exponent_is_known(scalar: ctypes.CDLL, exponent: int, dtype: Any) -> None:
    rng = np.random.default_rng(abs(exponent))
    reach = (708.0 if dtype == np.float64 else 87.0) / abs(exponent)
    special = [0.0, -0.0, 1.0, -1.0, INF, -INF, NAN, 1e-40, -1e-40, 1e300 if dtype == np.float64 else 1e38]
    sized = np.exp(np.concatenate([rng.uniform(-reach, reach, 600), rng.uniform(-1, 1, 600), -reach - rng.uniform(0, 0.5, 100),
                                   reach + rng.uniform(0, 0.5, 100)]))  # fmt: skip
    x = np.concatenate([special, sized * rng.choice([-1, 1], len(sized))]).astype(dtype)
    with np.errstate(all="ignore"):
        found = apply(scalar, f"whole_pow{exponent}".replace("-", "_"), x)
        wanted = np.power(x.astype(np.float64), float(exponent)).astype(dtype)
    np.testing.assert_array_equal(found[: len(special)], wanted[: len(special)])
    np.testing.assert_array_equal(np.signbit(found[: len(special) - 4]), np.signbit(wanted[: len(special) - 4]))
    worst = 0.0
    with mpmath.workdps(50):
        for a, value in zip(x[len(special) :], found[len(special) :], strict=True):
            exact = mpmath.mpf(float(a)) ** exponent
            if abs(exact) > float(np.finfo(dtype).max):
                assert abs(value) >= np.finfo(dtype).max
            else:
                unit = float(np.spacing(dtype(abs(float(exact)))))
                worst = max(worst, float(abs(mpmath.mpf(float(value)) - exact) / unit))
    assert worst <= POW


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_edges_of_powers(scalar: ctypes.CDLL, dtype: Any) -> None:
    """What IEEE 754 says of powers of 0, 1, infinities and NaN, and the signs for whole exponents, odd and even."""
    big = 2.0 ** (53 if dtype == np.float64 else 24)
    special = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, 2.5, big - 1, 1 - big, big, INF, -INF, NAN, 1e-40],
                       dtype)  # fmt: skip
    x, y = (np.repeat(v.ravel(), 19) for v in np.meshgrid(special, special))
    with np.errstate(all="ignore"):
        wanted = np.power(x.astype(np.float64), y.astype(np.float64)).astype(dtype)
    found = apply(scalar, "pow", x, y)
    np.testing.assert_allclose(found, wanted, rtol=2 * np.finfo(dtype).eps)
    real = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(found[real]), np.signbit(wanted[real]))


def test_integer_powers(scalar: ctypes.CDLL) -> None:
    scalar.powi_f64.restype, scalar.powi_f64.argtypes = ctypes.c_double, [ctypes.c_double, ctypes.c_int]
    scalar.powi_f32.restype, scalar.powi_f32.argtypes = ctypes.c_float, [ctypes.c_float, ctypes.c_int]
    for base in (2.0, -1.5, 0.75, 1.0):
        for n in (*range(-9, 14), 31, 64):
            assert scalar.powi_f64(base, n) == pytest.approx(base**n, rel=1e-14)
            assert scalar.powi_f32(base, n) == pytest.approx(base**n, rel=4e-6)
    assert scalar.powi_f64(3.0, 0) == scalar.powi_f64(NAN, 0) == 1.0
    assert scalar.powi_f64(0.0, -3) == INF and scalar.powi_f64(-0.0, -3) == -INF
    assert scalar.powi_f64(1.0, -(2**31)) == 1.0
    assert np.isnan(scalar.powi_f64(NAN, 3))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [1, 2, 3, 17])
def test_gathered_rows(scalar: ctypes.CDLL, dtype: Any, width: int) -> None:
    x = np.random.default_rng(1).standard_normal((11, width)).astype(dtype)
    rows = np.array([10, 0, 0, 7, 3], np.int64)
    y = np.empty((5, width), dtype)
    scalar.gather(pointer(y), pointer(x), pointer(rows), ctypes.c_ssize_t(5), ctypes.c_ssize_t(x.strides[0]))
    np.testing.assert_array_equal(y, x[rows])
    scalar.gather(None, pointer(x), None, ctypes.c_ssize_t(0), ctypes.c_ssize_t(x.strides[0]))


@pytest.mark.parametrize("name", [*ULP, "pow"])
@pytest.mark.skipif(platform.machine() != "x86_64", reason="looks for x86 instructions")
def test_loops_are_vectorised(tmp_path: Path, name: str) -> None:
    """No function that the header promises to vectorise is left calling libm or computing one element at a time."""
    text, listing = tmp_path / "loop.c", tmp_path / "loop.s"
    text.write_text('#include "gradwright/scalar.h"\n' + loop(name, "xz" if name == "pow" else "x"))
    assert CC is not None
    for flags in (["-mavx2", "-mfma"], ["-mavx512f", "-mavx512dq", "-mprefer-vector-width=512"]):
        subprocess.run([CC, "-std=gnu11", *FAST, *flags, "-g0", f"-I{INCLUDE}", "-S", str(text), "-o", str(listing)], check=True)
        code = listing.read_text()
        assert "call" not in code
        assert ("%zmm" if "-mavx512f" in flags else "%ymm") in code
        for type in ("pd", "ps") if name != "pow" else ("pd",):  # the power of a float is computed in double
            assert any(f"vfmadd{order}{type}" in code for order in (132, 213, 231))
        assert name != "pow" or re.search(r"vcvtps2pd\s.*%[yz]mm", code)


def test_fast_math_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "fast.c"
    text.write_text('#include "gradwright/scalar.h"\n')
    assert CC is not None
    command = [CC, "-ffast-math", f"-I{INCLUDE}", "-c", str(text), "-o", str(tmp_path / "fast.o")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "-ffast-math" in done.stderr


# ---- reductions ----


def reduce(library: ctypes.CDLL, name: str, *operands: Array) -> float:
    function = getattr(library, f"{name}_{suffix(operands[0].dtype)}")
    function.restype = ctypes.c_double if operands[0].dtype == np.float64 else ctypes.c_float
    return float(function(*(pointer(x) for x in operands), ctypes.c_ssize_t(operands[0].size)))


SHORT = ("short_sum", "short_absolutes", "short_squares")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "n",
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 15, 16, 17, 31, 63, 128, 129, 1000, 4095, 4096, 4097, 8192, 12289, 100_003],
)
def test_reductions(arrays: ctypes.CDLL, dtype: Any, n: int) -> None:
    rng = np.random.default_rng(n)
    # one real further on: aligned to nothing but its own size
    x, y = rng.standard_normal((2, n + 1)).astype(dtype)[:, 1:]
    bound = 20 * float(np.finfo(dtype).eps)
    wide, other = x.astype(np.longdouble), y.astype(np.longdouble)
    assert abs(reduce(arrays, "sum", x) - wide.sum()) <= bound * abs(wide).sum()
    assert abs(reduce(arrays, "squares", x) - (wide * wide).sum()) <= bound * (wide * wide).sum()
    assert abs(reduce(arrays, "dot", x, y) - (wide * other).sum()) <= bound * abs(wide * other).sum()
    assert abs(reduce(arrays, "absolutes", x) - abs(wide).sum()) <= bound * abs(wide).sum()
    if n < 128:
        assert abs(reduce(arrays, "short_absolutes", x) - abs(wide).sum()) <= bound * abs(wide).sum()
        assert abs(reduce(arrays, "short_sum", x) - wide.sum()) <= bound * abs(wide).sum()
        assert abs(reduce(arrays, "short_squares", x) - (wide * wide).sum()) <= bound * (wide * wide).sum()
        assert abs(reduce(arrays, "short_dot", x, y) - (wide * other).sum()) <= bound * abs(wide * other).sum()
    near = (1 + x / 1000).astype(dtype)
    exact = near.astype(np.longdouble).prod()
    assert abs(reduce(arrays, "product", near) - exact) <= (n + 1) * float(np.finfo(dtype).eps) * exact
    assert reduce(arrays, "maximum", x) == (x.max() if n else -INF)
    assert reduce(arrays, "minimum", x) == (x.min() if n else INF)
    few = np.floor(2 * x)  # with many equals: the first of them
    assert reduce(arrays, "place_of_maximum", few) == (few.argmax() if n else 0)
    assert reduce(arrays, "place_of_minimum", few) == (few.argmin() if n else 0)
    for place in sorted({0, n // 2, n - 1} & set(range(n))):
        z = few.copy()
        z[place] = z[-1] = NAN
        assert reduce(arrays, "place_of_maximum", z) == reduce(arrays, "place_of_minimum", z) == place
        z = np.full_like(x, -INF)
        assert reduce(arrays, "place_of_maximum", z) == 0
        z[place] = NAN
        assert reduce(arrays, "place_of_maximum", z) == place
        z = x.copy()
        z[place] = NAN
        for name in ("sum", "absolutes", "squares", "product", "maximum", "minimum", *(SHORT if n < 128 else ())):
            assert np.isnan(reduce(arrays, name, z))
        z[place] = INF
        assert reduce(arrays, "sum", z) == reduce(arrays, "maximum", z) == INF


def test_long_float_sum(arrays: ctypes.CDLL) -> None:
    x = np.random.default_rng(0).uniform(0, 1, 10_000_000).astype(np.float32)
    exact = x.sum(dtype=np.float64)
    assert abs(reduce(arrays, "sum", x) / exact - 1) < 2e-7
    assert reduce(arrays, "sum", x) == reduce(arrays, "sum", x)


# ---- matrix products ----


def product(library: ctypes.CDLL, a: Array, b: Array, c: Array, alpha: float = 1.0, beta: float = 0.0) -> None:
    """c = alpha a b + beta c, in place; a and b have any strides, c has contiguous rows."""
    s, size = suffix(c.dtype), c.itemsize
    real = ctypes.c_double if s == "f64" else ctypes.c_float
    n = ctypes.c_ssize_t
    getattr(library, f"gemm_{s}")(
        n(c.shape[0]), n(c.shape[1]), n(a.shape[1]), real(alpha), pointer(a), n(a.strides[0] // size), n(a.strides[1] // size),
        pointer(b), n(b.strides[0] // size), n(b.strides[1] // size), real(beta), pointer(c), n(c.strides[0] // size),
    )  # fmt: skip


def operand(rng: np.random.Generator, rows: int, cols: int, layout: str, dtype: Any) -> Array:
    """A matrix in memory as models have them: plain, transposed, a part of a larger one, or with a step.

    What lies around it is NaN.
    """
    if layout == "transposed":
        return operand(rng, cols, rows, "plain", dtype).T
    if layout == "part":
        whole = np.full((rows + 2, cols + 3), NAN, dtype)
        view = whole[1 : rows + 1, 2 : cols + 2]
    elif layout == "transposed part":
        return operand(rng, cols, rows, "part", dtype).T
    elif layout == "step":
        whole = np.full((2 * rows, 3 * cols), NAN, dtype)
        view = whole[::2, ::3]
    elif layout == "reversed":
        view = np.full((rows, cols), NAN, dtype)[::-1, ::-1]
    elif layout == "repeated row":
        return np.broadcast_to(rng.standard_normal(cols).astype(dtype), (rows, cols))
    else:
        view = np.full((rows, cols), NAN, dtype)
    view[...] = rng.standard_normal((rows, cols))
    return view


LAYOUTS = ["plain", "transposed", "part", "transposed part", "step", "reversed", "repeated row"]
SIZES = st.one_of(st.sampled_from([0, 1, 2, 8, 16, 48]), st.integers(0, 70), st.sampled_from([127, 129, 130, 255, 257, 300]))


def check_product(
    library: ctypes.CDLL, m: int, n: int, k: int, layouts: tuple[str, str], alpha: float, beta: float, dtype: Any, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    a, b = operand(rng, m, k, layouts[0], dtype), operand(rng, k, n, layouts[1], dtype)
    whole = rng.standard_normal((m, n + seed % 4)).astype(dtype)
    before = whole.astype(np.float64)
    if beta == 0:
        whole[:, :n] = NAN  # must not be read
    product(library, a, b, whole[:, :n], alpha, beta)
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    wanted = alpha * (wide_a @ wide_b) + beta * before[:, :n]
    size = abs(alpha) * (abs(wide_a) @ abs(wide_b)) + abs(beta * before[:, :n])
    # each block of the depth is added in order; a random walk of roundings stays far below k/8
    assert np.all(abs(whole[:, :n] - wanted) <= (4 + k / 8) * np.finfo(dtype).eps * size)
    np.testing.assert_array_equal(whole[:, n:], before[:, n:].astype(dtype))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    m=SIZES, n=SIZES, k=SIZES, layouts=st.tuples(st.sampled_from(LAYOUTS), st.sampled_from(LAYOUTS)),
    alpha=st.sampled_from([1.0, -0.01]), beta=st.sampled_from([0.0, 1.0, 0.9]),
    dtype=st.sampled_from([np.float32, np.float64]), seed=st.integers(0, 1000),
)  # fmt: skip
@example(m=3, n=4, k=0, layouts=("plain", "plain"), alpha=1.0, beta=0.0, dtype=np.float32, seed=0)
@example(m=3, n=4, k=0, layouts=("plain", "plain"), alpha=1.0, beta=0.5, dtype=np.float64, seed=0)
@example(m=128, n=100, k=1024, layouts=("plain", "plain"), alpha=1.0, beta=0.0, dtype=np.float32, seed=1)
@example(m=300, n=100, k=128, layouts=("transposed", "plain"), alpha=-0.1, beta=0.9, dtype=np.float32, seed=2)
@example(m=64, n=600, k=300, layouts=("plain", "transposed"), alpha=1.0, beta=0.0, dtype=np.float64, seed=3)
@example(m=1, n=300, k=300, layouts=("plain", "plain"), alpha=1.0, beta=0.0, dtype=np.float32, seed=1)
@example(m=300, n=1, k=300, layouts=("plain", "plain"), alpha=1.0, beta=0.0, dtype=np.float32, seed=1)
@example(m=300, n=1, k=300, layouts=("transposed", "plain"), alpha=1.0, beta=1.0, dtype=np.float32, seed=5)
def test_products(
    arrays: ctypes.CDLL, m: int, n: int, k: int, layouts: tuple[str, str], alpha: float, beta: float, dtype: Any, seed: int
) -> None:
    check_product(arrays, m, n, k, layouts, alpha, beta, dtype, seed)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_small_shape(arrays: ctypes.CDLL, dtype: Any) -> None:
    for m in range(6):
        for n in (*range(6), 8, 9, 16, 17):
            for k in range(5):
                for layouts in (("plain", "plain"), ("transposed", "plain"), ("plain", "transposed")):
                    check_product(arrays, m, n, k, layouts, 1.0, 0.0, dtype, m + n + k)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_shape(arrays: ctypes.CDLL, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    a, b, c = rng.standard_normal((2, 4)).astype(dtype), rng.standard_normal((4, 3)).astype(dtype), np.full((2, 3), NAN, dtype)
    getattr(arrays, f"gemm_2x3x4_{suffix(c.dtype)}")(pointer(a), pointer(b), pointer(c))
    np.testing.assert_allclose(c, a.astype(np.float64) @ b, rtol=20 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("m", "n", "k"), [(2, 3, 4), (9, 1, 40), (1, 50, 40), (33, 50, 40), (20, 10, 300)])
def test_products_propagate_nan_and_infinity(arrays: ctypes.CDLL, dtype: Any, m: int, n: int, k: int) -> None:
    rng = np.random.default_rng(0)
    for value in (NAN, INF):
        a, b, c = rng.uniform(1, 2, (m, k)).astype(dtype), rng.uniform(1, 2, (k, n)).astype(dtype), np.zeros((m, n), dtype)
        b[k - 1, n - 1] = value
        product(arrays, a, b, c)
        assert np.all(np.isfinite(c[:, : n - 1]))
        np.testing.assert_array_equal(c[:, n - 1], np.full(m, value, dtype))


@pytest.mark.parametrize(("m", "n", "k"), [(129, 200, 300), (3000, 16, 100), (64, 128, 784)])
def test_same_bits_with_any_number_of_threads(tmp_path_factory: pytest.TempPathFactory, m: int, n: int, k: int) -> None:
    library = trial_library(tmp_path_factory)
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        a, b = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
        wanted: Any = np.matmul(a, b)
        results: list[Any] = []
        for threads in (1, 2, 3, 0):
            library.threads(threads)
            for _ in range(3):  # the first of a shape runs on one thread, the second on all
                c = np.full((m, n), NAN, dtype)
                product(library, a, b, c)
                results.append(c)
        np.testing.assert_allclose(results[0], wanted, rtol=0, atol=200 * np.finfo(dtype).eps * np.sqrt(k))
        for c in results[1:]:
            np.testing.assert_array_equal(c, results[0])


@functools.cache
def _trials(folder: Path) -> ctypes.CDLL:
    source = (
        SOURCE_ARRAYS
        + """
static gw_trial trial;
void trial_begin(void) { trial = *gw_trial_of(1, 2, 3, 4); }
int trial_alone(double now) { return gw_trial_alone(&trial, now); }
void trial_took(int alone, double start, double end) { gw_trial_took(&trial, alone, start, end); }
"""
    )
    return compile_library(folder, "trials", source, CC, BUILDS["native"][1])


def trial_library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return _trials(tmp_path_factory.getbasetemp())


def run_trial(
    library: ctypes.CDLL, seconds: float, begin: float, one: float, team: float, first: float = 1
) -> tuple[float, int, int]:
    """Runs for so many seconds of a clock of our own: (the time at the end, on one thread, by a team). Each that changes from one
    way to the other takes ``first`` times as long."""
    now, count, last = begin, [0, 0], None
    while now < begin + seconds:
        alone = library.trial_alone(ctypes.c_double(now))
        took = (one if alone else team) * (first if last is not None and alone != last else 1)
        last = alone
        library.trial_took(alone, ctypes.c_double(now), ctypes.c_double(now + took))
        now += took
        count[alone] += 1
    return now, count[1], count[0]


def test_threads_are_used_while_they_pay(tmp_path_factory: pytest.TempPathFactory) -> None:
    library = trial_library(tmp_path_factory)
    library.trial_alone.restype, library.trial_took.restype = ctypes.c_int, None
    library.trial_begin()
    now, alone, together = run_trial(library, 1.0, 100.0, one=100e-6, team=60e-6)
    assert together > 0.98 * 1.0 / 60e-6 and 1 <= alone <= 2 * 10  # tried again, two runs each, at intervals that double
    busy, alone, together = run_trial(library, 5.0, now, one=100e-6, team=5e-3)  # others want the cores
    assert alone > 0.97 * 5.0 / 100e-6 and 1 <= together < 20
    now, alone, together = run_trial(library, 1.1, busy, one=100e-6, team=60e-6)  # and leave them
    now, alone, together = run_trial(library, 1.0, now, one=100e-6, team=60e-6)
    assert together > 0.95 * 1.0 / 60e-6
    library.trial_begin()
    now, alone, together = run_trial(library, 1.0, 0.0, one=100e-6, team=110e-6)  # no gain, no threads
    assert together <= 2 * 10
    library.trial_begin()
    now, alone, together = run_trial(library, 1.0, 0.0, one=100e-6, team=95e-6)  # nor for a gain that costs another core
    assert together <= 2 * 10
    library.trial_begin()
    now, alone, together = run_trial(library, 1.0, 0.0, one=100e-6, team=60e-6, first=3)  # everything is in the other's caches
    assert together > 0.95 * 1.0 / 60e-6


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_does_not_wait_for_threads_it_has_not(tmp_path_factory: pytest.TempPathFactory) -> None:
    library = trial_library(tmp_path_factory)
    library.threads(2)
    a, b, c = np.ones((300, 300), np.float32), np.ones((300, 300), np.float32), np.empty((300, 300), np.float32)
    for _ in range(3):
        product(library, a, b, c)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of threads, which is what this is about
        child = os.fork()
    if child == 0:
        import signal

        signal.alarm(20)
        for _ in range(3):
            product(library, a, b, c)
        os._exit(0 if np.all(c == 300) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_headers_export_nothing(tmp_path: Path) -> None:
    """Every name is static: two modules, or a module and libc, cannot be bound to each other's functions."""
    text, binary = tmp_path / "all.c", tmp_path / "all.o"
    all_of_them = ("scalar", "circular", "sum", "team", "share", "gemm", "contract")
    text.write_text("".join(f'#include "gradwright/{h}.h"\n' for h in all_of_them))
    assert CC is not None
    subprocess.run([CC, "-std=gnu11", "-O1", f"-I{INCLUDE}", "-c", str(text), "-o", str(binary)], check=True)
    if shutil.which("nm") is None or sys.platform != "linux":
        pytest.skip("needs nm")
    command = ["nm", "--extern-only", "--defined-only", str(binary)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == []


# ---------------------------------------------------------------- module.h: what runs over data

C_FUNCTION = re.compile(r"^([^\n;{}()=#]*?)\b(gw\w+)\(([^;{}]*)\)\s*\{", re.MULTILINE)
GWM_MARKS = ("GWM_OVER_DATA", "GWM_OVER_ARGUMENTS", "GWM_FEW")


def functions_of(text: str) -> dict[str, tuple[str, str]]:
    """What stands before the name and what stands within the braces, of each C function in a text and in its macros."""
    text = re.sub(r"/\*.*?\*/", "", text.replace("\\\n", "\n"), flags=re.DOTALL)
    text = re.sub(r"^#define GWM_CLIP\(name, real\)", "", text, flags=re.MULTILINE).replace(" name(real", " gwm_clip(real")
    found: dict[str, tuple[str, str]] = {}
    for match in C_FUNCTION.finditer(text):
        depth, at = 1, match.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
        found[match[2]] = (match[1], text[match.end() : at])
    return found


def unmarked(text: str) -> list[str]:
    """The functions that have a loop, and do not say what it runs over."""
    return [
        name for name, (head, body) in functions_of(text).items()
        if re.search(r"\b(?:for|while)\s*\(|\bdo\s*\{", body) and not any(mark in head.split() for mark in GWM_MARKS)
    ]  # fmt: skip


def test_every_function_of_module_h_with_a_loop_says_what_it_runs_over() -> None:
    """All but those over data are compiled at -O1."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted((INCLUDE / "gradwright").glob("module*.h"))}
    known = {name: found for text in texts.values() for name, found in functions_of(text).items()}
    assert len(texts) > 5 and len(known) > 40
    assert "GWM_OVER_DATA" in known["gwm_gather"][0] and "GWM_OVER_DATA" in known["gwm_clip"][0]
    assert [(name, unmarked(text)) for name, text in texts.items() if unmarked(text)] == []
    for mark in GWM_MARKS:  # that each is seen
        taken = "\n".join(texts.values()).replace(f"{mark} ", "")
        assert len(unmarked(taken)) == sum(mark in head for head, _ in known.values()) > 0
