"""Caches of a test's own that need not compile first what every module links."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from gradwright.compiler.build import cache
from gradwright.compiler.build.objects import Headers, Objects
from gradwright.compiler.build.toolchain import toolchain


@functools.cache
def _common() -> dict[str, bytes]:
    """The files of the objects that every module links, and what the C compiler can do, from the cache that tests share."""
    known = Headers()
    wanted = {*known.of_text('include "gradwright/module.pxi"'), *(known.object("updates", real) for real in ("f32", "f64"))}
    found: dict[str, bytes] = {}
    with Objects(toolchain()) as making:
        making.start(wanted)
        for entry in [making.entry(one) for one in wanted]:
            found.update((f"objects/{entry.key}/{path.name}", path.read_bytes()) for path in entry.folder.iterdir())
    found.update((f"toolchains/{path.name}", path.read_bytes()) for path in (cache.directory() / "toolchains").iterdir())
    return found


def furnish(folder: Path) -> None:
    """Put into a cache what any module needs besides itself. To be called while the cache that tests share is the one in use."""
    for name, data in _common().items():
        path = folder / name
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(data)
    if folder.exists():
        folder.chmod(0o700)


def own_place(folder: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch, cold: bool = False) -> None:
    """Work in ``folder``, with the usual C compiler and a cache of its own. It has what modules share, unless ``cold``."""
    if not cold:
        furnish(cache_folder)
    monkeypatch.setenv("GRADWRIGHT_CACHE", str(cache_folder))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.chdir(folder)
