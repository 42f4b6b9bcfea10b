"""A test module that leaves a thread or a process running fails."""

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.shared_worker import WARM

_LISTED = Path("/proc/thread-self/children").exists()
"""Whether the system lists the children of a thread. Else psutil reads the parent of every process."""


def children() -> set[psutil.Process]:
    """This process's children, but for the two that live as long as we do: the warm worker, and a resource tracker."""
    found = set(_listed(os.getpid())) if _LISTED else psutil.Process().children(recursive=True)
    return {child for child in found if child.pid != WARM.pid and not _is_tracker(child)}


def _listed(pid: int) -> Iterator[psutil.Process]:
    with suppress(OSError, psutil.NoSuchProcess):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError, psutil.NoSuchProcess):
                for child in map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split()):
                    yield psutil.Process(child)
                    yield from _listed(child)


def _is_tracker(process: psutil.Process) -> bool:
    try:
        return any("resource_tracker" in word for word in process.cmdline())
    except psutil.Error:
        return False


@pytest.fixture(autouse=True, scope="module")
def nothing_is_left_running():
    """Threads and processes that a module's tests started have ended when the last one is done."""
    threads, processes = set(threading.enumerate()), children()
    yield
    if threading.active_count() > len(threads) or children() - processes:
        gc.collect()
    # A process that was killed a moment ago may still be seen; one that was forgotten stays.
    _, left = psutil.wait_procs(children() - processes, timeout=100)
    assert [process.as_dict(["pid", "cmdline"]) for process in left] == []
    new = [thread for thread in threading.enumerate() if thread not in threads and thread.is_alive()]
    # One pool of Dask's lives as long as we do.
    assert [thread for thread in new if not thread.name.startswith("Dask-Offload")] == []
