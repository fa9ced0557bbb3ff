"""The library's layers against PyTorch's of the same name (where it is installed) and against differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from gradwright.compiler.driver import compile_model
from gradwright.runtime import gradcheck, load

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

pytestmark = pytest.mark.unoptimised

needs_torch = pytest.mark.skipif(torch is None, reason="PyTorch is not installed")
RNG = np.random.default_rng(7)
# a model's parameter from PyTorch's module: how, and its name there
Taken = Mapping[str, tuple[str, Callable[[Any], Any]]]


def same(w: Any) -> Any:
    return w


def turned(w: Any) -> Any:
    return w.T


def module(text: str, **options: Any) -> Any:
    return load("use layers\n" + text, **options)


def against(text: str, theirs: Any, taken: Taken, inputs: Mapping[str, Any], backend: str) -> None:
    """Values and all gradients of ``output y`` for a random upstream, in float64, to 1e-10 of the largest."""
    model = module(text, backend=backend, name="layered").Model(seed=0)
    own = dict(theirs.double().named_parameters())
    with torch.no_grad():
        for parameter in own.values():  # PyTorch begins many at 0 or 1, where mistakes do not show
            parameter += 0.3 * torch.tensor(RNG.normal(size=tuple(parameter.shape)))
    assert set(model.params.keys()) == set(taken)
    for name, (there, how) in taken.items():
        model.params[name] = how(own[there].detach().numpy())
    tensors = [torch.tensor(v, requires_grad=v.dtype == np.float64) for v in inputs.values()]
    out = theirs(*tensors)
    value = model.forward(**inputs).y
    close(value, out.detach().numpy())
    up = RNG.normal(size=value.shape)
    out.backward(torch.tensor(up))
    g = model.backward(upstream=up)
    for name, (there, how) in taken.items():
        close(g[name], how(own[there].grad.numpy()))
    for name, tensor in zip(inputs, tensors, strict=True):
        if tensor.requires_grad:
            close(g[name], tensor.grad.numpy())


def close(found: Any, wanted: Any) -> None:
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max(initial=0) <= 1e-10 * (1 + np.abs(wanted).max(initial=0))


BACKENDS = pytest.mark.parametrize("backend", ["numpy", "cython"])
# Compiled, these take the C compiler long; tests/test_notation.py and tests/test_scan.py build their like in every run.
MOSTLY_NUMPY = pytest.mark.parametrize("backend", ["numpy", pytest.param("cython", marks=pytest.mark.slow)])


@needs_torch
@BACKENDS
@pytest.mark.parametrize("shape", [(4,), (1,), (0,), (3, 2), (2, 0, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_dense(shape: tuple[int, ...], bias: bool, backend: str) -> None:
    sizes = ["N", "M", "K"][: len(shape)]
    text = f"size {', '.join(sizes)}\ninput x[{', '.join(sizes)}, 5]\noutput y = dense(x, 3, bias={bias}) as d\n"
    taken: dict[str, Any] = {"d.W": ("weight", turned)} | ({"d.b": ("bias", same)} if bias else {})
    against(text, torch.nn.Linear(5, 3, bias), taken, {"x": RNG.normal(size=(*shape, 5))}, backend)


@needs_torch
@BACKENDS
@pytest.mark.parametrize("shape", [(3, 5), (1, 1), (0, 4), (2, 3, 6)])
def test_layer_norm(shape: tuple[int, ...], backend: str) -> None:
    sizes = ", ".join(["N", "M"][: len(shape) - 1])
    text = f"size {sizes}\ninput x[{sizes}, {shape[-1]}]\noutput y = layer_norm(x, eps=1e-3) as d\n"
    taken = {"d.gain": ("weight", same), "d.bias": ("bias", same)}
    against(text, torch.nn.LayerNorm(shape[-1], eps=1e-3), taken, {"x": RNG.normal(size=shape)}, backend)


@needs_torch
@MOSTLY_NUMPY
@pytest.mark.parametrize("n", [3, 1, 0])
def test_rms_norm(n: int, backend: str) -> None:
    text = "size N\ninput x[N, 5]\noutput y = rms_norm(x, eps=1e-4) as d\n"
    against(text, torch.nn.RMSNorm(5, eps=1e-4), {"d.gain": ("weight", same)}, {"x": RNG.normal(size=(n, 5))}, backend)


@needs_torch
@MOSTLY_NUMPY
@pytest.mark.parametrize("shape,groups", [((2, 6, 4, 3), 3), ((1, 4, 1, 2), 1), ((3, 2, 2, 2), 2)])
def test_group_norm(shape: tuple[int, ...], groups: int, backend: str) -> None:
    text = f"size N, H, W\ninput x[N, {shape[1]}, H, W]\noutput y = group_norm(x, {groups}) as d\n"
    taken = {"d.gain": ("weight", same), "d.bias": ("bias", same)}
    against(text, torch.nn.GroupNorm(groups, shape[1]), taken, {"x": RNG.normal(size=shape)}, backend)


@needs_torch
@BACKENDS
@pytest.mark.parametrize("shape", [(3, 4), (1, 7), (0, 2)])
def test_embedding(shape: tuple[int, ...], backend: str) -> None:
    text = "size N, T\nindex tokens[N, T] < 6\noutput y = embedding(tokens, 6, 5) as d\n"
    tokens = RNG.integers(0, 6, shape)  # some rows more than once
    against(text, torch.nn.Embedding(6, 5), {"d.W": ("weight", same)}, {"tokens": tokens}, backend)


class SelfAttention:
    """PyTorch's MultiheadAttention, called with one sequence."""

    def __init__(self, width: int, heads: int, causal: bool) -> None:
        self.inner = torch.nn.MultiheadAttention(width, heads, batch_first=True)
        self.causal = causal

    def double(self) -> Any:
        self.inner.double()
        return self

    def named_parameters(self) -> Any:
        return self.inner.named_parameters()

    def __call__(self, x: Any) -> Any:
        t = x.shape[1]
        mask = torch.triu(torch.ones(t, t, dtype=torch.bool), 1) if self.causal else None
        return self.inner(x, x, x, attn_mask=mask, need_weights=False)[0]


@needs_torch
@MOSTLY_NUMPY
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("n,t", [(2, 5), (1, 1), (3, 2), (0, 3)])
def test_attention(n: int, t: int, causal: bool, backend: str) -> None:
    text = f"size N, T\ninput x[N, T, 6]\noutput y = attention(x, 2, causal={causal}) as d\n"
    taken = {
        "d.qkv.W": ("in_proj_weight", turned), "d.qkv.b": ("in_proj_bias", same),
        "d.out.W": ("out_proj.weight", turned), "d.out.b": ("out_proj.bias", same),
    }  # fmt: skip
    against(text, SelfAttention(6, 2, causal), taken, {"x": RNG.normal(size=(n, t, 6))}, backend)


@needs_torch
@BACKENDS
def test_transformer_block(backend: str) -> None:
    theirs = torch.nn.TransformerEncoderLayer(6, 2, 24, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
    text = "size N, T\ninput x[N, T, 6]\noutput y = transformer_block(x, 2) as d\n"
    taken = {
        "d.norm_1.gain": ("norm1.weight", same), "d.norm_1.bias": ("norm1.bias", same),
        "d.attention.qkv.W": ("self_attn.in_proj_weight", turned), "d.attention.qkv.b": ("self_attn.in_proj_bias", same),
        "d.attention.out.W": ("self_attn.out_proj.weight", turned), "d.attention.out.b": ("self_attn.out_proj.bias", same),
        "d.norm_2.gain": ("norm2.weight", same), "d.norm_2.bias": ("norm2.bias", same),
        "d.hidden.W": ("linear1.weight", turned), "d.hidden.b": ("linear1.bias", same),
        "d.out.W": ("linear2.weight", turned), "d.out.b": ("linear2.bias", same),
    }  # fmt: skip
    against(text, theirs, taken, {"x": RNG.normal(size=(3, 4, 6))}, backend)


CONVOLUTIONS = [  # channels, filters, kernel, stride, pad, dilation, groups, bias, images
    (3, 4, 3, 1, 1, 1, 1, True, [(2, 5, 6), (1, 3, 3), (0, 4, 4), (2, 1, 1)]),
    (4, 6, 2, 2, 0, 1, 2, True, [(2, 5, 7), (1, 2, 2)]),  # an even kernel, a stride that does not divide
    (2, 2, 3, 3, 2, 2, 1, False, [(2, 7, 5)]),
    (4, 4, 3, 1, 1, 1, 4, True, [(2, 4, 5)]),  # a kernel of its own for each channel
    (3, 5, 1, 1, 0, 1, 1, True, [(2, 4, 3)]),
    (1, 2, 5, 2, 4, 1, 1, True, [(2, 3, 2)]),  # more padding than image
]


@needs_torch
@MOSTLY_NUMPY
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_conv2d(case: tuple[Any, ...], backend: str) -> None:
    c, f, k, stride, pad, dilation, groups, bias, images = case
    call = f"conv2d(x, {f}, {k}, stride={stride}, pad={pad}, dilation={dilation}, groups={groups}, bias={bias}) as d"
    text = f"size N, Y, X\ninput x[N, {c}, Y, X]\noutput y = {call}\n"
    taken: dict[str, Any] = {"d.W": ("weight", same)} | ({"d.b": ("bias", same)} if bias else {})
    for n, y, x in images:
        theirs = torch.nn.Conv2d(c, f, k, stride, pad, dilation, groups, bias)
        against(text, theirs, taken, {"x": RNG.normal(size=(n, c, y, x))}, backend)


@needs_torch
@MOSTLY_NUMPY
@pytest.mark.parametrize("case", [(3, 4, 3, 1, 1, 1, 1), (4, 6, 2, 2, 0, 1, 2), (2, 3, 4, 1, 3, 2, 1)], ids=str)
def test_conv1d(case: tuple[int, ...], backend: str) -> None:
    c, f, k, stride, pad, dilation, groups = case
    call = f"conv1d(x, {f}, {k}, stride={stride}, pad={pad}, dilation={dilation}, groups={groups}) as d"
    text = f"size N, T\ninput x[N, {c}, T]\noutput y = {call}\n"
    theirs = torch.nn.Conv1d(c, f, k, stride, pad, dilation, groups)
    against(text, theirs, {"d.W": ("weight", same), "d.b": ("bias", same)}, {"x": RNG.normal(size=(2, c, 9))}, backend)


TRANSPOSED = [  # channels, filters, kernel, stride, pad, output_pad, bias
    (3, 4, 4, 2, 1, 0, True),  # twice as large
    (2, 3, 3, 2, 1, 1, True),  # the same, with a kernel that the stride does not divide
    (2, 3, 5, 3, 0, 0, False),
    (2, 2, 3, 1, 1, 0, True),
    (1, 2, 1, 2, 0, 1, True),  # places that no value reaches
    (2, 1, 3, 3, 1, 2, True),
]


@needs_torch
@MOSTLY_NUMPY
@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("case", TRANSPOSED, ids=str)
def test_transposed_convolutions(case: tuple[Any, ...], axes: int, backend: str) -> None:
    c, f, k, stride, pad, output_pad, bias = case
    call = f"conv_transpose{axes}d(x, {f}, {k}, stride={stride}, pad={pad}, output_pad={output_pad}, bias={bias}) as d"
    kind = torch.nn.ConvTranspose1d if axes == 1 else torch.nn.ConvTranspose2d
    taken: dict[str, Any] = {"d.W": ("weight", same)} | ({"d.b": ("bias", same)} if bias else {})
    free = ["T"] if axes == 1 else ["Y", "X"]
    for names, extents in ((free, (5, 4)), ([], (3, 5)), (free, (1, 2))):
        shape = extents[:axes]
        text = f"size {', '.join(['N', *names])}\ninput x[N, {c}, {', '.join(names or map(str, shape))}]\noutput y = {call}\n"
        theirs = kind(c, f, k, stride, pad, output_pad, bias=bias)
        against(text, theirs, taken, {"x": RNG.normal(size=(2, c, *shape))}, backend)


class Plain:
    """A function as a module without parameters."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def double(self) -> Any:
        return self

    def named_parameters(self) -> Any:
        return []

    def __call__(self, x: Any) -> Any:
        return self.function(x)


@needs_torch
@MOSTLY_NUMPY
@pytest.mark.parametrize("size,stride,pad", [(2, 0, 0), (3, 2, 1), (2, 1, 1), (3, 3, 0)])
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_pooling(kind: str, size: int, stride: int, pad: int, backend: str) -> None:
    text = f"size N, Y, X\ninput x[N, 2, Y, X]\noutput y = {kind}_pool2d(x, {size}, stride={stride}, pad={pad})\n"
    pool = getattr(torch.nn, "MaxPool2d" if kind == "max" else "AvgPool2d")(size, stride or None, pad)
    for shape in ((2, 2, 6, 7), (1, 2, 3, 3), (3, 2, 4, 5)):
        against(text, Plain(pool), {}, {"x": RNG.normal(size=shape) - 2}, backend)  # negative: a padded 0 would win


@needs_torch
@MOSTLY_NUMPY
@pytest.mark.parametrize("size,stride,pad", [(2, 0, 0), (3, 2, 1), (3, 3, 0)])
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_pooling_along_time(kind: str, size: int, stride: int, pad: int, backend: str) -> None:
    text = f"size N, T\ninput x[N, 2, T]\noutput y = {kind}_pool1d(x, {size}, stride={stride}, pad={pad})\n"
    pool = getattr(torch.nn, "MaxPool1d" if kind == "max" else "AvgPool1d")(size, stride or None, pad)
    for shape in ((2, 2, 7), (1, 2, 3)):
        against(text, Plain(pool), {}, {"x": RNG.normal(size=shape) - 2}, backend)


@needs_torch
@BACKENDS
def test_means_of_channels_and_flattening(backend: str) -> None:
    x = {"x": RNG.normal(size=(2, 3, 4, 5))}
    against("size N, Y, X\ninput x[N, 3, Y, X]\noutput y = global_avg_pool(x)\n", Plain(lambda v: v.mean((2, 3))), {}, x, backend)
    against("size N\ninput x[N, 3, 4, 5]\noutput y = flatten(x)\n", Plain(lambda v: v.flatten(1)), {}, x, backend)


class Recurrent:
    """One of PyTorch's recurrent layers; ``single``: its second bias, which adds to the first, is 0 and not looked at."""

    def __init__(self, name: str, inputs: int, units: int, last: bool) -> None:
        self.inner = getattr(torch.nn, name)(inputs, units, batch_first=True)
        self.single, self.last = name != "GRU", last
        if self.single:
            torch.nn.init.zeros_(self.inner.bias_hh_l0)

    def double(self) -> Any:
        self.inner.double()
        return self

    def named_parameters(self) -> Any:
        return [(n, p) for n, p in self.inner.named_parameters() if not (self.single and n == "bias_hh_l0")]

    def __call__(self, x: Any) -> Any:
        y = self.inner(x)[0]
        return y[:, -1] if self.last else y


@needs_torch
@MOSTLY_NUMPY
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_recurrent_layers(name: str, last: bool, backend: str) -> None:
    text = f"size N, T\ninput x[N, T, 4]\noutput y = {name.lower()}(x, 3, last={last}) as d\n"
    taken: dict[str, Any] = {
        "d.W": ("weight_ih_l0", turned), "d.U": ("weight_hh_l0", turned), "d.b": ("bias_ih_l0", same),
    } | ({"d.c": ("bias_hh_l0", same)} if name == "GRU" else {})  # fmt: skip
    for n, t in ((2, 5), (1, 1), (3, 2), (0, 3)):
        against(text, Recurrent(name, 4, 3, last), taken, {"x": RNG.normal(size=(n, t, 4))}, backend)


DIFFERENCES = {
    "conv2d": "size N, Y, X\ninput x[N, 2, Y, X]\noutput y = conv2d(x, 2, 3, stride=2, pad=1, groups=2)\n",
    "conv1d": "size N, T\ninput x[N, 2, T]\noutput y = conv1d(x, 3, 3, pad=1)\n",
    "conv_transpose1d": "size N, T\ninput x[N, 2, T]\noutput y = conv_transpose1d(x, 3, 3, stride=2, pad=1)\n",
    "conv_transpose2d": "size N, Y, X\ninput x[N, 2, Y, X]\noutput y = conv_transpose2d(x, 2, 4, stride=2, pad=1)\n",
    "max_pool1d": "size N, T\ninput x[N, 2, T]\noutput y = max_pool1d(x, 3, stride=2, pad=1)\n",
    "avg_pool1d": "size N, T\ninput x[N, 2, T]\noutput y = avg_pool1d(x, 2)\n",
    "max_pool2d": "size N, Y, X\ninput x[N, 2, Y, X]\noutput y = max_pool2d(x, 3, stride=2, pad=1)\n",
    "avg_pool2d": "size N, Y, X\ninput x[N, 2, Y, X]\noutput y = avg_pool2d(x, 2)\n",
    "rnn": "size N, T\ninput x[N, T, 2]\noutput y = rnn(x, 3)\n",
    "gru": "size N, T\ninput x[N, T, 2]\noutput y = gru(x, 3)\n",
    "lstm": "size N, T\ninput x[N, T, 2]\noutput y = lstm(x, 3)\n",
    "dense": "size N\ninput x[N, 3]\noutput y = dense(x, 2)\n",
    "layer_norm": "size N\ninput x[N, 3]\noutput y = layer_norm(x)\n",
    "rms_norm": "size N\ninput x[N, 3]\noutput y = rms_norm(x)\n",
    "group_norm": "size N, H\ninput x[N, 4, H, 2]\noutput y = group_norm(x, 2)\n",
    "embedding": "size N\nindex t[N] < 5\noutput y = embedding(t, 5, 3)\n",
    "attention": "size N, T\ninput x[N, T, 4]\noutput y = attention(x, 2, causal=True)\n",
    "transformer_block": "size N, T\ninput x[N, T, 4]\noutput y = transformer_block(x, 2, causal=True)\n",
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_gradients_against_differences(name: str) -> None:
    report = gradcheck(module(DIFFERENCES[name], backend="numpy", name="checked").Model(seed=3))
    assert report, report


def test_the_convolution_of_the_course() -> None:
    """The second assignment of CS231n: the first blocks of a convolution and of a maximum over windows."""
    text = "size N, Y, X\ninput x[N, 3, Y, X]\noutput y = conv2d(x, 3, 4, stride=2, pad=1) as c\noutput z = max_pool2d(x, 2)\n"
    model = module(text, backend="numpy", name="assignment").Model()
    model.params.c.W = np.linspace(-0.2, 0.3, num=3 * 3 * 4 * 4).reshape(3, 3, 4, 4)
    model.params.c.b = np.linspace(-0.1, 0.2, num=3)
    y = model.forward(x=np.linspace(-0.1, 0.5, num=2 * 3 * 4 * 4).reshape(2, 3, 4, 4)).y
    assert y.shape == (2, 3, 2, 2)
    np.testing.assert_allclose(y[0, 0], [[-0.08759809, -0.10987781], [-0.18387192, -0.2109216]], atol=5e-9)
    z = model.forward(x=np.linspace(-0.3, 0.4, num=2 * 3 * 4 * 4).reshape(2, 3, 4, 4)).z
    np.testing.assert_allclose(z[0, 0], [[-0.26315789, -0.24842105], [-0.20421053, -0.18947368]], atol=5e-9)


def test_the_shapes_of_the_course() -> None:
    """32 x 32 x 3 and six 5 x 5 filters give 28 x 28 x 6; 7 x 7 and a 3 x 3 filter: 5 x 5, with stride 2 3 x 3, padded 7 x 7."""
    text = """input x[2, 3, 32, 32], q[1, 1, 7, 7]
output a = conv2d(x, 6, 5)
output b = conv2d(q, 1, 3)
output c = conv2d(q, 1, 3, stride=2)
output d = conv2d(q, 1, 3, pad=1)
"""
    out = module(text, backend="numpy", name="shapes").Model().forward(x=np.zeros((2, 3, 32, 32)), q=np.zeros((1, 1, 7, 7)))
    assert [v.shape[1:] for v in out] == [(6, 28, 28), (1, 5, 5), (1, 3, 3), (1, 7, 7)]


def test_a_causal_block_does_not_look_ahead() -> None:
    text = "size N, T\ninput x[N, T, 4]\noutput y = transformer_block(x, 2, causal=True)\n"
    model = module(text, backend="numpy").Model(seed=1)
    x = RNG.normal(size=(2, 6, 4))
    before = model.forward(x=x).y
    x[:, 4:] += 1
    after = model.forward(x=x).y
    np.testing.assert_array_equal(before[:, :4], after[:, :4])
    assert np.abs(before[:, 4:] - after[:, 4:]).max() > 1e-3


@pytest.mark.parametrize("how", ["relu", "relu6"])
@pytest.mark.parametrize("window", ["2", "3, stride=2, pad=1", "2, stride=1"])
def test_a_pool_before_or_after_what_keeps_order(how: str, window: str) -> None:
    """The pool takes the largest first where the user has not named what is between: every bit is the same, with ties, numbers
    at the ends of the flat parts, NaN and infinity."""
    head = "use layers\nsize N\ninput x[N, 2, 6, 6], weight[N, 2, 6, 6]\n"
    tail = "minimize sum(p * p * weight[0, 0, 0, 0] + p)\ngradient loss wrt x\n"
    named, piped = f"h = {how}(x)\np = max_pool2d(h, {window})\n", f"p = x |> {how} |> max_pool2d({window})\n"
    named, piped = head + named + tail, head + piped + tail
    rng = np.random.default_rng(0)
    x = rng.integers(-3, 9, (20, 2, 6, 6)).astype(float)
    x[3:5, 0, 2, 2], x[6, 1, 0, 0], x[7, 0, 5, 5] = np.nan, np.inf, -np.inf
    weight = np.full((20, 2, 6, 6), 0.5)
    found = [load(text, name="order", backend="numpy").Model().value_and_grad(x=x, weight=weight) for text in (named, piped)]
    np.testing.assert_array_equal(found[0][0].loss, found[1][0].loss)
    np.testing.assert_array_equal(found[0][1].x, found[1][1].x)
    assert np.abs(np.nan_to_num(found[0][1].x)).sum() > 0
    listed = ["of the largest: it keeps order" in str(compile_model(text, stop_after="cython").value) for text in (named, piped)]
    assert listed == [False, True]
