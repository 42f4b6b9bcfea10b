"""What holds while a child process is started: how many threads it may use, and that it may be started at all."""

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager

_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


@contextmanager
def threads_of_children(count: int | None) -> Iterator[None]:
    """Let children that are started meanwhile compute with so many threads; None leaves it to them.

    The libraries read it once, when they are loaded, which for numpy is before a child's own code begins.
    """
    if count is None:
        yield
        return
    before = {name: os.environ.get(name) for name in _VARIABLES}
    os.environ.update(dict.fromkeys(_VARIABLES, str(count)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def children_allowed() -> Iterator[None]:
    """Let a daemonic process, as a worker of a cluster may be, start a child.

    multiprocessing forbids it because such a process is killed without a chance to end its children. Ours end by
    themselves when their parent is gone.
    """
    own = multiprocessing.current_process()._config  # type: ignore[attr-defined]
    daemonic = own.get("daemon")
    if not daemonic:
        yield
        return
    own["daemon"] = False
    try:
        yield
    finally:
        own["daemon"] = daemonic
