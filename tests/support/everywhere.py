"""Every model that stands anywhere in the repository, for what must hold of all of them."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from gradwright.compiler.language.parser import parse
from gradwright.compiler.language.source import Source

ROOT = Path(__file__).resolve().parent.parent.parent
_STATEMENT = re.compile(r"^(size|input|index|param|output|minimize|def|layer|scan|for|update|use) .*", re.MULTILINE)


@cache
def models() -> dict[str, tuple[str, ...]]:
    """The texts without syntax errors, by the file that has them: models, pages with ``gw`` blocks, tests with texts."""
    found: dict[str, tuple[str, ...]] = {}
    for top in ("examples", "compiler/library"):
        for path in sorted((ROOT / top).rglob("*.gw")):
            found[_name(path)] = (path.read_text(encoding="utf-8"),)
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "compiler/language/errors").glob("*.md"))]
    for path in pages:
        _keep(found, path, re.findall(r"^```gw.*?\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))
    for path in sorted((ROOT / "tests").glob("*.py")):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        _keep(found, path, [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)])
    return found


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _keep(found: dict[str, tuple[str, ...]], path: Path, texts: list[str]) -> None:
    legal = [text for text in dict.fromkeys(texts) if _STATEMENT.search(text) and not parse(Source("m.gw", text))[1]]
    if legal:
        found[_name(path)] = tuple(legal)
