"""The gradient of a maximum over a window goes to its one winner: what is chosen along one axis and then along the next is chosen
once, by the place of the winner in the window, and that place is all that is kept.

A maximum over several axes is taken one axis at a time (``routes``), so that its gradient is
``d_x[..u, v] = where(v == at_v[..u], where(u == at_u[..], d[..], 0), 0)``. With ``at = at_u*V + at_v[..at_u]`` this is
``where(u*V + v == at[..], d[..], 0)``: instead of where the largest of each line is, and the line, one number for each window
goes from the forward pass to the backward one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from ..graph import expr as E
from ..graph.ir import Access, Axis, Eqn, Graph, Ix, Scan, Value, at, fixed
from ..graph.rewrite import Namer, normalise, substitute_access
from ..records import dataclass
from .unroll import FOUND

FEW = 4  # elements of a window along one axis: such are written out


def run(graph: Graph) -> Graph:
    made = {eqn.out.name: eqn for eqn in graph.eqns if isinstance(eqn, Eqn)}
    reads = Counter(name for eqn in graph.eqns for name in eqn.reads()) + Counter(graph.outputs)
    name = Namer(graph.values())
    eqns: list[Eqn | Scan] = []
    gone: set[str] = set()
    for eqn in graph.eqns:
        joined = _joined(eqn, made, reads, name) if isinstance(eqn, Eqn) else None
        if joined is None:
            eqns.append(eqn)
        else:
            eqns += joined.eqns
            made |= {each.out.name: each for each in joined.eqns}  # of three axes, the first two
            gone |= joined.gone
    if not gone:
        return graph
    return graph.with_eqns(tuple(e for e in eqns if isinstance(e, Scan) or e.out.name not in gone))


@dataclass(frozen=True, slots=True)
class _Route:
    """``out = where(axis == winner, what, 0)``, with the reads of these two."""

    axis: Axis
    winner: Access
    what: Access


@dataclass(frozen=True, slots=True)
class _Joined:
    eqns: tuple[Eqn, Eqn]
    gone: frozenset[str]  # what nothing reads any more


def _route(eqn: Eqn) -> _Route | None:
    body = eqn.body
    if body.op != "where" or body.args[2] is not E.ZERO or body.args[1].op != "arg" or eqn.reduce not in ("", "+"):
        return None
    condition, what, _ = body.args
    if condition.op != "eq" or condition.args[0].op != "idx" or condition.args[1].op != "arg" or len(eqn.args) != 2:
        return None
    name = str(condition.args[0].value)
    winner, given = eqn.args[condition.args[1].place], eqn.args[what.place]
    if winner.fill is not None or given.fill is not None:
        return None
    return _Route(Axis(name, eqn.extents[name]), winner, given)


def _found(access: Access, extent: object, made: dict[str, Eqn]) -> Eqn | None:
    """The search along an axis so long whose answer is read here."""
    eqn = made.get(access.value)
    if eqn is None or eqn.reduce not in ("argmax", "argmin") or eqn.plain_out is None:
        return None
    return eqn if eqn.reduced[0].extent == extent else None


def _joined(eqn: Eqn, made: dict[str, Eqn], reads: Counter[str], name: Namer) -> _Joined | None:
    last = _route(eqn)
    between = made.get(last.what.value) if last is not None else None
    first = _route(between) if between is not None else None
    if last is None or between is None or first is None or between.plain_out is None or between.reduce:
        return None
    place = between.plain_out.index(first.axis.name)
    line = last.what.index[place].plain
    short = all(2 <= (n.extent.value or 0) <= FEW for n in (first.axis, last.axis))
    once = all(reads[value] == 1 for value in (between.out.name, last.winner.value, first.winner.value))
    if not short or not once or line is None or line == last.axis.name or last.winner.index != last.what.index:
        return None
    if any(line in ix.axes() for k, ix in enumerate(last.what.index) if k != place):
        return None
    lines, within = _found(first.winner, first.axis.extent, made), _found(last.winner, last.axis.extent, made)
    if lines is None or within is None or lines.reduce != within.reduce or E.leaves(lines.body, "idx"):
        return None
    if any(first.axis.name in ix.axes() for ix in (*first.winner.index, *first.what.index)):
        return None
    return _at_once(eqn, last, between, first, line, lines, name)


def _at_once(eqn: Eqn, last: _Route, between: Eqn, first: _Route, line: str, lines: Eqn, name: Namer) -> _Joined:
    """``line``: the axis of ``eqn`` along which ``lines`` finds the line that the winner is in."""
    assert between.plain_out is not None and lines.plain_out is not None
    extents, width = between.extents, last.axis.extent
    outer = tuple(Axis(n, extents[n]) for n in between.plain_out if n != first.axis.name)
    place = dict(zip(lines.plain_out, first.winner.index, strict=True))
    takes, best = FOUND[lines.reduce]
    args: list[Access] = []
    chosen, so_far = E.ZERO, E.ZERO
    for k in range(first.axis.extent.value or 0):
        here: dict[str, Ix] = place | {lines.reduced[0].name: fixed(k)}
        term = E.substitute(lines.body, {E.arg(j): E.arg(len(args) + j) for j in range(len(lines.args))})
        args += [substitute_access(a, here, extents) for a in lines.args]
        found = E.add(E.mul(E.const(k), E.dim(width)), E.arg(len(args)))
        args.append(Access(last.winner.value, tuple(fixed(k) if n == first.axis.name else at(n) for n in between.plain_out)))
        chosen = E.where(E.make(takes, term, so_far), found, chosen) if k else found
        so_far = E.make(best, so_far, term) if k else term
    winner = Value(name(f"{lines.out.name}_window"), tuple(a.extent for a in outer), "int")
    origin = replace(lines.origin, note=f"{lines.origin.note}, in the window")
    both = normalise(Eqn(winner, outer, tuple(at(a.name) for a in outer), "", tuple(args), chosen, lines.op, origin))

    mapping: dict[str, Ix] = dict(zip(between.plain_out, last.what.index, strict=True))
    read = Access(winner.name, tuple(mapping[a.name] for a in outer))
    number = E.add(E.mul(E.idx(line), E.dim(width)), E.idx(last.axis.name))
    route = E.where(E.make("eq", number, E.arg(0)), E.arg(1), E.ZERO)
    routed = replace(eqn, args=(read, substitute_access(first.what, mapping, eqn.extents)), body=route)
    return _Joined((both, normalise(routed)), frozenset((between.out.name, lines.out.name)))
