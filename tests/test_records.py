"""Dataclasses that are compiled when they are used: in all that the compiler asks of them they are Python's."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import pickle
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest
from gradwright.compiler.records import dataclass as ours

Maker = Callable[..., Any]
GUARDS = {"__setattr__", "__delattr__", "__getstate__", "__setstate__"}  # of frozen ones, which the type checker guards here


def outcome(act: Callable[[], Any]) -> str:
    """What comes out of it, or the error that is raised."""
    try:
        return re.sub(r" at 0x\w+", "", repr(act()))
    except Exception as error:
        said = str(error).split("__init__() ")[-1]  # after the function's name
        return f"{type(error).__name__}: {said}"


def family(dataclass: Maker, options: dict[str, bool]) -> list[Any]:
    """Classes with all kinds of fields, and one that inherits."""

    class Point:
        x: int
        y: list[int] = dataclasses.field(default_factory=list)
        note: str = dataclasses.field(default="none", compare=False)
        made: int = dataclasses.field(default=7, init=False, repr=False)
        late: list[str] = dataclasses.field(default_factory=lambda: ["late"], init=False, hash=False)
        last: int = dataclasses.field(default=3, kw_only=True)

        def total(self) -> int:
            return self.x + sum(self.y)

    class Nothing:
        pass

    class Odd:
        self: int
        other: float = float("nan")

        def __repr__(self) -> str:
            return "odd"

        def __hash__(self) -> int:
            return 5

    class Checked:
        x: int

        def __post_init__(self) -> None:
            if self.x < 0:
                raise ValueError("below 0")

        def __eq__(self, other: object) -> bool:
            return True

    found = [dataclass(**options)(cls) for cls in (Point, Nothing, Odd, Checked)]
    point = found[0]

    class Further(point):  # type: ignore[misc, valid-type]
        z: int = 4

        def total(self) -> int:
            return int(point.total(self)) + self.z

    class Plain(point):  # type: ignore[misc, valid-type]
        pass

    return [*found, dataclass(**options)(Further), Plain]


def everything(classes: list[Any], changing: bool) -> list[Any]:
    """What can be seen of such classes and their objects."""
    found: list[Any] = []

    def see(act: Callable[[], Any]) -> None:
        found.append(outcome(act))

    def see_two(one: Any, other: Any) -> None:
        see(lambda: one == other)
        see(lambda: one != other)
        see(lambda: one < other)
        see(lambda: one <= other)
        see(lambda: one > other)
        see(lambda: one >= other)
        see(lambda: hash(one) == hash(other))

    def see_change(one: Any, name: str) -> None:
        see(lambda: setattr(one, name, 11))
        see(lambda: getattr(one, name))
        see(lambda: delattr(one, name))
        see(lambda: one)

    def see_one(one: Any) -> None:
        see(lambda: dataclasses.replace(one, x=8))
        see(lambda: dataclasses.replace(one, made=8))
        see(lambda: dataclasses.asdict(one))
        see(lambda: pickle.loads(pickle.dumps(one, 2)))
        see(lambda: pickle.loads(pickle.dumps(one, pickle.HIGHEST_PROTOCOL)))
        see(lambda: copy.copy(one))
        see(lambda: copy.deepcopy(one))
        for name in ("x", "self", "new") if changing else ():
            see_change(one, name)

    point, nothing, odd, checked, further, plain = classes
    for cls in classes:
        found += [cls.__name__, cls.__qualname__, cls.__match_args__, getattr(cls, "__slots__", None), cls.__hash__ is None]
        found.append([(f.name, f.type, f.init, f.repr, f.compare, f.kw_only) for f in dataclasses.fields(cls)])
        found.append(sorted(vars(cls).keys() - GUARDS - {"__dict__", "__weakref__"}))
    makes: list[Callable[[], Any]] = [
        lambda: point(1), lambda: point(1, [2]), lambda: point(1, [2], "n", last=4), lambda: point(x=1, y=[2], last=3),
        lambda: point(), lambda: point(1, [2], "n", 4), lambda: point(1, z=2), lambda: point(1, x=2), nothing, lambda: nothing(1),
        lambda: odd(1), lambda: odd(1, 2.0), lambda: odd(), lambda: checked(1), lambda: checked(-1), lambda: checked(x=3),
        lambda: further(1), lambda: further(1, [2], "n", 6, last=5), lambda: further(x=1, z=3), lambda: plain(1),
        lambda: plain(2, [1]), lambda: plain(x=2), lambda: odd(self=4), lambda: point(x=1, y=[]),
    ]  # fmt: skip
    for make in makes:
        see(make)
    made = [make() for make in makes if not re.match(r"\w+Error: ", outcome(make))]
    for one, other in itertools.product(made, repeat=2):
        see_two(one, other)
    looped = point(x=1)
    looped.y.append(looped)
    see(lambda: looped)
    for one in made:
        see_one(one)
    return found


@pytest.mark.parametrize("options", [
    dict(zip(("frozen", "eq", "repr", "order", "slots", "kw_only"), chosen, strict=True))
    for chosen in itertools.product((False, True), repeat=6) if chosen[1] or not chosen[3]
], ids=lambda options: "-".join(name for name, on in options.items() if on) or "none")  # fmt: skip
def test_they_are_what_python_makes(options: dict[str, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for dataclass in (dataclasses.dataclass, ours):
        classes = family(dataclass, options)
        for cls in classes:  # pickle looks for them by name
            cls.__qualname__ = cls.__name__
            monkeypatch.setitem(sys.modules[__name__].__dict__, cls.__name__, cls)
        found.append(everything(classes, not options["frozen"]))
    assert found[0] == found[1]


def test_order_without_equality_is_refused() -> None:
    class Point:
        x: int

    for dataclass in (dataclasses.dataclass, ours):
        with pytest.raises(ValueError, match="eq must be true if order is true"):
            dataclass(order=True, eq=False)(Point)


def test_nothing_is_compiled_before_it_is_used() -> None:
    @ours(frozen=True)
    class Point:
        x: int

    assert Point.__init__.__code__.co_filename != "<string>"
    assert Point(1) == Point(1)
    assert Point.__init__.__code__.co_filename == Point.__eq__.__code__.co_filename == "<string>"
    assert Point.__hash__.__code__.co_filename != "<string>"
