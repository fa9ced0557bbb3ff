"""Whether a graph obeys the rules of its equations. Run after every stage and pass, it names the one that broke them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from typing import Final

from ..graph.bounds import inside, never_zero
from ..graph.expr import ARITHMETIC, CHOICES, COMPARISONS, DRAWS, LEAVES, LOGIC, Expr, walk
from ..graph.ir import Access, Const, Eqn, Gather, Graph, Ix, Kind, Scan, Value, outs
from ..graph.shapes import Dim, Shape, size
from ..graph.shapes import show as show_shape
from ..graph.text import show_access, show_eqn, show_index, show_value

_REDUCES: Final = ("", "+", "*", "max", "min", "argmax", "argmin", "lse")
_KINDS: Final = ("real", "int", "bool")
# What the interpreter can compute. Its own table would bring NumPy into every compilation.
_OTHERS: Final = (
    "exp log log1p expm1 sqrt square abs sign sin cos tan tanh sinh cosh asin acos atan atan2 erf lgamma digamma polygamma "
    "sigmoid softplus floor stop given place"
)
FUNCTIONS: Final = frozenset((*ARITHMETIC, *COMPARISONS, *LOGIC, *CHOICES, *DRAWS, *_OTHERS.split()))
_BINARY: Final = frozenset((*ARITHMETIC, *COMPARISONS, "and", "or", "max", "min", "atan2", "polygamma", "diff")) - {"neg"}


class InternalError(Exception):
    """The compiler made a graph that breaks its own rules: a mistake in the pass that it names, never the user's."""


def verify(graph: Graph, after: str = "", sizes: Iterable[str] | None = None) -> None:
    """Raise :class:`InternalError` where ``graph`` breaks a rule. ``after`` names what made it. With ``sizes``, the free
    sizes that the caller gives by name, every other one must stand in the shape of an input. Without, an equation that was
    found right is not looked at again while what it reads is the same."""
    known: frozenset[str] | None = None
    if sizes is not None:
        known = frozenset(sizes).union(*(dim.free() for value in graph.inputs for dim in value.shape))
    try:
        _graph(graph, known)
    except _Broken as broken:
        where = f" after {after}" if after else ""
        text = f"\n    {broken.text}" if broken.text else ""
        raise InternalError(f"the graph {graph.name} is broken{where}: {broken.problem}{text}") from None


def verify_gradients(graph: Graph, pairs: Iterable[tuple[str, str]], after: str = "",
                     values: Mapping[str, Value] | None = None) -> None:  # fmt: skip
    """Each pair is a value and its adjoint, which must be real and of the value's own shape. ``values``: the graph's, where
    the caller has them."""
    values = graph.values() if values is None else values
    for name, adjoint in pairs:
        problem = ""
        if name not in values or adjoint not in values:
            problem = f"there is no {adjoint if name in values else name}"
        elif values[name].shape != values[adjoint].shape:
            problem = f"{name} is {show_shape(values[name].shape)} and its adjoint {adjoint} {show_shape(values[adjoint].shape)}"
        elif values[adjoint].kind != "real":
            problem = f"the adjoint {adjoint} is {values[adjoint].kind}"
        if problem:
            raise InternalError(f"the gradients of {graph.name} are broken{f' after {after}' if after else ''}: {problem}")


class _Broken(Exception):
    def __init__(self, problem: str, text: str = "") -> None:
        super().__init__(problem)
        self.problem, self.text = problem, text


@contextmanager
def _shown(text: Callable[[], str]) -> Iterator[None]:
    """Say of what is broken inside how it reads, unless a part of it has been told already."""
    try:
        yield
    except _Broken as broken:
        if broken.text:
            raise
        try:
            shown = text()
        except (KeyError, ValueError):  # too broken to be shown
            shown = ""
        raise _Broken(broken.problem, shown) from None


def _graph(graph: Graph, sizes: frozenset[str] | None) -> None:
    values: dict[str, Value] = {}

    def define(value: Value) -> None:
        if value.name in values:
            raise _Broken(f"{value.name} is defined twice")
        if value.kind not in _KINDS:
            raise _Broken(f"{value.name} is of no kind: {value.kind}")
        _shape(value.shape, sizes, lambda: f"{value.name} {show_shape(value.shape)}")
        values[value.name] = value

    for value in graph.inputs:
        with _shown(partial(show_value, value)):
            define(value)
    for const in graph.consts:
        with _shown(partial(show_value, const.value)):
            _const(const)
            define(const.value)
    for eqn in graph.eqns:
        with _shown(partial(show_eqn, eqn)):
            if not eqn.origin.spans and not eqn.origin.rule:
                raise _Broken("it has no origin")
            for name in eqn.reads():
                if name not in values:
                    raise _Broken(f"{name} is read before it is defined")
            if isinstance(eqn, Eqn):
                read = tuple(values[name] for name in eqn.reads())
                if sizes is not None or eqn.known.get("right") != read:
                    _eqn(eqn, values, sizes)
                    eqn.known["right"] = read
            else:
                _scan(eqn, values, sizes)
            for value in outs(eqn):
                define(value)
    for name in graph.outputs:
        if name not in values:
            raise _Broken(f"the output {name} does not exist")


def _shape(shape: Shape, sizes: frozenset[str] | None, what: Callable[[], str], signed: bool = False) -> None:
    for dim in shape:
        unknown = [] if sizes is None else sorted(dim.free() - sizes)
        if unknown:
            raise _Broken(f"{what()} has the size {unknown[0]}, which no input tells")
        if not signed and dim.value is not None and dim.value < 0:
            raise _Broken(f"{what()} has a negative size")


def _const(const: Const) -> None:
    count = size(const.value.shape).value
    if count is None or count != len(const.data):
        raise _Broken(f"{len(const.data)} numbers for {show_shape(const.value.shape)}")
    if const.value.kind != "real" and any(x.denominator != 1 for x in const.data):
        raise _Broken(f"a number that is not {const.value.kind}")


# ---------------------------------------------------------------- one equation


def _eqn(eqn: Eqn, values: Mapping[str, Value], sizes: frozenset[str] | None) -> None:
    extents = eqn.extents
    if len(extents) != len(eqn.axes):
        raise _Broken("an axis stands twice")
    for axis in eqn.axes:
        _shape((axis.extent,), sizes, partial("the axis {}".format, axis.name))
    if eqn.reduce not in _REDUCES:
        raise _Broken(f"no reduction is called {eqn.reduce}")
    if eqn.out.kind not in _KINDS:
        raise _Broken(f"no kind is called {eqn.out.kind}")
    for ix in (*eqn.out_index, *(i for a in eqn.args for i in a.index)):
        _shape(tuple(_dims(ix)), sizes, partial(_index_text, ix), signed=True)
    _out(eqn, values, extents)
    for access in eqn.args:
        _access(access, values, extents)
    _body(eqn, values, extents, sizes)


def _index_text(ix: Ix) -> str:
    return f"the index {show_index(ix)}"


def _dims(ix: Ix) -> Iterator[Dim]:
    """Every size in an index."""
    yield ix.const
    for atom, factor in ix.terms:
        yield factor
        if isinstance(atom, Gather):
            for inner in atom.index:
                yield from _dims(inner)
        elif not isinstance(atom, str):
            yield atom.b
            yield from _dims(atom.a)


def _out(eqn: Eqn, values: Mapping[str, Value], extents: Mapping[str, Dim]) -> None:
    if len(eqn.out_index) != len(eqn.out.shape):
        raise _Broken(f"{show_value(eqn.out)} is written with {len(eqn.out_index)} indices")
    for ix in eqn.out_index:
        _index(ix, values, extents, checked=not eqn.drop)
    if eqn.plain_out is None:
        if eqn.reduce != "+":
            raise _Broken(f"only a sum scatters: the output's index does not cover {show_shape(eqn.out.shape)}")
        if not eqn.drop:
            for ix, dim in zip(eqn.out_index, eqn.out.shape, strict=True):
                if not any(ix.gathers()) and not inside(ix, dim, extents):
                    raise _Broken(f"the write at {show_index(ix)} is not proved to be inside {dim}")
    elif eqn.drop:
        raise _Broken("a plain write has nothing to drop")
    reduced = eqn.reduced
    if reduced and not eqn.reduce:
        raise _Broken(f"the axis {reduced[0].name} is neither written nor reduced")
    if eqn.reduce in ("argmax", "argmin") and len(reduced) != 1:
        raise _Broken(f"{eqn.reduce} has {len(reduced)} reduced axes, and needs one")
    positions = [axis in reduced for axis in eqn.axes]
    if eqn.plain_out is not None and positions != sorted(positions):
        raise _Broken("a reduced axis stands before one that is written")


def _access(access: Access, values: Mapping[str, Value], extents: Mapping[str, Dim]) -> None:
    value = values[access.value]
    if len(access.index) != len(value.shape):
        raise _Broken(f"{value.name} is {show_shape(value.shape)} and read with {len(access.index)} indices")
    for ix in access.index:
        _index(ix, values, extents, checked=access.fill is None)
    if access.fill is not None:
        if isinstance(access.fill, str) and access.fill not in ("inf", "-inf", "nan"):
            raise _Broken(f"{show_access(access)} is filled with no number")
        if value.kind != "real" and (isinstance(access.fill, str) or access.fill.denominator != 1):
            raise _Broken(f"{show_access(access)} is {value.kind} and filled with a real")
        return
    for ix, dim in zip(access.index, value.shape, strict=True):
        if not any(ix.gathers()) and not inside(ix, dim, extents):
            raise _Broken(f"the index {show_index(ix)} of {show_access(access)} is not proved to be inside {dim}")


def _index(ix: Ix, values: Mapping[str, Value], extents: Mapping[str, Dim], checked: bool) -> None:
    """The parts of an index; with ``checked``, what it gathers must be inside (else the whole read or write is outside)."""
    if len({atom for atom, _ in ix.terms}) != len(ix.terms):
        raise _Broken(f"the index {show_index(ix)} names a part twice")
    for atom, factor in ix.terms:
        if not factor.terms:
            raise _Broken(f"the index {show_index(ix)} has a factor of 0")
        if isinstance(atom, str):
            if atom not in extents:
                raise _Broken(f"the index {show_index(ix)} uses the axis {atom}, which is not declared")
        elif isinstance(atom, Gather):
            value = values[atom.value]
            if value.kind != "int":
                raise _Broken(f"{value.name} is {value.kind} and used as an index")
            if len(atom.index) != len(value.shape):
                raise _Broken(f"{value.name} is {show_shape(value.shape)} and read with {len(atom.index)} indices")
            for inner, dim in zip(atom.index, value.shape, strict=True):
                _index(inner, values, extents, checked)
                if checked and not any(inner.gathers()) and not inside(inner, dim, extents):
                    raise _Broken(f"the index {show_index(inner)} into {value.name} is not proved to be inside {dim}")
        else:
            _index(atom.a, values, extents, checked)
            if not never_zero(atom.b, extents):
                raise _Broken(f"the index {show_index(ix)} divides by {atom.b}, which may be 0")


# ---------------------------------------------------------------- bodies


_WHOLE = frozenset(("add", "sub", "mul", "neg", "floor", "sign", "abs", "square", "stop", "given", "place"))


def _body(eqn: Eqn, values: Mapping[str, Value], extents: Mapping[str, Dim], sizes: frozenset[str] | None) -> None:
    truths: dict[Expr, bool] = {}  # whether a node is a boolean
    whole: dict[Expr, bool] = {}  # whether it is a whole number
    for node in walk(eqn.body):
        if node.op in LEAVES:
            truths[node], whole[node] = _leaf(node, eqn, values, extents, sizes)
            continue
        if node.op not in FUNCTIONS and node.op not in ("diff", "jvp"):  # a derivative that is not taken yet
            raise _Broken(f"no function is called {node.op}")
        count = 3 if node.op in ("where", "jvp") else 2 if node.op in _BINARY else 1
        if node.op in DRAWS:
            count = 5 if node.op == "draw_bernoulli" else 6
            if not all(whole[a] for a in node.args[:4]):
                raise _Broken(f"{node.op} is given a place that is not whole")
        if node.op == "place":
            count = 3
        if node.op == "given":
            count = len(node.args) | 1
        if len(node.args) != count:
            raise _Broken(f"{node.op} has {len(node.args)} operands, and takes {count}")
        branches = node.args[1:] if node.op == "where" else node.args[:1] if node.op == "given" else node.args
        choice = node.op in CHOICES
        truths[node] = node.op in COMPARISONS or node.op in LOGIC or (choice and all(truths[a] for a in branches))
        whole[node] = truths[node] or ((choice or node.op in _WHOLE)
                                       and all(whole[a] for a in branches)) or node.op in ("floor", "sign")  # fmt: skip
    kind: Kind = eqn.out.kind
    if eqn.reduce in ("argmax", "argmin"):
        if kind != "int":
            raise _Broken(f"{eqn.reduce} gives an int, and {eqn.out.name} is {kind}")
    elif kind == "bool":
        if not truths[eqn.body] or eqn.reduce not in ("", "max", "min"):
            raise _Broken(f"{eqn.out.name} is bool and its body is not")
    elif kind == "int" and (not whole[eqn.body] or eqn.reduce == "lse"):
        raise _Broken(f"{eqn.out.name} is int and its body is not")


def _leaf(
    node: Expr, eqn: Eqn, values: Mapping[str, Value], extents: Mapping[str, Dim], sizes: frozenset[str] | None
) -> tuple[bool, bool]:
    """Whether the leaf is a boolean, and whether it is a whole number."""
    value = node.value
    if node.op == "const" and isinstance(value, Fraction):
        return value in (0, 1), value.denominator == 1
    if node.op == "named" and value in ("pi", "inf", "nan"):
        return False, False
    if node.op == "arg" and isinstance(value, int):
        if not 0 <= value < len(eqn.args):
            raise _Broken(f"the body reads operand {value} of {len(eqn.args)}")
        kind = values[eqn.args[value].value].kind
        return kind == "bool", kind != "real"
    if node.op == "idx":
        if value not in extents:
            raise _Broken(f"the body uses the axis {value}, which is not declared")
        return False, True
    if node.op == "size" and isinstance(value, Dim):
        _shape((value,), sizes, lambda: "the body")
        return False, True
    raise _Broken(f"the body has a leaf that has no value: {node.op} {value}")


# ---------------------------------------------------------------- loops


def _scan(scan: Scan, values: Mapping[str, Value], sizes: frozenset[str] | None) -> None:
    body = scan.body
    _shape((scan.axis.extent,), sizes, partial("the axis {}".format, scan.axis.name))
    given = scan.initial + scan.slices + scan.captured
    if len(given) != len(body.inputs):
        raise _Broken(f"its body has {len(body.inputs)} inputs and is given {len(given)}")
    if len(scan.outs) != len(body.outputs):
        raise _Broken(f"its body has {len(body.outputs)} outputs, and the scan {len(scan.outs)}")
    if len(scan.outs) < len(scan.initial):
        raise _Broken("a carry does not come out")
    for k, (name, inner) in enumerate(zip(given, body.inputs, strict=True)):
        shape = values[name].shape
        if len(scan.initial) <= k < len(scan.initial) + len(scan.slices):
            if not shape or shape[0] != scan.axis.extent:
                raise _Broken(f"{name} is {show_shape(shape)}, and the scan has {scan.axis.extent} steps")
            shape = shape[1:]
        if shape != inner.shape or values[name].kind != inner.kind:
            raise _Broken(f"{name} goes in as {show_value(inner)}")
    if scan.limit and values[scan.limit] != Value(scan.limit, (), "int"):
        raise _Broken(f"{scan.limit} is {show_value(values[scan.limit])}, and limits the steps")
    _graph(body, sizes)
    results = body.values()
    stop = results[body.outputs[-1]] if scan.until and body.outputs else None
    if scan.until and (stop is None or stop.shape or stop.kind != "bool" or scan.outs[-1].shape or scan.outs[-1].kind != "int"):
        raise _Broken("what ends it is no boolean, or the number of steps no integer")
    for k, (out, name) in enumerate(zip(scan.outs, body.outputs, strict=True)):
        if scan.until and k == len(scan.outs) - 1:
            continue
        result = results[name]
        shape = result.shape if k < len(scan.initial) else (scan.axis.extent, *result.shape)
        if out.shape != shape or out.kind != result.kind:
            raise _Broken(f"{show_value(out)} comes out of {show_value(result)}")
        if k < len(scan.initial) and (result.shape, result.kind) != (body.inputs[k].shape, body.inputs[k].kind):
            raise _Broken(f"the carry {show_value(body.inputs[k])} becomes {show_value(result)}")
