"""Gradwright and its peers on the same work, each in a process of its own, in turn.

    python -m benchmarks run                       # everything, with 1 and 2 threads
    python -m benchmarks run --quick               # in a few minutes
    python -m benchmarks run --only d,e --peers numpy,jax --threads 1 --rounds 30 --json results.json

First all peers must compute the same: same parameters, same data, the same losses (or values and gradients) for some steps. Then
each does so many calls that the clock does not matter, one peer after the other, round after round, so that what disturbs the
machine disturbs all alike. A time is the median of the rounds. A ratio is our time over the peer's within a round; its median,
least and largest are told. Memory is the most that the process of a peer ever held.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from .machine import machine
from .peers import OURS, PEERS, apart, does
from .roofline import counts
from .workers import MARCHES, Failed, Missing, Worker
from .workloads import WORKLOADS, Workload, small

CHECKED: Final = 5  # calls whose results must agree


@dataclass(frozen=True)
class Settings:
    """``turn``: seconds that a peer works in a round. ``budget``: seconds for the rounds of one workload, once there are
    ``least`` of them."""

    rounds: int = 15
    turn: float = 0.15
    budget: float = 60.0
    least: int = 5
    quick: bool = False
    clock: str = "wall"
    small: bool = False  # workloads at a size that takes no time, to try all this
    march: str = "native"  # the processors that all programs are to be fit for


QUICK: Final = Settings(rounds=5, turn=0.025, budget=2.0, least=3, quick=True)


class Spread(dict[str, float]):
    """Median, least and largest."""

    def __init__(self, values: Sequence[float]) -> None:
        super().__init__(median=statistics.median(values), min=min(values), max=max(values))


def candidates(w: Workload, wanted: Sequence[str], quick: bool) -> list[str]:
    """The peers to be tried, ours first."""
    found = [peer for peer in PEERS if does(peer, w) and (peer == OURS or not wanted or peer in wanted)]
    if quick and not wanted and not w.compiled:  # it takes longer to build than all the others together
        found = [peer for peer in found if peer != "torch.compile"]
    return found


@contextlib.contextmanager
def started(w: Workload, peers: Sequence[str], threads: int, settings: Settings,
            missing: dict[str, str]) -> Iterator[dict[str, Worker]]:  # fmt: skip
    """The processes of those that are there; why the others are not goes to ``missing``."""
    same: dict[str, Any] = {"small": settings.small, "march": settings.march}
    compiled = (OURS, *(peer for peer in peers if peer == "gradwright-native"))
    prepared = [Worker(peer, w.name, threads, prepare=True, **same) for peer in compiled]  # the next find what is compiled
    workers = {peer: Worker(peer, w.name, threads, **same) for peer in peers if not peer.startswith(OURS)}
    try:
        for worker in prepared:
            with contextlib.suppress(Failed):  # it will fail again, and be told then
                worker.ready()
    finally:
        for worker in prepared:
            worker.close()
    workers = {peer: Worker(peer, w.name, threads, **same) for peer in peers if peer.startswith(OURS)} | workers
    ready: dict[str, Worker] = {}
    try:
        for peer, worker in workers.items():
            try:
                worker.ready()
                ready[peer] = worker
            except Failed as error:
                if str(error):
                    missing[peer] = str(error).strip()
        yield ready
    finally:
        for worker in workers.values():
            worker.close()


def measure(w: Workload, threads: int, peers: Sequence[str], settings: Settings) -> dict[str, Any]:
    """One workload: what each peer took, held and computed."""
    begun = time.perf_counter()
    missing: dict[str, str] = {}
    result: dict[str, Any] = {"workload": w.name, "what": w.what, "group": w.group, "kind": w.kind, "dtype": w.dtype,
                              "threads": threads, "clock": settings.clock, "missing": missing}  # fmt: skip
    with started(w, peers, threads, settings, missing) as workers:
        result["about"] = {key: workers[OURS].about[key] for key in ("header", "sizes")} if OURS in workers else {}
        result["checked"] = check(small(w) if settings.small else w, workers, missing)
        calls = calibrate(workers, settings, missing)
        times = rounds(workers, calls, settings)
        steps = w.loop if not settings.small else small(w).loop
        held = {peer: worker.peak() for peer, worker in workers.items()}
        result["peers"] = {
            peer: {"us": Spread([s / calls[peer] / steps * 1e6 for s in times[peer]]), "calls": calls[peer],
                   "memory": held[peer], "build": workers[peer].about["built"], "versions": workers[peer].about["versions"]}
            for peer in times
        }  # fmt: skip
        if OURS in times:
            for peer, row in result["peers"].items():
                ours, theirs = times[OURS], times[peer]
                row["ratio"] = Spread([a / calls[OURS] / (b / calls[peer]) for a, b in zip(ours, theirs, strict=True)])
            result["best"] = best(result)
            if w.kind != "predict":
                result["gradient_over_forward"] = gradient_over_forward(workers[OURS], settings)
        if OURS in times:
            result["counted"] = counts(result["about"]["header"], w.kind, result["about"]["sizes"])
    result.pop("about")
    result["rounds"] = len(next(iter(times.values()), []))
    result["took"] = time.perf_counter() - begun
    return result


def best(result: dict[str, Any]) -> str | None:
    """The fastest that is not ours."""
    theirs = {peer: row["us"]["median"] for peer, row in result["peers"].items() if not peer.startswith(OURS)}
    return min(theirs, key=lambda peer: theirs[peer], default=None)


def check(w: Workload, workers: dict[str, Worker], missing: dict[str, str]) -> dict[str, Any]:
    """Let all do some steps; those that are not at the same place as ours are put out, with what they are apart."""
    found: dict[str, Any] = {}
    for peer, worker in list(workers.items()):
        try:
            found[peer] = worker.check(CHECKED)
        except Failed as error:
            missing[peer] = str(error)
            del workers[peer]
    if not found:
        return {"calls": CHECKED, "allowed": w.allowed, "apart": {}}
    reference = found.get(OURS) or next(iter(found.values()))
    distances = {peer: max(apart(a, b) for a, b in zip(steps, reference, strict=True)) for peer, steps in found.items()}
    wrong = {peer for peer, distance in distances.items() if not distance <= w.allowed}
    for peer in wrong:
        missing[peer] = f"computes something else: {distances[peer]:.1e} apart from {OURS}, where {w.allowed:.0e} is allowed"
        del workers[peer]
    return {"calls": CHECKED, "allowed": w.allowed, "apart": distances}


def calibrate(workers: dict[str, Worker], settings: Settings, missing: dict[str, str]) -> dict[str, int]:
    """How many calls take about a turn. This warms up as well."""
    calls: dict[str, int] = {}
    for peer, worker in list(workers.items()):
        count, taken = 1, worker.seconds(1)
        try:
            while taken < settings.turn / 3 and count < 10_000_000:
                count = min(max(2 * count, int(count * settings.turn / 2 / max(taken, 1e-7))), 100 * count)
                taken = worker.seconds(count)
            calls[peer] = max(1, round(count * settings.turn / taken))
        except Failed as error:
            missing[peer] = str(error)
            del workers[peer]
    return calls


def rounds(workers: dict[str, Worker], calls: dict[str, int], settings: Settings) -> dict[str, list[float]]:
    """Seconds of each turn."""
    times: dict[str, list[float]] = {peer: [] for peer in workers}
    order = list(workers)
    begun = time.perf_counter()
    for number in range(settings.rounds):
        if number >= settings.least and time.perf_counter() - begun > settings.budget:
            break
        for peer in order[number % len(order) :] + order[: number % len(order)]:
            times[peer].append(workers[peer].seconds(calls[peer], clock=settings.clock))
            time.sleep(0.002)  # threads of a library that still wait for more work take the processor from the next
    return times


def gradient_over_forward(worker: Worker, settings: Settings) -> dict[str, float]:
    """Value and gradient, in times of the forward pass that keeps what is needed for it."""
    one = max(worker.seconds(1, "forward"), worker.seconds(1, "forward"), 1e-7)
    count = max(1, int(settings.turn / one / 2))
    ratios = []
    for _ in range(max(3, settings.least)):
        forward = worker.seconds(count, "forward", settings.clock)
        ratios.append(worker.seconds(count, "gradient", settings.clock) / forward)
    return Spread(ratios)


# ---------------------------------------------------------------- the command


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks run", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="one thread, few and short rounds, without most of torch.compile")
    parser.add_argument("--only", default="", metavar="d,e", help="these workloads, or groups: table, beyond, predict")
    parser.add_argument("--peers", default="", metavar="numpy,jax", help=f"these beside ours, of {', '.join(PEERS)}")
    parser.add_argument("--threads", default="", metavar="1,2", help="numbers of threads; 1,2 without it, 1 with --quick")
    parser.add_argument("--rounds", type=int, help="how many; 15 without it, 5 with --quick")
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall",
                        help="processor: the time that each process had the processor, for a machine with other work (1 thread)")
    parser.add_argument("--march", choices=MARCHES, default="native",
                        help="as on such a processor: our modules are compiled for it, beside those for this machine, and the "
                             "peers that can be are kept to its instructions")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where all that was found goes")
    parser.add_argument("--markdown", action="store_true", help="the table as it stands in the documentation")
    parser.add_argument("--list", action="store_true", help="the workloads, and nothing is run")
    parser.add_argument("--small", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def chosen(only: str) -> list[Workload]:
    words = [word for word in only.split(",") if word]
    known = set(WORKLOADS) | {w.group for w in WORKLOADS.values()}
    for word in words:
        if word not in known:
            raise SystemExit(f"there is no workload {word}; there are {', '.join(WORKLOADS)}")
    return [w for w in WORKLOADS.values() if not words or w.name in words or w.group in words]


def run(given: argparse.Namespace) -> dict[str, Any]:
    """Everything that is asked for, told as it goes."""
    from . import report

    settings = QUICK if given.quick else Settings()
    changes = {"clock": given.clock, "small": given.small, "march": given.march}
    changes |= {"rounds": given.rounds} if given.rounds else {}
    settings = Settings(**{**vars(settings), **changes})
    wanted = [word for word in given.peers.split(",") if word]
    for word in wanted:
        if word not in PEERS:
            raise SystemExit(f"there is no peer {word}; there are {', '.join(PEERS)}")
    counts = [int(word) for word in (given.threads or ("1" if given.quick else "1,2")).split(",")]
    if given.clock == "processor" and counts != [1]:
        raise SystemExit("--clock processor adds up what all threads had, and tells nothing of more than one: --threads 1")
    from gradwright.compiler.build.peak import peak

    found: dict[str, Any] = {"machine": machine(), "settings": vars(settings), "peak": peak()._asdict(), "results": []}
    begun = time.perf_counter()
    for threads in counts:
        for w in (replace(w, march=given.march) for w in chosen(given.only)):
            if threads > 1 and w.model in ("product", "neuron", "xor"):
                continue  # nothing in them to divide
            result = measure(w, threads, candidates(w, wanted, settings.quick), settings)
            found["results"].append(result)
            print(report.line(result), flush=True, file=sys.stderr)
            if given.json:
                given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    absent = {peer: why for r in found["results"] for peer, why in r["missing"].items() if why.startswith("not installed")}
    for peer, why in absent.items():
        print(f"{PEERS[peer][0]} is left out: {why}", file=sys.stderr)
    print(f"{time.perf_counter() - begun:.0f} s in all", file=sys.stderr)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    from . import report

    given = options(arguments)
    if given.list:
        for w in chosen(given.only):
            print(f"{w.name:<14} {w.dtype}  {w.what}")
        return
    found = run(given)
    print("\n".join(report.markdown(found) if given.markdown else report.text(found)))


__all__ = ["Missing", "main", "measure"]

if __name__ == "__main__":
    main()
