"""What lasts longer than a call: ``state`` and ``next``, ``random``, and ``training``.

A random value is an equation like any other, whose body is a function of two run-time integers (the seed and the counter of the
model's generator), of the number of its statement, and of the element's position. ``training`` is a scalar that a call brings
along, as it does the hypers.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Init, Kind, State, fixed
from ..graph.rewrite import shape_axes
from ..graph.shapes import Dim, Shape
from ..graph.shapes import show as show_shape
from ..language import syntax
from ..language.source import Span
from ..ops.declare import Read, Step, plain
from ..records import dataclass
from .context import Context
from .scope import Env, Site, article
from .starts import Distribution, distribution, initial
from .values import POISON, Layer, Poison, Scalar, Several, Text, Val, Value, describe, shape_of_value

DRAWN: Final[dict[str, Distribution]] = {
    "normal": (("mean", Fraction(0)), ("std", Fraction(1))),
    "uniform": (("low", Fraction(0)), ("high", Fraction(1))),
    "bernoulli": (("p", None),),
}
MOST_STREAMS: Final = 1 << 16


@dataclass(eq=False, slots=True)
class Kept:
    """A state. ``next`` is what it becomes, by the ``next`` in the call ``site``."""

    val: Val
    init: Init
    doc: str
    span: Span
    env: Env
    next: Val | None = None
    site: Site | None = None
    where: Span | None = None
    failed: bool = False


class Keeper:
    """The states and random values of a model."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.states: dict[str, Kept] = {}  # by their names
        self.training: Val | None = None
        self.generator: Val | None = None
        self.streams = 0

    def inputs(self) -> list[Val]:
        """What the graph reads beside inputs, params and hypers."""
        return [k.val for k in self.states.values()] + [v for v in (self.training, self.generator) if v is not None]

    def results(self) -> tuple[State, ...]:
        return tuple(
            State(k.val.graph_value, k.init, k.next.name, k.doc, k.span) for k in self.states.values() if k.next is not None
        )

    # ------------------------------------------------------------ training

    def is_training(self) -> Val:
        if self.training is None:
            self.training = Val((), "bool", None, self.context.names.inner("training"), declared="training")
        return self.training

    # ------------------------------------------------------------ state and next

    def state(self, node: syntax.State, env: Env, path: str) -> Value:
        """The declaration of the state ``path``."""
        context = self.context
        if self.looping(node.span, "a state", env):
            return POISON
        shape = context.fixed_shape(node, env)
        init = initial(context, node, shape, env)
        if shape is None or init is None:
            return POISON
        val = Val(shape, "real", None, path, declared="state")
        span = env.site.outermost.span if env.site is not None else node.span
        context.names.taken.add(path)
        self.states[path] = Kept(val, init, node.doc, span, env)
        return val

    def again(self, path: str, node: syntax.State, env: Env) -> Value:
        """The state of a layer that is called once more: what the call before made of it, in a training call."""
        kept = self.states.get(path)
        if kept is None:
            return POISON
        if kept.next is None or kept.site is env.site:
            return kept.val
        part = node.value
        values: list[Value] = [self.is_training(), kept.next, kept.val]
        return self.context.ev.elementwise("where", lambda e: E.make("where", *e), "real", [part] * 3, values, part, env)

    def next(self, node: syntax.Next, env: Env, path: str) -> None:
        """``next m = EXPR``, where m is the state ``path``."""
        context = self.context
        kept = self.states.get(path)
        start = len(context.ev.drafts)
        value = context.ev.run(node.value, env)
        if kept is None:
            self.no_state(node, env)
            return
        if self.looping(node.span, "`next`", env):
            kept.failed = True
            return
        if kept.where is not None and kept.site is env.site:
            kept.failed = True
            context.tell(
                env, "E272", f"{node.name.id} has a `next` already", node.span, labels=((kept.where, "here"),),
                help="a state has one next value: put the two formulas together",
            )  # fmt: skip
            return
        kept.site, kept.where = env.site, node.span
        if not isinstance(value, Poison) and not isinstance(value, Val | Scalar) and not hasattr(value, "shape"):
            context.ev.not_an_array(node.value, value, env)
            value = POISON
        if isinstance(value, Poison):
            kept.failed = True
            return
        val = context.ev.materialise(value, node.value.span, env)
        if val.shape != kept.val.shape or val.kind != "real":
            kept.failed = True
            name = node.name.id
            said = {"real": "", "bool": "truth values, ", "int": "integers, "}[val.kind] + describe(val)
            context.tell(
                env, "E272", f"{name} is {show_shape(kept.val.shape) if kept.val.shape else 'a scalar'}, and this is not",
                node.value.span, labels=((node.value.span, f"this is {said}"),),
                help="a state keeps real numbers in the shape of its declaration",
            )  # fmt: skip
            return
        kept.next = val
        context.names.settle(f"{path}_next", [(f"{path}_next", val)] if not val.name else [], start)

    def no_state(self, node: syntax.Next, env: Env) -> None:
        context, name = self.context, node.name.id
        value = (env.names or {}).get(name)
        entry = context.ev.entries.get(name) if env.names is None else None
        if isinstance(value, Poison) or (entry is not None and isinstance(entry.value, Poison)) or context.missing.covers(name):
            return
        what = f"{name} is {article(entry.what)} and no state" if entry is not None else f"there is no state {name}"
        context.tell(env, "E272", what, node.name.span, help=f"declare it: state {name} = 0")

    def looping(self, span: Span, what: str, env: Env) -> bool:
        if not self.context.ev.loops:
            return False
        self.context.tell(
            env, "E272", f"{what} cannot stand in a `scan`", span, notes=("a state changes once a call",),
            help="`carry` what goes from step to step",
        )  # fmt: skip
        return True

    def complete(self) -> None:
        """Every state needs a ``next``."""
        for path, kept in self.states.items():
            if kept.next is None and not kept.failed and kept.where is None:
                self.context.report(
                    "E272", f"nothing ever changes the state {path}", kept.span,
                    help=f"next {path} = ... says what it is after a training call; what never changes is a frozen param",
                )  # fmt: skip

    # ------------------------------------------------------------ random

    def declare_random(self, node: syntax.RandomDecl) -> None:
        """``random mask[N] ~ bernoulli(0.5)`` of the model itself."""
        context, name = self.context, node.name.id
        start = len(context.ev.drafts)
        drawn = self.random(node, context.env)
        context.names.settle(name, [(name, drawn)] if isinstance(drawn, Val) else [], start)
        context.declare(node.name, drawn, "random value", node.shape)

    def random(self, node: syntax.RandomDecl, env: Env) -> Value:
        """An array that is drawn anew at each training call."""
        context = self.context
        shape = self.shape(node, env)
        init = distribution(context, node.draw, shape, env, DRAWN)
        if shape is None or init is None:
            return POISON
        if self.generator is None:
            self.generator = Val((Dim.of(2),), "int", None, self.context.names.inner("generator"), declared="generator")
        if self.streams == MOST_STREAMS:
            context.tell(env, "E273", f"a model draws at most {MOST_STREAMS} arrays", node.span)
            return POISON
        operands, position = self.times()
        axes = shape_axes(shape)
        for axis, extent in zip(axes, shape, strict=True):
            position = E.idx(axis.name) if position is None else E.make("place", position, E.dim(extent), E.idx(axis.name))
        numbers = [E.const(x) for x in init.data]
        stream = E.const(self.streams)
        self.streams += 1
        body = E.make(f"draw_{init.kind}", E.arg(0), E.arg(1), stream, position or E.ZERO, *numbers)
        if init.kind == "bernoulli":
            body = E.make("ne", body, E.ZERO)
        reads = [Read(0, (fixed(0),)), Read(0, (fixed(1),)), *(Read(k + 1, ()) for k in range(len(operands)))]
        kind: Kind = "bool" if init.kind == "bernoulli" else "real"
        step = Step("random", shape, axes, plain(axes), tuple(reads), body, kind=kind)
        return context.ev.emit(step, (self.generator, *operands), node.span, env)

    def shape(self, node: syntax.RandomDecl, env: Env) -> Shape | None:
        """As of any array, or ``[shape(x)]`` for that of another."""
        context = self.context
        part = node.shape[0] if len(node.shape) == 1 else None
        if not (isinstance(part, syntax.Call) and part.func.id == "shape" and len(part.args) == 1 and not part.keywords):
            return context.shape(node.shape, env)
        value = context.ev.run(part.args[0], env)
        if isinstance(value, Poison):
            return None
        if isinstance(value, Several | Text | Layer):
            context.ev.not_an_array(part.args[0], value, env)
            return None
        return shape_of_value(value)

    def times(self) -> tuple[list[Val], Expr | None]:
        """Inside loops: their variables, which are part of the position."""
        operands: list[Val] = []
        position: Expr | None = None
        for loop in self.context.ev.loops:
            moment = loop.sliced["time", Dim.of(1), loop.start]
            operands.append(moment)
            here = E.arg(1 + len(operands))
            position = here if position is None else E.make("place", position, E.dim(loop.start + loop.extent), here)
        return operands, position
