"""Cython, by itself: in a process of its own where there can be one, for what it sets up takes longer than a model.

This file imports nothing of Gradwright: it is what that process runs. It reads one request a line and answers with a line, both
JSON, and ends when nobody can ask any more.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

IDLE: Final = 120.0  # seconds without a request after which the process ends
REST: Final = 5.0  # and after which it looks for what nobody uses any more
_UNTIDY: Final = 8  # requests that may follow one another without that


def cythonize(name: str, source: str, c_file: str, include: list[str]) -> str | None:
    """Translate ``source`` into ``c_file`` as the module ``name``; None, or what Cython complained of."""
    from Cython.Compiler.Errors import CompileError
    from Cython.Compiler.Main import compile_single
    from Cython.Compiler.Options import CompilationOptions, default_options

    listing = Path(source).with_suffix(".lis")
    with _plain_names():
        options = CompilationOptions(
            default_options, output_file=c_file, include_path=include, use_listing_file=True,
            errors_to_stderr=False, emit_linenums=False, annotate=False, compiler_directives={"language_level": 3},
        )  # fmt: skip
        try:
            failed = compile_single(source, options, full_module_name=name).num_errors > 0
            complaint = ""
        except (CompileError, RecursionError) as error:
            failed, complaint = True, f"{type(error).__name__}: {error}"
    if not failed and os.path.isfile(c_file):
        return None
    if listing.is_file():
        complaint = listing.read_text(encoding="utf-8", errors="replace") + complaint
    return complaint


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


# ---------------------------------------------------------------- a process of its own


def letters(text: str) -> str:
    """The characters beyond ASCII that can stand in names, among those of a text."""
    return "".join(sorted({c for c in text if not c.isascii() and f"a{c}".isidentifier()})) if not text.isascii() else ""


def know_letters(known: str) -> bool:
    """Let Cython's lexer know the letters of ASCII and of ``known`` alone, before it is made: all those of Unicode are a
    million and a half entries in its tables, and a third of a second. Whether that could be done."""
    from Cython.Compiler import Lexicon

    starts = "".join(c for c in known if c.isidentifier())
    tables = {"unicode_start_ch_any": f"_{starts}", "unicode_start_ch_range": "AZaz",
              "unicode_continuation_ch_any": f"_{known}", "unicode_continuation_ch_range": "09"}  # fmt: skip
    if not all(isinstance(getattr(Lexicon, name, None), str) for name in tables):
        return False  # another Cython: it takes its time
    for name, value in tables.items():
        setattr(Lexicon, name, value)
    return True


_EXCEPTIONS: Final = ("BaseException", "Exception")


def know_exceptions() -> bool:
    """Let Cython know the type of few of Python's exceptions: what it sets up for each of seventy takes as long as half of its
    other modules. One that it does not know is looked up by its name, when it is raised. Whether that could be done."""
    from Cython.Compiler import PyrexTypes

    every = getattr(PyrexTypes, "KNOWN_EXCEPTION_NAMES", None)
    if not isinstance(every, frozenset):
        return False  # another Cython
    PyrexTypes.KNOWN_EXCEPTION_NAMES = every.intersection(_EXCEPTIONS)
    return True


_NETWORK: Final = "urllib.request"


def know_no_network() -> None:
    """Keep Cython's page of annotations, which is not asked for, from importing what could fetch it from elsewhere: XML's
    functions, of which it wants the one that quotes, come with HTTP, mail and TLS, a tenth of all that Cython imports."""
    sys.modules.setdefault(_NETWORK, type(sys)(_NETWORK))


def serve(known: str) -> None:
    """Answer requests from standard input on standard output."""
    import select

    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)  # what Cython prints is no answer
    know_no_network()
    try:
        from Cython.Compiler import Main  # noqa: F401

        know_letters(known)  # before the others, which make the lexer, and after Main, which checks module names
        know_exceptions()
        # Imported while the model is still being compiled; otherwise the first request would wait for it.
        from Cython.Compiler import ModuleNode, Optimize, ParseTreeTransforms, Pipeline  # noqa: F401
    except ImportError:
        pass  # the request finds it out again, and says so
    gc.disable()  # its trees are alive until the end: looking through them again and again takes longer for a longer text
    gc.freeze()  # what Cython is made of stays
    untidy = 0
    while True:
        if not select.select([0], [], [], REST if untidy else IDLE)[0]:
            if not untidy:
                return
            gc.collect()  # now, and not when the answer is there: the C compiler wants the processor then
            untidy = 0
            continue
        line = sys.stdin.readline()
        if not line:
            return
        if untidy >= _UNTIDY:
            gc.collect()
            untidy = 0
        answer: dict[str, Any]
        try:
            answer = {"complaint": cythonize(**json.loads(line))}
        except OSError as error:
            answer = {"os": [error.errno, error.strerror, error.filename]}
        except ImportError as error:
            answer = {"missing": str(error)}
        except Exception as error:
            answer = {"complaint": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        untidy += 1


if __name__ == "__main__":
    sys.path[:] = [p for p in sys.path if p != os.path.dirname(os.path.abspath(__file__))]  # whose files have names of others
    sys.path.append(sys.argv[1])
    serve(sys.argv[2])
