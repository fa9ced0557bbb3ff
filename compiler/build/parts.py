"""Cython's C file in parts that are compiled side by side: the functions that compute, and the rest of the module.

The text stays one file that compiles as it is. With ``-DGW_PART=k`` it is its part k alone, where the functions of all others are
declared; 0 is what Python sees. A function is computing if it has nothing of Python and none of the module's own variables. The
parts that compute are a text of their own as well, without Python's headers, which take the C compiler as long as a kernel.
A checked module stays whole: what its functions find is in a variable of a header, of which each part would have its own.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from .few import cases

_HEAD: Final = """\
#ifdef GW_PART
#define GW_IN(part) (GW_PART == (part))
#define GW_APART __attribute__((visibility("hidden")))
#else
#define GW_IN(part) 1
#define GW_APART static
#endif
"""
_LEAN: Final = """\
#include <math.h>
#include <stddef.h>
#include <string.h>
typedef ptrdiff_t Py_ssize_t;
#define PY_LONG_LONG long long
#define CYTHON_UNUSED __attribute__((unused))
"""
_KNOWN: Final = ("CYTHON_UNUSED", "PY_LONG_LONG", "Py_ssize_t")
_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_ENOUGH: Final = 32 << 10  # characters of C that are worth a part: they take the compiler twice as long as what it reads before
_MOST: Final = 8
_FACE: Final = '"gradwright/module.h"'  # the header that is Python's
_PYTHON: Final = re.compile(r"\bPy[A-Z]\w*_\w+\(|\b__Pyx_\w+|\b__pyx_mstate")
_OWN: Final = re.compile(r"^static ([^\n(=;]*[ *]__pyx_f_\w+\()", re.MULTILINE)
_SEEN: Final = r"GW_APART \1"
_FUNCTION: Final = re.compile(r"^static [^\n(=;]*[ *](__pyx_f_\w+)\([^;{]*\) \{\n.*?^\}\n", re.MULTILINE | re.DOTALL)
_SECTION: Final = "/* #### Code section: {} ### */\n"


class Cut(NamedTuple):
    """A module's text, and that of its parts from 1 on: the same where it cannot do without Python."""

    module: str
    computing: str
    parts: int


def cut(text: str) -> Cut:
    """The text in parts: one, where it is too short or not what is expected."""
    bounds = [_SECTION.format(name) for name in ("module_code", "module_exttypes", "end")]
    if [text.count(bound) for bound in bounds] != [1, 1, 1] or '#include "gradwright/checked.h"' in text:
        return Cut(text, text, 1)
    first, last, end = map(text.index, bounds)
    head, code = text[:first], text[first:last]
    found = list(_FUNCTION.finditer(code))
    own = _common([match[1] for match in found])
    apart = [m for m in found if not _PYTHON.search(m[0]) and f"__pyx_v_{own}" not in m[0]]
    parts = _shared_out({m[1]: len(m[0]) * (1 + cases(m[0])) for m in apart})
    if not parts or re.search(r"^static CYTHON_INLINE [^\n(]*__pyx_f_", text, re.MULTILINE):
        return Cut(text, text, 1)
    pieces, at = [], 0
    for match in found:
        pieces += [code[at : match.start()], f"#if GW_IN({parts.get(match[1], 0)})\n", match[0], "#endif\n"]
        at = match.end()
    seen = _OWN.sub(_SEEN, head), _OWN.sub(_SEEN, "".join([*pieces, code[at:]]))  # one may call another
    module = f"{_HEAD}{seen[0]}{seen[1]}#if GW_IN(0)\n{text[last:end]}#endif\n{text[end:]}"
    lean = _lean(head, "".join(m[0] for m in apart))
    pieces = [f"#if GW_IN({parts[m[1]]})\n{_OWN.sub(_SEEN, m[0])}#endif\n" for m in apart]
    return Cut(module, "".join([_HEAD, lean, *pieces]) if lean else module, 1 + max(parts.values()))


def _lean(head: str, code: str) -> str:
    """What a part needs of what stands before it, without Python; nothing where that is not certain."""
    early = re.search(r"^/\* Early includes \*/\n((?:#include [^\n]*\n)*)#ifdef _OPENMP$", head, re.MULTILINE)
    types = [_section(head, name) for name in ("numeric_typedefs", "type_declarations")]
    words = set(re.findall(r"\b(?:Py|PY|CYTHON|__PYX|__Pyx)\w*|\b(?:un)?likely\b", _COMMENT.sub("", "".join([code, *types]))))
    if early is None or not words.issubset(_KNOWN):
        return ""
    included = [line for line in early[1].splitlines(keepends=True) if "gradwright/" in line and _FACE not in line]
    declared = [line for line in _section(head, "module_declarations").splitlines(keepends=True)
                if _OWN.match(line) and not re.search(r"\bPy(?!_ssize_t\b)", line)]  # fmt: skip
    return "".join([_LEAN, *included, *types, *(_OWN.sub(_SEEN, line) for line in declared)])


def _section(head: str, name: str) -> str:
    """A section of the text before the functions."""
    start = _SECTION.format(name)
    if start not in head:
        return ""
    text = head[head.index(start) + len(start) :]
    end = text.find(_SECTION.split("{}")[0])
    return text if end < 0 else text[:end]


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
