"""Statements that bind names at the top level of a model."""

from __future__ import annotations

from ..language import syntax
from .context import Context
from .values import Layer, Literal, Several, Text, Val, Value, made


def bind_values(context: Context, targets: tuple[syntax.Name, ...], value_node: syntax.Expression) -> None:
    """``a, b = value``."""
    start = len(context.ev.drafts)
    value = context.ev.run(value_node, context.env)
    names: dict[str, Value] = {}
    if isinstance(value, Layer) and len(targets) == 1 and not value.path and value.owner is context.ev.root:
        context.ev.name_layer(value, targets[0].id, targets[0].span, context.env)
    if len(targets) > 1 or not isinstance(value, Several | Text | Layer):
        context.ev.unpack(targets, value, names, value_node, context.env)
    else:
        names[targets[0].id] = value
    for found in names.values():
        if isinstance(found, Literal):
            context.ev.materialise(found, value_node.span, context.env)
    results: list[tuple[str, Val]] = []
    for name, found in names.items():
        val = found.val if isinstance(found, Literal) else found
        if isinstance(val, Val):
            results.append((name, val))
    context.names.settle(targets[0].id, results, start)
    for target in targets:
        context.bind(target, names[target.id])


def bind_indexed(context: Context, node: syntax.Indexed) -> None:
    """``name[i, j] = value``."""
    start = len(context.ev.drafts)
    value = context.ev.gather(context.ev.indexed(node, context.env))
    context.names.settle(node.name.id, [(node.name.id, value)] if isinstance(value, Val) else [], start)
    context.bind(node.name, value)


def bind_scan(context: Context, node: syntax.ScanDecl) -> None:
    """``scan`` at the top level: its last carries and its emits are bound."""
    start = len(context.ev.drafts)
    found = context.ev.gather(context.ev.scan(node, context.env))
    inside = {id(v) for d in context.ev.drafts[start:] for v in made(d)}
    results = [(n, v) for n, v in (*found.items(), *context.ev.wishes) if isinstance(v, Val) and id(v) in inside]
    context.ev.wishes.clear()
    context.names.settle("step", results, start)
    for line in node.body:
        if isinstance(line, syntax.Carry | syntax.Emit):
            context.bind(line.name, found[line.name.id])
            if isinstance(line, syntax.Carry):
                context.entry_at(line.name)
