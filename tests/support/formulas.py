"""Formulas under random rewritings that keep their algebra, and as graphs of one operation each."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from gradwright.compiler.derive.formula import parse
from gradwright.compiler.graph import expr as E
from gradwright.compiler.graph.expr import ONE, TWO, Expr, call, const, make
from gradwright.compiler.graph.ir import Access, Axis, Eqn, Graph, Origin, Reduce, Value, at
from gradwright.compiler.graph.shapes import Dim
from gradwright.compiler.language.source import Span


def variants(e: Expr, rng: Random) -> list[Expr]:
    """Expressions that equal ``e`` by algebra: commuted, reassociated, multiplied out, negated twice..."""
    op, a = e.op, e.args
    found: list[Expr] = []
    if op in ("add", "mul"):
        found.append(make(op, a[1], a[0]))
        if a[0].op == op:
            found.append(make(op, a[0].args[0], make(op, a[0].args[1], a[1])))
        if a[1].op == op:
            found.append(make(op, make(op, a[0], a[1].args[0]), a[1].args[1]))
    if op == "add" and a[1].op == "neg":
        found.append(make("sub", a[0], a[1].args[0]))
    if op == "sub":
        found += [make("add", a[0], make("neg", a[1])), make("neg", make("sub", a[1], a[0]))]
    if op == "mul":
        for i in (0, 1):
            if a[i].op in ("add", "sub"):
                found.append(make(a[i].op, make("mul", a[i].args[0], a[1 - i]), make("mul", a[i].args[1], a[1 - i])))
        if a[0].op == "exp" and a[1].op == "exp":
            found.append(call("exp", make("add", a[0].args[0], a[1].args[0])))
    if op == "div":
        found.append(make("mul", a[0], make("div", ONE, a[1])))
        if a[0].op in ("add", "sub"):
            found.append(make(a[0].op, make("div", a[0].args[0], a[1]), make("div", a[0].args[1], a[1])))
        found.append(make("div", make("mul", a[0], TWO), make("mul", TWO, a[1])))
        found.append(make("div", make("neg", a[0]), make("neg", a[1])))
    if op == "exp":
        u = a[0]
        if u.op == "add":
            found.append(make("mul", call("exp", u.args[0]), call("exp", u.args[1])))
        if u.op == "sub":
            found.append(make("div", call("exp", u.args[0]), call("exp", u.args[1])))
        if u.op == "neg":
            found.append(make("div", ONE, call("exp", u.args[0])))
    if op == "neg":
        found.append(make("mul", const(-1), a[0]))
    if op != "const":
        found.append(make("neg", make("neg", e)))
    elif e.number and rng.random() < 0.2:
        found.append(make("sub", make("add", e, ONE), ONE))
    return found


def rewritten(e: Expr, rng: Random, steps: int) -> Expr:
    """``e`` after some random rewritings."""
    for _ in range(steps):
        nodes = [n for n in E.walk(e) if n.args or n.op == "const"]
        node = rng.choice(nodes)
        choices = variants(node, rng)
        if choices:
            e = E.substitute(e, {node: rng.choice(choices)})
    return e


class Builder:
    """Makes a graph of single operations over the axes i0 < N, i1 < C."""

    def __init__(self, *inputs: Value) -> None:
        self.inputs = list(inputs)
        self.values = {v.name: v for v in inputs}
        self.eqns: list[Eqn] = []
        self.line = 0

    def _origin(self) -> Origin:
        self.line += 1
        return Origin((Span("m.gw", self.line, 1, self.line, 5),), "source")

    def formula(self, name: str, text: str | Expr, **reads: Access | str) -> str:
        """Equations for ``text`` over the named values (all of the result's shape unless an access says otherwise), one
        for each operation; returns ``name``."""
        root = parse(text) if isinstance(text, str) else text
        shapes = [self.values[r if isinstance(r, str) else r.value].shape for r in reads.values() if isinstance(r, str)]
        shape = max(shapes, key=len) if shapes else ()
        axes = tuple(Axis(f"i{k}", d) for k, d in enumerate(shape))
        index = tuple(at(a.name) for a in axes)
        place: dict[Expr, Access | Expr] = {}
        for leaf_name, read in reads.items():
            place[E.sym(leaf_name)] = Access(read, index[: len(self.values[read].shape)]) if isinstance(read, str) else read
        count = 0
        nodes = [n for n in E.walk(root) if n.args]
        for node in nodes:
            args: list[Access] = []
            parts: list[Expr] = []
            for a in node.args:
                found = place.get(a, a)
                if isinstance(found, Access):
                    parts.append(E.arg(len(args)))
                    args.append(found)
                else:
                    parts.append(found)
            if node is root:
                out = name
            else:
                count += 1
                out = f"{name}_t{count}"
            value = Value(out, shape)
            self.values[out] = value
            self.eqns.append(Eqn(value, axes, index, "", tuple(args), make(node.op, *parts), node.op, self._origin()))
            place[node] = Access(out, index)
        return name

    def reduction(self, name: str, reduce: Reduce, over: str, keep: bool = False) -> str:
        """A reduction over the last axis."""
        shape = self.values[over].shape
        axes = [Axis(f"i{k}", d) for k, d in enumerate(shape[:-1])]
        out = tuple(shape[:-1])
        index = tuple(at(a.name) for a in axes)
        last = Axis("r0", shape[-1])
        read = Access(over, (*index, at("r0")))
        if keep:
            axes.append(Axis("k0", Dim.of(1)))
            out, index = (*out, Dim.of(1)), (*index, at("k0"))
        value = Value(name, out)
        self.values[name] = value
        self.eqns.append(Eqn(value, (*axes, last), index, reduce, (read,), E.arg(0), reduce, self._origin()))
        return name

    def move(self, name: str, shape: Sequence[Dim | int | str], read: Access) -> str:
        """Data movement: a read over axes i0, i1... of ``shape``."""
        dims = tuple(Dim.of(d) for d in shape)
        axes = tuple(Axis(f"i{k}", d) for k, d in enumerate(dims))
        value = Value(name, dims)
        self.values[name] = value
        self.eqns.append(Eqn(value, axes, tuple(at(a.name) for a in axes), "", (read,), E.arg(0), "move", self._origin()))
        return name

    def graph(self, *outputs: str) -> Graph:
        return Graph("m", tuple(self.inputs), (), tuple(self.eqns), outputs)
