"""That every read of index notation stays inside its array, for all values of the free sizes."""

from __future__ import annotations

from fractions import Fraction

from ..graph.bounds import below, floors, inside, never_negative
from ..graph.shapes import Dim
from .evaluator import Evaluator
from .indices import limits
from .points import ZERO, Points, Reading
from .values import Val


def prove_reads(ev: Evaluator, points: Points) -> None:
    """Prove every read, or report it. The variables have their ranges."""
    for reading in list(points.reads):
        if isinstance(reading.source, Val) and not reading.pad:
            for k in range(len(reading.index)):
                _prove(ev, points, reading, k)


def _prove(ev: Evaluator, points: Points, reading: Reading, k: int) -> None:
    """That one index stays inside; what is only so where a condition holds is 0 elsewhere."""
    ix, extent = reading.index[k], reading.extent(k)
    axes = {a: points.variables[a].size for a in ix.axes()}
    known = floors(axes)
    gathers = list(ix.gathers())
    plain = points.moved(ix)
    if not gathers and inside(plain, extent, axes):
        return
    rough = limits(points, ix, False) if gathers else None
    if rough is not None and never_negative(rough[0], known) and below(rough[1], extent, known):
        return
    ends = limits(points, ix)
    proved = ends is not None and never_negative(ends[0], known) and below(ends[1], extent, known)
    if not proved and not ix.terms:
        if ends is not None and (below(ends[1], ZERO) or never_negative(ends[0] - extent)):
            ev.report(
                reading.env, "E206", "this index is outside", reading.spans[k],
                labels=((reading.spans[k], ""),),
                notes=(f"the axis has {extent} elements: 0 to {extent - 1}",),
            )  # fmt: skip
        reading.fill = "nan" if reading.kind == "real" else Fraction(0)
    elif proved or (not gathers and all(points.variables[a].inferred for a in ix.axes())):
        reading.fill = Fraction(0)
    else:
        chooser = points.chooser(gathers[-1]) if gathers else None
        _may_be_outside(ev, reading, k, chooser, ends)


def _may_be_outside(ev: Evaluator, reading: Reading, k: int, chooser: Reading | None, ends: tuple[Dim, Dim] | None) -> None:
    """The error for an index that could not be proved. ``chooser``: what gives it, where it gathers."""
    where = f"axis {k} of {reading.name} has {reading.extent(k)} elements"
    if chooser is not None:
        most = chooser.below()
        values = "values that are not bounded" if most is None else f"values below {most}"
        ev.report(
            reading.env, "E214", "this index may be outside", reading.spans[k],
            notes=(f"{chooser.name} has {values}, and {where}",),
        )  # fmt: skip
        return
    notes = [where]
    if ends is not None:
        notes = [f"{ev.text(reading.spans[k])} goes from {ends[0]} to {ends[1]}, and {where}"]
    ev.report(
        reading.env, "E233", f"this read of {reading.name} may be outside", reading.spans[k], notes=notes,
        help="give the variables a smaller range, or write `pad` behind the bracket for zeros outside",
    )  # fmt: skip
