"""Names of parameters, outputs and states in panel, arithmetic and map: Gluon's, or PyTorch's."""

from collections.abc import Iterator
from typing import Any

import pytest
from PySide6.QtGui import QAction

from rnnviz.core.config import Config
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.naming import use_names
from rnnviz.gui.settings_panel.editors import ChoiceEditor
from rnnviz.gui.views.arithmetic.term_table import TermTableView
from rnnviz.gui.views.output_map_list import PlaceRow


@pytest.fixture(autouse=True)
def gluon_afterwards(qapp: Any) -> Iterator[None]:
    yield
    use_names("gluon")


@pytest.mark.slow
def test_the_window_shows_the_names_of_the_choice_and_remembers_it(shared_window: MainWindow, qtbot: Any) -> None:
    window = shared_window
    network = {"cell": "lstm", "input_size": 2, "hidden_size": 3, "num_layers": 2}
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        window.document.edit(Config.from_mapping({"network": network}))
        window.control.run()
    window.actions_["explain"].trigger()
    qtbot.waitUntil(lambda: any(table.isVisible() for table in window.findChildren(TermTableView)))
    rows = next(table for table in window.findChildren(TermTableView) if table.isVisible()).model()
    qtbot.waitUntil(lambda: rows.rowCount() > 0)

    def shown() -> tuple[set[str], str, str]:
        names = {rows.data(rows.index(row, 0)) for row in range(rows.rowCount())}
        rows_of_map = window.output_map.rows
        row = next(row for row, place in enumerate(rows_of_map.rows) if isinstance(place, PlaceRow))
        text = rows_of_map.data(rows_of_map.index(row, 0))
        return names, window.panel.reveal_shapes().shapes.accessibleName(), text

    window.findChild(QAction, "names_pytorch").trigger()
    names, shapes, place = shown()
    assert {"b_ih", "b_hh"} <= names
    assert "weight_ih_l1 (12, 3)" in shapes
    assert window.panel.summary.values["state"].accessibleName().startswith("state: (h_n, c_n)")
    layout = window.panel.field("network.layout").editor
    assert isinstance(layout, ChoiceEditor)
    assert layout.combo.currentText() == "batch_first=True"
    assert place.startswith("output[0][")
    assert window.settings.names == "pytorch"
    window.findChild(QAction, "names_gluon").trigger()
    names, shapes, place = shown()
    assert {"b_i2h", "b_h2h"} <= names
    assert "l1_i2h_weight (12, 3)" in shapes
    assert place.startswith("out[0][")
    assert window.settings.names == "gluon"
