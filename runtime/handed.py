"""Results that go into arrays of the caller's. A part of the face of a module: see model.py."""
from itertools import pairwise
from operator import itemgetter
from typing import Any

import numpy as np

from .arguments import Array, _by_name, _error, _masked, _meant, _same
from .named import Gradients, Named, Outputs, _names


class _Hand:
    """The arrays that a caller hands in for what one kernel fills (`out=`). They have the form of what the call returns. All of
    them are looked at before anything is computed."""

    def __init__(self, engine: Any, plan: Any, sizes: tuple[int, ...], arrays: Any, vectors: Any, ups: Any,
                 other: Any = None) -> None:
        self.engine, self.plan = engine, plan
        self.shapes = plan.layouts.get(sizes) or plan.layout(sizes, engine.sizes)
        self.first = len(plan.results) - len(engine.backward.results) if engine.backward else 0     # of the gradients
        self.into: list[Array | None] = [None] * len(plan.results)
        self.shown: dict[str | None, dict[str, Array]] = {None: {}}     # by target, under None the outputs
        self.later: list[tuple[Array, int, int | None, int | None]] = []        # what is copied, from which part of a result
        self.straight = "_LOOKS" not in engine.module       # as in `_at_once`
        self.taken: list[tuple[int, int, str]] = [] if other is None else other.taken
        self.read = [(f"the input {name}", array) for name, array in zip(plan.needs.names, arrays, strict=True)]
        self.read += zip(("the parameters", "the frozen parameters"), vectors[:2], strict=True)
        self.read += [("the states", vectors[3])] if len(vectors) > 3 else []
        self.read += [(f"the upstream of {name}", up) for name, up in ups.items()] if ups else []

    def outputs(self, path: str, out: Any) -> None:
        places = {name: (kind, place) for name, kind, place in self.plan.outs}
        for name, where, value in self.each(path, out, places):
            kind, place = places[name]
            shape, dtype = self.shapes[place]
            array = self.shown[None][name] = self.array(where, value, shape, np.dtype(bool) if kind == "bool" else dtype)
            self.put(array, place, kind != "bool")

    def gradients(self, path: str, out: Any) -> None:
        top = self.engine.top
        others = {target[0]: target for target in self.engine.targets if target is not top}
        own = []
        for name, where, value in self.each(path, out, {**(top[2] if top else {}), **others}):
            if name in others:
                self.target(others[name], self.each(where, value, others[name][2]))
            else:
                own.append((name, where, value))
        if top is not None:
            self.target(top, own)

    def target(self, target: Any, given: Any) -> None:
        name, flat, layout, arrays = target
        places = {wrt: self.first + place for wrt, place in arrays if place is not None}
        shown = self.shown.setdefault(name, {})
        parts = {}
        for wrt, where, value in given:
            if wrt in places:
                shown[wrt] = self.array(where, value, *self.shapes[places[wrt]])
                self.put(shown[wrt], places[wrt])
            else:
                shown[wrt] = parts[wrt] = self.array(where, value, layout[wrt][2], self.engine.real)
        if not parts:
            return
        whole = self.whole([(layout[wrt][0], part) for wrt, part in parts.items() if part.size])
        if whole is not None and self.straight:
            self.into[self.first + flat] = whole
        else:
            self.later += [(part, self.first + flat, *layout[wrt][:2]) for wrt, part in parts.items()]

    def whole(self, parts: list[tuple[int, Array]]) -> Array | None:
        """The vector that these arrays make up, as those of an earlier gradient do; None where they lie otherwise."""
        if not parts or sum(part.size for _, part in parts) != self.engine.count:
            return None
        if len(parts) == 1:
            return np.asarray(parts[0][1]).reshape(-1)
        first = min(parts, key=itemgetter(0))[1]
        start, width = self.span(first)[0], first.itemsize
        if first.base is None or any(part.base is not first.base for _, part in parts):
            return None
        if any(self.span(part)[0] != start + at * width for at, part in parts):
            return None
        return np.lib.stride_tricks.as_strided(np.asarray(first).reshape(-1), (self.engine.count,))

    def span(self, array: Array) -> tuple[int, int]:
        """Where an array that is contiguous begins and ends; of an empty one, nowhere."""
        if not array.size:
            return 0, 0
        start = self.engine.place(array)
        return start, start + array.nbytes

    def put(self, array: Array, place: int, straight: bool = True) -> None:
        if straight and self.straight:
            self.into[place] = array
        else:
            self.later.append((array, place, None, None))

    def each(self, path: str, out: Any, names: Any) -> Any:
        """(name, how the caller spells it, value) of what is handed in for the results of these names."""
        if out is None:
            return
        if isinstance(out, np.ndarray):
            if len(names) != 1:
                raise _error("ArgumentError", f"{path}: there is {', '.join(names) or 'nothing'} to fill, so give a dict by name")
            yield next(iter(names)), path, out
            return
        if not _by_name(out):
            raise _error("ArgumentError", f"{path}: expected an array, or arrays by name, got a {type(out).__name__}")
        earlier = isinstance(out, Named)
        for name in _names(out) if earlier else list(out.keys()):
            value = out[name]
            if value is None or (earlier and not isinstance(value, (np.ndarray, Named))):
                continue        # an earlier call's scalars are numbers, which nothing can fill
            same = _same(name, names)
            if same not in names:
                raise _error("ArgumentError", f"{path}: there is no {name!r} to fill{_meant(name, names)}")
            yield same, f"{path}[{name!r}]", value

    def array(self, where: str, value: Any, shape: tuple[int, ...], dtype: Any) -> Array:
        if not isinstance(value, np.ndarray) or _masked(value):
            raise _error("ArgumentError", f"{where}: expected an array to fill, got a {type(value).__name__}")
        if value.dtype != dtype:
            raise _error("DtypeError", f"{where}: expected dtype {dtype}, got dtype {value.dtype}")
        if value.shape != shape:
            raise _error("ShapeError", f"{where}: expected shape {shape}, got shape {value.shape}")
        flags = value.flags
        for fine, told in (flags.c_contiguous, "C-contiguous"), (flags.aligned, "aligned"), (flags.writeable, "writeable"):
            if not fine:
                raise _error("ArgumentError", f"{where}: this array is not {told}")
        if value.size:
            self.taken.append((*self.span(value), where))
        array: Array = value
        return array

    def check(self) -> None:
        """No array is written to that is read, or twice."""
        taken = sorted(self.taken)
        for (_, stop, one), (start, _, other) in pairwise(taken):
            if start < stop:
                raise _error("ArgumentError", f"{other}: shares memory with {one}")
        for name, array in self.read if taken else ():
            first, last = self.span(array)
            for start, stop, where in taken:
                if start < last and first < stop:
                    raise _error("ArgumentError", f"{where}: shares memory with {name}")

    def copy(self, results: Any) -> None:
        while self.later:
            array, place, start, stop = self.later.pop()
            array[...] = results[place] if start is None else results[place][start:stop].reshape(array.shape)

    def filled(self, results: Any, outputs: Outputs) -> Outputs:
        self.copy(results)
        outputs.__dict__.update(self.shown[None])
        return outputs

    def found(self, results: Any) -> tuple[Array | None, Gradients]:
        self.copy(results)
        flat, top = self.engine.gradients(results[self.first:])
        for target in self.engine.targets:
            own = top if target is self.engine.top else top.__dict__[target[0]]
            own.__dict__.update(self.shown.get(target[0], {}))
        return flat, top


def _at_once(engine: Any, plan: Any, sizes: tuple[int, ...], read: Any, out: Any, slopes: Any) -> Any:
    """(arrays for what the kernel fills, views of earlier gradients), where what is handed in is plain: arrays by name in a dict
    or in an earlier result, which need no copy. Else None, and `_Hand` looks closer."""
    if engine.fits is None or plan.code is None or "_LOOKS" in engine.module:     # a checked module may have no result
        return None
    into: list[Array | None] = [None] * len(plan.results)
    views: dict[str, Array] = {}
    if out is not None:
        if type(out) is not Outputs and type(out) is not dict:
            return None
        for name, value in (out if type(out) is dict else out.__dict__).items():
            if isinstance(value, np.ndarray):
                place = plan.places.get(name)
                if place is None:
                    return None
                into[place] = value
            elif type(out) is dict and value is not None:
                return None
    if slopes is not None:
        if engine.laid is None:
            return None
        flat, layout, arrays = engine.laid
        first = len(plan.results) - len(engine.backward.results)
        earlier = type(slopes) is Gradients
        if (not earlier and type(slopes) is not dict) or (earlier and slopes.__dict__.get(" layout") is not layout):
            return None
        given = slopes.__dict__ if earlier else slopes
        whole = given[" flat"] if earlier else None
        if whole is not None and flat is not None:
            into[first + flat] = whole
        for name, value in given.items():
            if name[:1] == " " or value is None or (earlier and not isinstance(value, np.ndarray)):
                continue
            if not isinstance(value, np.ndarray):
                return None
            if name in arrays and value.ndim:
                into[first + arrays[name]] = value
                continue
            start, _, shape = layout.get(name) or (None, None, None)
            if whole is None or start is None or engine.place(value) != engine.place(whole) + start * whole.itemsize \
                    or value.shape != shape:
                return None
            views[name] = value
    taken = tuple(into)
    return (taken, views) if engine.fits(taken, plan.code, sizes, read) else None


def _place(array: Array) -> int:
    """The address of its first element."""
    start: int = array.__array_interface__["data"][0]
    return start
