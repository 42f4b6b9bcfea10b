"""What every test shares."""

import os
from pathlib import Path

import pytest

from tests.told_tables import told_table

__all__ = ["told_table"]

# Without a screen of its own a test opens its windows in memory; set the variable to watch them on a real one.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The window's tests come last: they keep engines warm to the end, and tests before them count processes."""
    window = Path(__file__).parent / "gui"
    items.sort(key=lambda item: window in item.path.parents)
