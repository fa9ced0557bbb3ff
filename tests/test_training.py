"""Training from end to end: every optimiser against PyTorch's of the same name and against NumPy written from the papers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from gradwright.compiler import driver
from gradwright.runtime import SGD, AdaDelta, AdaGrad, Adam, Adamax, AdamW, Lion, NAdam, RAdam, RMSProp
from numpy.typing import NDArray

Array = NDArray[Any]
STEPS = 60
TEXT = """
size  N, D = 3, H = 4
input x[N, D], y[N, 1]
param W[D, H] ~ normal(0, 0.7)
param b[H] = 0.1
param v[H, 1] ~ uniform(-1, 1)
h = tanh(x @ W + b)
minimize mean((h @ v - y)**2)
"""


@pytest.fixture(scope="module", params=["cython", "numpy"])
def module(request: pytest.FixtureRequest) -> ModuleType:
    return driver.load(TEXT, backend=request.param, name="curve")


@pytest.fixture
def double() -> Iterator[Any]:
    """PyTorch with float64 as its default: NAdam keeps the product of its mu in that type."""
    torch = pytest.importorskip("torch")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield torch
    torch.set_default_dtype(before)


@pytest.fixture(scope="module", params=["cython", "numpy"])
def noise(request: pytest.FixtureRequest) -> ModuleType:
    """The gradient is what it is given."""
    return driver.load("input g[20]\nparam w[20] = 0\nminimize sum(g * w)\n", backend=request.param, name="noise")


def data() -> dict[str, Array]:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(16, 3))
    return {"x": x, "y": np.sin(x.sum(axis=1, keepdims=True))}


def gradient(theta: Array, x: Array, y: Array) -> Array:
    """By hand, without anything of the compiler."""
    W, b, v = theta[:12].reshape(3, 4), theta[12:16], theta[16:].reshape(4, 1)
    h = np.tanh(x @ W + b)
    d = 2 * (h @ v - y) / len(x)
    dz = d @ v.T * (1 - h**2)
    return np.concatenate([(x.T @ dz).ravel(), dz.sum(axis=0), (h.T @ d).ravel()])


# Each: what the runtime calls it, what PyTorch calls it with which names, and one step in NumPy.
def sgd(
    w: Array, g: Array, s: dict[str, Any], t: int, lr: float, momentum: float = 0, nesterov: bool = False, weight_decay: float = 0
) -> Array:
    g = g + weight_decay * w
    if momentum:
        s["v"] = g if t == 1 else momentum * s["v"] + g
        g = g + momentum * s["v"] if nesterov else s["v"]
    return w - lr * g


def adagrad(
    w: Array, g: Array, s: dict[str, Any], t: int, lr: float, lr_decay: float = 0, eps: float = 1e-10, weight_decay: float = 0
) -> Array:
    g = g + weight_decay * w
    s["sum"] = s.get("sum", 0) + g * g
    return w - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(s["sum"]) + eps)


def rmsprop(
    w: Array,
    g: Array,
    s: dict[str, Any],
    t: int,
    lr: float,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0,
    momentum: float = 0,
) -> Array:
    g = g + weight_decay * w
    s["sq"] = alpha * s.get("sq", 0) + (1 - alpha) * g * g
    step = g / (np.sqrt(s["sq"]) + eps)
    s["v"] = momentum * s.get("v", 0) + step
    return w - lr * s["v"]


def adam(
    w: Array,
    g: Array,
    s: dict[str, Any],
    t: int,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0,
) -> Array:
    g = g + weight_decay * w
    s["m"] = beta1 * s.get("m", 0) + (1 - beta1) * g
    s["v"] = beta2 * s.get("v", 0) + (1 - beta2) * g * g
    return w - lr * (s["m"] / (1 - beta1**t)) / (np.sqrt(s["v"] / (1 - beta2**t)) + eps)


def adamw(w: Array, g: Array, s: dict[str, Any], t: int, lr: float, weight_decay: float = 0.01, **rest: float) -> Array:
    return adam(w * (1 - lr * weight_decay), g, s, t, lr, **rest)


def adadelta(
    w: Array, g: Array, s: dict[str, Any], t: int, lr: float = 1, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0
) -> Array:
    g = g + weight_decay * w
    s["sq"] = rho * s.get("sq", 0) + (1 - rho) * g * g
    step = np.sqrt(s.get("steps", 0) + eps) * g / np.sqrt(s["sq"] + eps)
    s["steps"] = rho * s.get("steps", 0) + (1 - rho) * step * step
    return w - lr * step


def adamax(
    w: Array,
    g: Array,
    s: dict[str, Any],
    t: int,
    lr: float = 2e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0,
) -> Array:
    g = g + weight_decay * w
    s["m"] = beta1 * s.get("m", 0) + (1 - beta1) * g
    s["u"] = np.maximum(beta2 * s.get("u", 0), np.abs(g) + eps)
    return w - lr / (1 - beta1**t) * s["m"] / s["u"]


def nadam(
    w: Array,
    g: Array,
    s: dict[str, Any],
    t: int,
    lr: float = 2e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0,
    momentum_decay: float = 4e-3,
) -> Array:
    def mu(k: int) -> float:
        return beta1 * (1 - 0.96 ** (k * momentum_decay) / 2)

    g = g + weight_decay * w
    s["m"] = beta1 * s.get("m", 0) + (1 - beta1) * g
    s["v"] = beta2 * s.get("v", 0) + (1 - beta2) * g * g
    so_far = math.prod(mu(k) for k in range(1, t + 1))
    ahead = mu(t + 1) * s["m"] / (1 - so_far * mu(t + 1)) + (1 - mu(t)) * g / (1 - so_far)
    return w - lr * ahead / (np.sqrt(s["v"] / (1 - beta2**t)) + eps)


def radam(
    w: Array,
    g: Array,
    s: dict[str, Any],
    t: int,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0,
) -> Array:
    g = g + weight_decay * w
    s["m"] = beta1 * s.get("m", 0) + (1 - beta1) * g
    s["v"] = beta2 * s.get("v", 0) + (1 - beta2) * g * g
    m = s["m"] / (1 - beta1**t)
    most = 2 / (1 - beta2) - 1
    length = most - 2 * t * beta2**t / (1 - beta2**t)
    if length <= 5:
        return w - lr * m
    r = math.sqrt((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length))
    return w - lr * m * r * math.sqrt(1 - beta2**t) / (np.sqrt(s["v"]) + eps)


def lion(
    w: Array,
    g: Array,
    s: dict[str, Any],
    t: int,
    lr: float = 1e-4,
    beta1: float = 0.9,
    beta2: float = 0.99,
    weight_decay: float = 0,
) -> Array:
    m = s.get("m", np.zeros_like(w))
    s["m"] = beta2 * m + (1 - beta2) * g
    return w - lr * (np.sign(beta1 * m + (1 - beta1) * g) + weight_decay * w)


CASES: dict[str, tuple[Any, Any, str, dict[str, Any]]] = {
    "sgd": (SGD, sgd, "SGD", {"lr": 0.1}),
    "momentum": (SGD, sgd, "SGD", {"lr": 0.05, "momentum": 0.9}),
    "nesterov": (SGD, sgd, "SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True}),
    "decayed": (SGD, sgd, "SGD", {"lr": 0.05, "momentum": 0.5, "weight_decay": 0.02}),
    "adagrad": (AdaGrad, adagrad, "Adagrad", {"lr": 0.1}),
    "adagrad with decays": (AdaGrad, adagrad, "Adagrad", {"lr": 0.1, "lr_decay": 0.01, "weight_decay": 0.1, "eps": 1e-6}),
    "rmsprop": (RMSProp, rmsprop, "RMSprop", {"lr": 0.01}),
    "rmsprop with all": (
        RMSProp,
        rmsprop,
        "RMSprop",
        {"lr": 0.01, "alpha": 0.9, "momentum": 0.6, "weight_decay": 0.05, "eps": 1e-6},
    ),
    "adam": (Adam, adam, "Adam", {"lr": 0.02}),
    "adam with all": (Adam, adam, "Adam", {"lr": 0.02, "beta1": 0.8, "beta2": 0.95, "eps": 1e-5, "weight_decay": 0.1}),
    "adamw": (AdamW, adamw, "AdamW", {"lr": 0.02}),
    "adamw with all": (AdamW, adamw, "AdamW", {"lr": 0.02, "beta1": 0.7, "beta2": 0.9, "eps": 1e-5, "weight_decay": 0.2}),
    "adadelta": (AdaDelta, adadelta, "Adadelta", {}),
    "adadelta with all": (AdaDelta, adadelta, "Adadelta", {"lr": 0.5, "rho": 0.8, "eps": 1e-4, "weight_decay": 0.1}),
    "adamax": (Adamax, adamax, "Adamax", {"lr": 0.02}),
    "adamax with all": (Adamax, adamax, "Adamax", {"lr": 0.02, "beta1": 0.8, "beta2": 0.9, "eps": 1e-5, "weight_decay": 0.1}),
    "nadam": (NAdam, nadam, "NAdam", {"lr": 0.02}),
    "nadam with all": (
        NAdam,
        nadam,
        "NAdam",
        {"lr": 0.02, "beta1": 0.8, "beta2": 0.95, "eps": 1e-5, "weight_decay": 0.1, "momentum_decay": 0.02},
    ),
    "radam": (RAdam, radam, "RAdam", {"lr": 0.02}),
    "radam with all": (RAdam, radam, "RAdam", {"lr": 0.02, "beta1": 0.8, "beta2": 0.95, "eps": 1e-5, "weight_decay": 0.1}),
    "radam that never trusts the square": (RAdam, radam, "RAdam", {"lr": 0.02, "beta1": 0.9, "beta2": 0.6}),
    "lion": (Lion, lion, "", {"lr": 0.01}),
    "lion with all": (Lion, lion, "", {"lr": 0.01, "beta1": 0.8, "beta2": 0.95, "weight_decay": 0.1}),
}
LATE = ("adadelta", "adamax", "nadam", "radam", "lion")


@pytest.mark.parametrize("case", CASES)
def test_an_optimiser_is_its_formula_step_by_step(case: str, module: ModuleType) -> None:
    ours, formula, _, numbers = CASES[case]
    arrays, state = data(), {}
    model = module.Model(seed=5)
    theta = model.theta.copy()
    optimizer = ours(**numbers)
    for t in range(1, STEPS + 1):
        theta = formula(theta, gradient(theta, arrays["x"], arrays["y"]), state, t, **numbers)
        model.step(optimizer, **arrays)
        np.testing.assert_allclose(model.theta, theta, rtol=1e-12, atol=1e-12, err_msg=f"step {t}")


@pytest.mark.parametrize("seed", [11, 12, 13])
@pytest.mark.parametrize("case", [c for c in CASES if c.partition(" ")[0] in LATE])
def test_an_optimiser_is_its_formula_from_other_starts(case: str, seed: int, noise: ModuleType) -> None:
    """Twenty steps of gradients that are nothing but noise, also zeros."""
    ours, formula, _, numbers = CASES[case]
    rng, state = np.random.default_rng(seed), dict[str, Any]()
    model = noise.Model(params={"w": rng.normal(size=20)})
    theta = model.theta.copy()
    for t in range(1, 21):
        g = rng.normal(size=20) * (rng.random(20) < 0.8)
        theta = formula(theta, g, state, t, **numbers)
        model.step(ours(**numbers), g=g)
        np.testing.assert_allclose(model.theta, theta, rtol=1e-12, atol=1e-12, err_msg=f"step {t}")


@pytest.mark.parametrize("backend", ["cython", "numpy"])
@pytest.mark.parametrize("name", LATE)
def test_a_rule_of_the_library_by_its_name(name: str, backend: Any) -> None:
    """In `minimize ... with`, and as the name that fit and the command take."""
    kind = {"adadelta": AdaDelta, "adamax": Adamax, "nadam": NAdam, "radam": RAdam, "lion": Lion}[name]
    named = driver.load(f"{TEXT.rstrip()} with {name}(lr=0.01)\n", backend=backend, name="named").Model(seed=5)
    plain = driver.load(TEXT, backend=backend, name="curve").Model(seed=5)
    other = driver.load(TEXT, backend=backend, name="curve").Model(seed=5)
    for _ in range(7):
        named.step(**data())
        plain.step(kind(lr=0.01), **data())
        other.step(name, **data())
    assert np.array_equal(named.theta, plain.theta)
    assert not np.array_equal(other.theta, driver.load(TEXT, backend=backend, name="curve").Model(seed=5).theta)


@pytest.mark.torch
@pytest.mark.parametrize("case", [c for c in CASES if CASES[c][2]])
def test_an_optimiser_is_pytorchs_step_by_step(case: str, module: ModuleType, double: Any) -> None:
    torch = double
    ours, _, name, numbers = CASES[case]
    renamed = {k: v for k, v in numbers.items() if not k.startswith("beta")}
    if "beta1" in numbers:
        renamed["betas"] = (numbers["beta1"], numbers["beta2"])
    arrays = data()
    model = module.Model(seed=5)
    x, y = (torch.tensor(arrays[k]) for k in ("x", "y"))
    params = [torch.tensor(np.array(model.params[k]), requires_grad=True) for k in ("W", "b", "v")]
    theirs = getattr(torch.optim, name)(params, **renamed)
    optimizer = ours(**numbers)
    for t in range(1, STEPS + 1):
        theirs.zero_grad()
        W, b, v = params
        loss = ((torch.tanh(x @ W + b) @ v - y) ** 2).mean()
        loss.backward()
        theirs.step()
        mine = model.step(optimizer, **arrays)
        assert mine == pytest.approx(loss.item(), rel=1e-12)
        found = np.concatenate([p.detach().numpy().ravel() for p in params])
        np.testing.assert_allclose(model.theta, found, rtol=1e-12, atol=1e-12, err_msg=f"step {t}")


def test_the_defaults_are_pytorchs() -> None:
    """As they stand in the documentation of torch.optim 2.13."""
    wanted: dict[Any, dict[str, float]] = {
        SGD: {"momentum": 0, "weight_decay": 0},
        AdaGrad: {"lr": 0.01, "lr_decay": 0, "eps": 1e-10, "weight_decay": 0},
        RMSProp: {"lr": 0.01, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0, "momentum": 0},
        Adam: {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0},
        AdamW: {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.01},
        AdaDelta: {"lr": 1, "rho": 0.9, "eps": 1e-6, "weight_decay": 0},
        Adamax: {"lr": 2e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0},
        NAdam: {"lr": 2e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0, "momentum_decay": 4e-3},
        RAdam: {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0},
    }
    for kind, numbers in wanted.items():
        made = kind()
        for key, value in numbers.items():
            assert made.hypers.get(key, value) == value, (kind, key)


def test_the_same_seed_gives_the_same_bits_and_another_does_not(module: ModuleType) -> None:
    def run(seed: int) -> bytes:
        model = module.Model(seed=seed)
        model.fit(data(), Adam(lr=1e-2), epochs=20, batch_size=5, seed=seed)
        return bytes(model.theta.tobytes())

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_an_optimiser_of_the_users_own_that_minimize_names() -> None:
    rule = "update lion(rate=0.01, beta=0.9) of w with g:\n    state m = 0\n    m = beta * m + (1 - beta) * g\n"
    rule += "    w = w - rate * sign(m)\n"
    text = f"{TEXT.rstrip()} with lion(rate=0.02)\n{rule}"
    thetas = []
    for backend in ("cython", "numpy"):
        model = driver.load(text, backend=backend, name="curve").Model(seed=5)  # type: ignore[arg-type]
        theta, m = model.theta.copy(), np.zeros(20)
        arrays = data()
        for _ in range(STEPS):
            m = 0.9 * m + 0.1 * gradient(theta, arrays["x"], arrays["y"])
            theta = theta - 0.02 * np.sign(m)
            model.step(**arrays)
            np.testing.assert_allclose(model.theta, theta, rtol=1e-12, atol=1e-12)
        thetas.append(model.theta.copy())
    np.testing.assert_allclose(thetas[0], thetas[1], rtol=1e-12)


def test_float32_trains_as_float64_does_to_single_precision() -> None:
    ends = []
    for dtype in ("float64", "float32"):
        model = driver.load(TEXT, dtype=dtype, name="curve").Model(seed=5)
        history = model.fit(data(), SGD(lr=0.05, momentum=0.9), epochs=30, batch_size=4, seed=1)
        ends.append((np.asarray(model.theta, np.float64), history.loss[-1]))
    np.testing.assert_allclose(ends[1][0], ends[0][0], atol=2e-4)
    assert math.isclose(ends[0][1], ends[1][1], rel_tol=1e-3)
