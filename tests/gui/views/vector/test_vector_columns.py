"""The columns of the vector at the selection: a cell's gates where they are chosen, and what a session brings back."""

import numpy as np
import pytest
from PySide6.QtCore import Qt

from rnnviz.core import number_format
from rnnviz.core.trace_index import Location
from rnnviz.gui.views.vector_table import VectorTable
from tests.factories import make_result
from tests.oracles.gates import gates_of


def shown_short(value: np.float32) -> str:
    return number_format.true_minus(number_format.short(value))


def columns_of(view: VectorTable, *names: str) -> dict[str, list[str]]:
    """The texts of some columns by their headings."""
    model = view.model
    headings = [model.headerData(c, Qt.Orientation.Horizontal) for c in range(model.columnCount())]
    return {name: [model.cell(row, headings.index(name)).text for row in range(model.rowCount())] for name in names}


def test_gates_have_columns_if_they_are_chosen(view: VectorTable) -> None:
    result = make_result(cell="lstm", hidden_size=70, timesteps=6, bidirectional=True)
    view.show_result(result, "manual")
    before = view.model.columnCount()
    view.columns.choose("f", wanted=True)
    view.columns.choose("c", wanted=True)
    where = Location(0, 1, 2, 1, 69)
    view.show_location(where)
    expected = gates_of(result.inputs, result["gluon"].hidden)
    shown = columns_of(view, "f", "c")
    for name, texts in shown.items():
        assert texts == [shown_short(value) for value in expected[name][0, 1, 2, 1].astype(np.float32)]
    assert view.copy_text().splitlines()[0].split("\t")[-2:] == ["f", "c"]
    copied = float(view.copy_text().splitlines()[1].split("\t")[-1])
    assert copied == pytest.approx(expected["c"][0, 1, 2, 1, 0], rel=1e-5)
    assert copied != float(shown["c"][0].replace("−", "-"))
    view.choose("input")
    assert not view.columns.isEnabled()
    view.choose("hidden")
    view.columns.choose("f", wanted=False)
    view.columns.choose("c", wanted=False)
    assert view.model.columnCount() == before


def test_chosen_columns_are_restored_where_the_cell_has_them(qtbot, settings) -> None:
    for cell, names in (("lstm", ["i", "change"]), ("gru", ["change"]), ("lstm", ["i", "change"])):
        view = VectorTable(settings)
        qtbot.addWidget(view)
        view.show_result(make_result(cell=cell), "manual")
        if not settings.columns("vector-columns"):
            view.columns.choose("change", wanted=True)
            view.columns.choose("i", wanted=True)
        assert [choice.name for choice in view.columns.chosen] == names
        assert len(columns_of(view, *names)) == len(names)


def test_a_session_brings_the_tab_back_where_there_is_one_and_an_older_one_changes_none(view: VectorTable) -> None:
    view.show_result(make_result(cell="lstm"), "manual")
    view.restore_state(["tab c0", "f"])
    assert view.save_state() == ("tab c0", "f")
    view.show_location(Location(timestep=2))
    for words in (["f"], ["tab c0", "f"], ["tab", "tab x", "f"]):
        view.restore_state(words)
        assert view.save_state() == ("tab hidden", "f")
