"""A recorded trace knows its missing arrays after each opening."""

from itertools import chain, combinations

import numpy as np
import pytest

from rnnviz.core import trace as trace_module
from rnnviz.core.config import Network
from rnnviz.core.trace import create_trace, open_trace, with_missing
from rnnviz.core.trace_index import Places

LSTM = Network("lstm", 2, 4, num_layers=3, bidirectional=True, dtype="float64")
TIMESTEPS, SAMPLES = 5, 3
PLACES = Places.of(LSTM, TIMESTEPS, SAMPLES)
MARKS = ("h", "out", "state.h", "state.c")
SUBSETS = list(chain.from_iterable(combinations(MARKS, size) for size in range(len(MARKS) + 1)))


@pytest.mark.parametrize("missing", SUBSETS, ids="-".join)
def test_the_recorded_steps_of_a_lane_follow_from_its_arrays_out_or_the_state(tmp_path, missing):
    trace = with_missing(create_trace(tmp_path / "engine", "recording:x.npz", LSTM, PLACES), missing)
    for told in (trace, open_trace(tmp_path / "engine")):
        assert told.missing == set(missing)
        for layer in range(3):
            for direction in range(2):
                known = set() if "state.h" in missing else {0 if direction else TIMESTEPS - 1}
                if "h" not in missing or (layer == 2 and "out" not in missing):
                    known = set(range(TIMESTEPS))
                assert set(told.recorded(layer, direction)) == known
                assert {t for t in range(-1, TIMESTEPS + 1) if told.holds(layer, direction, t)} == known
        assert told.partial == ("h" in missing)
        assert (told.state_c is None) == ("state.c" in missing)


@pytest.mark.parametrize("missing", [(), ("state.c", "h")], ids=str)
@pytest.mark.parametrize("precision", ["", "float32"])
def test_missing_arrays_and_precision_survive_opening_again(tmp_path, missing, precision):
    made = create_trace(tmp_path / "engine", "recording:größe.npz", LSTM, PLACES, names=("h", "c"))
    made.hidden[:] = np.random.default_rng(0).normal(size=made.hidden.shape)
    marked = with_missing(made, missing, precision) if precision else with_missing(made, missing)
    opened = open_trace(tmp_path / "engine")
    for trace in (marked, opened):
        assert (trace.engine, trace.precision, trace.folder) == ("recording:größe.npz", precision, tmp_path / "engine")
        assert trace.eps == np.finfo(precision or "float64").eps
        np.testing.assert_array_equal(trace.hidden, made.hidden)
    extra = {path.name for path in (tmp_path / "engine").iterdir()} - {"trace.npy"}
    assert extra == ({"trace.json"} if missing or precision else set())


@pytest.mark.parametrize(("beside", "files"), [(0, 1), (-1, 4)], ids=["the limit", "one byte less"])
def test_a_trace_of_as_many_bytes_as_the_limit_is_one_file(tmp_path, monkeypatch, beside, files):
    network = Network("gru", 3, 4)
    hidden, output, state = 5 * 3 * 4, 5 * 3 * 4, 3 * 4
    monkeypatch.setattr(trace_module, "_SMALL_BYTES", 4 * (hidden + output + state) + beside)
    made = create_trace(tmp_path / "engine", "manual", network, Places.of(network, 5, 3))
    assert len(list((tmp_path / "engine").iterdir())) == files
    assert (made.engine, made.folder) == ("manual", tmp_path / "engine")
