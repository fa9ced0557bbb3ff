"""Build handmade.pyx as a generated module is built: Cython, then the C compiler, into a folder."""
from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from gradwright.runtime import face

HERE = Path(__file__).parent
INCLUDE = HERE.parent.parent / "runtime" / "include"

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float64)
Y = np.array([[0], [1], [1], [0]], np.float64)

_built: dict[str, Path] = {}


def build(folder: Path, name: str = "handmade_c", *, bytecode: bool = True) -> Path:
    """The shared object's path."""
    source = (HERE / "handmade.pyx").read_text()
    spec = (HERE / "handmade.py").read_text()
    literal = spec[spec.index("_SPEC = {"):spec.index("\n}\n") + 3].replace('"backend": "numpy"', '"backend": "cython"')
    start, stop = source.index("_SPEC = {}"), source.index("\n\ninclude")
    pyx = folder / f"{name}.pyx"
    pyx.write_text(source[:start] + literal + source[stop:])
    subprocess.run([sys.executable, "-m", "cython", "-3", "-I", str(INCLUDE), str(pyx)], check=True)
    if bytecode:
        (folder / face.HEADER).write_text(face.code_header())
    shared = folder / (name + str(sysconfig.get_config_var("EXT_SUFFIX")))
    subprocess.run([compiler(), "-shared", "-fPIC", "-O2", "-w",
                    "-I", sysconfig.get_paths()["include"], "-I", str(INCLUDE), "-I", str(folder),
                    *(["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []),
                    str(pyx.with_suffix(".c")), "-o", str(shared)], check=True)
    return shared


def compiler() -> str:
    return str(sysconfig.get_config_var("CC") or "cc").split()[0]


def shared_object() -> Path:
    """The built module, once for a run of the tests."""
    if "path" not in _built:
        if shutil.which(compiler()) is None:
            pytest.skip("no C compiler")
        folder = tempfile.TemporaryDirectory(prefix="gradwright-tests-")
        _built["folder"] = folder      # type: ignore[assignment]   # lives as long as the run
        _built["path"] = build(Path(folder.name))
    return _built["path"]


def load(shared: Path) -> ModuleType:
    name = shared.name.split(".")[0]
    spec = importlib.util.spec_from_file_location(name, shared)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[name] = module
    return module


def compiled() -> ModuleType:
    return sys.modules.get("handmade_c") or load(shared_object())


def backends() -> Callable[..., Any]:
    """A fixture: the module by hand, once in NumPy and once compiled."""

    @pytest.fixture(params=["numpy", "cython"], name="xor")
    def xor(request: pytest.FixtureRequest) -> ModuleType:
        if request.param == "cython":
            return compiled()
        from . import handmade
        return handmade

    return xor
