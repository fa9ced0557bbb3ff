"""Which kernel each matrix product is left to, told in the header of the module: what contract.h decides from the sizes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from ..graph import expr as E
from ..graph.shapes import Dim, size
from ..loops.filters import multiplied
from ..loops.ir import Loop, Nest, Node, Product

WRITTEN_OUT = 64  # multiply-adds of a product that gemm.h writes where it is called
FEW = 256  # GW_SMALL
_WIDTHS = (("AVX-512", 64, 8, 512), ("AVX2", 32, 4, 320))  # bytes of a vector, rows of a tile of two or three, GW_DEPTH


def told(nests: Sequence[Nest], dtype: str) -> list[str]:
    """A line for each product: what it is called, rows x columns x depth, the kernels that have it, and who computes it."""
    found: dict[tuple[str, str], list[str]] = {}
    for nest in nests:
        for node in _products(nest.body):
            m, n, k = size(tuple(lv.extent for lv in node.rows)), node.columns.extent, size(tuple(lv.extent for lv in node.depth))
            kernels = found.setdefault((f"{node.c.value} ({m} x {n} x {k})", _how(node, m, n, k, dtype)), [])
            if nest.kernel.name not in kernels:
                kernels.append(nest.kernel.name)
    return [f"{what} in {', '.join(kernels)}: {how}" for (what, how), kernels in found.items()]


def _how(node: Product, m: Dim, n: Dim, k: Dim, dtype: str) -> str:
    count = (m * n * k).value
    plain = len(node.rows) == len(node.depth) == 1 and node.columns.c.is_one() and not node.guard
    if node.filtered:
        some, every = multiplied(node.depth if node.filtered == "places" else node.rows)
        how = f"by Winograd's minimal filtering, {some} multiplications for {every}"
    elif count is not None and count <= WRITTEN_OUT and plain:
        how = "written out"
    elif count is not None and count <= FEW:
        how = "plain loops"
    elif n.is_one() and node.depth[-1].a.is_one() and node.depth[-1].b.is_one():
        how = "inner products of eight rows at once"
    elif m.is_one() and node.columns.b.is_one() and node.columns.c.is_one():
        how = "a sum of rows, a few vectors at a time"
    else:
        how = _tiles(node, m.value, n.value, {"float32": 4, "float64": 8}[dtype])
    if node.alpha is not E.ONE or node.beta not in (E.ZERO, E.ONE):
        how += ", scaled and added in registers"
    elif node.onto is not None:
        how += f", {node.onto.value} added in registers"
    elif node.beta is E.ONE:
        how += ", added in registers"
    how += " and relu taken there" if node.onto is not None and node.relu else ", relu taken in registers" if node.relu else ""
    return how + (f"; where {node.guard} is 0, so is the product" if node.guard else "")


def _tiles(node: Product, m: int | None, n: int | None, width: int) -> str:
    """What of the product is computed, and in which tiles: B transposed is read where it is, as the rows of the transpose, where
    packing it would cost more (``gw_contract_plain``). Few columns may be inner products instead."""
    turned: bool | None = False  # None: it depends
    if len(node.rows) == len(node.depth) == 1 and node.columns.c.is_one() and not node.guard:
        (rows,), (depth,) = node.rows, node.depth
        if depth.b.is_one() and not node.columns.b.is_one() and (depth.a.is_one() or rows.a.is_one()):
            k = depth.extent.value
            if m is None or n is None or k is None:
                turned = None
            elif k * (n - m) > m * n if depth.a.is_one() else k > m:
                turned = m >= 16 or k >= 64 or None  # less fills some vectors and not others
    columns = m if turned else n
    if columns is None:
        how = "tiles, as many columns as there are"
    else:
        depth, k, here = node.depth[-1], size(tuple(lv.extent for lv in node.depth)).value, n if turned else m
        first, second = (depth.b, depth.a) if turned else (depth.a, depth.b)
        parts = []
        for name, bytes_, rows_, block in _WIDTHS:
            lanes, run = bytes_ // width, depth.extent.value
            if first.is_one() and here is not None and k and run and here > 1 and (second.is_one() or here >= 32) and (
                    dotted(here, columns, k, run, second.is_one(), lanes, name == "AVX-512", block)):  # fmt: skip
                parts.append(f"inner products of eight rows with {name}")
                continue
            vectors = _sum(strips(columns, lanes, name == "AVX-512"))
            parts.append(f"{'' if parts and ' x (' in parts[-1] else 'tiles of '}{rows_} x ({vectors}) vectors with {name}")
        how = ", ".join(parts)
    if turned:
        return f"its transpose in {how}"
    return how + ("; of few rows, its transpose" if turned is None else "")


def dotted(m: int, n: int, k: int, run: int, along: bool, lanes: int, masks: bool, block: int) -> bool:
    """Whether n columns are inner products with the rows and not tiles: what gw_dotted says, with ``lanes`` reals in a vector,
    runs of so many steps of the depth, blocks of so many, and columns that lie along the depth or must be laid out so."""
    rows, over = (m + 7) // 8, run % lanes
    vectors = k // run * (run // lanes + ((over > 0) if masks else over))
    fits = (8 + n) * min(k, block) * (64 if masks else 32) // lanes <= 32768
    tile, laid = rows * k * (4 if masks and n <= lanes // 2 else 8), k * n
    inner = rows * n * ((12 if fits else 16) * vectors + 24) + (0 if along else 3 * laid)
    return n == 1 or inner < tile + (laid if along else 0)


def strips(n: int, width: int, halves: bool) -> list[str]:
    """How many vectors wide the strips of n columns are, from the left: what gw_strip_kind takes."""
    found: list[str] = []
    while n > 0:
        h = -(-2 * n // width) if halves else 2 * -(-n // width)
        if h == 1:
            return [*found, "1/2"]
        kind = 1 if h < 4 else 2 if h < 6 or h in (8, 9) else 3
        found.append(str(kind))
        n -= kind * width
    return found


def _sum(found: Sequence[str]) -> str:
    runs = [(kind, len([*same])) for kind, same in groupby(found)]
    return "+".join(kind if count == 1 else f"{count}*{kind}" for kind, count in runs)


def _products(nodes: Sequence[Node]) -> list[Product]:
    found: list[Product] = []
    for node in nodes:
        if isinstance(node, Loop):
            found += _products(node.body)
        elif isinstance(node, Product):
            found.append(node)
    return found
