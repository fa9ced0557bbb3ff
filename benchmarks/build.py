"""How long it takes to build a module, to find it again and to import it, and how large it is.

    python -m benchmarks.build                       # the workloads of the goals
    python -m benchmarks.build xor lenet --rounds 7
    python -m benchmarks.build --length              # over the length of the model

Every figure is from a process of its own, with a cache of its own where it says so; the median, and the least and most. Behind a
wall-clock time stands the processor time of all programs that took part: it is what counts where others use the machine too.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .compile_time import exponent, lines, units

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
WORKLOADS = ("xor", "digits", "cifar_two_layer", "lenet")
COMMAND = [str(Path(sys.executable).parent / "gradwright")]
GOALS = {"nothing": "1.2 s for xor, 2 s for others", "warm": "0.5 s for xor", "cached": "0.05 s", "import": "0.01 s"}
_WIDE = 70

_IMPORT = """
import resource, sys, time
sys.path.insert(0, sys.argv[1])
import numpy
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
__import__(sys.argv[2])
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""

# The second model of a process: objects and Cython are there, from a model of the same real type that is not this one.
_WARM = """
import sys, time
from gradwright.compiler import driver
text = open(sys.argv[1]).read()
kind = "float32" if "float32" in text else "float64"
first = "size N\\ninput x[N, 30], y[N, 20]\\nparam W[30, 20] ~ glorot_uniform\\nminimize mean(square(x @ W - y))\\n"
driver.load(f"dtype {kind}\\n{first}# {time.time()}\\n")
start = time.perf_counter()
driver.load(text, name=sys.argv[2])
print(time.perf_counter() - start)
"""

_CACHED = """
import sys, time
import numpy
start = time.perf_counter()
from gradwright.runtime import load
load(sys.argv[1])
print(time.perf_counter() - start)
"""

# What each step of a build took, in a process whose cache has the C compiler's abilities and nothing else.
_STEPS = """
import dataclasses, json, sys, time
started = time.perf_counter()
from gradwright.compiler import driver
from gradwright.compiler.build import compile as build, toolchain, translator
toolchain.toolchain()
took = {"importing the driver": time.perf_counter() - started}

def timed(name, function):
    def call(*arguments, **options):
        start = time.perf_counter()
        try:
            return function(*arguments, **options)
        finally:
            took[name] = took.get(name, 0) + time.perf_counter() - start
    return call

driver.STAGES = tuple(dataclasses.replace(stage, run=timed(f"stage {stage.name}", stage.run)) for stage in driver.STAGES)
translator.translate = timed("Cython", translator.translate)
made = toolchain._made
def by_kind(command, *rest):
    names = [str(word).rsplit("/", 1)[-1] for word in command]
    objects = [word[12:].lower() for word in names if word.startswith("-DGW_OBJECT_")]
    kind = "the C compiler" if "-c" in names else "linking"
    kind = f"beside: the object of {objects[0]}.h" if objects else "beside: the start" if "start.c" in names else kind
    return timed(kind, made)(command, *rest)
toolchain._made = by_kind
driver.compile_model(sys.argv[1])
took["all of it"] = time.perf_counter() - started
print(json.dumps(took))
"""


class Bench:
    """Programs run in a folder of their own."""

    def __init__(self, root: Path, rounds: int) -> None:
        self.root, self.rounds, self.count = root, rounds, 0

    def fresh(self, *, probed: bool) -> str:
        """A cache with nothing in it but, if ``probed``, what the C compiler can do."""
        self.count += 1
        cache = str(self.root / f"cache{self.count}")
        if probed:
            self.run([sys.executable, "-c", "from gradwright.compiler.build.toolchain import toolchain; toolchain()"], cache)
        return cache

    def run(self, command: Sequence[str], cache: str) -> tuple[float, float, str]:
        """Seconds, seconds of the processors, and what was printed."""
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        environment = {**os.environ, "GRADWRIGHT_CACHE": cache}
        done = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True)
        took, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout

    def compile(self, model: Path, *options: str, probed: bool = True) -> tuple[float, float]:
        command = [*COMMAND, "compile", str(model), "-q", "-o", str(self.root / "out"), *options]
        return self.run(command, self.fresh(probed=probed))[:2]

    def says(self, program: str, *arguments: str, cache: str) -> tuple[float, float]:
        """The seconds that a program measured itself, and those of the processors for all of it."""
        _, busy, said = self.run([sys.executable, "-c", program, *arguments], cache)
        return float(said.split()[0]), busy

    def show(self, what: str, measure: Callable[[], tuple[float, float]]) -> None:
        found = [measure() for _ in range(self.rounds)]
        times, busy = [f[0] for f in found], statistics.median(f[1] for f in found)
        spread = f"({min(times):.3f}–{max(times):.3f})"
        print(f"  {what:<{_WIDE}} {statistics.median(times):6.3f} s {spread}, {busy:5.2f} s busy", flush=True)


def workload(bench: Bench, name: str) -> None:
    model = EXAMPLES / f"{name}.gw"
    print(name)
    bench.compile(model)  # Python keeps what it compiles of the sources
    bench.show("compile from nothing", lambda: bench.compile(model, probed=False))
    bench.show(f"the same, the C compiler known (goal {GOALS['nothing']})", lambda: bench.compile(model))
    bench.show("the same, -O 0", lambda: bench.compile(model, "-O", "0"))
    warm = bench.fresh(probed=True)
    bench.says(_WARM, str(model), "first", cache=warm)
    numbers = iter(range(10**6))
    bench.show(f"the second model of a process (goal {GOALS['warm']})",
               lambda: bench.says(_WARM, str(model), f"{name}_{next(numbers)}", cache=warm))  # fmt: skip
    bench.run([*COMMAND, "compile", str(model), "-q", "-o", str(bench.root / "out")], warm)
    bench.show(f"load, found in the cache (goal {GOALS['cached']})", lambda: bench.says(_CACHED, str(model), cache=warm))
    bench.show("the command, found in the cache",
               lambda: bench.run([*COMMAND, "compile", str(model), "-q", "-o", str(bench.root / "out")], warm)[:2])  # fmt: skip
    bench.show("the command check", lambda: bench.run([*COMMAND, "check", str(model)], warm)[:2])
    memory: list[float] = []

    def imported() -> tuple[float, float]:
        _, busy, said = bench.run([sys.executable, "-c", _IMPORT, str(bench.root / "out"), name], warm)
        seconds, kilobytes = said.split()
        memory.append(float(kilobytes) / 1024)
        return float(seconds), busy

    imported()
    bench.show(f"import of the module over NumPy (goal {GOALS['import']})", imported)
    print(f"  {'its memory over NumPy':<{_WIDE}} {statistics.median(memory):6.2f} MB")
    size = next((bench.root / "out").glob(f"{name}.*.so")).stat().st_size
    print(f"  {'the module':<{_WIDE}} {size / 1000:6.0f} KB")
    if os.uname().machine == "x86_64":
        bench.show("compile with --march dispatch", lambda: bench.compile(model, "--march", "dispatch"))
        levels = next((bench.root / "out").glob(f"{name}.*.so")).stat().st_size
        print(f"  {'that module':<{_WIDE}} {levels / 1000:6.0f} KB")
    steps(bench, model)


def steps(bench: Bench, model: Path) -> None:
    """Medians of what each step takes; those that go on beside others say so."""
    rounds: list[dict[str, float]] = []
    for _ in range(bench.rounds):
        said = bench.run([sys.executable, "-c", _STEPS, str(model)], bench.fresh(probed=True))[2]
        rounds.append(json.loads(said))
    print("  where the time goes, from nothing:")
    for step in sorted({s for r in rounds for s in r}, key=lambda s: (s.startswith("beside"), list(rounds[0]).index(s))):
        print(f"    {step:<{_WIDE - 2}} {statistics.median(r.get(step, 0.0) for r in rounds):6.3f} s")


def length(bench: Bench) -> None:
    """Time and size over the number of operations."""
    families: dict[str, Callable[[int], str]] = {"lines": lines, "units": units}
    for family, make in families.items():
        counts, seconds, sizes = (250, 500, 1000, 2000), [], []
        for count in counts:
            model = bench.root / f"{family}{count}.gw"
            model.write_text(make(count))
            seconds.append(bench.compile(model)[1])
            sizes.append(float(next((bench.root / "out").glob(f"{model.stem}.*.so")).stat().st_size))
            print(f"  {family:<8} {count:6} operations {seconds[-1]:7.2f} s busy {sizes[-1] / 1000:8.0f} KB", flush=True)
        print(f"  {family:<8} time ~ n^{exponent(counts, seconds):.2f}, size ~ n^{exponent(counts, sizes):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", default=WORKLOADS, metavar="NAME", help="names of examples")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--length", action="store_true", help="time and size over the length of a model, and nothing else")
    given: Any = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed compiler is not parsed each time
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), given.rounds)
        if given.length:
            length(bench)
            return
        for name in given.workloads:
            workload(bench, name)


if __name__ == "__main__":
    main()
