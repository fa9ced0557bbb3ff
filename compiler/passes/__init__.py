"""Graph to graph: the ordered list of passes. A pass is a value with a name, a reason and a function; the graph is
verified after each one, and the pass that broke it is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..graph.ir import Graph
from ..meaning.verify import Checked, verify
from . import constants, cse, dce, expand, given, inline, routes, segments, share, softmax
from . import recognise as recognise
from . import stabilise as stabilise


@dataclass(frozen=True, slots=True)
class Pass:
    name: str
    reason: str
    run: Callable[[Graph], Graph]


BEFORE: tuple[Pass, ...] = (
    Pass("routes", "a maximum over several axes, one axis at a time: each has one winner to route the gradient to", routes.run),
    Pass("recognise", "a gate that is spelled out becomes one gate, so that its derivative is written with its value",
         recognise.run),
    Pass("stabilise", "formulas that overflow or cancel become equal ones that do not", stabilise.run),
    Pass("cse", "equal things are computed once", cse.run),
    Pass("dce", "what no output needs goes", dce.run),
    Pass("segments", "a loop that is run again for its gradient is cut, and only where its segments start is saved", segments.run),
)  # fmt: skip
"""What is done to the forward graph before it is differentiated. Recognition never comes later: σ(1 - σ) would turn back
into σ(z) σ(-z)."""

AFTER: tuple[Pass, ...] = (
    Pass("given", "hand-made derivatives have served their turn", given.run),
    Pass("constants", "the seed and 1/N are carried into the products that they scale", constants.run),
    Pass("cse", "the backward pass asks for what the forward pass holds", cse.run),
    Pass("softmax", "exp(t - logsumexp(t)) is a term over the sum that log-sum-exp takes anyway", softmax.run),
    Pass("share", "a derivative is written with the gates that are there already", share.run),
    Pass("cse", "sharing makes equations equal", cse.run),
    Pass("dce", "what no output needs goes", dce.run),
)
"""What is done to the forward and backward graph together."""

KERNEL: tuple[Pass, ...] = (
    Pass("dce", "each kernel computes only what it gives", dce.run),
    Pass("inline", "a step used once is written where it is used", inline.run),
    Pass("dce", "what was written elsewhere goes", dce.run),
    Pass("expand", "log-sum-exp takes its maximum away, a cross-entropy what cancels", expand.run),
    Pass("cse", "the expansions of several kernels' sums meet", cse.run),
    Pass("dce", "what no output needs goes", dce.run),
)
"""What is done to the graph of each kernel."""


def apply(passes: Iterable[Pass], graph: Graph) -> Graph:
    """The graph after all of ``passes``, verified after each."""
    checked: Checked = {}
    for step in passes:
        after = step.run(graph)
        if after is not graph:
            verify(after, step.name, checked=checked)
        graph = after
    return graph
