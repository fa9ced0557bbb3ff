"""Optimisers: ``update`` rules, and ``minimize ... with`` one of them."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

from ..graph.expr import sym
from ..graph.ir import Origin, Update
from ..language import syntax
from ..language.diagnostics import suggest
from ..language.source import Span
from .constants import exact_number
from .scope import Env, Frame
from .values import POISON, Poison, Scalar, Value

if TYPE_CHECKING:
    from .model import Elaborator


def take_optimizer(model: Elaborator, node: syntax.Minimize) -> None:
    if node.optimizer is None:
        return
    call = node.optimizer
    tree = named_rule(model, call.func.id)
    if tree is None and model.ev.silent(call.func.id):
        return
    if tree is None:
        from ..library import updates

        known = [*model.frame.updates, *updates()]
        meant = suggest(call.func.id, known)
        model.report(
            "E268",
            f"there is no optimiser {call.func.id}",
            call.func.span,
            notes=() if meant else (f"there are {', '.join(known)}",),
            help=f"did you mean {meant}?" if meant else None,
        )
        return
    bound = model.ev.bind(call, [(p.name.id, False) for p in tree.params], model.env)
    if bound is None:
        return
    settings: list[tuple[str, Fraction]] = []
    for name, part in bound.items():
        if part is None:
            continue
        value = model.constant(part)
        number = exact_number(value) if isinstance(value, Scalar) else None
        if number is None:
            if not isinstance(value, Poison):
                model.report("E262", f"{name} is a number that is known when the module is compiled", part.span)
            continue
        settings.append((name, number))
    model.optimizer = (call.func.id, tuple(settings))


def named_rule(model: Elaborator, name: str) -> syntax.UpdateDef | None:
    from ..library import updates

    own = model.frame.updates.get(name)
    return own.tree if own is not None else updates().get(name)


def all_updates(model: Elaborator) -> tuple[Update, ...]:
    """The library's rules, replaced by the user's of the same name, then the user's others."""
    from ..library import read, updates

    frame = Frame(read("optimizers"), library=True)
    model.sources.setdefault(frame.source.name, frame.source)
    found: list[Update] = []
    for name, tree in updates().items():
        own = model.frame.updates.get(name)
        made = update(model, own.tree, own.frame) if own is not None else _of_library(model, tree, frame)
        if made is not None:
            found.append(made)
    for name, rule in model.frame.updates.items():
        if name not in updates():
            made = update(model, rule.tree, rule.frame)
            if made is not None:
                found.append(made)
    return tuple(found)


_known: Final[dict[str, tuple[syntax.UpdateDef, Update]]] = {}  # the library's rules, with what they were made of


def _of_library(model: Elaborator, tree: syntax.UpdateDef, frame: Frame) -> Update | None:
    """A rule of the library, which is the same for every model."""
    known = _known.get(tree.name.id)
    if known is not None and known[0] is tree:
        return known[1]
    made = update(model, tree, frame)
    if made is not None:
        _known[tree.name.id] = tree, made
    return made


def update(model: Elaborator, tree: syntax.UpdateDef, frame: Frame) -> Update | None:
    names: dict[str, Value] = {}
    hypers: list[tuple[str, Fraction]] = []
    states: list[tuple[str, Fraction]] = []
    spans: dict[str, Span] = {}
    good = True
    constants = Env(frame, {}, None, None, True, tree.name.id)
    for p in tree.params:
        names[p.name.id] = Scalar(sym(p.name.id))
        if p.default is None:
            model.report(
                "E269", f"the argument {p.name.id} of an update rule needs a default", p.span, help=f"{p.name.id}=0.01, say"
            )
            good = False
            continue
        number = constant_number(model, p.default, constants)
        good = good and number is not None
        hypers.append((p.name.id, number or Fraction(0)))
    weight, gradient = tree.weight.id, tree.gradient.id
    for name in (weight, gradient, "t"):
        names[name] = Scalar(sym(name))
    env = Env(frame, names, None, None, False, tree.name.id)
    for line in tree.body:
        if isinstance(line, syntax.StateDecl):
            number = constant_number(model, line.value, constants)
            good = good and number is not None
            states.append((line.name.id, number or Fraction(0)))
            names[line.name.id] = Scalar(sym(line.name.id))
            spans[line.name.id] = line.span
            continue
        value = model.ev.run(line.value, env)
        if isinstance(value, Poison):
            good = False
        elif not isinstance(value, Scalar):
            model.report("E288", "an update rule works on one element at a time", line.value.span)
            value = POISON
            good = False
        before = len(model.bag)
        model.ev.unpack(line.targets, value, names, line.value, env)
        good = good and len(model.bag) == before
        for target in line.targets:
            spans[target.id] = line.span
    if good and weight not in spans:
        model.report("E269", f"this rule never moves {weight}", tree.name.span, help=f"it ends with {weight} = ...")
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


def constant_number(model: Elaborator, node: syntax.Expression, env: Env) -> Fraction | None:
    value = model.ev.run(node, env)
    number = exact_number(value) if isinstance(value, Scalar) else None
    if number is None and not isinstance(value, Poison):
        model.report("E244", "a number is wanted here", node.span)
    return number
