"""Weights of PyTorch's modules in the library's layers: the same outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradwright.runtime import ArgumentError, ShapeError, load, load_state_dict

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

pytestmark = pytest.mark.unoptimised

RNG = np.random.default_rng(3)
NET = """use layers
size N
input x[N, 1, 8, 8]
param scale[3] = 1
output y = (x |> conv2d(4, 3, pad=1) as conv |> relu |> max_pool2d(2) |> flatten |> dense(3) as head) * scale
"""


def model(text: str = NET) -> Any:
    return load(text, backend="numpy", name="net").Model(seed=0)


def arrays() -> dict[str, Any]:
    return {
        "conv.weight": RNG.normal(size=(4, 1, 3, 3)), "conv.bias": RNG.normal(size=4),
        "head.weight": RNG.normal(size=(3, 64)), "head.bias": RNG.normal(size=3), "scale": RNG.normal(size=3),
    }  # fmt: skip


def test_layouts_are_converted() -> None:
    net, state = model(), arrays()
    assert load_state_dict(net, state) == ["scale", "conv.W", "conv.b", "head.W", "head.b"]
    np.testing.assert_array_equal(net.params.head.W, state["head.weight"].T)
    np.testing.assert_array_equal(net.params.conv.W, state["conv.weight"])
    np.testing.assert_array_equal(net.params.scale, state["scale"])


def test_what_does_not_fit_is_named_and_nothing_changes() -> None:
    net, state = model(), arrays()
    before = net.theta.copy()
    del state["head.bias"]
    state["tail.weight"] = np.zeros(3)
    with pytest.raises(ArgumentError) as caught:
        load_state_dict(net, state)
    assert str(caught.value) == (
        "this state_dict does not fit net; missing: head.b (from head.bias); not wanted: tail.weight "
        "(strict=False loads what fits)"
    )
    with pytest.raises(ShapeError, match=r"^head.W is \[64, 3\], and head.weight would make it \[3, 64\]$"):
        load_state_dict(net, arrays() | {"head.weight": np.zeros((64, 3))})
    with pytest.raises(ArgumentError, match="scale: expected an array of numbers"):
        load_state_dict(net, arrays() | {"scale": np.array(["a", "b", "c"])})
    np.testing.assert_array_equal(net.theta, before)
    assert load_state_dict(net, state, strict=False) == ["scale", "conv.W", "conv.b", "head.W"]
    assert (net.params.head.W == state["head.weight"].T).all()


@pytest.mark.skipif(torch is None, reason="PyTorch is not installed")
def test_a_pytorch_module_and_the_model_agree() -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.Linear(64, 3)
            self.scale = torch.nn.Parameter(torch.ones(3) * 2)

        def forward(self, x: Any) -> Any:
            return self.head(torch.nn.functional.max_pool2d(self.conv(x).relu(), 2).flatten(1)) * self.scale

    theirs, net = Net().double(), model()
    load_state_dict(net, theirs.state_dict())
    x = RNG.normal(size=(5, 1, 8, 8))
    np.testing.assert_allclose(net.forward(x=x).y, theirs(torch.tensor(x)).detach().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.skipif(torch is None, reason="PyTorch is not installed")
def test_sequences_agree() -> None:
    text = """use layers
size N, T
index t[N, T] < 9
h = embedding(t, 9, 6) as E
h = transformer_block(h, 2) as block
h = attention(rms_norm(layer_norm(h) as ln) as rms, 3) as att
h = rnn(lstm(gru(h, 5) as g, 4) as l, 3) as r
output y = h
"""
    n = torch.nn
    parts = n.ModuleDict(
        {
            "E": n.Embedding(9, 6),
            "block": n.TransformerEncoderLayer(6, 2, 24, 0.0, "gelu", batch_first=True, norm_first=True),
            "ln": n.LayerNorm(6), "rms": n.RMSNorm(6, eps=1e-6), "att": n.MultiheadAttention(6, 3, batch_first=True),
            "g": n.GRU(6, 5, batch_first=True), "l": n.LSTM(5, 4, batch_first=True), "r": n.RNN(4, 3, batch_first=True),
        }
    ).double()
    net = model(text)
    load_state_dict(net, parts.state_dict())
    tokens = RNG.integers(0, 9, (3, 4))
    h = parts["rms"](parts["ln"](parts["block"](parts["E"](torch.tensor(tokens)))))
    h = parts["att"](h, h, h, need_weights=False)[0]
    for name in "glr":
        h = parts[name](h)[0]
    np.testing.assert_allclose(net.forward(t=tokens).y, h.detach().numpy(), rtol=1e-11, atol=1e-12)
