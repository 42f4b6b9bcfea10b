"""Label with the divergence of two engines, as a link to its line."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from rnnviz.core.words import wrapped
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.views.arithmetic.page import Page

_PAD = 6


class DivergenceLabel(QAbstractButton):
    """Shows the divergence as a marked link, or in muted text that there is none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = LIGHT
        self._parts = False
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    @property
    def parts(self) -> bool:
        """Whether the engines diverge."""
        return self._parts

    def show_page(self, page: Page) -> None:
        sentences = page.explanation.sentences
        parts = page.divergence is not None or len(sentences) > 1
        text = sentences[-1] if sentences else ""
        if text == self.text() and parts == self._parts:
            return
        self._parts = parts
        self.setText(text)
        self.setAccessibleName(text)
        self.setAccessibleDescription("Shows the line in which they diverge." if parts else "")
        self.setToolTip(wrapped("\n".join(sentences)))
        self.setEnabled(parts)
        self.setCursor(Qt.CursorShape.PointingHandCursor if parts else Qt.CursorShape.ArrowCursor)
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(320, self.fontMetrics().height() + 6)

    def minimumSizeHint(self) -> QSize:
        return QSize(0, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        theme, rect = self._theme, self.rect()
        role = "muted"
        text = self.text()
        if self._parts:
            role, text = "wrong", f"≠  {text}"
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("wrong_surface"))
            painter.drawRoundedRect(rect, 4, 4)
        if self.hasFocus():
            painter.setPen(QPen(theme.color("accent"), 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(rect.adjusted(1, 1, -1, -1), 4, 4)
        painter.setPen(theme.color(role))
        inside = rect.adjusted(_PAD, 0, -_PAD, 0)
        shown = self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, inside.width())
        painter.drawText(inside, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, shown)
        painter.end()
