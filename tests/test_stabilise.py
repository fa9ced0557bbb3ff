"""Naive formulas are safe: value and gradient, at the ends of the range and under rewritings that keep the algebra."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import mpmath
import numpy as np
import pytest
from gradwright.compiler.derive.catalogue import Rewriter
from gradwright.compiler.derive.formula import parse
from gradwright.compiler.derive.normal import Forms
from gradwright.compiler.derive.reverse import Seed, differentiate
from gradwright.compiler.graph import expr as E
from gradwright.compiler.graph.ir import Access, Eqn, Gather, Graph, Ix, Value, at, fixed, quotient, remainder
from gradwright.compiler.graph.shapes import Dim
from gradwright.compiler.meaning.interpret import run
from gradwright.compiler.meaning.verify import verify
from gradwright.compiler.passes import dce, recognise, stabilise
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit, log_softmax, logsumexp, softmax
from support.formulas import Builder, rewritten

N, C = Dim.of("N"), Dim.of("C")
Array = NDArray[np.float64]


def both(graph: Graph) -> Graph:
    for step in (recognise.run, stabilise.run):
        graph = step(graph)
        verify(graph, step.__module__)
    return graph


def gradient(graph: Graph, wrt: str, inputs: dict[str, Array]) -> tuple[dict[str, Array], Array]:
    """All values, and the gradient of ``loss``."""
    back = differentiate(graph, "loss", (wrt,), Seed(None))
    values = run(back.graph, inputs)
    return values, values[back.adjoints[0]]


def equation(graph: Graph, name: str) -> Eqn:
    (found,) = [e for e in graph.eqns if isinstance(e, Eqn) and e.out.name == name]
    return found


# ---------------------------------------------------------------- scalar formulas


@pytest.mark.parametrize(("text", "wanted"), [
    ("log(sigmoid($0))", "-softplus(-$0)"),
    ("log(1 - sigmoid($0))", "-softplus($0)"),
    ("log(1/(1 + exp(-$0)))", "-softplus(-$0)"),
    ("-($1*log(sigmoid($0)) + (1 - $1)*log(1 - sigmoid($0)))", "softplus($0) - $0 * $1"),
    ("-$1*log(sigmoid($0)) - (1 - $1)*log(1 - sigmoid($0)) + $2", "softplus($0) - $0 * $1 + $2"),
    ("$1*softplus(-$0) + (1 - $1)*softplus($0)", "softplus($0) - $1 * $0"),
    ("log(sigmoid($0)/(1 - sigmoid($0)))", "$0"),
    ("log(exp($0))", "$0"),
    ("log(exp($0) + exp($1))", "$1 + softplus($0 - $1)"),
    ("softplus($0) - softplus(-$0)", "$0"),
    ("sqrt($0*$0 + $1*$1)**2", "$0 * $0 + $1 * $1"),
    ("sqrt($0*$0 + 1)*sqrt($0*$0 + 1)", "$0 * $0 + 1"),
    ("sqrt($0*$0)", "abs($0)"),
    ("sqrt($0)**2", "sqrt($0)**2"),
    ("sqrt($0*$0 + 1)**2*$1", "($0 * $0 + 1) * $1"),
    ("($1/sqrt($0*$0 + 1))**2", "($1 / sqrt($0 * $0 + 1))**2"),
    ("($1*$2/sqrt($0*$0 + 1))**2", "($1 * $2 / sqrt($0 * $0 + 1))**2"),
    ("exp($0)*($1*$2/$3)**2*$4/(1 + exp($0))", "sigmoid($0) * ($1 * $2 / $3)**2 * $4"),
    ("log(1 + tanh($0))", "log1p(tanh($0))"),
    ("log(sigmoid($0) + 1e-8)", "log(sigmoid($0) + 1e-8)"),
])  # fmt: skip
def test_scalar_rules(text: str, wanted: str) -> None:
    gates = Rewriter(Forms())(parse(text))
    assert str(Rewriter(Forms(), stable=True)(gates)) == wanted


FAR = np.array([-1000.0, -745.5, -40.0, -36.9, -3.0, -1e-9, 0.0, 1e-9, 0.3, 2.0, 36.9, 37.5, 500.0, 1000.0])


@pytest.mark.parametrize(("text", "exact"), [
    ("1/(1 + exp(-x))", lambda x: 1 / (1 + mpmath.exp(-x))),
    ("log(1 + exp(x))", lambda x: mpmath.log1p(mpmath.exp(x))),
    ("log(1/(1 + exp(-x)))", lambda x: -mpmath.log1p(mpmath.exp(-x))),
    ("log(1 - 1/(1 + exp(-x)))", lambda x: -mpmath.log1p(mpmath.exp(x))),
    ("log(sigmoid(x))", lambda x: -mpmath.log1p(mpmath.exp(-x))),
    ("log(1 - sigmoid(x))", lambda x: -mpmath.log1p(mpmath.exp(x))),
    ("x*exp(x)/(1 + exp(x))", lambda x: x / (1 + mpmath.exp(-x))),
    ("(exp(x) - exp(-x))/(exp(x) + exp(-x))", mpmath.tanh),
    ("log(exp(x) + exp(2*x))", lambda x: x + mpmath.log1p(mpmath.exp(x))),
])  # fmt: skip
def test_naive_formulas_are_right_to_a_few_ulp_and_their_gradients_finite(text: str, exact: object) -> None:
    assert callable(exact)
    b = Builder(Value("x", (N,)))
    b.formula("f", text, x="x")
    b.reduction("loss", "+", "f")
    values, slope = gradient(both(b.graph("loss", "f")), "x", {"x": FAR})
    with mpmath.workdps(500):
        for x, f, d in zip(FAR, values["f"], slope, strict=True):
            wanted, rate = exact(mpmath.mpf(x)), mpmath.diff(exact, mpmath.mpf(x))
            assert abs(f - wanted) <= 6 * 2.0**-52 * abs(wanted) + 5e-308, x
            # a product with x carries the error of the other factor times x, while that factor is not exactly 0 or 1
            assert abs(d - rate) <= 4 * 2.0**-52 * max(1, abs(rate), abs(x) if abs(x) < 40 else 0), x


SPELLED = ("1/(1 + exp(-z))", "exp(z)/(1 + exp(z))", "0.5*(1 + tanh(z/2))", "1 - 1/(1 + exp(z))", "sigmoid(z)")
ENTROPY = ("-(y*log(p) + (1 - y)*log(1 - p))", "-y*log(p) - (1 - y)*log(1 - p)", "y*-log(p) + (1 - y)*-log(1 - p)",
           "-log(1 - p) - y*(log(p) - log(1 - p))", "-log(1 - p) - y*log(p/(1 - p))")  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(SPELLED), st.sampled_from(ENTROPY), st.integers(0, 5), st.integers(0, 6), st.integers(0, 10**6))
def test_the_cross_entropy_of_a_sigmoid(gate: str, loss: str, first: int, second: int, seed: int) -> None:
    rng = Random(seed)
    b = Builder(Value("x", (N,)), Value("w", (N,)), Value("y", (N,)))
    b.formula("z", "x*w + 0", x="x", w="w")
    b.formula("p", rewritten(parse(gate), rng, first), z="z")
    b.formula("l", rewritten(parse(loss), rng, second), p="p", y="y")
    b.reduction("loss", "+", "l")
    z = np.repeat(FAR, 3)
    y = np.tile([0.0, 1.0, 0.25], len(FAR))
    values, slope = gradient(both(b.graph("loss", "p")), "x", {"x": z, "w": np.ones_like(z), "y": y})
    assert np.allclose(values["l"], np.logaddexp(0, z) - y * z, rtol=1e-14, atol=1e-13)
    assert np.allclose(slope, expit(z) - y, rtol=0, atol=4e-16)


def test_the_cross_entropy_reads_the_names_that_are_there() -> None:
    b = Builder(Value("x", (N,)), Value("y", (N,)))
    b.formula("z", "2*x + 1", x="x")
    b.formula("p", "1/(1 + exp(-z))", z="z")
    b.formula("l", "-(y*log(p) + (1 - y)*log(1 - p))", p="p", y="y")
    after = dce.run(both(b.graph("l", "p")))
    found = equation(after, "l_t7")  # one operation an equation: the sum, before its sign
    assert str(found.body) == "$0 * $1 - softplus($1)" and [a.value for a in found.args] == ["y", "z"]
    assert found.origin.rule == "stabilise" and found.origin.note.endswith(" is y * z - softplus(z)")
    assert [e.out.name for e in after.eqns if isinstance(e, Eqn)] == ["z_t1", "z", "p", "l_t7", "l"]
    whole = next(e for e in b.eqns if e.out.name == "l")
    entropy = parse("-($1*log($0) + (1 - $1)*log(1 - $0))")
    one = replace(whole, args=(Access("p", (at("i0"),)), Access("y", (at("i0"),))), body=entropy)
    graph = b.graph("l", "p")
    after = dce.run(both(graph.with_eqns((*(e for e in graph.eqns if not e.out.name.startswith("l")), one))))
    found = equation(after, "l")
    assert str(found.body) == "softplus($0) - $1 * $0" and [a.value for a in found.args] == ["z", "y"]
    assert found.origin.note == "-(y * log(p) + (1 - y) * log(1 - p)) is softplus(z) - y * z"


# ---------------------------------------------------------------- sums of exponentials


def label(axes: str = "i0") -> Ix:
    return Ix(((Gather("y", (at(axes),)), Dim.of(1)),))


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.booleans(), st.sampled_from(["softmax", "lse", "log", "onehot"]),
       st.sampled_from([1.0, 1e4]))  # fmt: skip
def test_the_cross_entropy_of_a_softmax_by_hand(seed: int, keep: bool, shift: bool, form: str, scale: float) -> None:
    rng = Random(seed)
    source = np.random.default_rng(seed)
    n, c = 4, 5
    x, y = source.normal(size=(n, c)) * scale, source.integers(0, c, n)

    def row(name: str) -> Access:
        return Access(name, (at("i0"), fixed(0)) if keep else (at("i0"),))

    b = Builder(Value("x", (N, C)), Value("y", (N,), "int"), Value("t", (N, C)))
    u = "x"
    if shift:
        b.reduction("m", "max", "x", keep)
        u = b.formula("u", rewritten(parse("x - m"), rng, rng.randrange(3)), x="x", m=row("m"))
    b.formula("e", rewritten(parse("exp(u)"), rng, rng.randrange(2)), u=u)
    b.reduction("s", "+", "e", keep)
    if form == "softmax":
        quotient = rng.choice(["e/s", "e*(1/s)", "exp(u)/s"])
        b.formula("p", rewritten(parse(quotient), rng, rng.randrange(4)), e="e", s=row("s"), u=u)
        if rng.random() < 0.5:
            b.move("q", (C, N), Access("p", (at("i1"), at("i0"))))
            b.move("g", (N,), Access("q", (label(), at("i0"))))
        else:
            b.move("g", (N,), Access("p", (at("i0"), label())))
        b.formula("l", rewritten(parse("-log(g)"), rng, rng.randrange(3)), g="g")
    elif form == "lse":
        b.formula("a", rewritten(parse("log(s)"), rng, rng.randrange(3)), s="s")
        b.move("g", (N,), Access(u, (at("i0"), label())))
        b.formula("l", rewritten(parse("a - g"), rng, rng.randrange(3)), a=row("a"), g="g")
    elif form == "log":
        b.formula("k", rewritten(parse("log(e/s)"), rng, rng.randrange(4)), e="e", s=row("s"))
        b.move("g", (N,), Access("k", (at("i0"), label())))
        b.formula("l", "-g", g="g")
    else:
        b.formula("k", rewritten(parse("-t*log(e/s)"), rng, rng.randrange(4)), t="t", e="e", s=row("s"))
        b.reduction("l", "+", "k")
    b.reduction("loss", "+", "l")
    onehot = np.eye(c)[y]
    values, slope = gradient(both(b.graph("loss")), "x", {"x": x, "y": y, "t": onehot})
    assert np.allclose(values["l"], -log_softmax(x, axis=1)[np.arange(n), y], rtol=1e-11, atol=1e-12 * scale)
    assert np.allclose(slope, softmax(x, axis=1) - onehot, rtol=1e-9, atol=1e-11)


def test_a_softmax_by_hand_is_one_exponential_over_a_log_sum_exp() -> None:
    b = Builder(Value("x", (N, C)))
    b.reduction("m", "max", "x", keep=True)
    b.formula("e", "exp(x - m)", x="x", m=Access("m", (at("i0"), fixed(0))))
    b.reduction("s", "+", "e", keep=True)
    b.formula("p", "e/s", e="e", s=Access("s", (at("i0"), fixed(0))))
    after = dce.run(both(b.graph("p")))
    names = [e.out.name for e in after.eqns if isinstance(e, Eqn)]
    assert names == ["s_lse", "p"]
    assert equation(after, "s_lse").reduce == "lse" and [a.value for a in equation(after, "s_lse").args] == ["x"]
    assert str(equation(after, "p").body) == "exp($0 - $1)"
    assert equation(after, "p").origin.note == "e / s is exp(x - s_lse)"


def test_what_is_asked_of_the_sum_itself_stays() -> None:
    b = Builder(Value("x", (N, C)))
    b.formula("e", "exp(x)", x="x")
    b.reduction("s", "+", "e")
    b.formula("l", "log(s)", s="s")
    b.formula("f", "s*2 + l", s="s", l="l")
    after = dce.run(both(b.graph("f")))
    assert [e.out.name for e in after.eqns if isinstance(e, Eqn)] == ["e", "s", "s_lse", "l", "f_t1", "f"]
    x = np.array([[1.0, 2.0], [-3.0, 0.5]])
    assert np.allclose(run(after, {"x": x})["f"], 2 * np.exp(x).sum(1) + logsumexp(x, axis=1), rtol=1e-15)
    plain = Builder(Value("x", (N, C)))
    plain.formula("e", "exp(x)", x="x")
    plain.reduction("s", "+", "e")
    plain.formula("f", "s - 1", s="s")
    graph = plain.graph("f")
    assert stabilise.run(graph) is graph


def test_means_of_exponentials_and_sums_of_two() -> None:
    b = Builder(Value("x", (N, Dim.of(3))), Value("z", (N, Dim.of(3))))
    b.formula("e", "exp(x)", x="x")
    b.formula("h", "7*exp(z)", z="z")
    b.reduction("s", "+", "e")
    b.reduction("r", "+", "h")
    b.formula("f", "log(s/3)", s="s")
    b.formula("g", "log(s + r)", s="s", r="r")
    b.formula("q", "s/(s + r)", s="s", r="r")
    after = both(b.graph("f", "g", "q"))
    x = np.random.default_rng(0).normal(size=(4, 3))
    for scale in (1.0, 1e4):
        found = run(after, {"x": x * scale, "z": -x * scale})
        whole = np.logaddexp(logsumexp(x * scale, axis=1), logsumexp(-x * scale, axis=1) + np.log(7))
        assert np.allclose(found["f"], logsumexp(x * scale, axis=1) - np.log(3), rtol=1e-14)
        assert np.allclose(found["g"], whole, rtol=1e-14)
        assert np.allclose(found["q"], np.exp(logsumexp(x * scale, axis=1) - whole), rtol=1e-9)


def test_through_a_reshape() -> None:
    b = Builder(Value("x", (Dim.of(6), Dim.of(4))))
    b.formula("e", "exp(x)", x="x")
    b.reduction("s", "+", "e")
    b.formula("p", "e/s", e="e", s=Access("s", (at("i0"),)))
    extents = {"i0": Dim.of(2), "i1": Dim.of(3), "i2": Dim.of(4)}
    flat = at("i0").scale(Dim.of(12)) + at("i1").scale(Dim.of(4)) + at("i2")
    b.move("r", (2, 3, 4), Access("p", (quotient(flat, Dim.of(4), extents), remainder(flat, Dim.of(4), extents))))
    b.formula("l", "log(r)", r="r")
    after = dce.run(both(b.graph("l")))
    x = np.random.default_rng(1).normal(size=(6, 4)) * 1e4
    assert np.allclose(run(after, {"x": x})["l"], log_softmax(x, axis=1).reshape(2, 3, 4), rtol=1e-12, atol=1e-8)
    assert [e.out.name for e in after.eqns if isinstance(e, Eqn)] == ["s_lse", "l"]


def test_one_log_sum_exp_serves_a_sum_and_the_users_own() -> None:
    b = Builder(Value("x", (N, C)))
    b.reduction("own", "lse", "x")
    b.formula("e", "exp(x)", x="x")
    b.reduction("s", "+", "e")
    b.formula("p", "e/s", e="e", s=Access("s", (at("i0"),)))
    b.formula("l", "log(s) - own", s="s", own="own")
    after = dce.run(both(b.graph("p", "l")))
    assert [e.out.name for e in after.eqns if isinstance(e, Eqn) and e.reduce == "lse"] == ["own"]
    assert equation(after, "l").body is E.ZERO


# ---------------------------------------------------------------- roots and variances


def test_a_norm_squared_has_a_gradient_at_zero() -> None:
    b = Builder(Value("x", (C,)))
    b.formula("q", "x**2", x="x")
    b.reduction("s", "+", "q")
    b.formula("n", "sqrt(s)", s="s")
    b.formula("loss", "n**2", n="n")
    after = both(b.graph("loss"))
    for x in (np.zeros(3), np.array([3.0, -4.0, 0.0])):
        values, slope = gradient(after, "x", {"x": x})
        assert values["loss"] == x @ x and np.array_equal(slope, 2 * x)


VARIANCES = ("a/3 - (s/3)**2", "a/3 - (s/3)*(s/3)", "(a - s*s/3)/3", "-((s/3)**2 - a/3)", "(3*a - s**2)/9", "a/3 - s**2/9")


@pytest.mark.parametrize("text", VARIANCES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_variance_by_moments_does_not_cancel(text: str, seed: int) -> None:
    rng = Random(seed)
    b = Builder(Value("x", (N, Dim.of(3))))
    b.formula("q", rng.choice(["x**2", "x*x", "square(x)"]), x="x")
    b.reduction("a", "+", "q")
    b.reduction("s", "+", "x")
    b.formula("v", rewritten(parse(text), rng, 1) if seed else text, a="a", s="s")
    b.formula("r", "sqrt(v + 1e-9)", v="v")
    b.reduction("loss", "+", "r")
    after = both(b.graph("loss", "v"))
    x = 1e7 + np.random.default_rng(seed).normal(size=(5, 3))
    values, slope = gradient(after, "x", {"x": x})
    assert np.allclose(values["v"], x.var(axis=1), rtol=1e-8)
    centred = x - x.mean(axis=1, keepdims=True)
    assert np.allclose(slope, centred / 3 / np.sqrt(x.var(axis=1, keepdims=True) + 1e-9), rtol=1e-6, atol=1e-7)


def test_the_pass_changes_nothing_that_it_need_not() -> None:
    b = Builder(Value("x", (N, C)), Value("w", (N, C)))
    b.formula("h", "tanh(x*w) + sigmoid(x)*exp(w)", x="x", w="w")
    b.reduction("s", "+", "h")
    b.formula("f", "log(s) + sqrt(s) + s**2", s="s")
    graph = b.graph("f")
    assert stabilise.run(graph) is graph
    b = Builder(Value("x", (N,)))
    b.formula("f", "log(sigmoid(x))", x="x")
    once = stabilise.run(b.graph("f"))
    assert stabilise.run(once) is once


@pytest.mark.parametrize("keep", [True, False])
def test_a_maximum_added_again_cancels(keep: bool) -> None:
    def row(name: str) -> Access:
        return Access(name, (at("i0"), fixed(0)) if keep else (at("i0"),))

    b = Builder(Value("x", (N, C)))
    b.reduction("m", "max", "x", keep)
    b.formula("e", "exp(x - m)", x="x", m=row("m"))
    b.reduction("s", "+", "e", keep)
    b.formula("l", "log(s) + m", s="s", m="m")
    after = dce.run(both(b.graph("l")))
    assert [e.out.name for e in after.eqns if isinstance(e, Eqn)] == ["s_lse", "l"]
    x = np.random.default_rng(2).normal(size=(3, 4)) * 1e4
    assert np.array_equal(run(after, {"x": x})["l"].ravel(), logsumexp(x, axis=1))
