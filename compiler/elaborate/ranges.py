"""The ranges of index variables: given, or the axes they index, or what keeps every read inside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..graph.bounds import never_negative
from ..graph.ir import at
from ..graph.shapes import Dim
from ..language.source import Span
from .evaluator import Evaluator
from .indices import limits
from .points import ZERO, Points, Reading, Variable
from .values import Val

Place = tuple[Reading, int]  # one index of a read
Use = tuple[Reading, int, Dim]  # an index in which a variable stands, and its factor there
Bound = tuple[Dim, Reading, int]  # where a range starts or stops, and the index that says so


class Ranges:
    """The search for the ranges of one statement's variables. A method that seeks one says whether it is done with it: it found
    the range, or reported an error."""

    def __init__(self, ev: Evaluator, points: Points) -> None:
        self.ev, self.points = ev, points

    def find(self) -> bool:
        """Give every variable its range; False after an error."""
        before = len(self.ev.bag)
        waiting = list(self.points.variables.values())
        for v in list(waiting):
            if v.stop is None and self.bare(v):
                waiting.remove(v)
        progress = True
        while waiting and progress and len(self.ev.bag) == before:
            progress = False
            for v in list(waiting):
                if self.given(v) if v.stop is not None else self.shrunk(v):
                    waiting.remove(v)
                    progress = True
                    break
        if len(self.ev.bag) == before:
            for v in waiting:
                if v.stop is None:  # else it waits for another
                    self.without_range(v)
        return len(self.ev.bag) == before

    def uses(self, v: Variable) -> Iterator[Use]:
        """Where a variable stands in an index: the read, which index, and its factor."""
        for reading in self.points.reads:
            if isinstance(reading.source, Val):
                for k, ix in enumerate(reading.index):
                    factor = dict(ix.terms).get(v.axis)
                    if factor is not None:
                        yield reading, k, factor

    def bare(self, v: Variable) -> bool:
        """The range of a variable that indexes an array alone: that whole axis."""
        found: list[Place] = [(r, k) for r, k, _ in self.uses(v) if r.index[k].plain == v.axis]
        firm = [(r, k) for r, k in found if not r.pad]
        if not found:
            return False
        first, k = (firm or found)[0]
        extent = first.extent(k)
        for other, j in firm or found:
            if other.extent(j) != extent:
                self.disagree(v, (first, k), (other, j))
                return True
        v.extent = extent
        # affine uses shrink it
        alone = [(r, k, f) for r, k, f in self.uses(v) if not r.pad and set(self.points.axes(r.index[k])) == {v.axis}]
        if any(r.index[k].plain is None for r, k, _ in alone):
            v.extent = None
            v.stop = None
            return self.shrunk(v, alone)
        return True

    def given(self, v: Variable) -> bool:
        assert v.low is not None and v.stop is not None and v.range_span is not None
        low, stop = limits(self.points, v.low), limits(self.points, v.stop)
        if low is None or stop is None:
            return False
        start, extent = low[0], stop[1] - low[0]
        if v.guarded and v.origin and start.terms:
            if not never_negative(start):
                self.ev.report(v.env, "E236", "this range starts below 0", v.range_span)
                return True
            start, extent = ZERO, stop[1]
        if v.guarded and not never_negative(extent):
            start = ZERO if never_negative(start) else start
            extent = stop[1] - start
            if not never_negative(extent):  # as if the outer variables reached their ends
                for _, factor in v.stop.terms:
                    extent = extent + factor if never_negative(factor) else extent
        if extent.value is not None and extent.value < 0:
            if not v.guarded:
                self.ev.report(v.env, "E236", f"this range has {extent} values", v.range_span)
            extent = ZERO
        v.start, v.extent = start, extent
        return True

    # ------------------------------------------------------------ from affine uses

    def shrunk(self, v: Variable, uses: list[Use] | None = None) -> bool:
        """The range of a variable from its affine uses: every access stays inside."""
        bounds = self.bounds(v, uses)
        if bounds is None:
            return False
        starts, stops = bounds
        first = self.first_stop(v, stops)
        start = None if first is None else self.last_start(v, starts)
        if first is None or start is None:
            return True
        stop, reading, k = first
        extent = stop - start
        if extent.value is not None and extent.value < 0:
            self.ev.report(
                reading.env, "E233", f"no {v.name} keeps this read inside", reading.spans[k],
                notes=(f"axis {k} of {reading.name} has {reading.extent(k)} elements",),
            )  # fmt: skip
            return True
        v.start, v.extent, v.inferred = start, extent, True
        return True

    def bounds(self, v: Variable, uses: list[Use] | None) -> tuple[list[Bound], list[Bound]] | None:
        """Where each use lets the range start and stop; None where that is not known (yet)."""
        points = self.points
        starts: list[Bound] = []
        stops: list[Bound] = []
        for reading, k, factor in [u for u in self.uses(v) if not u[0].pad] if uses is None else uses:
            ix, extent = reading.index[k], reading.extent(k)
            rest = limits(points, ix + at(v.axis).scale(-factor))
            if rest is None:
                if uses is None and not any(points.variables[a].extent is None for a in points.axes(ix) if a != v.axis):
                    continue  # its bounds are not known: it will have to be proved
                return None
            low, high = rest
            c = factor.value
            if c is None:
                top = (extent - 1 - high + factor).divide_exactly(factor)
                if top is None or low.terms:
                    continue
                starts.append((ZERO, reading, k))
                stops.append((top, reading, k))
            elif c > 0:
                starts.append((-(low // c), reading, k))
                stops.append(((extent - 1 - high) // c + 1, reading, k))
            else:
                starts.append((-((extent - 1 - high) // -c), reading, k))
                stops.append((low // -c + 1, reading, k))
        return (starts, stops) if stops else None

    def first_stop(self, v: Variable, stops: list[Bound]) -> Bound | None:
        """The stop that holds for all uses; None after an error."""
        first = stops[0]
        for other in stops[1:]:
            if never_negative(other[0] - first[0]):
                continue
            if not never_negative(first[0] - other[0]):
                self.disagree(v, first[1:], other[1:], (first[0], other[0]))
                return None
            first = other
        return first

    def last_start(self, v: Variable, starts: Iterable[Bound]) -> Dim | None:
        """The start that holds for all uses; None after an error."""
        start = ZERO
        for one, reading, k in starts:
            if never_negative(start - one):
                continue
            if not never_negative(one - start) or v.left:
                text = self.ev.text(reading.spans[k])
                self.ev.report(
                    reading.env, "E233", f"{v.name} starts at 0, and this is outside there", reading.spans[k],
                    notes=(f"axis {k} of {reading.name} has {reading.extent(k)} elements, 0 to {reading.extent(k) - 1}",),
                    help=f"{reading.name}[...] pad is 0 outside, with a given range: for {v.name} in range(...)"
                    if text else None,
                )  # fmt: skip
                return None
            start = one
            if v.origin:
                self.ev.report(
                    reading.env, "E231", f"{v.name} does not start at 0 here", reading.spans[k],
                    notes=("the answer is one of its values",), help=f"give its range: for {v.name} in range({one}, ...)",
                )  # fmt: skip
                return None
        return start

    # ------------------------------------------------------------ what went wrong

    def disagree(self, v: Variable, a: Place, b: Place, stops: tuple[Dim, Dim] | None = None) -> None:
        labels: list[tuple[Span, str]] = []
        for (reading, k), stop in zip((a, b), stops or (None, None), strict=True):
            what = f"axis {k} of {reading.name} has {reading.extent(k)} elements"
            labels.append((reading.spans[k], what if stop is None else f"{what}, and so {v.name} < {stop}"))
        note = "different sizes are never taken to be equal" if stops is None else "neither is known to be the smaller one"
        free = any(r.extent(k).value is None for r, k in (a, b))
        self.ev.report(
            a[0].env, "E232", f"the ranges of {v.name} disagree", a[0].spans[a[1]], labels=labels,
            notes=(note,) if free else (f"{v.name} runs over both axes, and so they must have the same size",),
            help=f"where {v.name} is to take fewer values, give its range: for {v.name} in range(...)",
        )  # fmt: skip

    def without_range(self, v: Variable) -> None:
        padded = others = None
        for reading, k, _ in self.uses(v):
            if reading.pad:
                padded = padded or reading
                continue
            unknown = [self.points.variables[a].name for a in self.points.axes(reading.index[k])
                       if a != v.axis and self.points.variables[a].extent is None]  # fmt: skip
            if unknown:
                others = others or (reading, unknown[0])
        notes: tuple[str, ...] = ("it is not the index of an array by itself",)
        if others is not None:
            notes = (f"in {self.ev.text(others[0].span)} it stands beside {others[1]}, whose range is not known either",)
        elif padded is not None:
            notes = ("a read with `pad` allows it every value",)
        self.ev.report(
            v.env, "E231", f"nothing tells the range of {v.name}", v.span,
            notes=notes, help=f"give it: for {v.name} in range(...)",
        )  # fmt: skip
