"""One look for all models: ``gradwright fmt``.

The formatter moves tokens and comments and changes none of them. What it returns is parsed again and must be the same tree,
documentation included; formatted text stays as it is. Where you break a line, it stays broken: only rows that are longer than
``WIDTH`` are broken anew, inside brackets, before ``|>`` or before a clause.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import field, fields

from ..records import dataclass
from .diagnostics import ModelError
from .lexer import CLOSER, OPENER, VALUE_ENDS, Line, Token
from .parser import parse_lines
from .source import Source
from .syntax import Module, Node

__all__ = ["WIDTH", "FormatError", "format_source", "format_text"]

WIDTH = 120
_INDENT = 4
_DECLARED = 7  # the column where what declarations declare begins: that after `output `
_COMMENTS = 35  # the column where comments behind code begin, if they can
_SHORT = 60  # longer code does not push the comments around it to the right
_FAR = 80  # a bracket that opens further right is a bad place to align lines with
_PIPES = 60  # the same for `|>`

_DECLARING = ("size", "dtype", "input", "index", "param", "hyper", "use", "state")
# What may have its `=` and `~` in one column with those above and below; a binding is a NAME.
_ALIGNED = ("param", "hyper", "state", "random", "next", "output", "def", "derivative", "carry", "emit", "NAME")
_PRODUCTS = ("*", "/", "//", "%", "@")
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
# Where a row is broken, from the best place to the worst of one depth of brackets.
_COMMA, _CLAUSE, _PIPE, _OR, _AND, _COMPARISON, _SUM, _PRODUCT = range(8)
_PLACES = {
    "for": _CLAUSE, "if": _CLAUSE, "|>": _PIPE, "or": _OR, "and": _AND, "+": _SUM, "-": _SUM,
    **dict.fromkeys(_COMPARISONS, _COMPARISON), **dict.fromkeys(_PRODUCTS, _PRODUCT),
}  # fmt: skip


class FormatError(RuntimeError):
    """The formatted text would mean something else: a fault in the formatter, which then formats nothing."""


def format_text(text: str, name: str = "model.gw") -> str:
    """A model's text in the one look that ``gradwright fmt`` gives; it ends in a newline, and lines end in ``\\n``.

    Raises a :class:`~gradwright.compiler.language.diagnostics.ModelError` where the text has syntax errors."""
    return format_source(Source(name, text))


def format_source(source: Source) -> str:
    """``format_text`` of a source: its name is what diagnostics show."""
    module, lines, found = parse_lines(source)
    if any(diagnostic.is_error for diagnostic in found):
        raise ModelError(found, {source.name: source})
    text = _Formatter(source, lines).text()
    for _ in range(4):
        again = Source(source.name, text)
        after, lines, found = parse_lines(again)
        if any(diagnostic.is_error for diagnostic in found) or not _same(module, after):
            raise FormatError(f"{source.name}: the formatted text would mean something else")
        settled = text
        text = _Formatter(again, lines).text()
        if text == settled:
            return text
    raise FormatError(f"{source.name}: the formatted text does not stay as it is")


def _same(before: Module, after: Module) -> bool:
    """Whether two modules say the same, spans aside. (In a loop: trees are deeper than Python recurses.)"""
    todo: list[tuple[object, object]] = [(before.statements, after.statements), (before.doc, after.doc)]
    while todo:
        a, b = todo.pop()
        if type(a) is not type(b):
            return False
        if isinstance(a, tuple) and isinstance(b, tuple):
            if len(a) != len(b):
                return False
            todo.extend(zip(a, b, strict=True))
        elif isinstance(a, Node):
            todo.extend((getattr(a, f.name), getattr(b, f.name)) for f in fields(a) if f.compare)
        elif a != b:
            return False
    return True


# ---------------------------------------------------------------- what stands where


@dataclass
class _Statement:
    """A logical line, with the physical rows that it was written in."""

    tokens: list[Token]
    depth: int
    column: int  # where it is indented to now
    first: int  # physical line
    last: int
    opens: bool
    gaps: list[int] = field(default_factory=list)  # the spaces before each token, where it does not begin a row


@dataclass
class _Row:
    """A line of the formatted text."""

    indent: int
    code: str
    comment: str = ""
    blanks: int = 0  # empty lines before it
    apart: int = 0  # spaces before the comment

    @property
    def end(self) -> int:
        return self.indent + len(self.code)


@dataclass(slots=True)
class _Open:
    """An open bracket: where what follows in it begins, and the row that begins with its closing one; where its `|>` stand."""

    content: int
    closing: int
    index: bool = False  # of a subscript or a shape
    number: int = -1  # the token that opens it
    pipe: int | None = None


class _Formatter:
    def __init__(self, source: Source, lines: Sequence[Line]) -> None:
        self.source = source
        self.statements: list[_Statement] = []
        todo = [(line, 0) for line in reversed(lines)]
        while todo:
            line, depth = todo.pop()
            tokens = line.tokens
            column = len(line.indent.replace("\f", "").expandtabs(8))
            self.statements.append(_Statement(tokens, depth, column, tokens[0].line, tokens[-1].line, line.opens))
            todo.extend((child, depth + 1) for child in reversed(line.children))
        self.rows: list[_Row] = []
        self.blanks = 0  # empty lines since the last row
        self.opened = False  # the last row opens a block
        self.columns: list[int] = []  # where the blocks that are open now are indented to in the text

    def text(self) -> str:
        declared = self.declared()
        for statement in self.statements:
            tokens = statement.tokens
            statement.gaps = _gaps(tokens)
            if not statement.depth and tokens[0].type in _DECLARING:
                statement.gaps[1] = max(declared - len(tokens[0].text), 1)
        self.align()
        before: _Statement | None = None
        for statement in self.statements:
            self.comments(before, statement)
            self.columns[statement.depth :] = [statement.column]
            self.lay_out(statement)
            before = statement
        self.comments(before, None)
        _place_comments(self.rows)
        return "".join(_written(row) for row in self.rows)

    def add(self, row: _Row, most: int) -> None:
        """A row, with those of the empty lines before it that stay: none below a line that opens a block."""
        row.blanks = min(self.blanks, most) if self.rows and not self.opened else 0
        self.blanks, self.opened = 0, False
        self.rows.append(row)

    def alone(self, number: int) -> str:
        """The comment that a physical line without tokens consists of; nothing for an empty one."""
        return _comment(self.source.line(number).strip())

    def spelled(self, token: Token) -> str:
        """As it stands in the text: a name is normalised in the token."""
        return self.source.line(token.line)[token.column - 1 : token.end - 1]

    # ------------------------------------------------------------ comments and empty lines between statements

    def comments(self, before: _Statement | None, after: _Statement | None) -> None:
        first = before.last + 1 if before is not None else 1
        end = after.first if after is not None else len(self.source.lines) + 1
        attached = end  # where the comments begin that have no empty line between them and the next statement
        while attached > first and self.alone(attached - 1):
            attached -= 1
        for number in range(first, end):
            comment = self.alone(number)
            if not comment:
                self.blanks += 1
                continue
            depth = after.depth if after is not None else 0
            if number < attached or not _is_doc(comment):
                depth = self.depth_of(number, depth)
            self.add(_Row(depth * _INDENT, "", comment), 1 if depth else 2)

    def depth_of(self, number: int, lowest: int) -> int:
        """The block that a comment belongs to: of those that end here and the next, the innermost that it is indented to."""
        text = self.source.line(number).replace("\f", "").expandtabs(8)
        column = len(text) - len(text.lstrip())
        depth = max(lowest, len(self.columns) - 1)
        while depth > lowest and self.columns[depth] > column:
            depth -= 1
        return depth

    # ------------------------------------------------------------ columns

    def declared(self) -> int:
        """Where what declarations declare begins: behind the longest word, if all do, or else with what `output` names."""
        found = [s.tokens for s in self.statements if not s.depth and s.tokens[0].type in (*_DECLARING, "random")]
        words = {len(tokens[0].text) for tokens in found}
        columns = {tokens[1].column - tokens[0].column for tokens in found}
        return max(words) + 1 if len(words) > 1 and columns == {max(words) + 1} else _DECLARED

    def align(self) -> None:
        """Statements in a row whose `=` and `~` stand in one column get one column."""
        run: list[tuple[_Statement, int]] = []
        before: _Statement | None = None
        for statement in self.statements:
            kind = statement.tokens[0].type
            if before is not None and not (
                statement.depth == before.depth
                and kind == before.tokens[0].type
                and all(self.alone(number) for number in range(before.last + 1, statement.first))
            ):
                self.align_run(run)
                run = []
            place = _middle(statement.tokens) if kind in _ALIGNED and not statement.opens else None
            if place is not None:
                run.append((statement, place))
            before = statement
        self.align_run(run)

    def align_run(self, run: list[tuple[_Statement, int]]) -> None:
        gaps: dict[int, set[int]] = {}  # by the column of the operator: the spaces before it
        for statement, place in run:
            before, operator = statement.tokens[place - 1 : place + 1]
            gaps.setdefault(operator.column, set()).add(operator.column - before.end)
        if not any(len(found) > 1 and max(found) > 1 for found in gaps.values()):
            return
        widths = [
            sum(len(self.spelled(token)) for token in statement.tokens[:place]) + sum(statement.gaps[:place])
            for statement, place in run
        ]
        for (statement, place), width in zip(run, widths, strict=True):
            statement.gaps[place] = max(widths) - width + 1

    # ------------------------------------------------------------ the rows of a statement

    def lay_out(self, statement: _Statement) -> None:
        tokens, gaps = statement.tokens, statement.gaps
        indent = statement.depth * _INDENT
        layout = _Layout(tokens, gaps, [self.spelled(token) for token in tokens], indent)
        start = 0
        while start < len(tokens):
            number = tokens[start].line
            end = start
            while end < len(tokens) and tokens[end].line == number:
                end += 1
            comment = _comment(self.source.line(number)[tokens[end - 1].end - 1 :].strip())
            pieces = layout.rows(start, end)
            if start:
                for between in range(tokens[start - 1].line + 1, number):
                    text = self.alone(between)
                    if text:
                        self.add(_Row(pieces[0].indent, "", text), 1)
                    else:
                        self.blanks += 1
            pieces[-1].comment = comment
            for piece in pieces:
                self.add(piece, 2 if not statement.depth and not start else 1)
            start = end
        self.opened = statement.opens


class _Layout:
    """Rows of one statement, from the first to the last: what is open before a row is all that it needs to know."""

    def __init__(self, tokens: Sequence[Token], gaps: Sequence[int], texts: Sequence[str], indent: int) -> None:
        self.tokens, self.gaps, self.texts = tokens, gaps, texts
        self.indent = indent
        self.open = [_Open(indent + _INDENT, indent)]  # the first is the line itself
        self.chains = _chains(tokens)
        self.commas = _separating(tokens)

    def rows(self, start: int, end: int) -> list[_Row]:
        """The tokens from ``start`` to ``end``, which stand in one row of the text, in as many as they need."""
        out: list[_Row] = []
        waiting = deque([start])
        while waiting:
            start = waiting.popleft()
            indent = self.begins(start, end)
            place = self.too_long(start, end, indent)
            stop = end if place is None else place
            out.append(self.row(start, stop, indent))
            if stop < end:
                waiting.append(stop)
        return out

    def begins(self, start: int, end: int) -> int:
        """Where a row that begins with a token is indented to."""
        if not start:
            return self.indent
        around, type = self.open[-1], self.tokens[start].type
        if type in OPENER:
            return around.closing
        return _aligned(around.pipe, around.content) if type == "|>" else self.chained(start, around)

    def row(self, start: int, end: int, indent: int) -> _Row:
        column = indent
        hanging = end  # from where on the row has only opening brackets
        while hanging > start and self.tokens[hanging - 1].type in CLOSER:
            hanging -= 1
        for place in range(start, end):
            type = self.tokens[place].type
            column += self.gaps[place] if place > start else 0
            if type == "|>" and self.open[-1].pipe is None:
                self.open[-1].pipe = column
            elif type == "," and len(self.open) > 1:
                self.open[-1].pipe = None
            elif type in OPENER:
                self.open.pop()
            elif type in CLOSER:
                content, closing = (indent + _INDENT, indent) if place >= hanging else (column + 1, column)
                self.open.append(_Open(content, closing, self.indexes(place), place))
            column += len(self.texts[place])
        parts = [" " * self.gaps[place] + self.texts[place] for place in range(start, end)]
        return _Row(indent, "".join(parts).lstrip(" "))

    def too_long(self, start: int, end: int, indent: int) -> int | None:
        """The token that shall begin the next row, where this one is too long and there is such a token."""
        column, closed = indent, 0  # and how many brackets were closed that had been opened before
        inner: list[_Open] = []  # opened in this row
        pipes: dict[int, int] = {}  # by depth: where the first `|>` of this row stands
        found: list[_Break] = []
        for place in range(start, end):
            type, behind = self.tokens[place].type, column
            column += self.gaps[place] if place > start else 0
            around = inner[-1] if inner else self.open[-1 - closed]
            depth = len(self.open) - closed + len(inner)
            if place > start and behind <= WIDTH:
                content, bad = around.content, 2 if around.content > _FAR or around.index else 0
                before, what = self.tokens[place - 1].type, None
                if type == "|>":
                    what, content = _PIPE, _aligned(pipes.get(depth, around.pipe), content)
                elif depth == 1:  # outside brackets
                    what = _CLAUSE if type == "for" else None
                elif before in CLOSER and type not in OPENER:
                    what, bad, content = _COMMA, 1, indent + _INDENT
                elif place - 1 in self.commas:
                    what, content = _COMMA, self.chained(place, around)
                elif self.gaps[place] and (type not in ("+", "-") or before in VALUE_ENDS):
                    what = _PLACES.get(type)
                if what is not None and content + (2 * _INDENT if bad == 1 else 1) <= column:
                    found.append(_Break(bad, depth, what, place, around.number))
            if type == "|>":
                pipes.setdefault(depth, column)
            elif type in CLOSER:
                inner.append(_Open(column + 1, column, self.indexes(place), place))
            elif type in OPENER:
                if inner:
                    inner.pop()
                else:
                    closed += 1
            column += len(self.texts[place])
            if column > WIDTH:
                return _best(found)
        return None

    def chained(self, place: int, around: _Open) -> int:
        """Where the next row begins: `where` as the last argument of `where` stands below it, as else-if does."""
        if place in self.chains and around.content == around.closing + 1:
            return around.closing - len("where")
        return around.content

    def indexes(self, place: int) -> bool:
        return self.tokens[place].type == "[" and place > 0 and self.tokens[place - 1].type in VALUE_ENDS


@dataclass(frozen=True, slots=True)
class _Break:
    """A token that could begin a row: how bad that looks, how deep in brackets, what stands there, in which bracket."""

    bad: int
    depth: int
    what: int
    place: int
    bracket: int


def _best(found: Sequence[_Break]) -> int | None:
    """The last one of the best; where clauses would go to the next row, all of them."""
    if not found:
        return None
    last = min(found, key=lambda b: (b.bad, b.depth, b.what, -b.place))
    if last.what == _CLAUSE:
        return min(b.place for b in found if b.bracket == last.bracket and b.what == _CLAUSE)
    return last.place


def _aligned(pipe: int | None, content: int) -> int:
    """Where a row begins that begins with `|>`."""
    return pipe if pipe is not None and pipe <= _PIPES else content


# ---------------------------------------------------------------- pieces


def _is_doc(comment: str) -> bool:
    return comment.startswith("##") and not comment.startswith("###")


def _comment(text: str) -> str:
    """A comment with a space behind its `#` or `##`, which no documentation holds."""
    marks = 2 if _is_doc(text) else 1
    if text.startswith("#") and (marks == 2 or not text.startswith("##")) and text[marks:marks + 1] not in ("", " ", "\t", "!"):
        return f"{text[:marks]} {text[marks:]}"
    return text


def _chains(tokens: Sequence[Token]) -> set[int]:
    """The calls of `where` that are the last argument of another."""
    chains: set[int] = set()
    opened: list[int] = []
    for place, token in enumerate(tokens):
        if token.type in CLOSER:
            opened.append(place)
        elif token.type in OPENER:
            first = opened.pop() - 1
            if opened and place + 1 < len(tokens) and tokens[place + 1].type == ")" and first > 0:
                if tokens[first].text == tokens[opened[-1] - 1].text == "where" and tokens[first - 1].type == ",":
                    chains.add(first)
    return chains


def _separating(tokens: Sequence[Token]) -> set[int]:
    """The commas in brackets that stand between arguments or elements, and not between the variables of a clause."""
    commas: set[int] = set()
    named = [True]  # for each open bracket: did a clause begin?
    for place, token in enumerate(tokens):
        if token.type in CLOSER:
            named.append(False)
        elif token.type in OPENER:
            named.pop()
        elif token.type == "for":
            named[-1] = True
        elif token.type == "," and not named[-1]:
            commas.add(place)
    return commas


def _middle(tokens: Sequence[Token]) -> int | None:
    """The `=` or `~` outside brackets, if it stands in the first row."""
    depth = 0
    for place, token in enumerate(tokens):
        if token.line != tokens[0].line:
            return None
        if token.type in CLOSER:
            depth += 1
        elif token.type in OPENER:
            depth -= 1
        elif depth == 0 and token.type in ("=", "~"):
            return place
    return None


def _written(row: _Row) -> str:
    text = " " * row.indent + row.code
    if row.comment:
        text += " " * row.apart + row.comment
    return "\n" * row.blanks + text + "\n"


def _place_comments(rows: Sequence[_Row]) -> None:
    """Comments behind code stand in one column from one empty line to the next."""
    group: list[_Row] = []
    for row in rows:
        if row.blanks:
            _place_group(group)
            group = []
        if row.code and row.comment:
            group.append(row)
    _place_group(group)


def _place_group(rows: Sequence[_Row]) -> None:
    nearest = max((row.end + 2 for row in rows if row.end <= _SHORT), default=0)
    column = max(nearest, _COMMENTS)
    if any(column + len(row.comment) > WIDTH for row in rows if row.end <= _SHORT):
        column = nearest
    for row in rows:
        row.apart = max(column - row.end, 2)


# ---------------------------------------------------------------- spaces


def _gaps(tokens: Sequence[Token]) -> list[int]:
    """The spaces before each token of a statement, were it one row."""
    spaced = _around(tokens)
    signs = _signs(tokens)
    gaps = [0]
    for place in range(1, len(tokens)):
        before, here = tokens[place - 1].type, tokens[place].type
        if before in CLOSER or here in OPENER or here == "," or place - 1 in signs:
            gap = 0
        elif before == ",":
            gap = 1
        elif here == ".":
            gap = int(before == "NUMBER")  # `1.T` would be a number
        elif before == ".":
            gap = 0
        elif place in spaced:
            gap = spaced[place] if not (here == before == ":") else 0
        elif place - 1 in spaced:
            gap = spaced[place - 1]
        elif (here == "(" and before == "NAME") or (here == "[" and before in VALUE_ENDS):
            gap = 0
        else:
            gap = 1
        gaps.append(gap)
    return gaps


def _signs(tokens: Sequence[Token]) -> set[int]:
    """The `-` and `+` before one value."""
    return {
        place for place, token in enumerate(tokens)
        if token.type in ("-", "+") and (place == 0 or tokens[place - 1].type not in VALUE_ENDS)
    }  # fmt: skip


@dataclass(slots=True)
class _Level:
    """What is known between two brackets, up to here."""

    products: list[int] = field(default_factory=list)  # `*` and the like since the last looser operator
    colons: list[int] = field(default_factory=list)  # of this item
    loose: bool = False  # an operator with spaces stands in this item


def _around(tokens: Sequence[Token]) -> dict[int, int]:
    """The spaces on both sides of each operator, and of the colons of slices.

    A chain of products stays tight where all of it is written so (`4*H`); else it is spaced as a whole, so that no `a / b*c`
    looks like what it does not mean. Colons have spaces where a part of the slice has (`x[n + 1 : m]`)."""
    spaced: dict[int, int] = {}
    signs = _signs(tokens)
    levels = [_Level()]

    def close(level: _Level) -> None:
        """A chain of products ends."""
        tight = all(
            tokens[place].type != "@" and tokens[place - 1].type != "pad" and _is_tight(tokens, place)
            for place in level.products
        )
        for place in level.products:
            spaced[place] = int(not tight)
        level.loose |= bool(level.products) and not tight
        level.products = []

    def close_item(level: _Level) -> None:
        close(level)
        for place in level.colons:
            spaced[place] = int(level.loose)
        level.colons, level.loose = [], False

    for place, token in enumerate(tokens):
        level, type = levels[-1], token.type
        if type in CLOSER:
            levels.append(_Level())
        elif type in OPENER:
            close_item(level)
            levels.pop()
        elif type in _PRODUCTS:
            level.products.append(place)
        elif type == ",":
            close_item(level)
        elif type == ":":
            close(level)
            level.colons.append(place)
        elif type == "=":
            close(level)
            spaced[place] = int(len(levels) == 1)
        elif type == "**":
            spaced[place] = 0
        elif place not in signs and type not in VALUE_ENDS and type not in (".", "..."):
            close(level)
            level.loose = True
            if type in _PLACES or type == "~":
                spaced[place] = 1
    close_item(levels[0])
    if tokens[-1].type == ":":
        spaced[len(tokens) - 1] = 0
    return spaced


def _is_tight(tokens: Sequence[Token], place: int) -> bool:
    """Whether an operator has no space on either side."""
    before, here, after = tokens[place - 1 : place + 2]
    return before.line == here.line == after.line and before.end == here.column and here.end == after.column
