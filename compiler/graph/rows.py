"""Whether the rows of a batch need one another: whether results for some rows are the same without the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from .expr import Expr
from .ir import Eqn, Gather, Graph, Ix, Scan, Value, outs
from .shapes import Dim


def rows_need_another(graph: Graph, batch: str, wanted: Sequence[str], training: str | None) -> bool:
    """Whether an element of the values ``wanted`` may depend on the place of its row among ``batch`` rows, on their number, or on
    what is in others, in a call that does not train. What cannot be told counts as a yes."""
    values, needed = graph.values(), set(wanted)
    rows = Dim.of(batch)
    if any(_odd(values[name], rows, batch) for name in wanted):
        return True
    for eqn in reversed(graph.eqns):
        if not any(out.name in needed for out in outs(eqn)):
            continue
        if isinstance(eqn, Scan):
            of_body = dict(zip((*eqn.initial, *eqn.slices, *eqn.captured), eqn.body.inputs, strict=True))
            inner = of_body[training].name if training in of_body else None
            if batch in eqn.axis.extent.free() or rows_need_another(eqn.body, batch, eqn.body.outputs, inner):
                return True
            needed.update(eqn.reads())
        else:
            read = _reads(eqn, training)
            odd = any(_odd(values[name], rows, batch) for name in (eqn.out.name, *read))
            if odd or _mixes(eqn, values, rows, batch, training):
                return True
            needed.update(read)
    return False


def _odd(value: Value, rows: Dim, batch: str) -> bool:
    """Whether the batch is in a shape otherwise than as one axis of its own."""
    mentioning = [dim for dim in value.shape if batch in dim.free()]
    return len(mentioning) > 1 or any(dim != rows for dim in mentioning)


def _mixes(eqn: Eqn, values: Mapping[str, Value], rows: Dim, batch: str, training: str | None) -> bool:
    """Whether an equation reads another row than the one that it writes, or what row it is."""
    axes = [axis.name for axis in eqn.axes if batch in axis.extent.free()]
    nodes = list(_looked_at(eqn, eqn.body, training))
    if any(isinstance(node.value, Dim) and batch in node.value.free() for node in nodes):
        return True
    if len(axes) > 1 or (axes and rows not in eqn.out.shape) or any(node.op == "idx" and node.value in axes for node in nodes):
        return True
    read = {node.place for node in nodes if node.op == "arg"}
    return any(
        _moves(index, values[name].shape, axes, rows, batch)
        for name, index in ((eqn.out.name, eqn.out_index), *((a.value, a.index) for k, a in enumerate(eqn.args) if k in read))
    ) or any(
        _moves(gather.index, values[gather.value].shape, axes, rows, batch)
        for index in (eqn.out_index, *(a.index for k, a in enumerate(eqn.args) if k in read))
        for ix in index for gather in ix.gathers()
    )  # fmt: skip


def _moves(index: Sequence[Ix], shape: Sequence[Dim], axes: Sequence[str], rows: Dim, batch: str) -> bool:
    """Whether an index is not the row's own where there are rows, or has to do with rows where there are none."""
    for ix, dim in zip(index, shape, strict=True):
        if dim == rows:
            if ix.plain is None or ix.plain not in axes:
                return True
        elif _names(ix) & {batch, *axes}:
            return True
    return False


def _names(ix: Ix) -> frozenset[str]:
    """The axes and sizes in an index, but for those that say which integer of an array is meant."""
    found = ix.const.free()
    for atom, factor in ix.terms:
        found |= factor.free()
        if isinstance(atom, str):
            found |= {atom}
        elif not isinstance(atom, Gather):
            found |= _names(atom.a) | atom.b.free()
    return found


def _reads(eqn: Eqn, training: str | None) -> set[str]:
    """The values that an equation reads in a call that does not train."""
    accesses = [eqn.args[node.place] for node in _looked_at(eqn, eqn.body, training) if node.op == "arg"]
    indices = [ix for access in accesses for ix in access.index]
    return {access.value for access in accesses} | {g.value for ix in (*indices, *eqn.out_index) for g in ix.gathers()}


def _looked_at(eqn: Eqn, node: Expr, training: str | None) -> Iterator[Expr]:
    """The nodes of an expression without what is taken in training alone."""
    seen: set[Expr] = set()
    ahead = [node]
    while ahead:
        node = ahead.pop()
        if node in seen:
            continue
        seen.add(node)
        yield node
        test = node.args[0] if node.op == "where" else None
        in_training = test is not None and test.op == "arg" and eqn.args[test.place].value == training
        ahead += node.args[2:] if in_training else node.args
