"""Fonts that come with the program: figures of one width, and a character for every symbol of the window."""

import unicodedata
from pathlib import Path

import pytest
from PySide6.QtGui import QFont, QFontInfo, QFontMetricsF, QRawFont
from PySide6.QtWidgets import QTableView

from rnnviz.core.resources import resource_path
from rnnviz.gui.theme.fonts import CODE_FAMILY, TEXT_FAMILY, code_font
from rnnviz.gui.theme.theme_manager import ThemeManager

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def theme(qapp):
    ThemeManager("light", qapp)


def test_texts_are_in_inter_with_figures_of_one_width_in_the_size_of_the_system(qapp, qtbot):
    table = QTableView()
    qtbot.addWidget(table)
    for font in (qapp.font(), table.font(), QFont()):
        assert QFontInfo(font).family() == TEXT_FAMILY
        assert len({QFontMetricsF(font).horizontalAdvance(digit) for digit in "0123456789\N{MINUS SIGN}"}) == 1
    assert QFontInfo(code_font()).family() == CODE_FAMILY
    assert code_font().pointSizeF() == qapp.font().pointSizeF()
    assert qapp.font().families()[1:], "characters of other scripts come from the font of the system"


@pytest.mark.parametrize("weight", [QFont.Weight.Normal, QFont.Weight.DemiBold, QFont.Weight.Bold])
def test_every_weight_has_a_font_file(qapp, weight):
    font = QFont(qapp.font())
    font.setWeight(weight)
    assert QRawFont.fromFont(font).weight() == weight


def test_the_font_has_every_symbol_that_the_window_uses(qapp):
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "rnnviz" / "gui").rglob("*.py")]
    symbols = {character for text in texts for character in text if ord(character) > 127}
    named = {"\N{OPEN BOX}", "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}", "\N{MINUS SIGN}", "\N{DOWNWARDS ARROW}"}
    font = QRawFont.fromFont(qapp.font())
    missing = {
        unicodedata.name(symbol)
        for symbol in symbols | named | set("≠✔✘×Δ→●□…")
        if not font.supportsCharacter(ord(symbol))
    }
    assert missing == set()


def test_the_license_of_the_fonts_is_beside_them(qapp):
    text = resource_path("fonts", "LICENSE").read_text(encoding="utf-8")
    assert "Inter Project Authors" in text
    assert "JetBrains Mono Project Authors" in text
