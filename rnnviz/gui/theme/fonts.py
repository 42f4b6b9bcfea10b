"""Fonts that come with the program: Inter for texts, JetBrains Mono for code and for the numbers of the lanes."""

from PySide6.QtGui import QFont, QFontDatabase
from PySide6.QtWidgets import QApplication

from rnnviz.core.resources import resource_path
from rnnviz.gui.theme.scaling import scaled

TEXT_FAMILY, CODE_FAMILY = "Inter", "JetBrains Mono NL"


def use_fonts(application: QApplication) -> None:
    """Load the fonts and set that of the application, in the size of the system's font.

    Characters that they lack come from the system's fonts.
    """
    for file in sorted(resource_path("fonts").glob("*.[ot]tf")):
        QFontDatabase.addApplicationFont(str(file))
    system = application.font()
    font = QFont(system)
    font.setFamilies([TEXT_FAMILY, *system.families()])
    font.setFeature(QFont.Tag("tnum"), 1)
    application.setFont(font)


def text_font(pixels: float, weight: QFont.Weight = QFont.Weight.Normal) -> QFont:
    """The font of texts in a size that is given in pixels at 100%, and grows with the text."""
    font = QFont(QApplication.font())
    font.setPixelSize(scaled(pixels))
    font.setWeight(weight)
    return font


def code_font(pixels: float | None = None, weight: QFont.Weight = QFont.Weight.Normal) -> QFont:
    """The font of code and numbers, in the size of the application's font or in one as of `text_font`."""
    font = QFont(QApplication.font()) if pixels is None else text_font(pixels, weight)
    fixed = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    font.setFamilies([CODE_FAMILY, *fixed.families()])
    font.setStyleHint(QFont.StyleHint.Monospace)
    return font
