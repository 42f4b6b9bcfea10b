"""A worker that is started before the program has read its config."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rnnviz.execution import worker
from rnnviz.execution.supervisor import run
from rnnviz.io.inputs import load_inputs
from tests.execution.event_helpers import config
from tests.leaks import children


@pytest.fixture
def nothing_started() -> Iterator[None]:
    yield
    left = worker.take()
    if left is not None:
        process, connection = left
        process.kill()
        process.join()
        connection.close()


@pytest.mark.usefixtures("nothing_started")
def test_the_first_run_takes_the_worker_that_was_started_early(pid_of_runs: Callable[[], int | None]) -> None:
    before = children()
    worker.start_early()
    (early,) = children() - before
    assert run(config(), load_inputs).verdict == "disagree"
    assert pid_of_runs() == early.pid
    assert worker.take() is None


@pytest.mark.usefixtures("nothing_started")
def test_no_worker_is_started_early_where_a_pipe_would_be_a_standard_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    before = children()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fstat", lambda number: os.stat(f"/no/such/{number}"))
        worker.start_early()
    assert worker.take() is None
    assert children() == before


def test_a_worker_whose_parent_is_gone_before_it_is_set_up_removes_the_folder(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    code = (
        "import multiprocessing, pathlib, sys\n"
        "from rnnviz.execution import worker\n"
        "ours, theirs = multiprocessing.Pipe()\n"
        "ours.close()\n"
        "worker.main(theirs, (), pathlib.Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "runs")], check=True, timeout=60)
    assert not (tmp_path / "runs").exists()
