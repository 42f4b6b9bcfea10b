"""The user's step: what it is given, what it may return, and the sentence on everything else."""

import errno
import os
import sys
from functools import partial
from operator import itemgetter
from pathlib import Path

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.core.errors import ConfigError
from rnnviz.core.inputs import Inputs, save_inputs
from rnnviz.core.trace import create_trace, open_trace
from rnnviz.core.trace_index import Location
from rnnviz.engines.base import run_stack
from rnnviz.engines.custom_code.custom_step import CustomCodeError, CustomStep
from rnnviz.engines.custom_code.worker import add_line
from rnnviz.engines.registry import find_engine, load_engine
from rnnviz.explain.report import report as explanation_report
from rnnviz.explain.report import to_json
from rnnviz.io.export.data import summary
from rnnviz.io.export.report import audit_table
from rnnviz.io.inputs import load_inputs
from rnnviz.io.templates import starter
from rnnviz.text.verdict_text import report
from rnnviz.verify.audit import audit
from tests.cases import cases
from tests.cells.layers import EXAMPLES
from tests.engines.custom_code.files import SIZES, computed, refusal, run, sentence_of, written
from tests.engines.seeded_bugs import RIGHT
from tests.explain.arithmetics import explain_at
from tests.oracles.computed import assert_agrees, assert_near, empty_trace
from tests.oracles.recurrence import recurrence
from tests.shared_worker import run_shared
from tests.verify.audit_helpers import inputs_of

ENTERED: list[str] = []


class Watch:
    """A watchdog that records entry and exit."""

    def __enter__(self) -> None:
        ENTERED.append("in")

    def __exit__(self, *_: object) -> None:
        ENTERED.append("out")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", RIGHT)
def test_a_right_file_computes_every_number(cell, dtype, tmp_path):
    asked = inputs_of({"timesteps": 3, "batch_size": 2}, cell=cell, dtype=dtype, **SIZES)
    trace = computed(asked, written(tmp_path, RIGHT[cell]))
    # Whatever the file computes in, the trace holds the network's own floats.
    assert trace.hidden.dtype == dtype
    assert_agrees(trace, recurrence(asked), 1e-12 if dtype == "float64" else 1e-6)


def test_every_step_is_reported(inputs, tmp_path):
    told: list[float] = []
    step = CustomStep(written(tmp_path, RIGHT["rnn_tanh"]))
    run_stack(inputs, empty_trace(inputs, cell=False), step.run_layer, told.append)
    np.testing.assert_allclose(told, np.arange(1, 13) / 12)


DATACLASS = (
    "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom typing import ClassVar\n\n\n"
    "@dataclass\nclass Settings:\n    kind: ClassVar[str] = 'a'\n    slope: float = 1.0\n\nimport numpy"
)
CHANGES = {
    "writes into its arguments": [("    return [new]", "    x[:] = 7\n    state[0][:] = 7\n    return [new]")],
    "changes a returned array later": [
        ("new = np.empty_like(h)", "new = KEPT.setdefault('new', np.empty_like(h))"),
        ("FIRST = {}", "KEPT = {}"),
        ("np.float64", "np.float32"),
    ],
    "defines dataclasses with postponed annotations": [("import numpy", DATACLASS)],
}


@pytest.mark.parametrize("how", CHANGES)
def test_a_file_may_do_what_changes_no_number(how, inputs, tmp_path):
    code = RIGHT["rnn_tanh"]
    for old, new in CHANGES[how]:
        assert old in code
        code = code.replace(old, new)
    assert_near(computed(inputs, written(tmp_path, code)).hidden, recurrence(inputs).hidden, 1e-5)


def test_the_users_code_runs_under_watch_and_nothing_else_does(inputs, tmp_path):
    code = (
        "from tests.engines.custom_code.test_custom_step import ENTERED\n\n\ndef step(x, state, p):\n"
        "    ENTERED.append('step')\n    return (Result(state[0]),)\n\n\n"
        "class Result:\n    def __init__(self, h):\n        self.h = h\n\n"
        "    def __array__(self, *_, **__):\n        ENTERED.append('array')\n        return self.h\n\n\n"
        "ENTERED.append('load')\n"
    )
    ENTERED.clear()
    own = CustomStep(written(tmp_path, code), Watch())
    assert ENTERED == ["in", "load", "out"]
    ENTERED.clear()
    run_stack(inputs, empty_trace(inputs, cell=False), own.run_layer, lambda done: None)
    assert ENTERED == ["in", "step", "array", "out"] * 12


def test_the_file_is_a_module_that_is_found_by_its_name(tmp_path):
    code = "import sys\nMODULE = sys.modules[__name__]\n\n\ndef step(x, state, p):\n    return state\n"
    path = written(tmp_path, code)
    CustomStep(path)
    module = sys.modules["__recurrence__"]
    assert module.MODULE is module
    assert (module.__name__, module.__file__) == ("__recurrence__", str(path))


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("state[:1]", "1 value at forward, t = 0, but it must return the tuple (h, c)"),
        ("state[0], state[1][:1]", "c of the shape (1, 4) at forward, t = 0, but it must be (2, 4)"),
    ],
)
def test_an_lstm_must_return_both_of_its_states(returned, said, tmp_path):
    asked = inputs_of({"timesteps": 3, "batch_size": 2}, cell="lstm", **SIZES)
    path = written(tmp_path, f"def step(x, state, p):\n    return {returned}\n")
    assert refusal(asked, path) == f", line 1: step returned {said}."


@pytest.mark.parametrize(
    ("returned", "expected"),
    [("(np.full(state[0].shape, 1e300),)", np.inf), ("[[[1, 2, 3, True]] * 2]", [[1, 2, 3, 1]] * 2)],
)
def test_returned_numbers_are_cast(returned, expected, inputs, tmp_path):
    code = f"import numpy as np\n\n\ndef step(x, state, p):\n    assert x.dtype == np.float32\n    return {returned}\n"
    np.testing.assert_array_equal(
        computed(inputs, written(tmp_path, code)).hidden[1, 1, 2], np.broadcast_to(expected, (2, 4))
    )


def test_the_parameters_cannot_be_changed(inputs, tmp_path):
    code = RIGHT["rnn_tanh"].replace("    h = np", "    p.h2h_bias[0] = 3.0\n    h = np")
    before = {name: np.array(array) for name, array in inputs.parameters.items()}
    assert "ValueError: assignment destination is read-only" in refusal(inputs, written(tmp_path, code))
    for name, array in before.items():
        np.testing.assert_array_equal(inputs.parameters[name], array)


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


@pytest.mark.parametrize(("lines", "said"), cases(__file__)["unknown-lines"])
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


def test_prints_and_both_states_of_a_file_in_a_folder_of_any_name(tmp_path):
    """The file imports another one, prints, and reads its standard input; code below Python prints, too."""
    folder = tmp_path / "Ünï côde and spaces 語"
    written(folder, "import numpy as np\n\n\ndef activation(v):\n    return np.tanh(v)\n", "sibling.py")
    head = (
        "import os, sys\nfrom sibling import activation\nprint('lo', 'aded')\nprint('aside', file=sys.stderr)\n"
        "os.write(1, b'[1, 2]\\nnoise')\nos.system('echo more noise')\n"
    )
    code = head + RIGHT["lstm"].replace("np.tanh(c)", "activation(c)")
    code = code.replace("    h, c = (", "    print('ü', end=''); print(x.shape)\n    h, c = (")
    inputs = inputs_of({"timesteps": 3, "batch_size": 2}, cell="lstm", **SIZES)
    inputs = save_inputs(tmp_path / "inputs", inputs)
    path = written(folder, code, "ma récurrence ∑.py")
    entry = find_engine(str(path))
    assert entry.unavailable is None
    assert load_engine(str(path)).version.startswith("ma récurrence ∑.py")
    trace, report = run(path, inputs, tmp_path / "trace")
    assert_agrees(trace, recurrence(inputs), 1e-6)
    assert report.printed.startswith("lo aded\naside\nü(2, 5)\n")
    assert report.printed.count("ü(") == 3 * 4
    assert not (folder / "__pycache__").exists()


def test_the_registry_refuses_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="there is no such file"):
        find_engine(str(tmp_path / "other.py"))


@pytest.mark.slow
def test_endless_print_is_cut_with_a_note(inputs, tmp_path):
    code = f"for n in range(3000): print('line', n)\n{RIGHT['rnn_tanh']}"
    _, report = run(written(tmp_path, code), inputs, tmp_path / "trace")
    assert report.printed.startswith("line 0\nline 1\n")
    assert len(report.printed) < 20_100
    assert report.printed.endswith("(There was more: 20,000 characters are kept.)\n")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["numpy.py", "rnnviz.py"])
def test_a_file_named_like_a_module_of_rnnviz_replaces_nothing(name, inputs, tmp_path):
    trace, _ = run(written(tmp_path / "project", RIGHT["rnn_tanh"], name), inputs, tmp_path / "trace")
    assert_near(trace.hidden, recurrence(inputs).hidden, 1e-6)


def test_input_is_at_its_end(inputs, tmp_path):
    assert ", line 1: EOFError" in sentence_of(written(tmp_path, "name = input()\n"), inputs, tmp_path / "trace")


@pytest.mark.slow
def test_numbers_beyond_the_networks_floats_become_infinite_without_a_word(inputs, tmp_path):
    code = "import numpy as np\n\n\ndef step(x, state, p):\n    return (np.full(state[0].shape, 1e300),)\n"
    trace, report = run(written(tmp_path, code), inputs, tmp_path / "trace")
    assert np.isposinf(trace.hidden).all()
    assert report.printed == ""


CASES = cases(__file__)


def said_of(code: str, inputs: Inputs, folder: Path) -> str:
    return refusal(inputs, written(folder, code))


@pytest.mark.parametrize("case", CASES["broken"], ids=itemgetter("name"))
def test_an_error_in_a_file_is_one_sentence_with_its_line(case, inputs, tmp_path):
    assert said_of(case["code"], inputs, tmp_path) == case["sentence"]


@pytest.mark.parametrize("case", CASES["said_by_python"], ids=itemgetter("name"))
def test_an_error_of_python_is_one_sentence(case, inputs, tmp_path):
    sentence = said_of(case["code"], inputs, tmp_path)
    assert sentence.startswith(case["begins"])
    assert sentence.endswith(".")
    assert not sentence.endswith("..")
    assert "\n" not in sentence
    assert "None" not in sentence


def test_a_wrong_shape_at_a_later_step_is_reported_with_its_location(inputs, tmp_path):
    code = (
        "CALLS = []\n\n\ndef step(x, state, p):\n    CALLS.append(x)\n    return (state[0] if len(CALLS) < 5 else x,)\n"
    )
    assert said_of(code, inputs, tmp_path) == (
        ", line 4: step returned h of the shape (2, 5) at backward, t = 1, but it must be (2, 4)."
    )


def test_a_missing_or_binary_file_is_a_sentence(inputs, tmp_path):
    assert refusal(inputs, tmp_path / "gone.py") == f" does not exist in {tmp_path}."
    path = tmp_path / "mine.py"
    path.write_bytes(b"\xff\xfe\x00x")
    assert refusal(inputs, path).endswith(".")


def test_a_pipe_is_a_sentence_and_is_not_waited_for(inputs, tmp_path):
    os.mkfifo(tmp_path / "mine.py")
    assert sentence_of(tmp_path / "mine.py", inputs, tmp_path / "trace").startswith(" cannot be read: it is a pipe")


def test_an_error_includes_the_last_printed_line(inputs, tmp_path):
    code = "print('before')\nprint('the reason')\n1 / 0\n"
    assert sentence_of(written(tmp_path, code), inputs, tmp_path / "trace") == (
        ", line 3: ZeroDivisionError: division by zero. Last it printed: the reason"
    )
