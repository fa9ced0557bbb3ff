"""The module for ``--backend numpy``: the kernels as NumPy that reads as in a textbook, for machines without a C compiler.

Each equation becomes one statement: ``h = np.tanh(x @ W1 + b1)``, ``np.add.at(d_s, (np.arange(N), y), ...)``. The axes of an
equation get an order; every read is written so that it broadcasts along that order (``reads.py``), and what cannot be a slice
is gathered with index arrays.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...graph.shapes import Dim
from ...language.source import Source
from ...passes.kernels import Plan
from ..spec import literal, spec, without_step
from .code import literal_array, literal_name, names_tuple, safe
from .helpers import HELPERS, imports
from .kernels import kernel_text
from .updates import update_name, update_text


def emit_numpy(plan: Plan, sources: Mapping[str, Source], *, version: str, digest: str, command: str) -> dict[str, str]:
    """The text of the module by file name: ``NAME.py``."""
    plan, model = without_step(plan), plan.model
    used: set[str] = set()
    kernels = [kernel_text(k, model, sources, used) for k in plan.kernels]
    updates = [update_text(u, used, sources) for u in model.updates]
    table = spec(model, plan.kernels, [Dim.of(0)] * len(plan.kernels), version=version, digest=digest, backend="numpy")
    title = [safe(line) for line in model.doc.strip().splitlines()] or ["a model"]
    head = [f'"""{safe(model.name)}: {title[0]}', *title[1:], ""]
    head += [f"Made by gradwright {version} from {safe(model.source)} (sha256 {digest[:16]}); edit the model and make it again:",
             f"    {safe(command)}", '"""']  # fmt: skip
    helpers = [text for name, text in HELPERS.items() if name in used]
    maths = ["import math", ""] if "_erf" in used or any("math.isqrt(" in k for k in kernels) else []
    head += [*maths, "import numpy as np", "", *imports(used),
             "from gradwright.runtime.model import install", "", f"real = np.{model.dtype}"]
    literals = _literals(plan, used)
    parts = ["\n".join([*head, *literals]) + "\n", *helpers, *(k + "\n" for k in kernels), *(u + "\n" for u in updates)]
    tail = [f"_KERNELS = {names_tuple([f'_{k.name}_kernel' for k in plan.kernels])}",
            f"_UPDATES = {names_tuple([update_name(u.name) for u in model.updates])}", f"_SPEC = {literal(dict(table))}", "", "",
            "def _run(kernel, arrays, sizes):", '    with np.errstate(all="ignore"):',
            "        _KERNELS[kernel](*arrays, *sizes)", "", "", "install(globals())"]  # fmt: skip
    return {f"{model.name}.py": "\n\n".join([*parts, "\n".join(tail) + "\n"])}


def _literals(plan: Plan, used: set[str]) -> list[str]:
    names = {n for k in plan.kernels for e in k.graph.eqns for n in e.reads()}
    consts = [c for c in plan.whole.consts if c.value.name in names]
    return ["", *(f"{literal_name(c.value.name)} = {literal_array(c)}" for c in consts)] if consts else []
