"""What modules share: heavy functions of the C headers, compiled once into object files that the cache keeps.

Nothing here knows a header: one that asks for defined(GW_OBJECT_NAME) takes part (``gradwright/object.h`` says how). A module
links the objects of the headers that its text includes: it is one file that needs nothing, and does not compile them again.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

from gradwright.runtime.logs import DEBUG, tell

from . import cache
from .recall import headers
from .toolchain import Running, Toolchain

_FORMAT: Final = 1
_AT_ONCE: Final = 4  # C compilers that one process runs at the same time
START: Final = "start"  # the header that runs before the processor is known
TEAM: Final = "team"  # the header whose threads all levels of a module share
FACE: Final = "module"  # the header that holds the face


def without(real: str) -> tuple[str, ...]:
    """The macros that leave the other real type out of headers, for f32 or f64."""
    return {"f32": ("GW_WITHOUT_F64",), "f64": ("GW_WITHOUT_F32",), "": ()}[real]


def real_of(pyx: str) -> str:
    """The real type of a module's Cython text: f32, f64 or ""."""
    found = re.search(r"^ctypedef (float|double) real$", pyx, re.MULTILINE)
    return {"float": "f32", "double": "f64"}[found[1]] if found else ""


class Object(NamedTuple):
    """The object file of one header, for one real type or, where the header has none, for both."""

    header: str
    real: str  # f32, f64 or ""

    @property
    def define(self) -> tuple[str, ...]:
        """The macros that it is compiled with."""
        return (f"GW_OBJECT_{self.header.upper()}", *without(self.real))

    @property
    def linked(self) -> str:
        """The macro of units that it is linked with."""
        return f"GW_LINKED_{self.header.upper()}"


class Headers:
    """The C headers as they are now."""

    def __init__(self) -> None:
        folder = headers() / "gradwright"
        self.texts = {p.name: p.read_text(encoding="utf-8") for p in sorted(folder.iterdir()) if p.suffix in (".h", ".pxi")}

    def of_text(self, pyx: str) -> tuple[Object, ...]:
        """The objects that a module of this Cython text links."""
        names = set(re.findall(r'"gradwright/(\w+)\.h"', pyx))
        for included in re.findall(r'^include "gradwright/(\w+\.pxi)"', pyx, re.MULTILINE):
            names |= set(re.findall(r'"gradwright/(\w+)\.h"', self.texts.get(included, "")))
        every = {name.removesuffix(".h") for header in (*names, START) for name in self.included(f"{header}.h")}
        real = real_of(pyx)
        return tuple(self.object(name, real) for name in sorted(every) if self.takes_part(name))

    def object(self, header: str, real: str) -> Object:
        """The object of a header for a module of this real type."""
        return Object(header, real if "GW_WITHOUT_F32" in self.texts[f"{header}.h"] else "")

    def takes_part(self, header: str) -> bool:
        return f"defined(GW_OBJECT_{header.upper()})" in self.texts.get(f"{header}.h", "")

    def level(self, header: str) -> int:
        """What the object of a header is compiled at: 3, if it does not say."""
        found = re.search(rf"^#define GW_LEVEL_{header.upper()} ([0-3])$", self.texts[f"{header}.h"], re.MULTILINE)
        return int(found[1]) if found else 3

    def others(self, header: str) -> list[str]:
        """The headers that this one includes and that are objects of their own."""
        names = (name.removesuffix(".h") for name in self.included(f"{header}.h"))
        return [name for name in names if name != header and self.takes_part(name)]

    def is_threaded(self, header: str) -> bool:
        return any("GW_THREADS" in self.texts[name] for name in self.included(f"{header}.h"))

    def included(self, name: str) -> list[str]:
        """A header and all of ours that it includes."""
        found, ahead = [], [name]
        while ahead:
            name = ahead.pop()
            if name in self.texts and name not in found:
                found.append(name)
                ahead += re.findall(r'#include "(?:gradwright/)?(\w+\.h)"', self.texts[name])
        return sorted(found)

    @property
    def parts(self) -> list[str]:
        """All of it, for a digest."""
        return [part for name in sorted(self.texts) for part in (name, self.texts[name])]


class Objects:
    """Object files in the making, beside whatever else is done. Leaving the context ends what still runs."""

    def __init__(self, tools: Toolchain, known: Headers | None = None) -> None:
        self.tools, self.headers = tools, known or Headers()
        self._running = Running()
        self._pool: ThreadPoolExecutor | None = None
        self._making: dict[Object, Future[cache.Entry]] = {}

    def __enter__(self) -> Objects:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if self._pool is not None:
            if kind is not None:
                self._running.end()
            self._pool.shutdown(cancel_futures=kind is not None)

    def start(self, wanted: Iterable[Object]) -> None:
        """See to it that these are made. Returns at once."""
        for one in wanted:
            if one not in self._making:
                self._making[one] = self.work(self._obtain, one)

    def work(self, function: Any, *arguments: Any) -> Future[Any]:
        """Run a function that waits for a program, beside others."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_AT_ONCE, "gradwright-objects")
        return self._pool.submit(function, *arguments)

    @property
    def running(self) -> Running:
        return self._running

    def entry(self, one: Object) -> cache.Entry:
        """The finished object in the cache, which may throw it out at any time."""
        self.start([one])
        return self._making[one].result()

    def file(self, one: Object, folder: Path) -> Path:
        """The finished object file, in ``folder``."""
        target = folder / f"shared_{one.header}{one.real}.o"
        entry = self.entry(one)
        for attempt in (1, 2, 3):
            try:
                target.write_bytes(entry.path("object.o").read_bytes())
                break
            except FileNotFoundError:
                if attempt == 3:
                    raise
                entry = self._obtain(one)
        return target

    def _obtain(self, one: Object) -> cache.Entry:
        threads = self.headers.is_threaded(one.header)
        level = 3 if self.tools.is_clang else self.headers.level(one.header)  # clang vectorises nothing at -O1
        tools = self.tools.for_objects(threads, level)
        tools = tools.for_any() if one.header == START or tools.levels else tools
        face = _face() if one.header == FACE else ()
        texts = [part for name in self.headers.included(f"{one.header}.h") for part in (name, self.headers.texts[name])]
        python = sys.version if any("<Python.h>" in text for text in texts) else ""
        key = cache.digest("object", str(_FORMAT), tools.identity, *one, python, *face, *texts)

        def make(folder: Path) -> dict[str, Any]:
            tell(DEBUG, "cache", "%s.h is compiled into an object", one.header)
            source = folder / "object.c"
            source.write_text(f'#include "gradwright/{one.header}.h"\n', encoding="ascii")
            if face:
                from gradwright.runtime.face import HEADER, code_header

                (folder / HEADER).write_text(code_header(), encoding="ascii")
            define = (*one.define, *(self.headers.object(name, one.real).linked for name in self.headers.others(one.header)))
            tools.compile_object(source, folder / "object.o", include=(headers(), folder), define=define,
                                 running=self._running)  # fmt: skip
            for path in folder.iterdir():
                if path.name != "object.o":
                    path.unlink()
            return {"name": f"{one.header} {one.real}".rstrip()}

        return cache.obtain(key, make, room="objects")


def _face() -> tuple[str | bytes, ...]:
    """What the face's bytecode is made from. To make it takes longer than all else that is asked before an object is found."""
    from gradwright.runtime import face

    files = [Path(face.__file__), *(face.HERE / f"{part}.py" for part in face.PARTS)]
    return (sys.version, *(path.read_bytes() for path in files))
