"""``python -m gradwright.compiler`` is the command ``gradwright``."""

from .cli import main

main(prog_name="gradwright")
