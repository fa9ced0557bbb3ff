"""The face of a generated module: `Model` and the pure functions, made from the module's `_SPEC` and `_run`.

It knows no model and needs NumPy alone. A NumPy-backend module imports it and ends with `install(globals())`. A compiled
module carries it inside, as text and as bytecode (both made by runtime/face.py), and runs it at import: to compile it as C
would cost five seconds in every module. What must be fast is in include/gradwright/module.h.
"""
import os
from threading import Lock, RLock, get_ident
from typing import Any

import numpy as np

from .arguments import INT, Array, _by_name, _error, _params, _shaped, _whole
from .engine import Engine
from .named import Generator, Gradients, Hypers, Outputs, Params, Values
from .points import _Point

_models: Any = None         # all that live, where processes fork


def _after_fork() -> None:
    """A lock that another thread held when the process forked would stay locked in the child for ever."""
    fresh: dict[int, Any] = {}      # models that share their memory share a lock
    for model in list(_models or ()):
        model._lock = fresh.setdefault(id(model._lock), Lock())
        model._training, model._fitting, model._bound = RLock(), None, None


if hasattr(os, "register_at_fork"):
    from weakref import WeakSet
    _models = WeakSet()
    os.register_at_fork(after_in_child=_after_fork)


class Model:
    """A model with its parameters."""

    __slots__ = ("__dict__", "__weakref__", "_bound")     # a bound step looks at _bound where it lies

    engine: Engine

    def __init__(self, seed: int | None = 0, params: Any = None) -> None:
        engine = self.engine
        theta, frozen = engine.initial(seed)
        if params is not None:
            params = _params(params)
            if _by_name(params):
                engine.fill(theta, frozen, params)
            else:
                theta[...] = _shaped("params", params, theta.shape, theta.dtype)
        self._hold(theta, frozen)
        if seed is None and "random" in engine.spec:
            seed = int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
        self._random = np.array([_whole("seed", seed or 0), 0], INT)
        self._hold_state(engine.filled_state(None))
        self._hyper_vector = engine.defaults.copy()
        self._hyper = Hypers(engine.hypers, self._hyper_vector, [float(h["default"]) for h in engine.spec["hypers"]])
        self._optimizer_state: Any = None           # what fit and step leave for the next fit
        self._bound: Any = None                     # the optimiser's state with which a bound step may go straight on
        self.classes: dict[str, tuple[str, ...]] = {}   # names for the numbers of an index input
        self._spaces: dict[str, Any] = {}
        self._predicted: dict[str, Any] = {}      # the workspaces of predict, so that it spoils no forward
        self._last: Any = None                      # the forward pass that backward belongs to
        self._grad: Array | None = None
        self._stepper: Any = None                   # what step() made ready
        self._run: Any = (None, None)               # the last fit's history and schedule
        self._lock = Lock()                         # around each run of a kernel
        self._training = RLock()                    # around fit and step
        self._fitting: Any = None                   # whether a fit is running
        if _models is not None:
            _models.add(self)

    def _hold(self, theta: Array, frozen: Array) -> None:
        """Take these vectors for the parameters."""
        engine = self.engine
        self._theta, self._frozen = theta, frozen
        self._params = Params(engine.views(theta, frozen))
        self._params.__dict__[" vectors"] = theta, frozen, engine
        self._params.__dict__[" layout"] = engine.shapes

    def _hold_state(self, state: Array) -> None:
        self._state = state
        self._states = Params(self.engine.state_views(state))
        self._states.__dict__[" layout"] = self.engine.state_shapes

    def share(self, other: Any) -> None:
        """Make the parameters that `other`, a model of another file, has too one memory with its own: who trains one trains both.
        Of the trained and of the frozen parameters, either all or none are shared, and `other` has them in the same order. So it
        is with states."""
        engine, theirs = self.engine, other.engine
        if engine.real != theirs.real:
            raise _error("DtypeError", f"share: {engine.name} is of {engine.real} and {theirs.name} of {theirs.real}")
        place = {p["name"]: p for p in theirs.spec["params"]}
        found: list[Array] = []
        for own, vector in ((engine.trained, self._theta), (engine.frozen, self._frozen)):
            common = [p for p in own if p["name"] in place]
            found.append(vector)
            if not common:
                continue
            if len(common) < len(own):
                alone = ", ".join(p["name"] for p in own if p["name"] not in place)
                raise _error("ArgumentError", f"share: {theirs.name} has no {alone}; declare what is not shared as trained where "
                             "the shared ones are frozen, or in a file of its own")
            first = place[own[0]["name"]]
            for p in own:
                other_p = place[p["name"]]
                if tuple(other_p["shape"]) != tuple(p["shape"]):
                    raise _error("ShapeError", f"share: {p['name']} has shape {tuple(p['shape'])} in {engine.name} and "
                                 f"{tuple(other_p['shape'])} in {theirs.name}")
                if other_p["frozen"] != first["frozen"] or other_p["offset"] - first["offset"] != p["offset"]:
                    raise _error("ArgumentError", f"share: declare {', '.join(q['name'] for q in own)} in this order and nothing "
                                 f"between them, in {theirs.name}")
            memory = other._frozen if first["frozen"] else other._theta
            found[-1] = memory[first["offset"]:first["offset"] + vector.size]
        if found[0] is self._theta and found[1] is self._frozen:
            raise _error("ArgumentError", f"share: {engine.name} and {theirs.name} have no parameter in common")
        state = self._state
        places = {s["name"]: s for s in theirs.states}
        shared = [(s, places[s["name"]]) for s in engine.states if s["name"] in places]
        if shared:
            start = shared[0][1]["offset"]
            if len(shared) < len(engine.states) or any(
                tuple(own["shape"]) != tuple(s["shape"]) or s["offset"] - start != own["offset"] for own, s in shared
            ):
                raise _error("ArgumentError", f"share: declare {', '.join(engine.state_shapes)} in this order and shape "
                             f"and nothing between them, in {theirs.name}")
            state = other._state[start:start + state.size]
        with self._training, self._lock:
            self._hold_state(state)
            self._hold(found[0], found[1])
            self._last = self._grad = self._stepper = self._bound = None
        self._lock = other._lock

    @property
    def values(self) -> Values:
        """Intermediate values of the last forward() by name, as `model.values.h`: those that backward() reads."""
        if self._last is None:
            raise _error("StateError", "values: call forward() first; it must be the last call but for predict() and backward()")
        return Values(self)

    def summary(self, /, **sizes: int) -> Any:
        """Shapes, parameters, operations and bytes of each line of the model; print it. Sizes by name become numbers."""
        return _training("summary").summary(self, sizes)

    def profile(self, optimizer: Any = None, steps: int = 100, /, **inputs: Any) -> Any:
        """How long each loop and product of a training step on these inputs takes; print it. For a module of
        load(..., profiled=True). See gradwright.runtime.profiling."""
        return _training("profiling").profile(self, optimizer, steps, inputs)

    @property
    def params(self) -> Params:
        """Parameters by name. Assigning a dict, or another model's, copies in those that it has."""
        return self._params

    @params.setter
    def params(self, value: Any) -> None:
        value = _params(value)
        if not _by_name(value):
            raise _error("ArgumentError", f"params: expected arrays by name, got a {type(value).__name__}; theta takes a vector")
        self.engine.fill(self._theta, self._frozen, value)

    @property
    def state(self) -> Params:
        """States by name: views, which training changes. Assigning a dict, or another model's, copies in those that it has."""
        return self._states

    @state.setter
    def state(self, value: Any) -> None:
        self.engine.fill_state(self._state, getattr(value, "state", value))

    @property
    def generator(self) -> Generator:
        """The seed and the counter that random values are made of."""
        return Generator(self._random)

    @property
    def hyper(self) -> Hypers:
        """Hyper-parameters by name. Assigning a dict sets those that it has."""
        return self._hyper

    @hyper.setter
    def hyper(self, value: Any) -> None:
        if not _by_name(value):
            raise _error("ArgumentError", f"hyper: expected numbers by name, got a {type(value).__name__}")
        checked = Hypers(self.engine.hypers, self._hyper_vector.copy(), list(self._hyper))
        for hyper in (checked, self._hyper):        # all of them or none
            for name in list(value.keys()):
                hyper[name] = value[name]

    @property
    def optimizer_state(self) -> Any:
        """What an optimiser knows beside the parameters; None makes the next step a first one."""
        return self._optimizer_state

    @optimizer_state.setter
    def optimizer_state(self, value: Any) -> None:
        self._bound, self._optimizer_state = None, value

    @property
    def theta(self) -> Array:
        """All trained parameters in one vector. Assigning copies in."""
        return self._theta

    @theta.setter
    def theta(self, value: Any) -> None:
        self._theta[...] = _shaped("theta", value, self._theta.shape, self._theta.dtype)

    @property
    def grad(self) -> Array:
        """The latest gradient, laid out as theta. A training step keeps none, and an older one is never shown."""
        if self._grad is None:
            raise _error("StateError", "no gradient is kept: call backward() or value_and_grad() first (fit and step keep none)")
        return self._grad

    def forward(self, /, *unnamed: Any, **inputs: Any) -> Outputs:
        """The outputs, and the loss if there is one, by name; keeps what backward() needs. `out`: arrays to fill, by name."""
        engine = self.engine
        if unnamed:
            raise engine.by_name("forward")
        self._last = None
        out = inputs.pop("out") if "out" in inputs and "out" in engine.words else None
        inputs, lasting = engine.lasts(inputs, self._state, self._random) if engine.lasting else (inputs, ())
        arrays, sizes, hyper = engine.take(engine.full, engine.forward, inputs, self._hyper_vector)
        with self._lock:
            vectors = self._theta, self._frozen, hyper.copy(), *lasting[:1], *(random.copy() for random in lasting[1:])
            result = engine.evaluate(engine.forward, arrays, sizes, vectors, self._spaces, out)
            watched = *arrays, self._theta, self._frozen, *lasting[:1]
            mark = engine.mark
            self._last = arrays, sizes, vectors, [mark(array) for array in watched], get_ident()
            self._bound = None
        return result

    def backward(self, upstream: Any = None, out: Any = None) -> Gradients:
        """The gradients at the last forward(). `upstream`: an array, or a dict by output, for what is no scalar. `out`: arrays to
        fill, by name."""
        engine = self.engine
        with self._lock:
            if self._last is None:
                raise _error("StateError", "backward() needs a forward() just before it (only predict() may come between)")
            arrays, sizes, vectors, marks, thread = self._last
            if thread != get_ident():
                raise _error("StateError", "the last forward() was another thread's; use value_and_grad(), or one Model a thread")
            names = [*engine.full.names, "the parameters", "the frozen parameters", "the states"][:len(marks)]
            for name, array, mark in zip(names, (*arrays, *vectors[:2], *vectors[3:4]), marks, strict=True):
                if engine.mark(array) != mark:
                    raise _error("StateError", f"{name}: overwritten between forward() and backward(); call forward() again")
            self._grad, named = engine.differentiate(arrays, sizes, vectors, upstream, self._spaces, out)
            self._bound = None
        return named

    def value_and_grad(self, upstream: Any = None, /, **inputs: Any) -> tuple[Outputs, Gradients]:
        """(what forward returns, what backward returns), in one call. `out`: two such, whose arrays are filled; either may be
        None."""
        engine = self.engine
        into = inputs.pop("out") if "out" in inputs and "out" in engine.words else None
        if "upstream" in inputs and upstream is None and "upstream" not in engine.full.names:
            upstream = inputs.pop("upstream")
        inputs, lasting = engine.lasts(inputs, self._state, self._random) if engine.lasting else (inputs, ())
        arrays, sizes, hyper = engine.take(engine.full, engine.forward, inputs, self._hyper_vector)
        vectors = self._theta, self._frozen, hyper, *lasting
        with self._lock:
            self._last = self._bound = None
            out, self._grad, named = engine.value_and_grad(arrays, sizes, vectors, upstream, self._spaces, into)
        return out, named

    def predict(self, /, *unnamed: Any, **inputs: Any) -> Outputs:
        """The outputs without the loss, from only the inputs that they need. `out`: arrays to fill, by name."""
        engine = self.engine
        if unnamed:
            raise engine.by_name("predict")
        return self._evaluated(engine.prediction(inputs) if engine.training else engine.predict, inputs)

    def jacobian(self, /, **inputs: Any) -> Outputs:
        """What `jacobian r wrt b` declares, as `model.jacobian(...).b`, or `.r.b` where there are several `r`: the derivative of
        each element of r for each of b, the axes of r first. From only the inputs that it needs. `out`: arrays to fill, by
        name."""
        return self._evaluated(self.engine.declared("jacobian"), inputs)

    def hessian(self, /, **inputs: Any) -> Outputs:
        """What `hessian f wrt x` declares, as `model.hessian(...).x`, or `.f.x`: all second derivatives."""
        return self._evaluated(self.engine.declared("hessian"), inputs)

    def hessian_diagonal(self, /, **inputs: Any) -> Outputs:
        """What `hessian diagonal f wrt x` declares: the second derivatives for one element each, in the shape of x."""
        return self._evaluated(self.engine.declared("hessian_diagonal"), inputs)

    def _evaluated(self, plan: Any, inputs: dict[str, Any]) -> Outputs:
        engine = self.engine
        out = inputs.pop("out") if "out" in inputs and "out" in engine.words else None
        inputs, lasting = engine.lasts(inputs, self._state, self._random) if engine.lasting else (inputs, ())
        arrays, sizes, hyper = engine.take(plan.needs, plan, inputs, self._hyper_vector)
        with self._lock:
            return engine.evaluate(plan, arrays, sizes, (self._theta, self._frozen, hyper, *lasting), self._predicted, out)

    def step(self, optimizer: Any = None, /, **inputs: Any) -> float:
        """One training step on these inputs as they are; the loss before it."""
        loss: float = _training().step(self, optimizer, inputs)
        return loss

    def bind(self, optimizer: Any = None, /, **inputs: Any) -> Any:
        """A training step on these very arrays as a function: run() does one step, run(1000) a thousand; the loss before the
        last of them. `run.inputs` are the arrays that are bound: one of the model's type is bound itself, of another a copy."""
        return _training().bind(self, optimizer, inputs)

    def fit(self, data: Any = None, optimizer: Any = None, **options: Any) -> Any:
        """Train on `data`, a dict of arrays by input name: see gradwright.runtime.training.fit for epochs, batch_size, ..."""
        if data is None:
            inputs = ", ".join(f'"{name}": {name}' for name in self.engine.full.names)
            raise _error("ArgumentError", f"fit takes its data as a dict of arrays by input name: fit({{{inputs}}}, ...)")
        return _training().fit(self, data, optimizer, **options)

    def save(self, path: Any, **options: Any) -> None:
        """Write a checkpoint: see gradwright.runtime.checkpoints.save."""
        _training("checkpoints").save(self, path, **options)

    @classmethod
    def load(cls, path: Any, **options: Any) -> Any:
        """A model from a checkpoint: see gradwright.runtime.checkpoints.load."""
        return _training("checkpoints").load(cls, path, **options)

    def copy(self) -> Any:
        """Another model with the same parameters and hyper-parameters; it shares nothing."""
        other = type(self)(params=self.params)
        for name in self.engine.hypers:
            other.hyper[name] = self.hyper[name]
        other.classes = dict(self.classes)
        other._state[...], other._random[...] = self._state, self._random
        return other

    def __getstate__(self) -> dict[str, Any]:
        state = {"theta": self._theta.copy(), "frozen": self._frozen.copy(), "optimizer_state": self.optimizer_state}
        state |= {"state": self._state.copy(), "random": self._random.copy()} if self.engine.lasting else {}
        return {**state, "hypers": [self.hyper[name] for name in self.engine.hypers], "classes": self.classes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Model.__init__(self, params=state["theta"])
        self._frozen[...] = state["frozen"]
        if "state" in state:
            self._state[...], self._random[...] = state["state"], state["random"]
        self.optimizer_state = state["optimizer_state"]
        self.classes = state["classes"]
        for name, value in zip(self.engine.hypers, state["hypers"], strict=True):
            self.hyper[name] = value

    def __repr__(self) -> str:
        engine = self.engine
        params = ", ".join(f"{p['name']}[{', '.join(map(str, p['shape']))}]" + " frozen" * p["frozen"]
                           for p in engine.spec["params"])
        hypers = ", ".join(f"{name}={self.hyper[name]:g}" for name in engine.hypers)
        count = f"{engine.count} {engine.real} parameter{'s' * (engine.count != 1)}"
        states = ", ".join(f"{s['name']}[{', '.join(map(str, s['shape']))}]" for s in engine.states)
        rest = "".join(f"; {text}" for text in (hypers, f"state {states}" if states else "") if text)
        return f"{engine.name}.Model({count}{': ' if params else ''}{params}{rest})"


_modules: dict[str, Any] = {}


def _training(name: str = "training") -> Any:
    try:
        if name not in _modules:
            from importlib import import_module
            _modules[name] = import_module(f"gradwright.runtime.{name}")
        return _modules[name]
    except ImportError as error:
        raise _error("MissingError", f"training needs gradwright.runtime: pip install gradwright ({error})") from error


class _Borrowed:
    """Workspaces for one call of a pure function: from the pool, where the next call finds them; each thread has its own."""

    def __init__(self, pool: list[dict[str, Any]]) -> None:
        self.pool = pool

    def __enter__(self) -> dict[str, Any]:
        try:
            self.spaces = self.pool.pop()
        except IndexError:
            self.spaces = {}
        return self.spaces

    def __exit__(self, *error: object) -> None:
        if "kept" in self.spaces and self.spaces["kept"].size + self.spaces["work"].size < 1 << 22:
            self.pool.append(self.spaces)


def install(module: dict[str, Any]) -> None:
    """Put Model and the pure functions, bound to the module's `_SPEC` and `_run`, into the module."""
    engine = Engine(module)

    def forward(params: Any, /, **inputs: Any) -> Outputs:
        """The outputs, and the loss if there is one, for these parameters: a pure function of its arguments. `out`: arrays to
        fill, by name."""
        out = inputs.pop("out") if "out" in inputs and "out" in engine.words else None
        inputs, lasting = engine.lasts(inputs, *engine.of_model(params), pure=True) if engine.lasting else (inputs, ())
        arrays, sizes, hyper = engine.take(engine.full, engine.forward, inputs, engine.defaults)
        with _Borrowed(engine.pool) as spaces:
            return engine.evaluate(engine.forward, arrays, sizes, (*engine.vectors(params), hyper, *lasting), spaces, out)

    def predict(params: Any, /, **inputs: Any) -> Outputs:
        """The outputs without the loss, for these parameters: a pure function of its arguments. `out`: arrays to fill, by
        name."""
        return evaluated(engine.prediction(inputs) if engine.training else engine.predict, params, inputs)

    def evaluated(plan: Any, params: Any, inputs: dict[str, Any]) -> Outputs:
        out = inputs.pop("out") if "out" in inputs and "out" in engine.words else None
        inputs, lasting = engine.lasts(inputs, *engine.of_model(params), pure=True) if engine.lasting else (inputs, ())
        arrays, sizes, hyper = engine.take(plan.needs, plan, inputs, engine.defaults)
        with _Borrowed(engine.pool) as spaces:
            return engine.evaluate(plan, arrays, sizes, (*engine.vectors(params), hyper, *lasting), spaces, out)

    def both(params: Any, upstream: Any, inputs: dict[str, Any], only: bool) -> tuple[Outputs, Gradients]:
        into = inputs.pop("out") if "out" in inputs and "out" in engine.words else None
        if "upstream" in inputs and upstream is None and "upstream" not in engine.full.names:
            upstream = inputs.pop("upstream")
        inputs, lasting = engine.lasts(inputs, *engine.of_model(params), pure=True) if engine.lasting else (inputs, ())
        arrays, sizes, hyper = engine.take(engine.full, engine.forward, inputs, engine.defaults)
        with _Borrowed(engine.pool) as spaces:
            vectors = *engine.vectors(params), hyper, *lasting
            out, _, named = engine.value_and_grad(arrays, sizes, vectors, upstream, spaces, into, only)
        return out, named

    def value_and_grad(params: Any, upstream: Any = None, /, **inputs: Any) -> tuple[Outputs, Gradients]:
        """(outputs, gradients) for these parameters: a pure function of its arguments. `out`: two such, whose arrays are filled;
        either may be None."""
        return both(params, upstream, inputs, False)

    def gradient(params: Any, upstream: Any = None, /, **inputs: Any) -> Gradients:
        """The gradients for these parameters: a pure function of its arguments. `out`: arrays to fill, by name."""
        return both(params, upstream, inputs, True)[1]

    def jacobian(params: Any, /, **inputs: Any) -> Outputs:
        """The Jacobians that the model declares, for these parameters: a pure function of its arguments."""
        return evaluated(engine.declared("jacobian"), params, inputs)

    def hessian(params: Any, /, **inputs: Any) -> Outputs:
        """The Hessians that the model declares, for these parameters: a pure function of its arguments."""
        return evaluated(engine.declared("hessian"), params, inputs)

    def hessian_diagonal(params: Any, /, **inputs: Any) -> Outputs:
        """The diagonals of Hessians that the model declares, for these parameters: a pure function of its arguments."""
        return evaluated(engine.declared("hessian_diagonal"), params, inputs)

    name = module.get("__name__", engine.name)
    declared = [f for f in (jacobian, hessian, hessian_diagonal) if f.__name__ in engine.plans]
    for function in (forward, predict, value_and_grad, gradient, *declared):
        function.__module__ = name
        function.__qualname__ = function.__name__
        module[function.__name__] = function
    if engine.spec.get("point"):
        module["value_at"] = _Point(engine, "value_at", False).function("The outputs at a point: numbers for numbers, in order.")
        if engine.backward is not None and not any(shape for _, shape in engine.backward.ups):
            what = "The outputs and the gradients at a point: numbers for numbers, in order."
            module["value_and_grad_at"] = _Point(engine, "value_and_grad_at", True).function(what)
    doc = engine.spec["doc"] or Model.__doc__
    module["Model"] = type("Model", (Model,), {"engine": engine, "__module__": name, "__doc__": doc})
