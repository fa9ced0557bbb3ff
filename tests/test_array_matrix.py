"""Every kind of array, at every place that takes one: the result of a plain array of the same values, or an error of the family
that names the argument; and no argument is ever written to."""

from __future__ import annotations

import array
import ctypes
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from gradwright.compiler import cli
from gradwright.runtime import (
    SGD,
    Adam,
    Cosine,
    GradwrightError,
    fit,
    gradcheck,
    load,
    metrics,
    pictures,
    step,
)
from numpy.lib.stride_tricks import as_strided

pytestmark = [pytest.mark.unoptimised, pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")]

NET = """\
size   N, D = 3, C = 4
hyper  reg = 0.5
input  x[N, D], weight[N], scale[D], t
index  y[N] < C
param  W[D, C] ~ normal(0, 1)
param  b[C] = 0.25
h = tanh(x * scale + t)
output s = h @ W + b
minimize sum(weight * softmax_cross_entropy(s, y)) / (1 + sum(weight)) + reg * sum(W**2)
"""
LAYER = """\
size   N
input  x[N, 3]
param  W[3, 2] ~ normal(0, 1)
output s = tanh(x @ W)
"""
PLANE = """\
size   N
input  x[N, 2], c
param  w[2] = 1
output p = sigmoid(x @ w + c)
"""
CURVE = "input v, k\noutput f = k * tanh(v)\n"

INPUTS = {
    "x": np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 0, 1], [1, 0, 0]]),
    "weight": np.array([1.0, 0, 1, 1, 1]),
    "scale": np.array([1.0, 1, 0]),
    "t": np.array(1.0),
    "y": np.array([1, 0, 1, 1, 0]),
}


# ---- the kinds: of the values of a plain array of zeros and ones, with what should come of it


class Own(np.ndarray):
    pass


class Speaks:
    """An array-like by `__array__`."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.held if dtype is None else self.held.astype(dtype)


class Shows:
    """An array-like by `__array_interface__`."""

    def __init__(self, held: Any) -> None:
        self.held, self.__array_interface__ = held, held.__array_interface__


class Refuses:
    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise RuntimeError("not today")


def tuples(value: Any) -> Any:
    return tuple(tuples(v) for v in value) if isinstance(value, list) else value


def misaligned(plain: Any) -> Any:
    room = np.zeros(plain.nbytes + 1, np.uint8)
    room[1:] = np.frombuffer(plain.tobytes(), np.uint8)
    found = room[1:].view(plain.dtype).reshape(plain.shape)
    assert plain.size == 0 or not found.flags.aligned
    return found


def mapped(plain: Any, folder: Path, mode: str) -> Any:
    path = folder / f"{plain.dtype.str[1:]}-{'x'.join(map(str, plain.shape))}-{plain.tobytes().hex()[:64]}-{mode}.npy"
    np.save(path, plain)
    return np.load(path, mmap_mode=mode)


def good(plain: Any, folder: Path) -> Iterator[tuple[str, Any]]:
    """What every place must take, for these values."""
    axes, index = plain.ndim, plain.dtype.kind == "i"
    yield "a list", plain.tolist()
    yield "a tuple", tuples(plain.tolist())
    yield "big-endian", plain.astype(plain.dtype.newbyteorder(">"))
    for kind in "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", ">i4", ">u2":
        yield kind, plain.astype(kind)
    if not index:
        for kind in "float16", "float32", "float64", "longdouble", ">f4", ">f8", ">f2":
            yield kind, plain.astype(kind)
    yield "negative strides", plain[(slice(None, None, -1),) * axes].copy()[(slice(None, None, -1),) * axes]
    yield "Fortran order", np.array(plain, order="F")
    yield "every other", np.repeat(plain, 2, axis=-1)[..., ::2] if axes else np.array([plain, plain])[1]
    yield "transposed", plain.T.copy().T
    yield "misaligned", misaligned(plain)
    yield "misaligned big-endian", misaligned(plain.astype(plain.dtype.newbyteorder(">")))
    frozen = plain.copy()
    frozen.flags.writeable = False
    yield "read-only", frozen
    yield "mapped read-only", mapped(plain, folder, "r")
    yield "mapped read-write", mapped(plain, folder, "r+")
    yield "mapped copy-on-write", mapped(plain, folder, "c")
    yield "mapped of another type", mapped(plain.astype(np.int16), folder, "r")
    yield "a subclass", plain.view(Own)
    if axes == 2:
        yield "a matrix", np.matrix(plain)
    yield "by __array__", Speaks(plain)
    yield "by __array_interface__", Shows(plain)
    yield "a memoryview", memoryview(plain)
    if axes == 1:
        yield "an array.array", array.array("q" if index else "d", plain.tolist())
        yield "a ctypes array", (ctypes.c_int64 if index else ctypes.c_double)(*plain.tolist()) if axes == 0 else (
            (ctypes.c_int64 if index else ctypes.c_double) * len(plain))(*plain.tolist())
    if axes:
        yield "a list of arrays", list(plain)
        yield "a field of a structured array", np.rec.fromarrays([plain, plain], names="a,b").b
        yield "a part of a larger one", np.pad(plain, 1)[(slice(1, -1),) * axes]
    if "torch" in sys.modules:
        yield "a tensor", sys.modules["torch"].from_numpy(plain.copy())
        yield "a strided tensor", sys.modules["torch"].from_numpy(np.repeat(plain, 2, axis=-1))[..., ::2] if axes else (
            sys.modules["torch"].tensor(plain.tolist()))


def repeated(plain: Any) -> Iterator[tuple[str, Any]]:
    """Arrays whose elements lie on one another, which have other values: to be compared with their own plain copies."""
    if plain.ndim:
        yield "zero strides", np.broadcast_to(plain[:1], plain.shape)
        yield "all one number", np.broadcast_to(plain.reshape(-1)[0], plain.shape)
        step = plain.strides[-1]
        line = np.resize(plain.reshape(-1), sum(plain.shape))
        yield "overlapping windows", as_strided(line, plain.shape, (step,) * plain.ndim, writeable=False)


def bad(plain: Any) -> Iterator[tuple[str, Any]]:
    """What no place may take."""
    shape = plain.shape
    yield "None", None
    yield "complex", plain.astype(complex)
    yield "complex in a list", (plain + 1j).tolist()
    yield "objects", plain.astype(object)
    yield "objects of text", plain.astype(str).astype(object)
    yield "text", plain.astype(str)
    yield "bytes", plain.astype("S3")
    yield "one text", "1"
    yield "dates", np.zeros(shape, "M8[D]")
    yield "durations", plain.astype("m8[s]")
    yield "structured", np.zeros(shape, [("a", "f8"), ("b", "i8")])
    yield "structured of one field", plain.astype([("a", plain.dtype)])
    yield "a recarray", np.zeros(shape, [("a", "f8"), ("keys", "i8")]).view(np.recarray)
    yield "void", np.zeros(shape, "V8")
    yield "masked", np.ma.masked_array(plain, plain > 0)
    yield "masked nowhere", np.ma.masked_array(plain)
    yield "masked by __array__", Speaks(np.ma.masked_array(plain, plain > 0))
    yield "the masked constant", np.ma.masked
    yield "a dict", {"a": 1}
    yield "a set", {1.0}
    yield "a generator", (v for v in (1, 2))
    yield "a function", len
    yield "what refuses", Refuses()
    yield "ragged", [[1, 2], [3]]
    yield "an own list in itself", itself()
    yield "one axis more", plain[None]
    if plain.ndim:
        yield "a scalar", plain.reshape(-1)[0]
        yield "nothing", plain[..., :0] if plain.ndim > 1 else np.zeros((3, 0))
        yield "a list of masked", list(np.ma.masked_array(plain, plain > 0))
        yield "a list with the masked constant", [np.ma.masked, *plain.tolist()[1:]] if plain.ndim == 1 else [
            [np.ma.masked, *row[1:]] for row in plain.tolist()]
        yield "a list with None", [None, *plain.tolist()[1:]]
    if plain.dtype.kind == "i":
        yield "reals", plain.astype(float)
        yield "halves", plain + 0.5
        yield "NaN", np.full(shape, np.nan)
        yield "beyond", plain + 4
        yield "below 0", plain - 1
        yield "beyond int64", plain.astype(np.uint64) + np.uint64(2**63)
        yield "huge", np.full(shape, 2**64 - 1, np.uint64)
        yield "beyond every integer", [10**30] * len(plain)
    else:
        yield "beyond float64", plain.astype(np.longdouble) * np.longdouble("1e400")


def itself() -> list[Any]:
    found: list[Any] = [1.0]
    found.append(found)
    return found


def content(value: Any) -> Any:
    """What must not change."""
    if isinstance(value, Speaks | Shows):
        value = value.held
    if isinstance(value, np.ma.MaskedArray):
        return value.data.tobytes(), np.ma.getmaskarray(value).tobytes()
    if isinstance(value, np.ndarray):
        return repr(value.tolist()) if value.dtype.kind == "O" else value.tobytes()
    return repr(value) if isinstance(value, list | tuple | array.array | dict) else None


# ---- the places


def flat(value: Any) -> list[Any]:
    """All numbers of a result."""
    if hasattr(value, "_asdict"):
        return [part for each in value._asdict().values() for part in flat(each)]
    if isinstance(value, tuple | list):
        return [part for each in value for part in flat(each)]
    return [np.array(value)]


def trained(model: Any, call: Callable[[Any], Any]) -> Any:
    found = call(model)
    columns = [found[name] for name in list(found)] if hasattr(found, "epochs") else [found]
    return [*columns, model.theta.copy()]


def slow_steps(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield data


def input_places() -> dict[str, Callable[[Any, Any, dict[str, Any]], Any]]:
    """By name: a function of (model, module, inputs)."""
    quiet = {"progress": False, "seed": 1}
    return {
        "forward": lambda m, k, a: m.forward(**a),
        "forward, backward": lambda m, k, a: (m.forward(**a), m.backward()),
        "predict": lambda m, k, a: m.predict(**{n: v for n, v in a.items() if n in ("x", "scale", "t")}),
        "value_and_grad": lambda m, k, a: m.value_and_grad(**a),
        "pure forward": lambda m, k, a: k.forward(m.params._asdict(), **a),
        "pure predict": lambda m, k, a: k.predict(m.theta, **{n: v for n, v in a.items() if n in ("x", "scale", "t")}),
        "pure value_and_grad": lambda m, k, a: k.value_and_grad(m.params._asdict(), **a),
        "pure gradient": lambda m, k, a: k.gradient(m, **a),
        "step": lambda m, k, a: trained(m, lambda m: m.step("sgd", **a)),
        "step as a function": lambda m, k, a: trained(m, lambda m: step(m, Adam(), a)),
        "fit": lambda m, k, a: trained(m, lambda m: m.fit(a, "sgd", epochs=2, batch_size=2, **quiet)),
        "fit in order": lambda m, k, a: trained(m, lambda m: fit(m, a, Adam(), batch_size=2, shuffle=False, progress=False)),
        "fit at once": lambda m, k, a: trained(m, lambda m: m.fit(a, Adam(lr=Cosine(0.1)), batch_size=None, **quiet)),
        "fit accumulating": lambda m, k, a: trained(m, lambda m: m.fit(a, "sgd", batch_size=2, accumulate=2, **quiet)),
        "fit holding out": lambda m, k, a: trained(m, lambda m: m.fit(a, "sgd", batch_size=2, validation=0.4, **quiet)),
        "fit with metrics": lambda m, k, a: trained(m, lambda m: m.fit(a, "sgd", metrics=own_metric, **quiet)),
        "validation": lambda m, k, a: trained(m, lambda m: m.fit(INPUTS, "sgd", validation=a, metrics=own_metric, **quiet)),
        "streamed": lambda m, k, a: trained(m, lambda m: m.fit(lambda: slow_steps(a), "sgd", **quiet)),
        "streamed, accumulating": lambda m, k, a: trained(m, lambda m: m.fit([a, a], "sgd", accumulate=2, **quiet)),
    }


def own_metric(out: Any, data: Any) -> float:
    return float(np.sum(out.s[np.arange(len(data.y)), data.y]) + np.sum(data.x @ np.arange(3.0)))


def check(call: Callable[[Any], Any], plain: Any, folder: Path, names: str, real: str = "float64", *,
          index: bool = False) -> list[str]:
    """What is wrong with a call that takes an array of these values at one place; `names` may be in its errors."""
    wrong: list[str] = []
    # an element may be named, too: `x[0, 1] is 1e400`
    named = tuple(end for name in names.split("|")
                  for end in ((name, name[:-2] + "[", name[:-2] + " is") if name[-2:] == ": " else (name,)))

    def run(value: Any) -> Any:
        before = content(value)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return call(value)
            finally:
                if content(value) != before:
                    wrong.append("an argument was written to")

    def same(kind: str, value: Any, want: Any) -> None:
        try:
            found = flat(run(value))
        except Exception as error:
            wrong.append(f"{kind}: {type(error).__name__}: {error}")
            return
        for a, b in zip(found, flat(want), strict=True):
            if a.shape != b.shape or not np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
                wrong.append(f"{kind}: {a} where the plain array gives {b}")
                break

    want = run(plain.copy())
    for kind, value in good(plain, folder):
        if isinstance(value, memoryview) and plain.ndim == 0:
            continue
        same(kind, value, want)
    for kind, value in repeated(plain):
        same(kind, value, run(np.array(value)))
    for kind, value in bad(plain):
        try:
            run(value)
        except (GradwrightError, TypeError, ValueError) as error:
            if not str(error).startswith(named):
                wrong.append(f"{kind}: the error does not begin with {names}: {type(error).__name__}: {error}")
        except Exception as error:
            wrong.append(f"{kind}: {type(error).__name__}: {error}")
        else:
            wrong.append(f"{kind}: was taken")
    if real == "float32" and not index:
        try:
            run(plain * 1e300)
        except GradwrightError as error:
            if not str(error).startswith(named):
                wrong.append(f"beyond float32: {error}")
        else:
            wrong.append("beyond float32: was taken")
    return wrong


@pytest.fixture(scope="module", params=["numpy-float64", "cython-float32", pytest.param("numpy-float32", marks=pytest.mark.slow),
                                        pytest.param("cython-float64", marks=pytest.mark.slow)])  # fmt: skip
def kit(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(net, layer, real, folder)"""
    pytest.importorskip("torch")
    backend, _, real = request.param.partition("-")
    modules = [load(text, backend=backend, dtype=real, name=name) for name, text in (("net", NET), ("layer", LAYER))]
    return (*modules, real, tmp_path_factory.mktemp("arrays"))


@pytest.mark.parametrize("place", input_places())
def test_inputs(kit: Any, place: str) -> None:
    net, _, real, folder = kit
    call, wrong = input_places()[place], []
    for slot, plain in INPUTS.items():
        if "predict" in place and slot in ("weight", "y"):
            continue

        def at(value: Any, slot: str = slot) -> Any:
            return call(net.Model(seed=1), net, {**INPUTS, slot: value})

        names = f"{slot}: |validation: {slot}"
        wrong += [f"{slot}: {text}" for text in check(at, plain, folder, names, real, index=slot == "y")]
    assert not wrong, "\n".join(wrong)


NUMBERS = {"scores": np.array([[0.0, 1], [1, 0], [1, 0]]), "labels": np.array([1, 0, 1]), "ones": np.array([1.0, 0, 1])}


def params_places() -> dict[str, tuple[str, Callable[[Any, Any, Any], Any], str]]:
    """By name: the kind of array (W, theta or s), a function of (net, layer, array), and how errors begin."""
    x, six = np.ones((3, 3)), np.arange(6.0).reshape(3, 2) / 8

    def assigned(module: Any, name: str, value: Any) -> Any:
        model = module.Model(seed=1)
        setattr(model.params if name == "W" else model, name, value)
        return model.theta.copy()

    def element(module: Any, value: Any) -> Any:
        model = module.Model(seed=1)
        model.params = {"W": value}
        return model.theta.copy()

    def after(module: Any, value: Any) -> Any:
        model = module.Model(seed=1)
        model.forward(x=x)
        return model.backward(value), model.backward(upstream={"s": value})

    return {
        "Model(theta)": ("theta", lambda net, layer, a: layer.Model(params=a).theta, "params: "),
        "Model(dict)": ("W", lambda net, layer, a: layer.Model(params={"W": a}).theta, "W: "),
        "params.W =": ("W", lambda net, layer, a: assigned(layer, "W", a), "W: "),
        "params =": ("W", lambda net, layer, a: element(layer, a), "W: "),
        "theta =": ("theta", lambda net, layer, a: assigned(layer, "theta", a), "theta: "),
        "pure, theta": ("theta", lambda net, layer, a: layer.predict(a, x=x), "params: "),
        "pure, dict": ("W", lambda net, layer, a: layer.value_and_grad({"W": a}, six, x=x), "W: "),
        "backward": ("s", lambda net, layer, a: after(layer, a), "upstream of s: |s is no scalar"),
        "value_and_grad": ("s", lambda net, layer, a: layer.Model(seed=1).value_and_grad(a, x=x),
                           "upstream of s: |s is no scalar"),
        "upstream=": ("s", lambda net, layer, a: layer.Model(seed=1).value_and_grad(upstream={"s": a}, x=x), "upstream of s: "),
        "pure upstream": ("s", lambda net, layer, a: layer.gradient({"W": six}, a, x=x), "upstream of s: |s is no scalar"),
    }


@pytest.mark.parametrize("place", params_places())
def test_parameters_and_upstreams(kit: Any, place: str) -> None:
    net, layer, real, folder = kit
    kind, call, names = params_places()[place]
    plain = {"W": np.array([[0.0, 1], [1, 1], [0, 1]]), "theta": np.array([0.0, 1, 1, 0, 1, 1]),
             "s": np.array([[1.0, 1], [0, 1], [0, 0]])}[kind]
    if place in ("Model(theta)", "backward", "value_and_grad", "pure upstream"):
        # what stands for nothing, and arrays by name, are told apart before arrays are
        names += "|params: |upstream: "
    wrong = [text for text in check(lambda a: call(net, layer, a), plain, folder, names, real)
             if not text.startswith("None: was taken") or place != "Model(theta)"]
    assert not wrong, "\n".join(wrong)


SCALARS: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "hyper =": (lambda net, a: assign_hyper(net, a), "reg: "),
    "hyper = dict": (lambda net, a: assign_hypers(net, a), "reg: "),
    "for a call": (lambda net, a: net.Model(seed=1).forward(**INPUTS, reg=a), "reg: "),
    "pure": (lambda net, a: net.value_and_grad(net.Model(seed=1), **INPUTS, reg=a), "reg: "),
    "of a step": (lambda net, a: trained(net.Model(seed=1), lambda m: m.step("sgd", **INPUTS, reg=a)), "reg: "),
    "of a fit": (lambda net, a: trained(net.Model(seed=1), lambda m: m.fit({**INPUTS, "reg": a}, "sgd", progress=False)),
                 "reg: "),
    "lr": (lambda net, a: trained(net.Model(seed=1), lambda m: m.step(SGD(lr=a), **INPUTS)), "sgd: lr is"),
    "a schedule": (lambda net, a: trained(net.Model(seed=1), lambda m: m.step(SGD(lr=Cosine(a)), **INPUTS)), "Cosine: lr is"),
    "clip_norm": (lambda net, a: trained(net.Model(seed=1), lambda m: m.fit(INPUTS, "sgd", clip_norm=a, progress=False)),
                  "clip_norm: "),
}  # fmt: skip


def assign_hyper(net: Any, value: Any) -> float:
    model = net.Model()
    model.hyper.reg = value
    return float(model.hyper.reg)


def assign_hypers(net: Any, value: Any) -> float:
    model = net.Model()
    model.hyper = {"reg": value}
    return float(model.hyper.reg)


@pytest.mark.parametrize("place", SCALARS)
def test_hyper_parameters_and_numbers(kit: Any, place: str) -> None:
    net, _, real, folder = kit
    call, names = SCALARS[place]
    wrong = check(lambda a: call(net, a), np.array(1.0), folder, names, real if names == "reg: " else "float64")
    assert not wrong, "\n".join(wrong)


def test_sizes_by_name(kit: Any) -> None:
    layer = load("size N\noutput s = sum(ones(N))\n", backend="numpy" if kit[0]._SPEC["backend"] == "numpy" else "cython").Model()
    for value in (3, np.int8(3), np.uint64(3), np.array(3), np.array(3, ">i2")):
        assert layer.predict(N=value).s == 3
    for value in (3.0, "3", -1, True, 2**64 - 1, 2**62, 10**30, [3], None, 3j, np.ma.masked_array(3), np.float64(3),
                  np.array([3])):  # fmt: skip
        with pytest.raises(TypeError, match="^N: "):
            layer.predict(N=value)


METRICS: dict[str, tuple[Callable[[Any, Any], float], str, str]] = {
    "accuracy, scores": (lambda a, _: metrics.accuracy(a, [1, 0, 1]), "scores", "scores: |accuracy: "),
    "accuracy, labels": (lambda a, _: metrics.accuracy(NUMBERS["scores"], a), "labels", "labels: |accuracy: "),
    "accuracy, probabilities": (lambda a, _: metrics.accuracy(a, [1, 0, 0]), "ones", "scores: |accuracy: "),
    "top_k, scores": (lambda a, _: metrics.top_k(a, [1, 0, 1], 1), "scores", "scores: |top_k: "),
    "top_k, labels": (lambda a, _: metrics.top_k(NUMBERS["scores"], a, 1), "labels", "labels: |top_k: "),
    "mse": (lambda a, _: metrics.mse(a, [0.5, 1, 2]), "ones", "predicted: |mse: "),
    "mae": (lambda a, _: metrics.mae([0.5, 1, 2], a), "ones", "truth: |mae: "),
    "r2": (lambda a, _: metrics.r2([0.5, 1, 2], a), "ones", "truth: |r2: "),
    "auc, scores": (lambda a, _: metrics.auc(a, [1, 1, 0]), "ones", "scores: |auc: "),
    "auc, labels": (lambda a, _: metrics.auc([0.1, 0.7, 0.7], a), "ones", "labels: |auc: "),
}


@pytest.mark.parametrize("place", METRICS)
def test_metrics(tmp_path: Path, place: str) -> None:
    pytest.importorskip("torch")
    call, kind, names = METRICS[place]
    wrong = check(lambda a: call(a, None), NUMBERS[kind], tmp_path, names)
    if kind == "labels":        # of metrics, whole numbers may also be reals
        wrong = [text for text in wrong if not text.startswith("reals: was taken")]
    assert not wrong, "\n".join(wrong)


def test_metrics_of_nothing_and_of_nan() -> None:
    nothing, nan = np.zeros((0, 2)), [np.nan, 1.0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan([metrics.accuracy(nothing, []), metrics.top_k(nothing, [], 1), metrics.mse([], []), metrics.mae([], []),
                         metrics.r2([], []), metrics.auc([], [])]).all()
        assert np.isnan([metrics.accuracy([nan, nan], [0, 1]), metrics.top_k([nan, nan], [0, 1], 1), metrics.mse(nan, [1, 1]),
                         metrics.accuracy(nan, [0, 1]), metrics.accuracy([0, 1], nan), metrics.auc(nan, [0, 1]),
                         metrics.r2(nan, [1, 1]), metrics.r2(nan, [1, 2])]).all()
    assert metrics.top_k(np.array([[0, 7], [200, 3]], np.uint8), [1, 0], 1) == 1.0
    for k in (0, -1, 1.5, True):
        with pytest.raises(TypeError, match="^k: "):
            metrics.top_k([[0.0, 1]], [0], k)


PICTURES: dict[str, tuple[Callable[[Any, Any], Any], str, str]] = {
    "points": (lambda m, a: pictures.decision_boundary(m["plane"], a, [1, 0, 1], points=4, c=0.5), "scores", "x: |y: "),
    "labels": (lambda m, a: pictures.decision_boundary(m["plane"], NUMBERS["scores"], a, points=4, c=0.5), "ones", "y: "),
    "limits": (lambda m, a: pictures.decision_boundary(m["plane"], limits=a, points=4, c=0.5), "limits", "limits: |x: "),
    "other inputs": (lambda m, a: pictures.decision_boundary(m["plane"], limits=((0, 1), (0, 1)), points=4, c=a), "one", "c: "),
    "weights": (lambda m, a: pictures.templates(a, (3, 1)), "scores", "weights: "),
    "values": (lambda m, a: pictures.function_and_gradient(m["curve"], "v", a, k=2.0), "ones", "values: "),
    "another input": (lambda m, a: pictures.function_and_gradient(m["curve"], "v", [1.0, 2], k=a), "one", "k: "),
}


@pytest.mark.parametrize("place", PICTURES)
def test_pictures(tmp_path: Path, place: str) -> None:
    pytest.importorskip("torch")
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    models = {name: load(text, backend="numpy").Model() for name, text in (("plane", PLANE), ("curve", CURVE))}
    call, kind, names = PICTURES[place]
    plain = {**NUMBERS, "limits": np.array([[0.0, 1], [0, 1]]), "one": np.array(1.0)}[kind]

    def drawn(value: Any) -> Any:
        found = call(models, value)
        figure = getattr(found, "figure", found)
        try:
            axes = figure.axes
            return [np.array([*ax.get_xlim(), *ax.get_ylim()]) for ax in axes] + [
                line.get_xydata() for ax in axes for line in ax.lines] + [
                np.ma.getdata(image.get_array()) for ax in axes for image in ax.images] + [
                np.ma.getdata(part.get_offsets()) for ax in axes for part in ax.collections]
        finally:
            plt.close(figure)

    wrong = check(drawn, plain, tmp_path, names)
    free = {"labels": "None", "points": "one axis more", "weights": "one axis more", "values": "one axis more|a scalar|nothing"}
    # no labels are labels; and any numbers are values
    skipped = tuple(f"{kind}: was taken" for kind in free.get(place, "-").split("|"))
    wrong = [text for text in wrong if not text.startswith(skipped)]
    assert not wrong, "\n".join(wrong)


def test_gradcheck(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    model, layer = (load(text, backend="numpy").Model(seed=1) for text in (NET, LAYER))
    wrong = []
    for slot, plain in INPUTS.items():
        names = f"{slot}: "

        def at(value: Any, slot: str = slot) -> Any:
            return [np.array([c.gradient, c.difference]) for c in gradcheck(model, elements=1, **{**INPUTS, slot: value}).checks]

        wrong += [f"{slot}: {text}" for text in check(at, plain, tmp_path, names, index=slot == "y")]
    up = np.array([[1.0, 1], [0, 1], [0, 0]])
    wrong += check(lambda a: [np.array(c.gradient) for c in gradcheck(layer, elements=1, upstream=a, x=np.ones((3, 3))).checks],
                   up, tmp_path, "upstream of s: |upstream: ")
    wrong = [text for text in wrong if not text.startswith("None: was taken")]
    assert not wrong, "\n".join(wrong)


def test_an_input_that_is_the_parameters_themselves(kit: Any) -> None:
    _, layer, _, _ = kit
    text = "size N\ninput x[N, 2]\nparam W[3, 2] ~ normal(0, 1)\nminimize mean(square(x - W[0])) + sum(W**2)\n"
    module = load(text, backend=layer._SPEC["backend"], dtype=layer._SPEC["dtype"], name="own")
    a, b = module.Model(seed=1), module.Model(seed=1)
    options: dict[str, Any] = {"epochs": 3, "batch_size": 1, "seed": 1, "progress": False}
    a.fit({"x": a.params.W}, "sgd", **options)
    b.fit({"x": b.params.W.copy()}, "sgd", **options)
    assert np.array_equal(a.theta, b.theta)
    a.theta = a.theta[::-1]
    assert np.array_equal(a.theta, b.theta[::-1])


@pytest.mark.parametrize("where", ["npz", "folder"])
def test_data_files_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Every array that a file can hold, given to `gradwright train` and `predict`."""
    pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.gw").write_text(NET)
    given = dict(INPUTS)
    wrong: list[str] = []

    def written(values: dict[str, Any]) -> str:
        if where == "npz":
            np.savez("data.npz", **values)
            return "data.npz"
        Path("data").mkdir(exist_ok=True)
        for name, value in values.items():
            np.save(f"data/{name}.npy", value)
        return "data"

    def run(command: str, values: dict[str, Any]) -> Any:
        options = ["--epochs", "1", "--batch-size", "2", "--optimizer", "sgd", "-q"] if command == "train" else ["-o", "out.npz"]
        if command == "train":
            options += ["--checkpoint", "net.safetensors"]
        return CliRunner().invoke(cli.main, [command, "net.gw", "--data", written(values), "--backend", "numpy", *options])

    def result(command: str) -> Any:
        if command == "predict":
            with np.load("out.npz") as held:
                return held["s"]
        return Path("net.safetensors").read_bytes()

    for command, slots in (("predict", ("x", "scale", "t")), ("train", ("x", "y"))):
        for slot in slots:
            plain = given[slot]
            assert run(command, given).exit_code == 0
            want = result(command)
            kept = [(k, v) for k, v in good(plain, tmp_path) if isinstance(v, np.ndarray)][:: 1 if command == "predict" else 3]
            for kind, value in kept:
                found = run(command, {**given, slot: value})
                if found.exit_code or not same_result(result(command), want):
                    wrong.append(f"{command} {slot} {kind}: {found.output}")
            for kind, value in bad(plain):
                text = slot == "y" and isinstance(value, np.ndarray) and value.dtype.kind == "U"    # which names classes
                if not isinstance(value, np.ndarray) or isinstance(value, np.ma.MaskedArray) or text:
                    continue
                found = run(command, {**given, slot: value})
                named = any(word in found.output for word in (f"error: {slot}: ", f"error: {slot} is", f"error: {slot}[",
                                                              f"{slot}.npy: this is no array", "data.npz: this is no .npz"))
                if found.exit_code != 2 or not named or "Traceback" in found.output:
                    wrong.append(f"{command} {slot} {kind}: {found.exit_code} {found.output}")
    assert not wrong, "\n".join(wrong)


def same_result(a: Any, b: Any) -> bool:
    return bool(np.array_equal(a, b)) if isinstance(b, np.ndarray) else trained_bytes(a) == trained_bytes(b)


def trained_bytes(file: bytes) -> bytes:
    """The numbers in a checkpoint, without its header, where the seconds of the run stand."""
    return file[8 + int.from_bytes(file[:8], "little"):]
