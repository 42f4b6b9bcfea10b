"""Known bugs that explain a wrong engine, in any code."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnnviz.cells.activations import tanh
from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.engines.base import Engine
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.engine import StepWindow, faulty_trace
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS, known_bugs_of
from rnnviz.engines.manual import ManualEngine
from rnnviz.execution.events import RunRequest
from rnnviz.execution.pipeline import compute, judge_computed
from rnnviz.io.inputs import load_inputs
from rnnviz.steps.inputs import layer_input, previous_hidden
from rnnviz.verify.audit import audit
from rnnviz.verify.diagnosis import ForwardEvidence, diagnose, nearest
from rnnviz.verify.result import Judgment
from rnnviz.verify.undetectable_bugs import undetectable
from tests.engines.custom_code.files import computed as users_outputs
from tests.engines.seeded_bugs import planted
from tests.oracles.computed import computed, empty_trace
from tests.profiles import nightly_except
from tests.strategies import configs
from tests.verify.audit_helpers import inputs_of, with_sequence

CELLS = ("rnn_relu", "rnn_tanh", "lstm", "gru")
Diagnosis = tuple[tuple[str, ...], ...]


def diagnosis_of(inputs: Inputs, trace: Trace) -> Diagnosis:
    return diagnose(inputs, trace, audit(inputs, trace))


def test_an_engine_without_bugs_is_at_the_distance_of_rounding():
    inputs = inputs_of({"timesteps": 4, "batch_size": 2}, cell="lstm", hidden_size=4)
    evidence = ForwardEvidence(inputs, computed(ManualEngine(), inputs)[0], None, padding_filled=False)
    assert evidence.distance(BugVariant(), np.inf) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("cell", nightly_except(CELLS, "rnn_relu", "lstm"))
@pytest.mark.parametrize(
    ("bidirectional", "layers", "dtype"),
    [
        pytest.param(False, 1, "float64", marks=pytest.mark.slow),
        pytest.param(False, 3, "float32", marks=pytest.mark.slow),
        (True, 1, "float32"),
        pytest.param(True, 3, "float64", marks=pytest.mark.slow),
    ],
)
def test_every_variant_is_diagnosed(cell, bidirectional, layers, dtype):
    inputs = inputs_of(
        {"timesteps": 5, "batch_size": 4},
        cell=cell,
        hidden_size=7,
        bidirectional=bidirectional,
        num_layers=layers,
        dtype=dtype,
    )
    for bug in known_bugs_of(inputs.network):
        for way, fault in enumerate(bug.variants[cell]):
            assert diagnosis_of(inputs, faulty_trace(fault, inputs)) == ((bug.name,),), (bug.name, way)


@given(config=configs(), data=st.data())
def test_detectable_bug_is_among_its_diagnoses(config, data):
    inputs = load_inputs(config)
    bug = data.draw(st.sampled_from(known_bugs_of(config.network)))
    if bug.name not in undetectable(inputs):
        trace = faulty_trace(bug.variants[config.network.cell][0], inputs)
        assert (bug.name,) in diagnosis_of(inputs, trace)


SIZES = ({"num_layers": 1}, {"num_layers": 2, "bidirectional": True})


@pytest.mark.parametrize("mine", list(planted()), ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.slow
def test_bug_in_a_custom_step_is_diagnosed(mine, dtype, tmp_path):
    for more in SIZES if dtype == "float32" else SIZES[1:]:
        inputs = inputs_of({"timesteps": 4, "batch_size": 3}, cell=mine.cell, hidden_size=6, dtype=dtype, **more)
        trace = users_outputs(inputs, mine.written(tmp_path))
        found = audit(inputs, trace)
        assert found.verdict == "wrong"
        assert diagnose(inputs, trace, found) == ((mine.bug,),)


@pytest.mark.parametrize("cell", nightly_except(CELLS, "lstm"))
@pytest.mark.slow
def test_pair_of_bugs_is_diagnosed(cell):
    inputs = inputs_of({"timesteps": 5, "batch_size": 4}, cell=cell, hidden_size=7, bidirectional=True, dtype="float64")
    tried = 0
    for one, other in combinations(known_bugs_of(inputs.network), 2):
        both = one.variants[cell][0].together_with(other.variants[cell][0])
        if both is None or tried % 5:
            tried += 1
            continue
        tried += 1
        names = diagnosis_of(inputs, faulty_trace(both, inputs))
        # If one bug hides the other, or two pairs are equivalent, more than one name is correct.
        assert (one.name, other.name) in names or (one.name,) in names or (other.name,) in names, (one, other)


def test_pair_has_both_names():
    inputs = inputs_of({"timesteps": 5, "batch_size": 4}, cell="lstm", hidden_size=7, num_layers=2)
    first, second = KNOWN_BUGS["no-h2h-bias"], KNOWN_BUGS["cell-not-squashed"]
    both = first.variants["lstm"][0].together_with(second.variants["lstm"][0])
    assert both is not None
    assert diagnosis_of(inputs, faulty_trace(both, inputs)) == (("no-h2h-bias", "cell-not-squashed"),)


def changed(trace: Trace, name: str, index: tuple[int, ...], change: float) -> Trace:
    array = np.array(trace[name])
    array[index] += change
    return trace.with_arrays({name: array})


@pytest.mark.parametrize(
    ("bug", "dtype", "atol", "places"),
    [
        ("no-h2h-bias", "float32", 1e-5, {"h": (1, 0, 50, 2, 1), "out": (40, 0, 3), "state.c": (1, 2, 0)}),
        ("gates-i-o-f-g", "float64", 1e-7, {"c": (0, 1, 3, 1, 2), "state.h": (2, 1, 1), "line.f": (0, 0, 7, 1, 2)}),
    ],
)
def test_a_cause_reproduces_every_recorded_array(bug, dtype, atol, places):
    """A known bug with another error, of ten times atol, in any array is not that known bug alone."""
    sizes = {"hidden_size": 5, "num_layers": 2, "bidirectional": True, "dtype": dtype}
    inputs = inputs_of({"timesteps": 60, "batch_size": 4}, cell="lstm", **sizes)
    fault = KNOWN_BUGS[bug].variants["lstm"][0]
    trace = faulty_trace(fault, inputs)
    # The faulty gate: what the bug itself computes.
    trace = trace.with_arrays({"line.f": faulty_gates(fault, inputs, trace).astype(dtype)})
    assert diagnosis_of(inputs, trace) == ((bug,),)
    for name, index in places.items():
        assert diagnosis_of(inputs, changed(trace, name, index, 10.0 * atol)) == (), name


def test_a_batch_in_the_place_of_time_has_its_final_states():
    inputs = inputs_of({"timesteps": 3, "batch_size": 4}, cell="gru", hidden_size=2, bidirectional=True)
    trace = faulty_trace(KNOWN_BUGS["batch-as-time"].variants["gru"][0], inputs)
    assert diagnosis_of(inputs, trace) == (("batch-as-time",),)
    assert diagnosis_of(inputs, changed(trace, "state.h", (1, 2, 0), 1e-4)) == ()


def faulty_gates(fault: BugVariant, inputs: Inputs, trace: Trace) -> FloatArray:
    """The forget gates (L, D, T, N, H) of an LSTM with a changed layer, from its own states."""
    gates = np.zeros(trace.shape)
    for layer, direction in np.ndindex(trace.shape[:2]):
        p = fault.read(inputs.network.kind, inputs.parameters.layer(layer, direction))
        times = slice(0, inputs.timesteps)
        x = layer_input(inputs, trace, layer, times, slice(None))
        before = previous_hidden(inputs, trace, layer, direction, times, slice(None))
        size = trace.shape[-1]
        rows = slice(size, 2 * size)
        sums = x @ p.i2h_weight[rows].T + p.i2h_bias[rows] + before @ p.h2h_weight[rows].T + p.h2h_bias[rows]
        gates[layer, direction] = 1.0 / (1.0 + np.exp(-sums))
    return gates


@pytest.mark.parametrize("cell", CELLS)
def test_no_diagnosis_for_correct_and_unexplained_engines(cell):
    inputs = inputs_of({"timesteps": 5, "batch_size": 4}, cell=cell, hidden_size=7, bidirectional=True)
    right, _ = computed(ManualEngine(), inputs)
    assert diagnosis_of(inputs, right) == ()
    strange = faulty_trace(BugVariant(), inputs)
    strange.hidden[0, 0, 2, 1, 3] += 0.25
    assert audit(inputs, strange).verdict == "wrong"
    assert diagnosis_of(inputs, strange) == ()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bug_within_the_tolerance_is_diagnosed(dtype):
    inputs = inputs_of({"timesteps": 6}, {"scale": 0.003}, cell="gru", hidden_size=12, dtype=dtype)
    trace = faulty_trace(KNOWN_BUGS["no-h2h-bias"].variants["gru"][0], inputs)
    assert diagnosis_of(inputs, trace) == (("no-h2h-bias",),)


@pytest.mark.parametrize("name", ["no-i2h-bias", "h2h-transposed", "state-not-carried", "wrong-activation"])
def test_chaotic_network_is_diagnosed(name):
    inputs = inputs_of({"timesteps": 60}, {"scale": 2.0}, cell="rnn_tanh", hidden_size=64)
    bug = KNOWN_BUGS[name]
    engine: Engine = ManualEngine()
    assert audit(inputs, computed(engine, inputs)[0]).verdict == "right"
    fault = bug.variants["rnn_tanh"][0]
    # Another order of summation, as another person's code has it.
    trace = faulty_trace(fault, inputs)
    trace.hidden[:] *= 1.0 + np.float32(3e-7) * np.sign(np.sin(np.arange(trace.hidden.size))).reshape(trace.shape)
    trace.output[:] = trace.hidden[0, 0]
    trace.state_h[:] = trace.hidden[:, 0, -1]
    assert diagnosis_of(inputs, trace) == ((name,),)


def test_late_bug_is_diagnosed():
    inputs = inputs_of({"timesteps": 200, "batch_size": 5}, cell="rnn_relu", hidden_size=6)
    sequence = np.zeros_like(inputs.sequence)
    sequence[150, 3] = 1.0
    zero = load_inputs(
        Config.from_mapping(
            {
                "network": {"cell": "rnn_relu", "input_size": 5, "hidden_size": 6},
                "sequence": {"timesteps": 200, "batch_size": 5},
                "parameters": {"initializer": "normal", "scale": 0.3, "bias": "zeros"},
            }
        )
    )
    quiet = with_sequence(zero, sequence)
    trace = faulty_trace(BugVariant(activations=(("activation", tanh),)), quiet)
    found = audit(quiet, trace)
    assert found.first_wrong is not None
    assert found.first_wrong.where.location.timestep == 150
    assert diagnose(quiet, trace, found) == (("wrong-activation",),)


def test_equivalent_bugs_are_all_named():
    """With one unit W (r · h[t-1]) is r · (W h[t-1]), so that the reset gate may be inside or outside."""
    inputs = inputs_of({"timesteps": 6}, cell="gru", hidden_size=1, dtype="float64")
    trace = faulty_trace(KNOWN_BUGS["reset-before-matmul"].variants["gru"][0], inputs)
    assert diagnosis_of(inputs, trace) == (("reset-before-matmul",), ("h2h-bias-outside-reset",))


@pytest.mark.parametrize("name", ["concat-swapped", "gates-z-r-n", "reverse-not-realigned"])
def test_a_recorded_output_is_diagnosed(name):
    """The hidden states of a single layer are the halves of its output."""
    inputs = inputs_of({"timesteps": 6, "batch_size": 3}, cell="gru", hidden_size=4, bidirectional=True)
    trace = faulty_trace(KNOWN_BUGS[name].variants["gru"][0], inputs)
    halves = np.stack(np.split(trace.output, 2, axis=-1))[np.newaxis]
    recorded = trace.with_arrays({"h": halves})
    recorded = replace(recorded, engine="recording:x.npz", missing=frozenset({"h", "state.h"}))
    assert diagnosis_of(inputs, recorded) == ((name,),)


def test_windows_begin_with_the_lane_of_the_first_wrong_step():
    inputs = inputs_of({"timesteps": 100, "batch_size": 9}, cell="gru", hidden_size=4, num_layers=2, bidirectional=True)
    wrong = Location(1, 1, 30, 5, 2)
    evidence = ForwardEvidence(inputs, faulty_trace(BugVariant(), inputs), wrong, False)
    windows = list(evidence.windows(BugVariant(), 24))
    # The backward direction computes t = 30 after 69 others.
    assert windows[0] == StepWindow(1, 1, 71, (5, 0, 8))
    assert windows[1:] == [StepWindow(*lane, 24, (5, 0, 8)) for lane in ((0, 0), (0, 1), (1, 0))]
    assert [w.steps for w in evidence.windows(BugVariant(), 3)] == [3] * 4
    assert next(replace(evidence, wrong=None).windows(BugVariant(), 24)) == StepWindow(0, 0, 24, (0, 8, 1))
    in_first = replace(evidence, wrong=Location(0, 0, 30, 5, 2))
    assert next(in_first.windows(BugVariant(batch_as_time=True), 24)) == StepWindow(0, 0, 24, (30, 0, 99))


@pytest.mark.parametrize(
    ("distances", "limit", "expected"),
    [
        ((0.25, 2.0, 2.1), 5.0, "ab"),  # up to eight times the smallest
        ((0.0, 0.38, 0.39), 5.0, "ab"),  # 32 eps of float32 in its absolute tolerance of 1e-5
        ((0.0, 0.38, 0.39), 0.38, "ab"),
        ((0.0, 0.38, 0.39), 0.37, "a"),
        ((3.0, 2.0, 1.0), 0.5, ""),
    ],
)
def test_known_bugs_are_equally_near(distances, limit, expected):
    inputs = inputs_of({"timesteps": 2}, cell="rnn_tanh", hidden_size=3)
    found = [((name,), distance) for name, distance in zip("abc", distances, strict=True)]
    assert nearest(inputs, found, limit, empty_trace(inputs, cell=False)) == tuple((name,) for name in expected)


def judged(folder: Path, config: dict[str, Any], arrays: Callable[[Trace], dict[str, NDArray[Any]]]) -> Judgment:
    """The judgment on a recording, made from the trace of a correct run."""
    path = folder / "recording.npz"
    np.savez(path, **arrays(faulty_trace(BugVariant(), load_inputs(Config.from_mapping(config)))))
    compared = {"reference": "manual", "candidates": [f"recording:{path}"]}
    return judgment_of(Config.from_mapping({**config, "compare": compared}), folder / "run")


def judgment_of(config: Config, folder: Path) -> Judgment:
    request = RunRequest(config, load_inputs)
    return judge_computed(request, folder, compute(request, folder, lambda *_: None), lambda *_: None)


def test_an_engine_without_a_wrong_step_has_no_cause(tmp_path):
    """The recording is NaN, and rounding could hide errors in the other engine."""
    config = {
        "network": {"cell": "rnn_relu", "input_size": 3, "hidden_size": 4},
        "sequence": {"timesteps": 6, "batch_size": 2},
        "parameters": {"initializer": "normal", "scale": 1e18},
    }
    judgment = judged(tmp_path, config, lambda trace: {"hidden": np.full_like(trace.hidden, np.nan)})
    wrong, manual = (found for name, found in reversed(judgment.audits.items()))
    assert wrong.wrong
    assert manual.undetermined_mismatches
    assert judgment.diagnoses.keys() <= {wrong.engine}


def test_right_aligned_samples_are_not_samples_that_are_a_step_too_short(tmp_path):
    config = {
        "network": {"cell": "rnn_tanh", "input_size": 3, "hidden_size": 4},
        "sequence": {"timesteps": 5, "batch_size": 3, "lengths": [1, 1, 1]},
    }

    def right_aligned(trace):
        return {"hidden": np.roll(trace.hidden, 4, axis=2), "state": np.array(trace.state_h)}

    judgment = judged(tmp_path, config, right_aligned)
    (engine,) = (name for name in judgment.audits if name != "manual")
    assert judgment.diagnoses[engine] == ()
    assert judgment.ambiguous == {}


@pytest.mark.parametrize("bug", [bug.name for bug in known_bugs_of(inputs_of({}, cell="gru", hidden_size=1).network)])
def test_one_number_has_no_cause(bug, tmp_path):
    engine = f"bug:{bug}"
    config = Config.from_mapping(
        {
            "network": {"cell": "gru", "input_size": 1, "hidden_size": 1},
            "sequence": {"timesteps": 1, "batch_size": 1},
            "parameters": {"initializer": "normal", "bias": "uniform"},
            "initial_state": {"source": "normal"},
            "compare": {"reference": "manual", "candidates": [engine]},
        }
    )
    judgment = judgment_of(config, tmp_path)
    wrong = bool(judgment.audits[engine].wrong)
    assert not any(judgment.diagnoses.values())
    assert judgment.ambiguous.keys() == ({engine} if wrong else set())
