"""An optimiser's rule as one fused loop over the flat vector of parameters: in Cython, in the module of the model that has it,
or in C. The library's rules depend on nothing but the real type: in C they stand in ``gradwright/updates_real.h``, which
``make generated`` writes. They are compiled once, and modules name them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from fractions import Fraction
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Origin, Update
from ..language.source import Source
from ..passes.descent import idle
from ..records import dataclass
from .formulas import ATOM, Code, Formulas
from .lines import Lines
from .names import Speller

STEP: Final = E.sym("t")


@dataclass
class _Steps:
    """What a rule does, whatever it is spelled in."""

    states: list[str]
    hypers: list[str]
    outside: list[tuple[str, str]]  # what does not depend on the element: name, text
    inside: list[tuple[str, str]]
    targets: list[tuple[str, str, str]]  # what is written at last: a name for the value where it needs one, target, value
    local: list[str] = field(default_factory=list)  # names of reals
    flags: list[str] = field(default_factory=list)  # names of conditions


def write_update(update: Update, single: bool, used: set[str], sources: Mapping[str, Source],
                 look: Callable[[str, Origin], int] | None = None) -> Lines:  # fmt: skip
    """``cdef void adam(w, g, states, hypers, t, n)``: what does not depend on the element is computed before the loop.
    ``look`` gives the number of a look at what a line of the rule computes, where the module is checked. A rule that needs
    fewer of its states while some hyper-parameters are 0 has a function for that as well, and leaves the others alone then."""
    less = idle(update)
    if less is None:
        return _write(update, update, update.name, single, used, sources, look)
    zero, reduced = less
    out = _write(reduced, update, f"{update.name}_idle", single, used, sources, look)
    out.add("")
    out.add("")
    lines = _write(update, update, update.name, single, used, sources, look)
    place = next(k for k, line in enumerate(lines.text) if line.startswith("    cdef "))
    condition = " and ".join(f"hypers_[{k}] == 0" for k in _numbers(update, zero))
    call = f"        {spell_function(f'{update.name}_idle')}(w, g, states_, hypers_, t, count)"
    lines.text[place:place] = [f"    if {condition}:  # {', '.join(zero)}", call, "        return"]
    lines.origins[place:place] = [(*update.origins,)] * 3
    out.extend(lines)
    return out


def _numbers(update: Update, hypers: Sequence[str]) -> list[int]:
    names = [name for name, _ in update.hypers]
    return [names.index(name) for name in hypers]


def _write(update: Update, whole: Update, called: str, single: bool, used: set[str], sources: Mapping[str, Source],
           look: Callable[[str, Origin], int] | None) -> Lines:  # fmt: skip
    """One function for ``update``, whose arguments are those of ``whole``, of which it has perhaps not all states."""
    rule = _steps(update, lambda leaf: _Rule(leaf, single, used))
    out = Lines()
    arguments = "write w, read g, real **states_, const double *hypers_, double t, Py_ssize_t count"
    out.add(f"cdef void {spell_function(called)}({arguments}) noexcept nogil:")
    for line in update.doc.splitlines():
        out.add(f"    # {line}".rstrip(), *update.origins)
    for k, name in zip(_places(update, whole), rule.states, strict=True):
        out.add(f"    cdef write {name} = <write>states_[{k}]")
    for k, name in enumerate(rule.hypers):
        out.add(f"    cdef real {name} = <real>hypers_[{k}]")
    if rule.local:
        out.add(f"    cdef real {', '.join(rule.local)}")
    if rule.flags:
        out.add(f"    cdef bint {', '.join(rule.flags)}")
    for name, _, _ in rule.targets:
        if name:
            out.add(f"    cdef real {name}")
    out.add("    cdef Py_ssize_t i")
    for name, text in rule.outside:
        out.add(f"    {name} = {text}", *update.origins)
    out.add("    for i in range(count):", *update.origins)
    for line, origin in _quoted(update, sources):
        out.add(f"        # {line}".rstrip(), origin)
    for name, text in rule.inside:
        out.add(f"        {name} = {text}", *update.origins)
    for name, _, value in rule.targets:
        if name:
            out.add(f"        {name} = {value}", *update.origins)
    whats = [f"{name} of {{}}, in the rule {update.name}," for name in rule.states]
    whats.append(f"{{}}, updated by the rule {update.name},")
    origins = (*update.origins[1:], *update.origins[:1])
    for (name, target, value), what, origin in zip(rule.targets, whats, origins, strict=True):
        if target != value:
            out.add(f"        {target} = {name or value}", *update.origins)
            if look is not None:
                out.add(f"        _look({target}, i, {look(what, origin)})", *update.origins)
    return out


def _places(update: Update, whole: Update) -> list[int]:
    """Where the states of ``update`` are among those of ``whole``."""
    names = [name for name, _ in whole.states]
    return [names.index(name) for name, _ in update.states]


def _steps(update: Update, printer: Callable[[Callable[[Expr], Code]], Formulas]) -> _Steps:
    spell = Speller(("w", "g", "states_", "hypers_", "t", "count", "i"))
    states = {name: spell.fresh(name) for name, _ in update.states}
    hypers = {name: spell.fresh(name) for name, _ in update.hypers}
    elements = {update.weight: "w[i]", update.gradient: "g[i]"} | {n: f"{s}[i]" for n, s in states.items()}

    codes_of: dict[str, Code] = {}

    def leaf(node: Expr) -> Code:
        name = str(node.value)
        if name in codes_of:
            return codes_of[name]
        if name in elements:
            return Code(elements[name], ATOM, "real")
        return Code(hypers.get(name, "t"), ATOM, "real")

    formulas = printer(leaf)
    results = _multiply([_tidy(r) for r in update.results], elements)
    varying = _varying(results, elements)
    invariant: dict[Expr, None] = {}
    for node in E.walk(*results):
        for child in node.args:
            if node in varying and child not in varying and child.args and child not in invariant:
                if any(leaf.op == "sym" for leaf in E.walk(child)):
                    invariant[child] = None
    rule = _Steps(list(states.values()), list(hypers.values()), [], [], [])

    def name_it(node: Expr, type_: str) -> str:
        name = spell.fresh(f"c{len(rule.local) + len(rule.flags) + 1}")
        (rule.flags if type_ == "bool" else rule.local).append(name)
        return name

    rule.outside, codes = formulas.lines(list(invariant), name_it)
    given: dict[Expr, Code] = {}
    for node, code in zip(invariant, codes, strict=True):
        if code.level == ATOM and code.text.isidentifier():
            given[node] = code
            continue
        name = name_it(node, code.type)
        rule.outside.append((name, code.text))
        given[node] = Code(name, ATOM, code.type)
    state_roots = dict(zip(results[1:], states, strict=False))

    def name_element(node: Expr, type_: str) -> str:
        if node in state_roots and type_ == "real":
            name = spell.fresh(f"{state_roots[node]}_i")
            rule.local.append(name)
            return name
        return name_it(node, type_)

    placed = {node: E.sym(f" {k}") for k, node in enumerate(given)}  # what is computed outside is not looked into
    codes_of.update({str(sym.value): given[node] for node, sym in placed.items()})
    state_roots = {E.substitute(root, placed): name for root, name in state_roots.items()}
    rule.inside, roots = formulas.lines([E.substitute(r, placed) for r in results], name_element)
    # the states first, then w; each is computed from the old values of all
    targets = [*(f"{s}[i]" for s in rule.states), "w[i]"]
    values = [*(c.text for c in roots[1:]), roots[0].text]
    for k, name in enumerate((*rule.states, "w")):
        early = any(target in values[k] for target in targets[:k])
        rule.targets.append((spell.fresh(f"{name}_i") if early else "", targets[k], values[k]))
    return rule


def _quoted(update: Update, sources: Mapping[str, Source]) -> list[tuple[str, Origin]]:
    """The lines of the rule, each with its place."""
    seen: set[tuple[str, int]] = set()
    found: list[tuple[str, Origin]] = []
    spans = [(span, origin) for origin in update.origins for span in origin.spans]
    for span, origin in sorted(spans, key=lambda s: (s[0].file, s[0].line)):
        if (span.file, span.line) not in seen:
            seen.add((span.file, span.line))
            source = sources.get(span.file)
            text = source.line(span.line).strip() if source else ""
            found.append((f"{span.file}:{span.line}   {text}", origin))
    return found


def spell_function(name: str) -> str:
    return f"update_{name}"


class _Rule(Formulas):
    """The formulas of a rule; a power of the step's number takes one multiplication a step."""

    def _pow(self, node: Expr, args: list[Code]) -> Code:
        if node.args[1] is not STEP:
            return super()._pow(node, args)
        self.used.add("step_power")
        return Code(f"step_power({self.real(args[0]).text}, {args[1].text})", ATOM, "real")


def _varying(results: Sequence[Expr], elements: Mapping[str, str]) -> set[Expr]:
    """What depends on the element."""
    varying: set[Expr] = set()
    for node in E.walk(*results):
        if (node.op == "sym" and str(node.value) in elements) or any(a in varying for a in node.args):
            varying.add(node)
    return varying


def _multiply(results: Sequence[Expr], elements: Mapping[str, str]) -> list[Expr]:
    """A division by what is the same for all elements becomes a multiplication by its reciprocal: one rounding more, and a
    fraction of the time."""
    varying = _varying(results, elements)
    done: dict[Expr, Expr] = {}
    for node in E.walk(*results):
        args = tuple(done[a] for a in node.args)
        if node.op == "div" and node.args[0] in varying and node.args[1] not in varying and E.leaves(node.args[1], "sym"):
            done[node] = E.make("mul", args[0], E.make("div", E.ONE, args[1]))
        else:
            done[node] = E.rebuild(node, args) if node.args else node
    return [done[r] for r in results]


def _tidy(root: Expr) -> Expr:
    """Constants folded."""
    done: dict[Expr, Expr] = {}
    for node in E.walk(root):
        done[node] = E.fold_node(node, tuple(done[a] for a in node.args)) if node.args else node
    return done[root]


# ---------------------------------------------------------------- in C


class _CRule(_Rule):
    """The same expressions, for both real types: GW_REAL is the type, GW_MATH(sqrt) its square root."""

    def number(self, value: Fraction) -> Code:
        code = super().number(value)
        return code if code.type == "int" else Code(f"(GW_REAL){float(value)!r}", 8, "real")

    def real(self, code: Code) -> Code:
        return code if code.type == "real" else Code(f"(GW_REAL){code.tight(9)}", 8, "real")

    def _function(self, name: str, *args: Code) -> Code:
        text = ", ".join(self.real(a).text if a.type == "bool" else a.text for a in args)
        return Code(f"GW_MATH({name})({text})", ATOM, "real")

    def _pow(self, node: Expr, args: list[Code]) -> Code:
        code = super()._pow(node, args)
        return Code(f"gw_{code.text}", ATOM, "real") if node.args[1] is STEP else code

    def _code(self, node: Expr, args: list[Code]) -> Code:
        if node.op in ("and", "or"):
            a, b = (self.condition(x).tight(5) for x in args)
            return Code(f"({a} {'&&' if node.op == 'and' else '||'} {b})", ATOM, "bool")
        if node.op == "not":
            return Code(f"!{self.condition(args[0]).tight(9)}", 8, "bool")
        if node.op == "where":
            flag = args[1].type == args[2].type == "bool"
            a, b = (x.tight(5) if flag else self.real(x).tight(5) for x in args[1:])
            return Code(f"({self.condition(args[0]).tight(5)} ? {a} : {b})", ATOM, "bool" if flag else "real")
        return super()._code(node, args)


def c_update(update: Update, sources: Mapping[str, Source]) -> str:
    """The rule as a C function, as ``updates_real.h`` has it."""
    lines = [f"/* {line} */" for line in update.doc.splitlines() if line.strip()]
    lines += [f"GW_UPDATE({update.name})", "{"]
    less = idle(update)
    if less is not None:  # it leaves the states alone that are of no use then
        zero, reduced = less
        condition = " && ".join(f"hypers_[{k}] == 0" for k in _numbers(update, zero))
        lines += [f"    if ({condition}) {{ /* {', '.join(zero)} */"]
        lines += [f"    {line}" for line in _c_lines(reduced, update, sources)]
        lines += ["        return;", "    }"]
    return "\n".join([*lines, *_c_lines(update, update, sources), "}", ""])


def _c_lines(update: Update, whole: Update, sources: Mapping[str, Source]) -> list[str]:
    rule = _steps(update, lambda leaf: _CRule(leaf, False, set()))
    flags = set(rule.flags)

    def declared(name: str, text: str) -> str:
        return f"const {'int' if name in flags else 'GW_REAL'} {name} = {text};"

    places = zip(_places(update, whole), rule.states, strict=True)
    lines = [f"    GW_REAL *const __restrict__ {name} = states_[{k}];" for k, name in places]
    texts = " ".join(text for _, text in (*rule.outside, *rule.inside, *((n, value) for n, _, value in rule.targets)))
    used = [(k, name) for k, name in enumerate(rule.hypers) if re.search(rf"\b{name}\b", texts)]
    lines += [f"    const GW_REAL {name} = (GW_REAL)hypers_[{k}];" for k, name in used]
    lines += [f"    {declared(name, text)}" for name, text in rule.outside]
    lines += ["    ptrdiff_t i;", "    for (i = 0; i < count; i++) {"]
    lines += [f"        /* {line} */" for line, _ in _quoted(update, sources)]
    lines += [f"        {declared(name, text)}" for name, text in rule.inside]
    lines += [f"        {declared(name, value)}" for name, _, value in rule.targets if name]
    lines += [f"        {target} = {name or value};" for name, target, value in rule.targets if target != value]
    return [*lines, "    }"]


def header(updates: Sequence[Update], sources: Mapping[str, Source]) -> str:
    """What ``updates_real.h`` must hold."""
    top = """\
/* The update rules of compiler/library/optimizers.gw, once for each real type; make generated writes them.
   Each moves `count` parameters w along their gradients g; t is the number of the step, from 1. */
#define GW_UPDATE(name)                                                                                       \\
    GW_UPDATES_ENTRY void GW_NAME(gw_update_##name)(GW_REAL *__restrict__ w, const GW_REAL *__restrict__ g,   \\
                                                    GW_REAL **states_, const double *hypers_, double t, ptrdiff_t count)
"""
    declared = "".join(f"GW_UPDATE({update.name});\n" for update in updates)
    bodies = "\n".join(c_update(update, sources) for update in updates)
    return f"{top}\n{declared}\n#ifndef GW_LINKED_UPDATES\n\n{bodies}\n#endif\n#undef GW_UPDATE\n"


@cache
def _committed() -> str:
    """The text of ``updates_real.h``, which lies with the runtime."""
    spec = find_spec("gradwright.runtime")
    where = next(iter(spec.submodule_search_locations or ()), "") if spec else ""
    try:
        return Path(where, "include", "gradwright", "updates_real.h").read_text(encoding="utf-8")
    except OSError:
        return ""


Said = tuple[Update, tuple[Origin, ...], tuple[str, ...]]


def said(update: Update, sources: Mapping[str, Source]) -> Said:
    """All that the text of a rule depends on."""
    return update, update.origins, tuple(line for line, _ in _quoted(update, sources))


_shared: Final[dict[Said, bool]] = {}


def is_shared(update: Update, sources: Mapping[str, Source]) -> bool:
    """Whether the headers have just this rule, so that a module need not say it again."""
    key = said(update, sources)
    if key not in _shared:  # the library's rules are asked about for every model
        _shared[key] = f"\n{c_update(update, sources)}" in _committed()
    return _shared[key]


def library_header() -> str:
    """``updates_real.h`` for the library as it is now."""
    from .. import library
    from ..elaborate import elaborate
    from ..language.parser import parse

    source = Source("empty.gw", "input x\noutput y = x\n")
    module, _ = parse(source)
    assert module is not None
    model, found = elaborate(module)
    assert model is not None, found
    return header(model.updates, {s.name: s for s in map(library.read, library.NAMES)})
