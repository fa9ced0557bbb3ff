"""A model of a few numbers as a function of them. A part of the face of a module: see model.py."""
import math
from typing import Any

import numpy as np

from .arguments import INT, Array, _dim, _error, _shaped
from .engine import Engine


class _Point:
    """A model of a few numbers as a function of them, in order: the inputs, the parameters, and, if wanted, the hyper-parameters.
    All lies in one vector, in cells: the constants, then what is given, what comes out, and what lies between."""

    def __init__(self, engine: Engine, name: str, gradients: bool) -> None:
        spec, self.engine, self.name = engine.spec, engine, name
        plans = [engine.both] if gradients and engine.both else [engine.forward, engine.backward if gradients else None]
        kernels = [(plan, spec["kernels"][plan.number]["slots"]) for plan in plans if plan is not None]
        shapes: dict[str, tuple[int, ...]] = {"hyper": engine.defaults.shape}
        for plan, _ in kernels:
            shapes |= {f"up:{up}": shape for up, shape in plan.ups}
        fixed = len(shapes)
        shapes |= {f"in:{s['name']}": tuple(s["shape"]) for s in spec["inputs"]}
        shapes |= {"theta": (engine.count,), "frozen": (sum(math.prod(p["shape"]) for p in engine.frozen),)}
        for plan, _ in kernels:
            shapes |= {slot: tuple(shape) for slot, shape, _ in plan.results}
        shapes |= {"kept": (max(plan.kept for plan, _ in kernels),), "work": (max(plan.work for plan, _ in kernels),)}
        places, cells = {}, 0
        for number, (slot, shape) in enumerate(shapes.items()):
            places[slot] = cells
            cells += math.prod(shape)
            if number + 1 == fixed:
                self.constants = np.ones(cells, engine.real)
        self.constants[:engine.defaults.size] = engine.defaults
        self.cells = cells
        self.arguments = [(s["name"], tuple(s["shape"]), places[f"in:{s['name']}"]) for s in spec["inputs"]]
        self.arguments += [(p["name"], tuple(p["shape"]), places["frozen" if p["frozen"] else "theta"] + p["offset"])
                           for p in spec["params"]]
        self.needed = len(self.arguments)
        self.arguments += [(hyper, (), k) for k, hyper in enumerate(engine.hypers)]
        self.runs = [(plan.number, [(places[slot], shapes[slot]) for slot in slots]) for plan, slots in kernels]
        self.results = [(o["name"], tuple(o["shape"]), places[f"out:{o['name']}"]) for o in spec["outputs"]]
        offsets = {p["name"]: p["offset"] for p in engine.trained}
        for target in spec["targets"] if gradients else ():
            for wrt, kind, *_ in target["wrt"]:
                slot = f"{'din' if kind == 'input' else 'dval'}:{target['name']}:{wrt}"
                if kind == "param" and wrt in offsets:
                    shape, place = engine.shapes[wrt], places[f"grad:{target['name']}"] + offsets[wrt]
                else:
                    shape, place = shapes[slot], places[slot]
                self.results.append((f"d{target['name']}/d{wrt}", shape, place))

    def code(self) -> Array:
        """What `_at` in module.h wants."""
        long = sum(_dim(line[3], {}) for line in self.engine.spec["lines"]) > 10_000
        code = [self.constants.size, self.needed, len(self.arguments), int(long), len(self.runs)]
        for _, shape, place in self.arguments:
            code += [place, -1 if not shape else shape[0] if len(shape) == 1 else -2]
        for number, slots in self.runs:
            code += [number, len(slots), *(place for place, _ in slots)]
        code.append(len(self.results))
        for _, shape, place in self.results:
            code += [place, len(shape), *shape]
        return np.array(code, INT)

    def filled(self, given: tuple[Any, ...]) -> Array:
        """The vector with these arguments in it."""
        names = [name for name, _, _ in self.arguments]
        if not self.needed <= len(given) <= len(names):
            count = f"{self.needed}" if self.needed == len(names) else f"{self.needed} to {len(names)}"
            count += " arguments" if count != "1" else " argument"
            lacks = f": {', '.join(names[len(given):self.needed])} missing" if len(given) < self.needed else ""
            raise _error("ArgumentError", f"{self.name}({', '.join(names)}) takes {count}, got {len(given)}{lacks}")
        cells = np.zeros(self.cells, self.engine.real)
        cells[:self.constants.size] = self.constants
        for (name, shape, place), value in zip(self.arguments, given, strict=False):
            cells[place:place + math.prod(shape)] = _shaped(name, value, shape, self.engine.real).ravel()
        return cells

    def __call__(self, *given: Any) -> Any:
        cells = self.filled(given)
        for number, slots in self.runs:
            self.engine.run(number, tuple([cells[place:place + math.prod(shape)].reshape(shape) for place, shape in slots]), ())
        found = [_nested(cells[place:place + math.prod(shape)].reshape(shape).tolist()) for _, shape, place in self.results]
        return found[0] if len(found) == 1 else tuple(found)

    def function(self, doc: str) -> Any:
        names = [name for name, _, _ in self.arguments]
        shown = [name + "=..." * (k >= self.needed) for k, name in enumerate(names)]
        results = ", ".join(name for name, _, _ in self.results)
        doc += f"\n\nTakes {', '.join(names) or 'nothing'}; returns {results if len(self.results) == 1 else f'({results})'}."
        module = self.engine.module
        make, slots = module.get("_at"), max(len(slots) for _, slots in self.runs)
        if make is not None and self.cells <= 512 and slots <= 64:
            signed = all(name.isidentifier() for name in names)
            head = f"{self.name}({', '.join([*shown, '/'] if names else [])})\n--\n\n" if signed else ""
            return make(self.name, head + doc, self.code(), self.constants, self.filled, module.get("__name__", self.engine.name))

        def function(*given: Any) -> Any:
            return self(*given)
        function.__name__ = function.__qualname__ = self.name
        function.__doc__, function.__module__ = doc, module.get("__name__", self.engine.name)
        return function


def _nested(value: Any) -> Any:
    return tuple([_nested(v) for v in value]) if isinstance(value, list) else value
