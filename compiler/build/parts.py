"""Cython's C file in parts that are compiled side by side: the functions that compute, and the rest of the module.

The text stays one file that compiles as it is. With ``-DGW_PART=k`` it is its part k alone, where the functions of all others are
declared; 0 is what Python sees. A function is computing if it has nothing of Python and none of the module's own variables.
A checked module stays whole: what its functions find is in a variable of a header, of which each part would have its own.
"""

from __future__ import annotations

import re
from typing import Final

_HEAD: Final = """\
#ifdef GW_PART
#define GW_IN(part) (GW_PART == (part))
#define GW_APART __attribute__((visibility("hidden")))
#else
#define GW_IN(part) 1
#define GW_APART static
#endif
"""
_ENOUGH: Final = 32 << 10  # characters of C that are worth a part: they take the compiler twice as long as what it reads before
_MOST: Final = 8
_PYTHON: Final = re.compile(r"\bPy[A-Z]\w*_\w+\(|\b__Pyx_\w+|\b__pyx_mstate")
_OWN: Final = re.compile(r"^static ([^\n(=;]*[ *]__pyx_f_\w+\()", re.MULTILINE)
_FUNCTION: Final = re.compile(r"^static [^\n(=;]*[ *](__pyx_f_\w+)\([^;{]*\) \{\n.*?^\}\n", re.MULTILINE | re.DOTALL)
_SECTION: Final = "/* #### Code section: {} ### */\n"


def cut(text: str) -> tuple[str, int]:
    """The text, and how many parts it has: one, where it is too short or not what is expected."""
    bounds = [_SECTION.format(name) for name in ("module_code", "module_exttypes", "end")]
    if [text.count(bound) for bound in bounds] != [1, 1, 1] or '#include "gradwright/checked.h"' in text:
        return text, 1
    first, last, end = map(text.index, bounds)
    head, code = text[:first], text[first:last]
    found = list(_FUNCTION.finditer(code))
    module = _common([match[1] for match in found])
    apart = [m for m in found if not _PYTHON.search(m[0]) and f"__pyx_v_{module}" not in m[0]]
    parts = _shared_out({m[1]: len(m[0]) for m in apart})
    if not parts or re.search(r"^static CYTHON_INLINE [^\n(]*__pyx_f_", text, re.MULTILINE):
        return text, 1
    pieces, at = [], 0
    for match in found:
        pieces += [code[at : match.start()], f"#if GW_IN({parts.get(match[1], 0)})\n", match[0], "#endif\n"]
        at = match.end()
    seen = _OWN.sub(r"GW_APART \1", head), _OWN.sub(r"GW_APART \1", "".join([*pieces, code[at:]]))  # one may call another
    return f"{_HEAD}{seen[0]}{seen[1]}#if GW_IN(0)\n{text[last:end]}#endif\n{text[end:]}", 1 + max(parts.values())


def _common(names: list[str]) -> str:
    """What the names of a module's own things begin with, after __pyx_f_: its length and its name."""
    found = re.match(r"__pyx_f_(\d+)", names[0]) if names else None
    if found is None:
        return ""
    start = len("__pyx_f_")
    return names[0][start : start + len(found[1]) + int(found[1])] + "_"


def _shared_out(lengths: dict[str, int]) -> dict[str, int]:
    """The part, from 1 on, of each function: the longest first, each into what is the shortest yet."""
    total = sum(lengths.values())
    if total < _ENOUGH:
        return {}
    parts = [0] * min(_MOST, max(1, round(total / max(_ENOUGH, *lengths.values()))))
    found: dict[str, int] = {}
    for name in sorted(lengths, key=lambda n: (-lengths[n], n)):
        least = parts.index(min(parts))
        parts[least] += lengths[name]
        found[name] = least + 1
    return found
