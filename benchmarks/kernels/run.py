"""How fast the C headers are on this machine: matrix products beside NumPy's BLAS and the peak, convolutions beside PyTorch's
(oneDNN, channels last) where it is installed, elementary functions, sums.

    python benchmarks/kernels/run.py [products] [convolutions] [functions] [--dtype float32|float64] [--cc gcc] [--threads 2]
    OPENBLAS_CORETYPE=Nehalem python benchmarks/kernels/run.py products --march x86-64-v2       # as on an older processor

One thread; with --threads, products and convolutions alone, by so many threads and by as many as team.h chooses. Each shape is
measured in short turns with the peak and with the other library, and the best turn of each counts, on one thread in time of that
thread: what else the machine does in the meantime then harms all of them alike.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy

import argparse
import ctypes
import functools
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

INCLUDE = Path(__file__).resolve().parents[2] / "runtime" / "include"
FLAGS = ["-O3", "-mprefer-vector-width=512", "-fno-math-errno", "-fno-trapping-math"]
FUNCTIONS = ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus", "erf", "sin")
# m, n, k and which operands are transposed
SHAPES = [
    (64, 128, 784, "NN"), (784, 128, 64, "TN"), (128, 100, 3072, "NN"), (3072, 100, 128, "TN"), (6272, 16, 200, "NN"),
    (16, 512, 128, "NN"), (512, 512, 512, "NN"), (64, 10, 128, "NN"), (128, 10, 64, "TN"), (64, 128, 10, "NT"),
    (128, 10, 100, "NN"), (100, 10, 128, "TN"), (128, 100, 10, "NT"), (1, 128, 784, "NN"), (7, 128, 784, "NN"),
    (33, 128, 784, "NN"), (257, 128, 784, "NN"), (64, 1, 128, "NN"), (64, 77, 300, "NN"), (64, 33, 77, "NN"), (64, 5, 33, "NN"),
    (300, 77, 64, "TN"), (77, 33, 64, "TN"), (33, 5, 64, "TN"), (64, 77, 33, "NT"), (64, 64, 32, "NN"), (64, 64, 32, "NT"),
    (64, 32, 64, "NN"), (64, 32, 64, "TN"), (16, 512, 64, "NN"), (1024, 128, 128, "NN"), (1024, 512, 128, "NN"),
    (512, 128, 1024, "TN"), (4, 8, 2, "NN"), (2, 8, 2, "NN"),
]  # fmt: skip
# images, height and width of the output, channels, output channels, window, stride
CONVOLUTIONS = [
    (32, 28, 28, 1, 8, 5, 1), (32, 14, 14, 8, 16, 5, 1), (32, 32, 32, 3, 32, 3, 1), (32, 32, 32, 32, 32, 3, 1),
    (32, 16, 16, 32, 64, 3, 1), (32, 8, 8, 64, 64, 3, 1), (32, 7, 7, 16, 32, 3, 2), (8, 16, 16, 24, 10, 3, 1),
    (32, 16, 16, 32, 64, 1, 1), (1, 14, 14, 8, 16, 5, 1),
]  # fmt: skip
DIVIDED = [(64, 64, 64), (128, 64, 64), (128, 128, 128), (200, 200, 200), (1797, 64, 64), (64, 128, 784), (400, 400, 400)]

SOURCE = """
#define _POSIX_C_SOURCE 200809L
#include <time.h>
#include "gradwright/scalar.h"
#include "gradwright/circular.h"
#include "gradwright/sum.h"
#include "gradwright/gemm.h"
#include "gradwright/contract.h"

#ifdef DIVIDED
#define CLOCK CLOCK_MONOTONIC
#else
#define CLOCK CLOCK_THREAD_CPUTIME_ID
#endif
static double seconds(void) { struct timespec t; clock_gettime(CLOCK, &t); return t.tv_sec + 1e-9 * t.tv_nsec; }

/* twelve independent chains of multiply-adds on the widest vectors, in operations a second */
#define CHAIN(j) c##j = c##j * a + b;
#define KEEP(j) __asm__ volatile("" : "+" GW_REGISTER(c##j));
#define EACH(X) GW_EACH_8(X) X(8) X(9) X(10) X(11)
#if defined(__x86_64__)
#define GW_REGISTER(c) "x"(c)
#else
#define GW_REGISTER(c) "w"(c)
#endif
#if defined(__AVX512F__)
#undef GW_REGISTER
#define GW_REGISTER(c) "v"(c)
#endif
#define START(j) vec c##j = a;
double peak(int n) {
    typedef gw_vec_REAL vec;
    vec a = {0}, b = {0};
    a += 1.0000001f; b += 1e-9f;
    EACH(START)
    const double start = seconds();
    for (int i = 0; i < n; i++) { EACH(CHAIN) EACH(KEEP) }
    return 2.0 * 12 * (sizeof(vec) / sizeof(a[0])) * n / (seconds() - start);
}
double product(int repeat, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const C_REAL* a, ptrdiff_t a_row, ptrdiff_t a_col,
               const C_REAL* b, ptrdiff_t b_row, ptrdiff_t b_col, C_REAL* c) {
    const double start = seconds();
    for (int i = 0; i < repeat; i++) gw_gemm_REAL(m, n, k, 1, a, a_row, a_col, b, b_row, b_col, 0, c, n);
    return (seconds() - start) / repeat;
}
static void contract(const ptrdiff_t* v, const C_REAL* a, const C_REAL* b, C_REAL* c) {
    gw_contract_REAL(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], v[10], v[11], v[12], v[13], v[14], v[15],
                     v[16], v[17], v[18], v[19], v[20], 1, a, b, 0, c);
}
double contraction(int repeat, const ptrdiff_t* v, const C_REAL* a, const C_REAL* b, C_REAL* c) {
    const double start = seconds();
    for (int i = 0; i < repeat; i++) contract(v, a, b, c);
    return (seconds() - start) / repeat;
}
#ifdef DIVIDED
/* 1: one thread, 2: the team, 3: what is measured to pay */
double divided(int way, int threads, int repeat, const ptrdiff_t* v, const C_REAL* a, const C_REAL* b, C_REAL* c) {
    static gw_trial kept[GW_TRIALS];
    gw_threads = way == 1 ? 1 : threads;
    if (way == 2) {
        memcpy(kept, gw_trials, sizeof kept);
        contract(v, a, b, c);
        for (int j = 0; j < GW_TRIALS; j++) gw_trials[j].one = 1, gw_trials[j].team = 1e-9, gw_trials[j].again = 1e300;
    }
    const double start = seconds();
    for (int i = 0; i < repeat; i++) contract(v, a, b, c);
    const double took = (seconds() - start) / repeat;
    if (way == 2) memcpy(gw_trials, kept, sizeof kept);
    return took;
}
#endif
double sum(const C_REAL* x, ptrdiff_t n) {
    const double start = seconds();
    volatile C_REAL s = gw_sum_REAL(x, n);
    (void)s;
    return seconds() - start;
}
"""


def build(folder: Path, compiler: str, dtype: np.dtype[Any], threads: int, march: str) -> ctypes.CDLL:
    double = dtype == np.float64
    source = SOURCE.replace("C_REAL", "double" if double else "float").replace("_REAL", "_f64" if double else "_f32")
    for name in FUNCTIONS:
        s, f = ("f64", "") if double else ("f32", "f")
        source += f"double along_{name}(gw_read_{s} x, gw_write_{s} y, ptrdiff_t n) {{ const double start = seconds();\n"
        source += f"    for (ptrdiff_t i = 0; i < n; i++) y[i] = gw_{name}{f}(x[i]);\n    return seconds() - start;\n}}\n"
    (folder / "kernels.c").write_text(source)
    flags = [*FLAGS, f"-march={march}", *(["-DDIVIDED", "-pthread"] if threads > 1 else [])]
    command = [compiler, *flags, "-std=gnu11", "-shared", "-fPIC", f"-I{INCLUDE}", "kernels.c", "-o", "kernels.so", "-lm"]
    subprocess.run(command, check=True, cwd=folder)
    library = ctypes.CDLL(str(folder / "kernels.so"))
    for name in (
        "peak",
        "product",
        "contraction",
        "sum",
        *(["divided"] if threads > 1 else []),
        *(f"along_{f}" for f in FUNCTIONS),
    ):
        getattr(library, name).restype = ctypes.c_double
    return library


def aligned(x: Any) -> Any:
    """A copy that begins with a line of the cache, as the buffers of generated modules do."""
    room = np.empty(x.size + 64, x.dtype)
    start = -room.ctypes.data % 64 // x.itemsize
    copy = room[start : start + x.size].reshape(x.shape)
    copy[...] = x
    return copy


def pointer(x: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(x.ctypes.data)


def products(library: ctypes.CDLL, dtype: np.dtype[Any]) -> None:
    rng = np.random.default_rng(0)
    size = ctypes.c_ssize_t
    print(f"{'m, n, k':>16}     {'µs':>9} {'GFLOP/s':>8} {'of peak':>8} {'NumPy µs':>9} {'ratio':>6}")
    highest = 0.0
    for m, n, k, kind in SHAPES:
        stored_a = aligned(rng.standard_normal((k, m) if kind[0] == "T" else (m, k)).astype(dtype))
        stored_b = aligned(rng.standard_normal((n, k) if kind[1] == "T" else (k, n)).astype(dtype))
        a, b = stored_a.T if kind[0] == "T" else stored_a, stored_b.T if kind[1] == "T" else stored_b
        c = aligned(np.zeros((m, n), dtype))
        steps = [size(s // dtype.itemsize) for s in (*a.strides, *b.strides)]
        work = 2.0 * m * n * k
        repeat = max(1, int(3e5 / (work / 80 + 50)))
        own, numpy, peak = [], [], []
        for _ in range(60 if work < 1e8 else 15):
            peak.append(library.peak(10_000))
            own.append(
                library.product(repeat, size(m), size(n), size(k), pointer(a), *steps[:2], pointer(b), *steps[2:], pointer(c))
            )
            turns = min(repeat, 200)
            start = time.thread_time()
            for _ in range(turns):
                np.matmul(a, b, out=c)
            numpy.append((time.thread_time() - start) / turns)
        best, other, top = min(own), min(numpy), max(peak)
        highest = max(highest, top)
        shape = f"{m}, {n}, {k}"
        print(
            f"{shape:>16} {kind}  {best * 1e6:9.3f} {work / best / 1e9:8.1f} {work / best / top:8.0%} {other * 1e6:9.2f}"
            f" {other / best:6.2f}"
        )
    print(f"peak {highest / 1e9:.0f} GFLOP/s")


def forward_of(shape: tuple[int, ...]) -> tuple[list[int], int, int, int]:
    """(the numbers of a convolution's contraction, reals in A, in B, in C)."""
    images, height, width, channels, out, window, stride = shape
    across, down = ((width - 1) * stride + window) * channels, (height - 1) * stride + window
    rows = [images, down * across, height * width * out, height, stride * across, width * out, width, stride * channels, out]
    depth = [window, across, window * channels * out, window, channels, channels * out, channels, 1, out]
    return [*rows, *depth, out, 1, 1], images * down * across, window * window * channels * out, images * height * width * out


def weights_of(shape: tuple[int, ...]) -> tuple[list[int], int, int, int]:
    """The gradient of the weights: rows and depth exchanged, the output's gradient in B's place."""
    numbers, a, b, c = forward_of(shape)
    rows, depth = numbers[:9], numbers[9:18]
    return [*depth, *rows, *numbers[18:]], a, c, b


def convolutions(library: ctypes.CDLL, dtype: np.dtype[Any]) -> None:
    """Forward, gradient of the weights, and gradient of the input (a convolution of the padded output's gradient; stride 1)."""
    try:
        import torch
    except ImportError:
        torch = None  # type: ignore[assignment]
    rng = np.random.default_rng(0)
    print(f"{'n, y, x, c, o, k, s':>24} {'':>8} {'µs':>9} {'GFLOP/s':>8} {'of peak':>8} {'torch µs':>9} {'ratio':>6}")
    for shape in CONVOLUTIONS:
        images, height, width, channels, out, window, stride = shape
        turned = (images, height, width, out, channels, window, 1)
        cases = [("forward", forward_of(shape)), ("weights", weights_of(shape))]
        if stride == 1:
            cases.insert(1, ("input", forward_of(turned)))
        for name, (numbers, *sizes) in cases:
            a, b, c = (aligned(rng.standard_normal(n).astype(dtype)) for n in sizes)
            values = (ctypes.c_ssize_t * 21)(*numbers)
            work = 2.0 * images * height * width * channels * out * window**2
            repeat = max(1, int(3e5 / (work / 80 + 50)))
            call: Any = None
            if torch is not None:
                torch.set_num_threads(1)
                kind, like = torch.from_numpy(a).dtype, torch.channels_last
                high, wide = (height - 1) * stride + window, (width - 1) * stride + window
                pad = window // 2
                x = torch.randn(images, channels, high - 2 * pad, wide - 2 * pad, dtype=kind).to(memory_format=like)
                w = torch.randn(out, channels, window, window, dtype=kind).to(memory_format=like)
                g = torch.randn(images, out, height, width, dtype=kind).to(memory_format=like)
                if name == "forward":
                    call = functools.partial(torch.nn.functional.conv2d, x, w, stride=stride, padding=pad)
                else:
                    mask = [name == "input", name == "weights", False]
                    sides = [stride] * 2, [pad] * 2, [1, 1], False, [0, 0], 1, mask
                    call = functools.partial(torch.ops.aten.convolution_backward, g, x, w, None, *sides)
                call()
            own, other, peak = [], [], []
            for _ in range(40 if work < 1e8 else 10):
                peak.append(library.peak(10_000))
                own.append(library.contraction(repeat, values, pointer(a), pointer(b), pointer(c)))
                if call is not None:
                    start = time.thread_time()
                    call()
                    other.append(time.thread_time() - start)
            best, top = min(own), max(peak)
            beside = f"{min(other) * 1e6:9.1f} {min(other) / best:6.2f}" if other else ""
            text = ", ".join(map(str, shape))
            print(f"{text:>24} {name:>8} {best * 1e6:9.1f} {work / best / 1e9:8.1f} {work / best / top:8.0%} {beside}")


def threaded(library: ctypes.CDLL, dtype: np.dtype[Any], threads: int) -> None:
    """Where a team pays: each shape alone, by the team, and as gemm.h chooses, in turns."""
    rng = np.random.default_rng(0)
    one = [1, 0, 0]
    cases = [
        (f"{m}, {n}, {k}", m * n * k, ([*one, *one, m, k, n, *one, *one, k, 1, n, n, 1, 1], m * k, k * n, m * n))
        for m, n, k in DIVIDED
    ]
    for shape in CONVOLUTIONS:
        images, height, width, channels, out, window, _ = shape
        work = images * height * width * channels * out * window**2
        text = ", ".join(map(str, shape))
        cases += [(f"{text} forward", work, forward_of(shape)), (f"{text} weights", work, weights_of(shape))]
    print(f"{'':>32} {'multiply-adds':>14} {'one µs':>9}   times faster, median (least–most): {threads} threads, chosen")
    for name, work, (numbers, *sizes) in cases:
        a, b, c = (aligned(rng.standard_normal(n).astype(dtype)) for n in sizes)
        values = (ctypes.c_ssize_t * 21)(*numbers)
        repeat = max(1, int(5e-3 / (work / 30e9 + 1e-6)))
        turns: list[tuple[float, ...]] = []
        for _ in range(40 if work < 2e7 else 15):
            what = (threads, repeat, values, pointer(a), pointer(b), pointer(c))
            turns.append(tuple(library.divided(way, *what) for way in (1, 2, 3)))
        ratios = [sorted(turn[0] / turn[way] for turn in turns) for way in (1, 2)]
        texts = [f"{statistics.median(r):5.2f} ({r[0]:.2f}–{r[-1]:.2f})" for r in ratios]
        alone = statistics.median(turn[0] for turn in turns) * 1e6
        print(f"{name:>32} {work:14,} {alone:9.1f}   {'   '.join(texts)}")


def functions(library: ctypes.CDLL, dtype: np.dtype[Any]) -> None:
    x = np.random.default_rng(0).uniform(0.01, 4, 4096).astype(dtype)
    y = np.empty_like(x)
    for name in FUNCTIONS:
        call = getattr(library, f"along_{name}")
        best = min(call(pointer(x), pointer(y), ctypes.c_ssize_t(x.size)) for _ in range(300))
        print(f"{name:>16}     {best / x.size * 1e9:9.3f} ns an element")
    for n in (1000, 10_000_000):
        x = np.ones(n, dtype)
        best = min(library.sum(pointer(x), ctypes.c_ssize_t(n)) for _ in range(20))
        print(f"{f'sum of {n}':>16}     {best * 1e6:9.3f} µs, {x.nbytes / best / 1e9:.1f} GB/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--cc", default=os.environ.get("CC", "cc"))
    parser.add_argument("--march", default="native", help="the processors that are compiled for")
    parser.add_argument("what", nargs="*", help="products, convolutions, functions: all where none is named")
    parser.add_argument("--threads", type=int, default=1, help="also compare one thread with so many")
    arguments = parser.parse_args()
    dtype = np.dtype(arguments.dtype)
    with tempfile.TemporaryDirectory() as folder:
        library = build(Path(folder), arguments.cc, dtype, arguments.threads, arguments.march)
        if arguments.threads > 1:
            threaded(library, dtype, arguments.threads)
            return
        for part in (products, convolutions, functions):
            if not arguments.what or part.__name__ in arguments.what:
                part(library, dtype)


if __name__ == "__main__":
    main()
