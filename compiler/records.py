"""Dataclasses that are ready at once.

Python's own are written as text and compiled when their class is made, six functions each and half a millisecond for a class:
for those of a compiler, a third of what a process does before its first small model is compiled. Here a function is compiled when
it is called for the first time, which most are not. A class is frozen for the type checker, and for what it hashes by: nothing
stands in the way of its own ``__init__``, which would take three times as long. In all else they are Python's: ``fields``,
``replace`` and the others of ``dataclasses`` serve.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls=None, /, **options):
        """As ``dataclasses.dataclass``, with its options frozen, eq, repr, order, slots and kw_only."""
        return _made(cls, **options) if cls is not None else lambda cls: _made(cls, **options)


_ORDERED: Final = {"__lt__": "<", "__le__": "<=", "__gt__": ">", "__ge__": ">="}
_NOT_GIVEN: Final = object()  # what a factory makes


def _made(cls: Any, frozen: bool = False, eq: bool = True, repr: bool = True, order: bool = False, slots: bool = False,
          kw_only: bool = False) -> Any:  # fmt: skip
    if order and not eq:
        raise ValueError("eq must be true if order is true")
    hashed = cls.__dict__.get("__hash__") is not None or ("__hash__" in cls.__dict__ and "__eq__" not in cls.__dict__)
    documented = cls.__doc__ is not None
    cls.__doc__ = cls.__doc__ or cls.__name__  # else Python looks for a signature
    cls = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(cls)
    if not documented:
        cls.__doc__ = None
    every = dataclasses.fields(cls)
    compared = [f.name for f in every if f.compare]
    _later(cls, "__init__", lambda: _init(cls, every, slots))
    if repr and "__repr__" not in cls.__dict__:
        cls.__repr__ = _repr
    if eq:
        _later(cls, "__eq__", lambda: _compared("==", compared))
    for name, sign in _ORDERED.items() if order else ():
        _later(cls, name, partial(_compared, sign, compared))
    if eq and not hashed and frozen:
        names = [f.name for f in every if (f.compare if f.hash is None else f.hash)]
        _later(cls, "__hash__", lambda: _compiled("self", [f"return hash({_tuple('self', names)})"]), always=True)
    elif eq and not hashed:
        cls.__hash__ = None
    return cls


def _later(cls: Any, name: str, make: Callable[[], Any], always: bool = False) -> None:
    """Give a class a method, unless it has one, that is made when it is called for the first time."""

    def first(*given: Any, **named: Any) -> Any:
        made = make()
        made.__name__, made.__qualname__, made.__module__ = name, f"{cls.__qualname__}.{name}", cls.__module__
        setattr(cls, name, made)
        return made(*given, **named)

    if always or name not in cls.__dict__:
        setattr(cls, name, first)


def _compiled(arguments: str, body: Sequence[str], **known: Any) -> Any:
    exec("\n ".join([f"def made({arguments}):", *(body or ["pass"])]), known)  # nothing in it but names of fields
    return known["made"]


def _init(cls: Any, every: Sequence[dataclasses.Field[Any]], slots: bool) -> Any:
    me = "_self" if any(f.name == "self" for f in every) else "self"
    known: dict[str, Any] = {"_not_given": _NOT_GIVEN}
    plain, named, body = [me], list[str](), list[str]()
    for f in every:
        value, start = f.name, ""
        if f.default is not dataclasses.MISSING:
            known[f"_start_{f.name}"], start = f.default, f"=_start_{f.name}"
        elif f.default_factory is not dataclasses.MISSING:
            known[f"_start_{f.name}"], start = f.default_factory, "=_not_given"
            value = f"_start_{f.name}() if {f.name} is _not_given else {f.name}" if f.init else f"_start_{f.name}()"
        elif not f.init:
            continue
        if f.init:
            (named if f.kw_only else plain).append(f.name + start)
        elif f.default is not dataclasses.MISSING:
            if not slots:
                continue  # the class has it
            value = f"_start_{f.name}"
        body.append(f"{me}.{f.name} = {value}")
    if hasattr(cls, "__post_init__"):
        body.append(f"{me}.__post_init__()")
    return _compiled(", ".join([*plain, *(["*", *named] if named else [])]), body, **known)


def _tuple(of: str, names: Sequence[str]) -> str:
    return f"({''.join(f'{of}.{name}, ' for name in names)})"


def _compared(sign: str, names: Sequence[str]) -> Any:
    return _compiled("self, other", ["if other.__class__ is self.__class__:",
                                     f" return {_tuple('self', names)} {sign} {_tuple('other', names)}",
                                     "return NotImplemented"])  # fmt: skip


_shown: Final = set[tuple[int, int]]()  # what is being shown, and by which thread


def _repr(self: Any) -> str:
    from threading import get_ident

    key = id(self), get_ident()
    if key in _shown:
        return "..."
    _shown.add(key)
    try:
        parts = [f"{f.name}={getattr(self, f.name)!r}" for f in dataclasses.fields(self) if f.repr]
    finally:
        _shown.discard(key)
    return f"{self.__class__.__qualname__}({', '.join(parts)})"
