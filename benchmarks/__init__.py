"""Measurements: Gradwright beside its peers, each in a process of its own and in turn; `python -m benchmarks` lists them."""
