"""Rewriting one equation: substituting indices, dropping what is not read, plain axes wherever they are plain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from . import expr as E
from .expr import Expr
from .ir import Access, Axis, Eqn, Gather, Ix, Quot, Rem, at, quotient, remainder
from .shapes import Dim, Shape


class Namer:
    """Names that no value of the graph has yet."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._last: dict[str, int] = {}  # the suffixes up to this one are taken

    def __call__(self, wanted: str) -> str:
        name, k = wanted, self._last.get(wanted, 1)
        while name in self._taken:
            k += 1
            name = f"{wanted}_{k}"
        self._last[wanted] = k
        self._taken.add(name)
        return name


# ---------------------------------------------------------------- normal form


def normalise(eqn: Eqn) -> Eqn:
    """Drop operands that the body does not read, merge equal reads, turn index forms into plain axes where they are.

    - an index that is the constant 0 of a dimension of extent 1 becomes an axis of extent 1;
    - a pair ``k // w``, ``k % w`` over an axis k of extent q*w becomes two axes, where the output has none of its own for k;
    - a sum over no axis, or over axes of extent 1, is no sum; a summed axis that nothing reads is a factor.
    """
    eqn = prune(eqn)
    eqn = _split_axes(eqn)
    axes = list(eqn.axes)
    taken = {a.name for a in axes}
    index: list[Ix] = []
    for ix, extent in zip(eqn.out_index, eqn.out.shape, strict=True):
        if not ix.terms and not ix.const.terms and extent.is_one():
            fresh = _fresh("u", taken)
            axes.append(Axis(fresh, extent))
            ix = at(fresh)
        index.append(ix)
    eqn = replace(eqn, axes=tuple(axes), out_index=tuple(index))
    plain = eqn.plain_out
    if plain is None:
        return eqn
    extents = eqn.extents
    order = tuple(Axis(n, extents[n]) for n in plain) + tuple(a for a in eqn.axes if a.name not in plain)
    eqn = replace(eqn, axes=order, drop=False)
    if eqn.reduce != "+":
        return eqn
    unit = {a.name for a in eqn.reduced if a.extent.is_one()}
    if unit:
        zero = {name: Ix() for name in unit}
        eqn = replace(
            eqn,
            axes=tuple(a for a in eqn.axes if a.name not in unit),
            args=tuple(substitute_access(a, zero, extents) for a in eqn.args),
            body=E.substitute(eqn.body, {E.idx(name): E.ZERO for name in unit}),
        )
    used = {n for a in eqn.args for ix in a.index for n in ix.axes()} | {str(i.value) for i in E.leaves(eqn.body, "idx")}
    idle = [a for a in eqn.reduced if a.name not in used]
    if idle:
        count = Dim.of(1)
        for a in idle:
            count = count * a.extent
        gone = {a.name for a in idle}
        body = E.mul(eqn.body, E.dim(count))
        outer = {*eqn.out.shape}
        if eqn.args and any(a.extent.value is None and a.extent not in outer for a in idle):  # of nothing 0, were it NaN
            body = E.make("where", E.make("eq", E.dim(count), E.ZERO), E.ZERO, body)
        eqn = replace(eqn, axes=tuple(a for a in eqn.axes if a.name not in gone), body=body)
    return replace(eqn, reduce="" if not eqn.reduced else "+")


_COMMUTATIVE: Final = ("add", "mul", "max", "min", "eq", "ne", "and", "or")
_SMALL: Final = 12  # deeper bodies keep the order that they have


def canonical(eqn: Eqn) -> Eqn:
    """The equation in the one form in which equal ones are equal, whatever its axes are called and in which order its reduced
    axes, its reads and the operands of its sums and products are written. What it computes is the same to the last bit but for
    the order of a sum over several axes."""
    eqn = prune(eqn)
    reduced = {a.name for a in eqn.reduced} if eqn.plain_out is not None else set()
    order = {a.name: f"a{k}" for k, a in enumerate(a for a in eqn.axes if a.name not in reduced)}
    extents = eqn.extents
    spelled = {a: f"{order.get(a) or '~'}<{d}" for a, d in extents.items()}
    if any(len(ix.terms) > 1 for a in eqn.args for ix in a.index):
        eqn = replace(eqn, args=tuple(replace(a, index=tuple(_sorted(ix, spelled) for ix in a.index)) for a in eqn.args))
    if eqn.body.depth <= _SMALL:
        ranks: dict[Expr, str] = {}
        done: dict[Expr, Expr] = {}
        for node in E.walk(eqn.body):
            args = node.args
            if node.op in _COMMUTATIVE and ranks[args[1]] < ranks[args[0]]:
                args = (args[1], args[0])
            done[node] = E.rebuild(node, tuple(done[a] for a in args)) if args else node
            if node.op == "arg" and isinstance(node.value, int):
                ranks[node] = _spell(eqn.args[node.value], spelled)
            elif node.op == "idx":
                ranks[node] = spelled[str(node.value)]
            else:
                ranks[node] = f"{node.op} {node.value} " + " ".join(ranks[a] for a in args)
        if done[eqn.body] is not eqn.body:
            eqn = prune(replace(eqn, body=done[eqn.body]))
    for name in (n for access in eqn.args for ix in access.index for n in ix.axes()):
        order.setdefault(name, f"a{len(order)}")
    for name in (*(str(leaf.value) for leaf in E.leaves(eqn.body, "idx")), *extents):
        order.setdefault(name, f"a{len(order)}")
    eqn = rename_axes(eqn, order.__getitem__)
    if not reduced:
        return eqn
    return replace(eqn, axes=tuple(sorted(eqn.axes, key=lambda a: int(a.name[1:]))))


def _sorted(ix: Ix, axes: Mapping[str, str]) -> Ix:
    if len(ix.terms) < 2:
        return ix
    return Ix(tuple(sorted(ix.terms, key=lambda t: (axes.get(t[0], t[0]) if isinstance(t[0], str) else "", str(t[1])))), ix.const)


def _spell(access: Access, axes: Mapping[str, str]) -> str:
    """The read without the names of its axes."""
    if all(ix.plain for ix in access.index):
        return f"{access.value}[{', '.join(axes[ix.plain or ''] for ix in access.index)}] {access.fill}"
    return str(substitute_access(access, {a: at(s) for a, s in axes.items()}, {}))


def _fresh(stem: str, taken: set[str]) -> str:
    k = 0
    while f"{stem}{k}" in taken:
        k += 1
    taken.add(f"{stem}{k}")
    return f"{stem}{k}"


def prune(eqn: Eqn) -> Eqn:
    """Only the operands that the body reads, in the order in which it reads them, equal reads once."""
    place: dict[Access, int] = {}
    mapping: dict[Expr, Expr] = {}
    read = E.leaves(eqn.body, "arg")
    if len(read) == len(eqn.args) == len(set(eqn.args)) and all(leaf.value == k for k, leaf in enumerate(read)):
        return eqn
    for leaf in read:
        k, access = leaf.place, eqn.args[leaf.place]
        place.setdefault(access, len(place))
        mapping[E.arg(k)] = E.arg(place[access])
    return replace(eqn, args=tuple(place), body=E.substitute(eqn.body, mapping))


def _split_axes(eqn: Eqn) -> Eqn:
    """Replace an axis k read or written as (k // w, k % w) by two axes, unless the output is written plainly along it."""
    plain = {ix.plain for ix in eqn.out_index}
    if eqn.reduce in ("argmax", "argmin"):  # their answer is a place along the one axis
        plain |= {a.name for a in eqn.reduced}
    for ix in (*eqn.out_index, *(i for a in eqn.args for i in a.index)):
        for atom, _ in ix.terms:
            if isinstance(atom, Quot | Rem) and atom.a.plain is not None and atom.a.plain not in plain:
                axis = next(a for a in eqn.axes if a.name == atom.a.plain)
                high = axis.extent.divide_exactly(atom.b)
                if high is not None:
                    return _split_axes(split_axis(eqn, axis, high, atom.b))
    return eqn


def split_axis(eqn: Eqn, axis: Axis, high: Dim, low: Dim) -> Eqn:
    """``eqn`` with two axes in place of one of extent high*low."""
    taken = {a.name for a in eqn.axes}
    q, r = _fresh(axis.name + "q", taken), _fresh(axis.name + "r", taken)
    axes: list[Axis] = []
    for a in eqn.axes:
        axes.extend((Axis(q, high), Axis(r, low)) if a is axis else (a,))
    extents = {a.name: a.extent for a in axes}
    whole = at(q).scale(low) + at(r)
    substitution = {axis.name: whole}
    number = E.add(E.mul(E.idx(q), E.dim(low)), E.idx(r))
    return replace(
        eqn,
        axes=tuple(axes),
        out_index=tuple(substitute_ix(ix, substitution, extents) for ix in eqn.out_index),
        args=tuple(substitute_access(a, substitution, extents) for a in eqn.args),
        body=E.substitute(eqn.body, {E.idx(axis.name): number}),
    )


# ---------------------------------------------------------------- substitution of indices


def substitute_ix(ix: Ix, mapping: Mapping[str, Ix], extents: dict[str, Dim]) -> Ix:
    """``ix`` with each axis replaced by an index; quotients and remainders are resolved where the extents prove it."""
    plain = ix.plain
    if plain is not None:
        return mapping.get(plain, ix)
    total = Ix((), ix.const)
    for atom, factor in ix.terms:
        if isinstance(atom, str):
            piece = mapping.get(atom) or at(atom)
        elif isinstance(atom, Gather):
            index = tuple(substitute_ix(i, mapping, extents) for i in atom.index)
            piece = Ix(((Gather(atom.value, index), Dim.of(1)),))
        else:
            inner = substitute_ix(atom.a, mapping, extents)
            piece = (quotient if isinstance(atom, Quot) else remainder)(inner, atom.b, extents)
        total = total + piece.scale(factor)
    return total


def substitute_access(access: Access, mapping: Mapping[str, Ix], extents: dict[str, Dim]) -> Access:
    """The access with other indices in place of axes."""
    return Access(access.value, tuple(substitute_ix(ix, mapping, extents) for ix in access.index), access.fill)


def rename_axes(eqn: Eqn, rename: Callable[[str], str]) -> Eqn:
    """The same equation with other axis names."""
    mapping = {a.name: at(rename(a.name)) for a in eqn.axes}
    axes = tuple(Axis(rename(a.name), a.extent) for a in eqn.axes)
    extents = {a.name: a.extent for a in axes}
    numbers = {E.idx(a.name): E.idx(rename(a.name)) for a in eqn.axes}
    return replace(
        eqn,
        axes=axes,
        out_index=tuple(substitute_ix(ix, mapping, extents) for ix in eqn.out_index),
        args=tuple(substitute_access(a, mapping, extents) for a in eqn.args),
        body=E.substitute(eqn.body, numbers),
    )


def shape_axes(shape: Shape) -> tuple[Axis, ...]:
    """An axis for each dimension."""
    return tuple(Axis(f"i{k}", d) for k, d in enumerate(shape))
