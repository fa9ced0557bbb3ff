"""Which contractions are convolutions with filters of 3 x 3 that take less time by Winograd's minimal filtering (winograd.h)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..graph.shapes import Dim
from ..passes.products import Level

Filtered = Literal["", "places", "weights"]

WIDTH = 16  # reals in a vector, as far as it matters here: no less of channels or of columns
MOST_CHANNELS = 512
# Cycles for a vector of a tile's pixels, or of what comes of it, and for one of weights. Measured with 16 to 512 channels on
# 7 x 7 to 56 x 56 places.
TURN, TURN_WEIGHT = 75, 75
GAIN = 0.85  # of the time of contract.h, at most
_FREE = {0: 8, 1: 16, 2: 16}  # what a free number of images, rows and columns counts as


def filtered(rows: Sequence[Level], depth: Sequence[Level], columns: Level) -> Filtered:
    """Whether the rows are places and the depth is a filter, or the other way round, and whether it pays."""
    if not columns.b.is_one() or not columns.c.is_one():
        return ""
    if (channels := _channels(rows, depth)) and _pays(rows, channels, columns.extent):
        return "places"
    if (channels := _channels(depth, rows)) and _pays(depth, channels, columns.extent):
        return "weights"
    return ""


def _channels(places: Sequence[Level], filter_: Sequence[Level]) -> int:
    """How many channels a pixel has, where a step of the filter is one of the places, which lie in lines of an image; or 0."""
    if len(places) < 2 or len(filter_) not in (2, 3):
        return 0
    line, pixel = places[-2].a, places[-1].a
    first, *inner, last = filter_
    if first.extent.value != 3 or first.a != line or not last.a.is_one():
        return 0
    if not inner:  # the channels and the steps along the line follow each other
        return pixel.value or 0 if last.extent == pixel * 3 else 0
    return last.extent.value or 0 if inner[0].extent.value == 3 and inner[0].a == pixel else 0


def _pays(places: Sequence[Level], channels: int, columns: Dim) -> bool:
    n = columns.value
    if n is None or n < WIDTH or not WIDTH <= channels <= MOST_CHANNELS:
        return False
    counts = [lv.extent.value for lv in places]
    images, high, wide = (_FREE[k] if v is None else v for k, v in enumerate([1] * (3 - len(counts)) + counts))
    if high < 2 or wide < 2:
        return False
    across, along = -(-n // WIDTH), -(-channels // WIDTH)
    tiles = images * -(-high // 2) * -(-wide // 2)
    direct = images * high * wide * 9 * channels * across
    return tiles * (16 * channels * across + TURN * (across + along)) + TURN_WEIGHT * channels * across < GAIN * direct
