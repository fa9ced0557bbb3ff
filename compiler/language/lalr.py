"""Makes tables.py from grammar.lark: ``python -m gradwright.compiler.language.lalr``.

Lark computes the LALR tables, and only here: reading a model needs the tables alone, so that ``gradwright check`` pays neither
for Lark's import nor for building a parser. States are renumbered in a fixed order, so that the file is the same every time.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

STARTS = ("line", "def_line", "layer_line", "for_line", "scan_line", "update_line", "expr")
_HERE = Path(__file__).parent


def make_tables(debug: bool = False) -> str:
    """The text of tables.py."""
    from lark import Lark
    from lark.lexer import Lexer
    from lark.parsers.lalr_analysis import Shift

    class NoLexer(Lexer):  # type: ignore[misc, unused-ignore]
        """Lark wants one; ours is lexer.py."""

        def __init__(self, lexer_conf: object) -> None:
            pass

        def lex(self, lexer_state: object, parser_state: object) -> object:  # type: ignore[override, unused-ignore]
            raise NotImplementedError

    grammar = (_HERE / "grammar.lark").read_text(encoding="utf-8")
    lark = Lark(grammar, parser="lalr", lexer=NoLexer, start=list(STARTS), maybe_placeholders=False, debug=debug)
    table = lark.parser.parser._parse_table
    literal = {terminal.name: terminal.pattern.value for terminal in lark.terminals if terminal.pattern is not None}

    def symbol(name: str) -> str:
        return literal.get(name, name)

    order: list[int] = []
    todo = [table.start_states[start] for start in STARTS]
    seen = set(todo)
    while todo:
        state = todo.pop(0)
        order.append(state)
        for _, (action, argument) in sorted(table.states[state].items(), key=lambda entry: (symbol(entry[0]), entry[0])):
            if action is Shift and argument not in seen:
                seen.add(argument)
                todo.append(argument)
    number = {state: position for position, state in enumerate(order)}

    ends = set(table.end_states.values())
    rules: dict[tuple[str, str, int], int] = {}
    actions, gotos = [], []
    for state in order:
        terminals: list[str] = ["$END 0"] if state in ends else []  # to accept looks like a shift
        nonterminals: list[str] = []
        for name, (action, argument) in sorted(table.states[state].items(), key=lambda entry: (symbol(entry[0]), entry[0])):
            if action is Shift:
                entry = f"{symbol(name)} {number[argument]}"
                (nonterminals if name not in literal and name.islower() else terminals).append(entry)
            else:
                size = len(argument.expansion)
                if argument.alias is None and size != 1:
                    raise ValueError(f"the rule {argument} of grammar.lark needs a name")
                key = (argument.origin.name, argument.alias or "", size)
                terminals.append(f"{symbol(name)} {~rules.setdefault(key, len(rules))}")
        actions.append(terminals)
        gotos.append(nonterminals)

    def rows(table: list[list[str]]) -> str:
        return "\n".join(
            textwrap.fill(" ".join(row) or "-", 116, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
            for row in table
        )

    start = ", ".join(f'"{name}": {number[table.start_states[name]]}' for name in STARTS)
    listed = "\n".join(f'    ("{origin}", "{alias}", {size}),' for origin, alias, size in rules)
    return f'''"""Made from grammar.lark by lalr.py: do not edit. The LALR(1) tables, one state a row (indented lines go on).

In ACTIONS a terminal is followed by the next state, or by ~r for a reduction with rule r of RULES: (what it makes, the name
of the method that builds it, how many symbols it takes). GOTOS has the states after a reduction.
"""

START = {{{start}}}

RULES = (
{listed}
)

ACTIONS = """\\
{rows(actions)}"""

GOTOS = """\\
{rows(gotos)}"""
'''


if __name__ == "__main__":
    (_HERE / "tables.py").write_text(make_tables(), encoding="utf-8")
