"""Which loops are shared, seen in the loop nests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from gradwright.compiler.graph import expr as E
from gradwright.compiler.loops.buffers import lower
from gradwright.compiler.loops.ir import Assign, Loop, Node
from gradwright.compiler.loops.schedule import walk
from gradwright.compiler.passes.kernels import plan
from support.models import build

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
    """The loops around each statement that takes the function."""
    for node in nodes:
        if isinstance(node, Loop):
            yield from around(node.body, op, (*outer, node))
        elif isinstance(node, Assign) and any(n.op == op for n in E.walk(node.body)):
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


def test_rows_of_a_free_number_are_taken_some_at_once() -> None:
    """Their gates are then vectorised as if the number were known, and nothing is stored for more rows than these."""
    (found,) = [k for k in plan(build(NET)).kernels if k.name == "train"]
    nest = lower(found)
    strips = [node for node in nest.body if isinstance(node, Loop) and node.strip]
    (strip,) = strips
    assert all(isinstance(node, Loop) and node.of == strip.variable for node in strip.body)
    (outer, row), (other, again) = [*around(nest.body, "sigmoid"), *around(nest.body, "softplus")]
    assert outer is other is strip and row is again and all(isinstance(node, Assign) for node in row.body)
    assert {s.strip for s in nest.storage if s.value.name in ("h", "p_t1", "p_t2") and s.kind == "stack"} == {strip.strip}
    assert not nest.work.terms


@pytest.mark.parametrize("rows", ["size N = 4", "size N"])
def test_a_sum_of_gates_is_vectorised(rows: str) -> None:
    """One after the other, a running sum would have the gates computed one at a time."""
    nodes = [node for node in walk(loops(NET.replace("size  N", rows), "train")) if isinstance(node, Loop)]
    (found,) = [loop for loop in nodes if list(around([loop], "softplus")) and all(isinstance(n, Assign) for n in loop.body)]
    assert found.sums


def test_long_rows_are_taken_one_by_one() -> None:
    assert not any(isinstance(n, Loop) and n.strip for n in walk(loops(NET.replace("H = 8", "H = 64"), "train")))


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
