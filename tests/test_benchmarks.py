"""The benchmarks measure the same work: every program computes what ours does, and what was found becomes tables and figures."""

from __future__ import annotations

import importlib
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gradwright.compiler import driver
from gradwright.compiler.build import peak
from gradwright.compiler.language.format import format_text

from benchmarks import assembly, report, run, vectors, workers
from benchmarks.peers import OURS, PEERS, apart, does, number, numbers, with_gradwright
from benchmarks.roofline import counts, value
from benchmarks.workloads import MODELS, WORKLOADS, Workload, small

ROOT = Path(__file__).resolve().parent.parent


def kinds() -> list[Workload]:
    """One workload for each program that there is."""
    return list({(w.model, w.kind, w.loop): small(w) for w in WORKLOADS.values()}.values())


# ---------------------------------------------------------------- models


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.gw")), ids=lambda p: p.stem)
def test_every_model_is_right_and_formatted(path: Path) -> None:
    assert not driver.check_model(path).diagnostics
    text = path.read_text(encoding="utf-8")
    assert format_text(text) == text


def test_every_model_is_measured() -> None:
    assert {w.path for w in WORKLOADS.values()} == set(MODELS.glob("*.gw"))


def test_the_table_is_that_of_the_twelve() -> None:
    assert [w.name for w in WORKLOADS.values() if w.group == "table"] == "a1 b1 aN bN c c1000 d e f g h i".split()


# ---------------------------------------------------------------- the same work


def agree(w: Workload, peer: str) -> None:
    module = importlib.import_module(f"benchmarks.peers.{PEERS[peer][1]}")
    theirs, ours = module.make(w, peer), with_gradwright.make(w, backend="numpy")
    for _ in range(3):
        theirs.run(1)
        ours.run(1)
        assert apart(theirs.found(), ours.found()) <= w.allowed


def programs(peer: str) -> Callable[..., Any]:
    chosen = [w for w in kinds() if does(peer, w)]
    return pytest.mark.parametrize("w", chosen, ids=[w.name for w in chosen])


@programs("numpy")
def test_numpy_computes_what_we_do(w: Workload) -> None:
    agree(w, "numpy")


@pytest.mark.torch
@programs("torch")
def test_pytorch_computes_what_we_do(w: Workload) -> None:
    pytest.importorskip("torch")
    agree(w, "torch")


@programs("python")
def test_plain_python_computes_what_we_do(w: Workload) -> None:
    agree(w, "python")


@programs("sympy")
def test_a_lambdified_formula_computes_what_we_do(w: Workload) -> None:
    agree(w, "sympy")


@pytest.mark.slow
@programs("jax")
def test_jax_computes_what_we_do(w: Workload) -> None:
    pytest.importorskip("jax")
    agree(w, "jax")


@pytest.mark.slow
@programs("numba")
def test_numba_computes_what_we_do(w: Workload) -> None:
    pytest.importorskip("numba")
    agree(w, "numba")


@pytest.mark.slow
@programs("casadi")
def test_casadi_computes_what_we_do(w: Workload) -> None:
    pytest.importorskip("casadi")
    agree(w, "casadi")


def test_a_difference_is_seen() -> None:
    assert apart(numbers([1.0, 2.0]), numbers([1.0, 2.0])) == 0
    assert apart(numbers([1.0, 2.0]), numbers([2.0, 1.0])) > 0.01, "two elements were exchanged"
    assert apart(number(1.0), number(1.001)) > 1e-4
    assert apart(number(float("nan")), number(1.0)) == float("inf")
    assert apart(numbers([1.0], [2.0]), numbers([1.0])) == float("inf"), "a gradient is missing"


class Fake:
    """A worker that computes a number."""

    def __init__(self, result: float) -> None:
        self.result = result

    def check(self, calls: int) -> Any:
        return [number(self.result)] * calls


def test_a_peer_that_computes_something_else_is_not_measured() -> None:
    workers: dict[str, Any] = {OURS: Fake(1.0), "numpy": Fake(1.0), "jax": Fake(1.1)}
    missing: dict[str, str] = {}
    run.check(WORKLOADS["d"], workers, missing)
    assert list(workers) == [OURS, "numpy"]
    assert missing["jax"].startswith("computes something else: ")


# ---------------------------------------------------------------- the runner


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One workload measured at a size that takes no time, with its forward pass."""
    path = tmp_path_factory.mktemp("results") / "found.json"
    run.run(run.options(["--small", "--quick", "--rounds", "2", "--only", "c", "--peers", "numpy", "--json", str(path)]))
    held: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return held


def test_a_run_tells_times_ratios_memory_and_the_machine(found: dict[str, Any]) -> None:
    (result,) = found["results"]
    assert result["workload"] == "c" and result["best"] == "numpy" and result["missing"] == {}
    assert result["checked"]["apart"]["numpy"] <= result["checked"]["allowed"]
    for row in result["peers"].values():
        assert 0 < row["us"]["min"] <= row["us"]["median"] <= row["us"]["max"]
        assert row["ratio"]["min"] <= row["ratio"]["median"] and row["memory"] > 1e6 and row["calls"] >= 1
    assert result["peers"][OURS]["ratio"] == {"median": 1, "min": 1, "max": 1}
    assert result["gradient_over_forward"]["median"] > 0
    assert result["counted"]["operations"] > 0 and result["counted"]["bytes"] > 0
    assert found["machine"]["versions"]["numpy"] and found["machine"]["compiler"]


def test_what_was_found_becomes_tables_and_a_figure(found: dict[str, Any], tmp_path: Path) -> None:
    text, table = "\n".join(report.text(found)), "\n".join(report.markdown(found))
    assert "Training and gradients, 1 thread" in text and "NumPy" in text
    assert "| c | XOR 2-8-1" in table and "GFLOP/s" in table and found["machine"]["processor"] in table
    (tmp_path / "docs" / "images").mkdir(parents=True)
    for page in ("README.md", "docs/performance.md"):
        (tmp_path / page).write_text("above\n<!-- benchmarks -->\nold\n<!-- /benchmarks -->\nbelow\n", encoding="utf-8")
    report.write(found, tmp_path)
    page = (tmp_path / "docs" / "performance.md").read_text(encoding="utf-8")
    assert page.startswith("above\n") and page.endswith("below\n") and "old" not in page and "| c | XOR 2-8-1" in page
    assert (tmp_path / "docs" / "images" / "performance.svg").read_text(encoding="utf-8").count("<svg") == 1


def test_a_model_that_fails_is_told_with_the_reason(found: dict[str, Any]) -> None:
    (result,) = found["results"]
    failed = {**result, "peers": {}, "missing": {OURS: "the reason"}}
    assert "the reason" in report.line(failed)
    assert "the reason" in "\n".join(report.markdown({**found, "results": [failed]}))


def test_of_a_workload_measured_twice_the_later_counts(found: dict[str, Any]) -> None:
    later = {**found, "results": [{**found["results"][0], "what": "the later"}]}
    (row,) = report.merged([found, later])["results"]
    assert row["what"] == "the later"


def test_what_is_measured_can_be_chosen() -> None:
    assert [w.name for w in run.chosen("e,d")] == ["d", "e"]
    assert {w.kind for w in run.chosen("predict")} == {"predict"}
    with pytest.raises(SystemExit, match="there is no workload z"):
        run.chosen("z")
    assert "torch.compile" not in run.candidates(WORKLOADS["d"], [], quick=True)
    assert "torch.compile" in run.candidates(WORKLOADS["i"], [], quick=True)
    assert run.candidates(WORKLOADS["d"], ["numpy"], quick=False) == [OURS, "numpy"]
    assert run.candidates(WORKLOADS["c"], [], quick=True)[:2] == [OURS, "gradwright-model"]


def test_as_on_an_older_processor_ours_stands_beside_what_is_compiled_for_this_one() -> None:
    older = replace(WORKLOADS["d-predict-1"], march="x86-64-v3")
    assert "gradwright-native" not in run.candidates(WORKLOADS["d"], [], quick=True)
    assert run.candidates(older, [], quick=True)[:2] == [OURS, "gradwright-native"]
    assert "onnxruntime" not in run.candidates(older, [], quick=True), "it would use all that this processor has"
    held = workers.environment(1, march="x86-64-v3")
    assert held["ONEDNN_MAX_CPU_ISA"] == "AVX2" and "--xla_cpu_max_isa=AVX2" in held["XLA_FLAGS"].split()
    assert "intra_op_parallelism_threads=1" in held["XLA_FLAGS"], "what is told anyway is still told"
    assert "ONEDNN_MAX_CPU_ISA" not in workers.environment(1).keys() - os.environ.keys()


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="measures as on an older x86")
def test_our_module_is_compiled_for_the_older_processor(tmp_path: Path) -> None:
    given = run.options(["--small", "--quick", "--rounds", "2", "--only", "e", "--peers", "numpy", "--march", "x86-64-v2"])
    (result,) = run.run(given)["results"]
    assert list(result["peers"]) == [OURS, "numpy"] and result["missing"] == {}
    path = WORKLOADS["e"].path
    text = assembly.disassembled(path, None, tmp_path, "x86-64-v2")[1]
    assert "%xmm" in text and "%ymm" not in text


@pytest.mark.slow
def test_two_commits_are_compared(tmp_path: Path) -> None:
    if subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, check=False).returncode:
        pytest.skip("not a repository")
    from benchmarks import compare

    path = tmp_path / "found.json"
    compare.main(["HEAD", "HEAD", "--small", "--quick", "--rounds", "2", "--only", "c", "--json", str(path)])
    (result,) = json.loads(path.read_text(encoding="utf-8"))["results"]
    assert list(result["us"]) == ["HEAD", "HEAD again"] and result["ratio"]["median"] > 0


# ---------------------------------------------------------------- counts and limits


def test_operations_are_read_from_the_header() -> None:
    header = """Operations   the forward graph as written: 75*N + 1
             predict 66*N; bytes moved 24*N + 264
             train 164*N*T + 1, 18*N of them transcendental; bytes moved 8*(N // 2) + 536"""
    assert value("3*N**2 - (N // 2) + 1", {"N": 5}) == 74
    assert counts(header, "train", {"N": 4, "T": 2}) == {"operations": 1313, "transcendental": 72, "bytes": 552}
    assert counts(header, "predict", {"N": 4}) == {"operations": 264, "transcendental": 0, "bytes": 360}
    apart = "             forward 3*N; bytes moved 8*N\n             backward 4*N; bytes moved 16*N\n"
    assert counts(apart, "gradient", {"N": 2}) == {"operations": 14, "transcendental": 0, "bytes": 48}
    made = driver.compile_model(WORKLOADS["d"].path, stop_after="cython").text
    found = counts(made, "train", {"N": 64})
    assert found is not None and found["operations"] > 2 * 64 * 2 * 784 * 128


def test_the_peak_is_measured_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peak, "_SECONDS", 1e-4)
    monkeypatch.setattr(peak, "_TURNS", 1)
    monkeypatch.setattr(peak, "caches", lambda: {"L1": 1 << 15, "L2": 1 << 20})
    monkeypatch.setenv("GRADWRIGHT_CACHE", str(tmp_path))
    first = peak.peak()
    assert first.flops["float32"][1] > first.flops["float64"][1] > 1e8
    assert set(first.read) == set(first.copy) == {"L1", "L2", "memory"}
    for size, level in ((1000, "L1"), (1e9, "memory")):
        assert first.bandwidth(size, 1) == max(first.read[level][1], first.copy[level][1])
    assert peak.peak() == first, "it is kept"
    assert peak.table(first)[1].startswith("multiply-add, float32")


def test_loops_are_read_from_machine_code() -> None:
    shown = """
0000000000000000 <kernel>:
kernel():
model.c:7
       0:	vmovups (%rsi),%zmm1
model.c:9
       8:	vfmadd231ps (%rdi){1to16},%zmm1,%zmm0
       e:	vmovups %zmm0,(%rdx)
      12:	vmulss 0x8(%rsp),%xmm2,%xmm2
      18:	add    $0x40,%rax
      1c:	cmp    %rcx,%rax
      20:	jne    8 <kernel+0x8>
      22:	sub    $0x1,%r8
      26:	jne    0 <kernel>
      28:	ret
"""
    (loop,) = assembly.loops(shown)
    assert loop.function == "kernel" and loop.place == ("model.c", 9), "the inner one alone"
    assert loop.widths() == {"512": 1, "single": 1}
    told = loop.told("model.pyx:3")
    assert "6 instructions" in told and "1 multiply-adds, 1 loads (1.00 a multiply-add), 1 stores, 1 on the stack" in told


@pytest.mark.parametrize("compiler", ["gcc", pytest.param("clang", marks=pytest.mark.slow)])
def test_vectors_are_read_of_either_compiler(compiler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}")
    monkeypatch.setenv("CC", compiler)
    said = [word for _, _, _, word in vectors.loops(ROOT / "examples" / "xor.gw")]
    assert any("bytes" in word or "at a time" in word for word in said), said
