"""Known bugs of the backward pass that explain a user's gradients, and those that a config cannot reveal."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import cycle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnnviz.core.config import CELL_NAMES, Backward, Config
from rnnviz.core.errors import ConfigError
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.backward import BackwardPasses
from rnnviz.engines.known_bugs.engine import KnownBugEngine, faulty_trace
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS, PREFIX, gradient_bugs_in
from rnnviz.execution.events import RunRequest
from rnnviz.execution.pipeline import compute, judge_computed
from rnnviz.io.inputs import load_inputs
from rnnviz.io.templates import starter
from rnnviz.verify import diagnosis
from rnnviz.verify.audit import audit
from rnnviz.verify.diagnosis import diagnose
from rnnviz.verify.undetectable_bugs import suggested_config, undetectable
from tests.engines.backward_bugs import STEP_CHANGES, WAYS, users_gradients
from tests.engines.custom_code.files import written
from tests.engines.custom_code.test_backward import computed as both_passes
from tests.engines.test_gradient_bugs import BUGS, inputs_of
from tests.engines.test_gradients import inputs_of as inputs_of_cell
from tests.engines.test_gradients import losses, with_gradients
from tests.engines.test_lengths import padded_inputs
from tests.strategies import configs

Arrays = Mapping[str, NDArray[Any]]


def recorded(inputs: Inputs, gradients: Arrays, kept: Collection[str] = ()) -> Trace:
    """A correct forward pass with the gradients of a user's code, all or some by the beginning of their names."""
    own = {key: array for key, array in gradients.items() if not kept or key.startswith(tuple(kept))}
    return faulty_trace(BugVariant(), inputs).with_arrays(own)


def diagnose_gradients(inputs: Inputs, trace: Trace) -> tuple[tuple[str, ...], ...]:
    return diagnose(inputs, trace, audit(inputs, trace, way="backward"))


def trace_with(fault: BugVariant, inputs: Inputs) -> Trace:
    engine = KnownBugEngine("bug:truncated-at-one-step")
    trace, _ = with_gradients(engine, inputs)
    for name, index, array in BackwardPasses(inputs, trace, inputs.network.dtype).once(fault):
        trace[name][index] = array
    return trace


SAMPLE = "derivative-at-wrong-pre-activation", "backward-direction-not-reversed-in-gradient", "forward-bias-used-twice"
"""Known bugs of which one is in a loop over time and one is not; the others are in the slow tests."""


def usual(bug: str) -> Inputs:
    return inputs_of("gru" if bug == "reset-gate-gradient-missing" else "lstm", {"final_state": "zeros"})


@pytest.mark.parametrize(
    ("bug", "way"),
    [
        pytest.param(bug, way, marks=[] if bug in SAMPLE and not way else [pytest.mark.slow])
        for bug, ways in WAYS.items()
        for way in ways
    ],
)
def test_a_bug_in_a_users_code_is_diagnosed(bug, way):
    inputs = usual(bug)
    assert diagnose_gradients(inputs, recorded(inputs, users_gradients(inputs, bug, way))) == ((bug,),)


@pytest.mark.parametrize("bug", [BUGS[1], *(pytest.param(bug, marks=pytest.mark.slow) for bug in BUGS[2:-1])])
def test_gradients_of_parameters_alone_are_enough(bug):
    inputs = usual(bug)
    gradients = users_gradients(inputs, bug)
    assert (bug,) in diagnose_gradients(inputs, recorded(inputs, gradients, ["grad.parameters."]))


@given(data=st.data())
def test_a_bug_in_a_drawn_network_is_among_its_diagnoses(data):
    inputs = data.draw(losses(load_inputs(data.draw(configs()))))
    bug = data.draw(st.sampled_from([bug.name for bug in gradient_bugs_in(inputs)]))
    if bug not in undetectable(inputs, "backward"):
        trace = trace_with(KNOWN_BUGS[bug].faults(inputs.network)[0], inputs)
        assert (bug,) in diagnose_gradients(inputs, trace)


@given(data=st.data())
def test_the_audit_finds_every_detectable_bug(data):
    inputs = data.draw(losses(data.draw(padded_inputs())))
    bug = data.draw(st.sampled_from(gradient_bugs_in(inputs)))
    if bug.name not in undetectable(inputs, "backward"):
        found = audit(inputs, with_gradients(KnownBugEngine(bug.engine), inputs)[0], way="backward", full=True)
        assert found.wrong, bug.name


@pytest.mark.nightly
@pytest.mark.parametrize("cell", CELL_NAMES)
def test_every_variant_is_diagnosed(cell):
    single, double = inputs_of(cell, dtype="float32"), inputs_of(cell, dtype="float64")
    faults = [(bug, fault) for bug in gradient_bugs_in(single) for fault in bug.faults(single.network)]
    # In turn: with both types each would take twice as long.
    for (bug, fault), inputs in zip(faults, cycle((single, double))):
        assert diagnose_gradients(inputs, trace_with(fault, inputs)) == ((bug.name,),), fault


@pytest.mark.parametrize("cell", ["lstm", pytest.param("gru", marks=pytest.mark.slow)])
def test_a_cause_reproduces_every_gradient(cell):
    """An LSTM whose step passes the gradient of c on and not the gradient of h is not truncated at one step."""
    inputs = inputs_of(cell, dtype="float64")
    cut = BugVariant(cut=("h",))
    expected = () if cell == "lstm" else (("truncated-at-one-step",),)
    assert diagnose_gradients(inputs, trace_with(cut, inputs)) == expected
    bug = KNOWN_BUGS["forward-bias-used-twice"].faults(inputs.network)[0]
    assert diagnose_gradients(inputs, trace_with(bug, inputs)) == (("forward-bias-used-twice",),)
    for name in ("grad.h", "grad.i" if cell == "lstm" else "grad.r", "grad.h0", "grad.input"):
        trace = trace_with(bug, inputs)
        trace[name][(0,) * trace[name].ndim] += 1e-6
        assert diagnose_gradients(inputs, trace) == ()


def test_two_bugs_at_once_are_diagnosed():
    inputs = inputs_of("rnn_relu", bidirectional=False, num_layers=1)
    fault = BugVariant(cut=("h",), doubled=("i2h_bias", "h2h_bias"))
    found = diagnose_gradients(inputs, trace_with(fault, inputs))
    assert found == (("truncated-at-one-step", "forward-bias-used-twice"),)


def test_correct_and_unexplained_gradients_have_no_diagnosis():
    inputs = inputs_of("rnn_tanh", bidirectional=False, num_layers=1)
    assert diagnose_gradients(inputs, recorded(inputs, users_gradients(inputs))) == ()
    strange = trace_with(BugVariant(), inputs)
    strange["grad.h"][0, 0, 1, 0, 2] += 0.25
    assert diagnose_gradients(inputs, strange) == ()


def test_a_long_sequence_is_diagnosed():
    inputs = inputs_of("rnn_tanh", dtype="float32", num_layers=1, bidirectional=False)
    sequence = replace(inputs.config.sequence, timesteps=60, batch_size=2, lengths=None)
    inputs = load_inputs(replace(inputs.config, sequence=sequence))
    for bug in ("weight-gradient-not-summed-over-time", "derivative-at-wrong-pre-activation"):
        assert diagnose_gradients(inputs, recorded(inputs, users_gradients(inputs, bug))) == ((bug,),)


def test_some_samples_of_a_large_run_are_diagnosed(monkeypatch):
    inputs = inputs_of("lstm")
    for loss in (inputs.config.backward, replace(inputs.config.backward, loss="value", value=(1, 0, 3, 2, 1))):
        inputs = load_inputs(replace(inputs.config, backward=loss))
        trace = recorded(inputs, users_gradients(inputs, "cell-gradient-dropped"))
        monkeypatch.setattr(diagnosis, "_MOST_GRADIENTS", 2 * trace.hidden.size // 3)
        assert diagnose_gradients(inputs, trace) == (("cell-gradient-dropped",),)


def test_lost_hidden_states_are_computed_again():
    inputs = usual("cell-gradient-dropped")
    gradients = users_gradients(inputs, "cell-gradient-dropped")
    trace = recorded(inputs, gradients)
    lost = replace(trace.with_arrays({"h": np.full_like(trace.hidden, np.nan)}), missing=frozenset({"h"}))
    assert diagnose_gradients(inputs, lost) == (("cell-gradient-dropped",),)


def unpadded(sequence: dict[str, Any], loss: dict[str, Any]) -> Inputs:
    """One layer in both directions, on samples of one length."""
    mapping = inputs_of("lstm", num_layers=1).config.to_mapping()
    backward = {**mapping["backward"], **loss}
    changed = {"sequence": {"batch_size": 2, "timesteps": 4, **sequence}, "backward": backward}
    return load_inputs(Config.from_mapping(mapping | changed))


OVER_TIME = (
    *("truncated-at-one-step", "weight-gradient-not-summed-over-time", "cell-gradient-dropped"),
    *("direct-output-gradient-dropped", "backward-direction-not-reversed-in-gradient"),
)


ENDS = ("direct-output-gradient-dropped", "backward-direction-not-reversed-in-gradient")


@pytest.mark.parametrize(
    ("sequence", "loss", "expected", "remedy"),
    [
        ({}, {}, (), None),
        ({"timesteps": 1}, {}, OVER_TIME, ("sequence", "timesteps", 2)),
        ({}, {"loss": "sum", "final_state": "zeros"}, ENDS[1:], ("backward", "loss", "normal")),
        ({}, {"truncate": 1}, ("truncated-at-one-step", "cell-gradient-dropped"), ("backward", "truncate", None)),
        ({}, {"loss": "value", "value": [0, 0, 3, 0, 0], "final_state": "zeros"}, ENDS, None),
    ],
)
def test_undetectable_bugs_and_the_change_that_reveals_some(sequence, loss, expected, remedy):
    inputs = unpadded(sequence, loss)
    assert undetectable(inputs, "backward") == expected
    if remedy is None:
        return
    section, key, value = remedy
    cure = suggested_config(inputs, expected, load_inputs)
    assert cure is not None
    assert getattr(getattr(cure, section), key) == value
    assert len(undetectable(load_inputs(cure), "backward")) < len(expected)


def test_one_value_in_the_middle_of_a_long_sequence():
    inputs = unpadded({"timesteps": 600, "batch_size": 5}, {"loss": "value", "value": [0, 1, 550, 3, 1]})
    assert undetectable(inputs, "backward") == ()


@pytest.mark.slow
def test_a_run_diagnoses_a_bug_of_the_backward_pass(tmp_path):
    engine = f"{PREFIX}cell-gradient-dropped"
    config = inputs_of("lstm", {"loss": "sum", "final_state": "zeros"}, num_layers=1).config
    compared = replace(config.compare, reference="manual", candidates=(engine,))
    request = RunRequest(replace(config, compare=compared), load_inputs)
    without = replace(request, config=replace(request.config, backward=Backward()))
    with pytest.raises(ConfigError, match=r"backward\.enabled") as refused:
        compute(without, tmp_path / "refused", lambda stage, done: None)
    assert refused.value.key == "compare.candidates"
    outcome = compute(request, tmp_path / "run", lambda stage, done: None)
    judgment = judge_computed(request, tmp_path / "run", outcome, lambda stage, done: None)
    assert judgment.diagnoses == {}
    assert judgment.backward is not None
    assert judgment.backward.diagnoses == {engine: (("cell-gradient-dropped",),)}
    assert judgment.backward.undetectable == ("backward-direction-not-reversed-in-gradient",)
    assert judgment.backward.cause("cell-gradient-dropped") == KNOWN_BUGS["cell-gradient-dropped"].cause
    assert judgment.remedy is not None
    assert judgment.remedy.backward.loss == "normal"


@pytest.mark.parametrize(
    ("cell", "bug", "way"),
    [
        pytest.param(cell, bug, way, marks=[pytest.mark.slow] if way or cell == "lstm" or bug not in SAMPLE else [])
        for cell, bugs in STEP_CHANGES.items()
        for bug, ways in bugs.items()
        for way in range(len(ways))
    ],
)
def test_a_bug_in_the_backward_of_a_custom_step_is_diagnosed(cell, bug, way, tmp_path):
    inputs = inputs_of(cell, dtype="float64")
    code = starter(inputs.network.kind, backward=True)
    head, tail = code.split("def backward", 1)
    for old, new in STEP_CHANGES[cell][bug][way]:
        assert old in tail
        tail = tail.replace(old, new)
    trace = both_passes(inputs, written(tmp_path, f"{head}def backward{tail}"))
    assert diagnose_gradients(inputs, trace) == ((bug,),)


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["mingru", pytest.param("ugrnn", marks=pytest.mark.slow)])
def test_bugs_of_a_custom_cell_are_diagnosed(cell):
    inputs = inputs_of_cell(cell, {"loss": "normal"}, [3, 7, 5])
    bugs = gradient_bugs_in(inputs)
    assert [bug.name for bug in bugs] == [n for n in BUGS if n[:4] not in ("cell", "rese")]
    assert undetectable(inputs, "backward") == ()
    for bug in bugs:
        trace, _ = with_gradients(KnownBugEngine(bug.engine), inputs)
        assert diagnose_gradients(inputs, trace) == ((bug.name,),)
