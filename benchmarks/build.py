"""How long the command takes, and what importing a generated module costs over NumPy.

    python -m benchmarks.build [--rounds 5]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "xor.gw"
COMMAND = [str(Path(sys.executable).parent / "gradwright")]

_IMPORT = """
import sys, time, resource
sys.path.insert(0, sys.argv[1])
import numpy
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
import xor
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)

        def command(*words: str, cache: str) -> float:
            environment = {**os.environ, "GRADWRIGHT_CACHE": str(root / cache)}
            start = time.perf_counter()
            subprocess.run([*COMMAND, *words], check=True, env=environment, stdout=subprocess.DEVNULL)
            return time.perf_counter() - start

        compiled = ("compile", str(EXAMPLE), "-o", str(root / "out"))
        k = iter(range(10**6))
        show("compile xor.gw from nothing (goal 5 s)", rounds, lambda: command(*compiled, cache=f"cache{next(k)}"))
        command(*compiled, cache="warm")
        show("compile xor.gw a second time (goal 0.3 s)", rounds, lambda: command(*compiled, cache="warm"))
        show("check xor.gw (goal 0.5 s)", rounds, lambda: command("check", str(EXAMPLE), cache="warm"))
        memory: list[float] = []

        def imported() -> float:
            run = subprocess.run([sys.executable, "-c", _IMPORT, str(root / "out")], check=True, capture_output=True, text=True)
            seconds, kilobytes = run.stdout.split()
            memory.append(float(kilobytes) / 1024)
            return float(seconds)

        imported()
        show("import a generated module, over NumPy (goal 20 ms)", rounds, imported)
        print(f"its memory over NumPy (goal 5 MB): median {statistics.median(memory):.2f} MB, at most {max(memory):.2f}")


def show(what: str, rounds: int, measure: Callable[[], float]) -> None:
    times = [measure() for _ in range(rounds)]
    print(f"{what}: median {statistics.median(times):.3f} s ({min(times):.3f}–{max(times):.3f})", flush=True)


if __name__ == "__main__":
    main()
