"""The table of the blocks of matrix products: what it may hold, who reads it, how it is measured."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from gradwright.compiler import cli
from gradwright.compiler.build import blocking, toolchain
from gradwright.compiler.build.blocking import BOUNDS, WIDTHS, Blocking
from gradwright.compiler.build.options import OptionError
from gradwright.runtime import load

SMALLEST = Blocking(*(bound.least for bound in BOUNDS.values()))
LARGEST = Blocking(*(bound.most for bound in BOUNDS.values()))
MODEL = """\
dtype  float32
size   N, D = 700, H = 20
input  x[N, D]
param  W[D, H] ~ he_normal
output h = x @ W
minimize mean(h**2)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "blocking.json"
    monkeypatch.setenv("GRADWRIGHT_BLOCKING", str(path))
    return path


def tune(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["tune", *arguments])


def test_the_built_in_table_keeps_to_the_bounds() -> None:
    rows = blocking.built_in()
    assert set(rows) == {*WIDTHS}
    assert blocking.read(blocking.text(rows, "any"), "it") == rows
    for key, bound in BOUNDS.items():
        assert all(bound.least <= value <= bound.most and value % bound.unit == 0 for value in bound.tried), key


def table(**row: Any) -> str:
    return json.dumps({"version": 1, "vectors": {"64": {**blocking.built_in()["64"]._asdict(), **row}}})


@pytest.mark.parametrize("text, what", [
    ("{", r"no JSON \(.*line 1"),
    ("[]", r'expected an object with "version" and "vectors"'),
    ('{"version": 1}', r'expected an object with "version" and "vectors"'),
    ('{"version": 1, "vectors": {}, "tiles": 3}', r'expected an object with "version" and "vectors"'),
    ('{"version": 7, "vectors": {}}', r'"version" is 7, and this Gradwright knows 1'),
    ('{"version": 1, "vectors": {"48": {}}}', r'"vectors" has a row for each of the widths 16, 32, 64'),
    ('{"version": 1, "vectors": {"64": {"depth": 320}}}', r'the row 64 of "vectors" has exactly depth, rows, columns, direct'),
    (table(depth=321), r"depth of the row 64 is 321, and must be a multiple of 16 from 16 to 1024"),
    (table(depth=4096), r"depth of the row 64 is 4096"),
    (table(rows=0), r"rows of the row 64 is 0, and must be a multiple of 16 from 16 to 512"),
    (table(columns="wide"), r'columns of the row 64 is "wide", and must be a multiple of 64 from 192 to 4096'),
    (table(direct=-1), r"direct of the row 64 is -1, and must be a whole number from 0 to 65536"),
    (table(direct=True), r"direct of the row 64 is true"),
    (table(direct=1.5), r"direct of the row 64 is 1.5"),
])  # fmt: skip
def test_a_bad_table_is_told_with_its_place(place: Path, text: str, what: str) -> None:
    place.write_text(text)
    with pytest.raises(OptionError, match=f"(?s)^{place}: {what}.*gradwright tune"):
        blocking.load()
    with pytest.raises(OptionError, match=what):
        toolchain.toolchain()
    found = CliRunner().invoke(cli.main, ["tune", "--dry-run"])
    assert found.exit_code == 2 and str(place) in found.stderr


def test_a_table_that_is_named_must_be_there(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="GRADWRIGHT_BLOCKING names .*blocking.json, which is not there"):
        blocking.load()
    monkeypatch.delenv("GRADWRIGHT_BLOCKING")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert blocking.load() == {}


@pytest.mark.parametrize("other", [SMALLEST, pytest.param(LARGEST, marks=pytest.mark.slow)], ids=["smallest", "largest"])
def test_a_table_changes_what_is_built_and_not_what_comes_out(other: Blocking, place: Path, tmp_path: Path) -> None:
    model = tmp_path / "product.gw"
    model.write_text(MODEL)
    x = np.random.default_rng(0).standard_normal((50, 700)).astype(np.float32)
    found: list[Any] = []
    for row in (blocking.built_in()["64"], other):
        blocking.write(place, dict.fromkeys(WIDTHS, row), "any")
        tools = toolchain.toolchain()
        assert f"-DGW_BLOCKING_64={','.join(map(str, row))}" in tools.flags
        module: Any = load(model)
        net = module.Model(seed=3)
        h = net.predict(x=x)
        (h,) = h
        np.testing.assert_allclose(h, x.astype(np.float64) @ net.params.W, rtol=1e-5, atol=1e-4)
        found.append((tools.identity, h, module.__file__))
    assert len({identity for identity, _, _ in found}) == 2 and len({file for _, _, file in found}) == 2
    if other is SMALLEST:
        assert (found[0][1] != found[1][1]).any()  # a sum in blocks of 16 is rounded otherwise: the table was heeded


def test_the_search_takes_what_is_faster_on_the_whole() -> None:
    best = Blocking(depth=192, rows=256, columns=768, direct=64)

    def seconds(row: Blocking, shape: tuple[int, int, int, bool]) -> float:
        wrong = sum(a != b for a, b in zip(row, best, strict=True))
        return shape[0] * (1 + 0.1 * wrong)

    start = blocking.built_in()["64"]
    assert blocking.search(start, seconds) == best
    assert blocking.search(start, lambda row, shape: 1.0 - 0.001 * (row.depth == 128)) == start  # a difference too small to trust


def test_tune_measures_and_writes(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking, "SHAPES", ((20, 48, 30, False), (48, 20, 30, True)))
    monkeypatch.setattr(blocking, "_TURNS", 1)
    monkeypatch.setattr(blocking, "_SECONDS", 1e-5)
    kept = Blocking(16, 16, 192, 0)
    monkeypatch.delenv("GRADWRIGHT_BLOCKING")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place.parent / "none"))
    monkeypatch.setattr(blocking, "tune", functools.cache(blocking.tune))  # once: where it goes is asked three times
    found = tune("--dry-run")
    assert found.exit_code == 0 and "before" in found.stdout and "48       20     30 TN" in found.stdout, found.output
    assert not place.exists() and not (place.parent / "none").exists()
    blocking.write(place, {"16": kept}, "another")
    found = tune("--write", str(place))
    assert found.exit_code == 0 and f"written to {place}" in found.stdout, found.output
    rows = blocking.read(place.read_text(), "it")
    assert rows["16"] == kept and len(rows) == 2  # the row of these vectors is new, the others stay
    assert tune("--dry-run", "--write", str(place)).exit_code == 2
    found = tune()
    assert found.exit_code == 0 and (place.parent / "none" / "gradwright" / "blocking.json").is_file()
