"""The stub beside a module: what editors and type checkers are told."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from gradwright.compiler.emit.stub import stub
from support.models import build

mypy = pytest.importorskip("mypy.api")
EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.gw"))

ODD = '''\
## A "model" with \\ odd names and """quotes"""
size N, np = 3, S
hyper lambda = 2
hyper rate = 0.5
## what goes in
input self[N, np], if[N], params[N], upstream
index t[N] < np
param keys[np] = 0
param str[np] = 1 frozen
param __x[np] = 0
q = self * keys + str + __x * rate
output f = sum(q, axis=1) * if + params * lambda + upstream * S + pick(q, t)
output σ = q > 0
output at = argmax(q, axis=1)
gradient f wrt keys, self
gradient q wrt keys
output q
z = sum(f)
jacobian q wrt keys, self
jacobian f wrt self each N
hessian diagonal z wrt keys
'''

USE = """\
import numpy as np
from m import Model, value_and_grad

model = Model(seed=0)
h: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = model.params.W1
out, g = model.value_and_grad(x=np.zeros((4, 2)), y=[[0], [1], [1], [0]])
loss: float = float(out.loss)
model.params["W1"] = 0
d = g.W1 + out.p.sum()
p = model.predict(x=np.zeros((4, 2))).p
other = value_and_grad(model.params, x=p, y=p)[1].b2
history = model.fit({"x": p}, epochs=3, progress=False)
step: float = model.step(x=p, y=p)
out, g = model.value_and_grad(x=p, y=p, out=(out, g))
out, g = value_and_grad(model, x=p, y=p, out=({"p": p}, None))
p = model.predict(x=p, out=np.zeros((4, 1))).p
model.forward(x=p, y=p, out=out)
model.backward(out={"W1": p})
"""

WRONG = {
    "model.forward(x=p)": 'Missing named argument "y"',
    "model.forward(x=p, y=p, z=p)": 'Unexpected keyword argument "z"',
    "model.predict(x=p).loss": '"Predictions" has no attribute "loss"',
    "model.forward(x=p, y=p, out=3)": 'Argument "out" to "forward" of "Model" has incompatible type "int"',
    "model.step(x=p, y=p, out=out)": 'Unexpected keyword argument "out"',
    "g.W3": '"Gradients" has no attribute "W3"',
}




def test_stubs_are_valid_and_say_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One run of mypy over the stubs of all examples, of odd names, and over what a user writes."""
    folder = tmp_path / "stubs"
    folder.mkdir()
    for path in EXAMPLES:
        (folder / f"{path.stem}.pyi").write_text(stub(build(path.read_text(encoding="utf-8"))), encoding="utf-8")
    (folder / "odd.pyi").write_text(stub(build(ODD)), encoding="utf-8")
    xor = (Path(__file__).parent.parent / "examples" / "xor.gw").read_text(encoding="utf-8")
    (folder / "m.pyi").write_text(stub(build(xor)), encoding="utf-8")
    (folder / "use.py").write_text(USE, encoding="utf-8")
    (folder / "wrong.py").write_text(USE + "\n".join(WRONG) + "\n", encoding="utf-8")
    monkeypatch.chdir(folder)
    names = [p.name for p in sorted(folder.iterdir()) if p.name != "wrong.py"]
    out, err, status = mypy.run(["--strict", "--cache-dir", str(tmp_path / "cache"), "--config-file", "", *names])
    assert status == 0, out + err
    out, err, status = mypy.run(["--strict", "--cache-dir", str(tmp_path / "cache"), "--config-file", "", "wrong.py"])
    for message in WRONG.values():
        assert message in out, out
    assert out.count(": error:") == len(WRONG), out


def test_names_that_are_no_attributes_are_documented() -> None:
    text = stub(build(ODD))
    tree = ast.parse(text)
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    attributes = {
        name: [n.target.id for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]
        for name, node in classes.items()
    }
    assert attributes["Params"] == ["keys"]
    assert "str: [3], frozen" in (ast.get_docstring(classes["Params"]) or "")
    assert attributes["Hypers"] == ["rate"]
    assert attributes["Outputs"] == ["f", "σ", "at", "q"]
    assert attributes["Gradients"] == ["f", "q"]
    assert attributes["Jacobians"] == ["q", "f"] and attributes["Jacobians2"] == ["self"] and attributes["Diagonals"] == ["keys"]
    calls = [n.name for n in (*classes["Model"].body, *tree.body) if isinstance(n, ast.FunctionDef)]
    assert [calls.count(name) for name in ("jacobian", "hessian", "hessian_diagonal")] == [2, 0, 2]
    model = classes["Model"]
    forward = next(n for n in model.body if isinstance(n, ast.FunctionDef) and n.name == "forward")
    assert [a.arg for a in forward.args.kwonlyargs] == ["self", "params", "upstream", "t", "N", "S", "rate", "out"]
    defaults = {a.arg: d is not None for a, d in zip(forward.args.kwonlyargs, forward.args.kw_defaults, strict=True)}
    assert not defaults["S"] and defaults["N"]
    assert forward.args.posonlyargs[0].arg == "self_" and forward.args.kwarg is not None
    assert "what goes in" in (ast.get_docstring(forward) or "")
