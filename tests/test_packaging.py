"""A wheel works as well as a checkout: nothing that the compiler reads at run time stays behind."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

XOR = """\
size   N, H = 8
input  x[N, 2], y[N, 1]
param  W1[2, H] ~ glorot_uniform
param  b1[H]    = 0
param  W2[H, 1] ~ glorot_uniform
param  b2[1]    = 0
h = tanh(x @ W1 + b1)
output p = sigmoid(h @ W2 + b2)
minimize mean(binary_cross_entropy(p, y))
"""

USE_IT = """\
import sys
import numpy as np
import gradwright.compiler, gradwright.runtime
for package in (gradwright.compiler, gradwright.runtime):
    assert package.__path__[0].startswith(sys.prefix), package.__path__
from generated import xor
model = xor.Model(seed=0)
x = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
y = np.array([[0.0], [1], [1], [0]])
out, g = model.value_and_grad(x=x, y=y)
loss = float(out.loss)
step = 1e-6
model.params.b2[...] += step
above = float(model.forward(x=x, y=y).loss)
model.params.b2[...] -= 2 * step
below = float(model.forward(x=x, y=y).loss)
assert abs((above - below) / (2 * step) - float(g.b2[0])) < 1e-8, ((above - below) / (2 * step), g.b2)
print("works", round(loss, 3) > 0)
"""


def run(command: list[str | Path], cwd: Path, **environment: str) -> str:
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=kept | environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a clean copy of the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    tree.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, tree / name)
    for name in ("compiler", "runtime"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    run([sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--no-index", "--wheel-dir", folder, tree], folder)  # fmt: skip
    (found,) = folder.glob("*.whl")
    return found


def test_every_package_is_listed() -> None:
    packages = {
        ".".join(("gradwright", *path.parent.relative_to(ROOT).parts))
        for top in ("compiler", "runtime")
        for path in (ROOT / top).rglob("__init__.py")
    }
    assert packages == set(PROJECT["tool"]["setuptools"]["packages"])


def test_the_wheel_holds_every_file_that_is_needed(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(next(n for n in names if n.endswith("/METADATA"))).decode()
    wanted = {
        f"gradwright/{path.relative_to(ROOT).as_posix()}"
        for top in ("compiler", "runtime")
        for path in (ROOT / top).rglob("*")
        if path.is_file() and not any(p.startswith((".", "__pycache__")) for p in path.relative_to(ROOT).parts)
    }
    assert wanted <= names, sorted(wanted - names)
    assert {n.split("/")[0] for n in names} == {"gradwright", f"gradwright-{PROJECT['project']['version']}.dist-info"}
    assert "License-Expression: BSD-3-Clause" in metadata
    assert any(n.endswith("licenses/LICENSE") for n in names)


def test_versions_agree() -> None:
    from gradwright.compiler import __version__

    assert __version__ == PROJECT["project"]["version"]


def test_a_wheel_in_an_empty_environment_compiles_a_model(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "env"
    venv.create(home, with_pip=False, symlinks=True)
    (site,) = home.glob("lib/python*/site-packages")
    run([sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", home / "bin" / "python", "install", "--quiet",
         "--no-deps", "--no-index", wheel], tmp_path)  # fmt: skip
    # The dependencies come from the environment that runs the tests, each by itself: not its editable gradwright.
    import click

    deps = Path(click.__file__).parent.parent
    for path in sorted(deps.iterdir()):
        if "gradwright" not in path.name.lower() and path.suffix != ".pth" and not (site / path.name).exists():
            (site / path.name).symlink_to(path)
    (tmp_path / "xor.gw").write_text(XOR)
    settings = {"GRADWRIGHT_CACHE": str(tmp_path / "cache"), "PATH": f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    run([home / "bin" / "gradwright", "compile", "xor.gw"], tmp_path, **settings)
    assert {p.suffix for p in (tmp_path / "generated").iterdir()} >= {".pyx", ".pyi", ".json", ".so"}
    assert run([home / "bin" / "python", "-c", USE_IT], tmp_path, **settings) == "works True\n"
    assert re.search(r"no errors", run([home / "bin" / "gradwright", "check", "xor.gw"], tmp_path, **settings))


TYPED = """\
import numpy as np
from generated import xor
from generated.xor import Model
from gradwright.runtime import (
    Adam, Checkpoint, Cosine, EarlyStopping, GradwrightError, History, Info, bench, gradcheck, load, read_data, sample_inputs,
)
from numpy.typing import NDArray

Array = NDArray[np.float64]
x: Array = np.zeros((4, 2))
y: Array = np.ones((4, 1))
model: Model = xor.Model(seed=0)
w1: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = model.params.W1
p = model.predict(x=x).p
mean: float = float(p.mean())


def watch(info: Info) -> bool:
    return info.epoch > 3


history: History = model.fit({"x": x, "y": y}, Adam(lr=Cosine(1e-2, warmup=1)), epochs=3, batch_size=2, validation=0.5,
                             metrics=["mse"], callbacks=[EarlyStopping(patience=3), watch], clip_norm=1.0, progress=False)
losses: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = history.loss
last: float = float(history["val_loss"][-1])
epochs: int = history.epochs
step: float = model.step(Adam(lr=0.1), x=x, y=y)
out, g = model.value_and_grad(x=x, y=y)
total = float(out.loss) + float(g.W1.sum())
model.save("xor.safetensors")
again: Model = Model.load("xor.safetensors")
print(model.summary(N=4), gradcheck(model, x=x, y=y), bench(model, [1, 4], seconds=0.01))
print(sample_inputs(model, {"N": 4}), read_data("xor.npz"), load("xor.gw").Model(), Checkpoint("a.safetensors"))
try:
    model.forward(x=x, y=y)
except GradwrightError as error:
    print(error)
"""
MISTYPED = {
    "model.params.W3": '"Params" has no attribute "W3"',
    "history.loss.no_such": 'has no attribute "no_such"',
    "model.fit({'x': x}, epochs='three')": 'Argument "epochs" to "fit" of "Model" has incompatible type "str"',
    "history.epochs.real.nothing": '"int" has no attribute "nothing"',
}


def test_what_a_user_writes_is_typed(wheel: Path, tmp_path: Path) -> None:
    """mypy --strict over a user's script, with the package as it is installed and a module as it is compiled."""
    pytest.importorskip("mypy")
    import numpy
    from gradwright.compiler import driver

    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    (site,) = (tmp_path / "env").glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (site / "numpy").symlink_to(Path(numpy.__file__).parent)
    (tmp_path / "xor.gw").write_text(XOR)
    driver.compile_model(tmp_path / "xor.gw", out=tmp_path / "generated", backend="numpy")
    (tmp_path / "right.py").write_text(TYPED)
    (tmp_path / "wrong.py").write_text(TYPED + "\n".join(MISTYPED) + "\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--python-executable", tmp_path / "env/bin/python"]
    assert "no issues found" in run([*command, "right.py"], tmp_path, PATH=os.environ["PATH"])
    done = subprocess.run([*map(str, command), "wrong.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    for message in MISTYPED.values():
        assert message in done.stdout, done.stdout
    assert done.stdout.count(": error:") == len(MISTYPED), done.stdout
