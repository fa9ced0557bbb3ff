"""What leaves a model: its outputs, and what it minimizes."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

from ..graph import expr as E
from ..graph.rewrite import shape_axes
from ..language import syntax
from ..language.source import Span
from ..ops.declare import Read, Step, plain
from .bindings import bind_values
from .context import Context
from .declarations import Penalty
from .updates import chosen_optimizer
from .values import Draft, Layer, Literal, Poison, ScanDraft, Several, Text, Val, Value, describe, is_bool


class Shown(NamedTuple):
    """An output."""

    val: Val
    doc: str
    span: Span


class Results:
    """The outputs by name, the loss, and the optimiser that the model asks for."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.outputs: dict[str, Shown] = {}
        self.loss: Val | None = None
        self.loss_span: Span | None = None
        self.minimized: Value | None = None  # what is minimized, before penalties
        self.penalised = False  # some param of the files has a penalty
        self.optimizer: tuple[str, tuple[tuple[str, Fraction], ...]] | None = None
        statements = context.module.statements
        self.shown = {n.id for s in statements if isinstance(s, syntax.OutputDecl) for n in s.names if n.id != "loss"}

    # ------------------------------------------------------------ outputs

    def output(self, node: syntax.OutputDecl) -> None:
        if node.value is not None:
            bind_values(self.context, node.names, node.value)
        for name in node.names:
            value = self.context.ev.lookup(syntax.Ref(name.id, span=name.span), self.context.env)
            if name.id in self.outputs:
                first = self.outputs[name.id].span
                self.context.report("E265", f"{name.id} is an output already", name.span, labels=((first, "here"),))
                continue
            if isinstance(value, Poison):
                continue
            if isinstance(value, Several | Text | Layer):
                self.context.ev.not_an_array(node.value or syntax.Ref(name.id, span=name.span), value, self.context.env)
                continue
            self.outputs[name.id] = Shown(self.own(value, name.id, node.span), node.doc, name.span)

    def own(self, value: Value, wanted: str, span: Span) -> Val:
        """A value that may leave the model under its own name: made by an equation, and not yet given out."""
        start = len(self.context.ev.drafts)
        val = self.context.ev.materialise(value, span, self.context.env)
        given = {id(o.val) for o in self.outputs.values()} | ({id(self.loss)} if self.loss is not None else set())
        if wanted == "loss" and val.name in self.shown:  # an output on a later line
            given.add(id(val))
        if not isinstance(val.maker, Draft | ScanDraft) or id(val) in given:
            axes = shape_axes(val.shape)
            step = Step("copy", val.shape, axes, plain(axes), (Read(0, plain(axes)),), E.arg(0), kind=val.kind, below=val.below)
            val = self.context.ev.emit(step, (val,), span, self.context.env)
        self.context.names.settle(wanted, [(wanted, val)], start)
        return val

    # ------------------------------------------------------------ the loss

    def minimize(self, node: syntax.Minimize) -> None:
        context = self.context
        if self.loss_span is not None:
            context.report(
                "E260", "a model minimizes one thing", node.span, labels=((self.loss_span, "this is the loss already"),),
                help="add them up: minimize a + b",
            )  # fmt: skip
            context.ev.run(node.value, context.env)
            return
        start = len(context.ev.drafts)
        self.loss_span = node.value.span
        value = context.ev.run(node.value, context.env)
        if node.optimizer is not None:
            self.optimizer = chosen_optimizer(context, node.optimizer)
        if not self.is_number(value, node.value):
            return
        if self.penalised:
            context.names.settle("loss", [], start)
            self.minimized = value
        else:
            self.take_loss(value, node.value.span, start)

    def is_number(self, value: Value, node: syntax.Expression) -> bool:
        """Whether a value can be minimized; False after an error."""
        context, span = self.context, node.span
        if isinstance(value, Poison):
            return False
        if isinstance(value, Several | Text | Layer):
            context.ev.not_an_array(node, value, context.env)
            return False
        integer = isinstance(value, Val) and value.kind == "int"
        if is_bool(value) or integer:
            what = "an integer" if integer else "a truth value"
            context.report(
                "E240", f"the loss is {what}, and {what} has no slope", span, help="minimize a number, such as a mean of losses"
            )
            return False
        if value.shape if isinstance(value, Val | Literal) else ():
            text = context.ev.text(span) if span.line == span.end_line else "..."
            context.report(
                "E212", "the loss must be a scalar", span, labels=((span, f"this is {describe(value)}"),),
                help=f"minimize mean({text}) or sum(...)",
            )  # fmt: skip
            return False
        return True

    def take_loss(self, value: Value, span: Span, start: int) -> None:
        """A number is the loss, under that name. ``start``: the first equation of what it is made of."""
        val = self.context.ev.materialise(value, span, self.context.env)
        if not val.name:
            self.context.names.settle("loss", [("loss", val)], start)
            self.loss = val
        else:
            named = self.outputs.get("loss")
            self.loss = val if named is not None and named.val is val else self.own(val, "loss", span)

    def add_penalties(self, penalties: Iterable[Penalty]) -> None:
        """The loss is what is minimized and the penalties of the params."""
        context = self.context
        total = self.minimized
        start = len(context.ev.drafts)
        for node, call, _, env in penalties:
            if self.loss_span is None:
                context.tell(env, "E278", f"{node.name.id} has a penalty, and nothing is minimized", call.span)
                return
            own = syntax.Ref(node.name.id, span=node.name.span)
            inner = syntax.Call(call.func, (own, *call.args), call.keywords, True, span=call.span)
            found = context.ev.run(inner, env)
            if isinstance(found, Poison) or total is None:
                continue
            if not isinstance(found, Val) or found.shape or found.kind != "real":
                context.tell(
                    env, "E278", f"a penalty is a number: {call.func.id} gives {describe(found)}", call.span,
                    help="a function of the param that returns a scalar, such as l2(1e-4)",
                )  # fmt: skip
                continue
            total = context.ev.operator("add", [inner, inner], [total, found], inner, context.env)
        if total is not None and self.loss_span is not None:
            self.take_loss(total, self.loss_span, start)

    def check(self) -> None:
        """That the output of the name ``loss`` is what is minimized."""
        named = self.outputs.get("loss")
        if self.loss is not None and named is not None and named.val is not self.loss:
            assert self.loss_span is not None
            self.context.report(
                "E265", "what is minimized is the output named loss", named.span, labels=((self.loss_span, "this is the loss"),),
                help="give this output another name",
            )  # fmt: skip
