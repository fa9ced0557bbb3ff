"""python -m benchmarks: what can be measured."""

from __future__ import annotations

import importlib
import sys

COMMANDS = {
    "run": "run", "draw": "report", "peak": "peak", "compare": "compare", "build": "build", "compile-time": "compile_time",
    "threads": "threads", "vectors": "vectors", "assembly": "assembly",
}  # fmt: skip


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        print(f"{__doc__}\n")
        for command, module in COMMANDS.items():
            told = importlib.import_module(f"benchmarks.{module}").__doc__ or ""
            print(f"    {command:<14}{told.splitlines()[0]}")
        raise SystemExit(0 if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help") else 2)
    command = sys.argv.pop(1)
    importlib.import_module(f"benchmarks.{COMMANDS[command]}").main()


if __name__ == "__main__":
    main()
