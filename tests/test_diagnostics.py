"""Diagnostics: how they are drawn, and the page of every code, whose programs are compiled here."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gradwright.compiler.driver import load
from gradwright.compiler.elaborate import elaborate
from gradwright.compiler.language.diagnostics import (
    CODES,
    Bag,
    Diagnostic,
    Label,
    ModelError,
    explain,
    render,
    render_all,
    suggest,
)
from gradwright.compiler.language.parser import parse
from gradwright.compiler.language.source import Source, Span
from gradwright.compiler.passes.pointwise import unproved

ERRORS = Path(__file__).parent.parent / "compiler" / "language" / "errors"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def check(text: str) -> tuple[tuple[Diagnostic, ...], dict[str, Source]]:
    """Everything that the front end says about a text, in its order."""
    source = Source("model.gw", text)
    module, found = parse(source)
    bag = Bag(found)
    if module is not None:
        model, found = elaborate(module)
        bag.extend(found)
        bag.extend(unproved(model.graph, {source.name: source}) if model is not None else ())
    return bag.diagnostics, {source.name: source}


# ---------------------------------------------------------------- pages


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    assert sorted(page.stem for page in ERRORS.glob("*.md")) == sorted(CODES)


@pytest.mark.parametrize("code", sorted(CODES))
def test_page(code: str, refresh: bool) -> None:
    """A title, an explanation, a program that fails, what is said about it, and a program that does not."""
    file = ERRORS / f"{code}.md"
    page = file.read_text(encoding="utf-8")
    assert page.startswith(f"# {code}: {CODES[code]}\n\n")
    blocks = list(_BLOCK.finditer(page))
    assert [block.group(1) for block in blocks] == ["gw", "text", "gw"]
    wrong, said, right = (block.group(2) for block in blocks)
    assert page[page.index("\n\n"):blocks[0].start()].strip(), "the page explains nothing"
    found, sources = check(wrong)
    text = render_all(found, sources) + "\n"
    if refresh and text != said:
        file.write_text(page[:blocks[1].start(2)] + text + page[blocks[1].end(2):], encoding="utf-8", newline="\n")
    else:
        assert text == said
    assert code in {d.code for d in found}
    assert not [d for d in check(right)[0] if d.is_error or d.code == code]
    assert explain(code) == file.read_text(encoding="utf-8")


def test_explain_knows_only_codes() -> None:
    assert explain("E000") is None
    assert explain("../codes") is None


# ---------------------------------------------------------------- drawing


def source(*lines: str, first: int = 1) -> dict[str, Source]:
    return {"m.gw": Source("m.gw", "\n" * (first - 1) + "\n".join(lines) + "\n")}


def at(line: int, column: int, end: int, end_line: int | None = None) -> Span:
    return Span("m.gw", line, column, end_line or line, end)


def drawn(
    sources: dict[str, Source], span: Span, *labels: tuple[Span, str], notes: tuple[str, ...] = (), help: str | None = None
) -> list[str]:
    """The lines after the message and the place."""
    found = Diagnostic("E101", "wrong", span, tuple(Label(*label) for label in labels), notes, help)
    lines: list[str] = render(found, sources).split("\n")
    assert lines[0] == "error[E101]: wrong"
    assert lines[1].strip() == f"--> m.gw:{span.line}:{span.column}"
    assert not any(line != line.rstrip() for line in lines)
    return lines[3:]


def test_two_labels_in_one_line_are_stacked() -> None:
    lines = drawn(
        source("h = tanh(x @ W1 + b1)", first=9), at(9, 10, 16), (at(9, 10, 11), "x is [N, 2]"), (at(9, 14, 16), "W1 is [3, 8]"),
        notes=("first", "second\nline"), help="declare W1[2, H]",
    )
    assert lines == [
        " 9 | h = tanh(x @ W1 + b1)",
        "   |          ^   ^^ W1 is [3, 8]",
        "   |          |",
        "   |          x is [N, 2]",
        "   = first",
        "   = second",
        "     line",
        "   = help: declare W1[2, H]",
    ]


def test_three_labels_and_one_without_text() -> None:
    labels = [(at(1, 9, 10), "c"), (at(1, 1, 2), "a"), (at(1, 5, 6), "b"), (at(1, 7, 8), "")]
    assert drawn(source("a + b * c"), at(1, 1, 2), *labels) == [
        " 1 | a + b * c",
        "   | ^   ^ ^ ^ c",
        "   | |   |",
        "   | |   b",
        "   | a",
    ]


def test_a_span_without_labels_inside_is_drawn_itself() -> None:
    assert drawn(source("a = 1", "b = 2", "a = 3"), at(3, 1, 2), (at(1, 1, 2), "first here")) == [
        " 1 | a = 1",
        "   | ^ first here",
        " 2 | b = 2",
        " 3 | a = 3",
        "   | ^",
    ]


def test_lines_far_apart_and_wide_numbers() -> None:
    sources = source("a = 1", *["b = 2"] * 98, "a = 3")
    assert drawn(sources, at(100, 1, 2), (at(1, 1, 2), "first here")) == [
        "   1 | a = 1",
        "     | ^ first here",
        "  ...",
        " 100 | a = 3",
        "     | ^",
    ]


def test_a_span_over_several_lines() -> None:
    assert drawn(source("y = f(1,", "  2,", "", "  3)"), at(1, 5, 5, 4), (at(1, 5, 5, 4), "this call")) == [
        " 1 | y = f(1,",
        "   |     ^^^^",
        "...",
        " 4 |   3)",
        "   |   ^^ this call",
    ]


def test_tabs_wide_and_combining_characters() -> None:
    labels = [(at(1, 6, 8), "two"), (at(1, 11, 13), "hat"), (at(1, 16, 17), "theta")]
    assert drawn(source("\tq = 日本 + x̂ + θ"), at(1, 6, 8), *labels) == [
        " 1 |     q = 日本 + x̂ + θ",
        "   |         ^^^^   ^   ^ theta",
        "   |         |      |",
        "   |         |      hat",
        "   |         two",
    ]


def test_characters_that_would_disturb_the_terminal_are_made_visible() -> None:
    lines = drawn(source("a\x1b[31m\x00\u202eb"), at(1, 2, 3))
    assert lines == [" 1 | a␛[31m␀\ufffdb", "   |  ^"]
    assert "\x1b" not in render(Diagnostic("E101", "say \x1b[0m", at(1, 1, 2)), {})


def test_the_end_of_the_line_of_the_file_and_beyond() -> None:
    assert drawn(source("a ="), at(1, 4, 4)) == [" 1 | a =", "   |    ^"]
    assert drawn(source("a ="), at(2, 1, 1)) == [" 2 |", "   | ^"]
    assert drawn({"m.gw": Source("m.gw", "")}, at(1, 1, 1)) == [" 1 |", "   | ^"]
    assert drawn(source("a"), at(99, 50, 60)) == [" 99 |", "    | ^"]


def test_a_very_long_line_is_cut_around_the_carets() -> None:
    text = "y = " + "x + " * 10_000 + "$ + x" + " + x" * 10_000
    span = at(1, text.index("$") + 1, text.index("$") + 2)
    lines = drawn(source(text), span, (span, "here"))
    assert max(map(len, lines)) < 200
    assert lines[0][lines[1].index("^")] == "$"
    assert lines[0].startswith(" 1 | … ") and lines[0].endswith(" …")


def test_another_file_and_an_unknown_one() -> None:
    sources = source("use \"lib.gw\"", "y = f(x)") | {"lib.gw": Source("lib.gw", "def f(a) = a @ a\n")}
    found = Diagnostic("E101", "wrong", at(2, 5, 9), (Label(Span("lib.gw", 1, 12, 1, 17), "in here"),))
    assert render(found, sources).split("\n")[1:] == [
        "  --> m.gw:2:5",
        "   |",
        " 2 | y = f(x)",
        "   |     ^^^^",
        "  ::: lib.gw:1:12",
        "   |",
        " 1 | def f(a) = a @ a",
        "   |            ^^^^^ in here",
    ]
    assert render(found, {}).split("\n")[1:] == ["  --> m.gw:2:5", "  ::: lib.gw:1:12"]


def test_colour_adds_only_escapes() -> None:
    found = Diagnostic("E101", "wrong", at(1, 1, 2), (Label(at(1, 1, 2), "x"),), ("note",), "help")
    sources = source("a")
    colored = render(found, sources, color=True)
    assert "\x1b[" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == render(found, sources)


def test_carets_stay_under_the_text_for_any_span() -> None:
    """Every span of a small text: drawn, and with as many carets as the columns it covers."""
    lines = ("a = (1 +", "\tbé", "", ")")
    sources = source(*lines)
    spots = [(line, column) for line in range(1, 6) for column in range(1, 12)]
    for begin in spots:
        for end in spots:
            if begin <= end:
                text = drawn(sources, Span("m.gw", *begin, *end), (Span("m.gw", *begin, *end), "t"))
                assert any("^" in line for line in text)
                assert sum(line.endswith(" t") for line in text) == 1


# ---------------------------------------------------------------- collecting


def test_a_bag_keeps_order_and_drops_repetitions() -> None:
    bag = Bag()
    bag.report("E101", "second", at(2, 1, 2))
    bag.report("E101", "first", at(1, 1, 2), labels=[(at(1, 1, 2), "x")], notes=["n"], help="h")
    bag.report("E101", "again", at(2, 1, 2))
    bag.report("W301", "a lint", at(2, 1, 2))
    bag.report("E101", "elsewhere", Span("a.gw", 1, 1, 1, 2))
    assert [d.message for d in bag] == ["first", "second", "a lint", "elsewhere"]
    assert bag.has_errors and len(bag) == 4
    assert not Bag([Diagnostic("W301", "a lint", at(1, 1, 2))]).has_errors


def test_a_code_must_be_registered() -> None:
    with pytest.raises(KeyError):
        Diagnostic("E999", "unknown", at(1, 1, 2))


def test_as_plain_data() -> None:
    found = Diagnostic("W301", "wrong", at(1, 2, 3), (Label(at(1, 2, 3), "x"),), ("n",), "h")
    place = {"file": "m.gw", "line": 1, "column": 2, "end_line": 1, "end_column": 3}
    assert json.loads(json.dumps(found.to_dict())) == {
        "code": "W301", "severity": "warning", "message": "wrong", "span": place,
        "labels": [{"span": place, "text": "x"}], "notes": ["n"], "help": "h",
    }
    assert replace(found, help=None).to_dict()["help"] is None


def test_the_exception_shows_everything() -> None:
    one, two = Diagnostic("E101", "one", at(1, 1, 2)), Diagnostic("E101", "two", at(1, 5, 6))
    error = ModelError([one, two], source("a = b"))
    assert str(error) == render(one, source("a = b")) + "\n\n" + render(two, source("a = b"))
    assert error.diagnostics == (one, two)


def test_suggestions() -> None:
    assert suggest("sigmod", ["softmax", "sigmoid", "size"]) == "sigmoid"
    assert suggest("w", ["W", "b"]) == "W"
    assert suggest("zzz", ["W", "b"]) is None
    assert suggest("W", ["W"]) is None


# ---------------------------------------------------------------- all errors of a file, and none that follows from another


def codes(text: str) -> list[tuple[str, int]]:
    return [(d.code, d.span.line) for d in check(text)[0]]


def test_errors_of_all_stages_in_one_run() -> None:
    text = """\
size N
input x[N, 2], y[N, 1] $
param W[3, 8] ~ glorot_uniform
h = tanh(x @ W)
g = (h + 1
output q = sigmoid(g * y)
r = sigmod(y)
output r = 2
minimize mean(q) mean(r)
"""
    found = codes(text)
    assert ("E001", 2) in found and ("E102", 5) in found and ("E106", 9) in found and ("E222", 7) in found
    # x, y and g come from broken lines: nothing is said about their uses
    assert not [code for code, line in found if line in (4, 6)]


@pytest.mark.parametrize(
    "text",
    [
        "size N, = 3\ninput x[N]\noutput y = x * N\n",
        "size N\ninput x[N\noutput y = x\n",
        "input x\nparam w ~~ normal(0, 1)\noutput y = w * x\nminimize y**2\n",
        "input x\nhyper a 3\noutput y = a * x\n",
        "input x\ndef f(a) = a +\noutput y = f(x)\n",
        "input x\ndef f(a):\n    b = a a\n    return b\noutput y = f(x)\n",
        "input x\nuse 3\noutput y = anything(x)\n",
        "input x\na, b = split(x,,2)\noutput y = a + b\n",
        "input x\nfor i in range(3):\n    x = x + i\n    z = x\noutput y = z\n",
        "input x\noutput y = x x\ngradient y wrt x\n",
        "input x\nparam w = 0\noutput y = x\nminimize w w\n",
        "input x\nupdate sgd(lr=1) of w with g\n    w = w - lr*g\nparam w = 1\nminimize w*x with sgd\n",
        "input x\nimport numpy as np\noutput y = np + x\n",
        "inptu x, z\noutput y = x + z\n",
        "\"\"\"A model\nof (something\n\"\"\"\ninput x\noutput y = x\n",
        "input x\nlayer dense(x[..., D], units = 1):\n    param W[D, units]\n    return x @ W\noutput y = x |> dense(1)\n",
    ],
)
def test_one_mistake_one_error(text: str) -> None:
    found, sources = check(text)
    assert len(found) == 1, render_all(found, sources)


def test_an_argument_is_named_without_a_line_of_the_model() -> None:
    text = "size N, H = 2\ninput x[N, H]\noutput f = sum(x)\n"
    for arguments, want in (
        ({"dtype": "float16"},
         "error[E243]: dtype: there is no real type float16\n  --> model.gw\n   = help: float64 or float32"),
        ({"sizes": {"h": 3}}, "error[E266]: sizes: there is no size h to set\n  --> model.gw\n   = help: did you mean H?"),
        ({"sizes": {"K": 3}}, "error[E266]: sizes: there is no size K to set\n  --> model.gw\n"
                              "   = help: the model's sizes are N, H"),
    ):  # fmt: skip
        with pytest.raises(ModelError) as caught:
            load(text, **arguments)
        assert str(caught.value) == want
    for wrong in (2.5, "3", None, True):
        with pytest.raises(TypeError, match=r"^sizes: H is .*, which is no whole number$"):
            load(text, sizes={"H": wrong})
    assert load(text, sizes={"H": np.int64(3)}, backend="numpy").Model().predict(x=np.ones((2, 3))).f == 6


@pytest.mark.parametrize("line", ["param a = 1, b = 2", "param a[2] = 1, b[2]", "param a[2] ~ normal(0, 1), b[2] = 0"])
def test_params_on_one_line_are_one_error(line: str) -> None:
    found, _ = check(line + "\noutput y = sum(a*b)\n")
    assert [(d.code, d.span.line, d.message) for d in found] == [("E101", 1, "a `param` statement declares one parameter")]
