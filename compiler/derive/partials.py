"""The derivative of a scalar body with respect to each of its operands: one reverse sweep over the interned expression.

The local derivative of each elementary function comes from :mod:`.scalar` and may be written with the function's own
value; then the node itself stands for it, and sharing stays. Arithmetic and choices have their rules here.

Every adjoint carries the *path* of branches it went through, and the branch is put back around the whole product at the
end: ``where(x > 0, log(x), 0)`` gives ``where(x > 0, 1/x, 0)`` and never ``where(x > 0, 1, 0) * (1/x)``, which would be
0 * inf = NaN at 0. Where a finite value has an infinite derivative (sqrt at 0, asin at 1) a zero on either side wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction

from ..graph.expr import (
    COMPARISONS,
    HALF,
    LOGIC,
    ONE,
    OUT,
    TWO,
    ZERO,
    Expr,
    add,
    arg,
    call,
    const,
    div,
    make,
    mul,
    neg,
    power,
    sub,
    substitute,
    walk,
    where,
)
from ..records import dataclass
from .scalar import primitive

FLAT = frozenset((*COMPARISONS, *LOGIC, "sign", "floor", "stop"))  # their derivative is 0 wherever they have one


@dataclass(frozen=True)
class _Literal:
    """One branch on the way: ``condition`` is ``taken``. A soft one only keeps a zero safe from an infinity."""

    condition: Expr
    taken: bool
    soft: bool = False


_Path = tuple[_Literal, ...]


@dataclass(frozen=True)
class _Part:
    """An adjoint that counts only on its path. ``wild``: it may be infinite where the function is finite."""

    path: _Path
    value: Expr
    wild: bool = False


def partials(body: Expr, wrt: Iterable[int]) -> dict[int, Expr]:
    """The derivative of ``body`` with respect to ``arg(k)`` for each k, as expressions over the same operands."""
    wanted = tuple(wrt)
    targets = {arg(k) for k in wanted}
    nodes = [*walk(body)]
    depends: set[Expr] = set()
    for node in nodes:
        if node in targets or (node.op not in FLAT and any(a in depends for a in _differentiable(node))):
            depends.add(node)
    adjoints: dict[Expr, list[_Part]] = {body: [_Part((), ONE)]}
    for node in reversed(nodes):
        parts = adjoints.get(node)
        if parts is None or node not in depends or node.op == "arg":
            continue
        total = _merge(parts)

        def give(k: int, grown: Callable[[Expr], Expr], *, extra: _Path = (), wild: bool = False,
                 node: Expr = node, total: _Part = total) -> None:  # fmt: skip
            operand = node.args[k]
            if operand in depends:
                value = grown(total.value)
                adjoints.setdefault(operand, []).append(_Part(total.path + extra, value, total.wild or wild))

        _sweep(node, total, give)
    result: dict[int, Expr] = {}
    for k in wanted:
        parts = adjoints.get(arg(k), []) if arg(k) in depends else []
        result[k] = _wrap(_merge([_hardened(p) for p in parts])) if parts else ZERO
    return result


def _differentiable(node: Expr) -> tuple[Expr, ...]:
    if node.op == "given":  # value, then pairs of an argument and the derivative with respect to it
        return (node.args[0], *node.args[1::2])
    return node.args[1:] if node.op == "where" else node.args


def _sweep(node: Expr, total: _Part, give: Callable[..., None]) -> None:
    """Hand the adjoint of ``node`` on to its operands."""
    op = node.op
    if op == "add":
        give(0, lambda d: d)
        give(1, lambda d: d)
    elif op == "sub":
        give(0, lambda d: d)
        give(1, neg)
    elif op == "neg":
        give(0, neg)
    elif op == "mul":
        a, b = node.args
        give(0, lambda d: times(d, b), extra=_zero_wins(total, b))
        give(1, lambda d: times(d, a), extra=_zero_wins(total, a))
    elif op == "div":
        a, b = node.args
        give(0, lambda d: over(d, b))
        give(1, lambda d: neg(div(node, b) if d is ONE else over(times(d, node), b)), extra=_zero_wins(total, a))
    elif op == "pow":
        _power(node, total, give)
    elif op == "where":
        condition = node.args[0]
        give(1, lambda d: d, extra=(_Literal(condition, True),))
        give(2, lambda d: d, extra=(_Literal(condition, False),))
    elif op in ("max", "min"):
        a, b = node.args
        tie = make("eq", a, b)
        first, second = ("ge", "le") if op == "max" else ("le", "ge")
        give(0, lambda d: where(tie, times(d, HALF), d), extra=(_Literal(make(first, a, b), True),))
        give(1, lambda d: where(tie, times(d, HALF), d), extra=(_Literal(make(second, a, b), True),))
    elif op == "given":
        give(0, lambda d: d)
        for k in range(1, len(node.args), 2):
            give(k, lambda d, k=k: times(d, node.args[k + 1]))
    elif op == "abs":
        u = node.args[0]
        slope = call("sign", u)
        give(0, lambda d: times(d, slope), extra=(_Literal(make("ne", u, ZERO), True, soft=True),))
    elif op == "polygamma":
        n, x = node.args  # n is a whole number: there is no slope for it
        give(1, lambda d: times(d, call("polygamma", add(n, ONE), x)), extra=_zero_wins(total, node))
    else:
        mapping = {OUT: node} | {arg(k): a for k, a in enumerate(node.args)}
        for k, local in enumerate(primitive(op)):
            slope = substitute(local, mapping, fold=True)
            wild = _vertical(op, node.args[k])
            extra = _zero_wins(total, slope)
            if wild and not _never_zero(total.value):
                extra += (_Literal(make("ne", total.value, ZERO), True, soft=True),)
            give(k, lambda d, slope=slope: times(d, slope), extra=extra, wild=wild)


def _power(node: Expr, total: _Part, give: Callable[..., None]) -> None:
    a, b = node.args
    c = b.number
    if c is not None:
        slope = _power_slope(node, a, c)
        wild = 0 < c < 1 and not positive(a)
        extra = _zero_wins(total, slope)
        if wild and not _never_zero(total.value):
            extra += (_Literal(make("ne", total.value, ZERO), True, soft=True),)
        give(0, lambda d: times(d, slope), extra=extra, wild=wild)
        return
    give(0, lambda d: times(d, times(b, power(a, sub(b, ONE)))), extra=(_Literal(make("ne", b, ZERO), True),))
    give(1, lambda d: times(times(d, node), call("log", a)), extra=(_Literal(make("gt", a, ZERO), True),))


def _power_slope(node: Expr, a: Expr, c: Fraction) -> Expr:
    """c * a**(c-1) in its cheapest spelling."""
    if c == 0:
        return ZERO
    if c == Fraction(1, 2):
        return div(HALF, node)
    if c == -1:
        return neg(mul(node, node))
    rest = c - 1
    if rest == Fraction(1, 2):
        return mul(const(c), call("sqrt", a))
    return mul(const(c), power(a, const(rest)))


# ---------------------------------------------------------------- products that stay small


def times(d: Expr, p: Expr) -> Expr:
    """d * p, dividing where p is a quotient."""
    if d.op == "div" and d.args[1] is p:
        return d.args[0]
    if p.op == "neg":
        return neg(times(d, p.args[0]))
    if d.op == "neg":
        return neg(times(d.args[0], p))
    if p.op == "div":
        return over(times(d, p.args[0]), p.args[1])
    if p.op == "mul" and p.args[0].number is not None and d.number is not None:
        return mul(const(d.number * p.args[0].number), p.args[1])
    if d.op == "mul" and d.args[0].number is not None and p.number is not None:
        return mul(const(d.args[0].number * p.number), d.args[1])
    if d.op == "div":
        return over(times(d.args[0], p), d.args[1])
    return mul(d, p)


def over(n: Expr, d: Expr) -> Expr:
    """n / d, where a factor in common goes away."""
    if n is d:
        return ONE
    if n.op == "neg":
        return neg(over(n.args[0], d))
    if n.op == "mul":
        if n.args[0] is d:
            return n.args[1]
        if n.args[1] is d:
            return n.args[0]
    if d.op == "mul" and n in d.args and n.number is None:
        return div(ONE, d.args[1] if d.args[0] is n else d.args[0])
    if d.op == "mul" and d.args[0].number is not None:
        if n.number is not None and (n.number / d.args[0].number).denominator == 1:
            return over(const(n.number / d.args[0].number), d.args[1])
        if n.op == "mul" and n.args[0].number is not None and n.args[0].number % d.args[0].number == 0:
            return over(mul(const(n.args[0].number / d.args[0].number), n.args[1]), d.args[1])
    if n.op == "div":
        if n.args[1].op == "div" and n.args[1].args[1] is d:
            return div(n.args[0], n.args[1].args[0])
        return div(n.args[0], mul(n.args[1], d))
    return div(n, d)


def plus(a: Expr, b: Expr) -> Expr:
    """a + b, where a twice is 2*a."""
    return times(TWO, a) if a is b else add(a, b)


# ---------------------------------------------------------------- paths


def _merge(parts: list[_Part]) -> _Part:
    """One part for the sum of several: equal paths add up, the two sides of a branch become one ``where``."""
    grouped: dict[_Path, _Part] = {}
    for part in parts:
        before = grouped.get(part.path)
        grouped[part.path] = part if before is None else _Part(
            part.path, plus(before.value, part.value), before.wild or part.wild)  # fmt: skip
    left = [*grouped.values()]
    joined = True
    while joined and len(left) > 1:
        joined = False
        for i, a in enumerate(left):
            for j in range(i + 1, len(left)):
                both = _sides(a, left[j])
                if both is not None:
                    left[i] = both
                    del left[j]
                    joined = True
                    break
            if joined:
                break
    if len(left) == 1:
        return left[0]
    shared = 0
    while all(len(p.path) > shared for p in left) and len({p.path[shared] for p in left}) == 1:
        shared += 1
    prefix = left[0].path[:shared]
    value, reached = ZERO, None
    for part in left:
        rest = part.path[shared:]
        value = add(value, _wrap(_Part(rest, part.value, part.wild)))
        here = _conjunction(rest)
        if part.path == prefix or here is None:
            reached = ONE
        elif reached is not ONE:
            reached = here if reached is None else make("or", reached, here)
    wild = any(p.wild for p in left)
    if reached is None or reached is ONE:
        return _Part(prefix, value, wild)
    return _Part((*prefix, _Literal(reached, True, soft=True)), value, wild)


def _sides(a: _Part, b: _Part) -> _Part | None:
    """``a`` and ``b`` as one ``where``, when their paths differ in the side of the last branch alone."""
    if not a.path or not b.path or a.path[:-1] != b.path[:-1]:
        return None
    x, y = a.path[-1], b.path[-1]
    if x.condition is not y.condition or x.taken == y.taken:
        return None
    yes, no = (a, b) if x.taken else (b, a)
    return _Part(a.path[:-1], where(x.condition, yes.value, no.value), a.wild or b.wild)


def _conjunction(path: _Path) -> Expr | None:
    result: Expr | None = None
    for literal in path:
        term = literal.condition if literal.taken else make("not", literal.condition)
        result = term if result is None else make("and", result, term)
    return result


def _hardened(part: _Part) -> _Part:
    """Without soft branches where nothing could go wrong any more: at the end of the way."""
    path = part.path
    while path and path[-1].soft and finite(part.value):
        path = path[:-1]
    return _Part(path, part.value, part.wild)


def _wrap(part: _Part) -> Expr:
    """The value with its branches around it; a soft one is left out where nothing could go wrong."""
    value = part.value
    for literal in reversed(part.path):
        if literal.soft and finite(value):
            continue
        value = where(literal.condition, value, ZERO) if literal.taken else where(literal.condition, ZERO, value)
    return value


def _zero_wins(total: _Part, slope: Expr) -> _Path:
    """After an infinite slope, a factor that is exactly zero gives zero: the gradient of sqrt(x*x + y*y) at 0."""
    if not total.wild or _never_zero(slope):
        return ()
    return (_Literal(make("ne", slope, ZERO), True, soft=True),)


# ---------------------------------------------------------------- what can be seen about values


def positive(e: Expr) -> bool:
    """Provably greater than 0 for every finite operand (underflow aside)."""
    if e.number is not None:
        return e.number > 0
    if e.op in ("exp", "sigmoid", "softplus", "cosh") or (e.op == "named" and e.value in ("pi", "inf")):
        return True
    if e.op == "add":
        a, b = e.args
        return (positive(a) and nonnegative(b)) or (nonnegative(a) and positive(b))
    if e.op in ("mul", "div"):
        return all(positive(a) for a in e.args)
    if e.op == "max":
        return any(positive(a) for a in e.args)
    if e.op == "min":
        return all(positive(a) for a in e.args)
    if e.op == "where":
        return all(positive(a) for a in e.args[1:])
    return e.op == "sqrt" and positive(e.args[0])


def nonnegative(e: Expr) -> bool:
    """Provably at least 0, where it is a number at all."""
    if positive(e):
        return True
    if e.number is not None:
        return e.number >= 0
    if e.op in ("abs", "sqrt", "square", "size", "idx", *COMPARISONS, *LOGIC):
        return True
    if e.op in ("add", "min"):
        return all(nonnegative(a) for a in e.args)
    if e.op == "mul":
        return e.args[0] is e.args[1] or all(nonnegative(a) for a in e.args)
    if e.op == "div":
        return all(nonnegative(a) for a in e.args)
    if e.op == "pow":
        c = e.args[1].number
        return nonnegative(e.args[0]) or (c is not None and c.denominator == 1 and c.numerator % 2 == 0)
    if e.op == "max":
        return any(nonnegative(a) for a in e.args)
    return e.op == "where" and all(nonnegative(a) for a in e.args[1:])


_TAME = frozenset(("add", "sub", "mul", "neg", "max", "min", "where", "abs", "sign", "floor", "square", "sin", "cos", "tanh",
                   "atan", "erf", "sigmoid", "softplus", *COMPARISONS, *LOGIC, "const", "arg", "idx", "size", "sym", "out",
                   "exp", "expm1", "sinh", "cosh"))  # fmt: skip


def finite(e: Expr) -> bool:
    """Provably not NaN and not infinite for finite operands, overflow aside: no poles, no edges of a domain."""
    memo: dict[Expr, bool] = {}
    for node in walk(e):
        inner = all(memo[a] for a in node.args)
        op = node.op
        if op == "div":
            memo[node] = inner and positive(node.args[1])
        elif op in ("sqrt", "log1p"):
            memo[node] = inner and nonnegative(node.args[0])
        elif op == "log":
            memo[node] = inner and positive(node.args[0])
        elif op == "pow":
            c = node.args[1].number
            tame = c is not None and ((c.denominator == 1 and c >= 0) or positive(node.args[0]))
            memo[node] = inner and (tame or (c is not None and c > 0 and nonnegative(node.args[0])))
        elif op == "named":
            memo[node] = node.value == "pi"
        else:
            memo[node] = inner and op in _TAME
    return memo[e]


def _never_zero(e: Expr) -> bool:
    return bool(e.number) or positive(e) or (e.op == "neg" and _never_zero(e.args[0]))


def _vertical(op: str, operand: Expr) -> bool:
    """Whether the function is finite somewhere with an infinite slope."""
    if op == "sqrt":
        return not positive(operand)
    return op in ("asin", "acos")
