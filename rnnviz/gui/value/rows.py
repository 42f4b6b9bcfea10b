"""Lists of the value card: equations with their numbers, and terms with bars."""

import re
from collections.abc import Sequence
from math import isfinite
from typing import Any

from PySide6.QtCore import QAbstractListModel, QEvent, QModelIndex, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QFrame, QListView, QSizePolicy, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from rnnviz.core.places import Place
from rnnviz.frozen import dataclass
from rnnviz.gui.kit.table import AnyIndex
from rnnviz.gui.theme.fonts import code_font
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import claims, is_plain

MASKED = "?"
MARGIN = 12
EQUATION_HEIGHTS = 50, 42, 28
"""Heights of an equation in pixels, for less and less room. The last one has no numbers."""
TERM_HEIGHT, WIDE_TERM_HEIGHT = 22, 25
WIDE = 480
"""From this width in pixels on, terms have longer bars."""
_GAP = 8
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine
# Combined once: a list paints dozens of texts whenever the selection moves.
_ROOT = QModelIndex()
_LEADING_ZERO = re.compile(r"(?<![\d.])0\.(?=\d*[1-9])")


def shorter(text: str) -> tuple[str, ...]:
    """A text with numbers, and the forms that take its place where it is too wide: without spaces, without zeros."""
    dense = text.replace(" · ", "·")
    return text, dense, _LEADING_ZERO.sub(".", dense)


@dataclass(frozen=True)
class EquationRow:
    """An equation: its symbol, name, numbers and value. `name` and `numbers` have shorter forms for a narrow card."""

    symbol: str
    name: tuple[str, ...]
    numbers: tuple[str, ...]
    value: str
    tip: str = ""
    strong: bool = False


@dataclass(frozen=True)
class TermLine:
    """A term: the name of what it reads, with a `note` and an index, its product's factors, and the product."""

    name: str
    note: str
    index: str
    numbers: tuple[str, ...]
    value: float | None
    text: str
    source: Place | None = None
    tip: str = ""

    @property
    def spoken(self) -> str:
        return " ".join(filter(None, (self.name, self.note, self.index, self.numbers[0], "=", self.text)))


class Face(QFont):
    """A font with its metrics, which take longer to make than to use."""

    def __init__(self, font: QFont) -> None:
        super().__init__(font)
        self.metrics = QFontMetricsF(font)

    def width_of(self, text: str) -> float:
        return self.metrics.horizontalAdvance(text)


class Fonts:
    """The fonts of the card, relative to one font."""

    def __init__(self, font: QFont) -> None:
        def of(base: QFont, ratio: float = 1.0, *, bold: bool = False) -> Face:
            made = QFont(base)
            made.setPointSizeF(max(font.pointSizeF() * ratio, 1.0))
            made.setBold(bold)
            return Face(made)

        code = code_font()
        self.text, self.bold, self.caption = of(font), of(font, bold=True), of(font, 12 / 13)
        self.bold_caption = of(font, 12 / 13, bold=True)
        self.title = of(font, 15 / 13, bold=True)
        self.number, self.symbol, self.small = of(code, 12 / 13), of(code, bold=True), of(code, 10 / 13)
        self.value, self.result, self.large = of(code, 14 / 13), of(code, 14 / 13, bold=True), of(code, 24 / 13)
        self.medium = of(code, 22 / 13)


def fitted(font: Face, texts: Sequence[str], room: float) -> str:
    """The first text that fits, or else the last one, elided."""
    found = next((text for text in texts if font.width_of(text) <= room), None)
    if found is not None:
        return found
    return font.metrics.elidedText(texts[-1], Qt.TextElideMode.ElideRight, max(room, 0.0))


def paint_masked(painter: QPainter, rect: QRectF, fonts: Fonts, theme: Theme) -> None:
    """Draw a question mark in a dashed box, in place of a number that a question asks for."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(theme.color("accent"), 1.5, Qt.PenStyle.DashLine))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(rect, 3, 3)
    painter.setFont(fonts.result)
    painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, MASKED)


class _Rows(QAbstractListModel):
    def __init__(self) -> None:
        super().__init__()
        self.rows: tuple[Any, ...] = ()

    def show_rows(self, rows: Sequence[Any]) -> None:
        """Set the rows. As many as before keep the selection and the keyboard's place."""
        if len(rows) == len(self.rows):
            self.rows = tuple(rows)
            if rows:
                self.dataChanged.emit(self.index(0), self.index(len(rows) - 1))
            return
        self.beginResetModel()
        self.rows = tuple(rows)
        self.endResetModel()

    def rowCount(self, parent: AnyIndex = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.rows[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            if isinstance(row, TermLine):
                return row.spoken
            return f"{row.symbol}, {row.name[0]}: {row.numbers[0] if row.numbers else ''} = {row.value}"
        return wrapped(row.tip) if role == Qt.ItemDataRole.ToolTipRole else None


class _Delegate(QStyledItemDelegate):
    """Draws a row in the theme's colors: the selected one, the one under the pointer, and the keyboard's."""

    def __init__(self, view: "RowList") -> None:
        super().__init__(view)
        self._view = view
        self.theme, self.fonts = LIGHT, Fonts(view.font())

    def sizeHint(self, _option: QStyleOptionViewItem, _index: AnyIndex) -> QSize:
        return QSize(100, self._view.row_height)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        drawn: Any = option
        rect, state, theme = QRect(drawn.rect), drawn.state, self.theme
        painter.save()
        if state & QStyle.StateFlag.State_Selected:
            painter.fillRect(rect, theme.color("accent_surface"))
            painter.fillRect(QRect(rect.left(), rect.top(), 3, rect.height()), theme.color("accent"))
        elif state & QStyle.StateFlag.State_MouseOver and self._view.offers(index.row()):
            painter.fillRect(rect, theme.color("raised"))
        self.draw(painter, QRectF(rect), self._view.rows[index.row()], index.row())
        if state & QStyle.StateFlag.State_HasFocus:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(theme.color("accent"), 2.0))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(rect).adjusted(1, 1, -1, -1), 4, 4)
        painter.restore()

    def draw(self, painter: QPainter, rect: QRectF, row: Any, at: int) -> None:
        raise NotImplementedError

    def write(self, painter: QPainter, rect: QRectF, text: str, font: QFont, role: str, *, right: bool = False) -> None:
        painter.setFont(font)
        painter.setPen(self.theme.color(role))
        painter.drawText(rect, _RIGHT if right else _LEFT, text)


class _EquationDelegate(_Delegate):
    def draw(self, painter: QPainter, rect: QRectF, row: EquationRow, _at: int) -> None:
        fonts, inside = self.fonts, rect.adjusted(scaled(MARGIN), 0, -scaled(MARGIN), 0)
        # Symbols are in a code font: the longest is the widest.
        symbol = max((other.symbol for other in self._view.rows), key=len)
        left = inside.left() + max(scaled(16), fonts.symbol.width_of(symbol)) + _GAP
        wide = max(fonts.result.width_of(row.value), scaled(64) if row.value == MASKED else 0)
        value = QRectF(inside.right() - wide, rect.top(), wide, rect.height())
        if row.value == MASKED:
            paint_masked(painter, value.adjusted(0, 10, 0, -10), fonts, self.theme)
        else:
            self.write(painter, value, row.value, fonts.result if row.strong else fonts.value, "text", right=True)
        room = value.left() - _GAP - left
        upper = QRectF(left, rect.top(), room, rect.height())
        if row.numbers and rect.height() > scaled(EQUATION_HEIGHTS[-1]):
            middle, half = rect.center().y() + 1, scaled(20)
            upper = QRectF(left, middle - half, room, half)
            lower = QRectF(left, middle, room, half)
            self.write(painter, lower, fitted(fonts.number, row.numbers, room), fonts.number, "muted")
        chosen = self._view.selectionModel().isRowSelected(_at, _ROOT)
        font = fonts.bold if chosen else fonts.text
        self.write(painter, upper, fitted(font, row.name, room), font, "text")
        self.write(painter, upper.adjusted(inside.left() - left, 0, 0, 0), row.symbol, fonts.symbol, "text")


class _TermDelegate(_Delegate):
    def draw(self, painter: QPainter, rect: QRectF, row: TermLine, _at: int) -> None:
        fonts, theme = self.fonts, self.theme
        inside = rect.adjusted(scaled(MARGIN), 0, -scaled(MARGIN), 0)
        wide = self._view.width() >= scaled(WIDE)
        half = scaled(120 if wide else 66)
        axis = inside.right() - half - scaled(4)
        end = axis - half - scaled(14)
        role = "accent" if row.source is not None else "text"
        x = inside.left()
        for text, font in ((row.name, fonts.number), (row.note, fonts.small), (row.index, fonts.number)):
            if text:
                x += scaled(3) if font is fonts.small else 0
                room = QRectF(x, rect.top(), max(end - x, 0.0), rect.height())
                self.write(painter, room, fitted(font, (text,), room.width()), font, role)
                x += font.width_of(text)
        room = QRectF(x + _GAP, rect.top(), max(end - x - _GAP, 0.0), rect.height())
        numbers = fitted(fonts.number, row.numbers, room.width())
        if "…" not in numbers:
            self.write(painter, room, numbers, fonts.number, "text", right=True)
        painter.setPen(theme.color("border"))
        painter.drawLine(QPointF(axis, rect.top()), QPointF(axis, rect.bottom()))
        self._draw_bar(painter, rect, row, axis, half)

    def _draw_bar(self, painter: QPainter, rect: QRectF, row: TermLine, axis: float, half: float) -> None:
        """Draw the bar of a product left or right of the axis, and its number across from it."""
        value, text = row.value, QRectF(axis + 5, rect.top(), half, rect.height())
        if value is None:
            self.write(painter, text, row.text, self.fonts.number, "text")
            return
        largest = max((abs(other.value) for other in self._view.rows if _is_finite(other)), default=0.0)
        if value > 0.0:
            text.moveRight(axis - 5)
        self.write(painter, text, row.text, self.fonts.number, "text", right=value > 0.0)
        if isfinite(value) and largest:
            length = max(half * abs(value) / largest, 1.0)
            left = axis if value >= 0.0 else axis - length
            color = QColor(self.theme.diverging[-2 if value >= 0.0 else 1])
            painter.fillRect(QRectF(left, rect.top() + 4, length, rect.height() - 8), color)


def _is_finite(row: TermLine) -> bool:
    return row.value is not None and isfinite(row.value)


class RowList(QListView):
    """Rows without a frame or scroll bars, as high as they are. Arrow keys go through them, Enter opens one."""

    opened = Signal(int)
    """A row that was clicked, or that Enter was pressed on."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = _Rows()
        self.setModel(self._rows)
        self.setObjectName("rows")
        self.setAccessibleName(name)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        # The card is below.
        self.viewport().setAutoFillBackground(False)

    @property
    def rows(self) -> tuple[Any, ...]:
        return self._rows.rows

    @property
    def texts(self) -> list[str]:
        """The rows in words, as they are shown."""
        return [str(self._rows.index(at).data()) for at in range(len(self.rows))]

    @property
    def row_height(self) -> int:
        """Height of a row in pixels."""
        return scaled(EQUATION_HEIGHTS[0])

    def offers(self, at: int) -> bool:
        """Whether a row leads anywhere."""
        return True

    def show_rows(self, rows: Sequence[Any]) -> None:
        count = len(self.rows)
        self._rows.show_rows(rows)
        if len(rows) != count:
            self.updateGeometry()

    def apply_theme(self, theme: Theme) -> None:
        delegate: Any = self.itemDelegate()
        delegate.theme, delegate.fonts = theme, Fonts(self.font())
        self.scheduleDelayedItemsLayout()
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        return QSize(200, self.row_height * len(self.rows))

    def minimumSizeHint(self) -> QSize:
        return QSize(120, self.sizeHint().height())

    # Qt

    def event(self, event: QEvent) -> bool:
        """Handle the list's keys before the window's shortcuts."""
        return claims(event, _KEYS) or super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if is_plain(event, _ENTER):
            if self.currentIndex().isValid():
                self.opened.emit(self.currentIndex().row())
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        super().mousePressEvent(event)
        index = self.indexAt(event.position().toPoint())
        if index.isValid() and event.button() == Qt.MouseButton.LeftButton:
            self.opened.emit(index.row())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Ignore the second click, which would follow a link of the newly shown page."""
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        index = self.indexAt(event.position().toPoint())
        link = index.isValid() and self.offers(index.row())
        self.viewport().setCursor(Qt.CursorShape.PointingHandCursor if link else Qt.CursorShape.ArrowCursor)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self.height() != self.sizeHint().height():
            # Wide terms are higher.
            self.updateGeometry()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave the wheel to the card, which scrolls."""
        event.ignore()


_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
_KEYS = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Home, Qt.Key.Key_End, *_ENTER)


class EquationList(RowList):
    """Equations of a value. One of them is chosen, unless the list is only `shown`."""

    chosen = Signal(str)
    """The symbol of a line that the user chose."""

    def __init__(self, name: str, *, chooses: bool = True) -> None:
        super().__init__(name)
        self._chooses, self._updating, self._height = chooses, False, EQUATION_HEIGHTS[0]
        self.setItemDelegate(_EquationDelegate(self))
        if chooses:
            self.selectionModel().currentRowChanged.connect(self._on_row)
        else:
            self.setSelectionMode(QListView.SelectionMode.NoSelection)
            self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    @property
    def row_height(self) -> int:
        return scaled(self._height)

    def show_height(self, height: int) -> None:
        """Set the height of a row, one of `EQUATION_HEIGHTS`."""
        if height != self._height:
            self._height = height
            self.scheduleDelayedItemsLayout()
            self.updateGeometry()

    def offers(self, at: int) -> bool:
        return self._chooses

    def show_lines(self, rows: Sequence[EquationRow], line: str = "") -> None:
        """Show equations, of which the one of a symbol is chosen."""
        self._updating = True
        self.show_rows(rows)
        at = next((place for place, row in enumerate(rows) if row.symbol == line), None)
        if at is None:
            self.clearSelection()
        elif at != self.currentIndex().row() or not self.selectionModel().hasSelection():
            self.setCurrentIndex(self.model().index(at, 0))
        self._updating = False

    def _on_row(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if not self._updating and current.isValid():
            self.chosen.emit(self.rows[current.row()].symbol)


class TermList(RowList):
    """Terms with bars. A click on one, or Enter, follows what it reads."""

    followed = Signal(object)
    """The `Place` that a term reads."""

    def __init__(self) -> None:
        super().__init__("Largest terms of the chosen equation")
        self.setSelectionMode(QListView.SelectionMode.NoSelection)
        self.setItemDelegate(_TermDelegate(self))
        self.opened.connect(self._follow)

    @property
    def row_height(self) -> int:
        return scaled(WIDE_TERM_HEIGHT if self.width() >= scaled(WIDE) else TERM_HEIGHT)

    def offers(self, at: int) -> bool:
        return self.rows[at].source is not None

    def _follow(self, at: int) -> None:
        source = self.rows[at].source
        if source is not None:
            self.followed.emit(source)
