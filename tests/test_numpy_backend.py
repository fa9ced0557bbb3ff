"""The NumPy backend: what it computes, and that it reads as NumPy is written."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradwright.compiler.emit.numpy import emit_numpy
from gradwright.compiler.graph.ir import Graph, Input, Model, Output, outs
from gradwright.compiler.graph.shapes import Dim
from gradwright.compiler.language.source import Source, Span
from gradwright.compiler.meaning.interpret import run
from gradwright.compiler.passes.kernels import Kernel, Place, Plan, plan
from gradwright.runtime import load
from gradwright.runtime.draws import draw_bernoulli, draw_normal, draw_uniform
from hypothesis import given, settings
from support.graphs import LABELS, Case, graphs
from support.models import build

pytestmark = pytest.mark.unoptimised

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.gw"))
SPAN = Span("random.gw", 1, 1, 1, 2)
rng = np.random.default_rng(0)


def emitted(text: str, **options: Any) -> tuple[Model, str]:
    model = build(text, **options)
    source = Source("model.gw", text)
    texts = emit_numpy(plan(model), {"model.gw": source}, version="0", digest="0" * 64, command="gradwright compile model.gw")
    return model, texts[f"{model.name}.py"]


def loaded(text: str) -> dict[str, Any]:
    module: dict[str, Any] = {"__name__": "model"}
    exec(compile(text, "model.py", "exec"), module)
    return module


def check(case: Case, shown: Sequence[str]) -> None:
    """One kernel that writes ``shown`` gives what the interpreter gives."""
    graph = Graph("random", case.graph.inputs, case.graph.consts, case.graph.eqns, tuple(shown))
    values = graph.values()
    model = Model(
        "random", "", "random.gw", "float64", tuple(case.sizes), (),
        tuple(Input(v, Dim.of(LABELS) if v.kind == "int" else None, "", SPAN) for v in graph.inputs), (), (),
        tuple(Output(o, o, "", SPAN) for o in shown), None, (), (), None, graph,
    )  # fmt: skip
    places = [*(Place(v.name, f"in:{v.name}") for v in graph.inputs), *(Place(o, f"out:{o}") for o in shown)]
    kernel = Kernel("forward", "all", graph, tuple(places), tuple(p.slot for p in places), Dim.of(0))
    text = emit_numpy(Plan(model, graph, graph, (kernel,)), {}, version="0", digest="0" * 64, command="")["random.py"]
    given_arrays, wanted = case.inputs(), case.run()
    arrays = [np.array(given_arrays[v.name]) for v in graph.inputs]
    results = [np.full(wanted[o].shape, 7, np.int64 if values[o].kind == "int" else np.float64) for o in shown]
    loaded(text)["_run"](0, [*arrays, *results], list(case.sizes.values()))
    for name, result in zip(shown, results, strict=True):
        np.testing.assert_allclose(result, wanted[name], rtol=1e-11, atol=1e-11, err_msg=text)


@settings(max_examples=80, deadline=None)
@given(graphs())
def test_random_graphs_with_every_value_written_out(case: Case) -> None:
    check(case, [o.name for e in case.graph.eqns for o in outs(e)])


@settings(max_examples=80, deadline=None)
@given(graphs())
def test_random_graphs_with_steps_written_where_they_are_used(case: Case) -> None:
    values = [o.name for e in case.graph.eqns for o in outs(e)]
    check(case, values[-1:])


def test_integers_and_truth_values_become_reals_of_their_own_shape() -> None:
    """NumPy's float64 makes a number of an array of one element, before NumPy 2.4."""
    source = "size N\ninput x[N]\nindex y[N] < 3\nb = x > 0\noutput p = sum(x > 1) + b * y\noutput q = (x <= 0)\n"
    model, text = emitted(source, dtype="float64", sizes={})
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    of_real = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "real"]
    assert all(isinstance(call.args[0], ast.Constant) for call in of_real), text
    for n in (0, 1, 2):
        out = loaded(text)["Model"]().predict(x=np.linspace(0.5, 2, n), y=np.full(n, 2))
        assert out.p.shape == out.q.shape == (n,)
    for draw, numbers in ((draw_uniform, (np.zeros(1), np.ones(1))), (draw_normal, (np.zeros(1), np.ones(1))),
                          (draw_bernoulli, (np.full(1, 0.5),))):  # fmt: skip
        assert draw(1, 2, 3, np.arange(1), *numbers).shape == draw(1, 2, 3, 0, *numbers).shape == (1,)


def example_inputs(model: Model, n: int, rng: np.random.Generator) -> dict[str, Any]:
    sizes = dict.fromkeys(model.free, n)
    found: dict[str, Any] = {}
    for i in model.inputs:
        shape = tuple(d.evaluate(sizes) for d in i.value.shape)
        found[i.value.name] = rng.uniform(0.1, 0.9, shape) if i.below is None else rng.integers(0, i.below.evaluate(sizes), shape)
    return found


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
@pytest.mark.parametrize("n", [0, 1, 5])
def test_examples_forward_and_backward(path: Path, n: int) -> None:
    """Through the module's own face: outputs as the interpreter's, gradients as finite differences of them."""
    model, text = emitted(path.read_text(encoding="utf-8"), dtype="float64", sizes={"D": 4} if "3072" in path.read_text() else {})
    module = loaded(text)
    rng = np.random.default_rng(n)
    instance = module["Model"](params=rng.normal(size=module["Model"]().theta.shape))
    inputs = example_inputs(model, n, rng)
    upstream: Any = None
    tops = [t for t in model.targets if t.value == model.loss] or list(model.targets)
    values = model.graph.values()
    if model.loss is None:
        shapes = {t.name: tuple(d.evaluate(dict.fromkeys(model.free, n)) for d in values[t.value].shape) for t in tops}
        upstream = {name: np.asarray(rng.normal(size=shape)) for name, shape in shapes.items()}
    out, gradients = instance.value_and_grad(upstream, **inputs)
    params = {p.value.name: np.array(instance.params[p.value.name]) for p in model.params}
    hypers = {h.value.name: float(h.default) for h in model.hypers}
    env = run(model.graph, {**inputs, **params, **hypers})
    for o in model.outputs:
        np.testing.assert_allclose(out[o.name], env[o.value], rtol=1e-10, atol=1e-12, err_msg=text)
    direction = {name: rng.normal(size=np.shape(env[value])) for t in tops for name, value in t.wrt}

    def total(step: float) -> float:
        moved = {k: v + step * direction.get(k, 0) for k, v in {**inputs, **params}.items()}
        found = run(model.graph, {**moved, **hypers})
        if upstream is None:
            return float(found[model.loss or ""])
        return sum(float(np.sum(found[t.value] * upstream[t.name])) for t in tops)

    slope = 0.0
    for t in tops:
        own = gradients if len(tops) == 1 else gradients[t.name]
        for name, value in t.wrt:
            assert np.shape(own[name]) == np.shape(env[value])
            if n:
                slope += float(np.sum(own[name] * direction[name]))
    if n:
        h = 1e-5
        np.testing.assert_allclose(slope, (total(h) - total(-h)) / (2 * h), rtol=1e-6, atol=1e-8, err_msg=text)


XOR = """\
size   N, H = 8
input  x[N, 2], y[N, 1]
param  W1[2, H] ~ glorot_uniform
param  b1[H]    = 0
param  W2[H, 1] ~ glorot_uniform
param  b2[1]    = 0

h = tanh(x @ W1 + b1)
output p = sigmoid(h @ W2 + b2)
minimize mean(binary_cross_entropy(p, y)) with adam(lr=1e-2)
"""


def test_it_reads_as_numpy_is_written() -> None:
    _, text = emitted(XOR)
    assert "    # model.gw:8   h = tanh(x @ W1 + b1)\n    h = np.tanh(x @ W1 + b1)\n" in text
    assert "p[...] = _sigmoid(h @ W2 + b2)" in text
    assert "d_W2[...] = h.T @ d_" in text
    assert "np.sum(d_" in text and "axis=0)" in text
    assert "einsum" not in text and "arange" not in text


def test_a_gather_is_an_index_and_its_adjoint_a_scatter() -> None:
    _, text = emitted("size N\ninput s[N, 3]\nindex y[N] < 3\noutput f = sum(pick(s, y)) ** 2\n")
    assert "s[np.arange(N), y]" in text
    assert "np.add.at(d_s, (np.arange(N), y), " in text


def test_training_learns_and_its_steps_repeat() -> None:
    _, text = emitted(XOR)
    module = loaded(text)
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]])
    y = np.array([[0], [1], [1], [0.0]])
    thetas = []
    for _ in range(2):
        model = module["Model"](seed=3)
        history = model.fit({"x": x, "y": y}, epochs=500, batch_size=4, progress=False, seed=0)
        thetas.append(model.theta.copy())
        assert (np.round(model.predict(x=x).p) == y).all(), history
    np.testing.assert_array_equal(*thetas)


def test_names_that_mean_something_to_python() -> None:
    _, text = emitted(
        "size np, real = 3\nhyper lambda = 2\ninput self[np, real], if[np], install[np]\nparam theta[real] = 1\n"
        "σ = self * theta\noutput f = sum(σ, axis=1) * if + install * lambda\noutput grad = σ > 1\n"
    )
    module = loaded(text)
    x, c, b = rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=4)
    out = module["Model"]().forward(**{"self": x, "if": c, "install": b})
    np.testing.assert_allclose(out.f, x.sum(axis=1) * c + b * 2, rtol=1e-14)
    np.testing.assert_array_equal(out.grad, x > 1)


def test_docstrings_cannot_end_early() -> None:
    _, text = emitted('## says """hello""" and \\x\nsize N\n## a "quoted" input "\ninput x[N]\noutput f = x * 2\n')
    module = loaded(text)
    np.testing.assert_array_equal(module["Model"]().forward(x=np.ones(2)).f, [2, 2])


def test_the_same_bytes_each_time() -> None:
    assert emitted(XOR)[1] == emitted(XOR)[1]


# ---------------------------------------------------------------- without a C compiler

ROUNDINGS = 1000  # units in the last place of an array's largest element, by which the backends may differ: docs/command.md

WITHOUT = """
import sys
import numpy as np
from gradwright.runtime import load
model, data, answers = sys.argv[1:]
module = load(model, backend="numpy")
net = module.Model(seed=1)
given = dict(np.load(data))
out, gradients = net.value_and_grad(**given)
net.fit(given, optimizer="adam", epochs=2, batch_size=None, seed=1)
np.savez(answers, theta=net.theta, loss=out.loss, **{f"d_{p['name']}": gradients[p["name"]] for p in module._SPEC["params"]})
assert not {"Cython", "sympy"} & set(sys.modules)
"""


@pytest.mark.parametrize("name", ["xor", "digits", "lenet"])
def test_where_there_is_no_c_compiler_the_numbers_are_the_same(name: str, tmp_path: Path) -> None:
    """In a process with an empty PATH, and neither Cython nor SymPy: gradients, and parameters that were trained."""
    model = Path(__file__).parent.parent / "examples" / f"{name}.gw"
    compiled = load(model)
    spec = compiled._SPEC
    draw = np.random.default_rng(3)
    shapes = {i["name"]: tuple(5 if isinstance(d, str) else d for d in i["shape"]) for i in spec["inputs"]}
    data = {i["name"]: draw.uniform(0, 1, shapes[i["name"]]).astype(spec["dtype"]) if i["kind"] == "real"
            else draw.integers(0, i["below"], shapes[i["name"]]) for i in spec["inputs"]}  # fmt: skip
    np.savez(tmp_path / "data.npz", **data)
    (tmp_path / "empty").mkdir()
    environment = {k: v for k, v in os.environ.items() if k != "CC"} | {"PATH": str(tmp_path / "empty")}
    environment["GRADWRIGHT_CACHE"] = str(tmp_path / "cache")
    subprocess.run([sys.executable, "-c", WITHOUT, str(model), str(tmp_path / "data.npz"), str(tmp_path / "answers.npz")],
                   check=True, env=environment)  # fmt: skip
    answers = dict(np.load(tmp_path / "answers.npz"))
    net = compiled.Model(seed=1)
    out, gradients = net.value_and_grad(**data)
    net.fit(data, optimizer="adam", epochs=2, batch_size=None, seed=1)
    wanted = {"theta": net.theta, "loss": out.loss, **{f"d_{p['name']}": gradients[p["name"]] for p in spec["params"]}}
    assert sorted(wanted) == sorted(answers)
    for what, value in wanted.items():
        unit = np.finfo(spec["dtype"]).eps * np.abs(value).max()
        assert np.abs(answers[what] - value).max() <= ROUNDINGS * unit, what
