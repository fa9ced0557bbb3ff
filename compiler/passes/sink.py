"""What no later step of a loop waits for, taken behind it for all steps at once: a product that the steps only emit, as h @ V,
and a sum that they only add to, as d_W += x_t.T @ d_z_t, which becomes one product over the steps and the batch.

The loop then emits what these are made of. That costs memory for every step; so only products are moved, where they take longer
than what they read takes to be written and read (``costs``), and none out of a loop that saves memory or may end early.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Access, Eqn, Graph, Origin, Scan, Value, at, outs
from ..graph.rewrite import Namer, normalise, prune, shape_axes
from . import costs, dce
from .names import rename_reads
from .steps import ancestors, for_all, whole


def run(graph: Graph) -> Graph:
    if not any(isinstance(eqn, Scan) for eqn in graph.eqns):
        return graph
    name = Namer(graph.values())
    zeros = {e.out.name for e in graph.eqns if isinstance(e, Eqn) and e.body is E.ZERO}
    eqns: list[Eqn | Scan] = []
    for eqn in graph.eqns:
        behind: list[Eqn] = []
        if isinstance(eqn, Scan):
            body = run(eqn.body)
            body = _handing_out(eqn, body)
            eqn, behind = _sunk(eqn if body is eqn.body else replace(eqn, body=body), name, zeros)
        eqns += [eqn, *behind] if outs(eqn) else behind
    changed = len(eqns) != len(graph.eqns) or any(a is not b for a, b in zip(eqns, graph.eqns, strict=True))
    return graph.with_eqns(tuple(eqns)) if changed else graph


def _handing_out(scan: Scan, body: Graph) -> Graph:
    """The body emitting what it computes, and no copies of that."""
    values, made = body.values(), {e.out.name: e for e in body.eqns if isinstance(e, Eqn)}
    outputs = list(body.outputs)
    for k in scan.emits:
        value = outputs[k]
        while value in made and _copies(made[value], values) and made[value].args[0].value in made:
            value = made[value].args[0].value
        if value not in outputs:
            outputs[k] = value
    return body if outputs == [*body.outputs] else replace(body, outputs=tuple(outputs))


def _sunk(scan: Scan, name: Namer, zeros: set[str]) -> tuple[Scan, list[Eqn]]:
    """The loop with less in it, and what is behind it now."""
    if not whole(scan):
        return scan, []
    loop = _Loop(scan, name)
    moved = loop.moved()
    return loop.rebuilt(moved, zeros) if moved else (scan, [])


class _Loop:
    def __init__(self, scan: Scan, name: Namer) -> None:
        self.scan, self.name = scan, name
        body = scan.body
        self.values = body.values()
        root: dict[str, str] = {}  # where a value that is only copied comes from
        self.eqns: list[Eqn | Scan] = []  # without such copies
        for eqn in body.eqns:
            eqn = rename_reads(eqn, root)
            if isinstance(eqn, Eqn) and _copies(eqn, self.values):
                root[eqn.out.name] = eqn.args[0].value
            else:
                self.eqns.append(eqn)
        self.outputs = [root.get(o, o) for o in body.outputs]
        self.count = Counter(self.outputs)
        self.made = {e.out.name: e for e in self.eqns if isinstance(e, Eqn)}
        self.readers: dict[str, list[Eqn | Scan]] = {}
        for eqn in self.eqns:
            for read in eqn.reads():
                self.readers.setdefault(read, []).append(eqn)
        count, sliced = len(scan.initial), len(scan.initial) + len(scan.slices)
        self.same = {v.name: outer for v, outer in zip(body.inputs[sliced:], scan.captured, strict=True)}
        # what is there of all steps
        self.stacks = {v.name: outer for v, outer in zip(body.inputs[count:sliced], scan.slices, strict=False)}
        self.emitted: list[str] = []  # by us
        self.stacks |= {self.outputs[k]: scan.outs[k].name for k in reversed(scan.emits) if self.outputs[k] not in self.same}
        self.sums = {k: rest for k in range(count) if (rest := self._added(k)) is not None}
        self.lasts = {self.outputs[k]: self.made[self.outputs[k]] for k in self.sums}
        for k, rest in self.sums.items():
            self.made[self.outputs[k]] = rest

    def _added(self, k: int) -> Eqn | None:
        """What the steps add to a carry that nothing else reads."""
        carry, last = self.scan.body.inputs[k].name, self.outputs[k]
        eqn = self.made.get(last)
        if eqn is None or eqn.reduce or eqn.plain_out is None or eqn.out.kind != "real" or carry in self.count:
            return None
        if self.readers.get(carry) != [eqn] or last in self.readers or self.count[last] != 1:
            return None
        return _without(eqn, carry)

    # ------------------------------------------------------------ what is moved

    def moved(self) -> set[str]:
        """The values that are made behind the loop."""
        body, count = self.scan.body, len(self.scan.initial)
        consts = {c.value.name for c in body.consts}
        fixed = [o for k, o in enumerate(self.outputs[:count]) if k not in self.sums]
        for eqn in self.eqns:  # what stays where it is
            if isinstance(eqn, Scan) or E.is_drawn(eqn.body) or not consts.isdisjoint(eqn.reads()):
                fixed += [o.name for o in outs(eqn)]
        waited = ancestors(self.eqns, fixed)
        rest = [e for e in self.made.values() if e.out.name not in waited]
        sums = {self.outputs[k] for k in self.sums}
        mine = {e.out.name for e in rest}
        moved: set[str] = set()
        for seed in rest:
            if seed.out.name in moved or not costs.multiplies(seed):
                continue
            cone = self._cone(seed, mine, moved)
            if self._pays(cone, moved, sums):
                moved.update(cone)
                for value in moved.intersection(self.emitted):  # what was to be emitted for another is made behind, too
                    self.emitted.remove(value)
                    del self.stacks[value]
                for value in self._reads(cone, moved):
                    if value not in self.stacks:
                        self.stacks[value] = self.name(f"{value}_steps")
                        self.emitted.append(value)
        return moved

    def _cone(self, seed: Eqn, mine: set[str], moved: set[str]) -> dict[str, Eqn]:
        """All that needs the seed, and what is needed by this alone or only moves what is there; but what is moved already."""
        cone = {seed.out.name: seed}
        todo = [seed]
        while todo:
            for reader in self.readers.get(todo.pop().out.name, ()):
                assert isinstance(reader, Eqn)  # a loop that needed it would stay, and the seed with it
                if reader.out.name not in cone and reader.out.name not in moved:
                    cone[reader.out.name] = self.made[reader.out.name]
                    todo.append(cone[reader.out.name])
        todo = [*cone.values()]
        while todo:
            for value in todo.pop().reads():
                eqn = self.made.get(value)
                if eqn is None or value in cone or value in moved or value in self.stacks:
                    continue
                alone = value in mine and value not in self.count and all(
                    o.name in cone or o.name in moved for r in self.readers[value] for o in outs(r))  # fmt: skip
                if alone or _moves(eqn):
                    cone[value] = eqn
                    todo.append(eqn)
        return cone

    def _reads(self, cone: dict[str, Eqn], moved: set[str]) -> list[str]:
        """The values of a step that those of the cone are made of."""
        reads = dict.fromkeys(read for e in cone.values() for read in e.reads())
        return [read for read in reads if read not in cone and read not in moved and read not in self.same]

    def _pays(self, cone: dict[str, Eqn], moved: set[str], sums: set[str]) -> bool:
        gain = sum(costs.operations(e) for e in cone.values() if costs.multiplies(e))
        gain += sum(costs.ELEMENT * costs.elements(e.out.shape) for v, e in cone.items() if v in sums)
        cost = 0
        for read in self._reads(cone, moved):
            cost += costs.elements(self.values[read].shape) * costs.ELEMENT // (2 if read in self.stacks else 1)
        return gain >= cost

    # ------------------------------------------------------------ the loop without it, and what is behind it

    def rebuilt(self, moved: set[str], zeros: set[str]) -> tuple[Scan, list[Eqn]]:
        scan, count = self.scan, len(self.scan.initial)
        order = [e for e in self.made.values() if e.out.name in moved]
        gone = [k for k, o in enumerate(self.outputs) if o in moved]
        ends = {self.outputs[k]: k for k in gone if k < count}
        stacks = {self.outputs[k]: scan.outs[k].name for k in reversed(gone) if k >= count}
        totals, needed = self._needed(order, set(ends), set(stacks), moved)
        behind: list[Eqn] = []
        done: set[str] = set()
        for eqn in order:  # what is added has a name: its sum is the result
            last = eqn.out.name
            if last in ends and _copies(eqn, self.values) and (inner := eqn.args[0].value) in moved and inner not in ends:
                ends[inner] = ends.pop(last)
                done.add(last)
        totals |= {v: self._total(v, ends, zeros, behind) for v in totals if v not in moved}
        for eqn in order:
            value = eqn.out.name
            if value in needed:
                self.stacks[value] = stacks.get(value) or self.name(f"{value}_steps")
                out = Value(self.stacks[value], (scan.axis.extent, *eqn.out.shape), eqn.out.kind)
                behind.append(for_all(eqn, scan.axis, self.stacks, self.same, out))
            if value not in totals or value in done:
                continue
            if eqn.reduce not in ("", "+"):
                totals[value] = self._total(value, ends, zeros, behind)
                continue
            out, end = self._result(value, ends, zeros), ends.get(value)
            if self._handed_on(eqn, moved):
                names = self.same | totals
                if end is not None and out != scan.outs[end] and value in self.lasts:
                    eqn, out = self.lasts[value], scan.outs[end]
                    names |= {scan.body.inputs[end].name: scan.initial[end]}
                    end = None
                summed = rename_reads(eqn, names)
                assert isinstance(summed, Eqn)
                behind.append(replace(summed, out=out))
            else:
                behind.append(normalise(for_all(eqn, scan.axis, self.stacks, self.same, out, summed=True)))
            totals[value] = self._finished(out, end, zeros, behind)
        for k in gone:
            if k >= count and stacks[self.outputs[k]] != scan.outs[k].name:  # emitted twice
                behind.append(_copy(stacks[self.outputs[k]], scan.outs[k], scan.origin))
        return self._loop(gone), behind

    def _needed(self, order: list[Eqn], totals: set[str], needed: set[str], moved: set[str]) -> tuple[dict[str, str], set[str]]:
        """Of which values the sum over the steps is needed, and of which all of them."""
        for eqn in reversed(order):
            value = eqn.out.name
            varying = [read for read in eqn.reads() if read not in self.same]
            if value in totals:
                if self._handed_on(eqn, moved):
                    totals.update(varying)
                elif eqn.reduce in ("", "+"):
                    needed.update(varying)
                else:
                    needed.add(value)
            if value in needed:
                needed.update(varying)
        return dict.fromkeys(sorted(totals), ""), needed

    def _handed_on(self, eqn: Eqn, moved: set[str]) -> bool:
        """Whether the sum over the steps is taken of what the equation reads already: it is linear in that."""
        return not moved.isdisjoint(eqn.reads()) and _linear(eqn, self.same)

    def _total(self, value: str, ends: dict[str, int], zeros: set[str], behind: list[Eqn]) -> str:
        """The sum over the steps of what is there of all of them."""
        out = self._result(value, ends, zeros)
        one = _copy(value, out, self.scan.origin)
        behind.append(for_all(replace(one, op="sum"), self.scan.axis, self.stacks, self.same, out, summed=True))
        return self._finished(out, ends.get(value), zeros, behind)

    def _result(self, value: str, ends: dict[str, int], zeros: set[str]) -> Value:
        """Where a sum over the steps goes: to the loop's own result, where that starts at zero."""
        end = ends.get(value)
        if end is not None and self.scan.initial[end] in zeros:
            return self.scan.outs[end]
        return Value(self.name(f"{value}_sum"), self.values[value].shape)

    def _finished(self, out: Value, end: int | None, zeros: set[str], behind: list[Eqn]) -> str:
        if end is not None and self.scan.initial[end] not in zeros:
            result = self.scan.outs[end]
            axes = shape_axes(result.shape)
            index = tuple(at(a.name) for a in axes)
            reads = (Access(self.scan.initial[end], index), Access(out.name, index))
            behind.append(Eqn(result, axes, index, "", reads, E.make("add", E.arg(0), E.arg(1)), "add", self.scan.origin))
        return out.name

    def _loop(self, gone: list[int]) -> Scan:
        scan, body, count = self.scan, self.scan.body, len(self.scan.initial)
        kept = [k for k in range(len(scan.outs)) if k not in gone]
        more = [Value(self.stacks[v], (scan.axis.extent, *self.values[v].shape), self.values[v].kind) for v in self.emitted]
        inner = replace(body, inputs=tuple(v for k, v in enumerate(body.inputs) if k >= count or k not in gone),
                        outputs=(*(body.outputs[k] for k in kept), *self.emitted))  # fmt: skip
        return replace(scan, outs=(*(scan.outs[k] for k in kept), *more), body=dce.run(inner),
                       initial=tuple(v for k, v in enumerate(scan.initial) if k not in gone))  # fmt: skip


def _without(eqn: Eqn, carry: str) -> Eqn | None:
    """The equation without the summand that is the carry as a whole."""
    terms, rest = [eqn.body], None
    found = 0
    while terms:
        term = terms.pop()
        if term.op == "add":
            terms += reversed(term.args)
        elif term.op == "arg" and isinstance(term.value, int) and eqn.args[term.value].value == carry:
            access = eqn.args[term.value]
            if access.fill is not None or tuple(ix.plain for ix in access.index) != eqn.plain_out:
                return None
            found += 1
        else:
            rest = term if rest is None else E.make("add", rest, term)
    if found != 1 or rest is None:
        return None
    eqn = prune(replace(eqn, body=rest))
    return None if carry in eqn.reads() else eqn


def _copies(eqn: Eqn, values: dict[str, Value]) -> bool:
    """It is the same value again."""
    if eqn.reduce or eqn.body is not E.arg(0) or len(eqn.args) != 1 or eqn.plain_out is None:
        return False
    (read,) = eqn.args
    source = values[read.value]
    same = read.fill is None and source.shape == eqn.out.shape and source.kind == eqn.out.kind
    return same and tuple(ix.plain for ix in read.index) == eqn.plain_out


def _moves(eqn: Eqn) -> bool:
    return eqn.reduce == "" and eqn.body is E.arg(0)


def _copy(source: str, out: Value, origin: Origin) -> Eqn:
    axes = shape_axes(out.shape)
    index = tuple(at(a.name) for a in axes)
    return Eqn(out, axes, index, "", (Access(source, index),), E.arg(0), "copy", origin)


def _linear(eqn: Eqn, same: Iterable[str]) -> bool:
    """Whether the sum of what it makes of several is what it makes of their sum."""
    fixed = set(same)
    indices = (*(i for a in eqn.args for i in a.index), *eqn.out_index)
    if eqn.reduce not in ("", "+") or any(g.value not in fixed for ix in indices for g in ix.gathers()):
        return False
    if any(a.fill not in (None, 0) for a in eqn.args if a.value not in fixed):
        return False
    degrees: dict[Expr, int | None] = {}  # 0: the same at every step, 1: linear, None: neither
    for node in E.walk(eqn.body):
        of = [degrees[a] for a in node.args]
        zero = [a is E.ZERO for a in node.args]
        if node.op == "arg":
            degrees[node] = 0 if eqn.args[node.place].value in fixed else 1
        elif all(d == 0 for d in of):
            degrees[node] = 0
        elif node.op in ("add", "sub", "neg") or (node.op == "where" and of[0] == 0):
            terms = list(zip(of, zero, strict=True))[node.op == "where" :]
            degrees[node] = 1 if all(d == 1 or z for d, z in terms) else None
        elif node.op == "mul" or (node.op == "div" and of[1] == 0):
            degrees[node] = 1 if sorted(of, key=str) == [0, 1] else None
        else:
            degrees[node] = None
    return degrees[eqn.body] == 1
