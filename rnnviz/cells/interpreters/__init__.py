"""Interpreters of a cell: they compute, bound, explain and derive its step."""
