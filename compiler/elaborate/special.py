"""What is called like a function and is more than an operation: a choice that may be made when the module is compiled, the
largest of several, what stops a gradient, and what asks for shapes and kinds."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import reduce
from typing import Literal as OneOf

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Kind
from ..graph.shapes import Dim
from ..language import syntax
from .constants import fold
from .evaluator import NotElementwise, Task, Wanted
from .operations import OperationCaller
from .scope import Env
from .values import POISON, Elem, Poison, Scalar, Text, Val, Value, is_bool, shape_of_value

Argument = tuple[syntax.Expression, Value]  # with what it is worth


class SpecialCaller(OperationCaller):
    """The evaluator with the words of ``expressions.SPECIAL``."""

    def special(self, node: syntax.Call, env: Env) -> Task:
        methods: dict[str, Callable[[syntax.Call, Env], Task]] = {
            "where": self.where, "max": self.extreme, "min": self.extreme, "maximum": self.extreme, "minimum": self.extreme,
            "stop_gradient": self.stop_gradient, "extent": self.extent, "rank": self.rank, "is_index": self.is_index,
            "fail": self.fail,
        }  # fmt: skip
        return methods[node.func.id](node, env)

    def one(self, node: syntax.Call, name: str, env: Env) -> Generator[Wanted, Value, Argument | None]:
        """The only argument of a call; None after an error."""
        bound = self.bind(node, [(name, True)], env)
        part = None if bound is None else bound[name]
        return None if part is None else (part, (yield part, env))

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

    def extent(self, node: syntax.Call, env: Env) -> Task:
        bound = self.bind(node, [("x", True), ("axis", True)], env)
        if bound is None:
            return POISON
        x_part, axis_part = bound["x"], bound["axis"]
        assert x_part is not None and axis_part is not None
        value = yield x_part, env
        axis = yield axis_part, env
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
