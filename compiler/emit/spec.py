"""What a generated module says of itself: the literal that the face of the module (``class Model``) is driven by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..graph.bounds import index_range, inside
from ..graph.expr import leaves, walk
from ..graph.ir import Eqn, Graph, Init, Model, Scan, Value, outs
from ..graph.patterns import ranking
from ..graph.rows import rows_need_another
from ..graph.shapes import Dim, Quotient, Shape, size
from ..passes.descent import plain_rule
from ..passes.kernels import Kernel, Plan, param_offsets, state_offsets, strides
from .lines import shape_text

SpecDim = int | str | tuple[Any, ...]


def dim_spec(dim: Dim) -> SpecDim:
    """A size as a number, a name, or a nested ("+", a, b)."""
    if dim.value is not None:
        return dim.value
    total: SpecDim | None = None
    for monomial, coefficient in dim.terms:
        term: SpecDim | None = None
        for atom, power in monomial:
            factor: SpecDim = (atom.op, dim_spec(atom.a), dim_spec(atom.b)) if isinstance(atom, Quotient) else atom
            for _ in range(power):
                term = factor if term is None else ("*", term, factor)
        if term is None:
            term = coefficient
        elif coefficient != 1:
            term = ("*", coefficient, term)
        total = term if total is None else ("+", total, term)
    assert total is not None
    return total


def shape_spec(shape: Shape) -> tuple[SpecDim, ...]:
    """A shape as literals."""
    return tuple(dim_spec(d) for d in shape)


def _init(init: Init) -> tuple[Any, ...]:
    if init.kind == "values":
        return "values", tuple(float(x) for x in init.data)
    return init.kind, *(float(x) for x in init.data)


def without_step(plan: Plan, kernels: Sequence[str] = ("step", "advance")) -> Plan:
    """The plan of a module whose steps are the gradient first and then the update."""
    return replace(plan, kernels=tuple(k for k in plan.kernels if k.name not in kernels))


POINT = 256  # numbers


def pointwise(model: Model) -> bool:
    """Whether it is a function of a few real numbers, which may be given one by one."""
    values = model.graph.values()
    shown = [values[o.value] for o in model.outputs]
    within = [*model.graph.inputs, *shown, *(values[value] for t in model.targets for _, value in t.wrt)]
    counts = [size(v.shape).value for v in within]
    if model.free or model.states or model.generator is not None or any(i.below is not None for i in model.inputs):
        return False
    return all(v.kind == "real" for v in shown) and None not in counts and sum(c or 0 for c in counts) <= POINT


def spec(model: Model, kernels: Sequence[Kernel], work: Sequence[Dim], *, version: str, digest: str,
         backend: str) -> dict[str, Any]:  # fmt: skip
    """The description of a module whose kernels are ``kernels``, each with so much scratch."""
    offsets = param_offsets(model)
    params = {p.value.name for p in model.params}
    inputs = {i.value.name for i in model.inputs}
    values = model.graph.values()

    def role(name: str, value: str) -> str:
        if name != value:  # another name for an input or a param
            return "value"
        return "param" if value in params else "input" if value in inputs else "value"

    more: dict[str, Any] = {}  # what most models have not
    if model.states:
        starts = state_offsets(model)
        more["states"] = tuple(
            {"name": s.value.name, "shape": shape_spec(s.value.shape), "offset": starts[s.value.name].value,
             "init": _init(s.init), "line": s.span.line, "doc": s.doc}
            for s in model.states
        )  # fmt: skip
    if pointwise(model):
        more["point"] = True
    if any(k.name == "step" for k in kernels):
        rule = plain_rule(model)
        assert rule is not None
        more["step"] = {"update": rule.update.name, "zero": rule.zero}
    if model.layers:
        more["layers"] = dict(model.layers)
    if model.training is not None:
        more["training"] = True
    if model.generator is not None:
        more["random"] = True
    if model.derived:
        more["derived"] = tuple(
            {"call": d.what, "name": d.name, "of": d.of, "wrt": (d.wrt[0], role(*d.wrt)), "each": d.each,
             "shape": shape_spec(values[d.value].shape)} for d in model.derived
        )  # fmt: skip
    if model.free and rows_need_another(model.graph, model.free[0], _predicted(model), model.training):
        more["together"] = True
    if reached := _reached(model):
        more["reached"] = reached
    return {
        "gradwright": version,
        "name": model.name,
        "doc": model.doc,
        "source": model.source,
        "hash": digest,
        "dtype": model.dtype,
        "backend": backend,
        "sizes": model.free,
        "fixed": dict(model.fixed),
        "inputs": tuple(
            {"name": i.value.name, "kind": "index" if i.below is not None else "real", "shape": shape_spec(i.value.shape),
             "below": None if i.below is None else dim_spec(i.below), "declared": shape_text(i.value), "line": i.span.line,
             "doc": i.doc}
            for i in model.inputs
        ),
        "params": tuple(
            {"name": p.value.name, "shape": shape_spec(p.value.shape), "offset": offsets[p.value.name].value,
             "frozen": p.frozen, "init": _init(p.init), "line": p.span.line, "doc": p.doc}
            for p in model.params
        ),
        "hypers": tuple(
            {"name": h.value.name, "default": float(h.default), "line": h.span.line, "doc": h.doc} for h in model.hypers
        ),
        "outputs": tuple(
            {"name": o.name, "kind": values[o.value].kind, "shape": shape_spec(values[o.value].shape), "doc": o.doc}
            for o in model.outputs
        ),
        "loss": next((o.name for o in model.outputs if o.value == model.loss), None),
        "targets": tuple(
            {"name": t.name, "shape": shape_spec(values[t.value].shape), "declared": t.declared,
             "wrt": tuple((name, role(name, value)) for name, value in t.wrt)}
            for t in model.targets
        ),
        "values": {
            f"{t.name}:{name}": shape_spec(values[value].shape)
            for t in model.targets for name, value in t.wrt if role(name, value) == "value" or value in params
        },
        "kept": _kept(model, kernels),
        "lines": _lines(model),
        "kernels": tuple(
            {"name": k.name, "slots": (*k.slots, *(("work",) if w.terms else ())), "kept": dim_spec(k.kept), "work": dim_spec(w),
             "sizes": tuple(n for n in model.free if n in _sizes(k))}
            for k, w in zip(kernels, work, strict=True)
        ),
        "updates": tuple(
            {"name": u.name, "hypers": tuple((n, float(v)) for n, v in u.hypers),
             "states": tuple((n, float(v)) for n, v in u.states), "doc": u.doc}
            for u in model.updates
        ),
        "nonempty": _nonempty(model),
        "nonnegative": _nonnegative(model),
        "countable": _countable(model, kernels),
        "optimizer": None if model.optimizer is None else (model.optimizer[0], {n: float(v) for n, v in model.optimizer[1]}),
        **more,
    }  # fmt: skip


def _predicted(model: Model) -> list[str]:
    """The values that ``predict`` returns."""
    return [o.value for o in model.outputs if o.value != model.loss]


def _kept(model: Model, kernels: Sequence[Kernel]) -> tuple[tuple[Any, ...], ...]:
    """(name, offset, shape) of the model's values that a forward pass leaves in the kept vector; also the steps along each
    dimension, in elements, where the value does not lie there in one piece as the model has it."""
    backward = next((k for k in kernels if k.name == "backward"), None)
    if backward is None:
        return ()
    own = model.graph.values()
    return tuple(
        (v.value, dim_spec(v.offset), shape_spec(v.shape), *([] if v.steps == strides(v.shape) else [shape_spec(v.steps)]))
        for v in backward.views
        if v.value in own and own[v.value].shape == v.shape
    )


def _lines(model: Model) -> tuple[tuple[int, str, tuple[SpecDim, ...], SpecDim, int], ...]:
    """(line, name, shape, operations as written, bytes of an element) for each line of the model that computes something."""
    found: dict[int, tuple[Value, Dim]] = {}
    for eqn, steps in _equations(model.graph):
        spans = [s for s in eqn.origin.spans if s.file == model.source] or list(eqn.origin.spans)
        line = spans[0].line if spans else 0
        before = found[line][1] if line in found else Dim.of(0)
        found[line] = outs(eqn)[0], before + (_operations(eqn) * steps if isinstance(eqn, Eqn) else 0)
    width = 8 if model.dtype == "float64" else 4
    labels = {o.value: o.name for o in model.outputs}
    return tuple(
        (line, labels.get(v.name, v.name), shape_spec(v.shape), dim_spec(total), 8 if v.kind == "int" else width)
        for line, (v, total) in sorted(found.items())
    )


def _equations(graph: Graph, steps: Dim | None = None) -> Iterator[tuple[Eqn | Scan, Dim]]:
    """Every equation, also those in loops, and how often it is computed."""
    steps = Dim.of(1) if steps is None else steps
    for eqn in graph.eqns:
        if isinstance(eqn, Scan):
            yield from _equations(eqn.body, steps * eqn.axis.extent)
        yield eqn, steps


def _operations(eqn: Eqn) -> Dim:
    each = sum(1 for node in walk(eqn.body) if node.args) + (1 if eqn.reduce else 0)
    return size(tuple(axis.extent for axis in eqn.axes)) * each


def _sizes(kernel: Kernel) -> set[str]:
    """The free sizes that a kernel reads."""
    found: set[str] = set()
    for value in kernel.graph.inputs:
        for dim in value.shape:
            found |= dim.free()
    for eqn, _ in _equations(kernel.graph):
        for dim in (d for v in outs(eqn) for d in v.shape):
            found |= dim.free()
        for axis in eqn.axes if isinstance(eqn, Eqn) else (eqn.axis,):
            found |= axis.extent.free()
        if isinstance(eqn, Eqn):
            for leaf in leaves(eqn.body, "size"):
                found |= leaf.value.free() if isinstance(leaf.value, Dim) else set()
    return found


def _nonempty(model: Model) -> tuple[tuple[SpecDim, str, int], ...]:
    """Sizes that must not be 0, with the operation and the line that ask for it: a maximum of nothing does not exist."""
    found: dict[tuple[SpecDim, str, int], None] = {}
    for eqn, _ in _equations(model.graph):
        if isinstance(eqn, Eqn) and eqn.reduce in ("max", "min", "argmax", "argmin"):
            line = eqn.origin.spans[0].line if eqn.origin.spans else 0
            for axis in eqn.reduced:
                if axis.extent.value is None:
                    found[(dim_spec(axis.extent), eqn.op, line)] = None
    return tuple(found)


def _nonnegative(model: Model) -> tuple[tuple[SpecDim, int], ...]:
    """Computed sizes that some free sizes would make negative (``N - 1``), with the first line that makes an array of them."""
    found: dict[SpecDim, int] = {}
    for eqn, _ in _equations(model.graph):
        for extent in [eqn.axis.extent] if isinstance(eqn, Scan) else [a.extent for a in eqn.axes]:
            if extent.value is None and _may_be_negative(extent):
                found.setdefault(dim_spec(extent), eqn.origin.spans[0].line if eqn.origin.spans else 0)
    return tuple(found.items())


def _reached(model: Model) -> tuple[tuple[SpecDim, SpecDim, int], ...]:
    """How far slices reach that may ask for more than there is (``x[:T]``), the axis' size, and the line."""
    found: dict[tuple[SpecDim, SpecDim, int], None] = {}
    for eqn, values in _asked(model.graph):
        extents = {a.name: a.extent for a in eqn.axes}
        for access in eqn.args if eqn.op == "slice" else ():
            for ix, extent in zip(access.index, values[access.value].shape, strict=True):
                moves = any(isinstance(atom, str) for atom, _ in ix.terms)
                last = index_range(ix, extents)
                if moves and last is not None and not inside(ix, extent, extents):
                    line = eqn.origin.spans[0].line if eqn.origin.spans else 0
                    found[(dim_spec(last[1] + 1), dim_spec(extent), line)] = None
    return tuple(reversed(found))


def _asked(graph: Graph) -> Iterator[tuple[Eqn, Mapping[str, Value]]]:
    """The equations that results need, those in loops too, from the last to the first, with the values of their graph."""
    needed, values = set(graph.outputs), graph.values()
    for eqn in reversed(graph.eqns):
        if any(o.name in needed for o in outs(eqn)):
            needed.update(eqn.reads())
            if isinstance(eqn, Scan):
                yield from _asked(eqn.body)
            else:
                yield eqn, values


def _countable(model: Model, kernels: Sequence[Kernel]) -> tuple[tuple[SpecDim, int], ...]:
    """Axes along which positions are stored among the model's reals, which count up to 2**24 if they are float32; lines."""
    found: dict[SpecDim, int] = {}
    if model.dtype == "float32":
        for eqn in (e for k in kernels for e, _ in _equations(k.graph) if isinstance(e, Eqn) and _makes_positions(e)):
            for extent in (a.extent for a in eqn.reduced):
                if extent.value is None or extent.value > 1 << 24:
                    found.setdefault(dim_spec(extent), eqn.origin.spans[0].line if eqn.origin.spans else 0)
    return tuple(found.items())


def _makes_positions(eqn: Eqn) -> bool:
    return eqn.reduce in ("argmax", "argmin") or ranking(eqn) is not None


def _may_be_negative(dim: Dim) -> bool:
    atoms = (atom for monomial, _ in dim.terms for atom, _ in monomial)
    return any(factor < 0 for _, factor in dim.terms) or any(
        isinstance(a, Quotient) and a.op == "//" and _may_be_negative(a.a) for a in atoms
    )


def literal(value: Any, indent: int = 0, width: int = 120) -> str:
    """A Python literal over as many lines as needed, always the same for the same value."""
    if isinstance(value, float) and value in (float("inf"), -float("inf")):
        return "1e999" if value > 0 else "-1e999"  # a literal that reads back as infinity
    flat = repr(value)
    if len(flat) + indent <= width or not isinstance(value, dict | tuple | list) or not value:
        return flat
    pad = " " * (indent + 4)
    if isinstance(value, dict):
        items = [f"{pad}{key!r}: {literal(item, indent + 4, width)}," for key, item in value.items()]
        return "{\n" + "\n".join(items) + "\n" + " " * indent + "}"
    items = [f"{pad}{literal(item, indent + 4, width)}," for item in value]
    opening, closing = ("(", ")") if isinstance(value, tuple) else ("[", "]")
    return opening + "\n" + "\n".join(items) + "\n" + " " * indent + closing
