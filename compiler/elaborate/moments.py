"""The body of a loop over time while it is elaborated: its variable, the names it sees, and what it takes from outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..graph.shapes import Dim
from ..language import syntax
from ..language.source import Span
from .scope import Entry
from .values import (
    ConstDraft,
    Draft,
    ScanDraft,
    Val,
    Value,
    made,
    name_steps,
)

Affine = tuple["Moment", Dim, Dim]


@dataclass(eq=False, slots=True)
class Moment(Val):
    """A loop's variable inside its body: an integer scalar."""

    loop: Loop | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Known(syntax.Ref):
    """A piece of an expression that has been evaluated already."""

    value: Value


class Names(dict[str, Value]):
    """The names of a body. What is not bound in it is looked for outside, and remembered."""

    def __init__(self, outer: Names | dict[str, Value] | None, entries: dict[str, Entry]) -> None:
        super().__init__()
        self.outer, self.entries = outer, entries
        self.asked: set[str] = set()
        self.emits: dict[str, Span] = {}

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or self.outside(str(name)) is not None

    def __getitem__(self, name: str) -> Value:
        if super().__contains__(name):
            return super().__getitem__(name)
        value = self.outside(name)
        if value is None:
            raise KeyError(name)
        return value

    def get(self, name: str, default: Any = None) -> Any:
        found = name in self
        return self[name] if found else default

    def own(self, name: str) -> bool:
        return super().__contains__(name)

    def outside(self, name: str) -> Value | None:
        self.asked.add(name)
        if self.outer is not None:
            return self.outer.get(name)
        entry = self.entries.get(name)
        if entry is None or entry.what != "binding":
            return None
        entry.used = True
        return entry.value

    def visible(self, name: str) -> Span | bool:
        """Where a name from outside is bound, or whether there is one."""
        asked = name in self.asked
        found: Span | bool = name in self.outer if self.outer is not None else False
        if self.outer is None and name in self.entries:
            found = self.entries[name].span
        if not asked:
            self.asked.discard(name)
        return found


@dataclass(eq=False, slots=True)
class Loop:
    """A loop whose body is being elaborated. ``outer`` are the drafts of the graph around it."""

    variable: str
    start: Dim
    extent: Dim
    outer: list[Draft | ScanDraft | ConstDraft]
    drafts: list[Draft | ScanDraft | ConstDraft] = field(default_factory=list)
    carries: list[tuple[syntax.Name, Val, Val]] = field(default_factory=list)
    slices: list[tuple[Val, Val]] = field(default_factory=list)
    sliced: dict[tuple[object, ...], Val] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    words: frozenset[str] = frozenset()
    within: set[int] = field(default_factory=set)  # the values of the body
    seen: int = 0

    def holds(self, val: Val) -> bool:
        """Whether a value belongs to the body."""
        for draft in self.drafts[self.seen :]:
            self.within.update(id(v) for v in made(draft))
        self.seen = len(self.drafts)
        return id(val) in self.within

    def take(self, outer: Val, inner: Val, key: tuple[object, ...]) -> Val:
        self.slices.append((outer, inner))
        self.within.add(id(inner))
        self.sliced[key] = inner
        return inner

    def name(self, wanted: str) -> str:
        """A name for a value of the body; the user's own for its first meaning."""
        name, k = wanted, 1
        while name in self.taken or (k > 1 and name in self.words):
            k += 1
            name = f"{wanted}_{k}"
        self.taken.add(name)
        return name

    def settle(self, results: list[tuple[str, Val]], start: int, base: str) -> None:
        """Name what a statement made: its results as the user does, the rest after what made it, as ``name_add1``."""
        for wanted, val in results:
            if not val.name and self.holds(val):
                val.name = self.name(wanted)
        name_steps(self.drafts[start:], base, self.taken, self.words)
