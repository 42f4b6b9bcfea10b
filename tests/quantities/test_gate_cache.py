"""The estimated range and cost of gates, from a part of a lane."""

from dataclasses import replace
from threading import Thread

import numpy as np
import pytest

from rnnviz.core.trace import Trace
from rnnviz.quantities import gate_lanes
from rnnviz.quantities.gate_lanes import Extent, LaneGates
from rnnviz.quantities.gates import GateReader, Quantity
from rnnviz.verify.result import RunResult
from tests.factories import make_result
from tests.oracles.gates import gates_of

SIZES = {"batch_size": 3, "input_size": 5, "hidden_size": 4, "num_layers": 2, "bidirectional": True}


def with_hidden(result: RunResult, name: str, hidden: np.ndarray, cell: np.ndarray | None = None) -> RunResult:
    return replace(result, traces={**result.traces, name: result[name].with_arrays({"h": hidden, "c": cell})})


@pytest.mark.parametrize(
    ("cell", "layer", "quantity", "effort"),
    [
        ("lstm", 0, "i", (5 + 4) / 64),
        ("lstm", 1, "pre_o", (8 + 4) / 64),
        ("lstm", 0, "c", 3 * (5 + 4) / 64),
        ("gru", 1, "n", 2 * (8 + 4) / 64),
        ("gru", 0, "pre_n", 2 * (5 + 4) / 64),
        ("gru", 1, "z", (8 + 4) / 64),
        ("gru", 1, "change", 1.0),
        ("gru", 0, "norm", 1.0),
    ],
)
def test_the_effort_is_that_of_the_products(cell: str, layer: int, quantity: Quantity, effort: float) -> None:
    result = make_result(cell=cell, **SIZES)
    unknown = with_hidden(result, "manual", result["manual"].hidden)
    assert LaneGates(unknown).effort("manual", layer, quantity) == effort


def test_a_stored_cell_state_only_has_to_be_read() -> None:
    result = make_result(cell="lstm", **SIZES)
    assert LaneGates(result).effort("manual", 0, "c") == 1.0


@pytest.mark.parametrize("quantity", ["pre_g", "c", "f"])
def test_the_extent_of_a_small_result_covers_every_number_in_every_lane(quantity: Quantity) -> None:
    result = make_result(cell="lstm", timesteps=6, dtype="float64", **SIZES)
    for layer in range(2):
        for direction in range(2):
            hidden = np.array(result["manual"].hidden)
            # NaN does not count, and does not hide other values.
            hidden[layer, direction, 3, 2] *= -7.0
            hidden[1, 0, 2, 0, 1] = np.nan
            edited = with_hidden(result, "manual", hidden)
            expected = gates_of(edited.inputs, hidden)[quantity]
            extent = LaneGates(edited).extent("manual", quantity)
            assert extent.exact
            assert extent.largest == pytest.approx(np.abs(expected[np.isfinite(expected)]).max(), rel=1e-12)


def test_a_quantity_that_has_no_finite_number_reaches_nowhere() -> None:
    result = make_result(timesteps=3, **SIZES)
    edited = with_hidden(result, "manual", np.full_like(result["manual"].hidden, np.nan))
    assert LaneGates(edited).extent("manual", "norm") == Extent(0.0, exact=True)


@pytest.mark.parametrize(("cell", "quantity", "times"), [("rnn_tanh", "pre_h", 1), ("gru", "n", 2), ("gru", "r", 1)])
def test_the_extent_is_exact_up_to_a_number_of_products(
    cell: str, quantity: Quantity, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = make_result(timesteps=6, cell=cell, **SIZES)
    # Two layers, two directions, 6 timesteps, 3 samples and 4 units; the wider layer reads 8 and 4 numbers for each.
    products = times * 2 * 2 * 6 * 3 * 4 * (8 + 4)
    monkeypatch.setattr(gate_lanes, "_EXACTLY", products)
    assert LaneGates(result).extent("manual", quantity).exact
    monkeypatch.setattr(gate_lanes, "_EXACTLY", products - 1)
    assert not LaneGates(result).extent("manual", quantity).exact


def test_the_extent_of_a_long_lane_of_few_products_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_lanes, "_SAMPLED_TIMES", 3)
    hidden = np.zeros((2, 2, 20, 3, 4))
    hidden[1, 1, 6, 2, 3] = -2.0
    result = with_hidden(make_result(timesteps=20, dtype="float64", **SIZES), "manual", hidden)
    assert LaneGates(result).extent("manual", "norm") == Extent(2.0, exact=True)


@pytest.fixture
def few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """In lanes of more than 6 time steps only 6 of them, 2 units and 2 samples."""
    for name, value in {"_EXACTLY": 0, "_SAMPLED_TIMES": 6, "_SAMPLED_UNITS": 2, "_SAMPLES": 2}.items():
        monkeypatch.setattr(gate_lanes, name, value)


def rounded(value: float) -> float:
    """The first of 1, 2, 5, 10, 20, ... and their parts that is at least a number."""
    steps = [float(f"{factor}e{power}") for power in range(-9, 9) for factor in (1, 2, 5)]
    return next(step for step in steps if step >= value)


@pytest.mark.usefixtures("few_samples")
@pytest.mark.parametrize(
    ("timesteps", "times"), [(20, [0, 1, 9, 10, 18, 19]), (7, [0, 1, 2, 3, 5, 6]), (6, range(6)), (5, range(5))]
)
def test_the_extent_of_a_large_result_samples_both_ends_and_the_middle(timesteps: int, times: list[int]) -> None:
    result = make_result(timesteps=timesteps, dtype="float64", **SIZES)
    shape = result.shape
    for lane in ((0, 0), (0, 1), (1, 0), (1, 1)):
        for t in range(timesteps):
            for sample in range(3):
                hidden = np.full(shape, 0.125)
                hidden[(*lane, t, sample)] = -3.0
                looked = t in times and sample < 2
                found = LaneGates(with_hidden(result, "manual", hidden)).extent("manual", "norm")
                assert found == Extent(rounded(1.25 * (6.0 if looked else 0.25)), exact=False)


@pytest.mark.usefixtures("few_samples")
def test_the_extent_of_a_large_result_samples_some_units() -> None:
    result = make_result(timesteps=12, dtype="float64", **SIZES)
    for unit in range(4):
        hidden = np.zeros(result.shape)
        hidden[1, 0, 0, 1, unit] = 3.0
        state = result.inputs.initial_state
        quiet = replace(result, inputs=replace(result.inputs, initial_state=replace(state, h=np.zeros_like(state.h))))
        found = LaneGates(with_hidden(quiet, "manual", hidden)).extent("manual", "change")
        assert found.largest == (5.0 if unit < 2 else 0.0)


@pytest.mark.usefixtures("few_samples")
@pytest.mark.parametrize("direction", [0, 1])
def test_a_cell_state_extent_is_sampled_at_the_start_of_its_lane(direction: int) -> None:
    result = make_result(cell="lstm", timesteps=9, dtype="float64", **SIZES)
    for t in range(9):
        cell = np.zeros(result.shape)
        cell[1, direction, t, 0, 1] = -0.3
        hidden = np.array(result["manual"].hidden)
        found = LaneGates(with_hidden(result, "manual", hidden, cell)).extent("manual", "c")
        looked = t >= 3 if direction else t < 6
        assert found == Extent(0.5 if looked else 0.0, exact=False)


@pytest.mark.usefixtures("few_samples")
@pytest.mark.parametrize(
    ("largest", "told"),
    [(0.8, 1.0), (0.8001, 2.0), (1.6, 2.0), (1.7, 5.0), (4.0, 5.0), (4.1, 10.0), (80.0, 100.0), (0.02, 0.05)],
)
def test_the_extent_is_a_round_number_a_quarter_above_the_largest(largest: float, told: float) -> None:
    result = make_result(cell="lstm", timesteps=9, dtype="float64", **SIZES)
    cell = np.full(result.shape, largest)
    edited = with_hidden(result, "manual", np.array(result["manual"].hidden), cell)
    assert LaneGates(edited).extent("manual", "c").largest == pytest.approx(told, rel=1e-12)


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The engines of which a reader was made, in their order."""
    made: list[str] = []

    class Noted(GateReader):
        def __init__(self, inputs: object, trace: Trace) -> None:
            made.append(trace.engine)
            super().__init__(inputs, trace)

    monkeypatch.setattr(gate_lanes, "GateReader", Noted)
    return made


def test_each_thread_caches_the_reader_of_its_last_engine(readers: list[str]) -> None:
    result = make_result(cell="gru", timesteps=6, dtype="float64", **SIZES)
    doubled = with_hidden(result, "gluon", 2.0 * result["gluon"].hidden)
    gates = LaneGates(doubled)

    def look(engine: str) -> None:
        expected = gates_of(doubled.inputs, doubled[engine].hidden)["pre_z"][1, 1, 2:5, 2, 1:4]
        found = gates.read(engine, 1, 1, 2, "pre_z", slice(2, 5), slice(1, 4))
        assert found == pytest.approx(expected, abs=1e-12)

    for engine in ("manual", "manual", "gluon", "gluon", "manual"):
        look(engine)
    assert readers == ["manual", "gluon", "manual"]
    other = Thread(target=look, args=("manual",))
    other.start()
    other.join()
    look("manual")
    assert readers == ["manual", "gluon", "manual", "manual"]


def test_how_far_a_quantity_reaches_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    gates = LaneGates(make_result(timesteps=6, **SIZES))
    first = {(engine, name): gates.extent(engine, name) for engine in ("gluon", "manual") for name in ("norm", "pre_h")}
    monkeypatch.setattr(GateReader, "samples", None)
    for (engine, name), extent in first.items():
        assert gates.extent(engine, name) is extent
    assert first["gluon", "norm"] != first["gluon", "pre_h"]
