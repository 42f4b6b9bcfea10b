"""Nothing is named where no change explains the numbers, and that is due to the rule of evidence."""

from collections.abc import Iterable, Iterator
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.verify import causes, diagnosis
from rnnviz.verify.audit import audit
from rnnviz.verify.diagnosis import explain
from tests.verify.drawn_errors import ERRORS, drawn_error


@pytest.fixture(autouse=True)
def pairs_are_tried_shortly(monkeypatch):
    monkeypatch.setattr(causes.explain_lanes, "__defaults__", (0.1,))


def named(draws: Iterable[tuple[str, int]]) -> Iterator[tuple[str, int, object]]:
    """The kind, seed and causes of recordings that have a cause."""
    for kind, seed in draws:
        inputs, trace = drawn_error(kind, seed)
        checked = audit(inputs, trace, full=True)
        found = explain(inputs, trace, checked) if checked.wrong else None
        if found is not None and found.names:
            yield kind, seed, found.names


@given(st.sampled_from(sorted(ERRORS)), st.integers(0, 10**6))
def test_nothing_is_named_where_no_change_explains_the_numbers(kind, seed):
    assert [*named([(kind, seed)])] == []


@pytest.mark.nightly
@pytest.mark.parametrize("kind", ERRORS)
def test_nothing_is_named_in_a_thousand_recordings(kind):
    assert [*named((kind, seed) for seed in range(100))] == []


TINY = [*product(["one value", "random values"], range(105, 136, 15))]
"""Recordings of one hidden value that was computed in bfloat16."""


def test_without_the_rule_of_evidence_single_values_have_causes(monkeypatch):
    assert [*named(TINY)] == []
    for module in (causes, diagnosis):
        monkeypatch.setattr(module, "EVIDENCE", -1000.0)
    assert [*named(TINY)] != []
