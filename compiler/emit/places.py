"""Where the values of a kernel live, and how they are called there: its arguments, declarations, elements."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from ..graph.expr import Expr
from ..graph.ir import Access, Gather, Ix, Quot, at
from ..graph.shapes import Dim, Shape, size
from ..language.source import Source
from ..loops.gates import fitted
from ..loops.ir import Assign, Loop, Nest, Node, Storage, Zero
from ..loops.joins import BLOCKED
from ..loops.nodes import walk
from ..loops.shares import shares
from ..passes.kernels import Place
from .formulas import ATOM, Code, Formulas, Type
from .lines import Lines, dim_text, linear, ordered, wrap, written_by
from .names import Speller

SEVERAL = frozenset(("theta", "frozen", "hyper", "rule", "kept", "state", "next", "grad"))  # slots that hold several values
Sources = Mapping[str, Source]


class Places:
    """What a kernel's function is given, what it declares, and the text of one element."""

    parallel = True

    def __init__(self, nest: Nest, free: Sequence[str], single: bool, sources: Sources,
                 literals: str = "") -> None:  # fmt: skip
        self.literals = literals
        self.nest, self.free, self.sources = replace(nest, body=fitted(nest.body)), tuple(free), sources
        self.storage = {s.value.name: s for s in nest.storage}
        self.spell = Speller()
        self.used: set[str] = set()
        self.lines = Lines()
        self.locals: dict[str, dict[str, None]] = {}
        self.variables: dict[str, str] = {}
        self.extents: dict[str, Dim] = {}
        self.header: tuple[object, ...] | None = None
        self.noted: set[str] = set()
        self.width = 4 if single else 8  # bytes of a real
        self.formulas = Formulas(self._leaf, single, self.used)
        self.single = single
        self.innermost = ""  # the loop variable of the loop without loops inside that is being written, if it is long
        self.across = ""  # the loop variable of the loop that is being written, of which each round reads a row of few elements
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

    def _arguments(self) -> list[tuple[str, str, str]]:
        """(slot, C type, spelling) of every argument, in order."""
        writes = written_by(self.nest.body)
        zeroed = {n.slot for n in walk(self.nest.body) if isinstance(n, Zero)}
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
            yield from wrap(f"    cdef {type_} ", parts, "") if parts else ()
        for value in self.loaded if only is None else ordered(only, self._ranks[0]):
            yield f"    cdef real {self.spell(value)} = {self.loaded[value]}"
        storage = self.nest.storage if only is None else [self.storage[v] for v in ordered(only, self._ranks[1])]
        for s in storage:
            if s.slot == "const":
                yield f"    cdef read {self.spell(s.value.name)} = literal_{self.literals}{s.value.name}"
        pieces = [s for s in storage if s.kind == "work"]
        parts = []
        for s in pieces:
            offset = dim_text(s.offset, self.spell)
            parts.append(f"{self.spell(s.value.name)} = work" + (f" + {offset}" if offset != "0" else ""))
        if parts:
            yield from wrap("    cdef write ", parts, "")
        doubles = self.doubles
        for s in storage:
            if s.kind in ("scalar", "stack") and s.value.name not in self.shared:
                self._local(*self._variable_of(s, doubles))
        for type_ in ("real", "write", "beside_t", "double", "bint", "Py_ssize_t", "void"):
            names = self.locals.get(type_, {})
            plain = [n for n in names if "[" not in n]
            if plain:
                yield from wrap(f"    cdef {type_} ", plain, "")
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

    def _index(self, ix: Ix, read: bool = False) -> str:
        """An index as integer arithmetic. Steps that a loop reads in are hidden where the C compiler would stumble over them."""
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
            if read and (self._stumbles(factor) if atom == self.innermost else atom == self.across and _is_odd(factor)):
                parts.append(f" + {self._hidden(factor)}*{text}")
                continue
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

    def _stumbles(self, factor: Dim) -> bool:
        """Of reads in steps of a power of two, of more elements than a vector has, gcc 12 makes no vectors ("no vectype")."""
        step = factor.value or 0
        return step >= (16 if self.single else 8) and step & (step - 1) == 0

    def _hidden(self, factor: Dim) -> str:
        self.used.add("stride")
        name = self.spell(f"stride_{factor}")
        self._local("Py_ssize_t", f"{name} = stride({factor})")
        return name

    def _position(self, access: Access, read: bool = False) -> str:
        return self._index(self._place(access), read)

    def _place(self, access: Access) -> Ix:
        s = self.storage[access.value]
        return linear([self._local_index(access.index[d]) if d == s.along else access.index[d] for d in s.dims], s.extents)

    def _local_index(self, ix: Ix) -> Ix:
        """The number of a round in its strip."""
        name = str(ix.plain)
        self.variables[f"{name} in"] = self.inside[name]
        return at(f"{name} in")

    def _name(self, value: str) -> str:
        """A value as it is called inside of the function that is being written."""
        return f"_shared.{self.spell(value)}" if value in self.shared else self.spell(value)

    def _element(self, access: Access, read: bool = False) -> Code:
        s = self.storage[access.value]
        name = self._name(s.value.name)
        if access.value in self.loaded:
            return Code(name, ATOM, "real")
        stored_as_int = s.value.kind == "int" and (s.kind == "scalar" or s.slot.startswith(("in:", "out:")))
        type_: Type = "int" if stored_as_int else "real"
        if s.kind == "scalar":
            return Code(name, ATOM, type_)
        if access in self.still:
            return Code(self.still[access], ATOM, "real")
        return Code(f"{name}[{self._position(access, read)}]", ATOM, type_)

    def _asked(self, index: Sequence[Ix], shape: Shape) -> list[tuple[Ix, Dim]] | None:
        """The dimensions in which to ask whether ``index`` is inside: where that is not plain to see. None: it never is."""
        found: list[tuple[Ix, Dim]] = []
        for ix, extent in zip(index, shape, strict=True):
            if ix.plain is not None and self.extents.get(ix.plain) == extent:
                continue
            if not ix.terms and ix.const.value is not None and (extent.value is not None or ix.const.value < 0):
                if ix.const.value < 0 or ix.const.value >= (extent.value or 0):
                    return None
                continue
            found.append((ix, extent))
        return found

    def _guard(self, index: Sequence[Ix], shape: Shape) -> str | None:
        """The condition that ``index`` is inside; None: it never is."""
        asked = self._asked(index, shape)
        if asked is None:
            return None
        return " and ".join(f"0 <= {self._index(ix)} < {dim_text(extent, self.spell)}" for ix, extent in asked)

    def _framed(self, access: Access, fill: str) -> str | None:
        """A read that is inside in all rounds of the loop that is being written, or in none: without a branch, which would keep
        the C compiler from making vectors of the loop. What is outside is not read; the start of the array is, and so it is no
        array that may be empty."""
        s = self.storage[access.value]
        asked = self._asked(access.index, s.value.shape)
        place = self._place(access)
        step = next((factor for atom, factor in place.terms if atom == self.innermost), None)
        if not asked or step is None or s.value.kind != "real" or s.kind == "scalar" or access.value in self.loaded:
            return None
        if any(not extent.value or self.innermost in ix.axes() or any(ix.gathers()) for ix, extent in asked):
            return None
        if sum(self.innermost in ix.axes() for ix in access.index) != 1 or at(self.innermost) not in access.index:
            return None
        self.used |= {"framed", "within"}
        row = self._index(Ix(tuple(t for t in place.terms if t[0] != self.innermost), place.const))
        along = self._index(Ix(((self.innermost, step),), Dim.of(0)), read=True)
        inside = " & ".join(f"within({self._index(ix)}, {extent.value})" for ix, extent in asked)
        return f"framed({self._name(access.value)}, {row}, {along}, {inside}, {fill})"

    def _leaf(self, node: Expr) -> Code:
        if node.op == "arg":
            access = self._args[node.place]
            element = self._element(access, read=True)
            if access.fill is None:
                return element
            guard = self._guard(access.index, self.storage[access.value].value.shape)
            if guard == "":
                return element
            if isinstance(access.fill, str):
                self.used.add(access.fill.removeprefix("-"))
                fill = access.fill
            else:
                number = self.formulas.number(access.fill)  # beside an integer an integer: Cython assigns no real to an index
                fill = (number if number.type == element.type else self.formulas.real(number)).text
            if guard is None:
                return Code(fill, ATOM, element.type)
            framed = self._framed(access, fill) if self.innermost else None
            if framed is not None:
                return Code(framed, ATOM, "real")
            return Code(f"({element.text} if {guard} else {fill})", ATOM, element.type)
        if node.op == "idx":
            return Code(self.variables[str(node.value)], ATOM, "int")
        text = dim_text(node.extent, self.spell)
        return Code(text, ATOM if text.isidentifier() else 6, "int")

    def _base(self, value: str) -> str:
        """The vector that an array of the kernel's own is a part of."""
        s = self.storage[value]
        return "" if s.kind not in ("slot", "work") or value in self.loaded else s.slot or s.kind

    def _start(self, access: Access) -> str:
        """Where an array is read or written from on."""
        offset = self._position(access)
        name = self._name(access.value)
        return name if offset == "0" else f"{name} + {offset}"


def _is_odd(step: Dim) -> bool:
    """Of reads of whole rows, side by side, that are so far apart, gcc 12 makes no vectors if it is told how far: it takes 2, 3,
    4 or 8 elements that lie together, but not 5."""
    far = step.value or 0
    return far > 4 and far & (far - 1) != 0
