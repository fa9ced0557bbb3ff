"""What is told to `logging`, by the loggers `gradwright.cache`, `gradwright.compile` and `gradwright.fit`.

Nothing is printed unless the user asks for it: `logging.basicConfig(level=logging.DEBUG)`.
"""
import sys
from typing import Any

DEBUG, INFO, WARNING = 10, 20, 30       # as in logging


def tell(level: int, name: str, text: str, *values: Any) -> None:
    """One event of the logger `gradwright.NAME`. Who listens has imported `logging`; nobody else waits for its import."""
    logging = sys.modules.get("logging")
    if logging is None or not hasattr(logging, "getLogger"):
        return
    package = logging.getLogger("gradwright")
    if not package.handlers:
        package.addHandler(logging.NullHandler())
    logging.getLogger(f"gradwright.{name}").log(level, text, *values, stacklevel=2)
