"""What this machine can do at most: multiply-adds on its widest vectors, bytes read and copied from each cache and from memory.

    python -m benchmarks peak [--again] [--json FILE]

It is measured once for a compiler and a processor, and kept in Gradwright's cache.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from gradwright.compiler.build import peak


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks peak", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--again", action="store_true", help="measure anew")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    found = peak.peak(given.again)
    if given.json:
        given.json.write_text(json.dumps(found._asdict(), indent=1) + "\n", encoding="utf-8")
    print("\n".join(peak.table(found)))


if __name__ == "__main__":
    main()
