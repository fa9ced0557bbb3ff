"""Characters to tokens, and tokens to logical lines with their blocks.

A logical line goes on inside brackets, where the next line starts with ``|>``, and where it is indented and starts with a ``for``
that opens no block: a clause of index notation. When a bracket is never closed, the line is taken to end before the next one that
looks like a statement, so that the rest of the file is still read.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from .diagnostics import Bag
from .source import Source, Span

# Words that begin a statement at the top of a file, or somewhere else.
STATEMENTS = (
    "size", "dtype", "input", "index", "param", "hyper", "output", "minimize", "gradient", "def", "update", "use",
    "layer", "for", "scan", "state", "next", "random", "derivative", "jacobian", "hessian",
)  # fmt: skip
INNER = ("return", "carry", "emit")
# Words that end an expression where two values would otherwise stand next to each other.
INFIX = ("with", "wrt", "of", "frozen", "for", "if", "else", "as", "in", "is", "lambda", "pad", "until", "recompute", "each")
RESERVED = frozenset(("and", "or", "not", "True", "False"))

# Token types after which a value is complete.
VALUE_ENDS = frozenset(("NAME", "NUMBER", "STRING", "True", "False", ")", "]", "pad"))
CLOSER = {"(": ")", "[": "]"}
OPENER = {")": "(", "]": "["}


class Token:
    """``type`` is NAME, NUMBER, STRING, END, or the text itself (``+``, ``and``, and ``param`` where it is a keyword)."""

    __slots__ = ("column", "end", "line", "text", "type")

    def __init__(self, type: str, text: str, line: int, column: int, end: int) -> None:
        self.type = type
        self.text = text
        self.line = line
        self.column = column
        self.end = end

    def span(self, file: str) -> Span:
        return Span(file, self.line, self.column, self.line, self.end)

    @property
    def shown(self) -> str:
        """The text as messages quote it."""
        return self.text if len(self.text) <= 40 else self.text[:40] + "…"


@dataclass
class Line:
    """A logical line, the block below it, and what is known to be wrong with it already."""

    tokens: list[Token]
    indent: str
    doc: str = ""
    broken: bool = False  # an error in it is reported already
    infix: bool = False  # one of INFIX occurs in it
    opens: bool = False  # ends in a colon outside brackets
    children: list[Line] = field(default_factory=list)  # the block, where `opens`
    stray: list[Line] = field(default_factory=list)  # lines indented below it although it opens no block


_TOKEN = re.compile(
    r"""(?P<space>[ \t\f]+)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*+(?![^\x00-\x7f]))
    |(?P<wide>[^\x00-@\[-^`{-\x7f][^\x00-/:-@\[-^`{-\x7f]*)  # the same with all beyond ASCII, written so that it compiles fast
    |(?P<number>\.?[0-9](?:[eE][+-](?=[0-9])|[A-Za-z0-9_.])*)
    |(?P<comment>\#.*)
    |(?P<docstring>\"\"\"|''')
    |(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<open>["'].*)
    |(?P<wrong>\*\*=|//=|===|\+=|-=|\*=|/=|%=|@=|:=|&&|\|\||->|<>|=>|=<|\^|&|!(?!=)|\|(?!>))
    |(?P<op>\.\.\.|\*\*|//|==|!=|<=|>=|\|>|[-+*/%@()\[\],:.=<>~])
    |(?P<bad>.)""",
    re.VERBOSE,
)
_NUMBER = re.compile(
    r"0(?:_?0)*|[1-9](?:_?[0-9])*"
    r"|(?:(?:[0-9](?:_?[0-9])*)?\.[0-9](?:_?[0-9])*|[0-9](?:_?[0-9])*\.)(?:[eE][+-]?[0-9](?:_?[0-9])*)?"
    r"|[0-9](?:_?[0-9])*[eE][+-]?[0-9](?:_?[0-9])*"
)
_LONGEST_NUMBER = 1000  # characters; a double has no more than 770 digits that matter
_SUBSCRIPTS = frozenset("₀₁₂₃₄₅₆₇₈₉")
_SUPERSCRIPTS = {"⁰": "0", "¹": "1", "²": "2", "³": "3", "⁴": "4", "⁵": "5", "⁶": "6", "⁷": "7", "⁸": "8", "⁹": "9"}
# Characters that people paste, and what they mean.
_MEANT = {
    "×": "a product is written `*`", "·": "a product is written `*`", "∙": "a product is written `*`",
    "⋅": "a product is written `*`", "∗": "a product is written `*`", "⊙": "an elementwise product is written `*`",
    "÷": "a quotient is written `/`", "−": "a minus is written `-`", "–": "a minus is written `-`",
    "—": "a minus is written `-`", "≤": "write `<=`", "≥": "write `>=`", "≠": "write `!=`", "←": "a binding is written with `=`",
    "∧": "write `and`", "∨": "write `or`", "¬": "write `not`", "∞": "write `inf`", "√": "write `sqrt(...)`",
    "∑": "write `sum(...)`", "∏": "write `prod(...)`", "′": "write `_prime` or another name", "’": "quotes are `\"` or `'`",
    "‘": "quotes are `\"` or `'`", "“": "quotes are `\"` or `'`", "”": "quotes are `\"` or `'`",
    "ᵀ": "a transpose is written `.T`", "⊤": "a transpose is written `.T`", "；": "write one statement a line", "，": "write `,`",
    "（": "write `(`", "）": "write `)`",
    ";": "write one statement a line", "{": "an array is written in `[ ]`, a group in `( )`",
    "}": "an array is written in `[ ]`, a group in `( )`", "\\": "a line goes on inside brackets, without `\\`",
    "`": None, "$": None, "?": "a choice is written `where(condition, a, b)`",
}
_WRONG = {
    "^": "a power is written `**`", "&": "write `and`", "&&": "write `and`", "|": "write `or`", "||": "write `or`",
    "!": "write `not`", "<>": "write `!=`", "===": "write `==`", "=>": "write `>=`", "=<": "write `<=`",
    ":=": "a binding is written with `=`, on a line of its own", "->": "functions declare no type for what they return",
}
_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\", '"': '"', "'": "'"}


def text_of(token: Token) -> str:
    """What a STRING stands for."""
    return re.sub(r"\\(.)", lambda match: _ESCAPES[match.group(1)], token.text[1:-1])


def read_lines(source: Source, bag: Bag) -> tuple[list[Line], str]:
    """The logical lines of a file as a tree, and the documentation at its top."""
    reader = _Reader(source, bag)
    lines = reader.logical_lines()
    return _tree(lines, source, bag), reader.module_doc()


@dataclass
class _Physical:
    number: int
    indent: str
    tokens: list[Token]
    comment: str  # of a line that has nothing else
    blank: bool
    broken: bool
    infix: bool


class _Reader:
    def __init__(self, source: Source, bag: Bag) -> None:
        self.file = source.name
        self.source = source
        self.bag = bag
        self.physical: list[_Physical] = []
        self.infix_words = frozenset(INFIX)
        self.in_docstring = ""
        for number, text in enumerate(source.lines, 1):
            self.physical.append(self._scan(number, text))
        # For each line: the next one with anything in it, from this one on.
        self.following: list[_Physical | None] = [None] * len(self.physical)
        following: _Physical | None = None
        for position in range(len(self.physical) - 1, -1, -1):
            row = self.physical[position]
            following = self.following[position] = row if row.tokens or row.broken else following
        self.hopeless: set[Token] = set()  # opening brackets that are known to be never closed

    # ------------------------------------------------------------ one physical line

    def _scan(self, number: int, text: str) -> _Physical:
        tokens: list[Token] = []
        comment, broken, infix, start = "", False, False, 0
        if self.in_docstring:
            end = text.find(self.in_docstring)
            if end < 0:
                return _Physical(number, "", [], "", True, False, False)
            start = end + 3
            self.in_docstring = ""
        add = tokens.append
        for match in _TOKEN.finditer(text, start):
            kind, piece, column = match.lastgroup, match.group(), match.start() + 1
            if kind == "space":
                continue
            if kind == "name":
                add(Token(piece if piece in RESERVED else "NAME", piece, number, column, match.end() + 1))
                if piece in self.infix_words:
                    infix = True
            elif kind == "op":
                add(Token(piece, piece, number, column, match.end() + 1))
                infix |= piece == "..."
            elif kind == "number":
                add(Token("NUMBER", piece, number, column, match.end() + 1))
                if len(piece) > _LONGEST_NUMBER or not _NUMBER.fullmatch(piece) or float(piece) == float("inf"):
                    self._bad_number(piece, number, column)
                    broken = True
            elif kind == "comment":
                comment = piece
            elif kind == "wide":
                broken = self._wide(piece, number, column, tokens) or broken
            elif kind == "string":
                add(Token("STRING", piece, number, column, match.end() + 1))
                broken = self._bad_escape(piece, number, column) or broken
                if not piece.isprintable():
                    for offset, character in enumerate(piece):
                        if character < " " and character != "\t":
                            self._bad_character(character, number, column + offset)
                            broken = True
            elif kind == "wrong":
                self._wrong(piece, text, number, column)
                broken = True
            elif kind == "docstring":
                end = text.find(piece, match.end())
                self.bag.report(
                    "E108", "there are no docstrings here", Span(self.file, number, column, number, column + 3),
                    help="documentation stands in `##` lines above a declaration",
                )
                broken = True
                if end < 0:
                    self.in_docstring = piece
                    break
                return _Physical(number, text[:len(text) - len(text.lstrip())], tokens, "", False, True, False)
            elif kind == "open":
                self.bag.report(
                    "E002", f"this string is not closed: its `{piece[0]}` is missing",
                    Span(self.file, number, column, number, len(text.rstrip()) + 1),
                )
                broken = True
            else:
                self._bad_character(piece, number, column)
                broken = True
        blank = not tokens and not comment and not broken
        indent = text[:len(text) - len(text.lstrip(" \t\f"))]
        return _Physical(number, indent, tokens, "" if tokens else comment, blank, broken, infix)

    def _wide(self, piece: str, number: int, column: int, tokens: list[Token]) -> bool:
        """A run of characters with some outside ASCII: names, and characters that are not part of the language."""
        broken, start, position = False, 0, 0

        def flush(end: int) -> None:
            nonlocal broken
            if end <= start:
                return
            name = unicodedata.normalize("NFKC", piece[start:end])
            if name.isidentifier():
                tokens.append(Token(name if name in RESERVED else "NAME", name, number, column + start, column + end))
            elif not broken:
                self._bad_character(piece[start], number, column + start)
                broken = True

        while position < len(piece):
            character = piece[position]
            inside = position > start
            fits = character not in _SUPERSCRIPTS and character not in _MEANT and (
                ("a" + character if inside else character).isidentifier()
                or (inside and character in _SUBSCRIPTS)  # not letters to Python, but θ₁ is a name
            )
            if not fits:
                flush(position)
                self._bad_character(character, number, column + position, piece[start:position])
                broken = True
                start = position + 1
            position += 1
        flush(position)
        return broken

    def _bad_character(self, character: str, number: int, column: int, before: str = "") -> None:
        code = ord(character)
        help = _MEANT.get(character)
        if character in _SUPERSCRIPTS:
            help = f"a power is written `{before}**{_SUPERSCRIPTS[character]}`"
        invisible = not character.isprintable()
        if code in (0xA0, 0x3000) or unicodedata.category(character) == "Zs":
            help = "write an ordinary space"
        elif invisible:
            help = "it is invisible: delete it"
        shown = f"U+{code:04X}" if invisible else f"`{character}`"
        message = f"the character {shown} is not part of the language"
        self.bag.report("E001", message, Span(self.file, number, column, number, column + 1), help=help)

    def _bad_number(self, piece: str, number: int, column: int) -> None:
        span = Span(self.file, number, column, number, column + len(piece))
        if len(piece) > _LONGEST_NUMBER:
            self.bag.report("E003", f"a number of {len(piece)} characters", span, help="write it as in `1e300`")
            return
        lead = re.match(r"(?:[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(?=[A-Za-z_])", piece)
        rest = piece[lead.end():] if lead else ""
        help: str | None = None
        message = f"`{piece}` is not a number"
        if _NUMBER.fullmatch(piece):
            message, help = f"`{piece}` is larger than any real number of the machine", "write `inf` for infinity"
        elif re.fullmatch(r"0[0-9_]+", piece):
            help = f"write `{piece.lstrip('0_')}`, without the leading zero"
        elif re.fullmatch(r"0[xXbBoO][0-9a-fA-F_]+", piece):
            help = "numbers are decimal"
        elif re.fullmatch(r"[0-9._]+[jJ]", piece):
            help = "there are no complex numbers"
        elif piece.endswith(".T") and lead is None:
            help = "a number has no transpose"
        elif re.fullmatch(r"[A-Za-z]\w*", rest) and not re.fullmatch(r"[eE][0-9_]*", rest):
            help = f"for a product write `{piece[:-len(rest)]}*{rest}`; a name cannot begin with a digit"
        elif piece.endswith("_") or "__" in piece:
            help = "an underscore stands between two digits, as in `1_000`"
        elif re.fullmatch(r".*[eE]", piece):
            help = "after `e` comes the exponent, as in `1e-3`"
        elif piece.count(".") > 1:
            help = "a number has one decimal point"
        self.bag.report("E003", message, span, help=help)

    def _bad_escape(self, piece: str, number: int, column: int) -> bool:
        bad = False
        for match in re.finditer(r"\\(.)", piece):
            if match.group(1) not in _ESCAPES:
                start = column + match.start()
                self.bag.report(
                    "E004", f"`{match.group()}` means nothing in a string", Span(self.file, number, start, number, start + 2),
                    help="the escapes are `\\n`, `\\t`, `\\\\`, `\\\"` and `\\'`; for a backslash write `\\\\`",
                )
                bad = True
        return bad

    def _wrong(self, piece: str, text: str, number: int, column: int) -> None:
        span = Span(self.file, number, column, number, column + len(piece))
        help = _WRONG.get(piece)
        if help is None:  # an assignment such as +=
            target = text[:column - 1].strip()
            help = f"write `{target} = {target} {piece[:-1]} ...`" if target.isidentifier() else "bind the name again with `=`"
        self.bag.report("E109", f"there is no operator `{piece}`", span, help=help)

    # ------------------------------------------------------------ logical lines

    def logical_lines(self) -> list[Line]:
        out: list[Line] = []
        doc: list[str] = []
        position = 0
        while position < len(self.physical):
            row = self.physical[position]
            if not row.tokens and not row.broken:
                if row.blank:
                    doc = []
                elif _is_doc(row.comment):
                    doc.append(_doc_text(row.comment))
                position += 1
                continue
            line, position = self._one(position)
            line.doc = "\n".join(doc).strip()
            doc = []
            out.append(line)
        return out

    def _one(self, first: int) -> tuple[Line, int]:
        """The logical line that begins at a physical one, and where the next begins."""
        line = Line([], self.physical[first].indent)
        brackets: list[Token] = []
        reports: list[tuple[str, str, Span, Token | None]] = []
        position, hopeless = first, False
        while position < len(self.physical):
            row = self.physical[position]
            if position > first:
                if brackets and self._begins(row, line, strongly=True):
                    return self._unclosed(first, line, brackets, reports)
                if not brackets and not _goes_on(line, self.following[position]):
                    break
            line.tokens.extend(row.tokens)
            line.broken |= row.broken
            line.infix |= row.infix
            for token in row.tokens:
                if token.type in CLOSER:
                    brackets.append(token)
                    hopeless |= token in self.hopeless
                elif token.type in OPENER:
                    self._close(token, brackets, reports)
            position += 1
            if hopeless and brackets:
                break
        if brackets:
            return self._unclosed(first, line, brackets, reports)
        self._tell(line, reports)
        line.opens = bool(line.tokens) and line.tokens[-1].type == ":"
        return line, position

    def _close(self, token: Token, brackets: list[Token], reports: list[tuple[str, str, Span, Token | None]]) -> None:
        wanted = OPENER[token.type]
        span = token.span(self.file)
        if brackets and brackets[-1].type == wanted:
            brackets.pop()
        elif any(opened.type == wanted for opened in brackets):
            while brackets[-1].type != wanted:
                opened = brackets.pop()
                reports.append(
                    ("E102", f"a `{CLOSER[opened.type]}` is missing for this `{opened.type}`", opened.span(self.file), token)
                )
            brackets.pop()
        elif brackets:
            opened = brackets.pop()
            reports.append(("E102", f"this `{opened.type}` is closed by a `{token.type}`", opened.span(self.file), token))
        else:
            reports.append(("E103", f"this `{token.type}` closes nothing", span, None))

    def _tell(self, line: Line, reports: list[tuple[str, str, Span, Token | None]]) -> None:
        """Reports about brackets; not where the line is broken in another way, since they may follow from that."""
        if not line.broken:
            for code, message, span, closer in reports:
                labels = [(span, ""), (closer.span(self.file), f"`{closer.text}` stands here")] if closer else []
                self.bag.report(code, message, span, labels=labels)
        line.broken |= bool(reports)

    def _begins(self, row: _Physical, line: Line, strongly: bool) -> bool:
        """Does a physical line look like a statement? Strongly: as no piece of an expression in brackets could."""
        if not row.tokens or len(row.indent) > len(line.indent) or row.tokens[0].type != "NAME":
            return False
        types = [token.type for token in row.tokens[:2]]
        word, following = row.tokens[0].text, row.tokens[1].text if len(row.tokens) > 1 else ""
        if types[1:] == ["NAME"] and word in STATEMENTS and word != "for" and following not in INFIX:
            return True
        if strongly:
            return False
        if word == "minimize" and following not in ("", "=", ",", ")", "]"):
            return True
        for token in row.tokens:
            if token.type == "=":
                return True
            if token.type not in ("NAME", ","):
                return False
        return False

    def _unclosed(
        self, first: int, line: Line, brackets: list[Token], reports: list[tuple[str, str, Span, Token | None]]
    ) -> tuple[Line, int]:
        """A bracket that is never closed: the line ends before the first one that looks like a statement."""
        self.hopeless.update(brackets)
        offset = first - self.physical[first].number
        end = brackets[0].line + offset + 1
        while end < len(self.physical) and not self._begins(self.physical[end], line, strongly=False):
            end += 1
        rows = self.physical[first:end]
        line.tokens = [token for row in rows for token in row.tokens]
        line.broken = any(row.broken for row in rows)
        kept = [report for report in reports if report[2].line + offset < end]
        for opened in brackets:
            if opened.line + offset < end:
                text = f"a `{CLOSER[opened.type]}` is missing for this `{opened.type}`"
                kept.append(("E102", text, opened.span(self.file), None))
        self._tell(line, kept)
        return line, end

    def module_doc(self) -> str:
        """The ``##`` lines at the top that belong to no declaration, or else the ``#`` lines."""
        top: list[_Physical] = []
        for row in self.physical:
            if row.tokens or row.broken:
                top.append(row)
                break
            top.append(row)
        runs: list[tuple[bool, list[str], bool]] = []  # (is it `##`, its lines, does a statement follow at once)
        for position, row in enumerate(top):
            if not row.comment:
                continue
            doc = _is_doc(row.comment)
            text = _doc_text(row.comment) if doc else row.comment.lstrip("#").strip()
            continues = position > 0 and top[position - 1].comment and _is_doc(top[position - 1].comment) == doc
            if not continues:
                runs.append((doc, [], False))
            runs[-1][1].append(text)
            if position + 1 < len(top) and (top[position + 1].tokens or top[position + 1].broken):
                runs[-1] = (runs[-1][0], runs[-1][1], True)
        for wanted in (True, False):
            for doc, texts, attached in runs:
                if doc == wanted and not (doc and attached):
                    return "\n".join(texts).strip()
        return ""


def _goes_on(line: Line, row: _Physical | None) -> bool:
    """Whether a logical line goes on with a physical one."""
    if row is None or not row.tokens:
        return False
    first, last = row.tokens[0], row.tokens[-1]
    if first.type == "|>":
        return True
    opens = not line.tokens or line.tokens[-1].type == ":"
    return first.text == "for" and len(row.indent) > len(line.indent) and not opens and last.type != ":"


def _is_doc(comment: str) -> bool:
    return comment.startswith("##") and not comment.startswith("###")


def _doc_text(comment: str) -> str:
    return comment[2:].removeprefix(" ").rstrip()


# ---------------------------------------------------------------- blocks


def _tree(lines: list[Line], source: Source, bag: Bag) -> list[Line]:
    """Puts the lines of a block below the line that opens it."""
    top: list[Line] = []
    # (indentation, where its lines go); the last entry is the innermost block.
    stack: list[tuple[str, list[Line]]] = [("", top)]
    previous: Line | None = None
    stray: list[Line] | None = None  # the last list of lines that are indented below a line that opens no block
    mixed = False
    for line in lines:
        first = line.tokens[0] if line.tokens else None
        indent = line.indent.replace("\f", "")
        if not all(indent.startswith(other) or other.startswith(indent) for other, _ in stack):
            if first is not None and not mixed:
                mixed = True
                span = Span(source.name, first.line, 1, first.line, first.column)
                bag.report(
                    "E107", "tabs and spaces are mixed in the indentation", span, help="indent with four spaces throughout"
                )
            width = len(indent.expandtabs(8))
            indent = [stack[0][0], *(other for other, _ in stack if len(other.expandtabs(8)) <= width)][-1]
        if len(stack) == 1 and len(indent) < len(stack[0][0]):
            stack[0] = (indent, top)
        if len(indent) > len(stack[-1][0]):
            if previous is None:
                if first is not None:
                    bag.report(
                        "E107", "the first statement is indented", Span(source.name, first.line, 1, first.line, first.column),
                        help="statements start at the left edge",
                    )
                stack[-1] = (indent, stack[-1][1])
            else:
                if previous.opens:
                    stack.append((indent, previous.children))
                elif stack[-1][1] is stray:  # deeper still: no list of its own
                    stack.append((indent, stray))
                else:
                    stray = previous.stray
                    stack.append((indent, stray))
        else:
            while len(stack) > 1 and len(indent) <= len(stack[-2][0]):
                stack.pop()
            if len(indent) < len(stack[-1][0]) and len(stack) > 1 and first is not None:
                bag.report(
                    "E107", "this indentation fits no line above", Span(source.name, first.line, 1, first.line, first.column),
                    help=f"indent it by {len(stack[-1][0])} to stay in the block, or by {len(stack[-2][0])} to leave it",
                )
        stack[-1][1].append(line)
        previous = line
    return top
