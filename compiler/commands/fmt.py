"""``gradwright fmt``: models in one look."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from .common import MODEL_ERROR, Failure, color, failures


@click.command("fmt")
@click.argument("files", metavar="[FILES]...", nargs=-1, type=click.Path(exists=True, allow_dash=True))
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 where something would change.")
@click.option("--diff", is_flag=True, help="Write nothing and print what would change; exit with 1 where something would.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors and differences.")
def fmt_command(files: tuple[str, ...], check: bool, diff: bool, quiet: bool) -> None:
    """Format models: all in the folder, those that are named, or with - the standard input.

    Comments, empty lines and your own line breaks stay; what a model means is compared before anything is written. A file
    with syntax errors is left alone.

    \b
    Examples:
      gradwright fmt                        # every .gw file here and in the folders below
      gradwright fmt --check examples/
      gradwright fmt --diff xor.gw
      gradwright fmt - < xor.gw             # for editors
    """
    if "-" in files:
        if len(files) > 1:
            raise click.UsageError("- stands alone: it is the standard input")
        _stdin(check, diff)
        return
    changed = same = status = 0
    for path in _models(files or (".",)):
        try:
            with failures():
                would = _file(path, check, diff, quiet)
        except Failure as failure:
            if failure.exit_code != MODEL_ERROR:
                raise
            failure.show()
            status = MODEL_ERROR
            continue
        changed, same = changed + would, same + (not would)
    if not quiet:
        _summary(changed, same, check or diff)
    if status or (changed and (check or diff)):
        raise Failure("", MODEL_ERROR)


def _models(names: tuple[str, ...]) -> Iterator[Path]:
    """The files, each once: those that are named, and the models below folders but for hidden ones."""
    seen: set[Path] = set()
    for name in names:
        found = [Path(name)]
        if os.path.isdir(name):
            found = []
            for folder, below, files in os.walk(name):
                below[:] = sorted(entry for entry in below if not entry.startswith("."))
                found.extend(Path(folder, file) for file in sorted(files) if file.endswith(".gw"))
        for path in found:
            if (real := path.resolve()) not in seen:
                seen.add(real)
                yield path


def _file(path: Path, check: bool, diff: bool, quiet: bool) -> bool:
    """Formats one file; whether it was, or would be, changed."""
    from ..build.files import publish

    data = path.read_bytes()
    formatted = _formatted(str(path), data)
    if formatted == data:
        return False
    if diff:
        _show(str(path), data, formatted)
    elif check:
        if not quiet:
            click.echo(f"would reformat: {path}")
    else:
        real = path.resolve()  # of a link, the file that it leads to
        publish(real, formatted, mode=stat.S_IMODE(real.stat().st_mode))
        if not quiet:
            click.echo(f"reformatted: {path}")
    return True


def _formatted(name: str, data: bytes) -> bytes:
    from ..driver import decode
    from ..language.format import format_text

    text = format_text(decode(name, data), name)
    first = data.partition(b"\n")[0]  # lines go on ending as the first one does
    return (text.replace("\n", "\r\n") if first.endswith(b"\r") else text).encode("utf-8")


def _stdin(check: bool, diff: bool) -> None:
    with failures():
        data = sys.stdin.buffer.read()
        formatted = _formatted("<stdin>", data)
        if diff:
            _show("<stdin>", data, formatted)
        elif not check:
            click.echo(formatted, nl=False)
    if (check or diff) and formatted != data:
        raise Failure("", MODEL_ERROR)


def _show(name: str, before: bytes, after: bytes) -> None:
    """The difference, as a patch."""
    import difflib

    old, new = (data.decode("utf-8-sig").splitlines() for data in (before, after))
    paint = color(sys.stdout)
    for line in difflib.unified_diff(old, new, name, name, lineterm=""):
        shade = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1]) if paint and line[:3] not in ("+++", "---") else None
        click.echo(click.style(line, fg=shade) if shade else line)


def _summary(changed: int, same: int, dry: bool) -> None:
    parts = []
    for count, word in ((changed, "would be reformatted" if dry else "reformatted"), (same, "already formatted")):
        if count:
            parts.append(f"{count} file{'s' * (count != 1)} {word}")
    click.echo(", ".join(parts) or "no models found")
