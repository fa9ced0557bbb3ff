"""Long results that leave a kernel past the caches (compiler/emit/streams.py, stream.h)."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradwright.compiler.driver import compile_model
from gradwright.runtime import load

INCLUDE = Path(__file__).resolve().parents[1] / "runtime" / "include"
CC = shutil.which("cc") or shutil.which("gcc")
Array = np.ndarray[Any, np.dtype[Any]]

LIGHT = """\
dtype  {dtype}
size   N
input  x[N], y[N], z[N]
output f = (x + y) * z
minimize sum(f)
gradient loss wrt x, y, z
"""


def text(model: str, folder: Path) -> str:
    path = folder / "model.gw"
    path.write_text(model)
    result = compile_model(path, stop_after="cython")
    return str(result.value["model.pyx"])


def part(code: str, kernel: str) -> str:
    """The function that runs some rounds of the first loop of a kernel."""
    found = re.search(rf"cdef void _{kernel}_part1\(.*?\n\n\n", code, re.DOTALL)
    assert found is not None
    return found[0]


def test_only_where_little_is_computed(tmp_path: Path) -> None:
    light = part(text(LIGHT.format(dtype="float64"), tmp_path), "value_and_grad")
    assert re.search(r"    far = past_caches\(24\*N\) and to_line\(d_y \+ first\) == lead", light)
    assert "stream(d_z + n_start, d_z_to, n_count)" in light
    heavy = text("size N\ninput x[N]\noutput f = sigmoid(x)\nminimize sum(f)\ngradient loss wrt x\n", tmp_path)
    assert "far = " not in part(heavy, "value_and_grad")
    assert "stream(d_x " in part(heavy, "backward")


@pytest.mark.parametrize(("formula", "light"), [("x**2 + 1", True), ("1 / x**3", True), ("x**(3/2)", True), ("x**9", False)])
def test_a_power_of_few_products_is_little(formula: str, light: bool, tmp_path: Path) -> None:
    code = text(f"size N\ninput x[N]\noutput f = {formula}\n", tmp_path)
    assert ("stream(f " in code) is light
    assert ("of them transcendental" not in code) is light


def test_what_is_summed_stays_near(tmp_path: Path) -> None:
    """Its blocks are those of a loop without streams: the bits do not depend on where the results lie."""
    light = part(text(LIGHT.format(dtype="float64"), tmp_path), "value_and_grad")
    assert "stream(f " not in light and "loss_total += block_sum(f + n_summed, n_count)" in light


def test_not_what_the_kernel_reads_again(tmp_path: Path) -> None:
    """f is read by a later loop, and g is not."""
    code = text("size N\ninput x[N]\noutput f = 2*x\noutput s = sum(f)\noutput g = f - s\n", tmp_path)
    assert "stream(f " not in code and "stream(g " in code


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_are_the_same_wherever_they_lie(dtype: str, tmp_path: Path) -> None:
    """Also where they begin at different places of a line, and in lengths that are no whole number of lines."""
    path = tmp_path / "model.gw"
    path.write_text(LIGHT.format(dtype=dtype))
    model = load(path).Model()
    bytes_ = np.dtype(dtype).itemsize
    rng = np.random.default_rng(3)
    for count in ((1 << 24) // (4 * bytes_) + 11, (1 << 24) // (4 * bytes_) - 1, 700, 5):
        x, y, z = (rng.normal(size=count).astype(dtype) for _ in range(3))
        losses: set[float] = set()
        for shifts in ((0, 0, 0, 0), (3, 3, 3, 3), (1, 2, 3, 0)):
            room = [np.full(count + 64, np.nan, dtype) for _ in range(4)]
            firsts = [(-r.ctypes.data % 64) // bytes_ + s for r, s in zip(room, shifts, strict=True)]
            f, dx, dy, dz = (r[k : k + count] for r, k in zip(room, firsts, strict=True))
            loss = np.empty((), dtype)
            model.value_and_grad(x=x, y=y, z=z, out=({"f": f, "loss": loss}, {"x": dx, "y": dy, "z": dz}))
            for got, want in ((f, (x + y) * z), (dx, z), (dy, z), (dz, x + y)):
                np.testing.assert_array_equal(got, want)
            for r, k in zip(room, firsts, strict=True):
                assert np.isnan(r[:k]).all() and np.isnan(r[k + count :]).all()
            losses.add(float(loss))
        assert len(losses) == 1


@pytest.mark.skipif(CC is None, reason="needs a C compiler")
@pytest.mark.parametrize("march", ["native", "x86-64"])
def test_the_header_moves_any_number_anywhere(march: str, tmp_path: Path) -> None:
    source = tmp_path / "stream.c"
    source.write_text('#include "gradwright/stream.h"\n' + "".join(
        f"void move_{s}({t} *to, const {t} *from, ptrdiff_t n) {{ gw_stream_{s}(to, from, n); gw_settle(); }}\n"
        f"ptrdiff_t to_line_{s}(const {t} *p) {{ return gw_to_line_{s}(p); }}\n" for s, t in (("f64", "double"), ("f32", "float"))
    ))  # fmt: skip
    target = tmp_path / "stream.so"
    command = [str(CC), "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-march={march}", f"-I{INCLUDE}"]
    done = subprocess.run([*command, str(source), "-o", str(target)], capture_output=True, text=True, check=False)
    if done.returncode and "march" in done.stderr:
        pytest.skip("another kind of processor")
    assert done.returncode == 0, done.stderr
    library = ctypes.CDLL(str(target))
    for name, dtype in (("f64", np.float64), ("f32", np.float32)):
        move: Callable[..., None] = getattr(library, f"move_{name}")
        to_line: Callable[..., int] = getattr(library, f"to_line_{name}")
        size = np.dtype(dtype).itemsize
        source_, target_ = np.arange(1.0, 400.0, dtype=dtype), np.empty(500, dtype)
        for first in range(20):
            here = target_.ctypes.data + first * size
            assert to_line(ctypes.c_void_p(here)) == -here % 64 // size
            for count in (0, 1, 7, 16, 17, 64, 131):
                target_[:] = 0
                move(ctypes.c_void_p(here), ctypes.c_void_p(source_.ctypes.data + size), ctypes.c_ssize_t(count))
                np.testing.assert_array_equal(target_[first : first + count], source_[1 : 1 + count])
                assert not target_[:first].any() and not target_[first + count :].any()
