"""The equations of index notation: one for the statement, and one for each comprehension in it.

A comprehension is computed over those outer variables that it really depends on. Where a statement, or another comprehension of
the same sort, holds nothing but a comprehension, both are one equation; so what is a matrix product is the matrix product.
"""

from __future__ import annotations

from typing import Final

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Axis, Gather, Ix, Kind, Quot, Reduce, Rem, at
from ..graph.shapes import Dim
from ..language.source import Span
from ..ops.declare import Read, Step
from .evaluator import Evaluator
from .indices import affine, limits
from .points import Points, Reading, Total, Variable
from .scope import Env
from .values import Elem, Val

MINUS_INF: Final = E.make("neg", E.INF)
NEUTRAL: Final[dict[Reduce, Expr]] = {
    "+": E.ZERO, "*": E.ONE, "max": MINUS_INF, "argmax": MINUS_INF, "lse": MINUS_INF, "min": E.INF, "argmin": E.INF,
}  # fmt: skip


class Equations:
    """What makes the equations of one statement, when its variables have their ranges."""

    def __init__(self, ev: Evaluator, points: Points, env: Env) -> None:
        self.ev, self.points, self.env = ev, points, env.whole()

    def statement(self, body: Elem, left: tuple[Variable, ...], span: Span) -> Val:
        """A statement over the variables on its left, or a comprehension that stands by itself."""
        points = self.points
        for reading in points.reads:
            if isinstance(reading.source, Total):
                total = reading.source
                total.body = points.ready(total.body)
                total.condition = None if total.condition is None else points.ready(total.condition)
        expr = points.ready(body.expr)
        outer = tuple(v.axis for v in left)
        if expr.op == "arg":
            reading = points.reading(expr)
            if isinstance(reading.source, Total) and set(points.outer(reading.source)) == set(outer):
                return self.comprehension(reading.source, outer, span)
        bound: Dim | None = None
        if body.kind == "int":
            ends = limits(points, affine(points, expr) or Ix())
            bound = None if ends is None else ends[1] + 1
        return self.equation("index" if expr.op == "arg" else "formula", "", expr, body.kind, bound, outer, (), span)

    def comprehension(self, total: Total, outer: tuple[str, ...], span: Span) -> Val:
        """The equation of a comprehension. One that holds nothing but another of the same sort is one with it."""
        own, body, condition = list(total.variables), total.body, total.condition
        while body.op == "arg" and condition is None and total.reduce not in ("argmax", "argmin"):
            inner = self.points.reading(body).source
            if not (isinstance(inner, Total) and inner.reduce == total.reduce):
                break
            own, body, condition = own + list(inner.variables), inner.body, inner.condition
        if condition is not None:
            body = E.make("where", condition, body, NEUTRAL[total.reduce])
        kind: Kind = "int" if total.reduce in ("argmax", "argmin") else "real"
        bound = own[0].size if kind == "int" else None
        return self.equation(total.op, total.reduce, body, kind, bound, outer, tuple(v.axis for v in own), span)

    def equation(
        self, op: str, reduce: Reduce, body: Expr, kind: Kind, bound: Dim | None, outer: tuple[str, ...], own: tuple[str, ...],
        span: Span,
    ) -> Val:  # fmt: skip
        """One equation over the axes ``outer``, reduced over ``own``."""
        operands = _Operands(self)
        reads: list[Read] = []
        places: dict[Expr, Expr] = {}
        for k in E.arguments(body):
            reading = self.points.reads[k]
            place, index = operands.place(reading)
            places[E.arg(k)] = E.arg(len(reads))
            reads.append(Read(place, index, reading.fill))
        axes = tuple(Axis(a, self.points.variables[a].size) for a in (*outer, *own))
        shape = tuple(a.extent for a in axes[: len(outer)])
        step = Step(op, shape, axes, tuple(at(a) for a in outer), tuple(reads), E.substitute(body, places), reduce, kind, bound)
        return self.ev.emit(step, tuple(operands.vals), span, self.env)

    def made(self, total: Total) -> Val:
        """The value of a comprehension that stands in a formula."""
        if total.made is None:
            total.made = self.comprehension(total, self.points.outer(total), total.span)
        return total.made


class _Operands:
    """The arrays that one equation reads."""

    def __init__(self, equations: Equations) -> None:
        self.equations, self.points = equations, equations.points
        self.vals: list[Val] = []

    def place(self, reading: Reading) -> tuple[int, tuple[Ix, ...]]:
        """Which operand is read, and the index."""
        source = reading.source
        if isinstance(source, Total):
            axes = self.points.outer(source)
            value, index = self.equations.made(source), tuple(at(a) for a in axes)
        else:
            value, index = source, tuple(self.settled(self.points.moved(ix)) for ix in reading.index)
        if value not in self.vals:
            self.vals.append(value)
        return self.vals.index(value), index

    def settled(self, ix: Ix) -> Ix:
        """The index with the operands that it gathers from."""
        total = Ix((), ix.const)
        for atom, factor in ix.terms:
            if isinstance(atom, Gather):
                k, index = self.place(self.points.chooser(atom))
                atom = Gather(f"${k}", index)
            elif isinstance(atom, Quot | Rem):
                atom = type(atom)(self.settled(atom.a), atom.b)
            total = total + Ix(((atom, factor),))
        return total
