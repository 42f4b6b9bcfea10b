"""Drawn bugs of one lane are named with their places, in networks of every kind."""

from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.verify.audit import audit
from rnnviz.verify.diagnosis import explain
from tests.verify.drawn_bugs import drawn, wrong_about
from tests.verify.planted import planted

UNNAMED = {"ambiguous", "not named"}
"""What may be said of a few bugs, which differ too little or equal another one."""


def of_draw(seed: int) -> list[str] | None:
    """What the diagnosis of a drawn bug says otherwise; None of a bug that makes no difference."""
    inputs, bug = drawn(seed)
    made = planted(inputs, bug)
    checked = audit(inputs, made.trace, full=True)
    return wrong_about(inputs, bug, made, explain(inputs, made.trace, checked)) if checked.wrong else None


def assert_most_are_named(seeds: Iterable[int]) -> None:
    counts, wrong = Counter[str](), {}
    for seed in seeds:
        said = of_draw(seed)
        if said is not None:
            counts[said[0] if said else "named"] += 1
        if said and not set(said) <= UNNAMED:
            wrong[seed] = said
    assert wrong == {}
    assert counts["named"] >= 0.97 * counts.total(), counts


@given(st.integers(0, 10**6))
def test_a_bug_that_is_planted_in_one_lane_is_named_with_its_place(seed):
    said = of_draw(seed)
    assert said is None or set(said) <= UNNAMED


@pytest.mark.slow
def test_nearly_all_drawn_bugs_are_named():
    assert_most_are_named(range(200))


@pytest.mark.nightly
@pytest.mark.parametrize("first", range(1000, 3000, 250))
def test_nearly_all_of_two_thousand_drawn_bugs_are_named(first):
    assert_most_are_named(range(first, first + 250))
