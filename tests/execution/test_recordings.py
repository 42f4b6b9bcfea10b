"""A whole run against a recording: equal numbers agree, a changed one is found, a known bug is named."""

from typing import Any

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.core.errors import ConfigError
from rnnviz.core.inputs import open_inputs
from rnnviz.engines.registry import load_engine
from rnnviz.execution.events import RunRequest, Stage, StageKind, open_traces
from rnnviz.execution.pipeline import compute
from rnnviz.io.export.data import summary
from rnnviz.io.inputs import load_inputs
from rnnviz.text.verdict_text import verdict_sentence
from rnnviz.verify.audit import Audit, audit
from rnnviz.verify.verdict import AuditVerdict
from tests import configs
from tests.cases import cases
from tests.engines.recordings import recorded
from tests.oracles.computed import computed
from tests.oracles.gates import gates_of
from tests.profiles import nightly_except
from tests.shared_worker import run_shared

__all__ = ["run_shared"]

SHAPE = (2, 2, 6, 3, 4)
TWO_MEMORIES = """
from rnnviz.cells import Step, sigmoid, tanh

gates = "f n"
states = "h m"


def step(u, v, state, p):
    f = sigmoid(u.f + v.f)
    n = tanh(u.n + v.n)
    m = 0.5 * state.m + f * n
    return Step(f=f, n=n, h=tanh(m) * f, m=m)
"""
CELLS = ("rnn_relu", "rnn_tanh", "lstm", "gru")
Arrays = dict[str, Any]


def config_of(*engines: str, **network: Any) -> Config:
    sizes = {"input_size": 5, "num_layers": 2, "bidirectional": True, "timesteps": 6, "batch_size": 3}
    drawn = {"initializer": "normal", "scale": 0.5, "initial_state": {"source": "normal"}}
    return configs.config_of(*engines, **{**sizes, **drawn, **network})


@pytest.fixture
def golden(tmp_path):
    return f"recording:{tmp_path / 'golden.npz'}"


@pytest.fixture
def ran(tmp_path, golden):
    """The outcome of a run with recorded arrays, and the audits, without the slow search for undetectable bugs."""

    def run(config, **arrays):
        np.savez(tmp_path / "golden.npz", **arrays)
        folder = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        outcome = compute(RunRequest(config, load_inputs, trusted=frozenset(config.code)), folder, lambda *_: None)
        inputs, traces = open_inputs(folder / "inputs"), open_traces(folder)
        return outcome, {name: audit(inputs, trace, outcome.comparisons) for name, trace in traces.items()}

    return run


def first_wrong(found: Audit) -> tuple[int, ...]:
    assert found.first_wrong is not None
    return found.first_wrong.where.index


def torch_arrays(config: Config) -> Arrays:
    """The arrays saved from the network in PyTorch, each layer by itself."""
    pytest.importorskip("torch")
    trace, _ = computed(load_engine("torch"), load_inputs(config))
    arrays = {"hidden": trace.hidden, "output": trace.output_in("NTC"), "state": trace.state_h}
    return arrays if trace.state_c is None else {**arrays, "cell_state": trace.state_c}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("reference", nightly_except((True, False), True))
def test_outputs_recorded_from_torch_agree_and_pass_the_step_audit(golden, ran, cell, reference):
    config = config_of(*((golden, "manual") if reference else ("manual", golden)), cell=cell)
    outcome, audits = ran(config, **torch_arrays(config))
    (comparison,) = outcome.comparisons
    assert (comparison.elements, comparison.mismatched) == (np.prod(SHAPE), 0)
    assert (audits[golden].verdict, audits[golden].coverage) == ("right", 1.0)
    assert sum(check.engine == golden for check in outcome.checks) == (9 if cell == "lstm" else 8)
    assert all(check.holds for check in outcome.checks)
    assert outcome.versions[golden].startswith("golden.npz, saved ")


@pytest.mark.parametrize(
    ("index", "value"), [((0, 0, 0, 0, 0), 0.01), ((1, 0, 3, 2, 1), 0.01), ((0, 1, 5, 1, 3), np.nan)]
)
def test_one_changed_number_is_flagged_alone_and_the_recording_is_the_one_that_is_wrong(golden, ran, index, value):
    config = config_of("manual", golden, cell="gru")
    arrays = torch_arrays(config)
    arrays["hidden"][index] += np.float32(value)
    outcome, audits = ran(config, **arrays)
    (comparison,) = outcome.comparisons
    assert (comparison.mismatched, comparison.nonfinite_apart) == (1, int(np.isnan(value)))
    assert comparison.first_mismatch is not None
    assert comparison.first_mismatch.where.index == first_wrong(audits[golden]) == index
    assert audits["manual"].verdict == "right"


@pytest.mark.parametrize(("name", "index"), [("output", (1, 2, 5)), ("state", (2, 0, 3)), ("cell_state", (1, 2, 0))])
def test_a_changed_output_or_final_state_breaks_a_check_of_the_recording(golden, ran, name, index):
    config = config_of("manual", golden)
    arrays = torch_arrays(config)
    arrays[name] = np.array(arrays[name])
    arrays[name][index] += np.float32(0.01)
    outcome, audits = ran(config, **arrays)
    assert outcome.comparisons[0].mismatched == 0
    assert audits[golden].verdict == "right"
    assert {check.engine for check in outcome.checks if not check.holds} == {golden}


BUGS = cases(__file__)["bugs"]


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "layers", "mistake", "kept"), BUGS)
def test_a_recorded_known_bug_is_named(tmp_path, golden, run_shared, cell, layers, mistake, kept):
    made = f"bug:{mistake}"
    wrong = run_shared(config_of("manual", made, cell=cell, num_layers=layers))[made]
    arrays = {"hidden": wrong.hidden, "output": wrong.output_in("NTC"), "state": wrong.state_h}
    np.savez(tmp_path / "golden.npz", **{name: arrays[name] for name in kept.split()})
    result = run_shared(config_of("manual", golden, cell=cell, num_layers=layers))
    assert result.verdict == "disagree"
    assert result.judgment is not None
    assert result.judgment.diagnoses == {golden: ((mistake,),)}
    assert result.judgment.audits["manual"].verdict == "right"
    assert result.judgment.cause(mistake) in str(verdict_sentence(result, golden))


@pytest.mark.parametrize(
    ("cell", "kept", "lanes"),
    [("lstm", ("output",), 2 * 6), ("gru", ("state",), 4), ("rnn_tanh", ("output", "state"), 2 * 6 + 2)],
)
def test_partly_recorded_hidden_states_are_compared_and_gaps_reported(tmp_path, golden, run_shared, cell, kept, lanes):
    config = config_of("manual", golden, cell=cell)
    arrays = torch_arrays(config)
    np.savez(tmp_path / "golden.npz", **{name: arrays[name] for name in kept})
    result = run_shared(config)
    (comparison,) = result.comparisons
    assert (comparison.elements, comparison.mismatched) == (lanes * 12, 0)
    assert comparison.elements + comparison.unrecorded == np.prod(SHAPE)
    words = verdict_sentence(result, golden)
    assert (words.verdict, words.look) == ("agree", "blind")
    assert f"{comparison.elements} of 288 values" in str(words)
    assert result.judgment is not None
    verdicts = {name: found.verdict for name, found in result.judgment.audits.items()}
    assert verdicts == {"manual": AuditVerdict.RIGHT, golden: AuditVerdict.NOT_AUDITED}
    figures = summary(result)
    assert figures["coverage"] == comparison.elements / 288
    assert (figures["audit"][golden]["verdict"], figures["audit"][golden]["coverage"]) == ("not audited", 0.0)
    assert figures["unrecorded"][golden][0] == "hidden"


def test_the_top_layer_of_one_direction_is_audited_where_the_layer_below_it_was_recorded(golden, ran):
    config = config_of("manual", golden, cell="gru", bidirectional=False)
    arrays = torch_arrays(config)
    arrays["output"][0, 5, 1] += np.float32(0.01)
    _, audits = ran(config, output=arrays["output"], state=arrays["state"])
    assert first_wrong(audits[golden]) == (1, 0, 5, 0, 1)
    assert audits[golden].audited == 12


@pytest.mark.parametrize(("dtype", "kind"), [("float32", "float64"), ("float32", "float16"), ("float64", "float32")])
def test_a_recording_of_another_precision_is_right_within_the_coarser_one(golden, ran, dtype, kind):
    config = config_of("manual", golden, dtype=dtype)
    arrays = {name: np.asarray(array, kind) for name, array in torch_arrays(config).items()}
    outcome, audits = ran(config, **arrays)
    assert outcome.comparisons[0].mismatched == 0
    assert audits[golden].verdict == ("undetermined" if kind == "float16" else "right")
    assert all(check.holds for check in outcome.checks)
    arrays["hidden"][1, 0, 3, 2, 1] += 0.1
    assert first_wrong(ran(config, **arrays)[1][golden]) == (1, 0, 3, 2, 1)


def test_cell_states_without_hidden_states_are_compared_with_the_other_engine(golden, ran):
    config = config_of("manual", golden)
    arrays = torch_arrays(config)
    for change, holds in ((0.0, True), (0.01, False)):
        outcome, _ = ran(config, state=arrays["state"], cell_state=arrays["cell_state"] + np.float32(change))
        (check,) = (check for check in outcome.checks if check.engine == golden)
        assert (check.name, check.holds) == ("state[1] is that of manual", holds)


def test_unrecorded_outputs_stay_missing_when_the_trace_is_opened_again(tmp_path, golden, run_shared):
    config = config_of("manual", golden)
    np.savez(tmp_path / "golden.npz", hidden=torch_arrays(config)["hidden"])
    result = run_shared(config)
    assert result[golden].missing == {"out", "state.h", "state.c"}
    assert result[golden].state_c is None
    assert not [check for check in result.checks if check.engine == golden]


@pytest.mark.parametrize("key", ["compare.reference", "compare.candidates"])
def test_a_recording_that_does_not_fit_is_reported_at_its_key_before_the_run(tmp_path, golden, key):
    engines = (golden, "manual") if key == "compare.reference" else ("manual", golden)
    request, stages = RunRequest(config_of(*engines), load_inputs), list[Stage]()
    with pytest.raises(ConfigError, match=r"golden\.npz\", but there is no such file\.") as caught:
        compute(request, tmp_path / "run", lambda *_: None)
    assert caught.value.key == key
    np.savez(tmp_path / "golden.npz", hidden=np.ones((1, 1, 6, 3, 4), np.float32))
    with pytest.raises(ConfigError, match=r"expected \(L, D, T, N, H\) = \(2, 2, 6, 3, 4\)") as caught:
        compute(request, tmp_path / "run", lambda stage, done: stages.append(stage))
    assert caught.value.key == key
    assert stages == [Stage(StageKind.READING_INPUTS)]


def test_a_recorded_gate_is_audited(golden, ran):
    """A gate that its hidden values do not follow from is wrong, though these agree."""
    config = config_of("manual", golden)
    inputs = load_inputs(config)
    arrays, found = recorded(inputs), []
    for change in (0.0, 0.01):
        gates = gates_of(inputs, arrays["hidden"])["f"].astype(np.float32)
        gates[1, 0, 3, 2, 1] += change
        found.append(ran(config, **arrays, f=gates)[1][golden])
    assert found[0].verdict is AuditVerdict.RIGHT
    assert found[0].lines
    assert found[0].first_line is None
    first = found[1].first_line
    assert first is not None
    assert (first.name, first.where.index) == ("f", (1, 0, 3, 2, 1))


def test_other_states_of_a_custom_cell_are_read_by_their_symbols(golden, ran, tmp_path):
    path = tmp_path / "cell.py"
    path.write_text(TWO_MEMORIES, encoding="utf-8")
    config = config_of("manual", golden, cell=str(path))
    alone, _ = ran(config_of("manual", cell=str(path)))
    trace = open_traces(next(tmp_path.glob("run-*")))["manual"]
    assert alone.comparisons == ()
    for change in (0.0, 0.1):
        m = np.array(trace["m"])
        m[1, 1, 2, 0, 3] += change
        outcome, audits = ran(config, hidden=trace.hidden, m=m)
        assert audits[golden].verdict is AuditVerdict.RIGHT
        assert outcome.comparisons[0]["m"].mismatched == (change > 0.0)
