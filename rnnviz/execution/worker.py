"""The worker process, which holds the engines, and its start.

Its main thread is the only one that runs MXNet: every new thread that does costs 5 MB that never come back. Nothing
heavy is imported here: a command starts the process before its own imports, so that both take place at the same time.
"""

import ctypes
import errno
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from traceback import format_exc, print_exc
from typing import TYPE_CHECKING, Any, TypeAlias

from rnnviz.core.errors import ConfigError, EngineError, InputError
from rnnviz.core.progress import throttled
from rnnviz.execution.child_process import Child, exit_with_parent, openblas_kernels
from rnnviz.execution.folders import remove_all_of, storage

if TYPE_CHECKING:
    from rnnviz.execution.events import RunRequest, Stage

_LAST_SECONDS = 10.0
_NO_MEMORY = "The run needs more memory than is available: reduce a size."
_IDLE = 0.3
"""Idle time in seconds, after which no request is expected soon."""

_COMPUTE = 0.7
"""The part of an audited run's progress that computing and comparing take."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 64 << 20
_LARGEST_MMAP_THRESHOLD = 32 << 20
_PRODUCTS_BYTES = 48 << 20
"""More than OpenBLAS takes at its first product, which is 32 MB and a little."""

Message: TypeAlias = tuple[str, Any]

_early: Child | None = None


def start(warm: tuple[str, ...], threads: int | None) -> Child:
    """Start a worker that imports the engines of `warm`. Raises an OSError."""
    child = Child(main, warm, storage().folder, name="rnnviz engines", threads=threads, kernels={})
    # The first call imports numpy, while the child starts. A child that died is reported by its first run.
    with suppress(OSError):
        child.connection.send(openblas_kernels())
    return child


def start_early() -> None:
    """Start the worker of a command that will run a config, if it can be started; `take` gives it to the first run."""
    global _early
    with suppress(OSError):
        # A pipe must not get the number of a closed standard stream.
        for number in range(3):
            os.fstat(number)
        _early = start((), None)


def take() -> Child | None:
    """The worker that was started early; only the first call gets it."""
    global _early
    started, _early = _early, None
    return started


def disable_malloc_trim() -> None:
    """Let glibc keep some freed memory: to map and clear each temporary of numpy takes as long as its arithmetic."""
    mallopt = _glibc("mallopt")
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)


def _glibc(function: str) -> Any:
    """A function of glibc, or None on other systems."""
    return getattr(ctypes.CDLL(None), function, None) if sys.platform == "linux" else None


def preallocate_blas_buffers() -> None:
    """Have numpy's OpenBLAS take the room for all later products; later it would ask for ever. Raises a MemoryError."""
    import numpy as np

    # Asked for and given back: numpy says what OpenBLAS does not.
    np.empty(_PRODUCTS_BYTES, np.uint8)
    # Small products need no room.
    square = np.ones((256, 256), np.float32)
    np.matmul(square, square)


def main(connection: Connection, warm: tuple[str, ...], runs: Path) -> None:
    """Answer requests until the pipe is closed. `warm` names the engines that are imported before the first one.

    The first message has variables for the import of numpy: the parent finds them while this process starts.
    `runs` is the parent's folder for runs, which goes with the parent.
    """
    try:
        os.environ.update(connection.recv())
    except (EOFError, OSError):
        remove_all_of(runs)
        os._exit(0)
    try:
        import rnnviz.execution.pipeline  # noqa: F401 - all that computes

        disable_malloc_trim()
        preallocate_blas_buffers()
    except BaseException:  # noqa: BLE001 - whatever it is, nothing can be done but to notify it and end
        # At a regular end, numpy's libraries may wait for ever for threads that got no memory.
        print_exc()
        sys.stderr.flush()
        os._exit(1)
    # The parent decides what a Ctrl-C in the terminal means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    storages = {runs}

    def remove_folders() -> None:
        # A parent that was killed, or whose screen went away, could not remove its folders.
        for folder in tuple(storages):
            remove_all_of(folder)

    watch = exit_with_parent(remove_folders)
    _warm_up(warm)
    try:
        while True:
            if not connection.poll(_IDLE):
                _rest()
            request, folder, place = connection.recv()
            storages.add(Path(folder).parent)
            # Relative paths start from the parent's folder. A folder that cannot be entered has no files to read.
            with suppress(OSError):
                os.chdir(place)
            notify = throttled(lambda stage, done: connection.send(("progress", (stage, done))))
            for message in _messages(request, Path(folder), notify):
                connection.send(message)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        # The parent is gone, and what it left is being removed.
        watch.join(_LAST_SECONDS)


def _rest() -> None:
    """Free unreferenced memory: Gluon's layers hold themselves, and would pile up over thousands of runs."""
    gc.collect()
    # Free memory grows with runs of different sizes.
    malloc_trim = _glibc("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def _warm_up(engines: tuple[str, ...]) -> None:
    from rnnviz.engines.registry import load_engine

    for name in engines:
        try:
            load_engine(name)
        except (InputError, EngineError):
            # A run that names the engine will say so; a run that does not need it must not fail for it.
            continue


def _messages(request: "RunRequest", folder: Path, notify: "Callable[[Stage, float], None]") -> Iterator[Message]:
    """The outcome as "computed", if steps are to be audited, and with its judgment as "finished"; or "failed"."""
    from rnnviz.execution.pipeline import compute, judge_computed

    try:
        audited = request.audit != "off"
        share = _COMPUTE if audited else 1.0
        outcome = compute(request, folder, lambda stage, done: notify(stage, share * done))
        judgment = None
        if audited:
            yield "computed", (outcome, None)
            judgment = judge_computed(
                request, folder, outcome, lambda stage, done: notify(stage, share + (1.0 - share) * done)
            )
        yield "finished", (outcome, judgment)
    except Exception as error:  # noqa: BLE001 - the window must live on, whatever went wrong here
        yield "failed", _failure(error, folder.parent)


def _failure(error: Exception, folder: Path) -> dict[str, Any]:
    match error:
        case ConfigError():
            return {"kind": "input", "sentence": error.sentence, "key": error.key, "settings": error.settings}
        case InputError():
            return {"kind": "input", "sentence": str(error), "settings": error.settings}
        case EngineError():
            return {"kind": "engine", "sentence": str(error), "traceback": format_exc(), "engine": error.engine}
        case MemoryError() | OSError(errno=errno.ENOMEM):
            # A file could not be mapped, which has nothing to do with the disk.
            return {"kind": "input", "sentence": _NO_MEMORY, "traceback": format_exc()}
        case OSError():
            # numpy reports a full disk without the system's error text.
            reason = error.strerror or f"the disk is full ({error})"
            sentence = f"The run could not be stored in {folder}: {reason}."
        case _:
            sentence = f"The run failed: {type(error).__name__}: {error}."
    return {"kind": "engine", "sentence": sentence, "traceback": format_exc()}
