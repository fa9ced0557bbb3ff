"""Optimisers' rules as compiled loops: what is the same for all elements is computed before, and divides nothing in the loop."""

from __future__ import annotations

import re

import numpy as np
import pytest
from gradwright.compiler import driver
from gradwright.compiler.emit.updates import write_update
from gradwright.compiler.graph.ir import Update
from gradwright.compiler.library import read
from gradwright.runtime import Adam, Optimizer
from support.models import build

TEXT = """\
size  N
input g[N]
param w[3] = 1
minimize sum(g) * sum(w)
"""


def updates(rule: str = "") -> dict[str, Update]:
    return {u.name: u for u in build(TEXT + rule).updates}


def written(update: Update) -> tuple[str, str]:
    """(what stands before the loop, the loop) of the compiled rule, without comments."""
    lines = [line for line in write_update(update, False, set(), {}).text if not line.strip().startswith("#")]
    text = "\n".join(lines)
    before, _, loop = text[text.rindex("cdef void") :].partition("for i in range(count):")
    return before, loop


def test_no_rule_of_the_library_computes_in_its_loop_what_is_the_same_for_all_elements() -> None:
    for name, update in updates().items():
        _, loop = written(update)
        assert "pow" not in loop and not re.search(r"\bt\b", loop), name


def test_while_it_is_off_momentum_costs_nothing() -> None:
    """A function of its own touches neither the mean of gradients nor, for sgd, any state."""
    for name, states in (("sgd", 0), ("rmsprop", 1)):
        text = "\n".join(write_update(updates()[name], False, set(), {}).text)
        idle = text[: text.rindex("cdef void")]
        assert f"update_{name}_idle(" in idle and idle.count("<write>states_") == states
        assert f"    if hypers_[{1 if name == 'sgd' else 4}] == 0:  # momentum\n        update_{name}_idle(" in text
    assert "_idle" not in "\n".join(write_update(updates()["adam"], False, set(), {}).text)


def test_a_division_by_what_is_the_same_for_all_elements_multiplies_by_the_reciprocal() -> None:
    before, loop = written(updates()["adam"])
    assert "1/(1 - step_power(beta2, t))" in before
    assert loop.count("/") == 1  # by the root of v, which each element has for itself
    rule = "update mine(lr=0.1, a=3) of w with g:\n    w = w - lr * g / (1 + a) / 2\n"
    before, loop = written(updates(rule)["mine"])
    assert "1/(1 + a)" in before and "/2" in loop  # a number divides as it stands


def test_a_power_of_the_step_alone_is_carried_on() -> None:
    rule = "update mine(b=0.5) of w with g:\n    w = w - b**t * g - b**(2 * t) * g - t**b * g\n"
    before, _ = written(updates(rule)["mine"])
    assert before.count("step_power(b, t)") == 1
    assert before.count("pow(") == 2  # and two others as ever


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_steps_are_the_same_bits_however_they_are_cut(dtype: str) -> None:
    module = driver.load(TEXT, dtype=dtype, name="updates")
    whole, cut = module.Model(), module.Model()
    data = {"g": np.random.default_rng(0).normal(size=300)}
    optimizer = Adam(lr=0.01, beta1=0.8)
    whole.fit(data, optimizer, batch_size=1, shuffle=False)
    for g in data["g"]:
        cut.step(optimizer, g=[g])
    assert np.array_equal(whole.theta, cut.theta)


def test_a_rule_of_the_users_own_agrees_with_numpy() -> None:
    rule = "update mine(lr=0.1, b=0.9) of w with g:\n    state m = 0\n    m = m / (1 + b) + g\n"
    rule += "    w = w - lr * m / (1 - b**t) / (b**(t / 7) + t**b)\n"
    thetas = []
    for backend in ("cython", "numpy"):
        model = driver.load(TEXT + rule, backend=backend, name="updates").Model()  # type: ignore[arg-type]
        for t in range(200):
            model.step(Optimizer("mine", lr=0.03), g=[np.sin(t)])
        thetas.append(model.theta.copy())
    np.testing.assert_allclose(thetas[0], thetas[1], rtol=1e-13)


@pytest.mark.parametrize("backend", ["cython", "numpy"])
def test_what_is_remembered_of_the_librarys_rules_is_not_said_of_a_models_own(backend: str) -> None:
    """A copy of a library's rule, in the model: it is the same rule, and its lines are the model's."""
    library = read("optimizers").text.splitlines()
    start = next(k for k, line in enumerate(library) if line.startswith("update sgd("))
    stop = library.index("", start)
    own = "\n".join(library[start:stop]) + "\n"
    plain, copied, again = (
        driver.compile_model(text, stop_after="cython", backend=backend, name="rules").text  # type: ignore[arg-type]
        for text in (TEXT, TEXT + own, TEXT)
    )
    assert again == plain
    at = f"{len(TEXT.splitlines()) + 4}   {own.splitlines()[3].strip()}"
    assert f"rules.gw:{at}" in copied and f"rules.gw:{at}" not in plain
    assert f"optimizers.gw:{start + 4} " not in copied
