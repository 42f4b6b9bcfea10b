"""Selection of a range of time steps in a lane, and search for the units that are active throughout it."""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import floor

from PySide6.QtCore import QObject, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from rnnviz.core.number_format import count
from rnnviz.core.trace_index import Location, lane_text
from rnnviz.core.words import wrapped
from rnnviz.gui.jobs.task_queue import LatestTask
from rnnviz.gui.theme.icons import IconButton
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.unrolled.canvas import UnrolledCanvas
from rnnviz.gui.views.unrolled.render_state import RenderState
from rnnviz.quantities.units import MOST, THRESHOLD, Match, Query, Selection, select
from rnnviz.verify.result import RunResult

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
        close = IconButton("close", "Clear selection", "Clears the time range (Esc).")
        close.clicked.connect(self.closed)
        why = "A unit is on where its h is at least this value. The search finds ranges with the same units on."
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(-_STEPS, _STEPS)
        self.slider.setValue(round(THRESHOLD * _STEPS))
        self.box = QDoubleSpinBox()
        self.box.setRange(-1e6, 1e6)
        self.box.setDecimals(2)
        self.box.setSingleStep(0.05)
        self.box.setValue(THRESHOLD)
        self.box.setKeyboardTracking(False)
        for control, name in ((self.slider, "Threshold"), (self.box, "Threshold, exactly")):
            control.setAccessibleName(name)
            control.setToolTip(wrapped(why))
        self.slider.valueChanged.connect(lambda value: self.box.setValue(value / _STEPS))
        self.box.valueChanged.connect(self.threshold_changed)
        self.units = QLabel()
        self.units.setWordWrap(True)
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
        layout.addWidget(self.units)
        layout.addWidget(self.ranges, 1)
        self.ranges.hide()
        self.setFixedWidth(scaled(_WIDTH))
        self.hide()

    def show_query(self, query: Query, lane: str) -> None:
        """Show a range whose active units are not known yet."""
        with QSignalBlocker(self.box), QSignalBlocker(self.slider):
            self.box.setValue(query.threshold)
            self.slider.setValue(round(query.threshold * _STEPS))
        self._title.setText(f"<b>{lane[0].upper()}{lane[1:]}, {_span(query.times)}</b>")
        self.units.setText("searching units …")

    def show_selection(self, found: Selection, units: int) -> None:
        """Show the result for a range of this many units."""
        listed = ", ".join(map(str, found.units[:_FEW])) + (", …" if len(found.units) > _FEW else "")
        on = f"{count(len(found.units))} of {count(units)} units are on throughout"
        self.units.setText(f"{on}: {listed}" if listed else f"{on}. {_advice(found)}")
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
        if event.key() == Qt.Key.Key_Escape:
            self.closed.emit()
        else:
            super().keyPressEvent(event)

    def _choose(self, item: QListWidgetItem) -> None:
        match: Match | None = item.data(Qt.ItemDataRole.UserRole)
        if match is not None:
            self.match_chosen.emit(match)


def _advice(found: Selection) -> str:
    """Advice for a range without active units."""
    if found.highest is None:
        return "Try another range."
    return f"Lower the threshold to {_matching(found.highest):.2f} to match a unit."


def _matching(highest: float) -> float:
    """The threshold of two decimals at which the most active unit is on."""
    return floor(highest * _STEPS) / _STEPS


def _span(times: range) -> str:
    return f"t = {times.start}" if len(times) == 1 else f"t = {times.start} to {times.stop - 1}"


_MARGIN = 8
_RANGE = re.compile(r"range (\d{1,9}) (\d) (\d{1,10}) (\d{1,10}) (-?\d+\.\d+)", re.ASCII)
_ARROWS = {Qt.Key.Key_Left.value: -1, Qt.Key.Key_Right.value: 1}


class RangeSelection(QObject):
    """Handles Shift with dragging or arrow keys. A background task searches the units."""

    location_requested = Signal(object)

    def __init__(self, stage: UnrolledCanvas, parent: QWidget) -> None:
        super().__init__(parent)
        self._canvas, self._around = stage, parent
        self._shown: RenderState | None = None
        self._location = Location()
        self._result: RunResult | None = None
        self.query: Query | None = None
        """The selected range, or None."""
        self.found: Selection | None = None
        """The result of the search, or None until it is available."""
        self._threshold: float | None = None
        """Threshold that the user chose, or None."""
        self._task = LatestTask("ranges", self)
        self._task.done.connect(self._take)
        self.panel = RangePanel(parent)
        self.panel.threshold_changed.connect(self._on_threshold)
        self.panel.match_chosen.connect(self._go)
        self.panel.closed.connect(self.clear)
        stage.box.range_dragged.connect(self._drag)

    def follow(self, shown: RenderState | None, location: Location) -> None:
        """Set the lanes. A range of other values, another engine or another sample is cleared.

        A result that was audited in the meantime has the same values.
        """
        self._shown, self._location = shown, location
        query, result = self.query, self._result
        if query is None or result is None:
            return
        same = shown is not None and shown.result.inputs is result.inputs and shown.engine == query.engine
        if not same or location.sample != query.sample:
            self.clear()

    def choose(self, layer: int, direction: int, times: range) -> None:
        """Select a range in a lane and search its units."""
        shown = self._shown
        if shown is None or not len(times):
            return
        self._result = shown.result
        query = Query(
            shown.engine,
            layer,
            direction,
            shown.sample,
            times,
            THRESHOLD if self._threshold is None else self._threshold,
        )
        if query != self.query:
            self._ask(query)

    def words(self) -> tuple[str, ...]:
        """The range as saved in a session: nothing, or lane, time steps and threshold."""
        if (query := self.query) is None:
            return ()
        start, stop = query.times.start, query.times.stop
        return (f"range {query.layer} {query.direction} {start} {stop} {query.threshold!r}",)

    def choose_by(self, words: Sequence[str]) -> None:
        """Restore a range from `words`; an invalid one is ignored."""
        for word in words:
            found = _RANGE.fullmatch(word)
            if found is None or self._shown is None:
                continue
            layer, direction, start, stop = map(int, found.groups()[:4])
            layers, directions, timesteps, *_ = self._shown.result.shape
            if layer < layers and direction < directions and start < stop <= timesteps:
                self._threshold = float(found[5])
                self.choose(layer, direction, range(start, stop))

    def clear(self) -> None:
        # What is hidden would hand the keyboard on to whatever comes next.
        held = any(part.hasFocus() for part in self.panel.findChildren(QWidget))
        self.query = self.found = self._result = None
        self._task.cancel()
        self.panel.hide()
        self._canvas.ranges.show_range(None, None)
        if held:
            self._around.setFocus()

    def handle_key(self, event: QKeyEvent) -> bool:
        """Extend a range from the selection (Shift with an arrow), or clear it (Escape)."""
        if event.key() == Qt.Key.Key_Escape and self.query is not None:
            self.clear()
            return True
        by = _ARROWS.get(event.key())
        if by is None or not event.modifiers() & Qt.KeyboardModifier.ShiftModifier or self._shown is None:
            return False
        at, query = self._location, self.query
        times = range(at.timestep, at.timestep + 1)
        if query is not None and (query.layer, query.direction) == (at.layer, at.direction):
            # A range that neither begins nor ends at the selection was started elsewhere.
            times = query.times if at.timestep in (query.times.start, query.times.stop - 1) else times
        end = times.stop - 1 if times.start == at.timestep else times.start
        end = min(max(end + by, 0), self._shown.result.shape[2] - 1)
        self.choose(at.layer, at.direction, range(min(at.timestep, end), max(at.timestep, end) + 1))
        return True

    def stop(self) -> None:
        self._task.stop()

    def _ask(self, query: Query) -> None:
        assert self._result is not None
        self.query, self.found = query, None
        self._canvas.ranges.show_range(query, None)
        self.panel.show_query(query, lane_text(self._result.inputs.network, self._place(query)))
        self._place_panel(query)
        self._task.ask(partial(select, self._result, query))

    def _take(self, found: Selection) -> None:
        if found.query == self.query and self._result is not None:
            if self._threshold is None and not found.units and found.highest is not None:
                # States of an LSTM are small: a search that finds nothing would be of no use.
                self._ask(replace(found.query, threshold=_matching(found.highest)))
                return
            self.found = found
            self._canvas.ranges.show_range(found.query, found)
            self.panel.show_selection(found, self._result.shape[4])

    def _drag(self, x: float, y: float, to: float) -> None:
        geometry = self._canvas.geometry_in_view
        if geometry is None:
            return
        begun, now = (geometry.hit(min(max(place, 0.0), geometry.width - 1.0), y) for place in (x, to))
        if begun is None or now is None or begun.lane.layer is None:
            return
        last = geometry.picture.timesteps - 1
        first, stop = sorted(min(max(cell.timestep, 0), last) for cell in (begun, now))
        self.choose(begun.lane.layer, begun.lane.direction, range(first, stop + 1))

    def _on_threshold(self, threshold: float) -> None:
        self._threshold = threshold
        if self.query is not None:
            self._ask(replace(self.query, threshold=threshold))

    def _go(self, match: Match) -> None:
        if self.query is not None:
            self._canvas.show_times(match.times)
            self.location_requested.emit(self._place(self.query).moved(timestep=match.times.start))

    def _place(self, query: Query) -> Location:
        unit = self._location.unit if self.found is None or not self.found.units else self.found.units[0]
        return Location(query.layer, query.direction, query.times.start, query.sample, unit)

    def _place_panel(self, query: Query) -> None:
        """Move the panel to the upper corner farther from the range."""
        geometry, stage = self._canvas.geometry_in_view, self._canvas
        if geometry is None:
            return
        corner = stage.canvas.mapTo(self._around, stage.canvas.mapFromScene(stage.box.scenePos()))
        right = geometry.x_of((query.times.start + query.times.stop) / 2.0) < geometry.width / 2.0
        x = corner.x() + (int(geometry.width) - self.panel.width() - _MARGIN if right else _MARGIN)
        self.panel.adjustSize()
        self.panel.move(max(x, 0), corner.y() + _MARGIN)
        self.panel.show()
        self.panel.raise_()
