"""Derivatives inside the model. ``d[i, j] = diff(u[i], x[j])`` becomes the backward pass of u for x, for every i.

A backward pass gives products with an upstream. Its equations are linear in that, so each can be taken for every place of u at
once, with another axis in front, and an upstream that is 1 at one place and 0 elsewhere. Most need no such axis: while a value
is 0 but where its own index is that of the place, as along the rows of a batch, it is kept without ("along"), and only a sum
over that index makes a whole matrix of it. So the derivative of a formula of x[n] for x[n] costs what one backward pass does.

``d[i] = sum j: jvp(u[i], x[j], v[j])`` takes no matrix: the product of v with what a backward pass gives is linear in its
upstream, and the derivative of that product for the upstream is that of u along v (Townsend, A new trick for calculating Jacobian
vector products, 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from ..derive.reverse import Seed, Tape
from ..graph import expr as E
from ..graph.ir import Access, Axis, Eqn, Graph, Origin, Scan, Value, at, outs
from ..graph.rewrite import Namer, normalise, shape_axes
from ..graph.shapes import Dim

_OPS = ("diff", "jvp")
_ODD = (648055, 791547, 597521, 859381)  # of 2^20: steps that come back late, as those of the golden ratio do


def has(graph: Graph) -> bool:
    """Whether a derivative is taken in the model."""
    return any(has(e.body) if isinstance(e, Scan) else e.body.op in _OPS for e in graph.eqns)


def asked(graph: Graph) -> list[str]:
    """The values for which the model itself takes derivatives."""
    found: dict[str, None] = {}
    for eqn in graph.eqns:
        if isinstance(eqn, Scan):
            own = {v.name: outer for v, outer in zip(eqn.body.inputs, (*eqn.initial, *eqn.slices, *eqn.captured), strict=True)}
            found.update(dict.fromkeys(own[name] for name in asked(eqn.body) if name in own))
        elif eqn.body.op in _OPS:
            found[eqn.args[1].value] = None
    return list(found)


def run(graph: Graph, look: Callable[[Graph, Eqn], None] | None = None) -> Graph:
    """The graph with all derivatives in it taken, in their order: one may be of another. ``look`` is given each of them, with
    the graph up to it."""
    done: list[Eqn | Scan] = []
    changed = False
    for eqn in graph.eqns:
        if isinstance(eqn, Scan):
            body = run(eqn.body, look)
            done.append(eqn if body is eqn.body else replace(eqn, body=body))
            changed |= body is not eqn.body
        elif eqn.body.op == "diff":
            if look is not None:
                look(graph.with_eqns(tuple(done)), eqn)
            so_far, names = graph.with_eqns(tuple(done)), [v.name for e in graph.eqns for v in outs(e)]
            done, zeros = _taken(so_far, eqn, names, False)
            if zeros:  # of which one may meet an infinite slope
                done, _ = _taken(so_far, eqn, names, True)
            changed = True
        elif eqn.body.op == "jvp":
            done, changed = _along(graph.with_eqns(tuple(done)), eqn, [v.name for e in graph.eqns for v in outs(e)]), True
        else:
            done.append(eqn)
    return graph.with_eqns(tuple(done)) if changed else graph


def _along(graph: Graph, eqn: Eqn, taken: Sequence[str]) -> list[Eqn | Scan]:
    """The equations of ``graph`` and those that compute ``eqn``, a derivative along a direction."""
    target, wrt, direction = eqn.args
    tape = Tape(graph)
    for name in taken:
        tape.name(name)
    seed = Value(tape.name(f"any_{target.value}"), tape.values[target.value].shape)
    tape.add_input(seed)
    before = len(tape.eqns)
    (adjoint,) = tape.sweep(((target.value, Seed(seed.name)),), (wrt.value,))
    axes = shape_axes(tape.values[wrt.value].shape)
    index = tuple(at(a.name) for a in axes)
    total = Value(tape.name(f"d_{target.value}_{wrt.value}"), ())
    factors = (Access(adjoint, index), Access(direction.value, index))
    product = E.make("mul", E.arg(0), E.arg(1))
    tape.append((Eqn(total, axes, (), "+" if axes else "", factors, product, "dot", replace(eqn.origin, rule="vjp jvp")),))
    (result,) = tape.sweep(((total.name, Seed(None)),), (seed.name,))
    spans = eqn.origin.spans
    new = [replace(e, origin=replace(e.origin, spans=(*spans, *(s for s in e.origin.spans if s not in spans))))
           for e in tape.eqns[before:]]  # fmt: skip
    axes = shape_axes(seed.shape)
    body, index = _generic(axes), tuple(at(a.name) for a in axes)
    upstream = Eqn(seed, axes, index, "", (), body, "const", replace(eqn.origin, rule="seed"))
    own = {ix.plain for ix in target.index}
    last = replace(eqn, axes=tuple(a for a in eqn.axes if a.name in own), reduce="", args=(Access(result, target.index),),
                   body=E.arg(0), origin=Origin(spans, "vjp jvp", eqn.origin.note))  # fmt: skip
    return [*tape.eqns[:before], upstream, *new, last]


def _generic(axes: Sequence[Axis]) -> E.Expr:
    """An upstream of which no sum is 0 by chance. What is linear in it does not depend on its value; but a backward pass asks
    behind a branch that is not taken whether it is 0."""
    phase = E.ZERO
    for k, axis in enumerate(axes):
        phase = E.add(phase, E.mul(E.idx(axis.name), E.const(Fraction(_ODD[k % len(_ODD)], 2**20))))
    return E.add(E.ONE, E.mul(E.HALF, E.sub(phase, E.make("floor", phase)))) if axes else E.ONE


def _taken(graph: Graph, eqn: Eqn, taken: Sequence[str], masked: bool) -> tuple[list[Eqn | Scan], bool]:
    """The equations of ``graph`` and those that compute ``eqn``, and whether an adjoint among them has zeros written into it,
    which is what ``masked`` tells the backward pass."""
    target, wrt = eqn.args
    tape = Tape(graph)
    for name in taken:
        tape.name(name)
    shape = tape.values[target.value].shape
    before = len(tape.eqns)
    seed = Value(tape.name(f"one_{target.value}"), shape)
    if shape:
        tape.add_input(seed)
    (adjoint,) = tape.sweep(((target.value, Seed(seed.name if shape else None)),), (wrt.value,), (seed.name,) if masked else ())
    old, new = tape.eqns[:before], tape.eqns[before:]
    if shape:
        axes = shape_axes(shape)
        one = Eqn(seed, axes, tuple(at(a.name) for a in axes), "", (), E.ONE, "const", replace(eqn.origin, rule="seed"))
        old = [*old, one]
    front: list[int] = []  # the axes of the target that the adjoint has in front
    zeros = False
    along: dict[int, int] = {}  # and those along which it is kept, each with its own dimension
    for k in reversed(range(len(shape))):
        lines = _Lines(tape.name, shape[k], dict(tape.values))
        status: dict[str, int | None] = {seed.name: k}
        new = lines.through(new, status)
        zeros |= lines.zeros
        for out in (o for e in new for o in outs(e)):
            tape.values[out.name] = out
        if adjoint not in status:
            break  # nothing depends on the target
        place = status[adjoint]
        if place is None:
            front.insert(0, k)
            along = {other: d + 1 for other, d in along.items()}
        else:
            along[k] = place
    spans = eqn.origin.spans
    new = [replace(e, origin=replace(e.origin, spans=(*spans, *(s for s in e.origin.spans if s not in spans)))) for e in new]
    index = (*(target.index[k] for k in front), *wrt.index)
    body = E.arg(0)
    for k, d in along.items():
        here, there = target.index[k], index[d]
        if here != there:
            same = E.make("eq", *(E.idx(ix.plain) for ix in (here, there) if ix.plain is not None))
            body = E.where(same, body, E.ZERO)
    last = replace(eqn, args=(Access(adjoint, index),), body=body, origin=Origin(spans, "vjp diff", eqn.origin.note))
    return [*old, *new, last], zeros


@dataclass
class _Lines:
    """Equations that are linear in a seed, for every place along one of the seed's axes, whose extent this is."""

    name: Namer
    extent: Dim
    values: dict[str, Value]
    new: list[Eqn | Scan] = field(default_factory=list)
    spread: dict[str, str] = field(default_factory=dict)  # values kept along a dimension, as whole matrices
    zeros: bool = False  # one of these has zeros

    def through(self, eqns: Sequence[Eqn | Scan], status: dict[str, int | None]) -> list[Eqn | Scan]:
        """The equations, where a value in ``status`` is kept along the dimension told or (None) has the axis in front."""
        for eqn in eqns:
            if not any(name in status for name in eqn.reads()):
                self._add(eqn)
            elif isinstance(eqn, Scan):
                self._scan(eqn, status)
            else:
                self._eqn(eqn, status)
        return self.new

    def _add(self, eqn: Eqn | Scan) -> None:
        self.new.append(eqn)
        for out in outs(eqn):
            self.values[out.name] = out

    def _eqn(self, eqn: Eqn, status: dict[str, int | None]) -> None:
        reads = [k for k, a in enumerate(eqn.args) if a.value in status]
        found = {self._axis(eqn, eqn.args[k], status[eqn.args[k].value]) for k in reads}
        axis = next(iter(found)) if len(found) == 1 else None
        if axis is not None:
            places = [d for d, ix in enumerate(eqn.out_index) if axis in ix.axes()]
            if len(places) == 1 and eqn.out_index[places[0]].plain == axis and eqn.out.shape[places[0]] == self.extent:
                status[eqn.out.name] = places[0]
                self._add(eqn)
                return
            index, args, axes = (at(axis), *eqn.out_index), eqn.args, eqn.axes
        else:
            front = Namer(a.name for a in eqn.axes)("b")
            axes = (Axis(front, self.extent), *eqn.axes)
            index = (at(front), *eqn.out_index)
            args = tuple(Access(self._whole(a.value, status), (at(front), *a.index), a.fill) if a.value in status else a
                         for a in eqn.args)  # fmt: skip
        out = replace(eqn.out, shape=(self.extent, *eqn.out.shape))
        status[eqn.out.name] = None
        changed = replace(eqn, out=out, axes=axes, out_index=index, args=args)
        if changed.plain_out is None and changed.reduce == "":
            changed = replace(changed, reduce="+")
        self._add(normalise(changed))

    def _axis(self, eqn: Eqn, access: Access, place: int | None) -> str | None:
        """The axis by which a value is read where it is kept along a dimension; None where it must be whole."""
        if place is None or access.fill is not None:
            return None
        axis = access.index[place].plain
        return axis if axis is not None and eqn.extents[axis] == self.extent else None

    def _whole(self, name: str, status: dict[str, int | None]) -> str:
        """The value with the axis in front. What does not depend on the seed is the same everywhere."""
        place = status.get(name, -1)
        if place is None:
            return name
        if name not in self.spread:
            value = self.values[name]
            axes = shape_axes(value.shape)
            index = tuple(at(a.name) for a in axes)
            body = E.arg(0)
            if place >= 0:
                self.zeros = True
                body = E.where(E.make("eq", E.idx("b"), E.idx(axes[place].name)), body, E.ZERO)
            out = Value(self.name(f"{name}_whole"), (self.extent, *value.shape), value.kind)
            self._add(Eqn(out, (Axis("b", self.extent), *axes), (at("b"), *index), "", (Access(name, index),), body, "copy",
                          Origin((), "vjp")))  # fmt: skip
            self.spread[name] = out.name
        return self.spread[name]

    def _turned(self, name: str, wanted: str) -> Value:
        """The value with its first two axes the other way round."""
        value = self.values[name]
        first, second, *rest = shape_axes(value.shape)
        out = Value(self.name(wanted), (second.extent, first.extent, *(a.extent for a in rest)), value.kind)
        inner = tuple(at(a.name) for a in rest)
        read = Access(name, (at(first.name), at(second.name), *inner))
        index = (at(second.name), at(first.name), *inner)
        self._add(Eqn(out, (second, first, *rest), index, "", (read,), E.arg(0), "copy", Origin((), "vjp")))
        return out

    def _scan(self, scan: Scan, status: dict[str, int | None]) -> None:
        """A loop: what depends on the seed has the axis in front at every step."""
        carries, body = len(scan.initial), scan.body
        outer = (*scan.initial, *scan.slices, *scan.captured)
        depends = {k for k, name in enumerate(outer) if name in status}
        while True:  # what a step hands on depends on it, too
            within: dict[str, int | None] = {body.inputs[k].name: None for k in depends}
            values = body.values() | {body.inputs[k].name: self._fronted(body.inputs[k]) for k in depends}
            lines = _Lines(Namer((*body.values(), *self.values)), self.extent, values)
            eqns = lines.through(body.eqns, within)
            more = depends | {k for k in range(carries) if body.outputs[k] in within}
            if more == depends:
                break
            depends = more
        outputs = [lines._whole(o, within) if k in depends else o for k, o in enumerate(body.outputs)]
        inputs = tuple(self._fronted(v) if k in depends else v for k, v in enumerate(body.inputs))
        inner = replace(body, inputs=inputs, eqns=tuple(eqns), outputs=tuple(outputs))
        ends = carries + len(scan.slices)
        given = [
            name if k not in depends else self._whole(name, status) if not carries <= k < ends
            else self._turned(self._whole(name, status), f"{name}_steps").name
            for k, name in enumerate(outer)
        ]  # fmt: skip
        results: list[Value] = []
        turned: list[tuple[Value, Value]] = []
        for k, (out, made) in enumerate(zip(scan.outs, body.outputs, strict=True)):
            if k < carries:
                results.append(self._fronted(out) if k in depends else out)
                if k in depends:
                    status[out.name] = None
            elif made in within:
                stack = Value(self.name(f"{out.name}_steps"), (out.shape[0], self.extent, *out.shape[1:]), out.kind)
                results.append(stack)
                turned.append((stack, out))
            else:
                results.append(out)
        self._add(replace(scan, outs=tuple(results), initial=tuple(given[:carries]), slices=tuple(given[carries:ends]),
                          captured=tuple(given[ends:]), body=inner))  # fmt: skip
        for stack, out in turned:
            first = self._turned(stack.name, out.name + "_turned")
            copy = self.new.pop()
            assert isinstance(copy, Eqn)
            del self.values[first.name]
            self._add(replace(copy, out=replace(first, name=out.name)))
            status[out.name] = None

    def _fronted(self, value: Value) -> Value:
        return replace(value, shape=(self.extent, *value.shape))
