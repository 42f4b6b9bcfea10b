"""How differences spread: where they first show, and by when each lane is reached."""

from dataclasses import replace

import numpy as np
import pytest

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.quantities.error_series import spread, spread_sentence
from rnnviz.text.verdict_text import plain
from rnnviz.verify.result import RunResult
from tests.factories import Edit, make_result


def touching(*places: Location, amount: float = 0.25) -> Edit:
    def edit(trace: Trace) -> None:
        for where in places:
            trace.hidden[where.index] += trace.hidden.dtype.type(amount)

    return edit


def sentence(result: RunResult) -> str:
    return plain(spread_sentence(result, "manual", spread(result, "manual")))


def test_each_lane_has_its_first_mismatch_in_its_own_order() -> None:
    places = [Location(0, 0, 3, 1, 2), Location(0, 0, 4, 0, 0), Location(1, 1, 3, 0, 1), Location(1, 1, 1, 0, 0)]
    result = make_result(edits={"manual": touching(*places)}, num_layers=2, bidirectional=True)
    lanes = spread(result, "manual")
    assert [lane.name for lane in lanes] == [
        "layer 0, forward",
        "layer 0, backward",
        "layer 1, forward",
        "layer 1, backward",
    ]
    assert [lane.where for lane in lanes] == [Location(layer, d) for layer in (0, 1) for d in (0, 1)]
    assert [lane.first for lane in lanes] == [places[0], None, None, places[2]]
    assert [lane.steps for lane in lanes] == [3, None, None, 1]
    assert [lane.mismatched for lane in lanes] == [2, 0, 0, 2]
    assert np.flatnonzero(lanes[0].error_ratio > 1.0).tolist() == [3, 4]


def test_heights_separate_mismatches_from_other_values() -> None:
    result = make_result(edits={"manual": touching(Location(0, 0, 3), amount=0.25)})
    [lane] = spread(result, "manual")
    heights = lane.heights(lane.worst)
    assert heights[3] == 1.0
    assert np.all(heights[[0, 1, 2, 4]] == 0.0)
    assert 0.25 < lane.heights(1e15)[3] < 0.6
    beyond = replace(lane, error_ratio=np.array([np.inf, 0.5]))
    assert beyond.heights(10.0).tolist() == [1.0, 0.0]
    scale = replace(lane, error_ratio=np.array([0.0, 1.0, np.nextafter(1.0, 2.0), 10**1.5, 1000.0, 1e9]))
    assert scale.heights(1000.0).tolist() == pytest.approx([0.0, 0.0, 0.25, 0.625, 1.0, 1.0])
    # A scale is never shorter than to ten times the limit.
    assert scale.heights(2.0).tolist() == scale.heights(10.0).tolist() == pytest.approx([0, 0, 0.25, 1, 1, 1])


@pytest.mark.parametrize(
    ("network", "places", "said"),
    [
        ({}, [Location(0, 0, 2)], " 1 of 40 values"),
        (
            {"num_layers": 2},
            [Location(0, 0, 0), Location(1, 0, 0)],
            " Errors in every layer at once. 2 of 80 values",
        ),
        (
            {"num_layers": 2},
            [Location(0, 0, 1), Location(1, 0, 3)],
            " Errors in every layer by t = 3. 2 of 80 values",
        ),
        ({"num_layers": 2}, [Location(1, 0, 3)], " Errors in 1 of 2 layers. 1 of 80 values"),
        (
            {"bidirectional": True},
            [Location(0, 0, 0), Location(0, 1, 3)],
            " Errors in every lane after 1 time step. 2 of 80 values",
        ),
        (
            {"bidirectional": True},
            [Location(0, 0, 2), Location(0, 1, 4)],
            " Errors in every lane after 2 time steps. 2 of 80 values",
        ),
        (
            {"bidirectional": True},
            [Location(0, 0, 0), Location(0, 1, 4)],
            " Errors in every lane at once. 2 of 80 values",
        ),
        (
            {"bidirectional": True},
            [Location(0, 1, 3)],
            " Errors in 1 of 2 lanes. 1 of 80 values",
        ),
    ],
)
def test_the_sentence_has_the_first_mismatch_and_the_time_of_full_spread(
    network: dict[str, int | bool], places: list[Location], said: str
) -> None:
    result = make_result(edits={"manual": touching(*places)}, **network)
    assert sentence(result).startswith(f"First mismatch: {places[0]}.{said} exceed")
    parts = spread_sentence(result, "manual", spread(result, "manual"))
    assert [part.where for part in parts if part.where] == [places[0]]


def test_a_bug_in_the_final_states_alone_shows_in_the_checks() -> None:
    def edit(trace: Trace) -> None:
        trace.state_h[0] += 1.0

    wrong, right = make_result(edits={"manual": edit}), make_result()
    said = sentence(wrong)
    assert said.startswith("All hidden values agree, but 2 consistency checks fail: manual: ")
    assert sentence(right) == "No mismatch: every value agrees with gluon within the tolerance."
    for result in (wrong, right):
        parts = spread_sentence(result, "manual", spread(result, "manual"))
        assert [part.strong for part in parts] == [True, False]
