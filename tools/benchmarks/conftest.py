"""Shared fixtures of the benchmarks: one table for a run, printed at its end and written to a file for other runs."""

from pathlib import Path

import pytest

from tools.benchmarks.table import Table, as_text, write_run

_TABLE = pytest.StashKey[Table]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("rnnviz benchmarks")
    group.addoption("--quick", action="store_true", help="measure small sizes, to see that the benchmarks work")
    group.addoption("--bench-json", metavar="PATH", help="where the table is written, for tools.benchmarks.table")


@pytest.fixture(scope="session")
def quick(pytestconfig: pytest.Config) -> bool:
    """Whether small sizes are requested, whose figures are not meaningful."""
    return bool(pytestconfig.getoption("--quick", default=False))


@pytest.fixture(scope="session")
def table(pytestconfig: pytest.Config) -> Table:
    return pytestconfig.stash.setdefault(_TABLE, Table())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table, and write it where it was asked for."""
    table = config.stash.get(_TABLE, None)
    if table is None or not table.rows:
        return
    terminalreporter.section("figures and their targets")
    terminalreporter.write_line(as_text(table.rows))
    targets = sum(row.passed is not None for row in table.rows)
    terminalreporter.write_line(f"\n{targets - len(table.failed)} of {targets} targets are met.")
    path = config.getoption("--bench-json", default=None)
    if path:
        quick = bool(config.getoption("--quick", default=False))
        terminalreporter.write_line(f"Written to {write_run(table, Path(path), quick=quick)}.")
