"""Shared fixtures."""

from tests.leaks import nothing_is_left_running
from tests.shared_worker import shared_worker

__all__ = ["nothing_is_left_running", "shared_worker"]
