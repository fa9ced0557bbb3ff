"""What a model declares: sizes, inputs, hypers, and params, its own and those of its layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from ..graph.ir import Hyper, Init, Input, Kind, Param
from ..graph.shapes import Dim
from ..language import syntax
from ..language.source import Span
from .constants import exact_number
from .context import Context
from .scope import Env
from .starts import initial
from .values import POISON, Poison, Scalar, Val, Value


class Penalty(NamedTuple):
    """``with l2(1e-4)`` behind a param: taken up when the loss is complete. ``env``: where the call is read."""

    node: syntax.ParamDecl
    call: syntax.Call
    val: Val
    env: Env


class Declarations:
    """All of them, in their order. ``sizes``: those that are fixed from outside."""

    def __init__(self, context: Context, sizes: Mapping[str, int]) -> None:
        self.context = context
        self.sizes = dict(sizes)
        self.free: list[str] = []
        self.fixed: dict[str, int] = {}
        self.inputs: list[tuple[Val, Input]] = []
        self.params: list[tuple[Val, Param]] = []
        self.hypers: list[tuple[Val, Hyper]] = []
        self.penalties: list[Penalty] = []
        self.of_layers: dict[str, Span] = {}  # params that layers own, by name: where the layer is made

    def size(self, item: syntax.SizeItem) -> None:
        name = item.name.id
        value: Value
        if name in self.sizes:
            number = self.sizes[name]
            if number < 0:
                self.context.report("E266", f"a size cannot be negative: {name} is set to {number}", item.span)
            value = Scalar.of_dim(Dim.of(max(number, 0)))
        elif item.value is None:
            value = Scalar.of_dim(Dim.of(name))
        else:
            dim = self.context.dim(item.value, "E266")
            value = POISON if dim is None else Scalar.of_dim(dim)
        fresh = name not in self.context.ev.entries
        self.context.declare(item.name, value, "size")
        if fresh and isinstance(value, Scalar) and value.dim is not None:
            if value.dim.value is not None:
                self.fixed[name] = value.dim.value
            elif item.value is None:
                self.free.append(name)

    def input(self, node: syntax.Declared, kind: Kind) -> None:
        shape = self.context.shape(node.shape)
        below: Dim | None = None
        word = "index" if kind == "int" else "input"
        good = shape is not None
        if kind == "int":
            if node.below is None:
                self.context.report(
                    "E270", f"the index {node.name.id} has no bound", node.span,
                    help=f"{self.context.ev.text(node.span)} < C, for values 0 to C-1",
                )  # fmt: skip
                good = False
            else:
                below = self.context.dim(node.below)
                good = good and below is not None
        val = Val(shape or (), kind, below, node.name.id, declared=word)
        fresh = node.name.id not in self.context.ev.entries
        self.context.declare(node.name, val if good else POISON, word, node.shape)
        if fresh and good:
            self.context.names.taken.add(node.name.id)
            self.inputs.append((val, Input(val.graph_value, below, node.doc, node.span)))

    def hyper(self, node: syntax.HyperItem) -> None:
        value = self.context.constant(node.value)
        default = exact_number(value) if isinstance(value, Scalar) else None
        val = Val((), "real", None, node.name.id, declared="hyper")
        fresh = node.name.id not in self.context.ev.entries
        if default is None and not isinstance(value, Poison):
            self.context.report("E244", "the default of a hyper is a number", node.value.span)
        self.context.declare(node.name, val if default is not None else POISON, "hyper")
        if fresh and default is not None:
            self.context.names.taken.add(node.name.id)
            self.hypers.append((val, Hyper(val.graph_value, default, node.doc, node.span)))

    def param(self, node: syntax.ParamDecl) -> None:
        env = self.context.env
        shape = self.context.fixed_shape(node, env)
        init = initial(self.context, node, shape, env)
        fresh = node.name.id not in self.context.ev.entries
        if shape is None:
            self.context.declare(node.name, POISON, "param", node.shape)
            return
        val = Val(shape, "real", None, node.name.id, declared="frozen" if node.frozen else "param")
        self.context.declare(node.name, val, "param", node.shape)
        if fresh and init is not None:
            self.take(node, val, init, node.span, env)

    def layer_param(self, node: syntax.ParamDecl, env: Env, path: str) -> Value:
        """A param that a layer owns."""
        shape = self.context.fixed_shape(node, env)
        init = initial(self.context, node, shape, env)
        if shape is None or init is None:
            return POISON
        val = Val(shape, "real", None, path, declared="frozen" if node.frozen else "param")
        span = self.of_layers[path] = env.site.outermost.span if env.site is not None else node.span
        self.take(node, val, init, span, env)
        return val

    def take(self, node: syntax.ParamDecl, val: Val, init: Init, span: Span, env: Env) -> None:
        """A param that is in order, with its penalty: ``with l2(1e-4)``."""
        self.context.names.taken.add(val.name)
        self.params.append((val, Param(val.graph_value, init, node.frozen, node.doc, span)))
        if node.penalty is not None:
            names = {**(env.names or {}), node.name.id: val}
            self.penalties.append(Penalty(node, node.penalty, val, replace(env, names=names)))

    def leave_out_unread(self, read: set[int]) -> None:
        """Forget the params of layers that nothing reads. ``read``: the ids of the arrays that something does."""
        self.params = [(v, p) for v, p in self.params if v.name not in self.of_layers or id(v) in read]
        self.penalties = [p for p in self.penalties if p.val.name not in self.of_layers or id(p.val) in read]
