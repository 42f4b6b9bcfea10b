"""The place of a new tool window on the screen."""

import pytest
from PySide6.QtCore import QRect, QSize

from rnnviz.gui.tool_window import place_beside


@pytest.mark.parametrize(
    ("main", "free"),
    [
        (QRect(0, 0, 1300, 900), True),
        (QRect(1260, 0, 1300, 900), True),
        (QRect(0, 0, 2560, 600), True),
        (QRect(0, 760, 2560, 680), True),
        (QRect(0, 0, 2560, 1440), False),
    ],
    ids=["right", "left", "below", "above", "nowhere"],
)
def test_a_window_is_beside_the_main_window_where_the_screen_has_room(main: QRect, free: bool) -> None:
    screen, size = QRect(0, 0, 2560, 1440), QSize(1120, 720)
    lanes = main.adjusted(300, 100, -main.width() // 3, -main.height() // 3)
    window = QRect(place_beside(size, main, lanes, screen), size)
    assert screen.contains(window)
    assert window.intersects(main) is not free
    assert not window.intersects(lanes) or not free


def test_a_window_covers_other_panes_rather_than_the_lanes() -> None:
    screen, size = QRect(0, 0, 1920, 1080), QSize(900, 500)
    lanes = QRect(300, 100, 700, 500)
    assert not QRect(place_beside(size, screen, lanes, screen), size).intersects(lanes)
