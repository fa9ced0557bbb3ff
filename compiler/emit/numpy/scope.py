"""What a kernel's function knows while it is written: its lines, its sizes, and how each value is spelled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from ...graph.ir import Eqn, Graph, Scan, Value, outs
from ...graph.shapes import Dim, Shape
from ...language.source import Source
from ...records import dataclass
from ..lines import dim_text
from ..names import Speller
from .code import ATOM, NAMES, Tag, names_tuple, one_line, spellable


class Page:
    """The lines of a function, with the comments that explain them."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self.sources = sources
        self.lines: list[str] = []
        self.indent = "    "
        self.last: tuple[str, int] | None = None  # the line of the model that was shown last
        self.header = self.reason = ""  # comments that wait for a statement

    def emit(self, line: str) -> None:
        if self.header:
            self.lines += ["", self.indent + self.header]
            self.header = ""
        if self.reason:
            self.lines.append(self.indent + self.reason)
            self.reason = ""
        self.lines.append(self.indent + line)

    def comment(self, eqn: Eqn | Scan) -> None:
        """The model's line above the statements that answer to it, and why this one is there; written with what comes next,
        if anything does."""
        origin = eqn.origin
        if origin.spans and (origin.spans[0].file, origin.spans[0].line) != self.last:
            span = origin.spans[0]
            self.last = (span.file, span.line)
            source = self.sources.get(span.file)
            text = source.line(span.line).strip() if source else ""
            self.header = f"# {one_line(span.file)}:{span.line}   {text}".rstrip()
        self.reason = ""
        if origin.rule not in ("source", "copy") or (origin.note and origin.rule != "copy"):
            rule = "" if origin.rule == "source" else origin.rule
            why = " ".join(filter(None, [rule, origin.note and f"({origin.note})"]))
            self.reason = f"# {one_line(', '.join(o.name for o in outs(eqn)))}: {one_line(why)}"


@dataclass(slots=True)
class Values:
    """How the values that a piece of text may read are written there."""

    known: dict[str, Value] = field(default_factory=dict)
    text: dict[str, str] = field(default_factory=dict)  # how each is spelled
    stored: dict[str, str] = field(default_factory=dict)  # those with memory of their own in a slot, which are written in place
    tags: dict[str, Tag] = field(default_factory=dict)
    levels: dict[str, int] = field(default_factory=dict)  # of those that are written where they are used
    counts: dict[str, int] = field(default_factory=dict)  # how often each is needed

    def inner(self, body: Graph) -> Values:
        """For the body of a loop, which sees these and stores none of its own."""
        return Values({**self.known}, {**self.text}, {}, {**self.tags}, self.levels, uses(body))

    def write(self, value: Value, text: str, tag: Tag, level: int = ATOM) -> None:
        """Say how a value is written from here on."""
        self.known[value.name], self.text[value.name], self.tags[value.name] = value, text, tag
        if level != ATOM:
            self.levels[value.name] = level


class Scope:
    """A function's names, and the page it is written on. ``used``: the helpers that the module needs."""

    def __init__(self, sources: Mapping[str, Source], used: set[str]) -> None:
        self.page, self.used = Page(sources), used
        self.speller = Speller(NAMES)
        self.values = Values()
        self.sizes: dict[str, str] = {}  # how the free sizes are spelled

    def spell(self, name: str) -> str:
        return self.speller.fresh(spellable(name) or "v")

    def dim(self, dim: Dim) -> str:
        """A size as Python arithmetic."""
        return dim_text(dim, self.sizes.__getitem__, "(math.isqrt(max({} - 1, 0)) + 1)")

    def shape(self, shape: Shape) -> str:
        return names_tuple([self.dim(d) for d in shape])

    def emit(self, line: str) -> None:
        self.page.emit(line)


def uses(graph: Graph) -> dict[str, int]:
    """How often the text of a value will be needed; what is an index, an output or read by a loop wants a name."""
    counts: dict[str, int] = dict.fromkeys(graph.outputs, 2)
    for eqn in graph.eqns:
        names = [a.value for a in eqn.args] if isinstance(eqn, Eqn) else [*eqn.reads(), *eqn.reads()]
        if isinstance(eqn, Eqn):
            indices = (*(i for a in eqn.args for i in a.index), *eqn.out_index)
            names += [g.value for ix in indices for g in ix.gathers() for _ in range(2)]
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    return counts
