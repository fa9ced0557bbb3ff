"""``generated/`` in the repository is what the compiler makes of ``examples/``: not stale, and what it says is what runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradwright.compiler import driver
from gradwright.compiler.build.compile import build_module
from gradwright.compiler.build.modules import import_file

ROOT = Path(__file__).resolve().parent.parent
MODELS = sorted((ROOT / "examples").glob("*.gw"))


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # generated text names its source as the command was given it


@pytest.mark.parametrize("model", MODELS, ids=lambda p: p.stem)
def test_what_is_committed_is_what_the_compiler_makes(model: Path, golden: Callable[[str, str], None]) -> None:
    texts = driver.compile_model(model.relative_to(ROOT), stop_after="cython").value
    assert {name.partition(".")[2] for name in texts} == {"pyx", "pyi", "map.json"}
    for name, text in texts.items():
        golden(f"generated/{name}", text)


def test_nothing_is_left_of_models_that_are_gone() -> None:
    known = {driver.module_name(model.stem) for model in MODELS}
    sources = [p for p in (ROOT / "generated").glob("*") if p.name.endswith((".pyx", ".pyi", ".map.json"))]
    assert {p.name.split(".")[0] for p in sources} <= known


@pytest.mark.parametrize("model", MODELS, ids=lambda p: p.stem)
def test_what_is_committed_is_built_and_its_gradient_is_right(model: Path, tmp_path: Path) -> None:
    """The directional derivative against a central difference, from the committed text."""
    name = driver.module_name(model.stem)
    text = (ROOT / "generated" / f"{name}.pyx").read_text(encoding="utf-8")
    module = import_file(name, build_module(name, text, tmp_path), f"committed {name}")
    spec = module._SPEC
    rng = np.random.default_rng(7)
    sizes = dict.fromkeys(spec["sizes"], 3)

    def shape(dims: Any) -> tuple[int, ...]:
        return tuple(sizes[d] if isinstance(d, str) else d for d in dims)

    inputs = {i["name"]: rng.uniform(0.1, 0.9, shape(i["shape"])) for i in spec["inputs"] if i["kind"] == "real"}
    labels = {i["name"]: rng.integers(0, i["below"], shape(i["shape"])) for i in spec["inputs"] if i["kind"] == "index"}
    inputs |= labels
    net = module.Model(seed=3)
    out = net.forward(**inputs)
    assert all(np.all(np.isfinite(np.asarray(out[o["name"]], float))) for o in spec["outputs"])
    gradients = net.backward()
    step, tolerance = (1e-6, 1e-7) if spec["dtype"] == "float64" else (1e-2, 2e-3)
    target = spec["targets"][0]["name"]
    for wrt, role in spec["targets"][0]["wrt"]:
        place = net.params[wrt] if role == "param" else inputs[wrt]
        direction = rng.normal(size=np.shape(place))
        direction /= np.sqrt((direction**2).sum())
        values = []
        for sign in (1, -1):
            moved = np.array(place) + sign * step * direction
            if role == "param":
                kept = np.array(place)
                place[...] = moved
                values.append(float(net.forward(**inputs)[target]))
                place[...] = kept
            else:
                values.append(float(net.forward(**(inputs | {wrt: moved}))[target]))
        slope = float((np.asarray(gradients[wrt], float) * direction).sum())
        numerical = (values[0] - values[1]) / (2 * step)
        assert abs(slope - numerical) <= tolerance * max(1.0, abs(slope)), (wrt, slope, numerical)
