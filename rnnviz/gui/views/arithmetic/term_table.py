"""Table of the terms of a line, with a waterfall chart of their running sums."""

from typing import Any

from PySide6.QtCore import QEvent, QLineF, QModelIndex, QPersistentModelIndex, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QKeyEvent, QMouseEvent, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem, QWidget

from rnnviz.explain.term_table import TermRow
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.arithmetic.term_table_model import TermTableModel
from rnnviz.gui.views.arithmetic.view_model import Page
from rnnviz.gui.views.cell_painter import INSET
from rnnviz.gui.views.number_table import NumberTable

_PAD = 6
_COMFORTABLE_BAR = 90
"""Minimum width of the bars, in pixels, that wider headings leave."""
_AROUND_TITLE, _WIDEST_TITLE = 10, 160
"""Pixels: the margin of a heading, and the maximum width of a column widened for its heading."""
_LEAST_BAR = 1.5


class TermTableView(NumberTable):
    """A click on a name, or Enter on its row, follows the source of the number."""

    followed = Signal(object)
    """The `Place` of a row's source."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.term_model = TermTableModel()
        self.setModel(self.term_model)
        self._bars = _Bars(self.term_model)
        self._bar_column: int | None = None
        self._fitted: list[str] = []
        self.setAccessibleName("Terms of the chosen line")
        self.horizontalHeader().setTextElideMode(Qt.TextElideMode.ElideNone)
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 3)
        self.setMouseTracking(True)
        self.setItemDelegate(self._bars)

    def show_page(self, page: Page) -> None:
        engines = tuple(arithmetic.engine for arithmetic in page.arithmetics)
        fresh = self.term_model.show_terms(page.term_table, engines, page.divergent_sum)
        self._bars.update_range()
        if fresh or self._bar_column != self.term_model.bar_column:
            if self._bar_column is not None:
                self._pictures.discard(self._bar_column)
            self._bar_column = self.term_model.bar_column
            self.show_pictures(self._bar_column)
        if fresh or self.term_model.widest() != self._fitted:
            self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Set the column widths. Without enough room, the bars are hidden first, then names are elided."""
        self._fitted = widest = self.term_model.widest()
        if not widest:
            return
        bar = self.term_model.bar_column
        needed = sum(self.fontMetrics().horizontalAdvance(text) + 2 * INSET for text in widest)
        drawn = needed <= self.viewport().width()
        # Another cell can have its sums where the bars were.
        for column in range(len(widest)):
            self.setColumnHidden(column, column == bar and not drawn)
        self.fit_columns(widest if drawn else widest[:bar], (bar,) if drawn else (0,), shrinking=0)
        self._title_sums()

    def _title_sums(self) -> None:
        """Write the engines' names above their sums. Spare width of the bars goes to these columns."""
        titles = self.term_model.full_titles
        if len(titles) < 2:
            return
        header, bar = self.horizontalHeader(), self.term_model.bar_column
        metrics = header.fontMetrics()
        spare = 0 if self.isColumnHidden(bar) else max(0, header.sectionSize(bar) - scaled(_COMFORTABLE_BAR))
        shown = []
        for place, (column, title) in enumerate(zip(self.term_model.sum_columns, titles, strict=True)):
            wanted = min(metrics.horizontalAdvance(title) + _AROUND_TITLE, scaled(_WIDEST_TITLE))
            given = min(max(0, wanted - header.sectionSize(column)), spare // (len(titles) - place))
            spare -= given
            header.resizeSection(column, header.sectionSize(column) + given)
            header.resizeSection(bar, header.sectionSize(bar) - given)
            room = header.sectionSize(column) - _AROUND_TITLE + 2
            shown.append(metrics.elidedText(title, Qt.TextElideMode.ElideMiddle, room))
        self.term_model.show_titles(tuple(shown))

    def copy_text(self) -> str:
        """The selected rows with headings, or all rows if at most one is selected; with all engines' numbers."""
        chosen = sorted({index.row() for index in self.selectionModel().selectedRows()})
        return self.term_model.copied(chosen if len(chosen) > 1 else range(self.term_model.rowCount()))

    def apply_theme(self, theme: Theme) -> None:
        self._bars.apply_theme(theme)
        self.term_model.apply_theme(theme)
        super().apply_theme(theme)

    @property
    def rows_in_room(self) -> int:
        """Number of rows that are visible without scrolling."""
        return max(1, self.viewport().height() // self.verticalHeader().defaultSectionSize())

    def follow(self, row: int) -> None:
        """Follow the source of a row's number."""
        source = self.term_model.row(row).source
        if source is not None:
            self.followed.emit(source)

    def event(self, event: QEvent) -> bool:
        """Handle Enter before the window's shortcuts."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and _goes(event):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if _goes(event):
            if self.currentIndex().isValid():
                self.follow(self.currentIndex().row())
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        super().mousePressEvent(event)
        index = self.indexAt(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton and index.isValid() and index.column() == 0:
            self.follow(index.row())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Ignore the second click, which would follow a link of the newly shown page."""
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        index = self.indexAt(event.position().toPoint())
        on_link = index.isValid() and index.column() == 0 and self.term_model.row(index.row()).source is not None
        self.viewport().setCursor(Qt.CursorShape.PointingHandCursor if on_link else Qt.CursorShape.ArrowCursor)


def _goes(event: QKeyEvent) -> bool:
    plain = not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    return plain and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class _Bars(QStyledItemDelegate):
    """Draws bars from the sum before a row to the sum after it, one below the other where engines differ."""

    def __init__(self, model: TermTableModel) -> None:
        super().__init__()
        self._model = model
        self._low, self._high = 0.0, 0.0
        self.apply_theme(LIGHT)

    def apply_theme(self, theme: Theme) -> None:
        """Draw in these colors: falling and growing as the lanes draw less and more than 0."""
        stops = theme.diverging
        self._falls, self._grows = QColor(stops[1]), QColor(stops[-2])
        self._whole, self._axis, self._text = theme.color("text"), theme.color("border"), theme.color("muted")
        self._ground = theme.color("base")

    def update_range(self) -> None:
        """Update the range of the axis from the model."""
        self._low, self._high = self._model.reach

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        styled: Any = option
        rect: QRect = styled.rect
        row = self._model.row(index.row())
        painter.save()
        painter.setClipRect(rect)
        zero = self._x(rect, 0.0)
        painter.setPen(self._axis)
        painter.drawLine(QLineF(zero, rect.top(), zero, rect.bottom() + 1))
        drawn = [(own.start, own.stop) for own in row.figures if own.stop is not None]
        if self._model.lines[index.row()].engine:
            # The sums and bars of both engines are in the row's first line.
            drawn = []
        spans = [span for span in drawn if all(abs(end) < float("inf") for end in span)]
        apart = len(spans) > 1 and any(
            abs(self._x(rect, one) - self._x(rect, two)) > 1.0 for one, two in zip(*spans[:2], strict=True)
        )
        shown = spans if apart else spans[:1]
        height = (rect.height() - 4.0) / max(len(shown), 1)
        for place, (start, stop) in enumerate(shown):
            self._paint_bar(painter, rect, row, start, stop, rect.top() + 2.0 + place * height, height, place)
        painter.restore()

    def _paint_bar(
        self,
        painter: QPainter,
        rect: QRect,
        row: TermRow,
        start: float,
        stop: float,
        top: float,
        height: float,
        place: int,
    ) -> None:
        if row.kind == "total":
            start = 0.0
        left, right = sorted((self._x(rect, start), self._x(rect, stop)))
        bar = QRectF(left, top + 0.5, max(right - left, _LEAST_BAR), height - 1.0)
        color = self._whole if row.kind == "total" else self._grows if stop >= start else self._falls
        painter.fillRect(bar, color)
        if place:
            # The candidate's mark: color alone must not distinguish the engines.
            painter.fillRect(bar, QBrush(self._ground, Qt.BrushStyle.BDiagPattern))
            painter.setPen(QPen(color, 1.0))
            painter.drawRect(bar)

    def _x(self, rect: QRect, value: float) -> float:
        span = self._high - self._low or 1.0
        return rect.left() + _PAD + (value - self._low) / span * (rect.width() - 2 * _PAD)
