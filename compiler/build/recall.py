"""From a model's text straight to the module that it became before.

This is what every process does that loads a model it has loaded before, so it stays short: what it imports is counted by
``tests/test_cache.py``. Whatever is not as usual is left to the driver, which finds it out again and says what is wrong.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from gradwright.runtime.logs import DEBUG, tell

from .. import __version__
from ..language.family import GradwrightError
from . import cache
from .modules import import_file, module_name, suffix
from .options import MARCHES

if TYPE_CHECKING:
    from .toolchain import Toolchain

_FORMAT: Final = 1


def recall(model: str | os.PathLike[str], dtype: str | None, sizes: Mapping[str, int] | None, backend: str,
           options: Mapping[str, Any]) -> ModuleType | None:  # fmt: skip
    """The module of a model, given by its path or as text, where the cache has it. The arguments are those of ``load``."""
    if not set(options) <= {"optimize", "march", "threads", "checked", "precise", "name"} or backend not in ("cython", "numpy"):
        return None
    try:
        chosen = options.get("name")
        if isinstance(model, str) and is_text(model):
            shown, text, folder, stem = f"{chosen or 'model'}.gw", model, Path.cwd(), chosen or "model"
        else:
            path = Path(model)
            shown, text, folder, stem = shown_path(path), decode(path.read_bytes()), path.absolute().parent, chosen or path.stem
        name, checked = module_name(stem), bool(options.get("checked", False))
        tools = None
        if backend == "cython":
            tools = tools_for(options.get("optimize", 3), options.get("march", "native"), options.get("threads"))
        precise = bool(options.get("precise", False))
        key = front_key(name, dtype, sizes or {}, backend, checked, tools, shown, text, precise=precise)
        front = cache.find_front(key, lambda used: _bytes(folder / used))
        entry = cache.find(front.module) if front is not None else None
        if entry is None:
            return None
        module = import_file(name, entry.path(importable(name, backend)), entry.key)
        found = [str(text) for text in front.about.get("shown", ())] if front is not None else []
    except (OSError, ValueError, TypeError, AttributeError, ImportError, GradwrightError):
        return None
    tell(DEBUG, "cache", "%s is found in %s", shown, entry.folder)
    if found:
        import warnings

        from gradwright.runtime.errors import ModelWarning

        for warning in found:
            warnings.warn(warning, ModelWarning, stacklevel=3)  # at the line that called ``load``
    return module


def tools_for(optimize: int, march: str, threads: int | None) -> Toolchain:
    """The C compiler as the options want it."""
    from .toolchain import toolchain

    if optimize not in (0, 1, 2, 3) or march not in MARCHES or (threads is not None and threads < 1):
        raise ValueError("optimize, march or threads")
    tools = toolchain()
    tools = tools if optimize == 3 else tools.at_level(optimize)
    tools = tools.for_machine(march)
    return tools if threads is None else tools.with_threads(threads)


def front_key(name: str, dtype: str | None, sizes: Mapping[str, int], backend: str, checked: bool, tools: Toolchain | None,
              shown: str, text: str, profiled: bool = False, precise: bool = False) -> str:  # fmt: skip
    """What a text with its options is remembered by."""
    options = json.dumps([name, dtype, sorted(sizes.items()), backend, checked, profiled, precise])
    return cache.digest("front", str(_FORMAT), stamp(), tools.identity if tools else "", shown, text, options)


def stamp() -> str:
    """Changes with the compiler itself, its library and its headers: also while it is worked on."""
    state: list[str] = [__version__, cython_version()]
    for root in (str(Path(__file__).parent.parent), str(headers().parent)):
        for folder, folders, files in os.walk(root):
            folders[:] = sorted(f for f in folders if f not in ("__pycache__", "errors"))
            for name in sorted(files):
                about = os.stat(os.path.join(folder, name))
                state.append(f"{name} {about.st_mtime_ns} {about.st_size}")
    return cache.digest(*state)


def headers() -> Path:
    """The folder with the C headers and the Cython face, which generated code includes as ``gradwright/...``."""
    import gradwright.runtime

    return Path(next(iter(gradwright.runtime.__path__))) / "include"


def cython_version() -> str:
    """Cython's version, read without importing it."""
    from importlib.util import find_spec

    spec = find_spec("Cython")
    if spec is None or not spec.submodule_search_locations:
        return ""
    shadow = Path(next(iter(spec.submodule_search_locations))) / "Shadow.py"
    with contextlib.suppress(OSError):
        found = re.search(r'^__version__ = "([^"]+)"', shadow.read_text(encoding="utf-8"), re.MULTILINE)
        return found[1] if found else ""
    return ""


def is_text(model: str) -> bool:
    """Whether a string is a model and not the path of one."""
    return "\n" in model or not (model.endswith(".gw") or os.path.exists(model))


def shown_path(path: Path) -> str:
    """How a file is called in messages and generated text: never by an absolute path, which would differ elsewhere."""
    if path.is_absolute():
        path = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else Path(path.name)
    return path.as_posix()


def decode(data: bytes) -> str:
    """The text of a model's file, with its lines ended alike."""
    return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def importable(name: str, backend: str) -> str:
    """The file of a module that Python imports."""
    return f"{name}.py" if backend == "numpy" else f"{name}{suffix()}"


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (OSError, ValueError):
        return None
