"""Loop nests to Cython that is written to be read: the model's names, a comment for each group of statements."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from ..graph import expr as E
from ..graph.ir import Access, Ix, Origin, fixed
from ..graph.rewrite import substitute_ix
from ..graph.shapes import Dim
from ..loops.buffers import used
from ..loops.ir import ArgBest, Assign, Leave, Loop, Move, Node, Product, Rank, Zero
from ..loops.items import UNROLLED
from ..loops.joins import BLOCKED
from ..loops.nest import STRIP
from ..loops.nodes import walk
from ..loops.shares import Share
from ..passes.products import LEVELS, Level
from .lines import Lines, dim_text, is_backward, key_of, origins_of, pieces_of, wrap, written_by
from .places import SEVERAL
from .rows import few
from .sums import Sums

SHOWN = 24  # lines of the model in one comment
WIDE = 160  # characters of a line of the model in a comment


@dataclass(slots=True)
class _Part:
    """A loop as a function over some of its rounds, which several threads may call."""

    name: str
    node: Loop
    share: Share
    formals: list[tuple[str, str, str]]  # type, name, what is given for it
    passed: set[str]  # values that it is given
    declared: set[str]  # values that it declares
    ones: dict[str, str]  # what lives in one round, and how the caller's memory for that is called
    made: dict[str, dict[Origin, None]]  # what each sum is made of
    first: str
    last: str
    sums: str
    own: str
    origins: tuple[Origin, ...]
    arrays: list[tuple[str, int, int]] = field(default_factory=list)  # that it adds to: name, length, where its sums begin
    each: str = ""  # the variable over their elements
    count: int = 0  # numbers that are summed
    room: int = 0  # reals that a part needs for itself


class KernelWriter(Sums):
    """Writes one nest as a ``cdef`` function."""

    def write(self) -> Lines:
        out = Lines()
        pieces = pieces_of(self.nest.body)
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
        rows = few(self.nest) if self.parallel and not self.shares else None
        if rows is not None:
            self.used.add("few")
            origins = [o for node in self.nest.body if isinstance(node, Loop) for o in origins_of(node)]
            out.add(f"    few({self.spell(rows[0])}, {', '.join(map(str, rows[1]))})", *dict.fromkeys(origins))
        out.extend(body)
        if any("root(" in line for line in out.text):
            self.used.add("root")
        return out

    def _used(self, nodes: Sequence[Node]) -> dict[str, None]:
        """The values that nodes read or write, those that they write over, and the slots that they set to zero."""
        found = used(nodes)
        found |= {self.over[name]: None for name in found if name in self.over}
        slots = [node.slot for node in walk(nodes) if isinstance(node, Zero)]
        slots += ["rule" for node in walk(nodes) if isinstance(node, Move) or (isinstance(node, Product) and node.moves)]
        return {**found, **dict.fromkeys(slots)}

    def _head(self, out: Lines, name: str, arguments: Sequence[tuple[str, str, str]], work: bool, more: str = "") -> None:
        args = [f"{type_} {spelled}" for _, type_, spelled in arguments]
        args += ["write work"] if work else []
        args += [f"Py_ssize_t {self.spell(n)}" for n in self.free]
        args += [more] if more else []
        for line in wrap(f"cdef void {name}(", args, ") noexcept nogil:"):
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
        before = self.lines, self.locals, self.header, self.noted
        self.lines, self.locals, self.header, self.noted = Lines(), {}, None, set()
        part = self._part(node, share)
        self._part_body(part)
        self._part_function(part, self.lines, out)
        self._part_entry(part, out)
        self.lines, self.locals, self.header, self.noted = before
        self._part_call(part)

    def _part(self, node: Loop, share: Share) -> _Part:
        """What the function is given: memory, scalars that it reads, and a place for what lives in one round."""
        values = self._used([node])
        there = values.keys() - {*share.arrays}  # of an array that it adds to, a part has its own
        formals, passed = self._pointers(node, there - {*share.own})
        for name in share.reads:
            type_, declarator = self._variable_of(self.storage[name], self.doubles)
            spelled, array, _ = declarator.partition("[")
            formals.append(("read", spelled, spelled) if array else (type_, spelled, f"&{spelled}"))
        ones = {name: self.spell.fresh(f"{self.spell(name)}_one") for name in share.own}
        formals += [("write", here, self.spell(name)) for name, here in ones.items()]
        self.parts += 1
        made: dict[str, dict[Origin, None]] = {}
        for leaf in walk([node]):
            if isinstance(leaf, Assign):
                made.setdefault(leaf.target, {})[leaf.origin] = None
        first, last, sums, own = (self.spell.fresh(word) for word in ("first", "last", "sums", "own"))
        declared = there - {*share.reads, *share.own} - passed
        name, origins = f"_{self.nest.kernel.name}_part{self.parts}", tuple(dict.fromkeys(origins_of(node)))
        return _Part(name, node, share, formals, passed, declared, ones, made, first, last, sums, own, origins)

    def _part_body(self, part: _Part) -> None:
        """The rounds, and behind them its sums where the caller finds them."""
        self.bounds = part.first, part.last
        self._node(part.node, 1)
        self.bounds = None
        for k, name in enumerate(part.share.sums):
            self.lines.add(f"    {part.sums}[{k}] = {self.spell(name)}", *part.made[name])
        part.count = len(part.share.sums)
        for name in part.share.arrays:
            part.arrays.append((self.spell(name), self._length(name), part.count))
            part.count += self._length(name)
        part.each = self.spell.fresh("e") if part.arrays else ""
        for spelled, length, start in part.arrays:
            self._over(part, length, f"{part.sums}[{start} + {part.each}] = {spelled}[{part.each}]", self.lines)

    def _over(self, part: _Part, length: int, statement: str, lines: Lines) -> None:
        """A statement for each element of an array that parts add to."""
        self._local("Py_ssize_t", part.each)
        lines.add(f"    for {part.each} in range({length}):", *part.origins)
        lines.add(f"        {statement}", *part.origins)

    def _part_function(self, part: _Part, body: Lines, out: Lines) -> None:
        rest = [f"Py_ssize_t {n}" for n in (*map(self.spell, self.free), part.first, part.last)] + [f"double *{part.sums}"]
        rest += [f"write {part.own}"] if part.share.own else []
        for line in wrap(f"cdef void {part.name}(", [f"{t} {n}" for t, n, _ in part.formals] + rest, ") noexcept nogil:"):
            out.add(line)
        out.add(f"    # the rounds of a loop of {self.nest.kernel.name} from {part.first} up to {part.last}")
        for spelled, length, _ in part.arrays:
            self._local("real", f"{spelled}[{length}]")
        for text in self._declarations(part.declared):
            out.add(text)
        for name, here in part.ones.items():
            place = f"{here} if {part.own} == NULL else {part.own} + {part.room}"
            out.add(f"    cdef write {self.spell(name)} = {place}", *part.origins)
            part.room += -(-self._length(name) // 16) * 16
        for name in part.share.sums:
            out.add(f"    {self.spell(name)} = 0", *part.made[name])
        for spelled, length, _ in part.arrays:
            self._over(part, length, f"{spelled}[{part.each}] = 0", out)
        out.extend(body)

    def _part_entry(self, part: _Part, out: Lines) -> None:
        """The function as ``share.h`` calls it, whatever it is given."""
        given = [f"<{t}>s[{k}]" if t in ("read", "write", "indices", "write_indices") else f"(<{t} *>s[{k}])[0]"
                 for k, (t, _, _) in enumerate(part.formals)]  # fmt: skip
        given += [f"n[{k}]" for k in range(len(self.free))] + ["first", "last", "sums"] + ["<write>own"] * bool(part.share.own)
        head = f"cdef void _call{part.name}(void **s, const Py_ssize_t *n, Py_ssize_t first, Py_ssize_t last,"
        indent = " " * len(f"cdef void _call{part.name}(")
        for line in ("", "", head, f"{indent}double *sums, void *own) noexcept nogil:"):
            out.add(line)
        for line in wrap(f"    {part.name}(", given, ")"):
            out.add(line, *part.origins)
        for line in ("", ""):
            out.add(line)

    def _part_call(self, part: _Part) -> None:
        """What the kernel does in place of the loop: it has the rounds shared out, and adds the sums of the parts."""
        node, share, origins = part.node, part.share, part.origins
        self.handed |= {*part.passed, *share.own}
        self._comment(node, "    ")
        table, total = f"_given{self.parts}", f"_sums{self.parts}"
        self._local("void", f"*{table}[{len(part.formals)}]")
        for k, (_, _, text) in enumerate(part.formals):
            self.lines.add(f"    {table}[{k}] = <void *>{text}", *origins)
        if part.count:
            self._local("double", f"{total}[{part.count}]")
        sizes = [self.spell(n) for n in self.free]
        if sizes and "_sizes" not in "".join(self.locals.get("Py_ssize_t", {})):
            self._local("Py_ssize_t", f"_sizes[{len(sizes)}]")
            for k, name in enumerate(sizes):
                self.lines.add(f"    _sizes[{k}] = {name}", *origins)
        self.used.add("share")
        work = [dim_text(d, self.spell) for d in (node.extent, share.work)]
        rounds = self.block if node.sums or self._streams(node) else node.strip or 1
        call = [f"_call{part.name}", table, "_sizes" if sizes else "NULL", *work, str(rounds),
                total if part.count else "NULL", str(part.count), f"{part.room}*sizeof(real)" if part.room else "0"]  # fmt: skip
        for line in wrap("    share(", call, ")"):
            self.lines.add(line, *origins)
        for k, name in enumerate(share.sums):
            self.lines.add(f"    {self.spell(name)} += {total}[{k}]", *part.made[name])
        for spelled, length, start in part.arrays:
            self._over(part, length, f"{spelled}[{part.each}] += {total}[{start} + {part.each}]", self.lines)

    def _pointers(self, node: Node, values: Collection[str]) -> tuple[list[tuple[str, str, str]], set[str]]:
        """What a part of a loop is given of the memory that it touches, as (C type, name, what is given for it), and the values
        among it. Each is a pointer of its own: the C compiler takes two pointers for two places."""
        written = written_by([node])
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
        origins = tuple(dict.fromkeys(origins_of(node)))
        for name, text in before:
            self.lines.add(f"{pad}{name} = {text}", *origins)
        self.lines.add(f"{pad}if {code.text}:", *origins)
        return pad + "    "

    def _comment(self, node: Node, pad: str) -> None:
        """The lines of the model that the next statements answer to, where they are others than before."""
        origins = list(dict.fromkeys(origins_of(node)))
        origins = [o for o in origins if o.rule not in ("copy", "kept", "zero")]
        keys = {key_of(o) for o in origins}
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
                mark = ("backward of  " if k == 0 else " " * 13) if is_backward(origin) else ""
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
        if node.origin.note:
            self.lines.add(f"{pad}# {node.origin.note}", node.origin)
        self.lines.add(f"{pad}for {variable} in range({dim_text(node.count, self.spell)}):", node.origin)
        self.lines.add(f"{pad}    {name}[{start}{variable}] = 0", node.origin)

    def _loop(self, node: Loop, depth: int) -> None:
        pad = "    " * depth
        if self.bounds is None and (self._short(node, pad) or self._turned(node, pad)):
            return
        variable = self._variable(node.variable, node.extent, depth)
        self.extents[node.variable] = node.extent
        self._local("Py_ssize_t", variable)
        origins = tuple(dict.fromkeys(origins_of(node)))
        first, extent = "0", dim_text(node.extent, self.spell)
        if node.first != Ix():
            first = self._index(node.first)
        if node.end is not None:
            extent = self._index(node.end)
        if self.bounds is not None:
            (first, extent), self.bounds = self.bounds, None
        still, self.still = self.still, {}
        self._still(node, pad)
        flat = any(not isinstance(n, Assign) or n.body is not E.arg(0) for n in node.body)
        flat = flat and not any(isinstance(n, Loop) for n in node.body) and (node.extent.value or BLOCKED) > UNROLLED
        self.innermost = node.variable if flat else ""
        across, self.across = self.across, node.variable if self._takes_rows(node) else self.across if _is_few(node) else ""
        self._whole_loop(node, depth, variable, first, extent, origins)
        self.still, self.innermost, self.across = still, "", across

    def _takes_rows(self, node: Loop) -> bool:
        """Whether each round reads a row of few elements, of which it makes one: the C compiler writes out the loops along the
        row, and takes many rows at a time."""
        inside = [n for n in walk(node.body) if isinstance(n, Loop)]
        leaves = [n for n in walk(node.body) if not isinstance(n, Loop)]
        if not inside or not all(map(_is_few, inside)) or (node.extent.value or BLOCKED) <= UNROLLED or node.of or node.strip:
            return False
        for leaf in leaves:
            if not isinstance(leaf, Assign) or leaf.drop or self.storage[leaf.target].along >= 0:
                return False
            place = Ix() if self.storage[leaf.target].kind == "scalar" else self._place(Access(leaf.target, leaf.index))
            if node.variable in place.axes() and _step(place, node.variable) != Dim.of(1):
                return False
            if any(n.variable in place.axes() for n in inside):
                return False
        return True

    def _turned(self, node: Loop, pad: str) -> bool:
        """A copy of rows into columns, which the kernel that packs operands does in squares."""
        inner = node.body[0] if len(node.body) == 1 else None
        if not self.parallel or not isinstance(inner, Loop) or len(inner.body) != 1 or node.of or node.strip:
            return False
        (copy,) = inner.body
        if not isinstance(copy, Assign) or copy.op != "=" or copy.body is not E.arg(0) or copy.drop or inner.of or inner.strip:
            return False
        (read,), write = copy.args, Access(copy.target, copy.index)
        if read.fill is not None or any(True for a in (read, write) for ix in a.index for _ in ix.gathers()):
            return False
        if any(s.kind == "scalar" or s.value.kind == "int" for s in (self.storage[a.value] for a in (read, write))):
            return False
        if any((loop.extent.value or BLOCKED) < STRIP for loop in (node, inner)):
            return False
        places = self._place(read), self._place(write)
        steps = [[_step(place, loop.variable) for loop in (node, inner)] for place in places]
        if any(step is None for pair in steps for step in pair):
            return False
        (read_outer, read_inner), (write_outer, write_inner) = steps
        if read_outer is not None and read_outer.is_one() and write_inner is not None and write_inner.is_one():
            rows, columns, from_row, to_row = inner.extent, node.extent, read_inner, write_outer
        elif read_inner is not None and read_inner.is_one() and write_outer is not None and write_outer.is_one():
            rows, columns, from_row, to_row = node.extent, inner.extent, read_outer, write_inner
        else:
            return False
        assert from_row is not None and to_row is not None
        if from_row.is_one() or to_row.is_one():
            return False
        start = {node.variable: fixed(0), inner.variable: fixed(0)}
        texts = []
        for access, place in zip((read, write), places, strict=True):
            offset, name = self._index(substitute_ix(place, start, {})), self._name(access.value)
            texts.append(name if offset == "0" else f"{name} + {offset}")
        self.used.add("transpose")
        self._comment(copy, pad)
        counts = ", ".join(dim_text(d, self.spell) for d in (rows, columns))
        self.lines.add(f"{pad}transpose({counts}, {texts[0]}, {dim_text(from_row, self.spell)}, {texts[1]}, "
                       f"{dim_text(to_row, self.spell)})", copy.origin)  # fmt: skip
        return True

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
        if node.sums or (first != "0" and self._streams(node)):
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
        body = [n for n in node.body if isinstance(n, Assign | ArgBest)]
        if len(body) < len(node.body) or (node.extent.value or BLOCKED) < STRIP:
            return
        targets = {n.target for n in body} | {n.best for n in body if isinstance(n, ArgBest)}
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

    def _where_inside(self, node: Assign, pad: str) -> str | None:
        """The indent of what is done where the target is inside, behind the question whether it is; None where it never is."""
        guard = self._guard(node.index, self.storage[node.target].value.shape) if node.drop else ""
        if guard:
            self.lines.add(f"{pad}if {guard}:", node.origin)
            pad += "    "
        return None if guard is None else pad

    def _assign(self, node: Assign, pad: str, into: str | None = None) -> None:
        self._args = node.args
        less = node.op == "+=" and into is None and node.body.op == "neg"
        before, (code,) = self.formulas.lines([node.body.args[0] if less else node.body], self._temporary)
        element = self._element(Access(node.target, node.index))
        target = into or element.text
        within = self._where_inside(node, pad)
        if within is None:
            return
        pad = within
        for name, text in before:
            self.lines.add(f"{pad}{name} = {text}", node.origin)
        text = self.formulas.real(code).text if code.type == "bool" else code.text
        if element.type == "int" and code.type != "int" and not into:
            text = f"<Py_ssize_t>({code.text})"
        if into or node.op == "=":
            sign = "+=" if into and into.isidentifier() else "="
            why = "  # kept for the backward pass" if node.origin.rule == "kept" else ""
            self.lines.add(f"{pad}{target} {sign} {text}{why}", node.origin)
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

    def _product(self, node: Product, pad: str) -> None:
        self._args = node.args
        before, (alpha, beta) = self.formulas.lines([node.alpha, node.beta], self._temporary)
        for name, text in before:
            self.lines.add(f"{pad}{name} = {text}", node.origin)
        a, b, c = map(self._start, (node.a, node.b, node.c))
        onto, kind = self._start(node.onto) if node.onto else c, "relu" if node.relu else "as_it_is"
        ended = node.ended or node.filtered == "places"

        def sizes(*dims: Dim) -> str:
            return ", ".join(dim_text(d, self.spell) for d in dims)

        def steps(*levels: Level) -> tuple[Dim, ...]:
            return tuple(lv.d if node.onto else lv.c for lv in levels) if ended else ()

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
            if node.ended:
                self.used.add("gemm_onto")
                shape = sizes(rows.extent, columns.extent, depth.extent)
                self.lines.add(f"{pad}gemm_onto({shape}, {alpha.text},", node.origin)
                self.lines.add(f"{pad}          {a}, {sizes(rows.a, depth.a)},", node.origin)
                self.lines.add(f"{pad}          {b}, {sizes(depth.b, columns.b)},", node.origin)
                self.lines.add(f"{pad}          {beta.text}, {onto}, {sizes(*steps(rows, columns))}, {kind},", node.origin)
                self.lines.add(f"{pad}          {c}, {sizes(rows.c)})", node.origin)
                return
            self.used.add("gemm")
            self.lines.add(f"{pad}gemm({sizes(rows.extent, columns.extent, depth.extent)}, {alpha.text},", node.origin)
            self.lines.add(f"{pad}     {a}, {sizes(rows.a, depth.a)},", node.origin)
            self.lines.add(f"{pad}     {b}, {sizes(depth.b, columns.b)},", node.origin)
            self.lines.add(f"{pad}     {beta.text}, {c}, {sizes(rows.c)})", node.origin)
            return
        call = f"contract_guarded({int(node.guard == 'b')}, " if node.guard else "contract_onto(" if node.ended else "contract("
        if node.filtered:
            call = "winograd(" if node.filtered == "places" else "winograd_weights("
        self.used.add(call.partition("(")[0])
        none = Level((), Dim.of(1), Dim.of(0), Dim.of(0), Dim.of(0))
        rows_text = [sizes(lv.extent, lv.a, lv.c, *steps(lv)) for lv in (*(none,) * (LEVELS - len(node.rows)), *node.rows)]
        depth_text = [sizes(lv.extent, lv.a, lv.b) for lv in (*(none,) * (LEVELS - len(node.depth)), *node.depth)]
        self.lines.add(f"{pad}{call}{',  '.join(rows_text)},", node.origin)
        inner = pad + " " * (call.index("(") + 1)
        self.lines.add(f"{inner}{',  '.join(depth_text)},", node.origin)
        self.lines.add(f"{inner}{sizes(columns.extent, columns.b, columns.c, *steps(columns))},", node.origin)
        ending = f"{onto}, {kind}, " if ended else ""
        self.lines.add(f"{inner}{alpha.text}, {a}, {b}, {beta.text}, {ending}{c})", node.origin)


def _step(place: Ix, variable: str) -> Dim | None:
    """By how much a position moves with a loop variable, if it does so evenly."""
    found = [(atom, factor) for atom, factor in place.terms if atom == variable or (
        not isinstance(atom, str) and variable in Ix(((atom, Dim.of(1)),)).axes())]  # fmt: skip
    return found[0][1] if len(found) == 1 and found[0][0] == variable else None


def _is_few(node: Loop) -> bool:
    """Whether it has so few rounds that the C compiler writes them out."""
    return 0 < (node.extent.value or 0) <= UNROLLED and not (node.strip or node.of or node.sums)
