"""The graph as a picture for others to lay out: Graphviz's dot and Mermaid."""

from __future__ import annotations

from collections.abc import Iterator

from ..graph.ir import Model, Scan, outs
from ..graph.shapes import show


def _nodes(model: Model) -> Iterator[tuple[str, str, str]]:
    """(value, label, what it is) in order of evaluation."""
    params = {p.value.name for p in model.params}
    hypers = {h.value.name for h in model.hypers}
    shown = {o.value: o.name for o in model.outputs}
    for value in model.graph.inputs:
        what = "param" if value.name in params else "hyper" if value.name in hypers else "input"
        yield value.name, f"{value.name}{show(value.shape) if value.shape else ''}", what
    for const in model.graph.consts:
        yield const.value.name, f"{const.value.name}{show(const.value.shape)}", "const"
    for eqn in model.graph.eqns:
        op = "scan" if isinstance(eqn, Scan) else eqn.op
        for out in outs(eqn):
            shape = show(out.shape) if out.shape else ""
            yield out.name, f"{op}\n{shown.get(out.name, out.name)}{shape}", "output" if out.name in shown else "value"


def _edges(model: Model) -> Iterator[tuple[str, str]]:
    for eqn in model.graph.eqns:
        for read in eqn.reads():
            for out in outs(eqn):
                yield read, out.name


def dot(model: Model) -> str:
    """For ``dot -Tsvg``."""
    looks = {
        "input": "shape=box", "param": "shape=box, style=filled, fillcolor=lightyellow", "hyper": "shape=box, style=dashed",
        "const": "shape=plaintext", "value": "shape=ellipse", "output": "shape=ellipse, penwidth=2",
    }  # fmt: skip

    def quote(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'

    lines = [f"digraph {quote(model.name)} {{", "    rankdir=TB;", '    node [fontname="Helvetica"];']
    lines += [f"    {quote(name)} [label={quote(label)}, {looks[what]}];" for name, label, what in _nodes(model)]
    lines += [f"    {quote(a)} -> {quote(b)};" for a, b in _edges(model)]
    return "\n".join([*lines, "}"])


def mermaid(model: Model) -> str:
    """For Markdown pages that draw Mermaid."""
    shapes = {
        "input": ("[", "]"), "param": ("[[", "]]"), "hyper": ("[/", "/]"), "const": ("{{", "}}"), "value": ("(", ")"),
        "output": ("((", "))"),
    }  # fmt: skip
    ids = {name: f"n{k}" for k, (name, _, _) in enumerate(_nodes(model))}

    def quote(text: str) -> str:
        return '"' + text.replace('"', "#quot;").replace("\n", "<br/>") + '"'

    lines = ["flowchart TB"]
    for name, label, what in _nodes(model):
        left, right = shapes[what]
        lines.append(f"    {ids[name]}{left}{quote(label)}{right}")
    lines += [f"    {ids[a]} --> {ids[b]}" for a, b in _edges(model)]
    return "\n".join(lines)
