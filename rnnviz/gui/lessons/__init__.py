"""Guided lessons in the window."""
