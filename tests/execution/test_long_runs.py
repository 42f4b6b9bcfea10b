"""A long run writes pyramids next to its arrays, and a short one does not."""

from pathlib import Path

import pytest

from rnnviz.core.config import Config
from rnnviz.core.inputs import open_inputs
from rnnviz.core.memory_budget import demand
from rnnviz.execution.events import RunRequest
from rnnviz.execution.pipeline import compute, open_traces
from rnnviz.io.inputs import load_inputs
from tests.verify.pyramids import with_short_levels

CONFIG = Config.from_mapping(
    {
        "network": {"cell": "gru", "input_size": 3, "hidden_size": 4},
        "sequence": {"timesteps": 90, "batch_size": 2},
        "compare": {"reference": "manual", "candidates": ["bug:no-h2h-bias", "bug:no-i2h-bias"]},
    }
)


def test_a_long_run_writes_pyramids_next_to_its_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = demand(CONFIG).disk
    with_short_levels(monkeypatch)
    compute(RunRequest(CONFIG, load_inputs, "off"), tmp_path / "run", lambda *_: None)
    values = {"h.low", "h.high"}
    differences = {"h.difference-low", "h.difference-high", "h.error_ratio", "h.marks"}
    reference, *candidates = open_traces(CONFIG, tmp_path / "run").values()
    assert set(reference.pyramids) == values
    assert [set(trace.pyramids) for trace in candidates] == [values | differences] * 2
    assert set(open_inputs(tmp_path / "run" / "inputs").pyramids) == {"x.low", "x.high"}
    stored = sum(path.stat().st_size for path in (tmp_path / "run").rglob("*.level-*.npy"))
    # Each file also has a header of 128 bytes.
    assert demand(CONFIG).disk - plain == stored - 128 * len(list((tmp_path / "run").rglob("*.level-*.npy")))


def test_a_short_run_leaves_none(tmp_path: Path) -> None:
    compute(RunRequest(CONFIG, load_inputs, "off"), tmp_path / "run", lambda *_: None)
    assert all(trace.pyramids == {} for trace in open_traces(CONFIG, tmp_path / "run").values())
