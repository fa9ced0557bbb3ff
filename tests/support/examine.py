"""Random models by the batch: compiled together, each compared at shuffled sizes."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

from gradwright.compiler.language.source import Source
from gradwright.compiler.passes.kernels import Plan, plan

from .compare import LARGE, LARGE_WIDE, Tally, compare
from .models import elaborated
from .modules import build_modules
from .programs import SIZES, Program

PATIENCE = 30  # seconds of this process for the passes of one small model


@dataclass
class Report:
    models: int = 0
    comparisons: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    wrong: list[tuple[str, Program, list[str]]] = field(default_factory=list)

    def add(self, label: str, program: Program, tally: Tally) -> None:
        self.models += 1
        for name, count in tally.comparisons.items():
            self.comparisons[name] = self.comparisons.get(name, 0) + count
        for name, count in tally.skipped.items():
            self.skipped[name] = self.skipped.get(name, 0) + count
        if tally.wrong:
            self.wrong.append((label, program, tally.wrong))

    def shown(self) -> str:
        parts = [f"{label}:\n{program}\n" + "\n".join(wrong[:5]) for label, program, wrong in self.wrong[:5]]
        return f"{len(self.wrong)} of {self.models} models differ\n" + "\n\n".join(parts)


def _late(number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"not done after {PATIENCE} s")


def examine(
    programs: Sequence[tuple[str, Program]],
    folder: Path,
    single: bool = False,
    sizes: Sequence[int] = SIZES,
    report: Report | None = None,
    level: int | None = None,
    wide: bool = False,
) -> Report:
    """Compile and compare; what fails in any way is in the report. ``level``: the C compiler's. ``wide``: sizes are large."""
    report = report or Report()
    ready: list[tuple[str, Program, Plan, dict[str, Source]]] = []
    before = signal.signal(signal.SIGVTALRM, _late) if hasattr(signal, "SIGVTALRM") else None
    for label, program in programs:
        tally = Tally()
        try:
            if before is not None:
                signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
            model, _, shown = elaborated(
                program.text, f"{label}.gw", dict(program.files), dtype="float32" if single else "float64"
            )
            if model is None and "is a constant and has no gradient" in shown:
                tally.skip("a gradient of what is a param or an input by another name")
                report.add(label, program, tally)
            elif model is None:
                tally.wrong.append(f"not legal: {shown}")
            else:
                ready.append((label, program, plan(model), {f"{label}.gw": Source(f"{label}.gw", program.text)}))
        except Exception:
            tally.wrong.append(traceback.format_exc()[-1500:])
        finally:
            if before is not None:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        if tally.wrong:
            report.add(label, program, tally)
    if before is not None:
        signal.signal(signal.SIGVTALRM, before)
    if not ready:
        return report
    try:
        built: list[Any] = list(build_modules([r[2] for r in ready], [r[3] for r in ready], folder, single, level))
    except Exception:
        if len(ready) > 1:  # find out which
            for label, program, _, _ in ready:
                examine([(label, program)], folder, single, sizes, report, level, wide)
            return report
        tally = Tally()
        tally.wrong.append(traceback.format_exc()[-3000:])
        report.add(ready[0][0], ready[0][1], tally)
        return report
    for (label, program, made, _), modules in zip(ready, built, strict=True):
        tally, model = Tally(), made.model
        rng = Random(label)
        order = list(sizes)
        rng.shuffle(order)
        if not model.free:
            order = order[:1]
        for n in order:
            chosen = {name: n if k == 0 else rng.choice(SIZES[1:]) for k, name in enumerate(model.free)}
            try:
                compare(model, modules, chosen, len(label) + n, tally, single, LARGE_WIDE if wide else LARGE)
            except Exception:
                tally.wrong.append(f"{chosen}: {traceback.format_exc()[-1500:]}")
        report.add(label, program, tally)
    return report
