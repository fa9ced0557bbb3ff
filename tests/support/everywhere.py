"""Every model that stands anywhere in the repository, for what must hold of all of them."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

from gradwright.compiler.language.parser import parse
from gradwright.compiler.language.source import Source

ROOT = Path(__file__).resolve().parent.parent.parent
_STATEMENT = re.compile(r"^(size|input|index|param|output|minimize|def|layer|scan|for|update|use) .*", re.MULTILINE)


# Where there are models. Tests are listed by these, and not by the files, so that whoever lists tests need not read any.
PLACES: Final = ("examples", "compiler/library", "docs", "compiler/language/errors", "tests")


@cache
def models(place: str) -> dict[str, tuple[str, ...]]:
    """The texts without syntax errors at a place, by their file: models, pages with ``gw`` blocks, tests with texts."""
    found: dict[str, tuple[str, ...]] = {}
    folder = ROOT / place
    for path in sorted(folder.rglob("*.gw")) if place in ("examples", "compiler/library") else ():
        found[_name(path)] = (path.read_text(encoding="utf-8"),)
    for path in [*([ROOT / "README.md"] if place == "docs" else []), *sorted(folder.glob("*.md"))]:
        _keep(found, path, re.findall(r"^```gw.*?\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))
    for path in sorted(folder.glob("*.py")) if place == "tests" else ():
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        _keep(found, path, [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)])
    assert len(found) > 3, f"there should be models in {place}"
    return found


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _keep(found: dict[str, tuple[str, ...]], path: Path, texts: list[str]) -> None:
    legal = [text for text in dict.fromkeys(texts) if _STATEMENT.search(text) and not parse(Source("m.gw", text))[1]]
    if legal:
        found[_name(path)] = tuple(legal)
