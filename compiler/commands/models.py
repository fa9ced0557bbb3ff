"""From a model to a module, and what can be read on the way: compile, check, graph, derive, explain."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from .common import (
    MODEL_ERROR,
    Failure,
    build_options,
    color,
    counted,
    failures,
    model_argument,
    model_options,
    models_argument,
    report,
)

if TYPE_CHECKING:
    from ..driver import Result

STAGES: Final = ("syntax", "graph", "gradients", "loops", "cython")  # those of the driver, which would take time to import


@click.command("compile")
@models_argument
@click.option("-o", "--out", default="generated", show_default=True, metavar="FOLDER", type=click.Path(file_okay=False),
              help="Where the module goes.")  # fmt: skip
@model_options
@build_options
@click.option("--stop-after", metavar="STAGE", type=click.Choice(STAGES),
              help=f"Print what a stage returned, and stop: {', '.join(STAGES)}.")  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors and warnings.")
def compile_command(models: tuple[str, ...], out: str, sizes: dict[str, int], dtype: str | None, stop_after: str | None,
                    quiet: bool, **build: Any) -> None:  # fmt: skip
    """Compile models into importable modules.

    \b
    Examples:
      gradwright compile examples/xor.gw
      gradwright compile xor.gw -o build --set H=16 --dtype float32
      gradwright compile xor.gw --stop-after graph
      gradwright compile xor.gw --backend numpy     # without a C compiler
      gradwright compile xor.gw --march x86-64-v3   # for other machines than this one
      gradwright compile xor.gw --checked           # says where the first NaN comes from
    """
    from .. import driver

    status = 0
    for model in models:
        started = time.perf_counter()
        try:
            with failures():
                target = None if stop_after else out
                result = driver.compile_model(
                    model, out=target, dtype=dtype, sizes=sizes, stop_after=stop_after, **build
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


@click.command("check")
@models_argument
@model_options
def check_command(models: tuple[str, ...], sizes: dict[str, int], dtype: str | None) -> None:
    """Find the errors and warnings of models, without compiling them.

    \b
    Example:
      gradwright check examples/*.gw
    """
    from .. import driver

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


@click.command("graph")
@model_argument
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
    from .. import driver

    with failures():
        result = driver.compile_model(model, dtype=dtype, sizes=sizes, stop_after="graph")
        report(result.diagnostics, result.sources)
        if form == "text":
            click.echo(result.text)
        else:
            from ..emit import drawing

            click.echo({"dot": drawing.dot, "mermaid": drawing.mermaid}[form](result.value))


@click.command("derive")
@model_argument
@model_options
def derive_command(model: str, sizes: dict[str, int], dtype: str | None) -> None:
    """Show where each local derivative of a model comes from.

    For every function in the graph: the derivative as SymPy gives it, simplified, written with the function's own output,
    which form was taken, why, and how it was proved.

    \b
    Example:
      gradwright derive examples/neuron.gw
    """
    from .. import driver

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


@click.command("explain")
@click.argument("code", metavar="CODE")
def explain_command(code: str) -> None:
    """Explain an error code, with a program that has the error and one that has not.

    \b
    Example:
      gradwright explain E204
    """
    from ..language.diagnostics import CODES, explain, suggest

    page = explain(code.upper())
    if page is None:
        close = suggest(code.upper(), CODES)
        raise click.UsageError(f"there is no error {code}" + (f"; did you mean {close}?" if close else ""))
    click.echo(page.rstrip())
