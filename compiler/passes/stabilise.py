"""Formulas that overflow or cancel become equal ones that do not.

Scalar rules (``derive/catalogue.py``) see the formula of every equation through the steps before it:

- log(sigmoid(z)) is -softplus(-z), log(1 - sigmoid(z)) is -softplus(z), and a cross-entropy of the two is softplus(z) - y*z;
- a sum of exponentials S = sum(exp(t)) is exp(L) with L = logsumexp(t), so that log(S) is L and exp(t)/S is exp(t - L);
  what is still asked of S itself is computed as it was;
- a maximum subtracted by hand cancels; sqrt(u)**2 is u where u cannot be negative.

A mean of squares less the square of the mean becomes the mean of squared deviations.
"""

from __future__ import annotations

from dataclasses import replace

from ..derive import normal as N
from ..derive.catalogue import Rewriter
from ..derive.facts import Facts
from ..derive.normal import Form, Forms
from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Access, Eqn, Graph, Ix, Origin, Value
from ..graph.rewrite import Namer, substitute_access
from .view import LookThrough, View, axes_of, canonical


def run(graph: Graph) -> Graph:
    return _Stabilise(graph).run()


class _Total:
    """A sum of exponentials over some axes: log of it is ``shift`` plus the log-sum-exp of ``inner``."""

    def __init__(self, name: str, eqn: Eqn, inner: Expr, shift: Expr) -> None:
        self.name, self.eqn, self.inner, self.shift = name, eqn, inner, shift


class _Stabilise(LookThrough):
    def __init__(self, graph: Graph) -> None:
        self.totals: dict[str, _Total] = {}  # by the name of the sum
        self.pending: dict[str, _Total] = {}  # by the name of the log-sum-exp, until it is computed
        self.shared: dict[object, str] = {}
        self.facts = Facts(graph)
        self.namer = Namer(graph.values())
        view = View(graph)
        forms = Forms(self._leaf)
        rewriter = Rewriter(forms, stable=True, nonnegative=self._nonnegative, total=self._is_total)
        super().__init__(graph, rewriter, view, "stabilise", run)

    # ------------------------------------------------------------ sums of exponentials

    def before(self, eqn: Eqn, formula: Expr) -> None:
        if eqn.reduce == "+":
            self._sum_of_exponentials(eqn, formula)
        elif eqn.reduce == "lse":
            self.shared.setdefault(self._key(eqn, self.rewriter.forms(formula)), eqn.out.name)

    def _key(self, eqn: Eqn, form: Form) -> object:
        names = canonical(eqn) or {}
        return form, eqn.out.shape, tuple((names[a.name], a.extent) for a in eqn.axes)

    def _sum_of_exponentials(self, eqn: Eqn, formula: Expr) -> None:
        forms = self.rewriter.forms
        single = forms(formula).single
        if single is None or single[0][0] or not single[0][1] or single[1] <= 0 or not eqn.reduced:
            return
        (_, expo), weight = single
        inner = tuple((m, c) for m, c in expo if any(self._reduced(atom) for atom, _ in m))
        outer = tuple((m, c) for m, c in expo if (m, c) not in inner)
        if not inner:
            return
        exponent = N.polynomial_form(inner)
        shift = forms.build(N.polynomial_form(outer))
        if weight != 1:
            shift = E.add(shift, E.call("log", E.const(weight)))
        key = self._key(eqn, exponent)
        name = self.shared.get(key)
        total = _Total(name or self.namer(f"{eqn.out.name}_lse"), eqn, forms.build(exponent), shift)
        if name is None:
            self.shared[key] = total.name
            self.pending[total.name] = total
            self.view.values[total.name] = Value(total.name, eqn.out.shape)
        self.totals[eqn.out.name] = total

    def _reduced(self, atom: int) -> bool:
        """Whether an atom varies along a reduced axis."""
        node = self.rewriter.forms.atoms[atom]
        for leaf in E.walk(node):
            if leaf.op == "arg" and any(a.startswith("#") for a in axes_of(self.view.access(leaf))):
                return True
            if leaf.op == "idx" and str(leaf.value).startswith("#"):
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
            total = self.pending.pop(name, None)
            if total is None:
                continue
            origin = Origin(total.eqn.origin.spans, "stabilise", f"log(sum(exp(t))) with {total.eqn.out.name} = sum(exp(t))")
            new = self.view.equation(replace(total.eqn, out=Value(name, total.eqn.out.shape)), total.inner, origin)
            new = replace(new, reduce="lse", op="logsumexp")
            self.emitted(new)
            self.eqns.append(new)
            self.view.add(new, None)

    # ------------------------------------------------------------ signs

    def _nonnegative(self, node: Expr) -> bool:
        return self.facts.sign(node, self.view.reads) >= 1


