"""A trace is a folder of arrays: written once, opened read-only, without reading a number."""

from pathlib import Path

import numpy as np
import pytest

from rnnviz.model.config import Network
from rnnviz.model.trace import create_trace, open_trace

LSTM = Network("lstm", 3, 4, num_layers=2, bidirectional=True)
GRU = Network("gru", 3, 4, dtype="float64")


def test_what_is_written_is_what_is_opened(tmp_path: Path) -> None:
    written = create_trace(tmp_path / "engine", "gluon", LSTM, 5, 3, cell=True)
    generator = np.random.default_rng(0)
    arrays = {name: getattr(written, name) for name in ("hidden", "output", "state_h", "state_c", "cell")}
    for array in arrays.values():
        array[:] = generator.normal(size=array.shape)
    opened = open_trace(tmp_path / "engine")
    assert opened.engine == "gluon"
    assert opened.shape == (2, 2, 5, 3, 4)
    for name, array in arrays.items():
        again = getattr(opened, name)
        np.testing.assert_array_equal(again, array)
        assert again.dtype == np.float32
        with pytest.raises(ValueError, match="read-only"):
            again[...] = 0.0


def test_only_an_lstm_has_cell_states_and_only_where_the_engine_knows_them(tmp_path: Path) -> None:
    gru = create_trace(tmp_path / "gru", "manual", GRU, 5, 3, cell=True)
    assert (gru.cell, gru.state_c) == (None, None)
    assert gru.hidden.dtype == np.float64
    unknown = create_trace(tmp_path / "lstm", "gluon", LSTM, 5, 3)
    assert unknown.cell is None
    assert unknown.state_c is not None
    assert open_trace(tmp_path / "lstm").cell is None


def test_out_is_shown_in_the_layout_that_is_asked_for(tmp_path: Path) -> None:
    trace = create_trace(tmp_path / "engine", "manual", LSTM, 5, 3)
    trace.output[:] = np.arange(trace.output.size).reshape(trace.output.shape)
    assert trace.output_in("TNC").shape == (5, 3, 8)
    assert trace.output_in("NTC").shape == (3, 5, 8)
    np.testing.assert_array_equal(trace.output_in("NTC")[2, 4], trace.output_in("TNC")[4, 2])


def test_a_lane_is_a_view_of_one_sample(tmp_path: Path) -> None:
    trace = create_trace(tmp_path / "engine", "manual", LSTM, 5, 3)
    trace.hidden[1, 0, 4, 2, 3] = 7.0
    lane = trace.lane(1, 0, 2)
    assert lane.shape == (5, 4)
    assert lane[4, 3] == 7.0
    assert np.shares_memory(lane, trace.hidden)


def test_a_folder_that_exists_is_not_written_over(tmp_path: Path) -> None:
    create_trace(tmp_path / "engine", "manual", LSTM, 5, 3)
    with pytest.raises(FileExistsError):
        create_trace(tmp_path / "engine", "manual", LSTM, 5, 3)


def test_a_folder_that_is_no_trace_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="engine"):
        open_trace(tmp_path)
