"""Caption below the lanes that describes the highlighted stage of a step."""

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QLabel

from rnnviz.gui.commands.player import Player
from rnnviz.gui.views.unrolled.view import UnrolledView

_SIDE, _UP = 12, 4


class DataflowCaption(QLabel):
    """Covers the title of the time axis while a step is highlighted, so that no lane moves."""

    def __init__(self, lanes: UnrolledView, player: Player) -> None:
        super().__init__(lanes)
        self._lanes = lanes
        self._words = ""
        self.setObjectName("flow_caption")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setAutoFillBackground(True)
        self.setAccessibleName("Stage of the step")
        self.hide()
        lanes.installEventFilter(self)
        player.stepper.status_changed.connect(self.show_text)
        player.numbers_in_view = lambda: lanes.geometry_in_view is not None and lanes.geometry_in_view.numbered

    def show_text(self, words: str) -> None:
        """Set the text; an empty one hides the caption."""
        self._words = words
        self.setAccessibleDescription(words)
        self._place()
        self.setVisible(bool(words))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keep the caption at the bottom."""
        if event.type() == QEvent.Type.Resize:
            self._place()
        return False

    def _place(self) -> None:
        lanes, metrics = self._lanes, self.fontMetrics()
        room = lanes.width() - 2 * _SIDE
        shown = metrics.elidedText(self._words, Qt.TextElideMode.ElideRight, room - 2 * _SIDE)
        self.setText(shown)
        width, height = metrics.horizontalAdvance(shown) + 2 * _SIDE, metrics.height() + 4
        self.setGeometry((lanes.width() - width) // 2, lanes.height() - height - _UP, width, height)
        self.raise_()
