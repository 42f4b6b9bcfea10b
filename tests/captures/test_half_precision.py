"""Recurrent layers in half precision, recorded from PyTorch and audited with their own bounds."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnviz.captures.rnn_capture import capture
from rnnviz.cells.interpreters.running_error import rounded_when_read
from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.engines.known_bugs.engine import faulty_trace
from rnnviz.engines.known_bugs.registry import known_bugs_in
from rnnviz.engines.manual import ManualEngine
from rnnviz.engines.recorded_outputs import RecordedEngine
from rnnviz.io.inputs import load_inputs
from rnnviz.io.session import read_config
from rnnviz.text.verdict_details import precisions
from rnnviz.verify.audit import audit
from rnnviz.verify.diagnosis import diagnose
from tests.cases import cases
from tests.needs import need_autocast
from tests.oracles.computed import computed
from tests.verify.faulty_traces import result_of

torch = pytest.importorskip("torch")
HALF = ("bfloat16", "float16")


def run(folder: Path, kind: str, mode: str, sizes: tuple[int, int, int], scale: float, **options: Any) -> Any:
    """The result of a layer with weights of `scale` times the usual size; `mode` is a type, or autocast."""
    features, units, timesteps = sizes
    if (kind, mode) == ("LSTM", "autocast"):
        need_autocast()
    torch.manual_seed(1)
    layer, x = getattr(torch.nn, kind)(features, units, **options), torch.randn(timesteps, 2, features)
    lowered = mode in HALF
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(scale)
        layer, x = (layer.to(getattr(torch, mode)), x.to(getattr(torch, mode))) if lowered else (layer, x)
        within = nullcontext() if lowered else torch.autocast("cpu", dtype=torch.bfloat16)
        with within, capture(layer) as captured:
            layer(x)
    captured[0].save(folder / "a.rnnviz")
    config = read_config(folder / "a.rnnviz", lambda: folder)
    inputs = load_inputs(config)
    recorded, report = computed(RecordedEngine(config.compare.reference), inputs)
    recorded = replace(recorded, engine="torch", precision=report.precision, computed_in=report.computed_in)
    manual, _ = computed(ManualEngine(), inputs)
    return result_of(inputs, recorded, manual)


SIZES = cases(__file__)["sizes"]
CASES = [
    (kind, (*HALF, "autocast")[(row + place) % 3], *sizes)
    for row, kind in enumerate(("LSTM", "GRU", "RNN"))
    for place, sizes in enumerate(SIZES)
]
"""Every pair of a kind, a mode and sizes."""


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "mode", "sizes", "scale", "options"), CASES)
def test_half_precision_agrees_within_its_own_bounds(tmp_path, kind, mode, sizes, scale, options):
    result = run(tmp_path, kind, mode, sizes, scale, **options)
    recorded = result.reference
    assert recorded.half == (mode if mode in HALF else "bfloat16")
    found = result.judgment.audits[recorded.engine]
    assert found.verdict == "right"
    # With large weights rounding errors grow.
    assert result.verdict == "agree" or (scale > 1.0 and result.verdict == "drift")
    assert found.worst_ratio < 3.0
    assert recorded.half in next(iter(precisions(result, (recorded.engine,))))


def in_half(trace: Trace, kind: str) -> Trace:
    """A trace whose values were rounded to half precision."""
    arrays = {
        name: torch.tensor(np.array(trace[name])).to(getattr(torch, kind)).float().numpy()
        for name in ("h", "out", "state.h", "state.c")
        if name in trace
    }
    return replace(trace, computed_in=kind, arrays=arrays)


def inputs_of(cell: str) -> Inputs:
    tables = {
        "network": {"cell": cell, "input_size": 8, "hidden_size": 16, "num_layers": 2},
        "sequence": {"timesteps": 30, "batch_size": 2, "seams": [7, 14]},
        "initial_state": {"source": "normal"},
    }
    return load_inputs(Config.from_mapping(tables))


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "kind"), [("lstm", "bfloat16"), ("gru", "float16")])
def test_known_bugs_are_found_and_named_in_half_precision(cell, kind):
    inputs = inputs_of(cell)
    for bug in known_bugs_in(inputs):
        if bug.name not in ("batch-as-time",):
            trace = in_half(faulty_trace(bug.faults(inputs.network)[0], inputs), kind)
            found = audit(inputs, trace, full=True)
            assert found.wrong, bug.name
            assert diagnose(inputs, trace, found) == ((bug.name,),)


@pytest.mark.parametrize("kind", HALF)
def test_numbers_of_a_type_are_not_rounded_when_they_are_read(kind):
    values = np.random.default_rng(0).normal(size=100).astype(np.float32)
    rounded = torch.tensor(values).to(getattr(torch, kind)).float().numpy()
    assert not rounded_when_read(rounded, kind).any()
    assert rounded_when_read(values, kind).mean() > 0.9
