"""The plan of a module: how calls are laid out for its kernels. A part of the face of a module: see model.py."""
import math
from operator import itemgetter
from typing import Any

import numpy as np

from .arguments import (
    INT,
    Array,
    _array,
    _bind,
    _by_name,
    _dim,
    _error,
    _in_range,
    _index,
    _later,
    _meant,
    _number,
    _params,
    _real,
    _same,
    _shaped,
    _whole,
)
from .handed import _at_once, _Hand, _place
from .named import Gradients, Outputs, Params

_empty = np.empty


def _lined(count: int, dtype: Any, make: Any = np.zeros) -> Array:
    """So many reals from the beginning of a line of the cache on: every load of the widest vectors would take two lines, and
    a product with a vector a third longer."""
    space = make(count + 64 // dtype.itemsize, dtype)
    start = -space.ctypes.data % 64 // dtype.itemsize
    lined: Array = space[start:start + count]
    return lined


class _Needs:
    """The arguments that some kernels want: how to take them from a call's keywords, and how `_match` checks them."""

    def __init__(self, inputs: Any, sizes: Any) -> None:
        self.inputs = inputs
        names = [spec["name"] for spec in inputs]
        self.names = names
        self.pick: Any = (lambda given: ()) if not names else itemgetter(*names) if len(names) > 1 else self._one
        # for each input: 1 for an index, number of axes, its dims, its bound; a dim is a number, -1 - size, or "slow"
        place, slow = {size: -1 - i for i, size in enumerate(sizes)}, -1 - len(sizes)
        code: list[int] = []
        for spec in inputs:
            dims = [d if isinstance(d, int) else place[d] if isinstance(d, str) else slow
                    for d in (*spec["shape"], spec["below"] or 0)]
            code += [int(spec["kind"] == "index") + 2 * int(spec["below"] is not None), len(dims) - 1, *dims]
        self.code = np.array(code, INT)

    def _one(self, given: Any) -> Any:
        return (given[self.names[0]],)


class _Plan:
    """One kernel: its number, which arrays go into its slots, which it fills."""

    def __init__(self, engine: "Engine", number: int, kernel: Any, needs: _Needs) -> None:
        self.number, self.name, self.needs = number, kernel["name"], needs
        self.kept, self.work = kernel.get("kept", 0), kernel.get("work", 0)
        self.sizes = kernel.get("sizes")            # the sizes that it reads; None if that is not told
        self.ups: list[Any] = []                    # (target, shape)
        self.results: list[Any] = []                # (slot, shape, dtype)
        self.layouts: dict[tuple[int, ...], Any] = {}
        inputs = {spec["name"]: spec for spec in engine.spec["inputs"]}
        derived = [spec for spec in engine.spec.get("derived", ()) if spec["call"] == self.name]
        outputs = {spec["name"]: spec for spec in derived or engine.spec["outputs"]}
        targets = {target["name"]: target for target in engine.spec["targets"]}
        fixed = ["theta", "frozen", "hyper", *engine.lasting, "kept", "work"]
        for slot in kernel["slots"]:
            kind, _, rest = slot.partition(":")
            name, _, wrt = rest.partition(":")
            if kind == "up":
                self.ups.append((name, targets[name]["shape"]))
            elif kind == "out":
                name = rest
                self.results.append((slot, outputs[name]["shape"], INT if outputs[name].get("kind") == "int" else engine.real))
            elif kind == "grad":
                self.results.append((slot, (engine.count,), engine.real))
            elif kind == "next":
                self.results.append((slot, (engine.state_count,), engine.real))
            elif kind == "din":
                self.results.append((slot, inputs[wrt]["shape"], engine.real))
            elif kind == "dval":
                values = engine.spec.get("values", {})
                shape = values[rest] if rest in values else engine.shapes[wrt]
                self.results.append((slot, shape, engine.real))
        outs = [slot for slot, _, _ in self.results]
        self.outs = [(name, "bool" if o.get("kind") == "bool" else "array" if o["shape"] else "scalar", outs.index(f"out:{name}"))
                     for name, o in outputs.items() if f"out:{name}" in outs]
        self.places = {name: place for name, kind, place in self.outs if kind == "array"}
        pool = [f"in:{name}" for name in needs.names] + fixed + [f"up:{up[0]}" for up in self.ups] + [r[0] for r in self.results]
        pool += ["rule"] if "rule" in kernel["slots"] else []
        places = [pool.index(slot) for slot in kernel["slots"]]
        self.pick: Any = itemgetter(*places) if len(places) > 1 else (lambda pool: tuple(pool[p] for p in places))
        self.code = self._code(places, engine) if "_call" in engine.module and "rule" not in pool else None

    def _code(self, places: list[int], engine: "Engine") -> Array | None:
        """What `_call` in module.h makes and runs; None where it cannot, because a shape is computed."""
        ends = [len(self.needs.names), 3 + len(engine.lasting), 1, 1, len(self.ups), len(self.results)]
        pool = [(kind, place) for kind, length in enumerate(ends) for place in range(length)]
        code = [len(places), *(number for place in places for number in pool[place]), len(self.results)]
        sizes = {size: -1 - i for i, size in enumerate(engine.sizes)}
        for _, shape, dtype in self.results:
            if any(isinstance(dim, tuple) for dim in shape) or len(shape) > 32:
                return None
            code += [int(dtype == INT), len(shape), *(sizes[dim] if isinstance(dim, str) else dim for dim in shape)]
        return np.array(code, INT)

    def layout(self, sizes: tuple[int, ...], names: Any) -> Any:
        """Shapes and dtypes of what it fills, for these sizes."""
        if len(self.layouts) > 64:
            self.layouts.clear()
        env = dict(zip(names, sizes, strict=True))
        shapes = [(tuple([_dim(d, env) for d in shape]), dtype) for _, shape, dtype in self.results]
        for (slot, _, _), (shape, _) in zip(self.results, shapes, strict=True):
            if min(shape, default=0) < 0:
                raise _error("ShapeError", f"{slot.rpartition(':')[2]} would have shape {shape}")
        self.layouts[sizes] = shapes
        return shapes


# Kernels that need only the inputs that they read.
_SOME = ("predict", "predict_training", "jacobian", "hessian", "hessian_diagonal")


class Engine:
    """What all models of one module share: its spec, its kernels, and how calls are checked and laid out."""

    def __init__(self, module: dict[str, Any]) -> None:
        spec = self.spec = module["_SPEC"]
        self.name: str = spec["name"]
        self.real = np.dtype(spec["dtype"])
        self.sizes: tuple[str, ...] = spec["sizes"]
        self.run: Any = module["_run"]
        self.fast: Any = module.get("_call")
        self.match: Any = module.get("_match")
        self.mark: Any = module.get("_mark", _crc)
        self.place: Any = module.get("_place", _place)
        self.fits: Any = module.get("_fits")
        self.module = module
        self.pool: list[dict[str, Any]] = []        # workspaces of the pure functions
        self.trained = [p for p in spec["params"] if not p["frozen"]]
        self.frozen = [p for p in spec["params"] if p["frozen"]]
        self.shapes = {p["name"]: tuple(p["shape"]) for p in spec["params"]}
        self.count = sum(math.prod(p["shape"]) for p in self.trained)
        self.hypers = [h["name"] for h in spec["hypers"]]
        self.training = "training" in spec          # the vector of hyper-parameters ends in whether this is a training call
        self.defaults = np.array([*(h["default"] for h in spec["hypers"]), *([0.0] if self.training else [])], self.real)
        self.states = spec.get("states", ())
        self.state_shapes = {s["name"]: tuple(s["shape"]) for s in self.states}
        self.state_count = sum(math.prod(shape) for shape in self.state_shapes.values())
        self.lasting = ("state", "random") if self.states or "random" in spec else ()
        self.words = [w for w in ("training", "seed", "counter", "state", "out")       # keywords of a call that are no input's
                      if w not in {s["name"] for s in (*spec["inputs"], *spec["hypers"])} | {*spec["sizes"], *spec["fixed"]}]
        kernels = {kernel["name"]: (number, kernel) for number, kernel in enumerate(spec["kernels"])}
        self.full = _Needs(spec["inputs"], self.sizes)
        self.plans = {name: _Plan(self, number, kernel, self.full)
                      for name, (number, kernel) in kernels.items() if name not in _SOME}
        for name in _SOME:
            if name in kernels:
                number, kernel = kernels[name]
                needs = _Needs([s for s in spec["inputs"] if f"in:{s['name']}" in kernel["slots"]], self.sizes)
                self.plans[name] = _Plan(self, number, kernel, needs)
        if "predict" in kernels:
            self.lively = self.plans.get("predict_training", self.plans["predict"])
        else:
            self.plans["predict"] = self.lively = self.plans["forward"]
        self.forward, self.predict, self.backward = self.plans["forward"], self.plans["predict"], self.plans.get("backward")
        self.both = self.plans.get("value_and_grad")
        self.nonempty = spec.get("nonempty", ())
        self.nonnegative, self.countable = spec.get("nonnegative", ()), spec.get("countable", ())
        self.reached = spec.get("reached", ())
        self.kept = {name: place for name, *place in spec.get("kept", ())}
        written = {line[1] for line in spec.get("lines", ())}
        self.listed = [name for name in self.kept if name in written or not written]      # no temporaries of a formula
        self.targets = [self._target(target) for target in spec["targets"]] if self.backward else []
        loss = [t for t in self.targets if t[0] == spec["loss"]]
        self.top = loss[0] if loss else self.targets[0] if len(self.targets) == 1 else None
        self.laid: Any = None       # what `_at_once` knows of gradients, where all are of one target
        if self.top is not None and len(self.targets) == 1:
            _, flat, layout, placed = self.top
            self.laid = flat, layout, {name: place for name, place in placed if place is not None}
        scalars = self.backward is not None and not any(shape for _, shape in self.backward.ups)
        self.ones = tuple([np.ones((), self.real) for _ in self.backward.ups]) if self.backward and scalars else None

    def _target(self, target: Any) -> Any:
        """(name, place of the flat gradient, layout of the views, [(name, place of an array)])"""
        assert self.backward is not None
        slots = [slot for slot, _, _ in self.backward.results]
        flat: int | None = None
        layout: dict[str, Any] = {}
        arrays: list[tuple[str, int | None]] = []
        starts = {p["name"]: p["offset"] for p in self.trained}
        for name, kind, *_ in target["wrt"]:
            layout[name] = None
            if kind == "param" and name in starts:
                flat = slots.index(f"grad:{target['name']}")
                layout[name] = (starts[name], starts[name] + math.prod(self.shapes[name]), self.shapes[name])
                if hasattr(Gradients, name):        # a parameter called `keys`: the view must stand before the method
                    arrays.append((name, None))
            else:
                arrays.append((name, slots.index(f"{'din' if kind == 'input' else 'dval'}:{target['name']}:{name}")))
        return target["name"], flat, layout, arrays

    # -- a call's arguments

    def by_name(self, call: str) -> Exception:
        """The error of a call whose inputs have no names."""
        wanted = ", ".join(f"{name}=..." for name in self.full.names)
        return _error("ArgumentError", f"{call} takes its inputs by name: {call}({wanted})")

    def take(self, needs: _Needs, plan: _Plan, given: dict[str, Any], hyper: Array) -> Any:
        """(arrays, sizes, hyper) for a call with these keywords."""
        if "training" in given and "training" in self.words:
            given = dict(given)
            flag = given.pop("training")
            if not isinstance(flag, (bool, np.bool_)):
                raise _error("ArgumentError", f"training: expected True or False, got {flag!r}")
            if self.training:
                hyper = hyper.copy()
                hyper[-1] = flag
        if self.match is not None and len(given) == len(needs.names):
            try:
                arrays = needs.pick(given)
            except KeyError:
                pass
            else:
                sizes = self.match(arrays, needs.code, len(self.sizes))
                if sizes is not None:
                    return arrays, self.filled(sizes), hyper
        arrays, sizes, hyper = self.check(needs, plan, given, hyper)
        return arrays, self.filled(sizes), hyper

    def prediction(self, given: dict[str, Any]) -> _Plan:
        """The kernel of a prediction with these keywords."""
        flag = given.get("training", False) if "training" in self.words else False
        return self.lively if isinstance(flag, (bool, np.bool_)) and flag else self.predict

    def declared(self, call: str) -> _Plan:
        """The kernel of derivatives that the model declares."""
        plan = self.plans.get(call)
        if plan is None:
            words = call.replace("_", " ")
            example = "`hessian f wrt x`" if call == "hessian" else f"`{words} {'r wrt b' if call == 'jacobian' else 'f wrt x'}`"
            raise _error("StateError", f"{self.name} declares no {words}: write {example} in the model")
        return plan

    def lasts(self, given: dict[str, Any], state: Any, random: Any, pure: bool = False) -> Any:
        """(keywords, vectors): what a call finds of the states and the generator, with its own seed=, counter= (and state=)."""
        for place, name in enumerate(("seed", "counter")):
            if name in given and name in self.words and "random" in self.spec:
                given, random = dict(given), random.copy()
                random[place] = _whole(name, given.pop(name))
        if pure and "state" in given and "state" in self.words:
            given = dict(given)
            state = self.filled_state(given.pop("state"))
        return given, (state, random)

    def filled_state(self, values: Any) -> Array:
        """The states as they begin, with these values by name."""
        vector = np.zeros(self.state_count, self.real)
        for s, view in zip(self.states, self.state_views(vector).values(), strict=True):
            view[...] = _draw(s["init"], tuple(s["shape"]), 0, s["name"])
        if values is not None:
            self.fill_state(vector, values)
        return vector

    def fill_state(self, vector: Array, values: Any) -> None:
        if not _by_name(values):
            raise _error("ArgumentError", f"state: expected arrays by name, got a {type(values).__name__}")
        self.fill_views(self.state_views(vector), values, "state", "state")

    def fill_views(self, views: dict[str, Array], values: Any, argument: str, what: str) -> None:
        """Write arrays by name into their places: all of them, or after an error none."""
        given = {_same(name, views): values[name] for name in list(values.keys())}
        for name in given:
            if name not in views:
                raise _error("ArgumentError", f"{argument}: {self.name} has no {what} {name!r}{_meant(name, views)}")
        checked = {name: _shaped(name, value, views[name].shape, self.real) for name, value in given.items()}
        for name, value in checked.items():
            views[name][...] = value

    def state_views(self, vector: Array) -> dict[str, Array]:
        return {s["name"]: vector[s["offset"]:s["offset"] + math.prod(s["shape"])].reshape(s["shape"]) for s in self.states}

    def of_model(self, params: Any) -> tuple[Array, Array]:
        """(state, generator) for a pure function: of the model that was given, or as they begin."""
        if getattr(type(params), "engine", None) is self:       # a model
            return params._state, params._random
        return self.filled_state(None), np.zeros(2, INT)

    def filled(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """The sizes, where none is 0 of which the model takes a maximum or minimum, none that it computes is negative, and no
        slice reaches further than its axis."""
        for dim, operation, line in self.nonempty:
            if _dim(dim, dict(zip(self.sizes, sizes, strict=True))) <= 0:
                why = f"line {line} of the model takes its {operation}, and the {operation} of nothing does not exist"
                raise _error("ShapeError", f"{dim if isinstance(dim, str) else 'a size'} must not be 0: {why}")
        for dim, line in self.nonnegative:
            number = _dim(dim, dict(zip(self.sizes, sizes, strict=True)))
            if number < 0:
                known = ", ".join(f"{name} = {size}" for name, size in zip(self.sizes, sizes, strict=True))
                raise _error("ShapeError", f"with {known}, line {line} of the model makes an array of size {number}")
        for end, extent, line in self.reached:
            numbers = dict(zip(self.sizes, sizes, strict=True))
            last, there = _dim(end, numbers), _dim(extent, numbers)
            if last > there:
                known = ", ".join(f"{name} = {size}" for name, size in numbers.items())
                raise _error("ShapeError", f"with {known}, line {line} of the model takes {last} places of an axis of {there}")
        for dim, line in self.countable:
            number = _dim(dim, dict(zip(self.sizes, sizes, strict=True)))
            if number > 1 << 24:
                raise _error("ShapeError", f"line {line} of the model looks for the largest or smallest of {number} elements; "
                                           f"float32 counts positions only up to {1 << 24}; compile with --dtype float64")
        return sizes

    def check(self, needs: _Needs, plan: _Plan, given: dict[str, Any], hyper: Array) -> Any:
        inputs = {spec["name"]: spec for spec in self.spec["inputs"]}
        known = [*inputs, *self.sizes, *self.hypers]
        given = {_same(name, known): value for name, value in given.items()}
        for name in given:
            if name not in known:
                if name in (fixed := self.spec["fixed"]):
                    raise _error("ArgumentError", f"{name} is fixed at {fixed[name]}; compile with --set {name}=... to change it")
                raise _error("ArgumentError", f"{self.name} has no input {name!r}{_meant(name, known)}")
        missing = [name for name in needs.names if name not in given]
        if missing:
            wanted = ", ".join(inputs[name]["declared"] for name in missing)
            only = self.predict.needs
            enough = only is not needs and all(name in given for name in only.names)
            hint = f"; predict needs no {missing[0]}" if enough else ""
            raise _error("ArgumentError", f"missing input {wanted}{hint}")
        arrays = {name: given[name] if _later(given[name]) else _index(name, given[name]) if spec["kind"] == "index"
                  else _real(name, given[name], self.real) for name, spec in inputs.items() if name in given}
        sizes: dict[str, int] = {}
        for name in self.sizes:
            if name in given:
                number = _array(name, given[name])
                if number.shape != () or number.dtype.kind not in "iu" or number < 0:
                    raise _error("ArgumentError", f"{name}: a size is a whole number from 0 up, got {given[name]!r}")
                sizes[name] = int(number)
                if sizes[name] > np.iinfo(INT).max // self.real.itemsize:
                    raise _error("ArgumentError", f"{name}: no memory holds {sizes[name]} numbers")
        _bind([spec for spec in self.spec["inputs"] if spec["name"] in given], arrays, sizes)
        for name in self.sizes:
            if name not in sizes:
                if plan.sizes is None or name in plan.sizes:
                    raise _error("ArgumentError", f"no array tells the size {name}; pass it by name: {name}=10")
                sizes[name] = 0
        for name, array in arrays.items():
            if inputs[name]["below"] is not None:
                _in_range(inputs[name], array, _dim(inputs[name]["below"], sizes))
        numbers = {name: _number(name, given[name], self.real) for name in self.hypers if name in given}
        if numbers:
            hyper = hyper.copy()
            for name, value in numbers.items():
                hyper[self.hypers.index(name)] = value
        return tuple([arrays[name] for name in needs.names]), tuple([sizes[name] for name in self.sizes]), hyper

    def upstream(self, upstream: Any, sizes: tuple[int, ...]) -> dict[str, Array]:
        """The upstream of each target, in the model's type."""
        env = dict(zip(self.sizes, sizes, strict=True))
        shapes = {target["name"]: tuple([_dim(d, env) for d in target["shape"]]) for target in self.spec["targets"]}
        given: dict[str, Any] = {}
        if _by_name(upstream):
            given = dict(upstream)
            for name in given:
                if name not in shapes:
                    raise _error("ArgumentError", f"upstream: no gradient is taken of {name!r}{_meant(name, shapes)}")
        elif upstream is not None:
            wanting = [target["name"] for target in self.spec["targets"] if target["shape"]] or list(shapes)
            if len(wanting) != 1:
                raise _error("ArgumentError", f"upstream: {', '.join(wanting)} want one each, so give a dict by name")
            given = {wanting[0]: upstream}
        ups = {}
        for name, shape in shapes.items():
            if name in given:
                ups[name] = _shaped(f"upstream of {name}", given[name], shape, self.real)
            elif not shape:
                ups[name] = np.ones((), self.real)
            else:
                raise _error("ArgumentError", f"{name} is no scalar but {shape}: give upstream=, an array of that shape")
        return ups

    # -- running

    def call(self, plan: _Plan, arrays: Any, sizes: tuple[int, ...], vectors: Any, spaces: dict[str, Any], ups: Any,
             into: Any = ()) -> Any:
        """Run a kernel; what it fills, in the order of plan.results. `into`: the arrays for it, None for one to be made."""
        try:
            if plan.code is not None:
                return self.fast(plan.number, plan.code, arrays, sizes, vectors, spaces["kept"], spaces["work"], ups, into)
            results = [_empty(shape, dtype) for shape, dtype in plan.layouts.get(sizes) or plan.layout(sizes, self.sizes)] \
                if not into else self.made(plan, sizes, into)
        except MemoryError as error:
            raise self.too_big(sizes, error) from error
        self.run(plan.number, plan.pick((*arrays, *vectors, spaces["kept"], spaces["work"], *ups, *results)), sizes)
        return results

    def made(self, plan: _Plan, sizes: tuple[int, ...], into: Any) -> Any:
        """All arrays for what a kernel fills: those that are there, and new ones."""
        layout = plan.layouts.get(sizes) or plan.layout(sizes, self.sizes)
        return tuple([_empty(*kind) if array is None else array for array, kind in zip(into, layout, strict=True)])

    def evaluate(self, plan: Any, arrays: Any, sizes: tuple[int, ...], vectors: Any, spaces: dict[str, Any],
                 out: Any = None) -> Outputs:
        """Run `predict` or `forward`. `vectors` are theta, frozen, hyper (and, where there are such, state and generator);
        `spaces` keeps the workspaces between calls."""
        if spaces.get("sizes") != sizes:
            self.reserve(spaces, sizes)
        if out is None:
            return self.outputs(plan, self.call(plan, arrays, sizes, vectors, spaces, ()))
        quick = _at_once(self, plan, sizes, (*arrays, *vectors[:2], *vectors[3:4]), out, None)
        if quick is not None:
            return self.outputs(plan, self.call(plan, arrays, sizes, vectors, spaces, (), quick[0]))
        hand = _Hand(self, plan, sizes, arrays, vectors, ())
        hand.outputs("out", out)
        hand.check()
        results = self.call(plan, arrays, sizes, vectors, spaces, (), tuple(hand.into))
        return hand.filled(results, self.outputs(plan, results))

    def outputs(self, plan: Any, results: Any) -> Outputs:
        values = {}
        for name, kind, place in plan.outs:
            result = results[place]
            values[name] = result if kind == "array" else result[()] if kind == "scalar" else result != 0
        return Outputs(values)

    def differentiate(self, arrays: Any, sizes: tuple[int, ...], vectors: Any, upstream: Any,
                      spaces: dict[str, Any], out: Any = None) -> tuple[Array | None, Gradients]:
        """Run `backward` on what `forward` left in spaces["kept"]: the flat gradient of the main target, and all by name."""
        plan = self.differentiable()
        ups = self.upstreams(upstream, sizes)
        if out is None:
            return self.gradients(self.adjoints(plan, arrays, sizes, vectors, ups, spaces))
        read = *arrays, *vectors[:2], *vectors[3:4], *(ups.values() if ups else ())
        quick = _at_once(self, plan, sizes, read, None, out)
        if quick is not None:
            return self.gradients(self.adjoints(plan, arrays, sizes, vectors, ups, spaces, quick[0]), quick[1])
        hand = _Hand(self, plan, sizes, arrays, vectors, ups)
        hand.gradients("out", out)
        hand.check()
        return hand.found(self.adjoints(plan, arrays, sizes, vectors, ups, spaces, tuple(hand.into)))

    def differentiable(self) -> _Plan:
        """The kernel `backward`."""
        if self.backward is None:
            raise _error("StateError", f"{self.name} has no gradient: {self.reason()}")
        return self.backward

    def reason(self) -> str:
        """Why there is no gradient."""
        if self.spec["loss"] is not None and not self.spec["params"] and self.spec["inputs"]:
            name = next((s["name"] for s in self.spec["inputs"] if s["kind"] == "real"), "x")
            return f"it has no parameters; for that of an input, write `gradient {self.spec['loss']} wrt {name}` in the model"
        return "nothing in it depends on a parameter or an input"

    def upstreams(self, upstream: Any, sizes: tuple[int, ...]) -> Any:
        """The upstream of each target by name; None where all are 1."""
        return None if upstream is None and self.ones is not None else self.upstream(upstream, sizes)

    def adjoints(self, plan: Any, arrays: Any, sizes: tuple[int, ...], vectors: Any, ups: Any, spaces: dict[str, Any],
                 into: Any = ()) -> Any:
        """Run a kernel that takes upstreams; what it fills."""
        if ups is None:
            return self.call(plan, arrays, sizes, vectors, spaces, self.ones, into)
        results = self.call(plan, arrays, sizes, vectors, spaces, tuple([ups[name] for name, _ in plan.ups]), into)
        read = {name for name, _ in plan.ups}
        for (slot, _, _), result in zip(plan.results, results, strict=True):
            kind, target, *_ = slot.split(":")
            # a loss is a scalar, and its kernel takes its upstream to be 1; where a kernel reads none of an array, all is 0
            if kind != "out" and target not in read and ups[target].shape == ():
                result *= ups[target]
        return results

    def value_and_grad(self, arrays: Any, sizes: tuple[int, ...], vectors: Any, upstream: Any, spaces: dict[str, Any],
                       out: Any = None, only: bool = False) -> tuple[Outputs, Array | None, Gradients]:
        """Outputs and gradients: by one kernel where the module has it, else by `forward` and `backward`. `out`: arrays to fill,
        for both, or `only` for the gradients."""
        if out is not None:
            return self.handed(arrays, sizes, vectors, upstream, spaces, out, only)
        plan = self.both
        if plan is None or self.backward is None:
            outputs = self.evaluate(self.forward, arrays, sizes, vectors, spaces)
            return outputs, *self.differentiate(arrays, sizes, vectors, upstream, spaces)
        if spaces.get("sizes") != sizes:
            self.reserve(spaces, sizes)
        results = self.adjoints(plan, arrays, sizes, vectors, self.upstreams(upstream, sizes), spaces)
        first = len(results) - len(self.backward.results)       # the outputs stand before the gradients
        return self.outputs(plan, results), *self.gradients(results[first:])

    def handed(self, arrays: Any, sizes: tuple[int, ...], vectors: Any, upstream: Any, spaces: dict[str, Any],
               out: Any, only: bool) -> tuple[Outputs, Array | None, Gradients]:
        """`value_and_grad` into arrays that the caller hands in."""
        backward, ups = self.differentiable(), self.upstreams(upstream, sizes)
        if only:
            out = None, out
        elif not isinstance(out, (tuple, list)) or len(out) != 2:
            told = f"{len(out)} of them" if isinstance(out, (tuple, list)) else f"a {type(out).__name__}"
            raise _error("ArgumentError", f"out: expected (outputs, gradients), each of which may be None, got {told}")
        if spaces.get("sizes") != sizes:
            self.reserve(spaces, sizes)
        first = self.forward if self.both is None else self.both
        read = *arrays, *vectors[:2], *vectors[3:4], *(ups.values() if ups else ())
        if self.both is not None:
            quick = _at_once(self, first, sizes, read, *out)
            if quick is not None:
                results = self.adjoints(first, arrays, sizes, vectors, ups, spaces, quick[0])
                return self.outputs(first, results), *self.gradients(results[len(results) - len(backward.results):], quick[1])
        else:
            quick = _at_once(self, first, sizes, read, out[0], None)
            later = quick and _at_once(self, backward, sizes, (*read, *(a for a in quick[0] if a is not None)), None, out[1])
            if quick is not None and later is not None:
                results, adjoints = self.in_turn(arrays, sizes, vectors, ups, spaces, quick[0], later[0])
                return self.outputs(first, results), *self.gradients(adjoints, later[1])
        hand = _Hand(self, first, sizes, arrays, vectors, ups)
        other = hand if self.both is not None else _Hand(self, backward, sizes, arrays, vectors, ups, hand)
        hand.outputs("out[0]", out[0])
        other.gradients("out" if only else "out[1]", out[1])
        hand.check()
        if other is hand:
            results = self.adjoints(first, arrays, sizes, vectors, ups, spaces, tuple(hand.into))
            return hand.filled(results, self.outputs(first, results)), *hand.found(results)
        results, adjoints = self.in_turn(arrays, sizes, vectors, ups, spaces, tuple(hand.into), tuple(other.into))
        return hand.filled(results, self.outputs(first, results)), *other.found(adjoints)

    def in_turn(self, arrays: Any, sizes: tuple[int, ...], vectors: Any, ups: Any, spaces: dict[str, Any], outs: Any,
                slopes: Any) -> tuple[Any, Any]:
        """What `forward` and then `backward` fill, these arrays among it."""
        backward = self.differentiable()
        try:        # before the first of the two writes anything
            into = self.made(backward, sizes, slopes)
        except MemoryError as error:
            raise self.too_big(sizes, error) from error
        results = self.call(self.forward, arrays, sizes, vectors, spaces, (), outs)
        return results, self.adjoints(backward, arrays, sizes, vectors, ups, spaces, into)

    def gradients(self, results: list[Array], views: Any = ()) -> tuple[Array | None, Gradients]:
        found = self.top
        top = self.named(found, results) if found is not None else Gradients({}, {}, None)
        if len(self.targets) > 1:
            for target in self.targets:
                if target is not found:
                    top.__dict__[" layout"] = {**top.__dict__[" layout"], target[0]: None}
                    top.__dict__[target[0]] = self.named(target, results)
        top.__dict__.update(views)      # of an earlier gradient that is filled again
        return results[found[1]] if found is not None and found[1] is not None else None, top

    def named(self, target: Any, results: Any) -> Gradients:
        _, flat, layout, arrays = target
        if not arrays:
            return Gradients((), layout, results[flat])
        values = {}
        for name, place in arrays:
            if place is None:
                start, stop, shape = layout[name]
                values[name] = results[flat][start:stop].reshape(shape)
            else:
                value = results[place]
                values[name] = value if value.ndim else value[()]
        return Gradients(values, layout, None if flat is None else results[flat])

    def reserve(self, spaces: dict[str, Any], sizes: tuple[int, ...]) -> None:
        """Make the workspaces, which every kernel of the module shares, for these sizes."""
        env = dict(zip(self.sizes, sizes, strict=True))
        spaces["sizes"] = None      # where memory runs out between the two, neither is known to have room
        for name in ("kept", "work"):
            length = max(_dim(getattr(plan, name), env) for plan in self.plans.values())
            space = spaces.get(name)
            if space is None or not length <= space.size <= 4 * length + 4096:
                try:
                    spaces[name] = _lined(max(length, 0), self.real, _empty)
                except (MemoryError, ValueError, OverflowError) as error:
                    raise self.too_big(sizes, error) from error
        spaces["sizes"] = sizes

    def too_big(self, sizes: tuple[int, ...], error: Exception) -> MemoryError:
        known = ", ".join(f"{name} = {size}" for name, size in zip(self.sizes, sizes, strict=True))
        return MemoryError(f"{self.name} with {known} does not fit into memory: {error}")

    # -- parameters

    def vectors(self, params: Any) -> tuple[Array, Array]:
        """(theta, frozen) from a flat vector, a model's params, or arrays by name."""
        params = _params(params)
        if not _by_name(params):
            if any(p["init"][0] != "values" for p in self.frozen):
                raise _error("ArgumentError", f"params: {self.name} has frozen parameters; give all by name, or model.params")
            return _shaped("params", params, (self.count,), self.real), self.initial(0)[1]
        own = params.__dict__.get(" vectors") if isinstance(params, Params) else None
        if own is not None and own[2] is self:
            return own[0], own[1]
        theta, frozen = self.initial(0)
        needed = [p["name"] for p in self.spec["params"] if not (p["frozen"] and p["init"][0] == "values")]
        self.fill(theta, frozen, params)
        missing = [name for name in needed if name not in {_same(k, self.shapes) for k in list(params.keys())}]
        if missing:
            raise _error("ArgumentError", f"params: {', '.join(missing)} missing")
        return theta, frozen

    def fill(self, theta: Array, frozen: Array, params: Any) -> None:
        self.fill_views(self.views(theta, frozen), params, "params", "parameter")

    def views(self, theta: Array, frozen: Array) -> dict[str, Array]:
        return {p["name"]: (frozen if p["frozen"] else theta)[p["offset"]:p["offset"] + math.prod(p["shape"])].reshape(p["shape"])
                for p in self.spec["params"]}

    def initial(self, seed: int | None) -> tuple[Array, Array]:
        """Parameters as declared. Each is drawn from a stream of its own, made of the seed and its name."""
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0):
            raise _error("ArgumentError", f"seed: expected a whole number from 0 up, or None, got {seed!r}")
        theta = _lined(self.count, self.real)
        frozen = _lined(sum(math.prod(p["shape"]) for p in self.frozen), self.real)
        for p, view in zip(self.spec["params"], self.views(theta, frozen).values(), strict=True):
            view[...] = _draw(p["init"], tuple(p["shape"]), seed, p["name"])
        return theta, frozen


def _crc(array: Array) -> int:
    from zlib import crc32
    return crc32(array.tobytes()) if array.size else 0


def _draw(init: Any, shape: tuple[int, ...], seed: int | None, name: str) -> Any:
    kind, *numbers = init
    if kind == "values":
        values = np.array(numbers[0] if numbers and isinstance(numbers[0], tuple) else numbers, np.float64)
        return values.reshape(shape) if values.size != 1 else values.reshape(())
    words = None if seed is None else [int(seed), *name.encode()]
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))
    # x @ W takes W[in, out]; with more axes a weight is [out, in, ...] and the fans are PyTorch's
    if len(shape) > 2:
        field = math.prod(shape[2:])
        fan_in, fan_out = shape[1] * field, shape[0] * field
    else:
        fan_in, fan_out = (*shape, 1, 1)[:2]
    both, fan_in = max(fan_in + fan_out, 1), max(fan_in, 1)
    if kind == "normal":
        return numbers[0] + numbers[1] * rng.standard_normal(shape)
    if kind == "uniform":
        return rng.uniform(numbers[0], numbers[1], shape)
    if kind in ("glorot_uniform", "he_uniform"):
        bound = math.sqrt(6 / (both if kind[0] == "g" else fan_in))
        return rng.uniform(-bound, bound, shape)
    if kind in ("glorot_normal", "he_normal"):
        return rng.standard_normal(shape) * math.sqrt(2 / (both if kind[0] == "g" else fan_in))
    if kind == "orthogonal":
        rows = shape[0] if shape else 1
        cols = math.prod(shape) // max(rows, 1)
        q, r = np.linalg.qr(rng.standard_normal((max(rows, cols), min(rows, cols))))
        q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)         # makes it uniform over the orthogonal matrices
        return (q if rows >= cols else q.T).reshape(shape)
    raise _error("ArgumentError", f"{name}: unknown initialiser {kind!r}")
