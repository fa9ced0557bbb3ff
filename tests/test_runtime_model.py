"""The model: its parameters and where they come from, what calls return, and what importing it costs."""

from __future__ import annotations

import ast
import math
import os
import pickle
import re
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from gradwright.compiler.language.diagnostics import ModelError
from gradwright.runtime import face, load
from gradwright.runtime.engine import _draw
from gradwright.runtime.errors import StateError
from gradwright.runtime.model import install
from support import handmade_net
from support.build_handmade import X, Y, backends, build, shared_object

xor = backends()


# ---- initial parameters


def spread(kind: str, shape: tuple[int, ...], *numbers: float) -> np.ndarray[Any, Any]:
    return np.asarray(_draw((kind, *numbers), shape, 0, "W"))


# (shape, fan in, fan out): x @ W for two axes, PyTorch's [out, in, field...] for more
FANS = [((200, 300), 200, 300), ((50, 40, 5, 3), 40 * 15, 50 * 15), ((4000,), 4000, 1)]


@pytest.mark.parametrize(("shape", "fan_in", "fan_out"), FANS)
def test_glorot_and_he_have_the_variances_of_their_papers(shape: tuple[int, ...], fan_in: int, fan_out: int) -> None:
    count = math.prod(shape)
    for kind, variance in (("glorot_uniform", 2 / (fan_in + fan_out)), ("glorot_normal", 2 / (fan_in + fan_out)),
                           ("he_uniform", 2 / fan_in), ("he_normal", 2 / fan_in)):
        w = spread(kind, shape)
        assert abs(w.mean()) < 5 * math.sqrt(variance / count)
        assert w.var() == pytest.approx(variance, rel=6 * math.sqrt(2 / count))
        if kind.endswith("uniform"):
            bound = math.sqrt(3 * variance)
            assert np.abs(w).max() < bound and np.abs(w).max() > 0.99 * bound


def test_normal_uniform_values_orthogonal() -> None:
    w = spread("normal", (300, 300), 2.0, 0.5)
    assert w.mean() == pytest.approx(2, abs=0.01) and w.std() == pytest.approx(0.5, rel=0.02)
    w = spread("uniform", (300, 300), -1.0, 3.0)
    assert w.min() >= -1 and w.max() < 3 and w.mean() == pytest.approx(1, abs=0.02)
    assert np.array_equal(np.broadcast_to(spread("values", (2, 3), 7.0), (2, 3)), np.full((2, 3), 7.0))
    assert np.array_equal(np.asarray(_draw(("values", (1.0, 2.0, 3.0, 4.0)), (2, 2), 0, "W")), [[1, 2], [3, 4]])
    for shape in ((5, 3), (3, 5), (4, 4), (6, 2, 2)):
        q = spread("orthogonal", shape).reshape(shape[0], -1)
        gram = q @ q.T if q.shape[0] <= q.shape[1] else q.T @ q
        np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-14)


def test_each_parameter_has_its_own_stream() -> None:
    a = np.asarray(_draw(("normal", 0.0, 1.0), (5,), 0, "a"))
    assert np.array_equal(a, np.asarray(_draw(("normal", 0.0, 1.0), (5,), 0, "a")))
    assert not np.array_equal(a, np.asarray(_draw(("normal", 0.0, 1.0), (5,), 0, "b")))
    assert not np.array_equal(a, np.asarray(_draw(("normal", 0.0, 1.0), (5,), 1, "a")))


def test_the_same_seed_gives_the_same_parameters_on_both_backends(xor: ModuleType) -> None:
    from support import handmade
    for seed in (0, 1, 2**70):
        assert np.array_equal(xor.Model(seed=seed).theta, handmade.Model(seed).theta)
    assert not np.array_equal(xor.Model(seed=0).theta, xor.Model(seed=1).theta)
    assert not np.array_equal(xor.Model(seed=None).theta, xor.Model(seed=None).theta)
    for seed in (-1, 1.5, "0", True):
        with pytest.raises(TypeError, match="seed: expected a whole number from 0 up"):
            xor.Model(seed=seed)


# ---- parameters by name


def test_parameters_are_views_into_theta(xor: ModuleType) -> None:
    model = xor.Model(seed=1)
    assert model.theta.shape == (33,) and np.shares_memory(model.params.W1, model.theta)
    model.params.b1 = np.arange(8)
    assert np.array_equal(model.theta[16:24], np.arange(8.0))
    model.params["b2"] = [5]
    assert model.theta[32] == 5
    model.params.W1[0, 3] = 9
    assert model.theta[3] == 9
    model.params.W2 *= 0
    assert not model.theta[24:32].any()
    view = model.theta
    model.theta = np.ones(33, np.float32)
    assert view is model.theta and view.sum() == 33
    assert model.params._asdict().keys() == {"W1", "b1", "W2", "b2"}
    for wrong in (np.ones(9), np.ones((8, 1)), 1.0):
        with pytest.raises(ValueError, match=r"^b1: expected shape \(8,\), got shape \("):
            model.params.b1 = wrong
    with pytest.raises(ValueError, match=r"^theta: expected shape \(33,\), got shape \(32,\)$"):
        model.theta = np.ones(32)
    with pytest.raises(AttributeError, match="no 'w1' here; did you mean W1"):
        _ = model.params.w1
    with pytest.raises(AttributeError, match="no 'w1' here; did you mean W1"):
        model.params.w1 = 1


def test_parameters_and_workspaces_begin_on_a_line_of_the_cache(xor: ModuleType) -> None:
    for seed in range(8):
        model = xor.Model(seed=seed)
        model.forward(x=X, y=Y)
        for space in (model.theta, model.copy().theta, model._spaces["work"], model._spaces["kept"]):
            assert space.size == 0 or (space.ctypes.data % 64 == 0 and space.flags.c_contiguous)


def test_models_from_parameters(xor: ModuleType) -> None:
    one = xor.Model(seed=1)
    for params in (one.theta, one.params, one.params._asdict(), one, one.theta.tolist()):
        assert np.array_equal(xor.Model(params=params).theta, one.theta)
    part = xor.Model(seed=1, params={"b1": np.ones(8)})
    assert np.array_equal(part.params.W1, one.params.W1) and part.params.b1.sum() == 8
    with pytest.raises(TypeError, match="^params: xor has no parameter 'b3'; did you mean b"):
        xor.Model(params={"b3": 1})
    other = one.copy()
    other.params.b1 += 1
    other.hyper.reg = 3
    assert one.params.b1.sum() == 0 and one.hyper.reg == 0


def test_any_name_goes() -> None:
    model = handmade_net.Model()
    assert model.params["if"].shape == (3, 4) and getattr(model.params, "if").shape == (3, 4)
    assert np.array_equal(model.params.keys, [1, 2, 3, 4])
    assert model.params.ϕ == 2      # which Python reads as φ
    model.params.ϕ = 3
    assert model.theta[16] == 3
    assert list(model.params._asdict()) == ["if", "keys", "ϕ", "base"]
    assert repr(model) == "net.Model(17 float32 parameters: if[3, 4], keys[4], ϕ[], base[3, 4] frozen; scale=0.5)"
    np.testing.assert_allclose(model.params.base @ model.params.base.T, np.eye(3), atol=1e-6)


# ---- what calls return


def reference(theta: np.ndarray[Any, Any]) -> tuple[float, np.ndarray[Any, Any]]:
    """The loss of XOR, with complex numbers allowed in theta."""
    z = np.tanh(X @ theta[:16].reshape(2, 8) + theta[16:24]) @ theta[24:32].reshape(8, 1) + theta[32]
    return np.sum(np.log(1 + np.exp(z)) - Y * z) / 4, 1 / (1 + np.exp(-z))


def test_outputs_and_gradients(xor: ModuleType) -> None:
    model = xor.Model(seed=1)
    loss, p = reference(model.theta)
    out, g = model.value_and_grad(x=X, y=Y)
    assert out.loss == pytest.approx(loss, rel=1e-14)
    np.testing.assert_allclose(out.p, p, rtol=1e-14)
    truth = np.array([reference(model.theta + 1e-30j * e)[0].imag / 1e-30 for e in np.eye(33)])
    np.testing.assert_allclose(model.grad, truth, rtol=1e-12, atol=1e-15)
    assert np.array_equal(g.W2, model.grad[24:32].reshape(8, 1)) and np.shares_memory(g.W2, model.grad)
    np.testing.assert_allclose(model.predict(x=X).p, p, rtol=1e-14)
    again = model.forward(x=X, y=Y)
    assert again.loss == out.loss and np.array_equal(model.backward().W1, g.W1)
    np.testing.assert_allclose(model.backward(2.0).W1, 2 * g.W1)
    pure, h = xor.value_and_grad(model.params, x=X, y=Y)
    assert pure.loss == out.loss and np.array_equal(h.W1, g.W1)
    for params in (model.theta, model.params._asdict(), model, model.theta.tolist()):
        assert np.array_equal(xor.gradient(params, x=X, y=Y).W1, g.W1)
    assert xor.forward(model.params, x=X, y=Y).loss == out.loss
    assert np.array_equal(xor.predict(model.params, x=X).p, model.predict(x=X).p)


def test_a_loss_whose_kernel_takes_no_upstream_is_scaled() -> None:
    from support import handmade
    spec = {**handmade._SPEC, "kernels": tuple({**k, "slots": tuple(s for s in k["slots"] if s != "up:loss")}
                                               for k in handmade._SPEC["kernels"])}

    def run(kernel: int, arrays: tuple[Any, ...], sizes: tuple[int, ...]) -> None:
        handmade._run(kernel, (*arrays[:5], np.ones(()), *arrays[5:]) if kernel == 2 else arrays, sizes)

    module: dict[str, Any] = {"_SPEC": spec, "_run": run}
    install(module)
    model = module["Model"](seed=1)
    _, g = model.value_and_grad(x=X, y=Y)
    for up in (3.0, {"loss": 3.0}):
        np.testing.assert_allclose(model.value_and_grad(up, x=X, y=Y)[1].W1, 3 * g.W1, rtol=1e-15)
        np.testing.assert_allclose(model.value_and_grad(upstream=up, x=X, y=Y)[1].W1, 3 * g.W1, rtol=1e-15)


def test_results_never_change_afterwards(xor: ModuleType) -> None:
    model = xor.Model(seed=1)
    out, g = model.value_and_grad(x=X, y=Y)
    p, W1, grad = out.p.copy(), g.W1.copy(), model.grad.copy()
    kept = model.grad
    model.theta *= 2
    model.value_and_grad(x=1 - X, y=Y)
    model.fit({"x": X, "y": Y}, "sgd", epochs=3)
    assert np.array_equal(out.p, p) and np.array_equal(g.W1, W1) and np.array_equal(kept, grad)


def test_a_training_step_keeps_no_gradient(xor: ModuleType) -> None:
    model = xor.Model()
    with pytest.raises(StateError, match="no gradient is kept"):
        _ = model.grad
    model.value_and_grad(x=X, y=Y)
    assert model.grad.shape == (33,)
    model.step("sgd", x=X, y=Y)
    with pytest.raises(StateError, match="no gradient is kept"):
        _ = model.grad


def test_named_values(xor: ModuleType) -> None:
    model = xor.Model(seed=1)
    out = model.forward(x=X, y=Y)
    p, loss = out
    assert p is out.p and loss == out["loss"] and len(out) == 2 and "p" in out and "q" not in out
    assert list(out._asdict()) == out.keys() == ["p", "loss"] and dict(out) == out._asdict()
    assert repr(out).startswith("Outputs\n  p: float64[4, 1] [[0.5 ") and f"loss: {loss}" in repr(out)
    assert {"p", "loss"} <= set(dir(out))
    with pytest.raises(AttributeError, match="no 'P' here; did you mean p"):
        _ = out.P
    with pytest.raises(KeyError, match="no 'P' here"):
        out["P"]
    for named in (out, model.backward(), model.params, model.hyper):
        for place in (0, slice(0, 1), ("p", "loss"), None):
            with pytest.raises(TypeError, match=f"^{re.escape(f'[{place!r}]')}: values are read by name.*; there is "):
                _ = named[place]
    with pytest.raises(AttributeError, match="results cannot be assigned to"):
        out.p = 1
    g = model.backward()
    assert list(g.keys()) == ["W1", "b1", "W2", "b2"] and [v.shape for v in g] == [(2, 8), (8,), (8, 1), (1,)]
    same = pickle.loads(pickle.dumps(np.asarray(g.W1)))
    assert np.array_equal(same, g.W1)


def test_kinds_of_outputs() -> None:
    model = handmade_net.Model()
    out = model.forward(x=np.ones((2, 3)), y=[0, 1], seq=[0], t=1)
    assert out.s.dtype == np.float32 and out.best.dtype == np.int64 and out.big.dtype == bool and isinstance(out.f, np.float32)


# ---- threads


def test_threads_share_a_model_or_are_told_not_to(xor: ModuleType) -> None:
    model = xor.Model(seed=1)
    rng = np.random.default_rng(0)
    data = [(rng.random((64, 2)), rng.random((64, 1))) for _ in range(4)]
    truth = [xor.value_and_grad(model.params, x=x, y=y) for x, y in data]
    wrong: list[int] = []

    def work(k: int) -> None:
        x, y = data[k]
        for _ in range(200):
            out, g = model.value_and_grad(x=x, y=y)
            if out.loss != truth[k][0].loss or not np.array_equal(g.W1, truth[k][1].W1):
                wrong.append(k)
            if not np.array_equal(model.predict(x=x).p, truth[k][0].p):
                wrong.append(k)

    at_once(work, 4)
    assert not wrong

    errors: list[BaseException] = []

    def backward() -> None:
        try:
            model.backward()
        except StateError as error:
            errors.append(error)

    model.forward(x=X, y=Y)
    thread = threading.Thread(target=backward)
    thread.start()
    thread.join()
    assert "another thread" in str(errors[0])
    model.backward()


def at_once(work: Callable[[int], None], count: int) -> None:
    """``work(k)`` by as many threads."""
    threads = [threading.Thread(target=work, args=(k,)) for k in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_pure_functions_share_nothing(xor: ModuleType) -> None:
    params = xor.Model(seed=1).params._asdict()
    rng = np.random.default_rng(0)
    data = [(rng.random((n, 2)), rng.random((n, 1))) for n in (1, 64, 500, 64)]
    truth = [xor.Model(seed=1).value_and_grad(x=x, y=y) for x, y in data]
    wrong: list[int] = []

    def work(k: int) -> None:
        x, y = data[k]
        for _ in range(100):
            out, g = xor.value_and_grad(params, x=x, y=y)
            if out.loss != truth[k][0].loss or not np.array_equal(g.W1, truth[k][1].W1):
                wrong.append(k)

    at_once(work, 4)
    assert not wrong


# ---- the face, and what importing a module costs


def test_face_h_is_model_py_and_its_parts() -> None:
    assert face.FACE.read_text(encoding="utf-8") == face.text(), "run: python -m gradwright.runtime.face"


def test_the_parts_of_the_face_share_a_namespace() -> None:
    """What a part imports of another is left out of compiled modules, so it must stand there under the same name, and before it;
    and no two parts may have a name for different things."""
    made: dict[str, str] = {}
    for part in face.PARTS:
        tree = ast.parse((face.HERE / f"{part}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level:
                assert node in tree.body, f"{part}: an import within a function stays"
                for alias in node.names:
                    assert made[alias.name] == node.module and alias.asname is None, (part, alias.name)
        for node in tree.body:
            names = [node.name] if isinstance(node, ast.ClassDef | ast.FunctionDef) else []
            if isinstance(node, ast.Assign | ast.AnnAssign):
                names = [t.id for t in ast.walk(node) if isinstance(t, ast.Name) and isinstance(t.ctx, ast.Store)]
            for name in names:
                assert made.setdefault(name, part) == part, f"{name} is of {made[name]} and of {part}"
        source = face.source(part)
        left = [n for n in tree.body if not (isinstance(n, ast.ImportFrom) and n.level)]
        assert ast.dump(ast.parse(source)) == ast.dump(ast.Module(left, [])), "what goes are these imports"
        assert "from ." not in source and source.count("\n") == (face.HERE / f"{part}.py").read_text(encoding="utf-8").count("\n")
    assert made["install"] == "model" and made["Engine"] == "engine"


def test_a_face_is_made_without_pythons_ast() -> None:
    """Threads that build side by side make it, and in Python 3.11 one of two that use ast at once may get a SystemError."""
    assert not {"ast", "inspect", "typing"} & set(vars(face))


def test_a_traceback_names_the_part_and_its_line(xor: ModuleType) -> None:
    with pytest.raises(ValueError, match="expected x") as caught:
        xor.Model().predict(x=[1.0])
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert last.name == "_bind" and last.filename.endswith("runtime/arguments.py")
    lines = (face.HERE / "arguments.py").read_text(encoding="utf-8").splitlines()
    assert last.lineno is not None and lines[last.lineno - 1].strip().startswith("raise _error(\"ShapeError\"")


def run(code: str, **environment: str) -> str:
    done = subprocess.run([sys.executable, *(["-S"] if environment.pop("bare", "") else []), "-c", code], capture_output=True,
                          text=True, check=False, env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_compiled_module_needs_numpy_alone() -> None:
    """In a Python that has NumPy and no gradwright: everything but training works, and errors are what they should be."""
    site = Path(np.__file__).parent.parent
    out = run(f"""
import sys
class Only:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in ('gradwright', 'sympy', 'Cython', 'rich', 'lark'):
            raise ImportError(name)
sys.meta_path.insert(0, Only())
sys.path[:0] = [{str(site)!r}, {str(shared_object().parent)!r}]
import handmade_c as xor
model = xor.Model(seed=1)
out, g = model.value_and_grad(x=[[0., 1.]], y=[[1.]])
print(out.loss, g.b2[0])
try:
    model.predict(x=[1.])
except ValueError as error:
    print(type(error).__name__, error)
try:
    model.fit({{}})
except ImportError as error:
    print(error)
""", bare="1")
    first, second, third = out.splitlines()
    from support import handmade
    model = handmade.Model(seed=1)
    value, g = model.value_and_grad(x=[[0.0, 1.0]], y=[[1.0]])
    assert [float(word) for word in first.split()] == pytest.approx([value.loss, g.b2[0]], rel=1e-14)
    assert second == "ShapeError x: expected x[N, 2], got shape (1,): it must have 2 axes"
    assert third.startswith("training needs gradwright.runtime: pip install gradwright")


def test_without_the_compiler_load_says_what_is_missing() -> None:
    out = run("""
import sys
class No:
    def find_spec(self, name, path=None, target=None):
        if name.startswith('gradwright.compiler'):
            raise ImportError(name)
sys.meta_path.insert(0, No())
import gradwright.runtime
try:
    gradwright.runtime.load('xor.gw')
except gradwright.runtime.GradwrightError as error:
    print(error)
""")
    assert out.startswith("load compiles models and needs gradwright's compiler: pip install gradwright")


def test_importing_a_module_costs_little() -> None:
    code = f"""
import numpy, sys
sys.path.insert(0, {str(shared_object().parent)!r})
import time
def kib(): return int(open('/proc/self/statm').read().split()[1]) * 4 if sys.platform == 'linux' else 0
before, names, since = kib(), set(sys.modules), time.process_time()
import handmade_c
print(1e3 * (time.process_time() - since), kib() - before, ' '.join(sorted(set(sys.modules) - names)))
"""
    lines = [run(code).split() for _ in range(5)]
    assert min(float(line[0]) for line in lines) < 20
    assert min(int(line[1]) for line in lines) < 5 * 1024
    assert not {name.partition(".")[0] for name in lines[0][2:]} & {"gradwright", "sympy", "Cython", "rich", "click", "lark"}


def test_a_module_built_by_hand_has_the_face_as_text(tmp_path: Path) -> None:
    assert face.code_header() == face.code_header()
    build(tmp_path, "handmade_text", bytecode=False)
    out = run(f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import handmade_text
print(handmade_text.Model(seed=1))
""")
    assert out == "xor.Model(33 float64 parameters: W1[2, 8], b1[8], W2[8, 1], b2[1]; reg=0)\n"


@pytest.mark.parametrize("dtype", [np.float32, np.dtype("float32"), "float32"])
def test_the_real_type_may_be_one_of_numpy(dtype: Any) -> None:
    typed = load("input x\noutput y = 2*x\n", name="typed", backend="numpy", dtype=dtype)
    assert typed.Model().predict(x=1).y.dtype == np.float32


def test_a_real_type_that_does_not_exist_is_named() -> None:
    with pytest.raises(ModelError, match="there is no real type int64"):
        load("input x\noutput y = 2*x\n", name="typed", backend="numpy", dtype=np.int64)
