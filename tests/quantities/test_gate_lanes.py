"""Gates, states, changes and norms as lanes: plain Python's numbers at every resolution, and no mark lost."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnviz.cells import CELLS as SPECS
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Lane
from rnnviz.quantities.gate_lanes import LaneGates
from rnnviz.quantities.gates import Quantity, choices_of, gate_quantities, gate_quantity, quantity_for
from rnnviz.quantities.lane_reader import CancelledError, MultiscaleReader
from rnnviz.quantities.level_of_detail import Bins, every_cell
from rnnviz.verify.result import RunResult
from tests.factories import make_result
from tests.oracles.gates import gates_of
from tests.profiles import examples

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
    named = {quantity.name for cell in SPECS.values() for quantity in gate_quantities(cell)}
    assert set(get_args(Quantity)) == named | {"value", "error_ratio", "difference"}
    for cell in SPECS.values():
        offered = {"change", "norm"} if cell.projects else {quantity.name for quantity in gate_quantities(cell)}
        assert {choice.name for choice in choices_of(cell)} == offered


def test_a_quantity_that_a_network_lacks_becomes_the_value() -> None:
    assert quantity_for("f", SPECS["lstm"], compared=False) == "f"
    assert quantity_for("f", SPECS["gru"], compared=True) == "value"
    assert quantity_for("error_ratio", SPECS["gru"], compared=True) == "error_ratio"
    assert quantity_for("error_ratio", SPECS["gru"], compared=False) == "value"


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
    hidden, h0 = result["manual"].hidden[1, 1, :, 1], result.inputs.initial_state.h[3, 1]
    before = np.concatenate([hidden[1:], h0[None]])
    whole = every_cell(0, 40), every_cell(0, 4)
    change = MultiscaleReader(result, "manual", None, 1, "change").read(Lane(1, 1), *whole).values
    assert change == pytest.approx((hidden - before).T, abs=1e-15)
    lanes = MultiscaleReader(result, "manual", None, 1, "norm")
    assert lanes.shape(Lane(1, 1)) == (40, 1)
    assert lanes.shape(Lane(None)) == (40, 3)
    norm = lanes.read(Lane(1, 1), every_cell(0, 40), every_cell(0, 1)).values
    assert norm == pytest.approx(np.sqrt((hidden**2).sum(axis=1))[None], abs=1e-15)


@pytest.mark.parametrize("quantity", ["o", "c", "change", "norm"])
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
