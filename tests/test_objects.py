"""What modules share: object files of the C headers, the process that runs Cython, and the levels that a module chooses from."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import Cython
import numpy as np
import pytest
from gradwright.compiler import driver
from gradwright.compiler.build import cache, cythonize, objects, toolchain, translator
from gradwright.compiler.build.compile import build_module, headers, translate
from gradwright.compiler.build.modules import import_file, suffix
from gradwright.compiler.build.objects import Headers, Object, Objects
from gradwright.compiler.build.options import LEVELS, OptionError
from gradwright.compiler.build.parts import _shared_out, computing
from gradwright.compiler.build.toolchain import BuildError
from gradwright.compiler.emit.updates import library_header
from gradwright.runtime import face
from gradwright.runtime.errors import NotFiniteError
from support.caches import own_place

ROOT = Path(__file__).resolve().parent.parent
GATE = "input x\nparam w = 3\noutput f = tanh(w * x)\n"
RIGHT = 0.9051482536448664  # tanh(1.5)
NET = """\
size N
input x[N, 3], y[N, 2]
param W[3, 2] ~ glorot_uniform
output p = x @ W
minimize mean(square(p - y))
"""


@pytest.fixture(autouse=True)
def own_cache(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cold = request.node.get_closest_marker("cold") is not None
    own_place(tmp_path, tmp_path / "cache", monkeypatch, cold)
    return tmp_path / "cache"


def value(module: ModuleType) -> float:
    return float(module.Model().predict(x=0.5).f)


def counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that gets a line for each object that the C compiler makes of a header, at -O0, since they are only counted."""
    found = tmp_path / "made"
    found.write_text("")
    script = tmp_path / "counting-cc"
    script.write_text(f'#!/bin/sh\nfor a in "$@"; do case "$a" in -DGW_OBJECT_*) echo "$a" >> {found};; esac; done\n'
                      'exec cc "$@" -O0\n')  # fmt: skip
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))
    return found


def made(found: Path) -> list[str]:
    return sorted(line.removeprefix("-DGW_OBJECT_") for line in found.read_text().split())


# ---------------------------------------------------------------- the optimisers' rules


def test_the_committed_rules_are_those_of_the_library(golden: Callable[[str, str], None]) -> None:
    golden("runtime/include/gradwright/updates_real.h", library_header())


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_a_rule_in_a_header_does_what_it_does_in_a_module(dtype: str) -> None:
    """The library's rules are in an object; the same text under another name is compiled in the module."""
    text = (ROOT / "compiler" / "library" / "optimizers.gw").read_text(encoding="utf-8")
    names = re.findall(r"^update (\w+)\(", text, re.MULTILINE)
    own = re.sub(r"^update (\w+)\(", r"update my_\1(", text, flags=re.MULTILINE)
    assert len(names) >= 10
    module = driver.load(f"dtype {dtype}\n{own}\n{NET}")
    rng = np.random.default_rng(1)
    data = {"x": rng.normal(size=(50, 3)).astype(dtype), "y": rng.normal(size=(50, 2)).astype(dtype)}
    emitted = driver.compile_model(f"dtype {dtype}\n{own}\n{NET}", stop_after="cython").text
    for name in names:
        assert f"cdef void update_my_{name}(" in emitted and f"cdef void update_{name}(" not in emitted
        ends = []
        for rule in (name, f"my_{name}"):
            net = module.Model(seed=3)
            net.fit(data, optimizer=rule, epochs=7, batch_size=16, seed=5)
            ends.append(net.theta.copy())
        assert np.all(np.isfinite(ends[0])) and not np.array_equal(ends[0], module.Model(seed=3).theta)
        np.testing.assert_allclose(ends[0], ends[1], rtol=1e-5 if dtype == "float32" else 1e-13)


def test_a_rule_of_the_library_that_a_model_replaces_is_the_models() -> None:
    text = "update sgd(lr=0.5) of w with g:\n    w = w - 2 * lr * g\n" + NET
    emitted = driver.compile_model(text, stop_after="cython").text
    assert "cdef void update_sgd(" in emitted and '"gw_update_sgd_f64"' not in emitted
    assert '"gw_update_adam_f64"' in emitted


# ---------------------------------------------------------------- objects


@pytest.mark.cold
def test_modules_share_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = counting(tmp_path, monkeypatch)
    assert value(driver.load(GATE, name="one")) == pytest.approx(RIGHT, rel=1e-14)
    assert made(found) == ["MODULE", "START", "TEAM", "UPDATES"]
    assert value(driver.load(GATE.replace("3", "2 + 1"), name="two", optimize=1)) == pytest.approx(RIGHT, rel=1e-14)
    driver.load(GATE, name="three", optimize=0)  # what does not belong to the model is at its best level all the same
    assert made(found) == ["MODULE", "START", "TEAM", "UPDATES"]
    driver.load(f"dtype float32\n{GATE}", optimize=0)
    assert made(found) == ["MODULE", "START", "TEAM", "UPDATES", "UPDATES"]
    driver.load(GATE, march="x86-64-v2" if "x86" in toolchain.processor() else "armv8", optimize=0)
    assert made(found).count("START") == 1 and made(found).count("UPDATES") == 3  # which are for the processor
    driver.load(GATE, march="dispatch", optimize=0) if "x86" in toolchain.processor() else None
    assert made(found).count("START") == 1 and made(found).count("UPDATES") == 3  # each level has its own


@pytest.mark.cold
def test_an_object_is_made_anew_when_a_header_of_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = counting(tmp_path, monkeypatch)
    copy = tmp_path / "include"
    shutil.copytree(headers(), copy)
    monkeypatch.setattr(objects, "headers", lambda: copy)
    tools = toolchain.toolchain()
    wanted = [Object("contract", "f32"), Object("updates", "f64")]

    def obtain() -> list[str]:
        found.write_text("")
        with Objects(tools) as making:
            for one in wanted:
                assert making.file(one, tmp_path).is_file()
        return made(found)

    assert obtain() == ["CONTRACT", "UPDATES"]
    assert obtain() == []
    both = ["CONTRACT", "UPDATES"]
    for name, expected in (("contract_real.h", both[:1]), ("updates_real.h", both[1:]), ("object.h", both)):
        path = copy / "gradwright" / name
        path.write_text(path.read_text() + "/* changed */\n")
        assert obtain() == expected, name


@pytest.mark.cold
def test_any_header_takes_part_that_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the compiler lists them."""
    copy = tmp_path / "include"
    shutil.copytree(headers(), copy)
    (copy / "gradwright" / "fresh.h").write_text("""\
#include "object.h"
#if defined(GW_OBJECT_FRESH)
GW_SHARED double gw_fresh(double x) { return 2 * x; }
#elif defined(GW_LINKED_FRESH)
GW_ELSEWHERE double gw_fresh(double x);
#else
static double gw_fresh(double x) { return 2 * x; }
#endif
""")
    pyx = ('# cython: language_level=3\ncdef extern from "gradwright/fresh.h":\n    double gw_fresh(double)\n'
           "def fresh(double x):\n    return gw_fresh(x)\n")  # fmt: skip
    for name in ("objects", "compile"):
        monkeypatch.setattr(sys.modules[f"gradwright.compiler.build.{name}"], "headers", lambda: copy)
    found = counting(tmp_path, monkeypatch)
    assert import_file("fresh", build_module("fresh", pyx, tmp_path), "f" * 64).fresh(4.0) == 8.0
    assert made(found) == ["FRESH", "START"]


@pytest.mark.cold
def test_an_object_is_compiled_at_the_level_that_its_header_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy, levels = tmp_path / "include", tmp_path / "levels"
    shutil.copytree(headers(), copy)
    monkeypatch.setattr(objects, "headers", lambda: copy)
    script = tmp_path / "telling-cc"
    script.write_text(f'#!/bin/sh\nfor a in "$@"; do case "$a" in -O?|-DGW_OBJECT_*) echo "$a" >> {levels};; esac; done\n'
                      'exec cc "$@"\n')  # fmt: skip
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))
    tools = toolchain.toolchain()
    for said, level in (("#define GW_LEVEL_FRESH 1", "-O1"), ("", "-O3")):
        (copy / "gradwright" / "fresh.h").write_text(
            f'#include "object.h"\n{said}\n#if defined(GW_OBJECT_FRESH)\nGW_SHARED int gw_fresh(void) {{ return 2; }}\n#endif\n'
        )
        levels.write_text("")
        with Objects(tools.at_level(0)) as making:  # whatever is asked of the model's own code
            making.file(Object("fresh", ""), tmp_path)
        assert levels.read_text().split() == [level, "-DGW_OBJECT_FRESH"]


def test_a_module_exports_its_entry_alone() -> None:
    entry = driver.compile_model(NET.replace("[3, 2]", "[3, 200]").replace("y[N, 2]", "y[N, 200]"), name="wide").entry
    assert entry is not None
    if shutil.which("nm") is None or sys.platform != "linux":
        pytest.skip("no nm")
    listed = subprocess.run(["nm", "-D", "--defined-only", str(entry.path(f"wide{suffix()}"))], capture_output=True, text=True,
                            check=True).stdout  # fmt: skip
    names = {line.split()[-1] for line in listed.splitlines()}
    assert names - {"_init", "_fini", "_edata", "_end", "__bss_start"} == {"PyInit_wide"}


def test_a_module_needs_nothing_but_its_text_and_the_headers(tmp_path: Path) -> None:
    """As somebody builds it who has neither the compiler nor the cache: everything is in the headers."""
    result = driver.compile_model(NET, stop_after="cython", name="plain")
    (tmp_path / "plain.pyx").write_text(result.text)
    include = str(headers())
    subprocess.run([sys.executable, "-m", "cython", "-3", "-I", include, "plain.pyx"], check=True)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-w", "-I", include, "-I", sysconfig.get_paths()["include"],
                    *(["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []),
                    "plain.c", "-o", f"plain{suffix()}", "-lm"], check=True)  # fmt: skip
    by_hand = import_file("plain", tmp_path / f"plain{suffix()}", "p" * 64)
    data = {"x": np.ones((4, 3)), "y": np.ones((4, 2))}
    ends = []
    for module in (by_hand, driver.load(NET, name="plain")):
        net = module.Model(seed=1)
        net.fit(data, optimizer="adam", epochs=3, batch_size=None)
        ends.append(net.theta.copy())
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-12)


GUARDED = """\
size N
input s[N, 40], m[N]
param W[40, 20] = 0.5
minimize sum(where(m > 0, sum(log(s) @ W, axis=1), 0)**2)
"""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_without_optimisation_a_module_asks_for_no_object_of_the_other_real_type(dtype: str) -> None:
    """What no kernel calls stays in such a module, and must call nothing that is not linked."""
    text = f"dtype {dtype}\n{GUARDED}"
    assert "gw_contract_guarded" in driver.compile_model(text, stop_after="cython").text
    net = driver.load(text, optimize=0).Model()
    out, gradient = net.value_and_grad(s=np.stack([np.ones(40), np.zeros(40)]), m=np.array([1.0, 0.0]))
    assert float(out.loss) == 0 and not gradient.W.any()


def test_what_fails_beside_a_model_is_reported_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                                  own_cache: Path) -> None:  # fmt: skip
    script = tmp_path / "cc"
    script.write_text('#!/bin/sh\nfor a in "$@"; do case "$a" in -DGW_OBJECT_UPDATES) echo bad luck; exit 1;; esac; done\n'
                      'exec cc "$@" -O0\n')  # fmt: skip
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))
    with pytest.raises(BuildError, match="bad luck"):
        driver.load(GATE)
    assert not list((own_cache / "aside").iterdir())
    monkeypatch.delenv("CC")
    assert value(driver.load(GATE)) == pytest.approx(RIGHT, rel=1e-14)


@pytest.mark.cold
def test_an_error_in_the_model_ends_what_runs_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    script = tmp_path / "cc"
    script.write_text('#!/bin/sh\nfor a in "$@"; do case "$a" in -DGW_OBJECT_*) sleep 100;; esac; done\nexec cc "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))
    started = time.monotonic()
    with pytest.raises(driver.ModelError):
        driver.load("input x\noutput y = z\n")
    assert time.monotonic() - started < 30
    assert not list((own_cache / "aside").iterdir())


@pytest.mark.cold
def test_ctrl_c_ends_everything_that_runs_beside(tmp_path: Path, own_cache: Path) -> None:
    script = tmp_path / "cc"
    hang = f"echo $$ >> {tmp_path}/pids; exec sleep 100"
    script.write_text(f'#!/bin/sh\nfor a in "$@"; do case "$a" in -DGW_OBJECT_*) {hang};; esac; done\nexec cc "$@"\n')
    script.chmod(0o755)
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        f"from gradwright.compiler import driver; driver.load({GATE!r})"
    )
    process = subprocess.Popen([sys.executable, "-c", program], env={**os.environ, "CC": str(script)}, stderr=subprocess.DEVNULL)
    for _ in range(300):
        if (tmp_path / "pids").exists() and len((tmp_path / "pids").read_text().split()) >= 3:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) != 0
    for pid in (tmp_path / "pids").read_text().split():
        status = Path(f"/proc/{pid}/status")
        assert not status.exists() or "State:\tZ" in status.read_text()
    assert not list((own_cache / "aside").iterdir())


def _obtain(arguments: tuple[str, str]) -> int:
    os.environ["GRADWRIGHT_CACHE"], folder = arguments
    with Objects(toolchain.toolchain()) as making:
        return making.file(Object("updates", "f64"), Path(folder)).stat().st_size


@pytest.mark.cold
def test_of_many_processes_one_makes_an_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    found = counting(tmp_path, monkeypatch)
    folders = [tmp_path / f"folder{k}" for k in range(6)]
    for folder in folders:
        folder.mkdir()
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        sizes = pool.map(_obtain, [(str(own_cache), str(folder)) for folder in folders], chunksize=1)
    assert len(set(sizes)) == 1 and made(found) == ["UPDATES"]


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
@pytest.mark.cold
def test_a_damaged_object_is_never_linked(damage: str, tmp_path: Path) -> None:
    with Objects(toolchain.toolchain()) as making:
        right = making.file(Object("updates", "f64"), tmp_path).read_bytes()
    (entry,) = (tmp_path / "cache" / "objects").iterdir()
    kept = entry / "object.o"
    match damage:
        case "flip":
            kept.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
        case "truncate":
            kept.write_bytes(right[: len(right) // 2])
        case "remove":
            kept.unlink()
    with Objects(toolchain.toolchain()) as making:
        assert making.file(Object("updates", "f64"), tmp_path).read_bytes() == right


# ---------------------------------------------------------------- one C file in parts


def long_model(count: int) -> str:
    """Many statements, each with a loop of its own."""
    lines = [f"h{k} = sum(tanh(x * {k}.5 + w))" for k in range(count)]
    total = " + ".join(f"h{k}" for k in range(count))
    return "\n".join(["size N", "input x[N]", "param w = 0.1", *lines, f"minimize {total}"]) + "\n"


def test_a_long_module_is_compiled_in_parts_and_computes_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "parts-cc"
    script.write_text(f'#!/bin/sh\nfor a in "$@"; do case "$a" in -DGW_PART=*) echo "$a" >> {tmp_path}/parts;; esac; done\n'
                      'exec cc "$@"\n')  # fmt: skip
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))
    text = long_model(60)
    monkeypatch.setattr("gradwright.compiler.build.compile.processors", lambda: 2)
    found = {}
    for level in (1, 0):  # without optimisation, parts would cost more than they gain
        (tmp_path / "parts").write_text("")
        module = driver.load(text, optimize=level, name="long")
        listed = sorted((tmp_path / "parts").read_text().split())
        assert listed == ([f"-DGW_PART={k}" for k in range(len(listed))] if level else [])
        assert len(listed) == (2 if level else 0)
        out, gradient = module.Model().value_and_grad(x=np.linspace(-1, 1, 9))
        found[level] = (float(out.loss), float(gradient.w))
    assert found[0] == pytest.approx(found[1], rel=1e-13)


@pytest.mark.parametrize("most", [1, 2, 8])
def test_there_are_no_more_parts_than_processors(most: int) -> None:
    lengths = {f"f{k}": 40_000 + k for k in range(20)}
    found = _shared_out(lengths, most)
    assert found.keys() == lengths.keys() and set(found.values()) == set(range(most))
    sums = [sum(lengths[name] for name in found if found[name] == part) for part in range(most)]
    assert max(sums) - min(sums) < 50_000
    assert set(_shared_out({"f": 40_000, "g": 100}, most).values()) == {0}


@pytest.mark.slow
def test_a_long_module_that_is_checked_is_not_cut() -> None:
    """What a kernel finds is to be seen by what calls it."""
    module = driver.load(long_model(40).replace("tanh(", "log("), checked=True, optimize=1, name="checked")
    with pytest.raises(NotFiniteError, match=r"sum\(log\(x \* 0\.5 \+ w\)\)"):
        module.Model().value_and_grad(x=np.array([1.0, -1.0]))


def written(text: str, folder: Path, name: str = "long") -> tuple[str, str]:
    """A model's Cython text, and what Cython makes of it."""
    pyx = driver.compile_model(text, stop_after="cython", name=name).text
    return pyx, translate(name, pyx, folder).read_text(encoding="utf-8")


def test_what_computes_is_compiled_without_python(tmp_path: Path) -> None:
    pyx, text = written(long_model(60), tmp_path)
    found = computing(text, pyx, most=8)
    assert found is not None and found.parts > 1
    place = re.findall(r"^#if GW_IN\((\d)\)\nGW_APART [^(;]*__pyx_f_\w*?long_(\w+)\(", found.text, re.MULTILINE)
    assert {int(part) for part, _ in place} == set(range(found.parts))
    every = re.findall(r"^static [^(;=\n]*__pyx_f_\w*?long_(\w+)\([^;\n]*\{$", text, re.MULTILINE)
    assert sorted(name for _, name in place) == sorted(every) and {"train", "_kernel", "_update"} < set(every)
    assert not re.search(r"Python\.h|module\.h|PyObject", found.text)
    assert len(found.text) < len(text) - 150_000
    whole = computing(text, pyx)
    assert whole is not None and whole.parts == 1 and whole.text.count("#if GW_IN(0)") == found.text.count("#if GW_IN(")


def test_what_is_not_as_expected_is_left_to_cython(tmp_path: Path) -> None:
    """Each of these is Cython's file with something that cannot do without Python, or is not understood."""
    pyx, text = written("size N\ninput x[N]\nparam w[3] = 1\nc = [0.5, -2, 4]\nminimize sum(x) * sum(c * w)\n",
                        tmp_path)  # fmt: skip
    found = computing(text, pyx)
    assert found is not None
    assert re.search(r"^CYTHON_UNUSED static const \w+ \w+\[3\] = \{0\.5, -2\.0, 4\.0\};$", found.text, re.MULTILINE)
    train = re.search(r"^static void __pyx_f_\w*?train\(.*?\) \{\n", text, re.MULTILINE)
    filled = re.search(r"^  (__pyx_t_\d+)\[0\] = __pyx_f_\w+;\n", text, re.MULTILINE)
    table = re.search(r"^static \w+ (__pyx_v_\w+)\[3\];\n", text, re.MULTILINE)
    run = text.index("/*--- Execution code ---*/\n") + len("/*--- Execution code ---*/\n")
    assert train and filled and table

    def with_(at: int, more: str) -> str:
        return text[:at] + more + text[at:]

    assert computing(with_(train.end(), "  /* Python is likely to be mentioned by PyPeople */\n"), pyx) is not None
    for odd in ("if (unlikely(1)) return;", "(void)__PYX_NAN();", "PyErr_Clear();", "__pyx_mstate_global->__pyx_d = 0;",
                f"{table[1]}[1] = 2;", f"({table[1]}[1]) += 2;", f"read(&({table[1]}[0]));"):  # fmt: skip
        assert computing(with_(train.end(), f"  {odd}\n"), pyx) is None, odd
    for odd in ("static int helper(void) { return 1; }\n", "static PyObject *__pyx_pf_1m_f(PyObject *s) {\n  return s;\n}\n"):
        assert computing(with_(train.start(), odd), pyx) is None, odd
    for odd in ("  __pyx_t_1 = PyLong_FromLong(1);\n", f"  {filled[1]}[1] = f(3);\n", f"  {filled[1]}[2] = 1.0;\n",
                f"  memcpy(&({table[1]}[0]), {filled[1]}, sizeof({table[1]}[0]) * (3));\n"):  # fmt: skip
        assert computing(with_(run, odd), pyx) is None, odd
    for before, after in ((filled[0], ""), ("gwm_install(", "gwm_install2("), ("__pyx_n_u_SPEC", "__pyx_n_u_OTHER"),
                          (table[0], f"{table[0]}static int {table[1]}_;\n"), (table[0], ""), ("PyInit_long(", "PyInitU_long("),
                          ("/* Early includes */\n", '/* Early includes */\n#include "gradwright/checked.h"\n'),
                          ("/*--- Wrapped vars code ---*/", ""), ("/* #### Code section: module_code ### */", "")):  # fmt: skip
        assert before in text and computing(text.replace(before, after), pyx) is None, before
    for before, after in (('"""long', '"""\\0long'), ('_SPEC = """', "_SPEC = '''"), ('"""', "")):
        assert before in pyx and computing(text, pyx.replace(before, after)) is None, before
    assert computing("", "") is None and computing(text + text, pyx) is None


def test_numbers_are_understood_as_older_cythons_fill_tables_with_them(tmp_path: Path) -> None:
    """Element by element, as its functions still are; from 3.3 on from a constant array."""
    pyx, text = written("size N\ninput x[N]\nparam w[3] = 1\nc = [0.5, -2, 1e-7]\nminimize sum(x) * sum(c * w)\n", tmp_path)
    newer = re.search(r"^  static \w+ const (__pyx_carray_\w*)\[3\] = \{(.*)\};\n", text, re.MULTILINE)
    if newer:
        elements = "".join(f"  __pyx_t_99[{k}] = {number};\n" for k, number in enumerate(newer[2].split(",")))
        text = text.replace(newer[0], elements).replace(newer[1], "__pyx_t_99")
    assert re.search(r"^  __pyx_t_\d+\[1\] = -2\.0;$", text, re.MULTILINE)
    found = computing(text, pyx)
    assert found is not None and re.search(r"\w+\[3\] = \{0\.5, -2\.0, 1e-0?7\};$", found.text, re.MULTILINE)


def test_a_module_that_is_left_to_cython_is_built_as_it_is(tmp_path: Path) -> None:
    pyx = driver.compile_model(GATE, stop_after="cython", name="more").text + '\n\nMORE = [2.0 ** k for k in range(3)]\n'
    for level in (0, 1):
        (tmp_path / str(level)).mkdir()
        path = build_module("more", pyx, tmp_path / str(level), tools=toolchain.toolchain().at_level(level))
        module = import_file("more", path, f"{level}" * 64)
        assert value(module) == pytest.approx(RIGHT, rel=1e-14) and module.MORE == [1.0, 2.0, 4.0]


ODD = r"""
"a \\ b \n ??/ \" c": é ∂ 漢 😀 %s
\x7f three ''' three
"""


def test_what_python_sees_is_what_cython_would_have_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module that the build links an init to, beside that whose init is Cython's, from one text."""
    model = "".join(f"# {line}\n" for line in ODD.splitlines()) + GATE
    pyx = driver.compile_model(model, stop_after="cython", name="seen").text
    found = []
    for kind in ("linked", "cython"):
        (tmp_path / kind).mkdir()
        if kind == "cython":
            monkeypatch.setattr("gradwright.compiler.build.compile.computing", lambda *text, most: None)
        path = build_module("seen", pyx, tmp_path / kind, tools=toolchain.toolchain().at_level(0))
        found.append(import_file("seen", path, kind))
    linked, cython = found
    assert linked.__doc__ == cython.__doc__ and "漢 😀 %s" in str(linked.__doc__) and linked._SPEC == cython._SPEC
    assert {*vars(linked)} <= {*vars(cython)} <= {*vars(linked), "__test__", "__builtins__"}
    assert type(linked) is type(cython) is ModuleType
    assert value(linked) == value(cython) == pytest.approx(RIGHT, rel=1e-14)


def test_a_module_is_there_once_in_a_process(tmp_path: Path) -> None:
    """Its kernels and its types have one place: whoever imports the file again gets the same module."""
    path = driver.compile_model(GATE, name="once", out=tmp_path).files
    assert any(p.name == f"once{suffix()}" for p in path)
    program = f"""
import importlib, sys
sys.path.insert(0, {str(tmp_path)!r})
import once
model = once.Model
assert importlib.reload(once) is once and once.Model is model
del sys.modules["once"]
import once as again
assert again is once and again.Model is model
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
import os
there, back = os.pipe()
text = ["import os, sys", "sys.path.insert(0, {str(tmp_path)!r})", "try:", "    import once", "except BaseException as error:",
        "    os.write(%d, str(error).encode())" % back]
interpreters.run_string(interpreters.create(), "\\n".join(text))
os.close(back)
print(os.read(there, 1000).decode())
os._exit(0)  # NumPy need not be taken down in two interpreters
"""
    done = subprocess.run([sys.executable, "-u", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "one interpreter of a process" in done.stdout or "does not support loading in subinterpreters" in done.stdout


def test_what_computes_calls_nothing_undeclared(tmp_path: Path) -> None:
    """Such a call would be an error when the module is imported, of a symbol that is not there."""
    (tmp_path / "some_parts.c").write_text("int f(void) { return nowhere(); }\n")
    with pytest.raises(BuildError, match="nowhere"):
        toolchain.toolchain().compile_object(tmp_path / "some_parts.c", tmp_path / "some.o", strict=True)


# ---------------------------------------------------------------- Cython's process


@pytest.fixture
def fresh_process() -> Iterator[None]:
    translator.end()
    yield
    translator.end()


GREEK = "# cython: language_level=3\n# a comment: é — “x”\ndef φ(double ϑ_1, double é):\n    return ϑ_1 + é\n"


@pytest.mark.parametrize("text", ["# cython: language_level=3\ndef f(double x):\n    return x\n", GREEK], ids=["ascii", "greek"])
def test_cython_says_the_same_in_a_process_of_its_own(text: str, tmp_path: Path, fresh_process: None) -> None:
    """There its lexer knows fewer letters, and all that the text has."""
    found = []
    for name in ("here", "there"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "m.pyx").write_text(text, encoding="utf-8")
        if name == "here":
            assert cythonize.cythonize("m", str(folder / "m.pyx"), str(folder / "m.c"), []) is None
        else:
            assert translator.translate("m", folder / "m.pyx", folder / "m.c", headers()) is None
            assert len(translator._running) == 1
        found.append((folder / "m.c").read_text(encoding="utf-8"))
    assert found[0] == found[1]


RAISES = """# cython: language_level=3
def f(x):
    try:
        if x > 1:
            raise KeyError(x)
        raise Exception(x)
    except (ValueError, KeyError) as error:
        raise FloatingPointError(str(error)) from error
"""


def test_exceptions_that_cythons_process_does_not_know_are_raised(tmp_path: Path, fresh_process: None) -> None:
    """It sets up the types of a few; the program with which it does so says whether this Cython has what it changes."""
    module = import_file("m", build_module("m", RAISES, tmp_path), "raises")
    with pytest.raises(FloatingPointError, match="2") as found:
        module.f(2)
    assert isinstance(found.value.__cause__, KeyError)
    with pytest.raises(Exception, match="1") as other:
        module.f(1)
    assert type(other.value) is Exception
    program = "import cythonize; print(cythonize.know_letters(''), cythonize.know_exceptions())"
    folder = str(Path(cythonize.__file__).parent)
    done = subprocess.run([sys.executable, "-c", f"import sys; sys.path.append({folder!r}); {program}"], capture_output=True,
                          text=True, check=True)  # fmt: skip
    newer = tuple(map(int, Cython.__version__.split(".")[:2])) >= (3, 3)  # others have no such table
    assert done.stdout == f"True {newer}\n"


def test_letters_that_cythons_process_does_not_know_start_another(tmp_path: Path, fresh_process: None) -> None:
    translator.prepare("input x\n")
    first = translator._running[0].process.pid
    translate("a", "# cython: language_level=3\nx = 1  # é is no letter of a name here, and would be one\n", tmp_path)
    second = translator._running[0].process.pid
    assert second != first
    translate("b", GREEK, tmp_path)
    third = translator._running[0].process.pid
    assert third != second
    translate("c", "# cython: language_level=3\nx = 1\n", tmp_path)
    translate("d", GREEK, tmp_path)
    assert translator._running[0].process.pid == third


def test_cythons_process_may_die(tmp_path: Path, fresh_process: None) -> None:
    translator.prepare("")
    os.kill(translator._running[0].process.pid, signal.SIGKILL)
    assert translate("a", "# cython: language_level=3\nx = 1\n", tmp_path).is_file()


def test_without_a_process_cython_runs_here(tmp_path: Path, fresh_process: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    assert translate("a", "# cython: language_level=3\nx = 1\n", tmp_path).is_file()
    assert not translator._running
    with pytest.raises(BuildError, match=r"a\.pyx:2"):
        translate("a", "# cython: language_level=3\nx = = 1\n", tmp_path)


def test_cythons_process_ends_with_the_one_that_started_it() -> None:
    program = ("import os, signal; from gradwright.compiler.build import translator; translator.prepare('');"
               "print(translator._running[0].process.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    pid = int(done.stdout)
    for _ in range(100):
        status = Path(f"/proc/{pid}/status")
        if not status.exists() or "State:\tZ" in status.read_text():
            break
        time.sleep(0.1)
    else:
        pytest.fail("Cython's process lives on")


def test_a_copy_of_a_process_has_a_cython_of_its_own(tmp_path: Path, fresh_process: None) -> None:
    translator.prepare("")
    mine = translator._running[0].process.pid
    if child := os.fork():
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert translate("a", "# cython: language_level=3\nx = 1\n", tmp_path).is_file()
        assert translator._running[0].process.pid == mine
        return
    status = 1
    try:
        translate("b", "# cython: language_level=3\nx = 1\n", tmp_path)
        status = 0 if translator._running[0].process.pid != mine else 2
        translator.end()
    finally:
        os._exit(status)


# ---------------------------------------------------------------- levels


x86 = pytest.mark.skipif(not toolchain.processor().startswith("x86_64"), reason="the levels are x86's")


@x86
def test_a_module_for_several_levels_takes_the_best_that_runs() -> None:
    module = driver.load(GATE, march="dispatch", name="levels")
    assert value(module) == pytest.approx(RIGHT, rel=1e-14)
    entry = driver.compile_model(GATE, march="dispatch", name="levels").entry
    plain = driver.compile_model(GATE, march="x86-64-v2", name="levels").entry
    assert entry is not None and plain is not None
    sizes = [one.path(f"levels{suffix()}").stat().st_size for one in (entry, plain)]
    assert sizes[0] < len(LEVELS) * sizes[1]  # what is the same for all of them is there once


def start_of_our_own(folder: Path, before: str = "") -> Callable[[str, str], str]:
    """A start whose two levels need what its caller says: the name of the level that it takes."""
    source = folder / "start.c"
    source.write_text(f"""\
#include <Python.h>
{before}
#define GW_OBJECT_START
#include "gradwright/start.h"
static void *first(void) {{ return PyUnicode_FromString("first"); }}
static void *second(void) {{ return PyUnicode_FromString("second"); }}
static PyObject *ask(PyObject *self, PyObject *args)
{{
    gw_way levels[2] = {{{{0, first}}, {{0, second}}}};
    if (!PyArg_ParseTuple(args, "ss", &levels[0].needs, &levels[1].needs)) return NULL;
    return gw_start("mine", levels, 2);
}}
static PyMethodDef methods[] = {{{{"ask", ask, METH_VARARGS, ""}}, {{0}}}};
static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "start", 0, -1, methods}};
PyMODINIT_FUNC PyInit_start(void) {{ return PyModule_Create(&module); }}
""")
    target = folder / f"start{suffix()}"
    toolchain.toolchain().compile(source, target, include=(headers(),))
    return import_file("start", target, hashlib.sha256(before.encode()).hexdigest()).ask  # type: ignore[no-any-return]


@x86
def test_the_levels_are_asked_in_their_order(tmp_path: Path) -> None:
    ask = start_of_our_own(tmp_path)
    known = Path("/proc/cpuinfo").read_text().split() if Path("/proc/cpuinfo").exists() else []
    lacking = next((word for word in ("avx512er", "avx5124fmaps", "avx512f") if word not in known), None)
    assert ask("", "") == "first" and ask("sse3 ssse3 ", "") == "first"
    if lacking is None:
        pytest.skip("this machine has every instruction")
    assert ask(f"sse3 {lacking} ", "sse3 ") == "second"
    with pytest.raises(ImportError, match=f"processors with {lacking}, which this machine lacks; compile mine again here"):
        ask(f"{lacking} ", f"sse3 {lacking} ")


@x86
@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="Linux says there what the processor has")
def test_the_processor_is_asked_itself(tmp_path: Path) -> None:
    """Whatever the compiler's own library says: that of Zig's clang says that there is nothing, or is not linked."""
    ask = start_of_our_own(tmp_path, "#define __builtin_cpu_supports(feature) 0")
    flags = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")).split()
    plain = ("avx", "avx2", "avx512bw", "avx512cd", "avx512dq", "avx512er", "avx512f", "avx512ifma", "avx512pf", "avx512vbmi",
             "avx512vl", "bmi2", "fma", "popcnt", "ssse3")  # fmt: skip
    others = {"sse3": "pni", "sse4.1": "sse4_1", "sse4.2": "sse4_2", "bmi": "bmi1", "avx512vbmi2": "avx512_vbmi2",
              "avx512vnni": "avx512_vnni", "avx512bitalg": "avx512_bitalg", "avx512vpopcntdq": "avx512_vpopcntdq",
              "avx5124fmaps": "avx512_4fmaps"}  # fmt: skip
    linux = {name: name for name in plain} | others
    assert set(linux) == set(re.findall(r'^    "(\w[\w.]*) "$', Headers().texts["machine.h"].partition("__aarch64__")[0], re.M))
    assert {name for name in linux if ask(f"{name} ", "") == "first"} == {name for name, word in linux.items() if word in flags}


@x86
@pytest.mark.parametrize(
    "march", [*(pytest.param(f"x86-64-v{k}", marks=pytest.mark.slow) for k in (2, 4)), "x86-64-v3", "dispatch"]
)
def test_a_module_for_other_processors_runs_or_says_what_is_missing(march: str) -> None:
    program = f"from gradwright.runtime import load; print(float(load({GATE!r}, march={march!r}).Model().predict(x=0.5).f))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    if done.returncode:
        assert done.returncode == 1 and "which this machine lacks" in done.stderr
        assert march in ("x86-64-v3", "x86-64-v4")
    else:
        assert float(done.stdout) == pytest.approx(RIGHT, rel=1e-14)


def test_levels_are_of_one_kind_of_processor() -> None:
    if toolchain.processor().startswith("x86_64"):
        each = toolchain.toolchain().for_machine("dispatch").each()
        assert [tools.flags[-1] for tools in each] == [f"-march={name}" for name in LEVELS]
    else:
        with pytest.raises(OptionError, match="dispatch"):
            toolchain.toolchain().for_machine("dispatch")


def test_what_runs_before_the_processor_is_known_uses_no_vectors() -> None:
    """The only code of a module that runs when it is loaded, and before its entry, are constructors; a destructor
    runs even where the entry refused the processor."""
    for name, text in Headers().texts.items():
        for line in text.splitlines():
            if "__attribute__((constructor))" in line or "__attribute__((destructor))" in line:
                assert "GW_PLAIN" in line, name


def test_objects_are_thrown_out_as_modules_are(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADWRIGHT_CACHE_SIZE", "0")
    assert value(driver.load(GATE)) == pytest.approx(RIGHT, rel=1e-14)
    assert cache.info().objects == 0
    monkeypatch.delenv("GRADWRIGHT_CACHE_SIZE")
    assert value(driver.load(GATE, name="again")) == pytest.approx(RIGHT, rel=1e-14)
    assert cache.info().objects == 4


def test_the_face_is_compiled_for_an_object_that_is_not_there_and_for_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (wanted,) = (one for one in Headers().of_text('include "gradwright/module.pxi"') if one.header == objects.FACE)

    def key() -> str:
        with Objects(toolchain.toolchain()) as making:
            return making.entry(wanted).key

    first = key()
    monkeypatch.setattr(face, "code_header", lambda: pytest.fail("it is there"))
    assert key() == first
    depends = objects._face()
    for part in face.PARTS:  # and anew when one of its files has changed
        copy = tmp_path / part
        shutil.copytree(face.HERE, copy, ignore=shutil.ignore_patterns("__pycache__", "include"))
        with (copy / f"{part}.py").open("a") as file:
            file.write("# changed\n")
        with monkeypatch.context() as patch:
            patch.setattr(face, "HERE", copy)
            assert objects._face() != depends, part
