"""The step audit of both passes: correct engines pass, and of a wrong one the first wrong step is named."""

from dataclasses import replace
from itertools import islice, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnviz.cells.interpreters.bounded import BoundedLayer
from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.core.config import Backward, Network
from rnnviz.core.gradients import OF_PARAMETERS
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.engines.base import Engine
from rnnviz.engines.custom_code.cell_file import load_cell
from rnnviz.engines.manual import ManualEngine
from rnnviz.engines.registry import ENGINES, load_engine
from rnnviz.io.inputs import load_inputs
from rnnviz.steps.inputs import bounded_layer
from rnnviz.verify import audited
from rnnviz.verify.audit import audit, audit_pass
from rnnviz.verify.backward_pass import BackwardPass
from rnnviz.verify.compare import compare_all
from rnnviz.verify.forward_pass import ForwardPass
from rnnviz.verify.verdict import AuditVerdict
from tests.cases import cases
from tests.cells.test_random_steps import random_cell
from tests.explain.test_every_cell import NETWORKS
from tests.oracles.computed import computed
from tests.oracles.finite_differences import slopes
from tests.profiles import nightly_except
from tests.strategies import configs, every_cell_configs
from tests.verify.audit_helpers import (
    audit_of,
    engine_or_skip,
    inputs_of,
    touched_trace,
    with_parameters,
    with_sequence,
)
from tests.verify.gradient_traces import backward_inputs, traced
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


@pytest.mark.parametrize("seed", range(3))
def test_a_product_that_overflows_is_not_a_wrong_step(seed):
    """z of softplus makes h larger than float32 can be, in a sum of two products."""
    network = {"cell": "gru", "hidden_size": 8, "activations": ["softplus", "softsign"]}
    inputs = inputs_of({"timesteps": 12, "batch_size": 2}, {"scale": 2.0, "seed": seed, "bias": "uniform"}, **network)
    with np.errstate(all="ignore"):
        trace, _ = computed(ManualEngine(), inputs)
        found = audit(inputs, trace, full=True)
    assert not np.isfinite(trace.hidden).all()
    assert found.wrong == 0
    assert 0.0 < found.undetermined < 1.0


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


RIGHT = 2.5
"""The limit of correct engines with random weights: far from the eight bounds that are allowed."""


@pytest.fixture(scope="module", params=["manual", "gluon", "torch"])
def each_engine(request):
    return engine_or_skip(request.param)


@pytest.fixture(scope="module")
def engine():
    return load_engine("manual")


GRADIENT_RUNS = {
    "lstm": backward_inputs(num_layers=2, bidirectional=True, sequence={"lengths": [4, 9, 1]}),
    "truncated": backward_inputs(num_layers=2, bidirectional=True, backward={"truncate": 3}, dtype="float64"),
    "reverse": backward_inputs(cell="gru", reverse=True, sequence={"lengths": [9, 2, 5]}, backward={"truncate": 2}),
    "value": backward_inputs(cell="rnn_tanh", num_layers=2, backward={"loss": "value", "value": [0, 0, 5, 1, 2]}),
    "relu": backward_inputs(cell="rnn_relu", num_layers=2, bidirectional=True),
}


@pytest.mark.parametrize("name", nightly_except(GRADIENT_RUNS, "lstm", "truncated", "reverse"))
def test_correct_engines_are_within_their_bounds(each_engine, name):
    found = audit(GRADIENT_RUNS[name], traced(each_engine, GRADIENT_RUNS[name]), way="backward")
    assert found.verdict is AuditVerdict.RIGHT
    assert found.worst_ratio < RIGHT, found.worst_at
    assert found.coverage == 1.0
    assert found.undetermined < 0.01
    computed = np.isfinite(found.ratio_over_time)
    assert computed.all()


def assert_slopes(inputs: Inputs, trace: Trace) -> None:
    """Gradients are those of finite differences."""
    for name, slope, expected in slopes(inputs, trace):
        assert slope == pytest.approx(expected, abs=1e-5), (inputs.config, name)


@pytest.mark.parametrize("name", [name for name in GRADIENT_RUNS if name not in ("truncated", "reverse")])
def test_gradients_are_those_of_finite_differences(engine, name):
    assert_slopes(GRADIENT_RUNS[name], traced(engine, GRADIENT_RUNS[name]))


@pytest.mark.nightly
@pytest.mark.timeout(1800)
@settings(max_examples=120, deadline=None)
@given(every_cell_configs(), st.sampled_from(("sum", "normal")), st.none() | st.integers(1, 4), st.data())
def test_correct_engines_are_never_wrong(config, loss, truncate, data):
    backward = Backward(enabled=True, loss=loss, final_state="normal", truncate=truncate)
    timesteps, samples = config.sequence.timesteps, config.sequence.batch_size
    lengths = data.draw(st.none() | st.lists(st.integers(1, timesteps), min_size=samples, max_size=samples))
    sequence = replace(config.sequence, lengths=None if lengths is None else tuple(lengths))
    inputs = load_inputs(replace(config, sequence=sequence, backward=backward).checked())
    traces = {}
    for name in ("manual", "gluon", "torch"):
        reason = ENGINES[name].unsupported_reason(inputs.network)
        # MXNet computes some functions of float64 in float32.
        if reason is None and (name, inputs.network.dtype) != ("gluon", "float64"):
            traces[name] = traced(engine_or_skip(name), inputs, name)
    for trace in traces.values():
        found = audit(inputs, trace, way="backward")
        assert found.worst_ratio < RIGHT, (trace.engine, found.worst_at)


def custom_inputs(seed: int, **sequence: Any) -> Inputs:
    """Inputs of the custom cell `random_cell` of this seed."""
    inputs = backward_inputs(num_layers=2, hidden_size=4, sequence={"timesteps": 5, **sequence})
    network = replace(inputs.network, cell="./mine.py")
    return load_inputs(replace(inputs.config, network=network).with_custom_cell(random_cell(seed)))


@pytest.mark.parametrize(
    "seeds",
    [(1, 2, 6, 35, 46, 111, 115), pytest.param(range(60), marks=[pytest.mark.nightly, pytest.mark.timeout(900)])],
)
def test_custom_cells(each_engine, seeds):
    """Among the first ones are states that are parameters, the same value, or an input part."""
    for seed in seeds:
        inputs = custom_inputs(seed)
        trace = traced(each_engine, inputs)
        for one in (trace, trace.with_arrays({"grad.c": None})):
            found = audit(inputs, one, way="backward")
            assert found.worst_ratio < RIGHT, (seed, found.worst_at)
        if isinstance(each_engine, ManualEngine):
            assert_slopes(inputs, trace)


def test_gradients_of_a_relu_in_float64_that_mxnet_rounds_to_float32_are_found():
    inputs = backward_inputs(cell="rnn_relu", num_layers=2, dtype="float64")
    found = audit(inputs, traced(engine_or_skip("gluon"), inputs), way="backward")
    assert found.verdict is AuditVerdict.WRONG
    assert found.first_wrong is not None
    assert found.first_wrong.value == pytest.approx(found.first_wrong.expected, rel=1e-6)


def test_an_activation_of_which_one_branch_is_a_number():
    inputs = backward_inputs(cell="gru", activations=["sigmoid", "thresholded_relu"])
    found = audit(inputs, traced(engine_or_skip("gluon"), inputs), way="backward")
    assert found.verdict is AuditVerdict.RIGHT


def test_cells_of_open_forget_gates_keep_their_bounds(engine):
    """The rounding of c adds up over time, and the backward pass may compute c again."""
    inputs = backward_inputs(sequence={"timesteps": 300, "batch_size": 1}, hidden_size=16)

    def opened(name, array):
        if name.endswith("h2h_bias"):
            array[16:32] += 12.0
        return array

    inputs = with_parameters(inputs, opened)
    found = audit(inputs, traced(engine, inputs), way="backward")
    assert found.worst_ratio < RIGHT
    assert found.undetermined < 0.2


@pytest.mark.parametrize("name", ["lstm", "truncated"])
def test_blocks_of_time_and_parts_of_the_samples_change_nothing(engine, name, monkeypatch):
    inputs = GRADIENT_RUNS[name]
    trace = traced(engine, inputs)
    whole = audit(inputs, trace, way="backward")
    monkeypatch.setattr(audited, "_MOST_VALUES", 1)
    parts = audit_pass(BackwardPass(inputs, trace, block_values=2 * 24))
    assert (parts.audited, parts.wrong) == (whole.audited, 0)
    np.testing.assert_allclose(parts.ratio_over_time, whole.ratio_over_time, rtol=0.2, atol=0.05)


@pytest.mark.parametrize(("name", "at"), cases(__file__)["places-of-gradients"])
def test_a_changed_gradient_is_the_first_wrong_one(engine, name, at):
    inputs, at = GRADIENT_RUNS["lstm"], tuple(at)
    trace = traced(engine, inputs)
    right = float(trace[name][at])
    trace[name][at] += 0.01
    found = audit(inputs, trace, way="backward")
    assert found.verdict is AuditVerdict.WRONG
    assert found.wrong == 1 or name in ("grad.h", "grad.out", "grad.c", "grad.f")
    assert found.first_wrong is not None
    assert (found.first_wrong.where.array, found.first_wrong.where.index) == (name, at)
    assert found.first_wrong.expected == pytest.approx(right, rel=1e-4, abs=1e-5)


def test_initial_states_come_before_the_parameters_of_their_layer_and_those_before_the_sequence(engine):
    inputs = GRADIENT_RUNS["lstm"]
    trace = traced(engine, inputs)
    trace["grad.input"][2, 1, 1] += 0.01
    first = ("grad.input", (4, 1, 1)), (f"{OF_PARAMETERS}l0_h2h_bias", (0,)), (f"{OF_PARAMETERS}l0_i2h_weight", (9, 0))
    for name, at in (*first, ("grad.c0", (0, 1, 2)), ("grad.h0", (0, 2, 3))):
        trace[name][at] += 0.01
        found = audit(inputs, trace, way="backward")
        assert found.first_wrong is not None
        assert (found.first_wrong.where.array, found.first_wrong.where.index) == (name, at)


def test_states_that_a_trace_lacks_are_followed(engine):
    inputs = GRADIENT_RUNS["lstm"]
    trace = traced(engine, inputs)
    for lacking in ("c", "grad.c"):
        found = audit(inputs, trace.with_arrays({lacking: None}), way="backward")
        assert (found.verdict, found.coverage) == (AuditVerdict.RIGHT, 1.0)


def without(inputs: Inputs, **loss: object) -> Inputs:
    assert inputs.loss is not None
    return replace(inputs, loss=replace(inputs.loss, **loss))


def test_terms_that_an_engine_drops_are_found_where_they_are_dropped(engine):
    """The engine computes the gradients of another loss than the one that it is audited with."""
    inputs = backward_inputs(num_layers=2)
    assert inputs.loss is not None
    assert inputs.loss.out is not None
    out = np.array(inputs.loss.out)
    out[4, 1, 3] = 0.0
    first = {
        "truncated": (without(inputs, truncate=6), "grad.h", (1, 0, 5)),
        "no direct gradient": (without(inputs, out=out), "grad.out", (1, 0, 4, 1, 3)),
        "no final gradient": (
            without(inputs, state={s: 0 * a for s, a in inputs.loss.state.items()}),
            "grad.h",
            (1, 0, 8),
        ),
    }
    for altered, name, index in first.values():
        found = audit(inputs, traced(engine, altered), way="backward").first_wrong
        assert found is not None
        assert (found.where.array, found.where.index[: len(index)]) == (name, index)


def test_a_parameter_gradient_that_is_not_summed_over_time_is_found(engine):
    inputs = backward_inputs(cell="rnn_tanh")
    trace, last = traced(engine, inputs), traced(engine, without(inputs, truncate=1))
    trace[f"{OF_PARAMETERS}l0_h2h_weight"][...] = last[f"{OF_PARAMETERS}l0_h2h_weight"]
    found = audit(inputs, trace, way="backward")
    assert found.first_wrong is not None
    assert found.first_wrong.where.array == f"{OF_PARAMETERS}l0_h2h_weight"
    assert found.wrong <= trace[found.first_wrong.where.array].size


def test_gradients_that_are_not_finite(engine):
    """A NaN that follows from nothing is wrong; what follows from an infinity is not judged."""
    inputs = backward_inputs(cell="rnn_tanh")
    trace = traced(engine, inputs)
    trace["grad.h"][0, 0, 4, 0, 1] = np.nan
    found = audit(inputs, trace, way="backward")
    assert found.first_wrong is not None
    assert found.first_wrong.where.index == (0, 0, 4, 0, 1)
    assert found.worst_ratio == np.inf


@pytest.mark.parametrize(("scale", "wrong"), [(1e34, 0), (1e28, 1)])
def test_an_infinite_gradient_is_undetermined_where_its_factors_may_overflow(engine, scale, wrong):
    inputs = backward_inputs(cell="rnn_tanh")
    assert inputs.loss is not None
    assert inputs.loss.out is not None
    large = without(
        inputs,
        out=inputs.loss.out * np.float32(scale),
        state={s: a * np.float32(scale) for s, a in inputs.loss.state.items()},
    )
    trace = traced(engine, large)
    assert audit(large, trace, way="backward").verdict is AuditVerdict.RIGHT
    trace["grad.h0"][0, 1, 3] = np.inf
    found = audit(large, trace, way="backward")
    assert (found.wrong, found.undetermined_count) == (wrong, 1 - wrong)


def test_gradients_that_a_recording_lacks_are_not_audited(engine):
    inputs = backward_inputs()
    trace = traced(engine, inputs)
    missing = {"grad.h0", "grad.input", f"{OF_PARAMETERS}l0_h2h_bias"}
    altered = {name: np.full_like(trace[name], np.nan) for name in missing}
    recorded = replace(trace.with_arrays(altered), missing=frozenset(missing))
    found = audit(inputs, recorded, way="backward")
    assert (found.verdict, found.coverage) == (AuditVerdict.RIGHT, 1.0)
    without_h = replace(trace, missing=frozenset({"grad.h"}))
    assert audit(inputs, without_h, way="backward").verdict is AuditVerdict.NOT_AUDITED


@pytest.mark.parametrize(("computed_in", "undetermined"), [("", 0.9), ("float32", 0.0017), ("float16", 0.465)])
def test_gradients_recorded_in_half_precision(engine, computed_in, undetermined):
    inputs = GRADIENT_RUNS["lstm"]
    trace = traced(engine, inputs)
    rounded = {name: array.astype(np.float16).astype(array.dtype) for name, array in trace.items()}
    recorded = replace(trace.with_arrays(rounded), precision="float16", computed_in=computed_in)
    found = audit(inputs, recorded, way="backward")
    assert found.verdict is AuditVerdict.RIGHT
    assert found.undetermined == pytest.approx(undetermined, rel=0.1)


def test_kinks_are_undetermined(engine):
    """Libraries have either slope of a relu whose argument is 0 but for rounding."""
    sizes = {"hidden_size": 1, "input_size": 2}
    inputs = backward_inputs(cell="rnn_relu", sequence={"timesteps": 1, "batch_size": 1}, **sizes)
    weights = {name: np.zeros_like(array) for name, array in inputs.parameters.items()}
    weights["l0_i2h_weight"][...] = [[1.0, -1.0]]
    inputs = with_sequence(with_parameters(inputs, lambda name, _: weights[name]), np.array([[[1.1, 1.1]]]))
    trace = traced(engine, inputs)
    for slope in (0.0, 1.0):
        d = slope * trace["grad.h"][0, 0]
        of_parameters = {
            "i2h_bias": d[0],
            "h2h_bias": d[0],
            "i2h_weight": d * inputs.sequence[0],
            "h2h_weight": d * inputs.initial_state["h"][0],
        }
        other = {f"{OF_PARAMETERS}l0_{name}": array for name, array in of_parameters.items()}
        other["grad.input"] = d * [1.0, -1.0]
        found = audit(inputs, trace.with_arrays(other), way="backward")
        assert found.wrong == 0
        assert found.undetermined_count > 4


@pytest.fixture
def sampled(monkeypatch):
    """Audits of small runs as of large ones."""
    monkeypatch.setattr(audited, "FULL", 10)
    monkeypatch.setattr(audited, "WORK", 1)


@pytest.mark.usefixtures("sampled")
@pytest.mark.parametrize("cell", nightly_except(["lstm", "gru"], "gru"))
def test_a_large_run_is_audited_in_part(each_engine, cell):
    inputs = backward_inputs(cell=cell, num_layers=2, sequence={"batch_size": 12})
    trace = traced(each_engine, inputs)
    found = audit(inputs, trace, way="backward")
    assert 0.1 < found.coverage < 0.5
    assert found.verdict is AuditVerdict.RIGHT
    assert found.worst_ratio < RIGHT
    assert audit(inputs, trace, full=True, way="backward").coverage == 1.0
    name = f"{OF_PARAMETERS}l1_i2h_weight"
    if "grad.i" in trace or "grad.r" in trace:
        trace[name][0] += 0.1
        altered = audit(inputs, trace, way="backward").first_wrong
        assert altered is not None
        assert (altered.where.array, altered.where.index[0]) == (name, 0)
    trace["grad.h"][1, 0, 3, 0, 0] += 0.1
    altered = audit(inputs, trace, way="backward").first_wrong
    assert altered is not None
    assert altered.where.index == (1, 0, 3, 0, 0)


@pytest.mark.usefixtures("sampled")
@pytest.mark.parametrize(
    ("name", "row"), [("i2h_weight", 0), ("i2h_bias", 4), ("h2h_weight", 0), ("h2h_bias", 0), ("", 0)]
)
def test_some_rows_of_each_gate_are_audited_in_a_large_run(engine, name, row, tmp_path):
    """The only recurrent gate is the second one of the cell."""
    step = "def step(u, v, state, p):\n    f = sigmoid(u.f + v.f)\n    n = tanh(u.n)\n"
    text = f'gates = "n f"\nrecurrent_gates = "f"\n{step}    return Step(f=f, n=n, h=n + f * (state.h - n))\n'
    (tmp_path / "own.py").write_text(text, encoding="utf-8")
    config = backward_inputs(cell="gru", hidden_size=4).config
    config = replace(config, network=replace(config.network, cell="./own.py"))
    inputs = load_inputs(config.with_custom_cell(load_cell(tmp_path / "own.py")))
    trace = traced(engine, inputs)
    if name:
        trace[f"{OF_PARAMETERS}l0_{name}"][row] += 0.1
    found = audit(inputs, trace, way="backward").first_wrong
    where = None if found is None else (found.where.array, found.where.index[0])
    assert where == ((f"{OF_PARAMETERS}l0_{name}", row) if name else None)


@pytest.mark.usefixtures("sampled")
def test_of_a_large_run_the_samples_nearest_their_limit_are_followed(engine):
    inputs = backward_inputs(cell="gru", sequence={"batch_size": 12})
    trace, other = traced(engine, inputs), traced(engine, inputs, "other")
    largest = max(1.0, float(np.abs(trace["grad.h"]).max()))
    for sample, ratio in ((3, 0.6), (5, 0.8), (7, 0.9)):
        other["grad.h"][0, 0, 4, sample, 1] += ratio * largest
    comparison = compare_all(trace, other, 0.0, 1.0)
    for sample, seen in ((3, False), (5, True), (7, True)):
        altered = trace.with_arrays({"grad.h": np.array(trace["grad.h"])})
        altered["grad.h"][0, 0, 4, sample, 1] += 0.1
        assert (audit(inputs, altered, [comparison], way="backward").wrong > 0) == seen


@pytest.mark.usefixtures("sampled")
def test_a_long_run_is_audited_in_blocks_of_time():
    inputs = backward_inputs(num_layers=2, bidirectional=True, sequence={"batch_size": 1, "timesteps": 400})
    trace = traced(engine_or_skip("manual"), inputs)
    found = audit(inputs, trace, way="backward")
    assert 0.1 < found.coverage < 0.5
    assert found.verdict is AuditVerdict.RIGHT
    looked = np.isfinite(found.ratio_over_time)
    assert looked[..., [0, -1]].all()
    assert not looked.all()
    trace["grad.h"][0, 1, 0, 0, 2] += 0.1
    altered = audit(inputs, trace, way="backward").first_wrong
    assert altered is not None
    assert altered.where.index == (0, 1, 0, 0, 2)


@pytest.fixture(scope="module", params=["manual", "gluon", "onnx", "torch"])
def named(request):
    return request.param, engine_or_skip(request.param)


def with_forget_bias(inputs: Inputs, bias: float) -> Inputs:
    size = inputs.network.hidden_size

    def change(name: str, array: FloatArray) -> FloatArray:
        if name.endswith("h2h_bias"):
            array[size : 2 * size] += bias
        return array

    return with_parameters(inputs, change)


def assert_right(named: tuple[str, Engine], inputs: Inputs, most: float = RIGHT) -> None:
    """Every step is within its bound; where the engine is known to be wrong, nothing is asked."""
    name, computing = named
    network = inputs.network
    if network.dtype not in ENGINES[name].dtypes or (name == "gluon" and (network.cell, network.dtype) == BUG):
        return
    trace, _ = computed(computing, inputs)
    if name in ("gluon", "onnx") and network.cell == "rnn_relu" and not np.isfinite(trace.hidden).all():
        # Their relu turns NaN into 0.
        return
    found = audit(inputs, trace, full=True)
    assert found.coverage == 1.0
    assert found.worst_ratio < most, (name, network, found)


BUG = ("rnn_relu", "float64")
"""The cases that MXNet rounds to float32 inside its kernel."""


SMALL = ((1, 120), (16, 60), (96, 20))
LARGE = ((1, 500), (16, 500), (64, 300), (256, 120), (512, 60), (1024, 20))


@pytest.mark.parametrize("cell", nightly_except(CELLS, "rnn_relu", "lstm"))
@pytest.mark.parametrize("dtype", nightly_except(("float32", "float64"), "float32"))
@pytest.mark.parametrize("sizes", [SMALL, pytest.param(LARGE, marks=[pytest.mark.nightly, pytest.mark.timeout(1200)])])
def test_right_engines_are_right(named, cell, dtype, sizes):
    cases = product(sizes, (0.05, 1.0, 6.0), (0.0, 12.0) if cell == "lstm" else (0.0,))
    # Every second one: the other type has the rest.
    for (size, timesteps), scale, forget in islice(cases, dtype == "float64", None, 2):
        inputs = inputs_of(
            {"timesteps": timesteps, "batch_size": 2},
            {"scale": scale},
            cell=cell,
            hidden_size=size,
            bidirectional=size < 512,
            num_layers=2 if size < 512 else 1,
            dtype=dtype,
        )
        assert_right(named, with_forget_bias(inputs, forget) if forget else inputs)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("scale", nightly_except((1.0, 3.0), 3.0))
def test_saturated_gates_are_judged(named, cell, scale):
    """One value in a thousand may have a bound that says nothing, where large terms cancel."""
    inputs = inputs_of(
        {"timesteps": 100, "batch_size": 3, "seed": 0},
        {"scale": scale, "seed": 0},
        cell=cell,
        hidden_size=64,
        num_layers=2,
    )
    found = audit(inputs, computed(named[1], inputs)[0], full=True)
    assert found.worst_ratio < RIGHT
    assert found.undetermined < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("cell", nightly_except(CELLS, "rnn_relu", "gru"))
@pytest.mark.parametrize("value", ["random", "equal"])
def test_right_engines_are_right_where_all_terms_have_one_sign(named, cell, value):
    """Rounding errors of sums that only grow add up further than those of sums that come and go."""
    size = 512
    inputs = inputs_of({"timesteps": 3, "batch_size": 2}, cell=cell, hidden_size=size, input_size=size)

    def positive(name, array):
        return np.full_like(array, 0.77 / size) if value == "equal" else np.abs(array) * (2 / size)

    sequence = np.full_like(inputs.sequence, 0.7) if value == "equal" else np.abs(inputs.sequence)
    assert_right(named, with_sequence(with_parameters(inputs, positive), sequence), ALLOWED)


def network(name: str, dtype: str = "float32", **sizes: int) -> dict[str, Any]:
    return {"hidden_size": 5, "num_layers": 2, "bidirectional": True, "dtype": dtype, **sizes, **NETWORKS[name]}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("clip", [0.1, 0.2, 0.3, 0.7])
def test_a_limit_that_the_type_rounds_makes_no_step_wrong(clip, dtype):
    inputs = inputs_of({"timesteps": 20, "batch_size": 3}, cell="rnn_relu", hidden_size=6, clip=clip, dtype=dtype)
    trace = computed(ManualEngine(), inputs)[0]
    assert np.isclose(trace.hidden, clip).any()
    assert audit(inputs, trace).verdict is AuditVerdict.RIGHT
    hidden = trace.hidden.copy()
    hidden[hidden == hidden.max()] *= 1.0 + 40.0 * np.finfo(dtype).eps
    assert audit(inputs, trace.with_arrays({"h": hidden})).verdict is AuditVerdict.WRONG


@pytest.mark.parametrize(
    ("cell", "dtype"),
    nightly_except(
        ((False, "float32"), (False, "float64"), (True, "float32"), (True, "float64")),
        *((False, "float32"), (True, "float64")),
    ),
)
@pytest.mark.parametrize("name", NETWORKS)
def test_correct_steps_are_right_and_a_changed_value_is_the_first_wrong_one(name, dtype, cell):
    inputs = inputs_of({"timesteps": 60, "batch_size": 3}, **network(name, dtype))
    trace = computed(ManualEngine(), inputs)[0]
    trace = trace if cell else trace.with_arrays({"c": None})
    found = audit(inputs, trace)
    assert (found.verdict, found.undetermined_count) == (AuditVerdict.RIGHT, 0)
    assert found.coverage == 1.0
    assert found.worst_ratio < 3.0
    hidden = trace.hidden.copy()
    where = Location(0, 1, 31, 2, 1)
    hidden[where.index] *= 1.001
    wrong = audit(inputs, trace.with_arrays({"h": hidden})).first_wrong
    assert wrong is not None
    assert wrong.where.location == where


@pytest.mark.parametrize("name", NETWORKS)
def test_a_sampled_audit_sees_every_lane(name, monkeypatch):
    monkeypatch.setattr(audited, "FULL", 2000)
    inputs = inputs_of({"timesteps": 40, "batch_size": 9}, **network(name, hidden_size=16))
    found = audit(inputs, computed(ManualEngine(), inputs)[0])
    assert found.verdict is AuditVerdict.RIGHT
    assert 0.0 < found.coverage < 1.0
    assert np.isfinite(found.ratio_over_time).all()
