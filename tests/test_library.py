"""The functions of the library, activations and losses, against NumPy and against PyTorch's of the same name.

Values and gradients on both backends, norm-wise, kinks left out. The tails of activations are against 50 digits.
Second derivatives, of some of them, are in tests/test_operations.py."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import mpmath
import numpy as np
import pytest
from gradwright.compiler import driver
from numpy.typing import NDArray
from scipy import special
from support import settings
from support.models import elaborated, values

Array = NDArray[Any]
N, C = 7, 5


def shrunk(x: Array, by: float) -> Array:
    return np.sign(x) * np.maximum(np.abs(x) - by, 0)


def selu(x: Array) -> Array:
    return 1.0507009873554804934 * (np.maximum(x, 0) + 1.6732632423543772848 * np.expm1(np.minimum(x, 0)))


# Each: how it is called here, in NumPy, and in PyTorch (F is torch.nn.functional).
POINTWISE: dict[str, tuple[Callable[[Array], Array], Callable[[Any, Any], Any]]] = {
    "relu6(x)": (lambda x: np.clip(x, 0, 6), lambda F, x: F.relu6(x)),
    "prelu(x, 0.3)": (lambda x: np.where(x > 0, x, 0.3 * x), lambda F, x: F.prelu(x, x.new_tensor([0.3]))),
    "celu(x)": (lambda x: np.maximum(x, 0) + np.expm1(np.minimum(x, 0)), lambda F, x: F.celu(x)),
    "celu(x, alpha=0.5)": (  # PyTorch rounds 1/alpha to single precision
        lambda x: np.maximum(x, 0) + np.expm1(np.minimum(x, 0) / 0.5) / 2,
        lambda F, x: F.celu(x, alpha=0.5),
    ),
    "selu(x)": (selu, lambda F, x: F.selu(x)),
    "mish(x)": (lambda x: x * np.tanh(np.logaddexp(0, x)), lambda F, x: F.mish(x)),
    "logsigmoid(x)": (lambda x: -np.logaddexp(0, -x), lambda F, x: F.logsigmoid(x)),
    "softsign(x)": (lambda x: x / (1 + np.abs(x)), lambda F, x: F.softsign(x)),
    "tanhshrink(x)": (lambda x: x - np.tanh(x), lambda F, x: F.tanhshrink(x)),
    "softshrink(x)": (lambda x: shrunk(x, 0.5), lambda F, x: F.softshrink(x)),
    "softshrink(x, 1.25)": (lambda x: shrunk(x, 1.25), lambda F, x: F.softshrink(x, 1.25)),
    "hardshrink(x)": (lambda x: x * (np.abs(x) > 0.5), lambda F, x: F.hardshrink(x)),
    "hardshrink(x, lambd=1)": (lambda x: x * (np.abs(x) > 1), lambda F, x: F.hardshrink(x, 1.0)),
    "hardtanh(x)": (lambda x: np.clip(x, -1, 1), lambda F, x: F.hardtanh(x)),
    "hardtanh(x, -2, high=0.5)": (lambda x: np.clip(x, -2, 0.5), lambda F, x: F.hardtanh(x, -2.0, 0.5)),
    "hardsigmoid(x)": (  # PyTorch's own has 1/6 in single precision in its gradient
        lambda x: np.clip(x + 3, 0, 6) / 6,
        lambda F, x: F.relu6(x + 3) / 6,
    ),
    "hardswish(x)": (lambda x: x * np.clip(x + 3, 0, 6) / 6, lambda F, x: F.hardswish(x)),
    "threshold(x, 0.2, -3)": (lambda x: np.where(x > 0.2, x, -3), lambda F, x: F.threshold(x, 0.2, -3.0)),
}
KINKS = {"hardtanh(x)": (-1, 1), "relu6(x)": (0, 6)}  # where PyTorch's choice is taken over


def log_softmax(s: Array) -> Array:
    return s - special.logsumexp(s, axis=-1, keepdims=True)


def rows(a: Array, y: Array) -> Array:
    return np.asarray(np.take_along_axis(a, y[:, None], axis=1)[:, 0])


def smoothed(y: Array, share: float) -> Array:
    return (1 - share) * np.eye(C)[y] + share / C


def margins(s: Array, y: Array) -> Array:
    return np.maximum(0, s - rows(s, y)[:, None] + 1) * (np.arange(C) != y[:, None])


def lengths(a: Array) -> Array:
    return np.sqrt(np.einsum("nd,nd->n", a, a))


def cosine(a: Array, b: Array) -> Array:
    return np.asarray(np.einsum("nd,nd->n", a, b) / lengths(a) / lengths(b))


def distance(a: Array, b: Array, p: float = 2) -> Array:
    return np.asarray((np.abs(a - b + 1e-6) ** p).sum(axis=1) ** (1 / p))


# x, z real; u, v probabilities in rows; q log-probabilities; w weights of classes; c positive; k counts; s signs in rows;
# r a sign for each row; y classes.
Inputs = dict[str, Array]
LOSSES: dict[str, tuple[Callable[[Inputs], Array], Callable[[Any, Any], Any]]] = {
    "softmax_cross_entropy(x, y)": (
        lambda i: -rows(log_softmax(i["x"]), i["y"]),
        lambda F, i: F.cross_entropy(i.x, i.y, reduction="none"),
    ),
    "softmax_cross_entropy(x, y, weight=w)": (
        lambda i: -i["w"][i["y"]] * rows(log_softmax(i["x"]), i["y"]),
        lambda F, i: F.cross_entropy(i.x, i.y, weight=i.w, reduction="none"),
    ),
    "softmax_cross_entropy(x, y, label_smoothing=0.1)": (
        lambda i: -(smoothed(i["y"], 0.1) * log_softmax(i["x"])).sum(axis=1),
        lambda F, i: F.cross_entropy(i.x, i.y, label_smoothing=0.1, reduction="none"),
    ),
    "softmax_cross_entropy(x, y, w, 0.2)": (
        lambda i: -(i["w"] * smoothed(i["y"], 0.2) * log_softmax(i["x"])).sum(axis=1),
        lambda F, i: F.cross_entropy(i.x, i.y, weight=i.w, label_smoothing=0.2, reduction="none"),
    ),
    "softmax_cross_entropy(x, u)": (
        lambda i: -(i["u"] * log_softmax(i["x"])).sum(axis=1),
        lambda F, i: F.cross_entropy(i.x, i.u, reduction="none"),
    ),
    "softmax_cross_entropy(x, u, w)": (
        lambda i: -(i["w"] * i["u"] * log_softmax(i["x"])).sum(axis=1),
        lambda F, i: F.cross_entropy(i.x, i.u, weight=i.w, reduction="none"),
    ),
    "softmax_cross_entropy(x, u, weight=w, label_smoothing=0.2)": (
        lambda i: -(i["w"] * (0.8 * i["u"] + 0.2 / C) * log_softmax(i["x"])).sum(axis=1),
        lambda F, i: F.cross_entropy(i.x, i.u, weight=i.w, label_smoothing=0.2, reduction="none"),
    ),
    "softmax_cross_entropy(x, y, weight=2.5)": (
        lambda i: -2.5 * rows(log_softmax(i["x"]), i["y"]),
        lambda F, i: 2.5 * F.cross_entropy(i.x, i.y, reduction="none"),
    ),
    "nll(q, y)": (lambda i: -rows(i["q"], i["y"]), lambda F, i: F.nll_loss(i.q, i.y, reduction="none")),
    "nll(q, y, w)": (
        lambda i: -i["w"][i["y"]] * rows(i["q"], i["y"]),
        lambda F, i: F.nll_loss(i.q, i.y, weight=i.w, reduction="none"),
    ),
    "hinge(x, y)": (
        lambda i: margins(i["x"], i["y"]).sum(axis=1),
        lambda F, i: C * F.multi_margin_loss(i.x, i.y, reduction="none"),
    ),
    "squared_hinge(x, y)": (
        lambda i: (margins(i["x"], i["y"]) ** 2).sum(axis=1),
        lambda F, i: C * F.multi_margin_loss(i.x, i.y, p=2, reduction="none"),
    ),
    "binary_hinge(x, s)": (lambda i: np.maximum(0, 1 - i["s"] * i["x"]), lambda F, i: F.relu(1 - i.s * i.x)),
    "binary_squared_hinge(x, s, delta=2)": (
        lambda i: np.maximum(0, 2 - i["s"] * i["x"]) ** 2,
        lambda F, i: F.relu(2 - i.s * i.x) ** 2,
    ),
    "kl_divergence(q, u)": (
        lambda i: special.rel_entr(i["u"], np.exp(i["q"])).sum(axis=1),
        lambda F, i: F.kl_div(i.q, i.u, reduction="none").sum(dim=1),
    ),
    "kl_divergence(q, x, log_target=True)": (
        lambda i: (np.exp(i["x"]) * (i["x"] - i["q"])).sum(axis=1),
        lambda F, i: F.kl_div(i.q, i.x, reduction="none", log_target=True).sum(dim=1),
    ),
    "poisson_nll(x, k)": (
        lambda i: np.exp(i["x"]) - i["k"] * i["x"],
        lambda F, i: F.poisson_nll_loss(i.x, i.k, reduction="none"),
    ),
    "poisson_nll(c, k, log_input=False)": (
        lambda i: i["c"] - i["k"] * np.log(i["c"] + 1e-8),
        lambda F, i: F.poisson_nll_loss(i.c, i.k, log_input=False, reduction="none"),
    ),
    "poisson_nll(x, k, full=True)": (
        lambda i: (
            np.exp(i["x"])
            - i["k"] * i["x"]
            + np.where(i["k"] > 1, special.xlogy(i["k"], i["k"]) - i["k"] + np.log(2 * np.pi * np.maximum(i["k"], 1)) / 2, 0)
        ),
        lambda F, i: F.poisson_nll_loss(i.x, i.k, full=True, reduction="none"),
    ),
    "cosine_similarity(x, z)": (lambda i: cosine(i["x"], i["z"]), lambda F, i: F.cosine_similarity(i.x, i.z)),
    "cosine_similarity(x, z, axis=0)": (
        lambda i: cosine(i["x"].T, i["z"].T),
        lambda F, i: F.cosine_similarity(i.x, i.z, dim=0),
    ),
    "cosine_embedding(x, z, r)": (
        lambda i: np.where(i["r"] > 0, 1 - cosine(i["x"], i["z"]), np.maximum(0, cosine(i["x"], i["z"]))),
        lambda F, i: F.cosine_embedding_loss(i.x, i.z, i.r, reduction="none"),
    ),
    "cosine_embedding(x, z, r, margin=-0.4)": (
        lambda i: np.where(i["r"] > 0, 1 - cosine(i["x"], i["z"]), np.maximum(0, cosine(i["x"], i["z"]) + 0.4)),
        lambda F, i: F.cosine_embedding_loss(i.x, i.z, i.r, margin=-0.4, reduction="none"),
    ),
    "pairwise_distance(x, z)": (lambda i: distance(i["x"], i["z"]), lambda F, i: F.pairwise_distance(i.x, i.z)),
    "pairwise_distance(x, z, p=3)": (
        lambda i: distance(i["x"], i["z"], 3),
        lambda F, i: F.pairwise_distance(i.x, i.z, p=3.0),
    ),
    "triplet(x, z, q)": (
        lambda i: np.maximum(0, distance(i["x"], i["z"]) - distance(i["x"], i["q"]) + 1),
        lambda F, i: F.triplet_margin_loss(i.x, i.z, i.q, reduction="none"),
    ),
    "triplet(x, z, q, margin=3, p=1, swap=True)": (
        lambda i: np.maximum(
            0, distance(i["x"], i["z"], 1) - np.minimum(distance(i["x"], i["q"], 1), distance(i["z"], i["q"], 1)) + 3
        ),
        lambda F, i: F.triplet_margin_loss(i.x, i.z, i.q, margin=3.0, p=1, swap=True, reduction="none"),
    ),
    "masked_mean(x, k)": (
        lambda i: np.asarray(i["x"][i["k"] != 0].mean()),
        lambda F, i: i.x[i.k != 0].mean(),
    ),
    "l1(x, 0.3)": (lambda i: 0.3 * np.abs(i["x"]).sum(), lambda F, i: 0.3 * i.x.abs().sum()),
    "l2(x, 0.3)": (lambda i: 0.3 * np.square(i["x"]).sum(), lambda F, i: 0.3 * (i.x**2).sum()),
    "prelu(x, w)": (lambda i: np.where(i["x"] > 0, i["x"], i["w"] * i["x"]), lambda F, i: F.prelu(i.x, i.w)),
    "maxout(x, 5)": (lambda i: i["x"].max(axis=1, keepdims=True), lambda F, i: i.x.max(dim=1, keepdim=True).values),
    "maxout(concat(x, z, q, c, axis=1), 4)": (
        lambda i: np.hstack([i[n] for n in "xzqc"]).reshape(N, C, 4).max(axis=2),
        lambda F, i: i.cat("xzqc").reshape(N, C, 4).max(dim=2).values,
    ),
    "glu(concat(x, z, axis=1))": (lambda i: i["x"] * special.expit(i["z"]), lambda F, i: F.glu(i.cat("xz"))),
    "softmin(x)": (lambda i: special.softmax(-i["x"], axis=1), lambda F, i: F.softmin(i.x, dim=1)),
    "softmin(x, axis=0)": (lambda i: special.softmax(-i["x"], axis=0), lambda F, i: F.softmin(i.x, dim=0)),
}
HEAD = f"size N, C = {C}\ninput x[N, C], z[N, C], u[N, C], q[N, C], w[C], c[N, C], k[N, C], s[N, C], r[N]\nindex y[N] < C\n"
REAL = "xzuqwc"


def inputs(seed: int = 1) -> Inputs:
    rng = np.random.default_rng(seed)
    found: Inputs = {n: rng.normal(size=(N, C)) for n in "xz"}
    found |= {"u": special.softmax(rng.normal(size=(N, C)), axis=1), "q": log_softmax(rng.normal(size=(N, C)))}
    found |= {"w": rng.uniform(0.2, 2, C), "c": rng.uniform(0.1, 3, (N, C)), "k": 1.0 * rng.integers(0, 4, (N, C))}
    found |= {"s": rng.choice([-1.0, 1.0], (N, C)), "r": np.array([1.0, -1, 1, -1, -1, 1, -1])}
    return found | {"y": rng.integers(0, C, N)}


def close(found: Any, wanted: Any, what: str) -> None:
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape, (what, found.shape, wanted.shape)
    assert np.linalg.norm(found - wanted) <= 1e-10 * max(float(np.linalg.norm(wanted)), 1e-3), (what, found, wanted)


@pytest.fixture(scope="module", params=["cython", "numpy"])
def activations(request: pytest.FixtureRequest) -> ModuleType:
    lines = ["size N", "input x[N]", *(f"output f{k} = {text}" for k, text in enumerate(POINTWISE))]
    return driver.load("\n".join([*lines, ""]), backend=request.param, optimize=settings.little(), name="activations")


@pytest.fixture(scope="module", params=["cython", "numpy"])
def losses(request: pytest.FixtureRequest) -> ModuleType:
    lines = [f"output f{k} = {text}" for k, text in enumerate(LOSSES)]
    return driver.load(HEAD + "\n".join([*lines, ""]), backend=request.param, optimize=settings.little(), name="losses")


POINTS = np.array([-9.0, -4.3, -2.6, -1.7, -0.9, -0.45, -0.1, 0.03, 0.3, 0.8, 1.4, 2.2, 3.4, 5.1, 7.7])


def slopes(module: ModuleType, k: int, count: int, x: Array, up: Array) -> Array:
    """The gradient of output ``k`` alone."""
    ups = {f"f{j}": up if j == k else np.zeros_like(x) for j in range(count)}
    return np.asarray(module.Model().value_and_grad(ups, x=x)[1][f"f{k}"].x)


@pytest.mark.parametrize("text", POINTWISE)
def test_an_activation_is_its_formula(text: str, activations: ModuleType) -> None:
    k = list(POINTWISE).index(text)
    reference = POINTWISE[text][0]
    close(activations.Model().forward(x=POINTS)[f"f{k}"], reference(POINTS), text)
    step = 1e-3
    near = np.array([-2, -1, 1, 2]) * step
    stencil = np.array([1, -8, 8, -1]) / (12 * step)
    difference = sum(c * reference(POINTS + d) for c, d in zip(stencil, near, strict=True))
    found = slopes(activations, k, len(POINTWISE), POINTS, np.ones_like(POINTS))
    np.testing.assert_allclose(found, difference, rtol=0, atol=1e-9)


@pytest.mark.torch
@pytest.mark.parametrize("text", POINTWISE)
def test_an_activation_is_pytorchs(text: str, activations: ModuleType) -> None:
    torch = pytest.importorskip("torch")
    k = list(POINTWISE).index(text)
    points = np.concatenate([POINTS, KINKS.get(text, ())])
    up = np.linspace(0.5, 2, len(points))
    x = torch.tensor(points, requires_grad=True)
    y = POINTWISE[text][1](torch.nn.functional, x)
    close(activations.Model().forward(x=points)[f"f{k}"], y.detach().numpy(), text)
    (first,) = torch.autograd.grad(y, x, torch.tensor(up), create_graph=True)
    close(slopes(activations, k, len(POINTWISE), points, up), first.detach().numpy(), text)


@pytest.mark.parametrize("text", LOSSES)
def test_a_loss_is_its_formula(text: str, losses: ModuleType) -> None:
    given = inputs()
    close(losses.Model().forward(**given)[f"f{list(LOSSES).index(text)}"], LOSSES[text][0](given), text)


@pytest.mark.torch
@pytest.mark.parametrize("text", LOSSES)
def test_a_loss_is_pytorchs(text: str, losses: ModuleType) -> None:
    torch = pytest.importorskip("torch")

    class Given:
        """The inputs as tensors."""

        def __init__(self, arrays: Inputs) -> None:
            for name, array in arrays.items():
                setattr(self, name, torch.tensor(array, requires_grad=name in REAL and (name != "w" or "prelu" in text)))

        def cat(self, names: str) -> Any:
            return torch.cat([getattr(self, n) for n in names], dim=1)

    k = list(LOSSES).index(text)
    for seed in (1, 2):
        given = inputs(seed)
        theirs = Given(given)
        tensors = {n: getattr(theirs, n) for n in REAL}
        wanted = LOSSES[text][1](torch.nn.functional, theirs)
        model = losses.Model()
        out = model.forward(**given)
        ups = {name: np.zeros_like(value) for name, value in out._asdict().items()}
        up = np.random.default_rng(seed).uniform(0.5, 2, np.shape(out[f"f{k}"]))
        ups[f"f{k}"] = up
        _, g = model.value_and_grad(ups, **given)
        close(out[f"f{k}"], wanted.detach().numpy(), text)
        free = [n for n in REAL if n in g[f"f{k}"]._asdict() and tensors[n].requires_grad]
        first = torch.autograd.grad(wanted, [tensors[n] for n in free], torch.tensor(up), allow_unused=True)
        for name, grad in zip(free, first, strict=True):
            if grad is not None:
                close(g[f"f{k}"][name], grad.numpy(), f"{text} by {name}")


# ---------------------------------------------------------------- tails, second derivatives, padding

mp: Any = mpmath.mp
TAILS = [-1e3, -710.0, -100.0, -37.5, -20.0, -1e-3, -1e-12, 1e-12, 1e-3, 0.5, 20.0, 37.5, 100.0, 710.0, 1e3]
EXACT: dict[str, Callable[[Any], Any]] = {
    "mish(x)": lambda x: x * mpmath.tanh(mpmath.log1p(mpmath.exp(x))),
    "logsigmoid(x)": lambda x: -mpmath.log1p(mpmath.exp(-x)),
    "softsign(x)": lambda x: x / (1 + abs(x)),
    "selu(x)": lambda x: (
        mpmath.mpf("1.0507009873554804934193349852946")
        * (x if x > 0 else mpmath.mpf("1.6732632423543772848170429916717") * mpmath.expm1(x))
    ),
    "celu(x)": lambda x: x if x > 0 else mpmath.expm1(x),
    "tanhshrink(x)": lambda x: x - mpmath.tanh(x),
}


@pytest.mark.parametrize("text", EXACT)
def test_an_activation_is_right_far_into_its_tails(text: str, activations: ModuleType) -> None:
    k, x = list(POINTWISE).index(text) if text in POINTWISE else 0, np.array(TAILS)
    out = activations.Model().forward(x=x)[f"f{k}"]
    found = slopes(activations, k, len(POINTWISE), x, np.ones_like(x))
    with mp.workdps(500):
        for at, value, slope in zip(TAILS, out, found, strict=True):
            z = mpmath.mpf(at)
            wanted, rise = EXACT[text](z), mpmath.diff(EXACT[text], z, h=mpmath.mpf(10) ** -60)
            assert np.isfinite(value) and np.isfinite(slope), at
            assert abs(mpmath.mpf(float(value)) - wanted) <= 2e-15 * max(abs(wanted), 1 if "shrink" in text else 1e-300), at
            assert abs(mpmath.mpf(float(slope)) - rise) <= 2e-15 * max(1, abs(rise)), at


def test_activations_keep_nan() -> None:
    for text in POINTWISE:
        assert np.isnan(values(f"input x\noutput f = {text}", x=np.nan)["f"]), text


def test_what_padding_holds_never_reaches_a_gradient() -> None:
    """Infinite losses of padded rows, and inputs that are NaN where they are padded."""
    text = """size N, T, D = 3, C = 4
input x[N, T, D], mask[N, T]
index y[N, T] < C
param W[D, C] ~ normal(0, 1)
clean = where(reshape(mask, N, T, 1) != 0, x, 0)
p = softmax(clean @ W) * reshape(mask, N, T, 1)
minimize masked_mean(nll(log(p), y), mask)
"""
    rng = np.random.default_rng(2)
    mask = np.array([[1, 1, 0, 0, 0], [1, 1, 1, 1, 0]])
    x, y = np.where(mask[..., None] != 0, rng.normal(size=(2, 5, 3)), np.nan), rng.integers(0, 4, (2, 5))
    kept = mask != 0
    for backend in ("cython", "numpy"):
        model = driver.load(text, backend=backend, name="padded").Model(seed=1)  # type: ignore[arg-type]
        out, g = model.value_and_grad(x=x, y=y, mask=mask)
        W = np.array(model.params.W)
        log_p = log_softmax(x[kept] @ W)
        np.testing.assert_allclose(out.loss, -rows(log_p, y[kept]).mean(), rtol=1e-12)
        np.testing.assert_allclose(g.W, x[kept].T @ (np.exp(log_p) - np.eye(4)[y[kept]]) / kept.sum(), rtol=1e-10, atol=1e-13)
        out, g = model.value_and_grad(x=x, y=y, mask=0 * mask)
        assert out.loss == 0 and np.array_equal(g.W, np.zeros((3, 4)))


def test_zero_vectors_have_finite_gradients() -> None:
    text = "input a[2, 3], b[2, 3]\noutput c = cosine_similarity(a, b)\noutput k = kl_divergence(a, b)\n"
    model = driver.load(text, backend="numpy", name="zeros").Model()
    out, g = model.value_and_grad({"c": np.ones(2), "k": np.ones(2)}, a=np.zeros((2, 3)), b=np.zeros((2, 3)))
    assert np.array_equal(out.c, [0, 0]) and np.array_equal(out.k, [0, 0])
    assert all(np.isfinite(g[o][n]).all() for o in "ck" for n in "ab")


@pytest.mark.parametrize(("text", "message"), [
    ("maxout(x, 2)", "not a multiple of pieces"),
    ("glu(x)", "does not divide into 2 equal parts"),
    ("softmax_cross_entropy(x, y, weight=[1, 2])", "may be outside"),
])  # fmt: skip
def test_misuse_is_told(text: str, message: str) -> None:
    model, _, shown = elaborated(HEAD + f"output f = {text}\n")
    assert model is None
    assert message in shown
