"""The value of an equation: its body, summed up or searched along the axes that are not in the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ...graph.bounds import never_negative
from ...graph.expr import Expr
from ...graph.patterns import Ranking, Running, ranking, running
from ...graph.shapes import Dim
from .bodies import Bodies
from .code import ATOM, Code, Tag, reals
from .products import contraction

_REDUCTIONS: Final = {"+": "np.sum", "*": "np.prod", "max": "np.max", "min": "np.min", "argmax": "np.argmax",
                      "argmin": "np.argmin", "lse": "_logsumexp"}  # fmt: skip

Laid = tuple[Code, list[str]]  # a piece of text, and the order of the axes it has


def value(bodies: Bodies, wanted: Sequence[str]) -> Laid:
    """The reduced body, and the order of axes it has: all or some of ``wanted``, in that order."""
    eqn = bodies.eqn
    reduced = [a.name for a in eqn.axes if a.name not in wanted]
    if not reduced:
        return bodies.code(eqn.body, wanted), list(wanted)
    runs, ranks = running(eqn), ranking(eqn)
    if runs is not None:
        return _running(bodies, runs, wanted), list(wanted)
    if ranks is not None:
        return _ranking(bodies, ranks, wanted), list(wanted)
    if eqn.reduce == "+":
        product = contraction(bodies, wanted, reduced)
        if product is not None:
            return product
    return _reduction(bodies, eqn.body, wanted, reduced)


def _ranking(bodies: Bodies, ranks: Ranking, wanted: Sequence[str]) -> Code:
    bodies.scope.used.add("_rank")
    text = bodies.over(bodies.reads.read(ranks.source, wanted), wanted)
    descending = ", True" if ranks.descending else ""
    place = list(wanted).index(ranks.axis.name)
    return Code(f"_rank({text}, {place}{descending})", ATOM, "int", frozenset(wanted))


def _running(bodies: Bodies, runs: Running, wanted: Sequence[str]) -> Code:
    layout = [runs.over.name if a == runs.axis.name else a for a in wanted]
    code = bodies.code(runs.inner, layout)
    text = bodies.over(code if code.tag == "real" else code.real(), layout)
    place = layout.index(runs.over.name)
    name = "np.cumsum" if bodies.eqn.reduce == "+" else "np.cumprod"
    text = f"np.flip({text}, {place})" if runs.reverse else text
    text = f"{name}({text}, {place})"
    return Code(f"np.flip({text}, {place})" if runs.reverse else text, ATOM, "real", frozenset(wanted))


def _reduction(bodies: Bodies, body: Expr, wanted: Sequence[str], reduced: Sequence[str]) -> Laid:
    axes = bodies.axes(body)
    outer = [a for a in wanted if a in axes]
    inner = [a for a in reduced if a in axes]
    idle = [a for a in reduced if a not in axes]
    if idle and bodies.eqn.reduce != "+":
        layout = [*outer, *reduced]
        return _reduced(bodies, _over_grid(bodies, body, layout), layout, reduced, outer), outer
    # in place of an output axis of extent 1 stands the reduced one: NumPy's keepdims
    units = [a for a in wanted if a not in axes and bodies.extents[a].is_one()]
    keep = bool(units) and len(units) == len(inner)
    layout = bodies.natural(body, outer, inner)
    if keep:
        stand_in = dict(zip(units, inner, strict=True))
        layout = [stand_in.get(a, a) for a in wanted if a in axes or a in stand_in]
    code = bodies.code(body, layout)
    code = _reduced(bodies, code, layout, inner, outer, units if keep else ()) if inner else code.real()
    for a in idle:
        code = _times(bodies, code, bodies.extents[a], wanted)
    return code, [a for a in wanted if a in outer or (keep and a in units)]


def _over_grid(bodies: Bodies, body: Expr, layout: Sequence[str]) -> Code:
    """What is reduced over an axis that nothing depends on: written out over the whole grid."""
    code = bodies.code(body, layout)
    text = code.text if code.tag == "real" else reals(code.text)  # the least of integers is no infinity
    shape = bodies.scope.shape(tuple(bodies.extents[a] for a in layout))
    return Code(f"np.broadcast_to({text}, {shape})", ATOM, "real")


def _reduced(
    bodies: Bodies, code: Code, layout: Sequence[str], inner: Sequence[str], outer: Sequence[str], units: Sequence[str] = ()
) -> Code:  # fmt: skip
    """The call that reduces a body along ``inner``, which leaves ``outer``. ``units`` are output axes of extent 1 that stay in
    place of the reduced ones."""
    reduce = bodies.eqn.reduce
    name = _REDUCTIONS[reduce]
    bodies.scope.used.add(name)
    text, tag = code.text, code.tag
    if tag in ("int", "bool") and reduce in ("+", "*", "lse"):
        text, tag = reals(text), "real"
    places = [layout.index(a) for a in inner]
    if units or len(inner) < len(layout):
        text += f", axis={places[0]}" if len(places) == 1 else f", axis=({', '.join(map(str, places))})"
    if units:
        text += ", keepdims=True"
    if reduce in ("max", "min") and tag == "real" and any(not never_negative(bodies.extents[a] - 1) for a in inner):
        text += f", initial={'-' if reduce == 'max' else ''}np.inf"
    result: Tag = "int" if reduce.startswith("arg") else tag
    return Code(f"{name}({text})", ATOM, result, frozenset((*outer, *units)))


def _times(bodies: Bodies, code: Code, extent: Dim, wanted: Sequence[str]) -> Code:
    """The sum over an axis that nothing depends on."""
    count = bodies.scope.dim(extent)
    text = f"{code.tight(7)} * {count if count.isalnum() else f'({count})'}"
    if extent.value is None and all(bodies.extents[w] != extent for w in wanted):  # of nothing 0, were it NaN
        return Code(f"np.where({count} == 0, 0, {text})", ATOM, "real", code.axes)
    return Code(text, 7, "real", code.axes)
