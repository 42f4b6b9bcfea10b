"""Samples of different lengths, packed rows, and calls that carry the state on."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.config import Config
from rnnviz.core.errors import ConfigError, EngineError
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.engines.backward import LanePass
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.engine import KnownBugEngine, faulty_trace
from rnnviz.engines.known_bugs.registry import NOT_CARRIED, NOT_CARRIED_BETWEEN_CALLS, known_bugs_in
from rnnviz.engines.manual import ManualBackward, ManualEngine
from rnnviz.engines.packing import Packing, packing
from rnnviz.engines.recorded_outputs import RecordedEngine
from rnnviz.engines.registry import find_engine, load_engine
from rnnviz.io.inputs import load_inputs
from rnnviz.steps.states import CellStates
from rnnviz.verify import audited
from rnnviz.verify.audit import audit
from rnnviz.verify.compare import compare
from rnnviz.verify.consistency_checks import consistency_checks
from rnnviz.verify.diagnosis import diagnose
from rnnviz.verify.mismatches import mismatch_rows, neighbor_mismatch
from rnnviz.verify.undetectable_bugs import undetectable
from tests.engines.test_gradients import assert_gradients, with_gradients
from tests.needs import need_engine
from tests.oracles.computed import assert_near, computed
from tests.oracles.recurrence import recurrence
from tests.padded import alone, padded_inputs
from tests.profiles import nightly_except
from tests.verify.audit_helpers import inputs_of

ENGINES = ("manual", "gluon", "torch", "onnx")


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


LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=40).map(tuple)


def steps(packed: Packing) -> int:
    """The number of time steps of all rows that are computed."""
    return sum(len(part) * rows for part, rows in packed.parts)


@given(lengths=LENGTHS, call=st.sampled_from([0.0, 1.0, 30.0, 1e6]))
def test_every_step_of_every_sample_has_a_place(lengths, call):
    packed = packing(tuple(lengths), call, call / 8)
    computed_rows = np.zeros((max(lengths), len(lengths)), int)
    for part, rows in packed.parts:
        computed_rows[part.start : part.stop, :rows] += 1
    assert computed_rows.max() == 1
    assert sorted(place.sample for place in packed.places) == list(range(len(lengths)))
    for place in packed.places:
        assert place.stop - place.start == lengths[place.sample]
        # No other sample has the same step of the row.
        computed_rows[place.start : place.stop, place.row] -= 1
    assert computed_rows.min() == 0


def test_calls_that_cost_nothing_compute_no_padding_and_dear_ones_are_few():
    lengths = tuple(range(1, 101))
    assert steps(packing(lengths, 0.0, 0.0)) == sum(lengths)
    # No row has room for another one.
    assert steps(packing((10, 7, 6), 0.0, 0.0)) == 23
    dear = packing(lengths, 1e6, 0.0)
    assert (len(dear.parts), {place.start for place in dear.places}) == (1, {0})


@pytest.mark.parametrize("name", ["manual", "gluon"])
@pytest.mark.parametrize("cell", nightly_except(("lstm", "gru"), "lstm"))
@pytest.mark.parametrize("cost", [0, 1 << 40])
def test_no_packing_changes_the_values(name, cell, cost, monkeypatch):
    monkeypatch.setattr(f"rnnviz.engines.{name}._cost_of_call", lambda weights: cost)
    monkeypatch.setattr("rnnviz.engines.packing._COPY", 0)
    monkeypatch.setattr("rnnviz.engines.packing.PART_VALUES", 200)
    network = {"cell": cell, "input_size": 3, "hidden_size": 5, "num_layers": 2, "bidirectional": True}
    sequence = {"batch_size": 12, "timesteps": 30, "lengths": "uniform", "seed": 1}
    tables = {"network": network, "sequence": sequence, "initial_state": {"source": "normal"}}
    inputs = load_inputs(Config.from_mapping(tables))
    trace, _ = computed(load_engine(name), inputs)
    assert_each_sample_is_as_alone(trace, inputs, 2e-5)


@pytest.mark.parametrize("truncate", [None, 4])
@pytest.mark.parametrize("cost", [0, 1 << 40])
def test_no_packing_changes_the_gradients(cost, truncate, monkeypatch):
    for name, value in {"_BLOCK_COST": cost, "_ROW_COST": 0, "_BEGIN_COST": 0, "PART_VALUES": 2000}.items():
        monkeypatch.setattr(f"rnnviz.engines.packing.{name}", value)
    tables = {
        "network": {"cell": "lstm", "input_size": 3, "hidden_size": 5, "bidirectional": True, "dtype": "float64"},
        "sequence": {"batch_size": 12, "timesteps": 30, "lengths": "uniform", "seed": 1},
        "initial_state": {"source": "normal"},
        "backward": {"enabled": True, "loss": "normal", "final_state": "normal"}
        | ({} if truncate is None else {"truncate": truncate}),
    }
    inputs = load_inputs(Config.from_mapping(tables))
    trace, _ = with_gradients(ManualEngine(), inputs)
    monkeypatch.setattr("rnnviz.engines.manual.PackedLanePass", LanePass)
    parts, _ = with_gradients(ManualEngine(), inputs)
    assert_gradients(trace, dict(parts.items()), 1e-12)


def test_few_blocks_have_the_gradients_of_many_lengths(monkeypatch):
    blocks = []
    gradients = ManualBackward.gradients
    monkeypatch.setattr(ManualBackward, "gradients", lambda self, task: blocks.append(task) or gradients(self, task))
    sequence = {"batch_size": 64, "timesteps": 100, "lengths": "uniform"}
    network = {"cell": "lstm", "input_size": 8, "hidden_size": 16}
    tables = {"network": network, "sequence": sequence, "backward": {"enabled": True}}
    inputs = load_inputs(Config.from_mapping(tables))
    with_gradients(ManualEngine(), inputs)
    assert len(set(inputs.lengths)) > 40
    assert len(blocks) < 5


BUG = NOT_CARRIED_BETWEEN_CALLS


def seam_inputs(seams: list[int] | None, cell: str = "lstm", timesteps: int = 40, **network: Any) -> Inputs:
    tables = {
        "network": {"cell": cell, "input_size": 3, "hidden_size": 5, "num_layers": 2, **network},
        "sequence": {"batch_size": 2, "timesteps": timesteps, **({} if seams is None else {"seams": seams})},
        "initial_state": {"source": "normal"},
    }
    return load_inputs(Config.from_mapping(tables))


def in_calls(
    inputs: Inputs, kept: tuple[str, ...] = (), swapped: Mapping[str, str] = MappingProxyType({})
) -> dict[str, np.ndarray[Any, Any]]:
    """The outputs of calls in turn: each starts from the initial state, but for the states that are kept or swapped."""
    edges = [0, *inputs.seams.tolist(), inputs.timesteps]
    first = inputs.initial_state
    state, hidden, trace = first, [], None
    for begin, end in pairwise(edges):
        part = replace(inputs, sequence=inputs.sequence[begin:end], initial_state=state)
        trace, _ = computed(ManualEngine(), part)
        hidden.append(np.array(trace.hidden))
        kept_as = {name: name for name in kept} | dict(swapped)
        state = {name: trace[f"state.{kept_as[name]}"] if name in kept_as else first[name] for name in first}
    assert trace is not None
    found = {"hidden": np.concatenate(hidden, axis=2), "state": np.array(trace.state_h)}
    return found if trace.state_c is None else {**found, "cell_state": np.array(trace.state_c)}


def recorded(folder: Path, arrays: dict[str, np.ndarray[Any, Any]], inputs: Inputs) -> Trace:
    np.savez(folder / "a.npz", **arrays)
    return computed(RecordedEngine(f"recording:{folder / 'a.npz'}"), inputs)[0]


def causes(inputs: Inputs, trace: Trace) -> tuple[tuple[str, ...], ...]:
    failing = [check for check in consistency_checks(trace, *inputs.config.tolerances) if check.fails]
    return diagnose(inputs, trace, audit(inputs, trace), failing)


@pytest.mark.parametrize("seams", [[30], [7, 14, 21, 28, 35], list(range(1, 40))], ids=["one", "some", "every"])
@pytest.mark.parametrize(("cell", "kept"), [("lstm", ()), ("lstm", ("h",)), ("lstm", ("c",)), ("gru", ())])
def test_a_state_that_calls_do_not_pass_on_is_the_likely_cause(tmp_path, cell, kept, seams):
    inputs = seam_inputs(seams, cell)
    found = in_calls(inputs, kept)
    lost = tuple(name for name in inputs.network.kind.state_symbols if name not in kept)
    made = faulty_trace(BugVariant(forgotten=lost, forgotten_is="initial", at_seams=True), inputs)
    np.testing.assert_allclose(made.hidden, found["hidden"], rtol=0, atol=1e-6)
    trace = recorded(tmp_path, found, inputs)
    first = audit(inputs, trace).first_wrong
    assert first is not None
    assert first.where.location.timestep == seams[0]
    assert causes(inputs, trace) == ((BUG,),)
    named = {bug.name for bug in known_bugs_in(inputs)}
    assert (NOT_CARRIED in named) == (len(seams) < 39)


@pytest.mark.parametrize("seams", [[30], list(range(1, 40))], ids=["one", "every"])
def test_swapped_states_are_the_likely_cause(tmp_path, seams):
    inputs, name = seam_inputs(seams), "states-swapped-between-calls"
    found = in_calls(inputs, swapped={"h": "c", "c": "h"})
    made = computed(KnownBugEngine(f"bug:{name}"), inputs)[0]
    np.testing.assert_allclose(made.hidden, found["hidden"], rtol=0, atol=1e-6)
    assert causes(inputs, recorded(tmp_path, found, inputs)) == ((name,),)


def test_the_bug_needs_seams_and_a_forward_direction():
    for inputs in (seam_inputs(None), seam_inputs([3], reverse=True)):
        assert BUG not in {bug.name for bug in known_bugs_in(inputs)}
        with pytest.raises(EngineError):
            computed(KnownBugEngine(f"bug:{BUG}"), inputs)


@pytest.mark.slow
@pytest.mark.parametrize("network", [{}, {"bidirectional": True}])
def test_the_bug_is_detectable_also_at_late_seams(network):
    inputs = seam_inputs([1000], timesteps=1010, **network)
    assert BUG not in undetectable(inputs)
    trace, _ = computed(KnownBugEngine(f"bug:{BUG}"), inputs)
    expected, _ = computed(ManualEngine(), inputs)
    np.testing.assert_array_equal(trace.hidden[:1, :1, :1000], expected.hidden[:1, :1, :1000])
    assert not np.array_equal(trace.hidden[0, 0, 1000], expected.hidden[0, 0, 1000])
    assert causes(inputs, trace) == ((BUG,),)


def test_calls_do_not_lose_the_state_of_a_backward_lane():
    inputs = seam_inputs([3], timesteps=8, bidirectional=True)
    found, expected = (computed(engine, inputs)[0] for engine in (KnownBugEngine(f"bug:{BUG}"), ManualEngine()))
    np.testing.assert_allclose(found.hidden[0, 1], expected.hidden[0, 1], rtol=0, atol=1e-6)
    assert np.abs(found.hidden[0, 0, 3] - expected.hidden[0, 0, 3]).max() > 1e-3


def test_states_that_calls_swap_begin_the_next_call():
    inputs = seam_inputs([3, 5], timesteps=8)
    variant = BugVariant(forgotten=("h", "c"), forgotten_is="swapped", at_seams=True)
    found = in_calls(inputs, swapped={"h": "c", "c": "h"})
    np.testing.assert_allclose(faulty_trace(variant, inputs).hidden, found["hidden"], rtol=0, atol=1e-6)
