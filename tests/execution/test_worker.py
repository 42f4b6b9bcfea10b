"""A worker process reserves its memory at once, or ends at once."""

import multiprocessing
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from rnnviz.execution import worker
from rnnviz.execution.supervisor import Supervisor
from tests.execution.event_helpers import events_of, failed, finished

LIMITED = """
import resource, sys
import numpy as np
from rnnviz.execution.worker import preallocate_blas_buffers
def used():
    return int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
left = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (used() + left, resource.RLIM_INFINITY))
try:
    preallocate_blas_buffers()
except MemoryError:
    print("none")
    sys.stdout.flush()
    import os
    os._exit(0)
resource.setrlimit(resource.RLIMIT_AS, (used() + (4 << 20), resource.RLIM_INFINITY))
square = np.ones((300, 300), np.float32)
print(float((square @ square).max()))
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of a process are Linux's alone")


@pytest.mark.parametrize(
    ("left", "said"), [(4 << 20, "none"), pytest.param(40 << 20, "none", marks=pytest.mark.slow), (200 << 20, "300.0")]
)
def test_memory_for_products_is_reserved_once_or_reported_missing(left: int, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(left)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == said


def _fail() -> None:
    raise MemoryError("none is left")


def _start_without_memory(connection, warm, storage) -> None:
    worker.preallocate_blas_buffers = _fail
    worker.main(connection, warm, storage)


def test_a_process_that_cannot_start_ends_with_a_traceback_and_exit_code_1(tmp_path: Path, capfd) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=partial(_start_without_memory, theirs, (), tmp_path))
    process.start()
    theirs.close()
    ours.send({})
    process.join(60)
    assert process.exitcode == 1
    assert "MemoryError: none is left" in capfd.readouterr().err
    process.close()
    ours.close()


def test_the_first_imports_of_a_process_are_light() -> None:
    code = "import sys, rnnviz.execution.worker; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.slow
def test_a_run_whose_process_cannot_start_is_a_sentence_and_the_next_one_is_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    supervisor = Supervisor(warm=())
    try:
        with monkeypatch.context() as patched:
            patched.setattr(worker, "main", _start_without_memory)
            failure = failed(events_of(supervisor))
            assert failure.sentence == (
                "The worker process ended while starting the engines (exit code 1): "
                "there is no result, and the next run starts a new process."
            )
            # The one that is started for the next run has the same fault.
            failed(events_of(supervisor))
        failed(events_of(supervisor))
        finished(events_of(supervisor))
    finally:
        supervisor.close()
