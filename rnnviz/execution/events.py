"""Request, events and outcome of a run. The parent of the worker process imports nothing that computes.

Every run ends with exactly one of Finished, Failed and Cancelled. A run with a step audit emits Computed before.
"""

from collections.abc import Iterable, Mapping
from dataclasses import field
from enum import Enum
from errno import ENOENT
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Literal, TypeAlias

from rnnviz.core.config import Config
from rnnviz.core.engine_spec import display_name
from rnnviz.core.inputs import Load
from rnnviz.core.trace import Trace, open_trace
from rnnviz.frozen import dataclass
from rnnviz.verify.compare import Comparison
from rnnviz.verify.consistency_checks import Check
from rnnviz.verify.result import RunResult

AuditMode: TypeAlias = Literal["off", "auto", "full"]
"""Whether steps are audited: not at all, a sample of a large run, or every one."""


@dataclass(frozen=True)
class RunRequest:
    """One run. `load` loads the inputs of the config, in the worker; `audit` says which steps to recompute in float64.

    `trusted` names the user's files that may be run: those that the user asked for, not those that a config names.
    `id` grows with every request of a process, so that answers to older requests are recognized and dropped.
    """

    config: Config
    load: Load
    audit: AuditMode = "auto"
    trusted: frozenset[str] = frozenset()
    id: int = field(default_factory=partial(next, count(1)))


@dataclass(frozen=True)
class Outcome:
    """The record of a computed run, small enough for a pipe: the fields of a `RunResult` without arrays."""

    config: Config
    sources: dict[str, str]
    comparisons: tuple[Comparison, ...] = ()
    checks: tuple[Check, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    extents: dict[str, float] = field(default_factory=dict)
    printed: dict[str, str] = field(default_factory=dict)


def open_traces(folder: Path, engines: Iterable[str] = ()) -> dict[str, Trace]:
    """The traces of a computed run in a folder, by engine, the reference first; a FileNotFoundError if one is gone."""
    engines_run = len(list(folder.glob("engine-*")))
    traces = [open_trace(folder / f"engine-{place}") for place in range(engines_run)]
    found = {trace.engine: trace for trace in traces}
    if gone := [engine for engine in engines if engine not in found]:
        raise FileNotFoundError(ENOENT, f"the values of {gone[0]} are gone", str(folder))
    return found


class StageKind(Enum):
    """Kinds of work in a run, in their order."""

    STARTING = "starting the engines"
    READING_INPUTS = "reading the inputs"
    READING_INPUTS_PARTLY = "reading the inputs, {percent}%"
    READING_RECORDING = "reading {engine}"
    COMPUTING = "computing with {engine}"
    COMPUTING_GRADIENTS = "computing gradients with {engine}"
    COMPARING = "comparing {engine} with {reference}"
    COMPUTED = "computed"
    AUDITING = "auditing {engine}"
    DIAGNOSING = "searching for the likely cause in {engine}"
    TESTING_BUGS = "searching for undetectable bugs"
    AUDITING_GRADIENTS = "auditing the gradients of {engine}"


@dataclass(frozen=True)
class Stage:
    """The present work of a run, the engines at work, and how much of a large input is read; `str` gives its words."""

    kind: StageKind
    engine: str = ""
    reference: str = ""
    percent: int = 0

    def __str__(self) -> str:
        names = {"engine": display_name(self.engine), "reference": display_name(self.reference)}
        return self.kind.value.format(**names, percent=self.percent)

    @property
    def after_computed(self) -> bool:
        kinds = list(StageKind)
        return kinds.index(self.kind) > kinds.index(StageKind.COMPUTED)


STARTING = Stage(StageKind.STARTING)
"""The stage before the worker process computes; it may still import engines."""


@dataclass(frozen=True)
class Progressed:
    """The present stage, and the fraction of the run that is done, 0 to 1."""

    request_id: int
    stage: Stage
    fraction: float


@dataclass(frozen=True)
class Computed:
    """Every engine is done and compared; the result has no judgment yet."""

    request_id: int
    result: RunResult


@dataclass(frozen=True)
class Finished:
    """The run is done, with its judgment if there was to be one."""

    request_id: int
    result: RunResult


@dataclass(frozen=True)
class Failed:
    """The run failed: the user's input is not valid ("input"), or an engine is missing, failed or died.

    `key` is the dotted key of the config that is wrong, `engine` the engine that failed, `settings` are values of keys
    that correct the input, each where it is known; `traceback` is for a bug report.
    """

    request_id: int
    kind: Literal["input", "engine"]
    sentence: str
    key: str | None = None
    traceback: str = ""
    engine: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cancelled:
    request_id: int


Event: TypeAlias = Progressed | Computed | Finished | Failed | Cancelled
