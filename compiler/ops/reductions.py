"""Operations that take axes away: sum, mean, var, std, norm, max, min, prod, all, any, argmax, argmin, logsumexp."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..graph.expr import ONE, ZERO, Expr, arg, call, const, dim, make
from ..graph.ir import Axis, Ix, Kind, Reduce, at
from ..graph.rewrite import shape_axes
from ..graph.shapes import Dim, Shape, size
from .declare import Misfit, Op, Operand, Option, Plan, Read, Step, define, plain

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
    axes = shape_axes(x.shape)
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
    axes = shape_axes(total.shape)
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


# ---------------------------------------------------------------- spread and length


def _spread(operand: Operand, options: Mapping[str, Any]) -> tuple[Step, ...]:
    """The mean of the squares of the distances from the mean: never the difference of two large numbers, which cancels."""
    over = positions(options["axis"], len(operand.shape))
    ddof = options["ddof"] if isinstance(options["ddof"], Dim) else Dim.of(int(options["ddof"]))
    keep = options["keepdims"]
    total = reduce_step("sum", operand, over, keep, "+", "real")
    count = dim(size(tuple(operand.shape[k] for k in over)))
    less = dim(size(tuple(operand.shape[k] for k in over)) - ddof)
    axes = shape_axes(total.shape)
    average = Step("mean", total.shape, axes, plain(axes), (Read(1, plain(axes)),), make("div", arg(0), count))
    squares = reduce_step("sum", operand, over, keep, "+", "real")
    away = make("square", make("sub", arg(0), arg(1)))
    here = squares.out_index
    reads = (squares.reads[0], Read(2, here))
    reduce: Reduce = "+" if over else ""
    squares = Step("sum", squares.shape, squares.axes, here, reads, away, reduce)
    if not over:
        total = Step("sum", total.shape, axes, plain(axes), (Read(0, plain(axes)),), arg(0))
    var = Step("var", total.shape, axes, plain(axes), (Read(3, plain(axes)),), make("div", arg(0), less))
    return total, average, squares, var


SPREAD = (*AXES, Option("ddof", "size", 0, positional=False))


def _var(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    return Plan(_spread(operands[0], options))


def _std(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    steps = _spread(operands[0], options)
    axes = shape_axes(steps[-1].shape)
    root = Step("std", steps[-1].shape, axes, plain(axes), (Read(4, plain(axes)),), call("sqrt", arg(0)))
    return Plan((*steps, root))


var = define(
    "var",
    "x[i..., r...] -> y[i...]",
    family="reduction",
    arrays=("x",),
    options=SPREAD,
    reduce="+",
    plan=_var,
    doc="Variance: the sum of (x - mean(x))**2 over the number of elements less `ddof`.",
    numpy=lambda np, x, **o: np.var(x, **o),
    samples=((-3.0, 3.0),),
)
std = define(
    "std",
    "x[i..., r...] -> y[i...]",
    family="reduction",
    arrays=("x",),
    options=SPREAD,
    reduce="+",
    plan=_std,
    doc="Standard deviation, sqrt(var(x)); where all elements are equal its gradient is 0.",
    numpy=lambda np, x, **o: np.std(x, **o),
    samples=((-3.0, 3.0),),
)


def _shrink(total: Expr) -> Expr:
    """A power of ten times which numbers of this size have squares that neither overflow nor underflow, in either real type, nor
    does its own square times such a number, which is in the gradient: 1 for all but extremes. It is constant almost everywhere,
    so that no derivative goes through it."""
    shrink: Expr = ONE
    for edge, power in (("1e18", "1e-20"), ("1e28", "1e-30"), ("1e120", "1e-210")):
        shrink = make("where", make("gt", total, const(edge)), const(power), shrink)
    for edge, power in (("1e-18", "1e20"), ("1e-28", "1e30"), ("1e-120", "1e210")):
        shrink = make("where", make("lt", total, const(edge)), const(power), shrink)
    return shrink


def _norm(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    (x,) = operands
    over = positions(options["axis"], len(x.shape))
    keep, order = options["keepdims"], options["ord"]
    if order not in (1, 2, "inf"):
        raise Misfit("E285", "ord is 1, 2 or inf", at="ord")
    first = reduce_step("norm", x, over, keep, "+", "real")
    size_of = call("abs", arg(0))
    axes, here = first.axes, first.out_index
    if not over:
        return Plan((Step("norm", first.shape, axes, here, first.reads, size_of),))
    if order == 1:
        return Plan((Step("norm", first.shape, axes, here, first.reads, size_of, "+"),))
    if order == "inf":
        _checked("max", x, over)
        return Plan((Step("norm", first.shape, axes, here, first.reads, size_of, "max"),))
    total = Step("sum", first.shape, axes, here, first.reads, size_of, "+")
    outer = shape_axes(first.shape)
    shrink = Step("shrink", first.shape, outer, plain(outer), (Read(1, plain(outer)),), _shrink(arg(0)))
    squares = Step(
        "sum", first.shape, axes, here, (first.reads[0], Read(2, here)), make("square", make("mul", arg(0), arg(1))), "+"
    )
    reads = (Read(2, plain(outer)), Read(3, plain(outer)))
    root = Step("norm", first.shape, outer, plain(outer), reads, make("div", call("sqrt", arg(1)), arg(0)))
    return Plan((total, shrink, squares, root))


def _norm_numpy(np: Any, x: Any, axis: Any = None, ord: Any = 2, keepdims: bool = False) -> Any:
    a = np.abs(np.asarray(x, float))
    if ord == 1:
        return np.sum(a, axis=axis, keepdims=keepdims)
    if ord != 2:
        return np.max(a, axis=axis, keepdims=keepdims)
    top = np.max(a, axis=axis, keepdims=True, initial=0)
    top = np.where((top == 0) | ~np.isfinite(top), 1, top)
    found = np.sqrt(np.sum((a / top) ** 2, axis=axis, keepdims=True)) * top
    return found if keepdims else np.squeeze(found, axis)


norm = define(
    "norm",
    "x[i..., r...] -> y[i...]",
    family="reduction",
    arrays=("x",),
    options=(*AXES, Option("ord", "number", 2, positional=False)),
    reduce="+",
    plan=_norm,
    doc="Length over all axes, or over `axis`: Euclidean, or with `ord=1` the sum and with `ord=inf` the largest of the absolute "
    "values. It neither overflows nor underflows where the length itself does not; at 0 its gradient is 0.",
    numpy=_norm_numpy,
    samples=((-3.0, 3.0),),
)


# ---------------------------------------------------------------- all, any


def _truth(name: str, doc: str, numpy: Callable[..., Any]) -> Op:
    def plan(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
        """How many there are against it, or for it: that of nothing is 0."""
        (x,) = operands
        over = positions(options["axis"], len(x.shape))
        count = reduce_step("sum", x, over, options["keepdims"], "+", "real")
        body = make("eq" if name == "all" else "ne", arg(0), ZERO)
        counted = Step("sum", count.shape, count.axes, count.out_index, count.reads, body, "+" if over else "")
        axes = shape_axes(count.shape)
        return Plan((counted, Step(name, count.shape, axes, plain(axes), (Read(1, plain(axes)),),
                                   make("eq" if name == "all" else "ne", arg(0), ZERO), kind="bool")))  # fmt: skip

    return define(
        name,
        "x[i..., r...] -> y[i...]",
        doc=doc,
        family="reduction",
        arrays=("x",),
        options=AXES,
        reduce="+",
        kind="bool",
        plan=plan,
        numpy=numpy,
        samples=((-3.0, 3.0),),
    )


all = _truth("all", "Whether all are true (other than 0), over all axes or over `axis`.", lambda np, x, **o: np.all(x, **o))
any = _truth(
    "any", "Whether one of them is true (other than 0), over all axes or over `axis`.", lambda np, x, **o: np.any(x, **o)
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
