"""Shared fixtures."""

from tests.leaks import nothing_is_left_running

__all__ = ["nothing_is_left_running"]
