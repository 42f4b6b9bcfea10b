"""Known bugs of padding, planted in a user's own loops, whose outputs are recorded."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace, with_missing
from rnnviz.engines.known_bugs.engine import StepWindow, expected_and_found, faulty_trace
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS, known_bugs_in
from rnnviz.engines.recorded_outputs import RecordedEngine
from rnnviz.execution.events import RunRequest
from rnnviz.execution.pipeline import compute, judge_computed
from rnnviz.io.inputs import load_inputs
from rnnviz.verify import diagnosis
from rnnviz.verify.audit import audit
from rnnviz.verify.consistency_checks import PADDING_CHECK, Check, consistency_checks, padding_check
from rnnviz.verify.diagnosis import ForwardEvidence, diagnose
from rnnviz.verify.undetectable_bugs import suggested_config, undetectable
from tests.oracles.cell_loops import cell_values
from tests.oracles.computed import computed
from tests.profiles import nightly_except
from tests.strategies import configs

Vector = NDArray[Any]
BUGS = (
    "lengths-ignored",
    "state-at-last-timestep-of-batch",
    "backward-starts-in-padding",
    "padding-not-zeroed",
    "lengths-off-by-one",
    "sorted-order-not-restored",
)


def users_outputs(inputs: Inputs, bug: str = "", more: int = 1) -> dict[str, Vector]:
    """hidden (L, D, T, N, H), output, state and cell_state of a user's loops with a bug.

    Each bug has two variants: `more` is 1 or -1. A length is `more` time steps off, the final state is at T-1 in the
    forward direction or in both, the first of the sorted samples is the longest or the shortest, and the forward
    direction of a bug of the backward one has values in padding if it is -1.
    """
    network, timesteps = inputs.network, inputs.timesteps
    layers, directions, _, samples, size = inputs.hidden_shape
    hidden = np.zeros(inputs.hidden_shape)
    finals = {s: np.zeros((layers * directions, samples, size)) for s in inputs.initial_state}
    order = list(range(samples))
    goes_on = bug == "padding-not-zeroed" or (bug == "backward-starts-in-padding" and directions == 2 and more < 0)
    if bug == "sorted-order-not-restored":
        order.sort(key=lambda n: -more * inputs.length(n))
    for row, sample in enumerate(order):
        below = inputs.sequence[:, [sample]]
        for layer, d in np.ndindex(layers, directions):
            backward, k, length = network.backward(d), layer * directions + d, inputs.length(sample)
            if bug == "lengths-ignored" or (bug == "backward-starts-in-padding" and backward):
                length = timesteps
            if bug == "lengths-off-by-one":
                length = min(length + more, timesteps)
            span = timesteps if goes_on and not backward else length
            state = {s: array[k, [sample]] for s, array in inputs.initial_state.items()}
            p = vars(inputs.parameters.layer(layer, d))
            values = cell_values(network.cell, p, below[:span], state, backward=backward) if span else {}
            hidden[layer, d, :span, row] = values["h"][:, 0] if span else 0.0
            at_end = bug == "state-at-last-timestep-of-batch" and not (backward and more == 1)
            last = timesteps - 1 if at_end else 0 if backward else length - 1
            for s, array in finals.items():
                final = values[s][last, 0] if 0 <= last < span else np.zeros(size)
                array[k, row] = final if span else state[s][0]
            if d == directions - 1:
                below = np.concatenate(hidden[layer][:, :, [row]], axis=-1)
    output = np.concatenate(hidden[-1], axis=-1)
    arrays = {
        "hidden": hidden,
        "output": output.swapaxes(0, 1) if network.layout == "NTC" else output,
        "state": finals["h"],
    }
    arrays |= {"cell_state": finals["c"]} if network.cell == "lstm" else {}
    return {name: array.astype(network.dtype) for name, array in arrays.items()}


def recorded(path: Path, arrays: dict[str, Vector], inputs: Inputs) -> tuple[Trace, list[Check]]:
    """The trace of a recording, and its failing checks."""
    np.savez(path, **arrays)
    trace, report = computed(RecordedEngine(f"recording:{path}"), inputs)
    trace = with_missing(trace, report.missing, report.precision)
    checks = [padding_check(trace)] if trace.places.lengths else []
    trace.clear_padding()
    checks += consistency_checks(trace, *inputs.config.tolerances)
    return trace, [check for check in checks if check.fails]


def inputs_with(lengths: Sequence[int] | str | None, timesteps: int = 6, **network: Any) -> Inputs:
    sizes = {"cell": "gru", "input_size": 3, "hidden_size": 4, **network}
    samples = len(lengths) if isinstance(lengths, list) else 3
    sequence = {"batch_size": samples, "timesteps": timesteps, **({} if lengths is None else {"lengths": lengths})}
    tables = {"network": sizes, "sequence": sequence, "initial_state": {"source": "normal"}}
    return load_inputs(Config.from_mapping(tables))


@st.composite
def padded_inputs(draw: st.DrawFn) -> Inputs:
    """Samples of which one has padding at least, in all cells, directions, depths and types."""
    config = draw(configs())
    timesteps = draw(st.integers(2, 6))
    lengths = tuple(draw(st.lists(st.integers(1, timesteps), min_size=1, max_size=3)))
    lengths = draw(st.permutations((*lengths, draw(st.integers(1, timesteps - 1)))).map(tuple))
    sequence = replace(config.sequence, batch_size=len(lengths), timesteps=timesteps, lengths=lengths)
    inputs = load_inputs(replace(config, sequence=sequence).checked())
    # The padding of a file need not be 0.
    return with_padding(inputs, draw(st.sampled_from([0.0, 0.75])))


def with_padding(inputs: Inputs, value: float) -> Inputs:
    x = np.array(inputs.sequence)
    for sample in range(inputs.batch_size):
        x[inputs.length(sample) :, sample] = value
    return replace(inputs, sequence=x)


@pytest.mark.parametrize("bug", BUGS)
@given(inputs=padded_inputs(), more=st.sampled_from([-1, 1]))
def test_bug_in_a_users_loops_is_diagnosed(tmp_path_factory, bug, inputs, more):
    right, arrays = users_outputs(inputs), users_outputs(inputs, bug, more)
    shown = max(float(np.abs(arrays[name] - right[name]).max()) for name in ("hidden", "state"))
    path = tmp_path_factory.getbasetemp() / f"{bug}.npz"
    trace, failing = recorded(path, arrays, inputs)
    found = audit(inputs, trace)
    if shown == 0.0:
        assert (found.wrong, failing) == (0, [])
    elif shown > 1e-3:
        assert found.wrong or failing
        assert (bug,) in diagnose(inputs, trace, found, failing)


@given(inputs=padded_inputs(), data=st.data())
def test_every_bug_is_diagnosed_with_lengths(inputs, data):
    bug = data.draw(st.sampled_from(known_bugs_in(inputs)))
    trace = faulty_trace(bug.faults(inputs.network)[0], inputs)
    failing = [padding_check(trace)] if inputs.lengths else []
    trace.clear_padding()
    failing = [c for c in (*failing, *consistency_checks(trace, *inputs.config.tolerances)) if c.fails]
    assert (bug.name,) in diagnose(inputs, trace, audit(inputs, trace), failing) or bug.name in undetectable(inputs)


def test_first_steps_begin_at_the_end_of_each_sample():
    inputs = inputs_with([3, 6, 1], cell="lstm", bidirectional=True)
    for bug in known_bugs_in(inputs):
        for fault in bug.faults(inputs.network):
            if fault.of_padding:
                continue
            trace = faulty_trace(fault, inputs)
            for direction in (0, 1):
                window = StepWindow(0, direction, 5, (0, 2))
                expected, found = expected_and_found(fault, inputs, trace, window)
                np.testing.assert_allclose(expected, found, rtol=0, atol=1e-5, err_msg=bug.name)
                if not fault.batch_as_time and fault.backward == "reversed":
                    first = trace.hidden[0, direction, 2 if direction else 0, 0]
                    np.testing.assert_array_equal(found[0, 0], first)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", nightly_except(([3, 6, 1], [1, 2, 2], [3, 60, 58, 1], [24, 26, 25]), [3, 6, 1]))
def test_the_steps_beside_padding_are_those_of_the_bug(lengths, reverse):
    inputs = inputs_with(lengths, max(lengths), cell="lstm", bidirectional=not reverse, reverse=reverse)
    for bug in known_bugs_in(inputs):
        for fault in bug.faults(inputs.network):
            if fault.of_padding:
                trace = faulty_trace(fault, inputs)
                trace.clear_padding()
                for expected, found in ForwardEvidence(inputs, trace, None, False).beside_padding(fault):
                    np.testing.assert_allclose(expected, found, rtol=0, atol=1e-6, err_msg=bug.name)


def test_bugs_of_padding_are_refuted_by_few_steps(monkeypatch):
    inputs = inputs_with([300, 150, 290], 300, cell="lstm", bidirectional=True)
    trace = faulty_trace(KNOWN_BUGS["no-h2h-bias"].faults(inputs.network)[0], inputs)
    monkeypatch.setattr(diagnosis, "faulty_trace", lambda *_: pytest.fail("the whole network is computed"))
    assert diagnose(inputs, trace, audit(inputs, trace)) == (("no-h2h-bias",),)


def test_bugs_of_padding_are_undetectable_where_every_length_is_t():
    inputs = inputs_with([6, 6, 6], bidirectional=True)
    assert undetectable(inputs) == BUGS
    cure = suggested_config(inputs, BUGS, load_inputs)
    assert cure is not None
    assert cure.sequence.lengths == "uniform"


def test_long_padding_is_in_the_part_that_is_tried():
    inputs = inputs_with([1500, 1000, 1400], 1500, bidirectional=True)
    assert undetectable(inputs) == ()


@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_engine_equals_a_users_loops(cell, bug):
    inputs = inputs_with([3, 6, 1, 4, 2], cell=cell, dtype="float64", num_layers=2, bidirectional=True)
    more = -1 if bug == "lengths-off-by-one" else 1
    trace, expected = faulty_trace(KNOWN_BUGS[bug].faults(inputs.network)[0], inputs), users_outputs(inputs, bug, more)
    assert padding_check(trace).holds == (bug in ("state-at-last-timestep-of-batch", "lengths-off-by-one"))
    hidden = expected["hidden"]
    if bug == "padding-not-zeroed":
        hidden = users_outputs(inputs)["hidden"]
        trace.clear_padding()
    np.testing.assert_allclose(trace.hidden, hidden, rtol=0, atol=1e-12)
    np.testing.assert_allclose(trace.state_h, expected["state"], rtol=0, atol=1e-12)
    if trace.state_c is not None:
        np.testing.assert_allclose(trace.state_c, expected["cell_state"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("value", nightly_except((0.75, np.nan), 0.75))
@pytest.mark.parametrize("bug", BUGS)
def test_padding_of_the_input_may_be_read_by_a_bug(tmp_path, bug, value):
    inputs = with_padding(inputs_with([3, 6, 1, 4, 2], bidirectional=True), value)
    trace, failing = recorded(tmp_path / "a.npz", users_outputs(inputs, bug), inputs)
    named = diagnose(inputs, trace, audit(inputs, trace), failing)
    # NaN spreads over all steps of the backward direction, whichever step reads it first.
    assert (bug,) in named if np.isnan(value) else named == ((bug,),)


def test_final_states_alone_in_the_order_of_the_lengths_are_diagnosed(tmp_path):
    inputs = inputs_with([3, 6, 1, 4, 2], cell="lstm", bidirectional=True)
    arrays = users_outputs(inputs)
    for order in ([1, 3, 0, 4, 2], np.argsort(inputs.lengths)[::-1]):
        arrays |= {name: arrays[name][:, order] for name in ("state", "cell_state")}
        trace, failing = recorded(tmp_path / "a.npz", arrays, inputs)
        found = audit(inputs, trace)
        assert found.verdict == "right"
        assert diagnose(inputs, trace, found, failing) == (("sorted-order-not-restored",),)
        arrays = users_outputs(inputs)


@pytest.mark.parametrize("value", [1.0, np.nan, -1e-30])
@pytest.mark.parametrize("name", ["hidden", "output"])
def test_padding_of_a_recording_counts_in_its_check_alone(tmp_path, value, name):
    inputs = inputs_with([3, 6, 1], cell="lstm", bidirectional=True)
    arrays = users_outputs(inputs)
    array = arrays[name].swapaxes(0, 1) if name == "output" else arrays[name]
    array[..., 4:, 0, :] = value
    trace, failing = recorded(tmp_path / "a.npz", arrays, inputs)
    assert [check.name for check in failing] == [PADDING_CHECK]
    found = audit(inputs, trace)
    assert found.verdict == "right"
    assert diagnose(inputs, trace, found, failing) == (("padding-not-zeroed",),)


@pytest.mark.parametrize("bug", ["", "lengths-ignored", "no-h2h-bias"])
def test_recorded_final_states_are_compared_at_each_samples_last_step(tmp_path, bug):
    inputs = inputs_with([3, 6, 1], cell="lstm")
    path, name = tmp_path / "mine.npz", f"recording:{tmp_path / 'mine.npz'}"
    arrays = users_outputs(inputs, bug)
    if bug == "no-h2h-bias":
        trace = faulty_trace(KNOWN_BUGS[bug].variants["lstm"][0], inputs)
        assert trace.state_c is not None
        arrays = {"state": trace.state_h, "cell_state": trace.state_c}
    np.savez(path, state=arrays["state"], cell_state=arrays["cell_state"])
    compared = replace(inputs.config.compare, reference="manual", candidates=(name,))
    request = RunRequest(replace(inputs.config, compare=compared), load_inputs)
    outcome = compute(request, tmp_path / "run", lambda *_: None)
    checks = {check.name: check.holds for check in outcome.checks if check.engine == name}
    expected = dict.fromkeys(("state[0] is that of manual", "state[1] is that of manual"), not bug)
    assert checks == {PADDING_CHECK: True, **expected}
    judgment = judge_computed(request, tmp_path / "run", outcome, lambda *_: None)
    assert judgment.diagnoses == ({name: ((bug,),)} if bug else {})
