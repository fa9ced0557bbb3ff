"""The command ``gradwright`` within this process."""

from __future__ import annotations

from click.testing import CliRunner, Result
from gradwright.compiler import cli


def gradwright(*arguments: str, input: str | None = None) -> Result:
    """What it says and returns, called with these words."""
    return CliRunner().invoke(cli.main, list(arguments), input=input, prog_name="gradwright")


def done(*arguments: str) -> str:
    """What it prints, when all goes well."""
    result = gradwright(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout
