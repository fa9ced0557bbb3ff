"""What is measured: each workload with its model, its data and its initial parameters, the same for every peer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

MODELS: Final = Path(__file__).resolve().parent / "models"
Array = NDArray[Any]
Kind = Literal["train", "gradient", "predict"]


@dataclass(frozen=True)
class Data:
    """``inputs`` and initial ``params`` by the names of the model."""

    inputs: dict[str, Array]
    params: dict[str, Array]


@dataclass(frozen=True)
class Workload:
    """One row of the table. ``kind``: a training step with its update, value and gradient, or the outputs alone."""

    name: str
    what: str
    model: str  # the file in models/; peers call their program for it by the same name
    kind: Kind
    dtype: Literal["float32", "float64"]
    make: Callable[[np.dtype[Any]], Data] = field(repr=False)
    sizes: Mapping[str, int] = field(default_factory=dict)  # of the model, other than in its file
    optimizer: tuple[str, Mapping[str, float]] = ("sgd", {"lr": 1e-3})
    loop: int = 1  # steps in one call
    group: Literal["table", "beyond", "predict"] = "table"
    tolerance: float = 0.0  # of results, relative; 0: that of the dtype
    compiled: bool = False  # torch.compile is the one to beat: it is measured in quick runs, too
    march: str = "native"  # the processors that programs are compiled for

    @property
    def path(self) -> Path:
        return MODELS / f"{self.model}.gw"

    def data(self) -> Data:
        return self.make(np.dtype(self.dtype))

    @property
    def allowed(self) -> float:
        """How far results may be apart, relative to their size: sums in another order, other roundings of exp and tanh."""
        return self.tolerance or (1e-9 if self.dtype == "float64" else 5e-4)


# ---------------------------------------------------------------- data


def _rng() -> np.random.Generator:
    return np.random.default_rng(7)


def _he(rng: np.random.Generator, f: np.dtype[Any], *shape: int, fan: int = 0) -> Array:
    return (rng.normal(size=shape) * math.sqrt(2 / (fan or shape[0]))).astype(f)


def product(n: int) -> Callable[[np.dtype[Any]], Data]:
    def make(f: np.dtype[Any]) -> Data:
        values = [np.asarray(v, f) for v in ((-2.0, 5.0, -4.0) if not n else _rng().normal(size=(3, n)))]
        return Data(dict(zip("xyz", values, strict=True)), {})

    return make


def neuron(n: int) -> Callable[[np.dtype[Any]], Data]:
    def make(f: np.dtype[Any]) -> Data:
        x = _rng().normal(size=(n, 2)) if n else np.array([-1.0, -2.0])
        return Data({"x": x.astype(f)}, {"w": np.array([2.0, -3.0, -3.0] if not n else [0.5, -0.75, 0.25], f)})

    return make


def expression(n: int) -> Callable[[np.dtype[Any]], Data]:
    return lambda f: Data({"x": _rng().normal(size=n).astype(f)}, {})


def xor(f: np.dtype[Any]) -> Data:
    rng = _rng()
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], f)
    params = {"W1": rng.uniform(-0.77, 0.77, (2, 8)), "b1": np.zeros(8), "W2": rng.uniform(-0.8, 0.8, (8, 1)), "b2": np.zeros(1)}
    return Data({"x": x, "y": np.array([[0], [1], [1], [0]], f)}, {name: p.astype(f) for name, p in params.items()})


def mlp(batch: int, *widths: int, reg: bool = False) -> Callable[[np.dtype[Any]], Data]:
    def make(f: np.dtype[Any]) -> Data:
        rng = _rng()
        params: dict[str, Array] = {}
        for k, (a, b) in enumerate(pairwise(widths), 1):
            params |= {f"W{k}": _he(rng, f, a, b), f"b{k}": np.zeros(b, f)}
        return Data({"x": rng.normal(size=(batch, widths[0])).astype(f), "y": rng.integers(0, widths[-1], batch)}, params)

    return make


def images(batch: int, channels: int, size: int, layers: tuple[tuple[int, int], ...], features: int, *, bias: bool = True,
           norm: bool = False) -> Callable[[np.dtype[Any]], Data]:  # fmt: skip
    """Images, convolutions of (filters, kernel), and a dense head over ``features``."""

    def make(f: np.dtype[Any]) -> Data:
        rng = _rng()
        params: dict[str, Array] = {}
        before = channels
        for k, (filters, kernel) in enumerate(layers, 1):
            params[f"conv_{k}.W"] = _he(rng, f, filters, before, kernel, kernel, fan=before * kernel * kernel)
            if bias:
                params[f"conv_{k}.b"] = np.zeros(filters, f)
            if norm:
                params |= {f"norm_{k}.gain": np.ones(filters, f), f"norm_{k}.bias": np.zeros(filters, f)}
            before = filters
        params |= {"head.W": _he(rng, f, features, 10), "head.b": np.zeros(10, f)}
        x = rng.normal(size=(batch, channels, size, size)).astype(f)
        return Data({"x": x, "y": rng.integers(0, 10, batch)}, params)

    return make


def recurrent(batch: int, steps: int, gates: int, inputs: int = 64, units: int = 128) -> Callable[[np.dtype[Any]], Data]:
    def make(f: np.dtype[Any]) -> Data:
        rng = _rng()
        bound = 1 / math.sqrt(units)
        shapes = {"W": (inputs, gates * units), "U": (units, gates * units), "b": (gates * units,)}
        shapes |= {"c": (gates * units,)} if gates == 3 else {}
        params = {f"cell.{name}": rng.uniform(-bound, bound, shape).astype(f) for name, shape in shapes.items()}
        return Data({"x": rng.normal(size=(batch, steps, inputs)).astype(f)}, params)

    return make


def transformer(batch: int, steps: int = 64, width: int = 128, words: int = 64) -> Callable[[np.dtype[Any]], Data]:
    def make(f: np.dtype[Any]) -> Data:
        rng = _rng()

        def dense(name: str, a: int, b: int) -> dict[str, Array]:
            return {f"{name}.W": (rng.normal(size=(a, b)) / math.sqrt(a)).astype(f), f"{name}.b": np.zeros(b, f)}

        def norm(name: str) -> dict[str, Array]:
            return {f"{name}.gain": np.ones(width, f), f"{name}.bias": np.zeros(width, f)}

        params = {"place": (rng.normal(size=(steps, width)) * 0.02).astype(f)}
        params["word.W"] = rng.normal(size=(words, width)).astype(f)
        for block in ("block_1", "block_2"):
            params |= norm(f"{block}.norm_1") | dense(f"{block}.attention.qkv", width, 3 * width)
            params |= dense(f"{block}.attention.out", width, width) | norm(f"{block}.norm_2")
            params |= dense(f"{block}.hidden", width, 4 * width) | dense(f"{block}.out", 4 * width, width)
        params |= norm("norm") | dense("head", width, words)
        tokens = rng.integers(0, words, (batch, steps + 1))
        inputs = {"tokens": tokens[:, :-1], "next_tokens": tokens[:, 1:]}
        return Data({name: np.ascontiguousarray(array) for name, array in inputs.items()}, params)

    return make


def mixture(n: int, d: int, k: int) -> Callable[[np.dtype[Any]], Data]:
    def make(f: np.dtype[Any]) -> Data:
        rng = _rng()
        params = {"alphas": rng.normal(size=k), "means": rng.uniform(0, 1, (k, d)), "icf": rng.normal(size=(k, d * (d + 1) // 2))}
        return Data({"x": rng.normal(size=(n, d)).astype(f)}, {name: p.astype(f) for name, p in params.items()})

    return make


def bag(batch: int, length: int, words: int, width: int) -> Callable[[np.dtype[Any]], Data]:
    def make(f: np.dtype[Any]) -> Data:
        rng = _rng()
        inputs = {"words": rng.integers(0, words, (batch, length)), "y": rng.integers(0, 10, batch)}
        params = {"E": (rng.normal(size=(words, width)) * 0.1).astype(f), "W": _he(rng, f, width, 10), "b": np.zeros(10, f)}
        return Data(inputs, params)

    return make


# ---------------------------------------------------------------- the table

CNN: Final = ((8, 5), (16, 5))
CNN3: Final = ((32, 3), (32, 3), (64, 3))


def _table() -> tuple[Workload, ...]:
    adam = ("adam", {"lr": 1e-4})
    return (
        Workload("a1", "value and gradient of (x+y)z at one point", "product", "gradient", "float64", product(0)),
        Workload("b1", "sigmoid neuron, value and gradient at one point", "neuron", "gradient", "float64", neuron(0)),
        Workload("aN", "(x+y)z and its gradients at a million points", "product_many", "gradient", "float64", product(10**6),
                 compiled=True),
        Workload("bN", "sigmoid neuron at a million points, gradients summed", "neuron_many", "gradient", "float32",
                 neuron(10**6), compiled=True, tolerance=2e-3),
        Workload("c", "XOR 2-8-1, batch 4, Adam, a call a step", "xor", "train", "float64", xor, optimizer=adam),
        Workload("c1000", "XOR 2-8-1, batch 4, Adam, 1,000 steps in one call", "xor", "train", "float64", xor, optimizer=adam,
                 loop=1000, tolerance=1e-6),
        Workload("d", "MLP 784-128-10, batch 64, SGD", "mlp", "train", "float32", mlp(64, 784, 128, 10)),
        Workload("e", "MLP 3072-100-10 with L2, batch 128, SGD", "mlp_l2", "train", "float32", mlp(128, 3072, 100, 10)),
        Workload("f", "CNN 1x28x28, two 5x5 convolutions, batch 32, SGD", "cnn", "train", "float32",
                 images(32, 1, 28, CNN, 16 * 7 * 7)),
        Workload("g", "CNN 3x32x32, three 3x3 convolutions, batch 32, SGD", "cnn3", "train", "float32",
                 images(32, 3, 32, CNN3, 64 * 8 * 8)),
        Workload("h", "LSTM, 32 steps, 64 to 128, batch 16, forward and backward", "lstm", "gradient", "float32",
                 recurrent(16, 32, 4)),
        Workload("i", "sum(sigmoid(x)*tanh(x) + exp(-x*x)) and its gradient, ten million", "expression", "gradient", "float32",
                 expression(10**7), compiled=True, tolerance=2e-3),
    )  # fmt: skip


def _beyond() -> tuple[Workload, ...]:
    rows = [
        Workload("gru", "GRU, 32 steps, 64 to 128, batch 16, forward and backward", "gru", "gradient", "float32",
                 recurrent(16, 32, 3)),
        Workload("transformer", "causal transformer, 2 blocks, T=64, width 128, 4 heads, batch 16, SGD", "transformer", "train",
                 "float32", transformer(16)),
        Workload("bn", "CNN with batch normalisation, 3 blocks of 32 channels, 16x16, batch 32, SGD", "batch_norm", "train",
                 "float32", images(32, 3, 16, ((32, 3),) * 3, 32, bias=False, norm=True)),
        Workload("gmm", "Gaussian mixture, d=10, k=25, n=1000, value and gradient", "gmm", "gradient", "float64",
                 mixture(1000, 10, 25)),
        Workload("bag", "bags of 20 of 10,000 words, width 64, batch 64, SGD on the rows that occur", "bag", "train", "float32",
                 bag(64, 20, 10_000, 64)),
        Workload("d64", "MLP 784-128-10, batch 64, SGD", "mlp", "train", "float64", mlp(64, 784, 128, 10)),
        Workload("g64", "CNN 3x32x32, three 3x3 convolutions, batch 32, SGD", "cnn3", "train", "float64",
                 images(32, 3, 32, CNN3, 64 * 8 * 8)),
    ]  # fmt: skip
    rows += [Workload(f"d-{n}", f"MLP 784-128-10, batch {n}, SGD", "mlp", "train", "float32", mlp(n, 784, 128, 10))
             for n in (1, 7, 33, 257)]  # fmt: skip
    rows.append(Workload("odd", "MLP 300-77-33-5, batch 64, SGD", "mlp3", "train", "float32", mlp(64, 300, 77, 33, 5)))
    return tuple(replace(row, group="beyond") for row in rows)


def _predict() -> tuple[Workload, ...]:
    rows = []
    for n in (1, 64):
        rows += [
            Workload(f"d-predict-{n}", f"MLP 784-128-10, forward, batch {n}", "mlp", "predict", "float32", mlp(n, 784, 128, 10)),
            Workload(f"f-predict-{n}", f"CNN of f, forward, batch {n}", "cnn", "predict", "float32",
                     images(n, 1, 28, CNN, 16 * 7 * 7)),
            Workload(f"g-predict-{n}", f"CNN of g, forward, batch {n}", "cnn3", "predict", "float32",
                     images(n, 3, 32, CNN3, 64 * 8 * 8)),
            Workload(f"h-predict-{n}", f"LSTM of h, forward, batch {n}", "lstm", "predict", "float32", recurrent(n, 32, 4)),
        ]  # fmt: skip
    return tuple(replace(row, group="predict") for row in rows)


WORKLOADS: Final[Mapping[str, Workload]] = {w.name: w for w in (*_table(), *_beyond(), *_predict())}


# ---------------------------------------------------------------- smaller ones, to try the programs


def _small(f: Callable[[np.dtype[Any]], Data], **changes: Any) -> dict[str, Any]:
    return {"make": f, "dtype": "float64", "tolerance": 1e-8, **changes}


_SMALL: Final[Mapping[str, dict[str, Any]]] = {
    "product": _small(product(0)),
    "product_many": _small(product(5)),
    "neuron": _small(neuron(0)),
    "neuron_many": _small(neuron(5)),
    "xor": _small(xor),
    "mlp": _small(mlp(3, 6, 5, 4), sizes={"D": 6, "H": 5, "C": 4}),
    "mlp_l2": _small(mlp(3, 6, 5, 4), sizes={"D": 6, "H": 5, "C": 4}),
    "mlp3": _small(mlp(3, 6, 5, 4, 3), sizes={"D": 6, "H": 5, "K": 4, "C": 3}),
    "cnn": _small(images(2, 1, 8, CNN, 16 * 2 * 2), sizes={"Y": 8, "X": 8}),
    "cnn3": _small(images(2, 3, 8, CNN3, 64 * 2 * 2), sizes={"Y": 8, "X": 8}),
    "batch_norm": _small(images(2, 3, 4, ((3, 3),) * 3, 3, bias=False, norm=True), sizes={"Y": 4, "X": 4, "C": 3}),
    "lstm": _small(recurrent(2, 3, 4, 5, 6), sizes={"D": 5, "H": 6}),
    "gru": _small(recurrent(2, 3, 3, 5, 6), sizes={"D": 5, "H": 6}),
    "expression": _small(expression(7)),
    "transformer": _small(transformer(2, 4, 8, 5), sizes={"T": 4, "D": 8, "V": 5}, tolerance=1e-6),  # JAX attends in float32
    "gmm": _small(mixture(7, 3, 4), sizes={"D": 3, "K": 4}),
    "bag": _small(bag(3, 4, 9, 5), sizes={"V": 9, "T": 4, "D": 5}),
}


def small(w: Workload) -> Workload:
    """The same at a size that takes no time, in float64."""
    changes = dict(_SMALL[w.model])
    return replace(w, loop=min(w.loop, 3), **changes)
