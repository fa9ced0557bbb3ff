"""SHA-256 as Python itself brings it.

``hashlib`` loads OpenSSL first, which takes longer than everything else that is done to find a module in the cache. The standard
library's ``random`` goes round it in the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import sha256
else:
    from importlib import import_module

    for _name in ("_sha2", "_sha256", "hashlib"):  # of Python 3.12 and later, of 3.11, of all
        try:
            sha256 = import_module(_name).sha256
            break
        except (ImportError, AttributeError):
            continue

__all__ = ["sha256"]
