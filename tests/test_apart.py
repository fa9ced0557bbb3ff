"""Loops of which the C compiler is told that their rounds do not touch one another."""

from __future__ import annotations

import numpy as np
import pytest
from gradwright.compiler.build.apart import told_apart
from gradwright.compiler.build.compile import translate
from gradwright.compiler.driver import compile_model
from gradwright.runtime import load

PRAGMA = "#pragma GCC ivdep\n"
IMAGES = """\
use layers
size N, Y = 8
input x[N, 2, Y, Y]
index y[N] < 3
h = x |> conv2d(4, kernel=3, pad=1) as one |> relu |> max_pool2d(2) |> conv2d(16, kernel=3, pad=1) as two |> relu |> max_pool2d(2)
output scores = h |> flatten |> dense(3) as head
minimize mean(softmax_cross_entropy(scores, y))
"""


def function(body: str, rounds: str = "16", setting: str = "") -> str:
    """A function of three arrays, a and b in one piece of memory and c in another, with a loop over k."""
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    return f"""\
static void __pyx_f_1m_f(float *__pyx_v_work, float *__pyx_v_out, Py_ssize_t __pyx_v_N) {{
  float __pyx_v_two[2];
  __pyx_v_a = __pyx_v_work;
  __pyx_v_b = (__pyx_v_work + (64 * __pyx_v_N));
  __pyx_v_c = __pyx_v_out;
{setting}  for (__pyx_t_1 = 0; __pyx_t_1 < {rounds}; __pyx_t_1+=1) {{
    __pyx_v_k = __pyx_t_1;
{lines}  }}
}}
"""


def told(body: str, rounds: str = "16", setting: str = "") -> bool:
    text = function(body, rounds, setting)
    found = told_apart(text)
    assert found in (text, text.replace("  for", f"{PRAGMA}  for"))
    return found != text


COPY = "(__pyx_v_a[__pyx_v_k]) = (__pyx_v_b[__pyx_v_k]);"


@pytest.mark.parametrize("body", [
    COPY,
    "(__pyx_v_a[__pyx_v_k]) = ((__pyx_v_a[__pyx_v_k]) + (__pyx_v_b[0]));",
    "(__pyx_v_a[((64 * __pyx_v_n) + __pyx_v_k)]) = (__pyx_v_b[__pyx_v_i[__pyx_v_k]]);",
    "__pyx_t_2 = __pyx_v_k;\n(__pyx_v_a[__pyx_t_2]) = ((__pyx_v_a[__pyx_t_2]) + (__pyx_v_b[__pyx_v_k]));",
    "(__pyx_v_a[__pyx_v_k]) = (__pyx_v_b[__pyx_v_k]);\n(__pyx_v_a[(__pyx_v_k + 16)]) = (__pyx_v_b[__pyx_v_k]);",
    "(__pyx_v_a[(2 * __pyx_v_k)]) = 0.0;\n(__pyx_v_a[((2 * __pyx_v_k) + 1)]) = (__pyx_v_b[__pyx_v_k]);",
    "(__pyx_v_two[0]) = (__pyx_v_b[__pyx_v_k]);\n(__pyx_v_a[__pyx_v_k]) = (__pyx_v_two[0]);",
    "__pyx_t_3 = (__pyx_v_x < 0);\nif (__pyx_t_3) {\n  (__pyx_v_a[__pyx_v_k]) = (__pyx_v_b[__pyx_v_k]);\n} else {\n}",
    "__pyx_v_n = (__pyx_v_s + __pyx_v_k);\n(__pyx_v_a[((8 * __pyx_v_n) + 1)]) = (__pyx_v_b[((8 * __pyx_v_n) + 1)]);",
    "/* __pyx_v_a[0] is read, f(__pyx_v_a) is called */\n" + COPY,
])  # fmt: skip
def test_a_loop_that_writes_at_a_place_of_its_own_in_each_round(body: str) -> None:
    assert told(body)


@pytest.mark.parametrize("body", [
    "(__pyx_v_a[(__pyx_v_k + 1)]) = ((__pyx_v_a[__pyx_v_k]) + (__pyx_v_b[__pyx_v_k]));",  # the round before wrote it
    "(__pyx_v_a[__pyx_v_k]) = ((__pyx_v_a[(__pyx_v_k + 15)]) + (__pyx_v_b[__pyx_v_k]));",
    "(__pyx_v_a[__pyx_v_k]) = ((__pyx_v_a[(__pyx_v_k + __pyx_v_N)]) + (__pyx_v_b[__pyx_v_k]));",
    "(__pyx_v_a[__pyx_v_k]) = ((__pyx_v_a[(2 * __pyx_v_k)]) + (__pyx_v_b[__pyx_v_k]));",
    "(__pyx_v_a[0]) = ((__pyx_v_a[0]) + (__pyx_v_b[__pyx_v_k]));",  # a sum
    "(__pyx_v_a[(__pyx_v_k * __pyx_v_N)]) = (__pyx_v_b[__pyx_v_k]);",  # a step that may be 0
    "(__pyx_v_a[(__pyx_v_n - (__pyx_v_k - __pyx_v_k))]) = (__pyx_v_b[__pyx_v_k]);",
    "(__pyx_v_a[(__pyx_v_k / 2)]) = (__pyx_v_b[__pyx_v_k]);",
    "(__pyx_v_a[__pyx_v_i[__pyx_v_k]]) = (__pyx_v_b[__pyx_v_k]);",  # found at run time
    "(__pyx_v_a[__pyx_v_k]) = gw_sum(__pyx_v_a, (__pyx_v_b[__pyx_v_k]));",  # read elsewhere
    f"{COPY}\ngw_sum(__pyx_v_b);",
    f"{COPY}\nif (__pyx_t_3) {{\n  goto __pyx_L5_break;\n}}",
    "__pyx_v_m = (__pyx_v_m - 1);\n(__pyx_v_a[(__pyx_v_k + __pyx_v_m)]) = (__pyx_v_b[__pyx_v_k]);",  # the same in each round
    "(__pyx_v_a[(__pyx_v_k + __pyx_v_m)]) = (__pyx_v_b[__pyx_v_k]);\n__pyx_v_m = __pyx_v_j;",
    "(__pyx_v_two[__pyx_v_j]) = (__pyx_v_b[__pyx_v_k]);\n(__pyx_v_a[__pyx_v_k]) = (__pyx_v_two[__pyx_v_j]);",
    "(__pyx_v_two[0]) = gw_of(&(__pyx_v_two[0]), __pyx_v_two);\n(__pyx_v_a[__pyx_v_k]) = (__pyx_v_b[__pyx_v_k]);",
    "(__pyx_v_a[__pyx_v_k]) = (__pyx_v_c[__pyx_v_k]);",  # what the C compiler knows itself
    "(__pyx_v_c[__pyx_v_k]) = ((__pyx_v_a[__pyx_v_k]) + (__pyx_v_b[__pyx_v_k]));",
])  # fmt: skip
def test_a_loop_that_may_touch_what_another_round_writes(body: str) -> None:
    assert not told(body)


def test_how_far_apart_depends_on_the_number_of_rounds() -> None:
    body = "(__pyx_v_a[__pyx_v_k]) = ((__pyx_v_a[(__pyx_v_k + 0x40)]) + (__pyx_v_b[__pyx_v_k]));"
    assert told(body, "0x40") and not told(body, "65") and not told(body, "__pyx_t_9")


def test_sums_keep_their_own_pragma_and_outer_loops_have_none() -> None:
    assert not told(COPY, setting="#pragma omp simd reduction(+:__pyx_v__f_block)\n")
    inner = COPY.replace("_k", "_l")
    text = function(f"for (__pyx_t_2 = 0; __pyx_t_2 < 4; __pyx_t_2+=1) {{\n  __pyx_v_l = __pyx_t_2;\n  {inner}\n}}")
    assert told_apart(text) == text.replace("    for", f"{PRAGMA}    for")


@pytest.mark.parametrize("count", [1, 3])
def test_a_model_of_images_has_such_loops_and_computes_the_same(count: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    text = compile_model(IMAGES, stop_after="cython", name="images").text
    made = told_apart(translate("images", text, tmp_path_factory.mktemp("images")).read_text(encoding="utf-8"))
    assert made.count(PRAGMA) >= 4
    rng = np.random.default_rng(count)
    given = {"x": rng.normal(size=(count, 2, 8, 8)), "y": rng.integers(0, 3, size=count)}
    found, wanted = (load(IMAGES, backend=backend, name="images").Model() for backend in ("cython", "numpy"))
    found.theta[:] = wanted.theta[:] = rng.normal(size=wanted.theta.size)
    (out, gradient), (other, expected) = found.value_and_grad(**given), wanted.value_and_grad(**given)
    np.testing.assert_allclose(out.scores, other.scores, rtol=1e-10)
    for name in ("one.W", "one.b", "two.W", "two.b", "head.W", "head.b"):
        np.testing.assert_allclose(gradient[name], expected[name], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.predict(x=given["x"]).scores, other.scores, rtol=1e-10)
