"""Many random models, compiled and compared; prints what was found and exact figures.

cd tests && python -m long_run --models 5000 --seed 1 [--log found.txt]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent))

from support.examine import Report, examine
from support.programs import random_program

BATCH = 25


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--models", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="where to go on with a seed; a multiple of the batch")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after about this long")
    parser.add_argument("--sizes", type=int, nargs="*")
    parser.add_argument("--log", type=Path, help="where every difference is written")
    parser.add_argument("--wide", action="store_true", help="sizes at which products and convolutions take their kernels")
    parser.add_argument("--level", type=int, help="the C compiler's level; 1 unless told")
    options = parser.parse_args()
    sizes = options.sizes or ([0, 1, 3, 9, 20] if options.wide else [0, 1, 2, 7, 64])
    report, start, shown = Report(), time.monotonic(), 0
    for first in range(options.first, options.models, BATCH):
        if time.monotonic() - start > options.seconds:
            break
        labels = [f"s{options.seed}_{k}" for k in range(first, min(first + BATCH, options.models))]
        single = (first // BATCH) % 5 == 4  # a fifth in float32
        with tempfile.TemporaryDirectory() as folder:
            made = [(label, random_program(Random(label), wide=options.wide)) for label in labels]
            examine(made, Path(folder), single, sizes, report, options.level, options.wide)
        if options.log is not None and len(report.wrong) > shown:
            with options.log.open("a", encoding="utf-8") as log:
                for label, program, wrong in report.wrong[shown:]:
                    log.write(f"===== {label}{' float32' if single else ''}\n{program}\n" + "\n".join(wrong[:6]) + "\n")
            shown = len(report.wrong)
        if (first // BATCH) % 4 == 3:
            print(figures(report, time.monotonic() - start), flush=True)
    print(figures(report, time.monotonic() - start))
    if options.log is None and report.wrong:
        print(report.shown())
    return 1 if report.wrong else 0


def figures(report: Report, seconds: float) -> str:
    lines = [
        f"{report.models} models, {sum(report.comparisons.values())} comparisons, {len(report.wrong)} models with a difference, "
        f"{seconds:.0f} s"
    ]
    lines += [f"  {count:8d}  {name}" for name, count in sorted(report.comparisons.items())]
    lines += [f"  {count:8d}  left out: {name}" for name, count in sorted(report.skipped.items())]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
