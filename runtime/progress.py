"""A line of progress on the terminal while a model is trained."""
from __future__ import annotations

import sys
from typing import Any

from .history import History


class _Bar:
    """A line of progress on the terminal; rich is imported when one is shown."""

    def __init__(self, wanted: bool | None, epochs: int) -> None:
        self.shown = bool(wanted) if wanted is not None else bool(getattr(sys.stderr, "isatty", bool)())
        self.bar: Any = None
        if self.shown:
            try:
                from rich.console import Console
                from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
            except ImportError:
                self.shown = False
                return
            self.bar = Progress(TextColumn("epoch"), MofNCompleteColumn(), BarColumn(), TextColumn("{task.description}"),
                                TimeRemainingColumn(), console=Console(stderr=True))
            self.task = self.bar.add_task("", total=epochs)
            self.bar.start()

    def update(self, history: History) -> None:
        if self.bar is not None:
            words = [f"{name} {values[-1]:.4g}" for name, values in history.columns.items() if values and name != "lr"]
            self.bar.update(self.task, completed=history.epochs, description="  ".join(words))

    def close(self) -> None:
        if self.bar is not None:
            self.bar.stop()
