"""What the commands share: errors as messages and exit codes, colour, the options that several have."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any, Final

import click

from ..build.options import MARCHES

if TYPE_CHECKING:
    from types import ModuleType

MODEL_ERROR: Final = 1
USAGE_ERROR: Final = 2
TOOLCHAIN_ERROR: Final = 3
INTERNAL_ERROR: Final = 4


# ---------------------------------------------------------------- errors


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
    """Turns exceptions into messages and exit codes."""
    from ..language.diagnostics import GradwrightError, ModelError

    try:
        yield
    except ModelError as error:
        report(error.diagnostics, error.sources)
        raise Failure("", MODEL_ERROR) from None
    except GradwrightError as error:
        from ..build.options import DiskError, OptionError
        from ..build.toolchain import BuildError, ToolchainError
        from ..driver import OutputError

        code = TOOLCHAIN_ERROR if isinstance(error, BuildError | ToolchainError) else MODEL_ERROR
        raise Failure(str(error), USAGE_ERROR if isinstance(error, OutputError | OptionError | DiskError) else code) from None
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        where = f"{error.filename}: " if error.filename else ""
        raise Failure(f"{where}{error.strerror or error}", USAGE_ERROR) from None
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        runtime = sys.modules.get("gradwright.runtime.errors")
        if runtime is not None and isinstance(error, runtime.GradwrightError):
            wrong_numbers = isinstance(error, ArithmeticError)
            raise Failure(str(error), MODEL_ERROR if wrong_numbers else USAGE_ERROR) from None
        import traceback

        click.echo(traceback.format_exc(), err=True)
        fault = "This is a fault in Gradwright, not in the model: please report it with the lines above."
        raise Failure(f"{type(error).__name__}: {error}\n{fault}", INTERNAL_ERROR) from None


def report(diagnostics: Any, sources: Any) -> None:
    """Errors and warnings to stderr, and how many there were."""
    from ..language.diagnostics import render

    for diagnostic in diagnostics:
        click.echo(render(diagnostic, sources, color()) + "\n", err=True, color=color())
    if diagnostics:
        click.echo(counted(diagnostics), err=True)


def counted(diagnostics: Any) -> str:
    errors = sum(d.is_error for d in diagnostics)
    numbers = ((errors, "error"), (len(diagnostics) - errors, "warning"))
    return ", ".join(f"{n} {word}{'s' * (n != 1)}" for n, word in numbers if n) or "no errors"


# ---------------------------------------------------------------- options

Command = Callable[..., None]


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


def parse_numbers(context: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    """``--hyper reg=1e-3``"""
    numbers: dict[str, float] = {}
    for value in values:
        name, equals, number = (part.strip() for part in value.partition("="))
        if not equals:
            raise click.BadParameter(f"{value!r} is not of the form NAME=NUMBER, as in reg=1e-3", context, param)
        try:
            numbers[name] = float(number)
        except ValueError:
            raise click.BadParameter(f"{number!r} is not a number: give it as in {name}=1e-3", context, param) from None
    return numbers


def parse_columns(context: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, list[str]]:
    """``--input x=length,width --input y=label``"""
    columns: dict[str, list[str]] = {}
    for value in values:
        name, equals, listed = value.partition("=")
        if not equals or not listed.strip():
            raise click.BadParameter(f"{value!r} is not of the form INPUT=COLUMN,COLUMN", context, param)
        columns.setdefault(name.strip(), []).extend(column.strip() for column in listed.split(","))
    return columns


def parse_spelled(context: click.Context, param: click.Parameter, value: str | None) -> tuple[str, dict[str, float]] | None:
    """``--schedule step:every=30,gamma=0.5``: a name, and numbers by name."""
    if value is None:
        return None
    name, _, listed = value.partition(":")
    numbers = parse_numbers(context, param, tuple(part for part in listed.split(",") if part.strip()))
    return name.strip(), numbers


def parse_groups(context: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """``--group 'b*:weight_decay=0'``"""
    groups: dict[str, dict[str, float]] = {}
    for value in values:
        pattern, numbers = parse_spelled(context, param, value) or ("", {})
        if not pattern or not numbers:
            raise click.BadParameter(f"{value!r} is not of the form PATTERN:NAME=NUMBER, as in b*:weight_decay=0", context, param)
        groups.setdefault(pattern, {}).update(numbers)
    return groups


def model_argument(command: Command) -> Command:
    return click.argument("model", metavar="MODEL.gw", type=click.Path(exists=True, dir_okay=False))(command)


def models_argument(command: Command) -> Command:
    path = click.Path(exists=True, dir_okay=False)
    return click.argument("models", metavar="MODEL.gw...", nargs=-1, required=True, type=path)(command)


def model_options(command: Command) -> Command:
    """The options that change what a model means."""
    command = click.option(
        "--set", "sizes", metavar="H=16", multiple=True, callback=parse_sizes, help="Fix a size at compile time; may be repeated."
    )(command)
    return click.option(
        "--dtype", type=click.Choice(["float64", "float32"]), help="The real type, instead of the one in the file."
    )(command)


def build_options(command: Command) -> Command:
    """The options that change how a module is built, all taken by :func:`gradwright.compiler.driver.load`."""
    for option in (
        click.option("--precise", is_flag=True, help="Derivatives right to a few ulp of themselves, far into the tails."),
        click.option("--checked", is_flag=True, help="Name the first NaN or infinity by the model's line; slow."),
        click.option("--threads", type=click.IntRange(1), metavar="N", help="How many threads products and long loops may use."),
        click.option("--march", type=click.Choice(MARCHES), default="native", show_default=True,
                     help="The processors that the module is for."),
        click.option("-O", "optimize", type=click.IntRange(0, 3), default=3, show_default=True, metavar="0-3",
                     help="How hard the C compiler tries."),
        click.option("--backend", type=click.Choice(["cython", "numpy"]), default="cython", show_default=True,
                     help="numpy needs no C compiler, and is slow."),
    ):  # fmt: skip
        command = option(command)
    return command


def load(model: str, build: Mapping[str, Any], dtype: str | None, sizes: Mapping[str, int]) -> ModuleType:
    """The module of a model, with its warnings on stderr."""
    from .. import driver

    module, result = driver.load_with(model, dtype=dtype, sizes=sizes, **build)
    report(result.diagnostics, result.sources)
    return module


def table(rows: list[tuple[str, ...]]) -> str:
    """Columns side by side; all but the first to the right."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = []
    for row in rows:
        first, *others = zip(row, widths, strict=True)
        lines.append("  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]).rstrip())
    return "\n".join(lines)
