"""log gamma and its derivatives against mpmath, in Python and as compiled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from gradwright.runtime import special
from support.models import build
from support.modules import build_modules

RNG = np.random.default_rng(5)
DRAWN = (10 ** RNG.uniform(-8, 8, 150), RNG.uniform(0, 12, 150), RNG.uniform(1.3, 1.6, 60))
POSITIVE = np.concatenate([*DRAWN, [0.5, 1, 2, 3, 170]])
NEGATIVE = -RNG.uniform(0, 6, 100)


def exact(name: str, x: float) -> Any:
    with mpmath.workdps(40):
        z = mpmath.mpf(x)
        if name == "lgamma":
            return mpmath.log(abs(mpmath.gamma(z)))
        return mpmath.psi(int(name[-1]), z)


def check(name: str, xs: Any, got: Any, ulp: float, relative: bool) -> None:
    for x, y in zip(xs, got, strict=True):
        want = exact(name, float(x))
        scale = abs(want) if relative else max(abs(want), 1)
        assert abs(mpmath.mpf(float(y)) - want) <= ulp * 2.0**-52 * scale, (name, x, y)


FUNCTIONS = {"lgamma": special.lgamma, **{f"psi{n}": lambda x, n=n: special.polygamma(n, x) for n in (0, 1, 2, 3, 7)}}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_in_python(name: str) -> None:
    check(name, POSITIVE, [FUNCTIONS[name](x) for x in POSITIVE.tolist()], 8, name != "lgamma")
    check(name, NEGATIVE, [FUNCTIONS[name](x) for x in NEGATIVE.tolist()], 40, False)


def test_compiled(tmp_path: Path) -> None:
    calls = {"lgamma": "lgamma(x)", "psi0": "digamma(x)", "psi1": "polygamma(1, x)", "psi3": "polygamma(3, x)"}
    text = "size N\ninput x[N]\n" + "\n".join(f"output {n} = {c}" for n, c in calls.items())
    (built,) = build_modules([build(text)], [{}], tmp_path)
    for module in (built.compiled, built.numpy):
        for name in calls:
            check(name, POSITIVE, getattr(module.Model().forward(x=POSITIVE), name), 8, name != "lgamma")
            check(name, NEGATIVE, getattr(module.Model().forward(x=NEGATIVE), name), 40, False)


def test_edges() -> None:
    assert all(np.isnan(f(x)) for f in (special.digamma, lambda x: special.polygamma(2, x)) for x in (np.nan, 0.0, -1.0, -30.0))
    assert special.digamma(np.inf) == np.inf and special.polygamma(1, np.inf) == 0
    assert special.lgamma(0.0) == np.inf and special.lgamma(-3.0) == np.inf and special.lgamma(1e308) == np.inf
