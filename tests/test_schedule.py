"""Which loops are shared, seen in the loop nests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from gradwright.compiler.emit.module import emit_module
from gradwright.compiler.graph import expr as E
from gradwright.compiler.graph.ir import Access, Origin, Rem, at
from gradwright.compiler.graph.shapes import Dim
from gradwright.compiler.loops.buffers import lower
from gradwright.compiler.loops.ir import ArgBest, Assign, Loop, Node, Product
from gradwright.compiler.loops.nodes import added_together, walk
from gradwright.compiler.passes.kernels import plan
from gradwright.runtime import SGD, load
from support.models import build

pytestmark = pytest.mark.unoptimised

NET = """\
size  N, H = 8
input x[N, 2], y[N, 1]
param W[2, H] ~ glorot_uniform
param v[H, 1] ~ glorot_uniform
h = tanh(x @ W)
output p = sigmoid(h @ v)
minimize mean(binary_cross_entropy(p, y))
"""


def loops(text: str, kernel: str) -> tuple[Node, ...]:
    (found,) = [k for k in plan(build(text)).kernels if k.name == kernel]
    return lower(found).body


def around(nodes: Iterable[Node], op: str, outer: tuple[Loop, ...] = ()) -> Iterator[tuple[Loop, ...]]:
    """The loops around each statement that takes the function, or stores so."""
    for node in nodes:
        if isinstance(node, Loop):
            yield from around(node.body, op, (*outer, node))
        elif isinstance(node, Assign) and (node.op == op or any(n.op == op for n in E.walk(node.body))):
            yield outer


def test_in_a_small_model_a_gate_of_each_row_has_a_loop_without_loops() -> None:
    """One gate a row, between sums along the row: in a loop of its own over the rows it is vectorised."""
    for kernel in ("train", "predict"):
        (found,) = around(loops(NET.replace("size  N,", "size  N = 4,"), kernel), "sigmoid")
        (row,) = found
        assert row.extent.value == 4
        assert all(isinstance(node, Assign) for node in row.body)


def test_where_a_row_is_a_vector_its_gate_stays_beside_what_makes_it() -> None:
    """tanh runs along the row, with the sum over two inputs, which is unrolled."""
    (found,) = around(loops(NET.replace("size  N,", "size  N = 4,"), "train"), "tanh")
    assert [loop.extent.value for loop in found] == [4, 8]
    assert any(isinstance(node, Loop) for node in found[-1].body)


SHARED = """\
size N
input x[N]
param t = 0.5
h1 = tanh(x * t) - t
h2 = sin(h1 * t) / t
minimize mean(square(h2 + t * h1))
"""


def test_what_several_uses_add_to_one_gradient_is_added_in_one_loop() -> None:
    """One pass over memory and one sum in blocks, where each use had its own."""
    nodes = loops(SHARED, "train")
    adds = [n for n in walk(nodes) if isinstance(n, Assign) and n.op == "+=" and n.target.startswith("d_t")]
    assert len(adds) == 1 and sum(1 for node in E.walk(adds[0].body) if node.op in ("add", "sub")) >= 3
    (around_it,) = (n for n in walk(nodes) if isinstance(n, Loop) and adds[0] in n.body)
    assert adds[0].target in around_it.sums
    for count in (0, 1, 7, 513, 70_000):  # the last by a team
        x = np.random.default_rng(count).normal(size=count)
        found, wanted = (load(SHARED, backend=b, name="shared_t").Model().value_and_grad(x=x) for b in ("cython", "numpy"))
        np.testing.assert_allclose(found[1].t, wanted[1].t, rtol=1e-11)


@pytest.mark.parametrize("between", ["y", "z"])
def test_a_sum_does_not_wait_where_its_terms_change(between: str) -> None:
    """What is added to one place twice is added once, behind what both read; but not behind what changes it, or looks at it."""
    origin = Origin((), "test")

    def add(value: str) -> Assign:
        return Assign("s", (), "+=", E.arg(0), (Access(value, (at("i"),)),), origin)

    other = Assign(between, (at("i"),), "=", E.ZERO, (), origin)
    looks = Assign("z", (at("i"),), "=", E.arg(0), (Access("s", ()),), origin)
    found = added_together([add("y"), other, add("x"), add("y")])
    if between == "y":
        assert found[0] == add("y") and len(found) == 3
    else:
        assert found[0] == other and len(found) == 2 and len(found[1].args) == 3  # type: ignore[union-attr]
    assert added_together([add("y"), looks, add("x")]) == [add("y"), looks, add("x")]


def test_in_a_small_model_the_gates_of_all_rows_are_taken_before_any_sum_along_a_row() -> None:
    """One row's gates then do not wait for the sum along the row before."""
    body = loops(NET.replace("size  N,", "size  N = 4,"), "train")
    (first,) = [node for node in body if list(around([node], "tanh"))]
    assert isinstance(first, Loop)
    sums = [n for n in walk(first.body) if isinstance(n, Assign) and n.op == "+=" and n.target.startswith("p")]
    assert not sums


@pytest.mark.parametrize("rows", ["N", "N = 200", "N = 40"])
def test_where_much_would_be_stored_for_it_a_row_is_done_in_one_go(rows: str) -> None:
    (found,) = around(loops(NET.replace("size  N,", f"size  {rows},"), "predict"), "sigmoid")
    assert any(isinstance(node, Loop) for node in found[0].body)


@pytest.mark.parametrize(("axis", "kept"), [(0, True), (1, False)])
def test_a_running_sum_along_memory_is_kept_in_a_variable(axis: int, kept: bool) -> None:
    """Along the other axis whole rows are added, by vectors, from the row before."""
    body = loops(f"size N, M\ninput x[N, M]\noutput y = cumsum(x, axis={axis})\n", "forward")
    reads = [a.value for node in walk(body) if isinstance(node, Assign) and node.target == "y" for a in node.args]
    assert ("y" in reads) == kept


def test_rows_of_a_free_number_are_taken_some_at_once() -> None:
    """Their gates are then vectorised as if the number were known, and nothing is stored for more rows than these."""
    (found,) = [k for k in plan(build(NET)).kernels if k.name == "train"]
    nest = lower(found)
    strips = [node for node in nest.body if isinstance(node, Loop) and node.strip]
    (strip,) = strips
    columns = [node for node in strip.body if isinstance(node, Loop) and node.extent.value == 8]
    assert [node.of for node in strip.body if isinstance(node, Loop) and node not in columns] == [strip.variable] * 3
    assert [inner.of for node in columns for inner in node.body if isinstance(inner, Loop)] == [strip.variable]
    assert len(strip.body) == 4 and len(columns[0].body) == 1
    (outer, row), (other, again) = [*around(nest.body, "sigmoid"), *around(nest.body, "softplus")]
    assert outer is other is strip and row is again and all(isinstance(node, Assign) for node in row.body)
    assert {s.strip for s in nest.storage if s.value.name in ("h", "p_t1", "p_t2") and s.kind == "stack"} == {strip.strip}
    assert not nest.work.terms


def test_sums_over_the_rows_of_a_strip_go_column_by_column() -> None:
    """What a column adds up stays in a register, and what is computed for these sums alone takes no memory. A matrix whose rows
    are shorter than a vector is added to row by row."""
    text = NET.replace("v[H, 1]", "v[H, 3]").replace("y[N, 1]", "y[N, 3]")
    (found,) = [k for k in plan(build(text)).kernels if k.name == "train"]
    nest = lower(found)
    shapes = {name: [(bool(loop.of), loop.extent.value) for loop in path[1:]] for name in ("d_W", "d_v")
              for path in paths(nest.body, name) if path[0].strip}  # fmt: skip
    assert shapes == {"d_W": [(False, 8), (True, None), (False, 2)], "d_v": [(True, None), (False, 8), (False, 3)]}
    alone = {s.value.name: s.kind for s in nest.storage if s.value.name.startswith("d_h")}
    assert alone and set(alone.values()) == {"scalar"}


@pytest.mark.parametrize(("columns", "first"), [(6, True), (10, True), (12, False), (15, False), (16, True)])
def test_columns_go_first_where_whole_vectors_leave_few_over(columns: int, first: bool) -> None:
    """The C compiler takes what is left over one by one."""
    text = NET.replace("H = 8", f"H = {columns}")
    found = [path for path in paths(loops(text, "train"), "d_v") if path[0].strip]
    assert found and all((path[1].of == "") is first for path in found)


def test_one_sum_alone_goes_by_columns_where_they_are_whole_vectors() -> None:
    for columns in (8, 10):
        text = f"size N\ninput x[N, {columns}], y[N, 1]\nparam w[{columns}, 1] = 0\noutput p = sigmoid(x @ w)\n"
        body = loops(text + "minimize mean(binary_cross_entropy(p, y))\n", "train")
        (path,) = [path for path in paths(body, "d_w") if path[0].strip]
        assert (path[1].of == "") is (columns == 8)


def test_the_gates_of_a_few_classes_are_taken_of_all_rows_of_a_strip() -> None:
    """Loops of a few rounds are written out, so that the loop over the rows is vectorised if it neither scatters nor adds up
    longer rows, and what it sums of gates is written down first."""
    text = "size N\ninput x[N, 2]\nindex y[N] < 3\nparam W[2, 8] ~ normal(0, 1)\nparam V[8, 3] ~ normal(0, 1)\n"
    body = loops(text + "output s = tanh(x @ W) @ V\nminimize mean(softmax_cross_entropy(s, y))\n", "train")
    for op in ("exp", "log"):
        (path,) = {path[:2]: path for path in around(body, op)}.values()
        row = path[1]
        assert row.of == path[0].variable and len(row.sums) == 1
        assert all((n.extent.value or 0) <= 3 for n in walk(row.body) if isinstance(n, Loop))
        assert not any(ix.gathers() and list(ix.gathers()) for n in walk(row.body) if isinstance(n, Assign) for ix in n.index)


@pytest.mark.parametrize("rows", ["size N = 4", "size N"])
def test_a_sum_of_gates_is_vectorised(rows: str) -> None:
    """One after the other, a running sum would have the gates computed one at a time."""
    nodes = [node for node in walk(loops(NET.replace("size  N", rows), "train")) if isinstance(node, Loop)]
    (found,) = [loop for loop in nodes if list(around([loop], "softplus")) and all(isinstance(n, Assign) for n in loop.body)]
    assert found.sums


def test_a_gate_does_not_wait_for_short_sums_over_its_row() -> None:
    """Neither where each of them is a loop of two: the sums are one after the other, and so would be the gates."""
    text = "size N\ninput x[N, 2]\nparam W[2, 16] ~ normal(0, 1)\nparam V[16, 2] ~ normal(0, 1)\noutput y = tanh(x @ W) @ V\n"
    found = [loops_[-1] for loops_ in around(loops(text, "forward"), "tanh")]
    assert found and all(n.target != "y" for loop in found for n in walk(loop.body) if isinstance(n, Assign))


def test_long_rows_are_taken_one_by_one() -> None:
    assert not any(isinstance(n, Loop) and n.strip for n in walk(loops(NET.replace("H = 8", "H = 64"), "train")))


@pytest.mark.parametrize("places", [5, 13, 40])
def test_columns_are_searched_along_memory(places: int) -> None:
    """However few places each has: the row goes by and many columns are searched at a time."""
    text = f"size N\ninput x[N, {places}, 24]\nparam W[24, 24] = 1\nh = relu(x @ W)\n"
    text += "minimize sum(tanh(max(h, axis=1) + mean(h, axis=1)))\n"
    found = [path for node in loops(text, "train") for path in searches(node)]
    assert found and all([str(loop.extent) for loop in path[-2:]] == [str(places), "24"] for path in found)


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
@pytest.mark.parametrize("places", ["T = 17", "T = 40", "T = 600", "T"])
def test_where_a_row_is_largest_is_searched_by_vectors(places: str, dtype: str) -> None:
    """Its terms are written down, block by block, and looked at by a kernel; the largest itself is then at hand."""
    text = f"dtype {dtype}\nsize N\nsize {places}\ninput x[N, T], g[T]\nh = x * g\noutput m = max(h, axis=1)\n"
    text += "output least = argmin(h, axis=1)\noutput most = argmax(x, axis=1)\n"
    (loop,) = [n for n in walk(loops(text, "value_and_grad")) if isinstance(n, Loop) and n.sums and "m" in n.sums]
    assert {"m_at"} < {*loop.sums}
    model = load(text, name="searched").Model()
    rng = np.random.default_rng(3)
    for length in {"T = 17": (17,), "T = 40": (40,), "T = 600": (600,)}.get(places, (1, 7, 33, 511, 512, 513, 1500)):
        x = np.floor(rng.normal(0, 2, (9, length))).astype(dtype)  # with many equals
        x[1] = -np.inf
        x[2, length // 2] = x[2, -1] = np.nan
        x[3, -1] = 99
        g = np.ones(length, dtype)
        out, gradients = model.value_and_grad({"m": np.ones(9, dtype)}, x=x, g=g)
        most, least = x.argmax(axis=1), x.argmin(axis=1)
        np.testing.assert_array_equal(out.most, most)
        np.testing.assert_array_equal(out.least, least)
        np.testing.assert_array_equal(out.m, x.max(axis=1))
        wanted = np.zeros((9, length), dtype)
        wanted[np.arange(9), most] = 1
        np.testing.assert_array_equal(gradients.x, wanted)


@pytest.mark.parametrize("length", [1, 2, 3, 17, 40])
@pytest.mark.parametrize("shifts", [(1, -1), (2,), (-3, 5)])
def test_a_loop_around_a_ring_is_cut_where_it_comes_round(length: int, shifts: tuple[int, ...]) -> None:
    """Its pieces read along memory and divide nothing, in a loop over time and in its gradient as well."""
    terms = " + ".join(f"{k + 1} * roll(u, {s})" for k, s in enumerate(shifts))
    text = f"size n = {length}, m = 3\ninput g[m, n]\nparam w[m, n] ~ normal\nscan t in range(4):\n    carry u = w\n"
    text += f"    u = sin(u) + 0.1 * ({terms.replace('roll(u, ', 'roll(axis=1, x=u, shift=')})\noutput u\nminimize sum(g * u)\n"
    for name in ("forward", "train"):
        inner = [n for n in walk(loops(text, name)) if isinstance(n, Assign)]
        reads = [ix for n in inner for ix in (*n.index, *(i for a in n.args for i in a.index))]
        assert inner and not any(isinstance(atom, Rem) for ix in reads for atom, _ in ix.terms)
    model = load(text, name="ring").Model(seed=3)
    g = np.random.default_rng(4).normal(size=(3, length))
    out, gradients = model.value_and_grad(g=g)
    u, before = np.array(model.params.w), []
    for _ in range(4):
        before.append(u)
        u = np.sin(u) + 0.1 * sum((k + 1) * np.roll(u, s, axis=1) for k, s in enumerate(shifts))
    np.testing.assert_allclose(out.u, u, rtol=1e-12, atol=1e-14)
    for past in reversed(before):
        g = g * np.cos(past) + 0.1 * sum((k + 1) * np.roll(g, -s, axis=1) for k, s in enumerate(shifts))
    np.testing.assert_allclose(gradients.w, g, rtol=1e-12, atol=1e-12)


def test_what_is_computed_of_each_element_runs_along_memory() -> None:
    """Between sums over an axis in the middle, which the C compiler writes out for many columns at once: there it would write
    out everything else with them, and then nothing is vectorised."""
    text = "size N\ninput x[N, 12, 30], y[N, 12]\nparam w[12] = 1\nh = x * w[:, None]\n"
    text += "h = (h - mean(h, axis=1, keepdims=True)) / sqrt(var(h, axis=1, keepdims=True) + 1e-5)\n"
    text += "minimize mean((sum(softmax(h, axis=1) * h, axis=2) - y)**2)\n"
    found = list(around(loops(text, "train"), "exp"))
    assert found and all([str(loop.extent) for loop in path[-2:]] == ["12", "30"] for path in found)


@pytest.mark.parametrize("places", [5, 12, 16, 40])
def test_sums_of_gates_over_a_middle_axis_go_along_memory(places: int) -> None:
    """However few places each has: upright, a gate of each would read one number here and one there."""
    text = f"size N\ninput x[N, {places}], A[{places}, 24]\noutput y = logsumexp(x[:, :, None] + A, axis=1)\n"
    nodes = loops(text, "forward")
    gates, largest = list(around(nodes, "exp")), list(around(nodes, "max="))
    assert gates and all([str(loop.extent) for loop in path[-2:]] == [str(places), "24"] for path in gates)
    if places > 8:
        assert largest and all([str(loop.extent) for loop in path[-2:]] == [str(places), "24"] for path in largest)


def test_the_largest_of_a_row_that_lies_in_memory_is_looked_for_there() -> None:
    """However short it is: what was just written there is at hand, and a copy of it is not."""
    text = "size N, T = 18\ninput x[N, T]\noutput a = softmax(x * x, axis=1)\n"
    code = emit_module(plan(build(text)), {}, version="0", digest="", command="")["model.pyx"]
    assert "block_max(" in code and "_block[" not in code


def searches(node: Node, outer: tuple[Loop, ...] = ()) -> Iterator[tuple[Loop, ...]]:
    """The loops around each search for a place."""
    if isinstance(node, Loop):
        for inner in node.body:
            yield from searches(inner, (*outer, node))
    elif isinstance(node, ArgBest):
        yield outer


def test_what_is_larger_than_a_loop_that_is_there_keeps_its_own_order() -> None:
    """c has the axes of r and more than z has elements: inside of their loops its neighbours would lie rows apart."""
    text = """\
size  N
input x[N, 4]
param q[3, 4]
param mu[3, 4]
r[k, j] = exp(q[k, j])
z[k, j, l] = r[k, j] * mu[k, l]
c[n, k, j] = r[k, j] * (x[n, j] - mu[k, j])
y[n, k, j] = sum(z[k, j, l] * c[n, k, l] for l)
output f = sum(sum(y, axis=2)**2)
minimize f
"""
    (path,) = paths(loops(text, "forward"), "c")
    assert [str(loop.extent) for loop in path] == ["N", "3", "4"]


def paths(nodes: Iterable[Node], target: str, outer: tuple[Loop, ...] = ()) -> Iterator[tuple[Loop, ...]]:
    """The loops around each statement that writes the value."""
    for node in nodes:
        if isinstance(node, Loop):
            yield from paths(node.body, target, (*outer, node))
        elif isinstance(node, Assign) and node.target == target:
            yield outer


IMAGES = """\
use   layers
size  N
input x[N, 8, 32, 32]
h1 = x |> conv2d(32, kernel=3, pad=1) as c1 |> relu
h2 = h1 |> conv2d(32, kernel=3, pad=1) as c2 |> relu
h3 = (h1 + h2) |> max_pool2d(2) |> conv2d(64, kernel=3, pad=1) as c3 |> tanh
h4 = h2 |> conv2d(32, kernel=5, stride=2) as c4
h5 = h1 |> conv2d(32, kernel=3, dilation=2, groups=2) as c5 |> avg_pool2d(2)
output scores = h3 |> flatten |> dense(10) as head
minimize mean(scores**2) + mean(h4**2) + mean(h5**2)
"""


def products_in(node: Loop) -> list[Product]:
    return [n for n in walk(node.body) if isinstance(n, Product)]


def test_large_products_are_computed_image_by_image() -> None:
    """With what they read and what reads them: what they hand on lies in the cache, and takes the room of one image."""
    (found,) = [k for k in plan(build(IMAGES)).kernels if k.name == "predict"]
    nest = lower(found)
    outer = [node for node in nest.body if isinstance(node, Loop) and products_in(node)]
    assert len(outer) == 1 and outer[0].extent == Dim.of("N") and len(products_in(outer[0])) >= 3
    assert all(lv.extent.value is not None for p in products_in(outer[0]) for lv in p.levels)
    per_image = {p.c.value for p in products_in(outer[0])}
    assert all(0 not in s.dims for s in nest.storage if s.value.name in per_image)
    (head,) = [n for n in nest.body if isinstance(n, Product)]  # all images at once: few rows of each would be slow
    assert head.c.value.startswith("scores") or "scores" in head.c.value


def test_a_mask_that_no_sample_changes_is_made_before_them() -> None:
    """It would stand between the products of attention and the softmax of what they are, and all of these would be stored."""
    text = "use layers\nsize N\ninput x[N, 128, 96]\noutput y = attention(x, heads=4, causal=True)\nminimize mean(y**2)\n"
    (found,) = [k for k in plan(build(text)).kernels if k.name == "predict"]
    whole = [s for s in lower(found).storage if [str(d) for d in s.value.shape] == ["N", "4", "128", "128"] and s.kind == "work"]
    assert len(whole) == 2 and not any(0 in s.dims for s in whole)


def test_the_gradients_of_their_weights_are_summed_image_by_image() -> None:
    """What is computed of an image is read while it is in the cache: no array of adjoints is there of all images."""
    (train,) = [k for k in plan(build(IMAGES)).kernels if k.name == "train"]
    nest = lower(train)
    (images,) = [node for node in nest.body if isinstance(node, Loop) and any("c2.W" in p.c.value for p in products_in(node))]
    summed = {p.c.value: p for p in products_in(images) if ".W" in p.c.value}
    assert {name.split(".")[0] for name in summed} == {"d_c1", "d_c2", "d_c3"}
    storage = {s.value.name: s for s in nest.storage}
    for name, product in summed.items():
        assert all(images.variable not in ix.axes() for ix in product.c.index) and product.beta is E.ONE
        assert all(a.index[0].plain == images.variable for a in (product.a, product.b))
        (start,) = [n for n in walk(nest.body[: nest.body.index(images)]) if isinstance(n, Assign) and n.target == name]
        assert start.op == "=" and start.body is E.ZERO
        assert any(0 not in storage[a.value].dims for a in (product.a, product.b))


def test_large_weights_have_their_gradients_of_all_images_at_once() -> None:
    """To go through as much memory for each image would take longer than what it saves."""
    wide = IMAGES.replace("conv2d(64, kernel=3", "conv2d(320, kernel=3")
    (train,) = [k for k in plan(build(wide)).kernels if k.name == "train"]
    for node in lower(train).body:
        if isinstance(node, Loop):
            assert not any("c3.W" in p.c.value for p in products_in(node))


def test_a_lone_product_and_one_of_few_rows_take_all_images_at_once() -> None:
    lone = "size N\ninput x[N, 300, 64]\nparam W[64, 40] ~ normal(0, 1)\noutput y = x @ W\n"
    for text in (IMAGES.replace("32, 32]", "8, 8]").replace("kernel=5, stride=2", "kernel=1"), lone):
        for kernel in plan(build(text)).kernels:
            for node in lower(kernel).body:
                if isinstance(node, Loop) and products_in(node):  # groups, which the kernel does not run over itself
                    assert not any(isinstance(n, Assign) for n in walk(node.body))
    (node,) = lower(plan(build(lone)).kernels[0]).body
    assert isinstance(node, Product)


@pytest.mark.parametrize("count", [1, 3])
def test_image_by_image_gives_what_all_at_once_gives(count: int) -> None:
    x = np.random.default_rng(0).normal(size=(count, 8, 32, 32))
    found = []
    for backend in ("cython", "numpy"):
        model = load(IMAGES, name="image_by_image", backend=backend).Model(seed=4)
        outputs, gradients = model.value_and_grad(x=x)
        (scores,) = model.predict(x=x)
        np.testing.assert_allclose(outputs.scores, scores, rtol=1e-12)
        model.step(SGD(lr=0.5), x=x)
        found.append((outputs.loss, scores, model.theta.copy(), gradients))
    ours, other = found
    for k in range(3):
        np.testing.assert_allclose(ours[k], other[k], rtol=1e-10, atol=1e-12)
    for name in ("c1", "c2", "c3", "c4", "c5", "head"):
        for w in "Wb":
            a, b = (getattr(getattr(g, name), w) for *_, g in found)
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12 * abs(b).max(), err_msg=f"{name}.{w}")


POOLS = """\
size   N, I = 12 // A, J = 12 // B
input  x[N, C, 12, 12]
y[n, c, i, j] = max(x[n, c, A*i + u, B*j + v] for u in range(A) for v in range(B)) for i in range(I) for j in range(J)
output y
"""


@pytest.mark.parametrize(("window", "channels"), [((2, 2), 16), ((2, 3), 16), ((3, 2), 1), ((4, 3), 16), ((6, 2), 5)])
def test_of_a_window_one_place_is_kept(window: tuple[int, int], channels: int) -> None:
    """That of the first of its largest, or of a NaN; of a larger window one for each line, and where in it the line is."""
    text = POOLS.replace("12 // A", str(12 // window[0])).replace("12 // B", str(12 // window[1]))
    text = text.replace("A", str(window[0])).replace("B", str(window[1])).replace("C,", f"{channels},")
    for kernel in plan(build(text)).kernels:
        held = [s for s in lower(kernel).storage if s.kind == "work" and "_at" in s.value.name and 0 in s.dims]
        assert len(held) <= (1 if max(window) <= 4 else 2), [s.value.name for s in held]
    rng = np.random.default_rng(sum(window))
    x = rng.integers(-2, 3, (3, channels, 12, 12)).astype(float)
    x[rng.uniform(size=x.shape) < 0.05] = np.nan
    x[rng.uniform(size=x.shape) < 0.05] = -np.inf
    ours, theirs = (load(text, name="pools", backend=b).Model() for b in ("cython", "numpy"))
    upstream = rng.normal(size=(3, channels, 12 // window[0], 12 // window[1]))
    (found, adjoint), (wanted, exact) = (model.value_and_grad(upstream, x=x) for model in (ours, theirs))
    np.testing.assert_array_equal(found.y, wanted.y)
    np.testing.assert_array_equal(adjoint.x, exact.x)
    assert np.count_nonzero(adjoint.x) == upstream.size


def test_a_transposed_copy_reads_along_lines() -> None:
    """Weights as the kernel reads them: written along the filters; around that loop the steps in what is read grow shorter."""
    (found,) = [k for k in plan(build(IMAGES)).kernels if k.name == "predict"]

    def copies(nodes: Iterable[Node], outer: tuple[str, ...] = ()) -> Iterator[tuple[Assign, tuple[str, ...]]]:
        for node in nodes:
            if isinstance(node, Loop):
                yield from copies(node.body, (*outer, node.variable))
            elif isinstance(node, Assign) and "W_laid" in node.target:
                yield node, outer

    seen = [*copies(lower(found).body)]
    assert len(seen) >= 3
    for write, (*outer, innermost) in seen:
        assert write.index[-1].plain == innermost
        assert outer == [ix.plain for ix in write.args[0].index if ix.plain != innermost]


# ---------------------------------------------------------------- what loops over time emit

EMITS = {  # what is emitted, and how it is turned
    "first": ("h", "ys[n, t, j] = es[t, n, j]", True),
    "between": ("stack(h, h * h)", "ys[k, t, n, j] = es[t, k, n, j]", True),
    "last": ("h", "ys[n, j, t] = es[t, n, j]", False),  # side by side in memory: a transpose of blocks is quicker
    "others turned, too": ("h", "ys[j, t, n] = es[t, n, j]", False),
    "of a kernel": ("h @ U", "ys[n, t, j] = es[t, n, j]", False),
    "not only copied": ("h", "ys[n, t, j] = 2 * es[t, n, j]", False),
}


@pytest.mark.parametrize("case", EMITS)
@pytest.mark.parametrize("order", ["range(T)", "reversed(range(T))", "range(T) until h[0, 0] > 0.9"])
def test_emits_are_written_where_they_are_wanted(case: str, order: str) -> None:
    emitted, turned, direct = EMITS[case]
    head = "size N, T, H = 8\ninput x[N, T, H]\nparam U[H, H] ~ glorot_uniform\nscan t in "
    loop = f":\n    carry h = zeros(N, H)\n    h = tanh(h @ U + x[:, t])\n    emit es = {emitted}\n"
    model = f"{head}{order}{loop}{turned}\noutput ys\nminimize mean(ys**2) + mean(es**3)\n"
    stack = [node for node in walk(loops(model, "predict")) if isinstance(node, Assign) and node.target == "es"]
    assert bool(stack) is not direct or (case == "of a kernel" and "until" not in order)  # which else is taken behind the loop
    found, wanted = (load(model, name="emits", backend=backend).Model(seed=1) for backend in ("cython", "numpy"))
    for n, t in ((1, 1), (3, 5), (2, 0), (0, 2)):
        x = np.random.default_rng(t).normal(size=(n, t, 8))
        if n == 0 and "until" in order:
            continue  # it asks for a first row
        np.testing.assert_allclose(found.predict(x=x)["ys"], wanted.predict(x=x)["ys"], rtol=1e-13, atol=1e-15)
        if n * t:
            (value, gradient), (right, expected) = found.value_and_grad(x=x), wanted.value_and_grad(x=x)
            np.testing.assert_allclose(value.ys, right.ys, rtol=1e-13, atol=1e-15)
            np.testing.assert_allclose(gradient["U"], expected["U"], rtol=1e-11, atol=1e-14)


def test_what_is_emitted_for_another_loop_is_read_there_step_by_step() -> None:
    """Its steps lie along the second dimension, and those of the loop that reads it along the first."""
    model = """size N, T, H = 4
input x[N, T, H]
scan t in reversed(range(T)):
    carry h = zeros(N, H)
    h = tanh(h + x[:, t])
    emit es = h
ys[n, t, j] = es[t, n, j]
scan n in range(N):
    carry s = zeros(T, H)
    s = tanh(s - ys[n]) * ys[n]
    emit zs = s
output zs
minimize mean(zs**2)
"""
    found, wanted = (load(model, name="twice", backend=backend).Model() for backend in ("cython", "numpy"))
    for shape in ((3, 5, 4), (1, 2, 4), (4, 1, 4)):
        x = np.random.default_rng(0).normal(size=shape)
        np.testing.assert_allclose(found.predict(x=x)["zs"], wanted.predict(x=x)["zs"], rtol=1e-13)


# ---------------------------------------------------------------- zeros around


def places(nodes: Iterable[Node], target: str, at: dict[str, int], sizes: dict[str, int]) -> Iterator[tuple[int, ...]]:
    """Where statements write to an array, in their order."""
    for node in nodes:
        if isinstance(node, Loop):
            for k in range(node.extent.evaluate(sizes)):
                yield from places(node.body, target, {**at, node.variable: k}, sizes)
        elif isinstance(node, Assign) and node.target == target:
            yield tuple(ix.const.evaluate(sizes) + sum(f.evaluate(sizes) * at[str(a)] for a, f in ix.terms) for ix in node.index)


@pytest.mark.parametrize("sizes", [(6, 5), (1, 1), (0, 3)])
@pytest.mark.parametrize("u", [2, 3, 5])
@pytest.mark.parametrize("free", [False, True])
def test_zeros_are_written_around_and_not_beneath(sizes: tuple[int, int], u: int, free: bool) -> None:
    """Each place of the copy is written: by the zeros around it, or by what it holds, and by one of them where lines are long."""
    if not free and 0 in sizes:
        pytest.skip("no size is 0 when it is fixed")
    y, x = sizes
    text = f"""\
use layers
size   N{", Y, X" if free else f", Y = {y}, X = {x}"}
input  x[N, 16, Y, X]
output z = relu(x) |> conv2d(16, kernel={2 * u - 1}, pad={u - 1})
"""
    nodes = loops(text, "forward")
    known = {"N": 2, "Y": y, "X": x}
    (target,) = {n.target for n in walk(nodes) if isinstance(n, Assign) and n.target.endswith("_pad")}
    written = list(places(nodes, target, {}, known))
    wanted = 2 * (y + 2 * u - 2) * (x + 2 * u - 2) * 16
    assert len(set(written)) == wanted
    assert len(written) == wanted or (not free and (sizes == (1, 1) or u == 5))  # where channels do not lie last
