"""Shared fixtures."""

import pytest

from rnnviz.execution.supervisor import Supervisor
from tests.leaks import nothing_is_left_running

__all__ = ["nothing_is_left_running"]


@pytest.fixture(scope="module")
def supervisor():
    """One supervisor for all of a module: a run must work whatever happened in the one before."""
    shared = Supervisor(warm=("manual",))
    yield shared
    shared.close()
