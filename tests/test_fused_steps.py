"""Whole steps in one kernel: the gradient of plain descent is kept nowhere, and the numbers are those of gradient and update."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
from gradwright.compiler import driver
from gradwright.compiler.emit import lines
from gradwright.compiler.graph import expr as E
from gradwright.compiler.loops.buffers import lower
from gradwright.compiler.loops.ir import Assign, Loop, Move, Nest, Node, Product
from gradwright.compiler.loops.shares import shares
from gradwright.compiler.passes.descent import VAST, idle, plain_rule, split
from gradwright.compiler.passes.kernels import plan
from gradwright.runtime import SGD, Adam, Cosine, Optimizer
from gradwright.runtime.errors import StateError
from gradwright.runtime.trainer import _Trainer
from support.models import build

pytestmark = pytest.mark.unoptimised

HEAD = "size N\ninput x[N, 64]\nindex y[N] < 10\n"
MLP = HEAD.replace("< 10", "< 32") + """\
param W1[64, 48] ~ he_normal
param b1[48] = 0
param W2[48, 32] ~ he_normal
param b2[32] = 0
h = max(0, x @ W1 + b1)
output s = h @ W2 + b2
minimize mean(softmax_cross_entropy(s, y))
"""
WIDE = HEAD.replace("< 10", "< 32") + """\
param W1[64, width] ~ he_normal
param b1[width] = 0
param W2[width, width] ~ he_normal
param b2[width] = 0
param W3[width, 32] ~ he_normal
param b3[32] = 0
output s = max(0, max(0, x @ W1 + b1) @ W2 + b2) @ W3 + b3
minimize mean(softmax_cross_entropy(s, y))
"""
MODELS = {
    "a network": MLP,
    "with a penalty": MLP.replace("(s, y))", "(s, y)) + 0.1 * sum(W1**2) + 0.01 * sum(abs(W2))"),
    "with a hyper-parameter": "hyper reg = 0.03\n" + MLP.replace("(s, y))", "(s, y)) + reg * (sum(W1**2) + sum(b1**2))"),
    "with a scalar": "param scale = 1.5\n" + MLP.replace("h @ W2", "scale * h @ W2"),
    "weights that are used twice": HEAD.replace("index y[N] < 10\n", "")
    + "param W[64, 20] ~ he_normal\nminimize mse(tanh(x @ W) @ transpose(W), x)\n",
    "weights that multiply each other": HEAD
    + "param A[64, 30] ~ he_normal\nparam B[30, 10] ~ he_normal\ns = x @ (A @ B)\nminimize mean(softmax_cross_entropy(s, y))\n",
    "a square of weights": HEAD.replace("index y[N] < 10\n", "")
    + "param W[64, 64] ~ normal(0, 0.1)\nminimize mse(x @ (W @ W), x) with sgd(lr=0.1)\n",
    "weights whose elements multiply each other": HEAD
    + "param A[64, 10] ~ he_normal\nparam B[64, 10] ~ he_normal\nparam C[64, 10] ~ he_normal\ns = x @ (A * B * C)\n"
    + "minimize mean(softmax_cross_entropy(s, y)) with sgd(lr=0.1)\n",
    "a weight whose elements scale another": HEAD
    + "param A[64, 10] ~ he_normal\nparam B[64, 10] ~ he_normal\ns = x @ (A * B) + tanh(x) @ B\n"
    + "minimize mean(softmax_cross_entropy(s, y)) with sgd(lr=0.1)\n",
    "a frozen layer": MLP.replace("he_normal\nparam b2", "he_normal frozen\nparam b2"),
    "an embedding": "size N\nindex k[N] < 50\nindex y[N] < 10\nparam V[50, 40] ~ normal(0, 1)\nparam W[40, 10] ~ he_normal\n"
    + "minimize mean(softmax_cross_entropy(tanh(V[k]) @ W, y)) with sgd(lr=0.1)\n",
    "bags of words": "size N\nindex k[N, 5] < 50\nindex y[N] < 10\nparam V[50, 40] ~ normal(0, 1)\nparam W[40, 10] ~ he_normal\n"
    + "minimize mean(softmax_cross_entropy(mean(V[k], axis=1) @ W, y)) with sgd(lr=0.1)\n",
    "an embedding that is the head, too": "size N\nindex k[N] < 50\nindex y[N] < 50\nparam V[50, 40] ~ normal(0, 1)\n"
    + "minimize mean(softmax_cross_entropy(tanh(V[k]) @ transpose(V), y)) with sgd(lr=0.1)\n",
    "two embeddings with a penalty": "size N\nindex k[N] < 50\nindex m[N] < 50\nindex y[N] < 10\nparam V[50, 40] ~ normal(0, 1)\n"
    + "param W[40, 10] ~ he_normal\nparam s[50] = 1\nz = V[k] * sin(V[m])\n"
    + "minimize mean(s[k] * softmax_cross_entropy(z @ W, y)) + 0.01 * sum(V**2) with sgd(lr=0.1)\n",
    "embeddings that multiply each other": "size N\nindex k[N] < 50\nindex m[N] < 60\ninput y[N]\n"
    + "param V[50, 40] ~ normal(0, 1)\nparam W[60, 40] ~ normal(0, 1)\nparam b[50] = 0\n"
    + "minimize mse(sum(V[k] * W[m], axis=1) + b[k], y) + 0.01 * mean(sum(V[k]**2, axis=1)) with sgd(lr=0.1)\n",
    "an embedding with negative samples": "size N\nindex k[N] < 50\nindex m[N] < 50\nindex o[N, 3] < 50\n"
    + "param V[50, 40] ~ normal(0, 0.1)\nparam W[50, 40] ~ normal(0, 0.1)\ns[n, j] = sum(V[k[n], d] * W[o[n, j], d] for d)\n"
    + "minimize mean(sum(softplus(s), axis=1) - logsigmoid(sum(V[k] * W[m], axis=1))) with sgd(lr=0.1)\n",
    "parts of a parameter": HEAD + "param W[80, 12] ~ he_normal\nparam b[30] = 0.1\n"
    + "s = x @ W[5:69, 1:11] + tanh(x) @ W[0:64, 0:10] + b[20:30]\n"
    + "minimize mean(softmax_cross_entropy(s, y)) with sgd(lr=0.1)\n",
    "a convolution": "use layers\nsize N\ninput x[N, 3, 10, 10]\nindex y[N] < 10\n"
    + "output s = x |> conv2d(8, kernel=3, pad=1) |> relu |> max_pool2d(2) |> flatten |> dense(10)\n"
    + "minimize mean(softmax_cross_entropy(s, y)) with sgd(lr=0.1)\n",
    "a recurrence": "use layers\nsize N\ninput x[N, 6, 5]\nindex y[N] < 10\nhs = x |> lstm(16)\n"
    + "output s = hs[:, 5] |> dense(10)\nminimize mean(softmax_cross_entropy(s, y)) with sgd(lr=0.1)\n",
    "states and random values": "use layers\n" + HEAD
    + "output s = x |> dense(30) |> batch_norm |> relu |> dropout(0.3) |> dense(10)\n"
    + "minimize mean(softmax_cross_entropy(s, y)) with sgd(lr=0.1)\n",
}


def data(module: Any, rows: int = 24) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    sizes = {"N": rows}
    found = {}
    for spec in module._SPEC["inputs"]:
        shape = tuple(sizes.get(d, d) for d in spec["shape"])
        found[spec["name"]] = rng.integers(0, spec["below"], shape) if spec["kind"] == "index" else rng.normal(size=shape)
    return found


def load(text: str, **options: Any) -> Any:
    return driver.load(text, name="fused", **options)


def unfused(model: Any, optimizer: Any, arrays: Any) -> None:
    """A step by its gradient and the rule, each for itself."""
    trainer = _Trainer(model, optimizer, None, None)
    trainer.fused = None
    trainer.feed(arrays, whole=True)
    trainer.run(1, None, None, 0.0, 0.0, np.zeros(1), np.zeros(3, np.int64))


@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", MODELS)
def test_a_fused_step_is_the_gradient_and_then_the_update(name: str, dtype: str) -> None:
    module = load(MODELS[name], dtype=dtype)
    assert "step" in [k["name"] for k in module._SPEC["kernels"]]
    bound = 1e-11 if dtype == "float64" else 3e-4
    for optimizer in (SGD(lr=0.05), SGD(lr=0.1, weight_decay=0.02, nesterov=True)):
        one, two = module.Model(seed=2), module.Model(seed=2)
        for rows in (24, 1, 7, 24):
            arrays = data(module, rows)
            first = one.step(optimizer, **arrays)
            before = two.forward(**arrays, training=True).loss if one.engine.training else two.forward(**arrays).loss
            assert first == pytest.approx(float(before), rel=bound)
            unfused(two, optimizer, arrays)
            np.testing.assert_allclose(one.theta, two.theta, rtol=bound, atol=bound)
            np.testing.assert_allclose(one._state, two._state, rtol=bound, atol=bound)
        assert one.optimizer_state.step == two.optimizer_state.step == 4
        assert one.generator.counter == two.generator.counter


def test_the_product_adds_to_the_weights_themselves() -> None:
    """``W = (1 - lr*decay)*W - lr * (x' @ d)``, after all that reads W; no gradient has a place."""

    def products(nodes: Any) -> Any:
        for node in nodes:
            if isinstance(node, Loop):
                yield from products(node.body)
            elif isinstance(node, Product):
                yield node

    nest = step_of(MODELS["with a penalty"].replace("+ 0.01 * sum(abs(W2))", ""))
    over = nest.kernel.over
    assert over == {"W1_next": "W1", "b1_next": "b1", "W2_next": "W2", "b2_next": "b2"}
    assert not any(slot.startswith("grad") for slot in nest.kernel.slots)
    found = {p.c.value: p for p in products(nest.body) if p.c.value in over}
    assert found.keys() == {"W1_next", "W2_next"}
    for name, decay in (("W1_next", 0.2), ("W2_next", 0.0)):
        values = {E.arg(k): {"lr": 0.5, "weight_decay": 3.0}[a.value] for k, a in enumerate(found[name].args)}
        assert evaluate(found[name].alpha, values) == -0.5
        assert evaluate(found[name].beta, values) == pytest.approx(1 - 0.5 * (3.0 + decay))


def parts_over(nodes: Any, around: tuple[Loop, ...] = ()) -> Any:
    for node in nodes:
        if isinstance(node, Loop):
            yield from parts_over(node.body, (*around, node))
        elif isinstance(node, Assign):
            yield node, around


def test_a_scatter_adds_to_the_rows_that_occur() -> None:
    """No gradient of the whole embedding is made, zeroed or subtracted: all of it is touched only where there is a decay."""
    text = MODELS["bags of words"].replace("V[50, 40]", "V[500, 40]").replace("k[N, 5] < 50", "k[N, 5] < 500")
    only_rows(text, {"V": ("k",)})


@pytest.mark.parametrize("name", ["embeddings that multiply each other", "an embedding with negative samples"])
def test_what_is_scattered_to_a_parameter_and_made_of_parameters_adds_to_the_rows_that_occur(name: str) -> None:
    """It is computed while all rows are what they were, and kept for the rows that occur alone."""
    text = MODELS[name]
    for few in ("[50", "[60", "< 50", "< 60"):
        text = text.replace(few, few + "0")
    only_rows(text, {"V": ("k",), "W": ("m", "o")})


def only_rows(text: str, tables: dict[str, tuple[str, ...]]) -> None:
    nest, module = step_of(text), load(text)
    for name in tables:
        shape = nest_shape(nest, name)
        kept = [s.value for s in nest.storage if s.value.name not in nest.kernel.over | {v: v for v in nest.kernel.over.values()}]
        assert not any(value.shape == shape for value in kept)
        whole = [around for _, around in parts_over(nest.body) if any(loop.extent == shape[0] for loop in around)]
        assert whole and all(around[0].when is not None for around in whole)
    model, arrays = module.Model(seed=1), data(module)
    before = {name: model.params[name].copy() for name in tables}
    model.step(SGD(lr=0.1), **arrays)
    for name, by in tables.items():
        moved = np.flatnonzero((before[name] != model.params[name]).any(axis=1))
        assert set(moved) == {row for index in by if index in arrays for row in arrays[index].ravel()} and len(moved) < 200
    model.step(SGD(lr=0.1, weight_decay=0.5), **arrays)
    assert all((before[name] != model.params[name]).any(axis=1).all() for name in tables)


def nest_shape(nest: Nest, name: str) -> Any:
    return next(s.value.shape for s in nest.storage if s.value.name == name)


def evaluate(body: E.Expr, values: dict[E.Expr, float]) -> float:
    functions = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv, "neg": operator.neg}
    return float(E.evaluate(body, lambda leaf: values[leaf] if leaf in values else float(leaf.number or 0), functions))


def step_of(text: str) -> Nest:
    (kernel,) = [k for k in plan(build(text)).kernels if k.name == "step"]
    return lower(kernel)


def accesses(node: Node) -> tuple[list[str], list[str]]:
    """(what it reads, what it writes)"""
    if isinstance(node, Loop):
        pairs = [accesses(n) for n in node.body]
        return [r for reads, _ in pairs for r in reads], [w for _, writes in pairs for w in writes]
    if isinstance(node, Product):
        return [node.a.value, node.b.value, *(a.value for a in node.args)], [node.c.value]
    if isinstance(node, Assign):
        return [a.value for a in node.args], [node.target]
    return [], []


@pytest.mark.parametrize("name", [n for n in MODELS if n not in ("a recurrence",)])
def test_nothing_reads_a_parameter_after_its_next_value_is_there(name: str) -> None:
    nest = step_of(MODELS[name])
    over = nest.kernel.over
    written: set[str] = set()
    for node in nest.body:
        reads, writes = accesses(node)
        late = {old for old in written if old in reads}
        assert late <= {over[w] for w in writes if w in over}, name     # a second loop may finish the same parameter
        written |= {over[w] for w in writes if w in over}
    assert written == set(over.values())


@pytest.mark.parametrize("optimizer", [pytest.param("sgd(lr=0.1)", marks=pytest.mark.slow), "adam(lr=0.1)"])
@pytest.mark.parametrize("name", ["a network", "with a scalar", "bags of words", "weights whose elements multiply each other"])
def test_a_fused_step_in_pieces_is_the_same(name: str, optimizer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long kernel is several functions, and each has the parameters that it only writes."""
    monkeypatch.setattr(lines, "PIECE", 2)
    module = driver.load(with_rule(MODELS[name], optimizer), name=f"pieces_{optimizer[:3]}", optimize=0)
    one, two, arrays = module.Model(seed=2), module.Model(seed=2), data(module)
    for _ in range(2):
        one.step(None, **arrays)
        unfused(two, None, arrays)
    np.testing.assert_allclose(one.theta, two.theta, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_decay_of_a_large_embedding_may_be_shared(threads: int) -> None:
    text = "size N\nindex k[N, 5] < 9000\nindex y[N] < 64\nparam V[9000, 64] ~ normal(0, 1)\n"
    text += "minimize mean(softmax_cross_entropy(mean(V[k], axis=1), y)) with sgd(lr=0.1)\n"
    (kernel,) = [k for k in plan(build(text)).kernels if k.name == "step"]
    nest = lower(kernel)
    assert any(isinstance(nest.body[k], Loop) and nest.body[k].when is not None for k in shares(nest))  # type: ignore[union-attr]
    module = load(text, threads=threads)
    one, two, arrays = module.Model(seed=2), module.Model(seed=2), data(module)
    for decay in (0.1, 0.0, 0.3):
        one.step(SGD(lr=0.1, weight_decay=decay), **arrays)
        unfused(two, SGD(lr=0.1, weight_decay=decay), arrays)
        np.testing.assert_allclose(one.theta, two.theta, rtol=1e-11, atol=1e-12)


class Asks:
    """Which kernels a model's training asks for."""

    def __init__(self, text: str, kernel: str = "step") -> None:
        self.module, self.kernel = load(text), kernel
        self.arrays = data(self.module)

    def __call__(self, optimizer: Any, **options: Any) -> Any:
        model = self.module.Model(seed=1)
        number = model.engine.plans[self.kernel].number
        seen = []
        before = _Trainer.arguments

        def arguments(trainer: Any, *given: Any, **more: Any) -> Any:
            found = before(trainer, *given, **more)
            seen.append(found[0] == number)
            return found

        _Trainer.arguments = arguments      # type: ignore[method-assign]
        try:
            model.fit(self.arrays, optimizer, epochs=2, batch_size=8, seed=0, progress=False, **options)
        finally:
            _Trainer.arguments = before     # type: ignore[method-assign]
        return model.theta.copy(), set(seen)


def test_what_a_fused_step_cannot_do_is_done_in_two() -> None:
    asks = Asks(MLP)
    plain, fused = asks(SGD(lr=0.1))
    assert fused == {True}
    assert asks(SGD(lr=Cosine(0.1)))[1] == {True}
    for optimizer in ("adam", SGD(lr=0.1, momentum=0.9), SGD(lr=0.1, groups={"b*": {"lr": 0.1, "weight_decay": 1e-9}})):
        assert asks(optimizer)[1] == {False}
    for options in ({"clip_norm": 1e9}, {"clip_value": 1e9}, {"accumulate": 1, "clip_norm": 1e9}):
        theta, fused = asks(SGD(lr=0.1), **options)
        assert fused == {False}
        np.testing.assert_allclose(theta, plain, rtol=1e-10, atol=1e-12)
    assert asks(SGD(lr=0.1), accumulate=2)[1] == {False}


def test_a_run_is_the_same_bits_in_pieces_bound_and_from_a_checkpoint(tmp_path: Any) -> None:
    pytest.importorskip("safetensors")
    module = load(MLP)
    arrays = data(module)
    whole = module.Model(seed=1)
    whole.fit(arrays, SGD(lr=0.1), epochs=6, batch_size=7, seed=3, progress=False)
    half = module.Model(seed=1)
    half.fit(arrays, SGD(lr=0.1), epochs=3, batch_size=7, seed=3, progress=False)
    half.save(tmp_path / "half.safetensors")
    again = module.Model(seed=9)
    again.fit(arrays, SGD(lr=0.1), epochs=6, batch_size=7, seed=3, progress=False, resume=tmp_path / "half.safetensors")
    assert again.theta.tobytes() == whole.theta.tobytes()
    one, two = module.Model(seed=1), module.Model(seed=1)
    run = one.bind(SGD(lr=Cosine(0.1)), **arrays)
    run(3), run(), run()
    optimizer = SGD(lr=Cosine(0.1))
    for _ in range(5):
        two.step(optimizer, **arrays)
    assert one.theta.tobytes() == two.theta.tobytes()


def test_an_input_that_is_a_parameter_is_read_before_it_changes() -> None:
    module = load(MODELS["a square of weights"])
    for step in (lambda m, x: m.step(SGD(lr=0.1), x=x), lambda m, x: m.bind(SGD(lr=0.1), x=x)()):
        one, two = module.Model(seed=1), module.Model(seed=1)
        assert step(one, one.params.W) == step(two, two.params.W.copy())
        np.testing.assert_allclose(one.theta, two.theta, rtol=1e-12, atol=1e-13)


def test_no_gradient_is_kept_and_no_old_one_is_shown() -> None:
    module = load(MLP)
    model, arrays = module.Model(seed=1), data(load(MLP))
    model.value_and_grad(**arrays)
    assert model.grad.any()
    model.step(SGD(lr=0.1), **arrays)
    with pytest.raises(StateError, match="no gradient is kept"):
        _ = model.grad


def test_momentum_that_is_turned_on_later_starts_from_nothing() -> None:
    """Fused or not, compiled or not: while momentum is 0 its mean is not touched."""
    thetas = []
    for backend, options in (("cython", {}), ("cython", {"clip_norm": 1e9}), ("numpy", {})):
        module = load(MLP, backend=backend)
        model, arrays = module.Model(seed=1), data(module)
        model.fit(arrays, SGD(lr=0.1), epochs=3, batch_size=8, seed=0, progress=False, **options)
        assert not model.optimizer_state.arrays["v"].any()
        model.fit(arrays, SGD(lr=0.1, momentum=0.9), epochs=3, batch_size=8, progress=False)
        assert model.optimizer_state.arrays["v"].any()
        thetas.append(model.theta.copy())
    np.testing.assert_allclose(thetas[1], thetas[0], rtol=1e-10)
    np.testing.assert_allclose(thetas[2], thetas[0], rtol=1e-10)


def test_the_models_own_rule_is_fused_if_it_is_plain() -> None:
    rule = "update mine(rate=0.2, keep=0.99) of w with g:\n    w = keep * w - rate * g / 2\n"
    module = load(MLP.replace("(s, y))", "(s, y)) with mine(rate=0.1)") + rule)
    assert module._SPEC["step"] == {"update": "mine", "zero": ()}
    one, two, arrays = module.Model(seed=1), module.Model(seed=1), data(module)
    for _ in range(3):
        one.step(**arrays)
        unfused(two, Optimizer("mine", rate=0.1), arrays)
    np.testing.assert_allclose(one.theta, two.theta, rtol=1e-11, atol=1e-12)
    assert one.step(Adam(), **arrays) == pytest.approx(two.step(Adam(), **arrays))


def test_which_models_have_one() -> None:
    """Those that name a plain rule, and those in which the update is a good part of the time: few uses of a weight in a row."""

    def kernels(text: str) -> list[str]:
        return [k.name for k in plan(build(text)).kernels]

    convolution = MODELS["a convolution"].replace("max_pool2d(2)", "conv2d(16, kernel=3, pad=1) |> max_pool2d(5)")
    plenty = convolution.replace(" with sgd(lr=0.1)", "").replace("minimize ", f"param many[{VAST}] = 1\nminimize sum(many) + ")
    assert kernels(plenty)[-1] == "train"   # the products take all the time
    assert "step" in kernels(MLP) and "step" in kernels(convolution)
    assert "step" not in kernels(convolution.replace(" with sgd(lr=0.1)", ""))
    assert "step" not in kernels(convolution.replace("sgd(lr=0.1)", "adam(lr=0.1)"))
    small = MLP.replace("[64, 48]", "[64, 1]").replace("[48, 32]", "[1, 32]").replace("b1[48]", "b1[1]")
    assert "step" not in kernels(small)     # no matrix products
    for optimizer, kernel in (("sgd(lr=0.1)", "step"), ("sgd(momentum=0.9)", "advance"), ("adam()", "advance")):
        found = kernels(with_rule(MLP, optimizer))
        assert kernel in found and ("step" in found) + ("advance" in found) == 1, optimizer
    assert kernels(MLP.replace("(s, y))", "(s, y)) with adam()"))[-1] == "train"     # few parameters
    for width, last in ((677, "step"), (678, "advance")):   # of width*width + 96*width elements of weights
        wide = WIDE.replace("width", str(width))
        assert kernels(wide)[-1] == last and "step" in kernels(wide)
        assert "advance" not in kernels(wide.replace("(s, y))", "(s, y)) with sgd()"))
        assert kernels(wide.replace("(s, y))", "(s, y)) + sum(W2**2)"))[-1] == "step"   # whose gradient is more than a product
    words = MODELS["bags of words"].replace(" with sgd(lr=0.1)", "")
    assert "step" in kernels(words)
    assert kernels(words.replace("50", str(VAST)))[-1] == "step"    # whose gradient is no product
    words = words.replace("@ W", "@ ones(40, 10)").replace("param W[40, 10] ~ he_normal\n", "")
    assert "step" in kernels(words)     # no weight has a product


def with_rule(text: str, optimizer: str = "adam(lr=0.01)") -> str:
    """The model with another rule, and with so many parameters that their gradients are not kept."""
    text = text.replace(" with sgd(lr=0.1)", "")
    text = text.replace("minimize ", "param many[70000] ~ normal(0, 1)\nminimize 0.001 * sum(many**2) + ")
    return f"{text.rstrip()} with {optimizer}\n"


@pytest.mark.parametrize("name", MODELS)
def test_a_step_that_keeps_no_gradient_is_the_gradient_and_then_the_update(name: str) -> None:
    """By any rule, and with groups; each parameter moves when nothing reads it any more."""
    module = load(with_rule(MODELS[name]))
    assert [k["name"] for k in module._SPEC["kernels"]][-1] == "advance"
    first = module._SPEC["params"][0]["name"]
    groups = {first: {"lr": 0.02, "weight_decay": 0.1}, "many": {"lr": 0.3}}
    for optimizer in (Adam(lr=0.01), SGD(lr=0.1, momentum=0.9), Adam(lr=0.01, groups=groups), SGD(lr=0.1)):
        one, two = module.Model(seed=2), module.Model(seed=2)
        for rows in (24, 1, 7):
            arrays = data(module, rows)
            one.step(optimizer, **arrays)
            unfused(two, optimizer, arrays)
            np.testing.assert_allclose(one.theta, two.theta, rtol=1e-11, atol=1e-11)
            np.testing.assert_allclose(one._state, two._state, rtol=1e-11, atol=1e-11)
            for key, state in one.optimizer_state.arrays.items():
                np.testing.assert_allclose(state, two.optimizer_state.arrays[key], rtol=1e-11, atol=1e-11)
        assert one.optimizer_state.step == two.optimizer_state.step == 3


@pytest.mark.parametrize(("columns", "threads"), [(300, 1), (3000, 1), (300, 2)])
def test_a_gradient_in_panels_moves_to_the_same_bits(columns: int, threads: int) -> None:
    """Some rows of a product at a time, where one thread does all: what lies behind them is never touched."""
    text = HEAD.replace("x[N, 64]", "x[N, 707]") + f"param W[707, {columns}] ~ he_normal\nparam V[{columns}, 10] ~ he_normal\n"
    text += "minimize mean(softmax_cross_entropy(tanh(x @ W) @ V, y)) with adam(lr=0.01)\n"
    module = load(text, dtype="float32", threads=threads)
    one, two, arrays = module.Model(seed=2), module.Model(seed=2), data(module)
    for _ in range(3):
        one.step(Adam(lr=0.01), **arrays)
        unfused(two, Adam(lr=0.01), arrays)
    assert one.theta.tobytes() == two.theta.tobytes()
    if threads > 1:
        return
    one._spaces["work"][...] = np.nan
    one.step(Adam(lr=0.01), **arrays)
    assert np.isfinite(one.theta).all() and np.isfinite(one._spaces["work"]).sum() < 707 * columns // 2


def test_a_model_that_asks_for_no_rule_has_a_step_for_each() -> None:
    """Plain descent adds to the parameters; any other rule moves them, momentum included."""
    text = WIDE.replace("width", "678")
    step, advance = Asks(text), Asks(text, "advance")
    for optimizer, plain in ((SGD(lr=0.1), True), (SGD(lr=0.1, momentum=0.9), False), (Adam(lr=0.01), False), ("rmsprop", False),
                             (SGD(lr=0.1, groups={"b1": {"lr": 0.3}}), False)):
        assert step(optimizer)[1] == {plain} and advance(optimizer)[1] == {not plain}, optimizer
        one, two = step.module.Model(seed=2), step.module.Model(seed=2)
        run = one.bind(optimizer, **step.arrays)
        for _ in range(3):
            run()
            unfused(two, optimizer, step.arrays)
        np.testing.assert_allclose(one.theta, two.theta, rtol=1e-9, atol=1e-11)
    assert step(Adam(), clip_norm=1e9)[1] == advance(Adam(), clip_norm=1e9)[1] == {False}


def test_gradients_that_are_not_kept_share_one_place() -> None:
    (kernel,) = [k for k in plan(build(with_rule(MLP))).kernels if k.name == "advance"]
    nest = lower(kernel)
    assert not any(slot.startswith("grad") for slot in kernel.slots) and "rule" in kernel.slots
    storage = {s.value.name: s for s in nest.storage}
    moved = {parameter: storage[gradient] for parameter, gradient in kernel.moves}
    assert moved.keys() == {"W1", "b1", "W2", "b2", "many"}
    assert all(s.kind in ("work", "stack") for s in moved.values())
    assert moved["W1"].offset == moved["W2"].offset == moved["many"].offset
    names = [n.parameter if isinstance(n, Move) else n.moves for n in nest.body if isinstance(n, Move | Product)]
    assert sorted(n for n in names if n) == sorted(moved)


def test_what_keeps_no_gradient_falls_back_where_one_is_needed() -> None:
    asks = Asks(with_rule(MLP), "advance")
    plain, fused = asks(Adam(lr=Cosine(0.1)))
    assert fused == {True} and asks("rmsprop")[1] == {True} and asks(SGD(lr=0.1))[1] == {True}
    for options in ({"clip_norm": 1e9}, {"clip_value": 1e9}):
        theta, fused = asks(Adam(lr=Cosine(0.1)), **options)
        assert fused == {False}
        np.testing.assert_allclose(theta, plain, rtol=1e-10, atol=1e-12)
    assert asks(Adam(), accumulate=2)[1] == {False}
    for options in ({"checked": True}, {"backend": "numpy"}):
        assert "advance" not in [k["name"] for k in load(with_rule(MLP), **options)._SPEC["kernels"]]


def test_bound_steps_keep_no_gradient_either() -> None:
    module = load(with_rule(MLP))
    arrays = data(module)
    one, two = module.Model(seed=1), module.Model(seed=1)
    run = one.bind(Adam(lr=Cosine(0.1)), **arrays)
    run(3), run(), run()
    optimizer = Adam(lr=Cosine(0.1))
    for _ in range(5):
        two.step(optimizer, **arrays)
    assert one.theta.tobytes() == two.theta.tobytes()


def test_which_rules_are_plain() -> None:
    rules = {u.name: idle(u) for u in build(MLP).updates}
    assert rules["adam"] is None and rules["sgd"] is not None and rules["sgd"][0] == ("momentum",)
    assert rules["rmsprop"] is not None and [n for n, _ in rules["rmsprop"][1].states] == ["s"]
    rule = plain_rule(build(MLP))
    assert rule is not None and rule.update.name == "sgd" and rule.zero == ("momentum",)
    for text in ("w - 0.1 * g * w", "w - 0.1 * sign(g)", "w - 0.1 * g / t", "w - 0.1 * max(g, 0)", "g"):
        mine = f"update mine() of w with g:\n    w = {text}\n"
        rule = plain_rule(build(MLP.replace("(s, y))", "(s, y)) with mine()") + mine))
        assert rule is not None and rule.update.name == ("mine" if text == "g" else "sgd"), text


def test_split_finds_the_factor_and_the_rest() -> None:
    a, b, c = E.arg(0), E.arg(1), E.arg(2)

    def value(body: E.Expr, numbers: tuple[float, ...]) -> float:
        return evaluate(body, dict(zip((a, b, c), numbers, strict=True)))

    for body in (a, b, a - b * (c + a * 2) / 3, -(a * b) + a * (2 * c), (a + b) * c - a / c, b * -(c - a)):
        pair = split(body, a)
        assert pair is not None and a not in E.walk(pair[0]) and a not in E.walk(pair[1])
        for numbers in ((0.5, 2.0, -3.0), (-1.0, 0.25, 4.0)):
            assert value(pair[0], numbers) * numbers[0] + value(pair[1], numbers) == pytest.approx(value(body, numbers))
    for body in (a * a, b / a, E.call("exp", a), E.where(a, b, c), (a + b) * (a - c)):
        assert split(body, a) is None
