"""The checker of graphs: what it accepts, what it refuses, and what can be proved about indices."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from gradwright.compiler.graph.bounds import below, index_range, inside, never_negative, outside
from gradwright.compiler.graph.ir import Const, Eqn, Gather, Graph, Ix, Origin, Quot, Rem, Value, at, fixed
from gradwright.compiler.graph.shapes import Dim, shape_of
from gradwright.compiler.graph.text import parse_graph
from gradwright.compiler.meaning import interpret
from gradwright.compiler.meaning.verify import FUNCTIONS, InternalError, verify, verify_gradients
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graphs import Case, graphs, ix

GOOD = """\
input x[N, 4]
input W[4, 3]
input y[N] int
const k[3] = 1, 2, 3
z[i, j] = sum r: x[i, r] * W[r, j] for i < N, j < 3, r < 4 # matmul
a[i] = argmax r: z[i, r] for i < N, r < 3 as int # argmax
m[i] = z[i, 0] > k[1] for i < N as bool # gt
p[i] = z[i, y[i]] for i < N # pick
q[i, j] = pad(z[i - 1, j], -inf) for i < N + 1, j < 3 # pad
d[i, y[i]] += p[i] for i < N into [N, 3] # scatter
u[i + 1, j] += z[i, j] for i < N, j < 3 into [N, 3] drop # unpad
f[k0] = z[k0 // 3, k0 % 3] for k0 < 3*N # reshape
loss = sum i: f[i]**2 for i < 3*N # sum
scan t < N in cell: last, all[N, 3]
    carry c = loss
    slice row[3] = z
    keep ks[3] = k
    e[i] = row[i] * ks[i] + c for i < 3 # cell
    g = sum i: e[i] for i < 3 # sum
    next g
    emit e
output loss, all
"""


def test_a_good_graph_passes() -> None:
    verify(parse_graph(GOOD), "the test", ())


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_random_graphs_pass(case: Case) -> None:
    verify(case.graph, "the test", tuple(case.sizes))


BAD = [
    ("const k[3] = 1, 2, 3", "const k[3] = 1, 2", "2 numbers"),
    ("input y[N] int", "input y[N]", "y is real and used as an index"),
    ("as int # argmax", "# argmax", "gives an int"),
    ("argmax r: z[i, r] for i < N, r < 3", "argmax r, s: z[i, r] for i < N, r < 3, s < 2", "needs one"),
    ("as bool # gt", "as int # gt", None),  # a comparison counts as a whole number
    ("as bool # gt", "# gt", None),
    ("m[i] = z[i, 0] > k[1]", "m[i] = z[i, 0] + k[1]", "is bool and its body is not"),
    ("z[i, 0] > k[1]", "z[i, 3] > k[1]", "not proved to be inside 3"),
    ("z[i, 0] > k[1]", "z[i] > k[1]", "read with 1 indices"),
    ("z[i, 0] > k[1]", "zz[i, 0] > k[1]", "zz is read before it is defined"),
    ("z[i, y[i]]", "z[i + 1, y[i]]", "not proved to be inside N"),
    ("z[i, y[i]]", "z[i, y[i + 1]]", "into y is not proved"),
    ("pad(z[i - 1, j], -inf)", "z[i - 1, j]", "not proved to be inside N"),
    ("pad(z[i - 1, j], -inf)", "pad(y[i - 1], 1/2)", "filled with a real"),
    ("d[i, y[i]] += p[i] for i < N into [N, 3]", "d[i, y[i]] = p[i] for i < N into [N, 3]", "only a sum scatters"),
    ("d[i, y[i]] += p[i] for i < N into [N, 3]", "d[2*i, y[i]] += p[i] for i < N into [N, 3]", "write at 2\\*i"),
    ("into [N, 3] drop", "into [N, 3]", "write at i \\+ 1"),
    ("f[k0] = z[k0 // 3, k0 % 3] for k0 < 3*N", "f[k0] = z[k0 // 2, k0 % 3] for k0 < 3*N", "not proved"),
    ("f[k0] = z[k0 // 3, k0 % 3]", "f[k0] = z[k0 // 3, k1 % 3]", "has the size k1"),
    ("loss = sum i: f[i]**2 for i < 3*N", "loss = f[i]**2 for i < 3*N", "neither written nor reduced"),
    ("loss = sum i: f[i]**2 for i < 3*N", "loss = sum i: f[i]**2 for i < 3*N, i < 3*N", "stands twice"),
    ("loss = sum i: f[i]**2 for i < 3*N", "z = sum i: f[i]**2 for i < 3*N", "z is defined twice"),
    ("loss = sum i: f[i]**2 for i < 3*N", "loss = sum i: squared(f[i]) for i < 3*N", "no function is called squared"),
    ("loss = sum i: f[i]**2 for i < 3*N", "loss = sum i: exp(f[i], 2) for i < 3*N", "has 2 operands"),
    ("loss = sum i: f[i]**2 for i < 3*N", "loss = sum i: $1 for i < 3*N", "reads operand 1 of 0"),
    ("loss = sum i: f[i]**2 for i < 3*N", "loss = sum i: sym(w) for i < 3*N", "leaf that has no value"),
    ("loss = sum i: f[i]**2 for i < 3*N", "loss = sum i: f[i]**2 + size(Q) for i < 3*N", "has the size Q"),
    ("for i < N, j < 3, r < 4 # matmul", "for i < N, r < 4, j < 3 # matmul", "before one that is written"),
    ("slice row[3] = z", "slice row[3] = W", "the scan has N steps"),
    ("keep ks[3] = k", "keep ks[4] = k", "k goes in as"),
    ("all[N, 3]", "all[3, N]", "comes out of"),
    ("next g", "next e", "comes out of"),
    ("emit e", "emit nobody", "the output nobody does not exist"),
    ("output loss", "output nobody", "the output nobody does not exist"),
]


@pytest.mark.parametrize(("good", "bad", "message"), BAD)
def test_what_breaks_a_rule_is_refused(good: str, bad: str, message: str | None) -> None:
    assert good in GOOD
    graph = parse_graph(GOOD.replace(good, bad))
    if message is None:
        verify(graph, "the test", ())
        return
    with pytest.raises(InternalError, match=message) as error:
        verify(graph, "a careless pass", ())
    assert "after a careless pass" in str(error.value)


def test_the_equation_is_shown() -> None:
    with pytest.raises(InternalError, match=r"\n    p\[i\] = z\[i, 7\]  for i < N"):
        verify(parse_graph(GOOD.replace("z[i, y[i]]", "z[i, 7]")), "x")


def test_an_equation_needs_an_origin() -> None:
    graph = parse_graph(GOOD)
    eqns = tuple(e.with_origin(Origin((), "")) if isinstance(e, Eqn) else e for e in graph.eqns)
    with pytest.raises(InternalError, match="no origin"):
        verify(graph.with_eqns(eqns))


def test_shapes_that_text_cannot_say() -> None:
    graph = parse_graph(GOOD)
    first = graph.eqns[0]
    assert isinstance(first, Eqn)

    def refused(eqn: Any, message: str) -> None:
        with pytest.raises(InternalError, match=message):
            verify(graph.with_eqns((eqn, *graph.eqns[1:])))

    refused(replace(first, out=Value("z", shape_of("N"))), "written with 2 indices")
    mean: Any = "mean"
    refused(replace(first, reduce=mean), "no reduction is called mean")
    refused(replace(first, drop=True), "nothing to drop")
    refused(replace(first, out_index=(at("i"), at("q"))), "not declared")
    refused(replace(first, out_index=(at("i"), Ix((("j", Dim.of(0)),)))), "factor of 0")
    refused(replace(first, out_index=(at("i"), Ix((("j", Dim.of(1)), ("j", Dim.of(1)))))), "twice")
    bad = replace(first.args[0], index=(at("i"), Ix(((Quot(at("r"), Dim.of(0)), Dim.of(1)),))))
    refused(replace(first, args=(bad, first.args[1])), "divides by 0")
    literal = Const(Value("k", shape_of(1), "int"), (Fraction(1, 2),), Origin((), "source"))
    with pytest.raises(InternalError, match="not int"):
        verify(Graph("g", (), (literal,), (), ()))


def test_gradients_have_the_shape_of_what_they_belong_to() -> None:
    sums = "d_x[i, j] = x[i, j] for i < N, j < 2\nd_n[j] = sum i: x[i, j] for j < 2, i < N"
    graph = parse_graph(f"input x[N, 2]\n{sums}\noutput d_x")
    verify_gradients(graph, [("x", "d_x")], "reverse")
    with pytest.raises(InternalError, match=r"after reverse: x is \[N, 2\] and its adjoint d_n \[2\]"):
        verify_gradients(graph, [("x", "d_n")], "reverse")
    with pytest.raises(InternalError, match="no d_y"):
        verify_gradients(graph, [("x", "d_y")])


# ---------------------------------------------------------------- proofs

N, M = Dim.of("N"), Dim.of("M")
ONE = Dim.of(1)


@pytest.mark.parametrize(("index", "extent", "extents", "wanted"), [
    (ix(("i", 2)), N, {"i": (N + 1) // 2}, True),
    (ix(("i", 2), 1), N, {"i": N // 2}, True),
    (ix(("i", 2), 1), N, {"i": (N + 1) // 2}, False),
    (ix(("i", 3), 2), N, {"i": N // 3}, True),
    (ix(("i", 1), 1), N, {"i": N - 1}, True),
    (ix(("i", 1), ("u", 1)), N, {"i": N - 2, "u": Dim.of(3)}, True),
    (ix(("i", 1), ("u", 1)), N, {"i": N - 1, "u": Dim.of(3)}, False),
    (ix(("i", -1), 6), Dim.of(7), {"i": Dim.of(7)}, True),
    (at("i").scale(Dim.of(-1)) + fixed(N - 1), N, {"i": N}, True),
    (fixed(0), N, {"i": N}, True),  # where there is a point, N is at least 1
    (fixed(0), N, {"i": M}, False),
    (fixed(1), N, {"i": N - 1}, True),
    (at("i").scale(M) + at("j"), N * M, {"i": N, "j": M}, True),
    (at("i").scale(M) + at("j"), N * M, {"i": N, "j": N}, False),
    (Ix(((Quot(at("k"), M), ONE),)), N, {"k": N * M}, True),
    (Ix(((Rem(at("k"), M), ONE),)), M, {"k": N * M}, True),
    (Ix(((Quot(at("k"), Dim.of(6)), ONE),)), N, {"k": N * 6}, True),
    (Ix(((Rem(at("k"), Dim.of(6)), ONE),)), Dim.of(5), {"k": N}, False),
    (Ix(((Quot(at("k"), (M + 1) // 2), ONE),)), N, {"k": N * ((M + 1) // 2)}, True),
    (fixed(0), (M + 1) // 2, {"k": N * ((M + 1) // 2)}, True),
    (at("i"), M, {"i": N}, False),
    (Ix(((Gather("y", (at("i"),)), ONE),)), N, {"i": N}, False),
])  # fmt: skip
def test_what_is_proved_of_an_index(index: Ix, extent: Dim, extents: dict[str, Dim], wanted: bool) -> None:
    assert inside(index, extent, extents) is wanted


def test_what_is_surely_outside() -> None:
    assert outside(ix(("i", 1), 1), N, {"i": N})
    assert outside(ix(("i", 1), -1), N, {"i": N})
    assert not outside(ix(("i", 1)), M, {"i": N})


def test_signs_of_polynomials() -> None:
    assert never_negative(N * M + N * 2) and not never_negative(N - 1) and never_negative(N - 1, {"N": 1})
    half = ((N + 1) // 2) * M  # what is taken away is bounded first, and what it is taken from stays whole
    assert never_negative(half + 1 - ((half + 1) // 2) * 2, {"N": 1, "M": 1}) and not never_negative(N - M * N.largest(M))
    assert never_negative(N - (N // 3) * 3) and never_negative((N % 4) * -1 + 3) and never_negative(N * M - M, {"N": 1})
    assert below(N % 4, Dim.of(4)) and not below(N, M)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_proofs_hold_for_numbers(data: Any) -> None:
    """What is proved inside is inside for every point of every grid; what is not inside anywhere is not proved."""
    small = st.integers(-3, 3)
    choices = [Dim.of(1), Dim.of(4), N, M, N + 1, N - 1, N // 2, (N + 1) // 2, N * M, N * 2]
    extents = {a: data.draw(st.sampled_from(choices)) for a in ("i", "j")}
    index = fixed(data.draw(small)) + at("i").scale(Dim.of(data.draw(small)))
    inner = at("j").scale(data.draw(st.sampled_from((ONE, M)))) + fixed(data.draw(st.integers(0, 2)))
    kind = data.draw(st.sampled_from((Quot, Rem, None)))
    divisor = data.draw(st.sampled_from((Dim.of(2), M, N)))
    index = index + (inner if kind is None else Ix(((kind(inner, divisor), ONE),)))
    extent = data.draw(st.sampled_from(choices))
    proved, refuted = inside(index, extent, extents), outside(index, extent, extents)
    limits = index_range(index, extents)
    for n in range(5):
        for m in range(4):
            sizes = {"N": n, "M": m}
            points = [(i, j) for i in range(extents["i"].evaluate(sizes)) for j in range(extents["j"].evaluate(sizes))]
            values = [_at(index, {"i": i, "j": j}, sizes) for i, j in points]
            if not values or (kind is not None and divisor.evaluate(sizes) == 0):
                continue  # nothing is read, or nobody may ask
            if limits is not None:
                assert limits[0].evaluate(sizes) <= min(values) and max(values) <= limits[1].evaluate(sizes)
            if proved:
                assert min(values) >= 0 and max(values) < extent.evaluate(sizes)
            if refuted:
                assert kind is not None or not (min(values) >= 0 and max(values) < extent.evaluate(sizes))


def _at(index: Ix, point: dict[str, int], sizes: dict[str, int]) -> int:
    total = index.const.evaluate(sizes)
    for atom, factor in index.terms:
        if isinstance(atom, Quot | Rem):
            a, b = _at(atom.a, point, sizes), atom.b.evaluate(sizes)
            part = a // (b or 1) if isinstance(atom, Quot) else a % (b or 1)
        else:
            part = point[str(atom)]
        total += part * factor.evaluate(sizes)
    return int(total)


def test_the_functions_are_those_of_the_interpreter() -> None:
    assert set(interpret.FUNCTIONS) == FUNCTIONS
