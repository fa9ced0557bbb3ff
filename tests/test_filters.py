"""Convolutions that are left to Winograd's algorithm: which, and that their values and gradients are right."""

from __future__ import annotations

import ctypes
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradwright.compiler import driver
from gradwright.compiler.loops import filters
from gradwright.runtime import SGD, load
from test_contract_header import BUILDS, CC, compile_library

LAYER = """\
use    layers
dtype  {dtype}
size   {sizes}
input  x[N, {channels}, Y, X]
output y = x |> conv2d({filters}, {options}) as conv |> relu
minimize mean(y**2)
gradient loss wrt x
"""


def text(options: str = "kernel=3, pad=1", sizes: str = "N, Y = 12, X = 12", channels: int = 24, filters_: int = 32,
         dtype: str = "float32") -> str:  # fmt: skip
    return LAYER.format(dtype=dtype, sizes=sizes, channels=channels, filters=filters_, options=options)


def kernels(model: str) -> dict[str, str]:
    """Of each product, by the name of what it computes, the kernel that is called."""
    pyx = driver.compile_model(model, stop_after="cython").text
    calls = re.findall(r"^ +(\w+)\((?:[^()]|\([^()]*\))*?(\w+)(?: \+ [^,()]+)?\)$", pyx, re.MULTILINE)
    names = ("contract", "contract_onto", "contract_guarded", "winograd", "winograd_weights", "gemm", "gemm_onto")
    return {what: name for name, what in calls if name in names}


def test_a_convolution_and_both_gradients() -> None:
    found = kernels(text())
    assert {"y": "winograd", "d_x_laid": "winograd", "d_conv_W_laid": "winograd_weights"}.items() <= found.items(), found


@pytest.mark.parametrize("model", [
    text("kernel=7, pad=3"), text("kernel=4"), text("kernel=5, pad=2, stride=2"),
    text("kernel=3, pad=1, stride=2"), text("kernel=3, pad=1, dilation=2"), text("kernel=1"),
    text(channels=15), text(filters_=12), text(channels=3), text(sizes="N, Y = 2, X = 2"),
])  # fmt: skip
def test_what_is_none_or_would_not_gain(model: str) -> None:
    assert not {"winograd", "winograd_weights"} & {*kernels(model).values()}


@pytest.mark.parametrize("model", [
    text("kernel=3"), text("kernel=5, pad=2"), text(sizes="N, Y, X"), text(sizes="N = 1, Y = 30, X = 20"), text(dtype="float64"),
    text("kernel=3, pad=1, groups=2", channels=48, filters_=64), text(sizes="N, Y = 7, X = 9"),
])  # fmt: skip
def test_sizes_that_are_free_or_odd(model: str) -> None:
    assert {"winograd", "winograd_weights"} <= {*kernels(model).values()}


def test_a_convolution_written_by_indices() -> None:
    model = """\
dtype  float32
size   N, Y = 16, X = 16
input  x[N, Y, X, 32]
param  K[3, 3, 32, 40] ~ normal(std=0.1)
y[n, i, j, f] = sum(x[n, i + u, j + v, c] * K[u, v, c, f] for u, v, c)
minimize mean(y**2)
"""
    assert {"winograd", "winograd_weights"} <= {*kernels(model).values()}


def test_it_is_told() -> None:
    head = driver.compile_model(text(), stop_after="cython").text.split('"""')[1]
    how = "by Winograd's minimal filtering, 4 multiplications for 9"
    assert "by Winograd's minimal filtering, 9 multiplications for 25\n" in (
        driver.compile_model(text("kernel=5, pad=2"), stop_after="cython").text)
    assert f"y_sum1 (144*N x 32 x 216) in predict, forward: {how}\n" in head
    assert f"y (144*N x 32 x 216) in train: {how}, conv.b added in registers and relu taken there\n" in head


CASES = {
    "padded": text(sizes="N, Y = 9, X = 12"),
    "five": text("kernel=5, pad=2", sizes="N, Y = 9, X = 12"),
    "free": text("kernel=3", sizes="N, Y, X", channels=17, filters_=19),
    "groups": text("kernel=3, pad=1, groups=2", channels=40, filters_=64),
    "float64": text(dtype="float64", sizes="N = 3, Y = 8, X = 11"),
    "deep": """\
use    layers
dtype  float32
size   N, Y = 16, X = 16
input  x[N, 16, Y, X]
index  y[N] < 5
h = x |> conv2d(32, kernel=3, pad=1) as one |> relu
skip = h
h = h |> conv2d(32, kernel=3, pad=1, bias=False) as two |> batch_norm as norm |> relu
h = relu(h + skip) |> max_pool2d(2) |> conv2d(40, kernel=3) as three |> tanh
output scores = h |> global_avg_pool |> dense(5) as head
minimize mean(softmax_cross_entropy(scores, y))
gradient loss wrt x
""",
}


@pytest.mark.parametrize("name", [n if n == "deep" else pytest.param(n, marks=pytest.mark.unoptimised) for n in CASES])
def test_as_the_interpreter_has_it(name: str) -> None:
    """Values, gradients and what a step leaves: no further off than 1000 roundings of the largest, as promised."""
    rng = np.random.default_rng(5)
    built, slow = (load(CASES[name], name=f"filters_{name}", backend=backend) for backend in ("cython", "numpy"))
    sizes = {"free": (2, 17, 10, 13), "float64": (3, 24, 8, 11), "groups": (2, 40, 12, 12), "deep": (4, 16, 16, 16)}
    x = rng.normal(size=sizes.get(name, (3, 24, 9, 12)))
    given = {"x": x, **({"y": rng.integers(0, 5, 4)} if name == "deep" else {})}
    beside(built, slow, given, CASES[name])


def beside(built: Any, slow: Any, given: dict[str, Any], what: str) -> None:
    models = [module.Model(seed=3) for module in (built, slow)]
    unit = np.finfo(np.float64 if "float64" in what else np.float32).eps / 2

    def near(found: Any, wanted: Any, name: str) -> None:
        assert np.max(abs(found - wanted)) <= 1000 * unit * np.max(abs(wanted)), f"{name}\n{what}"

    (out, grad), (wanted_out, wanted_grad) = (model.value_and_grad(**given) for model in models)
    for found, wanted in ((out, wanted_out), (grad, wanted_grad)):
        for field, value in wanted._asdict().items():
            near(found[field], value, field)
    for model in models:
        model.step(SGD(lr=0.1), **given)
    near(models[0].theta, models[1].theta, "after a step")


def test_a_pixel_that_is_nan_reaches_what_reads_it_and_nothing_else() -> None:
    module = load(text("kernel=3, pad=1", sizes="N, Y = 8, X = 8", dtype="float32"), name="filters_nan")
    model = module.Model(seed=1)
    x = np.random.default_rng(1).normal(size=(2, 24, 8, 8))
    for value in (np.nan, np.inf):
        x[1, 3, 2, 5] = value
        y = model.predict(x=x).y
        touched = np.zeros((8, 8), bool)
        touched[1:4, 4:7] = True
        assert np.isfinite(y[0]).all() and np.isfinite(y[1][:, ~touched]).all()
        assert np.isnan(y[1][:, touched]).all() if np.isnan(value) else not np.isfinite(y[1][:, touched]).all()


@pytest.mark.skipif(CC is None, reason="needs a C compiler")
def test_the_header_takes_what_is_left_to_it(tmp_path: Path) -> None:
    """As many channels, and as few of them where vectors are widest."""
    source = """\
#include "gradwright/winograd.h"
int taken(ptrdiff_t r, ptrdiff_t channels) {
    const ptrdiff_t places[3][4] = {{1, 0, 0, 0}, {8, 40 * channels, 0, 0}, {8, channels, 0, 0}};
    const ptrdiff_t filter[3][3] = {{r, 40 * channels, 0}, {r, channels, 0}, {channels, 1, 0}};
    gw_filter_f32 f;
    return gw_is_filter_f32(places, filter, 16, &f);
}
"""
    build = ["-O0" if flag == "-O3" else flag for flag in BUILDS[sorted(BUILDS)[-1]]]
    library = compile_library(tmp_path, "most", build, source)
    for window, (most, *_) in filters.WINDOWS.items():
        for channels in (filters.WIDTH, most):
            assert library.taken(ctypes.c_ssize_t(window), ctypes.c_ssize_t(channels)), (window, channels)
        assert not library.taken(ctypes.c_ssize_t(window), ctypes.c_ssize_t(most + 16))


def net(seed: int) -> tuple[str, tuple[int, ...]]:
    """A random net of convolutions, most of them three by three with many channels, and the shape of its input."""
    rng = random.Random(seed)
    side, channels, images = rng.choice((9, 12, 14)), rng.choice((3, 16, 18)), rng.choice((1, 2, 5))
    shape = (images, channels, side, side)
    sizes = [name if rng.random() < 0.5 else f"{name} = {value}" for name, value in (("N", images), ("Y", side), ("X", side))]
    lines = ["use    layers", f"dtype  {rng.choice(('float32', 'float64'))}", f"size   {', '.join(sizes)}"]
    lines += [f"input  x[N, {channels}, Y, X]", "h = x"]
    for k in range(rng.randint(2, 4)):
        filters_, kernel, pad = rng.choice((16, 17, 24, 32, 36)), rng.choice((3, 3, 5, 1)), rng.choice((0, 1, 1, 2))
        groups = 2 if channels >= 32 and channels % 2 == filters_ % 2 == 0 and rng.random() < 0.3 else 1
        options = f"kernel={kernel}, pad={pad}, groups={groups}{rng.choice((', bias=False', '', ''))}"
        lines.append(f"g = h |> conv2d({filters_}, {options}) as conv{k}")
        if channels == filters_ and kernel == 2 * pad + 1 and rng.random() < 0.7:
            lines.append("g = g + h")
        side += 2 * pad - kernel + 1
        ends = ["g |> relu", "g |> tanh", "g", f"g |> batch_norm as norm{k} |> relu"]
        end = rng.choice([*ends, "g |> relu |> max_pool2d(2)"] if side >= 8 else ends)
        lines.append(f"h = {end}")
        side, channels = side // 2 if "pool" in end else side, filters_
    return "\n".join([*lines, "minimize mean(h**2) + mean(h)", "gradient loss wrt x"]), shape


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_random_nets(seed: int) -> None:
    model, shape = net(seed)
    built, slow = (load(model, name=f"filters_random_{seed}", backend=backend, threads=1 + seed % 3)
                   for backend in ("cython", "numpy"))  # fmt: skip
    beside(built, slow, {"x": np.random.default_rng(seed).normal(size=shape)}, model)
