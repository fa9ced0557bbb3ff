"""What ``jacobian`` and ``hessian`` declare: values that no output is, each with a call of its own at run time."""

from __future__ import annotations

from collections.abc import Iterable

from ..graph.ir import Derived
from ..language import syntax
from .context import Context
from .declarations import Declarations
from .results import Results
from .scope import Entry
from .targets import differentiated, variable
from .values import Val, describe, reached

Declared = tuple[syntax.JacobianDecl, Entry | None]  # with what the name before ``wrt`` meant at that line


def find_derived(context: Context, declared: Declarations, results: Results, asked: Iterable[Declared]) -> tuple[Derived, ...]:
    """The values, which become part of the graph here."""
    found: dict[tuple[str, str, tuple[str, str]], tuple[syntax.JacobianDecl, Val]] = {}
    for node, entry in asked:
        of = differentiated(context, results, node, entry)
        for name in node.wrt:
            pair = variable(context, declared, name)
            if of is None or pair is None:
                continue
            first = found.get((node.what, node.of.id, pair))
            if first is not None:
                labels = ((first[0].span, "here"),)
                context.report("E221", f"this {word(node)} is declared already", node.span, labels=labels)
                continue
            value = slopes(context, node, name, of, meant(context, declared, pair[0]))
            if value is not None:
                found[node.what, node.of.id, pair] = node, value
    several = {what for what, _, _ in found if len({of for other, of, _ in found if other == what}) > 1}
    return tuple(
        Derived(what, f"{of}.{wrt[0]}" if what in several else wrt[0], value.name, of, wrt, node.each is not None, node.span)
        for (what, of, wrt), (node, value) in found.items()
    )


def word(node: syntax.JacobianDecl) -> str:
    return node.what.partition("_")[0]


def meant(context: Context, declared: Declarations, name: str) -> Val:
    """The array that ``variable`` found by this name."""
    given = next((v for v, _ in (*declared.inputs, *declared.params) if v.name == name), None)
    value = context.bound[name][0].value if given is None else given
    assert isinstance(value, Val)
    return value


def slopes(context: Context, node: syntax.JacobianDecl, name: syntax.Name, u: Val, x: Val) -> Val | None:
    """The equations that compute it; None after an error."""
    ev, env, start = context.ev, context.env, len(context.ev.drafts)
    labels = ((node.of.span, f"{node.of.id} is {describe(u)}"), (name.span, f"{name.id} is {describe(x)}"))
    if id(x) not in reached([u]):
        context.report(
            "E267", f"{node.of.id} does not depend on {name.id}", name.span, labels=((node.of.span, f"this {node.of.id}"),),
            notes=("its derivative is 0",),
        )  # fmt: skip
        return None
    if node.what == "jacobian" and node.each is not None:
        if not u.shape or not x.shape or u.shape[0] != x.shape[0]:
            message = f"a block for each {node.each.id} wants {node.of.id} and {name.id} to have the same first axis"
            help = f"for all pairs of their elements: jacobian {node.of.id} wrt {name.id}"
            context.report("E203", message, node.each.span, labels=labels, help=help)
            return None
        value = ev.slopes("jacobian", u, x, 1, node, env)
    elif node.what == "jacobian":
        value = ev.slopes("jacobian", u, x, 0, node, env)
    elif u.shape:
        help = f"jacobian {node.of.id} wrt {name.id} has the first derivatives of all its elements"
        context.report("E285", "hessian wants a number", node.of.span, labels=labels[:1], help=help)
        return None
    else:
        first = ev.slopes("diff", u, x, 0, node, env)
        value = ev.slopes("hessian", first, x, len(x.shape) if node.what == "hessian_diagonal" else 0, node, env)
    context.names.settle(f"{node.what}_{node.of.id}", [(f"{node.what}_{node.of.id}_{name.id}", value)], start)
    return value
