"""Statements about a run in the notation of a notebook, checked on the run's own numbers."""
