"""The C headers on AArch64, with NEON: built by cross compilers and run by an emulator, where these are found.

One program has the functions of the headers. It reads calls with their arrays and writes what comes out; all is held to the
bounds that hold on the machine at hand, and random numbers to the same bits.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradwright.runtime import draws
from test_contract_header import Levels, convolution, product, weights_of
from test_headers import BASE, DENSE, FAST, INCLUDE, ULP, Array, error_in_ulp, loop, samples

QEMU = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
SYSTEM = Path("/usr/aarch64-linux-gnu")  # where cross compilers find their C library
COMPILERS = {
    "gcc": ["aarch64-linux-gnu-gcc"],
    "clang": ["clang", "--target=aarch64-linux-gnu", f"-I{SYSTEM / 'include'}"],
}
CIRCULAR = {"sin": 1.5, "cos": 1.5, "tan": 2.0}
FUNCTIONS = (*ULP, *CIRCULAR)

pytestmark = [
    pytest.mark.skipif(QEMU is None or not SYSTEM.is_dir(), reason="needs qemu-aarch64 and a C library for AArch64"),
    pytest.mark.slow,
]

SOURCE = (
    """
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "gradwright/circular.h"
#include "gradwright/sum.h"
#include "gradwright/guarded.h"
#include "gradwright/winograd.h"
#include "gradwright/winograd.h"
#include "gradwright/random.h"
#ifndef __ARM_NEON
#error "no NEON"
#endif
_Static_assert(GW_VECTOR_BYTES == 16, "the width of NEON");
"""
    + "".join(map(loop, FUNCTIONS))
    + """
static void take(void* to, size_t bytes) { if (fread(to, 1, bytes, stdin) != bytes) exit(3); }
static void give(const void* from, size_t bytes) { if (fwrite(from, 1, bytes, stdout) != bytes) exit(4); }
/* Room that ends where a page begins which nobody may touch. */
static void* room(size_t bytes) {
    const size_t page = 65536, whole = (bytes + page - 1) / page * page;
    char* at = mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || mprotect(at + whole, page, PROT_NONE)) exit(5);
    return at + whole - bytes;
}
static void* taken(size_t bytes) { void* to = room(bytes); take(to, bytes); return to; }
#define LEVELS v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], v[10], v[11], v[12], v[13], v[14], v[15], v[16], \\
    v[17], v[18], v[19], v[20]
#define REAL(real, s) \\
    static void along_##s(long which, long n) { \\
        real *x = taken(n * sizeof(real)), *y = room(n * sizeof(real)); \\
        static void (*const all[])(gw_read_##s, gw_write_##s, ptrdiff_t) = ALL(s); \\
        all[which](x, y, n); \\
        give(y, n * sizeof(real)); \\
    } \\
    static void sums_##s(long n) { \\
        const real *x = taken(n * sizeof(real)), *y = taken(n * sizeof(real)); \\
        const real found[] = {gw_sum_##s(x, n), gw_squares_##s(x, n), gw_absolutes_##s(x, n), gw_dot_##s(x, y, n), \\
                              gw_maximum_##s(x, n), gw_minimum_##s(x, n)}; \\
        give(found, sizeof found); \\
    } \\
    static void contract_##s(long guard) { \\
        ptrdiff_t v[21], sizes[3]; \\
        double scale[2]; \\
        take(v, sizeof v), take(sizes, sizeof sizes), take(scale, sizeof scale); \\
        const real *a = taken(sizes[0] * sizeof(real)), *b = taken(sizes[1] * sizeof(real)); \\
        real* c = taken(sizes[2] * sizeof(real)); \\
        if (guard == -1) gw_contract_##s(LEVELS, scale[0], a, b, scale[1], c); \\
        else if (guard == -2) gw_winograd_weights_##s(LEVELS, scale[0], a, b, scale[1], c); \\
        else if (guard == -3) \\
            gw_winograd_##s(v[0], v[1], v[2], 0, v[3], v[4], v[5], 0, v[6], v[7], v[8], 0, v[9], v[10], v[11], v[12], v[13], \\
                            v[14], v[15], v[16], v[17], v[18], v[19], v[20], 1, scale[0], a, b, 0, c, 0, c); \\
        else gw_contract_guarded_##s(guard, LEVELS, scale[0], a, b, scale[1], c); \\
        give(c, sizes[2] * sizeof(real)); \\
    }
"""
    + "".join(f"#define ALL_{s} {{{', '.join(f'{name}_{s}' for name in FUNCTIONS)}}}\n" for s in ("f32", "f64"))
    + """
#define ALL(s) ALL_##s
REAL(float, f32)
REAL(double, f64)
int main(void) {
    long call[3]; /* what, how many bytes a real has, of what or how many */
    gw_threads = 1;
    while (fread(call, 1, sizeof call, stdin) == sizeof call) {
        long n;
        long long place[3];
        switch (call[0]) {
        case 0: take(&n, sizeof n); if (call[1] == 4) along_f32(call[2], n); else along_f64(call[2], n); break;
        case 1: if (call[1] == 4) sums_f32(call[2]); else sums_f64(call[2]); break;
        case 2: if (call[1] == 4) contract_f32(call[2]); else contract_f64(call[2]); break;
        default:
            take(place, sizeof place);
            for (long i = 0; i < call[2]; i++) {
                const double drawn[] = {gw_draw_uniform(place[0], place[1], place[2], i, -1, 3),
                                        gw_draw_normal(place[0], place[1], place[2], i, 0.5, 2),
                                        gw_draw_uniformf(place[0], place[1], place[2], i, -1, 3),
                                        gw_draw_normalf(place[0], place[1], place[2], i, 0.5, 2)};
                give(drawn, sizeof drawn);
            }
        }
    }
    return 0;
}
"""
)


class Program:
    """The program of one compiler."""

    def __init__(self, folder: Path, compiler: list[str]) -> None:
        text, self.binary = folder / "kernels.c", folder / "kernels"
        text.write_text(SOURCE)
        flags = [flag for flag in (*BASE, *FAST) if flag not in ("-shared", "-fPIC")]
        command = [*compiler, *flags, "-static", f"-I{INCLUDE}", str(text), "-o", str(self.binary), "-lm", "-pthread"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def call(self, *given: bytes) -> bytes:
        assert QEMU is not None
        done = subprocess.run([QEMU, str(self.binary)], input=b"".join(given), capture_output=True, check=False)
        assert done.returncode == 0, (done.returncode, done.stderr)
        return done.stdout


@pytest.fixture(scope="module", params=sorted(COMPILERS))
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    if shutil.which(COMPILERS[request.param][0]) is None:
        pytest.skip(f"needs {COMPILERS[request.param][0]}")
    return Program(tmp_path_factory.mktemp("aarch64"), COMPILERS[request.param])


REALS = [np.float32, np.float64]


def head(what: int, dtype: Any, which: int) -> bytes:
    return struct.pack("<3q", what, np.dtype(dtype).itemsize, which)


@pytest.mark.parametrize("dtype", REALS)
def test_functions(program: Program, dtype: Any) -> None:
    """Every function in every place of a vector and of what is left, within the bounds in the header's table."""
    wide: Any = np.float64 if dtype == np.float32 else np.longdouble
    if np.finfo(wide).nmant <= np.finfo(dtype).nmant:
        pytest.skip("long double is no wider than double here")
    points = {name: samples(name, np.dtype(dtype), 1001 if name != "erf" else 101) for name in ULP}
    rng = np.random.default_rng(5)
    far = 1e5 if dtype == np.float32 else 1e9
    points |= dict.fromkeys(CIRCULAR, np.concatenate([rng.uniform(-r, r, 1001) for r in (1e-3, 1, 10, far)]).astype(dtype))
    given = [
        head(0, dtype, j) + struct.pack("<q", x.size) + x.tobytes() for j, x in enumerate(points[name] for name in FUNCTIONS)
    ]
    found = np.frombuffer(program.call(*given), dtype)
    for name, bound in (ULP | CIRCULAR).items():
        x, found, y = points[name], found[points[name].size :], found[: points[name].size]
        with np.errstate(all="ignore"):
            reference = DENSE[name](x.astype(wide)) if name in ULP else getattr(np, name)(x.astype(np.longdouble))
        assert error_in_ulp(y, reference).max() <= bound, name
    assert found.size == 0


@pytest.mark.parametrize("dtype", REALS)
def test_sums(program: Program, dtype: Any) -> None:
    rng = np.random.default_rng(3)
    pairs = [
        tuple(rng.standard_normal((2, n)).astype(dtype)) for n in (1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 64, 100, 1003, 8192)
    ]
    given = [head(1, dtype, x.size) + x.tobytes() + y.tobytes() for x, y in pairs]
    every = np.frombuffer(program.call(*given), dtype).reshape(len(pairs), 6).astype(np.float64)
    for (x, y), (total, squares, absolutes, dot, largest, least) in zip(pairs, every, strict=True):
        u, v = x.astype(np.float64), y.astype(np.float64)
        bound = (x.size + 2) * float(np.finfo(dtype).eps)
        assert abs(total - u.sum()) <= bound * abs(u).sum() and abs(absolutes - abs(u).sum()) <= bound * abs(u).sum()
        assert abs(squares - (u * u).sum()) <= bound * (u * u).sum() and abs(dot - (u * v).sum()) <= bound * abs(u * v).sum()
        assert (largest, least) == (u.max(), u.min())


SHAPES = [
    *(product(m, n, k, kind, gap)
      for kind in ("NN", "TN", "NT", "TT") for gap in (0, 3)
      for m, n, k in ((1, 1, 1), (5, 3, 2), (8, 16, 8), (9, 17, 33), (33, 10, 64), (64, 48, 130), (2, 157, 31), (70, 1, 40))),
    *(product(m, n, 9) for m in range(1, 10) for n in range(1, 20)),
    *(product(13, 21, k, "TN") for k in range(1, 40)),
    *(what
      for size in ((2, 6, 7, 1, 8, 5), (1, 5, 5, 8, 16, 3), (3, 4, 5, 3, 10, 3), (2, 8, 8, 4, 1, 3), (2, 3, 3, 6, 7, 3, 2))
      for what in (convolution(*size), weights_of(convolution(*size)))),
]  # fmt: skip


def place(strides: list[int], extents: list[int]) -> Any:
    """Where each element of an operand lies."""
    at = np.zeros(extents, np.int64)
    for axis, (step, extent) in enumerate(zip(strides, extents, strict=True)):
        at += np.arange(extent).reshape([-1 if k == axis else 1 for k in range(len(extents))]) * step
    return at


def calls(what: Levels, dtype: Any, guard: int, beta: float, seed: int) -> tuple[bytes, Array, Array, Array, Array]:
    """The call as bytes; where the elements of C lie, what was there, and the operands as matrices."""
    rng = np.random.default_rng(seed)
    rows, depth = [e for e, _, _ in what.rows], [e for e, _, _ in what.depth]
    at_a = place([s for _, s, _ in (*what.rows, *what.depth)], [*rows, *depth])
    at_b = place([*(s for _, _, s in what.depth), what.b_j], [*depth, what.n])
    at_c = place([*(s for _, _, s in what.rows), what.c_j], [*rows, what.n])
    a, b, c = (rng.standard_normal(int(at.max()) + 1).astype(dtype) for at in (at_a, at_b, at_c))
    if guard >= 0:
        zeros, other = (a, b) if guard == 0 else (b, a)
        zeros[rng.random(zeros.size) < 0.5] = 0
        other[rng.integers(other.size)] = np.inf
    sizes = struct.pack("<3q2d", a.size, b.size, c.size, -0.5, beta)
    call = head(2, dtype, guard) + struct.pack("<21q", *what.numbers) + sizes + a.tobytes() + b.tobytes() + c.tobytes()
    m, k = int(np.prod(rows)), int(np.prod(depth))
    return call, at_c.reshape(m, what.n), c, a[at_a].reshape(m, k), b[at_b].reshape(k, what.n)


@pytest.mark.parametrize("guard", [-1, 0, 1])
@pytest.mark.parametrize("dtype", REALS)
def test_contractions(program: Program, dtype: Any, guard: int) -> None:
    """Products and convolutions of all remainders; guarded, where a zero wins over an infinite operand."""
    for beta in (0.0, 1.0):
        every = [calls(what, dtype, guard, beta, seed) for seed, what in enumerate(SHAPES)]
        found = np.frombuffer(program.call(*(one[0] for one in every)), dtype)
        for what, (_, at, before, a, b) in zip(SHAPES, every, strict=True):
            after, found = found[: before.size], found[before.size :]
            wide: Any = np.float64 if dtype == np.float32 else np.longdouble
            x, y = a.astype(wide), b.astype(wide)
            if guard < 0:
                total, size = x @ y, abs(x) @ abs(y)
            else:
                with np.errstate(invalid="ignore"):
                    terms = x[:, :, None] * y[None]
                terms[np.broadcast_to((x == 0)[:, :, None] if guard == 0 else (y == 0)[None], terms.shape)] = 0
                total, size = terms.sum(axis=1), abs(terms).sum(axis=1)
            old = beta * before[at].astype(wide)
            with np.errstate(invalid="ignore"):
                wanted, unit = -0.5 * total + old, (x.shape[1] + 3) * float(np.finfo(dtype).eps) / 2
            result = after[at].astype(wide)
            finite = np.isfinite(wanted)
            np.testing.assert_array_equal(result[~finite], wanted[~finite])
            bound = unit / (1 - unit) * (0.5 * size + abs(old))
            assert np.all(abs(result[finite] - wanted[finite]) <= bound[finite]), what
            outside = np.ones(before.size, bool)
            outside[at] = False
            np.testing.assert_array_equal(after[outside], before[outside])
        assert found.size == 0


FILTERS = [(1, 4, 6, 9, 13, 3), (2, 5, 7, 4, 40, 3), (1, 2, 3, 17, 8, 5), (3, 6, 5, 20, 11, 5)]


@pytest.mark.parametrize("dtype", REALS)
def test_filters(program: Program, dtype: Any) -> None:
    """By Winograd's algorithm: some roundings of the largest, and not what the plain sum gives."""
    for sizes in FILTERS:
        for weights in (False, True):
            what = weights_of(convolution(*sizes)) if weights else convolution(*sizes)
            beta = 1.0 if weights else 0.0
            call, at, before, a, b = calls(what, dtype, -2 if weights else -3, beta, 7)
            plain = calls(what, dtype, -1, beta, 7)[0]
            found, other = np.frombuffer(program.call(call, plain), dtype).reshape(2, -1)
            wide: Any = np.float64 if dtype == np.float32 else np.longdouble
            wanted = -0.5 * (a.astype(wide) @ b.astype(wide)) + beta * before[at].astype(wide)
            most = 50 * float(np.finfo(dtype).eps) * np.max(abs(wanted))
            assert np.max(abs(found[at] - wanted)) <= most and not np.array_equal(found, other), sizes


def test_random_numbers_have_the_same_bits(program: Program) -> None:
    seed, counter, stream, count = 1234567890123, 7, 3, 5000
    found = np.frombuffer(program.call(head(3, np.float64, count), struct.pack("<3q", seed, counter, stream)), np.float64)
    uniform, normal, uniform_32, normal_32 = found.reshape(count, 4).T
    place, at = (seed, counter, stream), np.arange(count)
    np.testing.assert_array_equal(uniform, draws.draw_uniform(*place, at, -1, 3))
    np.testing.assert_array_equal(normal, draws.draw_normal(*place, at, 0.5, 2))
    np.testing.assert_array_equal(uniform_32, draws.draw_uniform(*place, at, -1, 3, np.float32))
    np.testing.assert_array_equal(normal_32, draws.draw_normal(*place, at, 0.5, 2, np.float32))
