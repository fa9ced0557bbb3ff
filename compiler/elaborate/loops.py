"""Loops at run time: a ``scan`` becomes one equation that holds a graph.

The body is elaborated once, into equations of its own. What it reads from outside goes in as it is, except that what is
indexed by the loop's variable, as ``x[:, t]``, goes in as a slice: an equation before the loop brings time to the first axis,
so that the backward pass writes each step's gradient into its own place instead of adding to the whole array.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from ..graph import expr as E
from ..graph.bounds import never_negative
from ..graph.ir import Axis, Kind, at, fixed
from ..graph.rewrite import shape_axes
from ..graph.shapes import Dim
from ..language import syntax
from ..language.source import Span
from ..ops.declare import Read, Step, plain
from .bodies import Inner, Steps, bound_names
from .evaluator import NotElementwise, Task, Wanted, called
from .files import Files
from .layers import LayerCaller
from .scope import Entry, Env, article
from .values import (
    POISON,
    ConstDraft,
    Draft,
    Layer,
    Literal,
    Poison,
    Scalar,
    ScanDraft,
    Several,
    Text,
    Val,
    Value,
    describe,
    made,
    name_steps,
)

MOST_STEPS: Final = 2**31 - 1
KINDS: Final[dict[Kind, str]] = {"real": "real numbers", "int": "integers", "bool": "truth values"}
Affine = tuple["Moment", Dim, Dim]


@dataclass(eq=False, slots=True)
class Moment(Val):
    """A loop's variable inside its body: an integer scalar."""

    loop: Loop | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Known(syntax.Ref):
    """A piece of an expression that has been evaluated already."""

    value: Value


class Names(dict[str, Value]):
    """The names of a body. What is not bound in it is looked for outside, and remembered."""

    def __init__(self, outer: Names | dict[str, Value] | None, entries: dict[str, Entry]) -> None:
        super().__init__()
        self.outer, self.entries = outer, entries
        self.asked: set[str] = set()
        self.emits: dict[str, Span] = {}

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or self.outside(str(name)) is not None

    def __getitem__(self, name: str) -> Value:
        if super().__contains__(name):
            return super().__getitem__(name)
        value = self.outside(name)
        if value is None:
            raise KeyError(name)
        return value

    def get(self, name: str, default: Any = None) -> Any:
        found = name in self
        return self[name] if found else default

    def own(self, name: str) -> bool:
        return super().__contains__(name)

    def outside(self, name: str) -> Value | None:
        self.asked.add(name)
        if self.outer is not None:
            return self.outer.get(name)
        entry = self.entries.get(name)
        if entry is None or entry.what != "binding":
            return None
        entry.used = True
        return entry.value

    def visible(self, name: str) -> Span | bool:
        """Where a name from outside is bound, or whether there is one."""
        asked = name in self.asked
        found: Span | bool = name in self.outer if self.outer is not None else False
        if self.outer is None and name in self.entries:
            found = self.entries[name].span
        if not asked:
            self.asked.discard(name)
        return found


@dataclass(eq=False, slots=True)
class Loop:
    """A loop whose body is being elaborated. ``outer`` are the drafts of the graph around it."""

    variable: str
    start: Dim
    extent: Dim
    outer: list[Draft | ScanDraft | ConstDraft]
    drafts: list[Draft | ScanDraft | ConstDraft] = field(default_factory=list)
    carries: list[tuple[syntax.Name, Val, Val]] = field(default_factory=list)
    slices: list[tuple[Val, Val]] = field(default_factory=list)
    sliced: dict[tuple[object, ...], Val] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    words: frozenset[str] = frozenset()
    within: set[int] = field(default_factory=set)  # the values of the body
    seen: int = 0

    def holds(self, val: Val) -> bool:
        """Whether a value belongs to the body."""
        for draft in self.drafts[self.seen :]:
            self.within.update(id(v) for v in made(draft))
        self.seen = len(self.drafts)
        return id(val) in self.within

    def take(self, outer: Val, inner: Val, key: tuple[object, ...]) -> Val:
        self.slices.append((outer, inner))
        self.within.add(id(inner))
        self.sliced[key] = inner
        return inner

    def name(self, wanted: str) -> str:
        """A name for a value of the body; the user's own for its first meaning."""
        name, k = wanted, 1
        while name in self.taken or (k > 1 and name in self.words):
            k += 1
            name = f"{wanted}_{k}"
        self.taken.add(name)
        return name

    def settle(self, results: list[tuple[str, Val]], start: int, base: str) -> None:
        """Name what a statement made: its results as the user does, the rest ``name_t1``, ``name_t2``..."""
        for wanted, val in results:
            if not val.name and self.holds(val):
                val.name = self.name(wanted)
        name_steps(self.drafts[start:], base, self.taken, self.words)


class LoopCaller(LayerCaller):
    """The evaluator with its loops over time."""

    def __init__(self, files: Files) -> None:
        super().__init__(files)
        self.loops: list[Loop] = []
        self.wishes: list[tuple[str, Val]] = []  # names for what a loop made before it

    def inside_loops(self) -> tuple[str, ...]:
        return tuple(loop.variable for loop in self.loops)

    # ------------------------------------------------------------ statements

    def inner_statement(self, line: Inner, names: dict[str, Value], env: Env) -> Steps:
        if isinstance(line, syntax.ScanDecl):
            if env.elem is not None:
                raise NotElementwise
            start = len(self.drafts)
            names.update((yield from self.scan(line, env)))
            if self.loops and env.site is None:
                self.loops[-1].settle(self.wishes, start, line.variable.id)
                self.wishes.clear()
            return
        if isinstance(line, syntax.Next) and self.loops:
            self.report(
                env, "E272", "a state cannot change in a `scan`", line.span, notes=("a state changes once a call",),
                help=f"carry it through the loop, and write `next {line.name.id} = ...` after it",
            )  # fmt: skip
            return
        if isinstance(line, syntax.RandomDecl) and env.owner is None:  # drawn anew at each step
            name = line.name
            known = self.entries.get(name.id)
            if isinstance(names, Names) and names.own(name.id):
                self.report(env, "E221", f"{name.id} is declared twice", name.span)
            elif known is not None and known.what != "binding":
                self.report(
                    env, "E221", f"{name.id} is {article(known.what)} already", name.span, labels=((known.span, "here"),),
                    help="choose another name",
                )  # fmt: skip
            names[name.id] = self.keeper.random(line, env)
            return
        yield from super().inner_statement(line, names, env)

    def scan(self, node: syntax.ScanDecl, env: Env) -> Generator[Wanted, Value, dict[str, Value]]:
        """What is visible after the loop: its last carries and its emits."""
        shown = [line for line in node.body if isinstance(line, syntax.Carry | syntax.Emit)]
        nothing: dict[str, Value] = {line.name.id: POISON for line in shown}
        head = Span(node.span.file, node.span.line, node.span.column, node.span.line, node.variable.span.end_column)
        times = yield from self.times(node, env)
        good = times is not None and self.fresh_variable(node.variable, env)
        if not shown:
            self.report(
                env, "E252", "nothing of this loop is there after it", head,
                help="`carry` what goes from step to step, `emit` what is kept of every step",
            )  # fmt: skip
            good = False
        carries = [line for line in node.body if isinstance(line, syntax.Carry)]
        initial: list[Val] = []
        for line in carries:
            val = self.initial(line, (yield line.value, env), env)
            good = good and val is not None
            if val is not None:
                initial.append(val)
                self.wishes.append((f"{line.name.id}_start", val))
        if not good or times is None:
            return nothing
        start, extent, backwards = times
        loop = Loop(node.variable.id, start, extent, self.drafts, words=frozenset(_bound(node)))
        names = Names(env.names if env.names is None or isinstance(env.names, dict) else dict(env.names), self.entries)
        moment = Moment((), "int", start + extent if never_negative(start) else None, loop.name(node.variable.id), loop=loop)
        loop.within.add(id(moment))
        loop.sliced["time", Dim.of(1), start] = moment
        names[node.variable.id] = moment
        before = len(self.bag)
        for line, val in zip(carries, initial, strict=True):
            if names.own(line.name.id):
                self.report(env, "E253", f"{line.name.id} is carried twice", line.name.span)
            inner = Val(val.shape, val.kind, val.below, loop.name(line.name.id))
            loop.carries.append((line.name, val, inner))
            loop.within.add(id(inner))
            names[line.name.id] = inner
        self.loops.append(loop)
        self.drafts = loop.drafts
        try:
            emitted, until = yield from self.steps(node, loop, names, Env(env.frame, names, env.site, owner=env.owner), before)
            if len(self.bag) > before:
                return nothing
            results = [self.next_carry(node, name, inner, names, env) for name, _, inner in loop.carries]
            if any(r is None for r in results):
                return nothing
        finally:
            self.loops.pop()
            self.drafts = loop.outer
        draft = self.draft(loop, [r for r in results if r is not None], emitted, until, backwards, node.recompute, head, env)
        self.drafts.append(draft)
        if until is not None:
            self.wishes.append((f"{loop.variable}_taken", draft.outs[-1]))
        found: dict[str, Value] = {name.id: out for (name, _, _), out in zip(loop.carries, draft.outs, strict=False)}
        found |= zip((name for name, _, _ in emitted), draft.outs[len(loop.carries) :], strict=False)
        return found

    def steps(
        self, node: syntax.ScanDecl, loop: Loop, names: Names, env: Env, before: int
    ) -> Generator[Wanted, Value, tuple[list[tuple[str, Val, Span]], Val | None]]:
        """The statements of the body, in order; what they emit, and what ends the loop."""
        emitted: dict[str, tuple[str, Val, Span]] = {}
        names.emits = {line.name.id: line.name.span for line in node.body if isinstance(line, syntax.Emit)}
        started = False
        for line in node.body:
            start = len(loop.drafts)
            if isinstance(line, syntax.Carry):
                if started:
                    self.report(
                        env, "E253", "a carry stands before all other statements of the loop", line.span,
                        notes=("its first value is taken once, before the loop",),
                    )  # fmt: skip
                continue
            started = True
            if isinstance(line, syntax.Emit):
                val = self.emission(line, (yield line.value, env), loop, emitted, env)
                if val is not None:
                    emitted[line.name.id] = line.name.id, val, line.name.span
                    loop.settle([(line.name.id, val)], start, line.name.id)
                continue
            names.asked.clear()
            found = len(self.bag)
            yield from self.inner_statement(line, names, env)
            if len(self.bag) > found:
                if not isinstance(line, syntax.Binding):
                    break
            bound = [n for n in dict.fromkeys(_bound(line)) if names.own(n)]
            if isinstance(line, syntax.Binding):
                self.lasting(line, loop, names, env)
            results = [(n, v) for n in bound if isinstance(v := names[n], Val)]
            loop.settle(results, start, bound[0] if bound else "step")
        until: Val | None = None
        if node.until is not None and len(self.bag) == before:
            start = len(loop.drafts)
            found_value = yield node.until, env
            if not isinstance(found_value, Poison):
                truth = isinstance(found_value, Val) and found_value.kind == "bool"
                if isinstance(found_value, Scalar):
                    truth = found_value.boolean
                if not truth or (isinstance(found_value, Val) and found_value.shape):
                    self.report(
                        env, "E255", "what ends a loop is one truth value", node.until.span,
                        labels=((node.until.span, f"this is {_described(found_value)}"),),
                        help="compare numbers, as in `until max(abs(e)) < 1e-9`",
                    )  # fmt: skip
                else:
                    until = self.materialise(found_value, node.until.span, env)
                    loop.settle([("done", until)], start, "done")
        return list(emitted.values()), until

    # ------------------------------------------------------------ pieces of the statement

    def times(self, node: syntax.ScanDecl, env: Env) -> Generator[Wanted, Value, tuple[Dim, Dim, bool] | None]:
        """The first time, the number of steps, and whether they go backwards."""
        values, backwards = node.values, False
        while isinstance(values, syntax.Call) and values.func.id == "reversed" and len(values.args) == 1:
            values, backwards = values.args[0], not backwards
        if not (isinstance(values, syntax.Call) and values.func.id == "range") or values.keywords:
            self.report(
                env, "E251", "a `scan` runs over `range(...)`", node.values.span,
                help=f"scan {node.variable.id} in range(T): and in it {self.text(node.values.span)}[{node.variable.id}]"
                if isinstance(values, syntax.Ref) else None,
            )  # fmt: skip
            return None
        if not 1 <= len(values.args) <= 2:
            self.report(
                env, "E251", "the range of a `scan` has a start and an end, and no step", values.span,
                help="range(T) or range(a, b); inside, 2*t is as good an index as t",
            )  # fmt: skip
            return None
        bounds: list[Dim] = []
        for part in values.args:
            value = yield part, env
            dim = self.as_dim(value, part, env, "E251", "the range of a `scan` is made of sizes and whole numbers")
            if dim is None:
                return None
            bounds.append(dim)
        start, end = (Dim.of(0), bounds[0]) if len(bounds) == 1 else bounds
        extent = end - start
        if never_negative(-extent) and extent.value != 0:
            self.report(env, "E251", f"a loop cannot run {extent} times", values.span)
            return None
        if extent.value is not None and extent.value > MOST_STEPS:
            self.report(env, "E251", f"this loop would run {extent} times, and {MOST_STEPS} is the most", values.span)
            return None
        return start, extent, backwards

    def fresh_variable(self, name: syntax.Name, env: Env) -> bool:
        if env.names is not None and name.id in env.names:
            self.report(env, "E221", f"{name.id} is something else already", name.span)
            return False
        entry = self.entries.get(name.id) if env.frame.main else None
        if entry is not None:
            self.report(
                env, "E221", f"{name.id} is {article(entry.what)} already", name.span,
                labels=((name.span, ""), (entry.span, "here")),
            )  # fmt: skip
            return False
        return True

    def initial(self, line: syntax.Carry, value: Value, env: Env) -> Val | None:
        """What a carry starts from."""
        return self.as_array(value, line.value, env)

    def next_carry(self, node: syntax.ScanDecl, name: syntax.Name, inner: Val, names: Names, env: Env) -> Val | None:
        """What the next step starts from; None after an error."""
        value = names[name.id]
        last = [t.span for line in node.body if isinstance(line, syntax.Binding) for t in line.targets if t.id == name.id]
        span = last[-1] if last else name.span
        if isinstance(value, Poison):
            return None
        if isinstance(value, Several | Text | Layer):
            self.not_an_array(syntax.Ref(name.id, span=span), value, env)
            return None
        start = len(self.drafts)
        val = self.materialise(value, span, env)
        if val.shape != inner.shape:
            extents = ", ".join(map(str, val.shape))
            self.report(
                env, "E250", f"{name.id} changes its shape in the loop", span,
                labels=((name.span, f"before the loop it is {describe(inner)}"), (span, f"after a step it is {describe(val)}")),
                help=f"carry {name.id} = zeros({extents})" if not inner.shape else None,
            )  # fmt: skip
            return None
        if val.kind != inner.kind and inner.kind == "real":
            axes = shape_axes(val.shape)
            step = Step("real", val.shape, axes, plain(axes), (Read(0, plain(axes)),), E.arg(0))
            val = self.emit(step, (val,), span, env)
        if val.kind != inner.kind:
            self.report(
                env, "E250", f"{name.id} changes its kind in the loop", span,
                labels=((name.span, f"before the loop it holds {KINDS[inner.kind]}"),
                        (span, f"after a step it holds {KINDS[val.kind]}")),
            )  # fmt: skip
            return None
        if inner.below is not None and (val.below is None or not never_negative(inner.below - val.below)):
            most = "values that are not bounded" if val.below is None else f"values below {val.below}"
            self.report(
                env, "E250", f"{name.id} changes its bound in the loop", span,
                labels=((name.span, f"before the loop it holds values below {inner.below}"),
                        (span, f"after a step it holds {most}")),
            )  # fmt: skip
            return None
        self.loops[-1].settle([(name.id, val)], start, name.id)
        return val

    def emission(
        self, line: syntax.Emit, value: Value, loop: Loop, emitted: dict[str, tuple[str, Val, Span]], env: Env
    ) -> Val | None:
        name = line.name
        if name.id in emitted:
            self.report(
                env, "E252", f"{name.id} is emitted twice", name.span,
                labels=((name.span, ""), (emitted[name.id][2], "first here")),
            )  # fmt: skip
            return None
        carried = next((c for c, _, _ in loop.carries if c.id == name.id), None)
        if carried is not None:
            self.report(
                env, "E252", f"{name.id} is a carry: after the loop it is the last one, and cannot be all of them", name.span,
                labels=((name.span, ""), (carried.span, "here")), help=f"emit {name.id}s = {self.text(line.value.span)}",
            )  # fmt: skip
            return None
        return self.as_array(value, line.value, env)

    def lookup(self, node: syntax.Ref, env: Env) -> Value:
        names = env.names
        if isinstance(names, Names) and node.id not in names and node.id in names.emits and node.id not in self.entries:
            return self.report(
                env, "E252", f"{node.id} is emitted, and is there only after the loop", node.span,
                labels=((node.span, ""), (names.emits[node.id], "emitted here")),
                help="inside the loop, a `carry` holds what the step before left",
            )  # fmt: skip
        return super().lookup(node, env)

    def lasting(self, line: syntax.Binding, loop: Loop, names: Names, env: Env) -> None:
        """``s = s + x[t]`` without a carry: every step would start from the same s."""
        carried = {c.id for c, _, _ in loop.carries}
        for target in line.targets:
            if target.id in carried or target.id not in names.asked:
                continue
            where = names.visible(target.id)
            if where is not False:
                self.report(
                    env, "E254", f"{target.id} does not last from step to step", target.span,
                    labels=((target.span, ""), *(((where, "every step reads this one"),) if isinstance(where, Span) else ())),
                    help=f"carry {target.id} = {target.id}, or give the new value another name",
                )  # fmt: skip
                return

    # ------------------------------------------------------------ the equation

    def draft(
        self, loop: Loop, carries: list[Val], emitted: list[tuple[str, Val, Span]], until: Val | None, backwards: bool,
        recompute: bool, span: Span, env: Env,
    ) -> ScanDraft:  # fmt: skip
        moment = loop.sliced["time", Dim.of(1), loop.start]
        results = (*carries, *(v for _, v, _ in emitted), *((until,) if until is not None else ()))
        needed = {id(v) for v in results}
        body: list[Draft | ScanDraft] = []
        for draft in reversed(loop.drafts):
            if not isinstance(draft, ConstDraft) and any(id(v) in needed for v in made(draft)):
                needed.update(id(v) for v in draft.operands)
                body.append(draft)
        body.reverse()
        if id(moment) in needed:
            loop.slices.append((self.numbers(loop, Dim.of(1), loop.start, span, env), moment))
        slices = tuple((o, i) for o, i in loop.slices if id(i) in needed)
        loop.holds(moment)
        read = {id(v): v for d in body for v in d.operands} | {id(v): v for v in results}
        captured = tuple(v for k, v in read.items() if k not in loop.within)
        outs = [Val(v.shape, v.kind, i.below) for v, (_, _, i) in zip(carries, loop.carries, strict=True)]
        outs += [Val((loop.extent, *v.shape), v.kind, v.below) for _, v, _ in emitted]
        outs += [Val((), "int", loop.extent + 1)] if until is not None else []
        given = tuple((o, i) for _, o, i in loop.carries)
        operands = (*(o for o, _ in (*given, *slices)), *captured)
        made_draft = ScanDraft(
            tuple(outs), Axis(loop.variable, loop.extent), backwards, given, slices, captured, tuple(body), results,
            self.origin(span, env), until is not None, recompute, operands,
        )  # fmt: skip
        for out in outs:
            out.maker = made_draft
        return made_draft

    @contextmanager
    def level(self, drafts: list[Draft | ScanDraft | ConstDraft]) -> Iterator[None]:
        """Equations go to another graph for a while."""
        here, self.drafts = self.drafts, drafts
        try:
            yield
        finally:
            self.drafts = here

    def numbers(self, loop: Loop, factor: Dim, first: Dim, span: Span, env: Env) -> Val:
        """``factor*k + first`` for each step k, before the loop."""
        axes = shape_axes((loop.extent,))
        body = E.add(E.mul(E.dim(factor), E.idx(axes[0].name)), E.dim(first))
        last = first + factor * (loop.extent - 1)
        low, high = (first, last) if (factor.value or 0) > 0 else (last, first)
        below = high + 1 if never_negative(low) or never_negative(low + factor) else None
        with self.level(loop.outer):
            return self.emit(Step("arange", (loop.extent,), axes, plain(axes), (), body, kind="int", below=below), (), span, env)

    def materialise(self, value: Value, span: Span, env: Env) -> Val:
        if isinstance(value, Literal) and value.val is None and self.loops:
            with self.level(self.loops[0].outer):
                return super().materialise(value, span, env)
        return super().materialise(value, span, env)

    # ------------------------------------------------------------ x[:, t]

    def leaf_value(self, node: syntax.Expression, env: Env) -> Value:
        return node.value if isinstance(node, Known) else super().leaf_value(node, env)

    def subscript(self, node: syntax.Subscript, env: Env) -> Task:
        if not self.loops or env.elem is not None or not any(self.timed(item, env) for item in node.items):
            return (yield from super().subscript(node, env))
        value = yield node.value, env
        if isinstance(value, Literal):
            value = self.materialise(value, node.value.span, env)
        items = list(self.spread(node, value))
        taking = [k for k, item in enumerate(items) if not syntax.is_new_axis(item)]
        if not isinstance(value, Val) or len(taking) > len(value.shape):
            known = syntax.Subscript(_known(value, node.value), node.items, span=node.span)
            return (yield from super().subscript(known, env))
        timed = [(k, item, found) for k, item in enumerate(items) if not isinstance(item, syntax.Slice | syntax.Dots)
                 and (found := self.affine(item, env)) is not None]  # fmt: skip
        order = sorted(timed, key=lambda t: self.loops.index(t[2][0].loop) if t[2][0].loop in self.loops else -1)
        gone: list[int] = []
        for k, item, (moment, factor, offset) in order:
            loop = moment.loop
            assert loop is not None
            first = factor * loop.start + offset
            if loop.holds(value) or any(inner.holds(value) for inner in self.loops[self.loops.index(loop) :]):
                last = first + factor * (loop.extent - 1)
                key = ("time", factor, first)
                if key not in loop.sliced:
                    val = self.numbers(loop, factor, first, item.span, env)
                    loop.take(val, Val((), "int", val.below, loop.name(f"{loop.variable}_at")), key)
                items[k] = _known(loop.sliced[key], item)
                extent = value.shape[taking.index(k) - sum(g < k for g in gone)]
                if not self.inside(first, last, factor, extent):
                    return self.outside(item, node.value, value, first, last, factor, extent, env)
                continue
            axis = taking.index(k) - sum(g < k for g in gone)
            sliced = self.slice_of(value, axis, loop, factor, first, item, node.value, env)
            if sliced is None:
                return POISON
            value = sliced
            gone.append(k)
        rest = tuple(item for k, item in enumerate(items) if k not in gone)
        if all(isinstance(item, syntax.Slice) and item.start is item.stop is item.step is None for item in rest):
            return value
        return (yield from super().subscript(syntax.Subscript(_known(value, node.value), rest, span=node.span), env))

    def inside(self, first: Dim, last: Dim, factor: Dim, extent: Dim) -> bool:
        low, high = (first, last) if (factor.value or 0) > 0 else (last, first)
        return never_negative(low) and never_negative(extent - 1 - high)

    def outside(
        self, item: syntax.Expression, part: syntax.Expression, value: Val, first: Dim, last: Dim, factor: Dim, extent: Dim,
        env: Env,
    ) -> Poison:  # fmt: skip
        low, high = (first, last) if (factor.value or 0) > 0 else (last, first)
        array = called(part)
        return self.report(
            env, "E214", "this index may be outside", item.span,
            labels=((item.span, f"from {low} to {high}"), (part.span, f"{array} is {describe(value)}")),
            notes=(f"the axis has {extent} elements: 0 to {extent - 1}",),
        )  # fmt: skip

    def slice_of(
        self, value: Val, axis: int, loop: Loop, factor: Dim, first: Dim, item: syntax.Expression, part: syntax.Expression,
        env: Env,
    ) -> Val | None:  # fmt: skip
        """A value of the body: ``value`` at ``factor*k + first`` along ``axis``, for step k."""
        key = (id(value), axis, factor, first)
        if key in loop.sliced:
            return loop.sliced[key]
        extent, rest = value.shape[axis], value.shape[:axis] + value.shape[axis + 1 :]
        last = first + factor * (loop.extent - 1)
        if not self.inside(first, last, factor, extent):
            self.outside(item, part, value, first, last, factor, extent, env)
            return None
        outer = value
        if axis or not factor.is_one() or first.terms or extent != loop.extent:
            axes = shape_axes((loop.extent, *rest))
            index = [at(a.name) for a in axes[1:]]
            index.insert(axis, at(axes[0].name).scale(factor) + fixed(first))
            shape = (loop.extent, *rest)
            step = Step("slice", shape, axes, plain(axes), (Read(0, tuple(index)),), E.arg(0), kind=value.kind, below=value.below)
            place = self.loops.index(loop)
            while place and not self.loops[place - 1].holds(value):
                place -= 1
            with self.level(self.loops[place].outer):
                outer = self.emit(step, (value,), item.span, env)
            self.wishes.append((f"{part.id if isinstance(part, syntax.Ref) else 'step'}_by_{loop.variable}", outer))
        name = part.id if isinstance(part, syntax.Ref) else value.name or "slice"
        inner = Val(rest, value.kind, value.below, loop.name(f"{name}_{loop.variable}"), function=value.function)
        return loop.take(outer, inner, key)

    def timed(self, item: syntax.Item, env: Env) -> bool:
        if not self.loops or isinstance(item, syntax.Slice | syntax.Dots):
            return False
        return self.affine(item, env) is not None

    def affine(self, node: syntax.Expression, env: Env) -> Affine | None:
        """``a*t + b`` of one loop variable t, with a number a other than 0 and a size b; None for everything else."""
        found = self.linear(node, env)
        if found is None or len(found[0]) != 1:
            return None
        ((moment, factor),) = found[0].items()
        return (moment, factor, found[1]) if factor.value else None

    def linear(self, node: syntax.Expression, env: Env) -> tuple[dict[Moment, Dim], Dim] | None:
        match node:
            case syntax.Number():
                dim = self.number(node).dim
                return None if dim is None else ({}, dim)
            case syntax.Ref():
                value: Value | None = None
                if env.names is not None and node.id in env.names:
                    value = env.names[node.id]
                elif env.frame.main and node.id in self.entries:
                    value = self.entries[node.id].value
                if isinstance(value, Moment):
                    return {value: Dim.of(1)}, Dim.of(0)
                return ({}, value.dim) if isinstance(value, Scalar) and value.dim is not None else None
            case syntax.Unary() if node.op in ("-", "+"):
                inner = self.linear(node.operand, env)
                return inner if inner is None or node.op == "+" else ({m: -f for m, f in inner[0].items()}, -inner[1])
            case syntax.Binary() if node.op in ("+", "-", "*", "//", "%"):
                left, right = self.linear(node.left, env), self.linear(node.right, env)
                if left is None or right is None:
                    return None
                if node.op in ("//", "%"):  # sizes
                    known = not left[0] and not right[0] and right[1].value != 0
                    return ({}, left[1] // right[1] if node.op == "//" else left[1] % right[1]) if known else None
                if node.op == "*":
                    if left[0] and right[0]:
                        return None
                    terms, number = (left, right[1]) if left[0] else (right, left[1])
                    return {m: f * number for m, f in terms[0].items()}, terms[1] * number
                sign = 1 if node.op == "+" else -1
                total = dict(left[0])
                for moment, factor in right[0].items():
                    total[moment] = total.get(moment, Dim.of(0)) + factor * sign
                return {m: f for m, f in total.items() if f.terms}, left[1] + right[1] * sign
        return None


def _bound(node: syntax.Node) -> Iterator[str]:
    if isinstance(node, syntax.ScanDecl):
        yield node.variable.id
    yield from bound_names((node,))


def _known(value: Value, node: syntax.Expression) -> Known:
    return Known(node.id if isinstance(node, syntax.Ref) else "this array", value, span=node.span)


def _described(value: Value) -> str:
    if isinstance(value, Val) and not value.shape:
        return "a number"
    return "a number" if isinstance(value, Scalar) else describe(value)
