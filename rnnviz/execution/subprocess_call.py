"""A function call in a subprocess, which may crash, hang or run out of memory without harm."""

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from time import monotonic
from typing import Any, TypeVar

from rnnviz.core.errors import EngineError, InputError
from rnnviz.core.progress import Notify, watched
from rnnviz.execution.process_start import describe_exit, exit_with_parent, start

Outcome = TypeVar("Outcome")

_PROGRESS = "progress"
_POLL_SECONDS = 0.1
_REPORT_SECONDS = 0.05
"""The shortest time between two progress reports, in seconds."""


class CancelledError(Exception):
    """The caller has canceled the call."""


def call_in_subprocess(
    function: Callable[..., Outcome],
    *arguments: Any,
    what: str,
    seconds: float = 120.0,
    wanted: Callable[[], bool] = lambda: True,
    notify: Notify = lambda fraction: None,
) -> Outcome:
    """Call a module-level `function` in a subprocess and return its result; the arguments must be picklable.

    `what` is the error message's beginning, such as "weights.pt could not be read". `wanted` is called often; if it
    returns False, the call is canceled. `notify` gets the fraction that is done, as `core.progress` reports it.

    Raises
    ------
    InputError
        As the function raises it, or if the process dies or takes more than `seconds`.
    EngineError
        As the function raises it, or if it fails otherwise, or no process can be started.
    CancelledError
        If `wanted` returns False. The process has ended by then, also if `notify` raises.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_main, args=(theirs, function, arguments), name="rnnviz reader", daemon=True)
    try:
        start(process, 1)
    except OSError as error:
        raise EngineError(f"{what}: no process could be started for it ({error.strerror or error}).") from error
    finally:
        theirs.close()
    end = monotonic() + seconds
    try:
        kind: str = _PROGRESS
        content: Any = 0.0
        while kind == _PROGRESS:
            there = wait([ours, process.sentinel], _POLL_SECONDS)
            if not wanted():
                raise CancelledError
            notify(content)
            if monotonic() > end:
                raise InputError(f"{what}: it took more than {seconds:g} seconds.")
            if there:
                kind, content = ours.recv()
    except EOFError:
        process.join()
        # What keeps the log would make the window's start longer, which imports this module.
        from rnnviz.execution.log import log

        log.warning("a process that read a file ended (%s)", describe_exit(process.exitcode))
        raise InputError(f"{what}: the process that did it ended ({describe_exit(process.exitcode)}).") from None
    finally:
        ours.close()
        process.kill()
        process.join()
        process.close()
    if kind == "returned":
        outcome: Outcome = content
        return outcome
    raise content if kind == "raised" else EngineError(f"{what}: {content}.")


def _main(connection: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    # The parent decides what a Ctrl-C in the terminal means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    exit_with_parent()
    try:
        with watched(_telling(connection)):
            outcome = function(*arguments)
        connection.send(("returned", outcome))
    except (InputError, EngineError) as error:
        connection.send(("raised", error))
    except MemoryError:
        connection.send(("raised", InputError("There is not enough memory for this.")))
    except Exception as error:  # noqa: BLE001 - whatever went wrong, the parent gets one sentence
        connection.send(("failed", f"{type(error).__name__}: {error}".rstrip(".")))


def _telling(connection: Connection) -> Notify:
    last = -_REPORT_SECONDS

    def notify(fraction: float) -> None:
        nonlocal last
        now = monotonic()
        if now - last >= _REPORT_SECONDS:
            last = now
            connection.send((_PROGRESS, fraction))

    return notify
