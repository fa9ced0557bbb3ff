"""Values by name: what calls return, parameters, hyper-parameters. A part of the face of a module: see model.py."""
import math
from typing import Any

import numpy as np

from .arguments import Array, _dim, _error, _meant, _number, _same, _shaped, _whole


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
        if not isinstance(name, str):
            raise _error("ArgumentError", f"[{name!r}]: values are read by name, and unpacked in their order, as in "
                         f"`first, *others = values`{_meant('', _names(self))}")
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

    def __deepcopy__(self, memo: Any) -> "Named":
        from copy import deepcopy
        return again(type(self).__name__, deepcopy(self._asdict(), memo))

    def __reduce__(self) -> Any:
        """Pickled by its values. A compiled module has this class for itself, which another process need not have loaded."""
        from types import SimpleNamespace
        try:
            from gradwright.runtime import named
        except ImportError:     # a module that travelled alone
            return SimpleNamespace, (), self._asdict()
        return named.again, (type(self).__name__, self._asdict())

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


def again(kind: str, values: dict[str, Any]) -> Named:
    """What was pickled: results as results, anything else as values by name that belong to no model."""
    found: Named = object.__new__({"Outputs": Outputs, "Gradients": Gradients, "Params": Params}.get(kind, Named))
    found.__dict__.update(values)
    return found


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
