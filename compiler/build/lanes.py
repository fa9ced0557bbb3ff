"""Sums in the lanes of a vector. C adds in the order of the text; a pragma leaves the order to the compiler, for loops that
add to a variable of the emitter's own, ``_x_block``. No model can have a variable of such a name, and the emitter writes it only
where the rounds of the loop do not touch one another."""

from __future__ import annotations

import re
from typing import Final

_LOOP: Final = re.compile(r"( +)for \((__pyx_t_\d+) = 0; \2 < __pyx_\w+; \2\+=1\) \{$")
_ADDS: Final = re.compile(r" +(__pyx_v__\w+_block(?:_\d+)?) = \(\1 \+ ")


def in_lanes(text: str) -> str:
    """Cython's C file, with the pragma before each such loop."""
    if not _ADDS.search(text):
        return text
    lines = text.split("\n")
    open_: list[tuple[int, str]] = []  # the loops around a line, and how far they are indented
    found: dict[int, list[str]] = {}
    for number, line in enumerate(lines):
        while open_ and line == f"{open_[-1][1]}}}":
            open_.pop()
        if (loop := _LOOP.match(line)) is not None:
            open_.append((number, loop[1]))
        elif open_ and (adds := _ADDS.match(line)) is not None:
            found.setdefault(open_[-1][0], []).append(adds[1])
    for number, names in found.items():
        lines[number] = f"#pragma omp simd reduction(+:{', '.join(dict.fromkeys(names))})\n{lines[number]}"
    return "\n".join(lines)
