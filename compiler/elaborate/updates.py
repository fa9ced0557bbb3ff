"""Optimisers: ``update`` rules, and ``minimize ... with`` one of them."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from ..graph.expr import sym
from ..graph.ir import Origin, Update
from ..language import syntax
from ..language.diagnostics import suggest
from ..language.source import Span
from ..library import read, updates
from .constants import exact_number
from .context import Context
from .scope import Env, Frame
from .values import POISON, Poison, Scalar, Value


def chosen_optimizer(context: Context, call: syntax.Call) -> tuple[str, tuple[tuple[str, Fraction], ...]] | None:
    """What stands behind ``with``: the rule's name and its settings; None after an error."""
    name = call.func.id
    rule = named_rule(context, name)
    if rule is None:
        if not context.missing.covers(name):
            known = [*context.frame.updates, *updates()]
            meant = suggest(name, known)
            context.report(
                "E268", f"there is no optimiser {name}", call.func.span,
                notes=() if meant else (f"there are {', '.join(known)}",),
                help=f"did you mean {meant}?" if meant else None,
            )  # fmt: skip
        return None
    bound = context.ev.bind(call, [(p.name.id, False) for p in rule.params], context.env)
    if bound is None:
        return None
    settings: list[tuple[str, Fraction]] = []
    for name, part in bound.items():
        if part is None:
            continue
        value = context.constant(part)
        number = exact_number(value) if isinstance(value, Scalar) else None
        if number is not None:
            settings.append((name, number))
        elif not isinstance(value, Poison):
            context.report("E262", f"{name} is a number that is known when the module is compiled", part.span)
    return call.func.id, tuple(settings)


def named_rule(context: Context, name: str) -> syntax.UpdateDef | None:
    """A rule of the model's files, or else of the library."""
    own = context.frame.updates.get(name)
    return own.tree if own is not None else updates().get(name)


def all_updates(context: Context) -> tuple[Update, ...]:
    """The library's rules, replaced by the user's of the same name, then the user's others."""
    frame = Frame(read("optimizers"), library=True)
    context.files.sources.setdefault(frame.source.name, frame.source)
    found: list[Update] = []
    for name, tree in updates().items():
        own = context.frame.updates.get(name)
        made = update(context, own.tree, own.frame) if own is not None else _of_library(context, tree, frame)
        if made is not None:
            found.append(made)
    for name, rule in context.frame.updates.items():
        if name not in updates():
            made = update(context, rule.tree, rule.frame)
            if made is not None:
                found.append(made)
    return tuple(found)


_known: Final[dict[str, tuple[syntax.UpdateDef, Update]]] = {}  # the library's rules, with what they were made of


def _of_library(context: Context, tree: syntax.UpdateDef, frame: Frame) -> Update | None:
    """A rule of the library, which is the same for every context."""
    known = _known.get(tree.name.id)
    if known is not None and known[0] is tree:
        return known[1]
    made = update(context, tree, frame)
    if made is not None:
        _known[tree.name.id] = tree, made
    return made


def update(context: Context, tree: syntax.UpdateDef, frame: Frame) -> Update | None:
    """A rule as expressions over its symbols; None after an error."""
    names: dict[str, Value] = {}
    hypers: list[tuple[str, Fraction]] = []
    states: list[tuple[str, Fraction]] = []
    spans: dict[str, Span] = {}
    good = True
    constants = Env(frame, {}, None, None, True, tree.name.id)
    for p in tree.params:
        names[p.name.id] = Scalar(sym(p.name.id))
        if p.default is None:
            context.report(
                "E269", f"the argument {p.name.id} of an update rule needs a default", p.span, help=f"{p.name.id}=0.01, say"
            )
            good = False
            continue
        number = constant_number(context, p.default, constants)
        good = good and number is not None
        hypers.append((p.name.id, number or Fraction(0)))
    weight, gradient = tree.weight.id, tree.gradient.id
    for name in (weight, gradient, "t"):
        names[name] = Scalar(sym(name))
    env = Env(frame, names, None, None, False, tree.name.id)
    for line in tree.body:
        if isinstance(line, syntax.StateDecl):
            number = constant_number(context, line.value, constants)
            good = good and number is not None
            states.append((line.name.id, number or Fraction(0)))
            names[line.name.id] = Scalar(sym(line.name.id))
            spans[line.name.id] = line.span
            continue
        value = context.ev.run(line.value, env)
        if isinstance(value, Poison):
            good = False
        elif not isinstance(value, Scalar):
            context.report("E288", "an update rule works on one element at a time", line.value.span)
            value = POISON
            good = False
        before = len(context.bag)
        context.ev.unpack(line.targets, value, names, line.value, env)
        good = good and len(context.bag) == before
        for target in line.targets:
            spans[target.id] = line.span
    if good and weight not in spans:
        context.report("E269", f"this rule never moves {weight}", tree.name.span, help=f"it ends with {weight} = ...")
        good = False
    if not good:
        return None
    results = [names[weight], *(names[s] for s, _ in states)]
    origins = tuple(Origin((spans[n],), "source") for n in (weight, *(s for s, _ in states)))
    return Update(
        tree.name.id,
        weight,
        gradient,
        tuple(hypers),
        tuple(states),
        tuple(r.expr for r in results if isinstance(r, Scalar)),
        tree.doc,
        origins,
    )


def constant_number(context: Context, node: syntax.Expression, env: Env) -> Fraction | None:
    """A number that is known when the module is compiled; None after an error."""
    value = context.ev.run(node, env)
    number = exact_number(value) if isinstance(value, Scalar) else None
    if number is None and not isinstance(value, Poison):
        context.report("E244", "a number is wanted here", node.span)
    return number
