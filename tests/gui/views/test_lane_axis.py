"""Plots under the lanes show the same time steps at the same places of the screen."""

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from rnnviz.gui.views.units_plot import UnitsPlot

pytestmark = pytest.mark.slow


def test_lanes_and_plot_move_together(qtbot, window, run_config):
    run_config({"cell": "gru", "input_size": 3, "hidden_size": 4}, sequence={"timesteps": 400})
    window.main_layout.select_tab("Units over time")
    plot, lanes = window.findChild(UnitsPlot).plot, window.lanes.canvas

    def together() -> bool:
        camera = lanes.geometry_in_view.camera
        return np.allclose(plot.view_box.viewRange()[0], (camera.start, camera.start + camera.span))

    qtbot.waitUntil(together)
    lanes.show_part(100.0, 140.0)
    qtbot.waitUntil(together)
    assert plot.seen == range(100, 141)

    def aligned() -> bool:
        area = plot.mapFromScene(plot.view_box.sceneBoundingRect()).boundingRect()
        ends = plot.mapToGlobal(area.topLeft()).x(), lanes.mapToGlobal(lanes.area.topLeft()).x()
        return abs(ends[0] - ends[1]) <= 1 and abs(area.width() - lanes.area.width()) <= 2

    qtbot.waitUntil(aligned)
    plot.setFocus()
    QTest.keyClick(plot, Qt.Key.Key_Plus)
    qtbot.waitUntil(together)
    assert lanes.geometry_in_view.camera.span < 40.0
    QTest.keyClick(plot, Qt.Key.Key_0)
    qtbot.waitUntil(together)
    assert plot.seen == range(400)
