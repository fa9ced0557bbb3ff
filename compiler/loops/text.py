"""Loop nests as text, to be read: the window between the graph and Cython."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..graph.expr import show
from ..graph.ir import Access, Ix
from ..graph.shapes import show as show_shape
from .ir import ArgBest, Assign, Loop, Nest, Node, Product


def show_nest(nest: Nest) -> str:
    """One kernel: its arguments, where values live, its loops."""
    kernel = nest.kernel
    lines = [f"kernel {kernel.name}({', '.join(kernel.slots)})"]
    for store in nest.storage:
        where = {"slot": store.slot, "work": f"work + {store.offset}"}.get(store.kind, store.kind)
        lines.append(f"    {store.value.name}{show_shape(store.extents) if store.extents else ''} in {where}")
    return "\n".join([*lines, *_body(nest.body, 1)])


def _body(nodes: Sequence[Node], depth: int) -> Iterator[str]:
    pad = "    " * depth
    for node in nodes:
        match node:
            case Loop():
                how = " backwards" * node.reverse + (f" summing {', '.join(node.sums)}" if node.sums else "")
                yield f"{pad}for {node.variable} < {node.extent}{how}:"
                yield from _body(node.body, depth + 1)
            case Assign():
                inside = " where inside" * node.drop
                yield f"{pad}{_at(node.target, node.index)} {node.op} {_formula(node)}{inside}"
            case ArgBest():
                what = "largest" if node.largest else "smallest"
                yield f"{pad}{_at(node.target, node.index)} = {node.variable} where {_formula(node)} is {what} ({node.best})"
            case Product():
                sizes = f"{node.m} x {node.n} x {node.k}"
                yield f"{pad}{node.c} = {show(node.alpha)} * {node.a} @ {node.b} + {show(node.beta)} * {node.c}    # {sizes}"


def _formula(node: Assign | ArgBest) -> str:
    return show(node.body) + _operands(node.args)


def _operands(args: Sequence[Access]) -> str:
    return "" if not args else "    with " + ", ".join(f"${k} = {access}" for k, access in enumerate(args))


def _at(target: str, index: Sequence[Ix]) -> str:
    return target + (f"[{', '.join(map(str, index))}]" if index else "")
