"""The text of a graph: readable, and the same graph when it is read back."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from gradwright.compiler.graph import expr as E
from gradwright.compiler.graph.expr import Expr, arg, const, make
from gradwright.compiler.graph.ir import Access, Axis, Eqn, Gather, Graph, Ix, Origin, Quot, Rem, Scan, Value, at, fixed
from gradwright.compiler.graph.shapes import Dim, shape_of
from gradwright.compiler.graph.text import GraphTextError, parse_graph, show_eqn, show_graph
from gradwright.compiler.language.source import Source, Span
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graphs import Case, graphs

SOURCE = Origin((), "source")
EXAMPLE = """\
graph softmax
input x[N, 2]
input W[2, 8]
input y[N] int

z[i0, i1] = sum r0: x[i0, r0] * W[r0, i1]                 for i0 < N, i1 < 8, r0 < 2             # matmul  m.gw:5:5-10
l[i0] = lse r0: z[i0, r0]                                 for i0 < N, r0 < 8                     # logsumexp  m.gw:6:5-20
t[i0] = l[i0] - z[i0, y[i0]]                              for i0 < N                             # sub  m.gw:6:5-32
d_z_t1[i0, y[i0]] += -1                                   for i0 < N into [N, 8]                 # pick  m.gw:6:24-32 [vjp pick]
d_z[i0, i1] = d_z_t1[i0, i1] + exp(z[i0, i1] - l[i0])     for i0 < N, i1 < 8                     # add  m.gw:6:5-32 [fan-out] -- z is used twice
shift[i0] = pad(t[i0 - 1], 0)                             for i0 < N + 1                         # pad
hit[i0] = argmax r0: z[i0, r0]                            for i0 < N, r0 < 8 as int              # argmax

output t, d_z
"""  # noqa: E501


def test_the_text_reads_as_it_is_written() -> None:
    graph = parse_graph(EXAMPLE)
    assert show_graph(graph) == EXAMPLE
    assert [type(e).__name__ for e in graph.eqns] == ["Eqn"] * 7
    product = graph.eqns[0]
    assert isinstance(product, Eqn)
    assert product.op == "matmul" and product.reduce == "+" and product.body is make("mul", arg(0), arg(1))
    assert product.origin.spans == (Span("m.gw", 5, 5, 5, 10),)
    assert graph.eqns[4].origin == Origin((Span("m.gw", 6, 5, 6, 32),), "fan-out", "z is used twice")


def test_the_model_stands_beside_it() -> None:
    source = Source("m.gw", "\n\n\n\nz = x @ W\nt = logsumexp(z, axis=1) - z[n, y]\n")
    text = show_graph(parse_graph(EXAMPLE), [source])
    assert "# m.gw:5   z = x @ W\nz[i0, i1] = " in text
    assert text.count("# m.gw:6   t = logsumexp") == 1
    assert parse_graph(text) == parse_graph(EXAMPLE)


@settings(max_examples=80, deadline=None)
@given(graphs())
def test_random_graphs_come_back(case: Case) -> None:
    text = show_graph(case.graph)
    back = parse_graph(text)
    assert back == case.graph
    assert [e.origin for e in back.eqns] == [e.origin for e in case.graph.eqns]
    assert show_graph(back) == text


_NAMES = ("x", "i0", "N", "if", "sum", "pad", "for", "θ1", "dense_1.W", "a b", "`", "where", "as", "pi", "1x", "")


def expressions(leaves: list[Expr]) -> Any:
    def more(inner: Any) -> Any:
        binary = ("add", "sub", "mul", "div", "pow", "lt", "eq", "and", "or", "max", "atan2")
        two = st.tuples(st.sampled_from(binary), inner, inner)
        one = st.tuples(st.sampled_from(("neg", "not", "exp", "sigmoid")), inner)
        three = st.tuples(st.just("where"), inner, inner, inner)
        return st.one_of(one, two, three).map(lambda t: make(t[0], *t[1:]))

    numbers = st.sampled_from(("0", "2", "-2", "1/3", "-1/3", "0.1", "1e-7", "-1e9", "12345678.5")).map(const)
    return st.recursive(st.one_of(st.sampled_from(leaves), numbers), more, max_leaves=30)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_body_comes_back(data: Any) -> None:
    leaves = [arg(0), arg(1), make("idx", value="i0"), E.dim(Dim.of("N") * 2 - 1), E.PI, E.INF, E.NAN]
    body = data.draw(expressions(leaves))
    name = data.draw(st.sampled_from(_NAMES))
    access = Access(name, (at("i0"),))
    scalar = Access("i0", ())  # a value that is called as an axis
    args = (access, scalar) if data.draw(st.booleans()) else (scalar, access)
    value = Value("out of luck", shape_of("N"))
    eqn = Eqn(value, (Axis("i0", Dim.of("N")),), (at("i0"),), "", args, body, data.draw(st.sampled_from(_NAMES)), SOURCE)
    inputs = (Value(name, shape_of("N")), Value("i0", ()))
    graph = Graph("g", inputs, (), (eqn,), ("out of luck",))
    assert parse_graph(show_graph(graph)) == graph


def test_a_shared_or_deep_body_stays_short() -> None:
    body = deep = arg(0)
    for _ in range(60):
        body = make("mul", body, body)
        deep = make("tanh", make("add", deep, const(1)))
    for expression in (body, deep):
        eqn = Eqn(Value("y", ()), (), (), "", (Access("x", ()),), expression, "big", SOURCE)
        graph = Graph("g", (Value("x", ()),), (), (eqn,), ("y",))
        text = show_graph(graph)
        assert len(text) < 4000 and "let %1 = " in text
        assert parse_graph(text) == graph


def dims() -> Any:
    sizes = st.sampled_from([Dim.of(k) for k in (1, 2, 7)] + [Dim.of("N"), Dim.of("i0"), Dim.of("for")])

    def more(inner: Any) -> Any:
        return st.tuples(st.sampled_from("+-*/%"), inner, inner).map(_dim)

    return st.recursive(sizes, more, max_leaves=4)


def _dim(parts: tuple[str, Dim, Dim]) -> Dim:
    op, a, b = parts
    if op in "/%" and not b.terms:
        return a
    return a + b if op == "+" else a - b if op == "-" else a * b if op == "*" else a // b if op == "/" else a % b


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_any_index_comes_back(data: Any) -> None:
    def index(depth: int) -> Ix:
        total = Ix((), data.draw(dims()))
        for _ in range(data.draw(st.integers(0, 2))):
            kind = data.draw(st.sampled_from(("axis", "axis", "gather", "quot", "rem")))
            atom: Any = data.draw(st.sampled_from(("i0", "j b")))
            if kind == "gather" and depth:
                atom = Gather(data.draw(st.sampled_from(("y", "if"))), tuple(index(depth - 1) for _ in range(depth - 1)))
            elif kind in ("quot", "rem") and depth:
                inner = index(depth - 1) + at("i0")
                divisor = data.draw(dims())
                if not inner.terms or not divisor.terms:
                    continue
                atom = (Quot if kind == "quot" else Rem)(inner, divisor)
            factor = data.draw(dims())
            if factor.terms:
                total = total + Ix(((atom, factor),))
        return total

    over = (Axis("i0", data.draw(dims())), Axis("j b", Dim.of(3)))
    fill = data.draw(st.sampled_from((None, Fraction(0), Fraction(-1, 3), "inf", "-inf", "nan")))
    access = Access("x", (index(2),), fill)
    eqn = Eqn(Value("o", shape_of(9), "int"), over, (index(2),), "+", (access,), arg(0), "op", SOURCE, data.draw(st.booleans()))
    graph = Graph("g", (Value("x", shape_of(5)), Value("y", shape_of(5), "int")), (), (eqn,), ("o",))
    assert parse_graph(show_graph(graph)) == graph


def test_origins_of_every_kind_come_back() -> None:
    spans = (Span("a b.gw", 1, 2, 3, 4), Span("-x.gw", 1, 2, 1, 9), Span("[c].gw", 1, 1, 1, 2), Span('q".gw', 1, 1, 1, 2))
    base = parse_graph("input x\ny = x + 1 # add\noutput y").eqns[0]
    for rule in ("source", "vjp tanh", "a]b", ""):
        for note in ("", "1 - h**2 (from 1 - tanh(z)**2)", ' "quoted" ', "two\nlines"):
            origin = Origin(spans, rule, note)
            graph = Graph("g", (Value("x", ()),), (), (base.with_origin(origin) if isinstance(base, Eqn) else base,), ("y",))
            back = parse_graph(show_graph(graph)).eqns[0]
            assert back == graph.eqns[0] and back.origin == origin


def test_scans_nest() -> None:
    text = """\
graph g
input xs[T, 4]
input h
input w

scan t < T reverse in outer: last, all[T, 3] int                                                 # scan  m.gw:1:1-9
    carry c = h
    slice row[4] = xs
    keep w = w
    const k[2] int = 1, -2                                                                       # const
    scan u < 4 in inner: s                                                                       # scan
        carry a = c
        slice x = row
        n = a * tanh(x)                                                                          # cell
        next n
        emit
    best[i0] = argmax r0: row[r0]                         for i0 < 3, r0 < 4 as int              # argmax
    next s
    emit best

output last
"""
    graph = parse_graph(text)
    assert show_graph(graph) == text
    outer = graph.eqns[0]
    assert isinstance(outer, Scan) and outer.reverse and isinstance(outer.body.eqns[0], Scan)


@pytest.mark.parametrize("text", [
    "input x[N\n", "y = \noutput y", "y[i0] = x[i0] for i0 <\n", "y = x $\n", "y = 1 2\n",
    "y[i] = x[j*k] for i < 2, j < 2, k < 2\n",
    "const k[2] = a\n", "y = ?\n",
])  # fmt: skip
def test_broken_text_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(GraphTextError, match="line 1"):
        parse_graph(text)


def test_show_eqn_is_one_line() -> None:
    graph = parse_graph(EXAMPLE)
    assert show_eqn(graph.eqns[3]) == "d_z_t1[i0, y[i0]] += -1  for i0 < N into [N, 8]"
    eqn = graph.eqns[5]
    assert isinstance(eqn, Eqn)
    assert show_eqn(replace(eqn, args=(Access("t", (fixed(0),)),))) == "shift[i0] = t[0]  for i0 < N + 1"
