"""Two models that train in two threads of one process, beside the same two one after the other, and in two processes.

    python -m benchmarks.threads [--rounds 15] [--seconds 0.5]

The models use one thread each, and the runs take turns. A ratio of 2 is what two idle cores can give; two processes show what
the machine gives at the moment, without any lock of Python's.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from gradwright.runtime import load

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
# what is trained, rows, rows a batch
WORK = (("xor", 4, None), ("digits", 1797, 64), ("digits", 1797, None))


class Job:
    """One model with its data, and so many epochs as take about the time wanted."""

    def __init__(self, name: str, rows: int, batch: int | None, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.batch, self.epochs = batch, 1
        self.model: Any = load(EXAMPLES / f"{name}.gw", threads=1).Model(seed=seed)
        x = rng.normal(size=(rows, 2 if name == "xor" else 64))
        self.data = {"x": x, "y": rng.integers(0, 2, (rows, 1)) * 1.0 if name == "xor" else rng.integers(0, 10, rows)}
        self.run()

    def run(self) -> None:
        self.model.fit(self.data, "sgd", epochs=self.epochs, batch_size=self.batch, progress=False)


def seconds(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.5, help="of one model, alone")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; times faster than in turn, median (least–most)")
    for name, rows, batch in WORK:
        jobs = [Job(name, rows, batch, seed) for seed in (1, 2)]
        while seconds(jobs[0].run) < arguments.seconds / 2:
            jobs[0].epochs *= 2
        jobs[1].epochs = jobs[0].epochs
        alone, threads, processes = [], [], []
        with ThreadPoolExecutor(2) as pool:
            for _ in range(arguments.rounds):
                alone.append(seconds(lambda jobs=jobs: [job.run() for job in jobs]))
                threads.append(seconds(lambda jobs=jobs: list(pool.map(Job.run, jobs))))
                processes.append(seconds(lambda jobs=jobs: in_processes(jobs)))
        title = f"{name}, {rows} rows, " + (f"batches of {batch}" if batch else "all at once")
        print(f"{title:<40} threads {ratio(alone, threads)}   processes {ratio(alone, processes)}", flush=True)


def in_processes(jobs: list[Job]) -> None:
    started = [multiprocessing.get_context("fork").Process(target=job.run) for job in jobs]
    for process in started:
        process.start()
    for process in started:
        process.join()


def ratio(alone: list[float], other: list[float]) -> str:
    found = [a / b for a, b in zip(alone, other, strict=True)]
    return f"{statistics.median(found):.2f} ({min(found):.2f}–{max(found):.2f})"


if __name__ == "__main__":
    main()
