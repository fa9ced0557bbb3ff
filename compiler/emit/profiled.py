"""Modules that are made to profile: after each part of a kernel the clock is read, and a table says what each part is.

A part is a loop nest or a product at the top of a kernel. A loop with products in it, as over the steps of a scan, is no part:
what stands in it is. Statements between them are counted with the part that follows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ..graph import expr as E
from ..graph.ir import Access, Gather, Ix, Model, Origin, Quot, Rem, Update
from ..graph.shapes import Dim, size
from ..loops.ir import ArgBest, Assign, Leave, Loop, Nest, Node, Product, Rank, Storage, Zero
from ..loops.nodes import walk
from ..loops.shares import Share
from .costs import cost, operations, transcendental
from .cython import KernelWriter
from .lines import Lines, is_backward, pieces_of
from .places import Sources
from .spec import SpecDim, dim_spec
from .updates import spell_function

_STATEMENTS: Final = (Assign, ArgBest, Leave)  # that are no part by themselves


class Part(NamedTuple):
    """What the table says of a part; sizes are formulas, as in the module's other tables."""

    kernel: str
    phase: str  # forward, backward, both, or update
    lines: tuple[tuple[str, int, str], ...]  # of the model: file, number, text; first the one with the most operations
    what: str  # what it computes, or the product with its extents
    product: bool
    times: SpecDim  # how often it runs in a call of the kernel
    operations: SpecDim  # of one run
    transcendental: SpecDim  # how many of them are
    # of each array in memory: bytes of an element, how many are touched by each access, how many there are, and 2 where it is
    # both read and written
    arrays: tuple[tuple[int, tuple[SpecDim, ...], SpecDim, int], ...]


def extern(parts: Sequence[Part]) -> list[str]:
    return [
        "",
        'cdef extern from "gradwright/profile.h" nogil:',
        "    # nanoseconds since some moment, and the same after what has passed was added to a part",
        '    long long _now "gw_profile_now"() noexcept',
        '    long long _lap "gw_profile_lap"(long long *, long long) noexcept',
        "    # of what several threads may do at once",
        '    ctypedef struct _Door "gw_profile_door":',
        "        pass",
        '    void _enter "gw_profile_enter"(_Door *) noexcept',
        '    void _leave "gw_profile_leave"(_Door *, long long *) noexcept',
        'cdef extern from "gradwright/share.h" nogil:',
        '    int _team "gw_team_size"() noexcept  # how many threads may share a part',
        f"cdef long long[{max(1, len(parts))}] _SPENT",
        f"cdef _Door[{max(1, len(parts))}] _DOORS",
    ]


class ProfiledWriter(KernelWriter):
    """Writes a kernel that reads the clock after each of its parts."""

    def __init__(self, nest: Nest, free: Sequence[str], single: bool, sources: Sources, parts: list[Part]) -> None:
        super().__init__(nest, free, single, sources)
        self.found, self.width = parts, 4 if single else 8
        self._inside = False  # of a part
        self._around: list[Dim] = []  # the extents of the loops around it
        self._waiting: list[Node] = []  # statements that count with the part that follows
        self._last = {id(piece[-1]) for piece in pieces_of(nest.body) if piece}
        self._last |= {id(node.body[-1]) for node in walk(nest.body) if isinstance(node, Loop) and _is_frame(node)}

    def _declarations(self, only: Collection[str] | None = None) -> Iterator[str]:
        yield from super()._declarations(only)
        if not self._inside:
            yield "    cdef long long _since = _now()"

    def _node(self, node: Node, depth: int) -> None:
        if self._inside:
            super()._node(node, depth)
            return
        if isinstance(node, Loop) and _is_frame(node):
            self._around.append(node.extent)
            super()._node(node, depth)
            self._around.pop()
            return
        self._inside = True
        super()._node(node, depth)
        self._inside = False
        self._end(node, depth)

    def _share(self, node: Loop, share: Share, out: Lines) -> None:
        """A loop that threads share is one part: the clock is read where it is shared out."""
        self._inside = True
        super()._share(node, share, out)
        self._inside = False
        self._end(node, 1)

    def _end(self, node: Node, depth: int) -> None:
        """What a node took is added to its part."""
        self._waiting.append(node)
        if not isinstance(node, _STATEMENTS) or id(node) in self._last:
            part = part_of(self.nest, self._waiting, self._around, self.sources, self.width)
            origin = _largest(self._waiting)
            self.lines.add(f"{'    ' * depth}_since = _lap(&_SPENT[{len(self.found)}], _since)", *([origin] if origin else []))
            self.found.append(part)
            self._waiting = []


def _is_frame(node: Loop) -> bool:
    return not node.sums and any(isinstance(n, Product) for n in walk(node.body))


# ---------------------------------------------------------------- what a part is


def part_of(nest: Nest, nodes: Sequence[Node], around: Sequence[Dim], sources: Sources, width: int) -> Part:
    main = nodes if isinstance(nodes[-1], _STATEMENTS) else nodes[-1:]
    origins = [n.origin for n in walk(main) if not isinstance(n, Loop)]
    told = [o for o in origins if o.rule not in ("copy", "kept", "zero")] or origins
    backward = {is_backward(o) for o in told}
    phase = "both" if len(backward) > 1 else "backward" if True in backward else "forward"
    phase = "update" if any(o.rule == "update" for o in told) else phase
    first = _largest(main)
    lines = _lines_of([*([first] if first else []), *told], sources)
    count, heavy = operations(nodes)
    storage = {s.value.name: s for s in nest.storage}
    product, times = isinstance(nodes[-1], Product), size(tuple(around))
    return Part(nest.kernel.name, phase, lines, _what(main, storage), product, dim_spec(times), dim_spec(count), dim_spec(heavy),
                arrays(nodes, storage, width))  # fmt: skip


def _largest(nodes: Sequence[Node]) -> Origin | None:
    """The origin of what does most."""
    best: tuple[int, int, Origin] | None = None

    def visit(nodes: Sequence[Node], depth: int) -> None:
        nonlocal best
        for node in nodes:
            if isinstance(node, Loop):
                visit(node.body, depth + 1)
                continue
            each = cost(node.body)[0] if isinstance(node, Assign | ArgBest) else 0
            weight = (depth + 2 * isinstance(node, Product), each)
            if best is None or weight > best[:2]:
                best = (*weight, node.origin)

    visit(nodes, 0)
    return best[2] if best else None


def _lines_of(origins: Sequence[Origin], sources: Sources) -> tuple[tuple[str, int, str], ...]:
    # of an update that is computed with the gradient, the line of the gradient stands before that of the rule
    spans = [span for o in origins for span in (reversed(o.spans) if o.rule == "update" else o.spans)]
    found = dict.fromkeys((span.file, span.line) for span in spans)
    return tuple((file, line, _text(sources, file, line)) for file, line in found)


def _text(sources: Mapping[str, Any], file: str, line: int) -> str:
    source = sources.get(file)
    return source.line(line).split("#")[0].strip() if source else ""


def _what(nodes: Sequence[Node], storage: Mapping[str, Storage]) -> str:
    """The values that it leaves in memory; all that it computes, if it leaves none there."""
    targets: dict[str, bool] = {}
    for node in walk(nodes):
        if isinstance(node, Product):
            extents = (size(tuple(lv.extent for lv in levels)) for levels in (node.rows, (node.columns,), node.depth))
            targets[f"{node.c.value} ({' x '.join(map(str, extents))})"] = True
        elif isinstance(node, Assign | ArgBest):
            targets.setdefault(node.target, storage[node.target].kind in ("slot", "work"))
        elif isinstance(node, Rank):
            targets[node.target.value] = True
        elif isinstance(node, Zero):
            targets[f"{node.slot} = 0"] = True
    kept = [name for name, in_memory in targets.items() if in_memory]
    return ", ".join(kept or targets)


# ---------------------------------------------------------------- what it touches


def arrays(nodes: Sequence[Node], storage: Mapping[str, Storage],
           width: int) -> tuple[tuple[int, tuple[SpecDim, ...], SpecDim, int], ...]:  # fmt: skip
    """Each array in memory that ``nodes`` touch, as the table has it."""
    touched: dict[str, dict[Dim, None]] = {}
    read: set[str] = set()
    written: set[str] = set()

    def see(access: Access, extents: Mapping[str, Dim], into: set[str]) -> None:
        names = {name for ix in access.index for name in _variables(ix)}
        _touch(access.value, size(tuple(extent for name, extent in extents.items() if name in names)), into)
        for ix in access.index:
            for gather in ix.gathers():
                see(Access(gather.value, gather.index), extents, read)

    def _touch(value: str, count: Dim, into: set[str]) -> None:
        touched.setdefault(value, {})[count] = None
        into.add(value)

    def visit(nodes: Sequence[Node], extents: Mapping[str, Dim]) -> None:
        for node in nodes:
            if isinstance(node, Loop):
                visit(node.body, {**extents, node.variable: node.extent})
            elif isinstance(node, Product):
                for access, steps in ((node.a, "a"), (node.b, "b"), (node.c, "c")):
                    moving = [lv.extent for lv in node.levels if getattr(lv, steps).terms]
                    _touch(access.value, size(tuple(moving)), written if steps == "c" else read)
                if node.onto is not None:
                    _touch(node.onto.value, size(tuple(lv.extent for lv in node.levels if lv.d.terms)), read)
                elif node.beta.value != 0:
                    read.add(node.c.value)
            elif isinstance(node, Rank):
                _touch(node.source.value, node.count, read)
                _touch(node.target.value, node.count, written)
            elif isinstance(node, Assign | ArgBest):
                target = Access(node.target, node.index)
                see(target, extents, written)
                if isinstance(node, Assign) and node.op != "=":
                    see(target, extents, read)
                for access in node.args:
                    see(access, extents, read)
            elif isinstance(node, Leave):
                for access in node.args:
                    see(access, extents, read)

    visit(nodes, {})
    found = []
    for value, counts in touched.items():
        store = storage[value]
        if store.kind in ("slot", "work"):
            each = 8 if store.value.kind == "int" else width
            both = 2 if value in read and value in written else 1
            found.append((each, tuple(map(dim_spec, counts)), dim_spec(size(store.extents)), both))
    for node in nodes:
        if isinstance(node, Zero):
            found.append((width, (dim_spec(node.count),), dim_spec(node.count), 1))
    return tuple(found)


def _variables(ix: Ix) -> Iterator[str]:
    """The loop variables that an index moves with."""
    for atom, _ in ix.terms:
        if isinstance(atom, str):
            yield atom
        elif isinstance(atom, Gather):
            for inner in atom.index:
                yield from _variables(inner)
        else:
            assert isinstance(atom, Quot | Rem)
            yield from _variables(atom.a)


# ---------------------------------------------------------------- updates, and the table


def spell_timed(name: str) -> str:
    return f"timed_{spell_function(name)}"


def timed_update(update: Update, model: Model, sources: Sources, parts: list[Part]) -> Lines:
    """A function that calls the update, and reads the clock."""
    out = Lines()
    arguments = "write w, read g, real **states, const double *hypers, double t, Py_ssize_t count"
    for text in ("", "", f"cdef void {spell_timed(update.name)}({arguments}) noexcept nogil:",
                 f"    _enter(&_DOORS[{len(parts)}])",
                 f"    {spell_function(update.name)}(w, g, states, hypers, t, count)",
                 f"    _leave(&_DOORS[{len(parts)}], &_SPENT[{len(parts)}])"):  # fmt: skip
        out.add(text)
    trained = Dim.of(0)
    for param in model.params:
        if not param.frozen:
            trained = trained + size(param.value.shape)
    elements = {update.weight, update.gradient, *(name for name, _ in update.states)}
    varying: dict[E.Expr, None] = {}  # the others are computed once, before the loop
    for node in E.walk(*update.results):
        if (node.op == "sym" and str(node.value) in elements) or any(a in varying for a in node.args):
            varying[node] = None
    each = [node for node in varying if node.args]
    count, heavy = trained * len(each), trained * sum(map(transcendental, each))
    one = (8 if model.dtype == "float64" else 4, (dim_spec(trained),), dim_spec(trained))
    touched = ((*one, 2), (*one, 1), *((*one, 2) for _ in update.states))
    name, lines = spell_function(update.name), _lines_of(update.origins, sources)
    parts.append(Part(name, "update", lines[:1], "all parameters", False, 1, dim_spec(count), dim_spec(heavy), touched))
    return out


def tail(parts: Sequence[Part]) -> list[str]:
    """The table, and what hands out how long each part took."""
    rows = [f"    {tuple(part)!r}," for part in parts]
    return ["", "# each part: the kernel, what it does, where it stands in the model, how often, operations, what it touches",
            "_PARTS = (", *rows, ")", "", 'include "gradwright/profile.pxi"']  # fmt: skip


__all__ = ["Part", "ProfiledWriter", "extern", "spell_timed", "tail", "timed_update"]
