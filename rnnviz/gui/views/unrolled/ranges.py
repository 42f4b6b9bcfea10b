"""Selection of a range of time steps in a lane, and search for the units that are active throughout it."""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import floor, log10

from PySide6.QtCore import QObject, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QFrame,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QSlider,
    QWidget,
)

from rnnviz.core.number_format import count
from rnnviz.core.trace_index import Location, lane_text
from rnnviz.core.words import capital
from rnnviz.gui.app_state import Session
from rnnviz.gui.kit.tasks import LatestTask
from rnnviz.gui.theme.icons import IconButton
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import across, down
from rnnviz.gui.views.unrolled.canvas import LanesCanvas
from rnnviz.gui.views.unrolled.render_state import shown_in
from rnnviz.reading.quantities import RECOMPUTED, Quantity, is_recomputed
from rnnviz.reading.units import MOST, THRESHOLD, Match, Query, Selection, reach, searched, select
from rnnviz.verify.result import RunResult

_STEPS = 100
_LARGEST = 1e6
"""Largest threshold that the user can choose."""
_DIGITS, _MOST_DECIMALS = 2, 30
_FEW = 8
_WIDTH = 270


class RangePanel(QFrame):
    """A small panel next to the curves of units."""

    threshold_changed = Signal(float)
    onset_changed = Signal(bool)
    match_chosen = Signal(object)
    """The `Match` to show."""
    closed = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("Units that are active over a range")
        self._title = QLabel()
        self._title.setWordWrap(True)
        close = IconButton("close", "Clear selection", "Clears the time range (Esc).")
        close.clicked.connect(self.closed)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(-_STEPS, _STEPS)
        self.box = QDoubleSpinBox()
        self.box.setRange(-_LARGEST, _LARGEST)
        self.box.setKeyboardTracking(False)
        self.slider.setAccessibleName("Threshold")
        self.box.setAccessibleName("Threshold, exactly")
        self._within = 1.0
        self.slider.valueChanged.connect(lambda value: self.box.setValue(value / _STEPS * self._within))
        self.box.valueChanged.connect(self.threshold_changed)
        self.onset = QCheckBox("Inactive before the range")
        self.onset.setToolTip(wrapped("Lists only units that are inactive at the time step computed before the range."))
        self.onset.toggled.connect(self.onset_changed)
        self.units = QLabel()
        self.units.setWordWrap(True)
        self.ranges = QListWidget()
        self.ranges.setAccessibleName("Other ranges")
        self.ranges.setToolTip(
            wrapped(
                f"Similar ranges, best first: at least {MOST:.0%} of these units are active there. "
                "Score 1: same length, same active units."
            )
        )
        self.ranges.itemActivated.connect(self._choose)
        self.ranges.itemClicked.connect(self._choose)
        self.quantity = QLabel()
        top = across((self._title, 1), close, spacing=4)
        threshold = across(self.quantity, (self.slider, 1), self.box, spacing=4)
        top.setAlignment(close, Qt.AlignmentFlag.AlignTop)
        parts = top, threshold, self.onset, self.units, (self.ranges, 1), None
        self.setLayout(down(*parts, margins=(8, 8, 8, 8), spacing=4))
        self.ranges.hide()
        self.setFixedWidth(scaled(_WIDTH))
        self.hide()

    def show_query(self, query: Query, lane: str, within: float, recomputed: bool) -> None:
        """Show a range whose active units are not known yet. The slider's thresholds lie `within` this far of 0."""
        self._within = within
        name = "h" if query.quantity == "value" else query.quantity
        name = f"{name} {RECOMPUTED}" if recomputed else name
        self.quantity.setText(f"{name} ≥")
        for control in (self.slider, self.box):
            control.setToolTip(wrapped(_WHY.format(name=name)))
        with QSignalBlocker(self.box), QSignalBlocker(self.slider), QSignalBlocker(self.onset):
            self.onset.setChecked(query.onset)
            self.box.setDecimals(max(_decimals(within), _decimals(query.threshold)))
            self.box.setSingleStep(0.05 * within)
            self.box.setValue(query.threshold)
            self.slider.setValue(round(_STEPS * min(max(query.threshold / within, -1.0), 1.0)))
        self._title.setText(f"<b>{capital(lane)}, {_span(query.times)}</b>")
        self.units.setText("searching units …")

    def show_selection(self, found: Selection, units: int) -> None:
        """Show the result for a range of this many units."""
        listed = ", ".join(map(str, found.units[:_FEW])) + (", …" if len(found.units) > _FEW else "")
        on = f"{count(len(found.units))} of {count(units)} units are active throughout"
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
        self.ranges.setVisible(self.ranges.count() > 0)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.closed.emit()
        else:
            super().keyPressEvent(event)

    def _choose(self, item: QListWidgetItem) -> None:
        match: Match | None = item.data(Qt.ItemDataRole.UserRole)
        if match is not None:
            self.match_chosen.emit(match)


_WHY = "A unit is active where its {name} is at least this value. The search finds ranges with the same active units."


def _advice(found: Selection) -> str:
    """Advice for a range without active units."""
    if found.highest is None:
        return "Try another range."
    return f"Lower the threshold to {_matching(found.highest):.{_decimals(found.highest)}f} to match a unit."


def _decimals(threshold: float) -> int:
    """The number of decimals that show a threshold: 2, or more for a small one."""
    return min(max(_DIGITS - 1 - floor(log10(abs(threshold))), 2), _MOST_DECIMALS) if threshold else 2


def _matching(highest: float) -> float:
    """The highest threshold of these decimals at which the most active unit is on."""
    steps = 10.0 ** _decimals(highest)
    return floor(highest * steps) / steps


def _span(times: range) -> str:
    return f"t = {times.start:,}" if len(times) == 1 else f"t = {times.start:,} to {times.stop - 1:,}"


_RANGE = re.compile(r"range (\d{1,9}) (\d) (\d{1,10}) (\d{1,10}) (-?\d+\.?\d*(?:e-?\d+)?)( onset)?", re.ASCII)
_ARROWS = {Qt.Key.Key_Left.value: -1, Qt.Key.Key_Right.value: 1}


class RangeSelection(QObject):
    """Handles Shift with dragging or arrow keys. A background task searches the units by the quantity of the lanes."""

    location_requested = Signal(object)
    begun = Signal()
    """A range is selected, after there was none."""

    def __init__(self, session: Session, stage: LanesCanvas, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._canvas, self._around = session, stage, parent
        self.found: Selection | None = None
        """The result of the search, or None until it is available."""
        self._thresholds: dict[Quantity, float] = {}
        """Thresholds that the user chose."""
        self._onset = False
        self._task = LatestTask("ranges", self)
        self._task.done.connect(self._take)
        self.panel = RangePanel(parent)
        self.panel.threshold_changed.connect(self._on_threshold)
        self.panel.onset_changed.connect(self._on_onset)
        self.panel.match_chosen.connect(self._go)
        self.panel.closed.connect(self.clear)
        stage.range_dragged.connect(self._drag)
        session.on_change(self._show, "selected_range")
        session.on_change(self._change_quantity, "color_by", "following", "followed")

    @property
    def query(self) -> Query | None:
        """The selected range, or None."""
        return self._session.state.selected_range

    def choose(self, layer: int, direction: int, times: range) -> None:
        """Select a range in a lane and search its units."""
        session, result = self._session, self._session.result
        if result is not None and session.engine is not None and len(times):
            query = Query(session.engine, layer, direction, session.location.sample, times)
            session.set_range(self._by_quantity(result, query))

    def _by_quantity(self, result: RunResult, query: Query) -> Query:
        """A query by the quantity of the lanes, with the threshold that was chosen for it or its usual one."""
        query = replace(query, quantity=self._quantity)
        within = reach(result, _asked(result, query))
        usual = round(THRESHOLD * within, _decimals(within))
        return replace(query, threshold=self._thresholds.get(query.quantity, usual), onset=self._onset)

    @property
    def _quantity(self) -> Quantity:
        session = self._session
        shown = "value" if session.contributions is not None else session.quantity
        return "value" if session.result is None else searched(shown, session.result.config.network.kind)

    def _change_quantity(self) -> None:
        query, result = self.query, self._session.result
        if query is not None and result is not None and query.quantity != self._quantity:
            self._session.set_range(self._by_quantity(result, query))

    def words(self) -> tuple[str, ...]:
        """The range as saved in a session: nothing, or lane, time steps, threshold and whether units are off before."""
        if (query := self.query) is None:
            return ()
        start, stop, onset = query.times.start, query.times.stop, " onset" * query.onset
        return (f"range {query.layer} {query.direction} {start} {stop} {query.threshold!r}{onset}",)

    def choose_by(self, words: Sequence[str]) -> None:
        """Restore a range from `words`; an invalid one is ignored."""
        for word in words:
            found, result = _RANGE.fullmatch(word), self._session.result
            if found is None or result is None:
                continue
            layer, direction, start, stop = map(int, found.groups()[:4])
            layers, directions, *_ = result.shape
            if layer < layers and direction < directions and start < stop <= self._session.length:
                self._thresholds[self._quantity] = min(max(float(found[5]), -_LARGEST), _LARGEST)
                self._onset = bool(found[6])
                self.choose(layer, direction, range(start, stop))

    def clear(self) -> None:
        self._session.set_range(None)

    def handle_key(self, event: QKeyEvent) -> bool:
        """Extend a range from the selection (Shift with an arrow), or clear it (Escape)."""
        if event.key() == Qt.Key.Key_Escape and self.query is not None:
            self.clear()
            return True
        by = _ARROWS.get(event.key())
        result = self._session.result
        if by is None or not event.modifiers() & Qt.KeyboardModifier.ShiftModifier or result is None:
            return False
        at, query = self._session.location, self.query
        times = range(at.timestep, at.timestep + 1)
        if query is not None and (query.layer, query.direction) == (at.layer, at.direction):
            # A range that neither begins nor ends at the selection was started elsewhere.
            times = query.times if at.timestep in (query.times.start, query.times.stop - 1) else times
        end = times.stop - 1 if times.start == at.timestep else times.start
        end = min(max(end + by, 0), result.inputs.length(at.sample) - 1)
        self.choose(at.layer, at.direction, range(min(at.timestep, end), max(at.timestep, end) + 1))
        return True

    def stop(self) -> None:
        self._task.stop()

    def _show(self) -> None:
        """Show the range of the state, or hide it, and search its units."""
        query, result, self.found = self.query, self._session.result, None
        begins = query is not None and self.panel.isHidden()
        self._canvas.show_range(query, None)
        if query is None or result is None:
            # A hidden widget would pass the keyboard to the next one.
            held = any(part.hasFocus() for part in self.panel.findChildren(QWidget))
            self._task.cancel()
            self.panel.hide()
            if held:
                self._around.setFocus()
            return
        lane = lane_text(result.inputs.network, self._place(query))
        asked = _asked(result, query)
        recomputed = is_recomputed(asked.quantity, result[asked.engine], result.inputs.network.kind)
        self.panel.show_query(query, lane, reach(result, asked), recomputed)
        self.panel.show()
        if begins:
            self.begun.emit()
        self._task.ask(partial(select, result, asked))

    def _take(self, found: Selection) -> None:
        result, query = self._session.result, self.query
        if result is not None and query is not None and found.query == _asked(result, query):
            if query.quantity not in self._thresholds and not found.units and found.highest is not None:
                # States of an LSTM are small: a search that finds nothing would be of no use.
                lower = replace(query, threshold=_matching(found.highest))
                if lower != query:
                    self._session.set_range(lower)
                    return
            self.found = found
            self._canvas.show_range(query, found)
            self.panel.show_selection(found, result.shape[4])

    def _drag(self, x: float, y: float, to: float) -> None:
        geometry = self._canvas.geometry_in_view
        if geometry is None:
            return
        begun, now = (geometry.hit(min(max(place, 0.0), geometry.width - 1.0), y) for place in (x, to))
        if begun is None or now is None or begun.lane.layer is None:
            return
        last = geometry.picture.computed.stop - 1
        first, stop = sorted(min(max(cell.timestep, 0), last) for cell in (begun, now))
        self.choose(begun.lane.layer, begun.lane.direction, range(first, stop + 1))

    def _on_threshold(self, threshold: float) -> None:
        self._thresholds[self._quantity] = threshold
        if self.query is not None:
            self._session.set_range(replace(self.query, threshold=threshold))

    def _on_onset(self, onset: bool) -> None:
        self._onset = onset
        if self.query is not None:
            self._session.set_range(replace(self.query, onset=onset))

    def _go(self, match: Match) -> None:
        if self.query is not None:
            self._canvas.show_times(match.times)
            self.location_requested.emit(self._place(self.query).moved(timestep=match.times.start))

    def _place(self, query: Query) -> Location:
        unit = self._session.location.unit if self.found is None or not self.found.units else self.found.units[0]
        return Location(query.layer, query.direction, query.times.start, query.sample, unit)


def _asked(result: RunResult, query: Query) -> Query:
    """The query of the engine that the lanes show: another one, if the selected one lacks the gradient."""
    return replace(query, engine=shown_in(result, query.engine, None, query.quantity)[1])
