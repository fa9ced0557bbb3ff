"""The command ``gradwright``. What a command needs is imported when it runs: ``--help`` and errors come at once."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click

from . import __version__

if TYPE_CHECKING:
    from .driver import Result

MODEL_ERROR: Final = 1
USAGE_ERROR: Final = 2
TOOLCHAIN_ERROR: Final = 3
INTERNAL_ERROR: Final = 4

STAGES: Final = ("syntax", "graph", "gradients", "loops", "cython")  # those of the driver, which would take time to import


def parse_sizes(context: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, int]:
    """``--set H=16 --set N=4``"""
    sizes: dict[str, int] = {}
    for value in values:
        name, equals, number = (part.strip() for part in value.partition("="))
        if not equals or not name.isidentifier():
            raise click.BadParameter(f"{value!r} is not of the form NAME=INTEGER, as in H=16", context, param)
        try:
            sizes[name] = int(number)
        except ValueError:
            raise click.BadParameter(f"{number!r} is not an integer: give the size as in {name}=16", context, param) from None
    return sizes


class Failure(click.ClickException):
    """An error that is already worded for the user."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        return self.code

    def show(self, file: IO[Any] | None = None) -> None:
        if self.message:
            first, _, rest = self.message.partition("\n")
            mark = click.style("error", fg="red", bold=True) if color() else "error"
            click.echo(f"{mark}: {first}" + (f"\n{rest}" if rest else ""), err=True, color=color())


def color(stream: IO[str] | None = None) -> bool:
    """Whether to paint: only on a terminal, and not where NO_COLOR asks for none."""
    stream = stream or sys.stderr
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


@contextlib.contextmanager
def failures() -> Iterator[None]:
    """Turns the compiler's exceptions into messages and exit codes."""
    from .language.diagnostics import GradwrightError, ModelError

    try:
        yield
    except ModelError as error:
        report(error.diagnostics, error.sources)
        raise Failure("", MODEL_ERROR) from None
    except GradwrightError as error:
        from .build.toolchain import BuildError, ToolchainError
        from .driver import OutputError

        code = TOOLCHAIN_ERROR if isinstance(error, BuildError | ToolchainError) else MODEL_ERROR
        raise Failure(str(error), USAGE_ERROR if isinstance(error, OutputError) else code) from None
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        where = f"{error.filename}: " if error.filename else ""
        raise Failure(f"{where}{error.strerror or error}", USAGE_ERROR) from None
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        import traceback

        click.echo(traceback.format_exc(), err=True)
        fault = "This is a fault in Gradwright, not in the model: please report it with the lines above."
        raise Failure(f"{type(error).__name__}: {error}\n{fault}", INTERNAL_ERROR) from None


def report(diagnostics: Any, sources: Any) -> None:
    """Errors and warnings to stderr, and how many there were."""
    from .language.diagnostics import render

    for diagnostic in diagnostics:
        click.echo(render(diagnostic, sources, color()) + "\n", err=True, color=color())
    if diagnostics:
        click.echo(counted(diagnostics), err=True)


def counted(diagnostics: Any) -> str:
    errors = sum(d.is_error for d in diagnostics)
    numbers = ((errors, "error"), (len(diagnostics) - errors, "warning"))
    return ", ".join(f"{n} {word}{'s' * (n != 1)}" for n, word in numbers if n) or "no errors"


def model_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that change what a model means."""
    command = click.option(
        "--set", "sizes", metavar="H=16", multiple=True, callback=parse_sizes, help="Fix a size at compile time; may be repeated."
    )(command)
    return click.option(
        "--dtype", type=click.Choice(["float64", "float32"]), help="The real type, instead of the one in the file."
    )(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}, no_args_is_help=True)
@click.version_option(__version__, "--version", "-V", prog_name="gradwright")
def main() -> None:
    """Turn a model written as formulas into fast, readable training code.

    \b
    Examples:
      gradwright check examples/xor.gw
      gradwright compile examples/xor.gw            # then, in Python: from generated import xor
      gradwright derive examples/neuron.gw          # where each local derivative comes from

    \b
    Exit codes: 0 all is well, 1 errors in the model, 2 wrong usage, 3 no working C compiler, 4 a fault in Gradwright.
    Shell completion:  eval "$(_GRADWRIGHT_COMPLETE=bash_source gradwright)"   (or zsh_source, fish_source)
    """


@main.command("compile")
@click.argument("models", metavar="MODEL.gw...", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("-o", "--out", default="generated", show_default=True, metavar="FOLDER", type=click.Path(file_okay=False),
              help="Where the module goes.")  # fmt: skip
@model_options
@click.option("--backend", type=click.Choice(["cython", "numpy"]), default="cython", show_default=True,
              help="numpy needs no C compiler, and is slow.")  # fmt: skip
@click.option("-O", "optimize", type=click.IntRange(0, 3), default=3, show_default=True, metavar="0-3",
              help="How hard the C compiler tries.")  # fmt: skip
@click.option("--stop-after", metavar="STAGE", type=click.Choice(STAGES),
              help=f"Print what a stage returned, and stop: {', '.join(STAGES)}.")  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors and warnings.")
def compile_command(models: tuple[str, ...], out: str, sizes: dict[str, int], dtype: str | None, backend: Any,
                    optimize: int, stop_after: str | None, quiet: bool) -> None:  # fmt: skip
    """Compile models into importable modules.

    \b
    Examples:
      gradwright compile examples/xor.gw
      gradwright compile xor.gw -o build --set H=16 --dtype float32
      gradwright compile xor.gw --stop-after graph
      gradwright compile xor.gw --backend numpy     # without a C compiler
    """
    from . import driver

    status = 0
    for model in models:
        started = time.perf_counter()
        try:
            with failures():
                target = None if stop_after else out
                result = driver.compile_model(
                    model, out=target, dtype=dtype, sizes=sizes, backend=backend, optimize=optimize,
                    stop_after=stop_after,
                )
                report(result.diagnostics, result.sources)
                if stop_after:
                    click.echo(result.text)
                elif not quiet:
                    _say_where(model, out, result, time.perf_counter() - started)
        except Failure as failure:
            if len(models) == 1 or failure.exit_code != MODEL_ERROR:
                raise
            failure.show()
            status = failure.exit_code
    if status:
        raise Failure("", status)


def _say_where(model: str, out: str, result: Result, seconds: float) -> None:
    made = "from the cache" if result.cached else "compiled"
    click.echo(f"{model} -> {Path(out, result.name)}.*  ({made}, {seconds:.2f} s)")
    if result.name != Path(model).stem:
        click.echo(f"  the module is called {result.name}: {Path(model).stem} cannot be imported safely under its own name")


@main.command("check")
@click.argument("models", metavar="MODEL.gw...", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@model_options
def check_command(models: tuple[str, ...], sizes: dict[str, int], dtype: str | None) -> None:
    """Find the errors and warnings of models, without compiling them.

    \b
    Example:
      gradwright check examples/*.gw
    """
    from . import driver

    status = 0
    for model in models:
        try:
            with failures():
                result = driver.check_model(model, dtype=dtype, sizes=sizes)
                report(result.diagnostics, result.sources)
                click.echo(f"{model}: {counted(result.diagnostics)}")
        except Failure as failure:
            failure.show()
            status = max(status, failure.exit_code)
    if status:
        raise Failure("", status)


@main.command("graph")
@click.argument("model", metavar="MODEL.gw", type=click.Path(exists=True, dir_okay=False))
@model_options
@click.option("--format", "form", type=click.Choice(["text", "dot", "mermaid"]), default="text", show_default=True,
              help="dot is for Graphviz, mermaid for Markdown.")  # fmt: skip
def graph_command(model: str, sizes: dict[str, int], dtype: str | None, form: str) -> None:
    """Print the graph of a model: one line an operation, with where it comes from.

    \b
    Examples:
      gradwright graph examples/xor.gw
      gradwright graph examples/xor.gw --format dot | dot -Tsvg > xor.svg
    """
    from . import driver

    with failures():
        result = driver.compile_model(model, dtype=dtype, sizes=sizes, stop_after="graph")
        report(result.diagnostics, result.sources)
        if form == "text":
            click.echo(result.text)
        else:
            from .emit import drawing

            click.echo({"dot": drawing.dot, "mermaid": drawing.mermaid}[form](result.value))


@main.command("derive")
@click.argument("model", metavar="MODEL.gw", type=click.Path(exists=True, dir_okay=False))
@model_options
def derive_command(model: str, sizes: dict[str, int], dtype: str | None) -> None:
    """Show where each local derivative of a model comes from.

    For every function in the graph: the derivative as SymPy gives it, simplified, written with the function's own output,
    which form was taken, why, and how it was proved.

    \b
    Example:
      gradwright derive examples/neuron.gw
    """
    from . import driver

    with failures():
        result = driver.derivations(model, dtype=dtype, sizes=sizes)
        report(result.diagnostics, result.sources)
        for name, text, spans in result.job.values["derivations"]:
            click.echo(click.style(name, bold=True) if color(sys.stdout) else name)
            for file, number in dict.fromkeys((span.file, span.line) for span in spans):
                source = result.sources.get(file)
                line = source.line(number).partition("#")[0].strip() if source else ""
                click.echo(f"  {file}:{number}   {line}")
            click.echo("".join(f"    {line}\n" for line in text.splitlines()))
        if not result.job.values["derivations"]:
            click.echo("Nothing but sums and products: their derivatives need no derivation.")


@main.command("explain")
@click.argument("code", metavar="CODE")
def explain_command(code: str) -> None:
    """Explain an error code, with a program that has the error and one that has not.

    \b
    Example:
      gradwright explain E204
    """
    from .language.diagnostics import CODES, explain, suggest

    page = explain(code.upper())
    if page is None:
        close = suggest(code.upper(), CODES)
        raise click.UsageError(f"there is no error {code}" + (f"; did you mean {close}?" if close else ""))
    click.echo(page.rstrip())
