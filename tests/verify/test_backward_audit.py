"""The audit of the backward pass: correct engines are within eight bounds, and errors are found where they are made."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnviz.core.config import Backward
from rnnviz.core.gradients import OF_PARAMETERS
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.engines.manual import ManualEngine
from rnnviz.engines.registry import ENGINES, load_engine
from rnnviz.io.inputs import load_inputs
from rnnviz.verify import audited
from rnnviz.verify.audit import audit, audit_pass
from rnnviz.verify.backward_pass import BackwardPass
from rnnviz.verify.verdict import AuditVerdict
from tests.cells.test_random_steps import random_cell
from tests.oracles.finite_differences import slopes
from tests.profiles import nightly_except
from tests.strategies import every_cell_configs
from tests.verify.audit_helpers import engine_or_skip, with_parameters, with_sequence
from tests.verify.gradient_traces import backward_inputs, traced

RIGHT = 2.5
"""The limit of correct engines with random weights: far from the eight bounds that are allowed."""


@pytest.fixture(scope="module", params=["manual", "gluon", "torch"])
def each_engine(request):
    return engine_or_skip(request.param)


@pytest.fixture(scope="module")
def engine():
    return load_engine("manual")


NETWORKS = {
    "lstm": backward_inputs(num_layers=2, bidirectional=True, sequence={"lengths": [4, 9, 1]}),
    "truncated": backward_inputs(num_layers=2, bidirectional=True, backward={"truncate": 3}, dtype="float64"),
    "reverse": backward_inputs(cell="gru", reverse=True, sequence={"lengths": [9, 2, 5]}, backward={"truncate": 2}),
    "value": backward_inputs(cell="rnn_tanh", num_layers=2, backward={"loss": "value", "value": [0, 0, 5, 1, 2]}),
    "relu": backward_inputs(cell="rnn_relu", num_layers=2, bidirectional=True),
}


@pytest.mark.parametrize("name", nightly_except(NETWORKS, "lstm", "reverse"))
def test_correct_engines_are_within_their_bounds(each_engine, name):
    found = audit(NETWORKS[name], traced(each_engine, NETWORKS[name]), way="backward")
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


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in ("truncated", "reverse")])
def test_gradients_are_those_of_finite_differences(engine, name):
    assert_slopes(NETWORKS[name], traced(engine, NETWORKS[name]))


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
        found = audit(inputs, trace, way="backward")
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


def test_blocks_of_time_and_parts_of_the_samples_change_nothing(engine, monkeypatch):
    inputs = NETWORKS["lstm"]
    trace = traced(engine, inputs)
    whole = audit(inputs, trace, way="backward")
    monkeypatch.setattr(audited, "_MOST_VALUES", 1)
    parts = audit_pass(BackwardPass(inputs, trace, block_values=2 * 24))
    assert (parts.audited, parts.wrong) == (whole.audited, 0)
    np.testing.assert_allclose(parts.ratio_over_time, whole.ratio_over_time, rtol=0.2, atol=0.05)


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("grad.h", (1, 1, 3, 1, 2)),
        ("grad.h", (0, 0, 8, 1, 0)),
        ("grad.out", (1, 0, 4, 1, 3)),
        ("grad.out", (0, 1, 3, 1, 2)),
        ("grad.c", (1, 0, 2, 0, 5)),
        ("grad.f", (0, 1, 0, 2, 1)),
        ("grad.input", (4, 1, 1)),
        ("grad.h0", (2, 1, 3)),
        ("grad.c0", (1, 1, 3)),
        (f"{OF_PARAMETERS}l0_i2h_weight", (12, 1)),
        (f"{OF_PARAMETERS}l1_h2h_bias", (12,)),
    ],
)
def test_a_changed_gradient_is_the_first_wrong_one(engine, name, at):
    inputs = NETWORKS["lstm"]
    trace = traced(engine, inputs)
    right = float(trace[name][at])
    trace[name][at] += 0.01
    found = audit(inputs, trace, way="backward")
    assert found.verdict is AuditVerdict.WRONG
    assert found.wrong == 1 or name in ("grad.h", "grad.out", "grad.c", "grad.f")
    assert found.first_wrong is not None
    assert (found.first_wrong.where.array, found.first_wrong.where.index) == (name, at)
    assert found.first_wrong.expected == pytest.approx(right, rel=1e-4, abs=1e-5)


def test_states_that_a_trace_lacks_are_followed(engine):
    inputs = NETWORKS["lstm"]
    trace = traced(engine, inputs)
    found = audit(inputs, trace.with_arrays({"c": None}), way="backward")
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
    for changed, name, index in first.values():
        found = audit(inputs, traced(engine, changed), way="backward").first_wrong
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


def test_gradients_that_a_recording_lacks_are_not_audited(engine):
    inputs = backward_inputs()
    trace = traced(engine, inputs)
    missing = {"grad.h0", "grad.input", f"{OF_PARAMETERS}l0_h2h_bias"}
    changed = {name: np.full_like(trace[name], np.nan) for name in missing}
    recorded = replace(trace.with_arrays(changed), missing=frozenset(missing))
    found = audit(inputs, recorded, way="backward")
    assert (found.verdict, found.coverage) == (AuditVerdict.RIGHT, 1.0)
    without_h = replace(trace, missing=frozenset({"grad.h"}))
    assert audit(inputs, without_h, way="backward").verdict is AuditVerdict.NOT_AUDITED


@pytest.mark.parametrize("computed_in", ["", "float32"])
def test_gradients_recorded_in_half_precision(engine, computed_in):
    inputs = NETWORKS["lstm"]
    trace = traced(engine, inputs)
    rounded = {name: array.astype(np.float16).astype(array.dtype) for name, array in trace.items()}
    recorded = replace(trace.with_arrays(rounded), precision="float16", computed_in=computed_in)
    assert audit(inputs, recorded, way="backward").verdict is AuditVerdict.RIGHT


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
        changed = audit(inputs, trace, way="backward").first_wrong
        assert changed is not None
        assert (changed.where.array, changed.where.index[0]) == (name, 0)
    trace["grad.h"][1, 0, 3, 0, 0] += 0.1
    changed = audit(inputs, trace, way="backward").first_wrong
    assert changed is not None
    assert changed.where.index == (1, 0, 3, 0, 0)


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
    changed = audit(inputs, trace, way="backward").first_wrong
    assert changed is not None
    assert changed.where.index == (0, 1, 0, 0, 2)
