"""Sums and products of everything up to a place. Each is one equation, ``y[i] = sum over j <= i of x[j]``, whose adjoint is
the sum from a place on; that such a sum is one running total is for the loops to see, and for NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..graph.expr import Expr, arg, const, idx, make
from ..graph.ir import Axis, Reduce, at
from ..graph.rewrite import shape_axes
from ..graph.shapes import size
from .declare import Misfit, Op, Operand, Option, Plan, Read, Step, define, plain
from .indexing import reshape_step
from .reductions import positions


def running_body(i: str, j: str, neutral: int, inner: Expr) -> Expr:
    """``inner`` where j <= i, elsewhere what changes nothing."""
    return make("where", make("le", idx(j), idx(i)), inner, const(neutral))


def _running(name: str, doc: str, reduce: Reduce, neutral: int, numpy: Callable[..., Any]) -> Op:
    def plan(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
        (x,) = operands
        axis = options["axis"]
        before: tuple[Step, ...] = ()
        source = 0
        if axis is None:
            axis = (0,)
            if len(x.shape) != 1:
                before = (reshape_step(x, (size(x.shape),)),)
                source, x = 1, Operand(before[0].shape, x.kind)
        if len(axis) != 1:
            raise Misfit("E205", f"{name} works along one axis", at="axis")
        (k,) = positions(axis, len(x.shape))
        axes = shape_axes(x.shape)
        index = tuple(at("r0") if j == k else ix for j, ix in enumerate(plain(axes)))
        body = running_body(axes[k].name, "r0", neutral, arg(0))
        read = Read(source, index)
        return Plan((*before, Step(name, x.shape, (*axes, Axis("r0", x.shape[k])), plain(axes), (read,), body, reduce)))

    return define(
        name,
        "x[..., i] -> y[..., i]",
        doc=doc,
        family="running",
        arrays=("x",),
        options=(Option("axis", "axes", positional=False),),
        reduce=reduce,
        plan=plan,
        numpy=numpy,
        samples=((-3.0, 3.0),),
    )


cumsum = _running(
    "cumsum",
    "Sum of all elements up to each place along `axis`; without `axis` of the flattened array.",
    "+",
    0,
    lambda np, x, axis=None: np.cumsum(x, axis),
)
cumprod = _running(
    "cumprod",
    "Product of all elements up to each place along `axis`; without `axis` of the flattened array. Zeros are no exception: "
    "the gradient is right with any number of them.",
    "*",
    1,
    lambda np, x, axis=None: np.cumprod(x, axis),
)
