"""What loops cost, as formulas over the sizes: operations, and bytes that are moved at least."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import expr as E
from ..graph.shapes import Dim, size
from ..loops import filters
from ..loops.ir import ArgBest, Assign, Loop, Nest, Node, Product, Rank
from ..passes.costs import few_products

_TRANSCENDENTAL = frozenset(
    ("exp log log1p expm1 sin cos tan tanh sinh cosh asin acos atan atan2 erf sigmoid softplus pow "
     "lgamma digamma polygamma").split()
)


def transcendental(node: E.Expr) -> bool:
    return node.op in _TRANSCENDENTAL and not few_products(node)


def cost(body: E.Expr) -> tuple[int, int]:
    nodes = [n for n in E.walk(body) if n.args]
    return len(nodes), sum(map(transcendental, nodes))


def multiplied(node: Product) -> Dim:
    """The multiply-adds of a product: of those of a filter, Winograd's algorithm does some."""
    every = size(tuple(lv.extent for lv in node.levels))
    if node.filtered:
        done, plain = filters.multiplied(node.depth if node.filtered == "places" else node.rows)
        part = every.divide_exactly(plain)
        every = every if part is None else part * done
    return every


def _of_all(inner: Dim, loop: Loop) -> Dim:
    """What all rounds take: of a loop that begins or ends at the index of one around it, half of them."""
    whole = inner * loop.times
    if not loop.first.terms and (loop.end is None or not loop.end.terms):
        return whole
    return Dim(tuple((monomial, -(-count // 2)) for monomial, count in whole.terms))


def operations(body: Sequence[Node]) -> tuple[Dim, Dim]:
    total, heavy = Dim.of(0), Dim.of(0)
    for node in body:
        if isinstance(node, Loop):
            if node.when is not None:  # as a rule it does not
                continue
            inner, costly = operations(node.body)
            total, heavy = total + _of_all(inner, node), heavy + _of_all(costly, node)
        elif isinstance(node, Product):
            total = total + multiplied(node) * 2
            after = (node.onto is not None) + 2 * node.relu
            total = total + size(tuple(lv.extent for lv in (*node.rows, node.columns))) * after
        elif isinstance(node, Rank):
            total = total + node.count * 100
        elif isinstance(node, Assign | ArgBest):
            count, costly_count = cost(node.body)
            adds = 0 if isinstance(node, Assign) and node.op == "=" else 1
            total, heavy = total + (count + adds), heavy + costly_count
    return total, heavy


def moved(nest: Nest, dtype: str) -> Dim:
    """Every array that the kernel touches, once."""
    total = Dim.of(0)
    for s in nest.storage:
        if s.kind in ("slot", "work"):
            width = 8 if s.value.kind == "int" or dtype == "float64" else 4
            total = total + size(s.extents) * width
    return total
