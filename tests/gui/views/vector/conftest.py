"""A table of the selected vector."""

import pytest

from rnnviz.gui.views.vector_table import VectorTable


@pytest.fixture
def view(qtbot) -> VectorTable:
    view = VectorTable()
    qtbot.addWidget(view)
    view.resize(300, 500)
    view.show()
    return view
