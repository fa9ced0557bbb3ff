"""Gradwright and its peers on the same work, in turn, in one process tree.

    python -m benchmarks.run [--rounds 15] [--only xor,chain] [--markdown] [--json FILE]

Each peer lives in a process of its own (they bring their own threads and allocators along) with one thread. In each round every
peer does the same number of steps, one peer after the other, so that a noisy machine disturbs all alike; what is
reported is the median of each peer's times and the median, least and largest ratio to Gradwright within a round.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

PEERS = {"gradwright": "Gradwright", "numpy": "NumPy", "torch": "PyTorch eager", "jax": "JAX jit"}
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "GRADWRIGHT_THREADS")


def worker(peer: str, name: str, pipe: Connection) -> None:
    """Answer each number of steps with (seconds, result)."""
    try:
        from benchmarks.workloads import workloads

        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        run = importlib.import_module(f"benchmarks.peers.with_{peer}").make(workloads()[name])
    except ImportError as error:
        pipe.send(f"not installed: {error}")
        return
    except BaseException as error:
        pipe.send(f"{type(error).__name__}: {error}")
        raise
    pipe.send("")
    while steps := pipe.recv():
        start = time.perf_counter()
        result = run(steps)
        pipe.send((time.perf_counter() - start, result))


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Seconds a step by peer and round."""
    from benchmarks.workloads import workloads

    w = workloads()[name]
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Any] = {}
    processes = []
    for peer in PEERS:
        ours, theirs = context.Pipe()
        process = context.Process(target=worker, args=(peer, name, theirs), daemon=True)
        process.start()
        answer = ours.recv()
        if answer:
            print(f"{PEERS[peer]} is left out: {answer}", file=sys.stderr)
            continue
        processes.append(process)
        pipes[peer] = ours
    times: dict[str, list[float]] = {peer: [] for peer in pipes}
    results: dict[str, float] = {}
    for turn in range(rounds + 2):
        for peer, pipe in pipes.items():
            pipe.send(w.steps)
            seconds, result = pipe.recv()
            results.setdefault(peer, result)
            if turn >= 2:  # two rounds to warm up
                times[peer].append(seconds / w.steps)
    for pipe in pipes.values():
        pipe.send(0)
    for process in processes:
        process.join(5)
    reference = results["gradwright"]
    for peer, result in results.items():
        if abs(result - reference) > 2e-3 * (1 + abs(reference)):
            raise SystemExit(f"{name}: {PEERS[peer]} computes {result}, and Gradwright {reference}: not the same work")
    return {"what": w.what, "flops": w.flops, "bytes": w.bytes, "times": times}


def rows(found: Mapping[str, Any]) -> list[list[str]]:
    table: list[list[str]] = []
    for result in found.values():
        ours = result["times"]["gradwright"]
        row = [result["what"], _seconds(statistics.median(ours))]
        for peer in ("numpy", "torch", "jax"):
            theirs = result["times"].get(peer)
            if theirs is None:
                row.append("–")
                continue
            ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
            spread = f"{statistics.median(ratios):.3g}× ({min(ratios):.3g}–{max(ratios):.3g})"
            row.append(f"{spread}, {_seconds(statistics.median(theirs))}")
        median = statistics.median(ours)
        row.append(f"{result['flops'] / median / 1e9:.3g} GFLOP/s, {result['bytes'] / median / 1e9:.3g} GB/s")
        table.append(row)
    return table


def _seconds(s: float) -> str:
    return f"{s * 1e6:.3g} µs" if s < 1e-3 else f"{s * 1e3:.3g} ms"


HEADERS = ["one step", "Gradwright", "NumPy", "PyTorch eager", "JAX jit", "reached"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", default="")
    parser.add_argument("--markdown", action="store_true", help="the table as it stands in the README")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    for variable in THREADS:
        os.environ[variable] = "1"
    from benchmarks.workloads import workloads

    names = options.only.split(",") if options.only else list(workloads())
    found = {name: measure(name, options.rounds) for name in names}
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    table = rows(found)
    if options.markdown:
        print("| " + " | ".join(HEADERS) + " |")
        print("|" + "---|" * len(HEADERS))
        for row in table:
            print("| " + " | ".join(row) + " |")
        return
    from rich.console import Console
    from rich.table import Table

    shown = Table(title="ratios: how many times longer the peer takes, median (least–most) over the rounds")
    for header in HEADERS:
        shown.add_column(header)
    for row in table:
        shown.add_row(*row)
    Console().print(shown)


if __name__ == "__main__":
    main()
