"""Local derivatives: proved again, written with the output, safe in branches, and asked of SymPy only when nobody knows."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import mpmath
import numpy as np
import pytest
from gradwright.compiler import driver
from gradwright.compiler.derive import scalar
from gradwright.compiler.derive.formula import FormulaError, parse
from gradwright.compiler.derive.partials import partials
from gradwright.compiler.graph import expr as E
from gradwright.compiler.graph.expr import OUT, Expr, arg, call, make
from gradwright.runtime import load, special
from hypothesis import given, settings
from hypothesis import strategies as st
from support.answers import functions

# ---------------------------------------------------------------- an arithmetic of our own, at 50 digits


def _choose(c: Any, a: Any, b: Any) -> Any:
    return a if c != 0 else b


PRECISE: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
    "neg": lambda a: -a, "pow": lambda a, b: a**b, "square": lambda a: a * a, "abs": abs, "sign": mpmath.sign,
    "floor": mpmath.floor, "max": max, "min": min, "where": _choose, "lt": lambda a, b: a < b, "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b, "eq": lambda a, b: a == b, "ne": lambda a, b: a != b,
    "and": lambda a, b: a != 0 and b != 0, "or": lambda a, b: a != 0 or b != 0, "not": lambda a: a == 0,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)), "softplus": lambda x: mpmath.log(1 + mpmath.exp(x)),
    "log1p": mpmath.log1p, "expm1": mpmath.expm1, "sqrt": mpmath.sqrt, "exp": mpmath.exp, "log": mpmath.log,
    **{n: getattr(mpmath, n) for n in ("sin", "cos", "tan", "tanh", "sinh", "cosh", "asin", "acos", "atan", "atan2", "erf")},
    "lgamma": mpmath.loggamma, "digamma": mpmath.digamma, "polygamma": lambda n, x: mpmath.psi(int(n), x),
}  # fmt: skip


def exact(body: Expr, values: Mapping[int, Any], out: Any = None) -> Any:
    def leaf(node: Expr) -> Any:
        if node.op == "arg":
            assert isinstance(node.value, int)
            return values[node.value]
        if node is OUT:
            return out
        if node is E.PI:
            return +mpmath.pi
        assert node.number is not None
        return mpmath.mpf(node.number.numerator) / node.number.denominator

    return E.evaluate(body, leaf, PRECISE)


def slope(body: Expr, values: Mapping[int, Any], k: int) -> Any:
    """The derivative by mpmath's own differences."""
    return mpmath.diff(lambda x: exact(body, {**values, k: x}), values[k])


def in_doubles(body: Expr, values: Mapping[int, float], out: float = math.nan) -> float:
    """Ordinary arithmetic with C's rules: no exceptions, NaN and infinity instead."""
    import numpy as np

    def leaf(node: Expr) -> Any:
        if node.op == "arg":
            assert isinstance(node.value, int)
            return np.float64(values[node.value])
        return np.float64(out if node is OUT else math.pi if node is E.PI else float(node.number or Fraction(0)))

    functions: dict[str, Any] = {
        "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "neg": np.negative, "pow": np.float_power,
        "square": np.square, "abs": np.abs, "sign": np.sign, "floor": np.floor, "max": np.maximum, "min": np.minimum,
        "where": lambda c, a, b: a if c != 0 else b, "lt": np.less, "le": np.less_equal, "gt": np.greater,
        "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal, "and": np.logical_and, "or": np.logical_or,
        "not": np.logical_not, "sigmoid": lambda x: np.exp(-np.logaddexp(0, -x)), "softplus": lambda x: np.logaddexp(0, x),
        "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2, "erf": lambda x: math.erf(x),
        "lgamma": special.lgamma, "digamma": special.digamma, "polygamma": special.polygamma,
        **{n: getattr(np, n) for n in ("exp", "log", "log1p", "expm1", "sqrt", "sin", "cos", "tan", "tanh", "sinh", "cosh")},
    }  # fmt: skip
    with np.errstate(all="ignore"):
        return float(E.evaluate(body, leaf, functions))


# ---------------------------------------------------------------- the committed answers


KEPT = functions()
POINTS = ("-7.5", "-2", "-0.9", "-0.35", "0.02", "0.4", "0.77", "1.3", "6", "19")


@pytest.mark.parametrize(("name", "body"), KEPT, ids=[str(b) for _, b in KEPT])
def test_the_committed_answer_is_right_to_fifty_digits(name: str, body: Expr) -> None:
    answer = scalar.known(body, name)
    assert answer is not None, "run tests/support/answers.py"
    rng = Random(0)
    tried = 0
    with mpmath.workdps(60):
        for _ in range(30):
            values = {k: mpmath.mpf(rng.choice(POINTS)) for k in E.arguments(body)}
            try:
                value = exact(body, values)
                wanted = [slope(body, values, k) for k in range(len(answer.slopes))]
            except (ValueError, ZeroDivisionError):
                continue
            if isinstance(value, mpmath.mpc) or any(isinstance(w, mpmath.mpc) for w in wanted):
                continue
            tried += 1
            for s, w in zip(answer.slopes, wanted, strict=True):
                for form in (s.chosen, s.simplified, s.with_output or s.chosen):
                    got = exact(form, values, value)
                    assert abs(got - w) <= mpmath.mpf(10) ** -45 * max(1, abs(w)), (form, values)
    assert tried >= 3


def test_answers_are_what_sympy_says_today() -> None:
    for name in ("sigmoid", "sqrt"):
        body = call(name, arg(0))
        fresh = scalar.derive(body, name)
        known = scalar.known(body, name)
        assert known is not None
        assert [s.chosen for s in fresh.slopes] == [s.chosen for s in known.slopes]


@pytest.mark.parametrize(("name", "wanted"), [
    ("exp", "out"), ("sigmoid", "out * (1 - out)"), ("tanh", "1 - out**2"), ("sqrt", "1 / (2 * out)"), ("tan", "out**2 + 1"),
    ("expm1", "out + 1"), ("softplus", "sigmoid($0)"), ("log", "1 / $0"), ("square", "2 * $0"), ("sin", "cos($0)"),
])  # fmt: skip
def test_primitives_are_written_with_their_output_where_that_is_cheaper(name: str, wanted: str) -> None:
    assert scalar.primitive(name) == (parse(wanted),)


@pytest.mark.parametrize(("text", "wanted"), [
    ("$0/sqrt(1 + $0**2)", "(1 - out**2)**(3/2)"),
    ("3/(1 + exp(-2*$0))", "2 * out * (3 - out) / 3"),
    ("exp(-$0*$0)", "-2 * $0 * out"),
    ("1/(1 + $0*$0)", "-2 * $0 * out**2"),
])  # fmt: skip
def test_a_gate_that_nobody_prepared_is_written_with_its_output(text: str, wanted: str) -> None:
    body = parse(text)
    (s,) = scalar.derive(body, "mine").slopes
    assert s.uses_output and "50 digits" in s.proof and "symbolic" in s.proof
    with mpmath.workdps(50):
        for x in (mpmath.mpf("-1.7"), mpmath.mpf("0.3"), mpmath.mpf("2.25")):
            y = exact(body, {0: x})
            assert abs(exact(s.chosen, {0: x}, y) - exact(parse(wanted), {0: x}, y)) < mpmath.mpf(10) ** -45
    assert scalar.cost(s.chosen) <= scalar.cost(parse(wanted)) + 2


@pytest.mark.parametrize("name", scalar.PRIMITIVES)
def test_chosen_forms_are_right_to_a_few_eps_at_the_edges(name: str) -> None:
    if name == "atan2":
        pytest.skip("two arguments: the proof at fifty digits covers it")
    body = call(name, arg(0))
    (form,) = scalar.primitive(name)
    for x in (-800.0, -40.0, -1e-8, 0.0, 1e-300, 1e-8, 0.5, 0.999999999, 1.0, 5.0, 20.0, 37.0, 800.0):
        with mpmath.workdps(60):
            try:
                y, wanted = exact(body, {0: mpmath.mpf(x)}), slope(body, {0: mpmath.mpf(x)}, 0)
            except (ValueError, ZeroDivisionError):
                continue
            if isinstance(y, mpmath.mpc) or isinstance(wanted, mpmath.mpc) or not mpmath.isfinite(wanted) or abs(wanted) > 1e300:
                continue
            if x in (0.0, 1e-300, 1.0) and name in ("log", "sqrt", "asin", "acos"):
                continue  # a pole, or beside one
            if x in (0.0, 1e-300) and name in ("lgamma", "digamma"):
                continue
            got = in_doubles(form, {0: x}, float(y))
            assert abs(got - wanted) <= 8 * 2.0**-52 * max(1, abs(wanted)), (x, got, wanted)


# ---------------------------------------------------------------- far into the tails

TAILS = (-700.0, -300.0, -37.5, -5.0, -0.3, -1e-5, 1e-5, 0.4, 0.75, 2.0, 18.0, 36.9, 300.0, 700.0)


@pytest.mark.parametrize("name", [n for n in scalar.PRIMITIVES if n not in ("atan2", "digamma")])
def test_precise_forms_are_right_to_a_few_ulp_of_themselves(name: str) -> None:
    body = call(name, arg(0))
    with scalar.precisely():
        (form,) = scalar.primitive(name)
    (chosen,) = scalar.primitive(name)
    assert (form == chosen) is (name not in ("tanh", "sigmoid", "expm1"))  # whose value rounds to 1, or -1
    compared = 0
    for x in TAILS:
        with mpmath.workdps(60 if name == "lgamma" else 700):  # the tails of others are 1e-600 beside 1
            try:
                y, wanted = exact(body, {0: mpmath.mpf(x)}), slope(body, {0: mpmath.mpf(x)}, 0)
            except (ValueError, ZeroDivisionError):
                continue
            if isinstance(y, mpmath.mpc) or isinstance(wanted, mpmath.mpc) or not 1e-290 < abs(wanted) < 1e290:
                continue
            got, bound = in_doubles(form, {0: x}, float(y)), 4.0
            if name == "erf":  # exp(-x**2) of a rounded square
                bound += x * x
            if name in ("sin", "cos", "tan", "lgamma", "asin", "acos"):  # beside a zero of f', or of what it is made of
                bound *= 4
            assert abs(got - wanted) <= bound * 2.0**-52 * abs(wanted), (x, got, wanted)
            compared += 1
    assert compared >= 2


MODEL = """\
size   N
input  x[N]
output t = tanh(x)
output s = 1 / (1 + exp(-x))
output e = exp(x) - 1
output w = x * sigmoid(x)
output u = log(1 + exp(x))
"""


@pytest.mark.parametrize("backend", ["cython", "numpy"])
def test_a_precise_module_has_precise_gradients(backend: Any) -> None:
    """No pass turns them back into what is cheaper; the other module is the cheaper one."""
    x = np.array([-300.0, -30.0, -5.0, -0.1, 0.0, 0.3, 2.0, 15.0, 19.0, 40.0, 300.0])
    ups = {name: np.ones(len(x)) for name in "tsewu"}
    with mpmath.workdps(400):
        points = [mpmath.mpf(float(v)) for v in x]
        sigmoids = [1 / (1 + mpmath.exp(-v)) for v in points]
        wanted = {
            "t": [1 / mpmath.cosh(v) ** 2 for v in points],
            "s": [s * (1 - s) for s in sigmoids],
            "e": [mpmath.exp(v) for v in points],
            "w": [s + v * s * (1 - s) for v, s in zip(points, sigmoids, strict=True)],
            "u": sigmoids,
        }
    worst: dict[bool, dict[str, float]] = {}
    for precise in (True, False):
        model = load(MODEL, backend=backend, precise=precise, name="tails").Model()
        found = model.value_and_grad(ups, x=x)[1]
        worst[precise] = {
            name: max(abs(float((mpmath.mpf(float(a)) - b) / b)) for a, b in zip(found[name].x, exactly, strict=True)) * 2.0**52
            for name, exactly in wanted.items()
        }
    assert max(worst[True].values()) <= 8
    assert {name for name, error in worst[False].items() if error > 1e6} == {"t", "s", "e"}


def test_the_header_names_the_option() -> None:
    text = driver.compile_model(MODEL, precise=True, stop_after="cython").text
    assert "\n    gradwright compile model.gw --precise\n" in text


# ---------------------------------------------------------------- asking


@pytest.fixture(autouse=True, scope="module")
def private_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADWRIGHT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def test_an_answer_that_is_kept_needs_no_sympy_and_no_time() -> None:
    program = (
        "import sys, time\n"
        "from gradwright.compiler.derive import scalar\n"
        "from gradwright.compiler.graph.expr import arg, call\n"
        "scalar.primitive('tanh')\n"
        "start = time.process_time()\n"
        "answer = scalar.local(call('sigmoid', arg(0)), 'sigmoid')\n"
        "spent = time.process_time() - start\n"
        "assert 'sympy' not in sys.modules and 'mpmath' not in sys.modules and 'numpy' not in sys.modules\n"
        "print(spent, answer.slopes[0].chosen)\n"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split(maxsplit=1)
    assert float(found[0]) < 0.005 and found[1].strip() == "out * (1 - out)"


def test_answers_about_the_users_functions_are_cached_and_damage_is_healed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADWRIGHT_CACHE", str(tmp_path))
    body, derive = parse("exp($0 / 3)"), scalar.derive
    scalar.local.cache_clear()
    first = scalar.local(body, "mine")
    (entry,) = (tmp_path / "derivatives").glob("*.json")
    monkeypatch.setattr(scalar, "derive", lambda *a: pytest.fail("asked SymPy although the cache knows"))
    scalar.local.cache_clear()
    assert scalar.local(body, "mine") == first
    monkeypatch.setattr(scalar, "derive", derive)
    monkeypatch.setenv("GRADWRIGHT_CACHE", str(tmp_path))
    for damage in ("", "{", "[]", '{"meaning": "$0", "slopes": []}', '{"meaning": "$0 +", "slopes": [{}]}', "null"):
        entry.write_text(damage)
        scalar.local.cache_clear()
        assert scalar.local(body, "mine") == first
        assert json.loads(entry.read_text())["slopes"]
    scalar.local.cache_clear()
    monkeypatch.setenv("GRADWRIGHT_CACHE", str(entry / "no" / "folder"))
    assert scalar.local(body, "mine") == first  # a cache that cannot be written is no error
    scalar.local.cache_clear()


@pytest.mark.slow  # as the bytes of whole modules are: test_generated.py
def test_the_answer_is_the_same_under_every_hash_seed() -> None:
    program = (
        "from gradwright.compiler.derive import scalar\nfrom gradwright.compiler.derive.formula import parse\n"
        "print(scalar.answers_text([('a', parse('$0*exp($1*$0)'))]))"
    )
    texts = [
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "1")
    ]
    assert texts[0] == texts[1] and "chosen" in texts[0]


def test_what_is_too_large_or_has_branches_goes_gate_by_gate() -> None:
    body = parse("where($0 > 0, $0, exp($0) - 1)")
    assert not scalar.eligible(body)
    answer = scalar.local(body, "mine")
    assert answer.slopes[0].simplified == parse("where($0 > 0, 1, exp($0))")
    long = arg(0)
    for _ in range(40):
        long = make("mul", call("tanh", long), arg(0))
    start = time.perf_counter()
    scalar.local(long, "mine")
    assert time.perf_counter() - start < 1


def test_functions_take_the_cheaper_form_and_keep_what_guards() -> None:
    soft = parse("$0 / sqrt(1 + $0**2)")
    (d,) = scalar.function_partials(soft, (0,), "softsign").values()
    assert d == E.substitute(parse("(1 - out**2)**(3/2)"), {OUT: soft})
    radius = parse("sqrt($0*$0 + $1*$1)")
    assert scalar.function_partials(radius, (0, 1), "radius") == partials(radius, (0, 1))
    silu = parse("$0 * sigmoid($0)")
    (d,) = scalar.function_partials(silu, (0,), "silu").values()
    assert d == E.substitute(parse("out + (1 - out) * sigmoid($0)"), {OUT: silu})


def test_a_derivation_can_be_read() -> None:
    text = scalar.derivation("sigmoid", call("sigmoid", arg(0)))
    assert text.splitlines()[0] == "sigmoid(x) = 1 / (1 + exp(-x))"
    for line in ("from SymPy       exp(-x)/(1 + exp(-x))**2", "with the output  y * (1 - y)    where y = sigmoid(x)",
                 "taken            y * (1 - y)"):  # fmt: skip
        assert line in text
    assert "because" in text and "proved           symbolic, and 50 digits at 16 points" in text


@pytest.mark.parametrize("text", ["", "1 +", "$", "f(", "(1", "1 2", "a ** ", ")", "x y", "1 < ", "🙂"])
def test_text_that_is_no_formula_is_refused(text: str) -> None:
    with pytest.raises(FormulaError):
        parse(text)


# ---------------------------------------------------------------- bodies


LEAF = st.sampled_from([arg(0), arg(1), E.const(2), E.const("-0.5"), E.const("1.5"), E.ONE])
SMOOTH = ("exp", "tanh", "sigmoid", "softplus", "sin", "cos", "atan", "erf", "square", "expm1")


@st.composite
def bodies(draw: st.DrawFn) -> Expr:
    pool = [draw(LEAF) for _ in range(3)] + [arg(0), arg(1)]
    for _ in range(draw(st.integers(1, 7))):
        kind = draw(st.integers(0, 9))
        a, b = draw(st.sampled_from(pool)), draw(st.sampled_from(pool))
        if kind <= 2:
            new = make(draw(st.sampled_from(["add", "sub", "mul"])), a, b)
        elif kind == 3:
            new = make("div", a, make("add", E.const(2), call("square", b)))
        elif kind == 4:
            exponent = draw(st.sampled_from([b, E.const(3), E.HALF, E.const(-1)]))
            new = make("pow", make("add", E.const(2), call("square", a)), exponent)
        elif kind == 5:
            new = make("where", make(draw(st.sampled_from(["lt", "ge"])), a, b), draw(st.sampled_from(pool)), a)
        elif kind == 6:
            new = make(draw(st.sampled_from(["max", "min"])), a, b)
        elif kind == 7:
            new = draw(st.sampled_from([make("neg", a), call("abs", a), call("sqrt", make("add", E.ONE, call("square", a)))]))
        else:
            new = call(draw(st.sampled_from(SMOOTH)), a)
        pool.append(new)
    return pool[-1]


@settings(max_examples=100, deadline=None)
@given(bodies(), st.sampled_from(["0.37", "-1.21", "0.9"]), st.sampled_from(["-0.63", "0.51", "1.4"]))
def test_partials_agree_with_differences_at_fifty_digits(body: Expr, x: str, y: str) -> None:
    found = partials(body, (0, 1))
    with mpmath.workdps(60):
        values = {0: mpmath.mpf(x), 1: mpmath.mpf(y)}
        try:
            size = abs(exact(body, values))
            if size > 1e6 or _kink(body, values):
                return
            for k, p in found.items():
                wanted = slope(body, values, k)
                assert abs(exact(p, values) - wanted) <= mpmath.mpf(10) ** -30 * max(1, abs(wanted))
        except OverflowError:
            return


def _kink(body: Expr, values: Mapping[int, Any]) -> bool:
    """Whether some choice is a tie there."""
    for node in E.walk(body):
        if node.op in ("max", "min", "lt", "ge") and abs(exact(node.args[0], values) - exact(node.args[1], values)) < 1e-20:
            return True
        if node.op == "abs" and abs(exact(node.args[0], values)) < 1e-20:
            return True
    return False


INSIDE = ("log($0)", "sqrt($0)", "1 / $0", "$0**0.3", "$0**(-2)", "log($0) * sqrt($0)", "sqrt(log($0 + 1))", "asin($0) / $0",
          "log(sqrt($0))", "$0 * log($0)", "sqrt($0) / log($0)", "exp(1 / $0)", "log($0) * log($0)", "$1 / sqrt($0)")  # fmt: skip
AROUND = ("where($0 > 0, F, 0)", "where($0 <= 0, 0, F)", "where($0 > 0, F, 0) * $1", "2 * where($0 > 0, F, $1)",
          "where($0 > 0, where($1 > 0, F, $0), 0)", "exp(where($0 > 0, F, 0))", "where($0 > 0, F, 0) + where($0 > 0, F, 1)",
          "where($0 > 0, F, 0) * where($1 > 0, $1, 0)", "sqrt(1 + where($0 > 0, F, 0)**2)")  # fmt: skip


@pytest.mark.parametrize("around", AROUND)
def test_a_branch_not_taken_cannot_put_a_nan_into_a_gradient(around: str) -> None:
    for inside in INSIDE:
        body = parse(around.replace("F", f"({inside})"))
        found = partials(body, (0, 1))
        for x, y in product((0.0, -1.0, -0.0, -1e300, -1e-320), (0.7, -0.7, 0.0)):
            if math.isfinite(in_doubles(body, {0: x, 1: y})):
                for k, p in found.items():
                    assert math.isfinite(in_doubles(p, {0: x, 1: y})), (inside, k, p, x, y)


@pytest.mark.parametrize(("text", "x", "wanted"), [
    ("sqrt($0*$0 + $1*$1)", (0.0, 0.0), (0.0, 0.0)),
    ("sqrt($0*$0 + $1*$1)", (3.0, 4.0), (0.6, 0.8)),
    ("sqrt($0) * $1", (0.0, 0.0), (0.0, 0.0)),
    ("asin($0) * $1", (1.0, 0.0), (0.0, math.pi / 2)),
    ("abs(sqrt($0)) + $1", (0.0, 1.0), (0.0, 1.0)),
    ("sqrt(max($0, 0)) + $1", (-1.0, 1.0), (0.0, 1.0)),
    ("max($0, $1)", (2.0, 2.0), (0.5, 0.5)),
    ("min($0, $1)", (2.0, 2.0), (0.5, 0.5)),
    ("max($0, $1)", (3.0, 2.0), (1.0, 0.0)),
    ("min($0, $1)", (3.0, 2.0), (0.0, 1.0)),
    ("max($0, 0) - $0*$1 + log(1 + exp(-abs($0)))", (0.0, 0.25), (0.25, 0.0)),
    ("abs($0) + abs($1)", (0.0, -2.0), (0.0, -1.0)),
    ("sign($0) * $1", (-3.0, 2.0), (0.0, -1.0)),
    ("floor($0) * $1", (1.5, 2.0), (0.0, 1.0)),
    ("($0 > 1) * $1", (3.0, 2.0), (0.0, 1.0)),
    ("where($0 > 0, $0, 0) + $1", (0.0, 1.0), (0.0, 1.0)),
    ("$0**$1", (2.0, 3.0), (12.0, 8 * math.log(2))),
    ("$0**$1", (0.0, 2.0), (0.0, 0.0)),
    ("$0**$1", (0.0, 0.0), (0.0, 0.0)),
    ("$0**$1", (-2.0, 2.0), (-4.0, 0.0)),
    ("$0**2 + $1", (0.0, 0.0), (0.0, 1.0)),
    ("$0**(-1) + $1**1.5", (2.0, 0.0), (-0.25, 0.0)),
    ("$0 / $1", (3.0, 2.0), (0.5, -0.75)),
])  # fmt: skip
def test_kinks_ties_and_edges_are_as_the_language_says(text: str, x: tuple[float, float], wanted: tuple[float, float]) -> None:
    found = partials(parse(text), (0, 1))
    for k, w in enumerate(wanted):
        assert in_doubles(found[k], {0: x[0], 1: x[1]}) == pytest.approx(w, rel=1e-15, abs=0)


def test_a_derivative_with_the_output_shares_the_node() -> None:
    gate = call("sigmoid", make("mul", arg(0), arg(1)))
    found = partials(make("mul", gate, E.const(3)), (0,))[0]
    assert sum(1 for n in E.walk(found) if n.op == "sigmoid") == 1
    assert partials(gate, (0,))[0] == make("mul", make("mul", gate, make("sub", E.ONE, gate)), arg(1))


@pytest.mark.parametrize(("text", "wanted"), [
    ("log($0 * $1)", "1 / $0"), ("$0 * log($0)", "log($0) + 1"), ("softplus($0) - $1 * $0", "sigmoid($0) - $1"),
    ("log($0 / $1)", "1 / $0"), ("square($0 - $1)", "2 * ($0 - $1)"), ("$0**2 / 2", "$0"), ("$0 * $0", "2 * $0"),
    ("where(abs($0) <= $1, $0**2 / 2, $1 * (abs($0) - $1 / 2))", "where(abs($0) <= $1, $0, $1 * sign($0))"),
])  # fmt: skip
def test_partials_stay_small(text: str, wanted: str) -> None:
    assert str(partials(parse(text), (0,))[0]) == wanted


def test_a_chain_of_branches_grows_linearly() -> None:
    body = arg(0)
    for k in range(60):
        body = make("where", make("gt", body, E.const(k)), call("tanh", body), call("exp", make("neg", body)))
    found = partials(body, (0,))[0]
    assert sum(1 for _ in E.walk(found)) < 1500
    assert math.isfinite(in_doubles(found, {0: 0.3}))
