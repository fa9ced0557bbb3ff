"""Convolutions by winograd.h against plain loops, for every width of vectors that this machine has.

Operands lie between two pages that may not be touched. The bound on the error is that of sums in any order, of the terms that the
algorithm has: the transforms with their absolute values.
"""

from __future__ import annotations

import ctypes
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_contract_header import ALWAYS, BUILDS, REALS, Array, Levels, compile_library, convolution, pytestmark, weights_of

__all__ = ["pytestmark"]

_ONTO = ", ".join(f"v[{k}]" for k in range(25))
_PLAIN = ", ".join(f"v[{k}]" for k in range(21))
SOURCE = '#include "gradwright/winograd.h"\nvoid threads(int n) { gw_threads = n; }\n'
SOURCE += "int width(void) { return GW_VECTOR_BYTES; }\n"
SOURCE += "".join(
    f"""
void {name}_{s}(const ptrdiff_t* v, {real} alpha, const {real}* a, const {real}* b, {real} beta, const {real}* d, int stored,
                {real}* c) {{
    gw_{name}_{s}({_ONTO}, alpha, a, b, beta, d, stored, c);
}}
void {plain}_{s}(const ptrdiff_t* v, {real} alpha, const {real}* a, const {real}* b, {real} beta, {real}* c) {{
    gw_{plain}_{s}({_PLAIN}, alpha, a, b, beta, c);
}}
"""
    for real, s in (("double", "f64"), ("float", "f32"))
    for name, plain in (("winograd", "winograd_weights"), ("contract_onto", "contract"))
)

# Winograd's transforms of F(2 x 2, r x r): of pixels, of weights, and of products (Lavin and Gray 2016, section 4.1; for r = 5
# with the points 0, 1, -1, 1/2, -2 and infinity)
B = {
    3: np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]),
    5: np.array([[1, -1.5, -2, 1.5, 1, 0], [0, -1, 0.5, 2.5, 1, 0], [0, 1, -2.5, 0.5, 1, 0], [0, -2, -1, 2, 1, 0],
                 [0, 0.5, -1, -0.5, 1, 0], [0, 1, -1.5, -2, 1.5, 1]]),
}  # fmt: skip
G = {
    3: np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]]),
    5: np.array([[1, 0, 0, 0, 0], np.ones(5) / 3, np.array([-1, 1, -1, 1, -1]) / 3, np.array([-16, -8, -4, -2, -1]) / 15,
                 np.array([1, -2, 4, -8, 16]) / 15, [0, 0, 0, 0, 1]]),
}  # fmt: skip
A = {3: np.array([[1, 1, 1, 0], [0, 1, -1, -1]]), 5: np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 0.5, -2, 1]])}


@pytest.mark.parametrize("r", [3, 5])
def test_the_transforms_make_two_sums(r: int) -> None:
    """Of a line, in rationals near enough; and what each place does not read has no weight in what it is made of."""
    for g in np.eye(r):
        made = A[r] @ np.diag(G[r] @ g) @ B[r]
        np.testing.assert_allclose(made, [[*g, 0], [0, *g]], atol=1e-15)
    used = (A[r] != 0).astype(int) @ (B[r] != 0)
    assert used[0, -1] == 0 and used[1, 0] == 0


# what has vectors of 16 bytes is the plain build as well
WIDEST = max(ALWAYS, key=lambda name: name != "plain")
EACH = [pytest.param(name, marks=[] if name == WIDEST else [pytest.mark.slow]) for name in sorted(BUILDS)]


@pytest.fixture(scope="module", params=EACH)
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return compile_library(tmp_path_factory.mktemp("winograd"), "winograd", BUILDS[request.param], SOURCE)


def merged(what: Levels) -> Levels:
    """Channels and the steps along a line as one level, of a convolution or of its weights."""

    def one(levels: Any) -> Any:
        (u, up, other), (v, _, _), (channels, _, each) = levels
        return ((1, 0, 0), (u, up, other), (v * channels, 1, each))

    if what.depth[2][1] == 1:
        return replace(what, depth=one(what.depth))
    return replace(what, rows=one(what.rows))


def call(library: ctypes.CDLL, name: str, what: Levels, steps: tuple[int, ...], alpha: float, a: Array, b: Array, beta: float,
         d: Array, relu: bool, c: Array) -> None:  # fmt: skip
    s, real = ("f64", ctypes.c_double) if c.dtype == np.float64 else ("f32", ctypes.c_float)
    onto = name in ("winograd", "contract_onto")
    numbers = what.numbers
    if onto:
        rows = [x for level, step in zip(what.rows, steps, strict=False) for x in (*level, step)]
        numbers = [*rows, *(x for level in what.depth for x in level), what.n, what.b_j, what.c_j, steps[3]]
    given = (ctypes.c_ssize_t * len(numbers))(*numbers)
    pa, pb, pc, pd = (ctypes.c_void_p(x.ctypes.data) for x in (a, b, c, d))
    more = (pd, ctypes.c_int(relu)) if onto else ()
    getattr(library, f"{name}_{s}")(given, real(alpha), pa, pb, real(beta), *more, pc)


def corners(extent: int) -> list[int]:
    """Where the tiles begin along an axis: the last of an odd number of places one earlier."""
    return [min(k, extent - 2) for k in range(0, extent, 2)]


def tiles(x: Array, high: int, wide: int, size: int) -> Array:
    """Squares of a tile's pixels or places: [image, ty, tx, size, size, ...]."""
    found = [[x[:, y : y + size, v : v + size] for v in corners(wide)] for y in corners(high)]
    return np.stack([np.stack(row, 1) for row in found], 1)


def image_of(a: Array, channels: int, r: int) -> Array:
    """Of windows [image, y, x, r, r, channel], or with the last two as one, the pixels [image, y + r - 1, x + r - 1, channel]."""
    a = a.reshape(*a.shape[:3], r, r, channels)
    n, high, wide = a.shape[:3]
    x = np.zeros((n, high + r - 1, wide + r - 1, channels), a.dtype)
    for u in range(r):
        for v in range(r):
            x[:, u : u + high, v : v + wide] = a[:, :, :, u, v]
    return x


def check(library: ctypes.CDLL, images: int, high: int, wide: int, channels: int, n: int, dtype: Any, weights: bool = False,
          alpha: float = 1.0, beta: float = 0.0, relu: bool = False, gap: int = 0, at_end: bool = True, one: bool = False,
          by_winograd: bool = True, r: int = 3) -> None:  # fmt: skip
    """A convolution, or its weights' gradient, whose results lie ``gap`` reals apart."""
    what = convolution(images, high, wide, channels, n, r)
    if gap:
        first, second, third = ((e, a, c + gap * c // n) for e, a, c in what.rows)
        what = replace(what, rows=(first, second, third))
    what = weights_of(what) if weights else what
    what = merged(what) if one else what
    rng = np.random.default_rng(images + 3 * high + 5 * wide + 7 * channels + 11 * n)
    flat_a, a, flat_b, b, flat_c, c = what.arrays(dtype, at_end)
    for flat in (flat_a, flat_b, flat_c):
        flat[...] = rng.standard_normal(flat.shape)
    _, d = what.array("d", [1, 1, 1, n], [0, 0, 0, 1], dtype, at_end)
    d[...] = rng.standard_normal(d.shape)
    kept = c.copy()  # to which a gradient is added
    if not weights or not beta:
        c[...] = np.nan  # is not read
    before = flat_c.copy()
    name = "winograd_weights" if weights else "winograd"
    call(library, name, what, (0, 0, 0, 1), alpha, a, b, beta, d, relu, c)
    result, after = c.copy(), flat_c.copy()
    c[...] = 0
    gone = flat_c.copy()
    c[...] = 1
    outside = (gone == flat_c) | (np.isnan(gone) & np.isnan(flat_c))
    np.testing.assert_array_equal(after[outside], before[outside])
    c[...] = kept if weights else np.nan
    call(library, "contract" if weights else "contract_onto", what, (0, 0, 0, 1), alpha, a, b, beta, d, relu, c)
    assert np.array_equal(result, c) != by_winograd, "computed by the other kernel"
    if not by_winograd:
        return

    wide_: Any = np.float64 if dtype == np.float32 else np.longdouble
    aa, bb = a.astype(wide_), b.astype(wide_)
    turns = [np.abs(t[r]).astype(wide_) for t in (B, G, A)]
    unit = np.finfo(dtype).eps / 2
    if weights:
        windows = np.moveaxis(aa.reshape(r, r, channels, images, high, wide), (3, 4, 5), (0, 1, 2))
        y = bb.reshape(images, high, wide, n)
        wanted = alpha * np.einsum("nyxuvc,nyxk->uvck", windows, y)
        x = tiles(image_of(windows, channels, r), high, wide, r + 1)
        v = np.einsum("ua,vb,nijabc->nijuvc", turns[0], turns[0], abs(x), optimize=True)
        back = np.einsum("au,bv,nijabk->nijuvk", turns[2], turns[2], abs(tiles(y, high, wide, 2)), optimize=True)
        summed = np.einsum("nijuvc,nijuvk->uvck", v, back)
        size = abs(alpha) * np.einsum("ua,vb,uvck->abck", turns[1], turns[1], summed, optimize=True)
        terms = images * len(corners(high)) * len(corners(wide))
        old = beta * kept.astype(wide_).reshape(wanted.shape)
        wanted, size = wanted + old, size + abs(old)
    else:
        windows, w = aa.reshape(images, high, wide, r, r, channels), bb.reshape(r, r, channels, n)
        wanted = alpha * np.einsum("nyxuvc,uvck->nyxk", windows, w)
        x = tiles(image_of(windows, channels, r), high, wide, r + 1)
        v = np.einsum("ua,vb,nijabc->nijuvc", turns[0], turns[0], abs(x), optimize=True)
        u = np.einsum("ua,vb,abck->uvck", turns[1], turns[1], abs(w), optimize=True)
        y = np.einsum("au,bv,nijuvk->nijabk", turns[2], turns[2], np.einsum("nijuvc,uvck->nijuvk", v, u), optimize=True)
        size = np.zeros(wanted.shape, wide_)
        for i, top in enumerate(corners(high)):
            for j, left in enumerate(corners(wide)):
                size[:, top : top + 2, left : left + 2] = np.maximum(size[:, top : top + 2, left : left + 2], y[:, i, j])
        size, terms = abs(alpha) * size, channels
        if beta:
            wanted, size = wanted + beta * d.reshape(n).astype(wide_), size + abs(beta * d.reshape(n))
        wanted = np.where(relu & (wanted <= 0), 0, wanted)
    near = abs(result.astype(wide_).reshape(wanted.shape) - wanted) <= (terms + 20) * unit * size
    assert np.all(near), what
    # and as a whole: some roundings of the largest
    most = {3: 40, 5: 100}[r]
    assert np.max(abs(result.astype(wide_).reshape(wanted.shape) - wanted)) <= most * unit * np.max(abs(wanted)), what


@pytest.mark.parametrize("dtype", REALS)
def test_every_remainder_of_channels_and_columns(library: ctypes.CDLL, dtype: Any) -> None:
    width = library.width() // np.dtype(dtype).itemsize
    for k, channels in enumerate(range(width, 2 * width + 3)):
        for n in range(width + k % 4, 4 * width + 2, 3 if width > 4 else 1):
            turn = n % 2 == 0
            check(library, 1, 4, 4, channels, n, dtype, bool((n + k) % 3 == 0), at_end=turn, one=turn)


@pytest.mark.parametrize("dtype", REALS)
def test_every_remainder_of_rows_and_columns(library: ctypes.CDLL, dtype: Any) -> None:
    width = library.width() // np.dtype(dtype).itemsize
    for high in range(2, 8):
        for wide in (*range(2, 8), 13):
            for weights in (False, True):
                r = 5 if (high + wide) % 2 else 3
                check(library, 1 + (high + wide) % 3, high, wide, width + high % 2, 2 * width + wide % 2, dtype, weights,
                      0.75 if wide % 2 else 1.0, (0.0, 1.0, -0.5)[wide % 3], not weights and high % 2 == 1,
                      0 if weights else wide % 2, bool(high % 2), r=r)  # fmt: skip


@pytest.mark.parametrize("dtype", REALS)
def test_what_does_not_fit_its_room_at_once(library: ctypes.CDLL, dtype: Any) -> None:
    """Blocks of columns and of channels, the last with less than a vector over, and many tiles."""
    for images, high, wide, channels, n in ((3, 9, 10, 20, 100), (1, 4, 4, 512, 66), (1, 3, 4, 300, 65), (1, 2, 2, 17, 530),
                                            (1, 4, 5, 130, 40), (2, 16, 16, 32, 64), (1, 6, 6, 129, 257)):  # fmt: skip
        for weights in (False, True):
            check(library, images, high, wide, channels, n, dtype, weights, one=weights)
    for images, high, wide, channels, n in ((2, 7, 8, 20, 50), (1, 4, 4, 224, 66), (1, 3, 4, 70, 65), (1, 2, 2, 17, 530)):
        for weights in (False, True):
            check(library, images, high, wide, channels, n, dtype, weights, one=not weights, r=5)


@pytest.mark.parametrize("dtype", REALS)
def test_what_is_of_another_form_is_left_to_contractions(library: ctypes.CDLL, dtype: Any) -> None:
    width = library.width() // np.dtype(dtype).itemsize
    for images, high, wide, channels, n in ((1, 4, 4, width - 1, 40), (1, 4, 4, 40, width - 1), (2, 1, 6, 32, 32),
                                            (2, 6, 1, 32, 32), (1, 2, 2, 513, 16)):  # fmt: skip
        for weights in (False, True):
            check(library, images, high, wide, channels, n, dtype, weights, by_winograd=False, one=weights)
    strided, seven = convolution(1, 4, 4, 20, 20, 3, 2), convolution(1, 4, 4, 20, 20, 7)
    many, two = convolution(1, 2, 2, 240, 20, 5), convolution(1, 4, 4, 20, 20, 2)
    for what, beta in ((strided, 0.0), (seven, 0.0), (many, 0.0), (two, 0.0), (convolution(1, 4, 4, 20, 20, 3), 1.0)):
        for turned, name in ((what, "contract_onto"), *(((weights_of(what), "contract"),) if not beta else ())):
            flat_a, a, flat_b, b, _, c = turned.arrays(dtype, True)
            rng = np.random.default_rng(1)
            flat_a[...], flat_b[...] = rng.standard_normal(flat_a.shape), rng.standard_normal(flat_b.shape)
            found = []
            steps = (*(c_ for _, _, c_ in turned.rows), 1)
            for kernel in (name, "winograd" if name == "contract_onto" else "winograd_weights"):
                c[...] = 0.5  # added to itself
                call(library, kernel, turned, steps, 1.0, a, b, beta, c, False, c)
                found.append(c.copy())
            np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, "large"])
def test_what_is_not_finite_is_as_it_is_in_contractions(library: ctypes.CDLL, dtype: Any, value: Any) -> None:
    """NaN and infinity in a pixel, in a weight or in what comes back; and a sum that is too large only on the way."""
    for relu in (False, True):
        for weights in (False, True):
            what = convolution(2, 5, 6, 20, 18, 5 if relu else 3)
            what = weights_of(what) if weights else what
            for which in range(2):
                flat_a, a, flat_b, b, _, c = what.arrays(dtype, True)
                rng = np.random.default_rng(2)
                flat_a[...], flat_b[...] = rng.standard_normal(flat_a.shape) / 8, rng.standard_normal(flat_b.shape) / 8
                changed, other = (flat_a, flat_b) if which == 0 else (flat_b, flat_a)
                if value == "large":
                    changed[...], other[...] = 0.6 * np.finfo(dtype).max, other * dtype(1e-3)
                else:
                    changed[len(changed) // 2] = value
                _, d = what.array("d", [1, 1, 1, 18], [0, 0, 0, 1], dtype, True)
                d[...] = 1
                found = []
                for name in ("contract", "winograd_weights") if weights else ("contract_onto", "winograd"):
                    c[...] = 0.125
                    call(library, name, what, (0, 0, 0, 1), 1.0, a, b, float(not relu) if weights else 1.0, d, relu, c)
                    found.append(c.copy())
                np.testing.assert_array_equal(found[0], found[1])
                assert np.isfinite(found[0]).all() == (value == "large")


@pytest.mark.parametrize("dtype", REALS)
def test_a_pixel_that_a_place_does_not_read_has_no_influence(library: ctypes.CDLL, dtype: Any) -> None:
    what = convolution(1, 7, 8, 20, 33, 3)
    _, a, flat_b, b, _, c = what.arrays(dtype, True)
    rng = np.random.default_rng(3)
    flat_b[...] = rng.standard_normal(flat_b.shape)
    _, d = what.array("d", [1, 1, 1, 33], [0, 0, 0, 1], dtype, True)
    x = image_of(a, 20, 3)
    for y, v in ((0, 0), (3, 4), (4, 3), (8, 9), (2, 7)):
        x[...] = 0
        x[0, y, v] = np.sqrt(np.finfo(dtype).max)
        for u in range(3):
            for t in range(3):
                a[:, :, :, u, t] = x[:, u : u + 7, t : t + 8]
        call(library, "winograd", what, (0, 0, 0, 1), 1.0, a, b, 0.0, d, False, c)
        reads = np.zeros((7, 8), bool)
        reads[max(y - 2, 0) : y + 1, max(v - 2, 0) : v + 1] = True
        assert not c[0, ~reads].any() and c[0, reads].all()


def test_same_bits_with_any_number_of_threads(tmp_path_factory: pytest.TempPathFactory) -> None:
    library = compile_library(tmp_path_factory.mktemp("threads"), "threads", BUILDS[sorted(BUILDS)[-1]], SOURCE)
    shapes = [convolution(1, 17, 16, 32, 40, 3), convolution(5, 8, 7, 33, 49, 3), convolution(2, 8, 8, 70, 20, 3)]
    shapes += [convolution(1, 9, 8, 20, 40, 5), convolution(3, 9, 8, 150, 20, 3), convolution(2, 9, 8, 90, 17, 5)]
    for what, weights, beta in ((s, w, b) for s in shapes for w, b in ((False, 0.0), (True, 0.0), (True, -0.5))):
        what = weights_of(what) if weights else what
        for dtype in (np.float32, np.float64):
            flat_a, a, flat_b, b, _, c = what.arrays(dtype, True)
            rng = np.random.default_rng(0)
            flat_a[...], flat_b[...] = rng.standard_normal(flat_a.shape), rng.standard_normal(flat_b.shape)
            results: list[Any] = []
            for threads in (1, 2, 3, 0):
                library.threads(threads)
                for _ in range(3):  # the first of a shape runs on one thread, the second on all
                    c[...] = 0.75 if beta else np.nan
                    name = "winograd_weights" if weights else "winograd"
                    call(library, name, what, (0, 0, 0, 1), 0.75, a, b, beta, c, False, c)
                    results.append(c.copy())
            for other in results[1:]:
                np.testing.assert_array_equal(other, results[0])
