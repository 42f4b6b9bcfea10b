"""Reading arrays by name: plain Python's numbers from any part of a lane, over time, of a step, and their extent."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.config import CELL_NAMES
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.engines.manual import ManualEngine
from rnnviz.io.inputs import load_inputs
from rnnviz.reading import arrays
from rnnviz.reading.arrays import ArrayReader, Extent, ResultReader, UnitVector, gate_blocks, series_key, unit_series
from rnnviz.reading.quantities import gate_quantities
from rnnviz.verify.result import RunResult
from tests.explain.arithmetics import breakdown_at
from tests.factories import make_result
from tests.oracles.computed import computed
from tests.oracles.gates import gates_of
from tests.profiles import nightly_except
from tests.strategies import configs

T, N, H = 6, 3, 4
_RESULTS: dict[tuple[str, str], RunResult] = {}


def result_of(cell: str, dtype: str = "float64") -> RunResult:
    """Both directions of two layers, whose dimensions all differ; the engine does not know its cell states."""
    if (cell, dtype) not in _RESULTS:
        sizes = {"timesteps": T, "batch_size": N, "input_size": 5, "hidden_size": H}
        made = make_result(cell=cell, num_layers=2, bidirectional=True, dtype=dtype, **sizes)
        traces = {name: trace.with_arrays({"c": None}) for name, trace in made.traces.items()}
        _RESULTS[cell, dtype] = replace(made, traces=traces)
    return _RESULTS[cell, dtype]


def reader_of(result: RunResult) -> ArrayReader:
    return ArrayReader(result.inputs, result["manual"])


def expected_of(result: RunResult, trace: Trace) -> dict[str, np.ndarray]:
    """Every quantity by name, (L, D, T, N, H) or of the norm (L, D, T, N, 1)."""
    hidden = trace.hidden.astype(np.float64)
    h0 = result.inputs.initial_state["h"].reshape(2, 2, 1, N, H)
    before = np.stack(
        [np.concatenate([h0[:, 0], hidden[:, 0, :-1]], 1), np.concatenate([hidden[:, 1, 1:], h0[:, 1]], 1)], 1
    )
    norm = np.sqrt((hidden**2).sum(-1, keepdims=True))
    own = {"value": hidden, "change": hidden - before, "norm": norm}
    return {**gates_of(result.inputs, trace.hidden), **own}


@given(st.data())
def test_every_quantity_equals_the_arithmetic_of_its_step(data):
    inputs = load_inputs(data.draw(configs()))
    trace = computed(ManualEngine(), inputs)[0]
    if data.draw(st.booleans()):
        trace = trace.with_arrays({"c": None})
    where = Location(*(data.draw(st.integers(0, size - 1)) for size in trace.shape))
    tolerance = 1e-12 if inputs.network.dtype == "float64" else 3e-7
    lines = breakdown_at(inputs, trace, where).by_name
    every = slice(0, inputs.timesteps), slice(0, inputs.network.hidden_size)
    for quantity in gate_quantities(inputs.network.kind):
        found = ArrayReader(inputs, trace).lane(where.layer, where.direction, where.sample, quantity.name, *every)
        assert found.dtype == inputs.network.dtype
        line = lines.get(quantity.name.removeprefix("pre_"))
        if line is not None:
            value = line.argument if quantity.name.startswith("pre_") else line.value
            assert found[where.timestep, where.unit] == pytest.approx(value, rel=tolerance, abs=tolerance)
            assert quantity.low is None or found.min() >= quantity.low
            assert quantity.high is None or found.max() <= quantity.high


@pytest.mark.slow
@pytest.mark.parametrize("values_at_a_time", nightly_except((1, 48, 1 << 20), 48))
@pytest.mark.parametrize("cell", CELL_NAMES)
def test_any_part_of_a_lane_is_that_of_plain_python(cell, values_at_a_time, monkeypatch):
    monkeypatch.setattr(arrays, "_BLOCK_VALUES", values_at_a_time)
    result = result_of(cell)
    reader, expected = reader_of(result), expected_of(result, result["manual"])
    for times, samples, units in ((slice(0, T), slice(0, N), slice(0, H)), (slice(1, 4), slice(1, 3), slice(2, 4))):
        for layer, direction in product(range(2), range(2)):
            found = reader.samples(layer, direction, samples, tuple(expected), times, units)
            for name, whole in expected.items():
                shown = slice(0, 1) if name == "norm" else units
                own = whole[layer, direction, times, samples, shown]
                np.testing.assert_allclose(found[name], own, rtol=1e-12, atol=1e-14, err_msg=name)
                one = reader.lane(layer, direction, 2, name, times, units)
                np.testing.assert_allclose(one, whole[layer, direction, times, 2, shown], rtol=1e-12, atol=1e-14)


def test_nonfinite_and_huge_numbers_follow_arithmetic_without_a_warning():
    result = result_of("lstm")
    hidden = np.array(result["manual"].hidden)
    hidden[0, 0, 2, 1, 0], hidden[0, 0, 4, 1, 0] = 1e200, np.inf
    reader = ArrayReader(result.inputs, result["manual"].with_arrays({"h": hidden}))
    norm, forget, c = (reader.lane(0, 0, 1, name, slice(0, T), slice(0, H)) for name in ("norm", "f", "c"))
    assert np.isinf(norm).ravel().tolist() == [False, False, True, False, True, False]
    assert set(forget[3]) | set(forget[5]) <= {0.0, 1.0}
    assert np.isfinite(c).all()


@pytest.mark.parametrize("direction", [0, 1])
def test_blocks_follow_each_other_as_large_as_is_asked_or_as_fits(direction, monkeypatch):
    result = result_of("lstm")
    expected = expected_of(result, result["manual"])
    for length, fitting, starts in ((4, 1, [0, 4]), (None, 2 * N * H, [0, 2, 4]), (None, 1, [0, 1, 2, 3, 4, 5])):
        monkeypatch.setattr(arrays, "_EXPORTED_VALUES", fitting)
        blocks = list(gate_blocks(result.inputs, result["manual"], 1, direction, ["c", "norm"], length))
        assert [(times.start, times.stop) for times, _ in blocks] == list(zip(starts, [*starts[1:], T], strict=True))
        for name in ("c", "norm"):
            joined = np.concatenate([values[name] for _, values in blocks])
            np.testing.assert_allclose(joined, expected[name][1, direction], rtol=1e-12, atol=1e-14)


def test_the_error_of_a_quantity_that_a_cell_lacks_lists_those_that_it_has():
    with pytest.raises(KeyError) as refused:
        reader_of(result_of("gru")).lane(0, 0, 0, "f", slice(0, 1), slice(0, 1))
    assert refused.value.args == (
        "f is not a quantity of the cell gru: it has r, z, n, pre_r, pre_z, pre_n, change, norm",
    )


# Over time, and at a step


def test_a_series_equals_its_unit_in_blocks_of_any_length(monkeypatch):
    result = result_of("lstm")
    expected = expected_of(result, result["manual"])
    for block, (layer, direction, sample, unit) in product((1, 3, 2048), [(0, 0, 2, 1), (1, 1, 1, 3), (1, 0, 0, 2)]):
        monkeypatch.setattr(arrays, "_SERIES_TIMES", block)
        for name in ("i", "c", "pre_o", "value"):
            key = series_key("manual", Location(layer, direction, 4, sample, 0), unit, name)
            checks: list[None] = []
            found = unit_series(result, key, check=lambda: checks.append(None))  # noqa: B023
            assert found == pytest.approx(expected[name][layer, direction, :, sample, unit], abs=1e-12)
            assert len(checks) == (1 if name == "value" else -(-T // block))


def test_a_series_is_in_the_precision_of_the_trace_and_its_work_can_be_ended():
    key = series_key("gluon", Location(), 1, "z")
    assert unit_series(result_of("gru", "float32"), key).dtype == np.float32
    with pytest.raises(ZeroDivisionError):
        unit_series(result_of("gru"), key, check=lambda: 1 // 0)


def test_a_vector_at_a_place_is_computed_by_blocks_of_units(monkeypatch):
    monkeypatch.setattr(arrays, "_UNITS", 3)
    result = result_of("lstm")
    expected, reader = expected_of(result, result["manual"]), reader_of(result)
    for layer, direction, timestep, sample in ((0, 0, 0, 2), (1, 1, 3, 1)):
        vector = UnitVector(reader, Location(layer, direction, timestep, sample, 9))
        for name in ("f", "c"):
            values = [vector.value(name, unit) for unit in range(H)]
            assert values == pytest.approx(expected[name][layer, direction, timestep, sample], abs=1e-12)


# All engines of a result

SIZES = {"batch_size": 3, "input_size": 5, "hidden_size": 4, "num_layers": 2, "bidirectional": True}


def with_hidden(result: RunResult, name: str, hidden: np.ndarray, cell: np.ndarray | None = None) -> RunResult:
    return replace(result, traces={**result.traces, name: result[name].with_arrays({"h": hidden, "c": cell})})


@pytest.mark.parametrize("quantity", ["pre_g", "c", "f"])
def test_the_extent_of_a_small_result_covers_every_number_in_every_lane(quantity):
    result = make_result(cell="lstm", timesteps=6, dtype="float64", **SIZES)
    for layer, direction in np.ndindex(2, 2):
        hidden = np.array(result["manual"].hidden)
        # NaN does not count, and does not hide other values.
        hidden[layer, direction, 3, 2] *= -7.0
        hidden[1, 0, 2, 0, 1] = np.nan
        edited = with_hidden(result, "manual", hidden)
        expected = gates_of(edited.inputs, hidden)[quantity]
        reader = ResultReader(edited)
        extent = reader.extent("manual", quantity)
        assert extent.exact
        assert extent.largest == pytest.approx(np.abs(expected[np.isfinite(expected)]).max(), rel=1e-12)
        assert reader.extent("manual", quantity) is extent
    nowhere = with_hidden(result, "manual", np.full_like(result["manual"].hidden, np.nan))
    assert ResultReader(nowhere).extent("manual", "norm") == Extent(0.0, exact=True)


@pytest.fixture
def few_samples(monkeypatch):
    """In lanes of more than 6 time steps only 6 of them, 2 units and 2 samples."""
    for name, value in {"_EXACTLY": 0, "_SAMPLED_TIMES": 6, "_SAMPLED_UNITS": 2, "_SAMPLES": 2}.items():
        monkeypatch.setattr(arrays, name, value)


@pytest.mark.usefixtures("few_samples")
@pytest.mark.parametrize(
    ("timesteps", "times"), [(20, [0, 1, 9, 10, 18, 19]), (7, [0, 1, 2, 3, 5, 6]), (6, range(6)), (5, range(5))]
)
def test_the_extent_of_a_large_result_samples_both_ends_and_the_middle(timesteps, times):
    result = make_result(timesteps=timesteps, dtype="float64", **SIZES)
    for (layer, direction), t, sample in product([(0, 1), (1, 0)], range(timesteps), range(3)):
        hidden = np.full(result.shape, 0.125)
        hidden[layer, direction, t, sample] = -3.0
        found = ResultReader(with_hidden(result, "manual", hidden)).extent("manual", "norm")
        # The next round number above the norm of -3 or of 0.125, times 1.25.
        assert found == Extent(10.0 if t in times and sample < 2 else 0.5, exact=False)


@pytest.mark.usefixtures("few_samples")
@pytest.mark.parametrize("direction", [0, 1])
def test_a_cell_state_extent_is_sampled_at_the_start_of_its_lane(direction):
    result = make_result(cell="lstm", timesteps=9, dtype="float64", **SIZES)
    for t in range(9):
        cell = np.zeros(result.shape)
        cell[1, direction, t, 0, 1] = -0.3
        found = ResultReader(with_hidden(result, "manual", result["manual"].hidden, cell)).extent("manual", "c")
        assert found == Extent(0.5 if (t >= 3 if direction else t < 6) else 0.0, exact=False)


@pytest.mark.usefixtures("few_samples")
@pytest.mark.parametrize(
    ("largest", "reached"),
    [(0.8, 1.0), (0.8001, 2.0), (1.6, 2.0), (1.7, 5.0), (4.1, 10.0), (80.0, 100.0), (0.02, 0.05)],
)
def test_the_extent_is_a_round_number_a_quarter_above_the_largest(largest, reached):
    result = make_result(cell="lstm", timesteps=9, dtype="float64", **SIZES)
    edited = with_hidden(result, "manual", result["manual"].hidden, np.full(result.shape, largest))
    assert ResultReader(edited).extent("manual", "c").largest == pytest.approx(reached, rel=1e-12)
