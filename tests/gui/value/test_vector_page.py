"""The vector at the selection as a table: its values, marks and gates, what it copies, and where its rows lead."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from rnnviz.core import number_format
from rnnviz.core.places import Place
from rnnviz.core.sequence import Names
from rnnviz.core.trace_index import Location
from rnnviz.gui.theme.palettes import THEMES
from rnnviz.gui.value.vector_page import VectorPage
from tests.factories import adding, make_result
from tests.oracles.gates import gates_of


@pytest.fixture
def view(qtbot):
    return qtbot.on_screen(VectorPage(), 300, 500)


def cells(view: VectorPage) -> list[list[str]]:
    model = view.model
    return [[model.cell(row, c).text for c in range(model.columnCount())] for row in range(model.rowCount())]


def shown_short(value: np.float32) -> str:
    return number_format.true_minus(number_format.short(value))


def marked(view: VectorPage) -> list[tuple[int, int]]:
    model = view.model
    return [(r, c) for r in range(model.rowCount()) for c in range(model.columnCount()) if model.cell(r, c).bold]


def test_the_values_are_those_of_the_traces(view):
    result = make_result(num_layers=2, bidirectional=True)
    where = Location(1, 1, 2, 1, 3)
    view.show_result(result, "manual")
    view.show_location(where)
    hidden = result["gluon"].hidden[1, 1, 2, 1]
    assert cells(view) == [[str(u), shown_short(h), shown_short(h)] for u, h in enumerate(hidden)]
    assert marked(view) == []


def test_exactly_the_changed_value_is_marked(view):
    view.show_result(make_result(edits={"manual": adding(0.25, 0, 0, 2, 1, 3)}), "manual")
    view.show_location(Location(0, 0, 2, 1))
    assert marked(view) == [(3, 0), (3, 2), (3, 3), (3, 4)]
    assert view.model.cell(3, 0).mark is not None
    assert cells(view)[3][3] == "0.25"
    assert "mismatch" in view.model.index(3, 0).data(Qt.ItemDataRole.AccessibleTextRole)
    for elsewhere in (Location(0, 0, 1, 1), Location(0, 0, 2, 0)):
        view.show_location(elsewhere)
        assert marked(view) == []


def test_another_engine_has_a_column_without_a_difference(view):
    edit = adding(1.0, 0, 0, 0, 0, 1)
    view.show_result(make_result(("gluon", "manual", "torch"), edits={"manual": edit}), "manual")
    headings = [view.model.headerData(c, Qt.Orientation.Horizontal) for c in range(view.model.columnCount())]
    assert headings == ["unit", "gluon", "manual", "torch", "Δ", "ulp"]
    assert marked(view) == [(1, 0), (1, 2), (1, 4), (1, 5)]
    view.show_result(make_result(("gluon", "manual", "torch"), edits={"manual": edit}), "torch")
    assert marked(view) == []


def test_nan_and_infinity_are_spelled_out(view):
    def edit(trace):
        trace.hidden[0, 0, 0, 0, :2] = np.nan, -np.inf

    view.show_result(make_result(edits={"manual": edit}), "manual")
    assert cells(view)[0][2:] == ["NaN", "NaN", "none"]
    assert cells(view)[1][2:4] == ["−infinity", "−infinity"]
    assert {row for row, _ in marked(view)} == {0, 1}


def test_hovering_shows_every_figure_in_full(view):
    result = make_result()
    view.show_result(result, "manual")
    told = view.model.index(2, 1).data(Qt.ItemDataRole.ToolTipRole)
    assert f"gluon: {number_format.full(result['gluon'].hidden[0, 0, 0, 0, 2])}" in told
    assert "within the tolerance" in told


def test_choosing_a_row_asks_for_its_unit(qtbot, view):
    view.show_result(make_result(), "manual")
    where = Location(0, 0, 2, 1, 0)
    view.show_location(where)
    with qtbot.waitSignal(view.location_requested) as asked:
        qtbot.click(view.table, view.model.index(3, 2))
    assert asked.args == [where.moved(unit=3)]
    with qtbot.waitSignal(view.location_requested) as asked:
        qtbot.keyClick(view.table, Qt.Key.Key_Up)
    assert asked.args == [where.moved(unit=2)]


def test_the_row_of_the_selection_is_chosen_and_visible(qtbot, view):
    view.show_result(make_result(hidden_size=1024, timesteps=3), "manual")
    with qtbot.assertNotEmitted(view.location_requested):
        view.show_location(Location(0, 0, 1, 0, 900))
    assert [index.row() for index in view.table.selectionModel().selectedRows()] == [900]
    assert view.table.viewport().rect().contains(view.table.visualRect(view.model.index(900, 0)).center())


def test_copying_takes_the_whole_vector_in_full_precision(qtbot, view):
    result = make_result(hidden_size=50)
    view.show_result(result, "manual")
    QApplication.clipboard().clear()
    qtbot.keyClick(view.table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    rows = [line.split("\t") for line in QApplication.clipboard().text().splitlines()[1:]]
    assert np.array_equal(np.array([r[2] for r in rows], np.float32), result["manual"].hidden[0, 0, 0, 0])
    assert view.table.copy_text() == QApplication.clipboard().text()


def test_the_input_is_a_tab_away_and_leads_to_where_it_was_computed(qtbot, view):
    result = make_result(num_layers=2, bidirectional=True)
    view.show_result(result, "manual")
    where = Location(1, 0, 2, 1, 3)
    view.show_location(where)
    view.choose("input")
    below = result["gluon"].hidden[0, :, 2, 1].reshape(-1)
    assert [row[1] for row in cells(view)] == [shown_short(v) for v in below]
    view.table.setCurrentIndex(view.model.index(6, 0))
    with qtbot.waitSignal(view.location_requested) as asked:
        view.table.activated.emit(view.model.index(6, 0))
    assert asked.args == [Location(0, 1, 2, 1, 2)]
    view.show_location(where.moved(layer=0))
    assert [row[1] for row in cells(view)] == [shown_short(v) for v in result.inputs.sequence[2, 1]]
    assert "dat[1][2]" in view.choice.itemData(view.choice.currentIndex(), Qt.ItemDataRole.ToolTipRole)


def test_the_initial_states_have_tabs_at_the_step_that_reads_them(view):
    result = make_result(cell="lstm", bidirectional=True)
    view.show_result(result, "manual")
    view.show_location(Location(0, 1, 4))
    assert view.kinds == ("hidden", "cell", "input", "h0", "c0")
    view.choose("c0")
    assert [row[1] for row in cells(view)] == [shown_short(v) for v in result.inputs.initial_state["c"][1, 0]]
    view.show_location(Location(0, 1, 3))
    assert "c0" not in view.kinds
    assert [row[1] for row in cells(view)] == [shown_short(v) for v in result["gluon"].hidden[0, 1, 3, 0]]


def test_the_cell_states_of_a_projection_are_other_units(qtbot, view):
    view.show_result(make_result(cell="lstm", hidden_size=6, projection_size=2), "manual")
    view.show_location(Location(timestep=3, unit=1))
    view.choose("cell")
    assert not view.table.selectionModel().hasSelection()
    with qtbot.assertNotEmitted(view.location_requested):
        view.table.choose(5)
    with qtbot.waitSignal(view.explanation_requested) as asked:
        view.table.activated.emit(view.model.index(5, 1))
    assert asked.args == [Place.at("c", Location(timestep=3, unit=5))]


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_both_themes_draw_marked_and_chosen_rows(view, theme):
    view.apply_theme(theme)
    view.show_result(make_result(edits={"manual": adding(0.25, 0, 0, 0, 0, 3)}), "manual")
    assert view.model.cell(3, 2).color.name() == theme.wrong
    image = view.table.viewport().grab().toImage()
    rect = view.table.visualRect(view.model.index(3, 2))
    seen = {
        image.pixelColor(x, y).name()
        for x in range(rect.left(), rect.right())
        for y in range(rect.top(), rect.bottom())
    }
    assert theme.wrong in seen


def test_names_of_a_sequence_are_at_its_features(view):
    result = make_result()
    names = Names(("a", "b", "c", "d", "the fifth of all of them"), ("open", "", "a very long name"))
    result = replace(result, inputs=replace(result.inputs, names=names))
    view.show_result(result, "manual")
    view.show_location(Location(timestep=2))
    assert [row[0] for row in cells(view)] == ["0", "1", "2", "3"]
    view.choose("input")
    assert [row[0] for row in cells(view)] == ["0 open", "1", "2 a very long…"]
    tooltip = view.model.index(2, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert tooltip.startswith("feature: 2 a very long name\n")


def columns_of(view: VectorPage, *names: str) -> dict[str, list[str]]:
    """The texts of some columns by their headings."""
    model = view.model
    titles = (str(model.headerData(c, Qt.Orientation.Horizontal)) for c in range(model.columnCount()))
    # A long one has two lines.
    headings = [" ".join(title.split()) for title in titles]
    return {name: [model.cell(row, headings.index(name)).text for row in range(model.rowCount())] for name in names}


def test_gates_have_columns_if_they_are_chosen(view):
    result = make_result(cell="lstm", hidden_size=70, timesteps=6, bidirectional=True)
    view.show_result(result, "manual")
    before = view.model.columnCount()
    view.columns.choose("f", wanted=True)
    view.columns.choose("c", wanted=True)
    where = Location(0, 1, 2, 1, 69)
    view.show_location(where)
    expected = gates_of(result.inputs, result["gluon"].hidden)
    shown = columns_of(view, "f recomputed", "c")
    shown["f"] = shown.pop("f recomputed")
    for name, texts in shown.items():
        assert texts == [shown_short(value) for value in expected[name][0, 1, 2, 1].astype(np.float32)]
    assert view.table.copy_text().splitlines()[0].split("\t")[-2:] == ["f recomputed", "c"]
    copied = float(view.table.copy_text().splitlines()[1].split("\t")[-1])
    assert copied == pytest.approx(expected["c"][0, 1, 2, 1, 0], rel=1e-5)
    assert copied != float(shown["c"][0].replace("−", "-"))
    view.choose("input")
    assert not view.columns.isEnabled()
    view.choose("hidden")
    view.columns.choose("f", wanted=False)
    view.columns.choose("c", wanted=False)
    assert view.model.columnCount() == before


def test_a_gradient_has_a_tab_with_every_engine_that_gives_it(view):
    result = make_result(
        ("gluon", "manual", "torch"),
        gradients=("gluon", "manual"),
        edits={"manual": adding(0.5, 0, 0, 2, 0, 1, array="grad.h")},
    )
    view.show_result(result, "manual")
    view.show_location(Location(0, 0, 2, 0, 1))
    view.choose("gradient")
    assert view.model.columnCount() == 5
    assert view.model.columns[1].exact(1) == number_format.full(result["gluon"]["grad.h"][0, 0, 2, 0, 1])
    assert [bool(view.model.columns[2].look(row).bold) for row in range(4)] == [False, True, False, False]
    view.columns.choose("grad.h", wanted=True)
    assert view.model.columns[-1].exact(1) == view.model.columns[1].exact(1)
