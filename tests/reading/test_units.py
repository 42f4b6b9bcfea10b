"""Orders of units, and units that are active together with similar ranges, compared with NumPy and plain counting."""

from dataclasses import replace
from itertools import groupby, product
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rnnviz.cells import CELLS
from rnnviz.core.trace import Trace
from rnnviz.reading import units as module
from rnnviz.reading.units import (
    MOST,
    Match,
    OrderKey,
    Query,
    UnitOrder,
    activity,
    find_orders,
    first_component,
    order_of,
    reach,
    searched,
    select,
)
from rnnviz.verify.result import RunResult
from tests.factories import make_result
from tests.oracles.cell_loops import cell_values
from tests.profiles import examples
from tests.verify.traces import trace_of

NUMBERS = arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 9)), elements=st.floats(-1e3, 1e3))


@given(values=NUMBERS, name=st.sampled_from(["index", "component", "activity"]))
def test_every_unit_has_one_row(values, name):
    order = UnitOrder(order_of(values, name))
    assert sorted(order.units.tolist()) == list(range(values.shape[1]))
    assert [order.units[row] for row in order.rows] == list(range(values.shape[1]))
    if name == "activity":
        means = [sum(abs(v) for v in column) for column in values.T.tolist()]
        assert [means[unit] for unit in order.units] == pytest.approx(sorted(means, reverse=True))


def test_nonfinite_values_do_not_disturb_the_order():
    values = np.array([[np.nan, 1.0, 3.0], [0.5, np.inf, -2.0], [0.0, 0.0, 1.0]])
    assert order_of(values, "activity").tolist() == [1, 2, 0]
    assert sorted(order_of(values, "component").tolist()) == [0, 1, 2]


def test_a_lanes_order_is_that_of_the_shown_sample_and_array():
    def edit(trace):
        trace.hidden[0, 1, :, 1, 2] = 5.0
        trace["grad.h"][0, 0, :, 1, 3] = 9.0

    result = make_result(bidirectional=True, gradients=("gluon", "manual"), edits={"gluon": edit})
    found = find_orders(result, OrderKey("activity", "gluon", 1), lambda: None)
    assert found.of(0, 1).units[0] == 2
    assert found.of(None, 0) is None
    assert find_orders(result, OrderKey("activity", "gluon", 1, "grad.h"), lambda: None).of(0, 0).units[0] == 3


def test_the_units_that_differ_most_from_the_reference_come_first():
    def edit(trace):
        trace.hidden[0, 0, :, 1, 2] += 0.5
        trace.hidden[0, 0, 0, 1, 3] += 3.0

    result = make_result(engines=("gluon", "manual", "other"), timesteps=4, edits={"manual": edit})
    key = OrderKey("difference", "gluon", 1, candidate="manual")
    assert find_orders(result, key, lambda: None).of(0, 0).units[:2].tolist() == [3, 2]
    for other in (replace(key, candidate="other"), replace(key, sample=0), replace(key, candidate="")):
        units = find_orders(result, other, lambda: None).of(0, 0).units
        assert units.tolist() == sorted(units.tolist())


@pytest.mark.parametrize(("timesteps", "looked_at"), [(3, [0, 1, 2]), (4, [0, 2]), (6, [0, 2, 4]), (7, [0, 3, 6])])
def test_of_a_long_lane_evenly_spaced_time_steps_are_sampled(timesteps, looked_at, monkeypatch):
    monkeypatch.setattr(module, "SAMPLED", 3)
    result = make_result(timesteps=timesteps, num_layers=2, bidirectional=True, hidden_size=6)
    checks: list[None] = []
    for name in ("activity", "component", "index"):
        found = find_orders(result, OrderKey(name, "manual", 1), lambda: checks.append(None))
        assert found.key == OrderKey(name, "manual", 1)
        for lane in ((0, 0), (0, 1), (1, 0), (1, 1)):
            own = result["manual"].hidden[(*lane, looked_at, 1)].astype(np.float64)
            assert found.of(*lane).units.tolist() == order_of(own, name).tolist()
    assert len(checks) == 3 * 4


def test_equal_units_are_ordered_by_index():
    values = np.array([[1.0, -2.0, 2.0, 1.0, 0.0], [1.0, 2.0, -2.0, -1.0, 0.0]])
    assert order_of(values, "activity").tolist() == [1, 2, 0, 3, 4]
    assert activity(values).tolist() == [1.0, 2.0, 2.0, 1.0, 0.0]
    assert order_of(np.ones((3, 4)), "component").tolist() == [0, 1, 2, 3]
    assert order_of(values, "index").tolist() == [0, 1, 2, 3, 4]
    for name in ("index", "activity", "component"):
        assert order_of(values, name).dtype == np.int64


@pytest.mark.parametrize(("times", "units"), [(9, 5), (5, 9), (6, 6), (1, 4)])
@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_the_first_component_is_the_direction_in_which_the_numbers_vary_most(times, units, scale):
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


# Queries

UNITS = 6
VALUES = arrays(
    np.float32,
    st.tuples(st.integers(2, 40), st.just(UNITS)),
    elements=st.sampled_from([np.float32(v) for v in (0.0, 0.29, 0.3, 0.9, np.nan)]),
)
LANE = (1, 1, 2)
"""The layer, direction and sample of the query; in all others every unit is on."""
MADE = make_result(timesteps=1, batch_size=3, hidden_size=UNITS, num_layers=2, bidirectional=True)


def result_of(values: np.ndarray) -> RunResult:
    """A result with some values (T, U) in the lane and sample of the query, of the engine "gluon" alone."""
    hidden = np.ones((2, 2, len(values), 3, UNITS), values.dtype)
    hidden[1, 1, :, 2] = values
    inputs = replace(MADE.inputs, sequence=np.zeros((len(values), 3, 3), np.float32))
    traces = {"gluon": trace_of(hidden), "manual": trace_of(np.ones_like(hidden))}
    return replace(MADE, inputs=inputs, traces=traces)


def plain_search(values: np.ndarray, query: Query, *, backward: bool = True) -> tuple[set[int], list[Match]]:
    rows = values.tolist()
    on = [{unit for unit in range(UNITS) if row[unit] >= query.threshold} for row in rows]
    wanted = set.intersection(*(on[t] for t in query.times))
    before = query.times.stop if backward else query.times.start - 1
    if query.onset and 0 <= before < len(rows):
        wanted -= on[before]
    if not wanted:
        return wanted, []
    kept = [t for t in range(len(rows)) if len(on[t] & wanted) >= ceil(MOST * len(wanted) - 1e-9)]
    matches = []
    for _, run in groupby(enumerate(kept), key=lambda pair: pair[1] - pair[0]):
        times = [t for _, t in run]
        if set(times) & set(query.times):
            continue
        unions = [len(wanted if query.onset else on[t] | wanted) for t in times]
        likeness = sum(len(on[t] & wanted) / union for t, union in zip(times, unions, strict=True)) / len(times)
        score = likeness * min(len(times), len(query.times)) / max(len(times), len(query.times))
        matches.append(Match(range(times[0], times[-1] + 1), score))
    return wanted, sorted(matches, key=lambda match: (-match.score, match.times.start))


@settings(max_examples=examples(100), deadline=None)
@given(data=st.data(), block=st.integers(1, 40))
def test_the_result_equals_the_plain_search_for_any_block_size(data, block):
    values = data.draw(VALUES)
    length = len(values)
    first = data.draw(st.integers(0, length - 1))
    times = range(first, data.draw(st.integers(first + 1, length)))
    query = Query("gluon", *LANE, times, float(np.float32(0.3)), onset=data.draw(st.booleans()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK_VALUES", block * UNITS)
        found = select(result_of(values), query, lambda: None)
    units, matches = plain_search(values, query)
    assert set(found.units) == units
    if not query.onset:
        lowest = [min(row) for row in values[times.start : times.stop].T.tolist() if not np.isnan(row).any()]
        assert found.highest == (max(lowest) if lowest else None)
    elif units:
        assert found.highest is not None
    assert {match.times for match in found.matches} == {match.times for match in matches}
    assert [m.score for m in found.matches] == pytest.approx([m.score for m in matches])


def test_the_states_gates_and_gradients_of_each_lane_are_searched():
    result = make_result(
        ("manual", "other"), cell="lstm", hidden_size=UNITS, bidirectional=True, timesteps=30, gradients=("other",)
    )
    # The first keeps c, and the other does not.
    without = {name: array for name, array in result["other"].items() if name != "c"}
    result = replace(result, traces={**result.traces, "other": Trace("other", without, result.inputs.places)})
    state = {"h": result.inputs.initial_state["h"], "c": result.inputs.initial_state.get("c")}
    for direction, letter in enumerate("lr"):
        prefix = f"{letter}0_"
        own = {k.removeprefix(prefix): v for k, v in result.inputs.parameters.items() if k.startswith(prefix)}
        start = {name: array[direction] for name, array in state.items()}
        computed = cell_values("lstm", own, result.inputs.sequence, start, backward=bool(direction))
        values = {name: computed[name] for name in ("c", "f", "o")}
        values |= {name: result["other"][name][0, direction] for name in ("grad.h", "grad.c", "grad.i")}
        for name, array in values.items():
            for engine, onset in product(("other",) if name.startswith("grad") else ("manual", "other"), (True, False)):
                threshold = float(np.quantile(array[10:12, 1], 0.4))
                query = Query(engine, 0, direction, 1, range(10, 12), threshold, name, onset)
                found = select(result, query, lambda: None)
                units, matches = plain_search(array[:, 1], query, backward=direction != name.startswith("grad"))
                assert set(found.units) == units
                assert [match.times for match in found.matches] == [match.times for match in matches]


def test_a_quantity_without_a_value_for_each_unit_is_searched_by_h():
    names = ("value", "error_ratio", "difference", "norm", "c", "f", "pre_f", "change", "grad.c")
    assert [searched(name, CELLS["lstm"]) for name in names] == ["value"] * 4 + list(names[4:])
    result = make_result(gradients=("gluon",))
    assert reach(result, Query("gluon", 0, 0, 0, range(1), quantity="value")) == 1.0
    largest = float(np.abs(result["gluon"]["grad.h"]).max())
    assert reach(result, Query("gluon", 0, 0, 0, range(1), quantity="grad.h")) >= largest


def test_the_highest_threshold_has_units_that_are_off_before():
    values = np.zeros((9, UNITS), np.float32)
    values[3:5, :3] = [0.9, 0.5, 0.25]
    # This lane goes backward in time, so that t = 5 is computed before t = 4.
    values[5, :2] = [1.0, 0.25]
    query = Query("gluon", *LANE, range(3, 5), 2.0, onset=True)
    assert select(result_of(values), query, lambda: None).highest == 0.5
    assert select(result_of(values), replace(query, threshold=0.5), lambda: None).units == (1,)
    assert select(result_of(values), replace(query, threshold=0.125), lambda: None).units == (2,)


def test_only_the_best_ranges_are_kept_and_the_search_can_be_interrupted(monkeypatch):
    values = np.zeros((400, UNITS), np.float32)
    values[::2, 0] = 1.0
    found = select(result_of(values), Query("gluon", *LANE, range(1)), lambda: None)
    assert len(found.matches) == module.RANGES
    assert found.matches[0].times == range(2, 3)

    class Ended(Exception):
        pass

    def end():
        raise Ended

    with pytest.raises(Ended):
        select(result_of(values), Query("gluon", *LANE, range(1)), end)


def test_most_of_the_units_have_to_be_on_and_an_empty_range_has_none():
    values = np.zeros((12, UNITS), np.float32)
    values[0, :5] = 0.3
    # Four of five are most of them, and three are not.
    values[2:4, 1:5] = 0.3
    values[5:7, 2:5] = 0.9
    values[8, :6] = 0.4
    values[8, 2] = np.nan
    values[11, :5] = 1.0
    found = select(result_of(values), Query("gluon", *LANE, range(1), float(np.float32(0.3))), lambda: None)
    assert found.units == (0, 1, 2, 3, 4)
    assert [match.times for match in found.matches] == [range(11, 12), range(8, 9), range(2, 4)]
    assert [match.score for match in found.matches] == pytest.approx([1.0, 4 / 6, 4 / 5 / 2])
    assert (found.highest, found.query.times) == (float(np.float32(0.3)), range(1))
    empty = select(result_of(values), Query("gluon", *LANE, range(3, 3)), lambda: None)
    assert (empty.units, empty.matches, empty.highest) == ((), (), None)
    values[2, 4] = np.nan
    low = select(result_of(values), Query("gluon", *LANE, range(2, 4), 2.0), lambda: None)
    assert (low.units, low.matches, low.highest) == ((), (), float(np.float32(0.3)))
    nowhere = select(result_of(np.full_like(values, np.nan)), Query("gluon", *LANE, range(2)), lambda: None)
    assert (nowhere.units, nowhere.highest) == ((), None)
    assert Query("gluon", *LANE, range(1)).threshold == 0.3


def test_of_equal_ranges_the_earlier_is_better(monkeypatch):
    values = np.zeros((9, UNITS), np.float32)
    values[:, 0] = [1, 1, 0, 1, 1, 0, 0, 1, 1]
    query = Query("gluon", *LANE, range(2))
    found = select(result_of(values), query, lambda: None)
    assert [match.times for match in found.matches] == [range(3, 5), range(7, 9)]
    monkeypatch.setattr(module, "RANGES", 1)
    assert select(result_of(values), query, lambda: None).matches == (Match(range(3, 5), 1.0),)
