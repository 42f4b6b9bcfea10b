"""A test module that leaves a thread or a process running fails."""

import gc
import threading
from collections.abc import Iterator

import psutil
import pytest


def children() -> set[psutil.Process]:
    """This process's children, but for multiprocessing's resource tracker, which lives as long as we do."""
    return {child for child in psutil.Process().children(recursive=True) if not _is_tracker(child)}


def _is_tracker(process: psutil.Process) -> bool:
    try:
        return any("resource_tracker" in word for word in process.cmdline())
    except psutil.Error:
        return False


@pytest.fixture(autouse=True, scope="module")
def nothing_is_left_running() -> Iterator[None]:
    """Threads and processes that a module's tests started have ended when the last one is done."""
    threads, processes = set(threading.enumerate()), children()
    yield
    if threading.active_count() > len(threads) or children() - processes:
        gc.collect()
    # A process that was killed a moment ago may still be seen; one that was forgotten stays.
    _, left = psutil.wait_procs(children() - processes, timeout=3)
    assert [process.as_dict(["pid", "cmdline"]) for process in left] == []
    new = [thread for thread in threading.enumerate() if thread not in threads and thread.is_alive()]
    # One pool of Dask's lives as long as we do.
    assert [thread for thread in new if not thread.name.startswith("Dask-Offload")] == []
