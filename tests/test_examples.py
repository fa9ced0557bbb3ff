"""The example scripts on their real data."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from gradwright.runtime import Adam, load

ROOT = Path(__file__).resolve().parent.parent


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", ROOT / "examples" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_a_linear_model_fails_on_xor() -> None:
    """No line separates the four points: at its optimum the loss is log 2, and every probability one half."""
    train_xor = script("train_xor")
    for seed in range(20):
        model, history = train_xor.train_linear(seed)
        assert train_xor.right(model) <= 3
        assert history.loss.min() > np.log(2) - 1e-9
    np.testing.assert_allclose(model.predict(x=train_xor.X).p, 0.5, atol=1e-2)


def test_two_layers_learn_xor_from_nearly_every_seed() -> None:
    train_xor = script("train_xor")
    learned = 0
    for seed in range(20):
        model, history = train_xor.train(seed)
        assert history.steps < 1000
        learned += train_xor.right(model) == 4
    assert learned >= 19


def test_digits_reach_97_percent_of_the_quarter_held_out() -> None:
    pytest.importorskip("sklearn")
    train_digits = script("train_digits")
    _, held_out = train_digits.data()
    assert len(held_out["y"]) == 450
    model, history, seen, unseen = train_digits.train()
    assert unseen >= 0.97 and seen > unseen
    assert history.loss[-1] < history.loss[0]


def test_the_support_vector_machine_of_the_textbook_reads_digits() -> None:
    """In index notation, and beside the same model with the library's hinge loss."""
    pytest.importorskip("sklearn")
    train, held_out = script("train_digits").data()
    named = load((ROOT / "examples" / "svm_linear.gw").read_text(encoding="utf-8"), name="svm_linear").Model(seed=0)
    model = load((ROOT / "examples" / "svm.gw").read_text(encoding="utf-8"), name="svm").Model(seed=0)
    (out, g), (other, h) = (m.value_and_grad(**held_out) for m in (model, named))
    np.testing.assert_allclose(out.s, other.scores, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose([out.loss, *g.W.ravel()], [other.loss, *h.W.ravel()], rtol=1e-10, atol=1e-14)
    history = model.fit(train, optimizer=Adam(lr=0.01), epochs=60, batch_size=64)
    found = model.predict(x=held_out["x"]).s.argmax(1)
    assert history.loss[-1] < 0.2 * history.loss[0]
    assert (found == held_out["y"]).mean() >= 0.94


def test_the_same_seed_gives_the_same_bits() -> None:
    train_xor = script("train_xor")
    first, second = train_xor.train(5)[0], train_xor.train(5)[0]
    assert first.theta.tobytes() == second.theta.tobytes()
    assert first.theta.tobytes() != train_xor.train(6)[0].theta.tobytes()


def test_the_demo_runs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    demo = script("demo")
    demo.train_xor.main(seeds=2)
    demo.train_digits.main()
    for name in ("train_xor", "train_digits"):
        sys.modules.pop(name)
    text = capsys.readouterr().out
    assert "right 4 of 4" in text and "held out" in text
