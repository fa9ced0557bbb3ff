"""The graph as text, one line an equation, and back.

::

    graph xor
    input x[N, 2]
    input W[2, 8]
    input y[N] int

    z[i0, i1] = sum r0: x[i0, r0] * W[r0, i1]    for i0 < N, i1 < 8, r0 < 2     # matmul  xor.gw:9:10-16
    d_z[i0, y[i0]] += d_l[i0]                    for i0 < N into [N, 8]         # gather  xor.gw:9:10-16 [vjp gather]

    output z

``sum r0:`` names the reduced axes; ``+=`` with ``into`` is a scatter; ``drop`` lets writes outside vanish; ``pad(x[i - 1], 0)``
is a read that gives 0 outside; a name alone is a scalar or, where there is an axis of that name, the axis as a number.
The comment gives the operation, the pieces of the model's text, and, except for what the user wrote, the rule and a note.
Names that could be mistaken for something else stand in backticks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import field
from fractions import Fraction
from typing import Final, TypeVar

from ..language.source import Source, Span
from ..records import dataclass
from .expr import Expr, const, make, number_text, rebuild, walk
from .expr import dim as size_number
from .expr import show as show_expr
from .ir import Access, Atom, Axis, Const, Eqn, Gather, Graph, Ix, Kind, Origin, Quot, Reduce, Rem, Scan, Value
from .shapes import Dim, Quotient, Shape

_FOR_COLUMN: Final = 56
_COMMENT_COLUMN: Final = 96
_WORDS: Final[dict[Reduce, str]] = {"+": "sum", "*": "prod", "max": "max", "min": "min", "argmax": "argmax",
                                    "argmin": "argmin", "lse": "lse"}  # fmt: skip
_REDUCES: Final = {word: reduce for reduce, word in _WORDS.items()}
_RESERVED: Final = frozenset(
    (*_REDUCES, "for", "into", "drop", "as", "args", "let", "in", "int", "bool", "pad", "size", "pi", "inf", "nan", "out",
     "and", "or", "not", "where", "negative", "input", "const", "output", "graph", "scan", "reverse", "carry", "slice",
     "keep", "next", "emit", "until"))  # fmt: skip
_NAME: Final = re.compile(r"[^\W\d]\w*(?:\.\w+)*")
_UNSAFE_FILE: Final = r'[\s"#]|^[-\[]|^$'
_UNSAFE_RULE: Final = r'[\n\r\]]|^"|^$'
_UNSAFE_NOTE: Final = r'[\n\r]|^[\s"]|\s$'
_TREE_LIMIT: Final = 40  # larger bodies are written with the shared parts named
_DEPTH_LIMIT: Final = 30


_T = TypeVar("_T")


class GraphTextError(ValueError):
    """The text of a graph cannot be read."""


# ---------------------------------------------------------------- printing


def _name(name: str) -> str:
    return name if _NAME.fullmatch(name) and name not in _RESERVED else "`" + name.replace("`", "``") + "`"


def show_dim(dim: Dim, axes: Collection[str] = ()) -> str:
    """A size; its names that are also axes are marked as sizes."""
    parts: list[str] = []
    for monomial, coefficient in dim.terms:
        factors: list[str] = []
        for atom, power in monomial:
            if isinstance(atom, Quotient) and atom.op == "root":
                text = f"root({show_dim(atom.a, axes)})"
            elif isinstance(atom, Quotient):
                text = f"({_wrapped(show_dim(atom.a, axes))} {atom.op} {_wrapped(show_dim(atom.b, axes))})"
            else:
                text = f"size({_name(atom)})" if atom in axes else _name(atom)
            factors += [text] * power
        if abs(coefficient) != 1 or not factors:
            factors.insert(0, str(abs(coefficient)))
        parts.append((" - " if coefficient < 0 else " + ") + "*".join(factors))
    text = "".join(parts) or " + 0"
    if len(parts) == 1 and text.startswith(" + (") and len(factors) == 1:  # one quotient: the parentheses say nothing
        return text[4:-1]
    return "-" + text[3:] if text.startswith(" - ") else text[3:]


def _wrapped(text: str) -> str:
    """In parentheses, unless it is one number or name."""
    return text if text.isdigit() or _NAME.fullmatch(text) else f"({text})"


def show_index(ix: Ix, axes: Collection[str] = ()) -> str:
    """``2*i + u - 1``. ``axes``: names that are axes where this stands."""
    parts: list[str] = []
    for atom, factor in ix.terms:
        if isinstance(atom, str):
            text = _name(atom)
        elif isinstance(atom, Gather):
            text = _name(atom.value) + _indices(atom.index, axes)
        else:
            a, b = _wrapped(show_index(atom.a, axes)), _wrapped(show_dim(atom.b, axes))
            text = f"({a} {'//' if isinstance(atom, Quot) else '%'} {b})"
        if not factor.is_one():
            times = show_dim(factor, axes)
            text = f"{times if ' ' not in times else f'({times})'}*{text}"
        parts.append(text)
    if ix.const.terms or not parts:
        parts.append(show_dim(ix.const, axes))
    if len(ix.terms) == len(parts) == 1 and ix.terms[0][1].is_one() and isinstance(ix.terms[0][0], Quot | Rem):
        return parts[0][1:-1]
    return parts[0] + "".join(f" - {p[1:]}" if p.startswith("-") else f" + {p}" for p in parts[1:])


def _indices(index: Sequence[Ix], axes: Collection[str]) -> str:
    return "[" + ", ".join(show_index(ix, axes) for ix in index) + "]"


def show_access(access: Access, axes: Collection[str] = ()) -> str:
    """``x[n, y[n]]``, with what it is outside."""
    text = _name(access.value)
    if access.index or access.value in axes:
        text += _indices(access.index, axes)
    if access.fill is None:
        return text
    return f"pad({text}, {access.fill if isinstance(access.fill, str) else number_text(access.fill)})"


def show_shape(shape: Shape) -> str:
    """``[N, 2]``."""
    return "[" + ", ".join(show_dim(d) for d in shape) + "]"


def show_value(value: Value) -> str:
    """``x[N, 2]``, ``y[N] int``: a value as it is declared."""
    text = _name(value.name) + (show_shape(value.shape) if value.shape else "")
    return text if value.kind == "real" else f"{text} {value.kind}"


def show_body(eqn: Eqn) -> str:
    """The scalar body, its operands written in place where that loses nothing."""
    axes = eqn.extents
    order = tuple(node.value for node in walk(eqn.body) if node.op == "arg")
    inline = order == tuple(range(len(eqn.args))) and len(set(eqn.args)) == len(eqn.args)
    names: dict[Expr, str] = {}

    def leaf(node: Expr) -> str:
        if node in names:
            return names[node]
        if node.op == "const":
            return number_text(node.constant)
        if node.op == "arg":
            k = node.place
            return show_access(eqn.args[k], axes) if inline and k < len(eqn.args) else f"${k}"
        if node.op == "size":
            return f"size({show_dim(node.extent)})"
        if node.op == "idx":
            return _name(str(node.value))
        return "out" if node.op == "out" else f"sym({_name(str(node.value))})" if node.op == "sym" else str(node.value)

    # what stands for what: a negated number is spelled as a call, for "-2" is the number; shared or deep parts get names
    shared = _shared(eqn.body)
    done: dict[Expr, Expr] = {}
    height: dict[Expr, int] = {}
    lets: list[str] = []
    for node in walk(eqn.body):
        args = tuple(done[a] for a in node.args)
        new = make("negative", *args) if node.op == "neg" and args[0].op == "const" else rebuild(node, args)
        height[node] = 1 + max((height[a] for a in node.args), default=0)
        if node is not eqn.body and node.args and (node in shared or height[node] > _DEPTH_LIMIT):
            lets.append(f"%{len(lets) + 1} = {show_expr(new, leaf)}")
            new = make("named", value=f"%{len(lets)}")
            height[node] = 1
        done[node] = new
    text = show_expr(done[eqn.body], leaf)
    if lets:
        text = f"let {', '.join(lets)} in {text}"
    if not inline and eqn.args:
        text += f" args({', '.join(show_access(a, axes) for a in eqn.args)})"
    return text


def _shared(body: Expr) -> frozenset[Expr]:
    """The parts of a body that are to be named, because it would be long with each written out."""
    count: dict[Expr, int] = {}
    uses: dict[Expr, int] = {}
    for node in walk(body):
        count[node] = 1 + sum(count[a] for a in node.args)
        for a in node.args:
            uses[a] = uses.get(a, 0) + 1
    if count[body] <= _TREE_LIMIT:
        return frozenset()
    return frozenset(node for node, times in uses.items() if times > 1 and count[node] > 2)


def _head(eqn: Eqn) -> tuple[str, str]:
    axes = eqn.extents
    plain = eqn.plain_out is not None
    out = _name(eqn.out.name) + (_indices(eqn.out_index, axes) if eqn.out_index else "")
    sign = "+=" if not plain and eqn.reduce == "+" else "="
    reduced = ", ".join(_name(a.name) for a in eqn.reduced)
    prefix = f"{_WORDS[eqn.reduce]} {reduced}".strip() + ": " if eqn.reduce and (sign == "=" or reduced) else ""
    clauses: list[str] = []
    if eqn.axes:
        clauses.append("for " + ", ".join(f"{_name(a.name)} < {show_dim(a.extent)}" for a in eqn.axes))
    if not plain:
        clauses.append("into " + show_shape(eqn.out.shape))
    if eqn.drop:
        clauses.append("drop")
    if eqn.out.kind != "real":
        clauses.append(f"as {eqn.out.kind}")
    return f"{out} {sign} {prefix}{show_body(eqn)}", " ".join(clauses)


def show_eqn(eqn: Eqn | Scan) -> str:
    """One equation on one line, without its origin (of a scan, its head)."""
    if isinstance(eqn, Eqn):
        return "  ".join(filter(None, _head(eqn)))
    return _scan_head(eqn)


def _scan_head(scan: Scan) -> str:
    words = " reverse" if scan.reverse else ""
    if scan.limit:
        words += f" {'highest' if scan.high else 'lowest'} {_name(scan.limit)}"
    words += " recompute" * scan.recompute
    values = ", ".join(show_value(v) for v in scan.outs)
    return f"scan {_name(scan.axis.name)} < {show_dim(scan.axis.extent)}{words} in {_name(scan.body.name)}: {values}"


def _quoted(text: str, unsafe: str) -> str:
    """``text``, as a JSON string where it holds what ``unsafe`` matches."""
    return json.dumps(text, ensure_ascii=False) if re.search(unsafe, text) else text


def show_span(span: Span) -> str:
    """``xor.gw:9:5-12``."""
    end = f"{span.end_column}" if span.end_line == span.line else f"{span.end_line}:{span.end_column}"
    return f"{_quoted(span.file, _UNSAFE_FILE)}:{span.line}:{span.column}-{end}"


def show_origin(origin: Origin) -> str:
    """The spans, then the rule (nothing where the user wrote it), then the note."""
    parts = [show_span(s) for s in origin.spans]
    if origin.rule != "source":
        parts.append(f"[{_quoted(origin.rule, _UNSAFE_RULE)}]")
    if origin.note:
        parts.append("-- " + _quoted(origin.note, _UNSAFE_NOTE))
    return " ".join(parts)


def _comment(op: str, origin: Origin) -> str:
    label = op if _NAME.fullmatch(op) else json.dumps(op, ensure_ascii=False)
    return f"# {label}  {show_origin(origin)}".rstrip()


def show_graph(graph: Graph, sources: Sequence[Source] = ()) -> str:
    """The whole graph. With ``sources``, the model's lines stand above the equations that answer to them."""
    lines = [f"graph {_name(graph.name)}"]
    lines += [f"input {show_value(v)}" for v in graph.inputs]
    lines += [*_consts(graph.consts), ""]
    lines += _eqns(graph.eqns, {s.name: s for s in sources})
    if graph.eqns:
        lines.append("")
    lines.append("output " + ", ".join(map(_name, graph.outputs)))
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _consts(consts: Sequence[Const], depth: int = 0) -> Iterator[str]:
    for c in consts:
        text = f"const {show_value(c.value)} = {', '.join(map(number_text, c.data))}"
        yield f"{text.ljust(_COMMENT_COLUMN - 4 * depth)} {_comment('const', c.origin)}"


def _eqns(eqns: Sequence[Eqn | Scan], sources: Mapping[str, Source], depth: int = 0) -> Iterator[str]:
    column, comments = _FOR_COLUMN - 4 * depth, _COMMENT_COLUMN - 4 * depth
    last: tuple[str, int] | None = None
    for eqn in eqns:
        spans = eqn.origin.spans
        if sources and spans and (spans[0].file, spans[0].line) != last:
            last = (spans[0].file, spans[0].line)
            if last[0] in sources:
                if eqn is not eqns[0]:
                    yield ""
                yield f"# {last[0]}:{last[1]}   {sources[last[0]].line(last[1]).strip()}"
        if isinstance(eqn, Eqn):
            head, clauses = _head(eqn)
            text = f"{head.ljust(column)}  {clauses}" if clauses else head
            yield f"{text.ljust(comments)} {_comment(eqn.op, eqn.origin)}"
            continue
        yield f"{_scan_head(eqn).ljust(comments)} {_comment('scan', eqn.origin)}"
        carries, slices = len(eqn.initial), len(eqn.initial) + len(eqn.slices)
        for k, (value, given) in enumerate(zip(eqn.body.inputs, eqn.initial + eqn.slices + eqn.captured, strict=True)):
            word = "carry" if k < carries else "slice" if k < slices else "keep"
            yield f"    {word} {show_value(value)} = {_name(given)}"
        for line in (*_consts(eqn.body.consts, depth + 1), *_eqns(eqn.body.eqns, sources, depth + 1)):
            yield "    " + line if line else line
        yield "    next " + ", ".join(map(_name, eqn.body.outputs[:carries]))
        yield "    emit " + ", ".join(map(_name, eqn.body.outputs[carries : len(eqn.outs) - eqn.until]))
        if eqn.until:
            yield f"    until {_name(eqn.body.outputs[-1])}"


# ---------------------------------------------------------------- parsing

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:e-?\d+)?(?:/\d+)?)|(?P<name>[^\W\d]\w*(?:\.\w+)*)|(?P<quoted>`(?:[^`]|``)*`)"
    r"|(?P<comment>\#.*)|(?P<sign>\+=|//|\*\*|<=|>=|==|!=|[-+*/%<>=()\[\]:,$]))"
)
_LEVELS: Final = {"or": (1, "or"), "and": (2, "and"), "<": (4, "lt"), "<=": (4, "le"), ">": (4, "gt"), ">=": (4, "ge"),
                  "==": (4, "eq"), "!=": (4, "ne"), "+": (6, "add"), "-": (6, "sub"), "*": (7, "mul"), "/": (7, "div"),
                  "**": (9, "pow")}  # fmt: skip


@dataclass
class _Line:
    """The tokens of one line and where we are in them. A token is (kind, text)."""

    number: int
    indent: int
    tokens: list[tuple[str, str]]
    comment: str
    at: int = 0
    axes: dict[str, Dim] = field(default_factory=dict)

    def fail(self, what: str) -> GraphTextError:
        got = self.tokens[self.at][1] if self.at < len(self.tokens) else "the end"
        return GraphTextError(f"line {self.number}: {what}, not {got}")

    def peek(self, ahead: int = 0) -> str:
        """The next token, if it is a word or a sign; empty for a quoted name and at the end."""
        k = self.at + ahead
        return self.tokens[k][1] if k < len(self.tokens) and self.tokens[k][0] != "quoted" else ""

    def kind(self, ahead: int = 0) -> str:
        k = self.at + ahead
        return self.tokens[k][0] if k < len(self.tokens) else "end"

    def take(self, *texts: str) -> bool:
        if self.peek() in texts and self.at < len(self.tokens) and self.kind() != "quoted":
            self.at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.take(text):
            raise self.fail(f"expected {text}")

    def is_name(self, ahead: int = 0) -> bool:
        return self.kind(ahead) == "quoted" or (self.kind(ahead) == "name" and self.peek(ahead) not in _RESERVED)

    def name(self) -> str:
        if not self.is_name():
            raise self.fail("expected a name")
        kind, text = self.tokens[self.at]
        self.at += 1
        return text[1:-1].replace("``", "`") if kind == "quoted" else text

    def names(self) -> tuple[str, ...]:
        return self.several(self.name, lambda: self.kind() == "end")

    def several(self, one: Callable[[], _T], end: Callable[[], bool]) -> tuple[_T, ...]:
        found: list[_T] = []
        while not end():
            if found:
                self.expect(",")
            found.append(one())
        return tuple(found)

    def end(self) -> None:
        if self.at < len(self.tokens):
            raise self.fail("expected the end of the line")

    # sizes and indices

    def dim(self) -> Dim:
        ix = self.index()
        if ix.terms:
            raise self.fail("expected a size without axes")
        return ix.const

    def shape(self) -> Shape:
        if not self.take("["):
            return ()
        dims = self.several(self.dim, lambda: self.peek() == "]")
        self.expect("]")
        return dims

    def indices(self) -> tuple[Ix, ...]:
        self.expect("[")
        found = self.several(self.index, lambda: self.peek() == "]")
        self.expect("]")
        return found

    def index(self) -> Ix:
        negative = self.take("-")
        total = self.index_product()
        if negative:
            total = total.scale(Dim.of(-1))
        while self.peek() in ("+", "-"):
            sign = 1 if self.take("+") else -1
            self.take("-")
            total = total + self.index_product().scale(Dim.of(sign))
        return total

    def index_product(self) -> Ix:
        left = self.index_atom()
        while self.peek() in ("*", "//", "%"):
            sign = self.peek()
            self.at += 1
            right = self.index_atom()
            if sign == "*":
                if left.terms and right.terms:
                    raise self.fail("an index is linear in its axes; expected a size")
                left = right.scale(left.const) if right.terms else left.scale(right.const)
            elif right.terms:
                raise self.fail("expected a size to divide by")
            elif left.terms:
                atom: Atom = Quot(left, right.const) if sign == "//" else Rem(left, right.const)
                left = Ix(((atom, Dim.of(1)),))
            else:
                left = Ix((), left.const // right.const if sign == "//" else left.const % right.const)
        return left

    def index_atom(self) -> Ix:
        if self.kind() == "number":
            text = self.peek()
            if not text.isdigit():
                raise self.fail("expected a whole number")
            self.at += 1
            return Ix((), Dim.of(int(text)))
        if self.take("("):
            inner = self.index()
            self.expect(")")
            return inner
        if self.peek() == "size" and self.peek(1) == "(":
            self.at += 2
            size = Dim.of(self.name())
            self.expect(")")
            return Ix((), size)
        if self.peek() == "root" and self.peek(1) == "(":
            self.at += 2
            inner = self.index()
            self.expect(")")
            return Ix((), inner.const.root())
        name = self.name()
        if self.peek() == "[":
            return Ix(((Gather(name, self.indices()), Dim.of(1)),))
        return Ix(((name, Dim.of(1)),)) if name in self.axes else Ix((), Dim.of(name))

    # values and accesses

    def value_kind(self) -> Kind:
        return "int" if self.take("int") else "bool" if self.take("bool") else "real"

    def value(self) -> Value:
        name, shape = self.name(), self.shape()
        return Value(name, shape, self.value_kind())

    def number_value(self) -> Fraction:
        negative = self.take("-")
        if self.kind() != "number":
            raise self.fail("expected a number")
        number = Fraction(self.peek())
        self.at += 1
        return -number if negative else number

    def access(self) -> Access:
        if self.peek() == "pad" and self.peek(1) == "(":
            self.at += 2
            inner = self.access()
            self.expect(",")
            word = "-" if self.peek() == "-" and self.kind(1) == "name" else ""
            self.at += len(word)
            fill: Fraction | str = word + self.peek() if self.kind() == "name" else self.number_value()
            self.at += isinstance(fill, str)
            self.expect(")")
            return Access(inner.value, inner.index, fill)
        name = self.name()
        return Access(name, self.indices() if self.peek() == "[" else ())


class _Body:
    """Reads a scalar body; ``args`` are the operands in the order in which they are met."""

    def __init__(self, line: _Line) -> None:
        self.line = line
        self.args: dict[Access, int] = {}
        self.named: dict[int, Expr] = {}

    def read(self) -> tuple[Expr, tuple[Access, ...]]:
        line = self.line
        if line.take("let"):
            while True:
                line.expect("%")
                k = int(line.number_value())
                line.expect("=")
                self.named[k] = self.expression(0)
                if not line.take(","):
                    break
            line.expect("in")
        body = self.expression(0)
        if line.take("args"):
            line.expect("(")
            listed = line.several(line.access, lambda: line.peek() == ")")
            line.expect(")")
            return body, listed
        return body, tuple(self.args)

    def expression(self, level: int) -> Expr:
        line = self.line
        if line.take("not"):
            left = make("not", self.expression(3))
        elif line.peek() == "-":
            if line.kind(1) == "number" and line.peek(2) != "**":
                left = const(line.number_value())
            else:
                line.at += 1
                left = make("neg", self.expression(8))
        else:
            left = self.primary()
        while line.peek() in _LEVELS and line.kind() != "quoted":
            tight, op = _LEVELS[line.peek()]
            if tight < level:
                break
            line.at += 1
            left = make(op, left, self.expression(tight if op == "pow" else tight + 1))
        return left

    def primary(self) -> Expr:
        line = self.line
        if line.kind() == "number":
            return const(line.number_value())
        if line.take("("):
            inner = self.expression(0)
            line.expect(")")
            return inner
        if line.take("$"):
            return make("arg", value=int(line.number_value()))
        if line.take("%"):
            return self.named[int(line.number_value())]
        word = line.peek()
        if line.kind() == "name" and line.peek(1) == "(" and word != "pad":
            line.at += 2
            if word in ("size", "sym"):
                inner = size_number(line.dim()) if word == "size" else make("sym", value=line.name())
                line.expect(")")
                return inner
            operands = line.several(lambda: self.expression(0), lambda: line.peek() == ")")
            line.expect(")")
            return make("neg" if word == "negative" else word, *operands)
        if line.take("pi", "inf", "nan"):
            return make("named", value=word)
        if line.take("out"):
            return make("out")
        if line.is_name() and line.peek(1) != "[":
            start = line.at
            name = line.name()
            if name in line.axes:
                return make("idx", value=name)
            line.at = start
        access = line.access()
        return make("arg", value=self.args.setdefault(access, len(self.args)))


def _split(text: str) -> list[_Line]:
    lines: list[_Line] = []
    for number, whole in enumerate(text.split("\n"), 1):
        tokens: list[tuple[str, str]] = []
        at, comment = 0, ""
        while whole[at:].strip():
            match = _TOKEN.match(whole, at)
            if match is None:
                raise GraphTextError(f"line {number}: cannot read {whole[at:].strip()[:20]}")
            kind = match.lastgroup or ""
            at = match.end()
            if kind == "comment":
                comment = match.group(kind)[1:].strip()
                break
            tokens.append((kind, match.group(kind)))
        if tokens:
            lines.append(_Line(number, len(whole) - len(whole.lstrip(" ")), tokens, comment))
    return lines


_LABEL: Final = re.compile(r'("(?:[^"\\]|\\.)*"|[^\W\d]\w*(?:\.\w+)*)(?:\s+|$)')
_SPAN: Final = re.compile(r'("(?:[^"\\]|\\.)*"|[^\s"\[-]\S*?):(\d+):(\d+)-(?:(\d+):)?(\d+)(?:\s+|$)')
_RULE: Final = re.compile(r'\[("(?:[^"\\]|\\.)*"|[^"\]][^\]]*)\](?:\s+|$)')


def _unquoted(text: str) -> str:
    return str(json.loads(text)) if text.startswith('"') else text


def _origin(comment: str) -> tuple[str, Origin]:
    """The operation and the origin that a comment tells; a comment of another kind tells nothing."""
    label = _LABEL.match(comment)
    if label is None:
        return "", Origin((), "source")
    rest = comment[label.end() :]
    spans: list[Span] = []
    while match := _SPAN.match(rest):
        file, line, column, end_line, end_column = match.groups()
        spans.append(Span(_unquoted(file), int(line), int(column), int(end_line or line), int(end_column)))
        rest = rest[match.end() :]
    rule = "source"
    if match := _RULE.match(rest):
        rule, rest = _unquoted(match.group(1)), rest[match.end() :]
    note = _unquoted(rest[3:]) if rest.startswith("-- ") else ""
    return _unquoted(label.group(1)), Origin(tuple(spans), rule, note)


_CLAUSES: Final = frozenset(("for", "into", "drop", "as"))


def _parse_eqn(line: _Line) -> Eqn:
    tokens = line.tokens
    cut = next((k for k, (kind, text) in enumerate(tokens) if kind == "name" and text in _CLAUSES), len(tokens))
    tail = _Line(line.number, line.indent, tokens[cut:], "")
    axes: list[Axis] = []
    if tail.take("for"):
        while True:
            name = tail.name()
            tail.expect("<")
            axes.append(Axis(name, tail.dim()))
            if not tail.take(","):
                break
    shape = tail.shape() if tail.take("into") else None
    drop = tail.take("drop")
    kind = tail.value_kind() if tail.take("as") else "real"
    tail.end()

    head = _Line(line.number, line.indent, tokens[:cut], "", axes={a.name: a.extent for a in axes})
    out = head.name()
    out_index = head.indices() if head.peek() == "[" else ()
    reduce: Reduce = "+" if head.take("+=") else ""
    if not reduce:
        head.expect("=")
    if head.peek() in _REDUCES and head.peek(1) != "(":
        word = head.peek()
        head.at += 1
        head.several(head.name, lambda: head.peek() == ":")
        head.expect(":")
        reduce = _REDUCES[word]
    body, args = _Body(head).read()
    head.end()
    if shape is None:
        shape = tuple(head.axes[ix.plain or ""] for ix in out_index)
    op, origin = _origin(line.comment)
    return Eqn(Value(out, shape, kind), tuple(axes), out_index, reduce, args, body, op, origin, drop)


def _parse_const(line: _Line) -> Const:
    line.expect("const")
    value = line.value()
    line.expect("=")
    data = line.several(line.number_value, lambda: line.kind() == "end")
    return Const(value, data, _origin(line.comment)[1])


def _parse_scan(head: _Line, block: Sequence[_Line]) -> Scan:
    head.expect("scan")
    axis = head.name()
    head.expect("<")
    extent = head.dim()
    reverse = head.take("reverse")
    high = head.peek() == "highest"
    limit = head.name() if head.take("highest", "lowest") else ""
    recompute = head.take("recompute")
    head.expect("in")
    body = head.name()
    head.expect(":")
    outs = head.several(head.value, lambda: head.kind() == "end")
    given: dict[str, list[str]] = {"carry": [], "slice": [], "keep": []}
    inputs: list[Value] = []
    results: dict[str, tuple[str, ...]] = {"next": (), "emit": (), "until": ()}
    rest: list[_Line] = []
    for line in block:
        word = line.peek() if line.indent == block[0].indent else ""
        if word in given and line.is_name(1):
            line.at += 1
            inputs.append(line.value())
            line.expect("=")
            given[word].append(line.name())
            line.end()
        elif word in results:
            line.at += 1
            results[word] = line.names()
        else:
            rest.append(line)
    consts, eqns = _parse_block(rest)
    graph = Graph(body, tuple(inputs), consts, eqns, results["next"] + results["emit"] + results["until"])
    return Scan(outs, Axis(axis, extent), reverse, tuple(given["carry"]), tuple(given["slice"]), tuple(given["keep"]),
                graph, _origin(head.comment)[1], bool(results["until"]), limit, high, recompute)  # fmt: skip


def _parse_block(lines: Sequence[_Line]) -> tuple[tuple[Const, ...], tuple[Eqn | Scan, ...]]:
    consts: list[Const] = []
    eqns: list[Eqn | Scan] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if line.peek() == "const":
            consts.append(_parse_const(line))
        elif line.peek() == "scan":
            end = at
            while end < len(lines) and lines[end].indent > line.indent:
                end += 1
            eqns.append(_parse_scan(line, lines[at:end]))
            at = end
        else:
            eqns.append(_parse_eqn(line))
    return tuple(consts), tuple(eqns)


def parse_graph(text: str) -> Graph:
    """The graph that :func:`show_graph` printed, equal to it, with its origins."""
    lines = _split(text)
    name = "graph"
    inputs: list[Value] = []
    outputs: tuple[str, ...] = ()
    rest: list[_Line] = []
    for line in lines:
        word = line.peek() if line.indent == 0 else ""
        if word == "graph":
            line.at += 1
            name = line.name()
            line.end()
        elif word == "input":
            line.at += 1
            inputs.append(line.value())
            line.end()
        elif word == "output":
            line.at += 1
            outputs = line.names()
        else:
            rest.append(line)
    consts, eqns = _parse_block(rest)
    return Graph(name, tuple(inputs), consts, eqns, outputs)
