"""Table of numbers, with its own painting, sizing and copying."""

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import (
    QAbstractItemModel,
    QEvent,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetrics,
    QIcon,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QHeaderView,
    QStyleOptionViewItem,
    QTableView,
)

from rnnviz.core.engine_spec import CODE
from rnnviz.frozen import dataclass
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled

FULL_ROLE = Qt.ItemDataRole.UserRole
"""Item role of the copied text: a number with all digits needed to read it back exactly."""

ROW_HEIGHT = 24
INSET = 4
"""Horizontal padding of a cell's text in pixels."""
MARK_SIZE = 12
_SQUEEZE = 3
_SHORT_NAME = 12
"""Characters that a shrinking column always shows."""
_HEADING_MARGIN = 4
"""Margin of a heading in pixels, defined by the style."""
_DASHES = (4.0, 3.0)

AnyIndex = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()


@dataclass(frozen=True)
class TableCell:
    """Format of a cell. Numbers align at the right, words at the left."""

    text: str
    color: QColor | None = None
    bold: bool = False
    mark: QIcon | None = None
    left: bool = False


def blend(theme: Theme, role: str, part: float) -> QColor:
    """Blend a color role of the theme into the background."""
    over, under = theme.color(role), theme.color("base")
    return QColor(
        round(part * over.red() + (1.0 - part) * under.red()),
        round(part * over.green() + (1.0 - part) * under.green()),
        round(part * over.blue() + (1.0 - part) * under.blue()),
    )


def paint_highlight(painter: QPainter, rect: QRectF, theme: Theme, under: float = 4.0) -> None:
    """Draw the highlight frame of the lanes: dashes over a line of `under` pixels."""
    over = QPen(theme.color("accent"), 2.0)
    over.setDashPattern(_DASHES)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for pen in (QPen(theme.color("base"), under), over):
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
        painter.setPen(pen)
        painter.drawRect(rect)


class CellPainter:
    """Draws cells. Character widths are cached, because a table contains few different ones."""

    def __init__(self, font: QFont) -> None:
        self.use_font(font)
        self.apply_theme(LIGHT)

    def use_font(self, font: QFont) -> None:
        # With kerning, digits would not be aligned in columns.
        plain = QFont(font)
        plain.setKerning(False)
        bold = QFont(plain)
        bold.setBold(True)
        self._plain, self._bold = _Face(plain), _Face(bold)
        self._mark = scaled(MARK_SIZE)

    def apply_theme(self, theme: Theme) -> None:
        """Set the colors. A selected row is tinted; its texts keep their colors."""
        self._text = theme.color("text")
        self._chosen = blend(theme, "accent", 0.2)
        self._alternate = blend(theme, "raised", 0.6)

    def ground(self, row: int, *, chosen: bool) -> QColor | None:
        return self._chosen if chosen else self._alternate if row % 2 else None

    def begin(self, painter: QPainter) -> None:
        self._face, self._color = self._plain, self._text
        painter.setFont(self._face.font)
        painter.setPen(self._color)

    def paint(self, painter: QPainter, rect: QRect, cell: TableCell) -> None:
        left, right = rect.left() + INSET, rect.right() + 1 - INSET
        if cell.mark is not None:
            cell.mark.paint(painter, QRect(left, rect.top(), self._mark, rect.height()))
            if cell.left:
                left += self._mark + INSET
        face, color = self._bold if cell.bold else self._plain, cell.color or self._text
        if face is not self._face:
            painter.setFont(face.font)
        if color is not self._color:
            painter.setPen(color)
        self._face, self._color = face, color
        text, room = cell.text, right - (left if cell.left else rect.left() + 1)
        width = face.width(text)
        if width > room and not cell.left:
            # A bold number, in a column that gave up a little, rather takes some of the margin than loses a digit.
            more = min(width - room, INSET - 1)
            right, room = right + more, room + more
        if width > room:
            # Similar names differ at their ends.
            middle = cell.left and " " not in text
            elide = Qt.TextElideMode.ElideMiddle if middle else Qt.TextElideMode.ElideRight
            text = face.metrics.elidedText(text, elide, room)
            width = face.width(text)
        y = rect.top() + (rect.height() - face.height) // 2 + face.ascent
        painter.drawText(QPoint(left if cell.left else right - width, y), text)


class _Face:
    """A font with the widths of its characters in pixels."""

    def __init__(self, font: QFont) -> None:
        self.font, self.metrics = font, QFontMetrics(font)
        self.height, self.ascent = self.metrics.height(), self.metrics.ascent()
        self._widths: dict[str, int] = {}

    def width(self, text: str) -> int:
        widths = self._widths
        try:
            return sum([widths[letter] for letter in text])
        except KeyError:
            for letter in text:
                widths[letter] = self.metrics.horizontalAdvance(letter)
            return self.width(text)


def in_two_lines(title: str, metrics: QFontMetrics, room: int) -> str:
    """Break a title after the last ":", "-", "_" or space that leaves a first line that fits.

    A title that does not fit so has its beginning above its end, for similar names differ at their ends. The file of
    a custom step then leaves out its ending.
    """
    full = next((end for end in range(len(title), 1, -1) if metrics.horizontalAdvance(title[:end]) <= room), 1)
    end = max((end for end in range(1, full + 1) if title[end - 1] in ":-_ "), default=0)
    if metrics.horizontalAdvance(title[end:]) <= room:
        return f"{title[:end]}\n{title[end:]}" if end else title
    title = title.removesuffix(CODE)
    first = metrics.elidedText(title, Qt.TextElideMode.ElideRight, room)
    ends = (title[start:] for start in range(len(first) - 1, len(title)))
    last = next((text for text in ends if metrics.horizontalAdvance(text) <= room), "")
    return f"{first}\n{last}"


class NumberTable(QTableView):
    """A table whose model also has a method `cell(row, column) -> TableCell`.

    Whole rows are selected, and copied as tab-separated text in full precision. All visible cells are painted in
    one pass, because Qt's delegates query the model many times per cell, which is too slow while the selection
    moves.

    `stepped` is emitted with -1 or 1 when Left or Right requests the previous or next time step.
    """

    stepped = Signal(int)

    def __init__(self, model: QAbstractItemModel, name: str) -> None:
        """`name` is for screen readers."""
        super().__init__()
        self.setModel(model)
        self.setAccessibleName(name)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerItem)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setCornerButtonEnabled(False)
        self.verticalHeader().hide()
        # Rows of one height are never measured one by one.
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        # The minimum of the style is that of the last text size, and rows would stay as high.
        self.verticalHeader().setMinimumSectionSize(1)
        self.verticalHeader().setDefaultSectionSize(scaled(ROW_HEIGHT))
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setTextElideMode(Qt.TextElideMode.ElideRight)
        self.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._widest: list[str] = []
        self._growing: tuple[int, ...] = ()
        self._shrinking: int | None = None
        self._optional: list[int] = []
        self._theme = LIGHT
        self._painter = CellPainter(self.font())
        self.breaks_titles = False
        """Whether a title that does not fit has two lines."""
        self.whole_rows = False
        """Whether a row that is only partly in sight is left out, as in a figure: SVG has no clipping."""
        self.pictures: frozenset[int] = frozenset()
        """Columns that a delegate paints."""
        self.highlighted: tuple[range, ...] = ()
        """Rows with a highlight frame, as in the lanes."""

    def sort_by_headings(self) -> None:
        """Sort by a heading that is clicked. A third click restores the order of the rows."""
        self.setSortingEnabled(True)
        self.horizontalHeader().setSortIndicatorClearable(True)
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)

    def choose(self, row: int) -> None:
        """Select a row alone, and scroll to it."""
        index, flags = self.model().index(row, 0), QItemSelectionModel.SelectionFlag
        self.selectionModel().setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)
        self.scrollTo(index)

    def copy_text(self) -> str:
        """The selected rows with headings, or all rows if at most one is selected."""
        model = self.model()
        chosen = sorted({index.row() for index in self.selectionModel().selectedRows()})
        rows = chosen if len(chosen) > 1 else range(model.rowCount())
        columns = range(model.columnCount())
        heading = [str(model.headerData(column, Qt.Orientation.Horizontal, FULL_ROLE)) for column in columns]
        lines = [heading] + [[str(model.index(row, c).data(FULL_ROLE)) for c in columns] for row in rows]
        return "".join("\t".join(line) + "\n" for line in lines)

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        palette = self.palette()
        # Qt draws a plain frame in the color of texts, which the cells and the headings have from elsewhere.
        palette.setColor(QPalette.ColorRole.WindowText, theme.color("accent"))
        self.setPalette(palette)
        self._painter.apply_theme(theme)
        model: Any = self.model()
        model.apply_theme(theme)
        self.viewport().update()

    def show_highlight(self, rows: Sequence[range]) -> None:
        if tuple(rows) != self.highlighted:
            self.highlighted = tuple(rows)
            self.viewport().update()

    def fit(self) -> int:
        """Set the column widths as the columns of a `TableModel` ask, and return the needed width in pixels.

        Without enough room, optional columns are hidden. They are copied and in the tooltips of rows as ever.
        """
        model: Any = self.model()
        grows = tuple(place for place, column in enumerate(model.columns) if column.grows)
        shrinking = next((place for place, column in enumerate(model.columns) if column.shrinks), None)
        self._optional = [place for place, column in enumerate(model.columns) if column.optional]
        return self.fit_columns(model.widest(), grows, shrinking)

    def fit_columns(self, widest: list[str], growing: tuple[int, ...], shrinking: int | None = None) -> int:
        """Set the column widths from the widest texts; `growing` columns share the remaining width.

        Headings come first, so that a long one is elided only without enough room. The `shrinking` column, if
        any, gives up to half of its width if there is too little, unless its texts are short.

        Returns the total width in pixels that the columns need.
        """
        self._widest, self._growing, self._shrinking = widest, growing, shrinking
        widths = [self.fontMetrics().horizontalAdvance(text) + 2 * INSET for text in widest]
        needed = sum(widths)
        spare = self.viewport().width() - needed
        for column in self._optional:
            lacking = spare < -_SQUEEZE * len(growing)
            self.setColumnHidden(column, lacking)
            if lacking:
                spare += widths[column]
                growing = tuple(other for other in growing if other != column)
        if shrinking is not None and spare < 0:
            short = self.fontMetrics().horizontalAdvance("0" * _SHORT_NAME) + 2 * INSET
            given = min(max(0, widths[shrinking] - max(widths[shrinking] // 2, short)), -spare)
            widths[shrinking] -= given
            spare += given
        # Not every column is as wide as it may be: a bar to scroll sideways is worse than a few pixels less.
        spare = 0 if spare < -_SQUEEZE * len(growing) else spare
        # While a model is being replaced the columns are still those of the last one.
        if spare > 0 and self.model().columnCount() == len(widths):
            spare -= self._widen_for_headings(widths, growing, spare)
        for place, column in enumerate(growing):
            widths[column] += spare * (place + 1) // len(growing) - spare * place // len(growing)
        for column, width in enumerate(widths):
            self.horizontalHeader().resizeSection(column, width)
        if self.breaks_titles:
            self._break_titles()
        return needed

    def _break_titles(self) -> None:
        """Write titles that do not fit in two lines."""
        model: Any = self.model()
        header = self.horizontalHeader()
        broken = {}
        for place, column in enumerate(model.columns):
            room = header.sectionSize(place) - 2 * _HEADING_MARGIN
            # A column that gave up a few pixels keeps its title in one line.
            wide = header.fontMetrics().horizontalAdvance(column.title) > room + _SQUEEZE
            if wide and not header.isSectionHidden(place):
                broken[place] = in_two_lines(column.title, header.fontMetrics(), room)
        if broken != model.broken_titles:
            model.broken_titles = broken
            model.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, len(model.columns) - 1)
            self.updateGeometries()

    def _widen_for_headings(self, widths: list[int], growing: tuple[int, ...], spare: int) -> int:
        """Widen columns for their headings, in equal proportion, and return the used width in pixels."""
        header, model = self.horizontalHeader(), self.model()
        lacking = {}
        for column in growing:
            heading = str(model.headerData(column, Qt.Orientation.Horizontal)).replace("\n", "")
            wanted = header.fontMetrics().horizontalAdvance(heading) + 2 * INSET + _HEADING_MARGIN
            lacking[column] = max(0, wanted - widths[column])
        lack = sum(lacking.values())
        given = 0
        for column, pixels in lacking.items():
            share = pixels if lack <= spare else pixels * spare // lack
            widths[column] += share
            given += share
        return given

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.fit_columns(self._widest, self._growing, self._shrinking)

    def limit_height(self) -> None:
        """Let the table be no higher than its rows."""
        rows = self.model().rowCount() * self.verticalHeader().defaultSectionSize()
        self.setMaximumHeight(self.horizontalHeader().sizeHint().height() + rows + 2 * self.frameWidth() + 1)

    def minimumSizeHint(self) -> QSize:
        """Room for the titles and one row: neighbors may need the height more."""
        height = self.horizontalHeader().sizeHint().height() + self.verticalHeader().defaultSectionSize()
        return QSize(super().minimumSizeHint().width(), height + 2 * self.frameWidth())

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._painter.use_font(self.font())
            self.fit_columns(self._widest, self._growing, self._shrinking)

    def paintEvent(self, event: QPaintEvent) -> None:
        model: Any = self.model()
        touched = event.rect()
        first, last = self.rowAt(touched.top()), self.rowAt(touched.bottom())
        if first < 0:
            return
        last = last if last >= 0 else model.rowCount() - 1
        height = self.verticalHeader().defaultSectionSize()
        top, chosen = self.rowViewportPosition(first), self.selectionModel()
        if self.whole_rows:
            last = min(last, first + (self.viewport().height() - top) // height - 1)
        columns = self._columns_in_sight(touched)
        painter = QPainter(self.viewport())
        self._painter.begin(painter)
        for row in range(first, last + 1):
            y = top + (row - first) * height
            ground = self._painter.ground(row, chosen=chosen.isRowSelected(row, _ROOT))
            if ground is not None:
                painter.fillRect(
                    QRect(columns[0][1], y, columns[-1][1] + columns[-1][2] - columns[0][1], height), ground
                )
            for column, left, width in columns:
                rect = QRect(left, y, width, height)
                if column in self.pictures:
                    self._paint_picture(painter, rect, model.index(row, column))
                else:
                    self._painter.paint(painter, rect, model.cell(row, column))
        self._paint_highlight(painter)
        painter.end()

    def _paint_highlight(self, painter: QPainter) -> None:
        left, width = -self.horizontalOffset(), self.horizontalHeader().length()
        for rows in self.highlighted:
            top = self.rowViewportPosition(rows.start)
            bottom = self.rowViewportPosition(rows.stop - 1) + self.rowHeight(rows.stop - 1)
            rect = QRectF(left, top, width, bottom - top).adjusted(2.0, 2.0, -2.0, -2.0)
            paint_highlight(painter, rect, self._theme)

    def _columns_in_sight(self, touched: QRect) -> list[tuple[int, int, int]]:
        """Index, left edge and width in pixels of each column to paint, from left to right."""
        header = self.horizontalHeader()
        spans = [
            (column, header.sectionViewportPosition(column), header.sectionSize(column))
            for column in map(header.logicalIndex, range(header.count()))
            if not header.isSectionHidden(column)
        ]
        return [span for span in spans if span[1] <= touched.right() and span[1] + span[2] > touched.left()]

    def _paint_picture(self, painter: QPainter, rect: QRect, index: QModelIndex) -> None:
        option: Any = QStyleOptionViewItem()
        self.initViewItemOption(option)
        option.rect = rect
        self.itemDelegateForIndex(index).paint(painter, option, index)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            QApplication.clipboard().setText(self.copy_text())
        elif (
            event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right)
            and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        ):
            self.stepped.emit(-1 if event.key() == Qt.Key.Key_Left else 1)
        else:
            super().keyPressEvent(event)
