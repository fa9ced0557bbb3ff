"""Loop nests to text: Cython in three forms, NumPy, and what goes with a module."""
