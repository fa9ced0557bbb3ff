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


@pytest.mark.parametrize(("axis", "kept"), [(0, True), (1, False)])
def test_a_running_sum_along_memory_is_kept_in_a_variable(axis: int, kept: bool) -> None:
    """Along the other axis whole rows are added, by vectors, from the row before."""
    body = loops(f"size N, M\ninput x[N, M]\noutput y = cumsum(x, axis={axis})\n", "forward")
    reads = [a.value for node in walk(body) if isinstance(node, Assign) and node.target == "y" for a in node.args]
    assert ("y" in reads) == kept


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
