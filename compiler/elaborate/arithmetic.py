"""Operations on values: what is folded when the module is compiled, and what becomes an equation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Kind
from ..graph.shapes import Dim
from ..language import syntax
from ..language.source import Span
from ..ops.declare import Clash, Misfit, Op, Operand, elementwise_plan, misfit_broadcast
from .constants import fold, fold_dim, map_literals
from .evaluator import Evaluator, NotElementwise
from .scope import Env, Lifter
from .values import (
    POISON,
    Elem,
    Layer,
    Literal,
    Poison,
    Scalar,
    Several,
    Text,
    Val,
    Value,
    is_bool,
    operand,
    shape_of_value,
)

Build = Callable[[list[Expr]], Expr]


class Arithmetic(Evaluator):
    """The evaluator with its operations."""

    # ------------------------------------------------------------ elementwise operations

    def operator(
        self, name: str, parts: list[syntax.Expression], values: list[Value], node: syntax.Expression, env: Env
    ) -> Value:
        """An operator or elementwise operation of the tables. Where a condition is wanted, a number holds if it is not 0."""
        op = self.ops[name]
        assert op.body is not None
        body = op.body
        if all(isinstance(v, Text) for v in values) and name in ("eq", "ne"):
            texts = [v.text for v in values if isinstance(v, Text)]
            return Scalar.of_bool((texts[0] == texts[1]) == (name == "eq"))
        conditions = {"and": (0, 1), "or": (0, 1), "not": (0,), "where": (0,)}.get(name, ())
        for k in conditions:
            if not is_bool(values[k]):
                body = E.substitute(body, {E.arg(k): E.make("ne", E.arg(k), E.ZERO)})
        kind = op.kind
        if name in ("where", "maximum", "minimum") and all(is_bool(v) for v in values[1 if name == "where" else 0 :]):
            kind = "bool"
        return self.elementwise(name, builder(body), kind, parts, values, node, env)

    def elementwise(
        self, name: str, build: Build, kind: Kind, parts: list[syntax.Expression], values: list[Value],
        node: syntax.Expression, env: Env,
    ) -> Value:  # fmt: skip
        """One elementwise operation: one equation, or a constant, or a piece of a body that is being tried."""
        for part, value in zip(parts, values, strict=True):
            if isinstance(value, Poison):
                return POISON
            if isinstance(value, Text | Several | Layer):
                return self.not_an_array(part, value, env)
        scalars = [v for v in values if isinstance(v, Scalar)]
        if len(scalars) == len(values):
            return _of_scalars(name, build, kind, scalars)
        if env.constant and any(isinstance(v, Literal) for v in values):
            return self.of_literals(build, parts, values, node, env)
        if env.elem is not None and not env.elem.quiet:
            return self.at_points(name, build, kind, parts, values, node, env)
        if env.elem is not None:
            lifter = env.elem
            return Elem(build([self.lifted(v, lifter) for v in values]), kind)
        return self.of_arrays(name, build, kind, parts, values, node, env)

    def of_literals(
        self, build: Build, parts: list[syntax.Expression], values: list[Value], node: syntax.Expression, env: Env
    ) -> Value:  # fmt: skip
        """Literal arrays and numbers, when the module is compiled."""
        operands = tuple(v for v in values if isinstance(v, Literal | Scalar))
        try:
            made = map_literals(build([E.arg(k) for k in range(len(operands))]), operands, node.span)
        except Clash as clash:
            described = tuple(Operand(shape_of_value(v)) for v in values)
            return self.misfit(env, misfit_broadcast(described, clash), node, parts, values)
        if made is None:
            return self.report(env, "E244", "this is not a number that is known when the module is compiled", node.span)
        return made

    def of_arrays(
        self, name: str, build: Build, kind: Kind, parts: list[syntax.Expression], values: list[Value],
        node: syntax.Expression, env: Env,
    ) -> Value:  # fmt: skip
        """An equation, which reads each array once and has numbers in its body."""
        arrays: list[Val] = []
        named: list[int] = []  # which part each array came from
        exprs: list[Expr] = []
        for k, (part, value) in enumerate(zip(parts, values, strict=True)):
            if isinstance(value, Scalar):
                exprs.append(value.expr)
                continue
            val = self.materialise(value, part.span, env)
            if val not in arrays:
                arrays.append(val)
                named.append(k)
            exprs.append(E.arg(arrays.index(val)))
        try:
            plan = elementwise_plan(name, build(exprs), kind, tuple(operand(a) for a in arrays))
        except Misfit as error:
            return self.misfit(env, error, node, [parts[k] for k in named], [values[k] for k in named])
        return self.emit(plan.steps[0], tuple(arrays), node.span, env)

    def lifted(self, value: Value, lifter: Lifter) -> Expr:
        if isinstance(value, Scalar | Elem):
            return value.expr
        if isinstance(value, Val):
            return lifter.lift(value).expr
        raise NotElementwise

    # ------------------------------------------------------------ operations with a plan

    def planned(
        self,
        op: Op,
        parts: list[syntax.Expression],
        values: list[Value],
        options: Mapping[str, Any],
        node: syntax.Expression,
        env: Env,
        places: Mapping[str, Span],
    ) -> Value:
        """A call of an operation that has a plan."""
        if any(isinstance(v, Poison) for v in values):
            return POISON
        if env.elem is not None and not env.elem.quiet:
            if any(isinstance(v, Elem) for v in values):
                return self.not_whole(op.name, parts, values, node, env)
            env = env.whole()
        if env.elem is not None:
            raise NotElementwise
        if env.rule:
            return self.report(
                env, "E288", "an update rule works on one element at a time", node.span, notes=(f"{op.name} needs a whole array",)
            )
        if env.constant and op.name in ("zeros", "ones", "eye"):
            return self.constant_array(op.name, options, node, env)
        if env.constant:
            return self.report(
                env,
                "E244",
                "this is not known when the module is compiled",
                node.span,
                notes=("numbers, literal arrays, zeros, ones, eye and arithmetic with them are",),
            )
        for part, value in zip(parts, values, strict=True):
            if isinstance(value, Text | Several | Layer):
                return self.not_an_array(part, value, env)
        operands = tuple(self.materialise(v, p.span, env) for p, v in zip(parts, values, strict=True))
        assert op.plan is not None
        try:
            plan = op.plan(tuple(operand(v) for v in operands), options)
        except Misfit as error:
            return self.misfit(env, error, node, parts, list(operands), places)
        if not plan.steps:
            return operands[0]
        made: list[Val] = []
        for step in plan.steps:
            made.append(self.emit(step, (*operands, *made), node.span, env))
        return Several(tuple(made)) if plan.several else made[-1]

    def constant_array(self, name: str, options: Mapping[str, Any], node: syntax.Expression, env: Env) -> Value:
        dims: tuple[Dim, ...] = options["shape"] if name != "eye" else (options["n"], options["n"])
        if any(d.value is None for d in dims):
            return self.report(env, "E244", "a free size is not known when the module is compiled", node.span)
        shape = tuple(int(d.value or 0) for d in dims)
        if any(d < 0 for d in shape):
            return self.report(env, "E213", "a size cannot be negative", node.span)
        count = 1
        for d in shape:
            count *= d
        if name == "eye":
            data = tuple(Fraction(int(i == j)) for i in range(shape[0]) for j in range(shape[0]))
        else:
            data = (Fraction(int(name == "ones")),) * count
        return Literal(shape, data, node.span)

    # ------------------------------------------------------------ in index notation: reads.py

    @abstractmethod
    def at_points(
        self, name: str, build: Build, kind: Kind, parts: list[syntax.Expression], values: list[Value],
        node: syntax.Expression, env: Env,
    ) -> Value:  # fmt: skip
        """An elementwise operation where something may be one number at a point."""

    @abstractmethod
    def not_whole(
        self, name: str, parts: Iterable[syntax.Expression], values: Iterable[Value], node: syntax.Expression, env: Env
    ) -> Poison:
        """An operation on whole arrays was given one number at a point."""


def _of_scalars(name: str, build: Build, kind: Kind, scalars: list[Scalar]) -> Scalar:
    """An operation on numbers: a size where it can be one."""
    dims = [s.dim for s in scalars]
    if name == "neg" and dims[0] is not None:
        return Scalar.of_dim(-dims[0])
    if len(scalars) == 2:
        dim = fold_dim(name, dims[0], dims[1])
        if dim is not None:
            return Scalar.of_dim(dim)
        if kind == "bool" and dims[0] is not None and dims[0] == dims[1]:
            return Scalar.of_bool(name in ("eq", "le", "ge"))
    exprs = tuple(s.expr for s in scalars)
    return Scalar(fold(name, exprs) or build(list(exprs)), None, kind == "bool")


def builder(body: Expr) -> Build:
    """A body over arg(0), arg(1)... as a function of what stands for them."""

    def build(exprs: list[Expr]) -> Expr:
        if all(e is a for e, a in zip(exprs, body.args, strict=False)) and len(exprs) == len(body.args):
            return body
        return E.substitute(body, {E.arg(k): e for k, e in enumerate(exprs)})

    return build
