"""The gates of one unit over time and of one place by unit, as plain Python has them, however they are read."""

from itertools import product

import numpy as np
import pytest

from rnnviz.core.trace_index import Location
from rnnviz.quantities import gate_lanes
from rnnviz.quantities.gate_lanes import GateVector, GateVectors, SeriesKey, gate_series, series_effort, series_key
from rnnviz.verify.result import RunResult
from tests.factories import make_result
from tests.oracles.gates import gates_of

SHAPE = {"num_layers": 2, "bidirectional": True, "dtype": "float64", "hidden_size": 4, "input_size": 5}


@pytest.fixture(scope="module")
def result() -> RunResult:
    return make_result(cell="lstm", timesteps=7, batch_size=3, **SHAPE)


def test_a_series_equals_its_unit_in_blocks_of_any_length(result: RunResult, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = gates_of(result.inputs, result["manual"].hidden)
    for block, (layer, direction, sample, unit) in product((1, 3, 2048), [(0, 0, 2, 1), (1, 1, 1, 3), (1, 0, 0, 2)]):
        monkeypatch.setattr(gate_lanes, "_BLOCK", block)
        for name in ("i", "c", "pre_o"):
            key = series_key("manual", Location(layer, direction, 4, sample, 0), unit, name)
            assert key == SeriesKey("manual", layer, direction, sample, unit, name)
            checks: list[None] = []
            found = gate_series(result, key, lambda: checks.append(None))  # noqa: B023
            assert found == pytest.approx(expected[name][layer, direction, :, sample, unit], abs=1e-12)
            assert len(checks) == -(-7 // block)


def test_a_series_is_in_the_precision_of_the_trace_and_its_work_can_be_ended() -> None:
    single = make_result(cell="gru")
    key = series_key("gluon", Location(), 1, "z")
    assert gate_series(single, key, lambda: None).dtype == np.float32

    class Ended(Exception):
        pass

    def end() -> None:
        raise Ended

    with pytest.raises(Ended):
        gate_series(single, key, end)


def test_the_effort_of_a_series_is_the_inputs_of_its_steps(result: RunResult) -> None:
    assert series_effort(result, series_key("manual", Location(0, 1), 0, "i")) == 7 * (5 + 4)
    assert series_effort(result, series_key("manual", Location(1, 1), 0, "i")) == 7 * (2 * 4 + 4)


def test_a_vector_at_a_place_is_computed_by_blocks_of_units_and_only_once(
    result: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_lanes, "_UNITS", 3)
    expected = gates_of(result.inputs, result["gluon"].hidden)
    vectors = GateVectors(result)
    assert vectors.result is result
    for layer, direction, timestep, sample in ((0, 0, 0, 2), (1, 1, 3, 1)):
        vector = vectors.at(Location(layer, direction, timestep, sample, 9))
        for name in ("f", "c"):
            values = [vector.value(name, unit) for unit in range(4)]
            assert values == pytest.approx(expected[name][layer, direction, timestep, sample], abs=1e-12)
    read: list[tuple[str, slice]] = []

    def reading(quantity: str, units: slice) -> np.ndarray:
        read.append((quantity, units))
        return np.arange(units.start, units.stop) + (100.0 if quantity == "g" else 0.0)

    vector = GateVector(reading, 7)
    assert [vector.value("i", unit) for unit in (6, 0, 2, 3, 5, 0)] == [6, 0, 2, 3, 5, 0]
    assert vector.value("g", 4) == 104.0
    assert read == [("i", slice(6, 7)), ("i", slice(0, 3)), ("i", slice(3, 6)), ("g", slice(3, 6))]
