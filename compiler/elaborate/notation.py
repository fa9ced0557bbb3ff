"""Index notation: ``S[n, j] = sum(x[n, d] * W[d, j] for d)``.

A statement, or a comprehension that stands in another expression, is read in three steps. Its body is evaluated point by
point, to an expression over numbered reads (:class:`Points`). Then the variables get their ranges. Then the equations are
made: one for each comprehension, over those outer variables that it really depends on, and one for the statement; where the
statement's body is nothing but a comprehension they are one equation. So what is a matrix product is the matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from typing import Final

from ..graph import expr as E
from ..graph.bounds import below, floors, index_range, inside, never_negative
from ..graph.expr import Expr
from ..graph.ir import Axis, Gather, Ix, Kind, Quot, Reduce, Rem, at, fixed
from ..graph.rewrite import substitute_ix
from ..graph.shapes import Dim, size
from ..language import syntax
from ..language.source import Span
from ..ops.declare import Read, Step
from .expressions import NAMED, Build, Evaluator, NotElementwise, Task, describe
from .scope import Env, Lifter, article
from .values import POISON, Elem, Layer, Literal, Poison, Scalar, Several, Text, Val, Value

ZERO: Final = Dim.of(0)
REDUCTIONS: Final[dict[str, Reduce]] = {
    "sum": "+", "prod": "*", "max": "max", "min": "min", "argmax": "argmax", "argmin": "argmin", "logsumexp": "lse",
    "mean": "+", "any": "+", "all": "+",
}  # fmt: skip
MINUS_INF: Final = E.make("neg", E.INF)
NEUTRAL: Final[dict[Reduce, Expr]] = {
    "+": E.ZERO, "*": E.ONE, "max": MINUS_INF, "argmax": MINUS_INF, "lse": MINUS_INF, "min": E.INF, "argmin": E.INF,
}  # fmt: skip
# What stands outside a padded array whose largest (smallest) element is wanted: nothing that could win.
FILLS: Final[dict[Reduce, str]] = {"max": "-inf", "argmax": "-inf", "lse": "-inf", "min": "inf", "argmin": "inf"}

Steps = Generator[tuple[syntax.Expression, Env], Value, "tuple[Env, list[Variable], list[Expr]] | None"]


@dataclass(eq=False, slots=True)
class Variable:
    """An index variable. ``axis`` is its name in the equations; ``low`` and ``stop`` its given range, which may depend on outer
    variables (then ``guarded``: the axis takes in all values, and a condition leaves out what is not in the range)."""

    name: str
    span: Span
    env: Env
    axis: str
    left: bool = False
    low: Ix | None = None
    stop: Ix | None = None
    range_span: Span | None = None
    guarded: bool = False
    inferred: bool = False  # from affine uses alone: every read with it stays inside
    start: Dim = ZERO
    extent: Dim | None = None
    origin: bool = False  # it is answered where it stands, and so its axis starts at 0


@dataclass(eq=False, slots=True)
class Total:
    """A comprehension: one equation to be."""

    op: str
    reduce: Reduce
    body: Expr
    condition: Expr | None
    variables: tuple[Variable, ...]
    span: Span
    made: Val | None = None
    outer: tuple[str, ...] = ()  # the axes of ``made``


@dataclass(eq=False, slots=True)
class Reading:
    """``source[index]``; gathers in the index name another reading as ``#k``. ``pad`` where zeros were declared outside it;
    ``fill`` is what the equation gives outside."""

    source: Val | Total
    index: tuple[Ix, ...]
    spans: tuple[Span, ...]
    name: str
    span: Span
    env: Env
    pad: bool = False
    fill: Fraction | str | None = None

    @property
    def kind(self) -> Kind:
        if isinstance(self.source, Val):
            return self.source.kind
        return "int" if self.source.reduce in ("argmax", "argmin") else "real"


@dataclass(eq=False, slots=True)
class Points(Lifter):
    """What is known of one statement of index notation while its body is read: ``arg(k)`` is ``reads[k]``."""

    reads: list[Reading] = field(default_factory=list)
    variables: dict[str, Variable] = field(default_factory=dict)  # by axis, outer ones first
    late: dict[Expr, Callable[[], Expr]] = field(default_factory=dict)  # numbers that are known with the ranges
    places: dict[tuple[object, ...], int] = field(default_factory=dict)
    failed: bool = False

    def read(self, reading: Reading) -> Elem:
        key = (id(reading.source), reading.index, reading.pad, reading.fill)
        k = self.places.setdefault(key, len(self.reads))
        if k == len(self.reads):
            self.reads.append(reading)
        return Elem(E.arg(k), reading.kind)

    def reading(self, leaf: Expr) -> Reading:
        assert isinstance(leaf.value, int)
        return self.reads[leaf.value]

    def variable(self, name: syntax.Name, env: Env, left: bool = False) -> Variable:
        axis, k = name.id, 1
        while axis in self.variables:
            k += 1
            axis = f"{name.id}_{k}"
        made = self.variables[axis] = Variable(name.id, name.span, env, axis, left)
        return made

    # ------------------------------------------------------------ what depends on what

    def axes(self, ix: Ix) -> Iterator[str]:
        """The axes that an index depends on, through its gathers as well."""
        yield from ix.axes()
        for gather in ix.gathers():
            yield from self.read_axes(self.reads[int(gather.value[1:])])

    def read_axes(self, reading: Reading) -> Iterator[str]:
        for ix in reading.index:
            yield from self.axes(ix)
        if isinstance(reading.source, Total):
            yield from self.outer(reading.source)

    def used(self, *exprs: Expr) -> set[str]:
        found: set[str] = set()
        for leaf in E.walk(*exprs):
            if leaf.op == "idx":
                found.add(str(leaf.value))
            elif leaf.op == "arg":
                found.update(self.read_axes(self.reading(leaf)))
        return found

    def outer(self, total: Total) -> tuple[str, ...]:
        """The outer variables that a comprehension depends on, in their order."""
        if not total.outer:
            used = self.used(total.body, *(() if total.condition is None else (total.condition,)))
            used -= {v.axis for v in total.variables}
            total.outer = tuple(a for a in self.variables if a in used)
        return total.outer

    # ------------------------------------------------------------ indices

    def affine(self, root: Expr) -> Ix | None:
        """An expression over index variables as an index; None where it is none."""
        done: dict[Expr, Ix | None] = {}
        for node in E.walk(root):
            parts = [done[a] for a in node.args]
            found: Ix | None = None
            if node.op == "const":
                number = node.number
                found = fixed(int(number)) if number is not None and number.denominator == 1 else None
            elif node.op == "size" and isinstance(node.value, Dim):
                found = Ix((), node.value)
            elif node.op == "idx":
                found = at(str(node.value))
            elif node.op == "arg":
                reading = self.reading(node)
                if reading.kind == "int" and not reading.pad:
                    found = Ix(((Gather(f"#{node.value}", ()), Dim.of(1)),))
            elif node.op == "floor":
                found = self.quotient(node)
            elif any(p is None for p in parts):
                pass
            elif node.op == "neg":
                found = _known(parts[0]).scale(Dim.of(-1))
            elif node.op in ("add", "sub"):
                a, b = _known(parts[0]), _known(parts[1])
                found = a + (b if node.op == "add" else b.scale(Dim.of(-1)))
                if node.op == "sub" and (rest := self.remainder(node)) is not None:
                    found = rest
            elif node.op == "mul":
                a, b = _known(parts[0]), _known(parts[1])
                found = b.scale(a.const) if not a.terms else a.scale(b.const) if not b.terms else None
            done[node] = found
        return done[root]

    def quotient(self, node: Expr) -> Ix | None:
        """``floor(a / b)`` with a fixed b, which is how ``a // b`` is written."""
        inner = node.args[0]
        number = inner.args[1].number if inner.op == "div" else None
        if number is None or number.denominator != 1 or number < 1:
            return None
        a = self.affine(inner.args[0])
        return None if a is None else Ix(((Quot(a, Dim.of(int(number))), Dim.of(1)),))

    def remainder(self, node: Expr) -> Ix | None:
        """``a - b * floor(a / b)``, which is how ``a % b`` is written."""
        a, product = node.args
        if (
            product.op != "mul"
            or product.args[1].op != "floor"
            or product.args[1].args[0] is not E.make("div", a, product.args[0])
        ):
            return None
        inner, number = self.affine(a), product.args[0].number
        return None if inner is None or number is None else Ix(((Rem(inner, Dim.of(int(number))), Dim.of(1)),))

    def limits(self, ix: Ix, exact: bool = True) -> tuple[Dim, Dim] | None:
        """The least and the greatest value of an index; None where that is not known (yet). ``exact`` minds ranges that depend
        on outer variables; without it every axis takes all its values."""
        extents = {a: v.extent for a, v in self.variables.items() if v.extent is not None}
        if any(a not in extents for a in ix.axes()):
            return None
        known = floors({a: extents[a] for a in ix.axes()})
        ends: list[Dim] = []
        for top in (False, True):
            rest = Ix((), ix.const)
            work: dict[str, Dim] = {}
            for atom, factor in ix.terms:
                if not (never_negative(factor, known) or never_negative(-factor, known)):
                    return None
                if isinstance(atom, str):
                    work[atom] = factor
                    continue
                end: Dim
                if isinstance(atom, Gather):
                    most = self.bound(self.reads[int(atom.value[1:])])
                    if most is None:
                        return None
                    span = (ZERO, most - 1)
                else:
                    inner = index_range(self.moved(Ix(((atom, Dim.of(1)),))), extents, known)
                    if inner is None:
                        return None
                    span = inner
                end = span[1] if top == never_negative(factor, known) else span[0]
                rest = rest + Ix((), end * factor)
            total = rest + Ix(tuple(work.items()))
            for axis in reversed(self.variables):  # inner ones first: their ranges depend on outer ones
                factor = dict(total.terms).get(axis, ZERO)
                if not factor.terms:
                    continue
                up = top == never_negative(factor, known)
                if not up and not never_negative(factor, known) and not never_negative(-factor, known):
                    return None
                total = total + at(axis).scale(-factor) + self.end(self.variables[axis], up, exact).scale(factor)
                if any(not isinstance(a, str) for a, _ in total.terms):
                    found = self.limits(total, exact)
                    if found is None:
                        return None
                    total = Ix((), found[int(top)])
            ends.append(total.const)
        return ends[0], ends[1]

    def end(self, v: Variable, up: bool, exact: bool) -> Ix:
        assert v.extent is not None
        if exact and v.guarded and v.stop is not None and v.low is not None:
            return v.stop + fixed(-1) if up else v.low
        return Ix((), v.start + v.extent - 1 if up else v.start)

    def bound(self, reading: Reading) -> Dim | None:
        """The integers that are read are below this."""
        if isinstance(reading.source, Val):
            return reading.source.below
        return reading.source.variables[0].extent

    def moved(self, ix: Ix) -> Ix:
        """The index over axes that start at 0."""
        shifted = {a: at(a) + Ix((), v.start) for a, v in self.variables.items() if v.start.terms}
        extents = {a: v.extent for a, v in self.variables.items() if v.extent is not None}
        return substitute_ix(ix, shifted, extents)

    def ready(self, expr: Expr) -> Expr:
        """The expression with the numbers that were not known while it was read."""
        known = {node: make() for node, make in self.late.items()}
        for a, v in self.variables.items():
            if v.start.terms:
                known[E.idx(a)] = E.add(E.idx(a), E.dim(v.start))
        return E.substitute(expr, known) if known else expr


class Notation(Evaluator):
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
        return self.finish(points, body, tuple(left.values()), node.name.id, node.span, env)

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
        return POISON if points.failed else self.finish(points, result, (), name, node.span, replace(env, elem=None))

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
            points.late[count] = lambda: E.dim(size(tuple(_dim(v) for v in own)))
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
    ) -> Generator[tuple[syntax.Expression, Env], Value, tuple[Elem, Elem, Ix, Ix] | None]:
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
                value = points.read(Reading(value, (), (), _called(part), part.span, env))
            if isinstance(value, Elem):
                ix = points.affine(value.expr)
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
            return (yield from self.subscript(node, whole(env)))
        items = list(node.items)
        timed = [not pad and not self.pointed((node.value, item), env) and self.timed(item, env) for item in items]
        if any(timed):  # a step's slice first
            colon = syntax.Slice(None, None, None, span=node.span)
            step = tuple(item if t else colon for item, t in zip(items, timed, strict=True))
            value = yield from self.subscript(syntax.Subscript(node.value, step, span=node.span), whole(env))
            items = [item for item, t in zip(items, timed, strict=True) if not t]
        else:
            value = yield node.value, env
        found: list[Value] = []
        good = not isinstance(value, Poison)
        for item in items:
            if isinstance(item, syntax.Slice):
                self.report(
                    env, "E234", "index notation reads one element, and a slice takes several", item.span,
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
        name = _called(node.value)
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

    def timed(self, item: syntax.Expression | syntax.Slice, env: Env) -> bool:
        """Whether an index moves with the step of a loop: loops.py."""
        return False

    def index(self, item: syntax.Expression | syntax.Slice, value: Value, env: Env, points: Points) -> Ix | None:
        """One index of a read; None after an error."""
        if isinstance(value, Val) and value.shape == ():
            value = points.read(Reading(value, (), (), _called(item), item.span, env))
        if isinstance(value, Val | Literal):
            self.report(
                env, "E234", f"{_called(item)} is {describe(value)} and stands here without its indices", item.span,
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
            ix = points.affine(value.expr)
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
        assert not isinstance(item, syntax.Slice)
        dim = self.as_dim(value, item, env, "E241", "an index is a whole number")
        return None if dim is None else Ix((), dim)

    def padded(self, node: syntax.Padded, env: Env) -> Task:
        if isinstance(env.elem, Points):
            return (yield from self.read(node.value, env, True))
        return self.report(
            env, "E238", "`pad` is for reads in index notation", node.span, help="y[i] = x[i - 1] pad for i in range(N)"
        )

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
            return points.read(Reading(value, (), (), _called(part), part.span, env))
        points.failed = True
        if isinstance(value, Val | Literal):
            name = _called(part)
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
            return self.elementwise(name, build, kind, parts, values, node, whole(env))
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

    # ------------------------------------------------------------ the ranges

    def resolve(self, points: Points) -> bool:
        """Give every variable its range and prove every read; False after an error."""
        before = len(self.bag)
        waiting = list(points.variables.values())
        for v in list(waiting):
            if v.stop is None and self.bare(v, points):
                waiting.remove(v)
        progress = True
        while waiting and progress and len(self.bag) == before:
            progress = False
            for v in list(waiting):
                if self.given(v, points) if v.stop is not None else self.shrunk(v, points):
                    waiting.remove(v)
                    progress = True
                    break
        if len(self.bag) == before:
            for v in waiting:
                if v.stop is None:  # else it waits for another
                    self.without_range(v, points)
        if len(self.bag) > before:
            return False
        for reading in list(points.reads):
            if isinstance(reading.source, Val):
                self.prove(reading, points)
        return len(self.bag) == before

    def uses(self, v: Variable, points: Points) -> Iterator[tuple[Reading, int, Dim]]:
        """Where a variable stands in an index: the read, which index, and its factor."""
        for reading in points.reads:
            if isinstance(reading.source, Val):
                for k, ix in enumerate(reading.index):
                    factor = dict(ix.terms).get(v.axis)
                    if factor is not None:
                        yield reading, k, factor

    def bare(self, v: Variable, points: Points) -> bool:
        """The range of a variable that indexes an array alone: that whole axis."""
        found: list[tuple[Reading, int]] = [(r, k) for r, k, _ in self.uses(v, points) if r.index[k].plain == v.axis]
        firm = [(r, k) for r, k in found if not r.pad]
        if not found:
            return False
        first, k = (firm or found)[0]
        extent = _extent(first, k)
        for other, j in firm or found:
            if _extent(other, j) != extent:
                self.disagree(v, (first, k), (other, j))
                return True
        v.extent = extent
        # affine uses shrink it
        alone = [(r, k, f) for r, k, f in self.uses(v, points) if not r.pad and set(points.axes(r.index[k])) == {v.axis}]
        if any(r.index[k].plain is None for r, k, _ in alone):
            v.extent = None
            v.stop = None
            return self.shrunk(v, points, alone)
        return True

    def given(self, v: Variable, points: Points) -> bool:
        assert v.low is not None and v.stop is not None and v.range_span is not None
        low, stop = points.limits(v.low), points.limits(v.stop)
        if low is None or stop is None:
            return False
        start, extent = low[0], stop[1] - low[0]
        if v.guarded and v.origin and start.terms:
            if not never_negative(start):
                self.report(v.env, "E236", "this range starts below 0", v.range_span)
                return True
            start, extent = ZERO, stop[1]
        if v.guarded and not never_negative(extent):
            start = ZERO if never_negative(start) else start
            extent = stop[1] - start
            if not never_negative(extent):  # as if the outer variables reached their ends
                for _, factor in v.stop.terms:
                    extent = extent + factor if never_negative(factor) else extent
        if extent.value is not None and extent.value < 0:
            if not v.guarded:
                self.report(v.env, "E236", f"this range has {extent} values", v.range_span)
            extent = ZERO
        v.start, v.extent = start, extent
        return True

    def shrunk(self, v: Variable, points: Points, uses: list[tuple[Reading, int, Dim]] | None = None) -> bool:
        """The range of a variable from its affine uses: every access stays inside."""
        found = [u for u in self.uses(v, points) if not u[0].pad] if uses is None else uses
        starts: list[tuple[Dim, Reading, int]] = []
        stops: list[tuple[Dim, Reading, int]] = []
        for reading, k, factor in found:
            ix, extent = reading.index[k], _extent(reading, k)
            rest = points.limits(ix + at(v.axis).scale(-factor))
            if rest is None:
                if uses is None and not any(points.variables[a].extent is None for a in points.axes(ix) if a != v.axis):
                    continue  # its bounds are not known: it will have to be proved
                return False
            low, high = rest
            c = factor.value
            if c is None:
                top = (extent - 1 - high + factor).divide_exactly(factor)
                if top is None or low.terms:
                    continue
                starts.append((ZERO, reading, k))
                stops.append((top, reading, k))
            elif c > 0:
                starts.append((-(low // c), reading, k))
                stops.append(((extent - 1 - high) // c + 1, reading, k))
            else:
                starts.append((-((extent - 1 - high) // -c), reading, k))
                stops.append((low // -c + 1, reading, k))
        if not stops:
            return False
        first = stops[0]
        for other in stops[1:]:
            if never_negative(other[0] - first[0]):
                continue
            if not never_negative(first[0] - other[0]):
                self.disagree(v, first[1:], other[1:], (first[0], other[0]))
                return True
            first = other
        start = ZERO
        for one, reading, k in starts:
            if never_negative(start - one):
                continue
            if not never_negative(one - start) or v.left:
                text = self.text(reading.spans[k])
                self.report(
                    reading.env, "E233", f"{v.name} starts at 0, and this is outside there", reading.spans[k],
                    notes=(f"axis {k} of {reading.name} has {_extent(reading, k)} elements, 0 to {_extent(reading, k) - 1}",),
                    help=f"{reading.name}[...] pad is 0 outside, with a given range: for {v.name} in range(...)"
                    if text else None,
                )  # fmt: skip
                return True
            start = one
            if v.origin:
                self.report(
                    reading.env, "E231", f"{v.name} does not start at 0 here", reading.spans[k],
                    notes=("the answer is one of its values",), help=f"give its range: for {v.name} in range({one}, ...)",
                )  # fmt: skip
                return True
        extent = first[0] - start
        if extent.value is not None and extent.value < 0:
            reading, k = first[1], first[2]
            self.report(
                reading.env, "E233", f"no {v.name} keeps this read inside", reading.spans[k],
                notes=(f"axis {k} of {reading.name} has {_extent(reading, k)} elements",),
            )  # fmt: skip
            return True
        v.start, v.extent, v.inferred = start, extent, True
        return True

    def disagree(self, v: Variable, a: tuple[Reading, int], b: tuple[Reading, int], stops: tuple[Dim, Dim] | None = None) -> None:
        labels: list[tuple[Span, str]] = []
        for (reading, k), stop in zip((a, b), stops or (None, None), strict=True):
            what = f"axis {k} of {reading.name} has {_extent(reading, k)} elements"
            labels.append((reading.spans[k], what if stop is None else f"{what}, and so {v.name} < {stop}"))
        note = "different sizes are never taken to be equal" if stops is None else "neither is known to be the smaller one"
        free = any(_extent(r, k).value is None for r, k in (a, b))
        self.report(
            a[0].env, "E232", f"the ranges of {v.name} disagree", a[0].spans[a[1]], labels=labels,
            notes=(note,) if free else (f"{v.name} runs over both axes, and so they must have the same size",),
            help=f"where {v.name} is to take fewer values, give its range: for {v.name} in range(...)",
        )  # fmt: skip

    def without_range(self, v: Variable, points: Points) -> None:
        padded = others = None
        for reading, k, _ in self.uses(v, points):
            if reading.pad:
                padded = padded or reading
                continue
            unknown = [points.variables[a].name for a in points.axes(reading.index[k])
                       if a != v.axis and points.variables[a].extent is None]  # fmt: skip
            if unknown:
                others = others or (reading, unknown[0])
        notes: tuple[str, ...] = ("it is not the index of an array by itself",)
        if others is not None:
            notes = (f"in {self.text(others[0].span)} it stands beside {others[1]}, whose range is not known either",)
        elif padded is not None:
            notes = ("a read with `pad` allows it every value",)
        self.report(
            v.env, "E231", f"nothing tells the range of {v.name}", v.span,
            notes=notes, help=f"give it: for {v.name} in range(...)",
        )  # fmt: skip

    def prove(self, reading: Reading, points: Points) -> None:
        """That a read stays inside; what is only so where a condition holds is 0 elsewhere."""
        assert isinstance(reading.source, Val)
        if reading.pad:
            return
        for k, (ix, extent) in enumerate(zip(reading.index, reading.source.shape, strict=True)):
            axes = {a: _dim(points.variables[a]) for a in ix.axes()}
            known = floors(axes)
            gathers = list(ix.gathers())
            plain = points.moved(ix)
            if not gathers and inside(plain, extent, axes):
                continue
            rough = points.limits(ix, False) if gathers else None
            if rough is not None and never_negative(rough[0], known) and below(rough[1], extent, known):
                continue
            limits = points.limits(ix)
            proved = limits is not None and never_negative(limits[0], known) and below(limits[1], extent, known)
            if not proved and not ix.terms:
                if limits is not None and (below(limits[1], ZERO) or never_negative(limits[0] - extent)):
                    self.report(
                        reading.env, "E206", "this index is outside", reading.spans[k],
                        labels=((reading.spans[k], ""),),
                        notes=(f"the axis has {extent} elements: 0 to {extent - 1}",),
                    )  # fmt: skip
                reading.fill = "nan" if reading.kind == "real" else Fraction(0)
                continue
            if proved or (not gathers and all(points.variables[a].inferred for a in ix.axes())):
                reading.fill = Fraction(0)
                continue
            where = f"axis {k} of {reading.name} has {extent} elements"
            if gathers:
                chooser = points.reads[int(gathers[-1].value[1:])]
                most = points.bound(chooser)
                values = "values that are not bounded" if most is None else f"values below {most}"
                self.report(
                    reading.env, "E214", "this index may be outside", reading.spans[k],
                    notes=(f"{chooser.name} has {values}, and {where}",),
                )  # fmt: skip
                continue
            notes = [where]
            if limits is not None:
                notes = [f"{self.text(reading.spans[k])} goes from {limits[0]} to {limits[1]}, and {where}"]
            self.report(
                reading.env, "E233", f"this read of {reading.name} may be outside", reading.spans[k], notes=notes,
                help="give the variables a smaller range, or write `pad` behind the bracket for zeros outside",
            )  # fmt: skip

    # ------------------------------------------------------------ the equations

    def finish(self, points: Points, body: Elem, left: tuple[Variable, ...], op: str, span: Span, env: Env) -> Value:
        """The equations of a statement, or of a comprehension that stands by itself."""
        if not self.resolve(points):
            return POISON
        for reading in points.reads:
            if isinstance(reading.source, Total):
                total = reading.source
                total.body = points.ready(total.body)
                total.condition = None if total.condition is None else points.ready(total.condition)
        expr = points.ready(body.expr)
        if expr.op == "arg":
            reading = points.reading(expr)
            if isinstance(reading.source, Total) and set(points.outer(reading.source)) == {v.axis for v in left}:
                return self.summed(reading.source, tuple(v.axis for v in left), points, span, env)
        used: Kind = body.kind if body.kind != "int" or expr.op == "arg" else "int"
        bound: Dim | None = None
        if used == "int":
            limits = points.limits(points.affine(expr) or Ix())
            bound = None if limits is None else limits[1] + 1
        return self.equation(
            "index" if expr.op == "arg" else "formula", "", expr, used, bound, tuple(v.axis for v in left), (), points, span, env
        )

    def summed(self, total: Total, outer: tuple[str, ...], points: Points, span: Span, env: Env) -> Val:
        """The equation of a comprehension. One that holds nothing but another of the same sort is one with it."""
        own, body, condition = list(total.variables), total.body, total.condition
        while body.op == "arg" and condition is None and total.reduce not in ("argmax", "argmin"):
            inner = points.reading(body).source
            if not (isinstance(inner, Total) and inner.reduce == total.reduce):
                break
            own, body, condition = own + list(inner.variables), inner.body, inner.condition
        if condition is not None:
            body = E.make("where", condition, body, NEUTRAL[total.reduce])
        kind: Kind = "int" if total.reduce in ("argmax", "argmin") else "real"
        bound = _dim(own[0]) if kind == "int" else None
        return self.equation(total.op, total.reduce, body, kind, bound, outer, tuple(v.axis for v in own), points, span, env)

    def equation(
        self, op: str, reduce: Reduce, body: Expr, kind: Kind, bound: Dim | None, outer: tuple[str, ...], own: tuple[str, ...],
        points: Points, span: Span, env: Env,
    ) -> Val:  # fmt: skip
        env = whole(env)
        operands: list[Val] = []

        def operand(reading: Reading) -> tuple[int, tuple[Ix, ...]]:
            source = reading.source
            if isinstance(source, Total):
                axes = points.outer(source)
                if source.made is None:
                    source.made = self.summed(source, axes, points, source.span, env)
                value, index = source.made, tuple(at(a) for a in axes)
            else:
                value, index = source, tuple(settled(points.moved(ix)) for ix in reading.index)
            if value not in operands:
                operands.append(value)
            return operands.index(value), index

        def settled(ix: Ix) -> Ix:
            total = Ix((), ix.const)
            for atom, factor in ix.terms:
                if isinstance(atom, Gather):
                    k, index = operand(points.reads[int(atom.value[1:])])
                    atom = Gather(f"${k}", index)
                elif isinstance(atom, Quot | Rem):
                    atom = type(atom)(settled(atom.a), atom.b)
                total = total + Ix(((atom, factor),))
            return total

        reads: list[Read] = []
        places: dict[Expr, Expr] = {}
        for k in E.arguments(body):
            reading = points.reads[k]
            place, index = operand(reading)
            places[E.arg(k)] = E.arg(len(reads))
            reads.append(Read(place, index, reading.fill))
        axes = tuple(Axis(a, _dim(points.variables[a])) for a in (*outer, *own))
        shape = tuple(a.extent for a in axes[: len(outer)])
        step = Step(op, shape, axes, tuple(at(a) for a in outer), tuple(reads), E.substitute(body, places), reduce, kind, bound)
        return self.emit(step, tuple(operands), span, env)


def whole(env: Env) -> Env:
    """The same place, where whole arrays are calculated with."""
    return replace(env, elem=None, indices=None)


def _before(place: Expr, stop: Expr) -> Expr:
    """``place < stop``; up to i + 1 is up to i, as the running sums of the library say it."""
    if stop.op == "add" and E.ONE in stop.args:
        return E.make("le", place, stop.args[0] if stop.args[1] is E.ONE else stop.args[1])
    return E.make("lt", place, stop)


def _known(ix: Ix | None) -> Ix:
    assert ix is not None
    return ix


def _dim(v: Variable) -> Dim:
    assert v.extent is not None
    return v.extent


def _extent(reading: Reading, k: int) -> Dim:
    assert isinstance(reading.source, Val)
    return reading.source.shape[k]


def _called(part: syntax.Node) -> str:
    if isinstance(part, syntax.Ref):
        return part.id
    return _called(part.value) if isinstance(part, syntax.Subscript) else "this"
