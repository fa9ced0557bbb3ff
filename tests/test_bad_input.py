"""What a model of layers, loops and indices can have wrong: each is a diagnostic under the user's line, with a page of its own,
or a named error of the call."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from gradwright.compiler.elaborate import elaborate
from gradwright.compiler.language.parser import parse
from gradwright.compiler.language.source import Source
from gradwright.compiler.loops.buffers import lower_all
from gradwright.compiler.passes.kernels import plan
from gradwright.runtime import load
from gradwright.runtime.errors import RangeError
from support.mistakes import mistaken
from support.models import elaborated
from support.programs import random_program

ERRORS = Path(__file__).parent.parent / "compiler" / "language" / "errors"
HEAD = "use layers\nsize N, T\ninput x[N, 4], z\nindex y[N] < 5\nparam W[4, 3] ~ normal(0, 1)\n"
WRONG = {  # what is wrong: the lines, the code, the line that it stands on, and how it is said
    "recursion in def": ("def f(a) = g(a) + 1\ndef g(a) = f(a)\noutput o = f(x)", "E283", 7, "f calls itself"),
    "recursion in layer": ("layer f(a[N, D]):\n    return f(a)\noutput o = f(x)", "E283", 7, "f calls itself"),
    "recursion through layers": (
        "layer f(a[N, D]):\n    return g(a)\nlayer g(a[N, D]):\n    return f(a)\noutput o = f(x)", "E283", 9, "f calls itself",
    ),
    "a for of negative length": ("for k in range(-3):\n    x = x + k\noutput x", "E277", 6, "a `for` cannot run -3 times"),
    "an absurd for": (
        "for k in range(10**9):\n    x = x + k\noutput x", "E277", 6,
        "this `for` would be unrolled 1000000000 times, and 10000 is the most",
    ),
    "a scan of negative length": (
        "scan t in range(2 - 5):\n    carry h = x\n    h = 2 * h\noutput h", "E251", 6, "a loop cannot run -3 times",
    ),
    "an absurd scan": (
        "scan t in range(10**12):\n    carry h = x\n    h = 2 * h\noutput h", "E251", 6,
        "this loop would run 1000000000000 times, and 2147483647 is the most",
    ),
    "a layer of the wrong rank": ("output o = conv2d(x, 3, 3)", "E276", 6, "conv2d wants x[N, C, Y, X], which has 4 axes"),
    "an index variable that is not bound": ("q[i] = x[i, j]\noutput q", "E220", 6, "there is no j here"),
    "an index variable without a range": ("q[i, j] = 2 * x[i, 0] + j\noutput q", "E231", 6, "nothing tells the range of j"),
    "ranges that disagree": ("q[i, j] = sum(x[i, d] * W[j, d] for d)\noutput q", "E232", 6, "the ranges of d disagree"),
    "integers to minimize": (
        "minimize argmax(sum(x, axis=1), axis=0)", "E240", 6, "the loss is an integer, and an integer has no slope",
    ),
    "a gradient for integers": (
        "output o = sum(x[:, 0] * y)\ngradient o wrt y", "E245", 7, "y is an index, and there is no gradient for integers",
    ),
    "reals for integers": ("output o = embedding(x, 5, 3)", "E241", 6, "embedding: an index must be made of integers"),
    "a carry that changes shape": (
        "scan t in range(T):\n    carry h = x\n    h = concat(h, h, axis=1)\noutput h", "E250", 8,
        "h changes its shape in the loop",
    ),
    "a carry that changes kind": (
        "scan t in range(T):\n    carry h = y\n    h = h + 0.5\noutput h", "E250", 8, "h changes its kind in the loop",
    ),
    "a gradient for what is drawn": (
        "random e[N] ~ normal(0, 1)\nminimize sum(e) * sum(x @ W)\ngradient loss wrt e", "E273", 8,
        "e is a random value, and is a constant to differentiation",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_each_is_told_under_its_line(name: str) -> None:
    text, code, line, message = WRONG[name]
    model, found, shown = elaborated(f"{HEAD}{text}\n")
    assert model is None, shown
    assert [(d.code, d.span.line, d.message) for d in found if d.is_error] == [(code, line, message)]
    assert (ERRORS / f"{code}.md").exists()


@pytest.mark.parametrize("backend", ["numpy", "cython"])
def test_a_gather_out_of_range_is_an_error_of_the_call(backend: str) -> None:
    model = load("size N\nindex y[N] < 5\nparam E[5, 2] ~ normal(0, 1)\noutput e = E[y]\n", backend=backend, optimize=0).Model()
    for bad in (5, -1):
        with pytest.raises(RangeError, match=rf"y.*{bad}"):
            model.forward(y=[0, bad, 4])


FILES = {
    "a.gw": 'use "b.gw"\ndef fa(x) = fb(x)\n',
    "b.gw": 'use "a.gw"\ndef fb(x) = x\n',
    "c.gw": "def f(x) = x\n",
    "d.gw": "def f(x) = 2 * x\n",
    "e.gw": 'use "c.gw"\ndef g(x) = f(x)\n',
    "lost.gw": 'use "nowhere.gw"\nuse optimisers\ndef g(x) = x\n',
}


@pytest.mark.parametrize(
    ("uses", "wanted"),
    [
        ('use "a.gw"', [("E228", "b.gw", 1, "these files use each other")]),
        ('use "model.gw"', [("E228", "model.gw", 1, "model.gw uses itself")]),
        ('use "c.gw"\nuse "d.gw"', [("E221", "model.gw", 2, "the function f comes from two files")]),
        ('use "gone.gw"', [("E227", "model.gw", 1, 'there is no file "gone.gw"')]),
        ('use "lost.gw"', [("E227", "lost.gw", 1, 'there is no file "nowhere.gw"'),
                           ("E226", "lost.gw", 2, "there is no library optimisers")]),
        ('use "c.gw"\nuse "e.gw"', []),
    ],
)  # fmt: skip
def test_files_that_use_others(uses: str, wanted: list[tuple[str, str, int, str]]) -> None:
    _, found, _ = elaborated(f"{uses}\ninput x\noutput y = x\n", files=FILES)
    assert [(d.code, d.span.file, d.span.line, d.message) for d in found if d.is_error] == wanted


def test_what_a_loop_emits_may_be_made_of_what_is_wrong_already() -> None:
    """It was a KeyError, in place of the error that the user has to see."""
    head = "input x[3]\nh = log(nothing)\nscan t in range(3):\n    carry s = 0\n"
    for emitted in ("h", "s * h", "log(h)[0]"):
        text = f"{head}    emit es = {emitted}\n    s = s + x[t]\noutput s\noutput es\n"
        model, diagnostics, shown = elaborated(text)
        assert model is None and [(d.code, d.span.line) for d in diagnostics] == [("E220", 2)], shown
    loop = "    scan k in range(2):\n        carry c = 0\n        c = c + 1\n        emit cs = h\n"
    inner = f"{head}{loop}    s = s + sum(cs)\noutput s\n"
    assert [(d.code, d.span.line) for d in elaborated(inner)[1]] == [("E220", 2)]


def no_mistake_is_a_fault_of_ours(first: int, count: int) -> int:
    """Each is told, or is another model that can be planned."""
    legal = 0
    for k in range(first, first + count):
        rng = Random(f"mistakes_{k}")
        program = random_program(rng, steps=4)
        text = mistaken(program.text, rng)
        tree, found = parse(Source("model.gw", text))
        files = {name: Source(name, other) for name, other in program.files}
        assert tree is not None
        model, more = elaborate(tree, read=files.get)
        if model is not None and not found:
            legal += 1
            lower_all(plan(model).kernels)
        else:
            assert any(d.is_error for d in (*found, *more)), text
    return legal


def test_random_mistakes_are_told() -> None:
    assert no_mistake_is_a_fault_of_ours(0, 60) > 3


@pytest.mark.slow
@pytest.mark.parametrize("first", [100, 400])
def test_more_random_mistakes_are_told(first: int) -> None:
    assert no_mistake_is_a_fault_of_ours(first, 300) > 20
