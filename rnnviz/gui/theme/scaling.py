"""Text size and motion by the user's choice, and pixel sizes that grow with the text."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QFont, QFontInfo
from PySide6.QtWidgets import QApplication, QDockWidget, QLayout, QScrollArea, QStyle, QTableView, QWidget

_USUAL_PIXELS = 12.0
"""Font size in pixels that the sizes in the source code assume."""


_SYSTEM_SIZE, _PERCENT = "rnnviz-system-font-size", "rnnviz-text-size"
_UNLIMITED = 16_777_215
"""Qt's maximum size of a widget without one."""
TEXT_SIZES = (80, 90, 100, 110, 125, 150, 175, 200, 225, 250)
"""Text sizes in percent of the system font."""


_measured: tuple[QFont, float] | None = None
"""The application's font, and its scale: a picture asks for it a hundred times."""


def text_scale() -> float:
    """Ratio of the application's font size to the usual one, at least 1, or less for a text size below 100%."""
    global _measured
    if QApplication.instance() is None:
        return 1.0
    font = QApplication.font()
    if _measured is None or font != _measured[0]:
        _measured = font, max(min(1.0, chosen_text_scale()), QFontInfo(font).pixelSize() / _USUAL_PIXELS)
    return _measured[1]


def chosen_text_scale() -> float:
    """Ratio of the texts to those of the system font, as the user has chosen."""
    application = QApplication.instance()
    return 1.0 if application is None else (application.property(_PERCENT) or 100) / 100.0


def set_text_size(percent: int) -> None:
    """Scale the fonts of the program, and the fixed sizes of its widgets, to a percentage of the system font."""
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    font = application.font()
    if application.property(_SYSTEM_SIZE) is None:
        application.setProperty(_SYSTEM_SIZE, font.pointSizeF())
    ratio = percent / (application.property(_PERCENT) or 100)
    application.setProperty(_PERCENT, percent)
    if ratio == 1.0:
        return
    widgets = application.allWidgets()
    before = [(widget, widget.font().pointSizeF()) for widget in widgets]
    font.setPointSizeF(application.property(_SYSTEM_SIZE) * percent / 100.0)
    application.setFont(font)
    for widget, size in before:
        _resize(widget, size, ratio)


def _resize(widget: QWidget, size: float, ratio: float) -> None:
    """Scale a font size that the widget sets itself, and its fixed width or height."""
    if size > 0.0 and widget.font().pointSizeF() == size:
        own = QFont(widget.font())
        own.setPointSizeF(size * ratio)
        widget.setFont(own)
    if widget.isWindow() or isinstance(widget, QDockWidget):
        # A dock takes the sizes of its content, unless it is given some.
        return
    if isinstance(widget, QTableView):
        rows = widget.verticalHeader()
        rows.setDefaultSectionSize(round(rows.defaultSectionSize() * ratio))
    least, most = widget.minimumSize(), widget.maximumSize()
    widget.setMinimumSize(round(least.width() * ratio), round(least.height() * ratio))
    sides = (most.width(), most.height())
    widget.setMaximumSize(*(side if side == _UNLIMITED else round(side * ratio) for side in sides))


def scaled(pixels: float) -> int:
    """Scale a pixel size by `text_scale`."""
    return round(pixels * text_scale())


def space_dialog(layout: QLayout) -> None:
    """Set the margins and the spacing of a dialog, on the grid of 8 pixels that grows with the text."""
    layout.setContentsMargins(*(scaled(16),) * 4)
    layout.setSpacing(scaled(8))


_AROUND_PART = 64, 144
"""Width and height of the frame of a dialog and of what is around its scrolled part."""


class DialogScrollArea(QScrollArea):
    """Scrolls the part of a dialog that is larger than the screen, as with large text."""

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidgetResizable(True)
        self.setWidget(content)

    def sizeHint(self) -> QSize:
        wanted = self.widget().sizeHint()
        most = self.screen().availableSize() - QSize(*map(scaled, _AROUND_PART))
        across = self.verticalScrollBar().sizeHint().width() if wanted.height() > most.height() else 0
        down = self.horizontalScrollBar().sizeHint().height() if wanted.width() > most.width() else 0
        return (wanted + QSize(across, down)).boundedTo(most)

    def minimumSizeHint(self) -> QSize:
        # Qt opens a dialog with at most two thirds of the screen, unless it needs more.
        return self.sizeHint()


_CHOICE = "rnnviz-motion"
_EFFECTS = (
    Qt.UIEffect.UI_AnimateMenu,
    Qt.UIEffect.UI_FadeMenu,
    Qt.UIEffect.UI_AnimateCombo,
    Qt.UIEffect.UI_AnimateTooltip,
    Qt.UIEffect.UI_FadeTooltip,
)


def use_motion(choice: str) -> None:
    """Apply one of the MOTION_CHOICES of the settings."""
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    application.setProperty(_CHOICE, choice)
    if choice == "reduced":
        for effect in _EFFECTS:
            QApplication.setEffectEnabled(effect, False)


def motion_reduced() -> bool:
    application = QApplication.instance()
    if not isinstance(application, QApplication):
        return False
    choice = application.property(_CHOICE)
    if choice in ("reduced", "full"):
        return bool(choice == "reduced")
    # Qt reports the system's reduced motion as an animation duration of 0.
    return application.style().styleHint(QStyle.StyleHint.SH_Widget_Animation_Duration) == 0
