"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def publish(path: Path, data: bytes, *, executable: bool = False) -> None:
    """Write ``data`` aside and rename it to ``path``: a reader sees the old file or the new one, never a half."""
    handle, aside = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), (0o777 if executable else 0o666) & ~_umask())
        os.replace(aside, path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def publish_if_changed(path: Path, data: bytes, *, executable: bool = False) -> bool:
    """As :func:`publish`, but a file that already holds ``data`` is left alone. Says whether it wrote."""
    try:
        if path.read_bytes() == data:
            return False
    except OSError:
        pass
    publish(path, data, executable=executable)
    return True


def _umask() -> int:
    mask = os.umask(0o022)  # the only way to read it is to set it
    os.umask(mask)
    return mask
