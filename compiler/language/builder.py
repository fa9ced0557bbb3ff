"""What every rule of the grammar builds: the method of an alternative's name gets the values of its symbols."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from .diagnostics import Diagnostic, Label
from .lexer import Token, text_of
from .source import Span
from .syntax import (
    Array,
    Attribute,
    Binary,
    Binding,
    Boolean,
    Call,
    Carry,
    Clause,
    Compare,
    Comprehension,
    Declared,
    Def,
    DerivativeDecl,
    Dots,
    DtypeDecl,
    Emit,
    For,
    GradientDecl,
    HyperDecl,
    HyperItem,
    IndexDecl,
    Indexed,
    InputDecl,
    JacobianDecl,
    Keyword,
    LayerDef,
    Minimize,
    Name,
    Next,
    Number,
    OutputDecl,
    Padded,
    ParamDecl,
    Parameter,
    RandomDecl,
    Ref,
    Return,
    ScanDecl,
    SizeDecl,
    SizeItem,
    Slice,
    State,
    StateDecl,
    Subscript,
    Text,
    Transpose,
    Unary,
    UpdateDef,
    Use,
)

# How deep the value of a rule is: by default as its deepest part. These make a node around their parts...
DEEPER = frozenset(
    ("unary", "power", "call", "call_as", "piped", "subscript", "padded", "attribute", "array", "compare", "comprehension")
)
# ... and of these the left operand can be walked in a loop.
SPINE = frozenset(("binary",))

_MODULES = frozenset(("np", "numpy", "torch", "tf", "jnp", "jax", "math", "F", "nn", "scipy", "sp", "keras"))
_METHODS = {
    "dot": "write `a @ b`", "matmul": "write `a @ b`", "t": "a transpose is written `.T`",
    "transpose": "write `transpose(x, ...)`",
    "shape": "sizes are declared: `size N` and `input x[N]`", "size": "sizes are declared: `size N` and `input x[N]`",
}


class Problem(Exception):
    """What is wrong with the line that is being parsed."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


class Builder:
    """Tokens come in as they are; lists of nodes as Python lists. ``doc`` is the documentation of the statement being built."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.doc = ""

    def problem(
        self, code: str, message: str, at: Token | Span, *, labels: Iterable[tuple[Span, str]] = (), help: str | None = None
    ) -> Problem:
        span = at if isinstance(at, Span) else at.span(self.file)
        return Problem(Diagnostic(code, message, span, tuple(Label(*label) for label in labels), (), help))

    def span(self, first: Any, last: Any) -> Span:
        """From the start of one token or node to the end of another."""
        if isinstance(first, Token):
            line, column = first.line, first.column
        else:
            line, column = first.span.line, first.span.column
        if isinstance(last, Token):
            return Span(self.file, line, column, last.line, last.end)
        return Span(self.file, line, column, last.span.end_line, last.span.end_column)

    def name(self, token: Token) -> Name:
        return Name(token.text, span=token.span(self.file))

    def first(self, parts: list[Any]) -> list[Any]:
        return [parts[0]]

    def more(self, parts: list[Any]) -> list[Any]:
        items: list[Any] = parts[0]
        items.append(parts[2])
        return items

    def same(self, parts: list[Any]) -> Any:
        return parts[0]

    def none(self, parts: list[Any]) -> list[Any]:
        return []

    def nothing(self, parts: list[Any]) -> None:
        return None

    def names(self, tokens: list[Token]) -> tuple[Name, ...]:
        return tuple(map(self.name, tokens))

    # expressions

    def ref(self, parts: list[Any]) -> Ref:
        return Ref(parts[0].text, span=parts[0].span(self.file))

    def number(self, parts: list[Any]) -> Number:
        return Number(parts[0].text, span=parts[0].span(self.file))

    def boolean(self, parts: list[Any]) -> Boolean:
        return Boolean(parts[0].type == "True", span=parts[0].span(self.file))

    def text(self, parts: list[Any]) -> Text:
        return Text(text_of(parts[0]), span=parts[0].span(self.file))

    def parens(self, parts: list[Any]) -> Any:
        return replace(parts[1], span=self.span(parts[0], parts[2]))

    def axes(self, parts: list[Any]) -> Array:
        """``(0, 1)``, as NumPy's users write axes: the same as ``[0, 1]``."""
        return Array((parts[1], *parts[3]), span=self.span(parts[0], parts[-1]))

    def array(self, parts: list[Any]) -> Array:
        return Array(tuple(parts[1]), span=self.span(parts[0], parts[-1]))

    def unary(self, parts: list[Any]) -> Unary:
        return Unary(parts[0].type, parts[1], span=self.span(parts[0], parts[1]))

    def binary(self, parts: list[Any]) -> Binary:
        left, op, right = parts
        return Binary(op.type, left, right, op_span=op.span(self.file), span=self.span(left, right))

    power = binary

    def chain_first(self, parts: list[Any]) -> tuple[list[str], list[Any]]:
        return [parts[1].type], [parts[0], parts[2]]

    def chain_more(self, parts: list[Any]) -> tuple[list[str], list[Any]]:
        chain: tuple[list[str], list[Any]] = parts[0]
        chain[0].append(parts[1].type)
        chain[1].append(parts[2])
        return chain

    def compare(self, parts: list[Any]) -> Compare:
        ops, operands = parts[0]
        return Compare(tuple(ops), tuple(operands), span=self.span(operands[0], operands[-1]))

    def keyword(self, parts: list[Any]) -> Keyword:
        return Keyword(self.name(parts[0]), parts[2], span=self.span(parts[0], parts[2]))

    def call(self, parts: list[Any]) -> Call:
        args: list[Any] = []
        keywords: list[Keyword] = []
        for argument in parts[2]:
            if isinstance(argument, Keyword):
                keywords.append(argument)
            elif keywords:
                raise self.problem(
                    "E114", "an argument without a name cannot follow one with a name", argument.span,
                    labels=((argument.span, ""), (keywords[-1].span, "")), help="put it in front, or name it",
                )
            else:
                args.append(argument)
        return Call(self.name(parts[0]), tuple(args), tuple(keywords), span=self.span(parts[0], parts[3]))

    stage_call = call  # a name of its own, since it is one level together with its pipe

    def call_as(self, parts: list[Any]) -> Call:
        node = self.call(parts[:4])
        return replace(node, alias=self.name(parts[5]), span=self.span(parts[0], parts[5]))

    stage_call_as = call_as

    def stage_as(self, parts: list[Any]) -> Call:
        return Call(self.name(parts[0]), (), (), alias=self.name(parts[2]), span=self.span(parts[0], parts[2]))

    def stage(self, parts: list[Any]) -> Call:
        return Call(self.name(parts[0]), (), (), span=parts[0].span(self.file))

    def piped(self, parts: list[Any]) -> Call:
        value, _, stage = parts
        if stage.args and isinstance(stage.args[0], Comprehension):
            raise self.problem("E114", "what is piped on is the first argument, and a comprehension the only one", stage.span)
        return Call(stage.func, (value, *stage.args), stage.keywords, True, stage.alias, span=self.span(value, stage))

    def comprehension(self, parts: list[Any]) -> list[Comprehension]:
        value, clauses = parts
        return [Comprehension(value, tuple(clauses), span=self.span(value, clauses[-1]))]

    def clause_first(self, parts: list[Any]) -> list[Clause]:
        return [parts[0]]

    def clause_more(self, parts: list[Any]) -> list[Clause]:
        return [*parts[0], parts[1]]

    def clause_for(self, parts: list[Any]) -> Clause:
        return Clause(self.names(parts[1]), None, span=self.span(parts[0], parts[1][-1]))

    def clause_in(self, parts: list[Any]) -> Clause:
        return Clause((self.name(parts[1]),), parts[3], span=self.span(parts[0], parts[3]))

    def clause_if(self, parts: list[Any]) -> Clause:
        return Clause((), parts[1], span=self.span(parts[0], parts[1]))

    def slice(self, parts: list[Any]) -> Slice:
        begin, stop, step = parts[0], parts[2], parts[4] if len(parts) > 3 else None
        ends = [part for part in parts if part is not None]
        return Slice(begin, stop, step, span=self.span(ends[0], ends[-1]))

    def dots(self, parts: list[Any]) -> Dots:
        return Dots(span=self.span(parts[0], parts[0]))

    def subscript(self, parts: list[Any]) -> Subscript:
        return Subscript(parts[0], tuple(parts[2]), span=self.span(parts[0], parts[-1]))

    def padded(self, parts: list[Any]) -> Padded:
        inner = Subscript(parts[0], tuple(parts[2]), span=self.span(parts[0], parts[3]))
        return Padded(inner, span=self.span(parts[0], parts[4]))

    def attribute(self, parts: list[Any]) -> Transpose | Attribute:
        value, dot, name = parts
        if name.text == "T":
            return Transpose(value, span=self.span(value, name))
        owner = value.id if isinstance(value, Ref) else ""
        if not isinstance(value, Ref | Attribute) or owner in _MODULES or name.text in _METHODS:
            raise self.no_attribute(value, dot, name)
        return Attribute(value, self.name(name), span=self.span(value, name))

    def no_attribute(self, value: Any, dot: Token, name: Token) -> Problem:
        """``value`` is a node or the token before the dot."""
        owner = value.text if isinstance(value, Token) else value.id if isinstance(value, Ref) else ""
        if owner in _MODULES:
            help: str | None = f"functions need no module: write `{name.text}(...)`"
        elif name.text == "T":
            help = "a transpose has no arguments: write `.T`, or `transpose(x, ...)`"
        else:
            help = _METHODS.get(name.text, f"functions are called as `{name.text}(x)`")
        return self.problem("E113", f"there is no attribute or method `.{name.text}`", self.span(dot, name), help=help)

    # declarations

    def no_shape(self, parts: list[Any]) -> tuple[Any, ...]:
        return ()

    def shape(self, parts: list[Any]) -> tuple[list[Any], Token]:
        return parts[1], parts[-1]

    def size(self, parts: list[Any]) -> SizeDecl:
        return SizeDecl(tuple(parts[1]), span=self.span(parts[0], parts[1][-1]))

    def size_item(self, parts: list[Any]) -> SizeItem:
        value = parts[2] if len(parts) > 1 else None
        return SizeItem(self.name(parts[0]), value, self.doc, span=self.span(parts[0], parts[-1]))

    def dtype(self, parts: list[Any]) -> DtypeDecl:
        return DtypeDecl(self.name(parts[1]), span=self.span(parts[0], parts[1]))

    def declared(self, parts: list[Any]) -> Declared:
        name, shape = parts[:2]
        below = parts[3] if len(parts) > 2 else None
        last = below if below is not None else shape[1] if shape else name
        return Declared(self.name(name), tuple(shape[0]) if shape else (), below, self.doc, span=self.span(name, last))

    def input(self, parts: list[Any]) -> InputDecl:
        return InputDecl(tuple(parts[1]), span=self.span(parts[0], parts[1][-1]))

    def index(self, parts: list[Any]) -> IndexDecl:
        return IndexDecl(tuple(parts[1]), span=self.span(parts[0], parts[1][-1]))

    def param(self, parts: list[Any]) -> ParamDecl:
        keyword, name, shape, *rest = parts
        penalty = None
        if len(rest) > 1 and isinstance(rest[-2], Token) and rest[-2].type == "with":
            penalty, rest = rest[-1], rest[:-2]
        frozen = bool(rest) and isinstance(rest[-1], Token) and rest[-1].type == "frozen"
        random = bool(rest) and isinstance(rest[0], Token) and rest[0].type == "~"
        init = rest[1] if len(rest) > 1 else None
        last = penalty or (rest[-1] if rest else shape[1] if shape else name)
        dims = tuple(shape[0]) if shape else ()
        return ParamDecl(self.name(name), dims, init, random, frozen, self.doc, penalty, span=self.span(keyword, last))

    def hyper(self, parts: list[Any]) -> HyperDecl:
        return HyperDecl(tuple(parts[1]), span=self.span(parts[0], parts[1][-1]))

    def hyper_item(self, parts: list[Any]) -> HyperItem:
        return HyperItem(self.name(parts[0]), parts[2], self.doc, span=self.span(parts[0], parts[2]))

    # statements

    def binding(self, parts: list[Any]) -> Binding:
        return Binding(self.names(parts[0]), parts[2], self.doc, span=self.span(parts[0][0], parts[2]))

    def indexed(self, parts: list[Any]) -> Indexed:
        name, _, indices, _, _, value, *rest = parts
        clauses = tuple(rest[0]) if rest else ()
        last = clauses[-1] if clauses else value
        return Indexed(self.name(name), self.names(indices), value, clauses, self.doc, span=self.span(name, last))

    def output(self, parts: list[Any]) -> OutputDecl:
        return OutputDecl(self.names(parts[1]), None, self.doc, span=self.span(parts[0], parts[1][-1]))

    def output_value(self, parts: list[Any]) -> OutputDecl:
        return OutputDecl((self.name(parts[1]),), parts[3], self.doc, span=self.span(parts[0], parts[3]))

    def minimize(self, parts: list[Any]) -> Minimize:
        return Minimize(parts[1], parts[3] if len(parts) > 2 else None, span=self.span(parts[0], parts[-1]))

    def gradient(self, parts: list[Any]) -> GradientDecl:
        return GradientDecl(self.name(parts[1]), self.names(parts[3]), span=self.span(parts[0], parts[3][-1]))

    def jacobian(self, parts: list[Any]) -> JacobianDecl:
        each = self.name(parts[5]) if len(parts) > 4 else None
        span = self.span(parts[0], parts[3][-1] if each is None else parts[5])
        return JacobianDecl("jacobian", self.name(parts[1]), self.names(parts[3]), each, span=span)

    def hessian(self, parts: list[Any]) -> JacobianDecl:
        return JacobianDecl("hessian", self.name(parts[1]), self.names(parts[3]), span=self.span(parts[0], parts[3][-1]))

    def hessian_diagonal(self, parts: list[Any]) -> JacobianDecl:
        span = self.span(parts[0], parts[4][-1])
        return JacobianDecl("hessian_diagonal", self.name(parts[2]), self.names(parts[4]), span=span)

    def formal(self, parts: list[Any]) -> Parameter:
        default = parts[2] if len(parts) > 1 else None
        return Parameter(self.name(parts[0]), default, span=self.span(parts[0], parts[-1]))

    def def_line(self, parts: list[Any]) -> Def:
        body = Return(parts[6], span=parts[6].span)
        return Def(self.name(parts[1]), tuple(parts[3]), (body,), self.doc, span=self.span(parts[0], parts[6]))

    def def_block(self, parts: list[Any]) -> Def:
        return Def(self.name(parts[1]), tuple(parts[3]), (), self.doc, span=self.span(parts[0], parts[-1]))

    def array_formal(self, parts: list[Any]) -> Parameter:
        name, _, pattern, closing = parts
        return Parameter(self.name(name), None, tuple(pattern), span=self.span(name, closing))

    def extent(self, parts: list[Any]) -> Name | Number | Dots:
        token = parts[0]
        span = token.span(self.file)
        if token.type == "NAME":
            return self.name(token)
        return Number(token.text, span=span) if token.type == "NUMBER" else Dots(span=span)

    def layer(self, parts: list[Any]) -> LayerDef:
        return LayerDef(self.name(parts[1]), tuple(parts[3]), (), self.doc, span=self.span(parts[0], parts[-1]))

    def for_(self, parts: list[Any]) -> For:
        return For(self.name(parts[1]), parts[3], (), span=self.span(parts[0], parts[-1]))

    def ending(self, parts: list[Any]) -> tuple[Any, bool]:
        again = bool(parts) and isinstance(parts[-1], Token) and parts[-1].type == "recompute"
        return parts[1] if len(parts) > 1 else None, again

    def scan(self, parts: list[Any]) -> ScanDecl:
        until, recompute = parts[4]
        return ScanDecl(self.name(parts[1]), parts[3], until, recompute, (), span=self.span(parts[0], parts[-1]))

    def carry(self, parts: list[Any]) -> Carry:
        return Carry(self.name(parts[1]), parts[3], span=self.span(parts[0], parts[3]))

    def emit(self, parts: list[Any]) -> Emit:
        name = self.name(parts[1])
        value = parts[3] if len(parts) > 2 else Ref(name.id, span=name.span)
        return Emit(name, value, span=self.span(parts[0], value))

    def state_kept(self, parts: list[Any]) -> State:
        _, name, shape, _, value = parts
        return State(self.name(name), tuple(shape[0]) if shape else (), value, self.doc, span=self.span(parts[0], value))

    def random(self, parts: list[Any]) -> RandomDecl:
        _, name, shape, _, draw = parts
        return RandomDecl(self.name(name), tuple(shape[0]) if shape else (), draw, self.doc, span=self.span(parts[0], draw))

    def next(self, parts: list[Any]) -> Next:
        return Next(self.name(parts[1]), parts[3], span=self.span(parts[0], parts[3]))

    def derivative(self, parts: list[Any]) -> DerivativeDecl:
        return DerivativeDecl(
            self.name(parts[1]), self.names(parts[3]), self.name(parts[6]), parts[8], span=self.span(parts[0], parts[8])
        )

    def update(self, parts: list[Any]) -> UpdateDef:
        name, params, weight, gradient = parts[1], parts[3], parts[6], parts[8]
        return UpdateDef(
            self.name(name), tuple(params), self.name(weight), self.name(gradient), (), self.doc,
            span=self.span(parts[0], parts[-1]),
        )

    def return_(self, parts: list[Any]) -> Return:
        return Return(parts[1], span=self.span(parts[0], parts[1]))

    def state(self, parts: list[Any]) -> StateDecl:
        return StateDecl(self.name(parts[1]), parts[3], span=self.span(parts[0], parts[3]))

    def use_library(self, parts: list[Any]) -> Use:
        return Use(parts[1].text, False, span=self.span(parts[0], parts[1]))

    def use_file(self, parts: list[Any]) -> Use:
        return Use(text_of(parts[1]), True, span=self.span(parts[0], parts[1]))
