"""What a value that the user did not name is called: after the operation that makes it, as ``h_matmul1``, ``loss_sum2``."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Final

from .. import library
from .declare import table

OTHER: Final = "t"  # what is made by no operation that has a name, or by a function of the user's, is ``h_t1``
_INNER: Final = ("constant", "copy", "part", "scan", "shrink", OTHER)
_SHORT: Final = {"logsumexp": "lse", "binary_cross_entropy": "bce"}  # as they are called in the field
_LONGEST: Final = 12  # letters of a function's name; what a longer one gives is called after the last operation in it
_DEFINED: Final = re.compile(r"^(?:def|layer) (\w+)\(", re.MULTILINE)
_NUMBERED: Final = re.compile(r"_([a-z]\w*?)_?\d+(?:_\d+)?$")


@cache
def words() -> frozenset[str]:
    """The operations, the functions and layers of the library, and what is made on the way. A function of the user's is none of
    them: what it gives could not be told from a name of the user's own."""
    defined = (name for file in library.NAMES for name in _DEFINED.findall(library.read(file).text))
    return frozenset((*table(), *defined, *_INNER, *_SHORT.values()))


def word(op: str, function: str = "") -> str:
    """What a value made by ``op``, the result of ``function`` if that is not "", is called."""
    if function not in words() or len(_SHORT.get(function, function)) > _LONGEST:
        function = op if op in words() else OTHER
    return _SHORT.get(function, function)


def temporary(base: str, word: str, k: int) -> str:
    """The name of the k-th such value on the way to ``base``."""
    return f"{base}_{word}{'_' if word[-1].isdigit() else ''}{k}"


@lru_cache(maxsize=1 << 14)
def is_temporary(name: str) -> bool:
    """A value that the user did not name: ``h_add1``, ``d_h_add1``, ``d_h_part1``."""
    found = _NUMBERED.search(name)
    while found is not None:
        if found[1] in words():
            return True
        found = _NUMBERED.search(name, found.start() + 1)
    return False
