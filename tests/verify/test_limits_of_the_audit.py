"""Where the audit's bound says little or nothing: no spoiled engine passes as drift, and no right one is accused."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.engines.manual import ManualEngine
from rnnviz.io.export.data import summary
from rnnviz.text.verdict_text import report
from rnnviz.verify.audit import audit
from rnnviz.verify.consistency_checks import cell_checks
from tests.oracles.computed import computed
from tests.profiles import nightly_except
from tests.verify.audit_helpers import engine_or_skip, inputs_of, with_parameters, with_sequence
from tests.verify.faulty_traces import Spoil, one_step, permuted_gates, plain_trace, result_of, unspoiled, without

CELLS = ("rnn_relu", "rnn_tanh", "lstm", "gru")
BOUNDED = ("rnn_tanh", "lstm", "gru")
ENDS = {"float32": 3e38, "float64": 1e308}
SEEDS = nightly_except(range(48), *range(6))


def drawn(seed: int) -> Inputs:
    """A small network whose inputs, weights and biases have any size."""
    rng = np.random.default_rng(seed)
    dtype = str(rng.choice(["float32", "float64"], p=[0.7, 0.3]))
    timesteps = int(rng.choice([5, 20, 40]))
    inputs = inputs_of(
        {"timesteps": timesteps, "batch_size": int(rng.choice([1, 3])), "seed": seed},
        {"seed": seed},
        cell=CELLS[seed % 4],
        hidden_size=int(rng.choice([1, 3, 8, 24])),
        num_layers=int(rng.choice([1, 2])),
        bidirectional=bool(rng.integers(2)),
        dtype=dtype,
    )
    weights, biases = rng.choice([1.0, 1.0, 10.0, 1e4, 1e10, 1e20, 1e38]), rng.choice([1.0, 1.0, 100.0, 1e5, 1e20])
    sequence = np.array(inputs.sequence, np.float64)
    kind = str(rng.choice(["1", "1e-30", "1e-40", "1e5", "1e10", "1e30", "time", "inf", "nan"]))
    if kind == "time":
        sequence[..., 0] = 1.7e9 + 60.0 * np.arange(timesteps)[:, np.newaxis]
    elif kind in ("inf", "nan"):
        sequence[timesteps // 2, 0, 1] = float(kind)
    else:
        sequence *= float(kind)

    def scaled(name: str, array: FloatArray) -> FloatArray:
        large = array.astype(np.float64) * (weights if "weight" in name else biases)
        return np.clip(large, -ENDS[dtype], ENDS[dtype]).astype(dtype)

    return with_parameters(with_sequence(inputs, sequence), scaled)


def manual(inputs: Inputs) -> Trace:
    with np.errstate(all="ignore"):
        return replace(computed(ManualEngine(), inputs)[0], engine="manual")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("engine", ["plain", "torch"])
def test_engines_pass_at_any_magnitude(engine, seed):
    inputs = drawn(seed)
    with np.errstate(all="ignore"):
        other = plain_trace(inputs) if engine == "plain" else computed(engine_or_skip(engine), inputs)[0]
    result = result_of(inputs, manual(inputs), replace(other, engine=engine))
    assert result.judgment is not None
    audits = result.judgment.audits.values()
    assert [found.wrong for found in audits] == [0, 0]
    assert result.verdict in ("agree", "drift") or any(found.undetermined for found in audits)


def everywhere(value: float) -> Spoil:
    return lambda t, before, h: np.full_like(h, value)


SPOILED: dict[str, Callable[[int], Spoil]] = {
    "seven": lambda t: everywhere(7.0),
    "a half": lambda t: everywhere(0.5),
    "sign": lambda t: one_step(t, lambda before, h: -h),
    "stale": lambda t: one_step(t, lambda before, h: before),
    "nan": lambda t: one_step(t, lambda before, h: h * np.nan),
    "scaled": lambda t: lambda at, before, h: (h * 1.01).astype(h.dtype),
}
CHANGED = {"no bias": without("h2h_bias"), "gates": permuted_gates((1, 0, 2))}


@pytest.mark.parametrize("seed", SEEDS)
def test_faulty_traces_above_the_tolerance_disagree(seed):
    inputs = drawn(seed)
    reference, t = manual(inputs), inputs.timesteps // 2
    spoiled = {name: plain_trace(inputs, spoil(t)) for name, spoil in SPOILED.items()}
    if inputs.network.cell == "gru":
        spoiled |= {name: plain_trace(with_parameters(inputs, change)) for name, change in CHANGED.items()}
    right = plain_trace(inputs).hidden
    for name, trace in spoiled.items():
        if np.array_equal(trace.hidden, right, equal_nan=True):
            continue
        result = result_of(inputs, reference, replace(trace, engine=name))
        assert result.judgment is not None
        assert result.judgment.audits["manual"].wrong == 0
        assert result.verdict == ("disagree" if result.comparisons[0].mismatched else "agree"), name


@pytest.mark.parametrize("cell", BOUNDED)
@pytest.mark.parametrize("scale", [1.7e9, 1e20, 1e38])
def test_a_value_that_no_cell_can_have_is_wrong_whatever_its_bound(cell, scale):
    inputs = inputs_of({"timesteps": 6, "batch_size": 2}, cell=cell, hidden_size=8)
    inputs = with_sequence(inputs, np.abs(inputs.sequence) * np.float32(scale))
    for value in (7.0, -2.0, np.inf):
        found = audit(inputs, plain_trace(inputs, one_step(4, lambda before, h, v=value: np.full_like(h, v))))
        assert found.first_wrong is not None
        assert found.first_wrong.where.location == Location(timestep=4)


def test_a_relu_is_never_below_zero_though_its_sum_may_overflow():
    inputs = inputs_of({"timesteps": 3, "batch_size": 2}, cell="rnn_relu", hidden_size=4)
    inputs = with_parameters(inputs, lambda name, array: array * np.float32(1e38 if "i2h_weight" in name else 1.0))
    inputs = with_sequence(inputs, inputs.sequence * np.float32(100.0))
    assert audit(inputs, plain_trace(inputs)).verdict == "undetermined"
    found = audit(inputs, plain_trace(inputs, one_step(1, lambda before, h: np.full_like(h, -1.0))))
    assert (found.verdict, found.first_location) == ("wrong", Location(timestep=1))


@pytest.mark.parametrize("cell", BOUNDED)
def test_at_full_saturation_the_bound_is_that_of_rounding(cell):
    inputs = inputs_of({"timesteps": 5, "batch_size": 3}, cell=cell, hidden_size=8)
    inputs = with_sequence(inputs, np.full_like(inputs.sequence, 1e12))
    trace = plain_trace(inputs)
    right = audit(inputs, trace)
    assert (right.verdict, right.undetermined) == ("right", 0.0)
    for at in range(5):
        spoiled = plain_trace(inputs, one_step(at, lambda before, h: h + np.float32(1e-4)))
        assert audit(inputs, spoiled).verdict == "wrong"


def cancelling(inputs: Inputs) -> Inputs:
    """The same with one unit of which rounding alone may turn the sign: two of its terms are large and opposite."""
    sequence = np.array(inputs.sequence)
    sequence[..., 1] = -sequence[..., 0]

    def change(name: str, array: FloatArray) -> FloatArray:
        if name.endswith("i2h_weight"):
            array[0, :2] = 1e8
        return array

    return with_parameters(with_sequence(inputs, sequence), change)


def test_a_difference_that_the_audit_cannot_judge_is_not_drift_and_its_share_is_reported():
    inputs = cancelling(inputs_of({"timesteps": 30, "batch_size": 2}, cell="rnn_tanh", hidden_size=16))
    reference = manual(inputs)
    assert result_of(inputs, reference, replace(reference, engine="mine")).verdict == "agree"
    hidden = np.array(reference.hidden)
    hidden[0, 0, -1, 1, 0] *= -1.0
    result = result_of(inputs, reference, replace(reference.with_arrays({"h": hidden}), engine="mine"))
    assert result.judgment is not None
    found = result.judgment.audits["mine"]
    assert (found.verdict, result.verdict) == ("right", "disagree")
    assert found.undetermined_mismatches == {"manual": 1}
    assert summary(result)["audit"]["mine"]["undetermined"] == found.undetermined == 1 / 16
    assert "at every time step that could be judged" in report(result)
    assert "verified within rounding" not in report(result)


def test_undetermined_values_in_which_the_engines_agree_leave_a_drift_a_drift():
    inputs = inputs_of({"timesteps": 100, "batch_size": 1}, {"scale": 0.2}, cell="rnn_tanh", hidden_size=128)
    sequence = np.array(inputs.sequence)
    sequence[3] = 3e38
    inputs = with_sequence(inputs, sequence)
    nudged = plain_trace(inputs, one_step(10, lambda before, h: h * (1.0 + 1.5e-7)))
    result = result_of(inputs, manual(inputs), replace(nudged, engine="mine"))
    assert result.judgment is not None
    assert 0.0 < result.judgment.audits["mine"].undetermined <= 1 / 100
    assert result.comparisons[0].max_abs_error > 0.5
    assert result.verdict == "drift"


def integrating(timesteps: int) -> Inputs:
    """An LSTM that forgets nothing and whose cell state goes up and down."""
    inputs = inputs_of({"timesteps": timesteps, "batch_size": 1}, cell="lstm", hidden_size=2)
    signs = np.where(np.arange(timesteps) % 2, 1.0, -1.0)[:, np.newaxis, np.newaxis]

    def change(name: str, array: FloatArray) -> FloatArray:
        if "bias" in name or name.endswith("h2h_weight"):
            array[...] = 0.0
        array[:2] = 0.0
        if name.endswith("h2h_bias"):
            array[2:4] = 15.0
        return array

    return with_parameters(with_sequence(inputs, inputs.sequence[0] * signs), change)


def test_a_late_cell_state_is_checked_as_sharply_as_an_early_one():
    inputs = integrating(3000)
    trace = plain_trace(inputs, cell=True)
    assert [check.holds for check in cell_checks(inputs, trace)] == [True, True]
    cell = np.array(trace.cell)
    cell[0, 0, 2900, 0, 1] += 1e-3
    assert [check.holds for check in cell_checks(inputs, trace.with_arrays({"c": cell}))] == [False, True]


def test_a_cell_state_that_was_recorded_wrongly_accuses_no_step():
    inputs = inputs_of({"timesteps": 100, "batch_size": 2}, cell="lstm", hidden_size=5, bidirectional=True)
    trace = plain_trace(inputs, cell=True)
    assert trace.cell is not None
    for cell in (trace.cell + np.float32(0.1), -trace.cell, trace.cell * np.float32(np.nan)):
        assert audit(inputs, trace.with_arrays({"c": cell})).verdict == "right"


def test_nan_cell_states_belong_to_nan_hidden_states():
    inputs = inputs_of({"timesteps": 6, "batch_size": 2}, cell="lstm", hidden_size=3)
    sequence = np.array(inputs.sequence)
    sequence[2, 0, 1] = np.nan
    inputs = with_sequence(inputs, sequence)
    trace = plain_trace(inputs, cell=True)
    assert trace.cell is not None
    assert np.isnan(trace.cell).any()
    assert [check.holds for check in cell_checks(inputs, trace)] == [True, True]
    cell = np.array(trace.cell)
    cell[0, 0, 3, 0, 1] = 0.5
    assert [check.holds for check in cell_checks(inputs, trace.with_arrays({"c": cell}))] == [False, True]
    cell = np.array(trace.cell)
    cell[0, 0, 3, 1, 1] = np.nan
    assert [check.holds for check in cell_checks(inputs, trace.with_arrays({"c": cell}))] == [False, True]


def halved(trace: Trace, computed_in: str) -> Trace:
    """A trace after it was stored as float16."""
    cell = None if trace.cell is None else trace.cell.astype(np.float16).astype(trace.hidden.dtype)
    hidden = trace.hidden.astype(np.float16).astype(trace.hidden.dtype)
    return replace(trace.with_arrays({"h": hidden, "c": cell}), precision="float16", computed_in=computed_in)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("computed_in", ["", "float16", "float32"])
def test_a_coarse_recording_is_judged_within_its_precision(cell, computed_in):
    # The least value is below the normal numbers of float16, and the initial states are above 1.
    scale = 0.05 if cell == "rnn_relu" else 0.3
    inputs = inputs_of({"timesteps": 20, "batch_size": 2}, {"scale": scale}, cell=cell, hidden_size=16, num_layers=2)
    reference = manual(inputs)
    right = result_of(inputs, reference, halved(plain_trace(inputs, cell=cell == "lstm"), computed_in))
    assert right.judgment is not None
    found = right.judgment.audits["engine"]
    assert right.verdict == "agree"
    assert (found.wrong, found.verdict) == (0, "right" if computed_in else "undetermined")
    assert found.undetermined < 0.01 or not computed_in
    # Steps of half precision may be off by up to 1.6 % of the largest value.
    for change in (1.1,) if computed_in == "float16" else (1.005, 1.02, 1.06):
        spoiled = plain_trace(inputs, lambda t, before, h, by=change: (h * by).astype(h.dtype))
        result = result_of(inputs, reference, halved(spoiled, computed_in))
        assert result.judgment is not None
        assert result.verdict == "disagree"
        if computed_in:
            assert result.judgment.audits["engine"].verdict == "wrong"


def test_a_float32_recording_that_was_computed_in_float64_is_held_to_float64():
    inputs = inputs_of({"timesteps": 12, "batch_size": 2}, cell="gru", hidden_size=6, dtype="float64")
    trace = plain_trace(inputs)
    rounded = replace(trace.with_arrays({"h": trace.hidden.astype(np.float32).astype(np.float64)}), precision="float32")
    stated = replace(rounded, computed_in="float64")
    assert audit(inputs, rounded).worst_ratio < audit(inputs, stated).worst_ratio <= ALLOWED
    assert audit(inputs, stated.with_arrays({"h": stated.hidden + 2e-6})).verdict == "wrong"
    assert audit(inputs, replace(stated, precision="", computed_in="float64")).verdict == "wrong"


def some_nan(t: int, before: FloatArray, step: FloatArray) -> FloatArray:
    """What remains of inf - inf, in some units."""
    return np.where(np.arange(step.shape[-1]) % 2 == t % 2, np.float32(np.nan), step)


@pytest.mark.parametrize("spoil", [unspoiled, some_nan])
def test_finite_float64_does_not_accuse_float32_that_overflows(spoil):
    """Whether infinite products cancel to NaN depends on the order in which a matrix product adds them."""
    inputs = inputs_of({"timesteps": 4, "batch_size": 2}, cell="rnn_tanh", hidden_size=6)
    inputs = with_parameters(inputs, lambda name, array: array * np.float32(1e38 if "i2h_weight" in name else 1.0))
    inputs = with_sequence(inputs, inputs.sequence * np.float32(100.0))
    found = audit(inputs, plain_trace(inputs, spoil))
    assert (found.verdict, found.wrong, found.undetermined) == ("undetermined", 0, 1.0)


@pytest.mark.parametrize("cell", ["gru", "gru_reset_before"])
def test_nothing_is_determined_in_a_coarse_precision(cell):
    """Eight bounds are wider than the range of the cell, also where a step mixes units."""
    inputs = inputs_of({"timesteps": 4, "batch_size": 2}, cell=cell, hidden_size=5)
    trace, _ = computed(ManualEngine(), inputs)
    found = audit(inputs, replace(trace, precision="float16"))
    assert (found.undetermined, found.wrong) == (1.0, 0)
