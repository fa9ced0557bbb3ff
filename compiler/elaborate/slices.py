"""What the body of a loop reads at its variable, as ``x[:, t]``: slices that are laid out before the loop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..graph import expr as E
from ..graph.bounds import never_negative
from ..graph.ir import at, fixed
from ..graph.rewrite import shape_axes
from ..graph.shapes import Dim
from ..language import syntax
from ..language.source import Span
from ..ops.declare import Read, Step, plain
from .evaluator import Task, called
from .files import Files
from .layers import LayerCaller
from .moments import Affine, Known, Loop, Moment
from .scope import Env
from .values import (
    POISON,
    ConstDraft,
    Draft,
    Literal,
    Poison,
    Scalar,
    ScanDraft,
    Val,
    Value,
    describe,
)


class LoopReader(LayerCaller):
    """The evaluator, inside of loops over time."""

    def __init__(self, files: Files) -> None:
        super().__init__(files)
        self.loops: list[Loop] = []
        self.wishes: list[tuple[str, Val]] = []  # names for what a loop made before it

    def inside_loops(self) -> tuple[str, ...]:
        return tuple(loop.variable for loop in self.loops)

    def begins_here(self, x: Val) -> bool:
        return not self.loops or (x.maker is None and id(x) in self.loops[-1].within)

    @contextmanager
    def level(self, drafts: list[Draft | ScanDraft | ConstDraft]) -> Iterator[None]:
        """Equations go to another graph for a while."""
        here, self.drafts = self.drafts, drafts
        try:
            yield
        finally:
            self.drafts = here

    def numbers(self, loop: Loop, factor: Dim, first: Dim, span: Span, env: Env) -> Val:
        """``factor*k + first`` for each step k, before the loop."""
        axes = shape_axes((loop.extent,))
        body = E.add(E.mul(E.dim(factor), E.idx(axes[0].name)), E.dim(first))
        last = first + factor * (loop.extent - 1)
        low, high = (first, last) if (factor.value or 0) > 0 else (last, first)
        below = high + 1 if never_negative(low) or never_negative(low + factor) else None
        with self.level(loop.outer):
            return self.emit(Step("arange", (loop.extent,), axes, plain(axes), (), body, kind="int", below=below), (), span, env)

    def materialise(self, value: Value, span: Span, env: Env) -> Val:
        if isinstance(value, Literal) and value.val is None and self.loops:
            with self.level(self.loops[0].outer):
                return super().materialise(value, span, env)
        return super().materialise(value, span, env)

    # ------------------------------------------------------------ x[:, t]

    def leaf_value(self, node: syntax.Expression, env: Env) -> Value:
        return node.value if isinstance(node, Known) else super().leaf_value(node, env)

    def subscript(self, node: syntax.Subscript, env: Env) -> Task:
        if not self.loops or env.elem is not None or not any(self.timed(item, env) for item in node.items):
            return (yield from super().subscript(node, env))
        value = yield node.value, env
        if isinstance(value, Literal):
            value = self.materialise(value, node.value.span, env)
        items = list(self.spread(node, value))
        taking = [k for k, item in enumerate(items) if not syntax.is_new_axis(item)]
        if not isinstance(value, Val) or len(taking) > len(value.shape):
            known = syntax.Subscript(_known(value, node.value), node.items, span=node.span)
            return (yield from super().subscript(known, env))
        timed = [(k, item, found) for k, item in enumerate(items) if not isinstance(item, syntax.Slice | syntax.Dots)
                 and (found := self.affine(item, env)) is not None]  # fmt: skip
        order = sorted(timed, key=lambda t: self.loops.index(t[2][0].loop) if t[2][0].loop in self.loops else -1)
        gone: list[int] = []
        for k, item, (moment, factor, offset) in order:
            loop = moment.loop
            assert loop is not None
            first = factor * loop.start + offset
            if loop.holds(value) or any(inner.holds(value) for inner in self.loops[self.loops.index(loop) :]):
                last = first + factor * (loop.extent - 1)
                key = ("time", factor, first)
                if key not in loop.sliced:
                    val = self.numbers(loop, factor, first, item.span, env)
                    loop.take(val, Val((), "int", val.below, loop.name(f"{loop.variable}_at")), key)
                items[k] = _known(loop.sliced[key], item)
                extent = value.shape[taking.index(k) - sum(g < k for g in gone)]
                if not self.inside(first, last, factor, extent):
                    return self.outside(item, node.value, value, first, last, factor, extent, env)
                continue
            axis = taking.index(k) - sum(g < k for g in gone)
            sliced = self.slice_of(value, axis, loop, factor, first, item, node.value, env)
            if sliced is None:
                return POISON
            value = sliced
            gone.append(k)
        rest = tuple(item for k, item in enumerate(items) if k not in gone)
        if all(isinstance(item, syntax.Slice) and item.start is item.stop is item.step is None for item in rest):
            return value
        return (yield from super().subscript(syntax.Subscript(_known(value, node.value), rest, span=node.span), env))

    def inside(self, first: Dim, last: Dim, factor: Dim, extent: Dim) -> bool:
        low, high = (first, last) if (factor.value or 0) > 0 else (last, first)
        return never_negative(low) and never_negative(extent - 1 - high)

    def outside(
        self, item: syntax.Expression, part: syntax.Expression, value: Val, first: Dim, last: Dim, factor: Dim, extent: Dim,
        env: Env,
    ) -> Poison:  # fmt: skip
        low, high = (first, last) if (factor.value or 0) > 0 else (last, first)
        array = called(part)
        return self.report(
            env, "E214", "this index may be outside", item.span,
            labels=((item.span, f"from {low} to {high}"), (part.span, f"{array} is {describe(value)}")),
            notes=(f"the axis has {extent} elements: 0 to {extent - 1}",),
        )  # fmt: skip

    def slice_of(
        self, value: Val, axis: int, loop: Loop, factor: Dim, first: Dim, item: syntax.Expression, part: syntax.Expression,
        env: Env,
    ) -> Val | None:  # fmt: skip
        """A value of the body: ``value`` at ``factor*k + first`` along ``axis``, for step k."""
        key = (id(value), axis, factor, first)
        if key in loop.sliced:
            return loop.sliced[key]
        extent, rest = value.shape[axis], value.shape[:axis] + value.shape[axis + 1 :]
        last = first + factor * (loop.extent - 1)
        if not self.inside(first, last, factor, extent):
            self.outside(item, part, value, first, last, factor, extent, env)
            return None
        outer = value
        if axis or not factor.is_one() or first.terms or extent != loop.extent:
            axes = shape_axes((loop.extent, *rest))
            index = [at(a.name) for a in axes[1:]]
            index.insert(axis, at(axes[0].name).scale(factor) + fixed(first))
            shape = (loop.extent, *rest)
            step = Step("slice", shape, axes, plain(axes), (Read(0, tuple(index)),), E.arg(0), kind=value.kind, below=value.below)
            place = self.loops.index(loop)
            while place and not self.loops[place - 1].holds(value):
                place -= 1
            with self.level(self.loops[place].outer):
                outer = self.emit(step, (value,), item.span, env)
            self.wishes.append((f"{part.id if isinstance(part, syntax.Ref) else 'step'}_by_{loop.variable}", outer))
        name = part.id if isinstance(part, syntax.Ref) else value.name or "slice"
        inner = Val(rest, value.kind, value.below, loop.name(f"{name}_{loop.variable}"), function=value.function)
        return loop.take(outer, inner, key)

    def timed(self, item: syntax.Item, env: Env) -> bool:
        if not self.loops or isinstance(item, syntax.Slice | syntax.Dots):
            return False
        return self.affine(item, env) is not None

    def affine(self, node: syntax.Expression, env: Env) -> Affine | None:
        """``a*t + b`` of one loop variable t, with a number a other than 0 and a size b; None for everything else."""
        found = self.linear(node, env)
        if found is None or len(found[0]) != 1:
            return None
        ((moment, factor),) = found[0].items()
        return (moment, factor, found[1]) if factor.value else None

    def linear(self, node: syntax.Expression, env: Env) -> tuple[dict[Moment, Dim], Dim] | None:
        match node:
            case syntax.Number():
                dim = self.number(node).dim
                return None if dim is None else ({}, dim)
            case syntax.Ref():
                value: Value | None = None
                if env.names is not None and node.id in env.names:
                    value = env.names[node.id]
                elif env.frame.main and node.id in self.entries:
                    value = self.entries[node.id].value
                if isinstance(value, Moment):
                    return {value: Dim.of(1)}, Dim.of(0)
                return ({}, value.dim) if isinstance(value, Scalar) and value.dim is not None else None
            case syntax.Unary() if node.op in ("-", "+"):
                inner = self.linear(node.operand, env)
                return inner if inner is None or node.op == "+" else ({m: -f for m, f in inner[0].items()}, -inner[1])
            case syntax.Binary() if node.op in ("+", "-", "*", "//", "%"):
                left, right = self.linear(node.left, env), self.linear(node.right, env)
                if left is None or right is None:
                    return None
                if node.op in ("//", "%"):  # sizes
                    known = not left[0] and not right[0] and right[1].value != 0
                    return ({}, left[1] // right[1] if node.op == "//" else left[1] % right[1]) if known else None
                if node.op == "*":
                    if left[0] and right[0]:
                        return None
                    terms, number = (left, right[1]) if left[0] else (right, left[1])
                    return {m: f * number for m, f in terms[0].items()}, terms[1] * number
                sign = 1 if node.op == "+" else -1
                total = dict(left[0])
                for moment, factor in right[0].items():
                    total[moment] = total.get(moment, Dim.of(0)) + factor * sign
                return {m: f for m, f in total.items() if f.terms}, left[1] + right[1] * sign
        return None


def _known(value: Value, node: syntax.Expression) -> Known:
    return Known(node.id if isinstance(node, syntax.Ref) else "this array", value, span=node.span)
