"""What is asked of SymPy: the derivative of a small function, shorter forms of it, and forms written with the output.

Only this module imports SymPy, and only :mod:`.scalar` imports this module, when an answer is in no cache. Everything is
bounded by the size of what is handed over, never by the clock, and comes back as candidates: which one is right and
which one is taken is decided in :mod:`.scalar`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any, Final

import sympy as sp

from ..graph import expr as E
from ..graph.expr import Expr

VERSION: Final = str(sp.__version__)
_UNARY: Final[dict[str, Callable[[Any], Any]]] = {
    "exp": sp.exp, "log": sp.log, "sqrt": sp.sqrt, "sin": sp.sin, "cos": sp.cos, "tan": sp.tan, "tanh": sp.tanh,
    "sinh": sp.sinh, "cosh": sp.cosh, "asin": sp.asin, "acos": sp.acos, "atan": sp.atan, "erf": sp.erf,
    "lgamma": sp.loggamma, "digamma": sp.digamma,
}  # fmt: skip
_OURS: Final = {sp.exp: "exp", sp.log: "log", sp.sin: "sin", sp.cos: "cos", sp.tan: "tan", sp.tanh: "tanh", sp.sinh: "sinh",
                sp.cosh: "cosh", sp.asin: "asin", sp.acos: "acos", sp.atan: "atan", sp.atan2: "atan2", sp.erf: "erf",
                sp.loggamma: "lgamma"}  # fmt: skip
_SMALL: Final = 40  # operations; larger expressions are not rearranged: that takes long and makes them worse
_TINY: Final = 14  # operations; larger ones are not given to ``simplify``
_FEW: Final = 2  # arguments; a formula of more is rearranged in a few ways only


class NotOurs(Exception):
    """An expression that our tree does not spell (Piecewise, Heaviside, LambertW, re...), or that SymPy is not handed."""


# ---------------------------------------------------------------- there and back


def to_sympy(root: Expr, leaf: Callable[[Expr], Any]) -> Any:
    """``root`` for SymPy; ``leaf`` gives arguments and formal parameters."""
    done: dict[Expr, Any] = {}
    for node in E.walk(root):
        a = [done[x] for x in node.args]
        op = node.op
        if op == "const":
            assert isinstance(node.value, Fraction)
            done[node] = sp.Rational(node.value.numerator, node.value.denominator)
        elif node is E.PI:
            done[node] = sp.pi
        elif op in E.LEAVES:
            done[node] = leaf(node)
        elif op == "add":
            done[node] = a[0] + a[1]
        elif op == "sub":
            done[node] = a[0] - a[1]
        elif op == "mul":
            done[node] = a[0] * a[1]
        elif op == "div":
            done[node] = a[0] / a[1]
        elif op == "neg":
            done[node] = -a[0]
        elif op == "pow":
            done[node] = a[0] ** a[1]
        elif op == "polygamma":
            done[node] = sp.polygamma(a[0], a[1])
        elif op == "atan2":
            done[node] = sp.atan2(a[0], a[1])
        elif op in _UNARY:
            done[node] = _UNARY[op](a[0])
        else:
            raise NotOurs(op)
    return done[root]


def from_sympy(e: Any, names: dict[Any, Expr]) -> Expr:
    """``e`` in our tree, in the order in which SymPy prints it."""
    if e in names:
        return names[e]
    if e.is_Rational:
        return E.const(Fraction(int(e.p), int(e.q)))
    if e is sp.pi:
        return E.PI
    if e is sp.E:
        return E.call("exp", E.ONE)
    if e.is_Add:
        terms = [from_sympy(a, names) for a in e.as_ordered_terms()]
        first = next((k for k, t in enumerate(terms) if not _negative(t)), 0)
        terms.insert(0, terms.pop(first))
        total = terms[0]
        for term in terms[1:]:
            total = E.sub(total, E.neg(term)) if _negative(term) else E.add(total, term)
        return total
    if e.is_Mul:
        above: list[Expr] = []
        below: list[Expr] = []
        sign = 1
        for factor in e.as_ordered_factors():
            if factor.is_Rational:
                sign = -sign if factor < 0 else sign
                if abs(factor.p) != 1:
                    above.insert(0, E.const(abs(int(factor.p))))
                if factor.q != 1:
                    below.insert(0, E.const(int(factor.q)))
            elif factor.is_Pow and factor.exp.is_Rational and factor.exp < 0:
                below.append(from_sympy(factor.base ** (-factor.exp), names))
            else:
                above.append(from_sympy(factor, names))
        top = _product(above)
        whole = E.div(top, _product(below)) if below else top
        return E.neg(whole) if sign < 0 else whole
    if e.is_Pow:
        if e.exp.is_Rational and e.exp < 0:
            return E.div(E.ONE, from_sympy(e.base ** (-e.exp), names))
        base, exponent = from_sympy(e.base, names), from_sympy(e.exp, names)
        return E.call("sqrt", base) if exponent is E.HALF else E.power(base, exponent)
    if e.func is sp.polygamma and e.args[0].is_Integer:
        x = from_sympy(e.args[1], names)
        return E.make("digamma", x) if e.args[0] == 0 else E.make("polygamma", E.const(int(e.args[0])), x)
    name = _OURS.get(e.func)
    if name is None or any(not getattr(a, "is_Atom", True) and a.is_Boolean for a in e.args):
        raise NotOurs(str(e.func))
    return E.make(name, *(from_sympy(a, names) for a in e.args))


def _product(factors: Sequence[Expr]) -> Expr:
    total = E.ONE
    for factor in factors:
        total = E.mul(total, factor)
    return total


def _negative(e: Expr) -> bool:
    return e.op == "neg" or (e.number is not None and e.number < 0)


# ---------------------------------------------------------------- one function


class Function:
    """A function of a few real arguments, as SymPy sees it."""

    def __init__(self, body: Expr) -> None:
        """``body`` is in plain terms: SymPy's own functions and arithmetic over ``arg(k)`` and formal parameters."""
        self.symbols: dict[Expr, Any] = {}
        self.f = to_sympy(body, self._leaf)
        self.y = sp.Symbol("y", real=True)
        self.names: dict[Any, Expr] = {s: leaf for leaf, s in self.symbols.items()} | {self.y: E.OUT}

    def _leaf(self, leaf: Expr) -> Any:
        if leaf.op not in ("arg", "sym", "size"):
            raise NotOurs(leaf.op)
        if leaf not in self.symbols:
            text = f"x{leaf.value}" if leaf.op == "arg" else f"p{len(self.symbols)}"
            self.symbols[leaf] = sp.Symbol(text, real=True)
        return self.symbols[leaf]

    def derivative(self, k: int) -> Any:
        return sp.diff(self.f, self.symbols[E.arg(k)])

    def raw_text(self, k: int, names: Sequence[str]) -> str:
        """The derivative as SymPy prints it, with the function's own names for its arguments."""
        d = self.derivative(k)
        table = {s: sp.Symbol(names[int(leaf.value)]) for leaf, s in self.symbols.items()
                 if leaf.op == "arg" and isinstance(leaf.value, int)}  # fmt: skip
        return str(d.xreplace(table))

    def shorter(self, k: int) -> list[Expr]:
        """The derivative in several spellings over the arguments."""
        return self._ours(_spellings(self.derivative(k), len(self.symbols) > _FEW))

    def with_output(self, k: int) -> list[Expr]:
        """Candidates over the arguments and the output: y put in place of f, and x solved for from f(x) = y."""
        found: list[Any] = []
        d = self.derivative(k)
        brief = len(self.symbols) > _FEW
        for form in _spellings(d, brief):
            replaced = form.subs(self.f, self.y)
            if replaced.has(self.y):
                found.extend(_spellings(replaced, brief))
        if not brief:
            found.extend(self._eliminated(d))
        for kernel, solution in _inverses(self.f, self.symbols[E.arg(k)], self.y):
            for form in _spellings(d, brief)[:3]:
                inner = _in_kernel(form, kernel, self.symbols[E.arg(k)])
                if inner is not None:
                    found.extend(_spellings(inner.subs(_T, solution), brief))
        return self._ours(found)

    def _eliminated(self, d: Any) -> Iterator[Any]:
        """d as y times what is left of it."""
        if sp.count_ops(self.f) + sp.count_ops(d) > _SMALL:
            return
        if not self.f.is_zero:
            yield self.y * sp.cancel(sp.together(d / self.f))
        if sp.count_ops(self.f) + sp.count_ops(d) <= _TINY:
            yield self.y * sp.simplify(d / self.f)

    def _ours(self, forms: Sequence[Any]) -> list[Expr]:
        result: dict[Expr, None] = {}
        for form in forms:
            try:
                ours = from_sympy(form, self.names)
            except NotOurs:
                continue
            if all(node.op not in ("named",) or node is E.PI for node in E.walk(ours)):
                result.setdefault(ours)
        return list(result)

    def proved(self, k: int, form: Expr) -> bool:
        """Whether SymPy sees that ``form``, with f for the output, is the derivative."""
        whole = to_sympy(form, lambda leaf: self.f if leaf is E.OUT else self.symbols[leaf])
        difference = whole - self.derivative(k)
        if difference == 0:
            return True
        if sp.count_ops(difference) > 2 * _SMALL:
            return False
        steps = [sp.cancel, lambda e: sp.cancel(sp.together(e.rewrite(sp.exp)))]
        for step in [*steps, sp.simplify] if sp.count_ops(difference) <= 2 * _TINY else steps:
            try:
                if step(difference) == 0:
                    return True
            except (TypeError, ValueError, NotImplementedError, AttributeError, sp.PolynomialError):
                continue
        return False


def _spellings(e: Any, brief: bool = False) -> list[Any]:
    """The expression in the forms in which it may be cheap, or in a few of them; SymPy's own failures are passed over."""
    forms = [e]
    size = sp.count_ops(e)
    steps: list[Callable[[Any], Any]] = []
    if size <= _SMALL:
        steps += [sp.factor, lambda x: sp.factor(x, deep=True), lambda x: sp.cancel(sp.together(x)), sp.expand,
                  lambda x: sp.powdenest(x, force=True),
                  lambda x: sp.powdenest(sp.factor(sp.together(x)), force=True)]  # fmt: skip
    if brief:
        steps = steps[:3]
    elif size <= _TINY:
        steps += [sp.simplify, lambda x: sp.powsimp(sp.powdenest(sp.simplify(x), force=True), force=True)]
    for step in steps:
        try:
            form = step(e)
        except (TypeError, ValueError, NotImplementedError, AttributeError, sp.PolynomialError):
            continue
        for one in (form, _upright(form)):
            if one not in forms:
                forms.append(one)
    return [f for f in forms if not f.has(sp.nan, sp.zoo, sp.oo, sp.I)]


def _upright(e: Any) -> Any:
    """Roots of quotients turned over where that is shorter: (-1/(y**2 - 1))**(-3/2) is (1 - y**2)**(3/2)."""

    def turn(base: Any, exponent: Any) -> Any:
        other = sp.expand(sp.cancel(1 / base))
        return sp.Pow(other, -exponent) if sp.count_ops(other) < sp.count_ops(base) else sp.Pow(base, exponent)

    if sp.count_ops(e) > _SMALL:
        return e
    return e.replace(lambda p: p.is_Pow and p.exp.is_Rational and p.exp.q == 2, lambda p: turn(p.base, p.exp))


# ---------------------------------------------------------------- solving f(x) = y

_T: Final = sp.Symbol("t", real=True)


def _inverses(f: Any, x: Any, y: Any) -> list[tuple[Any, Any]]:
    """Pairs (kernel, solution): a subexpression t = kernel(x) over which f is algebraic, and t in terms of y."""
    kernel = _kernel(f, x)
    if kernel is None:
        return []
    inner = _in_kernel(f, kernel, x)
    if inner is None:
        return []
    right = y
    for _ in range(4):  # peel what stands around a rational function
        if inner.func is sp.log:
            inner, right = inner.args[0], sp.exp(right)
        elif inner.func is sp.exp:
            inner, right = inner.args[0], sp.log(right)
        elif inner.is_Pow and inner.exp.is_Rational and inner.exp.q in (2, 3) and inner.base.has(_T):
            inner, right = inner.base ** inner.exp.p, right**inner.exp.q
        elif inner.is_Mul and any(p.is_Pow and p.exp.is_Rational and p.exp.q == 2 and p.has(_T) for p in inner.args):
            inner, right = sp.powdenest(inner**2, force=True), right**2
        elif inner.is_Add and sum(1 for a in inner.args if a.has(_T)) == 1:
            rest = sum(a for a in inner.args if not a.has(_T))
            inner, right = next(a for a in inner.args if a.has(_T)), right - rest
        elif inner.is_Mul and sum(1 for a in inner.args if a.has(_T)) == 1 and len(inner.args) > 1:
            factor = next(a for a in inner.args if a.has(_T))
            inner, right = factor, right / (inner / factor)
        else:
            break
    if inner == _T:
        return [(kernel, right)]
    numerator = sp.numer(sp.together(inner - right))
    try:
        polynomial = sp.Poly(sp.expand(numerator), _T)
    except sp.PolynomialError:
        return []
    coefficients = polynomial.all_coeffs()
    degree = polynomial.degree()
    if degree == 1:
        return [(kernel, -coefficients[1] / coefficients[0])]
    if degree == 2:
        a, b, c = coefficients
        if b == 0:
            root = sp.sqrt(sp.factor(-c / a))
            return [(kernel, root), (kernel, -root)]
        root = sp.sqrt(sp.factor(b**2 - 4 * a * c))
        return [(kernel, (-b + root) / (2 * a)), (kernel, (-b - root) / (2 * a))]
    return []


def _kernel(f: Any, x: Any) -> Any:
    """What f is algebraic in: x itself, one function of it, or the exponential that all others are powers of."""
    functions = [g for g in sp.ordered(f.atoms(sp.Function)) if g.has(x)]
    functions = [g for g in functions if not any(g != h and h.has(g) for h in functions) or g.func is not sp.log]
    inner = [g for g in functions if not any(h != g and g.has(h) for h in functions)]
    if not inner:
        return x
    if len(inner) == 1:
        return inner[0]
    if all(g.func is sp.exp for g in inner):
        return min(inner, key=lambda g: (sp.count_ops(g), sp.default_sort_key(g)))
    return None


def _in_kernel(e: Any, kernel: Any, x: Any) -> Any:
    """``e`` over t in place of the kernel; None where x is left."""
    if kernel == x:
        return e.subs(x, _T)
    if kernel.func is sp.exp:
        u = kernel.args[0]
        table = {}
        for g in sp.ordered(e.atoms(sp.exp)):
            ratio = sp.cancel(g.args[0] / u)
            if ratio.is_Rational:
                table[g] = _T**ratio
        inner = e.xreplace(table)
    else:
        inner = e.xreplace({kernel: _T})
    return None if inner.has(x) else inner
