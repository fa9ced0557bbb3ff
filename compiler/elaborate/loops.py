"""Loops at run time: a ``scan`` becomes one equation that holds a graph.

The body is elaborated once, into equations of its own. What it reads from outside goes in as it is, except that what is
indexed by the loop's variable, as ``x[:, t]``, goes in as a slice: an equation before the loop brings time to the first axis,
so that the backward pass writes each step's gradient into its own place instead of adding to the whole array.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Final

from ..graph import expr as E
from ..graph.bounds import never_negative
from ..graph.ir import Axis, Kind
from ..graph.rewrite import shape_axes
from ..graph.shapes import Dim
from ..language import syntax
from ..language.source import Span
from ..ops.declare import Read, Step, plain
from .bodies import Inner, Steps, bound_names
from .evaluator import NotElementwise, Wanted
from .moments import Loop, Moment, Names
from .scope import Env, article
from .slices import LoopReader
from .values import (
    POISON,
    ConstDraft,
    Draft,
    Layer,
    Poison,
    Scalar,
    ScanDraft,
    Several,
    Text,
    Val,
    Value,
    describe,
    made,
)

MOST_STEPS: Final = 2**31 - 1
KINDS: Final[dict[Kind, str]] = {"real": "real numbers", "int": "integers", "bool": "truth values"}


class LoopCaller(LoopReader):
    """The evaluator with its loops over time."""

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
        return nothing | found  # what is made of what is wrong is not among them

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


def _bound(node: syntax.Node) -> Iterator[str]:
    if isinstance(node, syntax.ScanDecl):
        yield node.variable.id
    yield from bound_names((node,))


def _described(value: Value) -> str:
    if isinstance(value, Val) and not value.shape:
        return "a number"
    return "a number" if isinstance(value, Scalar) else describe(value)
