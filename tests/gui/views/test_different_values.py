"""Different values: one row for each value outside the tolerance, sorted, narrowed down, visited."""

import numpy as np
import pytest
from PySide6.QtCore import Qt

from rnnviz.core import number_format
from rnnviz.core.masks import Mask
from rnnviz.core.places import Place
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.gui.views.base import Note
from rnnviz.gui.views.different_values import DifferentValues
from tests.factories import adding, make_result
from tests.gui.shown import texts

PLACES = {
    Location(0, 0, 1, 1, 2): 0.5,
    Location(1, 0, 0, 0, 3): 0.25,
    Location(1, 1, 1, 0, 0): 2.0,
    Location(1, 1, 0, 1, 1): 1.0,
}


def perturb(trace: Trace) -> None:
    for where, change in PLACES.items():
        trace.hidden[where.index] += change


@pytest.fixture
def view(qtbot):
    return qtbot.on_screen(DifferentValues(), 900, 220)


@pytest.fixture
def shown(view):
    view.show_result(make_result(num_layers=2, bidirectional=True, edits={"manual": perturb}), "manual")
    return view


def listed(view: DifferentValues) -> list[Location]:
    return [view.location(row) for row in range(view.model.rowCount())]


def test_exactly_the_perturbed_values_are_listed_backward_lanes_from_their_last_time_step(shown):
    assert shown.table.isVisible()
    assert listed(shown) == list(PLACES)


def test_a_heading_sorts_and_a_second_click_turns_it_round(shown):
    header = shown.table.horizontalHeader()
    header.setSortIndicator(7, Qt.SortOrder.DescendingOrder)
    assert listed(shown) == sorted(PLACES, key=PLACES.__getitem__, reverse=True)
    header.setSortIndicator(7, Qt.SortOrder.AscendingOrder)
    assert listed(shown) == sorted(PLACES, key=PLACES.__getitem__)
    header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
    assert listed(shown) == list(PLACES)


def test_layer_and_direction_narrow_the_list_down(shown):
    shown.layers.setCurrentText("layer 1")
    assert listed(shown) == [where for where in PLACES if where.layer == 1]
    shown.directions.setCurrentText("backward")
    assert listed(shown) == [where for where in PLACES if where.layer == 1 and where.direction == 1]
    shown.layers.setCurrentText("layer 0")
    assert listed(shown) == []
    shown.layers.setCurrentText("every layer")
    shown.directions.setCurrentText("both directions")
    assert listed(shown) == list(PLACES)


def test_choosing_a_row_asks_for_its_place(qtbot, shown):
    with qtbot.waitSignal(shown.location_requested) as asked:
        shown.table.selectRow(2)
    assert asked.args == [list(PLACES)[2]]


def test_the_row_of_the_selection_is_chosen_and_emits_nothing(qtbot, shown):
    with qtbot.assertNotEmitted(shown.location_requested):
        shown.show_location(list(PLACES)[3])
        assert shown.table.currentIndex().row() == 3
        shown.show_location(Location())
    assert not shown.table.selectionModel().hasSelection()


def test_a_copy_has_headings_places_and_every_digit(shown):
    lines = shown.copy_text().splitlines()
    assert lines[0].split("\t")[:7] == ["layer", "direction", "t", "sample", "unit", "gluon", "manual"]
    first = lines[1].split("\t")
    assert first[:5] == ["0", "forward", "1", "1", "2"]
    assert float(first[6]) - float(first[5]) == pytest.approx(0.5, rel=1e-5)


def test_the_mismatches_of_another_array_are_listed_when_it_is_selected(view):
    edits = {"manual": adding(0.5, 0, 0, 2, 1, 3, array="grad.h")}
    result = make_result(gradients=("gluon", "manual"), edits=edits)
    view.show_result(result, "manual")
    assert view.array.isVisible()
    # h agrees, so the gradient that does not is listed.
    assert listed(view) == [Location(0, 0, 2, 1, 3)]
    assert view.tab_note(result, "manual", "h") == Note("grad.h 1", "wrong")
    view.array.setCurrentText("h")
    assert listed(view) == []
    view.array.setCurrentText("grad.h")
    assert listed(view) == [Location(0, 0, 2, 1, 3)]
    asked: list[object] = []
    view.explanation_requested.connect(asked.append)
    view.table.activated.emit(view.model.index(0, 0))
    assert asked == [Place.at("grad.h", Location(0, 0, 2, 1, 3))]
    view.show_result(make_result(), "manual")
    assert not view.array.isVisible()


def test_values_that_a_question_asks_for_are_question_marks(shown):
    shown.show_masked((Mask("h", (range(1),)),))
    assert [row[5:7] == ("?", "?") for row in texts(shown.model)] == [where.layer == 0 for where in PLACES]
    assert [line.count("?") for line in shown.copy_text().splitlines()] == [0, 4, 0, 0, 0]


def test_the_smallest_tolerance_that_passes_can_be_copied_and_does_pass(qtbot, view, clipboard):
    edits = {"manual": adding(0.0123456, 0, 0, 3, 1, 2)}
    view.show_result(make_result(edits=edits), "manual")
    qtbot.mouseClick(view.copy_button, Qt.MouseButton.LeftButton)
    limits = {name: float(value) for name, value in (part.split("=") for part in clipboard().split(", "))}
    assert make_result(edits=edits, compare_with=limits).verdict == "agree"
    assert number_format.format_ceil(limits["atol"]) in view.description.text()
    limits["atol"] = np.nextafter(limits["atol"], 0.0)
    assert make_result(edits=edits, compare_with=limits).verdict == "disagree"


def test_without_a_difference_only_the_tolerance_is_shown(view):
    view.show_result(make_result(), "manual")
    assert not view.table.isVisible()
    assert not view.layers.isVisible()
    assert view.copy_button.isVisible()
    assert view.copy_text() == ""
