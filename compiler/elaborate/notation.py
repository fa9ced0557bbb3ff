"""Index notation: ``S[n, j] = sum(x[n, d] * W[d, j] for d)``.

A statement, or a comprehension that stands in another expression, is read in three steps. Its body is evaluated point by
point, to an expression over numbered reads (``points.py``). Then the variables get their ranges (``ranges.py``), which keep
every read inside (``proofs.py``). Then the equations are made (``equations.py``).
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import replace
from typing import Final

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Ix, Reduce
from ..graph.shapes import size
from ..language import syntax
from ..language.source import Span
from .equations import Equations
from .evaluator import NotElementwise, Task, Wanted
from .expressions import NAMED
from .indices import affine
from .points import Points, Reading, Total, Variable
from .proofs import prove_reads
from .ranges import Ranges
from .reads import PointReader, array_called
from .scope import Env, article
from .values import POISON, Elem, Val, Value

REDUCTIONS: Final[dict[str, Reduce]] = {
    "sum": "+", "prod": "*", "max": "max", "min": "min", "argmax": "argmax", "argmin": "argmin", "logsumexp": "lse",
    "mean": "+", "any": "+", "all": "+",
}  # fmt: skip
# What stands outside a padded array whose largest (smallest) element is wanted: nothing that could win.
FILLS: Final[dict[Reduce, str]] = {"max": "-inf", "argmax": "-inf", "lse": "-inf", "min": "inf", "argmin": "inf"}

# What a comprehension brings in: where its body stands, its variables and its conditions; None after an error.
Steps = Generator[Wanted, Value, "tuple[Env, list[Variable], list[Expr]] | None"]


class Notation(PointReader):
    """The evaluator with index notation."""

    # ------------------------------------------------------------ statements and comprehensions

    def indexed(self, node: syntax.Indexed, env: Env) -> Task:
        """``name[i, j] = value``: its array."""
        if env.elem is not None and env.elem.quiet:
            raise NotElementwise
        if env.elem is not None:
            return self.report(
                env, "E235", f"{node.name.id} is a whole array, and here everything is one number", node.span,
                help="give the function whole arrays",
            )  # fmt: skip
        points = Points(quiet=False)
        env = replace(env, elem=points)
        left: dict[str, Variable] = {}
        for name in node.indices:
            if name.id in left:
                self.report(
                    env, "E230", f"{name.id} stands twice on the left", name.span, help="each axis has a variable of its own"
                )
                points.failed = True
                continue
            left[name.id] = self.variable(name, env, points, True)
        inner = replace(env, indices={n: Elem(E.idx(v.axis)) for n, v in left.items()})
        yield from self.clauses(node.clauses, inner, points, left)
        try:
            value = yield node.value, inner
        except NotElementwise:
            return self.not_at_a_point(node.value, inner)
        body = self.one_number(node.value, value, inner)
        if body is None or points.failed:
            return POISON
        return self.finish(points, body, tuple(left.values()), node.span, env)

    def comprehension(self, node: syntax.Call, env: Env) -> Task:
        """``sum(value for i)``: a number, or where it stands in index notation one number for each point."""
        name, inner = node.func.id, node.args[0]
        assert isinstance(inner, syntax.Comprehension)
        if env.elem is not None and env.elem.quiet:
            raise NotElementwise
        if env.rule:
            return self.report(env, "E288", "an update rule works on one element at a time", node.span)
        if env.constant:
            return self.report(env, "E244", "this is not known when the module is compiled", node.span)
        if name not in REDUCTIONS or name in env.frame.functions:
            return self.report(
                env, "E238", f"{name} cannot be taken over an index", node.span, notes=(f"{', '.join(REDUCTIONS)} can",)
            )
        outermost = not isinstance(env.elem, Points)
        points = env.elem if isinstance(env.elem, Points) else Points(quiet=False)
        env = replace(env, elem=points)
        found = yield from self.clauses(inner.clauses, env, points)
        if found is None:
            points.failed = True
            return POISON
        inside_env, own, conditions = found
        try:
            value = yield inner.value, inside_env
        except NotElementwise:
            points.failed = True
            return self.not_at_a_point(inner.value, inside_env)
        body = self.one_number(inner.value, value, inside_env)
        if body is None:
            points.failed = True
            return POISON
        if not own:
            points.failed = True
            return self.report(env, "E238", f"this {name} is over no index", inner.span, help=f"{name}(... for i)")
        if name in ("argmax", "argmin") and len(own) > 1:
            points.failed = True
            return self.report(env, "E205", f"{name} works along one axis", own[1].span)
        result = self.total(name, body, own, conditions, points, node, env)
        if not outermost:
            return result
        return POISON if points.failed else self.finish(points, result, (), node.span, replace(env, elem=None))

    def total(
        self, name: str, body: Elem, own: list[Variable], conditions: list[Expr], points: Points, node: syntax.Call, env: Env
    ) -> Elem:
        reduce = REDUCTIONS[name]
        expr = body.expr
        condition: Expr | None = None
        for part in conditions:
            condition = part if condition is None else E.make("and", condition, part)
        if name in ("any", "all"):
            holds = expr if body.kind == "bool" else E.make("ne", expr, E.ZERO)
            expr = E.where(holds if name == "any" else E.make("not", holds), E.ONE, E.ZERO)
        if expr.op == "arg" and reduce in FILLS and points.reading(expr).pad:
            padded = points.reading(expr)
            if padded.kind != "real":
                points.failed = True
                self.report(env, "E238", f"nothing stands outside a padded array of integers in {article(name)}", padded.span)
            expr = points.read(replace(padded, fill=FILLS[reduce])).expr

        def made(body: Expr) -> Elem:
            whole = Total(name, reduce, body, condition, tuple(own), node.span)
            return points.read(Reading(whole, (), (), "this", node.span, env))

        result = made(expr)
        if name == "mean":
            if condition is not None:
                return Elem(E.make("div", result.expr, made(E.ONE).expr))
            count = E.sym(f"count {len(points.late)}")
            points.late[count] = lambda: E.dim(size(tuple(v.size for v in own)))
            return Elem(E.make("div", result.expr, count))
        if name in ("any", "all"):
            return Elem(E.make("gt" if name == "any" else "eq", result.expr, E.ZERO), "bool")
        if reduce in ("argmax", "argmin"):
            (v,) = own
            if v.low is not None and not v.guarded:
                return Elem(E.add(result.expr, E.dim(v.low.const)), "int")
            v.origin = True
            return Elem(result.expr, "int")
        return result

    # ------------------------------------------------------------ variables and their ranges

    def clauses(
        self, clauses: Iterable[syntax.Clause], env: Env, points: Points, left: Mapping[str, Variable] | None = None
    ) -> Steps:
        """The variables that a comprehension brings in, and its conditions; the environment in which they are visible."""
        own: list[Variable] = []
        conditions: list[Expr] = []
        good = True
        for clause in clauses:
            if not clause.names:
                assert clause.range is not None
                if left is not None:
                    self.report(
                        env, "E238", "a condition belongs in a comprehension", clause.span,
                        help="where(condition, a, b) chooses point by point",
                    )  # fmt: skip
                    points.failed = True
                    continue
                value = yield clause.range, env
                found = self.one_number(clause.range, value, env)
                good &= found is not None
                if found is not None:
                    conditions.append(found.expr if found.kind == "bool" else E.make("ne", found.expr, E.ZERO))
                continue
            bounds: tuple[Elem, Elem, Ix, Ix] | None = None
            if clause.range is not None:
                bounds = yield from self.range(clause.range, env, points)
                good &= bounds is not None
            for name in clause.names:
                if left is not None:
                    known = left.get(name.id)
                    if known is None:
                        self.report(env, "E238", f"{name.id} does not stand on the left", name.span)
                        points.failed = True
                        continue
                    v = known
                else:
                    v = self.variable(name, env, points)
                    own.append(v)
                number = Elem(E.idx(v.axis))
                env = replace(env, indices={**(env.indices or {}), name.id: number})
                if bounds is None or clause.range is None:
                    continue
                low, stop, v.low, v.stop = bounds
                v.range_span = clause.range.span
                if left is not None and (v.low.terms or v.stop.terms or v.low.const.terms):
                    what = "is the same for all others" if v.low.terms or v.stop.terms else "starts at 0"
                    self.report(env, "E236", f"the range of a variable on the left {what}", clause.range.span)
                    points.failed = True
                elif v.low.terms or v.stop.terms:
                    v.guarded = True
                    if v.low.terms or v.low.const.terms:
                        conditions.append(E.make("ge", number.expr, low.expr))
                    if v.stop.terms:
                        conditions.append(_before(number.expr, stop.expr))
        points.failed |= not good
        return (env, own, conditions) if good else None

    def range(
        self, node: syntax.Expression, env: Env, points: Points
    ) -> Generator[Wanted, Value, tuple[Elem, Elem, Ix, Ix] | None]:
        if not (isinstance(node, syntax.Call) and node.func.id == "range" and 1 <= len(node.args) <= 2 and not node.keywords):
            steps = isinstance(node, syntax.Call) and node.func.id == "range" and len(node.args) == 3
            self.report(
                env, "E236", "an index variable runs over a range", node.span,
                help="a step goes into the index, as in x[2*i]" if steps else "for i in range(4), or for i in range(1, N)",
            )  # fmt: skip
            return None
        ends: list[tuple[Elem, Ix]] = [(Elem(E.ZERO), Ix())] if len(node.args) == 1 else []
        good = True
        for part in node.args:
            value = yield part, env
            if isinstance(value, Val) and value.shape == () and value.kind == "int":
                value = points.read(Reading(value, (), (), array_called(part), part.span, env))
            if isinstance(value, Elem):
                ix = affine(points, value.expr)
                if ix is None:
                    self.report(
                        env, "E236", "the end of a range is a size, or whole numbers times outer variables", part.span,
                        notes=("the compiler must see how large it can be",),
                    )  # fmt: skip
                    good = False
                else:
                    ends.append((value, ix))
                continue
            dim = self.as_dim(value, part, env)
            good &= dim is not None
            if dim is not None:
                ends.append((Elem(E.dim(dim)), Ix((), dim)))
        if not good:
            return None
        (low, low_ix), (stop, stop_ix) = ends
        return low, stop, low_ix, stop_ix

    def variable(self, name: syntax.Name, env: Env, points: Points, left: bool = False) -> Variable:
        """A new index variable; an error where its name means something here."""
        labels: list[tuple[Span, str]] = []
        taken = ""
        entry = self.entries.get(name.id) if env.frame.main else None
        if env.indices is not None and name.id in env.indices:
            taken = "an index variable already"
        elif env.names is not None and name.id in env.names:
            taken = "something else already"
        elif entry is not None and not (env.names is not None and entry.what == "binding"):
            taken = f"{article(entry.what)} already"
            labels = [(name.span, ""), (entry.span, "here")]
        elif name.id in NAMED:
            taken = "a number already"
        if taken:
            self.report(
                env, "E230", f"{name.id} is {taken}", name.span, labels=labels, help="give the index variable a name of its own"
            )
            points.failed = True
        return points.variable(name, env, left)

    # ------------------------------------------------------------ the equations

    def finish(self, points: Points, body: Elem, left: tuple[Variable, ...], span: Span, env: Env) -> Value:
        """The value of a statement, or of a comprehension that stands by itself."""
        before = len(self.bag)
        if not Ranges(self, points).find():
            return POISON
        prove_reads(self, points)
        return Equations(self, points, env).statement(body, left, span) if len(self.bag) == before else POISON


def _before(place: Expr, stop: Expr) -> Expr:
    """``place < stop``; up to i + 1 is up to i, as the running sums of the library say it."""
    if stop.op == "add" and E.ONE in stop.args:
        return E.make("le", place, stop.args[0] if stop.args[1] is E.ONE else stop.args[1])
    return E.make("lt", place, stop)
