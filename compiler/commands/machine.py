"""The machine and what is kept on it: cache, doctor."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from typing import Any

import click

from ..build.options import MARCHES
from .common import TOOLCHAIN_ERROR, Failure, color, failures


@click.group("cache")
def cache_command() -> None:
    """Look at the cache of built modules, or empty it.

    \b
    Examples:
      gradwright cache info
      gradwright cache clear

    It is a folder of your own, at $GRADWRIGHT_CACHE or the system's place for caches, of at most $GRADWRIGHT_CACHE_SIZE MiB.
    """


@cache_command.command("info")
def cache_info() -> None:
    """Where the cache is, and what is in it.

    \b
    Example:
      gradwright cache info
    """
    from ..build import cache

    with failures():
        about = cache.info()
        click.echo(f"folder    {about.folder}")
        total = f"{about.bytes / 2**20:.1f} MiB of at most {about.limit / 2**20:.0f}"
        click.echo(f"modules   {about.modules}, and {about.objects} objects that they share: {total}")
        click.echo(f"failed    {about.failed} logs of builds that failed")
        for size, name, key in about.largest:
            click.echo(f"  {size / 2**20:8.2f} MiB  {name}  {key[:12]}")


@cache_command.command("clear")
def cache_clear() -> None:
    """Throw everything in the cache out. Models are compiled again when they are needed.

    \b
    Example:
      gradwright cache clear
    """
    from ..build import cache

    with failures():
        about = cache.info()
        cache.clear()
        click.echo(f"{about.modules} modules thrown out, {about.bytes / 2**20:.1f} MiB")


@click.command("doctor")
def doctor_command() -> None:
    """Say what this machine can do, what is missing, and how to get it. Exit code 3 if nothing can be built.

    \b
    Example:
      gradwright doctor
    """
    with failures():
        found = examine()
        for name, text in found.lines:
            click.echo(f"{name:<12}{text}")
        for problem in found.problems:
            first, _, rest = problem.partition("\n")
            mark = click.style("missing", fg="red", bold=True) if color(sys.stdout) else "missing"
            click.echo(f"{mark}: {first}" + (f"\n{rest}" if rest else ""))
        if not found.builds:
            raise Failure("nothing can be compiled here; models still run, slowly: --backend numpy", TOOLCHAIN_ERROR)
        click.echo("all is well" if not found.problems else "models can be compiled")


@click.command("tune")
@click.option("--write", "target", type=click.Path(dir_okay=False), metavar="FILE", help="Put the table there instead.")
@click.option("--dry-run", is_flag=True, help="Measure and tell, and write nothing.")
@click.option("--march", type=click.Choice(MARCHES[:-1]), default="native", show_default=True,
              help="The processors whose vectors are measured: a table has a row for each width.")  # fmt: skip
def tune_command(target: str | None, dry_run: bool, march: str) -> None:
    """Measure how large the blocks of matrix products are best on this machine.

    What is compiled from then on uses that table, at $GRADWRIGHT_BLOCKING or the system's place for settings. Delete the file to
    have the built-in one again. Sums are then taken in other blocks of the depth: last digits may differ.

    \b
    Examples:
      gradwright tune
      gradwright tune --dry-run
      gradwright tune --write blocking.json         # for GRADWRIGHT_BLOCKING=blocking.json
    """
    from pathlib import Path

    from ..build import blocking
    from ..build.toolchain import processor

    with failures():
        if target and dry_run:
            raise click.UsageError("--write says where to write, --dry-run to write nothing: give one of them")
        path = Path(target) if target else blocking.place()
        rows = blocking.load() if not target else blocking.read(path.read_text("utf-8"), target) if path.exists() else {}
        found = blocking.tune(march)
        click.echo(f"{'rows':>5} {'columns':>8} {'depth':>6} {'':3} {'before':>8} {'after':>8}   GFLOP/s, float32, one thread")
        for (m, n, k, transposed), before, after in found.speeds:
            click.echo(f"{m:5} {n:8} {k:6} {'TN' if transposed else 'NN':3} {before / 1e9:8.1f} {after / 1e9:8.1f}")
        click.echo(f"vectors of {found.width} bytes: {found.before}")
        if found.after == found.before:
            click.echo("nothing that was tried is faster on the whole")
        else:
            click.echo(f"{'faster':>{len(f'vectors of {found.width} bytes')}}: {found.after}")
        if not dry_run:
            blocking.write(path, {**rows, found.width: found.after}, processor())
            click.echo(f"written to {path}")


@dataclass(frozen=True)
class Examination:
    """What this machine has: ``(what, text)`` a line; what is missing, with how to get it; whether models can be compiled."""

    lines: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]
    builds: bool


def examine() -> Examination:
    """What ``gradwright doctor`` prints: versions, compiler, flags, vectors, threads, cache. Builds and runs a small module."""
    from ..build.toolchain import processors

    lines: list[tuple[str, str]] = []
    problems: list[str] = []
    good = True
    lines.append(("python", f"{platform.python_version()} at {sys.executable}"))
    lines.append(("system", f"{platform.platform(terse=True)} {platform.machine()}, {processors()} processors"))
    for name, need in (("numpy", True), ("cython", True), ("sympy", True), ("safetensors", False), ("matplotlib", False),
                       ("scipy", False)):  # fmt: skip
        found = _version(name)
        lines.append((name, found or ("MISSING" if need else "not installed")))
        if found is None and need:
            good = False
            problems.append(f"{name} is missing: pip install {name}")
    lines.append(("blas", _blas() + " (NumPy's; Gradwright's modules bring their own products)"))
    good = _compiler(lines, problems) and good
    _cache(lines, problems)
    return Examination(tuple(lines), tuple(problems), good)


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _blas() -> str:
    try:
        import numpy

        config: Any = numpy.show_config(mode="dicts")
        blas = config["Build Dependencies"]["blas"]
        return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()
    except Exception:  # an old NumPy, or one that is broken: only a line of a report
        return "unknown"


def _compiler(lines: list[tuple[str, str]], problems: list[str]) -> bool:
    from ..build import toolchain
    from ..language.diagnostics import GradwrightError

    try:
        tools = toolchain.toolchain()
    except GradwrightError as error:
        lines.append(("compiler", "MISSING"))
        problems.append(str(error))
        return False
    lines.append(("compiler", f"{' '.join(tools.command)}: {tools.version}"))
    lines.append(("flags", " ".join(tools.flags)))
    vectors = toolchain.vectors(tools)
    lines.append(("vectors", f"{vectors} bits" if vectors else "unknown"))
    lines.append(("threads", os.environ.get("OMP_NUM_THREADS") or str(toolchain.processors())))
    try:
        toolchain.python_headers()
        lines.append(("headers", "Python.h found"))
    except GradwrightError as error:
        lines.append(("headers", "MISSING"))
        problems.append(str(error))
        return False
    from ..build import blocking

    lines.append(("blocks", f"of products, from {blocking.place()}" if blocking.load() else "of products, the built-in table"))
    built = _try()
    lines.append(("a module", built or "was compiled, imported and run"))
    if built:
        problems.append(f"a small model cannot be built: {built}")
    return not built


def _try() -> str:
    """What goes wrong when a small model is built; nothing if nothing does."""
    from ..build.trial import trial

    return trial()


def _cache(lines: list[tuple[str, str]], problems: list[str]) -> None:
    from ..build import cache

    about = cache.info()
    size = f"{about.bytes / 2**20:.1f} of {about.limit / 2**20:.0f} MiB"
    lines.append(("cache", f"{about.folder}: {about.modules} modules, {size}"))
    if about.instead_of:
        problems.append(f"the cache {about.instead_of} cannot be used ({about.why}): each process compiles for itself")
