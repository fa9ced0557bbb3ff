"""Gates by what they compute, however they are spelled, and formulas that overflow by equal ones that do not.

Everything is decided on exact normal forms (:mod:`.normal`): two formulas with one form are equal by algebra, which is the
proof. A sum or a product is looked at whole: the summands or factors that belong to one gate are taken together
wherever they stand, and the others are left as the user wrote them.

``Rewriter(stable=False)`` finds gates: sigmoid, tanh, softplus, expm1, log1p, sinh. With ``stable=True`` logarithms of gates
and of exponentials come apart as well (log(sigmoid(z)) is -softplus(-z)), quotients by a sum of exponentials become one
exponential, and sqrt(u)**2 is u.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Final

from ..graph import expr as E
from ..graph.expr import Expr
from ..records import dataclass
from . import normal as N
from .normal import Form, Forms, Gate, TooBig

_SUMS: Final = ("add", "sub", "neg")
_PRODUCTS: Final = ("mul", "div", "pow", "square")
_LOGS: Final = ("log", "log1p", "softplus")
_EXPS: Final = ("exp", "expm1", "sinh", "cosh")
_NAMED: Final = ("expm1", "sinh", "tanh", "sigmoid", "softplus")
_MANY: Final = 40  # summands or factors; longer chains are left alone
_NEAR: Final = 64  # nodes that are looked at around a gate
_WORDS: Final = {"add": 1, "sub": 1, "mul": 1, "neg": 1, "square": 1, "div": 4, "sqrt": 4, "pow": 4, "where": 1, "max": 1,
                 "min": 1}  # fmt: skip


SumRule = Callable[[Sequence[tuple[int, Expr]], Sequence[Form]], tuple[list[int], Expr] | None]


@dataclass(frozen=True)
class Fired:
    """What a rewriting says to the reader: ``before`` is ``after``."""

    before: Expr
    after: Expr


def recognise(root: Expr) -> Expr:
    """``root`` with every gate that is spelled out as one gate."""
    return Rewriter(Forms())(root)


def near(roots: Sequence[Expr], bound: int = _NEAR) -> Iterator[Expr]:
    """The nodes closest to ``roots``, at most ``bound`` of them."""
    seen: dict[Expr, None] = dict.fromkeys(roots)
    queue = [*seen]
    for node in queue:
        yield node
        for a in node.args:
            if a not in seen and len(queue) < bound:
                seen[a] = None
                queue.append(a)


def saved(before: Sequence[Expr], after: Expr) -> int:
    """About how much cheaper ``after`` is than the sum or product of ``before``: what both share is not counted."""
    old = dict.fromkeys(near(before, 2 * _NEAR))
    shared: set[Expr] = set()
    cost = 0
    queue = [after]
    seen = {after}
    for node in queue:
        if node in old:
            shared.add(node)
            continue
        cost += _cost(node)
        for a in node.args:
            if a not in seen and len(queue) < 2 * _NEAR:
                seen.add(a)
                queue.append(a)
    gone = 0
    queue = [*dict.fromkeys(before)]
    seen = set(queue)
    for node in queue:
        if node in shared:
            continue
        gone += _cost(node)
        for a in node.args:
            if a not in seen and len(queue) < _NEAR:
                seen.add(a)
                queue.append(a)
    return gone + len(before) - 1 - cost


def _cost(node: Expr) -> int:
    return _WORDS.get(node.op, 20) if any(a.number is None for a in node.args) else 0


class Rewriter:
    """Rewrites formulas over one set of normal forms; each node once."""

    def __init__(self, forms: Forms, stable: bool = False, nonnegative: Callable[[Expr], bool] | None = None,
                 total: Callable[[Expr], bool] | None = None, sums: SumRule | None = None) -> None:  # fmt: skip
        """``nonnegative`` says what is surely >= 0; ``total`` which leaves are sums of exponentials; ``sums`` is one more
        rule for sums: given the signed summands and their forms, it returns which of them to replace, and by what."""
        from .partials import nonnegative as plain

        self.forms = forms
        self.stable = stable
        self.nonnegative = nonnegative or plain
        self.total = total or (lambda leaf: False)
        self.sums = sums
        self.kept: Callable[[Expr], bool] = lambda node: False  # whether a gate has a name of the user's
        self.fired: list[Fired] = []
        self._made: set[Expr] = set()  # gates that were spelled out: what stands around them is part of the spelling
        self._done: dict[Expr, Expr] = {}

    def __call__(self, root: Expr) -> Expr:
        stack = [(root, False)]
        while stack:
            node, ready = stack.pop()
            if node in self._done:
                continue
            if not ready:
                stack.append((node, True))
                stack.extend((a, False) for a in node.args if a not in self._done)
                continue
            fresh = node
            if any(self._done[a] is not a for a in node.args):
                build = E.fold_node if node.op in _SUMS else E.rebuild
                fresh = build(node, tuple(self._done[a] for a in node.args))
            after = self._node(fresh)
            if after is not fresh:
                self.fired.append(Fired(fresh, after))
                self._made.add(after)
                self._done.setdefault(fresh, after)
                self.forms.prefer(fresh, after)
            self._done[node] = after
        return self._done[root]

    def _node(self, node: Expr) -> Expr:
        rule: Callable[[Expr], Expr | None]
        if node.op in _SUMS:
            rule = self._sum
        elif node.op in _PRODUCTS:
            rule = self._product
        elif node.op in ("log", "log1p"):
            rule = self._log
        elif self.stable and node.op == "sqrt":
            rule = self._root
        else:
            return node
        for _ in range(4):
            try:
                after = rule(node)
            except TooBig:
                after = None
            if after is None or after is node:
                return node
            node = after
            if node.op not in (*_SUMS, *_PRODUCTS):
                return node
            rule = self._sum if node.op in _SUMS else self._product
        return node

    # ------------------------------------------------------------ gates

    def _gates(self, members: Sequence[Form]) -> list[Gate]:
        found: dict[N.Key, Gate] = {}
        for form in members:
            for f, _ in form.den:
                if f not in found:
                    g = N.gate(f)
                    if g is not None:
                        found[f] = g
        return [found[f] for f in sorted(found)]

    def _candidates(self, form: Form, g: Gate) -> list[Expr]:
        """The form as a short polynomial in sigmoid(z), in sigmoid(-z) or in tanh(z/2), or as a product of the first two."""
        den = dict(form.den)
        m = den.pop(g.factor, 0)
        lines = N.along(form.poly, g.v)
        if m == 0 or m > 4 or lines is None or any(j < 0 or j > m for j in lines) or any(len(q) > 3 for q in lines.values()):
            return []
        rest = tuple(sorted(den.items()))
        weights = {j: Form(N.key({t: c / g.scale**j for t, c in q.items()}), rest) for j, q in lines.items()}
        s, r = self._gate("sigmoid", g, 1), self._gate("sigmoid", g, -1)
        if any(t[1] for q in weights.values() for t, _ in q.num):
            return []
        if m > 1 and len(weights) == 1:
            ((j, weight),) = weights.items()
            product = E.mul(_times(s, j), _times(r, m - j)) if 0 < j < m else _times(s, j) if j else _times(r, m)
            return [E.mul(self.forms.build(weight), product)]
        result: list[Expr] = []
        half = Fraction(1, 2)
        for name, up, down in (("s", (0, 1), (1, -1)), ("r", (1, -1), (0, 1)), ("t", (half, half), (half, -half))):
            # s and 1 - s as polynomials of degree one in the gate
            totals: list[Form] = [Form(())] * (m + 1)
            for j, weight in weights.items():
                line = _line(up, j, down, m - j)
                for k, c in enumerate(line):
                    if c:
                        totals[k] = N.add(totals[k], weight, Fraction(c))
            kept = [(k, t) for k, t in enumerate(totals) if t.num]
            if len(kept) > 2 or any(len(t.num) > 3 for _, t in kept):
                continue
            base = s if name == "s" else r if name == "r" else self._gate("tanh", g, 1)
            result.append(self._weighted([(t, base, k) for k, t in kept]))
        return result

    def _weighted(self, parts: Sequence[tuple[Form, Expr, int]]) -> Expr:
        total: Expr | None = None
        for weight, base, k in parts:
            piece = self.forms.build(weight)
            if k:
                piece = E.mul(piece, _times(base, k))
            total = piece if total is None else E.add(total, piece)
        return total if total is not None else E.ZERO

    def _gate(self, name: str, g: Gate, sign: int) -> Expr:
        z = self.forms.gate_argument(g, sign, 2 if name == "tanh" else 1)
        if z.op == "neg" and name == "tanh":
            return E.neg(E.call(name, z.args[0]))
        return E.call(name, z)

    def _raw(self, members: Sequence[Expr], v: N.Expo) -> bool:
        """Whether an exponential that has to do with ``v`` is spelled out in the members."""
        wanted = {m for m, _ in v}
        for node in near(members):
            if node.op in _EXPS or self.total(node):
                form = self.forms(node)
                if not form.den and any(m in wanted for t, _ in form.num for m, _ in t[1]):
                    return True
        return False

    def _best(self, members: Sequence[Expr], form: Form, g: Gate) -> Expr | None:
        """The group as a gate, where that is what it spells, or cheaper."""
        candidates = self._candidates(form, g) if g.factor in dict(form.den) else []
        raw = self._raw(members, g.v)
        if not candidates:
            if g.factor not in dict(form.den) and len(form.num) <= 3 and not form.den:
                cancelled = self.forms.build(form)
                return cancelled if raw or saved(members, cancelled) > 0 else None
            return None
        gain = [saved(members, c) for c in candidates]
        k = min(range(len(candidates)), key=lambda k: (-gain[k], candidates[k].op in _SUMS, k))
        made = any(m in self._made and not self.kept(m) for m in members)
        if gain[k] > 0 or (made and gain[k] == 0) or (raw and gain[k] >= -30):
            return candidates[k]
        return None

    # ------------------------------------------------------------ sums

    def _sum(self, node: Expr) -> Expr | None:
        parts = _summands(node)
        if not 2 <= len(parts) <= _MANY:
            return None
        forms = [self.forms(p) for _, p in parts]
        for g in self._gates(forms):
            inside = [k for k, f in enumerate(forms) if g.factor in dict(f.den)]
            numbers = [k for k, f in enumerate(forms) if f.number is not None]
            for group in (sorted(inside + numbers), inside) if numbers else (inside,):
                fired = self._sum_group(parts, forms, group, g)
                if fired is not None:
                    return fired
        found = self._expm1(parts, forms) or self._sinh(parts, forms)
        if found is None and self.stable:
            found = self._softplus_terms(parts, forms) or self._cancelled(node, parts)
        if found is None:
            found = self._kinked_softplus(parts)
        if found is None and self.sums is not None:
            other = self.sums(parts, forms)
            found = _replaced(parts, *other) if other is not None else None
        return found

    def _total(self, parts: Sequence[tuple[int, Expr]], forms: Sequence[Form], group: Sequence[int]) -> Form:
        total = Form(())
        for k in group:
            total = N.add(total, forms[k], Fraction(parts[k][0]))
        return total

    def _sum_group(self, parts: Sequence[tuple[int, Expr]], forms: Sequence[Form], group: Sequence[int],
                   g: Gate) -> Expr | None:  # fmt: skip
        if len(group) < 2:
            return None
        chosen = [parts[k] for k in group]
        best = self._best([p for _, p in chosen], self._total(parts, forms, group), g)
        if best is None:
            return None
        return _replaced(parts, group, best)

    def _expm1(self, parts: Sequence[tuple[int, Expr]], forms: Sequence[Form]) -> Expr | None:
        """c*exp(u) - c is c*expm1(u)."""
        for k, (sign, part) in enumerate(parts):
            single = forms[k].single
            if part.op in E.LEAVES or single is None or not single[0][1] or not self._raw([part], single[0][1]):
                continue
            (mono, expo), c = single
            wanted = N.of_term((mono, ()), c)
            if mono == ():
                numbers = [j for j, f in enumerate(forms) if f.number is not None]
                total = self._total(parts, forms, numbers)
                if numbers and total == N.of_number(-sign * c):
                    e = E.call("expm1", self.forms.build(N.polynomial_form(expo)))
                    return _replaced(parts, sorted([k, *numbers]), E.mul(E.const(sign * c), e))
                continue
            for j, (other, twin) in enumerate(parts):
                if j != k and other * sign < 0 and forms[j] == wanted:
                    e = E.call("expm1", self.forms.build(N.polynomial_form(expo)))
                    piece = E.mul(twin, e)
                    return _replaced(parts, sorted((j, k)), piece if sign > 0 else E.neg(piece))
        return None

    def _sinh(self, parts: Sequence[tuple[int, Expr]], forms: Sequence[Form]) -> Expr | None:
        """c*exp(u) - c*exp(-u) is 2*c*sinh(u)."""
        for k, (sign, part) in enumerate(parts):
            single = forms[k].single
            if single is None or not single[0][1] or sign < 0 or part.op not in ("exp", "mul", "div"):
                continue
            (mono, expo), c = single
            wanted = N.of_term((mono, N.expo_add((), expo, Fraction(-1))), c)
            for j, (other, twin) in enumerate(parts):
                if other < 0 and forms[j] == wanted and self._raw([part, twin], expo) and not self._totals([part, twin]):
                    e = E.call("sinh", self.forms.build(N.polynomial_form(expo)))
                    weight = self.forms.build(N.of_term((mono, ()), 2 * c))
                    return _replaced(parts, sorted((j, k)), E.mul(weight, e))
        return None

    def _totals(self, members: Sequence[Expr]) -> bool:
        return any(self.total(n) for n in near(members))

    def _softplus_terms(self, parts: Sequence[tuple[int, Expr]], forms: Sequence[Form]) -> Expr | None:
        """Several softplus of z and -z in one sum: -y*log(sigmoid(z)) - (1 - y)*log(1 - sigmoid(z)) is softplus(z) - y*z."""
        atoms = sorted({a for f in forms for t, _ in f.num for a, _ in t[0] if self.forms.is_softplus(a)})
        for atom in atoms:
            group = [k for k, f in enumerate(forms) if f.polynomial is not None and _uses(f, atom)]
            members = [parts[k][1] for k in group]
            calls = [n for n in near(members) if n.op in _LOGS and _uses(self.forms(n), atom)]
            if len(calls) < 2:
                continue
            total = self._total(parts, forms, group)
            using = [t for t, _ in total.num if any(a == atom for a, _ in t[0])]
            if len(using) > 1 or len(total.num) > 4:
                continue
            return _replaced(parts, group, self.forms.spell(total))
        return None

    def _cancelled(self, node: Expr, parts: Sequence[tuple[int, Expr]]) -> Expr | None:
        """A maximum that was taken away by hand and is added again goes, as in log(sum(exp(x - m))) + m."""
        if not any(self.forms.has_marked(self.forms(p)) for _, p in parts):
            return None
        total = self.forms.flat(node)
        if total.polynomial is None or len(total.num) >= len(parts) + sum(1 for _, p in parts if p.op not in E.LEAVES):
            return None
        spelled = self.forms.spell(total)
        return spelled if saved([node], spelled) > 0 else None

    def _kinked_softplus(self, parts: Sequence[tuple[int, Expr]]) -> Expr | None:
        """max(z, 0) + log(1 + exp(-abs(z))) is softplus(z)."""
        for k, (sign, part) in enumerate(parts):
            if part.op != "max" or E.ZERO not in part.args:
                continue
            z = part.args[0] if part.args[1] is E.ZERO else part.args[1]
            for j, (other, twin) in enumerate(parts):
                if other != sign or twin.op != "softplus" or twin.args[0].op != "neg":
                    continue
                u = twin.args[0].args[0]
                if u.op == "abs" and (self.forms(u.args[0]) == self.forms(z) or self.forms(u.args[0]) == self.forms(E.neg(z))):
                    piece = E.call("softplus", z)
                    return _replaced(parts, sorted((j, k)), piece if sign > 0 else E.neg(piece))
        return None

    # ------------------------------------------------------------ products

    def _product(self, node: Expr) -> Expr | None:
        sign, parts = _factors(node)
        if len(parts) > _MANY:
            return None
        bases = [self.forms(p) for p, _ in parts]
        forms = [b if n == 1 else N.power(b if n > 0 else self.forms.inverse_of(p), abs(n))
                 for (p, n), b in zip(parts, bases, strict=True)]  # fmt: skip
        numbers = [k for k, f in enumerate(forms) if f.number is not None]
        for g in self._gates(forms):
            gated = [k for k, f in enumerate(forms) if g.factor in dict(f.den)]
            moved = [k for k, f in enumerate(forms) if k not in gated and _moves(f, g.v)]
            free = [k for k, f in enumerate(forms) if k not in gated and _moves(f, None)]
            tried: list[list[int]] = []
            for group in (sorted({*gated, *moved, *numbers}), sorted({*gated, *moved}), sorted({*gated, *free})):
                if group in tried or (len(group) == 1 and parts[group[0]][1] == 1):
                    continue
                if any(k not in group and _touches(f, g.v) for k, f in enumerate(forms)):
                    continue  # an exponential would be left beside the gate: infinity times zero
                tried.append(group)
                total = N.of_number(Fraction(1))
                for k in group:
                    total = N.mul(total, forms[k])
                members = [parts[k][0] for k in group]
                best = self._best(members, total, g)
                if best is not None:
                    return _multiplied(sign, parts, group, best)
        if len(numbers) > 1 and any(p.op in _NAMED for p, _ in parts):
            product = Fraction(1)
            for k in numbers:
                product *= forms[k].number or 0
            return _multiplied(sign, parts, numbers, E.const(product))
        if self.stable:
            return self._one_exponential(sign, parts, forms) or self._roots(sign, parts)
        return None

    def _one_exponential(self, sign: int, parts: Sequence[tuple[Expr, int]], forms: Sequence[Form]) -> Expr | None:
        """exp(t) / sum(exp(t)) is exp(t - lse(t))."""
        group = [k for k, f in enumerate(forms) if f.single is not None and f.single[0][1] and not f.single[0][0]]
        if len(group) < 2 or not any(self.total(parts[k][0]) for k in group):
            return None
        total = N.of_number(Fraction(1))
        for k in group:
            total = N.mul(total, forms[k])
        return _multiplied(sign, parts, group, self.forms.spell(total))

    def _roots(self, sign: int, parts: Sequence[tuple[Expr, int]]) -> Expr | None:
        """sqrt(u)**2 is u, where u is surely not negative. Not in (x/sqrt(u))**2: x**2 leaves the range long before."""
        powers: dict[Expr, int] = {}
        for p, n in parts:
            powers[p] = powers.get(p, 0) + n
        for p, n in powers.items():
            if p.op == "sqrt" or (p.op == "pow" and p.args[1] is E.HALF):
                u = p.args[0]
                squares = any(q is not p and abs(m) > 1 and q.number is None for q, m in powers.items())
                if abs(n) >= 2 and not squares and self.nonnegative(u):
                    group = [k for k, (q, _) in enumerate(parts) if q is p]
                    half, odd = divmod(abs(n), 2)
                    best = E.power(u, E.const(half))
                    best = E.mul(best, p) if odd else best
                    return _multiplied(sign, parts, group, best if n > 0 else E.div(E.ONE, best))
        return None

    def _root(self, node: Expr) -> Expr | None:
        """sqrt(u**2) is abs(u)."""
        u = node.args[0]
        if u.op == "square" or (u.op == "pow" and u.args[1].number == 2) or (u.op == "mul" and u.args[0] is u.args[1]):
            base = u.args[0]
            return base if self.nonnegative(base) else E.call("abs", base)
        return None

    # ------------------------------------------------------------ logarithms

    def _log(self, node: Expr) -> Expr | None:
        argument = node.args[0]
        inside = self.forms(argument)
        if node.op == "log1p":
            inside = N.add(N.of_number(Fraction(1)), inside)
        parts = self.forms.log_parts(inside)
        if parts is not None:
            found = self._apart(parts, argument)
            if found is not None:
                return found
        if node.op == "log" and (parts is None or self.stable):
            summands = _summands(argument)
            numbers = [k for k, (_, p) in enumerate(summands) if p.number is not None]
            others = [s for k, s in enumerate(summands) if k not in numbers]
            if numbers and others and sum((s * (p.number or 0) for s, p in (summands[k] for k in numbers)), Fraction(0)) == 1:
                return E.call("log1p", _add_up(others))
        return None

    def _apart(self, parts: N.LogParts, argument: Expr) -> Expr | None:
        gates = parts.gates
        rest = parts.rest.number
        if not self.stable and (len(gates) != 1 or gates[0][1] != 1 or rest is None or not self._raw([argument], gates[0][0].v)):
            return None
        if gates and rest != 1 and ((rest is not None and rest < Fraction(1, 4)) or not self._raw([argument], gates[0][0].v)):
            return None
        if rest is not None and rest <= 0:
            return None
        if rest is None and any(t[1] for t, _ in parts.rest.num):
            return None
        exponent = parts.exponent
        pieces: list[Expr] = []
        for g, n in gates:
            moved = N.expo_add(exponent, g.v, Fraction(n))
            if len(moved) < len(exponent):
                exponent = moved
                z = self.forms.gate_argument(g, -1)
                rest_factor = g.scale ** abs(n)
                if rest is None and g.scale != 1:
                    return None
                if rest is not None:
                    rest = rest * rest_factor if n > 0 else rest / rest_factor
            else:
                z = self.forms.gate_argument(g, 1)
            pieces.append(E.mul(E.const(n), E.call("softplus", z)))
        if not self.stable and exponent:
            return None
        total: Expr | None = self.forms.build(N.polynomial_form(exponent)) if exponent else None
        for piece in pieces:
            total = piece if total is None else E.add(total, piece)
        if rest is None:
            total = E.add(E.call("log", self.forms.build(parts.rest)), total) if total is not None else None
        elif rest != 1:
            total = E.add(total, E.call("log", E.const(rest))) if total is not None else None
        return total


# ---------------------------------------------------------------- chains


def _summands(node: Expr) -> list[tuple[int, Expr]]:
    """The sum as signs and terms, in the order in which they are written."""
    result: list[tuple[int, Expr]] = []
    stack = [(1, node)]
    while stack and len(result) + len(stack) <= _MANY + 1:
        sign, n = stack.pop()
        if n.op == "add":
            stack += [(sign, n.args[1]), (sign, n.args[0])]
        elif n.op == "sub":
            stack += [(-sign, n.args[1]), (sign, n.args[0])]
        elif n.op == "neg":
            stack.append((-sign, n.args[0]))
        else:
            result.append((sign, n))
    return result if not stack else [(1, node)]


def _factors(node: Expr) -> tuple[int, list[tuple[Expr, int]]]:
    """The product as a sign and factors with their powers."""
    result: list[tuple[Expr, int]] = []
    total = 1
    stack = [(node, 1)]
    while stack and len(result) + len(stack) <= _MANY + 1:
        n, power = stack.pop()
        if n.op == "mul":
            stack += [(n.args[1], power), (n.args[0], power)]
        elif n.op == "div":
            stack += [(n.args[1], -power), (n.args[0], power)]
        elif n.op == "neg":
            total = -total if power % 2 else total
            stack.append((n.args[0], power))
        elif n.op == "square" and abs(power) <= 4:
            stack.append((n.args[0], 2 * power))
        elif n.op == "pow" and n.args[1].number is not None and n.args[1].number.denominator == 1 and (
                0 < abs(n.args[1].number * power) <= 8):  # fmt: skip
            stack.append((n.args[0], int(n.args[1].number) * power))
        else:
            result.append((n, power))
    return (total, result) if not stack else (1, [(node, 1)])


def _uses(form: Form, atom: int) -> bool:
    return any(a == atom for t, _ in form.num for a, _ in t[0])


def _add_up(parts: Sequence[tuple[int, Expr]]) -> Expr:
    total: Expr | None = None
    for sign, part in parts:
        if total is None:
            total = part if sign > 0 else E.neg(part)
        else:
            total = E.add(total, part) if sign > 0 else E.sub(total, part)
    return total if total is not None else E.ZERO


def _multiply(sign: int, parts: Sequence[tuple[Expr, int]]) -> Expr:
    top: Expr | None = None
    bottom: Expr | None = None
    for part, n in parts:
        piece = part if abs(n) == 1 else E.power(part, E.const(abs(n)))
        if n > 0:
            top = piece if top is None else E.mul(top, piece)
        else:
            bottom = piece if bottom is None else E.mul(bottom, piece)
    top = top if top is not None else E.ONE
    whole = top if bottom is None else E.div(top, bottom)
    return whole if sign > 0 else E.neg(whole)


def _replaced(parts: Sequence[tuple[int, Expr]], group: Sequence[int], by: Expr) -> Expr:
    """The sum with the summands of ``group`` replaced by one expression."""
    kept: list[tuple[int, Expr]] = []
    for k, part in enumerate(parts):
        if group and k == group[0]:
            kept += [s for s in _summands(by) if s[1] is not E.ZERO]
        elif k not in group:
            kept.append(part)
    if kept and kept[0][0] < 0:
        first = next((k for k, (s, _) in enumerate(kept) if s > 0), 0)
        kept.insert(0, kept.pop(first))
    return _add_up(kept)


def _multiplied(sign: int, parts: Sequence[tuple[Expr, int]], group: Sequence[int], by: Expr) -> Expr:
    kept: list[tuple[Expr, int]] = []
    for k, part in enumerate(parts):
        if group and k == group[0]:
            own, factors = _factors(by)
            sign *= own
            kept += [f for f in factors if f[0] is not E.ONE]
        elif k not in group:
            kept.append(part)
    return _multiply(sign, _under_one_power(kept))


def _under_one_power(parts: Sequence[tuple[Expr, int]]) -> list[tuple[Expr, int]]:
    """Factors of one power, two or more, as the power of their product: where (x*c)**2 is in range, x**2 * c**2 need not be."""
    result: list[tuple[Expr, int]] = []
    for part, n in parts:
        together = [(p, 1 if m > 0 else -1) for p, m in parts if abs(m) == abs(n)]
        if abs(n) == 1 or len(together) == 1 or all(s < 0 for _, s in together):
            result.append((part, n))
        elif not any(abs(m) == abs(n) for _, m in result):
            result.append((_multiply(1, together), abs(n)))
    return result


def _moves(form: Form, v: N.Expo | None) -> bool:
    """Whether a factor is made of exponentials in the direction of ``v`` (of any, if None), and is not constant."""
    if form.den or len(form.num) > 4 or not any(t[1] for t, _ in form.num):
        return False
    if v is None:
        return not any(t[0] for t, _ in form.num)
    mono, unit = v[0]
    return all(not N.expo_add(t[1], v, -dict(t[1]).get(mono, Fraction(0)) / unit) for t, _ in form.num)


def _touches(form: Form, v: N.Expo) -> bool:
    """Whether an exponential in it has to do with ``v``."""
    wanted = {m for m, _ in v}
    return not form.den and any(m in wanted for t, _ in form.num for m, _ in t[1])


def _times(base: Expr, n: int) -> Expr:
    return base if n == 1 else E.power(base, E.const(n)) if n else E.ONE


_Linear = tuple[Fraction | int, Fraction | int]


def _line(up: _Linear, j: int, down: _Linear, k: int) -> list[Fraction]:
    """The coefficients of up(x)**j * down(x)**k, two polynomials of degree one."""
    line = [Fraction(1)]
    for a, b in [up] * j + [down] * k:
        line = [a * x + b * y for x, y in zip([*line, Fraction(0)], [Fraction(0), *line], strict=True)]
    return line
