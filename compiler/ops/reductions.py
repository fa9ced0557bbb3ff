"""Operations that take axes away: sum, mean, max, min, prod, argmax, argmin, logsumexp."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..graph.expr import arg, dim, make
from ..graph.ir import Axis, Ix, Kind, Reduce, at
from ..graph.shapes import Dim, Shape, size
from .declare import Misfit, Op, Operand, Option, Plan, Read, Step, define, out_axes, plain

AXES = (Option("axis", "axes", positional=False), Option("keepdims", "flag", False, positional=False))


def positions(axis: tuple[int, ...] | None, rank: int) -> tuple[int, ...]:
    """The axes named by ``axis``, counted from the front; all of them for None."""
    if axis is None:
        return tuple(range(rank))
    found: list[int] = []
    for k in axis:
        if not -rank <= k < rank:
            count = "no axes" if rank == 0 else "one axis" if rank == 1 else f"{rank} axes"
            raise Misfit("E205", f"there is no axis {k}", labels=(0,), notes=(f"{{0}} has {count}",), at="axis")
        if k % rank in found:
            raise Misfit("E205", f"axis {k} is given twice", labels=(0,), at="axis")
        found.append(k % rank)
    return tuple(found)


def reduce_step(name: str, operand: Operand, over: tuple[int, ...], keep: bool, reduce: Reduce, kind: Kind) -> Step:
    """One equation that reduces the axes ``over``; kept axes have extent 1."""
    out_shape: list[Dim] = []
    axes: list[Axis] = []
    out_index: list[Ix] = []
    reduced: list[Axis] = []
    index: list[Ix] = []
    for k, extent in enumerate(operand.shape):
        if k in over:
            axis = Axis(f"r{len(reduced)}", extent)
            reduced.append(axis)
            if keep:
                one = Axis(f"k{len(reduced) - 1}", Dim.of(1))
                axes.append(one)
                out_index.append(at(one.name))
                out_shape.append(Dim.of(1))
        else:
            axis = Axis(f"i{len(out_shape)}", extent)
            axes.append(axis)
            out_index.append(at(axis.name))
            out_shape.append(extent)
        index.append(at(axis.name))
    below = reduced[0].extent if kind == "int" else None
    return Step(
        name, tuple(out_shape), (*axes, *reduced), tuple(out_index), (Read(0, tuple(index)),), arg(0), reduce, kind, below
    )


def _checked(name: str, operand: Operand, over: tuple[int, ...]) -> None:
    if name in ("max", "min", "argmax", "argmin"):
        for k in over:
            if operand.shape[k].value == 0:
                raise Misfit("E215", f"the {name} of nothing does not exist", labels=(0,))


def as_real(x: Operand) -> Plan:
    """A reduction over no axes leaves the array as it is."""
    if x.kind == "real":
        return Plan(())
    axes = out_axes(x.shape)
    return Plan((Step("real", x.shape, axes, plain(axes), (Read(0, plain(axes)),), arg(0)),))


def _reduction(name: str, doc: str, reduce: Reduce, numpy: Callable[..., Any], samples: tuple[float, float] = (-3.0, 3.0)) -> Op:
    def plan(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
        (x,) = operands
        over = positions(options["axis"], len(x.shape))
        _checked(name, x, over)
        if not over:
            return as_real(x)
        return Plan((reduce_step(name, x, over, options["keepdims"], reduce, "real"),))

    return define(
        name,
        "x[i..., r...] -> y[i...]",
        doc=doc,
        family="reduction",
        arrays=("x",),
        options=AXES,
        reduce=reduce,
        plan=plan,
        numpy=numpy,
        samples=(samples,),
    )


sum = _reduction("sum", "Sum over all axes, or over `axis`.", "+", lambda np, x, **o: np.sum(x, **o))
prod = _reduction("prod", "Product over all axes, or over `axis`.", "*", lambda np, x, **o: np.prod(x, **o))
max = _reduction(
    "max",
    "Largest value; of two or more arrays, elementwise. The first of equals gets the gradient of a reduction.",
    "max",
    lambda np, x, **o: np.max(x, **o),
)
min = _reduction(
    "min",
    "Smallest value; of two or more arrays, elementwise. The first of equals gets the gradient of a reduction.",
    "min",
    lambda np, x, **o: np.min(x, **o),
)
logsumexp = _reduction(
    "logsumexp",
    "log(sum(exp(x))), evaluated safely.",
    "lse",
    lambda np, x, **o: np.logaddexp.reduce(np.asarray(x, float), **({"axis": None} | o)),
)


def _mean(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    (x,) = operands
    over = positions(options["axis"], len(x.shape))
    if not over:
        return as_real(x)
    total = reduce_step("sum", x, over, options["keepdims"], "+", "real")
    count: Shape = tuple(x.shape[k] for k in over)
    axes = out_axes(total.shape)
    return Plan(
        (total, Step("mean", total.shape, axes, plain(axes), (Read(1, plain(axes)),), make("div", arg(0), dim(size(count)))))
    )


mean = define(
    "mean",
    "x[i..., r...] -> y[i...]",
    family="reduction",
    arrays=("x",),
    options=AXES,
    reduce="+",
    plan=_mean,
    doc="Arithmetic mean over all axes, or over `axis`; the mean of nothing is NaN.",
    numpy=lambda np, x, **o: np.mean(x, **o),
    samples=((-3.0, 3.0),),
)


def _arg(name: str, doc: str, reduce: Reduce, numpy: Callable[..., Any]) -> Op:
    def plan(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
        (x,) = operands
        axis = options["axis"]
        if axis is None and len(x.shape) != 1:
            from .indexing import reshape_step

            flat = reshape_step(x, (size(x.shape),))
            step = reduce_step(name, Operand(flat.shape), (0,), False, reduce, "int")
            return Plan(
                (
                    flat,
                    Step(
                        step.op,
                        step.shape,
                        step.axes,
                        step.out_index,
                        (Read(1, step.reads[0].index),),
                        step.body,
                        reduce,
                        "int",
                        step.below,
                    ),
                )
            )
        if axis is not None and len(axis) != 1:
            raise Misfit("E205", f"{name} works along one axis", at="axis")
        over = positions(axis, len(x.shape))
        _checked(name, x, over)
        return Plan((reduce_step(name, x, over, options["keepdims"], reduce, "int"),))

    return define(
        name,
        "x[i..., r] -> y[i...]",
        doc=doc,
        family="reduction",
        arrays=("x",),
        options=AXES,
        reduce=reduce,
        kind="int",
        plan=plan,
        numpy=numpy,
        samples=((-3.0, 3.0),),
    )


argmax = _arg(
    "argmax", "Position of the largest value along `axis`, the first of equals.", "argmax", lambda np, x, **o: np.argmax(x, **o)
)
argmin = _arg(
    "argmin", "Position of the smallest value along `axis`, the first of equals.", "argmin", lambda np, x, **o: np.argmin(x, **o)
)
