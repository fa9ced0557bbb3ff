"""Built modules as Python sees them: a name that can be imported, and the import itself."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import keyword
import re
import sys
import threading
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

_PREFIX: Final = "gradwright.loaded"  # in sys.modules only: there is no such package
_RESERVED: Final = frozenset({"numpy", "gradwright", "cython", "Cython", "generated", "scipy"})
_importing: Final = threading.Lock()


def module_name(stem: str) -> str:
    """The name of the module that a file called ``stem`` becomes: the stem itself where that can be imported safely.

    What no identifier can hold becomes ``_``. Keywords, and names under which the module would hide one that it or NumPy
    needs when its folder is on sys.path, get an underscore at the end.
    """
    if not stem.isascii():
        import unicodedata

        stem = unicodedata.normalize("NFKC", stem)
    name = re.sub(r"\W", "_", stem)
    if name.startswith("__"):
        name = name.strip("_")
    if not name.strip("_"):
        return "model"
    if not name.isidentifier():
        name = f"model_{name}"
    if keyword.iskeyword(name) or name in _RESERVED or name in sys.stdlib_module_names:
        name += "_"
    return name


def suffix() -> str:
    """What the file of an extension module ends in, for this Python."""
    return importlib.machinery.EXTENSION_SUFFIXES[0]


class _Text(importlib.machinery.SourceFileLoader):
    """Runs the text itself: bytecode that Python kept beside it would be in the cache without a hash."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def import_file(name: str, path: Path, key: str) -> ModuleType:
    """Import a module from its file, once per ``key``. Two models of the same name do not disturb each other."""
    full = f"{_PREFIX}.{key[:32]}.{name}"
    with _importing:
        known = sys.modules.get(full)
        if known is not None:
            return known
        loader: importlib.machinery.ExtensionFileLoader | importlib.machinery.SourceFileLoader
        if path.suffix == ".py":
            loader = _Text(full, str(path))
        else:
            loader = importlib.machinery.ExtensionFileLoader(full, str(path))
        spec = importlib.util.spec_from_file_location(full, path, loader=loader)
        if spec is None:
            raise ImportError(f"{path} is not a module")
        module = importlib.util.module_from_spec(spec)
        sys.modules[full] = module
        try:
            loader.exec_module(module)
        except BaseException:
            sys.modules.pop(full, None)
            raise
        module.__name__ = name
        _pickled(module, key, path.name)
        return module


def _pickled(module: ModuleType, key: str, file: str) -> None:
    """Let the module's models be unpickled by processes that have not loaded it: it cannot be imported by its name."""
    model = getattr(module, "Model", None)
    if isinstance(model, type):
        import copyreg

        def reduce(one: Any) -> tuple[Any, ...]:
            return _unpickled, (module.__name__, key, file), one.__getstate__()

        copyreg.pickle(model, reduce)


def _unpickled(name: str, key: str, file: str) -> Any:
    """A model that has no state yet."""
    module = sys.modules.get(f"{_PREFIX}.{key[:32]}.{name}")
    if module is None:
        from . import cache
        from .options import GoneError

        entry = cache.find(key)
        if entry is None or file not in entry.files:
            raise GoneError(f"the module of this {name}.Model is not in the cache: load the model before what was pickled")
        module = import_file(name, entry.path(file), key)
    return module.Model.__new__(module.Model)
