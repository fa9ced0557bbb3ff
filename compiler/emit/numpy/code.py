"""Pieces of NumPy's text: how tightly they bind, over which axes they lie, and how subscripts bring them over others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from ...graph import expr as E
from ...graph.ir import Const, Kind

# py: a Python number, which must not be divided by zero; the others are arrays or NumPy's scalars
Tag = Literal["real", "int", "bool", "py"]

ATOM: Final = 11
DTYPES: Final[dict[Kind, str]] = {"real": "real", "int": "np.int64", "bool": "np.bool_"}
# What no value of the model is spelled like.
NAMES: Final = (*E.DRAWS, "np", "math", "real", "install", "t", "w", "g", "states", "hypers")


@dataclass(frozen=True, slots=True)
class Code:
    """A piece of text, how tightly it binds, what it is, and the axes it depends on."""

    text: str
    level: int
    tag: Tag
    axes: frozenset[str] = frozenset()

    def tight(self, level: int) -> str:
        return self.text if self.level >= level else f"({self.text})"

    def real(self) -> Code:
        """As reals, where it is integers or truth values."""
        return self if self.tag in ("real", "py") else Code(reals(self.text), ATOM, "real", self.axes)


def reals(text: str) -> str:
    """An array of integers or truth values, or one of them, as reals. (NumPy's float64 makes a number of an array of one element,
    before NumPy 2.4.)"""
    return f"np.asarray({text}, real)"


# ---------------------------------------------------------------- axes


def subscript(items: Sequence[str]) -> str:
    """``[:, 1:3]``; nothing where everything is taken."""
    kept = list(items)
    while kept and kept[-1] == ":":
        kept.pop()
    return f"[{', '.join(kept)}]" if kept else ""


def expand_axes(text: str, level: int, layout: Sequence[str], wanted: Sequence[str], full: bool = False) -> str:
    """``text`` over ``layout``, an ordered part of ``wanted``, with a dimension of 1 for what is missing. Leading
    dimensions are left away, unless ``full``."""
    have = list(layout)
    items: list[str] = []
    for axis in wanted:
        if have and have[0] == axis:
            items.append(":")
            have.pop(0)
        elif items or full:
            items.append("None")
    assert not have, (layout, wanted)
    if "None" not in items:
        return text
    return f"{text if level >= ATOM else f'({text})'}[{', '.join(items)}]"


def with_new_axes(items: Sequence[str], entries: Sequence[str | None], layout: Sequence[str]) -> list[str]:
    """Subscripts with None for the axes of ``layout`` that are missing between and after those of ``entries``."""
    result: list[str] = []
    queue = list(items)
    pending = list(entries)
    for axis in layout:
        if pending and pending[0] == axis:
            # numbers take their dimension away, and may stand anywhere before
            while ":" not in queue[0]:
                result.append(queue.pop(0))
            result.append(queue.pop(0))
            pending.pop(0)
        elif len(pending) < len(entries):
            result.append("None")
    return result + queue


# ---------------------------------------------------------------- numbers and names


def spellable(name: str) -> str:
    """A name without what Python's names cannot hold."""
    return re.sub(r"\W", "_", name)


def names_tuple(names: Sequence[str]) -> str:
    """A tuple as it is written."""
    return "(" + ", ".join(names) + ("," if len(names) == 1 else "") + ")"


def number(value: Fraction) -> str:
    """The nearest float, as it is written; a whole number as it is."""
    if value.denominator == 1 and abs(value) < 10**9:
        return str(value.numerator)
    try:
        return repr(float(value))
    except OverflowError:
        return "np.inf" if value > 0 else "-np.inf"


def literal_name(name: str) -> str:
    """What a literal array is called in the module."""
    return "_literal_" + spellable(name)


def literal_array(const: Const) -> str:
    """A literal array as it is written."""
    shape = tuple(d.value or 0 for d in const.value.shape)
    numbers = [number(x) for x in const.data]

    def nested(dims: Sequence[int], items: Sequence[str]) -> str:
        if not dims:
            return items[0]
        step = len(items) // dims[0] if dims[0] else 0
        return "[" + ", ".join(nested(dims[1:], items[k * step : (k + 1) * step]) for k in range(dims[0])) + "]"

    text = f"np.array({nested(shape, numbers)}, {DTYPES[const.value.kind]})"
    return text if 0 not in shape else f"np.zeros({shape}, {DTYPES[const.value.kind]})"


# ---------------------------------------------------------------- comments


def safe(text: str) -> str:
    """Text for a docstring."""
    return text.replace("\\", "\\\\").replace('"""', "'''").rstrip('"')


def one_line(text: str) -> str:
    """Text for a comment."""
    return " ".join(text.split())
