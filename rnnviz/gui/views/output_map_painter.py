"""Delegate that draws the map from final states to `out`."""

from typing import Any

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from rnnviz.core import number_format
from rnnviz.gui.naming import named
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.views.output_map_rows import NOT_AVAILABLE, LaneRow, OutputMapRows, PlaceRow
from rnnviz.gui.views.table import MARK_SIZE, AnyIndex, blend

_MARGIN = 8
_BAND = 12
_TIE = 14
_GAP = 6
_LABELS = 8
"""Length of the longest label, in characters; the top layer has it."""
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_DASHES = (3.0, 2.0)
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
        """Set the font."""
        self._font = font
        self._bold = QFont(font)
        self._bold.setBold(True)
        self._metrics = QFontMetrics(font)
        self._number = self._metrics.horizontalAdvance("-0.000 ")

    def sizeHint(self, _option: QStyleOptionViewItem, index: AnyIndex) -> QSize:
        line = self._metrics.height()
        if isinstance(self._rows.rows[index.row()], LaneRow):
            return QSize(100, line + _BAND + 3 * _GAP)
        return QSize(100, line + 4)

    def axis_rect(self, rect: QRect) -> QRect:
        """Rectangle of the time axis in a lane's row."""
        side = self._metrics.horizontalAdvance("0") + _GAP
        end = self._metrics.horizontalAdvance(str(self._rows.timesteps - 1)) + _GAP
        return QRect(
            rect.left() + _MARGIN + side,
            rect.bottom() - _BAND - _GAP // 2,
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
                self._frame(painter, QRectF(rect).adjusted(2.5, 1.0, -2.5, -1.0))
        if drawn.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(self._theme.color("accent"), 1.0))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(rect).adjusted(2.5, 0.5, -2.5, -0.5), 3, 3)
        painter.restore()

    def _paint_lane(self, painter: QPainter, rect: QRect, row: LaneRow) -> None:
        theme, found = self._theme, self._rows.agreement(row)
        top = rect.top() + _GAP
        line = QRect(rect.left() + _MARGIN, top, rect.width() - 2 * _MARGIN, self._metrics.height())
        icon, role = _MARKS[found.verdict]
        words = str(found)
        painter.setPen(theme.color(role))
        painter.drawText(line, _RIGHT, words)
        mark = line.right() - self._metrics.horizontalAdvance(words) - MARK_SIZE - 3
        self._icons.colored(icon, role).paint(painter, QRect(mark, line.top(), MARK_SIZE, line.height()))
        painter.setFont(self._bold)
        painter.setPen(theme.color("text"))
        room = mark - line.left() - _GAP
        title = QFontMetrics(self._bold).elidedText(row.title, Qt.TextElideMode.ElideRight, room)
        painter.drawText(line, _LEFT, title)
        painter.setFont(self._font)
        self._paint_axis(painter, self.axis_rect(rect), row)

    def _paint_axis(self, painter: QPainter, axis: QRect, row: LaneRow) -> None:
        theme, timesteps = self._theme, self._rows.timesteps
        painter.setPen(theme.color("muted"))
        line = axis.adjusted(0, -_GAP, 0, _GAP)
        painter.drawText(QRect(line.left() - 60 - _GAP // 2, line.top(), 60, line.height()), _RIGHT, "0")
        if timesteps > 1:
            painter.drawText(
                QRect(line.right() + 1 + _GAP // 2, line.top(), 200, line.height()), _LEFT, str(timesteps - 1)
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
            self._frame(painter, QRectF(left, frame.top() - 2.0, wide, frame.height() + 4.0))
        if self._rows.is_selected(row):
            x = frame.left() + (self._rows.location.timestep + 0.5) * frame.width() / timesteps
            painter.setPen(QPen(theme.color("outline_under"), 4.0))
            painter.drawLine(QPointF(x, frame.top() - 2), QPointF(x, frame.bottom() + 2))
            painter.setPen(QPen(theme.color("cursor"), 2.0))
            painter.drawLine(QPointF(x, frame.top() - 2), QPointF(x, frame.bottom() + 2))

    def _frame(self, painter: QPainter, rect: QRectF) -> None:
        """Draw the highlight frame of the lanes."""
        over = QPen(self._theme.color("accent"), 2.0)
        over.setDashPattern(_DASHES)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for pen in (QPen(self._theme.color("base"), 4.0), over):
            pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
            painter.setPen(pen)
            painter.drawRect(rect)

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
        x = text.left() + self._label_width() + _GAP
        room = text.right() + 1 - x
        if values is None:
            words = self._metrics.elidedText(NOT_AVAILABLE, Qt.TextElideMode.ElideRight, room)
            painter.setPen(theme.color("muted"))
            painter.drawText(QRect(x, text.top(), room, text.height()), _LEFT, words)
            return
        painter.setPen(theme.color("text"))
        texts = [number_format.short(value) for value in values[: room // self._number + 1]]
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
        """Width of the longest label, so that the units align."""
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
