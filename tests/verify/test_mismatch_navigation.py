"""From one mismatch to the next: every one is visited once, in the order of computation, round the end."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.verify import mismatch_navigation as navigate
from rnnviz.verify.compare import compare
from rnnviz.verify.mismatch_navigation import mismatching_at, neighbor_mismatch
from tests.verify.traces import SHAPES, Shape, changed, in_order, locations, random_trace


@st.composite
def mismatches(draw: st.DrawFn) -> tuple[Shape, list[Location]]:
    """A shape and some places in it, in the order of computation."""
    shape = draw(SHAPES)
    every = list(in_order(shape))
    wrong = draw(st.sets(st.sampled_from(every), min_size=1, max_size=12))
    return shape, [where for where in every if where in wrong]


@pytest.mark.parametrize("forward", [True, False])
@given(case=mismatches(), data=st.data())
def test_every_mismatch_is_visited_once_in_order_and_then_again(
    forward: bool, case: tuple[Shape, list[Location]], data: st.DataObject
) -> None:
    shape, wrong = case
    reference = random_trace(shape)
    candidate = changed(reference, {where: data.draw(st.sampled_from([9.0, math.nan])) for where in wrong})
    comparison = compare(reference, candidate, 1e-6, 1e-5)
    expected = wrong if forward else wrong[::-1]
    here = data.draw(st.sampled_from(wrong))
    at = expected.index(here)
    visited = []
    for _ in range(2 * len(wrong)):
        found = neighbor_mismatch(comparison, reference, candidate, here, forward=forward)
        assert found is not None
        here = found
        visited.append(here)
    assert visited == (expected[at + 1 :] + expected[: at + 1]) * 2


@given(case=mismatches(), data=st.data())
def test_from_any_place_the_nearest_mismatch_on_either_side_is_found(
    case: tuple[Shape, list[Location]], data: st.DataObject
) -> None:
    shape, wrong = case
    reference = random_trace(shape)
    candidate = changed(reference, dict.fromkeys(wrong, 9.0))
    comparison = compare(reference, candidate, 1e-6, 1e-5)
    here = data.draw(locations(shape))
    order = {where: place for place, where in enumerate(in_order(shape))}
    after = [where for where in wrong if order[where] > order[here]]
    before = [where for where in wrong if order[where] < order[here]]
    found = {
        forward: neighbor_mismatch(comparison, reference, candidate, here, forward=forward) for forward in (True, False)
    }
    assert found[True] == (after[0] if after else wrong[0])
    assert found[False] == (before[-1] if before else wrong[-1])


def test_without_a_mismatch_there_is_nowhere_to_go() -> None:
    trace = random_trace((1, 2, 3, 2, 2))
    comparison = compare(trace, trace, 0.0, 0.0)
    assert neighbor_mismatch(comparison, trace, trace, Location(), forward=True) is None
    assert neighbor_mismatch(comparison, trace, trace, Location(), forward=False) is None


def test_the_mismatches_of_one_step_are_those_of_its_samples_and_units() -> None:
    reference = random_trace((1, 2, 3, 2, 4))
    candidate = changed(reference, {Location(0, 1, 2, 1, 3): 9.0, Location(0, 1, 1, 0, 0): 9.0})
    comparison = compare(reference, candidate, 1e-6, 1e-5)
    expected = np.zeros((2, 4), bool)
    expected[1, 3] = True
    np.testing.assert_array_equal(mismatching_at(comparison, reference, candidate, Location(0, 1, 2)), expected)
    np.testing.assert_array_equal(mismatching_at(comparison, reference, candidate, Location(0, 0, 2)), False)


@pytest.mark.parametrize("piece", [1, 4])
def test_however_few_timesteps_are_looked_at_at_a_time_the_nearest_is_found(
    piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(navigate, "_PIECE", piece)
    shape = (2, 2, 9, 2, 3)
    wrong = [
        *(Location(0, 0, 3, sample, unit) for sample, unit in ((0, 1), (0, 2), (1, 0))),
        *(Location(0, 0, t, 1, 2) for t in (2, 8)),
        *(Location(1, 1, t, 1, 0) for t in (8, 6, 5, 4, 0)),
    ]
    reference = random_trace(shape)
    candidate = changed(reference, {where: reference.hidden[where.index] + 0.25 for where in wrong})
    comparison = compare(reference, candidate, 2.0**-4, 2.0**-3)
    order = list(in_order(shape))
    wrong = [where for where in order if not _within(reference, candidate, where)]
    assert len(wrong) >= 4
    ranks = {where: place for place, where in enumerate(order)}
    for here in {*order[::7], *wrong}:
        after = [where for where in wrong if ranks[where] > ranks[here]]
        before = [where for where in wrong if ranks[where] < ranks[here]]
        assert neighbor_mismatch(comparison, reference, candidate, here, forward=True) == (after or wrong)[0]
        assert neighbor_mismatch(comparison, reference, candidate, here, forward=False) == (before or wrong)[-1]


def _within(reference: Trace, candidate: Trace, where: Location) -> bool:
    r, c = float(reference.hidden[where.index]), float(candidate.hidden[where.index])
    return abs(c - r) <= 2.0**-3 + 2.0**-4 * abs(r)


def test_the_limit_itself_passes() -> None:
    reference = changed(random_trace((1, 1, 1, 1, 2)), {Location(): 2.0, Location(unit=1): -2.0})
    candidate = changed(reference, {Location(): 2.25, Location(unit=1): -2.2500001})
    comparison = compare(reference, candidate, 0.0625, 0.125)
    assert mismatching_at(comparison, reference, candidate, Location()).tolist() == [[False, True]]
