"""The command ``gradwright`` within this process."""

from __future__ import annotations

import inspect
from typing import Any

from click.testing import CliRunner, Result
from gradwright.compiler import cli

# Before 8.2 click mixes what goes to standard error into the output, unless it is told.
_APART: dict[str, Any] = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}


def gradwright(*arguments: str, input: str | None = None) -> Result:
    """What it says and returns, called with these words."""
    return CliRunner(**_APART).invoke(cli.main, list(arguments), input=input, prog_name="gradwright")


def done(*arguments: str) -> str:
    """What it prints, when all goes well."""
    result = gradwright(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout
