"""More operations that move values: flips, rolls, padding, repetition, triangles, diagonals. Each is one equation whose
indices do the work, so that its adjoint is the same equation read the other way."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from ..graph.bounds import never_negative
from ..graph.expr import ZERO, add, arg, const, dim, idx, make, mul, sub
from ..graph.ir import Ix, at, fixed, quotient, remainder
from ..graph.rewrite import shape_axes
from ..graph.shapes import Dim, size
from .declare import Misfit, Operand, Option, Plan, Read, Step, define, plain
from .indexing import ONE_DIM, reshape_step
from .reductions import positions


def _moved(op: str, x: Operand, shape: tuple[Dim, ...], index: tuple[Ix, ...], fill: Fraction | str | None = None) -> Plan:
    axes = shape_axes(shape)
    return Plan((Step(op, shape, axes, plain(axes), (Read(0, index, fill),), arg(0), kind=x.kind, below=x.below),))


def _one_axis(options: Mapping[str, Any], rank: int, name: str) -> int | None:
    axis = options["axis"]
    if axis is None:
        return None
    if len(axis) != 1:
        raise Misfit("E205", f"{name} works along one axis", at="axis")
    return positions(axis, rank)[0]


# ---------------------------------------------------------------- flip, roll


def _flip(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    (x,) = operands
    over = positions(options["axis"], len(x.shape))
    if not over:
        return Plan(())
    index = tuple(at(f"i{k}").scale(Dim.of(-1)) + fixed(d - 1) if k in over else at(f"i{k}") for k, d in enumerate(x.shape))
    return _moved("flip", x, x.shape, index)


def _roll(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    (x,) = operands
    shift: Dim = options["shift"]
    k = _one_axis(options, len(x.shape), "roll")
    if k is None:
        if len(x.shape) != 1:
            raise Misfit("E205", "roll wants to know the axis", labels=(0,), help=("roll({0}, 1, axis=0)",))
        k = 0
    n = x.shape[k]
    if n.value is not None and shift.value is not None:
        shift = Dim.of(shift.value % n.value if n.value else 0)
    # i - shift, made positive by multiples of n: C's remainder of a negative number is negative
    if never_negative(shift):
        ahead = shift * (n - 1)
    elif never_negative(-shift):
        ahead = -shift
    else:
        raise Misfit("E210", "whether this shift is forwards or backwards is not known", at="shift")
    axes = shape_axes(x.shape)
    index = list(plain(axes))
    if ahead.terms and not n.is_one():
        index[k] = remainder(index[k] + fixed(ahead), n, {a.name: a.extent for a in axes})
    return _moved("roll", x, x.shape, tuple(index))


flip = define(
    "flip",
    "x[i...] -> y[i...]",
    family="movement",
    arrays=("x",),
    options=(Option("axis", "axes", positional=False),),
    plan=_flip,
    doc="The elements in reverse order along `axis`, or along all axes.",
    numpy=lambda np, x, axis=None: np.flip(x, axis),
    samples=((-3.0, 3.0),),
)
roll = define(
    "roll",
    "x[..., i] -> y[..., i]",
    family="movement",
    arrays=("x",),
    options=(Option("shift", "size", required=True), Option("axis", "axes", positional=False)),
    plan=_roll,
    doc="The elements moved `shift` places on along `axis`; what leaves at the end comes in at the start.",
    numpy=lambda np, x, shift, axis=None: np.roll(x, shift, axis),
    samples=((-3.0, 3.0),),
)


# ---------------------------------------------------------------- pad


def _pad(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    (x,) = operands
    shape, widths = options["widths"]
    rank = len(x.shape)
    whole = [int(w) for w in widths if w.denominator == 1 and w >= 0]
    if len(whole) != len(widths):
        raise Misfit("E213", "the widths of a border are whole numbers from 0 on", at="widths")
    if shape in ((), (1,)):
        pairs = [(whole[0], whole[0])] * rank
    elif shape == (2,):
        pairs = [(whole[0], whole[1])] * rank
    elif shape == (rank, 2):
        pairs = [(whole[2 * k], whole[2 * k + 1]) for k in range(rank)]
    elif shape == (1, 2):
        pairs = [(whole[0], whole[1])] * rank
    else:
        raise Misfit(
            "E213",
            "these are not the widths of a border",
            labels=(0,),
            at="widths",
            notes=(f"pad takes one number, or [before, after], or one such pair for each of the {rank} axes of {{0}}",),
        )
    if not any(before or after for before, after in pairs):
        return Plan(())
    fill = options["constant_values"]
    kind = x.kind if fill == 0 and x.kind != "bool" else "real"
    out = tuple(d + before + after for d, (before, after) in zip(x.shape, pairs, strict=True))
    axes = shape_axes(out)
    index = tuple(ix + fixed(-before) for ix, (before, _) in zip(plain(axes), pairs, strict=True))
    below = x.below if kind == "int" else None
    return Plan((Step("pad", out, axes, plain(axes), (Read(0, index, fill),), arg(0), kind=kind, below=below),))


pad = define(
    "pad",
    "x[i...] -> y[b + i + a...]",
    family="movement",
    arrays=("x",),
    options=(Option("widths", "numbers", required=True), Option("constant_values", "number", 0, positional=False)),
    plan=_pad,
    doc="`x` with a border of `constant_values`: `pad(x, 1)` on all sides, `pad(x, [1, 2])` 1 before and 2 after on each axis, "
    "`pad(x, [[0, 0], [1, 2]])` for each axis its own.",
    numpy=lambda np, x, widths, constant_values=0: np.pad(x, widths, constant_values=constant_values),
    samples=((-3.0, 3.0),),
)


# ---------------------------------------------------------------- tile, repeat


def _count(dim: Dim, name: str) -> Dim:
    if not never_negative(dim):
        raise Misfit("E213", f"the number of repetitions cannot be negative: {dim}", at=name)
    return dim


def _tile(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    (x,) = operands
    reps = tuple(_count(d, "reps") for d in options["reps"])
    rank = max(len(reps), len(x.shape))
    inner = (ONE_DIM,) * (rank - len(x.shape)) + x.shape
    reps = (ONE_DIM,) * (rank - len(reps)) + reps
    shape = tuple(d * r for d, r in zip(inner, reps, strict=True))
    axes = shape_axes(shape)
    extents = {a.name: a.extent for a in axes}
    index = [ix if r.is_one() else remainder(ix, d, extents) for ix, d, r in zip(plain(axes), inner, reps, strict=True)]
    if shape == x.shape:
        return Plan(())
    return _moved("tile", x, shape, tuple(index[rank - len(x.shape) :]))


def _repeat(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    (x,) = operands
    repeats = _count(options["repeats"], "repeats")
    k = _one_axis(options, len(x.shape), "repeat")
    before: tuple[Step, ...] = ()
    source = 0
    if k is None:
        k = 0
        if len(x.shape) != 1:
            before = (reshape_step(x, (size(x.shape),)),)
            source, x = 1, Operand(before[0].shape, x.kind, x.below)
    shape = tuple(d * repeats if j == k else d for j, d in enumerate(x.shape))
    axes = shape_axes(shape)
    index = list(plain(axes))
    if not repeats.is_one():
        index[k] = quotient(index[k], repeats, {a.name: a.extent for a in axes}) if repeats.value != 0 else fixed(0)
    elif not before:
        return Plan(())
    step = Step("repeat", shape, axes, plain(axes), (Read(source, tuple(index)),), arg(0), kind=x.kind, below=x.below)
    return Plan((*before, step))


tile = define(
    "tile",
    "x[i...] -> y[r*i...]",
    family="movement",
    arrays=("x",),
    options=(Option("reps", "sizes", required=True),),
    plan=_tile,
    doc="The whole array so many times along each axis, given one by one: `tile(x, 2, 1)`.",
    numpy=lambda np, x, reps: np.tile(x, reps),
    samples=((-3.0, 3.0),),
)
repeat = define(
    "repeat",
    "x[..., i] -> y[..., r*i]",
    family="movement",
    arrays=("x",),
    options=(Option("repeats", "size", required=True), Option("axis", "axes", positional=False)),
    plan=_repeat,
    doc="Each element `repeats` times in a row along `axis`; without `axis` those of the flattened array.",
    numpy=lambda np, x, repeats, axis=None: np.repeat(x, repeats, axis),
    samples=((-3.0, 3.0),),
)


# ---------------------------------------------------------------- triangles and diagonals


def _triangle(name: str, upper: bool) -> Any:
    def plan(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
        (x,) = operands
        if len(x.shape) < 2:
            raise Misfit("E205", f"{name} wants a matrix", labels=(0,))
        k: Dim = options["k"] if isinstance(options["k"], Dim) else Dim.of(int(options["k"]))
        axes = shape_axes(x.shape)
        row, column = idx(axes[-2].name), idx(axes[-1].name)

        edge = add(row, dim(k))
        inside = make("ge" if upper else "le", column, edge)
        body = make("and", inside, arg(0)) if x.kind == "bool" else make("where", inside, arg(0), ZERO)
        return Plan((Step(name, x.shape, axes, plain(axes), (Read(0, plain(axes)),), body, kind=x.kind, below=x.below),))

    return plan


def _diag(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    (x,) = operands
    if len(x.shape) == 1:
        shape = (x.shape[0], x.shape[0])
        axes = shape_axes(shape)
        here = make("eq", idx("i0"), idx("i1"))
        body = make("and", here, arg(0)) if x.kind == "bool" else make("where", here, arg(0), ZERO)
        return Plan((Step("diag", shape, axes, plain(axes), (Read(0, (at("i0"),)),), body, kind=x.kind, below=x.below),))
    if len(x.shape) != 2:
        raise Misfit("E205", "diag wants a vector or a matrix", labels=(0,), help=('einsum("nii->ni", {0}) takes each diagonal',))
    return _moved("diag", x, (shorter(x),), (at("i0"), at("i0")))


def shorter(x: Operand) -> Dim:
    """The length of the diagonal of a matrix."""
    a, b = x.shape
    if never_negative(b - a):
        return a
    if never_negative(a - b):
        return b
    raise Misfit("E210", "how long this diagonal is is not known", labels=(0,), notes=(f"{a} or {b}, whichever is less",))


triu = define(
    "triu",
    "x[..., i, j] -> y[..., i, j]",
    family="movement",
    arrays=("x",),
    options=(Option("k", "size", 0),),
    plan=_triangle("triu", True),
    doc="The upper triangle, from the `k`-th diagonal on; zeros below it.",
    numpy=lambda np, x, k=0: np.triu(x, k),
    samples=((-3.0, 3.0),),
)
tril = define(
    "tril",
    "x[..., i, j] -> y[..., i, j]",
    family="movement",
    arrays=("x",),
    options=(Option("k", "size", 0),),
    plan=_triangle("tril", False),
    doc="The lower triangle, up to the `k`-th diagonal; zeros above it.",
    numpy=lambda np, x, k=0: np.tril(x, k),
    samples=((-3.0, 3.0),),
)
diag = define(
    "diag",
    "x[i] -> y[i, i], x[i, j] -> y[i]",
    family="movement",
    arrays=("x",),
    plan=_diag,
    doc="The matrix with the vector x on its diagonal, or the diagonal of the matrix x.",
    numpy=lambda np, x: np.diag(x),
    samples=((-3.0, 3.0),),
)


# ---------------------------------------------------------------- from nothing


def _arange(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    bounds: tuple[Dim, ...] = options["range"]
    if not 1 <= len(bounds) <= 3:
        raise Misfit("E281", "arange takes one to three sizes", help=("arange(N), arange(1, N + 1) or arange(0, 10, 2)",))
    start, stop = (Dim.of(0), bounds[0]) if len(bounds) == 1 else bounds[:2]
    step = 1 if len(bounds) < 3 else bounds[2].value
    if not step:
        raise Misfit("E213", "the step of a range is a number other than 0")
    span, stride = (stop - start, step) if step > 0 else (start - stop, -step)
    exact = span.divide_exactly(stride)
    count = exact if exact is not None else (span + (stride - 1)) // stride
    if count.value is not None:
        count = Dim.of(max(count.value, 0))

    axes = shape_axes((count,))
    body = add(dim(start), mul(const(step), idx("i0")))
    below = stop if step > 0 and never_negative(start) else None
    return Plan((Step("arange", (count,), axes, plain(axes), (), body, kind="int", below=below),))


def _linspace(operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Plan:
    for k, operand in enumerate(operands):
        if operand.shape:
            raise Misfit("E203", "linspace goes from one number to another", labels=(k,))

    count: Dim = options["num"]
    if not never_negative(count):
        raise Misfit("E213", f"a size cannot be negative: {count}", at="num")
    axes = shape_axes((count,))
    # both ends exactly; a single point is the start
    last = const(max(count.value - 1, 1)) if count.value is not None else make("max", dim(count - 1), const(1))
    t = make("div", idx("i0"), last)
    body = make("add", make("mul", arg(0), sub(const(1), t)), make("mul", arg(1), t))
    return Plan((Step("linspace", (count,), axes, plain(axes), (Read(0, ()), Read(1, ())), body),))


arange = define(
    "arange",
    "-> y[i]",
    family="made",
    arrays=(),
    options=(Option("range", "sizes", required=True),),
    plan=_arange,
    kind="int",
    doc="The integers 0 .. N-1 for `arange(N)`, or those of `arange(start, stop, step)`. They may serve as an index.",
    numpy=lambda np, range: np.arange(*range),
)
linspace = define(
    "linspace",
    "a, b -> y[i]",
    family="made",
    arrays=("start", "stop"),
    options=(Option("num", "size", required=True),),
    plan=_linspace,
    doc="`num` numbers at equal distances, from `start` to `stop`, both included.",
    numpy=lambda np, start, stop, num: np.linspace(start, stop, num),
    samples=((-3.0, 3.0), (-3.0, 3.0)),
)
