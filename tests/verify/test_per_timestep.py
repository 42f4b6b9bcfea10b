"""Figures of many time steps stay in files: messages and memory do not grow with T."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.execution.events import RunRequest
from rnnviz.execution.pipeline import compute, judge_computed
from rnnviz.io.inputs import load_inputs
from rnnviz.verify import compare as module
from rnnviz.verify.compare import Comparison, compare
from tests.verify.traces import Shape, random_trace

SHORT, LONG = 40, 4000


@pytest.fixture(autouse=True)
def _few_are_many(monkeypatch):
    monkeypatch.setattr(module, "_MANY", 300)


def comparison_of(timesteps: int, folder: Path | None) -> Comparison:
    shape: Shape = (1, 2, timesteps, 1, 2)
    return compare(random_trace(shape, seed=1), random_trace(shape, seed=2), 1e-6, 1e-5, folder=folder)


def test_arrays_in_files_equal_those_in_memory_also_after_a_pipe(tmp_path):
    plain, stored = comparison_of(LONG, None), comparison_of(LONG, tmp_path)
    assert (plain.stored, [*stored.stored]) == ({}, [*Comparison.NAMES])
    received = pickle.loads(pickle.dumps(stored))
    for name in Comparison.NAMES:
        for comparison in (stored, received):
            array = getattr(comparison, name)
            np.testing.assert_array_equal(array, getattr(plain, name))
            assert not array.flags.writeable
    np.testing.assert_array_equal(received.lane_mismatched, plain.lane_mismatched)
    assert received.lane_mismatched is received.lane_mismatched


def test_figures_in_memory_travel_whole_and_stay_protected():
    plain = comparison_of(SHORT, None)
    received = pickle.loads(pickle.dumps(plain))
    for name in Comparison.NAMES:
        np.testing.assert_array_equal(getattr(received, name), getattr(plain, name))
        assert not getattr(received, name).flags.writeable


def test_a_few_time_steps_create_no_files(tmp_path):
    assert comparison_of(SHORT, tmp_path).stored == {}
    assert list(tmp_path.iterdir()) == []


def test_a_figure_whose_file_is_missing_is_an_error(tmp_path):
    sent = pickle.dumps(comparison_of(LONG, tmp_path))
    (tmp_path / "comparison.h.error_over_time.npy").unlink()
    with pytest.raises(OSError, match="error_over_time"):
        pickle.loads(sent)


def test_the_size_of_an_outcome_does_not_grow_with_the_time_steps(tmp_path):
    sizes = []
    for timesteps in (1000, LONG):
        config = Config.from_mapping(
            {
                "network": {"cell": "rnn_tanh", "input_size": 2, "hidden_size": 2},
                "sequence": {"batch_size": 1, "timesteps": timesteps},
                "compare": {"reference": "manual", "candidates": ["bug:no-h2h-bias"]},
            }
        )
        request = RunRequest(config, load_inputs, "full")
        folder = tmp_path / str(timesteps)
        outcome = compute(request, folder, lambda *_: None)
        judgment = judge_computed(request, folder, outcome, lambda *_: None)
        sizes.append(len(pickle.dumps((outcome, judgment))))
    assert abs(sizes[1] - sizes[0]) < 1000
