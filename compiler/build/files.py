"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path


def publish(path: Path, data: bytes, *, executable: bool = False, mode: int | None = None) -> None:
    """Write ``data`` aside and rename it to ``path``: a reader sees the old file or the new one, never a half.

    ``mode`` are its permissions; without it, those of a new file."""
    aside = _write_aside(path, data, executable, mode)
    try:
        os.replace(aside, path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def publish_all(folder: Path, files: Mapping[str, bytes], *, executable: Collection[str] = ()) -> None:
    """Write several files into ``folder``: all of them aside first, so that a full disk leaves the old ones alone.
    A file that already has its content is not touched."""
    aside: dict[str, str] = {}
    try:
        for name, data in files.items():
            if not holds(folder / name, data):
                aside[name] = _write_aside(folder / name, data, name in executable)
        for name in list(aside):
            os.replace(aside[name], folder / name)
            del aside[name]
    finally:
        for path in aside.values():
            Path(path).unlink(missing_ok=True)


def holds(path: Path, data: bytes) -> bool:
    """Whether the file is there with exactly this content."""
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


def _write_aside(path: Path, data: bytes, executable: bool, mode: int | None = None) -> str:
    import tempfile

    _sweep(path)
    handle, aside = tempfile.mkstemp(prefix=f".{path.name[:40]}.{os.getpid()}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), (0o777 if executable else 0o666) & ~_umask() if mode is None else mode)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
    return aside


def _sweep(path: Path) -> None:
    """Remove what processes that were killed left beside a file that they were about to write."""
    start = f".{path.name[:40]}."
    for name in os.listdir(path.parent):
        if name.startswith(start) and name.endswith(".part"):
            owner = name[len(start) :].partition(".")[0]
            if owner.isdigit() and int(owner) != os.getpid():
                try:
                    os.kill(int(owner), 0)
                except ProcessLookupError:
                    (path.parent / name).unlink(missing_ok=True)
                except OSError:
                    pass  # somebody else's, and alive


def _umask() -> int:
    mask = os.umask(0o022)  # the only way to read it is to set it
    os.umask(mask)
    return mask
