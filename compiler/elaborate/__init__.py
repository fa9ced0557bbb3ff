"""From the syntax tree to the graph: names get their meanings, arrays their shapes, and every operation its equation."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..graph.ir import Model
from ..language.diagnostics import Diagnostic
from ..language.source import Source
from ..language.syntax import Module
from .model import Elaborator

__all__ = ["elaborate", "elaborate_with_sources"]


def elaborate(
    module: Module,
    *,
    sizes: Mapping[str, int] | None = None,
    dtype: str | None = None,
    read: Callable[[str], Source | None] | None = None,
) -> tuple[Model | None, tuple[Diagnostic, ...]]:
    """The model of a module, or None where it has errors; and all errors and warnings.

    ``sizes`` overrides or fixes sizes, ``dtype`` the real type; ``read`` finds the file of ``use "mine.gw"``.
    """
    model, diagnostics, _ = elaborate_with_sources(module, sizes=sizes, dtype=dtype, read=read)
    return model, diagnostics


def elaborate_with_sources(
    module: Module,
    *,
    sizes: Mapping[str, int] | None = None,
    dtype: str | None = None,
    read: Callable[[str], Source | None] | None = None,
) -> tuple[Model | None, tuple[Diagnostic, ...], dict[str, Source]]:
    """As :func:`elaborate`, and every source that took part, by name: for rendering diagnostics and for hashing."""
    elaborator = Elaborator(module, sizes or {}, dtype, read)
    model, diagnostics = elaborator.run()
    return model, diagnostics, elaborator.context.files.sources
