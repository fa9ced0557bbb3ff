"""Which loops of the generated modules the C compiler turned into vectors or unrolled.

    python -m benchmarks.vectors [examples/xor.gw ...] [--all]

For every loop of the kernels: the line of the .pyx, and the word of gcc (-fopt-info-optimized) or clang (-Rpass) about the C that
it became. What is unrolled whole is straight code afterwards, which may still be turned into vectors. Which compiler is asked
decides the answer, so this is a report and no test.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gradwright.compiler.build.compile import headers, translate
from gradwright.compiler.build.toolchain import toolchain
from gradwright.compiler.driver import compile_model

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, default=sorted(EXAMPLES.glob("*.gw")))
    parser.add_argument("--all", action="store_true", help="the loops of the optimisers too")
    given = parser.parse_args()
    for model in given.models:
        print(f"{model.name}")
        for kernel, line, text, found in loops(model):
            if given.all or not kernel.startswith("update_"):
                print(f"  {kernel:<12} {line:>4}  {found:<26} {text}")


def loops(model: Path) -> Iterator[tuple[str, int, str, str]]:
    """Kernel, line, text and the C compiler's word of each loop of the generated module."""
    result = compile_model(model, stop_after="cython")
    pyx = result.value[f"{result.name}.pyx"].splitlines()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        c_file = translate(result.name, "\n".join(pyx) + "\n", folder)
        words = compiled(c_file, result.name)
        places = c_loops(c_file.read_text(encoding="utf-8"), f"{result.name}.pyx")
    kernel = ""
    for number, text in enumerate(pyx, 1):
        if match := re.match(r"cdef void (\w+)\(", text):
            kernel = match[1]
        if kernel and re.match(r"\s+for \w+ in range\(", text):
            lines = places.get(number, [])
            found = sorted({w for line in lines for w in words.get(line, [])})
            yield kernel, number, text.rstrip(), ", ".join(found) or "as it stands"


def c_loops(text: str, pyx: str) -> dict[int, list[int]]:
    """For each line of the .pyx the lines of C on which a loop that it became begins."""
    found: dict[int, list[int]] = {}
    current = 0
    for number, line in enumerate(text.splitlines(), 1):
        if match := re.match(rf'\s*/\* "{re.escape(pyx)}":(\d+)', line):
            current = int(match[1])
        if re.match(r"\s*for \(__pyx_t_\d+ = ", line):
            found.setdefault(current, []).append(number)
    return found


def compiled(c_file: Path, name: str) -> dict[int, list[str]]:
    """What the C compiler says of each line of the C file."""
    tools = toolchain()
    report = c_file.with_suffix(".txt")
    include = [f"-I{headers()}", f"-I{sysconfig.get_path('include')}"]
    command = [*tools.command, *tools.flags, *include, "-DNDEBUG", "-w", "-fPIC", "-c", str(c_file), "-o",
               str(c_file.with_suffix(".o"))]  # fmt: skip
    if tools.is_clang:
        asked = subprocess.run([*command, "-Rpass=loop-vectorize|loop-unroll"], check=True, capture_output=True, text=True)
        return said_by_clang(asked.stderr, name)
    subprocess.run([*command, f"-fopt-info-optimized={report}"], check=True)
    return said_by_gcc(report.read_text(encoding="utf-8"), name)


def said_by_gcc(text: str, name: str) -> dict[int, list[str]]:
    words: dict[int, list[str]] = {}
    for line in text.splitlines():
        what = r"loop (?:vectorized using (\d+) byte|with (\d+) iter)"
        match = re.search(rf"{re.escape(name)}\.c:(\d+):\d+: optimized: +{what}", line)
        if match and (match[2] or "completely" in line):
            words.setdefault(int(match[1]), []).append(f"{match[2]} bytes" if match[2] else f"unrolled {match[3]} times")
    return words


def said_by_clang(text: str, name: str) -> dict[int, list[str]]:
    words: dict[int, list[str]] = {}
    what = r"vectorized loop \(vectorization width: (\d+),|completely unrolled loop with (\d+) iter"
    for match in re.finditer(rf"{re.escape(name)}\.c:(\d+):\d+: remark: (?:{what})", text):
        words.setdefault(int(match[1]), []).append(f"{match[2]} at a time" if match[2] else f"unrolled {match[3]} times")
    return words


if __name__ == "__main__":
    main()
