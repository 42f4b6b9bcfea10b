"""Consistency checks of out, state and the hidden states."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.cells.interpreters.running_error import BoundedArray
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.engines.manual import ManualEngine
from rnnviz.io.inputs import load_inputs
from rnnviz.verify import consistency_checks as module
from rnnviz.verify.consistency_checks import (
    cell_checks,
    consistency_checks,
    equality,
)
from tests.oracles.computed import computed
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
    assert broken(trace.with_arrays({array: wrong})) == expected


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
