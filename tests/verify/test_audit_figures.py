"""The figures of an audit equal a plain count over every value, and its coverage of a large run is stated."""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.cells.interpreters.running_error import BoundedArray
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import LINE, Trace
from rnnviz.core.trace_index import Location
from rnnviz.engines.manual import ManualEngine
from rnnviz.verify import audited
from rnnviz.verify import compare as comparing
from rnnviz.verify.audit import Audit, audit, audit_pass
from rnnviz.verify.audited import FULL, NEAR, Block, Columns, Expected, all_columns, ends, plan_lane
from rnnviz.verify.compare import Comparison, compare_all
from tests.cases import cases
from tests.oracles.computed import computed
from tests.oracles.gates import gates_of
from tests.verify.audit_helpers import inputs_of
from tests.verify.traces import changed, in_order, trace_of

SHAPE = (2, 2, 5, 3, 4)
EPS = 2.0**-23
EVERY = Columns(np.arange(3), np.arange(4))


@dataclass
class GivenPass:
    """A pass whose steps give the numbers of `value` with the bounds of `bound`, in blocks as they are added."""

    inputs: Inputs
    h: np.ndarray
    value: np.ndarray
    bound: np.ndarray
    engine: str = "engine"
    comparisons: Sequence[Comparison] = ()
    found: list[Expected] = field(default_factory=list)
    name = "forward"
    over_time = "h"
    arrays = ("h",)
    lines = ()

    @property
    def trace(self) -> Trace:
        return trace_of(self.h, self.engine)

    def add(self, lane: tuple[int, int], times: slice, columns: Columns = EVERY, **more: object) -> None:
        axes = np.arange(times.start, times.stop), columns.samples, columns.units
        block = Block("h", lane, axes, (*lane, 0), last_first=lane[1] == 1)
        self.found.append(Expected(block, BoundedArray(block.read(self.value), block.read(self.bound), EPS), **more))

    def legs(self) -> list[object]:
        return []

    def end(self) -> list[Expected]:
        return self.found

    def checks(self) -> tuple[()]:
        return ()


def given_pass(
    h: np.ndarray, value: np.ndarray | None = None, bound: np.ndarray | None = None, **more: object
) -> GivenPass:
    """A pass over hidden values; the steps give 0 with the bound 1 unless a test says otherwise."""
    layers, directions, timesteps, samples, units = h.shape
    sizes = {"hidden_size": units, "num_layers": layers, "bidirectional": directions == 2}
    inputs = inputs_of({"timesteps": timesteps, "batch_size": samples}, cell="rnn_tanh", **sizes)
    return GivenPass(
        inputs, h, np.zeros(h.shape) if value is None else value, np.ones(h.shape) if bound is None else bound, **more
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("length", [1, 2, 5])
def test_figures_equal_a_plain_count(seed, length):
    rng = np.random.default_rng(seed)
    h, value, bound = rng.normal(size=SHAPE), rng.normal(size=SHAPE), rng.uniform(0.05, 3.0, SHAPE)
    if seed == 3:
        bound += 100.0  # right everywhere
    followed = np.array([[0, 2], [1, 3]])  # samples 0 and 2 with all units, sample 1 with units 1 and 3
    parts = [Columns(followed[0], np.arange(4)), Columns(np.array([1]), followed[1])]
    seen = np.zeros(SHAPE[3:], bool)
    seen[followed[0]] = True
    seen[1, followed[1]] = True
    way = given_pass(h, value, bound)
    for lane in np.ndindex(SHAPE[:2]):
        for columns in parts:
            starts = range(0, 5, length)
            for start in reversed(starts) if lane[1] else starts:
                way.add(lane, slice(start, min(start + length, 5)), columns)
    found = audit_pass(way)
    error = np.where(seen, np.abs(h - value), -1.0)
    ratio = np.where(seen, np.abs(h - value) / bound, -1.0)
    np.testing.assert_array_equal(found.error_over_time, error.max(axis=(3, 4)))
    np.testing.assert_array_equal(found.ratio_over_time, ratio.max(axis=(3, 4)))
    assert (found.engine, found.audited, found.elements) == ("engine", 20 * 10, 20 * 12)
    assert found.coverage == 200 / 240
    assert found.worst_ratio == ratio.max() == ratio[found.worst_at.index]
    assert found.wrong == (ratio > 8.0).sum()
    wrong = [where for where in in_order(SHAPE) if ratio[where.index] > 8.0]
    assert found.verdict == ("wrong" if wrong else "right")
    assert (found.first_wrong is None) == (not wrong) == (seed == 3)
    if found.first_wrong is not None:
        where = found.first_location
        assert where == wrong[0]
        assert (found.first_wrong.value, found.first_wrong.expected) == (h[where.index], value[where.index])


def test_a_column_that_another_block_counts_is_seen_but_not_counted_again():
    h = np.zeros(SHAPE)
    h[0, 0, 1, 2] = 9.0
    fresh = np.zeros((3, 4), bool)
    fresh[2, :3] = True
    way = given_pass(h)
    way.add((0, 0), slice(1, 3), fresh=fresh)
    found = audit_pass(way)
    assert (found.audited, found.wrong, found.worst_ratio) == (2 * 3, 3, 9.0)
    assert np.isnan(found.ratio_over_time).sum() == 20 - 2
    assert found.ratio_over_time[0, 0, 1:3].tolist() == [9.0, 0.0]
    assert found.error_over_time[0, 0, 1:3].tolist() == [9.0, 0.0]
    way = given_pass(np.zeros(SHAPE))
    way.add((0, 0), slice(1, 3), fresh=fresh, limit=-1.0)
    assert audit_pass(way).undetermined_count == 2 * 3


def test_a_step_exactly_eight_bounds_off_is_right():
    for off, wrong in ((8.0, 0), (np.nextafter(8.0, 9.0), 1)):
        found = one(off, 0.0, 1.0)
        assert (found.wrong, found.worst_ratio) == (wrong, off)
    way = given_pass(np.array([8.0, 9.0]).reshape(1, 1, 1, 1, 2))
    way.add((0, 0), slice(0, 1), Columns(np.arange(1), np.arange(2)))
    found = audit_pass(way)
    assert (found.wrong, found.first_location) == (1, Location(unit=1))


def one(h: float, value: float, bound: float) -> Audit:
    """The audit of one value, next to a correct one."""
    pairs = ((h, 1.0), (value, 0.5), (bound, 1.0))
    way = given_pass(*(np.array(pair).reshape(1, 1, 1, 1, 2) for pair in pairs))
    way.add((0, 0), slice(0, 1), Columns(np.arange(1), np.arange(2)))
    return audit_pass(way)


@pytest.mark.parametrize(("h", "value", "bound", "ratio", "error"), cases(__file__)["nonfinite-audits"])
def test_a_nonfinite_value_is_right_where_it_is_equal_or_nothing_is_known(h, value, bound, ratio, error):
    found = one(h, value, bound)
    # The other value is half a bound off.
    assert (found.worst_ratio, found.ratio_over_time[0, 0, 0]) == (ratio, ratio)
    assert found.error_over_time[0, 0, 0] == error
    assert found.worst_at.location == Location(unit=int(ratio == 0.5))
    assert found.verdict == ("wrong" if ratio == inf else "right")


def test_of_equal_ratios_the_first_computed_location_is_reported():
    h = np.zeros(SHAPE)
    h[0, 0, 1, 2, 3] = h[0, 0, 4, 0, 0] = h[1, 1, 0, 0, 0] = 9.0
    way = given_pass(h)
    for lane, start in (((0, 0), 0), ((0, 0), 3), ((1, 1), 0)):
        way.add(lane, slice(start, start + 2))
    found = audit_pass(way)
    assert found.worst_at.location == found.first_location == Location(0, 0, 1, 2, 3)


def test_the_figures_of_many_time_steps_are_in_files_and_found_there(tmp_path, monkeypatch):
    monkeypatch.setattr(comparing, "_MANY", 20)
    way = given_pass(np.full(SHAPE, 2.0))
    way.add((1, 0), slice(2, 4))
    found = audit_pass(way, folder=tmp_path)
    assert set(found.stored.values()) == set(tmp_path.iterdir())
    assert list(found.stored) == list(Audit.NAMES)
    expected = np.full(SHAPE[:3], nan)
    expected[1, 0, 2:4] = 2.0
    for kept in (found, pickle.loads(pickle.dumps(found))):
        np.testing.assert_array_equal(kept.ratio_over_time, expected)
        np.testing.assert_array_equal(kept.error_over_time, expected)


def test_an_audit_of_nothing_has_no_verdict():
    found = audit_pass(given_pass(np.zeros(SHAPE)))
    assert (found.verdict, found.worst_ratio, found.worst_at.location, found.first_wrong) == (
        "not audited",
        0.0,
        Location(),
        None,
    )
    assert (found.wrong, found.audited, found.coverage) == (0, 0, 0.0)
    assert np.isnan(found.ratio_over_time).all()
    assert np.isnan(found.error_over_time).all()
    assert not found.ratio_over_time.flags.writeable


def test_the_range_of_a_cell_judges_undetermined_values_alone():
    limit, beyond = np.full(SHAPE[2:], 1.0), np.full(SHAPE[2:], 9.0)
    limit[0, 0, :2] = np.nextafter(1.0, 0.0)
    beyond[0, 0, 0] = 8.0
    way = given_pass(np.zeros(SHAPE))
    way.add((0, 0), slice(0, 5), limit=limit, beyond=beyond)
    found = audit_pass(way)
    assert (found.undetermined_count, found.wrong) == (1, 1)


@pytest.mark.parametrize(
    ("engine", "rtol", "mismatches"), [("one", 0.6, {"two": 60}), ("two", 0.6, {}), ("one", 1.0, {})]
)
def test_undetermined_mismatches_are_relative_to_the_reference(engine, rtol, mismatches):
    """2 is more than 60% from 1, but 1 is not from 2."""
    traces = {name: trace_of(np.full((1, 1, *SHAPE[2:]), value), name) for name, value in (("one", 1.0), ("two", 2.0))}
    own = traces.pop(engine)
    comparison = comparing.compare_all(own, *traces.values(), rtol, 0.0)
    way = given_pass(own.hidden, own.hidden, engine=engine, comparisons=[comparison])
    way.add((0, 0), slice(0, 5), limit=-1.0)
    found = audit_pass(way, traces)
    assert (found.undetermined_count, found.undetermined_mismatches) == (60, mismatches)


def test_the_first_line_that_differs_is_the_first_of_its_step_and_accuses_no_step():
    sizes = {"hidden_size": 3, "num_layers": 2, "bidirectional": True, "dtype": "float64"}
    inputs = inputs_of({"timesteps": 5, "batch_size": 2}, cell="lstm", **sizes)
    trace, _ = computed(ManualEngine(), inputs)
    gates = gates_of(inputs, trace.hidden)
    returned = trace.with_arrays({f"{LINE}{name}": gates[name] for name in "fo"})
    assert (audit(inputs, trace).lines, audit(inputs, returned).lines) == ((), ("f", "o", "c", "h"))
    assert audit(inputs, returned).first_line is None
    # A backward lane, whose later steps come first.
    changes = (
        ("line.o", (0, 1, 3, 1, 2)),
        ("line.f", (0, 1, 3, 1, 2)),
        ("c", (0, 1, 4, 1, 2)),
        ("line.f", (0, 0, 4, 1, 1)),
    )
    for name, index in changes:
        returned[name][index] += 0.25
        found = audit(inputs, returned)
        assert (found.verdict, found.first_line.where.array, found.first_line.where.index) == ("right", name, index)
        assert found.first_line.name == name.removeprefix("line.")
        assert found.first_line.value == pytest.approx(found.first_line.expected + 0.25, abs=1e-9)


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


@pytest.mark.parametrize("shape", [(1, 1, 1, 1, 1), (2, 2, 125, 100, 100), (1, 1, FULL, 1, 1), (1, 1, 10**6, 3, 5)])
def test_up_to_five_million_values_or_if_asked_for_everything_is_followed(shape):
    assert (held(plan_lane(shape, None, full=np.prod(shape) > FULL), shape) == 1).all()


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


@pytest.mark.parametrize(
    ("cell", "direction", "expected"),
    [
        ("gru", 0, [(0, [0, 1, 2]), (1, [1]), (2, [2])]),
        ("gru", 1, [(0, [0]), (1, [1]), (2, [2]), (0, [1, 2])]),
        ("lstm", 0, [(0, [0, 1, 2])]),
        ("lstm", 1, [(0, [0]), (1, [1]), (2, [2])]),
    ],
)
def test_both_ends_of_a_sample_of_one_step_are_the_same(cell, direction, expected):
    sequence = {"timesteps": 3, "batch_size": 3, "lengths": [1, 2, 3]}
    inputs = inputs_of(sequence, cell=cell, hidden_size=2, bidirectional=True)
    found = [(step.start, some.tolist()) for step, some in ends(inputs, direction, range(3), np.arange(3))]
    assert found == expected


def test_places_are_in_the_order_of_time_then_of_samples_and_units():
    axes = np.arange(3, 5), np.array([1, 4]), np.array([0, 2])
    block = Block("h", (1, 0), axes, (7, 0, 5))
    assert block.index((1, 1, 1)) == (1, 0, 4, 4, 2)
    assert block.order_of((1, 1, 1)) == (7, 0, 4, 5, 4, 2)
    assert replace(block, last_first=True).order_of((1, 0, 1)) == (7, 0, -4, 5, 1, 2)
    assert Block("h0", (1,), axes[1:], (7, 0), over_time=False).order_of((0, 1)) == (7, 0, 1, 2)


@pytest.mark.parametrize(
    ("timesteps", "blocks"),
    # A fifth of 401 steps of two samples are five blocks of 32 steps; of 64 steps two blocks would be all.
    [(401, [(start, start + 32) for start in (0, 92, 184, 276, 369)]), (64, [(0, 64)]), (65, [(0, 32), (33, 65)])],
)
def test_of_a_very_long_sequence_the_sample_near_its_limit_is_followed_in_blocks_of_time(
    timesteps, blocks, monkeypatch
):
    monkeypatch.setattr(audited, "FULL", 1)
    monkeypatch.setattr(audited, "WORK", 1)
    inputs = inputs_of({"timesteps": timesteps, "batch_size": 2}, cell="gru", hidden_size=2)
    for near, sample in (([], 0), ([1], 1)):
        near_ones = np.array(near, np.intp)
        plan = audited.plan_backward(inputs, near_ones, full=False, independent=True, block_values=1 << 19)
        assert ([part.tolist() for part in plan.parts], plan.whole) == ([[sample]], False)
        assert [(times.start, times.stop) for times in plan.blocks] == blocks
    monkeypatch.setattr(audited, "FULL", timesteps * 2 * 2)
    work = timesteps * 2 * sum(array.size for array in inputs.parameters.values())
    for most, whole in ((work, True), (work - 1, False)):
        monkeypatch.setattr(audited, "WORK", most)
        assert audited.plan_backward(inputs, near_ones, full=False, independent=True, block_values=1).whole == whole
