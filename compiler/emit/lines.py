"""Lines of generated text, sizes and positions as C arithmetic, and what nodes say of themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field

from ..graph.ir import Atom, Ix, Origin, Quot, Rem, Value
from ..graph.shapes import Dim, Quotient, Shape
from ..loops.ir import ArgBest, Assign, Loop, Move, Node, Product, Rank
from ..loops.items import operations
from ..loops.nodes import walk
from ..records import dataclass

PIECE = 256  # operations of one C function: its compiler takes more than twice as long for twice as many


@dataclass
class Lines:
    """Text with the origins of each line."""

    text: list[str] = field(default_factory=list)
    origins: list[tuple[Origin, ...]] = field(default_factory=list)

    def add(self, text: str, *origins: Origin) -> None:
        self.text.append(text)
        self.origins.append(origins)

    def idle(self, start: int = 0) -> bool:
        """Whether there are comments only, from a line on."""
        return all(line.lstrip().startswith("#") for line in self.text[start:])

    def extend(self, other: Lines) -> None:
        self.text += other.text
        self.origins += other.origins


def dim_text(dim: Dim, spell: Callable[[str], str] = str, root: str = "root({})") -> str:
    """A size as C arithmetic. ``root``: how a square root, rounded up, is written."""
    if not dim.terms:
        return "0"
    parts: list[str] = []
    for monomial, coefficient in dim.terms:
        factors: list[str] = []
        for atom, power in monomial:
            if isinstance(atom, Quotient) and atom.op == "root":
                text = root.format(dim_text(atom.a, spell, root))
            elif isinstance(atom, Quotient):
                text = f"(({dim_text(atom.a, spell, root)}) {atom.op} ({dim_text(atom.b, spell, root)}))"
            else:
                text = spell(atom)
            factors += [text] * power
        if abs(coefficient) != 1 or not factors:
            factors.insert(0, str(abs(coefficient)))
        parts.append((" - " if coefficient < 0 else " + ") + "*".join(factors))
    text = "".join(parts)
    return "-" + text[3:] if text.startswith(" - ") else text[3:]


def strides(extents: Shape) -> list[Dim]:
    """How far apart elements are along each dimension, the last one being dense."""
    steps: list[Dim] = []
    step = Dim.of(1)
    for extent in reversed(extents):
        steps.append(step)
        step = step * extent
    return steps[::-1]


def linear(index: Sequence[Ix], extents: Shape) -> Ix:
    """The row-major position of an element; w * (k // w) + k % w is k again."""
    total = Ix()
    for ix, step in zip(index, strides(extents), strict=True):
        total = total + ix.scale(step)
    terms: dict[Atom, Dim] = dict(total.terms)
    for atom, factor in total.terms:
        if isinstance(atom, Rem) and atom in terms:
            partner = Quot(atom.a, atom.b)
            if terms.get(partner) == factor * atom.b:
                del terms[partner], terms[atom]
                rest = Ix(tuple(terms.items()), total.const) + atom.a.scale(factor)
                terms = dict(rest.terms)
                total = Ix(tuple(terms.items()), rest.const)
    return Ix(tuple(terms.items()), total.const)


def wrap(head: str, parts: Sequence[str], tail: str, width: int = 120) -> Iterator[str]:
    """``head`` + parts + ``tail`` over as many lines as needed; without brackets a declaration is repeated."""
    line = head
    bracket = head.rstrip().endswith("(")
    for k, part in enumerate(parts):
        last = k == len(parts) - 1
        piece = part + (tail if last else ",")
        if line != head and len(line) + 1 + len(piece) > width:
            yield line if bracket else line.rstrip(",")
            line = (" " * len(head) if bracket else head) + piece
        else:
            line += piece if line == head else f" {piece}"
    yield line if parts else head + tail


def shape_text(value: Value) -> str:
    """``x[N, 2]``."""
    return value.name + (f"[{', '.join(map(str, value.shape))}]" if value.shape else "")


def written_by(nodes: Sequence[Node]) -> set[str]:
    """The values that nodes write."""
    found: set[str] = set()
    for node in walk(nodes):
        if isinstance(node, Assign | ArgBest):
            found.add(node.target)
        elif isinstance(node, Product):
            found |= {node.c.value, node.moves} - {""}
        elif isinstance(node, Rank):
            found.add(node.target.value)
        elif isinstance(node, Move):
            found.add(node.parameter)
    return found


def origins_of(node: Node) -> Iterator[Origin]:
    """The origins of a node and of what is in it."""
    if isinstance(node, Loop):
        for inner in node.body:
            yield from origins_of(inner)
    else:
        yield node.origin


def _weight(node: Node) -> int:
    if isinstance(node, Loop):
        return sum(map(_weight, node.body))
    return operations(node.body) if isinstance(node, Assign | ArgBest) else 1


def pieces_of(body: Sequence[Node]) -> list[list[Node]]:
    """The nodes of a kernel in as many runs as it needs functions."""
    pieces: list[list[Node]] = [[]]
    count = 0
    weights = [_weight(node) for node in body]
    if sum(weights) <= 2 * PIECE:
        return [[*body]]
    for node, weight in zip(body, weights, strict=True):
        if count and count + weight > PIECE:
            pieces.append([])
            count = 0
        pieces[-1].append(node)
        count += weight
    return pieces


def ordered(values: Iterable[str], rank: Mapping[str, int]) -> list[str]:
    """Those of the values that have a rank, by their ranks."""
    return sorted((v for v in values if v in rank), key=rank.__getitem__)


def is_backward(origin: Origin) -> bool:
    """Whether something stands there for a gradient."""
    return origin.rule.startswith(("vjp", "fan-out", "seed"))


def key_of(origin: Origin) -> tuple[object, ...]:
    """What nodes share that stand below one comment: their lines, and whether they go forwards or backwards."""
    return tuple(dict.fromkeys((s.file, s.line) for s in origin.spans)), is_backward(origin)
