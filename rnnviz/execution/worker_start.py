"""The start of the worker process, also before the program has imported what reads a config.

Nothing heavy is imported with this module: the worker's imports and the program's then take place at the same time.
"""

import multiprocessing
import os
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TypeAlias

from rnnviz.execution import worker
from rnnviz.execution.child_process import openblas_kernels
from rnnviz.execution.child_process import start as start_process
from rnnviz.execution.folders import storage

Worker: TypeAlias = tuple[BaseProcess, Connection]

_early: Worker | None = None


def start(warm: tuple[str, ...], threads: int | None) -> Worker:
    """Start a worker that imports the engines of `warm`. Raises an OSError."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    arguments = theirs, warm, storage().folder
    process = context.Process(target=worker.main, args=arguments, name="rnnviz engines", daemon=True)
    start_process(process, threads, {})
    theirs.close()
    # The first call imports numpy, while the child starts. A child that died is reported by its first run.
    with suppress(OSError):
        ours.send(openblas_kernels())
    return process, ours


def start_early() -> None:
    """Start the worker of a command that will run a config, if it can be started; `take` gives it to the first run."""
    global _early
    with suppress(OSError):
        # A pipe must not get the number of a closed standard stream.
        for number in range(3):
            os.fstat(number)
        _early = start((), None)


def take() -> Worker | None:
    """The worker that was started early; only the first call gets it."""
    global _early
    started, _early = _early, None
    return started
