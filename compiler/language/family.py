"""The root of the compiler's errors, by itself: what only finds a module in the cache needs no diagnostics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradwright.runtime.errors import GradwrightError as Family

if TYPE_CHECKING:
    from .diagnostics import Diagnostic


class GradwrightError(Family):  # type: ignore[misc]  # mypy sees the two packages apart
    """The base of everything the compiler raises on purpose, of one family with the runtime's errors."""

    diagnostics: tuple[Diagnostic, ...] = ()
