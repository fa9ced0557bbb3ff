"""Every operation on arrays, over shapes of all kinds: its value against NumPy, first and second derivatives against PyTorch,
and what both backends make of it against the interpreter and finite differences."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradwright.compiler.graph.ir import Eqn, Scan
from gradwright.compiler.graph.patterns import running
from gradwright.compiler.graph.text import show_graph
from gradwright.compiler.meaning.interpret import run
from gradwright.compiler.ops import table
from gradwright.runtime import load
from scipy import special
from support.examine import examine
from support.models import build, errors, values
from support.modules import build_modules
from support.programs import Program
from support.twice import ours, torchs, twice

try:
    import torch
except ImportError:  # then values are compared with NumPy alone

    class _Absent(type):
        def __getattr__(cls, name: str) -> Any:
            return cls

    class torch(metaclass=_Absent):  # type: ignore[no-redef]
        """What the table of cases names, and nobody calls."""

    HAVE_TORCH = False
else:
    HAVE_TORCH = True

SIZES = (0, 1, 2, 5)
PAIRS = ((0, 3), (3, 0), (1, 1), (1, 4), (5, 2))


@dataclass(frozen=True)
class Case:
    """``declared``: inputs as the model declares them; ``numpy`` and ``torch`` are two independent answers."""

    declared: str
    call: str
    numpy: Callable[..., Any]
    torch: Callable[..., Any]
    low: float = -2.0
    high: float = 2.0
    least: int = 0  # of a free size
    before: str = ""  # lines in front

    @property
    def text(self) -> str:
        free = [n for n in "NM" if re.search(rf"\b{n}\b", self.declared + self.call)]
        lines = [f"size {', '.join(free)}"] if free else []
        for item in self.declared.split("; "):
            lines.append(item if item.startswith("index") else f"input {item}")
        return "\n".join([*lines, *self.before.splitlines(), f"output f = {self.call}", ""])

    @property
    def label(self) -> str:
        return f"{self.call} of {self.declared}"


def axis_last(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x: function(x, -1)


class LogGamma(torch.autograd.Function):
    """The n-th derivative of log gamma by SciPy: PyTorch's own polygamma is right to 1e-10 only."""

    @staticmethod
    def forward(context: Any, x: Any, n: int) -> Any:
        context.save_for_backward(x)
        context.n = n
        return torch.as_tensor(special.gammaln(x) if n == 0 else special.polygamma(n - 1, x))

    @staticmethod
    def backward(context: Any, up: Any) -> Any:
        (x,) = context.saved_tensors
        return up * LogGamma.apply(x, context.n + 1), None


def log_gamma(n: int) -> Callable[..., Any]:
    return lambda x: LogGamma.apply(x, n)


def torch_norm(x: Any, **options: Any) -> Any:
    return torch.linalg.vector_norm(x, **options)


CASES = [
    Case("x[N, 3]; W[3, 2]", 'einsum("nd,dh->nh", x, W)', lambda x, W: x @ W, lambda x, W: x @ W),
    Case("x[N, 3]; W[2, 3]", 'einsum("nd,hd->hn", x, W)', lambda x, W: W @ x.T, lambda x, W: W @ x.T),
    Case("x[N, M, 3]; W[N, 3, 2]", 'einsum("bnd,bdh->bnh", x, W)', np.matmul, torch.matmul),
    Case("x[N, M]; y[N, M]", 'einsum("nm,nm->", x, y)', lambda x, y: np.sum(x * y), lambda x, y: (x * y).sum()),
    Case("x[N, M]; y[N, M]", 'einsum("nm,nm->m", x, y)', lambda x, y: np.sum(x * y, 0), lambda x, y: (x * y).sum(0)),
    Case("x[N, N]", 'einsum("ii->i", x)', np.diagonal, torch.diagonal),
    Case("x[N, N]", 'einsum("ii", x)', np.trace, torch.trace),
    Case("x[N, M, 2]", 'einsum("nmk->kn", x)', lambda x: x.sum(1).T, lambda x: x.sum(1).T),
    Case("x[N, M, 2]; W[2, 3]", 'einsum("...k,kl->...l", x, W)', lambda x, W: x @ W, lambda x, W: x @ W),
    Case("x[N, 1, 2]; y[M, 2]", 'einsum("...k,...k->...", x, y)', lambda x, y: (x * y).sum(-1), lambda x, y: (x * y).sum(-1)),
    Case("x[N, 3]; y[3, M]; z[M, 2]", 'einsum("ij,jk,kl->il", x, y, z)', lambda x, y, z: x @ y @ z, lambda x, y, z: x @ y @ z),
    Case("x[N, 3]; y[M]", 'einsum("ij,k->i", x, y)', lambda x, y: x.sum(1) * y.sum(), lambda x, y: x.sum(1) * y.sum()),
    Case("x[N]; y[M]", 'einsum("i,j", x, y)', np.outer, torch.outer),
    Case("x[N, 1, 3]; W[M, 3, 2]", "reshape(x, N, 1, 1, 3) @ W", lambda x, W: x[:, None] @ W, lambda x, W: x[:, None] @ W),
    Case("x[2, N, 3]; W[3]", "x @ W", np.matmul, torch.matmul),
    Case("x[N, 1, 3]", "transpose(x, 2, 0, 1)", lambda x: x.transpose(2, 0, 1), lambda x: x.permute(2, 0, 1)),
    Case("x[N, 3]", "flip(x)", np.flip, lambda x: torch.flip(x, [0, 1])),
    Case("x[N, 3]", "flip(x, axis=0)", lambda x: np.flip(x, 0), lambda x: torch.flip(x, [0])),
    Case("x[N, 1, 2]", "flip(x, axis=[0, -1])", lambda x: np.flip(x, (0, 2)), lambda x: torch.flip(x, [0, 2])),
    *(
        Case("x[N, 3]", f"roll(x, {s}, axis={a})", lambda x, s=s, a=a: np.roll(x, s, a), lambda x, s=s, a=a: torch.roll(x, s, a))
        for s, a in ((1, 0), (-1, 0), (7, 0), (-4, 0), (2, 1), (-7, -1))
    ),
    Case("x[N]", "roll(x, N // 2)", lambda x: np.roll(x, len(x) // 2), lambda x: torch.roll(x, len(x) // 2)),
    Case("x[N, 3]", "pad(x, 1)", lambda x: np.pad(x, 1), lambda x: torch.nn.functional.pad(x, (1, 1, 1, 1))),
    Case("x[N, 3]", "pad(x, [[0, 2], [1, 0]], constant_values=-1.5)",
         lambda x: np.pad(x, ((0, 2), (1, 0)), constant_values=-1.5),
         lambda x: torch.nn.functional.pad(x, (1, 0, 0, 2), value=-1.5)),
    Case("x[N, 3]", "pad(x, [0, 1])", lambda x: np.pad(x, (0, 1)), lambda x: torch.nn.functional.pad(x, (0, 1, 0, 1))),
    Case("x[N, 3]", "pad(x, 0)", lambda x: x, lambda x: x * 1),
    Case("x[N, 3]", "tile(x, 2)", lambda x: np.tile(x, 2), lambda x: torch.tile(x, (2,))),
    Case("x[N, 3]", "tile(x, 3, 1)", lambda x: np.tile(x, (3, 1)), lambda x: torch.tile(x, (3, 1))),
    Case("x[N]; y[1]", "tile(x, 2, 1, 3) * y", lambda x, y: np.tile(x, (2, 1, 3)) * y, lambda x, y: torch.tile(x, (2, 1, 3)) * y),
    Case("x[N]; y[M]", "tile(concat(x, x, y), 2)", lambda x, y: np.tile(np.concatenate([x, x, y]), 2),
         lambda x, y: torch.tile(torch.cat([x, x, y]), (2,))),
    Case("x[N, 3]", "repeat(x, 2, axis=1)", lambda x: np.repeat(x, 2, 1), lambda x: torch.repeat_interleave(x, 2, 1)),
    Case("x[N, 3]", "repeat(x, 3, axis=0)", lambda x: np.repeat(x, 3, 0), lambda x: torch.repeat_interleave(x, 3, 0)),
    Case("x[N, 3]", "repeat(x, 2)", lambda x: np.repeat(x, 2), lambda x: torch.repeat_interleave(x, 2)),
    Case("x[N, 3]", "cumsum(x, axis=0)", lambda x: np.cumsum(x, 0), lambda x: torch.cumsum(x, 0)),
    Case("x[N, 3]", "cumsum(x, axis=-1)", lambda x: np.cumsum(x, 1), lambda x: torch.cumsum(x, 1)),
    Case("x[N, 2]", "cumsum(x)", np.cumsum, lambda x: torch.cumsum(x.reshape(-1), 0)),
    Case("x[N, 1, M]", "cumsum(x, axis=1)", lambda x: np.cumsum(x, 1), lambda x: torch.cumsum(x, 1)),
    Case("x[N, 3]", "cumprod(x, axis=0)", lambda x: np.cumprod(x, 0), lambda x: torch.cumprod(x, 0)),
    Case("x[N, 3]", "cumprod(x, axis=1)", lambda x: np.cumprod(x, 1), lambda x: torch.cumprod(x, 1)),
    Case("x[N, 3]", "sort(x, axis=0)", lambda x: np.sort(x, 0), lambda x: torch.sort(x, 0).values),
    Case("x[2, N, 3]", "sort(x)", np.sort, lambda x: torch.sort(x).values),
    Case("x[2, N, 3]", "sort(x, axis=1)", lambda x: np.sort(x, 1), lambda x: torch.sort(x, 1).values),
    Case("x[N]", "flip(sort(x**2)) * arange(N)", lambda x: np.sort(x**2)[::-1] * np.arange(len(x)),
         lambda x: torch.sort(x**2, descending=True).values * torch.arange(len(x))),
    Case("x[N, 5]", "top_k(x, 2)", lambda x: -np.sort(-x)[:, :2], lambda x: torch.topk(x, 2).values),
    Case("x[5, N]", "top_k(x * x, 3, axis=0)", lambda x: -np.sort(-x * x, 0)[:3], lambda x: torch.topk(x * x, 3, 0).values),
    Case("x[N, 1]", "sort(x) + top_k(x, 1) * argsort(x)", lambda x: x, lambda x: x * 1),
    Case("x[N, 3]; y[N]", "x[argsort(y)]", lambda x, y: x[np.argsort(y)], lambda x, y: x[torch.argsort(y)]),
    Case("x[N, 3]", "argsort(x) * x", lambda x: np.argsort(x) * x, lambda x: torch.argsort(x) * x),
    Case("x[N, 2]", "flip(cumsum(flip(x), axis=0)) * cumsum(x**2, axis=0)",
         lambda x: np.cumsum(x[::-1, ::-1], 0)[::-1, ::-1] * np.cumsum(x**2, 0),
         lambda x: torch.flip(torch.cumsum(torch.flip(x, [0, 1]), 0), [0, 1]) * torch.cumsum(x**2, 0)),
    Case("x[N]; y[M]", "outer(x, y)", np.outer, torch.outer),
    Case("x[N, 3]", "norm(x)", np.linalg.norm, torch_norm, least=1),
    Case("x[N, 3]", "norm(x, axis=1)", lambda x: np.linalg.norm(x, axis=1), lambda x: torch_norm(x, dim=1)),
    Case("x[N, 3]", "norm(x, axis=0, keepdims=True, ord=1)", lambda x: np.linalg.norm(x, 1, 0, True),
         lambda x: torch_norm(x, ord=1, dim=0, keepdim=True)),
    Case("x[N, 3]", "norm(x, axis=1, ord=inf)", lambda x: np.linalg.norm(x, np.inf, 1),
         lambda x: torch_norm(x, ord=float("inf"), dim=1)),
    Case("x", "norm(x)", np.abs, torch.abs),
    Case("x[N, 3]", "var(x)", np.var, lambda x: torch.var(x, correction=0), least=1),
    Case("x[N, 3]", "var(x, axis=1, ddof=1)", lambda x: np.var(x, axis=1, ddof=1), lambda x: torch.var(x, 1)),
    Case("x[N, 3, 2]", "var(x, axis=[0, 2], keepdims=True)", lambda x: np.var(x, axis=(0, 2), keepdims=True),
         lambda x: torch.var(x, (0, 2), correction=0, keepdim=True), least=1),
    Case("x[N, 3]", "std(x, axis=1)", lambda x: np.std(x, axis=1), lambda x: torch.std(x, 1, correction=0)),
    Case("x[N, 3]", "std(x, axis=0, ddof=1)", lambda x: np.std(x, axis=0, ddof=1), lambda x: torch.std(x, 0), least=2),
    Case("x[N, N]", "trace(x)", np.trace, torch.trace),
    Case("x[2, 3]", "trace(x)", np.trace, torch.trace),
    Case("x[N, 3]", "triu(x)", np.triu, torch.triu),
    Case("x[N, 3]", "tril(x, k=-1)", lambda x: np.tril(x, -1), lambda x: torch.tril(x, -1)),
    Case("x[2, N, 3]", "triu(x, 1)", lambda x: np.triu(x, 1), lambda x: torch.triu(x, 1)),
    Case("x[N]", "diag(x)", np.diag, torch.diag),
    Case("x[3, 2]", "diag(x)", np.diag, torch.diagonal),
    Case("x[N, 3]; y[3]", "cross(x, y)", np.cross, lambda x, y: torch.linalg.cross(x, y.expand_as(x))),
    Case("x[N, 1, 3]; y[M, 3]", "cross(x, y)", lambda x, y: np.cross(x, y), lambda x, y: torch.linalg.cross(x, y[None])),
    Case("x; y", "linspace(x, y, 5)", lambda x, y: np.linspace(x, y, 5), lambda x, y: x + (y - x) * torch.arange(5) / 4),
    Case("x[N]", "x * linspace(-0.1, 0.5, N)", lambda x: x * np.linspace(-0.1, 0.5, len(x)),
         lambda x: x * torch.linspace(-0.1, 0.5, len(x), dtype=torch.float64)),
    Case("x[N]", "x * arange(N)", lambda x: x * np.arange(len(x)), lambda x: x * torch.arange(len(x))),
    Case("x[N]", "x * arange(1, 2*N + 1, 2)", lambda x: x * np.arange(1, 2 * len(x) + 1, 2),
         lambda x: x * torch.arange(1, 2 * len(x) + 1, 2)),
    Case("x[N]", "x * arange(N, 0, -1)", lambda x: x * np.arange(len(x), 0, -1), lambda x: x * torch.arange(len(x), 0, -1)),
    Case("x[N, 3]", "lgamma(x)", special.gammaln, log_gamma(0), 0.1, 12),
    Case("x[N]", "lgamma(x)", special.gammaln, torch.lgamma, -0.95, -0.05),
    Case("x[N, 3]", "digamma(x)", special.digamma, log_gamma(1), 0.1, 30),
    Case("x[N, 3]", "polygamma(1, x)", lambda x: special.polygamma(1, x), log_gamma(2), 0.2, 30),
    Case("x[N]", "polygamma(3, x)", lambda x: special.polygamma(3, x), log_gamma(4), 0.5, 9),
    Case("x[N, 3]", "x * round(4*x) + ceil(x) - trunc(3*x) * x",
         lambda x: x * np.round(4 * x) + np.ceil(x) - np.trunc(3 * x) * x,
         lambda x: x * torch.round(4 * x) + torch.ceil(x) - torch.trunc(3 * x) * x),
    Case("x[N, 3]", "prod(x, axis=1)", lambda x: np.prod(x, 1), lambda x: torch.prod(x, 1)),
    Case("x[N, 3]", "logsumexp(x, axis=1)", lambda x: np.log(np.sum(np.exp(x), 1)), lambda x: torch.logsumexp(x, 1)),
    Case("x[N, 3]", "max(x, axis=1)", lambda x: np.max(x, 1), lambda x: torch.amax(x, 1)),
    Case("x[N, 3]", "min(x)", np.min, torch.amin, least=1),
    Case("x[N, 3]", "mean(x, axis=0)", lambda x: np.mean(x, 0), lambda x: torch.mean(x, 0), least=1),
    Case("x[N, 3]", "where(all(x > -1, axis=1, keepdims=True), x**2, x)", lambda x: np.where(np.all(x > -1, 1)[:, None], x**2, x),
         lambda x: torch.where((x > -1).all(1)[:, None], x**2, x)),
    Case("x[N, 3]", "where(any(x > 1), x**2, x)", lambda x: np.where(np.any(x > 1), x**2, x),
         lambda x: torch.where((x > 1).any(), x**2, x)),
    Case("x[N, 3]; index y[N] < 3", "x * one_hot(y, 3)", lambda x, y: x * np.eye(3)[y], lambda x, y: x * torch.eye(3)[y]),
    *(
        Case("x[N, 3]", f"{name}(x)", getattr(np, other or name, lambda x: x), getattr(torch, other or name), low, high)
        for name, other, low, high in (
            ("exp", "", -3, 3), ("log", "", 0.1, 4), ("log1p", "", -0.9, 4), ("expm1", "", -3, 3), ("sqrt", "", 0.1, 4),
            ("square", "", -3, 3), ("abs", "", -3, 3), ("sign", "", -3, 3), ("floor", "", -3, 3), ("ceil", "", -3, 3),
            ("trunc", "", -3, 3), ("round", "", -3, 3), ("sin", "", -3, 3), ("cos", "", -3, 3), ("tan", "", -1.3, 1.3),
            ("tanh", "", -3, 3), ("sinh", "", -3, 3), ("cosh", "", -3, 3), ("asin", "arcsin", -0.9, 0.9),
            ("acos", "arccos", -0.9, 0.9), ("atan", "arctan", -3, 3),
        )
    ),
    *(
        Case("x[N, 3]", call or f"{name}(x)", reference, getattr(torch.nn.functional, name))
        for name, call, reference in (
            ("sigmoid", "", special.expit), ("softplus", "", lambda x: np.logaddexp(0, x)),
            ("relu", "", lambda x: np.maximum(x, 0)), ("leaky_relu", "", lambda x: np.where(x > 0, x, 0.01 * x)),
            ("elu", "", lambda x: np.where(x > 0, x, np.expm1(x))), ("gelu", "", lambda x: x * special.ndtr(x)),
            ("silu", "", lambda x: x * special.expit(x)),
        )
    ),
    Case("x[N, 3]", "erf(x)", special.erf, torch.erf),
    Case("x[N, 3]", "softmax(x)", lambda x: special.softmax(x, 1), lambda x: torch.softmax(x, 1)),
    Case("x[N, 3]", "log_softmax(x, axis=0)", lambda x: special.log_softmax(x, 0), lambda x: torch.log_softmax(x, 0), least=1),
    Case("x[N, 3]; index y[N] < 3", "softmax_cross_entropy(x, y)",
         lambda x, y: -np.take_along_axis(special.log_softmax(x, 1), y[:, None], 1)[:, 0],
         lambda x, y: torch.nn.functional.cross_entropy(x, y, reduction="none")),
    Case("x[N, 3]; y[N, 3]", "binary_cross_entropy(x, sigmoid(y), with_logits=True)",
         lambda x, y: np.logaddexp(0, x) - x * special.expit(y),
         lambda x, y: torch.nn.functional.softplus(x) - x * torch.sigmoid(y)),
    Case("x[N, 3]; y[N, 3]", "huber(x, y)", lambda x, y: special.huber(1, x - y),
         lambda x, y: torch.nn.functional.huber_loss(x, y, reduction="none")),
    *(
        Case(f"x[{a}]; y[{b}]", call, reference, its, 0.2, 2)
        for a, b in (("N, 3", "3"), ("1, 3", "N, 3"), ("N, 1, 2", "M, 1"))
        for call, reference, its in (
            ("x + y", np.add, torch.add), ("x - y", np.subtract, torch.sub), ("x * y", np.multiply, torch.mul),
            ("x / y", np.divide, torch.div), ("x ** y", np.power, torch.pow), ("atan2(x, y)", np.arctan2, torch.atan2),
            ("maximum(x, y)", np.maximum, torch.maximum), ("minimum(x, y)", np.minimum, torch.minimum),
            ("where(x > y, x * y, y)", lambda x, y: np.where(x > y, x * y, y), lambda x, y: torch.where(x > y, x * y, y)),
        )
    ),
    Case("x[N, 3]; y[N, 2]", "concat(x * x, y, axis=1)", lambda x, y: np.concatenate([x * x, y], 1),
         lambda x, y: torch.cat([x * x, y], 1)),
    Case("x[N]; y[N]", "stack(x * y, y, axis=1)", lambda x, y: np.stack([x * y, y], 1), lambda x, y: torch.stack([x * y, y], 1)),
    Case("x[N, 4]", "reshape(x**3, -1)[::-1]", lambda x: (x**3).reshape(-1)[::-1], lambda x: torch.flip((x**3).reshape(-1), [0])),
    Case("x[4, N]; index y[M] < 4", "x[y] ** 2", lambda x, y: x[y] ** 2, lambda x, y: x[y] ** 2),
    Case("x[N, 5]; index y[N] < 5", "pick(x**3, y)", lambda x, y: np.take_along_axis(x**3, y[:, None], 1)[:, 0],
         lambda x, y: torch.gather(x**3, 1, y[:, None])[:, 0]),
    Case("x[N, 5]", "x[:, 1:4] * x[:, ::2]", lambda x: x[:, 1:4] * x[:, ::2], lambda x: x[:, 1:4] * x[:, ::2]),
    Case("x[N, 3]", "sum(x**3, axis=0)", lambda x: np.sum(x**3, 0), lambda x: torch.sum(x**3, 0)),
    Case("x[N, 2, 3]", "max(x, axis=[0, 2])", lambda x: np.max(x, (0, 2)), lambda x: torch.amax(x, (0, 2)), least=1),
    Case("x[N, 2, 3]", "prod(x, axis=[1, 2])", lambda x: np.prod(x, (1, 2)), lambda x: torch.prod(torch.prod(x, 2), 1)),
    Case("x[N]; y[M]", "roll(concat(x, y), -1, axis=0)", lambda x, y: np.roll(np.concatenate([x, y]), -1),
         lambda x, y: torch.roll(torch.cat([x, y]), -1)),
    Case("x[N, 4]", "parts(x)", lambda x: x[:, :2] * x[:, 2:], lambda x: x[:, :2] * x[:, 2:],
         before="def parts(u):\n    a, b = split(u, 2, axis=1)\n    return a * b"),
    Case("x[6, N]", "parts(x)", lambda x: x[:2] * x[2:4] - x[4:], lambda x: x[:2] * x[2:4] - x[4:],
         before="def parts(u):\n    a, b, c = split(u, 3)\n    return a * b - c"),
    Case("x[N, 3]", "power(x, 3) * (zeros(N, 1) + 2 * ones(3)) - eye(3)[0]", lambda x: 2 * x**3 - np.eye(3)[0],
         lambda x: 2 * x**3 - torch.eye(3)[0]),
    Case("x[N, 3]", "x[argmax(x, axis=0)] ** 2 * argmin(x, axis=1, keepdims=True)[0]", least=1,
         numpy=lambda x: x[np.argmax(x, 0)] ** 2 * np.argmin(x, 1)[0],
         torch=lambda x: x[torch.argmax(x, 0)] ** 2 * torch.argmin(x, 1)[0]),
    Case("x[N, 3]; y[3]", "where(not (x < y or x >= 1) and y != 0 and x <= 2 or x == y or y > 1, -x * y, x**2)",
         lambda x, y: np.where((~((x < y) | (x >= 1)) & (y != 0) & (x <= 2)) | (x == y) | (y > 1), -x * y, x**2),
         lambda x, y: torch.where((~((x < y) | (x >= 1)) & (y != 0) & (x <= 2)) | (x == y) | (y > 1), -x * y, x**2)),
    Case("x[N, 3]", "clip(x, -0.5, 1)", lambda x: np.clip(x, -0.5, 1), lambda x: torch.clip(x, -0.5, 1)),
]  # fmt: skip


def sizes_of(case: Case) -> list[dict[str, int]]:
    free = list(twice(case.text)[0].free)
    if len(free) == 2:
        return [dict(zip(free, pair, strict=True)) for pair in PAIRS if min(pair) >= case.least]
    return [dict.fromkeys(free, n) for n in SIZES if n >= case.least]


def inputs_of(case: Case, sizes: dict[str, int], seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    found: dict[str, Any] = {}
    for i in build(case.text).inputs:
        shape = tuple(d.evaluate(sizes) for d in i.value.shape)
        if i.below is not None:
            found[i.value.name] = rng.integers(0, i.below.evaluate(sizes), shape)
        else:
            found[i.value.name] = rng.uniform(case.low, case.high, shape)
    return found


def close(got: Any, want: Any, what: str) -> None:
    """Norm-wise, to 1e-10."""
    got, want = np.asarray(got, float), np.asarray(want, float)
    assert got.shape == want.shape, what
    if got.size:
        assert not (np.isnan(got) ^ np.isnan(want)).any(), f"{what}: {got} {want}"
        scale = max(1.0, float(np.max(np.abs(np.nan_to_num(want)))))
        assert np.nanmax(np.abs(got - want), initial=0) <= 1e-10 * scale, f"{what}: {got} {want}"


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.label)
def test_values_and_two_derivatives(case: Case) -> None:
    order = [i.value.name for i in build(case.text).inputs]
    for k, sizes in enumerate(sizes_of(case)):
        inputs = inputs_of(case, sizes, k)
        value, first, second, given = ours(case.text, inputs, sizes, k)
        with np.errstate(all="ignore"):
            close(value, case.numpy(*(inputs[n] for n in order)), f"value at {sizes}")
        if not HAVE_TORCH:
            continue
        its_value, its_first, its_second = torchs(case.torch, given, order)
        close(value, its_value, f"value at {sizes}")
        for n in first:
            if its_first[n] is not None:
                close(first[n], its_first[n], f"gradient by {n} at {sizes}")
                close(second[n], its_second[n], f"second derivative by {n} at {sizes}")


def test_every_operation_is_compared() -> None:
    text = " ".join(f"{case.before} {case.call}" for case in CASES)
    shown = {op.name: (f"{op.name}(", f"{op.symbol} " if op.symbol else f"{op.name}(") for op in table().values()}
    shown |= {"slice": ("x[:, 1:4]",) * 2, "neg": ("-x",) * 2}
    assert not [name for name, spellings in shown.items() if not any(s in text for s in spellings)]


@pytest.mark.slow
def test_backends(tmp_path: Path) -> None:
    """Both backends against the interpreter and finite differences, at several sizes."""
    programs = [(f"op{k}", Program(case.text)) for k, case in enumerate(CASES) if case.least == 0]
    report = examine(programs, tmp_path, sizes=[0, 1, 2, 5])
    assert not report.wrong, report.shown()


# ---------------------------------------------------------------- what is said of single operations


def graph_text(program: str) -> str:
    return show_graph(build(program).graph)


@pytest.mark.parametrize(
    ("equation", "named"),
    [
        ('einsum("nd,dh->nh", x, W)', "x @ W"),
        ('einsum("dh,nd->nh", W, x)', "x @ W"),
        ('einsum("ab,bc", x, W)', "x @ W"),
        ('einsum("bnd,bdh->bnh", u, V)', "u @ V"),
        ('einsum("d,dh->h", v, W)', "v @ W"),
        ('einsum("nd,d->n", x, v)', "x @ v"),
        ('einsum("n,m->nm", v, v)', "outer(v, v)"),
        ('einsum("nd->n", x)', "sum(x, axis=1)"),
        ('einsum("nd->dn", x)', "transpose(x)"),
        ('einsum("bnd->dbn", u)', "transpose(u, 2, 0, 1)"),
    ],
)
def test_einsum_is_the_named_operation(equation: str, named: str) -> None:
    program = "size N, B\ninput x[N, 3], W[3, 4], u[B, N, 3], V[B, 3, 2], v[3]\noutput f = "

    def shown(call: str) -> str:
        return re.sub(r"  +# (\w+)  [^\n]*", r" # \1", graph_text(program + call).replace(call, ""))

    assert shown(equation) == shown(named)


@pytest.mark.parametrize("at", [1e-200, 1e-320, 3e-170, 0.0, 1.0, 1e170, 1e300])
def test_norm_neither_underflows_nor_overflows(at: float) -> None:
    text = "size N\ninput x[N]\noutput f = norm(x)"
    x = at * np.array([3.0, -4.0, 0.0])
    value, first, _, given = ours(text, {"x": x}, {"N": 3})
    np.testing.assert_allclose(value, 5 * at, rtol=1e-12 if at > 1e-300 else 1e-2)  # 1e-320 itself has eleven bits
    want = given["up"] * (np.array([0.6, -0.8, 0.0]) if at else np.zeros(3))
    np.testing.assert_allclose(first["x"], want, rtol=1e-2 if 0 < at < 1e-300 else 1e-12)


def test_norm_squared_has_no_hole_at_zero() -> None:
    value, first, _, _ = ours("input x[3]\noutput f = norm(x)**2", {"x": np.zeros(3)}, {})
    assert value == 0 and not first["x"].any()


def test_norm_in_float32() -> None:
    text = "dtype float32\ninput x[2]\noutput f = norm(x)"
    for scale in (1e-30, 1e-40, 1e30, 1.0):
        x = np.array([3, 4], np.float32) * np.float32(scale)
        got = run(build(text).graph, {"x": x}, {}, np.float32)["f"]
        np.testing.assert_allclose(got, 5 * np.float32(scale), rtol=1e-3 if scale < 1e-38 else 1e-6)


def test_variance_does_not_cancel() -> None:
    x = 1e9 + np.array([0.0, 1.0, 2.0, 3.0])
    assert values("input x[4]\noutput f = var(x)\n", x=x)["f"] == 1.25
    _, first, _, given = ours("input x[4]\noutput f = std(x)", {"x": np.full(4, 7.0)}, {})
    assert not first["x"].any()


@pytest.mark.skipif(not HAVE_TORCH, reason="PyTorch is not installed")
@pytest.mark.parametrize("zeros", [(), (1,), (0,), (1, 3), (0, 1, 2, 3, 4)])
def test_cumprod_of_zeros(zeros: tuple[int, ...]) -> None:
    x = np.array([1.5, -2.0, 0.5, 3.0, -1.0])
    x[list(zeros)] = 0
    text = "size N\ninput x[N]\noutput f = cumprod(x)"
    value, first, second, given = ours(text, {"x": x}, {"N": 5})
    want = torchs(lambda x: torch.stack([torch.prod(x[: k + 1]) for k in range(5)]), given, ["x"])
    close(value, want[0], "value")
    close(first["x"], want[1]["x"], "gradient")
    close(second["x"], want[2]["x"], "second derivative")


@pytest.mark.skipif(not HAVE_TORCH, reason="PyTorch is not installed")
@pytest.mark.parametrize("zeros", [(), (1,), (0,), (4,), (1, 3), (0, 1, 2, 3, 4)])
@pytest.mark.parametrize("call", ["prod(x)", "prod(x, axis=1)", "prod(x, axis=0)", "flip(cumprod(flip(x), axis=0))"])
def test_products_of_zeros(call: str, zeros: tuple[int, ...]) -> None:
    x = np.array([1.5, -2.0, 0.5, 3.0, -1.0])
    x[list(zeros)] = 0
    x = np.stack([x, x[::-1] + 0.5])

    def wanted(x: Any) -> Any:
        if call == "prod(x)":
            x = x.reshape(1, -1)
        along = 0 if call == "prod(x, axis=0)" else 1
        rows = list(torch.unbind(torch.flip(x, [0]) if "flip" in call else x, 0 if "flip" in call else along))
        for k in range(1, len(rows)):
            rows[k] = rows[k - 1] * rows[k]
        if "flip" in call:
            return torch.flip(torch.stack(rows), [0])
        return rows[-1][0] if call == "prod(x)" else rows[-1]

    value, first, second, given = ours(f"size N, M\ninput x[N, M]\noutput f = {call}", {"x": x}, {"N": 2, "M": 5})
    want = torchs(wanted, given, ["x"])
    close(value, want[0], "value")
    close(first["x"], want[1]["x"], "gradient")
    close(second["x"], want[2]["x"], "second derivative")


@pytest.mark.parametrize("call", ["cumprod(x)", "prod(x)", "prod(sin(x))", "flip(cumprod(flip(x)))"])
def test_no_derivative_of_a_product_takes_all_pairs(call: str) -> None:
    graph = twice(f"size N\ninput x[N]\noutput f = {call}")[1]
    eqns = [e for g in (graph, *(e.body for e in graph.eqns if isinstance(e, Scan))) for e in g.eqns if isinstance(e, Eqn)]
    assert all(len(e.axes) < 2 or running(e) is not None for e in eqns)


def test_sorting_is_stable_and_puts_nan_last() -> None:
    x = np.array([2.0, np.nan, -1.0, 2.0, np.inf, -np.inf, np.nan, -0.0, 0.0, 2.0])
    got = values("size N\ninput x[N]\noutput s = sort(x)\noutput a = argsort(x)", x=x)
    np.testing.assert_array_equal(got["s"], np.sort(x))
    np.testing.assert_array_equal(got["a"], np.argsort(x, kind="stable"))
    top = values("input x[10]\noutput t = top_k(x, 4)", x=x)["t"]
    np.testing.assert_array_equal(top, [np.nan, np.nan, np.inf, 2.0])
    _, first, _, given = ours("input x[4]\noutput f = top_k(x, 2)", {"x": np.array([1.0, 3.0, 3.0, 3.0])}, {})
    np.testing.assert_array_equal(first["x"], [0, given["up"][0], given["up"][1], 0])


def test_long_products_are_fast(tmp_path: Path) -> None:
    """In all pairs of elements this would take hours."""
    model = build("size N\ninput x[N]\noutput p = prod(x)\noutput c = cumprod(x)")
    x = 1 + 1e-5 * np.random.default_rng(0).normal(size=100_003)
    x[70_000] = 0
    up = np.random.default_rng(1).normal(size=x.shape)
    for pair in build_modules([model], [{}], tmp_path):
        for module in (pair.compiled, pair.numpy):
            out, g = module.Model().value_and_grad({"p": 1.0, "c": up}, x=x)
            np.testing.assert_allclose(out.c, np.cumprod(x), rtol=1e-11)
            others = np.where(x == 0, np.prod(np.where(x == 0, 1, x)), 0)
            np.testing.assert_allclose(g.p.x, others, rtol=1e-11)
            before = np.concatenate([[1.0], np.cumprod(x)[:-1]])
            after = np.cumsum((up * np.cumprod(np.where(x == 0, 1, x)))[::-1])[::-1] / np.cumprod(np.where(x == 0, 1, x))
            np.testing.assert_allclose(g.c.x[70_000:], (before * after)[70_000:], rtol=1e-9, atol=1e-9)


def test_long_arrays_are_sorted_and_summed_fast(tmp_path: Path) -> None:
    """In all pairs of elements this would take hours."""
    model = build("size N\ninput x[N, 2]\noutput s = sort(x, axis=0)\noutput t = top_k(x, 1)\noutput c = cumsum(x, axis=0)")
    x = np.round(np.random.default_rng(0).normal(size=(100_003, 2)), 2)
    for pair in build_modules([model], [{}], tmp_path):
        for module in (pair.compiled, pair.numpy):
            got = module.Model().forward(x=x)
            np.testing.assert_array_equal(got.s, np.sort(x, 0))
            np.testing.assert_array_equal(got.t, np.max(x, 1, keepdims=True))
            np.testing.assert_allclose(got.c, np.cumsum(x, 0), atol=1e-9)


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("input x[3]\noutput f = einsum(x)", "E281", "einsum needs one array"),
        ('input x[3]\noutput f = einsum("ij->i", x)', "E216", "'ij' names 2 axes"),
        ('input x[3], y[4]\noutput f = einsum("i,i->", x, y)', "E216", "the axis i has two different sizes"),
        ('input x[3]\noutput f = einsum("i->j", x)', "E216", "the result has an axis j, and no array has"),
        ('input x[3]\noutput f = einsum("i->ii", x)', "E216", "the result has the axis i twice"),
        ('input x[3]\noutput f = einsum("i,j->ij", x)', "E216", "the equation is about 2 arrays, and there is one"),
        ('input x[3]\noutput f = einsum("1->", x)', "E216", "'1' cannot name an axis"),
        ("input x[3, 3]\noutput f = roll(x, 1)", "E205", "roll wants to know the axis"),
        ("input x[3]\noutput f = flip(x, axis=1)", "E205", "there is no axis 1"),
        ("input x[3]\noutput f = pad(x, -1)", "E213", "the widths of a border are whole numbers from 0 on"),
        ("input x[3]\noutput f = pad(x, [1, 2, 3])", "E213", "these are not the widths of a border"),
        ("size N\ninput x[N]\noutput f = top_k(x, 3)", "E210", "there may be fewer than 3"),
        ("input x[3, 2]\noutput f = outer(x, x)", "E204", "outer wants two vectors"),
        ("input x[3]\noutput f = trace(x)", "E205", "trace wants a matrix"),
        ("input x[4]\noutput f = cross(x, x)", "E203", "a cross product wants vectors of 3 elements"),
        ("input x[4]\noutput f = norm(x, ord=3)", "E285", "ord is 1, 2 or inf"),
        ("input x[4]\noutput f = cumsum(x, axis=[0, 1])", "E205", "cumsum works along one axis"),
        ("input x[4]\noutput f = linspace(0, x, 3)", "E203", "linspace goes from one number to another"),
        ("input x[4]\noutput f = sum(x) + sum(arange(1, 2, 0))", "E213", "the step of a range is a number other than 0"),
    ],
)
def test_misuse(text: str, code: str, message: str) -> None:
    assert [(c, m) for c, _, m in errors(text)] == [(code, message)]


@pytest.mark.parametrize("backend", ["numpy", "cython"])
def test_slices_between_sizes(backend: Any) -> None:
    text = """size N, T
param E[5, 2] ~ normal(0, 1)
input x[N, T]
output first = E[:T]
output last = E[T:] * sum(x)
output other = x[:T]
output few = x[1:N + 2]
output middle = E[1:T + 1:2]
minimize sum(x @ E[:T]**2)
"""
    model = load(text, backend=backend, optimize=0, name="sliced").Model(seed=1)
    E = np.array(model.params.E)
    for n, t in ((4, 4), (3, 2), (1, 0), (3, 3)):
        x = np.random.default_rng(n).normal(size=(n, t))
        out, g = model.value_and_grad(x=x)
        np.testing.assert_array_equal(out.first, E[:t])
        np.testing.assert_allclose(out.last, E[t:] * x.sum(), rtol=1e-14)
        np.testing.assert_array_equal(out.other, x[:t])
        np.testing.assert_array_equal(out.few, x[1:])
        np.testing.assert_array_equal(out.middle, E[1 : t + 1 : 2])
        wanted = np.zeros((5, 2))
        wanted[:t] = 2 * E[:t] * x.sum(0)[:, None]
        np.testing.assert_allclose(g.E, wanted, rtol=1e-12)
    for shape, message in (
        ((6, 6), "with N = 6, T = 6, line 5 of the model makes an array of size -1"),
        ((6, 5), "with N = 6, T = 5, line 8 of the model takes 6 places of an axis of 5"),
        ((3, 4), "with N = 3, T = 4, line 6 of the model takes 4 places of an axis of 3"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            model.forward(x=np.zeros(shape))


def test_a_slice_that_nothing_needs_asks_for_nothing() -> None:
    text = "size T\ninput x[T], E[3]\ndef f(u, v, on=False) = where(on, u + v[:T], u)\noutput y = f(x, E) + 0 * sum(E)\n"
    assert load(text, backend="numpy", name="unasked").Model().forward(x=np.ones(5), E=np.ones(3)).y.shape == (5,)


@pytest.mark.parametrize(
    ("total", "backwards"),
    [
        ("sum(x[j] for j in range(i + 1))", False),
        ("sum(x[j] for j if j <= i)", False),
        ("sum(x[j] for j if i >= j)", False),
        ("sum(x[j] for j if not (j < i))", True),
        ("sum(x[j]**2 for j if j + 1 > i)", True),
    ],
)
def test_running_sums_in_index_notation(total: str, backwards: bool) -> None:
    model = build(f"size N\ninput x[N], y[N]\nr[i] = y[i] * {total}\noutput r")
    found = [runs for eqn in model.graph.eqns if isinstance(eqn, Eqn) and (runs := running(eqn)) is not None]
    assert [runs.reverse for runs in found] == [backwards]


def test_other_sums_over_pairs_do_not_run() -> None:
    for total in ("sum(x[j] for j if j < i)", "sum(x[j] for j if j <= 2*i)", "sum(x[j] * y[i] for j if j <= i)"):
        model = build(f"size N\ninput x[N], y[N]\nr[i] = y[i] * {total}\noutput r")
        assert all(running(eqn) is None for eqn in model.graph.eqns if isinstance(eqn, Eqn)), total
