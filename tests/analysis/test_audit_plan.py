"""Which values an audit of a large run looks at."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.analysis import audit_plan
from rnnviz.analysis.audit_plan import FULL, NEAR, Columns, all_columns, plan_lane

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


def test_above_everything_is_followed_when_it_is_asked_for() -> None:
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
    violation = np.full(shape[3:], NEAR)
    for _ in range(data.draw(st.integers(0, 5))):
        sample, unit = data.draw(st.integers(0, shape[3] - 1)), data.draw(st.integers(0, shape[4] - 1))
        violation[sample, unit] = data.draw(st.sampled_from([NEAR * 1.0001, 1.0, np.inf, np.nan]))
    times = held(plan_lane(shape, violation, full=False), shape)
    assert times.max() == 1
    assert (times[~(violation <= NEAR)] == 1).all()
    alone = held(plan_lane(shape, None, full=False), shape)
    assert (times >= alone).all()


def test_a_run_that_is_near_its_limit_everywhere_is_followed_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_plan, "FULL", 10)
    plan = plan_lane((1, 1, 4, 3, 5), np.ones((3, 5)), full=False)
    assert (held(plan, (1, 1, 4, 3, 5)) == 1).all()


@given(samples=st.integers(1, 20), units=st.integers(1, 5), most=st.integers(1, 25))
def test_parts_hold_every_column_once(samples: int, units: int, most: int) -> None:
    parts = list(all_columns(samples, units).parts(most))
    assert (held(parts, (1, 1, 1, samples, units)) == 1).all()
    assert max(len(part.samples) for part in parts) <= most
