"""Ctrl-C while a model is trained: it comes between two steps, when all is as it should be."""
from __future__ import annotations

from typing import Any


class _deferred_interrupt:
    """Ctrl-C within waits for the end of the step: an update in Python is no single piece."""

    def __enter__(self) -> list[int]:
        import signal
        self.seen: list[int] = []
        self.before: Any = None
        try:
            self.before = signal.getsignal(signal.SIGINT)
            if self.before is signal.default_int_handler or isinstance(getattr(self.before, "__self__", None), _Gate):
                signal.signal(signal.SIGINT, lambda number, frame: self.seen.append(number))
            else:
                self.before = None
        except ValueError:      # not the main thread, which alone gets signals
            self.before = None
        return self.seen

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if self.before is not None:
            import signal
            signal.signal(signal.SIGINT, self.before)
        if self.seen and kind is None:
            raise KeyboardInterrupt


class _Gate:
    """Ctrl-C during a fit. It comes through only `with gate:`, so that the history, the optimiser's state and the parameters
    are always of one and the same step; elsewhere it waits for the next time. A second one does not wait."""

    def __init__(self) -> None:
        self.open = self.waiting = False
        self.before: Any = None

    def begin(self) -> None:
        import signal
        try:
            before = signal.getsignal(signal.SIGINT)
            around = isinstance(getattr(before, "__self__", None), _Gate)       # of a fit whose callback this one is in
            if around or before is signal.default_int_handler:
                signal.signal(signal.SIGINT, self._hear)
                self.before = before
        except ValueError:      # not the main thread, which alone gets signals
            pass

    def end(self) -> None:
        if self.before is not None:
            import signal
            before, self.before = self.before, None
            signal.signal(signal.SIGINT, before)

    def _hear(self, number: int, frame: Any) -> None:
        if not (self.open or self.waiting):
            self.waiting = True
            return
        self.waiting = False
        raise KeyboardInterrupt

    def __enter__(self) -> None:
        if self.waiting:
            self.waiting = False
            raise KeyboardInterrupt
        self.open = True

    def __exit__(self, *error: object) -> None:
        self.open = False
