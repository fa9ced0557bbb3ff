"""Two commits of Gradwright on the same workloads, in one run and in turn.

    python -m benchmarks compare HEAD~1 HEAD [--only d,e] [--threads 1] [--rounds 15] [--json FILE]

Each commit is checked out beside this tree, has a cache of its own, and compiles the models of this tree; what it cannot compile
is told. A ratio is the second commit's time over the first's: below 1 it has become faster.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .machine import machine
from .peers import OURS
from .report import microseconds, spread
from .run import QUICK, Settings, Spread, calibrate, check, chosen, rounds
from .workers import ROOT, Failed, Worker
from .workloads import Workload, small


@contextlib.contextmanager
def checked_out(revision: str, folder: Path) -> Iterator[Path]:
    """A folder from which ``import gradwright`` takes this revision."""
    commit = _git("rev-parse", "--verify", f"{revision}^{{commit}}")
    tree = folder / "tree"
    _git("worktree", "add", "--detach", "--force", str(tree), commit)
    try:
        packages = folder / "packages" / "gradwright"
        packages.mkdir(parents=True)
        for name in ("compiler", "runtime"):
            (packages / name).symlink_to(tree / name)
        yield packages.parent
    finally:
        _git("worktree", "remove", "--force", str(tree))


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"git {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()


def measure(w: Workload, threads: int, places: dict[str, tuple[Path, Path]], settings: Settings) -> dict[str, Any]:
    """One workload: what it takes in both revisions, each with its packages and its cache."""
    missing: dict[str, str] = {}
    workers: dict[str, Worker] = {}
    try:
        for revision, (path, cache) in places.items():
            for prepare in (True, False):  # what is compiled is found by the second
                worker = Worker(OURS, w.name, threads, small=settings.small, path=path, cache=cache, prepare=prepare)
                workers[revision] = worker
                try:
                    worker.ready()
                except Failed as error:
                    missing[revision] = str(error)
                    del workers[revision]
                    worker.close()
                    break
                if prepare:
                    worker.close()
        checked = check(small(w) if settings.small else w, workers, missing)
        calls = calibrate(workers, settings, missing)
        times = rounds(workers, calls, settings)
    finally:
        for worker in workers.values():
            worker.close()
    steps = (small(w) if settings.small else w).loop
    taken = {name: [s / calls[name] / steps * 1e6 for s in row] for name, row in times.items()}
    result: dict[str, Any] = {"workload": w.name, "threads": threads, "missing": missing, "checked": checked,
                              "us": {name: Spread(row) for name, row in taken.items()}}  # fmt: skip
    if len(taken) == 2:
        first, second = taken.values()
        result["ratio"] = Spread([b / a for a, b in zip(first, second, strict=True)])
    return result


def compare(revisions: Sequence[str], workloads: Sequence[Workload], counts: Sequence[int], settings: Settings) -> dict[str, Any]:
    found: dict[str, Any] = {"machine": machine(), "revisions": list(revisions), "results": []}
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        places = {}
        for k, revision in enumerate(revisions):
            folder = Path(name) / str(k)
            folder.mkdir()
            label = f"{revision}" if revision not in places else f"{revision} again"
            places[label] = stack.enter_context(checked_out(revision, folder)), folder / "cache"
        for threads in counts:
            for w in workloads:
                result = measure(w, threads, places, settings)
                found["results"].append(result)
                told = ", ".join(f"{name} {microseconds(us['median'])}" for name, us in result["us"].items())
                ratio = f"  ratio {spread(result['ratio'])}" if "ratio" in result else ""
                print(f"{w.name:<14} {threads}T  {told}{ratio}", *(f"\n    {k}: {why}" for k, why in result["missing"].items()),
                      flush=True)  # fmt: skip
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks compare", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("revisions", nargs=2, metavar="REVISION")
    parser.add_argument("--only", default="table", metavar="d,e", help="workloads or groups; the twelve without it")
    parser.add_argument("--threads", default="1", metavar="1,2")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall", help="as in python -m benchmarks run")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--small", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    settings = replace(QUICK if given.quick else Settings(), clock=given.clock, small=given.small)
    settings = replace(settings, rounds=given.rounds or settings.rounds)
    counts = [int(word) for word in given.threads.split(",")]
    found = compare(given.revisions, chosen(given.only), counts, settings)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
