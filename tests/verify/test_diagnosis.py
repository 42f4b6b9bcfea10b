"""Known bugs as the causes of wrong numbers of both passes, and the verdicts on gradients."""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from itertools import combinations, cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnnviz.cells.activations import tanh
from rnnviz.core.config import CELL_NAMES, Backward, Config
from rnnviz.core.errors import ConfigError
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.places import Place
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.engines.base import Engine
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.backward import BackwardPasses
from rnnviz.engines.known_bugs.engine import KnownBugEngine, StepWindow, faulty_trace
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS, PREFIX, gradient_bugs_in, known_bugs_of
from rnnviz.engines.manual import ManualEngine
from rnnviz.execution.events import RunRequest
from rnnviz.execution.pipeline import compute, judge_computed
from rnnviz.gui.app_state import AppState
from rnnviz.io.export.data import summary
from rnnviz.io.export.report import gradient_tables
from rnnviz.io.inputs import load_inputs
from rnnviz.io.templates import starter
from rnnviz.steps.inputs import layer_input, previous_hidden
from rnnviz.verify import diagnosis
from rnnviz.verify.audit import WrongValue, audit
from rnnviz.verify.compare import Mismatch, compare_all
from rnnviz.verify.consistency_checks import Check
from rnnviz.verify.diagnosis import ForwardEvidence, diagnose, nearest
from rnnviz.verify.reproduction import limits, own_tolerance, randomly_rounded, reproduces
from rnnviz.verify.result import Judgment, PassJudgment, RunResult
from rnnviz.verify.undetectable_bugs import suggested_config, undetectable
from rnnviz.verify.verdict import AuditVerdict, Verdict
from tests.engines.backward_bugs import STEP_CHANGES, WAYS, users_gradients
from tests.engines.custom_code.files import computed as users_outputs
from tests.engines.custom_code.files import written
from tests.engines.custom_code.test_backward import computed as both_passes
from tests.engines.seeded_bugs import planted
from tests.engines.test_gradients import inputs_of as inputs_of_cell
from tests.engines.test_gradients import losses, with_gradients
from tests.engines.test_known_bugs import BUGS, gradient_inputs
from tests.engines.test_lengths import padded_inputs
from tests.factories import make_result, with_judgment
from tests.oracles.computed import computed, empty_trace
from tests.profiles import nightly_except
from tests.strategies import configs
from tests.verify.audit_helpers import inputs_of, with_sequence

CELLS = ("rnn_relu", "rnn_tanh", "lstm", "gru")
Diagnosis = tuple[tuple[str, ...], ...]


def diagnosis_of(inputs: Inputs, trace: Trace) -> Diagnosis:
    return diagnose(inputs, trace, audit(inputs, trace))


def test_how_far_a_correct_engine_may_be_off_grows_with_movement_size_and_rounding():
    """Eight measured movements and 64 roundings of the largest value; all, where a movement is not finite."""
    trace = empty_trace(inputs_of({"timesteps": 2}, cell="rnn_tanh", hidden_size=3), cell=False)
    eps = 2.0**-23
    expected = np.array([[[1.0, -4.0]], [[0.5, 0.0]], [[np.inf, 2.0]]])
    moved = expected + np.array([[[0.0, 0.25]], [[-0.5, 0.0]], [[0.0, 0.0]]])
    with np.errstate(invalid="ignore"):
        found = limits(expected, moved, expected, trace, (-2, -1))
    np.testing.assert_array_equal(found[:, 0, 0], [2.0 + 256.0 * eps, 4.0 + 32.0 * eps, np.inf])
    np.testing.assert_array_equal(found[:, 0, 1], found[:, 0, 0])
    for precision, tolerance in (("", 1e-5), ("float32", 1e-5), ("float16", 2.0**-9)):
        assert own_tolerance(inputs_of({}, cell="gru", hidden_size=3), replace(trace, precision=precision)) == tolerance
    rounded = [randomly_rounded({"a": np.ones(1000)}, 0.5)["a"] for _ in range(2)]
    np.testing.assert_array_equal(*rounded)
    assert 0.5 <= rounded[0].min() < 0.6
    assert 1.4 < rounded[0].max() <= 1.5


@pytest.mark.parametrize(
    ("value", "off", "given"), [(0.5, 8.0, True), (0.5, 8.5, False), (96, 768, True), (96, 832, False)]
)
def test_what_repeats_a_hidden_state_is_within_eight_roundings_of_it(value, off, given):
    """Of the value, or of 1 if it is less."""
    inputs = inputs_of({"timesteps": 4, "batch_size": 2}, cell="rnn_relu", hidden_size=3)
    trace = faulty_trace(BugVariant(), inputs)
    trace.hidden[0, 0, 2, 1, 0] = value
    trace.output[2, 1, 0] = value + off * 2.0**-23
    assert reproduces(BugVariant(), inputs, trace, (), padding_filled=False) == given


def test_the_distance_of_gradients_is_relative_to_the_largest_of_a_time_step():
    """Of others than h at least to a 32nd of the gradient of h; initial states and parameters are as one vector."""
    over_time, none = (0, 0), np.zeros((2, 1, 2))
    of_h = np.array([[[64.0, 1.0]], [[1.0, 2.0]]])

    def distance(*parts, limit=np.inf):
        given = [(name, index, np.asarray(expected)) for name, index, expected, _ in parts]
        found = {name: np.asarray(own) for name, _, _, own in parts if own is not None}
        arrays = {
            name: own[np.newaxis, np.newaxis] if own.ndim == 3 else own[np.newaxis] for name, own in found.items()
        }
        return diagnosis.distance_of(iter(given), arrays, 0.5, limit)

    assert distance(("grad.h", over_time, of_h, of_h)) == 0.0
    for other in ([[[64.0, 33.0]], [[1.0, 2.0]]], [[[64.0, 1.0]], [[2.0, 2.0]]]):
        assert distance(("grad.h", over_time, of_h, other)) == 1.0
    h, i = ("grad.h", over_time, of_h, None), np.array([[[1.0, 0.0]], [[0.0, 0.0]]])
    assert distance(h, ("grad.i", over_time, none, i)) == 1.0
    assert distance(("grad.i", over_time, none, i)) == 2.0
    assert distance(h, ("grad.h0", (0,), [[4.0, 0.0]], [[4.0, 1.0]])) == 0.5
    assert distance(("grad.c", over_time, none, i), ("grad.i", over_time, none, 9.0 * i), limit=1.0) == 2.0


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
    for name, index, array in BackwardPasses(inputs, trace, inputs.network.dtype).gradients(fault):
        trace[name][index] = array
    return trace


SAMPLE = "derivative-at-wrong-pre-activation", "backward-direction-not-reversed-in-gradient", "forward-bias-used-twice"
"""Known bugs of which one is in a loop over time and one is not; the others are in the slow tests."""


def usual(bug: str) -> Inputs:
    return gradient_inputs("gru" if bug == "reset-gate-gradient-missing" else "lstm", {"final_state": "zeros"})


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


@pytest.mark.parametrize("variant", [3, 4, 5])
def test_gradients_that_are_stored_in_the_order_of_the_input_are_diagnosed(variant):
    """They are not to be judged by the first steps that are computed."""
    bug, inputs = KNOWN_BUGS["backward-direction-not-reversed-in-gradient"], usual("")
    trace = trace_with(bug.faults(inputs.network)[variant], inputs)
    assert diagnose_gradients(inputs, trace) == ((bug.name,),)


@pytest.mark.nightly
@pytest.mark.parametrize("cell", CELL_NAMES)
def test_every_variant_of_a_gradient_bug_is_diagnosed(cell):
    single, double = gradient_inputs(cell, dtype="float32"), gradient_inputs(cell, dtype="float64")
    faults = [(bug, fault) for bug in gradient_bugs_in(single) for fault in bug.faults(single.network)]
    # In turn: with both types each would take twice as long.
    for (bug, fault), inputs in zip(faults, cycle((single, double))):
        assert diagnose_gradients(inputs, trace_with(fault, inputs)) == ((bug.name,),), fault


@pytest.mark.parametrize("cell", ["lstm", pytest.param("gru", marks=pytest.mark.slow)])
def test_a_cause_reproduces_every_gradient(cell):
    """An LSTM whose step passes the gradient of c on and not the gradient of h is not truncated at one step."""
    inputs = gradient_inputs(cell, dtype="float64")
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
    inputs = gradient_inputs("rnn_relu", bidirectional=False, num_layers=1)
    fault = BugVariant(cut=("h",), doubled=("i2h_bias", "h2h_bias"))
    found = diagnose_gradients(inputs, trace_with(fault, inputs))
    assert found == (("truncated-at-one-step", "forward-bias-used-twice"),)


def test_correct_and_unexplained_gradients_have_no_diagnosis():
    inputs = gradient_inputs("rnn_tanh", bidirectional=False, num_layers=1)
    assert diagnose_gradients(inputs, recorded(inputs, users_gradients(inputs))) == ()
    strange = trace_with(BugVariant(), inputs)
    strange["grad.h"][0, 0, 1, 0, 2] += 0.25
    assert diagnose_gradients(inputs, strange) == ()


def test_a_long_sequence_is_diagnosed():
    inputs = gradient_inputs("rnn_tanh", dtype="float32", num_layers=1, bidirectional=False)
    sequence = replace(inputs.config.sequence, timesteps=60, batch_size=2, lengths=None)
    inputs = load_inputs(replace(inputs.config, sequence=sequence))
    for bug in ("weight-gradient-not-summed-over-time", "derivative-at-wrong-pre-activation"):
        assert diagnose_gradients(inputs, recorded(inputs, users_gradients(inputs, bug))) == ((bug,),)


def test_some_samples_of_a_large_run_are_diagnosed(monkeypatch):
    inputs = gradient_inputs("lstm")
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
    mapping = gradient_inputs("lstm", num_layers=1).config.to_mapping()
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


@pytest.mark.parametrize(
    ("sequence", "value", "expected"),
    [
        ({"timesteps": 600, "batch_size": 5}, [0, 1, 550, 3, 1], ()),
        ({"timesteps": 5, "batch_size": 3, "lengths": [5, 3, 4]}, [0, 0, 2, 1, 1], ENDS),
    ],
)
def test_one_value_in_the_middle_and_at_the_end_of_a_sample(sequence, value, expected):
    inputs = unpadded(sequence, {"loss": "value", "value": value})
    assert undetectable(inputs, "backward") == expected


@pytest.mark.slow
def test_a_run_diagnoses_a_bug_of_the_backward_pass(tmp_path):
    engine = f"{PREFIX}cell-gradient-dropped"
    config = gradient_inputs("lstm", {"loss": "sum", "final_state": "zeros"}, num_layers=1).config
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
    inputs = gradient_inputs(cell, dtype="float64")
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


BOTH = ("gluon", "manual")


def adding(name: str, index: tuple[int, ...], value: float) -> Callable[[Trace], None]:
    def edit(trace: Trace) -> None:
        trace[name][index] += value

    return edit


def test_first_mismatch_of_gradients_is_in_the_order_of_the_backward_pass():
    def edit(trace):
        for index in ((0, 0, 4, 0, 0), (1, 0, 1, 1, 2), (1, 0, 3, 0, 1), (1, 1, 0, 0, 0), (0, 1, 0, 0, 0)):
            trace["grad.h"][index] += 1.0

    network = {"num_layers": 2, "bidirectional": True}
    found = make_result(BOTH, gradients=BOTH, edits={"manual": edit}, **network).comparisons[0].gradients["grad.h"]
    assert found.mismatched == 5
    assert found.first_mismatch is not None
    assert found.first_mismatch.where == Location(1, 0, 3, 0, 1)
    histogram = found.error_ratios
    assert [histogram.first[place] for place in histogram.filled][-1] == Location(1, 0, 3, 0, 1)
    reverse = make_result(BOTH, gradients=BOTH, edits={"manual": edit_all_steps}, reverse=True)
    first = reverse.comparisons[0].gradients["grad.h"].first_mismatch
    assert first is not None
    assert first.where == Location(0, 0, 0, 0, 0)


def edit_all_steps(trace: Trace) -> None:
    trace["grad.h"][...] += 1.0


def test_every_gradient_is_compared_without_padding():
    def edit(trace):
        trace["grad.parameters.l0_h2h_weight"][2, 1] += 0.5
        trace["grad.h0"][0, 1, 3] = math.nan

    result = make_result(BOTH, gradients=BOTH, edits={"manual": edit}, cell="lstm", lengths=[3, 5])
    (comparison,) = result.comparisons
    over_time = comparison.gradients_over_time
    assert list(over_time) == [f"grad.{s}" for s in (*"hcifgo", "out", "input")]
    elements = {name: own.elements for name, own in over_time.items()}
    assert elements == {**dict.fromkeys(elements, 8 * 4), "grad.input": 8 * 3}
    assert not any(own.mismatched for own in over_time.values())
    weights, initial = (comparison[f"grad.{n}"] for n in ("parameters.l0_h2h_weight", "h0"))
    own = result.reference["grad.parameters.l0_h2h_weight"][2, 1]
    lost = replace(result.traces["manual"], missing=frozenset({"h"}))
    assert compare_all(result.reference, lost, 1e-6, 1e-5).gradients["grad.h"].unrecorded == 0
    assert weights.first_mismatch == Mismatch(weights.max_abs_error_place, float(own), float(np.float32(own + 0.5)))
    assert (weights.mismatched, weights.max_abs_error_place.index) == (1, (2, 1))
    assert weights.max_abs_error == pytest.approx(0.5, rel=1e-6)
    assert (initial.mismatched, initial.nonfinite_apart, initial.max_abs_error) == (1, 1, 0.0)


def test_tolerance_of_gradients_grows_with_their_magnitude():
    def scaled(trace):
        trace["grad.h"][...] *= 1000.0

    def off(trace):
        scaled(trace)
        trace["grad.h"][0, 0, 0, 0, 0] += 1e-3

    gradients = make_result(BOTH, gradients=BOTH, edits={"gluon": scaled, "manual": off}).comparisons[0].gradients
    assert "grad.h of manual" in repr(gradients["grad.h"])
    assert gradients["grad.h"].atol > 1000 * gradients["grad.input"].atol / 3
    assert gradients["grad.h"].mismatched == 0


def backward(result: RunResult) -> PassJudgment:
    assert result.judgment is not None
    assert result.judgment.backward is not None
    return result.judgment.backward


def with_backward(result: RunResult, judgment: PassJudgment) -> RunResult:
    assert result.judgment is not None
    return replace(result, judgment=replace(result.judgment, backward=judgment))


PLACE = Place.at("grad.h", Location(0, 0, 1, 0, 2))


def test_mismatch_of_correct_gradients_is_drift():
    engines = ("gluon", "manual", "onnx")
    edits = {"manual": adding("grad.h", (0, 0, 1, 0, 2), 0.1)}
    result = make_result(engines, gradients=BOTH, edits=edits)
    assert result.gradient_engines == BOTH
    assert result.without_gradients == {"onnx": "ONNX Runtime has no backward pass"}
    assert [result.gradients_verdict(c) for c in result.comparisons] == [Verdict.DISAGREE, None]
    result = with_judgment(result)
    assert result.verdict is Verdict.AGREE
    assert result.backward_verdict is result.overall_verdict is Verdict.DRIFT
    judgment = backward(result)
    audit = judgment.audits["manual"]
    assert audit.verdict is AuditVerdict.RIGHT
    for changed in (
        replace(audit, undetermined_mismatches={"gluon": 1}),
        replace(audit, undetermined_count=audit.audited),
        replace(audit, wrong=1, first_wrong=WrongValue(PLACE, 1.0, 2.0)),
    ):
        other = with_backward(result, replace(judgment, audits={**judgment.audits, "manual": changed}))
        assert other.backward_verdict is other.overall_verdict is Verdict.DISAGREE


def test_the_candidate_with_the_worst_gradients_is_first():
    engines = ("gluon", "manual", "torch")
    result = make_result(engines, gradients=engines, edits={"torch": adding("grad.input", (1, 0, 2), 0.5)})
    assert [result.candidate_verdict(c) for c in result.comparisons] == [Verdict.AGREE, Verdict.DISAGREE]
    assert summary(result)["candidate"] == AppState(result.config).with_result(result).candidate == "torch"


def test_failed_check_of_gradients_leaves_the_forward_verdict():
    result = make_result(gradients=BOTH)
    result = replace(result, checks=(*result.checks, Check("twice", "manual", False, "", of_gradients=True)))
    assert (result.verdict, result.backward_verdict) == (Verdict.AGREE, Verdict.DISAGREE)
    assert not result.wrong("manual")
    (comparison,) = result.comparisons
    assert result.gradients_verdict(comparison) is result.candidate_verdict(comparison) is Verdict.DISAGREE


def test_run_without_a_backward_pass_has_no_verdict_on_it():
    result = with_judgment(make_result())
    assert (result.has_gradients, result.backward_verdict, result.without_gradients) == (False, None, {})
    assert result.comparisons[0].gradients == {}


def test_the_initial_state_of_a_reversed_network_is_backward():
    result = make_result(BOTH, gradients=BOTH, edits={"manual": adding("grad.h0", (0, 0, 1), 0.5)}, reverse=True)
    first = result.comparisons[0].first_gradient_mismatch
    assert first is not None
    assert first.place == Place("grad.h0", (0, 0, 1))
    ((_, table),) = gradient_tables(result)
    place = table.titles.index("Position of the max")
    assert [row[place][0] for row in table.rows if row[0][0] == "grad.h0"] == [str(first.place)]
