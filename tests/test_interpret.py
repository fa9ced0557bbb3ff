"""The interpreter against NumPy's and SciPy's own operations: a second road to every value."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from gradwright.compiler.graph import expr as E
from gradwright.compiler.graph.expr import arg, const, make
from gradwright.compiler.graph.ir import (
    Access,
    Axis,
    Const,
    Eqn,
    Gather,
    Graph,
    Ix,
    Origin,
    Quot,
    Rem,
    Scan,
    Value,
    at,
    fixed,
)
from gradwright.compiler.graph.shapes import Dim, shape_of
from gradwright.compiler.meaning.interpret import FUNCTIONS, InterpretError, run
from hypothesis import given, settings
from scipy.special import erf, expit, logsumexp
from support.graphs import Case, graphs, ix

SOURCE = Origin((), "source")
D = Dim.of


def axes(**extents: Any) -> tuple[Axis, ...]:
    return tuple(Axis(n, D(d)) for n, d in extents.items())


def eqn(out: Value, over: Sequence[Axis], reduce: Any, args: Sequence[Access], body: E.Expr | None = None,
        out_index: Sequence[Ix] | None = None, drop: bool = False) -> Eqn:  # fmt: skip
    index = tuple(at(a.name) for a in over[: len(out.shape)]) if out_index is None else tuple(out_index)
    return Eqn(out, tuple(over), index, reduce, tuple(args), body or arg(0), "test", SOURCE, drop)


def one(
    inputs: dict[str, Any], values: Sequence[Value], *eqns: Eqn | Scan, consts: Sequence[Const] = (), dtype: Any = float
) -> Any:
    """The last value of a graph of these equations."""
    graph = Graph("test", tuple(values), tuple(consts), tuple(eqns), ())
    env = run(graph, inputs, dtype=dtype)
    last = eqns[-1]
    return env[(last.out if isinstance(last, Eqn) else last.outs[-1]).name]


def reading(name: str, *index: Any, fill: Fraction | str | None = None) -> Access:
    return Access(name, tuple(at(i) if isinstance(i, str) else i for i in index), fill)


rng = np.random.default_rng(0)
MUL = make("mul", arg(0), arg(1))


def test_matrix_product_and_its_relatives() -> None:
    a, b, x = rng.normal(size=(5, 3)), rng.normal(size=(3, 4)), rng.normal(size=(2, 5, 3))
    values = (Value("a", shape_of("N", 3)), Value("b", shape_of(3, 4)), Value("x", shape_of("B", "N", 3)))
    inputs = {"a": a, "b": b, "x": x}
    product = eqn(Value("c", shape_of("N", 4)), axes(i="N", j=4, r=3), "+", [reading("a", "i", "r"), reading("b", "r", "j")], MUL)
    np.testing.assert_allclose(one(inputs, values, product), a @ b, rtol=1e-14)
    batched = eqn(Value("c", shape_of("B", "N", 4)), axes(n="B", i="N", j=4, r=3), "+",
                  [reading("x", "n", "i", "r"), reading("b", "r", "j")], MUL)  # fmt: skip
    np.testing.assert_allclose(one(inputs, values, batched), x @ b, rtol=1e-13)
    scaled = make("neg", make("mul", make("mul", arg(0), const("0.5")), arg(1)))
    factors = [reading("a", "i", "r"), reading("b", "r", "j")]
    transposed = eqn(Value("c", shape_of(4, "N")), axes(j=4, i="N", r=3), "+", factors, scaled)
    np.testing.assert_allclose(one(inputs, values, transposed), -0.5 * (a @ b).T, rtol=1e-13)
    factors = [reading("a", "i", "r"), reading("b", "r", fixed(1))]
    nobody = eqn(Value("c", shape_of("N")), axes(i="N", r=3, s=7), "+", factors, MUL)
    np.testing.assert_allclose(one(inputs, values, nobody), 7 * (a @ b[:, 1]), rtol=1e-13)


def test_a_large_product_does_not_fill_its_grid() -> None:
    a, b = rng.normal(size=(700, 600)), rng.normal(size=(600, 500))  # the grid would take 1.7 GB
    values = (Value("a", shape_of("N", "K")), Value("b", shape_of("K", "M")))
    factors = [reading("a", "i", "r"), reading("b", "r", "j")]
    product = eqn(Value("c", shape_of("N", "M")), axes(i="N", j="M", r="K"), "+", factors, MUL)
    np.testing.assert_allclose(one({"a": a, "b": b}, values, product), a @ b, rtol=1e-9, atol=1e-9)


def test_convolution_with_stride_and_padding() -> None:
    x, w = rng.normal(size=(2, 7, 6)), rng.normal(size=(3, 3))
    values = (Value("x", shape_of("N", 7, 6)), Value("w", shape_of(3, 3)))
    read = reading("x", "n", ix(("i", 2), ("u", 1), -1), ix(("j", 2), ("v", 1), -1), fill=Fraction(0))
    conv = eqn(Value("c", shape_of("N", 4, 3)), axes(n="N", i=4, j=3, u=3, v=3), "+", [read, reading("w", "u", "v")], MUL)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((0, 0), (1, 1), (1, 1))), w.shape, axis=(1, 2))
    wanted = np.sum(windows * w, axis=(3, 4))[:, ::2, ::2]
    np.testing.assert_allclose(one({"x": x, "w": w}, values, conv), wanted, rtol=1e-13)


def test_gathered_cross_entropy() -> None:
    s, y = rng.normal(size=(6, 4)) * 300, rng.integers(0, 4, 6)
    values = (Value("s", shape_of("N", 4)), Value("y", shape_of("N"), "int"))
    lse = eqn(Value("l", shape_of("N")), axes(i="N", r=4), "lse", [reading("s", "i", "r")])
    picked = reading("s", "i", ix((Gather("y", (at("i"),)), 1)))
    loss = eqn(Value("loss", shape_of("N")), axes(i="N"), "", [reading("l", "i"), picked], make("sub", arg(0), arg(1)))
    np.testing.assert_allclose(one({"s": s, "y": y}, values, lse, loss), logsumexp(s, axis=1) - s[np.arange(6), y], rtol=1e-12)


def test_scatter_and_its_drop() -> None:
    g, y = rng.normal(size=6), np.array([0, 2, 2, 1, 0, 2])
    values = (Value("g", shape_of("N")), Value("y", shape_of("N"), "int"))
    label = ix((Gather("y", (at("i"),)), 1))
    scatter = eqn(Value("d", shape_of(3)), axes(i="N"), "+", [reading("g", "i")], out_index=[label])
    np.testing.assert_allclose(one({"g": g, "y": y}, values, scatter), np.bincount(y, g, 3), rtol=1e-14)
    shifted = eqn(Value("d", shape_of("N")), axes(i="N"), "+", [reading("g", "i")], out_index=[ix(("i", 1), -1)], drop=True)
    np.testing.assert_array_equal(one({"g": g, "y": y}, values, shifted), [*g[1:], 0])
    outside = eqn(Value("d", shape_of(2)), axes(i="N"), "+", [reading("g", "i")], out_index=[label])
    with pytest.raises(InterpretError, match="writes outside"):
        one({"g": g, "y": y}, values, outside)
    rows = eqn(Value("d", shape_of("N")), axes(i="N", r=2), "+", [reading("g", "i")], out_index=[ix(("i", 1))])
    np.testing.assert_allclose(one({"g": g, "y": y}, values, rows), 2 * g)


def test_reshape_through_quotients_and_remainders() -> None:
    x = rng.normal(size=(4, 6))
    values = (Value("x", shape_of("N", "M")),)
    flat = Ix(((Quot(at("k"), D("M")), D(1)),)), Ix(((Rem(at("k"), D("M")), D(1)),))
    merged = eqn(Value("f", (D("N") * D("M"),)), [Axis("k", D("N") * D("M"))], "", [reading("x", *flat)])
    np.testing.assert_array_equal(one({"x": x}, values, merged), x.reshape(-1))
    np.testing.assert_array_equal(one({"x": x[:, :0]}, values, merged), [])


def test_slices_pads_and_diagonals() -> None:
    x = rng.normal(size=(5, 5))
    values = (Value("x", shape_of(5, 5)),)
    backwards = eqn(Value("o", shape_of(2)), axes(i=2), "", [reading("x", ix(("i", -2), 4), fixed(1))])
    np.testing.assert_array_equal(one({"x": x}, values, backwards), x[4:0:-2, 1])
    diagonal = eqn(Value("o", shape_of(5)), axes(i=5), "", [reading("x", "i", "i")])
    np.testing.assert_array_equal(one({"x": x}, values, diagonal), np.diag(x))
    padded = eqn(Value("o", shape_of(8, 5)), axes(i=8, j=5), "", [reading("x", ix(("i", 1), -2), "j", fill="-inf")])
    np.testing.assert_array_equal(one({"x": x}, values, padded), np.pad(x, ((2, 1), (0, 0)), constant_values=-np.inf))
    with pytest.raises(InterpretError, match="reads outside"):
        one({"x": x}, values, eqn(Value("o", shape_of(5)), axes(i=5), "", [reading("x", ix(("i", 1), 1), fixed(0))]))


@pytest.mark.parametrize("reverse", [False, True])
def test_scan(reverse: bool) -> None:
    xs, k = rng.normal(size=(6, 2)), np.array(0.5)
    cell = eqn(Value("new", shape_of(2)), axes(i=2), "", [reading("h", "i"), reading("x", "i"), reading("k")],
               make("add", make("mul", arg(0), arg(2)), arg(1)))  # fmt: skip
    body = Graph("body", (Value("h", shape_of(2)), Value("x", shape_of(2)), Value("k", ())), (), (cell,), ("new", "new"))
    outs = (Value("last", shape_of(2)), Value("hs", shape_of("T", 2)))
    loop = Scan(outs, Axis("t", D("T")), reverse, ("h0",), ("xs",), ("k",), body, SOURCE)
    graph = Graph("g", (Value("h0", shape_of(2)), Value("xs", shape_of("T", 2)), Value("k", ())), (), (loop,), ())
    env = run(graph, {"h0": np.ones(2), "xs": xs, "k": k})
    h, hs = np.ones(2), np.zeros((6, 2))
    for t in reversed(range(6)) if reverse else range(6):
        h = hs[t] = 0.5 * h + xs[t]
    np.testing.assert_allclose(env["hs"], hs, rtol=1e-14)
    np.testing.assert_allclose(env["last"], h, rtol=1e-14)
    empty = run(graph, {"h0": np.ones(2), "xs": xs[:0], "k": k})
    assert empty["hs"].shape == (0, 2) and (empty["last"] == 1).all()


def test_reductions_of_nothing_and_of_infinities() -> None:
    values = (Value("x", shape_of("N", "M")),)
    inf = np.inf

    def reduced(kind: str, x: Any) -> Any:
        out = Value("o", shape_of("N"), "int" if kind.startswith("arg") else "real")
        return one({"x": np.asarray(x, float)}, values, eqn(out, axes(i="N", r="M"), kind, [reading("x", "i", "r")]))

    np.testing.assert_array_equal(reduced("lse", [[-inf, -inf], [inf, 0], [inf, inf], [1e300, 1e300]]), [-inf, inf, inf, 1e300])
    assert np.isnan(reduced("lse", [[inf, np.nan]])[0]) and np.isnan(reduced("max", [[np.nan, 1]])[0])
    np.testing.assert_array_equal(reduced("argmax", [[1, 3, 3], [2, 2, 1]]), [1, 0])
    np.testing.assert_array_equal(reduced("argmin", [[1, 0, 0], [2, 2, 3]]), [1, 0])
    assert reduced("argmax", [[1.0]]).dtype == np.int64
    nothing = np.zeros((2, 0))
    np.testing.assert_array_equal(reduced("+", nothing), [0, 0])
    np.testing.assert_array_equal(reduced("*", nothing), [1, 1])
    np.testing.assert_array_equal(reduced("lse", nothing), [-inf, -inf])
    for kind in ("max", "min", "argmax", "argmin"):
        with pytest.raises(ValueError, match="of nothing"):
            reduced(kind, nothing)
        assert reduced(kind, np.zeros((0, 0))).shape == (0,)


def test_elementary_functions_at_the_edges() -> None:
    x = np.array([-np.inf, -800, -40, -1, -0.0, 0, 1e-300, 1, 40, 800, np.inf, np.nan])
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(FUNCTIONS["sigmoid"](x), expit(x), rtol=2e-15)
        np.testing.assert_allclose(FUNCTIONS["softplus"](x), np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))), rtol=2e-15)
        np.testing.assert_allclose(FUNCTIONS["erf"](x), erf(x), rtol=2e-15)
    assert FUNCTIONS["sign"](np.zeros(1))[0] == 0
    assert np.isnan(FUNCTIONS["max"](np.array([np.nan]), np.array([1.0])))[0]


def test_booleans_and_integers_count_as_numbers() -> None:
    values = (Value("x", shape_of("N")), Value("y", shape_of("N"), "int"))
    mask = eqn(Value("m", shape_of("N"), "bool"), axes(i="N"), "", [reading("x", "i")], make("gt", arg(0), const(0)))
    both = make("sub", make("add", make("div", arg(1), const(2)), arg(0)), make("mul", make("idx", value="i"), E.dim(D("N"))))
    total = eqn(Value("o", shape_of("N")), axes(i="N"), "", [reading("m", "i"), reading("y", "i")], both)
    x, y = np.array([-1.0, 2, 3]), np.array([1, 2, 3])
    np.testing.assert_array_equal(one({"x": x, "y": y}, values, mask, total), y / 2 + (x > 0) - np.arange(3) * 3)
    count = eqn(Value("n", ()), axes(r="N"), "+", [reading("m", "r")], out_index=())
    assert one({"x": x, "y": y}, values, mask, count) == 2


def test_literals_sizes_and_dtypes() -> None:
    data = Const(Value("k", shape_of(2, 2)), (Fraction(1), Fraction(1, 10), Fraction(0), Fraction(-2)), SOURCE)
    values = (Value("x", (D("N") * 2 + 1, D(2))),)
    body = make("add", make("mul", arg(0), arg(1)), E.dim(D("N")))
    scaled = eqn(Value("o", (D("N") * 2 + 1, D(2))), [Axis("i", D("N") * 2 + 1), Axis("j", D(2))], "",
                 [reading("x", "i", "j"), reading("k", fixed(1), "j")], body)  # fmt: skip
    x = rng.normal(size=(7, 2))
    got = one({"x": x}, values, scaled, consts=(data,), dtype=np.float32)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, x.astype(np.float32) * np.array([0, -2], np.float32) + 3)


@pytest.mark.parametrize(("inputs", "message"), [
    ({"x": np.zeros((2, 3)), "y": np.zeros(3)}, "y is"),
    ({"x": np.zeros((2, 3))}, "the input y is missing"),
    ({"x": np.zeros(2), "y": np.zeros(2)}, "x is"),
    ({"x": np.zeros((2, 3)), "y": np.zeros(2), "z": 0}, "no input z"),
])  # fmt: skip
def test_inputs_that_do_not_fit(inputs: dict[str, Any], message: str) -> None:
    graph = Graph("g", (Value("x", shape_of("N", 3)), Value("y", shape_of("N"))), (), (), ())
    with pytest.raises(InterpretError, match=message):
        run(graph, inputs)


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_random_graphs_have_finite_values_of_the_declared_shapes(case: Case) -> None:
    values = case.run()
    again = case.run()
    for name, value in case.graph.values().items():
        assert values[name].shape == tuple(d.evaluate(case.sizes) for d in value.shape)
        assert values[name].dtype == {"real": np.float64, "int": np.int64, "bool": np.bool_}[value.kind]
        assert np.isfinite(values[name]).all()
        np.testing.assert_array_equal(values[name], again[name])
