"""The whole generated module: header, kernels, updates, the table of what it is, and where each line came from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ..graph.ir import Const, Eqn, Graph, Model, Origin, Scan
from ..graph.shapes import Dim, size
from ..language.source import Source, Span
from ..loops.buffers import lower_all
from ..loops.ir import Nest
from ..ops.words import is_temporary
from ..passes.kernels import Plan
from . import profiled
from .checked import EXTERN, CheckedWriter, Looks, look_at, tail
from .costs import cost, moved, operations
from .cython import KernelWriter
from .externs import externs
from .lines import Lines, dim_text, shape_text
from .products import told
from .spec import literal, spec, without_step
from .updates import is_shared, spell_function, write_update

DIRECTIVES = ("language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=False, "
              "annotation_typing=False, embedsignature=False")  # fmt: skip
_WORD: Final = re.compile(r"[^\W\d]\w*")
_READABLE: Final = 90  # letters of a piece of the model that the header repeats


def emit_module(plan: Plan, sources: Mapping[str, Source], *, version: str, digest: str, command: str,
                nests: Sequence[Nest] | None = None, checked: bool = False,
                profile: bool = False) -> dict[str, str]:  # fmt: skip
    """The texts of the module by file name: ``NAME.pyx`` and ``NAME.map.json``. ``nests`` are the plan's kernels lowered.
    A ``checked`` module looks at every value that it computes, and names the first that is not finite. One that is made to
    ``profile`` says how long each of its parts took."""
    model = plan.model
    single = model.dtype == "float32"
    if checked or profile:  # it can give up a step before the update, or tells how long that takes
        plan = without_step(plan, ("step", "advance") if checked else ("advance",))
        names = {k.name for k in plan.kernels}
        nests = [n for n in nests if n.kernel.name in names] if nests is not None else None
    nests = lower_all(plan.kernels) if nests is None else nests
    used: set[str] = set()
    bodies = Lines()
    calls: list[str] = []
    looks: Looks = []
    parts: list[profiled.Part] = []
    for nest in nests:
        if profile:
            writer: KernelWriter = profiled.ProfiledWriter(nest, model.free, single, sources, parts)
        elif checked:
            writer = CheckedWriter(nest, model.free, single, sources, looks)
        else:
            writer = KernelWriter(nest, model.free, single, sources)
        lines = writer.write()
        used |= writer.used
        bodies.add("")
        bodies.add("")
        bodies.extend(lines)
        calls += ["", *_trampoline(writer, nest, model)]
    shared = [] if checked or profile else [u for u in model.updates if is_shared(u, sources)]
    for update in model.updates:
        if update in shared:
            continue
        bodies.add("")
        bodies.add("")
        look = (lambda what, origin: look_at(what, origin, sources, looks)) if checked else None
        bodies.extend(write_update(update, single, used, sources, look))
        if profile:
            bodies.extend(profiled.timed_update(update, model, sources, parts))
    whole = Lines()
    for line in _header(plan, nests, digest, command, version, unnamed(model.graph, bodies.text, sources)):
        whole.add(line)
    for line in declarations({c.value.name: c for c in plan.whole.consts}, single, used):
        whole.add(line)
    for line in profiled.extern(parts) if profile else EXTERN if checked else ():
        whole.add(line)
    whole.extend(bodies)
    shared_names = [u.name for u in shared]
    table = spec(model, [n.kernel for n in nests], [n.work for n in nests], version=version, digest=digest, backend="cython")
    rules = [(profiled.spell_timed if profile else spell_function)(u.name) for u in model.updates]
    for line in "\n".join(_tail(model, nests, calls, table, rules, shared_names)).split("\n"):  # the tables are many lines each
        whole.add(line)
    for line in profiled.tail(parts) if profile else tail(looks) if checked else ():
        whole.add(line)
    text = "\n".join(whole.text) + "\n"
    return {f"{model.name}.pyx": text, f"{model.name}.map.json": source_map(model.name, whole)}


def source_map(name: str, lines: Lines) -> str:
    """Each line of the generated text with the pieces of the model it answers to; "frame" is what every module has."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for number, origins in enumerate(lines.origins, 1):
        found: list[dict[str, Any]] = []
        for origin in dict.fromkeys(origins):
            row: dict[str, Any] = {"rule": origin.rule}
            if origin.note:
                row["note"] = origin.note
            row["spans"] = [[s.file, s.line, s.column, s.end_line, s.end_column] for s in origin.spans]
            found.append(row)
        rows[str(number)] = found or [{"rule": "frame", "spans": []}]
    return json.dumps({"version": 1, "file": f"{name}.pyx", "lines": rows}, ensure_ascii=False, separators=(",", ":")) + "\n"


# ---------------------------------------------------------------- header


def unnamed(graph: Graph, text: Iterable[str], sources: Mapping[str, Source]) -> dict[str, str]:
    """What the model says where ``text`` has a name that it does not, as ``{"h_add1": "x @ W1 + b1"}``."""
    said = {name: span for span, name in _says(graph, {}).items() if is_temporary(name)}
    words = {word for line in text for word in _WORD.findall(line)}
    pieces = {name: _piece(span, sources) for name, span in said.items() if name in words or f"d_{name}" in words}
    return {name: piece for name, piece in pieces.items() if 0 < len(piece) <= _READABLE}


def _says(graph: Graph, names: dict[Span, str]) -> dict[Span, str]:
    """For each piece of the model the last value that is made of it: what it is worth."""
    for eqn in graph.eqns:
        if isinstance(eqn, Scan):
            _says(eqn.body, names)
        elif len(eqn.origin.spans) == 1:
            names[eqn.origin.spans[0]] = eqn.out.name
    return names


def _piece(span: Span, sources: Mapping[str, Source]) -> str:
    """The user's own text, on one line."""
    source = sources.get(span.file)
    if source is None or not 0 < span.line <= span.end_line <= len(source.lines):
        return ""
    lines = [source.line(n) for n in range(span.line, span.end_line + 1)]
    lines[-1] = lines[-1][: span.end_column - 1]
    lines[0] = lines[0][span.column - 1 :]
    text = " ".join(" ".join(line.partition("#")[0] for line in lines).split())
    return text[1:-1] if text[:1] == "(" and text.find(")") == len(text) - 1 and text.count("(") == 1 else text


def _header(plan: Plan, nests: Sequence[Nest], digest: str, command: str, version: str, unnamed: Mapping[str, str]) -> list[str]:
    model = plan.model
    dtype = model.dtype
    lines = [f"# cython: {DIRECTIVES}"]
    title = model.doc.strip().splitlines()[0] if model.doc.strip() else "a model"
    lines.append(f'"""{model.name}: {_safe(title)}')
    lines += [_safe(line) for line in model.doc.strip().splitlines()[1:]]
    lines.append("")
    made = f"Made by gradwright {version} from {_safe(model.source)} (sha256 {digest[:16]})"
    lines.append(f"{made}; edit the model and make it again:")
    lines.append(f"    {_safe(command)}")
    lines.append("")
    fixed = ", ".join(f"{n} = {v}" for n, v in model.fixed)
    free = f"{', '.join(model.free)} {'is' if len(model.free) == 1 else 'are'} free" if model.free else ""
    if free or fixed:
        lines.append(f"Sizes        {', '.join(x for x in (free, fixed) if x)}")
    if model.inputs:
        lines.append(f"Inputs       {' '.join(shape_text(i.value) for i in model.inputs)}")
    trained = [p for p in model.params if not p.frozen]
    if trained:
        total = Dim.of(0)
        for p in trained:
            total = total + size(p.value.shape)
        names = " ".join(shape_text(p.value) for p in trained)
        lines.append(f"Parameters   {names}: {total} {dtype}, in this order in theta")
    frozen = [p for p in model.params if p.frozen]
    if frozen:
        lines.append(f"Frozen       {' '.join(shape_text(p.value) for p in frozen)}")
    for nest in nests:
        if nest.kernel.name == "backward":
            kept = [shape_text(s.value) for s in nest.storage if s.slot == "kept"]
            lines.append(f"Kept         {' '.join(kept) or 'nothing'} for the backward pass")
    width = max(map(len, unnamed), default=0)
    for k, (name, piece) in enumerate(unnamed.items()):
        lines.append(f"{'' if k else 'Unnamed':<13}{name:<{width}} = {_safe(piece)}")
    before = _graph_operations(model.graph)
    lines.append(f"Operations   the forward graph as written: {before}")
    for nest in nests:
        count, transcendental = operations(nest.body)
        text = f"{nest.kernel.name} {count}"
        if transcendental.terms:
            text += f", {transcendental} of them transcendental"
        lines.append(f"             {text}; bytes moved {moved(nest, dtype)}")
    for k, product in enumerate(told(nests, dtype)):
        lines.append(f"{'' if k else 'Products':<13}{product}")
    lines.append('"""')
    return lines


def _safe(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"""', "'''").rstrip('"')


def _graph_operations(graph: Graph) -> Dim:
    total = Dim.of(0)
    for eqn in graph.eqns:
        if isinstance(eqn, Eqn):
            points = size(tuple(a.extent for a in eqn.axes))
            total = total + points * (cost(eqn.body)[0] + (1 if eqn.reduce else 0))
    return total


def declarations(consts: Mapping[str, Const], single: bool, used: set[str]) -> list[str]:
    """What the kernels use of the headers, and the model's literal arrays."""
    lines = ["", *externs(single, used), "", f"ctypedef {'float' if single else 'double'} real"]
    for name, const in consts.items():
        data = ", ".join(repr(float(x)) for x in const.data)
        lines.append(f"cdef real[{len(const.data)}] {const_name(name)} = [{data}]")
    return lines


def const_name(name: str) -> str:
    return f"literal_{name}"


def _trampoline(writer: KernelWriter, nest: Nest, model: Model) -> list[str]:
    name = nest.kernel.name
    arguments = [f"<{type_}>s[{k}]" for k, (_, type_, _) in enumerate(writer.arguments)]
    if nest.work.terms:
        arguments.append(f"<write>s[{len(writer.arguments)}]")
    arguments += [f"n[{k}]" for k in range(len(model.free))]
    return [f"cdef void _call_{name}(void **s, const Py_ssize_t *n) noexcept nogil:", f"    {name}({', '.join(arguments)})"]


def _tail(model: Model, nests: Sequence[Nest], calls: Sequence[str], table: Mapping[str, Any], names: Sequence[str],
          shared: Sequence[str]) -> list[str]:  # fmt: skip
    """``names``: of the functions that update; ``shared``: those of them that every module has."""
    lines = ["", "", "# What follows is the same for every model but for its tables: from Python to the kernels above.", ""]
    lines += ["ctypedef void (*kernel_t)(void **slots, const Py_ssize_t *sizes) noexcept nogil",
              "ctypedef void (*update_t)(write, read, real **, const double *, double, Py_ssize_t) noexcept nogil"]  # fmt: skip
    if shared:
        width = "f32" if model.dtype == "float32" else "f64"
        lines += ["", 'cdef extern from "gradwright/updates.h" nogil:',
                  "    # the rules of optimizers.gw: each is one loop over the parameters"]  # fmt: skip
        lines += [f'    update_t {spell_function(name)} "gw_{spell_function(name)}_{width}"' for name in shared]
    lines += calls
    kernels = [f"_call_{n.kernel.name}" for n in nests] or ["NULL"]
    updates = [*names] or ["NULL"]
    lines += ["", f"cdef kernel_t[{len(kernels)}] _KERNELS = [{', '.join(kernels)}]"]
    lines += [f"cdef update_t[{len(updates)}] _UPDATES = [{', '.join(updates)}]"]
    lines += ["", "# what the model is; read when the module is imported", f'_SPEC = """{_spec_text(table)}"""']
    lines += ["", 'include "gradwright/module.pxi"']
    return lines


def _spec_text(table: Mapping[str, Any]) -> str:
    return literal(dict(table)).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


__all__ = ["Origin", "declarations", "dim_text", "emit_module", "source_map"]
