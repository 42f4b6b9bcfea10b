"""The influence on the selected value in the lanes: strips, their colors, and their numbers."""

import numpy as np
from PySide6.QtCore import QPointF
from PySide6.QtGui import QColor

from rnnviz.core.trace_index import INPUT, Lane, Location
from rnnviz.dependence.influence import influence
from rnnviz.gui.theme.palettes import LIGHT
from tests.factories import make_result
from tests.gui.views.unrolled.seen import empty_view


def test_strips_show_the_influence_of_each_time_step(qtbot) -> None:
    view = empty_view()
    qtbot.addWidget(view)
    view.resize(900, 500)
    view.show()
    result, where = make_result(cell="gru", timesteps=40, num_layers=2, bidirectional=True), Location(1, 0, 25, 1, 2)
    view.session.set_result(result)
    view.show_result(result, "manual")
    found = influence(result, where, "manual")
    view.session.set_following("influence")
    view.session.set_followed(found)
    view.show_influence(found, followed=True)
    strips = view.parts.influence
    geometry = view.geometry_in_view
    assert strips.isVisible()
    assert set(strips.strips) == {INPUT, *(Lane(layer, d) for layer in (0, 1) for d in (0, 1))}
    shares = strips.shares(Lane(1, 0))
    assert not shares[26:].any()
    assert (np.diff(shares[found.hidden[1, 0] > 0.0][-8:]) > 0.0).all()

    def color(lane: Lane, timestep: int) -> QColor:
        return strips.strips[lane][1].pixelColor(round(geometry.x_of(timestep)), 0)

    assert color(Lane(1, 0), 30) == QColor(LIGHT.base)
    assert color(Lane(1, 1), 25) == QColor(LIGHT.base)
    assert color(Lane(1, 0), 25).lightness() < color(Lane(1, 0), 15).lightness()
    lane_rect = geometry.stack.lane_rect(Lane(0, 0))
    place = view.box.mapToScene(QPointF(geometry.x_of(20), geometry.top_of(lane_rect) + 5.0))
    assert "influence on" in view.description_at(place)
    # A picture has them, too.
    copy = view.duplicate()
    qtbot.addWidget(copy)
    assert copy.parts.influence._influence is found
    view.show_influence(None, followed=False)
    assert not strips.isVisible()
