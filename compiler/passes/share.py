"""Use the gates that the forward pass holds: σ(z) inside a derivative becomes p where p = σ(z) is there already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Access, Eqn, Graph, Ix, Scan
from ..graph.rewrite import normalise

_CHEAP = frozenset((*E.LEAVES, *E.ARITHMETIC, *E.COMPARISONS, *E.LOGIC, *E.CHOICES, "abs", "sign", "square", "floor"))


def run(graph: Graph) -> Graph:
    gates: dict[object, list[Eqn]] = {}
    eqns: list[Eqn | Scan] = []
    for eqn in graph.eqns:
        if isinstance(eqn, Eqn):
            eqn = _use(eqn, gates)
            if eqn.reduce == "" and eqn.plain_out is not None and eqn.body.op not in _CHEAP:
                gates.setdefault(_key(eqn.body, eqn), []).append(eqn)
        eqns.append(eqn)
    return graph.with_eqns(tuple(eqns))


def _key(node: Expr, eqn: Eqn) -> object:
    """The gates that ``node`` of an equation's body may be have the same."""
    reads = frozenset(eqn.args[leaf.value].value for leaf in E.leaves(node, "arg") if isinstance(leaf.value, int))
    return node.op, reads


def _use(eqn: Eqn, gates: dict[object, list[Eqn]]) -> Eqn:
    replacement: dict[Expr, Expr] = {}
    args = list(eqn.args)
    notes: list[str] = []
    for node in E.walk(eqn.body):
        if node.op in _CHEAP:
            continue
        if node is eqn.body and eqn.reduce == "":
            continue  # the gate itself: equal gates are merged by cse
        for gate in gates.get(_key(node, eqn), ()):
            index = match(gate, eqn, node)
            if index is not None:
                replacement[node] = E.arg(len(args))
                args.append(Access(gate.out.name, index))
                notes.append(f"{E.show(node, name_leaf(eqn.args))} is there already: {gate.out.name}")
                break
    if not replacement:
        return eqn
    origin = eqn.origin
    body = E.substitute(eqn.body, replacement)
    result = E.show(body, name_leaf(args))
    if eqn.reduce == "" and len(result) <= 60:
        notes[-1] += f", and this is {result}"
    note = "; ".join(dict.fromkeys(([origin.note] if origin.note else []) + notes))
    return normalise(replace(eqn, args=tuple(args), body=body, origin=replace(origin, note=note)))


def name_leaf(args: Sequence[Access]) -> Callable[[Expr], str]:
    """Names operands by the values they read, for notes."""

    def leaf(node: Expr) -> str:
        if node.op == "arg" and isinstance(node.value, int):
            return args[node.value].value
        return str(node.value) if node.op == "size" else E.show(node)

    return leaf


def match(gate: Eqn, eqn: Eqn, node: Expr) -> tuple[Ix, ...] | None:
    """The index at which ``gate.out`` is ``node``, if it is."""
    bound: dict[str, Ix] = {}
    stack = [(gate.body, node)]
    while stack:
        pattern, actual = stack.pop()
        if pattern.op == "arg" and actual.op == "arg":
            ours, theirs = gate.args[pattern.place], eqn.args[actual.place]
            if ours.value != theirs.value or ours.fill is not None or theirs.fill is not None:
                return None
            for a, b in zip(ours.index, theirs.index, strict=True):
                if a.plain is None:
                    if a != b or a.terms:
                        return None
                elif bound.setdefault(a.plain, b) != b:
                    return None
        elif pattern.op != actual.op or pattern.value != actual.value or pattern.op == "idx":
            return None
        else:
            stack.extend(zip(pattern.args, actual.args, strict=True))
    plain = gate.plain_out
    assert plain is not None
    unit = {a.name for a in gate.axes if a.extent.is_one()}
    for name in plain:
        if name not in bound and name in unit:
            bound[name] = Ix()
    return tuple(bound[n] for n in plain) if all(n in bound for n in plain) else None
