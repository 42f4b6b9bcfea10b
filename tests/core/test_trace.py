"""A trace is a folder of arrays: written once, opened read-only, without reading a number."""

import numpy as np
import pytest

from rnnviz.core import trace as trace_module
from rnnviz.core.config import Network
from rnnviz.core.gradients import gradient_names
from rnnviz.core.trace import add_array, create_trace, open_trace
from rnnviz.core.trace_index import Places

LSTM = Network("lstm", 3, 4, num_layers=2, bidirectional=True)
GRU = Network("gru", 3, 4, dtype="float64")


@pytest.fixture(params=["one file", "a file each"], autouse=True)
def _files(request, monkeypatch):
    if request.param == "a file each":
        monkeypatch.setattr(trace_module, "_SMALL_BYTES", 0)


def test_a_trace_of_many_layers_with_gradients_is_opened(tmp_path):
    network = Network("rnn_tanh", 1, 1, num_layers=60, bidirectional=True)
    written = create_trace(tmp_path / "engine", "manual", network, Places.of(network, 2, 1), gradient_names(network))
    assert sorted(open_trace(tmp_path / "engine")) == sorted(written)


def test_trace_round_trip(tmp_path):
    written = create_trace(tmp_path / "engine", "./größer.py", LSTM, Places.of(LSTM, 5, 3), names=("h", "c"))
    generator = np.random.default_rng(0)
    for array in written.values():
        array[:] = generator.normal(size=array.shape)
    with pytest.raises(FileExistsError):
        create_trace(tmp_path / "engine", "manual", LSTM, Places.of(LSTM, 5, 3))
    with pytest.raises(OSError, match=r"trace\.json"):
        open_trace(tmp_path)
    opened = open_trace(tmp_path / "engine")
    assert sorted(opened) == sorted(written) == ["c", "h", "out", "state.c", "state.h"]
    assert opened.engine == "./größer.py"
    assert opened.shape == (2, 2, 5, 3, 4)
    for name, array in written.items():
        again = opened[name]
        np.testing.assert_array_equal(again, array)
        assert again.dtype == np.float32
        with pytest.raises(ValueError, match="read-only"):
            again[...] = 0.0


def test_cell_states_only_of_an_lstm_that_returns_them(tmp_path):
    gru = create_trace(tmp_path / "gru", "manual", GRU, Places.of(GRU, 5, 3), names=("h",))
    assert (gru.cell, gru.state_c) == (None, None)
    assert list(gru) == ["h", "out", "state.h"]
    assert gru.hidden.dtype == np.float64
    unknown = create_trace(tmp_path / "lstm", "gluon", LSTM, Places.of(LSTM, 5, 3))
    assert unknown.cell is None
    assert unknown.state_c is not None
    assert open_trace(tmp_path / "lstm").cell is None


def test_out_follows_the_layout(tmp_path):
    trace = create_trace(tmp_path / "engine", "manual", LSTM, Places.of(LSTM, 5, 3))
    trace.output[:] = np.arange(trace.output.size).reshape(trace.output.shape)
    assert trace.output_in("TNC").shape == (5, 3, 8)
    assert trace.output_in("NTC").shape == (3, 5, 8)
    np.testing.assert_array_equal(trace.output_in("NTC")[2, 4], trace.output_in("TNC")[4, 2])
    assert np.shares_memory(trace.lane(1, 0, 2), trace.hidden)
    np.testing.assert_array_equal(trace.lane(1, 0, 2), trace.hidden[1, 0, :, 2])


def test_opened_trace_can_be_writable(tmp_path):
    create_trace(tmp_path / "engine", "manual", GRU, Places.of(GRU, 5, 3))
    filling = open_trace(tmp_path / "engine", writable=True)
    filling.hidden[:], filling.output[:], filling.state_h[:] = 1.0, 2.0, 3.0
    filled = open_trace(tmp_path / "engine")
    assert [float(array.min()) for array in (filled.hidden, filled.output, filled.state_h)] == [1.0, 2.0, 3.0]


def test_an_added_array_is_opened_with_the_others(tmp_path):
    trace = create_trace(tmp_path / "engine", "manual", GRU, Places.of(GRU, 5, 3))
    add_array(tmp_path / "engine", "grad.h", "float64", trace.shape)[:] = 4.0
    opened = open_trace(tmp_path / "engine")
    assert sorted(opened) == ["grad.h", "h", "out", "state.h"]
    assert sorted(opened.over_time()) == ["grad.h", "h"]
    assert float(opened["grad.h"].min()) == 4.0
