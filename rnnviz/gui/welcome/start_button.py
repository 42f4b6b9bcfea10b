"""Button of the welcome page: a title with a muted line below."""

from PySide6.QtCore import QEvent, QRect, QRectF, QSize, Qt
from PySide6.QtGui import (
    QEnterEvent,
    QFont,
    QFontMetrics,
    QKeyEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractButton, QSizePolicy

_SIDE, _ABOVE, _BETWEEN = 12, 6, 2
_RADIUS = 6.0
_BAR = 4
_LEAST_CHARACTERS = 16
_WAYS = (Qt.Key.Key_Up, Qt.Key.Key_Down)


class StartButton(QAbstractButton):
    """A two-line button. Text that does not fit is elided and shown in the tooltip."""

    def __init__(self, title: str, line: str, why: str = "", *, first: bool = False) -> None:
        """`first` emphasizes the button."""
        super().__init__()
        self._line, self._first = line, first
        self._why = why or line
        self.setText(title)
        self.setAccessibleName(title)
        self.setAccessibleDescription(self._why)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        title, line = QFontMetrics(self._title_font), self.fontMetrics()
        height = title.height() + 2 * _ABOVE + ((line.height() + _BETWEEN) if self._line else 0)
        return QSize(title.horizontalAdvance(self.text()) + 2 * _SIDE + _BAR, height)

    def minimumSizeHint(self) -> QSize:
        width = _LEAST_CHARACTERS * self.fontMetrics().averageCharWidth() + 2 * _SIDE
        return QSize(width, self.sizeHint().height())

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and event.key() in _WAYS:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        elif event.key() in _WAYS:
            self.focusNextPrevChild(event.key() == Qt.Key.Key_Down)
        else:
            super().keyPressEvent(event)

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        whole = self._why if self._shown_title() == self.text() else f"{self.text()}\n{self._why}"
        self.setToolTip(whole)

    def paintEvent(self, event: QPaintEvent) -> None:
        palette = self.palette()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame = QRectF(self.rect()).adjusted(1.0, 1.0, -1.0, -1.0)
        painter.setPen(QPen(palette.color(QPalette.ColorRole.Mid)) if self._first else Qt.PenStyle.NoPen)
        if self.underMouse() or self.isDown():
            painter.setBrush(palette.alternateBase())
            painter.drawRoundedRect(frame, _RADIUS, _RADIUS)
        elif self._first:
            painter.setBrush(palette.base())
            painter.drawRoundedRect(frame, _RADIUS, _RADIUS)
        accent = palette.color(QPalette.ColorRole.Accent)
        if self._first:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(accent)
            painter.drawRoundedRect(QRectF(1.0, 6.0, _BAR, self.height() - 12.0), 2.0, 2.0)
        room = self._room()
        painter.setFont(self._title_font)
        painter.setPen(accent)
        painter.drawText(room, int(Qt.AlignmentFlag.AlignTop), self._shown_title())
        if self._line:
            painter.setFont(self.font())
            painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
            line = self.fontMetrics().elidedText(self._line, Qt.TextElideMode.ElideRight, room.width())
            painter.drawText(room, int(Qt.AlignmentFlag.AlignBottom), line)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(accent, 2.0))
            painter.drawRoundedRect(frame, _RADIUS, _RADIUS)
        painter.end()

    def _room(self) -> QRect:
        return self.rect().adjusted(_SIDE + (_BAR if self._first else 0), _ABOVE, -_SIDE, -_ABOVE)

    def _shown_title(self) -> str:
        metrics = QFontMetrics(self._title_font)
        return metrics.elidedText(self.text(), Qt.TextElideMode.ElideRight, self._room().width())

    @property
    def _title_font(self) -> QFont:
        font = QFont(self.font())
        font.setWeight(QFont.Weight.DemiBold if self._first else QFont.Weight.Medium)
        return font
