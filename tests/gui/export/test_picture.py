"""Large pictures, drawn part by part: of one moment, and the same as one that is drawn at once."""

import pytest

from rnnviz.gui.export import picture as sitting
from rnnviz.gui.export.picture import IncrementalGrab, draw_part, render_widget

SCALE = 2


@pytest.fixture
def take(qtbot, window, monkeypatch):
    """Takes a picture of the window, does something after the first part, and returns it and one drawn at once."""
    monkeypatch.setattr(sitting, "AT_ONCE", window.width() * window.height() * SCALE**2 // 5)

    def take(meanwhile=lambda: None):
        pieces, pictures = [], []

        def draw(image, widget, part):
            draw_part(image, widget, part)
            pieces.append(part.boundingRect())
            if len(pieces) == 1:
                meanwhile()

        def taken(image):
            monkeypatch.setattr(sitting, "draw_part", draw_part)
            pictures.extend((image, render_widget(window, SCALE)))

        def begin():
            IncrementalGrab(window, SCALE, lambda: None, taken, begin)

        monkeypatch.setattr(sitting, "draw_part", draw)
        begin()
        assert pictures == [], "several turns of the event loop are needed"
        qtbot.waitUntil(lambda: bool(pictures))
        return pieces, *pictures

    return take


@pytest.mark.slow
def test_a_large_picture_is_drawn_in_several_turns_and_is_the_same_as_one_drawn_at_once(window, take):
    pieces, picture, at_once = take()
    assert len(pieces) >= 5
    assert max(piece.width() * piece.height() for piece in pieces) <= window.width() * window.height() // 5
    assert picture.size() == window.size() * SCALE
    assert picture == at_once


@pytest.mark.slow
def test_a_window_that_is_closed_during_a_picture_has_none(qtbot, window, monkeypatch):
    monkeypatch.setattr(sitting, "AT_ONCE", 1)
    pictures, over = [], []
    begun = IncrementalGrab(window, 1, lambda: None, pictures.append, lambda: pictures.append(None))
    begun.destroyed.connect(lambda: over.append(True))
    window.close()
    qtbot.waitUntil(lambda: bool(over))
    assert pictures == []
