"""``diff`` of arrays wants what is made of x point by point: where that is proved, and what is said where it is not so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gradwright.compiler import driver
from gradwright.compiler.language.diagnostics import Diagnostic, ModelError
from gradwright.runtime import load

ALL = "this is made of all places along the axis"


def found(text: str, folder: Path) -> tuple[list[Diagnostic], str]:
    path = folder / "model.gw"
    path.write_text(text, encoding="utf-8")
    try:
        result = driver.check_model(str(path))
    except ModelError as error:
        return [d for d in error.diagnostics if d.is_error], str(error)
    return [d for d in result.diagnostics if d.is_error], ""


@pytest.mark.parametrize(("lines", "why", "line"), [
    (("u = x - mean(x)",), ALL, 3),
    (("u = x * max(x)",), ALL, 3),
    (("u = cumsum(x)",), ALL, 3),
    (("u[i] = sum(x[i]*x[j] for j)",), "this puts two places of the axis together", 3),
    (("h = x**2", "u = h * h[0]"), "this reads place 0 for all", 4),
    (("u = roll(x, 1) * x",), "for place i this reads place (i + N - 1) % (N)", 3),
    (("u = x[::-1]",), "for place i this reads place (-1)*i + N - 1", 3),
    (("u[n] = x[k[n]]",), "this reads places that are found at run time", 3),
    (("u = sort(x)",), "this is written to other places than it is read from", 3),
    (("scan t in range(N):", "    carry c = 0", "    c = 0.5*c + x[t]", "    emit u = c"),
     "each step of this loop hands something on to the next", 3),
    (("scan t in range(3):", "    carry u = x", "    u = u - mean(u)"), ALL, 5),
])  # fmt: skip
def test_what_is_not_point_by_point(lines: tuple[str, ...], why: str, line: int, tmp_path: Path) -> None:
    """The error stands at the derivative, and a label where other places come in."""
    text = "\n".join(["size N", "input x[N]", *lines, "index k[N] < N", "output d = diff(u, x)"])
    if "k[n]" in text:
        text = text.replace("index k[N] < N\n", "").replace("u[n]", "index k[N] < N\nu[n]")
        line += 1
    (error,), _ = found(text + "\n", tmp_path)
    assert (error.code, error.message) == ("E274", "u is not made of x point by point")
    assert error.span.line == text.count("\n") + 1
    assert [(label.span.line, label.text) for label in error.labels[:-1]] == [(line, why)]


def test_two_axes(tmp_path: Path) -> None:
    """Each of the axes that both have is one along which it must be so."""
    text = "size N, M\ninput x[N, M]\nu = {}\noutput d = diff(u, x)\n"
    assert not found(text.format("x**2"), tmp_path)[0]
    (error,), shown = found(text.format("softmax(x)"), tmp_path)
    assert error.labels[-1].text == "this takes each place along axis 1 of x by itself" and "axis 0" not in shown
    text = "size N\ninput x[N, N]\nu = x.T\noutput d = diff(u, x)\n"
    (error,), _ = found(text, tmp_path)
    assert "the places of u along this axis are those of x along another" in error.labels[-1].text


def test_what_it_says(tmp_path: Path) -> None:
    _, shown = found("size N\ninput x[N, 2]\nh = x - mean(x, axis=0)\noutput d = diff(exp(h), x)\n", tmp_path)
    assert shown.strip().replace(f"{tmp_path}/", "") == """\
error[E274]: exp(h) is not made of x point by point
  --> model.gw:4:12
   |
 3 | h = x - mean(x, axis=0)
   |         ^^^^^^^^^^^^^^^ this is made of all places along the axis
 4 | output d = diff(exp(h), x)
   |            ^^^^^^^^^^^^^^^ this takes each place along axis 0 of x by itself
   = help: for every place of the one and of the other: jacobian(exp(h), x); for the sum of all: diff(sum(exp(h)), x)"""


@pytest.mark.parametrize("u", [
    "tanh(x @ w)", "softmax(x) @ w", "sum(x**2, axis=1)", "reshape(x, N, 1, 3)[:, 0] @ w", "where(x > mean(x), x, -x) @ w",
    "(x - stop_gradient(mean(x))) @ w", "concat(x, x**2, axis=1)[:, 2] * x[:, 0]", "(x / norm(x, axis=1, keepdims=True)) @ w",
    "diff(sum(x**3), x)[:, 1]", "floor(sum(x)) * x[:, 0]", "jacobian(x[:, 0]**2, w)[:, 0] + x[:, 1]", "sum(x * x.T.T, axis=1)",
])  # fmt: skip
def test_what_is_proved(u: str, tmp_path: Path) -> None:
    """Rows of a batch stay rows through all of these, and a derivative of a sum of rows is one of rows again."""
    text = f"size N\ninput x[N, 3], w[3]\nu = {u}\noutput d = diff(u, x)\n"
    if "jacobian" in u:
        text = text.replace("x[:, 0]**2, w", "x @ w, w")
    errors, shown = found(text, tmp_path)
    assert not errors, shown


def test_in_a_loop(tmp_path: Path) -> None:
    """Newton's method of many numbers at once; and what a step makes of x[t] alone."""
    text = """\
size N
input a[N]
scan k in range(60):
    carry x = 1 + a
    f = x**3 + x - a
    x = x - f / diff(f, x)
output root = x
output slope = diff(root, a)
"""
    assert not found(text, tmp_path)[0]
    (step, slope), _ = found(text.replace("- a\n", "- mean(x) * a\n"), tmp_path)
    assert step.span.line == 6 and slope.span.line == 8
    assert step.labels[0] == slope.labels[0] and step.labels[0].text == ALL
    a = np.array([0.3, 1.5, 7.0])
    out = load(text, backend="numpy").Model().predict(a=a)
    np.testing.assert_allclose(out.slope, 1 / (3 * out.root**2 + 1), rtol=1e-12)
    alone = "size T\ninput x[T, 2]\nscan t in range(T):\n    carry n = 0\n    n = n + 1\n    emit u = sum(x[t]**2)\n" \
            "output d = diff(u, x)\n"  # fmt: skip
    errors, shown = found(alone, tmp_path)
    assert not errors, shown
