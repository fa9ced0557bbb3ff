"""Every entry of the library, activations, losses and layers: value, gradients and second derivatives against PyTorch.

By the interpreter, in float64, norm-wise to 1e-10, at shapes with axes of 1 and 0, broadcast either way. Kinks are left out.
An entry of the library without a comparison here fails. What both backends make of the entries is in tests/test_library.py
and tests/test_library_layers.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from gradwright.compiler.language.syntax import Def, LayerDef
from gradwright.compiler.library import tree
from support.twice import moving, ours, torchs, twice

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
F = torch.nn.functional
Sizes = Mapping[str, int]


@dataclass(frozen=True)
class Case:
    """``theirs`` takes the inputs and params by name; ``sizes`` are those of the free sizes, one set for each round."""

    call: str
    declared: str
    theirs: Callable[..., Any]
    sizes: Sequence[Sizes] = ({"N": 4}, {"N": 1}, {"N": 0})
    given: Mapping[str, Any] = field(default_factory=dict)  # how an input is drawn, where it is not normal
    known: Mapping[str, Any] = field(default_factory=dict)  # what is asked for besides inputs and params: states, `training`...

    @property
    def text(self) -> str:
        free = sorted({n for sizes in self.sizes for n in sizes})
        lines = ["use layers", *([f"size {', '.join(free)}"] if free else [])]
        lines += [d if d.startswith(("index", "param")) else f"input {d}" for d in self.declared.split("; ")]
        return "\n".join([*lines, f"output f = {self.call}", ""])


def positive(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return rng.uniform(0.2, 2, shape)


def within(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return rng.uniform(0.1, 0.9, shape)


def signs(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return rng.choice([-1.0, 1.0], shape)


def counts(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return 1.0 * rng.integers(0, 4, shape)


def wide(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return 3 * rng.normal(size=shape)


def pointwise(call: str, theirs: Callable[[Any], Any]) -> list[Case]:
    return [Case(call, "x[N, 3]", lambda x: theirs(x), given={"x": wide})]


def loss(call: str, declared: str, theirs: Callable[..., Any], **options: Any) -> list[Case]:
    return [Case(call, declared, theirs, **options)]


def rows(s: Any, y: Any) -> Any:
    return torch.gather(s, -1, y[..., None])[..., 0]


def bce(x: Any, t: Any) -> Any:
    return F.softplus(x, threshold=1e9) - t * x


def smoothed(y: Any, w: Any, share: float) -> Any:
    return (1 - share) * F.one_hot(y, 5).to(w) + share / 5


def margins(s: Any, y: Any, delta: float = 1) -> Any:
    keep = 1 - F.one_hot(y, s.shape[-1]).to(s.dtype) if y.numel() else torch.zeros_like(s)
    return torch.clamp(s - rows(s, y)[..., None] + delta, min=0) * keep


def distance(a: Any, b: Any, p: float = 2, eps: float = 1e-6) -> Any:
    return ((a - b + eps).abs() ** p).sum(-1) ** (1 / p)


def cosine(a: Any, b: Any, axis: int = -1) -> Any:
    return (a * b).sum(axis) / (a.norm(dim=axis) * b.norm(dim=axis))


ACTIVATIONS: dict[str, list[Case]] = {
    "relu": pointwise("relu(x)", F.relu),
    "leaky_relu": [*pointwise("leaky_relu(x)", F.leaky_relu),
                   *pointwise("leaky_relu(x**2 - 1, slope=0.2)", lambda x: F.leaky_relu(x**2 - 1, 0.2))],
    "elu": [*pointwise("elu(x)", F.elu), *pointwise("elu(x, 0.5)", lambda x: F.elu(x, 0.5))],
    "gelu": [*pointwise("gelu(x)", F.gelu),
             *pointwise('gelu(x, approximate="tanh")', lambda x: F.gelu(x, approximate="tanh"))],
    "silu": pointwise("silu(x)", F.silu),
    "relu6": pointwise("relu6(x**2)", lambda x: F.relu6(x**2)),
    "prelu": [
        Case("prelu(x, w)", "x[N, 3]; w[3]", lambda x, w: torch.where(x > 0, x, w * x)),
        Case("prelu(x, w)", "x[N, 3, M]; w", lambda x, w: torch.where(x > 0, x, w * x), ({"N": 2, "M": 3}, {"N": 0, "M": 1})),
    ],
    "celu": [*pointwise("celu(x)", F.celu),
             # PyTorch rounds 1/alpha to single precision
             *pointwise("celu(x, 0.7)", lambda x: torch.where(x > 0, x, 0.7 * torch.expm1(x / 0.7)))],
    "selu": pointwise("selu(x)", F.selu),
    "mish": pointwise("mish(x)", lambda x: x * torch.tanh(F.softplus(x, threshold=1e9))),
    "logsigmoid": pointwise("logsigmoid(x)", F.logsigmoid),
    "softsign": pointwise("softsign(x)", F.softsign),
    "tanhshrink": pointwise("tanhshrink(x)", F.tanhshrink),
    "softshrink": pointwise("softshrink(x**3, 0.4)", lambda x: F.softshrink(x**3, 0.4)),
    "hardshrink": pointwise("hardshrink(x**3)", lambda x: F.hardshrink(x**3)),
    "hardtanh": pointwise("hardtanh(x**3, -2, 0.5)", lambda x: F.hardtanh(x**3, -2, 0.5)),
    # PyTorch's own has 1/6 in single precision in its gradient
    "hardsigmoid": pointwise("hardsigmoid(x**3)", lambda x: F.relu6(x**3 + 3) / 6),
    "hardswish": pointwise("hardswish(x)", lambda x: x * F.relu6(x + 3) / 6),
    "threshold": pointwise("threshold(x**3, 0.2, -3)", lambda x: F.threshold(x**3, 0.2, -3.0)),
    "glu": [
        Case("glu(x)", "x[N, 6]", F.glu),
        Case("glu(x, axis=0)", "x[4, N]", lambda x: F.glu(x, 0)),
    ],
    "maxout": [Case("maxout(x**3, 2)", "x[N, 6]", lambda x: (x**3).reshape(-1, 3, 2).amax(2)),
               Case("maxout(x, 1)", "x[N, M, 3]", lambda x: x * 1, ({"N": 2, "M": 3}, {"N": 0, "M": 2}))],
    "clip": [*pointwise("clip(x**3, -1, 0.75)", lambda x: torch.clip(x**3, -1, 0.75)),
             Case("clip(x * x, low, 1 + high)", "x[N, 3]; low[3]; high", given={"low": within, "high": within},
                  theirs=lambda x, low, high: torch.minimum(torch.maximum(x * x, low), 1 + high))],
    "softmax": [Case("softmax(x)", "x[N, 5]", lambda x: torch.softmax(x, -1)),
                Case("softmax(x, axis=0)", "x[N, 2]", lambda x: torch.softmax(x, 0), ({"N": 4}, {"N": 1})),
                Case("softmax(x)", "x[2, M, 1]", lambda x: torch.softmax(x, -1), ({"M": 3}, {"M": 0}))],
    "log_softmax": [Case("log_softmax(x)", "x[N, 5]", lambda x: torch.log_softmax(x, -1)),
                    Case("log_softmax(x, axis=0)", "x[N, 2]", lambda x: torch.log_softmax(x, 0), ({"N": 4}, {"N": 1}))],
    "softmin": [Case("softmin(x)", "x[N, 5]", lambda x: torch.softmax(-x, -1)),
                Case("softmin(x, axis=0)", "x[N, 2]", lambda x: torch.softmax(-x, 0), ({"N": 4}, {"N": 1}))],
}  # fmt: skip

ROWS = "x[N, 5]; index y[N] < 5"
PAIR = "x[N, 5]; z[N, 5]"
LOSSES: dict[str, list[Case]] = {
    "binary_cross_entropy": [
        *loss("binary_cross_entropy(p, t)", "p[N, 3]; t[N, 3]", lambda p, t: -(t * p.log() + (1 - t) * (1 - p).log()),
              given={"p": within, "t": within}),
        *loss("binary_cross_entropy(x, t, with_logits=True)", "x[N, 3]; t[N, 3]", bce,
              given={"t": within}),
        *loss("binary_cross_entropy(sigmoid(x), t)", "x[N, 3]; t[3]", bce,
              given={"t": within}),
        *loss("binary_cross_entropy(x, t, with_logits=True)", "x[3]; t[N, 3]", bce,
              given={"t": within}),
    ],
    "softmax_cross_entropy": [
        *loss("softmax_cross_entropy(x, y)", ROWS, lambda x, y: F.cross_entropy(x, y, reduction="none")),
        *loss("softmax_cross_entropy(x, y, w)", f"{ROWS}; w[5]", lambda x, y, w: -w[y] * rows(torch.log_softmax(x, 1), y)),
        *loss("softmax_cross_entropy(x, y, label_smoothing=0.1)", ROWS,
              lambda x, y: F.cross_entropy(x, y, label_smoothing=0.1, reduction="none")),
        *loss("softmax_cross_entropy(x, y, w, 0.2)", f"{ROWS}; w[5]",
              lambda x, y, w: -(w * smoothed(y, w, 0.2) * torch.log_softmax(x, 1)).sum(1),
              sizes=({"N": 4}, {"N": 1})),
        *loss("softmax_cross_entropy(x, u)", "x[N, 5]; u[N, 5]", lambda x, u: -(u * torch.log_softmax(x, 1)).sum(1),
              given={"u": within}),
        *loss("softmax_cross_entropy(x, softmax(u), w, 0.2)", "x[N, 5]; u[N, 5]; w[5]",
              lambda x, u, w: -(w * (0.8 * torch.softmax(u, 1) + 0.2 / 5) * torch.log_softmax(x, 1)).sum(1)),
        Case("softmax_cross_entropy(x, y)", "x[N, M, 3]; index y[N, M] < 3", lambda x, y: -rows(torch.log_softmax(x, -1), y),
             ({"N": 2, "M": 3}, {"N": 1, "M": 0})),
    ],
    "nll": [
        *loss("nll(x, y)", ROWS, lambda x, y: -rows(x, y)),
        *loss("nll(log(softmax(x)), y, w)", f"{ROWS}; w[5]", lambda x, y, w: -w[y] * rows(torch.log_softmax(x, 1), y)),
    ],
    "weighted": loss("weighted(x * x, w)", "x[N, 3]; w[3]", lambda x, w: w * x * x),
    "hinge": [*loss("hinge(x**3, y)", ROWS, lambda x, y: margins(x**3, y).sum(1)),
              *loss("hinge(sin(x), y, delta=0.5)", ROWS, lambda x, y: margins(torch.sin(x), y, 0.5).sum(1))],
    "squared_hinge": loss("squared_hinge(x, y)", ROWS, lambda x, y: (margins(x, y) ** 2).sum(1)),
    "mse": [*loss("mse(x, z)", PAIR, lambda x, z: ((x - z) ** 2).mean(), sizes=({"N": 4}, {"N": 1})),
            *loss("mse(x, z)", "x[N, 5]; z[5]", lambda x, z: ((x - z) ** 2).mean(), sizes=({"N": 4}, {"N": 1})),
            *loss("mse(x, z)", "x[1, 5]; z[N, 1]", lambda x, z: ((x - z) ** 2).mean(), sizes=({"N": 4}, {"N": 1}))],
    "mae": loss("mae(x**3, z)", PAIR, lambda x, z: (x**3 - z).abs().mean(), sizes=({"N": 4}, {"N": 1})),
    "huber": [*loss("huber(x, z)", PAIR, lambda x, z: F.huber_loss(x, z, reduction="none")),
              *loss("huber(x, z, delta=d)", "x[N, 3]; z[3]; d", given={"d": within}, theirs=lambda x, z, d: torch.where(
                  (x - z).abs() <= d, (x - z) ** 2 / 2, d * ((x - z).abs() - d / 2)))],
    "binary_hinge": [
        *loss("binary_hinge(x**3, s)", "x[N, 3]; s[N, 3]", lambda x, s: F.relu(1 - s * x**3), given={"s": signs}),
        *loss("binary_hinge(x, s)", "x[N, 1]; s[3]", lambda x, s: F.relu(1 - s * x), given={"s": signs}),
    ],
    "binary_squared_hinge": loss("binary_squared_hinge(x, s, delta=2)", "x[N, 3]; s[N, 3]",
                                 lambda x, s: torch.clamp(2 - s * x, min=0) ** 2, given={"s": signs}),
    "kl_divergence": [
        *loss("kl_divergence(x, u)", "x[N, 5]; u[N, 5]", lambda x, u: (u * (u.log() - x)).sum(1), given={"u": within}),
        *loss("kl_divergence(log_softmax(x), softmax(z))", PAIR, lambda x, z: (
            torch.softmax(z, 1) * (torch.log_softmax(z, 1) - torch.log_softmax(x, 1))).sum(1)),
        *loss("kl_divergence(x, z, log_target=True)", PAIR, lambda x, z: (z.exp() * (z - x)).sum(1)),
    ],
    "poisson_nll": [
        *loss("poisson_nll(x, k)", "x[N, 3]; k[N, 3]", lambda x, k: x.exp() - k * x, given={"k": counts}),
        *loss("poisson_nll(c, k, log_input=False)", "c[N, 3]; k[3]", lambda c, k: c - k * (c + 1e-8).log(),
              given={"c": positive, "k": counts}),
        *loss("poisson_nll(x, k, full=True)", "x[N, 3]; k[N, 3]", lambda x, k: x.exp() - k * x + torch.where(
            k > 1, k * k.log() - k + (2 * torch.pi * k).log() / 2, 0), given={"k": positive}),
    ],
    "cosine_similarity": [
        *loss("cosine_similarity(x, z)", PAIR, cosine),
        *loss("cosine_similarity(x, z, axis=0)", PAIR, lambda x, z: cosine(x, z, 0), sizes=({"N": 4}, {"N": 2})),
        *loss("cosine_similarity(x, z)", "x[N, 5]; z[5]", cosine),
    ],
    "cosine_embedding": loss("cosine_embedding(x, z, r, margin=-0.4)", f"{PAIR}; r[N]", given={"r": signs}, theirs=lambda x, z, r:
                             torch.where(r > 0, 1 - cosine(x, z), torch.clamp(cosine(x, z) + 0.4, min=0))),
    "pairwise_distance": [*loss("pairwise_distance(x, z)", PAIR, distance),
                          *loss("pairwise_distance(x, z, p=1)", "x[N, 5]; z[5]", lambda x, z: distance(x, z, 1)),
                          *loss("pairwise_distance(x, z, p=3)", PAIR, lambda x, z: distance(x, z, 3))],
    "triplet": [
        *loss("triplet(x, z, q)", f"{PAIR}; q[N, 5]", lambda x, z, q: torch.clamp(distance(x, z) - distance(x, q) + 1, min=0)),
        *loss("triplet(x, z, q, margin=3, p=1, swap=True)", f"{PAIR}; q[N, 5]", lambda x, z, q: torch.clamp(
            distance(x, z, 1) - torch.minimum(distance(x, q, 1), distance(z, q, 1)) + 3, min=0)),
    ],
    "masked_mean": loss("masked_mean(x**3, k)", "x[N, 3]; k[N, 3]", given={"k": counts}, theirs=lambda x, k:
                        (x**3 * (k != 0)).sum() / max(1, int((k != 0).sum()))),
    "l1": loss("l1(x**3, 0.3)", "x[N, 3]", lambda x: 0.3 * (x**3).abs().sum()),
    "l2": loss("l2(x**2, 0.3)", "x[N, 3]", lambda x: 0.3 * (x**4).sum()),
}  # fmt: skip

IMAGES = ({"N": 2, "Y": 5, "X": 6}, {"N": 1, "Y": 3, "X": 3}, {"N": 0, "Y": 4, "X": 4})
SEQUENCES = ({"N": 2, "T": 4}, {"N": 1, "T": 1}, {"N": 0, "T": 3})


def convolution(*, pad: int = 0, stride: int = 1, dilation: int = 1, groups: int = 1) -> Callable[..., Any]:
    def conv2d(x: Any, W: Any, b: Any) -> Any:
        return F.conv2d(x, W, b, stride, pad, dilation, groups)

    return conv2d


def attention(heads: int, causal: bool = False) -> Callable[..., Any]:
    def attend(x: Any, W: Any, b: Any, U: Any, c: Any) -> Any:
        n, t, d = x.shape
        q, k, v = (p.reshape(n, t, heads, d // heads).transpose(1, 2) for p in (x @ W + b).split(d, dim=2))
        s = q @ k.transpose(2, 3) / (d // heads) ** 0.5
        if causal:
            s = s.masked_fill(torch.triu(torch.ones(t, t, dtype=torch.bool), 1), -torch.inf)
        return (torch.softmax(s, -1) @ v).transpose(1, 2).reshape(n, t, d) @ U + c

    return attend


def block(x: Any, g1: Any, b1: Any, W: Any, b: Any, U: Any, c: Any, g2: Any, b2: Any, V: Any, d: Any, Z: Any, e: Any) -> Any:
    a = x + attention(2, True)(F.layer_norm(x, x.shape[-1:], g1, b1), W, b, U, c)
    return a + F.gelu(F.layer_norm(a, x.shape[-1:], g2, b2) @ V + d) @ Z + e


def rnn(x: Any, W: Any, U: Any, b: Any) -> Any:
    h, hs = torch.zeros(x.shape[0], U.shape[0], dtype=x.dtype), []
    for t in range(x.shape[1]):
        h = torch.tanh(x[:, t] @ W + h @ U + b)
        hs.append(h)
    return torch.stack(hs, 1)


def gru(x: Any, W: Any, U: Any, b: Any, c: Any) -> Any:
    h, hs, n = torch.zeros(x.shape[0], U.shape[0], dtype=x.dtype), [], U.shape[0]
    for t in range(x.shape[1]):
        (xr, xz, xn), (hr, hz, hn) = (x[:, t] @ W + b).split(n, 1), (h @ U + c).split(n, 1)
        z = torch.sigmoid(xz + hz)
        h = (1 - z) * torch.tanh(xn + torch.sigmoid(xr + hr) * hn) + z * h
        hs.append(h)
    return torch.stack(hs, 1)


def lstm(x: Any, W: Any, U: Any, b: Any) -> Any:
    units = U.shape[0]
    h = c = torch.zeros(x.shape[0], units, dtype=x.dtype)
    hs = []
    for t in range(x.shape[1]):
        i, f, g, o = (x[:, t] @ W + h @ U + b).split(units, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        hs.append(h)
    return torch.stack(hs, 1)


def batch_norm(training: bool) -> Callable[..., Any]:
    def normalise(x: Any, gain: Any, bias: Any) -> Any:
        running = torch.tensor([0.1, -0.2, 0.3]), torch.tensor([1.0, 2.0, 0.5])
        return F.batch_norm(x, *(r.to(x.dtype) for r in running), gain, bias, training)

    return normalise


RUNNING = {"batch_norm_1.running_mean": np.float32([0.1, -0.2, 0.3]).astype(float),
           "batch_norm_1.running_var": np.array([1.0, 2.0, 0.5])}  # fmt: skip

LAYERS: dict[str, list[Case]] = {
    "dense": [
        Case("dense(x, 3)", "x[N, 4]", lambda x, W, b: x @ W + b),
        Case("dense(x, 3, bias=False)", "x[N, M, 4]", lambda x, W: x @ W, ({"N": 2, "M": 3}, {"N": 1, "M": 0})),
        Case("dense(x, 1)", "x[4]", lambda x, W, b: x @ W + b, ({},)),
    ],
    "embedding": [
        Case("embedding(t, 4, 3)", "index t[N] < 4", lambda t, W: W[t], ({"N": 9}, {"N": 1}, {"N": 0})),  # rows more than once
        Case("embedding(t, 4, 3)**2 * x", "index t[N, M] < 4; x[3]", lambda t, x, W: W[t] ** 2 * x, ({"N": 2, "M": 4},)),
    ],
    "layer_norm": [
        Case("layer_norm(x)", "x[N, 4]", lambda x, gain, bias: F.layer_norm(x, (4,), gain, bias)),
        Case("layer_norm(x, eps=0.1)", "x[N, M, 1]", lambda x, gain, bias: F.layer_norm(x, (1,), gain, bias, 0.1),
             ({"N": 2, "M": 3}, {"N": 0, "M": 1})),
    ],
    "rms_norm": [Case("rms_norm(x)", "x[N, 4]", lambda x, gain: gain * x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt())],
    "group_norm": [
        Case("group_norm(x, 2)", "x[N, 4, Y, X]", lambda x, gain, bias: F.group_norm(x, 2, gain, bias), IMAGES),
        Case("group_norm(x, 3, eps=0.1)", "x[N, 3, Y, X]", lambda x, gain, bias: F.group_norm(x, 3, gain, bias, 0.1), IMAGES),
    ],
    "attention": [
        Case("attention(x, 2)", "x[N, T, 6]", attention(2), SEQUENCES),
        Case("attention(x, 1, causal=True)", "x[N, T, 3]", attention(1, True), SEQUENCES),
        Case("attention(x, 3, bias=False)", "x[N, T, 3]", lambda x, W, U: attention(3)(x, W, 0, U, 0), SEQUENCES),
    ],
    "transformer_block": [Case("transformer_block(x, 2, mult=2, causal=True)", "x[N, T, 4]", block, SEQUENCES)],
    "conv1d": [
        Case("conv1d(x, 3, 3, pad=1)", "x[N, 2, T]", lambda x, W, b: F.conv1d(x, W, b, padding=1), SEQUENCES),
        Case("conv1d(x, 4, 2, stride=3, pad=2, dilation=2, groups=2, bias=False)", "x[N, 2, T]",
             lambda x, W: F.conv1d(x, W, None, 3, 2, 2, 2), SEQUENCES),
    ],
    "conv2d": [
        Case("conv2d(x, 3, 3, pad=1)", "x[N, 2, Y, X]", convolution(pad=1), IMAGES),
        # an even kernel, a stride that does not divide
        Case("conv2d(x, 2, 2, stride=2)", "x[N, 2, Y, X]", convolution(stride=2), IMAGES),
        Case("conv2d(x, 4, 3, stride=3, pad=2, dilation=2, groups=2)", "x[N, 2, Y, X]",
             convolution(stride=3, pad=2, dilation=2, groups=2), IMAGES),
        # more padding than image
        Case("conv2d(x, 2, 5, stride=2, pad=4)", "x[N, 1, Y, X]", convolution(stride=2, pad=4), ({"N": 2, "Y": 3, "X": 2},)),
    ],
    "conv_transpose1d": [
        Case("conv_transpose1d(x, 3, 3, stride=2, pad=1, output_pad=1)", "x[N, 2, T]",
             lambda x, W, b: F.conv_transpose1d(x, W, b, 2, 1, 1), ({"N": 2, "T": 4}, {"N": 1, "T": 1})),
        Case("conv_transpose1d(x, 4, 2, stride=3, bias=False)", "x[N, 2, T]",
             lambda x, W: F.conv_transpose1d(x, W, None, 3), ({"N": 2, "T": 4}, {"N": 0, "T": 3})),
    ],
    "conv_transpose2d": [
        Case("conv_transpose2d(x, 3, 4, stride=2, pad=1)", "x[N, 2, Y, X]",
             lambda x, W, b: F.conv_transpose2d(x, W, b, 2, 1), IMAGES),
        Case("conv_transpose2d(x, 2, 3)", "x[N, 2, Y, X]", lambda x, W, b: F.conv_transpose2d(x, W, b), IMAGES),
    ],
    "max_pool1d": [
        Case("max_pool1d(x**3, 2)", "x[N, 2, T]", lambda x: F.max_pool1d(x**3, 2), ({"N": 2, "T": 5}, {"N": 1, "T": 2})),
        Case("max_pool1d(x**3, 3, stride=2, pad=1)", "x[N, 2, T]", lambda x: F.max_pool1d(x**3, 3, 2, 1), ({"N": 2, "T": 6},)),
    ],
    "avg_pool1d": [
        Case("avg_pool1d(x**3, 2)", "x[N, 2, T]", lambda x: F.avg_pool1d(x**3, 2), ({"N": 2, "T": 5}, {"N": 1, "T": 2})),
        Case("avg_pool1d(x**3, 3, stride=2, pad=1)", "x[N, 2, T]", lambda x: F.avg_pool1d(x**3, 3, 2, 1), ({"N": 2, "T": 6},)),
    ],
    "max_pool2d": [
        Case("max_pool2d(x**3, 2)", "x[N, 2, Y, X]", lambda x: F.max_pool2d(x**3, 2), IMAGES),
        Case("max_pool2d(x**3, 3, stride=2, pad=1)", "x[N, 2, Y, X]", lambda x: F.max_pool2d(x**3, 3, 2, 1), IMAGES),
    ],
    "avg_pool2d": [
        Case("avg_pool2d(x**3, 2)", "x[N, 2, Y, X]", lambda x: F.avg_pool2d(x**3, 2), IMAGES),
        Case("avg_pool2d(x**3, 3, stride=2, pad=1)", "x[N, 2, Y, X]", lambda x: F.avg_pool2d(x**3, 3, 2, 1), IMAGES),
    ],
    "global_avg_pool": [Case("global_avg_pool(x**3)", "x[N, 2, Y, X]", lambda x: (x**3).mean((2, 3)), IMAGES)],
    "residual": [Case("residual(x, dense(4))", "x[N, 4]", lambda x, W, b: x + x @ W + b)],
    "flatten": [Case("flatten(x**3)", "x[N, 2, 3]", lambda x: (x**3).flatten(1))],
    "rnn": [Case("rnn(x, 3)", "x[N, T, 2]", rnn, SEQUENCES),
            Case("rnn(x, 3, last=True)", "x[N, T, 2]", lambda *a: rnn(*a)[:, -1], SEQUENCES)],
    "gru": [Case("gru(x, 3)", "x[N, T, 2]", gru, SEQUENCES),
            Case("gru(x, 3, last=True)", "x[N, T, 2]", lambda *a: gru(*a)[:, -1], SEQUENCES)],
    "lstm": [Case("lstm(x, 3)", "x[N, T, 2]", lstm, SEQUENCES),
             Case("lstm(x, 3, last=True)", "x[N, T, 2]", lambda *a: lstm(*a)[:, -1], SEQUENCES)],
    "dropout": [Case("dropout(x**3, 0.25)", "x[N, 4]", lambda x: x**3, known={"training": np.array(False)})],
    "channel_mean": [Case("channel_mean(x**3)", "x[N, 3]", lambda x: (x**3).mean(0), ({"N": 4}, {"N": 1})),
                     Case("channel_mean(x**3)", "x[N, 3, Y, X]", lambda x: (x**3).mean((0, 2, 3)), IMAGES[:2])],
    "beside_channels": [Case("beside_channels(p**2, x) * x", "x[N, 3]; p[3]", lambda x, p: p**2 * x),
                        Case("beside_channels(p**2, x) * x", "x[N, 3, Y, X]; p[3]", lambda x, p: (p**2)[:, None, None] * x,
                             IMAGES)],
    "batch_norm": [
        Case("batch_norm(x)", "x[N, 3]", batch_norm(True), ({"N": 4}, {"N": 2}), known={"training": np.array(True), **RUNNING}),
        Case("batch_norm(x)", "x[N, 3, Y, X]", batch_norm(True), IMAGES[:2], known={"training": np.array(True), **RUNNING}),
        Case("batch_norm(x)", "x[N, 3, T]", batch_norm(False), SEQUENCES, known={"training": np.array(False), **RUNNING}),
    ],
}  # fmt: skip

EVERY = {**ACTIVATIONS, **LOSSES, **LAYERS}
CASES = [case for cases in EVERY.values() for case in cases]


@pytest.mark.parametrize("file", ["activations", "losses", "layers"])
def test_every_entry_of_the_library_is_compared(file: str) -> None:
    entries = [s.name.id for s in tree(file).statements if isinstance(s, Def | LayerDef)]
    compared = {"activations": ACTIVATIONS, "losses": LOSSES, "layers": LAYERS}[file]
    assert set(compared) == set(entries)


def close(found: Any, wanted: Any, what: str) -> None:
    found, wanted = np.asarray(found, float), np.asarray(wanted, float)
    assert found.shape == wanted.shape, what
    assert np.array_equal(np.isnan(found), np.isnan(wanted)), what
    error = float(np.linalg.norm(np.nan_to_num(found - wanted)))
    assert error <= 1e-10 * max(1.0, float(np.linalg.norm(np.nan_to_num(wanted)))), f"{what}: off by {error}"


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.call} of {c.declared}")
def test_value_gradients_and_second_derivatives(case: Case) -> None:
    model, graph, *_ = twice(case.text)
    order = [i.value.name for i in model.inputs] + [p.value.name for p in model.params]
    for k, sizes in enumerate(case.sizes):
        rng = np.random.default_rng(k)
        inputs: dict[str, Any] = {}
        for value in (*(i.value for i in model.inputs), *(p.value for p in model.params)):
            shape = tuple(d.evaluate(sizes) for d in value.shape)
            below = next((i.below for i in model.inputs if i.value is value), None)
            if below is not None:
                inputs[value.name] = rng.integers(0, below.evaluate(sizes), shape)
            else:
                inputs[value.name] = case.given.get(value.name, lambda rng, shape: rng.normal(size=shape))(rng, shape)
        if model.generator is not None:
            inputs[model.generator] = np.array([3, 5])
        known = {v.name: case.known[v.name] for v in graph.inputs if v.name in case.known}
        value, first, second, given = ours(case.text, inputs | known, sizes, k)
        its_value, its_first, its_second = torchs(case.theirs, given, order)
        close(value, its_value, f"value at {sizes}")
        for n in moving(model):
            if its_first[n] is None:
                assert not np.any(first[n]) and not np.any(second[n]), n
                continue
            close(first[n], its_first[n], f"gradient by {n} at {sizes}")
            close(second[n], its_second[n], f"second derivative by {n} at {sizes}")
