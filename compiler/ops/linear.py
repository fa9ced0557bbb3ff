"""The matrix product, with NumPy's rules for vectors and for stacks of matrices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..graph.expr import arg, make
from ..graph.ir import Axis, Ix, at, fixed
from ..graph.shapes import Shape
from .declare import Clash, Misfit, Operand, Plan, Read, Step, Wish, broadcast_shapes, define, out_axes, plain


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
    axes = out_axes(shape)
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
