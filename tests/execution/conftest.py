"""Shared fixtures."""

import pytest

from rnnviz.execution.supervisor import Supervisor


@pytest.fixture(scope="module")
def supervisor():
    """One supervisor for all of a module: a run must work whatever happened in the one before."""
    shared = Supervisor(warm=("manual",))
    yield shared
    shared.close()
