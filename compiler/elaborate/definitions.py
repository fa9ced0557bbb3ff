"""What a file defines: functions, layers, update rules, and derivatives of its functions."""

from __future__ import annotations

from ..language import syntax
from ..language.diagnostics import Bag, suggest
from ..language.source import Span
from .scope import Frame, Function, LayerRule, Missing, Rule


def collect(tree: syntax.Module, frame: Frame, bag: Bag, missing: Missing) -> None:
    """Put a file's functions, layers, update rules and derivatives into its frame: they may stand anywhere in it."""
    _definitions(tree, frame, bag)
    _derivatives(tree, frame, bag, missing)


def _definitions(tree: syntax.Module, frame: Frame, bag: Bag) -> None:
    seen: dict[tuple[str, str], Span] = {}
    for statement in tree.statements:
        if not isinstance(statement, syntax.Def | syntax.UpdateDef | syntax.LayerDef):
            continue
        what = "update rule" if isinstance(statement, syntax.UpdateDef) else "function"
        name = statement.name.id
        first = seen.setdefault((what, name), statement.name.span)
        if first is not statement.name.span:
            labels = ((statement.name.span, ""), (first, "first here"))
            bag.report("E221", f"the {what} {name} is defined twice", statement.name.span, labels=labels)
            continue
        names: set[str] = set()
        formal = [p.name for p in statement.params]
        if isinstance(statement, syntax.UpdateDef):
            formal += [statement.weight, statement.gradient] + [s.name for s in statement.body if isinstance(s, syntax.StateDecl)]
            names.add("t")
        for p in formal:
            if p.id in names:
                bag.report("E221", f"{p.id} is named twice here" if p.id != "t" else "t is the number of the step", p.span)
            names.add(p.id)
        if isinstance(statement, syntax.Def):
            frame.functions[name] = Function(statement, frame)
        elif isinstance(statement, syntax.LayerDef):
            frame.layers[name] = LayerRule(statement, frame)
        else:
            frame.updates[name] = Rule(statement, frame)


def _derivatives(tree: syntax.Module, frame: Frame, bag: Bag, missing: Missing) -> None:
    """``derivative f(a, b) wrt a = ...``: of functions of the same file."""
    for node in tree.statements:
        if not isinstance(node, syntax.DerivativeDecl):
            continue
        name = node.function.id
        function = frame.functions.get(name)
        if function is None or function.frame is not frame:
            if not missing.covers(name):
                meant = suggest(name, frame.functions)
                help = f"did you mean {meant}?" if meant else f"define it in this file: def {name}(x) = ..."
                bag.report("E271", f"there is no function {name} in this file", node.function.span, help=help)
            continue
        formals = function.tree.params
        if len(node.params) != len(formals):
            wanted = ", ".join(p.name.id for p in formals)
            bag.report(
                "E271", f"{name} has {len(formals)} argument{'' if len(formals) == 1 else 's'}, and not {len(node.params)}",
                node.span, labels=((node.span, ""), (function.tree.name.span, f"{name}({wanted})")),
            )  # fmt: skip
            continue
        place = next((k for k, p in enumerate(node.params) if p.id == node.wrt.id), None)
        if place is None:
            bag.report("E271", f"{node.wrt.id} is none of the arguments", node.wrt.span)
            continue
        wrt = formals[place].name.id
        old = frame.derivatives.setdefault(name, {}).setdefault(wrt, node)
        if old is not node:
            labels = ((node.span, ""), (old.span, "here"))
            bag.report("E221", f"the derivative of {name} is given twice", node.span, labels=labels)
