"""Start of a child process: number of threads, without the user's script, in any working directory."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from threading import Lock, Thread
from types import ModuleType

_starting = Lock()

_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


@contextmanager
def threads_of_children(count: int | None) -> Iterator[None]:
    """Start children inside this context with `count` threads; None leaves the number to them.

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

    multiprocessing forbids it because a daemonic process is killed before it can end its children. Ours end by
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


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Let children that are started meanwhile not hear a Ctrl-C, which all processes of a terminal get.

    They ignore it once their own code runs; until then they would print where they were interrupted.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    # It is started with the first child, and lets the signals through again that it blocks for itself.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start(process: BaseProcess, threads: int | None) -> None:
    """Start a process that computes with `threads` threads; None leaves the number to it.

    A spawned child runs the parent's main script again, which would start the user's own script, and with it this
    call, a second time. It has no need of it: the script is hidden while the child starts.
    """
    with _starting, threads_of_children(threads), children_allowed(), _deaf_children():
        script = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            process.start()
        finally:
            sys.modules["__main__"] = script


def exit_with_parent(clean_up: Callable[[], object] = lambda: None) -> Thread:
    """Start the thread that ends this child process when its parent is gone, and return it.

    It ends the process even during a forward pass, which nothing can interrupt. `clean_up` is called before.
    """

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            wait([parent.sentinel])
            clean_up()
            os._exit(0)

    thread = Thread(target=watch, daemon=True)
    thread.start()
    return thread


def describe_exit(exitcode: int | None) -> str:
    """How a process ended, in words."""
    if exitcode is None:
        return "for an unknown reason"
    if exitcode < 0:
        with suppress(ValueError):
            return f"killed by {signal.Signals(-exitcode).name}"
    return f"exit code {exitcode}"
