"""The whole compiler on one page: the stages in order, and what is remembered so that they need not run again.

::

    text -> syntax -> graph -> gradients -> passes -> loops -> cython -> module

Each stage takes one value and returns another; any can be stopped after and printed.
"""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import index
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Literal, SupportsIndex

from gradwright.runtime.logs import DEBUG, INFO, tell

from .build import cache, recall
from .build.files import publish_all
from .build.hashing import sha256
from .build.modules import import_file, module_name
from .build.options import MARCHES, OptionError
from .language.diagnostics import Diagnostic, GradwrightError, Label, ModelError
from .language.source import Source, Span

if TYPE_CHECKING:
    from .build.objects import Objects
    from .build.toolchain import Toolchain

Backend = Literal["cython", "numpy"]
_FORMAT: Final = 1  # of built modules in the cache
_LOST: Final = 10  # how often a module may be thrown out by other processes before it is loaded


class OutputError(GradwrightError):
    """The output folder cannot be written."""


class SourceError(GradwrightError):
    """A model's file is no text."""


# ---------------------------------------------------------------- one compilation


@dataclass
class Job:
    """What is asked for, and what the stages found on the way."""

    source: Source
    folder: Path  # where ``use "mine.gw"`` is looked for
    name: str  # of the module
    dtype: str | None
    sizes: Mapping[str, int]
    backend: Backend
    optimize: int = 3  # the C compiler's level
    march: str = "native"  # the processors that the module is for
    threads: int | None = None  # of large matrix products; None: what the machine has
    checked: bool = False  # the module names the first NaN or infinity
    profiled: bool = False  # the module says how long its parts took
    precise: bool = False  # derivatives are right to a few ulp of themselves
    values: dict[str, Any] = field(default_factory=dict)  # what each stage returned
    when: dict[str, Callable[[Any], None]] = field(default_factory=dict)  # what else is begun when a stage has returned
    diagnostics: list[Diagnostic] = field(default_factory=list)
    used: dict[str, Source] = field(default_factory=dict)  # the files that ``use`` read, by their path in the text
    hashes: dict[str, str] = field(default_factory=dict)  # of their bytes

    def read(self, path: str) -> Source | None:
        """The file that ``use "path"`` names, or None."""
        data = self.bytes_of(path)
        self.hashes[path] = sha256(data or b"").hexdigest()
        if data is None:
            return None
        name = os.path.normpath(os.path.join(os.path.dirname(self.source.name), path)).replace(os.sep, "/")
        self.used[path] = Source(name, decode(name, data))
        return self.used[path]

    def bytes_of(self, path: str) -> bytes | None:
        try:
            return (self.folder / path).read_bytes()
        except (OSError, ValueError):
            return None

    def report(self, found: Sequence[Diagnostic], *, last: bool = True) -> None:
        """Keep what a stage found; errors end the compilation, when ``last`` says that no more will be looked for."""
        self.diagnostics += [d for d in found if d not in self.diagnostics]
        if last and any(d.is_error for d in self.diagnostics):
            raise ModelError(self.diagnostics, self.sources)

    @property
    def sources(self) -> dict[str, Source]:
        return {s.name: s for s in (self.source, *self.used.values())}

    @property
    def hash(self) -> str:
        """Of the model's text and all files that it uses."""
        if not self.used:
            return sha256(self.source.text.encode()).hexdigest()
        return cache.digest(self.source.text, *(part for path in sorted(self.used) for part in (path, self.used[path].text)))

    @property
    def command(self) -> str:
        """The command that makes the same again, for the header of the generated text."""
        options = [] if self.dtype is None else ["--dtype", self.dtype]
        options += [word for name, value in self.sizes.items() for word in ("--set", f"{name}={value}")]
        options += [] if self.backend == "cython" else ["--backend", self.backend]
        options += [*(["--precise"] if self.precise else []), *(["--checked"] if self.checked else [])]
        import shlex

        return shlex.join(["gradwright", "profile" if self.profiled else "compile", self.source.name, *options])


@dataclass(frozen=True)
class Stage:
    """One step. ``run`` takes what the step before returned; ``show`` prints what this one returned."""

    name: str
    what: str
    run: Callable[[Job, Any], Any]
    show: Callable[[Job, Any], str]


def _parse(job: Job, source: Any) -> Any:
    from .language.parser import parse

    module, found = parse(source)
    job.report(found, last=module is None)
    return module


def _elaborate(job: Job, module: Any) -> Any:
    from .elaborate import elaborate

    model, found = elaborate(module, sizes=job.sizes, dtype=job.dtype, read=job.read)
    job.report(found)
    if model is None:
        return None
    if _takes_derivatives(model.graph):
        from .passes.pointwise import unproved

        job.report(unproved(model.graph, job.sources))
    file, _, rest = model.doc.partition(":")  # a first line such as "xor.gw: two layers" says again what the header says
    doc = rest.strip() if file.strip() == os.path.basename(job.source.name) else model.doc
    doc = "" if doc.strip() == os.path.basename(job.source.name) else doc
    return replace(model, name=job.name, doc=doc)  # from here on the name is the module's


def _takes_derivatives(graph: Any) -> bool:
    """Whether the model has ``diff`` in it: most have not, and wait for nothing that is imported for it."""
    from .graph.ir import Scan

    return any(_takes_derivatives(e.body) if isinstance(e, Scan) else e.body.op == "diff" for e in graph.eqns)


def _show_tree(job: Job, value: Any) -> str:
    return "\n".join(_tree(value, 0))


def _show_model(job: Job, model: Any) -> str:
    from .graph.text import show_graph

    return show_graph(model.graph, tuple(job.sources.values()))


def _show_whole(job: Job, plan: Any) -> str:
    from .graph.text import show_graph

    return show_graph(plan.whole, tuple(job.sources.values()))


def _show_loops(job: Job, lowered: Any) -> str:
    from .loops.text import show_nest

    return "\n\n".join(show_nest(nest) for nest in lowered[1])


def _tree(value: Any, depth: int) -> Iterator[str]:
    """A syntax tree, one node a line."""
    from .language.syntax import Name, Node

    stack: list[tuple[Any, int]] = [(value, depth)]  # what is to be shown, or a line as it is
    while stack:
        value, depth = stack.pop()
        if isinstance(value, str):
            yield value
            continue
        if isinstance(value, tuple):
            stack.extend((item, depth) for item in reversed(value))
            continue
        pad = "  " * depth
        plain = {k: v for k, v in vars(value).items() if isinstance(v, str | bool | Name) and v not in ("", False)}
        words = [f"{k}={v.id if isinstance(v, Name) else v!r}" for k, v in plain.items()]
        where = f"  # {value.span.line}:{value.span.column}" if isinstance(value, Node) else ""
        yield f"{pad}{' '.join([type(value).__name__, *words])}{where}"
        below: list[tuple[Any, int]] = []
        for key, child in vars(value).items():
            if key in plain or key in ("span", "op_span", "source") or child is None or not child or child is True:
                continue
            if isinstance(child, tuple) and all(isinstance(c, str) for c in child):
                below.append((f"{pad}  {key}: {' '.join(child)}", 0))
            elif isinstance(child, tuple | Node):
                below += [(f"{pad}  {key}:", 0), (child, depth + 2)]
        stack.extend(reversed(below))


def _differentiate(job: Job, model: Any) -> Any:
    from .derive.scalar import precisely
    from .passes.kernels import plan

    with precisely(job.precise):
        return plan(model)


def _lower(job: Job, plan: Any) -> Any:
    from .loops.buffers import lower_all

    return plan, lower_all(plan.kernels)


def _emit(job: Job, lowered: Any) -> Any:
    from . import library
    from .emit.stub import emit_stub

    plan, nests = lowered
    sources = {s.name: s for s in map(library.read, library.NAMES)} | job.sources
    about = {"version": version(), "digest": job.hash, "command": job.command}
    if job.backend == "numpy":
        from .emit.numpy import emit_numpy

        texts = emit_numpy(plan, sources, **about)
    else:
        from .emit.module import emit_module

        texts = emit_module(plan, sources, nests=nests, checked=job.checked, profile=job.profiled, **about)
    return texts | emit_stub(plan, version=version())


def _show_texts(job: Job, texts: Any) -> str:
    return str(texts.get(f"{job.name}.pyx") or texts[f"{job.name}.py"])


STAGES: Final[tuple[Stage, ...]] = (
    Stage("syntax", "the text as a tree", _parse, _show_tree),
    Stage("graph", "names and shapes resolved: one equation an operation", _elaborate, _show_model),
    Stage("gradients", "the graph with its backward pass, after the passes", _differentiate, _show_whole),
    Stage("loops", "when each thing is computed, and where it lives", _lower, _show_loops),
    Stage("cython", "the text of the module, its stub and its source map", _emit, _show_texts),
)
STAGE_NAMES: Final = tuple(stage.name for stage in STAGES)


# ---------------------------------------------------------------- what is remembered between runs


def version() -> str:
    """The compiler's own, as "0.1.0"."""
    from . import __version__

    return __version__


def shown(diagnostics: Sequence[Diagnostic], sources: Mapping[str, Source]) -> list[str]:
    """Each of the diagnostics as text, with the lines of the model."""
    from .language.diagnostics import render

    return [render(diagnostic, sources) for diagnostic in diagnostics]


def _diagnostic(data: Mapping[str, Any]) -> Diagnostic:
    """A diagnostic from its ``to_dict``."""
    labels = tuple(Label(Span(**label["span"]), label["text"]) for label in data["labels"])
    severity = data["severity"]
    return Diagnostic(data["code"], data["message"], Span(**data["span"]), labels, tuple(data["notes"]), data["help"], severity)


def _from_cache(job: Job, front_key: str) -> cache.Entry | None:
    """The module that this text became before, with the warnings that it had then."""
    front = cache.find_front(front_key, job.bytes_of)
    entry = cache.find(front.module) if front is not None else None
    if front is None or entry is None:
        return None
    for path, _ in front.used:
        job.read(path)
    job.diagnostics = [_diagnostic(d) for d in front.about["diagnostics"]]
    return entry


def _build(job: Job, texts: Mapping[str, str], tools: Toolchain | None, making: Objects | None) -> cache.Entry:
    """The module of the emitted ``texts`` (file name to text), from the cache or made now."""

    def make(folder: Path) -> Mapping[str, Any]:
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
        if making is not None:
            from .build.compile import build_module

            build_module(job.name, texts[f"{job.name}.pyx"], folder, making=making)
        return {"name": job.name, "model": job.source.name, "version": version()}

    from .build.compile import binary_interface

    parts = [part for name in sorted(texts) for part in (name, texts[name])]
    return cache.obtain(cache.digest("module", str(_FORMAT), version(), binary_interface(tools), job.name, *parts), make)


# ---------------------------------------------------------------- the entries


@dataclass(frozen=True)
class Result:
    """What a compilation gave."""

    job: Job
    stage: str  # the last that ran
    entry: cache.Entry | None = None
    files: tuple[Path, ...] = ()  # written into the output folder, or already there
    cached: bool = False

    @property
    def name(self) -> str:
        """Of the module."""
        return self.job.name

    @property
    def value(self) -> Any:
        """What the last stage returned."""
        return self.job.values.get(self.stage)

    @property
    def text(self) -> str:
        """What the last stage returned, printed."""
        return next(stage for stage in STAGES if stage.name == self.stage).show(self.job, self.value)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        return tuple(self.job.diagnostics)

    @property
    def sources(self) -> Mapping[str, Source]:
        return self.job.sources


def compile_model(
    model: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] | None = None,
    dtype: str | None = None,
    sizes: Mapping[str, int] | None = None,
    backend: Backend = "cython",
    optimize: int = 3,
    march: str = "native",
    threads: int | None = None,
    checked: bool = False,
    profiled: bool = False,
    precise: bool = False,
    stop_after: str | None = None,
    name: str | None = None,
) -> Result:
    """Compile a model, given by its path or as text. With ``out`` its files are written into that folder.

    ``sizes`` overrides fixed sizes, ``dtype`` ("float64", "float32") the real type; the rest is as in :func:`load`. With
    ``stop_after``, one of ``STAGE_NAMES``, nothing is built, and the result's ``value`` is what that stage returned.

    Raises :class:`ModelError` for what is wrong in the text, :class:`SourceError` for a file that is no UTF-8,
    ``OptionError`` for what cannot be asked for here, :class:`OutputError` where ``out`` cannot be written, ``ToolchainError``
    without a C compiler, ``BuildError`` where it refuses what was written: all of them a ``GradwrightError``.
    """
    job = _job(model, dtype, sizes, backend, name, optimize, march, threads, checked, profiled, precise)
    if stop_after is not None:
        if stop_after not in STAGE_NAMES:
            raise ValueError(f"no stage is called {stop_after!r}; they are {', '.join(STAGE_NAMES)}")
        _run(job, stop_after)
        return Result(job, stop_after)
    folder = None if out is None else _writable(Path(out))
    entry, cached = _obtain(job)
    files = () if folder is None else _write_out(job, entry, folder)
    return Result(job, "module", entry, files, cached)


def check_model(model: str | os.PathLike[str], *, dtype: str | None = None, sizes: Mapping[str, int] | None = None) -> Result:
    """Find the errors and warnings of a model: warnings are the result's ``diagnostics``, errors are in the
    :class:`ModelError` that is raised. Nothing is compiled or written."""
    return compile_model(model, dtype=dtype, sizes=sizes, stop_after="graph")


def draw(model: str | os.PathLike[str], form: Literal["text", "dot", "mermaid"] = "text", *, dtype: str | None = None,
         sizes: Mapping[str, int] | None = None) -> str:  # fmt: skip
    """The graph of a model as text, one line an operation, or as a drawing for Graphviz ("dot") or Markdown ("mermaid").
    Raises :class:`ModelError` where the model has errors."""
    result = compile_model(model, dtype=dtype, sizes=sizes, stop_after="graph")
    if form == "text":
        return result.text
    from .emit import drawing

    return {"dot": drawing.dot, "mermaid": drawing.mermaid}[form](result.value)


def derivations(model: str | os.PathLike[str], *, dtype: str | None = None, sizes: Mapping[str, int] | None = None) -> Result:
    """The local derivative of every function in a model's graph, after gates that are spelled out were recognised: the
    result's ``job.values["derivations"]`` has, for each, the function, the text, and the pieces of the model where it stands.
    Raises :class:`ModelError` where the model has errors."""
    from .derive.scalar import derivation
    from .graph.expr import LEAVES, is_drawn, walk
    from .graph.ir import Eqn
    from .passes import BEFORE, apply

    result = compile_model(model, dtype=dtype, sizes=sizes, stop_after="graph")
    linear = {*LEAVES, "add", "sub", "mul", "neg", "diff"}  # whose derivatives need no explanation
    found: dict[Any, tuple[str, str, list[Span]]] = {}
    for eqn in apply(BEFORE, result.value.graph).eqns:
        if isinstance(eqn, Eqn) and not is_drawn(eqn.body) and any(node.op not in linear for node in walk(eqn.body)):
            if eqn.body not in found:
                found[eqn.body] = (eqn.op, derivation(eqn.op, eqn.body), [])
            known = found[eqn.body][2]
            known += [s for s in eqn.origin.spans if s not in known]
    result.job.values["derivations"] = tuple(found.values())
    return result


def load(
    model: str | os.PathLike[str],
    *,
    dtype: str | None = None,
    sizes: Mapping[str, int] | None = None,
    backend: Backend = "cython",
    optimize: int = 3,
    march: str = "native",
    threads: int | None = None,
    checked: bool = False,
    profiled: bool = False,
    precise: bool = False,
    name: str | None = None,
) -> ModuleType:
    """The module of a model, given by its path or as text: from the cache, or compiled now.

    ``optimize`` is the C compiler's level, ``march`` the processors that the module is for (native, x86-64-v2, -v3, -v4,
    armv8, dispatch), ``threads`` how many its matrix products may use. A ``checked`` module says where the first NaN comes from,
    a ``profiled`` one how long its parts take (``model.profile``). The derivatives of a ``precise`` one are right to a few ulp of
    themselves, far into the tails; otherwise they are to a few eps * max(1, |f'|). Raises what :func:`compile_model` raises.
    """
    return load_with(model, dtype=dtype, sizes=sizes, backend=backend, optimize=optimize, march=march, threads=threads,
                     checked=checked, profiled=profiled, precise=precise, name=name)[0]  # fmt: skip


def load_with(
    model: str | os.PathLike[str],
    *,
    dtype: str | None = None,
    sizes: Mapping[str, int] | None = None,
    backend: Backend = "cython",
    optimize: int = 3,
    march: str = "native",
    threads: int | None = None,
    checked: bool = False,
    profiled: bool = False,
    precise: bool = False,
    name: str | None = None,
) -> tuple[ModuleType, Result]:
    """As :func:`load`, with what the compilation said."""
    job = _job(model, dtype, sizes, backend, name, optimize, march, threads, checked, profiled, precise)
    for attempt in range(1, _LOST + 1):
        entry, cached = _obtain(job)
        path = entry.path(recall.importable(job.name, job.backend))
        try:
            return import_file(job.name, path, entry.key), Result(job, "module", entry, (), cached)
        except (ImportError, OSError) as error:
            if "which this machine lacks" in str(error):
                raise OptionError(str(error)) from None
            if attempt == _LOST or (attempt > 1 and path.exists()):
                from .build.toolchain import ToolchainError

                cache.forget(entry.key)
                raise ToolchainError(f"what the C compiler made cannot be loaded: {error}") from error
            # else: thrown out by another process between finding and loading
    raise AssertionError


def _obtain(job: Job) -> tuple[cache.Entry, bool]:
    if job.backend == "cython":
        _prepare(job.source.text)
    tools = recall.tools_for(job.optimize, job.march, job.threads) if job.backend == "cython" else None
    name, text = job.source.name, job.source.text
    front_key = recall.front_key(job.name, job.dtype, job.sizes, job.backend, job.checked, tools, name, text, job.profiled,
                                 job.precise)  # fmt: skip
    entry = _from_cache(job, front_key)
    if entry is not None:
        tell(DEBUG, "cache", "%s is found in %s", job.source.name, entry.folder)
        return entry, True
    tell(INFO, "cache", "%s is not in the cache as it is now", job.source.name)
    told = {"dtype": job.dtype, "sizes": job.sizes, "backend": job.backend, "checked": job.checked, "profiled": job.profiled,
            "precise": job.precise, "compiler": tools.identity[:16] if tools else None,
            "gradwright": recall.stamp()[:16]}  # fmt: skip
    tell(DEBUG, "cache", "%s was looked for as %s, with %s", job.source.name, front_key, told)
    with cache.locked(f"front-{front_key[:2]}"):  # of many that want the same at once, one works
        entry = _from_cache(job, front_key)
        if entry is not None:
            tell(DEBUG, "cache", "%s was made by another process meanwhile: %s", job.source.name, entry.folder)
            return entry, True
        started = time.monotonic()
        with _beside(job, tools) as making:
            _run(job, STAGE_NAMES[-1])
            entry = _build(job, job.values[STAGE_NAMES[-1]], tools, making)
        tell(INFO, "compile", "%s became %s in %.2f s", job.source.name, entry.folder, time.monotonic() - started)
        found = [d.to_dict() for d in job.diagnostics]
        about = {"diagnostics": found, "shown": shown(job.diagnostics, job.sources)}
        cache.keep_front(front_key, cache.Front(entry.key, tuple(sorted(job.hashes.items())), about))
    return entry, False


def _prepare(text: str) -> None:
    """Where the C compiler must be tried first, nothing is in the cache for it: Cython can start meanwhile."""
    from .build.toolchain import is_known

    if not is_known():
        from .build import translator

        translator.prepare(text)


@contextlib.contextmanager
def _beside(job: Job, tools: Toolchain | None) -> Iterator[Objects | None]:
    """What the C compiler and Cython can do before there is a text for them, while the stages run."""
    if tools is None:
        yield None
        return
    from .build.compile import begin, begin_rules
    from .build.objects import Objects

    with Objects(tools) as making:
        begin(making, job.source.text)
        job.when["graph"] = lambda model: begin_rules(making, model.dtype)
        yield making


def _run(job: Job, last: str) -> None:
    value: Any = job.source
    with uncollected():
        for stage in STAGES:
            started = time.monotonic()
            value = job.values[stage.name] = stage.run(job, value)
            if value is not None and stage.name in job.when:
                job.when[stage.name](value)
            tell(DEBUG, "compile", "%s: %s, %.3f s", job.source.name, stage.name, time.monotonic() - started)
            if stage.name == last:
                break
    job.report(())


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Without Python's collector. What the stages make is alive until they are done and has hardly a cycle: to look through all
    of it again and again takes as long as the stages, and more for each operation of a longer model."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def _whole(sizes: Mapping[str, Any]) -> dict[str, int]:
    for name, value in sizes.items():
        if isinstance(value, bool) or not isinstance(value, SupportsIndex):
            raise TypeError(f"sizes: {name} is {value!r}, which is no whole number")
    return {name: index(value) for name, value in sizes.items()}


def _job(
    model: str | os.PathLike[str], dtype: str | None, sizes: Mapping[str, int] | None, backend: Backend, name: str | None,
    optimize: int, march: str, threads: int | None, checked: bool, profiled: bool, precise: bool,
) -> Job:  # fmt: skip
    if backend not in ("cython", "numpy"):
        raise ValueError(f"no backend is called {backend!r}; they are cython and numpy")
    if optimize not in (0, 1, 2, 3):
        raise ValueError(f"optimize is 0, 1, 2 or 3, not {optimize!r}")
    if march not in MARCHES:
        raise ValueError(f"march is one of {', '.join(MARCHES)}, not {march!r}")
    if threads is not None and threads < 1:
        raise ValueError(f"threads is 1 or more, or None for what the machine has, not {threads!r}")
    if checked and backend != "cython":
        raise OptionError("a checked module needs the cython backend; in the numpy one, np.seterr(all='raise') does the same")
    if profiled and (backend != "cython" or checked):
        raise OptionError("only a module of the cython backend that is not checked says how long its parts take")
    if isinstance(model, str) and recall.is_text(model):
        source, folder, stem = Source(f"{name or 'model'}.gw", model), Path.cwd(), name or "model"
    else:
        path = Path(model)
        source = Source(recall.shown_path(path), decode(str(path), path.read_bytes()))
        folder, stem = path.absolute().parent, name or path.stem
    name = module_name(stem)
    return Job(source, folder, name, dtype, _whole(sizes or {}), backend, optimize, march, threads, checked, profiled, precise)


def decode(name: str, data: bytes) -> str:
    """The text of a model's file. Raises :class:`SourceError`, which names the line, where it is no UTF-8."""
    try:
        return recall.decode(data)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        wrong = f"{name}:{line}: this is not UTF-8 text (byte 0x{data[error.start]:02x})"
        raise SourceError(f"{wrong}; save the file as UTF-8") from None


# ---------------------------------------------------------------- the output folder


def _writable(folder: Path) -> Path:
    """The folder, made where it was missing; before anything is compiled for it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the output folder {folder} cannot be made: {error.strerror or error}") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"the output folder {folder} cannot be written: permission denied; choose another with -o")
    return folder


def _write_out(job: Job, entry: cache.Entry, folder: Path) -> tuple[Path, ...]:
    """The module's files into ``folder``; what another backend left there and Python would import instead goes."""
    module = recall.importable(job.name, job.backend)
    try:
        publish_all(folder, {name: entry.path(name).read_bytes() for name in entry.files}, executable=(module,))
        if job.backend == "numpy":
            for path in folder.glob(f"{job.name}.*"):
                if path.suffix in (".so", ".pyd") or path.name == f"{job.name}.pyx":
                    path.unlink()
        else:
            stale = folder / f"{job.name}.py"
            if stale.is_file() and "gradwright" in stale.read_text(encoding="utf-8", errors="replace")[:2000]:
                stale.unlink()
    except OSError as error:
        raise OutputError(f"the output folder {folder} cannot be written: {error.strerror or error}") from None
    return tuple(folder / name for name in entry.files)
