"""Errors and warnings in a model: what they are, how they are collected, and how they are drawn under the user's text."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from ..records import dataclass
from .codes import CODES
from .family import GradwrightError
from .source import Source, Span

__all__ = ["CODES", "Bag", "Diagnostic", "GradwrightError", "Label", "ModelError", "explain", "render", "render_all", "suggest"]

_TAB = 4  # columns that a tab is drawn with
_LONGEST = 160  # columns of a line that are drawn; of a longer one, the part around the carets


@dataclass(frozen=True)
class Label:
    """A caret of its own with a text beside it; the text may be empty."""

    span: Span
    text: str


@dataclass(frozen=True)
class Diagnostic:
    """One error or warning.

    ``span`` is where it is reported, and is drawn with carets unless labels lie strictly inside it (then they are the
    smallest pieces at fault and are drawn alone). To put a text beside the carets of ``span``, give a label with the same
    span. The severity follows from the code: ``W...`` is a warning.
    """

    code: str
    message: str
    span: Span
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    help: str | None = None
    severity: str = field(default="")

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise KeyError(f"the code {self.code} is missing in codes.py")
        if not self.severity:
            object.__setattr__(self, "severity", "warning" if self.code.startswith("W") else "error")

    @property
    def is_error(self) -> bool:
        return self.severity == "error"

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "span": _span_dict(self.span),
            "labels": [{"span": _span_dict(label.span), "text": label.text} for label in self.labels],
            "notes": list(self.notes),
            "help": self.help,
        }


def _span_dict(span: Span) -> dict[str, Any]:
    return {
        "file": span.file, "line": span.line, "column": span.column,
        "end_line": span.end_line, "end_column": span.end_column,
    }


# ---------------------------------------------------------------- exceptions and collecting


class ModelError(GradwrightError):
    """A model has errors. ``str()`` is the rendered text of all of them."""

    def __init__(self, diagnostics: Iterable[Diagnostic], sources: Mapping[str, Source] | None = None) -> None:
        self.diagnostics = tuple(diagnostics)
        self.sources: dict[str, Source] = dict(sources or {})
        super().__init__(render_all(self.diagnostics, self.sources))


class Bag:
    """Collects the diagnostics of a stage. The same code at the same place is kept once."""

    def __init__(self, diagnostics: Iterable[Diagnostic] = ()) -> None:
        self._found: dict[tuple[str, Span], Diagnostic] = {}
        self.extend(diagnostics)

    def add(self, diagnostic: Diagnostic) -> None:
        self._found.setdefault((diagnostic.code, diagnostic.span), diagnostic)

    def report(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        labels: Iterable[Label | tuple[Span, str]] = (),
        notes: Iterable[str] = (),
        help: str | None = None,
    ) -> None:
        """``add`` without spelling out the classes."""
        made = tuple(label if isinstance(label, Label) else Label(*label) for label in labels)
        self.add(Diagnostic(code, message, span, made, tuple(notes), help))

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        for diagnostic in diagnostics:
            self.add(diagnostic)

    @property
    def has_errors(self) -> bool:
        return any(diagnostic.is_error for diagnostic in self._found.values())

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """In the order of the text, file by file in the order in which the files were first reported."""
        files: dict[str, int] = {}
        for diagnostic in self._found.values():
            files.setdefault(diagnostic.span.file, len(files))
        return tuple(sorted(self._found.values(), key=lambda d: (files[d.span.file], d.span.line, d.span.column)))

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.diagnostics)

    def __len__(self) -> int:
        return len(self._found)


def suggest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that the user probably meant, for "did you mean"."""
    import difflib  # only needed when something is wrong

    known = list(dict.fromkeys(candidates))
    folded = [candidate for candidate in known if candidate.casefold() == name.casefold() and candidate != name]
    if folded:
        return folded[0]
    found = difflib.get_close_matches(name, [candidate for candidate in known if candidate != name], n=1, cutoff=0.6)
    return found[0] if found else None


def explain(code: str) -> str | None:
    """The page about a code, as Markdown; None for a code that does not exist."""
    if code not in CODES:
        return None
    page = Path(__file__).parent / "errors" / f"{code}.md"
    return page.read_text(encoding="utf-8") if page.exists() else None


# ---------------------------------------------------------------- rendering


def render_all(diagnostics: Iterable[Diagnostic], sources: Mapping[str, Source], color: bool = False) -> str:
    """All diagnostics, with an empty line between two."""
    return "\n\n".join(render(diagnostic, sources, color) for diagnostic in diagnostics)


def render(diagnostic: Diagnostic, sources: Mapping[str, Source], color: bool = False) -> str:
    """One diagnostic with the user's own lines. A file that ``sources`` does not have is named without its lines."""
    paint = _Paint(color, diagnostic.severity)
    main = diagnostic.span.file
    marks = _marks(diagnostic)
    files = [main] + sorted({mark.span.file for mark in marks} - {main})
    shown = {file: [mark for mark in marks if mark.span.file == file] for file in files}
    numbers = [n for file in files if file in sources for mark in shown[file] for n in (mark.span.line, mark.span.end_line)]
    width = len(str(max(numbers, default=1)))
    out = [paint.head(f"{diagnostic.severity}[{diagnostic.code}]") + paint.bold(f": {_clean(diagnostic.message)}")]
    for file in files:
        arrow, at = ("-->", diagnostic.span) if file == main else (":::", shown[file][0].span)
        out.append(" " * (width + 1) + paint.gutter(arrow) + f" {_clean(str(at))}")
        if file in sources and at.line:
            out.append(" " * (width + 2) + paint.gutter("|"))
            out.extend(_snippet(shown[file], sources[file], width, paint))
    for note in diagnostic.notes:
        out.extend(_remark(note, width, paint))
    if diagnostic.help is not None:
        out.extend(_remark("help: " + diagnostic.help, width, paint))
    return "\n".join(out)


@dataclass(frozen=True)
class _Paint:
    on: bool
    severity: str

    def _wrap(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.on and text else text

    def head(self, text: str) -> str:
        return self._wrap("1;31" if self.severity == "error" else "1;33", text)

    def bold(self, text: str) -> str:
        return self._wrap("1", text)

    def gutter(self, text: str) -> str:
        return self._wrap("1;34", text)


@dataclass(frozen=True)
class _Mark:
    """Carets on one line, in columns of the screen, and the text that belongs to them."""

    start: int
    end: int
    text: str


def _marks(diagnostic: Diagnostic) -> list[Label]:
    """What is drawn: the labels, and the span itself where no label stands for it."""
    span = diagnostic.span
    start, end = (span.line, span.column), (span.end_line, span.end_column)
    for label in diagnostic.labels:
        other = label.span
        if other.file == span.file and start <= (other.line, other.column) and (other.end_line, other.end_column) <= end:
            return list(diagnostic.labels)
    return [Label(span, ""), *diagnostic.labels]


def _remark(text: str, width: int, paint: _Paint) -> list[str]:
    first, *rest = _clean(text).split("\n")
    return [" " * (width + 2) + paint.gutter("=") + f" {first}"] + [" " * (width + 4) + line for line in rest]


def _snippet(marks: list[Label], source: Source, width: int, paint: _Paint) -> list[str]:
    lines: dict[int, list[tuple[int, int, str]]] = {}
    for mark in marks:
        span = mark.span
        if span.line >= span.end_line:
            lines.setdefault(span.line, []).append((span.column - 1, span.end_column - 1, mark.text))
            continue
        # Several lines: the first and the last one are drawn, and the text stands at the last.
        last = source.line(span.end_line)
        end_line, end = span.end_line, span.end_column - 1
        if end <= 0 and end_line > span.line + 1:  # ends with the newline of the line before
            end_line -= 1
            last = source.line(end_line)
            end = len(last)
        first = source.line(span.line)
        if end <= 0:
            lines.setdefault(span.line, []).append((span.column - 1, len(first), mark.text))
            continue
        lines.setdefault(span.line, []).append((span.column - 1, len(first.rstrip()), ""))
        lines.setdefault(end_line, []).append((len(last) - len(last.lstrip()), end, mark.text))
    out: list[str] = []
    previous = 0
    for number in sorted(lines):
        if previous and number == previous + 2:
            out.append(_line(previous + 1, _drawn(source.line(previous + 1))[0][:_LONGEST], width, paint))
        elif previous and number > previous + 2:
            out.append(" " * (width + 2 - min(3, width + 2)) + "...")
        previous = number
        drawn, columns = _drawn(source.line(number))
        placed = []
        for start, end, text in lines[number]:
            left = columns[min(max(start, 0), len(columns) - 1)]
            right = columns[min(max(end, 0), len(columns) - 1)]
            placed.append(_Mark(left, max(right, left + 1), _clean(text)))
        drawn, placed = _window(drawn, placed)
        out.append(_line(number, drawn, width, paint))
        edge = " " * (width + 2) + paint.gutter("|") + " "
        out.extend((edge + paint.head(row)) for row in _rows(placed))
    return out


def _line(number: int, text: str, width: int, paint: _Paint) -> str:
    return " " + paint.gutter(f"{number:>{width}} |") + (f" {text.rstrip()}" if text.strip() else "")


def _rows(marks: list[_Mark]) -> list[str]:
    """The line of carets and, below it, the texts that do not fit beside them."""
    marks = sorted(marks, key=lambda mark: (mark.start, mark.end))
    carets = [" "] * max(mark.end for mark in marks)
    for mark in marks:
        carets[mark.start:mark.end] = "^" * (mark.end - mark.start)
    rows = ["".join(carets)]
    waiting = [mark for mark in marks if mark.text]
    if waiting and waiting[-1].end == len(carets) and "\n" not in waiting[-1].text:
        rows[0] += " " + waiting.pop().text
    if not waiting:
        return rows
    rows.append(_bars(waiting, None))
    while waiting:
        mark = waiting.pop()
        for part in mark.text.split("\n"):
            rows.append(_bars([other for other in waiting if other.start < mark.start], mark.start) + part)
    return rows


def _bars(marks: list[_Mark], upto: int | None) -> str:
    starts = {mark.start for mark in marks}
    text = "".join("|" if column in starts else " " for column in range(max(starts, default=-1) + 1))
    return text if upto is None else text.ljust(upto)


def _window(text: str, marks: list[_Mark]) -> tuple[str, list[_Mark]]:
    """Of a very long line, the part around the carets. (Columns and characters differ only by wide ones: it is cut roughly.)"""
    if len(text) <= _LONGEST:
        return text, marks
    left = max(0, min(mark.start for mark in marks) - _LONGEST // 3)
    left = 0 if left < 8 else left
    begin = _at_column(text, left)
    part = text[begin:begin + _LONGEST]
    before, after = ("… " if left else ""), (" …" if begin + _LONGEST < len(text) else "")
    shift = _width(text[:begin]) - len(before)
    limit = _width(before + part)
    moved = []
    for mark in marks:
        start = min(max(mark.start - shift, len(before)), limit)
        moved.append(_Mark(start, max(min(mark.end - shift, limit), start + 1), mark.text))
    return before + part + after, moved


def _at_column(text: str, column: int) -> int:
    total = 0
    for position, character in enumerate(text):
        if total >= column:
            return position
        total += _char_width(character)
    return len(text)


def _width(text: str) -> int:
    return len(text) if text.isascii() else sum(map(_char_width, text))


def _char_width(character: str) -> int:
    if character < "\u0300":
        return 1
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _visible(character: str) -> str:
    """What is drawn for a character: nothing that moves the cursor, turns the direction of text or is invisible."""
    if character < " ":
        return chr(0x2400 + ord(character))
    if character == "\x7f":
        return "\u2421"
    return character if character.isprintable() else "\ufffd"


def _clean(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if character == "\n" else _visible(character) for character in text)


def _drawn(line: str) -> tuple[str, list[int]]:
    """The line as it is drawn, and for every position in it (one past its end too) the column of the screen."""
    if line.isascii() and line.isprintable():
        return line, list(range(len(line) + 1))
    out: list[str] = []
    columns = [0]
    for character in line:
        if character == "\t":
            width = _TAB - columns[-1] % _TAB
            out.append(" " * width)
        else:
            shown = _visible(character)
            width = _char_width(shown)
            out.append(shown)
        columns.append(columns[-1] + width)
    return "".join(out), columns
