"""Loop nests to Cython that is written to be read: the model's names, a comment for each group of statements."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ..graph import expr as E
from ..graph.expr import Expr
from ..graph.ir import Access, Atom, Gather, Ix, Origin, Quot, Rem, Value, at
from ..graph.rewrite import substitute_access
from ..graph.shapes import Dim, Quotient, Shape, size
from ..language.source import Source
from ..loops.buffers import used
from ..loops.ir import ArgBest, Assign, Leave, Loop, Move, Nest, Node, Product, Rank, Storage, Zero
from ..loops.schedule import BLOCKED, STRIP, operations
from ..loops.shares import Share, shares
from ..passes.kernels import Place
from ..passes.products import LEVELS, Level
from .formulas import ATOM, CALLS, Code, Formulas
from .names import Speller

SHOWN = 24  # lines of the model in one comment
SEVERAL = frozenset(("theta", "frozen", "hyper", "rule", "kept", "state", "next", "grad"))  # slots that hold several values
WIDE = 160  # characters of a line of the model in a comment
PIECE = 256  # operations of one C function: its compiler takes more than twice as long for twice as many
BLOCK = 512  # elements of a long sum that are added at a time
SHORTEST = 4  # terms of a sum for which a vector is worth it
# what reduces terms that lie in memory, by how they lie
_KERNELS = {("+=", "one"): "sum", ("+=", "absolutes"): "absolutes", ("+=", "squares"): "squares", ("+=", "two"): "dot",
            ("*=", "one"): "product", ("max=", "one"): "max", ("min=", "one"): "min"}  # fmt: skip
Sources = Mapping[str, Source]


@dataclass
class Lines:
    """Text with the origins of each line."""

    text: list[str] = field(default_factory=list)
    origins: list[tuple[Origin, ...]] = field(default_factory=list)

    def add(self, text: str, *origins: Origin) -> None:
        self.text.append(text)
        self.origins.append(origins)

    def idle(self, start: int = 0) -> bool:
        """Whether there are comments only, from a line on."""
        return all(line.lstrip().startswith("#") for line in self.text[start:])

    def extend(self, other: Lines) -> None:
        self.text += other.text
        self.origins += other.origins


def dim_text(dim: Dim, spell: Callable[[str], str] = str) -> str:
    """A size as C arithmetic."""
    if not dim.terms:
        return "0"
    parts: list[str] = []
    for monomial, coefficient in dim.terms:
        factors: list[str] = []
        for atom, power in monomial:
            if isinstance(atom, Quotient) and atom.op == "root":
                text = f"root({dim_text(atom.a, spell)})"
            elif isinstance(atom, Quotient):
                text = f"(({dim_text(atom.a, spell)}) {atom.op} ({dim_text(atom.b, spell)}))"
            else:
                text = spell(atom)
            factors += [text] * power
        if abs(coefficient) != 1 or not factors:
            factors.insert(0, str(abs(coefficient)))
        parts.append((" - " if coefficient < 0 else " + ") + "*".join(factors))
    text = "".join(parts)
    return "-" + text[3:] if text.startswith(" - ") else text[3:]


def strides(extents: Shape) -> list[Dim]:
    steps: list[Dim] = []
    step = Dim.of(1)
    for extent in reversed(extents):
        steps.append(step)
        step = step * extent
    return steps[::-1]


def linear(index: Sequence[Ix], extents: Shape) -> Ix:
    """The row-major position of an element; w * (k // w) + k % w is k again."""
    total = Ix()
    for ix, step in zip(index, strides(extents), strict=True):
        total = total + ix.scale(step)
    terms: dict[Atom, Dim] = dict(total.terms)
    for atom, factor in total.terms:
        if isinstance(atom, Rem) and atom in terms:
            partner = Quot(atom.a, atom.b)
            if terms.get(partner) == factor * atom.b:
                del terms[partner], terms[atom]
                rest = Ix(tuple(terms.items()), total.const) + atom.a.scale(factor)
                terms = dict(rest.terms)
                total = Ix(tuple(terms.items()), rest.const)
    return Ix(tuple(terms.items()), total.const)


class KernelWriter:
    """Writes one nest as a ``cdef`` function."""

    parallel = True

    def __init__(self, nest: Nest, free: Sequence[str], single: bool, sources: Sources,
                 literals: str = "") -> None:  # fmt: skip
        self.literals = literals
        self.nest, self.free, self.sources = nest, tuple(free), sources
        self.storage = {s.value.name: s for s in nest.storage}
        self.spell = Speller()
        self.used: set[str] = set()
        self.lines = Lines()
        self.locals: dict[str, dict[str, None]] = {}
        self.variables: dict[str, str] = {}
        self.extents: dict[str, Dim] = {}
        self.header: tuple[object, ...] | None = None
        self.noted: set[str] = set()
        self.formulas = Formulas(self._leaf, single, self.used)
        self._args: tuple[Access, ...] = ()
        self.temporaries = 0
        self.shared: set[str] = set()  # values that pieces of the kernel hand on
        self.handed: set[str] = set()  # values in memory that parts of loops are given
        self.shares = shares(nest) if self.parallel else {}
        self.parts = 0  # functions that run some of a loop's rounds
        self.strips: dict[str, tuple[str, str]] = {}  # where the strip starts, and how many rounds it has
        self.still: dict[Access, str] = {}  # what is read at one place in all rounds of the loop that is being written
        self.inside: dict[str, str] = {}  # the number of a round in its strip
        self.bounds: tuple[str, str] | None = None  # of the loop that is being written as such a function
        self.calls: list[str] = []  # of these pieces
        self.held: dict[str, list[Place]] = {}  # what lives in each slot
        self.places: dict[str, list[int]] = {}  # of each value, by their number
        for k, place in enumerate(nest.kernel.places):
            self.held.setdefault(place.slot, []).append(place)
            self.places.setdefault(place.value, []).append(k)
        self.held.setdefault("rule", [])
        for name in self.free:
            self.spell(name)
        self.over = nest.kernel.over
        for s in nest.storage:
            if s.value.name not in self.over:
                self.spell(s.value.name)
        for value, old in self.over.items():
            self.spell.alias(value, old)
        self.arguments = self._arguments()
        self.loaded = self._loaded()
        self._active: list[str] = []  # loop variables from the outside in
        self._taken = {self.spell(s.value.name) for s in nest.storage} | {self.spell(n) for n in self.free}
        self._taken |= {name for _, _, name in self.arguments}

    # ------------------------------------------------------------ frame

    def _arguments(self) -> list[tuple[str, str, str]]:
        """(slot, C type, spelling) of every argument, in order."""
        writes = _written(self.nest.body)
        zeroed = {n.slot for n in _walk(self.nest.body) if isinstance(n, Zero)}
        result: list[tuple[str, str, str]] = []
        grads = [s for s in self.nest.kernel.slots if s.startswith("grad:")]
        for slot in self.nest.kernel.slots:
            if slot == "rule" and self.nest.kernel.moves:
                result.append((slot, "moves", "rule"))
                continue
            held = self.held[slot]
            written = slot in zeroed or any(p.value in writes for p in held)
            kind, _, label = slot.partition(":")
            value = self.storage[held[0].value].value
            type_ = "write" if written else "read"
            if value.kind == "int" and kind in ("in", "out", "random"):
                type_ = "write_indices" if written else "indices"
            if kind in SEVERAL - {"grad"}:
                name = kind
            elif kind == "grad":
                name = "grad" if len(grads) == 1 else self.spell.fresh(f"grad_{label.split(':')[-1]}")
            else:
                name = self.spell(held[0].value)
            result.append((slot, type_, name))
        return result

    def _arguments_of(self, values: Collection[str]) -> list[tuple[str, str, str]]:
        """Those in which some of the values live, or that are among them as slots."""
        slots = {*values, *self._held(values)}
        return [a for a in self.arguments if a[0] in slots]

    def _loaded(self) -> dict[str, str]:
        """Scalars among the parameters and hyper-parameters are read once, at the start."""
        found: dict[str, str] = {}
        for slot, type_, name in self.arguments:
            for place in self.held[slot]:
                if slot in ("theta", "frozen", "hyper", "rule", "state") and type_ == "read":
                    if not self.storage[place.value].value.shape:
                        found[place.value] = f"{name}[{dim_text(place.offset, self.spell)}]"
        return found

    def write(self) -> Lines:
        out = Lines()
        pieces = _pieces(self.nest.body)
        if len(pieces) > 1:
            self._write_pieces(pieces, out)
        else:
            body = self.lines = Lines()
            for k, node in enumerate(self.nest.body):
                if k in self.shares and isinstance(node, Loop):
                    self._share(node, self.shares[k], out)
                else:
                    self._node(node, 1)
        self._head(out, self.nest.kernel.name, self.arguments, bool(self.nest.work.terms))
        out.add(f"    # {self.nest.kernel.doc}")
        if len(pieces) > 1:
            if self.shared:
                out.add(f"    cdef _{self.nest.kernel.name}_shared _shared")
            for call in self.calls:
                out.add(f"    {call}")
            return out
        here: dict[str, None] | None = None
        if self.shares:  # what lives in the parts of loops is declared there
            here = self._used([n for k, n in enumerate(self.nest.body) if k not in self.shares])
            here |= dict.fromkeys(name for share in self.shares.values() for name in (*share.sums, *share.arrays, *share.reads))
            here |= dict.fromkeys(self.handed)
        for text in self._declarations(here):
            out.add(text)
        if body.idle():
            out.add("    pass")
        out.extend(body)
        if any("root(" in line for line in out.text):
            self.used.add("root")
        return out

    def _used(self, nodes: Sequence[Node]) -> dict[str, None]:
        """The values that nodes read or write, those that they write over, and the slots that they set to zero."""
        found = used(nodes)
        found |= {self.over[name]: None for name in found if name in self.over}
        slots = [node.slot for node in _walk(nodes) if isinstance(node, Zero)]
        slots += ["rule" for node in _walk(nodes) if isinstance(node, Move) or (isinstance(node, Product) and node.moves)]
        return {**found, **dict.fromkeys(slots)}

    def _head(self, out: Lines, name: str, arguments: Sequence[tuple[str, str, str]], work: bool, more: str = "") -> None:
        args = [f"{type_} {spelled}" for _, type_, spelled in arguments]
        args += ["write work"] if work else []
        args += [f"Py_ssize_t {self.spell(n)}" for n in self.free]
        args += [more] if more else []
        for line in _wrap(f"cdef void {name}(", args, ") noexcept nogil:"):
            out.add(line)

    def _write_pieces(self, pieces: Sequence[Sequence[Node]], out: Lines) -> None:
        """A long kernel as several functions. What lives in C variables and is used in several of them is handed on."""
        name = self.nest.kernel.name
        touched = [self._used(piece) for piece in pieces]
        where: dict[str, int] = {}
        for k, values in enumerate(touched):
            for value in values:
                if where.setdefault(value, k) != k and value in self.storage and self.storage[value].kind in ("scalar", "stack"):
                    self.shared.add(value)
        if self.shared:
            out.add(f"cdef struct _{name}_shared:")
            doubles = self.doubles
            for s in self.nest.storage:
                if s.value.name in self.shared:
                    out.add(f"    {' '.join(self._variable_of(s, doubles))}")
            out.add("")
            out.add("")
        for k, (piece, values) in enumerate(zip(pieces, touched, strict=True), 1):
            self.locals, self.header, self.noted = {}, None, set()
            body = self.lines = Lines()
            for node in piece:
                self._node(node, 1)
            arguments = self._arguments_of(values)
            work = any(self.storage[v].kind == "work" for v in values if v in self.storage)
            handed = bool(self.shared & values.keys())
            self._head(out, f"_{name}_{k}", arguments, work, f"_{name}_shared *_shared" if handed else "")
            for text in self._declarations(values.keys()):
                out.add(text)
            if body.idle():
                out.add("    pass")
            out.extend(body)
            out.add("")
            out.add("")
            given = [spelled for _, _, spelled in arguments] + ["work"] * work + [self.spell(n) for n in self.free]
            self.calls.append(f"_{name}_{k}({', '.join(given + ['&_shared'] * handed)})")

    def _share(self, node: Loop, share: Share, out: Lines) -> None:
        """A loop as a function of its own that runs some of its rounds, and the call that shares them out."""
        kernel, lines, doubles = self.nest.kernel.name, self.lines, self.doubles
        before = self.locals, self.header, self.noted
        self.locals, self.header, self.noted = {}, None, set()
        values = self._used([node])
        there = values.keys() - {*share.arrays}  # of an array that it adds to, a part has its own
        formals, passed = self._pointers(node, there - {*share.own})  # type, name, what is given for it
        for name in share.reads:
            type_, declarator = self._variable_of(self.storage[name], doubles)
            spelled, array, _ = declarator.partition("[")
            formals.append(("read", spelled, spelled) if array else (type_, spelled, f"&{spelled}"))
        ones = {name: self.spell.fresh(f"{self.spell(name)}_one") for name in share.own}  # what lives in one round
        formals += [("write", here, self.spell(name)) for name, here in ones.items()]
        self.parts += 1
        part = f"_{kernel}_part{self.parts}"
        first, last, sums, own = (self.spell.fresh(word) for word in ("first", "last", "sums", "own"))
        body = self.lines = Lines()
        origins = tuple(dict.fromkeys(_origins(node)))
        made: dict[str, dict[Origin, None]] = {}  # what each sum is made of
        for leaf in _walk([node]):
            if isinstance(leaf, Assign):
                made.setdefault(leaf.target, {})[leaf.origin] = None
        self.bounds = first, last
        self._node(node, 1)
        self.bounds = None
        for k, name in enumerate(share.sums):
            body.add(f"    {sums}[{k}] = {self.spell(name)}", *made[name])
        arrays, count = [], len(share.sums)  # what each is called, how long it is, and where its sums begin
        for name in share.arrays:
            arrays.append((self.spell(name), self._length(name), f"{sums}[{count} + "))
            count += arrays[-1][1]
        each = self.spell.fresh("e") if arrays else ""

        def over(lines: Lines, length: int, statement: str) -> None:
            self._local("Py_ssize_t", each)
            lines.add(f"    for {each} in range({length}):", *origins)
            lines.add(f"        {statement}", *origins)

        for spelled, length, start in arrays:
            over(body, length, f"{start}{each}] = {spelled}[{each}]")
        sizes = [self.spell(n) for n in self.free]
        rest = [f"Py_ssize_t {n}" for n in (*sizes, first, last)] + [f"double *{sums}"]
        rest += [f"write {own}"] if share.own else []
        for line in _wrap(f"cdef void {part}(", [f"{t} {n}" for t, n, _ in formals] + rest, ") noexcept nogil:"):
            out.add(line)
        out.add(f"    # the rounds of a loop of {kernel} from {first} up to {last}")
        for spelled, length, _ in arrays:
            self._local("real", f"{spelled}[{length}]")
        for text in self._declarations(there - {*share.reads, *share.own} - passed):
            out.add(text)
        room = 0
        for name, here in ones.items():
            out.add(f"    cdef write {self.spell(name)} = {here} if {own} == NULL else {own} + {room}", *origins)
            room += -(-self._length(name) // 16) * 16
        for name in share.sums:
            out.add(f"    {self.spell(name)} = 0", *made[name])
        for spelled, length, _ in arrays:
            over(out, length, f"{spelled}[{each}] = 0")
        out.extend(body)
        given = [f"<{t}>s[{k}]" if t in ("read", "write", "indices", "write_indices") else f"(<{t} *>s[{k}])[0]"
                 for k, (t, _, _) in enumerate(formals)]  # fmt: skip
        given += [f"n[{k}]" for k in range(len(sizes))] + ["first", "last", "sums"] + ["<write>own"] * bool(share.own)
        head = f"cdef void _call{part}(void **s, const Py_ssize_t *n, Py_ssize_t first, Py_ssize_t last,"
        indent = " " * len(f"cdef void _call{part}(")
        for line in ("", "", head, f"{indent}double *sums, void *own) noexcept nogil:"):
            out.add(line)
        for line in _wrap(f"    {part}(", given, ")"):
            out.add(line, *origins)
        for line in ("", ""):
            out.add(line)
        self.lines = lines
        self.locals, self.header, self.noted = before
        # the call
        self.handed |= {*passed, *share.own}
        self._comment(node, "    ")
        table, total = f"_given{self.parts}", f"_sums{self.parts}"
        self._local("void", f"*{table}[{len(formals)}]")
        for k, (_, _, text) in enumerate(formals):
            self.lines.add(f"    {table}[{k}] = <void *>{text}", *origins)
        if count:
            self._local("double", f"{total}[{count}]")
        if sizes and "_sizes" not in "".join(self.locals.get("Py_ssize_t", {})):
            self._local("Py_ssize_t", f"_sizes[{len(sizes)}]")
            for k, name in enumerate(sizes):
                self.lines.add(f"    _sizes[{k}] = {name}", *origins)
        self.used.add("share")
        work = [dim_text(d, self.spell) for d in (node.extent, share.work)]
        call = [f"_call{part}", table, "_sizes" if sizes else "NULL", *work, str(BLOCK if node.sums else node.strip or 1),
                total if count else "NULL", str(count), f"{room}*sizeof(real)" if room else "0"]  # fmt: skip
        for line in _wrap("    share(", call, ")"):
            self.lines.add(line, *origins)
        for k, name in enumerate(share.sums):
            self.lines.add(f"    {self.spell(name)} += {total}[{k}]", *made[name])
        for spelled, length, start in arrays:
            over(self.lines, length, f"{spelled}[{each}] += {start.replace(sums, total)}{each}]")

    def _pointers(self, node: Node, values: Collection[str]) -> tuple[list[tuple[str, str, str]], set[str]]:
        """What a part of a loop is given of the memory that it touches, as (C type, name, what is given for it), and the values
        among it. Each is a pointer of its own: the C compiler takes two pointers for two places."""
        written = _written([node])
        formals: dict[str, tuple[str, str, str]] = {}
        passed: set[str] = set()

        def give(value: str) -> None:
            passed.add(value)
            name = self.spell(value)
            if name not in formals or value in written:
                formals[name] = "write" if value in written else "read", name, name

        for slot, type_, name in self.arguments:
            held = [p.value for p in self.held[slot] if p.value in values]
            if slot.partition(":")[0] not in SEVERAL:
                if held or slot in values:
                    formals[name] = type_, name, name
                continue
            if slot in values or any(v in self.loaded for v in held):
                formals[name] = type_, name, name
            for value in held:
                if value not in self.loaded:
                    give(value)
        for s in self.nest.storage:
            if s.kind == "work" and s.value.name in values:
                give(s.value.name)
        return [*formals.values()], passed

    def _length(self, name: str) -> int:
        """How many elements a value has where it lives."""
        length = size(self.storage[name].extents).value
        assert length is not None
        return length

    def _variable_of(self, s: Storage, doubles: set[str]) -> tuple[str, str]:
        """The C type and the declarator of a scalar or a small array."""
        name = self.spell(s.value.name)
        if s.kind == "scalar":
            return "Py_ssize_t" if s.value.kind == "int" else "double" if s.value.name in doubles else "real", name
        extent = Dim.of(1)
        for e in s.extents:
            extent = extent * e
        return "real", f"{name}[{extent}]"

    def _declarations(self, only: Collection[str] | None = None) -> Iterator[str]:
        """``only``: the values and slots of a piece; None for all."""
        held = self.held if only is None else self._held(only)
        for slot, type_, name in self.arguments:
            kind = slot.partition(":")[0]
            if kind not in SEVERAL:
                continue
            parts = []
            for place in held.get(slot, ()):
                if place.value in self.over and self.over[place.value] in self.storage:
                    continue
                if place.value not in self.loaded:
                    offset = dim_text(place.offset, self.spell)
                    parts.append(f"{self.spell(place.value)} = {name}" + (f" + {offset}" if offset != "0" else ""))
            yield from _wrap(f"    cdef {type_} ", parts, "") if parts else ()
        for value in self.loaded if only is None else _ordered(only, self._ranks[0]):
            yield f"    cdef real {self.spell(value)} = {self.loaded[value]}"
        storage = self.nest.storage if only is None else [self.storage[v] for v in _ordered(only, self._ranks[1])]
        for s in storage:
            if s.slot == "const":
                yield f"    cdef read {self.spell(s.value.name)} = literal_{self.literals}{s.value.name}"
        pieces = [s for s in storage if s.kind == "work"]
        parts = []
        for s in pieces:
            offset = dim_text(s.offset, self.spell)
            parts.append(f"{self.spell(s.value.name)} = work" + (f" + {offset}" if offset != "0" else ""))
        if parts:
            yield from _wrap("    cdef write ", parts, "")
        doubles = self.doubles
        for s in storage:
            if s.kind in ("scalar", "stack") and s.value.name not in self.shared:
                self._local(*self._variable_of(s, doubles))
        for type_ in ("real", "double", "bint", "Py_ssize_t", "void"):
            names = self.locals.get(type_, {})
            plain = [n for n in names if "[" not in n]
            if plain:
                yield from _wrap(f"    cdef {type_} ", plain, "")
            for array in names:
                if "[" in array:
                    yield f"    cdef {type_} {array}"

    def _held(self, values: Collection[str]) -> dict[str, list[Place]]:
        """What lives in each slot, of some values only: a piece need not look at the whole kernel."""
        found: dict[str, list[Place]] = {}
        for k in sorted(k for v in values for k in self.places.get(v, ())):
            place = self.nest.kernel.places[k]
            found.setdefault(place.slot, []).append(place)
        return found

    @cached_property
    def _ranks(self) -> tuple[dict[str, int], dict[str, int]]:
        """The order of what is loaded at the start, and of all that is stored."""
        return {v: k for k, v in enumerate(self.loaded)}, {v: k for k, v in enumerate(self.storage)}

    @cached_property
    def doubles(self) -> set[str]:
        """Scalars that a long sum runs into: kept in double, whatever the model's type."""
        found: set[str] = set()

        def visit(nodes: Sequence[Node], long: bool) -> None:
            for node in nodes:
                if isinstance(node, Loop):
                    visit(node.body, long or node.extent.value is None or node.extent.value >= BLOCKED)
                elif isinstance(node, Assign) and node.op == "=":
                    starts.setdefault(node.target, long)
                elif isinstance(node, Assign) and node.op == "+=" and long and not starts.get(node.target, False):
                    found.add(node.target)

        starts: dict[str, bool] = {}
        visit(self.nest.body, False)
        return found

    def _local(self, type_: str, name: str) -> None:
        self.locals.setdefault(type_, {})[name] = None

    # ------------------------------------------------------------ statements

    def _node(self, node: Node, depth: int) -> None:
        pad = "    " * depth
        if isinstance(node, Loop):
            self._comment(node, pad)
            if node.when is not None:
                pad, depth = self._when(node, pad), depth + 1
            self._loop(node, depth)
        elif isinstance(node, Zero):
            self._zero(node, depth)
        elif isinstance(node, Assign):
            self._comment(node, pad)
            self._assign(node, pad)
        elif isinstance(node, ArgBest):
            self._comment(node, pad)
            self._arg_best(node, pad)
        elif isinstance(node, Leave):
            self._args = node.args
            before, (code,) = self.formulas.lines([node.body], self._temporary)
            for name, text in before:
                self.lines.add(f"{pad}{name} = {text}", node.origin)
            self.lines.add(f"{pad}if {code.text}:", node.origin)
            self.lines.add(f"{pad}    {'continue' if node.again else 'break'}", node.origin)
        elif isinstance(node, Move):
            self._comment(node, pad)
            self.used.add("move")
            rule = next(name for slot, _, name in self.arguments if slot == "rule")
            names = f"{self._name(node.parameter)}, {self._name(node.gradient)}"
            self.lines.add(f"{pad}move({rule}, {names}, {dim_text(node.count, self.spell)})", node.origin)
        elif isinstance(node, Rank):
            self._comment(node, pad)
            self._rank(node, pad)
        else:
            self._comment(node, pad)
            self._product(node, pad)

    def _when(self, node: Loop, pad: str) -> str:
        """The condition of a loop; what stands under it is that far inside."""
        assert node.when is not None
        del self._active[len(pad) // 4 - 1 :]
        self._args = node.args
        before, (code,) = self.formulas.lines([node.when], self._temporary)
        origins = tuple(dict.fromkeys(_origins(node)))
        for name, text in before:
            self.lines.add(f"{pad}{name} = {text}", *origins)
        self.lines.add(f"{pad}if {code.text}:", *origins)
        return pad + "    "

    def _comment(self, node: Node, pad: str) -> None:
        """The lines of the model that the next statements answer to, where they are others than before."""
        origins = list(dict.fromkeys(_origins(node)))
        origins = [o for o in origins if o.rule not in ("copy", "zero")]
        keys = {_key(o) for o in origins}
        if len(keys) != 1:
            return
        (key,) = keys
        origin = origins[0]
        if key != self.header:
            self.header, self.noted = key, set()
            lines = list(dict.fromkeys((s.file, s.line) for s in origin.spans))
            more = len(lines) - SHOWN if len(lines) > SHOWN + 1 else 0
            del lines[len(lines) - more :]
            shown = [f"{f}:{n}" for f, n in lines]
            width = max((len(s) for s in shown), default=0)
            for k, (label, (file, number)) in enumerate(zip(shown, lines, strict=True)):
                source = self.sources.get(file)
                text = source.line(number).split("#")[0].strip() if source else ""
                text = text if len(text) <= WIDE else f"{text[:WIDE].rstrip()} ..."
                mark = ("backward of  " if k == 0 else " " * 13) if _is_backward(origin) else ""
                self.lines.add(f"{pad}# {label:<{width}}   {mark}{text}".rstrip(), *origins)
            if more:
                self.lines.add(f"{pad}# and {more} lines more", *origins)
        for o in origins:
            for note in o.note.split("; "):
                if note and note not in self.noted:
                    self.noted.add(note)
                    self.lines.add(f"{pad}#     {note}", *origins)

    def _zero(self, node: Zero, depth: int) -> None:
        pad = "    " * depth
        name = next(name for slot, _, name in self.arguments if slot == node.slot)
        variable = self._variable(f"zero {node.slot} {node.start}", node.count, depth)
        self._local("Py_ssize_t", variable)
        start = "" if not node.start.terms else f"{dim_text(node.start, self.spell)} + "
        self.lines.add(f"{pad}for {variable} in range({dim_text(node.count, self.spell)}):", node.origin)
        self.lines.add(f"{pad}    {name}[{start}{variable}] = 0", node.origin)

    def _loop(self, node: Loop, depth: int) -> None:
        pad = "    " * depth
        if self.bounds is None and self._short(node, pad):
            return
        variable = self._variable(node.variable, node.extent, depth)
        self.extents[node.variable] = node.extent
        self._local("Py_ssize_t", variable)
        origins = tuple(dict.fromkeys(_origins(node)))
        first, extent = "0", dim_text(node.extent, self.spell)
        if self.bounds is not None:
            (first, extent), self.bounds = self.bounds, None
        still, self.still = self.still, {}
        self._still(node, pad)
        self._whole_loop(node, depth, variable, first, extent, origins)
        self.still = still

    def _whole_loop(self, node: Loop, depth: int, variable: str, first: str, extent: str, origins: tuple[Origin, ...]) -> None:
        pad = "    " * depth
        if node.strip:
            start, count = (self.spell.fresh(f"{variable}_{w}") for w in ("start", "count"))
            self._rounds(depth, start, count, first, extent, node.strip, origins)
            self.strips[node.variable] = start, count
            self.variables[node.variable] = start  # so that the loops inside may have the name
            for inner in node.body:
                self._node(inner, depth + 1)
            return
        if node.sums:
            self._blocked(node, depth, variable, first, extent, origins)
            return
        if node.of:
            self._in_strip(node, depth, variable, origins)
            for inner in node.body:
                self._node(inner, depth + 1)
            return
        self.lines.add(f"{pad}for {variable} in range({extent if first == '0' else f'{first}, {extent}'}):", *origins)
        before = len(self.lines.text)
        for inner in node.body:
            self._node(inner, depth + 1)
        if self.lines.idle(before):
            self.lines.add(f"{pad}    pass", *origins)

    def _still(self, node: Loop, pad: str) -> None:
        """What each round of an innermost loop would read at one place, of memory that it writes elsewhere: a variable. The C
        compiler cannot tell the places apart, and a loop that reads one of them again in each round is not vectorised."""
        body = [n for n in node.body if isinstance(n, Assign)]
        if len(body) < len(node.body) or (node.extent.value or BLOCKED) < STRIP:
            return
        targets = {n.target for n in body}
        bases = {self._base(name) for name in targets} - {""}
        for inner in body:
            for a in inner.args:
                moves = any(node.variable in ix.axes() or any(ix.gathers()) for ix in a.index)
                if a.value in targets or a.fill is not None or moves or self._base(a.value) not in bases or a in self.still:
                    continue
                shape = self.storage[a.value].value.shape
                if any(not ix.terms and d.value is None for ix, d in zip(a.index, shape, strict=True)):
                    continue  # where that size is 0 nothing is there to be read
                element = self._element(a)
                if element.type == "real":
                    name = self.spell.fresh(f"{self.spell(a.value)}_here")
                    self._local("real", name)
                    self.lines.add(f"{pad}{name} = {element.text}", inner.origin)
                    self.still[a] = name

    def _base(self, value: str) -> str:
        """The vector that an array of the kernel's own is a part of."""
        s = self.storage[value]
        return "" if s.kind not in ("slot", "work") or value in self.loaded else s.slot or s.kind

    def _rounds(self, depth: int, start: str, count: str, first: str, extent: str, most: int,
                origins: tuple[Origin, ...]) -> None:  # fmt: skip
        """The head of a loop that takes up to so many rounds at a time."""
        pad = "    " * depth
        for name in (start, count):
            self._local("Py_ssize_t", name)
        self.lines.add(f"{pad}for {start} in range({first}, {extent}, {most}):", *origins)
        self.lines.add(f"{pad}    {count} = {extent} - {start} if {extent} - {start} < {most} else {most}", *origins)

    def _in_strip(self, node: Loop, depth: int, variable: str, origins: tuple[Origin, ...]) -> str:
        """The head of a loop over the rounds of a strip; returns the number of a round in it."""
        pad, (start, count) = "    " * depth, self.strips[node.of]
        inside = self.inside[node.variable] = f"{variable}_in"
        self._taken.add(inside)
        self._local("Py_ssize_t", inside)
        self.lines.add(f"{pad}for {inside} in range({count}):", *origins)
        self.lines.add(f"{pad}    {variable} = {start} + {inside}", *origins)
        return inside

    def _blocked(self, node: Loop, depth: int, variable: str, first: str, extent: str,
                 origins: tuple[Origin, ...]) -> None:  # fmt: skip
        """In blocks: the C compiler vectorises the inner loop, and each block is summed by itself, where it lies if it does, else
        in the lanes of a vector, which the build asks for by the names of the sums (``compiler/build/lanes.py``). Where rounds
        may touch one another, or something is searched, the terms of a block are written down first."""
        pad = "    " * depth
        start, count, inside = "0", extent, variable
        single = first == "0" and node.extent.value is not None and node.extent.value <= BLOCK
        room = STRIP if node.of else node.extent.value if single else BLOCK
        few = bool(node.of) or (single and node.extent.value is not None and node.extent.value < BLOCKED)
        terms = [n for n in node.body if isinstance(n, Assign) and n.target in node.sums]
        there = [] if few else [n for n in terms if _KERNELS.get((n.op, self._lie(n, node)))]
        rest = [n for n in node.body if n not in there]
        lanes: dict[str, str] = {}
        if depth == 1 and not few and self.parallel and any(n in rest for n in terms):  # within another it may be short
            kept = [n for n in there if n.op != "+="]  # where there is a loop anyway, it sums what lies as well
            lanes = self._lanes(node, [n for n in node.body if n not in kept])
            there, rest = (kept, [n for n in node.body if n not in kept]) if lanes else (there, rest)
        if node.of:
            inside, count, deep = self._in_strip(node, depth, variable, origins), self.strips[node.of][1], depth + 1
        elif single:
            deep = depth + 1
            for name in lanes.values():
                self.lines.add(f"{pad}{name} = 0", *origins)
            if rest:
                self.lines.add(f"{pad}for {variable} in range({extent}):", *origins)
        else:
            start, count, inside = (self.spell.fresh(f"{variable}_{w}") for w in ("start", "count", "in"))
            self._rounds(depth, start, count, first, extent, BLOCK, origins)
            deep = depth + 2
            for name in lanes.values():
                self.lines.add(f"{pad}    {name} = 0", *origins)
            if rest:
                self._local("Py_ssize_t", inside)
                self.lines.add(f"{pad}    for {inside} in range({count}):", *origins)
                self.lines.add(f"{pad}        {variable} = {start} + {inside}", *origins)
        buffers: list[tuple[str, Assign]] = []
        for inner in node.body:
            assert isinstance(inner, Assign)
            if inner in there:
                self.variables[node.variable], before = start, self.variables[node.variable]
                buffers.append((self._starts(inner, node.variable if single else ""), inner))
                self.variables[node.variable] = before
            elif inner.target in lanes:
                buffers.append((lanes[inner.target], inner))
                self._comment(inner, "    " * deep)
                self._assign(inner, "    " * deep, lanes[inner.target])
            elif inner.target in node.sums:
                buffer = self.spell.fresh(f"{self.spell(inner.target)}_block")
                self._local("real", f"{buffer}[{room}]")
                buffers.append((buffer, inner))
                self._comment(inner, "    " * deep)
                self._assign(inner, "    " * deep, f"{buffer}[{inside}]")
            else:
                self._node(inner, deep)
        pad = "    " * (deep - 1)
        in_turn = [pair for pair in buffers if few and pair[1].op == "+="]
        if in_turn:
            self.lines.add(f"{pad}for {inside} in range({count}):", *(inner.origin for _, inner in in_turn))
        for buffer, inner in (*in_turn, *(pair for pair in buffers if pair not in in_turn)):
            target = self._element(Access(inner.target, inner.index)).text
            if (buffer, inner) in in_turn:
                self.lines.add(f"{pad}    {target} += {buffer}[{inside}]", inner.origin)
                continue
            if inner.target in lanes:
                self.lines.add(f"{pad}{target} += {buffer}", inner.origin)
                continue
            if inner in there:
                self._comment(inner, pad)
            kernel = f"block_{_KERNELS[inner.op, self._lie(inner, node) if inner in there else 'one']}"
            self.used.add(kernel)
            if inner.op in ("+=", "*="):
                self.lines.add(f"{pad}{target} {inner.op} {kernel}({buffer}, {count})", inner.origin)
                continue
            name = inner.op.removesuffix("=")
            self.used.add(name)
            function = CALLS.get(name, name)
            self.lines.add(f"{pad}{target} = {function}({target}, {kernel}({buffer}, {count}))", inner.origin)

    def _lanes(self, loop: Loop, rest: Sequence[Node]) -> dict[str, str]:
        """The names of what a block's sums are added up in, by the sums, if the rounds of the loop may be taken in any order:
        each writes at a place of its own, which no other reads."""
        names: dict[str, str] = {}
        written: dict[str, tuple[Ix, ...]] = {}
        for term in rest:
            if not isinstance(term, Assign) or term.drop:
                return {}
            if term.target in loop.sums:
                if term.op != "+=":
                    return {}
                names[term.target] = ""
            elif self.storage[term.target].kind != "scalar":
                index = written.setdefault(self.spell(term.target), term.index)
                if index != term.index or all(index[d].plain != loop.variable for d in self.storage[term.target].dims):
                    return {}
            elif term.op != "=":
                return {}
        for term in rest:
            assert isinstance(term, Assign)
            inside = {g.value for a in term.args for ix in a.index for g in ix.gathers()}
            inside |= {g.value for ix in term.index for g in ix.gathers()}
            if any(self.spell(name) in written for name in inside):
                return {}
            if any(written.get(self.spell(a.value), a.index) != a.index for a in term.args):
                return {}
        for target in names:
            names[target] = f"_{self.spell.fresh(f'{self.spell(target)}_block')}"  # no name that a model can have
            self._local("real", names[target])
        return names

    def _short(self, node: Loop, pad: str) -> bool:
        """A loop of a few rounds that does nothing but add up what lies in memory is a call each: the sum of a row in a vector.
        Where the loop around it runs along memory as well, as over the places of a window, the C compiler takes several of
        these at a time instead."""
        count = node.extent.value
        if count is None or not SHORTEST <= count < BLOCKED or node.of or node.strip or node.sums or node.reverse:
            return False
        sums: list[tuple[Assign, str]] = []
        for term in node.body:
            if not isinstance(term, Assign) or term.op != "+=" or term.drop:
                return False
            if any(node.variable in ix.axes() for ix in term.index):
                return False
            name = _KERNELS.get((term.op, self._lie(term, node)))
            steps = [step for a in term.args for atom, step in self._place(a).terms if atom != node.variable]
            if name is None or any(step.value is not None and abs(step.value) == 1 for step in steps):
                return False
            sums.append((term, f"short_{name}"))
        targets = {term.target for term, _ in sums}
        if len(targets) < len(sums) or any(a.value in targets for term, _ in sums for a in term.args):
            return False
        for term, name in sums:
            self.used.add(name)
            self._comment(term, pad)
            target = self._element(Access(term.target, term.index)).text
            self.lines.add(f"{pad}{target} += {name}({self._starts(term, node.variable)}, {count})", term.origin)
        return True

    def _starts(self, term: Assign, first: str = "") -> str:
        """Where the factors of a term start: at the place of the loop's variable, or at its first if that is named."""
        accesses = [term.args[k] for k in dict.fromkeys(_factors(term.body))]
        return ", ".join(self._start(substitute_access(a, {first: Ix()}, {}) if first else a) for a in accesses)

    def _lie(self, term: Assign, loop: Loop) -> str:
        """How the terms of a reduction lie in memory, all there when the loop is done: "one" after the other; "absolutes" or
        "squares" of what does; "two", products of such pairs; else ""."""
        factors = _factors(term.body)
        if not factors or not all(self._lies(term.args[k], term, loop) for k in factors):
            return ""
        if len(factors) == 1:
            return "one" if term.body.op == "arg" else "absolutes" if self.parallel else ""
        return "" if not self.parallel else "squares" if factors[0] == factors[1] else "two"

    def _place(self, access: Access) -> Ix:
        s = self.storage[access.value]
        return linear([self._local_index(access.index[d]) if d == s.along else access.index[d] for d in s.dims], s.extents)

    def _lies(self, read: Access, term: Assign, loop: Loop) -> bool:
        if read.fill is not None:
            return False
        s = self.storage[read.value]
        if s.kind == "scalar" or s.value.kind == "int" or read.value in self.loaded:
            return False
        place = self._place(read).terms
        if dict(place).get(loop.variable) != Dim.of(1) or any(not isinstance(atom, str) for atom, _ in place):
            return False
        nodes = [n for n in loop.body if isinstance(n, Assign)]
        written = [n for n in nodes if self.spell(n.target) == self.spell(read.value)]
        if any(n.target != read.value or n.index != read.index or n.drop for n in written):
            return False
        return all(nodes.index(n) < nodes.index(term) for n in written)

    def _assign(self, node: Assign, pad: str, into: str | None = None) -> None:
        self._args = node.args
        less = node.op == "+=" and into is None and node.body.op == "neg"
        before, (code,) = self.formulas.lines([node.body.args[0] if less else node.body], self._temporary)
        element = self._element(Access(node.target, node.index))
        target = into or element.text
        if node.drop:
            guard = self._guard(node.index, self.storage[node.target].value.shape)
            if guard is None:
                return
            if guard:
                self.lines.add(f"{pad}if {guard}:", node.origin)
                pad += "    "
        for name, text in before:
            self.lines.add(f"{pad}{name} = {text}", node.origin)
        text = self.formulas.real(code).text if code.type == "bool" else code.text
        if element.type == "int" and code.type != "int" and not into:
            text = f"<Py_ssize_t>({code.text})"
        if into or node.op == "=":
            sign = "+=" if into and into.isidentifier() else "="
            self.lines.add(f"{pad}{target} {sign} {text}", node.origin)
        elif node.op in ("+=", "*="):
            sign = "-=" if less else node.op
            self.lines.add(f"{pad}{target} {sign} {text}", node.origin)
        else:
            name = "max" if node.op == "max=" else "min"
            self.used.add(name)
            function = "maximum" if name == "max" else "minimum"
            self.lines.add(f"{pad}{target} = {function}({target}, {text})", node.origin)

    def _arg_best(self, node: ArgBest, pad: str) -> None:
        self._args = node.args
        before, (code,) = self.formulas.lines([node.body], self._temporary)
        for name, text in before:
            self.lines.add(f"{pad}{name} = {text}", node.origin)
        best = self._element(Access(node.best, node.index)).text
        target = self._element(Access(node.target, node.index)).text
        variable = self._index(node.place)
        candidate, take = self._temporary(E.ZERO, "real"), self._temporary(E.ZERO, "bool")
        self.lines.add(f"{pad}{candidate} = {code.text}", node.origin)
        # the first NaN wins, as NumPy's argmax has it; no branch, so that the C compiler can take several at a time
        name = "above" if node.largest else "below"
        self.used |= {name, "pick"}
        self.lines.add(f"{pad}{take} = {name}({candidate}, {best})", node.origin)
        self.lines.add(f"{pad}{best} = pick({take}, {candidate}, {best})", node.origin)
        if self._element(Access(node.target, node.index)).type == "int":
            self.lines.add(f"{pad}{target} = {variable} if {take} else {target}", node.origin)
        else:
            self.lines.add(f"{pad}{target} = pick({take}, {variable}, {target})", node.origin)

    def _rank(self, node: Rank, pad: str) -> None:
        self.used.add("rank")
        count, scratch = dim_text(node.count, self.spell), self._name(node.scratch)
        steps = [dim_text(ix.const, self.spell) for ix in (node.source_stride, node.target_stride)]
        source, target = self._start(node.source), self._start(node.target)
        self.lines.add(f"{pad}rank({count}, {source}, {steps[0]}, {target}, {steps[1]}, {scratch}, {int(node.descending)})",
                       node.origin)  # fmt: skip

    def _start(self, access: Access) -> str:
        """Where an array is read or written from on."""
        offset = self._position(access)
        name = self._name(access.value)
        return name if offset == "0" else f"{name} + {offset}"

    def _product(self, node: Product, pad: str) -> None:
        self._args = node.args
        before, (alpha, beta) = self.formulas.lines([node.alpha, node.beta], self._temporary)
        for name, text in before:
            self.lines.add(f"{pad}{name} = {text}", node.origin)
        a, b, c = map(self._start, (node.a, node.b, node.c))

        def sizes(*dims: Dim) -> str:
            return ", ".join(dim_text(d, self.spell) for d in dims)

        columns = node.columns
        if len(node.rows) == len(node.depth) == 1 and columns.c.is_one() and not node.guard:
            (rows,), (depth,) = node.rows, node.depth
            if node.moves:
                self.used.add("gemm_move")
                self.lines.add(f"{pad}gemm_move(rule, {sizes(rows.extent, columns.extent, depth.extent)},", node.origin)
                self.lines.add(f"{pad}          {a}, {sizes(rows.a, depth.a)},", node.origin)
                self.lines.add(f"{pad}          {b}, {sizes(depth.b, columns.b)},", node.origin)
                self.lines.add(f"{pad}          {c}, {self._name(node.moves)})", node.origin)
                return
            self.used.add("gemm")
            self.lines.add(f"{pad}gemm({sizes(rows.extent, columns.extent, depth.extent)}, {alpha.text},", node.origin)
            self.lines.add(f"{pad}     {a}, {sizes(rows.a, depth.a)},", node.origin)
            self.lines.add(f"{pad}     {b}, {sizes(depth.b, columns.b)},", node.origin)
            self.lines.add(f"{pad}     {beta.text}, {c}, {sizes(rows.c)})", node.origin)
            return
        call = f"contract_guarded({int(node.guard == 'b')}, " if node.guard else "contract("
        self.used.add(call.partition("(")[0])
        none = Level((), Dim.of(1), Dim.of(0), Dim.of(0), Dim.of(0))
        rows_text = [sizes(lv.extent, lv.a, lv.c) for lv in (*(none,) * (LEVELS - len(node.rows)), *node.rows)]
        depth_text = [sizes(lv.extent, lv.a, lv.b) for lv in (*(none,) * (LEVELS - len(node.depth)), *node.depth)]
        self.lines.add(f"{pad}{call}{',  '.join(rows_text)},", node.origin)
        inner = pad + " " * (call.index("(") + 1)
        self.lines.add(f"{inner}{',  '.join(depth_text)},", node.origin)
        self.lines.add(f"{inner}{sizes(columns.extent, columns.b, columns.c)},", node.origin)
        self.lines.add(f"{inner}{alpha.text}, {a}, {b}, {beta.text}, {c})", node.origin)

    # ------------------------------------------------------------ names and elements

    def _temporary(self, node: Expr, type_: str) -> str:
        self.temporaries += 1
        name = self.spell.fresh(f"t{self.temporaries}")
        self._local({"bool": "bint", "int": "Py_ssize_t"}.get(type_, "real"), name)
        return name

    def _variable(self, variable: str, extent: Dim, depth: int) -> str:
        """A short name for a loop variable: n for N, otherwise i, j, k... from the outside in."""
        del self._active[depth - 1 :]
        active = {self.variables[v] for v in self._active}
        wanted = [extent.name.lower()] if extent.name and len(extent.name) == 1 else []
        wanted += ["j", "k", "l", "i", "m", "q", "r", "s", "u", "v"]
        for name in wanted:
            if name not in self._taken and name not in active:
                self.variables[variable] = name
                break
        else:
            self.variables[variable] = self.spell.fresh("i")
        self._active.append(variable)
        return self.variables[variable]

    def _index(self, ix: Ix) -> str:
        """An index as integer arithmetic."""
        parts: list[str] = []
        for atom, factor in ix.terms:
            if isinstance(atom, str):
                text = self.variables[atom]
            elif isinstance(atom, Gather):
                code = self._element(Access(atom.value, atom.index))
                text = code.text if code.type == "int" else f"<Py_ssize_t>{code.text}"
            else:
                sign = "//" if isinstance(atom, Quot) else "%"
                text = f"({self._index(atom.a)}) {sign} ({dim_text(atom.b, self.spell)})"
                text = f"({text})"
            one = len(factor.terms) == 1
            if factor.value == 1:
                parts.append(f" + {text}")
            elif factor.value == -1:
                parts.append(f" - {text}")
            elif factor.value is not None and factor.value < 0:
                parts.append(f" - {-factor.value}*{text}")
            else:
                scale = dim_text(factor, self.spell)
                parts.append(f" + {scale if one else f'({scale})'}*{text}")
        constant = ix.const
        if constant.terms or not parts:
            text = dim_text(constant, self.spell)
            parts.append(f" - {text[1:]}" if text.startswith("-") and len(constant.terms) == 1 else f" + {text}")
        joined = "".join(parts)
        return "-" + joined[3:] if joined.startswith(" - ") else joined[3:]

    def _position(self, access: Access) -> str:
        return self._index(self._place(access))

    def _local_index(self, ix: Ix) -> Ix:
        """The number of a round in its strip."""
        name = str(ix.plain)
        self.variables[f"{name} in"] = self.inside[name]
        return at(f"{name} in")

    def _name(self, value: str) -> str:
        """A value as it is called inside of the function that is being written."""
        return f"_shared.{self.spell(value)}" if value in self.shared else self.spell(value)

    def _element(self, access: Access) -> Code:
        s = self.storage[access.value]
        name = self._name(s.value.name)
        if access.value in self.loaded:
            return Code(name, ATOM, "real")
        stored_as_int = s.value.kind == "int" and (s.kind == "scalar" or s.slot.startswith(("in:", "out:")))
        type_ = "int" if stored_as_int else "real"
        if s.kind == "scalar":
            return Code(name, ATOM, type_)  # type: ignore[arg-type]
        if access in self.still:
            return Code(self.still[access], ATOM, "real")
        return Code(f"{name}[{self._position(access)}]", ATOM, type_)  # type: ignore[arg-type]

    def _guard(self, index: Sequence[Ix], shape: Shape) -> str | None:
        """The condition that ``index`` is inside; only what is not plain to see is asked. None: it never is."""
        conditions: list[str] = []
        for ix, extent in zip(index, shape, strict=True):
            if ix.plain is not None and self.extents.get(ix.plain) == extent:
                continue
            if not ix.terms and ix.const.value is not None and (extent.value is not None or ix.const.value < 0):
                if ix.const.value < 0 or ix.const.value >= (extent.value or 0):
                    return None
                continue
            conditions.append(f"0 <= {self._index(ix)} < {dim_text(extent, self.spell)}")
        return " and ".join(conditions)

    def _leaf(self, node: Expr) -> Code:
        if node.op == "arg":
            assert isinstance(node.value, int)
            access = self._args[node.value]
            element = self._element(access)
            if access.fill is None:
                return element
            guard = self._guard(access.index, self.storage[access.value].value.shape)
            if guard == "":
                return element
            if isinstance(access.fill, str):
                self.used.add(access.fill.removeprefix("-"))
                fill = access.fill
            else:
                fill = self.formulas.real(self.formulas.number(access.fill)).text
            if guard is None:
                return Code(fill, ATOM, element.type)
            return Code(f"({element.text} if {guard} else {fill})", ATOM, element.type)
        if node.op == "idx":
            return Code(self.variables[str(node.value)], ATOM, "int")
        assert node.op == "size" and isinstance(node.value, Dim)
        text = dim_text(node.value, self.spell)
        return Code(text, ATOM if text.isidentifier() else 6, "int")


def _factors(body: Expr) -> tuple[int, ...]:
    """The arguments of which a body is the product, if these are one or two, a square has one twice; or the absolute value."""
    if body.op in ("arg", "abs"):
        inner = body if body.op == "arg" else body.args[0]
        return (inner.value,) if inner.op == "arg" and isinstance(inner.value, int) else ()
    if body.op == "square" or (body.op == "pow" and body.args[1].number == 2):
        parts = (body.args[0], body.args[0])
    elif body.op == "mul":
        parts = (body.args[0], body.args[1])
    else:
        return ()
    numbers = tuple(part.value for part in parts if part.op == "arg" and isinstance(part.value, int))
    return numbers if len(numbers) == 2 else ()


def _walk(nodes: Sequence[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        if isinstance(node, Loop):
            yield from _walk(node.body)


def _written(nodes: Sequence[Node]) -> set[str]:
    """The values that nodes write."""
    found: set[str] = set()
    for node in _walk(nodes):
        if isinstance(node, Assign | ArgBest):
            found.add(node.target)
        elif isinstance(node, Product):
            found |= {node.c.value, node.moves} - {""}
        elif isinstance(node, Rank):
            found.add(node.target.value)
        elif isinstance(node, Move):
            found.add(node.parameter)
    return found


def _origins(node: Node) -> Iterator[Origin]:
    if isinstance(node, Loop):
        for inner in node.body:
            yield from _origins(inner)
    else:
        yield node.origin


def _weight(node: Node) -> int:
    if isinstance(node, Loop):
        return sum(map(_weight, node.body))
    return operations(node.body) if isinstance(node, Assign | ArgBest) else 1


def _pieces(body: Sequence[Node]) -> list[list[Node]]:
    """The nodes of a kernel in as many runs as it needs functions."""
    pieces: list[list[Node]] = [[]]
    count = 0
    weights = [_weight(node) for node in body]
    if sum(weights) <= 2 * PIECE:
        return [[*body]]
    for node, weight in zip(body, weights, strict=True):
        if count and count + weight > PIECE:
            pieces.append([])
            count = 0
        pieces[-1].append(node)
        count += weight
    return pieces


def _ordered(values: Iterable[str], rank: Mapping[str, int]) -> list[str]:
    """Those of the values that have a rank, by their ranks."""
    return sorted((v for v in values if v in rank), key=rank.__getitem__)


def _is_backward(origin: Origin) -> bool:
    return origin.rule.startswith(("vjp", "fan-out", "seed"))


def _key(origin: Origin) -> tuple[object, ...]:
    return tuple(dict.fromkeys((s.file, s.line) for s in origin.spans)), _is_backward(origin)


def _wrap(head: str, parts: Sequence[str], tail: str, width: int = 120) -> Iterator[str]:
    """``head`` + parts + ``tail`` over as many lines as needed; without brackets a declaration is repeated."""
    line = head
    bracket = head.rstrip().endswith("(")
    for k, part in enumerate(parts):
        last = k == len(parts) - 1
        piece = part + (tail if last else ",")
        if line != head and len(line) + 1 + len(piece) > width:
            yield line if bracket else line.rstrip(",")
            line = (" " * len(head) if bracket else head) + piece
        else:
            line += piece if line == head else f" {piece}"
    yield line if parts else head + tail


def shape_text(value: Value) -> str:
    return value.name + (f"[{', '.join(map(str, value.shape))}]" if value.shape else "")


__all__ = ["BLOCK", "KernelWriter", "Lines", "Storage", "dim_text", "shape_text"]
