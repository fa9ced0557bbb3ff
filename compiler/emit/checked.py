"""Checked modules: after each statement a look at what it computed, and a table of where each look stands in the model."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from ..graph.ir import Access, Origin
from ..graph.shapes import Dim
from ..loops.ir import Assign, Nest, Product
from .cython import KernelWriter
from .lines import dim_text, is_backward
from .places import Sources

# (what, file, line, the text of the line); the position in the list is what the generated calls name. In what an update rule
# computes, {} stands for the parameter.
Looks = list[tuple[str, str, int, str]]

EXTERN = (
    "",
    'cdef extern from "gradwright/checked.h" nogil:',
    "    # the first value that is not finite is remembered: its position, and which of _LOOKS found it",
    '    void _look "gw_look"(double, Py_ssize_t, int) noexcept',
    '    void _look_all "gw_look_all"(const real *, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, int) noexcept',
)


class CheckedWriter(KernelWriter):
    """Writes a kernel that looks at every value right after it is computed, and at every array that comes in."""

    parallel = False  # the first value that is not finite, in the order of the model

    def __init__(self, nest: Nest, free: Sequence[str], single: bool, sources: Sources, looks: Looks) -> None:
        super().__init__(nest, free, single, sources)
        self.looks = looks

    def _declarations(self, only: Collection[str] | None = None) -> Iterator[str]:
        yield from super()._declarations(only)
        for slot, type_, _ in self.arguments:
            kind = slot.partition(":")[0]
            if kind not in ("in", "theta", "frozen", "hyper", "state") or type_ != "read":
                continue
            for place in self.nest.kernel.places:
                if place.slot != slot or (only is not None and place.value not in only):
                    continue
                name = self.spell(place.value)
                what = {"in": "the input", "hyper": "the hyper-parameter", "state": "the state"}.get(kind, "the parameter")
                look = self._look(f"{what} {place.value}", None)
                if place.value in self.loaded:
                    yield f"    _look({name}, -1, {look})"
                    continue
                count = Dim.of(1)
                for extent in self.storage[place.value].extents:
                    count = count * extent
                yield f"    _look_all({name}, 0, 1, {dim_text(count, self.spell)}, 0, 1, {look})"

    def _assign(self, node: Assign, pad: str, into: str | None = None) -> None:
        super()._assign(node, pad, into)
        if node.op in ("max=", "min=") or not node.args or self.storage[node.target].value.kind == "int":
            return  # where a search for the largest starts, -inf is meant
        access = Access(node.target, node.index)
        target = into or self._element(access).text
        position = "-1" if into or self.storage[node.target].kind == "scalar" else self._position(access)
        within = self._where_inside(node, pad)
        if within is not None:
            self.lines.add(f"{within}_look({target}, {position}, {self._look(node.target, node.origin)})", node.origin)

    def _product(self, node: Product, pad: str) -> None:
        if node.relu:  # it is looked at before what is -inf becomes 0
            self._product(replace(node, relu=False), pad)
            self._relu(node, pad)
            return
        super()._product(node, pad)
        start, look = self._position(node.c), self._look(node.c.value, node.origin)
        *around, rows = node.rows
        for lv in around:
            variable = self.spell.fresh("look_at")
            self._local("Py_ssize_t", variable)
            self.lines.add(f"{pad}for {variable} in range({dim_text(lv.extent, self.spell)}):", node.origin)
            start, pad = f"{start} + {dim_text(lv.c, self.spell)}*{variable}", pad + "    "
        size = ", ".join(dim_text(d, self.spell) for d in (rows.extent, node.columns.extent, rows.c, node.columns.c))
        self.lines.add(f"{pad}_look_all({self._name(node.c.value)}, {start}, {size}, {look})", node.origin)

    def _relu(self, node: Product, pad: str) -> None:
        place = self._position(node.c)
        for lv in (*node.rows, node.columns):
            variable = self.spell.fresh("at")
            self._local("Py_ssize_t", variable)
            self.lines.add(f"{pad}for {variable} in range({dim_text(lv.extent, self.spell)}):", node.origin)
            place, pad = f"{place} + {dim_text(lv.c, self.spell)}*{variable}", pad + "    "
        element = f"{self._name(node.c.value)}[{place}]"
        self.lines.add(f"{pad}if {element} <= 0:", node.origin)
        self.lines.add(f"{pad}    {element} = 0", node.origin)

    def _look(self, what: str, origin: Origin | None) -> int:
        """The number of a look, with where it stands."""
        return look_at(what, origin, self.sources, self.looks)


def look_at(what: str, origin: Origin | None, sources: Sources, looks: Looks) -> int:
    """The number of a look, which is put into the table if it is new."""
    file, line, text = "", 0, ""
    if origin is not None and origin.spans:
        span = origin.spans[0]
        source = sources.get(span.file)
        text = source.line(span.line).split("#")[0].strip() if source else ""
        file, line = span.file, span.line
        if is_backward(origin):
            what = f"{what}, in the backward pass,"
    look = (what, file, line, text)
    if look not in looks:
        looks.append(look)
    return looks.index(look)


def tail(looks: Looks) -> list[str]:
    """The table, and what makes an error of a look that found something."""
    rows = [f"    {look!r}," for look in looks]
    return ["", "# what each look is at, and the line of the model that computes it", "_LOOKS = (", *rows, ")", "",
            'include "gradwright/checked.pxi"']  # fmt: skip
