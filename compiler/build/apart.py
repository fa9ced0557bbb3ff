"""Loops whose rounds do not touch one another. Where several arrays lie in one piece of memory, the C compiler asks before each
loop over them whether they overlap, and makes the loop twice: a quarter of its time for a model of images. That they do not is
written in the indices, where all that a loop writes is at a place of its own in each round; a pragma says so. (What one loop
reads and writes under two names lies side by side: that is how ``loops/buffers.py`` lays it out.)"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

_PRAGMA: Final = "#pragma GCC ivdep"
_FUNCTION: Final = re.compile(r"^(?:static|GW_APART) [^\n(=;]*[ *]__pyx_f_\w+\([^;{]*\) \{\n.*?^\}$", re.MULTILINE | re.DOTALL)
_POINTER: Final = re.compile(r"^  __pyx_v_(\w+) = \(*__pyx_v_(\w+)\b", re.MULTILINE)
_ARRAY: Final = re.compile(r"^  \w+ __pyx_v_(\w+)\[\d+\];$", re.MULTILINE)
_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_LOOP: Final = re.compile(r"( *)for \((__pyx_t_\d+) = 0; \2 < (\w+); \2\+=1\) \{$")
_SET: Final = re.compile(r" *(?:(__pyx_[vt]_\w+)|\(__pyx_v_(\w+)\[.*?\]\)) = (.*);$")
_PLAIN: Final = re.compile(r" *(?:if \(__pyx_t_\d+\) \{|\} else \{|\}|)$")
_NAMED: Final = re.compile(r"__pyx_v_(\w+)(\[\d+\])?")
_ACCESS: Final = re.compile(r"__pyx_v_(\w+)\[")
_INSIDE: Final = re.compile(r"[-+*] \(+[^()]*[-+]")  # a sum that is not where another begins
_TERM: Final = re.compile(r"([-+] |^)(\w+(?: \* \w+)*)")

Place = dict[tuple[str, ...], int]  # how often each product of variables is in a sum


def told_apart(text: str) -> str:
    """Cython's C file, with the pragma before each such loop over arrays that the C compiler cannot tell apart."""
    return _FUNCTION.sub(lambda function: _marked(function[0]), text)


def _marked(function: str) -> str:
    bases = dict(_POINTER.findall(function))
    if len({*bases.values()}) == len(bases):
        return function
    bare = _COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), function)
    elements = {*_ARRAY.findall(bare)} - {name for name, index in _NAMED.findall(bare) if not index}
    lines, open_, found, innermost = bare.split("\n"), list[tuple[int, str]](), list[int](), False
    for number, line in enumerate(lines):
        if (loop := _LOOP.match(line)) is not None:
            open_.append((number, loop[1]))
            innermost = True
        elif open_ and line == f"{open_[-1][1]}}}":
            first, _ = open_.pop()
            if innermost and "simd" not in lines[first - 1] and _is_apart(lines[first:number], bases, elements):
                found.append(first)
            innermost = False
    lines = function.split("\n")
    for first in reversed(found):
        lines.insert(first, _PRAGMA)
    return "\n".join(lines)


def _is_apart(lines: Sequence[str], bases: Mapping[str, str], elements: set[str]) -> bool:
    """Whether no round of an innermost loop touches what another writes, and the C compiler does not know it. Arrays of the same
    of ``bases`` lie in one piece of memory; what ``elements`` has are variables, each for itself."""
    loop = _LOOP.match(lines[0])
    assert loop is not None
    rounds = int(loop[3], 0) if loop[3][0].isdigit() else None
    held: dict[str, Place | None] = {loop[2]: {("",): 1}}  # what variables of the loop hold; "" is the number of the round
    written: dict[str, list[Place | None]] = {}
    touched: dict[str, list[Place | None]] = {}
    for line in lines[1:]:
        if _PLAIN.match(line):
            continue
        statement = _SET.match(line)
        if statement is None:
            return False
        variable, array, value = statement.groups()
        here = []
        for access in _ACCESS.finditer(line):
            depth, at = 1, access.end()
            while depth:
                depth += {"[": 1, "]": -1}.get(line[at], 0)
                at += 1
            here.append((access[1], _place(line[access.end() : at - 1], held)))
        for name, place in here:
            touched.setdefault(name, []).append(place)
        if array is not None:
            written.setdefault(array, []).append(here[0][1])
        else:
            held[variable] = _place(value, held)
    changed = {variable for variable in held if variable != loop[2]}
    if any(changed.intersection(product) for places in touched.values() for place in places for product in place or ()):
        return False  # an index that one round leaves for the next
    for name in elements:
        written.pop(name, None)
    if not any(bases.get(name, "") == bases[other] for name in written for other in touched if name != other and other in bases):
        return False
    named = Counter(name for line in lines for name, _ in _NAMED.findall(line))
    for name, places in written.items():
        if named[name] != len(touched[name]):
            return False  # handed on to a function
        if not all(_separate(place, other, rounds) for place in places for other in touched[name]):
            return False
    return True


def _separate(place: Place | None, other: Place | None, rounds: int | None) -> bool:
    """Whether two places that move with the round are apart, in different rounds."""
    if place is None or other is None:
        return False
    step = place.get(("",), 0)
    if not step or any("" in product for product in {*place, *other} - {("",)}):
        return False
    apart = {product: place.get(product, 0) - other.get(product, 0) for product in {*place, *other}}
    distance = apart.pop((), 0)
    if any(apart.values()):
        return False
    return distance == 0 or distance % step != 0 or (rounds is not None and abs(distance) >= abs(step) * rounds)


def _place(text: str, held: Mapping[str, Place | None]) -> Place | None:
    """What an expression of whole numbers is; None where it is not a sum of products."""
    if _INSIDE.search(text):
        return None
    flat = text.replace("(", "").replace(")", "")
    if _TERM.sub("", flat).strip():
        return None
    place: Place = {}
    for sign, product in _TERM.findall(flat):
        part: Place = {(): -1 if sign == "- " else 1}
        for word in product.split(" * "):
            known = {(): int(word, 0)} if word[0].isdigit() else held.get(word, {(word,): 1})
            if known is None:
                return None
            part = {tuple(sorted((*a, *b))): m * n for a, m in part.items() for b, n in known.items()}
        for key, count in part.items():
            place[key] = place.get(key, 0) + count
    return place
