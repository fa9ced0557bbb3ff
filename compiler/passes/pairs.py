"""Over all pairs of two sets, as the energies and forces of particles are: what is a sum over a few components, or has a few of
them, is written out, so that the loop along the second of a pair is the innermost one, with all that is computed of a pair in it.

``r[i, j] = sum((x[i, d] - x[j, d])**2 for d)`` becomes a formula of ``x[i, 0]``, ``x[j, 0]``, ``x[i, 1]``..., and a sum over one
of the two, ``f[i, d] = sum(w[i, j] * (x[i, d] - x[j, d]) for j)``, one sum for each d. Nothing of a pair is then kept in memory,
where what reads it can have it in a register.

So are the powers ``x[n]**k`` of a polynomial, whose number is known: each is made of squares that it shares with the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from math import prod

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Access, Axis, Eqn, Graph, Scan, Value, at, fixed
from ..graph.patterns import special
from ..graph.rewrite import Namer, prune, substitute_access
from ..graph.shapes import Dim
from .products import classify
from .unroll import LONG, decided, written_out

FEW = 4  # components that are written one beside the other
MOST = 24  # operations that all terms of a sum over components may be
POWERS = 16  # powers that are written one beside the other


def run(graph: Graph) -> Graph:
    """The graph with what is computed of pairs written out for each of a few components."""
    eqns = [_formula(e) if isinstance(e, Eqn) else e for e in graph.eqns]
    outputs = set(graph.outputs)
    uses = Counter(a.value for e in eqns if isinstance(e, Eqn) for a in e.args)
    uses.update(name for e in eqns for name in (e.reads() if isinstance(e, Scan) else _gathered(e)) for _ in range(2))
    fresh = Namer(graph.values())
    parts: dict[str, list[Eqn]] = {}
    for eqn in eqns:
        if isinstance(eqn, Eqn) and _has_components(eqn):
            parts[eqn.out.name] = _each(eqn, fresh)
    if not parts and all(a is b for a, b in zip(eqns, graph.eqns, strict=True)):
        return graph
    whole = {e.out.name: e.out for e in eqns if isinstance(e, Eqn)}
    done: list[Eqn | Scan] = []
    waiting = {name: k for name, k in uses.items() if name in parts and k == 1 and name not in outputs}
    for eqn in eqns:
        name = eqn.out.name if isinstance(eqn, Eqn) else ""
        if name in parts:
            done += parts[name]
            if name not in waiting or not _is_added(name, eqns):
                done.append(_sum_of(whole[name], parts[name], eqn))
            continue
        done.append(_with_parts(eqn, {n: parts[n] for n in waiting if _is_added(n, eqns)}) if isinstance(eqn, Eqn) else eqn)
    return graph.with_eqns(tuple(done))


def _gathered(eqn: Eqn) -> list[str]:
    return [name for name in eqn.reads() if name not in {a.value for a in eqn.args}]


def _long(extent: Dim) -> bool:
    return (extent.value or LONG) >= LONG


def _few(extent: Dim) -> bool:
    return 1 < (extent.value or FEW + 1) <= FEW


def _axes(access: Access) -> set[str]:
    return {n for ix in access.index for n in ix.axes()}


def _formula(eqn: Eqn) -> Eqn:
    """A sum over a few components of each pair is a formula of these."""
    if eqn.reduce != "+" or eqn.plain_out is None or not eqn.reduced:
        return eqn
    if {a.name for a in eqn.reduced} == _powers(eqn) and any(_long(a.extent) for a in eqn.axes if a not in eqn.reduced):
        formula = written_out(eqn)
        return prune(replace(formula, body=_factored(_terms(formula.body))))
    if not all(_few(a.extent) for a in eqn.reduced):
        return eqn
    if special(eqn) or classify(eqn) is not None or not _pairs(eqn, [a for a in eqn.axes if a not in eqn.reduced]):
        return eqn
    count = prod(a.extent.value or 1 for a in eqn.reduced)
    weight = sum(1 for node in E.walk(eqn.body) if node.args)
    return written_out(eqn) if count * max(1, weight) <= MOST else eqn


def _pairs(eqn: Eqn, axes: list[Axis]) -> bool:
    """Whether two of these axes are long, and what is read of the one is not all read of the other."""
    long = [a.name for a in axes if _long(a.extent)]
    plain = all(isinstance(atom, str) for a in eqn.args for ix in a.index for atom, _ in ix.terms)
    return len(long) == 2 and plain and all(any(n not in _axes(a) and _axes(a) for a in eqn.args) for n in long)


def _factored(terms: list[Expr]) -> Expr:
    """The sum of the terms, with what all of them begin with in front of it."""
    first = terms[0]
    if len(terms) > 1 and first.op == "where" and first.args[1] is E.ZERO:
        if all(t.op == "where" and t.args[:2] == first.args[:2] for t in terms):
            return E.where(first.args[0], E.ZERO, _factored([t.args[2] for t in terms]))
    if len(terms) > 1 and first.op == "mul" and all(t.op == "mul" and t.args[0] is first.args[0] for t in terms):
        return E.mul(first.args[0], _factored([t.args[1] for t in terms]))
    return _added([t for t in terms if t is not E.ZERO] or [E.ZERO])


def _powers(eqn: Eqn) -> set[str]:
    """The axis, if it is one, along which powers are counted that are written out."""
    found: set[str] = set()
    for node in E.walk(eqn.body):
        if node.op == "pow" and not E.leaves(node.args[1], "arg"):
            found |= {str(leaf.value) for leaf in E.leaves(node.args[1], "idx")}
    return found if len(found) == 1 and all(1 < (eqn.extents[n].value or 0) <= POWERS for n in found) else set()


def _components(eqn: Eqn) -> list[Axis]:
    """The axes along which it is written out."""
    powers = _powers(eqn)
    return [a for a in eqn.axes if (a.name in powers if powers else _few(a.extent))]


def _has_components(eqn: Eqn) -> bool:
    """Whether it sums, for each of a few components, along one side of pairs, of which something is there already; or for each
    power along what it is a power of."""
    if eqn.reduce != "+" or eqn.plain_out is None or len(eqn.reduced) != 1 or special(eqn) or classify(eqn) is not None:
        return False
    few = _components(eqn)
    if _powers(eqn):
        return few[0] not in eqn.reduced and _long(eqn.reduced[0].extent)
    if prod(a.extent.value or 1 for a in few) > FEW or not few or not _pairs(eqn, list(eqn.axes)):
        return False
    (over,) = eqn.reduced
    rest = {a.name for a in eqn.axes} - {a.name for a in few}
    return _long(over.extent) and any(_axes(a) == rest for a in eqn.args)


def written_for_each(eqn: Eqn) -> bool:
    """Whether this is one of several sums along pairs, each for one component."""
    fixed_at = any(not ix.terms and not extent.is_one() for ix, extent in zip(eqn.out_index, eqn.out.shape, strict=True))
    return fixed_at and eqn.reduce == "+" and len(eqn.reduced) == 1 and _pairs(eqn, list(eqn.axes))


def _each(eqn: Eqn, fresh: Namer) -> list[Eqn]:
    """One sum for each of the components, at its places of the whole."""
    few = _components(eqn)
    axes = tuple(a for a in eqn.axes if a not in few)
    found: list[Eqn] = []
    for place in product(*(range(a.extent.value or 0) for a in few)):
        here = {a.name: fixed(k) for a, k in zip(few, place, strict=True)}
        numbers: Mapping[Expr, Expr] = {E.idx(a.name): E.const(k) for a, k in zip(few, place, strict=True)}
        args = tuple(substitute_access(a, here, eqn.extents) for a in eqn.args)
        index = tuple(here.get(ix.plain or "", ix) for ix in eqn.out_index)
        out = Value(fresh(f"{eqn.out.name}_t1"), eqn.out.shape)
        body = decided(E.substitute(eqn.body, numbers))
        found.append(prune(replace(eqn, out=out, axes=axes, args=args, out_index=index, body=body)))
    return found


def _is_added(name: str, eqns: list[Eqn | Scan]) -> bool:
    """Whether what reads it, once, is a sum of several arrays, which it adds to as a whole."""
    for eqn in eqns:
        if isinstance(eqn, Eqn):
            for k, access in enumerate(eqn.args):
                if access.value == name:
                    whole = tuple(ix.plain for ix in access.index) == eqn.plain_out and access.fill is None
                    return whole and not eqn.reduce and eqn.plain_out is not None and E.arg(k) in _terms(eqn.body)
    return False


def _terms(body: Expr) -> list[Expr]:
    return [term for side in body.args for term in _terms(side)] if body.op == "add" else [body]


def _with_parts(eqn: Eqn, parts: Mapping[str, list[Eqn]]) -> Eqn:
    """The sum with the components of what it adds in the place of that."""
    if parts.keys().isdisjoint(a.value for a in eqn.args):
        return eqn
    args = list(eqn.args)
    mapping: dict[Expr, Expr] = {}
    for k, access in enumerate(eqn.args):
        if access.value in parts:
            names = [p.out.name for p in parts[access.value]]
            mapping[E.arg(k)] = _added([E.arg(len(args) + n) for n in range(len(names))])
            args += [replace(access, value=name) for name in names]
    return prune(replace(eqn, args=tuple(args), body=E.substitute(eqn.body, mapping)))


def _sum_of(out: Value, parts: list[Eqn], eqn: Eqn | Scan) -> Eqn:
    axes = tuple(Axis(f"p{d}", extent) for d, extent in enumerate(out.shape))
    index = tuple(at(a.name) for a in axes)
    args = tuple(Access(p.out.name, index) for p in parts)
    return Eqn(out, axes, index, "", args, _added([E.arg(k) for k in range(len(args))]), "add", replace(eqn.origin, note=""))


def _added(terms: list[Expr]) -> Expr:
    total = terms[0]
    for term in terms[1:]:
        total = E.make("add", total, term)
    return total
