"""Orders of units, compared with NumPy; no number and no mark is lost in any order."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import INPUT, Lane
from rnnviz.reading import units
from rnnviz.reading.lane_reader import MultiscaleReader
from rnnviz.reading.level_of_detail import Bins, every_cell
from rnnviz.reading.units import (
    LaneOrders,
    OrderKey,
    UnitOrder,
    activity,
    find_orders,
    first_component,
    order_effort,
    order_of,
    sampled_times,
)
from rnnviz.verify.result import RunResult
from tests.factories import make_result
from tests.profiles import examples
from tests.verify.pyramids import pyramid_result, with_short_levels

VALUES = arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 9)), elements=st.floats(-1e3, 1e3))
RESULT = make_result(timesteps=48, hidden_size=12, num_layers=1, batch_size=1)


def orders(units: np.ndarray) -> LaneOrders:
    return LaneOrders(OrderKey("activity", "gluon", 0), {(0, 0): UnitOrder(units)})


@given(values=VALUES, name=st.sampled_from(["index", "component", "activity"]))
def test_every_unit_has_one_row(values: np.ndarray, name: str) -> None:
    order = UnitOrder(order_of(values, name))
    assert sorted(order.units.tolist()) == list(range(values.shape[1]))
    assert [order.units[row] for row in order.rows] == list(range(values.shape[1]))


@given(values=VALUES)
def test_the_most_active_unit_is_on_top(values: np.ndarray) -> None:
    means = [sum(abs(v) for v in column) for column in values.T.tolist()]
    shown = [means[unit] for unit in order_of(values, "activity")]
    assert shown == pytest.approx(sorted(means, reverse=True))


@pytest.mark.parametrize(("times", "units"), [(40, 7), (6, 20)])
def test_units_are_ordered_by_their_weight_in_the_first_component(times: int, units: int) -> None:
    values = np.random.default_rng(3).normal(size=(times, units)) @ np.diag(np.linspace(1.0, 3.0, units))
    _, _, components = np.linalg.svd(values - values.mean(axis=0))
    weight = components[0] * np.sign(components[0][np.argmax(np.abs(components[0]))])
    assert order_of(values, "component").tolist() == np.argsort(-weight, kind="stable").tolist()


def test_nonfinite_values_do_not_disturb_the_order() -> None:
    values = np.array([[np.nan, 1.0, 3.0], [0.5, np.inf, -2.0], [0.0, 0.0, 1.0]])
    assert order_of(values, "activity").tolist() == [1, 2, 0]
    assert sorted(order_of(values, "component").tolist()) == [0, 1, 2]


def test_a_lanes_order_is_that_of_the_shown_sample() -> None:
    def edit(trace: Trace) -> None:
        trace.hidden[0, 1, :, 1, 2] = 5.0

    result = make_result(bidirectional=True, edits={"gluon": edit})
    found = find_orders(result, OrderKey("activity", "gluon", 1), lambda: None)
    assert found.of(0, 1).units[0] == 2
    assert found.of(None, 0) is None


@pytest.mark.parametrize(("timesteps", "looked_at"), [(3, [0, 1, 2]), (4, [0, 2]), (6, [0, 2, 4]), (7, [0, 3, 6])])
def test_of_a_long_lane_evenly_spaced_time_steps_are_sampled(
    timesteps: int, looked_at: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "SAMPLED", 3)
    assert list(range(timesteps))[sampled_times(timesteps)] == looked_at
    result = make_result(timesteps=timesteps, num_layers=2, bidirectional=True, hidden_size=6)
    checks: list[None] = []
    for name in ("activity", "component", "index"):
        found = find_orders(result, OrderKey(name, "manual", 1), lambda: checks.append(None))
        assert found.key == OrderKey(name, "manual", 1)
        for lane in ((0, 0), (0, 1), (1, 0), (1, 1)):
            own = result["manual"].hidden[(*lane, looked_at, 1)].astype(np.float64)
            assert found.of(*lane).units.tolist() == order_of(own, name).tolist()
    assert len(checks) == 3 * 4


@pytest.mark.parametrize(
    ("timesteps", "name", "products"),
    [
        (3, "component", 3 * 4 * 3 + 20 * 27),
        (3, "activity", 3 * 4 + 20 * 27),
        (9, "component", 9 * 4 * 4 + 20 * 64),
        (600, "index", 512 * 4 + 20 * 64),
    ],
)
def test_the_effort_is_that_of_all_lanes(timesteps: int, name: str, products: int) -> None:
    result = make_result(timesteps=timesteps, num_layers=2, bidirectional=True, batch_size=1)
    assert order_effort(result, OrderKey(name, "gluon", 0)) == 4 * products


def test_equal_units_are_ordered_by_index() -> None:
    values = np.array([[1.0, -2.0, 2.0, 1.0, 0.0], [1.0, 2.0, -2.0, -1.0, 0.0]])
    assert order_of(values, "activity").tolist() == [1, 2, 0, 3, 4]
    assert activity(values).tolist() == [1.0, 2.0, 2.0, 1.0, 0.0]
    assert order_of(np.ones((3, 4)), "component").tolist() == [0, 1, 2, 3]
    assert order_of(values, "index").tolist() == [0, 1, 2, 3, 4]
    for name in ("index", "activity", "component"):
        assert order_of(values, name).dtype == np.int64


@pytest.mark.parametrize(("times", "units"), [(9, 5), (5, 9), (6, 6), (1, 4)])
@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_the_first_component_is_the_direction_in_which_the_numbers_vary_most(
    times: int, units: int, scale: float
) -> None:
    values = np.random.default_rng(times).normal(size=(times, units))
    weight = first_component(values * scale)
    if times == 1:
        assert weight.tolist() == [0.0] * units
        return
    _, _, components = np.linalg.svd(values - values.mean(axis=0))
    sign = np.sign(components[0][np.argmax(np.abs(components[0]))])
    assert weight == pytest.approx(components[0] * sign, abs=1e-9)
    assert np.linalg.norm(weight) == pytest.approx(1.0)
    values[0, 1], values[0, 2], values[1, 3] = np.nan, np.inf, -np.inf
    as_zeros = np.where(np.isfinite(values), values, 0.0)
    assert first_component(values).tolist() == first_component(as_zeros).tolist()


def spoiled(timestep: int, unit: int) -> RunResult:
    def spoil(trace: Trace) -> None:
        trace.hidden[0, 0, timestep, 0, unit] += 0.5

    return make_result(timesteps=48, hidden_size=12, batch_size=1, edits={"manual": spoil})


@settings(max_examples=examples(60), deadline=None)
@given(data=st.data(), quantity=st.sampled_from(["value", "error_ratio", "change"]))
def test_a_marked_cell_never_vanishes_in_any_order(data: st.DataObject, quantity: str) -> None:
    timestep, unit = data.draw(st.integers(0, 47)), data.draw(st.integers(0, 11))
    units = np.array(data.draw(st.permutations(range(12))), np.int64)
    width, height = data.draw(st.integers(1, 48)), data.draw(st.integers(1, 12))
    lanes = MultiscaleReader(spoiled(timestep, unit), "gluon", "manual", 0, quantity, orders=orders(units))
    patch = lanes.read(Lane(0, 0), Bins(np.arange(0, 48, width), 48), Bins(np.arange(0, 12, height), 12))
    assert patch.marks is not None
    row = int(np.flatnonzero(units == unit)[0])
    found = np.argwhere(patch.marks)
    assert len(found) == 1
    assert np.abs(found[0] - [row // height, timestep // width]).max() <= 1


@settings(max_examples=examples(40), deadline=None)
@given(data=st.data(), quantity=st.sampled_from(["value", "change"]))
def test_rows_show_the_numbers_of_their_units(data: st.DataObject, quantity: str) -> None:
    units = np.array(data.draw(st.permutations(range(12))), np.int64)
    first, last = sorted(data.draw(st.tuples(st.integers(0, 11), st.integers(0, 11))))
    plain = MultiscaleReader(RESULT, "gluon", None, 0, quantity)
    ordered = MultiscaleReader(RESULT, "gluon", None, 0, quantity, orders=orders(units))
    rows, times = every_cell(first, last + 1), every_cell(5, 30)
    whole = plain.read(Lane(0, 0), times, every_cell(0, 12)).values
    assert np.array_equal(ordered.read(Lane(0, 0), times, rows).values, whole[units[first : last + 1]])
    coarse = ordered.read(Lane(0, 0), Bins(np.arange(0, 48, 4), 48), every_cell(0, 12)).values
    by_hand = plain.read(Lane(0, 0), Bins(np.arange(0, 48, 4), 48), every_cell(0, 12)).values
    assert np.array_equal(coarse, by_hand[units])
    assert np.array_equal(
        ordered.read(INPUT, times, every_cell(0, 3)).values, plain.read(INPUT, times, every_cell(0, 3)).values
    )


@pytest.mark.parametrize("quantity", ["value", "error_ratio", "difference"])
def test_copies_in_which_units_are_merged_are_not_read_in_another_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quantity: str
) -> None:
    def spoil(trace: Trace) -> None:
        trace.hidden[0, 0, 77, 0, 5] += 0.5

    with_short_levels(monkeypatch)
    result = pyramid_result(tmp_path, 16, {"manual": spoil}, hidden_size=8, timesteps=200, batch_size=1)
    units = np.array([5, 3, 1, 7, 0, 2, 4, 6])
    lanes = MultiscaleReader(result, "gluon", "manual", 0, quantity, orders=orders(units))
    assert tuple(lanes.level_read(Lane(0, 0), 8, 4)) == (4, 1)
    assert tuple(lanes.level_read(INPUT, 16, 1)) == (16, 1)
    across = Bins(np.arange(0, 200, 8), 200)
    coarse = lanes.read(Lane(0, 0), across, every_cell(0, 8)).values
    plain = MultiscaleReader(result, "gluon", "manual", 0, quantity)
    assert np.array_equal(coarse, plain.read(Lane(0, 0), across, every_cell(0, 8)).values[units])
    for height in (1, 2, 4):
        patch = lanes.read(Lane(0, 0), across, Bins(np.arange(0, 8, height), 8))
        assert patch.marks is not None
        assert np.argwhere(patch.marks).tolist() == [[0, 77 // 8]]


def test_units_are_ordered_by_a_gradient() -> None:
    def edit(trace: Trace) -> None:
        trace["grad.h"][0, 0, :, 1, 3] = 9.0

    result = make_result(gradients=("gluon", "manual"), edits={"gluon": edit})
    found = find_orders(result, OrderKey("activity", "gluon", 1, "grad.h"), lambda: None)
    assert found.of(0, 0).units[0] == 3
