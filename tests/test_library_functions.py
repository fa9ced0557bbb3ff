"""The library's functions of numbers beside 50 digits: values, first and second derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from gradwright.compiler.language.syntax import Def
from gradwright.compiler.library import tree
from gradwright.runtime import load
from support import settings

mp: Any = mpmath.mp
EPS = np.finfo(np.float64).eps
BACKENDS = ("cython", "numpy")

# Of one number: what it is, points, and roundings of the value that are allowed.
ONE: dict[str, tuple[Callable[[Any], Any], list[float], float]] = {
    "asinh": (mpmath.asinh, [-1e300, -1e9, -3.0, -1e-9, 0.0, 1e-300, 0.5, 7.0, 1e20], 2),
    "acosh": (mpmath.acosh, [1 + 1e-9, 1.5, 20.0, 1e9, 1e300], 2),
    "atanh": (mpmath.atanh, [-0.999, -0.5, -1e-9, 0.0, 1e-20, 0.3, 0.9999], 2),
    "log2": (lambda x: mpmath.log(x, 2), [1e-300, 0.3, 3.0, 7.1, 1e300], 2),
    "log10": (mpmath.log10, [1e-300, 0.3, 3.0, 7.1, 1e300], 2),
    "exp2": (lambda x: mpmath.mpf(2) ** x, [-1000.0, -0.5, 0.0, 0.3, 1000.0], 2),
    "cbrt": (lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)), [-27.0, -1e-30, 8.0, 2.0, 1e300, 1000.0], 2),
    "logit": (lambda p: mpmath.log(p) - mpmath.log1p(-p), [1e-100, 0.2, 0.7, 1 - 1e-9], 4),
}
TWO: dict[str, tuple[Callable[[Any, Any], Any], list[tuple[float, float]]]] = {
    "hypot": (lambda a, b: mpmath.sqrt(a * a + b * b),
              [(3, 4), (1e200, 1e200), (-3e-200, 4e-200), (0, 5), (5, 0), (2, 2), (-2, 2)]),
    "logaddexp": (lambda a, b: mpmath.log(mpmath.exp(a) + mpmath.exp(b)), [(0, 0), (1, -2), (800, 799), (-800, -800), (5, 5)]),
    "xlogy": (lambda x, y: x * mpmath.log(y), [(2, 3), (0.5, 1e-300), (0, 3), (-1, 0.5)]),
}  # fmt: skip


def slope(function: Callable[[Any], Any], x: float, order: int = 1) -> float:
    mp.dps = 60
    return float(mpmath.diff(function, mpmath.mpf(x), order, h=mpmath.mpf(10) ** -15 * (abs(mpmath.mpf(x)) or 1)))


def test_every_function_is_compared() -> None:
    assert {*ONE, *TWO} == {s.name.id for s in tree("functions").statements if isinstance(s, Def)}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ONE)
def test_a_function_of_one_number(name: str, backend: Any) -> None:
    exact, points, roundings = ONE[name]
    text = f"size N\ninput x[N]\noutput y = {name}(x)\noutput d = diff(y, x)\noutput dd = diff(d, x)\n"
    out = load(text, name=f"function_{name}", backend=backend, optimize=settings.little()).Model().predict(x=points)
    mp.dps = 60
    wanted = np.array([float(exact(mpmath.mpf(x))) for x in points])
    np.testing.assert_allclose(out.y, wanted, rtol=roundings * EPS, atol=0)
    np.testing.assert_allclose(out.d, [slope(exact, x) for x in points], rtol=1e-12, atol=1e-300)
    near = np.abs(points) < 1e100  # of what is further away the second derivative leaves the range of numbers
    np.testing.assert_allclose(out.dd[near], [slope(exact, x, 2) for x in np.array(points)[near]], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", TWO)
def test_a_function_of_two_numbers(name: str, backend: Any) -> None:
    exact, points = TWO[name]
    text = f"input a, b\noutput y = {name}(a, b)\noutput da = diff(y, a)\noutput db = diff(y, b)\noutput daa = diff(da, a)\n" \
           "output dab = diff(da, b)\n"  # fmt: skip
    model = load(text, name=f"function_{name}", backend=backend, optimize=settings.little()).Model()
    for a, b in points:
        out = model.predict(a=a, b=b)
        mp.dps = 60
        assert out.y == pytest.approx(float(exact(mpmath.mpf(a), mpmath.mpf(b))), rel=4 * EPS, abs=0)
        assert out.da == pytest.approx(slope(lambda t, b=b: exact(t, mpmath.mpf(b)), a), rel=1e-12, abs=1e-15)
        assert out.db == pytest.approx(slope(lambda t, a=a: exact(mpmath.mpf(a), t), b), rel=1e-12, abs=1e-15)
        if 1e-100 < abs(a) + abs(b) < 1e100 and min(abs(b), 1) > 1e-100:
            assert out.daa == pytest.approx(slope(lambda t, b=b: exact(t, mpmath.mpf(b)), a, 2), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_logarithms_of_powers_are_whole(backend: Any) -> None:
    model = load("size N\ninput x[N]\noutput a = log2(x)\noutput b = log10(x)\n", name="powers", backend=backend).Model()
    n = np.arange(-20, 21)
    assert (model.predict(x=2.0**n).a == n).all()
    n = np.arange(0, 23)
    assert (model.predict(x=[float(f"1e{k}") for k in n]).b == n).all()


def test_what_is_at_the_origin() -> None:
    text = "input a, b\noutput h = hypot(a, b)\noutput x = xlogy(a, b)\n"
    out, g = load(text, name="origin", backend="numpy").Model().value_and_grad(a=0.0, b=0.0)
    assert (out.h, out.x, g.h.a, g.h.b, g.x.a, g.x.b) == (0, 0, 0, 0, 0, 0)
