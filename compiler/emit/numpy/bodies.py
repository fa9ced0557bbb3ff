"""The body of one equation as a formula over a layout: an order of its axes."""

from __future__ import annotations

from collections.abc import Sequence

from ...graph import expr as E
from ...graph.expr import Expr
from ...graph.ir import Eqn
from .code import ATOM, Code
from .formulas import Formulas
from .reads import Reads, single
from .scope import Scope


class Bodies:
    """What one equation computes at each point, or parts of that."""

    def __init__(self, scope: Scope, eqn: Eqn) -> None:
        self.scope, self.eqn = scope, eqn
        self.extents = eqn.extents
        self.reads = Reads(scope, self.extents)

    def code(self, body: Expr, layout: Sequence[str]) -> Code:
        """A part of the body; all but its axes is left to broadcasting."""
        scope = self.scope

        def leaf(node: Expr) -> Code:
            if node.op == "arg":
                return self.reads.read(self.eqn.args[node.place], layout)
            if node.op == "idx":
                return self.reads.axis(str(node.value), layout)
            text = scope.dim(node.extent)
            return Code(text, ATOM if text.isalnum() else 6, "py")

        return Formulas(leaf, lambda _: scope.speller.fresh("part"), scope.emit, scope.used).codes([body])[0]

    def over(self, code: Code, layout: Sequence[str]) -> str:
        """The text with all axes of the layout, none of them left to broadcasting."""
        if code.axes == frozenset(layout):
            return code.text
        return f"np.broadcast_to({code.text}, {self.scope.shape(tuple(self.extents[a] for a in layout))})"

    def axes(self, body: Expr) -> frozenset[str]:
        """The axes that a part of the body depends on."""
        found: set[str] = set()
        for node in E.walk(body):
            if node.op == "arg":
                found.update(a for ix in self.eqn.args[node.place].index for a in ix.axes())
            elif node.op == "idx":
                found.add(str(node.value))
        return frozenset(found)

    def orders(self, body: Expr) -> list[list[str]]:
        """The orders of axes in which the operands of a part lie in memory."""
        return [[a for ix in self.eqn.args[k].index if (a := single(ix)) is not None] for k in E.arguments(body)]

    def natural(self, body: Expr, outer: Sequence[str], inner: Sequence[str]) -> list[str]:
        """An order of axes in which some operand lies in memory, so that it need not be transposed."""
        together = set(outer) | set(inner)
        for order in self.orders(body):
            if set(order) == together and len(order) == len(together) and [a for a in order if a in outer] == list(outer):
                return order
        return [*outer, *inner]
