"""The C compiler: which one, what it can do, how it is started.

What a compiler can do is found out once and kept in the cache, keyed by the program, its time stamp and the processor.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import threading
from collections.abc import Sequence
from functools import cache as once
from pathlib import Path
from typing import Final, NamedTuple

from gradwright.runtime.logs import DEBUG, tell

from ..language.family import GradwrightError
from . import cache
from .hashing import sha256
from .options import LEVELS, DiskError, OptionError

TIMEOUT: Final = 600.0  # seconds for one run of the C compiler; far beyond what any model takes; $GRADWRIGHT_TIMEOUT
PROBE_TIMEOUT: Final = 30.0
_FORMAT: Final = 1  # of the probe's answer in the cache

# Each entry is a list of alternatives, the best first; an empty one means "do without".
# gnu11 and not c11: under ISO C gcc never contracts a*b + c into a fused multiply-add, which halves every matrix product.
_WISHES: Final[tuple[tuple[tuple[str, ...], ...], ...]] = (
    (("-std=gnu11",), ()),
    (("-O3",), ("-O2",), ()),
    (("-march=native",), ("-mcpu=native",), ()),
    (("-mprefer-vector-width=512",), ()),
    (("-ffp-contract=fast",), ()),
    (("-fno-math-errno",), ()),
    (("-fno-trapping-math",), ()),
    (("-fopenmp-simd",), ()),  # only the simd pragmas: no threads, no library
    (("-fvisibility=hidden",), ()),
)
# A fused loop has many arrays, of which some may be the same: gcc gives up to ask at ten pairs, clang at eight.
_OF_GCC: Final[tuple[tuple[tuple[str, ...], ...], ...]] = (
    (("-fno-loop-unroll-and-jam",), ()),  # two rows of a table in one loop: gcc then gathers the second one's elements one by one
    (("--param=vect-max-version-for-alias-checks=100",), ()),
)
_OF_CLANG: Final[tuple[tuple[tuple[str, ...], ...], ...]] = (
    (("-mllvm", "-runtime-memory-check-threshold=100"), ()),
)  # fmt: skip
_PROGRAM: Final = "#include <math.h>\n#include <stddef.h>\ndouble f(double x) { return exp(x) + (double)sizeof(size_t); }\n"

HOW_TO_GET_ONE: Final = """\
  Debian, Ubuntu   sudo apt install gcc libc6-dev python3-dev
  Fedora, RHEL     sudo dnf install gcc python3-devel
  Alpine           sudo apk add gcc musl-dev python3-dev
  Arch             sudo pacman -S gcc
  macOS            xcode-select --install"""


class ToolchainError(GradwrightError):
    """There is no C compiler that works here, or no Python headers. The message says how to get them."""


class BuildError(GradwrightError):
    """Cython or the C compiler refused what Gradwright wrote. ``log`` is where everything about it is kept."""

    def __init__(self, message: str, log: Path | None = None) -> None:
        super().__init__(message)
        self.log = log


class Toolchain(NamedTuple):
    """A C compiler that works, with the flags that it understands."""

    command: tuple[str, ...]  # the program and the arguments that $CC gave
    version: str  # the first line of --version
    flags: tuple[str, ...]
    shared: tuple[str, ...]  # what makes a Python extension out of it
    identity: str  # changes when a rebuilt module could differ: program, version, flags, processor
    levels: tuple[str, ...] = ()  # the processors that a module is for, the best first, where it chooses when it is imported

    @property
    def is_clang(self) -> bool:
        """Whether this is clang, or made from it."""
        return _OF_CLANG[0][0][0] in self.flags

    def at_level(self, level: int) -> Toolchain:
        """The same compiler at -O0 to -O3."""
        return self._with(tuple(f"-O{level}" if flag in _OPTIMISED else flag for flag in self.flags))

    def for_machine(self, march: str) -> Toolchain:
        """The same compiler, for all processors of a kind: native, x86-64-v2, -v3, -v4, armv8; or for these three, to choose from
        when a module is imported: dispatch."""
        if march == "native":
            return self
        here = os.uname().machine.lower()
        family = "arm" if march.startswith("armv") else "x86"
        if not here.startswith(("aarch64", "arm") if family == "arm" else ("x86_64", "amd64", "i386", "i686")):
            raise OptionError(f"--march {march}: this machine is {here}, and Gradwright builds for its own kind only")
        if march == "dispatch":
            return self._with(self.flags, LEVELS)
        return self._with((*self._portable(), "-march=armv8-a" if march == "armv8" else f"-march={march}"))

    def with_threads(self, threads: int) -> Toolchain:
        """The same compiler; what it builds uses so many threads, whatever the machine has."""
        return self._with((*self.flags, f"{_THREADS}{threads}"))

    def each(self) -> tuple[Toolchain, ...]:
        """The compilers of a module's levels, the best first: this one, where it has one level."""
        return tuple(self._replace(levels=()).for_machine(level) for level in self.levels) or (self,)

    def for_any(self) -> Toolchain:
        """The same compiler, for every processor of this machine's kind."""
        return self._replace(levels=())._with(self._portable())

    def for_objects(self, threads: bool, level: int) -> Toolchain:
        """The same compiler for what does not belong to one model: at its own level, whatever is asked of the model's own
        code, and with the number of threads in its flags only where that matters."""
        flags = tuple(f"-O{level}" if flag in _OPTIMISED else flag for flag in self.flags)
        return self._with(flags if threads else tuple(f for f in flags if not f.startswith(_THREADS)))

    def _portable(self) -> tuple[str, ...]:
        return tuple(f for f in self.flags if not f.startswith(("-march=", "-mcpu=")))

    def _with(self, flags: tuple[str, ...], levels: tuple[str, ...] = ()) -> Toolchain:
        root, levels = self.identity.partition(" ")[0], levels or self.levels
        return self._replace(flags=flags, levels=levels, identity=f"{root} {cache.digest(*flags, *levels)}")

    def compile(self, source: Path, target: Path, *, include: Sequence[Path] = ()) -> str:
        """Compile one C file into a Python extension. Returns what the compiler printed."""
        command = [
            *self.command, *self.flags, "-DNDEBUG", "-w", *self.shared,
            *(f"-I{path}" for path in (*include, *python_headers())), str(source), "-o", str(target), "-lm",
        ]  # fmt: skip
        return _made(command, target)

    def compile_object(self, source: Path, target: Path, *, include: Sequence[Path] = (), define: Sequence[str] = (),
                       strict: bool = False, running: Running | None = None) -> str:  # fmt: skip
        """Compile one C file into an object file that :meth:`link` takes. With ``strict``, it may call nothing undeclared."""
        command = [
            *self.command, *self.flags, "-DNDEBUG", "-Werror=implicit-function-declaration" if strict else "-w", "-c",
            *(("-fPIC",) if "-fPIC" in self.shared else ()), *(f"-D{word}" for word in define),
            *(f"-I{path}" for path in (*include, *python_headers())), str(source), "-o", str(target),
        ]  # fmt: skip
        return _made(command, target, running)

    def link(self, objects: Sequence[Path], target: Path) -> str:
        """Link object files into a Python extension."""
        command = [*self.command, *self.shared, *map(str, objects), "-o", str(target), "-lm"]
        return _made(command, target)


_OPTIMISED: Final = ("-O3", "-O2", "-O1", "-O0")
_THREADS: Final = "-DGW_THREADS="


def _made(command: Sequence[str], target: Path, running: Running | None = None) -> str:
    """What the compiler printed while it made ``target``."""
    tell(DEBUG, "compile", "the C compiler: %s", command)
    status, output = run(command, timeout=_timeout(), temporary=target.parent, running=running)
    output = _printable(output)
    if status and re.search(r"No space left on device|File too large|Disk quota exceeded", output):
        where = cache.directory()
        raise DiskError(f"there is no room to build in {where}: free some, or set GRADWRIGHT_CACHE to another folder")
    asked = re.search(r"-m(?:arch|cpu)=|(?:target|unknown) CPU", output)
    if status and asked and re.search(r"bad value|unknown|unsupported", output):
        lines = [line for line in output.splitlines() if "error" in line] or output.splitlines()  # some list all that they know
        raise ToolchainError("\n".join(["the C compiler does not know the processors asked for", *lines]))
    if status:
        how = f"was ended by signal {-status}" if status < 0 else f"failed (status {status})"
        raise BuildError(f"the C compiler {how}\n$ {_shown(command)}\n{output.rstrip()}")
    if not _is_binary(target):
        said = f"$ {_shown(command)}\n{output.rstrip()}"
        raise ToolchainError(f"the C compiler said that all went well, and made no library\n{said}")
    return output


class Running:
    """Programs that run at the same time. When one of them is not wanted any more, none is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pids: set[int] | None = set()

    def add(self, pid: int) -> None:
        with self._lock:
            if self._pids is not None:
                self._pids.add(pid)
                return
        _kill(pid)

    def remove(self, pid: int) -> None:
        with self._lock:
            if self._pids is not None:
                self._pids.discard(pid)

    def end(self) -> None:
        with self._lock:
            pids, self._pids = self._pids or set(), None
        for pid in pids:
            _kill(pid)


def _kill(pid: int) -> None:
    """End a program with all that it started."""
    import signal

    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _shown(command: Sequence[str]) -> str:
    import shlex

    return shlex.join(command)


def _timeout() -> float:
    with contextlib.suppress(ValueError):
        return max(1.0, float(os.environ.get("GRADWRIGHT_TIMEOUT", TIMEOUT)))
    return TIMEOUT


def _printable(text: str) -> str:
    """A program's output without what would disturb a terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)


def _is_binary(path: Path) -> bool:
    """Whether a file begins as ELF or Mach-O files do."""
    try:
        with open(path, "rb") as file:
            return file.read(4) in (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
    except OSError:
        return False


def run(command: Sequence[str], *, timeout: float, cwd: Path | None = None, temporary: Path | None = None,
        running: Running | None = None) -> tuple[int, str]:  # fmt: skip
    """Run a program without a shell; its status and all that it printed. Nothing of it outlives the call. What it puts aside
    goes to ``temporary``, which is swept when this process is killed."""
    import subprocess

    environment = dict(os.environ, LC_ALL="C")
    if temporary is not None:
        environment["TMPDIR"] = str(temporary)
    process = subprocess.Popen(
        list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=cwd,
        env=environment, start_new_session=True, text=True, errors="replace",
    )  # fmt: skip
    try:
        if running is not None:
            running.add(process.pid)
        output, _ = process.communicate(timeout=timeout)
    except BaseException as error:
        _kill(process.pid)  # gcc starts others, which would go on
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise BuildError(f"the C compiler did not finish in {timeout:g} seconds\n$ {_shown(command)}") from None
        raise
    finally:
        if running is not None:
            running.remove(process.pid)
    return process.returncode, output


def _which(name: str) -> str | None:
    """The program on the PATH. (shutil's, which takes 7 ms to import, is for systems that this does not run on.)"""
    if os.path.dirname(name):
        return name if os.access(name, os.X_OK) and not os.path.isdir(name) else None
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder, name)
        if folder and os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    return None


def find_compiler() -> tuple[str, ...]:
    """The C compiler's command: $CC with its arguments, or else cc, gcc or clang from the PATH."""
    wanted: Sequence[str] = ()
    if os.environ.get("CC"):
        import shlex

        wanted = shlex.split(os.environ["CC"])
    if wanted:
        path = _which(wanted[0])
        if path is None:
            raise ToolchainError(
                f"CC names {wanted[0]!r}, which is not a program on the PATH: unset CC or name a C compiler, as in CC=gcc"
            )
        return (path, *wanted[1:])
    for name in ("cc", "gcc", "clang"):
        path = _which(name)
        if path is not None:
            return (path,)
    raise ToolchainError(
        "no C compiler was found (looked for $CC, cc, gcc and clang). To get one:\n"
        f"{HOW_TO_GET_ONE}\nWithout one, a model still runs, slowly: --backend numpy"
    )


@once
def python_headers() -> tuple[Path, ...]:
    """The folders with Python.h and pyconfig.h."""
    import sysconfig

    paths = dict.fromkeys(Path(sysconfig.get_path(key)) for key in ("include", "platinclude"))
    found = tuple(path for path in paths if path.is_dir())
    if not any((path / "Python.h").is_file() for path in found):
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise ToolchainError(
            f"Python's C headers (Python.h) are missing for Python {version}. To get them:\n"
            f"  Debian, Ubuntu   sudo apt install python3-dev   (or python{version}-dev)\n"
            "  Fedora, RHEL     sudo dnf install python3-devel\n"
            "  Alpine           sudo apk add python3-dev\n"
            "  others           install a Python that comes with them, from python.org, pyenv, uv or conda"
        )
    return found


@once
def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """What -march=native depends on: the machine's type and the processor's features."""
    features = ""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith(("flags", "Features")):
                    features = " ".join(sorted(line.partition(":")[2].split()))
                    break
    except OSError:
        import platform

        features = platform.processor()
    return f"{os.uname().machine} {sha256(features.encode()).hexdigest()[:16]}"


def toolchain() -> Toolchain:
    """The C compiler to use, with the user's table of blocks. Probed at most once per compiler and machine; raises
    :class:`ToolchainError`."""
    from .blocking import flags, load

    found, own = _known(), flags(load())
    return found._with((*found.flags, *own)) if own else found


def _known() -> Toolchain:
    """The C compiler, as it was probed."""
    command = find_compiler()
    kept, question = _kept(command)
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        return _read(kept)
    with cache.locked("probe"):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            return _read(kept)
        tell(DEBUG, "compile", "the C compiler %s is tried: it was not used before, or has changed", command)
        found = _probe(command, question)
        with contextlib.suppress(OSError):  # else the next process asks again
            from .files import publish

            kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            publish(kept, json.dumps(found._asdict(), indent=1).encode())
    return found


def is_known() -> bool:
    """Whether :func:`toolchain` need not try the compiler first."""
    return _kept(find_compiler())[0].is_file()


def _kept(command: tuple[str, ...]) -> tuple[Path, str]:
    """Where it is kept what a compiler can do, and what that depends on."""
    real = os.path.realpath(command[0])
    state = os.stat(real)
    wishes = (_WISHES, _OF_GCC, _OF_CLANG)
    question = json.dumps([_FORMAT, command, real, state.st_mtime_ns, state.st_size, processor(), sys.platform, *wishes])
    return cache.directory() / "toolchains" / f"{sha256(question.encode()).hexdigest()[:32]}.json", question


def vectors(tools: Toolchain) -> int:
    """How many bits the vectors have that this compiler, with its flags, makes of loops; 0 if it does not tell."""
    with cache.scratch() as folder:
        source = folder / "empty.c"
        source.write_text("")
        status, output = run([*tools.command, *tools.flags, "-dM", "-E", str(source)], timeout=PROBE_TIMEOUT)
    defined = set(re.findall(r"#define (\w+)", output)) if not status else set()
    for name, bits in (("__AVX512F__", 512), ("__AVX2__", 256), ("__AVX__", 256), ("__SSE2__", 128), ("__ARM_NEON", 128)):
        if name in defined:
            return bits
    return 0


def _read(path: Path) -> Toolchain:
    data = json.loads(path.read_text(encoding="utf-8"))
    lists = {key: tuple(map(str, data[key])) for key in ("command", "flags", "shared")}
    return Toolchain(version=str(data["version"]), identity=str(data["identity"]), **lists)


def _probe(command: tuple[str, ...], question: str) -> Toolchain:
    """Ask the compiler what it understands: all wishes of gcc or of clang at once, or else one by one."""
    try:
        status, text = run([*command, "--version"], timeout=PROBE_TIMEOUT)
    except OSError as error:
        raise ToolchainError(f"the C compiler {command[0]} cannot be started: {error}\n{HOW_TO_GET_ONE}") from None
    version = _printable(text.strip().splitlines()[0])[:200] if text.strip() and not status else "unknown"
    shared = ("-bundle", "-undefined", "dynamic_lookup") if sys.platform == "darwin" else ("-shared", "-fPIC", "-pthread")
    with cache.scratch() as folder:
        source, target = Path(folder, "probe.c"), Path(folder, "probe.so")

        def accepts(program: str, flags: Sequence[str]) -> tuple[bool, str]:
            source.write_text(program, encoding="utf-8")
            target.unlink(missing_ok=True)
            status, output = run(
                [*command, "-Werror", *flags, *shared, str(source), "-o", str(target), "-lm"], timeout=PROBE_TIMEOUT,
                temporary=folder,
            )  # fmt: skip
            return status == 0 and target.is_file(), output

        at_once = [tuple(flag for wish in (*_WISHES, *own) for flag in wish[0]) for own in (_OF_GCC, _OF_CLANG)]
        flags = next((flags for flags in at_once if accepts(_PROGRAM, flags)[0]), ())
        if not flags:  # else one run has told everything
            works, output = accepts(_PROGRAM, ())
            if not works:
                last = "\n".join(_printable(output).strip().splitlines()[-8:])
                if re.search(r"No space left on device|File too large|Disk quota exceeded", output):
                    raise DiskError(f"there is no room to try the C compiler in {folder.parent}:\n{last}")
                raise ToolchainError(
                    f"the C compiler {_shown(command)} cannot build a shared library:\n{last}\n"
                    f"To get one that can:\n{HOW_TO_GET_ONE}"
                )
            for wish in (*_WISHES, *_OF_GCC, *_OF_CLANG):
                flags += next((w for w in wish if not w or accepts(_PROGRAM, (*flags, *w))[0]), ())
    identity = sha256(json.dumps([question, version, flags, shared]).encode()).hexdigest()
    return Toolchain(command, version, flags, shared, identity)
