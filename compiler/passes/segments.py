"""A loop marked ``recompute`` is cut into about √T segments of about √T steps.

The backward pass of the outer loop then saves what each segment starts from, runs the segment again, and only there saves what
each step starts from: 2√T states instead of T, for one more forward pass (Chen et al., "Training deep nets with sublinear memory
cost", 2016; Griewank, 1992). The last segment may have fewer steps, also where ``until`` ended the loop.
"""

from __future__ import annotations

from dataclasses import replace

from ..graph import expr as E
from ..graph.ir import Access, Axis, Eqn, Graph, Ix, Quot, Rem, Scan, Value, at
from ..graph.rewrite import Namer, shape_axes
from ..graph.shapes import Dim

ONE = Dim.of(1)


def run(graph: Graph) -> Graph:
    if not any(isinstance(e, Scan) for e in graph.eqns):
        return graph
    name = Namer(graph.values())
    values = graph.values()
    eqns: list[Eqn | Scan] = []
    for eqn in graph.eqns:
        if isinstance(eqn, Scan):
            body = run(eqn.body)
            eqn = eqn if body is eqn.body else replace(eqn, body=body)
            if eqn.recompute and not eqn.limit:
                eqns += _cut(eqn, values, name)
                continue
        eqns.append(eqn)
    return graph.with_eqns(tuple(eqns)) if any(a is not b for a, b in zip(eqns, graph.eqns, strict=False)) else graph


def _cut(scan: Scan, values: dict[str, Value], name: Namer) -> list[Eqn | Scan]:
    total = scan.axis.extent
    long = total.root()
    many = (total + long - 1) // long
    count, ends = len(scan.initial), len(scan.outs) - scan.until
    origin = replace(scan.origin, rule="segments", note="in segments, so that only where they start is saved")

    def time(step: Ix) -> Ix:
        """The value of t at a step."""
        return Ix((), total - 1) + step.scale(Dim.of(-1)) if scan.reverse else step

    before: list[Eqn | Scan] = []
    slices: list[Value] = []
    for given in scan.slices:  # by segments, with zeros after the end
        value = values[given]
        axes = (Axis("g", many), Axis("s", long), *shape_axes(value.shape[1:]))
        step = at("g").scale(long) + at("s")
        rest = tuple(at(a.name) for a in axes[2:])
        out = Value(name(f"{given}_cut"), (many, long, *value.shape[1:]), value.kind)
        read = Access(given, (time(step), *rest), E.ZERO.number)
        before.append(Eqn(out, axes, tuple(at(a.name) for a in axes), "", (read,), E.arg(0), "slice", origin))
        slices.append(out)
    left = Value(name("steps_left"), (many,), "int")
    rest_of = E.sub(E.dim(total), E.mul(E.dim(long), E.idx("g")))
    size = E.make("min", rest_of, E.dim(long))
    before.append(Eqn(left, (Axis("g", many),), (at("g"),), "", (), size, "steps", origin))

    # the body of the outer loop: one segment
    inner = Namer([v.name for v in scan.body.inputs])
    inputs = {v.name: v for v in scan.body.inputs}
    carries = scan.body.inputs[:count]
    captured = scan.body.inputs[count + len(scan.slices) :]
    here = [Value(inner(f"{v.name}_cut"), (long, *inputs[i.name].shape), v.kind)
            for v, i in zip((values[n] for n in scan.slices), scan.body.inputs[count:], strict=False)]  # fmt: skip
    limit = Value(inner("steps"), (), "int")
    finals = [Value(inner(f"{v.name}_after"), v.shape, v.kind) for v in carries]
    emits = [Value(inner(f"{o.name}_cut"), (long, *o.shape[1:]), o.kind) for o in scan.outs[count:ends]]
    extra: list[Eqn | Scan] = []
    results: list[str] = [v.name for v in finals]
    segment_carries, segment_initial = list(carries), list(scan.initial)
    outer_outs = list(scan.outs[:count])
    known = tuple(v.name for v in captured)
    loop = Scan((*finals, *emits), Axis(scan.axis.name, long), False, tuple(v.name for v in carries),
                tuple(v.name for v in here), known, scan.body, scan.origin, limit=limit.name)  # fmt: skip
    if scan.until:  # what ended a segment ends the whole: as a carry it comes out of the inner loop
        flag, was = scan.body.outputs[-1], Namer(scan.body.values())("was_done")
        body = replace(scan.body, inputs=(*carries, Value(was, (), "bool"), *scan.body.inputs[count:]),
                       outputs=(*scan.body.outputs[:count], flag, *scan.body.outputs[count:]))  # fmt: skip
        start, done = Value(inner("not_done"), (), "bool"), Value(inner("done"), (), "bool")
        taken = Value(inner("taken"), (), "int")
        so_far, more = Value(inner("so_far"), (), "int"), Value(inner("more"), (), "int")
        extra.append(Eqn(start, (), (), "", (), E.ZERO, "constant", origin))
        loop = replace(loop, outs=(*finals, done, *emits, taken), initial=(*loop.initial, start.name), body=body, until=True)
        add = E.make("add", E.arg(0), E.arg(1))
        tail: list[Eqn | Scan] = [Eqn(more, (), (), "", (Access(so_far.name, ()), Access(taken.name, ())), add, "add", origin)]
        segment_carries.append(so_far)
        results.append(more.name)
        zero = Value(name("so_far"), (), "int")
        before.append(Eqn(zero, (), (), "", (), E.ZERO, "constant", origin))
        segment_initial.append(zero.name)
        outer_outs.append(scan.outs[-1])
        extra += [loop, *tail]
    else:
        extra.append(loop)
    stacked = [Value(name(f"{o.name}_cut"), (many, long, *o.shape[1:]), o.kind) for o in scan.outs[count:ends]]
    segments = [Value(name("segments"), (), "int")] if scan.until else []
    body = Graph(f"{scan.body.name}_segment", (*segment_carries, *here, limit, *captured), (), tuple(extra),
                 (*results, *(v.name for v in emits), *((loop.outs[count].name,) if scan.until else ())))  # fmt: skip
    outer = Scan((*outer_outs, *stacked, *segments), Axis("segment", many), False, tuple(segment_initial),
                 (*(v.name for v in slices), left.name), scan.captured, body, origin, until=scan.until)  # fmt: skip
    after: list[Eqn | Scan] = []
    for k, source in zip(range(count, ends), stacked, strict=True):
        out = scan.outs[k]
        axes = shape_axes(out.shape)
        place = time(at(axes[0].name))
        index = (Ix(((Quot(place, long), ONE),)), Ix(((Rem(place, long), ONE),)), *(at(a.name) for a in axes[1:]))
        fill = E.ZERO.number
        after.append(Eqn(out, axes, tuple(at(a.name) for a in axes), "", (Access(source.name, index, fill),), E.arg(0),
                         "reshape", origin))  # fmt: skip
    return [*before, outer, *after]
