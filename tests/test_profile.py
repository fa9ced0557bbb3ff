"""What a profile says: every loop and product of a step is a part of it, with its own operations, under its own line."""

from __future__ import annotations

import ast
import functools
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from gradwright.compiler import driver
from gradwright.compiler.build.options import OptionError
from gradwright.compiler.cli import main
from gradwright.runtime import StateError, load, profiling
from gradwright.runtime.arguments import _dim

from benchmarks.roofline import value

ROOT = Path(__file__).resolve().parent.parent
NET = """
dtype float32
size  N, D = 300, H = 200
input x[N, D]
index y[N] < 10
param W[D, H] ~ glorot_uniform
param V[H, 10] ~ glorot_uniform
output scores = tanh(x @ W) @ V
minimize mean(softmax_cross_entropy(scores, y))
"""
LOOP = """
size  N, T, D = 40, H = 50
input x[N, T, D]
param W[D, H] ~ glorot_uniform
param U[H, H] ~ orthogonal
scan t in range(T):
    carry h = zeros(N, H)
    h = tanh(x[:, t] @ W + h @ U)
minimize mean(h**2)
"""
LONG = "\n".join(["size N", "input x[N]", "h0 = sin(x)", *(f"h{k} = x * sum(h{k - 1})" for k in range(1, 300)), "output h299\n"])


@functools.cache
def parts(model: str | Path) -> tuple[str, list[Any]]:
    """The text of the module, and the table of its parts."""
    made = driver.compile_model(model, profiled=True, stop_after="cython").text
    found = re.search(r"^_PARTS = (\(\n(?:    .*\n)*\))", made, re.M)
    assert found is not None
    return made, list(ast.literal_eval(found[1]))


def kernel(made: str, name: str) -> list[str]:
    return re.findall(rf"^cdef void _?{name}(?:_\d+)?\(.*?(?=\n\n)", made, re.M | re.S)


@pytest.mark.parametrize("model", [NET, LOOP, LONG, ROOT / "examples" / "lenet.gw"], ids=["net", "loop", "long", "cnn"])
def test_the_parts_of_a_kernel_do_all_its_operations(model: Any) -> None:
    made, table = parts(model)
    sizes = {"N": 5, "T": 7}
    names = {p[0] for p in table if p[1] != "update"}
    assert {"forward", "backward"} <= names
    for name in names:
        said = re.search(rf"^ +{name} ([^,;]+)[,;]", made, re.M)
        assert said is not None
        total = sum(_dim(p[5], sizes) * _dim(p[6], sizes) for p in table if p[0] == name)
        assert total == value(said[1], sizes)


@pytest.mark.parametrize("model", [NET, LOOP, LONG], ids=["net", "loop", "long"])
def test_the_clock_is_read_once_for_each_part(model: str) -> None:
    made, table = parts(model)
    read = [int(k) for k in re.findall(r"(?:_lap\(|_leave\(&_DOORS\[\d+\], )&_SPENT\[(\d+)\]", made)]
    assert read == list(range(len(table)))
    for text in re.findall(r"^cdef void \w+_part\d+\(.*?(?=\n\n)", made, re.M | re.S):
        assert "_since" not in text, "threads that share a loop do not read the clock"
    for text in kernel(made, "forward"):
        assert text.count("_since = _now()") == (0 if "    _forward_1(" in text else 1), "a long kernel calls its pieces"


def test_a_product_is_a_part_under_its_line() -> None:
    _, table = parts(NET)
    (one,) = [p for p in table if p[0] == "forward" and p[4] and "x 200 x 300" in p[3]]
    assert one[1] == "forward" and one[2][0][1:] == (8, "output scores = tanh(x @ W) @ V")
    assert _dim(one[6], {"N": 5}) == 2 * 5 * 200 * 300
    assert {_dim(counts[0], {"N": 5}) for _, counts, _, _ in one[8]} >= {200 * 300, 5 * 300}
    (slope,) = [p for p in table if p[0] == "backward" and p[4] and "d_W" in p[3]]
    assert slope[1] == "backward"


def test_what_runs_at_every_step_of_a_loop_is_counted_so_often() -> None:
    _, table = parts(LOOP)
    times = {_dim(p[5], {"N": 5, "T": 7}) for p in table if p[4]}
    assert 7 in times, "products in the loop"


# ---------------------------------------------------------------- measured


@pytest.fixture(scope="module")
def net() -> Any:
    return load(NET, name="profiled_net", profiled=True, threads=1)


@pytest.fixture
def inputs() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {"x": rng.normal(size=(6, 300)).astype(np.float32), "y": rng.integers(0, 10, 6)}


def test_a_profiled_module_computes_the_same(net: Any, inputs: dict[str, Any]) -> None:
    plain = load(NET, name="profiled_net", threads=1).Model(seed=0)
    model = net.Model(seed=0)
    for _ in range(3):
        assert model.step("adam", **inputs) == plain.step("adam", **inputs)
    np.testing.assert_array_equal(model.theta, plain.theta)


def test_a_profile_says_what_each_part_took(net: Any, inputs: dict[str, Any]) -> None:
    model = net.Model(seed=0)
    before = model.theta.copy()
    found = model.profile("adam", 5, **inputs)
    np.testing.assert_array_equal(model.theta, before, err_msg="the model is not changed")
    assert found.sizes == {"N": 6} and found.steps == 5 and found.threads >= 1 and found.call == "a training step with adam"
    assert {p.kernel for p in found.parts} == {"train", "update_adam"}
    assert sum(p.share for p in found.parts) == pytest.approx(1)
    assert [p.seconds for p in found.parts] == sorted((p.seconds for p in found.parts), reverse=True)
    product = next(p for p in found.parts if p.what.startswith("d_W ("))
    assert product.operations == 2 * 6 * 200 * 300 and product.bytes == 4 * (6 * 300 + 6 * 200 + 300 * 200)
    assert product.flops == product.operations / product.seconds
    update = next(p for p in found.parts if p.phase == "update")
    assert update.lines[0][0] == "optimizers.gw" and update.operations % (300 * 200 + 200 * 10) == 0
    text = str(found)
    assert "model.gw" not in text and "profiled_net.gw:8   output scores = tanh(x @ W) @ V" in text
    assert "what is around the parts" in text
    assert json.loads(json.dumps(found.to_dict()))["parts"][0]["share"] == found.parts[0].share


def test_an_update_with_the_gradient_is_told_as_one(net: Any, inputs: dict[str, Any]) -> None:
    found = net.Model(seed=0).profile("sgd", 2, **inputs)
    updates = [p for p in found.parts if p.phase == "update"]
    assert updates and sum(p.share for p in found.parts) == pytest.approx(1)
    for part in updates:
        assert part.lines[-1][0] == "optimizers.gw"
        assert part.kernel == "update_sgd" or part.lines[0][0] == "profiled_net.gw"


def test_shares_of_the_peak_need_the_compiler(net: Any, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiling, "peak", lambda: None)
    found = net.Model(seed=0).profile("sgd", 1, **inputs)
    assert found.parts[0].of_flops is None and "of peak" not in str(found)


@pytest.mark.unoptimised
@pytest.mark.parametrize("threads", [1, 2, 64])
def test_a_share_is_of_what_the_threads_can_do(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = SimpleNamespace(flops={"float64": {1: 1e9, 2: 3e9}}, bandwidth=lambda touched, team: team * 1e9)
    monkeypatch.setattr(profiling, "peak", lambda: limits)
    model = load("size N\ninput x[N]\noutput y = x * x\n", name="shared", profiled=True, threads=threads).Model()
    found = model.profile(None, 2, x=np.ones(1000))
    part = found.parts[0]
    assert found.threads == threads and part.of_flops == pytest.approx(part.flops / {1: 1e9}.get(threads, 3e9))
    assert part.of_bandwidth == pytest.approx(part.bandwidth / min(threads, 2) / 1e9)
    assert str(found).endswith("of peak: of what one thread of this machine can do" if threads == 1 else
                               f"of peak: of what {threads} threads of this machine can do")  # fmt: skip


@pytest.mark.unoptimised
def test_a_model_without_a_loss_is_profiled_by_its_gradients() -> None:
    model = load("size N\ninput x[N]\noutput y = sin(x) * x\n", name="wave", profiled=True).Model()
    found = model.profile(None, 3, x=np.linspace(0, 1, 1000))
    assert found.call == "a call of value_and_grad"
    assert max(found.parts, key=lambda p: p.operations).transcendental >= 1000


def test_other_modules_say_how_to_profile() -> None:
    model = load("input x\noutput y = x\n", name="plain", backend="numpy").Model()
    with pytest.raises(StateError, match="load it with profiled=True, or use gradwright profile"):
        model.profile(x=1.0)
    for options in ({"backend": "numpy"}, {"checked": True}):
        with pytest.raises(OptionError, match="only a module of the cython backend that is not checked"):
            load("input x\noutput y = x\n", profiled=True, **options)  # type: ignore[arg-type]


def test_the_command_tells_it(tmp_path: Path, inputs: dict[str, Any]) -> None:
    (tmp_path / "profiled_net.gw").write_text(NET, encoding="utf-8")
    np.savez(tmp_path / "data.npz", **inputs)
    words = ["profile", str(tmp_path / "profiled_net.gw"), "--threads", "1", "--steps", "2", "--optimizer", "sgd"]
    told = CliRunner().invoke(main, [*words, "--data", str(tmp_path / "data.npz"), "--batch-size", "4"])
    assert told.exit_code == 0, told.output
    assert "profiled_net, float32, N=4: a training step with sgd takes" in told.output
    assert re.search(r"GFLOP/s +of peak +GB/s +of peak\n", told.output)
    assert told.output.endswith("of peak: of what one thread of this machine can do\n")
    found = json.loads(CliRunner().invoke(main, [*words, "--batch-size", "3", "--json"]).output)
    assert found["sizes"] == {"N": 3} and found["steps"] == 2 and found["parts"][0]["of_flops"] > 0
