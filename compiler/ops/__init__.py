"""What each operation means: one declaration each, from which the rest of the compiler follows."""

from .declare import Misfit, Op, Operand, Option, Plan, Read, Step, Wish, define, table

__all__ = ["Misfit", "Op", "Operand", "Option", "Plan", "Read", "Step", "Wish", "define", "table"]
