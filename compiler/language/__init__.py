"""Text to syntax tree: the grammar, where text came from, and diagnostics."""
