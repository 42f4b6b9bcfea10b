"""What a run tells while it goes on.

Every run ends with exactly one of Finished, Failed and Cancelled. A run whose steps are audited tells Computed
before: its result can be looked at, and what the audit says follows.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rnnviz.verify.result import RunResult

FailureKind: TypeAlias = Literal["input", "engine"]

JUDGING_STAGES = ("auditing ", "looking for ")
"""How every stage begins in which a result that was told as Computed is judged."""


STARTING = "starting the engines"
"""The stage of a run whose process does not compute yet: it may still have to import the engines."""


@dataclass(frozen=True)
class Progressed:
    """`stage` says in words what is being done; `fraction` is the part of the whole run that is done."""

    request_id: int
    stage: str
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
    """The run could not be done: what the user gave is wrong ("input"), or an engine is missing, failed or died.

    `key` is the dotted key of the config that is wrong, where it is one; `traceback` is for a bug report.
    """

    request_id: int
    kind: FailureKind
    sentence: str
    key: str | None = None
    traceback: str = ""


@dataclass(frozen=True)
class Cancelled:
    """The run was stopped by the user."""

    request_id: int


Event: TypeAlias = Progressed | Computed | Finished | Failed | Cancelled
