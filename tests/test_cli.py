"""The command: what it prints, where, with which exit code; and what the driver remembers."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from gradwright.compiler import cli, driver
from gradwright.compiler.build import cache
from gradwright.compiler.build.compile import suffix
from gradwright.compiler.language.diagnostics import ModelError
from support.caches import own_place
from support.command import gradwright

PRODUCT = "input  x, y, z\nq = x + y\noutput f = q * z\n"
LAYER = """\
size   N, H = 3
input  x[N, 2]
param  W[2, H] ~ normal(0, 1)
h = tanh(x @ W)
output s = sum(h, axis=1)
minimize mean(s**2)
"""
WRONG = "input  x[2]\nparam  w[3]\noutput f = x @ w\noutput g = nothing + 1\n"


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    own_place(tmp_path, tmp_path_factory.getbasetemp() / "cache", monkeypatch)
    monkeypatch.delenv("NO_COLOR", raising=False)
    (tmp_path / "product.gw").write_text(PRODUCT)
    (tmp_path / "layer.gw").write_text(LAYER)
    (tmp_path / "wrong.gw").write_text(WRONG)
    return tmp_path


# ---------------------------------------------------------------- compile


def test_compile_writes_the_module_and_its_sources(workplace: Path) -> None:
    done = gradwright("compile", "product.gw")
    assert (done.exit_code, done.stderr) == (0, ""), done.stderr
    assert done.stdout.startswith("product.gw -> generated/product.*")
    names = {p.name for p in (workplace / "generated").iterdir()}
    assert names == {"product.pyx", "product.pyi", "product.map.json", f"product{suffix()}"}
    program = "from generated import product; print(product.Model().forward(x=-2.0, y=5.0, z=-4.0).f)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert float(ran.stdout) == -12


def test_a_second_compile_elaborates_nothing_and_is_fast(workplace: Path) -> None:
    assert gradwright("compile", "product.gw").exit_code == 0
    inodes = {p.name: p.stat().st_ino for p in (workplace / "generated").iterdir()}
    program = "import sys; from gradwright.compiler.cli import main; main(standalone_mode=False, prog_name='gradwright'); " \
              "print(sorted({m.split('.')[0] for m in sys.modules} & {'sympy', 'Cython', 'numpy', 'filelock', 'rich'}), " \
              "'gradwright.compiler.language.parser' in sys.modules)"  # fmt: skip
    started = time.perf_counter()
    ran = subprocess.run([sys.executable, "-c", program, "compile", "product.gw"], capture_output=True, text=True, check=True)
    assert time.perf_counter() - started < 3.0  # on an idle machine 0.2
    assert "from the cache" in ran.stdout and ran.stdout.endswith("[] False\n"), ran.stdout
    assert {p.name: p.stat().st_ino for p in (workplace / "generated").iterdir()} == inodes


def test_the_same_model_gives_the_same_bytes_under_any_hash_seed(workplace: Path) -> None:
    texts = []
    for seed in ("0", "1", "2"):
        environment = dict(os.environ, PYTHONHASHSEED=seed)
        command = [sys.executable, "-m", "gradwright.compiler", "compile", "layer.gw", "--stop-after", "cython"]
        texts.append(subprocess.run(command, capture_output=True, check=True, env=environment).stdout)
    assert texts[0] and texts[0] == texts[1] == texts[2]
    assert str(workplace).encode() not in texts[0]


def test_options_change_the_module(workplace: Path) -> None:
    assert gradwright("compile", "layer.gw", "-o", "out", "--set", "H=16", "--dtype", "float32").exit_code == 0
    text = (workplace / "out" / "layer.pyx").read_text()
    assert "gradwright compile layer.gw --dtype float32 --set H=16" in text
    spec = driver.load("layer.gw", sizes={"H": 16}, dtype="float32").Model(seed=0)
    assert spec.params.W.shape == (2, 16) and spec.params.W.dtype == np.float32
    assert driver.load("layer.gw").Model(seed=0).params.W.shape == (2, 3)


@pytest.mark.parametrize("stage", driver.STAGE_NAMES)
def test_every_stage_prints_itself_and_writes_nothing(stage: str, workplace: Path) -> None:
    done = gradwright("compile", "layer.gw", "--stop-after", stage)
    assert done.exit_code == 0 and done.stderr == ""
    assert "tanh" in done.stdout
    assert not (workplace / "generated").exists()


def test_the_stages_of_the_command_are_those_of_the_driver() -> None:
    assert driver.STAGE_NAMES == cli.STAGES


def test_the_numpy_backend_needs_no_compiler_and_agrees(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=(5, 2))
    fast = driver.load("layer.gw").Model(seed=1)
    monkeypatch.setenv("CC", "no-such-compiler")
    slow = driver.load("layer.gw", backend="numpy").Model(seed=1)
    (out, g), (expected, d) = slow.value_and_grad(x=x), fast.value_and_grad(x=x)
    np.testing.assert_allclose(out.s, expected.s, rtol=1e-14)
    np.testing.assert_allclose(out.loss, expected.loss, rtol=1e-14)
    np.testing.assert_allclose(g.W, d.W, rtol=1e-12, atol=1e-15)
    assert gradwright("compile", "layer.gw", "--backend", "numpy").exit_code == 0
    assert {p.name for p in (workplace / "generated").iterdir()} == {"layer.py", "layer.pyi"}
    program = "from generated import layer; print(layer.Model(seed=0).predict(x=[[0, 0]]).s)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[0.]\n"


def test_one_backend_replaces_the_other(workplace: Path) -> None:
    for backend, kept in (("cython", suffix()), ("numpy", ".py"), ("cython", suffix())):
        assert gradwright("compile", "product.gw", "--backend", backend).exit_code == 0
        names = {p.name for p in (workplace / "generated").iterdir()}
        assert {f"product{end}" for end in (suffix(), ".py")} & names == {f"product{kept}"}


@pytest.mark.parametrize("stem", ["if", "my-net", "numpy", "σ", "2layer"])
def test_a_file_of_any_name_gives_a_module_that_can_be_imported(stem: str, workplace: Path) -> None:
    (workplace / f"{stem}.gw").write_text(PRODUCT)
    done = gradwright("compile", f"{stem}.gw", "--backend", "numpy")
    assert done.exit_code == 0, done.stderr
    name = next(p.stem for p in (workplace / "generated").glob("*.py"))
    assert (name == stem) or f"the module is called {name}" in done.stdout
    program = f"import sys; from generated import {name} as m; sys.path.insert(0, 'generated'); import numpy; " \
              "print(m.Model().predict(x=1, y=2, z=3).f, numpy.pi > 3)"  # fmt: skip
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "9.0 True\n"


# ---------------------------------------------------------------- check, graph, derive, explain


def test_check_says_that_all_is_well() -> None:
    done = gradwright("check", "product.gw", "layer.gw")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "product.gw: no errors\nlayer.gw: no errors\n", "")


def test_errors_go_to_stderr_with_the_users_lines_and_exit_code_1(workplace: Path) -> None:
    for command in ("check", "compile", "graph", "derive"):
        done = gradwright(command, "wrong.gw")
        assert done.exit_code == 1 and done.stdout == ""
        assert "wrong.gw:3:" in done.stderr and "wrong.gw:4:" in done.stderr and "nothing" in done.stderr
        assert done.stderr.rstrip().endswith("2 errors")
        assert "\x1b" not in done.stderr  # no colour: this is no terminal
    assert not list((workplace / "generated").glob("*"))


def test_check_goes_on_after_a_wrong_file() -> None:
    done = gradwright("check", "wrong.gw", "product.gw")
    assert done.exit_code == 1 and done.stdout == "product.gw: no errors\n"


def test_warnings_come_again_from_the_cache(workplace: Path) -> None:
    (workplace / "unused.gw").write_text("input x, y\noutput f = x * 2\n")
    first, second = gradwright("compile", "unused.gw"), gradwright("compile", "unused.gw")
    assert first.exit_code == second.exit_code == 0
    assert "compiled" in first.stdout and "from the cache" in second.stdout
    assert "warning[W" in first.stderr and "unused.gw:1:10" in first.stderr
    assert first.stderr == second.stderr


def test_graph_as_text_dot_and_mermaid() -> None:
    assert "f = q * z" in gradwright("graph", "product.gw").stdout
    dot = gradwright("graph", "product.gw", "--format", "dot").stdout
    assert dot.startswith('digraph "product" {') and '"q" -> "f";' in dot and dot.rstrip().endswith("}")
    assert "flowchart TB" in gradwright("graph", "product.gw", "--format", "mermaid").stdout


def test_derive_shows_every_step_of_a_gate(workplace: Path) -> None:
    (workplace / "gate.gw").write_text("input x\noutput f = 1 / (1 + exp(-x))\n")
    text = gradwright("derive", "gate.gw").stdout
    for line in ("sigmoid", "gate.gw:2", "from SymPy", "simplified", "with the output  y * (1 - y)", "because", "proved"):
        assert line in text, text


def test_derive_of_a_product_needs_nothing() -> None:
    assert "need no derivation" in gradwright("derive", "product.gw").stdout


def test_explain_prints_a_page_and_helps_with_a_wrong_code() -> None:
    codes = __import__("gradwright.compiler.language.codes", fromlist=["CODES"]).CODES
    done = gradwright("explain", next(iter(codes)).lower())
    assert done.exit_code == 0 and done.stdout.strip()
    assert gradwright("explain", "X999").exit_code == 2


# ---------------------------------------------------------------- wrong usage, broken surroundings


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["compile"], "Missing argument"), (["compile", "no.gw"], "no.gw"), (["compile", "product.gw", "--set", "H"], "H=16"),
        (["compile", "product.gw", "--set", "H=x"], "not an integer"), (["compile", "product.gw", "--dtype", "int8"], "float64"),
        (["compile", "product.gw", "--stop-after", "nowhere"], "syntax"), (["nonsense"], "nonsense"), (["check"], "Missing"),
    ],
)  # fmt: skip
def test_wrong_usage_is_exit_code_2(arguments: list[str], word: str) -> None:
    done = gradwright(*arguments)
    assert done.exit_code == 2 and word in done.stderr


def test_a_broken_toolchain_is_exit_code_3(monkeypatch: pytest.MonkeyPatch, workplace: Path) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    done = gradwright("compile", "product.gw")
    assert done.exit_code == 3 and "no-such-compiler" in done.stderr
    assert not list((workplace / "generated").glob("*"))
    assert gradwright("check", "product.gw").exit_code == 0  # needs none


def test_no_compiler_at_all_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, workplace: Path) -> None:
    monkeypatch.setenv("PATH", str(workplace))
    done = gradwright("compile", "product.gw")
    assert done.exit_code == 3 and "apt install" in done.stderr and "--backend numpy" in done.stderr


def test_a_failing_compiler_leaves_the_old_module_alone(monkeypatch: pytest.MonkeyPatch, workplace: Path) -> None:
    assert gradwright("compile", "product.gw").exit_code == 0
    before = {p.name: p.read_bytes() for p in (workplace / "generated").iterdir()}
    script = (  # answers the probe, and fails on the module
        '#!/bin/sh\nfor a in "$@"; do case "$a" in *product_parts.c) echo "internal error" >&2; exit 1;; esac; done\n'
        'exec cc "$@"\n'
    )
    failing = workplace / "failing-cc"
    failing.write_text(script)
    failing.chmod(0o755)
    monkeypatch.setenv("CC", str(failing))
    (workplace / "product.gw").write_text(PRODUCT.replace("+", "-"))
    done = gradwright("compile", "product.gw")
    assert done.exit_code == 3 and "internal error" in done.stderr and "build.log" in done.stderr
    assert {p.name: p.read_bytes() for p in (workplace / "generated").iterdir()} == before


@pytest.mark.skipif(platform.machine() != "x86_64", reason="asks for an x86-64")
@pytest.mark.parametrize(
    "said",
    [
        "cc1: error: bad value ('x86-64-v2') for '-march=' switch",  # gcc
        "error: unknown target CPU 'x86-64-v2'",  # clang
        "error: unknown CPU: 'x86'",  # Zig's, below a list of all CPUs
    ],
)
def test_a_compiler_that_does_not_know_the_processors_says_so(
    said: str, monkeypatch: pytest.MonkeyPatch, workplace: Path
) -> None:
    old = workplace / "old-cc"
    old.write_text('#!/bin/sh\nfor a in "$@"; do case "$a" in -march=x86-64-v2)\n'
                   f'  printf "info: available CPUs:\\n znver5\\n" >&2; echo "{said}" >&2; exit 1;;\n'
                   'esac; done\nexec cc "$@"\n')  # fmt: skip
    old.chmod(0o755)
    monkeypatch.setenv("CC", str(old))
    done = gradwright("compile", "product.gw", "--march", "x86-64-v2")
    assert done.exit_code == 3 and done.stderr == f"error: the C compiler does not know the processors asked for\n{said}\n"


def test_a_fault_of_ours_is_not_blamed_on_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise KeyError("oops")

    monkeypatch.setattr(driver, "check_model", broken)
    done = gradwright("check", "product.gw")
    assert done.exit_code == 4 and "Traceback" in done.stderr and "fault in Gradwright" in done.stderr


def test_an_output_folder_that_is_a_file_is_named(workplace: Path) -> None:
    (workplace / "taken").write_text("")
    done = gradwright("compile", "product.gw", "-o", "taken")
    assert done.exit_code == 2 and "taken" in done.stderr
    done = gradwright("compile", "product.gw", "-o", "taken/below")
    assert done.exit_code == 2 and "taken" in done.stderr


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_folder_that_is_read_only_is_named(workplace: Path) -> None:
    (workplace / "locked").mkdir(mode=0o500)
    done = gradwright("compile", "product.gw", "-o", "locked")
    assert done.exit_code == 2 and "locked" in done.stderr


def test_a_file_that_is_no_text_is_an_error_of_the_model(workplace: Path) -> None:
    (workplace / "latin.gw").write_bytes(b"input x\n# caf\xe9\noutput f = x\n")
    done = gradwright("check", "latin.gw")
    assert done.exit_code == 1 and "latin.gw:2" in done.stderr and "UTF-8" in done.stderr


def test_line_ends_and_marks_of_other_systems_are_read(workplace: Path) -> None:
    (workplace / "dos.gw").write_bytes(b"\xef\xbb\xbf" + PRODUCT.replace("\n", "\r\n").encode())
    assert gradwright("check", "dos.gw").exit_code == 0


def test_help_comes_at_once_and_shows_examples() -> None:
    for command in ([], ["compile"], ["check"], ["graph"], ["derive"], ["explain"]):
        done = gradwright(*command, "--help")
        assert done.exit_code == 0 and "Example" in done.stdout
    assert gradwright("--version").stdout.startswith("gradwright, version ")


# ---------------------------------------------------------------- load


def test_load_from_text_and_from_a_path_gives_the_same_numbers() -> None:
    from_text, from_path = driver.load(PRODUCT, name="text"), driver.load(Path("product.gw"))
    assert from_text.__name__ == "text" and from_path.__name__ == "product"
    for module in (from_text, from_path):
        assert float(module.Model().predict(x=1, y=2, z=3).f) == 9


def test_load_again_is_the_same_module_and_a_changed_text_another(workplace: Path) -> None:
    first = driver.load("product.gw")
    assert driver.load("product.gw") is first
    (workplace / "product.gw").write_text(PRODUCT.replace("q * z", "q / z"))
    second = driver.load("product.gw")
    assert second is not first
    assert (float(first.Model().predict(x=1, y=2, z=3).f), float(second.Model().predict(x=1, y=2, z=3).f)) == (9, 1)


def test_a_used_file_counts(workplace: Path) -> None:
    (workplace / "mine.gw").write_text("def twice(x) = 2 * x\n")
    (workplace / "uses.gw").write_text('use "mine.gw"\ninput x\noutput f = twice(x)\n')
    assert float(driver.load("uses.gw").Model().predict(x=3).f) == 6
    (workplace / "mine.gw").write_text("def twice(x) = x + x + 0 * x + 1\n")
    assert float(driver.load("uses.gw").Model().predict(x=3).f) == 7
    (workplace / "mine.gw").write_text("def twice(x) = 2 * x\n")
    assert driver.compile_model("uses.gw").cached


def test_errors_of_a_used_file_are_shown_in_that_file(workplace: Path) -> None:
    (workplace / "mine.gw").write_text("def twice(x) = 2 * nothing\n")
    (workplace / "uses.gw").write_text('use "mine.gw"\ninput x\noutput f = twice(x)\n')
    done = gradwright("check", "uses.gw")
    assert done.exit_code == 1 and "mine.gw:1:20" in done.stderr and "2 * nothing" in done.stderr


def test_load_raises_the_errors_with_the_diagnostics_inside() -> None:
    with pytest.raises(ModelError) as caught:
        driver.load("wrong.gw")
    assert len(caught.value.diagnostics) == 2 and "wrong.gw:3" in str(caught.value)
    with pytest.raises(FileNotFoundError):
        driver.load("missing.gw")


def test_a_damaged_entry_is_rebuilt_when_it_is_loaded() -> None:
    text = "input x\noutput f = 3 * x\n"
    assert float(driver.load(text, name="fragile").Model().predict(x=2).f) == 6
    entry = driver.compile_model(text, name="fragile").entry
    assert entry is not None
    built = entry.path(f"fragile{suffix()}")
    built.write_bytes(built.read_bytes()[:-100] + bytes(100))
    again = driver.compile_model(text, name="fragile")
    assert not again.cached and again.entry is not None
    assert cache.find(again.entry.key) is not None


def test_the_source_map_has_every_line(workplace: Path) -> None:
    assert gradwright("compile", "layer.gw").exit_code == 0
    lines = (workplace / "generated" / "layer.pyx").read_text().splitlines()
    rows = json.loads((workplace / "generated" / "layer.map.json").read_text())["lines"]
    assert list(rows) == [str(k + 1) for k in range(len(lines))]
    assert all(rows[key] for key in rows)
