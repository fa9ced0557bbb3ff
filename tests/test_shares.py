"""Long loops in parts: which ones may be, that nothing is done twice or left out, and that no bit depends on the threads."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradwright.compiler.build.lanes import in_lanes
from gradwright.compiler.driver import compile_model
from gradwright.compiler.loops.shares import shares
from gradwright.runtime import load
from test_headers import BUILDS, CC, compile_library

SIZES = (0, 1, 7, 511, 512, 513, 30_000, 100_003, 400_000)


def shared(text: str, kernel: str) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """What each loop of a kernel that may be run in parts sums, and what it reads of variables outside."""
    _, nests = compile_model(text, stop_after="loops").value
    (nest,) = [n for n in nests if n.kernel.name == kernel]
    return [(s.sums, s.reads) for s in shares(nest).values()]


def test_rounds_that_write_in_their_own_place_are_independent() -> None:
    assert shared("size N\ninput x[N], y[N]\noutput f = exp(x) * y\n", "forward") == [((), ())]
    assert shared("size N\ninput x[N, 3]\noutput f = softmax(x)\n", "forward") == [((), ())]


def test_sums_are_added_part_by_part() -> None:
    ((sums, reads),) = shared("size N\ninput x[N]\noutput f = sum(exp(x))\n", "forward")
    assert len(sums) == 1 and reads == ()
    ((sums, _),) = shared("size N\ninput x[N, 3]\noutput f = sum(exp(x))\n", "forward")
    assert len(sums) == 1


def test_strips_of_rows_are_shared_as_rows_are() -> None:
    assert shared(MODELS["net"], "forward") == [((), ())]


def test_a_number_from_before_the_loop_is_handed_over() -> None:
    found = shared("size N\ninput x[N]\noutput f = x - mean(x)\n", "forward")
    assert [len(sums) for sums, _ in found] == [1, 0] and [len(reads) for _, reads in found] == [0, 1]


@pytest.mark.parametrize(
    "formula",
    ["cumsum(x)", "max(x)", "argmax(x)"],
)
def test_rounds_that_need_one_another_stay_in_order(formula: str) -> None:
    assert shared(f"size N\ninput x[N]\noutput f = {formula}\n", "forward") == []


def added(text: str, kernel: str = "forward") -> list[tuple[str, ...]]:
    """The arrays that each loop of a kernel adds to part by part."""
    _, nests = compile_model(text, stop_after="loops").value
    (nest,) = [n for n in nests if n.kernel.name == kernel]
    return [s.arrays for s in shares(nest).values()]


def test_small_arrays_are_added_part_by_part() -> None:
    assert added("size N\ninput x[N, 50, 32]\noutput f = sum(exp(x), axis=(0, 1))\n") == [("f",)]
    assert added("size N\ninput x[N, 50, 32, 40]\noutput f = sum(exp(x), axis=(0, 1))\n") == [], "too much for each part to have"
    assert added("size N, M\ninput x[N, M]\noutput f = sum(exp(x), axis=0)\n") in ([], [()]), "nor is it known how much"
    assert added("size N\ninput x[N, 3]\noutput f = sum(exp(x), axis=0)\n") == [], "short rounds are not worth it"
    assert added(COLUMNS, "train") == [("d_b",)]


COLUMNS = "size N\ninput x[N, 64, 32]\nparam b[32] ~ normal(0, 1)\nminimize mean(softplus(x + b)**2)\n"


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_arrays_have_the_same_bits_with_any_number_of_threads(dtype: str) -> None:
    models = [load(COLUMNS, dtype=dtype, threads=t, name="shared_columns").Model(seed=1) for t in (1, 3)]
    plain = load(COLUMNS, dtype=dtype, backend="numpy", name="shared_columns").Model(seed=1)
    for n in (0, 1, 7, 33, 200):
        x = np.random.default_rng(n).normal(size=(n, 64, 32)).astype(dtype)
        if n:
            wanted = plain.value_and_grad(x=x)[1].b
        for _ in range(4):
            found = [model.value_and_grad(x=x)[1].b for model in models]
            np.testing.assert_array_equal(found[0], found[1])
            if n:
                np.testing.assert_allclose(found[0], wanted, rtol=2000 * np.finfo(dtype).eps)
        before = [model.theta.copy() for model in models]
        losses = [float(model.step("sgd", x=x)) for model in models] if n else [0.0]
        assert len(set(losses)) == 1
        np.testing.assert_array_equal(models[0].theta, models[1].theta)
        for model, theta in zip(models, before, strict=True):
            model.theta = theta


POOLED = """use layers
size N
input x[N, 8, 40, 40]
param b[8, 1, 1] ~ normal(0, 1)
h = tanh(x + b) |> max_pool2d(2)
minimize mean(sigmoid(h)**2)
"""


def test_what_lives_in_one_round_is_each_threads_own() -> None:
    _, nests = compile_model(POOLED, stop_after="loops").value
    (nest,) = [n for n in nests if n.kernel.name == "train"]
    assert any(s.own for s in shares(nest).values())


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_own_arrays_are_not_mixed_up(dtype: str) -> None:
    models = [load(POOLED, dtype=dtype, threads=t, name="shared_pooled").Model(seed=1) for t in (1, 3)]
    plain = load(POOLED, dtype=dtype, backend="numpy", name="shared_pooled").Model(seed=1)
    for n in (1, 2, 17, 64):
        x = np.random.default_rng(n).normal(size=(n, 8, 40, 40)).astype(dtype)
        wanted = plain.value_and_grad(x=x)[1].b
        for _ in range(6):
            found = [model.value_and_grad(x=x)[1].b for model in models]
            np.testing.assert_array_equal(found[0], found[1])
            np.testing.assert_allclose(found[0], wanted, rtol=2000 * np.finfo(dtype).eps)
            assert models[0].copy().step("sgd", x=x) == models[1].copy().step("sgd", x=x)


def test_what_a_row_finds_has_its_own_place() -> None:
    assert shared("size N\ninput x[N, 100]\noutput f = argmax(x, axis=1)\n", "forward") == [((), ())]


def test_short_loops_are_left_alone() -> None:
    assert shared("input x[1000]\noutput f = exp(x)\n", "forward") == []
    assert len(shared("input x[1000000]\noutput f = exp(x)\n", "forward")) == 1


MODELS = {
    "product": "size N\ninput x[N], y[N], z[N]\noutput f = (x + y) * z\nminimize sum(f)\ngradient loss wrt x, y, z\n",
    "neuron": "size N\ninput x[N, 2]\nparam w[3] ~ normal(0, 1)\n"
    "output f = sigmoid(w[0]*x[:, 0] + w[1]*x[:, 1] + w[2])\nminimize mean(f)\n",
    "chain": "size N\ninput x[N]\noutput f = sum(sigmoid(x) * tanh(x) + exp(-x * x))\n",
    "rows": "size N\ninput x[N, 5]\nindex y[N] < 5\nparam b[5] ~ normal(0, 1)\nminimize mean(softmax_cross_entropy(x + b, y))\n",
    "net": "size N\ninput x[N, 2]\nparam w[2, 5] ~ normal(0, 1)\nparam v[5] ~ normal(0, 1)\nh = tanh(x @ w)\n"
    "output f = sigmoid(h @ v)\ngradient f wrt x\n",
    "spread": "size N\ninput x[N]\noutput f = (x - mean(x)) / sqrt(mean((x - mean(x))**2) + 1e-3)\n",
}


def data(text: str, n: int, dtype: str) -> dict[str, Any]:
    rng = np.random.default_rng(n)
    given: dict[str, Any] = {"x": rng.normal(size=(n, 2) if "x[N, 2]" in text else (n, 5) if "x[N, 5]" in text else n)}
    given |= {name: rng.normal(size=n) for name in "yz" if f"{name}[N]" in text and "index" not in text}
    given = {name: value.astype(dtype) for name, value in given.items()}
    return given | ({"y": rng.integers(0, 5, n)} if "index" in text else {})


def everything(model: Any, given: dict[str, Any], up: dict[str, Any], wrt: str) -> list[Any]:
    out, gradients = model.value_and_grad(**given, **up)
    return [np.asarray(getattr(out, n)) for n in ("f", "loss") if hasattr(out, n)] + [np.asarray(gradients[n]) for n in wrt]


@pytest.mark.parametrize(("name", "dtype"), [
    pytest.param(name, "float64" if k % 2 else "float32", marks=pytest.mark.unoptimised if name in ("product", "neuron") else ())
    for k, name in enumerate(MODELS)
])  # fmt: skip
def test_same_bits_with_any_number_of_threads(name: str, dtype: str) -> None:
    text = MODELS[name]
    models = [load(text, dtype=dtype, threads=t, name=f"shared_{name}").Model(seed=1) for t in (1, 3)]
    plain = load(text, dtype=dtype, backend="numpy", name=f"shared_{name}").Model(seed=1)
    for n in SIZES[1:]:
        given = data(text, n, dtype)
        wrt = {"product": "xyz", "neuron": "w", "rows": "b"}.get(name, "x")
        up = {"upstream": np.ones(n, dtype)} if "minimize" not in text and "sum(" not in text else {}
        wanted = everything(plain, given, up, wrt)
        alone = everything(models[0], given, up, wrt)
        for model in models:
            for _ in range(3):  # a team is tried from the second call on
                for value, right, other in zip(everything(model, given, up, wrt), wanted, alone, strict=True):
                    np.testing.assert_array_equal(value, other)
                    # each term has a few roundings, and a sum of n those of its blocks: 64 and log n
                    bound = (200 + 4 * np.log2(n + 1)) * np.finfo(dtype).eps
                    scale = max(1.0, float(np.abs(right).max())) if value.shape else max(1.0, n * 1e-3, abs(float(right)))
                    np.testing.assert_allclose(value, right, rtol=bound, atol=bound * scale * 4)


SOURCE = """
#include "gradwright/share.h"
static void count(void** given, const ptrdiff_t* sizes, ptrdiff_t first, ptrdiff_t last, double* sums,
                  void* own) {
    (void)sizes;
    if (own) memset(own, 1, 100), ((char*)own)[99] = 2; /* each thread has as much as was asked for */
    sums[0] = 0, sums[1] = 0;
    for (ptrdiff_t k = first; k < last; k++) {
        ((int*)given[0])[k]++;
        sums[0] += 1, sums[1] += (double)k;
    }
    if (last > first && first % *(ptrdiff_t*)given[1]) sums[0] = -1e9;
}
void threads(int n) { gw_threads = n; }
void run(int* seen, ptrdiff_t n, ptrdiff_t work, ptrdiff_t block, double* sums) {
    void* given[2] = {seen, &block};
    gw_share(count, given, &n, n, work, block, sums, 2, 100);
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return compile_library(tmp_path_factory.mktemp("share"), "share", SOURCE, CC, BUILDS["plain"][1])


@pytest.mark.parametrize("block", [1, 512])
@pytest.mark.parametrize("work", [1, 40, 1_000_000])
def test_every_round_is_done_once(library: ctypes.CDLL, work: int, block: int) -> None:
    for threads in (1, 2, 3):
        library.threads(threads)
        for n in SIZES:
            seen, sums = np.zeros(n + 1, np.int32), np.full(2, np.nan)
            pointers = [ctypes.c_void_p(array.ctypes.data) for array in (seen, sums)]
            for turn in range(1, 4):
                library.run(pointers[0], *map(ctypes.c_ssize_t, (n, work, block)), pointers[1])
                assert (seen[:n] == turn).all() and seen[n] == 0
                assert sums[0] == n and sums[1] == n * (n - 1) / 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_goes_on_alone() -> None:
    model = load(MODELS["chain"], threads=2, name="shared_chain").Model()
    x = np.random.default_rng(0).normal(size=400_000)
    for _ in range(3):
        wanted = float(model.predict(x=x).f)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of threads, which is what this is about
        child = os.fork()
    if child == 0:
        import signal

        signal.alarm(20)
        os._exit(0 if all(float(model.predict(x=x).f) == wanted for _ in range(3)) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_the_parts_are_shown_in_the_module(tmp_path: Path) -> None:
    """Readable, and with the line of the model: who looks for a formula finds it in the part."""
    text = next(iter(compile_model(MODELS["chain"], stop_after="cython", name="chain").value.values()))
    assert "cdef void _value_and_grad_part1(" in text and "tanh_shared(x[n])" in text
    assert "share(_call_value_and_grad_part1" in text


def test_rows_take_their_largest_by_vectors() -> None:
    """A running maximum would be one comparison after the other; and a row is read along memory."""
    for columns, blocked in ((8, False), (64, True), (1000, True)):
        model = f"size N\ninput x[N, {columns}]\noutput f = logsumexp(x, axis=1)\n"
        code = next(iter(compile_model(model, stop_after="cython", name="rows").value.values()))
        assert ("block_max(" in code) == blocked
        assert f"x[{columns}*n + j]" in code.partition("for n in range(first, last)")[2]
        x = np.random.default_rng(0).normal(size=(50, columns)) * 100
        x[3, columns // 2], x[5], x[7, 1] = np.nan, -np.inf, np.inf
        found, wanted = (load(model, backend=b, name="rows").Model().predict(x=x).f for b in ("cython", "numpy"))
        np.testing.assert_allclose(found, wanted, rtol=1e-14)


def test_what_lies_together_is_summed_where_it_lies() -> None:
    """A copy of each block would be written for nothing; but what is read across rows, or changed later, is copied."""
    model = """\
size N
input x[N, 100], y[N]
output f = sum(x, axis=1) + max(x, axis=1)
output g = exp(y)
output h1 = sum(g)
output h2 = sum(y**2)
output h3 = sum(x[:, 3])
output h4 = sum(g * y)
output h5 = sum(abs(y))
"""
    code = next(iter(compile_model(model, stop_after="cython", name="lying").value.values())).partition("cdef void predict")[0]
    assert "block_sum(x + 100*n, 100)" in code and "block_max(x + 100*n, 100)" in code
    lying = r"squares\(y \+ n_start", r"absolutes\(y \+ n_start"
    for call in (r"sum\(g \+ n_start", *lying, r"dot\(g \+ n_start\w*, y \+ n_start"):
        assert re.search(rf"block_{call}\w*, n_count", code)
    assert "= x[100*n + 3]" in code
    rng = np.random.default_rng(0)
    for n in (0, 1, 513, 2000):
        given = {"x": rng.normal(size=(n, 100)), "y": rng.normal(size=n)}
        found, wanted = (load(model, backend=b, name="lying").Model().predict(**given) for b in ("cython", "numpy"))
        for name in ("f", "g", "h1", "h2", "h3", "h4", "h5"):
            np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=1e-12, atol=1e-12)


def test_sums_of_what_is_computed_are_taken_in_lanes() -> None:
    """Without writing down a block of terms: the C compiler is told that their order is free."""
    model = """\
dtype float32
size N, M, K
input x[N], z[N, M], y[K]
output f = sum(sigmoid(y) * y)
output g = x**2 + sum(tanh(z), axis=1)
output h = sum(g)
"""
    code = next(iter(compile_model(model, stop_after="cython", name="lanes").value.values()))
    predict, rest = code.split("cdef void _forward_part1", 1)
    assert all(re.search(r" _f\w*_block \+= ", part) for part in (predict, rest)) and "_block[512]" not in rest
    assert re.findall(r"\w+_block\[512\]", predict) == ["g_block[512]"]  # along the rows of z, which may be short
    rng = np.random.default_rng(0)
    for n, m in ((1, 0), (15, 1), (511, 2), (512, 600), (513, 1), (100_003, 1)):
        given = {name: rng.normal(size=(n, m) if name == "z" else n).astype("f") for name in "xyz"}
        found, wanted = (load(model, backend=b, name="lanes").Model().forward(**given) for b in ("cython", "numpy"))
        for name in "fgh":
            np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=3e-6, atol=1e-4)


def test_the_order_is_free_for_the_loop_that_adds_alone() -> None:
    loop = "for (__pyx_t_{0} = 0; __pyx_t_{0} < __pyx_t_9; __pyx_t_{0}+=1) {{"
    outer, first, second = (loop.format(k) for k in (1, 2, 3))
    text = f"""\
  {outer}
    {first}
      __pyx_v__f_block = (__pyx_v__f_block + gw_exp(__pyx_v_x));
      __pyx_v__g_block_2 = (__pyx_v__g_block_2 + __pyx_v_x);
    }}
    __pyx_v_f = (__pyx_v_f + __pyx_v__f_block);
    {second}
      __pyx_v_f_block = (__pyx_v_f_block + __pyx_v_x);
    }}
  }}
"""
    pragma = "#pragma omp simd reduction(+:__pyx_v__f_block, __pyx_v__g_block_2)\n"
    assert in_lanes(text) == text.replace(f"    {first}", f"{pragma}    {first}")


def test_sums_beside_what_rounds_have_in_common_are_taken_of_a_block() -> None:
    """Where two rounds may write at one place, their order is that of the text."""
    model = "size N, V = 3\nindex i[N] < V\nparam e[V]\nminimize sum(exp(e[i]))\n"
    code = next(iter(compile_model(model, stop_after="cython", name="common").value.values()))
    assert "loss_total_block[n_in] = " in code.partition("cdef void train")[2].partition("cdef void")[0]
    i = np.random.default_rng(0).integers(0, 3, 5000)
    module = load(model, name="common").Model()
    module.params["e"] = e = np.array([0.1, 0.2, 0.3])
    out, g = module.value_and_grad(i=i)
    np.testing.assert_allclose(g.e, np.bincount(i) * np.exp(e), rtol=1e-12)


def test_a_long_product_is_taken_in_vectors() -> None:
    """A short one is not, nor the products up to each place."""
    model = "size N, D\ninput x[N, D], y[N, 9]\noutput f = prod(x, axis=1)\noutput g = prod(1 + x**2, axis=1) + prod(y, axis=1)\n"
    code = next(iter(compile_model(model, stop_after="cython", name="factors").value.values()))
    assert re.search(r"f\[n\] \*= block_product\(x \+ D\*n \+ \w*_start", code) and "block_product(y" not in code
    assert "block_product(g_" in code
    rng = np.random.default_rng(0)
    for n, d in ((3, 0), (2, 1), (5, 63), (2, 1300)):
        given = {"x": rng.uniform(0.9, 1.1, (n, d)), "y": rng.normal(size=(n, 9))}
        found, wanted = (load(model, backend=b, name="factors").Model().predict(**given) for b in ("cython", "numpy"))
        for name in "fg":
            np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=1e-12)


def test_a_few_terms_are_summed_in_a_vector() -> None:
    """Of what lies together; not where the loop around runs along memory too, and has several sums in a vector."""
    model = """\
dtype float32
size N
input x[N, 9], w[9], z[N + 8]
output f1 = tanh(sum(x, axis=1))
output f2 = sum(x**2, axis=1)
output f3 = sum(abs(x), axis=1)
output f4 = x @ w
g[n] = sum(z[n + k] * w[k] for k) for n in range(N)
output g
"""
    code = next(iter(compile_model(model, stop_after="cython", name="few").value.values()))
    for call in ("sum(x + 9*n, 9)", "squares(x + 9*n, 9)", "absolutes(x + 9*n, 9)", "dot(x + 9*n, w, 9)"):
        assert f"short_{call}" in code
    assert "dot(z" not in code
    rng = np.random.default_rng(0)
    for n in (0, 1, 8, 100):
        given = {"x": rng.normal(size=(n, 9)), "w": rng.normal(size=9), "z": rng.normal(size=n + 8)}
        found, wanted = (load(model, backend=b, name="few").Model().predict(**given) for b in ("cython", "numpy"))
        for name in ("f1", "f2", "f3", "f4", "g"):
            np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=1e-5, atol=1e-5)


def test_results_that_somebody_holds_are_left_alone() -> None:
    """Large results are made in memory that the caller has let go of, never in what is still held, be it through a view."""
    model = load(MODELS["product"], name="shared_product").Model()
    rng = np.random.default_rng(0)
    held: list[tuple[Any, Any]] = []
    for k in range(6):
        n = 100_000 if k != 3 else 90_000
        x, y, z = rng.normal(size=(3, n))
        out, gradients = model.value_and_grad(x=x, y=y, z=z)
        view = gradients.z[::2] if k % 2 else gradients.z
        del gradients
        held.append((view, (x + y)[::2] if k % 2 else x + y))
        for kept, wanted in held:
            np.testing.assert_array_equal(kept, wanted)
    held.clear()
    for _ in range(3):
        out, gradients = model.value_and_grad(x=x, y=y, z=z)
        gradients.x.flags.writeable = False  # a result that must not be written again
        np.testing.assert_array_equal(gradients.x, z)


def test_results_that_nobody_holds_give_their_memory_to_the_next() -> None:
    model = load(MODELS["product"], name="shared_product").Model()
    x = np.ones(100_000)
    places = set()
    for _ in range(6):
        out, gradients = model.value_and_grad(x=x, y=x, z=x)
        places |= {gradients[name].ctypes.data for name in "xyz"} | {out.f.ctypes.data}
    assert len(places) == 8  # the results that are held while the next are made, and these


def test_a_light_model_with_a_loss_takes_value_and_gradient_in_one_go() -> None:
    def kernels(text: str) -> list[str]:
        return [kernel.name for kernel in compile_model(text, stop_after="gradients").value.kernels]

    assert "value_and_grad" in kernels(MODELS["product"]) and "value_and_grad" in kernels(MODELS["neuron"])
    heavy = "size N\ninput x[N, 5]\nparam W[5, 2] ~ normal(0, 1)\noutput f = x @ W\nminimize mean(f**2)\n"
    assert "value_and_grad" not in kernels(heavy)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_part_reads_what_the_kernel_itself_has_written(level: int) -> None:
    """A value has one pointer, in the kernel as in the parts of its loops: the C compiler may take two for two places."""
    text = """size N
input x[N]
scan i in reversed(range(N)) recompute:
    scan j in range(N):
        carry c = 0.25
        c = c * x[j]
    emit cs = c
n[row] = cs[2*row]
output out = n[::2]
"""
    x = np.array([0.5, 0.7, -0.9])
    model = load(text, optimize=level, name=f"one_pointer_{level}").Model()
    np.testing.assert_allclose(model.predict(x=x).out, [0.25 * x.prod()], rtol=1e-14)


# ---------------------------------------------------------------- the team behind it


def helpers() -> int:
    """The threads of this process that no Python code started."""
    return len(os.listdir("/proc/self/task")) - threading.active_count()


def with_a_team(model: Any, given: dict[str, Any], first: int) -> Any:
    """Call until the team was there: at the second call, but for a machine on which it has just been lost by."""
    until = time.monotonic() + 60
    found = model.predict(**given).f
    while helpers() == first and time.monotonic() < until:
        found = model.predict(**given).f
    return found


TEAM = """
import os, sys, threading, time
import numpy as np
sys.path[:0] = [{folder!r}]
from gradwright.runtime import load
from test_shares import MODELS, data, helpers, with_a_team
"""


def alone(tmp_path: Path, text: str) -> None:
    """In a process of its own, whose threads are known."""
    program = TEAM.format(folder=str(Path(__file__).parent)) + textwrap.dedent(text) + "\nprint('done')"
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout == "done\n", done.stderr


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
def test_all_modules_share_one_team_that_sleeps(tmp_path: Path) -> None:
    alone(
        tmp_path,
        """
        given = data(MODELS["chain"], 400_000, "float64")
        first = helpers()
        modules = [load(MODELS[name], threads=2, name=f"shared_{name}") for name in ("chain", "spread")]
        values = [with_a_team(modules[0].Model(), given, first)]
        assert helpers() == first + 1
        for module in modules:
            for _ in range(20):
                module.Model().predict(**given)
        text = "dtype float64\\nsize N, D = 200\\ninput x[N, D]\\nparam W[D, D] = 1\\noutput f = x @ W\\n"
        large = load(text, threads=2, name="large")
        for _ in range(20):
            large.Model().predict(x=np.ones((200, 200)))
        assert helpers() == first + 1
        before = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - before < 0.1, "idle"
        """,
    )


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
def test_two_models_at_once(tmp_path: Path) -> None:
    """One has the team, the other runs alone: both get the bits that they get by themselves."""
    alone(
        tmp_path,
        """
        model = load(MODELS["neuron"], threads=2, name="shared_neuron")
        x = {k: np.random.default_rng(k).normal(size=(400_000, 2)) for k in range(4)}
        def train(k, results):
            net = model.Model(seed=k)
            for _ in range(30):
                net.step("sgd", x=x[k])
            results[k] = net.theta.tobytes()
        right, found = {}, {}
        for k in range(4):
            train(k, right)
        threads = [threading.Thread(target=train, args=(k, found)) for k in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert found == right and len(set(right.values())) == 4
        """,
    )


def test_what_is_added_to_where_an_index_says_is_no_sum_of_the_loop() -> None:
    """Of one element a gradient is both: scattered to where it was read, and added up."""
    text = "size N\nparam w[1] = 0.5\ninput x[N]\nindex y[N] < 1\na = abs(w - x)\noutput f = sum(w[y] * a)\n"
    model = load(text + "gradient f wrt w", name="scattered_and_summed").Model()
    x = np.linspace(-1, 2, 5)
    found = model.value_and_grad(x=x, y=np.zeros(5, int))[1].w
    np.testing.assert_allclose(found, [abs(0.5 - x).sum() + 0.5 * np.sign(0.5 - x).sum()], rtol=1e-13)
