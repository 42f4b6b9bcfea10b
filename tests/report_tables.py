"""Tables that tests make of what they did. Each is printed at the end of its module, and kept where RNNVIZ_TABLES says.

`python -m tests.tables` sets it, and puts the tables into tests/README.md.
"""

import os
from pathlib import Path

import pytest

FOLDER = "RNNVIZ_TABLES"


class Rows:
    """A table that grows by a row at a time; its columns are those of its first row."""

    def __init__(self) -> None:
        self._columns: tuple[str, ...] = ()
        self._rows: list[tuple[str, ...]] = []

    def add(self, what: str, **figures: object) -> None:
        """A row: what was done, and what came of it, by column."""
        self._columns = self._columns or tuple(figures)
        self._rows.append((what, *(str(figures.get(column, "")) for column in self._columns)))

    def markdown(self) -> str:
        head = ["", *self._columns]
        lines = [head, ["---", *("---:" for _ in self._columns)], *self._rows]
        return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


@pytest.fixture(scope="module")
def report_table(pytestconfig):
    """report_table(name): the module's table of that name; tables are printed after the module's last test."""
    tables: dict[str, Rows] = {}

    def named(name):
        return tables.setdefault(name, Rows())

    yield named
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    for name, rows in tables.items():
        with capture.global_and_fixture_disabled():
            print(f"\n{name}\n{rows.markdown()}")
        folder = os.environ.get(FOLDER)
        if folder is not None:
            Path(folder, f"{name}.md").write_text(rows.markdown(), encoding="utf-8")
