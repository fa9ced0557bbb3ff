"""CasADi: C code of its own, compiled, called through buffers that are bound beforehand, as its documentation does it."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any

import casadi
import numpy as np

from ..workloads import Workload
from . import NotThere, Program, numbers
from .with_python import at_a_point

_FOLDER = tempfile.TemporaryDirectory()  # for its C files, until the process ends
_HELD: list[Any] = []  # what the triggers use and do not hold themselves


def make(w: Workload, name: str = "casadi", threads: int = 1) -> Program:
    _, point = at_a_point(w)
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise NotThere("no C compiler")
    v = casadi.SX.sym("v", len(point))
    f = (v[0] + v[1]) * v[2] if w.model == "product" else 1 / (1 + casadi.exp(-(v[2] * v[0] + v[3] * v[1] + v[4])))
    shell = {"compiler": compiler, "flags": ["-O3", f"-march={w.march}"], "directory": os.path.join(_FOLDER.name, ""),
             "cleanup": False}  # fmt: skip
    jit = {"jit": True, "compiler": "shell", "jit_cleanup": False, "jit_options": shell}
    function = casadi.Function("f", [v], [f, casadi.gradient(f, v)], jit)
    given, value, gradient = np.array(point), np.zeros(1), np.zeros(len(point))
    buffer, trigger = function.buffer()
    _HELD.extend((function, buffer))
    buffer.set_arg(0, memoryview(given))
    buffer.set_res(0, memoryview(value))
    buffer.set_res(1, memoryview(gradient))

    def run(calls: int) -> None:
        for _ in range(calls):
            trigger()

    return Program(run, lambda: numbers(value, *(gradient if len(point) == 3 else (gradient[:2], gradient[2:]))))
