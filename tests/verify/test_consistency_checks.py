"""Consistency checks of out, state and the hidden states, and what a recording that lacks some of them shows."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.cells.interpreters.running_error import BoundedArray
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.engines.known_bugs.engine import run_fault
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.engines.manual import ManualEngine
from rnnviz.io.export.data import npz_arrays, write_csv
from rnnviz.io.inputs import load_inputs
from rnnviz.steps.inputs import followed, layer_input, previous_hidden
from rnnviz.verify import consistency_checks as module
from rnnviz.verify import metrics
from rnnviz.verify.audit import audit
from rnnviz.verify.compare import compare
from rnnviz.verify.consistency_checks import cell_checks, consistency_checks, equality, padding_check, state_equality
from rnnviz.verify.diagnosis import diagnose
from tests.factories import make_result
from tests.oracles.computed import computed, empty_trace
from tests.profiles import nightly_except
from tests.strategies import configs
from tests.verify.audit_helpers import inputs_of
from tests.verify.traces import SHAPES, random_trace

RTOL, ATOL = 1e-6, 1e-5
FORWARD_FINAL = "the forward final state is the output at t = T-1"
BACKWARD_FINAL = "the backward final state is the output at t = 0"
OUT_FORWARD = "out[..., :H] is the top layer's forward hidden states"
OUT_BACKWARD = "out[..., H:] is the top layer's backward hidden states"
OUT = "out is the top layer's hidden states"


def state(index: int, layer: int, word: str = "") -> str:
    return f"state[{index}] is layer {layer}'s last computed {word}hidden state"


def broken(trace: Trace) -> set[str]:
    return {check.name for check in consistency_checks(trace, RTOL, ATOL) if not check.holds}


@given(shape=SHAPES)
def test_consistent_trace_passes_every_check(shape):
    layers, directions, *_ = shape
    trace = random_trace(shape, "float32")
    names = [check.name for check in consistency_checks(trace, 0.0, 0.0)]
    assert broken(trace) == set()
    assert len(names) == len(set(names)) == (2 if directions == 1 else 4) + layers * directions


@pytest.mark.parametrize(
    ("array", "index", "expected"),
    [
        ("out", (-1, 0, 1), {FORWARD_FINAL, OUT_FORWARD}),
        ("out", (0, 0, 1), {OUT_FORWARD}),
        ("out", (2, 1, 0), {OUT_FORWARD}),
        ("out", (0, 0, 4), {BACKWARD_FINAL, OUT_BACKWARD}),
        ("out", (-1, 1, 3), {OUT_BACKWARD}),
        ("state.h", (0, 1, 2), {state(0, 0, "forward ")}),
        ("state.h", (1, 1, 2), {state(1, 0, "backward ")}),
        ("state.h", (2, 1, 2), {state(2, 1, "forward "), FORWARD_FINAL}),
        ("state.h", (3, 0, 0), {state(3, 1, "backward "), BACKWARD_FINAL}),
        ("h", (0, 0, -1, 1, 2), {state(0, 0, "forward ")}),
        ("h", (0, 1, 0, 1, 2), {state(1, 0, "backward ")}),
        ("h", (0, 1, -1, 1, 2), set()),
        ("h", (0, 0, 0, 1, 2), set()),
        ("h", (1, 0, -1, 0, 0), {state(2, 1, "forward "), OUT_FORWARD}),
        ("h", (1, 1, 0, 0, 0), {state(3, 1, "backward "), OUT_BACKWARD}),
        ("h", (1, 0, 2, 0, 0), {OUT_FORWARD}),
        ("h", (1, 1, 2, 0, 0), {OUT_BACKWARD}),
    ],
)
@pytest.mark.parametrize("value", [9.0, math.nan, math.inf])
def test_one_wrong_value_fails_only_its_checks(array, index, expected, value):
    trace = random_trace((2, 2, 4, 2, 3))
    wrong = np.array(trace[array])
    wrong[index] = value
    failed = [check for check in consistency_checks(trace.with_arrays({array: wrong}), RTOL, ATOL) if not check.holds]
    assert {check.name for check in failed} == expected
    assert all(check.fix for check in failed)


def test_check_names_of_one_direction():
    trace = random_trace((2, 1, 3, 2, 4))
    output = np.array(trace.output)
    output[-1, 0, 0] += 1.0
    assert broken(trace.with_arrays({"out": output})) == {FORWARD_FINAL, OUT}
    assert broken(trace.with_arrays({"state.h": trace.state_h[::-1]})) == {FORWARD_FINAL, state(0, 0), state(1, 1)}


def test_the_only_direction_may_be_backward():
    trace = random_trace((2, 1, 3, 2, 4))
    trace = replace(trace.with_arrays({"state.h": trace.hidden[:, 0, 0]}), places=replace(trace.places, reverse=True))
    assert broken(trace) == set()
    output = np.array(trace.output)
    output[0, 0, 0] += 1.0
    assert broken(trace.with_arrays({"out": output})) == {BACKWARD_FINAL, OUT}


def test_with_padding_the_final_state_is_that_of_each_samples_last_step():
    trace = random_trace((1, 1, 3, 2, 4))
    finals = np.stack([trace.hidden[0, 0, 1, 0], trace.hidden[0, 0, 2, 1]])[np.newaxis]
    trace = replace(trace.with_arrays({"state.h": finals}), places=replace(trace.places, lengths=(2, 3)))
    names = [check.name for check in consistency_checks(trace, 0.0, 0.0) if check.holds]
    assert names == ["the forward final state is the output at each sample's last time step", OUT, state(0, 0)]


def test_padding_is_checked_in_the_arrays_that_were_returned():
    trace = random_trace((1, 1, 3, 2, 4))
    trace = replace(trace, places=replace(trace.places, lengths=(2, 3)))
    each = 4
    arrays = len(trace.with_padding())
    assert padding_check(trace).detail == f"{each * arrays} of {each * arrays} values in padding are not 0"
    trace = replace(trace, missing=frozenset(trace.with_padding()[:1]))
    check = padding_check(trace)
    assert (check.holds, check.detail.partition(" ")[0]) == (False, str(each * (arrays - 1)))


def test_detail_has_count_and_largest_difference():
    ones = np.ones((1_000, 2))
    near, far = ones + 1e-6, np.array(ones)
    far[3:5] = [[1.5, 2.5], [1.0, 1.25]]
    assert equality("n", "e", ones, ones, RTOL, ATOL).detail == "all 2,000 values are equal"
    check = equality("n", "e", near, ones, RTOL, ATOL)
    assert (check.holds, check.detail) == (True, "all 2,000 values agree, the largest difference is 1e-06")
    check = equality("n", "e", far, ones, RTOL, ATOL)
    assert (check.name, check.engine, check.holds) == ("n", "e", False)
    assert check.detail == "3 of 2,000 values differ, by up to 1.5"


def test_array_longer_than_a_block_is_checked_completely():
    left = np.zeros((3, 200_000), np.float32)
    right = np.array(left)
    right[2, -1] = 1.0
    assert equality("n", "e", left, right, RTOL, ATOL).detail == "1 of 600,000 values differ, by up to 1"
    right[0, :2] = 2.0
    check = equality("n", "e", left, right, RTOL, ATOL)
    assert (check.holds, check.detail) == (False, "3 of 600,000 values differ, by up to 2")


STATES = {state(k, k // 2, ("forward ", "backward ")[k % 2]) for k in range(4)}


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ({"h"}, {FORWARD_FINAL, BACKWARD_FINAL}),
        ({"out"}, STATES),
        ({"state.h"}, {OUT_FORWARD, OUT_BACKWARD}),
        ({"h", "out"}, set()),
        ({"h", "state.h"}, set()),
        ({"state.c"}, {FORWARD_FINAL, BACKWARD_FINAL, OUT_FORWARD, OUT_BACKWARD, *STATES}),
    ],
)
def test_unrecorded_arrays_are_not_checked(missing, expected):
    trace = replace(random_trace((2, 2, 4, 2, 3)), engine="recorded", missing=frozenset(missing))
    checks = consistency_checks(trace, RTOL, ATOL)
    assert {check.name for check in checks} == expected
    assert {check.engine for check in checks} <= {"recorded"}


def test_difference_equal_to_the_tolerance_passes():
    left, right = np.array([[1.25, 1.0]]), np.ones((1, 2))
    assert equality("n", "e", left, right, 0.0, 0.25).holds
    assert not equality("n", "e", left, right, 0.0, math.nextafter(0.25, 0)).holds
    assert equality("n", "e", left, right, 0.125, 0.125).holds


CELL, STATE = "cell follows from the hidden states", "state[1] follows from the hidden states"


def run_of(**network: object) -> tuple[Inputs, Trace]:
    sizes = {"cell": "lstm", "hidden_size": 4, "num_layers": 2, "bidirectional": True, **network}
    inputs = inputs_of({"timesteps": 7, "batch_size": 3}, **sizes)
    return inputs, computed(ManualEngine(), inputs)[0]


def failed(inputs: Inputs, trace: Trace) -> dict[str, str]:
    """The details of failed checks of an engine called "mine"."""
    checks = cell_checks(inputs, replace(trace, engine="mine"))
    assert all(check.engine == "mine" and isinstance(check.holds, bool) for check in checks)
    return {check.name: check.detail for check in checks if not check.holds}


@given(config=configs(cell="lstm"), block=st.sampled_from((1, 50, 1 << 18)))
def test_a_right_engine_passes(config, block):
    inputs = load_inputs(config)
    trace, _ = computed(ManualEngine(), inputs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK_VALUES", block)
        checks = cell_checks(inputs, trace)
    assert [check.name for check in checks] == [CELL, STATE]
    assert all(check.holds for check in checks), checks


@pytest.mark.parametrize("scale", [0.1, 2.0])
def test_a_right_engine_passes_over_many_time_steps(scale):
    inputs = inputs_of({"timesteps": 1000, "batch_size": 2}, {"scale": scale}, cell="lstm", hidden_size=32)
    trace, _ = computed(ManualEngine(), inputs)
    assert failed(inputs, trace) == {}
    assert failed(inputs, trace.with_arrays({"c": None})) == {}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("index", [(0, 0, 0, 0, 0), (1, 0, 6, 2, 3), (1, 1, 0, 1, 2), (0, 1, 4, 0, 1)])
def test_one_changed_cell_state_breaks_its_check_alone(dtype, index):
    inputs, trace = run_of(dtype=dtype)
    assert trace.cell is not None
    trace.cell[index] += 0.01
    assert failed(inputs, trace) == {CELL: "1 of 336 values differ by more than rounding, by up to 0.01"}


@pytest.mark.parametrize("row", range(4))
def test_one_changed_final_cell_state_breaks_its_check_alone(row):
    inputs, trace = run_of()
    assert trace.state_c is not None
    trace.state_c[row, 1, 2] -= np.float32(0.5)
    assert failed(inputs, trace) == {STATE: "1 of 48 values differ by more than rounding, by up to 0.5"}


def test_of_many_cell_states_the_last_of_each_lane_are_checked(monkeypatch):
    inputs, trace = run_of()
    assert trace.cell is not None
    monkeypatch.setattr(module, "FULL", 336)
    assert cell_checks(inputs, trace)[0].detail == "all 336 values agree, to rounding"
    monkeypatch.setattr(module, "FULL", 335)
    assert cell_checks(inputs, trace)[0].detail == "all 48 checked values (of 336) agree, to rounding"
    trace.cell[:, 0, -1] += np.float32(0.5)
    assert list(failed(inputs, trace)) == [CELL]


def test_missing_arrays_are_not_checked():
    inputs, trace = run_of()
    assert [check.name for check in cell_checks(inputs, trace.with_arrays({"c": None}))] == [STATE]
    assert cell_checks(inputs, trace.with_arrays({"c": None, "state.c": None})) == []
    assert cell_checks(*run_of(cell="gru")) == []


def test_the_largest_difference_is_that_of_a_value_outside_its_bound():
    tally = module.CellStateTally()
    expected = BoundedArray(np.array([1.0, 0.0, 0.0]), np.array([1e-9, np.inf, 1e9]), 2.0**-52)
    tally.add(np.array([1.5, 1e9, 1e8]), expected, "")
    assert tally.check(CELL, "manual", 3).detail == "1 of 3 values differ by more than rounding, by up to 0.5"


SHAPE = (3, 2, 5, 3, 4)
"""(L, D, T, N, H), all different."""
NOT_AVAILABLE = ({"h"}, {"h", "out"}, {"h", "state.h"}, {"h", "out", "state.h"}, {"out"})


def recorded_run(cell: str = "gru", **network: object) -> tuple[Inputs, Trace]:
    sizes = {"hidden_size": 4, "num_layers": 3, "bidirectional": True, "dtype": "float64", **network}
    inputs = inputs_of({"timesteps": 5, "batch_size": 3}, cell=cell, **sizes)
    return inputs, replace(computed(ManualEngine(), inputs)[0], engine="manual")


def recorded_in(missing: set[str], shape: tuple[int, ...]) -> np.ndarray:
    """(L, D, T): the hidden states that a recording has, by their source."""
    there = np.zeros(shape[:3], bool)
    if "h" not in missing:
        return ~there
    if "out" not in missing:
        there[-1] = True
    if "state.h" not in missing:
        there[:, 0, -1] = True
        there[:, 1:, 0] = True
    return there


def part_of(trace: Trace, missing: set[str]) -> Trace:
    hidden = np.array(trace.hidden)
    hidden[~recorded_in(missing, trace.shape)] = np.nan
    return replace(trace.with_arrays({"h": hidden}), engine="recording:part.npz", missing=frozenset(missing))


@pytest.mark.parametrize("missing", NOT_AVAILABLE, ids=lambda names: " ".join(sorted(names)))
@pytest.mark.parametrize("block", [1, 24, 1 << 17])
def test_common_values_are_compared_and_the_rest_is_seen_without_a_difference(missing, block, monkeypatch):
    monkeypatch.setattr(metrics, "_BLOCK_VALUES", block)
    _, trace = recorded_run()
    part = part_of(trace, missing)
    part.hidden[2, :, 1] += 0.25
    seen = np.zeros(SHAPE[:3], int)
    told: list[float] = []

    class Watch:
        def add(self, block):
            seen[block.at] += 1
            assert block.last_first == (block.start[1] == 1)
            there = recorded_in(missing, SHAPE)[block.at]
            assert there.all() if block.difference is not None else not there.any()
            np.testing.assert_array_equal(block.reference, trace.hidden[block.at])
            np.testing.assert_array_equal(block.candidate, part.hidden[block.at])

        def finish(self):
            assert (seen == 1).all()

    found = compare(trace, part, 0.0, 1e-3, told.append, [Watch()])
    there = recorded_in(missing, SHAPE)
    assert (seen == 1).all()
    assert found.elements == there.sum() * 12
    assert found.unrecorded == (~there).sum() * 12
    assert found.coverage == there.mean()
    moved = there.copy()
    moved[:, :, [0, 2, 3, 4]] = moved[:2] = False
    np.testing.assert_array_equal(found.mismatched_over_time, 12 * moved)
    assert found.nonfinite_apart == found.nonfinite_candidate == 0
    for figures, size in ((found.error_over_time, 0.25), (found.error_ratio_over_time, 250.0)):
        np.testing.assert_allclose(figures, np.where(there, np.where(moved, size, 0.0), np.nan), rtol=1e-12)
    # A backward lane is computed from its end.
    fractions = [t / 5 for t in range(1, 6)]
    assert told == sorted(told)
    assert told[-1] == 1.0
    if block == 1:
        assert told == pytest.approx([(lane + done) / 6 for lane in range(6) for done in fractions])


STEPS = {
    # By missing arrays: the auditable steps of layers 0, 1 and 2, with one direction and with two.
    ("gru", ()): ("01234 01234 01234", "01234 01234 01234"),
    ("gru", ("h",)): ("- - 4", "- - -"),
    ("gru", ("h", "state.h")): ("- - -", "- - -"),
    ("gru", ("out", "state.h")): ("01234 01234 01234", "01234 01234 01234"),
    ("lstm", ()): ("01234 01234 01234", "01234 01234 01234"),
    ("lstm", ("h",)): ("- - -", "- - -"),
}


@pytest.mark.parametrize(("cell", "missing"), STEPS)
@pytest.mark.parametrize("directions", [1, 2])
def test_a_step_is_followed_where_it_and_all_that_it_reads_was_recorded(cell, missing, directions):
    inputs, trace = recorded_run(cell, bidirectional=directions == 2)
    part = part_of(trace, set(missing))
    for layer, steps in enumerate(STEPS[cell, missing][directions - 1].split()):
        for direction in range(directions):
            assert "".join(map(str, followed(inputs, part, layer, direction))) == steps.strip("-"), layer


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_the_only_layer_of_a_recorded_output_is_followed_whole(cell):
    inputs, trace = recorded_run(cell, num_layers=1)
    part = part_of(trace, {"h", "state.h"})
    assert [list(followed(inputs, part, 0, d)) for d in (0, 1)] == [[0, 1, 2, 3, 4]] * 2
    assert audit(inputs, part).coverage == 1.0


def test_an_audit_covers_exactly_the_steps_that_can_be_computed():
    inputs, trace = recorded_run(bidirectional=False)
    part = part_of(trace, {"h"})
    told: list[float] = []
    found = audit(inputs, part, progress=told.append)
    assert (found.verdict, found.audited, found.elements) == ("right", 12, 180)
    assert np.argwhere(~np.isnan(found.ratio_over_time)).tolist() == [[2, 0, 4]]
    assert told == [1.0]
    part.hidden[2, 0, 4, 1, 3] += 0.5
    wrong = audit(inputs, part)
    assert wrong.first_wrong is not None
    assert wrong.first_wrong.where.index == wrong.worst_at.index == (2, 0, 4, 1, 3)
    assert wrong.error_over_time[2, 0, 4] == pytest.approx(0.5, abs=1e-12)
    nothing = audit(inputs, part_of(trace, {"h", "out"}))
    assert (nothing.verdict, nothing.audited, nothing.worst_ratio) == ("not audited", 0, 0.0)
    assert np.isnan(nothing.ratio_over_time).all()


@pytest.mark.parametrize("times", [slice(0, 5), slice(0, 2), slice(1, 3), slice(3, 5)])
@pytest.mark.parametrize("samples", [slice(1, 3), np.array([2, 0])])
def test_a_step_reads_the_layer_below_and_the_vector_before_it(times, samples):
    inputs, trace = recorded_run()
    chosen = range(3)[samples] if isinstance(samples, slice) else samples.tolist()
    below = layer_input(inputs, trace, 1, times, samples)
    np.testing.assert_array_equal(layer_input(inputs, trace, 0, times, samples), inputs.sequence[times][:, samples])
    before = [previous_hidden(inputs, trace, 1, d, times, samples) for d in (0, 1)]
    assert [array.shape for array in (below, *before)] == [(times.stop - times.start, 2, width) for width in (8, 4, 4)]
    for row, t in enumerate(range(times.start, times.stop)):
        for column, n in enumerate(chosen):
            assert below[row, column].tolist() == [*trace.hidden[0, 0, t, n], *trace.hidden[0, 1, t, n]]
            for d, previous in ((0, t - 1), (1, t + 1)):
                h0 = inputs.initial_state["h"][2 + d, n]
                expected = trace.hidden[1, d, previous, n] if 0 <= previous < 5 else h0
                assert before[d][row, column].tolist() == expected.tolist()


def test_a_recorded_final_cell_state_without_hidden_states_is_compared_with_the_others():
    _, trace = recorded_run("lstm", num_layers=1)
    assert trace.state_c is not None
    recorded = part_of(trace.with_arrays({"state.c": trace.state_c + 1e-4}), {"h", "out"})
    name = "state[1] is that of manual"
    for pair in ((trace, recorded), (recorded, trace)):
        [check] = state_equality(*pair, 0.0, 1e-3)
        assert (check.name, check.engine, check.holds, check.accumulates) == (name, "recording:part.npz", True, True)
        assert not state_equality(*pair, 0.0, 1e-5)[0].holds
    # The tolerance is relative to the reference.
    double = recorded.with_arrays({"state.c": 2 * trace.state_c})
    assert state_equality(double, trace, 0.6, 0.0)[0].holds
    assert not state_equality(trace, double, 0.6, 0.0)[0].holds
    assert state_equality(trace, trace, 0.0, 0.0) == []
    assert state_equality(trace, recorded.with_arrays({"state.c": None}), 0.0, 0.0) == []
    assert state_equality(trace.with_arrays({"state.c": None}), recorded, 0.0, 0.0) == []
    # What rnnviz derived for a recording without it is no second opinion.
    assert state_equality(trace, part_of(trace, {"h", "out", "state.c"}), 0.0, 0.0) == []


def test_derived_hidden_states_have_no_check_of_cell_states():
    inputs, trace = recorded_run("lstm", num_layers=1)
    assert len(cell_checks(inputs, trace)) == 2
    assert cell_checks(inputs, part_of(trace, {"h", "out"})) == []


@pytest.mark.parametrize(
    "missing", nightly_except(NOT_AVAILABLE[:3], NOT_AVAILABLE[0]), ids=lambda names: " ".join(sorted(names))
)
def test_a_known_bug_explains_what_a_recording_has(missing):
    inputs, _ = recorded_run(num_layers=2)
    (fault, *_) = KNOWN_BUGS["update-gate-inverted"].variants["gru"]
    wrong = empty_trace(inputs, cell=False)
    run_fault(fault, inputs, wrong, lambda done: None)
    part = part_of(wrong, missing)
    assert part.partial
    found = audit(inputs, part)
    assert diagnose(inputs, part, found) == (("update-gate-inverted",),)
    # What is recorded has to be as the bug has it, each array for itself.
    for name in {"out", "state.h"} - missing:
        changed = part.with_arrays({name: part[name] + 0.125})
        assert diagnose(inputs, changed, found) == ()


GOLDEN = "recording:/far/away/golden.npz"


def test_a_value_that_was_not_recorded_is_empty_in_a_table_and_absent_from_an_archive(tmp_path):
    result = make_result(("manual", GOLDEN), bidirectional=True)
    partial = replace(result[GOLDEN], missing=frozenset({"h", "out"}))
    result = replace(result, traces={**result.traces, GOLDEN: partial})
    write_csv(result, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    column = Path(GOLDEN).name
    recorded = {(row["direction"], row["timestep"]) for row in rows if row[column]}
    assert recorded == {("forward", "4"), ("backward", "0")}
    assert {bool(row["abs_error"]) == bool(row[column]) for row in rows} == {True}
    assert {row["mismatch"] for row in rows} == {"false"}
    assert not any(name.endswith(".hidden") and column in name for name in npz_arrays(result))
