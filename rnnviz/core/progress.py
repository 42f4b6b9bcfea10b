"""Progress of work, reported across the functions between the worker and the caller.

Who waits calls `watched`; the worker calls `expect` and `advance`. Where no one waits, nothing happens.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeAlias

Notify: TypeAlias = Callable[[float], None]
"""Called with the fraction that is done; it may raise to stop the work."""

_REPORT_SECONDS = 0.05
"""The shortest time between two progress reports, in seconds."""


@dataclass
class _Watch:
    notify: Notify
    whole: int = 0
    done: int = 0


_present: ContextVar[_Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watched(notify: Notify) -> Iterator[None]:
    """Show how far the work is that is done meanwhile in this thread."""
    token = _present.set(_Watch(notify))
    try:
        yield
    finally:
        _present.reset(token)


@contextmanager
def stage(begin: float, end: float) -> Iterator[Notify]:
    """Report the work in the block as the fractions from `begin` to `end`; yields what reports this stage's."""
    outer = _present.get()

    def notify(fraction: float) -> None:
        if outer is not None:
            outer.notify(begin + (end - begin) * fraction)

    notify(0.0)
    with watched(notify):
        yield notify


def expect(whole: int) -> None:
    """So much is to be done from here, such as bytes to be read."""
    watch = _present.get()
    if watch is not None:
        watch.whole, watch.done = whole, 0


def advance(part: int) -> None:
    """Report that another `part` of the expected work is done."""
    watch = _present.get()
    if watch is not None and watch.whole > 0:
        watch.done += part
        watch.notify(min(1.0, watch.done / watch.whole))


def throttled(report: Callable[..., object]) -> Callable[..., None]:
    """A function that calls `report` at most once in 0.05 seconds, and drops the calls between."""
    last = -_REPORT_SECONDS

    def notify(*arguments: Any) -> None:
        nonlocal last
        now = monotonic()
        if now - last >= _REPORT_SECONDS:
            last = now
            report(*arguments)

    return notify
