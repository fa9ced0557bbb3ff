"""Data from files with text labels, errors that name file, line and column, and what `gradwright train` can be told."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradwright.runtime import Adam, AdamW, ArgumentError, Cosine, EarlyStopping, GradwrightError, Step, load, read_data, training
from gradwright.runtime.data import csv_text, predicted_classes
from gradwright.runtime.model import Model
from gradwright.runtime.schedules import BY_NAME, OneCycle, ReduceOnPlateau, by_name
from support.command import done, gradwright

pytestmark = pytest.mark.unoptimised

IRIS = """\
size   N, C = 3
input  x[N, 2]
index  y[N] < C
param  W[2, C] ~ normal(0, 0.1)
param  b[C] = 0
output scores = x @ W + b
minimize mean(softmax_cross_entropy(scores, y)) with adam(lr=0.05, beta1=0.8)
"""
ROWS = """\
length,width,kind
5.1,0.2,setosa
6.0,1.5,versicolor
6.5,2.1,virginica
5.0,0.3,setosa
6.1,1.3,versicolor
6.8,2.3,virginica
"""
COLUMNS = {"x": ["length", "width"], "y": ["kind"]}
NAMED = ["--input", "x=length,width", "--input", "y=kind", "--backend", "numpy"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "iris.gw").write_text(IRIS)
    (tmp_path / "iris.csv").write_text(ROWS)
    return tmp_path


@pytest.fixture
def model() -> Any:
    return load("iris.gw", backend="numpy").Model()


# ---- text labels


def test_text_labels_become_classes_in_sorted_order(model: Any) -> None:
    found = read_data("iris.csv", model.engine.spec["inputs"], columns=COLUMNS)
    assert found["y"].tolist() == [0, 1, 2, 0, 1, 2] and found["y"].dtype == np.int64
    assert found.classes == {"y": ("setosa", "versicolor", "virginica")}
    Path("rest.csv").write_text("length,width,kind\n1,2,virginica\n")
    rest = read_data("rest.csv", model.engine.spec["inputs"], columns=COLUMNS, classes=found.classes)
    assert rest["y"].tolist() == [2]
    Path("rest.csv").write_text("length,width,kind\n1,2,virginica\n1,2,rose\n")
    text = r"^rest\.csv:3: column kind is 'rose', which is no class of y: they are setosa, versicolor, virginica$"
    with pytest.raises(ValueError, match=text):
        read_data("rest.csv", model.engine.spec["inputs"], columns=COLUMNS, classes=found.classes)


def test_text_labels_in_arrays(model: Any) -> None:
    np.savez("iris.npz", x=np.ones((3, 2)), y=np.array(["b", "a", "b"]))
    found = read_data("iris.npz", model.engine.spec["inputs"])
    assert found["y"].tolist() == [1, 0, 1] and found.classes == {"y": ("a", "b")}
    with pytest.raises(ValueError, match=r"^iris\.npz: y holds 'b', which is no class of y: they are a$"):
        read_data("iris.npz", model.engine.spec["inputs"], classes={"y": ["a"]})
    assert read_data("iris.csv")["kind"].tolist()[:2] == ["setosa", "versicolor"]


def test_one_array_serves_a_model_that_takes_one(model: Any) -> None:
    np.save("new.npy", np.ones((3, 2)))
    found = read_data("new.npy", model.engine.predict.needs.inputs)
    assert list(found) == ["x"] and isinstance(found["x"], np.memmap)
    assert list(read_data("new.npy")) == ["new"]
    assert len(done("predict", "iris.gw", "--data", "new.npy", "--backend", "numpy").splitlines()) == 4
    with pytest.raises(ArgumentError, match=r"^new\.npy is one array, and the model takes x\[N, 2\], y\[N\]; give an \.npz"):
        read_data("new.npy", model.engine.spec["inputs"])


def test_train_shows_and_keeps_the_names_and_predict_writes_them() -> None:
    text = done("train", "iris.gw", "--data", "iris.csv", *NAMED, "--epochs", "400", "--checkpoint", "m.safetensors")
    assert "  y: 0 setosa, 1 versicolor, 2 virginica\n" in text
    assert load("iris.gw", backend="numpy").Model.load("m.safetensors").classes == {"y": ("setosa", "versicolor", "virginica")}
    predict = ["predict", "iris.gw", "--data", "iris.csv", "--input", "x=length:width", "--backend", "numpy",
               "--checkpoint", "m.safetensors"]  # fmt: skip
    header, *rows = done(*predict).splitlines()
    assert header == "scores[setosa],scores[versicolor],scores[virginica],y"
    assert [row.split(",")[3] for row in rows] == ["setosa", "versicolor", "virginica"] * 2
    assert done(*predict, "--output", "y").splitlines() == ["y", *["setosa", "versicolor", "virginica"] * 2]
    done(*predict, "-o", "p.npz")
    with np.load("p.npz") as held:
        assert held["y"].tolist() == ["setosa", "versicolor", "virginica"] * 2 and held["scores"].shape == (6, 3)
    # a run that goes on keeps the order of the classes, whatever its file holds
    Path("some.csv").write_text("length,width,kind\n6.5,2.1,virginica\n")
    text = done("train", "iris.gw", "--data", "some.csv", *NAMED, "--epochs", "401", "--checkpoint", "m.safetensors", "--resume")
    assert "  y: 0 setosa, 1 versicolor, 2 virginica\n" in text
    Path("some.csv").write_text("length,width,kind\n6.5,2.1,rose\n")
    for arguments in (["--data", "some.csv", "--checkpoint", "m.safetensors", "--resume"],
                      ["--data", "iris.csv", "--validation", "some.csv"]):  # fmt: skip
        found = gradwright("train", "iris.gw", *NAMED, *arguments)
        assert found.exit_code == 2 and "some.csv:2: column kind is 'rose', which is no class of y" in found.stderr


def test_names_go_with_copies_and_pickles(model: Any) -> None:
    model.classes = {"y": ("a", "b")}
    assert model.copy().classes == model.classes
    names, headings = predicted_classes(model, {"scores": np.array([[0.0, 1, 0], [0, 0, 1]])})
    assert names["y"].tolist() == ["b", "2"]        # of the third class nobody said a name
    assert csv_text({"scores": np.eye(3)[:1]}, headings).splitlines()[0] == "scores[a],scores[b],scores[2]"
    model.classes = {}
    assert predicted_classes(model, {"scores": np.ones((2, 3))}) == ({}, {})


WRONG = {
    "5.1,0.2,setosa\n6.0,,versicolor": "bad.csv:3: column width is '': a value is missing",
    "5.1,0.2,setosa\n6.0,1,": "bad.csv:3: column kind is '': a value is missing",
    "5.1,0.2,setosa\n6.0,NaN,setosa": "bad.csv:3: column width is 'NaN': a value is missing",
    "5.1,0.2,setosa\n\n6.0,n/a,setosa": "bad.csv:4: column width is 'n/a': a value is missing",
    "5.1,0.2,1\n6.0,1,a": "bad.csv:3: column kind is 'a', which is no number",
    "5.1,0.2,1\n6.0,1,?": "bad.csv:3: column kind is '?': a value is missing",
    "5.1,0.2,1\n6.0,1,1.5": "bad.csv:3: column kind is '1.5', and y[N] takes whole numbers",
    "5.1,0.2,1\n6.0,1,inf": "bad.csv:3: column kind is 'inf', and y[N] takes whole numbers",
    "5.1,0,2,a": "bad.csv:2: 4 values, and the first line names 3 columns up to kind",
    "5.1,0": "bad.csv:2: 2 values, and the first line names 3 columns; there is none for column kind",
    "5.1": "bad.csv:2: 1 value, and the first line names 3 columns; there is none for column width",
    "5.1,1 000,a": "bad.csv:2: column width is '1 000', which is no number",
    "5.1,1,a\n6.0,-1e400,a": "bad.csv:3: column width is '-1e400', which is beyond float64",
    "1,1,a\n1,1,b\n1,1,c\n1,1,d": "bad.csv: column kind holds 4 classes (a, b, c, d), and y[N] takes 3",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_in_a_file_is_named_with_line_and_column(model: Any, text: str) -> None:
    Path("bad.csv").write_text(f"length,width,kind\n{text}\n")
    with pytest.raises((ValueError, TypeError)) as caught:
        read_data("bad.csv", model.engine.spec["inputs"], columns=COLUMNS)
    assert str(caught.value) == WRONG[text] and isinstance(caught.value, GradwrightError)
    found = gradwright("train", "iris.gw", "--data", "bad.csv", *NAMED)
    assert found.exit_code == 2 and found.stderr == f"error: {WRONG[text]}\n"


HEADERS = {
    "5.1,0.2,1\n5.1,0.2,1\n": "bad.csv:1: the first line should name the columns, and it holds 5.1,0.2,1",
    "length,width,width,kind\n1,1,1,a\n": "bad.csv:1: 2 columns are called width",
    "length,kind\n1,a\n": "bad.csv has no column 'width'; there is length, kind",
    "": "bad.csv: the file is empty; its first line should name the columns",
}


@pytest.mark.parametrize("text", HEADERS)
def test_what_is_wrong_in_a_header(model: Any, text: str) -> None:
    Path("bad.csv").write_text(text)
    with pytest.raises((ValueError, TypeError)) as caught:
        read_data("bad.csv", model.engine.spec["inputs"], columns=COLUMNS)
    assert str(caught.value) == HEADERS[text]


def test_text_for_a_real_input_says_how_to_declare_it() -> None:
    Path("r.csv").write_text("x,y\n1,yes\n2,no\n")
    net = load("size N\ninput x[N], y[N]\nparam w = 1\nminimize mse(w * x, y)\n", backend="numpy", name="r").Model()
    text = r"^r\.csv:2: column y is 'yes', which is no number; text may stand for an index, as in `index y\[N\] < 2`$"
    with pytest.raises(TypeError, match=text):
        read_data("r.csv", net.engine.spec["inputs"])


def test_blank_lines_quotes_marks_and_separators(model: Any) -> None:
    for text in ("length;width;kind\n\n1;2;a\n\n\n3;4;b\n", '\ufefflength,width,kind\r\n1,2,"a"\r\n" 3",4, b\r\n',
                 "length\twidth\tkind\n1\t2\ta\n3\t4\tb"):  # fmt: skip
        Path("s.csv").write_text(text, newline="")
        found = read_data("s.csv", model.engine.spec["inputs"], columns=COLUMNS)
        assert found["x"].tolist() == [[1, 2], [3, 4]] and found["y"].tolist() == [0, 1] and found.classes["y"] == ("a", "b")


# ---- schedules and the other flags


SCHEDULES: dict[str, tuple[str, dict[str, float], Any]] = {
    "constant:warmup=3": ("constant", {"warmup": 3}, lambda lr: by_name("constant", lr, warmup=3)),
    "step:every=3,gamma=0.5": ("step", {"every": 3, "gamma": 0.5}, lambda lr: Step(lr, 3, 0.5)),
    "exponential:gamma=0.9": ("exponential", {"gamma": 0.9}, lambda lr: by_name("exponential", lr, gamma=0.9)),
    "cosine": ("cosine", {}, Cosine),
    "cosine:warmup=2,final=0.1": ("cosine", {"warmup": 2, "final": 0.1}, lambda lr: Cosine(lr, 0.1, warmup=2)),
    "one-cycle": ("one-cycle", {}, OneCycle),
    "One_Cycle:rise=0.5": ("one-cycle", {"rise": 0.5}, lambda lr: OneCycle(lr, 0.5)),
    "plateau:patience=2,gamma=0.5": ("plateau", {"patience": 2, "gamma": 0.5}, lambda lr: ReduceOnPlateau(lr, 0.5, 2)),
}


@pytest.mark.parametrize("told", SCHEDULES)
def test_schedules_by_name(told: str, model: Any) -> None:
    name, numbers, made = SCHEDULES[told]
    assert repr(by_name(name, 0.1, **numbers)) == repr(made(0.1)) and set(BY_NAME) >= {name}
    import safetensors.numpy

    data = read_data("iris.csv", model.engine.spec["inputs"], columns=COLUMNS)
    for lr in (None, 0.1):
        rule = Adam(lr=made(0.05 if lr is None else lr), beta1=0.8)
        fresh = type(model)(seed=0)
        fresh.fit(data, rule, epochs=12, batch_size=4, seed=0, progress=False)
        done("train", "iris.gw", "--data", "iris.csv", *NAMED, "--epochs", "12", "--batch-size", "4", "-q", "--schedule", told,
             "--checkpoint", "s.safetensors", *([] if lr is None else ["--lr", str(lr)]))  # fmt: skip
        np.testing.assert_array_equal(safetensors.numpy.load_file("s.safetensors")["W"], fresh.params.W)


FLAGS: dict[str, tuple[list[str], dict[str, Any], Any]] = {
    "an optimiser with numbers": (["--optimizer", "adamw:weight_decay=0.1,beta2=0.9"], {},
                                  lambda: AdamW(lr=1e-3, weight_decay=0.1, beta2=0.9)),
    "another number of the model's own": (["--optimizer", "adam:beta2=0.9"], {}, lambda: Adam(lr=0.05, beta1=0.8, beta2=0.9)),
    "groups": (["--optimizer", "adamw", "--group", "b*:weight_decay=0,lr=0.5", "--lr", "0.2"], {},
               lambda: AdamW(lr=0.2, groups={"b*": {"weight_decay": 0, "lr": 0.5}})),
    "accumulation": (["--accumulate", "2"], {"accumulate": 2}, None),
    "rows in order": (["--no-shuffle"], {"shuffle": False}, None),
    "early stopping": (["--patience", "1", "--lr", "3"], {"callbacks": [EarlyStopping(1)]}, lambda: Adam(lr=3, beta1=0.8)),
    "clipping": (["--clip-norm", "0.1", "--clip-value", "0.05"], {"clip_norm": 0.1, "clip_value": 0.05}, None),
    "all rows at once": (["--batch-size", "0"], {"batch_size": None}, None),
    "held out": (["--validation", "0.3", "--metric", "accuracy"], {"validation": 0.3, "metrics": "accuracy"}, None),
    "a file to watch": (["--validation", "iris.csv"], {"validation": "iris.csv"}, None),
    "another seed": (["--seed", "3"], {"seed": 3}, None),
}  # fmt: skip


@pytest.mark.parametrize("flag", FLAGS)
def test_each_flag_of_train_is_the_option_of_fit(flag: str, model: Any) -> None:
    import safetensors.numpy

    arguments, options, rule = FLAGS[flag]
    data = read_data("iris.csv", model.engine.spec["inputs"], columns=COLUMNS)
    options = {"batch_size": 4, "seed": 0, **options}
    if options.get("validation") == "iris.csv":
        options["validation"] = data
    fresh = type(model)(seed=options["seed"])
    history = fresh.fit(data, rule() if rule else None, epochs=12, progress=False, **options)
    sized = [] if "--batch-size" in arguments else ["--batch-size", "4"]
    text = done("train", "iris.gw", "--data", "iris.csv", *NAMED, "--epochs", "12", *sized, *arguments, "--checkpoint",
                "s.safetensors")  # fmt: skip
    np.testing.assert_array_equal(safetensors.numpy.load_file("s.safetensors")["W"], fresh.params.W)
    assert f"({history.epochs} epochs, {history.steps} steps, loss" in text


SPELLED = [
    (["--schedule", "warmup"], "there is no schedule 'warmup'; a warm-up is a number of any schedule but one-cycle, as in "
                               "constant:warmup=5"),
    (["--schedule", "cosin"], "there is no schedule 'cosin'; did you mean cosine?"),
    (["--schedule", "step"], "the schedule step needs every, as in step:every=30"),
    (["--schedule", "step:evry=3"], "the schedule step has no 'evry'; did you mean every?"),
    (["--schedule", "step:every=0"], "Step: every is 0.0; it must be above 0"),
    (["--schedule", "cosine:warmup"], "'warmup' is not of the form NAME=NUMBER"),
    (["--schedule", "cosine:warmup=x"], "'x' is not a number"),
    (["--schedule", "one-cycle:warmup=2"], "the schedule one-cycle has no 'warmup'"),
    (["--optimizer", "adam:beta=1"], "beta"),
    (["--optimizer", "adm"], "did you mean adam?"),
    (["--group", "b*"], "PATTERN:NAME=NUMBER"),
    (["--group", "b*:decay=1"], "decay"),
    (["--accumulate", "0"], "--accumulate"),
    (["--patience", "-1"], "--patience"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "text"), SPELLED, ids=[" ".join(s[0]) for s in SPELLED])
def test_wrong_spelling_is_exit_code_2(arguments: list[str], text: str) -> None:
    found = gradwright("train", "iris.gw", "--data", "iris.csv", *NAMED, *arguments)
    assert found.exit_code == 2 and text in found.stderr, found.output


def test_a_plot_of_the_losses() -> None:
    pytest.importorskip("matplotlib")
    text = done("train", "iris.gw", "--data", "iris.csv", *NAMED, "--epochs", "3", "--plot", "loss.png")
    assert "the losses -> loss.png" in text and Path("loss.png").read_bytes()[:4] == b"\x89PNG"


LATE = [
    (["--plot", "loss.png"], "matplotlib", "--plot needs matplotlib"),
    (["--checkpoint", "m.safetensors"], "safetensors", "checkpoints need safetensors"),
    (["--plot", "loss.xyz"], "", "--plot loss.xyz: a picture ends in one of"),
    (["--plot", "nowhere/loss.png"], "", "--plot nowhere/loss.png: nowhere is not a folder"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "missing", "text"), LATE, ids=[" ".join(s[0]) + s[1] for s in LATE])
def test_what_is_needed_at_the_end_is_missed_before_a_run(arguments: list[str], missing: str, text: str,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    if missing:
        monkeypatch.setitem(sys.modules, missing, None)
    elif arguments[0] == "--plot":
        pytest.importorskip("matplotlib")
    monkeypatch.setattr(training, "fit", lambda *a, **k: pytest.fail("it ran"))
    found = gradwright("train", "iris.gw", "--data", "iris.csv", *NAMED, "--epochs", "3", *arguments)
    assert found.exit_code == 2 and text in found.stderr and not Path("m.safetensors").exists(), found.output


def test_a_run_that_loses_its_numbers_says_so_in_one_line() -> None:
    Path("square.gw").write_text("size N\ninput x[N]\nparam w = 1\nminimize mean((w*x)**2)\n")
    Path("square.csv").write_text("x\n1e200\n")
    found = gradwright("train", "square.gw", "--data", "square.csv", "--lr", "1", "--epochs", "2", "--backend", "numpy")
    assert found.exit_code == 0
    assert next(line for line in found.stderr.splitlines() if "loss" in line).startswith("warning: the loss is ")


def test_what_a_run_that_ends_in_an_error_warned_of_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(*arguments: Any, **options: Any) -> None:
        warnings.warn("the first epoch was strange", RuntimeWarning, stacklevel=1)
        raise ArgumentError("the second one did not go")

    monkeypatch.setattr(Model, "fit", fit)
    found = gradwright("train", "iris.gw", "--data", "iris.csv", *NAMED)
    assert found.exit_code == 2
    told = found.stderr.splitlines()
    assert "warning: the first epoch was strange" in told
    assert told.index("warning: the first epoch was strange") < next(k for k, line in enumerate(told) if "did not go" in line)
