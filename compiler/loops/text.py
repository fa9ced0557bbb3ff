"""Loop nests as text, to be read: the window between the graph and Cython."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..graph.expr import Expr, show
from ..graph.ir import Ix
from ..graph.shapes import show as show_shape
from .ir import ArgBest, Assign, Leave, Loop, Move, Nest, Node, Product, Rank, Zero


def show_nest(nest: Nest) -> str:
    """One kernel: its arguments, where values live, its loops."""
    kernel = nest.kernel
    lines = [f"kernel {kernel.name}({', '.join(kernel.slots)})"]
    for store in nest.storage:
        start = f" + {store.offset}" if store.offset.terms else ""
        where = {"slot": f"{store.slot}{start}", "work": f"work{start}"}.get(store.kind, store.kind)
        lines.append(f"    {store.value.name}{show_shape(store.extents) if store.extents else ''} in {where}")
    return "\n".join([*lines, *_body(nest.body, 1)])


def _body(nodes: Sequence[Node], depth: int) -> Iterator[str]:
    pad = "    " * depth
    for node in nodes:
        match node:
            case Loop():
                how = " backwards" * node.reverse + (f" summing {', '.join(node.sums)}" if node.sums else "")
                how += f" where {_formula(node)}" if node.when is not None else ""
                how += (f" in strips of {node.strip}" if node.strip else "") + (f" of strip {node.of}" if node.of else "")
                start = f"{node.first} <= " if node.first != Ix() else ""
                yield f"{pad}for {start}{node.variable} < {node.extent if node.end is None else node.end}{how}:"
                yield from _body(node.body, depth + 1)
            case Assign():
                inside = " where inside" * node.drop
                yield f"{pad}{_at(node.target, node.index)} {node.op} {_formula(node)}{inside}"
            case ArgBest():
                what = "largest" if node.largest else "smallest"
                yield f"{pad}{_at(node.target, node.index)} = {node.place} where {_formula(node)} is {what} ({node.best})"
            case Leave():
                yield f"{pad}{'on' if node.again else 'out'} where {_formula(node)}"
            case Zero():
                end = node.start + node.count
                yield f"{pad}{node.slot}[{node.start} : {end}] = 0"
            case Move():
                yield f"{pad}move {node.parameter} by {node.gradient}"
            case Rank():
                order = "descending" if node.descending else "ascending"
                yield f"{pad}{node.target} = rank of {node.source} among {node.count}, {order}"
            case Product():
                high, deep = (" ".join(str(lv.extent) for lv in levels) for levels in (node.rows, node.depth))
                sizes = f"{high} x {node.columns.extent} x {deep}"
                what = f"# {sizes}" + (f", zeros of {node.guard} win" if node.guard else "")
                what += f", moves {node.moves}" if node.moves else ""
                what += f", {node.filtered} of a filter" if node.filtered else ""
                what += ", what is above 0 of it" if node.relu else ""
                onto = node.onto or node.c
                yield f"{pad}{node.c} = {show(node.alpha)} * {node.a} @ {node.b} + {show(node.beta)} * {onto}    {what}"


def _formula(node: Assign | ArgBest | Leave | Loop) -> str:
    def leaf(part: Expr) -> str:
        if part.op == "arg" and isinstance(part.value, int):
            return str(node.args[part.value])
        return show(part)

    body = node.when if isinstance(node, Loop) else node.body
    return show(body, leaf) if body is not None else ""


def _at(target: str, index: Sequence[Ix]) -> str:
    return target + (f"[{', '.join(map(str, index))}]" if index else "")
