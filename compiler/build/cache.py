"""The cache on disk: private to its user, and never trusted without looking."""

from __future__ import annotations

import os
from pathlib import Path


def directory() -> Path:
    """The cache's folder: $GRADWRIGHT_CACHE, or the platform's place for caches."""
    chosen = os.environ.get("GRADWRIGHT_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("gradwright", appauthor=False)
