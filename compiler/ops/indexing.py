"""Operations that move values and compute nothing: slices, transposes, reshapes, concatenation, gathers; and arrays made
from nothing. Each is one equation whose indices do the work."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from ..graph.bounds import never_negative
from ..graph.expr import ONE, ZERO, Expr, arg, const, dim, idx, make
from ..graph.ir import Axis, Ix, Kind, at, fixed, quotient, remainder
from ..graph.rewrite import shape_axes
from ..graph.shapes import Dim, Shape, size
from ..graph.shapes import show as show_shape
from ..records import dataclass
from .declare import Misfit, Operand, Option, Plan, Read, Step, define, operand_gather, plain

ONE_DIM = Dim.of(1)


def _kind(operands: tuple[Operand, ...]) -> Kind:
    """Moving keeps the kind; a mixture is real."""
    return operands[0].kind if all(o.kind == operands[0].kind for o in operands) else "real"


def _below(operands: tuple[Operand, ...]) -> Dim | None:
    return operands[0].below if all(o.below == operands[0].below for o in operands) else None


# ---------------------------------------------------------------- transpose


def _transpose(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    (x,) = operands
    rank = len(x.shape)
    order = [int(d.value) for d in options["axes"] if d.value is not None] or list(range(rank))[::-1]
    if sorted(k % rank if -rank <= k < rank else k for k in order) != list(range(rank)):
        raise Misfit(
            "E205",
            "these are not the axes of this array",
            labels=(0,),
            notes=(f"transpose wants each of the axes 0 to {rank - 1} once",),
        )
    order = [k % rank for k in order]
    if order == list(range(rank)):
        return Plan(())
    shape = tuple(x.shape[k] for k in order)
    axes = shape_axes(shape)
    index = tuple(at(axes[order.index(k)].name) for k in range(rank))
    return Plan((Step("transpose", shape, axes, plain(axes), (Read(0, index),), arg(0), kind=x.kind, below=x.below),))


transpose = define(
    "transpose",
    "x[i, j] -> y[j, i]",
    family="movement",
    arrays=("x",),
    options=(Option("axes", "sizes"),),
    plan=_transpose,
    doc="The axes in another order: the one given, as in `transpose(k, 0, 2, 1)`, or the reverse. `x.T` is `transpose(x)`.",
    numpy=lambda np, x, axes=(): np.transpose(x, axes or None),
    samples=((-3.0, 3.0),),
)


# ---------------------------------------------------------------- reshape


def _groups(old: Shape, new: Shape) -> list[tuple[range, range]]:
    """Runs of axes of either shape that hold the same number of elements: only these mix."""
    groups: list[tuple[range, range]] = []
    i = j = 0
    while i < len(old) or j < len(new):
        if i < len(old) and j < len(new) and old[i] == new[j]:
            di, dj = 1, 1
        elif i < len(old) and old[i].is_one():
            di, dj = 1, 0
        elif j < len(new) and new[j].is_one():
            di, dj = 0, 1
        else:
            di, dj = _shortest(old[i:], new[j:])
        groups.append((range(i, i + di), range(j, j + dj)))
        i, j = i + di, j + dj
    return groups


def _shortest(old: Shape, new: Shape) -> tuple[int, int]:
    for total in range(2, len(old) + len(new)):
        for di in range(1, min(total, len(old) + 1)):
            dj = total - di
            if dj <= len(new) and size(old[:di]) == size(new[:dj]):
                return di, dj
    return len(old), len(new)


def reshape_step(x: Operand, shape: Shape, op: str = "reshape") -> Step:
    axes = shape_axes(shape)
    extents = {a.name: a.extent for a in axes}
    index: list[Ix] = []
    for ours, theirs in _groups(x.shape, shape):
        linear, stride = Ix(), ONE_DIM
        for k in reversed(theirs):
            linear = linear + at(axes[k].name).scale(stride)
            stride = stride * shape[k]
        for n, k in enumerate(ours):
            stride = size(x.shape[k + 1 : ours.stop])
            part = quotient(linear, stride, extents)
            index.append(remainder(part, x.shape[k], extents) if n else part)
    return Step(op, shape, axes, plain(axes), (Read(0, tuple(index)),), arg(0), kind=x.kind, below=x.below)


def _reshape(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    (x,) = operands
    wanted: tuple[Dim, ...] = options["shape"]
    open_axes = [k for k, d in enumerate(wanted) if d.value == -1]
    if len(open_axes) > 1 or any(d.value is not None and d.value < -1 for d in wanted):
        raise Misfit("E207", "one -1 at most, and no other negative size", labels=(0,))
    total, shape = size(x.shape), list(wanted)
    if open_axes:
        known = size(tuple(d for d in wanted if d.value != -1))
        rest = total.divide_exactly(known) if known.terms else None
        if rest is None:
            raise Misfit(
                "E207",
                "this array cannot be given that shape",
                labels=(0,),
                notes=(f"its {total} elements do not divide by {known}",),
            )
        shape[open_axes[0]] = rest
    elif size(wanted) != total:
        raise Misfit(
            "E207",
            "this array cannot be given that shape",
            labels=(0,),
            notes=(f"it has {total} elements, and {show_shape(wanted)} has {size(wanted)}",),
        )
    return Plan((reshape_step(x, tuple(shape)),)) if tuple(shape) != x.shape else Plan(())


reshape = define(
    "reshape",
    "x[i...] -> y[j...]",
    family="movement",
    arrays=("x",),
    options=(Option("shape", "sizes", required=True),),
    plan=_reshape,
    doc="The same elements in another shape, sizes given one by one; one may be -1.",
    numpy=lambda np, x, shape: np.reshape(x, shape),
    samples=((-3.0, 3.0),),
)


# ---------------------------------------------------------------- slices


@dataclass(frozen=True)
class Piece:
    """One item in brackets: an index (``step`` None), a slice, the operand that holds integers (``gather``), or a new axis of one
    element (``new``)."""

    start: Dim | None
    stop: Dim | None = None
    step: int | None = None
    gather: int | None = None
    new: bool = False


def _slice(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    x = operands[0]
    pieces: tuple[Piece, ...] = options["pieces"]
    taking = [k for k, piece in enumerate(pieces) if not piece.new]
    if len(taking) > len(x.shape):
        has = "is a scalar" if not x.shape else "has one axis" if len(x.shape) == 1 else f"has {len(x.shape)} axes"
        notes = (f"{{0}} {has}",)
        raise Misfit("E206", "there are more indices than axes", labels=(0,), notes=notes, at=f"item {taking[len(x.shape)]}")
    pieces += (Piece(None, None, 1),) * (len(x.shape) - len(taking))
    shape: list[Dim] = []
    index: list[Ix] = []
    fill: Fraction | str | None = None
    extents = iter(x.shape)
    for k, piece in enumerate(pieces):
        place = f"item {k}"
        if piece.new:
            shape.append(Dim.of(1))
            continue
        extent = next(extents)
        if piece.gather is not None:
            y = operands[piece.gather]
            check_gather(y, extent, 0, piece.gather, place)
            first = len(shape)
            shape.extend(y.shape)
            index.append(operand_gather(piece.gather, tuple(at(f"i{first + m}") for m in range(len(y.shape)))))
        elif piece.step is None:
            assert piece.start is not None
            position, inside = _position(piece.start, extent, place)
            if not inside:
                fill = "nan" if x.kind == "real" else Fraction(0)
            index.append(fixed(position))
        else:
            begin, count, inside = _span(piece, extent, place)
            if not inside:
                fill = "nan" if x.kind == "real" else Fraction(0)
            index.append(at(f"i{len(shape)}").scale(Dim.of(piece.step)) + fixed(begin))
            shape.append(count)
    axes = shape_axes(tuple(shape))
    return Plan(
        (Step("slice", tuple(shape), axes, plain(axes), (Read(0, tuple(index), fill),), arg(0), kind=x.kind, below=x.below),)
    )


def _position(index: Dim, extent: Dim, where: str) -> tuple[Dim, bool]:
    """Where an index points, counted from the front, and whether it is certainly inside.

    An index into an axis of a free size may be outside at run time: such a read gives NaN.
    """
    if index.value is not None and index.value < 0:
        index = extent + index
    high, low = extent - 1 - index, index
    if (low.value is not None and low.value < 0) or (high.value is not None and high.value < 0):
        raise Misfit(
            "E206", "this index is outside", labels=(0,), notes=(f"the axis has {extent} elements: 0 to {extent - 1}",), at=where
        )
    return index, never_negative(low) and never_negative(high)


def _span(piece: Piece, extent: Dim, where: str) -> tuple[Dim, Dim, bool]:
    """First position and number of positions of a slice, as Python counts them, and whether all are certainly inside.

    A slice between sizes, ``x[:T]``, asks for so many places, and a call in which the axis has fewer is an error.
    """
    step = piece.step
    assert step is not None
    bounds = [None if b is None else b.value for b in (piece.start, piece.stop)]
    known = all(b is None or v is not None for b, v in zip((piece.start, piece.stop), bounds, strict=True))
    if extent.value is not None and known:
        start, stop, _ = slice(bounds[0], bounds[1], step).indices(extent.value)
        return Dim.of(start), Dim.of(len(range(start, stop, step))), True

    def clamp(b: Dim | None, default: Dim) -> Dim:
        if b is None:
            return default
        if b.value is None and never_negative(-b):  # -T, which is 0 where T is, and then does not count from the end
            raise _undecided(extent, where, f"write {extent + b} for {b}")
        return extent + b if b.value is not None and b.value < 0 else b

    if step > 0:
        begin, end = clamp(piece.start, Dim.of(0)), clamp(piece.stop, extent)
        end = extent if never_negative(end - extent) else end
        inside = never_negative(begin) and never_negative(extent - end)
        offcut = end == extent and never_negative(begin)  # x[2:], whose length is N - 2
        front = begin.value == 0 and (extent - end).value is not None  # x[:-2]
        asked = end.value is None and never_negative(begin) and not never_negative(-end)  # x[:T]
        if not (inside or offcut or front or asked):
            raise _undecided(extent, where)
        span = end - begin
        return begin, span if step == 1 else (span + (step - 1)) // step, inside or offcut or front
    if piece.stop is not None:
        raise _undecided(extent, where)
    begin = clamp(piece.start, extent - 1)
    if not never_negative(extent - 1 - begin):
        raise _undecided(extent, where)
    return begin, (begin + 1) if step == -1 else (begin + 1 + (-step - 1)) // -step, True


def _undecided(
    extent: Dim, where: str, help: str = "give the size a value, or count from both ends as in x[1:-1]"
) -> Misfit:
    return Misfit(
        "E210",
        "how much this slice takes is not known when the module is compiled",
        labels=(0,),
        at=where,
        notes=(f"the axis has {extent} elements, which may be fewer than the slice asks for",),
        help=(help,),
    )


def check_gather(y: Operand, extent: Dim, array: int, chooser: int, where: str) -> None:
    if y.kind != "int":
        raise Misfit(
            "E241",
            "an index must be made of integers",
            labels=(chooser,),
            at=where,
            notes=(f"{{{chooser}}} holds {'booleans' if y.kind == 'bool' else 'reals'}",),
            help=(f"declare it as `index {{{chooser}}}[...] < {extent}`",),
        )
    if y.below is None or not never_negative(extent - y.below):
        most = "values that are not bounded" if y.below is None else f"values below {y.below}"
        raise Misfit(
            "E214",
            "this index may be outside",
            labels=(array,),
            at=where,
            notes=(f"{{{chooser}}} has {most}, and the axis of {{{array}}} has {extent} elements",),
        )


slice_ = define(
    "slice",
    "x[i...] -> y[j...]",
    family="movement",
    arrays=("x", "*y"),
    options=(),
    plan=_slice,
    hidden=True,
    doc="`x[1:3]`, `x[:, 0]`, `x[::-1]`, `x[:, None]`, `x[y]` with an index y: as in NumPy.",
    numpy=lambda np, x, item: np.asarray(x)[item],
    samples=((-3.0, 3.0),),
)


# ---------------------------------------------------------------- concat, stack, split


def _axis(options: Mapping[str, Any], rank: int) -> int:
    k = int(options["axis"])
    if not -rank <= k < rank:
        raise Misfit("E205", f"there is no axis {k}", at="axis")
    return k % rank


def _chain(axis: str, ends: list[Dim], count: int) -> Expr:
    """$0 up to ends[0], $1 up to ends[1]..."""
    body = arg(count - 1)
    for k in reversed(range(count - 1)):
        body = make("where", make("lt", idx(axis), dim(ends[k])), arg(k), body)
    return body


def _concat(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    rank = len(operands[0].shape)
    if rank == 0:
        raise Misfit("E208", "scalars cannot be joined by concat", labels=(0,), help=("stack(...) makes a vector of scalars",))
    axis = _axis(options, rank)
    total = Dim.of(0)
    ends: list[Dim] = []
    for n, operand in enumerate(operands):
        if len(operand.shape) != rank or any(k != axis and operand.shape[k] != operands[0].shape[k] for k in range(rank)):
            raise Misfit(
                "E208", "these shapes cannot be joined", labels=(0, n), notes=(f"all axes but axis {axis} must be equal",)
            )
        total = total + operand.shape[axis]
        ends.append(total)
    shape = (*operands[0].shape[:axis], total, *operands[0].shape[axis + 1 :])
    axes = shape_axes(shape)
    if len(operands) == 1:
        reads: tuple[Read, ...] = (Read(0, plain(axes)),)
    else:
        reads = tuple(
            Read(
                n,
                tuple(ix + fixed(o.shape[axis] - ends[n]) if k == axis else ix for k, ix in enumerate(plain(axes))),
                Fraction(0),
            )
            for n, o in enumerate(operands)
        )
    body = _chain(axes[axis].name, ends, len(operands))
    return Plan((Step("concat", shape, axes, plain(axes), reads, body, kind=_kind(operands), below=_below(operands)),))


def _stack(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    inner = operands[0].shape
    for n, operand in enumerate(operands):
        if operand.shape != inner:
            raise Misfit("E208", "only arrays of one shape can be stacked", labels=(0, n))
    axis = _axis(options, len(inner) + 1)
    shape = (*inner[:axis], Dim.of(len(operands)), *inner[axis:])
    axes = shape_axes(shape)
    index = tuple(ix for k, ix in enumerate(plain(axes)) if k != axis)
    ends = [Dim.of(k + 1) for k in range(len(operands))]
    body = _chain(axes[axis].name, ends, len(operands))
    reads = tuple(Read(n, index) for n in range(len(operands)))
    return Plan((Step("stack", shape, axes, plain(axes), reads, body, kind=_kind(operands), below=_below(operands)),))


def _split(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    (x,) = operands
    axis = _axis(options, len(x.shape))
    parts = options["parts"].value
    if parts is None or parts < 1:
        raise Misfit("E209", "the number of parts must be a number that is at least 1", at="parts")
    extent = x.shape[axis]
    part = extent.divide_exactly(parts)
    if part is None:
        raise Misfit(
            "E209",
            f"this axis does not divide into {parts} equal parts",
            labels=(0,),
            notes=(f"axis {axis} of {{0}} has {extent} elements",),
        )
    shape = (*x.shape[:axis], part, *x.shape[axis + 1 :])
    axes = shape_axes(shape)
    steps: list[Step] = []
    for n in range(parts):
        index = tuple(ix + fixed(part * n) if k == axis else ix for k, ix in enumerate(plain(axes)))
        steps.append(Step("split", shape, axes, plain(axes), (Read(0, index),), arg(0), kind=x.kind, below=x.below))
    return Plan(tuple(steps), several=True)


concat = define(
    "concat",
    "x[..., i], y[..., j] -> z[..., i + j]",
    family="movement",
    arrays=("*xs",),
    plan=_concat,
    options=(Option("axis", "axis", 0, positional=False),),
    doc="Arrays one after the other along `axis`.",
    numpy=lambda np, *xs, axis=0: np.concatenate(xs, axis),
    samples=((-3.0, 3.0), (-3.0, 3.0)),
)
stack = define(
    "stack",
    "x[i...], y[i...] -> z[2, i...]",
    family="movement",
    arrays=("*xs",),
    plan=_stack,
    options=(Option("axis", "axis", 0, positional=False),),
    doc="Arrays of one shape side by side along a new `axis`.",
    numpy=lambda np, *xs, axis=0: np.stack(xs, axis),
    samples=((-3.0, 3.0), (-3.0, 3.0)),
)
split = define(
    "split",
    "x[..., n*i] -> y[..., i], ...",
    family="movement",
    arrays=("x",),
    plan=_split,
    options=(Option("parts", "size", required=True), Option("axis", "axis", 0)),
    doc="`parts` equal pieces along `axis`, for `a, b = split(x, 2)`.",
    numpy=lambda np, x, parts, axis=0: np.split(np.asarray(x), parts, axis),
    samples=((-3.0, 3.0),),
)


# ---------------------------------------------------------------- gathers by label


def _pick(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    x, y = operands
    if not x.shape or x.shape[:-1] != y.shape:
        raise Misfit(
            "E203",
            "one integer is wanted for each row",
            labels=(0, 1),
            notes=("the second shape must be the first without its last axis",),
        )
    check_gather(y, x.shape[-1], 0, 1, "")
    axes = shape_axes(y.shape)
    index = (*plain(axes), operand_gather(1, plain(axes)))
    out = plain(axes)
    shape = y.shape
    if options["keepdims"]:
        axes = (*axes, Axis(f"i{len(axes)}", ONE_DIM))
        shape, out = (*shape, ONE_DIM), plain(axes)
    return Plan((Step("pick", shape, axes, out, (Read(0, index),), arg(0), kind=x.kind, below=x.below),))


def _one_hot(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    (y,) = operands
    classes: Dim = options["classes"]
    check = Operand(y.shape, y.kind, Dim.of(0))
    check_gather(check, classes, 0, 0, "")
    shape = (*y.shape, classes)
    axes = shape_axes(shape)
    body = make("eq", idx(axes[-1].name), arg(0))
    return Plan((Step("one_hot", shape, axes, plain(axes), (Read(0, plain(axes)[:-1]),), body, kind="bool"),))


def _pick_numpy(np: Any, x: Any, y: Any, keepdims: bool = False) -> Any:
    found = np.take_along_axis(np.asarray(x), np.asarray(y)[..., None], -1)
    return found if keepdims else found[..., 0]


pick = define(
    "pick",
    "x[i..., j], y[i...] -> z[i...]",
    family="gather",
    arrays=("x", "y"),
    plan=_pick,
    options=(Option("keepdims", "flag", False, positional=False),),
    doc="From each row the element that the index y names: x[n, y[n]].",
    numpy=_pick_numpy,
    samples=((-3.0, 3.0),),
)
one_hot = define(
    "one_hot",
    "y[i...] -> z[i..., classes]",
    family="gather",
    arrays=("y",),
    plan=_one_hot,
    options=(Option("classes", "size", required=True),),
    kind="bool",
    doc="Booleans that are true where the position along a new last axis is y.",
    numpy=lambda np, y, classes: np.arange(classes) == np.asarray(y)[..., None],
    samples=(),
)


# ---------------------------------------------------------------- from nothing


def _filled(name: str, value: Expr) -> Any:
    def plan(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
        shape: Shape = options["shape"]
        _sized(shape)
        axes = shape_axes(shape)
        return Plan((Step(name, shape, axes, plain(axes), (), value),))

    return plan


def _sized(shape: Shape) -> None:
    for d in shape:
        if d.value is not None and d.value < 0:
            raise Misfit("E213", f"a size cannot be negative: {d}")


def _eye(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    shape: Shape = (options["n"], options["n"])
    _sized(shape)
    axes = shape_axes(shape)
    body = make("where", make("eq", idx("i0"), idx("i1")), const(1), const(0))
    return Plan((Step("eye", shape, axes, plain(axes), (), body),))


zeros = define(
    "zeros",
    "-> y[i...]",
    family="made",
    arrays=(),
    options=(Option("shape", "sizes"),),
    plan=_filled("zeros", ZERO),
    doc="Zeros, of the sizes given one by one: `zeros(N, H)`.",
    numpy=lambda np, shape=(): np.zeros(shape),
)
ones = define(
    "ones",
    "-> y[i...]",
    family="made",
    arrays=(),
    options=(Option("shape", "sizes"),),
    plan=_filled("ones", ONE),
    doc="Ones, of the sizes given one by one.",
    numpy=lambda np, shape=(): np.ones(shape),
)
eye = define(
    "eye",
    "-> y[i, j]",
    family="made",
    arrays=(),
    options=(Option("n", "size", required=True),),
    plan=_eye,
    doc="The unit matrix with n rows.",
    numpy=lambda np, n: np.eye(n),
)
