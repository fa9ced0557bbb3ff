"""Names: what is visible where, and where functions come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace

from ..language import syntax
from ..language.source import Source, Span
from ..records import dataclass
from .values import Elem, Layer, Val, Value


@dataclass(eq=False, slots=True)
class Frame:
    """One file's functions and update rules. ``library``: it came with the compiler, and errors in it are shown at the call."""

    source: Source
    library: bool
    functions: dict[str, Function] = field(default_factory=dict)
    updates: dict[str, Rule] = field(default_factory=dict)
    layers: dict[str, LayerRule] = field(default_factory=dict)
    derivatives: dict[str, dict[str, syntax.DerivativeDecl]] = field(default_factory=dict)  # by function and argument
    main: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class Function:
    """A function in the language, and the file whose names it sees."""

    tree: syntax.Def
    frame: Frame


@dataclass(frozen=True, eq=False, slots=True)
class LayerRule:
    """The definition of a layer, and the file whose names it sees."""

    tree: syntax.LayerDef
    frame: Frame


@dataclass(frozen=True, eq=False, slots=True)
class Rule:
    """An update rule, and the file whose names it sees."""

    tree: syntax.UpdateDef
    frame: Frame


@dataclass(eq=False, slots=True)
class Site:
    """A call that is being expanded: where, of what, from which file, with which arguments, and inside which other call."""

    span: Span
    function: Function | LayerRule
    caller: Frame
    arguments: tuple[tuple[Span, str, Value], ...]  # where, what the user calls it, its value
    outer: Site | None

    @property
    def outermost(self) -> Site:
        """The call in the model's own text that led here."""
        site = self
        while site.outer is not None:
            site = site.outer
        return site


class Missing(set[str]):
    """Names of which nothing more is said: they were reported, or their lines have syntax errors. ``*`` is any name."""

    def covers(self, name: str) -> bool:
        return name in self or "*" in self


@dataclass(eq=False, slots=True)
class Lifter:
    """The arrays that a function tried as one elementwise body reads."""

    arrays: list[Val] = field(default_factory=list)
    quiet: bool = True  # an error only says that this is no such body; False in index notation

    def lift(self, val: Val) -> Elem:
        from ..graph.expr import arg

        if val not in self.arrays:
            self.arrays.append(val)
        return Elem(arg(self.arrays.index(val)), val.kind)


@dataclass(eq=False, slots=True)
class Env:
    """Where an expression stands: its local names (None at the top level), its file, and the calls around it."""

    frame: Frame
    names: Mapping[str, Value] | None = None
    site: Site | None = None
    elem: Lifter | None = None
    constant: bool = False  # only what is known when the module is compiled
    rule: str = ""  # the update rule this is in: no declarations of the model are visible
    indices: Mapping[str, Value] | None = None  # the index variables that are visible
    owner: Layer | None = None  # the layer whose body this is: layers that are made here are its own

    def whole(self) -> Env:
        """The same place, where whole arrays are calculated with."""
        return replace(self, elem=None, indices=None)


@dataclass(eq=False, slots=True)
class Entry:
    """What a name of the model means at this line."""

    value: Value
    what: str  # "size" "input" "index" "param" "hyper" "binding"
    span: Span
    shape: tuple[syntax.Expression, ...] = ()
    used: bool = False


def article(word: str) -> str:
    """The word with its indefinite article."""
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"
