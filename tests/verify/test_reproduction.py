"""Whether a known bug gives every number of a trace: final states, padding, and the limits of whole runs."""

from dataclasses import replace

import numpy as np
import pytest

from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.engine import StepWindow, faulty_trace
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.verify import reproduction
from rnnviz.verify.reproduction import reproduces
from tests.profiles import nightly_except
from tests.verify.audit_helpers import inputs_of

BUG = KNOWN_BUGS["no-h2h-bias"].variants["lstm"][0]


def inputs_with(lengths: list[int] | None = None, timesteps: int = 5, **network: object) -> Inputs:
    given = {} if lengths is None else {"lengths": lengths}
    sizes = {"cell": "lstm", "hidden_size": 4, "num_layers": 2, "bidirectional": True, **network}
    return inputs_of({"timesteps": timesteps, "batch_size": 3, **given}, {"bias": "uniform"}, **sizes)


def given_by(fault: BugVariant, inputs: Inputs, trace: Trace, *, steps: int = 5, filled: bool = False) -> bool:
    samples = tuple(range(inputs.batch_size))
    windows = [StepWindow(*lane, steps, samples) for lane in np.ndindex(trace.shape[:2])]
    return reproduces(fault, inputs, trace, windows, padding_filled=filled)


def moved(trace: Trace, name: str, index: tuple[int, ...], by: float) -> Trace:
    array = np.array(trace[name])
    array[index] += by
    return trace.with_arrays({name: array})


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("lengths", [None, [3, 5, 1]])
def test_the_final_cell_state_of_every_lane_and_sample_follows(lengths, recorded):
    inputs = inputs_with(lengths)
    trace = faulty_trace(BUG, inputs)
    trace = trace if recorded else trace.with_arrays({"c": None})
    assert given_by(BUG, inputs, trace)
    for index in np.ndindex(4, 3):
        for by in (1e-4, -1e-4, np.nan):
            assert not given_by(BUG, inputs, moved(trace, "state.c", (*index, 2), by)), index


def test_final_cell_states_follow_over_blocks_of_steps(monkeypatch):
    monkeypatch.setattr(reproduction, "_BLOCK_VALUES", 1)
    inputs = inputs_with([3, 5, 1])
    trace = faulty_trace(BUG, inputs).with_arrays({"c": None})
    assert given_by(BUG, inputs, trace)
    for sample in range(3):
        assert not given_by(BUG, inputs, moved(trace, "state.c", (0, sample, 2), 1e-4)), sample


KINDS = {
    "state-not-carried": (None, [3, 5, 1]),
    "batch-as-time": (None, [3, 5, 4]),
    "reverse-not-realigned": (None, [3, 5, 1]),
    "concat-swapped": (None,),
    "final-state-at-last-timestep": (None, [3, 5, 1]),
    "sorted-order-not-restored": ([3, 5, 1],),
    "lengths-off-by-one": ([3, 5, 1],),
}
"""Known bugs that read other steps, samples or states, with lengths of the samples."""


@pytest.mark.parametrize(("name", "lengths"), [(name, own) for name, every in KINDS.items() for own in every])
def test_a_bug_gives_its_own_trace_and_none_with_another_number(name, lengths):
    inputs = inputs_with(lengths)
    for fault in KNOWN_BUGS[name].faults(inputs.network):
        trace = faulty_trace(fault, inputs)
        filled = any(trace.hidden[:, :, length:, n].any() for n, length in enumerate(lengths or ()))
        trace.clear_padding()
        assert given_by(fault, inputs, trace, filled=filled)
        for array, index in (("h", (1, 0, 0, 1, 2)), ("out", (0, 1, 1)), ("state.h", (0, 1, 2))):
            assert not given_by(fault, inputs, moved(trace, array, index, 1e-3), filled=filled), array


def test_final_states_beyond_the_window_are_not_compared():
    inputs = inputs_with()
    trace = moved(faulty_trace(BUG, inputs), "state.c", (1, 2, 0), 1.0)
    assert given_by(BUG, inputs, trace, steps=4)
    assert not given_by(BUG, inputs, trace, steps=5)


def test_a_final_state_that_a_recording_lacks_is_not_compared():
    inputs = inputs_with()
    trace = moved(faulty_trace(BUG, inputs), "state.c", (1, 2, 0), 1.0)
    assert given_by(BUG, inputs, replace(trace, missing=frozenset({"state.c"})))


@pytest.mark.parametrize("name", nightly_except(["h", "c", "out", "state.h"], "h", "state.h"))
def test_a_step_is_within_eight_bounds(name):
    inputs = inputs_with()
    trace = faulty_trace(BUG, inputs)
    index = {"h": (1, 0, 4, 2, 3), "c": (0, 1, 0, 1, 2), "out": (4, 0, 3), "state.h": (3, 1, 1)}[name]
    assert given_by(BUG, inputs, moved(trace, name, index, 1e-8))
    assert not given_by(BUG, inputs, moved(trace, name, index, 1e-4))


IGNORED = KNOWN_BUGS["lengths-ignored"].variants["rnn_relu"][0]


def test_a_run_with_padding_has_limits_of_its_own_at_each_time_step():
    """Values grow a thousand times from step to step: what is within rounding at the end is not at the beginning."""
    inputs = inputs_with([2, 4, 4], 4, cell="rnn_relu", num_layers=1, bidirectional=False)
    grown = inputs.parameters
    weights = {name: array * (500.0 if name.endswith("h2h_weight") else 1.0) for name, array in grown.items()}
    inputs = replace(inputs, parameters=type(grown)(inputs.network, weights))
    made = faulty_trace(IGNORED, inputs)
    hidden = np.array(made.hidden)
    assert np.abs(hidden[0, 0, -1]).max() > 1e6 * np.abs(hidden[0, 0, 0]).max()
    made.clear_padding()
    unit = int(np.abs(hidden[0, 0, 0, 1]).argmax())
    assert given_by(IGNORED, inputs, made, filled=True)
    assert not given_by(IGNORED, inputs, made)
    for by in (0.01, -0.01):
        assert not given_by(IGNORED, inputs, moved(made, "h", (0, 0, 0, 1, unit), by), filled=True)
