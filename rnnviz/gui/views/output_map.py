"""Clickable map of `out` and `state`: the lane of each slice and each array."""

from collections.abc import Mapping, Sequence
from typing import Literal

from PySide6.QtCore import QEvent, QModelIndex, QPoint, QPointF, QRect, QRectF, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QCursor, QFocusEvent, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QLabel, QSizePolicy, QToolTip, QWidget

from rnnviz.core.engine_spec import display_name
from rnnviz.core.trace_index import Location, lane_text
from rnnviz.gui.index_texts import in_out, out_index, out_text, state_text
from rnnviz.gui.naming import named
from rnnviz.gui.regions import (
    MapPart,
    MapRow,
    Region,
    is_highlighted,
    lane_label,
    lane_number,
    map_rows,
    nearest_part,
    vector_region,
)
from rnnviz.gui.theme.elided_combo import ElidedComboBox
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import ResultView, across, claims, down
from rnnviz.gui.views.labels import ElidedLabel
from rnnviz.gui.views.output_map_list import ClickedList, LaneRow, OutputMapPainter, OutputMapRows
from rnnviz.gui.views.table import blend, paint_highlight
from rnnviz.verify.result import RunResult

_GAP, _PADDING, _CELL_PADDING = 5, 3, 3

_STEPS = {Qt.Key.Key_Left: (0, -1), Qt.Key.Key_Right: (0, 1), Qt.Key.Key_Up: (-1, 0), Qt.Key.Key_Down: (1, 0)}
"""Rows down and parts to the right of each arrow key."""


class OutputMapChart(QWidget):
    """A row for `out` at the selected time step, and one for each array of `state`. Every part is a lane."""

    pointed = Signal(object)
    """The `MapPart` under the pointer or the keyboard focus, or None."""
    chosen = Signal(object)
    """The `MapPart` that was clicked or activated with Enter."""

    def __init__(self) -> None:
        super().__init__()
        self._theme = LIGHT
        self._result: RunResult | None = None
        self._location = Location()
        self._highlighted: Sequence[Region] = ()
        self._at: MapPart | None = None
        self.rows: tuple[MapRow, ...] = ()
        """The rows of the chart."""
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("Slices of output and state")
        self.setToolTip(wrapped("Lane of each slice of output and state. Hover to highlight it in the other views."))

    def show_place(self, result: RunResult | None, location: Location) -> None:
        before, states = self.sizeHint(), self._states()
        self._result, self._location = result, location
        length = 0 if result is None else result.inputs.length(location.sample)
        self.rows = () if result is None else map_rows(result.inputs.network, location, length)
        if self.sizeHint() != before:
            self.updateGeometry()
        if self._at is not None:
            self._stand_on(nearest_part(self.rows, self._at))
        if self._states() == states and states:
            # During playback only the first row changes.
            self.update(QRect(0, 0, self.width(), self._line() + _PADDING))
        else:
            self.update()

    def _states(self) -> list[tuple[MapPart, bool]]:
        return [(part, self._is_selected(part)) for row in self.rows[1:] for part in row.parts]

    def _is_selected(self, part: MapPart) -> bool:
        return part.where.index[:3] == self._location.index[:3]

    def show_highlight(self, highlighted: Sequence[Region]) -> None:
        self._highlighted = highlighted
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def is_highlighted(self, part: MapPart) -> bool:
        return is_highlighted(self._highlighted, part.where, part.array)

    # Where things lie

    def sizeHint(self) -> QSize:
        lines = len(self.rows) + (len(self.rows) > 1)
        return QSize(200, lines * self._line() + max(0, lines - 1) * _PADDING + 2)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, self.sizeHint().height())

    def _line(self) -> int:
        return self.fontMetrics().height() + 2

    def _left(self) -> int:
        """Width of the longest possible name, so that nothing moves with the selection."""
        names = [named(row.name) for row in self.rows]
        if self._result is not None:
            _, _, timesteps, samples, _ = self._result.shape
            last = Location(timestep=timesteps - 1, sample=samples - 1)
            names.append(named(out_index(self._result.inputs.network, last)))
        return max((self._wide(name) for name in names), default=0) + _GAP

    def _bars(self) -> list[QRectF]:
        """Rectangle of each row's bar. The lanes' names are between `out` and `state`."""
        left, line = self._left(), self._line()
        tops = [(number + (number > 0)) * (line + _PADDING) + 0.5 for number in range(len(self.rows))]
        return [QRectF(left, top, max(1, self.width() - left - 1), line - 1) for top in tops]

    def part_rects(self) -> list[tuple[MapPart, QRectF]]:
        found = []
        for row, bar in zip(self.rows, self._bars(), strict=True):
            across = bar.width() / len(row.parts)
            found += [
                (part, QRectF(bar.left() + place * across, bar.top(), across, bar.height()))
                for place, part in enumerate(row.parts)
            ]
        return found

    def _hit(self, point: QPointF) -> MapPart | None:
        return next((part for part, rect in self.part_rects() if rect.contains(point)), None)

    # Pointing

    def _stand_on(self, part: MapPart | None) -> None:
        if part == self._at:
            return
        self._at = part
        network = None if self._result is None else self._result.inputs.network
        words = "" if part is None or network is None else f"{named(part.text)}: {lane_text(network, part.where)}"
        self.setAccessibleDescription(words)
        self.pointed.emit(part)
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        under = self._hit(event.position())
        # Between two parts the last one stays highlighted, to avoid flicker.
        if under is not None:
            self._stand_on(under)

    def leaveEvent(self, event: QEvent) -> None:
        self._stand_on(None)
        super().leaveEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        part = self._hit(event.position())
        if part is not None and event.button() == Qt.MouseButton.LeftButton:
            self.chosen.emit(part)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        if self._at is None and self.rows and event.reason() != Qt.FocusReason.MouseFocusReason:
            self._stand_on(self.rows[0].parts[0])

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        pointer = QPointF(self.mapFromGlobal(QCursor.pos()))
        self._stand_on(self._hit(pointer) if self.underMouse() else None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows move between parts, Enter activates one."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._at is not None:
            self.chosen.emit(self._at)
        elif Qt.Key(event.key()) in _STEPS and self._at is not None:
            self._walk(*_STEPS[Qt.Key(event.key())])
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        """Handle the arrow keys before the window's shortcuts, and show tooltips."""
        if claims(event, _STEPS):
            return True
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self._words(self._hit(QPointF(event.pos()))), self)
            return True
        return super().event(event)

    def _walk(self, down: int, right: int) -> None:
        at = next(
            (number, place)
            for number, row in enumerate(self.rows)
            for place, part in enumerate(row.parts)
            if part is self._at or part == self._at
        )
        row = min(max(at[0] + down, 0), len(self.rows) - 1)
        count = len(self.rows[row].parts)
        # The part above or below; the rows have different numbers of parts.
        place = at[1] if not down else at[1] * count // len(self.rows[at[0]].parts)
        self._stand_on(self.rows[row].parts[min(max(place + right, 0), count - 1)])

    def _words(self, part: MapPart | None) -> str:
        if part is None or self._result is None:
            return self.toolTip()
        row = next(row for row in self.rows if part in row.parts)
        lane = lane_text(self._result.inputs.network, part.where)
        what = {"h": "hidden state", "c": "cell state"}.get(part.array, f"state {part.array}")
        return f"{named(part.text)}: the {what} of {lane} at t = {part.where.timestep}.\n{row.why}\nClick to go there."

    # Drawing

    def paintEvent(self, _event: QPaintEvent) -> None:
        result = self._result
        if result is None:
            return
        painter = QPainter(self)
        rects = self.part_rects()
        for row, bar in zip(self.rows, self._bars(), strict=True):
            painter.setPen(self._theme.color("muted"))
            painter.drawText(QRectF(0.0, bar.top(), bar.left(), bar.height()), _LEFT, named(row.name))
        highlighted = []
        for part, rect in rects:
            self._paint_part(painter, part, rect)
            if self.is_highlighted(part):
                highlighted.append(rect)
        if len(self.rows) > 1:
            self._paint_indices(painter, dict(rects))
            self._paint_lanes(painter, rects)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for rect in highlighted:
            paint_highlight(painter, rect.adjusted(0.5, 0.5, -0.5, -0.5), self._theme, 3.0)
        at = [rect for part, rect in rects if part == self._at]
        if self.hasFocus() and at:
            painter.setPen(QPen(self._theme.color("accent"), 2.0))
            painter.drawRect(at[0])
        painter.end()

    def _paint_part(self, painter: QPainter, part: MapPart, rect: QRectF) -> None:
        """Label a part: features and lane in `out`, index in `state`."""
        result, where = self._result, part.where
        assert result is not None
        painter.setPen(QPen(self._theme.color("border"), 1.0))
        painter.setBrush(blend(self._theme, "accent", 0.25) if self._is_selected(part) else self._theme.color("raised"))
        painter.drawRect(rect)
        if part in self.rows[0].parts:
            painter.setPen(self._theme.color("text"))
            self._write(painter, rect, [f"{part.label}  {lane_label(result.inputs.network, where)}", part.label])

    def _paint_indices(self, painter: QPainter, rects: Mapping[MapPart, QRectF]) -> None:
        """Write the indices of the parts of `state`: all, or fewer if they do not fit."""
        painter.setPen(self._theme.color("text"))
        for row in self.rows[1:]:
            across = rects[row.parts[0]].width()
            every = -(-(self._wide(row.parts[-1].label) + _CELL_PADDING) // max(1, int(across)))
            for part in row.parts[::every]:
                painter.drawText(rects[part].adjusted(-across, 0, across, 0), _CENTRE, part.label)

    def _paint_lanes(self, painter: QPainter, rects: Sequence[tuple[MapPart, QRectF]]) -> None:
        """Write the lane of each index above `state`, or only the first and last if they do not fit."""
        result = self._result
        assert result is not None
        network = result.inputs.network
        painter.setPen(self._theme.color("muted"))
        up = self._line() + _PADDING
        parts = [(part, rect) for part, rect in rects if part in self.rows[1].parts]
        longest = max(self._wide(lane_label(network, part.where)) for part, _ in parts)
        if longest + 2 <= parts[0][1].width():
            for part, rect in parts:
                painter.drawText(rect.translated(0.0, -up), _CENTRE, lane_label(network, part.where))
            return
        brief = [lane_number(network, part.where) for part, _ in parts]
        if max(map(self._wide, brief)) + 2 <= parts[0][1].width():
            line = QRectF(0.0, parts[0][1].top() - up, self._left(), parts[0][1].height())
            painter.drawText(line, _LEFT, "layer")
            for text, (_, rect) in zip(brief, parts, strict=True):
                painter.drawText(rect.translated(0.0, -up), _CENTRE, text)
            return
        bar = self._bars()[1].translated(0.0, -up)
        painter.drawText(bar, _LEFT, lane_label(network, parts[0][0].where))
        painter.drawText(bar, _RIGHT, lane_label(network, parts[-1][0].where))

    def _write(self, painter: QPainter, rect: QRectF, texts: Sequence[str]) -> None:
        for text in texts:
            if self._wide(text) + 2 * _CELL_PADDING <= rect.width():
                painter.drawText(rect, _CENTRE, text)
                return

    def _wide(self, text: str) -> int:
        return self.fontMetrics().horizontalAdvance(text)


_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_CENTRE = Qt.AlignmentFlag.AlignCenter


_MARGIN = 4
_REACH = 4
"""Tolerance in pixels above and below a lane's axis for the pointer."""


class OutputMap(ResultView):
    """The parts of `out` and `state`, the slices with the selected vector, and the final state of every lane.

    The part under the pointer is highlighted here and in the other views.
    """

    title = "Output and state"
    help_page = "window#output-and-state"

    def __init__(self) -> None:
        super().__init__()
        self._result: RunResult | None = None
        self._location = Location()
        self._asked: tuple[Region, ...] = ()
        self._heading = ElidedLabel("Returned in", bold=True)
        self._empty = QLabel("A run (F5) shows where each hidden state is returned: in output or in the final state.")
        self._empty.setWordWrap(True)
        self._here = ElidedLabel(selectable=True)
        self._here.explain("Places of the selected hidden state in the returned output and state.")
        why = "Engine whose final states are compared with its output."
        self.engine_box = ElidedComboBox("Final states of", why, 12)
        self.engine_box.currentIndexChanged.connect(self._refresh)

        self.chart = OutputMapChart()
        self.chart.pointed.connect(self._on_part)
        self.chart.chosen.connect(lambda part: self._go(part.where, part.where.timestep))
        self.rows = OutputMapRows()
        self.list = ClickedList()
        self.painter = OutputMapPainter(self.rows, self.list)
        self.list.setModel(self.rows)
        self.list.setItemDelegate(self.painter)
        self.list.setAccessibleName(self.title)
        # In a small window the vector needs the height more.
        self.list.setMinimumHeight(self.fontMetrics().height() + 8)
        self.list.chosen.connect(self._on_chosen)
        self.list.pointed.connect(self._on_pointed)
        self.rows.mark_changed.connect(lambda row: self.list.update(self.rows.index(row)))
        self.rows.all_changed.connect(self.list.viewport().update)

        self._heading.setMinimumWidth(self._heading.natural_width() + 2)
        parts = across((self._heading, 1), self.engine_box), self._empty, self.chart, 2, self._here, 4, (self.list, 1)
        self.setLayout(down(*parts, None, margins=(_MARGIN,) * 4, spacing=2))
        self.muted = (self._empty,)
        self.themed = self.chart, self.painter
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
        return self.engine_box.currentData() or ""

    def copy_text(self) -> str:
        """Every row with all its numbers in full precision."""
        return self.rows.text()

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        if result is self._result:
            return
        self._result = result
        names = [] if result is None else list(result.traces)
        if names != [self.engine_box.itemData(i) for i in range(self.engine_box.count())]:
            with QSignalBlocker(self.engine_box):
                self.engine_box.clear()
                for name in names:
                    self.engine_box.addItem(display_name(name), name)
        if result is not None:
            self._location = self._location.within(result.shape)
        self._show_parts()
        self._refresh()

    def refresh_names(self) -> None:
        self._refresh()
        self.list.scheduleDelayedItemsLayout()

    def show_location(self, location: Location) -> None:
        if location != self._location:
            self._location = location
            self._refresh()

    def show_highlight(self, highlighted: Sequence[Region]) -> None:
        if highlighted != self._asked:
            self._asked = ()
        self.chart.show_highlight(highlighted)
        self.rows.show_highlight(highlighted)

    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self.painter.use_font(self.list.font())
        self.list.scheduleDelayedItemsLayout()
        self.list.setPalette(theme.palette())
        self.list.viewport().update()

    def _show_parts(self) -> None:
        for widget in (self.engine_box, self.chart, self._here, self.list):
            widget.setVisible(self._result is not None)
        self._empty.setVisible(self._result is None)

    def _refresh(self) -> None:
        result, where = self._result, self._location
        self.rows.show_rows(result, self.engine, where)
        self.chart.show_place(result, where)
        if result is None:
            return
        network, last = result.inputs.network, result.inputs.places.last_steps(where.direction)[0][where.sample]
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
