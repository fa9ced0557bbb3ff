"""Graph to graph: the ordered list of passes. A pass is a value with a name, a reason and a function; the graph is
verified after each one, and the pass that broke it is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from ..graph.ir import Graph, Scan
from ..meaning.verify import verify
from . import (
    constants,
    cse,
    dce,
    digits,
    early,
    expand,
    factors,
    fewer,
    given,
    hoist,
    inline,
    layouts,
    ordered,
    pairs,
    routes,
    save,
    segments,
    share,
    shifts,
    signs,
    sink,
    softmax,
    split,
    squares,
    transposes,
    unroll,
    windows,
    winners,
)
from . import recognise as recognise
from . import stabilise as stabilise


@dataclass(frozen=True, slots=True)
class Pass:
    """``enters``: it goes into the bodies of loops by itself; any other is run in each of them, too."""

    name: str
    reason: str
    run: Callable[[Graph], Graph]
    enters: bool = False


FORMULAS: tuple[Pass, ...] = (
    Pass("ordered", "the largest of relus is the relu of the largest, which is one instead of all", ordered.run),
    Pass("routes", "a maximum over several axes, one axis at a time: each has one winner to route the gradient to", routes.run,
         True),
    Pass("recognise", "a gate that is spelled out becomes one gate, so that its derivative is written with its value",
         recognise.run, True),
    Pass("stabilise", "formulas that overflow or cancel become equal ones that do not", stabilise.run, True),
)  # fmt: skip
"""What is done to the formulas as they are written, before any derivative is taken of them."""

BEFORE: tuple[Pass, ...] = (
    *FORMULAS,
    Pass("cse", "equal things are computed once", cse.run),
    Pass("fewer", "what is dear in a formula and depends on fewer of its indices is computed for these alone", fewer.run),
    Pass("squares", "x times -x is minus a square, whose sign is known and whose derivative is one term", squares.run),
    Pass("split", "a product over what the steps of a loop hand on and what they do not is two", split.run, True),
    Pass("hoist", "what the steps of a loop do not wait for each other for is done before it", hoist.run, True),
    Pass("sink", "what no later step waits for is done behind the loop", sink.run, True),
    Pass("dce", "what no output needs goes", dce.run, True),
    Pass("segments", "a loop that is run again for its gradient is cut, and only where its segments start is saved", segments.run,
         True),
)  # fmt: skip
"""What is done to the forward graph before it is differentiated. Recognition never comes later: σ(1 - σ) would turn back
into σ(z) σ(-z)."""

AFTER: tuple[Pass, ...] = (
    Pass("given", "hand-made derivatives have served their turn", given.run, True),
    Pass("constants", "the seed and 1/N are carried into the products that they scale", constants.run),
    Pass("cse", "the backward pass asks for what the forward pass holds", cse.run),
    Pass("softmax", "exp(t - logsumexp(t)) is a term over the sum that log-sum-exp takes anyway", softmax.run),
    Pass("share", "a derivative is written with the gates that are there already", share.run),
    Pass("signs", "what is above 0 where something else is is asked in its stead, which then need not be kept", signs.run),
    Pass("cse", "sharing makes equations equal", cse.run),
    Pass("save", "a loop run backwards reads what is dear to compute again", save.run, True),
    Pass("sink", "the gradient of a weight is one product over all steps", sink.run, True),
    Pass("dce", "what no output needs goes", dce.run, True),
)
"""What is done to the forward and backward graph together."""

KERNEL: tuple[Pass, ...] = (
    Pass("dce", "each kernel computes only what it gives", dce.run, True),
    Pass("shifts", "the gradient of a formula of neighbours is one of neighbours", shifts.run),
    Pass("inline", "a step used once is written where it is used", inline.run),
    Pass("dce", "what was written elsewhere goes", dce.run, True),
    Pass("factors", "what scales every term of a gradient scales their sum", factors.run),
    Pass("transposes", "what every step of a loop would read across its rows is transposed once", transposes.run, True),
    Pass("expand", "log-sum-exp takes its maximum away, a cross-entropy what cancels", expand.run),
    Pass("cse", "the expansions of several kernels' sums meet", cse.run),
    Pass("dce", "what no output needs goes", dce.run, True),
    Pass("early", "what is known before any loop keeps no two loops apart", early.run, True),
)
"""What is done to the graph of each kernel."""

MEMORY: tuple[Pass, ...] = (
    Pass("winners", "of a window one place is kept, that of its winner, not one of each line", winners.run, True),
    Pass("windows", "a contraction over windows is written once and read inside: from a copy with zeros around it", windows.run),
    Pass("digits", "a flattened axis runs as the axes that it was made of: nothing is divided", digits.run),
    Pass("layouts", "channels last where convolutions are: what their kernel runs along lies together", layouts.run),
    Pass("unroll", "what is found in a window of a few elements is a formula of them, without a loop", unroll.run),
    Pass("pairs", "what is there for each of a few components of a pair is written out: one loop along the pairs", pairs.run),
)
"""What is done to the graph of each kernel when it is made into loops."""


def apply(passes: Iterable[Pass], graph: Graph) -> Graph:
    """The graph after all of ``passes``, each in the bodies of its loops as well, verified after each."""
    for step in passes:
        after = step.run(graph)
        if not step.enters:
            after = _in_loops(step, after)
        if after is not graph:
            verify(after, step.name)
        graph = after
    return graph


def _in_loops(step: Pass, graph: Graph) -> Graph:
    eqns = tuple(_in_loop(step, e) if isinstance(e, Scan) else e for e in graph.eqns)
    return graph.with_eqns(eqns) if any(a is not b for a, b in zip(eqns, graph.eqns, strict=True)) else graph


def _in_loop(step: Pass, scan: Scan) -> Scan:
    body = _in_loops(step, step.run(scan.body))
    return scan if body is scan.body else replace(scan, body=body)
