"""The static graph as data: sizes, scalar expressions, equations. Everything here is immutable."""
