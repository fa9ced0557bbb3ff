"""What may import what, in one table; and what is not imported until it is needed."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# A stage may import itself and the ones to its left.
ORDER = ("language", "pygments", "library", "graph", "ops", "meaning", "elaborate", "derive", "passes",
         "loops", "emit", "build", "driver", "commands", "cli")  # fmt: skip
# What a stage may import from outside the standard library. NumPy is for the interpreter; SymPy has one door.
LIBRARIES = {
    "language": {"lark"},  # lalr.py alone, which makes tables.py from the grammar and does not run in the product
    "pygments": {"pygments"},
    "ops": {"numpy"},
    "meaning": {"numpy"},
    "derive": {"sympy", "mpmath", "platformdirs"},
    "build": {"Cython", "filelock", "platformdirs"},
    "commands": {"click", "numpy", "matplotlib"},
    "cli": {"click"},
    "__main__": set(),
}
RUNTIME_LIBRARIES = {"numpy", "rich", "safetensors", "matplotlib", "scipy", "gradwright"}
# These alone start programs or write files.
MAY_ACT = {"build"}


def modules(top: str) -> list[Path]:
    return sorted(p for p in (ROOT / top).rglob("*.py") if "__pycache__" not in p.parts)


def stage(path: Path) -> str:
    first = path.relative_to(ROOT / "compiler").parts[0]
    return first.removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every import in a file, also those inside functions, as (line, full name)."""
    package = ["gradwright", *path.parent.relative_to(ROOT).parts]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            head = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{head}.{alias.name}") for alias in node.names)


@pytest.mark.parametrize("path", modules("compiler"), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_arrow_points_up(path: Path) -> None:
    here = stage(path)
    if here in ("__init__", "__main__"):
        allowed = set(ORDER) | {"__version__"}
    else:
        assert here in ORDER, f"{path} belongs to no stage"
        allowed = set(ORDER[: ORDER.index(here) + 1]) | {"__version__"}
    for line, name in imports(path):
        where = f"{path.relative_to(ROOT)}:{line} imports {name}"
        parts = name.split(".")
        if parts[:2] == ["gradwright", "compiler"]:
            assert parts[2] in allowed, where
        elif name.startswith("gradwright.runtime.errors"):
            assert here in ("language", "build", "driver"), where  # one family of errors: its root is the runtime's
        elif name.startswith("gradwright.runtime.draws"):
            assert here == "meaning", where  # random numbers are what this says, wherever they are drawn
        elif name.startswith("gradwright.runtime.special"):
            assert here in ("derive", "meaning"), where  # functions that Python and NumPy lack
        elif parts[0] == "gradwright":
            assert here in ("build", "driver", "commands"), where
        elif parts[0] not in sys.stdlib_module_names:
            assert parts[0] in LIBRARIES.get(here, set()), where


@pytest.mark.parametrize("path", modules("runtime"), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_the_runtime_never_imports_the_compiler(path: Path) -> None:
    for line, name in imports(path):
        where = f"{path.relative_to(ROOT)}:{line} imports {name}"
        assert not name.startswith("gradwright.compiler"), where
        first = name.split(".")[0]
        assert first in sys.stdlib_module_names or first in RUNTIME_LIBRARIES, where


@pytest.mark.parametrize("path", modules("compiler"), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_only_the_build_starts_programs_and_nothing_evaluates_text(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for line, name in imports(path):
        if name.split(".")[0] in ("subprocess", "pickle", "shelve", "ctypes"):
            assert name.startswith("subprocess") and stage(path) in MAY_ACT, f"{path.relative_to(ROOT)}:{line} imports {name}"
    forbidden = {"eval", "exec", "sympify", "parse_expr", "system", "popen"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            assert called not in forbidden, f"{path.relative_to(ROOT)}:{node.lineno} calls {called}"


def test_dependencies_are_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"[<>=!~ ]", d)[0].lower() for d in project["dependencies"]}
    optional = {"lark", "matplotlib", "pygments", "safetensors", "scipy"}
    used = {
        name.split(".")[0].lower()
        for top in ("compiler", "runtime")
        for path in modules(top)
        for _, name in imports(path)
        if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("gradwright")
    }
    assert used - declared - optional - {"mpmath"} == set()  # mpmath comes with SymPy


def loaded_after(statement: str) -> set[str]:
    """The top-level packages in sys.modules after a statement in a fresh process."""
    program = f"import sys; {statement}; print(' '.join(sorted({{m.split('.')[0] for m in sys.modules}} | set(sys.modules))))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=dict(os.environ))
    return set(done.stdout.split())


def test_the_command_starts_without_the_heavy_packages() -> None:
    loaded = loaded_after("import gradwright.compiler.cli")
    assert not loaded & {"sympy", "Cython", "numpy", "lark", "rich", "filelock", "setuptools"}


def test_the_driver_starts_without_the_heavy_packages() -> None:
    loaded = loaded_after("import gradwright.compiler.driver")
    assert not loaded & {"sympy", "Cython", "numpy", "lark", "rich", "filelock", "setuptools", "click"}


def test_the_runtime_brings_no_compiler() -> None:
    loaded = loaded_after("import gradwright.runtime")
    assert not loaded & {"sympy", "Cython", "lark", "gradwright.compiler", "setuptools", "click"}
