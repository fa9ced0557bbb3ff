"""The contractions of contract.h against plain loops, for every width of vectors that this machine has.

Operands lie between two pages that may not be touched, so that one byte read or written outside ends the test. The bound on the
error is that of a sum in any order: (k + 3) roundings of the sum of absolute values.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.settings import thoroughly

Array = np.ndarray[Any, np.dtype[Any]]

INCLUDE = Path(__file__).resolve().parents[1] / "runtime" / "include"
CC = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
FLAGS = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fno-math-errno", "-fno-trapping-math"]

pytestmark = [
    pytest.mark.skipif(CC is None, reason="needs a C compiler"),
    pytest.mark.skipif(sys.platform != "linux", reason="protects pages as Linux does"),
]

SOURCE = '#include "gradwright/contract.h"\nvoid threads(int n) { gw_threads = n; }\n' + "".join(
    f"""
void contract_{s}(const ptrdiff_t* v, {real} alpha, const {real}* a, const {real}* b, {real} beta, {real}* c) {{
    gw_contract_{s}(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], v[10], v[11], v[12], v[13], v[14], v[15], v[16],
                    v[17], v[18], v[19], v[20], alpha, a, b, beta, c);
}}
void onto_{s}(const ptrdiff_t* v, {real} alpha, const {real}* a, const {real}* b, {real} beta, const {real}* d, int relu,
              {real}* c) {{
    gw_contract_onto_{s}(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], v[10], v[11], v[12], v[13], v[14], v[15],
                         v[16], v[17], v[18], v[19], v[20], v[21], v[22], v[23], v[24], alpha, a, b, beta, d, relu, c);
}}
void gemm_onto_{s}(const ptrdiff_t* v, {real} alpha, const {real}* a, const {real}* b, {real} beta, const {real}* d, int relu,
                   {real}* c) {{
    gw_gemm_onto_{s}(v[0], v[1], v[2], alpha, a, v[3], v[4], b, v[5], v[6], beta, d, v[7], v[8], relu, c, v[9]);
}}
void transpose_{s}(ptrdiff_t rows, ptrdiff_t columns, const {real}* from, ptrdiff_t from_row, {real}* to, ptrdiff_t to_row) {{
    gw_transpose_{s}(rows, columns, from, from_row, to, to_row);
}}
"""
    for real, s in (("double", "f64"), ("float", "f32"))
)


def _features() -> set[str]:
    path = Path("/proc/cpuinfo")
    lines = [line for line in path.read_text().splitlines() if line.startswith("flags")] if path.exists() else []
    return set(lines[0].split()) if lines else set()


BUILDS: dict[str, list[str]] = {"plain": [str(CC), "-O2"]}
if platform.machine() == "x86_64":
    for level, needs in (("v2", {"sse4_2"}), ("v3", {"avx2", "fma"}), ("v4", {"avx512f", "avx512vl", "avx512dq", "avx512bw"})):
        if needs <= _features():
            BUILDS[level] = [str(CC), "-O3", f"-march=x86-64-{level}", *(["-mprefer-vector-width=512"] if level == "v4" else [])]
else:
    BUILDS["native"] = [str(CC), "-O3", "-march=native"]
if (_clang := shutil.which("clang")) and CC is not None and "clang" not in CC:
    _wide = ["-march=native", "-mprefer-vector-width=512"] if platform.machine() == "x86_64" else []
    BUILDS["clang"] = [_clang, "-O3", "-ffp-contract=fast", *_wide]


_compiled: dict[tuple[str, ...], bytes] = {}


def compile_library(folder: Path, name: str, build: Sequence[str], source: str = "") -> ctypes.CDLL:
    """The header, compiled once for each build: every call gets a copy, whose threads are its own."""
    text, binary = folder / f"{name}.c", folder / f"{name}.so"
    key = (source or SOURCE, *build)
    if key not in _compiled:
        text.write_text(key[0])
        command = [*build, *FLAGS, f"-I{INCLUDE}", str(text), "-o", str(binary), "-pthread"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        _compiled[key] = binary.read_bytes()
    binary.write_bytes(_compiled[key])
    return ctypes.CDLL(str(binary))


# another compiler of the same text, and vectors that are neither the plain ones nor the machine's widest, are for those who ask
# for the slow tests
ALWAYS = {"plain", max(BUILDS.keys() - {"plain", "clang"}, default="plain")}
EACH = [pytest.param(name, marks=[] if name in ALWAYS else [pytest.mark.slow]) for name in sorted(BUILDS)]


@pytest.fixture(scope="module", params=EACH)
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return compile_library(tmp_path_factory.mktemp("contract"), "contract", BUILDS[request.param])


# ---- operands between guard pages ----


class Guarded:
    """Room for reals, between two pages that can be neither read nor written."""

    def __init__(self, size: int) -> None:
        page = mmap.PAGESIZE
        self.size = -(-size // page) * page
        self.map = mmap.mmap(-1, self.size + 2 * page)
        base = ctypes.addressof(ctypes.c_char.from_buffer(self.map))
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        for start in (base, base + page + self.size):
            assert protect(ctypes.c_void_p(start), ctypes.c_size_t(page), 0) == 0
        self.bytes = np.frombuffer(self.map, np.uint8)[page : page + self.size]

    def reals(self, count: int, dtype: Any, at_end: bool) -> Array:
        """So many reals at the end of the room, or at its beginning, to be filled; what lies beside them is NaN."""
        every: Array = self.bytes.view(dtype)
        if at_end:
            first = len(every) - count
            every[max(first - 100, 0) : first] = np.nan
            return every[first:]
        every[count : count + 100] = np.nan
        return every[:count]


@functools.cache
def room(which: str) -> Guarded:
    return Guarded(16 << 20)


@functools.cache
def _normal() -> Array:
    return np.random.default_rng(7).standard_normal(3 << 20)


def fill(seed: int, *arrays: Array) -> None:
    """Normal numbers for all of them: others for each, and for another seed."""
    start = seed * 1009 % 300_007
    for array in arrays:
        array[...] = _normal()[start : start + array.size]
        start = (start + array.size) % 300_007


@dataclass(frozen=True)
class Levels:
    """A contraction: rows as (extent, stride in A, stride in C), depth as (extent, stride in A, stride in B), outer to inner."""

    rows: tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]]
    depth: tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]]
    n: int
    b_j: int = 1
    c_j: int = 1

    @property
    def numbers(self) -> list[int]:
        return [*(x for level in (*self.rows, *self.depth) for x in level), self.n, self.b_j, self.c_j]

    def array(self, name: str, shape: Sequence[int], strides: Sequence[int], dtype: Any, at_end: bool) -> tuple[Array, Array]:
        """(all reals of an operand, the operand as a view of them)."""
        ends = [(e - 1) * s for e, s in zip(shape, strides, strict=True)]
        low, high = sum(min(0, e) for e in ends), sum(max(0, e) for e in ends)
        count = high - low + 1 if all(shape) else 0
        flat = room(name).reals(count, dtype, at_end)
        if not count:
            return flat, np.zeros(shape, dtype)
        start = flat[-low:]
        return flat, np.lib.stride_tricks.as_strided(start, shape, [s * flat.itemsize for s in strides])

    def arrays(self, dtype: Any, at_end: bool) -> tuple[Array, Array, Array, Array, Array, Array]:
        m, k = [e for e, _, _ in self.rows], [e for e, _, _ in self.depth]
        a = self.array("a", [*m, *k], [*(s for _, s, _ in self.rows), *(s for _, s, _ in self.depth)], dtype, at_end)
        b = self.array("b", [*k, self.n], [*(s for _, _, s in self.depth), self.b_j], dtype, at_end)
        c = self.array("c", [*m, self.n], [*(s for _, _, s in self.rows), self.c_j], dtype, at_end)
        return (*a, *b, *c)


def contract(library: ctypes.CDLL, what: Levels, alpha: float, a: Array, b: Array, beta: float, c: Array) -> None:
    s, real = ("f64", ctypes.c_double) if c.dtype == np.float64 else ("f32", ctypes.c_float)
    numbers = (ctypes.c_ssize_t * 21)(*what.numbers)
    pointers = [ctypes.c_void_p(x.ctypes.data) for x in (a, b, c)]
    getattr(library, f"contract_{s}")(numbers, real(alpha), pointers[0], pointers[1], real(beta), pointers[2])


def check(
    library: ctypes.CDLL, what: Levels, dtype: Any = np.float32, alpha: float = 1.0, beta: float = 0.0, at_end: bool = True
) -> None:
    wide: Any = np.float64 if dtype == np.float32 else np.longdouble
    flat_a, a, flat_b, b, flat_c, c = what.arrays(dtype, at_end)
    fill(abs(hash(what.rows)) % 1000, flat_a, flat_b, flat_c)
    if beta == 0 and c.size:
        c[...] = np.nan  # is not read
    before = flat_c.copy()
    m, k, n = int(np.prod(a.shape[:3])), int(np.prod(a.shape[3:])), what.n
    kept = c.astype(wide)
    contract(library, what, alpha, a, b, beta, c)
    # what is no element of C is as it was
    after = flat_c.copy()
    if c.size:
        result = c.copy()
        c[...] = 0
        gone = flat_c.copy()
        c[...] = 1
        outside = (gone == flat_c) | (np.isnan(gone) & np.isnan(flat_c))
        np.testing.assert_array_equal(after[outside], before[outside])
    else:
        np.testing.assert_array_equal(after, before)
        return
    old: Any = beta * kept.reshape(m, n) if beta else np.zeros((m, n), wide)
    wanted, size = reference(a.reshape(m, k), b.reshape(k, n), alpha, old, wide)
    unit = np.finfo(dtype).eps / 2
    gamma = (k + 3) * unit / (1 - (k + 3) * unit)
    assert np.all(abs(result.astype(wide).reshape(m, n) - wanted) <= gamma * size), what


def reference(a: Array, b: Array, alpha: float, old: Any, wide: Any) -> tuple[Any, Any]:
    """The product onto ``old`` in a wide type; and what it is of the absolute values, for which float64 is wide enough."""
    wanted = alpha * (a.astype(wide) @ b.astype(wide)) + old
    return wanted, abs(alpha) * (abs(a.astype(np.float64)) @ abs(b.astype(np.float64))) + abs(old)


def product(m: int, n: int, k: int, kind: str = "NN", gap: int = 0) -> Levels:
    """A matrix product as a contraction: which operands are transposed, and reals between the rows of all three."""
    a = (1, m + gap) if kind[0] == "T" else (k + gap, 1)
    b = (1, k + gap) if kind[1] == "T" else (n + gap, 1)
    return Levels(((1, 0, 0), (1, 0, 0), (m, a[0], n + gap)), ((1, 0, 0), (1, 0, 0), (k, a[1], b[0])), n, b[1], 1)


def convolution(images: int, height: int, width: int, channels: int, out: int, window: int, stride: int = 1) -> Levels:
    """Channels last, on an input that is large enough for the window, the weights as (u, v, c, o)."""
    across = ((width - 1) * stride + window) * channels
    down = (height - 1) * stride + window
    rows = (
        (images, down * across, height * width * out),
        (height, stride * across, width * out),
        (width, stride * channels, out),
    )
    depth = ((window, across, window * channels * out), (window, channels, channels * out), (channels, 1, out))
    return Levels(rows, depth, out)


def weights_of(what: Levels) -> Levels:
    """The gradient of a convolution's weights: rows and depth exchanged, the gradient of the output in B's place."""
    rows = tuple((e, a, b) for e, a, b in what.depth)
    depth = tuple((e, a, c) for e, a, c in what.rows)
    return Levels(rows, depth, what.n)  # type: ignore[arg-type]


REALS = [np.float32, np.float64]


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("kind", ["NN", "TN", "NT", "TT"])
def test_products(library: ctypes.CDLL, kind: str, dtype: Any) -> None:
    for m, n, k in ((1, 1, 1), (5, 3, 2), (8, 16, 8), (9, 17, 33), (33, 10, 64), (64, 48, 300), (100, 77, 33), (2, 257, 31)):
        check(library, product(m, n, k, kind), dtype)
        check(library, product(m, n, k, kind, gap=3), dtype, alpha=-0.5, beta=1.0, at_end=False)


@pytest.mark.parametrize("dtype", REALS)
def test_convolutions(library: ctypes.CDLL, dtype: Any) -> None:
    for images, height, width, channels, out, window, stride in (
        (2, 28, 28, 1, 8, 5, 1), (2, 14, 14, 8, 16, 5, 1), (2, 14, 14, 16, 8, 5, 1), (1, 32, 32, 3, 32, 3, 1),
        (1, 8, 16, 32, 32, 3, 1), (2, 7, 7, 5, 10, 3, 2), (1, 5, 3, 2, 3, 1, 1), (1, 4, 4, 1, 1, 3, 3), (2, 1, 9, 4, 7, 2, 1),
    ):  # fmt: skip
        what = convolution(images, height, width, channels, out, window, stride)
        for beta in (0.0, 1.0):
            check(library, what, dtype, beta=beta)
            check(library, weights_of(what), dtype, alpha=0.1, beta=beta, at_end=False)


@pytest.mark.parametrize("dtype", REALS)
def test_a_transpose_of_every_size(library: ctypes.CDLL, dtype: Any) -> None:
    """Every remainder to twice a vector's length, rows apart or not, and nothing touched outside: guard pages lie around both."""
    rng = np.random.default_rng(0)
    turn = getattr(library, f"transpose_{'f64' if dtype == np.float64 else 'f32'}")
    for rows in (*range(36), 64, 100):
        for columns, gap, at_end in ((rows, 0, True), (17, 3, True), (35, 0, False), (16, 5, False), (1, 1, True)):
            source = room("a").reals(max(rows - 1, 0) * (columns + gap) + columns * (rows > 0), dtype, at_end)
            target = room("c").reals(max(columns - 1, 0) * (rows + gap) + rows * (columns > 0), dtype, at_end)
            source[...] = rng.standard_normal(source.shape)
            target[...] = -1
            pointers = [ctypes.c_void_p(x.ctypes.data) for x in (source, target)]
            size = ctypes.c_ssize_t
            turn(size(rows), size(columns), pointers[0], size(columns + gap), pointers[1], size(rows + gap))
            wanted = np.full_like(target, -1)
            for j in range(columns):
                start = j * (rows + gap)
                wanted[start : start + rows] = source[j::columns + gap][:rows]
            np.testing.assert_array_equal(target, wanted)


KINDS = ["NN", "TN", "NT", "TT"]


@pytest.mark.parametrize("dtype", REALS)
def test_every_remainder(library: ctypes.CDLL, dtype: Any) -> None:
    """Of rows up to twice the tallest tile, of columns up to twice the widest vector and one more, of depth up to 37."""
    for m in range(19):
        for n in range(34):
            for turn in range(2):
                k = (7 * m + 5 * n + 19 * turn) % 38
                beta = (0.0, 1.0, -0.5)[(m + n + turn) % 3]
                check(library, product(m, n, k, KINDS[(m + n) % 4], gap=n % 2), dtype, 1.0 - m % 2 / 4, beta, bool(turn))


@pytest.mark.parametrize("dtype", REALS)
def test_few_rows_by_a_transposed_matrix(library: ctypes.CDLL, dtype: Any) -> None:
    """Of which the transpose is computed, in squares that hang over every edge."""
    for m in (*range(1, 20), 31, 33, 50):
        for n, k in ((m + 1, 70), (100 + m, 90), (131, 513 if m == 9 else 33)):
            check(library, product(m, n, k, "NT", gap=m % 3), dtype, at_end=bool(m % 2))
            check(library, product(m, n, k, "NT"), dtype, alpha=-0.5, beta=1.0 if m % 2 else 0.25, at_end=False)
            check(library, product(m, n, k, "TT", gap=1), dtype, beta=float(m % 2))


@pytest.mark.parametrize("dtype", REALS)
def test_a_column_by_a_row(library: ctypes.CDLL, dtype: Any) -> None:
    """Every remainder of the columns, whose last vector overlaps the one before it; onto the result and onto other arrays."""
    for n in range(1, 71):
        for m, alpha, beta in ((1 + n % 9, 1.0, 0.0), (40, -0.5, 1.0), (17, 0.25, -0.5)):
            check(library, product(m, n, 1, KINDS[n % 4], gap=n % 3), dtype, alpha, beta, bool(n % 2))
            for steps in ((0, 0, 0, 1), (0, 0, n + 3, 1), (0, 0, 1, m)):
                check_onto(library, product(m, n, 1, KINDS[(n + 1) % 4], gap=m % 2), steps, dtype, alpha, beta, bool(n % 2))


@pytest.mark.parametrize("dtype", REALS)
def test_every_depth(library: ctypes.CDLL, dtype: Any) -> None:
    """Around the width of a vector, and around the blocks of the depth."""
    for k in (*range(37), 63, 64, 65, 319, 320, 321, 511, 512, 513, 640, 641, 1000, 1025):
        for m, n in ((9, 21), (70, 5), (17, 2)):
            check(library, product(m, n, k, KINDS[k % 4]), dtype, beta=float(k % 2))
    check(library, product(40, 20, 700, "TN"), dtype)
    check(library, Levels(((1, 0, 0), (1, 0, 0), (40, 1, 20)), ((1, 0, 0), (1, 0, 0), (700, 512, 20)), 20), dtype)
    check(library, Levels(((1, 0, 0), (1, 0, 0), (40, 1, 20)), ((1, 0, 0), (1, 0, 0), (700, 256, 20)), 20), dtype, at_end=False)


@pytest.mark.parametrize("dtype", REALS)
def test_runs_of_every_length(library: ctypes.CDLL, dtype: Any) -> None:
    """Levels of the depth, and of the rows, that do not continue each other; few columns take elements of a run in pairs."""
    for length in range(1, 23):
        for n in (1, 3, 5, 8, 11, 16, 40):
            depth = ((2, 900, 997), (3, 131, 331), (length, 1, n))
            rows = ((3, 37, 31 * n), (5, 61, 5 * n), (5, 2, n))
            check(library, Levels(rows, depth, n), dtype, beta=float(length % 2), at_end=bool(n % 2))
    check(library, Levels(((1, 0, 0), (9, 800, 90), (9, 1, 10)), ((40, 800, 400), (1, 0, 0), (9, 1, 10)), 10), dtype)


@pytest.mark.parametrize("dtype", REALS)
def test_few_columns_of_many_rows(library: ctypes.CDLL, dtype: Any) -> None:
    """Up to half a vector of columns, alone or after whole ones, where rows of A lie together: every remainder of the rows,
    and depths that are long enough for vectors of rows, and not."""
    for n in (2, 3, 4, 5, 7, 8, 9, 17, 20, 50, 100):
        for m in (8, 15, 16, 17, 31, 40, 63, 64, 130, 145, 300):
            for turn in range(2):
                what = product(m, n, 40 + 300 * (m == 145) + 57 * turn, ("TN", "TT")[(m + n) % 2], 2 * turn)
                check(library, what, dtype, 1.0 - turn / 4, (0.0, 1.0, -0.5)[(m + n + turn) % 3], bool(m % 2))


@pytest.mark.parametrize("dtype", REALS)
def test_products_with_a_vector(library: ctypes.CDLL, dtype: Any) -> None:
    """One row, or one column: around the widths of one, of two and of many vectors, and more columns than are added at once."""
    for n in (2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 100, 1023, 1024, 1025, 1100):
        for k in (30, 129, 131, 400) if n < 200 else (3, 5):
            for gap in (0, 3):
                beta = (0.0, 1.0, -0.5)[(n + k) % 3]
                check(library, product(1, n, k, KINDS[(n + k) % 4], gap), dtype, 1.0 - k % 2 / 4, beta, bool(n % 3))
                check(library, product(n, 1, k, KINDS[(n + k + 1) % 4], gap), dtype, 1.0 - n % 2 / 4, beta, bool(k % 3))


def columns_apart(m: int, n: int, k: int) -> Levels:
    """A product of which the result is stored with its columns together, or with gaps between all its elements."""
    return Levels(((1, 0, 0), (1, 0, 0), (m, k, 1)), ((1, 0, 0), (1, 0, 0), (k, 1, n)), n, 1, m)


@pytest.mark.parametrize("dtype", REALS)
def test_columns_of_the_result_lie_apart(library: ctypes.CDLL, dtype: Any) -> None:
    for m, n, k in ((1, 5, 300), (5, 1, 300), (20, 37, 50), (64, 10, 33)):
        for beta in (0.0, 1.0):
            check(library, columns_apart(m, n, k), dtype, beta=beta)
            what = columns_apart(m, n, k)
            gaps = tuple((e, a, 3 * c) for e, a, c in what.rows)
            check(library, Levels(gaps, what.depth, n, 1, 3 * m), dtype, -2.0, beta)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", REALS)
def test_one_column_of_a_convolution(library: ctypes.CDLL, dtype: Any) -> None:
    """Inner products of runs of any length, of any number of rows beside eight, at both ends of memory."""
    for channels in range(1, 41):
        for beta, at_end in ((0.0, True), (0.75, False)):
            check(library, convolution(1, 3, 1 + channels % 11, channels, 1, 2), dtype, -1.5 if beta else 1.0, beta, at_end)
    for rows in (1, 7, 8, 9, 300):
        check(library, convolution(1, 2, rows, 7, 1, 3), dtype, beta=1.0)
        check(library, Levels(((1, 0, 0), (2, 50, 2 * rows), (rows, 3, 2)), ((1, 0, 0), (3, 70, 40), (30, 1, 1)), 1), dtype)


@pytest.mark.parametrize("dtype", REALS)
def test_rows_that_fill_a_stretch_of_the_result_in_another_order(library: ctypes.CDLL, dtype: Any) -> None:
    """The last of so many rows lies as far behind the first as if they lay side by side."""
    for high, wide, n, k in ((4, 4, 40, 30), (2, 4, 33, 30), (2, 4, 3, 90), (4, 2, 3, 90), (2, 8, 48, 50)):
        rows = ((1, 0, 0), (high, wide * k, 1), (wide, k, high))
        for b, beta in (((n, 1), 0.0), ((1, k), 1.0)):
            what = Levels(rows, ((1, 0, 0), (1, 0, 0), (k, 1, b[0])), n, b[1], high * wide)
            check(library, what, dtype, beta=beta)


@pytest.mark.parametrize("dtype", REALS)
def test_few_columns_along_the_depth(library: ctypes.CDLL, dtype: Any) -> None:
    """Inner products with columns that lie along the depth, or are laid out so, in one run or in many, of every remainder."""
    for n in (2, 3, 5, 8, 13):
        for m in (2, 7, 8, 9, 31, 32, 33, 70, 140):
            k = (24 + 5 * m + 3 * n) % 90 + 60 + 900 * (m == 33)
            for kind in ("NT", "NN"):
                beta = (0.0, 1.0, -0.5)[(m + n) % 3]
                check(library, product(m, n, k, kind, gap=m % 2), dtype, 1.0 - n % 2 / 4, beta, bool(m % 3))
            check(library, product(n, m, k, "NT"), dtype, beta=float(n % 2))
            rows = ((1, 0, 0), (2, 7 * k + 3, 2 * m * n), (m, 3 * k, n))
            depth = ((1, 0, 0), (3, 2 * k + 1, k), (k, 1, 1))
            check(library, Levels(rows, depth, n, 3 * k, 1), dtype, beta=float(m % 2))
            check(library, Levels(rows, ((1, 0, 0), (3, 2 * k + 1, k * n), (k, 1, n)), n), dtype, at_end=bool(m % 2))


@pytest.mark.parametrize("dtype", REALS)
def test_a_filter_along_lines(library: ctypes.CDLL, dtype: Any) -> None:
    """One row of weights by windows that overlap, of every length of the line, in one, two and three levels of short depth."""
    one = (1, 0, 0)
    for n in (*range(1, 20), 31, 32, 33, 63, 64, 65, 100, 130):
        for k in (1, 3, 5, 16, 17):
            beta, at_end = (0.0, 1.0, -0.5)[(n + k) % 3], bool(n % 2)
            alpha = 1.0 if n % 3 else -0.75
            check(library, Levels((one, one, one), (one, one, (k, 1, 1)), n), dtype, alpha, beta, at_end)
            check(library, Levels((one, one, one), (one, (3, k, n + 20), (k, 1, 1)), n), dtype, alpha, beta, at_end)
            check(library, Levels((one, one, one), ((2, 3 * k, 4 * n + 90), (3, k, n + 20), (k, 1, 1)), n), dtype, 1.0, beta)
    for n in (5, 24, 40):  # the weights of a filter: rows that overlap, many of them
        check(library, Levels((one, one, one), ((3, 700, 2000), (20, 33, 90), (33, 1, 8)), n), dtype)


def test_same_bits_with_any_number_of_threads(tmp_path_factory: pytest.TempPathFactory) -> None:
    library = compile_library(tmp_path_factory.mktemp("threads"), "threads", BUILDS[sorted(BUILDS)[-1]])
    shapes = [convolution(4, 28, 28, 1, 8, 5), convolution(8, 14, 14, 16, 8, 5), convolution(2, 16, 16, 32, 100, 3)]
    shapes += [convolution(8, 28, 29, 16, 1, 5), product(1000, 601, 1)]
    shapes += [*(weights_of(s) for s in shapes), product(100, 700, 50), product(300, 5, 500), product(1000, 20, 50, "TN")]
    for what, beta in ((s, beta) for s in shapes for beta in (0.0, -0.7)):
        for dtype in (np.float32, np.float64):
            flat_a, a, flat_b, b, _, c = what.arrays(dtype, True)
            rng = np.random.default_rng(0)
            flat_a[...], flat_b[...] = rng.standard_normal(flat_a.shape), rng.standard_normal(flat_b.shape)
            results: list[Any] = []
            for threads in (1, 2, 3, 0):
                library.threads(threads)
                for _ in range(3):  # the first of a shape runs on one thread, the second on all
                    c[...] = 1.1 if beta else np.nan
                    contract(library, what, 1.0 - beta / 3, a, b, beta, c)
                    results.append(c.copy())
            for other in results[1:]:
                np.testing.assert_array_equal(other, results[0])


@pytest.mark.parametrize("dtype", REALS)
def test_nothing_is_something(library: ctypes.CDLL, dtype: Any) -> None:
    """Rows or columns that are none leave C alone; a depth that is none makes it beta C, and zero where beta is zero."""
    for m, n, k in ((0, 5, 5), (5, 0, 5), (5, 5, 0), (0, 0, 0), (40, 40, 0), (1, 1, 0)):
        for beta in (0.0, 1.0, -2.0):
            check(library, product(m, n, k), dtype, beta=beta)
    levels = product(4, 6, 3)
    for place in range(3):
        depth = list(levels.depth)
        depth[place] = (0, 1, 1)
        check(library, Levels(levels.rows, (depth[0], depth[1], depth[2]), 6), dtype, beta=2.0)


def check_onto(
    library: ctypes.CDLL, what: Levels, steps: Sequence[int], dtype: Any, alpha: float = 1.0, beta: float = 1.0,
    relu: bool = True, at_end: bool = True,
) -> None:  # fmt: skip
    """``alpha A B + beta D``, and what of it is above 0: D lies elsewhere, with ``steps`` for the rows and the columns."""
    flat_a, a, flat_b, b, flat_c, c = what.arrays(dtype, at_end)
    extents = [e for e, _, _ in what.rows]
    flat_d, d = what.array("d", [*extents, what.n], steps, dtype, at_end)
    fill(sum(steps) + what.n, flat_a, flat_b, flat_d, flat_c)
    if d.size and beta:
        flat_d[0] = np.nan  # at one place at least, and where a row or a column is added at all that it meets
    if c.size:
        c[...] = np.nan
    before, kept = flat_c.copy(), flat_d.copy()
    s, real = ("f64", ctypes.c_double) if dtype == np.float64 else ("f32", ctypes.c_float)
    rows = [(*level, step) for level, step in zip(what.rows, steps, strict=False)]
    numbers = [x for levels in (rows, what.depth) for level in levels for x in level] + [what.n, what.b_j, what.c_j, steps[3]]
    pointers = [ctypes.c_void_p(x.ctypes.data) for x in (a, b, d, c)]
    plain = all(level[0] == 1 for level in (*what.rows[:2], *what.depth[:2])) and what.c_j == 1 and sum(steps) % 2
    if plain:
        (m, a_row, c_row), (k, a_col, b_row) = what.rows[2], what.depth[2]
        numbers = [m, what.n, k, a_row, a_col, b_row, what.b_j, steps[2], steps[3], c_row]
    call = getattr(library, f"gemm_onto_{s}" if plain else f"onto_{s}")
    given = (ctypes.c_ssize_t * len(numbers))(*numbers)
    call(given, real(alpha), pointers[0], pointers[1], real(beta), pointers[2], ctypes.c_int(relu), pointers[3])
    np.testing.assert_array_equal(flat_d, kept)
    if not c.size:
        np.testing.assert_array_equal(flat_c, before)
        return
    result, after = c.copy(), flat_c.copy()
    c[...] = 0
    gone = flat_c.copy()
    c[...] = 1
    outside = (gone == flat_c) | (np.isnan(gone) & np.isnan(flat_c))
    np.testing.assert_array_equal(after[outside], before[outside])
    m, k, n = int(np.prod(a.shape[:3])), int(np.prod(a.shape[3:])), what.n
    wide: Any = np.float64 if dtype == np.float32 else np.longdouble
    wide_d: Any = beta * d.astype(wide).reshape(m, n) if beta else np.zeros((m, n), wide)
    wanted, size = reference(a.reshape(m, k), b.reshape(k, n), alpha, wide_d, wide)
    unit = np.finfo(dtype).eps / 2
    gamma = (k + 3) * unit / (1 - (k + 3) * unit)
    if relu:
        wanted = np.where(wanted <= 0, 0, wanted)  # NaN stays
        assert not np.any(result < 0) and not np.any(np.signbit(result) & (result == 0))
    found = result.astype(wide).reshape(m, n)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
    near = np.isnan(wanted) | (abs(found - wanted) <= gamma * size)
    assert np.all(near), what


@pytest.mark.parametrize("dtype", REALS)
def test_onto_a_row_a_column_or_another_array(library: ctypes.CDLL, dtype: Any) -> None:
    """Every remainder of rows and columns, operands transposed so that each kind of strip and the transpose are computed, a depth
    of several blocks, few columns of many rows, and a vector on either side."""
    sizes = [(m, n, (7 * m + 5 * n) % 38) for m in range(1, 19) for n in range(34)]
    sizes += [(33, 50, 1100), (40, 20, 700), (9, 21, 513), (100, 8, 40), (145, 5, 340), (64, 77, 130), (300, 17, 33)]
    sizes += [(131, 1, 40), (1, 300, 40), (300, 1, 40), (1, 40, 700), (7, 131, 90), (20, 131, 513)]
    sizes += [(70, 3, 130), (131, 2, 600), (3, 131, 200), (2, 67, 90)]  # inner products
    sizes += [(5, 0, 3), (0, 5, 3), (5, 6, 0)]
    for place, (m, n, k) in enumerate(sizes):
        what = product(m, n, k, KINDS[(m + n) % 4], gap=n % 3)
        for steps in ((0, 0, 0, 1), (0, 0, 1, 0), (0, 0, n + 3, 1), (0, 0, 1, m), (0, 0, 2 * n + 1, 2))[place % 2 :: 2]:
            alpha, beta = (1.0, 1.0) if place % 3 else (-0.5, 0.75)
            check_onto(library, what, steps, dtype, alpha, beta, bool((place // 2) % 2), bool(place % 5))
        check_onto(library, what, (0, 0, 0, 1), dtype, beta=0.0)
    one = (1, 0, 0)
    for n in (5, 16, 33, 100):  # a filter along lines
        for depth in ((one, (3, 5, n + 20), (5, 1, 1)), (one, one, (7, 1, 1)), ((2, 40, 400), (3, 7, n + 9), (4, 1, 1))):
            check_onto(library, Levels((one, one, one), depth, n), (0, 0, 0, n % 3), dtype, 1.0, 0.5, bool(n % 2))


@pytest.mark.parametrize("dtype", REALS)
def test_a_convolution_onto_a_row(library: ctypes.CDLL, dtype: Any) -> None:
    """Into an array with a frame, too: the rows of what is added are one, or lie as those of the result do without it."""
    for images, height, width, channels, out, window, stride in (
        (2, 28, 28, 1, 8, 5, 1), (2, 14, 14, 16, 8, 5, 1), (1, 32, 32, 3, 32, 3, 1), (2, 7, 7, 5, 10, 3, 2),
        (1, 5, 3, 2, 3, 1, 1), (1, 4, 4, 1, 1, 3, 3), (2, 1, 9, 4, 7, 2, 1), (1, 1, 1, 3, 5, 3, 1),
        (1, 6, 6, 150, 20, 3, 1), (3, 5, 5, 9, 1, 3, 1),
    ):  # fmt: skip
        what = convolution(images, height, width, channels, out, window, stride)
        frame = (width + 2) * out
        rows = ((images, what.rows[0][1], (height + 2) * frame), (height, what.rows[1][1], frame), what.rows[2])
        for relu in (False, True):
            check_onto(library, what, (0, 0, 0, 1), dtype, relu=relu)
            check_onto(library, Levels(rows, what.depth, out), (0, 0, 0, 1), dtype, relu=relu, at_end=False)
            check_onto(library, what, (height * width * out, width * out, out, 1), dtype, -0.5, 2.0, relu)
            check_onto(library, weights_of(what), (0, 0, 0, 1), dtype, beta=0.5, relu=relu)


def test_onto_a_row_by_any_number_of_threads(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each part of the rows or of the columns finds its own part of what is added."""
    library = compile_library(tmp_path_factory.mktemp("threads"), "onto", BUILDS[sorted(BUILDS)[-1]])
    shapes = [convolution(4, 28, 28, 1, 8, 5), convolution(2, 16, 16, 32, 100, 3), convolution(8, 28, 29, 16, 1, 5)]
    shapes += [product(100, 700, 50), product(300, 5, 500), product(1000, 20, 50, "TN"), product(64, 300, 700, "NT")]
    for threads in (1, 2, 3):
        library.threads(threads)
        for what in shapes:
            for steps in ((0, 0, 0, 1), (what.rows[0][2] + 7, what.rows[1][2] + 5, what.rows[2][2] + 3, 1), (0, 0, 1, 0)):
                for _ in range(2):  # the first of a shape runs on one thread, the second on all
                    check_onto(library, what, steps, np.float32)
    library.threads(1)


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_stay_where_they_are(library: ctypes.CDLL, dtype: Any, value: float) -> None:
    for what in (product(9, 1, 40), product(33, 50, 40, "TN"), product(20, 10, 300, "NT"), convolution(1, 9, 9, 3, 10, 3)):
        for which in "ab":
            _, a, _, b, _, c = what.arrays(dtype, True)
            a[...], b[...], c[...] = 1, 1, 0
            (a if which == "a" else b)[(-1,) * (6 if which == "a" else 4)] = value
            contract(library, what, 1.0, a, b, 0.0, c)
            k = int(np.prod(a.shape[3:]))
            with np.errstate(invalid="ignore"):
                wanted = a.reshape(-1, k).astype(np.float64) @ b.reshape(k, what.n).astype(np.float64)
            np.testing.assert_array_equal(c.reshape(-1, what.n), wanted)


BLOCKS = ("1024,512,4096,65536", "320,128,1024,0", "48,32,256,9")


@pytest.mark.parametrize("build", EACH)
@pytest.mark.parametrize("row", ["16,16,192,0", *(pytest.param(row, marks=pytest.mark.slow) for row in BLOCKS)])
def test_blocks_of_any_size(tmp_path: Path, build: str, row: str) -> None:
    """The least and the most that a table of blocks may hold, all of B packed, and all of it read where it is."""
    flags = [f"-DGW_BLOCKING_{width}={row}" for width in (16, 32, 64)]
    library = compile_library(tmp_path, "blocks", [*BUILDS[build], *flags])
    for dtype in (np.float32, np.float64):
        for kind in KINDS:
            for m, n, k in ((20, 50, 33), (150, 100, 340), (40, 300, 50), (530, 17, 20), (9, 8, 1100)):
                check(library, product(m, n, k, kind, gap=m % 2), dtype, beta=float(k % 2), at_end=bool(n % 4))
        for what in (convolution(2, 14, 14, 8, 16, 5), convolution(1, 16, 16, 32, 40, 3)):
            check(library, what, dtype)
            check(library, weights_of(what), dtype, alpha=0.5, beta=1.0)


EXTENT = st.integers(0, 3)
LONG = st.one_of(st.integers(0, 20), st.sampled_from([31, 32, 33, 48, 65, 100]))
STEP = st.sampled_from([0, 1, 1, 1, 2, 3, -1, -2, 17])


@st.composite
def contractions(draw: st.DrawFn) -> Levels:
    """Levels with any strides for A and B, and elements of C that do not fall together."""
    m, k, n = [draw(EXTENT), draw(EXTENT), draw(LONG)], [draw(EXTENT), draw(EXTENT), draw(LONG)], draw(LONG)
    for extents in (m, k):
        if draw(st.booleans()):
            extents[:] = draw(st.permutations(extents))

    def strides(extents: Sequence[int]) -> list[int]:
        """Of a dense array in some order of its axes, with gaps."""
        found, unit = [0] * len(extents), draw(st.sampled_from([1, 1, 1, 2]))
        for axis in draw(st.one_of(st.just(range(len(extents))[::-1]), st.permutations(range(len(extents))))):
            found[axis] = unit * draw(st.sampled_from([1, 1, -1]))
            unit = unit * max(extents[axis], 1) + draw(st.sampled_from([0, 0, 1]))
        return found

    def any_strides(extents: Sequence[int]) -> list[int]:
        return [draw(STEP) for _ in extents] if draw(st.booleans()) else strides(extents)

    a, b, c = any_strides([*m, *k]), any_strides([*k, n]), strides([*m, n])
    rows = [(m[t], a[t], c[t]) for t in range(3)]
    depth = [(k[t], a[3 + t], b[t]) for t in range(3)]
    return Levels((rows[0], rows[1], rows[2]), (depth[0], depth[1], depth[2]), n, b[3], c[3])


@thoroughly(150)
@given(
    what=contractions(), dtype=st.sampled_from(REALS), alpha=st.sampled_from([1.0, -0.25]), beta=st.sampled_from([0.0, 1.0, 0.5]),
    at_end=st.booleans(),
)  # fmt: skip
@example(product(4, 16, 3), np.float32, 1.0, 0.0, False)
def test_any_strides(library: ctypes.CDLL, what: Levels, dtype: Any, alpha: float, beta: float, at_end: bool) -> None:
    check(library, what, dtype, alpha, beta, at_end)
