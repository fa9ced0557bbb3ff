"""``generated/`` in the repository is what the compiler makes of ``examples/``: not stale, and what it says is what runs."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradwright.compiler import driver
from gradwright.compiler.build.compile import build_module
from gradwright.compiler.build.modules import import_file
from gradwright.compiler.build.toolchain import toolchain
from support import settings
from support.settings import OPTIMISED

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
    tools = toolchain().at_level(OPTIMISED if name in ("lenet", "lstm") else settings.level)
    module = import_file(name, build_module(name, text, tmp_path, tools=tools), f"committed {name}")
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
    step, tolerance = (1e-6, 1e-7) if spec["dtype"] == "float64" else (2e-3, 2e-3)
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


@pytest.mark.parametrize("model", MODELS, ids=lambda p: p.stem)
def test_every_line_says_where_it_comes_from(model: Path) -> None:
    """The map has a row for each line; each statement of a kernel answers to a piece of a text that is there."""
    name = driver.module_name(model.stem)
    lines = (ROOT / "generated" / f"{name}.pyx").read_text(encoding="utf-8").splitlines()
    found = json.loads((ROOT / "generated" / f"{name}.map.json").read_text(encoding="utf-8"))
    assert found["file"] == f"{name}.pyx"
    assert list(found["lines"]) == [str(k + 1) for k in range(len(lines))]
    assert all(row["rule"] for rows in found["lines"].values() for row in rows)
    first = next(k for k, line in enumerate(lines) if line.startswith("cdef void"))
    last = next(k for k, line in enumerate(lines) if line.startswith("# What follows"))
    frame = ("cdef ", "#", "def ", "return")
    for k in range(first, last):
        rows = found["lines"][str(k + 1)]
        spans = [span for row in rows for span in row["spans"]]
        if any(row["rule"] == "frame" for row in rows):
            text = lines[k].strip()
            assert not text or text.startswith(frame) or text.endswith((",", ":")), lines[k]
        else:
            assert spans or all(row["rule"] == "zero" for row in rows), lines[k]
        for file, line, column, end_line, end_column in spans:
            source = ROOT / file if (ROOT / file).exists() else ROOT / "compiler" / "library" / Path(file).name
            text = source.read_text(encoding="utf-8").splitlines()
            assert 1 <= line <= end_line <= len(text)
            assert 1 <= column <= len(text[line - 1]) + 1 and 1 <= end_column <= len(text[end_line - 1]) + 2


def test_nothing_in_it_belongs_to_one_machine_or_one_day() -> None:
    """No path of this machine, no date, no name that was made up."""
    for path in sorted((ROOT / "generated").glob("*")):
        if path.suffix in (".pyx", ".pyi", ".json"):
            text = path.read_text(encoding="utf-8")
            assert str(ROOT) not in text and str(Path.home()) + "/" not in text, path.name
            assert not re.search(r"(?<![\w*])/(?:home|usr|tmp|root|work|Users)/", text), path.name
            assert not re.search(r"\b20\d\d-\d\d-\d\d\b|\b\d\d:\d\d:\d\d\b", text), path.name
            assert not re.search(r"\b_?tmp\d+\b|0x[0-9a-f]{8}", text), path.name


def test_the_same_bytes_whatever_the_hash_seed() -> None:
    program = (
        "import hashlib, sys\n"
        "from gradwright.compiler.driver import compile_model\n"
        "for model in sys.argv[1:]:\n"
        "    for name, text in sorted(compile_model(model, stop_after='cython').value.items()):\n"
        "        print(name, hashlib.sha256(text.encode()).hexdigest())\n"
    )
    models = [str(m.relative_to(ROOT)) for m in MODELS]
    committed = {}
    for path in (ROOT / "generated").glob("*"):
        if path.suffix in (".pyx", ".pyi", ".json"):
            committed[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    for seed in ("0", "1", "2"):
        done = subprocess.run([sys.executable, "-c", program, *models], capture_output=True, text=True, check=True, cwd=ROOT,
                              env={**os.environ, "PYTHONHASHSEED": seed})  # fmt: skip
        assert dict(line.split() for line in done.stdout.splitlines()) == committed, f"PYTHONHASHSEED={seed}"


def test_the_header_says_what_the_model_does_not_name() -> None:
    """In the user's own words, where a line or a comment has such a name; what a function does inside has none."""
    text = """\
size N
input x[N, 4], y[N, 2]
param W[4, 2]
param b[2]
z = tanh((x @ W  # the product
          + b) / 2)
minimize mean((z - y)**2) + 0.1 * sum(softplus(W @ transpose(W)))
"""
    made = driver.compile_model(text, stop_after="cython").text
    header = made.split('"""')[1]
    told = [" ".join(line.split()) for line in header[header.index("Unnamed") : header.index("Operations")].splitlines()]
    assert told == [
        "Unnamed z_matmul1 = x @ W",
        "z_add1 = x @ W + b",
        "z_div1 = (x @ W + b) / 2",
        "loss_sub1 = z - y",
        "loss_pow1 = (z - y)**2",
        "loss_mean1 = mean((z - y)**2)",
        "loss_transpose1 = transpose(W)",
        "loss_matmul1 = W @ transpose(W)",
        "loss_softplus1 = softplus(W @ transpose(W))",
        "loss_sum2 = sum(softplus(W @ transpose(W)))",
    ]
    for line in told:  # and each of them is somewhere in the code
        assert re.search(rf"\b(d_)?{line.removeprefix('Unnamed ').split()[0]}\b", made.split('"""', 2)[2])
