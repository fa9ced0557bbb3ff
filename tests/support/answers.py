"""What the committed answers about derivatives should hold: the primitives, and the functions of the library that are smooth.

    python tests/support/answers.py      asks SymPy anew and writes compiler/derive/answers.json
"""

from __future__ import annotations

from pathlib import Path

from gradwright.compiler.derive import scalar
from gradwright.compiler.driver import compile_model
from gradwright.compiler.graph.expr import Expr, arg, call
from gradwright.compiler.graph.ir import Eqn
from gradwright.compiler.passes import BEFORE, apply

LIBRARY = """
size N, C = 4
input x[N, C], t[N, C]
index y[N] < C
a = relu(x) + leaky_relu(x) + elu(x) + gelu(x) + gelu(x, approximate="tanh") + silu(x) + clip(x, 0, 1)
p = sigmoid(x)
b = sum(binary_cross_entropy(p, t)) + sum(binary_cross_entropy(x, t, with_logits=True)) + mse(x, t) + mae(x, t)
q = sum(binary_cross_entropy(t, t))
output c = sum(softmax(x)) + sum(log_softmax(x)) + sum(softmax_cross_entropy(x, y)) + sum(hinge(x, y)) + sum(huber(x, t))
output l = sum(a) + b + q
"""


def functions() -> list[tuple[str, Expr]]:
    """Every body that answers are kept for, with a name."""
    found: dict[Expr, str] = {}
    for name in scalar.PRIMITIVES:
        found[call(name, *(arg(k) for k in range(2 if name == "atan2" else 1)))] = name
    graph = compile_model(LIBRARY, stop_after="graph").value.graph
    for eqn in (*graph.eqns, *apply(BEFORE, graph).eqns):
        if isinstance(eqn, Eqn) and scalar.eligible(eqn.body):
            found.setdefault(eqn.body, eqn.op)
    return [(name, body) for body, name in found.items()]


if __name__ == "__main__":
    target = Path(scalar.__file__).with_name("answers.json")
    target.write_text(scalar.answers_text(functions()), encoding="utf-8")
