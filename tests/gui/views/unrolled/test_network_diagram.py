"""Diagram of the config in place of the lanes before the first run."""

from dataclasses import replace

import pytest
from PySide6.QtCore import QSize

from rnnviz.core.config import Config, Network
from rnnviz.core.trace_index import INPUT, Lane
from rnnviz.gui.app_state import Session
from rnnviz.gui.theme.palettes import THEMES
from rnnviz.gui.views.unrolled.network_diagram import NetworkDiagram
from rnnviz.gui.views.unrolled.view import UnrolledView
from tests.factories import make_result


def config_of(timesteps: int = 6, **keys: object) -> Config:
    network = Network(**{"cell": "lstm", "input_size": 3, "hidden_size": 4, **keys})
    config = Config(network)
    return replace(config, sequence=replace(config.sequence, timesteps=timesteps, batch_size=2))


@pytest.fixture
def diagram(qtbot):
    made = NetworkDiagram(config_of())
    qtbot.addWidget(made)
    return made


def test_the_diagram_has_a_lane_for_each_layer_and_direction_and_says_the_sizes(diagram):
    diagram.show_config(config_of(num_layers=2, bidirectional=True))
    assert diagram.lanes() == [Lane(1, 1), Lane(1, 0), Lane(0, 1), Lane(0, 0), INPUT]
    assert diagram.timesteps() == ["0", "1", "…", "5"]
    assert diagram.shapes() == ("out (2, 6, 8)", "final state [h, c], each (4, 2, 4)")
    for text in ("layer 1 backward ←: 4 units", "input: 3 features"):
        assert text in diagram.accessibleDescription()


@pytest.mark.slow
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(
    "keys", [{}, {"num_layers": 3, "bidirectional": True}, {"reverse": True}, {"cell": "./mine.py"}]
)
def test_every_network_is_drawn_at_every_size(diagram, keys, theme):
    diagram.apply_theme(THEMES[theme])
    diagram.show_config(config_of(**keys))
    for size in (QSize(1, 1), QSize(300, 200), QSize(900, 700)):
        diagram.resize(size)
        colors = diagram.grab().toImage()
    assert len({colors.pixel(x, y) for x in range(0, 900, 3) for y in range(0, 700, 3)}) > 3


def test_the_diagram_follows_the_config_until_there_is_a_result(qtbot):
    session = Session(config_of(hidden_size=4))
    view = UnrolledView(session)
    qtbot.addWidget(view)
    view.show_result(None, None)
    assert view.diagram.isVisibleTo(view)
    before = view.diagram.accessibleDescription()
    session.set_config(config_of(hidden_size=5))
    assert view.diagram.accessibleDescription() != before
    view.show_result(make_result(), None)
    assert not view.diagram.isVisibleTo(view)
