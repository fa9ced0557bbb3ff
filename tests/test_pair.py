"""The forward and the backward kernel, laid out together: what is computed, what is kept, and how the user finds it there."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from gradwright.compiler.graph.ir import Eqn
from gradwright.compiler.graph.shapes import size
from gradwright.compiler.loops.buffers import lower_all
from gradwright.compiler.passes.kernels import Kernel, plan, strides
from gradwright.runtime import load
from support.models import build

pytestmark = pytest.mark.unoptimised

NET = """use layers
size N, Y = {side}, X = 7
input x[N, {channels}, Y, X]
index y[N] < 5
a = x |> conv2d(8, kernel=3, pad=1) as first
b = max_pool2d(relu(a), 2)
c = b |> conv2d(12, kernel=3, pad=1, stride={stride}, bias=False) as second |> batch_norm as norm
{shown}d = tanh(c)
e = d |> conv2d(6, kernel=2) as third
r = relu(e)
output scores = r |> flatten |> dense(5) as head
minimize mean(softmax_cross_entropy(scores, y)) + mean(d**2)
"""
SHAPES = [(1, 10, 1, ""), (3, 10, 2, "output "), (2, 9, 1, "")]  # channels, side, stride, and whether d is shown


def net(channels: int, side: int, stride: int, shown: str) -> str:
    return NET.format(channels=channels, side=side, stride=stride, shown=shown)


def pair(text: str) -> tuple[Kernel, Kernel]:
    kernels = {nest.kernel.name: nest.kernel for nest in lower_all(plan(build(text)).kernels)}
    return kernels["forward"], kernels["backward"]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_pair_computes_what_the_numpy_backend_does(shape: tuple[int, int, int, str]) -> None:
    """Which knows no layouts: outputs, gradients, and every value that is kept."""
    text = net(*shape)
    ours, theirs = load(text, name="pair").Model(seed=3), load(text, name="pair", backend="numpy").Model(seed=3)
    rng = np.random.default_rng(1)
    for rows in (3, 1, 4):
        inputs = {"x": rng.normal(size=(rows, shape[0], shape[1], 7)), "y": rng.integers(0, 5, rows)}
        found, wanted = ours.forward(**inputs), theirs.forward(**inputs)
        for name in wanted._asdict():
            np.testing.assert_allclose(found[name], wanted[name], rtol=1e-10, atol=1e-13, err_msg=name)
        assert {"b", "d", "r"} <= set(theirs.values.keys()) == set(ours.values.keys())
        assert "e" not in set(theirs.values.keys())  # r tells where it is above 0
        for name in sorted(set(theirs.values.keys())):
            value = ours.values[name]
            assert value.flags.c_contiguous and value.base is None
            np.testing.assert_allclose(value, theirs.values[name], rtol=1e-10, atol=1e-13, err_msg=name)
        ours.backward()
        theirs.backward()
        np.testing.assert_allclose(ours.grad, theirs.grad, rtol=1e-9, atol=1e-13)
        first = ours.grad.copy()
        ours.value_and_grad(**inputs)
        assert np.array_equal(first, ours.grad)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_backward_kernel_copies_nothing_that_the_forward_kernel_had(shape: tuple[int, int, int, str]) -> None:
    forward, backward = pair(net(*shape))
    given = {p.value for p in backward.places if p.slot == "kept" or p.slot.startswith("in:")}
    moved = {e.args[0].value for e in backward.graph.eqns if isinstance(e, Eqn) and e.op in ("pad", "layout")}
    assert moved and not moved & given
    before = {e.args[0].value for e in forward.graph.eqns if isinstance(e, Eqn) and e.op in ("pad", "layout")}
    assert before - {p.value for p in forward.places if p.slot == "theta"}, "the copies are made once, and kept"


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_kept_has_one_place(shape: tuple[int, int, int, str]) -> None:
    """The same in both kernels, side by side; and what the user knows lies within it, mostly not as the model has it."""
    forward, backward = pair(net(*shape))
    places = {p.value: p for p in forward.places if p.slot == "kept"}
    assert {p for p in backward.places if p.slot == "kept"} <= set(places.values())
    values, n = forward.graph.values(), {"N": 6}
    taken = sorted((p.offset.evaluate(n), size(values[name].shape).evaluate(n)) for name, p in places.items())
    assert taken[0][0] == 0 and all(a + k == b for (a, k), (b, _) in pairwise(taken))
    assert forward.kept == backward.kept and sum(taken[-1]) == forward.kept.evaluate(n)
    assert forward.views == backward.views
    for view in forward.views:
        extents = [d.evaluate(n) for d in view.shape]
        last = sum((d - 1) * s.evaluate(n) for d, s in zip(extents, view.steps, strict=True))
        assert view.offset.evaluate(n) >= 0 and view.offset.evaluate(n) + last < forward.kept.evaluate(n), view
    assert any(view.steps != strides(view.shape) for view in forward.views)


def test_a_pair_without_windows_is_left_alone() -> None:
    kernels = plan(build("size N\ninput x[N, 3]\nparam W[3, 4] ~ glorot_uniform\nh = tanh(x @ W)\nminimize mean(h**2)")).kernels
    assert tuple(nest.kernel for nest in lower_all(kernels)) == kernels


def test_what_is_kept_and_not_read_behind() -> None:
    """A value is kept as one of those that the user knows, and in the end the backward pass does not read it."""
    model = """size N, H = 3
param W1 ~ uniform(-1, 1)
state m1[1] = -1/4
index y1[1] < 1
z1 = sqrt((huber([[1, 0.5, -0.25], [0, 2, 1/3]], W1, delta=0.5))**2)
scan t1 in reversed(range(H)):
    carry s1 = zeros(2)
    row1 = z1[:, t1]
    s1 = tanh(log(1 + s1**2) + (row1 / 2) + 0.1 * sum(sin(row1)))
z2 = z1
z1 = reshape(0.1 * (sin(m1) > 0), 1, 1)
enc1 = block1(0.25)
g1 = enc1(z1) - 0.5 * enc1(sin(z1))
n2[row] = sum(sin(squared_hinge(g1, y1, delta=0.5))[row + u - 1] pad * s1[u] for u) for row in range(1)
output out1 = tanh((transpose(z2) @ s1))
next m1 = 0.75 * m1 + 0.25 * n2
layer block1(u[..., D], scale=0.5):
    param W[D, D] ~ normal(0, 0.5)
    param b[D] = 0.1
    random keep[shape(u)] ~ bernoulli(0.75)
    v = sin(u @ W + scale * b)
    return where(keep, v, 0.5 * v)
"""
    found, wanted = (load(model, name="kept", backend=backend).Model(seed=3) for backend in ("cython", "numpy"))
    y1 = np.zeros(1, int)
    np.testing.assert_allclose(found.forward(y1=y1)["out1"], wanted.forward(y1=y1)["out1"], rtol=1e-13)
    gradients = [m.backward({"out1": np.ones(3)})["W1"] for m in (found, wanted)]
    np.testing.assert_allclose(*gradients, rtol=1e-12)
