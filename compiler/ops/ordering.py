"""Sorting. The rank of an element is how many come before it, an equation like any other; the sorted array is written at the
ranks, so that the gradient is read at them. That ranks take n log n steps is for the loops to see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..graph.bounds import never_negative
from ..graph.expr import arg, idx
from ..graph.ir import Axis, Ix, at
from ..graph.patterns import counted
from ..graph.rewrite import shape_axes
from ..graph.shapes import Dim
from .declare import Misfit, Operand, Option, Plan, Read, Step, define, operand_gather, plain
from .reductions import as_real, positions


def _ranks(x: Operand, name: str, options: Mapping[str, Any], descending: bool) -> tuple[list[Step], int, int]:
    """Steps that rank ``x``; the number of the array that was ranked, and the axis."""
    if not x.shape:
        raise Misfit("E205", f"{name} wants an array", labels=(0,))
    (k,) = positions((int(options["axis"]),), len(x.shape))
    steps = list(as_real(x).steps)
    source = len(steps)
    axes = shape_axes(x.shape)
    there = tuple(at("r0") if j == k else ix for j, ix in enumerate(plain(axes)))
    body = counted("r0", axes[k].name, descending, arg(0), arg(1))
    reads = (Read(source, there), Read(source, plain(axes)))
    steps.append(Step("rank", x.shape, (*axes, Axis("r0", x.shape[k])), plain(axes), reads, body, "+", "int", x.shape[k]))
    return steps, source, k


def _at_rank(x: Operand, rank: int, k: int) -> tuple[tuple[Axis, ...], tuple[Ix, ...]]:
    axes = shape_axes(x.shape)
    return axes, tuple(operand_gather(rank, plain(axes)) if j == k else ix for j, ix in enumerate(plain(axes)))


def _sort(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    (x,) = operands
    steps, source, k = _ranks(x, "sort", options, False)
    axes, index = _at_rank(x, len(steps), k)
    steps.append(Step("sort", x.shape, axes, index, (Read(source, plain(axes)),), arg(0), "+"))
    return Plan(tuple(steps))


def _argsort(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    (x,) = operands
    steps, _, k = _ranks(x, "argsort", options, False)
    axes, index = _at_rank(x, len(steps), k)
    steps.append(Step("argsort", x.shape, axes, index, (), idx(axes[k].name), "+", "int", x.shape[k]))
    return Plan(tuple(steps))


def _top_k(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    (x,) = operands
    count: Dim = options["k"]
    steps, source, k = _ranks(x, "top_k", options, True)
    if not never_negative(count):
        raise Misfit("E213", f"a size cannot be negative: {count}", at="k")
    if not never_negative(x.shape[k] - count):
        raise Misfit(
            "E210",
            f"there may be fewer than {count}",
            labels=(0,),
            at="k",
            notes=(f"axis {k} of {{0}} has {x.shape[k]} elements",),
        )
    axes, index = _at_rank(x, len(steps), k)
    shape = tuple(count if j == k else d for j, d in enumerate(x.shape))
    steps.append(Step("top_k", shape, axes, index, (Read(source, plain(axes)),), arg(0), "+", drop=True))
    return Plan(tuple(steps))


AXIS = Option("axis", "axis", -1, positional=False)

sort = define(
    "sort",
    "x[..., i] -> y[..., i]",
    family="ordering",
    arrays=("x",),
    options=(AXIS,),
    plan=_sort,
    doc="The elements along `axis` from the smallest to the largest, NaN last.",
    numpy=lambda np, x, axis=-1: np.sort(x, axis),
    samples=((-3.0, 3.0),),
)
argsort = define(
    "argsort",
    "x[..., i] -> y[..., i]",
    family="ordering",
    arrays=("x",),
    options=(AXIS,),
    kind="int",
    plan=_argsort,
    doc="The positions of the elements along `axis` from the smallest to the largest; equal ones keep their order.",
    numpy=lambda np, x, axis=-1: np.argsort(x, axis, kind="stable"),
    samples=((-3.0, 3.0),),
)
top_k = define(
    "top_k",
    "x[..., i] -> y[..., k]",
    family="ordering",
    arrays=("x",),
    options=(Option("k", "size", required=True), AXIS),
    plan=_top_k,
    doc="The `k` largest elements along `axis`, the largest first.",
    numpy=lambda np, x, k, axis=-1: np.flip(np.sort(x, axis), axis).take(np.arange(k), axis),
    samples=((-3.0, 3.0),),
)
