"""Samples of different lengths: every engine computes each one as it does alone, also from its end, and no padding."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.config import Config
from rnnviz.core.errors import ConfigError
from rnnviz.core.inputs import Inputs, part_of_state
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.engines.registry import find_engine, load_engine
from rnnviz.io.inputs import load_inputs
from rnnviz.steps.states import CellStates
from rnnviz.verify import audited
from rnnviz.verify.audit import audit
from rnnviz.verify.compare import compare
from rnnviz.verify.consistency_checks import consistency_checks
from rnnviz.verify.mismatches import mismatch_rows, neighbor_mismatch
from tests.needs import need_engine
from tests.oracles.computed import assert_near, computed
from tests.oracles.recurrence import recurrence
from tests.strategies import every_cell_configs
from tests.verify.audit_helpers import inputs_of

ENGINES = ("manual", "gluon", "torch", "onnx")


@st.composite
def padded_inputs(draw: st.DrawFn) -> Inputs:
    config = draw(every_cell_configs())
    sequence = config.sequence
    lengths = draw(st.lists(st.integers(1, sequence.timesteps), min_size=1, max_size=4).map(tuple))
    config = replace(config, sequence=replace(sequence, batch_size=len(lengths), lengths=lengths))
    reverse = not config.network.bidirectional and draw(st.booleans())
    return load_inputs(replace(config, network=replace(config.network, reverse=reverse)).checked())


def alone(inputs: Inputs, sample: int) -> Inputs:
    """One sample, cut to its length."""
    x = np.ascontiguousarray(inputs.sequence[: inputs.length(sample), sample : sample + 1])
    state = part_of_state(inputs.initial_state, np.s_[:, sample : sample + 1])
    return replace(inputs, sequence=x, initial_state=state, lengths=(), folder=None)


def assert_each_sample_is_as_alone(trace: Trace, inputs: Inputs, tolerance: float) -> None:
    for sample, length in enumerate(inputs.places.every_length):
        one = alone(inputs, sample)
        # Not all loops know reverse: they read the sequence the other way round.
        order = -1 if inputs.network.reverse else 1
        config = replace(one.config, network=replace(one.network, reverse=False))
        answer = recurrence(replace(one, config=config, sequence=one.sequence[::order]))
        assert_near(trace.hidden[:, :, :length, sample], answer.hidden[:, :, ::order, 0], tolerance, "hidden")
        assert_near(trace.output[:length, sample], answer.output[::order, 0], tolerance, "output")
        assert_near(trace.state_h[:, sample], answer.state_h[:, 0], tolerance, "state_h")
        if trace.state_c is not None:
            assert answer.state_c is not None
            assert_near(trace.state_c[:, sample], answer.state_c[:, 0], tolerance, "state_c")
        assert not trace.hidden[:, :, length:, sample].any()
        assert not trace.output[length:, sample].any()


@pytest.mark.parametrize("name", ENGINES)
@given(inputs=padded_inputs())
def test_a_sample_is_computed_as_it_is_alone(name, inputs):
    need_engine(name)
    if find_engine(name, "compare.reference").unsupported_reason(inputs.network) is not None:
        return
    trace, _ = computed(load_engine(name), inputs)
    # MXNet's relu in float64 is rounded to float32.
    rounded = inputs.network.dtype == "float32" or (name == "gluon" and inputs.network.cell == "rnn_relu")
    assert_each_sample_is_as_alone(trace, inputs, 2e-5 if rounded else 1e-12)
    assert all(check.holds for check in consistency_checks(trace, 0.0, 0.0))


@given(inputs=padded_inputs(), data=st.data())
def test_the_audit_judges_every_computed_step_and_no_padding(inputs, data):
    trace, _ = computed(load_engine("manual"), inputs)
    found = audit(inputs, trace, full=True)
    layers, directions, _, _, units = trace.shape
    assert (found.wrong, found.coverage) == (0, 1.0)
    assert found.audited == layers * directions * units * sum(map(inputs.length, range(inputs.batch_size)))
    sample = data.draw(st.integers(0, inputs.batch_size - 1))
    t = data.draw(st.integers(0, inputs.length(sample) - 1))
    hidden = np.array(trace.hidden)
    hidden[-1, -1, t, sample, 0] += 0.5
    wrong = audit(inputs, trace.with_arrays({"h": hidden}), full=True)
    assert wrong.first_wrong is not None
    assert wrong.first_wrong.where.index == (layers - 1, directions - 1, t, sample, 0)


@given(inputs=padded_inputs(), data=st.data())
def test_padding_is_not_compared(inputs, data):
    trace, _ = computed(load_engine("manual"), inputs)
    sample = data.draw(st.integers(0, inputs.batch_size - 1))
    hidden = np.array(trace.hidden)
    hidden[:, :, inputs.length(sample) :, sample] = np.nan
    t = data.draw(st.integers(0, inputs.length(sample) - 1))
    hidden[0, 0, t, sample, 0] += 1.0
    found = compare(trace, replace(trace.with_arrays({"h": hidden}), engine="other"), 1e-6, 1e-6)
    layers, directions, _, _, units = trace.shape
    elements = layers * directions * units * sum(map(inputs.length, range(inputs.batch_size)))
    assert (found.elements, found.mismatched, found.unrecorded) == (elements, 1, 0)
    assert found.first_mismatch is not None
    assert found.first_mismatch.where.index == found.max_abs_error_at.index == (0, 0, t, sample, 0)
    assert found.error_ratios.counts.sum() == found.ulps.counts.sum() == elements
    assert found.nonfinite_apart == 0


@given(inputs=padded_inputs(), data=st.data())
def test_cell_states_follow_from_the_hidden_states(inputs, data):
    if inputs.network.kind.state_symbols != ("h", "c"):
        return
    trace, _ = computed(load_engine("manual"), inputs)
    assert trace.cell is not None
    followed = CellStates(inputs, trace.with_arrays({"c": None}))
    start = data.draw(st.integers(0, inputs.timesteps - 1))
    times, units = slice(start, inputs.timesteps), slice(0, inputs.network.hidden_size)
    c0 = inputs.initial_state["c"]
    for layer, direction in np.ndindex(trace.shape[:2]):
        c = followed.after(layer, direction, times, slice(0, inputs.batch_size), units)
        assert np.all(np.abs(c.value - trace.cell[layer, direction, times]) <= 8.0 * c.bound + 1e-300)
        previous = followed.previous(layer, direction, times, slice(0, inputs.batch_size), units)
        for sample in range(inputs.batch_size):
            for t in range(start, inputs.length(sample)):
                backward = inputs.network.backward(direction)
                first = t == (inputs.length(sample) - 1 if backward else 0)
                k = layer * inputs.network.directions + direction
                lane = trace.cell[layer, direction, :, sample]
                expected = c0[k, sample] if first else lane[t + (1 if backward else -1)]
                np.testing.assert_allclose(previous[t - start, sample], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ENGINES)
def test_padding_is_never_read(name):
    need_engine(name)
    network = {"cell": "lstm", "input_size": 3, "hidden_size": 4, "num_layers": 2, "bidirectional": True}
    sequence = {"batch_size": 3, "timesteps": 5, "lengths": [2, 5, 1]}
    inputs = load_inputs(Config.from_mapping({"network": network, "sequence": sequence}))
    x = np.array(inputs.sequence)
    for sample, length in enumerate(inputs.lengths):
        x[length:, sample] = np.nan
    expected, _ = computed(load_engine(name), inputs)
    trace, _ = computed(load_engine(name), replace(inputs, sequence=x))
    for array in expected:
        np.testing.assert_array_equal(trace[array], expected[array])


@pytest.mark.parametrize("name", ["manual", "gluon"])
def test_a_cell_state_is_kept_where_the_last_hidden_state_is_nan(name):
    need_engine(name)
    network = {"cell": "lstm", "input_size": 3, "hidden_size": 40}
    sequence = {"batch_size": 3, "timesteps": 5, "lengths": [2, 5, 1]}
    inputs = load_inputs(Config.from_mapping({"network": network, "sequence": sequence}))
    x = np.array(inputs.sequence)
    # Some sums of two weights times infinity are NaN.
    x[1, 0, :2] = np.inf
    inputs = replace(inputs, sequence=x)
    trace, _ = computed(load_engine(name), inputs)
    assert trace.state_c is not None
    assert np.isnan(trace.state_h[0, 0][np.isfinite(trace.state_c[0, 0])]).any()
    for sample in range(3):
        one, _ = computed(load_engine(name), alone(inputs, sample))
        for state in ("state.h", "state.c"):
            if state in one:
                np.testing.assert_allclose(trace[state][:, sample], one[state][:, 0], rtol=1e-5, atol=1e-6)


def config_with(**sequence: Any) -> Config:
    network = {"cell": "gru", "input_size": 1, "hidden_size": 1}
    return Config.from_mapping({"network": network, "sequence": {"timesteps": 5, **sequence}})


@pytest.mark.parametrize("lengths", [[2, 3], [2, 3, 6], [1, 0, 2]])
def test_lengths_that_do_not_fit_are_refused(lengths):
    with pytest.raises(ConfigError) as caught:
        config_with(batch_size=3, lengths=lengths)
    assert caught.value.key == "sequence.lengths"


@pytest.mark.parametrize("seams", [[2, 2], [3, 2], [2, 5]])
def test_seams_that_do_not_rise_within_the_sequence_are_refused(tmp_path, seams):
    np.save(tmp_path / "x.npy", np.zeros((5, 1)))
    for source in ({}, {"source": "file", "path": str(tmp_path / "x.npy")}):
        with pytest.raises(ConfigError) as caught:
            load_inputs(config_with(seams=seams, **source))
        assert caught.value.key == "sequence.seams"


def test_lengths_of_t_are_no_padding():
    assert load_inputs(config_with(batch_size=2, lengths=[5, 5])).lengths == ()


@pytest.mark.parametrize("backward", [False, True])
def test_the_ends_of_every_sample_are_audited_beside_one_of_a_single_step(backward, monkeypatch):
    monkeypatch.setattr(audited, "FULL", 1)
    network = {"cell": "rnn_tanh", "input_size": 2, "hidden_size": 6, "reverse": backward}
    sequence = {"batch_size": 3, "timesteps": 6, "lengths": [1, 4, 5]}
    inputs = load_inputs(Config.from_mapping({"network": network, "sequence": sequence}))
    trace, _ = computed(load_engine("manual"), inputs)
    assert audit(inputs, trace).wrong == 0
    for sample, unit in np.ndindex(3, 6):
        for t in {0, inputs.length(sample) - 1}:
            hidden = np.array(trace.hidden)
            hidden[0, 0, t, sample, unit] += 0.25
            wrong = audit(inputs, trace.with_arrays({"h": hidden})).first_wrong
            assert wrong is not None
            assert wrong.where.index == (0, 0, t, sample, unit)


def test_the_order_of_computation_starts_at_the_end():
    inputs = inputs_of({"timesteps": 6, "batch_size": 1}, cell="gru", hidden_size=2, num_layers=2, reverse=True)
    reference, _ = computed(load_engine("manual"), inputs)
    hidden = reference.hidden.copy()
    hidden[1, 0, [1, 4], 0, 1] += 0.5
    other = reference.with_arrays({"h": hidden})
    comparison = compare(reference, other, 1e-6, 1e-5)
    first, second = Location(1, 0, 4, 0, 1), Location(1, 0, 1, 0, 1)
    assert comparison.first_mismatch is not None
    assert comparison.first_mismatch.where == first
    assert comparison.first_mismatch.where.to_json()["direction"] == "backward"
    rows = mismatch_rows(comparison, reference, other)
    assert [rows.location(row) for row in range(len(rows))] == [first, second]
    assert [rows.row_of(where) for where in (first, second)] == [0, 1]
    assert neighbor_mismatch(comparison, reference, other, first, forward=True) == second
    assert neighbor_mismatch(comparison, reference, other, second, forward=False) == first
    wrong = audit(inputs, other).first_wrong
    assert wrong is not None
    assert (wrong.where.location, str(wrong.where.location).split(", ")[1]) == (first, "backward")


def test_both_directions_and_reverse_are_refused():
    network = {"cell": "gru", "input_size": 2, "hidden_size": 2, "bidirectional": True, "reverse": True}
    with pytest.raises(ConfigError, match=r"network\.reverse = true needs network\.bidirectional = false"):
        Config.from_mapping({"network": network})
