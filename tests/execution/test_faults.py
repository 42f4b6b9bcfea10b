"""Faults of the worker process, at a moment drawn from a seed: a sentence, and the next run is correct.

All kinds, many times and in the window: tests/gui/jobs/test_faults.py.
"""

import gc
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import monotonic

import psutil
import pytest

from rnnviz.execution import supervisor as supervisor_module
from rnnviz.execution.events import Cancelled, Failed, Finished, RunRequest
from rnnviz.execution.folders import RunDirs
from rnnviz.execution.supervisor import Supervisor
from tests.execution import loads
from tests.execution.event_helpers import config, events_of, finished
from tests.execution.faults import Fault, Numbers, faults, folders_left, injected, load_of
from tests.full_disk import small_disk
from tests.leaks import children
from tests.profiles import nightly_except

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are Linux's alone")

CONFIG = config(network={"hidden_size": 24, "num_layers": 2}, sequence={"timesteps": 60})
QUICK = ("it exits", "SIGSTOP, then SIGCONT", "no more memory", "no more room on the disk", "its folder is removed")
"""Those that other tests of the supervisor do not do to it."""
FAULTS = faults(len(QUICK), 3, QUICK)
DEFAULT = ("it exits", "no more memory")


@pytest.fixture(scope="module")
def others() -> set[psutil.Process]:
    """The engines that other tests keep warm from one file to the next."""
    return children()


@pytest.fixture(scope="module")
def supervisor(others: set[psutil.Process]) -> Iterator[Supervisor]:
    shared = Supervisor(warm=("manual",))
    yield shared
    shared.close()


@pytest.mark.nightly
@pytest.mark.parametrize(
    "fault", nightly_except(FAULTS, *(fault for fault in FAULTS if fault.kind in DEFAULT)), ids=lambda fault: fault.kind
)
def test_a_fault_at_any_moment_is_a_sentence_and_the_next_run_is_right(
    others: set[psutil.Process], supervisor: Supervisor, fault: Fault
) -> None:
    began, kept = monotonic(), set(folders_left(()))
    untouched = Numbers.of(finished(events_of(supervisor, CONFIG, audit="auto")))
    seconds = (monotonic() - began) * fault.moment
    (process,) = children() - others
    request = RunRequest(CONFIG, load_of(fault, seconds))
    with injected(fault, process.pid, seconds, lambda: supervisor.cancel(request.id)):
        last = list(supervisor.events(request))[-1]
    if isinstance(last, Finished):
        untouched.assert_same(last.result)
    else:
        assert isinstance(last, Failed | Cancelled)
        assert isinstance(last, Cancelled) or last.sentence.endswith(".")
    del last
    result = finished(events_of(supervisor, CONFIG, audit="auto"))
    untouched.assert_same(result)
    assert len(children() - others) == 1
    gc.collect()
    assert set(folders_left((result,))) <= kept


@pytest.mark.slow
def test_a_full_disk_is_a_sentence_and_the_next_run_with_free_space_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = config(network={"hidden_size": 64}, sequence={"timesteps": 2_000})
    with small_disk(tmp_path / "disk", "16m") as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        own = RunDirs()
        monkeypatch.setattr(supervisor_module, "storage", lambda: own)
        supervisor = Supervisor(warm=("manual",))
        untouched = Numbers.of(finished(events_of(supervisor, large, audit="auto")))
        told = set()
        for seconds in (0.0, 0.02):
            last = list(supervisor.events(RunRequest(large, partial(loads.fill_up, disk / "filler", seconds))))[-1]
            if isinstance(last, Failed):
                told.add(last.sentence)
            else:
                assert isinstance(last, Finished)
                untouched.assert_same(last.result)
            del last
            gc.collect()
            assert list(own.folder.iterdir()) == []
            (disk / "filler").unlink()
            untouched.assert_same(finished(events_of(supervisor, large, audit="auto")))
        supervisor.close()
    assert told
    assert all("of disk in" in sentence or "No space left on device" in sentence for sentence in told), told
