"""Where text came from: sources and the spans in them."""

from __future__ import annotations

from functools import cached_property

from ..records import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A piece of a source file. Lines and columns count characters from 1; the end is exclusive. Line 0 is the whole file."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of ``other`` (of the same file)."""
        return Span(self.file, self.line, self.column, other.end_line, other.end_column)


@dataclass(frozen=True)
class Source:
    """The text of one file. ``name`` is what diagnostics and generated comments call it: never an absolute path."""

    name: str
    text: str

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The lines without their newlines, which are LF, CRLF or CR; a byte order mark is not part of the first one."""
        lines = self.text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return tuple(lines[:-1] if not lines[-1] else lines)

    def line(self, number: int) -> str:
        """Line ``number`` (from 1) without its newline; empty past the end."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""
