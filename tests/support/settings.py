"""How thoroughly the tests look: how many random examples a property is tried with, and what the C compiler does for them."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

OPTIMISED: Final = 3  # the C compiler's level of what users build
level = OPTIMISED  # and of kernels whose numbers are the subject: 0 where slow tests are not asked for (conftest)


def thoroughly(examples: int) -> settings:
    """So many examples, the same each time; GRADWRIGHT_FUZZ=100 tries a hundred times as many, new ones each time."""
    factor = int(os.environ.get("GRADWRIGHT_FUZZ", "1"))
    return settings(max_examples=examples * factor, derandomize=factor == 1, deadline=None, print_blob=True,
                    database=None if factor == 1 else settings().database, suppress_health_check=list(HealthCheck))  # fmt: skip


def little() -> int:
    """The C compiler's level of modules that need no other than that they are built: 0, and 1 where slow tests are asked for."""
    return min(1, level)
