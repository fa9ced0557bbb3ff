"""Which contractions are convolutions that take less time by Winograd's minimal filtering (winograd.h)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..graph.shapes import Dim, size
from ..passes.products import Level, guess

Filtered = Literal["", "places", "weights"]

WIDTH = 16  # reals in a vector, as far as it matters here: no less of channels or of columns
# Of each window's size: the most channels, and the cycles for a vector of a tile's pixels, or of what comes of it, and for one of
# weights. Measured with 16 to 512 channels on 7 x 7 to 56 x 56 places.
WINDOWS = {3: (512, 75, 75), 5: (224, 260, 250)}
KEPT = 1 << 16  # weights that are added to, at most
GAIN = 0.85  # of the time of contract.h, at most
_FREE = (8, 16, 16)  # what a free number of images, rows and columns counts as


def filtered(rows: Sequence[Level], depth: Sequence[Level], columns: Level, onto: bool, added: bool) -> Filtered:
    """Whether the rows are places and the depth is a filter, or the other way round, and whether it pays. ``onto``: something
    else is added, ``added``: the product is added to what is there, which must be had again where a sum is not finite."""
    if not columns.b.is_one() or not columns.c.is_one():
        return ""
    if _pays(rows, depth, columns.extent):
        return "places" if not added and (not onto or columns.d.is_one()) else ""
    few = not added or guess(size(tuple(lv.extent for lv in (*rows, columns)))) <= KEPT
    return "weights" if few and not onto and _pays(depth, rows, columns.extent) else ""


def multiplied(filter_: Sequence[Level]) -> tuple[int, int]:
    """How many multiplications there are for how many of the plain sum: of two places by two, over those of one."""
    window = filter_[0].extent.value or 0
    return (window + 1) ** 2 // 4, window**2


def _channels(places: Sequence[Level], filter_: Sequence[Level], window: int) -> int:
    """How many channels a pixel has, where a step of the filter is one of the places, which lie in lines of an image; or 0."""
    if len(places) < 2 or len(filter_) not in (2, 3):
        return 0
    line, pixel = places[-2].a, places[-1].a
    first, *inner, last = filter_
    if first.extent.value != window or first.a != line or not last.a.is_one():
        return 0
    if not inner:  # the channels and the steps along the line follow each other
        return pixel.value or 0 if last.extent == pixel * window else 0
    return last.extent.value or 0 if inner[0].extent.value == window and inner[0].a == pixel else 0


def _pays(places: Sequence[Level], filter_: Sequence[Level], columns: Dim) -> bool:
    window = filter_[0].extent.value if filter_ else None
    if window not in WINDOWS:
        return False
    channels, n = _channels(places, filter_, window), columns.value
    most, turn, turn_weight = WINDOWS[window]
    if n is None or n < WIDTH or not WIDTH <= channels <= most:
        return False
    counts = [lv.extent.value for lv in places]
    images, high, wide = (_FREE[k] if v is None else v for k, v in enumerate([1] * (3 - len(counts)) + counts))
    if high < 2 or wide < 2:
        return False
    across, along, parts = -(-n // WIDTH), -(-channels // WIDTH), (window + 1) ** 2
    tiles = images * -(-high // 2) * -(-wide // 2)
    direct = images * high * wide * window**2 * channels * across
    return tiles * (parts * channels * across + turn * (across + along)) + turn_weight * channels * across < GAIN * direct
