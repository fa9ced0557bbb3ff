"""The cache in bad company: many at once, killed at any moment, full disks, compilers that fail, other people's files."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from gradwright.compiler import driver
from gradwright.compiler.build import cache, toolchain
from gradwright.compiler.build.compile import suffix
from gradwright.compiler.build.options import DiskError, OptionError
from gradwright.compiler.build.toolchain import BuildError, ToolchainError
from gradwright.runtime import ModelWarning, load
from support.caches import own_place

GATE = "input x\nparam w = 3\noutput f = tanh(w * x)\n"


@pytest.fixture(autouse=True)
def own_cache(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cold = request.node.get_closest_marker("cold") is not None
    own_place(tmp_path, tmp_path / "cache", monkeypatch, cold)
    (tmp_path / "gate.gw").write_text(GATE)
    return tmp_path / "cache"


def compiler(path: Path, script: str) -> str:
    """A C compiler that does what the shell script says before it is cc."""
    path.write_text(f'#!/bin/sh\n{script}\nexec cc "$@" -O0\n')  # of which no test asks how fast it is
    path.chmod(0o755)
    return str(path)


def on_module(action: str) -> str:
    """A shell script that acts when the module is compiled, and not when the compiler is probed."""
    return f'for a in "$@"; do case "$a" in *gate_parts.c) {action};; esac; done'


def on_link(action: str) -> str:
    """A shell script that acts when the module is linked."""
    return f'for a in "$@"; do case "$a" in *gate.*.so) {action};; esac; done'


def value(module: ModuleType) -> float:
    return float(module.Model().predict(x=0.5).f)


RIGHT = 0.9051482536448664  # tanh(1.5)


# ---------------------------------------------------------------- many at once


@pytest.mark.parametrize("count", [8, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.cold
def test_many_processes_compile_one_model_once(count: int, tmp_path: Path, own_cache: Path) -> None:
    cc = compiler(tmp_path / "cc", on_module(f"echo x >> {tmp_path}/count"))
    program = "import sys; from gradwright.compiler import driver; m = driver.load('gate.gw'); " \
              "print(float(m.Model().predict(x=0.5).f), 'gradwright.compiler.elaborate' in sys.modules)"  # fmt: skip
    command, environment, pipe = [sys.executable, "-c", program], dict(os.environ, CC=cc), subprocess.PIPE
    processes = [subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True) for _ in range(count)]
    said = [process.communicate(timeout=280) for process in processes]
    assert [process.returncode for process in processes] == [0] * count, said
    (result,) = {float(out.split()[0]) for out, _ in said}
    assert result == pytest.approx(RIGHT, rel=1e-14)
    assert (tmp_path / "count").read_text() == "x\n"
    assert len(list((own_cache / "objects").iterdir())) == 4  # module, start, team, updates
    assert sum("True" in out for out, _ in said) == 1  # nor was it elaborated more than once
    assert not list((own_cache / "aside").iterdir())


def test_a_second_process_loads_neither_sympy_nor_cython(tmp_path: Path) -> None:
    """What it may import is listed, for a time would depend on the machine: 13 ms over NumPy where Python itself takes 30."""
    driver.load("gate.gw")
    program = "import sys, numpy; before = set(sys.modules); import gradwright.runtime as r; r.load('gate.gw'); " \
              "print(*sorted(set(sys.modules) - before))"  # fmt: skip
    environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    loaded = set(done.stdout.split())
    own = {"", ".compiler", ".compiler.build", ".compiler.build.blocking", ".compiler.build.cache", ".compiler.build.hashing",
           ".compiler.build.modules", ".compiler.build.options", ".compiler.build.recall", ".compiler.build.toolchain",
           ".compiler.language", ".compiler.language.family", ".runtime", ".runtime.errors", ".runtime.loading",
           ".runtime.logs"}  # fmt: skip
    found = {m for m in loaded if m.startswith("gradwright") and not m.startswith("gradwright.loaded.")}
    assert found <= {f"gradwright{name}" for name in own}
    of_python = {m.split(".")[0] for m in loaded - found if not m.startswith("gradwright.")}
    assert of_python <= {"gate", "cython_runtime", "json", "_json", "_sha2", "_sha256", "threading", "_weakrefset", "zlib"}


def test_what_warm_loading_skips_is_found_out_by_the_driver(tmp_path: Path) -> None:
    """The short way answers as the long one does, or leaves the answer to it."""
    right = driver.load("gate.gw")
    assert load("gate.gw") is right and load(Path("gate.gw")) is right
    assert load(GATE, name="gate") is driver.load(GATE, name="gate")
    (tmp_path / "bom.gw").write_bytes(b"\xef\xbb\xbf" + GATE.replace("\n", "\r\n").encode())
    assert value(load("bom.gw")) == value(driver.load("bom.gw"))
    for options, error in (
        ({"optimize": 7}, ValueError), ({"march": "vax"}, ValueError), ({"threads": 0}, ValueError), ({"colour": 1}, TypeError),
        ({"backend": "fortran"}, ValueError), ({"checked": True, "backend": "numpy"}, OptionError),
    ):  # fmt: skip
        with pytest.raises(error):
            load("gate.gw", **options)
    with pytest.raises(FileNotFoundError):
        load("missing.gw")


def test_bytecode_beside_a_module_of_the_cache_is_not_run(tmp_path: Path) -> None:
    """It has no hash, so it is neither read nor written."""
    entry = driver.compile_model("gate.gw", backend="numpy").entry
    assert entry is not None
    program = "from gradwright.runtime import load; print(float(load('gate.gw', backend='numpy').Model().predict(x=0.5).f))"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}

    def run() -> float:
        return float(
            subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment).stdout
        )

    assert run() == pytest.approx(RIGHT, rel=1e-14)
    assert not (entry.folder / "__pycache__").exists()
    import py_compile

    py_compile.compile(str(entry.path("gate.py")))
    (planted,) = (entry.folder / "__pycache__").iterdir()
    planted.write_bytes(planted.read_bytes()[:40])
    assert run() == pytest.approx(RIGHT, rel=1e-14)


# ---------------------------------------------------------------- killed


def killed_at_random(count: int, tmp_path: Path, own_cache: Path, seed: int) -> None:
    rng = random.Random(seed)
    command = [sys.executable, "-m", "gradwright.compiler", "compile", "gate.gw", "-q", "-O", "0"]
    started = time.monotonic()
    subprocess.run(command, check=True, timeout=120)  # also fills what Python keeps of the sources
    whole = time.monotonic() - started
    for k in range(count):
        (tmp_path / "gate.gw").write_text(GATE.replace("3", f"3 + {k} * 0"))
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(rng.uniform(0, 1.2 * whole))
        process.send_signal(signal.SIGKILL)
        process.wait()
    (tmp_path / "gate.gw").write_text(GATE.replace("3", "3 + 77 * 0"))
    started = time.monotonic()
    subprocess.run(command, check=True, timeout=120)
    assert time.monotonic() - started < 4 * whole + 5  # no lock was left
    assert not list((own_cache / "aside").iterdir()), "half-written folders stay"
    for room in ("modules", "objects"):
        for folder in (own_cache / room).iterdir():
            assert cache.find(folder.name, room) is not None
    for k in {0, count - 1}:
        (tmp_path / "gate.gw").write_text(GATE.replace("3", f"3 + {k} * 0"))
        assert value(driver.load("gate.gw", optimize=0)) == pytest.approx(RIGHT, rel=1e-14)
    names = {p.name for p in (tmp_path / "generated").iterdir()}
    assert names == {"gate.pyx", "gate.pyi", "gate.map.json", f"gate{suffix()}"}


@pytest.mark.cold
def test_killed_at_a_few_moments_nothing_broken_is_left(tmp_path: Path, own_cache: Path) -> None:
    killed_at_random(3, tmp_path, own_cache, 1)


@pytest.mark.slow
@pytest.mark.cold
def test_killed_at_fifty_moments_nothing_broken_is_left(tmp_path: Path, own_cache: Path) -> None:
    killed_at_random(50, tmp_path, own_cache, 2)


# ---------------------------------------------------------------- damaged, planted


def test_an_entry_that_is_cut_anywhere_is_built_again(own_cache: Path) -> None:
    """Each of its files, entry.json too, cut at random places or with one bit turned."""
    rng = random.Random(3)
    entry = driver.compile_model("gate.gw", backend="numpy").entry
    assert entry is not None
    whole = {path: path.read_bytes() for path in sorted(entry.folder.iterdir())}
    for path, data in whole.items():
        for cut in (*(rng.randrange(len(data)) for _ in range(6)), -1):
            if cut < 0:
                at = rng.randrange(len(data))
                damaged = data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
            else:
                damaged = data[:cut]
            path.write_bytes(damaged)
            if path.name != "entry.json":
                assert cache.find(entry.key) is None
            again = driver.compile_model("gate.gw", backend="numpy")
            assert again.entry is not None and again.entry.key == entry.key and cache.find(entry.key) is not None
            for name in entry.files:
                assert again.entry.path(name).read_bytes() == whole[entry.path(name)]
    assert not list((own_cache / "aside").iterdir())
    assert value(load("gate.gw", backend="numpy")) == pytest.approx(RIGHT, rel=1e-14)


@pytest.mark.parametrize("damage", ["truncated", "empty", "garbage"])
def test_a_damaged_module_is_never_loaded(damage: str) -> None:
    entry = driver.compile_model("gate.gw").entry
    assert entry is not None
    built = entry.path(f"gate{suffix()}")
    data = built.read_bytes()
    built.write_bytes({"truncated": data[: len(data) // 2], "empty": b"", "garbage": b"\x7fELF" + bytes(len(data) - 4)}[damage])
    assert value(driver.load("gate.gw")) == pytest.approx(RIGHT, rel=1e-14)
    again = cache.find(entry.key)
    assert again is not None and again.path(f"gate{suffix()}").read_bytes() == data


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_of_somebody_else_are_not_loaded(own_cache: Path) -> None:
    entry = driver.compile_model("gate.gw").entry
    assert entry is not None
    os.chown(entry.path(f"gate{suffix()}"), 12345, 12345)
    assert cache.find(entry.key) is None
    assert driver.compile_model("gate.gw").cached is False


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_a_cache_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                              caplog: pytest.LogCaptureFixture) -> None:  # fmt: skip
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o777)
    os.chown(theirs, 12345, 12345)
    monkeypatch.setenv("GRADWRIGHT_CACHE", str(theirs))
    assert cache.directory() != theirs and cache.directory().stat().st_mode & 0o777 == 0o700
    assert "belongs to user 12345" in caplog.text and str(theirs) in caplog.text
    assert cache.info().instead_of == str(theirs)
    assert not list(theirs.iterdir())


def test_a_cache_that_was_open_to_others_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    monkeypatch.setenv("GRADWRIGHT_CACHE", str(tmp_path / "open"))
    assert cache.directory().stat().st_mode & 0o777 == 0o700


# ---------------------------------------------------------------- no room


@pytest.mark.cold
def test_a_full_disk_is_a_clear_error_and_leaves_nothing(tmp_path: Path, own_cache: Path) -> None:
    program = (
        "import resource, signal, sys; from gradwright.compiler.build import toolchain; toolchain.toolchain();"
        "import gradwright.compiler.cli as cli; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop()),) * 2); cli.main(prog_name='gradwright')"
    )
    for limit in (1000, 30_000, 90_000):
        done = subprocess.run(
            [sys.executable, "-B", "-c", program, "compile", "gate.gw", str(limit)], capture_output=True, text=True, check=False
        )
        assert done.returncode in (2, 3) and "Traceback" not in done.stderr, done.stderr
        assert "room" in done.stderr or "too large" in done.stderr.lower(), done.stderr
        assert not list((own_cache / "aside").iterdir())
        assert not (tmp_path / "generated").exists() or not list((tmp_path / "generated").iterdir())
    assert value(driver.load("gate.gw", optimize=0)) == pytest.approx(RIGHT, rel=1e-14)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="mounting needs root")
@pytest.mark.cold
def test_a_small_file_system_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = tmp_path / "small"
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(small)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        monkeypatch.setenv("GRADWRIGHT_CACHE", str(small / "cache"))
        with pytest.raises((DiskError, OSError)) as caught:
            driver.load("gate.gw")
        assert "room" in str(caught.value) or "space" in str(caught.value)
        assert not list((small / "cache" / "modules").glob("*")) if (small / "cache" / "modules").exists() else True
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


# ---------------------------------------------------------------- C compilers


def test_a_c_compiler_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    monkeypatch.setenv("CC", compiler(tmp_path / "cc", on_module("sleep 100")))
    monkeypatch.setenv("GRADWRIGHT_TIMEOUT", "1")
    with pytest.raises(BuildError, match="did not finish in 1 seconds") as caught:
        driver.load("gate.gw")
    assert "fault in Gradwright" not in str(caught.value)
    assert not list((own_cache / "aside").iterdir())


def test_a_c_compiler_that_dies_says_by_which_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", compiler(tmp_path / "cc", on_module("kill -9 $$")))
    with pytest.raises(BuildError, match="was ended by signal 9"):
        driver.load("gate.gw")


def test_what_a_c_compiler_prints_cannot_disturb_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", compiler(tmp_path / "cc", on_module(r"printf '\033[2J\377\000garbage\007\n'; exit 1")))
    with pytest.raises(BuildError, match="garbage") as caught:
        driver.load("gate.gw")
    assert all(c.isprintable() or c in "\n\t" for c in str(caught.value))


def test_a_c_compiler_that_makes_garbage_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    target = 'while [ "$1" != -o ]; do shift; done; echo garbage > "$2"; exit 0'
    for number, script in enumerate((on_module(target), on_link(target))):
        monkeypatch.setenv("CC", compiler(tmp_path / f"cc{number}", script))
        with pytest.raises(ToolchainError, match="made no library"):
            driver.load("gate.gw")
    target = target.replace("echo garbage", r"printf '\177ELFgarbage'")
    monkeypatch.setenv("CC", compiler(tmp_path / "cc2", on_link(target)))
    with pytest.raises(ToolchainError, match="cannot be loaded"):
        driver.load("gate.gw")
    monkeypatch.delenv("CC")
    assert value(driver.load("gate.gw")) == pytest.approx(RIGHT, rel=1e-14)


# ---------------------------------------------------------------- processors, threads


@pytest.mark.skipif(not toolchain.processor().startswith("x86_64"), reason="the instructions are x86's")
def test_a_module_for_other_instructions_says_so_instead_of_dying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags = next((f for f in ("-mavx512er", "-mavx512vbmi2", "-mavx512f") if _missing(f)), None)
    if flags is None:
        pytest.skip("this machine, or its compiler, has them all")
    monkeypatch.setenv("CC", f"cc {flags}")
    with pytest.raises(OptionError, match=f"{flags[2:]}, which this machine lacks"):
        driver.load("gate.gw")
    assert driver.compile_model("gate.gw", out="out").cached
    program = "from out import gate"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "ImportError" in done.stderr and "compile gate again here" in done.stderr


def _missing(flag: str) -> bool:
    known = subprocess.run(["cc", flag, "-E", "-x", "c", "/dev/null"], capture_output=True, check=False).returncode == 0
    return known and flag[2:] not in Path("/proc/cpuinfo").read_text(encoding="utf-8").split()


@pytest.mark.skipif(not toolchain.processor().startswith("x86_64"), reason="the names are x86's")
def test_a_module_for_many_machines_has_no_instructions_of_this_one() -> None:
    tools = toolchain.toolchain().for_machine("x86-64-v2")
    assert "-march=x86-64-v2" in tools.flags and "-march=native" not in tools.flags
    assert toolchain.vectors(tools) == 128
    assert value(driver.load("gate.gw", march="x86-64-v2")) == pytest.approx(RIGHT, rel=1e-14)
    with pytest.raises(OptionError, match="armv8"):
        driver.load("gate.gw", march="armv8")


def test_the_number_of_threads_is_a_flag() -> None:
    tools = toolchain.toolchain()
    assert [f"-DGW_THREADS={n}" in tools.with_threads(n).flags for n in (1, 2)] == [True, True]
    assert len({t.identity for t in (tools, tools.with_threads(1), tools.with_threads(2), tools.at_level(0))}) == 4


# ---------------------------------------------------------------- info, clear, bounds


def test_info_and_clear(own_cache: Path) -> None:
    driver.load("gate.gw")
    found = cache.info()
    assert (found.folder, found.modules, found.failed) == (own_cache, 1, 0)
    objects = sum(p.stat().st_size for p in (own_cache / "objects").rglob("*") if p.is_file())
    assert found.objects == len(list((own_cache / "objects").iterdir())) >= 3
    assert found.largest[0][1] == "gate" and found.bytes - objects == found.largest[0][0] > 10_000
    cache.clear()
    assert cache.info().modules == cache.info().objects == 0 and not list((own_cache / "aside").iterdir())
    assert not driver.compile_model("gate.gw").cached


def test_what_is_remembered_of_texts_and_failures_is_bounded(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_MANY_FRONTS", 3)
    monkeypatch.setattr(cache, "_MANY_FAILED", 2)
    for k in range(6):
        cache.keep_front(f"{k}" * 64, cache.Front("m", (), {}))
        os.utime(own_cache / "fronts" / f"{str(k) * 64}.json", (k, k))
        (own_cache / "failed" / f"f{k}").mkdir(parents=True)
        os.utime(own_cache / "failed" / f"f{k}", (k, k))
    cache.obtain("a" * 64, lambda folder: {})
    assert sorted(p.name[0] for p in (own_cache / "fronts").iterdir()) == ["3", "4", "5"]
    assert sorted(p.name for p in (own_cache / "failed").iterdir()) == ["f4", "f5"]


def fill(folder: Path) -> dict[str, str]:
    (folder / "data").write_bytes(bytes(300_000))
    return {"name": "filler"}


@pytest.mark.cold
def test_what_was_not_used_for_longest_goes_first(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADWRIGHT_CACHE_SIZE", "1")  # MiB: room for three
    for k, age in enumerate((40, 30, 20)):
        entry = cache.obtain(f"{k}" * 64, fill)
        os.utime(entry.folder / "entry.json", (time.time() - age,) * 2)
    assert cache.find("0" * 64) is not None  # used now, so the second is the oldest
    cache.obtain("3" * 64, fill)
    assert sorted(p.name[0] for p in (own_cache / "modules").iterdir()) == ["0", "2", "3"]
    assert cache.info().bytes <= 1 << 20
    monkeypatch.setenv("GRADWRIGHT_CACHE_SIZE", "0")
    cache.obtain("4" * 64, fill)  # what was just made stays, whatever the bound
    assert [p.name[0] for p in (own_cache / "modules").iterdir()] == ["4"]
    monkeypatch.setenv("GRADWRIGHT_CACHE_SIZE", "plenty")
    assert cache.info().limit == cache.LIMIT


@pytest.mark.cold
def test_what_is_put_there_is_counted(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    look = cache._tidy
    monkeypatch.setattr(cache, "_tidy", lambda keep: (looks.append(keep[0]), look(keep)))
    monkeypatch.setattr(cache, "_LOOK", 4)
    monkeypatch.setenv("GRADWRIGHT_CACHE_SIZE", "2")  # MiB: room for six
    for key in "0123":
        cache.obtain(key * 64, fill)
    assert looks == ["0"]  # which found nothing noted
    for key in "456":
        cache.obtain(key * 64, fill)
    assert looks == ["0", "4", "6"]  # one is one too many
    assert len(list((own_cache / "modules").iterdir())) == 6
    for wrong in (b"many", b"\xff", None):
        (own_cache / "size").unlink() if wrong is None else (own_cache / "size").write_bytes(wrong)
        cache.forget("6" * 64)
        cache.obtain("6" * 64, fill)
        assert looks.pop() == "6" and int((own_cache / "size").read_text()) == cache.info().bytes
    shutil.rmtree(own_cache / "modules")  # by somebody who notes nothing
    for key in "789a":
        cache.obtain(key * 64, fill)
    assert looks == ["0", "4", "6", "7"] and int((own_cache / "size").read_text().split()[0]) < 400_000
    cache.clear()
    assert not (own_cache / "size").exists()


@pytest.mark.parametrize("backend", ["cython", "numpy"])
def test_an_entry_thrown_out_between_finding_and_loading(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process needs the room just then: the model is compiled again, by whichever way it was found."""
    entry = driver.compile_model("gate.gw", backend=backend).entry  # type: ignore[arg-type]
    assert entry is not None
    find, thrown = cache.find, []

    def find_and_lose(key: str, room: str = "modules") -> cache.Entry | None:
        found = find(key, room)
        if room == "modules" and found is not None and len(thrown) < 2:  # first for the short way, then for the driver's
            thrown.append(key)
            cache.forget(key)
        return found

    monkeypatch.setattr(cache, "find", find_and_lose)
    assert value(load("gate.gw", backend=backend)) == pytest.approx(RIGHT, rel=1e-14)
    assert thrown[0] == entry.key


def test_an_entry_thrown_out_as_soon_as_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other processes need the room again and again."""
    obtain, thrown = cache.obtain, []

    def obtain_and_lose(*arguments: Any) -> cache.Entry:
        made = obtain(*arguments)
        if len(thrown) < 4:
            thrown.append(made.key)
            cache.forget(made.key)
        return made

    monkeypatch.setattr(cache, "obtain", obtain_and_lose)
    assert value(load("gate.gw", backend="numpy", name="lost")) == pytest.approx(RIGHT, rel=1e-14)
    assert len(thrown) == 4


def test_processes_load_while_others_throw_out(tmp_path: Path) -> None:
    """A cache with room for nothing: each model that is compiled throws the other one out while others load it."""
    for name in "ab":
        (tmp_path / f"{name}.gw").write_text(GATE.replace("3", "3 + 0 * 1" if name == "a" else "3 + 0 * 2"))
    program = "import sys; from gradwright.runtime import load\n" \
              "for k in range(12):\n" \
              "    m = load('ab'[(k + int(sys.argv[1])) % 2] + '.gw', backend='numpy')\n" \
              "    print(float(m.Model().predict(x=0.5).f))\n" \
              "    [sys.modules.pop(n) for n in list(sys.modules) if n.startswith('gradwright.loaded')]\n"  # fmt: skip
    environment = dict(os.environ, GRADWRIGHT_CACHE_SIZE="0")
    processes = [
        subprocess.Popen([sys.executable, "-c", program, str(k)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True)
        for k in range(4)
    ]  # fmt: skip
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert [float(line) for line in out.split()] == pytest.approx([RIGHT] * 12, rel=1e-14)


# ---------------------------------------------------------------- what it tells logging


def test_a_cache_miss_says_why(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    caplog.set_level("DEBUG", logger="gradwright")

    def told(name: str) -> list[tuple[str, str]]:
        found = [(r.levelname, r.getMessage()) for r in caplog.records if r.name == f"gradwright.{name}"]
        caplog.clear()
        return found

    load("gate.gw", backend="numpy")
    events = [(r.name, r.levelname, r.getMessage()) for r in caplog.records]
    assert ("gradwright.cache", "INFO", "gate.gw is not in the cache as it is now") in events
    asked = next(text for _, level, text in events if level == "DEBUG" and "was looked for as" in text)
    assert "'backend': 'numpy'" in asked and "'sizes': {}" in asked and "'gradwright': " in asked
    stages = [text.split()[1].rstrip(",") for _, _, text in events if "gate.gw: " in text]
    assert stages == list(driver.STAGE_NAMES)
    assert any(level == "INFO" and "gate.gw became " in text for _, level, text in events)
    caplog.clear()
    load("gate.gw", backend="numpy")
    assert [(level, text.split(" in ")[0]) for level, text in told("cache")] == [("DEBUG", "gate.gw is found")]
    entry = driver.compile_model("gate.gw", backend="numpy").entry
    assert entry is not None
    entry.path("gate.py").write_text("damaged")
    caplog.clear()
    load("gate.gw", backend="numpy")
    assert ("DEBUG", f"{entry.path('gate.py')} is not what was put there: it is built again") in told("cache")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("backend", ["numpy", "cython"])
def test_loading_warns_each_time_at_the_line_that_loads(backend: str, own_cache: Path) -> None:
    text = "size N\ninput x[N, 2], y[N]\nparam W[2, 1] = 0\nminimize mse(x @ W, y)\n"
    for _ in range(2):  # compiled, and found again
        with pytest.warns(ModelWarning, match="takes all pairs of their elements") as found:
            load(text, name="pairs", backend=backend)
        assert [w.filename for w in found] == [__file__]
        assert "4 | minimize mse(x @ W, y)" in str(found[0].message)


def test_nothing_is_printed_where_nobody_listens() -> None:
    """Not even warnings, with logging imported or not."""
    program = "{}; from gradwright.runtime import load; import sys; m = load('gate.gw', backend='numpy'); " \
              "m.Model().fit({{'x': 1.0}}, 'sgd', epochs=2) if 'fit' in sys.argv else None"  # fmt: skip
    for first in ("import logging", "pass"):
        command = [sys.executable, "-c", program.format(first)]
        environment = dict(os.environ, GRADWRIGHT_CACHE="/proc/nowhere")  # a cache that cannot be used
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        assert (done.stdout, done.stderr) == ("", "")


def test_entries_are_plain_json_with_the_hash_of_every_file(own_cache: Path) -> None:
    entry = driver.compile_model("gate.gw").entry
    assert entry is not None
    about = json.loads(entry.path("entry.json").read_text())
    assert set(about["files"]) == {"gate.pyx", "gate.pyi", "gate.map.json", f"gate{suffix()}"}
    assert all(len(digest) == 64 for digest in about["files"].values())


@pytest.mark.parametrize("settings", ["", "/somewhere/else"])
def test_a_table_of_blocks_lies_where_settings_do(settings: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradwright.compiler.build.blocking import place
    from platformdirs import user_config_path

    monkeypatch.delenv("GRADWRIGHT_BLOCKING", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", settings)
    assert place() == user_config_path("gradwright", appauthor=False) / "blocking.json"
