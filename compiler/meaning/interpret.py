"""The graph executed by NumPy: what every equation means, by one rule and without the compiler's own arithmetic.

An equation is evaluated on the grid of its axes: each access becomes an array with one dimension for each axis (of
extent 1 where it does not depend on it), the body is evaluated by broadcasting, and the result is reduced or scattered.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any, Final

import numpy as np
from gradwright.runtime import special
from numpy.typing import DTypeLike, NDArray

from ..graph.expr import DRAWS, Expr, evaluate, is_drawn
from ..graph.ir import Access, Const, Eqn, Gather, Graph, Ix, Kind, Quot, Scan, Value, outs
from ..graph.shapes import Dim, Shape
from ..graph.shapes import show as show_shape

Array = NDArray[Any]


class InterpretError(ValueError):
    """The inputs do not fit the graph, or it asks for something that has no value (the max of nothing)."""


def run(
    graph: Graph,
    inputs: Mapping[str, Any],
    sizes: Mapping[str, int] | None = None,
    dtype: DTypeLike = np.float64,
) -> dict[str, Array]:
    """Every value of ``graph`` by name, given its inputs. Free sizes are read off the inputs' shapes unless given."""
    real = np.dtype(dtype)
    known = {v.name for v in graph.inputs}
    for name in inputs:
        if name not in known:
            raise InterpretError(f"{graph.name} has no input {name}")
    env: dict[str, Array] = {}
    for value in graph.inputs:
        if value.name not in inputs:
            raise InterpretError(f"the input {value.name} is missing")
        env[value.name] = _convert(np.asarray(inputs[value.name]), value.kind, real)
    known_sizes = infer_sizes(graph.inputs, {n: a.shape for n, a in env.items()}, sizes)
    with np.errstate(all="ignore"):
        _run(graph, env, known_sizes, real)
    return env


def infer_sizes(
    inputs: Sequence[Value], shapes: Mapping[str, tuple[int, ...]], given: Mapping[str, int] | None = None
) -> dict[str, int]:
    """The free sizes that make the declared shapes agree with the actual ones; InterpretError where none do."""
    sizes = dict(given or {})
    for value in inputs:
        if len(shapes[value.name]) != len(value.shape):
            raise InterpretError(f"{value.name} is {show_shape(value.shape)}, and was given {shapes[value.name]}")
    progress = True
    while progress:
        progress = False
        for value in inputs:
            for dim, number in zip(value.shape, shapes[value.name], strict=True):
                unknown = dim.free() - sizes.keys()
                if len(unknown) == 1:
                    (name,) = unknown
                    solved = _solve(dim, name, number, sizes)
                    if solved is not None:
                        sizes[name] = solved
                        progress = True
    for value in inputs:
        try:
            wanted = shape_numbers(value.shape, sizes)
        except KeyError as missing:
            raise InterpretError(f"the size {missing.args[0]} of {value.name} cannot be told from the inputs") from None
        if wanted != shapes[value.name]:
            raise InterpretError(f"{value.name} is {show_shape(value.shape)} = {wanted}, and was given {shapes[value.name]}")
    return sizes


def _solve(dim: Dim, name: str, number: int, sizes: Mapping[str, int]) -> int | None:
    """The ``name`` that makes ``dim`` equal ``number``, where dim is linear in it."""
    try:
        low, high = dim.evaluate({**sizes, name: 0}), dim.evaluate({**sizes, name: 1})
    except ZeroDivisionError:
        return None
    slope = high - low
    if slope == 0 or (number - low) % slope:
        return None
    solved = (number - low) // slope
    return solved if solved >= 0 and dim.evaluate({**sizes, name: solved}) == number else None


def shape_numbers(shape: Shape, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """A shape in numbers, for these free sizes."""
    return tuple(d.evaluate(sizes) for d in shape)


def _convert(array: Array, kind: Kind, real: np.dtype[Any]) -> Array:
    return np.asarray(array, dtype=real if kind == "real" else np.int64 if kind == "int" else np.bool_)


def _run(graph: Graph, env: dict[str, Array], sizes: Mapping[str, int], real: np.dtype[Any]) -> None:
    for const in graph.consts:
        env[const.value.name] = _const(const, sizes, real)
    for eqn in graph.eqns:
        results = (run_eqn(eqn, env, sizes, real),) if isinstance(eqn, Eqn) else _run_scan(eqn, env, sizes, real)
        for value, result in zip(outs(eqn), results, strict=True):
            wanted = shape_numbers(value.shape, sizes)
            if result.shape != wanted:
                raise InterpretError(f"{value.name} came out as {result.shape} where {wanted} is declared")
            env[value.name] = result


def _const(const: Const, sizes: Mapping[str, int], real: np.dtype[Any]) -> Array:
    data = np.array([float(x) for x in const.data]) if const.value.kind == "real" else np.array([int(x) for x in const.data])
    return _convert(data, const.value.kind, real).reshape(shape_numbers(const.value.shape, sizes))


def _run_scan(scan: Scan, env: Mapping[str, Array], sizes: Mapping[str, int], real: np.dtype[Any]) -> tuple[Array, ...]:
    steps = scan.axis.extent.evaluate(sizes)
    count = len(scan.initial)
    carries = [env[name] for name in scan.initial]
    names = [v.name for v in scan.body.inputs]
    stacked = [scan.outs[k] for k in scan.emits]
    stacks = [np.zeros(shape_numbers(v.shape, sizes), _convert(np.zeros(0), v.kind, real).dtype) for v in stacked]
    times = range(steps)
    if scan.limit:
        limit = int(env[scan.limit])
        times = times[steps - limit :] if scan.high else times[:limit]
    taken = 0
    for t in reversed(times) if scan.reverse else times:
        given = [*carries, *(env[name][t] for name in scan.slices), *(env[name] for name in scan.captured)]
        inner = {name: np.asarray(array) for name, array in zip(names, given, strict=True)}
        _run(scan.body, inner, sizes, real)
        results = [inner[name] for name in scan.body.outputs]
        carries = results[:count]
        for stack, emitted in zip(stacks, results[count:], strict=False):
            stack[t] = emitted
        taken += 1
        if scan.until and bool(results[-1]):
            break
    return (*carries, *stacks, *((np.asarray(taken),) if scan.until else ()))


# ---------------------------------------------------------------- one equation


def run_eqn(eqn: Eqn, env: Mapping[str, Array], sizes: Mapping[str, int], real: np.dtype[Any]) -> Array:
    """The value of one equation, given what it reads."""
    grid = _Grid(eqn, env, sizes)
    shape = shape_numbers(eqn.out.shape, sizes)
    reduced = tuple(k for k, axis in enumerate(eqn.axes) if axis in eqn.reduced)
    product = _contract(eqn, grid, reduced, real) if eqn.reduce == "+" else None
    if product is not None:
        value = product
    else:
        args = [grid.read(access) for access in eqn.args]
        value = _body(eqn.body, args, grid, real)
        if reduced:
            value = _reduce(eqn, np.broadcast_to(value, _broadened(value, grid.shape, reduced)), reduced, real)
    # from here on ``value`` has one dimension for each axis, of extent 1 for the reduced ones
    kept = tuple(1 if k in reduced else n for k, n in enumerate(grid.shape))
    names = _plain(eqn, grid, shape)
    if names is not None:
        order = [grid.position[n] for n in names]
        rest = [k for k in range(len(eqn.axes)) if k not in order]
        full = (value if value.shape == kept else np.broadcast_to(value, kept)).transpose(order + rest).reshape(shape)
        return np.array(_convert(full, eqn.out.kind, real))
    out = np.zeros(shape, _convert(np.zeros(0), eqn.out.kind, real).dtype)
    _scatter(eqn, grid, out, np.broadcast_to(value, kept), kept)
    return out


def _plain(eqn: Eqn, grid: _Grid, shape: tuple[int, ...]) -> tuple[str, ...] | None:
    """The output's axes where it is written plainly, compared by number: two sizes may agree without being proved to."""
    names = [ix.plain for ix in eqn.out_index]
    if None in names or len(set(names)) != len(names):
        return None
    if tuple(grid.shape[grid.position[n or ""]] for n in names) != shape:
        return None
    return tuple(n for n in names if n is not None)


def _broadened(value: Array, grid: tuple[int, ...], reduced: tuple[int, ...]) -> tuple[int, ...]:
    shape = value.shape if value.ndim else (1,) * len(grid)
    return tuple(grid[k] if k in reduced else n for k, n in enumerate(shape))


class _Grid:
    """The axes of one equation as numbers, and the accesses arranged over them."""

    def __init__(self, eqn: Eqn, env: Mapping[str, Array], sizes: Mapping[str, int]) -> None:
        self.eqn, self.env, self.sizes = eqn, env, sizes
        self.shape = tuple(axis.extent.evaluate(sizes) for axis in eqn.axes)
        self.position = {axis.name: k for k, axis in enumerate(eqn.axes)}

    def axis(self, name: str) -> Array:
        """The axis as a number at each point of the grid."""
        k = self.position[name]
        return np.arange(self.shape[k]).reshape([-1 if j == k else 1 for j in range(len(self.shape))])

    def index(self, ix: Ix) -> tuple[Array, Array]:
        """The index at each point of the grid, and whether the gathers in it are themselves inside."""
        total: Array = np.full((1,) * len(self.shape), ix.const.evaluate(self.sizes))
        good: Array = np.ones((1,) * len(self.shape), np.bool_)
        for atom, factor in ix.terms:
            if isinstance(atom, str):
                part = self.axis(atom)
            elif isinstance(atom, Gather):
                part, inside = self.gather(atom.value, atom.index)
                good = good & inside
            else:
                part, inside = self.index(atom.a)
                good = good & inside
                divisor = atom.b.evaluate(self.sizes)
                if part.size and divisor == 0:
                    raise InterpretError(f"{self.eqn.out.name}: an index divides by zero")
                part = part // divisor if isinstance(atom, Quot) else part % divisor
            total = total + part * factor.evaluate(self.sizes)
        return total, good

    def gather(self, value: str, index: tuple[Ix, ...]) -> tuple[Array, Array]:
        """``value[index]`` over the grid, and where that is inside; outside, something arbitrary."""
        array = self.env[value]
        good: Array = np.ones((1,) * len(self.shape), np.bool_)
        clipped: list[Array] = []
        for ix, extent in zip(index, array.shape, strict=True):
            number, inside = self.index(ix)
            good = good & inside & (number >= 0) & (number < extent)
            clipped.append(np.clip(number, 0, max(extent - 1, 0)))
        if not index:
            return array.reshape((1,) * len(self.shape)), good
        if array.size == 0:
            shape = np.broadcast_shapes(*(c.shape for c in clipped))
            return np.zeros(shape, array.dtype), good
        return array[tuple(clipped)], good

    def read(self, access: Access) -> Array:
        """The access as an array over the grid, of extent 1 along the axes that it does not depend on."""
        array = self.env[access.value]
        fill = None if access.fill is None else float(access.fill) if isinstance(access.fill, str) else access.fill
        if fill is not None and array.dtype != np.bool_ and isinstance(fill, float):
            array = array if array.dtype.kind == "f" else array.astype(np.float64)
        if all(isinstance(atom, str) for ix in access.index for atom, _ in ix.terms):
            return self._view(access, array, fill)
        value, inside = self.gather(access.value, access.index)
        if fill is not None:
            return np.where(inside, value, np.asarray(_as_number(fill, array), array.dtype))
        # a grid without points reads nothing, wherever its indices would point
        if 0 not in self.shape and not inside.all():
            raise InterpretError(f"{self.eqn.out.name}: {access} reads outside")
        return value

    def _view(self, access: Access, array: Array, fill: Fraction | float | None) -> Array:
        """A read whose indices are affine in the axes, without a copy; outside it is padded first."""
        rank = len(self.shape)
        used = {name for ix in access.index for name in ix.axes()}
        shape = tuple(n if axis.name in used else 1 for axis, n in zip(self.eqn.axes, self.shape, strict=True))
        if 0 in self.shape:
            return np.zeros(shape, array.dtype)
        base: list[int] = []
        steps: list[list[int]] = []  # for each dimension of the array, its index' factor of each axis
        before: list[int] = []
        after: list[int] = []
        for ix, extent in zip(access.index, array.shape, strict=True):
            factors = [0] * rank
            for atom, factor in ix.terms:
                assert isinstance(atom, str)
                factors[self.position[atom]] += factor.evaluate(self.sizes)
            start = ix.const.evaluate(self.sizes)
            low = start + sum(f * (n - 1) for f, n in zip(factors, self.shape, strict=True) if f < 0)
            high = start + sum(f * (n - 1) for f, n in zip(factors, self.shape, strict=True) if f > 0)
            before.append(max(0, -low))
            after.append(max(0, high + 1 - extent))
            base.append(start + before[-1])
            steps.append(factors)
        if any(before) or any(after):
            if fill is None:
                raise InterpretError(f"{self.eqn.out.name}: {access} reads outside")
            room = tuple(n + b + a for n, b, a in zip(array.shape, before, after, strict=True))
            padded = np.full(room, _as_number(fill, array), array.dtype)
            padded[tuple(slice(b, b + n) for b, n in zip(before, array.shape, strict=True))] = array
            array = padded
        corner = array[tuple(slice(b, None) for b in base)]
        strides = tuple(sum(f[k] * s for f, s in zip(steps, array.strides, strict=True)) for k in range(rank))
        strides = tuple(0 if n == 1 else s for n, s in zip(shape, strides, strict=True))
        if corner.shape == shape and corner.strides == strides:  # all of it, as it lies
            return corner
        return np.lib.stride_tricks.as_strided(corner, shape, strides)


def _as_number(fill: Fraction | float, array: Array) -> float | int:
    return float(fill) if array.dtype.kind == "f" else int(fill)


def _scatter(eqn: Eqn, grid: _Grid, out: Array, value: Array, kept: tuple[int, ...]) -> None:
    """``out[out_index] += value``; with ``drop``, writes outside vanish."""
    if 0 in kept:
        return
    good: Array = np.ones((1,) * len(kept), np.bool_)
    indices: list[Array] = []
    for ix, extent in zip(eqn.out_index, out.shape, strict=True):
        number, inside = grid.index(ix)
        good = good & inside & (number >= 0) & (number < extent)
        indices.append(number)
    if not good.all() and not eqn.drop:
        raise InterpretError(f"{eqn.out.name}: {eqn.out.name}[{', '.join(map(str, eqn.out_index))}] writes outside")
    mask = np.broadcast_to(good, kept)
    where = tuple(np.broadcast_to(i, kept)[mask] for i in indices)
    np.add.at(out, where, value[mask].astype(out.dtype))


def _contract(eqn: Eqn, grid: _Grid, reduced: tuple[int, ...], real: np.dtype[Any]) -> Array | None:
    """A sum of products of reads as a contraction, so that a matrix product does not fill its whole grid."""
    factors = _factors(eqn.body)
    if factors is None or not reduced:
        return None
    scale, numbers = factors
    if len(numbers) < 2:
        return None
    operands: list[Any] = []
    seen: set[int] = set()
    for k in numbers:
        array = grid.read(eqn.args[k])
        axes = [j for j, n in enumerate(array.shape) if n != 1]
        seen.update(axes)
        operands += [_real(array[tuple(slice(None) if j in axes else 0 for j in range(array.ndim))], real), axes]
    for k in reduced:
        if k not in seen:
            scale *= grid.shape[k]
    result = [k for k in range(len(grid.shape)) if k not in reduced and k in seen]
    value = np.asarray(np.einsum(*operands, result, optimize=True))
    if scale != 1:
        value = value * real.type(float(scale))
    return value.reshape([grid.shape[k] if k in result else 1 for k in range(len(grid.shape))])


def _factors(body: Expr) -> tuple[Fraction, list[int]] | None:
    """A body that is a product of operands and exact numbers, as the number and the operands."""
    scale, numbers, stack = Fraction(1), [], [body]
    while stack:
        node = stack.pop()
        if node.op == "mul":
            stack.extend(reversed(node.args))
        elif node.op == "neg":
            scale = -scale
            stack.append(node.args[0])
        elif node.op == "arg" and isinstance(node.value, int):
            numbers.append(node.value)
        elif node.number is not None:
            scale *= node.number
        else:
            return None
    return scale, numbers


def _reduce(eqn: Eqn, value: Array, axes: tuple[int, ...], real: np.dtype[Any]) -> Array:
    """``value`` reduced over ``axes``, which stay with extent 1."""
    nothing = any(value.shape[k] == 0 for k in axes)
    kept = tuple(1 if k in axes else n for k, n in enumerate(value.shape))
    if eqn.reduce == "+":
        return np.asarray(np.sum(_real(value, real), axis=axes, keepdims=True, dtype=np.float64)).astype(real)
    if eqn.reduce == "*":
        return np.asarray(np.prod(_real(value, real), axis=axes, keepdims=True))
    if eqn.reduce == "lse":
        value = _real(value, real)
        if nothing:
            return np.full(kept, -np.inf, real)
        top = np.max(value, axis=axes, keepdims=True)
        top = np.where(np.isfinite(top), top, 0).astype(real)
        total = np.sum(np.exp(value - top), axis=axes, keepdims=True, dtype=np.float64)
        return np.asarray(np.log(total) + top).astype(real)
    if eqn.reduce == "":
        raise InterpretError(f"{eqn.out.name}: an axis is neither written nor reduced")
    if nothing:
        if 0 in kept:  # nothing is asked for
            return np.zeros(kept, value.dtype)
        raise InterpretError(f"{eqn.out.name}: the {eqn.reduce} of nothing")
    if eqn.reduce in ("max", "min"):
        return np.asarray((np.max if eqn.reduce == "max" else np.min)(value, axis=axes, keepdims=True))
    if len(axes) != 1:
        raise InterpretError(f"{eqn.out.name}: {eqn.reduce} wants one axis")
    return np.asarray((np.argmax if eqn.reduce == "argmax" else np.argmin)(value, axis=axes[0], keepdims=True))


# ---------------------------------------------------------------- bodies


def _real(value: Array, real: np.dtype[Any]) -> Array:
    return value if value.dtype == real else value.astype(real)


def _body(body: Expr, args: Sequence[Array], grid: _Grid, real: np.dtype[Any]) -> Array:
    one = (1,) * len(grid.shape)
    exact = np.dtype(np.float64) if is_drawn(body) else real  # a random number is rounded once, at its end

    def leaf(node: Expr) -> Array:
        value = node.value
        if node.op == "arg" and isinstance(value, int):
            return args[value]
        if node.op == "idx" and isinstance(value, str):
            return grid.axis(value)
        if node.op == "size" and isinstance(value, Dim):
            return np.full(one, value.evaluate(grid.sizes))
        if node.op == "const" and isinstance(value, Fraction):
            return np.full(one, number(value), exact)
        if node.op == "named":
            return np.full(one, {"pi": math.pi, "inf": math.inf, "nan": math.nan}[str(value)], real)
        raise InterpretError(f"{grid.eqn.out.name}: the leaf {node.op} {value} has no value here")

    def lifted(name: str) -> Callable[..., Array]:
        if name not in FUNCTIONS:
            raise InterpretError(f"{grid.eqn.out.name}: no function {name}")
        function = FUNCTIONS[name]
        if name in DRAWS:
            return partial(function, dtype=real)
        if name in _ANY_KIND:
            return function
        return lambda *operands: function(*(_real(a, real) for a in operands))

    return np.asarray(evaluate(body, leaf, _Table(lifted)))


class _Table(dict[str, Callable[..., Array]]):
    """The functions of a body, looked up when they are met."""

    def __init__(self, make: Callable[[str], Callable[..., Array]]) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, name: str) -> Callable[..., Array]:
        self[name] = self.make(name)
        return self[name]


def number(value: Fraction) -> float:
    """The nearest double, infinite where there is none."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _truth(a: Array) -> Array:
    return a if a.dtype == np.bool_ else a != 0


def _sigmoid(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e)).astype(x.dtype)


def _erf(x: Array) -> Array:
    return np.array([math.erf(v) for v in x.ravel().tolist()], x.dtype).reshape(x.shape)


def _drawn(name: str, *operands: Array, dtype: DTypeLike = np.float64) -> Array:
    """A random number for each place; the one meaning that the interpreter shares, for it is the definition."""
    from gradwright.runtime import draws

    result: Array = getattr(draws, name)(*operands, dtype=dtype)
    return result


def _where(c: Array, a: Array, b: Array) -> Array:
    return np.where(_truth(c), a, b)


# these take numbers of any kind as they are; all others get reals
_ANY_KIND: Final = frozenset(("lt", "le", "gt", "ge", "eq", "ne", "and", "or", "not", "where", "max", "min", "stop", "given",
                               "place"))

FUNCTIONS: Final[dict[str, Callable[..., Array]]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "neg": np.negative, "pow": np.power,
    "above": lambda x, best: (x > best) | (np.isnan(x) & ~np.isnan(best)),
    "below": lambda x, best: (x < best) | (np.isnan(x) & ~np.isnan(best)),
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
    "and": lambda a, b: _truth(a) & _truth(b), "or": lambda a, b: _truth(a) | _truth(b), "not": lambda a: ~_truth(a),
    "where": _where, "max": np.maximum, "min": np.minimum,
    "exp": np.exp, "log": np.log, "log1p": np.log1p, "expm1": np.expm1, "sqrt": np.sqrt, "square": np.square,
    "abs": np.abs, "sign": np.sign, "sin": np.sin, "cos": np.cos, "tan": np.tan, "tanh": np.tanh, "sinh": np.sinh,
    "cosh": np.cosh, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2, "erf": _erf,
    "lgamma": lambda x: special.over(special.lgamma, x), "digamma": lambda x: special.over(special.digamma, x),
    "polygamma": lambda n, x: special.over(special.polygamma, n, x),
    "sigmoid": _sigmoid, "softplus": lambda x: np.logaddexp(x.dtype.type(0), x), "floor": np.floor,
    "stop": lambda x: x, "given": lambda value, *_: value, "place": lambda a, b, c: a * b + c,
    **{name: partial(_drawn, name) for name in DRAWS},
}  # fmt: skip
