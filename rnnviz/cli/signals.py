"""Signals that end the program: they unwind it as Ctrl-C does, so that files and processes are cleaned up."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType

_ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_REPEATED_SECONDS = 2.0
"""Some senders, such as timeout, send a signal twice; the second one must not interrupt the cleaning up."""


class Ended(KeyboardInterrupt):
    """The program was asked to end by the signal `number`."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def exit_code_of(interrupt: KeyboardInterrupt) -> int:
    """The exit code that shells report for a program ended by a signal."""
    return 128 + (interrupt.number if isinstance(interrupt, Ended) else signal.SIGINT)


@contextmanager
def signals_raised(ending: bool) -> Iterator[None]:
    """Raise `Ended` in the main thread meanwhile; a signal that is ignored, as under nohup, stays ignored.

    `ending` says that the program ends afterwards, and must not be interrupted in that.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    first: float | None = None

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal first
        if first is None or monotonic() - first > _REPEATED_SECONDS:
            first = monotonic()
            raise Ended(number)

    heard = [number for number in _ENDING if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    before = {number: signal.signal(number, end) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if ending else handler)


def ignore_signals() -> None:
    """Let the end of the program, which removes its temporary files, not be interrupted."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
