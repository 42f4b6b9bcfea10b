"""Fixtures of every test."""

import gc
import logging
import os
import re
import signal
import sys
import zlib
from pathlib import Path

import pytest

# Tests run beside each other. OpenMP's threads would wait in a loop for processors that another test has, for minutes.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Before any test is defined: its number of examples is that of the profile.
from tests import needs, profiles
from tests.leaks import nothing_is_left_running
from tests.needs import missing, must_not_skip
from tests.shared_worker import WARM, pid_of_runs, runs_are_warm, shared_worker

__all__ = ["nothing_is_left_running", "pid_of_runs", "profiles", "runs_are_warm", "shared_worker"]

# Imports and collected tests are no garbage, and searches for it would take a quarter of the time of collecting.
gc.disable()

_SLOW = re.compile(r"^pytestmark = (\[\s*)?pytest\.mark\.(slow|nightly)\b", re.MULTILINE)

# A shell ignores these signals in what it starts in the background, and programs inherit that.
for _name, _action in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
    if (_signal := getattr(signal, _name, None)) is not None and signal.getsignal(_signal) == signal.SIG_IGN:
        signal.signal(_signal, _action)

# Tests open their windows off-screen; set the variable to see them.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture(scope="session", autouse=True)
def own_state_folder(tmp_path_factory):
    """Logs and unsaved sessions of tests, and of the programs that they start, are none of the user's."""
    folder, before = tmp_path_factory.mktemp("state"), os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = str(folder)
    yield folder
    if before is None:
        del os.environ["XDG_STATE_HOME"]
    else:
        os.environ["XDG_STATE_HOME"] = before


@pytest.fixture
def fresh_state(tmp_path, monkeypatch):
    """A state folder of the test alone, which does not exist yet; a log is kept in it from `keep_log` on."""
    from rnnviz.execution.log import log

    def keep_none():
        for handler in list(log.handlers):
            log.removeHandler(handler)
            handler.close()
        log.propagate = True
        log.setLevel(logging.NOTSET)

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    keep_none()
    yield tmp_path / "state" / "rnnviz"
    keep_none()


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """`make golden` gives the first option, .ci/run the second."""
    parser.addoption("--golden", action="store_true", help="write the golden files again")
    parser.addoption("--refuse-skips", action="store_true", help="fail if a test was skipped that could have run here")
    # The hooks of a conftest.py are not called for a folder whose own one fails.
    pluginmanager.register(needs)
    if missing("PySide6"):
        # It imports Qt when it starts.
        pluginmanager.set_blocked("pytest-qt")


def pytest_configure(config: pytest.Config) -> None:
    profiles.nightly = re.search(r"(?<!not )nightly", config.option.markexpr) is not None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import a module of slow tests alone, nor its frameworks, unless slow tests were asked for."""
    if collection_path.suffix != ".py" or re.search(r"(?<!not )(slow|nightly)", config.option.markexpr or "slow"):
        return None
    return _SLOW.search(collection_path.read_text(encoding="utf-8")) is not None or None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The window's tests come last: they keep engines warm to the end, and tests before them count processes."""
    window = Path(__file__).parent / "gui"
    items.sort(key=lambda item: window in item.path.parents)
    # `make test-drawn` repeats them with more examples.
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("drawn")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """PyTorch's random numbers do not depend on which tests ran before."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(zlib.crc32(item.nodeid.encode()))


def pytest_collection_finish() -> None:
    """Searches for garbage begin, and pass over the thousands of collected tests."""
    gc.freeze()
    gc.enable()


def pytest_sessionfinish(session: pytest.Session) -> None:
    WARM.really_close()
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not session.config.getoption("--refuse-skips"):
        return
    skipped = [(report.nodeid, report.longrepr[2]) for report in reporter.getreports("skipped")]
    refused = [f"{name}: {reason}" for name, reason in skipped if must_not_skip(reason)]
    if refused:
        reporter.write_sep("=", "skipped, though nothing is missing", red=True)
        reporter.write("\n".join([*refused, ""]))
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
