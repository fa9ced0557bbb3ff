"""What can be asked of a build, and what cannot be given."""

from __future__ import annotations

from typing import Final

from ..language.family import GradwrightError

MARCHES: Final = ("native", "x86-64-v2", "x86-64-v3", "x86-64-v4", "armv8", "dispatch")  # the processors that a module may be for
LEVELS: Final = ("x86-64-v4", "x86-64-v3", "x86-64-v2")  # of "dispatch", the best first: one of them is taken at import


class OptionError(GradwrightError):
    """Something is asked for that this machine cannot give."""


class DiskError(GradwrightError):
    """There is no room to build in."""


class GoneError(GradwrightError):
    """A module is wanted that the cache has not any more."""
