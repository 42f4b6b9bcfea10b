"""The step audit: correct engines pass, and of a wrong one the first wrong step is named."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.cells.interpreters.bounded import BoundedLayer
from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.core.config import Network
from rnnviz.core.trace_index import Location
from rnnviz.engines.manual import ManualEngine
from rnnviz.io.inputs import load_inputs
from rnnviz.steps.inputs import bounded_layer
from rnnviz.verify.audit import audit, audit_pass
from rnnviz.verify.forward_pass import ForwardPass
from tests.oracles.computed import computed
from tests.profiles import nightly_except
from tests.strategies import configs
from tests.verify.audit_helpers import (
    audit_of,
    engine_or_skip,
    inputs_of,
    touched_trace,
    with_parameters,
    with_sequence,
)
from tests.verify.traces import changed, locations

CELLS = ("rnn_relu", "rnn_tanh", "lstm", "gru")


@given(config=configs())
def test_the_manual_recurrence_is_right_at_every_step(config):
    inputs = load_inputs(config)
    trace, _ = computed(ManualEngine(), inputs)
    found = audit(inputs, trace)
    assert (found.verdict, found.wrong, found.first_wrong) == ("right", 0, None)
    assert found.audited == found.elements == trace.hidden.size
    assert found.coverage == 1.0
    assert found.worst_ratio < 3.0
    assert found.worst_ratio == found.ratio_over_time.max()
    assert found.ratio_over_time[found.worst_at.index[:3]] == found.worst_ratio


@given(config=configs(), data=st.data())
def test_a_value_that_is_moved_beyond_its_bound_is_the_first_wrong_step(config, data):
    inputs = load_inputs(config)
    trace, _ = computed(ManualEngine(), inputs)
    where = data.draw(locations(trace.shape))
    moved = changed(trace, {where: float(trace.hidden[where.index]) + 0.01}, "moved")
    found = audit(inputs, moved)
    assert found.verdict == "wrong"
    assert found.first_wrong is not None
    assert found.first_wrong.where.location == where
    assert found.first_wrong.value == moved.hidden[where.index]
    assert found.first_wrong.expected == pytest.approx(float(trace.hidden[where.index]), abs=1e-4)
    flagged = {tuple(place) for place in np.argwhere(found.ratio_over_time > ALLOWED)}
    assert flagged <= readers(config.network, inputs.timesteps, where) | {where.index[:3]}


def readers(network: Network, timesteps: int, where: Location) -> set[tuple[int, ...]]:
    """The lanes and time steps whose step reads the value: the next of its lane, and those above at the same t.

    The cell state of an LSTM, which only the audit knows, passes it on to all later steps.
    """
    lanes = [(where.layer, where.direction)]
    lanes += [(where.layer + 1, d) for d in range(network.directions) if where.layer + 1 < network.num_layers]
    reading = set()
    for layer, direction in lanes:
        way = -1 if direction else 1
        first = where.timestep + (way if layer == where.layer else 0)
        times = range(first, -1 if direction else timesteps, way)
        reading |= {(layer, direction, t) for t in (times if network.cell == "lstm" else times[:1])}
    return reading


@given(config=configs(), data=st.data())
def test_the_first_wrong_step_is_the_first_in_the_order_of_computation(config, data):
    inputs = load_inputs(config)
    places = data.draw(st.sets(locations(inputs.hidden_shape), min_size=1, max_size=4))

    def touch(layer, direction, t, h):
        for place in places:
            if (layer, direction, t) == place.index[:3]:
                h[place.sample, place.unit] += 0.25

    found = audit(inputs, touched_trace(inputs, touch))
    first = min(places, key=lambda p: (p.layer, p.direction, -p.timestep if p.direction else p.timestep, *p.index[3:]))
    assert found.wrong == len(places)
    assert found.first_wrong is not None
    assert found.first_wrong.where.location == first


@pytest.mark.parametrize("cell", CELLS)
def test_a_perturbation_within_the_bound_passes_and_one_of_a_hundred_bounds_does_not(cell):
    inputs = inputs_of({"timesteps": 4, "batch_size": 2}, cell=cell, hidden_size=16)

    def nudge(by):
        def touch(layer, direction, t, h):
            if t == 2:
                h[h != 0] += by

        return touched_trace(inputs, touch)

    eps = float(np.finfo(np.float32).eps)
    assert audit(inputs, nudge(eps / 2)).verdict == "right"
    assert audit(inputs, nudge(2000 * eps)).verdict == "wrong"


def test_a_float64_network_is_held_to_float64():
    inputs = inputs_of({"timesteps": 5}, cell="gru", hidden_size=8, dtype="float64")
    trace, _ = computed(ManualEngine(), inputs)
    rounded = trace.with_arrays({"h": trace.hidden.astype(np.float32).astype(np.float64)})
    assert audit(inputs, trace).verdict == "right"
    assert audit(inputs, rounded).verdict == "wrong"


@given(
    places=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=4),
    values=st.lists(st.sampled_from([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e20]), min_size=4, max_size=4),
    config=configs(input_size=3, num_layers=2, dtype="float32"),
)
def test_the_manual_recurrence_is_right_whatever_several_inputs_are(config, places, values):
    inputs = load_inputs(config)
    sequence = np.array(inputs.sequence)
    for (t, feature), value in zip(places, values, strict=False):
        sequence[t % len(sequence), 0, feature] = value
    assert audit_of(ManualEngine(), with_sequence(inputs, sequence)).verdict == "right"


def test_an_infinity_that_leads_to_nan_must_be_nan():
    inputs = inputs_of({"timesteps": 2, "batch_size": 1}, cell="rnn_tanh", hidden_size=6)
    sequence = np.array(inputs.sequence)
    sequence[0, 0, :2] = np.inf, -np.inf
    inputs = with_sequence(inputs, sequence)
    trace, _ = computed(ManualEngine(), inputs)
    nans = np.argwhere(np.isnan(trace.hidden[0, 0, 0, 0]))
    assert len(nans)
    found = audit(inputs, changed(trace, {Location(0, 0, 0, 0, int(nans[0, 0])): 1.0}))
    assert found.first_wrong is not None
    assert found.first_wrong.where.location == Location(0, 0, 0, 0, int(nans[0, 0]))
    assert np.isnan(found.first_wrong.expected)


@pytest.mark.parametrize("dtype", nightly_except(["float32", "float64"], "float32"))
def test_an_overflow_to_infinity_is_not_a_wrong_step(dtype):
    inputs = inputs_of(
        {"timesteps": 250, "batch_size": 3},
        {"scale": 6.0},
        cell="rnn_relu",
        hidden_size=16,
        num_layers=2,
        bidirectional=True,
        dtype=dtype,
    )
    for engine in ("manual", "torch"):
        trace, _ = computed(engine_or_skip(engine), inputs)
        assert not np.isfinite(trace.hidden).all()
        assert audit(inputs, trace).verdict == "right"


@pytest.mark.parametrize("cell", CELLS)
def test_a_nan_in_the_input_shows_only_gluons_relu_as_wrong(cell):
    inputs = inputs_of({"timesteps": 3}, cell=cell, hidden_size=10)
    sequence = np.array(inputs.sequence)
    sequence[1, 4, 2] = np.nan
    inputs = with_sequence(inputs, sequence)
    found = audit_of(engine_or_skip("gluon"), inputs)
    assert found.verdict == ("wrong" if cell == "rnn_relu" else "right")
    if found.first_wrong is not None:
        assert found.first_wrong.where.location == Location(0, 0, 1, 4, 0)
        assert found.first_wrong.value == 0.0
        assert np.isnan(found.first_wrong.expected)
    assert audit_of(ManualEngine(), inputs).verdict == "right"


def test_progress_is_the_fraction_of_all_steps_for_any_block_size():
    inputs = inputs_of({"timesteps": 4, "batch_size": 3}, cell="rnn_tanh", hidden_size=5, bidirectional=True)
    trace, _ = computed(ManualEngine(), inputs)
    for values, steps in ((1 << 19, 1), (30, 2), (15, 4), (1, 12)):
        told: list[float] = []
        audit_pass(ForwardPass(inputs, trace, block_values=values), progress=told.append)
        assert told == pytest.approx([step / steps / 2 for step in range(1, 2 * steps + 1)])


def test_blocks_of_time_and_samples_are_seamless():
    for cell in CELLS:
        sizes = {"hidden_size": 5, "num_layers": 2, "bidirectional": True}
        inputs = inputs_of({"timesteps": 23, "batch_size": 7}, cell=cell, **sizes)
        trace, _ = computed(ManualEngine(), inputs)
        whole = audit(inputs, trace)
        assert whole.verdict == "right"
        found = audit_pass(ForwardPass(inputs, trace, block_values=200))
        assert found.audited == whole.audited
        np.testing.assert_allclose(found.ratio_over_time, whole.ratio_over_time, rtol=1e-6, atol=1e-6)


def test_recorded_cell_states_keep_the_bounds_of_a_long_sequence_small():
    """The forget gate is open: without its own states the bound of c would grow from step to step, and with it h's."""

    def keep(name, array):
        return np.r_[array[:5] - 3.0, array[5:10] + 12.0, array[10:]] if name.endswith("i2h_bias") else array

    inputs = inputs_of({"timesteps": 400, "batch_size": 2}, cell="lstm", hidden_size=5, dtype="float64")
    inputs = with_parameters(inputs, keep)
    trace, _ = computed(ManualEngine(), inputs)
    assert trace.cell is not None
    assert audit(inputs, trace).worst_ratio < 2.0
    unaided = trace.with_arrays({"c": None, "state.c": None})
    bounds = []
    for recorded in (trace, unaided):
        shifted = recorded.with_arrays({"h": np.array(trace.hidden)})
        for size in np.geomspace(1e-15, 1e-10, 21):
            shifted.hidden[0, 0, 399] = trace.hidden[0, 0, 399] + size
            if audit(inputs, shifted, full=True).wrong == 10:
                bounds.append(size)
                break
    assert bounds[0] < bounds[1]


@pytest.mark.parametrize("lane", [None, 0, 1, 2, 3])
def test_final_cell_states_of_every_lane_are_checked(lane):
    inputs = inputs_of({"timesteps": 5, "batch_size": 2}, cell="lstm", hidden_size=3, num_layers=2, bidirectional=True)
    trace, _ = computed(ManualEngine(), inputs)
    assert trace.state_c is not None
    final = np.array(trace.state_c)
    if lane is not None:
        final[lane, 1, 2] += 0.125
    checks = {check.name: check.holds for check in audit(inputs, trace.with_arrays({"state.c": final})).checks}
    assert checks == {
        "cell follows from the hidden states": True,
        "state[1] follows from the hidden states": lane is None,
    }


def test_an_upper_layer_reads_values_that_were_rounded_when_stored():
    inputs = inputs_of({"timesteps": 5, "batch_size": 2}, {"scale": 0.8}, cell="rnn_relu", hidden_size=20, num_layers=3)
    trace, _ = computed(ManualEngine(), inputs)
    half = replace(trace, precision="float16", computed_in="float32")
    layers = [bounded_layer(inputs, half, k, 0, None) for k in (0, 1)]
    plain = [
        BoundedLayer(inputs.network.kind, vars(inputs.parameters.layer(k, 0)), None, 0.0, "float16") for k in (0, 1)
    ]
    x, h = np.ones((5, 2, 5)), np.ones((5, 2, 20))
    bounds = [
        next(iter(layer.parts(x if k == 0 else h, h).values())).bound
        for layer, k in zip((*layers, *plain), (0, 1, 0, 1), strict=True)
    ]
    np.testing.assert_array_equal(bounds[0], bounds[2])
    assert (bounds[1] > bounds[3]).all()


def test_rounded_cell_states_follow_from_rounded_hidden_states():
    inputs = inputs_of({"timesteps": 5, "batch_size": 2}, cell="lstm", hidden_size=6)
    trace, _ = computed(ManualEngine(), inputs)
    rounded = trace.with_arrays(
        {name: np.asarray(trace[name]).astype(np.float16).astype(np.float32) for name in ("h", "c", "state.c")}
    )
    found = audit(inputs, replace(rounded, precision="float16", computed_in="float32"))
    assert found.verdict == "right"
    assert [check.holds for check in found.checks] == [True, True]
