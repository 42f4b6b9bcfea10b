"""Tells when there is something to see of a widget."""

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtWidgets import QWidget


def when_painted(widget: QWidget, tell: Callable[[], None]) -> None:
    """Call `tell` once, as soon as the first picture of `widget` with everything in it is done."""
    _Watch(widget, tell)


class _Watch(QObject):
    def __init__(self, widget: QWidget, tell: Callable[[], None]) -> None:
        super().__init__(widget)
        self._tell = tell
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """See the event that begins the picture; those of the widgets within follow before the loop goes on."""
        if event.type() == QEvent.Type.Paint:
            watched.removeEventFilter(self)
            QTimer.singleShot(0, self._tell)
            self.deleteLater()
        return False
