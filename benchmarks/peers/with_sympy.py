"""SymPy: the formula and its derivatives, with common subexpressions taken out, as one function of Python's math."""

from __future__ import annotations

import sympy

from ..workloads import Workload
from . import Program
from .with_python import at_a_point, called


def make(w: Workload, name: str = "sympy", threads: int = 1) -> Program:
    _, point = at_a_point(w)
    if w.model == "product":
        x, y, z = sympy.symbols("x y z")
        variables, f = (x, y, z), (x + y) * z
    else:
        a, b, u, v, c = variables = sympy.symbols("x0 x1 w0 w1 w2")
        f = 1 / (1 + sympy.exp(-(u * a + v * b + c)))
    function = sympy.lambdify(variables, [f, *(f.diff(s) for s in variables)], modules="math", cse=True)
    return called(w, function, point)
