"""One example through all the windows of the compiler: who reads ``tests/golden/xor`` in order has understood it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from gradwright.compiler.driver import STAGE_NAMES, compile_model
from gradwright.compiler.graph.text import parse_graph

ROOT = Path(__file__).resolve().parent.parent
WINDOWS = ("syntax", "graph", "gradients", "loops", "cython")


@pytest.mark.parametrize("stage", WINDOWS)
def test_every_window_shows_what_it_showed(
    stage: str, golden: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)  # texts name the model as the command was given it
    text = compile_model("examples/xor.gw", stop_after=stage).text.rstrip("\n") + "\n"
    number = WINDOWS.index(stage) + 1
    golden(f"tests/golden/xor/{number}_{stage}.{'pyx' if stage == 'cython' else 'txt'}", text)
    if stage in ("graph", "gradients"):
        parse_graph(text)  # what is shown can be read back


def test_there_is_a_window_for_each_stage() -> None:
    assert STAGE_NAMES == WINDOWS
    assert {p.stem for p in (ROOT / "tests" / "golden" / "xor").iterdir()} == {f"{k + 1}_{s}" for k, s in enumerate(WINDOWS)}
