"""Convolutions of random kinds beside PyTorch's: values, gradients of everything, and a step of training; by the kernels forward
and backward, and by the one that trains."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import numpy as np
import pytest
from gradwright.compiler.driver import compile_model
from gradwright.runtime import SGD, load


class Kind(NamedTuple):
    kernel: int
    stride: int
    pad: int
    dilation: int
    groups: int
    channels: int
    filters: int
    side: int


def kinds(seed: int, count: int) -> list[Kind]:
    rng, found = random.Random(seed), list[Kind]()
    while len(found) < count:
        kind = Kind(rng.choice((1, 2, 3, 4, 5)), rng.choice((1, 1, 2, 3)), rng.choice((0, 0, 1, 2)), rng.choice((1, 1, 2)),
                    rng.choice((1, 1, 2, 4)), rng.choice((4, 8)), rng.choice((4, 8, 16)), rng.choice((5, 7, 8, 11)))  # fmt: skip
        if kind.side + 2 * kind.pad > kind.dilation * (kind.kernel - 1):
            found.append(kind)
    return found


def text(found: list[Kind]) -> str:
    lines = ["use layers", "size N", "input shift[N]"]
    lines += [f"param x{k}[3, {kind.channels}, {kind.side}, {kind.side}] = 0" for k, kind in enumerate(found)]
    for k, kind in enumerate(found):
        options = f"kernel={kind.kernel}, stride={kind.stride}, pad={kind.pad}, dilation={kind.dilation}, groups={kind.groups}"
        lines += [f"output y{k} = tanh(conv2d(x{k}, {kind.filters}, {options}) as c{k})"]
    return "\n".join([*lines, f"minimize {' + '.join(f'sum(y{k}**2)' for k in range(len(found)))} + sum(shift)"])


@pytest.mark.torch
@pytest.mark.unoptimised
@pytest.mark.parametrize("seed", [1, 2])
def test_any_convolution(seed: int) -> None:
    torch = pytest.importorskip("torch")
    found = kinds(seed, 10)
    model = load(text(found), name=f"convolutions_{seed}").Model(seed=0)
    rng = np.random.default_rng(seed)
    theirs: dict[str, Any] = {}
    for name in [f"x{k}" for k in range(10)] + [f"c{k}.{w}" for k in range(10) for w in "Wb"]:
        values = at(model.params, name)
        values[...] = rng.normal(size=values.shape) * 0.3
        theirs[name] = torch.tensor(np.array(values), requires_grad=True)
    shift = np.zeros(2)
    outputs, gradients = model.value_and_grad(shift=shift)
    loss = 0.0
    for k, kind in enumerate(found):
        y = torch.tanh(torch.nn.functional.conv2d(theirs[f"x{k}"], theirs[f"c{k}.W"], theirs[f"c{k}.b"], kind.stride, kind.pad,
                                                  kind.dilation, kind.groups))  # fmt: skip
        np.testing.assert_allclose(at(outputs, f"y{k}"), y.detach().numpy(), rtol=1e-11, atol=1e-13, err_msg=str(kind))
        loss = loss + (y**2).sum()
    loss.backward()  # type: ignore[attr-defined]
    before = {name: values.detach().numpy().copy() for name, values in theirs.items()}
    for name, values in theirs.items():
        want = values.grad.numpy()
        np.testing.assert_allclose(at(gradients, name), want, rtol=1e-10, atol=1e-12 * abs(want).max(), err_msg=name)
    model.step(SGD(lr=0.1), shift=shift)
    for name, values in theirs.items():
        np.testing.assert_allclose(at(model.params, name), before[name] - 0.1 * values.grad.numpy(), rtol=1e-10, atol=1e-11)


def at(owner: Any, path: str) -> Any:
    for name in path.split("."):
        owner = getattr(owner, name)
    return owner


POOLED = """
use    layers
size   N, Y = 9, X = 8
input  x[N, 2, Y, X]
h = x |> conv2d(24, kernel=3, pad=1) as c |> tanh |> max_pool2d({size}, stride={stride}, pad={pad})
output y = h
minimize sum(sin(y) * y)
"""


@pytest.mark.torch
@pytest.mark.parametrize(("size", "stride", "pad"), [
    (3, 2, 1), *(pytest.param(*kind, marks=pytest.mark.unoptimised) for kind in ((2, 2, 1), (3, 1, 1), (4, 3, 2), (3, 3, 0)))
])  # fmt: skip
def test_pools_with_places_outside(size: int, stride: int, pad: int) -> None:
    torch = pytest.importorskip("torch")
    model = load(POOLED.format(size=size, stride=stride, pad=pad), name=f"pooled_{size}{stride}{pad}").Model(seed=0)
    x = np.random.default_rng(0).normal(size=(3, 2, 9, 8))
    outputs, gradients = model.value_and_grad(x=x)
    weights = {name: torch.tensor(np.array(at(model.params, name)), requires_grad=True) for name in ("c.W", "c.b")}
    images = torch.tanh(torch.nn.functional.conv2d(torch.tensor(x), weights["c.W"], weights["c.b"], padding=1))
    pooled = torch.nn.functional.max_pool2d(images, size, stride, pad)
    loss = (torch.sin(pooled) * pooled).sum()
    loss.backward()
    np.testing.assert_allclose(outputs.y, pooled.detach().numpy(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(outputs.loss, loss.item(), rtol=1e-12)
    for name, weight in weights.items():
        np.testing.assert_allclose(at(gradients, name), weight.grad.numpy(), rtol=1e-9, atol=1e-11)


def test_a_pool_with_places_outside_has_no_branch() -> None:
    """A look at each place, inside the loop along the channels, would leave it without vectors."""
    made = compile_model(POOLED.format(size=3, stride=2, pad=1), stop_after="cython", name="pooled").value
    code = str(next(iter(made.values())))
    assert "framed(" in code
    assert "if 0 <=" not in code
