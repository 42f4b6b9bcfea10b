"""Gates of a part of the lanes, of a unit over time and of a step, however they are read."""

from dataclasses import replace
from itertools import product
from threading import Thread

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnviz.cells import CELLS as SPECS
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Lane, Location
from rnnviz.reading import gate_lanes
from rnnviz.reading.gate_lanes import (
    Extent,
    GateVector,
    GateVectors,
    LaneGates,
    SeriesKey,
    gate_series,
    series_effort,
    series_key,
)
from rnnviz.reading.gates import (
    GateReader,
    Quantity,
    choices_of,
    color_names,
    gate_quantities,
    gate_quantity,
    gradient_quantities,
    quantity_for,
)
from rnnviz.reading.lane_reader import CancelledError, MultiscaleReader
from rnnviz.reading.level_of_detail import Bins, every_cell
from rnnviz.verify.result import RunResult
from tests.factories import make_result
from tests.oracles.gates import gates_of
from tests.profiles import examples

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
        quiet = replace(result, inputs=replace(result.inputs, initial_state={**state, "h": np.zeros_like(state["h"])}))
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


CELLS = ("rnn_tanh", "rnn_relu", "lstm", "gru")
_RESULTS: dict[str, RunResult] = {}
_EXPECTED: dict[str, dict[str, np.ndarray]] = {}


def spoil(trace: Trace) -> None:
    trace.hidden[0, 0, 5, 1, 2] += 0.5


def result_of(cell: str) -> RunResult:
    if cell not in _RESULTS:
        network = {"cell": cell, "num_layers": 2, "bidirectional": True, "dtype": "float64"}
        _RESULTS[cell] = make_result(timesteps=40, edits={"manual": spoil}, **network)
    return _RESULTS[cell]


def expected_of(cell: str) -> dict[str, np.ndarray]:
    """The gates of the reference in plain Python, which takes its time."""
    if cell not in _EXPECTED:
        result = result_of(cell)
        _EXPECTED[cell] = gates_of(result.inputs, result["gluon"].hidden)
    return _EXPECTED[cell]


def extreme(values: np.ndarray) -> float:
    return float(values.ravel()[np.argmax(np.abs(values))])


def test_every_quantity_of_every_cell_is_offered_and_known() -> None:
    # The lanes have the units of h: m of a projected cell has others.
    named = {quantity.name for cell in SPECS.values() for quantity in gate_quantities(cell)} - {"m"}
    gradients = {quantity.name for cell in SPECS.values() for quantity in gradient_quantities(cell)}
    assert set(color_names()) == named | gradients | {"value", "error_ratio", "difference"}
    for cell in SPECS.values():
        offered = {"change", "norm"} if cell.projects else {quantity.name for quantity in gate_quantities(cell)}
        assert {choice.name for choice in choices_of(cell)} == offered
        given = {"grad.h", "grad.out"} if cell.projects else {quantity.name for quantity in gradient_quantities(cell)}
        assert {choice.name for choice in choices_of(cell, gradients)} == offered | given


def test_a_quantity_that_a_network_lacks_becomes_the_value() -> None:
    assert quantity_for("f", SPECS["lstm"], compared=False) == "f"
    assert quantity_for("f", SPECS["gru"], compared=True) == "value"
    assert quantity_for("error_ratio", SPECS["gru"], compared=True) == "error_ratio"
    assert quantity_for("error_ratio", SPECS["gru"], compared=False) == "value"
    assert quantity_for("grad.c", SPECS["lstm"], compared=True) == "value"
    assert quantity_for("grad.c", SPECS["lstm"], compared=True, gradients=("grad.h", "grad.c")) == "grad.c"
    assert quantity_for("grad.c", SPECS["gru"], compared=True, gradients=("grad.h", "grad.r")) == "grad.h"


@settings(max_examples=examples(80), deadline=None)
@given(data=st.data())
def test_lanes_of_gates_are_those_of_plain_python_at_every_resolution(data: st.DataObject) -> None:
    cell = data.draw(st.sampled_from(CELLS))
    result = result_of(cell)
    expected = expected_of(cell)
    name = data.draw(st.sampled_from(sorted(expected)))
    layer, direction, sample = (data.draw(st.integers(0, 1)) for _ in range(3))
    width, height = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 4))
    lanes = MultiscaleReader(result, "gluon", "manual", sample, name)
    lane = Lane(layer, direction)
    cells = lanes.read(lane, every_cell(3, 40), every_cell(1, 4)).values
    whole = expected[name][layer, direction, :, sample].T
    assert cells == pytest.approx(whole[1:, 3:], abs=1e-12)
    values = lanes.read(lane, Bins(np.arange(0, 40, width), 40), Bins(np.arange(0, 4, height), 4)).values
    k, m = (1 << (size.bit_length() - 1) for size in (min(width, 40), min(height, 4)))
    # In whole blocks, of which one that two pixels share is shown by the later one.
    for row, unit in enumerate(range(0, 4, height)):
        for column, time in enumerate(range(0, 40, width)):
            first, last = (
                unit // m * m,
                -(-min(unit + height, 4) // m) * m if unit + height >= 4 else (unit + height) // m * m,
            )
            begin, end = time // k * k, 40 if time + width >= 40 else (time + width) // k * k
            assert values[row, column] == pytest.approx(extreme(whole[first:last, begin:end]), abs=1e-12)


def test_changes_and_norms_are_of_the_engines_own_vectors() -> None:
    result = result_of("gru")
    hidden, h0 = result["manual"].hidden[1, 1, :, 1], result.inputs.initial_state["h"][3, 1]
    before = np.concatenate([hidden[1:], h0[None]])
    whole = every_cell(0, 40), every_cell(0, 4)
    change = MultiscaleReader(result, "manual", None, 1, "change").read(Lane(1, 1), *whole).values
    assert change == pytest.approx((hidden - before).T, abs=1e-15)
    lanes = MultiscaleReader(result, "manual", None, 1, "norm")
    assert lanes.shape(Lane(1, 1)) == (40, 1)
    assert lanes.shape(Lane(None)) == (40, 3)
    norm = lanes.read(Lane(1, 1), every_cell(0, 40), every_cell(0, 1)).values
    assert norm == pytest.approx(np.sqrt((hidden**2).sum(axis=1))[None], abs=1e-15)


@pytest.mark.parametrize("quantity", ["o", "change", "norm"])
@pytest.mark.parametrize("width", [1, 3, 8])
def test_a_mismatch_is_marked_whatever_the_lanes_show(quantity: Quantity, width: int) -> None:
    lanes = MultiscaleReader(result_of("lstm"), "gluon", "manual", 1, quantity)
    units = lanes.shape(Lane(0, 0))[1]
    patch = lanes.read(Lane(0, 0), Bins(np.arange(0, 40, width), 40), every_cell(0, units))
    assert patch.marks is not None
    assert np.argwhere(patch.marks).tolist() == [[0 if units == 1 else 2, 5 // width]]


def test_long_lanes_are_computed_in_chunks_and_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    result = make_result(cell="lstm", timesteps=9000, hidden_size=16, batch_size=1, bidirectional=True)
    computed: list[int] = []
    read = LaneGates.read

    def counted(gates: LaneGates, *place: object) -> object:
        computed.append(place[-2].stop - place[-2].start)
        return read(gates, *place)

    monkeypatch.setattr(LaneGates, "read", counted)
    lanes = MultiscaleReader(result, "gluon", None, 0, "i")
    every = every_cell(0, 16)
    fine = lanes.read(Lane(0, 1), Bins(np.arange(0, 9000, 8), 9000), every).values
    assert sum(computed) == 9000
    assert max(computed) <= 4096
    lanes.read(Lane(0, 1), Bins(np.arange(800, 1600, 8), 1600), every)
    coarse = lanes.read(Lane(0, 1), Bins(np.arange(0, 9000, 16), 9000), every).values
    assert sum(computed) == 9000, "a coarser picture is made of the finer one"
    assert np.array_equal(coarse[:, :562], fine[:, :1124].reshape(16, -1, 2).max(axis=2))


def test_computing_ends_when_canceled() -> None:
    result = make_result(cell="lstm", timesteps=9000, hidden_size=16, batch_size=1)
    answers = iter([True, True, False])
    with pytest.raises(CancelledError):
        MultiscaleReader(result, "gluon", None, 0, "i").read(
            Lane(0, 0), Bins(np.arange(0, 9000, 2), 9000), every_cell(0, 16), lambda: next(answers)
        )


def test_colors_extend_to_the_largest_number_or_a_round_number_where_only_some_are_sampled() -> None:
    small = result_of("lstm")
    expected = np.abs(expected_of("lstm")["pre_i"]).max()
    extent = LaneGates(small).extent("gluon", "pre_i")
    assert extent.exact
    assert extent.largest == pytest.approx(expected, abs=1e-12)
    large = make_result(cell="lstm", timesteps=3000, hidden_size=96, batch_size=1)
    extent = LaneGates(large).extent("gluon", "pre_i")
    assert not extent.exact
    assert f"{extent.largest:e}"[0] in "125"
    assert gate_quantity("pre_i", SPECS["lstm"]) is not None
