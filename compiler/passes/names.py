"""Which names a reader should still find, and renaming values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..graph.ir import Access, Atom, Eqn, Gather, Graph, Ix, Quot, Scan


def sealed(name: str) -> str:
    """What a value is called while no pass may look through it."""
    return f"{name}, sealed"


def is_sealed(name: str) -> bool:
    return name.endswith(", sealed")


def rename_reads(eqn: Eqn | Scan, names: Mapping[str, str]) -> Eqn | Scan:
    """The equation reading ``names[v]`` wherever it read ``v``, also as an index."""
    if not any(read in names for read in eqn.reads()):
        return eqn
    if isinstance(eqn, Scan):
        def new(values: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(names.get(v, v) for v in values)

        return replace(eqn, initial=new(eqn.initial), slices=new(eqn.slices), captured=new(eqn.captured),
                       limit=names.get(eqn.limit, eqn.limit))  # fmt: skip
    return replace(
        eqn,
        args=tuple(Access(names.get(a.value, a.value), _indices(a.index, names), a.fill) for a in eqn.args),
        out_index=_indices(eqn.out_index, names),
    )


def _indices(index: tuple[Ix, ...], names: Mapping[str, str]) -> tuple[Ix, ...]:
    return tuple(Ix(tuple((_atom(a, names), f) for a, f in ix.terms), ix.const) for ix in index)


def _atom(atom: Atom, names: Mapping[str, str]) -> Atom:
    if isinstance(atom, str):
        return atom
    if isinstance(atom, Gather):
        return Gather(names.get(atom.value, atom.value), _indices(atom.index, names))
    inner = _indices((atom.a,), names)[0]
    return Quot(inner, atom.b) if isinstance(atom, Quot) else type(atom)(inner, atom.b)


def rename(graph: Graph, names: Mapping[str, str]) -> Graph:
    """The graph with values renamed everywhere but among its inputs."""
    eqns: list[Eqn | Scan] = []
    for eqn in graph.eqns:
        eqn = rename_reads(eqn, names)
        if isinstance(eqn, Eqn):
            eqn = replace(eqn, out=replace(eqn.out, name=names.get(eqn.out.name, eqn.out.name)))
        else:
            eqn = replace(eqn, outs=tuple(replace(o, name=names.get(o.name, o.name)) for o in eqn.outs))
        eqns.append(eqn)
    return replace(graph, eqns=tuple(eqns), outputs=tuple(names.get(o, o) for o in graph.outputs))
