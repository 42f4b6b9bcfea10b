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

from rnnviz.core.words import wrapped

_SIDE, _ABOVE, _BETWEEN = 12, 6, 2
_RADIUS = 6.0
_BAR = 4
_LEAST_CHARACTERS = 16
_WRAPPED = int(Qt.AlignmentFlag.AlignTop) | int(Qt.TextFlag.TextWordWrap)
_WAYS = (Qt.Key.Key_Up, Qt.Key.Key_Down)


class StartButton(QAbstractButton):
    """A title with a description below, which wraps. A title that does not fit is in the tooltip, too."""

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
        self._done = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_done(self, done: bool) -> None:
        """Show a tick, as for a finished lesson."""
        self._done = done
        self.setAccessibleDescription(f"Finished. {self._why}" if done else self._why)
        self.update()

    @property
    def done(self) -> bool:
        """Whether a tick is shown."""
        return self._done

    def heightForWidth(self, width: int) -> int:
        height = QFontMetrics(self._title_font).height() + 2 * _ABOVE
        if self._line:
            room = QRect(0, 0, width - 2 * _SIDE - (_BAR if self._first else 0), 10_000)
            height += self.fontMetrics().boundingRect(room, _WRAPPED, self._line).height() + _BETWEEN
        return height

    def sizeHint(self) -> QSize:
        width = QFontMetrics(self._title_font).horizontalAdvance(self.text()) + 2 * _SIDE + _BAR
        return QSize(width, self.heightForWidth(max(width, self.fontMetrics().horizontalAdvance(self._line) + width)))

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
        self.setFixedHeight(self.heightForWidth(self.width()))
        whole = self._why if self._shown_title().startswith(self.text()) else f"{self.text()}\n{self._why}"
        self.setToolTip(wrapped(whole))

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
            below = room.adjusted(0, QFontMetrics(self._title_font).height() + _BETWEEN, 0, 0)
            painter.drawText(below, _WRAPPED, self._line)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(accent, 2.0))
            painter.drawRoundedRect(frame, _RADIUS, _RADIUS)
        painter.end()

    def _room(self) -> QRect:
        return self.rect().adjusted(_SIDE + (_BAR if self._first else 0), _ABOVE, -_SIDE, -_ABOVE)

    def _shown_title(self) -> str:
        metrics = QFontMetrics(self._title_font)
        title = f"{self.text()}  ✓" if self._done else self.text()
        return metrics.elidedText(title, Qt.TextElideMode.ElideRight, self._room().width())

    @property
    def _title_font(self) -> QFont:
        font = QFont(self.font())
        font.setWeight(QFont.Weight.DemiBold if self._first else QFont.Weight.Medium)
        return font
