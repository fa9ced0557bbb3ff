"""One Cython text into one importable file: Cython and the C compiler, beside each other where they can be, and nothing else."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from . import cache, few, translator
from .apart import told_apart
from .files import publish
from .hashing import sha256
from .lanes import in_lanes
from .modules import suffix
from .objects import FACE, START, TEAM, Headers, Objects, real_of, without
from .parts import computing
from .recall import cython_version, headers
from .toolchain import BuildError, Running, Toolchain, processors, toolchain

__all__ = ["binary_interface", "build_module", "headers", "suffix", "translate"]

_LAST: Final = 30  # lines of a compiler's complaint that go into the message
_PARTS: Final = "_parts"  # what the file of the parts that compute has at the end of its name
_MOST: Final = 8  # parts of what computes, that are compiled side by side
_CHECKED: Final = '"gradwright/checked.h"'


def binary_interface(tools: Toolchain | None) -> str:
    """What a built module depends on besides its text: compiler, flags and processor, Cython, headers, Python."""
    if tools is None:
        return "none"
    return cache.digest(tools.identity, cython_version(), suffix(), sys.version, *Headers().parts)


def begin(making: Objects, model: str) -> None:
    """Start what a module will need whatever it is: called before the model, which has this text, is compiled."""
    translator.prepare(model)
    making.start(making.headers.of_text('include "gradwright/module.pxi"'))


def begin_rules(making: Objects, real: str) -> None:
    """Start what modules of a real type, "float32" or "float64", will need."""
    if making.headers.takes_part("updates") and not making.tools.levels:
        making.start([making.headers.object("updates", "f32" if real == "float32" else "f64")])


def build_module(name: str, pyx: str, out_dir: Path, *, tools: Toolchain | None = None, making: Objects | None = None) -> Path:
    """Compile the Cython text ``pyx`` and put the module ``name`` into ``out_dir``, whole or not at all. ``making`` are objects
    that were started earlier."""
    if making is None:
        with Objects(tools or toolchain()) as making:
            return build_module(name, pyx, out_dir, making=making)
    with cache.scratch() as folder:
        target = folder / f"{name}{suffix()}"
        try:
            _build(name, pyx, folder, target, making)
        except BuildError as error:
            raise _with_log(error, name, folder) from None
        result = Path(out_dir) / target.name
        publish(result, target.read_bytes(), executable=True)
        return result


def _build(name: str, pyx: str, folder: Path, target: Path, making: Objects) -> None:
    tools, every = making.tools, making.tools.each()
    shared = making.headers.of_text(pyx)
    if len(every) > 1:  # the levels have functions of the same names: each keeps its own to itself
        shared = tuple(one for one in shared if one.header in _ONE_FOR_ALL)
    making.start(shared)
    c_file = translate(name, pyx, folder)
    text = c_file.read_text(encoding="utf-8")
    entry = re.search(r"^__Pyx_PyMODINIT_FUNC (PyInit\w*)\(void\)$", text, re.MULTILINE)
    if entry is None:
        raise BuildError(f"Cython made no PyInit of {name}.pyx")
    optimised = "-O0" not in tools.flags
    found, parts = computing(text, pyx, most=min(processors(), _MOST) if len(every) == 1 and optimised else 1), 1
    define = [*(one.linked for one in shared), *without(real_of(pyx))]
    start = _start(name, entry[1], len(every))
    if found is None:
        define += [f"{entry[1]}=GW_INIT", "CYTHON_NO_PYINIT_EXPORT"]
        text = _calm(text)
    else:
        text, parts = found
        c_file = folder / f"{name}{_PARTS}.c"
    text = few.apart(text) if optimised else text
    alone = found is not None and len(every) == 1  # nothing runs before the start but what is in the same file
    text = f"{_for_vectors(text, optimised)}{_NEEDS}" + (f"#if GW_IN(0)\n{start}#endif\n" if alone else "")
    c_file.write_text(text, encoding="utf-8", newline="\n")
    jobs = []
    main = re.findall(r"^int (__pyx_module_is_main_\w+) =", text, re.MULTILINE)
    for number, (level, part) in enumerate((level, part) for level in range(len(every)) for part in range(parts)):
        words = [*define, *(f"{word}={word}_{number}" for word in main)]  # other units see the word
        words += [f"GW_PART={part}"] if parts > 1 else []
        words += [f"GW_INIT=gw_init_{level}", f"GW_NEEDS=gw_needs_{level}"] if part == 0 else []
        jobs.append(making.work(_compile, every[level], c_file, folder / f"{name}_{number}.o", words, making.running))
    objects = []
    if not alone:
        (folder / "start.c").write_text(start, encoding="utf-8", newline="\n")
        objects.append(folder / "start.o")
        tools.for_any().compile_object(folder / "start.c", objects[0], include=(headers(),), running=making.running)
    objects += [job.result() for job in jobs]
    tools.link([*objects, *(making.file(one, folder) for one in shared)], target)


_NEEDS: Final = '#ifdef GW_NEEDS\n#include "gradwright/machine.h"\n#endif\n'
_ONE_FOR_ALL: Final = (START, FACE, TEAM)  # objects that are compiled for every processor


def _compile(tools: Toolchain, c_file: Path, target: Path, define: Sequence[str], running: Running) -> Path:
    """An object file of a module's C file, for one level, or of a part of it."""
    strict = c_file.stem.endswith(_PARTS)  # the linker would leave to Python's process what is called and not declared
    tools.compile_object(c_file, target, include=(headers(), c_file.parent), define=define, strict=strict, running=running)
    return target


def _start(name: str, entry: str, levels: int) -> str:
    """The C file of what Python calls first: it takes the level that this processor can run, or says that there is none."""
    lines = ['#include "gradwright/start.h"']
    for k in range(levels):
        lines += [f'extern __attribute__((visibility("hidden"))) const char gw_needs_{k}[];',
                  f'extern __attribute__((visibility("hidden"))) void *gw_init_{k}(void);']  # fmt: skip
    rows = ", ".join(f"{{gw_needs_{k}, gw_init_{k}}}" for k in range(levels))
    return "\n".join([*lines, f"static const gw_way levels[] = {{{rows}}};",
                      f'__attribute__((visibility("default"))) GW_PLAIN void *{entry}(void)',
                      f'{{ return gw_start("{name}", levels, {levels}); }}', ""])  # fmt: skip


def translate(name: str, pyx: str, folder: Path) -> Path:
    """Cython's part: the text into a C file in ``folder``."""
    source, c_file = folder / f"{name}.pyx", folder / f"{name}.c"
    source.write_text(pyx, encoding="utf-8", newline="\n")
    if _CHECKED in pyx:  # which has a module.h of its own, where the others link one
        from gradwright.runtime import face

        (folder / face.HEADER).write_text(face.code_header(), encoding="ascii", newline="\n")
    complaint = translator.translate(name, source, c_file, headers())
    if complaint is not None:
        raise BuildError(f"Cython failed on {name}.pyx\n{_without(folder, complaint).strip()}")
    return c_file


def _for_vectors(text: str, optimised: bool) -> str:
    """C of Cython's, with what the C compiler has to know to make vectors of its loops."""
    text = in_lanes(_rolled(text))
    return told_apart(text) if optimised else text


_SHORT: Final = re.compile(r"^( +)(for \((__pyx_t_\d+) = 0; \3 < (8|12|16); \3\+=1\) \{)$", re.MULTILINE)


def _rolled(text: str) -> str:
    """Keep gcc from unrolling loops of a vector or two before it comes to vectorising: it makes scalars of them."""
    return _SHORT.sub(r"#pragma GCC unroll 1\n\1\2", text)


_ASKED: Final = """\
#if defined(__OPTIMIZE__) && defined(__GNUC__) && !defined(__clang__)
#define GW_CALM
#endif
"""  # once: what optimises nothing has another __OPTIMIZE__


def _calm(text: str) -> str:
    """Keep the C compiler, where it optimises, from optimising what runs once, or waits for Python anyway: half of its time goes
    there.

    Cython marks the parts of its C file. The kernels and the calls to them stand in "module_code", before all of these.
    """
    for start, end, level in (("module_exttypes", "utility_code_pragmas", "O0"), ("utility_code_def", "end", "O1")):
        first, last = (f"/* #### Code section: {name} ### */\n" for name in (start, end))
        if text.count(first) == text.count(last) == 1 and text.index(first) < text.index(last):
            on, off = f'#pragma GCC push_options\n#pragma GCC optimize ("{level}")\n', "#pragma GCC pop_options\n"
            on, off = (f"#ifdef GW_CALM\n{lines}#endif\n" for lines in (on, off))
            text = text.replace(first, first + on).replace(last, off + last)
    return _ASKED + text


def _without(folder: Path, text: str) -> str:
    """The text of a complaint without the folder that is gone by the time somebody reads it."""
    return re.sub(rf'[^\s"]*{re.escape(folder.name)}/', "", text)


def _with_log(error: BuildError, name: str, folder: Path) -> BuildError:
    """Keep the sources and the whole complaint where the user can find them; the message carries the complaint's end."""
    text = str(error)
    lines = text.splitlines()
    short = text if len(lines) <= _LAST + 2 else "\n".join([*lines[:2], "...", *lines[-_LAST:]])
    try:
        digest = sha256(text.encode()).hexdigest()[:12]
        kept = cache.directory() / "failed" / f"{name}-{digest}"
        kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in sorted(folder.iterdir()):
            if path.name in (f"{name}.pyx", f"{name}.c", f"{name}{_PARTS}.c"):
                shutil.copyfile(path, kept / path.name)
        log = kept / "build.log"
        publish(log, (text + "\n").encode())
    except OSError:
        return BuildError(short)
    blame = "" if "did not finish" in lines[0] or "was ended" in lines[0] else "This is a fault in Gradwright, not in the model. "
    return BuildError(f"{short}\n{blame}All of it is kept in {log}", log)
