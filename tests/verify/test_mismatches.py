"""Mismatches as rows, and the next one, in the order of computation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.verify import mismatches as module
from rnnviz.verify.compare import compare
from rnnviz.verify.mismatches import mismatch_rows, mismatching_at, neighbor_mismatch
from tests.verify.traces import SHAPES, Shape, changed, in_order, locations, random_trace, trace_of


def plainly(reference: Trace, candidate: Trace, rtol: float, atol: float) -> list[tuple[object, ...]]:
    """Every row: location, both values, difference, error ratio, and distance in ulp."""
    rows: list[tuple[object, ...]] = []
    for where in in_order(reference.shape):
        r, c = float(reference.hidden[where.index]), float(candidate.hidden[where.index])
        error, limit = abs(c - r), atol + rtol * abs(r)
        if not error <= limit:
            steps, between = 0, np.float32(min(r, c))
            while between < max(r, c):
                between, steps = np.nextafter(between, np.float32(np.inf)), steps + 1
            rows.append((where, r, c, error, error / limit, steps))
    return rows


@pytest.mark.parametrize("share", [0.9, 0.08])
@pytest.mark.parametrize("values_at_a_time", [1, 30, 1 << 20])
@pytest.mark.parametrize("largest", [1, 7, 1000])
def test_rows_equal_a_plain_loop(share, values_at_a_time, largest, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_VALUES", values_at_a_time)
    rtol, atol = 2.0**-20, 2.0**-21
    rng = np.random.default_rng(5)
    reference = random_trace((2, 2, 5, 3, 4), "float32")
    hidden = np.array(reference.hidden)
    # A few floats off, some of them outside the tolerance.
    off = rng.integers(-40, 41, hidden.shape) * (rng.random(hidden.shape) < share)
    hidden = (hidden.view(np.int32) + off.astype(np.int32)).view(np.float32)
    candidate = trace_of(hidden, "candidate")
    expected = plainly(reference, candidate, rtol, atol)
    rows = mismatch_rows(compare(reference, candidate, rtol, atol), reference, candidate, largest=largest)
    assert rows.total == len(expected)
    assert len(rows) == min(largest, len(expected))
    for row, (where, r, c, error, error_ratio, steps) in enumerate(expected[:largest]):
        assert rows.location(row) == where
        assert (rows.reference[row], rows.candidate[row], rows.error[row]) == (r, c, error)
        assert rows.error_ratio[row] == pytest.approx(error_ratio, rel=1e-12)
        assert rows.ulp[row] == steps
        assert rows.row_of(where) == row
    listed = {where for where, *_ in expected[:largest]}
    assert all(rows.row_of(where) is None for where in in_order(reference.shape) if where not in listed)
    assert rows.reference.dtype == rows.candidate.dtype == np.float32


@given(limit=st.floats(1e-300, 1e300), seed=st.integers(0, 99))
def test_value_just_above_the_limit_is_listed(limit, seed):
    shape = (1, 1, 2, 1, 3)
    reference = trace_of(np.zeros(shape))
    where = list(in_order(shape))[seed % 6]
    hidden = np.full(shape, limit)
    hidden[where.index] = np.nextafter(limit, np.inf)
    candidate = trace_of(hidden)
    rows = mismatch_rows(compare(reference, candidate, 0.0, limit), reference, candidate)
    assert [rows.location(row) for row in range(len(rows))] == [where]


def test_lane_order_is_fixed():
    reference = random_trace((2, 2, 3, 2, 4))
    candidate = trace_of(reference.hidden + 1.0)
    comparison = compare(reference, candidate, 0.0, 0.5)
    rows = mismatch_rows(comparison, reference, candidate, [(1, 1), (0, 1), (1, 0)])
    every = in_order((2, 2, 3, 2, 4))
    assert [rows.location(row) for row in range(len(rows))] == [w for w in every if (w.layer, w.direction) != (0, 0)]
    none = mismatch_rows(compare(reference, candidate, 0.0, 1.5), reference, candidate)
    assert (none.total, len(none), none.where.shape, none.where.dtype) == (0, 0, (0, 5), np.int64)
    assert none.row_of(Location()) is None


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_sided_nan_is_listed(value):
    reference = changed(random_trace((1, 1, 3, 2, 2)), {Location(0, 0, 1, 1, 0): value, Location(0, 0, 2, 0, 1): value})
    candidate = changed(reference, {Location(0, 0, 1, 1, 0): 0.5})
    rows = mismatch_rows(compare(reference, candidate, 1e-7, 1e-7), reference, candidate)
    assert [rows.location(row) for row in range(len(rows))] == [Location(0, 0, 1, 1, 0)]
    assert rows.error[0] == rows.error_ratio[0] == np.inf


@st.composite
def mismatches(draw: st.DrawFn) -> tuple[Shape, list[Location]]:
    """A shape and some places in it, in the order of computation."""
    shape = draw(SHAPES)
    every = list(in_order(shape))
    wrong = draw(st.sets(st.sampled_from(every), min_size=1, max_size=12))
    return shape, [where for where in every if where in wrong]


@pytest.mark.parametrize("forward", [True, False])
@given(case=mismatches(), data=st.data())
def test_next_visits_every_mismatch_and_wraps(forward, case, data):
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
def test_next_and_previous_from_any_location(case, data):
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


@given(case=mismatches())
def test_mismatches_of_gradients_are_in_the_order_of_the_backward_pass(case):
    shape, places = case
    reference = random_trace(shape)
    candidate = changed(reference, dict.fromkeys(places, 9.0))
    reference, candidate = (t.with_arrays({"grad.h": t.hidden}) for t in (reference, candidate))
    comparison = compare(reference, candidate, 1e-6, 1e-5, name="grad.h")
    expected = sorted(places, key=lambda where: where.gradient_order)
    rows = mismatch_rows(comparison, reference, candidate)
    assert [rows.location(row) for row in range(len(rows))] == expected
    assert [rows.row_of(where) for where in expected] == list(range(len(expected)))
    assert comparison.first_mismatch is not None
    assert comparison.first_mismatch.where == expected[0]
    for here, after in zip(expected, [*expected[1:], expected[0]], strict=True):
        assert neighbor_mismatch(comparison, reference, candidate, here, forward=True) == after
        assert neighbor_mismatch(comparison, reference, candidate, after, forward=False) == here


def test_next_without_mismatches():
    trace = random_trace((1, 2, 3, 2, 2))
    comparison = compare(trace, trace, 0.0, 0.0)
    assert neighbor_mismatch(comparison, trace, trace, Location(), forward=True) is None
    assert neighbor_mismatch(comparison, trace, trace, Location(), forward=False) is None


def test_mismatches_of_one_step():
    reference = random_trace((1, 2, 3, 2, 4))
    candidate = changed(reference, {Location(0, 1, 2, 1, 3): 9.0, Location(0, 1, 1, 0, 0): 9.0})
    comparison = compare(reference, candidate, 1e-6, 1e-5)
    expected = np.zeros((2, 4), bool)
    expected[1, 3] = True
    np.testing.assert_array_equal(mismatching_at(comparison, reference, candidate, Location(0, 1, 2)), expected)
    np.testing.assert_array_equal(mismatching_at(comparison, reference, candidate, Location(0, 0, 2)), False)


def test_value_at_the_limit_passes():
    reference = changed(random_trace((1, 1, 1, 1, 2)), {Location(): 2.0, Location(unit=1): -2.0})
    candidate = changed(reference, {Location(): 2.25, Location(unit=1): -2.2500001})
    comparison = compare(reference, candidate, 0.0625, 0.125)
    assert mismatching_at(comparison, reference, candidate, Location()).tolist() == [[False, True]]
