"""Heat map with combo boxes for axes and quantity, its color bar, and a description of the selected cell."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QSignalBlocker, Qt, Signal, SignalInstance
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import QComboBox, QGridLayout, QLabel, QSizePolicy, QWidget

from rnnviz.core import number_format
from rnnviz.gui.kit.panel import caption
from rnnviz.gui.sweep.heatmap import STEPS, ColorRange, Heatmap, color_range, colors
from rnnviz.gui.theme.elided_combo import ComboBox
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import across, down
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

_BAR = 12


class HeatmapLegend(QWidget):
    """A bar of the colors between the smallest and the largest value, with the limit in the middle if there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Color scale")
        self._theme = LIGHT
        self._limit: float | None = None
        self._title, self._low, self._middle, self._high = (caption("") for _ in range(4))
        self._bar = QLabel()
        self._bar.setScaledContents(True)
        self._bar.setFixedHeight(scaled(_BAR))
        self._bar.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        ends = across(self._low, None, self._middle, None, self._high)
        self.setLayout(down(across(None, self._title, None), self._bar, ends, spacing=2))

    def show_range(self, color_range: ColorRange, title: str) -> None:
        """Show another range; `title` names the quantity."""
        scale, self._limit = color_range.scale, color_range.limit
        texts = (
            title,
            scale.text(scale.lowest),
            "" if self._limit is None else f"limit {self._limit:g}",
            scale.text(scale.highest),
        )
        for label, text in zip((self._title, self._low, self._middle, self._high), texts, strict=True):
            label.setText(number_format.true_minus(text))
        self.setAccessibleDescription(" ".join(texts))
        self.apply_theme(self._theme)

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        rgb = np.ascontiguousarray(colors(theme, limit=self._limit is not None)[None])
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
        self.scale = HeatmapLegend()
        self.description = ElidedLabel()
        choices = QGridLayout()
        choices.setSpacing(8)
        for place, box in enumerate((self.down, self.across, self.only, self.quantity)):
            line, column = divmod(place, 2)
            choices.addWidget(caption(f"{box.accessibleName()}:", box), line, 2 * column)
            choices.addWidget(box, line, 2 * column + 1)
            choices.setColumnStretch(2 * column + 1, 1)
        self.setLayout(down(choices, (self.map, 1), self.scale, self.description, margins=(8, 4, 8, 4)))
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
