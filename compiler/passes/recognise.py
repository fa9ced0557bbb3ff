"""A gate that is spelled out becomes one gate: ``1/(1 + exp(-z))`` is sigmoid(z), whatever z is and however it is spelled.

The formula of every equation is looked at through the steps before it (``view.py``) in its exact normal form
(``derive/normal.py``): two formulas with one normal form are equal by algebra, so that what is found is proved. The pass
runs before differentiation and never after it, when σ(1 - σ) would turn back into σ(z) σ(-z).
"""

from __future__ import annotations

from ..derive.catalogue import Rewriter
from ..derive.normal import Forms
from ..graph.ir import Graph
from .view import LookThrough, View


def run(graph: Graph) -> Graph:
    return LookThrough(graph, Rewriter(Forms()), View(graph), "recognise", run).run()
