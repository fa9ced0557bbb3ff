"""Random legal graphs with inputs that suit them, for properties such as "the pass changes no value".

    @given(graphs())
    def test_cse(case):
        before, after = case.run(case.graph), case.run(cse(case.graph))

Values stay within a few thousand, so that rounding differences stay small; no read is outside, no size is negative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from gradwright.compiler.graph import expr as E
from gradwright.compiler.graph.expr import Expr, arg, const, make
from gradwright.compiler.graph.ir import (
    Access,
    Axis,
    Const,
    Eqn,
    Gather,
    Graph,
    Ix,
    Kind,
    Origin,
    Reduce,
    Scan,
    Value,
    at,
    fixed,
    quotient,
    remainder,
)
from gradwright.compiler.graph.shapes import Dim, Shape, shape_of
from gradwright.compiler.graph.text import show_graph
from gradwright.compiler.language.source import Span
from gradwright.compiler.meaning.interpret import run, shape_numbers
from hypothesis import strategies as st
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]
LABELS = 3  # index inputs have values below this
_TAME = 100.0


def ix(*parts: tuple[Any, int] | int) -> Ix:
    """``ix(("i0", 2), -1)`` is 2*i0 - 1."""
    total = Ix()
    for part in parts:
        total = total + (fixed(part) if isinstance(part, int) else Ix(((part[0], Dim.of(part[1])),)))
    return total


@dataclass(repr=False)
class Case:
    """A graph, the free sizes to try it with, and which inputs are trained (real)."""

    graph: Graph
    sizes: dict[str, int]
    seed: int

    def __repr__(self) -> str:
        return f"Case(sizes={self.sizes}, seed={self.seed}, graph=\n{show_graph(self.graph)})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))

    def inputs(self, sizes: dict[str, int] | None = None) -> dict[str, Array]:
        """Random inputs for these sizes; the same each time."""
        rng = np.random.default_rng(self.seed)
        found: dict[str, Array] = {}
        for value in self.graph.inputs:
            shape = shape_numbers(value.shape, self.sizes if sizes is None else sizes)
            draw = rng.uniform(-1.5, 1.5, shape) if value.kind == "real" else rng.integers(0, LABELS, shape)
            found[value.name] = np.asarray(draw > 1 if value.kind == "bool" else draw)
        return found

    def run(
        self, graph: Graph | None = None, sizes: dict[str, int] | None = None, dtype: DTypeLike = np.float64
    ) -> dict[str, Array]:
        """The interpreter's values of ``graph`` (this case's own without one), a graph with the same inputs."""
        chosen = self.sizes if sizes is None else sizes
        values: dict[str, Array] = run(self.graph if graph is None else graph, self.inputs(chosen), chosen, dtype)
        return values

    @property
    def trained(self) -> tuple[str, ...]:
        return tuple(v.name for v in self.graph.inputs if v.kind == "real")


@dataclass
class _Builder:
    draw: Callable[[Any], Any]
    smooth: bool
    scans: bool
    empty: bool = True
    prefix: str = ""
    inputs: list[Value] = field(default_factory=list)
    consts: list[Const] = field(default_factory=list)
    eqns: list[Eqn | Scan] = field(default_factory=list)
    pool: list[Value] = field(default_factory=list)
    bound: dict[str, float] = field(default_factory=dict)

    # ---- pieces

    def chance(self, one_in: int) -> bool:
        return bool(self.draw(st.integers(0, one_in - 1)) == one_in - 1)

    def choose(self, options: Sequence[Any]) -> Any:
        return options[self.draw(st.integers(0, len(options) - 1))] if len(options) > 1 else options[0]

    def reals(self) -> list[Value]:
        return [v for v in self.pool if v.kind == "real"]

    def pick(self, fits: Callable[[Value], bool] = lambda v: True) -> Value | None:
        options = [v for v in self.pool if v.kind == "real" and fits(v)]
        if not options:
            return None
        # the newest are taken more often, so that graphs grow deep
        chosen = options[-1] if self.draw(st.booleans()) else self.choose(options)
        return self.tame(chosen)

    def tame(self, value: Value) -> Value:
        if self.bound[value.name] <= _TAME:
            return value
        return self.pointwise([value], make("tanh", arg(0)), 1.0, "tanh")

    def name(self) -> str:
        return f"{self.prefix}v{len(self.eqns)}"

    def origin(self) -> Origin:
        line = len(self.eqns) + 1
        return Origin((Span("random.gw", line, 5, line, 20),), "random")

    def input(self, shape: Shape, kind: Kind = "real", name: str = "") -> Value:
        value = Value(name or f"{self.prefix}a{len(self.inputs)}", shape, kind)
        self.inputs.append(value)
        self.pool.append(value)
        self.bound[value.name] = 1.5 if kind == "real" else float(LABELS)
        return value

    def add(self, shape: Shape, axes: Sequence[tuple[str, Dim]], out: Sequence[Ix], reduce: Reduce, args: Sequence[Access],
            body: Expr, op: str, bound: float, kind: Kind = "real", drop: bool = False) -> Value:  # fmt: skip
        value = Value(self.name(), shape, kind)
        self.eqns.append(Eqn(value, tuple(Axis(n, d) for n, d in axes), tuple(out), reduce, tuple(args), body, op,
                             self.origin(), drop))  # fmt: skip
        self.pool.append(value)
        self.bound[value.name] = bound
        return value

    def plainly(self, shape: Shape, args: Sequence[Access], body: Expr, op: str, bound: float, kind: Kind = "real") -> Value:
        axes = [(f"i{k}", d) for k, d in enumerate(shape)]
        return self.add(shape, axes, [at(n) for n, _ in axes], "", args, body, op, bound, kind)

    def pointwise(self, values: Sequence[Value], body: Expr, bound: float, op: str, kind: Kind = "real") -> Value:
        """An elementwise equation with NumPy's broadcasting; the shapes must fit."""
        rank = max(len(v.shape) for v in values)
        shape: list[Dim] = []
        for k in range(-rank, 0):
            dims = [v.shape[k] for v in values if len(v.shape) >= -k]
            shape.append(next((d for d in dims if not d.is_one()), dims[0]))
        args = []
        for v in values:
            skip = rank - len(v.shape)
            index = [at(f"i{k + skip}") if d == shape[k + skip] else fixed(0) for k, d in enumerate(v.shape)]
            args.append(Access(v.name, tuple(index)))
        return self.plainly(tuple(shape), args, body, op, bound, kind)

    def partner(self, a: Value) -> Value:
        """A value that broadcasts with ``a``: one that exists, or a new input."""
        def fits(v: Value) -> bool:
            return all(x == y or x.is_one() or y.is_one() for x, y in zip(reversed(a.shape), reversed(v.shape), strict=False))

        found = self.pick(fits)
        if found is not None and not self.chance(3):
            return found
        shape = [Dim.of(1) if self.chance(4) else d for d in a.shape[self.draw(st.integers(0, len(a.shape))) :]]
        return self.pick(lambda v: v.shape == tuple(shape)) or self.input(tuple(shape))

    # ---- operations: each adds equations to the graph, or does nothing where it does not fit

    def unary(self) -> None:
        a = self.pick()
        assert a is not None
        x, top = arg(0), self.bound[a.name]
        smooth: list[tuple[str, Expr, float]] = [
            ("tanh", make("tanh", x), 1), ("sigmoid", make("sigmoid", x), 1), ("sin", make("sin", x), 1),
            ("cos", make("cos", x), 1), ("softplus", make("softplus", x), top + 1), ("square", make("square", x), top * top),
            ("atan", make("atan", x), 2), ("neg", make("neg", x), top), ("erf", make("erf", x), 1),
            ("gauss", make("exp", make("neg", make("square", x))), 1),
            ("root", make("sqrt", make("add", make("square", x), const(1))), top + 1),
            ("log1p", make("log1p", make("square", x)), top), ("cube", make("pow", make("tanh", x), const(3)), 1),
            ("scaled", make("mul", const("0.5"), x), top / 2),
            ("affine", make("sub", make("mul", const(-2), x), const("1/3")), 2 * top + 1),
        ]  # fmt: skip
        kinked: list[tuple[str, Expr, float]] = [
            ("relu", make("where", make("gt", x, const(0)), x, const(0)), top), ("abs", make("abs", x), top),
            ("hinge", make("max", const(0), make("sub", const(1), x)), top + 1), ("sign", make("sign", x), 1),
            ("floor", make("floor", x), top + 1), ("clip", make("min", make("max", x, const(-1)), const(1)), 1),
        ]  # fmt: skip
        op, body, bound = self.choose(smooth if self.smooth else smooth + kinked)
        self.pointwise([a], body, bound, op)

    def position(self) -> None:
        a = self.pick(lambda v: len(v.shape) > 0)
        if a is not None:
            scaled = make("div", make("idx", value="i0"), make("add", E.dim(a.shape[0]), const(1)))
            self.pointwise([a], make("add", arg(0), scaled), self.bound[a.name] + 1, "positional")

    def binary(self) -> None:
        a = self.pick()
        assert a is not None
        b = self.partner(a)
        x, y, p, q = arg(0), arg(1), self.bound[a.name], self.bound[b.name]
        if a == b:
            y, q = x, p
        options: list[tuple[str, Expr, float]] = [
            ("add", make("add", x, y), p + q), ("sub", make("sub", x, y), p + q), ("mul", make("mul", x, y), p * q),
            ("ratio", make("div", x, make("add", make("square", y), const(1))), p),
            ("swish", make("mul", x, make("sigmoid", y)), p), ("mix", make("sub", make("mul", make("tanh", x), y), x), p + q),
        ]  # fmt: skip
        if not self.smooth:
            options += [("max", make("max", x, y), max(p, q)), ("min", make("min", x, y), max(p, q)),
                        ("pick", make("where", make("lt", x, y), make("mul", x, y), make("sub", y, const(1))),
                         p * q + q + 1)]  # fmt: skip
        op, body, bound = self.choose(options)
        self.pointwise([a] if a == b else [a, b], body, bound, op)

    def compare(self) -> None:
        a = self.pick()
        if self.smooth or a is None:
            return
        b = self.partner(a)
        if a != b:
            mask = self.pointwise([a, b], make(self.choose(["lt", "ge", "ne"]), arg(0), arg(1)), 1.0, "compare", "bool")
            body = make("where", make("not", arg(0)), arg(1), make("add", arg(0), const("0.25")))
            self.pointwise([mask, a], body, self.bound[a.name] + 2, "masked")

    def reduction(self) -> None:
        a = self.pick(lambda v: len(v.shape) > 0)
        if a is None:
            return
        rank = len(a.shape)
        over = sorted(set(self.draw(st.lists(st.integers(0, rank - 1), min_size=1, max_size=rank))))
        nonempty = all((1 if a.shape[k].value is None and not self.empty else a.shape[k].value or 0) > 0 for k in over)
        options: list[Reduce] = ["+", "+", "*"]
        if nonempty:  # the max of nothing is an error, and its log-sum-exp infinite
            options.append("lse")
        if nonempty and not self.smooth:
            options += ["max", "min"]
            if len(over) == 1:
                options += ["argmax", "argmin"]
        reduce: Reduce = self.choose(options)
        if reduce == "*":
            a = self.pointwise([a], make("add", make("mul", const("0.25"), make("sin", arg(0))), const(1)), 1.25, "near one")
        keep = self.chance(3)
        out: list[tuple[str, Dim]] = []
        reads: list[str] = []
        reduced: list[tuple[str, Dim]] = []
        for k, d in enumerate(a.shape):
            if k in over:
                reads.append(f"r{len(reduced)}")
                reduced.append((reads[-1], d))
                if keep:
                    out.append((f"k{k}", Dim.of(1)))
            else:
                reads.append(f"i{k}")
                out.append((reads[-1], d))
        top = self.bound[a.name]
        bound = {"+": top * 64, "*": 1e3, "lse": top + 5, "argmax": 4.0, "argmin": 4.0}.get(reduce, top)
        body = arg(0)
        if reduce == "+" and self.chance(3):
            body, bound = make("square", arg(0)), top * top * 64
        result = self.add(tuple(d for _, d in out), out + reduced, [at(n) for n, _ in out], reduce,
                          [Access(a.name, tuple(at(n) for n in reads))], body, "reduce",
                          bound, "int" if reduce.startswith("arg") else "real")  # fmt: skip
        if keep and reduce in ("max", "lse") and result.shape != a.shape:
            self.pointwise([a, result], make("exp", make("sub", arg(0), arg(1))), 2.0, "softmax")

    def matmul(self) -> None:
        a = self.pick(lambda v: 1 <= len(v.shape) <= 3)
        if a is None:
            return
        k = a.shape[-1]
        b = self.pick(lambda v: len(v.shape) == 2 and v.shape[0] == k)
        if b is None or self.chance(3):
            b = self.input((k, Dim.of(self.choose([1, 2, 3]))))
        lead = [(f"i{j}", d) for j, d in enumerate(a.shape[:-1])]
        last = f"i{len(lead)}"
        self.add((*a.shape[:-1], b.shape[1]), [*lead, (last, b.shape[1]), ("r0", k)], [at(n) for n, _ in lead] + [at(last)],
                 "+", [Access(a.name, (*(at(n) for n, _ in lead), at("r0"))), Access(b.name, (at("r0"), at(last)))],
                 make("mul", arg(0), arg(1)), "matmul", self.bound[a.name] * self.bound[b.name] * 8)  # fmt: skip

    def transpose(self) -> None:
        a = self.pick(lambda v: len(v.shape) > 1)
        if a is None:
            return
        order = self.draw(st.permutations(range(len(a.shape))))
        index = [at(f"i{order.index(k)}") for k in range(len(a.shape))]
        self.plainly(tuple(a.shape[k] for k in order), [Access(a.name, tuple(index))], arg(0), "transpose", self.bound[a.name])

    def cut(self) -> None:
        """A slice of a fixed axis, or of a free axis every second."""
        a = self.pick(lambda v: len(v.shape) > 0)
        if a is None:
            return
        k = self.draw(st.integers(0, len(a.shape) - 1))
        n = a.shape[k].value
        shape, index = list(a.shape), [at(f"i{j}") for j in range(len(a.shape))]
        if n is None:
            shape[k], index[k] = (a.shape[k] + 1) // 2, ix((f"i{k}", 2))
        else:
            start = self.draw(st.integers(0, max(n - 1, 0)))
            step = self.draw(st.integers(1, 2))
            shape[k], index[k] = Dim.of((n - start + step - 1) // step), ix((f"i{k}", step), start)
            if self.chance(3) and n:  # one row of it, as in x[:, 0]
                index = [at(f"i{j - (j > k)}") if j != k else fixed(start) for j in range(len(a.shape))]
                del shape[k]
            elif self.chance(3):  # backwards
                count = shape[k].value or 0
                index[k] = ix((f"i{k}", -step), start + step * (count - 1)) if count else index[k]
        self.plainly(tuple(shape), [Access(a.name, tuple(index))], arg(0), "slice", self.bound[a.name])

    def shift(self) -> None:
        """A read that is filled outside."""
        a = self.pick(lambda v: len(v.shape) > 0)
        if a is None:
            return
        k = self.draw(st.integers(0, len(a.shape) - 1))
        move = self.choose([-2, -1, 1, 2])
        index = [ix((f"i{j}", 1), move) if j == k else at(f"i{j}") for j in range(len(a.shape))]
        fill = Fraction(self.choose([0, 0, 1]))
        shape = tuple(d + (1 if j == k else 0) for j, d in enumerate(a.shape))
        self.plainly(shape, [Access(a.name, tuple(index), fill)], arg(0), "pad", self.bound[a.name] + 1)

    def convolution(self) -> None:
        a = self.pick(lambda v: 1 <= len(v.shape) <= 2)
        if a is None:
            return
        stride = self.choose([1, 2])
        w = self.pick(lambda v: v.shape == shape_of(3)) or self.input(shape_of(3))
        out = [(f"i{j}", d) for j, d in enumerate(a.shape)]
        out[0] = ("i0", (a.shape[0] + stride - 1) // stride)
        read = Access(a.name, (ix(("i0", stride), ("r0", 1), -1), *(at(n) for n, _ in out[1:])), Fraction(0))
        self.add(tuple(d for _, d in out), [*out, ("r0", Dim.of(3))], [at(n) for n, _ in out], "+",
                 [read, Access(w.name, (at("r0"),))], make("mul", arg(0), arg(1)), "conv",
                 self.bound[a.name] * self.bound[w.name] * 3)  # fmt: skip

    def concat(self) -> None:
        a = self.pick(lambda v: len(v.shape) > 0)
        if a is None:
            return
        k = self.draw(st.integers(0, len(a.shape) - 1))

        def fits(v: Value) -> bool:
            pairs = enumerate(zip(a.shape, v.shape, strict=False))
            return len(v.shape) == len(a.shape) and all(x == y or j == k for j, (x, y) in pairs)

        b = self.pick(fits)
        if b is None or a == b:
            return
        names = [f"i{j}" for j in range(len(a.shape))]
        second = [at(n) + (fixed(-a.shape[k]) if j == k else Ix()) for j, n in enumerate(names)]
        shape = tuple(x + b.shape[k] if j == k else x for j, x in enumerate(a.shape))
        first = make("lt", make("idx", value=names[k]), E.dim(a.shape[k]))
        zero = Fraction(0)
        self.plainly(shape, [Access(a.name, tuple(at(n) for n in names), zero), Access(b.name, tuple(second), zero)],
                     make("where", first, arg(0), arg(1)), "concat", max(self.bound[a.name], self.bound[b.name]))  # fmt: skip

    def labels(self) -> Value:
        options = [v for v in self.pool if v.kind == "int"]
        return self.choose(options) if options and not self.chance(4) else self.input(shape_of("N"), "int")

    def top_label(self, y: Value) -> int:
        return LABELS if any(y == v for v in self.inputs) else 4

    def gather(self) -> None:
        """``x[..., y[n]]`` or ``x[n, y[n]]``."""
        y = self.labels()
        need = self.top_label(y)
        a = self.pick(lambda v: len(v.shape) > 0 and any((d.value or 0) >= need for d in v.shape))
        if a is None:
            a = self.input(shape_of(need, 2))
        k = next(j for j, d in enumerate(a.shape) if (d.value or 0) >= need)
        picked = [(f"i{j}", d) for j, d in enumerate(y.shape)]
        shared = len(y.shape) == 1 and len(a.shape) == 2 and k == 1 and a.shape[0] == y.shape[0]
        axes, index = list(picked), []
        for j, d in enumerate(a.shape):
            if j == k:
                index.append(ix((Gather(y.name, tuple(at(n) for n, _ in picked)), 1)))
            elif shared:
                index.append(at("i0"))
            else:
                axes.append((f"i{len(axes)}", d))
                index.append(at(axes[-1][0]))
        self.add(tuple(d for _, d in axes), axes, [at(n) for n, _ in axes], "", [Access(a.name, tuple(index))], arg(0), "gather",
                 self.bound[a.name])  # fmt: skip

    def scatter(self) -> None:
        a = self.pick(lambda v: len(v.shape) > 0)
        if a is None:
            return
        axes = [(f"i{j}", d) for j, d in enumerate(a.shape)]
        read = [Access(a.name, tuple(at(n) for n, _ in axes))]
        rest, tail = [at(n) for n, _ in axes[1:]], a.shape[1:]
        how = self.choose(["labels", "stride", "drop", "sum"])
        top = self.bound[a.name]
        if how == "labels":
            y = self.labels()
            if y.shape != a.shape[:1]:
                return
            index = ix((Gather(y.name, (at("i0"),)), 1))
            self.add((Dim.of(self.top_label(y)), *tail), axes, [index, *rest], "+", read, arg(0), "scatter", top * 8)
        elif how == "stride":
            self.add((a.shape[0] * 2 + 1, *tail), axes, [ix(("i0", 2), 1), *rest], "+", read, arg(0), "unslice", top)
        elif how == "drop":
            self.add(a.shape, axes, [ix(("i0", 1), -1), *rest], "+", read, arg(0), "unpad", top, drop=True)
        elif len(axes) > 1:  # summed over the last axis on the way
            self.add((a.shape[0] + 2, *tail[:-1]), axes, [ix(("i0", 1), 1), *rest[:-1]], "+", read, arg(0), "unslice", top * 8)

    def reshape(self) -> None:
        a = self.pick(lambda v: len(v.shape) > 0)
        if a is None:
            return
        if len(a.shape) >= 2 and self.chance(2):  # merge the first two axes
            shape = (a.shape[0] * a.shape[1], *a.shape[2:])
            extents = {f"i{j}": d for j, d in enumerate(shape)}
            head = [quotient(at("i0"), a.shape[1], extents), remainder(at("i0"), a.shape[1], extents)]
            index = [*head, *(at(f"i{j}") for j in range(1, len(shape)))]
        else:
            n = a.shape[-1].value
            if n is None or n < 2:
                return
            low = next(d for d in (2, 3, 5, 7, n) if n % d == 0)
            shape = (*a.shape[:-1], Dim.of(n // low), Dim.of(low))
            last = len(shape) - 1
            index = [at(f"i{j}") for j in range(last - 1)] + [ix((f"i{last - 1}", low), (f"i{last}", 1))]
        if len(shape) <= 3:
            self.plainly(shape, [Access(a.name, tuple(index))], arg(0), "reshape", self.bound[a.name])

    def literal(self) -> None:
        shape = self.choose([shape_of(2), shape_of(3), shape_of(2, 2)])
        count = shape_numbers(shape, {})
        data = tuple(Fraction(self.draw(st.integers(-4, 4)), 4) for _ in range(int(np.prod(count))))
        value = Value(f"{self.prefix}c{len(self.consts)}", shape)
        self.consts.append(Const(value, data, self.origin()))
        self.pool.append(value)
        self.bound[value.name] = 1.0

    def scan(self) -> None:
        """``h = tanh(h * w + x[t])`` or a product, emitted at each step."""
        xs = self.pick(lambda v: 1 <= len(v.shape) <= 3)
        if xs is None or not self.scans:
            return
        step = xs.shape[1:]
        start = self.pick(lambda v: v.shape == step) or self.input(step)
        w = self.pick(lambda v: v.shape == ()) or self.input(())
        inner = _Builder(self.draw, self.smooth, False, self.empty, self.name() + "_")
        h, x, k = inner.input(step), inner.input(step), inner.input(())
        mixed = inner.pointwise([h, k, x], make("tanh", make("add", make("mul", arg(0), arg(1)), arg(2))), 1.0, "cell")
        emitted = inner.pointwise([mixed, h], make("mul", arg(0), arg(1)), 1.5, "mul")
        body = Graph(self.name() + "_body", tuple(inner.inputs), (), tuple(inner.eqns), (mixed.name, emitted.name))
        last, stacked = Value(self.name() + "_last", step), Value(self.name() + "_all", xs.shape)
        self.eqns.append(Scan((last, stacked), Axis("t", xs.shape[0]), self.chance(2), (start.name,), (xs.name,), (w.name,),
                              body, self.origin()))  # fmt: skip
        self.pool += [last, stacked]
        self.bound[last.name] = self.bound[stacked.name] = 1.5 * _TAME


_OPERATIONS = ("unary", "binary", "unary", "binary", "matmul", "reduction", "reduction", "compare", "transpose", "cut", "shift",
               "convolution", "concat", "gather", "scatter", "reshape", "literal", "position", "scan")  # fmt: skip


@st.composite
def graphs(draw: Callable[[Any], Any], smooth: bool = False, loss: bool = False, scans: bool = True, steps: int = 8,
           empty: bool = True) -> Case:  # fmt: skip
    """A random graph over the free sizes N and M.

    - ``smooth``: no kinks and nothing that is discrete in a real value (for finite differences);
    - ``loss``: the last output is the scalar ``loss``, which depends on several of the values;
    - ``empty``: free sizes may be 0.
    """
    builder = _Builder(draw, smooth, scans, empty)
    dims: tuple[Any, ...] = (1, 2, 3, 4, "N", "M")
    for _ in range(draw(st.integers(1, 3))):
        builder.input(shape_of(*draw(st.lists(st.sampled_from(dims), max_size=3))))
    builder.input(shape_of("N", "M"), name="x")
    for _ in range(draw(st.integers(1, steps))):
        getattr(builder, draw(st.sampled_from(_OPERATIONS)))()
    outputs = [builder.pool[-1].name]
    if loss:
        parts = builder.reals()[-draw(st.integers(1, 3)) :]
        terms: list[Value] = []
        for v in parts:
            v = builder.tame(v)
            axes = [(f"r{j}", d) for j, d in enumerate(v.shape)]
            read = Access(v.name, tuple(at(n) for n, _ in axes))
            reduce: Reduce = "+" if axes else ""
            terms.append(builder.add((), axes, (), reduce, [read], make("square", arg(0)), "sum", 1.0))
        total = make("mul", const("0.5"), arg(0))
        for k in range(1, len(terms)):
            total = make("add", total, arg(k))
        value = Value("loss", ())
        builder.eqns.append(Eqn(value, (), (), "", tuple(Access(v.name, ()) for v in terms), total, "loss", builder.origin()))
        outputs.append("loss")
    elif builder.chance(2):
        outputs.append(builder.choose(builder.pool).name)
    least = 0 if empty else 1
    sizes = {"N": draw(st.sampled_from([n for n in (3, 1, 2, 5, 0) if n >= least])),
             "M": draw(st.sampled_from([n for n in (2, 1, 4, 0) if n >= least]))}  # fmt: skip
    graph = Graph("random", tuple(builder.inputs), tuple(builder.consts), tuple(builder.eqns), tuple(dict.fromkeys(outputs)))
    return Case(graph, sizes, draw(st.integers(0, 9)))
