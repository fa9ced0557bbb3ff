"""What the module can differentiate: the default, and what ``gradient`` declares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..graph.ir import Target
from ..language import syntax
from ..language.diagnostics import suggest
from ..language.source import Span
from .scope import Entry, article
from .values import Poison, Val

if TYPE_CHECKING:
    from .model import Elaborator


def find_targets(model: Elaborator) -> tuple[Target, ...]:
    trained = [(p.value.name, p.value.name) for v, p in model.params if not p.frozen]
    found: dict[int, tuple[str, Val, list[tuple[str, str]], bool, Span | None]] = {}
    if model.loss is not None and trained:
        found[id(model.loss)] = ("loss", model.loss, list(trained), False, None)
    elif model.loss is None and model.loss_span is None:
        wrt = [(v.name, v.name) for v, _ in model.inputs if v.kind == "real"] + trained
        for name, (val, _, _) in model.outputs.items():
            if val.kind == "real" and wrt:
                found[id(val)] = (name, val, list(wrt), False, None)
    for node, entry in model.gradients:
        of = differentiated(model, node, entry)
        pairs = [p for name in node.wrt if (p := variable(model, name)) is not None]
        if of is None:
            continue
        name, _, wrt, _, _ = found.get(id(of), (node.of.id, of, [], True, None))
        found[id(of)] = (name, of, list(dict.fromkeys([*wrt, *pairs])), True, node.span)
    collide(model, found.values())
    return tuple(Target(name, val.name, tuple(wrt), declared, span) for name, val, wrt, declared, span in found.values())


def collide(model: Elaborator, targets: Iterable[tuple[str, Val, list[tuple[str, str]], bool, Span | None]]) -> None:
    """The gradients of the loss are g.W, those of another value g.f.x: the two names must differ."""
    wrt = [name for _, val, pairs, _, _ in targets if val is model.loss for name, _ in pairs]
    for name, val, _, _, span in targets:
        if val is not model.loss and name in wrt and span is not None:
            model.report(
                "E267",
                f"the gradients of {name} and the gradient of the loss for {name} would have the same name",
                span,
                notes=(f"that of the loss for {name} is g.{name}, and those of {name} would be g.{name}.x",),
                help="give the output another name",
            )


def differentiated(model: Elaborator, node: syntax.GradientDecl, entry: Entry | None) -> Val | None:
    name = node.of.id
    if name == "loss" and entry is None:
        if model.loss is None and model.loss_span is None and not model.module.broken:
            model.report("E267", "there is no loss", node.of.span, help="minimize something, or name an output")
        return model.loss
    if entry is None:
        known = [*model.ev.entries, "loss"]
        if not model.ev.silent(name):
            meant = suggest(name, known)
            model.report("E220", f"there is no {name} here", node.of.span, help=f"did you mean {meant}?" if meant else None)
        return None
    output = model.outputs.get(name)
    value = output[0] if output is not None and model.ev.entries.get(name) is entry else entry.value
    if isinstance(value, Poison):
        return None
    if not isinstance(value, Val) or value.kind != "real" or value.maker is None:
        if isinstance(value, Val) and value.kind != "real":
            what = "a truth value" if value.kind == "bool" else "an integer"
        else:
            what = "a constant" if entry.what == "binding" else article(entry.what)
        model.report("E245", f"{name} is {what} and has no gradient", node.of.span)
        return None
    return value


def variable(model: Elaborator, name: syntax.Name) -> tuple[str, str] | None:
    """What stands after ``wrt``: the user's name and the value's."""
    for val, _ in model.inputs:
        if val.name == name.id:
            if val.kind != "real":
                model.report("E245", f"{name.id} is an index, and there is no gradient for integers", name.span)
                return None
            return name.id, val.name
    for val, _ in model.params:
        if val.name == name.id:
            return name.id, val.name
    bound = model.bound.get(name.id, [])
    if len(bound) > 1:
        model.report(
            "E267",
            f"{name.id} is bound {len(bound)} times, and which one is meant is not clear",
            name.span,
            labels=tuple((b.span, "") for b in bound),
            help="give them different names",
        )
        return None
    if bound and isinstance(bound[0].value, Val) and bound[0].value.kind == "real":
        bound[0].used = True
        return name.id, bound[0].value.name
    if bound and isinstance(bound[0].value, Poison):
        return None
    entry = model.ev.entries.get(name.id)
    if entry is not None and isinstance(entry.value, Poison):
        return None
    if entry is not None and entry.what in ("random value", "state"):
        model.report(
            "E273", f"{name.id} is {article(entry.what)}, and is a constant to differentiation", name.span,
            labels=((entry.span, "declared here"),),
            help="to differentiate for it, declare it as an input" if entry.what == "state"
            else f"for the gradient of a value made of it, bind that value: z = mu + sigma * {name.id}",
        )  # fmt: skip
        return None
    if entry is not None:
        what = {"hyper": "a hyper", "size": "a size"}.get(entry.what, "not a real array")
        model.report(
            "E267",
            f"{name.id} is {what}, and no gradient is taken for it",
            name.span,
            help="wrt names an input, a param or a binding",
        )
        return None
    if not model.ev.silent(name.id):
        meant = suggest(name.id, [v.name for v, _ in (*model.inputs, *model.params)] + list(model.bound))
        model.report("E220", f"there is no {name.id} here", name.span, help=f"did you mean {meant}?" if meant else None)
    return None
