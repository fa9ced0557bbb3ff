"""What computes, out of Cython's C file: the functions of the kernels and their tables, without Python, in parts that are
compiled side by side.

Cython's file is 280 KB before the first kernel, and needs Python's headers: together they take the C compiler longer than a small
model. What Python sees of a module is the same for every model but for its tables, so that it is linked (``gradwright/entry.h``)
and what is left is C of a few headers. The text is one file that compiles as it is; with ``-DGW_PART=k`` it is its part k alone,
where the functions of all others are declared.

This is done where all is as expected: no function has anything of Python, and what runs when the module is imported fills tables
with numbers and functions and calls the face. Otherwise, as in a module that is checked, Cython's file is compiled as it is.
"""

from __future__ import annotations

import ast
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
#include <math.h>
#include <stddef.h>
#include <string.h>
typedef ptrdiff_t Py_ssize_t;
#define PY_LONG_LONG long long
#define CYTHON_UNUSED __attribute__((unused))
"""
_KNOWN: Final = ("CYTHON_UNUSED", "PY_LONG_LONG", "Py_ssize_t")
_ENTRY: Final = """\
#include "gradwright/entry.h"
static const gw_about gw_this = {{
    "{name}",
    {doc},
    {spec},
    {kernel}, {update}, sizeof({real})
}};
__attribute__((visibility("hidden"))) void *GW_INIT(void) {{ return gw_enter(&gw_this); }}
"""
_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_ENOUGH: Final = 32 << 10  # characters of C that are worth a part: they take the compiler twice as long as what it reads before
_FACE: Final = '"gradwright/module.h"'  # the header that is Python's
_OWN: Final = re.compile(r"^static ([^\n(=;]*[ *]__pyx_f_\w+\()", re.MULTILINE)
_SEEN: Final = r"GW_APART \1"
_FUNCTION: Final = re.compile(r"^static [^\n(=;]*[ *](__pyx_f_\w+)\([^;{]*\) \{\n.*?^\}\n", re.MULTILINE | re.DOTALL)
_WORD: Final = re.compile(r"\b(?:Py|PY|CYTHON|__PYX|__Pyx)\w*|\b__pyx_mstate\w*|\b(?:un)?likely\b")
_SECTIONS: Final = ("numeric_typedefs", "type_declarations", "module_declarations", "module_code")
_SECTION: Final = "/* #### Code section: {} ### */\n"
_EARLY: Final = re.compile(r"^/\* Early includes \*/\n((?:#include [^\n]*\n)*)#ifdef _OPENMP$", re.MULTILINE)
_STRING: Final = r'"""(?:[^"\\]|\\.|"(?!""))*"""'
_DOC: Final = re.compile(rf"(?:#[^\n]*\n)*({_STRING})\n")
_SPEC: Final = re.compile(rf"^_SPEC = ({_STRING})\n", re.MULTILINE)
_ODD: Final = re.compile(rb'[^ -~]|["\\?]')  # in a string of C
_TABLE: Final = re.compile(r"static (\w+) (__pyx_v_\w+)\[(\d+)\];$")
# What a module does when it is imported.
_RUN: Final = re.compile(r"/\*--- Execution code ---\*/\n(.*?)/\*--- Wrapped vars code ---\*/", re.DOTALL)
_ELEMENT: Final = re.compile(r"  (__pyx_t_\d+)\[(\d+)\] = ([\w.+-]+);$")
# Cython has numbers so from 3.3 on.
_NUMBERS: Final = re.compile(r"  static \w+ const (__pyx_carray_\w*)\[\d+\] = \{([\w.+,-]*)\};$")
_FILLED: Final = re.compile(r"  memcpy\(&\((__pyx_v_\w+)\[0\]\), (__pyx_\w+), sizeof\(\1\[0\]\) \* \((\d+)\)\);$")
_INSTALL: Final = re.compile(r"  __pyx_t_\d+ = gwm_install\(__pyx_t_\d+, (__pyx_f_\w+), (__pyx_f_\w+), "
                             r"\(?sizeof\((\w+)\)\)?\); if ")  # fmt: skip
_NAMED: Final = re.compile(r"  if \(PyDict_SetItem\([^,]*__pyx_d, [^,]*__pyx_n_u_(SPEC|test), [^,]+\) < \(?0\)?\) __PYX_ERR\(")
_AROUND: Final = re.compile(r"  (?:__pyx_t_\d+ = (?:__Pyx_Globals\(\)|__Pyx_PyDict_NewPresized\(0\)); if |"
                            r"__Pyx_X?(?:GOT|DEC)REF\(__pyx_t_\d+\);(?: __pyx_t_\d+ = 0;)?$)")  # fmt: skip


class Computing(NamedTuple):
    """The text of what computes, and in how many parts it is: with one, it is compiled as it is."""

    text: str
    parts: int


class _Tables(NamedTuple):
    """What importing a module would do: fill these tables, and hand on functions and the type of its numbers."""

    filled: dict[str, list[str]]
    kernel: str
    update: str
    real: str


def computing(text: str, pyx: str, *, most: int = 1) -> Computing | None:
    """What computes in a module of this Cython text, of which Cython made this C; None where it cannot be had without Python.
    There are at most so many parts: each makes its own of the functions of headers that it calls, and more parts than processors
    would only cost."""
    sections = {name: _section(text, name) for name in _SECTIONS}
    early, doc, spec, tables = _EARLY.search(text), _literal(_DOC.match(pyx)), _literal(_SPEC.search(pyx)), _tables(text)
    name = re.search(r"^__Pyx_PyMODINIT_FUNC PyInit_(\w+)\(void\)$", text, re.MULTILINE)
    if "" in (doc, spec) or not (early and name and tables) or '#include "gradwright/checked.h"' in early[1]:
        return None
    functions = {match[1]: match[0] for match in _FUNCTION.finditer(sections["module_code"])}
    bare = {name: _COMMENT.sub("", function) for name, function in functions.items()}
    others = _COMMENT.sub("", _FUNCTION.sub("", sections["module_code"])).strip()
    declared = _declared(sections["module_declarations"], tables)
    if others or declared is None or not functions.keys() >= {tables.kernel, tables.update}:
        return None
    types = sections["numeric_typedefs"] + sections["type_declarations"]
    words = set(_WORD.findall(_COMMENT.sub("", "".join([types, declared, *bare.values()]))))
    if not words.issubset(_KNOWN) or any(_writes(function, tables) for function in bare.values()):
        return None
    included = [line for line in early[1].splitlines(keepends=True) if "gradwright/" in line and _FACE not in line]
    parts = _shared_out({name: len(function) * (1 + cases(function)) for name, function in functions.items()}, most)
    pieces = [f"#if GW_IN({parts.get(name, 0)})\n{_OWN.sub(_SEEN, function)}#endif\n" for name, function in functions.items()]
    entry = _ENTRY.format(name=name[1], doc=_quoted(doc), spec=_quoted(spec), kernel=tables.kernel, update=tables.update,
                          real=tables.real)  # fmt: skip
    return Computing("".join([_HEAD, *included, types, declared, *pieces, f"#if GW_IN(0)\n{entry}#endif\n"]),
                     1 + max(parts.values(), default=0))  # fmt: skip


def _section(text: str, name: str) -> str:
    """A section of Cython's file; nothing where there is none, or more than one."""
    start = _SECTION.format(name)
    if text.count(start) != 1:
        return ""
    text = text[text.index(start) + len(start) :]
    end = text.find(_SECTION.split("{}")[0])
    return text if end < 0 else text[:end]


def _literal(found: re.Match[str] | None) -> str:
    """What a string of the Cython text is; nothing where it is not there, or C has no such string."""
    value = str(ast.literal_eval(found[1])) if found else ""
    return "" if "\0" in value else value


def _tables(text: str) -> _Tables | None:
    """What a module does when it is imported, where that is nothing but what every module does."""
    run = _RUN.findall(text)
    if len(run) != 1:
        return None
    elements: dict[str, list[str]] = {}
    filled: dict[str, list[str]] = {}
    named: list[str] = []
    installed: list[re.Match[str]] = []
    for line in _COMMENT.sub("", run[0]).splitlines():
        if (element := _ELEMENT.match(line)) is not None:
            row = elements.setdefault(element[1], [])
            if int(element[2]) == 0:
                row.clear()
            if int(element[2]) != len(row):
                return None
            row.append(element[3])
        elif (numbers := _NUMBERS.match(line)) is not None:
            elements[numbers[1]] = numbers[2].split(",")
        elif (table := _FILLED.match(line)) is not None:
            filled[table[1]] = elements.pop(table[2], [])
            if len(filled[table[1]]) != int(table[3]):
                return None
        elif (install := _INSTALL.match(line)) is not None:
            installed.append(install)
        elif (name := _NAMED.match(line)) is not None:
            named.append(name[1])
        elif line.strip() and not _AROUND.match(line):
            return None
    if len(installed) != 1 or sorted(named) not in (["SPEC"], ["SPEC", "test"]):
        return None
    return _Tables(filled, *installed[0].groups())


def _declared(section: str, tables: _Tables) -> str | None:
    """The declarations of the module's functions, and its tables as what they are filled with."""
    found, left = list[str](), set(tables.filled)
    for line in section.splitlines():
        if _OWN.match(line) and line.endswith("/*proto*/"):
            found.append(_OWN.sub(_SEEN, line))
        elif (table := _TABLE.match(line)) is not None:
            values = tables.filled.get(table[2], [])
            if len(values) != int(table[3]):
                return None
            left.discard(table[2])
            found.append(f"CYTHON_UNUSED static const {table[1]} {table[2]}[{table[3]}] = {{{', '.join(values)}}};")
        elif "__pyx_v_" in line or "__pyx_f_" in line:
            return None
    found.sort(key=lambda line: "=" in line)  # tables name functions
    return None if left else "".join(f"{line}\n" for line in found)


def _writes(function: str, tables: _Tables) -> bool:
    """Whether a function may change a table."""
    return any(re.search(rf"&\(*{name}\b|\b{name}\[[^;]*\]\)* [-+*/]?= ", function) for name in tables.filled if name in function)


def _quoted(text: str) -> str:
    """A string as C has it, a line of it on each line."""
    lines = [_ODD.sub(lambda byte: b"\\%03o" % ord(byte[0]), line.encode()) for line in text.splitlines(keepends=True)]
    return "\n    ".join(f'"{line.decode("ascii")}"' for line in lines)


def _shared_out(lengths: dict[str, int], most: int) -> dict[str, int]:
    """The part of each function: the longest first, each into what is the shortest yet."""
    total = sum(lengths.values())
    parts = [0] * max(1, min(most, round(total / max(_ENOUGH, *lengths.values(), 1))))
    found: dict[str, int] = {}
    for name in sorted(lengths, key=lambda n: (-lengths[n], n)):
        least = parts.index(min(parts))
        parts[least] += lengths[name]
        found[name] = least
    return found
