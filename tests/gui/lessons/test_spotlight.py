"""Every part that a lesson can name highlights the intended widget."""

import pytest
from PySide6.QtCore import QPoint, QRect

from rnnviz.gui.lessons.spotlight import SECTION_OF, TAB_OF, VIEW_OF, Spotlight, target_of
from rnnviz.gui.settings_panel.fields import SECTION_TITLES
from rnnviz.lessons.index import PARTS


def place(window, widget):
    return QRect(widget.mapTo(window, QPoint()), widget.size())


def highlighted(window, spotlight, part):
    target = target_of(window, part)
    spotlight.highlight(target.widget, target.area)
    return spotlight.highlighted


@pytest.mark.slow
def test_every_part_is_highlighted_at_its_place(window, run_config):
    run_config({"cell": "lstm", "input_size": 3, "hidden_size": 4, "num_layers": 2, "bidirectional": True})
    spotlight = Spotlight(window)
    simple = {
        "lanes": window.lanes,
        "panel": window.panel,
        "run": window.toolbar.findChild(type(window.toolbar.export), "run_button"),
        "transport": window.toolbar.transport,
        "sample": window.toolbar.sample,
        "colors": window.toolbar.colors,
        "lesson-box": window.toolbar.lesson,
        "export": window.toolbar.export,
    }
    assert set(PARTS) == {*simple, "lane", "panel.shapes", *TAB_OF, *VIEW_OF, *SECTION_OF}
    for part, widget in simple.items():
        assert highlighted(window, spotlight, part) == place(window, widget)
    for part, title in VIEW_OF.items():
        area = highlighted(window, spotlight, part)
        # As far as the scroll area of the side views shows it.
        assert area.size() == spotlight.target.visibleRegion().boundingRect().size()
        assert spotlight.target.title == title
    for part, title in TAB_OF.items():
        assert highlighted(window, spotlight, part) == place(window, window.main_layout.tabs)
        assert window.main_layout.tabs.currentWidget().title == title
        if title == "Arithmetic":
            assert window.navigation.place.is_gradient == (part == "gradient")
    for part, section in SECTION_OF.items():
        area = highlighted(window, spotlight, part)
        assert spotlight.target.accessibleName() == SECTION_TITLES[section]
        assert place(window, window.panel).contains(area)
        assert area.height() > 30
    window.resize(window.width(), 620)
    area = highlighted(window, spotlight, "panel.shapes")
    shapes = window.panel.summary.shapes
    assert shapes.isVisible()
    assert area.contains(place(window, shapes))
    assert place(window, window.panel).contains(area)
    spotlight.clear()
    spotlight.deleteLater()
