"""A whole run against a recording: equal numbers agree, a changed one is found, a known bug is named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rnnviz.core.config import Config
from rnnviz.core.errors import ConfigError
from rnnviz.core.inputs import Inputs, open_inputs
from rnnviz.execution.events import Outcome, RunRequest, Stage, StageKind, open_traces
from rnnviz.execution.pipeline import compute
from rnnviz.io.export.data import summary
from rnnviz.io.inputs import load_inputs
from rnnviz.text.verdict_text import verdict_sentence
from rnnviz.verify.audit import Audit, audit
from rnnviz.verify.diagnosis import diagnose
from rnnviz.verify.verdict import AuditVerdict
from tests.engines.recordings import recorded
from tests.profiles import nightly_except
from tests.shared_worker import Run, run_shared

__all__ = ["run_shared"]

SHAPE = (2, 2, 6, 3, 4)
CELLS = ("rnn_relu", "rnn_tanh", "lstm", "gru")


def config_of(*engines: str, cell: str = "lstm", **network: Any) -> Config:
    return Config.from_mapping(
        {
            "network": {
                "cell": cell,
                "input_size": 5,
                "hidden_size": 4,
                "num_layers": 2,
                "bidirectional": True,
                **network,
            },
            "sequence": {"timesteps": 6, "batch_size": 3},
            "parameters": {"initializer": "normal", "scale": 0.5},
            "initial_state": {"source": "normal"},
            "compare": {"reference": engines[0], "candidates": list(engines[1:])},
        }
    )


def outcome_of(config: Config, folder: Path) -> tuple[Outcome, dict[str, Audit]]:
    """The outcome of a run and the audit of each engine, without the slow search for undetectable bugs."""
    outcome = compute(RunRequest(config, load_inputs), folder, lambda stage, done: None)
    inputs, traces = open_inputs(folder / "inputs"), open_traces(folder)
    return outcome, {name: audit(inputs, trace, outcome.comparisons) for name, trace in traces.items()}


def torch_arrays(config: Config) -> dict[str, Any]:
    """The arrays saved from the network in PyTorch, each layer by itself."""
    pytest.importorskip("torch")
    from tests.oracles.torch_modules import answers_of_torch

    answer = answers_of_torch(load_inputs(config))
    arrays = {"hidden": answer.hidden, "output": answer.output.swapaxes(0, 1), "state": answer.state_h}
    return arrays if answer.state_c is None else {**arrays, "cell_state": answer.state_c}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("reference", nightly_except((True, False), True))
def test_outputs_recorded_from_torch_agree_and_pass_the_step_audit(tmp_path: Path, cell: str, reference: bool) -> None:
    golden = f"recording:{tmp_path / 'golden.npz'}"
    config = config_of(*((golden, "manual") if reference else ("manual", golden)), cell=cell)
    np.savez(tmp_path / "golden.npz", **torch_arrays(config))
    outcome, audits = outcome_of(config, tmp_path / "run")
    (comparison,) = outcome.comparisons
    assert (comparison.elements, comparison.mismatched) == (np.prod(SHAPE), 0)
    assert audits[golden].verdict == "right"
    assert audits[golden].coverage == 1.0
    assert sum(check.engine == golden for check in outcome.checks) == (9 if cell == "lstm" else 8)
    assert all(check.holds for check in outcome.checks)
    assert outcome.versions[golden].startswith("golden.npz, saved ")


@pytest.mark.parametrize("index", [(0, 0, 0, 0, 0), (1, 0, 3, 2, 1), (0, 1, 5, 1, 3)])
def test_one_changed_number_is_flagged_alone_and_the_recording_is_the_one_that_is_wrong(
    tmp_path: Path, index: tuple[int, ...]
) -> None:
    golden = f"recording:{tmp_path / 'golden.npz'}"
    config = config_of("manual", golden, cell="gru")
    arrays = torch_arrays(config)
    arrays["hidden"][index] += np.float32(0.01)
    np.savez(tmp_path / "golden.npz", **arrays)
    outcome, audits = outcome_of(config, tmp_path / "run")
    (comparison,) = outcome.comparisons
    assert comparison.mismatched == 1
    assert comparison.first_mismatch is not None
    assert comparison.first_mismatch.where.index == index
    first = audits[golden].first_wrong
    assert first is not None
    assert first.where.index == index
    assert audits["manual"].verdict == "right"


@pytest.mark.parametrize(("name", "index"), [("output", (1, 2, 5)), ("state", (2, 0, 3)), ("cell_state", (1, 2, 0))])
def test_a_changed_output_or_final_state_breaks_a_check_of_the_recording(
    tmp_path: Path, name: str, index: tuple[int, ...]
) -> None:
    golden = f"recording:{tmp_path / 'golden.npz'}"
    config = config_of("manual", golden)
    arrays = torch_arrays(config)
    arrays[name] = np.array(arrays[name])
    arrays[name][index] += np.float32(0.01)
    np.savez(tmp_path / "golden.npz", **arrays)
    outcome, audits = outcome_of(config, tmp_path / "run")
    assert outcome.comparisons[0].mismatched == 0
    assert audits[golden].verdict == "right"
    assert {check.engine for check in outcome.checks if not check.holds} == {golden}


@pytest.mark.parametrize(
    ("cell", "layers", "mistake", "kept"),
    [
        ("lstm", 2, "gates-i-o-f-g", ("hidden", "output", "state")),
        ("gru", 2, "reset-before-matmul", ("hidden",)),
        ("gru", 2, "concat-swapped", ("hidden",)),
        pytest.param("gru", 1, "concat-swapped", ("output",), marks=pytest.mark.slow),
        ("gru", 1, "concat-swapped", ("output", "state")),
        pytest.param("rnn_tanh", 2, "no-h2h-bias", ("hidden", "state"), marks=pytest.mark.slow),
        ("rnn_relu", 1, "reverse-not-realigned", ("output",)),
        ("lstm", 2, "final-state-at-last-timestep", ("hidden", "output", "state")),
    ],
)
def test_a_recorded_known_bug_is_named(
    tmp_path: Path, cell: str, layers: int, mistake: str, kept: tuple[str, ...]
) -> None:
    made, port = f"bug:{mistake}", f"recording:{tmp_path / 'port.npz'}"
    config = config_of("manual", made, cell=cell, num_layers=layers)
    request = RunRequest(config, load_inputs)
    compute(request, tmp_path / "made", lambda stage, done: None)
    trace = open_traces(tmp_path / "made")[made]
    arrays = {"hidden": trace.hidden, "output": trace.output_in("NTC"), "state": trace.state_h}
    np.savez(tmp_path / "port.npz", **{name: arrays[name] for name in kept})
    against = config_of("manual", port, cell=cell, num_layers=layers)
    _, audits = outcome_of(against, tmp_path / "run")
    inputs, trace = open_inputs(tmp_path / "run" / "inputs"), open_traces(tmp_path / "run")[port]
    assert diagnose(inputs, trace, audits[port]) == ((mistake,),)
    assert audits["manual"].verdict == "right"


@pytest.mark.parametrize(
    ("cell", "kept"), [("lstm", ("output",)), ("gru", ("state",)), ("rnn_tanh", ("output", "state"))]
)
def test_partly_recorded_hidden_states_are_compared_and_gaps_reported(
    tmp_path: Path, run_shared: Run, cell: str, kept: tuple[str, ...]
) -> None:
    golden = f"recording:{tmp_path / 'golden.npz'}"
    config = config_of("manual", golden, cell=cell)
    arrays = torch_arrays(config)
    np.savez(tmp_path / "golden.npz", **{name: arrays[name] for name in kept})
    result = run_shared(config)
    (comparison,) = result.comparisons
    of_lanes = {("output",): 2 * 6, ("state",): 4, ("output", "state"): 2 * 6 + 2}[kept]
    assert (comparison.elements, comparison.mismatched) == (of_lanes * 12, 0)
    assert comparison.elements + comparison.unrecorded == np.prod(SHAPE)
    words = verdict_sentence(result, golden)
    assert (words.verdict, words.look) == ("agree", "blind")
    assert f"{comparison.elements} of 288 values" in str(words)
    assert result.judgment is not None
    assert result.judgment.audits["manual"].verdict is AuditVerdict.RIGHT
    assert result.judgment.audits[golden].verdict is AuditVerdict.NOT_AUDITED
    figures = summary(result)
    assert figures["coverage"] == comparison.elements / 288
    assert figures["audit"][golden] == {
        "verdict": "not audited",
        "worst_ratio": None,
        "first_wrong": None,
        "coverage": 0.0,
        "undetermined": 0.0,
    }
    assert figures["unrecorded"][golden][0] == "hidden"


def test_the_top_layer_of_one_direction_is_audited_where_the_layer_below_it_was_recorded(tmp_path: Path) -> None:
    golden = f"recording:{tmp_path / 'golden.npz'}"
    config = config_of("manual", golden, cell="gru", bidirectional=False)
    arrays = torch_arrays(config)
    arrays["output"] = np.array(arrays["output"])
    arrays["output"][0, 5, 1] += np.float32(0.01)
    np.savez(tmp_path / "golden.npz", output=arrays["output"], state=arrays["state"])
    _, audits = outcome_of(config, tmp_path / "run")
    first = audits[golden].first_wrong
    assert first is not None
    assert first.where.index == (1, 0, 5, 0, 1)
    assert audits[golden].audited == 12


@pytest.mark.parametrize(
    ("cell", "mistake", "kept"),
    [
        ("gru", "reset-before-matmul", ("output",)),
        ("lstm", "gates-i-o-f-g", ("state",)),
        pytest.param("rnn_tanh", "no-h2h-bias", ("output", "state"), marks=pytest.mark.slow),
        ("gru", "concat-swapped", ("output",)),
        pytest.param("lstm", "final-state-at-last-timestep", ("output", "state"), marks=pytest.mark.slow),
    ],
)
def test_a_known_bug_is_named_from_few_recorded_arrays(
    tmp_path: Path, run_shared: Run, cell: str, mistake: str, kept: tuple[str, ...]
) -> None:
    made, port = f"bug:{mistake}", f"recording:{tmp_path / 'port.npz'}"
    wrong = run_shared(config_of("manual", made, cell=cell))[made]
    arrays = {"output": wrong.output_in("NTC"), "state": wrong.state_h}
    np.savez(tmp_path / "port.npz", **{name: arrays[name] for name in kept})
    result = run_shared(config_of("manual", port, cell=cell))
    assert result.verdict == "disagree"
    assert result.judgment is not None
    assert result.judgment.diagnoses == {port: ((mistake,),)}
    assert result.judgment.cause(mistake) in str(verdict_sentence(result, port))


@pytest.mark.parametrize(("dtype", "kind"), [("float32", "float64"), ("float32", "float16"), ("float64", "float32")])
def test_a_recording_of_another_precision_is_right_within_the_coarser_one(
    tmp_path: Path, dtype: str, kind: str
) -> None:
    golden = f"recording:{tmp_path / 'golden.npz'}"
    config = config_of("manual", golden, dtype=dtype)
    arrays = {name: np.asarray(array, kind) for name, array in torch_arrays(config).items()}
    np.savez(tmp_path / "golden.npz", **arrays)
    outcome, audits = outcome_of(config, tmp_path / "run")
    assert outcome.comparisons[0].mismatched == 0
    assert audits[golden].verdict == ("undetermined" if kind == "float16" else "right")
    assert all(check.holds for check in outcome.checks)
    arrays["hidden"][1, 0, 3, 2, 1] += 0.1
    np.savez(tmp_path / "golden.npz", **arrays)
    outcome, audits = outcome_of(config, tmp_path / "again")
    first = audits[golden].first_wrong
    assert first is not None
    assert first.where.index == (1, 0, 3, 2, 1)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_a_mismatch_at_its_place(tmp_path: Path, value: float) -> None:
    golden = f"recording:{tmp_path / 'golden.npz'}"
    config = config_of("manual", golden, cell="gru")
    arrays = torch_arrays(config)
    arrays["hidden"][1, 1, 2, 0, 3] = value
    np.savez(tmp_path / "golden.npz", **arrays)
    outcome, audits = outcome_of(config, tmp_path / "run")
    (comparison,) = outcome.comparisons
    assert (comparison.mismatched, comparison.nonfinite_apart) == (1, 1)
    assert comparison.first_mismatch is not None
    assert comparison.first_mismatch.where.index == (1, 1, 2, 0, 3)
    first = audits[golden].first_wrong
    assert first is not None
    assert first.where.index == (1, 1, 2, 0, 3)


def test_cell_states_without_hidden_states_are_compared_with_the_other_engine(tmp_path: Path) -> None:
    golden = f"recording:{tmp_path / 'golden.npz'}"
    config = config_of("manual", golden)
    arrays = torch_arrays(config)
    for change, holds in ((0.0, True), (0.01, False)):
        np.savez(tmp_path / "golden.npz", state=arrays["state"], cell_state=arrays["cell_state"] + np.float32(change))
        outcome, _ = outcome_of(config, tmp_path / f"run-{change}")
        (check,) = (check for check in outcome.checks if check.engine == golden)
        assert (check.name, check.holds) == ("state[1] is that of manual", holds)


def test_unrecorded_outputs_stay_missing_when_the_trace_is_opened_again(tmp_path: Path) -> None:
    golden = f"recording:{tmp_path / 'golden.npz'}"
    config = config_of("manual", golden)
    np.savez(tmp_path / "golden.npz", hidden=torch_arrays(config)["hidden"])
    outcome, _ = outcome_of(config, tmp_path / "run")
    trace = open_traces(tmp_path / "run")[golden]
    assert trace.missing == {"out", "state.h", "state.c"}
    assert trace.state_c is None
    assert not [check for check in outcome.checks if check.engine == golden]


@pytest.mark.parametrize("key", ["compare.reference", "compare.candidates"])
def test_a_recording_that_does_not_fit_is_reported_at_its_key_before_the_run(tmp_path: Path, key: str) -> None:
    golden = f"recording:{tmp_path / 'golden.npz'}"
    engines = (golden, "manual") if key == "compare.reference" else ("manual", golden)
    np.savez(tmp_path / "golden.npz", hidden=np.ones((1, 1, 6, 3, 4), np.float32))
    stages: list[str] = []
    with pytest.raises(ConfigError, match=r"expected \(L, D, T, N, H\) = \(2, 2, 6, 3, 4\)") as caught:
        compute(
            RunRequest(config_of(*engines), load_inputs), tmp_path / "run", lambda stage, done: stages.append(stage)
        )
    assert caught.value.key == key
    assert stages == [Stage(StageKind.READING_INPUTS)]


def test_a_missing_recording_is_reported_at_its_key(tmp_path: Path) -> None:
    request = RunRequest(config_of("manual", f"recording:{tmp_path / 'no.npz'}"), load_inputs)
    with pytest.raises(ConfigError, match=r"no\.npz\", but there is no such file\.") as caught:
        compute(request, tmp_path / "run", lambda stage, done: None)
    assert caught.value.key == "compare.candidates"


def test_a_recorded_gate_is_audited(tmp_path: Path) -> None:
    """A gate that its hidden values do not follow from is wrong, though these agree."""
    golden = f"recording:{tmp_path / 'golden.npz'}"
    config = config_of("manual", golden)
    inputs = load_inputs(config)
    arrays = recorded(inputs)
    found = {}
    for change in (0.0, 0.01):
        gates = gate_values(inputs, arrays["hidden"], "f")
        gates[1, 0, 3, 2, 1] += change
        np.savez(tmp_path / "golden.npz", **arrays, f=gates)
        _, audits = outcome_of(config, tmp_path / f"run-{change}")
        found[change] = audits[golden]
    assert found[0.0].verdict is AuditVerdict.RIGHT
    assert found[0.0].lines
    assert found[0.0].first_line is None
    first = found[0.01].first_line
    assert first is not None
    assert (first.name, first.where.index) == ("f", (1, 0, 3, 2, 1))


def gate_values(inputs: Inputs, hidden: NDArray[Any], gate: str) -> NDArray[np.float32]:
    """The sigmoid of a gate (L, D, T, N, H) of an LSTM from its hidden values."""
    values = np.zeros(hidden.shape, np.float32)
    size, place = hidden.shape[-1], "ifgo".index(gate)
    rows = slice(place * size, (place + 1) * size)
    for layer, direction in np.ndindex(hidden.shape[:2]):
        p = inputs.parameters.layer(layer, direction)
        x = inputs.sequence if layer == 0 else np.concatenate([*hidden[layer - 1]], axis=-1)
        initial = inputs.initial_state["h"][layer * hidden.shape[1] + direction][np.newaxis]
        own = hidden[layer, direction]
        before = np.concatenate([own[1:], initial] if direction else [initial, own[:-1]])
        sums = x @ p.i2h_weight[rows].T + p.i2h_bias[rows] + before @ p.h2h_weight[rows].T + p.h2h_bias[rows]
        values[layer, direction] = 1.0 / (1.0 + np.exp(-sums))
    return values
