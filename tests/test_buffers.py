"""The scratch vector: nothing lies over what is still in use, and it is little longer than what is in use at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from gradwright.compiler import driver
from gradwright.compiler.graph.shapes import Dim, size
from gradwright.compiler.loops.buffers import _collect, lay_out
from gradwright.compiler.loops.ir import Nest
from hypothesis import given
from hypothesis import strategies as st
from support.settings import thoroughly

ROOT = Path(__file__).resolve().parent.parent
MODELS = sorted([*(ROOT / "examples").rglob("*.gw"), *(ROOT / "benchmarks" / "models").glob("*.gw")])
EXTENTS = [Dim.of(7), Dim.of(64), Dim.of("N"), Dim.of("N") * 16, Dim.of("N") * 48, (Dim.of("N") + 2) * 8, Dim.of("N") * "M"]


@thoroughly(200)
@given(st.lists(st.tuples(st.sampled_from(EXTENTS), st.integers(0, 12), st.integers(0, 6)), max_size=20))
def test_no_two_that_are_in_use_together_overlap(wanted: list[tuple[Dim, int, int]]) -> None:
    spans = [(extent, first, first + length) for extent, first, length in sorted(wanted, key=lambda w: w[1])]
    offsets, length = lay_out(spans)
    for sizes in ({"N": 1, "M": 3}, {"N": 100, "M": 2}):
        placed = [(first, last, start := at.evaluate(sizes), start + extent.evaluate(sizes))
                  for (extent, first, last), at in zip(spans, offsets, strict=True)]  # fmt: skip
        assert all(end <= length.evaluate(sizes) for *_, end in placed)
        for k, (first, last, start, end) in enumerate(placed):
            for other_first, other_last, other_start, other_end in placed[:k]:
                together = first <= other_last and other_first <= last
                assert not together or end <= other_start or other_end <= start


def at_once(nest: Nest, sizes: dict[str, int]) -> int:
    """The most elements that are in use at the same time: no layout needs less."""
    uses = _collect(nest.body)
    spans = [(uses[s.value.name], size(s.extents).evaluate(sizes)) for s in nest.storage if s.kind == "work"]
    return max((sum(count for use, count in spans if use.first <= now <= use.last) for now in range(len(nest.body))), default=0)


@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_it_is_little_longer_than_it_must_be(path: Path) -> None:
    _, nests = driver.compile_model(path, stop_after="loops").value
    for nest in nests:
        sizes = {name: 32 for s in nest.storage for d in s.value.shape for name in d.free()}
        assert nest.work.evaluate(sizes) <= 1.2 * at_once(nest, sizes), nest.kernel.name


def test_what_has_a_fixed_size_comes_first_and_fills_whole_lines() -> None:
    """What lies behind it, by rows of the batch, begins where a cache line does, if its rows are whole lines."""
    n = Dim.of("N")
    offsets, length = lay_out([(n * 16, 0, 3), (Dim.of(70), 1, 2), (n * 48, 1, 3), (Dim.of(500), 2, 3)])
    assert offsets == [Dim.of(576), Dim.of(0), n * 16 + 576, Dim.of(70)] and length == n * 64 + 576
    assert lay_out([(Dim.of(70), 0, 1)]) == ([Dim.of(0)], Dim.of(70))


def test_what_is_not_in_use_together_shares_its_place_whatever_its_size() -> None:
    """Which is longer is seen when the sizes are."""
    n, m = Dim.of("N"), Dim.of("M")
    offsets, length = lay_out([(n * 64, 0, 1), (m * 48, 2, 3), (n * 16, 3, 4)])
    assert offsets == [Dim.of(0), n * 16, Dim.of(0)]
    assert [length.evaluate({"N": 5, "M": k}) for k in (0, 5, 6)] == [320, 320, 368]


def test_what_takes_lines_of_the_cache_begins_on_one() -> None:
    """Also behind what does not fill its last line: 3*7*7 and 70 elements an image."""
    text = ("size N, H = 70\ninput x[N, 3, 7, 7]\nparam W[147, 300] ~ normal(0, 1)\nparam V[300, H] ~ normal(0, 1)\n"
            "output y = tanh(reshape(tanh(x), N, 147) @ W) @ V\nminimize mean(y**2)\n")  # fmt: skip
    _, nests = driver.compile_model(text, name="lines", stop_after="loops").value
    starts = [s.offset for nest in nests for s in nest.storage if s.kind == "work" and size(s.extents).evaluate({"N": 1}) >= 64]
    assert len(starts) >= 3
    assert all(c % 16 == 0 for start in starts for _, c in start.terms)
