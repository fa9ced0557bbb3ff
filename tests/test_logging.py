"""What training tells `logging`; the compiler's and the cache's events are in test_cache.py."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from gradwright.runtime import load

TEXT = "size N\ninput x[N], y[N]\nparam a = 1\noutput p = a * x\nminimize mse(p, y)\n"
DATA = {"x": np.arange(8.0), "y": 3 * np.arange(8.0)}


@pytest.fixture(scope="module")
def module() -> Any:
    return load(TEXT, name="told", backend="numpy")


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    found = [(r.levelname, r.getMessage()) for r in caplog.records if r.name == "gradwright.fit"]
    caplog.clear()
    return found


def test_a_run_is_told_from_its_beginning_to_its_end(module: Any, caplog: pytest.LogCaptureFixture,
                                                     capfd: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    caplog.set_level("DEBUG", logger="gradwright")
    module.Model().fit(DATA, "sgd", epochs=3, progress=False)
    (first, *between, last) = told(caplog)
    assert first[0] == last[0] == "INFO" and first[1].startswith("told: epochs 0 to 3 with Optimizer('sgd')")
    assert last[1].startswith("told: History(3 epochs, 3 steps, loss ")
    assert [level for level, _ in between] == ["DEBUG"] * len(between) and between
    module.Model().fit(DATA, "sgd", epochs=3, progress=False, callbacks=lambda info: info.epoch == 1)
    assert [level for level, _ in told(caplog)] == ["INFO", "DEBUG", "DEBUG", "INFO"]
    caplog.set_level("WARNING", logger="gradwright")
    module.Model().fit(DATA, "sgd", epochs=3, progress=False)
    assert told(caplog) == []
    assert capfd.readouterr() == ("", "")


def test_the_package_has_a_handler_that_does_nothing(module: Any) -> None:
    """So that a warning of a library is not printed by logging's last resort."""
    module.Model().fit(DATA, "sgd", progress=False)
    assert any(isinstance(handler, logging.NullHandler) for handler in logging.getLogger("gradwright").handlers)
    assert logging.getLogger("gradwright").level == logging.NOTSET


def test_who_does_not_listen_does_not_wait_for_logging() -> None:
    program = f"import sys, numpy; from gradwright.runtime import load; " \
              f"m = load({TEXT!r}, backend='numpy', name='told').Model(); " \
              "before = 'logging' in sys.modules; m.predict(x=[1.0]); print(before, 'logging' in sys.modules)"  # fmt: skip
    load(TEXT, backend="numpy", name="told")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
