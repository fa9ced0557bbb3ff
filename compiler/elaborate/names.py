"""Names of values: the user's own, or made from them, and no two the same."""

from __future__ import annotations

from ..language import syntax
from ..language.source import Span
from .bodies import bound_names
from .evaluator import Evaluator
from .values import Val, name_steps


class Names:
    """The names that are given to values. ``words``: those that the user declares or binds somewhere in the model."""

    def __init__(self, ev: Evaluator, words: set[str]) -> None:
        self.ev, self.words = ev, words
        self.taken: set[str] = set()
        self.numbered: dict[str, int] = {}  # the last number given to a name

    def unique(self, name: str) -> str:
        """A name for a value that no user name and no other value has; the user's own name for its first meaning."""
        if name not in self.taken:
            self.taken.add(name)
            return name
        k = self.numbered.get(name, 1) + 1
        while f"{name}_{k}" in self.taken or f"{name}_{k}" in self.words:
            k += 1
        self.numbered[name] = k
        self.taken.add(f"{name}_{k}")
        return f"{name}_{k}"

    def settle(self, name: str, results: list[tuple[str, Val]], start: int) -> None:
        """Name what the statement made: its results as the user does, the rest after what made it, as ``name_add1``."""
        base = ""
        for wanted, val in results:
            if not val.name:
                val.name = self.unique(wanted)
                base = base or val.name
        base = base or name
        name_steps(self.ev.drafts[start:], base, self.taken, self.words)

    def inner(self, wanted: str) -> str:
        """A name for a value that the user did not name."""
        name = wanted
        while name in self.taken or name in self.words:
            name += "_"
        self.taken.add(name)
        return name


def declared_words(module: syntax.Module) -> set[str]:
    """Every name that the user declares or binds."""
    words: set[str] = set()
    for s in module.statements:
        match s:
            case syntax.SizeDecl() | syntax.HyperDecl() | syntax.InputDecl() | syntax.IndexDecl():
                words.update(i.name.id for i in s.items)
            case syntax.ParamDecl() | syntax.State() | syntax.RandomDecl():
                words.add(s.name.id)
            case syntax.Binding() | syntax.For() | syntax.ScanDecl() | syntax.Indexed():
                words.update(bound_names((s,)))
            case syntax.OutputDecl():
                words.update(t.id for t in s.names)
    return words


def declared_later(module: syntax.Module) -> dict[str, Span]:
    """Where each name first gets a meaning."""
    found: dict[str, Span] = {}
    for s in module.statements:
        match s:
            case syntax.SizeDecl() | syntax.HyperDecl() | syntax.InputDecl() | syntax.IndexDecl():
                names = [i.name for i in s.items]
            case syntax.ParamDecl() | syntax.State() | syntax.RandomDecl():
                names = [s.name]
            case syntax.Binding():
                names = list(s.targets)
            case syntax.OutputDecl():
                names = list(s.names) if s.value is not None else []
            case _:
                names = []
        for name in names:
            found.setdefault(name.id, name.span)
    return found
