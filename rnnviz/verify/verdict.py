"""Results of a comparison."""

from enum import StrEnum


class Verdict(StrEnum):
    """Result of comparing two engines, from best to worst."""

    AGREE = "agree"
    DRIFT = "drift"
    DISAGREE = "disagree"


VERDICTS = tuple(Verdict)
