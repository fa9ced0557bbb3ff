"""The process that runs Cython: started before there is a text for it, asked once for each module, and kept for the next."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Final

from gradwright.runtime.logs import DEBUG, tell

from .cythonize import cythonize, letters
from .toolchain import BuildError, ToolchainError


class _Process:
    """A running ``cythonize.py``, which knows some letters beyond ASCII."""

    def __init__(self, known: str) -> None:
        from importlib.util import find_spec

        spec = find_spec("Cython")
        if spec is None or not spec.submodule_search_locations:
            raise OSError("Cython is not a package on the path")
        if not sys.executable:
            raise OSError("this Python does not know its own program")
        where = Path(next(iter(spec.submodule_search_locations))).parent
        script = Path(__file__).with_name("cythonize.py")
        if not script.is_file():
            raise OSError(f"{script} is not a file")
        self.known, self.owner = known, os.getpid()
        command = [sys.executable, "-I", "-S", str(script), str(where), known]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True, text=True,
            encoding="utf-8",
        )  # fmt: skip
        tell(DEBUG, "compile", "Cython runs in process %d", self.process.pid)

    def usable(self, known: str) -> bool:
        return os.getpid() == self.owner and self.process.poll() is None and set(known) <= set(self.known)

    def ask(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """Its answer; None where it ended without one."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            return None
        return json.loads(line) if line.endswith("\n") else None

    def end(self) -> None:
        if os.getpid() != self.owner:
            return  # a copy of the process that started it
        with contextlib.suppress(OSError):
            self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        self.process.wait()


_lock: Final = threading.Lock()
_running: list[_Process] = []  # at most one


def prepare(text: str) -> None:
    """Start Cython's process, which has half a second's work before it can translate the module that ``text`` will become."""
    with _lock, contextlib.suppress(OSError):
        _obtain(letters(text))


def end() -> None:
    """End Cython's process."""
    with _lock:
        while _running:
            _running.pop().end()


def _obtain(known: str) -> _Process:
    if _running and not _running[0].usable(known):
        known = letters(known + _running[0].known)
        _running.pop().end()
    if not _running:
        import atexit

        _running.append(_Process(known))
        atexit.unregister(end)
        atexit.register(end)
    return _running[0]


def translate(name: str, source: Path, c_file: Path, include: Path) -> str | None:
    """As :func:`cythonize`, in Cython's process where that can be started and in this one elsewhere."""
    request = {"name": name, "source": str(source), "c_file": str(c_file), "include": [str(include)]}
    known = letters(source.read_text(encoding="utf-8"))
    with _lock:
        for attempt in (1, 2):  # it may have ended, idle, just now
            try:
                process = _obtain(known)
            except OSError as error:
                tell(DEBUG, "compile", "Cython has no process of its own: %s", error)
                break
            try:
                answer = process.ask(request)
            except BaseException:  # Ctrl-C: what it answers would be taken for the next answer
                _running.pop().end()
                raise
            if answer is not None:
                return _answer(answer)
            _running.pop().end()
            status = process.process.returncode
            if attempt == 2:
                how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
                raise BuildError(f"Cython's process {how}")
        try:
            return cythonize(name, str(source), str(c_file), [str(include)])
        except ImportError as error:
            return _answer({"missing": str(error)})


def _answer(answer: dict[str, Any]) -> str | None:
    if "os" in answer:
        raise OSError(*answer["os"])
    if "missing" in answer:
        raise ToolchainError(f"Cython cannot be imported ({answer['missing']}): pip install 'cython>=3.1'")
    complaint = answer["complaint"]
    return None if complaint is None else str(complaint)
