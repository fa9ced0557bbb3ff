"""The syntax tree: structure, no meaning. Every node knows its span; spans do not count for equality.

How deep an expression can be: the left operands of ``Binary`` may go down any number of levels, along all other children the
parser allows at most ``MAX_DEPTH``. That is deeper than Python recurses: every stage walks expressions in a loop.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from .source import Source, Span

MAX_DEPTH = 20_000


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Node:
    """Equality, hash and text are written once here: a dataclass that makes its own for each node is slow to import."""

    span: Span = field(compare=False)

    def _key(self) -> tuple[object, ...]:
        return tuple(getattr(self, f.name) for f in fields(self) if f.compare)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Node) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((type(self), self._key()))

    def __repr__(self) -> str:
        shown = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.compare)
        return f"{type(self).__name__}({shown})"


@dataclass(frozen=True, eq=False, repr=False)
class Name(Node):
    """An identifier as it stands in the text (NFKC-normalised, as Python's are)."""

    id: str


# ---------------------------------------------------------------- expressions


@dataclass(frozen=True, eq=False, repr=False)
class Number(Node):
    """A number as it was written: ``text`` is kept so that 0.1 stays exactly one tenth."""

    text: str


@dataclass(frozen=True, eq=False, repr=False)
class Boolean(Node):
    """``True`` or ``False``."""

    value: bool


@dataclass(frozen=True, eq=False, repr=False)
class Text(Node):
    """A string literal, as in ``gelu(x, approximate="tanh")``."""

    value: str


@dataclass(frozen=True, eq=False, repr=False)
class Ref(Node):
    """The use of a name."""

    id: str


@dataclass(frozen=True, eq=False, repr=False)
class Unary(Node):
    """``-x``, ``not x``."""

    op: str  # "-" "+" "not"
    operand: Expression


@dataclass(frozen=True, eq=False, repr=False)
class Binary(Node):
    """``a + b``; ``op_span`` is the operator alone."""

    op: str  # "+" "-" "*" "/" "//" "%" "**" "@" "and" "or"
    left: Expression
    right: Expression
    op_span: Span = field(compare=False)


@dataclass(frozen=True, eq=False, repr=False)
class Compare(Node):
    """A chain as in Python: ``a < b <= c`` has ops ("<", "<=") and three operands."""

    ops: tuple[str, ...]
    operands: tuple[Expression, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Keyword(Node):
    """``axis=0`` in a call."""

    name: Name
    value: Expression


@dataclass(frozen=True, eq=False, repr=False)
class Call(Node):
    """``f(a, k=b)``. A pipe ``a |> f(k=b)`` is this call with ``a`` in front and ``piped`` set; ``a |> f`` likewise.

    ``alias`` is the name behind ``as``: that of the layer which the call makes.
    """

    func: Name
    args: tuple[Expression, ...]
    keywords: tuple[Keyword, ...]
    piped: bool = False
    alias: Name | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Clause(Node):
    """``for i, j`` (``range`` None: what the reads allow), ``for i in range(1, D)``, or ``if COND`` (no names, the condition)."""

    names: tuple[Name, ...]
    range: Expression | None


@dataclass(frozen=True, eq=False, repr=False)
class Comprehension(Node):
    """The only argument of ``sum(x[n, d] * W[d, j] for d if d != n)``: index notation."""

    value: Expression
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Padded(Node):
    """``x[i + u - 1] pad``: a read that is 0 outside ``x``. Only in index notation."""

    value: Subscript


@dataclass(frozen=True, eq=False, repr=False)
class Slice(Node):
    """``start:stop:step`` inside brackets; each part may be missing."""

    start: Expression | None
    stop: Expression | None
    step: Expression | None


@dataclass(frozen=True, eq=False, repr=False)
class Subscript(Node):
    """``x[:, 1:3]``."""

    value: Expression
    items: tuple[Item, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Dots(Node):
    """``...`` in brackets: as many axes as are not named beside it; in the shape of a layer's argument, any number."""


@dataclass(frozen=True, eq=False, repr=False)
class Transpose(Node):
    """``x.T``"""

    value: Expression


@dataclass(frozen=True, eq=False, repr=False)
class Attribute(Node):
    """``head.W``: a parameter of a layer."""

    value: Expression  # a Ref, or again an Attribute
    name: Name


@dataclass(frozen=True, eq=False, repr=False)
class Array(Node):
    """``[1, 2]`` or ``[[1, 0], [0, 1]]``; elements may be any expression of the language that is a constant."""

    items: tuple[Expression, ...]


Expression = (
    Number | Boolean | Text | Ref | Unary | Binary | Compare | Call | Subscript | Transpose | Attribute | Array
    | Comprehension | Padded
)
Item = Expression | Slice | Dots


def is_new_axis(item: Item) -> bool:
    """Whether an item in brackets is None, which makes an axis of one element and takes none."""
    return isinstance(item, Ref) and item.id == "None"


# ---------------------------------------------------------------- statements


@dataclass(frozen=True, eq=False, repr=False)
class Declared(Node):
    """``x[N, 2]`` in a declaration; ``below`` is the bound of an ``index``."""

    name: Name
    shape: tuple[Expression, ...]
    below: Expression | None = None
    doc: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class SizeItem(Node):
    """``H = 8`` in a ``size`` statement."""

    name: Name
    value: Expression | None  # None: free
    doc: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class SizeDecl(Node):
    """``size N, H = 8``."""

    items: tuple[SizeItem, ...]


@dataclass(frozen=True, eq=False, repr=False)
class DtypeDecl(Node):
    """``dtype float32``."""

    name: Name


@dataclass(frozen=True, eq=False, repr=False)
class InputDecl(Node):
    """``input x[N, D], y``."""

    items: tuple[Declared, ...]


@dataclass(frozen=True, eq=False, repr=False)
class IndexDecl(Node):
    """``index y[N] < C``."""

    items: tuple[Declared, ...]


@dataclass(frozen=True, eq=False, repr=False)
class ParamDecl(Node):
    """``param W[D, H] ~ normal(0, 0.01) frozen`` has ``init`` a Call (or a bare Ref as in ``~ he_normal``) and
    ``random``; ``param b[H] = 0`` has any expression as ``init``. Without either, ``init`` is None (zeros)."""

    name: Name
    shape: tuple[Expression, ...]
    init: Expression | None
    random: bool
    frozen: bool
    doc: str = ""
    penalty: Call | None = None  # ``with l2(1e-4)``; ``with l2`` is a Call without arguments


@dataclass(frozen=True, eq=False, repr=False)
class HyperItem(Node):
    """``reg = 1e-3`` in a ``hyper`` statement."""

    name: Name
    value: Expression
    doc: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class HyperDecl(Node):
    """``hyper reg = 1e-3``."""

    items: tuple[HyperItem, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Binding(Node):
    """``h = ...`` or ``a, b = split(...)``."""

    targets: tuple[Name, ...]
    value: Expression
    doc: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Indexed(Node):
    """``S[n, j] = sum(x[n, d] * W[d, j] for d)``: index notation. ``clauses`` give ranges that are not the whole of an axis."""

    name: Name
    indices: tuple[Name, ...]
    value: Expression
    clauses: tuple[Clause, ...]
    doc: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class OutputDecl(Node):
    """``output p`` / ``output p, q`` (value None) or ``output p = EXPR`` (one name)."""

    names: tuple[Name, ...]
    value: Expression | None
    doc: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Minimize(Node):
    """``minimize EXPR with adam(lr=1e-2)``."""

    value: Expression
    optimizer: Call | None  # ``with adam(lr=1e-2)``; ``with adam`` is a Call without arguments


@dataclass(frozen=True, eq=False, repr=False)
class GradientDecl(Node):
    """``gradient f wrt x, W``."""

    of: Name
    wrt: tuple[Name, ...]


@dataclass(frozen=True, eq=False, repr=False)
class JacobianDecl(Node):
    """``jacobian r wrt b``, ``jacobian r wrt p each n``, ``hessian f wrt x``, ``hessian diagonal f wrt x``: ``what`` is
    "jacobian", "hessian" or "hessian_diagonal"."""

    what: str
    of: Name
    wrt: tuple[Name, ...]
    each: Name | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Parameter(Node):
    """A formal parameter of ``def``, ``layer`` or ``update``, with its default. ``shape``, in a layer, is what an array must
    look like: ``x[..., D]`` names the extent of its last axis; None for what is no array."""

    name: Name
    default: Expression | None
    shape: tuple[Name | Number | Dots, ...] | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Return(Node):
    """The last statement of a function or a layer."""

    value: Expression


@dataclass(frozen=True, eq=False, repr=False)
class For(Node):
    """``for i in range(4):``, unrolled: ``i`` is a number. Or over a literal array, as in ``for units in [64, 32]:``."""

    variable: Name
    values: Expression
    body: tuple[BodyStatement, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Carry(Node):
    """``carry h = zeros(N, H)`` in a ``scan``: its value before the first step."""

    name: Name
    value: Expression


@dataclass(frozen=True, eq=False, repr=False)
class Emit(Node):
    """``emit hs = h`` or ``emit h`` in a ``scan``: stacked over the steps along a new first axis."""

    name: Name
    value: Expression


@dataclass(frozen=True, eq=False, repr=False)
class ScanDecl(Node):
    """``scan t in range(T):``, ``scan t in reversed(range(T)) until COND recompute:`` and its indented body."""

    variable: Name
    values: Expression
    until: Expression | None
    recompute: bool
    body: tuple[BodyStatement | RandomDecl, ...]


@dataclass(frozen=True, eq=False, repr=False)
class State(Node):
    """``state m[C] = 0`` at the top level or in a layer: kept from call to call."""

    name: Name
    shape: tuple[Expression, ...]
    value: Expression
    doc: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Next(Node):
    """``next m = EXPR``: what a state is after a training call."""

    name: Name
    value: Expression


@dataclass(frozen=True, eq=False, repr=False)
class RandomDecl(Node):
    """``random e[N, Z] ~ normal(0, 1)``: drawn anew at each call."""

    name: Name
    shape: tuple[Expression, ...]
    draw: Expression
    doc: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class DerivativeDecl(Node):
    """``derivative f(a, b) wrt a = EXPR``: a hand-made derivative of a function."""

    function: Name
    params: tuple[Name, ...]
    wrt: Name
    value: Expression


@dataclass(frozen=True, eq=False, repr=False)
class Def(Node):
    """``def f(a, b=1) = EXPR`` (body: one Return) or the indented form, which ends in Return."""

    name: Name
    params: tuple[Parameter, ...]
    body: tuple[BodyStatement | Return, ...]
    doc: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class LayerDef(Node):
    """``layer dense(x[..., D], units, bias=True):`` and its indented body, which ends in Return."""

    name: Name
    params: tuple[Parameter, ...]
    body: tuple[BodyStatement | ParamDecl | State | RandomDecl | Return, ...]
    doc: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class StateDecl(Node):
    """``state m = 0`` inside ``update``: one value per element of w."""

    name: Name
    value: Expression


@dataclass(frozen=True, eq=False, repr=False)
class UpdateDef(Node):
    """``update adam(lr=1e-3, ...) of w with g:`` and its indented body. In the body ``w``, ``g``, the states, the
    arguments and ``t`` (the number of this step, from 1) are visible; the last values bound to ``w`` and the states are kept."""

    name: Name
    params: tuple[Parameter, ...]
    weight: Name
    gradient: Name
    body: tuple[StateDecl | Binding, ...]
    doc: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Use(Node):
    """``use layers`` (a library of the compiler's) or ``use "mine.gw"`` (a file beside this one)."""

    target: str
    is_path: bool


BodyStatement = Binding | Indexed | For | ScanDecl | Next | Carry | Emit

Statement = (
    SizeDecl | DtypeDecl | InputDecl | IndexDecl | ParamDecl | HyperDecl | Binding | Indexed | OutputDecl | Minimize
    | GradientDecl | JacobianDecl | Def | LayerDef | UpdateDef | Use | For | ScanDecl | State | Next | RandomDecl
    | DerivativeDecl
)


@dataclass(frozen=True)
class Module:
    """One file. ``doc`` is the text of the ``##`` lines (or else the ``#`` lines) at its top.

    Statements with syntax errors are left out. ``broken`` has the names that they would have bound or declared, so that a
    later stage can go on and stay silent about these; "*" in it means that any unknown name may come from there. It is empty
    only where there are no syntax errors.
    """

    source: Source
    statements: tuple[Statement, ...]
    doc: str = ""
    broken: tuple[str, ...] = ()
