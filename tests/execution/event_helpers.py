"""Runs that need no MXNet, and what their events must be like."""

from typing import Any

from rnnviz.core.config import Config
from rnnviz.core.inputs import Load
from rnnviz.execution.events import AuditMode, Cancelled, Computed, Event, Failed, Finished, Progressed, RunRequest
from rnnviz.execution.supervisor import Supervisor
from rnnviz.io.inputs import load_inputs
from rnnviz.verify.result import RunResult
from tests.configs import config_of

TERMINAL = (Finished, Failed, Cancelled)


def config(*, engines: tuple[str, ...] = ("manual", "bug:no-h2h-bias"), **tables: dict[str, Any]) -> Config:
    """A small LSTM, computed by the manual recurrence and by one that leaves a bias out."""
    return config_of(*engines, **tables)


def events_of(
    supervisor: Supervisor, asked: Config | None = None, load: Load = load_inputs, audit: AuditMode = "off"
) -> list[Event]:
    """All events of one run, which must be progress and then exactly one that ends it."""
    request = RunRequest(asked or config(), load, audit)
    events = list(supervisor.events(request))
    assert [type(event) for event in events if isinstance(event, TERMINAL)] == [type(events[-1])]
    assert all(isinstance(event, Progressed | Computed) for event in events[:-1])
    assert {event.request_id for event in events} == {request.id}
    fractions = [event.fraction for event in events if isinstance(event, Progressed)]
    assert fractions == sorted(fractions)
    assert all(0.0 <= fraction <= 1.0 for fraction in fractions)
    return events


def finished(events: list[Event]) -> RunResult:
    assert isinstance(events[-1], Finished), events[-1]
    return events[-1].result


def failed(events: list[Event]) -> Failed:
    assert isinstance(events[-1], Failed), events[-1]
    sentence = events[-1].sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return events[-1]
