"""Comparison, step audit, consistency checks and the result of a run. NumPy only."""
