"""The six programs that the graph and the loop nests were made for, by hand: each one index expressions with scalar bodies,
differentiated by swapping indices, lowered, emitted, built, and compared with the interpreter, with NumPy's own operations and
with finite differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from gradwright.compiler.derive.reverse import Seed, differentiate
from gradwright.compiler.graph import expr as E
from gradwright.compiler.graph.ir import Access, Axis, Eqn, Gather, Graph, Ix, Origin, Reduce, Scan, Value, at, fixed
from gradwright.compiler.graph.shapes import Dim, shape_of
from gradwright.compiler.language.source import Span
from gradwright.compiler.loops.ir import Assign, Loop, Nest, Product, Storage
from gradwright.compiler.meaning.interpret import run
from gradwright.compiler.meaning.verify import verify, verify_gradients
from gradwright.compiler.passes import AFTER, BEFORE, apply
from gradwright.compiler.passes.kernels import Kernel, Place
from gradwright.compiler.passes.products import Level
from numpy.typing import NDArray
from support import settings
from support.kernels import Runner, build_graphs, build_nests

pytestmark = pytest.mark.unoptimised

Array = NDArray[Any]
ORIGIN = Origin((Span("spike.gw", 1, 1, 1, 9),), "source")
X, Y, Z = E.arg(0), E.arg(1), E.arg(2)
SIZES = (0, 1, 2, 7, 64)


def value(name: str, *shape: int | str) -> Value:
    return Value(name, shape_of(*shape))


def read(name: str, *index: str | Ix, fill: Fraction | None = None) -> Access:
    return Access(name, tuple(at(i) if isinstance(i, str) else i for i in index), fill)


def eqn(out: Value, index: str, reduced: dict[str, int | str], reduce: Reduce, args: list[Access], body: E.Expr, op: str) -> Eqn:
    """``index`` names the output's axes, ``reduced`` the others with their extents."""
    axes = [Axis(n, d) for n, d in zip(index.split(), out.shape, strict=True)]
    axes += [Axis(n, Dim.of(d)) for n, d in reduced.items()]
    return Eqn(out, tuple(axes), tuple(at(n) for n in index.split()), reduce, tuple(args), body, op, ORIGIN)


def summed(name: str, what: str, index: dict[str, int | str], body: E.Expr = X) -> Eqn:
    return eqn(value(name), "", index, "+", [read(what, *index)], body, "sum")


# ---------------------------------------------------------------- the programs, and what NumPy says of them


def sigmoid() -> Graph:
    x = value("x", "N", 3)
    s = eqn(value("s", "N", 3), "n j", {}, "", [read("x", "n", "j")], E.call("sigmoid", X), "sigmoid")
    return Graph("sigmoid", (x,), (), (s, summed("loss", "s", {"n": "N", "j": 3}, E.make("square", X))), ("s", "loss"))


def np_sigmoid(x: Array) -> dict[str, Array]:
    s = 1 / (1 + np.exp(-x))
    return {"s": s, "loss": np.sum(s**2), "d_x": 2 * s * s * (1 - s)}


def affine() -> Graph:
    z = eqn(value("z", "N", 4), "n j", {"k": 3}, "+", [read("x", "n", "k"), read("W", "k", "j")], E.make("mul", X, Y), "matmul")
    h = eqn(value("h", "N", 4), "n j", {}, "", [read("z", "n", "j"), read("b", "j")], E.make("add", X, Y), "add")
    loss = summed("loss", "h", {"n": "N", "j": 4}, E.make("square", X))
    return Graph("affine", (value("x", "N", 3), value("W", 3, 4), value("b", 4)), (), (z, h, loss), ("h", "loss"))


def np_affine(x: Array, W: Array, b: Array) -> dict[str, Array]:
    h = x @ W + b
    return {"h": h, "loss": np.sum(h**2), "d_x": 2 * h @ W.T, "d_W": 2 * x.T @ h, "d_b": 2 * h.sum(axis=0)}


def cross_entropy() -> Graph:
    label = Ix(((Gather("y", (at("n"),)), Dim.of(1)),))
    lse = eqn(value("lse", "N"), "n", {"j": 5}, "lse", [read("s", "n", "j")], X, "logsumexp")
    own = eqn(value("own", "N"), "n", {}, "", [read("s", "n", label)], X, "gather")
    each = eqn(value("each", "N"), "n", {}, "", [read("lse", "n"), read("own", "n")], E.make("sub", X, Y), "sub")
    loss = summed("loss", "each", {"n": "N"})
    y = Value("y", shape_of("N"), "int")
    return Graph("cross_entropy", (value("s", "N", 5), y), (), (lse, own, each, loss), ("each", "loss"))


def np_cross_entropy(s: Array, y: Array) -> dict[str, Array]:
    e = np.exp(s - s.max(axis=1, keepdims=True)) if s.size else s
    p = e / e.sum(axis=1, keepdims=True)
    rows = np.arange(len(y))
    each = -np.log(p[rows, y])
    d = p.copy()
    d[rows, y] -= 1
    return {"each": each, "loss": np.sum(each), "d_s": d}


def convolution() -> Graph:
    """Stride 2, padding 1: c[n, o, i, j] = sum over u, v and channels of x[n, c, 2 i + u - 1, 2 j + v - 1] * w[o, c, u, v]."""

    def where(i: str, u: str) -> Ix:
        return at(i).scale(Dim.of(2)) + at(u) + fixed(-1)

    args = [read("x", "n", "c", where("i", "u"), where("j", "v"), fill=Fraction(0)), read("w", "o", "c", "u", "v")]
    c = eqn(value("c", "N", 2, 3, 3), "n o i j", {"c": 2, "u": 3, "v": 3}, "+", args, E.make("mul", X, Y), "conv")
    loss = summed("loss", "c", {"n": "N", "o": 2, "i": 3, "j": 3}, E.call("sin", X))
    return Graph("convolution", (value("x", "N", 2, 6, 6), value("w", 2, 2, 3, 3)), (), (c, loss), ("c", "loss"))


def np_convolution(x: Array, w: Array) -> dict[str, Array]:
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))[:, :, ::2, ::2]
    c = np.einsum("ncijuv,ocuv->noij", windows, w)
    d = np.cos(c)
    d_padded = np.zeros_like(padded)
    for i, j, u, v in np.ndindex(3, 3, 3, 3):
        d_padded[:, :, 2 * i + u, 2 * j + v] += d[:, :, i, j] @ w[:, :, u, v]
    d_w = np.einsum("noij,ncijuv->ocuv", d, windows)
    return {"c": c, "loss": np.sum(np.sin(c)), "d_x": d_padded[:, :, 1:-1, 1:-1], "d_w": d_w}


def scan() -> Graph:
    """h = tanh(x[t] @ Wx + h @ Wh), ten times; each step also gives the sum of its h."""
    inside = (value("hp", "N", 3), value("xt", "N", 2), value("Wx", 2, 3), value("Wh", 3, 3))
    product, tanh = E.make("mul", X, Y), E.call("tanh", E.make("add", X, Y))
    body = Graph("step", inside, (), (
        eqn(value("a", "N", 3), "n j", {"d": 2}, "+", [read("xt", "n", "d"), read("Wx", "d", "j")], product, "matmul"),
        eqn(value("b", "N", 3), "n j", {"k": 3}, "+", [read("hp", "n", "k"), read("Wh", "k", "j")], product, "matmul"),
        eqn(value("hn", "N", 3), "n j", {}, "", [read("a", "n", "j"), read("b", "n", "j")], tanh, "tanh"),
        eqn(value("each", "N"), "n", {"j": 3}, "+", [read("hn", "n", "j")], X, "sum"),
    ), ("hn", "each"))  # fmt: skip
    outs, step = (value("h", "N", 3), value("es", 10, "N")), Axis("t", Dim.of(10))
    loop = Scan(outs, step, False, ("h0",), ("x",), ("Wx", "Wh"), body, ORIGIN)
    parts = summed("l1", "h", {"n": "N", "j": 3}, E.make("square", X)), summed("l2", "es", {"t": 10, "n": "N"}, E.call("sin", X))
    loss = eqn(value("loss"), "", {}, "", [read("l1"), read("l2")], E.make("add", X, Y), "add")
    inputs = (value("x", 10, "N", 2), value("h0", "N", 3), *inside[2:])
    return Graph("scan", inputs, (), (loop, *parts, loss), ("h", "es", "loss"))


def np_scan(x: Array, h0: Array, Wx: Array, Wh: Array) -> dict[str, Array]:
    hs = [h0]
    for t in range(10):
        hs.append(np.tanh(x[t] @ Wx + hs[-1] @ Wh))
    es = np.stack([h.sum(axis=1) for h in hs[1:]])
    d_h, d_x, d_Wx, d_Wh = 2 * hs[-1], np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh)
    for t in reversed(range(10)):
        d_a = (d_h + np.cos(es[t])[:, None]) * (1 - hs[t + 1] ** 2)
        d_x[t], d_Wx, d_Wh = d_a @ Wx.T, d_Wx + x[t].T @ d_a, d_Wh + hs[t].T @ d_a
        d_h = d_a @ Wh.T
    loss = np.sum(hs[-1] ** 2) + np.sum(np.sin(es))
    return {"h": hs[-1], "es": es, "loss": loss, "d_x": d_x, "d_h0": d_h, "d_Wx": d_Wx, "d_Wh": d_Wh}


@dataclass(frozen=True)
class Program:
    graph: Graph
    reference: Callable[..., Mapping[str, Array]]
    adjoints: dict[str, str]  # of each real input, the value's name
    whole: Graph  # with its backward pass, optimised

    def inputs(self, n: int, rng: np.random.Generator) -> dict[str, Array]:
        """Random inputs for a batch of n."""
        found: dict[str, Array] = {}
        for v in self.graph.inputs:
            shape = tuple(d.evaluate({"N": n}) for d in v.shape)
            found[v.name] = rng.integers(0, 5, shape) if v.kind == "int" else rng.normal(size=shape) / 2
        return found


def program(graph: Graph, reference: Callable[..., Mapping[str, Array]]) -> Program:
    verify(graph)
    forward = apply(BEFORE, graph)
    names = [v.name for v in graph.inputs if v.kind == "real"]
    backward = differentiate(forward, "loss", names, Seed(None))
    verify(backward.graph, "derive")
    verify_gradients(backward.graph, zip(names, backward.adjoints, strict=True))
    outputs = tuple(dict.fromkeys((*graph.outputs, *backward.adjoints)))
    whole = apply(AFTER, replace(backward.graph, outputs=outputs))
    return Program(graph, reference, dict(zip(names, backward.adjoints, strict=True)), whole)


PROGRAMS = {
    p.graph.name: p
    for p in (program(sigmoid(), np_sigmoid), program(affine(), np_affine), program(cross_entropy(), np_cross_entropy),
              program(convolution(), np_convolution), program(scan(), np_scan))
}  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Runner]:
    """One module that holds them all."""
    folder = tmp_path_factory.mktemp("spike")
    return dict(zip(PROGRAMS, build_graphs([p.whole for p in PROGRAMS.values()], folder, level=settings.level), strict=True))


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_built_is_what_numpy_says(name: str, built: dict[str, Runner]) -> None:
    """One binary for every batch size."""
    case = PROGRAMS[name]
    for n in SIZES:
        inputs = case.inputs(n, np.random.default_rng(n))
        expected = case.reference(**inputs)
        compiled, interpreted = built[name](inputs, {"N": n}), run(case.whole, inputs, {"N": n})
        for wanted, right in expected.items():
            ours = case.adjoints[wanted.removeprefix("d_")] if wanted.startswith("d_") else wanted
            for found in (compiled[ours], interpreted[ours]):
                assert found.shape == np.shape(right)
                np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-13 * max(n, 1), err_msg=f"{wanted} at N={n}")


@pytest.mark.parametrize("name", PROGRAMS)
def test_gradients_are_the_slopes(name: str, built: dict[str, Runner]) -> None:
    """Against finite differences of the forward pass alone, in a random direction of each input."""
    case = PROGRAMS[name]
    rng = np.random.default_rng(5)
    inputs = case.inputs(2, rng)
    gradients = built[name](inputs, {"N": 2})
    for wrt, adjoint in case.adjoints.items():
        direction = rng.normal(size=inputs[wrt].shape)

        def loss(step: float, wrt: str = wrt, direction: Array = direction) -> float:
            return float(run(case.graph, inputs | {wrt: inputs[wrt] + step * direction})["loss"])

        h = 1e-3
        slope = (8 * (loss(h) - loss(-h)) - (loss(2 * h) - loss(-2 * h))) / (12 * h)
        np.testing.assert_allclose(np.sum(gradients[adjoint] * direction), slope, rtol=1e-8, atol=1e-9)


def test_second_order_comes_free() -> None:
    """The backward graph is made of the same operations: the Hessian of the cross-entropy is diag(p) - p pᵀ."""
    case = PROGRAMS["cross_entropy"]
    backward = differentiate(case.graph, "loss", ["s"], Seed(None))
    again = replace(backward.graph, inputs=(*backward.graph.inputs, value("u", "N", 5)))
    (d_s,) = backward.adjoints
    again = differentiate(again, d_s, ["s"], Seed("u")).graph
    inputs = case.inputs(3, np.random.default_rng(1)) | {"u": np.random.default_rng(2).normal(size=(3, 5))}
    found = run(again, inputs)[again.eqns[-1].out.name]  # type: ignore[union-attr]
    p = np.exp(inputs["s"]) / np.exp(inputs["s"]).sum(axis=1, keepdims=True)
    expected = p * inputs["u"] - p * (p * inputs["u"]).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


# ---------------------------------------------------------------- an update in the epilogue of a product


def update_nest() -> Nest:
    """One step of z = x @ W, d_z = z - y, W -= lr * (xᵀ d_z + decay * W), where the last product writes W itself.

    W[20, 5] is packed: each of its rows takes 8 elements in memory.
    """
    lr, decay, pitch = read("lr"), read("decay"), Dim.of(8)
    n, d, j = Dim.of("N"), Dim.of(20), Dim.of(5)
    values = {v.name: v for v in (value("x", "N", 20), value("y", "N", 5), value("lr"), value("decay"), value("W", 20, 5),
                                  value("z", "N", 5), value("loss"))}  # fmt: skip

    one, none = Dim.of(1), Dim.of(0)

    def level(extent: Dim, a: Dim, b: Dim, c: Dim) -> Level:
        return Level((), extent, a, b, c)

    forward = Product((level(n, d, none, j),), (level(d, one, pitch, none),), level(j, none, one, one),
                      read("x", Ix(), Ix()), read("W", Ix(), Ix()), read("z", Ix(), Ix()), E.ONE, E.ZERO, ORIGIN)  # fmt: skip
    element = read("z", "n", "j")
    residual = Assign("z", element.index, "=", E.make("sub", X, Y), (element, read("y", "n", "j")), ORIGIN)
    error = Assign("loss", (), "+=", E.make("mul", E.HALF, E.make("square", X)), (element,), ORIGIN)
    step = Product((level(d, one, none, pitch),), (level(n, d, j, none),), level(j, none, one, one),
                   read("x", Ix(), Ix()), read("z", Ix(), Ix()), read("W", Ix(), Ix()),
                   E.neg(X), E.sub(E.ONE, E.mul(X, Y)), ORIGIN, (lr, decay))  # fmt: skip
    body = (forward, Assign("loss", (), "=", E.ZERO, (), ORIGIN), Loop("n", n, (Loop("j", j, (residual, error)),)), step)
    graph = Graph("update", tuple(values[k] for k in ("x", "y", "lr", "decay", "W", "z", "loss")), (), (), ())
    places = [Place(k, f"in:{k}") for k in ("x", "y", "lr", "decay")] + [Place("W", "theta"), Place("loss", "out:loss")]
    storage = [Storage(values[p.value], "slot", tuple(range(len(values[p.value].shape))), p.slot) for p in places]
    storage[4] = replace(storage[4], pitch=pitch)
    storage.append(Storage(values["z"], "work", (0, 1)))
    kernel = Kernel("k0", "a step of gradient descent", graph, tuple(places), tuple(p.slot for p in places), Dim.of(0))
    return Nest(kernel, body, tuple(storage), n * 5)


def test_a_product_applies_the_update_to_packed_parameters(tmp_path_factory: pytest.TempPathFactory) -> None:
    (step,) = build_nests([update_nest()], [["N"]], tmp_path_factory.mktemp("update"))
    rng = np.random.default_rng(0)
    for n in SIZES:
        x, y, packed = rng.normal(size=(n, 20)), rng.normal(size=(n, 5)), rng.normal(size=(20, 8))
        before = packed.copy()
        inputs = {"x": x, "y": y, "lr": np.array(0.01), "decay": np.array(0.1), "theta": packed}
        loss = step(inputs, {"N": n})["loss"]
        residual = x @ before[:, :5] - y
        expected = before.copy()
        expected[:, :5] -= 0.01 * (x.T @ residual + 0.1 * before[:, :5])
        np.testing.assert_allclose(loss, 0.5 * np.sum(residual**2), rtol=1e-13)
        np.testing.assert_allclose(packed, expected, rtol=0, atol=1e-14 * (n + 1))
        assert (packed[:, 5:] == before[:, 5:]).all()  # the padding is nobody's
