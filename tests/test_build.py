"""Text to module: the C compiler, the cache, the output files."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from gradwright.compiler.build import cache, toolchain
from gradwright.compiler.build.compile import build_module, suffix
from gradwright.compiler.build.files import publish, publish_all
from gradwright.compiler.build.modules import import_file, module_name

PYX = """\
# cython: language_level=3
cdef double _square(double x) noexcept nogil:
    return x*x
def square(double x):
    return _square(x)
def fail():
    raise ValueError("on purpose")
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADWRIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# ---------------------------------------------------------------- the C compiler


def write_program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_no_compiler_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(toolchain.ToolchainError) as caught:
        toolchain.toolchain()
    for word in ("apt install", "dnf install", "apk add", "xcode-select --install", "--backend numpy"):
        assert word in str(caught.value)


def test_cc_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -m64")
    with pytest.raises(toolchain.ToolchainError, match="no-such-compiler"):
        toolchain.toolchain()


def test_cc_may_carry_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "cc -pipe")
    assert toolchain.toolchain().command[1:] == ("-pipe",)


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\necho 'xcrun: error: no path' >&2\nexit 1\n", "garbage"])
def test_a_broken_compiler_is_a_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> None:
    monkeypatch.setenv("CC", str(write_program(tmp_path / "broken-cc", script)))
    with pytest.raises(toolchain.ToolchainError, match="broken-cc") as caught:
        toolchain.toolchain()
    assert "apt install" in str(caught.value)


def test_flags_that_a_compiler_lacks_are_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = write_program(
        tmp_path / "old-cc",
        '#!/bin/sh\nfor a in "$@"; do case "$a" in -march=*|-mprefer*|-fvisibility*) echo "unknown $a" >&2; exit 1;; esac; done\n'
        'exec cc "$@"\n',
    )
    monkeypatch.setenv("CC", str(old))
    found = toolchain.toolchain()
    assert "-O3" in found.flags and "-fno-math-errno" in found.flags
    assert not any(flag.startswith(("-march", "-mprefer", "-fvisibility")) for flag in found.flags)


def test_the_probe_runs_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    counter = tmp_path / "count"
    counting = write_program(tmp_path / "counting-cc", f'#!/bin/sh\necho x >> {counter}\nexec cc "$@"\n')
    monkeypatch.setenv("CC", str(counting))
    first = toolchain.toolchain()
    ran = counter.read_text().count("x")
    assert toolchain.toolchain() == first
    assert counter.read_text().count("x") == ran
    write_program(counting, f'#!/bin/sh\necho xx >> {counter}\nexec cc "$@"\n')  # another program: asked again
    assert toolchain.toolchain().identity != first.identity


def test_a_compiler_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    hanging = write_program(tmp_path / "hang", f"#!/bin/sh\nsleep 60 &\necho $! > {tmp_path}/child\nwait\n")
    started = time.monotonic()
    with pytest.raises(toolchain.BuildError, match="did not finish"):
        toolchain.run([str(hanging)], timeout=0.5)
    assert time.monotonic() - started < 10
    child = int((tmp_path / "child").read_text())
    for _ in range(50):
        status = Path(f"/proc/{child}/status")
        if not status.exists() or "State:\tZ" in status.read_text():
            break
        time.sleep(0.1)
    else:
        pytest.fail("the compiler's child lives on")


# ---------------------------------------------------------------- text to module


def test_a_module_is_built_and_works(tmp_path: Path) -> None:
    path = build_module("tiny", PYX, tmp_path)
    assert path == tmp_path / f"tiny{suffix()}"
    module = import_file("tiny", path, "0" * 64)
    assert module.square(3.0) == 9.0
    assert module.__name__ == "tiny"
    assert import_file("tiny", path, "0" * 64) is module
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cache", path.name]


def test_the_same_text_gives_the_same_bytes_and_no_folder_leaks(tmp_path: Path) -> None:
    first = build_module("tiny", PYX, tmp_path).read_bytes()
    assert build_module("tiny", PYX, tmp_path).read_bytes() == first
    assert str(tmp_path).encode() not in first


def test_refused_text_keeps_a_log(tmp_path: Path) -> None:
    with pytest.raises(toolchain.BuildError) as caught:
        build_module("wrong", "cdef double f(double x):\n    return y +\n", tmp_path)
    assert "wrong.pyx:2" in str(caught.value)
    assert caught.value.log is not None and str(caught.value.log) in str(caught.value)
    assert (caught.value.log.parent / "wrong.pyx").is_file()
    assert not list(tmp_path.glob("wrong*"))


def test_refused_c_keeps_a_log(tmp_path: Path) -> None:
    text = 'cdef extern from "no/such.h":\n    int f(int)\ndef g():\n    return f(1)\n'
    with pytest.raises(toolchain.BuildError, match=r"no/such\.h") as caught:
        build_module("wrong", text, tmp_path)
    assert caught.value.log is not None
    assert {p.name for p in caught.value.log.parent.iterdir()} == {"build.log", "wrong.pyx", "wrong.c"}


@pytest.mark.parametrize(
    ("stem", "name"),
    [("xor", "xor"), ("my-net", "my_net"), ("if", "if_"), ("numpy", "numpy_"), ("random", "random_"), ("2layer", "model_2layer"),
     ("__init__", "init"), ("σ", "σ"), ("a b.c", "a_b_c"), ("...", "model"), ("match", "match"), ("None", "None_")],
)  # fmt: skip
def test_every_file_name_gives_a_name_that_can_be_imported(stem: str, name: str, tmp_path: Path) -> None:
    assert module_name(stem) == name
    (tmp_path / f"{name}.py").write_text("answer = 42\n")
    command = f"from {tmp_path.name} import {name} as module; print(module.answer)"
    done = subprocess.run([sys.executable, "-c", command], cwd=tmp_path.parent, capture_output=True, text=True, check=False)
    assert done.stdout == "42\n", done.stderr


def test_a_module_with_a_greek_name_is_built(tmp_path: Path) -> None:
    assert import_file("σ", build_module("σ", PYX, tmp_path), "1" * 64).square(2.0) == 4.0


# ---------------------------------------------------------------- the cache


def fill(folder: Path) -> dict[str, str]:
    (folder / "a.txt").write_text("alpha")
    (folder / "b.txt").write_text("beta")
    return {"made": "yes"}


def never(folder: Path) -> dict[str, str]:
    raise AssertionError("made again")


def test_an_entry_is_made_once_and_found_again(own_cache: Path) -> None:
    assert cache.find("k" * 64) is None
    made = cache.obtain("k" * 64, fill)
    again = cache.obtain("k" * 64, never)
    assert again == made and again.about == {"made": "yes"}
    assert again.path("a.txt").read_text() == "alpha"
    assert own_cache.stat().st_mode & 0o777 == 0o700
    assert not list((own_cache / "aside").iterdir())


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "entry", "empty"])
def test_a_damaged_entry_is_never_used_and_made_again(damage: str) -> None:
    entry = cache.obtain("d" * 64, fill)
    target = entry.path("a.txt")
    match damage:
        case "flip":
            target.write_bytes(b"alphb")
        case "truncate":
            target.write_bytes(b"al")
        case "remove":
            target.unlink()
        case "entry":
            entry.path("entry.json").write_text('{"format": 1')
        case "empty":
            for path in list(entry.folder.iterdir()):
                path.unlink()
    assert cache.find("d" * 64) is None
    assert cache.obtain("d" * 64, fill).path("a.txt").read_text() == "alpha"
    assert cache.find("d" * 64) is not None


def test_a_failing_build_leaves_nothing(own_cache: Path) -> None:
    with pytest.raises(AssertionError):
        cache.obtain("f" * 64, never)
    assert cache.find("f" * 64) is None
    assert not list((own_cache / "aside").iterdir())
    assert cache.obtain("f" * 64, fill).about == {"made": "yes"}


def _compete(arguments: tuple[str, str]) -> str:
    folder, counter = arguments
    os.environ["GRADWRIGHT_CACHE"] = folder

    def make(aside: Path) -> dict[str, str]:
        with open(counter, "a") as file:
            file.write("x")
        time.sleep(0.2)
        return fill(aside)

    return cache.obtain("c" * 64, make).path("b.txt").read_text()


def test_processes_that_want_the_same_make_it_once(own_cache: Path, tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert pool.map(_compete, [(str(own_cache), str(tmp_path / "count"))] * 8, chunksize=1) == ["beta"] * 8
    assert (tmp_path / "count").read_text() == "x"


def test_a_lock_of_a_dead_process_does_not_block(own_cache: Path) -> None:
    script = textwrap.dedent("""
        import os, signal
        from gradwright.compiler.build import cache
        def make(folder):
            (folder / "half").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
        cache.obtain("k" * 64, make)
    """)
    done = subprocess.run([sys.executable, "-c", script], env=dict(os.environ, GRADWRIGHT_CACHE=str(own_cache)), check=False)
    assert done.returncode < 0
    started = time.monotonic()
    assert cache.obtain("k" * 64, fill).about == {"made": "yes"}
    assert time.monotonic() - started < 5


def test_what_was_left_behind_is_swept(own_cache: Path) -> None:
    left = own_cache / "aside" / "build-left"
    left.mkdir(parents=True)
    os.utime(left, (1, 1))
    cache.obtain("s" * 64, fill)
    assert not left.exists()


def test_the_oldest_entries_go_first(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def big(folder: Path) -> dict[str, str]:
        (folder / "big").write_bytes(bytes(400_000))
        return {}

    monkeypatch.setenv("GRADWRIGHT_CACHE_SIZE", "1")  # MiB: room for two
    for age, key in enumerate("ab"):
        os.utime(cache.obtain(key * 64, big).path("entry.json"), (1000 + age, 1000 + age))
    assert cache.find("a" * 64) is not None  # used just now: b is the oldest
    cache.obtain("c" * 64, big)
    assert cache.find("b" * 64) is None
    assert cache.find("a" * 64) is not None and cache.find("c" * 64) is not None


def test_a_cache_that_cannot_be_used_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GRADWRIGHT_CACHE", str(tmp_path / "file" / "cache"))
    assert cache.obtain("k" * 64, fill).path("a.txt").read_text() == "alpha"


def test_a_front_counts_only_with_the_files_it_used() -> None:
    files: dict[str, bytes] = {"mine.gw": b"one"}
    hashed = hashlib.sha256(b"one").hexdigest()
    cache.keep_front("f" * 64, cache.Front("module-1", (("mine.gw", hashed),), {"diagnostics": []}))
    found = cache.find_front("f" * 64, files.get)
    assert found is not None and found.module == "module-1"
    files["mine.gw"] = b"two"
    assert cache.find_front("f" * 64, files.get) is None
    cache.keep_front("f" * 64, cache.Front("module-2", (("mine.gw", hashlib.sha256(b"two").hexdigest()),), {}))
    for text, module in ((b"one", "module-1"), (b"two", "module-2")):
        files["mine.gw"] = text
        found = cache.find_front("f" * 64, files.get)
        assert found is not None and found.module == module


def test_a_damaged_front_is_no_front(own_cache: Path) -> None:
    cache.keep_front("f" * 64, cache.Front("m", (), {}))
    for text in ("", "{", "[]", json.dumps({"format": 1, "fronts": [{}]}), json.dumps({"format": 0, "fronts": []})):
        (own_cache / "fronts" / f"{'f' * 64}.json").write_text(text)
        assert cache.find_front("f" * 64, lambda path: None) is None


# ---------------------------------------------------------------- files


def test_publish_replaces_whole_files_with_the_users_mode(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    before = os.umask(0o027)
    try:
        publish(target, b"one")
        publish(target, b"two", executable=True)
    finally:
        os.umask(before)
    assert target.read_bytes() == b"two"
    assert target.stat().st_mode & 0o777 == 0o750
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_publish_all_writes_all_or_nothing(tmp_path: Path) -> None:
    publish_all(tmp_path, {"a": b"1", "b": b"2"})
    inode = (tmp_path / "a").stat().st_ino
    publish_all(tmp_path, {"a": b"1", "b": b"3"})
    assert (tmp_path / "a").stat().st_ino == inode  # untouched: it had its content
    assert (tmp_path / "b").read_bytes() == b"3"
    with pytest.raises(OSError):
        publish_all(tmp_path, {"a": b"9", "missing/c": b"9"})
    assert (tmp_path / "a").read_bytes() == b"1"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_what_a_killed_process_left_beside_a_file_goes(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / f".file.txt.{dead.pid}.abc.part").write_text("half")
    (tmp_path / f".file.txt.{os.getppid()}.abc.part").write_text("of a process that lives")
    publish(tmp_path / "file.txt", b"whole")
    assert sorted(p.name for p in tmp_path.iterdir()) == [f".file.txt.{os.getppid()}.abc.part", "file.txt"]
