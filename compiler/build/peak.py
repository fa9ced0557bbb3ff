"""What this machine can do at most, measured once and kept: multiply-adds a second, and bytes a second from each cache."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from . import cache
from .compile import build_module
from .hashing import sha256
from .modules import import_file
from .recall import headers
from .toolchain import processor, processors, toolchain

_PYX: Final = """\
# cython: language_level=3
cdef extern from "gradwright/peak.h" nogil:
    double gw_peak_flops(int, double)
    double gw_peak_read(size_t, double)
    double gw_peak_copy(size_t, double)
    int gw_peak_bits()
def flops(int size, double seconds):
    cdef double found
    with nogil:
        found = gw_peak_flops(size, seconds)
    return found
def read(size_t size, double seconds):
    cdef double found
    with nogil:
        found = gw_peak_read(size, seconds)
    return found
def copy(size_t size, double seconds):
    cdef double found
    with nogil:
        found = gw_peak_copy(size, seconds)
    return found
def bits():
    return gw_peak_bits()
"""
_FORMAT: Final = 1
_TURNS: Final = 5
_SECONDS: Final = 0.02  # of one turn; the best of several counts, as what else runs can only slow one down
_MEMORY: Final = "memory"


class Peak(NamedTuple):
    """By threads, in units a second. ``read`` and ``copy`` are by the level that holds the bytes: L1, L2, L3, memory."""

    bits: int  # of the vectors
    flops: dict[str, dict[int, float]]  # float32, float64
    read: dict[str, dict[int, float]]
    copy: dict[str, dict[int, float]]  # both the bytes that are read and those that are written
    caches: dict[str, int]  # how many bytes of a level were taken to be its size

    def bandwidth(self, touched: float, threads: int) -> float:
        """Bytes a second that can be read or copied of what takes ``touched`` bytes in all."""
        levels = sorted(self.caches.items(), key=lambda item: item[1])
        level = next((name for name, held in levels if touched <= held * (threads if name != "L3" else 1)), _MEMORY)
        return max(self.read[level][threads], self.copy[level][threads])


def caches() -> dict[str, int]:
    """Bytes of the data caches of one processor, by level; what is usual where the system does not say."""
    found: dict[str, int] = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        with contextlib.suppress(OSError, ValueError):
            level, kind, size = ((folder / name).read_text(encoding="ascii").strip() for name in ("level", "type", "size"))
            if kind != "Instruction" and size.endswith("K"):
                found[f"L{level}"] = int(size[:-1]) * 1024
    return found or {"L1": 32 << 10, "L2": 1 << 20, "L3": 16 << 20}


def peak(again: bool = False) -> Peak:
    """Measured when it is asked for the first time, or ``again``; kept for this compiler and processor."""
    tools = toolchain()
    source = (headers() / "gradwright" / "peak.h").read_text(encoding="utf-8")
    question = json.dumps([_FORMAT, tools.identity, processor(), processors(), source])
    kept = cache.directory() / "peaks" / f"{sha256(question.encode()).hexdigest()[:32]}.json"
    if not again:
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            return _read(json.loads(kept.read_text(encoding="utf-8")))
    found = _measure()
    with contextlib.suppress(OSError):
        from .files import publish

        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        publish(kept, json.dumps(found._asdict(), indent=1).encode())
    return found


def _read(data: Any) -> Peak:
    tables = {name: {key: {int(n): float(x) for n, x in row.items()} for key, row in data[name].items()}
              for name in ("flops", "read", "copy")}  # fmt: skip
    return Peak(bits=int(data["bits"]), caches={level: int(size) for level, size in data["caches"].items()}, **tables)


def _measure() -> Peak:
    with cache.scratch() as folder:
        module = import_file("peak", build_module("peak", _PYX, folder), cache.digest(str(folder)))
    counts = range(1, processors() + 1)

    def best(function: Callable[[int, float], float], size: int, threads: int) -> float:
        return max(_together(function, size, threads) for _ in range(_TURNS))

    levels = caches()
    last = max(levels.values())
    sizes = {level: size // 2 for level, size in levels.items()} | {_MEMORY: max(4 * last, 64 << 20)}

    def table(function: Callable[[int, float], float]) -> dict[str, dict[int, float]]:
        return {level: {n: best(function, size if level not in ("L3", _MEMORY) else size // n, n) for n in counts}
                for level, size in sizes.items()}  # fmt: skip

    flops = {name: {n: best(module.flops, size, n) for n in counts} for name, size in (("float32", 4), ("float64", 8))}
    return Peak(module.bits(), flops, table(module.read), table(module.copy), levels)


def _together(function: Callable[[int, float], float], size: int, threads: int) -> float:
    """What so many threads reach at once."""
    if threads == 1:
        return function(size, _SECONDS)
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    barrier = Barrier(threads)

    def one(_: int) -> float:
        barrier.wait()
        return function(size, _SECONDS)

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(one, range(threads)))


def table(found: Peak) -> list[str]:
    """To be read: a line for each kind of work, a column for each number of threads."""
    counts: Sequence[int] = sorted(found.flops["float32"])
    rows = [("", *(f"{n} thread" + "s" * (n > 1) for n in counts))]
    for name, row in found.flops.items():
        rows.append((f"multiply-add, {name}, {found.bits}-bit vectors", *(f"{row[n] / 1e9:.0f} GFLOP/s" for n in counts)))
    for what, levels in (("read", found.read), ("copy", found.copy)):
        for level, row in levels.items():
            place = f"{what} from {level}" if what == "read" else f"{what} within {level}"
            rows.append((place, *(f"{row[n] / 1e9:.0f} GB/s" for n in counts)))
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return ["  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]).rstrip()
            for row in rows]  # fmt: skip
