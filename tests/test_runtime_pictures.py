"""Pictures hold what they say; drawn without a screen."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from gradwright.runtime import ArgumentError, MissingError, ShapeError, load
from gradwright.runtime.history import History

pytestmark = pytest.mark.unoptimised

XOR = "size N, H = 4\ninput x[N, 2], y[N, 1]\nparam W[2, H] ~ normal(0, 1)\nparam V[H, 1] ~ normal(0, 1)\n" \
      "output p = sigmoid(tanh(x @ W) @ V)\nminimize mean(binary_cross_entropy(p, y))\n"  # fmt: skip


@pytest.fixture
def plt() -> Iterator[Any]:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def history() -> History:
    found = History()
    found.columns = {"loss": [4.0, 1.0, 0.1], "val_loss": [5.0, 2.0, 1.0], "accuracy": [0.1, 0.5, 0.9]}
    return found


def test_a_history(plt: Any) -> None:
    ax = history().plot()
    assert [line.get_label() for line in ax.lines] == ["loss", "val_loss"]
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[1, 4], [2, 1], [3, 0.1]])
    assert ax.get_yscale() == "log"
    (line,) = history().plot("accuracy").lines
    np.testing.assert_array_equal(line.get_ydata(), [0.1, 0.5, 0.9])
    assert history().plot("accuracy", ax=ax) is ax
    with pytest.raises(ArgumentError, match="accuracy"):
        history().plot("acuracy")
    History().plot()


def test_the_line_of_a_linear_model_is_where_it_is(plt: Any) -> None:
    from gradwright.runtime.pictures import decision_boundary

    text = "size N\ninput a[N], b[N], y[N]\nparam w = 2\nparam c = -1\noutput z = w * a - b + c\nminimize mse(z, y)\n"
    model = load(text, backend="numpy").Model()
    ax = decision_boundary(model, limits=((-1, 1), (-4, 2)), points=61)
    (zero,) = [c for c in ax.collections if len(c.get_paths()) == 1 and list(getattr(c, "levels", ())) == [0.0]]
    points = zero.get_paths()[0].vertices
    np.testing.assert_allclose(points[:, 1], 2 * points[:, 0] - 1, atol=1e-9)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("a", "b")


def test_boundaries_of_arrays_and_classes(plt: Any) -> None:
    from gradwright.runtime.pictures import decision_boundary

    x = np.random.default_rng(0).normal(size=(20, 2))
    decision_boundary(load(XOR, backend="numpy").Model(), x, np.arange(20) % 2).figure.canvas.draw()
    text = "size N\ninput x[N, 2]\nindex y[N] < 3\nparam W[2, 3] ~ normal(0, 1)\noutput s = x @ W\n" \
           "minimize mean(softmax_cross_entropy(s, y))\n"  # fmt: skip
    decision_boundary(load(text, backend="numpy").Model(), x, np.arange(20) % 3).figure.canvas.draw()


def test_points_have_the_colour_of_the_region_where_they_are_right(plt: Any) -> None:
    from gradwright.runtime.pictures import decision_boundary

    text = "size N\ninput x[N, 2]\nparam W[2, 3] = [[0, 2, 2], [0, 1, -1]]\noutput s = x @ W\n"
    x = np.array([[-1.0, 0], [1, 1], [1, -1]])
    labels = np.array([0, 1, 2])
    ax = decision_boundary(load(text, backend="numpy").Model(), x, labels)
    regions, points = ax.collections[0], ax.collections[-1]
    ax.figure.canvas.draw()
    for k in labels:
        np.testing.assert_allclose(regions.get_facecolor()[k][:3], points.get_facecolor()[k][:3])
    assert len({tuple(colour) for colour in points.get_facecolor()}) == 3


def test_what_has_no_boundary(plt: Any) -> None:
    from gradwright.runtime.pictures import decision_boundary

    model = load(XOR, backend="numpy").Model()
    three = load(XOR.replace("x[N, 2]", "x[N, 3]").replace("W[2", "W[3"), backend="numpy").Model()
    with pytest.raises(ArgumentError, match="two columns"):
        decision_boundary(three, np.ones((3, 2)))
    with pytest.raises(ArgumentError, match="limits"):
        decision_boundary(model)
    with pytest.raises(ShapeError, match=r"x: expected points \[N, 2\]"):
        decision_boundary(model, np.ones((3, 3)))
    with pytest.raises(ArgumentError, match="no output 'q'"):
        decision_boundary(model, np.ones((3, 2)), output="q")


def test_templates_are_the_columns(plt: Any) -> None:
    from gradwright.runtime.pictures import templates

    weights = np.random.default_rng(0).normal(size=(12, 5))
    figure = templates(weights, (3, 4), titles="abcde", columns=2)
    drawn = [ax for ax in figure.axes if ax.images]
    assert [ax.get_title() for ax in drawn] == list("abcde")
    for k, ax in enumerate(drawn):
        np.testing.assert_array_equal(ax.images[0].get_array(), weights[:, k].reshape(3, 4))
    assert len([ax for ax in templates(np.ones((12, 5)), (2, 2, 3)).axes if ax.images]) == 5
    assert templates(np.ones((2, 3, 4, 4)), (4, 4)).axes[0].images[0].get_array().shape == (4, 4, 3)
    assert len([ax for ax in templates(np.ones((12, 5)), (3, 4), most=3).axes if ax.images]) == 3
    with pytest.raises(ShapeError, match="12 rows"):
        templates(np.ones((5, 5)), (3, 4))


def test_a_function_and_its_gradient(plt: Any) -> None:
    from gradwright.runtime.pictures import function_and_gradient

    at = np.linspace(-3, 3, 13)
    ax = function_and_gradient(load("input x, a\noutput f = a * tanh(x)\n", backend="numpy").Model(), "x", at, a=2.0)
    lines = {line.get_label(): line.get_ydata() for line in ax.lines}
    np.testing.assert_allclose(lines["f"], 2 * np.tanh(at), rtol=1e-14)
    np.testing.assert_allclose(lines["d f / d x"], 2 - 2 * np.tanh(at) ** 2, rtol=1e-12, atol=1e-15)
    vector = load("size N\ninput x[N]\noutput f = sum(x**2)\n", backend="numpy").Model()
    lines = {line.get_label(): line.get_ydata() for line in function_and_gradient(vector, "x", at).lines}
    np.testing.assert_allclose(lines["d f / d x"], 2 * at, rtol=1e-14)
    with pytest.raises(ArgumentError, match="no scalar or vector input 'q'"):
        function_and_gradient(vector, "q", at)


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingError, match=r"gradwright\[plot\]"):
        history().plot()


def test_matplotlib_comes_only_when_it_draws() -> None:
    code = "import sys; import gradwright.runtime.pictures, gradwright.runtime.training; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
