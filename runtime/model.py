"""The face of a generated module: `Model` and the pure functions, made from the module's `_SPEC` and `_run`.

It knows no model and needs NumPy alone. A NumPy-backend module imports it and ends with `install(globals())`. A compiled
module carries it inside, as text and as bytecode (both made by runtime/face.py), and runs it at import: to compile it as C
would cost five seconds in every module. What must be fast is in include/gradwright/module.h.
"""
import math
import os
from itertools import pairwise
from operator import itemgetter
from threading import Lock, RLock, get_ident
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
INT = np.dtype(np.int64)
_empty = np.empty


def _lined(count: int, dtype: Any, make: Any = np.zeros) -> Array:
    """So many reals from the beginning of a line of the cache on: every load of the widest vectors would take two lines, and
    a product with a vector a third longer."""
    space = make(count + 64 // dtype.itemsize, dtype)
    start = -space.ctypes.data % 64 // dtype.itemsize
    lined: Array = space[start:start + count]
    return lined


# ---- errors: the family of gradwright.runtime.errors where that is installed; TypeError, ValueError... everywhere

_KINDS: dict[str, type] = {"ShapeError": ValueError, "DtypeError": TypeError, "ArgumentError": TypeError,
                           "RangeError": ValueError, "StateError": RuntimeError, "MissingError": ImportError}
_errors: dict[str, Any] = {}


def _error(kind: str, text: str) -> Exception:
    if not _errors:
        try:
            from gradwright.runtime import errors
            _errors.update({name: getattr(errors, name) for name in _KINDS})
        except ImportError:
            family = type("GradwrightError", (Exception,), {})
            _errors.update({name: type(name, (family, base), {}) for name, base in _KINDS.items()})
    error: Exception = _errors[kind](text)
    return error


def _meant(name: str, known: Any) -> str:
    """`; did you mean W1?`, or what there is."""
    from difflib import get_close_matches
    known = list(known)
    close = [k for k in known if k.lower() == name.lower()] or get_close_matches(name, known, 1, 0.5)
    return f"; did you mean {close[0]}?" if close else f"; there is {', '.join(known)}" if known else "; there is none"


def _same(name: str, known: Any) -> str:
    """The name as the model spells it: Python itself turns ϕ into φ before anybody sees it."""
    if name in known:
        return name
    from unicodedata import normalize
    return next((k for k in known if not k.isascii() and normalize("NFKC", k) == name), name)


# ---- values by name

def _names(named: "Named") -> list[str]:
    values = named.__dict__
    return [name for name in values.get(" layout", values) if name[0] != " "]


class Named:
    """Values by name: `out.p`, `out["p"]`, `p, loss = out`, `out._asdict()`. Any name works, `if` and `_asdict` included."""

    # The values are the instance's __dict__, which Python asks before the class's methods. What is no user's value has a
    # key that begins with a space, which is no user's name.
    def __init__(self, values: Any) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        known = _names(self)
        if (same := _same(name, known)) != name:
            return self[same]
        if any(k.startswith(name + ".") for k in known):
            return Part(self, name)
        raise AttributeError(f"no {name!r} here{_meant(name, known)}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{name}: results cannot be assigned to")

    def __getitem__(self, name: str) -> Any:
        values = self.__dict__
        if name in values:
            return values[name]
        try:
            return type(self).__getattr__(self, name)
        except AttributeError as error:
            raise KeyError(str(error)) from None

    def __iter__(self) -> Any:
        return iter([self[name] for name in _names(self)])

    def __len__(self) -> int:
        return len(_names(self))

    def __contains__(self, name: object) -> bool:
        return name in _names(self)

    def __dir__(self) -> Any:
        return [*object.__dir__(self), *_names(self)]

    def keys(self) -> list[str]:
        return _names(self)

    def _asdict(self) -> dict[str, Any]:
        return {name: self[name] for name in _names(self)}

    def __repr__(self) -> str:
        lines = []
        for name in _names(self):
            value = self[name]
            if isinstance(value, np.ndarray):
                shape = ", ".join(map(str, value.shape))
                small = " " + np.array2string(value, separator=", ").replace("\n", "") if value.size <= 8 else ""
                lines.append(f"\n  {name}: {value.dtype}[{shape}]{small}")
            elif isinstance(value, Named):
                lines.append(f"\n  {name}: " + repr(value).replace("\n", "\n  "))
            else:
                lines.append(f"\n  {name}: {value}")
        return type(self).__name__ + ("".join(lines) or " (empty)")


class Part(Named):
    """The values of one layer: `params.head.W` is `params["head.W"]`."""

    def __init__(self, whole: Named, path: str) -> None:
        start = path + "."
        self.__dict__.update({" whole": whole, " path": start})
        self.__dict__[" layout"] = {k[len(start):]: None for k in _names(whole) if k.startswith(start)}

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        return own[" whole"][own[" path"] + name] if name in own[" layout"] else Named.__getattr__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        own[" whole"][own[" path"] + name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        type(self).__setattr__(self, name, value)


class Outputs(Named):
    """What a forward pass returned."""


class Gradients(Named):
    """Gradients by name. Those of parameters are views into one flat vector, made when they are asked for."""

    def __init__(self, values: Any, layout: Any, flat: Array | None) -> None:
        own = self.__dict__
        own[" layout"], own[" flat"] = layout, flat
        if values:
            own.update(values)

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__
        place = values.get(" layout", {}).get(name)
        if place is None:
            return Named.__getattr__(self, name)
        view = values[name] = values[" flat"][place[0]:place[1]].reshape(place[2])
        return view


class Values(Named):
    """Intermediate values of the last forward pass by name, copied when they are asked for."""

    def __init__(self, model: Any) -> None:
        self.__dict__.update({" layout": model.engine.listed, " model": model, " last": model._last})

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        model = own[" model"]
        engine = model.engine
        name = _same(name, engine.kept)
        if name in engine.kept:
            with model._lock:
                if model._last is not own[" last"]:
                    raise _error("StateError", f"{name}: another call came after the forward() of these values")
                offset, shape, *steps = engine.kept[name]
                env = dict(zip(engine.sizes, model._last[1], strict=True))
                shape, offset = tuple([_dim(d, env) for d in shape]), _dim(offset, env)
                kept = model._spaces["kept"]
                if steps:       # laid out as the kernels want it
                    step = [_dim(d, env) * kept.itemsize for d in steps[0]]
                    value = np.ndarray(shape, kept.dtype, kept, offset * kept.itemsize, step).copy("C")
                else:
                    value = kept[offset:offset + math.prod(shape)].reshape(shape).copy()
            own[name] = value
            return value
        outputs = [o["name"] for o in engine.spec["outputs"]]
        if name in outputs:
            raise AttributeError(f"{name} is an output: it is in what forward() returned")
        if name in {line[1] for line in engine.spec.get("lines", ())}:
            raise AttributeError(f"{name} is not kept by a forward(), which keeps what backward() reads: declare `output {name}`")
        return Named.__getattr__(self, name)


class Params(Named):
    """Parameters by name: views into the model's vectors. Assigning copies in; the shape must fit."""

    def __setattr__(self, name: str, value: Any) -> None:
        view = self[name] if name in self.__dict__ else Named.__getattr__(self, name)
        view[...] = _shaped(name, value, view.shape, view.dtype)

    def __setitem__(self, name: str, value: Any) -> None:
        type(self).__setattr__(self, name, value)


class Generator:
    """What random values are made of: `model.generator.seed`, and `model.generator.counter`, the number of training steps since
    it was 0. Both can be set. The same pair gives the same values, on any number of threads."""

    def __init__(self, vector: Array) -> None:
        self.__dict__["vector"] = vector

    @property
    def seed(self) -> int:
        return int(self.__dict__["vector"][0])

    @seed.setter
    def seed(self, value: Any) -> None:
        self.__dict__["vector"][0] = _whole("seed", value)

    @property
    def counter(self) -> int:
        return int(self.__dict__["vector"][1])

    @counter.setter
    def counter(self, value: Any) -> None:
        self.__dict__["vector"][1] = _whole("counter", value)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in ("seed", "counter"):
            raise AttributeError(f"no {name!r} here; there is seed, counter")
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"Generator(seed={self.seed}, counter={self.counter})"


class Hypers(Named):
    """Hyper-parameters by name: numbers, which the next call uses."""

    def __init__(self, names: Any, vector: Array, values: Any) -> None:
        self.__dict__.update(zip(names, values, strict=True))
        self.__dict__[" vector"] = vector

    def __setattr__(self, name: str, value: Any) -> None:
        known = _names(self)
        name = _same(name, known)
        if name not in known:
            raise AttributeError(f"no {name!r} here{_meant(name, known)}")
        vector = self.__dict__[" vector"]
        number = _number(name, value, vector.dtype)
        vector[known.index(name)] = number
        self.__dict__[name] = number

    def __setitem__(self, name: str, value: Any) -> None:
        type(self).__setattr__(self, name, value)


# ---- checking what comes in; the one place

def _later(value: Any) -> bool:
    """Whether these are rows that are converted when they are taken (`streams.Mapped`), and not all at once."""
    return hasattr(type(value), "beyond")


def _array(name: str, value: Any) -> Array:
    if value is None:
        raise _error("ArgumentError", f"{name}: got None where an array is needed")
    try:
        array = np.asanyarray(value)
    except MemoryError as error:
        raise MemoryError(f"{name}: {error}") from error
    except Exception as error:
        raise _error("DtypeError", f"{name}: a {type(value).__name__} that NumPy makes no array of: {error}") from error
    # NumPy drops masks: those of arrays in lists, and of what an object's __array__ returns
    if _masked(array) or (isinstance(value, (list, tuple)) and _holds_masked(value, array.ndim)):
        raise _error("DtypeError", f"{name}: a masked array; give its .filled(...) or .compressed() values")
    return np.asarray(array)


def _masked(value: Any) -> bool:
    return isinstance(value, np.ma.MaskedArray)


def _holds_masked(value: Any, depth: int) -> bool:
    if depth == 0 or all(issubclass(kind, (int, float, np.generic)) for kind in set(map(type, value))):
        return False
    return any(_masked(v) or (isinstance(v, (list, tuple)) and _holds_masked(v, depth - 1)) for v in value)


def _converted(name: str, array: Array, dtype: Any) -> Array:
    """As a contiguous, aligned array of this type; the very same memory where it already is one."""
    try:
        array = np.asarray(array, dtype, "C")
        return array if array.flags.aligned else array.copy()
    except MemoryError as error:
        raise MemoryError(f"{name}: {error}") from error


def _real(name: str, value: Any, dtype: Any) -> Array:
    """The value as a contiguous, aligned array of this real type; the very same memory where it already is one."""
    given = _array(name, value)
    if given.dtype.kind not in "fiub":
        raise _error("DtypeError", f"{name}: expected real numbers, got dtype {given.dtype}")
    if given.dtype.kind != "f" or given.dtype.itemsize <= dtype.itemsize:
        return _converted(name, given, dtype)
    with np.errstate(over="ignore", under="ignore"):
        array = _converted(name, given, dtype)
    huge = np.isinf(array)
    if huge.any() and (huge := huge & np.isfinite(given)).any():
        where = _first(huge)
        raise _error("RangeError", f"{_element(name, where)} is {given[where]!s}, which is beyond {dtype}")
    return array


def _first(where: Array) -> tuple[int, ...]:
    return tuple([int(i) for i in np.unravel_index(int(np.argmax(where)), where.shape)])


def _element(name: str, where: tuple[int, ...]) -> str:
    return f"{name}[{', '.join(map(str, where))}]" if where else name


def _index(name: str, value: Any) -> Array:
    array = _array(name, value)
    if array.dtype.kind not in "iub" and not (array.size == 0 and not isinstance(value, np.ndarray)):
        raise _error("DtypeError", f"{name}: expected integers, got dtype {array.dtype}"
                     + (f"; {name}.astype(int), if they are whole numbers" if array.dtype.kind == "f" else ""))
    if array.dtype.kind == "u" and array.size and int(array.max()) > np.iinfo(INT).max:
        raise _error("RangeError", f"{name}: index {int(array.max())} is out of range")
    return _converted(name, array, INT)


def _by_name(value: Any) -> bool:
    """Whether these are arrays by name; a recarray may have a field `keys`."""
    return hasattr(value, "keys") and not isinstance(value, np.ndarray)


def _params(value: Any) -> Any:
    """The parameters of a model, or what was given."""
    return value if isinstance(value, np.ndarray) else getattr(value, "params", value)


def _shaped(name: str, value: Any, shape: tuple[int, ...], dtype: Any) -> Array:
    array = _real(name, value, dtype)
    if array.shape != shape:
        raise _error("ShapeError", f"{name}: expected shape {shape}, got shape {array.shape}")
    return array


def _number(name: str, value: Any, dtype: Any = None) -> float:
    array = _array(name, value)
    if array.dtype.kind not in "fiub" or array.shape != ():
        told = f"an array of shape {array.shape}" if array.shape else repr(value)
        raise _error("ArgumentError", f"{name}: expected a number, got {told}")
    return float(_real(name, array, np.dtype(dtype or np.float64)))


def _whole(name: str, value: Any) -> int:
    """A whole number that 63 bits hold; of a larger seed, its low bits."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
        raise _error("ArgumentError", f"{name}: expected a whole number from 0 up, got {value!r}")
    return int(value) & ((1 << 63) - 1)


def _dim(dim: Any, sizes: dict[str, int]) -> int:
    """What a dimension of the spec is; KeyError if it needs a size that is not known."""
    if isinstance(dim, int):
        return dim
    if isinstance(dim, str):
        return sizes[dim]
    op, a, b = dim[0], _dim(dim[1], sizes), _dim(dim[2], sizes)
    if op in ("//", "%") and b == 0:
        raise _error("ShapeError", f"{_dim_text(dim)}: division by a size that is 0")
    if op == "root":
        return math.isqrt(max(a - 1, 0)) + 1
    if op == "max":
        return max(a, b)
    return a + b if op == "+" else a - b if op == "-" else a * b if op == "*" else a // b if op == "//" else a % b


def _dim_text(dim: Any) -> str:
    return str(dim) if isinstance(dim, (int, str)) else f"({_dim_text(dim[1])} {dim[0]} {_dim_text(dim[2])})"


def _solve(dim: Any, value: int, sizes: dict[str, int]) -> bool:
    """Bind the one unknown size in dim so that dim is value, if it stands where that can be undone."""
    while not isinstance(dim, (str, int)):
        op, a, b = dim
        try:
            known, left = _dim(b, sizes), True
        except KeyError:
            try:
                known, left = _dim(a, sizes), False
            except KeyError:
                return False
        if op == "+":
            value -= known
        elif op == "-":
            value = value + known if left else known - value
        elif op == "*" and known and value % known == 0:
            value //= known
        else:
            return False
        dim = a if left else b
    if isinstance(dim, str) and value >= 0 and dim not in sizes:
        sizes[dim] = value
        return True
    return False


def _unknown(dim: Any, sizes: dict[str, int], within: str = "") -> list[str]:
    """The sizes in dim that are not known (those within these operators, if any are named)."""
    if isinstance(dim, tuple):
        within = "" if dim[0] in within else within
        found = _unknown(dim[1], sizes, within)
        return found + [name for name in _unknown(dim[2], sizes, within) if name not in found]
    return [dim] if isinstance(dim, str) and dim not in sizes and not within else []


def _bind(inputs: Any, arrays: dict[str, Array], sizes: dict[str, int]) -> None:
    """Find the sizes in the arrays' shapes (into `sizes`, which may hold some already), and check that all agree."""
    origin = {name: f"you gave {name}={value}" for name, value in sizes.items()}
    todo = []
    for spec in inputs:
        name, shape, array = spec["name"], spec["shape"], arrays[spec["name"]]
        if array.ndim != len(shape):
            axes = "be a scalar" if not shape else "have 1 axis" if len(shape) == 1 else f"have {len(shape)} axes"
            hint = ""
            if array.ndim == len(shape) - 1 and shape[-1] == 1:
                hint = f"; {name}.reshape(-1, 1) has" if array.ndim == 1 else f"; {name}[..., None] has"
            raise _error("ShapeError", f"{name}: expected {spec['declared']}, got shape {array.shape}: it must {axes}{hint}")
        for axis, dim in enumerate(shape):
            if isinstance(dim, str):
                if dim not in sizes:
                    sizes[dim] = array.shape[axis]
                    origin[dim] = f"it is {array.shape[axis]} in {name}"
            todo.append((spec, axis, dim, array.shape))
    while True:             # sizes that stand in no shape alone
        found = False
        for spec, axis, dim, given in todo:
            if isinstance(dim, tuple) and _solve(dim, given[axis], sizes):
                found = True
                origin.update({size: f"it is {sizes[size]} in {spec['name']}" for size in sizes if size not in origin})
        if not found:
            break
    for spec, axis, dim, given in todo:
        try:
            want = _dim(dim, sizes)
        except KeyError:
            if len(_unknown(dim, sizes)) == 1 and not _unknown(dim, sizes, "//%"):
                text = _declared_dim(spec, axis)
                why = f"there is no {_unknown(dim, sizes)[0]} for which axis {axis}, {text}, is {given[axis]}"
                raise _error("ShapeError", f"{spec['name']}: expected {spec['declared']}, got shape {given}: {why}") from None
            continue
        if want != given[axis]:
            text = _declared_dim(spec, axis)
            if isinstance(dim, str):
                why = f"axis {axis} is {dim}, and {origin[dim]}"
            elif isinstance(dim, tuple):
                why = f"axis {axis} must be {text} = {want}"
            else:
                why = f"axis {axis} must be {want}" if text == str(want) else f"axis {axis} must be {text} = {want}"
            raise _error("ShapeError", f"{spec['name']}: expected {spec['declared']}, got shape {given}: {why}")


def _declared_dim(spec: Any, axis: int) -> str:
    """The axis as the user wrote it: `D` of `x[N, D]`."""
    parts, depth, text = [""], 0, str(spec["declared"])
    for c in text[text.find("[") + 1:text.rfind("]")]:
        depth += (c in "([") - (c in ")]")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return parts[axis].strip() if len(parts) == len(spec["shape"]) else _dim_text(spec["shape"][axis])


# ---- the plan of a module

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
        outputs = {spec["name"]: spec for spec in engine.spec["outputs"]}
        targets = {target["name"]: target for target in engine.spec["targets"]}
        fixed = ["theta", "frozen", "hyper", *engine.lasting, "kept", "work"]
        for slot in kernel["slots"]:
            kind, _, rest = slot.partition(":")
            name, _, wrt = rest.partition(":")
            if kind == "up":
                self.ups.append((name, targets[name]["shape"]))
            elif kind == "out":
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
                      for name, (number, kernel) in kernels.items() if not name.startswith("predict")}
        for name in ("predict", "predict_training") if "predict" in kernels else ():
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
        views = self.state_views(vector)
        given = {_same(name, views): values[name] for name in list(values.keys())}
        for name in given:
            if name not in views:
                raise _error("ArgumentError", f"state: {self.name} has no state {name!r}{_meant(name, views)}")
        checked = {name: _shaped(name, value, views[name].shape, self.real) for name, value in given.items()}
        for name, value in checked.items():
            views[name][...] = value

    def state_views(self, vector: Array) -> dict[str, Array]:
        return {s["name"]: vector[s["offset"]:s["offset"] + math.prod(s["shape"])].reshape(s["shape"]) for s in self.states}

    def of_model(self, params: Any) -> tuple[Array, Array]:
        """(state, generator) for a pure function: of the model that was given, or as they begin."""
        if isinstance(params, Model) and params.engine is self:
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
        hand = _Hand(self, first, sizes, arrays, vectors, ups)
        other = hand if self.both is not None else _Hand(self, backward, sizes, arrays, vectors, ups, hand)
        hand.outputs("out[0]", out[0])
        other.gradients("out" if only else "out[1]", out[1])
        hand.check()
        if other is hand:
            results = self.adjoints(first, arrays, sizes, vectors, ups, spaces, tuple(hand.into))
            return hand.filled(results, self.outputs(first, results)), *hand.found(results)
        try:        # before the first of the two writes anything
            into = self.made(backward, sizes, other.into)
        except MemoryError as error:
            raise self.too_big(sizes, error) from error
        results = self.call(first, arrays, sizes, vectors, spaces, (), tuple(hand.into))
        adjoints = self.adjoints(backward, arrays, sizes, vectors, ups, spaces, into)
        return hand.filled(results, self.outputs(first, results)), *other.found(adjoints)

    def gradients(self, results: list[Array]) -> tuple[Array | None, Gradients]:
        found = self.top
        top = self.named(found, results) if found is not None else Gradients({}, {}, None)
        if len(self.targets) > 1:
            for target in self.targets:
                if target is not found:
                    top.__dict__[" layout"] = {**top.__dict__[" layout"], target[0]: None}
                    top.__dict__[target[0]] = self.named(target, results)
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
        views = self.views(theta, frozen)
        given = {_same(name, views): params[name] for name in list(params.keys())}
        for name in given:
            if name not in views:
                raise _error("ArgumentError", f"params: {self.name} has no parameter {name!r}{_meant(name, views)}")
        checked = {name: _shaped(name, value, views[name].shape, self.real) for name, value in given.items()}
        for name, value in checked.items():
            views[name][...] = value

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


class _Hand:
    """The arrays that a caller hands in for what one kernel fills (`out=`). They have the form of what the call returns. All of
    them are looked at before anything is computed."""

    def __init__(self, engine: Engine, plan: _Plan, sizes: tuple[int, ...], arrays: Any, vectors: Any, ups: Any,
                 other: Any = None) -> None:
        self.engine, self.plan = engine, plan
        self.shapes = plan.layouts.get(sizes) or plan.layout(sizes, engine.sizes)
        self.first = len(plan.results) - len(engine.backward.results) if engine.backward else 0     # of the gradients
        self.into: list[Array | None] = [None] * len(plan.results)
        self.shown: dict[str | None, dict[str, Array]] = {None: {}}     # by target, under None the outputs
        self.later: list[tuple[Array, int, int | None, int | None]] = []        # what is copied, from which part of a result
        self.straight = "_LOOKS" not in engine.module       # a checked module may find that there is no result
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
        first = min(parts, key=itemgetter(0))[1]
        start, width = _span(first)[0], first.itemsize
        if len(parts) > 1 and (first.base is None or any(part.base is not first.base for _, part in parts)):
            return None
        if any(_span(part)[0] != start + at * width for at, part in parts):
            return None
        return np.lib.stride_tricks.as_strided(np.asarray(first).reshape(-1), (self.engine.count,))

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
            self.taken.append((*_span(value), where))
        array: Array = value
        return array

    def check(self) -> None:
        """No array is written to that is read, or twice."""
        taken = sorted(self.taken)
        for (_, stop, one), (start, _, other) in pairwise(taken):
            if start < stop:
                raise _error("ArgumentError", f"{other}: shares memory with {one}")
        for name, array in self.read if taken else ():
            first, last = _span(array)
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


def _span(array: Array) -> tuple[int, int]:
    """Where an array that is contiguous begins and ends; of an empty one, nowhere."""
    if not array.size:
        return 0, 0
    start: int = array.__array_interface__["data"][0]
    return start, start + array.nbytes


def _in_range(spec: Any, array: Any, below: int) -> None:
    first = 0
    if _later(array):
        first, array = array.beyond(below)
    if array.size and (int(array.min()) < 0 or int(array.max()) >= below):
        where = _first((array < 0) | (array >= below))
        number = int(array[where])
        where = (where[0] + first, *where[1:]) if where else ()
        span = f"0 to {below - 1}" if below > 0 else "nothing, since the bound is 0"
        raise _error("RangeError", f"{spec['name']}: expected {spec['declared']}, integers from {span}; "
                     f"{_element(spec['name'], where)} is {number}")


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


# ---- the model

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

    def forward(self, /, **inputs: Any) -> Outputs:
        """The outputs, and the loss if there is one, by name; keeps what backward() needs. `out`: arrays to fill, by name."""
        engine = self.engine
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

    def predict(self, /, **inputs: Any) -> Outputs:
        """The outputs without the loss, from only the inputs that they need. `out`: arrays to fill, by name."""
        engine = self.engine
        out = inputs.pop("out") if "out" in inputs and "out" in engine.words else None
        plan = engine.prediction(inputs) if engine.training else engine.predict
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

    def fit(self, data: Any, optimizer: Any = None, **options: Any) -> Any:
        """Train on `data`, a dict of arrays by input name: see gradwright.runtime.training.fit for epochs, batch_size, ..."""
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
        out = inputs.pop("out") if "out" in inputs and "out" in engine.words else None
        plan = engine.prediction(inputs) if engine.training else engine.predict
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

    name = module.get("__name__", engine.name)
    for function in (forward, predict, value_and_grad, gradient):
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
