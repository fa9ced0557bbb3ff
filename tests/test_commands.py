"""The commands that run a model: gradcheck, train, predict, bench; and cache, doctor."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradwright.compiler import driver
from gradwright.runtime import (
    SGD,
    ArgumentError,
    DtypeError,
    NotFiniteError,
    Optimizer,
    ShapeError,
    gradcheck,
    read_data,
    write_data,
)
from gradwright.runtime.checking import fitting_inputs, sample_inputs
from support.caches import own_place
from support.command import done, gradwright

XOR = """\
size   N, H = 4
hyper  reg = 0
input  x[N, 2], y[N, 1]
param  W[2, H] ~ glorot_uniform
param  b[H] = 0
param  V[H, 1] ~ glorot_uniform
h = tanh(x @ W + b)
output p = sigmoid(h @ V)
minimize mean(binary_cross_entropy(p, y)) + reg * sum(W**2)
"""
LABELS = """\
size   N, C = 3
input  x[N, 2]
index  y[N] < C
param  W[2, C] = 0
output scores = x @ W
minimize mean(softmax_cross_entropy(scores, y))
"""
LOG = """\
size   N
input  x[N]
param  w = 1
h = w * x
output z = log(h)
minimize sum(z)
"""


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    own_place(tmp_path, tmp_path_factory.getbasetemp() / "cache", monkeypatch)
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, text in (("xor", XOR), ("labels", LABELS), ("logarithm", LOG)):
        (tmp_path / f"{name}.gw").write_text(text)
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
    y = np.array([[0], [1], [1], [0]], float)
    np.savez(tmp_path / "xor.npz", x=x, y=y, unused=np.arange(3))
    (tmp_path / "folder").mkdir()
    np.save(tmp_path / "folder" / "x.npy", x)
    np.save(tmp_path / "folder" / "y.npy", y)
    rows = [f"{int(a)},{int(b)},{int(c)}" for (a, b), (c,) in zip(x, y, strict=True)]
    (tmp_path / "xor.csv").write_text("left,right,answer\n" + "\n".join(rows) + "\n")
    return tmp_path


# ---------------------------------------------------------------- gradcheck


def test_gradcheck_says_that_all_is_right() -> None:
    text = done("gradcheck", "xor.gw")
    assert "xor: all gradients are right" in text and "\x1b" not in text
    assert [line.split()[0] for line in text.splitlines()[1:-1]] == ["W", "b", "V"]
    assert "all gradients are right" in done("gradcheck", "xor.gw", "--data", "xor.npz", "--hyper", "reg=0.1")
    assert "all gradients are right" in done("gradcheck", "labels.gw", "--dtype", "float32", "-O", "0")


def test_gradcheck_finds_a_wrong_gradient() -> None:
    module = driver.load("xor.gw")
    model = module.Model(seed=0)
    inputs = sample_inputs(model)
    assert gradcheck(model, **inputs)
    right = type(model).value_and_grad

    def wrong(self: object, *arguments: object, **options: object) -> object:
        out, gradients = right(self, *arguments, **options)
        gradients.V[2, 0] *= 1.001
        return out, gradients

    broken = type("Model", (type(model),), {"value_and_grad": wrong})(seed=0)
    report = gradcheck(broken, **inputs)
    assert not report and "WRONG gradient of V" in report.verdict and "V[2, 0]" in report.verdict
    found = {check.name: check for check in report.checks}
    assert found["W"].right and found["b"].right and found["V"].where == (2, 0)
    assert found["V"].error == pytest.approx(1e-3, rel=0.05)
    assert "WRONG" in str(report)


def test_gradcheck_knows_that_zero_is_rounded() -> None:
    """What all scores have in common does not matter: its gradient is a sum of many that cancel, but for rounding."""
    text = ("dtype float32\nsize N\ninput x[N, 8]\nindex y[N] < 5\nparam W[8, 5] ~ normal(0, 1)\nparam shift = 0.5\n"
            "minimize mean(softmax_cross_entropy(x @ W + shift, y))\n")  # fmt: skip
    model, judge = (driver.load(text, name="common", backend="numpy", dtype=d).Model(seed=3) for d in ("float32", "float64"))
    inputs = sample_inputs(model, {"N": 37})
    assert model.value_and_grad(**inputs)[1]["shift"] != 0
    report = gradcheck(model, reference=judge, **inputs)
    assert report, report


def test_gradcheck_leaves_corners_out() -> None:
    text = "size N\ninput x[N]\nparam w = 1\noutput f = max(x * w, 0)\nminimize sum(f)\n"
    model = driver.load(text, name="corner", backend="numpy").Model()
    report = gradcheck(model, x=np.array([0.0, 1.0, -2.0]))
    assert report, report
    text = "input x[3]\noutput f = sum(max(x, 0))\ngradient f wrt x\n"
    moved = driver.load(text, name="corner_x", backend="numpy").Model()
    report = gradcheck(moved, x=np.array([0.0, 1.0, -2.0]))
    assert report and report.checks[0].compared + report.checks[0].kinks == 3


def test_gradcheck_of_many_elements_takes_some(workplace: Path) -> None:
    model = driver.load("xor.gw", sizes={"H": 50}, backend="numpy").Model(seed=0)
    report = gradcheck(model, elements=10)
    assert [check.compared for check in report.checks] == [10, 10, 10] and report


def test_random_inputs_have_the_declared_shapes_and_bounds() -> None:
    model = driver.load("labels.gw").Model()
    found = sample_inputs(model, {"N": 50}, seed=3)
    assert found["x"].shape == (50, 2) and found["y"].shape == (50,)
    assert set(found["y"]) == {0, 1, 2}
    with pytest.raises(ArgumentError, match="no free size 'M'"):
        sample_inputs(model, {"M": 3})
    assert (fitting_inputs(driver.load("logarithm.gw").Model())["x"] > 0).all()  # where the logarithm exists


# ---------------------------------------------------------------- train and predict


def test_train_learns_and_predict_uses_it(workplace: Path) -> None:
    text = done("train", "xor.gw", "--data", "xor.npz", "--epochs", "600", "--lr", "0.05", "--checkpoint", "m.safetensors",
                "--metric", "accuracy")  # fmt: skip
    assert "600 epochs" in text and "m.safetensors" in text
    done("predict", "xor.gw", "--data", "xor.csv", "--input", "x=left,right", "--checkpoint", "m.safetensors", "-o", "p.npz")
    with np.load(workplace / "p.npz") as found:
        assert list(found) == ["p"]
        np.testing.assert_array_equal(np.round(found["p"]), [[0], [1], [1], [0]])
        held = found["p"]
    text = done("predict", "xor.gw", "--data", "folder", "--checkpoint", "m.safetensors")
    header, *rows = text.splitlines()
    assert header == "p[0]" and [float(row) for row in rows] == held[:, 0].tolist()
    in_parts = done("predict", "xor.gw", "--data", "folder", "--checkpoint", "m.safetensors", "--batch-size", "3")
    np.testing.assert_allclose([float(row) for row in in_parts.splitlines()[1:]], held[:, 0], rtol=1e-14)


INPUTS = "size N\ninput x[N, 3]\nindex k[N] < 3\n"
TOGETHER = [
    "output y = x - mean(x, axis=0)", "output y = softmax(x, axis=0)", "output y = x[::-1]", "output y = cumsum(x, axis=0)",
    "output y = x / N", "y[n, d] = n * x[n, d]\noutput y", "output y = x @ x.T", "output y = sort(x, axis=0)",
    "output y = x - x[0]", "output y = roll(x, 1, axis=0)", "output y = x[argmax(x, axis=0)[k]]",
    "output y = repeat(x, 2, axis=0)[:N]", "output y = diag(x[:, 0])", "random e[N, 3] ~ normal(0, 1)\noutput y = x + e",
    "scan t in range(9) until max(abs(h)) < 0.4:\n    carry h = x\n    h = h / 2\noutput y = h",
    "scan t in range(N):\n    carry h = 0\n    h = h + sum(x[t])\n    emit hs = h\noutput y = hs",
]  # fmt: skip
APART = [
    "output y = softmax(x, axis=1)", "output y = x[:, ::-1] / 3", "output y = one_hot(k, 3) + pick(x, k, keepdims=True)",
    "random e[N, 3] ~ normal(0, 1)\noutput y = where(training, x + e, x)", "output y = diff(sum(x**3, axis=1), x)",
    "use layers\noutput y = x |> dense(4) |> batch_norm |> dropout(0.5) |> layer_norm",
    "use layers\noutput y = reshape(x, N, 3, 1) |> attention(1) |> lstm(2) |> flatten",
    "use layers\noutput y = reshape(x, N, 1, 1, 3) |> conv2d(2, 1) |> max_pool2d(1) |> flatten |> dropout(0.5)",
    "param t[3] = [1, 5, 2]\noutput y = sort(x, axis=1) * t[argmax(x, axis=1)][:, None]\nminimize mean((x - mean(x, axis=0))**2)",
    "scan t in range(9):\n    carry h = x\n    h = tanh(h + x[:, 2:])\noutput y = h",
]  # fmt: skip


@pytest.mark.parametrize(("body", "together"), [*((b, True) for b in TOGETHER), *((b, False) for b in APART)])
def test_rows_that_need_one_another_are_predicted_together(body: str, together: bool) -> None:
    Path("rows.gw").write_text(INPUTS + body + "\n")
    rng = np.random.default_rng(0)
    np.savez("rows.npz", x=rng.normal(size=(7, 3)), k=rng.integers(0, 3, 7))
    model = driver.load("rows.gw", backend="numpy").Model(seed=0)
    assert model.engine.spec.get("together", False) == together
    done("predict", "rows.gw", "--data", "rows.npz", "--backend", "numpy", "--batch-size", "2", "-o", "parts.npz")
    done("predict", "rows.gw", "--data", "rows.npz", "--backend", "numpy", "-o", "whole.npz")
    with np.load("parts.npz") as parts, np.load("whole.npz") as whole:
        np.testing.assert_allclose(parts["y"], whole["y"], rtol=1e-14)


def test_every_kind_of_data_trains_to_the_same_bits(workplace: Path) -> None:
    import safetensors.numpy

    found = []
    for name, more in (("xor.npz", []), ("folder", []), ("xor.csv", ["--input", "x=left:right", "--input", "y=answer"])):
        done("train", "xor.gw", "--data", name, *more, "--epochs", "20", "--batch-size", "3", "--seed", "5", "-q",
             "--checkpoint", "m.safetensors")  # fmt: skip
        found.append(safetensors.numpy.load_file("m.safetensors")["W"])
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_resume_goes_on_to_the_same_bits(workplace: Path) -> None:
    import safetensors.numpy

    common = ("train", "xor.gw", "--data", "xor.npz", "--batch-size", "3", "-q", "--seed", "1")
    done(*common, "--epochs", "30", "--checkpoint", "whole.safetensors")
    done(*common, "--epochs", "12", "--checkpoint", "half.safetensors")
    done(*common, "--epochs", "30", "--checkpoint", "half.safetensors", "--resume")
    a, b = (safetensors.numpy.load_file(name) for name in ("whole.safetensors", "half.safetensors"))
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["train", "xor.gw", "--data", "no.npz"], "no.npz"),
        (["train", "xor.gw", "--data", "xor.csv"], "no column 'x'"),
        (["train", "xor.gw", "--data", "xor.csv", "--input", "x=left,wrong", "--input", "y=answer"], "no column 'wrong'"),
        (["train", "xor.gw", "--data", "xor.csv", "--input", "x"], "INPUT=COLUMN"),
        (["train", "xor.gw", "--data", "xor.npz", "--optimizer", "adm"], "did you mean adam"),
        (["train", "xor.gw", "--data", "xor.npz", "--resume"], "--checkpoint"),
        (["train", "xor.gw", "--data", "xor.npz", "--hyper", "rge=1"], "did you mean reg"),
        (["train", "labels.gw", "--data", "xor.npz"], "y"),
        (["predict", "xor.gw", "--data", "xor.npz", "--output", "q"], "outputs are p"),
        (["predict", "xor.gw", "--data", "xor.gw"], ".npz file"),
        (["bench", "xor.gw", "--batch", "a"], "whole numbers"),
        (["compile", "xor.gw", "--checked", "--backend", "numpy"], "cython backend"),
        (["compile", "xor.gw", "--march", "z80"], "x86-64-v3"),
        (["compile", "xor.gw", "--threads", "0"], "threads"),
    ],
)  # fmt: skip
def test_wrong_usage_is_exit_code_2(arguments: list[str], word: str) -> None:
    found = gradwright(*arguments)
    assert found.exit_code == 2 and word in found.stderr, found.output
    assert "Traceback" not in found.stderr


# ---------------------------------------------------------------- data


def test_csv_makes_the_declared_shapes(workplace: Path) -> None:
    inputs = driver.load("labels.gw").Model().engine.spec["inputs"]
    (workplace / "d.csv").write_text("y;x[0];x[1]\n2;0.5;1e-3\n0;-1;7\n")
    found = read_data("d.csv", inputs)
    np.testing.assert_array_equal(found["x"], [[0.5, 1e-3], [-1, 7]])
    assert found["y"].dtype == np.int64 and found["y"].tolist() == [2, 0]
    for text, error, word in (
        ("y,x[0],x[1]\n2,a,1\n", DtypeError, "d.csv:2: column x[0] is 'a'"), ("y,x[0],x[1]\n1,2\n", ShapeError, "d.csv:2"),
        ("y,x[0],x[1]\n0.5,1,1\n", DtypeError, "whole numbers"), ("", ShapeError, "empty"),
        ("y,x[0]\n1,1\n", ShapeError, "1 columns do not make x"),
    ):  # fmt: skip
        (workplace / "d.csv").write_text(text)
        with pytest.raises(error) as caught:
            read_data("d.csv", inputs)
        assert word in str(caught.value)


def test_a_folder_is_memory_mapped_and_nothing_is_unpickled(workplace: Path) -> None:
    inputs = driver.load("xor.gw").Model().engine.spec["inputs"]
    assert isinstance(read_data("folder", inputs)["x"], np.memmap)
    np.save("folder/x.npy", np.array([object()]), allow_pickle=True)
    with pytest.raises(DtypeError, match="x.npy"):
        read_data("folder", inputs)
    np.savez("bad.npz", x=np.array([object()]), y=1)
    with pytest.raises(DtypeError, match=r"bad\.npz"):
        read_data("bad.npz", inputs)


def test_what_is_written_is_read_again(workplace: Path) -> None:
    values = {"p": np.array([[0.1, 1e300], [-0.0, 3]]), "k": np.array([1, 2])}
    for name in ("r.npz", "r.csv", "r"):
        write_data(name, values)
        found = read_data(name)
        if name == "r.csv":
            assert list(found) == ["p[0]", "p[1]", "k"]
            np.testing.assert_array_equal(np.stack([found["p[0]"], found["p[1]"]], 1), values["p"])
        else:
            np.testing.assert_array_equal(found["p"], values["p"])
    assert not list(workplace.glob(".*.part"))
    with pytest.raises(ShapeError, match="different lengths"):
        write_data("s.csv", {"a": np.ones(2), "b": np.ones(3)})


# ---------------------------------------------------------------- checked


@pytest.mark.unoptimised
def test_a_checked_module_names_the_line(workplace: Path) -> None:
    module = driver.load("logarithm.gw", checked=True)
    model, plain = module.Model(), driver.load("logarithm.gw").Model()
    x = np.array([1.0, 2.0, 4.0])
    assert model.forward(x=x).loss == pytest.approx(plain.forward(x=x).loss, rel=1e-15)
    np.testing.assert_allclose(model.value_and_grad(x=x)[1].w, plain.value_and_grad(x=x)[1].w, rtol=1e-15)
    for bad, words in (
        ([1.0, -2.0, 4.0], ("logarithm.gw:5: z[1] is NaN", "z = log(h)")),
        ([1.0, 2.0, 0.0], ("logarithm.gw:5: z[2] is -infinite",)),
        ([1.0, np.inf, 4.0], ("the input x[1] is infinite",)),
    ):
        for call in (model.predict, model.forward):
            with pytest.raises(NotFiniteError) as caught:
                call(x=np.array(bad))
            assert all(word in str(caught.value) for word in words), str(caught.value)
        assert plain.predict(x=np.array(bad)).z.shape == (3,)  # which says nothing
    assert model.predict(x=x).z.shape == (3,)  # and goes on afterwards
    with pytest.raises(FloatingPointError, match="line|logarithm.gw:5"):
        model.fit({"x": np.array([1.0, -1.0])}, "sgd", epochs=1, batch_size=1)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_checked_fit_stops_in_the_step_that_breaks(workplace: Path, accumulate: int) -> None:
    data = {"x": np.array([1.0, 2.0, 0.5, 1.0, 2.0, -1.0, 1.0, 3.0])}
    model, plain = driver.load("logarithm.gw", checked=True).Model(), driver.load("logarithm.gw").Model()
    options: dict[str, Any] = {"batch_size": 1, "shuffle": False, "accumulate": accumulate, "progress": False}
    with pytest.raises(NotFiniteError, match=r"logarithm.gw:5: z.* is NaN") as caught:
        model.fit(data, "adam", epochs=1000, **options)
    good = 5 // accumulate * accumulate
    plain.fit({"x": data["x"][:good]}, "adam", epochs=1, **options)
    assert np.array_equal(model.theta, plain.theta) and np.isfinite(model.theta).all()
    state = model.optimizer_state
    assert state.step == good // accumulate == caught.value.history.steps and caught.value.history.epochs == 0
    for name, array in plain.optimizer_state.arrays.items():
        assert np.array_equal(state.arrays[name], array)
    assert model.fit({"x": data["x"][:5]}, "adam", epochs=2, **options).epochs == 2      # and goes on afterwards


@pytest.mark.unoptimised
def test_a_checked_fit_names_the_update_rule_and_the_parameter(workplace: Path) -> None:
    (workplace / "rules.gw").write_text(
        "size N\ninput x[N]\nparam a = 1\nparam b[2, 3] = 1\nminimize mean(x) * (a * 1e-9 + b[1, 2])\n"
        "update odd(lr=1) of w with g:\n    state s = 0\n    s = s + g * g\n    w = w - lr * log(1 - s)\n"
    )  # fmt: skip
    module = driver.load("rules.gw", checked=True)
    for rule, x, words in (
        (Optimizer("odd"), [0.5, 0.5, 0.5, 0.9], "rules.gw:9: b[5], updated by the rule odd, is NaN (counted along all axes)\n"
                                                 "    w = w - lr * log(1 - s)"),
        (SGD(lr=1e200, groups={"b": {"lr": 1e-3}}), [1e-100, 1e150],
         "optimizers.gw:10: a, updated by the rule sgd, is -infinite\n    w = w - lr * where(nesterov, d + momentum * v, v)"),
        ("adam", [1.0, 1.0, 1e160], "optimizers.gw:34: v of b[5], in the rule adam, is infinite"),
    ):  # fmt: skip
        model, good = module.Model(), module.Model()
        with pytest.raises(NotFiniteError) as caught:
            model.fit({"x": np.array(x)}, rule, epochs=9, batch_size=1, shuffle=False, progress=False)
        assert words in str(caught.value)
        good.fit({"x": np.array(x[:-1])}, rule, epochs=1, batch_size=1, shuffle=False, progress=False)
        assert np.array_equal(model.theta, good.theta) and model.optimizer_state.step == len(x) - 1
        assert all(np.array_equal(array, good.optimizer_state.arrays[name])
                   for name, array in model.optimizer_state.arrays.items())  # fmt: skip
        with pytest.raises(NotFiniteError):
            for number in x:
                model.step(rule, x=np.array([number]))


def test_the_command_says_where_training_breaks(workplace: Path) -> None:
    np.savez("bad.npz", x=np.array([1.0, -1.0]))
    found = gradwright("train", "logarithm.gw", "--data", "bad.npz", "--checked", "--epochs", "1")
    assert found.exit_code == 1 and "logarithm.gw:5" in found.stderr and "z = log(h)" in found.stderr
    assert gradwright("train", "logarithm.gw", "--data", "bad.npz", "--epochs", "1").exit_code == 0


# ---------------------------------------------------------------- bench, cache, doctor


def test_bench_prints_a_table() -> None:
    text = done("bench", "xor.gw", "--batch", "1,8", "--seconds", "0.002")
    header, one, eight, last = text.splitlines()
    assert "predict" in header and "training step" in header and "float64" in last
    assert one.split()[0] == "1" and eight.split()[0] == "8"
    assert all(float(cell.replace(",", "")) > 0 for cell in one.split()[1:] + eight.split()[1:])


def test_cache_info_and_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADWRIGHT_CACHE", str(tmp_path / "own"))
    done("compile", "xor.gw", "--backend", "numpy")
    text = done("cache", "info")
    assert str(tmp_path / "own") in text and "modules   1," in text and "xor" in text
    assert "1 modules thrown out" in done("cache", "clear")
    assert "modules   0," in done("cache", "info")


def test_doctor_reports_and_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    text = done("doctor")
    for word in ("python", "numpy", "cython", "sympy", "blas", "compiler", "flags", "vectors", "threads", "cache", "blocks",
                 "was compiled, imported and run"):  # fmt: skip
        assert word in text
    monkeypatch.setenv("CC", "no-such-compiler")
    found = gradwright("doctor")
    assert found.exit_code == 3 and "no-such-compiler" in found.stdout and "--backend numpy" in found.stderr
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", os.getcwd())
    found = gradwright("doctor")
    assert found.exit_code == 3 and "apt install" in found.stdout


def test_help_has_examples_for_every_command() -> None:
    for command in (["gradcheck"], ["train"], ["predict"], ["bench"], ["profile"], ["cache"], ["cache", "info"],
                    ["cache", "clear"], ["doctor"], ["tune"]):  # fmt: skip
        assert "Example" in done(*command, "--help")
    assert "_GRADWRIGHT_COMPLETE=bash_source" in done("--help")
