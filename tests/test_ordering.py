"""Models that sort, compiled: ranks come from a kernel of their own, which a module declares where it uses it."""

from __future__ import annotations

import numpy as np
import pytest
from gradwright.compiler.driver import compile_model
from gradwright.runtime import load

TEXT = """size N, K = 6
input x[N, K]
output s = sort(x, axis=1)
output t = top_k(x, 2, axis=1)
minimize sum(s * [1, 2, 3, 4, 5, 6]) + sum(t)
gradient loss wrt x
"""


def test_the_kernel_is_declared_where_it_is_used() -> None:
    text = compile_model(TEXT, stop_after="cython", name="ordered").text
    assert text.index('cdef extern from "gradwright/order.h"') < text.index("ctypedef double real") < text.index(" rank(6, ")
    assert "order.h" not in compile_model("input x[3]\noutput f = sum(x)\n", stop_after="cython", name="plain").text


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_sorted_and_the_largest(dtype: str) -> None:
    model = load(TEXT, dtype=dtype, optimize=0, name=f"ordered_{dtype}").Model()
    for rows in (0, 1, 5):
        x = np.random.default_rng(rows).normal(size=(rows, 6)).astype(dtype)
        out, g = model.value_and_grad(x=x)
        np.testing.assert_array_equal(out.s, np.sort(x, axis=1))
        np.testing.assert_array_equal(out.t, -np.sort(-x, axis=1)[:, :2])
        place = np.argsort(np.argsort(x, axis=1), axis=1)
        np.testing.assert_array_equal(g.x, place + 1 + (place >= 4))


@pytest.mark.parametrize("backend", ["cython", "numpy"])
def test_equals_are_ranked_apart_where_a_formula_could_be_written_another_way(backend: str) -> None:
    """The ranks read the values themselves, on both sides of a comparison: rounded in two ways, equals lost their places."""
    r = "tanh(x) - (-(0.3 * log(sigmoid(tanh(x))) + 0.7 * log(1 - sigmoid(tanh(x))))) / 1.5"
    for x in ([0.3, 0.3, 0.3], [0.3, 0.3, -0.2], [0.9, 0.3, 0.3, 0.9]):
        model = f"input x[{len(x)}]\nr = {r}\noutput r\noutput best = top_k(r, 2, axis=0)\n"
        found = load(model, name="equals", backend=backend).Model().forward(x=np.array(x))
        np.testing.assert_array_equal(found.best, np.sort(found.r)[::-1][:2])
