"""A process for each program: it is started with its threads pinned, answers orders on a pipe, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import itertools
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
PATIENCE: Final = 600.0  # seconds that a program may take to be built, or to answer
_COUNTS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMBA_NUM_THREADS",
                  "GRADWRIGHT_THREADS")  # fmt: skip


class Failed(Exception):
    """A program that could not be built or that broke."""


class Missing(Failed):
    """A peer that is not installed, or has no program for the workload."""


# What keeps a library to the instructions of an older processor.
_HELD_TO: Final[Mapping[str, Mapping[str, str]]] = {
    "x86-64-v3": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2",
                  "OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
                  "NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "", "XLA_FLAGS": "--xla_cpu_max_isa=AVX2"},
    "x86-64-v2": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
                  "OPENBLAS_CORETYPE": "Nehalem", "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
                  "NUMBA_CPU_NAME": "nehalem", "NUMBA_CPU_FEATURES": "", "XLA_FLAGS": "--xla_cpu_max_isa=SSE4_2"},
}  # fmt: skip
MARCHES: Final = ("native", *_HELD_TO)


def environment(threads: int, path: Path | None = None, march: str = "native") -> dict[str, str]:
    """What libraries read when they are loaded. ``path``: where to take gradwright from, in place of what is installed.
    ``march``: the processors that all are to be fit for."""
    held = _HELD_TO.get(march, {})
    found = {**os.environ, **held, **dict.fromkeys(_COUNTS, str(threads))}
    flags = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'} intra_op_parallelism_threads={threads}"
    flags = " ".join(filter(None, [flags, held.get("XLA_FLAGS")]))
    found |= {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}
    places = [str(path)] if path is not None else []
    found["PYTHONPATH"] = os.pathsep.join([*places, str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return found


def processors(threads: int, turn: int = -1) -> list[int]:
    """As many as there are threads: the last ones that this process may use, as the first are where a system does its own things;
    or in ``turn``, so that programs that are built at the same time do not all wait for one."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    every = sorted(os.sched_getaffinity(0))
    last = max(0, len(every) - threads)
    start = last if turn < 0 else turn % (last + 1)
    return every[start : start + threads]


_turns = itertools.count()


class Worker:
    """The process of one program. ``ready`` waits until it is built."""

    def __init__(self, peer: str, workload: str, threads: int, *, small: bool = False, path: Path | None = None,
                 cache: Path | None = None, prepare: bool = False, march: str = "native") -> None:  # fmt: skip
        self.peer, self.about = peer, dict[str, Any]()
        order = {"peer": peer, "workload": workload, "threads": threads, "small": small, "prepare": prepare, "march": march,
                 "starts_on": processors(threads, next(_turns)), "processors": processors(threads)}  # fmt: skip
        places = environment(threads, path, march)
        if cache is not None:
            places["GRADWRIGHT_CACHE"] = str(cache)
        command = [sys.executable, "-m", "benchmarks.workers", json.dumps(order)]
        self._process = subprocess.Popen(command, cwd=ROOT, env=places, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, text=True)  # fmt: skip

    def ready(self) -> None:
        self.about = self._answer()

    def ask(self, **order: Any) -> Any:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        return self._answer()

    def check(self, calls: int) -> list[list[list[float]]]:
        found: list[list[list[float]]] = self.ask(do="check", calls=calls)["found"]
        return found

    def seconds(self, calls: int, way: str = "", clock: str = "wall") -> float:
        return float(self.ask(do="run", calls=calls, way=way)[clock])

    def peak(self) -> int:
        """Bytes: the most memory that the process held while it was measured, libraries and data included."""
        return int(self.ask(do="memory")["peak"])

    def close(self) -> None:
        """End the process; it is this one's child, whatever state it is in."""
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answer(self) -> Any:
        out = self._process.stdout
        assert out is not None
        ready, _, _ = select.select([out], [], [], PATIENCE)
        line = out.readline() if ready else ""
        if not line:
            raise Failed(f"no answer in {PATIENCE:g} s" if not ready else self._last_words())
        answer = json.loads(line)
        if "missing" in answer:
            raise Missing(answer["missing"])
        if "failed" in answer:
            raise Failed(answer["failed"])
        return answer

    def _last_words(self) -> str:
        assert self._process.stderr is not None
        lines = self._process.stderr.read().strip().splitlines()
        return lines[-1] if lines else f"ended with {self._process.wait()}"


# ---------------------------------------------------------------- inside of the process


def versions(names: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in names:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def peak_memory() -> int:
    """Bytes."""
    with contextlib.suppress(OSError), open("/proc/self/status", encoding="utf-8") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


def forget_peak() -> None:
    """From here on the peak is looked for: what making the data and looking at results took does not count."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="ascii") as peaks:
        peaks.write("5")  # Linux: the peak is what is held now


def pin(processors: Sequence[int]) -> None:
    """All threads of this process, also those that libraries have started: as many as they had processors then."""
    if not processors:
        return
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(int(thread), processors)


def serve(order: Mapping[str, Any], tell: Any) -> None:
    from .peers import PEERS, NotThere
    from .workloads import WORKLOADS, small

    pin(order["starts_on"])
    workload = replace(WORKLOADS[order["workload"]], march=order["march"])
    workload = small(workload) if order["small"] else workload
    peer = order["peer"]
    _, module, names = PEERS[peer]
    start = time.perf_counter()
    try:
        program = importlib.import_module(f"benchmarks.peers.{module}").make(workload, peer, order["threads"])
    except ImportError as error:
        tell({"missing": f"not installed: {error}"})
        return
    except NotThere:
        tell({"missing": ""})
        return
    pin(order["processors"])
    tell({"built": time.perf_counter() - start, "versions": versions(names), **program.about})
    if order["prepare"]:
        return
    measuring = False
    for line in sys.stdin:
        wanted = json.loads(line)
        if wanted["do"] == "run" and not measuring:
            forget_peak()
            measuring = True
        if wanted["do"] == "check":
            found = []
            for _ in range(wanted["calls"]):
                program.run(1)
                found.append(program.found())
            tell({"found": found})
        elif wanted["do"] == "memory":
            tell({"peak": peak_memory()})
        else:
            run = program.ways[wanted["way"]] if wanted["way"] else program.run
            start, used = time.perf_counter(), time.process_time()
            run(wanted["calls"])
            tell({"wall": time.perf_counter() - start, "processor": time.process_time() - used})


def main() -> None:
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as pipe:
        os.dup2(2, 1)  # what a library prints is not an answer

        def tell(answer: Mapping[str, Any]) -> None:
            pipe.write(json.dumps(answer) + "\n")
            pipe.flush()

        try:
            serve(json.loads(sys.argv[1]), tell)
        except KeyboardInterrupt:
            pass
        except BaseException as error:
            tell({"failed": f"{type(error).__name__}: {str(error)[:2000]}"})


if __name__ == "__main__":
    main()
