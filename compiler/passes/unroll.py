"""A sum over a window of a few elements, its largest or where that is, becomes a formula of these: ``max(x[2*i], x[2*i + 1])``,
and so does a matrix product of a depth of a few elements that is left to loops: ``d[n, 0]*W[j, 0] + d[n, 1]*W[j, 1]``,
and a sum or maximum over a few arrays that were stacked: ``exp(a - m) + exp(b - m)``.

There is then no loop over the window and nothing that it starts from: what is computed for one place of an image runs along what
lies together in memory, and so does what it is fused with.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from itertools import product

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Access, Axis, Eqn, Graph, fixed
from ..graph.patterns import special
from ..graph.rewrite import prune, substitute_access
from ..graph.shapes import Dim
from .products import classify, roles

FEW = 4  # elements of a window along one axis that are written one beside the other
MOST = 16  # operations that all of them may be
LONG = 16  # elements of a row from which on it is worth a loop without a sum in it

_COMPARED = {"lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge, "eq": operator.eq, "ne": operator.ne}
_JOINED = {"+": "add", "*": "mul", "max": "max", "min": "min"}
FOUND = {"argmax": ("above", "max"), "argmin": ("below", "min")}


def run(graph: Graph) -> Graph:
    eqns = tuple(written_out(e) if isinstance(e, Eqn) and _is_short(e) else e for e in graph.eqns)
    return graph.with_eqns(eqns) if any(a is not b for a, b in zip(eqns, graph.eqns, strict=True)) else graph


def windows(eqn: Eqn) -> frozenset[str]:
    """The axes of windows of a few elements: those that share an index with another, which goes further."""
    found: set[str] = set()
    for access in (*eqn.args, Access(eqn.out.name, eqn.out_index)):
        for ix in access.index:
            reach = {atom: abs(factor.value or 0) * (eqn.extents[atom].value or 0) or None for atom, factor in ix.terms
                     if isinstance(atom, str) and atom in eqn.extents}  # fmt: skip
            if len(ix.terms) < 2 or not reach:
                continue
            order = [a.name for a in eqn.axes if a.name in reach]
            written = {i.plain for i in eqn.out_index}
            place = max(order, key=lambda n: (reach[n] is None, reach[n] or 0, n in written, -order.index(n)))
            found |= {n for n in reach if n != place and _few(eqn.extents[n])}
    return frozenset(found)


def _few(extent: Dim) -> bool:
    return 1 <= (extent.value or FEW + 1) <= FEW


def _is_short(eqn: Eqn) -> bool:
    """Whether it is taken over windows alone. A largest of a few whole rows counts as one: over several axes it is taken one
    axis at a time."""
    if (eqn.reduce not in _JOINED and eqn.reduce not in FOUND) or eqn.plain_out is None or not eqn.reduced:
        return False
    if special(eqn) or classify(eqn) is not None:
        return False
    short, last = windows(eqn), {n for a in eqn.args for ix in a.index[-1:] for n in ix.axes()}
    rows = {a.name for a in eqn.reduced if _few(a.extent) and a.name not in last} if eqn.reduce not in ("+", "*") else set[str]()
    if _is_shallow(eqn):
        rows = {a.name for a in eqn.reduced}
    if all(a.name in _chosen_by(eqn) for a in eqn.reduced):
        return sum(1 for term in _terms(eqn)[1] for node in E.walk(term) if node.args) <= MOST
    if any(a.name not in short and a.name not in rows for a in eqn.reduced):
        return False
    count = 1
    for axis in eqn.reduced:
        count *= axis.extent.value or 1
    return count * max(1, sum(1 for node in E.walk(eqn.body) if node.args)) <= MOST


def _chosen_by(eqn: Eqn) -> set[str]:
    """The axes of a few elements that are found in no index: they say which of several arrays is meant, as behind ``stack``."""
    read = {n for ix in (*(ix for a in eqn.args for ix in a.index), *eqn.out_index) for n in ix.axes()}
    gathered = {n for a in eqn.args for ix in a.index for g in ix.gathers() for inner in g.index for n in inner.axes()}
    return {a.name for a in eqn.axes if _few(a.extent)} - read - gathered


def _is_shallow(eqn: Eqn) -> bool:
    """Whether it is a matrix product of a depth of a few elements with long rows, as the gradient that comes back from an output
    of three. Short rows are taken several at a time, and then it is these that fill vectors."""
    found = roles(eqn, 0)
    if found is None or not found.m or not found.n or not all(_few(a.extent) for a in found.k):
        return False
    extents = [eqn.extents[name] for name in eqn.out_index[-1].axes()]
    return any((extent.value or LONG) >= LONG for extent in extents)


def written_out(eqn: Eqn) -> Eqn:
    """The reduction as a formula of what it is taken over, in its order."""
    args, terms = _terms(eqn)
    axes = tuple(a for a in eqn.axes if a not in eqn.reduced)
    return prune(replace(eqn, axes=axes, reduce="", args=tuple(args), body=_joined(eqn.reduce, terms)))


def _terms(eqn: Eqn) -> tuple[list[Access], list[Expr]]:
    """What is read, and the body at each place of what is reduced over."""
    args: list[Access] = []
    terms: list[Expr] = []
    for here in _places(eqn.reduced):
        index = {name: fixed(k) for name, k in here.items()}
        leaves = {E.arg(k): E.arg(len(args) + k) for k in range(len(eqn.args))}
        leaves |= {E.idx(name): E.const(k) for name, k in here.items()}
        args += [substitute_access(a, index, eqn.extents) for a in eqn.args]
        terms.append(decided(E.substitute(eqn.body, leaves)))
    return args, terms


def decided(body: Expr) -> Expr:
    """The body with the choices made whose conditions compare numbers, with numbers as exponents and without factors of 1."""
    done: dict[Expr, Expr] = {}
    for node in E.walk(body):
        made = E.rebuild(node, tuple(done[a] for a in node.args)) if node.args else node
        if made.op == "pow":
            made = E.power(made.args[0], _counted(made.args[1]))
        elif made.op == "mul" and E.ONE in made.args:
            made = E.mul(*made.args)
        if made.op == "where" and made.args[0].op in _COMPARED:
            left, right = (each.number for each in made.args[0].args)
            if left is not None and right is not None:
                made = made.args[1 if _COMPARED[made.args[0].op](left, right) else 2]
        done[node] = made
    return done[body]


def _counted(exponent: Expr) -> Expr:
    """A sum of numbers as the number that it is."""
    done: dict[Expr, Expr] = {}
    for node in E.walk(exponent):
        args = tuple(done[a] for a in node.args)
        plain = node.op in ("add", "sub", "mul", "neg") and all(a.number is not None for a in args)
        done[node] = E.fold_node(node, args) if plain else E.rebuild(node, args)
    return done[exponent]


def _places(axes: tuple[Axis, ...]) -> Iterator[dict[str, int]]:
    for place in product(*(range(a.extent.value or 0) for a in axes)):
        yield dict(zip((a.name for a in axes), place, strict=True))


def _joined(how: str, terms: list[Expr]) -> Expr:
    if how in _JOINED:
        return reduce(lambda a, b: E.make(_JOINED[how], a, b), terms)
    takes, best = FOUND[how]
    where, so_far = E.ZERO, terms[0]
    for k, term in enumerate(terms[1:], 1):
        where = E.make("where", E.make(takes, term, so_far), E.const(k), where)
        so_far = E.make(best, so_far, term)
    return where
