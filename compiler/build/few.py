"""Few rows. A kernel of short loops over the rows of a batch says, in its first statement, for how many rows it is to be compiled
by itself as well: ``few(N, 1, 4, 8)``. The C compiler then knows all lengths, keeps in registers what belongs to the rows, and
does not divide by their number. It does so only in a function of its own: in a branch beside the loops of any length, half of
that is lost.
"""

from __future__ import annotations

import re
from typing import Final

_FUNCTION: Final = re.compile(
    r"^(static|GW_APART) (\w+) (__pyx_f_\w+)\(([^;{]*)\) \{\n((?:(?!^\}$).)*?^ *gw_few\((__pyx_v_\w+)((?:, \d+)+)\);$.*?)^\}$",
    re.MULTILINE | re.DOTALL,
)
_CASES: Final = re.compile(r"^ *gw_few\(__pyx_v_\w+((?:, \d+)+)\);$", re.MULTILINE)


def apart(text: str) -> str:
    """Cython's C file, with a function for each of so few rows beside one for any number."""
    return _FUNCTION.sub(_apart, text) if "gw_few(" in text else text


def cases(function: str) -> int:
    """How many functions are made of the text of one beside it."""
    found = _CASES.search(function)
    return found[1].count(",") if found is not None else 0


def _apart(match: re.Match[str]) -> str:
    storage, result, name, formals, body, rows, counts = match.groups()
    given = [formal.split()[-1].lstrip("*") for formal in formals.split(", ")]
    any_ = name.replace("__pyx_f_", "__pyx_any_", 1)
    numbers = counts.split(", ")[1:]
    lines = [f"static inline __attribute__((always_inline)) {result} {any_}({formals}) {{", f"{body}}}"]
    for number in (*numbers, rows):  # the last one is for any
        few = ", ".join(number if argument == rows else argument for argument in given)
        lines.append(f"static __attribute__((noinline)) {result} {any_}_{_end(number)}({formals}) {{ {any_}({few}); }}")
    lines += [f"{storage} {result} {name}({formals}) {{", f"  switch ({rows}) {{"]
    for number in (*numbers, rows):
        case = "default" if number == rows else f"case {number}"
        lines.append(f"  {case}: {any_}_{_end(number)}({', '.join(given)}); return;")
    return "\n".join([*lines, "  }", "}"])


def _end(number: str) -> str:
    return number if number.isdigit() else "more"
