"""Tables: a model made of column records, and a view that paints all visible cells in one pass.

A column says how it writes, aligns, colors, explains and sorts its cells. Qt's delegates query a model many times per
cell, which is too slow while the selection moves.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import (
    QAbstractTableModel,
    QEvent,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
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
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractItemView, QApplication, QHeaderView, QStyleOptionViewItem, QTableView

from rnnviz.core import number_format
from rnnviz.core.engine_spec import CODE
from rnnviz.frozen import dataclass
from rnnviz.gui.theme.fonts import code_font
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.results.columns import Column, Look

AnyIndex = QModelIndex | QPersistentModelIndex
_Roles = Qt.ItemDataRole
_ROOT = QModelIndex()
FULL_ROLE = _Roles.UserRole
"""Item role of the copied text: a number with all digits needed to read it back exactly."""
NONFINITE = {number_format.NAN: "nan", number_format.INFINITY: "infinite"}

ROW_HEIGHT = 27
INSET = 6
"""Horizontal padding of a cell's text in pixels."""
MARK_SIZE = 12
_ACCENT_LINE = 3
_SHORT_NAME = 12
"""Characters that a shrinking column always shows."""
_DASHES = (4.0, 3.0)
_BREAKS = re.compile("(?<=[:_-])| ")
"""Places at which a title can be broken."""


@dataclass(frozen=True)
class TableCell:
    """Format of a cell. Numbers align at the right, words at the left."""

    text: str
    color: QColor | None = None
    bold: bool = False
    mark: QIcon | None = None
    left: bool = False
    number: bool = False


class TableModel(QAbstractTableModel):
    """Rows of any type under columns. Only visible cells are written."""

    def __init__(self, columns: Sequence[Column] = (), tip: Callable[[Any], str] | None = None) -> None:
        """`tip` returns the tooltip of a row, by default every column with its exact text."""
        super().__init__()
        self.columns = tuple(columns)
        self.rows: Sequence[Any] = ()
        """The rows as they were set, whatever they are sorted by."""
        self.broken_titles: dict[int, str] = {}
        """Titles in two lines by column, which replace those that do not fit."""
        self._tip = tip or self.described
        self._order: NDArray[np.intp] | None = None
        self._sorting: tuple[int, Qt.SortOrder] | None = None
        self._use_theme(LIGHT)

    def show_rows(self, rows: Sequence[Any], columns: Sequence[Column] | None = None, *, keep: bool = False) -> None:
        """Set the rows, and the columns if they change.

        With `keep`, as many rows in the same columns replace the earlier ones without a reset: the selection stays.
        """
        columns = self.columns if columns is None else tuple(columns)
        same = keep and len(rows) == len(self.rows) and _titles(columns) == _titles(self.columns)
        if same:
            self.rows, self.columns = rows, columns
            self.refresh()
            return
        self.beginResetModel()
        self.rows, self.columns = rows, columns
        self._sort()
        self.endResetModel()

    def refresh(self) -> None:
        """Sort again, and report that every cell may have changed."""
        if self._sorting is not None:
            self.sort(*self._sorting)
        elif self.rows and self.columns:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self.rows) - 1, len(self.columns) - 1))

    def apply_theme(self, theme: Theme) -> None:
        self._use_theme(theme)
        self.refresh()

    def row(self, place: int) -> Any:
        """The row at a place of the table."""
        return self.rows[place if self._order is None else int(self._order[place])]

    def place_of(self, number: int) -> int:
        """Place in the table of `rows[number]`."""
        return number if self._order is None else int(np.flatnonzero(self._order == number)[0])

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; -1 restores the order of the rows. The selection stays at its rows."""
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        numbers = [at.row() if self._order is None else int(self._order[at.row()]) for at in before]
        self._sorting = (column, order) if 0 <= column < len(self.columns) else None
        self._sort()
        after = [self.index(self.place_of(number), at.column()) for number, at in zip(numbers, before, strict=True)]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def cell(self, row: int, column: int) -> TableCell:
        at, entry = self.columns[column], self.row(row)
        text, look = at.text(entry), at.look(entry)
        role = look.role
        if at.number:
            role = role or NONFINITE.get(text.removeprefix("-"), "")
            text = number_format.true_minus(text)
        right = at.right or at.number
        return TableCell(text, self._color(role), look.bold, self._icon(look), left=not right, number=at.number)

    def described(self, row: Any) -> str:
        """Every column of a row with its exact text."""
        texts = ((column.name, column.exact(row)) for column in self.columns)
        return "\n".join(f"{name}: {text}" if name else text for name, text in texts if text)

    def widest(self) -> list[str]:
        """The widest text of each column."""
        return [
            number_format.true_minus(text) if column.number else text
            for column in self.columns
            for text in [column.widest or self._measured(column)]
        ]

    def rowCount(self, parent: AnyIndex = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: AnyIndex = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _Roles.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or section >= len(self.columns):
            return None
        column = self.columns[section]
        if role == _Roles.DisplayRole:
            return self.broken_titles.get(section, column.title)
        if role in (FULL_ROLE, _Roles.AccessibleTextRole):
            return column.name
        if role == _Roles.ToolTipRole:
            return wrapped(column.why or column.name)
        if role == _Roles.TextAlignmentRole and not (column.right or column.number):
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: AnyIndex, role: int = _Roles.DisplayRole) -> Any:
        column, row = self.columns[index.column()], self.row(index.row())
        if role == _Roles.DisplayRole:
            return number_format.true_minus(column.text(row)) if column.number else column.text(row)
        if role == FULL_ROLE:
            return column.exact(row)
        if role == _Roles.ToolTipRole:
            return wrapped(self._tip(row))
        if role == _Roles.AccessibleTextRole:
            named = f"{column.name} {self.data(index)}".strip()
            return ", ".join(filter(None, (named, column.look(row).note)))
        return None

    def _use_theme(self, theme: Theme) -> None:
        self._theme, self._icons = theme, Icons(theme)
        self._colors: dict[str, QColor] = {}

    def _color(self, role: str) -> QColor | None:
        if role and role not in self._colors:
            self._colors[role] = self._theme.color(role)
        return self._colors.get(role)

    def _icon(self, look: Look) -> QIcon | None:
        return self._icons.colored(look.icon, look.role) if look.icon else None

    def _measured(self, column: Column) -> str:
        # A title can be in two lines. Of equally long texts, that of a row may be in capitals.
        text = max((*map(column.text, self.rows), _half(column.title)), key=len)
        # A mark takes the room of three digits.
        return text + ("00" if column.number else "0") + "000" * any(column.look(row).icon for row in self.rows)

    def _sort(self) -> None:
        keys = None if self._sorting is None else self.columns[self._sorting[0]].keys
        if self._sorting is None or keys is None:
            self._order = None
            return
        found = keys().astype(np.float64)
        # NaN comes last, and equal rows keep their order, whichever way they are sorted.
        ascending = self._sorting[1] == Qt.SortOrder.AscendingOrder
        self._order = np.argsort(found if ascending else -found, kind="stable")


def _half(title: str) -> str:
    """The longer line of a title that is broken so that this line is as short as possible."""
    breaks = [(title[: at.start()], title[at.end() :]) for at in _BREAKS.finditer(title)]
    return min((max(lines, key=len) for lines in breaks), key=len, default=title)


def _titles(columns: Sequence[Column]) -> list[tuple[str, str]]:
    return [(column.title, column.heading) for column in columns]


class Table(QTableView):
    """Whole rows are selected, and copied as tab-separated text in full precision.

    `stepped` is emitted with -1 or 1 when Left or Right requests the previous or next time step.
    """

    stepped = Signal(int)

    def __init__(self, model: TableModel, name: str, *, inset: int = INSET, lines: bool = True) -> None:
        """`name` is for screen readers, `inset` the padding of a cell, and `lines` are between rows."""
        super().__init__()
        self.table_model = model
        self._inset = inset
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
        self.setMouseTracking(True)
        rows = self.verticalHeader()
        rows.hide()
        # Rows of one height are never measured one by one.
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        # The minimum of the style is that of the last text size, and rows would stay as high.
        rows.setMinimumSectionSize(1)
        rows.setDefaultSectionSize(scaled(ROW_HEIGHT))
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setTextElideMode(Qt.TextElideMode.ElideNone)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._painter = _CellPainter(self.font(), inset, lines=lines)
        self._hovered = -1
        self.pictures: frozenset[int] = frozenset()
        """Columns that a delegate paints."""
        self.highlighted: tuple[range, ...] = ()
        """Rows with a highlight frame, as in the lanes."""
        self.apply_theme(LIGHT)

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
        model = self.table_model
        chosen = sorted({index.row() for index in self.selectionModel().selectedRows()})
        rows = chosen if len(chosen) > 1 else range(model.rowCount())
        lines = [[column.name for column in model.columns]]
        lines += [[column.exact(model.row(row)) for column in model.columns] for row in rows]
        return "".join("\t".join(line) + "\n" for line in lines)

    def apply_theme(self, theme: Theme) -> None:
        palette = self.palette()
        # Qt draws a plain frame in the color of texts, which the cells and the headings have from elsewhere.
        palette.setColor(QPalette.ColorRole.WindowText, theme.color("accent"))
        self.setPalette(palette)
        self._theme = theme
        self._painter.apply_theme(theme)
        self.table_model.apply_theme(theme)
        self.viewport().update()

    def show_highlight(self, rows: Sequence[range]) -> None:
        if tuple(rows) != self.highlighted:
            self.highlighted = tuple(rows)
            self.viewport().update()

    def fit(self) -> int:
        """Set the column widths from the widest texts, and return the width in pixels that the columns need.

        Without enough room, optional columns are hidden, which are copied and in tooltips as ever; then columns that
        shrink are cut, and at last headings are broken. Columns that grow share what is left.
        """
        columns, room = self.table_model.columns, self.viewport().width()
        widths = [self._painter.width(c, t) for c, t in zip(columns, self.table_model.widest(), strict=True)]
        needed = sum(widths)
        headed = [max(width, self._heading_width(c.title)) for c, width in zip(columns, widths, strict=True)]
        for place, column in enumerate(columns):
            hidden = column.optional and sum(headed) > room
            self.setColumnHidden(place, hidden)
            if hidden:
                widths[place] = headed[place] = 0
        headed = self._shrunk(headed, room)
        widths = headed if sum(headed) <= room else self._shrunk(widths, room)
        growing = [place for place, column in enumerate(columns) if column.grows and widths[place]]
        spare = max(0, room - sum(widths))
        for number, place in enumerate(growing):
            widths[place] += spare * (number + 1) // len(growing) - spare * number // len(growing)
        for place, width in enumerate(widths):
            if width:
                self.horizontalHeader().resizeSection(place, width)
        self._break_titles()
        return needed

    def _shrunk(self, widths: list[int], room: int) -> list[int]:
        """Widths of which the largest are cut, all to one width, where columns shrink."""
        found, columns = list(widths), self.table_model.columns
        cut = sorted((place for place, column in enumerate(columns) if column.shrinks), key=widths.__getitem__)
        left = room - sum(widths) + sum(widths[place] for place in cut)
        for number, place in enumerate(cut):
            least = min(widths[place], self._painter.width(columns[place], "0" * _SHORT_NAME))
            found[place] = max(min(widths[place], left // (len(cut) - number)), least)
            left -= found[place]
        return found

    def _heading_width(self, title: str) -> int:
        if self.horizontalHeader().isHidden():
            return 0
        return self.horizontalHeader().fontMetrics().horizontalAdvance(title) + 2 * scaled(INSET) + 2

    def _break_titles(self) -> None:
        """Write titles that do not fit in two lines."""
        model, header, margins = self.table_model, self.horizontalHeader(), 2 * scaled(INSET)
        rooms = {place: header.sectionSize(place) for place in range(len(model.columns))}
        broken = {
            place: in_two_lines(model.columns[place].title, header.fontMetrics(), room - margins - 2)
            for place, room in rooms.items()
            if not header.isSectionHidden(place) and self._heading_width(model.columns[place].title) > room
        }
        if broken != model.broken_titles:
            model.broken_titles = broken
            model.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, len(model.columns) - 1)
            self.updateGeometries()

    def minimumSizeHint(self) -> QSize:
        """Room for the titles and one row: neighbors may need the height more."""
        height = self.horizontalHeader().sizeHint().height() + self.verticalHeader().defaultSectionSize()
        return QSize(super().minimumSizeHint().width(), height + 2 * self.frameWidth())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.fit()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._painter.use_font(self.font())
            self.fit()

    def paintEvent(self, event: QPaintEvent) -> None:
        model, touched = self.table_model, event.rect()
        first, last = self.rowAt(touched.top()), self.rowAt(touched.bottom())
        if first < 0:
            return
        last = last if last >= 0 else model.rowCount() - 1
        height = self.verticalHeader().defaultSectionSize()
        top, chosen = self.rowViewportPosition(first), self.selectionModel()
        header = self.horizontalHeader()
        columns = [
            (column, header.sectionViewportPosition(column), header.sectionSize(column))
            for column in range(header.logicalIndexAt(touched.left()), len(model.columns))
            if not header.isSectionHidden(column) and header.sectionViewportPosition(column) <= touched.right()
        ]
        painter = QPainter(self.viewport())
        self._painter.begin(painter)
        for row in range(first, last + 1):
            area = QRect(touched.left(), top + (row - first) * height, touched.width(), height)
            selected = chosen.isRowSelected(row, _ROOT)
            self._painter.paint_ground(painter, area, selected=selected, hovered=row == self._hovered)
            for column, left, width in columns:
                rect = QRect(left, area.top(), width, height)
                if column in self.pictures:
                    option: Any = QStyleOptionViewItem()
                    self.initViewItemOption(option)
                    option.rect = rect
                    index = model.index(row, column)
                    self.itemDelegateForIndex(index).paint(painter, option, index)
                else:
                    self._painter.paint(painter, rect, model.cell(row, column))
        for rows in self.highlighted:
            top, bottom = self.rowViewportPosition(rows.start), self.rowViewportPosition(rows.stop - 1) + height
            frame = QRectF(-self.horizontalOffset(), top, header.length(), bottom - top)
            paint_highlight(painter, frame.adjusted(2.0, 2.0, -2.0, -2.0), self._theme)
        painter.end()

    def _hover(self, row: int) -> None:
        for changed in {self._hovered, row} - {-1} if row != self._hovered else ():
            top, height = self.rowViewportPosition(changed), self.rowHeight(changed)
            self.viewport().update(0, top, self.viewport().width(), height)
        self._hovered = row

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        self._hover(self.rowAt(event.position().toPoint().y()))

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._hover(-1)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
        if event.matches(QKeySequence.StandardKey.Copy):
            QApplication.clipboard().setText(self.copy_text())
        elif event.key() in steps and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            self.stepped.emit(steps[Qt.Key(event.key())])
        else:
            super().keyPressEvent(event)


class _CellPainter:
    """Draws rows and cells: words in the font of texts, numbers in that of code."""

    def __init__(self, font: QFont, inset: int, *, lines: bool) -> None:
        self._padding, self._lines = inset, lines
        self.use_font(font)

    def use_font(self, font: QFont) -> None:
        both = False, True
        self._fonts = {(number, bold): _font(font, number, bold) for number in both for bold in both}
        self._metrics = {face: QFontMetrics(own) for face, own in self._fonts.items()}
        self._inset, self._mark, self._line = scaled(self._padding), scaled(MARK_SIZE), scaled(_ACCENT_LINE)

    def width(self, column: Column, text: str) -> int:
        """Width of a column for a text."""
        return self._metrics[column.number, False].horizontalAdvance(text) + 2 * self._inset

    def apply_theme(self, theme: Theme) -> None:
        roles = "text", "grid", "raised", "accent", "accent_surface"
        self._text, self._grid, self._raised, self._accent, self._selected = map(theme.color, roles)

    def begin(self, painter: QPainter) -> None:
        self._face, self._color = (False, False), self._text
        painter.setFont(self._fonts[self._face])
        painter.setPen(self._color)

    def paint_ground(self, painter: QPainter, area: QRect, *, selected: bool, hovered: bool) -> None:
        """Draw the ground of a row and the line under it. Texts keep their colors on each ground."""
        if selected or hovered:
            painter.fillRect(area, self._selected if selected else self._raised)
        if self._lines:
            painter.fillRect(area.left(), area.bottom(), area.width(), 1, self._grid)
        if selected:
            painter.fillRect(0, area.top(), self._line, area.height(), self._accent)

    def paint(self, painter: QPainter, rect: QRect, cell: TableCell) -> None:
        left, right = rect.left() + self._inset, rect.right() + 1 - self._inset
        if cell.mark is not None:
            at = left if cell.left or cell.text else right - self._mark
            cell.mark.paint(painter, QRect(at, rect.top(), self._mark, rect.height()))
            if cell.left:
                left += self._mark + self._inset
        face, color = (cell.number, cell.bold), cell.color or self._text
        if face != self._face:
            painter.setFont(self._fonts[face])
        if color is not self._color:
            painter.setPen(color)
        self._face, self._color, metrics = face, color, self._metrics[face]
        text, room = cell.text, right - (left if cell.left else rect.left() + 1)
        width = metrics.horizontalAdvance(text)
        if width > room and not cell.left:
            # A bold number, in a column that gave up a little, rather takes some of the margin than loses a digit.
            more = min(width - room, self._inset - 1)
            right, room = right + more, room + more
        if width > room:
            # Similar names differ at their ends.
            middle = cell.left and " " not in text
            elide = Qt.TextElideMode.ElideMiddle if middle else Qt.TextElideMode.ElideRight
            text = metrics.elidedText(text, elide, room)
            width = metrics.horizontalAdvance(text)
        y = rect.top() + (rect.height() - metrics.height()) // 2 + metrics.ascent()
        painter.drawText(left if cell.left else right - width, y, text)


def _font(font: QFont, number: bool, bold: bool) -> QFont:
    found = QFont(font)
    if number:
        found.setFamilies(code_font().families())
    found.setBold(bold)
    # Digits are aligned in columns.
    found.setKerning(False)
    return found


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
