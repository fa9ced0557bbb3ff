"""Convolutions of random kinds beside PyTorch's: values, gradients of everything, and a step of training; by the kernels forward
and backward, and by the one that trains."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import numpy as np
import pytest
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
