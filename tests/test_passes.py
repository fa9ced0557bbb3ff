"""Each pass alone: a small graph before and after, to be read; values that stay what they were; nothing left to do twice.

``tests/golden/passes/NAME/*.txt`` hold graphs as they are printed: what goes in above the line of dashes, what comes out below.
``pytest --refresh`` writes what lies below anew. Both are built and run as well."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradwright.compiler.derive.reverse import Seed, differentiate
from gradwright.compiler.graph import expr as E
from gradwright.compiler.graph.expr import arg, const, make, walk
from gradwright.compiler.graph.ir import Access, Axis, Eqn, Graph, Origin, Scan, Value, at, outs
from gradwright.compiler.graph.shapes import Dim
from gradwright.compiler.graph.text import parse_graph, show_graph
from gradwright.compiler.meaning.interpret import InterpretError, run
from gradwright.compiler.meaning.verify import InternalError, verify
from gradwright.compiler.passes import (
    AFTER,
    BEFORE,
    KERNEL,
    MEMORY,
    Pass,
    apply,
    constants,
    cse,
    dce,
    digits,
    early,
    expand,
    factors,
    fewer,
    hoist,
    inline,
    layouts,
    ordered,
    pairs,
    routes,
    save,
    segments,
    share,
    shifts,
    signs,
    sink,
    softmax,
    split,
    squares,
    transposes,
    unroll,
    windows,
    winners,
)
from gradwright.compiler.passes import (
    given as given_derivatives,
)
from gradwright.compiler.passes.names import rename
from hypothesis import given
from numpy.typing import NDArray
from support import settings
from support.graphs import Case, graphs
from support.kernels import build_graphs
from support.settings import thoroughly

Array = NDArray[Any]
ORIGIN = Origin((), "test")
PASSES = {
    "constants": constants.run, "given": given_derivatives.run, "cse": cse.run, "dce": dce.run, "early": early.run,
    "expand": expand.run, "factors": factors.run, "fewer": fewer.run, "hoist": hoist.run, "inline": inline.run,
    "ordered": ordered.run, "routes": routes.run, "save": save.run, "segments": segments.run, "share": share.run,
    "shifts": shifts.run, "signs": signs.run, "sink": sink.run, "softmax": softmax.run, "split": split.run,
    "squares": squares.run, "transposes": transposes.run, "windows": windows.run, "digits": digits.run, "layouts": layouts.run,
    "unroll": unroll.run, "winners": winners.run, "pairs": pairs.run,
}  # fmt: skip
FOLDER = Path(__file__).parent / "golden" / "passes"
LINE = "-" * 40 + "\n"
GOLDEN = sorted(str(p.relative_to(FOLDER)) for p in FOLDER.glob("*/*.txt"))


def before(name: str) -> Graph:
    return parse_graph((FOLDER / name).read_text(encoding="utf-8").split(LINE)[0])


def after(name: str) -> Graph:
    return PASSES[name.split("/")[0]](before(name))


def test_every_pass_has_an_example() -> None:
    listed = {step.name for step in (*BEFORE, *AFTER, *KERNEL, *MEMORY)} - {"recognise", "stabilise"}
    assert {name.split("/")[0] for name in GOLDEN} == listed == set(PASSES)
    assert all(step.reason for step in (*BEFORE, *AFTER, *KERNEL, *MEMORY))


@pytest.mark.parametrize("name", GOLDEN)
def test_what_comes_out(name: str, golden: Callable[[str, str], None]) -> None:
    verify(before(name), "the example")
    result = after(name)
    verify(result, name)
    golden(f"tests/golden/passes/{name}", show_graph(before(name)) + LINE + show_graph(result))
    assert show_graph(parse_graph(show_graph(result))) == show_graph(result)


def arrays(graph: Graph, n: int) -> tuple[dict[str, Array], dict[str, int]]:
    rng = np.random.default_rng(n)
    sizes = {"N": n, "M": 3}
    found: dict[str, Array] = {}
    for v in graph.inputs:
        shape = tuple(d.evaluate(sizes) for d in v.shape)
        found[v.name] = rng.integers(0, 2, shape) if v.kind == "int" else rng.normal(size=shape)
    return found, sizes


def test_examples_run(tmp_path: Path) -> None:
    """Compiled, before and after are what the interpreter says of before."""
    pairs = [(before(name), after(name)) for name in GOLDEN]
    graphs = [given_derivatives.run(g) for pair in pairs for g in pair]  # no kernel has `given`
    built = build_graphs(graphs, tmp_path, level=settings.level)
    for k, name in enumerate(GOLDEN):
        for n in (0, 1, 5):
            inputs, sizes = arrays(pairs[k][0], n)
            expected = run(pairs[k][0], inputs, sizes)
            for kernel in built[2 * k : 2 * k + 2]:
                for value, found in kernel(inputs, sizes).items():
                    np.testing.assert_allclose(found, expected[value], rtol=1e-13, atol=1e-14, err_msg=f"{name}: {value}")


# ---------------------------------------------------------------- random graphs


def prepared(case: Case, gradients: bool) -> Graph:
    """The case with some names that no user gave, and with its backward pass."""
    rng = random.Random(case.seed)
    named = [e.out.name for e in case.graph.eqns if isinstance(e, Eqn) and e.out.name not in case.graph.outputs]
    graph = rename(case.graph, {name: f"{name}_t{k}" for k, name in enumerate(named) if rng.random() < 0.7})
    verify(graph)
    if not gradients:
        return graph
    forward = routes.run(replace(graph, outputs=("loss",)))
    backward = differentiate(forward, "loss", case.trained, Seed(None))
    return replace(backward.graph, outputs=tuple(dict.fromkeys(("loss", *backward.adjoints))))


def same(case: Case, graph: Graph, changed: Graph, exact: bool) -> None:
    assert changed.inputs == graph.inputs and changed.outputs == graph.outputs
    try:
        expected = case.run(graph)
    except InterpretError as error:
        assert "outside" in str(error)  # the position of a maximum as an index
        return
    found = case.run(changed)
    for name in graph.outputs:
        if exact:
            np.testing.assert_array_equal(found[name], expected[name])
        else:
            scale = np.abs(expected[name]).max(initial=1, where=np.isfinite(expected[name]))
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-11, atol=1e-11 * scale)


@pytest.mark.parametrize("name", PASSES)
@given(graphs(loss=True, steps=7))
@thoroughly(25)
def test_a_pass_changes_no_value(name: str, case: Case) -> None:
    """With gradients in the graph too, since these are what most passes are for; and what is done is done."""
    for graph in (prepared(case, False), prepared(case, True)):
        changed = PASSES[name](graph)
        verify(changed, name)
        same(case, graph, changed, exact=name in ("cse", "dce"))
        assert PASSES[name](changed) == changed, "twice is once"


@given(graphs(loss=True))
@thoroughly(25)
def test_all_passes_together_change_no_value(case: Case) -> None:
    graph = prepared(case, True)
    same(case, graph, apply((*AFTER, *KERNEL), graph), exact=False)
    plain = prepared(case, False)
    same(case, plain, apply((*BEFORE, *KERNEL), plain), exact=False)


@given(graphs(loss=True))
@thoroughly(25)
def test_names_that_a_user_gave_survive(case: Case) -> None:
    """Unless an equal value has another name that a user gave, or nothing needs it."""
    graph = prepared(case, False)
    needed = {o.name for e in dce.run(graph).eqns if isinstance(e, Eqn) for o in (e.out,)}
    given_names = {n for n in needed if "_t" not in n}
    keys = {e.out.name: cse.key(e) for e in graph.eqns if isinstance(e, Eqn)}
    kept = {e.out.name for e in apply(KERNEL, graph).eqns if isinstance(e, Eqn)}
    lost = given_names - kept
    assert all(sum(keys[n] == k for k in keys.values()) > 1 or any(keys[n] == keys[m] for m in kept & set(keys)) for n in lost)


# ---------------------------------------------------------------- what must not happen


def graph_of(text: str, *outputs: str) -> Graph:
    graph = parse_graph(f"graph test\n{text.strip()}\n\noutput {', '.join(outputs)}\n")
    verify(graph)
    return graph


def unchanged(graph: Graph, changed: Graph, n: int = 4) -> None:
    inputs, sizes = arrays(graph, n)
    verify(changed)
    with np.errstate(all="ignore"):
        first, second = run(graph, inputs, sizes), run(changed, inputs, sizes)
    for name in graph.outputs:
        np.testing.assert_allclose(second[name], first[name], rtol=1e-14)


def test_a_slice_behind_a_pad_stays() -> None:
    """Outside of the slice is not outside of the array."""
    graph = graph_of("input x[N + 3]\na_t1[i] = x[i]  for i < N\ny[i] = pad(a_t1[i - 1], 7)  for i < N + 2", "y")
    unchanged(graph, inline.run(graph))
    shifted = graph_of("input x[N + 3]\na_t1[i] = x[i + 2]  for i < N\ny[i] = pad(a_t1[i - 1], 7)  for i < N + 2", "y")
    unchanged(shifted, inline.run(shifted))


def test_a_pad_behind_a_pad_stays() -> None:
    graph = graph_of("input x[N]\na_t1[i] = pad(x[i - 1], 3)  for i < N + 1\ny[i] = pad(a_t1[i - 1], 7)  for i < N + 3", "y")
    unchanged(graph, inline.run(graph))


def test_a_value_that_an_index_reads_stays() -> None:
    graph = graph_of("input x[N]\ninput k[N] int\na_t1[i] = 1 - k[i]  for i < N as int\ny[i] = x[a_t1[i]]  for i < N", "y")
    unchanged(graph, inline.run(graph))


def test_work_is_not_repeated() -> None:
    """A row's exponential is not taken again for each column."""
    graph = graph_of("input x[N]\ninput w[M]\na_t1[n] = exp(x[n])  for n < N\ny[n, j] = a_t1[n] * w[j]  for n < N, j < M", "y")
    assert inline.run(graph) == graph


def test_the_expansion_knows_where_its_output_lies() -> None:
    """The axes of a log-sum-exp may stand in another order than its output's."""
    graph = graph_of("input x[N, M, 5]\ny[j, n] = lse r: x[n, j, r]  for n < N, j < M, r < 5", "y")
    unchanged(graph, expand.run(graph))


@pytest.mark.parametrize(
    "values", [[-np.inf, -np.inf], [np.inf, 0], [np.inf, -np.inf], [1e308, 1e308], [-np.inf, 3], [np.nan, 1]]
)
def test_the_expansion_of_infinities(values: list[float]) -> None:
    graph = graph_of("input x[2]\ny = lse r: x[r]  for r < 2", "y")
    with np.errstate(all="ignore"):
        found = run(expand.run(graph), {"x": np.array(values)})["y"]
        np.testing.assert_array_equal(found, np.logaddexp(values[0], values[1]))


@pytest.mark.parametrize("extent", [2, pytest.param(3, marks=pytest.mark.slow), 4])
@pytest.mark.parametrize("how", ["max", "min", "argmax", "argmin", "+", "*"])
def test_a_window_without_its_loop(how: str, extent: int, tmp_path: Path) -> None:
    """The first of equals, the first NaN, and infinities: as the loop over the window has it."""
    word, kind = {"+": "sum", "*": "prod"}.get(how, how), " as int" if how.startswith("arg") else ""
    graph = graph_of(f"input x[N, {2 * extent}, 3]\ny[n, j, c] = {word} v: x[n, {extent}*j + v, c]  "
                     f"for n < N, j < 2, c < 3, v < {extent}{kind}", "y")  # fmt: skip
    changed = unroll.run(graph)
    assert all(isinstance(e, Eqn) and e.reduce == "" for e in changed.eqns)
    kernel = build_graphs([changed], tmp_path, level=settings.OPTIMISED if extent == 4 and "max" in how else settings.level)[0]
    special = [0.0, 1.0, -1.0, np.inf, -np.inf, np.nan]
    values = np.array(list(itertools.product(special, repeat=extent)))
    x = np.repeat(np.tile(values, (1, 2))[:, :, None], 3, axis=2)
    with np.errstate(all="ignore"):
        wanted = run(graph, {"x": x}, sizes={"N": len(x)})["y"]
        np.testing.assert_array_equal(run(changed, {"x": x}, sizes={"N": len(x)})["y"], wanted)
    np.testing.assert_array_equal(kernel({"x": x}, {"N": len(x)})["y"], wanted)


@pytest.mark.parametrize("body", ["d[n, k] * w[j, k]", "where(d[n, k] == 0, 0, d[n, k] * w[j, k])"])
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_a_product_of_little_depth_without_its_loop(body: str, depth: int, tmp_path: Path) -> None:
    """As the gradient that comes back from an output of three: the loop along the row has no loop in it, and is vectorised."""
    graph = graph_of(f"input d[N, {depth}]\ninput w[40, {depth}]\ny[n, j] = sum k: {body}  for n < N, j < 40, k < {depth}", "y")
    changed = unroll.run(graph)
    assert all(isinstance(e, Eqn) and e.reduce == "" for e in changed.eqns)
    kernel = build_graphs([changed], tmp_path, level=settings.OPTIMISED if depth == 4 else settings.level)[0]
    rng = np.random.default_rng(depth)
    for count in (0, 1, 7, 100):
        values = {"d": rng.normal(size=(count, depth)), "w": rng.normal(size=(40, depth))}
        wanted = run(graph, values, sizes={"N": count})["y"]
        np.testing.assert_allclose(run(changed, values, sizes={"N": count})["y"], wanted, rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(kernel(values, {"N": count})["y"], wanted, rtol=1e-13, atol=1e-15)


STENCILS = {
    "along the row": "pad(x[i, j - 1], 0) + pad(x[i, j + 2], 0) - 2 * x[i, j]",
    "all around": "x[i, j] * (pad(x[i - 1, j], 0) + pad(x[i + 1, j], 0) + pad(x[i, j - 1], 0) + pad(x[i, j + 1], 0) - 4)",
    "of two": "pad(x[i, j - 1], 0) * pad(y[i, j + 1], 0) + pad(x[i - 1, j + 1], 0) * pad(y[i + 1, j - 1], 0)",
}


@pytest.mark.parametrize("formula", STENCILS.values(), ids=STENCILS)
@pytest.mark.parametrize("free", [True, False])
def test_a_formula_of_neighbours_reads_a_copy_with_zeros_around(formula: str, free: bool, tmp_path: Path) -> None:
    """One copy for all reads of an array, so that no read along the row waits for a look."""
    rows, columns = ("N", "M") if free else ("5", "7")
    graph = graph_of(f"input x[{rows}, {columns}]\ninput y[{rows}, {columns}]\nz[i, j] = {formula}  "
                     f"for i < {rows}, j < {columns}", "z")  # fmt: skip
    changed = windows.run(graph)
    assert sum(e.op == "pad" for e in changed.eqns if isinstance(e, Eqn)) == (2 if "y" in formula else 1)
    assert all(a.fill is None for e in changed.eqns if isinstance(e, Eqn) for a in e.args)
    kernel = build_graphs([changed], tmp_path, level=settings.OPTIMISED if free else settings.level)[0]
    for n, m in ((5, 7), (1, 1), (3, 40), (0, 2)) if free else ((5, 7),):
        values = {name: np.random.default_rng(n).normal(size=(n, m)) for name in "xy"}
        sizes = {"N": n, "M": m} if free else {}
        wanted = run(graph, values, sizes=sizes)["z"]
        np.testing.assert_allclose(run(changed, values, sizes=sizes)["z"], wanted, rtol=1e-14)
        np.testing.assert_allclose(kernel(values, sizes)["z"], wanted, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("formula", ["pad(x[i, j - 1], 0) + x[i, j]", "pad(x[i, j - 1], 2) + pad(x[i, j + 1], 2)"])
def test_one_read_outside_or_another_number_there_is_no_copy(formula: str) -> None:
    graph = graph_of(f"input x[N, M]\nz[i, j] = {formula}  for i < N, j < M", "z")
    assert windows.run(graph) is graph


@pytest.mark.parametrize("word", ["sum", "max", "prod"])
def test_stacked_arrays_without_a_loop_over_them(word: str, tmp_path: Path) -> None:
    """Each is named where it is meant, and no number is compared with a number."""
    parts = "where(k < 1, a[n], where(k < 2, b[n], c[n]))"
    graph = graph_of(f"input a[N]\ninput b[N]\ninput c[N]\ny[n] = {word} k: exp({parts} - a[n])  for n < N, k < 3", "y")
    changed = unroll.run(graph)
    (eqn,) = changed.eqns
    assert isinstance(eqn, Eqn) and eqn.reduce == "" and not any(n.op in ("where", "lt") for n in E.walk(eqn.body))
    kernel = build_graphs([changed], tmp_path, level=settings.OPTIMISED if word == "max" else settings.level)[0]
    values = {name: np.random.default_rng(k).normal(size=9) for k, name in enumerate("abc")}
    wanted = run(graph, values)["y"]
    np.testing.assert_allclose(run(changed, values)["y"], wanted, rtol=1e-14)
    np.testing.assert_allclose(kernel(values, {"N": 9})["y"], wanted, rtol=1e-14)


@pytest.mark.parametrize("depth, row", [(5, 40), (3, 8)])
def test_a_product_of_some_depth_or_of_short_rows_keeps_its_loop(depth: int, row: int) -> None:
    graph = graph_of(f"input d[N, {depth}]\ninput w[{row}, {depth}]\n"
                     f"y[n, j] = sum k: d[n, k] * w[j, k]  for n < N, j < {row}, k < {depth}", "y")  # fmt: skip
    assert unroll.run(graph) is graph


def test_a_product_over_a_window_stays_one() -> None:
    """What a matrix kernel takes is left to it, however few elements the window has."""
    graph = graph_of("input x[N, 9, 9, 8]\ninput w[2, 2, 8, 8]\n"
                     "y[n, i, j, f] = sum u, v, c: x[n, i + u, j + v, c] * w[u, v, c, f]  "
                     "for n < N, i < 8, j < 8, f < 8, u < 2, v < 2, c < 8", "y")  # fmt: skip
    assert unroll.run(graph) is graph


def test_equal_outputs_both_stay() -> None:
    text = "input x[N]\na[i] = exp(x[i])  for i < N\nb[i] = exp(x[i])  for i < N\nc[i] = a[i] + b[i]  for i < N"
    graph = graph_of(text, "a", "b", "c")
    changed = cse.run(graph)
    unchanged(graph, changed)
    assert changed.outputs == ("a", "b", "c")


def test_a_user_name_wins_over_a_temporary() -> None:
    graph = graph_of("input x[N]\na_t1[i] = exp(x[i])  for i < N\nb[i] = a_t1[i] + 1  for i < N\nh[i] = exp(x[i])  for i < N\n"
                     "c[i] = h[i] * a_t1[i] + b[i]  for i < N", "c")  # fmt: skip
    changed = dce.run(cse.run(graph))
    unchanged(graph, changed)
    assert [e.out.name for e in changed.eqns if isinstance(e, Eqn)] == ["h", "b", "c"]


@given(graphs(steps=7))
@thoroughly(25)
def test_what_differs_in_axes_of_extent_one_is_computed_once(case: Case) -> None:
    """``keepdims``: every equation stands there again with an axis of extent 1 more, and reads the first then."""
    rng = random.Random(case.seed)
    eqns: list[Eqn | Scan] = []
    again: dict[str, Eqn] = {}
    for eqn in case.graph.eqns:
        eqns.append(eqn)
        if isinstance(eqn, Eqn) and eqn.plain_out is not None:
            k = rng.randrange(len(eqn.out.shape) + 1)
            shape, index = list(eqn.out.shape), list(eqn.out_index)
            shape.insert(k, Dim.of(1))
            index.insert(k, at("unit"))
            out = replace(eqn.out, name=f"{eqn.out.name}_again", shape=tuple(shape))
            again[out.name] = replace(eqn, out=out, axes=(Axis("unit", Dim.of(1)), *eqn.axes), out_index=tuple(index))
            eqns.append(again[out.name])
    graph = replace(case.graph, eqns=tuple(eqns), outputs=(*case.graph.outputs, *again))
    verify(graph)
    changed = cse.run(graph)
    verify(changed, "cse")
    same(case, graph, changed, exact=True)
    assert cse.run(changed) == changed
    for eqn in changed.eqns:
        if isinstance(eqn, Eqn) and eqn.out.name in again:
            idle = not eqn.args or (eqn.body.op == "arg" and not eqn.reduce)
            assert idle, "it is computed again"


def test_an_index_into_an_axis_of_extent_one_stays_checked() -> None:
    """Which of one column is asked for at run time is not forgotten with the column."""
    text = ("input x[N, M]\ninput k[N] int\na[i] = max r: x[i, r]  for i < N, r < M\n"
            "b[i, u] = max r: x[i, r]  for i < N, u < 1, r < M\ny[i] = a[i] + b[i, k[i]]  for i < N")  # fmt: skip
    changed = cse.run(graph_of(text, "y"))
    assert "b[i, k[i]]" in show_graph(changed) and "b[i, u] = a[i]" in show_graph(changed)


# ---------------------------------------------------------------- loops


def loop(body: str, outputs: str = "last") -> Graph:
    return graph_of(f"""input xs[M, N]
input h[N]
input w[N, N]
scan t < M in body: last[N], all[M, N]                                                           # scan
    carry c[N] = h
    slice x[N] = xs
    keep a[N, N] = w
    keep b[N, N] = w
{body}""", outputs)  # fmt: skip


def inside(graph: Graph) -> Scan:
    (scan,) = (e for e in graph.eqns if isinstance(e, Scan))
    return scan


def test_passes_go_into_loops() -> None:
    """Equal things once, a softmax from its sum, and what is captured but not read any more goes."""
    graph = loop("""    l_t1 = lse r: x[r] + c[r]  for r < N
    k_t2[u] = lse r: x[r] + c[r]  for u < 1, r < N
    p[i] = exp(x[i] + c[i] - l_t1)  for i < N
    q[i] = exp(x[i] + c[i] - k_t2[0])  for i < N
    z_t3[i, j] = 0 * b[i, j]  for i < N, j < N
    y_t4[i] = sum j: a[i, j] * q[j]  for i < N, j < N
    y_t5[i] = sum j: b[i, j] * p[j]  for i < N, j < N
    n[i] = y_t4[i] * y_t5[i] + p[i]  for i < N
    next n
    emit p""", "last, all")
    for passes in (BEFORE, (*BEFORE, *AFTER), (*BEFORE, *AFTER, *KERNEL)):
        changed = apply(passes, graph)
        scan = inside(changed)
        made = [e for e in scan.body.eqns if isinstance(e, Eqn)]
        assert scan.captured == ("w",) and len(scan.body.inputs) == 3
        assert sum(e.reduce == "+" and len(e.args) == 2 and "w" not in e.out.name and "a" in e.reads() for e in made) == 1
        if passes is BEFORE:
            assert [e.out.name for e in made] == ["l_t1", "p", "y_t4", "n"]
        else:
            assert sum(n.op == "exp" for e in made for n in walk(e.body)) == 1
        for n in (0, 1, 4):
            inputs, sizes = arrays(graph, n) if n else ({"xs": np.ones((3, 1)), "h": np.ones(1), "w": np.ones((1, 1))}, None)
            first, second = run(graph, inputs, sizes), run(changed, inputs, sizes)
            for name in graph.outputs:
                np.testing.assert_allclose(second[name], first[name], rtol=1e-13)


def test_a_pass_that_breaks_a_loop_is_named() -> None:
    graph = loop("    n[i] = sum j: a[i, j] * c[j]  for i < N, j < N\n    next n\n    emit n")
    broken = Pass("breaks", "for a test", lambda g: replace(g, eqns=()) if g.name == "body" else g)
    with pytest.raises(InternalError, match="after breaks"):
        apply((broken,), graph)


def test_what_a_loop_repeats_stays_where_it_may_fail() -> None:
    """An index that is known at run time only is looked up where the text says; a result stays, too."""
    graph = graph_of("""input xs[M, N]
input k[N] int
input h[N]
input w[N, N]
scan t < M in body: last[N], all[M, N]                                                           # scan
    carry c[N] = h
    slice x[N] = xs
    keep a[N, N] = w
    keep j[N] int = k
    g[i] = sum r: a[i, j[r]] * a[r, i]  for i < N, r < N
    m_t1[i] = max r: a[i, r]  for i < N, r < N
    p[i] = sum r: a[i, r] * a[r, i]  for i < N, r < N
    n[i] = c[i] + g[i] + m_t1[i] + x[i]  for i < N
    next n
    emit p""", "last, all")
    assert hoist.run(graph) == graph


@given(graphs(loss=True, steps=6))
@thoroughly(25)
def test_what_is_computed_outside_is_read_in_a_loop(case: Case) -> None:
    """All equations of a graph once more as the body of a loop that captures all inputs: nothing is left in it."""
    graph = replace(case.graph, outputs=("loss",))
    made = {o.name for e in graph.eqns for o in outs(e)}
    if any(not isinstance(e, Eqn) or not e.args for e in graph.eqns) or graph.consts or "loss" not in made:
        return
    names = {v: f"{v}_in" for v in (*made, *(v.name for v in graph.inputs))}
    inner = rename(graph, names)
    start, again = Value("start_in", ()), Value("sum_in", ())
    total = Eqn(again, (), (), "", (Access("start_in", ()), Access("loss_in", ())), make("add", arg(0), arg(1)), "add", ORIGIN)
    body = replace(inner, name="body", inputs=(start, *(replace(v, name=names[v.name]) for v in graph.inputs)),
                   eqns=(*inner.eqns, total), outputs=("sum_in",))  # fmt: skip
    zero = Eqn(Value("start", ()), (), (), "", (), const(0), "const", ORIGIN)
    captured = tuple(v.name for v in graph.inputs)
    scan = Scan((Value("last", ()),), Axis("t", Dim.of(3)), False, ("start",), (), captured, body, ORIGIN)
    whole = replace(graph, eqns=(*graph.eqns, zero, scan), outputs=("loss", "last"))
    verify(whole)
    changed = dce.run(hoist.run(whole))
    verify(changed, "hoist")
    rest = [e for e in inside(changed).body.eqns if isinstance(e, Eqn) and e.args]
    assert [e.out.name for e in rest] == ["sum_in"]
    same(case, whole, changed, exact=True)
