"""What the module can differentiate: the default, and what ``gradient`` declares."""

from __future__ import annotations

from collections.abc import Iterable

from ..graph.ir import Target
from ..language import syntax
from ..language.diagnostics import suggest
from ..language.source import Span
from .context import Context
from .declarations import Declarations
from .results import Results
from .scope import Entry, article
from .values import Poison, Val

Gradient = tuple[syntax.GradientDecl, Entry | None]  # with what the name before ``wrt`` meant at that line
# A target's name, its value, what it is differentiated for, whether the user declared it, and where.
Found = tuple[str, Val, list[tuple[str, str]], bool, Span | None]


def find_targets(
    context: Context, declared: Declarations, results: Results, gradients: Iterable[Gradient]
) -> tuple[Target, ...]:  # fmt: skip
    """The default targets, and those that ``gradient`` declares with what they are added to."""
    trained = [(p.value.name, p.value.name) for v, p in declared.params if not p.frozen]
    found: dict[int, Found] = {}
    if results.loss is not None and trained:
        found[id(results.loss)] = ("loss", results.loss, list(trained), False, None)
    elif results.loss is None and results.loss_span is None:
        wrt = [(v.name, v.name) for v, _ in declared.inputs if v.kind == "real"] + trained
        for name, (val, _, _) in results.outputs.items():
            if val.kind == "real" and wrt:
                found[id(val)] = (name, val, list(wrt), False, None)
    for node, entry in gradients:
        of = differentiated(context, results, node, entry)
        pairs = [p for name in node.wrt if (p := variable(context, declared, name)) is not None]
        if of is None:
            continue
        name, _, wrt, _, _ = found.get(id(of), (node.of.id, of, [], True, None))
        found[id(of)] = (name, of, list(dict.fromkeys([*wrt, *pairs])), True, node.span)
    collide(context, results, found.values())
    return tuple(Target(name, val.name, tuple(wrt), declared, span) for name, val, wrt, declared, span in found.values())


def collide(context: Context, results: Results, targets: Iterable[Found]) -> None:
    """The gradients of the loss are g.W, those of another value g.f.x: the two names must differ."""
    wrt = [name for _, val, pairs, _, _ in targets if val is results.loss for name, _ in pairs]
    for name, val, _, _, span in targets:
        if val is not results.loss and name in wrt and span is not None:
            context.report(
                "E267",
                f"the gradients of {name} and the gradient of the loss for {name} would have the same name",
                span,
                notes=(f"that of the loss for {name} is g.{name}, and those of {name} would be g.{name}.x",),
                help="give the output another name",
            )


def differentiated(
    context: Context, results: Results, node: syntax.GradientDecl | syntax.JacobianDecl, entry: Entry | None
) -> Val | None:  # fmt: skip
    """What stands before ``wrt``: a real value that an equation makes; None after an error."""
    name = node.of.id
    if name == "loss" and entry is None:
        if results.loss is None and results.loss_span is None and not context.module.broken:
            context.report("E267", "there is no loss", node.of.span, help="minimize something, or name an output")
        return results.loss
    if entry is None:
        known = [*context.ev.entries, "loss"]
        if not context.missing.covers(name):
            meant = suggest(name, known)
            context.report("E220", f"there is no {name} here", node.of.span, help=f"did you mean {meant}?" if meant else None)
        return None
    output = results.outputs.get(name)
    value = output[0] if output is not None and context.ev.entries.get(name) is entry else entry.value
    if isinstance(value, Poison):
        return None
    if not isinstance(value, Val) or value.kind != "real" or value.maker is None:
        if isinstance(value, Val) and value.kind != "real":
            what = "a truth value" if value.kind == "bool" else "an integer"
        else:
            what = "a constant" if entry.what == "binding" else article(entry.what)
        context.report("E245", f"{name} is {what} and has no gradient", node.of.span)
        return None
    return value


def variable(context: Context, declared: Declarations, name: syntax.Name) -> tuple[str, str] | None:
    """What stands after ``wrt``: the user's name and the value's."""
    for val, _ in declared.inputs:
        if val.name == name.id:
            if val.kind != "real":
                context.report("E245", f"{name.id} is an index, and there is no gradient for integers", name.span)
                return None
            return name.id, val.name
    for val, _ in declared.params:
        if val.name == name.id:
            return name.id, val.name
    bound = context.bound.get(name.id, [])
    if len(bound) > 1:
        context.report(
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
    entry = context.ev.entries.get(name.id)
    if entry is not None and isinstance(entry.value, Poison):
        return None
    if entry is not None and entry.what in ("random value", "state"):
        context.report(
            "E273", f"{name.id} is {article(entry.what)}, and is a constant to differentiation", name.span,
            labels=((entry.span, "declared here"),),
            help="to differentiate for it, declare it as an input" if entry.what == "state"
            else f"for the gradient of a value made of it, bind that value: z = mu + sigma * {name.id}",
        )  # fmt: skip
        return None
    if entry is not None:
        what = {"hyper": "a hyper", "size": "a size"}.get(entry.what, "not a real array")
        context.report(
            "E267",
            f"{name.id} is {what}, and no gradient is taken for it",
            name.span,
            help="wrt names an input, a param or a binding",
        )
        return None
    if not context.missing.covers(name.id):
        meant = suggest(name.id, [v.name for v, _ in (*declared.inputs, *declared.params)] + list(context.bound))
        context.report("E220", f"there is no {name.id} here", name.span, help=f"did you mean {meant}?" if meant else None)
    return None
