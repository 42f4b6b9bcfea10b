"""A long run writes pyramids next to its arrays, and a short one does not."""

from dataclasses import replace

import pytest

from rnnviz.core.config import Compare, Config
from rnnviz.core.inputs import open_inputs
from rnnviz.core.memory_budget import demand
from rnnviz.execution.events import RunRequest, open_traces
from rnnviz.execution.pipeline import compute
from rnnviz.io.inputs import load_inputs
from tests.configs import config_of
from tests.verify.pyramids import with_short_levels

ENDS = ("low", "high")
DIFFERENCES = ("difference-low", "difference-high", "error_ratio", "marks")


def long_config(cell: str) -> Config:
    return config_of("manual", "bug:no-h2h-bias", "bug:no-i2h-bias", cell=cell, timesteps=90)


@pytest.mark.parametrize(("cell", "arrays"), [("gru", ["h"]), ("lstm", ["h", "c"])])
def test_a_long_run_writes_pyramids_next_to_its_arrays(tmp_path, monkeypatch, cell, arrays):
    config = long_config(cell)
    plain = demand(config).disk
    with_short_levels(monkeypatch)
    compute(RunRequest(config, load_inputs, "off"), tmp_path / "run", lambda *_: None)
    values, differences = ({f"{name}.{kind}" for name in arrays for kind in kinds} for kinds in (ENDS, DIFFERENCES))
    reference, *candidates = open_traces(tmp_path / "run").values()
    assert set(reference.pyramids) == values
    assert [set(trace.pyramids) for trace in candidates] == [values | differences] * 2
    assert set(open_inputs(tmp_path / "run" / "inputs").pyramids) == {"x.low", "x.high"}
    stored = sum(path.stat().st_size for path in (tmp_path / "run").rglob("*.level-*.npy"))
    # Each file also has a header of 128 bytes.
    assert demand(config).disk - plain == stored - 128 * len(list((tmp_path / "run").rglob("*.level-*.npy")))


def test_an_array_of_one_engine_alone_has_pyramids_too(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    config = replace(long_config("lstm"), compare=Compare("torch", ("manual",)))
    with_short_levels(monkeypatch)
    compute(RunRequest(config, load_inputs, "off"), tmp_path / "run", lambda *_: None)
    reference, candidate = open_traces(tmp_path / "run").values()
    assert set(reference.pyramids) == {"h.low", "h.high"}
    assert {name for name in candidate.pyramids if name.startswith("c.")} == {"c.low", "c.high"}


def test_a_short_run_leaves_none(tmp_path):
    compute(RunRequest(long_config("gru"), load_inputs, "off"), tmp_path / "run", lambda *_: None)
    assert all(trace.pyramids == {} for trace in open_traces(tmp_path / "run").values())
