"""Progress callbacks across layers of calls, which can stop the work."""

import pytest

from rnnviz.core import progress
from rnnviz.core.progress import advance, expect, stage, throttled, watched


def test_progress_is_a_fraction_of_the_last_expectation():
    told: list[float] = []
    with watched(told.append):
        advance(3)  # nothing was expected
        expect(4)
        advance(1)
        advance(2)
        advance(3)
        expect(0)
        advance(3)
        expect(10)
        advance(1)
    assert told == [0.25, 0.75, 1.0, 0.1]


def test_progress_is_not_reported_without_a_watcher():
    outer: list[float] = []
    inner: list[float] = []
    expect(2)
    advance(1)
    with watched(outer.append):
        expect(2)
        with watched(inner.append):
            expect(4)
            advance(1)
        advance(1)
    advance(1)
    assert (outer, inner) == ([0.5], [0.25])


def test_progress_of_a_stage_is_scaled_to_its_part_of_the_whole():
    told: list[float] = []
    with watched(told.append):
        with stage(0.0, 0.5):
            expect(4)
            advance(2)
        with stage(0.5, 1.0), stage(0.5, 1.0) as tell:
            tell(0.5)
    with stage(0.0, 1.0) as tell:
        tell(0.5)  # no one waits
    assert told == [0.0, 0.25, 0.5, 0.75, 0.875]


class CancelledError(Exception):
    """Enough."""


def stop(_fraction: float) -> None:
    raise CancelledError


def test_a_progress_callback_can_cancel_the_work():
    with watched(stop):
        expect(1)
        with pytest.raises(CancelledError):
            advance(1)


def test_reports_between_two_others_are_dropped(monkeypatch):
    times, seen = iter([0.0, 0.04, 0.0625, 0.1, 0.125]), []
    monkeypatch.setattr(progress, "monotonic", lambda: next(times))
    notify = throttled(lambda *arguments: seen.append(arguments))
    for number in range(5):
        notify("stage", number)
    assert seen == [("stage", 0), ("stage", 2), ("stage", 4)]
