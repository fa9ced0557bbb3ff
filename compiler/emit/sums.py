"""Sums along loops: in blocks, in the lanes of a vector, from memory, and in strips of short rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from ..graph.expr import Expr
from ..graph.ir import Access, Ix, Origin
from ..graph.rewrite import substitute_access
from ..graph.shapes import Dim
from ..loops.ir import ArgBest, Assign, Loop, Node
from ..loops.joins import BLOCKED
from ..loops.nest import STRIP
from ..records import dataclass
from .formulas import CALLS
from .streams import Streams

BLOCK = 512  # elements of a long sum that are added at a time
IN_LANES = 2048  # the same where each lane of a vector adds up its part of them: what begins and ends a block is 5% then
SHORTEST = 4  # terms of a sum for which a vector is worth it
# what reduces terms that lie in memory, by how they lie
_KERNELS = {("+=", "one"): "sum", ("+=", "absolutes"): "absolutes", ("+=", "squares"): "squares", ("+=", "two"): "dot",
            ("*=", "one"): "product", ("max=", "one"): "max", ("min=", "one"): "min",
            ("largest", "one"): "largest", ("least", "one"): "least"}  # fmt: skip


Sum = Assign | ArgBest  # what goes over terms: a sum, or the like, or the search for where one of them is
Term = tuple[str, Sum]  # where the terms of a block are found, and the sum that they belong to


@dataclass(slots=True)
class _Block:
    """A loop that is taken in blocks, while it is written."""

    node: Loop
    depth: int
    variable: str
    first: str
    extent: str
    origins: tuple[Origin, ...]
    single: bool  # all rounds are one block
    few: bool  # so few terms that they are added one after the other
    there: Sequence[Node]  # sums whose terms lie in memory
    rest: Sequence[Node]  # what the rounds do
    lanes: dict[str, str]  # sums that are added up in the lanes of a vector, and the names of what they are added up in
    written: bool  # the rounds make terms of sums
    start: str  # the first round of a block
    count: str  # how many it has
    inside: str  # the round within the block
    deep: int  # how deep the rounds are written
    streams: Sequence[Access] = ()  # results that go past the caches
    places: Sequence[str] = ()  # where they are written first
    far: str = ""  # whether they do
    summed: str = ""  # up to which round sums are there, where blocks begin elsewhere

    @property
    def room(self) -> int:
        """How many terms a block may have."""
        if self.node.of:
            return STRIP
        return self.node.extent.value if self.single and self.node.extent.value is not None else BLOCK


class Sums(Streams, ABC):
    """Writes the loops that sum something."""

    block = BLOCK  # rounds of a block of the loop that was written last

    @abstractmethod
    def _node(self, node: Node, depth: int) -> None:
        """Write a statement, or a loop with what is in it."""

    @abstractmethod
    def _assign(self, node: Assign, pad: str, into: str | None = None) -> None:
        """Write an assignment; with ``into``, to that variable."""

    @abstractmethod
    def _comment(self, node: Node, pad: str) -> None:
        """Write what a statement comes from, above it."""

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
        block = self._block(node, depth, variable, first, extent, origins)
        if node.of:
            block.inside, block.count = self._in_strip(node, depth, variable, origins), self.strips[node.of][1]
        elif block.single:
            self._one_block(block)
        else:
            self._many_blocks(block)
        buffers = self._terms(block)
        pad = "    " * (block.deep - 1)
        if block.streams:
            self._leave(block.streams, block.places, pad, block.far, block.start, block.count, origins)
            self.lines.add(f"{pad}{block.start} += {block.count}", *origins)
        if block.summed:  # block by block as ever, wherever a line begins
            start, count, summed = block.start, block.count, block.summed
            self.lines.add(f"{pad}while {summed} < {start} and ({start} - {summed} >= {BLOCK} or {start} == {extent}):", *origins)
            pad += "    "
            self.lines.add(f"{pad}{count} = {start} - {summed} if {start} - {summed} < {BLOCK} else {BLOCK}", *origins)
        self._add_up(block, buffers, pad)
        if block.summed:
            self.lines.add(f"{pad}{block.summed} += {block.count}", *origins)
        if block.streams:
            pad = "    " * depth
            self.lines.add(f"{pad}if {block.far}:", *origins)
            self.lines.add(f"{pad}    settle()", *origins)

    def _block(self, node: Loop, depth: int, variable: str, first: str, extent: str, origins: tuple[Origin, ...]) -> _Block:
        """Which terms are summed where they lie, which in lanes, and which are written down first."""
        single = first == "0" and node.extent.value is not None and node.extent.value <= BLOCK
        few = bool(node.of) or (single and node.extent.value is not None and node.extent.value < BLOCKED)
        terms = [n for n in node.body if isinstance(n, Sum) and n.target in node.sums]
        searched = [n for n in terms if not few or (_how(n) not in ("+=", "*=") and not node.of)]
        there = [n for n in searched if _KERNELS.get((_how(n), self._lie(n, node)))]
        rest = [n for n in node.body if n not in there]
        lanes: dict[str, str] = {}
        if depth == 1 and not few and self.parallel and any(n in rest for n in terms):  # within another it may be short
            kept = [n for n in there if _how(n) != "+="]  # where there is a loop anyway, it sums what lies as well
            lanes = self._lanes(node, [n for n in node.body if n not in kept])
            there, rest = (kept, [n for n in node.body if n not in kept]) if lanes else (there, rest)
        written = any(n in rest for n in terms)
        about = node, depth, variable, first, extent, origins
        return _Block(*about, single, few, there, rest, lanes, written, "0", extent, variable, depth + 1)

    def _one_block(self, block: _Block) -> None:
        """The head of a loop that is one block."""
        pad = "    " * block.depth
        for name in block.lanes.values():
            self.lines.add(f"{pad}{name} = 0", *block.origins)
        if block.rest:
            self.lines.add(f"{pad}for {block.variable} in range({block.extent}):", *block.origins)

    def _many_blocks(self, block: _Block) -> None:
        """The heads of the loop over blocks and of that over the rounds of one."""
        pad, variable, origins = "    " * block.depth, block.variable, block.origins
        start, count, inside = (self.spell.fresh(f"{variable}_{w}") for w in ("start", "count", "in"))
        block.start, block.count, block.inside, block.deep = start, count, inside, block.depth + 2
        self.block = IN_LANES if block.lanes else BLOCK
        block.streams = self._streams(block.node) if block.first != "0" and not block.written else []
        if block.streams:
            self.block = BLOCK
            if block.there:
                block.summed = self.spell.fresh(f"{variable}_summed")
                self._local("Py_ssize_t", block.summed)
                self.lines.add(f"{pad}{block.summed} = {block.first}", *origins)
            block.far = self._ahead(block.streams, block.node, pad, start, count, block.first, block.extent, BLOCK, origins)
            block.places = self._flow(block.streams, f"{pad}    ", block.far, start, inside, origins)
        else:
            self._rounds(block.depth, start, count, block.first, block.extent, self.block, origins)
        for name in block.lanes.values():
            self.lines.add(f"{pad}    {name} = 0", *origins)
        if block.rest:
            self._local("Py_ssize_t", inside)
            self.lines.add(f"{pad}    for {inside} in range({count}):", *origins)
            self.lines.add(f"{pad}        {variable} = {start} + {inside}", *origins)

    def _terms(self, block: _Block) -> list[Term]:
        """Write the rounds of a block: what they do, and the terms of sums."""
        node, pad = block.node, "    " * block.deep
        terms: list[Term] = []
        for inner in node.body:
            if not isinstance(inner, Sum):
                self._node(inner, block.deep)
            elif inner in block.there:
                self.variables[node.variable], before = block.summed or block.start, self.variables[node.variable]
                terms.append((self._starts(inner, node.variable if block.single else ""), inner))
                self.variables[node.variable] = before
            elif isinstance(inner, Assign) and inner.target in block.lanes:
                terms.append((block.lanes[inner.target], inner))
                self._comment(inner, pad)
                self._assign(inner, pad, block.lanes[inner.target])
            elif inner.target in node.sums:
                same = next((buffer for buffer, other in terms if other not in block.there and other.target not in block.lanes
                             and (other.body, other.args) == (inner.body, inner.args)), "")  # fmt: skip
                buffer = same or self.spell.fresh(f"{self.spell(inner.target)}_block")
                terms.append((buffer, inner))
                if same:  # as what is largest, and where that is
                    continue
                self._local("real", f"{buffer}[{block.room}]")
                self._comment(inner, pad)
                term = Assign(inner.target, inner.index, "=", inner.body, inner.args, inner.origin)
                self._assign(term if isinstance(inner, ArgBest) else inner, pad, f"{buffer}[{block.inside}]")
            else:
                self._node(inner, block.deep)
        return terms

    def _add_up(self, block: _Block, terms: Sequence[Term], pad: str) -> None:
        """Add the terms of a block to the sums: a few of them one after the other, others by a kernel."""
        in_turn = [term for term in terms if block.few and _how(term[1]) == "+="]
        if in_turn:
            origins = (inner.origin for _, inner in in_turn)
            self.lines.add(f"{pad}for {block.inside} in range({block.count}):", *origins)
        found: dict[tuple[str, str], str] = {}  # what is largest or least, where it has been looked for where that is
        for buffer, inner in sorted(terms, key=lambda term: (term not in in_turn, not isinstance(term[1], ArgBest))):
            target = self._element(Access(inner.target, inner.index)).text
            if (buffer, inner) in in_turn:
                self.lines.add(f"{pad}    {target} += {buffer}[{block.inside}]", inner.origin)
                continue
            if inner.target in block.lanes:
                self.lines.add(f"{pad}{target} += {buffer}", inner.origin)
                continue
            if inner in block.there:
                self._comment(inner, pad)
            kernel = f"block_{_KERNELS[_how(inner), self._lie(inner, block.node) if inner in block.there else 'one']}"
            of_all = found.get((buffer, _how(inner)), f"{kernel}({buffer}, {block.count})")
            if of_all.startswith(kernel):
                self.used.add(kernel)
            if isinstance(inner, ArgBest):
                here = self._best(inner, f"{kernel}({buffer}, {block.count})", buffer, block.start, pad)
                found[buffer, "max=" if inner.largest else "min="] = here
                continue
            if inner.op in ("+=", "*="):
                self.lines.add(f"{pad}{target} {inner.op} {kernel}({buffer}, {block.count})", inner.origin)
                continue
            name = inner.op.removesuffix("=")
            self.used.add(name)
            function = CALLS.get(name, name)
            self.lines.add(f"{pad}{target} = {function}({target}, {of_all})", inner.origin)

    def _best(self, node: ArgBest, found: str, buffer: str, start: str, pad: str) -> str:
        """Whether the best of a block, which is at ``found`` there, is better than what there was before. Returns it."""
        best, target = (self._element(Access(name, node.index)).text for name in (node.best, node.target))
        place, better = self.spell.fresh(f"{self.spell(node.target)}_found"), "above" if node.largest else "below"
        self._local("Py_ssize_t", place)
        self.used.add(better)
        here = f"{buffer if buffer.isidentifier() else f'({buffer})'}[{place}]"
        self.lines.add(f"{pad}{place} = {found}", node.origin)
        self.lines.add(f"{pad}if {better}({here}, {best}):", node.origin)
        self.lines.add(f"{pad}    {best} = {here}", node.origin)
        self.lines.add(f"{pad}    {target} = {place if start == '0' else f'{start} + {place}'}", node.origin)
        return here

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

    def _starts(self, term: Sum, first: str = "") -> str:
        """Where the factors of a term start: at the place of the loop's variable, or at its first if that is named."""
        accesses = [term.args[k] for k in dict.fromkeys(_factors(term.body))]
        return ", ".join(self._start(substitute_access(a, {first: Ix()}, {}) if first else a) for a in accesses)

    def _lie(self, term: Sum, loop: Loop) -> str:
        """How the terms of a reduction lie in memory, all there when the loop is done: "one" after the other; "absolutes" or
        "squares" of what does; "two", products of such pairs; else ""."""
        factors = _factors(term.body)
        if not factors or not all(self._lies(term.args[k], term, loop) for k in factors):
            return ""
        if len(factors) == 1:
            return "one" if term.body.op == "arg" else "absolutes" if self.parallel else ""
        return "" if not self.parallel else "squares" if factors[0] == factors[1] else "two"

    def _lies(self, read: Access, term: Sum, loop: Loop) -> bool:
        if read.fill is not None:
            return False
        s = self.storage[read.value]
        if s.kind == "scalar" or s.value.kind == "int" or read.value in self.loaded:
            return False
        place = self._place(read).terms
        if dict(place).get(loop.variable) != Dim.of(1) or any(not isinstance(atom, str) for atom, _ in place):
            return False
        nodes = [n for n in loop.body if isinstance(n, Sum)]
        written = [n for n in nodes if self.spell(n.target) == self.spell(read.value)]
        if any(not isinstance(n, Assign) or n.target != read.value or n.index != read.index or n.drop for n in written):
            return False
        return all(nodes.index(n) < nodes.index(term) for n in written)


def _how(term: Sum) -> str:
    """What is made of the terms."""
    return term.op if isinstance(term, Assign) else "largest" if term.largest else "least"


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
