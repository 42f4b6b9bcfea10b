"""One set of icons: the same grid and stroke, in the colors of the theme."""

import re

import pytest
from PySide6.QtGui import QImage

from rnnviz.core.resources import resource_path
from rnnviz.gui.commands.table import COMMANDS
from rnnviz.gui.theme.icons import IconButton
from rnnviz.gui.theme.palettes import THEMES

MARKS = {"check", "check-but", "cross"}
"""Marks of verdicts, which are also drawn at 12 pixels."""


def files() -> dict[str, str]:
    svgs = resource_path("icons").glob("*.svg")
    return {path.stem: path.read_text(encoding="utf-8") for path in svgs if path.stem != "rnnviz"}


def test_every_icon_is_a_line_drawing_on_one_grid():
    for name, text in files().items():
        assert 'viewBox="0 0 20 20"' in text, name
        assert re.findall(r'stroke-width="([\d.]+)"', text) == ["2" if name in MARKS else "1.5"], name
        assert set(re.findall(r'(?:fill|stroke)="([^"]+)"', text)) == {"none", "currentColor"}, name


def test_every_icon_of_a_command_exists():
    assert {command.icon for command in COMMANDS if command.icon} <= files().keys()


def darkest(button: IconButton) -> int:
    image = button.icon().pixmap(40, 40).toImage().convertToFormat(QImage.Format.Format_ARGB32)
    pixels = (image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height()))
    return next(pixel.lightness() for pixel in pixels if pixel.alpha() == 255)


@pytest.mark.parametrize("name", THEMES)
def test_an_icon_button_has_the_text_color_of_its_palette(qtbot, name):
    button = IconButton("plus", "Add", "Adds a column.")
    qtbot.addWidget(button)
    button.setPalette(THEMES[name].palette())
    assert abs(darkest(button) - THEMES[name].color("text").lightness()) <= 2
