"""Lines that a custom step returns beside its states: stored, compared, and narrowed to the first that differs."""

import errno
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.core.trace import create_trace, open_trace
from rnnviz.core.trace_index import Location
from rnnviz.engines.base import run_stack
from rnnviz.engines.custom_code.custom_step import CustomCodeError, CustomStep
from rnnviz.engines.custom_code.worker import add_line
from rnnviz.explain.report import report as explanation_report
from rnnviz.explain.report import to_json
from rnnviz.io.export.data import summary
from rnnviz.io.export.report import audit_table
from rnnviz.io.inputs import load_inputs
from rnnviz.io.templates import starter
from rnnviz.text.verdict_text import report
from rnnviz.verify.audit import audit
from tests.cells.layers import EXAMPLES
from tests.engines.custom_code.files import SIZES, computed, refusal, written
from tests.explain.arithmetics import explain_at
from tests.oracles.computed import empty_trace
from tests.shared_worker import run_shared
from tests.verify.audit_helpers import inputs_of

__all__ = ["run_shared"]

HARD = "np.clip(0.2 * (u_f + v_f) + 0.5, 0, 1)"
"""A hard sigmoid in place of the forget gate's: no known bug."""


@pytest.mark.parametrize(
    ("cell", "old", "new", "line"),
    [
        ("lstm", "", "", None),
        ("lstm", "f = sigmoid(u_f + v_f)", f"f = {HARD}", "f"),
        ("lstm", "c = f * c + i * g", "c = f * c + 1.01 * i * g", "c"),
        ("lstm", "h = o * np.tanh(c)", "h = o * c", "h"),
        ("gru", "n = np.tanh(u_n + r * v_n)", "n = np.tanh(r * (u_n + v_n))", "n"),
        ("gru", "h = (1 - z) * n + z * h", "h = (1 - z) * h + z * n", "h"),
    ],
)
def test_a_bug_without_a_name_is_narrowed_to_the_first_line_that_differs(cell, old, new, line, tmp_path):
    inputs = inputs_of({"timesteps": 3, "batch_size": 2}, cell=cell, **SIZES)
    trace = computed(inputs, written(tmp_path, starter(cell).replace(old, new)))
    gates = inputs.network.kind.gate_symbols
    assert tuple(trace.lines) == gates
    assert not any(np.isnan(array).any() for array in trace.lines.values())
    found = audit(inputs, trace)
    assert found.lines == (*gates, *(("c",) if cell == "lstm" else ()), "h")
    assert (found.first_line and found.first_line.name) == line
    assert bool(found.wrong) == (line is not None)


def test_returned_lines_are_stored_with_the_trace(tmp_path):
    inputs, folder = inputs_of({"timesteps": 3, "batch_size": 2}, cell="lstm", **SIZES), tmp_path / "trace"
    trace = create_trace(folder, "mine", inputs.network, inputs.places, names=("h", "c"))
    path = written(tmp_path, starter("lstm"))
    run_stack(inputs, trace, CustomStep(path, None, partial(add_line, folder, trace)).run_layer, lambda done: None)
    stored, expected = open_trace(folder), computed(inputs, path)
    assert stored.lines.keys() == expected.lines.keys() == set("ifgo")
    for name, array in expected.lines.items():
        assert stored.lines[name].dtype == array.dtype == np.float32
        np.testing.assert_array_equal(stored.lines[name], array)


def test_the_first_line_is_at_the_first_computed_step_of_its_lane(tmp_path):
    inputs = inputs_of({"timesteps": 5, "batch_size": 2}, cell="lstm", reverse=True, hidden_size=4)
    code = starter("lstm").replace("    i = sig", "    global CALLS\n    CALLS += 1\n    i = (CALLS > 2) * sig")
    found = audit(inputs, computed(inputs, written(tmp_path, f"{code}\n\nCALLS = 0\n"))).first_line
    assert found is not None
    assert (found.name, found.value, found.where.location) == ("i", 0.0, Location(0, 0, 4, 0, 0, reverse=True))


@pytest.mark.parametrize("name", [*EXAMPLES, "lstm_projection", "lstm_coupled"])
def test_the_lines_of_every_starter_are_within_rounding(name, tmp_path):
    cell = {"cell": "lstm", "projection_size": 3} if name == "lstm_projection" else {"cell": name}
    if name in EXAMPLES:
        cell = {"cell": "./mine.py"}
    mapping = {"network": {"hidden_size": 4, "input_size": 4, **cell}, "sequence": {"timesteps": 20}}
    config = Config.from_mapping({**mapping, "initial_state": {"source": "normal"}})
    inputs = load_inputs(config.with_custom_cell(EXAMPLES.get(name)))
    found = audit(inputs, computed(inputs, written(tmp_path, starter(inputs.network.kind))))
    assert (found.first_line, found.wrong) == (None, 0)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('{"q": h}', "step returned the line q at forward, t = 0, but the cell has r, z, n."),
        ("{1: h}", "step returned the line a value of the type int at forward, t = 0, but the cell has r, z, n."),
        ('{"r": h[:1]}', "step returned r of the shape (1, 4) at forward, t = 0, but it must be (2, 4)."),
        (
            '{"z" if CALLS.append(1) or len(CALLS) > 1 else "r": h}',
            "step returned other lines at forward, t = 1 than in its first call.",
        ),
    ],
)
def test_lines_that_the_cell_does_not_have_are_refused(lines, said, tmp_path):
    inputs = inputs_of({"timesteps": 2, "batch_size": 2}, cell="gru", hidden_size=4)
    code = f"def step(x, state, p):\n    (h,) = state\n    return h, {lines}\n\n\nCALLS = []\n"
    assert refusal(inputs, written(tmp_path, code)) == f", line 1: {said}"


def test_a_line_of_a_cell_that_has_none_is_refused(tmp_path):
    inputs = inputs_of({"timesteps": 2, "batch_size": 2}, cell="rnn_tanh", hidden_size=4)
    path = written(tmp_path, "def step(x, state, p):\n    (h,) = state\n    return h, {'q': h}\n")
    said = "step returned the line q at forward, t = 0, but the cell has no lines besides its states."
    assert refusal(inputs, path) == f", line 1: {said}"


def test_a_full_disk_is_reported_in_a_sentence(tmp_path):
    inputs = inputs_of({"timesteps": 2, "batch_size": 2}, cell="gru", hidden_size=4)

    def add_line(name, units):
        raise OSError(errno.ENOSPC, "No space left on device")

    own = CustomStep(written(tmp_path, starter("gru")), None, add_line)
    with pytest.raises(CustomCodeError, match="the returned lines cannot be stored: No space left on device"):
        run_stack(inputs, empty_trace(inputs, cell=False), own.run_layer, lambda done: None)


@pytest.mark.slow
def test_a_run_names_the_line_in_its_verdict_summary_report_and_arithmetic(tmp_path, run_shared):
    path = str(written(tmp_path, starter("lstm").replace("sigmoid(u_f + v_f)", HARD)))
    network = {"cell": "lstm", "input_size": 3, "hidden_size": 4}
    config = Config.from_mapping({"network": network, "compare": {"candidates": [path]}})
    result = run_shared(config, trusted=frozenset({path}))
    assert result.sources == {path: Path(path).read_text(encoding="utf-8")}
    assert result.judgment is not None
    line = result.judgment.audits[path].first_line
    assert line is not None
    found = summary(result)["audit"][path]
    assert found["lines"] == ["i", "f", "g", "o", "c", "h"]
    assert (found["first_line"]["name"], found["first_line"]["value"]) == ("f", line.value)
    number = found["first_line"]["line_number"]
    assert f"First line that differs: f, in line {number} of the file." in report(result)
    assert HARD in Path(path).read_text(encoding="utf-8").splitlines()[number - 1]
    table = audit_table(result.judgment, "First wrong step")
    place = table.titles.index("First line that differs")
    assert [row[place][0] for row in table.rows] == ["", "f"]

    explanation = explain_at(result, line.where.location)
    divergence, own = explanation.divergences[path], explanation.breakdowns[path]
    assert divergence is not None
    assert (divergence.step, divergence.gate, divergence.candidate) == ("stored_line", "f", line.value)
    assert [value.symbol for value in own.outcomes if not value.right] == ["f"]
    assert to_json(explanation)["engines"][path]["returned"]["f"] == line.value
    assert "f of the engine" in explanation_report(explanation)
