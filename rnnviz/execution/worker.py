"""The worker process, which holds the engines.

Its main thread is the only one that runs MXNet: every new thread that does costs 5 MB that never come back.

Nothing heavy is imported with this module, as the process unpickles a function of it before anything can be caught.
"""

import ctypes
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from errno import ENOMEM
from multiprocessing.connection import Connection
from pathlib import Path
from traceback import format_exc, print_exc
from typing import TYPE_CHECKING, Any, TypeAlias

from rnnviz.core.errors import ConfigError, EngineError, InputError
from rnnviz.core.progress import throttled
from rnnviz.execution.child_process import exit_with_parent
from rnnviz.execution.folders import remove_all_of

if TYPE_CHECKING:
    from rnnviz.execution.events import RunRequest, Stage

READY = "ready"
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


def begin() -> None:
    """Import all that computes, and allocate system resources before the first run.

    Raises a MemoryError if there is too little memory.
    """
    import rnnviz.execution.pipeline  # noqa: F401

    disable_malloc_trim()
    preallocate_blas_buffers()


def disable_malloc_trim() -> None:
    """Let glibc keep some freed memory in place of handing it back; elsewhere nothing happens.

    numpy's temporaries are a few megabytes large. By default each one is mapped again and cleared page by page by the
    system, which takes as long as the arithmetic on it.
    """
    mallopt = _glibc("mallopt")
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)


def _glibc(function: str) -> Any:
    """A function of glibc, or None on other systems."""
    return getattr(ctypes.CDLL(None), function, None) if sys.platform == "linux" else None


def preallocate_blas_buffers() -> None:
    """Have numpy's OpenBLAS take the room that it keeps for all later products, while there is some.

    Where there is none it asks again and again, for ever. Raises a MemoryError if there is none.
    """
    import numpy as np

    # Asked for and given back: numpy says what OpenBLAS does not.
    np.empty(_PRODUCTS_BYTES, np.uint8)
    # Small products need no room.
    square = np.ones((256, 256), np.float32)
    np.matmul(square, square)


def main(connection: Connection, warm: tuple[str, ...], storage: Path) -> None:
    """Answer requests until the pipe is closed. `warm` names the engines that are imported before the first one.

    The first message has variables for the import of numpy: the parent finds them while this process starts.
    `storage` is the parent's folder for runs, which goes with the parent.

    A process that cannot even begin ends at once, with the code 1: where memory is missing, what numpy's libraries do
    at a regular end may wait for ever for threads that never got theirs.
    """
    try:
        os.environ.update(connection.recv())
    except (EOFError, OSError):
        remove_all_of(storage)
        os._exit(0)
    try:
        begin()
    except BaseException:  # noqa: BLE001 - whatever it is, nothing can be done but to notify it and end
        print_exc()
        sys.stderr.flush()
        os._exit(1)
    # The parent decides what a Ctrl-C in the terminal means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    storages = {storage}

    def remove_folders() -> None:
        # A parent that was killed, or whose screen went away, could not remove its folders.
        for folder in tuple(storages):
            remove_all_of(folder)

    watch = exit_with_parent(remove_folders)
    _warm_up(warm)
    try:
        connection.send((READY, None))
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
    """Free unreferenced memory.

    Gluon's layers hold themselves, and the collector by itself would let those of thousands of runs pile up.
    """
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
            yield "computed", outcome
            judgment = judge_computed(
                request, folder, outcome, lambda stage, done: notify(stage, share + (1.0 - share) * done)
            )
        yield "finished", (outcome, judgment)
    except ConfigError as error:
        yield "failed", ("input", error.sentence, error.key, "", None, error.settings)
    except InputError as error:
        yield "failed", ("input", str(error), None, "", None, error.settings)
    except EngineError as error:
        yield "failed", ("engine", str(error), None, format_exc(), error.engine)
    except MemoryError:
        yield "failed", ("input", _NO_MEMORY, None, format_exc())
    except OSError as error:
        if error.errno == ENOMEM:
            # A file could not be mapped, which has nothing to do with the disk.
            yield "failed", ("input", _NO_MEMORY, None, format_exc())
            return
        # numpy reports a full disk without the system's error text.
        reason = error.strerror or f"the disk is full ({error})"
        yield "failed", ("engine", f"The run could not be stored in {folder.parent}: {reason}.", None, format_exc())
    except Exception as error:  # noqa: BLE001 - the window must live on, whatever went wrong here
        yield "failed", ("engine", f"The run failed: {type(error).__name__}: {error}.", None, format_exc())
