"""What stands in index notation: reads of one element, and operations where everything is one number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from fractions import Fraction

from ..graph import expr as E
from ..graph.ir import Ix, Kind
from ..language import syntax
from .arithmetic import Build
from .evaluator import Task, called
from .expressions import Expressions
from .indices import affine
from .points import Points, Reading
from .scope import Env
from .values import POISON, Elem, Layer, Literal, Poison, Scalar, Several, Text, Val, Value, describe


class PointReader(Expressions):
    """The evaluator with what stands at a point."""

    # ------------------------------------------------------------ reads

    def pointed(self, nodes: Iterable[syntax.Node], env: Env) -> bool:
        """Whether a piece of text depends on the point: it names an index variable, or an argument that is one number."""
        stack: list[object] = list(nodes)
        while stack:
            node = stack.pop()
            if isinstance(node, syntax.Ref | syntax.Clause):
                names = [node.id] if isinstance(node, syntax.Ref) else [n.id for n in node.names]
                for name in names:
                    found = (env.indices or {}).get(name) or (env.names or {}).get(name)
                    if isinstance(found, Elem):
                        return True
            if isinstance(node, tuple):
                stack.extend(node)
            elif isinstance(node, syntax.Node):
                stack.extend(getattr(node, f.name) for f in fields(node) if f.name != "span")
        return False

    def read(self, node: syntax.Subscript, env: Env, pad: bool = False) -> Task:
        """``x[n, 2*i + u]``."""
        points = env.elem
        assert isinstance(points, Points)
        if not pad and not self.pointed((node.value, *node.items), env):
            return (yield from self.subscript(node, env.whole()))
        items = list(node.items)
        timed = [not pad and not self.pointed((node.value, item), env) and self.timed(item, env) for item in items]
        if any(timed):  # a step's slice first
            colon = syntax.Slice(None, None, None, span=node.span)
            step = tuple(item if t else colon for item, t in zip(items, timed, strict=True))
            value = yield from self.subscript(syntax.Subscript(node.value, step, span=node.span), env.whole())
            items = [item for item, t in zip(items, timed, strict=True) if not t]
        else:
            value = yield node.value, env
        found: list[Value] = []
        good = not isinstance(value, Poison)
        for item in items:
            if isinstance(item, syntax.Slice | syntax.Dots):
                what = "a slice" if isinstance(item, syntax.Slice) else "`...`"
                self.report(
                    env, "E234", f"index notation reads one element, and {what} takes several", item.span,
                    help="bring in a variable: sum(x[n, i] for i in range(1, 3))",
                )  # fmt: skip
                good = False
                continue
            found.append((yield item, env))
            good &= not isinstance(found[-1], Poison)
        if not good:
            return POISON
        if isinstance(value, Text | Several | Layer):
            return self.not_an_array(node.value, value, env)
        name = array_called(node.value)
        if isinstance(value, Elem | Scalar):
            return self.report(env, "E234", f"{name} is one number and has no axes", node.span)
        if isinstance(value, Literal):
            value = self.materialise(value, node.value.span, env)
        assert isinstance(value, Val)
        if len(items) != len(value.shape):
            axes, given = (f"{n} {'axis' if what and n == 1 else 'axes' if what else 'index' if n == 1 else 'indices'}"
                           for n, what in ((len(value.shape), True), (len(items), False)))  # fmt: skip
            return self.report(
                env, "E234", f"{name} has {axes} and is read with {given}", node.span,
                labels=((node.value.span, f"{name} is {describe(value)}"),),
            )  # fmt: skip
        index: list[Ix] = []
        for k, (item, one) in enumerate(zip(items, found, strict=True)):
            ix = self.index(item, one, env, points)
            if ix is None:
                return POISON
            if not pad and not ix.terms and ix.const.value is not None and ix.const.value < 0:  # from the end
                ix = ix + Ix((), value.shape[k])
            index.append(ix)
        fill = Fraction(0) if pad else None
        reading = Reading(value, tuple(index), tuple(i.span for i in items), name, node.span, env, pad, fill)
        return points.read(reading)

    def timed(self, item: syntax.Item, env: Env) -> bool:
        """Whether an index moves with the step of a loop: loops.py."""
        return False

    def index(self, item: syntax.Item, value: Value, env: Env, points: Points) -> Ix | None:
        """One index of a read; None after an error."""
        if isinstance(value, Val) and value.shape == ():
            value = points.read(Reading(value, (), (), array_called(item), item.span, env))
        if isinstance(value, Val | Literal):
            self.report(
                env, "E234", f"{array_called(item)} is {describe(value)} and stands here without its indices", item.span,
                help="an index is one number",
            )  # fmt: skip
            return None
        if isinstance(value, Elem):
            reading = points.reading(value.expr) if value.expr.op == "arg" else None
            if value.kind == "bool" or (reading is not None and reading.kind != "int"):
                what = "a truth value" if value.kind == "bool" else "a real number"
                self.report(
                    env, "E241", "an index is a whole number", item.span, notes=(f"this is {what}",),
                    help=f"declare it as `index {reading.name}[...] < C`" if reading and isinstance(reading.source, Val)
                    and reading.source.declared == "input" else None,
                )  # fmt: skip
                return None
            ix = affine(points, value.expr)
            real = [r for leaf in E.leaves(value.expr, "arg") if (r := points.reading(leaf)).kind != "int"]
            if ix is None and real:
                labels = ((real[0].span, "this is a real number"),)
                self.report(env, "E241", "an index is a whole number", item.span, labels=labels)
            elif ix is None:
                self.report(
                    env, "E237", "this is not a sum of whole multiples of index variables", item.span,
                    notes=("indices are like 2*i + u - 1, y[n], i // 2 or i % 2",),
                )  # fmt: skip
            return ix
        assert not isinstance(item, syntax.Slice | syntax.Dots)
        dim = self.as_dim(value, item, env, "E241", "an index is a whole number")
        return None if dim is None else Ix((), dim)

    def padded(self, node: syntax.Padded, env: Env) -> Task:
        if isinstance(env.elem, Points):
            return (yield from self.read(node.value, env, True))
        return self.report(
            env, "E238", "`pad` is for reads in index notation", node.span, help="y[i] = x[i - 1] pad for i in range(N)"
        )

    # ------------------------------------------------------------ numbers

    def one_number(self, part: syntax.Expression, value: Value, env: Env) -> Elem | None:
        """A value at a point; None after an error."""
        points = env.elem
        assert isinstance(points, Points)
        if isinstance(value, Poison):
            points.failed = True
            return None
        if isinstance(value, Elem):
            return value
        if isinstance(value, Scalar):
            return Elem(value.expr, "bool" if value.boolean else "real")
        if isinstance(value, Val) and value.shape == ():
            return points.read(Reading(value, (), (), array_called(part), part.span, env))
        points.failed = True
        if isinstance(value, Val | Literal):
            name = array_called(part)
            letters = ", ".join("ijkuvw"[: len(describe(value).split(","))])
            self.report(
                env, "E234", f"{name} is {describe(value)} and stands here without its indices", part.span,
                help=f"{part.id}[{letters}]" if isinstance(part, syntax.Ref) else None,
            )  # fmt: skip
        else:
            self.not_an_array(part, value, env)
        return None

    def at_points(
        self, name: str, build: Build, kind: Kind, parts: list[syntax.Expression], values: list[Value],
        node: syntax.Expression, env: Env,
    ) -> Value:  # fmt: skip
        """An elementwise operation where something may be one number at a point."""
        if not any(isinstance(v, Elem) for v in values):
            return self.elementwise(name, build, kind, parts, values, node, env.whole())
        numbers = [self.one_number(part, value, env) for part, value in zip(parts, values, strict=True)]
        if any(n is None for n in numbers):
            return POISON
        return Elem(build([n.expr for n in numbers if n is not None]), kind)

    def not_whole(
        self, name: str, parts: Iterable[syntax.Expression], values: Iterable[Value], node: syntax.Expression, env: Env
    ) -> Poison:
        """An operation on whole arrays was given one number at a point."""
        span = next(p.span for p, v in zip(parts, values, strict=True) if isinstance(v, Elem))
        assert isinstance(env.elem, Points)
        env.elem.failed = True
        library = env.frame.library and env.site is not None
        return self.report(
            env, "E235", f"{'this' if library else name} works on whole arrays, and is given one number", node.span,
            labels=((node.span, ""), (span, "one number")),
            notes=("in index notation every read is one number: apply it to whole arrays, and read the result",),
        )  # fmt: skip

    def not_at_a_point(self, part: syntax.Expression, env: Env) -> Poison:
        return self.report(env, "E235", "a function in here works on whole arrays, and is given one number", part.span)


def array_called(part: syntax.Node) -> str:
    """What messages call a piece of text, or the array that is read there."""
    return array_called(part.value) if isinstance(part, syntax.Subscript) else called(part)
