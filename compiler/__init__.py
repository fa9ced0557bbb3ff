"""Gradwright's compiler: a model written as formulas becomes readable Cython.

Each folder is a stage and imports only the stages above it; ``driver.py`` is the whole compiler on one page.
"""

__version__ = "0.1.0"
