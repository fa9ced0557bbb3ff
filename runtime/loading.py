"""`load`: a model's module, compiled when there is none yet. The one place of the runtime that asks for the compiler."""
from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

from .errors import MissingError, ModelWarning


def peak() -> Any:
    """What this machine can do at most, if the compiler is installed, which measures it; else None."""
    try:
        return import_module("gradwright.compiler.build.peak").peak()
    except ImportError:
        return None


def load(model: str | os.PathLike[str], *, dtype: Any = None, sizes: Mapping[str, int] | None = None,
         backend: str = "cython", **options: Any) -> ModuleType:
    """The module of a model, given by its path (`examples/xor.gw`) or as text: from the cache, or compiled now.

    `sizes={"H": 16}` overrides fixed sizes, `dtype="float32"` the real type; `backend="numpy"` needs no C compiler. The other
    options are those of `gradwright.compiler.driver.load`: optimize, march, threads, checked, profiled, precise, name.

    What is legal in the text and hardly meant is a warning, a ModelWarning of Python's `warnings`.
    Errors are of GradwrightError: the compiler's ModelError says what is wrong in the text, MissingError that the compiler is
    not installed.
    """
    if dtype is not None and not isinstance(dtype, str):     # np.float32, np.dtype("float32"), float
        dtype = "float64" if dtype is float else str(getattr(dtype, "name", None) or getattr(dtype, "__name__", dtype))
    try:
        found: ModuleType | None = import_module("gradwright.compiler.build.recall").recall(model, dtype, sizes, backend, options)
        if found is not None:
            return found
        driver = import_module("gradwright.compiler.driver")
    except ImportError as error:
        raise MissingError(f"load compiles models and needs gradwright's compiler: pip install gradwright ({error}). "
                           "A module that is compiled already is imported as any other") from error
    module: ModuleType
    module, result = driver.load_with(model, dtype=dtype, sizes=sizes, backend=backend, **options)
    for text in driver.shown(result.diagnostics, result.sources):
        warnings.warn(text, ModelWarning, stacklevel=2)
    return module
