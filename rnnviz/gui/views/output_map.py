"""Clickable map of `out` and `state`: which lane each slice and each array belongs to."""

from collections.abc import Sequence
from typing import Literal

from PySide6.QtCore import QEvent, QModelIndex, QPoint, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QListView, QVBoxLayout, QWidget

from rnnviz.core.engine_spec import display_name
from rnnviz.core.indexing import in_out, last_timestep, out_text, state_text
from rnnviz.core.trace_index import Location
from rnnviz.gui.naming import named
from rnnviz.gui.theme.elided_combo import ElidedComboBox
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.base import ResultView
from rnnviz.gui.views.elided_label import ElidedLabel
from rnnviz.gui.views.output_map_chart import OutputMapChart
from rnnviz.gui.views.output_map_painter import OutputMapPainter
from rnnviz.gui.views.output_map_rows import LaneRow, OutputMapRows
from rnnviz.gui.views.table import AnyIndex
from rnnviz.quantities.steps import MapPart, Region, vector_region
from rnnviz.verify.result import RunResult

_MARGIN = 6
_REACH = 4
"""Tolerance in pixels above and below a lane's axis for the pointer."""


class OutputMap(ResultView):
    """The parts of `out` and `state`, the slices with the selected vector, and the final state of every lane.

    The part under the pointer is highlighted here and in the other views.
    """

    title = "Output and state"

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._result: RunResult | None = None
        self._location = Location()
        self._asked: tuple[Region, ...] = ()
        self._heading = ElidedLabel("Returned in", bold=True)
        self._empty = QLabel("A run (F5) shows where each hidden state is returned: in output or in the final state.")
        self._empty.setWordWrap(True)
        self._here = ElidedLabel(selectable=True)
        self._here.explain("Places of the selected hidden state in the returned output and state.")
        why = "Engine whose final states are compared with its output."
        self._engine = ElidedComboBox("Final states by", why, 12)
        self._engine.currentIndexChanged.connect(self._refresh)

        self.chart = OutputMapChart()
        self.chart.pointed.connect(self._on_part)
        self.chart.chosen.connect(lambda part: self._go(part.where, part.where.timestep))
        self.rows = OutputMapRows()
        self.list = _ClickedList()
        self.painter = OutputMapPainter(self.rows, self.list)
        self.list.setModel(self.rows)
        self.list.setItemDelegate(self.painter)
        self.list.setAccessibleName(self.title)
        self.list.chosen.connect(self._on_chosen)
        self.list.pointed.connect(self._on_pointed)
        self.rows.mark_changed.connect(lambda row: self.list.update(self.rows.index(row)))

        top = QHBoxLayout()
        self._heading.setMinimumWidth(self._heading.natural_width() + 2)
        top.addWidget(self._heading, 1)
        top.addWidget(self._engine)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(_MARGIN, _MARGIN, _MARGIN, _MARGIN)
        layout.setSpacing(2)
        layout.addLayout(top)
        layout.addWidget(self._empty)
        layout.addWidget(self.chart)
        layout.addSpacing(2)
        layout.addWidget(self._here)
        layout.addSpacing(4)
        layout.addWidget(self.list, 1)
        layout.addStretch()
        self._show_parts()

    @property
    def summary(self) -> str:
        """The slices of `out` and `state` that contain the selected vector."""
        return (self._empty if self._result is None else self._here).text()

    @property
    def whole_height(self) -> int:
        """Height in pixels at which no row of the list has to be scrolled to."""
        rows = sum(self.list.sizeHintForRow(row) for row in range(self.rows.rowCount()))
        return self.height() - self.list.height() + rows + 2 * self.list.frameWidth() + 2

    @property
    def engine(self) -> str:
        """The engine whose final states are shown."""
        return self._engine.currentData() or ""

    def choose_engine(self, engine: str) -> None:
        self._engine.setCurrentIndex(self._engine.findData(engine))

    def copy_text(self) -> str:
        """Every row with all its numbers in full precision."""
        return self.rows.text()

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        if result is self._result:
            return
        self._result = result
        names = [] if result is None else list(result.traces)
        if names != [self._engine.itemData(i) for i in range(self._engine.count())]:
            with QSignalBlocker(self._engine):
                self._engine.clear()
                for name in names:
                    self._engine.addItem(display_name(name), name)
        if result is not None:
            self._location = self._location.within(result.shape)
        self._show_parts()
        self._refresh()

    def refresh_names(self) -> None:
        """Show the names of the user's choice."""
        self._refresh()
        self.list.scheduleDelayedItemsLayout()

    def show_location(self, location: Location) -> None:
        self._location = location
        self._refresh()

    def show_highlight(self, highlighted: Sequence[Region]) -> None:
        if highlighted != self._asked:
            self._asked = ()
        self.chart.show_highlight(highlighted)
        self.rows.show_highlight(highlighted)

    def apply_theme(self, theme: Theme) -> None:
        palette = theme.palette()
        palette.setColor(palette.ColorRole.WindowText, theme.color("muted"))
        self._empty.setPalette(palette)
        self.chart.apply_theme(theme)
        self.painter.apply_theme(theme)
        self.painter.use_font(self.list.font())
        self.list.scheduleDelayedItemsLayout()
        self.list.setPalette(theme.palette())
        self.list.viewport().update()

    def _show_parts(self) -> None:
        """Show the parts of a result, or a text without one."""
        for widget in (self._engine, self.chart, self._here, self.list):
            widget.setVisible(self._result is not None)
        self._empty.setVisible(self._result is None)

    def _refresh(self) -> None:
        result, where = self._result, self._location
        self.rows.show_rows(result, self.engine, where)
        self.chart.show_place(result, where)
        if result is None:
            return
        network, last = (
            result.inputs.network,
            last_timestep(result.inputs.network.backward(where.direction), result.shape[2]),
        )
        parts = [out_text(network, where)] if in_out(network, where) else []
        if where.timestep == last:
            parts.append(state_text(network, where))
        self._here.setText(" = ".join(["h", *map(named, parts)]) if parts else "h is in neither output nor state")

    def _on_chosen(self, index: QModelIndex, x: int | None) -> None:
        """Request the location of a row, or the time step under the pointer on a lane's axis."""
        row = self.rows.rows[index.row()]
        if isinstance(row, LaneRow):
            where, timestep = row.last, self._location.timestep
            if x is not None:
                timestep = self.painter.timestep_at(self.list.visualRect(index), x)
        else:
            where, timestep = row.place.where, row.place.where.timestep
        self._go(where, timestep)

    def _go(self, lane: Location, timestep: int) -> None:
        self.location_requested.emit(
            self._location.moved(layer=lane.layer, direction=lane.direction, timestep=timestep)
        )

    def _on_part(self, part: MapPart | None) -> None:
        if self._result is None or part is None:
            self._highlight(())
        else:
            array: Literal["h", "c"] = "c" if part.array == "c" else "h"
            self._highlight((vector_region(self._result.inputs.network, part.where, array=array),))

    def _on_pointed(self, index: QModelIndex | None, point: QPoint | None) -> None:
        """Highlight a row: the time step under the pointer on a lane's axis, else the whole lane."""
        if index is None:
            self._highlight(())
            return
        row, timestep = self.rows.rows[index.row()], None
        if isinstance(row, LaneRow) and point is not None:
            rect = self.list.visualRect(index)
            if self.painter.axis_rect(rect).adjusted(0, -_REACH, 0, _REACH).contains(point):
                timestep = self.painter.timestep_at(rect, point.x())
        region = self.rows.region(row, timestep)
        self._highlight(() if region is None else (region,))

    def _highlight(self, highlighted: tuple[Region, ...]) -> None:
        """Request highlights. Clears only highlights that this view requested."""
        if highlighted or self._asked:
            self._asked = highlighted
            self.highlight_requested.emit(highlighted)


class _ClickedList(QListView):
    """A list that emits the x of a click within its row; None for the keyboard."""

    chosen = Signal(QModelIndex, object)
    pointed = Signal(object, object)
    """Index and point under the pointer; index and None for the keyboard; None and None without either."""

    def __init__(self) -> None:
        super().__init__()
        self.setMouseTracking(True)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self.viewport().setCursor(Qt.CursorShape.PointingHandCursor)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        super().mousePressEvent(event)
        point = event.position().toPoint()
        index = self.indexAt(point)
        if index.isValid() and event.button() == Qt.MouseButton.LeftButton:
            self.chosen.emit(index, point.x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        point = event.position().toPoint()
        index = self.indexAt(point)
        self.pointed.emit(index if index.isValid() else None, point)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.pointed.emit(None, None)

    def currentChanged(self, current: AnyIndex, previous: AnyIndex) -> None:
        super().currentChanged(current, previous)
        if self.hasFocus() and current.isValid():
            self.pointed.emit(current, None)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        if self.currentIndex().isValid() and event.reason() != Qt.FocusReason.MouseFocusReason:
            self.pointed.emit(self.currentIndex(), None)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.pointed.emit(None, None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentIndex().isValid():
            self.chosen.emit(self.currentIndex(), None)
        else:
            super().keyPressEvent(event)
