"""Faults of the worker process, at a moment drawn from a seed: a sentence, and the next run is correct.

All kinds, many times and in the window: tests/gui/jobs/test_faults.py.
"""

import gc
import sys
import tempfile
from functools import partial

import pytest

from rnnviz.execution import supervisor as supervisor_module
from rnnviz.execution.events import Failed, Finished, RunRequest
from rnnviz.execution.folders import RunDirs
from rnnviz.execution.supervisor import Supervisor
from tests.execution import loads
from tests.execution.event_helpers import config, events_of, finished
from tests.execution.faults import Numbers
from tests.full_disk import small_disk

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are Linux's alone")

"""Those that other tests of the supervisor do not do to it."""


@pytest.mark.slow
def test_a_full_disk_is_a_sentence_and_the_next_run_with_free_space_is_right(tmp_path, monkeypatch):
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
                untouched.assert_equal(Numbers.of(last.result))
            del last
            gc.collect()
            assert list(own.folder.iterdir()) == []
            (disk / "filler").unlink()
            untouched.assert_equal(Numbers.of(finished(events_of(supervisor, large, audit="auto"))))
        supervisor.close()
    assert told
    assert all("of disk in" in sentence or "No space left on device" in sentence for sentence in told), told
