"""Lanes as they are read for a picture: the trace's numbers and the comparison's marks, at any resolution."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import INPUT, Lane
from rnnviz.reading import lane_reader
from rnnviz.reading.lane_reader import MultiscaleReader
from rnnviz.reading.level_of_detail import Bins, every_cell
from rnnviz.verify.metrics import error_ratio
from rnnviz.verify.result import RunResult
from tests.factories import make_result
from tests.profiles import examples


def spoil(trace: Trace) -> None:
    trace.hidden[0, 0, 5, 1, 2] += 0.5
    trace.hidden[1, 1, 37, 0, 3] = np.nan


@pytest.fixture(scope="module")
def result() -> RunResult:
    return make_result(num_layers=2, bidirectional=True, timesteps=40, edits={"manual": spoil})


def test_cells_are_the_traces_values_and_the_inputs(result: RunResult) -> None:
    lanes = MultiscaleReader(result, "manual", "manual", sample=1)
    patch = lanes.read(Lane(0, 0), every_cell(2, 9), every_cell(1, 4))
    assert np.array_equal(patch.values, result["manual"].hidden[0, 0, 2:9, 1, 1:4].T)
    features = lanes.read(INPUT, every_cell(0, 40), every_cell(0, 3))
    assert np.array_equal(features.values, result.inputs.sequence[:, 1].T)
    assert features.marks is None


def test_marks_are_the_mismatching_values_of_the_sample(result: RunResult) -> None:
    whole = every_cell(0, 40), every_cell(0, 4)
    for sample, expected in ((0, []), (1, [[2, 5]])):
        marks = MultiscaleReader(result, "gluon", "manual", sample).read(Lane(0, 0), *whole).marks
        assert [] if marks is None else np.argwhere(marks).tolist() == expected
    assert MultiscaleReader(result, "gluon", None, 1).read(Lane(0, 0), *whole).marks is None


def test_error_ratio_replaces_hidden_values_only(result: RunResult) -> None:
    comparison = result.comparison("manual")
    lanes = MultiscaleReader(result, "gluon", "manual", 1, "error_ratio")
    whole = every_cell(0, 40), every_cell(0, 4)
    r, c = (result[name].hidden[0, 0, :, 1] for name in ("gluon", "manual"))
    assert np.array_equal(lanes.read(Lane(0, 0), *whole).values, error_ratio(r, c, comparison.rtol, comparison.atol).T)
    assert np.array_equal(lanes.read(INPUT, every_cell(0, 40), every_cell(0, 3)).values, result.inputs.sequence[:, 1].T)


def test_a_difference_is_the_candidates_value_less_the_references(result: RunResult) -> None:
    lanes = MultiscaleReader(result, "gluon", "manual", 1, "difference")
    whole = every_cell(0, 40), every_cell(0, 4)
    r, c = (result[name].hidden[0, 0, :, 1].astype(np.float64) for name in ("gluon", "manual"))
    values = lanes.read(Lane(0, 0), *whole).values
    assert np.array_equal(values, (c - r).T)
    assert values[2, 5] == pytest.approx(0.5)
    assert np.count_nonzero(values) == 1
    assert np.array_equal(lanes.read(INPUT, every_cell(0, 40), every_cell(0, 3)).values, result.inputs.sequence[:, 1].T)


def test_a_pixel_of_many_cells_shows_the_largest_difference_of_either_sign() -> None:
    def edit(trace: Trace) -> None:
        trace.hidden[0, 0, 9, 0, 1] -= 0.25
        trace.hidden[0, 0, 10, 0, 1] += 0.125

    lanes = MultiscaleReader(make_result(timesteps=16, edits={"manual": edit}), "gluon", "manual", 0, "difference")
    values = lanes.read(Lane(0, 0), Bins(np.array([0, 8]), 16), Bins(np.array([0]), 4)).values
    assert values[0] == pytest.approx([0.0, -0.25])


@settings(max_examples=examples(60))
@given(times=st.integers(1, 40), units=st.integers(1, 4), width=st.integers(1, 12), height=st.integers(1, 4))
def test_the_one_mark_and_the_one_nan_are_seen_at_every_resolution(
    result: RunResult, times: int, units: int, width: int, height: int
) -> None:
    del times, units
    across = Bins(np.arange(0, 40, width), 40)
    down = Bins(np.arange(0, 4, height), 4)
    patch = MultiscaleReader(result, "manual", "manual", 1).read(Lane(0, 0), across, down)
    assert patch.marks is not None
    marked = np.argwhere(patch.marks)
    assert len(marked) == 1
    # A block that two pixels share is shown by the later one: at most one pixel away from its own.
    assert abs(marked[0] - [2 // height, 5 // width]).max() <= 1
    other = MultiscaleReader(result, "manual", "manual", 0).read(Lane(1, 1), across, down)
    assert np.isnan(other.values).sum() == 1


def test_a_lane_of_many_chunks_reads_as_one() -> None:
    long = make_result(timesteps=9000, hidden_size=16, batch_size=1)
    lanes = MultiscaleReader(long, "gluon", None, 0)
    values = lanes.read(Lane(0, 0), Bins(np.arange(8, 9000, 8), 9000), every_cell(0, 16)).values
    cells = long["gluon"].hidden[0, 0, 8:, 0].T.reshape(16, -1, 8)
    assert np.array_equal(np.abs(values), np.abs(cells).max(axis=2))


def test_gradients_are_read_at_any_resolution_with_their_marks_and_those_of_the_input() -> None:
    def edit(trace: Trace) -> None:
        trace["grad.c"][0, 1, 21, 1, 2] += 0.5
        trace["grad.input"][30, 1, 0] += 0.5

    names = {"cell": "lstm", "bidirectional": True, "timesteps": 40, "edits": {"manual": edit}}
    result = make_result(gradients=("gluon", "manual"), **names)
    lanes = MultiscaleReader(result, "manual", "manual", 1, "grad.c")
    for lane, array, places in (
        (Lane(0, 1), result["manual"]["grad.c"][0, 1, :, 1], [[2, 21]]),
        (INPUT, result["manual"]["grad.input"][:, 1], [[0, 30]]),
    ):
        units = every_cell(0, array.shape[1])
        patch = lanes.read(lane, every_cell(0, 40), units)
        assert np.array_equal(patch.values, array.T)
        assert patch.marks is not None
        assert np.argwhere(patch.marks).tolist() == places
        coarse = lanes.read(lane, Bins(np.arange(0, 40, 8), 40), units)
        blocks = array.T.reshape(len(array.T), 5, 8)
        assert np.array_equal(np.abs(coarse.values), np.abs(blocks).max(axis=2))
        assert coarse.marks is not None
        assert np.argwhere(coarse.marks).tolist() == [[unit, t // 8] for unit, t in places]
    lacking = MultiscaleReader(make_result(gradients=("gluon",), **names | {"edits": {}}), "manual", None, 1, "grad.c")
    assert np.isnan(lacking.read(Lane(0, 1), every_cell(0, 40), every_cell(0, 4)).values).all()
    assert len(lacking.recorded(Lane(0, 1))) == 0


@pytest.mark.parametrize(("network", "falling"), [({"reverse": True}, True), ({}, False)])
def test_computed_cells_are_read_in_the_order_of_computation(
    network: dict[str, bool], falling: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_reader, "_CHUNK_VALUES", 1 << 10)
    made = make_result(cell="lstm", timesteps=2000, batch_size=1, **network)
    reader = MultiscaleReader(made, "gluon", None, 0, "f")
    starts: list[int] = []
    read = reader._gates.read
    monkeypatch.setattr(reader._gates, "read", lambda *of: (starts.append(of[5].start), read(*of))[1])
    # Not all places know that the lane goes backward.
    for times in (Bins(np.arange(0, 2000, 8), 2000), every_cell(0, 300)):
        starts.clear()
        reader.read(Lane(0), times, every_cell(0, 4))
        assert len(starts) > 1
        assert starts == sorted(starts, reverse=falling)
