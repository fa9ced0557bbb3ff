"""Parameters that move by their gradients: each once, in stretches that a team of threads shares, with the bits of one thread."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from gradwright.compiler import driver
from gradwright.runtime.optimizers import Adam
from test_headers import BUILDS, CC, compile_library

SOURCE = """
#include "gradwright/move.h"
static int pieces;
static void rule(ptrdiff_t number, void* w_, const void* g_, void** states, const double* hypers, double t, ptrdiff_t count) {
    double *w = w_, *m = states[0];
    const double* g = g_;
    for (ptrdiff_t k = 0; k < count; k++) m[k] += g[k], w[k] -= hypers[0] * m[k] / t + (double)number;
    __atomic_fetch_add(&pieces, 1, __ATOMIC_SEQ_CST);
}
int run(int order, double* w, const double* g, double* m, const int64_t* places, const double* hypers, ptrdiff_t groups,
        ptrdiff_t count) {
    void* state[1] = {m};
    gw_move_rule step = {rule, 3, 1, groups, 1, (char*)w, state, places, hypers, 7};
    gw_threads = 2;
    pieces = 0;
    gw_team_tell(order);
    gw_move_f64(&step, w, g, count);
    gw_team_tell(0);
    return pieces;
}
int alone = GW_ALONE, together = GW_TOGETHER, stretch = GW_MOVE_STRETCH, shared = GW_MOVE_SHARED;
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return compile_library(tmp_path_factory.mktemp("move"), "move", SOURCE, CC, BUILDS["plain"][1])


def moved(library: ctypes.CDLL, order: str, count: int, groups: list[tuple[int, int]]) -> tuple[int, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(count)
    w, g, m = rng.normal(size=(3, count))
    places, hypers = np.array(groups, np.int64), np.linspace(0.1, 0.5, len(groups))
    data = [ctypes.c_void_p(a.ctypes.data) for a in (w, g, m, places, hypers)]
    told = ctypes.c_int.in_dll(library, order).value
    pieces = library.run(told, *data, ctypes.c_ssize_t(len(groups)), ctypes.c_ssize_t(count))
    return pieces, w, m


@pytest.mark.parametrize("extra", [-1, 0, 1, 16385, 200_001])
@pytest.mark.parametrize("grouped", [False, True])
def test_a_team_moves_each_parameter_once(library: ctypes.CDLL, extra: int, grouped: bool) -> None:
    """Groups may leave parameters out, and end within a stretch."""
    shared = ctypes.c_int.in_dll(library, "shared").value
    count = shared + extra
    groups = [(0, 5), (5, 40_000), (40_007, count - 40_007)] if grouped else [(0, count)]
    alone, *by_one = moved(library, "alone", count, groups)
    together, *by_two = moved(library, "together", count, groups)
    assert alone == len(groups) and (together > alone) == (extra >= 0)
    for one, two in zip(by_one, by_two, strict=True):
        np.testing.assert_array_equal(one, two)
    w, g, m = np.random.default_rng(count).normal(size=(3, count))
    rates = np.linspace(0.1, 0.5, len(groups))
    for (first, length), rate in zip(groups, rates, strict=True):
        part = slice(first, first + length)
        m[part] += g[part]
        w[part] -= rate * m[part] / 7 + 3
    np.testing.assert_allclose(by_two[0], w, rtol=1e-15, atol=1e-15)
    np.testing.assert_array_equal(by_two[1], m)


@pytest.mark.parametrize("clip", [0.0, 0.5])
def test_a_large_model_learns_the_same_bits_with_any_number_of_threads(clip: float) -> None:
    """With the rule within the kernel, and behind it, where the whole gradient is needed first."""
    text = "size N\ninput x[N, 300]\nparam W[300, 301] ~ normal\noutput y = tanh(x @ W)\nminimize mean(y)\n"
    x = np.random.default_rng(0).normal(size=(4, 300))
    found = []
    for threads in (1, 2):
        model = driver.load(text, name="large", threads=threads, dtype="float32").Model(seed=0)
        rule = Adam(lr=0.01)
        model.fit({"x": np.tile(x, (30, 1))}, rule, batch_size=4, shuffle=False, clip_norm=clip)
        found.append(model.theta.copy())
    np.testing.assert_array_equal(*found)
