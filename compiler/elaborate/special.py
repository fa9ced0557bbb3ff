"""What is called like a function and is more than an operation: a choice that may be made when the module is compiled, the
largest of several, what stops a gradient, and what asks for shapes and kinds."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import reduce
from typing import Final
from typing import Literal as OneOf

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Axis, Kind, at
from ..graph.shapes import Dim
from ..language import syntax
from ..ops.declare import Read, Step
from .constants import fold
from .evaluator import NotElementwise, Task, Wanted, called
from .operations import OperationCaller
from .scope import Env
from .values import POISON, Elem, Poison, Scalar, Text, Val, Value, describe, is_bool, reached, shape_of_value

Argument = tuple[syntax.Expression, Value]  # with what it is worth
KINDS: Final[dict[Kind, str]] = {"real": "a real number", "int": "an integer", "bool": "a truth value"}


class SpecialCaller(OperationCaller):
    """The evaluator with the words of ``expressions.SPECIAL``."""

    def special(self, node: syntax.Call, env: Env) -> Task:
        methods: dict[str, Callable[[syntax.Call, Env], Task]] = {
            "where": self.where, "max": self.extreme, "min": self.extreme, "maximum": self.extreme, "minimum": self.extreme,
            "stop_gradient": self.stop_gradient, "extent": self.extent, "rank": self.rank, "is_index": self.is_index,
            "fail": self.fail, "jvp": self.direction,
            "diff": self.derivative, "jacobian": self.derivative, "hessian": self.derivative,
        }  # fmt: skip
        return methods[node.func.id](node, env)

    def one(self, node: syntax.Call, name: str, env: Env) -> Generator[Wanted, Value, Argument | None]:
        """The only argument of a call; None after an error."""
        bound = self.bind(node, [(name, True)], env)
        part = None if bound is None else bound[name]
        return None if part is None else (part, (yield part, env))

    def two(
        self, node: syntax.Call, names: tuple[str, str], env: Env
    ) -> Generator[Wanted, Value, tuple[Argument, Argument] | None]:
        """The two arguments of a call, by these names; None after an error."""
        bound = self.bind(node, [(name, True) for name in names], env)
        if bound is None:
            return None
        first, second = (bound[name] for name in names)
        assert first is not None and second is not None
        value = yield first, env
        return (first, value), (second, (yield second, env))

    def where(self, node: syntax.Call, env: Env) -> Task:
        bound = self.bind(node, [("condition", True), ("a", True), ("b", True)], env)
        if bound is None:
            return POISON
        condition, a, b = bound["condition"], bound["a"], bound["b"]
        assert condition is not None and a is not None and b is not None
        found = yield condition, env
        if isinstance(found, Scalar) and found.truth is not None:
            return (yield (a if found.truth else b), env)
        first = yield a, env
        second = yield b, env
        return self.operator("where", [condition, a, b], [found, first, second], node, env)

    def extreme(self, node: syntax.Call, env: Env) -> Task:
        """``max``, ``min``: of one array a reduction; of several point by point, as ``maximum`` and ``minimum`` always."""
        name, parts = node.func.id, list(node.args)
        if name in ("max", "min") and len(parts) < 2:
            return (yield from self.call_op(self.ops[name], node, env))
        if node.keywords:
            return self.report(
                env, "E282", f"{name} of several arrays works point by point and has no argument {node.keywords[0].name.id}",
                node.keywords[0].span, help=f"{name}(x, axis=...) of one array reduces",
            )  # fmt: skip
        if len(parts) < 2:
            return self.report(env, "E281", f"{name} wants two arrays or more", node.span)
        values: list[Value] = []
        for part in parts:
            values.append((yield part, env))
        op: OneOf["max", "min"] = "max" if name.startswith("max") else "min"

        def of_all(exprs: list[Expr]) -> Expr:
            return reduce(lambda a, b: fold(op, (a, b)) or E.make(op, a, b), exprs)

        kind: Kind = "bool" if all(is_bool(v) for v in values) else "real"
        return self.elementwise("maximum" if op == "max" else "minimum", of_all, kind, parts, values, node, env)

    def stop_gradient(self, node: syntax.Call, env: Env) -> Task:
        found = yield from self.one(node, "x", env)
        if found is None:
            return POISON
        part, value = found
        kind = value.kind if isinstance(value, Val | Elem) else "real"
        return self.elementwise("stop_gradient", lambda exprs: E.make("stop", *exprs), kind, [part], [value], node, env)

    def derivative(self, node: syntax.Call, env: Env) -> Task:
        """``diff``, ``jacobian``, ``hessian``: an equation that a pass replaces by the backward pass of u for x."""
        name = node.func.id
        found = yield from self.two(node, ("u", "x"), env)
        if found is None:
            return POISON
        (u_part, u), (x_part, x) = found
        if isinstance(u, Poison) or isinstance(x, Poison):
            return POISON
        if env.elem is not None and env.elem.quiet:
            raise NotElementwise
        if isinstance(u, Elem) or isinstance(x, Elem):
            return self.not_whole(name, [u_part, x_part], [u, x], node, env)
        env = env.whole()
        if env.constant or env.rule:
            return self.report(env, "E244", "a derivative is not known when the module is compiled", node.span)
        target = self.as_array(u, u_part, env)
        if target is None:
            return POISON
        if target.kind != "real":
            return self.report(env, "E245", f"{called(u_part)} is {KINDS[target.kind]} and has no derivative", u_part.span)
        wrt = self.differentiable(x, target, u_part, x_part, node, env)
        if wrt is None:
            return POISON
        if name == "hessian":
            if target.shape:
                labels = [(u_part.span, f"{called(u_part)} is {describe(target)}")]
                help = "jacobian(diff(u, x), x) where u has the first axes of x"
                return self.report(env, "E285", "hessian wants a number", node.span, labels=labels, help=help)
            target = self.slopes(name, target, wrt, 0, node, env)
        elif name == "diff" and target.shape != wrt.shape[: len(target.shape)] and wrt.shape != target.shape[: len(wrt.shape)]:
            return self.report(
                env, "E203", "diff wants one to have the first axes of the other", node.span,
                labels=[(p.span, f"{called(p)} is {describe(v)}") for p, v in ((u_part, target), (x_part, wrt))],
                help=f"for all pairs of their elements: jacobian({self.text(u_part.span)}, {self.text(x_part.span)})",
            )  # fmt: skip
        shared = min(len(target.shape), len(wrt.shape)) if name == "diff" else 0
        return self.slopes(name, target, wrt, shared, node, env)

    def direction(self, node: syntax.Call, env: Env) -> Task:
        """``jvp``: an equation that a pass replaces by the derivative of a backward pass for its upstream."""
        bound = self.bind(node, [("u", True), ("x", True), ("v", True)], env)
        if bound is None:
            return POISON
        parts = [bound[name] for name in ("u", "x", "v")]
        given: list[Value] = []
        for part in parts:
            assert part is not None
            given.append((yield part, env))
        u_part, x_part, v_part = parts
        assert u_part is not None and x_part is not None and v_part is not None
        if any(isinstance(value, Poison) for value in given):
            return POISON
        if env.elem is not None and env.elem.quiet:
            raise NotElementwise
        if any(isinstance(value, Elem) for value in given):
            return self.not_whole("jvp", [u_part, x_part, v_part], given, node, env)
        env = env.whole()
        if env.constant or env.rule:
            return self.report(env, "E244", "a derivative is not known when the module is compiled", node.span)
        u, v = self.as_array(given[0], u_part, env), self.as_array(given[2], v_part, env)
        if u is None or v is None:
            return POISON
        if u.kind != "real":
            return self.report(env, "E245", f"{called(u_part)} is {KINDS[u.kind]} and has no derivative", u_part.span)
        x = self.differentiable(given[1], u, u_part, x_part, node, env)
        if x is None:
            return POISON
        if v.shape != x.shape:
            labels = [(p.span, f"{called(p)} is {describe(a)}") for p, a in ((x_part, x), (v_part, v))]
            message = "a direction has the shape of what the derivative is taken for"
            return self.report(env, "E203", message, node.span, labels=labels)
        axes = [Axis(f"i{k}", d) for k, d in enumerate(u.shape)]
        others = [Axis(f"j{k}", d) for k, d in enumerate(x.shape)]
        index, inner = (tuple(at(a.name) for a in group) for group in (axes, others))
        body = E.make("jvp", E.arg(0), E.arg(1), E.arg(2))
        step = Step("jvp", u.shape, (*axes, *others), index, (Read(0, index), Read(1, inner), Read(2, inner)), body,
                    "+" if others else "")  # fmt: skip
        return self.emit(step, (u, x, v), node.span, env)

    def differentiable(
        self, x: Value, u: Val, u_part: syntax.Expression, x_part: syntax.Expression, node: syntax.Call, env: Env
    ) -> Val | None:  # fmt: skip
        """What a derivative is taken for: an array that u is made of. None after an error."""
        if not isinstance(x, Val) or not isinstance(x_part, syntax.Ref | syntax.Attribute):
            help = "bind it first, and make u of that: z = ..."
            self.report(env, "E267", "a derivative is taken for what has a name", x_part.span, help=help)
            return None
        if x.kind != "real":
            self.report(env, "E245", f"{called(x_part)} is {KINDS[x.kind]}, and there is no derivative for it", x_part.span)
            return None
        if not self.begins_here(x):
            self.report(
                env, "E267", "in a loop a derivative is taken for a carry, or for a slice of an array", x_part.span,
                notes=("of other values only what this step does would count, and not what earlier ones did",),
                help="take the derivative after the loop",
            )  # fmt: skip
            return None
        if id(x) not in reached([u]):
            same = called(x_part)
            self.report(
                env, "E267", f"{called(u_part)} does not depend on {same}", node.span,
                labels=[(u_part.span, ""), (x_part.span, f"this {same}")],
                notes=(f"its derivative is 0; where {same} was bound again, u was made of the one before",),
            )  # fmt: skip
            return None
        return x

    def begins_here(self, x: Val) -> bool:
        """Whether all that depends on x is computed from it in the loop that this stands in, if it stands in one: slices.py."""
        return True

    def slopes(self, name: str, u: Val, x: Val, shared: int, node: syntax.Node, env: Env) -> Val:
        """``diff(u[i], x[j])``, for all i and j but those of the ``shared`` first axes, which are the same."""
        axes = [Axis(f"i{k}", d) for k, d in enumerate(u.shape)]
        others = [Axis(f"j{k}", d) for k, d in enumerate(x.shape)]
        others[:shared] = axes[:shared]
        whole = tuple(dict.fromkeys((*axes, *others)))
        index, inner = tuple(at(a.name) for a in axes), tuple(at(a.name) for a in others)
        body = E.make("diff", E.arg(0), E.arg(1))
        step = Step(name, tuple(a.extent for a in whole), whole, tuple(at(a.name) for a in whole),
                    (Read(0, index), Read(1, inner)), body)  # fmt: skip
        return self.emit(step, (u, x), node.span, env)

    def extent(self, node: syntax.Call, env: Env) -> Task:
        found = yield from self.two(node, ("x", "axis"), env)
        if found is None:
            return POISON
        (x_part, value), (axis_part, axis) = found
        dim = self.as_dim(axis, axis_part, env)
        if isinstance(value, Elem) and (env.elem is None or env.elem.quiet):
            raise NotElementwise
        if isinstance(value, Poison) or dim is None:
            return POISON
        if isinstance(value, Elem):
            return self.not_whole("extent", [x_part], [value], node, env)
        shape = shape_of_value(value)
        if dim.value is None or not -len(shape) <= dim.value < len(shape):
            return self.report(env, "E205", f"there is no axis {dim}", axis_part.span)
        return Scalar.of_dim(shape[dim.value])

    def rank(self, node: syntax.Call, env: Env) -> Task:
        found = yield from self.one(node, "x", env)
        if found is None or isinstance(found[1], Poison):
            return POISON
        if isinstance(found[1], Elem):
            raise NotElementwise
        return Scalar.of_dim(Dim.of(len(shape_of_value(found[1]))))

    def is_index(self, node: syntax.Call, env: Env) -> Task:
        found = yield from self.one(node, "x", env)
        if found is None or isinstance(found[1], Poison):
            return POISON
        return Scalar.of_bool(isinstance(found[1], Val | Elem) and found[1].kind == "int")

    def fail(self, node: syntax.Call, env: Env) -> Task:
        found = yield from self.one(node, "message", env)
        if found is None:
            return POISON
        return self.report(env, "E286", found[1].text if isinstance(found[1], Text) else "this call is refused", node.span)
