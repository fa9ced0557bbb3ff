"""Sums along loops: in blocks, in the lanes of a vector, from memory, and in strips of short rows."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph.expr import Expr
from ..graph.ir import Access, Ix, Origin
from ..graph.rewrite import substitute_access
from ..graph.shapes import Dim
from ..loops.ir import Assign, Loop, Node
from ..loops.joins import BLOCKED
from ..loops.nest import STRIP
from .formulas import CALLS
from .streams import Streams

BLOCK = 512  # elements of a long sum that are added at a time
IN_LANES = 2048  # the same where each lane of a vector adds up its part of them: what begins and ends a block is 5% then
SHORTEST = 4  # terms of a sum for which a vector is worth it
# what reduces terms that lie in memory, by how they lie
_KERNELS = {("+=", "one"): "sum", ("+=", "absolutes"): "absolutes", ("+=", "squares"): "squares", ("+=", "two"): "dot",
            ("*=", "one"): "product", ("max=", "one"): "max", ("min=", "one"): "min"}  # fmt: skip


class Sums(Streams):
    """Writes the loops that sum something."""

    block = BLOCK  # rounds of a block of the loop that was written last

    def _node(self, node: Node, depth: int) -> None:
        raise NotImplementedError

    def _assign(self, node: Assign, pad: str, into: str | None = None) -> None:
        raise NotImplementedError

    def _comment(self, node: Node, pad: str) -> None:
        raise NotImplementedError

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
        streams: list[Access] = []
        places: list[str] = []
        far = summed = ""
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
            self.block = IN_LANES if lanes else BLOCK
            deep = depth + 2
            streams = self._streams(node) if first != "0" and not any(n in rest for n in terms) else []
            if streams:
                self.block = BLOCK
                if there:
                    summed = self.spell.fresh(f"{variable}_summed")
                    self._local("Py_ssize_t", summed)
                    self.lines.add(f"{pad}{summed} = {first}", *origins)
                far = self._ahead(streams, node, pad, start, count, first, extent, BLOCK, origins)
                places = self._flow(streams, f"{pad}    ", far, start, inside, origins)
            else:
                self._rounds(depth, start, count, first, extent, self.block, origins)
            for name in lanes.values():
                self.lines.add(f"{pad}    {name} = 0", *origins)
            if rest:
                self._local("Py_ssize_t", inside)
                self.lines.add(f"{pad}    for {inside} in range({count}):", *origins)
                self.lines.add(f"{pad}        {variable} = {start} + {inside}", *origins)
        buffers: list[tuple[str, Assign]] = []
        for inner in node.body:
            if not isinstance(inner, Assign):
                self._node(inner, deep)
            elif inner in there:
                self.variables[node.variable], before = summed or start, self.variables[node.variable]
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
        if streams:
            self._leave(streams, places, pad, far, start, count, origins)
            self.lines.add(f"{pad}{start} += {count}", *origins)
        if summed:  # block by block as ever, wherever a line begins
            self.lines.add(f"{pad}while {summed} < {start} and ({start} - {summed} >= {BLOCK} or {start} == {extent}):", *origins)
            pad += "    "
            self.lines.add(f"{pad}{count} = {start} - {summed} if {start} - {summed} < {BLOCK} else {BLOCK}", *origins)
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
        if summed:
            self.lines.add(f"{pad}{summed} += {count}", *origins)
        if streams:
            pad = "    " * depth
            self.lines.add(f"{pad}if {far}:", *origins)
            self.lines.add(f"{pad}    settle()", *origins)

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
