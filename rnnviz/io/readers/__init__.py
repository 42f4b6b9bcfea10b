"""Readers of the input sequence, its names and the initial state."""
