"""Neighbours around a ring, as of ``roll``, and their gradients: rings of any length, also of fewer places than the reads go."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradwright.compiler.graph.ir import Ix, Rem
from gradwright.compiler.loops.buffers import lower
from gradwright.compiler.loops.ir import Assign, Loop
from gradwright.compiler.loops.nodes import walk
from gradwright.compiler.passes.kernels import plan
from gradwright.runtime import load
from numpy.typing import NDArray
from support.models import build

pytestmark = pytest.mark.unoptimised

Array = NDArray[Any]

GRID = """\
size Y, X
input a[Y, X], b[Y, X]
def dx(a) = roll(a, -1, axis=1) - roll(a, 1, axis=1)
def dy(a) = roll(a, -1, axis=0) - 2*a + roll(a, 1, axis=0)
c = a*dx(b) + exp(dy(a*b))
output f = sum(c**2) + sum(c * dx(c))
"""
RING = """\
size N
input x[N]
y = roll(x, 2) * x + roll(x, -1) * roll(x, -3)
output f = sum(y * roll(y, 1)) + sum(y**3)
"""
FOUR = "size N\ninput x[N]\noutput y = roll(x, 2) - roll(x, -2)*roll(x, 1)\n"


def grid(a: Array, b: Array) -> Array:
    def dx(z: Array) -> Array:
        return np.roll(z, -1, axis=1) - np.roll(z, 1, axis=1)

    z = a * b
    c = a * dx(b) + np.exp(np.roll(z, -1, axis=0) - 2 * z + np.roll(z, 1, axis=0))
    return (c**2).sum() + (c * dx(c)).sum()


def ring(x: Array) -> Array:
    y = np.roll(x, 2) * x + np.roll(x, -1) * np.roll(x, -3)
    return (y * np.roll(y, 1)).sum() + (y**3).sum()


def slope(f: Any, given: dict[str, Array], name: str) -> Array:
    found = np.zeros_like(given[name])
    for place in np.ndindex(found.shape):
        moved = {n: v.astype(complex) for n, v in given.items()}
        moved[name][place] += 1e-30j
        found[place] = f(**moved).imag / 1e-30
    return found


@pytest.mark.parametrize("fixed", [False, True])
def test_a_grid(fixed: bool) -> None:
    r = np.random.default_rng(0)
    free = None if fixed else load(GRID).Model()
    for shape in ((2, 3), (5, 4)) if fixed else ((0, 3), (3, 0), (1, 1), (1, 2), (2, 1), (3, 2), (2, 3), (5, 7)):
        model = free or load(GRID, sizes={"Y": shape[0], "X": shape[1]}).Model()
        given = {"a": 0.3 * r.normal(size=shape), "b": 0.3 * r.normal(size=shape)}
        out, gradients = model.value_and_grad(**given)
        assert out.f == pytest.approx(grid(**given), rel=1e-12, abs=1e-14)
        for name in given:
            wanted = slope(grid, given, name)
            np.testing.assert_allclose(gradients[name], wanted, rtol=1e-10, atol=1e-13, err_msg=f"{name} {shape}")


def test_a_ring() -> None:
    r = np.random.default_rng(1)
    model, far = load(RING).Model(), load(FOUR).Model()
    for n in range(1, 9):
        x = r.normal(size=n)
        out, gradients = model.value_and_grad(x=x)
        assert out.f == pytest.approx(ring(x), rel=1e-12)
        np.testing.assert_allclose(gradients.x, slope(ring, {"x": x}, "x"), rtol=1e-10, atol=1e-13, err_msg=f"N={n}")
        expected = np.roll(x, 2) - np.roll(x, -2) * np.roll(x, 1)
        np.testing.assert_array_equal(far.predict(x=x).y, expected)
    assert far.predict(x=np.zeros(0)).y.shape == (0,)


def test_no_index_comes_round_between_the_ends() -> None:
    """The rounds of the innermost loop, but for the first and the last, divide nothing."""
    (found,) = [k for k in plan(build(GRID)).kernels if k.name == "value_and_grad"]
    loops = [n for n in walk(lower(found).body) if isinstance(n, Loop)]
    cut = [n for n in loops if n.first != Ix() and n.when is None]
    assert cut and all(n.end is not None for n in cut)
    for loop in cut:
        for node in loop.body:
            assert isinstance(node, Assign)
            for ix in (*node.index, *(ix for a in node.args for ix in a.index)):
                around = [atom for atom, _ in ix.terms if isinstance(atom, Rem)]
                assert not any(loop.variable in atom.a.axes() for atom in around)


def test_a_gradient_around_a_ring_is_read_from_beside() -> None:
    """Each place of a gradient is written once, and added to nowhere."""
    (found,) = [k for k in plan(build(GRID)).kernels if k.name == "backward"]
    nodes = [n for n in walk(lower(found).body) if isinstance(n, Assign)]
    assert not [n for n in nodes if n.op != "=" and n.index]
