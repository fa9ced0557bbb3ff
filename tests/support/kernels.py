"""Graphs as compiled kernels: for comparing what generated code computes with what the interpreter says."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gradwright.compiler.build.compile import build_module, suffix
from gradwright.compiler.build.toolchain import toolchain
from gradwright.compiler.emit.cython import KernelWriter
from gradwright.compiler.emit.module import DIRECTIVES, declarations
from gradwright.compiler.graph.ir import Const, Graph, outs
from gradwright.compiler.graph.shapes import Dim
from gradwright.compiler.loops.buffers import lower
from gradwright.compiler.loops.ir import Nest
from gradwright.compiler.passes import KERNEL, apply
from gradwright.compiler.passes.kernels import Kernel, Place, with_own_outputs
from numpy.typing import NDArray

from .settings import OPTIMISED

Array = NDArray[Any]
Runner = Callable[[Mapping[str, Array], Mapping[str, int]], dict[str, Array]]

_GLUE = '''
cdef extern from *:
    """
    typedef struct { PyObject_HEAD char *data; } gw_plain_array;
    static void *gw_start(PyObject *array) { return ((gw_plain_array *)array)->data; }
    """
    ctypedef struct PyObject
    void *gw_start(PyObject *)


def run(int kernel, list arrays, list sizes):
    cdef void *slots[64]
    cdef Py_ssize_t extents[16]
    cdef Py_ssize_t k
    for k in range(len(arrays)):
        item = arrays[k]
        slots[k] = gw_start(<PyObject *>item)
    for k in range(len(sizes)):
        extents[k] = sizes[k]
    with nogil:
        _KERNELS[kernel](slots, extents)
'''


def kernel_of(graph: Graph, name: str) -> Kernel:
    """The graph as one kernel with a slot for each input and output."""
    outputs = tuple(dict.fromkeys(graph.outputs))
    own, places = with_own_outputs(graph, {n: (f"out:{n}", Dim.of(0)) for n in outputs})
    own = apply(KERNEL, own)
    read = {n for e in own.eqns for n in e.reads()}
    inputs = [Place(v.name, f"in:{v.name}") for v in own.inputs if v.name in read]
    every = (*inputs, *places)
    return Kernel(name, graph.name, own, every, tuple(p.slot for p in every), Dim.of(0))


def build_graphs(graphs: Sequence[Graph], folder: Path, single: bool = False, level: int = OPTIMISED) -> list[Runner]:
    """One module with a kernel for each graph (cached by its text in ``folder``)."""
    nests = [lower(kernel_of(g, f"k{i}")) for i, g in enumerate(graphs)]
    return build_nests(nests, [sorted(free_sizes(g)) for g in graphs], folder, single, level)


def build_nests(
    nests: Sequence[Nest], frees: Sequence[Sequence[str]], folder: Path, single: bool = False, level: int = OPTIMISED
) -> list[Runner]:
    """As :func:`build_graphs`, for loop nests. Kernels are called k0, k1...; a slot ``theta`` is changed in place."""
    module = load_nests(nests, frees, folder, single, level)
    real = np.float32 if single else np.float64

    def runner(i: int) -> Runner:
        nest, free = nests[i], frees[i]
        values = nest.kernel.graph.values()

        def call(inputs: Mapping[str, Array], sizes: Mapping[str, int]) -> dict[str, Array]:
            arrays: list[Array] = []
            result: dict[str, Array] = {}
            for place in nest.kernel.places:
                kind, _, label = place.slot.partition(":")
                value = values[place.value]
                dtype = np.int64 if value.kind == "int" else real
                if kind == "theta":
                    assert inputs[place.slot].dtype == dtype
                    arrays.append(inputs[place.slot])
                elif kind == "in":
                    arrays.append(np.ascontiguousarray(inputs[label], dtype))
                else:
                    shape = tuple(d.evaluate(sizes) for d in value.shape)
                    result[label] = np.full(shape, -77, dtype) if dtype is np.int64 else np.full(shape, np.nan, dtype)
                    arrays.append(result[label])
            if nest.work.terms:
                arrays.append(np.full(nest.work.evaluate(sizes), np.nan, real))
            module.run(i, arrays, [sizes[n] for n in free])
            return result

        return call

    return [runner(i) for i in range(len(nests))]


def load_nests(
    nests: Sequence[Nest], frees: Sequence[Sequence[str]], folder: Path, single: bool = False, level: int = OPTIMISED
) -> Any:
    """The module of the nests: its ``run(number, arrays, sizes)`` calls one."""
    used: set[str] = set()
    consts: dict[str, Const] = {}
    bodies: list[str] = []
    calls: list[str] = []
    for i, (nest, free) in enumerate(zip(nests, frees, strict=True)):
        writer = KernelWriter(nest, free, single, {}, literals=f"k{i}_")
        bodies += ["", *writer.write().text]
        used |= writer.used
        consts.update({f"k{i}_{c.value.name}": c for c in nest.kernel.graph.consts})
        parts = [f"<{type_}>s[{k}]" for k, (_, type_, _) in enumerate(writer.arguments)]
        if nest.work.terms:
            parts.append(f"<write>s[{len(parts)}]")
        parts += [f"n[{k}]" for k in range(len(free))]
        calls += [f"cdef void c{i}(void **s, const Py_ssize_t *n) noexcept nogil:", f"    k{i}({', '.join(parts)})"]
    text = [f"# cython: {DIRECTIVES}", *declarations(consts, single, used), *bodies, *calls,
            "ctypedef void (*kernel_t)(void **, const Py_ssize_t *) noexcept nogil",
            f"cdef kernel_t[{len(nests)}] _KERNELS = [{', '.join(f'c{i}' for i in range(len(nests)))}]", _GLUE]  # fmt: skip
    source = "\n".join(text)
    name = f"graphs_{hashlib.sha256(source.encode()).hexdigest()[:16]}"
    path = folder / f"{name}{suffix()}"
    if not path.exists():
        path = build_module(name, source, folder, tools=None if level == OPTIMISED else toolchain().at_level(level))
    found = importlib.util.spec_from_file_location(name, path)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def free_sizes(graph: Graph) -> set[str]:
    names: set[str] = set()
    for value in (*graph.inputs, *(o for e in graph.eqns for o in outs(e))):
        for dim in value.shape:
            names |= dim.free()
    for eqn in graph.eqns:
        axes = getattr(eqn, "axes", ())
        for axis in axes:
            names |= axis.extent.free()
    return names
