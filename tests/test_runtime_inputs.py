"""What comes into a model: everything that NumPy can build either works or is an error that names the argument."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from gradwright.runtime.errors import ArgumentError, DtypeError, GradwrightError, RangeError, ShapeError, StateError
from support import handmade_net
from support.build_handmade import X, Y, backends

pytestmark = pytest.mark.unoptimised

xor = backends()


@pytest.fixture
def net() -> Any:
    return handmade_net.Model(seed=3)


def net_inputs(n: int = 2, **other: Any) -> dict[str, Any]:
    return {"x": np.ones((n, 3), np.float32), "y": np.zeros(n, np.int64), "seq": np.zeros(5, np.float32), "t": 1.5, **other}


WORKS = {
    "a list": X.tolist(),
    "a tuple of tuples": tuple(map(tuple, X.tolist())),
    "float32": X.astype(np.float32),
    "float16": X.astype(np.float16),
    "longdouble": X.astype(np.longdouble),
    "int8": X.astype(np.int8),
    "uint64": X.astype(np.uint64),
    "bool": X.astype(bool),
    "big-endian": X.astype(">f8"),
    "Fortran order": np.asfortranarray(X),
    "a column-strided view": np.repeat(X, 2, axis=1)[:, ::2],
    "negative strides": X[::-1].copy()[::-1],
    "misaligned": np.frombuffer(b"." + X.tobytes(), np.uint8)[1:].view(np.float64).reshape(X.shape),
    "an overlapping window": np.lib.stride_tricks.as_strided(np.array([0.0, 0, 1, 0, 1, 1]), (4, 2), (8, 8)),
    "a matrix": np.matrix(X),
    "a subclass": X.view(type("Own", (np.ndarray,), {})),
}


@pytest.mark.parametrize("given", WORKS.values(), ids=WORKS)
def test_any_real_array_gives_what_its_plain_copy_gives(xor: ModuleType, given: Any) -> None:
    model = xor.Model(seed=1)
    plain = np.array(np.asarray(given), np.float64, order="C")
    before = plain.copy()
    assert np.array_equal(model.predict(x=given).p, model.predict(x=plain).p)
    out, g = model.value_and_grad(x=given, y=Y)
    also, h = model.value_and_grad(x=plain, y=Y)
    assert out.loss == also.loss and np.array_equal(g.W1, h.W1)
    assert np.array_equal(np.asarray(given, np.float64), before)


def test_zero_strides_read_only_and_memory_mapped(xor: ModuleType, tmp_path: Any) -> None:
    model = xor.Model(seed=1)
    wide = np.broadcast_to(np.array([1.0, 0.0]), (4, 2))
    assert np.array_equal(model.predict(x=wide).p, model.predict(x=wide.copy()).p)
    fixed = X.copy()
    fixed.flags.writeable = False
    assert np.array_equal(model.predict(x=fixed).p, model.predict(x=X).p)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert np.array_equal(model.predict(x=mapped).p, model.predict(x=X).p)


WRONG = {
    "complex": (X.astype(complex), "x: expected real numbers, got dtype complex128"),
    "object": (X.astype(object), "x: expected real numbers, got dtype object"),
    "text": (X.astype(str), "x: expected real numbers, got dtype <U32"),
    "bytes": (X.astype("S4"), "x: expected real numbers, got dtype |S4"),
    "dates": (np.zeros((4, 2), "M8[D]"), "x: expected real numbers, got dtype datetime64[D]"),
    "structured": (np.zeros(4, [("a", "f8"), ("b", "f8")]), "x: expected real numbers, got dtype [('a', '<f8'), ('b', '<f8')]"),
    "masked": (np.ma.masked_array(X, X > 0), "x: a masked array; give its .filled(...) or .compressed() values"),
    "none": (None, "x: got None where an array is needed"),
    "a dict": ({"a": 1}, "x: expected real numbers, got dtype object"),
}


@pytest.mark.parametrize(("given", "text"), WRONG.values(), ids=WRONG)
def test_what_is_no_real_array_is_an_error_that_names_it(xor: ModuleType, given: Any, text: str) -> None:
    model = xor.Model()
    with pytest.raises(TypeError) as caught:
        model.predict(x=given)
    assert str(caught.value) == text
    assert isinstance(caught.value, GradwrightError)


def test_a_ragged_list_is_an_error_that_names_it(xor: ModuleType) -> None:
    with pytest.raises(DtypeError, match=r"^x: a list that NumPy makes no array of: "):
        xor.Model().predict(x=[[1, 2], [3]])


SHAPES = {
    "too wide": (dict(x=np.zeros((4, 3)), y=Y), "x: expected x[N, 2], got shape (4, 3): axis 1 must be 2"),
    "too few axes": (dict(x=X, y=Y[:, 0]), "y: expected y[N, 1], got shape (4,): it must have 2 axes; y.reshape(-1, 1) has"),
    "a scalar": (dict(x=1.0, y=Y), "x: expected x[N, 2], got shape (): it must have 2 axes"),
    "two batch sizes": (dict(x=X, y=np.zeros((5, 1))), "y: expected y[N, 1], got shape (5, 1): axis 0 is N, and it is 4 in x"),
    "another size by name": (dict(x=X, y=Y, N=5), "x: expected x[N, 2], got shape (4, 2): axis 0 is N, and you gave N=5"),
}


@pytest.mark.parametrize(("given", "text"), SHAPES.values(), ids=SHAPES)
def test_a_wrong_shape_names_input_shape_and_sizes(xor: ModuleType, given: dict[str, Any], text: str) -> None:
    model = xor.Model()
    for call in (model.forward, model.value_and_grad, lambda **a: xor.value_and_grad(model.params, **a),
                 lambda **a: model.fit(a, "sgd"), lambda **a: model.step("sgd", **a)):
        with pytest.raises(ValueError) as caught:
            call(**given)
        assert str(caught.value) == text
        assert isinstance(caught.value, ShapeError)


def test_the_names_of_fixed_sizes_stand_in_the_message(net: Any) -> None:
    with pytest.raises(ShapeError) as caught:
        net.forward(**net_inputs(x=np.ones((2, 4))))
    assert str(caught.value) == "x: expected x[N, D], got shape (2, 4): axis 1 must be D = 3"


ARGUMENTS = {
    "missing": (dict(x=X), "missing input y[N, 1]; predict needs no y"),
    "both missing": ({}, "missing input x[N, 2], y[N, 1]"),
    "unknown": (dict(x=X, y=Y, Z=1), "xor has no input 'Z'; there is x, y, N, reg"),
    "misspelt": (dict(x=X, y=Y, rge=1), "xor has no input 'rge'; did you mean reg?"),
    "other case": (dict(X=X, y=Y), "xor has no input 'X'; did you mean x?"),
    "a fixed size": (dict(x=X, y=Y, H=4), "H is fixed at 8; compile with --set H=... to change it"),
    "a size that is none": (dict(x=X, y=Y, N=-1), "N: a size is a whole number from 0 up, got -1"),
    "a hyper that is no number": (dict(x=X, y=Y, reg="much"), "reg: expected a number, got 'much'"),
}


@pytest.mark.parametrize(("given", "text"), ARGUMENTS.values(), ids=ARGUMENTS)
def test_a_wrong_argument_is_named(xor: ModuleType, given: dict[str, Any], text: str) -> None:
    with pytest.raises(TypeError) as caught:
        xor.Model().forward(**given)
    assert str(caught.value) == text
    assert isinstance(caught.value, ArgumentError)


def test_sizes_are_solved_from_what_is_computed_with_them(net: Any) -> None:
    net.forward(**net_inputs(seq=np.zeros(1)))
    net.forward(**net_inputs(seq=np.zeros(7), T=3))
    text = r"^seq: expected seq\[2\*T \+ 1\], got shape \(4,\): there is no T for which axis 0, 2\*T \+ 1, is 4$"
    with pytest.raises(ShapeError, match=text):
        net.forward(**net_inputs(seq=np.zeros(4)))
    text = r"^seq: expected seq\[2\*T \+ 1\], got shape \(7,\): axis 0 must be 2\*T \+ 1 = 5$"
    with pytest.raises(ShapeError, match=text):
        net.forward(**net_inputs(seq=np.zeros(7), T=2))


def test_indices(net: Any) -> None:
    for y in ([0, 3], np.array([0, 3], np.uint8), np.array([False, True]), np.array([0, 3], ">i4"), np.array([0, 9, 3])[::2]):
        net.forward(**net_inputs(y=y))
    net.forward(**net_inputs(0, x=np.zeros((0, 3)), y=[]))
    bad: list[tuple[Any, type, str]] = [
        ([0, 4], RangeError, "y: expected y[N], integers from 0 to 3; y[1] is 4"),
        (np.array([-1, 9]), RangeError, "y: expected y[N], integers from 0 to 3; y[0] is -1"),
        (np.array([1, 2**63], np.uint64), RangeError, f"y: index {2**63} is out of range"),
        ([0.0, 1.0], DtypeError, "y: expected integers, got dtype float64; y.astype(int), if they are whole numbers"),
        (np.eye(2), DtypeError, "y: expected integers, got dtype float64; its rows are one-hot: y.argmax(axis=-1)"),
        (np.array(["0", "1"]), DtypeError, "y: expected integers, got dtype <U1"),
    ]
    for y, kind, text in bad:
        with pytest.raises(kind) as caught:
            net.forward(**net_inputs(y=y))
        assert str(caught.value) == text


def test_arrays_that_fit_are_not_copied(xor: ModuleType) -> None:
    model = xor.Model()
    model.forward(x=X, y=Y)
    arrays = model._last[0]
    assert arrays[0] is X or arrays[0].ctypes.data == X.ctypes.data
    assert arrays[1].ctypes.data == Y.ctypes.data


@pytest.mark.parametrize("rows", [0, 1, 2, 7, 64])
def test_any_batch_size_goes(xor: ModuleType, rows: int) -> None:
    model = xor.Model(seed=1)
    rng = np.random.default_rng(rows)
    x, y = rng.random((rows, 2)), rng.random((rows, 1))
    out, g = model.value_and_grad(x=x, y=y)
    assert out.p.shape == (rows, 1) and g.W1.shape == (2, 8)
    assert np.isnan(out.loss) if rows == 0 else np.isfinite(out.loss)
    one_by_one = [model.predict(x=x[i:i + 1]).p[0, 0] for i in range(rows)]
    np.testing.assert_allclose(out.p[:, 0], one_by_one, rtol=1e-15)


def test_hypers_by_name_or_for_good(xor: ModuleType) -> None:
    model = xor.Model(seed=1)
    plain = model.forward(x=X, y=Y).loss
    once = model.forward(x=X, y=Y, reg=0.5).loss
    assert once == pytest.approx(plain + 0.5 * np.sum(model.theta**2), rel=1e-14)
    assert model.forward(x=X, y=Y).loss == plain
    model.hyper.reg = 0.5
    assert model.forward(x=X, y=Y).loss == once
    assert model.hyper.reg == 0.5 and model.hyper["reg"] == 0.5
    with pytest.raises(AttributeError, match="no 'rge' here; did you mean reg"):
        model.hyper.rge = 1
    with pytest.raises(TypeError, match="reg: expected a number"):
        model.hyper.reg = [1, 2]


def test_upstreams(net: Any) -> None:
    net.forward(**net_inputs())
    up = np.arange(8.0).reshape(2, 4)
    g = net.backward(up)
    assert list(g.keys()) == ["f", "s"]
    h = net.backward({"s": up, "f": 2.0})
    np.testing.assert_allclose(h.f["if"], 2 * g.f["if"])
    np.testing.assert_array_equal(h.s.x, g.s.x)
    with pytest.raises(ArgumentError, match=r"^s is no scalar but \(2, 4\): give upstream=, an array of that shape$"):
        net.backward()
    with pytest.raises(ShapeError, match=r"^upstream of s: expected shape \(2, 4\), got shape \(2,\)$"):
        net.backward([1, 2])
    with pytest.raises(ArgumentError, match=r"^upstream: no gradient is taken of 'q'; there is f, s$"):
        net.backward({"q": 1})


def test_backward_belongs_to_the_forward_before_it(xor: ModuleType) -> None:
    model = xor.Model(seed=1)
    with pytest.raises(StateError, match="needs a forward"):
        model.backward()
    x = X.copy()
    model.forward(x=x, y=Y)
    g = model.backward()
    assert np.array_equal(model.backward().W1, g.W1)
    model.predict(x=X[:2])
    assert np.array_equal(model.backward().W1, g.W1)
    x[2, 1] = 5
    with pytest.raises(StateError, match=r"^x: overwritten between forward\(\) and backward\(\); call forward\(\) again$"):
        model.backward()
    model.forward(x=X, y=Y)
    model.params.b2 += 1
    with pytest.raises(StateError, match="^the parameters: overwritten"):
        model.backward()
    model.forward(x=X, y=Y)
    with pytest.raises(ValueError):
        model.forward(x=X, y=Y[:2])
    with pytest.raises(StateError):
        model.backward()        # a failed forward leaves none


def test_a_swap_of_signs_does_not_go_unseen(xor: ModuleType) -> None:
    model = xor.Model(seed=1)
    x = np.ones((64, 2))
    x[40] = -1
    model.forward(x=x, y=np.zeros((64, 1)))
    x[[0, 40]] = x[[40, 0]]
    with pytest.raises(StateError, match="^x: overwritten"):
        model.backward()


def test_inputs_without_names_say_how_they_are_named(xor: ModuleType) -> None:
    model = xor.Model()
    x, y = np.ones((4, 2)), np.ones((4, 1))
    for call, wanted in ((model.forward, "forward"), (model.predict, "predict")):
        with pytest.raises(ArgumentError, match=rf"^{wanted} takes its inputs by name: {wanted}\(x=..., y=...\)$"):
            call(x, y)
    with pytest.raises(ArgumentError, match=r'^fit takes its data as a dict of arrays by input name: fit\({"x": x, "y": y}, '):
        model.fit(x=x, y=y)
