"""Heat map of a sweep: a table of two keys, whose cells have the color of one quantity and a verdict mark."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QPersistentModelIndex,
    QSignalBlocker,
    Qt,
    Signal,
    SignalInstance,
)
from PySide6.QtGui import QColor, QImage, QKeyEvent, QPainter, QPen, QPixmap
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHeaderView,
    QLabel,
    QSizePolicy,
    QStyledItemDelegate,
    QTableView,
    QWidget,
)

from rnnviz.core import number_format
from rnnviz.frozen import dataclass
from rnnviz.gui.kit.panel import caption
from rnnviz.gui.theme.elided_combo import ComboBox
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import across, down
from rnnviz.gui.views.labels import ElidedLabel
from rnnviz.gui.views.unrolled.colormap import interpolated, on
from rnnviz.series.outlines import LogScale, decade_text, log_scale
from rnnviz.sweeps.grid import ENGINE
from rnnviz.sweeps.results import (
    COMPUTED_PLACES,
    NO_ROW,
    QUANTITIES,
    ROW_MARKS,
    ROW_VERDICTS,
    WAITING,
    Cells,
    SweepFigures,
    SweepQuantity,
    cells,
    short_key,
)

STEPS = 256


def colors(theme: Theme, *, limit: bool) -> NDArray[np.uint8]:
    """Color table from smallest to largest value, of shape (256, 3).

    With a limit, colors are pale below it and change hue above, so that the limit is visible as an edge.
    """
    shares, stops = np.linspace(0.0, 1.0, STEPS), theme.sequential
    found = interpolated(stops, shares)
    if limit:
        calm = interpolated(stops[: len(stops) // 2 + 1], shares * 2.0)
        alarm = interpolated((theme.base, theme.wrong), shares)
        found = np.where((shares > 0.5)[:, None], alarm, calm)
    return np.round(found).astype(np.uint8)


@dataclass(frozen=True)
class ColorRange:
    """The scale from numbers to colors: 0 is the smallest, 1 the largest, and 0.5 the limit if there is one."""

    scale: LogScale
    limit: float | None

    def fractions(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The position of each number, logarithmic; zero is at 0, infinity at 1, NaN remains NaN."""
        scale = self.scale
        positions = scale.positions(values)
        if self.limit is None:
            return np.asarray(np.clip((positions - scale.lowest) / (scale.highest - scale.lowest), 0.0, 1.0))
        middle = np.log10(self.limit)
        below, above = max(middle - scale.lowest, 1.0), max(scale.highest - middle, 1.0)
        parts = np.where(positions < middle, (positions - middle) / below, (positions - middle) / above)
        return np.asarray(np.clip(0.5 + 0.5 * parts, 0.0, 1.0))


def color_range(values: NDArray[np.float64], limit: float | None) -> ColorRange:
    """The displayed range, which includes the limit."""
    finite = np.abs(values[~np.isnan(values)])
    return ColorRange(log_scale((finite,), *(() if limit is None else (limit,))), limit)


def pixels(cells: Cells, color_range: ColorRange, theme: Theme) -> NDArray[np.uint8]:
    """Cell colors of shape (D, A, 3). Cells without a value have the background color."""
    table = colors(theme, limit=color_range.limit is not None)
    fractions = color_range.fractions(cells.values)
    # What is at the limit is still right, and has the last of the calm colors.
    places = np.floor(np.nan_to_num(fractions) * (STEPS - 1)).astype(np.intp)
    found: NDArray[np.uint8] = table[places]
    found[np.isnan(fractions)] = _rgb(theme.color("base"))
    computed = np.isin(cells.verdicts, COMPUTED_PLACES)
    found[np.isnan(fractions) & ~computed & (cells.counts > 0)] = _rgb(theme.color("raised"))
    found[np.isinf(cells.values)] = _rgb(theme.color("infinite"))
    found[cells.nan] = _rgb(theme.color("nan"))
    return found


def _rgb(color: QColor) -> tuple[int, int, int]:
    return color.red(), color.green(), color.blue()


_WAITING, _WIDEST = "·", "✘ 1.2e-10"
_LEAST_CELL, _PAD = 14, 6
_GO = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)

_Index = QModelIndex | QPersistentModelIndex
_ROOT, _Roles = QModelIndex(), Qt.ItemDataRole


class HeatmapModel(QAbstractTableModel):
    """The cells with their colors and texts; the values of the two keys are the headers."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: Cells | None = None
        self.theme = LIGHT
        self.describe: Callable[[int, int], str] = lambda _down, _across: ""
        self._colors: NDArray[np.uint8] = np.zeros((0, 0, 3), np.uint8)
        self._short: Callable[[float], str] = number_format.error
        self.numbers = True
        """Whether there is room for numbers."""

    def show_cells(self, cells: Cells, color_range: ColorRange, theme: Theme, short: Callable[[float], str]) -> None:
        """Show other cells or values, formatted by `short`. Cells of the same keys keep the selection."""
        before = self.cells
        same = before is not None and before.across is cells.across and before.down is cells.down
        if not same:
            self.beginResetModel()
        self.cells, self._colors, self.theme, self._short = cells, pixels(cells, color_range, theme), theme, short
        if not same:
            self.endResetModel()
        elif cells.rows.size:
            self.dataChanged.emit(self.index(0, 0), self.index(cells.shape[0] - 1, cells.shape[1] - 1))

    def rowCount(self, parent: _Index = _ROOT) -> int:
        return 0 if self.cells is None or parent.isValid() else self.cells.shape[0]

    def columnCount(self, parent: _Index = _ROOT) -> int:
        return 0 if self.cells is None or parent.isValid() else self.cells.shape[1]

    def data(self, index: _Index, role: int = _Roles.DisplayRole) -> Any:
        cell = index.row(), index.column()
        match role:
            case _Roles.DisplayRole:
                return self.text(*cell, number=self.numbers)
            case _Roles.BackgroundRole:
                return self._color(cell)
            case _Roles.ForegroundRole:
                return on(self._color(cell).rgb(), self.theme)
            case _Roles.TextAlignmentRole:
                return Qt.AlignmentFlag.AlignCenter
            case _Roles.ToolTipRole:
                return wrapped(self.describe(*cell))
            case _Roles.AccessibleTextRole:
                return self.describe(*cell)
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _Roles.DisplayRole) -> Any:
        if self.cells is None or role not in (_Roles.DisplayRole, _Roles.ToolTipRole):
            return None
        key = self.cells.across if orientation == Qt.Orientation.Horizontal else self.cells.down
        return "" if key is None else key.texts[section]

    def text(self, down: int, across: int, *, number: bool) -> str:
        """Text of a cell: verdict mark, and number if it fits."""
        assert self.cells is not None
        if self.cells.rows[down, across] == NO_ROW:
            return ""
        verdict = int(self.cells.verdicts[down, across])
        mark = _WAITING if verdict == WAITING else ROW_MARKS[ROW_VERDICTS[verdict]]
        value = float(self.cells.values[down, across])
        bare = not number or (value != value and not self.cells.nan[down, across])
        return mark if bare else f"{mark} {self._short(value)}"

    def _color(self, cell: tuple[int, int]) -> QColor:
        return QColor(*map(int, self._colors[cell]))


class Heatmap(QTableView):
    """Draws `Cells`. A click or an arrow key selects a cell; a click or Enter opens it."""

    chosen = Signal(int, int)
    """The selected cell (down, across)."""
    opened = Signal(int, int)
    """The cell whose run is requested."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = HeatmapModel()
        self.setModel(self.cells)
        self.setItemDelegate(_CellDelegate(self))
        self.setSelectionMode(QTableView.SelectionMode.SingleSelection)
        self.setTabKeyNavigation(False)
        self.setCornerButtonEnabled(False)
        self.setShowGrid(False)
        self.setWordWrap(False)
        for header in (self.horizontalHeader(), self.verticalHeader()):
            header.setMinimumSectionSize(scaled(_LEAST_CELL))
            header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
            header.setDefaultAlignment(Qt.AlignmentFlag.AlignCenter)
            header.setSectionsClickable(False)
            header.setHighlightSections(False)
        self.horizontalHeader().sectionResized.connect(self._fit_texts)
        self.selectionModel().currentChanged.connect(lambda index: self._send(self.chosen, index))
        self.clicked.connect(lambda index: self._send(self.opened, index))

    @property
    def chosen_cell(self) -> tuple[int, int] | None:
        """The selected cell (down, across)."""
        current = self.currentIndex()
        return (current.row(), current.column()) if current.isValid() else None

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in _GO:
            self._send(self.opened, self.currentIndex())
        else:
            super().keyPressEvent(event)

    def _send(self, signal: SignalInstance, index: QModelIndex) -> None:
        if index.isValid():
            signal.emit(index.row(), index.column())

    def _fit_texts(self) -> None:
        wanted = self.fontMetrics().horizontalAdvance(_WIDEST) + _PAD
        self.cells.numbers = self.horizontalHeader().sectionSize(0) >= wanted


class _CellDelegate(QStyledItemDelegate):
    """Paints the color to the edges of a cell, and a frame of two tones around the selected one."""

    def __init__(self, view: Heatmap) -> None:
        super().__init__(view)
        self._view = view

    def paint(self, painter: QPainter, option: Any, index: _Index) -> None:
        rect, shown = option.rect, index.data(_Roles.BackgroundRole)
        painter.save()
        painter.fillRect(rect.adjusted(0, 0, -1, -1), shown)
        painter.setPen(index.data(_Roles.ForegroundRole))
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, index.data())
        if index == self._view.currentIndex():
            for role, width in (("outline_under", 5), ("cursor", 2)):
                painter.setPen(QPen(self._view.cells.theme.color(role), width))
                painter.drawRect(rect.adjusted(2, 2, -3, -3))
        painter.restore()


_BAR = 12


class HeatmapLegend(QWidget):
    """A bar of the colors between the smallest and the largest value, with the limit in the middle if there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Color scale")
        self._labels = [caption("") for _ in range(4)]
        self._bar = QLabel()
        self._bar.setScaledContents(True)
        self._bar.setFixedHeight(scaled(_BAR))
        self._bar.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        title, low, middle, high = self._labels
        ends = across(low, None, middle, None, high)
        self.setLayout(down(across(None, title, None), self._bar, ends, spacing=2))

    def show_range(self, color_range: ColorRange, title: str, theme: Theme) -> None:
        """Show another range; `title` names the quantity."""
        scale, limit = color_range.scale, color_range.limit
        middle, low, high = "", scale.lowest, scale.highest
        if limit is not None:
            # There is at least a power of ten on both sides of the limit.
            at = round(np.log10(limit))
            middle, low, high = f"limit {limit:g}", min(low, at - 1), max(high, at + 1)
        texts = title, decade_text(low), middle, decade_text(high)
        for label, text in zip(self._labels, texts, strict=True):
            label.setText(number_format.true_minus(text))
        self.setAccessibleDescription(" ".join(texts))
        rgb = np.ascontiguousarray(colors(theme, limit=limit is not None)[None])
        image = QImage(rgb.data, STEPS, 1, 3 * STEPS, QImage.Format.Format_RGB888)
        self._bar.setPixmap(QPixmap.fromImage(image.copy()))


_TIMES = ("reference", "engine")
_MOST_OFFERED = 100
"""Maximum number of values of a key that are listed separately."""


class HeatmapPanel(QWidget):
    """Shows a sweep on two axes. Each cell shows the worst of its rows."""

    row_chosen = Signal(int)
    """Index of the row shown in the selected cell."""
    row_activated = Signal(int)
    """Index of the row whose run is requested."""

    def __init__(self) -> None:
        super().__init__()
        self._figures: SweepFigures | None = None
        self._theme = LIGHT
        self.across = _choice("Columns", "Key that varies along the columns.")
        self.down = _choice("Rows", "Key that varies along the rows.")
        self.only = _choice("Show", "Shows all rows, or only those with one value of another key.")
        self.quantity = _choice("Color by", "Quantity that colors the cells.")
        for quantity in QUANTITIES:
            self.quantity.addItem(quantity.title, quantity.name)
            self.quantity.setItemData(self.quantity.count() - 1, quantity.why, Qt.ItemDataRole.ToolTipRole)
        self.map = Heatmap()
        self.map.setAccessibleName("Heat map of the sweep; arrows choose a cell, Enter opens its run")
        self.scale = HeatmapLegend()
        self.description = ElidedLabel()
        choices = QGridLayout()
        choices.setSpacing(8)
        for place, box in enumerate((self.down, self.across, self.only, self.quantity)):
            line, column = divmod(place, 2)
            choices.addWidget(caption(box.accessibleName(), box), line, 2 * column)
            choices.addWidget(box, line, 2 * column + 1)
            choices.setColumnStretch(2 * column + 1, 1)
        self.setLayout(down(choices, (self.map, 1), self.scale, self.description, margins=(8, 4, 8, 4)))
        self.across.activated.connect(lambda: self._on_axis(self.across, self.down))
        self.down.activated.connect(lambda: self._on_axis(self.down, self.across))
        self.only.currentIndexChanged.connect(self.refresh)
        self.quantity.currentIndexChanged.connect(self.refresh)
        self.map.chosen.connect(self._tell)
        self.map.chosen.connect(partial(self._send, self.row_chosen))
        self.map.opened.connect(partial(self._send, self.row_activated))
        self.map.cells.describe = self.words
        self.setMinimumWidth(scaled(320))

    def show_figures(self, figures: SweepFigures) -> None:
        """Show another sweep on its two longest axes; several engines are one of them."""
        self._figures = figures
        lengths = {dimension.key: len(dimension.texts) for dimension in figures.dimensions}
        keys = sorted(lengths, key=lambda key: (key == ENGINE and lengths[key] > 1, lengths[key]), reverse=True)
        for box in (self.across, self.down):
            with QSignalBlocker(box):
                box.clear()
                for dimension in figures.dimensions:
                    box.addItem(short_key(dimension.key, figures.keys), dimension.key)
        if keys:
            self.across.setCurrentIndex(self.across.findData(keys[0]))
            self.down.setCurrentIndex(self.down.findData(keys[1] if len(keys) > 1 else keys[0]))
        self.down.setEnabled(len(keys) > 1)
        self._offer_rows()
        self.refresh()

    def refresh(self) -> None:
        """Update the cells after new rows, or for another quantity."""
        figures = self._figures
        if figures is None or not figures.rows:
            return
        quantity = self._quantity
        self.quantity.setToolTip(wrapped(quantity.why))
        across = figures.dimensions[self.across.currentIndex()]
        down = figures.dimensions[self.down.currentIndex()]
        line = None if down is across else down
        found = cells(figures, across, line, quantity.name, self._shown_rows(figures))
        shown = color_range(found.values, quantity.limit)
        self.map.cells.show_cells(found, shown, self._theme, self._short)
        title = f"{quantity.title}{' in seconds' if quantity.name in _TIMES else ''}"
        self.scale.show_range(shown, title, self._theme)
        self._tell()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.refresh()

    def words(self, down: int, across: int) -> str:
        """Description of a cell: values, verdict, number, and the number of its rows."""
        found, figures = self.map.cells.cells, self._figures
        if found is None or figures is None or found.rows[down, across] == NO_ROW:
            return ""
        names = [f"{short_key(found.across.key, figures.keys)} {found.across.texts[across]}"]
        if found.down is not None:
            names.insert(0, f"{short_key(found.down.key, figures.keys)} {found.down.texts[down]}")
        verdict, value = int(found.verdicts[down, across]), float(found.values[down, across])
        text = "waiting" if verdict == WAITING else ROW_VERDICTS[verdict]
        count, done = int(found.counts[down, across]), int(found.done[down, across])
        if value == value or found.nan[down, across]:
            text += f", {self._quantity.title} {self._short(value)}"
        if count > 1:
            text += f" (each the worst of {number_format.count(count)} rows{'' if done == count else f', {done} done'})"
        return f"{', '.join(names)}: {text}"

    @property
    def _quantity(self) -> SweepQuantity:
        return QUANTITIES[self.quantity.currentIndex()]

    @property
    def _short(self) -> Callable[[float], str]:
        return number_format.duration if self._quantity.name in _TIMES else number_format.error

    def _on_axis(self, changed: QComboBox, other: QComboBox) -> None:
        """Swap the axes if both would show the same key."""
        if changed.currentIndex() == other.currentIndex() and changed.count() > 1:
            other.setCurrentIndex((other.currentIndex() + 1) % other.count())
        self._offer_rows()
        self.refresh()

    def _offer_rows(self) -> None:
        """List the filters: all rows, and each value of a key that is not an axis."""
        assert self._figures is not None
        kept = self.only.currentText()
        with QSignalBlocker(self.only):
            self.only.clear()
            self.only.addItem("all", None)
            for place, dimension in enumerate(self._figures.dimensions):
                shown = place in (self.across.currentIndex(), self.down.currentIndex())
                if not shown and 1 < len(dimension.texts) <= _MOST_OFFERED:
                    name = short_key(dimension.key, self._figures.keys)
                    for code, text in enumerate(dimension.texts):
                        self.only.addItem(f"{name} {text}", (place, code))
            self.only.setCurrentIndex(max(0, self.only.findText(kept)))
        self.only.setEnabled(self.only.count() > 1)
        metrics = self.only.fontMetrics()
        widest = max(metrics.horizontalAdvance(self.only.itemText(i)) for i in range(self.only.count()))
        self.only.view().setMinimumWidth(widest + 40)

    def _shown_rows(self, figures: SweepFigures) -> NDArray[np.bool_] | None:
        chosen = self.only.currentData()
        if chosen is None:
            return None
        place, code = chosen
        found: NDArray[np.bool_] = figures.dimensions[place].codes == code
        return found

    def _tell(self) -> None:
        cell, found = self.map.chosen_cell, self.map.cells.cells
        if cell is not None:
            self.description.setText(self.words(*cell))
        elif found is not None:
            most, text = int(found.counts.max(initial=0)), "A click on a cell opens its run."
            if most > 1:
                text = f"Each cell shows the worst of up to {number_format.count(most)} rows; a click opens that one."
            self.description.setText(text)
        self.map.setAccessibleDescription(self.description.text())

    def _send(self, signal: SignalInstance, down: int, across: int) -> None:
        found = self.map.cells.cells
        if found is not None and found.rows[down, across] != NO_ROW:
            signal.emit(int(found.rows[down, across]))


def _choice(name: str, why: str) -> QComboBox:
    box = ComboBox(None, name, why)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(5)
    return box
