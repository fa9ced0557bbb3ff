"""What is known of the loops around a statement: how long they are, and which of them may be one."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..graph.ir import Access, Axis, Ix, Value
from ..graph.shapes import Dim
from ..passes.products import guess, step
from .items import UNROLLED, Item

SMALL = 256  # points of an equation, whose value is worth no pass over memory saved
FEW = 4  # rounds of a loop that the C compiler writes out before anything else
VECTOR = 4  # elements of the shortest rows that are worth a vector
STRIP = 8  # rounds of a loop over small rows that are taken together


class Classes:
    """Axes that run along the same dimension of some value, by union-find."""

    def __init__(self) -> None:
        self._parent: dict[object, object] = {}

    def find(self, x: object) -> object:
        parent = self._parent.setdefault(x, x)
        while parent != x:
            self._parent[x] = self._parent[parent]
            x, parent = parent, self._parent[parent]
        return x

    def join(self, a: object, b: object) -> None:
        self._parent[self.find(a)] = self.find(b)


class Nest:
    """The axes and loop variables of a kernel, their extents and kinds, and the values that its loops are over."""

    def __init__(self, values: dict[str, Value], taken: set[str], extent: dict[str, Dim]) -> None:
        self.values = values
        self.inner: list[Value] = []  # made on the way
        self.taken = taken
        self.extent = extent
        self.classes = Classes()
        self.strip: dict[str, str] = {}  # axes that are taken in strips, with the variable of these
        self.down: set[str] = set()  # those of them whose loop is inside of one over columns

    def kind(self, axis: str) -> object:
        """Loops over axes of one kind can be shared."""
        return self.classes.find(axis), self.extent[axis]

    def classify(self, item: Item) -> None:
        for access in (*item.eqn.args, Access(item.target, item.eqn.out_index)):
            shape = self.values[access.value].shape
            for d, ix in enumerate(access.index):
                if ix.plain is not None and self.extent[ix.plain] == shape[d]:
                    self.classes.join(ix.plain, (access.value, d))

    def length(self, axis: str) -> int | None:
        """How long a loop along the axis is, as far as that is known."""
        return STRIP if axis in self.strip else self.extent[axis].value

    def left_over(self, axis: str) -> int | None:
        """How many elements of a row along it are left over by whole vectors, for the C compiler to take one by one; None where
        these would be too many."""
        extent = self.extent[axis].value or 0
        over = extent % (VECTOR if extent < 2 * VECTOR else 2 * VECTOR)
        return over if extent >= VECTOR > over else None

    def short(self, axes: Sequence[str]) -> bool:
        """Are loops along these so short that the C compiler writes them out?"""
        return prod(self.extent[axis].value or UNROLLED + 1 for axis in axes) <= UNROLLED

    def points(self, item: Item) -> int:
        """In how many points it is still to be computed, where free sizes are usual ones."""
        return prod(guess(self.extent[a]) for a in item.left)

    def runs(self, item: Item, axis: str) -> bool:
        """A reduction along ``axis`` into one place."""
        return not any(axis in ix.axes() for ix in item.eqn.out_index)

    def deep(self, item: Item, axis: str | None) -> bool:
        """Has it a loop inside, longer than what the C compiler unrolls before anything else?"""
        return any((self.extent[a].value or UNROLLED) > FEW for a in item.left if a != axis)

    def small(self, item: Item) -> bool:
        points = 1
        for axis in item.eqn.axes:
            points *= self.length(axis.name) or SMALL + 1
        return points <= SMALL

    def little(self, item: Item) -> bool:
        """The same within the loops around it."""
        return prod(self.length(axis) or SMALL + 1 for axis in item.left) <= SMALL

    def covers(self, item: Item, axis: str) -> bool:
        """The axis runs over a whole dimension of the output and no other, so that each point starts by itself."""
        shape = item.eqn.out.shape
        whole = any(ix.plain == axis and self.extent[axis] == shape[d] for d, ix in enumerate(item.eqn.out_index))
        return whole and sum(axis in ix.axes() for ix in item.eqn.out_index) == 1  # a diagonal starts as a whole

    def stride(self, access: Access, axis: Axis) -> Ix:
        """How many elements lie between neighbours along ``axis`` (a size, as an index without axes)."""
        return Ix((), step(access, axis.name, self.values[access.value].shape))

    def fresh(self, axis: str, extent: Dim) -> str:
        variable = f"v{len(self.taken)}"
        self.taken.add(variable)
        self.extent[variable] = extent
        return variable
