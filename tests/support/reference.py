"""A second meaning of graphs, for comparing: every equation on its whole grid by indexing, with NumPy or with PyTorch tensors.

It shares nothing with ``meaning/interpret.py`` nor with the compiler's derivatives: with PyTorch its autograd differentiates
what is written here. Along the way it notes the *pattern* of a point: how every comparison, maximum, absolute value... came
out, and whether any was at its kink, where derivatives of different libraries may differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from gradwright.compiler.graph.expr import DRAWS, Expr, is_drawn, walk
from gradwright.compiler.graph.ir import Access, Const, Eqn, Gather, Graph, Ix, Quot, Scan
from gradwright.compiler.graph.patterns import Ranking, ranking
from gradwright.compiler.graph.shapes import Dim
from gradwright.runtime import draws

NEAR = 1e-6  # closer than this to a kink is at it
TIE = 1e-13  # closer than this, rounding decides


class Reference:
    """``values`` after :meth:`run`; ``pattern`` (arrays of booleans or positions) and ``kink`` and ``tie`` of the latest run."""

    def __init__(self, graph: Graph, sizes: Mapping[str, int], torch: Any = None, most: float | None = None) -> None:
        """``most``: what stands for an infinite value, where the value in the limit is asked for."""
        self.graph, self.sizes, self.torch, self.most = graph, sizes, torch, most
        self.values: dict[str, Any] = {}
        self.pattern: list[Any] = []
        self.kink = self.tie = False
        self.stopped: list[Any] = []  # what no gradient goes through, in the order of the latest run
        self.held: Iterator[Any] | None = None

    def run(
        self, inputs: Mapping[str, Any], moved: Mapping[str, Any] | None = None, held: Iterable[Any] | None = None
    ) -> dict[str, Any]:
        """Every value; ``moved`` has what is added to values in between, ``held`` what stopped values stay at."""
        self.held = None if held is None else iter(held)
        return self._run(inputs, moved)

    def _run(self, inputs: Mapping[str, Any], moved: Mapping[str, Any] | None = None) -> dict[str, Any]:
        self.values, self.pattern, self.kink, self.tie, self.stopped = {}, [], False, False, []
        for name, value in inputs.items():
            self.values[name] = value
        for const in self.graph.consts:
            self.values[const.value.name] = self.array(self.literal(const))
        with np.errstate(all="ignore"):
            for eqn in self.graph.eqns:
                if isinstance(eqn, Scan):
                    for out, value in zip(eqn.outs, self.scan(eqn), strict=True):
                        self.values[out.name] = value if not moved or out.name not in moved else value + moved[out.name]
                    continue
                value = self.equation(eqn)
                if self.torch is not None and eqn.out.kind == "real" and not value.requires_grad:
                    value = value.detach().clone().requires_grad_(True)  # a gradient may be asked for it
                if moved and eqn.out.name in moved:
                    value = value + moved[eqn.out.name]
                if self.most is not None and value.dtype.kind == "f":
                    value = np.where(np.isinf(value), np.sign(value) * self.most, value)
                self.values[eqn.out.name] = value
        return self.values

    # ---- pieces

    def array(self, value: Any) -> Any:
        return self.torch.as_tensor(np.asarray(value)) if self.torch is not None else np.asarray(value)

    def plain(self, value: Any) -> Any:
        return value.detach().numpy() if self.torch is not None and isinstance(value, self.torch.Tensor) else np.asarray(value)

    def literal(self, const: Const) -> Any:
        shape = tuple(d.evaluate(self.sizes) for d in const.value.shape)
        return np.array([float(x) for x in const.data]).reshape(shape)

    def equation(self, eqn: Eqn) -> Any:
        extents = [a.extent.evaluate(self.sizes) for a in eqn.axes]
        grid = {a.name: g for a, g in zip(eqn.axes, np.indices(extents) if extents else [], strict=True)}
        ranks = ranking(eqn)
        if ranks is not None:
            return self.rank(eqn, ranks)
        if eqn.body.op == "diff":
            return self.derivative(eqn, grid, tuple(extents))
        args = [self.read(access, grid, tuple(extents)) for access in eqn.args]
        value = self.drawn(eqn, args, grid) if is_drawn(eqn.body) else self.body(eqn.body, args, grid, tuple(extents))
        value = self.full(value, tuple(extents))
        out_axes = [ix.plain for ix in eqn.out_index]
        names = [a.name for a in eqn.axes]
        order = [names.index(n) for n in out_axes if n]
        if not all(out_axes) or [extents[k] for k in order] != [d.evaluate(self.sizes) for d in eqn.out.shape]:
            return self.scatter(eqn, value, grid, tuple(extents))
        rest = [k for k in range(len(names)) if k not in order]
        value = self.permute(value, (*order, *rest))
        kept = [extents[k] for k in order]
        if eqn.reduce:
            value = self.reduce(eqn.reduce, self.reshape(value, (*kept, math.prod(extents[k] for k in rest))))
        if eqn.out.kind == "real":
            value = self.real(value)
        return value

    def drawn(self, eqn: Eqn, args: list[Any], grid: Mapping[str, Any]) -> Any:
        """Random numbers: of the seed, the counter, the statement, the row-major position, and what the distribution wants."""
        root = eqn.body if eqn.body.op in DRAWS else eqn.body.args[0]
        position: Any = 0
        for axis in eqn.axes:
            position = position * axis.extent.evaluate(self.sizes) + grid[axis.name]
        if len(args) > 2:  # in a loop, whose steps come first
            step = 1
            for axis in eqn.axes:
                step *= axis.extent.evaluate(self.sizes)
            position = self.plain(args[2]) * step + position
        stream, *numbers = (float(n.number or 0) for n in (root.args[2], *root.args[4:]))
        found = getattr(draws, root.op)(self.plain(args[0]), self.plain(args[1]), stream, position, *numbers)
        return self.array(found != 0 if eqn.out.kind == "bool" else found)

    def scan(self, scan: Scan) -> list[Any]:
        """Step after step; what the steps look like is part of the pattern."""
        count, last = len(scan.initial), scan.axis.extent.evaluate(self.sizes)
        times = list(range(last))
        if scan.limit:
            limit = int(self.values[scan.limit])
            times = times[last - limit :] if scan.high else times[:limit]
        inner = Reference(scan.body, self.sizes, self.torch, self.most)
        carries = [self.values[n] for n in scan.initial]
        emitted: list[dict[int, Any]] = [{} for _ in scan.emits]
        taken = 0
        for t in reversed(times) if scan.reverse else times:
            given = (*carries, *(self.values[n][t] for n in scan.slices), *(self.values[n] for n in scan.captured))
            inner.held = self.held
            inner._run({v.name: g for v, g in zip(scan.body.inputs, given, strict=True)})
            self.stopped += inner.stopped
            results = [inner.values[n] for n in scan.body.outputs]
            self.pattern += inner.pattern
            self.kink, self.tie = self.kink or inner.kink, self.tie or inner.tie
            carries, taken = results[:count], taken + 1
            for k, found in enumerate(emitted):
                found[t] = results[count + k]
            if scan.until and bool(results[-1]):
                break
        stacks: list[Any] = []
        for k, found in zip(scan.emits, emitted, strict=True):
            shape = tuple(d.evaluate(self.sizes) for d in scan.outs[k].shape)
            zero = np.zeros(shape[1:], {"real": np.float64, "int": np.int64, "bool": np.bool_}[scan.outs[k].kind])
            rows = [found.get(t, self.array(zero)) for t in range(last)]
            whole = self.array(np.zeros(shape, zero.dtype))
            stacks.append((self.torch.stack(rows) if self.torch is not None else np.stack(rows)) if rows else whole)
        return [*carries, *stacks, *([self.array(taken)] if scan.until else [])]

    def derivative(self, eqn: Eqn, grid: Mapping[str, Any], extents: tuple[int, ...]) -> Any:
        """Of one value for another, by PyTorch, for each element of the one."""
        assert self.torch is not None, "only PyTorch's autograd takes derivatives inside a model"
        of, wrt = (self.values[access.value] for access in eqn.args)
        bound = of.requires_grad and wrt.requires_grad
        grad = self.torch.autograd.grad
        rows = [grad(u, wrt, create_graph=True, allow_unused=True)[0] if bound else None for u in of.reshape(-1)]
        rows = [self.torch.zeros_like(wrt) if row is None else row for row in rows]
        shape = (*of.shape, *wrt.shape)
        self.values["pairs"] = self.torch.stack(rows).reshape(shape) if rows else self.torch.zeros(shape, dtype=of.dtype)
        index = tuple(ix for access in eqn.args for ix in access.index)
        return self.read(Access("pairs", index), grid, extents)

    def rank(self, eqn: Eqn, ranks: Ranking) -> Any:
        """Positions in the sorted order; two elements that are equal are at a kink."""
        axes = [a for a in eqn.axes if a not in eqn.reduced]
        extents = tuple(a.extent.evaluate(self.sizes) for a in axes)
        grid = {a.name: g for a, g in zip(axes, np.indices(extents), strict=True)}
        values = self.plain(self.read(ranks.source, grid, extents))
        k = axes.index(ranks.axis)
        order = np.argsort(-values if ranks.descending else values, axis=k, kind="stable")
        self.note(order, np.diff(np.sort(values, axis=k), axis=k) if extents[k] > 1 else np.ones(()))
        return self.array(np.argsort(order, axis=k, kind="stable"))

    def scatter(self, eqn: Eqn, value: Any, grid: Mapping[str, Any], shape: tuple[int, ...]) -> Any:
        out = np.zeros(tuple(d.evaluate(self.sizes) for d in eqn.out.shape), np.int64 if eqn.out.kind == "int" else np.float64)
        indices = [self.index(ix, grid, shape) for ix in eqn.out_index]
        inside = np.ones(shape, bool)
        for i, n in zip(indices, out.shape, strict=True):
            inside &= (i >= 0) & (i < n)
        assert eqn.drop or inside.all(), f"{eqn.out.name} is written outside"
        where = tuple(i[inside] for i in indices)
        if self.torch is None:
            np.add.at(out, where, value[inside].astype(out.dtype))
            return out
        start, chosen = self.torch.as_tensor(out), tuple(self.torch.as_tensor(i) for i in where)
        return start.index_put(chosen, value[self.torch.as_tensor(inside)].to(start.dtype), accumulate=True)

    def real(self, value: Any) -> Any:
        if self.torch is not None:
            return value.to(self.torch.float64)
        return np.asarray(value, np.float64) if value.dtype != np.longdouble else value

    def full(self, value: Any, shape: tuple[int, ...]) -> Any:
        if self.torch is not None:
            return self.torch.as_tensor(value).expand(shape)
        return value if np.shape(value) == shape else np.broadcast_to(value, shape)

    def permute(self, value: Any, order: tuple[int, ...]) -> Any:
        return value.permute(order) if self.torch is not None else np.transpose(value, order)

    def reshape(self, value: Any, shape: tuple[int, ...]) -> Any:
        return value.reshape(shape)

    def index(self, ix: Ix, grid: Mapping[str, Any], shape: tuple[int, ...]) -> Any:
        total = np.full(shape, ix.const.evaluate(self.sizes))
        for atom, factor in ix.terms:
            if isinstance(atom, str):
                part = grid[atom]
            elif isinstance(atom, Gather):
                part = self.plain(self.values[atom.value])[tuple(self.index(i, grid, shape) for i in atom.index)]
            else:
                below = atom.b.evaluate(self.sizes)
                inner = self.index(atom.a, grid, shape)
                part = inner if not inner.size else inner // below if isinstance(atom, Quot) else inner % below
            total = total + part * factor.evaluate(self.sizes)
        return total

    def read(self, access: Access, grid: Mapping[str, Any], shape: tuple[int, ...]) -> Any:
        value = self.values[access.value]
        if not access.index:
            return self.full(value, shape)
        indices = [self.index(ix, grid, shape) for ix in access.index]
        extents = tuple(value.shape)
        inside = np.ones(shape, bool)
        for i, n in zip(indices, extents, strict=True):
            inside &= (i >= 0) & (i < n)
        if access.fill is None:
            assert inside.all(), f"{access} reads outside"
        if 0 in extents:
            found = np.zeros(shape)
            if self.torch is not None:
                found = self.torch.zeros(shape, dtype=value.dtype) + value.sum().to(value.dtype)
        else:
            where = tuple(np.clip(i, 0, n - 1) for i, n in zip(indices, extents, strict=True))
            found = value[tuple(self.torch.as_tensor(i) for i in where)] if self.torch is not None else value[where]
        if inside.all():
            return found
        fill = float(access.fill or 0)
        if self.torch is not None:
            return self.torch.where(self.torch.as_tensor(inside), found, self.torch.tensor(fill, dtype=found.dtype))
        return np.where(inside, found, fill)

    # ---- bodies

    def note(self, pattern: Any, distance: Any) -> None:
        """How a choice came out, and how far it was from the other side."""
        self.pattern.append(np.asarray(pattern))
        gap = np.abs(self.plain(distance))
        self.kink = self.kink or bool((gap < NEAR).any())
        self.tie = self.tie or bool((gap < TIE).any())

    def body(self, root: Expr, args: list[Any], grid: Mapping[str, Any], shape: tuple[int, ...]) -> Any:
        done: dict[Expr, Any] = {}
        # the value of a function whose derivative is given stops its arguments; to differences it has that slope all the same
        inner = {n for given in walk(root) if given.op == "given" for n in walk(given.args[0]) if n.op == "stop"}
        for node in walk(root):
            if node in done:
                continue
            if self.torch is None and node in inner:
                done[node] = done[node.args[0]]
                continue
            value = node.value
            if node.op == "arg":
                assert isinstance(value, int)
                done[node] = args[value]
            elif node.op == "idx":
                done[node] = self.array(grid[str(value)])
            elif node.op == "size":
                assert isinstance(value, Dim)
                done[node] = self.array(float(value.evaluate(self.sizes)))
            elif node.op == "const":
                assert isinstance(value, Fraction)
                done[node] = self.array(float(value))
            elif node.op == "named":
                done[node] = self.array({"pi": math.pi, "inf": math.inf, "nan": math.nan}[str(value)])
            else:
                done[node] = self.apply(node.op, [done[a] for a in node.args])
        return done[root]

    def apply(self, op: str, a: list[Any]) -> Any:
        xp = self.torch if self.torch is not None else np
        if op in ("lt", "le", "gt", "ge", "eq", "ne"):
            x, y = self.real(a[0]), self.real(a[1])
            found = {"lt": x < y, "le": x <= y, "gt": x > y, "ge": x >= y, "eq": x == y, "ne": x != y}[op]
            whole = all(self.plain(v).dtype.kind in "iub" for v in a)  # integers do not move
            self.note(self.plain(found), self.plain(x - y) if not whole else np.ones(()))
            return found
        if op in ("and", "or", "not"):
            truths = [self.plain(v) != 0 for v in a]
            found = truths[0] & truths[1] if op == "and" else truths[0] | truths[1] if op == "or" else ~truths[0]
            return self.array(found)
        if op == "where":
            return xp.where(a[0] if self.plain(a[0]).dtype == bool else a[0] != 0, self.real(a[1]), self.real(a[2]))
        a = [self.real(v) for v in a]
        if op == "stop":
            value = a[0] if self.held is None else self.array(next(self.held))
            self.stopped.append(self.plain(value))
            return value.detach() if self.torch is not None else value
        if op == "given":  # the value, and its slopes as the user has them
            value, pairs = a[0], zip(a[1::2], a[2::2], strict=True)
            if self.torch is None:
                return value
            return value + sum(slope.detach() * (x - x.detach()) for x, slope in pairs)
        if op in ("max", "min"):
            self.note(self.plain(a[0]) > self.plain(a[1]), self.plain(a[0]) - self.plain(a[1]))
            return (xp.maximum if op == "max" else xp.minimum)(a[0], a[1])
        if op in ("abs", "sign"):
            self.note(self.plain(a[0]) > 0, a[0])
            return (xp.abs if op == "abs" else xp.sign)(a[0])
        if op == "floor":
            self.note(np.floor(self.plain(a[0])), self.plain(a[0]) - np.round(self.plain(a[0])))
            return xp.floor(a[0])
        if op == "sqrt":
            self.note(np.zeros(0), a[0])
            return xp.sqrt(a[0])
        if op in ("add", "sub", "mul", "div"):
            x, y = a
            return x + y if op == "add" else x - y if op == "sub" else x * y if op == "mul" else x / y
        if op == "pow":
            return a[0] ** a[1]
        if op == "neg":
            return -a[0]
        if op == "sigmoid":
            return xp.sigmoid(a[0]) if self.torch is not None else np.exp(-np.logaddexp(0, -a[0]))
        if op == "softplus":
            return xp.logaddexp(xp.zeros_like(a[0]), a[0])
        if op in ("lgamma", "digamma", "polygamma"):
            from scipy import special

            if self.torch is None:
                # which SciPy does not have in a type of larger range
                function = {"lgamma": special.gammaln, "digamma": special.digamma, "polygamma": special.polygamma}[op]
                return function(*(np.asarray(v, np.float64) for v in a)).astype(np.result_type(*a))
            return xp.polygamma(int(a[0].reshape(-1)[0]), a[1]) if op == "polygamma" else getattr(xp, op)(a[0])
        if op == "erf":
            return xp.erf(a[0]) if self.torch is not None else np.vectorize(math.erf, otypes=[float])(a[0])
        names = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2"}
        return getattr(xp, names.get(op, op))(*a)

    def reduce(self, kind: str, value: Any) -> Any:
        """Over the last axis."""
        xp, n = (self.torch if self.torch is not None else np), value.shape[-1]
        if kind in ("max", "min", "argmax", "argmin"):
            plain = self.plain(value)
            plain = plain if kind.endswith("max") else -plain
            if n == 0 and plain.size == 0 and 0 not in plain.shape[:-1]:
                raise ValueError("the maximum of nothing")
            if 0 in plain.shape[:-1]:
                best = np.zeros(plain.shape[:-1], np.int64)
            else:
                best = np.argmax(plain, axis=-1)
                if n > 1:
                    top = np.sort(plain, axis=-1)
                    self.note(best, top[..., -1] - top[..., -2])
                else:
                    self.note(best, np.ones(()))
            if kind.startswith("arg"):
                return self.array(best)
            where = self.array(best[..., None])
            return (xp.gather(value, -1, where) if self.torch is not None else np.take_along_axis(value, where, -1))[..., 0]
        value = self.real(value)
        if kind == "+":
            return value.sum(-1)
        if kind == "*":
            return value.prod(-1)
        assert kind == "lse"
        if self.torch is not None:
            return xp.logsumexp(value, -1)
        return np.logaddexp.reduce(value, axis=-1) if n else np.full(value.shape[:-1], -np.inf)
