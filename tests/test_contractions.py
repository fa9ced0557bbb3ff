"""Contractions that are more than one matrix product: several axes of rows, of depth, of columns, batches, windows."""

from __future__ import annotations

import re
from typing import Any, Literal

import numpy as np
import pytest
from gradwright.compiler.graph.ir import Eqn
from gradwright.compiler.loops.buffers import lower
from gradwright.compiler.loops.ir import Product
from gradwright.compiler.loops.nodes import walk
from gradwright.compiler.passes import BEFORE, apply
from gradwright.compiler.passes.kernels import Kernel, plan
from gradwright.compiler.passes.products import classify, roles
from gradwright.runtime import load
from support.models import build

# the letters' extents; n is free
EXTENT = dict(n="N", a=3, b=8, c=5, d=24, e=9, f=40)
EINSUMS = (
    "nd,df->nf", "dn,df->nf", "nd,fd->nf", "nd,df->fn",  # one matrix product
    "nad,df->naf", "nad,fd->naf", "nad,df->anf", "nad,df->nfa",  # several axes of rows
    "nd,dfa->nfa", "nd,dfa->naf", "nd,afd->nfa",  # and of columns
    "nbd,bdf->nf", "nbd,dbf->nf", "nadb,bdaf->nf", "nabcd,dcbaf->nf",  # of depth, which follow each other evenly or not
    "nad,nfd->naf", "nad,ndf->naf", "ndab,nfbd->nfab", "nabd,nafd->nabf", "abd,afd->abf", "nad,anf->ndf",  # batches
    "naeb,cbd->ncaed", "eabn,bdc->dcnae",  # more axes than the kernel has loops
    "nbe,ce->nbc", "nce,bec->nbc", "nae,nab->aeb",  # few columns, of many rows
)  # fmt: skip


def declared(name: str, letters: str) -> str:
    return f"{name}[{', '.join(str(EXTENT[x]) for x in letters)}]"


def text(dtype: str) -> str:
    inputs = {declared(f"x_{w}", w): None for e in EINSUMS for w in re.split(",|->", e)[:2]}
    outputs = [f'output y{k} = einsum("{e}", x_{e[:e.index(",")]}, x_{e[e.index(",") + 1:e.index("-")]})'
               for k, e in enumerate(EINSUMS)]  # fmt: skip
    return "\n".join([f"dtype {dtype}", "size N", f"input {', '.join(inputs)}", *outputs])


@pytest.mark.parametrize("einsum", EINSUMS)
def test_it_is_left_to_the_matrix_kernel(einsum: str) -> None:
    index = EINSUMS.index(einsum)
    eqn = apply(BEFORE, build(text("float64")).graph).eqns[index]
    assert isinstance(eqn, Eqn) and classify(eqn) is not None


@pytest.mark.parametrize("formula", ['einsum("nb,ab->na", x_n8, w_38)', 'einsum("bc,ce->be", x_85, x_59)'])
def test_a_small_one_stays_in_place(formula: str) -> None:
    """Where an extent is so short that its loop is unrolled, or where all is known and little."""
    model = build(f"size N\ninput x_n8[N, 8], w_38[3, 8], x_85[8, 5], x_59[5, 9]\noutput y = {formula}")
    (eqn,) = apply(BEFORE, model.graph).eqns
    assert isinstance(eqn, Eqn) and classify(eqn) is None


@pytest.mark.parametrize("formula, kernel", [("x_n64 @ w_643", True), ("x_n64.T @ d_n3", True), ("d_n3 @ w_3200", False)])
def test_few_columns_are_a_product_and_little_depth_is_none(formula: str, kernel: bool) -> None:
    """An output of three numbers is one over 64 hidden ones, and so is the gradient of its weights; what comes back through it is
    three multiples of a row, written out in the loop that uses it."""
    model = build(f"size N\ninput x_n64[N, 64], w_643[64, 3], d_n3[N, 3], w_3200[3, 200]\noutput y = {formula}")
    eqn = apply(BEFORE, model.graph).eqns[-1]
    assert isinstance(eqn, Eqn) and (classify(eqn) is not None) == kernel


@pytest.mark.unoptimised
@pytest.mark.parametrize("formula, kernel", [
    ("W @ x", True), ("F @ x", True), ('einsum("jab,ab->j", T, M)', True),
    ("V @ x", False), ("x @ U", False), ('einsum("ja,ja->j", W, W)', False), ('einsum("jab,a->jb", T, M[:, 0])', False),
])  # fmt: skip
def test_a_matrix_times_a_vector_is_a_product_where_its_rows_lie_together(formula: str, kernel: bool) -> None:
    """And as many are worth a call: a loop adds up one row after the other, and what it is joined with may walk down columns."""
    model = build("size N\ninput x[64], W[40, 64], V[7, 64], U[64, 40], T[40, 8, 8], M[8, 8], F[N, 64]\n"
                  f"output y = {formula}")  # fmt: skip
    eqn = apply(BEFORE, model.graph).eqns[-1]
    assert isinstance(eqn, Eqn) and (classify(eqn) is not None) == kernel


@pytest.mark.parametrize("backend", ["cython", "numpy"])
def test_a_net_of_one_sample_in_the_notation_of_textbooks(backend: Literal["cython", "numpy"]) -> None:
    """Column vectors: W @ x. The gradient of the weights is an outer product, what comes back a row times a matrix."""
    text = (
        "input x[50]\nparam W[64, 50] ~ normal\nparam V[33, 64] ~ normal\nparam b[64] ~ normal\n"
        "output y = V @ tanh(W @ x + b)\noutput s = sum(y**2)\nminimize s\n"
    )
    model = load(text, name="column", backend=backend).Model(seed=1)
    x = np.random.default_rng(0).normal(size=50)
    out, g = model.value_and_grad(x=x)
    W, V, b = (np.asarray(model.params[n]) for n in ("W", "V", "b"))
    h = np.tanh(W @ x + b)
    y = V @ h
    up = 2 * y
    dz = V.T @ up * (1 - h * h)
    np.testing.assert_allclose(out.y, y, rtol=1e-12)
    np.testing.assert_allclose(g.V, np.outer(up, h), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(g.W, np.outer(dz, x), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(g.b, dz, rtol=1e-12, atol=1e-12)


@pytest.mark.unoptimised  # the kernels are at their best all the same
@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
def test_it_is_the_sum_that_einsum_takes(dtype: str) -> None:
    module = load(text(dtype)).Model()
    eps = np.finfo(dtype).eps
    for n in (0, 1, 2, 7, 33):
        rng = np.random.default_rng(n)
        arrays: dict[str, Any] = {}
        for e in EINSUMS:
            for w in re.split(",|->", e)[:2]:
                arrays[f"x_{w}"] = rng.normal(size=[n if x == "n" else EXTENT[x] for x in w]).astype(dtype)
        out = module.forward(**arrays)
        for k, e in enumerate(EINSUMS):
            left, right = (arrays[f"x_{w}"].astype(float) for w in re.split(",|->", e)[:2])
            want, size = np.einsum(e, left, right), np.einsum(e, abs(left), abs(right))
            depth = left.size * right.size + 2  # far more than the terms of a sum, as sums go in blocks
            assert (abs(getattr(out, f"y{k}") - want) <= 8 * eps * np.log2(depth) * size).all(), (e, n)


BACKENDS: tuple[Literal["cython", "numpy"], ...] = ("cython", "numpy")
FREE = (  # sizes, inputs, a product that its sizes do not tell to be large
    ("size N, M, K", "a[N, K], b[K, M]", "y = a @ b"),
    ("size V", "a[V, V], b[V, 3]", "y = a @ b"),
    ("size N, T", "a[N, 8, T], b[8, 8, 2]", "y[n, f, t] = sum(a[n, c, t + u] * b[f, c, u] for c, u) for t in range(T - 1)"),
    # one channel: a vector, through windows
    ("size N", "a[N, 16, 9, 9], b[1, 16, 3, 3]", "y[n, f, i, j] = sum(a[n, c, i + u, j + v] * b[f, c, u, v] for c, u, v)"),
)


@pytest.mark.parametrize(("sizes", "inputs", "formula"), FREE)
def test_so_are_its_gradients(sizes: str, inputs: str, formula: str) -> None:
    """A product whose known extents are few, and both gradients of it, are left to the kernel and agree with the reference."""
    model = f"{sizes}\ninput {inputs}\n{formula}\noutput f = sum(y**2)\n"
    names = [n for kernel in plan(build(model)).kernels if kernel.name == "value_and_grad" for n in products(kernel)]
    assert len(names) >= 3, names
    shapes = dict(N=3, M=4, K=5, V=6, T=7)
    rng = np.random.default_rng(0)
    given = {name: rng.normal(size=[shapes[d] if d in shapes else int(d) for d in dims.split(", ")])
             for name, dims in re.findall(r"(\w)\[([^\]]+)\]", inputs)}  # fmt: skip
    run = [load(model, name="free", backend=backend).Model().value_and_grad(**given) for backend in BACKENDS]
    (out, found), (right, wanted) = run
    np.testing.assert_allclose(out["f"], right["f"], rtol=1e-12)
    for name in given:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-12, atol=1e-12)


def products(kernel: Kernel) -> list[str]:
    return [node.c.value for node in walk(lower(kernel).body) if isinstance(node, Product)]


WINDOWED = """
size N, H = 9
input x[N, 4, H, H], w[8, 4, 3, 3]
y[n, o, i, j] = sum(x[n, c, i + u, j + v] * w[o, c, u, v] for c, u, v)
z[n, o, i, j] = sum(x[n, c, 2*i + u, 2*j + v] * w[o, c, u, v] for c, u, v)
output y, z
"""


def test_windows_are_read_where_they_are() -> None:
    module, rng = load(WINDOWED).Model(), np.random.default_rng(0)
    x, w = rng.normal(size=(3, 4, 9, 9)), rng.normal(size=(8, 4, 3, 3))
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))
    out = module.forward(x=x, w=w)
    np.testing.assert_allclose(out.y, np.einsum("ncijuv,ocuv->noij", windows, w), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(out.z, np.einsum("ncijuv,ocuv->noij", windows[:, :, ::2, ::2], w), rtol=1e-12, atol=1e-12)


# ---------------------------------------------------------------- zeros that win


MASKED = """
size N
input s[N, 40], mask[N, 40], m[N]
param W[40, 20]
h = softmax(where(mask > 0, s, -inf), axis=1)
q = where(m > 0, sum(h @ W, axis=1), 0)
output q
minimize sum(q**2)
"""


def test_a_branch_not_taken_leaves_no_nan_in_a_product() -> None:
    """A row that is masked as a whole has the softmax of nothing, NaN; where it is not used, it reaches no gradient."""
    model = load(MASKED).Model(seed=0)
    rng = np.random.default_rng(1)
    W = rng.normal(size=(40, 20))
    model.params.W[...] = W
    s, mask, m = rng.normal(size=(6, 40)), np.ones((6, 40)), np.ones(6)
    mask[2], m[2], mask[4, ::2] = 0, 0, 0
    _, grads = model.value_and_grad(s=s, mask=mask, m=m)
    with np.errstate(divide="ignore"):
        e = np.where(mask > 0, np.exp(s), 0)
    h = e / np.where(e.sum(1) > 0, e.sum(1), 1)[:, None]
    q = (h @ W).sum(1)
    np.testing.assert_allclose(grads.W, np.broadcast_to((h.T @ (2 * q))[:, None], W.shape), rtol=1e-12, atol=1e-14)
    m[2] = 1  # where it is used, everything is NaN
    assert np.isnan(model.value_and_grad(s=s, mask=mask, m=m)[1].W).all()


def test_a_guarded_product_is_left_to_the_matrix_kernel() -> None:
    from gradwright.compiler.passes.kernels import plan

    graph = plan(build(MASKED)).whole
    guarded = [e for e in graph.eqns if isinstance(e, Eqn) and (r := roles(e)) is not None and r.guard is not None]
    assert [e.out.name for e in guarded] == ["d_W"]


# ---------------------------------------------------------------- indices that are divided


@pytest.mark.parametrize("backend", ["cython", "numpy"])
def test_what_is_divided_in_an_index_is_never_negative(backend: Any) -> None:
    """C's remainder of a negative number is negative: a multiple of the divisor that keeps an index above 0 stays in it."""
    text = "input z[2], x[3, 5]\noutput a = flip(roll(z, 3, axis=-1))\noutput b = flip(roll(x, -1, axis=1), axis=1)\n" + (
        "output c = flip(roll(transpose(x), 7, axis=-2), axis=-2)"
    )
    model = load(text, backend=backend).Model()
    z, x = np.array([3.0, 4.0]), np.arange(15.0).reshape(3, 5)
    out = model.forward(z=z, x=x)
    np.testing.assert_array_equal(out.a, np.flip(np.roll(z, 3)))
    np.testing.assert_array_equal(out.b, np.flip(np.roll(x, -1, 1), 1))
    np.testing.assert_array_equal(out.c, np.flip(np.roll(x.T, 7, -2), -2))
