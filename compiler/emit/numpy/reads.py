"""How one value is read: as slices where it can be, with its dimensions in the order of an equation's axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...graph.bounds import inside, never_negative
from ...graph.ir import Access, Gather, Ix, Quot
from ...graph.shapes import Dim, Shape
from .code import ATOM, Code, expand_axes, number, subscript, with_new_axes
from .scope import Scope


class Reads:
    """The reads of one equation. A layout is an order of its axes, over which a read is to broadcast."""

    def __init__(self, scope: Scope, extents: Mapping[str, Dim]) -> None:
        self.scope, self.extents = scope, extents

    def slices(self, index: Sequence[Ix], shape: Shape) -> tuple[list[str], list[str]] | None:
        """Subscripts that are slices and numbers, and the axes they leave, where the index is no more than that."""
        items: list[str] = []
        axes: list[str] = []
        for ix, extent in zip(index, shape, strict=True):
            if not ix.terms:
                items.append(self.scope.dim(ix.const))
                continue
            item = self.slice(ix, extent)
            if item is None:
                return None
            items.append(item[0])
            axes.append(item[1])
        return (items, axes) if len(set(axes)) == len(axes) else None

    def slice(self, ix: Ix, extent: Dim) -> tuple[str, str] | None:
        """``start:stop:step`` and the axis, for an index that is one axis times a number, plus something."""
        axis = single(ix)
        step = ix.terms[0][1].value
        if axis is None or step is None or step < 1 or not never_negative(ix.const):
            return None
        count = self.extents[axis]
        dim = self.scope.dim
        start = dim(ix.const) if ix.const.terms else ""
        if count == (extent - ix.const + (step - 1)) // step:
            text = f"{start}:"
        else:
            text = f"{start}:{dim(ix.const + count * step)}"
        return text + (f":{step}" if step > 1 else ""), axis

    def read(self, access: Access, layout: Sequence[str]) -> Code:
        """The access so that it broadcasts over ``layout``."""
        values = self.scope.values
        shape, tag = values.known[access.value].shape, values.tags[access.value]
        level = values.levels.get(access.value, ATOM)
        bare = values.text[access.value]
        name = bare if level == ATOM else f"({bare})"
        fill = access.fill
        if fill is not None and all(inside(i, d, self.extents) for i, d in zip(access.index, shape, strict=True)):
            fill = None
        axes = frozenset(a for ix in access.index for a in ix.axes())
        found = self.direct(name, access.index, shape, layout) if fill is None else None
        if found == name:
            return Code(bare, level, tag, axes)
        if found is not None:
            return Code(found, ATOM, tag, axes)
        index = ", ".join(self.index(ix, layout).text for ix in access.index)
        if fill is None:
            return Code(f"{name}[{index}]", ATOM, tag, axes)
        self.scope.used.add("_read")
        outside = f"np.{fill}".replace("np.-", "-np.") if isinstance(fill, str) else number(fill)
        return Code(f"_read({name}, {outside}, {index})", ATOM, tag, axes)

    def direct(self, name: str, index: Sequence[Ix], shape: Shape, layout: Sequence[str]) -> str | None:
        """The read as slices, at most one gathered dimension, and a transposition."""
        found = self.dimensions(index, shape)
        if found is None:
            return None
        items, entries, gathers = found
        axes = [a for a in entries if a is not None]
        # as it stands, where that broadcasts
        tail = layout[len(layout) - len(entries) :] if len(entries) <= len(layout) else []
        if len(entries) <= len(layout) and all(
            a == b or (a is None and b not in axes) for a, b in zip(entries, tail, strict=True)
        ):
            return name + subscript(items)
        if gathers and None in entries:
            return None
        numbers = items
        if None in entries:
            if len(entries) != len(items):
                return None
            numbers = ["0" if e is None else i for e, i in zip(entries, items, strict=True)]
        order = [a for a in layout if a in axes]
        text = name + subscript(numbers)
        if order != axes:
            places = [axes.index(a) for a in order]
            text += ".T" if places == list(reversed(range(len(places)))) else f".transpose({', '.join(map(str, places))})"
            return expand_axes(text, ATOM, order, layout)
        if gathers or None in entries:
            return expand_axes(text, ATOM, order, layout)
        return name + subscript(with_new_axes(items, entries, layout))

    def dimensions(self, index: Sequence[Ix], shape: Shape) -> tuple[list[str], list[str | None], bool] | None:
        """The subscripts of a read; the axis of each dimension that stays, None where its extent is 1 and it may stay; and
        whether one is gathered. None where the read is more than that."""
        items: list[str] = []
        entries: list[str | None] = []
        gathered: list[int] = []
        for k, (ix, extent) in enumerate(zip(index, shape, strict=True)):
            if not ix.terms:
                unit = extent.is_one() and not ix.const.terms
                items.append(":" if unit else self.scope.dim(ix.const))
                if unit:
                    entries.append(None)
                continue
            item = self.slice(ix, extent)
            if item is not None:
                items.append(item[0])
                entries.append(item[1])
                continue
            gather = ix.terms[0][0]
            if len(ix.terms) > 1 or not isinstance(gather, Gather) or ix.const.terms or not ix.terms[0][1].is_one():
                return None
            inner = self.whole(gather)
            if inner is None:
                return None
            items.append(self.integers(gather.value))
            entries += inner
            gathered.append(k)
        axes = [a for a in entries if a is not None]
        if len(set(axes)) != len(axes) or len(gathered) > 1:
            return None
        if gathered and any(":" not in item and k not in gathered for k, item in enumerate(items)):
            return None  # NumPy would move the gathered dimension to the front
        return items, entries, bool(gathered)

    def whole(self, gather: Gather) -> list[str] | None:
        """The axes of a gather that reads its whole value, in order."""
        shape = self.scope.values.known[gather.value].shape
        names = [ix.plain for ix in gather.index]
        if len(set(names)) != len(names) or any(n is None or self.extents[n] != d for n, d in zip(names, shape, strict=True)):
            return None
        return [n for n in names if n is not None]

    def integers(self, name: str) -> str:
        text = self.scope.values.text[name]
        return text if self.scope.values.tags[name] == "int" else f"{text}.astype(np.int64)"

    def index(self, ix: Ix, layout: Sequence[str]) -> Code:
        """An index as an array of integers that broadcasts over ``layout``."""
        parts: list[Code] = []
        for atom, factor in ix.terms:
            if isinstance(atom, str):
                part = self.axis(atom, layout)
            elif isinstance(atom, Gather):
                part = self.read(Access(atom.value, atom.index), layout)
                if self.scope.values.tags[atom.value] != "int":
                    part = replace(part, text=f"{part.text}.astype(np.int64)")
            else:
                inner = self.index(atom.a, layout)
                sign = "//" if isinstance(atom, Quot) else "%"
                divisor = self.scope.dim(atom.b)
                part = Code(f"{inner.tight(7)} {sign} {divisor if divisor.isalnum() else f'({divisor})'}", 7, "int")
            if not factor.is_one():
                times = self.scope.dim(factor)
                part = Code(f"{times if len(factor.terms) == 1 else f'({times})'}*{part.tight(8)}", 7, "int")
            parts.append(part)
        if not parts:
            return Code(self.scope.dim(ix.const), 6, "int")
        text = parts[0].text if len(parts) == 1 else " + ".join(p.tight(6) for p in parts)
        if ix.const.terms:
            text = f"{text} + {self.scope.dim(ix.const)}".replace("+ -", "- ")
            return Code(text, 6, "int")
        return Code(text, parts[0].level if len(parts) == 1 else 6, "int")

    def axis(self, name: str, layout: Sequence[str]) -> Code:
        """The axis as a number."""
        text = f"np.arange({self.scope.dim(self.extents[name])})"
        return Code(expand_axes(text, ATOM, [name], layout), ATOM, "int", frozenset((name,)))


def single(ix: Ix) -> str | None:
    """The axis of an index that depends on one axis alone."""
    return ix.terms[0][0] if len(ix.terms) == 1 and isinstance(ix.terms[0][0], str) else None
