"""The vectors at a location, compared with the arrays of the run."""

from dataclasses import replace

import numpy as np
import pytest

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.quantities.steps import Vector, difference, kinds_at, vector_at
from tests.factories import make_result


def test_a_hidden_state_has_a_column_for_each_engine_the_shown_candidate_after_the_reference() -> None:
    result = make_result(("gluon", "manual", "torch"), num_layers=2, bidirectional=True)
    where = Location(1, 1, 2, 1, 3)
    vector = vector_at(result, "torch", where, "hidden")
    assert [label for label, _ in vector.columns] == ["gluon", "torch", "manual"]
    for label, values in vector.columns:
        assert np.array_equal(values, result[label].hidden[1, 1, 2, 1])


def test_one_changed_number_is_the_one_that_mismatches() -> None:
    def edit(trace: Trace) -> None:
        trace.hidden[0, 0, 2, 1, 3] += np.float32(0.25)

    result = make_result(edits={"manual": edit})
    apart = vector_at(result, "manual", Location(0, 0, 2, 1), "hidden").difference
    assert apart is not None
    assert apart.mismatched.tolist() == [False, False, False, True]
    assert apart.signed.tolist() == [0.0, 0.0, 0.0, 0.25]
    assert apart.ulp[:3].tolist() == [0, 0, 0]
    assert apart.error_ratio[3] > 1.0


def test_the_difference_to_nan_is_nan_and_that_of_two_nans_is_zero() -> None:
    reference = np.array([np.nan, 1.0, np.inf, 1.0], np.float32)
    candidate = np.array([np.nan, np.nan, np.inf, np.inf], np.float32)
    apart = difference(reference, candidate, 1e-6, 1e-5)
    assert np.array_equal(apart.signed, [0.0, np.nan, 0.0, np.inf], equal_nan=True)
    assert apart.mismatched.tolist() == [False, True, False, True]
    assert np.array_equal(difference(candidate, reference, 0.0, 0.0).signed[3:], [-np.inf])


def test_the_first_layer_reads_the_sequence_and_the_next_one_both_directions_below() -> None:
    result = make_result(num_layers=2, bidirectional=True)
    first = vector_at(result, "manual", Location(0, 1, 2, 1), "input")
    assert [label for label, _ in first.columns] == ["every engine"]
    assert np.array_equal(first.columns[0][1], result.inputs.sequence[2, 1])
    assert first.difference is None
    second = vector_at(result, "manual", Location(1, 0, 2, 1), "input")
    below = result["manual"].hidden[0, :, 2, 1]
    assert np.array_equal(second.columns[1][1], np.concatenate([below[0], below[1]]))
    assert second.difference is not None


def test_the_initial_state_is_there_at_the_step_that_reads_it() -> None:
    result = make_result(cell="lstm", bidirectional=True, timesteps=3)
    assert {"h0", "c0"} <= set(kinds_at(result, Location(0, 1, 2)))
    assert not {"h0", "c0"} & set(kinds_at(result, Location(0, 0, 2)))
    state = result.inputs.initial_state
    assert state.c is not None
    where = Location(0, 1, 2, 1)
    assert np.array_equal(vector_at(result, "manual", where, "h0").columns[0][1], state.h[1, 1])
    assert np.array_equal(vector_at(result, "manual", where, "c0").columns[0][1], state.c[1, 1])
    assert "c0" not in kinds_at(make_result(timesteps=1), Location())


def test_the_cell_state_is_shown_of_the_engines_that_provide_it() -> None:
    result = make_result(cell="lstm")
    assert "cell" in kinds_at(result, Location())
    cell = result["manual"].cell
    assert cell is not None
    assert np.array_equal(dict(vector_at(result, "manual", Location(), "cell").columns)["manual"], cell[0, 0, 0, 0])
    assert "cell" not in kinds_at(make_result(), Location())


def test_each_figure_of_a_difference_is_that_of_its_component() -> None:
    reference = np.array([1.0, -2.0, 0.0, 4.0], np.float32)
    candidate = np.array([1.0, -2.125, 0.0625, 3.0], np.float32)
    apart = difference(reference, candidate, 0.0625, 0.125)
    assert apart.signed.tolist() == [0.0, -0.125, 0.0625, -1.0]
    assert apart.error_ratio.tolist() == [0.0, 0.125 / 0.25, 0.0625 / 0.125, 1.0 / 0.375]
    assert apart.mismatched.tolist() == [False, False, False, True]
    assert apart.ulp.tolist()[:2] == [0, 2**19]
    assert not np.signbit(apart.signed[0])
    at_the_limit = difference(np.array([1.0]), np.array([1.1875]), 0.0625, 0.125)
    assert (at_the_limit.error_ratio.tolist(), at_the_limit.mismatched.tolist()) == ([1.0], [False])


def test_the_tolerance_is_that_of_the_shown_candidates_comparison() -> None:
    def edit(trace: Trace) -> None:
        trace.hidden[0, 0, 2, 1] += np.float32([0.25, 0.0, -0.5, 0.0])

    result = make_result(edits={"manual": edit}, compare_with={"rtol": 0.25, "atol": 0.375})
    apart = vector_at(result, "manual", Location(0, 0, 2, 1), "hidden").difference
    assert apart is not None
    limit = 0.375 + 0.25 * np.abs(result["gluon"].hidden[0, 0, 2, 1].astype(np.float64))
    assert apart.error_ratio == pytest.approx([0.25 / limit[0], 0.0, 0.5 / limit[2], 0.0], rel=1e-6)


def test_a_place_has_the_kinds_of_vectors_of_its_cell_and_its_engines() -> None:
    plain, lstm = make_result(timesteps=3, bidirectional=True), make_result(cell="lstm", timesteps=3)
    assert kinds_at(plain, Location(0, 1, 2)) == ("hidden", "input", "h0")
    assert kinds_at(plain, Location(0, 1, 0)) == ("hidden", "input")
    assert kinds_at(lstm, Location()) == ("hidden", "cell", "input", "h0", "c0")
    unknown = {name: trace.with_arrays({"c": None}) for name, trace in lstm.traces.items()}
    assert kinds_at(replace(lstm, traces=unknown), Location(0, 0, 1)) == ("hidden", "input")
    one = replace(lstm, traces={**lstm.traces, "gluon": unknown["gluon"]})
    assert kinds_at(one, Location(0, 0, 1)) == ("hidden", "cell", "input")
    vector = vector_at(one, "manual", Location(0, 0, 1, 1), "cell")
    assert [label for label, _ in vector.columns] == ["manual"]
    assert (vector.difference, len(vector)) == (None, 4)
    other = replace(lstm, traces={**lstm.traces, "manual": unknown["manual"]})
    vector = vector_at(other, "manual", Location(0, 0, 1, 1), "cell")
    assert [label for label, _ in vector.columns] == ["gluon"]
    assert vector.difference is None


def test_the_initial_state_and_the_sequence_are_every_engines() -> None:
    result = make_result(cell="lstm", num_layers=2, bidirectional=True, timesteps=3)
    state = result.inputs.initial_state
    for kind, array in (("h0", state.h), ("c0", state.c)):
        vector = vector_at(result, "manual", Location(1, 1, 2, 1), kind)
        assert array is not None
        assert [label for label, _ in vector.columns] == ["every engine"]
        assert np.array_equal(vector.columns[0][1], array[3, 1])
        assert vector.difference is None


def test_without_a_candidate_there_are_only_the_columns() -> None:
    result = make_result(("gluon", "manual"))
    vector = vector_at(result, None, Location(0, 0, 1), "hidden")
    assert [label for label, _ in vector.columns] == ["gluon", "manual"]
    assert vector.difference is None
    assert len(Vector(())) == 0


def test_a_layer_reads_a_vector_of_both_directions_only_where_a_recording_has_both() -> None:
    result = make_result(num_layers=2, bidirectional=True)
    # Only the states that the lanes end with are recorded: forward at t = 4, backward at t = 0.
    partial = replace(result["gluon"], missing=frozenset({"h", "out"}))
    result = replace(result, traces={**result.traces, "gluon": partial})
    for timestep in (0, 4):
        vector = vector_at(result, "manual", Location(1, 0, timestep, 1), "input")
        assert [label for label, _ in vector.columns] == ["manual"]
        assert vector.difference is None
    # A lane's vector is there at its own end only.
    for direction, timestep in ((0, 4), (1, 0)):
        for at in (0, 4):
            vector = vector_at(result, "manual", Location(1, direction, at, 1), "hidden")
            assert (vector.difference is not None) == (at == timestep)


def test_a_layer_above_one_that_was_recorded_at_its_end_reads_its_vector_there() -> None:
    result = make_result(num_layers=3)
    partial = replace(result["gluon"], missing=frozenset({"h"}))
    result = replace(result, traces={**result.traces, "gluon": partial})
    for timestep in (0, 4):
        # What lies below the layer counts, and not what lies above it: `out` has every vector of the last one.
        vector = vector_at(result, "manual", Location(1, 0, timestep, 1), "input")
        assert [label for label, _ in vector.columns] == (["gluon", "manual"] if timestep == 4 else ["manual"])
