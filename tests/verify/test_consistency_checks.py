"""Consistency checks of out, state and the hidden states."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.cells.interpreters.running_error import BoundedArray
from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.engines.manual import ManualEngine
from rnnviz.io.inputs import load_inputs
from rnnviz.verify import consistency_checks as module
from rnnviz.verify.consistency_checks import (
    Agreement,
    agreement,
    cell_checks,
    consistency_checks,
    equality,
    lanes,
    places,
    values_at,
)
from tests.factories import make_result
from tests.oracles.computed import computed
from tests.strategies import configs
from tests.verify.audit_helpers import inputs_of
from tests.verify.traces import SHAPES, Shape, random_trace

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
def test_consistent_trace_passes_every_check(shape: Shape) -> None:
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
def test_one_wrong_value_fails_only_its_checks(
    array: str, index: tuple[int, ...], expected: set[str], value: float
) -> None:
    trace = random_trace((2, 2, 4, 2, 3))
    wrong = np.array(trace[array])
    wrong[index] = value
    assert broken(trace.with_arrays({array: wrong})) == expected


def test_check_names_of_one_direction() -> None:
    trace = random_trace((2, 1, 3, 2, 4))
    output = np.array(trace.output)
    output[-1, 0, 0] += 1.0
    assert broken(trace.with_arrays({"out": output})) == {FORWARD_FINAL, OUT}
    assert broken(trace.with_arrays({"state.h": trace.state_h[::-1]})) == {FORWARD_FINAL, state(0, 0), state(1, 1)}


def test_the_only_direction_may_be_backward() -> None:
    trace = random_trace((2, 1, 3, 2, 4))
    trace = replace(trace.with_arrays({"state.h": trace.hidden[:, 0, 0]}), places=replace(trace.places, reverse=True))
    assert broken(trace) == set()
    output = np.array(trace.output)
    output[0, 0, 0] += 1.0
    assert broken(trace.with_arrays({"out": output})) == {BACKWARD_FINAL, OUT}


def test_detail_has_count_and_largest_difference() -> None:
    ones = np.ones((1_000, 2))
    near, far = ones + 1e-6, np.array(ones)
    far[3:5] = [[1.5, 2.5], [1.0, 1.25]]
    assert equality("n", "e", ones, ones, RTOL, ATOL).detail == "all 2,000 values are equal"
    check = equality("n", "e", near, ones, RTOL, ATOL)
    assert (check.holds, check.detail) == (True, "all 2,000 values agree, the largest difference is 1e-06")
    check = equality("n", "e", far, ones, RTOL, ATOL)
    assert (check.name, check.engine, check.holds) == ("n", "e", False)
    assert check.detail == "3 of 2,000 values differ, by up to 1.5"


def test_array_longer_than_a_block_is_checked_completely() -> None:
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
def test_unrecorded_arrays_are_not_checked(missing: set[str], expected: set[str]) -> None:
    trace = replace(random_trace((2, 2, 4, 2, 3)), engine="recorded", missing=frozenset(missing))
    checks = consistency_checks(trace, RTOL, ATOL)
    assert {check.name for check in checks} == expected
    assert {check.engine for check in checks} <= {"recorded"}


def test_difference_equal_to_the_tolerance_passes() -> None:
    left, right = np.array([[1.25, 1.0]]), np.ones((1, 2))
    assert equality("n", "e", left, right, 0.0, 0.25).holds
    assert not equality("n", "e", left, right, 0.0, math.nextafter(0.25, 0)).holds
    assert equality("n", "e", left, right, 0.125, 0.125).holds


@pytest.mark.parametrize("layout", ["NTC", "TNC"])
def test_final_state_equals_the_last_computed_state(layout: str) -> None:
    result = make_result(cell="gru", num_layers=3, bidirectional=True, layout=layout)
    network, trace = result.inputs.network, result["manual"]
    for last in lanes(network, 5, sample=1):
        for place in places(network, last):
            assert np.array_equal(values_at(trace, network, place), trace.hidden[last.index[:-1]])
        assert str(agreement(trace, network, last, 0.0, 0.0)) == "copies equal"


def test_source_of_each_layers_final_state() -> None:
    network = make_result(num_layers=2, bidirectional=True).inputs.network
    texts = [[place.text for place in places(network, last)] for last in lanes(network, 5, sample=1)]
    assert texts == [
        ["out[1][4][:4]", "state[0][2][1]"],
        ["out[1][0][4:8]", "state[0][3][1]"],
        ["hidden, t = 4", "state[0][0][1]"],
        ["hidden, t = 0", "state[0][1][1]"],
    ]


def test_lstm_has_a_final_cell_state() -> None:
    result = make_result(cell="lstm")
    last = lanes(result.inputs.network, 5, sample=0)[0]
    cell = places(result.inputs.network, last)[2]
    assert (cell.array, cell.where, cell.text) == ("state.c", last, "state[1][0][0]")
    trace = result["manual"]
    assert trace.state_c is not None
    assert np.array_equal(values_at(trace, result.inputs.network, cell), trace.state_c[0, 0])


def test_changed_state_value_fails_its_lane() -> None:
    def edit(trace: Trace) -> None:
        trace.state_h[1, 0, 2] += np.float32(0.5)

    result = make_result(edits={"manual": edit}, bidirectional=True)
    network = result.inputs.network
    found = {last.direction: agreement(result["manual"], network, last, 1e-6, 1e-5) for last in lanes(network, 5, 0)}
    assert found[0].verdict == "equal"
    assert (found[1].verdict, found[1].unit) == ("different", 2)
    assert str(found[1]) == "differ by 0.5"
    near = agreement(result["manual"], network, Location(0, 1, 0), 0.0, 1.0)
    assert (near.verdict, str(near)) == ("near", "within 0.5")


@pytest.mark.parametrize("layer", [0, 1])
def test_near_includes_the_tolerance(layer: int) -> None:
    def edit(trace: Trace) -> None:
        trace.hidden[layer, 0, 4, 1] = trace.output[4, 1] = (-1.0, 2.0, 0.5, 0.25)
        trace.state_h[layer, 1] = (-1.0, 2.5, 0.625, 0.25)

    result = make_result(edits={"manual": edit}, num_layers=2)
    last = Location(layer, 0, 4, 1)

    def found(rtol: float, atol: float) -> Agreement:
        return agreement(result["manual"], result.inputs.network, last, rtol, atol)

    assert found(0.0, 0.5) == found(0.25, 0.0) == Agreement("near", 0.5, 1)
    assert found(0.0, 0.499) == found(0.24, 0.0) == Agreement("different", 0.5, 1)


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
def test_a_right_engine_passes(config: Config, block: int) -> None:
    inputs = load_inputs(config)
    trace, _ = computed(ManualEngine(), inputs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK_VALUES", block)
        checks = cell_checks(inputs, trace)
    assert [check.name for check in checks] == [CELL, STATE]
    assert all(check.holds for check in checks), checks


@pytest.mark.parametrize("scale", [0.1, 2.0])
def test_a_right_engine_passes_over_many_time_steps(scale: float) -> None:
    inputs = inputs_of({"timesteps": 1000, "batch_size": 2}, {"scale": scale}, cell="lstm", hidden_size=32)
    trace, _ = computed(ManualEngine(), inputs)
    assert failed(inputs, trace) == {}
    assert failed(inputs, trace.with_arrays({"c": None})) == {}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("index", [(0, 0, 0, 0, 0), (1, 0, 6, 2, 3), (1, 1, 0, 1, 2), (0, 1, 4, 0, 1)])
def test_one_changed_cell_state_breaks_its_check_alone(dtype: str, index: tuple[int, ...]) -> None:
    inputs, trace = run_of(dtype=dtype)
    assert trace.cell is not None
    trace.cell[index] += 0.01
    assert failed(inputs, trace) == {CELL: "1 of 336 values differ by more than rounding, by up to 0.01"}


@pytest.mark.parametrize("row", range(4))
def test_one_changed_final_cell_state_breaks_its_check_alone(row: int) -> None:
    inputs, trace = run_of()
    assert trace.state_c is not None
    trace.state_c[row, 1, 2] -= np.float32(0.5)
    assert failed(inputs, trace) == {STATE: "1 of 48 values differ by more than rounding, by up to 0.5"}


def test_of_many_cell_states_the_last_of_each_lane_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, trace = run_of()
    assert trace.cell is not None
    monkeypatch.setattr(module, "FULL", 336)
    assert cell_checks(inputs, trace)[0].detail == "all 336 values agree, to rounding"
    monkeypatch.setattr(module, "FULL", 335)
    assert cell_checks(inputs, trace)[0].detail == "all 48 checked values (of 336) agree, to rounding"
    trace.cell[:, 0, -1] += np.float32(0.5)
    assert list(failed(inputs, trace)) == [CELL]


def test_missing_arrays_are_not_checked() -> None:
    inputs, trace = run_of()
    assert [check.name for check in cell_checks(inputs, trace.with_arrays({"c": None}))] == [STATE]
    assert cell_checks(inputs, trace.with_arrays({"c": None, "state.c": None})) == []
    assert cell_checks(*run_of(cell="gru")) == []


def test_the_largest_difference_is_that_of_a_value_outside_its_bound() -> None:
    tally = module.CellStateTally()
    expected = BoundedArray(np.array([1.0, 0.0, 0.0]), np.array([1e-9, np.inf, 1e9]), 2.0**-52)
    tally.add(np.array([1.5, 1e9, 1e8]), expected, "")
    assert tally.check(CELL, "manual", 3).detail == "1 of 3 values differ by more than rounding, by up to 0.5"
