"""Tables made of column records: their signs, order, marks and tooltips."""

import numpy as np
import pytest
from PySide6.QtCore import Qt

from rnnviz.core import number_format
from rnnviz.gui.kit.table import Table, TableModel
from rnnviz.gui.theme.palettes import DARK, LIGHT
from rnnviz.results.columns import Column, Look
from tests.gui.shown import texts

VALUES = (-0.5, np.nan, 2.0, -0.5, -np.inf)
WRONG = Look("wrong", bold=True, icon="cross", note="mismatch")


@pytest.fixture
def model():
    model = TableModel(columns(np.array(VALUES)))
    model.show_rows(range(len(VALUES)))
    return model


def columns(values: np.ndarray) -> tuple[Column, ...]:
    return (
        Column("unit", "u-{}".format, look=lambda row: WRONG if row == 2 else Look()),
        Column(
            "value",
            lambda row: number_format.short(values[row]),
            lambda row: number_format.full(values[row]),
            number=True,
            heading="value of h",
            keys=lambda: values,
        ),
    )


def order(model: TableModel) -> list[int]:
    return [model.row(place) for place in range(model.rowCount())]


def test_numbers_are_shown_with_true_minus_signs_and_copied_with_hyphens(qtbot, model):
    assert texts(model)[0] == ("u-0", "−0.500")
    assert model.index(0, 1).data() == "−0.500"
    table = Table(model, "Values")
    qtbot.addWidget(table)
    assert table.copy_text().splitlines()[:2] == ["unit\tvalue of h", "u-0\t-0.5"]
    assert model.cell(1, 1).color == LIGHT.color("nan")
    assert model.cell(0, 1).color is None


def test_nan_is_last_and_equal_rows_keep_their_order_both_ways(model):
    model.sort(1)
    assert order(model) == [4, 0, 3, 2, 1]
    model.sort(1, Qt.SortOrder.DescendingOrder)
    assert order(model) == [2, 0, 3, 4, 1]
    assert [model.place_of(row) for row in order(model)] == [0, 1, 2, 3, 4]
    model.sort(-1)
    assert order(model) == [0, 1, 2, 3, 4]


def test_a_mark_has_the_themes_color_and_words_for_screen_readers(model):
    model.apply_theme(DARK)
    assert model.cell(2, 0).color == DARK.color("wrong")
    assert model.index(2, 0).data(Qt.ItemDataRole.AccessibleTextRole) == "unit u-2, mismatch"
    assert model.index(0, 1).data(Qt.ItemDataRole.AccessibleTextRole) == "value of h −0.500"
    assert model.index(0, 1).data(Qt.ItemDataRole.ToolTipRole) == "unit: u-0\nvalue of h: -0.5"


def test_a_column_is_as_wide_as_a_row_in_capitals():
    model = TableModel((Column("Cell", str),))
    model.show_rows(["LSTM"])
    assert model.widest()[0].startswith("LSTM")


def test_a_title_of_three_words_is_broken_once_and_the_widest_columns_are_cut_to_one_width(qtbot):
    model = TableModel(
        [Column("first wrong step", lambda row: ""), *(Column(name, str, shrinks=True) for name in ("check", "engine"))]
    )
    table = Table(model, "Checks")
    qtbot.addWidget(table)
    model.show_rows(["0123456789" * 4])
    table.resize(20 * table.fontMetrics().averageCharWidth(), 200)
    table.show()
    assert model.broken_titles == {0: "first wrong \nstep"}
    table.resize(60 * table.fontMetrics().averageCharWidth(), 200)
    widths = [table.columnWidth(place) for place in range(3)]
    assert widths[2] - widths[1] in (0, 1)
    assert sum(widths) == table.viewport().width()
