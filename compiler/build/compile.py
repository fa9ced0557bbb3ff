"""One Cython text into one importable file: Cython in this process, then the C compiler, nothing else."""

from __future__ import annotations

import contextlib
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from . import cache
from .files import publish
from .hashing import sha256
from .modules import suffix
from .recall import cython_version, headers
from .toolchain import BuildError, Toolchain, ToolchainError, toolchain

__all__ = ["binary_interface", "build_module", "headers", "suffix", "translate"]

_cython: Final = threading.Lock()  # Cython keeps its state in its modules
_THREADED: Final = ("cython.parallel", "gradwright/gemm.h", "gradwright/contract.h", "gradwright/guarded.h",
                     "gradwright/share.h")  # fmt: skip
_LAST: Final = 30  # lines of a compiler's complaint that go into the message


def binary_interface(tools: Toolchain | None) -> str:
    """What a built module depends on besides its text: compiler, flags and processor, Cython, headers, Python."""
    if tools is None:
        return "none"
    files = sorted(p for p in (headers() / "gradwright").rglob("*") if p.is_file())
    parts = [part for p in files for part in (p.name.encode(), p.read_bytes())]
    return cache.digest(tools.identity, cython_version(), suffix(), sys.version, *parts)


def build_module(name: str, pyx: str, out_dir: Path, *, tools: Toolchain | None = None) -> Path:
    """Compile the Cython text ``pyx`` and put the module ``name`` into ``out_dir``, whole or not at all."""
    tools = tools or toolchain()
    with cache.scratch() as folder:
        target = folder / f"{name}{suffix()}"
        try:
            c_file = translate(name, pyx, folder)
            tools.compile(c_file, target, include=(headers(),), threads=any(word in pyx for word in _THREADED))
        except BuildError as error:
            raise _with_log(error, name, folder) from None
        result = Path(out_dir) / target.name
        publish(result, target.read_bytes(), executable=True)
        return result


def translate(name: str, pyx: str, folder: Path) -> Path:
    """Cython's part: the text into a C file in ``folder``."""
    from gradwright.runtime import face

    source, c_file = folder / f"{name}.pyx", folder / f"{name}.c"
    source.write_text(pyx, encoding="utf-8", newline="\n")
    (folder / face.HEADER).write_text(face.code_header(), encoding="ascii", newline="\n")
    try:
        from Cython.Compiler.Errors import CompileError
        from Cython.Compiler.Main import compile_single
        from Cython.Compiler.Options import CompilationOptions, default_options
    except ImportError as error:
        raise ToolchainError(f"Cython cannot be imported ({error}): pip install 'cython>=3.1'") from None
    listing = folder / f"{name}.lis"
    with _cython, _plain_names():
        options = CompilationOptions(
            default_options, output_file=str(c_file), include_path=[str(headers())], use_listing_file=True,
            errors_to_stderr=False, emit_linenums=False, annotate=False, compiler_directives={"language_level": 3},
        )  # fmt: skip
        try:
            failed = compile_single(str(source), options, full_module_name=name).num_errors > 0
            complaint = ""
        except (CompileError, RecursionError) as error:
            failed, complaint = True, f"{type(error).__name__}: {error}"
    if failed or not c_file.is_file():
        if listing.is_file():
            complaint = listing.read_text(encoding="utf-8", errors="replace") + complaint
        raise BuildError(f"Cython failed on {name}.pyx\n{_without(folder, complaint).strip()}")
    c_file.write_text(_guarded(name, _calm(_rolled(c_file.read_text(encoding="utf-8")))), encoding="utf-8", newline="\n")
    return c_file


_ENTRY: Final = "  return PyModuleDef_Init(&__pyx_moduledef);\n"


def _guarded(name: str, text: str) -> str:
    """Let the module's entry look first whether this processor has the instructions that the module was built with. It is
    then an ImportError that says so, where it would be the end of the process."""
    first = re.search(r"^(__Pyx_)?PyMODINIT_FUNC PyInit", text, re.MULTILINE)
    if text.count(_ENTRY) != 1 or first is None:
        return text
    check = (
        "  { const char *gwm_lacks = gw_machine_lacks();\n"
        "    if (gwm_lacks) {\n"
        '      PyErr_Format(PyExc_ImportError, "this module was compiled for a processor with %s, which this machine lacks; "\n'
        f'                   "compile {name} again here, or with --march x86-64-v2", gwm_lacks);\n'
        "      return NULL;\n"
        "    } }\n"
    ).replace("for a processor", "for processors")
    head, rest = text[: first.start()], text[first.start() :]
    return f'{head}#include "gradwright/machine.h"\n{rest.replace(_ENTRY, check + _ENTRY)}'


_SHORT: Final = re.compile(r"^( +)(for \((__pyx_t_\d+) = 0; \3 < (8|12|16); \3\+=1\) \{)$", re.MULTILINE)


def _rolled(text: str) -> str:
    """Keep gcc from unrolling loops of a vector or two before it comes to vectorising: it makes scalars of them."""
    return _SHORT.sub(r"#pragma GCC unroll 1\n\1\2", text)


def _calm(text: str) -> str:
    """Keep the C compiler from optimising what runs once, or waits for Python anyway: half of its time goes there.

    Cython marks the parts of its C file. The kernels and the calls to them stand in "module_code", before all of these.
    """
    for start, end, level in (("module_exttypes", "utility_code_pragmas", "O0"), ("utility_code_def", "end", "O1")):
        first, last = (f"/* #### Code section: {name} ### */\n" for name in (start, end))
        if text.count(first) == text.count(last) == 1 and text.index(first) < text.index(last):
            on, off = f'#pragma GCC push_options\n#pragma GCC optimize ("{level}")\n', "#pragma GCC pop_options\n"
            on, off = (f"#if defined(__GNUC__) && !defined(__clang__)\n{lines}#endif\n" for lines in (on, off))
            text = text.replace(first, first + on).replace(last, off + last)
    return text


@contextlib.contextmanager
def _plain_names() -> Iterator[None]:
    """Cython writes into a module where its files lie. Their names are enough, and make two builds of one text equal."""
    from Cython.Compiler.Scanning import FileSourceDescriptor as Descriptor

    changed: dict[str, Any] = {
        "get_filenametable_entry": lambda self: Path(self.filename).name,
        "get_relative_path": lambda self: Path(Path(self.filename).name),
        "get_description": lambda self: Path(self.filename).name,
    }
    before = {name: getattr(Descriptor, name) for name in changed if hasattr(Descriptor, name)}
    try:
        for name in before:
            setattr(Descriptor, name, changed[name])
        yield
    finally:
        for name, method in before.items():
            setattr(Descriptor, name, method)


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
            if path.suffix in (".pyx", ".c"):
                shutil.copyfile(path, kept / path.name)
        log = kept / "build.log"
        publish(log, (text + "\n").encode())
    except OSError:
        return BuildError(short)
    blame = "" if "did not finish" in lines[0] or "was ended" in lines[0] else "This is a fault in Gradwright, not in the model. "
    return BuildError(f"{short}\n{blame}All of it is kept in {log}", log)
