"""One equation as a statement: ``h = np.tanh(x @ W1 + b1)``, or as what adds into an array: ``np.add.at(d_s, ...)``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ...graph.ir import Eqn
from ...ops.words import is_temporary
from .bodies import Bodies
from .code import Code, expand_axes, names_tuple, reals, subscript
from .reductions import value as reduced_value
from .scope import Scope

_SHORT: Final = 44  # a step that the user did not name, as short as this, is written where it is used


def write_equation(scope: Scope, eqn: Eqn) -> None:
    """Write the statements of an equation, or keep its text for the one place that uses it."""
    scope.values.known[eqn.out.name] = eqn.out
    if eqn.plain_out is None:
        _scatter(scope, eqn)
    else:
        _assign(scope, eqn, eqn.plain_out)


def _assign(scope: Scope, eqn: Eqn, wanted: Sequence[str]) -> None:
    value, values = eqn.out, scope.values
    code, layout = reduced_value(Bodies(scope, eqn), wanted)
    if value.name in values.stored:
        text = expand_axes(code.text, code.level, layout, wanted)
        scope.emit(f"{values.stored[value.name]}[...] = {text}")
        return
    text = _fitted(scope, code, layout, eqn, wanted)
    if value.kind == "real" and code.tag in ("int", "bool"):
        text = reals(text)
    elif value.kind == "int" and code.tag != "int":
        text = f"np.asarray({text}).astype(np.int64)"
    elif value.kind == "bool" and code.tag != "bool":
        text = f"np.asarray({text}) != 0"
    exact = text == code.text and len(text) <= _SHORT
    if exact and is_temporary(value.name) and values.counts.get(value.name) == 1:
        values.write(value, text, value.kind, code.level)
        return
    name = scope.spell(value.name)
    values.write(value, name, value.kind)
    scope.emit(f"{name} = {text}")


def _fitted(scope: Scope, code: Code, layout: Sequence[str], eqn: Eqn, wanted: Sequence[str]) -> str:
    """The text of exactly the output's shape."""
    if not wanted:
        return code.text if code.tag != "py" else f"real({code.text})"
    if not code.axes:
        return f"np.full({scope.shape(eqn.out.shape)}, {code.text}, real)"
    text = code.text
    if list(layout) != list(wanted):
        text = expand_axes(text, code.level, layout, wanted, full=True)
    if all(a in code.axes or (a not in layout and eqn.extents[a].is_one()) for a in wanted):
        return text
    return f"np.broadcast_to({text}, {scope.shape(eqn.out.shape)})"


def _scatter(scope: Scope, eqn: Eqn) -> None:
    """An equation that adds into places of its output."""
    value, values = eqn.out, scope.values
    if value.name in values.stored:
        name = values.stored[value.name]
        scope.emit(f"{name}[...] = 0")
    else:
        name = scope.spell(value.name)
        values.write(value, name, value.kind)
        scope.emit(f"{name} = np.zeros({scope.shape(value.shape)}, {'np.int64' if value.kind == 'int' else 'real'})")
    bodies = Bodies(scope, eqn)
    slices = bodies.reads.slices(eqn.out_index, value.shape) if not eqn.drop else None
    reduced = {a.name for a in eqn.reduced}
    axes = slices[1] if slices is not None else [a.name for a in eqn.axes if a.name not in reduced]
    code, layout = reduced_value(bodies, axes)
    text = expand_axes(code.text, code.level, layout, axes)
    if slices is not None:
        scope.emit(f"{name}{subscript(slices[0]) or '[...]'} += {text}")
        return
    index = [bodies.reads.index(ix, axes).text for ix in eqn.out_index]
    if eqn.drop:
        scope.used.add("_add_inside")
        scope.emit(f"_add_inside({name}, ({', '.join(index)},), {text})")
    else:
        scope.emit(f"np.add.at({name}, {names_tuple(index)}, {text})")
