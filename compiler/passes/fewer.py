"""What is dear in a formula and depends on fewer of its indices than the formula runs over is computed for these alone:
``exp(-sum(((x[n, d] - z[m, d]) / exp(s[d]))**2 for d))`` takes as many exponentials of s as s has elements, not one for each n, m
and d. So does its gradient, which goes through them."""

from __future__ import annotations

from dataclasses import replace

from ..graph import expr as E
from ..graph.bounds import read_inside
from ..graph.expr import Expr
from ..graph.ir import Access, Axis, Eqn, Graph, Origin, Scan, Value, at
from ..graph.patterns import special
from ..graph.rewrite import Namer, normalise
from . import costs

_LAZY = frozenset(("where", "and", "or", "given", "stop"))  # what stands inside may not be wanted, or is not what it seems to be
_LEAVES = frozenset(("arg", "idx"))


def run(graph: Graph) -> Graph:
    name = Namer(graph.values())
    shapes = {value.name: value.shape for value in graph.values().values()}
    eqns: list[Eqn | Scan] = []

    def add(eqn: Eqn) -> None:
        args, read = list(eqn.args), dict[Expr, Expr]()
        for node in _found(eqn):
            part = _part(eqn, node, name)
            if all(read_inside(a, shapes[a.value], part.extents) for a in part.args):
                shapes[part.out.name] = part.out.shape
                add(part)
                read[node] = E.arg(len(args))
                args.append(Access(part.out.name, tuple(at(a.name) for a in part.axes)))
        eqns.append(normalise(replace(eqn, args=tuple(args), body=E.substitute(eqn.body, read))) if read else eqn)

    for eqn in graph.eqns:
        if isinstance(eqn, Eqn) and eqn.axes and not special(eqn) and not E.is_drawn(eqn.body):
            add(eqn)
        else:
            eqns.append(eqn)
    return graph if len(eqns) == len(graph.eqns) else graph.with_eqns(tuple(eqns))


def _found(eqn: Eqn) -> list[Expr]:
    """The largest pieces of the body that depend on fewer axes, each with something dear in it that depends on all of its own."""
    if not any(costs.function(node) for node in E.walk(eqn.body)):
        return []
    axes: dict[Expr, frozenset[str]] = {}
    for node in E.walk(eqn.body):
        axes[node] = _read_along(eqn, node) if node.op in _LEAVES else frozenset().union(*(axes[a] for a in node.args))
    whole = {a.name for a in eqn.axes if not a.extent.is_one()}
    found: list[Expr] = []
    stack, seen = [eqn.body], set[Expr]()
    while stack:
        node = stack.pop()
        if node in seen or node.op in _LAZY:
            continue
        seen.add(node)
        inside = list(E.walk(node))
        dear = any(costs.function(n) and axes[n] == axes[node] for n in inside) and any(n.op == "arg" for n in inside)
        if dear and axes[node] & whole < whole and not any(n.op in _LAZY for n in inside):
            found.append(node)
        else:
            stack.extend(reversed(node.args))
    return found


def _read_along(eqn: Eqn, leaf: Expr) -> frozenset[str]:
    if leaf.op == "idx":
        return frozenset((str(leaf.value),))
    return frozenset(n for ix in eqn.args[leaf.place].index for n in ix.axes())


def _part(eqn: Eqn, node: Expr, name: Namer) -> Eqn:
    needed = frozenset().union(*(_read_along(eqn, leaf) for leaf in E.walk(node) if leaf.op in _LEAVES))
    axes = tuple(Axis(a.name, a.extent) for a in eqn.axes if a.name in needed)
    out = Value(name(f"{eqn.out.name}_t1"), tuple(a.extent for a in axes))
    origin = Origin(eqn.origin.spans, eqn.origin.rule)
    return normalise(Eqn(out, axes, tuple(at(a.name) for a in axes), "", eqn.args, node, node.op, origin))

