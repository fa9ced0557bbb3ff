"""Loops over time: a ``for`` that hands its carries from step to step and stacks what its steps emit."""

from __future__ import annotations

from collections.abc import Callable

from ...graph.ir import Eqn, Scan
from .code import DTYPES, Tag, literal_array
from .scope import Scope


def write_scan(scope: Scope, scan: Scan, write: Callable[[Eqn | Scan], None]) -> None:
    """Write a loop. ``write`` writes an equation of its body, in the scope as it is then."""
    page, outer, body = scope.page, scope.values, scan.body
    t = scope.spell(scan.axis.name)
    steps = scope.dim(scan.axis.extent)
    carried: list[str] = []
    for value, given in zip(body.inputs, scan.initial, strict=False):
        carried.append(scope.spell(value.name))
        scope.emit(f"{carried[-1]} = {outer.text[given]}")
    stacks = _stacks(scope, scan)
    if scan.limit:
        limit = f"int({outer.text[scan.limit]})"
        steps = f"{steps} - {limit}, {steps}" if scan.high else limit
    taken = scope.spell(scan.outs[-1].name) if scan.until else ""
    if taken:
        scope.emit(f"{taken} = 0")
    scope.emit(f"for {t} in {'reversed(' if scan.reverse else ''}range({steps}){')' if scan.reverse else ''}:")
    page.indent += "    "
    scope.values = outer.inner(body)
    _bring_in(scope, scan, carried, t, {n: outer.tags[n] for n in (*scan.initial, *scan.slices, *scan.captured)})
    for eqn in body.eqns:
        write(eqn)
    results = [scope.values.text[name] for name in body.outputs]
    for stack, result in zip(stacks, results[len(carried) :], strict=False):
        scope.emit(f"{stack}[{t}] = {result}")
    if carried:
        scope.emit(f"{', '.join(carried)} = {', '.join(results[: len(carried)])}")
    if taken:
        scope.emit(f"{taken} += 1")
        scope.emit(f"if {results[-1]}:")
        scope.emit("    break")
    page.indent = page.indent[:-4]
    scope.values = outer
    for value, name in zip(scan.outs, [*carried, *stacks, *([taken] if taken else [])], strict=True):
        if value.name not in outer.stored:
            outer.write(value, name, value.kind)
            continue
        outer.known[value.name] = value
        if name != outer.stored[value.name]:
            scope.emit(f"{outer.stored[value.name]}[...] = {name}")


def _stacks(scope: Scope, scan: Scan) -> list[str]:
    """The arrays in which the steps leave what they emit."""
    stored = scope.values.stored
    stacks: list[str] = []
    for value in (scan.outs[k] for k in scan.emits):
        if value.name in stored:
            stacks.append(stored[value.name])
            if scan.until or scan.limit:  # the steps not taken
                scope.emit(f"{stacks[-1]}[...] = 0")
        else:
            stacks.append(scope.spell(value.name))
            scope.emit(f"{stacks[-1]} = np.zeros({scope.shape(value.shape)}, {DTYPES[value.kind]})")
    return stacks


def _bring_in(scope: Scope, scan: Scan, carried: list[str], t: str, tags: dict[str, Tag]) -> None:
    """What the body reads: carries, slices at the step ``t``, what it sees of outside, and its own constants."""
    values, body = scope.values, scan.body
    sources = (*scan.initial, *scan.slices, *scan.captured)
    outside = [values.text[n] for n in scan.captured]
    slices = [f"{values.text[n]}[{t}]" for n in scan.slices]
    texts = [*carried, *slices, *outside]
    for k, (value, text, source) in enumerate(zip(body.inputs, texts, sources, strict=True)):
        if len(carried) <= k < len(carried) + len(slices):
            name = scope.spell(value.name)
            scope.emit(f"{name} = {text}")
            text = name
        values.write(value, text, tags[source])
    for const in body.consts:
        values.write(const.value, scope.spell(const.value.name), const.value.kind)
        scope.emit(f"{values.text[const.value.name]} = {literal_array(const)}")
