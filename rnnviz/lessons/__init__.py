"""Guided lessons and their statements."""
