"""The whole generated module: header, kernels, updates, the table of what it is, and where each line came from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..graph import expr as E
from ..graph.ir import Const, Eqn, Graph, Model, Origin
from ..graph.shapes import Dim, size
from ..language.source import Source
from ..loops.buffers import lower_all
from ..loops.gates import BELOW, SHARED
from ..loops.ir import Nest
from ..passes.kernels import Plan
from . import profiled
from .checked import EXTERN, CheckedWriter, Looks, look_at, tail
from .costs import cost, moved, operations
from .cython import KernelWriter
from .formulas import CALLS
from .lines import Lines, dim_text, shape_text
from .products import told
from .spec import literal, spec, without_step
from .updates import is_shared, spell_function, write_update

DIRECTIVES = ("language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=False, "
              "annotation_typing=False, embedsignature=False")  # fmt: skip

_TWO = ("max", "min", "atan2", "polygamma", "pow")
_BLOCKS = {"block_sum": "sum", "block_squares": "squares", "block_dot": "dot", "block_product": "product",
           "block_absolutes": "absolutes", "short_absolutes": "short_absolutes",
           "block_max": "maximum", "block_min": "minimum",
           "block_largest": "place_of_maximum", "block_least": "place_of_minimum",
           "short_sum": "short_sum", "short_squares": "short_squares", "short_dot": "short_dot"}  # fmt: skip
_SEARCHES = ("block_largest", "block_least")
_CIRCULAR = frozenset(("cos", "sin", "tan"))
_SHARED = frozenset(SHARED.values()) - SHARED.keys()
_GAMMA = frozenset(("lgamma", "digamma", "polygamma"))


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
    for line in _header(plan, nests, digest, command, version):
        whole.add(line)
    for line in externs({c.value.name: c for c in plan.whole.consts}, single, used):
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


def _header(plan: Plan, nests: Sequence[Nest], digest: str, command: str, version: str) -> list[str]:
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


def externs(consts: Mapping[str, Const], single: bool, used: set[str]) -> list[str]:
    """Declarations of what the kernels use of the headers, and the model's literal arrays."""
    suffix = "f" if single else ""
    width = "f32" if single else "f64"
    real = "float" if single else "double"
    lines = ["", 'cdef extern from "gradwright/scalar.h" nogil:']
    lines.append("    # restrict pointers: nothing read here is written here")
    lines.append(f'    ctypedef const {real} *read "gw_read_{width}"')
    lines.append(f'    ctypedef {real} *write "gw_write_{width}"')
    lines.append('    ctypedef const long long *indices "gw_read_i64"')
    lines.append('    ctypedef long long *write_indices "gw_write_i64"')
    own = """above below choose contract contract_guarded contract_onto gemm gemm_move gemm_onto inf move nan pi pick rank
             root share step_power stream stride transpose""".split()
    for name in sorted(used.difference(own, _BLOCKS, _GAMMA, _CIRCULAR, _SHARED, {BELOW}, E.DRAWS)):
        arguments = f"{real}, {real}" if name in _TWO else real
        lines.append(f'    {real} {CALLS.get(name, name)} "gw_{name}{suffix}"({arguments}) noexcept')
    if BELOW in used:
        lines.append("    # exp of what is not above 0")
        lines.append(f'    {real} {BELOW} "gw_{BELOW}{suffix}"({real}) noexcept')
    if used & _SHARED:
        lines.append("    # gates of one x have exp(-abs(x)) in common, which is computed once")
        lines += [f'    {real} {name} "gw_{name}{suffix}"({real}) noexcept' for name in sorted(used & _SHARED)]
    for name in ("above", "below"):
        if name in used:
            lines.append(f'    bint {name} "gw_{name}{suffix}"({real} x, {real} best) noexcept')
    if "pick" in used:
        lines.append(f'    {real} pick "gw_pick{suffix}"(bint condition, {real} if_true, {real} otherwise) noexcept')
    if "choose" in used:
        lines.append(f'    {real} choose "gw_choose{suffix}"(bint condition, {real} if_true, {real} otherwise) noexcept')
    if "pi" in used:
        lines.append(f'    {real} pi "gw_pi_{width}"')
    if "stride" in used:
        lines.append("    # the number itself, which the C compiler does not see: it makes no vectors of reads so far apart")
        lines.append('    Py_ssize_t stride "gw_stride"(Py_ssize_t) noexcept')
    if "root" in used:
        lines.append("    # the square root, rounded up")
        lines.append('    Py_ssize_t root "gw_root"(Py_ssize_t) noexcept')
    if used & {"inf", "nan"}:
        lines.append('cdef extern from "math.h" nogil:')
        for name in ("inf", "nan"):
            if name in used:
                lines.append(f'    {real} {name} "{"INFINITY" if name == "inf" else "NAN"}"')
    if "step_power" in used:
        lines.append('cdef extern from "gradwright/power.h" nogil:')
        lines.append("    # a power of the step's number, whose last value is remembered")
        lines.append('    double step_power "gw_step_power"(double, double) noexcept')
    if used & set(E.DRAWS):
        lines.append('cdef extern from "gradwright/random.h" nogil:')
        lines.append("    # a random number is a function of seed, counter, stream and position")
        for name in E.DRAWS:
            if name in used:
                formals = ", ".join(["long long"] * 4 + ["double"] * (1 if name == "draw_bernoulli" else 2))
                lines.append(f'    {real} {name} "gw_{name}{suffix}"({formals}) noexcept')
    if used & _BLOCKS.keys():
        lines.append('cdef extern from "gradwright/sum.h" nogil:')
    for name in sorted(used & _BLOCKS.keys()):
        arrays = f"const {real} *, " * (2 if name.endswith("dot") else 1)
        type_ = "Py_ssize_t" if name in _SEARCHES else real
        lines.append(f'    {type_} {name} "gw_{_BLOCKS[name]}_{width}"({arrays}Py_ssize_t) noexcept')
    if "share" in used:
        lines.append('cdef extern from "gradwright/share.h" nogil:')
        lines.append("    # all rounds of a loop, in parts of whole blocks: by several threads where their work is worth it")
        lines.append("    ctypedef void (*part_t)(void **, const Py_ssize_t *, Py_ssize_t, Py_ssize_t, double *,")
        lines.append("                            void *) noexcept nogil")
        lines.append('    void share "gw_share"(part_t part, void **given, const Py_ssize_t *sizes,')
        lines.append("          Py_ssize_t rounds, Py_ssize_t work, Py_ssize_t block, double *sums, Py_ssize_t count,")
        lines.append("          size_t room) noexcept")
    if "stream" in used:
        lines.append('cdef extern from "gradwright/stream.h" nogil:')
        lines.append("    # results that are larger than the caches go past them, in whole lines")
        lines.append(f'    ctypedef struct beside_t "gw_beside_{width}":')
        lines.append(f"        {real} at[1]")
        lines.append('    bint past_caches "gw_past_caches"(double bytes) noexcept')
        lines.append(f'    Py_ssize_t to_line "gw_to_line_{width}"(const {real} *) noexcept')
        lines.append(f'    void stream "gw_stream_{width}"({real} *to, const {real} *source, Py_ssize_t count) noexcept')
        lines.append('    void settle "gw_settle"() noexcept')
    if used & {"move", "gemm_move"}:
        lines.append('cdef extern from "gradwright/move.h" nogil:')
        lines.append("    # the optimiser's rule on `count` parameters w, whose gradient is g")
        lines.append('    ctypedef const void *moves "gw_moves"')
        lines.append(f'    void move "gw_move_{width}"(moves rule, {real} *w, const {real} *g, Py_ssize_t count) noexcept')
    if "gemm_move" in used:
        lines.append('cdef extern from "gradwright/gemm_move.h" nogil:')
        lines.append("    # g = a @ b, some rows at a time, and what has this gradient")
        lines.append(f'    void gemm_move "gw_gemm_move_{width}"(moves rule, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,')
        lines.append(f"                   const {real} *a, Py_ssize_t a_row, Py_ssize_t a_column,")
        lines.append(f"                   const {real} *b, Py_ssize_t b_row, Py_ssize_t b_column,")
        lines.append(f"                   {real} *g, {real} *w) noexcept")
    if "gemm" in used:
        lines.append('cdef extern from "gradwright/gemm.h" nogil:')
        lines.append("    # c[m, n] = alpha * a[m, k] @ b[k, n] + beta * c, with the strides of rows and columns")
        lines.append(f'    void gemm "gw_gemm_{width}"(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, {real} alpha,')
        lines.append(f"              const {real} *a, Py_ssize_t a_row, Py_ssize_t a_column,")
        lines.append(f"              const {real} *b, Py_ssize_t b_row, Py_ssize_t b_column,")
        lines.append(f"              {real} beta, {real} *c, Py_ssize_t c_row) noexcept")
    if used & {"gemm_onto", "contract_onto"}:
        lines.append('cdef extern from "gradwright/contract.h" nogil:')
        lines.append("    # how a result is stored: as it is, or 0 for what is not above it")
        lines.append('    int as_it_is "GW_AS_IT_IS", relu "GW_RELU"')
    if "gemm_onto" in used:
        lines.append("    # gemm, added to d instead of c: d has its own steps from row to row and from column to column")
        lines.append(f'    void gemm_onto "gw_gemm_onto_{width}"(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, {real} alpha,')
        lines.append(f"                   const {real} *a, Py_ssize_t a_row, Py_ssize_t a_column,")
        lines.append(f"                   const {real} *b, Py_ssize_t b_row, Py_ssize_t b_column,")
        lines.append(f"                   {real} beta, const {real} *d, Py_ssize_t d_row, Py_ssize_t d_column, int stored,")
        lines.append(f"                   {real} *c, Py_ssize_t c_row) noexcept")
    for name in ("contract", "contract_onto", "contract_guarded"):
        if name not in used:
            continue
        onto = name == "contract_onto"
        guarded = name == "contract_guarded"
        lines.append(f'cdef extern from "gradwright/{"guarded" if guarded else "contract"}.h" nogil:')
        if guarded:
            lines.append("    # contract, in which a zero of a (guard 0) or of b (guard 1) wins, whatever it is multiplied by")
        elif onto:
            lines.append("    # c[i, j] = alpha * sum(a[i, l] * b[l, j] for l) + beta * d[i, j]: three loops over rows, each")
            lines.append("    # with its extent and its steps in a, c and d; three over depth, in a and b; one over columns")
        else:
            lines.append("    # c[i, j] = alpha * sum(a[i, l] * b[l, j] for l) + beta * c[i, j]: three loops over rows,")
            lines.append("    # each with its extent and its steps in a and c; three over depth, in a and b; one over columns")
        lines.append(f'    void {name} "gw_{name}_{width}"({"Py_ssize_t guard," if guarded else ""}')
        for loop, at, arrays in ("m", "i", "acd" if onto else "ac"), ("k", "l", "ab"):
            steps = [", ".join((f"Py_ssize_t {loop}{k}", *(f"Py_ssize_t {x}_{at}{k}" for x in arrays))) for k in range(3)]
            lines.append(f"        {', '.join(steps)},")
        lines.append(f"        Py_ssize_t n, Py_ssize_t b_j, Py_ssize_t c_j,{' Py_ssize_t d_j,' if onto else ''}")
        added = f"const {real} *d, int stored, " if onto else ""
        lines.append(f"        {real} alpha, const {real} *a, const {real} *b, {real} beta, {added}{real} *c) noexcept")
    if "transpose" in used:
        lines.append('cdef extern from "gradwright/contract.h" nogil:')
        lines.append("    # to[j, i] = from[i, j], with the steps from row to row")
        lines.append(f'    void transpose "gw_transpose_{width}"(Py_ssize_t rows, Py_ssize_t columns, const {real} *source,')
        lines.append(f"                   Py_ssize_t source_row, {real} *to, Py_ssize_t to_row) noexcept")
    if used & _CIRCULAR:
        lines.append('cdef extern from "gradwright/circular.h" nogil:')
        lines += [f'    {real} {name} "gw_{name}{suffix}"({real}) noexcept' for name in sorted(used & _CIRCULAR)]
    if used & _GAMMA:
        lines.append('cdef extern from "gradwright/gamma.h" nogil:')
        for name in sorted(used & _GAMMA):
            arguments = f"{real}, {real}" if name in _TWO else real
            lines.append(f'    {real} {name} "gw_{name}{suffix}"({arguments}) noexcept')
    if "rank" in used:
        lines.append('cdef extern from "gradwright/order.h" nogil:')
        lines.append("    # how many elements come before each, in ascending or descending order")
        lines.append(f'    void rank "gw_rank_{width}"(Py_ssize_t n, const {real} *x, Py_ssize_t x_step,')
        lines.append(f"              {real} *y, Py_ssize_t y_step, {real} *scratch, int descending) noexcept")
    lines += ["", f"ctypedef {real} real"]
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


__all__ = ["Origin", "dim_text", "emit_module", "source_map"]
