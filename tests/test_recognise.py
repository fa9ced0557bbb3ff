"""A gate is recognised however it is spelled, and what is found equals what was written."""

from __future__ import annotations

import math
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from gradwright.compiler.derive.catalogue import Rewriter, recognise
from gradwright.compiler.derive.formula import parse
from gradwright.compiler.derive.normal import Forms
from gradwright.compiler.graph import expr as E
from gradwright.compiler.graph.ir import Access, Eqn, Graph, Value, at, fixed
from gradwright.compiler.graph.shapes import Dim
from gradwright.compiler.meaning.interpret import run
from gradwright.compiler.meaning.verify import verify
from gradwright.compiler.passes import dce
from gradwright.compiler.passes import recognise as recognising
from hypothesis import given, settings
from hypothesis import strategies as st
from support.formulas import Builder, rewritten

N, C = Dim.of("N"), Dim.of("C")
SIGMOID = ("1/(1 + exp(-Z))", "exp(Z)/(1 + exp(Z))", "0.5*(1 + tanh(Z/2))", "1 - 1/(1 + exp(Z))", "1/(2 + 2*exp(-Z))*2",
           "1/(exp(-Z) + 1)", "-1/(-1 - exp(-Z))", "1/(1 + 1/exp(Z))", "(1 + tanh(Z/2))/2", "exp(Z)*(1/(exp(Z) + 1))",
           "1 - sigmoid(-Z)")  # fmt: skip
TANH = ("(exp(Z) - exp(-Z))/(exp(Z) + exp(-Z))", "(1 - exp(-2*Z))/(1 + exp(-2*Z))", "2/(1 + exp(-2*Z)) - 1",
        "2*sigmoid(2*Z) - 1", "sinh(Z)/cosh(Z)", "(exp(2*Z) - 1)/(exp(2*Z) + 1)", "1 - 2/(exp(2*Z) + 1)")  # fmt: skip
SOFTPLUS = ("log(1 + exp(Z))", "log1p(exp(Z))", "log(exp(Z) + 1)", "max(Z, 0) + log(1 + exp(-abs(Z)))",
            "log1p(exp(-abs(Z))) + max(0, Z)")  # fmt: skip
ARGUMENTS = ("$0", "($0*$1 + $2)", "(-$0)", "($0 - $1)", "(3*$0 + 0.5)", "tanh($0)", "($0/$1)", "($0 + $1 + $2*$0 + $1*$2 + 1)",
             "($0*$1 + $1*$2 + $2*$0 + $0*$0 + $1 + $2 + $0*$2*$2 + $0)")  # fmt: skip
GATES = {"sigmoid": SIGMOID, "tanh": TANH, "softplus": SOFTPLUS, "expm1": ("exp(Z) - 1", "-(1 - exp(Z))"),
         "log1p": ("log(1 + Z)", "log(Z + 1)")}  # fmt: skip
FUNCTIONS = {"sigmoid": lambda x: 1 / (1 + math.exp(-x)), "tanh": math.tanh, "softplus": lambda x: math.log1p(math.exp(x)),
             "expm1": math.expm1, "log1p": math.log1p, "sinh": math.sinh}  # fmt: skip


def value(root: E.Expr, at: tuple[float, ...]) -> float:
    """In ordinary arithmetic."""

    def leaf(node: E.Expr) -> float:
        if node.op == "arg":
            assert isinstance(node.value, int)
            return at[node.value]
        return float(node.number or 0)

    functions = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
                 "neg": lambda a: -a, "pow": lambda a, b: a**b, "exp": math.exp, "log": math.log, "max": max, "abs": abs,
                 "cosh": math.cosh, "sin": math.sin, **FUNCTIONS}  # fmt: skip
    return float(E.evaluate(root, leaf, functions))


@pytest.mark.parametrize("argument", ARGUMENTS)
@pytest.mark.parametrize("name", GATES)
def test_every_usual_spelling_of_a_gate_is_the_gate(name: str, argument: str) -> None:
    z = parse(argument)
    for spelling in GATES[name]:
        found = recognise(parse(spelling.replace("Z", argument)))
        if name == "log1p" and (argument.startswith(("(3", "($0 + $1 +", "($0*$1 + $1")) or "tanh" in argument):
            continue  # the constants of 1 + z meet, or 1 + z is a gate: log of something else
        assert found.op == name or (found.op, found.args[0].op, argument) == ("neg", "tanh", "(-$0)"), (spelling, found)
        forms = Forms()
        assert forms(found) == forms(E.call(name, z)), (spelling, found)


@pytest.mark.parametrize(("text", "wanted"), [
    ("$1 + 1 - 1/(1 + exp($0))", "$1 + sigmoid($0)"),
    ("$0*exp($0)/(1 + exp($0))", "$0 * sigmoid($0)"),
    ("$0/(1 + exp(-$0))", "$0 * sigmoid($0)"),
    ("exp($0)/(exp($0) + exp($1))", "sigmoid($0 - $1)"),
    ("exp($0)*exp($1)/(1 + exp($0)*exp($1))", "sigmoid($0 + $1)"),
    ("3/(1 + exp(-$0)) + $1", "3 * sigmoid($0) + $1"),
    ("$1*(exp($0) - 1)", "$1 * expm1($0)"),
    ("$1*exp($0) - $1", "$1 * expm1($0)"),
    ("1 - exp($0)", "-expm1($0)"),
    ("(exp($0) - exp(-$0))/2", "sinh($0)"),
    ("exp(-$0)/(1 + exp(-$0))**2", "sigmoid($0) * sigmoid(-$0)"),
    ("1/(1 + exp(-$0)) + 1/(1 + exp($0))", "1"),
    ("log(2 - (1 - $0))", "log1p($0)"),
    ("exp($0) + 1/(1 + exp(-$0))", "exp($0) + sigmoid($0)"),
    ("(exp($0)*$1 + exp($0)*$2)/(1 + exp($0))", "($2 + $1) * sigmoid($0)"),
    ("where($1 > 0, 1/(1 + exp(-$0)), exp($0) - 1)", "where($1 > 0, sigmoid($0), expm1($0))"),
    ("1/(1 + exp(-1/(1 + exp(-$0))))", "sigmoid(sigmoid($0))"),
    ("max($0, 0) - $0*$1 + log(1 + exp(-abs($0)))", "softplus($0) - $0 * $1"),
])  # fmt: skip
def test_gates_are_found_inside_sums_and_products(text: str, wanted: str) -> None:
    assert str(recognise(parse(text))) == wanted


@pytest.mark.parametrize("text", [
    "exp($0)*exp($1)", "1 - tanh($0)**2", "sigmoid($0)*(1 - sigmoid($0))", "1 + tanh($0)", "exp($0)/(2 - exp($0))",
    "1/(1 - exp($0)*exp($1)*2)", "exp($0)/$1", "1/(1 + $0)", "log($0 + 2)", "exp($0)/(1 + exp($0/3))", "$0 - $0", "0*$0", "$0/$0",
    "($0 + $1) - $0", "exp($0) + exp(-$0)", "sin($0)**2", "$0*1 + 0",
])  # fmt: skip
def test_what_is_no_gate_stays_as_the_user_wrote_it(text: str) -> None:
    assert recognise(parse(text)) is parse(text)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([(n, s) for n in ("sigmoid", "tanh", "softplus", "expm1") for s in GATES[n]
                        if "abs" not in s and "max" not in s]),
       st.sampled_from(ARGUMENTS[:5]), st.integers(0, 7), st.integers(0, 10**6))  # fmt: skip
def test_gates_survive_rewritings_that_keep_the_algebra(gate: tuple[str, str], argument: str, steps: int, seed: int) -> None:
    rng = Random(seed)
    root = parse(gate[1].replace("Z", argument))
    found = recognise(rewritten(root, rng, steps))
    left = {n.op for n in E.walk(found)}
    assert gate[0] in left or (gate[0] == "tanh" and "sigmoid" in left), found
    assert not left & {"exp", "log"}, found
    point = tuple(rng.uniform(-2, 2) for _ in range(3))
    assert value(found, point) == pytest.approx(value(root, point), rel=1e-9, abs=1e-12)
    if gate[0] != "expm1":
        for far in (900.0, -900.0):
            assert math.isfinite(value_safely(found, (far, 1.0, 0.0)))


def value_safely(root: E.Expr, at: tuple[float, ...]) -> float:
    """With gates that do not overflow."""
    safe = {"sigmoid": lambda x: 0.5 * (1 + math.tanh(x / 2)), "softplus": lambda x: max(x, 0) + math.log1p(math.exp(-abs(x)))}
    kept = dict(FUNCTIONS)
    FUNCTIONS.update(safe)
    try:
        return value(root, at)
    finally:
        FUNCTIONS.update(kept)


# ---------------------------------------------------------------- graphs


def spelled(text: str, size: Dim = N) -> Graph:
    b = Builder(Value("x", (size,)), Value("w", (size,)))
    b.formula("z", "x*w + 3", x="x", w="w")
    b.formula("f", text, z="z", w="w")
    return b.graph("f")


def eqn(graph: Graph, name: str) -> Eqn:
    (found,) = [e for e in graph.eqns if isinstance(e, Eqn) and e.out.name == name]
    return found


@pytest.mark.parametrize("spelling", SIGMOID)
def test_a_gate_spread_over_equations_becomes_one_that_reads_the_named_value(spelling: str) -> None:
    before = spelled(spelling.replace("Z", "z"))
    after = recognising.run(before)
    verify(after, "recognise")
    f = eqn(after, "f")
    assert (f.op, f.body, f.args) == ("sigmoid", E.call("sigmoid", E.arg(0)), (Access("z", (at("i0"),)),))
    assert f.origin.rule == "recognise" and f.origin.note.endswith(" is sigmoid(z)")
    written = eqn(before, "f").origin.spans
    assert f.origin.spans[0] == written[0] and len(f.origin.spans) >= 2
    x, w = np.array([-900.0, -2.0, 0.0, 1.5, 900.0]), np.ones(5)
    assert np.allclose(run(after, {"x": x, "w": w})["f"], 1 / (1 + np.exp(-np.clip(x + 3, -700, 700))), rtol=1e-14, atol=1e-300)
    gone = dce.run(after)
    assert [e.out.name for e in gone.eqns if isinstance(e, Eqn)] == ["z_t1", "z", "f"]


def test_nothing_is_mutated_and_nothing_found_is_nothing_changed() -> None:
    before = spelled("1/(1 + exp(-z))")
    copy = Graph(before.name, before.inputs, before.consts, before.eqns, before.outputs)
    recognising.run(before)
    assert before == copy
    plain = spelled("z*w + tanh(z)")
    assert recognising.run(plain) is plain
    once = recognising.run(before)
    assert recognising.run(once) is once


def test_a_step_that_is_used_elsewhere_stays() -> None:
    b = Builder(Value("x", (N,)))
    b.formula("e", "exp(-x)", x="x")
    b.formula("f", "1/(1 + e)", e="e")
    b.formula("g", "e + f", e="e", f="f")
    b.formula("h", "e*f", e="e", f="f")
    after = dce.run(recognising.run(b.graph("g", "h")))
    assert eqn(after, "e").op == "exp" and eqn(after, "f").op == "sigmoid"
    assert {a.value for a in eqn(after, "g").args} == {"e", "f"}
    assert eqn(after, "h").op == "sigmoid"  # exp(-x)/(1 + exp(-x))


def test_gates_are_seen_through_transposes_and_broadcasts() -> None:
    b = Builder(Value("x", (Dim.of(3), C)), Value("v", (C,)))
    b.formula("z", "x + v", x="x", v=Access("v", (at("i1"),)))
    b.formula("e", "exp(-z)", z="z")
    b.move("t", (C, 3), Access("e", (at("i1"), at("i0"))))
    b.formula("f", "1/(1 + t)", t="t")
    b.move("r", (C,), Access("e", (fixed(0), at("i0"))))
    b.formula("g", "1/(1 + r)", r="r")
    after = recognising.run(b.graph("f", "g"))
    verify(after, "recognise")
    assert eqn(after, "f").args == (Access("z", (at("i1"), at("i0"))),) and eqn(after, "f").op == "sigmoid"
    assert eqn(after, "g").args == (Access("z", (fixed(0), at("i0"))),) and eqn(after, "g").op == "sigmoid"


def test_equal_formulas_over_other_extents_are_not_mixed_up() -> None:
    b = Builder(Value("x", (N,)), Value("y", (C,)))
    b.formula("z", "-(x*2)", x="x")
    b.move("cut", (C,), Access("x", (at("i0"),), Fraction(0)))  # the same formula over another range
    b.formula("q", "-(y*2)", y="cut")
    b.formula("f", "1/(1 + exp(q))", q="q")
    after = recognising.run(b.graph("f", "z"))
    assert "z" not in eqn(after, "f").reads()


def test_a_matrix_product_stays_one() -> None:
    from gradwright.compiler.graph.ir import Axis

    b = Builder(Value("x", (N, C)))
    b.formula("e", "exp(x)", x="x")
    b.formula("r", "1/(1 + exp(x))", x="x")
    g = b.graph("s")
    axes = (Axis("i0", N), Axis("r0", C))
    args = (Access("e", (at("i0"), at("r0"))), Access("r", (at("i0"), at("r0"))))
    product = Eqn(Value("s", (N,)), axes, (at("i0"),), "+", args, E.make("mul", E.arg(0), E.arg(1)), "matmul", g.eqns[0].origin)
    after = recognising.run(g.with_eqns((*g.eqns, product)))
    assert eqn(after, "s") == product


def test_large_graphs_take_no_time() -> None:
    import time

    b = Builder(Value("x", (N,)), Value("w", (N,)))
    last = "x"
    for k in range(200):
        last = b.formula(f"v{k}", "where(x > 0, exp(x*w) - 1, x) + 1/(1 + exp(-x))", x=last, w="w")
    graph = b.graph(last)
    assert len(graph.eqns) > 1500
    start = time.process_time()
    after = recognising.run(graph)
    assert time.process_time() - start < 5
    assert sum(1 for e in after.eqns if isinstance(e, Eqn) and e.body.op == "sigmoid") >= 200
    assert all(len(e.origin.note) < 250 for e in after.eqns)


def test_one_rewriter_looks_at_each_node_once() -> None:
    rewriter = Rewriter(Forms())
    root = parse("1/(1 + exp(-$0))")
    assert rewriter(root) is rewriter(root) and len(rewriter.fired) == 1
