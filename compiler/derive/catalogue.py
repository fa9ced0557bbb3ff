"""Gates by what they compute, however they are spelled."""

from __future__ import annotations

from ..graph.expr import Expr


def recognise(root: Expr) -> Expr:
    return root
