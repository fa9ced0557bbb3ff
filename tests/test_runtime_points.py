"""`value_at` and `value_and_grad_at`: a model of a few numbers as a function of them."""

from __future__ import annotations

import gc
import inspect
import math
import sys
from concurrent.futures import ThreadPoolExecutor
from random import Random
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from gradwright.compiler import driver
from gradwright.runtime.errors import ArgumentError, DtypeError, NotFiniteError, RangeError, ShapeError

pytestmark = pytest.mark.unoptimised

PRODUCT = "input x, y, z\nq = x + y\noutput f = q * z\n"
NEURON = "input x[2]\nparam w[3]\noutput f = 1 / (1 + exp(-(w[0]*x[0] + w[1]*x[1] + w[2])))\n"
LOSS = """\
input x[2], y
param W[2, 3] ~ normal(0, 1)
param b[3] = 0
param s = 1 frozen
hyper reg = 0.5
h = tanh(x @ W + b) * s
output h
minimize (sum(h) - y)**2 + reg * sum(W**2)
"""
BACKENDS = ("cython", "numpy")


def module(text: str, backend: str = "cython", **options: Any) -> ModuleType:
    return driver.load(text, backend=backend, name="point", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", BACKENDS)
def test_numbers_go_in_and_numbers_come_out_in_order(backend: str) -> None:
    product = module(PRODUCT, backend)
    assert product.value_and_grad_at(-2.0, 5.0, -4.0) == (-12.0, -4.0, -4.0, 3.0)
    assert product.value_at(-2.0, 5.0, -4.0) == -12.0
    assert all(type(number) is float for number in product.value_and_grad_at(1, 2, 3))


@pytest.mark.parametrize("backend", BACKENDS)
def test_arrays_are_tuples(backend: str) -> None:
    neuron = module(NEURON, backend)
    x, w = (-1.0, -2.0), (2.0, -3.0, -3.0)
    f, d_x, d_w = neuron.value_and_grad_at(x, w)
    out, g = neuron.value_and_grad({"w": w}, x=x)
    assert f == out.f and type(d_x) is tuple
    assert d_x == tuple(g.x) and d_w == tuple(g.w)
    for given in ([-1, -2], np.array(x), np.float32([-1, -2])):
        assert neuron.value_and_grad_at(given, w) == (f, d_x, d_w)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_loss_has_its_parameters_and_hyper_parameters_as_arguments(backend: str, dtype: str) -> None:
    net = module(LOSS, backend, dtype=dtype)
    W, b = [[0.5, -0.25, 1.0], [0.125, 2.0, -1.5]], (0.25, 0.5, 0.75)
    model = net.Model(params={"W": W, "b": b, "s": 2.0})
    for more, hyper in (((), 0.5), ((0.0,), 0.0), ((3,), 3.0)):
        h, loss, d_W, d_b = net.value_and_grad_at((1.0, -1.0), 0.5, W, b, 2.0, *more)
        out, g = model.value_and_grad(x=[1.0, -1.0], y=0.5, reg=hyper)
        assert h == tuple(out.h.tolist()) and loss == float(out.loss)
        np.testing.assert_array_equal(d_W, g.W)
        assert type(d_W[0]) is tuple and d_b == tuple(g.b.tolist())
        assert net.value_at((1.0, -1.0), 0.5, W, b, 2.0, *more) == (h, loss)


@pytest.mark.parametrize("backend", BACKENDS)
def test_several_targets_come_one_after_the_other(backend: str) -> None:
    both = module("input x, y\nf = x * y\ng = x / y\noutput f, g\n", backend)
    assert both.value_and_grad_at(3.0, 2.0) == (6.0, 1.5, 2.0, 3.0, 0.5, -0.75)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_no_number_is_named(backend: str) -> None:
    product = module(PRODUCT, backend)
    f = product.value_and_grad_at
    with pytest.raises(ArgumentError, match=r"value_and_grad_at\(x, y, z\) takes 3 arguments, got 1: y, z missing"):
        f(1.0)
    with pytest.raises(ArgumentError, match="takes 3 arguments, got 4"):
        f(1.0, 2.0, 3.0, 4.0)
    with pytest.raises(DtypeError, match="y: expected real numbers"):
        f(1.0, "2", 3.0)
    with pytest.raises(ArgumentError, match="z: got None"):
        f(1.0, 2.0, None)
    with pytest.raises(ShapeError, match="x: expected shape"):
        f((1.0, 2.0), 2.0, 3.0)
    with pytest.raises(DtypeError, match="x: expected real numbers"):
        f(1j, 2.0, 3.0)
    with pytest.raises(DtypeError, match="x: expected real numbers"):
        f(10**300, 2.0, 3.0)
    with pytest.raises(TypeError):
        f(x=1.0, y=2.0, z=3.0)
    neuron = module(NEURON, backend)
    with pytest.raises(ShapeError, match=r"w: expected shape \(3,\), got shape \(2,\)"):
        neuron.value_at((1.0, 2.0), (1.0, 2.0))
    with pytest.raises(DtypeError, match="x:"):
        neuron.value_at((1.0, "a"), (1.0, 2.0, 3.0))


@pytest.mark.parametrize("backend", BACKENDS)
def test_numbers_of_every_kind(backend: str) -> None:
    product = module(PRODUCT, backend)
    points: list[Any] = [(True, 2, np.int8(3)), (np.float32(1), np.array(2.0), np.bool_(True)), (10**18, -(10**18), 1)]
    for x, y, z in points:
        expected = (float(x) + float(y)) * float(z)
        assert product.value_at(x, y, z) == expected
    f, d_x, d_y, d_z = product.value_and_grad_at(math.inf, -math.inf, math.nan)
    assert all(map(math.isnan, (f, d_x, d_y, d_z)))
    assert math.copysign(1, product.value_at(-0.0, -0.0, 1.0)) == -1


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_numbers_of_a_vector_may_be_of_several_kinds(backend: str, dtype: str) -> None:
    """Wherever in it one stands that is no float, everything after it is taken as well, and one that is no number is found."""
    neuron = module(NEURON, backend, dtype=dtype)
    want = neuron.value_and_grad_at((-1.0, -2.0), (2.0, -3.0, 4.0))
    for w in ((2, -3.0, 4.0), [2.0, -3, 4.0], (2.0, -3.0, 4), [2, np.float32(-3), 4.0], (np.float64(2), -3.0, np.int8(4))):
        assert neuron.value_and_grad_at([-1.0, -2], w) == neuron.value_and_grad_at((-1, -2.0), w) == want
    for place in range(3):
        w = [2.0, -3.0, 4.0]
        w[place] = "a"  # type: ignore[call-overload]
        with pytest.raises(DtypeError, match="w:"):
            neuron.value_at((-1.0, -2.0), w)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_number_beyond_float32_is_an_error_and_infinity_is_none(backend: str) -> None:
    product = module(PRODUCT, backend, dtype="float32")
    assert product.value_and_grad_at(0.1, 0.0, 1.0)[0] == float(np.float32(0.1))
    with pytest.raises(RangeError, match="y is 1e"):
        product.value_at(0.0, 1e300, 1.0)
    assert product.value_at(math.inf, 0.0, 1.0) == math.inf


def test_which_modules_have_them() -> None:
    def both(text: str) -> tuple[bool, bool]:
        made = module(text, "numpy")
        return hasattr(made, "value_at"), hasattr(made, "value_and_grad_at")

    assert both(PRODUCT) == both(LOSS) == (True, True)
    assert both("input x[3]\noutput y = x * 2\n") == (True, False)  # a gradient of a vector needs an upstream
    assert both("size N\ninput x[N]\noutput f = sum(x)\n") == (False, False)
    assert both("input x[500]\noutput f = sum(x)\n") == (False, False)
    assert both("input x[3]\nindex k < 3\noutput f = x[k]\n") == (False, False)
    assert both("input x\noutput f = x > 0\n") == (False, False)


@pytest.mark.parametrize("backend", BACKENDS)
def test_they_say_what_they_are(backend: str) -> None:
    product = module(PRODUCT, backend)
    f = product.value_and_grad_at
    assert f.__name__ == "value_and_grad_at" and f.__module__ == product.forward.__module__
    assert "(f, df/dx, df/dy, df/dz)" in f.__doc__
    if backend == "cython":
        assert str(inspect.signature(f)) == "(x, y, z, /)"
        assert str(inspect.signature(module(LOSS).value_at)) == "(x, y, W, b, s, reg=Ellipsis, /)"


def test_a_name_that_python_cannot_spell_is_no_obstacle() -> None:
    text = "use layers\ninput x[2]\noutput y = sum(x |> dense(1) as head)\n"
    net = module(text)
    out, d_x, d_W, d_b = net.value_and_grad_at((1.0, 2.0), ((3.0,), (4.0,)), (0.5,))
    assert (out, d_x, d_W, d_b) == (11.5, (3.0, 4.0), ((1.0,), (2.0,)), (1.0,))


def test_a_checked_module_names_the_first_that_is_not_finite() -> None:
    root = module("input x\noutput f = log(x)\n", checked=True)
    assert root.value_and_grad_at(1.0) == (0.0, 1.0)
    with pytest.raises(NotFiniteError, match="f"):
        root.value_at(0.0)


def test_nothing_is_left_of_many_calls() -> None:
    product, x = module(PRODUCT), 12345.678
    before = sys.getrefcount(x)
    for _ in range(100):
        product.value_and_grad_at(x, 1, 2.0)
        with pytest.raises(DtypeError):
            product.value_and_grad_at(x, "a", 2.0)
    assert sys.getrefcount(x) == before


def copied(value: Any) -> Any:
    """With tuples and numbers of its own."""
    return tuple([copied(v) for v in value]) if isinstance(value, tuple) else value + 0.5 - 0.5


PARTS = {
    "all": lambda found: found,
    "a tuple": lambda found: found[-1],
    "a tuple within one": lambda found: found[2][0],
    "a number": lambda found: found[1],
    "a number within tuples": lambda found: found[2][1][0],
    "nothing": lambda found: None,
}
GRADIENT = "input x, u[2]\nparam W[2, 3] = 1\noutput s = u[0] * x\nminimize x**2 * sum(W) + s\ngradient loss wrt x, W, u\n"


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_what_the_caller_keeps_stays(backend: str, dtype: str) -> None:
    """Results that nobody has any more are filled again, and no others: not one that is held, nor a part of it that is."""
    point, rng = module(GRADIENT, backend, dtype=dtype), Random(0)
    kept: list[tuple[Any, Any]] = []
    held: list[Any] = [None, None]
    for k in range(3000):
        x, u, W = float(k), (float(k % 7), 1.0), ((1.0, 2.0, float(k % 5)), (0.0, 1.0, 2.0))
        found = point.value_and_grad_at(x, u, W)
        want = (u[0] * x, x * x * (6.0 + k % 5) + u[0] * x)
        assert found[:2] == pytest.approx(want, rel=1e-6) and len(found) == 5
        part = PARTS[rng.choice(list(PARTS))](found)
        if part is not None:
            kept.append((part, copied(part)))
        held[rng.randrange(2)] = found
        if rng.random() < 0.1:
            held[:] = None, None
        del found, part
        if len(kept) > 40:
            kept.pop(rng.randrange(40))
        assert all(part == want for part, want in kept)
    del held


def test_a_result_that_is_let_go_of_is_filled_again() -> None:
    product, neuron = module(PRODUCT), module(NEURON)
    places = set()
    last = None
    for k in range(100):
        last = product.value_and_grad_at(float(k), 1.0, 2.0)
        places |= {id(last), *map(id, last)}
    assert last == (2.0 * 100, 2.0, 2.0, 100.0)
    if sys.version_info < (3, 14):
        assert len(places) == 2 * 5, "as many as a loop needs that keeps the last"
    first = neuron.value_and_grad_at((1.0, 2.0), (1.0, 2.0, 3.0))
    assert {first: 1}[neuron.value_and_grad_at((1.0, 2.0), (1.0, 2.0, 3.0))] == 1, "equal ones have equal hashes"


def test_collections_and_threads_find_whole_results() -> None:
    """A collection of garbage may call the function again, in the middle of it."""
    point = module(GRADIENT)
    x, u, W = 3.0, (2.0, 1.0), ((1.0, 2.0, 3.0), (0.0, 1.0, 2.0))
    want, within = copied(point.value_and_grad_at(x, u, W)), []

    def again(phase: str, info: Any) -> None:
        if not within:
            within.append(1)
            assert point.value_and_grad_at(x, u, W) == want
            within.pop()

    def work(k: int) -> bool:
        mine = [point.value_and_grad_at(x + k, u, W) for _ in range(300)]
        return all(found == mine[0] and found[0] == 2 * (x + k) for found in mine)

    before = gc.get_threshold()
    gc.callbacks.append(again)
    try:
        gc.set_threshold(1, 1, 1)
        held = [point.value_and_grad_at(x, u, W) for _ in range(200)]
    finally:
        gc.callbacks.remove(again)
        gc.set_threshold(*before)
    assert all(found == want for found in held)
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(12)))
