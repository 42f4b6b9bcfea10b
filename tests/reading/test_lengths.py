"""Quantities of a sample with padding: those of the sample alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.trace_index import Lane, Location
from rnnviz.reading import arrays
from rnnviz.reading.arrays import ArrayReader, ResultReader, series_key, unit_series
from rnnviz.reading.lane_reader import LaneReader
from rnnviz.reading.level_of_detail import Bins
from rnnviz.reading.quantities import gate_quantities, quantities_of_lanes
from rnnviz.reading.units import OrderKey, Query, find_orders, select
from rnnviz.verify.mismatches import mismatch_rows, neighbor_mismatch
from tests.factories import result_of
from tests.padded import padded_results, result_alone


def nothing() -> None:
    pass


@given(result=padded_results(), data=st.data())
def test_gates_are_those_of_the_sample_alone(result, data):
    inputs, engine = result.inputs, data.draw(st.sampled_from(list(result.traces)))
    sample = data.draw(st.integers(0, inputs.batch_size - 1))
    length, one = inputs.length(sample), result_alone(result, sample)
    start = data.draw(st.integers(0, inputs.timesteps - 1))
    names = [quantity.name for quantity in gate_quantities(inputs.network.kind)]
    whole, alone = ArrayReader(inputs, result[engine]), ArrayReader(one.inputs, one[engine])
    for layer, direction in np.ndindex(result.shape[:2]):
        for name in names:
            units = slice(0, inputs.network.sizes(layer).of(next(
                quantity.size for quantity in gate_quantities(inputs.network.kind) if quantity.name == name
            )))  # fmt: skip
            values = whole.lane(layer, direction, sample, name, slice(start, inputs.timesteps), units)
            assert np.isnan(values[max(0, length - start) :]).all(), name
            if start < length:
                expected = alone.lane(layer, direction, 0, name, slice(start, length), units)
                np.testing.assert_allclose(values[: length - start], expected, rtol=1e-5, atol=1e-6, err_msg=name)


@given(result=padded_results(), data=st.data())
def test_a_series_has_no_numbers_in_padding(result, data):
    sample = data.draw(st.integers(0, result.inputs.batch_size - 1))
    length, one = result.inputs.length(sample), result_alone(result, sample)
    layer, direction, *_, units = result.shape
    where = Location(layer - 1, direction - 1, 0, sample, data.draw(st.integers(0, units - 1)))
    key, own = (series_key("other", where.moved(sample=n), where.unit, "change") for n in (sample, 0))
    series, expected = unit_series(result, key), unit_series(one, own)
    np.testing.assert_array_equal(series[:length], expected)
    assert np.isnan(series[length:]).all()
    values = unit_series(result, key._replace(quantity="value"))
    np.testing.assert_array_equal(values[:length], one["other"].hidden[layer - 1, direction - 1, :, 0, where.unit])
    assert np.isnan(values[length:]).all()


@given(result=padded_results(), data=st.data())
def test_units_are_ordered_and_found_by_the_computed_steps(result, data):
    sample = data.draw(st.integers(0, result.inputs.batch_size - 1))
    one = result_alone(result, sample)
    for name in ("component", "activity"):
        own = find_orders(result, OrderKey(name, "other", sample), nothing)
        expected = find_orders(one, OrderKey(name, "other", 0), nothing)
        for lane in own.orders:
            np.testing.assert_array_equal(own.orders[lane].units, expected.orders[lane].units)
    start = data.draw(st.integers(0, result.inputs.length(sample) - 1))
    stop = data.draw(st.integers(start + 1, result.inputs.timesteps))
    threshold = data.draw(st.sampled_from((-0.1, 0.0, 0.1)))
    found = select(result, Query("other", 0, 0, sample, range(start, stop), threshold), nothing)
    times = range(start, min(stop, result.inputs.length(sample)))
    expected = select(one, Query("other", 0, 0, 0, times, threshold), nothing)
    assert (found.units, found.highest) == (expected.units, expected.highest)
    assert [match.times for match in found.matches] == [match.times for match in expected.matches]


@given(result=padded_results(), data=st.data())
def test_lanes_show_the_computed_steps_and_no_other_extremes(result, data):
    sample = data.draw(st.integers(0, result.inputs.batch_size - 1))
    length, one = result.inputs.length(sample), result_alone(result, sample)
    kind = result.inputs.network.kind
    names = ["value", "error_ratio", "difference", *(quantity.name for quantity in quantities_of_lanes(kind))]
    name = data.draw(st.sampled_from(names))
    lane = Lane(data.draw(st.integers(0, result.shape[0] - 1)), data.draw(st.integers(0, result.shape[1] - 1)))
    width = data.draw(st.sampled_from((1, 2, 4)))
    own = LaneReader(result, "other", "other", sample, name)
    alone = LaneReader(one, "other", "other", 0, name)
    units = Bins(np.arange(own.shape(lane)[1]), own.shape(lane)[1])
    tiles = [
        reader.read(lane, Bins(np.arange(0, stop, width), stop), units)
        for reader, stop in ((own, result.inputs.timesteps), (alone, length))
    ]
    pixels = -(-length // width)
    np.testing.assert_allclose(tiles[0].values[:, :pixels], tiles[1].values, rtol=1e-5, atol=1e-6)
    assert not tiles[0].values[:, pixels:].any()
    marks = [np.zeros(tile.values.shape, bool) if tile.marks is None else tile.marks for tile in tiles]
    np.testing.assert_array_equal(marks[0][:, :pixels], marks[1])
    assert not marks[0][:, pixels:].any()


@given(result=padded_results(), data=st.data())
def test_padding_that_an_engine_fills_is_no_mismatch(result, data):
    hidden = np.array(result["other"].hidden)
    for sample, length in enumerate(result.inputs.lengths):
        hidden[:, :, length:, sample] = 7.0
    other = result["other"].with_arrays({"h": hidden})
    filled = result_of(result.inputs, {"manual": result["manual"], "other": other})
    comparison, pair = filled.comparison("other"), (filled["manual"], filled["other"])
    assert comparison.first_mismatch is not None
    first = comparison.first_mismatch.where
    rows = mismatch_rows(comparison, *pair)
    assert (rows.total, rows.where.tolist()) == (1, [list(first.index)])
    assert neighbor_mismatch(comparison, *pair, first, forward=data.draw(st.booleans())) == first
    lane = Lane(first.layer, first.direction)
    for sample in range(result.inputs.batch_size):
        tile = LaneReader(filled, "other", "other", sample).cells(
            lane, slice(0, result.inputs.timesteps), slice(0, result.shape[4])
        )
        marked = 0 if tile.marks is None else tile.marks.sum()
        assert marked == (sample == first.sample)


@given(result=padded_results(), exactly=st.booleans())
def test_extents_are_those_of_computed_steps(result, exactly):
    with pytest.MonkeyPatch.context() as patch:
        if not exactly:
            patch.setattr(arrays, "_EXACTLY", 0)
        gates = ResultReader(result)
        samples = range(result.inputs.batch_size if exactly else min(result.inputs.batch_size, 2))
        found = gates.extent("manual", "norm")
        largest = max(ResultReader(result_alone(result, n)).extent("manual", "norm").largest for n in samples)
    assert found.exact == exactly
    assert found.largest >= largest * (1.0 - 1e-5)
    assert not exactly or found.largest == pytest.approx(largest, rel=1e-5)
