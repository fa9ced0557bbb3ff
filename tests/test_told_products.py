"""What the header of a module tells of its matrix products: what the kernel does with these sizes."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest
import test_contract_header
from gradwright.compiler import driver
from gradwright.compiler.emit import products
from gradwright.compiler.emit.products import dotted, strips
from test_contract_header import BUILDS, CC, INCLUDE, compile_library

HEADER = '#include "gradwright/contract.h"\n'
MODEL = """\
dtype  float32
size   N, D = {d}, H = {h}
input  x[N, D]
param  W[D, H] ~ he_normal
output h = x @ W
minimize mean(h**2)
"""


def lines(model: str) -> list[str]:
    text = driver.compile_model(model, stop_after="cython").text
    head = text.split('"""')[1]
    return [line[13:] for line in head[head.index("\nProducts ") :].splitlines() if line]


def test_tiles() -> None:
    first, second = lines(MODEL.format(d=784, h=100))[:2]
    assert first.startswith("h (N x 100 x 784) in predict, forward")
    assert first.endswith(": tiles of 8 x (2*3+1/2) vectors with AVX-512, 4 x (3*3+2*2) vectors with AVX2")
    assert second.startswith("d_W (784 x 100 x N) in backward")


def test_columns_that_are_not_known() -> None:
    text = MODEL.replace("size   N, D = {d}, H = {h}", "size   N, H, D = {d}")
    text = text.replace("param  W[D, H] ~ he_normal", "input  W[D, H]")
    assert lines(text.format(d=784))[0].endswith(": tiles, as many columns as there are")


def test_a_few_products_are_loops() -> None:
    """What gemm.h writes out, and what contract.h does without tiles, by its own constants."""
    header = (INCLUDE / "gradwright" / "gemm.h").read_text() + (INCLUDE / "gradwright" / "contract.h").read_text()
    assert f"m * n * k <= {products.WRITTEN_OUT})" in header and f"#define GW_SMALL {products.FEW}.0" in header


def test_an_update_adds_within_the_tile() -> None:
    found = [line for line in lines(MODEL.format(d=784, h=100)) if line.startswith("W_next")]
    assert len(found) == 1 and " in step: " in found[0] and found[0].endswith("scaled and added in registers")


@pytest.mark.parametrize(("output", "how"), [
    ("relu(x @ W + b)", "vectors with AVX2, b added in registers and relu taken there"),
    ("x @ W + b", "vectors with AVX2, b added in registers"),
    ("relu(x @ W)", "vectors with AVX2, relu taken in registers"),
])  # fmt: skip
def test_what_follows_a_product(output: str, how: str) -> None:
    text = MODEL.format(d=784, h=100).replace("output h = x @ W", f"param b[H] = 0\noutput h = {output}")
    (found,) = [line for line in lines(text) if line.startswith("h (") and " in predict" in line]
    assert found.endswith(how)


@pytest.mark.skipif(CC is None, reason="needs a C compiler")
def test_strips_are_those_of_the_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = HEADER + "long kind(long n) { return gw_strip_kind_f32(n, GW_MASKS, 0); }\n"
    source += "long width(void) { return GW_VECTOR_BYTES / 4; }\nlong masks(void) { return GW_MASKS; }\n"
    monkeypatch.setattr(test_contract_header, "SOURCE", source)
    for name, build in BUILDS.items():
        library = compile_library(tmp_path, name, [*build, "-O0"])  # what is decided, and nothing that is fast
        width, masks = library.width(), library.masks()
        for n in range(1, 40 * width):
            kind = library.kind(ctypes.c_long(n))
            assert strips(n, width, bool(masks))[0] == {1: "1", 2: "2", 3: "3", 4: "1/2"}[kind], (build, n)


@pytest.mark.skipif(CC is None or not {"v3", "v4"} <= {*BUILDS}, reason="needs a C compiler, and the two widths that are told")
def test_inner_products_are_those_of_the_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = HEADER + "long depth(void) { return GW_DEPTH; }\n"
    source += "long dotted(long m, long n, long k, long run, long along) { return gw_dotted_f32(m, n, k, run, along); }\n"
    monkeypatch.setattr(test_contract_header, "SOURCE", source)
    for (name, bytes_, _, block), level in zip(products._WIDTHS, ("v4", "v3"), strict=True):
        library = compile_library(tmp_path, level, [*BUILDS[level], "-O0"])
        assert library.depth() == block
        asked = 0
        for m in (2, 8, 9, 31, 64, 300):
            for n in range(1, 20):
                for runs, run in ((1, 30), (1, 128), (1, 700), (1, 3000), (3, 15), (5, 5), (9, 40)):
                    for along in (0, 1):
                        given = (ctypes.c_long(x) for x in (m, n, runs * run, run, along))
                        found = dotted(m, n, runs * run, run, bool(along), bytes_ // 4, name == "AVX-512", block)
                        assert bool(library.dotted(*given)) == found, (level, m, n, runs, run, along)
                        asked += found
        assert asked > 50


def test_few_columns_are_told_to_be_inner_products() -> None:
    text = "dtype float32\ninput x[3, 400]\nparam W[784, 400] ~ he_normal\noutput h = x @ transpose(W)\n"
    (found,) = [line for line in lines(text + "minimize mean(h**2)\n") if " in predict" in line]
    each = "inner products of eight rows with"
    assert found.startswith("h (3 x 784 x 400) in predict, forward")
    assert found.endswith(f": its transpose in {each} AVX-512, {each} AVX2")
    text = "dtype float32\nsize N\ninput x[N, 500]\nparam k[9] ~ normal\n"
    text += "y[n, t] = sum(x[n, t + u] * k[u] for u) for t in range(492)"
    (found,) = [line for line in lines(text + "\nminimize mean(y**2)\n") if line.startswith("y (") and " forward" in line]
    assert found.endswith(": a sum of rows, a few vectors at a time")


def test_a_transposed_matrix_that_is_larger_is_read_where_it_is() -> None:
    """``d_x = d_h @ W.T``: as the transpose, where that costs less than packing W."""
    model = "size N = {n}\ndtype float32\ninput x[N, 512]\nparam W[512, 256] ~ he_normal\noutput h = x @ W\n"
    model += "minimize mean(h**2)\ngradient loss wrt x\n"

    def how(n: str) -> str:
        (found,) = [line for line in lines(model.replace(" = {n}", n)) if line.startswith("d_x")]
        return found

    assert how(" = 64").endswith(": its transpose in tiles of 8 x (2*2) vectors with AVX-512, 4 x (2*3+2) vectors with AVX2")
    assert how(" = 400").endswith(": tiles of 8 x (10*3+2) vectors with AVX-512, 4 x (20*3+2*2) vectors with AVX2")
    assert how("").endswith(" vectors with AVX2; of few rows, its transpose")
