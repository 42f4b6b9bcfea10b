"""A function called in a separate process, which may crash, hang or run out of memory without harm."""

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from time import monotonic
from typing import Any, TypeVar

from rnnviz.core.errors import EngineError, InputError
from rnnviz.core.progress import Tell, watched
from rnnviz.execution.process_start import describe_exit, exit_with_parent, start

Outcome = TypeVar("Outcome")

_PROGRESS = "progress"
_POLL_SECONDS = 0.1
_TOLD_SECONDS = 0.05
"""How long what is reported for the progress stays as it is, so that the process is not busy with showing."""


class CancelledError(Exception):
    """The caller wants the outcome no more."""


def call_in_subprocess(
    function: Callable[..., Outcome],
    *arguments: Any,
    what: str,
    seconds: float = 120.0,
    wanted: Callable[[], bool] = lambda: True,
    tell: Tell = lambda fraction: None,
) -> Outcome:
    """What a module-level `function` returns for `arguments`, all of which can be pickled.

    `what` names in a sentence what is done, such as "weights.pt could not be read". `wanted` is asked often,
    and `tell` as often gets the fraction that is done, as far as the function says so by `model.progress`.

    Raises
    ------
    InputError
        As the function raises it, or if the process dies or takes more than `seconds`.
    EngineError
        As the function raises it, or if it fails otherwise, or no process can be started.
    StoppedError
        If the outcome is no longer wanted; the process is gone by then, as it is if `tell` raises.
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
            tell(content)
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


def _telling(connection: Connection) -> Tell:
    last = -_TOLD_SECONDS

    def tell(fraction: float) -> None:
        nonlocal last
        now = monotonic()
        if now - last >= _TOLD_SECONDS:
            last = now
            connection.send((_PROGRESS, fraction))

    return tell
