"""One model, every way of computing it, compared: the compiled kernels and the NumPy backend against the interpreter, a
second reading of the graph, PyTorch's autograd where it is installed, and differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from gradwright.compiler.graph.ir import Graph, Model, Scan, outs
from gradwright.compiler.meaning.interpret import InterpretError, run
from gradwright.compiler.passes import derivatives
from gradwright.compiler.passes.kernels import inner, taken

from .modules import Modules
from .reference import Reference

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

LARGE = 30_000  # points of one equation: larger cases take other sizes
LARGE_WIDE = 4_000_000  # of models whose sizes are large on purpose
STEP = 1e-4


@dataclass
class Tally:
    """What was compared, and what differed."""

    comparisons: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)

    def skip(self, why: str) -> None:
        self.skipped[why] = self.skipped.get(why, 0) + 1

    def same(self, kind: str, name: str, found: Any, wanted: Any, tolerance: float, scale: float = 0.0) -> None:
        self.comparisons[kind] = self.comparisons.get(kind, 0) + 1
        found, wanted = np.asarray(found), np.asarray(wanted)
        if found.shape != wanted.shape:
            self.wrong.append(f"{kind}: {name} has shape {found.shape}, not {wanted.shape}")
            return
        if not found.size:
            return
        if found.dtype.kind in "ib":
            if not np.array_equal(found, wanted):
                self.wrong.append(f"{kind}: {name} differs in {int((found != wanted).sum())} of {found.size} places")
            return
        found, wanted = found.astype(np.float64), wanted.astype(np.float64)
        usual = np.isfinite(wanted)
        alike = np.array_equal(np.isnan(found), np.isnan(wanted)) and np.array_equal(
            found[np.isinf(wanted)], wanted[np.isinf(wanted)]
        )
        if not alike or not np.isfinite(found[usual]).all():
            self.wrong.append(
                f"{kind}: {name} is not finite where it should be, or the other way round: "
                f"{found.ravel()[:6]} for {wanted.ravel()[:6]}"
            )
            return
        if not usual.any():
            return
        size = 1 + max(float(np.abs(wanted[usual]).max()), scale)
        error = float(np.abs(found[usual] - wanted[usual]).max())
        if error > tolerance * size:
            at = int(np.abs(np.where(usual, found - wanted, 0)).argmax())
            self.wrong.append(
                f"{kind}: {name} is off by {error:.3g} (of {size:.3g}): {found.ravel()[at]!r} for {wanted.ravel()[at]!r}"
            )


@dataclass(frozen=True)
class Limits:
    """What the outputs are in a type of larger range, and in the limit where something on the way is infinite.

    A formula may overflow to NaN as it is written (``exp(x)/(1 + exp(x))`` at 1000, or at the ``-inf`` of an empty
    log-sum-exp); what the compiler computes in its place may have the value.
    """

    outputs: Mapping[str, Any]

    def near(self, name: str, found: Any, wanted: Any) -> Any:
        """``wanted``; where that is not finite and ``found`` is the limit, ``found``."""
        found, wanted, limit = np.asarray(found), np.asarray(wanted), np.asarray(self.outputs.get(name, np.nan))
        if wanted.dtype.kind != "f" or found.shape != wanted.shape:
            return wanted
        there = np.abs(found - limit) <= 1e-6 * (1 + np.abs(limit))  # an infinite value stands as 3000
        return np.where(~np.isfinite(wanted) & np.isfinite(limit) & there, found, wanted).astype(np.float64)


def limits(model: Model, sizes: Mapping[str, int], given: Mapping[str, Any]) -> Limits:
    reference = Reference(model.graph, sizes, most=3000.0)
    values = reference.run({n: v.astype(np.longdouble) if v.dtype.kind == "f" else v for n, v in given.items()})
    return Limits({o.name: values[o.value] for o in model.outputs})


def inputs_of(model: Model, sizes: Mapping[str, int], rng: np.random.Generator) -> dict[str, Any] | None:
    """Random inputs for these sizes; None where there are none (a shape below 0, an index below 0)."""
    found: dict[str, Any] = {}
    for entry in model.inputs:
        shape = tuple(d.evaluate(sizes) for d in entry.value.shape)
        if min(shape, default=0) < 0:
            return None
        if entry.below is not None:
            below = entry.below.evaluate(sizes)
            if below <= 0 and 0 not in shape:
                return None
            found[entry.value.name] = np.asarray(rng.integers(0, max(below, 1), shape))
        else:
            # multiples of 1/64, which float32 holds too
            found[entry.value.name] = np.asarray(np.round(rng.uniform(-1.5, 1.5, shape) * 64) / 64 + 1 / 1024)
    return found


def points(graph: Graph, sizes: Mapping[str, int]) -> int:
    most = 0
    for eqn in graph.eqns:
        if isinstance(eqn, Scan):
            most = max(most, points(eqn.body, sizes) * eqn.axis.extent.evaluate(sizes))
            continue
        count = 1
        for axis in eqn.axes:
            count *= axis.extent.evaluate(sizes)
        most = max(most, count)
    return most


def outside(model: Model, sizes: Mapping[str, int]) -> Iterator[bool]:
    """Of every slice that results need: whether it asks for more than there is."""

    def within(graph: Graph) -> Iterator[bool]:
        needed, values = set(graph.outputs), graph.values()
        for eqn in reversed(graph.eqns):
            if not any(o.name in needed for o in outs(eqn)):
                continue
            needed.update(eqn.reads())
            if isinstance(eqn, Scan):
                yield from within(eqn.body)
            elif eqn.op == "slice":
                for ix, extent in zip(eqn.args[0].index, values[eqn.args[0].value].shape, strict=True):
                    if all(isinstance(atom, str) for atom, _ in ix.terms) and ix.terms:
                        ((atom, factor),) = ix.terms
                        steps = next(a.extent for a in eqn.axes if a.name == atom).evaluate(sizes) - 1
                        by = factor.evaluate(sizes)
                        yield by > 0 and ix.const.evaluate(sizes) + by * steps >= extent.evaluate(sizes)

    return within(model.graph)


def compare(
    model: Model, modules: Modules, sizes: Mapping[str, int], seed: int, tally: Tally, single: bool = False, most: int = LARGE
) -> None:
    """All comparisons at one random point. ``most``: how many points an equation may have."""
    written = model.graph
    if derivatives.has(written):
        model = replace(model, graph=replace(taken(written, inner(model)), outputs=written.outputs))
    rng = np.random.default_rng(seed)
    inputs = inputs_of(model, sizes, rng)
    if inputs is None or points(model.graph, sizes) > most:
        tally.skip("sizes")
        return
    faces = {"compiled": modules.compiled.Model(seed=seed), "numpy": modules.numpy.Model(seed=seed)}
    theta = np.round(faces["numpy"].theta.astype(np.float64) * 256) / 256 + 1 / 4096
    for face in faces.values():
        face.theta = theta
    numbers = {h.value.name: float(h.default) for h in model.hypers}
    params = {p.value.name: np.asarray(faces["numpy"].params[p.value.name], np.float64) for p in model.params}
    given = {
        **inputs,
        **params,
        **{k: np.asarray(np.float32(v), np.float64) if single else np.asarray(v) for k, v in numbers.items()},
    }
    by_name = {
        n: v
        for n, v in sizes.items()
        if not any(n in d.free() and len(d.free()) == 1 and d.name for i in model.inputs for d in i.value.shape)
    }
    call = {**inputs, **by_name}
    training = model.training is not None and seed % 2 == 1
    if model.training is not None:
        given[model.training] = np.array(training)
        call["training"] = training
    if model.generator is not None:
        given[model.generator] = np.array([seed, 5])
        call["counter"] = 5
    given |= {s.value.name: np.asarray(faces["numpy"].state[s.value.name], np.float64) for s in model.states}
    if any(outside(model, sizes)):
        for name, face in faces.items():
            try:
                face.forward(**call)
            except ValueError as error:
                assert "places of an axis of" in str(error), error
                tally.comparisons["refused"] = tally.comparisons.get("refused", 0) + 1
            else:
                tally.wrong.append(f"{name}: a slice that reaches further than its axis is no error")
        return
    reference = Reference(model.graph, sizes)
    try:
        values = dict(reference.run(given))
        pattern, kink, tie = reference.pattern, reference.kink, reference.tie
        interpreted = run(model.graph, given, sizes)
    except (InterpretError, ValueError) as error:
        if "of nothing" not in str(error):
            raise
        for name, face in faces.items():
            try:
                face.forward(**call)
            except ValueError:
                tally.comparisons["refused"] = tally.comparisons.get("refused", 0) + 1
            else:
                tally.wrong.append(f"{name}: the maximum of nothing is no error")
        return
    try:
        faces["compiled"].forward(**call)
    except ValueError as error:
        if "of nothing does not exist" not in str(error):
            raise
        tally.skip("a maximum of nothing, none of which is asked for")
        return
    if tie and any(v.dtype.kind != "f" and not np.array_equal(v, values[n]) for n, v in interpreted.items()):
        tally.skip("a choice between values that are equal but for rounding")
        return
    for name, value in interpreted.items():
        tally.same("interpreter", name, value, values[name], 1e-10)
    if written is not model.graph and torch is not None and not kink:
        found = Reference(written, sizes, torch).run({n: tensor(v) for n, v in given.items()})
        for name in set(written.values()) & set(interpreted):
            exact = np.asarray(found[name].detach() if isinstance(found[name], torch.Tensor) else found[name])
            if exact.dtype.kind == "f" and np.isfinite(exact).all():
                tally.same("derivatives inside against PyTorch's", name, interpreted[name], exact, 1e-7)  # 8 digits of polygamma
    tolerance = 1e-9
    noise: dict[str, float] = {}
    if single:
        narrow = run(model.graph, given, sizes, np.float32)
        tolerance = 1e-4
        noise = {
            o.name: float(np.nanmax(np.abs(np.asarray(narrow[o.value], float) - interpreted[o.value]), initial=0)) * 1e6
            for o in model.outputs
        }
        if kink or any(interpreted[n].dtype.kind != "f" and not np.array_equal(narrow[n], interpreted[n]) for n in interpreted):
            tally.skip("a choice that float32 cannot decide")
            return
    wanted = {o.name: interpreted[o.value] for o in model.outputs}
    far = Limits({}) if all(np.isfinite(v).all() for v in wanted.values()) else limits(model, sizes, given)
    ups = {t.name: np.asarray(rng.uniform(-1, 1, interpreted[t.value].shape)) for t in model.targets if t.value != model.loss}
    ups = {n: np.round(u * 64) / 64 for n, u in ups.items()}
    grads: dict[str, dict[tuple[str, str], Any]] = {}
    for name, face in faces.items():
        outs = face.forward(**call)
        for label in wanted:
            right = far.near(label, outs[label], wanted[label])
            tally.same(f"{name} forward", label, outs[label], right, tolerance, noise.get(label, 0))
        for label, value in (face.predict(**call)._asdict()).items():
            right = far.near(label, value, wanted[label])
            tally.same(f"{name} predict", label, value, right, tolerance, noise.get(label, 0))
        if not model.targets:
            continue
        face.forward(**call)
        grads[name] = by_pair(model, face, face.backward(upstream=ups) if ups else face.backward())
        outs, both = face.value_and_grad(ups, **call) if ups else face.value_and_grad(**call)
        for pair, value in by_pair(model, face, both).items():
            tally.same(f"{name} value_and_grad", str(pair), value, grads[name][pair], tolerance)
        handed(face, call, ups, np.random.default_rng(seed), tally, name)
        plan = face.engine.plans.get("train")
        if plan is not None and training == (model.training is not None):
            becomes = {s.value.name: interpreted[s.next] for s in model.states}
            loss = far.near("loss", outs["loss"], wanted["loss"])
            train(face, call, plan, loss, grads[name], becomes, model, tally, name, tolerance, noise.get("loss", 0))
    if not model.targets:
        return
    scale = 1e3 if single else 1
    # of empty sizes come infinities on the way (the log-sum-exp of nothing) to finite values without a slope
    shown = values if 0 in sizes.values() else [o.value for o in model.outputs] + [t.value for t in model.targets]
    finite = all(np.isfinite(values[n]).all() for n in shown)
    for pair, value in grads["compiled"].items():
        tally.same("compiled gradient against numpy's", str(pair), value, grads["numpy"][pair], tolerance * (10 if single else 1))
    if not finite:
        tally.skip("values that are not finite")
        return
    if kink:
        tally.skip("kinks")
        return
    exact = None
    if torch is not None:
        exact = autograd(replace(model, graph=written), sizes, given, ups)
        # a slope inside the model may be made of what it was taken through (s(1 - s)), or of something else
        through = inner(model) if written is not model.graph else ()
        through = {(t.name, shown) for t in model.targets for shown, value in t.wrt if value in through}
        for pair, value in exact.items():
            if pair in through:
                tally.skip("how much a derivative depends on a value on its way")
            elif np.isfinite(value).all():
                loose = tolerance * 10 * (3 if single else 1)
                for backend in ("compiled", "numpy"):
                    tally.same(f"{backend} gradient against PyTorch's", str(pair), grads[backend][pair], value, loose)
            else:
                tally.skip("PyTorch's gradient is not finite")
    if not single and points(model.graph, sizes) < LARGE // 10:
        slopes(model, reference, given, pattern, ups, grads, rng, tally, scale)


def handed(face: Any, call: Mapping[str, Any], ups: Any, rng: np.random.Generator, tally: Tally, name: str) -> None:
    """Arrays that are handed in get the same bits, whatever was in them and wherever they begin."""

    def room(value: Any) -> Any:
        value = np.asarray(value)
        start = int(rng.integers(3))
        memory = np.empty(value.size + start, value.dtype)
        memory[...] = rng.choice([1, 7, 1000] if value.dtype.kind != "f" else [np.nan, np.inf, 7])
        return memory[start:].reshape(value.shape)

    def rooms(found: Any) -> dict[str, Any]:
        chosen = [key for key in list(found) if rng.random() < 0.7]
        return {key: rooms(found[key]) if isinstance(found[key], dict) else room(found[key]) for key in chosen}

    def look(kind: str, got: Mapping[str, Any], found: Mapping[str, Any], out: Mapping[str, Any]) -> None:
        tally.comparisons[f"{name} {kind} handed"] = tally.comparisons.get(f"{name} {kind} handed", 0) + 1
        if list(got) != list(found):
            tally.wrong.append(f"{name} {kind}: {list(got)} instead of {list(found)}, with out={list(out)}")
            return
        for key, value in found.items():
            if isinstance(value, dict):
                look(kind, got[key], value, out.get(key, {}))
            elif np.asarray(got[key]).tobytes() != np.asarray(value).tobytes():
                tally.wrong.append(f"{name} {kind}: other bits of {key} with out={list(out)}")
            elif key in out and got[key] is not out[key]:
                tally.wrong.append(f"{name} {kind}: {key} is not the array that was handed in")

    def plain(found: Any) -> dict[str, Any]:
        values = found._asdict()
        return {key: plain(value) if hasattr(value, "_asdict") else value for key, value in values.items()}

    first = (ups,) if ups else ()
    for kind in ("forward", "predict"):
        found = plain(getattr(face, kind)(**call))
        out = rooms(found)
        look(kind, plain(getattr(face, kind)(**call, out=out)), found, out)
    results = face.value_and_grad(*first, **call)
    found, slopes = map(plain, results)
    wanted = {"grad": face.engine.top is not None and face.engine.top[1] is not None and face.grad.copy()}
    out, into = rooms(found), rooms(slopes)
    got = face.value_and_grad(*first, **call, out=(out, into))
    look("value_and_grad", plain(got[0]), found, out)
    look("gradient", plain(got[1]), slopes, into)
    again = face.value_and_grad(*first, **call, out=results)
    look("value_and_grad again", plain(again[0]), found, {})
    look("gradient again", plain(again[1]), slopes, {})
    if wanted["grad"] is not False and face.grad.tobytes() != wanted["grad"].tobytes():
        tally.wrong.append(f"{name}: grad is another where its parts were handed in")


def by_pair(model: Model, face: Any, found: Any) -> dict[tuple[str, str], Any]:
    """Gradients by target and variable."""
    top = face.engine.top
    pairs: dict[tuple[str, str], Any] = {}
    for target in model.targets:
        named = found if top is not None and top[0] == target.name else found[target.name]
        for shown, _ in target.wrt:
            pairs[target.name, shown] = np.asarray(named[shown])
    return pairs


def train(
    face: Any,
    call: Mapping[str, Any],
    plan: Any,
    loss: Any,
    grads: Mapping[tuple[str, str], Any],
    becomes: Mapping[str, Any],
    model: Model,
    tally: Tally,
    name: str,
    tolerance: float,
    noise: float,
) -> None:
    """The kernel of a training step gives the loss and its gradient, and what the states become."""
    engine = face.engine
    given, lasting = engine.lasts(dict(call), face._state, face._random) if engine.lasting else (dict(call), ())
    arrays, sizes, hyper = engine.take(engine.full, plan, given, face._hyper_vector)
    spaces: dict[str, Any] = {}
    engine.reserve(spaces, sizes)
    results = dict(
        zip(
            [r[0] for r in plan.results],
            engine.call(plan, arrays, sizes, (face.theta, face._frozen, hyper, *lasting), spaces, ()),
            strict=True,
        )
    )
    tally.same(f"{name} train", "loss", results["out:loss"], loss, tolerance, noise)
    for label, view in engine.state_views(results["next"]).items() if becomes else ():
        tally.same(f"{name} next", label, view, becomes[label], tolerance, noise)
    views = engine.views(results["grad:loss"], face._frozen)
    for p in model.params:
        if not p.frozen and ("loss", p.value.name) in grads:
            tally.same(f"{name} train", p.value.name, views[p.value.name], grads["loss", p.value.name], tolerance)


def tensor(value: Any) -> Any:
    made = torch.tensor(np.array(value))
    return made.requires_grad_(True) if made.is_floating_point() else made


def autograd(
    model: Model, sizes: Mapping[str, int], given: Mapping[str, Any], ups: Mapping[str, Any]
) -> dict[tuple[str, str], Any]:
    """What PyTorch makes of the graph, without any derivative of ours."""
    tensors = {name: tensor(value) for name, value in given.items()}
    values = Reference(model.graph, sizes, torch).run(tensors)
    found: dict[tuple[str, str], Any] = {}
    for target in model.targets:
        of = values[target.value]
        up = torch.tensor(np.array(ups[target.name])) if target.name in ups else torch.ones(())
        for shown, value in target.wrt:
            wrt = values[value]
            if value == target.value:
                found[target.name, shown] = up.numpy()
                continue
            grad = None
            if of.requires_grad and wrt.requires_grad:
                (grad,) = torch.autograd.grad(of, wrt, up.to(of.dtype), retain_graph=True, allow_unused=True)
            found[target.name, shown] = np.zeros(tuple(wrt.shape)) if grad is None else grad.numpy()
    return found


def slopes(
    model: Model,
    reference: Reference,
    given: Mapping[str, Any],
    pattern: Sequence[Any],
    ups: Mapping[str, Any],
    grads: Mapping[str, Mapping[tuple[str, str], Any]],
    rng: np.random.Generator,
    tally: Tally,
    scale: float,
) -> None:
    """Directional derivatives by differences, where no choice changes along the way."""
    reference.run(given)
    held = reference.stopped
    empty = any(np.size(v) == 0 for v in given.values())
    for target in model.targets:
        up = ups.get(target.name, np.ones(()))
        wrt = {value: rng.uniform(-1, 1, np.shape(grads["compiled"][target.name, shown])) for shown, value in target.wrt}

        def along(step: float, target: Any = target, up: Any = up, wrt: Any = wrt) -> tuple[float, bool]:
            moved = {n: step * d for n, d in wrt.items()}
            start = {n: v + moved[n] if n in moved else v for n, v in given.items()}
            value = float(np.sum(reference.run(start, moved, held)[target.value] * up))
            return value, len(pattern) == len(reference.pattern) and all(map(np.array_equal, pattern, reference.pattern))

        samples = [along(k * STEP) for k in (-2, -1, 1, 2)]
        if not all(good for _, good in samples):
            tally.skip("a kink within the step of the differences")
            continue
        (low2, _), (low1, _), (high1, _), (high2, _) = samples
        slope = (8 * (high1 - low1) - (high2 - low2)) / (12 * STEP)
        further = (high2 - low2) / (4 * STEP)
        if not np.isfinite(slope) or abs(slope - further) > 1e-2 * (1 + abs(slope)):
            tally.skip("differences that do not settle")
            continue
        for name, found in grads.items():
            once = {value: shown for shown, value in target.wrt}  # two names of one value move together
            parts = [found[target.name, shown] * wrt[value] for value, shown in once.items()]
            total = sum(float(np.sum(p)) for p in parts)
            if np.isnan(total) and empty:  # 0 times the mean of nothing: the chain rule shows it, and no difference does
                tally.skip("a gradient through the mean of nothing")
                continue
            room = abs(high1) * 1e-8 + sum(float(np.sum(np.abs(p))) for p in parts) + 100 * abs(slope - further)
            tally.same(f"{name} gradient against differences", target.name, total, slope, 1e-6, room)
