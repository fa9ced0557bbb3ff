"""One kernel as a function: its arguments are the arrays of its slots and the sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ...graph.ir import Eqn, Model, Scan, Value
from ...graph.shapes import Dim, size
from ...language.source import Source
from ...passes.kernels import Kernel, Place
from .code import literal_name, safe
from .equations import write_equation
from .loops import write_scan
from .scope import Scope, Values, uses

# Slots that hold many values. Reserved: no value can be spelled like that.
_VECTORS: Final = ("theta", "frozen", "hyper", "kept", "state", "next", "random", "grad")
_OF_ONE: Final = ("in", "out", "up", "din", "dval")  # slots that hold one value


def kernel_text(kernel: Kernel, model: Model, sources: Mapping[str, Source], used: set[str]) -> str:
    """The function. What it needs of the module's helpers is added to ``used``."""
    scope = Scope(sources, used)
    slots = _spell_slots(kernel, scope)
    scope.sizes = {name: scope.spell(name) for name in model.free}
    scope.page.lines.append(f"def _{kernel.name}_kernel({', '.join([*slots.values(), *scope.sizes.values()])}):")
    scope.emit(f'"""{safe(kernel.doc[:1].upper() + kernel.doc[1:])}."""')
    graph = kernel.graph
    values = scope.values = Values(graph.values(), counts=uses(graph))
    for const in graph.consts:
        values.write(const.value, literal_name(const.value.name), const.value.kind)
    for slot in kernel.slots:
        if slot.startswith("grad:"):
            scope.emit(f"{slots[slot]}[...] = 0")
    _place_values(kernel, slots, scope)

    def write(eqn: Eqn | Scan) -> None:
        scope.page.comment(eqn)
        if isinstance(eqn, Scan):
            write_scan(scope, eqn, write)
        else:
            write_equation(scope, eqn)

    for eqn in graph.eqns:
        write(eqn)
    if len(scope.page.lines) == 2:
        scope.emit("pass")
    return "\n".join(scope.page.lines)


def _alone(kernel: Kernel) -> dict[str, str]:
    """The value of each slot that holds but one."""
    return {p.slot: p.value for p in kernel.places if p.slot.partition(":")[0] in _OF_ONE}


def _spell_slots(kernel: Kernel, scope: Scope) -> dict[str, str]:
    """The names of the arguments."""
    slots: dict[str, str] = {}
    alone = _alone(kernel)
    for slot in kernel.slots:
        if slot in _VECTORS:
            slots[slot] = slot
        elif slot.startswith("grad:") and sum(s.startswith("grad:") for s in kernel.slots) == 1:
            slots[slot] = "grad"
        else:
            slots[slot] = scope.spell(alone.get(slot, slot.replace(":", "_")))
    return slots


def _place_values(kernel: Kernel, slots: Mapping[str, str], scope: Scope) -> None:
    """Give what comes in and what goes out its name: an argument, or a part of one."""
    graph, values = kernel.graph, scope.values
    alone = _alone(kernel)
    places = {p.value: p for p in kernel.places}
    inputs = {v.name for v in graph.inputs}
    read = {n for e in graph.eqns for n in e.reads()}
    for value in (*graph.inputs, *(values.known[o] for o in graph.outputs)):
        place = places.get(value.name)
        if place is None or (value.name in inputs and value.name not in read):
            continue
        whole = alone.get(place.slot) == value.name
        name = slots[place.slot] if whole else scope.spell(value.name)
        if not whole:
            scope.emit(f"{name} = {_view(scope, slots[place.slot], place.offset, value)}")
        # integers and booleans in memory of reals are numbers when they are read back
        keeps = value.kind == "real" or (value.kind == "int" and _of_integers(place))
        values.write(value, name, value.kind if keeps else "real")
        if value.name not in inputs:
            values.stored[value.name] = name
        elif not keeps:
            scope.emit(f"{name} = {name}.astype(np.int64)" if value.kind == "int" else f"{name} = {name} != 0")
            values.write(value, name, value.kind)


def _of_integers(place: Place) -> bool:
    """Whether integers are kept as integers there."""
    return place.slot.startswith(("in:", "out:", "random"))


def _view(scope: Scope, vector: str, offset: Dim, value: Value) -> str:
    """The part of a vector that holds a value, in its shape."""
    if not value.shape:
        return f"{vector}[{scope.dim(offset)}:{scope.dim(offset + 1)}].reshape(())"
    start = scope.dim(offset) if offset.terms else ""
    text = f"{vector}[{start}:{scope.dim(offset + size(value.shape))}]"
    return text if len(value.shape) == 1 else f"{text}.reshape({', '.join(map(scope.dim, value.shape))})"
