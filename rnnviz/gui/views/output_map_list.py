"""List of the final states: a time axis for each lane, then the vectors of its final state."""

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractListModel, QEvent, QModelIndex, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QFont, QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QFrame, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from rnnviz.core import number_format
from rnnviz.core import number_format as numbers
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location, lane_text
from rnnviz.frozen import dataclass
from rnnviz.gui.final_states import Agreement, StoredVector, agreement, lanes, places, values_at
from rnnviz.gui.naming import named
from rnnviz.gui.regions import Region, is_highlighted, lane_region, vector_region
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.table import MARK_SIZE, AnyIndex, blend, paint_highlight
from rnnviz.verify.compare import tolerances
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import Verdict

_ROOT = QModelIndex()
_IN_TOOLTIP = 8

NOT_AVAILABLE = "not available"
"""Text for an engine without numbers."""

_WHY = {
    "out": "The slice of the output with this hidden state.",
    "h": "The last hidden state of this layer. The output contains only the top layer.",
    "state.h": "The final hidden state: state[0].",
    "state.c": "The final cell state of an LSTM: state[1].",
}


@dataclass(frozen=True)
class LaneRow:
    """A lane's title and time axis. `last` is its last computed step."""

    last: Location
    title: str


@dataclass(frozen=True)
class PlaceRow:
    """A final state in `out` or `state`. `tie` is "first" or "second" of two that must be equal, else empty."""

    place: StoredVector
    tie: str


Row = LaneRow | PlaceRow


class OutputMapRows(QAbstractListModel):
    """Reads the numbers of a row when it is drawn, so that a deep network costs no more than its visible rows."""

    mark_changed = Signal(int)
    """The selection mark of a row changed. `dataChanged` would measure every row again."""
    all_changed = Signal()
    """The texts of all rows changed."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []
        self.location = Location()
        self._result: RunResult | None = None
        self._trace: Trace | None = None
        self._shown: tuple[Any, ...] | None = None
        self._agreements: dict[Location, Agreement] = {}
        self._highlighted: Sequence[Region] = ()

    @property
    def timesteps(self) -> int:
        """The number of time steps of the sample."""
        return 0 if self._result is None else self._result.inputs.length(self.location.sample)

    def show_rows(self, result: RunResult | None, engine: str, location: Location) -> None:
        """Show the final states of one engine for the location's sample."""
        shown = (result, engine, location.sample)
        if shown == self._shown:
            self._move(location)
            return
        self.location = location
        if result is not None and self._shown is not None and shown[:2] == self._shown[:2]:
            # Another sample has the same rows: a reset would lay them out again and lose the keyboard's place.
            self._shown, self.rows = shown, _rows(result, location.sample)
            self.all_changed.emit()
            return
        self.beginResetModel()
        self._shown, self._result = shown, result
        self._trace = None if result is None else result[engine]
        self._agreements.clear()
        self.rows = [] if result is None else _rows(result, location.sample)
        self.endResetModel()

    def rowCount(self, parent: AnyIndex = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.rows[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            if isinstance(row, LaneRow):
                return f"{row.title}, final state and {self._other(row)}: {self.agreement(row)}"
            here = ", selected" if self.is_selected(row) else ""
            return f"{named(row.place.text)} = {self.numbers(row, _IN_TOOLTIP)}{here}"
        if role == Qt.ItemDataRole.ToolTipRole:
            if isinstance(row, LaneRow):
                found, final = self.agreement(row), f"The final state is the one at t = {row.last.timestep}."
                worst = f"\nThe two {found}, the most in unit {found.unit}." if found.verdict == "different" else ""
                return f"{row.title}. {final}{worst}\nClick the axis to go to a time step."
            values = self.values(row)
            shown = [] if values is None else [numbers.full(value) for value in values[:_IN_TOOLTIP]]
            more = "" if values is None or len(values) <= _IN_TOOLTIP else ", …"
            return named(f"{_WHY[row.place.array]}\n{row.place.text} = {', '.join(shown)}{more}\nClick to go there.")
        return None

    def _move(self, location: Location) -> None:
        """Follow the selection, and report the rows whose mark changes."""
        before = [self.is_selected(row) for row in self.rows]
        moved = location.timestep != self.location.timestep
        self.location = location
        for place, (row, was) in enumerate(zip(self.rows, before, strict=True)):
            now = self.is_selected(row)
            if was != now or (now and moved and isinstance(row, LaneRow)):
                self.mark_changed.emit(place)

    def values(self, row: PlaceRow) -> FloatArray | None:
        """Values of a row, of shape (H,)."""
        if self._trace is None or self._result is None:
            return None
        return values_at(self._trace, self._result.inputs.network, row.place)

    def numbers(self, row: PlaceRow, count: int) -> str:
        values = self.values(row)
        if values is None:
            return NOT_AVAILABLE
        shown = " ".join(numbers.short(value) for value in values[:count])
        return f"{shown} …" if len(values) > count else shown

    def agreement(self, row: LaneRow) -> Agreement:
        """Whether all copies of a lane's final state are equal."""
        if row.last not in self._agreements:
            assert self._trace is not None, "rows are there for a trace only"
            assert self._result is not None, "rows are there for a result only"
            rtol, atol = tolerances(self._result.config, self._trace)
            network = self._result.inputs.network
            self._agreements[row.last] = agreement(self._trace, network, row.last, rtol, atol)
        return self._agreements[row.last]

    def mark(self, row: LaneRow) -> tuple[str, str]:
        """Icon and color role of a lane's agreement; copies that agree are not green where values differ."""
        icon, role = _MARKS[self.agreement(row).verdict]
        failing = self._result is not None and self._result.verdict is not Verdict.AGREE
        return icon, "muted" if failing and role == "right" else role

    def is_selected(self, row: Row) -> bool:
        """Whether the selection is in a row's lane, and for a vector also at its time step."""
        here = self.location
        where = row.last if isinstance(row, LaneRow) else row.place.where
        same_lane = (where.layer, where.direction) == (here.layer, here.direction)
        return same_lane and (isinstance(row, LaneRow) or where.timestep == here.timestep)

    def region(self, row: Row, timestep: int | None = None) -> Region | None:
        """Region of a row: a vector, one time step of a lane's axis, or the whole lane."""
        if self._result is None:
            return None
        network = self._result.inputs.network
        if isinstance(row, PlaceRow):
            return vector_region(network, row.place.where, array="c" if row.place.array == "state.c" else "h")
        if timestep is None:
            return lane_region(network, row.last.layer, row.last.direction, self.timesteps)
        return vector_region(network, row.last.moved(timestep=timestep))

    def show_highlight(self, highlighted: Sequence[Region]) -> None:
        before = [self.highlighted_times(row) for row in self.rows]
        self._highlighted = highlighted
        for place, row in enumerate(self.rows):
            if self.highlighted_times(row) != before[place]:
                self.mark_changed.emit(place)

    def highlighted_times(self, row: Row) -> list[range]:
        """Highlighted time steps of a lane's row, or of a vector's row its own if highlighted."""
        if isinstance(row, PlaceRow):
            where = row.place.where
            highlighted = is_highlighted(self._highlighted, where, "c" if row.place.array == "state.c" else "h")
            return [range(where.timestep, where.timestep + 1)] if highlighted else []
        return [
            range(max(region.times.start, 0), min(region.times.stop, self.timesteps))
            for region in self._highlighted
            if (region.lane.layer, region.lane.direction) == (row.last.layer, row.last.direction)
            and region.times.stop > 0
            and region.times.start < self.timesteps
        ]

    def text(self) -> str:
        """Every row with all its numbers, for copying."""
        lines = []
        for row in self.rows:
            if isinstance(row, PlaceRow):
                values = self.values(row)
                lines.append(
                    "\t".join([row.place.text, *(numbers.full(v) for v in (() if values is None else values))])
                )
        return "".join(f"{line}\n" for line in lines)

    def _other(self, row: LaneRow) -> str:
        assert self._result is not None, "rows are there for a result only"
        return places(self._result.inputs.network, row.last)[0].text


def _rows(result: RunResult, sample: int) -> list[Row]:
    network = result.inputs.network
    rows: list[Row] = []
    for last in lanes(network, result.inputs.length(sample), sample):
        rows.append(LaneRow(last, lane_text(network, last).capitalize()))
        rows += [
            PlaceRow(place, tie) for place, tie in zip(places(network, last), ("first", "second", ""), strict=False)
        ]
    return rows


class ClickedList(QListView):
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


_MARGIN = 8
_BAND = 12
_TIE = 14
_SPACE = 6
_LABELS = 8
"""Length of the longest label, in characters; the top layer has it."""
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_MARKS = {
    "equal": ("check", "right"),
    "near": ("check", "right"),
    "different": ("cross", "wrong"),
    "missing": ("info", "muted"),
}


class OutputMapPainter(QStyledItemDelegate):
    """Draws a lane as a time axis with its last step filled, and its vectors below, joined by a bracket."""

    def __init__(self, rows: OutputMapRows, view: QListView) -> None:
        super().__init__(view)
        self._rows = rows
        self.apply_theme(LIGHT)
        self.use_font(view.font())

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._icons = Icons(theme)

    def use_font(self, font: QFont) -> None:
        self._font = font
        self._bold = QFont(font)
        self._bold.setBold(True)
        self._metrics = QFontMetrics(font)
        self._number = self._metrics.horizontalAdvance("−0.000 ")

    def sizeHint(self, _option: QStyleOptionViewItem, index: AnyIndex) -> QSize:
        line = self._metrics.height()
        if isinstance(self._rows.rows[index.row()], LaneRow):
            return QSize(100, line + _BAND + 3 * _SPACE)
        return QSize(100, line + 4)

    def axis_rect(self, rect: QRect) -> QRect:
        """Rectangle of the time axis in a lane's row."""
        side = self._metrics.horizontalAdvance("0") + _SPACE
        end = self._metrics.horizontalAdvance(str(self._rows.timesteps - 1)) + _SPACE
        return QRect(
            rect.left() + _MARGIN + side,
            rect.bottom() - _BAND - _SPACE // 2,
            max(1, rect.width() - 2 * _MARGIN - side - end),
            _BAND,
        )

    def timestep_at(self, rect: QRect, x: int) -> int:
        """Time step at x in a lane's row, or the nearest one outside the axis."""
        axis, timesteps = self.axis_rect(rect), self._rows.timesteps
        return min(max((x - axis.left()) * timesteps // axis.width(), 0), timesteps - 1)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        drawn: Any = option
        rect: QRect = drawn.rect
        row = self._rows.rows[index.row()]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self._font)
        if isinstance(row, LaneRow):
            self._paint_lane(painter, rect, row)
        else:
            self._paint_place(painter, rect, row)
            if self._rows.highlighted_times(row):
                paint_highlight(painter, QRectF(rect).adjusted(2.5, 1.0, -2.5, -1.0), self._theme)
        if drawn.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(self._theme.color("accent"), 2.0))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(rect).adjusted(3.0, 1.0, -3.0, -1.0), 4, 4)
        painter.restore()

    def _paint_lane(self, painter: QPainter, rect: QRect, row: LaneRow) -> None:
        theme, found = self._theme, self._rows.agreement(row)
        top = rect.top() + _SPACE
        line = QRect(rect.left() + _MARGIN, top, rect.width() - 2 * _MARGIN, self._metrics.height())
        icon, role = self._rows.mark(row)
        words = str(found)
        painter.setPen(theme.color(role))
        painter.drawText(line, _RIGHT, words)
        size = scaled(MARK_SIZE)
        mark = line.right() - self._metrics.horizontalAdvance(words) - size - 3
        self._icons.colored(icon, role).paint(painter, QRect(mark, line.top(), size, line.height()))
        painter.setFont(self._bold)
        painter.setPen(theme.color("text"))
        room = mark - line.left() - _SPACE
        title = QFontMetrics(self._bold).elidedText(row.title, Qt.TextElideMode.ElideRight, room)
        painter.drawText(line, _LEFT, title)
        painter.setFont(self._font)
        self._paint_axis(painter, self.axis_rect(rect), row)

    def _paint_axis(self, painter: QPainter, axis: QRect, row: LaneRow) -> None:
        theme, timesteps = self._theme, self._rows.timesteps
        painter.setPen(theme.color("muted"))
        line = axis.adjusted(0, -_SPACE, 0, _SPACE)
        painter.drawText(QRect(line.left() - 60 - _SPACE // 2, line.top(), 60, line.height()), _RIGHT, "0")
        if timesteps > 1:
            painter.drawText(
                QRect(line.right() + 1 + _SPACE // 2, line.top(), 200, line.height()), _LEFT, str(timesteps - 1)
            )
        painter.setPen(QPen(theme.color("border"), 1.0))
        painter.setBrush(theme.color("raised"))
        frame = QRectF(axis).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.drawRoundedRect(frame, 2, 2)
        cell = max(6.0, frame.width() / timesteps)
        start = frame.left() if row.last.backward else frame.right() - cell
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("accent"))
        painter.drawRect(QRectF(start, frame.top(), cell, frame.height()))
        self._paint_arrow(painter, frame, cell, backward=row.last.backward)
        for times in self._rows.highlighted_times(row):
            step = frame.width() / timesteps
            wide = max(6.0, len(times) * step)
            left = min(frame.left() + times.start * step, frame.right() - wide)
            paint_highlight(painter, QRectF(left, frame.top() - 2.0, wide, frame.height() + 4.0), self._theme)
        if self._rows.is_selected(row):
            x = frame.left() + (self._rows.location.timestep + 0.5) * frame.width() / timesteps
            painter.setPen(QPen(theme.color("outline_under"), 4.0))
            painter.drawLine(QPointF(x, frame.top() - 2), QPointF(x, frame.bottom() + 2))
            painter.setPen(QPen(theme.color("cursor"), 2.0))
            painter.drawLine(QPointF(x, frame.top() - 2), QPointF(x, frame.bottom() + 2))

    def _paint_arrow(self, painter: QPainter, frame: QRectF, cell: float, *, backward: bool) -> None:
        if frame.width() < cell + 24:
            return
        y, head = frame.center().y(), 4.0
        tail, tip = frame.left() + 6, frame.right() - cell - 3
        if backward:
            tail, tip, head = frame.right() - 6, frame.left() + cell + 3, -head
        painter.setPen(QPen(self._theme.color("muted"), 1.0))
        painter.drawLine(QPointF(tail, y), QPointF(tip, y))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._theme.color("muted"))
        painter.drawPolygon(QPolygonF([QPointF(tip, y), QPointF(tip - head, y - 3), QPointF(tip - head, y + 3)]))

    def _paint_place(self, painter: QPainter, rect: QRect, row: PlaceRow) -> None:
        theme = self._theme
        here = self._rows.is_selected(row)
        if here:
            painter.fillRect(rect.adjusted(_MARGIN // 2, 0, -_MARGIN // 2, 0), blend(theme, "accent", 0.2))
            painter.fillRect(QRect(rect.left() + _MARGIN // 2, rect.top(), 3, rect.height()), theme.color("accent"))
        self._paint_tie(painter, rect, row)
        text = QRect(rect.left() + _MARGIN + _TIE + 2, rect.top(), rect.width() - 2 * _MARGIN - _TIE - 2, rect.height())
        painter.setPen(theme.color("text" if here else "muted"))
        painter.drawText(text, _LEFT, named(row.place.text))
        values = self._rows.values(row)
        x = text.left() + self._label_width() + _SPACE
        room = text.right() + 1 - x
        if values is None:
            words = self._metrics.elidedText(NOT_AVAILABLE, Qt.TextElideMode.ElideRight, room)
            painter.setPen(theme.color("muted"))
            painter.drawText(QRect(x, text.top(), room, text.height()), _LEFT, words)
            return
        painter.setPen(theme.color("text"))
        texts = [number_format.true_minus(number_format.short(value)) for value in values[: room // self._number + 1]]
        # Most numbers are as wide as each other, but not those with exponents.
        wide = max(self._number, *(self._metrics.horizontalAdvance(f"{number} ") for number in texts))
        count = len(values)
        if count * wide > room:
            count = max(1, (room - self._metrics.horizontalAdvance(" …")) // wide)
        for number in texts[:count]:
            painter.drawText(QRect(x, text.top(), wide, text.height()), _RIGHT, number)
            x += wide
        if count < len(values):
            painter.drawText(QRect(x, text.top(), 40, text.height()), _LEFT, " …")

    def _label_width(self) -> int:
        longest = max(
            (named(row.place.text) for row in self._rows.rows[:_LABELS] if isinstance(row, PlaceRow)), key=len
        )
        return self._metrics.horizontalAdvance(longest)

    def _paint_tie(self, painter: QPainter, rect: QRect, row: PlaceRow) -> None:
        """Draw half of the bracket around the two rows that must be equal."""
        if not row.tie:
            return
        x, middle = rect.left() + _MARGIN + 5.5, rect.center().y() + 0.5
        seam = rect.bottom() + 1 if row.tie == "first" else rect.top()
        painter.setPen(QPen(self._theme.color("muted"), 1.0))
        painter.drawLine(QPointF(x + 5, middle), QPointF(x, middle))
        painter.drawLine(QPointF(x, middle), QPointF(x, seam))
