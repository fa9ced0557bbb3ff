"""The innermost loops of a model's machine code: how wide its vectors are, what is loaded for a multiply-add, what is spilled.

    python -m benchmarks assembly d [--function train] [--march x86-64-v3] [--every]
    python -m benchmarks assembly examples/xor.gw

For every innermost loop that calculates: the function, the line of the .pyx or of the header that most of it comes from, how many
of its calculating instructions work on 512, 256 and 128 bits and on single numbers, its multiply-adds, what it reads from memory
for each, what it writes, and what it reads from the stack or puts there. It needs objdump.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sysconfig
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gradwright.compiler.build.compile import headers, translate
from gradwright.compiler.build.options import MARCHES
from gradwright.compiler.build.toolchain import toolchain
from gradwright.compiler.driver import compile_model

from .workloads import WORKLOADS

_CALCULATES: Final = re.compile(r"v?(add|sub|mul|div|sqrt|max|min)[ps][sd]|vfn?m(add|sub)\w*|fml[as]|fadd|fmul|fsub|fdiv")
_FUSED: Final = re.compile(r"vfn?m(add|sub)|fmla|fmls")
_REGISTERS: Final = (("zmm", 512), ("ymm", 256), ("xmm", 128))


@dataclass
class Instruction:
    address: int
    text: str  # the name and the operands
    place: tuple[str, int]  # file and line of the source

    @property
    def name(self) -> str:
        return self.text.split(None, 1)[0]

    @property
    def memory(self) -> bool:
        return "(" in self.text and not self.name.startswith(("lea", "prefetch", "nop", "call", "jmp"))

    @property
    def stores(self) -> bool:
        """In this notation the last operand is where the result goes."""
        return self.memory and self.text.rstrip().endswith(")") and self.name.startswith(("v", "mov"))


@dataclass
class Loop:
    function: str
    body: list[Instruction]
    calculating: list[Instruction] = field(init=False)

    def __post_init__(self) -> None:
        self.calculating = [i for i in self.body if _CALCULATES.fullmatch(i.name)]

    @property
    def place(self) -> tuple[str, int]:
        return Counter(i.place for i in self.calculating or self.body).most_common(1)[0][0]

    def widths(self) -> dict[str, int]:
        found: Counter[str] = Counter()
        for i in self.calculating:
            width = next((bits for name, bits in _REGISTERS if name in i.text), 0)
            found["single" if width in (0, 128) and re.search(r"s[sd]$", i.name) else str(width)] += 1
        return dict(found)

    def told(self, shown: str) -> str:
        fused = sum(bool(_FUSED.match(i.name)) for i in self.body)
        stack = sum("(%rsp" in i.text or "(%rbp" in i.text for i in self.body if i.memory)
        stores = sum(i.stores for i in self.body if "(%rsp" not in i.text)
        loads = sum(i.memory and not i.stores and "(%rsp" not in i.text for i in self.body)
        widths = ", ".join(f"{n} of {w} bits" if w != "single" else f"{n} single" for w, n in sorted(self.widths().items()))
        each = f" ({loads / fused:.2f} a multiply-add)" if fused else ""
        return (f"{self.function:<28.28} {len(self.body):>4} instructions: {widths}; {fused} multiply-adds, {loads} loads{each}, "
                f"{stores} stores, {stack} on the stack   {shown}")  # fmt: skip


def loops(text: str) -> Iterator[Loop]:
    """The innermost loops in what objdump -d -l printed."""
    function, place = "", ("", 0)
    body: list[Instruction] = []
    for line in text.splitlines():
        if match := re.match(r"[0-9a-f]+ <(.+)>:$", line):
            yield from _innermost(function, body)
            function, body = match[1], []
        elif match := re.match(r"\s+([0-9a-f]+):\s+(\S.*)$", line):
            body.append(Instruction(int(match[1], 16), match[2].split("#")[0].strip(), place))
        elif match := re.match(r"(\S+):(\d+)(?: \(discriminator \d+\))?$", line):
            place = match[1], int(match[2])
    yield from _innermost(function, body)


def _innermost(function: str, body: Sequence[Instruction]) -> Iterator[Loop]:
    at = {i.address: k for k, i in enumerate(body)}
    spans = []
    for k, i in enumerate(body):
        match = re.match(r"(?:j\w+|b\.?\w*|cbn?z|tbn?z)\s+(?:\w+,\s*)*([0-9a-f]+)\b", i.text)
        if match and int(match[1], 16) in at and at[int(match[1], 16)] <= k:
            spans.append((at[int(match[1], 16)], k))
    for first, last in spans:
        if not any(first <= a and b <= last and (a, b) != (first, last) for a, b in spans):
            yield Loop(function, list(body[first : last + 1]))


def disassembled(model: Path, dtype: str | None, folder: Path, march: str = "native") -> tuple[str, str]:
    """The text of the .pyx, and what objdump prints of the module's machine code, with its lines."""
    result = compile_model(model, dtype=dtype, stop_after="cython")
    pyx = result.value[f"{result.name}.pyx"]
    tools = toolchain().for_machine(march)
    c_file = translate(result.name, pyx, folder)
    target = folder / "model.o"
    include = [f"-I{headers()}", f"-I{sysconfig.get_path('include')}"]
    subprocess.run([*tools.command, *tools.flags, *include, "-g1", "-DNDEBUG", "-w", "-fPIC", "-c", str(c_file), "-o",
                    str(target)], check=True)  # fmt: skip
    shown = subprocess.run(["objdump", "-d", "-l", "--no-show-raw-insn", str(target)], capture_output=True, text=True, check=True)
    return pyx, shown.stdout


def sources(c_text: str, pyx: str, name: str) -> dict[int, tuple[int, str]]:
    """For each line of C the line of the .pyx that it comes from."""
    lines = pyx.splitlines()
    found: dict[int, tuple[int, str]] = {}
    current = 0
    for number, line in enumerate(c_text.splitlines(), 1):
        if match := re.match(rf'\s*/\* "{re.escape(name)}\.pyx":(\d+)', line):
            current = int(match[1])
        if current:
            found[number] = current, lines[current - 1].strip()
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks assembly", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("model", help="a workload or a .gw file")
    parser.add_argument("--function", default="", help="only functions whose name has this in it")
    parser.add_argument("--least", type=int, default=4, help="calculating instructions of a loop that is told of")
    parser.add_argument("--march", choices=MARCHES[:-1], default="native", help="the processors that are compiled for")
    parser.add_argument("--every", action="store_true", help="also the optimisers, of which a model uses one")
    given = parser.parse_args(arguments)
    w = WORKLOADS.get(given.model)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = w.path if w else Path(given.model)
        pyx, text = disassembled(model, w.dtype if w else None, folder, given.march)
        (c_file,) = folder.glob("*.c")
        known = sources(c_file.read_text(encoding="utf-8"), pyx, c_file.stem)
        for loop in loops(text):
            if len(loop.calculating) < given.least or given.function not in loop.function:
                continue
            if "_update_" in loop.function and not given.every:
                continue
            file, line = loop.place
            shown = f"{Path(file).name}:{line}"
            if Path(file).name == c_file.name and line in known:
                shown = f"{c_file.stem}.pyx:{known[line][0]}   {known[line][1]}"
            print(loop.told(shown))


if __name__ == "__main__":
    main()
