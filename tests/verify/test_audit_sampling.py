"""The values that an audit of a large run covers."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.verify import audited as audit_plan
from rnnviz.verify.audited import FULL, NEAR, Columns, all_columns, plan_lane

Shape = tuple[int, int, int, int, int]


def held(plan: list[Columns], shape: Shape) -> np.ndarray:
    """(N, H): how often the plan holds each column."""
    times = np.zeros(shape[3:], int)
    for columns in plan:
        times[np.ix_(columns.samples, columns.units)] += 1
    return times


@pytest.mark.parametrize("shape", [(1, 1, 1, 1, 1), (2, 2, 125, 100, 100), (1, 1, FULL, 1, 1)])
def test_up_to_five_million_values_everything_is_followed(shape: Shape) -> None:
    assert np.prod(shape) <= FULL
    assert (held(plan_lane(shape, None, full=False), shape) == 1).all()


def test_a_full_plan_covers_everything_above_the_limit() -> None:
    shape = (1, 1, 10**6, 3, 5)
    assert (held(plan_lane(shape, None, full=True), shape) == 1).all()


LARGE = st.tuples(
    st.integers(1, 4), st.integers(1, 2), st.integers(1, 100_000), st.integers(1, 300), st.integers(1, 600)
).filter(lambda shape: np.prod(shape) > FULL)


@given(shape=LARGE)
def test_a_large_run_is_sampled_by_a_grid_that_reaches_its_corners_and_costs_no_more_than_a_full_one(
    shape: Shape,
) -> None:
    times = held(plan_lane(shape, None, full=False), shape)
    assert times.max() == 1
    followed = times.any(axis=1)
    assert followed[0]
    assert times.any(axis=0)[0]
    for axis in (0, 1):
        line = times.any(axis=axis)
        assert line[-1] or line.sum() == 1
    layers, directions, timesteps, *_ = shape
    assert times.sum() * layers * directions * timesteps <= max(FULL / 2, layers * directions * timesteps)


@given(shape=LARGE, data=st.data())
def test_every_column_near_its_limit_is_followed_and_none_is_followed_twice(shape: Shape, data: st.DataObject) -> None:
    error_ratio = np.full(shape[3:], NEAR)
    for _ in range(data.draw(st.integers(0, 5))):
        sample, unit = data.draw(st.integers(0, shape[3] - 1)), data.draw(st.integers(0, shape[4] - 1))
        error_ratio[sample, unit] = data.draw(st.sampled_from([NEAR * 1.0001, 1.0, np.inf, np.nan]))
    times = held(plan_lane(shape, error_ratio, full=False), shape)
    assert times.max() == 1
    assert (times[~(error_ratio <= NEAR)] == 1).all()
    alone = held(plan_lane(shape, None, full=False), shape)
    assert (times >= alone).all()


def test_a_run_that_is_near_its_limit_everywhere_is_followed_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_plan, "FULL", 10)
    plan = plan_lane((1, 1, 4, 3, 5), np.ones((3, 5)), full=False)
    assert (held(plan, (1, 1, 4, 3, 5)) == 1).all()


@pytest.mark.parametrize(
    ("shape", "samples", "units"),
    [
        # Of 48 columns all, as long as there are no more than 240 values.
        ((1, 1, 5, 6, 8), range(6), range(8)),
        # Half of 240 values are 12 columns of 10 steps, and 6 in each of two lanes.
        ((1, 1, 10, 6, 8), [0, 2, 5], [0, 2, 5, 7]),
        ((2, 1, 10, 6, 8), [0, 5], [0, 4, 7]),
        ((1, 2, 10, 6, 8), [0, 5], [0, 4, 7]),
        # 4 columns of 30 steps, of one sample or of one unit where there are few.
        ((1, 1, 30, 2, 50), [0], [0, 16, 33, 49]),
        ((1, 1, 30, 50, 2), [0, 16, 33, 49], [0]),
        # One at least, however long it is.
        ((1, 1, 200, 1, 5), [0], [0]),
    ],
)
def test_half_as_many_values_are_followed_as_may_be_and_samples_and_units_in_proportion(
    shape: Shape, samples: Sequence[int], units: Sequence[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_plan, "FULL", 240)
    [grid] = plan_lane(shape, None, full=False)
    assert (grid.samples.tolist(), grid.units.tolist()) == (list(samples), list(units))
    assert grid.count == len(samples) * len(units)


def test_all_units_are_followed_where_one_is_computed_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_plan, "FULL", 240)
    [grid] = plan_lane((1, 1, 30, 6, 8), None, full=False, whole=True)
    assert (grid.samples.tolist(), grid.units.tolist()) == ([0], list(range(8)))


def test_a_sample_near_its_limit_is_followed_in_all_its_units_and_the_others_in_the_grids(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(audit_plan, "FULL", 240)
    error_ratio = np.full((6, 8), NEAR)
    error_ratio[2, 3] = 0.75
    near, others = plan_lane((1, 1, 10, 6, 8), error_ratio, full=False)
    assert (near.samples.tolist(), near.units.tolist()) == ([2], list(range(8)))
    assert (others.samples.tolist(), others.units.tolist()) == ([0, 5], [0, 2, 5, 7])


@given(samples=st.integers(1, 20), units=st.integers(1, 5), most=st.integers(1, 25))
def test_parts_hold_every_column_once(samples: int, units: int, most: int) -> None:
    parts = list(all_columns(samples, units).parts(most))
    assert (held(parts, (1, 1, 1, samples, units)) == 1).all()
    assert max(len(part.samples) for part in parts) <= most
