"""Formulas that overflow or cancel become equal ones that do not.

Scalar rules (``derive/catalogue.py``) see the formula of every equation through the steps before it:

- log(sigmoid(z)) is -softplus(-z), log(1 - sigmoid(z)) is -softplus(z), and a cross-entropy of the two is softplus(z) - y*z;
- a sum of exponentials S = sum(exp(t)) is exp(L) with L = logsumexp(t), so that log(S) is L and exp(t)/S is exp(t - L);
  what is still asked of S itself is computed as it was;
- a maximum subtracted by hand cancels; sqrt(u)**2 is u where u cannot be negative.

A mean of squares less the square of the mean becomes the mean of squared deviations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from ..derive import normal as N
from ..derive.catalogue import Rewriter
from ..derive.facts import Facts
from ..derive.normal import Form, Forms
from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Access, Eqn, Graph, Ix, Origin, Reduce, Value
from ..graph.rewrite import Namer, substitute_access
from ..records import dataclass
from .view import LookThrough, View, axes_of, canonical, canonical_axes


def run(graph: Graph) -> Graph:
    return _Stabilise(graph).run()


@dataclass(frozen=True)
class _Total:
    """A sum of exponentials over some axes: its logarithm is ``shift`` plus the value called ``name``."""

    name: str
    shift: Expr


@dataclass(frozen=True)
class _Later:
    """A reduction beside ``eqn`` that is computed once something reads it."""

    eqn: Eqn
    reduce: Reduce
    inner: Expr
    op: str
    note: str


class _Stabilise(LookThrough):
    def __init__(self, graph: Graph) -> None:
        self.totals: dict[str, _Total] = {}  # by the name of the sum
        self.pending: dict[str, _Later] = {}  # by their names, until they are computed
        self.sums: dict[str, tuple[Eqn, Expr]] = {}
        self.shared: dict[object, str] = {}
        self.facts = Facts(graph)
        self.namer = Namer(graph.values())
        view = View(graph)
        forms = Forms(self._leaf)
        rewriter = Rewriter(forms, stable=True, nonnegative=self._nonnegative, total=self._is_total,
                            sums=self._variance)  # fmt: skip
        super().__init__(graph, rewriter, view, "stabilise", run)

    # ------------------------------------------------------------ sums of exponentials

    def before(self, eqn: Eqn, formula: Expr) -> None:
        if eqn.reduce == "+" and eqn.reduced:
            self.sums[eqn.out.name] = eqn, formula
            self._sum_of_exponentials(eqn, formula)
        elif eqn.reduce == "lse":
            self.shared.setdefault(self._key(eqn, self.rewriter.forms(formula)), eqn.out.name)

    def _key(self, eqn: Eqn, form: Form) -> object:
        names = canonical(eqn) or {}
        return form, eqn.out.shape, tuple((names[a.name], a.extent) for a in eqn.axes)

    def _sum_of_exponentials(self, eqn: Eqn, formula: Expr) -> None:
        forms = self.rewriter.forms
        single = forms(formula).single
        if single is None or single[0][0] or not single[0][1] or single[1] <= 0:
            return
        (_, expo), weight = single
        empty = any(a.extent.value is None for a in eqn.reduced)
        inner = tuple((m, c) for m, c in expo if any(self._reduced(a) or (empty and self._doubtful(a)) for a, _ in m))
        outer = tuple((m, c) for m, c in expo if (m, c) not in inner)
        if not any(self._reduced(atom) for m, _ in inner for atom, _ in m):
            return
        exponent = N.polynomial_form(inner)
        shift = forms.build(N.polynomial_form(outer))
        if weight != 1:
            shift = E.add(shift, E.call("log", E.const(weight)))
        key = self._key(eqn, exponent)
        name = self.shared.get(key)
        if name is None:
            note = f"log(sum(exp(t))) with {eqn.out.name} = sum(exp(t))"
            name = self._later(f"{eqn.out.name}_lse", _Later(eqn, "lse", forms.build(exponent), "logsumexp", note))
            self.shared[key] = name
        self.totals[eqn.out.name] = _Total(name, shift)

    def _later(self, wanted: str, later: _Later) -> str:
        name = self.namer(wanted)
        self.pending[name] = later
        self.view.values[name] = Value(name, later.eqn.out.shape)
        return name

    def _reduced(self, atom: int) -> bool:
        """Whether an atom varies along a reduced axis."""
        node = self.rewriter.forms.atoms[atom]
        for leaf in E.walk(node):
            if leaf.op == "arg" and any(a.startswith("#") for a in axes_of(self.view.access(leaf))):
                return True
            if leaf.op == "idx" and str(leaf.value).startswith("#"):
                return True
        return False

    def _doubtful(self, atom: int) -> bool:
        """Whether an atom may be no number where the sum has no terms (a mean of nothing, a log-sum-exp of nothing): the
        logarithm of such a sum is -inf, and nothing may be added to it. There is no maximum of nothing that could be."""
        for leaf in E.walk(self.rewriter.forms.atoms[atom]):
            producer = self.view.producers.get(self.view.access(leaf).value) if leaf.op == "arg" else None
            if producer is not None and producer.reduce not in ("max", "min"):
                return True
        return False

    def _is_total(self, leaf: Expr) -> bool:
        return leaf.op == "arg" and self.view.access(leaf).value in self.totals and self.view.access(leaf).fill is None

    def _leaf(self, leaf: Expr, forms: Forms) -> Form | None:
        """A read of a sum of exponentials is exp of its logarithm."""
        if not self._is_total(leaf):
            return None
        access = self.view.access(leaf)
        total = self.totals[access.value]
        own = self.view.leaf(Access(total.name, access.index))
        form = forms(own)
        forms.mark(form)
        mapping = {f"@{k}": ix for k, ix in enumerate(access.index)}
        shift = forms(self._shifted(total.shift, mapping))
        exponent = N.add(form, shift).polynomial
        if exponent is None:
            return None
        return N.of_term(((), tuple(sorted((t[0], c) for t, c in exponent.items()))))

    def _shifted(self, node: Expr, mapping: dict[str, Ix]) -> Expr:
        replacement = {}
        for leaf in E.walk(node):
            if leaf.op == "arg":
                replacement[leaf] = self.view.leaf(substitute_access(self.view.access(leaf), mapping, {}))
        return E.substitute(node, replacement)

    def emitted(self, eqn: Eqn) -> None:
        for name in eqn.reads():
            later = self.pending.pop(name, None)
            if later is None:
                continue
            origin = Origin(later.eqn.origin.spans, "stabilise", later.note)
            new = self.view.equation(replace(later.eqn, out=Value(name, later.eqn.out.shape)), later.inner, origin)
            new = replace(new, reduce=later.reduce, op=later.op)
            self.emitted(new)
            self.eqns.append(new)
            self.view.add(new, None)

    # ------------------------------------------------------------ variances

    def _variance(self, parts: Sequence[tuple[int, Expr]], forms: Sequence[Form]) -> tuple[list[int], Expr] | None:
        """c*(sum(t**2) - sum(t)**2/n) is c*sum((t - sum(t)/n)**2)."""
        squares = self._reads_of_sums(forms, 1)
        means = self._reads_of_sums(forms, 2)
        for k, square in squares:
            for j, mean in means:
                if parts[k][0] == -parts[j][0] and j != k:
                    found = self._deviations(forms[k], square, forms[j], mean)
                    if found is not None:
                        return sorted((j, k)), found if parts[k][0] > 0 else E.neg(found)
        return None

    def _reads_of_sums(self, forms: Sequence[Form], power: int) -> list[tuple[int, Expr]]:
        found: list[tuple[int, Expr]] = []
        for k, form in enumerate(forms):
            if form.single is not None:
                for atom, n in form.single[0][0]:
                    node = self.rewriter.forms.atoms[atom]
                    if n == power and node.op == "arg" and self.view.access(node).value in self.sums:
                        found.append((k, node))
        return found

    def _deviations(self, left: Form, square: Expr, right: Form, mean: Expr) -> Expr | None:
        forms = self.rewriter.forms
        a, b = self.view.access(square), self.view.access(mean)
        (eqn, squares), (other, terms) = self.sums[a.value], self.sums[b.value]
        if a.index != b.index or canonical_axes(eqn) != canonical_axes(other) or eqn.out.shape != other.out.shape:
            return None
        if forms(squares) != N.power(forms(terms), 2):
            return None
        count = N.of_number(Fraction(1))
        for axis in eqn.reduced:
            count = N.mul(count, forms(E.dim(axis.extent)))
        weight = N.mul(left, N.inverse(forms(square)))
        if right != N.mul(N.mul(weight, N.power(forms(mean), 2)), N.inverse(count)):
            return None
        own = self.view.leaf(self.view.own(b.value))
        inner = E.call("square", E.sub(terms, E.div(own, forms.build(count))))
        key = ("deviations", a.value, b.value)
        name = self.shared.get(key)
        if name is None:
            note = f"sum((t - mean(t))**2) instead of {a.value} - {b.value}**2/n, which cancels"
            name = self._later(f"{a.value}_dev", _Later(eqn, "+", inner, "sum", note))
            self.shared[key] = name
        total, factor = self.view.leaf(Access(name, a.index)), forms.build(weight)
        return E.div(total, factor.args[1]) if factor.op == "div" and factor.args[0] is E.ONE else E.mul(factor, total)

    # ------------------------------------------------------------ signs

    def _nonnegative(self, node: Expr) -> bool:
        return self.facts.sign(node, self.view.reads) >= 1


