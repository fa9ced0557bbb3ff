"""``NAME.pyi``: what a module holds, for editors and type checkers: ``model.params.W1`` is completed, ``out.p`` has a type."""

from __future__ import annotations

import keyword
from collections.abc import Iterable

from ..graph.ir import Kind, Target
from ..graph.shapes import Shape, show
from ..passes.kernels import Plan

_HEAD = """\
import typing as _gw_t

import numpy as _gw_np
import numpy.typing as _gw_npt

from gradwright.runtime.model import Gradients as _gw_Gradients
from gradwright.runtime.model import Hypers as _gw_Hypers
from gradwright.runtime.model import Model as _gw_Model
from gradwright.runtime.model import Outputs as _gw_Outputs
from gradwright.runtime.model import Params as _gw_Params
"""
_KINDS: dict[Kind, str] = {"int": "int64", "bool": "bool_"}


def emit_stub(plan: Plan, *, version: str) -> dict[str, str]:
    """The text of the stub by file name."""
    model = plan.model
    values = model.graph.values()

    def type_of(shape: Shape, kind: Kind = "real") -> str:
        scalar = f"_gw_np.{_KINDS.get(kind, model.dtype)}"
        return f"_gw_np.ndarray[_gw_t.Any, _gw_np.dtype[{scalar}]]" if shape else scalar

    def record(name: str, base: str, rows: Iterable[tuple[str, str, str, str]]) -> list[str]:
        lines = []
        for shown, type_, shape, doc in rows:
            if _spelled(shown):
                lines.append(f"    {shown}: {type_}" + (f"  # {shape}" if shape else ""))
                lines += [f'    """{_quoted(doc)}"""'] if doc else []
        return ["", "", f"class {name}(_gw_{base}):", *(lines or ["    ..."])]

    def shaped(shape: Shape) -> str:
        return show(shape) if shape else ""

    rows = [(p.value.name, type_of(p.value.shape), shaped(p.value.shape), p.doc) for p in model.params]
    lines = [f'"""{_quoted(model.name)}: {_quoted(model.doc.strip() or "a model")}"""', ""]
    lines += [f"# Made by gradwright {version} from {model.source}, beside the module itself.", "", _HEAD.rstrip()]
    lines += record("Params", "Params", rows)
    lines += record("Hypers", "Hypers", [(h.value.name, "float", "", h.doc) for h in model.hypers])
    outputs = [(o.name, type_of(values[o.value].shape, values[o.value].kind), shaped(values[o.value].shape), o.doc)
               for o in model.outputs]  # fmt: skip
    lines += record("Outputs", "Outputs", outputs)
    loss = next((o.name for o in model.outputs if o.value == model.loss), None)
    lines += record("Predictions", "Outputs", [row for row in outputs if row[0] != loss])

    def gradients(name: str, target: Target | None, more: list[tuple[str, str, str, str]]) -> list[str]:
        own = [] if target is None else [(n, type_of(values[v].shape), shaped(values[v].shape), "") for n, v in target.wrt]
        return record(name, "Gradients", [*own, *more])

    top = next((t for t in model.targets if t.value == model.loss), None)
    if top is None and len(model.targets) == 1:
        top = model.targets[0]
    others = [t for t in model.targets if t is not top]
    for k, target in enumerate(others):
        lines += gradients(f"_gw_Gradients_{k}", target, [])
    lines += gradients("Gradients", top, [(t.name, f"_gw_Gradients_{k}", "", "") for k, t in enumerate(others)])

    every = [(i.value.name, "") for i in model.inputs]
    optional = [(name, "float") for name in (h.value.name for h in model.hypers)] + [(name, "int") for name in model.free]
    predict = next((k for k in plan.kernels if k.name == "predict"), None)
    few = every if predict is None else [i for i in every if f"in:{i[0]}" in predict.slots]
    all_in, few_in = _keywords(every, optional), _keywords(few, optional)
    upstream = "upstream: _gw_t.Any = ..."
    lines += ["", "", "class Model(_gw_Model):"]
    lines += ["    params: Params", "    hyper: Hypers"]
    for name, arguments, result in (
        ("forward", f"self, /{all_in}", "Outputs"),
        ("backward", f"self, {upstream}", "Gradients"),
        ("value_and_grad", f"self, {upstream}, /{all_in}", "tuple[Outputs, Gradients]"),
        ("predict", f"self, /{few_in}", "Predictions"),
        ("step", f"self, optimizer: _gw_t.Any = ..., /{all_in}", "float"),
    ):
        lines.append(f"    def {name}({arguments}) -> {result}: ...  # type: ignore[override, unused-ignore]")
    lines += ["", ""]
    for name, arguments, result in (
        ("forward", f"params: _gw_t.Any, /{all_in}", "Outputs"),
        ("predict", f"params: _gw_t.Any, /{few_in}", "Predictions"),
        ("value_and_grad", f"params: _gw_t.Any, {upstream}, /{all_in}", "tuple[Outputs, Gradients]"),
        ("gradient", f"params: _gw_t.Any, {upstream}, /{all_in}", "Gradients"),
    ):
        lines.append(f"def {name}({arguments}) -> {result}: ...")
    return {f"{model.name}.pyi": "\n".join(lines) + "\n"}


def _spelled(name: str) -> bool:
    """Whether a name can stand in Python text as it is: a keyword, or one that a class would mangle, cannot."""
    return name.isidentifier() and not keyword.iskeyword(name) and not name.startswith(("__", "_gw_"))


def _keywords(inputs: Iterable[tuple[str, str]], optional: Iterable[tuple[str, str]]) -> str:
    required = [f"{name}: _gw_npt.ArrayLike" for name, _ in inputs if _spelled(name) and name != "self"]
    rest = [f"{name}: {type_} = ..." for name, type_ in optional if _spelled(name) and name != "self"]
    unspelled = any(not _spelled(name) or name == "self" for name, _ in (*inputs, *optional))
    parts = [*required, *rest]
    return (", *, " + ", ".join(parts) if parts else "") + (", **others: _gw_t.Any" if unspelled else "")


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"""', "'''").rstrip('"')
