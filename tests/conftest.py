"""Golden files: ``pytest --refresh`` rewrites every one of them, here and in ``generated/``; without it a stale one fails."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import settings

ROOT = Path(__file__).resolve().parent.parent


# The tests of one process keep a great deal: modules, answers, interned expressions. Python would look through all of it after
# every few thousand new objects, for a quarter of the time, and find next to nothing. What is young it still looks through.
gc.set_threshold(50_000, 20, 100)


# Many tests start a process. Where Python may not write down what it made of the sources, each would parse all of them anew: as
# with an installed compiler, it may, for what tests start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """What is left then is looked through once, and not five times, as pytest does at the end."""
    gc.collect()
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--refresh", action="store_true", help="rewrite the golden files and generated/ with what comes out now")


@pytest.fixture(scope="session")
def refresh(pytestconfig: pytest.Config) -> bool:
    return bool(pytestconfig.getoption("--refresh"))


@pytest.fixture
def golden(refresh: bool) -> Callable[[str, str], None]:
    """``golden("tests/golden/xor/graph.txt", text)``: the file, which lies below the repository, holds the text."""

    def check(path: str, text: str) -> None:
        file = ROOT / path
        if refresh:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")
        assert file.exists(), f"{path} is missing: pytest --refresh writes it"
        held = file.read_text(encoding="utf-8")
        assert held == text, f"{path} is stale: pytest --refresh writes it anew; then read the difference"

    return check


def pytest_configure(config: pytest.Config) -> None:
    chosen = str(config.getoption("markexpr"))
    slow = not chosen or "slow" in chosen.replace("not slow", "")
    settings.level = settings.OPTIMISED if slow else 0


# Files that take long, most of all for their number of tests: a worker that begins one last works while the others wait.
LONG = ("random_models", "random_graphs", "objects", "cache", "long_models", "headers", "contract_header", "convolutions", "scan",
        "shares", "kernels")  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {f"test_{name}": k for k, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.stem, len(LONG)))


@contextlib.contextmanager
def _unoptimised(node: pytest.Item | pytest.Collector) -> Iterator[None]:
    """The C compiler at -O0 where a test, or its file, is marked so: most of the time of a build at -O3 is the optimiser's."""
    from gradwright.compiler.build import toolchain

    with pytest.MonkeyPatch.context() as patch:
        if settings.level < settings.OPTIMISED and node.get_closest_marker("unoptimised") is not None:
            best = toolchain.toolchain
            patch.setattr(toolchain, "toolchain", lambda: best().at_level(settings.level))
        yield


@pytest.fixture(autouse=True)
def _at_level(request: pytest.FixtureRequest) -> Iterator[None]:
    with _unoptimised(request.node):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a file builds for all its tests is built before the fixtures of the first of them."""
    with _unoptimised(request.node) if request.scope != "function" else contextlib.nullcontext():
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def _short_peak() -> Iterator[None]:
    """What a machine can do at most is measured for some seconds, once for each cache: who asks for it here wants a number."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gradwright.compiler.build.peak._SECONDS", 1e-3)
        patch.setattr("gradwright.compiler.build.peak._TURNS", 1)
        yield


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt here, also where a parallel test runner ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
