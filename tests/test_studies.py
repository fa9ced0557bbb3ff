"""The scripts of examples/studies on their real data, in a short form, with what they must find."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytestmark = pytest.mark.unoptimised

STUDIES = Path(__file__).resolve().parent.parent / "examples" / "studies"
Script = Callable[[str], ModuleType]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Script]:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.syspath_prepend(str(STUDIES))
    monkeypatch.setattr(sys, "argv", ["script", str(tmp_path)])
    for path in STUDIES.glob("*.py"):  # a model of that name may have been loaded
        sys.modules.pop(path.stem, None)
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


def test_every_activation_beside_its_slope(script: Script, tmp_path: Path) -> None:
    found, worst = script("activations").main(backend="numpy")
    assert worst < 1e-8
    library = (STUDIES.parent.parent / "compiler" / "library" / "activations.gw").read_text(encoding="utf-8")
    assert {line[4:].partition("(")[0] for line in library.splitlines() if line.startswith("def ")} <= set(found)
    assert pictures(tmp_path) == ["activations.png"]


@pytest.mark.slow
def test_a_recurrent_network_learns_to_carry(script: Script, tmp_path: Path) -> None:
    found = script("adder").main(epochs=12)
    assert found[6] > 0.97 and found[17] > 0.9
    assert pictures(tmp_path) == ["adder.png"]


@pytest.mark.slow
def test_pieces_of_photographs(script: Script, tmp_path: Path) -> None:
    module = script("cifar")
    (seen, _), (unseen, _) = module.pieces(step=32)
    assert seen.shape[1:] == unseen.shape[1:] == (32, 32, 3)
    assert not {image.tobytes() for image in seen} & {image.tobytes() for image in unseen}
    found = module.main(epochs=2)
    assert all(learned > 0.4 and held_out > 0.25 for learned, held_out in found.values())  # by chance: 0.1
    assert pictures(tmp_path) == ["cifar_linear.png", "cifar_three_layers.png", "cifar_two_layers.png"]


def test_the_batches_of_cifar_are_read(script: Script, tmp_path: Path) -> None:
    import pickle

    images = np.arange(2 * 3072, dtype=np.uint8).reshape(2, 3072)
    for name in (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"):
        (tmp_path / name).write_bytes(pickle.dumps({b"data": images, b"labels": [3, 9]}))
    (seen, labels), (unseen, _) = script("cifar").cifar(tmp_path)
    assert seen.shape == (10, 32, 32, 3) and unseen.shape == (2, 32, 32, 3) and labels.tolist() == 5 * [3, 9]
    np.testing.assert_array_equal(seen[0, :, :, 1].ravel(), images[0, 1024:2048])
    (tmp_path / "test_batch").write_bytes(pickle.dumps({b"data": Path, b"labels": []}))
    with pytest.raises(pickle.UnpicklingError, match="has no place in a file of images"):
        script("cifar").cifar(tmp_path)


@pytest.mark.slow
def test_recurrent_networks_learn_a_text(script: Script, tmp_path: Path) -> None:
    found = script("char_recurrent").main(epochs=2, length=60_000)
    assert all(bits < 4.2 for bits in found.values())  # 4.8 from how often each character comes
    assert pictures(tmp_path) == ["char_recurrent.png"]


@pytest.mark.slow
def test_a_variational_autoencoder_of_digits(script: Script, tmp_path: Path) -> None:
    before, after, part = script("vae").main(epochs=60)
    assert after < 0.65 * before and part > 0.4  # by chance: 0.1
    assert pictures(tmp_path) == ["vae.png"]


@pytest.mark.slow
def test_attention_learns_a_text_and_shows_what_it_looks_at(script: Script, tmp_path: Path) -> None:
    model, bits = script("char_transformer").main(epochs=1, length=40_000)
    assert bits < 4.4  # 4.8 from how often each character comes
    looks = model.predict(x=np.arange(128).reshape(2, 64) % 96).looks
    np.testing.assert_allclose(looks.sum(axis=3), 1, rtol=1e-5)
    assert looks.shape == (2, 4, 64, 64) and not np.triu(looks, 1).any()
    assert pictures(tmp_path) == ["char_transformer.png"]


@pytest.mark.slow
def test_a_turing_machine_learns_to_copy(script: Script, tmp_path: Path) -> None:
    history, found = script("turing").main(steps=1200)
    assert history.loss[-1] < 0.2 and found[4] < 0.15  # by chance: 0.5
    assert pictures(tmp_path) == ["turing.png"]


def test_the_shapes_of_the_course(script: Script, tmp_path: Path) -> None:
    shapes, weights = script("shapes").main(backend="numpy")
    assert shapes == {"maps": (6, 28, 28), "stride_1": (1, 5, 5), "stride_2": (1, 3, 3), "padded": (1, 7, 7)}
    assert weights == 6 * (5 * 5 * 3 + 1)
    assert pictures(tmp_path) == ["shapes.png"]
