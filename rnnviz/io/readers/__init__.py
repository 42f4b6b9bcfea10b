"""Readers of the input sequence and what belongs to it."""
