"""The scripts of examples/studies on their real data, in a short form, with what they must find."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

STUDIES = Path(__file__).resolve().parent.parent / "examples" / "studies"
Script = Callable[[str], ModuleType]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Script]:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.syspath_prepend(str(STUDIES))
    monkeypatch.setattr(sys, "argv", ["script", str(tmp_path)])
    before = set(sys.modules)
    yield importlib.import_module
    import matplotlib.pyplot as plt

    plt.close("all")
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(STUDIES)):
            del sys.modules[name]


def pictures(folder: Path) -> list[str]:
    found = sorted(folder.glob("*.png"))
    assert all(path.read_bytes()[:4] == b"\x89PNG" and path.stat().st_size > 5000 for path in found)
    return [path.name for path in found]


def test_xor(script: Script, tmp_path: Path) -> None:
    runs = script("xor_boundaries").main(epochs=300)
    module = script("xor_boundaries")
    assert module.right(runs["xor"][0]) == 4 and module.right(runs["xor_linear"][0]) <= 3
    assert pictures(tmp_path) == ["xor_boundaries.png"]


@pytest.mark.slow
def test_digits(script: Script, tmp_path: Path) -> None:
    runs = script("digits_classifiers").main(epochs=30)
    accuracy = {name: found for name, (_, found) in runs.items()}
    assert accuracy["linear_softmax"] > 0.94 and accuracy["svm_linear"] > 0.94 and accuracy["digits"] > 0.965
    assert pictures(tmp_path) == ["digits_digits.png", "digits_linear_softmax.png", "digits_svm_linear.png"]


def test_breast_cancer_agrees_with_scikit_learn(script: Script, tmp_path: Path) -> None:
    assert script("breast_cancer").main(epochs=3000) < 1e-4
    assert pictures(tmp_path) == ["breast_cancer.png"]


def test_diabetes_agrees_with_lstsq(script: Script, tmp_path: Path) -> None:
    assert script("diabetes").main() < 1e-6
    assert pictures(tmp_path) == ["diabetes.png"]


def test_what_the_study_finds(script: Script, tmp_path: Path) -> None:
    module = script("digits_study")
    found = module.main(epochs=6)
    rows = {size: history.loss[-1] for size, history in found["rows a step"].items()}
    assert rows[8] < rows[32] < rows[128] < rows[None]  # at the same rate, more steps get further
    penalties = [history.loss[-1] for history in found["penalty"].values()]
    assert penalties == sorted(penalties)
    assert all(np.isfinite(h.loss).all() and h.epochs == 6 for group in found.values() for h in group.values())
    assert pictures(tmp_path) == ["digits_study.png"]


@pytest.mark.slow
def test_two_losses_on_shared_parameters(script: Script, tmp_path: Path) -> None:
    before, after = script("gan").main(steps=2000)
    assert after < 0.5 * before
    assert pictures(tmp_path) == ["gan.png"]


@pytest.mark.slow
def test_a_convolutional_network_reads_digits(script: Script, tmp_path: Path) -> None:
    assert script("lenet").main(epochs=10) > 0.95
    assert pictures(tmp_path) == ["lenet.png"]


@pytest.mark.slow
def test_a_linear_classifier_fails_on_spirals(script: Script, tmp_path: Path) -> None:
    right = script("spiral").main(steps=2500)
    assert right["softmax"] < 0.6 and right["100 units"] > 0.95
    assert right["3 units"] < right["6 units"] and right["100 units, penalty 0.01"] < 0.9
    assert pictures(tmp_path) == ["spiral.png"]
