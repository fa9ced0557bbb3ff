"""Long results that leave a kernel past the caches: ``gradwright/stream.h``. A loop that does little but move memory writes a few
lines of each result beside one another first."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import expr as E
from ..graph.ir import Access, Origin
from ..graph.shapes import Dim
from ..loops.buffers import used
from ..loops.ir import Assign, Loop
from ..loops.shares import light
from .lines import dim_text
from .places import Places

ROOM = 2048  # bytes for a block of all results, as in the header: more of them are slower, each result then leaves in one go
MOST = 8  # results of a loop: a block has four lines of each


class Streams(Places):
    """Writes what a loop's results take on their way."""

    def _streams(self, node: Loop) -> list[Access]:
        """The results that the rounds of a shared loop write one after the other and nothing else in the kernel touches, if it
        computes little: else writing does not take the time."""
        nodes = [n for n in node.body if isinstance(n, Assign)]
        if len(nodes) < len(node.body) or node.strip or node.of or node.reverse or not self.parallel:
            return []
        if any(inner.args and not light(inner) for n in nodes for inner in E.walk(n.body)):
            return []
        summed = {a.value for n in nodes if n.target in node.sums for a in n.args}  # where it lies: near by
        elsewhere = set(used([n for n in self.nest.body if n is not node]))
        indices = [ix for n in nodes for ix in (*n.index, *(i for a in n.args for i in a.index))]
        elsewhere |= {g.value for ix in indices for g in ix.gathers()}
        found: dict[str, Access] = {}
        for n in nodes:
            s = self.storage[n.target]
            if s.kind != "slot" or s.value.kind != "real" or n.target in found or n.target in summed:
                continue
            place = Access(n.target, n.index)
            plain = n.op == "=" and not n.drop and s.slot.startswith(("out:", "din:", "grad:")) and n.target not in elsewhere
            over = n.target in self.over or n.target in self.over.values()
            touched = [m for m in nodes if m.target == n.target] + [m for m in nodes if n.target in {a.value for a in m.args}]
            same = all(a == place for m in nodes for a in m.args if a.value == n.target)
            later = all(nodes.index(m) >= nodes.index(n) for m in touched) and sum(m.target == n.target for m in nodes) == 1
            if not plain or over or not same or not later:
                return []
            lies = self._place(place)
            if lies.terms != ((node.variable, Dim.of(1)),) or lies.const.terms:
                return []
            found[n.target] = place
        return list(found.values()) if len(found) <= MOST else []

    def _ahead(self, streams: Sequence[Access], node: Loop, pad: str, start: str, count: str, first: str, extent: str, most: int,
               origins: tuple[Origin, ...]) -> str:  # fmt: skip
        """The head of a loop over blocks. Where its results go past the caches they are short, and the first one is what there is
        before a line; returns the name of whether that is so."""
        far, lead, step = (self.spell.fresh(word) for word in ("far", "lead", "step"))
        self._local("bint", far)
        for name in (start, count, lead, step):
            self._local("Py_ssize_t", name)
        self.used |= {"stream"}
        names = [self._name(a.value) for a in streams]
        total = dim_text(node.extent * Dim.of(len(streams) * self.width), self.spell)
        tests = [f"past_caches({total})", *(f"to_line({name} + {first}) == {lead}" for name in names[1:])]
        self.lines.add(f"{pad}{lead} = to_line({names[0]} + {first})", *origins)
        self.lines.add(f"{pad}{far} = {' and '.join(tests)}", *origins)
        self.lines.add(f"{pad}{step} = {self._short_block(streams)} if {far} else {most}", *origins)
        self.lines.add(f"{pad}{start} = {first}", *origins)
        self.lines.add(f"{pad}while {start} < {extent}:", *origins)
        self.lines.add(f"{pad}    {count} = {extent} - {start} if {extent} - {start} < {step} else {step}", *origins)
        self.lines.add(f"{pad}    if {far} and 0 < {lead} < {count}:  # up to where a line of the cache begins", *origins)
        self.lines.add(f"{pad}        {count} = {lead}", *origins)
        self.lines.add(f"{pad}    {lead} = 0", *origins)
        return far

    def _short_block(self, streams: Sequence[Access]) -> int:
        block = ROOM // self.width
        while block * len(streams) * self.width > ROOM:
            block //= 2
        return block

    def _flow(self, streams: Sequence[Access], pad: str, far: str, start: str, inside: str,
              origins: tuple[Origin, ...]) -> list[str]:  # fmt: skip
        """Within a block: where each result is written; returns what that is called."""
        places: list[str] = []
        block = self._short_block(streams)
        beside = self.spell.fresh("beside")
        self._local("beside_t", beside)
        for k, access in enumerate(streams):
            name = self._name(access.value)
            to = self.spell.fresh(f"{name}_to")
            self._local("write", to)
            self.lines.add(f"{pad}{to} = &{beside}.at[{k * block}] if {far} else {name} + {start}", *origins)
            places.append(to)
            self.still[access] = f"{to}[{inside}]"
        return places

    def _leave(self, streams: Sequence[Access], places: Sequence[str], pad: str, far: str, start: str, count: str,
               origins: tuple[Origin, ...]) -> None:  # fmt: skip
        """At the end of a block: from there to where they belong."""
        self.lines.add(f"{pad}if {far}:", *origins)
        for access, to in zip(streams, places, strict=True):
            self.lines.add(f"{pad}    stream({self._name(access.value)} + {start}, {to}, {count})", *origins)
