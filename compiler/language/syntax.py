"""The syntax tree: structure, no meaning. Every node knows its span; spans do not count for equality.

How deep an expression can be: the left operands of ``Binary`` may go down thousands of levels (a sum of 5000 terms), so a
stage must walk that side in a loop; along all other children the parser allows at most ``MAX_DEPTH`` levels.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .source import Source, Span

MAX_DEPTH = 100


@dataclass(frozen=True, kw_only=True)
class Node:
    span: Span = field(compare=False)


@dataclass(frozen=True)
class Name(Node):
    """An identifier as it stands in the text (NFKC-normalised, as Python's are)."""

    id: str


# ---------------------------------------------------------------- expressions


@dataclass(frozen=True)
class Number(Node):
    """A number as it was written: ``text`` is kept so that 0.1 stays exactly one tenth."""

    text: str


@dataclass(frozen=True)
class Boolean(Node):
    value: bool


@dataclass(frozen=True)
class Text(Node):
    """A string literal, as in ``gelu(x, approximate="tanh")``."""

    value: str


@dataclass(frozen=True)
class Ref(Node):
    """The use of a name."""

    id: str


@dataclass(frozen=True)
class Unary(Node):
    op: str  # "-" "+" "not"
    operand: Expression


@dataclass(frozen=True)
class Binary(Node):
    op: str  # "+" "-" "*" "/" "//" "%" "**" "@" "and" "or"
    left: Expression
    right: Expression
    op_span: Span = field(compare=False)


@dataclass(frozen=True)
class Compare(Node):
    """A chain as in Python: ``a < b <= c`` has ops ("<", "<=") and three operands."""

    ops: tuple[str, ...]
    operands: tuple[Expression, ...]


@dataclass(frozen=True)
class Keyword(Node):
    name: Name
    value: Expression


@dataclass(frozen=True)
class Call(Node):
    """``f(a, k=b)``. A pipe ``a |> f(k=b)`` is this call with ``a`` in front and ``piped`` set; ``a |> f`` likewise."""

    func: Name
    args: tuple[Expression, ...]
    keywords: tuple[Keyword, ...]
    piped: bool = False


@dataclass(frozen=True)
class Slice(Node):
    """``start:stop:step`` inside brackets; each part may be missing."""

    start: Expression | None
    stop: Expression | None
    step: Expression | None


@dataclass(frozen=True)
class Subscript(Node):
    value: Expression
    items: tuple[Expression | Slice, ...]


@dataclass(frozen=True)
class Transpose(Node):
    """``x.T``"""

    value: Expression


@dataclass(frozen=True)
class Array(Node):
    """``[1, 2]`` or ``[[1, 0], [0, 1]]``; elements may be any expression of the language that is a constant."""

    items: tuple[Expression, ...]


Expression = Number | Boolean | Text | Ref | Unary | Binary | Compare | Call | Subscript | Transpose | Array


# ---------------------------------------------------------------- statements


@dataclass(frozen=True)
class Declared(Node):
    """``x[N, 2]`` in a declaration; ``below`` is the bound of an ``index``."""

    name: Name
    shape: tuple[Expression, ...]
    below: Expression | None = None
    doc: str = ""


@dataclass(frozen=True)
class SizeItem(Node):
    name: Name
    value: Expression | None  # None: free
    doc: str = ""


@dataclass(frozen=True)
class SizeDecl(Node):
    items: tuple[SizeItem, ...]


@dataclass(frozen=True)
class DtypeDecl(Node):
    name: Name


@dataclass(frozen=True)
class InputDecl(Node):
    items: tuple[Declared, ...]


@dataclass(frozen=True)
class IndexDecl(Node):
    items: tuple[Declared, ...]


@dataclass(frozen=True)
class ParamDecl(Node):
    """``param W[D, H] ~ normal(0, 0.01) frozen`` has ``init`` a Call (or a bare Ref as in ``~ he_normal``) and
    ``random``; ``param b[H] = 0`` has any expression as ``init``. Without either, ``init`` is None (zeros)."""

    name: Name
    shape: tuple[Expression, ...]
    init: Expression | None
    random: bool
    frozen: bool
    doc: str = ""


@dataclass(frozen=True)
class HyperItem(Node):
    name: Name
    value: Expression
    doc: str = ""


@dataclass(frozen=True)
class HyperDecl(Node):
    items: tuple[HyperItem, ...]


@dataclass(frozen=True)
class Binding(Node):
    """``h = ...`` or ``a, b = split(...)``."""

    targets: tuple[Name, ...]
    value: Expression
    doc: str = ""


@dataclass(frozen=True)
class OutputDecl(Node):
    """``output p`` / ``output p, q`` (value None) or ``output p = EXPR`` (one name)."""

    names: tuple[Name, ...]
    value: Expression | None
    doc: str = ""


@dataclass(frozen=True)
class Minimize(Node):
    value: Expression
    optimizer: Call | None  # ``with adam(lr=1e-2)``; ``with adam`` is a Call without arguments


@dataclass(frozen=True)
class GradientDecl(Node):
    of: Name
    wrt: tuple[Name, ...]


@dataclass(frozen=True)
class Parameter(Node):
    """A formal parameter of ``def`` or ``update``, with its default."""

    name: Name
    default: Expression | None


@dataclass(frozen=True)
class Return(Node):
    value: Expression


@dataclass(frozen=True)
class Def(Node):
    """``def f(a, b=1) = EXPR`` (body: one Return) or the indented form, which ends in Return."""

    name: Name
    params: tuple[Parameter, ...]
    body: tuple[Binding | Return, ...]
    doc: str = ""


@dataclass(frozen=True)
class StateDecl(Node):
    """``state m = 0`` inside ``update``: one value per element of w."""

    name: Name
    value: Expression


@dataclass(frozen=True)
class UpdateDef(Node):
    """``update adam(lr=1e-3, ...) of w with g:`` and its indented body. In the body ``w``, ``g``, the states, the
    arguments and ``t`` (the number of this step, from 1) are visible; the last values bound to ``w`` and the states are kept."""

    name: Name
    params: tuple[Parameter, ...]
    weight: Name
    gradient: Name
    body: tuple[StateDecl | Binding, ...]
    doc: str = ""


@dataclass(frozen=True)
class Use(Node):
    """``use layers`` (a library of the compiler's) or ``use "mine.gw"`` (a file beside this one)."""

    target: str
    is_path: bool


Statement = (
    SizeDecl | DtypeDecl | InputDecl | IndexDecl | ParamDecl | HyperDecl | Binding | OutputDecl | Minimize
    | GradientDecl | Def | UpdateDef | Use
)


@dataclass(frozen=True)
class Module:
    """One file. ``doc`` is the text of the ``##`` lines (or else the ``#`` lines) at its top.

    Statements with syntax errors are left out. ``broken`` has the names that they would have bound or declared, so that a
    later stage can go on and stay silent about these; "*" in it means that any unknown name may come from there.
    """

    source: Source
    statements: tuple[Statement, ...]
    doc: str = ""
    broken: tuple[str, ...] = ()
