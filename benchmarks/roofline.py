"""Operations and bytes of a workload, as the compiler counts them in the header of the module that it makes."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Mapping
from typing import Any, Final

_KERNELS: Final = {
    "train": ("train",), "gradient": ("train", "value_and_grad"), "predict": ("predict",), "forward": ("forward",),
    "backward": ("backward",),
}  # fmt: skip
_OPERATORS: Final[Mapping[type, Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}  # fmt: skip


def value(formula: str, sizes: Mapping[str, int]) -> int:
    """A polynomial in sizes, as 3240*N + 76976."""

    def visit(node: ast.AST) -> int:
        if isinstance(node, ast.Expression):
            return visit(node.body)
        if isinstance(node, ast.Constant):
            return int(node.value)  # type: ignore[arg-type]
        if isinstance(node, ast.Name):
            return sizes[node.id]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -visit(node.operand)
        assert isinstance(node, ast.BinOp), ast.dump(node)
        return int(_OPERATORS[type(node.op)](visit(node.left), visit(node.right)))

    return visit(ast.parse(formula.strip(), mode="eval"))


def counts(header: str, kind: str, sizes: Mapping[str, int]) -> dict[str, int] | None:
    """``operations``, how many of them are ``transcendental``, and the least ``bytes`` that are moved, of one step."""
    for kernel in _KERNELS[kind]:
        found = re.search(rf"^ +{kernel} (.+?)(?:, (.+?) of them transcendental)?; bytes moved (.+)$", header, re.M)
        if found:
            operations, heavy, moved = (value(text, sizes) if text else 0 for text in found.groups())
            return {"operations": operations, "transcendental": heavy, "bytes": moved}
    if kind == "gradient" and (forward := counts(header, "forward", sizes)):
        backward = counts(header, "backward", sizes) or dict.fromkeys(forward, 0)
        return {name: count + backward[name] for name, count in forward.items()}
    return None
