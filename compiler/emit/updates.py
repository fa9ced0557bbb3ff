"""An optimiser's rule as one fused loop over the flat vector of parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Origin, Update
from ..language.source import Source
from .cython import Lines
from .formulas import ATOM, Code, Formulas
from .names import Speller

STEP: Final = E.sym("t")

def write_update(update: Update, single: bool, used: set[str], sources: Mapping[str, Source],
                 look: Callable[[str, Origin], int] | None = None) -> Lines:  # fmt: skip
    """``cdef void adam(w, g, states, hypers, t, n)``: what does not depend on the element is computed before the loop.
    ``look`` gives the number of a look at what a line of the rule computes, where the module is checked."""
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

    formulas = _Rule(leaf, single, used)
    results = _multiply([_tidy(r) for r in update.results], elements)
    varying = _varying(results, elements)
    invariant: dict[Expr, None] = {}
    for node in E.walk(*results):
        for child in node.args:
            if node in varying and child not in varying and child.args and child not in invariant:
                if any(leaf.op == "sym" for leaf in E.walk(child)):
                    invariant[child] = None
    local: list[str] = []
    flags: list[str] = []

    def name_it(node: Expr, type_: str) -> str:
        name = spell.fresh(f"c{len(local) + len(flags) + 1}")
        (flags if type_ == "bool" else local).append(name)
        return name

    outside, codes = formulas.lines(list(invariant), name_it)
    given: dict[Expr, Code] = {}
    for node, code in zip(invariant, codes, strict=True):
        if code.level == ATOM and code.text.isidentifier():
            given[node] = code
            continue
        name = name_it(node, code.type)
        outside.append((name, code.text))
        given[node] = Code(name, ATOM, code.type)
    state_roots = dict(zip(results[1:], states, strict=False))

    def name_element(node: Expr, type_: str) -> str:
        if node in state_roots and type_ == "real":
            name = spell.fresh(f"{state_roots[node]}_i")
            local.append(name)
            return name
        return name_it(node, type_)

    placed = {node: E.sym(f" {k}") for k, node in enumerate(given)}  # what is computed outside is not looked into
    codes_of.update({str(sym.value): given[node] for node, sym in placed.items()})
    state_roots = {E.substitute(root, placed): name for root, name in state_roots.items()}
    inside, roots = formulas.lines([E.substitute(r, placed) for r in results], name_element)
    out = Lines()
    arguments = "write w, read g, real **states_, const double *hypers_, double t, Py_ssize_t count"
    head = spell_function(update.name)
    out.add(f"cdef void {head}({arguments}) noexcept nogil:")
    for line in update.doc.splitlines():
        out.add(f"    # {line}".rstrip(), *update.origins)
    for k, name in enumerate(states.values()):
        out.add(f"    cdef write {name} = <write>states_[{k}]")
    for k, name in enumerate(hypers.values()):
        out.add(f"    cdef real {name} = <real>hypers_[{k}]")
    if local:
        out.add(f"    cdef real {', '.join(local)}")
    if flags:
        out.add(f"    cdef bint {', '.join(flags)}")
    out.add("    cdef Py_ssize_t i")
    for name, text in outside:
        out.add(f"    {name} = {text}", *update.origins)
    out.add("    for i in range(count):", *update.origins)
    seen: set[tuple[str, int]] = set()
    spans = [(span, origin) for origin in update.origins for span in origin.spans]
    for span, origin in sorted(spans, key=lambda s: (s[0].file, s[0].line)):
        if (span.file, span.line) not in seen:
            seen.add((span.file, span.line))
            source = sources.get(span.file)
            text = source.line(span.line).strip() if source else ""
            out.add(f"        # {span.file}:{span.line}   {text}".rstrip(), origin)
    for name, text in inside:
        out.add(f"        {name} = {text}", *update.origins)
    # the states first, then w; each is computed from the old values of all
    targets = [*(f"{s}[i]" for s in states.values()), "w[i]"]
    values = [*(c.text for c in roots[1:]), roots[0].text]
    for k, name in enumerate((*states.values(), "w")):
        if any(target in values[k] for target in targets[:k]):
            fresh = spell.fresh(f"{name}_i")
            local_line = next(k for k, line in enumerate(out.text) if line.startswith("    cdef Py_ssize_t i"))
            out.text.insert(local_line, f"    cdef real {fresh}")
            out.origins.insert(local_line, ())
            out.add(f"        {fresh} = {values[k]}", *update.origins)
            values[k] = fresh
    whats = [f"{name} of {{}}, in the rule {update.name}," for name in states]
    whats.append(f"{{}}, updated by the rule {update.name},")
    origins = (*update.origins[1:], *update.origins[:1])
    for target, value, what, origin in zip(targets, values, whats, origins, strict=True):
        if target != value:
            out.add(f"        {target} = {value}", *update.origins)
            if look is not None:
                out.add(f"        _look({target}, i, {look(what, origin)})", *update.origins)
    return out


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
