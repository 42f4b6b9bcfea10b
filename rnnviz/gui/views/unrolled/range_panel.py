"""Panel for a selected range: threshold, active units, and other ranges."""

from math import floor

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from rnnviz.core.number_format import count
from rnnviz.core.words import wrapped
from rnnviz.gui.theme.scaling import scaled
from rnnviz.quantities.units import MOST, THRESHOLD, Match, Query, Selection

_STEPS = 100
_FEW = 8
_WIDTH = 270
_MOST_ROWS = 7


class RangePanel(QFrame):
    """A small panel above the lanes."""

    threshold_changed = Signal(float)
    match_chosen = Signal(object)
    """The `Match` to show."""
    closed = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAutoFillBackground(True)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAccessibleName("Units that are on over a range")
        self._title = QLabel()
        self._title.setWordWrap(True)
        close = QToolButton()
        close.setText("✕")
        close.setAutoRaise(True)
        close.setAccessibleName("Clear selection")
        close.setToolTip("Clears the time range (Esc).")
        close.clicked.connect(self.closed)
        why = "A unit is on where its h is at least this value. The search finds ranges with the same units on."
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(-_STEPS, _STEPS)
        self.slider.setValue(round(THRESHOLD * _STEPS))
        self.slider.setAccessibleName("Threshold")
        self.slider.setToolTip(wrapped(why))
        self.box = QDoubleSpinBox()
        self.box.setRange(-1e6, 1e6)
        self.box.setDecimals(2)
        self.box.setSingleStep(0.05)
        self.box.setValue(THRESHOLD)
        self.box.setKeyboardTracking(False)
        self.box.setAccessibleName("Threshold, exactly")
        self.box.setToolTip(wrapped(why))
        self.slider.valueChanged.connect(lambda value: self.box.setValue(value / _STEPS))
        self.box.valueChanged.connect(self._on_threshold)
        self._units = QLabel()
        self._units.setWordWrap(True)
        self.ranges = QListWidget()
        self.ranges.setAccessibleName("Other ranges")
        self.ranges.setToolTip(
            wrapped(
                f"Where at least {MOST:.0%} of these units are on, most similar first. The score is 1 for a range of "
                "the same length in which exactly the same units are on. Choose one to go to it."
            )
        )
        self.ranges.itemActivated.connect(self._choose)
        self.ranges.itemClicked.connect(self._choose)
        top, threshold, layout = QHBoxLayout(), QHBoxLayout(), QVBoxLayout(self)
        top.addWidget(self._title, 1)
        top.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        threshold.addWidget(QLabel("h ≥"))
        threshold.addWidget(self.slider, 1)
        threshold.addWidget(self.box)
        layout.setContentsMargins(8, 6, 6, 8)
        layout.setSpacing(4)
        layout.addLayout(top)
        layout.addLayout(threshold)
        layout.addWidget(self._units)
        layout.addWidget(self.ranges, 1)
        self.ranges.hide()
        self.setFixedWidth(scaled(_WIDTH))
        self.hide()

    @property
    def threshold(self) -> float:
        """Minimum h of an active unit."""
        return self.box.value()

    @property
    def text(self) -> str:
        """Text on the active units."""
        return self._units.text()

    def show_query(self, query: Query, lane: str) -> None:
        """Show a range whose active units are not known yet."""
        self._title.setText(f"<b>{lane[0].upper()}{lane[1:]}, {_span(query.times)}</b>")
        self._units.setText("searching units …")

    def show_selection(self, found: Selection, units: int) -> None:
        """Show the result for a range of this many units."""
        listed = ", ".join(map(str, found.units[:_FEW])) + (", …" if len(found.units) > _FEW else "")
        on = f"{count(len(found.units))} of {count(units)} units are on throughout"
        self._units.setText(f"{on}: {listed}" if listed else f"{on}. {_advice(found)}")
        self.ranges.clear()
        for match in found.matches:
            item = QListWidgetItem(f"{match.score:.2f}   {_span(match.times)}")
            item.setData(Qt.ItemDataRole.UserRole, match)
            self.ranges.addItem(item)
        if found.units and not found.matches:
            item = QListWidgetItem("No similar range found.")
            item.setFlags(Qt.ItemFlag.NoItemFlags)
            self.ranges.addItem(item)
        # No larger than what it lists: it lies over the lanes.
        self.ranges.setVisible(self.ranges.count() > 0)
        rows = min(self.ranges.count(), _MOST_ROWS)
        self.ranges.setFixedHeight(rows * self.ranges.sizeHintForRow(0) + 2 * self.ranges.frameWidth() + 2)
        self.adjustSize()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape clears the range."""
        if event.key() == Qt.Key.Key_Escape:
            self.closed.emit()
        else:
            super().keyPressEvent(event)

    def _on_threshold(self, value: float) -> None:
        self.slider.blockSignals(True)
        self.slider.setValue(round(value * _STEPS))
        self.slider.blockSignals(False)
        self.threshold_changed.emit(value)

    def _choose(self, item: QListWidgetItem) -> None:
        match: Match | None = item.data(Qt.ItemDataRole.UserRole)
        if match is not None:
            self.match_chosen.emit(match)


def _advice(found: Selection) -> str:
    """Advice for a range without active units."""
    if found.highest is None:
        return "Try another range."
    return f"Lower the threshold to {floor(found.highest * _STEPS) / _STEPS:.2f} to match a unit."


def _span(times: range) -> str:
    return f"t = {times.start}" if len(times) == 1 else f"t = {times.start} to {times.stop - 1}"
