"""Results of a comparison, of a step audit and of a consistency check."""

from enum import StrEnum
from typing import Literal, TypeAlias

PassName: TypeAlias = Literal["forward", "backward"]


class Verdict(StrEnum):
    """Result of comparing two engines, from best to worst."""

    AGREE = "agree"
    DRIFT = "drift"
    DISAGREE = "disagree"


VERDICTS = tuple(Verdict)


class AuditVerdict(StrEnum):
    """Result of the step audit of one engine."""

    RIGHT = "right"
    """No step is outside its rounding bound."""
    WRONG = "wrong"
    """A step is outside its rounding bound."""
    UNDETERMINED = "undetermined"
    """No step could be judged."""
    NOT_AUDITED = "not audited"
    """No step was recomputed."""


class CheckOutcome(StrEnum):
    """Result of a consistency check."""

    PASSED = "passed"
    KNOWN_ISSUE = "known issue"
    """It fails by a known bug of a library, and says nothing of the engine."""
    FAILED = "failed"
