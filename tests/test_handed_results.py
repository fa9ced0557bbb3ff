"""Arrays that a caller hands in for results, `out=`: they are filled and returned, with the bits that others would have. What is
wrong with one of them is said before anything is computed. Random models: `handed` in support/compare.py."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from gradwright.runtime import NotFiniteError, load
from gradwright.runtime.errors import ArgumentError, DtypeError, GradwrightError, ShapeError

pytestmark = pytest.mark.unoptimised

TEXT = """\
size   N, H = 4
hyper  reg = 0.5
input  x[N, 3], y[N]
param  W[3, H] ~ normal(0, 1)
param  v[H] ~ normal(0, 1)
param  c = 1 frozen
h = tanh(x @ W)
output p = h @ v + c
output best = argmax(h, axis=1)
output up = h > 0
output mean = sum(p) / N
minimize mse(p, y) + reg * sum(W**2)
gradient loss wrt x, W, v
"""
TWO = """\
size   N
input  x[N]
param  w[2] = 2 frozen
output f = sum(w) * sum(x**2)
output q = exp(x) * sum(w**2)
gradient f wrt x, w
gradient q wrt w
"""
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(6, 3)), RNG.normal(size=6)
KINDS = {"numpy": {"backend": "numpy"}, "cython": {}, "checked": {"checked": True}}


@pytest.fixture(scope="module", params=list(KINDS))
def module(request: pytest.FixtureRequest) -> Any:
    return load(TEXT, name="handed", **KINDS[request.param])


@pytest.fixture(scope="module", params=list(KINDS))
def two(request: pytest.FixtureRequest) -> Any:
    return load(TWO, name="two", **KINDS[request.param])


def bits(values: Any) -> bytes:
    return pickle.dumps([(key, np.asarray(value).tolist()) for key, value in values._asdict().items()])


def outputs(n: int = 6, **more: Any) -> dict[str, Any]:
    return {"p": np.full(n, np.nan), "best": np.full(n, 99), "up": np.ones((n, 4), bool), "mean": np.array(np.nan), **more}


def gradients(n: int = 6) -> dict[str, Any]:
    return {"x": np.full((n, 3), np.nan), "W": np.full((3, 4), np.nan), "v": np.full(4, np.nan)}


def test_they_are_filled_and_returned(module: Any) -> None:
    model = module.Model(seed=1)
    for n in (6, 1, 3):
        x, y = X[:n], Y[:n]
        wanted, slopes = model.value_and_grad(x=x, y=y)
        grad = model.grad.copy()
        for function in (model.forward, lambda **given: module.forward(model, **given)):
            out = outputs(n, loss=np.array(np.nan))
            got = function(x=x, y=y, out=out)
            assert bits(got) == bits(wanted) and all(got[name] is array for name, array in out.items())
        out = gradients(n)
        model.forward(x=x, y=y)
        got = model.backward(out=out)
        assert bits(got) == bits(slopes) and all(got[name] is array for name, array in out.items())
        assert np.array_equal(model.grad, grad)
        for function in (model.predict, lambda **given: module.predict(model.theta, **given)):
            out = outputs(n)
            got = function(x=x, out=out)
            assert bits(got) == bits(module.predict(model, x=x)) and all(got[name] is array for name, array in out.items())
        for function in (model.value_and_grad, lambda **given: module.value_and_grad(model, **given)):
            out, into = outputs(n), gradients(n)
            got, found = function(x=x, y=y, out=(out, into))
            assert bits(got) == bits(wanted) and bits(found) == bits(slopes)
            assert all(got[name] is array for name, array in out.items())
            assert all(found[name] is array for name, array in into.items())
        out = gradients(n)
        assert bits(found := module.gradient(model, x=x, y=y, out=out)) == bits(slopes) and found.W is out["W"]


def test_what_is_not_named_is_made_as_ever(module: Any) -> None:
    model = module.Model(seed=1)
    wanted, slopes = model.value_and_grad(x=X, y=Y)
    for out in (None, (None, None), ({}, None), ({"p": None}, {}), ({"p": np.empty(6)}, None), (None, {"v": np.empty(4)})):
        got, found = model.value_and_grad(x=X, y=Y, out=out)
        assert bits(got) == bits(wanted) and bits(found) == bits(slopes)
        assert not np.shares_memory(got.p, wanted.p) and not np.shares_memory(found.W, slopes.W)
    assert model.forward(x=X, y=Y, out=None).p is not wanted.p


def test_an_earlier_result_is_filled_again(module: Any) -> None:
    model = module.Model(seed=1)
    out, g = model.value_and_grad(x=X, y=Y)
    flat = model.grad
    model.params.W *= 0.5
    wanted, slopes = map(bits, model.value_and_grad(x=X, y=Y))
    again, h = model.value_and_grad(x=X, y=Y, out=(out, g))
    assert bits(again) == wanted and bits(h) == slopes
    assert again.p is out.p and again.up is out.up and h.x is g.x and bits(g) == slopes, "the earlier one shows the new values"
    if "_LOOKS" not in vars(module):
        assert np.shares_memory(model.grad, flat), "the parameters' gradients are filled where they are"
    again = model.predict(x=X, out=out)
    assert again.p is out.p and bits(again) == bits(module.predict(model, x=X))


def test_a_compiled_module_tells_where_an_array_begins(module: Any) -> None:
    place = module.Model(seed=0).engine.place
    for array in (np.zeros(3, bool), np.arange(5)[2:], np.empty((0, 3)), np.zeros((2, 3), np.float32)[1:]):
        assert place(array) == array.__array_interface__["data"][0]


def test_arrays_that_make_up_a_gradient_are_filled_in_place() -> None:
    module = load(TEXT, name="handed")
    model = module.Model(seed=1)
    slopes = bits(model.value_and_grad(x=X, y=Y)[1])
    theta = np.full(20, np.nan)[2:18]
    parts = {"v": theta[12:], "W": theta[:12].reshape(3, 4)}
    found = model.value_and_grad(x=X, y=Y, out=(None, parts))[1]
    assert bits(found) == slopes and np.shares_memory(model.grad, theta) and np.array_equal(model.grad, theta)
    swapped = {"v": theta[:4], "W": theta[4:].reshape(3, 4)}
    found = model.value_and_grad(x=X, y=Y, out=(None, swapped))[1]
    assert bits(found) == slopes and not np.shares_memory(model.grad, theta) and found.v is swapped["v"]
    part = {"W": theta[:12].reshape(3, 4)}
    theta[...] = 7
    found = model.value_and_grad(x=X, y=Y, out=(None, part))[1]
    assert bits(found) == slopes and (theta[12:] == 7).all(), "no more is written to than what is handed in"


def test_several_targets(two: Any) -> None:
    model = two.Model()
    x, ups = np.array([1.0, -2.0, 0.5]), {"q": np.array([1.0, 2.0, 3.0]), "f": 3.0}
    wanted = model.value_and_grad(ups, x=x)[1]
    into = {"f": {"x": np.full(3, np.nan), "w": np.full(2, np.nan)}, "q": {"w": np.full(2, np.nan)}}
    found = model.value_and_grad(ups, x=x, out=(None, into))[1]
    assert bits(found.f) == bits(wanted.f) and bits(found.q) == bits(wanted.q)
    assert found.f.x is into["f"]["x"] and found.f.w is into["f"]["w"] and found.q.w is into["q"]["w"]
    again = model.value_and_grad(ups, x=x, out=(None, found))[1]
    assert again.f.x is found.f.x and bits(again.q) == bits(wanted.q)


def test_one_result_needs_no_name() -> None:
    for backend in ("numpy", "cython"):
        module = load("size N\ninput x[N]\nparam w = 2 frozen\noutput p = w * x\ngradient p wrt x\n", name="one", backend=backend)
        out, into = np.empty(3), np.empty(3)
        assert module.forward(module.Model(), x=np.ones(3), out=out).p is out and (out == 2).all()
        assert module.Model().predict(x=np.ones(3), out=out).p is out
        assert module.gradient(module.Model(), np.ones(3), x=np.ones(3), out=into).x is into and (into == 2).all()


def test_an_input_may_be_called_out() -> None:
    model = load("size N\ninput out[N]\nparam w = 2\noutput p = w * out\n", name="one", backend="numpy").Model()
    assert model.forward(out=[1.0, 2.0]).p.tolist() == [2, 4]


def test_large_results(module: Any) -> None:
    model = module.Model(seed=1)
    x = np.ones((40_000, 3))
    wanted = model.predict(x=x)
    out = {"p": np.empty(40_000)}
    for _ in range(3):
        got = model.predict(x=x, out=out)
        assert got.p is out["p"] and np.array_equal(got.p, wanted.p) and np.array_equal(got.best, wanted.best)


# ---- what is wrong

ODD = np.zeros(6 * 8 + 1, np.int8)[1:].view(np.float64)
CONSTANT = np.zeros(6)
CONSTANT.flags.writeable = False
WRONG: list[tuple[Any, type, str]] = [
    ([1.0], ArgumentError, "out: expected an array, or arrays by name, got a list"),
    (np.zeros(6), ArgumentError, "out: there is p, best, up, mean, loss to fill, so give a dict by name"),
    ({"P": np.zeros(6)}, ArgumentError, "out: there is no 'P' to fill; did you mean p?"),
    ({"W": np.zeros(6)}, ArgumentError, "out: there is no 'W' to fill; there is p, best, up, mean, loss"),
    ({"p": [0.0] * 6}, ArgumentError, "out['p']: expected an array to fill, got a list"),
    ({"mean": np.float64(0)}, ArgumentError, "out['mean']: expected an array to fill, got a float64"),
    ({"p": np.ma.zeros(6)}, ArgumentError, "out['p']: expected an array to fill, got a MaskedArray"),
    ({"p": np.zeros(6, np.float32)}, DtypeError, "out['p']: expected dtype float64, got dtype float32"),
    ({"p": np.zeros(6, ">f8")}, DtypeError, "out['p']: expected dtype float64, got dtype >f8"),
    ({"up": np.zeros((6, 4))}, DtypeError, "out['up']: expected dtype bool, got dtype float64"),
    ({"best": np.zeros(6)}, DtypeError, "out['best']: expected dtype int64, got dtype float64"),
    ({"p": np.zeros(5)}, ShapeError, "out['p']: expected shape (6,), got shape (5,)"),
    ({"mean": np.zeros(1)}, ShapeError, "out['mean']: expected shape (), got shape (1,)"),
    ({"p": np.zeros(12)[::2]}, ArgumentError, "out['p']: this array is not C-contiguous"),
    ({"up": np.zeros((6, 4), bool, "F")}, ArgumentError, "out['up']: this array is not C-contiguous"),
    ({"p": ODD}, ArgumentError, "out['p']: this array is not aligned"),
    ({"p": CONSTANT}, ArgumentError, "out['p']: this array is not writeable"),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(WRONG)))
def test_what_cannot_be_filled(module: Any, case: int) -> None:
    out, kind, message = WRONG[case]
    model = module.Model(seed=1)
    with pytest.raises(kind) as caught:
        model.forward(x=X, y=Y, out=out)
    assert str(caught.value) == message
    if isinstance(out, dict):
        good = np.full(6, 5.0)
        with pytest.raises(kind) as caught:
            model.value_and_grad(x=X, y=Y, out=({"mean": np.array(5.0), "p": good, **out}, None))
        assert str(caught.value) == message.replace("out", "out[0]", 1) and (good == 5).all()


def test_what_cannot_be_filled_with_gradients(module: Any) -> None:
    model = module.Model(seed=1)
    pair = "out: expected (outputs, gradients), each of which may be None, got "
    for out, kind, message in [
        (np.zeros(6), ArgumentError, pair + "a ndarray"),
        ({"p": np.zeros(6)}, ArgumentError, pair + "a dict"),
        ((None, None, None), ArgumentError, pair + "3 of them"),
        ((None, 3), ArgumentError, "out[1]: expected an array, or arrays by name, got a int"),
        ((None, np.zeros(4)), ArgumentError, "out[1]: there is W, v, x to fill, so give a dict by name"),
        ((None, {"V": np.zeros(4)}), ArgumentError, "out[1]: there is no 'V' to fill; did you mean v?"),
        ((None, {"v": np.zeros(3)}), ShapeError, "out[1]['v']: expected shape (4,), got shape (3,)"),
        ((None, {"x": np.zeros((6, 3), np.int64)}), DtypeError, "out[1]['x']: expected dtype float64, got dtype int64"),
        ((None, {"W": np.zeros((4, 3)).T}), ArgumentError, "out[1]['W']: this array is not C-contiguous"),
    ]:  # fmt: skip
        with pytest.raises(kind) as caught:
            model.value_and_grad(x=X, y=Y, out=out)
        assert str(caught.value) == message
    model.forward(x=X, y=Y)
    for call in (model.backward, lambda **given: module.gradient(model, x=X, y=Y, **given)):
        with pytest.raises(ShapeError) as caught:
            call(out={"v": np.zeros(3)})
        assert str(caught.value) == "out['v']: expected shape (4,), got shape (3,)"
    model.backward()


def test_no_array_is_read_and_written(module: Any) -> None:
    model = module.Model(seed=1)
    x, y, both = X.copy(), Y.copy(), np.zeros(8)
    theta = model.theta.copy()
    for call, message in [
        (lambda: model.forward(x=x, y=y, out={"p": y}), "out['p']: shares memory with the input y"),
        (lambda: model.predict(x=x, out={"p": x.ravel()[3:9]}), "out['p']: shares memory with the input x"),
        (lambda: model.predict(x=x, out={"p": model.theta[8:14]}), "out['p']: shares memory with the parameters"),
        (lambda: model.forward(x=x, y=y, out={"mean": model.params.c}), "out['mean']: shares memory with the frozen parameters"),
        (lambda: model.value_and_grad(x=x, y=y, out=(None, {"x": x})), "out[1]['x']: shares memory with the input x"),
        (lambda: model.value_and_grad(x=x, y=y, out=({"p": both[:6]}, {"v": both[4:]})),
         "out[1]['v']: shares memory with out[0]['p']"),
        (lambda: model.value_and_grad(x=x, y=y, out=(None, {"v": model.params.v})),
         "out[1]['v']: shares memory with the parameters"),
        (lambda: module.predict(theta, x=x, out={"p": theta[:6]}), "out['p']: shares memory with the parameters"),
    ]:  # fmt: skip
        with pytest.raises(ArgumentError) as caught:
            call()
        assert str(caught.value) == message
    assert np.array_equal(x, X) and np.array_equal(y, Y) and np.array_equal(model.theta, theta) and not both.any()
    narrow = both.view(np.float32)[:6].reshape(2, 3)
    wanted = model.predict(x=narrow.copy()).p
    assert np.array_equal(model.predict(x=narrow, out={"p": both[:2]}).p, wanted), "what is converted has been copied"


def test_an_upstream_is_read(two: Any) -> None:
    model, up, x = two.Model(), np.ones(2), np.ones(2)
    with pytest.raises(ArgumentError) as caught:
        model.value_and_grad({"q": up}, x=x, out=(None, {"q": {"w": up}}))
    assert str(caught.value) == "out[1]['q']['w']: shares memory with the upstream of q"
    with pytest.raises(ArgumentError) as caught:
        model.value_and_grad({"q": up}, x=x, out=(None, {"f": np.empty(2)}))
    assert str(caught.value) == "out[1]['f']: there is x, w to fill, so give a dict by name"


def test_states_are_read() -> None:
    text = "size N\ninput x[N]\nparam w = 1\nstate m[3] = 0\nnext m = m + mean(x)\noutput y = m * 2\nminimize mean(x*w)**2\n"
    for backend in ("numpy", "cython"):
        model = load(text, name="lasting", backend=backend).Model()
        with pytest.raises(ArgumentError) as caught:
            model.predict(x=np.ones(2), out={"y": model.state.m})
        assert str(caught.value) == "out['y']: shares memory with the states"


def test_after_an_error_they_are_as_they_were(module: Any, two: Any) -> None:
    model = module.Model(seed=1)
    out, into = outputs(), gradients()
    before = pickle.dumps((out, into))
    for wrong in ({"y": Y[:3]}, {"y": Y, "z": 1}, {"y": None}, {"y": Y, "reg": "a"}):
        with pytest.raises(GradwrightError):
            model.value_and_grad(x=X, **wrong, out=(out, into))
        with pytest.raises(GradwrightError):
            model.forward(x=X, **wrong, out=out)
    into["v"] = into["v"][:3]
    with pytest.raises(ShapeError):
        model.value_and_grad(x=X, y=Y, out=(out, into))
    into["v"] = gradients()["v"]
    assert pickle.dumps((out, into)) == before
    shown = {"q": np.full(3, 9.0)}
    with pytest.raises(ArgumentError, match="give upstream="):
        two.Model().value_and_grad(x=np.ones(3), out=(shown, None))
    assert (shown["q"] == 9).all()


def test_a_checked_module_fills_nothing_when_it_finds_something() -> None:
    text = "size N\ninput x[N]\nparam w = 2\noutput p = w * x\noutput q = log(p)\nminimize sum(sqrt(p))\n"
    model = load(text, name="careful", checked=True).Model()
    out, into = {"p": np.full(2, 9.0), "q": np.full(2, 9.0)}, {"w": np.array(9.0)}
    with pytest.raises(NotFiniteError, match="log"):
        model.predict(x=[1.0, 0.0], out=out)
    with pytest.raises(NotFiniteError):
        model.value_and_grad(x=[1.0, -1.0], out=(out, into))
    assert (out["p"] == 9).all() and (out["q"] == 9).all() and into["w"] == 9
    model.predict(x=[1.0, 2.0], out=out)
    assert out["p"].tolist() == [2, 4]


def test_earlier_results_and_plain_arrays_are_looked_at_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The long look costs many times what a small kernel takes: it is for what is wrong, for copies, and for scalars."""
    module = load(TEXT, name="handed")
    model = module.Model(seed=1)
    engine = model.engine
    looks: list[str] = []
    hand = vars(module)["Model"].forward.__globals__["_Hand"]
    outputs_of = hand.outputs
    monkeypatch.setattr(hand, "outputs", lambda self, path, out: (looks.append(path), outputs_of(self, path, out))[1])
    assert engine.fits is not None
    out, g = model.value_and_grad(x=X, y=Y)
    views = g.W, g.v
    wanted, slopes = bits(out), bits(g)
    for given in ((out, g), (out, None), (None, g), ({"p": np.empty(6)}, {"x": np.empty((6, 3))}), ({}, {})):
        got, found = model.value_and_grad(x=X, y=Y, out=given)
        if given[0] is out and "up" in out:
            looks.clear()  # of booleans there are copies
        assert bits(got) == wanted and bits(found) == slopes
        if given[1] is g:
            assert found.W is views[0] and found.v is views[1] and found.x is g.x
    assert model.predict(x=X, out={"p": out.p}).p is out.p
    assert looks == [], "plain arrays are not looked at one by one"
    with pytest.raises(ArgumentError, match="shares memory with the input x"):
        model.value_and_grad(x=X, y=Y, out=({}, {"x": X}))
    other = np.empty(18)
    for wrong in ({"x": other.reshape(6, 3)[::-1]}, {"x": np.empty((5, 3))}, {"x": np.empty((6, 3), np.float32)}):
        with pytest.raises((ArgumentError, ShapeError, DtypeError)):
            model.value_and_grad(x=X, y=Y, out=(None, wrong))
    x = X.copy()
    x.flags.writeable = False
    with pytest.raises(ArgumentError, match="not writeable"):
        model.value_and_grad(x=X, y=Y, out=(None, {"x": x}))
    both = np.empty(24)
    with pytest.raises(ArgumentError, match="shares memory"):
        model.value_and_grad(x=X, y=Y, out=({"p": both[:6]}, {"x": both[5:23].reshape(6, 3)}))


def test_a_gradient_that_was_pickled_is_filled_as_arrays_by_name() -> None:
    model = load(TEXT, name="handed").Model(seed=1)
    out, g = model.value_and_grad(x=X, y=Y)
    wanted = bits(g)
    other = pickle.loads(pickle.dumps(g))
    _, found = model.value_and_grad(x=X, y=Y, out=(None, other))
    assert bits(found) == wanted and found.W is other.W
