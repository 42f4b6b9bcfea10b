"""What stands behind the verdict on a recording: what it lacks, and the type that its numbers have."""

from dataclasses import replace
from typing import Any

import pytest

from rnnviz.text import verdict_details
from rnnviz.verify.result import RunResult
from tests.factories import made_result

MINE = "/far/away/mine.py"
RESULT = made_result(("gluon", MINE))


def recorded(**fields: Any) -> RunResult:
    return replace(RESULT, traces={**RESULT.traces, MINE: replace(RESULT[MINE], **fields)})


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ((), ()),
        (("state_h", "state_c"), (
            "mine.py was recorded without state and cell_state: record them, too, to have them checked.",
        )),
        (("hidden",), ()),
        (("hidden", "output"), (
            "mine.py was recorded without hidden and output: record them, too, to have them checked.",
        )),
        (("output",), ("mine.py was recorded without output: record it, too, to have it checked.",)),
        (("output", "state_h", "state_c"), (
            "mine.py was recorded without output, state and cell_state: record them, too, to have them checked.",
        )),
    ],
)  # fmt: skip
def test_what_a_recording_lacks_is_named(missing: tuple[str, ...], said: tuple[str, ...]) -> None:
    assert verdict_details.unrecorded(recorded(missing=frozenset(missing)), ("gluon", MINE)) == said


HINT = "add computed_in to it if it was computed in another."


@pytest.mark.parametrize(
    ("precision", "said"),
    [
        ("", ()),
        ("float64", ("mine.py holds float64, rounded to float32 here.",)),
        ("float16", (f"mine.py holds float16, and is compared and audited with its precision: {HINT}",)),
    ],
)
def test_the_type_of_a_recording_is_told_where_it_is_not_the_networks(precision: str, said: tuple[str, ...]) -> None:
    assert verdict_details.precisions(recorded(precision=precision), ("gluon", MINE)) == said
