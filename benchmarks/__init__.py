"""Measurements: Gradwright beside NumPy, PyTorch and JAX, in one process tree and in turn."""
