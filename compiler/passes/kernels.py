"""From a model to the functions that its module holds: forward, backward, prediction, and the training step's heart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..derive.reverse import Seed, Tape
from ..graph import expr as E
from ..graph.ir import Access, Axis, Eqn, Graph, Model, Origin, Scan, Target, Value, at, outs
from ..graph.rewrite import Namer
from ..graph.shapes import Dim, Shape, size
from ..language.source import Span
from ..meaning.verify import verify, verify_gradients
from . import AFTER, BEFORE, FORMULAS, KERNEL, apply, dce, derivatives, descent, known
from .names import rename, sealed
from .products import guess

MANY = 256  # elements that are worth a loop of their own


@dataclass(frozen=True, slots=True)
class Place:
    """A value of a kernel's graph lives in an argument of the kernel, from element ``offset`` on."""

    value: str
    slot: str
    offset: Dim = Dim(())


@dataclass(frozen=True, slots=True)
class View:
    """Where a value is found among what is kept: from element ``offset`` on, with so many elements from one to the next along
    each dimension."""

    value: str
    shape: Shape
    offset: Dim
    steps: tuple[Dim, ...]


@dataclass(frozen=True)
class Kernel:
    """One function of the module. ``slots`` are its arguments in order: ``in:x``, ``theta``, ``frozen``, ``hyper``, ``state``,
    ``random``, ``rule``, ``out:p``, ``next``, ``kept``, ``up:f``, ``grad:f``, ``din:f:x``, ``dval:f:name``. Every input and
    every output of ``graph`` has a place, or is the gradient in one of ``moves``; an output may have that of an input, over which
    it is written. ``kept`` is how much is kept, and ``views`` what of it. ``moves``: parameters, each with its gradient, by which
    a rule that the slot ``rule`` tells moves it as soon as it is there."""

    name: str
    doc: str
    graph: Graph
    places: tuple[Place, ...]
    slots: tuple[str, ...]
    kept: Dim
    views: tuple[View, ...] = ()
    moves: tuple[tuple[str, str], ...] = ()

    def place(self, value: str) -> Place | None:
        return next((p for p in self.places if p.value == value), None)

    @property
    def over(self) -> dict[str, str]:
        """Which outputs are written over which inputs."""
        inputs = {v.name for v in self.graph.inputs}
        taken = {(p.slot, p.offset): p.value for p in self.places if p.value in inputs}
        shared = {p.value: taken.get((p.slot, p.offset)) for p in self.places if p.value not in inputs and p.slot == "theta"}
        return {value: old for value, old in shared.items() if old is not None}


@dataclass(frozen=True)
class Plan:
    """All kernels of a model, the whole optimised graph that they were cut from, and the plain forward graph."""

    model: Model
    forward: Graph
    whole: Graph
    kernels: tuple[Kernel, ...]


@dataclass(frozen=True, slots=True)
class _Gradient:
    target: Target
    name: str  # the user's name of what is differentiated by
    slot: str
    offset: Dim
    value: str


def plan(model: Model) -> Plan:
    """Optimise the forward graph, differentiate it for every target, and cut the result into kernels."""
    forward = before(model)
    whole, gradients = _differentiate(model, forward)
    wrt = {value for target in model.targets for _, value in target.wrt}
    derived = {d.value for d in model.derived}
    asked = ({target.value for target in model.targets} - wrt | derived) - set(model.graph.outputs)
    if asked:
        forward = dce.run(replace(forward, outputs=tuple(o for o in forward.outputs if o not in asked)))
    results = tuple(dict.fromkeys((*forward.outputs, *(g.value for g in gradients))))
    whole = apply(AFTER, replace(whole, outputs=tuple(dict.fromkeys((*results, *(d.value for d in model.derived))))))
    usual = dce.run(replace(whole, outputs=results)) if derived else whole
    return Plan(model, forward, whole, (*_kernels(model, forward, usual, gradients), *_derived(model, whole)))


def before(model: Model) -> Graph:
    """The optimised forward graph, whose results are the outputs and then what gradients are taken of all the same."""
    values = (*(t.value for t in model.targets), *(d.value for d in model.derived))
    asked = dict.fromkeys(value for value in values if value not in model.graph.outputs)
    graph = replace(model.graph, outputs=(*model.graph.outputs, *asked))
    kept, passes = inner(model), BEFORE
    if derivatives.has(graph):
        graph, passes = taken(graph, kept), BEFORE[len(FORMULAS) :]
    graph = _unseal(apply(passes, _seal(graph, kept)), kept)
    verify(graph, "unseal")
    return graph


def inner(model: Model) -> list[str]:
    """The values for which gradients are asked and that the graph itself computes."""
    made = {o.name for e in model.graph.eqns for o in outs(e)}
    return [value for target in model.targets for _, value in target.wrt if value in made]


def taken(graph: Graph, kept: Sequence[str] = ()) -> Graph:
    """The graph with the derivatives in it taken, of formulas that are stable already; ``kept``: values to keep as they are."""
    made = {o.name for e in graph.eqns for o in outs(e)}
    within = [*kept, *(value for value in derivatives.asked(graph) if value in made and value not in kept)]
    graph = derivatives.run(_unseal(apply(FORMULAS, _seal(graph, within)), within))
    verify(graph, "derivatives")
    return graph


def _seal(graph: Graph, names: Sequence[str]) -> Graph:
    """No pass looks through the values of ``names``, for which a gradient is asked: they become inputs, their equations
    results. A gate that is recognised around such a value would not depend on it any more."""
    values, inner, shown = graph.values(), dict.fromkeys(names), set(graph.outputs)
    def seal(value: Value) -> Value:
        return replace(value, name=sealed(value.name)) if value.name in inner else value

    eqns = tuple(
        replace(e, out=seal(e.out)) if isinstance(e, Eqn) else replace(e, outs=tuple(map(seal, e.outs))) for e in graph.eqns
    )
    inputs = (*graph.inputs, *(values[n] for n in inner))
    outputs = tuple(sealed(o) if o in inner else o for o in graph.outputs)
    return replace(graph, inputs=inputs, eqns=eqns, outputs=(*outputs, *(sealed(n) for n in names if n not in shown)))


def _unseal(graph: Graph, names: Sequence[str]) -> Graph:
    back, inner = {sealed(n): n for n in names}, set(names)
    graph = replace(graph, inputs=tuple(v for v in graph.inputs if v.name not in inner))
    return rename(graph, back)


def _differentiate(model: Model, forward: Graph) -> tuple[Graph, list[_Gradient]]:
    tape = Tape(forward)
    gradients: list[_Gradient] = []
    own = {outs(e)[0].name for e in tape.eqns}  # what the graph computes and no gradient is yet
    offsets = param_offsets(model)
    trained = {p.value.name for p in model.params if not p.frozen}
    inputs = {i.value.name for i in model.inputs}
    for target in model.targets:
        seed = Seed(None)
        if target.value != model.loss:
            name = tape.name(f"upstream_{target.name}")
            tape.add_input(Value(name, tape.values[target.value].shape))
            seed = Seed(name)
        wrt = [value for _, value in target.wrt]
        before = len(tape.eqns)
        adjoints = tape.sweep(((target.value, seed),), wrt)
        own.update(o.name for e in tape.eqns[before:] for o in outs(e)[:1])
        pairs = list(zip(wrt, adjoints, strict=True))
        verify_gradients(forward, pairs, f"differentiating {target.name}", tape.values)
        for (shown, value), adjoint in zip(target.wrt, adjoints, strict=True):
            if adjoint not in own:  # an upstream handed on, or the same adjoint for two: each has its own place
                copy = _copy(tape.values[adjoint], tape.name(f"d_{value}"), (target.span,) if target.span else ())
                tape.append((copy,))
                adjoint = copy.out.name
            own.discard(adjoint)
            if value in trained and shown == value:  # a binding that is only another name has an array of its own
                slot, offset = f"grad:{target.name}", offsets[value]
            elif value in inputs and shown == value:
                slot, offset = f"din:{target.name}:{shown}", Dim.of(0)
            else:
                slot, offset = f"dval:{target.name}:{shown}", Dim.of(0)
            gradients.append(_Gradient(target, shown, slot, offset, adjoint))
    return tape.graph(), gradients


def param_offsets(model: Model) -> dict[str, Dim]:
    """Where each parameter starts: trained ones in theta, frozen ones in a vector of their own."""
    offsets: dict[str, Dim] = {}
    ends = {False: Dim.of(0), True: Dim.of(0)}
    for p in model.params:
        offsets[p.value.name] = ends[p.frozen]
        ends[p.frozen] = ends[p.frozen] + size(p.value.shape)
    return offsets


def _spans(graph: Graph) -> dict[str, tuple[Span, ...]]:
    """The pieces of text that each computed value answers to."""
    return {o.name: e.origin.spans for e in graph.eqns for o in outs(e)}


def _copy(value: Value, name: str, spans: tuple[Span, ...] = ()) -> Eqn:
    axes = tuple(Axis(f"i{k}", d) for k, d in enumerate(value.shape))
    index = tuple(at(a.name) for a in axes)
    origin = Origin(spans, "copy")
    return Eqn(Value(name, value.shape, value.kind), axes, index, "", (Access(value.name, index),), E.arg(0), "copy", origin)


def with_own_outputs(graph: Graph, wanted: dict[str, tuple[str, Dim]]) -> tuple[Graph, tuple[Place, ...]]:
    """The graph with a value of its own for each output (inputs handed through are copied), and the places of these."""
    values = graph.values()
    fresh = Namer(values)
    made = {o.name for e in graph.eqns for o in outs(e)}
    eqns = list(graph.eqns)
    places: list[Place] = []
    for value, (slot, offset) in wanted.items():
        name = value
        if value not in made:
            eqns.append(_copy(values[value], fresh(f"{value}_out")))
            name = outs(eqns[-1])[0].name
        places.append(Place(name, slot, offset))
    return replace(graph, eqns=tuple(eqns), outputs=tuple(p.value for p in places)), tuple(places)


# ---------------------------------------------------------------- cutting


def _kernels(model: Model, forward: Graph, whole: Graph, gradients: Sequence[_Gradient]) -> Iterable[Kernel]:
    shown = {o.name: o.value for o in model.outputs}
    rest = {name: value for name, value in shown.items() if value != model.loss}
    kept = _kept(whole, forward, gradients)
    if (model.loss is not None and rest) or _many(kept, whole, forward):
        rest, what = (rest, "the outputs without the loss") if rest and model.loss is not None else (shown, "the outputs alone")
        calm = _settled(model, whole, False)
        yield _cut(model, "predict", what, calm, rest, (), (), {})
        if model.training is not None and model.training in ancestors(whole.eqns, rest.values()):
            lively = _settled(model, whole, True)
            yield _cut(model, "predict_training", f"{what}, in training", lively, rest, (), (), {})
    yield _cut(model, "forward", "the outputs, and what the backward pass keeps", whole, shown, (), kept, {})
    if gradients:
        yield _cut(model, "backward", "the adjoints, from what the forward pass kept", whole, {}, gradients, (), kept)
    if gradients and (model.loss is None or _light(model, whole)):
        both = "the outputs and the adjoints in one go, nothing kept"
        yield _cut(model, "value_and_grad", both, whole, shown, gradients, (), {})
    trained = [g for g in gradients if g.target.value == model.loss and g.slot.startswith("grad:")]
    if model.loss is not None and trained:
        loss = {name: value for name, value in shown.items() if value == model.loss}
        what = "the loss and its gradient in one go" + (", and what the states become" if model.states else "")
        settled = _settled(model, whole, True)
        yield _cut(model, "train", what, settled, loss, trained, (), {}, step=True)
        rule = descent.plain_rule(model)
        parameters = {p.value.name for p in model.params if not p.frozen}
        named = rule is not None and descent.names(model, rule)
        of = {g.name: g.value for g in trained}
        if parameters != of.keys():
            return
        worth = descent.many(p.value for p in model.params if not p.frozen)
        if rule is not None and (named or (model.optimizer is None and descent.pays(settled, of.values(), model.free))):
            graph, results, numbers = descent.stepped(settled, rule, of)
            offsets = param_offsets(model)
            over = {results[name]: ("theta", offsets[name]) for name in of}
            what = f"a whole step by the rule {rule.update.name}, whose gradient is kept nowhere"
            yield _cut(model, "step", what, graph, loss, (), (), {}, step=True, over=over, rule=numbers)
            worth = not named and descent.many(descent.products(settled, of.values()), descent.VAST)
        elif model.optimizer is None:
            return
        if worth:
            what = "a whole step by any rule: what has its gradient moves at once, and the gradient is kept nowhere"
            yield _cut(model, "advance", what, settled, loss, trained, (), {}, step=True, moved=True)


def _derived(model: Model, whole: Graph) -> Iterable[Kernel]:
    """A kernel for each call that derivatives are declared for, as predictions are: no training call."""
    docs = {"jacobian": "the Jacobians that the model declares", "hessian": "the Hessians that the model declares",
            "hessian_diagonal": "the diagonals of Hessians that the model declares"}  # fmt: skip
    for what, doc in docs.items():
        shown = {d.name: d.value for d in model.derived if d.what == what}
        if shown:
            yield _cut(model, what, doc, _settled(model, whole, False), shown, (), (), {})


def _many(kept: Mapping[str, Dim], whole: Graph, forward: Graph) -> bool:
    """Does it take time to keep what the backward pass reads: more elements than the outputs have, of a free number or of as many
    as are worth a loop?"""
    shapes = {name: size(value.shape) for name, value in whole.values().items()}
    long = any((shapes[name].value or MANY) >= MANY for name in kept)
    return long and sum(guess(shapes[name]) for name in kept) > sum(guess(shapes[name]) for name in forward.outputs)


def _light(model: Model, whole: Graph) -> bool:
    """Does keeping what the backward pass reads cost more than computing it? So it is where all is elementwise, or is summed up
    to a number."""
    plain = all(isinstance(e, Eqn) and not (e.reduce and any(True for ix in e.out_index for _ in ix.axes())) for e in whole.eqns)
    return plain and not model.states and model.training is None and len(model.outputs) > 1


def _settled(model: Model, whole: Graph, training: bool) -> Graph:
    """The graph where it is known whether this is a training call."""
    return whole if model.training is None else known.settle(whole, {model.training: E.ONE if training else E.ZERO})


def strides(shape: Shape) -> tuple[Dim, ...]:
    """How many elements lie between neighbours along each dimension of an array that lies in one piece."""
    steps: list[Dim] = []
    here = Dim.of(1)
    for extent in reversed(shape):
        steps.insert(0, here)
        here = here * extent
    return tuple(steps)


def state_offsets(model: Model) -> dict[str, Dim]:
    """Where each state starts in the vector of them all."""
    offsets: dict[str, Dim] = {}
    end = Dim.of(0)
    for s in model.states:
        offsets[s.value.name] = end
        end = end + size(s.value.shape)
    return offsets


def _kept(whole: Graph, forward: Graph, gradients: Sequence[_Gradient]) -> dict[str, Dim]:
    """What the backward pass reads of the forward pass, with its place in the kept vector."""
    from . import inline

    joint = dce.run(inline.run(dce.run(whole)))
    before = ancestors(joint.eqns, forward.outputs)
    inputs = {v.name for v in joint.inputs} | {c.value.name for c in joint.consts}
    needed = ancestors(joint.eqns, [g.value for g in gradients])
    reads: dict[str, None] = {}
    for eqn in joint.eqns:
        names = {o.name for o in outs(eqn)}
        if names & needed and not names & before:
            for name in eqn.reads():
                if name in before and name not in inputs:
                    reads[name] = None
    for g in gradients:  # a gradient that the forward pass already holds
        if g.value in before and g.value not in inputs:
            reads[g.value] = None
    values = joint.values()
    kept: dict[str, Dim] = {}
    end = Dim.of(0)
    for eqn in joint.eqns:
        for out in outs(eqn):
            if out.name in reads:
                kept[out.name] = end
                end = end + size(values[out.name].shape)
    return kept


def ancestors(eqns: Sequence[Eqn | Scan], names: Iterable[str]) -> set[str]:
    """The values that ``names`` are computed from, and these."""
    needed = set(names)
    for eqn in reversed(eqns):
        if any(o.name in needed for o in outs(eqn)):
            needed.update(eqn.reads())
            needed.update(o.name for o in outs(eqn))
    return needed


def _not_kept(eqn: Eqn | Scan, kept: Mapping[str, Dim], fresh: Namer) -> Eqn | Scan | None:
    """The equation where something of it is not kept: a loop over time may have results that are, and others that nothing but
    what a pass has yet to simplify asks for."""
    if isinstance(eqn, Eqn) or not any(o.name in kept for o in eqn.outs):
        return None if any(o.name in kept for o in outs(eqn)) else eqn
    again = tuple(replace(o, name=fresh(f"{o.name}_again")) if o.name in kept else o for o in eqn.outs)
    return None if all(o.name in kept for o in eqn.outs) else replace(eqn, outs=again)


def _cut(model: Model, name: str, doc: str, whole: Graph, shown: dict[str, str], gradients: Sequence[_Gradient],
         keep: dict[str, Dim] | tuple[()], kept: dict[str, Dim], step: bool = False,
         over: Mapping[str, tuple[str, Dim]] | None = None, rule: Mapping[str, int] | None = None,
         moved: bool = False) -> Kernel:  # fmt: skip
    """The part of the whole graph that computes ``shown``, ``gradients`` and ``keep`` from the inputs and ``kept``. ``over``:
    what is written over an input, and where that lives; ``rule``: inputs that are numbers of an update rule; ``moved``: whether
    the gradients only move their parameters."""
    values = whole.values()
    fresh = Namer(values)
    eqns: list[Eqn | Scan] = [left for e in whole.eqns if (left := _not_kept(e, kept, fresh)) is not None]
    inputs = (*whole.inputs, *(values[v] for v in kept))
    sources = {v.name for v in inputs}
    placed: dict[str, Place] = {}
    keep_offsets = dict(keep) if keep else {}
    for value, offset in keep_offsets.items():
        placed[value] = Place(value, "kept", offset)
    wanted = [(value, f"out:{label}", Dim.of(0)) for label, value in shown.items()]
    wanted += [(g.value, f"move:{g.name}" if moved else g.slot, g.offset) for g in gradients]
    starts = state_offsets(model) if step else {}
    wanted += [(s.next, "next", starts[s.value.name]) for s in model.states if step]
    wanted += [(value, slot, offset) for value, (slot, offset) in (over or {}).items()]
    made = {e.out.name: k for k, e in enumerate(eqns) if isinstance(e, Eqn)}
    after: dict[int, Eqn] = {}
    spans = _spans(whole)
    declared = {f"out:{o.name}": (o.span,) for o in model.outputs} | {f"out:{d.name}": (d.span,) for d in model.derived}
    declared |= {g.slot: (g.target.span,) for g in gradients if g.target.span}
    for value, slot, offset in wanted:
        k = made.get(value)
        source = eqns[k] if k is not None else None
        if k is not None and isinstance(source, Eqn) and source.reduce == "+" and not source.out.shape and value not in placed:
            # a long sum runs in a double of its own, whatever the model's type
            running = replace(source, out=Value(fresh(f"{value}_total"), ()))
            eqns[k] = running
            after[k] = replace(_copy(running.out, value), origin=replace(source.origin, note=""))
        if value in keep_offsets and placed[value].slot == "kept":
            copy = _copy(values[value], fresh(f"{value}_kept"), spans.get(value, ()))
            copy = replace(copy, origin=replace(copy.origin, rule="kept"))
            eqns.append(copy)
            placed[value], placed[copy.out.name] = Place(value, slot, offset), Place(copy.out.name, "kept", keep_offsets[value])
            continue
        if value in placed or value in sources:
            own = fresh(f"{slot.split(':')[-1]}_out" if slot.startswith("out:") else f"d_{value}")
            copy = _copy(values[value], own, spans.get(value, ()) or declared.get(slot, ()))
            eqns.append(copy)
            value = copy.out.name
        placed[value] = Place(value, slot, offset)
    whole_eqns = (e for k, eqn in enumerate(eqns) for e in ((eqn, after[k]) if k in after else (eqn,)))
    graph = Graph(f"{model.name}.{name}", inputs, whole.consts, tuple(whole_eqns), tuple(placed))
    graph = apply(KERNEL, graph)
    if over:
        graph = descent.apart(graph, over, (p.value.name for p in model.params if not p.frozen))
        verify(graph, "descent")
    moves = tuple((p.slot.removeprefix("move:"), p.value) for p in placed.values() if p.slot.startswith("move:"))
    read = {n for e in graph.eqns for n in e.reads()} | {parameter for parameter, _ in moves}
    graph = replace(
        graph,
        inputs=tuple(v for v in graph.inputs if v.name in read),
        consts=tuple(c for c in graph.consts if c.value.name in read),
    )
    places = [*_input_places(model, graph, kept, whole, rule or {}),
              *(p for p in placed.values() if not p.slot.startswith("move:"))]  # fmt: skip
    order = {g: {n: k for k, n in enumerate(names)} for g, names in (
        ("in", [i.value.name for i in model.inputs]), ("", [o.name for o in model.outputs]))}  # fmt: skip
    named = {p.slot for p in places} | ({"rule"} if moves else set())
    slots = tuple(sorted(named, key=lambda slot: _order(order, slot)))
    total = Dim.of(0)
    views: list[View] = []
    for value in (*keep_offsets, *kept):
        shape = values[value].shape
        views.append(View(value, shape, total, strides(shape)))
        total = total + size(shape)
    return Kernel(name, doc, graph, tuple(places), slots, total, tuple(views), moves)


def _input_places(model: Model, graph: Graph, kept: dict[str, Dim], whole: Graph, rule: Mapping[str, int]) -> list[Place]:
    offsets = param_offsets(model)
    params = {p.value.name: p for p in model.params}
    inputs = {i.value.name for i in model.inputs}
    hypers = {h.value.name: k for k, h in enumerate(model.hypers)}
    if model.training is not None:
        hypers[model.training] = len(hypers)
    states = state_offsets(model)
    upstream = {v.name: v for v in whole.inputs}
    places: list[Place] = []
    for value in graph.inputs:
        name = value.name
        if name in kept:
            places.append(Place(name, "kept", kept[name]))
        elif name in inputs:
            places.append(Place(name, f"in:{name}"))
        elif name in params:
            places.append(Place(name, "frozen" if params[name].frozen else "theta", offsets[name]))
        elif name in hypers:
            places.append(Place(name, "hyper", Dim.of(hypers[name])))
        elif name in states:
            places.append(Place(name, "state", states[name]))
        elif name == model.generator:
            places.append(Place(name, "random"))
        elif name in rule:
            places.append(Place(name, "rule", Dim.of(rule[name])))
        else:
            assert name in upstream
            places.append(Place(name, f"up:{name.removeprefix('upstream_')}"))
    return places


def _order(order: Mapping[str, Mapping[str, int]], slot: str) -> tuple[int, int, str]:
    groups = ("in", "theta", "frozen", "hyper", "state", "random", "rule", "up", "out", "next", "grad", "din", "dval", "kept")
    kind, _, label = slot.partition(":")
    return groups.index(kind), order["in" if kind == "in" else ""].get(label, 0), label
