"""A normal form for formulas with exponentials in them: quotients of polynomials over atoms and over exp of polynomials.

``1/(1 + exp(-z))``, ``exp(z)/(1 + exp(z))``, ``0.5*(1 + tanh(z/2))`` and whatever else equals them by algebra have one
normal form, exactly and without a numerical test: coefficients are fractions, tanh, sigmoid, sinh, cosh and expm1 are
written with exponentials, and exp(a)*exp(b) is exp(a + b). What is not of this kind (a read, sin, where...) is an atom. Forms
that grow past a bound are atoms as well, so that the work is linear in the formula.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from math import floor
from typing import Final

from ..graph import expr as E
from ..graph.expr import Expr
from ..records import dataclass

Mono = tuple[tuple[int, int], ...]  # (atom, power), by atom
Expo = tuple[tuple[Mono, Fraction], ...]  # the polynomial inside exp, by monomial
Term = tuple[Mono, Expo]
Poly = dict[Term, Fraction]
Key = tuple[tuple[Term, Fraction], ...]

UNIT: Final[Term] = ((), ())
LIMIT: Final = 24  # terms in a numerator
FACTORS: Final = 3  # under a numerator
EXPONENT_LIMIT: Final = 10
LONG: Final = 6  # terms; a longer exponent counts as one thing


class TooBig(Exception):
    """The form would be larger than it is worth."""


@dataclass(frozen=True)
class Form:
    """``num`` over the product of ``den``: factors in normal form, each with its power."""

    num: Key
    den: tuple[tuple[Key, int], ...] = ()

    @property
    def poly(self) -> Poly:
        return dict(self.num)

    @property
    def polynomial(self) -> Poly | None:
        """The numerator, where there is nothing under it and no exponential in it."""
        if self.den or any(t[1] for t, _ in self.num):
            return None
        return dict(self.num)

    @property
    def single(self) -> tuple[Term, Fraction] | None:
        """The one term that it is, if it is one."""
        return self.num[0] if len(self.num) == 1 and not self.den else None

    @property
    def number(self) -> Fraction | None:
        if not self.num:
            return Fraction(0)
        single = self.single
        return single[1] if single is not None and single[0] == UNIT else None


# ---------------------------------------------------------------- monomials and polynomials


def key(p: Poly) -> Key:
    return tuple(sorted((t, c) for t, c in p.items() if c))


def mono_mul(a: Mono, b: Mono, sign: int = 1) -> Mono:
    if not b:
        return a
    powers = dict(a)
    for atom, power in b:
        powers[atom] = powers.get(atom, 0) + sign * power
    return tuple(sorted((x, n) for x, n in powers.items() if n))


def expo_add(a: Expo, b: Expo, scale: Fraction = Fraction(1)) -> Expo:
    if not b:
        return a
    terms = dict(a)
    for mono, c in b:
        terms[mono] = terms.get(mono, Fraction(0)) + scale * c
    result = tuple(sorted((m, c) for m, c in terms.items() if c))
    if len(result) > EXPONENT_LIMIT:
        raise TooBig
    return result


def term_mul(a: Term, b: Term) -> Term:
    return mono_mul(a[0], b[0]), expo_add(a[1], b[1])


def term_inverse(a: Term) -> Term:
    return mono_mul((), a[0], -1), expo_add((), a[1], Fraction(-1))


def p_add(a: Poly, b: Poly, scale: Fraction = Fraction(1)) -> Poly:
    total = dict(a)
    for t, c in b.items():
        value = total.get(t, Fraction(0)) + scale * c
        if value:
            total[t] = value
        else:
            total.pop(t, None)
    if len(total) > LIMIT:
        raise TooBig
    return total


def p_mul(a: Poly, b: Poly) -> Poly:
    if len(a) * len(b) > 4 * LIMIT:
        raise TooBig
    total: Poly = {}
    for s, c in a.items():
        for t, d in b.items():
            u = term_mul(s, t)
            value = total.get(u, Fraction(0)) + c * d
            if value:
                total[u] = value
            else:
                total.pop(u, None)
    if len(total) > LIMIT:
        raise TooBig
    return total


def _before(a: Expo, b: Expo) -> bool:
    """An order that adding the same to both sides keeps: the sign of the first coefficient of b - a."""
    difference = expo_add(b, a, Fraction(-1))
    return bool(difference) and difference[0][1] > 0


def factor(p: Poly) -> tuple[Term, Fraction, Key | None]:
    """``p = c * term * factor``, the factor in a form of its own: None where p is one term."""
    terms = [*p]
    lowest = terms[0][1]
    for t in terms[1:]:
        if _before(t[1], lowest):
            lowest = t[1]
    atoms = sorted({x for t in terms for x, _ in t[0]})
    powers = [(x, min(dict(t[0]).get(x, 0) for t in terms)) for x in atoms]
    content: Term = (tuple((x, n) for x, n in powers if n), lowest)
    inverse = term_inverse(content)
    rest = key({term_mul(t, inverse): c for t, c in p.items()})
    c = rest[0][1]
    if len(rest) == 1:
        return content, c, None
    return content, c, tuple((t, d / c) for t, d in rest)


@dataclass(frozen=True)
class Gate:
    """The factor 1 + scale * exp(v), with scale > 0: what a sigmoid of v + log(scale) stands on."""

    v: Expo
    scale: Fraction
    factor: Key


def gate(f: Key) -> Gate | None:
    if len(f) != 2 or f[0][0] != UNIT or f[1][0][0] or f[1][1] <= 0 or not f[1][0][1]:
        return None
    return Gate(f[1][0][1], f[1][1], f)


def along(p: Poly, v: Expo) -> dict[int, Poly] | None:
    """``p`` as a polynomial in exp(v): {power: coefficient}; None where some power is not whole."""
    mono, unit = v[0]
    result: dict[int, Poly] = {}
    for (m, e), c in p.items():
        power = dict(e).get(mono, Fraction(0)) / unit
        if power.denominator != 1:
            return None
        rest = expo_add(e, v, -power)
        result.setdefault(int(power), {})[(m, rest)] = c
    return result


def divide(p: Poly, f: Key) -> Poly | None:
    """``p`` over a two-term factor, where that leaves nothing; also over any factor that p is a multiple of."""
    if not p:
        return {}
    content, c, own = factor(p)
    if own == f:
        return {content: c}
    g = gate(f)
    if g is None:
        return None
    mono, unit = g.v[0]
    lines: dict[Term, dict[int, Fraction]] = {}
    for (m, e), c in p.items():
        power = floor(dict(e).get(mono, Fraction(0)) / unit)
        lines.setdefault((m, expo_add(e, g.v, Fraction(-power))), {})[power] = c
    quotient: Poly = {}
    for (m, e), line in lines.items():
        low, high = min(line), max(line)
        carry = Fraction(0)
        for j in range(low, high + 1):
            carry = line.get(j, Fraction(0)) - g.scale * carry  # coefficient j of the quotient
            if carry:
                if j == high:
                    return None
                quotient[(m, expo_add(e, g.v, Fraction(j)))] = carry
    return quotient


# ---------------------------------------------------------------- quotients


def of_number(c: Fraction) -> Form:
    return Form(((UNIT, c),) if c else ())


def of_term(t: Term, c: Fraction = Fraction(1)) -> Form:
    return Form(((t, c),))


def reduced(num: Poly, den: Mapping[Key, int]) -> Form:
    left: list[tuple[Key, int]] = []
    for f, power in sorted(den.items()):
        while power and num:
            quotient = divide(num, f)
            if quotient is None:
                break
            num, power = quotient, power - 1
        if power and num:
            left.append((f, power))
    return Form(key(num), tuple(left))


def _times(p: Poly, f: Key, power: int) -> Poly:
    for _ in range(power):
        p = p_mul(p, dict(f))
    return p


def add(a: Form, b: Form, scale: Fraction = Fraction(1)) -> Form:
    den_a, den_b = dict(a.den), dict(b.den)
    den = {f: max(den_a.get(f, 0), den_b.get(f, 0)) for f in (*den_a, *den_b)}
    if len(den) > FACTORS:
        raise TooBig
    left, right = a.poly, b.poly
    for f, power in den.items():
        left = _times(left, f, power - den_a.get(f, 0))
        right = _times(right, f, power - den_b.get(f, 0))
    return reduced(p_add(left, right, scale), den)


def mul(a: Form, b: Form) -> Form:
    den = dict(a.den)
    for f, power in b.den:
        den[f] = den.get(f, 0) + power
    if len(den) > FACTORS:
        raise TooBig
    return reduced(p_mul(a.poly, b.poly), den)


def inverse(a: Form) -> Form:
    if not a.num:
        raise TooBig  # a division by zero is left to stand as it is
    content, c, f = factor(a.poly)
    num: Poly = {term_inverse(content): 1 / c}
    for other, power in a.den:
        num = _times(num, other, power)
    return reduced(num, {f: 1} if f is not None else {})


def power(a: Form, n: int) -> Form:
    if abs(n) > 8:
        raise TooBig
    base = a if n >= 0 else inverse(a)
    total = of_number(Fraction(1))
    for _ in range(abs(n)):
        total = mul(total, base)
    return total


# ---------------------------------------------------------------- from formulas, and back


class Forms:
    """The normal forms of the expressions of one formula or graph, each found once.

    ``leaf`` may give a leaf a form of its own: a sum of exponentials is exp of their log-sum-exp.
    """

    def __init__(self, leaf: Callable[[Expr, Forms], Form | None] | None = None) -> None:
        self._leaf = leaf
        self._forms: dict[Expr, Form] = {}
        self._atoms: dict[object, int] = {}
        self.atoms: list[Expr] = []
        self._nodes: dict[Form, Expr] = {}
        self._flat: dict[Expr, Form] = {}
        self._marked: set[int] = set()
        self._hints: dict[Mono, list[tuple[Key, Expr]]] = {}  # sums that were met, by the first monomial

    # ------------------------------------------------------------ forms

    def atom(self, identity: object, node: Expr) -> Form:
        number = self._atoms.setdefault(identity, len(self.atoms))
        if number == len(self.atoms):
            self.atoms.append(node)
        return of_term((((number, 1),), ()))

    def __call__(self, root: Expr) -> Form:
        if root not in self._forms:
            stack = [(root, False)]
            while stack:
                node, ready = stack.pop()
                if node in self._forms:
                    continue
                if not ready:
                    stack.append((node, True))
                    stack.extend((a, False) for a in node.args if a not in self._forms)
                    continue
                try:
                    form = self._form(node)
                except TooBig:
                    form = self.atom(node, node)
                self._forms[node] = form
                self._nodes.setdefault(form, node)
                if node.op in ("add", "sub"):
                    self._hint(node, form)
        return self._forms[root]

    def _form(self, node: Expr) -> Form:
        op = node.op
        if node.number is not None:
            return of_number(node.number)
        if not node.args:
            own = self._leaf(node, self) if self._leaf is not None else None
            return own if own is not None else self.atom(node, node)
        a = [self._forms[x] for x in node.args]
        if op == "add":
            return add(a[0], a[1])
        if op == "sub":
            return add(a[0], a[1], Fraction(-1))
        if op == "neg":
            return add(Form(()), a[0], Fraction(-1))
        if op == "mul":
            return mul(a[0], a[1])
        if op == "div":
            return mul(a[0], self.inverse_of(node.args[1]))
        if op == "square":
            return mul(a[0], a[0])
        if op == "pow":
            n = node.args[1].number
            if n is not None and n.denominator == 1 and abs(n) <= 8:
                return power(a[0], int(n)) if n >= 0 else power(self.inverse_of(node.args[0]), -int(n))
        elif op in ("exp", "expm1", "sigmoid", "tanh", "sinh", "cosh"):
            u = self._exponent(a[0], node.args[0])
            if u is not None:
                return self._exponential(op, u)
        elif op in ("log", "log1p", "softplus"):
            inside = self._inside(op, a[0], node.args[0])
            if inside is not None:
                return self.logarithm(inside)
        return self.atom((op, *a), node)

    def _exponent(self, form: Form, node: Expr) -> Expo | None:
        """What stands in an exponential, as a polynomial; a long one is a multiple of one atom."""
        if form.polynomial is None:
            form = self.flat(node)
        p = form.polynomial
        if p is None:
            return None
        if len(p) > LONG:
            ordered = key(p)
            lead = ordered[0][1]
            whole = Form(tuple((t, c / lead) for t, c in ordered))
            unit = node if lead == 1 else E.neg(node) if lead == -1 else E.div(node, E.const(lead))
            p = self.atom(("long", whole), self._nodes.get(whole, unit)).poly
            self._nodes.setdefault(Form(key(dict.fromkeys(p, lead))), node)
            return tuple((t[0], lead) for t in p)
        return tuple(sorted((t[0], c) for t, c in p.items()))

    def flat(self, root: Expr) -> Form:
        """The form with gates and exponentials as atoms: what stands in an exponential need not be taken apart."""
        stack = [(root, False)]
        while stack:
            node, ready = stack.pop()
            if node in self._flat:
                continue
            form = self(node)
            if form.polynomial is None:
                if not ready:
                    stack.append((node, True))
                    stack.extend((a, False) for a in node.args if a not in self._flat)
                    continue
                try:
                    form = self._flattened(node, form)
                except TooBig:
                    form = self.atom(node, node)
                self._nodes.setdefault(form, node)
                if node.op in ("add", "sub"):
                    self._hint(node, form)
            self._flat[node] = form
        return self._flat[root]

    def _flattened(self, node: Expr, form: Form) -> Form:
        a = [self._flat[x] for x in node.args]
        if node.op in ("add", "sub"):
            return add(a[0], a[1], Fraction(1 if node.op == "add" else -1))
        if node.op == "neg":
            return add(Form(()), a[0], Fraction(-1))
        if node.op == "mul":
            return mul(a[0], a[1])
        if node.op == "div" and len(a[1].num) == 1:
            return mul(a[0], inverse(a[1]))
        return self.atom(("whole", form), node)

    def inverse_of(self, node: Expr) -> Form:
        """1/node, a factor at a time, so that powers stay powers."""
        if node.op == "mul":
            return mul(self.inverse_of(node.args[0]), self.inverse_of(node.args[1]))
        if node.op == "div":
            return mul(self(node.args[1]), self.inverse_of(node.args[0]))
        if node.op == "neg":
            return mul(of_number(Fraction(-1)), self.inverse_of(node.args[0]))
        if node.op == "square":
            return power(self.inverse_of(node.args[0]), 2)
        if node.op == "pow":
            n = node.args[1].number
            if n is not None and n.denominator == 1 and 0 < n <= 8:
                return power(self.inverse_of(node.args[0]), int(n))
        return inverse(self(node))

    def _exponential(self, op: str, u: Expo) -> Form:
        one = of_number(Fraction(1))
        if op in ("sinh", "cosh"):
            sign = Fraction(1 if op == "cosh" else -1)
            total = add(self._e(u), self._e(expo_add((), u, Fraction(-1))), sign)
            return mul(total, of_number(Fraction(1, 2)))
        if op == "tanh":
            e = self._e(expo_add((), u, Fraction(2)))
            return mul(add(e, one, Fraction(-1)), inverse(add(e, one)))
        e = self._e(u)
        if op == "exp":
            return e
        if op == "expm1":
            return add(e, one, Fraction(-1))
        return mul(e, inverse(add(e, one)))

    def _e(self, u: Expo) -> Form:
        return of_term(((), u))

    def _inside(self, op: str, a: Form, node: Expr) -> Form | None:
        """What the logarithm is taken of."""
        one = of_number(Fraction(1))
        if op == "log":
            return a
        if op == "log1p":
            return add(one, a)
        u = self._exponent(a, node)
        return None if u is None else add(one, self._e(u))

    def logarithm(self, inside: Form) -> Form:
        """log of a form: exponentials come out, gates become softplus, what is left stays under a logarithm."""
        parts = self.log_parts(inside)
        if parts is None:
            return self.atom(("log", inside), E.call("log", self.build(inside)))
        total = of_number(Fraction(0))
        if parts.rest != of_number(Fraction(1)):
            total = self.atom(("log", parts.rest), E.call("log", self.build(parts.rest)))
        total = add(total, Form(key({(m, ()): c for m, c in parts.exponent})))
        for g, n in parts.gates:
            identity = ("softplus", g.v, g.scale)
            total = add(total, self.atom(identity, E.call("softplus", self.gate_argument(g))), Fraction(n))
        return total

    def log_parts(self, inside: Form) -> LogParts | None:
        """``inside`` as rest * exp(exponent) * product of gates, if anything comes out."""
        if not inside.num:
            return None
        content, c, f = factor(inside.poly)
        gates: list[tuple[Gate, int]] = []
        rest = of_term((content[0], ()), c)
        for one, n in (((f, 1),) if f is not None else ()) + tuple((k, -n) for k, n in inside.den):
            found = gate(one)
            if found is not None:
                gates.append((found, n))
            else:
                rest = mul(rest, Form(one) if n > 0 else Form(((UNIT, Fraction(1)),), ((one, -n),)))
        if not gates and not content[1]:
            return None
        return LogParts(rest, content[1], tuple(gates))

    # ------------------------------------------------------------ building

    def gate_argument(self, g: Gate, sign: int = 1, over: int = 1) -> Expr:
        """z (or -z, or z/2) for the gate 1 + exp(z)."""
        u = self.build(Form(key({(m, ()): sign * c / over for m, c in g.v})))
        if g.scale == 1:
            return u
        shift = E.call("log", E.const(g.scale))
        if over != 1:
            shift = E.div(shift, E.const(over))
        return E.add(u, shift) if sign > 0 else E.sub(u, shift)

    def known(self, form: Form) -> Expr | None:
        """An expression met before with this form, or minus this form."""
        return self._nodes.get(form)

    def build(self, form: Form) -> Expr:
        """An expression with this form: one that was met before, or a new one."""
        number = form.number
        if number is not None:
            return E.const(number)
        found = self._nodes.get(form)
        if found is not None:
            return found
        single = form.single
        if single is not None and not single[0][1] and len(single[0][0]) == 1 and single[0][0][0][1] == 1:
            node = self.atoms[single[0][0][0][0]]
            if abs(single[1]) == 1:
                return node if single[1] == 1 else E.neg(node)
        minus = self._nodes.get(Form(tuple((t, -c) for t, c in form.num), form.den))
        if minus is not None:
            return E.neg(minus)
        for scale in (Fraction(2), Fraction(1, 2), Fraction(-2), Fraction(-1, 2)):
            other = self._nodes.get(Form(tuple((t, scale * c) for t, c in form.num), form.den))
            if other is not None:
                return E.mul(E.const(1 / scale), other)
        top = self._sum(form.poly)
        if not form.den:
            return top
        bottom = E.ONE
        for f, n in form.den:
            base = self.build(Form(f))
            bottom = E.mul(bottom, base if n == 1 else E.power(base, E.const(n)))
        return E.div(top, bottom)

    def prefer(self, before: Expr, after: Expr) -> None:
        """From now on ``after`` is what :meth:`build` gives for the form of ``before``."""
        form = self(before)
        self._forms.setdefault(after, form)
        self._nodes[form] = after

    def spell(self, form: Form) -> Expr:
        """The form written out, although an expression with it is known."""
        return self._sum(form.poly, fresh=True)

    def is_softplus(self, atom: int) -> bool:
        return self.atoms[atom].op == "softplus"

    def mark(self, form: Form) -> None:
        """Remember the atoms of ``form`` as log-sum-exps."""
        self._marked.update(a for t, _ in form.num for a, _ in t[0])

    def has_marked(self, form: Form) -> bool:
        return any(a in self._marked for t, _ in form.num for a, _ in t[0])

    def _hint(self, node: Expr, form: Form) -> None:
        """Remember a sum, so that what is built uses it again instead of spelling its terms."""
        p = form.polynomial
        if p is not None and 2 <= len(p) <= 8 and not any(
                self.atoms[a].op in ("softplus", "log") or a in self._marked for t in p for a, _ in t[0]):  # fmt: skip
            self._hints.setdefault(form.num[0][0][0], []).append((form.num, node))

    def _pulled(self, p: Poly) -> tuple[Expr, bool, Poly] | None:
        """A multiple of a sum that was met, whether it is subtracted, and what is left of ``p`` without it."""
        best: tuple[int, Term, Fraction, Key, Expr] | None = None
        for t, c in key(p):
            if t[1] or len(t[0]) > 4:
                continue
            for mask in range(1 << len(t[0])):
                part = tuple(x for k, x in enumerate(t[0]) if mask >> k & 1)
                other: Term = (tuple(x for k, x in enumerate(t[0]) if not mask >> k & 1), ())
                for hint, node in self._hints.get(part, ()):
                    scale = c / hint[0][1]
                    if (best is None or len(hint) > best[0]) and all(p.get(term_mul(s, other)) == d * scale for s, d in hint):
                        best = len(hint), other, scale, hint, node
        if best is None:
            return None
        _, other, scale, hint, node = best
        rest = dict(p)
        for s, _ in hint:
            del rest[term_mul(s, other)]
        weight = self._term(other, abs(scale))
        return E.mul(weight, node), scale < 0, rest

    def _sum(self, p: Poly, fresh: bool = False) -> Expr:
        pulled: list[tuple[Expr, bool]] = []
        while len(p) > 1:
            found = self._pulled(p)
            if found is None:
                break
            pulled.append(found[:2])
            p = found[2]
        if pulled:
            pieces = sorted(pulled, key=lambda x: x[1])
            if p:
                rest = self._sum(p, fresh)
                minus = rest.op == "neg"
                pieces.append((rest.args[0] if minus else rest, minus))
                pieces.sort(key=lambda x: x[1])
            total = E.neg(pieces[0][0]) if pieces[0][1] else pieces[0][0]
            for piece, minus in pieces[1:]:
                total = E.sub(total, piece) if minus else E.add(total, piece)
            return total
        content = key(p)
        terms = sorted(content, key=lambda tc: (tc[0] == UNIT, tc[1] < 0, tc[0]))
        whole: Expr | None = None
        for t, c in terms:
            piece = self._term(t, abs(c), fresh and len(terms) == 1)
            if whole is None:
                whole = E.neg(piece) if c < 0 else piece
            else:
                whole = E.sub(whole, piece) if c < 0 else E.add(whole, piece)
        return whole if whole is not None else E.ZERO

    def _term(self, t: Term, c: Fraction, fresh: bool = False) -> Expr:
        mono, expo = t
        known = self._nodes.get(of_term(t, c))
        if known is not None and not fresh:
            return known
        top, bottom = E.const(c), E.ONE
        for atom, n in mono:
            node = self.atoms[atom]
            piece = node if abs(n) == 1 else E.power(node, E.const(abs(n)))
            if n > 0:
                top = E.mul(top, piece)
            else:
                bottom = E.mul(bottom, piece)
        if expo:
            bare = self._nodes.get(of_term(((), expo))) if not fresh else None
            e = bare if bare is not None else E.call("exp", self.build(Form(key({(m, ()): x for m, x in expo}))))
            top = E.mul(top, e)
        return top if bottom is E.ONE else E.div(top, bottom)


@dataclass(frozen=True)
class LogParts:
    """log = log(rest) + exponent + sum of n * softplus."""

    rest: Form
    exponent: Expo
    gates: tuple[tuple[Gate, int], ...]


def polynomial_form(p: Iterable[tuple[Mono, Fraction]]) -> Form:
    return Form(key({(m, ()): c for m, c in p}))
