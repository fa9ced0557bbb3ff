"""Short roads from the text of a model to its graph and its values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gradwright.compiler.elaborate import elaborate_with_sources
from gradwright.compiler.graph.ir import Model
from gradwright.compiler.language.diagnostics import Diagnostic, render_all
from gradwright.compiler.language.parser import parse
from gradwright.compiler.language.source import Source
from gradwright.compiler.meaning.interpret import run
from gradwright.compiler.meaning.verify import verify
from gradwright.compiler.ops.words import is_temporary


def elaborated(
    text: str, name: str = "model.gw", files: Mapping[str, str] | None = None, **options: Any
) -> tuple[Model | None, tuple[Diagnostic, ...], str]:
    """The model (or None), its diagnostics, and those as they are printed."""
    source = Source(name, text)
    tree, found = parse(source)
    assert tree is not None and not found, render_all(found, {name: source})

    def read(path: str) -> Source | None:
        return Source(path, files[path]) if files and path in files else None

    model, diagnostics, sources = elaborate_with_sources(tree, read=read, **options)
    if model is not None:
        verify(model.graph, "elaborate", model.free)
    return model, diagnostics, render_all(diagnostics, sources)


def build(text: str, **options: Any) -> Model:
    """The verified model of a text without errors."""
    model, _, shown = elaborated(text, **options)
    assert model is not None, shown
    return model


def errors(text: str, **options: Any) -> list[tuple[str, int, str]]:
    """Code, line and message of every error."""
    _, diagnostics, _ = elaborated(text, **options)
    return [(d.code, d.span.line, d.message) for d in diagnostics if d.is_error]


def warnings(text: str, **options: Any) -> list[tuple[str, int, str]]:
    """Code, line and message of every warning of a model without errors."""
    model, diagnostics, shown = elaborated(text, **options)
    assert model is not None, shown
    return [(d.code, d.span.line, d.message) for d in diagnostics]


def values(text: str, sizes: Mapping[str, int] | None = None, **inputs: Any) -> dict[str, Any]:
    """Every value of the model by the interpreter; outputs under their own names."""
    model = build(text)
    found = run(model.graph, inputs, sizes)
    outputs: dict[str, Any] = {o.name: found[o.value] for o in model.outputs}
    return {**found, **outputs}


def numbered(text: str) -> str:
    """A graph as it is printed, with what the user did not name called ``_1``, ``_2``... in order: what makes a value gives it
    its name, and one operation may be called by several."""
    names: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        name = found[0]
        return names.setdefault(name, f"_{len(names) + 1}") if is_temporary(name) else name

    return re.sub(r"[^\W\d][\w.]*", number, text)
