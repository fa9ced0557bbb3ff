"""How long each stage of the compiler takes, over the length of the model.

    python -m benchmarks.compile_time                     # every family, with the fitted exponents
    python -m benchmarks.compile_time dense lines --c     # some of them, with Cython and the C compiler
    python -m benchmarks.compile_time --save docs/images/compile_time.svg

Each family is a model of one shape and any length. A stage that takes time proportional to n^e has the exponent e; it is
fitted to the longer half of the lengths, where what costs the same for every model counts less. The seconds are those of the
processor, the C compiler's among them, so that what else runs on the machine counts little. Below them is how long the texts are.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

# ---------------------------------------------------------------- models of any length


def dense(n: int) -> str:
    """n dense layers, one after the other."""
    lines = ["size N, H = 4", "input x[N, H]"]
    lines += [f"param W{k}[H, H] ~ glorot_uniform\nparam b{k}[H] = 0" for k in range(1, n + 1)]
    lines += ["h0 = x", *(f"h{k} = tanh(h{k - 1} @ W{k} + b{k})" for k in range(1, n + 1))]
    return "\n".join([*lines, f"minimize mean(square(h{n}))"]) + "\n"


def layers(n: int) -> str:
    """n dense layers of the library, unrolled by `for`."""
    return f"use layers\nsize N\ninput x[N, 4]\nfor k in range({n}):\n    x = tanh(dense(x, 4))\nminimize mean(x**2)\n"


def lines(n: int) -> str:
    """n statements, one elementwise operation each."""
    steps = [f"h{k} = {('h{0} + x', 'h{0} * t', 'tanh(h{0})', 'h{0} - t')[k % 4].format(k - 1)}" for k in range(1, n + 1)]
    return "\n".join(["size N", "input x[N], t", "h0 = x", *steps, f"output y = h{n}"]) + "\n"


def units(n: int) -> str:
    """n / 2 times h = tanh(t*h)."""
    return "\n".join(["input x, t", "h = x", *["h = tanh(t * h)"] * (n // 2), "output y = h"]) + "\n"


def left(n: int) -> str:
    """One expression of n operations, nested to the left."""
    body = "".join(f" {'+-'[k % 2]} {'xt'[k % 3 == 0]} * {k % 7 + 2}" for k in range(n // 2))
    return f"size N\ninput x[N], t\noutput y = x{body}\n"


def right(n: int) -> str:
    """One expression of n operations, nested to the right by parentheses."""
    body = "".join(f"{'xt'[k % 3 == 0]} {'+-*'[k % 3]} (" for k in range(n))
    return f"size N\ninput x[N], t\noutput y = {body}x{')' * n}\n"


def calls(n: int) -> str:
    """n calls, each the argument of the next."""
    gates = ("tanh", "sin", "sigmoid", "softplus")
    return f"size N\ninput x[N]\noutput y = {''.join(f'{gates[k % 4]}(' for k in range(n))}x{')' * n}\n"


def balanced(n: int) -> str:
    """One expression of n operations, as deep as the logarithm of n."""

    def tree(low: int, high: int) -> str:
        if high - low == 1:
            return f"x*{low % 9 + 2}" if low % 2 else f"t*{low % 5 + 2}"
        middle = (low + high) // 2
        return f"({tree(low, middle)} {'+-'[low % 2]} {tree(middle, high)})"

    return f"size N\ninput x[N], t\noutput y = {tree(0, max(1, n // 2))}\n"


def wide(n: int) -> str:
    """The sum of n params."""
    return "\n".join(["input x", *(f"param p{k} = {k}" for k in range(n)),
                      f"minimize square(x - ({' + '.join(f'p{k}' for k in range(n))}))"]) + "\n"  # fmt: skip


def sharing(n: int) -> str:
    """Each value used three times by the next: 3**n operations if it were written as a tree."""
    steps = [f"h{k} = h{k - 1} * h{k - 1} * 0.25 + h{k - 1}" for k in range(1, n // 3 + 1)]
    return "\n".join(["size N", "input x[N]", "h0 = x", *steps, f"output y = h{n // 3}"]) + "\n"


def gates(n: int) -> str:
    """Gates that are spelled out, over each other."""
    forms = ("1 / (1 + exp(-{0}))", "log(1 + exp({0}))", "exp({0}) / (1 + exp({0}))", "log(1 / (1 + exp(-{0})))")
    steps = [f"h{k} = {forms[k % 4].format(f'h{k - 1}')}" for k in range(1, n // 4 + 1)]
    return "\n".join(["size N", "input x[N]", "h0 = x", *steps, f"output y = h{n // 4}"]) + "\n"


def sums(n: int) -> str:
    """Softmaxes and log-sum-exps that are spelled out, over each other."""
    text = ["size N", "input x[N, 5]", "h0 = x"]
    for k in range(1, n // 5 + 1):
        text.append(f"e{k} = exp(h{k - 1})")
        text.append(f"h{k} = h{k - 1} - log(sum(e{k}, axis=1, keepdims=True))" if k % 2 else
                    f"h{k} = e{k} / sum(e{k}, axis=1, keepdims=True)")  # fmt: skip
    return "\n".join([*text, f"minimize mean(square(h{n // 5}))"]) + "\n"


def outputs(n: int) -> str:
    """n outputs, and the gradients of each."""
    return "\n".join(["size N", "input x[N]", "param a = 1", *(f"output y{k} = tanh(a * x + {k})" for k in range(n // 3))]) + "\n"


def gradients(n: int) -> str:
    """n gradients of values in the middle of one chain."""
    text = ["size N", "input x[N]", "param a = 1", "h0 = x"]
    text += [f"h{k} = tanh(a * h{k - 1})" for k in range(1, n // 20 + 1)]
    text += [f"minimize mean(h{n // 20})"]
    return "\n".join([*text, *(f"gradient loss wrt h{k}" for k in range(1, n // 20, 2))]) + "\n"


FAMILIES: Final[dict[str, Callable[[int], str]]] = {
    "dense": lambda n: dense(n // 3), "layers": lambda n: layers(n // 3), "lines": lines, "units": units,
    "left": left, "right": right, "calls": calls, "balanced": balanced,
    "wide": wide, "sharing": sharing, "gates": gates, "sums": sums, "outputs": outputs, "gradients": gradients,
}  # fmt: skip
"""Each makes a model of about n operations."""


# ---------------------------------------------------------------- clocks


def now() -> float:
    """Seconds of the processor that this process has had, and those that it waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


class Clock:
    """Seconds by stage. What runs inside of another stage counts for the inner one alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside: list[str] = []
        self._since = 0.0

    def _mark(self) -> None:
        here = now()
        if self._inside:
            self.seconds[self._inside[-1]] = self.seconds.get(self._inside[-1], 0.0) + here - self._since
        self._since = here

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._mark()
        self._inside.append(name)
        try:
            yield
        finally:
            self._mark()
            self._inside.pop()

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **options: Any) -> Any:
            with self.stage(name):
                return function(*args, **options)

        return timed


@contextlib.contextmanager
def watched(clock: Clock) -> Iterator[None]:
    """Let every pass, the verifier and the reverse sweep tell the clock."""
    from gradwright.compiler import passes
    from gradwright.compiler.loops import schedule
    from gradwright.compiler.passes import kernels

    changed: list[tuple[Any, str, Any]] = []

    def change(module: Any, name: str, value: Any) -> None:
        changed.append((module, name, getattr(module, name)))
        setattr(module, name, value)

    for name, where in (("BEFORE", (kernels,)), ("AFTER", (kernels,)), ("KERNEL", (kernels, schedule))):
        timed = tuple(replace(p, run=clock.wrap(f"pass {p.name}", p.run)) for p in getattr(passes, name))
        for module in where:
            change(module, name, timed)
    change(passes, "verify", clock.wrap("verify", passes.verify))
    change(kernels, "_differentiate", clock.wrap("differentiate", kernels._differentiate))
    try:
        yield
    finally:
        for module, name, value in reversed(changed):
            setattr(module, name, value)


def measure(text: str, *, compiled: bool = False, numpy: bool = False, stop: str = "cython",
            sizes: dict[str, int] | None = None) -> dict[str, float]:  # fmt: skip
    """Seconds by stage for one model. ``sizes`` gets the bytes of what is made."""
    from gradwright.compiler import driver
    from gradwright.compiler.language.source import Source

    sizes = {} if sizes is None else sizes
    clock = Clock()
    backend = "numpy" if numpy else "cython"
    job = driver.Job(Source("model.gw", text), Path("."), "model", None, {}, backend)
    names = {"syntax": "parse", "graph": "elaborate", "gradients": "cut", "loops": "schedule", "cython": "emit"}
    value: Any = job.source
    with driver.uncollected(), watched(clock):
        for stage in driver.STAGES:
            with clock.stage(names[stage.name]):
                value = stage.run(job, value)
            if stage.name == stop != "cython":
                return clock.seconds
    sizes |= {name.removeprefix("model"): len(content.encode()) for name, content in value.items()}
    if compiled and not numpy:
        with tempfile.TemporaryDirectory() as folder:
            sizes[".so"] = _build(value["model.pyx"], Path(folder), clock).stat().st_size
    return clock.seconds


def _build(pyx: str, folder: Path, clock: Clock) -> Path:
    """The module, by Cython and the C compiler."""
    from gradwright.compiler.build import compile as building
    from gradwright.compiler.build import translator

    def translate(name: str, text: str, where: Path) -> Path:
        with clock.stage("Cython"):
            c_file: Path = before(name, text, where)
            translator.end()  # its seconds are known when it has ended
            return c_file

    before = building.translate
    translator.end()
    building.translate = translate
    try:
        with clock.stage("C compiler"):
            made: Path = building.build_module("model", pyx, folder)
            return made
    finally:
        building.translate = before


# ---------------------------------------------------------------- tables


def exponent(lengths: Sequence[int], seconds: Sequence[float]) -> float:
    """The slope of log(seconds) over log(length), by least squares over the longer half."""
    half = len(lengths) // 2 if len(lengths) > 3 else 0
    points = [(math.log(n), math.log(max(s, 1e-6))) for n, s in zip(lengths[half:], seconds[half:], strict=True)]
    if len(points) < 2:
        return math.nan
    x, y = (sum(p[k] for p in points) / len(points) for k in (0, 1))
    return sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)


def table(name: str, lengths: Sequence[int], rows: Sequence[dict[str, float]], sizes: Sequence[dict[str, int]] = ()) -> list[str]:
    """A table for readers: one line a stage, one column a length, and the fitted exponent; then what is made."""
    stages = list(dict.fromkeys(stage for row in rows for stage in row))
    text = [f"| {name} | {' | '.join(f'{n:,}' for n in lengths)} | exponent |", f"|---|{'---|' * (len(lengths) + 1)}"]
    for stage in (*stages, "together"):
        seconds = [sum(row.values()) if stage == "together" else row.get(stage, 0.0) for row in rows]
        if stage != "together" and max(seconds) < 0.01:
            continue
        shown = " | ".join(f"{s:.3f}" if s < 10 else f"{s:.1f}" for s in seconds)
        fitted = exponent(lengths, seconds) if max(seconds) > 0.05 else math.nan
        text.append(f"| {stage} | {shown} | {'' if math.isnan(fitted) else f'{fitted:.2f}'} |")
    for kind in sizes[-1] if sizes else ():
        kilobytes = [size[kind] / 1000 for size in sizes]
        text.append(f"| kB of {kind} | {' | '.join(f'{k:,.0f}' for k in kilobytes)} | {exponent(lengths, kilobytes):.2f} |")
    return text


PHASES: Final = {
    "to the graph": ("parse", "elaborate"), "passes and gradients": ("cut", "pass", "verify", "differentiate"),
    "loops": ("schedule",), "text": ("emit",), "Cython": ("Cython",), "C compiler": ("C compiler",),
}  # fmt: skip


def phases(row: dict[str, float]) -> dict[str, float]:
    """The seconds of stages that belong together."""
    found = {name: sum(s for stage, s in row.items() if stage.startswith(stages)) for name, stages in PHASES.items()}
    return {name: seconds for name, seconds in found.items() if seconds}


Found = dict[str, tuple[Sequence[int], Sequence[dict[str, float]]]]


def draw(found: Found, path: Path) -> None:
    """The whole time of every family over its length, beside a straight line; and what it consists of at the longest."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "gradwright"
    from matplotlib import pyplot

    figure, (axes, shares) = pyplot.subplots(1, 2, figsize=(9, 4), width_ratios=(3, 2), layout="constrained")
    for name, (lengths, rows) in found.items():
        axes.plot(lengths, [sum(row.values()) for row in rows], marker="o", markersize=3, label=name)
    low, high = (f(n for lengths, _ in found.values() for n in lengths) for f in (min, max))
    axes.plot([low, high], [low / 2000, high / 2000], color="0.6", linestyle="--", label="proportional")
    axes.set(xscale="log", yscale="log", xlabel="operations in the model", ylabel="seconds to compile")
    ticks = sorted({n for lengths, _ in found.values() for n in lengths})
    axes.set_xticks(ticks, [f"{n:,}" for n in ticks])
    axes.set_xticks([], minor=True)
    axes.legend(fontsize=8, ncols=2)
    axes.grid(alpha=0.3)
    left = dict.fromkeys(found, 0.0)
    for phase in PHASES:
        part = {name: phases(rows[-1]).get(phase, 0.0) / lengths[-1] * 1000 for name, (lengths, rows) in found.items()}
        if any(part.values()):
            shares.barh([*part], [*part.values()], left=[*left.values()], label=phase)
            left = {name: left[name] + seconds for name, seconds in part.items()}
    shares.invert_yaxis()
    shares.set(xlabel="milliseconds for each operation")
    shares.legend(fontsize=8)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=", ".join(FAMILIES))
    parser.add_argument("--longest", type=int, default=10000)
    parser.add_argument("--points", type=int, default=4, help="lengths, each twice the one before")
    parser.add_argument("--c", action="store_true", help="Cython and the C compiler, too")
    parser.add_argument("--numpy", action="store_true", help="the NumPy backend")
    parser.add_argument("--stop", default="cython", help="the last stage: syntax, graph, gradients, loops, cython")
    parser.add_argument("--save", type=Path, help="draw the curve into this file")
    options = parser.parse_args()
    measure("input x\noutput y = x\n")  # what is imported and remembered once
    found: Found = {}
    for name in options.families or FAMILIES:
        lengths = [options.longest >> k for k in reversed(range(options.points))]
        measure(FAMILIES[name](40), numpy=options.numpy, stop=options.stop)
        sizes: list[dict[str, int]] = [{} for _ in lengths]
        rows = [measure(FAMILIES[name](n), compiled=options.c, numpy=options.numpy, stop=options.stop, sizes=size)
                for n, size in zip(lengths, sizes, strict=True)]  # fmt: skip
        found[name] = lengths, rows
        print("\n".join(table(name, lengths, rows, sizes)), end="\n\n", flush=True)
    if options.save is not None:
        os.makedirs(options.save.parent, exist_ok=True)
        draw(found, options.save)


if __name__ == "__main__":
    main()
