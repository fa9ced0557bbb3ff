"""The matrix product, with NumPy's rules for vectors and for stacks of matrices, and its kin: einsum, outer, trace, cross."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..graph.expr import arg, make
from ..graph.ir import Axis, Ix, at, fixed, remainder
from ..graph.rewrite import shape_axes
from ..graph.shapes import Dim, Shape
from .declare import (
    Clash,
    Misfit,
    Operand,
    Option,
    Plan,
    Read,
    Step,
    Wish,
    broadcast_index,
    broadcast_shapes,
    define,
    misfit_broadcast,
    plain,
)


def _matmul(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    a, b = operands
    for k, operand in enumerate(operands):
        if not operand.shape:
            raise Misfit(
                "E204", "a matrix product wants vectors or matrices", labels=(k,), help=("use * for a product with a scalar",)
            )
    inner_a, inner_b = a.shape[-1], b.shape[-2] if len(b.shape) > 1 else b.shape[0]
    if inner_a != inner_b:
        which = "the only axis" if len(b.shape) == 1 else "the first axis" if len(b.shape) == 2 else "the last axis but one"
        left = "the only axis" if len(a.shape) == 1 else "the last axis"
        raise Misfit(
            "E204",
            "the shapes in this matrix product do not fit",
            labels=(0, 1),
            notes=(f"{left} of the left side, {inner_a}, must equal {which} of the right side, {inner_b}",),
            wish=Wish(1, max(len(b.shape) - 2, 0), inner_a),
        )
    lead_a, lead_b = a.shape[:-2], b.shape[:-2]
    try:
        lead = broadcast_shapes((lead_a, lead_b))
    except Clash as clash:
        x, y = lead_a[-clash.back], lead_b[-clash.back]
        raise Misfit(
            "E204",
            "the stacks of matrices in this product do not fit",
            labels=(0, 1),
            notes=(f"an axis before the last two is {x} on the left and {y} on the right",),
        ) from None
    shape = (*lead, *((a.shape[-2],) if len(a.shape) > 1 else ()), *((b.shape[-1],) if len(b.shape) > 1 else ()))
    axes = shape_axes(shape)
    inner = Axis("r0", inner_a)
    count = len(lead)
    row: tuple[Ix, ...] = (at(axes[count].name),) if len(a.shape) > 1 else ()
    column: tuple[Ix, ...] = (at(axes[-1].name),) if len(b.shape) > 1 else ()

    def stack(own: Shape) -> tuple[Ix, ...]:
        start = count - len(own)
        return tuple(
            fixed(0) if d.is_one() and not axes[start + k].extent.is_one() else at(axes[start + k].name)
            for k, d in enumerate(own)
        )

    reads = (Read(0, (*stack(lead_a), *row, at("r0"))), Read(1, (*stack(lead_b), at("r0"), *column)))
    return Plan((Step("matmul", shape, (*axes, inner), plain(axes), reads, make("mul", arg(0), arg(1)), "+"),))


matmul = define(
    "matmul",
    "a[..., m, k], b[..., k, n] -> c[..., m, n]",
    family="linear",
    arrays=("a", "b"),
    reduce="+",
    body=lambda a, b: make("mul", a, b),
    plan=_matmul,
    numpy=lambda np, a, b: np.matmul(a, b),
    symbol="@",
    doc="Matrix product.",
    samples=((-3.0, 3.0), (-3.0, 3.0)),
)


# ---------------------------------------------------------------- einsum


def _letters(text: str, operands: tuple[Operand, ...]) -> tuple[list[list[str]], list[str], dict[str, Dim]]:
    """The label of each axis of each operand, those of the result, and their extents. The axes of an ellipsis are called
    "...1" for the last one, "...2" for the one before it."""

    def wrong(message: str, *labels: int, note: str = "") -> Misfit:
        return Misfit("E216", message, labels=labels, notes=(note,) if note else (), at="equation")

    left, arrow, right = text.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        a = "one array" if len(terms) == 1 else f"{len(terms)} arrays"
        b = "there is one" if len(operands) == 1 else f"there are {len(operands)}"
        raise wrong(f"the equation is about {a}, and {b}")
    labels: list[list[str]] = []
    extents: dict[str, Dim] = {}
    for k, (term, operand) in enumerate(zip(terms, operands, strict=True)):
        before, dots, after = term.partition("...")
        for c in before + after:
            if not c.isalpha():
                raise wrong(f"{c!r} cannot name an axis", note="axes are named by single letters")
        rank, named = len(operand.shape), len(before) + len(after)
        if named > rank or (named < rank and not dots):
            word = "axis" if named == 1 else "axes"
            raise wrong(f"{term or 'nothing'!r} names {named} {word}", k, note=f"{{{k}}} has {rank}")
        own = [*before, *(f"...{j}" for j in range(rank - named, 0, -1)), *after]
        labels.append(own)
        for d, c in zip(operand.shape, own, strict=True):
            known = extents.setdefault(c, d)
            if known == d or (c.startswith(".") and d.is_one()):
                continue
            if c.startswith(".") and known.is_one():
                extents[c] = d
                continue
            first = next(j for j, names in enumerate(labels) if c in names)
            raise wrong(f"the axis {c} has two different sizes", first, k, note=f"{known} and {d}")
    rest = sorted((c for c in extents if c.startswith(".")), key=lambda c: -int(c[3:]))
    if not arrow:
        flat = [c for own in labels for c in own if not c.startswith(".")]
        return labels, rest + sorted(c for c in set(flat) if flat.count(c) == 1), extents
    before, dots, after = right.partition("...")
    result = [*before, *(rest if dots else ()), *after]
    for c in before + after:
        if c not in extents:
            raise wrong(f"the result has an axis {c}, and no array has")
        if result.count(c) > 1:
            raise wrong(f"the result has the axis {c} twice")
    return labels, result, extents


def _contraction(op: str, numbers: list[int], labels: list[list[str]], operands: list[Operand], result: list[str],
                 extents: dict[str, Dim]) -> Step:  # fmt: skip
    """One equation: the sum over all axes that the result does not have of the product of the operands."""
    name = {c: f"i{k}" for k, c in enumerate(result)}
    over = [c for own in labels for c in own]
    summed = list(dict.fromkeys(c for c in over if c not in name))
    name |= {c: f"r{k}" for k, c in enumerate(summed)}
    shape = tuple(extents[c] for c in result)
    axes = (*shape_axes(shape), *(Axis(name[c], extents[c]) for c in summed))
    reads = tuple(
        Read(
            k,
            tuple(fixed(0) if d.is_one() and not extents[c].is_one() else at(name[c]) for c, d in zip(own, x.shape, strict=True)),
        )
        for k, own, x in zip(numbers, labels, operands, strict=True)
    )
    body = arg(0)
    for k in range(1, len(reads)):
        body = make("mul", body, arg(k))
    plain_copy = len(reads) == 1 and not summed
    return Step(op, shape, axes, plain(axes[: len(shape)]), reads, body, "+" if summed else "",
                kind=operands[0].kind if plain_copy else "real", below=operands[0].below if plain_copy else None)  # fmt: skip


def _einsum(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    labels, result, extents = _letters(options["equation"], operands)
    steps: list[Step] = []
    waiting: list[tuple[int, list[str], Operand]] = []

    def take(step: Step, own: list[str]) -> tuple[int, list[str], Operand]:
        steps.append(step)
        return len(operands) + len(steps) - 1, own, Operand(step.shape, step.kind, step.below)

    for k, (own, x) in enumerate(zip(labels, operands, strict=True)):
        others = {c for j, names in enumerate(labels) if j != k for c in names} | {*result}
        alone = [c for c in own if c not in others]
        if len(operands) > 1 and alone:  # summed before it is multiplied: a pass less over the grid
            kept = [c for c in dict.fromkeys(own) if c in others]
            waiting.append(take(_contraction("sum", [k], [own], [x], kept, extents), kept))
        else:
            waiting.append((k, own, x))
    while len(waiting) > 2:  # from left to right
        (a, names_a, x), (b, names_b, y), *rest = waiting
        needed = {c for _, own, _ in rest for c in own} | {*result}
        kept = [c for c in dict.fromkeys(names_a + names_b) if c in needed]
        waiting = [take(_contraction("einsum", [a, b], [names_a, names_b], [x, y], kept, extents), kept), *rest]
    numbers, names, arrays = ([w[0] for w in waiting], [w[1] for w in waiting], [w[2] for w in waiting])
    if len(waiting) == 1 and names[0] == result and len({*result}) == len(result):
        return Plan(tuple(steps))
    last = _contraction("einsum", numbers, names, arrays, result, extents)
    steps.append(_named(last, numbers, arrays))
    return Plan(tuple(steps))


def _named(step: Step, numbers: list[int], arrays: list[Operand]) -> Step:
    """The same equation as the operation of that name makes, where there is one."""
    if len(arrays) == 2:
        for order in ((0, 1), (1, 0)):
            first, second = (arrays[k] for k in order)
            for planner in (_matmul, _outer):
                try:
                    (other,) = planner((first, second), {}).steps
                except Misfit:
                    continue
                reads = tuple(replace(r, operand=numbers[order[r.operand]]) for r in other.reads)
                mine = step.reads if order == (0, 1) else step.reads[::-1]
                if (other.shape, other.axes, other.reduce, reads) == (step.shape, step.axes, step.reduce, mine):
                    return replace(other, reads=reads)
        return step
    if step.reduce == "+":
        return replace(step, op="sum")
    return replace(step, op="transpose" if len(step.shape) == len(arrays[0].shape) else "diagonal")


einsum = define(
    "einsum",
    '"ij,jk->ik", x[i, j], y[j, k] -> z[i, k]',
    family="linear",
    arrays=("*xs",),
    options=(Option("equation", "text", required=True),),
    plan=_einsum,
    reduce="+",
    doc="Einstein's sum: letters name the axes, those that the result lacks are summed over, `...` stands for any number of axes "
    "in front. Several arrays are multiplied from left to right.",
    numpy=lambda np, *xs, equation: np.einsum(equation, *xs),
    samples=((-3.0, 3.0), (-3.0, 3.0)),
)


# ---------------------------------------------------------------- outer, trace, cross


def _outer(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    for k, operand in enumerate(operands):
        if len(operand.shape) != 1:
            raise Misfit("E204", "outer wants two vectors", labels=(k,), help=(f"reshape({{{k}}}, -1) makes a vector",))
    shape = (operands[0].shape[0], operands[1].shape[0])
    axes = shape_axes(shape)
    reads = (Read(0, (at("i0"),)), Read(1, (at("i1"),)))
    return Plan((Step("outer", shape, axes, plain(axes), reads, make("mul", arg(0), arg(1))),))


def _trace(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    from .arranging import shorter

    (x,) = operands
    if len(x.shape) != 2:
        raise Misfit("E205", "trace wants a matrix", labels=(0,), help=('einsum("nii->n", {0}) takes the trace of each matrix',))
    reads = (Read(0, (at("r0"), at("r0"))),)
    return Plan((Step("trace", (), (Axis("r0", shorter(x)),), (), reads, arg(0), "+"),))


def _cross(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    for k, operand in enumerate(operands):
        if not operand.shape or operand.shape[-1].value != 3:
            raise Misfit("E203", "a cross product wants vectors of 3 elements", labels=(k,), notes=("along the last axis",))
    try:
        shape = broadcast_shapes(tuple(o.shape for o in operands))
    except Clash as clash:
        raise misfit_broadcast(operands, clash) from None
    axes = shape_axes(shape)
    here = {a.name: a.extent for a in axes}

    def read(operand: int, ahead: int) -> Read:
        lead = broadcast_index(operands[operand].shape, axes)[:-1]
        return Read(operand, (*lead, remainder(at(axes[-1].name) + fixed(ahead), Dim.of(3), here)))

    body = make("sub", make("mul", arg(0), arg(1)), make("mul", arg(2), arg(3)))
    return Plan((Step("cross", shape, axes, plain(axes), (read(0, 1), read(1, 2), read(0, 2), read(1, 1)), body),))


outer = define(
    "outer",
    "a[i], b[j] -> c[i, j]",
    family="linear",
    arrays=("a", "b"),
    plan=_outer,
    doc="All products of an element of a and one of b.",
    numpy=lambda np, a, b: np.outer(a, b),
    samples=((-3.0, 3.0), (-3.0, 3.0)),
)
trace = define(
    "trace",
    "x[i, i] -> y",
    family="linear",
    arrays=("x",),
    plan=_trace,
    reduce="+",
    doc="Sum of the diagonal.",
    numpy=lambda np, x: np.trace(x),
    samples=((-3.0, 3.0),),
)
cross = define(
    "cross",
    "a[..., 3], b[..., 3] -> c[..., 3]",
    family="linear",
    arrays=("a", "b"),
    plan=_cross,
    doc="Cross product of vectors of 3 elements, along the last axis.",
    numpy=lambda np, a, b: np.cross(a, b),
    samples=((-3.0, 3.0), (-3.0, 3.0)),
)
