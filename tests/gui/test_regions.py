"""Vectors of a step, their layout in `out` and `state`, highlighted regions, and the order of computation."""

from dataclasses import replace

import numpy as np
import pytest

from rnnviz.cells import CellSpec, Gate, StateSpec, Step
from rnnviz.core.config import Network
from rnnviz.core.trace_index import INPUT, Lane, Location
from rnnviz.gui.regions import (
    STAGES,
    Region,
    Traversal,
    difference,
    highlighted_rows,
    is_highlighted,
    kinds_at,
    stage_regions,
    stage_text,
    vector_at,
    vector_region,
)
from tests.factories import adding, make_result


def test_the_difference_to_nan_is_nan_and_that_of_two_nans_is_zero():
    reference = np.array([np.nan, 1.0, np.inf, 1.0], np.float32)
    candidate = np.array([np.nan, np.nan, np.inf, np.inf], np.float32)
    apart = difference(reference, candidate, 1e-6, 1e-5)
    assert np.array_equal(apart.signed, [0.0, np.nan, 0.0, np.inf], equal_nan=True)
    assert apart.mismatched.tolist() == [False, True, False, True]
    assert np.array_equal(difference(candidate, reference, 0.0, 0.0).signed[3:], [-np.inf])


def test_the_initial_state_is_there_at_the_step_that_reads_it():
    result = make_result(cell="lstm", bidirectional=True, timesteps=3)
    assert {"h0", "c0"} <= set(kinds_at(result, Location(0, 1, 2)))
    padded = replace(result, inputs=replace(result.inputs, lengths=(3, 2)))
    assert [{"h0", "c0"} <= set(kinds_at(padded, Location(0, 1, 1, n))) for n in range(2)] == [False, True]
    assert not {"h0", "c0"} & set(kinds_at(result, Location(0, 0, 2)))
    state = result.inputs.initial_state
    where = Location(0, 1, 2, 1)
    assert np.array_equal(vector_at(result, "manual", where, "h0").columns[0][1], state["h"][1, 1])
    assert np.array_equal(vector_at(result, "manual", where, "c0").columns[0][1], state["c"][1, 1])
    assert "c0" not in kinds_at(make_result(timesteps=1), Location())


def test_each_figure_of_a_difference_is_that_of_its_component():
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


def test_the_tolerance_is_that_of_the_shown_candidates_comparison():
    result = make_result(
        edits={"manual": adding([0.25, 0.0, -0.5, 0.0], 0, 0, 2, 1)}, compare_with={"rtol": 0.25, "atol": 0.375}
    )
    apart = vector_at(result, "manual", Location(0, 0, 2, 1), "hidden").difference
    limit = 0.375 + 0.25 * np.abs(result["gluon"].hidden[0, 0, 2, 1].astype(np.float64))
    assert apart.error_ratio == pytest.approx([0.25 / limit[0], 0.0, 0.5 / limit[2], 0.0], rel=1e-6)


def test_a_place_has_the_kinds_of_vectors_of_its_cell_and_its_engines():
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
    assert np.array_equal(vector.columns[0][1], lstm["manual"].cell[0, 0, 1, 1])
    other = replace(lstm, traces={**lstm.traces, "manual": unknown["manual"]})
    vector = vector_at(other, "manual", Location(0, 0, 1, 1), "cell")
    assert [label for label, _ in vector.columns] == ["gluon"]
    assert vector.difference is None


def test_a_layer_reads_a_vector_of_both_directions_only_where_a_recording_has_both():
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


def test_a_layer_above_one_that_was_recorded_at_its_end_reads_its_vector_there():
    result = make_result(num_layers=3)
    partial = replace(result["gluon"], missing=frozenset({"h"}))
    result = replace(result, traces={**result.traces, "gluon": partial})
    for timestep in (0, 4):
        # What lies below the layer counts, and not what lies above it: `out` has every vector of the last one.
        vector = vector_at(result, "manual", Location(1, 0, timestep, 1), "input")
        assert [label for label, _ in vector.columns] == (["gluon", "manual"] if timestep == 4 else ["manual"])


LSTM = Network("lstm", 5, 3, num_layers=2, bidirectional=True)
T = 8
HERE = Location(1, 1, 4, 0, 2)


@pytest.mark.parametrize(
    ("region", "where", "kind", "rows"),
    [
        (vector_region(LSTM, HERE), HERE, "hidden", [range(3)]),
        (vector_region(LSTM, HERE, array="c"), HERE, "hidden", []),
        (vector_region(LSTM, HERE, array="c"), HERE, "cell", [range(3)]),
        (vector_region(LSTM, HERE), HERE, "cell", []),
        (vector_region(LSTM, HERE), HERE.moved(timestep=5), "hidden", []),
        (vector_region(LSTM, HERE), HERE.moved(direction=0), "hidden", []),
        (vector_region(LSTM, HERE), HERE.moved(layer=0), "hidden", []),
        # The input of the second layer is both directions of the first one, one after the other.
        (Region(Lane(0, 0), range(2, 6), range(1, 3)), HERE, "input", [range(1, 3)]),
        (Region(Lane(0, 1), range(2, 6), range(1, 3)), HERE, "input", [range(4, 6)]),
        (Region(Lane(0, 1), range(2, 6), range(1, 3), array="c"), HERE, "input", []),
        (vector_region(LSTM, HERE), HERE, "input", []),
        (Region(INPUT, range(8), range(2, 4)), HERE.moved(layer=0), "input", [range(2, 4)]),
        (Region(INPUT, range(8), range(2, 4)), HERE, "input", []),
        (Region(INPUT, range(8), range(2, 4)), HERE.moved(layer=0), "hidden", []),
        # The initial state precedes the first computed step of a lane.
        (Region(Lane(1, 1), range(8, 9), range(3)), HERE.moved(timestep=7), "h0", [range(3)]),
        (Region(Lane(1, 1), range(8, 9), range(3)), HERE.moved(timestep=7), "c0", []),
        (Region(Lane(1, 1), range(8, 9), range(3), array="c"), HERE.moved(timestep=7), "c0", [range(3)]),
        (Region(Lane(1, 0), range(-1, 0), range(3)), Location(1, 0, 0), "h0", [range(3)]),
        (vector_region(LSTM, Location(1, 0, 0)), Location(1, 0, 0), "h0", []),
    ],
)
def test_the_highlighted_components_of_a_vector_are_those_that_a_region_covers(region, where, kind, rows):
    assert highlighted_rows([region], LSTM, T, where, kind) == rows
    elsewhere = Region(Lane(5, 0), range(8), range(3))
    assert highlighted_rows([elsewhere, region, region], LSTM, T, where, kind) == rows * 2


def test_a_vector_is_highlighted_if_any_unit_of_it_is():
    one = Region(Lane(1, 1), range(3, 5), range(2, 3))
    assert is_highlighted([one], HERE)
    assert is_highlighted([Region(Lane(1, 1), range(3, 5), range(1), array="c"), one], HERE, "c")
    for regions, where, array in (
        ([], HERE, "h"),
        ([one], HERE, "c"),
        ([one], HERE.moved(timestep=5), "h"),
        ([one], HERE.moved(direction=0), "h"),
        ([Region(Lane(1, 1), range(3, 5), range(0))], HERE, "h"),
    ):
        assert not is_highlighted(regions, where, array)


@pytest.mark.parametrize("order", ["lane", "layers"])
@pytest.mark.parametrize("timesteps", [1, 4])
def test_every_step_is_after_its_inputs(order, timesteps):
    walk = Traversal(Network("gru", 2, 3, num_layers=3, bidirectional=True), timesteps, order)
    here = Location(1, 1, 0, 2, 5)
    steps = [walk.at(index, here) for index in range(walk.count())]
    assert [walk.index_of(where) for where in steps] == list(range(walk.count()))
    assert {(where.sample, where.unit) for where in steps} == {(2, 5)}
    if order == "lane":
        assert [where.timestep for where in steps] == list(reversed(range(timesteps)))
        return
    assert len(set(steps)) == 3 * 2 * timesteps
    for index, where in enumerate(steps):
        before = where.moved(timestep=where.timestep + (1 if where.direction else -1))
        below = [where.moved(layer=where.layer - 1, direction=direction) for direction in (0, 1)]
        for read in [before, *below]:
            if 0 <= read.timestep < timesteps and read.layer >= 0:
                assert steps.index(read) < index


def test_a_step_reads_below_and_before_and_leaves_its_state():
    network = Network("lstm", 5, 10, num_layers=2, bidirectional=True)
    where = Location(1, 1, 3)
    units, here, after = range(10), range(3, 4), range(4, 5)
    own = Lane(1, 1)
    below = {Region(Lane(0, direction), here, units, "read") for direction in (0, 1)}
    h, c = Region(own, after, units, "read"), Region(own, after, units, "read", "c")
    assert set(stage_regions(network, where, 8, "input")) == below
    assert set(stage_regions(network, where, 8, "recurrent")) == below | {h}
    assert set(stage_regions(network, where, 8, "gates")) == below | {h, Region(own, here, units, "gates")}
    computed = {Region(own, here, units, "computed"), Region(own, here, units, "computed", "c")}
    assert set(stage_regions(network, where, 8, "state")) == below | {h, c} | computed
    carried = {Region(own, here, units, "carried"), Region(own, here, units, "carried", "c")}
    assert set(stage_regions(network, where, 8, "output")) == carried | {Region(own, range(2, 3), units, "next")}


def test_the_first_step_reads_the_initial_state_and_the_last_one_passes_on_out():
    network = Network("gru", 5, 10, bidirectional=True)
    first = stage_regions(network, Location(0, 1, 7), 8, "recurrent")
    assert first == (Region(INPUT, range(7, 8), range(5), "read"), Region(Lane(0, 1), range(8, 9), range(10), "read"))
    assert stage_regions(network, Location(0, 0, 0), 8, "recurrent")[1].times == range(-1, 0)
    assert [region.part for region in stage_regions(network, Location(0, 0, 7), 8, "output")] == ["carried"]


def test_the_text_of_a_stage_describes_its_regions():
    lstm = Network("lstm", 5, 10, num_layers=2, bidirectional=True)
    told = [stage_text(lstm, Location(0, 0, 3), 8, stage) for stage in STAGES]
    assert told == [
        "reads x[t=3] for the input part of layer 0 →",
        "reads h[t=2] for the recurrent part of layer 0 →",
        "computes the gates i f g o of layer 0 →",
        "reads c[t=2], and computes c[t=3] and h[t=3] of layer 0 →",
        "h[t=3] and c[t=3] of layer 0 → are passed on to t = 4",
    ]
    first = [stage_text(lstm, Location(1, 1, 7), 8, stage) for stage in ("input", "recurrent", "state")]
    assert first == [
        "reads h[t=7] of layer 0 → and 0 ← for the input part of layer 1 ←",
        "reads h0 for the recurrent part of layer 1 ←",
        "reads c0, and computes c[t=7] and h[t=7] of layer 1 ←",
    ]
    assert stage_text(lstm, Location(1, 1, 0), 8, "output").endswith("returned as state[0][3] and state[1][3]")
    relu = Network("rnn_relu", 5, 10)
    assert stage_text(relu, Location(0, 0, 0), 1, "gates") == "computes the pre-activation u + v of layer 0"
    assert stage_text(relu, Location(0, 0, 0), 1, "state") == "computes h[t=0] of layer 0: h = relu(u + v)"
    assert stage_text(relu, Location(0, 0, 0), 1, "output") == "h[t=0] of layer 0 is returned as state[0][0]"


@pytest.mark.parametrize("order", ["lane", "layers"])
def test_a_step_has_its_number_in_the_order_and_the_ends_hold(order):
    walk = Traversal(Network("gru", 2, 3, num_layers=3, bidirectional=True), 4, order)
    here = Location(1, 1, 2, 2, 5)
    if order == "lane":
        assert (walk.count(), walk.index_of(here)) == (4, 1)
        expected = [(1, 1, t) for t in (3, 3, 2, 1, 0, 0)]
        assert [walk.at(index, here).index[:3] for index in (-1, 0, 1, 2, 3, 4)] == expected
        return
    assert (walk.count(), walk.index_of(here)) == (24, 13)
    assert walk.index_of(here.moved(direction=0)) == 10
    ends = [(0, 0, 0), (0, 0, 0), (0, 1, 3), (1, 0, 0), (1, 1, 2), (2, 1, 0), (2, 1, 0)]
    assert [walk.at(index, here).index[:3] for index in (-1, 0, 4, 8, 13, 23, 24)] == ends


def test_every_state_of_a_custom_cell_is_read_and_returned():
    cell = CellSpec("mine", "Mine", lambda *_: Step(), (Gate("g", "g"),), (), (StateSpec("h"), StateSpec("m")))
    network = Network("./mine.py", 2, 3, custom=cell)
    last = Location(timestep=3)
    assert [stage_text(network, Location(), 4, "state"), *(stage_text(network, last, 4, s) for s in STAGES)] == [
        "reads m0, and computes m[t=0] and h[t=0] of layer 0",
        "reads x[t=3] for the input part of layer 0",
        "reads h[t=2] for the recurrent part of layer 0",
        "computes the gate g of layer 0",
        "reads m[t=2], and computes m[t=3] and h[t=3] of layer 0",
        "h[t=3] and m[t=3] of layer 0 are returned as state[0][0] and state[1][0]",
    ]


def test_the_backward_pass_is_the_forward_pass_from_its_end():
    forward = Traversal(Network("gru", 2, 3, num_layers=2, bidirectional=True), 5, "layers")
    backward = replace(forward, gradients=True)
    here = Location(sample=1, unit=2)
    steps = [forward.at(index, here) for index in range(forward.count())]
    assert [backward.at(index, here) for index in range(backward.count())] == steps[::-1]
    assert [backward.index_of(where) for where in steps[::-1]] == list(range(20))
    assert backward.stages == STAGES[::-1]
    assert backward.at(0, here).index[:3] == (1, 1, 0)


def test_a_stage_of_the_backward_pass_reads_later_gradients_and_passes_them_on_to_earlier_ones():
    network = Network("lstm", input_size=3, hidden_size=4, num_layers=2)

    def regions(where, stage):
        found: dict[str, set[tuple[int | None, int]]] = {}
        for region in stage_regions(network, where, 5, stage, gradients=True):
            found.setdefault(region.part, set()).add((region.lane.layer, region.times.start))
        return found

    middle = Location(0, 0, 2)
    assert regions(middle, "output") == {"read": {(0, 3), (1, 2)}}
    assert regions(middle, "state") == {"read": {(0, 3), (1, 2)}, "computed": {(0, 2)}}
    assert regions(middle, "gates") == {"gates": {(0, 2)}}
    assert regions(middle, "recurrent") == {"carried": {(0, 2)}, "next": {(0, 1)}}
    assert regions(middle, "input") == {"carried": {(0, 2)}, "next": {(None, 2)}}
    texts = [stage_text(network, Location(1, 0, 4), 5, stage, gradients=True) for stage in STAGES]
    assert [text.split()[0] for text in texts] == ["passes", "passes", "computes", "computes", "reads"]
    assert "grad.i, grad.f, grad.g and grad.o" in texts[2]
    assert "final state" in texts[4]
