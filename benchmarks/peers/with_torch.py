"""PyTorch, eager."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from ..workloads import Workload


def make(w: Workload) -> Callable[[int], float]:
    torch.set_num_threads(1)
    return _chain(w) if w.name == "chain" else _net(w)


def _net(w: Workload) -> Callable[[int], float]:
    x = torch.from_numpy(w.data["x"])
    y = torch.from_numpy(w.data["y"])
    params: list[Any] = [torch.from_numpy(w.data[n].copy()).requires_grad_() for n in ("W1", "b1", "W2", "b2")]
    adam = w.name == "xor"
    optimizer: Any = torch.optim.Adam(params, lr=1e-4) if adam else torch.optim.SGD(params, lr=1e-3)
    reg = 0.0 if adam else float(w.data["reg"])

    def run(steps: int) -> float:
        loss: Any = None
        for _ in range(steps):
            W1, b1, W2, b2 = params
            optimizer.zero_grad()
            if adam:
                loss = functional.binary_cross_entropy_with_logits(torch.tanh(x @ W1 + b1) @ W2 + b2, y)
            else:
                loss = functional.cross_entropy(torch.relu(x @ W1 + b1) @ W2 + b2, y)
                if reg:
                    loss = loss + reg * ((W1 * W1).sum() + (W2 * W2).sum())
            loss.backward()
            optimizer.step()
        return float(loss.detach())

    return run


def _chain(w: Workload) -> Callable[[int], float]:
    x = torch.from_numpy(w.data["x"]).requires_grad_()

    def run(steps: int) -> float:
        total = 0.0
        for _ in range(steps):
            x.grad = None
            loss = (torch.sigmoid(x) * torch.tanh(x) + torch.exp(-x * x)).sum()
            loss.backward()
            assert x.grad is not None
            total = float(loss.detach()) + float(x.grad[0])
        return total

    return run
