"""The backward pass: for every equation, differentiate the scalar body and swap the indices.

For ``out[f] += body(a[g], ...)`` the adjoint is ``d_a[g] += d_out[f] * ∂body/∂a``. One rule covers elementwise operations,
broadcasting (the sum over the axes that the read did not mention), matrix products, convolutions, gathers and slices: a
read that fills outside and a write that drops outside are each other's adjoint. Griewank & Walther, "Evaluating
Derivatives", chapter 3; fan-out adds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Access, Axis, Eqn, Graph, Origin, Reduce, Scan, Value, at, fixed, outs
from ..graph.patterns import Running, running
from ..graph.rewrite import Namer, normalise, shape_axes
from ..graph.text import show_access
from ..records import dataclass
from .facts import Facts
from .partials import partials
from .scalar import function_partials

ADDED = 64  # contributions to one adjoint that are added at a time


@dataclass(frozen=True, slots=True)
class Seed:
    """The adjoint that the backward pass starts from: the number 1, or the value of an input of the target's shape."""

    value: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """A summand of an adjoint, still without a name. ``masked``: a branch not taken may have made it zero.
    ``singular``: it may be infinite because of a square root at 0."""

    eqn: Eqn
    masked: bool = False
    singular: bool = False


@dataclass(frozen=True, slots=True)
class Backward:
    """``graph`` goes on with the backward equations; ``adjoints[i]`` is the value of the adjoint of ``wrt[i]``."""

    graph: Graph
    adjoints: tuple[str, ...]


def differentiate(graph: Graph, target: str, wrt: Sequence[str], seed: Seed) -> Backward:
    """Append the equations that compute the adjoint of every value in ``wrt`` for the scalar or array ``target``.

    With ``seed.value`` the adjoints are products of the Jacobian with that upstream, which has the target's shape.
    A value that the target does not depend on gets zeros of its own shape. Every
    reduction of the graph has its rule.
    """
    return differentiate_all(graph, ((target, seed),), wrt)


def differentiate_all(graph: Graph, seeds: Sequence[tuple[str, Seed]], wrt: Sequence[str], masked: Sequence[str] = (),
                      singular: Sequence[str] = ()) -> Backward:  # fmt: skip
    """As :func:`differentiate`, for the sum of several targets, each with its seed. ``masked`` and ``singular`` name
    the seeds that may be zero because of a branch not taken, or infinite because of a square root at 0."""
    tape = Tape(graph)
    adjoints = tape.sweep(seeds, wrt, masked, singular)
    return Backward(tape.graph(), adjoints)


class Tape:
    """A graph that backward passes are appended to. What they ask about it is kept from one to the next, so that each costs
    what it looks at and not what the graph holds."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.inputs = list(graph.inputs)
        self.eqns: list[Eqn | Scan] = []
        self.values = graph.values()
        self.name = Namer(self.values)
        self.facts = Facts(replace(graph, eqns=()))
        self.place: dict[str, int] = {}  # where each value is computed
        self.append(graph.eqns)

    def append(self, eqns: Iterable[Eqn | Scan]) -> None:
        for eqn in eqns:
            for out in outs(eqn):
                self.place[out.name] = len(self.eqns)
                self.values[out.name] = out
            self.eqns.append(eqn)
            self.facts.add(eqn)

    def add_input(self, value: Value) -> None:
        self.inputs.append(value)
        self.values[value.name] = value

    def graph(self) -> Graph:
        return replace(self._graph, inputs=tuple(self.inputs), eqns=tuple(self.eqns))

    def ancestors(self, names: Iterable[str]) -> list[int]:
        """The places of all equations that the values ``names`` depend on, in order."""
        found: set[int] = set()
        stack = [*names]
        while stack:
            k = self.place.get(stack.pop())
            if k is not None and k not in found:
                found.add(k)
                stack.extend(self.eqns[k].reads())
        return sorted(found)

    def sweep(self, seeds: Sequence[tuple[str, Seed]], wrt: Sequence[str], masked: Sequence[str] = (),
              singular: Sequence[str] = ()) -> tuple[str, ...]:  # fmt: skip
        """Append a backward pass (see :func:`differentiate_all`); the adjoints of ``wrt``."""
        sweep = _Sweep(self, tuple(seeds), tuple(wrt))
        sweep.masked.update(masked)
        sweep.singular.update(singular)
        return sweep.run()


class _Sweep:
    def __init__(self, tape: Tape, seeds: tuple[tuple[str, Seed], ...], wrt: tuple[str, ...]) -> None:
        self.tape, self.wrt = tape, wrt
        self.seeds: dict[str, list[Seed]] = {}
        for target, seed in seeds:
            self.seeds.setdefault(target, []).append(seed)
        self.done: dict[str, str | Expr | None] = {}
        self.values, self.name, self.facts = tape.values, tape.name, tape.facts
        self.path = tape.ancestors(self.seeds)
        self.new: list[Eqn | Scan] = []
        self.pending: dict[str, list[Part]] = {}
        self.uses: Counter[str] = Counter()  # contributions that each adjoint has had
        self.masked: set[str] = set()  # adjoints that a branch not taken may have set to zero
        self.singular: set[str] = set()  # adjoints that may be infinite because of a square root at 0

    def run(self) -> tuple[str, ...]:
        active = self._active()
        for eqn in [self.tape.eqns[k] for k in reversed(self.path)]:
            if isinstance(eqn, Scan):
                adjoints = [self.adjoint(o.name, eqn.origin) if o.name in active else None for o in eqn.outs]
                if any(a is not None for a in adjoints):
                    self._through_scan(eqn, adjoints, active)
                continue
            if eqn.out.name not in active:
                continue
            adjoint = self.adjoint(eqn.out.name, eqn.origin)
            if adjoint is not None:
                self._propagate(eqn, adjoint, active)
        results = tuple(self._final(name) for name in self.wrt)
        self.tape.append(self.new)
        return results

    def _active(self) -> set[str]:
        """Values on a path from ``wrt`` to the target."""
        reaches = set(self.wrt)
        needed = set(self.seeds)
        for eqn in map(self.tape.eqns.__getitem__, self.path):
            reads = eqn.reads()
            needed.update(reads)
            if any(name in reaches for name in reads):
                reaches.update(out.name for out in outs(eqn) if out.kind == "real")
        return reaches & needed

    # ------------------------------------------------------------ adjoints by value

    def adjoint(self, name: str, origin: Origin) -> str | Expr | None:
        """The adjoint of a value: the name of the value that holds it, or the constant 1; None where it is zero."""
        if name not in self.done:
            parts = self.pending.pop(name, [])
            seeds = self.seeds.get(name, [])
            if len(seeds) == 1 and not parts:
                self.done[name] = E.ONE if seeds[0].value is None else seeds[0].value
            else:
                parts = [Part(self._seed_part(name, seed, origin)) for seed in seeds] + parts
                self.done[name] = self._sum(name, parts) if parts else None
        return self.done[name]

    def _seed_part(self, name: str, seed: Seed, origin: Origin) -> Eqn:
        value = self.values[name]
        axes = shape_axes(value.shape)
        index = tuple(at(a.name) for a in axes)
        args = () if seed.value is None else (Access(seed.value, index),)
        body = E.ONE if seed.value is None else E.arg(0)
        return Eqn(Value("", value.shape), axes, index, "", args, body, "seed", replace(origin, rule="seed"))

    def _contribute(self, name: str, part: Part) -> None:
        """One more part of an adjoint. Of very many, some are added before the others are there: all of them would be waiting
        at the same time, for a sum as long as the model."""
        parts = self.pending.setdefault(name, [])
        if len(parts) == ADDED:
            subtotal = self._add(name, f"d_{name}_sum", parts, f"the first {self.uses[name]} adjoints of {name} add")
            axes = shape_axes(self.values[name].shape)
            index = tuple(at(a.name) for a in axes)
            copy = Eqn(Value("", self.values[name].shape), axes, index, "", (Access(subtotal, index),), E.arg(0), "copy",
                       Origin((), "fan-out"))  # fmt: skip
            parts[:] = [Part(copy, subtotal in self.masked, subtotal in self.singular)]
        parts.append(part)
        self.uses[name] += 1

    def _sum(self, name: str, parts: list[Part]) -> str:
        """Give the contributions names; where there are several, add them (fan-out adds)."""
        if len(parts) == 1:
            return self._emit(parts[0], self.name(f"d_{name}"))
        uses = self.uses[name] + len(self.seeds.get(name, ()))
        return self._add(name, f"d_{name}", parts, f"{name} is used {uses} times: its adjoints add")

    def _add(self, name: str, wanted: str, parts: Sequence[Part], note: str) -> str:
        total = self.name(wanted)
        axes = shape_axes(self.values[name].shape)
        index = tuple(at(a.name) for a in axes)
        accesses: list[Access] = []
        body, spans = E.arg(0), dict.fromkeys(parts[0].eqn.origin.spans)
        for k, part in enumerate(parts):
            accesses.append(Access(self._emit(part, self.name(f"d_{name}_part{k + 1}")), index))
            if k:
                body = E.make("add", body, E.arg(k))
                spans.update(dict.fromkeys(part.eqn.origin.spans))
        origin = Origin(tuple(spans), "fan-out", note)
        value = Value(total, self.values[name].shape)
        self.new.append(Eqn(value, axes, index, "", tuple(accesses), body, "add", origin))
        self._mark(total, any(p.masked for p in parts), any(p.singular for p in parts))
        return total

    def _emit(self, part: Part, name: str) -> str:
        self.new.append(replace(part.eqn, out=replace(part.eqn.out, name=name)))
        self._mark(name, part.masked, part.singular)
        return name

    def _mark(self, name: str, masked: bool, singular: bool) -> None:
        if masked:
            self.masked.add(name)
        if singular:
            self.singular.add(name)

    def _final(self, name: str) -> str:
        adjoint = self.adjoint(name, Origin((), "seed"))
        if isinstance(adjoint, str):
            return adjoint
        note = f"{' and '.join(self.seeds)} does not depend on {name}" if adjoint is None else ""
        return self.constant(name, E.ZERO if adjoint is None else adjoint, note)

    def constant(self, name: str, body: Expr, note: str, origin: Origin | None = None) -> str:
        """An adjoint of ``name`` that is the same number everywhere."""
        value = self.values[name]
        axes = shape_axes(value.shape)
        index = tuple(at(a.name) for a in axes)
        total = self.name(f"d_{name}")
        self.new.append(Eqn(Value(total, value.shape), axes, index, "", (), body, "const",
                            Origin(origin.spans if origin else (), "vjp", note)))  # fmt: skip
        return total

    # ------------------------------------------------------------ loops

    def _through_scan(self, scan: Scan, adjoints: Sequence[str | Expr | None], active: set[str]) -> None:
        """The backward pass of a loop is a loop the other way: each step is run again from its saved carries, and its
        own backward pass hands the carries' adjoints on (backpropagation through time, Werbos 1990)."""
        body, carries = scan.body, len(scan.initial)
        forward, saved = self._saving_carries(scan)
        real = [k for k in range(carries) if scan.outs[k].kind == "real"]
        emits = [k for k in scan.emits if scan.outs[k].kind == "real" and adjoints[k] is not None]
        given = {k: self._held(scan.outs[k].name, adjoints[k], scan.origin) for k in (*real, *emits)}
        name = Namer((*body.values(), *self.values))
        upstream = {k: Value(name(f"d_{body.outputs[k]}"), body.values()[body.outputs[k]].shape) for k in given}
        rooted = any(a in self.singular for a in adjoints if isinstance(a, str)) or Facts(body).rooted
        outer = (*scan.initial, *scan.slices, *scan.captured)
        wanted = [k for k, (o, v) in enumerate(zip(outer, body.inputs, strict=True))
                  if v.kind == "real" and (k < carries or o in active)]  # fmt: skip
        step = differentiate_all(
            replace(body, inputs=(*body.inputs, *upstream.values())),
            tuple((body.outputs[k], Seed(u.name)) for k, u in upstream.items()),
            [body.inputs[k].name for k in wanted],
            masked=[u.name for u in upstream.values()],  # a step does not know what was chosen outside, or at another step
            singular=[u.name for u in upstream.values()] if rooted else (),
        )
        captured = [k for k in wanted if k >= carries + len(scan.slices)]
        totals = {k: Value(name(f"sum_{body.inputs[k].name}"), body.inputs[k].shape) for k in captured}
        eqns = list(step.graph.eqns)
        extra: list[Eqn] = []
        results: dict[int, str] = {}
        for k, adjoint in zip(wanted, step.adjoints, strict=True):
            results[k] = adjoint
            if k in totals and not (step.adjoints.count(adjoint) == 1 and _goes_on(eqns, adjoint, totals[k].name)):
                axes = shape_axes(totals[k].shape)
                index = tuple(at(a.name) for a in axes)
                new = Value(name(f"next_{totals[k].name}"), totals[k].shape)
                reads = (Access(totals[k].name, index), Access(adjoint, index))
                extra.append(Eqn(new, axes, index, "", reads, E.make("add", E.arg(0), E.arg(1)), "add", scan.origin))
                results[k] = new.name
        # inputs of the reversed loop: adjoints of carries, running sums | saved carries, slices, upstreams of emits | captured
        body_inputs = (*(upstream[k] for k in real), *totals.values(), *body.inputs[:carries],
                       *body.inputs[carries : carries + len(scan.slices)], *(upstream[k] for k in emits),
                       *body.inputs[carries + len(scan.slices) :])  # fmt: skip
        slices = [k for k in wanted if carries <= k < carries + len(scan.slices)]
        order = (*real, *captured, *slices)
        inner = Graph(f"{body.name}_backward", body_inputs, step.graph.consts, (*eqns, *extra),
                      tuple(results[k] for k in order))  # fmt: skip
        values = inner.values()
        zeros = [self.constant(outer[k], E.ZERO, "the running sum starts at 0", scan.origin) for k in captured]
        finals = [Value(self.name(f"d_{outer[k]}"), values[results[k]].shape) for k in (*real, *captured)]
        stacks = [Value(self.name(f"d_{outer[k]}"), (scan.axis.extent, *values[results[k]].shape)) for k in slices]
        note = "the same steps backwards" + (", as many as were taken" if scan.until else "")
        origin = Origin(scan.origin.spans, "vjp scan", note)
        limit, high = (scan.outs[-1].name, scan.reverse) if scan.until else (scan.limit, scan.high)
        self.new.append(Scan((*finals, *stacks), scan.axis, not scan.reverse, (*(given[k] for k in real), *zeros),
                             (*saved, *scan.slices, *(given[k] for k in emits)), scan.captured, inner, origin,
                             limit=limit, high=high))  # fmt: skip
        self.tape.eqns[self.tape.place[scan.outs[0].name]] = forward
        for k, value in zip(order, (*finals, *stacks), strict=True):
            if outer[k] in active:
                axes = shape_axes(value.shape)
                index = tuple(at(a.name) for a in axes)
                part = Eqn(Value("", value.shape), axes, index, "", (Access(value.name, index),), E.arg(0), "copy", origin)
                self._contribute(outer[k], Part(part, True, rooted))

    def _held(self, name: str, adjoint: str | Expr | None, origin: Origin) -> str:
        """An adjoint as a value."""
        if isinstance(adjoint, str):
            return adjoint
        return self.constant(name, adjoint or E.ZERO, "" if adjoint else f"nothing depends on {name}", origin)

    def _saving_carries(self, scan: Scan) -> tuple[Scan, list[str]]:
        """The same loop, which also keeps what each step started from, where it does not yet."""
        there = {scan.body.outputs[k]: scan.outs[k].name for k in scan.emits}
        inner = scan.body.inputs[: len(scan.initial)]
        stacks = {v.name: Value(self.name(f"{o.name}_before"), (scan.axis.extent, *v.shape), v.kind)
                  for o, v in zip(scan.outs, inner, strict=False) if v.name not in there}  # fmt: skip
        end = len(scan.outs) - scan.until
        outputs = scan.body.outputs
        body = replace(scan.body, outputs=(*outputs[:end], *stacks, *outputs[end:]))
        place = self.tape.place[scan.outs[0].name]
        for stack in stacks.values():
            self.values[stack.name] = stack
            self.tape.place[stack.name] = place
        saved = there | {name: stack.name for name, stack in stacks.items()}
        scan = replace(scan, outs=(*scan.outs[:end], *stacks.values(), *scan.outs[end:]), body=body)
        return scan, [saved[v.name] for v in inner]

    # ------------------------------------------------------------ one equation

    def _propagate(self, eqn: Eqn, adjoint: str | Expr, active: set[str]) -> None:
        wanted = tuple(k for k, a in enumerate(eqn.args) if a.value in active and self.values[a.value].kind == "real")
        if not wanted or eqn.reduce in ("argmax", "argmin"):
            return
        if eqn.reduce == "*" and (runs := running(eqn)) is not None:
            self._through_running_product(eqn, runs, adjoint, active)
            return
        args = list(eqn.args)
        factor: Expr
        masked = singular = False
        if isinstance(adjoint, str):
            args.append(Access(adjoint, eqn.out_index, E.ZERO.number if eqn.drop else None))
            factor = E.arg(len(args) - 1)
            masked, singular = adjoint in self.masked, adjoint in self.singular
        else:
            factor = adjoint
        if eqn.reduce == "" and eqn.origin.rule == "source":  # a gate, or a function that somebody defined
            local = function_partials(eqn.body, wanted, eqn.op)
        else:
            local = partials(eqn.body, wanted)
        factor, rule_note = self._through_reduction(eqn, factor, args)
        if eqn.reduce == "" and not eqn.drop:
            # the gate's own value stands for its body: the derivative written with the output
            args.append(Access(eqn.out.name, eqn.out_index))
            own = {eqn.body: E.arg(len(args) - 1)} if eqn.body.args else {}
            local = {k: E.substitute(p, own) for k, p in local.items()}
        masked = masked or eqn.reduce in ("max", "min")
        root = self.facts.root_singular(eqn.body, args)
        operands = tuple(args)
        for k in wanted:
            p = local[k]
            if p is E.ZERO:
                continue
            m, s = masked, singular
            bad = self.facts.prone(p, args)
            product = E.mul(factor, p) if p.op != "div" or p.args[0] is not E.ONE else E.div(factor, p.args[1])
            if p.op == "where" and factor is not E.ONE:
                m = True
            if (root or (m and bad)) and factor is not E.ONE:  # at a vertical tangent a zero wins, masked or not
                product = E.where(E.make("eq", factor, E.ZERO), E.ZERO, product)
            elif s and p.number is None and factor is not E.ONE:
                product = E.where(E.make("eq", p, E.ZERO), E.ZERO, product)
            if _has_choice(p):
                m = True
            s = s or root
            part = self._swap(eqn, k, operands, product, rule_note or self._note(eqn, k, p))
            sparse = part.plain_out is None  # what was not read has the adjoint 0
            self._contribute(eqn.args[k].value, Part(part, m or sparse, s))

    def _through_reduction(self, eqn: Eqn, factor: Expr, args: list[Access]) -> tuple[Expr, str]:
        """What the reduction makes of the upstream at each point that was reduced."""
        if eqn.reduce in ("", "+"):
            return factor, ""
        if eqn.reduce in ("max", "min"):
            winner = self._winner(eqn)
            args.append(Access(winner, eqn.out_index))
            (axis,) = eqn.reduced
            chosen = E.make("eq", E.idx(axis.name), E.arg(len(args) - 1))
            return E.where(chosen, factor, E.ZERO), f"{eqn.reduce} routes: the whole gradient goes to the first winner"
        if eqn.reduce == "lse":
            args.append(Access(eqn.out.name, eqn.out_index))
            share = E.call("exp", E.sub(eqn.body, E.arg(len(args) - 1)))
            return E.mul(factor, share), "exp(t - logsumexp(t)): the softmax"
        assert eqn.reduce == "*"
        for other in self._others(eqn):
            args.append(other)
            factor = E.mul(factor, E.arg(len(args) - 1))
        return factor, "the product of all other factors"

    def _through_running_product(self, eqn: Eqn, runs: Running, adjoint: str | Expr, active: set[str]) -> None:
        """Of ``y[i]``, the product of all ``f[j]`` up to i, the adjoint for ``f[j]`` is ``y[j-1]`` times what comes after:
        ``s[j] = d_y[j] + f[j+1] * s[j+1]``, a loop the other way. Nothing is divided by, so zeros are no exception."""
        plain, over, step = eqn.plain_out, runs.over, -1 if runs.reverse else 1
        assert plain is not None
        kept = tuple(Axis(n, eqn.extents[n]) for n in plain if n != runs.axis.name)
        inner = tuple(at(a.name) for a in kept)
        axes, index, shape = (over, *kept), (at(over.name), *inner), (over.extent, *(a.extent for a in kept))
        here = tuple(at(over.name if n == runs.axis.name else n) for n in plain)
        before = tuple(at(over.name) + fixed(-step) if n == runs.axis.name else at(n) for n in plain)
        origin = replace(eqn.origin, rule=f"vjp {eqn.op}", note="")
        named = eqn.out.name

        def emit(name: str, reads: tuple[Access, ...], body: Expr, op: str, note: str = "") -> Eqn:
            made = Eqn(Value(self.name(name), shape), axes, index, "", reads, body, op, replace(origin, note=note))
            self.new.append(made)
            return made

        factor = emit(f"{named}_factor", eqn.args, runs.inner, "copy" if runs.inner is E.arg(0) else eqn.op)
        up = emit(f"d_{named}_step", (Access(self._held(named, adjoint, origin), here),), E.arg(0), "copy")
        following = (at(over.name) + fixed(step), *inner)
        after = emit(f"{named}_after", (Access(factor.out.name, following, E.ZERO.number),), E.arg(0), "slice")
        start = Value(self.name(f"{named}_start"), shape[1:])
        self.new.append(Eqn(start, kept, inner, "", (), E.ZERO, "const", origin))
        name = Namer(self.values)
        carry, slope, ahead, total = (Value(name(n), shape[1:]) for n in ("s", "d_y", "f", "next_s"))
        reads = tuple(Access(v.name, inner) for v in (slope, ahead, carry))
        body = E.make("add", E.arg(0), E.make("mul", E.arg(1), E.arg(2)))
        graph = Graph(f"{named}_backward", (carry, slope, ahead), (), (Eqn(total, kept, inner, "", reads, body, "add", origin),),
                      (total.name, total.name))  # fmt: skip
        last, sums = Value(self.name(f"{named}_end"), shape[1:]), Value(self.name(f"{named}_sums"), shape)
        note = "s[j] = d_y[j] + f[j+1]*s[j+1], for running products y of f" if step > 0 else \
            "s[j] = d_y[j] + f[j-1]*s[j-1], for running products y of f from the end"  # fmt: skip
        self.new.append(Scan((last, sums), over, not runs.reverse, (start.name,), (up.out.name, after.out.name), (), graph,
                             replace(origin, note=note)))  # fmt: skip
        masked, singular = adjoint in self.masked, adjoint in self.singular
        product = E.mul(E.arg(0), E.arg(1))
        if masked:
            product = E.where(E.make("eq", E.arg(0), E.ZERO), E.ZERO, product)
        slopes = (Access(sums.name, index), Access(named, before, E.ONE.number))
        given = emit(f"d_{factor.out.name}", slopes, product, f"vjp_{eqn.op}", "times the product of the factors before")
        self._mark(given.out.name, masked, singular)
        self._propagate(factor, given.out.name, active)

    def _winner(self, eqn: Eqn) -> str:
        """The position of the maximum, as an integer value beside it."""
        name = self.name(f"{eqn.out.name}_at")
        out = Value(name, eqn.out.shape, "int")
        reduce: Reduce = "argmax" if eqn.reduce == "max" else "argmin"
        origin = replace(eqn.origin, rule=f"vjp {eqn.op}", note=f"where the {eqn.reduce} is")
        self.new.append(replace(eqn, out=out, reduce=reduce, op=reduce, origin=origin))
        return name

    def _others(self, eqn: Eqn) -> list[Access]:
        """Reads whose product is, for each factor, the product of all others: right where factors are zero, and differentiable
        again. Along an axis these are the running products up to the place before and from the place after; of several axes
        the last comes first, and then what its products are factors of."""
        plain = eqn.plain_out
        assert plain is not None
        extents = eqn.extents
        kept, left = tuple(Axis(n, extents[n]) for n in plain), eqn.reduced
        source, body = eqn.args, eqn.body
        reads: list[Access] = []
        while left:
            *before, last = left
            origin = replace(eqn.origin, rule=f"vjp {eqn.op}")
            place = Axis(Namer(extents)(f"{last.name}_o"), last.extent)
            axes = (*kept, *before)
            index = tuple(at(a.name) for a in axes)
            for side, order, step in (("before", "le", -1), ("after", "ge", 1)):
                value = Value(self.name(f"{eqn.out.name}_{side}"), tuple(a.extent for a in (*axes, place)))
                running = E.where(E.make(order, E.idx(last.name), E.idx(place.name)), body, E.ONE)
                note = "the product of all factors " + ("up to each" if step < 0 else "from each on")
                self.new.append(Eqn(value, (*axes, place, last), (*index, at(place.name)), "*", source, running, "cumprod",
                                    replace(origin, note=note)))  # fmt: skip
                reads.append(Access(value.name, (*index, at(last.name) + fixed(step)), E.ONE.number))
            left = tuple(before)
            if left:
                value = Value(self.name(f"{eqn.out.name}_inner"), tuple(a.extent for a in axes))
                self.new.append(Eqn(value, (*axes, last), index, "*", source, body, "prod", replace(origin, note="")))
                source, body = (Access(value.name, index),), E.arg(0)
        return reads

    def _note(self, eqn: Eqn, k: int, p: Expr) -> str:
        plain = eqn.body.op in ("add", "sub", "mul", "neg", "arg") and all(a.op == "arg" for a in eqn.body.args)
        if plain or p.number is not None:
            return ""
        top = len(eqn.args)

        def leaf(node: Expr) -> str:
            if node.op == "arg" and isinstance(node.value, int):
                if node.value >= top:
                    return eqn.out.name
                access = eqn.args[node.value]
                alone = all(a is access or a.value != access.value for a in eqn.args)
                return access.value if alone else show_access(access)
            return str(node.value) if node.op == "size" else E.show(node)

        text = E.show(p, leaf)
        return f"d {eqn.out.name} / d {leaf(E.arg(k))} = {text}" if len(text) <= 80 else ""

    def _swap(self, eqn: Eqn, k: int, args: tuple[Access, ...], body: Expr, note: str) -> Eqn:
        """The contribution of ``eqn`` to the adjoint of its k-th operand: what was read is written, and the reverse."""
        access = eqn.args[k]
        value = self.values[access.value]
        origin = Origin(eqn.origin.spans, f"vjp {eqn.op}", note)
        part = Eqn(Value("", value.shape), eqn.axes, access.index, "+", args, body, f"vjp_{eqn.op}", origin,
                   access.fill is not None)  # fmt: skip
        return normalise(part)


def _goes_on(eqns: list[Eqn | Scan], adjoint: str, total: str) -> bool:
    """Where an adjoint is nothing but the running sum of an inner loop, that loop goes on with the outer one's."""
    copy = next((e for e in eqns if isinstance(e, Eqn) and e.out.name == adjoint), None)
    if copy is None or copy.op != "copy" or len(copy.args) != 1 or copy.body is not E.arg(0):
        return False
    if copy.args[0].index != copy.out_index:
        return False
    source = copy.args[0].value
    made = {o.name: k for k, e in enumerate(eqns) for o in outs(e)}
    loop = eqns[made[source]] if source in made else None
    if not isinstance(loop, Scan) or sum(name in (source, adjoint) for e in eqns for name in e.reads()) != 1:
        return False
    place = [o.name for o in loop.outs].index(source)
    start = eqns[made[loop.initial[place]]] if place < len(loop.initial) and loop.initial[place] in made else None
    if not isinstance(start, Eqn) or start.body is not E.ZERO:
        return False
    eqns[made[source]] = replace(loop, initial=(*loop.initial[:place], total, *loop.initial[place + 1 :]))
    return True


def _has_choice(p: Expr) -> bool:
    return any(node.op in ("where", "max", "min", "sign") or node.op in E.COMPARISONS for node in E.walk(p))
