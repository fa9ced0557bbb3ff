"""Whether the whole way from text to a running module works here."""

from __future__ import annotations

from typing import Final

from ..language.family import GradwrightError
from . import cache
from .compile import build_module
from .modules import import_file
from .toolchain import Toolchain

_PYX: Final = """\
# cython: language_level=3
cdef double _square(double x) noexcept nogil:
    return x*x
def square(double x):
    return _square(x)
"""


def trial(tools: Toolchain | None = None) -> str:
    """What goes wrong when a small module is built, imported and run; nothing if nothing does."""
    try:
        with cache.scratch() as folder:
            module = import_file("trial", build_module("trial", _PYX, folder, tools=tools), cache.digest(str(folder)))
            return "" if module.square(3.0) == 9.0 else "the module computes wrong numbers"
    except (GradwrightError, ImportError, OSError) as error:
        return str(error)
