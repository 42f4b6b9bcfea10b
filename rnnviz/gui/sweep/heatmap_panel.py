"""Heat map with combo boxes for axes and quantity, its color bar, and a description of the selected cell."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, QSignalBlocker, QSize, Qt, Signal, SignalInstance
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QComboBox, QGridLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from rnnviz.core import number_format
from rnnviz.gui.sweep.heatmap import STEPS, ColorRange, Heatmap, color_range, colors
from rnnviz.gui.theme.elided_combo import ComboBox
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.labels import ElidedLabel
from rnnviz.sweeps.grid import ENGINE
from rnnviz.sweeps.results import (
    NO_ROW,
    QUANTITIES,
    ROW_VERDICTS,
    WAITING,
    Cells,
    SweepFigures,
    SweepQuantity,
    cells,
    short_key,
)

_BAR, _PAD, _TICK = 12.0, 8.0, 4.0


class HeatmapColorBar(QWidget):
    """A horizontal bar with the smallest value at the left."""

    def __init__(self) -> None:
        super().__init__()
        self._range: ColorRange | None = None
        self._title = ""
        self._theme = LIGHT
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Color scale")

    def show_range(self, color_range: ColorRange, title: str) -> None:
        """Show another range; `title` names the quantity."""
        self._range, self._title = color_range, title
        self.setAccessibleDescription(" ".join((title, *(text for _, text in self.ticks()))))
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def ticks(self) -> list[tuple[float, str]]:
        """Positions of the decades, 0 to 1, and their labels."""
        found = self._range
        if found is None:
            return []
        scale = found.scale
        decades = np.arange(scale.lowest, scale.highest + 1, dtype=np.float64)
        places = found.fractions(np.power(10.0, decades))
        ticks = [(float(place), scale.text(float(decade))) for place, decade in zip(places, decades, strict=True)]
        return [(place, text) for place, text in ticks if place not in (0.0, 1.0) or text]

    def sizeHint(self) -> QSize:
        return QSize(240, int(_BAR + _TICK + 2 * self.fontMetrics().height() + 4))

    def minimumSizeHint(self) -> QSize:
        return QSize(120, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._theme.color("base"))
        if self._range is not None:
            self._paint_bar(painter, self._range)
        painter.end()

    def _paint_bar(self, painter: QPainter, found: ColorRange) -> None:
        theme, metrics = self._theme, self.fontMetrics()
        limit = found.limit is not None
        painter.setPen(theme.color("muted"))
        painter.drawText(
            QRectF(_PAD, 0, self.width() - 2 * _PAD, metrics.height()), Qt.AlignmentFlag.AlignCenter, self._title
        )
        bar = QRectF(_PAD, metrics.height() + 1, self.width() - 2 * _PAD, _BAR)
        rgb = np.ascontiguousarray(colors(theme, limit=limit)[None])
        painter.drawImage(bar, QImage(rgb.data, STEPS, 1, 3 * STEPS, QImage.Format.Format_RGB888))
        painter.setPen(QPen(theme.color("border"), 1.0))
        painter.drawRect(bar)
        taken: list[tuple[float, float]] = []
        ticks = self.ticks()
        if found.limit is not None:
            # The limit first: of texts that would run into each other the later ones are left out.
            ticks = [(0.5, f"{found.limit:g} = limit"), *(tick for tick in ticks if tick[0] != 0.5)]
        # From the ends inwards, which say how far the colors reach.
        for place, text in sorted(ticks, key=lambda tick: (tick[0] != 0.5 or not limit, -abs(tick[0] - 0.5))):
            x = bar.left() + place * bar.width()
            text = number_format.true_minus(text)
            wide = metrics.horizontalAdvance(text)
            left = min(max(x - wide / 2, 0.0), self.width() - wide)
            if any(left < end + _PAD and left + wide > start - _PAD for start, end in taken):
                continue
            taken.append((left, left + wide))
            at_limit = limit and place == 0.5
            line, ink, top = ("wrong", "wrong", bar.top()) if at_limit else ("border", "muted", bar.bottom())
            painter.setPen(QPen(theme.color(line), 2.0 if at_limit else 1.0))
            painter.drawLine(round(x), round(top), round(x), round(bar.bottom() + _TICK))
            painter.setPen(theme.color(ink))
            room = QRectF(left, bar.bottom() + _TICK, wide + 2, metrics.height())
            painter.drawText(room, Qt.AlignmentFlag.AlignLeft, text)


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
        self._cells: Cells | None = None
        self.across = _choice("Columns", "Key that varies along the columns.")
        self.down = _choice("Rows", "Key that varies along the rows.")
        self.only = _choice("Show", "Shows all rows, or only those with one value of another key.")
        self.quantity = _choice("Color by", "Quantity that colors the cells.")
        for quantity in QUANTITIES:
            self.quantity.addItem(quantity.title, quantity.name)
            self.quantity.setItemData(self.quantity.count() - 1, quantity.why, Qt.ItemDataRole.ToolTipRole)
        self.map = Heatmap()
        self.map.setAccessibleName("Heat map of the sweep; arrows choose a cell, Enter opens its run")
        self.scale = HeatmapColorBar()
        self.description = ElidedLabel()
        choices = QGridLayout()
        choices.setSpacing(8)
        for place, box in enumerate((self.down, self.across, self.only, self.quantity)):
            line, column = divmod(place, 2)
            label = QLabel(f"{box.accessibleName()}:")
            label.setProperty("muted", True)
            label.setBuddy(box)
            choices.addWidget(label, line, 2 * column)
            choices.addWidget(box, line, 2 * column + 1)
            choices.setColumnStretch(2 * column + 1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 4)
        layout.setSpacing(8)
        layout.addLayout(choices)
        layout.addWidget(self.map, 1)
        layout.addWidget(self.scale)
        layout.addWidget(self.description)
        self.across.activated.connect(lambda: self._on_axis(self.across, self.down))
        self.down.activated.connect(lambda: self._on_axis(self.down, self.across))
        self.only.currentIndexChanged.connect(self.refresh)
        self.quantity.currentIndexChanged.connect(self.refresh)
        self.map.chosen.connect(self._tell)
        self.map.chosen.connect(partial(self._send, self.row_chosen))
        self.map.activated_at.connect(partial(self._send, self.row_activated))
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
        self._cells = found = cells(figures, across, line, quantity.name, self._shown_rows(figures))
        shown = color_range(found.values, quantity.limit)
        self.map.show_cells(found, shown, self._short)
        self.scale.show_range(shown, f"{quantity.title}{' in seconds' if quantity.name in _TIMES else ''}")
        self._tell()

    def apply_theme(self, theme: Theme) -> None:
        self.map.apply_theme(theme)
        self.scale.apply_theme(theme)

    def words(self, down: int, across: int) -> str:
        """Description of a cell: values, verdict, number, and the number of its rows."""
        found, figures = self._cells, self._figures
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
        cell = self.map.chosen_cell
        if cell is not None:
            self.description.setText(self.words(*cell))
        elif self._cells is not None:
            most, text = int(self._cells.counts.max(initial=0)), "A click on a cell opens its run."
            if most > 1:
                text = f"Each cell shows the worst of up to {number_format.count(most)} rows; a click opens that one."
            self.description.setText(text)
        self.map.setAccessibleDescription(self.description.text())

    def _send(self, signal: SignalInstance, down: int, across: int) -> None:
        if self._cells is not None and self._cells.rows[down, across] != NO_ROW:
            signal.emit(int(self._cells.rows[down, across]))


def _choice(name: str, why: str) -> QComboBox:
    box = ComboBox()
    box.setAccessibleName(name)
    box.setToolTip(wrapped(why))
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(5)
    return box
