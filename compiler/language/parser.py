"""Text to syntax tree.

Every logical line is parsed for itself with the LALR tables of the grammar, so all errors of a file are found in one run and
none follows from another. The parser keeps its own stack: no nesting can overflow Python's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from . import tables
from .builder import DEEPER, SPINE, Builder, Problem
from .diagnostics import Bag, Diagnostic, suggest
from .lexer import CLOSER, INFIX, INNER, OPENER, STATEMENTS, VALUE_ENDS, Line, Token, read_lines
from .source import Source, Span
from .syntax import (
    MAX_DEPTH,
    Call,
    Def,
    Expression,
    For,
    LayerDef,
    Module,
    Node,
    Return,
    ScanDecl,
    UpdateDef,
)

__all__ = ["parse", "parse_expression", "parse_lines"]


def parse(source: Source) -> tuple[Module | None, tuple[Diagnostic, ...]]:
    """The module of a file, and everything that is wrong with its form.

    With errors there is still a module: it has the statements that could be read, and the names the others would have bound.
    """
    module, _, found = parse_lines(source)
    return module, found


def parse_lines(source: Source) -> tuple[Module, list[Line], tuple[Diagnostic, ...]]:
    """The same, with the lines that it was read from: in their tokens, words are keywords where they are meant so."""
    bag = Bag()
    lines, doc = read_lines(source, bag)
    parser = _Parser(source, bag)
    statements = parser.block(lines, "line")
    # With any error there is at least one entry, if only the name "" that nothing has.
    broken = tuple(dict.fromkeys(parser.broken)) or (("",) if bag.has_errors else ())
    return Module(source, tuple(statements), doc, broken), lines, bag.diagnostics


def parse_expression(text: str, file: str = "<expression>") -> tuple[Expression | None, tuple[Diagnostic, ...]]:
    """One expression, for tests and tools."""
    source, bag = Source(file, text), Bag()
    lines, _ = read_lines(source, bag)
    parser = _Parser(source, bag)
    if len(lines) != 1 or lines[0].broken or lines[0].stray:
        if not bag.has_errors:
            bag.report("E101", "one expression is expected here", Span(file, 1, 1, 1, 1))
        return None, bag.diagnostics
    try:
        parser.words(lines[0], "expr")
        return parser.run("expr", lines[0].tokens), bag.diagnostics
    except Problem as problem:
        bag.add(problem.diagnostic)
        return None, bag.diagnostics


# ---------------------------------------------------------------- tables


def _rows(text: str) -> list[dict[str, int]]:
    rows: list[list[str]] = []
    for row in text.split("\n"):
        if row.startswith("  "):
            rows[-1].extend(row.split())
        else:
            rows.append([] if row == "-" else row.split())
    return [dict(zip(row[::2], map(int, row[1::2]), strict=True)) for row in rows]


_ACTIONS = _rows(tables.ACTIONS)
_GOTOS = _rows(tables.GOTOS)

# Python at the start of a line, and what is written here instead.
_PYTHON = {
    "import": "definitions of another file come with `use \"file.gw\"`",
    "from": "definitions of another file come with `use \"file.gw\"`",
    "if": "a choice is written `where(condition, a, b)`",
    "elif": "a choice is written `where(condition, a, b)`",
    "else": "a choice is written `where(condition, a, b)`",
    "while": None, "class": "a function is written `def f(x) = ...`", "try": None, "except": None, "finally": None, "raise": None,
    "assert": None, "del": None, "global": None, "nonlocal": None, "pass": None, "break": None, "continue": None, "yield": None,
    "async": None, "await": None, "print": "what `forward` shall return is declared with `output`",
    "lambda": "a function is written `def f(x) = ...`",
}
_CONTINUES = {"if": ("elif", "else"), "try": ("except", "finally"), "for": ("else",), "while": ("else",)}
MAX_LOOPS = 20
_CLOSED_BLOCK = "`{0}` cannot stand in {1}"
# What a line may begin with, by where it stands: the words, and how the place is called.
_PLACES = {
    "line": (STATEMENTS, "the file itself"),
    "def_line": (("return", "for", "scan", "next"), "the body of a function"),
    "layer_line": (("return", "for", "scan", "next", "param", "state", "random"), "the body of a layer"),
    "for_line": (("for", "scan", "next"), "the body of a loop"),
    "scan_line": (("carry", "emit", "for", "scan", "next", "random"), "the body of a scan"),
    "update_line": (("state",), "the body of an update rule"),
}
_INSIDE = {"return": "the body of a function or a layer", "carry": "the body of a scan", "emit": "the body of a scan"}


def _damaged(lines: Sequence[Line]) -> bool:
    todo = list(lines)
    while todo:
        line = todo.pop()
        if line.broken:
            return True
        todo.extend(line.children)
    return False


class _Parser(Builder):
    def __init__(self, source: Source, bag: Bag) -> None:
        super().__init__(source.name)
        self.bag = bag
        self.broken: list[str] = []
        self.level = 0  # of loops

    # ------------------------------------------------------------ lines and blocks

    def block(self, lines: Sequence[Line], start: str) -> list[Any]:
        """The statements of a block; what cannot be read is reported and left out."""
        out: list[Any] = []
        before = ""
        for line in lines:
            word = line.tokens[0].text if line.tokens else ""
            if word in _CONTINUES.get(before, ()):  # `else` after an `if` that is an error already
                self.poison(line, everything=True)
                continue
            node = self.line(line, start)
            before = word if line.broken else ""
            if node is not None:
                out.append(node)
            for stray in line.stray:
                if not line.broken and stray is line.stray[0]:
                    self.unexpected_indentation(line, stray)
                if not line.broken and self.statement_like(stray, start):
                    out.extend(self.block([stray], start))
                else:
                    self.poison(stray, everything=True)
        return out

    def unexpected_indentation(self, line: Line, stray: Line) -> None:
        first = stray.tokens[0] if stray.tokens else None
        if first is None or stray.broken:
            return
        operator = first.type not in VALUE_ENDS and first.type not in CLOSER
        self.bag.report(
            "E107", "this line is indented, but the line above opens no block",
            Span(self.file, first.line, 1, first.line, first.column),
            help="an expression goes on over several lines inside brackets: `( ... )`" if operator else None,
        )

    def statement_like(self, line: Line, start: str) -> bool:
        types = [token.type for token in line.tokens[:2]]
        return types[:1] == ["NAME"] and (types[1:] in (["="], [","]) or line.tokens[0].text in STATEMENTS)

    def line(self, line: Line, start: str) -> Any:
        """One logical line with its block, or None with its error reported."""
        if line.broken or not line.tokens:
            self.poison(line)
            return None
        try:
            self.words(line, start)
            self.doc = line.doc
            node = self.run(start, line.tokens)
        except Problem as problem:
            self.bag.add(problem.diagnostic)
            line.broken = True
            self.poison(line)
            return None
        if isinstance(node, Def) and line.opens:
            return self.def_body(node, line)
        if isinstance(node, LayerDef):
            return self.def_body(node, line)
        if isinstance(node, UpdateDef):
            return self.update_body(node, line)
        if isinstance(node, For | ScanDecl):
            return self.loop_body(node, line)
        return node

    def loop_body(self, node: For | ScanDecl, line: Line) -> For | ScanDecl | None:
        """What can be read of a loop's body; the names in it are visible after it, and so it stays."""
        if not line.children:
            self.no_block(line)
            return None
        if self.level == MAX_LOOPS:
            start = replace(node.span, end_line=node.span.line, end_column=node.span.column + 1)
            self.bag.report("E111", f"loops are nested more than {MAX_LOOPS} levels deep", start)
            line.broken = True
            self.poison(line)
            return None
        self.level += 1
        body = self.block(line.children, "for_line" if isinstance(node, For) else "scan_line")
        self.level -= 1
        if not body:
            self.broken.append(node.variable.id)
            line.broken = True
            return None
        return replace(node, body=tuple(body), span=node.span.to(body[-1].span))

    def def_body(self, node: Def | LayerDef, line: Line) -> Def | LayerDef | None:
        outer, self.broken = self.broken, []
        body = self.block(line.children, "def_line" if isinstance(node, Def) else "layer_line")
        damaged, self.broken = _damaged(line.children), outer
        for position, statement in enumerate(body):
            if isinstance(statement, Return) and position + 1 < len(body):
                self.bag.report("E112", "nothing can follow `return`", body[position + 1].span)
                damaged = True
                break
        if line.children and not damaged and not isinstance(body[-1] if body else None, Return):
            what = "function" if isinstance(node, Def) else "layer"
            self.bag.report(
                "E112", f"the {what} `{node.name.id}` returns nothing", node.name.span,
                help="end its body with `return` and a value",
            )
            damaged = True
        if not line.children:
            self.no_block(line)
            damaged = True
        if damaged:
            self.broken.append(node.name.id)
            return None
        return replace(node, body=tuple(body), span=node.span.to(body[-1].span))

    def update_body(self, node: UpdateDef, line: Line) -> UpdateDef | None:
        outer, self.broken = self.broken, []
        body = self.block(line.children, "update_line")
        damaged, self.broken = _damaged(line.children), outer
        if not line.children:
            self.no_block(line)
            damaged = True
        if damaged or not body:
            self.broken.append(node.name.id)
            return None
        return replace(node, body=tuple(body), span=node.span.to(body[-1].span))

    def no_block(self, line: Line) -> None:
        colon = line.tokens[-1]
        self.bag.report("E107", "after `:` the body is missing", colon.span(self.file), help="write it in indented lines below")
        line.broken = True

    def poison(self, line: Line, everything: bool = False) -> None:
        """Remembers the names that a line would have bound: later stages must not call them unknown."""
        todo = [line]
        while todo:
            line = todo.pop()
            first = line.tokens[0] if line.tokens else None
            word = first.text if first is not None else ""
            if word == "use":
                self.broken.append("*")
            if word in ("def", "update", "layer"):
                self.broken.extend(token.text for token in line.tokens[1:2])
                continue
            if everything or word not in ("minimize", "gradient", "jacobian", "hessian"):
                self.poison_targets(line.tokens)
            todo.extend((*line.children, *line.stray))
            everything = True

    def poison_targets(self, tokens: list[Token]) -> None:
        depth, value = 0, False
        for token in tokens:
            if token.type in CLOSER:
                depth += 1
            elif token.type in OPENER:
                depth -= 1
            elif token.type == "=" and depth <= 0 and tokens[0].type not in ("size", "hyper"):
                if tokens[0].type != "param":
                    return
                value = True
            elif token.type == "," and depth <= 0:
                value = False
            elif token.type == "NAME" and depth <= 0 and not value:
                self.broken.append(token.text)

    # ------------------------------------------------------------ words

    def words(self, line: Line, start: str) -> None:
        """Decides which words of a line are keywords, and finds what belongs to another language or a later version."""
        tokens = line.tokens
        first = tokens[0]
        if first.type == "NAME" and start != "expr":
            self.first_word(line, start)
        if line.infix:
            self.infix_words(tokens)

    def first_word(self, line: Line, start: str) -> None:
        tokens = line.tokens
        first, word = tokens[0], tokens[0].text
        following = tokens[1].type if len(tokens) > 1 else ""
        if following == "[":
            closing = self.closing(tokens, 1)
            if closing + 1 < len(tokens) and tokens[closing + 1].type == "=":
                return  # index notation, on a name that may be such a word
        known = STATEMENTS + INNER
        if (word not in known and word not in _PYTHON) or following in ("=", "==", "|>") or self.binds_several(tokens):
            return
        if word in _PYTHON:
            if word == "print" and following != "(":
                return
            raise self.problem("E108", f"there is no `{word}` statement", first, help=_PYTHON[word])
        words, where = _PLACES[start]
        if word in words:
            first.type = word
            return
        if start == "line":
            where += f", only in {_INSIDE[word]}"
        raise self.problem("E117", _CLOSED_BLOCK.format(word, where), first)

    def binds_several(self, tokens: list[Token]) -> bool:
        """``a, b = ...``"""
        if len(tokens) < 4 or tokens[1].type != ",":
            return False
        for token in tokens:
            if token.type == "=":
                return True
            if token.type not in ("NAME", ","):
                return False
        return False

    def closing(self, tokens: list[Token], opening: int) -> int:
        depth = 0
        for position in range(opening, len(tokens)):
            if tokens[position].type in CLOSER:
                depth += 1
            elif tokens[position].type in OPENER:
                depth -= 1
                if depth == 0:
                    return position
        return len(tokens) - 1

    def infix_words(self, tokens: list[Token]) -> None:
        """Words between two values: keywords of this statement, or constructs that do not exist."""
        statement = tokens[0].type
        mine = {
            "minimize": ("with",), "gradient": ("wrt",), "update": ("of", "with"), "param": ("frozen", "with"),
            "derivative": ("wrt",), "scan": ("until", "recompute"), "jacobian": ("wrt", "each"), "hessian": ("wrt",),
        }.get(statement, ())  # fmt: skip
        if statement == "hessian" and [t.type for t in tokens[1:3]] == ["NAME", "NAME"] and tokens[1].text == "diagonal" \
                and tokens[2].text != "wrt":  # fmt: skip
            tokens[1].type = "diagonal"
        notation = len(tokens) > 1 and statement == "NAME" and tokens[1].type == "["
        ranged = [notation and any(t.text == "for" for t in tokens)]  # for each open bracket: `if` filters there
        opened: list[str] = []  # the open brackets
        for position, token in enumerate(tokens):
            depth = len(ranged) - 1
            if token.type in CLOSER:
                ranged.append(False)
                opened.append(token.type)
            elif token.type in OPENER:
                if depth:
                    ranged.pop()
                    opened.pop()
            elif token.type == "..." and statement != "layer" and (not opened or opened[-1] != "["):
                places = "in brackets behind an array, as in `x[..., 0]`, and in the shape of a layer's argument"
                raise self.problem("E101", f"`...` stands only {places}", token)
            elif token.type == "NAME" and token.text in INFIX and position > 0:
                word, following = token.text, tokens[position + 1] if position + 1 < len(tokens) else None
                previous = tokens[position - 1].type
                if previous not in VALUE_ENDS and not (word == "recompute" and previous == "until"):
                    after = tokens[position + 2].type if position + 2 < len(tokens) else ""
                    if word == "lambda" and following is not None and following.type == "NAME" and after in (":", ",", "="):
                        raise self.problem("E108", "there is no `lambda`", token, help="a function is written `def f(x) = ...`")
                    continue
                if depth == 0 and word in mine:
                    token.type = word
                elif word == "for":
                    if depth == 0 and not notation:
                        raise self.problem(
                            "E101", "`for` stands inside the brackets of a sum or the like", token, help="as in `sum(x[i] for i)`"
                        )
                    token.type = word
                    ranged[-1] = True
                elif (
                    (word == "in" and (self.after_for(tokens, position) or (statement in ("for", "scan") and position == 2)))
                    or (word == "if" and ranged[-1])
                    or (word == "pad" and previous == "]")
                    or word == "as"
                ):
                    token.type = word
                elif word in ("if", "else"):
                    raise self.problem("E108", f"there is no `{word}` in an expression", token, help=_PYTHON["if"])
                elif word == "is":
                    raise self.problem("E108", "there is no `is`", token, help="to compare, write `==`")
                elif word == "in":
                    raise self.problem("E108", "there is no `in`", token)

    def after_for(self, tokens: list[Token], position: int) -> bool:
        """Whether ``for i`` or ``for i, j`` stands right before."""
        position -= 1
        while position > 1 and tokens[position].type == "NAME" and tokens[position - 1].type == ",":
            position -= 2
        return position > 0 and tokens[position].type == "NAME" and tokens[position - 1].type == "for"

    # ------------------------------------------------------------ the LALR machine

    def run(self, start: str, tokens: list[Token]) -> Any:
        """The value of a line, or a Problem."""
        actions, gotos, rules = _ACTIONS, _GOTOS, _RULES
        states = [tables.START[start]]
        values: list[Any] = []
        depths: list[int] = []
        last = tokens[-1]
        end = Token("$END", "", last.line, last.end, last.end)
        for position, token in enumerate((*tokens, end)):
            type = token.type
            while True:
                action = actions[states[-1]].get(type)
                if action is None:
                    raise Problem(self.explain(start, tokens, position))
                if action >= 0:
                    if token is end:
                        return values[0]
                    states.append(action)
                    values.append(token)
                    depths.append(0)
                    break
                origin, size, method, mode = rules[~action]
                if method is None:
                    states[-1] = gotos[states[-2]][origin]
                    continue
                if size:
                    parts = values[-size:]
                    value = method(self, parts)
                    if mode == 0:
                        depth = max(depths[-size:])
                    elif mode == 1:
                        depth = 1 + max(depths[-size:])
                    else:
                        depth = max(depths[-3], 1 + depths[-1])
                    del values[-size:], depths[-size:], states[-size:]
                    if depth > MAX_DEPTH:
                        raise self.problem(
                            "E111", f"this is nested more than {MAX_DEPTH} levels deep", self.head(value),
                            help="bind the inner parts to names",
                        )
                else:
                    value, depth = method(self, []), 0
                values.append(value)
                depths.append(depth)
                states.append(gotos[states[-1]][origin])
        raise AssertionError("the end of the line is accepted or an error")

    def head(self, value: Any) -> Span:
        """A small piece at the start of a node."""
        span = value.func.span if isinstance(value, Call) else value.span if isinstance(value, Node) else None
        if span is None:
            return Span(self.file, 1, 1, 1, 1)
        return span if span.line == span.end_line and isinstance(value, Call) else replace(
            span, end_line=span.line, end_column=span.column + 1
        )

    def replay(self, start: str, tokens: list[Token]) -> list[int]:
        """The states after the tokens, before any rule is reduced because of what follows."""
        states = [tables.START[start]]
        for token in tokens:
            while True:
                action = _ACTIONS[states[-1]][token.type]
                if action >= 0:
                    states.append(action)
                    break
                origin, size, _, _ = _RULES[~action]
                if size:
                    del states[-size:]
                states.append(_GOTOS[states[-1]][origin])
        return states

    def accepted(self, states: list[int]) -> list[str]:
        """The types of token that could come next."""
        out = []
        for type in _ACTIONS[states[-1]]:
            stack = list(states)
            while True:
                action = _ACTIONS[stack[-1]].get(type)
                if action is None:
                    break
                if action >= 0:
                    out.append(type)
                    break
                origin, size, _, _ = _RULES[~action]
                if size:
                    del stack[-size:]
                stack.append(_GOTOS[stack[-1]][origin])
        return out

    # ------------------------------------------------------------ what to say

    def explain(self, start: str, tokens: list[Token], position: int) -> Diagnostic:
        """The diagnostic for the token at ``position`` (the end, if there is none), in the user's words."""
        token = tokens[position] if position < len(tokens) else None
        accepted = self.accepted(self.replay(start, tokens[:position]))
        if tokens[0].type == "NAME" and start != "expr":
            found = self.unnamed(tokens, position)
            if found is not None:
                return found
        return self.unexpected(accepted, tokens, position, token).diagnostic

    def unnamed(self, tokens: list[Token], position: int) -> Diagnostic | None:
        """A line that is no statement: it begins with a name, and no ``=`` follows the targets."""
        first, second = tokens[0], tokens[1] if len(tokens) > 1 else None
        equals = self.top_level(tokens, "=")
        if equals is not None and position > equals:
            return None  # the targets are fine
        if second is not None and second.type == "==":
            return self.problem("E104", f"`==` compares; `{first.shown}` is bound with one `=`", second).diagnostic
        if second is not None and second.type == "NAME":
            meant = suggest(first.text, STATEMENTS)
            return self.problem(
                "E101", f"`{first.shown}` is not a statement", first, help=f"did you mean `{meant}`?" if meant else None
            ).diagnostic
        if second is not None and second.type == ":":
            return self.problem(
                "E108", "a name has no type annotation", second, help="write `input x[N]`, or bind a value with `=`"
            ).diagnostic
        if equals is not None:
            return self.cannot_bind(tokens, equals)
        return self.no_name(tokens)

    def no_name(self, tokens: list[Token]) -> Diagnostic:
        """An expression alone in a line, or what is wrong within it."""
        if self.top_level(tokens, ",") is not None:
            return self.problem("E118", "the values of this line go nowhere", self.span(tokens[0], tokens[-1])).diagnostic
        try:
            value = self.run("expr", tokens)
        except Problem as problem:
            return problem.diagnostic
        return self.problem(
            "E118", "the value of this line goes nowhere", value.span,
            help="bind it with `name = ...`, return it with `output`, or train on it with `minimize`",
        ).diagnostic

    def cannot_bind(self, tokens: list[Token], equals: int) -> Diagnostic:
        span = tokens[0].span(self.file).to(tokens[equals - 1].span(self.file)) if equals else tokens[0].span(self.file)
        return self.problem(
            "E116", "only names can be bound", span, help="write `name = ...` or `a, b = ...`"
        ).diagnostic

    def top_level(self, tokens: list[Token], type: str) -> int | None:
        """Where a type of token stands first outside brackets."""
        depth = 0
        for position, token in enumerate(tokens):
            if token.type in CLOSER:
                depth += 1
            elif token.type in OPENER:
                depth -= 1
            elif token.type == type and depth == 0:
                return position
        return None

    def unexpected(self, accepted: list[str], tokens: list[Token], position: int, token: Token | None) -> Problem:
        previous = tokens[position - 1] if position else None
        statement = tokens[0].type
        value_wanted = "NUMBER" in accepted and "NAME" in accepted
        name_wanted = "NAME" in accepted and not value_wanted
        operator_wanted = "+" in accepted
        opened = self.innermost(tokens, position)
        after = f"after `{previous.shown}`" if previous is not None else "here"
        if previous is not None and previous.type == "STRING":
            after = "after the text"
        found = "" if token is None else f", not `{token.shown}`"
        where: Token | Span = token if token is not None else Span(
            self.file, tokens[-1].line, tokens[-1].end, tokens[-1].line, tokens[-1].end
        )
        code = "E105" if token is None else "E101"

        if position == 0 and statement not in STATEMENTS and token is not None and "NUMBER" not in accepted:
            equals = self.top_level(tokens, "=")
            if equals:
                return Problem(self.cannot_bind(tokens, equals))
            if token.type in ("NUMBER", "STRING", "True", "False", "(", "[", "-", "+", "not"):
                return Problem(self.no_name(tokens))
            return self.problem("E101", f"a statement cannot begin with `{token.shown}`", token)
        if token is not None and token.type == "=" and (operator_wanted or value_wanted):
            return self.equals(tokens, position, opened, token)
        if token is not None and token.type == "==" and "=" in accepted and not operator_wanted:
            return self.problem("E104", "`==` compares; a value is given with one `=`", token)
        if token is not None and token.type == "~" and value_wanted:
            return self.problem("E109", "there is no operator `~` in expressions", token, help="write `not`")
        if previous is not None and previous.type == "|>" and name_wanted:
            help = None if token is None else "give it a name: `def f(x) = ...`, then `|> f`"
            return self.problem("E115", f"after `|>` comes a function{found}", where, help=help)
        if previous is not None and previous.type == ":" and accepted == ["$END"]:
            return self.problem("E101", "after `:` the line ends", where, help="write the body in indented lines below")
        if token is not None and statement == "output" and token.type == "=" and "," in accepted:
            return self.problem(
                "E101", "`output` with a value has one name", token, help="bind the names first, then write `output` with them"
            )
        if token is not None and statement == "param" and token.type == "," and opened is None:
            return self.problem("E101", "a `param` statement declares one parameter", token, help="give each a line of its own")
        if "~" in accepted and token is not None and token.type == "NAME":
            return self.problem(
                "E101", f"after the shape comes `~` and a distribution or `=` and a value, not `{token.shown}`", token,
                help=f"write `~ {token.shown}` or `= {token.shown}`",
            )
        if previous is not None and previous.type == "~" and name_wanted:
            return self.problem(code, f"after `~` comes a distribution{found}", where, help="for example `~ normal(0, 0.01)`")
        if token is not None and statement in ("input", "index", "param") and opened is None and token.type == "(":
            return self.problem("E101", "a shape stands in `[ ]`", token)
        if token is not None and token.type == "as":
            return self.problem("E101", "`as` names the layer that a call makes", token, help="as in `dense(10) as head`")
        if token is not None and token.type == "(" and position > 1 and tokens[position - 2].type == ".":
            return self.no_attribute(tokens[position - 3], tokens[position - 2], tokens[position - 1])
        if name_wanted:
            what = "the optimiser" if statement == "minimize" else "a name"
            if token is not None and token.type in ("and", "or", "not", "True", "False"):
                return self.problem("E101", f"`{token.shown}` cannot be a name", token, help="it means something everywhere")
            if previous is not None and previous.type == "use":
                what = "the name of a library or a file in quotes"
            return self.problem(code, f"{after} comes {what}{found}", where)
        if value_wanted:
            return self.value_missing(tokens, position, token, previous, opened, accepted, where)
        if token is not None and "|>" in accepted and not operator_wanted:
            return self.problem(
                "E115", f"`|>` binds loosest: `{token.shown}` cannot follow what it makes", token,
                help="put the pipe in brackets: `(x |> f) + 1`",
            )
        if token is not None and previous is not None and previous.type in VALUE_ENDS and operator_wanted:
            if (token.type in VALUE_ENDS and token.type not in OPENER) or token.type in ("(", "[", "not"):
                return self.side_by_side(tokens, position, opened, accepted)
        equals = self.top_level(tokens, "=")
        if token is not None and token.type == "," and opened is None and equals is not None and equals < position:
            return self.problem("E101", "one value stands after `=`", token, help="bind each name in a line of its own")
        if token is not None and token.type == "NAME" and "," in accepted and opened is None and previous is not None:
            return self.problem("E106", f"a comma is missing between `{previous.shown}` and `{token.shown}`", token)
        return self.problem(code, f"{after} comes {self.alternatives(accepted, opened)}{found}", where)

    def innermost(self, tokens: list[Token], position: int) -> Token | None:
        """The bracket that is open before a token."""
        stack: list[Token] = []
        for token in tokens[:position]:
            if token.type in CLOSER:
                stack.append(token)
            elif token.type in OPENER:
                stack.pop()
        return stack[-1] if stack else None

    def equals(self, tokens: list[Token], position: int, opened: Token | None, token: Token) -> Problem:
        if opened is None and tokens[position - 1].type in VALUE_ENDS:
            if self.top_level(tokens, "=") not in (None, position):
                return self.problem(
                    "E104", "a second `=` in one line", token, help="to compare, write `==`; to bind two names, write two lines"
                )
            return self.problem("E104", "there is nothing to bind here", token, help="to compare, write `==`")
        if tokens[position - 1].type not in VALUE_ENDS:
            return self.problem("E101", f"after `{tokens[position - 1].shown}` comes a value, not `=`", token)
        return self.problem(
            "E104", "`=` stands only after the name of an argument", token, help="to compare, write `==`"
        )

    def value_missing(
        self, tokens: list[Token], position: int, token: Token | None, previous: Token | None, opened: Token | None,
        accepted: list[str], where: Token | Span,
    ) -> Problem:
        before = f"after `{previous.shown}`" if previous is not None else "here"
        if token is None:
            if previous is not None and previous.type in STATEMENTS + ("return", "="):
                help = None
            else:
                help = "an expression goes on over several lines inside brackets: `( ... )`"
            return self.problem("E105", f"{before} comes a value", where, help=help)
        if previous is opened and opened is not None and token.type == CLOSER[opened.type]:
            span = previous.span(self.file).to(token.span(self.file)) if previous is not None else token.span(self.file)
            return self.problem("E101", f"nothing stands between `{opened.type}` and `{token.type}`", span)
        help = None
        if token.type in ("*", "**") and opened is not None and previous is not None and previous.type in ("(", ","):
            help = "arguments are given one by one"
        return self.problem("E101", f"{before} comes a value, not `{token.shown}`", token, help=help)

    def side_by_side(self, tokens: list[Token], position: int, opened: Token | None, accepted: list[str]) -> Problem:
        """Two values without anything between them."""
        previous, token = tokens[position - 1], tokens[position]
        if token.type == "not":
            return self.problem("E108", "there is no `not in`", token)
        if token.type == "(" and position > 2 and previous.type == "NAME" and tokens[position - 2].type == ".":
            return self.no_attribute(tokens[position - 3], tokens[position - 2], previous)
        if token.type == "(":
            return self.problem(
                "E106", "an operator is missing before `(`", token,
                help="a product is written `*`; only a function's name can be called",
            )
        labels = ((previous.span(self.file), ""), (token.span(self.file), ""))
        span = labels[0][0].to(labels[1][0])
        if opened is not None and "," in accepted:
            message = f"a comma or an operator is missing between `{previous.shown}` and `{token.shown}`"
            return self.problem("E106", message, span, labels=labels)
        return self.problem(
            "E106", f"an operator is missing between `{previous.shown}` and `{token.shown}`", span, labels=labels,
            help="a product is written `*`, a matrix product `@`",
        )

    def alternatives(self, accepted: list[str], opened: Token | None) -> str:
        """``an operator, `,` or the end of the line``"""
        words: list[str] = []
        rest = set(accepted)
        if "+" in rest:
            words.append("an operator")
            rest -= {"+", "-", "*", "/", "//", "%", "@", "**", "<", "<=", ">", ">=", "==", "!=", "and", "or", "|>", "[", "."}
        named = {"NAME": "a name", "NUMBER": "a number", "STRING": "a text", "$END": "the end of the line"}
        words += [f"`{type}`" for type in sorted(rest - set(named))] + [named[type] for type in named if type in rest]
        if len(words) > 1:
            return ", ".join(words[:-1]) + " or " + words[-1]
        return words[0] if words else "nothing"


# What is made where a rule ends: what it is called, how many parts it has, of which method, and how it counts for the depth.
_RULES: Final[tuple[tuple[str, int, Callable[[_Parser, list[Any]], Any] | None, int], ...]] = tuple(
    (origin, size, getattr(_Parser, alias) if alias else None, 1 if alias in DEEPER else 2 if alias in SPINE else 0)
    for origin, alias, size in tables.RULES
)
