"""Causes of recordings that lack hidden values: a change in one lane is named with its place, or nothing is."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace, with_missing
from rnnviz.engines.recorded_outputs import RecordedEngine
from rnnviz.verify.audit import audit
from rnnviz.verify.diagnosis import Diagnosis, explain
from rnnviz.verify.partial_recordings import explain_recording
from tests.oracles.computed import computed
from tests.verify.drawn_bugs import drawn
from tests.verify.faulty_traces import plain_trace
from tests.verify.planted import PARTS, Planted, planted, planted_trace, small_inputs

OUTPUT, STATE, BOTH = ("output",), ("state",), ("output", "state")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recordings")


def recorded(folder: Path, inputs: Inputs, trace: Trace, kept: tuple[str, ...]) -> Trace:
    """A recording of some arrays of a trace."""
    arrays = {"output": trace.output_in(inputs.network.layout), "state": trace.state_h}
    path = folder / "recorded.npz"
    np.savez(path, **{name: arrays[name] for name in kept})
    made, report = computed(RecordedEngine(f"recording:{path}"), inputs)
    return with_missing(made, report.missing)


def explained(inputs: Inputs, trace: Trace) -> Diagnosis:
    return explain(inputs, trace, audit(inputs, trace, full=True))


def assert_named(found: Diagnosis, inputs: Inputs, bug: Planted) -> None:
    """The bug is the only cause, in its lanes, or several are as good."""
    if found.candidates > 1:
        return
    (cause,) = found.causes
    assert bug.name in (cause.name, *cause.aliases), (bug.name, cause)
    lanes = np.ndindex(inputs.network.num_layers, inputs.network.directions)
    assert {lane for lane in lanes if cause.covers(*lane)} == bug.lanes


FEW = {"no-h2h-bias", "state-two-before", "initial-state-ignored"}
NAMES = [pytest.param(name, marks=[] if name in FEW else [pytest.mark.slow]) for name in sorted(PARTS)]


@pytest.mark.parametrize("name", NAMES)
def test_a_bug_in_the_top_layer_of_a_recorded_output_is_named(name, folder):
    inputs = small_inputs(8, 3, cell="gru", num_layers=3)
    bug = Planted(name, frozenset({(2, 1)}), **PARTS[name])
    found = explained(inputs, recorded(folder, inputs, planted_trace(inputs, bug), OUTPUT))
    assert_named(found, inputs, bug)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ways", [1, 2])
def test_a_bug_below_recorded_outputs_is_named(name, ways, folder):
    inputs = small_inputs(7, 3, cell="gru", hidden_size=4, bidirectional=ways == 2)
    bug = Planted(name, frozenset({(0, ways - 1)}), **PARTS[name])
    found = explained(inputs, recorded(folder, inputs, planted_trace(inputs, bug), OUTPUT))
    assert_named(found, inputs, bug)


def test_the_step_from_which_on_a_lower_layer_is_wrong_is_named(folder):
    inputs = small_inputs(12, 3, cell="lstm", bidirectional=False)
    bug = Planted("no-h2h-bias", frozenset({(0, 0)}), first=5, **PARTS["no-h2h-bias"])
    (cause,) = explained(inputs, recorded(folder, inputs, planted_trace(inputs, bug), OUTPUT)).causes
    assert (cause.name, cause.where.layers, cause.where.steps) == ("no-h2h-bias", (0,), (5, 11))


@pytest.mark.parametrize("kept", [STATE, BOTH])
@pytest.mark.parametrize("name", NAMES)
def test_a_bug_below_final_states_is_named(name, kept, folder):
    inputs = small_inputs(8, 3, cell="gru", num_layers=3)
    bug = Planted(name, frozenset({(1, 1)}), **PARTS[name])
    found = explained(inputs, recorded(folder, inputs, planted_trace(inputs, bug), kept))
    assert_named(found, inputs, bug)


def test_a_change_of_several_lanes_is_one_cause_of_their_final_states(folder):
    inputs = small_inputs(8, 3)
    bug = Planted("state-two-before", frozenset({(0, 1), (1, 1)}), **PARTS["state-two-before"])
    found = explained(inputs, recorded(folder, inputs, planted_trace(inputs, bug), STATE))
    assert_named(found, inputs, bug)


def test_the_distance_of_lost_states_is_named(folder):
    # Of several distances with the same last loss, none is named.
    inputs = small_inputs(8, 3, num_layers=1, bidirectional=False)
    lost = {"state": PARTS["state-not-carried"]["state"]}
    bugs = [Planted("state-not-carried", frozenset({(0, 0)}), first=k, every=k, **lost) for k in (5, 3)]
    unique, several = (explained(inputs, recorded(folder, inputs, planted_trace(inputs, b), STATE)) for b in bugs)
    (cause,) = unique.causes
    assert (cause.name, cause.where.every, cause.where.steps) == ("state-not-carried", 5, (5, 5))
    assert (several.causes, several.candidates) == ((), 3)


def test_the_step_from_which_on_the_top_layer_is_wrong_is_named(folder):
    inputs = small_inputs(12, 3, cell="gru", bidirectional=False)
    bug = Planted("no-h2h-bias", frozenset({(1, 0)}), first=5, **PARTS["no-h2h-bias"])
    (cause,) = explained(inputs, recorded(folder, inputs, planted_trace(inputs, bug), OUTPUT)).causes
    assert (cause.name, cause.where.layers, cause.where.steps) == ("no-h2h-bias", (1,), (5, 11))


def skipped(inputs: Inputs) -> Trace:
    """The values of a network of two layers without the second one."""
    right = plain_trace(inputs)
    hidden = np.array(right.hidden)
    hidden[1] = hidden[0]
    finals = right.state_h.reshape(2, -1, *right.state_h.shape[1:])
    arrays = {"h": hidden, "out": np.concatenate([*hidden[1]], axis=-1), "state.h": np.concatenate([finals[0]] * 2)}
    return right.with_arrays(arrays)


@pytest.mark.parametrize("kept", [OUTPUT, STATE, BOTH, ()])
def test_a_layer_that_is_skipped_is_named_in_both_directions(kept, folder):
    inputs = small_inputs(6, 3, cell="gru")
    trace = skipped(inputs)
    (cause,) = explained(inputs, recorded(folder, inputs, trace, kept) if kept else trace).causes
    assert (cause.name, cause.where.layers, cause.where.directions) == ("layer-not-computed", (1,), ())


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), cell=st.sampled_from(["lstm", "gru"]), kept=st.sampled_from([OUTPUT, STATE, BOTH]))
def test_nothing_is_named_where_no_change_explains_the_recording(seed, cell, kept, folder):
    generator = np.random.default_rng(seed)
    inputs = small_inputs(6, 2, cell=cell, num_layers=1 + seed % 3, bidirectional=seed % 2 == 0)
    right = plain_trace(inputs)
    noise = {
        name: array + generator.normal(scale=10.0 ** generator.uniform(-4, 0), size=array.shape).astype(array.dtype)
        for name, array in (("out", right.output), ("state.h", right.state_h))
    }
    assert explain_recording(inputs, recorded(folder, inputs, right.with_arrays(noise), kept)).causes == ()


@pytest.mark.slow
@pytest.mark.parametrize("kept", [OUTPUT, STATE])
def test_nearly_all_drawn_bugs_of_recordings_are_named(kept, folder):
    counts = Counter[bool]()
    for seed in range(60):
        inputs, bug = drawn(seed)
        bug = replace(bug, first=0, last=None, every=1, samples=(), units=())
        trace, right = planted(inputs, bug).trace, planted(inputs, replace(bug, lanes=frozenset())).trace
        made = recorded(folder, inputs, trace, kept)
        apart = np.abs(trace.state_h - right.state_h).max(), np.abs(trace.output - right.output).max()
        if made.partial and apart[kept == OUTPUT] > 1e-4:
            found = explain_recording(inputs, made)
            counts[bool(found.causes)] += 1
            # A layer whose values are out of place may be one above it that reads them so.
            if bug.name != "reverse-not-realigned":
                assert all(cause.covers(*lane) for cause in found.causes for lane in bug.lanes), (seed, found.causes)
    assert counts[True] >= 0.9 * counts.total(), counts
