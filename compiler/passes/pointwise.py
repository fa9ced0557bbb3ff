"""The proof that ``diff(u, x)`` asks for where u and x have axes in common: along these, u at a place is made of x at that place.

From x on, each value is known by the dimension along which its places are those of x. An equation keeps this up if all that it
reads of such values is at the place that it writes. What adds up over the axis, reads beside the place or one place for all, or
puts two axes together, does not; the first that does not is what is reported. Only what has a slope counts: a largest value that
is compared with, or stands in ``stop_gradient``, may be of all places.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Eqn, Graph, Ix, Scan, at
from ..graph.rewrite import substitute_ix
from ..language.diagnostics import Diagnostic, Label
from ..language.source import Source, Span
from . import FORMULAS, apply, derivatives

_FLAT = frozenset((*E.COMPARISONS, *E.LOGIC, *E.DRAWS, "floor", "ceil", "trunc", "round", "sign", "stop", "place"))
WHOLE = -1  # of a value that belongs to one place as a whole, as what a step of a loop makes of x[t]


@dataclass(frozen=True)
class Mixed:
    """What is made of several places of x, by this equation, as told."""

    spans: tuple[Span, ...]
    how: str


Status = int | Mixed


def unproved(graph: Graph, sources: Mapping[str, Source]) -> list[Diagnostic]:
    """The errors of derivatives that want a u made of x point by point, and have another."""
    if not any(_shared(eqn) for eqn in _asked(graph)):
        return []
    found: dict[Span, Diagnostic] = {}

    def look(so_far: Graph, eqn: Eqn) -> None:
        span = eqn.origin.spans[0]
        for axis in _shared(eqn):
            wrong = _proof(so_far, eqn, axis)
            if wrong is not None and span not in found:
                found[span] = _error(eqn, axis, wrong, span, sources)

    derivatives.run(apply(FORMULAS, graph), look)
    return list(found.values())


def _asked(graph: Graph) -> Iterable[Eqn]:
    for eqn in graph.eqns:
        if isinstance(eqn, Scan):
            yield from _asked(eqn.body)
        elif eqn.body.op == "diff":
            yield eqn


def _shared(eqn: Eqn) -> list[str]:
    """The axes of ``d[i, j] = diff(u[i, ...], x[i, ...])`` that both have. The diagonal of a Hessian is one whatever its sides
    are made of."""
    if eqn.op == "hessian":
        return []
    target, wrt = eqn.args
    both = {ix.plain for ix in target.index} & {ix.plain for ix in wrt.index}
    return [a.name for a in eqn.axes if a.name in both and not a.extent.is_one()]


def _proof(graph: Graph, eqn: Eqn, axis: str) -> Mixed | None:
    """What breaks it; None where there is nothing."""
    target, wrt = eqn.args
    here, there = (next(d for d, ix in enumerate(a.index) if ix.plain == axis) for a in (wrt, target))
    status = _follow(graph, {wrt.value: here})
    found = status.get(target.value)
    if isinstance(found, int) and found != there:
        return Mixed(eqn.origin.spans[:1], "the places of u along this axis are those of x along another")
    return found if isinstance(found, Mixed) else None


def _follow(graph: Graph, start: Mapping[str, Status]) -> dict[str, Status]:
    """Which values depend on what is given, and along which dimension."""
    status: dict[str, Status] = dict(start)
    for eqn in graph.eqns:
        if isinstance(eqn, Scan):
            if any(name in status for name in eqn.reads()):
                _loop(eqn, status)
            continue
        found = _through(eqn, status)
        if found is not None and eqn.out.name not in start:
            status[eqn.out.name] = found
    return status


def _through(eqn: Eqn, status: Mapping[str, Status]) -> Status | None:
    if eqn.out.kind != "real" or all(a.value not in status for a in eqn.args):
        return None
    moving = _moving(eqn.body)
    reads = [a for k, a in enumerate(eqn.args) if k in moving and a.value in status]
    if not reads:
        return None
    for access in reads:
        before = status[access.value]
        if isinstance(before, Mixed):
            return before
    spans = eqn.origin.spans[:1]
    axes: set[str | None] = set()
    for access in reads:
        place = status[access.value]
        assert isinstance(place, int)
        if place == WHOLE:
            axes.add(None)
            continue
        ix = access.index[place]
        if ix.plain is None:
            return Mixed(spans, _beside(ix))
        axes.add(ix.plain)
    if axes == {None}:
        return WHOLE
    if len(axes) > 1 or None in axes:
        return Mixed(spans, "this puts two places of the axis together")
    axis = str(next(iter(axes)))
    places = [d for d, ix in enumerate(eqn.out_index) if axis in ix.axes()]
    if not places:
        return Mixed(spans, "this is made of all places along the axis")
    if len(places) > 1 or eqn.out_index[places[0]].plain != axis:
        return Mixed(spans, "this is written to other places than it is read from")
    return places[0]


def _beside(ix: Ix) -> str:
    if any(True for _ in ix.gathers()):
        return "this reads places that are found at run time"
    if not ix.terms:
        return f"this reads place {ix} for all"
    names = dict.fromkeys(ix.axes())
    given = {name: at("ijkl"[k]) if name[-1:].isdigit() and len(names) <= 4 else at(name) for k, name in enumerate(names)}
    return f"for place {next(iter(given.values()))} this reads place {substitute_ix(ix, given, {})}"


def _moving(body: Expr) -> set[int]:
    """The operands for which the body has a slope."""
    found: set[int] = set()
    seen: set[Expr] = set()
    stack = [body]
    while stack:
        node = stack.pop()
        if node in seen or node.op in _FLAT:
            continue
        seen.add(node)
        if node.op == "arg" and isinstance(node.value, int):
            found.add(node.value)
        stack.extend(node.args[1:] if node.op == "where" else node.args)
    return found


def _loop(scan: Scan, status: dict[str, Status]) -> None:
    """A loop: what a step makes of x[t] belongs to t as a whole, if no step hands it on."""
    carries, steps = len(scan.initial), len(scan.slices)
    start: dict[str, Status] = {}
    given = (*scan.initial, *scan.slices, *scan.captured)
    names = [v.name for v in scan.body.inputs]
    for k, outer in enumerate(given):
        if outer in status:
            place = status[outer]
            sliced = carries <= k < carries + steps
            start[names[k]] = place if isinstance(place, Mixed) or not sliced else place - 1 if place > 0 else WHOLE
    spans = scan.origin.spans[:1]
    while True:
        within = _follow(scan.body, start)
        changed = False
        for k in range(carries):
            inner, after = names[k], within.get(scan.body.outputs[k])
            if after is None or isinstance(start.get(inner), Mixed):
                continue
            if after == WHOLE:
                after = Mixed(spans, "each step of this loop hands something on to the next")
            if not isinstance(after, Mixed) and start.get(inner, after) != after:
                after = Mixed(spans, "the steps of this loop put two places of the axis together")
            if start.get(inner) != after:
                start[inner], changed = after, True
        if not changed:
            break
    for k, out in enumerate(scan.outs):
        if out.kind != "real" or k >= len(scan.body.outputs):
            continue
        found = start.get(names[k]) if k < carries else within.get(scan.body.outputs[k])
        if found is not None:
            status[out.name] = found if k < carries or isinstance(found, Mixed) else found + 1


def _error(eqn: Eqn, axis: str, wrong: Mixed, span: Span, sources: Mapping[str, Source]) -> Diagnostic:
    target, wrt = eqn.args
    x = wrt.value
    text = sources[span.file].lines[span.line - 1][span.column - 1 : span.end_column - 1] if span.file in sources else ""
    inside = text.removeprefix("diff(").removesuffix(")")
    u = inside.removesuffix(f", {x}")
    known = text == f"diff({u}, {x})" and span.line == span.end_line
    help = f"for every place of the one and of the other: jacobian({u}, {x}); for the sum of all: diff(sum({u}), {x})"
    if not known:
        help = "jacobian(u, x) is for every place of the one and of the other, diff(sum(u), x) for the sum of all"
    if eqn.op == "jacobian":  # each n
        u, known = target.value, True
        help = f"for all pairs of their elements: jacobian {u} wrt {x}"
    d = next(k for k, ix in enumerate(wrt.index) if ix.plain == axis)
    labels = tuple(Label(s, wrong.how) for s in wrong.spans if s != span)
    here = f"this takes each place along axis {d} of {x} by itself" + ("" if labels else f"; {wrong.how}")
    message = f"{u if known else 'this'} is not made of {x} point by point"
    return Diagnostic("E274", message, span, labels=(*labels, Label(span, here)), help=help)


__all__ = ["unproved"]
