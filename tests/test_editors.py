"""The language in editors and for Pygments: all models are coloured, and words are keywords where the parser says so."""

from __future__ import annotations

import importlib
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gradwright.compiler.language.lexer import INNER, STATEMENTS, Line
from gradwright.compiler.language.parser import parse_lines
from gradwright.compiler.language.source import Source
from support.everywhere import PLACES, models
from test_parser import NETWORKS

pytest.importorskip("pygments")

from gradwright.compiler.pygments import GradwrightLexer
from pygments.token import Comment, Error, Keyword, Name, Number, Operator, Punctuation, String, Token

ROOT = Path(__file__).resolve().parent.parent
EDITORS = ROOT / "docs" / "editors"
GRAMMAR: dict[str, Any] = json.loads((EDITORS / "gradwright.tmLanguage.json").read_text(encoding="utf-8"))
WORDS = (*STATEMENTS, *INNER, "pad", "until", "with", "wrt", "of", "frozen", "if", "as", "in", "recompute", "each", "diagonal")
# Names that are words of the language, and words that are not names.
NAMES = "".join(
    f"input {word}[3]\ny = {word} * 2\nz = {word}[1] + f({word}, {word}={word})\n{word} = 3\n{word}, b = split(x, 2, axis=0)\n"
    f"{word}[i] = x[i]\nq = f(1,\n  {word} + 1)\nr = {word} |> {word} |> {word}(2)\n"
    f"s = not {word} and {word}\noutput {word}\nminimize -{word}\n"
    for word in WORDS
)


# ---------------------------------------------------------------- who colours what


def by_pygments(text: str) -> Iterator[tuple[int, str, str]]:
    """(position, piece, kind)"""
    for position, kind, piece in GradwrightLexer().get_tokens_unprocessed(text):
        yield position, piece, str(kind).removeprefix("Token.")


def by_textmate(text: str) -> Iterator[tuple[int, str, str]]:
    """What an editor does with the grammar, as far as this one goes."""
    start = 0
    stack: list[tuple[list[dict[str, Any]], re.Pattern[str] | None, dict[str, Any]]] = [(GRAMMAR["patterns"], None, {})]
    for line in text.split("\n"):
        place = 0
        while place <= len(line):
            patterns, end, opened = stack[-1]
            best = end.search(line, place) if end else None
            rule: dict[str, Any] | None = None
            for candidate in flattened(patterns):
                found = compiled(candidate.get("match") or candidate["begin"]).search(line, place)
                if found and (best is None or found.start() < best.start()):
                    best, rule = found, candidate
            if best is None:
                break
            source = opened if rule is None else rule
            captures = source.get("endCaptures" if rule is None else "captures" if "match" in source else "beginCaptures", {})
            if rule is not None and "name" in rule:
                yield start + best.start(), best.group(), rule["name"]
            for number, capture in captures.items():
                if best.group(int(number)) is None:
                    continue
                yield start + best.start(int(number)), best.group(int(number)), capture["name"]
            if rule is None:
                stack.pop()
            elif "begin" in rule:
                stack.append((rule.get("patterns", []), compiled(rule["end"]), rule))
            else:
                assert best.end() > place or best.group(), f"{rule} matches nothing, for ever"
            place = best.end()
            if rule is None and place == len(line) and best.start() == best.end() and len(stack) == 1:
                break
        start += len(line) + 1


def flattened(patterns: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for pattern in patterns:
        if "include" in pattern:
            target = GRAMMAR["repository"][pattern["include"].removeprefix("#")]
            yield from flattened([target] if "match" in target or "begin" in target else target["patterns"])
        else:
            yield pattern


def compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def expressions(node: Any = GRAMMAR) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("match", "begin", "end"):
                yield value
            else:
                yield from expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value)


PAINTERS = {"pygments": by_pygments, "textmate": by_textmate}


# ---------------------------------------------------------------- every model


@pytest.mark.parametrize("place", PLACES)
def test_pygments_loses_nothing_and_knows_everything(place: str) -> None:
    for file, text in ((file, text) for file, texts in models(place).items() for text in texts):
        found = list(GradwrightLexer().get_tokens_unprocessed(text))
        assert "".join(piece for _, _, piece in found) == text, file
        assert [piece for _, kind, piece in found if kind in Error] == [], file


@pytest.mark.parametrize("painter", PAINTERS)
@pytest.mark.parametrize("place", [*PLACES, "here"])
def test_words_are_keywords_where_the_parser_takes_them_as_such(painter: str, place: str) -> None:
    there = {"networks": (NETWORKS,), "names": (NAMES,)} if place == "here" else models(place)
    for file, text in ((file, text) for file, texts in there.items() for text in texts):
        text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").replace("\f", " ")
        if "of() of of" in text:
            continue  # no expression that looks one word ahead sees through that
        source = Source("m.gw", text)
        _, lines, found = parse_lines(source)
        assert not found, (file, found)
        starts = [0]
        for row in source.lines:
            starts.append(starts[-1] + len(row) + 1)
        painted = {position: (piece, kind) for position, piece, kind in PAINTERS[painter](text)}
        for token in tokens(lines):
            position = starts[token.line - 1] + token.column - 1
            at = f"{file}: `{source.line(token.line)}`, `{token.text}`"
            if token.type == "NAME" or token.type.isidentifier():
                assert position in painted, at
                piece, kind = painted[position]
                assert piece.strip() == text[position : position + token.end - token.column], at
                word = kind.lower()
                keyword = word.startswith(("keyword", "storage", "operator.word", "constant.language"))
                if token.type == "NAME" and token.text not in ("pi", "inf", "training"):
                    assert not keyword or word == "keyword.type", f"{at} is painted as {kind}"
                elif token.type not in ("NAME", "NUMBER", "STRING"):
                    assert keyword, f"{at} is painted as {kind}"


def tokens(lines: list[Line]) -> Iterator[Any]:
    for line in lines:
        yield from line.tokens
        yield from tokens(line.children)


# ---------------------------------------------------------------- Pygments

SNIPPETS: dict[str, list[tuple[Any, str]]] = {
    "size N, H = 8 # free": [
        (Keyword.Declaration, "size"), (Name.Variable, "N"), (Punctuation, ","), (Name.Variable, "H"), (Operator, "="),
        (Number.Integer, "8"), (Comment.Single, "# free"),
    ],
    "## σ: *what*": [(String.Doc, "## σ: *what*")],
    "### a line": [(Comment.Single, "### a line")],
    "dtype float32": [(Keyword.Declaration, "dtype"), (Keyword.Type, "float32")],
    'use "mine.gw"': [(Keyword, "use"), (String.Double, '"mine.gw"')],
    "use layers": [(Keyword.Namespace, "use"), (Name.Namespace, "layers")],
    "param W[2, H] ~ he_normal frozen with l2(1e-4)": [
        (Keyword.Declaration, "param"), (Name.Variable, "W"), (Punctuation, "["), (Number.Integer, "2"), (Punctuation, ","),
        (Name, "H"), (Punctuation, "]"), (Operator, "~"), (Name.Function, "he_normal"), (Keyword, "frozen"), (Keyword, "with"),
        (Name.Function, "l2"), (Punctuation, "("), (Number.Float, "1e-4"), (Punctuation, ")"),
    ],
    "index y[N] < C": [
        (Keyword.Declaration, "index"), (Name.Variable, "y"), (Punctuation, "["), (Name, "N"), (Punctuation, "]"),
        (Operator, "<"), (Name, "C"),
    ],
    "θ₁ = sum(x**2, axis=0).T": [
        (Name, "θ₁"), (Operator, "="), (Name.Function, "sum"), (Punctuation, "("), (Name, "x"), (Operator, "**"),
        (Number.Integer, "2"), (Punctuation, ","), (Name.Attribute, "axis"), (Operator, "="), (Number.Integer, "0"),
        (Punctuation, ")"), (Punctuation, "."), (Name.Attribute, "T"),
    ],
    "def f(x, k=pi) = not x": [
        (Keyword.Declaration, "def"), (Name.Function, "f"), (Punctuation, "("), (Name.Variable, "x"), (Punctuation, ","),
        (Name.Variable, "k"), (Operator, "="), (Name.Constant, "pi"), (Punctuation, ")"), (Operator, "="), (Operator.Word, "not"),
        (Name, "x"),
    ],
    "layer d(x[..., D]):": [
        (Keyword.Declaration, "layer"), (Name.Class, "d"), (Punctuation, "("), (Name.Variable, "x"), (Punctuation, "["),
        (Punctuation, "..."), (Punctuation, ","), (Name, "D"), (Punctuation, "]"), (Punctuation, ")"), (Punctuation, ":"),
    ],
    "h = x |> dense(3) as head": [
        (Name, "h"), (Operator, "="), (Name, "x"), (Operator, "|>"), (Name.Function, "dense"), (Punctuation, "("),
        (Number.Integer, "3"), (Punctuation, ")"), (Keyword, "as"), (Name.Label, "head"),
    ],
    "s = sum(x[i] pad for i if i > 1)": [
        (Name, "s"), (Operator, "="), (Name.Function, "sum"), (Punctuation, "("), (Name, "x"), (Punctuation, "["), (Name, "i"),
        (Punctuation, "]"), (Keyword, "pad"), (Keyword, "for"), (Name, "i"), (Keyword, "if"), (Name, "i"), (Operator, ">"),
        (Number.Integer, "1"), (Punctuation, ")"),
    ],
    "scan t in range(T) until x > 3 recompute:": [
        (Keyword, "scan"), (Name, "t"), (Keyword, "in"), (Name.Function, "range"), (Punctuation, "("), (Name, "T"),
        (Punctuation, ")"), (Keyword, "until"), (Name, "x"), (Operator, ">"), (Number.Integer, "3"), (Keyword, "recompute"),
        (Punctuation, ":"),
    ],
    "jacobian r wrt b": [(Keyword, "jacobian"), (Name, "r"), (Keyword, "wrt"), (Name, "b")],
    "jacobian r wrt p each n": [
        (Keyword, "jacobian"), (Name, "r"), (Keyword, "wrt"), (Name, "p"), (Keyword, "each"), (Name, "n"),
    ],
    "hessian diagonal f wrt x": [(Keyword, "hessian"), (Keyword, "diagonal"), (Name, "f"), (Keyword, "wrt"), (Name, "x")],
    "hessian diagonal wrt x": [(Keyword, "hessian"), (Name, "diagonal"), (Keyword, "wrt"), (Name, "x")],
    "y = a ? b": [(Name, "y"), (Operator, "="), (Name, "a"), (Error, "?"), (Name, "b")],
}  # fmt: skip


@pytest.mark.parametrize("text", SNIPPETS)
def test_snippets_are_coloured(text: str) -> None:
    found = [(kind, piece) for kind, piece in GradwrightLexer().get_tokens(text) if piece.strip()]
    assert found == SNIPPETS[text]
    assert all(kind in Token for kind, _ in found)


def test_pygments_finds_the_lexer() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, name = project["entry-points"]["pygments.lexers"]["gradwright"].partition(":")
    assert getattr(importlib.import_module(module), name) is GradwrightLexer
    assert GradwrightLexer.filenames == ["*.gw"] and "gradwright" in GradwrightLexer.aliases


# ---------------------------------------------------------------- editors


def test_the_grammar_has_the_words_of_the_lexer() -> None:
    rules = GRAMMAR["repository"]
    found: list[str] = []
    for text in (rules["definition"]["begin"], rules["declaration"]["begin"], rules["statement"]["match"]):
        found += re.search(r"\((\w+(?:\|\w+)*)\)", text)[1].split("|")  # type: ignore[index]
    assert sorted(found) == sorted({*STATEMENTS, *INNER})


def test_the_expressions_of_the_grammar_are_plain() -> None:
    """Those that Python's ``re`` and Oniguruma read alike."""
    found = list(expressions())
    assert len(found) > 20
    for text in found:
        re.compile(text)
        assert not re.search(r"\\[hHRXKGgkpP]|\(\?[>~|i]|\[\[:|[*+?}]\+", text), text


def test_every_scope_has_a_place_that_themes_know() -> None:
    names = {node["name"] for node in scopes(GRAMMAR["repository"])}
    assert {name.partition(".")[0] for name in names} <= {"comment", "constant", "entity", "keyword", "punctuation", "storage",
                                                          "string", "support", "variable"}  # fmt: skip
    assert all(name.endswith(".gradwright") for name in names)


def scopes(node: Any) -> Iterator[dict[str, str]]:
    if isinstance(node, dict):
        if isinstance(node.get("name"), str):
            yield node
        for value in node.values():
            yield from scopes(value)
    elif isinstance(node, list):
        for value in node:
            yield from scopes(value)


def test_the_extension_names_files_that_are_there() -> None:
    folder = EDITORS / "vscode"
    package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    (language,), (grammar,) = package["contributes"]["languages"], package["contributes"]["grammars"]
    assert json.loads((folder / grammar["path"]).read_text(encoding="utf-8")) == GRAMMAR
    assert grammar["scopeName"] == GRAMMAR["scopeName"] and grammar["language"] == language["id"]
    assert package["version"] == tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    rules = json.loads((folder / language["configuration"]).read_text(encoding="utf-8"))
    opens = re.compile(rules["indentationRules"]["increaseIndentPattern"])
    for text in ("def f(x):", "    for i in range(3):  # note", "scan t in range(T) recompute:", "layer d(x[..., D], k=1):"):
        assert opens.search(text), text
    for text in ("def f(x) = x", "h = x[1:]", "# for i in range(3):", "minimize x"):
        assert not opens.search(text), text
