"""Arithmetic view: the equations of a value with its numbers, terms and their sources."""
