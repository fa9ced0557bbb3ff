"""The table of how products are cut into blocks: the one of the repository is gradwright/blocking.h, a user's is a file.

``gradwright tune`` measures and writes it. Nothing is measured while a model is compiled: what the table says is given to the C
compiler, so that the same model and the same table make the same module.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from .options import OptionError

VERSION: Final = 1
WIDTHS: Final = ("16", "32", "64")  # bytes of a vector
ENOUGH: Final = 1.005  # how much faster on the whole another value must be
_TURNS: Final = 7
_SECONDS: Final = 0.002  # of one turn of one shape


class Bound(NamedTuple):
    """What a number may be: from ``least`` to ``most``, a multiple of ``unit``. The values ``tried`` are measured."""

    least: int
    most: int
    unit: int
    tried: tuple[int, ...]


BOUNDS: Final[Mapping[str, Bound]] = {
    "depth": Bound(16, 1024, 16, (128, 192, 256, 320, 384, 512, 768)),
    "rows": Bound(16, 512, 16, (64, 96, 128, 192, 256)),
    "columns": Bound(192, 4096, 64, (576, 768, 1024, 1536, 2048)),
    "direct": Bound(0, 65536, 1, (8, 16, 32, 64, 128, 256, 512)),
}


class Blocking(NamedTuple):
    """A row of the table, as blocking.h explains it."""

    depth: int
    rows: int
    columns: int
    direct: int

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self._asdict().items())


# ---------------------------------------------------------------- the file


def place() -> Path:
    """Where a user's table is looked for: $GRADWRIGHT_BLOCKING, or the platform's place for settings."""
    chosen = os.environ.get("GRADWRIGHT_BLOCKING", "")
    if chosen:
        return Path(chosen).expanduser().absolute()
    if sys.platform == "linux":  # what platformdirs says, whose import takes as long as all else of a cached load
        settings = os.environ.get("XDG_CONFIG_HOME", "").strip() or "~/.config"
        return Path(settings).expanduser() / "gradwright" / "blocking.json"
    from platformdirs import user_config_path

    return user_config_path("gradwright", appauthor=False) / "blocking.json"


def load() -> dict[str, Blocking]:
    """The user's table, by the bytes of a vector; nothing where there is none. A file that is named must be there."""
    path = place()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if os.environ.get("GRADWRIGHT_BLOCKING"):
            raise OptionError(f"GRADWRIGHT_BLOCKING names {path}, which is not there: `gradwright tune` writes it") from None
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"{path} cannot be read: {error}") from None
    return read(text, str(path))


def read(text: str, name: str) -> dict[str, Blocking]:
    """The table in a text; whatever is wrong in it is told with its place."""

    def wrong(what: str) -> OptionError:
        return OptionError(f"{name}: {what}\nWithout the file there is the built-in table; `gradwright tune` then writes one.")

    try:
        data = json.loads(text)
    except ValueError as error:
        raise wrong(f"no JSON ({error})") from None
    if not isinstance(data, dict) or set(data) - {"version", "processor", "vectors"} or "vectors" not in data:
        raise wrong('expected an object with "version" and "vectors"')
    if data.get("version") != VERSION:
        raise wrong(f'"version" is {json.dumps(data.get("version"))}, and this Gradwright knows {VERSION}')
    rows = data["vectors"]
    if not isinstance(rows, dict) or set(rows) - {*WIDTHS}:
        raise wrong(f'"vectors" has a row for each of the widths {", ".join(WIDTHS)} (bytes), and for nothing else')
    found: dict[str, Blocking] = {}
    for width, row in rows.items():
        if not isinstance(row, dict) or set(row) != {*BOUNDS}:
            raise wrong(f"the row {width} of \"vectors\" has exactly {', '.join(BOUNDS)}")
        for key, bound in BOUNDS.items():
            value = row[key]
            fits = isinstance(value, int) and not isinstance(value, bool) and bound.least <= value <= bound.most
            if not fits or value % bound.unit:
                kind = f"a multiple of {bound.unit}" if bound.unit > 1 else "a whole number"
                given, range_ = json.dumps(value), f"{kind} from {bound.least} to {bound.most}"
                raise wrong(f"{key} of the row {width} is {given}, and must be {range_}")
        found[width] = Blocking(**row)
    return found


def text(rows: Mapping[str, Blocking], processor: str) -> str:
    table = {width: row._asdict() for width, row in sorted(rows.items())}
    return json.dumps({"version": VERSION, "processor": processor, "vectors": table}, indent=2) + "\n"


def flags(rows: Mapping[str, Blocking]) -> tuple[str, ...]:
    """What tells the C compiler of the table."""
    return tuple(f"-DGW_BLOCKING_{width}={','.join(map(str, row))}" for width, row in sorted(rows.items()))


def write(path: Path, rows: Mapping[str, Blocking], processor: str) -> None:
    """Put the table into a file, whole or not at all."""
    from .files import publish

    path.parent.mkdir(parents=True, exist_ok=True)
    publish(path, text(rows, processor).encode())


# ---------------------------------------------------------------- measuring

SHAPES: Final[tuple[tuple[int, int, int, bool], ...]] = (  # m, n, k, and whether A is transposed
    (16, 512, 128, False), (64, 512, 128, False), (64, 128, 784, False), (784, 128, 64, True), (128, 100, 3072, False),
    (3072, 100, 128, True), (32, 480, 512, False), (256, 256, 256, False), (1024, 64, 288, False), (512, 512, 512, False),
)  # fmt: skip

_PYX: Final = """\
# cython: language_level=3
cdef extern from "gradwright/tuning.h" nogil:
    double gw_tuned_product(Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, int, double)
    int gw_tuned_width()
def product(Py_ssize_t depth, Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t direct, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
            bint transposed, double least):
    return gw_tuned_product(depth, rows, columns, direct, m, n, k, transposed, least)
def width():
    return gw_tuned_width()
"""


class Tuned(NamedTuple):
    """What was found: the width of the vectors in bytes, the row before and the one to take, and the operations a second of each
    shape with both."""

    width: str
    before: Blocking
    after: Blocking
    speeds: tuple[tuple[tuple[int, int, int, bool], float, float], ...]


Measure = Callable[[Blocking, tuple[int, int, int, bool]], float]  # seconds


def tune(march: str = "native") -> Tuned:
    """Measure on this machine, for the vectors of these processors."""
    from . import cache
    from .compile import build_module
    from .modules import import_file
    from .recall import tools_for

    tools = tools_for(3, march, 1)
    with cache.scratch() as folder:
        module = import_file("blocking", build_module("blocking", _PYX, folder, tools=tools), cache.digest(str(folder)))
    width = str(module.width())
    before = load().get(width) or built_in()[width]

    def seconds(row: Blocking, shape: tuple[int, int, int, bool]) -> float:
        took = float(module.product(*row, *shape, _SECONDS))
        if took < 0:
            raise MemoryError("there is no room for the products that are measured")
        return took

    after = search(before, seconds)
    speeds = []
    for shape in SHAPES:
        best = [math.inf, math.inf]
        for _ in range(_TURNS):
            best = [min(b, seconds(row, shape)) for b, row in zip(best, (before, after), strict=True)]
        operations = 2 * shape[0] * shape[1] * shape[2]
        speeds.append((shape, operations / best[0], operations / best[1]))
    return Tuned(width, before, after, tuple(speeds))


def search(start: Blocking, seconds: Measure, shapes: Sequence[tuple[int, int, int, bool]] = SHAPES) -> Blocking:
    """The best row, one number after the other: a value is taken that makes the shapes faster on the whole (the mean of the
    logarithms). All values of a number are measured in turn, and the best turn of each counts."""
    best = start
    for key in ("direct", "depth", "rows", "columns"):
        rows = [best, *(best._replace(**{key: value}) for value in BOUNDS[key].tried if value != getattr(best, key))]
        score = [0.0] * len(rows)
        for shape in shapes:
            least = [math.inf] * len(rows)
            for _ in range(_TURNS):
                least = [min(old, seconds(row, shape)) for old, row in zip(least, rows, strict=True)]
            score = [s + math.log(x) for s, x in zip(score, least, strict=True)]
        found = min(range(len(rows)), key=score.__getitem__)
        if score[found] < score[0] - math.log(ENOUGH) * len(shapes):
            best = rows[found]
    return best


def built_in() -> dict[str, Blocking]:
    """The table of the repository."""
    import re

    from .recall import headers

    source = (headers() / "gradwright" / "blocking.h").read_text(encoding="utf-8")
    found: dict[str, Any] = dict(re.findall(r"^#define GW_BLOCKING_(\d+) ([\d, ]+)$", source, re.MULTILINE))
    return {width: Blocking(*map(int, row.split(","))) for width, row in found.items()}


__all__ = ["BOUNDS", "SHAPES", "Blocking", "Tuned", "built_in", "flags", "load", "place", "read", "search", "text", "tune",
           "write"]  # fmt: skip
