"""Update rules: each is a function that takes one step for a whole vector of parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from ...graph import expr as E
from ...graph.expr import Expr
from ...graph.ir import Update
from ...language.source import Source
from ...passes.descent import idle
from ..names import Speller
from ..updates import Said, said
from .code import ATOM, NAMES, Code, one_line, safe, spellable
from .formulas import Formulas


def update_name(name: str) -> str:
    """What the function of a rule is called."""
    return "_update_" + spellable(name)


_written: Final[dict[Said, tuple[str, frozenset[str]]]] = {}


def update_text(update: Update, used: set[str], sources: Mapping[str, Source]) -> str:
    """The rule as a function. The library's are written once, for every model has them."""
    key = said(update, sources)
    if key not in _written:
        own: set[str] = set()
        _written[key] = "\n".join(_write_update(update, own, sources)), frozenset(own)
    text, asked = _written[key]
    used |= asked
    return text


def _write_update(update: Update, used: set[str], sources: Mapping[str, Source]) -> Iterator[str]:
    """``def _update_adam(w, g, states, hypers, t)``: one step for a whole vector of parameters."""
    spell = Speller(NAMES)
    names = {update.weight: "w", update.gradient: "g"}
    states = [spell.fresh(spellable(n)) for n, _ in update.states]
    hypers = [spell.fresh(spellable(n)) for n, _ in update.hypers]
    names.update(zip((n for n, _ in update.states), states, strict=True))
    names.update(zip((n for n, _ in update.hypers), hypers, strict=True))
    yield f"def {update_name(update.name)}(w, g, states, hypers, t):"
    if update.doc.strip():
        yield f'    """{safe(update.doc.strip())}"""'
    if states:
        yield f"    {', '.join(states)}{',' if len(states) == 1 else ''} = states"
    if hypers:
        yield f"    {', '.join(hypers)}{',' if len(hypers) == 1 else ''} = np.asarray(hypers, np.float64)"
    yield from _lines_of_model(update, sources)
    less = idle(update)
    if less is not None:  # states of no use stay as they are
        zero, reduced = less
        yield f"    if {' == '.join([*(names[n] for n in zero), '0'])}:"
        yield from (f"    {line}" for line in _update_lines(reduced, names, spell, used))
        yield "        return"
    yield from _update_lines(update, names, spell, used)


def _lines_of_model(update: Update, sources: Mapping[str, Source]) -> Iterator[str]:
    """The lines that say the rule, as comments."""
    lines_of: dict[str, list[int]] = {}
    for span in (s for o in update.origins for s in o.spans):
        if span.line not in lines_of.setdefault(span.file, []):
            lines_of[span.file].append(span.line)
    for file, numbers in lines_of.items():
        if file in sources:
            for number in sorted(numbers):
                yield f"    # {one_line(file)}:{number}   {sources[file].line(number).strip()}".rstrip()
        else:
            yield f"    # {one_line(file)}:{', '.join(map(str, sorted(numbers)))}"


def _update_lines(update: Update, names: Mapping[str, str], spell: Speller, used: set[str]) -> Iterator[str]:
    states = [names[name] for name, _ in update.states]
    lines: list[str] = []
    new = {result: f"{name}_new" for result, name in zip(update.results, ("w", *states), strict=True)}

    def leaf(node: Expr) -> Code:
        return Code(names.get(str(node.value), str(node.value)), ATOM, "real")

    def name(node: Expr) -> str:
        return spell.fresh(new.get(node, "part"))

    formulas = Formulas(leaf, name, lines.append, used)
    weight, *rest = formulas.codes(update.results)
    # each is computed from the old values; then all are written
    for k, (state, code) in enumerate(zip(states, rest, strict=True)):
        if not code.text.isidentifier() and any(n.op == "sym" for n in E.walk(update.results[k + 1])):
            lines.append(f"{spell.fresh(f'{state}_new')} = {code.text}")
            rest[k] = replace(code, text=lines[-1].partition(" = ")[0])
    yield '    with np.errstate(all="ignore"):'
    for line in lines:
        yield f"        {line}"
    yield f"        w[...] = {weight.text}"
    for state, code in zip(states, rest, strict=True):
        yield f"        {state}[...] = {code.text}"
