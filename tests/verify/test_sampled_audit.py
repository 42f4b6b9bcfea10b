"""An audit of a part of a run: its coverage, and the statement of it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.trace_index import Location
from rnnviz.engines.manual import ManualEngine
from rnnviz.verify import audited
from rnnviz.verify.audit import audit
from rnnviz.verify.audited import FULL, NEAR, Columns, all_columns, plan_lane
from rnnviz.verify.compare import compare_all
from tests.oracles.computed import computed
from tests.verify.audit_helpers import inputs_of
from tests.verify.traces import changed

CELLS = ("rnn_relu", "rnn_tanh", "lstm", "gru")


@pytest.fixture
def small_limit(monkeypatch):
    """Runs of some thousand values count as large."""
    monkeypatch.setattr(audited, "FULL", 2_000)


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_sampled_audit_states_exactly_its_coverage(cell, bidirectional):
    inputs = inputs_of(
        {"timesteps": 40, "batch_size": 12}, cell=cell, hidden_size=20, num_layers=2, bidirectional=bidirectional
    )
    trace, _ = computed(ManualEngine(), inputs)
    # Every value is wrong, so the counts show which values were audited.
    away = np.where(np.arange(40) % 2, -50.0, 50.0).astype(np.float32)[:, np.newaxis, np.newaxis]
    far = trace.with_arrays({"h": trace.hidden + away})
    found = audit(inputs, far)
    assert 0 < found.audited < found.elements == trace.hidden.size
    assert found.wrong == found.audited
    assert found.coverage == found.audited / found.elements
    right = audit(inputs, trace)
    assert right.verdict == "right"
    assert right.audited == found.audited


@pytest.mark.usefixtures("small_limit")
def test_a_sample_is_followed_in_all_units_where_one_is_computed_from_others():
    inputs = inputs_of({"timesteps": 40, "batch_size": 12}, cell="gru_reset_before", hidden_size=20)
    trace, _ = computed(ManualEngine(), inputs)
    assert audit(inputs, trace).audited == 40 * 20 + 2 * 11 * 20


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("cell", CELLS)
def test_a_sampled_audit_sees_every_value_whose_error_ratio_exceeds_a_half(cell):
    inputs = inputs_of({"timesteps": 40, "batch_size": 12}, cell=cell, hidden_size=20)
    trace, _ = computed(ManualEngine(), inputs)
    trace = replace(trace, engine="manual")
    where = Location(0, 0, 21, 5, 13)
    moved = changed(trace, {where: float(trace.hidden[where.index]) + 9e-4}, "moved")
    assert audit(inputs, moved).coverage < 1.0
    assert audit(inputs, moved).first_wrong is None
    comparison = compare_all(trace, moved, 1.3e-6, 1e-3)
    assert 0.5 < comparison.max_error_ratio < 1.0
    found = audit(inputs, moved, [comparison])
    assert found.first_wrong is not None
    assert found.first_wrong.where.location == where
    assert audit(inputs, trace, [comparison]).verdict == "right"
    assert audit(inputs, trace, [comparison]).audited == found.audited


@pytest.mark.parametrize(("cell", "ends"), [("gru", 2), ("rnn_relu", 2), ("lstm", 1)])
def test_of_the_columns_that_are_not_followed_both_ends_are_counted_once(cell, ends, monkeypatch):
    monkeypatch.setattr(audited, "FULL", 240)
    inputs = inputs_of({"timesteps": 10, "batch_size": 6}, cell=cell, hidden_size=8, bidirectional=True)
    trace, _ = computed(ManualEngine(), inputs)
    told: list[float] = []
    found = audit(inputs, trace, progress=told.append)
    # In each lane 2 samples of 3 units at every step, and the other 42 columns at their ends.
    assert found.audited == 2 * (6 * 10 + 42 * ends)
    assert found.verdict == "right"
    assert not np.isnan(found.ratio_over_time).any()
    assert told == sorted(told)
    assert (min(told), max(told)) == (0.5, 1.0)
    assert set(told) == {0.5, 1.0}
    for where in (Location(0, 0, 0, 3, 5), Location(0, 0, 9, 3, 5), Location(0, 0, 4, 3, 5), Location(0, 1, 9, 3, 5)):
        first = where.timestep == (9 if where.direction else 0)
        seen = first or (where.timestep == 9 and ends == 2)
        moved = audit(inputs, changed(trace, {where: 3.0}))
        assert (moved.first_wrong is not None and moved.first_wrong.where.location == where) == seen, where
        assert (moved.audited, moved.wrong > 0) == (found.audited, moved.first_wrong is not None)


@pytest.mark.usefixtures("small_limit")
def test_a_comparison_of_others_does_not_steer_the_audit():
    inputs = inputs_of({"timesteps": 40, "batch_size": 12}, cell="gru", hidden_size=20)
    trace, _ = computed(ManualEngine(), inputs)
    far = compare_all(
        replace(trace, engine="a"), replace(trace.with_arrays({"h": trace.hidden + 1}), engine="b"), 1e-6, 1e-5
    )
    assert audit(inputs, trace, [far]).audited == audit(inputs, trace).audited
    assert audit(inputs, replace(trace, engine="a"), [far]).coverage == 1.0


Shape = tuple[int, int, int, int, int]


def held(plan: list[Columns], shape: Shape) -> np.ndarray:
    """(N, H): how often the plan holds each column."""
    times = np.zeros(shape[3:], int)
    for columns in plan:
        times[np.ix_(columns.samples, columns.units)] += 1
    return times


@pytest.mark.parametrize("shape", [(1, 1, 1, 1, 1), (2, 2, 125, 100, 100), (1, 1, FULL, 1, 1)])
def test_up_to_five_million_values_everything_is_followed(shape):
    assert np.prod(shape) <= FULL
    assert (held(plan_lane(shape, None, full=False), shape) == 1).all()


def test_a_full_plan_covers_everything_above_the_limit():
    shape = (1, 1, 10**6, 3, 5)
    assert (held(plan_lane(shape, None, full=True), shape) == 1).all()


LARGE = st.tuples(
    st.integers(1, 4), st.integers(1, 2), st.integers(1, 100_000), st.integers(1, 300), st.integers(1, 600)
).filter(lambda shape: np.prod(shape) > FULL)


@given(shape=LARGE)
def test_a_large_run_is_sampled_by_a_grid_that_reaches_its_corners_and_costs_no_more_than_a_full_one(shape):
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
def test_every_column_near_its_limit_is_followed_and_none_is_followed_twice(shape, data):
    error_ratio = np.full(shape[3:], NEAR)
    for _ in range(data.draw(st.integers(0, 5))):
        sample, unit = data.draw(st.integers(0, shape[3] - 1)), data.draw(st.integers(0, shape[4] - 1))
        error_ratio[sample, unit] = data.draw(st.sampled_from([NEAR * 1.0001, 1.0, np.inf, np.nan]))
    times = held(plan_lane(shape, error_ratio, full=False), shape)
    assert times.max() == 1
    assert (times[~(error_ratio <= NEAR)] == 1).all()
    alone = held(plan_lane(shape, None, full=False), shape)
    assert (times >= alone).all()


def test_a_run_that_is_near_its_limit_everywhere_is_followed_everywhere(monkeypatch):
    monkeypatch.setattr(audited, "FULL", 10)
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
    shape, samples, units, monkeypatch
):
    monkeypatch.setattr(audited, "FULL", 240)
    [grid] = plan_lane(shape, None, full=False)
    assert (grid.samples.tolist(), grid.units.tolist()) == (list(samples), list(units))
    assert grid.count == len(samples) * len(units)


def test_all_units_are_followed_where_one_is_computed_from_others(monkeypatch):
    monkeypatch.setattr(audited, "FULL", 240)
    [grid] = plan_lane((1, 1, 30, 6, 8), None, full=False, whole=True)
    assert (grid.samples.tolist(), grid.units.tolist()) == ([0], list(range(8)))


def test_a_sample_near_its_limit_is_followed_in_all_its_units_and_the_others_in_the_grids(monkeypatch):
    monkeypatch.setattr(audited, "FULL", 240)
    error_ratio = np.full((6, 8), NEAR)
    error_ratio[2, 3] = 0.75
    near, others = plan_lane((1, 1, 10, 6, 8), error_ratio, full=False)
    assert (near.samples.tolist(), near.units.tolist()) == ([2], list(range(8)))
    assert (others.samples.tolist(), others.units.tolist()) == ([0, 5], [0, 2, 5, 7])


@given(samples=st.integers(1, 20), units=st.integers(1, 5), most=st.integers(1, 25))
def test_parts_hold_every_column_once(samples, units, most):
    parts = list(all_columns(samples, units).parts(most))
    assert (held(parts, (1, 1, 1, samples, units)) == 1).all()
    assert max(len(part.samples) for part in parts) <= most
